"""Answers by key, remembered for a while and asked for once at a time. Nothing stale is answered, no failure is remembered."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from bot.core.faults import Fault
from bot.slack.errors import CannotSay

K = TypeVar("K")
V = TypeVar("V")

ASKINGS = 3  # how often a look-up begins again because an event overtook it


@dataclass(frozen=True)
class _Kept(Generic[V]):
    value: V
    asked_at: float


@dataclass(eq=False)
class Lookup(Generic[K, V]):
    """A look-up under way. `overtaken` once an event says that its answer may be of before."""

    key: K
    asked_at: float
    task: asyncio.Task[V | Fault] = field(init=False)
    overtaken: bool = False


class Cache(Generic[K, V]):
    """Answers by key. An answer's age counts from when it was asked for."""

    def __init__(
        self, load: Callable[[K], Awaitable[V]], clock: Callable[[], float], *, fresh_for: float, size: int
    ) -> None:
        self._load = load
        self._clock = clock
        self._fresh_for = fresh_for
        self._size = size
        self._kept: OrderedDict[K, _Kept[V]] = OrderedDict()
        self._newest: dict[K, Lookup[K, V]] = {}
        self._under_way: set[Lookup[K, V]] = set()

    def __len__(self) -> int:
        return len(self._kept)

    def known(self, key: K, max_age: float | None = None) -> V | None:
        kept = self._kept.get(key)
        if kept is None or self._clock() - kept.asked_at >= self._age(max_age):
            return None
        self._kept.move_to_end(key)
        return kept.value

    async def get(self, key: K, max_age: float | None = None) -> V:
        for _ in range(ASKINGS):
            if (value := self.known(key, max_age)) is not None:
                return value
            lookup = self._newest.get(key)
            if lookup is None or self._clock() - lookup.asked_at > self._age(max_age):
                lookup = self._start(key)
            outcome = await self._outcome(lookup)
            if isinstance(outcome, Fault):
                raise CannotSay.of(outcome)
            if not lookup.overtaken:
                return outcome
        raise CannotSay("moving", "what was asked for changed each time while it was looked up")

    def forget(self, key: K) -> None:
        self._kept.pop(key, None)
        self._newest.pop(key, None)
        for lookup in self._under_way:
            lookup.overtaken = lookup.overtaken or lookup.key == key

    async def close(self) -> None:
        tasks = [lookup.task for lookup in self._under_way]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _age(self, max_age: float | None) -> float:
        return self._fresh_for if max_age is None else min(max_age, self._fresh_for)

    def _start(self, key: K) -> Lookup[K, V]:
        lookup = Lookup[K, V](key, self._clock())
        self._newest[key] = lookup
        self._under_way.add(lookup)
        lookup.task = asyncio.create_task(self._load_for(lookup))
        lookup.task.add_done_callback(lambda _: self._finish(lookup))
        return lookup

    async def _load_for(self, lookup: Lookup[K, V]) -> V | Fault:
        """A Fault is returned, not raised: each who waits raises their own, and nobody need wait at all."""
        try:
            value = await self._load(lookup.key)
        except Fault as fault:
            return fault
        kept = self._kept.get(lookup.key)
        if not lookup.overtaken and (kept is None or kept.asked_at <= lookup.asked_at):
            self._kept[lookup.key] = _Kept(value, lookup.asked_at)
            self._kept.move_to_end(lookup.key)
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return value

    def _finish(self, lookup: Lookup[K, V]) -> None:
        self._under_way.discard(lookup)
        if self._newest.get(lookup.key) is lookup:
            del self._newest[lookup.key]

    async def _outcome(self, lookup: Lookup[K, V]) -> V | Fault:
        """The look-up is everybody's: who stops waiting for it does not end it."""
        try:
            return await asyncio.shield(lookup.task)
        except asyncio.CancelledError:
            me = asyncio.current_task()
            if not lookup.task.cancelled() or (me is not None and me.cancelling()):
                raise
            return CannotSay("closing", "the directory is closing")
