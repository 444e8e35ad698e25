"""Watch that the database takes what is written: one that can be read and stores nothing looks well to whoever only reads.

Who has to know is told without it: in the log, in `/readyz` and the metrics, and, where that lasts, in the help channel.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

import structlog
from sqlalchemy.exc import DBAPIError

from bot import metrics
from bot.core.faults import Fault
from bot.core.in_force import InForce
from bot.slack.block_kit import section
from bot.slack.client import Chat
from bot.store.engine import OtherVersionError, check_version, what_is_wrong, what_to_do
from bot.store.store import Store, Transaction, User

log = structlog.get_logger(__name__)

LOOK_EVERY = 60.0
AGAIN = 5.0
"""Seconds between two looks while it takes nothing."""

TELL_AFTER = 60.0
ROOM = 16 * 1024
"""Bytes: a request and what follows from it take no more."""

WRONG = "The database doesn't answer, or stores nothing: nothing can be requested, approved, made or ended."
OVER = "Over: the database stores again. What waited goes on by itself."
_NAME = "room"


class DatabaseWatch:
    """Writes something now and then, and at once where a transaction failed. `wrong` is a sentence while that fails."""

    def __init__(
        self, store: Store, chat: Chat, in_force: InForce, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.wrong = ""
        self._store = store
        self._chat = chat
        self._in_force = in_force
        self._clock = clock
        self._since = 0.0
        self._told = False
        metrics.DATABASE_UP.set(1)

    async def watch(self) -> NoReturn:
        """Raises OtherVersionError where another version has changed the tables: they are not this program's any more."""
        while True:
            if self.wrong:
                await asyncio.sleep(AGAIN)
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):
                        await self._store.doubted.wait()
            self._store.doubted.clear()
            await self.look()

    async def look(self) -> None:
        try:
            await self._store.write(_write, User.WORKER)
            await self._store.write(lambda tx: tx.forget([_NAME]), User.WORKER)
        except OtherVersionError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing is stored
            self._fails(error)
        else:
            self._stores()
        await self._tell()

    def _fails(self, error: Exception) -> None:
        said = f"{WRONG} {what_to_do(error)}"
        if not self.wrong:
            self._since = self._clock()
            metrics.DATABASE_UP.set(0)
            why = what_is_wrong(error) if isinstance(error, DBAPIError) else said
            log.warning("database.fails", error=type(error).__name__, what=why)
        self.wrong = said

    def _stores(self) -> None:
        if self.wrong:
            metrics.DATABASE_UP.set(1)
            log.warning("database.stores", after=round(self._clock() - self._since, 1))
        self.wrong = ""

    async def _tell(self) -> None:
        """Each replica says so by itself: what another one has said is in the database."""
        is_due = self.wrong and not self._told and self._clock() - self._since >= TELL_AFTER
        if not (is_due or (self._told and not self.wrong)):
            return
        said = self.wrong or OVER
        with suppress(Fault):  # with the next look
            await self._chat.post(self._in_force.help_channel, said, [section(said)])
            self._told = bool(self.wrong)


def _write(tx: Transaction) -> None:
    check_version(tx.connection)
    tx.remember(_NAME, "." * ROOM)
