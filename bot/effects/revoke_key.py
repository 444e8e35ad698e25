"""Delete the key at Tyk. It is dead when Tyk, asked for it, does not know it; what a DELETE answered proves nothing."""

from bot.core.facts import Fact, KeyDead
from bot.effects.hands import Claim, Hands


async def perform(claim: Claim, hands: Hands) -> Fact:
    await hands.tyk.revoke(hands.name_of(claim.key))
    return KeyDead(claim.key.id)
