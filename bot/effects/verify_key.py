"""Read the key back: its expiry and its access rights must be the grant's."""

from bot.core.facts import Fact, KeyVerified, KeyWrong
from bot.core.faults import Gone
from bot.effects.hands import Claim, Hands


async def perform(claim: Claim, hands: Hands) -> Fact:
    try:
        difference = await hands.tyk.differs(claim.story, claim.key, hands.name_of(claim.key))
    except Gone:
        difference = "Tyk does not know the key it has just confirmed"
    return KeyWrong(claim.key.id, difference) if difference else KeyVerified(claim.key.id)
