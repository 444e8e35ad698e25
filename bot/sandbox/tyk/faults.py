"""What can be made to go wrong at the local Tyk, and the record of what was asked of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Fault:
    """One thing to go wrong, `times` times. `act` says whether the request is carried out all the same."""

    status: int | None = None
    body: Any = None
    empty: bool = False
    hang: bool = False
    drop: bool = False
    act: bool = False
    times: int = 1


@dataclass
class Faults:
    """`away` closes every connection, `slow` delays every answer by seconds."""

    away: bool = False
    slow: float = 0.0
    _next: dict[str, list[Fault]] = field(default_factory=dict)
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    async def hold(self) -> None:
        """Until the server stops."""
        await self._released.wait()

    def release(self) -> None:
        self._released.set()

    def next(self, call: str, fault: Fault) -> None:
        """The next `call`, such as "POST /api/keys", fails this way; keys are written /api/keys/*."""
        self._next.setdefault(call, []).append(fault)

    def take(self, call: str) -> Fault | None:
        waiting = self._next.get(call)
        if not waiting:
            return None
        fault = waiting[0]
        fault.times -= 1
        if fault.times <= 0:
            waiting.pop(0)
        return fault


@dataclass(frozen=True)
class Call:
    """One request and its answer. The path names a key by a mask, never by its token."""

    at: float
    method: str
    path: str
    body: Any
    status: int


@dataclass
class Journal:
    """Everything that was asked, in order; whoever listens hears of each."""

    calls: list[Call] = field(default_factory=list)
    listeners: list[Callable[[Call], None]] = field(default_factory=list)

    def write(self, call: Call) -> None:
        self.calls.append(call)
        for listener in self.listeners:
            listener(call)

    def of(self, method: str, path: str) -> list[Call]:
        return [call for call in self.calls if (call.method, call.path) == (method, path)]
