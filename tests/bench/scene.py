"""Where it is measured: a local Slack and Tyk in this process, far enough away, and a program between them in its own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bot import manifest
from bot.local.slack import LocalSlack
from bot.local.tyk import LocalTyk
from bot.local.world import Api, Cast, Catalogue, Group, Room, Someone, World, world
from bot.store.seal import new_key

START_WITHIN = 60.0
TICKS = os.sysconf("SC_CLK_TCK")
COMMAND = "/tyk-key"
OPEN, REVIEWED = "open", "reviewed"
APPROVER = "U0CAROL"
_HEAD = f"""\
tyk: {{dashboard_url: http://127.0.0.1, gateway_url: GATEWAY, keys_by: hash}}
slack: {{command: {COMMAND}, approvals_channel: C0APPROVALS, audit_channel: C0AUDIT, help_channel: C0HELP}}
defaults: {{lifetimes: [7d], approvers: ["@leads"], hide_token_after: 1d}}
apis:
"""


@dataclass(frozen=True)
class Distance:
    """Seconds that a call of each takes to be answered, besides their own work; and whether Slack's published limits hold."""

    slack: float = 0.08
    tyk: float = 0.05
    limits: bool = False


HERE = Distance(0, 0)
USUAL = Distance()
BUSY = Distance(0.08, 0.3)


_TOOLS = ("rich", "click", "pygments")
"""What the tests' environment has and the image has not: httpx and structlog load them where they are, 8 MB."""


@dataclass(frozen=True)
class Program:
    """What is started, and how it is called in the table."""

    name: str
    module: tuple[str, ...]

    def argv(self, config: Path) -> list[str]:
        module, *arguments = self.module
        as_in_the_image = f"import runpy, sys; sys.modules.update(dict.fromkeys({_TOOLS}))"
        run = f"runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
        return [sys.executable, "-c", f"{as_in_the_image}; {run}", *arguments, str(config)]


BOT = Program("bot", ("bot", "run", "--config"))
SCRIPT = Program("script", ("tests.bench.script",))


@dataclass
class Process:
    """A program that runs; its costs are read from /proc."""

    pid: int
    log: Path
    ready_after: float
    _process: asyncio.subprocess.Process = field(repr=False)

    @property
    def cpu(self) -> float:
        """Seconds of processor that all its threads have used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def megabytes(self) -> float:
        return resident(self.pid, "VmRSS")

    @property
    def port(self) -> int:
        lines = (json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{"))
        return int(next(line["port"] for line in lines if line["event"] == "web.ready"))

    async def logged(self, event: str, within: float = START_WITHIN) -> None:
        """Wait until this stands in its log."""
        deadline, wanted = time.monotonic() + within, f'"{event}"'.encode()
        while wanted not in self.log.read_bytes():
            if self._process.returncode is not None or time.monotonic() > deadline:
                raise RuntimeError(f"no {event}: {self.log.read_text()[-2000:]}")
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(15):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


def resident(pid: int, what: str) -> float:
    """Megabytes that a process holds now (VmRSS) or held at most (VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)


@dataclass(frozen=True)
class Scene:
    """The world, and what a program in it is given."""

    place: World
    folder: Path
    environ: Mapping[str, str]

    @property
    def slack(self) -> LocalSlack:
        return self.place.slack

    @property
    def tyk(self) -> LocalTyk:
        return self.place.tyk

    @asynccontextmanager
    async def running(self, program: Program, database: str | Path | None = None) -> AsyncIterator[Process]:
        """One process of it, ready. `database` is a URL or a SQLite file; a new file unless given."""
        number = len(list(self.folder.glob("*.log")))
        database = database or self.folder / f"{number}.db"
        url = f"sqlite:///{database}" if isinstance(database, Path) else database
        log, config = self.folder / f"{program.name}-{number}.log", self.folder / "config.yaml"
        connections = len(self.slack.sockets.connections)
        started = time.perf_counter()
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *program.argv(config), env=dict(self.environ) | {"DATABASE_URL": url}, stdout=output, stderr=output
            )
        running = Process(process.pid, log, 0.0, process)
        try:
            await running.logged("bot.ready")
            running.ready_after = time.perf_counter() - started
            await self.slack.connected(connections + 1)
            yield running
        finally:
            await running.stop()


SEAL = new_key()


def environ_for(place: World | None, database: str = "") -> dict[str, str]:
    """What a program of this run is given: the databases of a run are opened by several, so it has one seal key."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    given = kept | {"SEAL_KEYS": SEAL, "HTTP_PORT": "0", "DATABASE_URL": database}
    return given | (place.environ() if place else {})


@asynccontextmanager
async def scene(
    people: int = 1, distance: Distance = HERE, *, apis: Mapping[str, int] | None = None, channels: int = 1
) -> AsyncIterator[Scene]:
    """`apis` are names and how many approvals each wants; their cards go to so many channels in turn."""
    wanted = apis or {OPEN: 0, REVIEWED: 1}
    text = _HEAD + "".join(_entry(number, name, approvals, channels) for number, (name, approvals) in _numbered(wanted))
    catalogue = Catalogue(tuple(Api(_api_id(number), name, f"/{name}/") for number, (name, _) in _numbered(wanted)))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        scopes = sorted(manifest.SCOPES)
        async with world(scopes, rate_limits=False, cast=_cast(people, channels), catalogue=catalogue) as place:
            place.slack.limits.enabled = distance.limits
            if distance.slack:
                place.slack.faults.next("*", latency=distance.slack, times=None)
            place.tyk.faults.slow = distance.tyk
            (Path(folder) / "config.yaml").write_text(place.config(text))
            yield Scene(place, Path(folder), environ_for(place))


def _numbered(apis: Mapping[str, int]) -> list[tuple[int, tuple[str, int]]]:
    return list(enumerate(apis.items(), start=1))


def _api_id(number: int) -> str:
    return f"{number:032x}"


def _entry(number: int, name: str, approvals: int, channels: int) -> str:
    rule = f"requesters: [everyone], approvals: {approvals}"
    if approvals:
        rule += f", approvals_channel: {_channel(number % channels)}"
    return f"  {name}: {{api_id: '{_api_id(number)}', listen_path: /{name}/, {rule}}}\n"


def _channel(number: int) -> str:
    return f"C0APPROVALS{number or ''}"


def user_id(number: int) -> str:
    return f"U0P{number:04}"


def _cast(people: int, channels: int) -> Cast:
    crowd = tuple(Someone(f"person{number}", id=user_id(number)) for number in range(people))
    rooms = [Room("audit", ("carol",), "C0AUDIT"), Room("help", ("carol",), "C0HELP")]
    rooms += [Room(f"approvals{number}", ("carol",), _channel(number)) for number in range(channels)]
    carol = Someone("carol", real_name="Carol Clark", id=APPROVER)
    return Cast((*crowd, carol), (Group("leads", ("carol",), "S0LEADS"),), tuple(rooms))
