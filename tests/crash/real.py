"""Real deaths: the bot as a process, with requests in flight, killed at random moments and started again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot import app, config, manifest, opening, pace, settings
from bot.app import Running
from bot.core.model import EffectState, GrantState, KeyState, RequestState
from bot.local.slack import Message, NotPossible
from bot.local.world import World, world
from bot.sandbox.demos.reading import has_block, shown, token_in
from bot.store import outbox, tables
from bot.store.seal import new_key
from tests.crash.proofs import Tally
from tests.world import check_chain

READY_WITHIN = 30.0
SETTLE_WITHIN = 90.0
AFTER_ALL_LEASES = timedelta(minutes=3)
PAST_PROBATION = timedelta(minutes=16)
PACE = 0.15
FROZEN_WITHIN = 60.0
FROZEN_FOR_OTHERS = 30.0


class Stage:
    """A world that outlives its bots, and what people were promised in it."""

    def __init__(self, place: World, folder: Path, database_url: str, module: str, seed: int) -> None:
        self.place = place
        self.folder = folder
        self.module = module
        self.chance = random.Random(seed)
        self.config = folder / "config.yaml"
        self.config.write_text(
            re.sub(r"^(    )api_id:", r"\1max_active: 1000\n\1api_id:", place.config(), flags=re.MULTILINE)
        )
        self.environ = place.environ() | {"DATABASE_URL": database_url, "SEAL_KEYS": new_key(), "HTTP_PORT": "0"}
        self.promised: set[str] = set()
        self.started = 0

    @asynccontextmanager
    async def bot(self, module: str | None = None) -> AsyncIterator[asyncio.subprocess.Process]:
        """One process, ready; killed at the end if it still lives."""
        self.started += 1
        log = self.folder / f"bot-{self.started}.log"
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", module or self.module, "run", "--config", str(self.config),
                env=kept | self.environ, stdout=output, stderr=output,
            )  # fmt: skip
        try:
            deadline = time.monotonic() + READY_WITHIN
            while b'"bot.ready"' not in log.read_bytes():
                if process.returncode is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"never ready, ended with {process.returncode}: {log.read_text()[-1500:]}")
                await asyncio.sleep(0.02)
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def life(self) -> None:
        """A bot is started, people use it, and it dies without warning."""
        async with self.bot() as process:
            people = [asyncio.create_task(work) for work in self._people()]
            await asyncio.sleep(self.chance.uniform(0.02, 1.0))
            process.kill()
            await process.wait()
            for one in people:
                one.cancel()
            await asyncio.gather(*people, return_exceptions=True)

    def _people(self) -> list[Coroutine[Any, Any, None]]:
        return [self._asks("alice", "test-api"), self._asks("dave", "payments"), self._approves("carol")]

    async def _asks(self, who: str, api: str) -> None:
        person = self.place.slack.person(who)
        with contextlib.suppress(NotPossible, TimeoutError):
            while True:
                person.reloads()
                await person.runs("/tyk-key")
                await person.sees_view(lambda view: has_block(view, "api"), timeout=3)
                await person.picks("api", api)
                await person.sees_view(lambda view: has_block(view, f"about:{api}"), timeout=3)
                if api == "payments":
                    await person.picks("plan", "standard")
                await person.types("reason", "to see it survive")
                outcome = await person.submits()
                if outcome.response_action == "update" and person.view is not None:
                    self.promised.add(_promise_in(person.view))
                    return

    async def insists(self, who: str, api: str) -> None:
        """Asks until a number was promised."""
        had = len(self.promised)
        while len(self.promised) == had:
            await self._asks(who, api)

    async def _approves(self, who: str) -> None:
        person = self.place.slack.person(who)
        while True:
            with contextlib.suppress(NotPossible, TimeoutError):
                await person.clicks("Approve", channel="approvals")
            await asyncio.sleep(PACE)

    async def settle(self, later: list[timedelta]) -> Tally:
        """A last bot finishes everything; then what must hold is looked at. Every request approved stands for one try."""
        loaded = config.parse(self.config.read_text())
        stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
        bot = asyncio.create_task(
            app.run(loaded, settings.load(self.environ), dict(self.environ), stop, ready.set_result)
        )
        running: Running = await ready
        later.append(AFTER_ALL_LEASES)
        running.store.skew = AFTER_ALL_LEASES
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pace, "LANE_PACE", 1000.0)  # this Slack counts no messages a second: nobody need wait for it
            try:
                await self._until_quiet(running)
                await self._approve_the_rest(running)
                later.append(PAST_PROBATION)
                return await self._judge(running)
            finally:
                stop.set()
                await bot

    async def _until_quiet(self, running: Running) -> None:
        deadline = time.monotonic() + SETTLE_WITHIN
        while time.monotonic() < deadline:
            running.worker.wake()
            with running.store.reading() as tx:
                open_effects = outbox.effects(tx, EffectState.OPEN)
                if not [effect for effect in open_effects if effect.due_at < tx.now + timedelta(minutes=5)]:
                    return
            await asyncio.sleep(0.2)
        raise AssertionError("something is never finished")

    async def _approve_the_rest(self, running: Running) -> None:
        """Whatever still waits is approved, so that every request can be judged by its key."""
        carol = self.place.slack.person("carol")
        while waiting := [one for one in carol.messages("approvals") if "Approve" in one.labels]:
            await carol.clicks("Approve", waiting[0])
            await carol.sees(partial(_is_decided, waiting[0].ts), channel="approvals")
        await self._until_quiet(running)

    async def _judge(self, running: Running) -> Tally:
        tally = Tally()
        usable = {entry.hash for entry in self.place.tyk.usable_keys()}
        on_show = [
            token_in(message)
            for name in ("alice", "dave")
            for message in self.place.slack.person(name).dm()
            if token_in(message)
        ]
        with running.store.reading() as tx:
            records = tx.records(tx.connection.execute(select(tables.grants.c.request_id)).scalars().all())
            entries = list(tx.audit_trail())
            parked = outbox.effects(tx, EffectState.PARKED)
        assert not parked, parked
        assert [entry.number for entry in entries] == list(range(1, len(entries) + 1)), "the audit is gapless"
        check_chain(running.store)
        unknown = self.promised - {record.request.label for record in records}
        assert not unknown, f"promised, but unknown: {unknown}"
        live: set[str] = set()
        for record in records:
            tally.tried += 1
            keys = [key for key in record.keys if key.state is KeyState.LIVE]
            good = (
                record.request.state is RequestState.APPROVED
                and record.grant is not None
                and record.grant.state is GrantState.ACTIVE
                and len(keys) == 1
                and keys[0].key_hash in usable
            )
            live |= {key.key_hash for key in keys if key.key_hash}
            tally.survived += good
            if not good:
                tally.failures.append(f"{record.request.label}: {record.grant} {keys}")
        if usable != live:
            tally.survived = 0
            tally.failures.append(f"{len(usable - live)} keys open something that nobody was granted")
        if len(on_show) != len(set(on_show)) or len(on_show) != len(records):
            tally.survived = 0
            tally.failures.append(f"{len(records)} grants, {len(on_show)} tokens on show")
        return tally


def _promise_in(view: dict[str, Any]) -> str:
    """The number of the request that was taken; all that is said where there is none, which nobody will know."""
    said = shown(view)
    number = re.search(r"\bR-\d+\b", said)
    return number[0] if number else said


def _is_decided(ts: str, message: Message) -> bool:
    return message.ts == ts and "Approve" not in message.labels


async def deaths(
    rounds: int,
    database_url: str,
    folder: Path,
    *,
    module: str = "bot",
    seed: int = 1,
    slow: float = 0.05,
    companion: bool = False,
) -> Tally:
    """`rounds` lives and deaths on one database, and then the reckoning. A companion is a second bot that lives on."""
    later: list[timedelta] = []

    def clock() -> float:
        return time.time() + sum(length.total_seconds() for length in later)

    async with world(sorted(manifest.SCOPES), clock=time.time, rate_limits=False) as place:
        place.tyk._state.clock = clock
        place.tyk.faults.slow = slow
        stage = Stage(place, folder, database_url, module, seed)
        async with stage.bot() if companion else contextlib.nullcontext():
            for _ in range(rounds):
                await stage.life()
        place.tyk.faults.slow = 0
        tally = await stage.settle(later)
    if tally.tried < rounds // 2:  # as when a limit on what one person may hold refused nearly all of them
        tally.survived = 0
        tally.failures.append(f"{rounds} lives granted no more than {tally.tried} tokens: it proves less than it says")
    return tally


async def gentle(database_url: str, folder: Path) -> Tally:
    """SIGTERM under load: the process ends with 0 within its grace time, and leaves no lease."""
    tally = Tally()
    async with world(sorted(manifest.SCOPES), rate_limits=False) as place:
        stage = Stage(place, folder, database_url, "bot", 1)
        async with stage.bot() as process:
            people = [asyncio.create_task(work) for work in stage._people()]
            await asyncio.sleep(1.5)
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(app.GRACE + 5):
                code = await process.wait()
            for one in people:
                one.cancel()
            await asyncio.gather(*people, return_exceptions=True)
        tally.tried += 1
        with opening.command_store(settings.load(stage.environ)) as store, store.reading() as tx:
            leased = [
                one for one in outbox.effects(tx, EffectState.OPEN) if one.lease_until and one.lease_until > tx.now
            ]
        if code == 0 and not leased:
            tally.survived += 1
        else:
            tally.failures.append(f"exit code {code}, {len(leased)} leases left")
    return tally


async def frozen(database_url: str, folder: Path) -> Tally:
    """One replica stands still inside a transaction, locks in hand; what people ask of the other is done all the same.

    The frozen one is let go in the end, and what it was about to store is not stored.
    """
    marker, later = folder / "freeze", [timedelta()]
    async with world(sorted(manifest.SCOPES), rate_limits=False) as place:
        place.tyk._state.clock = lambda: time.time() + sum(length.total_seconds() for length in later)
        stage = Stage(place, folder, database_url, "bot", 1)
        stage.environ["FREEZE_FILE"] = str(marker)
        async with stage.bot("tests.crash.frozen") as still, stage.bot():
            await place.slack.connected(4)
            marker.touch()
            async with asyncio.timeout(FROZEN_WITHIN):
                while marker.exists():
                    await stage._asks("alice", "test-api")
            for connection in (1, 2):  # Slack gives up those that do not answer
                await place.slack.sockets.disconnect("drop", connection)
            started = time.monotonic()
            await stage.insists("dave", "test-api")
            await place.slack.person("dave").sees(
                lambda one: token_in(one) is not None, channel="dm", timeout=SETTLE_WITHIN
            )
            waited = time.monotonic() - started
            still.send_signal(signal.SIGCONT)
        tally = await stage.settle(later)
    if waited > FROZEN_FOR_OTHERS:
        tally.survived = 0
        tally.failures.append(f"the other replica kept people waiting for {waited:.0f} s")
    return tally
