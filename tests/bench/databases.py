"""What a past costs: people who wait, probes and reports, on databases with many finished requests."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median

import aiohttp

from tests.bench.filler import FIRST_OWNER, OWNERS, copied, fill, fill_effects
from tests.bench.people import Visitor, card_of, quiet
from tests.bench.scene import APPROVER, BOT, HERE, OPEN, REVIEWED, Scene, environ_for, resident, scene
from tests.bench.table import Figure
from tests.bench.waiting import alone

LIVING, ENDED, ENDED_AFTER_APPROVAL, LIVING_TOO = 1001, 1002, 1003, 1004
EFFECTS = 800_000
A_YEAR = 365 * 200
REPORT_WITHIN = 240.0
PROBES = 15
KEY_IS_LEFT = 1
"""The exit code of `revoke` where it has no credential for Tyk and no bot runs that has one."""


# --- the first requests, by the bot itself ----------------------------------------------------------------------------


@asynccontextmanager
async def beginnings() -> AsyncIterator[Path]:
    """A folder with `seed.db`: grants that live and grants that ended, with an approval and without."""
    with tempfile.TemporaryDirectory(prefix="bench-past-") as folder:
        seed = Path(folder) / "seed.db"
        async with scene(4, HERE) as place, place.running(BOT, seed):
            for number, api in enumerate((REVIEWED, OPEN, REVIEWED, OPEN)):
                await _granted(place, number, api)
            await quiet(place.slack)
            for number in (ENDED, ENDED_AFTER_APPROVAL):
                report = await reported(seed, "revoke", f"R-{number}", "--yes")
                assert report.code in (0, KEY_IS_LEFT), "what was just granted can be revoked"
            await place.slack.changes.until(lambda: _dead(place) >= 2 or None, 60, "the end of two keys")
            await quiet(place.slack, still=3)
        yield Path(folder)


async def _granted(place: Scene, number: int, api: str) -> None:
    visitor = Visitor(place.slack, number)
    visit = await visitor.asks(api)
    if api == REVIEWED:
        await place.slack.person(APPROVER).clicks("Approve", await card_of(place.slack, visitor.id))
    await visitor.has(visit)


def _dead(place: Scene) -> int:
    return sum(key.dead is not None for key in place.tyk.keys)


# --- commands ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Report:
    """How a command went: its exit code (None: it was given up), its seconds, and the most memory it held, in megabytes."""

    code: int | None
    seconds: float
    megabytes: float


async def reported(database: Path, *argv: str) -> Report:
    """One command beside whoever else has the database open; what it prints is thrown away."""
    started, most = time.perf_counter(), 0.0
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", *argv,
        env=environ_for(None, f"sqlite:///{database}"), stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    ended = asyncio.create_task(process.wait())
    while not ended.done() and time.perf_counter() - started < REPORT_WITHIN:
        most = max(most, _resident(process.pid))
        await asyncio.wait({ended}, timeout=0.05)
    if not ended.done():
        process.kill()
        await ended
        return Report(None, time.perf_counter() - started, most)
    return Report(process.returncode, time.perf_counter() - started, most)


def _resident(pid: int) -> float:
    try:
        return resident(pid, "VmHWM")
    except OSError:  # it has just ended
        return 0.0


# --- the rows ---------------------------------------------------------------------------------------------------------


async def big(*, quick: bool) -> dict[str, Figure]:
    """Submission to token, and the probes, with as much behind as a busy bot has after years."""
    people, some, most = (5, 2_000, 20_000) if quick else (12, 20_000, 200_000)
    effects = EFFECTS // 10 if quick else EFFECTS
    async with beginnings() as folder:
        seed, everybody = folder / "seed.db", FIRST_OWNER + OWNERS
        none = await alone(BOT, people, database=copied(seed, folder / "none.db"), others=everybody)
        found = {}
        for row, number in (("big-20000", some), ("big-200000", most)):
            database = copied(seed, folder / f"{number}.db")
            seconds = _seconds_to_fill(database, number)
            ours = await alone(BOT, people, database=database, others=everybody)
            note = f"{number} finished: filled in {seconds:.0f} s, {_megabytes(database):.0f} MB; none: {none:.0f} ms"
            found[row] = Figure(ours, bound=none, note=note)
        fill_effects(folder / f"{most}.db", effects)
        return found | await _probes(folder / f"{most}.db", effects)


def _seconds_to_fill(database: Path, number: int) -> float:
    """Nine of ten have their token and still hold it: the bot has to watch the end of each, and who holds it."""
    started = time.perf_counter()
    fill(database, ENDED, number // 10)
    fill(database, LIVING_TOO, number * 9 // 10, over=timedelta(hours=20))  # within a day, when tokens are hidden
    return time.perf_counter() - started


def _megabytes(database: Path) -> float:
    return database.stat().st_size / 1e6


async def _probes(database: Path, effects: int) -> dict[str, Figure]:
    async with (
        scene(FIRST_OWNER + OWNERS, HERE) as place,
        place.running(BOT, database) as process,
        aiohttp.ClientSession() as session,
    ):
        await quiet(place.slack)
        found = {}
        for name in ("readyz", "metrics"):
            times = []
            for _ in range(PROBES):
                started = time.perf_counter()
                async with session.get(f"http://127.0.0.1:{process.port}/{name}") as answer:
                    await answer.read()
                times.append(time.perf_counter() - started)
            found[name] = Figure(1000 * median(times), note=f"{effects} effects, median of {PROBES}")
        return found


async def year(*, quick: bool) -> dict[str, Figure]:
    """Reports over a year, as commands of their own."""
    requests = A_YEAR // 10 if quick else A_YEAR
    async with beginnings() as folder:
        database = folder / "seed.db"
        fill(database, ENDED_AFTER_APPROVAL, requests)
        await asyncio.to_thread(os.sync)  # else a command's commit waits for what the filling left to be written
        note = f"{requests} requests, {_megabytes(database):.0f} MB"
        keys = await reported(database, "keys", "--format", "csv")
        audit = await reported(database, "audit", "--format", "csv")
        revoke = await reported(database, "revoke", f"R-{LIVING}", "--yes")
    return {
        "keys": _taken(keys, note),
        "keys-memory": Figure(keys.megabytes, note="as csv"),
        "revoke": _taken(revoke, f"{revoke.megabytes:.0f} MB", code=KEY_IS_LEFT),
        "audit": _taken(audit, note),
        "audit-memory": Figure(audit.megabytes, note="as csv"),
    }


def _taken(report: Report, note: str, code: int = 0) -> Figure:
    if report.code != code:
        return Figure(None, note=f"exit code {report.code} after {report.seconds:.0f} s; {note}")
    return Figure(report.seconds, note=note)
