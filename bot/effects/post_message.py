"""Post a message that holds only what cannot become false: one made twice by a lost answer is an idle line."""

from bot.core.facts import Fact, MessagePosted, Unreachable
from bot.core.faults import Undeliverable
from bot.core.model import MessageKind
from bot.effects.claim import Claim
from bot.effects.ports import Ports


async def perform(claim: Claim, ports: Ports) -> Fact:
    message = claim.message
    try:
        channel, ts = await ports.slack.post(claim.story, message)
    except Undeliverable as fault:
        if message.kind is MessageKind.CARD:
            raise
        return Unreachable(fault.code)
    return MessagePosted(message.id, channel, ts, claim.story.request.version)
