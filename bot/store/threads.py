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

    async def run(self, user: User, work: Callable[[], T]) -> T:
        """Run to its end, even where whoever waits for it is cancelled."""
        return await asyncio.get_running_loop().run_in_executor(self._pools[user], work)

    async def close(self) -> None:
        """Wait for what runs."""
        for pool in self._pools.values():
            await asyncio.to_thread(pool.shutdown)
