"""Delete the key at Tyk. It is dead when Tyk, asked for it, does not know it; what a DELETE answered proves nothing."""

from collections.abc import Sequence
from itertools import islice

from bot.core.facts import Fact, KeyDead
from bot.effects.claim import Claim
from bot.effects.ports import Ports
from bot.store.seal import SealLost

SOME = 3


async def perform(claim: Claim, ports: Ports) -> Fact:
    """A key whose token nobody can open any more goes by its hash, where the Dashboard takes that."""
    key, opens = claim.key, _opens(claim, ports)
    try:
        name = ports.name_of(key)
    except SealLost:
        assert key.key_hash is not None, "a key that was recorded has its hash"
        await ports.tyk.revoke_by_hash(key.key_hash, opens)
    else:
        await ports.tyk.revoke(name, opens)
    return KeyDead(key.id)


def _opens(claim: Claim, ports: Ports) -> Sequence[str]:
    """The APIs by which Tyk is known to be the one that made the key: its own, or some of the others, where its own are gone
    there. None for a key whose end has passed: it opens nothing, wherever it is."""
    record = claim.record
    assert record is not None, "a key belongs to a request"
    if record.grant is not None and record.grant.until is not None and record.grant.until <= claim.now:
        return ()
    others = (rule.api.api_id for rule in ports.in_force.current.rules.values())
    own = (record.request.rule.api, *record.request.plan.also_opens)
    return tuple(dict.fromkeys([*(api.api_id for api in own), *islice(others, SOME)]))
