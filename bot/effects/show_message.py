"""Edit a message so that it shows the record as it is now, whatever it was promised for."""

from bot.core.facts import Fact, MessageGone, MessageShown
from bot.core.faults import Gone
from bot.effects.ports import Claim, Ports


async def perform(claim: Claim, ports: Ports) -> Fact:
    message = claim.message
    try:
        await ports.slack.show(claim.story, message, stuck=claim.stuck, late=claim.late)
    except Gone:
        return MessageGone(message.id)
    return MessageShown(message.id, claim.story.request.version)
