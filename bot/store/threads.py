"""Threads of the store's own, in which transactions run, so that the event loop is never held, and their connections.

People's clicks, the worker and readiness have threads of their own, and with them connections: none of them starves another.
Where only one can write at a time, as on SQLite, one thread writes for all, and for people first.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from enum import Enum
from typing import TypeVar

from sqlalchemy import Connection, Engine

T = TypeVar("T")


class User(Enum):
    """Those who ask, who is served first standing first. The value is how many transactions of theirs may run side by side."""

    PEOPLE = 6
    WORKER = 3
    READINESS = 1


CONNECTIONS = sum(user.value for user in User) + 1
"""One for each thread, and one for SQLite's writer; on PostgreSQL that one is left for who asks without a thread."""
CROWDED = 0.5


class _Writer:
    """One thread, which serves people first and its other users as they came.

    People are served as they came, too, until the first of them has waited for `CROWDED` seconds: from then on the last one is.
    In a crowd the first has given up by the time it is served, and so has everybody behind it who waits as long.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._people: deque[tuple[float, Callable[[], None]]] = deque()
        self._others: deque[Callable[[], None]] = deque()
        self._guard = threading.Lock()

    def submit(self, user: User, job: Callable[[], None]) -> None:
        with self._guard:
            if user is User.PEOPLE:
                self._people.append((time.monotonic(), job))
            else:
                self._others.append(job)
        self._pool.submit(self._run_next)

    def _run_next(self) -> None:
        self._next()()

    def _next(self) -> Callable[[], None]:
        with self._guard:
            if not self._people:
                return self._others.popleft()
            is_crowded = time.monotonic() - self._people[0][0] > CROWDED
            return (self._people.pop() if is_crowded else self._people.popleft())[1]

    def shutdown(self) -> None:
        self._pool.shutdown()


class KeptConnections:
    """A connection for each thread, kept open: to take one from a pool each time costs as much as four statements."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._of_thread = threading.local()
        self._all: set[Connection] = set()

    @contextmanager
    def one(self, *, writes: bool) -> Iterator[Connection]:
        """Yields this thread's own. Where anything is raised it goes back to the pool, which sees to what is wrong with it."""
        connection: Connection | None = getattr(self._of_thread, "connection", None)
        if connection is None:
            connection = self._of_thread.connection = self._engine.connect()
            self._all.add(connection)
        if connection.get_execution_options().get("writes") is not writes:
            connection.execution_options(writes=writes)
        try:
            yield connection
        except BaseException:  # whatever it was: the pool sees to the connection, and the error goes on its way
            self._of_thread.connection = None
            self._all.discard(connection)
            connection.close()
            raise

    def close(self) -> None:
        """Called when no thread runs any more."""
        for connection in self._all:
            connection.close()
        self._all.clear()


class Threads:
    """Starts a thread when it is first needed. `one_writer`: only one transaction can write at a time."""

    def __init__(self, *, one_writer: bool) -> None:
        self._pools = {
            user: ThreadPoolExecutor(user.value, thread_name_prefix=f"store-{user.name.lower()}") for user in User
        }
        self._writer = _Writer() if one_writer else None

    async def run(
        self,
        user: User,
        work: Callable[[], T],
        then: Callable[[T], object] = lambda _: None,
        *,
        writes: bool = False,
    ) -> T:
        """Run to its end what has begun, even where whoever waits for it is cancelled; what has not is then left alone. `then` is
        told of what came of it, on the event loop.

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
            if waiter.cancelled():
                return
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - it is raised where the result is waited for
                loop.call_soon_threadsafe(fail, error)
            else:
                loop.call_soon_threadsafe(tell, result)

        if writes and self._writer is not None:
            self._writer.submit(user, job)
        else:
            self._pools[user].submit(job)
        return await waiter

    async def close(self) -> None:
        """Wait for what runs."""
        if self._writer is not None:
            await asyncio.to_thread(self._writer.shutdown)
        for pool in self._pools.values():
            await asyncio.to_thread(pool.shutdown)
