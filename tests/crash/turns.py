"""The store's threads as the bot has them, made repeatable: the event loop and a thread take turns.

A transaction begins when everybody on the loop waits, so that those who come at the same moment are written together, each time
the same ones. Where the thread lets the loop have its turn, whoever was told goes on at once: what is told too soon has
consequences before the death that follows.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any, cast

from bot.store.threads import Job, Threads, User, _Writer

_THREAD = ThreadPoolExecutor(1, thread_name_prefix="store-in-turn")


class Turns(Threads):
    """One thread for all users, which runs one thing at a time."""

    def __init__(self, *, one_writer: bool) -> None:
        super().__init__(one_writer=one_writer)
        self._turn = _turn_of(asyncio.get_running_loop())
        pool = cast("ThreadPoolExecutor", self._turn)  # as far as the store needs one
        self._pools = dict.fromkeys(User, pool)
        if one_writer:
            self._writer = _Patient()
            self._writer._pool = pool

    def let_the_loop_go_on(self) -> None:
        """Returns when everybody on the loop waits again; at once where this is called on the loop, as a command does."""
        if threading.get_ident() == self._turn.of_loop:
            return
        waits = threading.Event()
        self._turn.loop.call_soon_threadsafe(self._turn.when_all_wait, waits.set)
        waits.wait()


class _Patient(_Writer):
    """Writes together all who wait, however long that takes."""

    def _more(self) -> Iterator[Job[Any, Any]]:
        while (job := self._next()) is not None:
            yield job


class _Turn:
    """Runs in the thread, one after the other, what is submitted."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.of_loop = threading.get_ident()
        self._next: deque[Callable[[], object]] = deque()
        self._runs = False
        self._then: list[Callable[[], object]] = []

    def submit(self, work: Callable[..., object], *args: object) -> None:
        self._next.append(partial(work, *args))
        self.when_all_wait(self._begin)

    def when_all_wait(self, then: Callable[[], object]) -> None:
        self._then.append(then)
        if len(self._then) == 1:
            self.loop.call_soon(self._look)

    def _look(self) -> None:
        if getattr(self.loop, "_ready"):  # noqa: B009 - asyncio's own queue of what runs next: it says so nowhere else
            self.loop.call_soon(self._look)
            return
        then, self._then = self._then, []
        for one in then:
            one()

    def _begin(self) -> None:
        if self._next and not self._runs:
            self._runs = True
            self.loop.run_in_executor(_THREAD, self._next.popleft()).add_done_callback(self._done)

    def _done(self, _: object) -> None:
        self._runs = False
        if self._next:
            self.when_all_wait(self._begin)


@lru_cache(maxsize=1)
def _turn_of(loop: asyncio.AbstractEventLoop) -> _Turn:
    """One for all processes of a story, dead ones included: two would wait for each other."""
    return _Turn(loop)
