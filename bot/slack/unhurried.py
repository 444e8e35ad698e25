"""A directory for the bot's own checks: it takes what Slack's limits leave over, so that people are served first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.core.model import Person, Workspace
from bot.slack.directory import PATIENCE, Directory
from bot.slack.errors import CannotSay
from bot.slack.leftover import Leftover

BURST = 20
EVERY = 2.0
"""Seconds between two calls after the burst: half of what Slack allows of its slower methods."""

FRESH_FOR = 3600.0
TRIES = 3


class UnhurriedDirectory(Directory):
    """A directory with a memory of its own: nobody who waits for an answer waits for a look-up that is in no hurry."""

    def __init__(
        self,
        client: AsyncWebClient,
        workspace: Workspace,
        *,
        clock: Callable[[], float],
        uses_groups: bool,
        leftover: Leftover | None = None,
    ) -> None:
        super().__init__(
            client, workspace, clock=clock, fresh_for=FRESH_FOR, uses_groups=uses_groups, leftover=leftover
        )
        self._paid_at = clock()
        self._turns = asyncio.Lock()
        self._rooms = asyncio.Lock()

    async def _look_up(self, user_id: str) -> Person:
        """Somebody, once Slack's limit on looking people up leaves room; one after the other."""
        async with self._rooms:
            wait = self.leftover.wait()
            while wait > 0:
                await asyncio.sleep(wait)
                wait = self.leftover.wait()  # others look people up meanwhile
            return await super()._look_up(user_id)

    async def _ask(self, method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Asks in its turn. Where Slack says that it is too much, everything here stands still for as long as Slack says."""
        for left in reversed(range(TRIES)):
            await self._turn()
            try:
                return await super()._ask(method, arguments)
            except CannotSay as fault:
                if fault.retry_after is None or not left:
                    raise
                self._paid_at = self._clock() + min(fault.retry_after, PATIENCE) + BURST * EVERY
        raise AssertionError("the last try answers or raises")

    async def _turn(self) -> None:
        async with self._turns:
            now = self._clock()
            await asyncio.sleep(max(0.0, self._paid_at - now - BURST * EVERY))
            self._paid_at = max(self._paid_at, now) + EVERY
