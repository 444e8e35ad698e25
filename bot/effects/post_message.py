"""Post a message that holds only what cannot become false: one made twice by a lost answer is an idle line."""

from __future__ import annotations

from dataclasses import dataclass

from bot.core.background import Background
from bot.core.facts import Fact, MessagePosted, Unreachable
from bot.core.faults import Undeliverable
from bot.core.messages import names_deciders
from bot.core.model import Effect, MessageKind
from bot.effects import background
from bot.effects.claim import Claim
from bot.effects.ports import Ports
from bot.store import troubles
from bot.store.transaction import Transaction


@dataclass(frozen=True)
class Found:
    """The fault behind an alert, for those who are to mend it; what else the requester of a card has and had."""

    why: str = ""
    background: Background | None = None


def find(tx: Transaction, effect: Effect) -> Found:
    assert effect.request_id is not None, "a message belongs to a request"
    message = tx.loaded[effect.request_id].message(effect.subject_id)
    is_alert = message is not None and message.kind is MessageKind.ALERT
    why = troubles.why_stuck(tx, effect.request_id) if is_alert else ""
    return Found(why, background.look(tx, effect))


async def perform(claim: Claim, ports: Ports) -> Fact:
    message, record, found = claim.message, claim.story, claim.found or Found()
    deciders = await ports.slack.deciders(record) if names_deciders(record, message) else None
    try:
        channel, ts = await ports.slack.post(
            record, message, deciders=deciders, background=found.background, why=found.why
        )
    except Undeliverable as fault:
        if message.kind is MessageKind.CARD:
            raise
        return Unreachable(fault.code)
    undecidable = deciders.undecidable if deciders else None
    return MessagePosted(message.id, channel, ts, record.request.version, undecidable)
