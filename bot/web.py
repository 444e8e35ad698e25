"""The HTTP side: one request a connection, whole within seconds; what gets no further is counted, and logged sparingly.

Health and metrics are answered here. Who may speak at Slack's address is decided by `bot.slack.verification`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum

import structlog
from aiohttp import web
from aiohttp.http import HttpProcessingError
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest

from bot.errors import CommandError
from bot.peers import Peers

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Readiness = Callable[[], Awaitable[Mapping[str, object]]]
Routes = Sequence[web.RouteDef]

SLACK_PATH = "/slack/events"
MAX_BODY = 1 << 20
PATIENCE = 5.0  # seconds from the connection to the last byte of its request
MAX_UNFINISHED = 512  # above three times the backlog, so that a crowd of honest requests never crowds itself out
MAX_HELD = 16 << 20  # bytes of all bodies that are not whole yet
LOG_EVERY = 60.0


class PortError(CommandError):
    """A port or address at which the bot cannot listen. Its text is a sentence for the operator."""


# --- what gets no further -------------------------------------------------------------------------------------------


class Rejection(StrEnum):
    """The reason that a request got no further."""

    MALFORMED = "malformed"  # no HTTP, or a body that is not what it calls itself
    UNFINISHED = "unfinished"
    PATH = "path"
    METHOD = "method"
    CONTENT_TYPE = "content_type"
    TOO_LARGE = "too_large"
    UNSIGNED = "unsigned"
    STALE = "stale"
    SIGNATURE = "signature"
    FLOOD = "flood"  # of connections, from one address that has sent nothing right so far


_STATUS = {
    Rejection.MALFORMED: 400,
    Rejection.UNFINISHED: 408,
    Rejection.PATH: 404,
    Rejection.METHOD: 405,
    Rejection.CONTENT_TYPE: 415,
    Rejection.TOO_LARGE: 413,
    Rejection.UNSIGNED: 401,
    Rejection.STALE: 401,
    Rejection.SIGNATURE: 401,
    Rejection.FLOOD: 429,  # which nobody reads: the connection is dropped as it opens
}
_FOR_THE_OPERATOR = {
    Rejection.FLOOD: "one address opens more connections than I take from a stranger: bar it in front of the bot",
    Rejection.STALE: "if this is Slack, the clock of this machine is wrong by more than five minutes",
    Rejection.SIGNATURE: "if this is Slack, SLACK_SIGNING_SECRET is not the Signing Secret under the app's Basic Information",
}


class Rejected(Exception):
    """A request gets no further; the sender learns the status and nothing else."""

    def __init__(self, reason: Rejection) -> None:
        self.reason = reason
        super().__init__(reason.value)


class Rejections:
    """Counts every one, and writes at most one line a minute for each reason: a flood of requests is no flood of lines."""

    def __init__(
        self,
        counter: Counter,
        clock: Callable[[], float] = time.monotonic,
        on_rejected: Callable[[Rejection], None] = lambda _: None,
    ) -> None:
        self._counter = counter
        self._on_rejected = on_rejected
        self._clock = clock
        self._silent_until: dict[Rejection, float] = {}
        self._unlogged: dict[Rejection, int] = {}

    def add(self, reason: Rejection) -> None:
        self._counter.labels(reason.value).inc()
        self._on_rejected(reason)
        now = self._clock()
        if now < self._silent_until.get(reason, now):
            self._unlogged[reason] = self._unlogged.get(reason, 0) + 1
            return
        self._silent_until[reason] = now + LOG_EVERY
        unlogged = self._unlogged.pop(reason, 0)
        if what := _FOR_THE_OPERATOR.get(reason):
            log.warning("web.rejected", reason=reason.value, unlogged=unlogged, what=what)
        else:
            log.info("web.rejected", reason=reason.value, unlogged=unlogged)


# --- pages ----------------------------------------------------------------------------------------------------------


def health_pages(readiness: Readiness) -> Routes:
    """`readiness` returns what is ready and what not, under `ready` the verdict."""

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def readyz(_request: web.Request) -> web.Response:
        found = await readiness()
        return web.Response(
            text=json.dumps(found), status=200 if found["ready"] else 503, content_type="application/json"
        )

    async def metrics(_request: web.Request) -> web.Response:
        await readiness()  # it counts what is open and what is parked
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)]


def slack_address(handler: Handler) -> Routes:
    """The route to which Slack sends in HTTP mode."""
    return [web.post(SLACK_PATH, handler)]


async def read_body(request: web.Request) -> bytes:
    """The bytes of the body as they were sent. Raises Rejected where they are too many, or do not all come."""
    if (request.content_length or 0) > MAX_BODY:
        raise Rejected(Rejection.TOO_LARGE)
    unfinished, body = request.app[_UNFINISHED], bytearray()
    try:
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > MAX_BODY:
                raise Rejected(Rejection.TOO_LARGE)
            unfinished.grow(request.protocol, len(chunk))
        unfinished.finish(request.protocol)
        return bytes(body)
    except _CLIENTS_FAULTS:
        raise Rejected(Rejection.MALFORMED) from None
    except ConnectionError:
        raise Rejected(Rejection.UNFINISHED) from None
    finally:
        body.clear()  # an error holds this frame until the garbage collector comes by


# --- connections ----------------------------------------------------------------------------------------------------


class _Unfinished:
    """The connections whose request is not whole yet, oldest first, with the bytes of the body that each has sent.

    Each has `patience` seconds. When they are too many, or hold too much, the oldest makes room at once: a request that
    is sent in one go is never that.
    """

    def __init__(self, rejections: Rejections, patience: float) -> None:
        self._rejections = rejections
        self._patience = patience
        self._held: dict[web.RequestHandler, int | None] = {}  # None: the head is not whole yet
        self._timers: dict[web.RequestHandler, asyncio.TimerHandle] = {}
        self._total = 0

    def begin(self, protocol: web.RequestHandler) -> None:
        self._held[protocol] = None
        self._timers[protocol] = asyncio.get_running_loop().call_later(self._patience, self._close, protocol)
        self._make_room()

    def grow(self, protocol: web.RequestHandler, size: int) -> None:
        if protocol in self._held:
            self._held[protocol] = (self._held[protocol] or 0) + size
            self._total += size
            self._make_room()

    def finish(self, protocol: web.RequestHandler) -> None:
        if protocol in self._held:
            self._total -= self._held.pop(protocol) or 0
            self._timers.pop(protocol).cancel()

    def _make_room(self) -> None:
        while len(self._held) > MAX_UNFINISHED or self._total > MAX_HELD:
            self._close(next(iter(self._held)))

    def _close(self, protocol: web.RequestHandler) -> None:
        if protocol not in self._held:
            return
        head_is_whole = self._held[protocol] is not None
        self.finish(protocol)
        if protocol.transport is None:
            return  # answered, or gone by itself
        protocol.transport.abort()
        if not head_is_whole:  # else whoever reads the body learns of it, and says so
            self._rejections.add(Rejection.UNFINISHED)


_Server = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
_UNFINISHED = web.AppKey("unfinished", _Unfinished)
_CLIENTS_FAULTS = (HttpProcessingError, web.RequestPayloadError)


class _Door(asyncio.Protocol):
    """A connection as it opens: handed to the web server, or dropped before anything of it is read."""

    def __init__(self, peers: Peers, rejections: Rejections, connection: Callable[[], web.RequestHandler]) -> None:
        self._peers = peers
        self._rejections = rejections
        self._connection = connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "what is listened to is TCP"
        if not self._peers.admits(_address(transport)):
            transport.abort()
            self._rejections.add(Rejection.FLOOD)
            return
        protocol = self._connection()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)


def _address(transport: asyncio.BaseTransport | None) -> str:
    peer = transport.get_extra_info("peername") if transport is not None else None
    return str(peer[0]) if peer else ""


def _application(routes: Routes, rejections: Rejections, unfinished: _Unfinished, peers: Peers) -> web.Application:
    @web.middleware
    async def answer_once(request: web.Request, handler: Handler) -> web.StreamResponse:
        unfinished.grow(request.protocol, 0)
        if not request.can_read_body:
            unfinished.finish(request.protocol)
        address = _address(request.transport)
        try:
            response = await handler(request)
            peers.trust(address)
        except Rejected as rejected:
            rejections.add(rejected.reason)
            response = web.Response(status=_STATUS[rejected.reason])
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as error:
            rejections.add(Rejection.PATH if error.status == 404 else Rejection.METHOD)
            error.force_close()
            raise
        response.force_close()  # what may follow on this connection is never read
        return response

    app = web.Application(middlewares=[answer_once])
    app[_UNFINISHED] = unfinished
    app.add_routes(routes)
    return app


def _expecting(handle: _Server, rejections: Rejections, unfinished: _Unfinished) -> _Server:
    """Answers what expects anything but `100-continue`: the web server would by itself, and then read on on that connection."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if all(one.lower() == "100-continue" for one in request.headers.getall("Expect", [])):
            return await handle(request)
        unfinished.grow(request.protocol, 0)
        rejections.add(Rejection.MALFORMED)
        response = web.Response(status=_STATUS[Rejection.MALFORMED])
        response.force_close()
        return response

    return answer


def _server_log(rejections: Rejections) -> logging.Logger:
    """The web server's own log: what a client got wrong is a rejection, anything else a bug of ours."""

    def tell(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, _CLIENTS_FAULTS):
            rejections.add(Rejection.MALFORMED)
        else:
            log.error("web.failed", error=type(error).__name__, exc_info=error)
        return False

    logger = logging.Logger("bot.web.server")  # noqa: LOG001 - in no tree, so that nothing of it reaches another log
    logger.addFilter(tell)
    return logger


@asynccontextmanager
async def serving(
    routes: Routes,
    host: str,
    port: int,
    rejections: Rejections,
    *,
    variable: str = "HTTP_PORT",
    patience: float = PATIENCE,
) -> AsyncIterator[int]:
    """Serve until the block ends; yields the port in use, which port 0 leaves to the system. Raises PortError."""
    unfinished, peers = _Unfinished(rejections, patience), Peers(time.monotonic)
    app = _application(routes, rejections, unfinished, peers)
    runner = web.AppRunner(app, access_log=None, logger=_server_log(rejections), auto_decompress=False)
    await runner.setup()
    web_server = runner.server
    assert web_server is not None, "a runner that is set up has a server"
    web_server.request_handler = _expecting(web_server.request_handler, rejections, unfinished)

    def connection() -> web.RequestHandler:
        protocol = web_server()
        unfinished.begin(protocol)
        return protocol

    try:
        listening = await _listen(lambda: _Door(peers, rejections, connection), host, port, variable)
        try:
            yield int(listening.sockets[0].getsockname()[1])
        finally:
            listening.close()
    finally:
        await runner.cleanup()


async def _listen(
    connection: Callable[[], asyncio.Protocol], host: str, port: int, variable: str
) -> asyncio.base_events.Server:
    try:
        return await asyncio.get_running_loop().create_server(connection, host, port, backlog=128)
    except socket.gaierror:
        why = "no such address"
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else "no such address"
    raise PortError(f"HTTP_HOST and {variable}: nothing can listen at {host}:{port}: {why}.")
