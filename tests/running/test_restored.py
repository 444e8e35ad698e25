"""After a restore nobody can tell what Tyk and the requesters already have: a person decides."""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
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


async def test_a_backup_made_beside_a_running_bot(tmp_path: Path) -> None:
    """The command of docs/operate.md, the same in each way to run the bot, copies the whole database; with the copy in place,
    what went on since is put aside."""
    page = (Path(__file__).parents[2] / "docs" / "operate.md").read_text()
    commands = {shlex.split(line)[-1] for line in page.splitlines() if "sqlite3.connect" in line}
    here = {re.sub(r"'/[\w/-]+/(?:tyk-key-)?(bot|backup)\.db'", r"'\1.db'", command) for command in commands}
    assert len(commands) == 2
    (command,) = here
    seal = new_key()
    async with living(tmp_path, prepare=without_tyk, SEAL_KEYS=seal) as world:
        await world.asks("alice", "test-api")
        await world.told("approved")
        backing_up = await asyncio.create_subprocess_exec(sys.executable, "-c", command, cwd=tmp_path)
        assert await backing_up.wait() == 0
        world.tyk.faults.away = False
        world.running.worker.wake()
        await world.token_of("alice")
    for ending in ("", "-wal", "-shm"):
        (tmp_path / f"bot.db{ending}").unlink(missing_ok=True)
    (tmp_path / "backup.db").rename(tmp_path / "bot.db")
    async with living(tmp_path, restored=True, SEAL_KEYS=seal) as world:
        with world.running.store.reading() as tx:
            parked = tx.effects(EffectState.PARKED)
            (waiting,) = tx.records({parked[0].request_id or ""})
        assert [effect.kind for effect in parked] == [EffectKind.ISSUE_KEY]
        assert waiting.request.label == "R-1001"
