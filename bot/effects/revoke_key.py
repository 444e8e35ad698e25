"""Delete the key at Tyk. It is dead when Tyk, asked for it, does not know it; what a DELETE answered proves nothing."""

from bot.core.facts import Fact, KeyDead
from bot.effects.claim import Claim
from bot.effects.ports import Ports
from bot.store.seal import SealLost


async def perform(claim: Claim, ports: Ports) -> Fact:
    """A key whose token nobody can open any more goes by its hash, where the Dashboard takes that."""
    key = claim.key
    try:
        name = ports.name_of(key)
    except SealLost:
        assert key.key_hash is not None, "a key that was recorded has its hash"
        await ports.tyk.revoke_by_hash(key.key_hash)
    else:
        await ports.tyk.revoke(name)
    return KeyDead(key.id)
