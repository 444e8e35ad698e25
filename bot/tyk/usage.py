"""The last use of tokens: read from Tyk's analytics for somebody who looks, and never in the way of a token that is made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog

from bot.core.usage import LOOKED_BACK, Unseen, Use
from bot.tyk.dashboard import Dashboard, DashboardError, Forbidden
from bot.tyk.keys import is_tyks_hash

log = structlog.get_logger(__name__)

PATIENCE = 4.0
"""Seconds for all of a page: so long somebody looks at one that is still empty."""

SHARE = 4
"""One call of so many that may go to Tyk at once."""

NOBODYS = "00000000"
"""The hash under which Tyk records calls without a key."""


class Usage:
    """`at_once` is how many calls may go to Tyk at the same time, all told, and `has_room` says whether it takes more now."""

    def __init__(
        self,
        dashboard: Dashboard,
        *,
        at_once: int,
        has_room: Callable[[], bool] = lambda: True,
        patience: float = PATIENCE,
    ) -> None:
        self._dashboard = dashboard
        self._turns = asyncio.Semaphore(max(1, at_once // SHARE))
        self._has_room = has_room
        self._patience = patience

    async def of(self, tokens: Sequence[Sequence[str]], now: datetime) -> tuple[Use | None, ...]:
        """The use of each token, whose keys go by these hashes; None for one that has no key. Raises nothing, and takes no longer
        than `patience`."""
        hashes = sorted({one for hashes in tokens for one in hashes})
        asked = {one: asyncio.create_task(self._of_key(one, now)) for one in hashes}
        if asked:
            await asyncio.wait(asked.values(), timeout=self._patience)
        for task in asked.values():
            task.cancel()
        await asyncio.gather(*asked.values(), return_exceptions=True)
        known = {one: _answer(task) for one, task in asked.items()}
        return tuple(_of_all([known[one] for one in hashes]) for hashes in tokens)

    async def _of_key(self, key_hash: str, now: datetime) -> Use:
        if not is_tyks_hash(key_hash):
            return Use(unseen=Unseen.NO_HASH)
        async with self._turns:
            if not self._has_room():
                return Use(unseen=Unseen.LATE)
            try:
                return Use(await self._last_call(key_hash, now))
            except Forbidden:
                return Use(unseen=Unseen.FORBIDDEN)
            except DashboardError as error:
                log.warning("usage.unknown", error=error.code)
                return Use(unseen=Unseen.BROKEN)

    async def _last_call(self, key_hash: str, now: datetime) -> datetime | None:
        # a day more, in case the last day is not counted in
        return await self._dashboard.last_call(key_hash, (now - LOOKED_BACK).date(), (now + timedelta(days=1)).date())


def _answer(task: asyncio.Task[Use]) -> Use:
    """The result of asking; Tyk may say something that nobody thought of."""
    if task.cancelled():
        return Use(unseen=Unseen.LATE)
    if (error := task.exception()) is not None:
        log.error("usage.failed", error=type(error).__name__, exc_info=error)
        return Use(unseen=Unseen.BROKEN)
    return task.result()


def _of_all(uses: Sequence[Use]) -> Use | None:
    """A token of several keys, one that is being replaced: its last call is that of either, and unknown where one is unknown."""
    unseen = next((one for one in uses if one.unseen is not None), None)
    if not uses or unseen is not None:
        return unseen
    return Use(max((one.last for one in uses if one.last is not None), default=None))


async def may_be_read(dashboard: Dashboard, now: datetime) -> bool:
    """False where the Dashboard user lacks the permission, and only there."""
    try:
        await dashboard.last_call(NOBODYS, now.date(), now.date())
    except Forbidden:
        return False
    except DashboardError:
        return True
    return True
