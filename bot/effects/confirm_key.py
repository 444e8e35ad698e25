"""Give the key its final expiry and the plan's Tyk policies; doing it twice changes nothing."""

from bot.core.facts import Fact, KeyConfirmed, KeyMissing
from bot.core.faults import Gone
from bot.effects.hands import Claim, Hands


async def perform(claim: Claim, hands: Hands) -> Fact:
    grant = claim.story.grant
    assert grant is not None, "a key belongs to a grant"
    try:
        await hands.tyk.confirm(claim.story, claim.key, hands.name_of(claim.key))
    except Gone:
        return KeyMissing(claim.key.id)
    return KeyConfirmed(claim.key.id, grant.until)
