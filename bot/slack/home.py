"""The Home tab: drawn for whoever opens it, and drawn anew while it may still be open and what it shows has changed.

Who has it open is in memory alone. While there is anybody, one look at the audit every few seconds says for whom something has
changed, whichever replica changed it; while there is nobody, nothing is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from bot.core import members
from bot.core.faults import Fault, Transient
from bot.core.model import Person, Workspace
from bot.listing import News
from bot.operations import Operations
from bot.slack import holdings
from bot.slack.catalogue import Catalogue
from bot.slack.client import Chat
from bot.slack.directory import Directory
from bot.slack.errors import CannotSay

log = structlog.get_logger(__name__)

OPEN_FOR = 30 * 60.0
"""Seconds for which a Home counts as open after it was opened, or used: Slack does not say when it is left."""

EVERY = 2.0
TOGETHER = 20
"""So many people are compared with what is new before others have their turn."""

MOST = 1000
"""So many are followed: who opened theirs longest ago is not, beyond that."""

AT_ONCE = 2
"""So many are drawn anew at a look: Slack lets a hundred be published a minute, and those who open theirs come first."""

PAUSE = 10.0
"""Seconds without drawing anew after Slack has refused one, unless it asks for more."""

FOLLOWING = "home.follow"
CANNOT_SAY = "I couldn't check who you are with Slack. Open this tab again in a moment."


@dataclass
class _Open:
    """A Home that may be open, as it was shown last: to whom, and up to which line of the audit. One drawing at a time."""

    until: float = 0.0
    person: Person | None = None
    heard: int = 0
    shown_at: float = -OPEN_FOR
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Homes:
    """Everybody's Home tab. `catalogue` gives the one in force."""

    def __init__(
        self,
        operations: Operations,
        chat: Chat,
        directory: Directory,
        workspace: Workspace,
        catalogue: Callable[[], Catalogue],
        *,
        command: str,
        clock: Callable[[], float],
    ) -> None:
        self._operations = operations
        self._chat = chat
        self._directory = directory
        self._workspace = workspace
        self._catalogue = catalogue
        self._command = command
        self._clock = clock
        self._open: dict[str, _Open] = {}
        self._due: dict[str, None] = {}
        self._heard = 0
        self._paused_until = 0.0
        self._is_failing = False
        self._following: asyncio.Task[None] | None = None

    def is_open(self, user_id: str) -> bool:
        return user_id in self._open

    async def opened(self, user_id: str) -> None:
        """Show this person's Home; who comes back sooner than it would be drawn anew waits for the next look. Raises Fault."""
        shown = self._open.get(user_id)
        if shown is not None and self._clock() - shown.shown_at < EVERY:
            self._due[user_id] = None
            return
        await self.show(user_id)

    async def show(self, user_id: str) -> None:
        """Draw this person's Home as it is now, and follow it from here on. Raises Fault where Slack does not take it."""
        shown = self._open.pop(user_id, None) or _Open()
        self._open[user_id] = shown  # behind all who opened theirs before
        if len(self._open) > MOST:
            del self._open[next(iter(self._open))]
        shown.shown_at = self._clock()
        shown.until = shown.shown_at + OPEN_FOR
        self._due.pop(user_id, None)
        try:
            async with shown.turn:
                await self._draw(user_id, shown)
        except CannotSay:
            await self._chat.publish_home(user_id, holdings.no_home(CANNOT_SAY))
        finally:
            self._forget_if_nobody(user_id, shown)

    def _forget_if_nobody(self, user_id: str, shown: _Open) -> None:
        """There is nothing to follow for whom nothing was ever shown, or may be shown any more."""
        if shown.person is None:
            self._open.pop(user_id, None)

    async def _draw(self, user_id: str, shown: _Open) -> None:
        """Raises CannotSay where Slack does not say who it is, and other Faults where it does not take the drawing."""
        catalogue = self._catalogue()
        person = await self._directory.person(user_id, channels=catalogue.channels)
        if (refusal := members.refuse(person, self._workspace)) is not None:
            shown.person = None
            await self._chat.publish_home(user_id, holdings.no_home(refusal.text))
            return
        found = await self._operations.listing.holdings(person)
        shown.person, shown.heard = person, found.heard
        self._begin_to_follow(user_id, shown)
        offered = catalogue.offered(person)
        view = holdings.home(found, offered, command=self._command, help_channel=self._operations.in_force.help_channel)
        await self._chat.publish_home(user_id, view)

    def _begin_to_follow(self, user_id: str, shown: _Open) -> None:
        if self._following is None or self._following.done():
            self._heard = shown.heard
            self._following = asyncio.create_task(self._follow(), name=FOLLOWING)
        elif self._heard > shown.heard:  # what came since was looked at while this was drawn
            self._due[user_id] = None

    # --- while it is open ---

    async def _follow(self) -> None:
        """Until nobody's Home is open any more."""
        while True:
            await asyncio.sleep(EVERY)
            now = self._clock()
            for user_id in [one for one, shown in self._open.items() if shown.until <= now]:
                del self._open[user_id]
            if not self._open:
                self._due.clear()
                return
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 - whatever it is, Home is drawn anew when it is opened next
                if not self._is_failing:
                    log.warning("home.not_followed", error=getattr(error, "code", type(error).__name__))
                self._is_failing = True
            else:
                self._is_failing = False

    async def _look(self) -> None:
        news = await self._operations.listing.news(self._heard)
        if news:
            self._heard = news[-1].number
            await self._note(news)
        if self._clock() < self._paused_until:
            return
        for user_id in list(self._due)[:AT_ONCE]:
            del self._due[user_id]
            try:
                await self._show_again(user_id)
            except Exception:  # whatever it was: theirs is shown at a later look
                self._due[user_id] = None
                raise

    async def _note(self, news: Sequence[News]) -> None:
        """The people whose Home is to be drawn anew: at once where the request is their own, later for the others."""
        own: dict[str, None] = {}
        others: dict[str, None] = {}
        for place, (user_id, shown) in enumerate(list(self._open.items())):
            if place % TOGETHER == TOGETHER - 1:
                await asyncio.sleep(0)
            person = shown.person
            if person is None:
                continue
            fresh = [one for one in news if one.number > shown.heard]
            if any(one.person is not None and person.is_same(one.person) for one in fresh):
                own[user_id] = None
            elif any(
                self._operations.listing.may_wait_for(person, api) for api in {one.api for one in fresh if one.api}
            ):
                others[user_id] = None
        self._due |= own | others

    async def _show_again(self, user_id: str) -> None:
        shown = self._open.get(user_id)
        if shown is None:
            return
        try:
            async with shown.turn:
                await self._draw(user_id, shown)
        except Fault as fault:
            self._paused_until = self._clock() + min(max(fault.retry_after or 0.0, PAUSE), OPEN_FOR)
            if not isinstance(fault, Transient):
                shown.person = None
            raise
        finally:
            self._forget_if_nobody(user_id, shown)

    async def close(self) -> None:
        """Follow nobody any more."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
