"""Socket Mode: tickets, connections, envelopes and their acknowledgements."""

import asyncio
import json
import random
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from bot.local.slack.delivery import Ack
from bot.local.slack.journal import Changes, Journal, Json

MOST_CONNECTIONS = 10
_WARNING_SECONDS = 10.0


@dataclass
class Connection:
    number: int
    socket: web.WebSocketResponse
    transport: asyncio.Transport | None
    silent: bool = False
    unanswered: bool = False


@dataclass
class _Pending:
    kind: str
    started: float
    answer: "asyncio.Future[Any]"
    state: str = "waiting"
    connection: int = 0


@dataclass
class SocketHub:
    """All Socket Mode connections of the one app."""

    journal: Journal
    changes: Changes
    rng: random.Random
    app_id: str
    ack_seconds: float = 3.0
    connections: list[Connection] = field(default_factory=list)
    tickets: set[str] = field(default_factory=set)
    _pending: dict[str, _Pending] = field(default_factory=dict)
    _count: int = 0
    _duplicates: list[str] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def new_ticket(self) -> str:
        ticket = f"{self.rng.getrandbits(128):032x}"
        self.tickets.add(ticket)
        return ticket

    @property
    def line(self) -> str:
        """The state of the app's line: `closed` (nobody is connected), `silent` (half-open, and neither side knows), `unanswered`
        (connected, and the last envelope was not acknowledged) or `open`."""
        if not self.connections:
            return "closed"
        if all(one.silent for one in self.connections):
            return "silent"
        return "unanswered" if any(one.unanswered and not one.silent for one in self.connections) else "open"

    # -- the life of a connection -------------------------------------------------------------------------------

    async def serve(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self.tickets:
            return web.Response(status=403, text="ticket is unknown or used")
        self.tickets.discard(ticket)
        socket = web.WebSocketResponse(autoping=False, max_msg_size=1 << 20)
        await socket.prepare(request)
        if len(self.connections) >= MOST_CONNECTIONS:
            await self._end(self.connections[0], "too_many_websockets")
        self._count += 1
        connection = Connection(self._count, socket, request.transport)
        self.connections.append(connection)
        self.journal.write("connection", "opened", connection=connection.number)
        await self._say_hello(connection)
        try:
            await self._read(connection)
        finally:
            self._forget(connection)
        return socket

    def _forget(self, connection: Connection) -> None:
        if connection in self.connections:
            self.connections.remove(connection)
        self.journal.write("connection", "closed", connection=connection.number)

    async def _say_hello(self, connection: Connection) -> None:
        hello = {
            "type": "hello",
            "num_connections": len(self.connections),
            "connection_info": {"app_id": self.app_id},
            "debug_info": {
                "host": "applink-sandbox",
                "started": time.strftime("%Y-%m-%d %H:%M:%S.000", time.gmtime()),
                "build_number": 1,
                "approximate_connection_time": 18060,
            },
        }
        await self._send(connection, hello)

    async def _read(self, connection: Connection) -> None:
        async for message in connection.socket:
            if connection.silent:
                continue
            if message.type is WSMsgType.PING:
                await connection.socket.pong(message.data)
            elif message.type is WSMsgType.TEXT:
                self._take_frame(connection, message.data)

    async def _send(self, connection: Connection, frame: Json) -> None:
        if connection.silent:
            return
        self.journal.write("frame", str(frame.get("type")), direction="out", connection=connection.number, frame=frame)
        try:
            await connection.socket.send_str(json.dumps(frame))
        except ConnectionError:
            self.journal.write("connection", "lost", connection=connection.number)

    # -- envelopes ----------------------------------------------------------------------------------------------

    async def deliver(
        self,
        kind: str,
        payload: Json,
        *,
        answers: bool,
        attempt: int = 0,
        reason: str = "",
        connection: int | None = None,
    ) -> Ack:
        """Sends one envelope to exactly one connection and waits for its acknowledgement."""
        target = self._choose(connection)
        if target is None:
            self.journal.write("ack", kind, status="unreachable", ms=None)
            return Ack("unreachable")
        envelope_id = str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        envelope: Json = {
            "envelope_id": envelope_id,
            "payload": payload,
            "type": kind,
            "accepts_response_payload": answers,
        }
        if kind == "events_api":
            envelope |= {"retry_attempt": attempt, "retry_reason": reason}
        pending = _Pending(
            kind, time.perf_counter(), asyncio.get_running_loop().create_future(), connection=target.number
        )
        self._pending[envelope_id] = pending
        await self._send(target, envelope)
        if kind in self._duplicates:
            self._duplicates.remove(kind)
            await self._send(self._choose(None) or target, envelope)
            pending.state = "duplicated"
        return await self._wait(envelope_id, pending, target)

    async def _wait(self, envelope_id: str, pending: _Pending, target: Connection) -> Ack:
        try:
            async with asyncio.timeout(self.ack_seconds):
                answer = await asyncio.shield(pending.answer)
        except TimeoutError:
            pending.state, target.unanswered = "missed", True
            pending.answer.cancel()
            self.journal.write("ack", pending.kind, status="timeout", ms=None, envelope_id=envelope_id)
            if target in self.connections and not target.silent:
                detail = f"{pending.kind} was not acknowledged in {self.ack_seconds:g} s"
                self.journal.blame("no_ack", detail, id=envelope_id)
            return Ack("timeout")
        ms = (time.perf_counter() - pending.started) * 1000
        self.journal.write(
            "ack",
            pending.kind,
            status="acked",
            ms=ms,
            envelope_id=envelope_id,
            answer=answer,
            connection=pending.connection,
        )
        return Ack("acked", answer, ms)

    def _choose(self, number: int | None) -> Connection | None:
        open_ones = [c for c in self.connections if not c.socket.closed and number in (None, c.number)]
        return self.rng.choice(open_ones) if open_ones else None

    def _take_frame(self, connection: Connection, text: str) -> None:
        try:
            frame = json.loads(text)
            envelope_id = frame["envelope_id"]
        except (ValueError, KeyError, TypeError):
            self.journal.blame("bad_frame", "a frame without envelope_id", frame=text)
            return
        for one in self.connections:
            one.unanswered = False
        self.journal.write("frame", "ack", direction="in", connection=connection.number, frame=frame)
        pending = self._pending.get(envelope_id)
        if pending is None:
            self.journal.blame("unknown_envelope", f"an acknowledgement of {envelope_id}, which was never sent")
        elif pending.state == "missed":
            ms = (time.perf_counter() - pending.started) * 1000
            pending.state = "late"
            self.journal.blame("late_ack", f"{pending.kind} was acknowledged after {ms:.0f} ms", ms=ms)
        elif pending.answer.done():
            if pending.state != "duplicated":
                self.journal.blame("duplicate_ack", f"{pending.kind} was acknowledged twice", id=envelope_id)
            pending.state = "acked"
        else:
            pending.answer.set_result(frame.get("payload"))

    # -- troubles -----------------------------------------------------------------------------------------------

    def duplicate_next(self, kind: str = "events_api") -> None:
        """The next envelope of this type is delivered twice, to any connections."""
        self._duplicates.append(kind)

    async def disconnect(self, reason: str = "refresh_requested", connection: int | None = None) -> None:
        """`warning` (still sends for 10 s), `refresh_requested`, `link_disabled`, `drop` (no farewell) or `silent`
        (half-open: the server believes in it, nothing goes through)."""
        for target in [c for c in self.connections if connection in (None, c.number)]:
            if reason == "silent":
                target.silent = True
                self.journal.write("connection", "silent", connection=target.number)
            elif reason == "drop":
                self._drop(target)
            elif reason == "warning":
                await self._send(target, self._farewell(reason))
                self._later(target)
            else:
                await self._end(target, reason)

    def _drop(self, connection: Connection) -> None:
        self._remove(connection)
        if connection.transport is not None:
            connection.transport.abort()

    def _remove(self, connection: Connection) -> None:
        if connection in self.connections:
            self.connections.remove(connection)
        self.changes.notify()

    @staticmethod
    def _farewell(reason: str) -> Json:
        return {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-sandbox"}}

    async def _end(self, connection: Connection, reason: str) -> None:
        self._remove(connection)
        await self._send(connection, self._farewell(reason))
        connection.silent = False
        await self._shut(connection)

    async def _shut(self, connection: Connection) -> None:
        """Close without waiting for the other side's close frame: reading is another task's business."""
        task = asyncio.get_running_loop().create_task(self._close_socket(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @staticmethod
    async def _close_socket(connection: Connection) -> None:
        await connection.socket.close(code=WSCloseCode.GOING_AWAY)

    def _later(self, connection: Connection) -> None:
        async def close() -> None:
            await asyncio.sleep(_WARNING_SECONDS)
            await self._close_socket(connection)

        task = asyncio.get_running_loop().create_task(close())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for connection in list(self.connections):
            self._drop(connection)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for pending in self._pending.values():
            pending.answer.cancel()
