"""Post a message that holds only what cannot become false: one made twice by a lost answer is an idle line."""

from bot.core.facts import Fact, MessagePosted, Unreachable
from bot.core.faults import Undeliverable
from bot.core.messages import names_deciders
from bot.core.model import Effect, MessageKind
from bot.effects.claim import Claim
from bot.effects.ports import Ports
from bot.store import troubles
from bot.store.transaction import Transaction


def find(tx: Transaction, effect: Effect) -> str:
    """The fault behind an alert, for those who are to mend it; empty for every other message."""
    assert effect.request_id is not None, "a message belongs to a request"
    message = tx.loaded[effect.request_id].message(effect.subject_id)
    is_alert = message is not None and message.kind is MessageKind.ALERT
    return troubles.why_stuck(tx, effect.request_id) if is_alert else ""


async def perform(claim: Claim, ports: Ports) -> Fact:
    message, record = claim.message, claim.story
    deciders = await ports.slack.deciders(record) if names_deciders(record, message) else None
    try:
        channel, ts = await ports.slack.post(record, message, deciders=deciders, why=claim.found or "")
    except Undeliverable as fault:
        if message.kind is MessageKind.CARD:
            raise
        return Unreachable(fault.code)
    undecidable = deciders.undecidable if deciders else None
    return MessagePosted(message.id, channel, ts, record.request.version, undecidable)
