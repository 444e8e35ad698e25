"""A world with the bot in it: the local servers, a process that can be killed, and a time that can be moved."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bot import config, manifest
from bot.local.world import CAST, CATALOGUE, Cast, Catalogue, World, world
from bot.store.seal import new_key

START_WITHIN = 30.0


class NotStarted(Exception):
    """The bot did not become ready; the text says why, or holds the end of its log."""


class Clock:
    """The time of a world, in seconds since 1970: the machine's, and `ahead` seconds more."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class BotProcess:
    """The bot, to be started, killed, started again and moved in time. Its database outlives it."""

    def __init__(self, place: World, clock: Clock, text: str, folder: Path) -> None:
        self.log = folder / "bot.log"
        self.database_url = f"sqlite:///{folder / 'sandbox.db'}"
        self._clock = clock
        self._config = folder / "config.yaml"
        self._config.write_text(text)
        inherited = {
            name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "PYTHONPATH")
        }
        self._environ = inherited | place.environ()
        self._environ |= {"DATABASE_URL": self.database_url, "SEAL_KEYS": new_key(), "HTTP_PORT": "0"}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Returns when it is ready. Raises NotStarted."""
        before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bot.sandbox.child", str(self._config),
                env=self._environ, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=output,
            )  # fmt: skip
        await self._until_ready(self._process, before)
        await self._tell_time()

    async def _until_ready(self, process: asyncio.subprocess.Process, before: int) -> None:
        deadline = time.monotonic() + START_WITHIN
        while b'"bot.ready"' not in self.log.read_bytes()[before:]:
            if process.returncode is not None or time.monotonic() > deadline:
                raise NotStarted(f"The bot did not start: {_why(self.log.read_bytes()[before:])}")
            await asyncio.sleep(0.1)

    async def move(self, seconds: float) -> None:
        """Let so much time pass, for the local servers at once and for the bot when this returns."""
        self._clock.ahead += seconds
        if self.is_running:
            await self._tell_time()

    async def _tell_time(self) -> None:
        process = self._process
        assert process is not None, "only a process that was started is told the time"
        assert process.stdin is not None, "it has a pipe"
        assert process.stdout is not None, "it has a pipe"
        process.stdin.write(f"{self._clock.ahead}\n".encode())
        await process.stdin.drain()
        await process.stdout.readline()

    async def kill(self) -> None:
        """SIGKILL: nothing of it can be cleaned up."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        await self._end(signal.SIGTERM)

    async def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(how)
            await self._process.wait()


def _why(log: bytes) -> str:
    """The sentence with which the bot gave up, else the end of its log."""
    for line in reversed(log.splitlines()):
        with suppress(ValueError):
            told = json.loads(line)
            if told["event"] == "bot.failed":
                return str(told["what"])
    return f"\n{log[-2000:].decode(errors='replace')}"


@dataclass(frozen=True)
class Place:
    """The world and the bot in it."""

    world: World
    bot: BotProcess


@asynccontextmanager
async def sandbox(
    own_config: Path | None = None, *, cast: Cast = CAST, catalogue: Catalogue = CATALOGUE
) -> AsyncIterator[Place]:
    """The bot is ready. All of it lives in a temporary folder that goes with it. Raises NotStarted, ConfigError."""
    with tempfile.TemporaryDirectory(prefix="tyk-key-bot-") as folder:
        clock = Clock()
        async with world(sorted(manifest.SCOPES), clock=clock, cast=cast, catalogue=catalogue) as servers:
            text = servers.config(own_config.read_text() if own_config else None)
            loaded = config.parse(text, str(own_config or "sandbox/config.yaml"))
            servers.slack.install(manifest.manifest(loaded, socket_mode=True))
            bot = BotProcess(servers, clock, text, Path(folder))
            try:
                await bot.start()
                yield Place(servers, bot)
            finally:
                await bot.stop()
