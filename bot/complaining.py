"""The help channel hears once of what is wrong with the configuration, and once when it is right again.

What was told is remembered in the database, for all replicas and for the next start. It is noted after it was told: a death in
between tells it once more.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import NoReturn

import structlog

from bot import durations, metrics
from bot.core import backoff
from bot.core.faults import Fault
from bot.core.in_force import InForce
from bot.core.signing import Signing
from bot.slack.block_kit import section
from bot.slack.client import Chat
from bot.slack.wording import escape, one_line
from bot.store.store import Store, User
from bot.store.transaction import Transaction
from bot.web import Rejection

log = structlog.get_logger(__name__)

SAID = 8
LEASE = timedelta(seconds=60)
"""Whoever tells it has so long; who dies meanwhile leaves it to another, or to the next start."""


@dataclass(frozen=True)
class About:
    """A subject of complaint, by the name under which it is remembered: its beginning, and the sentence when it is over."""

    name: str
    begins: str
    over: str


DOUBTS = About(
    "doubted",
    "The configuration needs a look. I am running, with these exceptions:",
    "The configuration holds without an exception again.",
)
UNKNOWN = About(
    "unknown",
    "I asked Slack again about what the configuration names:",
    "What the configuration names fits Slack again.",
)
REFUSED = About(
    "refused",
    "The configuration was changed, and I can't take it as it is now. The one before stays in force, all of it:",
    "The changed configuration is good again, and in force.",
)
UNSEALED = About(
    "unsealed",
    "Some of what I have to use can't be opened:",
    "Everything that is stored can be opened again.",
)
UNSIGNED = About(
    "unsigned",
    "I may not hear Slack any more:",
    "Slack's requests are signed as they should be.",
)
CLOCK = About("clock", "A clock is wrong:", "The clock is right again.")
MOST_APART = timedelta(minutes=1)
"""So far may the clock that decides and Slack's be apart: an answer takes its time."""

_SAID = "Requests come to Slack's address, and none is {right}. If they are Slack's, no click reaches me: {why}"
OF_SLACK = {
    Rejection.SIGNATURE: _SAID.format(
        right="signed as it should be",
        why="SLACK_SIGNING_SECRET is not the app's Signing Secret. Put that in, and start me again.",
    ),
    Rejection.STALE: _SAID.format(
        right="of the last five minutes", why="the clock of this machine is wrong. Set it right."
    ),
}
"""What a request that got no further may mean where it is Slack's, and no other one is right."""
STOPS = (DOUBTS, UNKNOWN, UNSEALED, UNSIGNED, CLOCK)
"""What keeps something from being done. A changed configuration that is refused does not: the one before is in force."""


class Complaining:
    """The complaints that the help channel is still to hear. Each is told by one replica; where Slack does not take it, it is
    told later.

    `doubts` and what is `unsealed` are those of the start: the file that it began with is good, whatever was refused before."""

    def __init__(
        self,
        store: Store,
        chat: Chat,
        in_force: InForce,
        doubts: Iterable[object],
        *,
        unsealed: Iterable[object] = (),
        spread: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._chat = chat
        self._in_force = in_force
        self._spread = spread
        self._untold: dict[About, tuple[str, ...]] = {}
        self._clock = clock
        self._signing = Signing()
        self._wrong: dict[About, tuple[str, ...]] = {}
        self._news = asyncio.Event()
        self._failed = ""
        for later in (UNSIGNED, UNKNOWN, CLOCK):  # known once somebody has looked
            metrics.COMPLAINTS.labels(later.name).set(0)
        for about, complaints in ((REFUSED, ()), (DOUBTS, doubts), (UNSEALED, unsealed)):
            self.owe(about, complaints)

    def owe(self, about: About, complaints: Iterable[object]) -> None:
        """This is wrong now, and nothing else is; where it is nothing, all is right."""
        self._wrong[about] = self._untold[about] = tuple(map(str, complaints))
        metrics.COMPLAINTS.labels(about.name).set(len(self._untold[about]))
        self._news.set()

    def heard(self, rejected: Rejection | None) -> None:
        """A request came to Slack's address, right or `rejected`. One that is not right costs no call of Slack's."""
        said = OF_SLACK[rejected] if rejected is not None else None
        if self._signing.take(self._clock(), rightly=said is None):
            self.owe(UNSIGNED, [said] if said else ())

    async def compare_clocks(self, at_slack: datetime) -> None:
        """Compare the database's clock, by which requests expire and tokens end, with Slack's; people hear where it is wrong."""
        try:
            now = await self._store.read(lambda tx: tx.now, User.WORKER)
        except Exception:  # noqa: BLE001 - a database that is away is told of by whoever watches it
            return
        apart = now - self._store.skew - at_slack
        is_wrong = abs(apart) > MOST_APART
        if CLOCK in self._wrong and is_wrong is bool(self._wrong[CLOCK]):
            return
        which = "ahead of" if apart > timedelta() else "behind"
        said = (
            f"the one by which requests expire and tokens end is {durations.rough(abs(apart))} {which} Slack's. Set it right: "
            "with SQLite it is this machine's, with PostgreSQL that of the database's."
        )
        self.owe(CLOCK, [said] if is_wrong else ())

    def cannot(self) -> list[str]:
        """The acts that what is wrong now keeps the bot from, as `/readyz` says them."""
        return [line for about in STOPS for line in _cut(self._wrong.get(about, ()))]

    async def keep_telling(self) -> NoReturn:
        """Tell what is owed at once, and what Slack or the database did not take after a wait that grows. Who cancels it waits
        until what is being told is told."""
        attempts = 0
        while True:
            self._news.clear()
            telling = asyncio.create_task(self._tell_all())
            try:
                attempts = 0 if await asyncio.shield(telling) else attempts + 1
            finally:
                await asyncio.wait({telling})
            wait = backoff.delay(attempts, spread=self._spread()).total_seconds() if attempts else None
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._news.wait()

    async def _tell_all(self) -> bool:
        """Returns whether nothing is left to tell."""
        try:
            for about, complaints in tuple(self._untold.items()):
                if await self._tell(about, complaints) and self._untold[about] == complaints:
                    del self._untold[about]
        except Fault as fault:
            self._untaken(fault.code)
        except Exception as error:  # noqa: BLE001 - a database that is away for a moment, or a fault of ours: in the log
            self._untaken(type(error).__name__, exc_info=True)
        else:
            self._failed = ""
        return not self._untold

    def _untaken(self, error: str, *, exc_info: bool = False) -> None:
        """It is tried each minute for as long as it takes, and the log has it once."""
        if error != self._failed:
            log.warning("config.untold", about=sorted(one.name for one in self._untold), error=error, exc_info=exc_info)
        self._failed = error

    async def _tell(self, about: About, complaints: tuple[str, ...]) -> bool:
        """Tell it unless it was told. Returns False where another replica is at it. Raises Slack's Fault."""
        telling = f"telling {about.name}"

        def claim(tx: Transaction) -> _Turn:
            if (tx.remembered(about.name, lock=True) or []) == list(complaints):
                return _Turn.TOLD
            if tx.now.timestamp() < (tx.remembered(telling, lock=True) or 0.0):
                return _Turn.ANOTHERS
            tx.remember(telling, (tx.now + LEASE).timestamp())
            return _Turn.OURS

        def told(tx: Transaction) -> None:
            tx.remember(about.name, list(complaints))
            tx.forget([telling])

        turn = await self._store.write(claim)
        if turn is not _Turn.OURS:
            return turn is _Turn.TOLD
        said = _said(about, complaints)
        try:
            await self._chat.post(self._in_force.help_channel, said, [section(said)])
        except Fault:
            await self._store.write(lambda tx: tx.forget([telling]))
            raise
        await self._store.write(told)
        return True


class _Turn(Enum):
    TOLD = auto()
    OURS = auto()
    ANOTHERS = auto()


def _said(about: About, complaints: Sequence[str]) -> str:
    if not complaints:
        return about.over
    lines = [f"• {escape(one)}" for one in _cut(complaints)]  # ours, with keys and commands in it
    return "\n".join([about.begins, *lines])


def _cut(complaints: Sequence[str]) -> list[str]:
    more = [f"and {len(complaints) - SAID:,} more, in the log."] if len(complaints) > SAID else []
    return [*(one_line(one, 300) for one in complaints[:SAID]), *more]
