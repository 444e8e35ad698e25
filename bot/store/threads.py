"""Threads of the store's own, in which transactions run, so that the event loop is never held, and their connections.

People's clicks, the worker and readiness have threads of their own, and with them connections: none of them starves another.
Where only one can write at a time, as on SQLite, one thread writes for all, for people first, and for as many as wait at once.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from enum import Enum
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine

T = TypeVar("T")
W = TypeVar("W")


class User(Enum):
    """Those who ask, who is served first standing first. The value is how many transactions of theirs may run side by side."""

    PEOPLE = 6
    WORKER = 3
    READINESS = 1


CONNECTIONS = sum(user.value for user in User) + 1
"""One for each thread, and one for SQLite's writer; on PostgreSQL that one is for reads outside the threads."""
CROWDED = 0.5
TOGETHER = 0.02
"""Seconds after which no more is begun of what is written together: whoever came first waits that much longer at most."""


class Job(Generic[W, T]):
    """Work for a thread, and whoever waits for it on the event loop. `then` is told of what came of it, on the loop."""

    def __init__(self, work: W, then: Callable[[T], object]) -> None:
        self.work = work
        self.then = then
        self.loop = asyncio.get_running_loop()
        self.waiter: asyncio.Future[T] = self.loop.create_future()

    @property
    def is_wanted(self) -> bool:
        return not self.waiter.cancelled()

    @classmethod
    def succeed(cls, done: Sequence[tuple[Job[W, T], T]]) -> None:
        """Say what came of each. The loop is woken once for all of them; an executor's future would wake it once more."""
        if done:
            done[0][0].loop.call_soon_threadsafe(cls._tell, done)

    @staticmethod
    def _tell(done: Sequence[tuple[Job[W, T], T]]) -> None:
        for job, result in done:
            job.loop.call_soon(job.end, result)  # each by itself: whoever raises keeps nobody else from hearing

    def end(self, result: T) -> None:
        try:
            self.then(result)
        finally:
            if not self.waiter.done():
                self.waiter.set_result(result)

    def fail(self, error: BaseException) -> None:
        self.loop.call_soon_threadsafe(self._raise, error)

    def _raise(self, error: BaseException) -> None:
        if not self.waiter.done():
            self.waiter.set_exception(error)


Together = Callable[["Job[W, T]", Iterator["Job[W, T]"]], None]
"""Runs a job, and others with it, as long as there are any."""


class _Writer:
    """One thread, which serves people first and its other users as they came, those that wait at once together.

    People are served as they came, too, until the first of them has waited for `CROWDED` seconds; after that the last to come
    is served first. In a crowd, whoever has waited longest has given up by the time they are served.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._people: deque[tuple[float, Job[Any, Any]]] = deque()
        self._others: deque[Job[Any, Any]] = deque()
        self._guard = threading.Lock()

    def submit(self, user: User, job: Job[W, T], together: Together[W, T]) -> None:
        with self._guard:
            self._pool.submit(
                self._run_next, together
            )  # first: what is refused at the end must not be stored all the same
            if user is User.PEOPLE:
                self._people.append((time.monotonic(), job))
            else:
                self._others.append(job)

    def _run_next(self, together: Together[W, T]) -> None:
        if (first := self._next()) is not None:  # else it was run together with an earlier one
            together(first, self._more())

    def _more(self) -> Iterator[Job[Any, Any]]:
        until = time.monotonic() + TOGETHER
        while time.monotonic() < until and (job := self._next()) is not None:
            yield job

    def _next(self) -> Job[Any, Any] | None:
        """The next one that somebody still waits for."""
        while (job := self._taken()) is not None and not job.is_wanted:
            pass
        return job

    def _taken(self) -> Job[Any, Any] | None:
        with self._guard:
            if not self._people:
                return self._others.popleft() if self._others else None
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

    async def read(self, user: User, work: Callable[[], T]) -> T:
        """Run what has begun to its end, even where whoever waits for it is cancelled; what has not is then left alone."""
        job = Job[Callable[[], T], T](work, lambda _: None)
        self._pools[user].submit(_run, job)
        return await job.waiter

    async def write(self, user: User, work: W, then: Callable[[T], object], together: Together[W, T]) -> T:
        """The same of what writes, which `together` runs: where there is one writer, with others that wait for their turn."""
        job = Job[W, T](work, then)
        if self._writer is not None:
            self._writer.submit(user, job, together)
        else:
            self._pools[user].submit(_run_alone, job, together)
        return await job.waiter

    async def close(self) -> None:
        """Wait for what runs."""
        if self._writer is not None:
            await asyncio.to_thread(self._writer.shutdown)
        for pool in self._pools.values():
            await asyncio.to_thread(pool.shutdown)


def _run(job: Job[Callable[[], T], T]) -> None:
    if not job.is_wanted:
        return
    try:
        result = job.work()
    except BaseException as error:  # noqa: BLE001 - it is raised where the result is waited for
        job.fail(error)
    else:
        job.succeed([(job, result)])


def _run_alone(job: Job[W, T], together: Together[W, T]) -> None:
    if job.is_wanted:
        together(job, iter(()))
