"""Give the key its final expiry and the plan's Tyk policies; doing it twice changes nothing."""

from bot.core.facts import Fact, KeyConfirmed, KeyMissing
from bot.core.faults import Gone
from bot.effects.claim import Claim
from bot.effects.ports import Ports


async def perform(claim: Claim, ports: Ports) -> Fact:
    grant = claim.story.grant
    assert grant is not None, "a key belongs to a grant"
    try:
        await ports.tyk.confirm(claim.story, claim.key, ports.name_of(claim.key))
    except Gone:
        return KeyMissing(claim.key.id)
    return KeyConfirmed(claim.key.id, grant.until)
