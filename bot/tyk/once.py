"""One call for all who ask the same at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

V = TypeVar("V")


class Once(Generic[V]):
    """Look-ups under way, by key. Nothing is remembered once an answer is there."""

    def __init__(self) -> None:
        self._under_way: dict[str, asyncio.Task[V]] = {}

    async def ask(self, key: str, load: Callable[[], Awaitable[V]]) -> V:
        """The answer to the call that is under way, or to one that begins now. Who stops waiting for it does not end it."""
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.ensure_future(_awaited(load))
            task.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(task)

    def _landed(self, key: str, done: asyncio.Task[V]) -> None:
        del self._under_way[key]
        if not done.cancelled():
            done.exception()  # looked at here, for it may be that nobody waits any more


async def _awaited(load: Callable[[], Awaitable[V]]) -> V:
    return await load()
