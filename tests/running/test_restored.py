"""After a restore nobody can tell what Tyk and the requesters already have: a person decides."""

from __future__ import annotations

from pathlib import Path

from bot.core.model import AuditEvent, EffectKind, EffectState
from bot.local.slack import LocalSlack
from bot.local.tyk import LocalTyk
from bot.store import outbox
from bot.store.seal import new_key
from tests.running import backed_up, restore
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
            parked = outbox.effects(tx, EffectState.PARKED)
        assert [(effect.kind, effect.last_error) for effect in parked] == [(EffectKind.ISSUE_KEY, "restored")]
        (entry,) = [entry for entry in await world.trail() if entry.event is AuditEvent.RESTORED]
        assert (entry.request_number, entry.details["effect_id"]) == (1001, parked[0].id)
        await world.told("restored")
        assert world.tyk.keys == []
        with store.transaction() as tx:
            outbox.reopen(tx, [effect.id for effect in parked])
        await world.told("recovered")
        assert len(world.tyk.usable_keys()) == 1


async def test_a_backup_made_beside_a_running_bot(tmp_path: Path) -> None:
    """The command of docs/operate.md, the same in each way to run the bot, copies the whole database; with the copy in place,
    what went on since is put aside."""
    seal = new_key()
    async with living(tmp_path, prepare=without_tyk, SEAL_KEYS=seal) as world:
        await world.asks("alice", "test-api")
        await world.told("approved")
        backup = await backed_up(tmp_path)
        world.tyk.faults.away = False
        world.running.worker.wake()
        await world.token_of("alice")
    restore(backup)
    async with living(tmp_path, restored=True, SEAL_KEYS=seal) as world:
        with world.running.store.reading() as tx:
            parked = outbox.effects(tx, EffectState.PARKED)
            (waiting,) = tx.records({parked[0].request_id or ""})
        assert [effect.kind for effect in parked] == [EffectKind.ISSUE_KEY]
        assert waiting.request.label == "R-1001"
