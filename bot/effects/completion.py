"""The storing of what an act brought back: in one transaction, or not at all where the claim was lost."""

from __future__ import annotations

from bot.core import facts, lifecycle
from bot.core.draft import NewId
from bot.core.model import EffectState, Record
from bot.effects.claim import Claim
from bot.store import outbox
from bot.store.transaction import Transaction


def observe(tx: Transaction, claim: Claim, fact: facts.Fact, new_id: NewId) -> None:
    """End the claim, and change the record as the fact demands. Raises LeaseLost."""
    record = locked(tx, claim, new_id)
    outbox.finish(tx, claim.effect, EffectState.DONE)
    observed(tx, claim, record, fact, new_id)


def locked(tx: Transaction, claim: Claim, new_id: NewId) -> Record:
    """The record, after what time alone has decided."""
    record = tx.record(claim.story.request.id)
    assert record is not None, "records are never deleted"
    return settled(tx, record, new_id)


def settled(tx: Transaction, record: Record, new_id: NewId) -> Record:
    """The record, which is locked, after what time alone has decided."""
    transition = lifecycle.settle(record, tx.now, new_id)
    return record if transition is None else tx.apply(transition)


def observed(tx: Transaction, claim: Claim, record: Record, fact: facts.Fact, new_id: NewId) -> None:
    """Change the record; who was told that the promise is late is told that it was kept."""
    if claim.effect.told:
        record = tx.apply(lifecycle.observe(record, facts.Recovered(claim.effect.kind), tx.now, new_id))
    tx.apply(lifecycle.observe(record, fact, tx.now, new_id))
