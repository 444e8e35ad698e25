"""Delete the key at Tyk. It is dead when Tyk, asked for it, does not know it; what a DELETE answered proves nothing."""

from bot.core.facts import Fact, KeyDead
from bot.effects.claim import Claim
from bot.effects.ports import Ports


async def perform(claim: Claim, ports: Ports) -> Fact:
    await ports.tyk.revoke(ports.name_of(claim.key))
    return KeyDead(claim.key.id)
