"""Edit a message so that it shows the record as it is now, whatever it was promised for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.core import views
from bot.core.draft import NewId
from bot.core.facts import Fact, MessageGone, MessageShown
from bot.core.faults import Gone, Transient
from bot.core.messages import moved_to, names_deciders
from bot.core.model import EffectState, Record
from bot.effects.claim import Claim
from bot.effects.completion import locked, observed
from bot.effects.ports import Ports
from bot.store import outbox
from bot.store.transaction import Transaction

DEADLINE = timedelta(seconds=10)

_CLOSED = frozenset({"is_inactive", "is_archived", "channel_not_found", "not_in_channel", "shared_outside"})
"""Codes with which nothing more is said in a channel: it is archived, gone, without the bot, or another company reads along."""


async def perform(claim: Claim, ports: Ports) -> Fact:
    message, record = claim.message, claim.story
    deciders = await ports.slack.deciders(record) if names_deciders(record, message) else None
    try:
        await ports.slack.show(
            record, message, stuck=claim.stuck, late=claim.late, deciders=deciders, background=claim.found
        )
    except Gone:
        return MessageGone(message.id)
    except Transient as fault:
        if fault.code not in _CLOSED or not moved_to(message, ports.in_force.rule(record.request.rule.name)):
            raise
        return MessageGone(message.id)  # nobody reads it there, and the card is where they do
    return MessageShown(message.id, record.request.version, deciders.undecidable if deciders else None)


def complete(tx: Transaction, claim: Claim, fact: Fact, new_id: NewId) -> None:
    """An edit whose earlier claimer vanished is made once more, when that one's lease is over too."""
    record = locked(tx, claim, new_id)
    if claim.effect.again:
        outbox.finish(tx, claim.effect, EffectState.OPEN, due_at=tx.now + 2 * DEADLINE)
    else:
        outbox.finish(tx, claim.effect, EffectState.DONE)
    if isinstance(fact, MessageShown):
        if _is_asked_for_afresh(claim, record):
            fact = replace(fact, version=0)
        elif _still_says_it(tx, claim, record):
            fact = replace(fact, version=record.request.version)
    observed(tx, claim, record, fact, new_id)


def _is_asked_for_afresh(claim: Claim, record: Record) -> bool:
    """Somebody clicked on what the message said before this edit, while it was being made: one more shows them what is true."""
    message = record.message(claim.effect.subject_id)
    return message is not None and message.shown_version < claim.message.shown_version


def _still_says_it(tx: Transaction, claim: Claim, record: Record) -> bool:
    """The record has moved during the edit, but not in what this message says of it; who may decide, no record says."""
    moved = record.request.version > claim.story.request.version
    return (
        moved
        and claim.message.kind in views.STANDING
        and not names_deciders(record, claim.message)
        and views.same(claim.message.kind, claim.story, record)
        and outbox.trouble(tx, record.request.id) == (claim.stuck, claim.late)
    )
