"""Post the audit lines that wait, as one message, in order. The table is exact; the channel may see a line twice."""

from __future__ import annotations

from collections.abc import Sequence

from bot.core.draft import NewId
from bot.core.model import Effect, EffectState
from bot.effects.claim import Claim
from bot.effects.ports import Ports
from bot.store.transaction import AuditEntry, Transaction

BATCH = 40


def find(tx: Transaction, effect: Effect) -> Sequence[AuditEntry]:
    """The lines that are not in the channel yet."""
    return tx.audit_after(tx.cursor(effect.subject_id), BATCH)


async def perform(claim: Claim, ports: Ports) -> int | None:
    """The number of the last line that is in the channel now; None where none was waiting."""
    entries: Sequence[AuditEntry] = claim.found
    if not entries:
        return None
    posted = await ports.slack.post_audit(claim.effect.subject_id, entries)
    return entries[posted - 1].number


def complete(tx: Transaction, claim: Claim, upto: int | None, _new_id: NewId) -> None:
    tx.finish(claim.effect, EffectState.DONE, attempts=0, first_failed_at=None, last_error="")
    channel = claim.effect.subject_id
    tx.move_cursor(channel, tx.cursor(channel) if upto is None else upto)
