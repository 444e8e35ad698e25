"""The bot as it runs: against a Tyk with moods, as a process, by its commands, over HTTP and on its databases."""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from bot import app, cli, config, manifest, settings
from bot.app import Running
from bot.core.model import EffectKind, EffectState
from bot.local.world import World as Place
from bot.local.world import world as sandbox_world
from bot.store import outbox
from bot.store.seal import new_key
from bot.store.transaction import Transaction
from tests.world import WITHIN, World, check_chain

T = TypeVar("T")


async def stored(world: World, look: Callable[[Transaction], T | None]) -> T:
    """What `look` finds in the database, once it finds something; asked again after every commit of the bot's."""
    store, moved = world.running.store, asyncio.Event()
    store.on_commit(lambda _: moved.set())
    async with asyncio.timeout(WITHIN):
        while True:
            moved.clear()
            if found := await store.read(look):
                return found
            await moved.wait()


async def quiet(world: World) -> None:
    """Wait until nothing is due, nor will be in a moment, and nobody is at work."""

    def look(tx: Transaction) -> bool:
        waiting = outbox.effects(tx, EffectState.OPEN)
        return all(effect.lease_until is None and effect.due_at > tx.now + timedelta(seconds=5) for effect in waiting)

    await stored(world, look)


async def failed(world: World, kind: EffectKind, attempts: int = 1) -> None:
    """Wait until the first such promise that is open has failed so many times."""

    def look(tx: Transaction) -> bool:
        return any(
            effect.kind is kind and effect.attempts >= attempts for effect in outbox.effects(tx, EffectState.OPEN)
        )

    await stored(world, look)


async def verb(folder: Path, *argv: str, **environ: str) -> int:
    """One command beside a running bot, on the bot's database; its exit code."""
    given = {"DATABASE_URL": f"sqlite:///{folder / 'bot.db'}", **environ}
    return await asyncio.to_thread(cli.execute, argv, given)


async def backed_up(folder: Path) -> Path:
    """The backup of `bot.db` by the command of docs/operate.md, which is the same in each way to run the bot."""
    page = (Path(__file__).parents[2] / "docs" / "operate.md").read_text()
    commands = {shlex.split(line)[-1] for line in page.splitlines() if "sqlite3.connect" in line}
    here = {re.sub(r"'/[\w/-]+/(?:tyk-key-)?(bot|backup)\.db'", r"'\1.db'", command) for command in commands}
    assert len(commands) == 2
    (command,) = here
    backing_up = await asyncio.create_subprocess_exec(sys.executable, "-c", command, cwd=folder)
    assert await backing_up.wait() == 0
    return folder / "backup.db"


def restore(backup: Path) -> None:
    """Put it in the place of `bot.db`, which no bot uses now, as docs/operate.md does."""
    for ending in ("", "-wal", "-shm"):
        (backup.parent / f"bot.db{ending}").unlink(missing_ok=True)
    backup.rename(backup.parent / "bot.db")


@asynccontextmanager
async def empty_place() -> AsyncIterator[Place]:
    """The sandbox's world without a bot in it."""
    async with sandbox_world(sorted(manifest.SCOPES), rate_limits=False) as place:
        yield place


@asynccontextmanager
async def bot_in(
    place: Place, change: Callable[[str], str] = lambda text: text, /, **environ: str
) -> AsyncIterator[World]:
    """A bot, ready, in a world that outlives it. `change` edits its configuration first."""
    async with _bot(place, change, environ, restored=False) as world:
        yield world


@asynccontextmanager
async def restored_in(place: Place, /, **environ: str) -> AsyncIterator[World]:
    """A bot that was told that its database is a restored backup."""
    async with _bot(place, lambda text: text, environ, restored=True) as world:
        yield world


@asynccontextmanager
async def _bot(
    place: Place, change: Callable[[str], str], environ: dict[str, str], *, restored: bool
) -> AsyncIterator[World]:
    loaded = config.parse(change(place.config()))
    given = {"HTTP_PORT": "0", "SEAL_KEYS": new_key(), **place.environ(), **environ}
    given = {name: value for name, value in given.items() if value}
    stop = asyncio.Event()
    ready: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
    bot = asyncio.create_task(app.run(loaded, settings.load(given), given, stop, ready.set_result, restored=restored))
    either: set[asyncio.Future[Any]] = {bot, ready}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED, timeout=WITHIN)
        if bot.done():
            await bot
        yield World(place.slack, place.tyk, ready.result())
        check_chain(ready.result().store)
    finally:
        stop.set()
        await asyncio.wait({bot})
    await bot
