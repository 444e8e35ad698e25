"""Read the key back: its expiry and its access rights must be the grant's."""

from bot.core.facts import Fact, KeyVerified, KeyWrong
from bot.core.faults import Gone
from bot.effects.claim import Claim
from bot.effects.ports import Ports


async def perform(claim: Claim, ports: Ports) -> Fact:
    try:
        record, key = claim.story, claim.key
        difference = await ports.tyk.differs(record, key, ports.name_of(key), ports.proving(record))
    except Gone:
        difference = "Tyk does not know the key it has just confirmed"
    return KeyWrong(claim.key.id, difference) if difference else KeyVerified(claim.key.id)
