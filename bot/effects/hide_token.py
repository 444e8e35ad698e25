"""Delete the message with the token, so that no late edit can bring it back."""

from bot.core.facts import Fact, TokenHidden
from bot.core.model import MessageKind
from bot.effects.claim import Claim
from bot.effects.ports import Ports


async def perform(claim: Claim, ports: Ports) -> Fact:
    for message in claim.story.messages:
        mine = message.key_id in (None, claim.key.id)
        if message.kind is MessageKind.TOKEN and mine and message.channel and message.ts:
            await ports.slack.delete(message.channel, message.ts)
    return TokenHidden(claim.key.id, keep_sealed=ports.tyk.names_by_token)
