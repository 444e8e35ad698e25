"""Watch that the database takes what is written: one that can be read and stores nothing looks well to whoever only reads.

Who has to know is told without it: in the log, in `/readyz` and the metrics, and, where that lasts, in the help channel.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import NoReturn

import structlog
from sqlalchemy.exc import DBAPIError

from bot import metrics
from bot.core.faults import Fault
from bot.core.in_force import InForce
from bot.slack import wording
from bot.slack.block_kit import section
from bot.slack.client import Chat
from bot.store.engine import DatabaseError, OtherVersionError, check_version, what_is_wrong, what_to_do
from bot.store.store import Store, Transaction, User

log = structlog.get_logger(__name__)

LOOK_EVERY = 60.0
AGAIN = 5.0
"""Seconds between two looks while it takes nothing."""

ENDS_WITHIN = 15.0
"""Seconds for a look: a disk that hangs raises nothing."""

TELL_AFTER = 60.0
ROOM = 16 * 1024
"""Bytes: a request and what follows from it take no more."""

WRONG = "The database doesn't answer, or stores nothing: nothing can be requested, approved, made or ended."
UNTIL = "I'll say here when that is over, unless I'm restarted first."
OVER = "the database stores again. What waited goes on by itself."
_HANGS = f"A write has not ended for {ENDS_WITHIN:.0f} seconds: look at its disk, and at what else writes to it."


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
        self._changed = datetime.now(UTC)
        self._name = f"room:{secrets.token_hex(4)}"  # its own: no replica waits for another one's
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
            async with asyncio.timeout(ENDS_WITHIN):
                await self._store.write(self._fill, User.WORKER)
                await self._store.write(lambda tx: tx.forget([self._name]), User.WORKER)
        except OtherVersionError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing is stored
            self._fails(error)
        else:
            self._stores()
        await self._tell()

    def _fill(self, tx: Transaction) -> None:
        check_version(tx.connection)
        tx.remember(self._name, secrets.token_urlsafe(ROOM * 3 // 4))  # PostgreSQL would compress what is not random

    def _fails(self, error: Exception) -> None:
        said = f"{WRONG} {_HANGS if isinstance(error, TimeoutError) else what_to_do(error)}"
        if not self.wrong:
            self._since, self._changed = self._clock(), datetime.now(UTC)
            metrics.DATABASE_UP.set(0)
            why = what_is_wrong(error) if isinstance(error, DBAPIError | DatabaseError) else said
            log.warning("database.fails", error=type(error).__name__, what=why)
        self.wrong = said

    def _stores(self) -> None:
        if self.wrong:
            self._changed = datetime.now(UTC)
            metrics.DATABASE_UP.set(1)
            log.warning("database.stores", after=round(self._clock() - self._since, 1))
        self.wrong = ""

    async def _tell(self) -> None:
        """Each replica says so by itself: what another one has said is in the database."""
        is_due = self.wrong and not self._told and self._clock() - self._since >= TELL_AFTER
        if not (is_due or (self._told and not self.wrong)):
            return
        at = wording.date(self._changed)
        said = f"Since {at}: {self.wrong} {UNTIL}" if self.wrong else f"Over since {at}: {OVER}"
        try:
            with suppress(Fault):  # with the next look
                await self._chat.post(self._in_force.help_channel, said, [section(said)])
                self._told = bool(self.wrong)
        except Exception:  # a fault of ours: the next look is to come all the same
            log.exception("database.untold")
