"""How many calls Tyk gets at the same time."""

from __future__ import annotations

from pathlib import Path

from bot.core.model import EffectKind, EffectState
from bot.store import outbox
from bot.store.store import Transaction
from tests.log import Log, logged
from tests.running import stored
from tests.world import World, living


def _being_made(tx: Transaction) -> int:
    """How many tokens are claimed."""
    return sum(
        effect.kind is EffectKind.ISSUE_KEY and effect.lease_until is not None
        for effect in outbox.effects(tx, EffectState.OPEN)
    )


async def test_tyk_gets_two_calls_and_a_third_waits_for_the_first_answer(tmp_path: Path, log: Log) -> None:
    """With `at_once: 2` and a slow Tyk, three of four tokens are claimed and two are called for; then all four are made."""
    async with living(tmp_path, change=lambda text: text.replace("tyk:\n", "tyk:\n  at_once: 2\n", 1)) as world:
        await logged(log, "config.checked")  # until then, and for the first token of an API, Tyk is asked more
        await world.asks("alice", "test-api")
        await world.token_of("alice")
        world.tyk.faults.slow = 60
        for who in ("alice", "bob", "carol", "dave"):
            await world.asks(who, "test-api")
        await world.tyk.called("POST /api/keys", 3)
        assert (await stored(world, lambda tx: _being_made(tx) if _being_made(tx) > 2 else None), _called(world)) == (
            3,
            3,
        )
        world.tyk.faults.clear()
        await world.tyk.called("PUT /api/keys", 5)


def _called(world: World) -> int:
    return len(world.tyk.calls("POST /api/keys"))
