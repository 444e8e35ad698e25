"""Edit a message so that it shows the record as it is now, whatever it was promised for."""

from __future__ import annotations

from datetime import timedelta

from bot.core.draft import NewId
from bot.core.facts import Fact, MessageGone, MessageShown
from bot.core.faults import Gone
from bot.core.messages import names_deciders
from bot.core.model import EffectState
from bot.effects.claim import Claim
from bot.effects.completion import locked, observed
from bot.effects.ports import Ports
from bot.store.transaction import Transaction

DEADLINE = timedelta(seconds=10)


async def perform(claim: Claim, ports: Ports) -> Fact:
    message, record = claim.message, claim.story
    deciders = await ports.slack.deciders(record) if names_deciders(record, message) else None
    try:
        await ports.slack.show(record, message, stuck=claim.stuck, late=claim.late, deciders=deciders)
    except Gone:
        return MessageGone(message.id)
    return MessageShown(message.id, record.request.version, deciders.undecidable if deciders else None)


def complete(tx: Transaction, claim: Claim, fact: Fact, new_id: NewId) -> None:
    """An edit whose earlier claimer vanished is made once more, when that one's lease is over too."""
    record = locked(tx, claim, new_id)
    if claim.effect.again:
        tx.finish(claim.effect, EffectState.OPEN, due_at=tx.now + 2 * DEADLINE)
    else:
        tx.finish(claim.effect, EffectState.DONE)
    observed(tx, claim, record, fact, new_id)
