"""The whole bot between a local Slack and a local Tyk, over real sockets, in the test's own process."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from bot import app, config, manifest, settings
from bot.app import Running
from bot.core.audit import AuditEntry
from bot.core.chain import ChainKey, prove
from bot.local.slack import LocalSlack, Person, SubmitOutcome
from bot.local.tyk import LocalTyk
from bot.local.world import world as sandbox_world
from bot.reloading import WatchedFile
from bot.sandbox.demos.reading import has_block, token_in
from bot.store import chain, tables
from bot.store.seal import new_key
from bot.store.store import Store

WITHIN = 60.0


@dataclass
class World:
    """`later` is how far time has been moved on, for the bot and for Tyk."""

    slack: LocalSlack
    tyk: LocalTyk
    running: Running
    later: list[timedelta] = field(default_factory=list)
    file: WatchedFile | None = None

    def person(self, name: str) -> Person:
        return self.slack.person(name)

    async def pass_time(self, length: timedelta) -> None:
        """What is under way is finished first, unless it hangs: no day passes between a call and its answer."""
        if self.running.worker._acts:
            await asyncio.wait(self.running.worker._acts, timeout=2)
        self.later.append(length)
        self.running.store.skew += length
        self.running.worker.pace.ahead += length.total_seconds()
        self.running.directory.leftover.ahead += length.total_seconds()
        self.running.directory.forget_groups()
        for user_id in self.slack.workspace.users:
            self.running.directory.forget_person(user_id)
        for channel_id in self.slack.workspace.channels:
            self.running.directory.forget_channel(channel_id)
        self.running.worker.wake()

    def configure(self, change: Callable[[str], str]) -> None:
        """Write the configuration's file anew, and ask the bot to take it."""
        assert self.file is not None, "this bot was started with a file"
        self.file.path.write_text(change(self.file.path.read_text()))
        self.reload()

    def reload(self) -> None:
        """Ask the bot to take its file as it is, as a signal does."""
        assert self.file is not None, "this bot was started with a file"
        self.file.asked.set()

    async def trail(self) -> list[AuditEntry]:
        with self.running.store.reading() as tx:
            return list(tx.audit_trail())

    async def events(self) -> list[str]:
        return [entry.event.value for entry in await self.trail()]

    async def told(self, event: str, times: int = 1) -> None:
        """Wait until the audit has this event so many times, by watching the channel it is told in."""
        carol = self.person("carol")
        await carol.sees(lambda _: self._count_told(event) >= times, channel="audit", timeout=WITHIN)

    def _count_told(self, event: str) -> int:
        return sum(message.text.count(f"*{event}*") for message in self.person("carol").messages("audit"))

    async def asks(
        self, who: str, api: str, *, reason: str = "to build the checkout", lifetime: str | None = None, **more: str
    ) -> SubmitOutcome:
        """Command, form, submission: the request's number is in the view that it ends with."""
        person = self.person(who)
        await person.runs("/tyk-key")
        await person.sees_view(lambda view: has_block(view, "api"))
        await person.picks("api", api)
        await person.sees_view(lambda view: has_block(view, f"about:{api}"))
        for block, value in more.items():
            await (person.types(block, value) if block == "used_by" else person.picks(block, value))
        if lifetime is not None:
            await person.picks("lifetime", lifetime)
        if reason:
            await person.types("reason", reason)
        outcome = await person.submits()
        while "took too long to confirm" in str(
            outcome.errors
        ):  # a machine busy with other things: a person presses again
            outcome = await person.submits()
        return outcome

    async def token_of(self, who: str) -> str:
        """The token on show in this person's direct message, once it is there."""
        message = await self.person(who).sees(lambda one: token_in(one) is not None, channel="dm", timeout=WITHIN)
        token = token_in(message)
        assert token is not None
        return token


@asynccontextmanager
async def living(
    folder: Path,
    *,
    change: Callable[[str], str] = lambda text: text,
    database_url: str | None = None,
    prepare: Callable[[LocalSlack, LocalTyk], Any] = lambda _slack, _tyk: None,
    restored: bool = False,
    rate_limits: bool = False,
    **environ: str,
) -> AsyncIterator[World]:
    """A world with the bot in it, ready. `change` edits the sandbox's configuration first."""
    later: list[timedelta] = []

    def clock() -> float:
        return time.time() + sum(length.total_seconds() for length in later)

    async with sandbox_world(sorted(manifest.SCOPES), clock=clock, rate_limits=rate_limits) as place:
        prepare(place.slack, place.tyk)
        path = folder / "config.yaml"
        path.write_text(change(place.config()))
        file, loaded = WatchedFile(path), config.parse(path.read_text())
        place.slack.install(manifest.manifest(loaded, socket_mode=True))
        given = place.environ() | {
            "DATABASE_URL": database_url or f"sqlite:///{folder / 'bot.db'}",
            "SEAL_KEYS": new_key(),
            "HTTP_PORT": "0",
            **environ,
        }
        stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
        bot = asyncio.create_task(
            app.run(loaded, settings.load(given), dict(given), stop, ready.set_result, restored=restored, file=file)
        )
        await asyncio.wait({bot, ready}, return_when=asyncio.FIRST_COMPLETED, timeout=WITHIN)
        if bot.done():
            await bot
        try:
            yield World(place.slack, place.tyk, ready.result(), later, file)
            check_chain(ready.result().store)
        finally:
            stop.set()
            await bot


_KEYS: defaultdict[str, set[ChainKey]] = defaultdict(set)
"""The keys of the bots that worked on a database: an auditor keeps them, whatever becomes of SEAL_KEYS."""


def check_chain(store: Store) -> None:
    """Every row of the audit fits: whatever a test does, nobody changed what was written."""
    assert store.chain.key is not None
    kept = _KEYS[str(store.engine.url)]
    kept.add(store.chain.key)
    with store.reading() as tx:
        used = tx.connection.execute(select(tables.audit.c.chain_key).distinct()).scalars().all()
        proof = prove(chain.lines(tx.connection), [key for key in kept if key.id in (*used, store.chain.key.id)])
    assert not proof.misfit, proof.misfit
