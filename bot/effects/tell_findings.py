"""Tell the help channel once what was found of keys beside what Tyk has, with what to do, and once when it is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.core.draft import NewId
from bot.core.model import Effect, EffectState, Record
from bot.core.reconciliation import Finding, Told
from bot.effects.claim import Claim
from bot.effects.ports import Ports
from bot.store import findings, outbox
from bot.store.findings import Standing
from bot.store.transaction import Transaction

NAMED = 8


@dataclass(frozen=True)
class Unsaid:
    """All that is to be told, and the first of it in words."""

    standing: Sequence[Standing]
    told: Sequence[Told]


def find(tx: Transaction, _effect: Effect) -> Unsaid:
    unsaid = findings.unsaid(tx)
    named = unsaid[:NAMED]
    records = tx.glance({one.request_id: None for one in named if one.request_id})
    return Unsaid(unsaid, [_told(one, records.get(one.request_id or "")) for one in named])


def _told(one: Standing, record: Record | None) -> Told:
    said = Finding(one.finding.kind, one.finding.what or one.said, one.finding.label, one.finding.key_hash)
    return Told(said, record.request if record else None, is_over=one.is_over)


async def perform(claim: Claim, ports: Ports) -> Sequence[Standing]:
    unsaid: Unsaid = claim.found
    if unsaid.told:
        await ports.slack.tell_findings(unsaid.told, len(unsaid.standing) - len(unsaid.told))
    return unsaid.standing


def complete(tx: Transaction, claim: Claim, told: Sequence[Standing], _new_id: NewId) -> None:
    """Note what was told: a finding that has changed meanwhile is told next."""
    outbox.finish(tx, claim.effect, EffectState.DONE, attempts=0, first_failed_at=None, last_error="")
    findings.said(tx, told)
    findings.tell(tx, tx.now)
