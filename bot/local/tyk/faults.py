"""Faults on demand, and the journal of what was called."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Call:
    """One call of the Dashboard. In `path`, a token stands as the hash of its key. `status` is None where none was sent, `ms`
    where it has not ended. `at` is the clock's."""

    method: str
    path: str
    body: Any = None
    status: int | None = None
    at: float = 0.0
    ms: float | None = None


@dataclass
class _Strike:
    method: str
    segments: list[str]
    times: int
    status: int | None
    body: Any
    headers: dict[str, str]
    empty: bool
    hang: bool
    drop: bool
    do_then_hang: bool
    do_then_drop: bool

    def fits(self, request: web.Request) -> bool:
        path = request.path.strip("/").split("/")
        return (
            self.times > 0
            and request.method == self.method
            and len(path) >= len(self.segments)
            and all(fnmatchcase(got, wanted) for got, wanted in zip(path, self.segments, strict=False))
        )


@dataclass
class Faults:
    """`away`: every connection is closed without an answer. `slow`: every answer takes so many seconds longer."""

    away: bool = False
    slow: float = 0
    _strikes: list[_Strike] = field(default_factory=list)
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    def next(
        self,
        call: str,
        *,
        status: int | None = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
        empty: bool = False,
        hang: bool = False,
        drop: bool = False,
        do_then_hang: bool = False,
        do_then_drop: bool = False,
        times: int = 1,
    ) -> None:
        """Spoil the next `times` calls of `call`, such as "PUT /api/keys/{name}".

        A part in braces is any name, and a path means all that lies below it. `body` is JSON, or text where it is a string;
        `empty` is a body of nothing. `hang` never answers, `drop` closes the connection, and neither does what was asked;
        `do_then_hang` and `do_then_drop` do it and say nothing.
        """
        method, path = call.split(" ", 1)
        segments = ["*" if part.startswith("{") else part for part in path.strip("/").split("/")]
        strike = _Strike(
            method, segments, times, status, body, headers or {}, empty, hang, drop, do_then_hang, do_then_drop
        )
        self._strikes.append(strike)

    def clear(self) -> None:
        """Forget all faults to come, and let go of what hangs."""
        self.away, self.slow = False, 0
        self._strikes.clear()
        self.release()

    def release(self) -> None:
        """Let go of what hangs."""
        self._released.set()
        self._released = asyncio.Event()

    async def around(self, request: web.Request, handler: Handler) -> web.StreamResponse | None:
        """The answer, spoiled or not; None for a connection that was closed without one."""
        if not self.slow:
            return await self._answer(request, handler)
        await self._hold(self.slow / 2)  # half of the way there, half of the way back
        response = await self._answer(request, handler)
        await self._hold(self.slow / 2)
        return response

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse | None:
        if self.away:
            return None
        strike = next((strike for strike in self._strikes if strike.fits(request)), None)
        if strike is None:
            return await handler(request)
        strike.times -= 1
        return await self._spoiled(strike, request, handler)

    async def _spoiled(self, strike: _Strike, request: web.Request, handler: Handler) -> web.StreamResponse | None:
        if strike.do_then_drop or strike.do_then_hang:
            await handler(request)
        if strike.hang or strike.do_then_hang:
            await self._hold(None)
        if strike.hang or strike.drop or strike.do_then_drop or strike.do_then_hang:
            return None
        if strike.empty:
            return web.Response(status=strike.status or 200, headers=strike.headers)
        if isinstance(strike.body, str):
            return web.Response(text=strike.body, status=strike.status or 200, headers=strike.headers)
        return web.json_response(_error(strike), status=strike.status or 200, headers=strike.headers)

    async def _hold(self, seconds: float | None) -> None:
        """Wait until released, no longer than `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._released.wait()
        except TimeoutError:
            return


def _error(strike: _Strike) -> Any:
    """The message of Tyk's beside such a status, where the test gives none."""
    if strike.body is not None:
        return strike.body
    texts = {
        401: "Not authorised",
        403: "access denied: You do not have permission to access this",
        400: "User/Key object validation failed, most likely malformed input.",
    }
    return {"Status": "Error", "Message": texts.get(strike.status or 200, "Something went wrong."), "Meta": None}
