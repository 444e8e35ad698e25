"""Edit a message so that it shows the record as it is now, whatever it was promised for."""

from bot.core.facts import Fact, MessageGone, MessageShown
from bot.core.faults import Gone
from bot.effects.hands import Claim, Hands


async def perform(claim: Claim, hands: Hands) -> Fact:
    message = claim.message
    try:
        await hands.slack.show(claim.story, message, stuck=claim.stuck, late=claim.late)
    except Gone:
        return MessageGone(message.id)
    return MessageShown(message.id, claim.story.request.version)
