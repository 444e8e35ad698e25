"""Threads of the store's own, in which transactions run, so that the event loop is never held.

People's clicks, the worker and readiness have threads of their own, and with them connections: none of them starves another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import TypeVar

T = TypeVar("T")


class User(Enum):
    """Those who ask. The value is how many transactions of theirs may run side by side."""

    PEOPLE = 6
    WORKER = 3
    READINESS = 1


CONNECTIONS = sum(user.value for user in User)


class Threads:
    """Starts a thread when it is first needed."""

    def __init__(self) -> None:
        self._pools = {
            user: ThreadPoolExecutor(user.value, thread_name_prefix=f"store-{user.name.lower()}") for user in User
        }

    async def run(self, user: User, work: Callable[[], T], then: Callable[[T], object] = lambda _: None) -> T:
        """Run to its end, even where whoever waits for it is cancelled; `then` is told of what came of it, on the event loop.

        The loop is woken once, by a future of its own: an executor's would wake it once more.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[T] = loop.create_future()

        def tell(result: T) -> None:
            try:
                then(result)
            finally:
                if not waiter.done():
                    waiter.set_result(result)

        def fail(error: BaseException) -> None:
            if not waiter.done():
                waiter.set_exception(error)

        def job() -> None:
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - it is raised where the result is waited for
                loop.call_soon_threadsafe(fail, error)
            else:
                loop.call_soon_threadsafe(tell, result)

        self._pools[user].submit(job)
        return await waiter

    async def close(self) -> None:
        """Wait for what runs."""
        for pool in self._pools.values():
            await asyncio.to_thread(pool.shutdown)
