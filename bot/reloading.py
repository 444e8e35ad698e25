"""A changed configuration is taken in while the bot runs, on SIGHUP and when the file changes: all of it, or nothing.

What is in force stays until all of the new one is known to be good: the file has no complaint, the Slack app has the scopes that
it needs, and Slack has said what its names mean. What no replica can change while it runs is named, and waits for a restart.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import structlog

from bot import config, configuring, groups, meanings, metrics
from bot.complaining import DOUBTS, REFUSED, Complaining
from bot.config import Complaint, Config, ConfigError, document
from bot.config.positions import Position
from bot.configuring import Slack
from bot.core import changes
from bot.core.faults import Fault
from bot.core.model import Rulebook
from bot.core.snapshot import What
from bot.manifest import scopes
from bot.meanings import Meanings
from bot.operations import Operations
from bot.settings import Settings
from bot.slack.client import PreflightError, preflight

log = structlog.get_logger(__name__)

EVERY = 5.0
"""Seconds between two looks at the file. It is read by its content: a mounted ConfigMap changes by a symbolic link."""

AGAIN = 20.0
"""Seconds until a file that could not be taken for the time being is tried again."""

AT_RESTART = frozenset({What.COMMAND, What.DASHBOARD_URL, What.KEYS_BY, What.AT_ONCE, What.FORWARD})
"""What is fixed while the bot runs: each is in something that was opened at the start."""


def at_restart(running: Config, new: Config) -> tuple[Complaint, ...]:
    """A sentence for each key whose change waits for a restart."""
    was, now = running.settings(), new.settings()
    return tuple(
        new.place(tuple(what.split("."))).complaint(f"`{what}` has changed, which takes effect when I am restarted")
        for what in sorted(AT_RESTART)
        if was[what] != now[what]
    )


class WatchedFile:
    """The file that the configuration was read from, and what it held then. `asked` is set where it is to be read at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked = asyncio.Event()
        self.held = self.read()[0]

    def read(self) -> tuple[str, bytes | ConfigError]:
        """A fingerprint of all that it holds, and that; or why it cannot be read."""
        try:
            if self.path.is_fifo():  # whoever opens a pipe may wait for ever
                raise ConfigError([Position(str(self.path), 1, 1).complaint("a pipe cannot be read again")])
            raw = document.read_bytes(self.path)
        except ConfigError as error:
            return str(error), error
        return hashlib.sha256(raw).hexdigest(), raw


class Turn:
    """Decides when to take a changed file: once, and only after two looks found the same fingerprint, because it may be written
    in parts. `done_with` is the fingerprint that was taken or refused last."""

    def __init__(self, done_with: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.done_with = done_with
        self._clock = clock
        self._seen = ""
        self._waits_until: float | None = None

    def has_come(self, fingerprint: str, *, at_once: bool) -> bool:
        was_seen, self._seen = fingerprint == self._seen, fingerprint
        if at_once:
            is_time = True
        elif self._waits_until is not None:
            is_time = was_seen and self._clock() >= self._waits_until
        else:
            is_time = was_seen and fingerprint != self.done_with
        if is_time:
            self._waits_until = None
        return is_time

    def comes_again(self) -> None:
        """It could not be taken for the time being, through no fault of the file's."""
        self._waits_until = self._clock() + AGAIN


class Reloading:
    """One look at the file after the other, so that no two reloads meet. `running` is what is in force and `meant` what its names
    mean, at first what the bot was started with; `check` compares what was taken with Slack and Tyk."""

    def __init__(
        self,
        file: WatchedFile,
        running: Config,
        meant: Meanings,
        settings: Settings,
        slack: Slack,
        operations: Operations,
        check: Callable[[Config, Rulebook], Coroutine[Any, Any, None]],
        complaining: Complaining,
    ) -> None:
        self._file = file
        self.running = running
        self.meant = meant
        self._settings = settings
        self._slack = slack
        self._operations = operations
        self._check = check
        self._complaining = complaining
        self._checking: asyncio.Task[None] | None = None
        self._taking = asyncio.Lock()
        self._waits: tuple[Complaint, ...] = ()
        self._turn = Turn(file.held)
        self._unshown: frozenset[str] = frozenset()
        self._groups_at: float | None = None

    async def watch(self) -> NoReturn:
        """Look now and then, and take the file as it is when somebody asks for it."""
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(EVERY):
                        await self._file.asked.wait()
                at_once = self._file.asked.is_set()
                self._file.asked.clear()
                try:
                    await self.look(at_once=at_once)
                except Exception:  # a database that is away for a moment, or a fault of ours: what is in force stays
                    log.exception("config.reload_failed")
                    self._turn.comes_again()
        finally:
            if self._checking is not None:
                self._checking.cancel()

    async def look(self, *, at_once: bool) -> None:
        """Take what the file holds, if its turn has come."""
        async with self._taking:
            await self._catch_up()
        fingerprint, held = await asyncio.to_thread(self._file.read)
        if self._turn.has_come(fingerprint, at_once=at_once):
            async with self._taking:
                await self._reload(fingerprint, held)

    async def _reload(self, fingerprint: str, held: bytes | ConfigError) -> None:
        metrics.CONFIG_LOAD_GOOD.set(0)  # until it is known to be good
        try:
            new = await self._understood(held)
            kept, meant, waits = await self._looked_up(new)
        except ConfigError as error:
            self._turn.done_with = fingerprint
            self._refuse(map(str, error.complaints))
        except PreflightError as error:
            self._turn.comes_again()  # whoever adds the scope need not touch the file
            self._refuse([f"{self._file.path}: {error}"])
        except Fault as fault:
            self._turn.comes_again()
            log.warning(
                "config.waits", error=fault.code, what="Slack cannot say what its names mean; it is tried again"
            )
        else:
            changed, doubts = await self._into_force(kept, meant)
            self._turn.done_with, self._waits = fingerprint, waits
            self._complaining.owe(REFUSED, ())
            self._doubt((*doubts, *waits))
            metrics.CONFIG_LOADED.set_to_current_time()
            metrics.CONFIG_LOAD_GOOD.set(1)
            rulebook = self._operations.in_force.current
            log.info("config.reloaded", apis=len(rulebook.rules), digest=rulebook.digest, changes=changed)
            if self._checking is not None:
                self._checking.cancel()
            self._checking = asyncio.create_task(self._check(kept, rulebook))
            await self._catch_up()

    async def _understood(self, held: bytes | ConfigError) -> Config:
        """The configuration in the file. Raises ConfigError."""
        if isinstance(held, ConfigError):
            raise held
        return await asyncio.to_thread(config.of_bytes, held, str(self._file.path))

    async def _looked_up(self, new: Config) -> tuple[Config, Meanings, tuple[Complaint, ...]]:
        """The part of it that can be in force now, the meanings of its names, and what waits for a restart. Raises
        PreflightError and a Fault of Slack's."""
        needed = frozenset(scopes(new))
        if needed - frozenset(scopes(self.running)):
            await preflight(self._slack.client, None, needed)
        directory = self._slack.directory
        directory.uses_groups = directory.uses_groups or configuring.uses_groups(new)
        directory.forget_groups()
        kept = new.with_settings_of(self.running, AT_RESTART)
        meant = await meanings.of_names(kept.mentions(), directory, self._operations.store, by_heart=False)
        return kept, meant, at_restart(self.running, new)

    def _refuse(self, complaints: Iterable[str]) -> None:
        said = tuple(complaints)
        for complaint in said:
            log.warning("config.refused", where=complaint)
        self._complaining.owe(REFUSED, said)

    async def take_names(self, config: Config, meant: Meanings) -> None:
        """Take other meanings of the file's names, as Slack has them now: they are in force from now on, unless another file
        is by now."""
        async with self._taking:
            if config is self.running and meant != self.meant:
                changed, doubts = await self._into_force(config, meant)
                self._doubt((*doubts, *self._waits))
                log.info("config.names_changed", changes=changed)
                await self._catch_up()

    async def _into_force(self, kept: Config, meant: Meanings) -> tuple[int, tuple[Complaint, ...]]:
        """Noted first, where that may fail; then it is in force for everybody at once, and the rest follows. Returns how many
        entries have changed, and what is doubtful about the names."""
        in_force = self._operations.in_force
        rulebook, doubts = await asyncio.to_thread(meanings.rulebook_of, kept, meant)
        changed = await asyncio.to_thread(changes.compared, in_force.current, rulebook)
        await configuring.note(self._operations.store, kept, rulebook, self._settings)
        in_force.take(rulebook, help_channel=kept.slack.help_channel, alias=kept.tyk.alias)
        self.running, self.meant = kept, meant
        self._unshown |= {one.entry for one in changed}
        self._groups_at = 0.0
        gc.freeze()  # as at the start
        return len(changed), doubts

    def _doubt(self, doubts: tuple[Complaint, ...]) -> None:
        self._complaining.owe(DOUBTS, doubts)
        configuring.warn_of(doubts)

    async def _catch_up(self) -> None:
        """Find who is in a group that was not named before, and show what waits under the rules in force, as far as either is
        still to be done. What fails is done again."""
        try:
            if self._groups_at is not None and time.monotonic() >= self._groups_at:
                known = await groups.look(self._operations, self._slack.directory)
                self._groups_at = None if known else time.monotonic() + AGAIN
            if self._unshown:
                await configuring.show_anew(self._operations.store, self._operations.in_force.current, self._unshown)
                self._unshown = frozenset()
        except Exception:  # a database that is away for a moment, or a fault of ours: the file is looked at anyway
            log.exception("config.reload_failed")
