"""Delete the key at Tyk. It is dead when Tyk, asked for it, does not know it; what a DELETE answered proves nothing."""

from collections.abc import Sequence

from bot.core.facts import Fact, KeyDead
from bot.effects.claim import Claim
from bot.effects.ports import Ports
from bot.store.seal import SealLost


async def perform(claim: Claim, ports: Ports) -> Fact:
    """A key whose token nobody can open any more goes by its hash, where the Dashboard takes that."""
    key, proving = claim.key, _proving(claim, ports)
    try:
        name = ports.name_of(key)
    except SealLost:
        assert key.key_hash is not None, "a key that was recorded has its hash"
        await ports.tyk.revoke_by_hash(key.key_hash, proving)
    else:
        await ports.tyk.revoke(name, proving)
    return KeyDead(key.id)


def _proving(claim: Claim, ports: Ports) -> Sequence[str]:
    """None for a key whose end has passed: it opens nothing, wherever it is."""
    grant = claim.story.grant
    is_over = grant is not None and grant.until is not None and grant.until <= claim.now
    return () if is_over else ports.proving(claim.story)
