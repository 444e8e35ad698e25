"""Delete the message with the token, so that no late edit can bring it back."""

from bot.core.facts import Fact, TokenHidden
from bot.core.model import MessageKind
from bot.effects.hands import Claim, Hands


async def perform(claim: Claim, hands: Hands) -> Fact:
    for message in claim.story.messages:
        mine = message.key_id in (None, claim.key.id)
        if message.kind is MessageKind.TOKEN and mine and message.channel and message.ts:
            await hands.slack.delete(message.channel, message.ts)
    return TokenHidden(claim.key.id, keep_sealed=hands.tyk.names_by_token)
