"""After a restore nobody can tell what Tyk and the requesters already have: a person decides."""

from __future__ import annotations

from pathlib import Path

from bot.core.model import AuditEvent, EffectKind, EffectState
from bot.local.slack import LocalSlack
from bot.local.tyk import LocalTyk
from bot.store.seal import new_key
from tests.world import living


def without_tyk(_slack: LocalSlack, tyk: LocalTyk) -> None:
    tyk.faults.away = True


async def test_open_keys_wait_for_a_person(tmp_path: Path) -> None:
    """`run --restored` puts the open key aside, and taking it up again ends the story as ever."""
    seal = new_key()
    async with living(tmp_path, prepare=without_tyk, SEAL_KEYS=seal) as world:
        await world.asks("alice", "test-api")
        await world.told("approved")
    async with living(tmp_path, restored=True, SEAL_KEYS=seal) as world:
        store = world.running.store
        with store.reading() as tx:
            parked = tx.effects(EffectState.PARKED)
        assert [(effect.kind, effect.last_error) for effect in parked] == [(EffectKind.ISSUE_KEY, "restored")]
        (entry,) = [entry for entry in await world.trail() if entry.event is AuditEvent.RESTORED]
        assert (entry.request_number, entry.details["effect_id"]) == (1001, parked[0].id)
        await world.told("restored")
        assert world.tyk.keys == []
        with store.transaction() as tx:
            tx.reopen([effect.id for effect in parked])
        await world.told("recovered")
        assert len(world.tyk.usable_keys()) == 1
