"""The web server under hostile bytes: each request is answered or dropped, counted, and no line of the log is the sender's."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import Counter as Counts
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import pytest
from aiohttp import web as aiohttp_web
from aiohttp import web_protocol
from aiohttp.http_parser import HttpRequestParser, HttpRequestParserPy
from prometheus_client import CollectorRegistry, Counter

from bot import web
from bot.peers import Peers
from bot.web import MAX_BODY, PortError, Rejected, Rejection, Rejections
from tests.log import Log, lines
from tests.wire import connected, request, rest, send, status

HOST = b"Host: bot.example.com"
CHUNKED = b"Transfer-Encoding: chunked"
SHORT = 0.2


def length(number: int | bytes) -> bytes:
    return b"Content-Length: %b" % (number if isinstance(number, bytes) else b"%d" % number)


@dataclass
class Server:
    """A server that reads bodies and keeps them."""

    counter: Counter = field(default_factory=lambda: Counter("rejected", "-", ["reason"], registry=CollectorRegistry()))
    bodies: list[bytes] = field(default_factory=list)
    port: int = 0

    async def handle(self, asked: aiohttp_web.Request) -> aiohttp_web.Response:
        self.bodies.append(await web.read_body(asked))
        return aiohttp_web.Response()

    def rejected(self) -> dict[str, int]:
        (metric,) = self.counter.collect()
        return {one.labels["reason"]: int(one.value) for one in metric.samples if one.name == "rejected_total"}


@asynccontextmanager
async def server(handler: web.Handler | None = None, *, patience: float = web.PATIENCE) -> AsyncIterator[Server]:
    made = Server()
    routes = web.slack_address(handler or made.handle)
    async with web.serving(routes, "127.0.0.1", 0, Rejections(made.counter), patience=patience) as made.port:
        yield made


MALFORMED = [
    # the request line
    b"\r\n\r\nhello\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET\n\n",
    request(HOST, line=b"STEAL /slack/events HTTP/1.1"),
    request(HOST, line=b"POST /slack/events HTTP/9.9"),
    request(HOST, line=b"POST http://[::1 HTTP/1.1"),
    request(HOST, line=b"POST /" + b"a" * 20_000 + b" HTTP/1.1"),
    # the headers
    request(),
    request(HOST, b"no colon"),
    request(HOST, b": no name"),
    request(HOST, b"Blank : before the colon"),
    request(HOST, b"Nul: \0"),
    request(HOST, b"Folded: a\r\n b"),
    request(HOST, b"Long: " + b"a" * 20_000),
    request(HOST, *(b"H%d: a" % number for number in range(500))),
    # the length
    request(HOST, length(b"-1")),
    request(HOST, length(b"+3"), body=b"a=b"),
    request(HOST, length(b"three"), body=b"a=b"),
    request(HOST, length(b"9" * 40), body=b"a=b"),
    request(HOST, length(3), length(3), body=b"a=b"),
    request(HOST, length(3), length(4), body=b"a=b"),
    request(HOST, length(3), CHUNKED, body=b"3\r\na=b\r\n0\r\n\r\n"),
    # the chunks
    request(HOST, b"Transfer-Encoding: gzip", body=b"a=b"),
    request(HOST, CHUNKED, body=b"three\r\na=b\r\n0\r\n\r\n"),
    request(HOST, CHUNKED, body=b"-3\r\na=b\r\n0\r\n\r\n"),
    request(HOST, CHUNKED, body=b"ffffffffffffffffff\r\na=b"),
    request(HOST, CHUNKED, body=b"3\r\na=b and more\r\n0\r\n\r\n"),
]


@pytest.mark.parametrize("sent", MALFORMED)
async def test_what_is_no_http(
    sent: bytes, log: Log, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """The answer is 400, the log has one line without a traceback, and nobody has seen a body."""
    caplog.set_level(logging.DEBUG)
    async with server() as door:
        assert status(await send(door.port, sent)) == 400
        assert door.rejected() == {"malformed": 1}
        assert door.bodies == []
    assert log == [{"event": "web.rejected", "log_level": "info", "reason": "malformed", "unlogged": 0}]
    assert [record for record in caplog.records if record.name != "asyncio"] == []
    assert capsys.readouterr().err == "", "where a logger without a handler writes"


@pytest.mark.parametrize("sent", MALFORMED)
async def test_what_is_no_http_without_a_compiled_parser(
    sent: bytes, log: Log, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parser of aiohttp that needs no wheel lets more pass, but no body and no traceback."""
    monkeypatch.setattr(web_protocol, "HttpRequestParser", HttpRequestParserPy)
    caplog.set_level(logging.DEBUG)
    async with server(patience=SHORT) as door:
        await send(door.port, sent)
        assert door.bodies in ([], [b""])
        assert sum(door.rejected().values()) + len(door.bodies) == 1
    assert not [line for line in log if line["event"] != "web.rejected"]
    assert [record for record in caplog.records if record.name != "asyncio"] == []


@pytest.mark.parametrize(
    ("parser", "answer", "reason"), [(HttpRequestParser, 0, "unfinished"), (HttpRequestParserPy, 400, "malformed")]
)
async def test_a_chunk_that_goes_wrong_later(
    parser: type[object], answer: int, reason: str, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body that began well and is malformed further on is refused, or dropped as one that never comes whole."""
    monkeypatch.setattr(web_protocol, "HttpRequestParser", parser)
    begun = asyncio.Event()

    async def handle(asked: aiohttp_web.Request) -> aiohttp_web.Response:
        begun.set()
        await web.read_body(asked)
        raise AssertionError

    async with server(handle, patience=SHORT) as door, connected(door.port) as (reader, writer):
        writer.write(request(HOST, CHUNKED, body=b"3\r\na=b\r\n"))
        await begun.wait()
        writer.write(b"three\r\n")
        assert status(await rest(reader)) == answer
        assert list(door.rejected()) == [reason]
    assert [line["reason"] for line in log] == [reason]


@pytest.mark.parametrize(
    ("line", "expected", "reason"),
    [
        (b"GET /slack/events HTTP/1.1", 405, "method"),
        (b"HEAD /slack/events HTTP/1.1", 405, "method"),
        (b"PUT /slack/events HTTP/1.1", 405, "method"),
        (b"POST / HTTP/1.1", 404, "path"),
        (b"POST /slack/events/ HTTP/1.1", 404, "path"),
        (b"POST /slack/%zz%ff HTTP/1.1", 404, "path"),
        (b"CONNECT slack.com:443 HTTP/1.1", 404, "path"),
        (b"OPTIONS * HTTP/1.1", 404, "path"),
        (b"GET /metrics HTTP/1.1", 404, "path"),
    ],
)
async def test_what_is_not_there(line: bytes, expected: int, reason: str, log: Log) -> None:
    """Another method is 405, another path 404, and both are counted."""
    async with server() as door:
        assert status(await send(door.port, request(HOST, line=line))) == expected
        assert door.rejected() == {reason: 1}
        assert door.bodies == []
    assert [line["reason"] for line in log] == [reason]


@pytest.mark.parametrize(
    "sent",
    [
        request(HOST, length(MAX_BODY + 1)),
        request(HOST, length(MAX_BODY + 1), body=b"x" * (MAX_BODY + 1)),
        request(HOST, CHUNKED, body=b"100001\r\n" + b"x" * (MAX_BODY + 1) + b"\r\n0\r\n\r\n"),
    ],
)
async def test_too_much(sent: bytes) -> None:
    """A body over one megabyte is 413, at its announcement already."""
    async with server(patience=SHORT) as door:
        assert status(await send(door.port, sent)) == 413
        assert door.rejected() == {"too_large": 1}


async def test_a_megabyte() -> None:
    """One megabyte is read, byte by byte as it was sent, whatever it says of its encoding."""
    body = bytes(range(256)) * (MAX_BODY // 256)
    async with server() as door:
        sent = request(HOST, length(MAX_BODY), b"Content-Encoding: gzip", body=body)
        assert status(await send(door.port, sent)) == 200
        assert door.bodies == [body]
        assert door.rejected() == {}


@pytest.mark.parametrize("line", [b"POST /slack/events HTTP/1.1", b"GET /nowhere HTTP/1.1"])
async def test_an_expectation_that_is_none(line: bytes) -> None:
    """What nobody knows how to meet is 400, with nothing of it in the answer, counted once, and the connection ends with it."""
    async with server(patience=SHORT) as made:
        sent = request(HOST, length(3), b"Expect: a-miracle", line=line, body=b"a=b")
        received = await send(made.port, sent, request(HOST, length(3), body=b"c=d"))
        assert (status(received), received.count(b"HTTP/1.1 "), b"miracle" in received) == (400, 1, False)
        assert (made.rejected(), made.bodies) == ({"malformed": 1}, [])


async def test_one_request_a_connection() -> None:
    """What follows a request on its connection is never read: nobody smuggles one behind another."""
    one = request(HOST, length(3), b"Connection: keep-alive", body=b"a=b")
    async with server() as door:
        received = await send(door.port, one + one)
        assert received.count(b"HTTP/1.1 200") == 1
        assert b"Connection: close" in received
        assert door.bodies == [b"a=b"]


@pytest.mark.parametrize(
    "part",
    [
        b"",
        b"POST /sl",
        request(HOST, length(3))[:-2],
        request(HOST, length(3), body=b"a="),
        request(HOST, CHUNKED, body=b"3\r\na="),
        request(HOST, b"Expect: 100-continue", length(3)),
    ],
)
async def test_half_sent(part: bytes, log: Log) -> None:
    """A client that sends a part and waits is cut off, head and body alike, and counted once."""
    async with server(patience=SHORT) as door:
        assert status(await send(door.port, part)) in (0, 100)
        assert door.rejected() == {"unfinished": 1}
        assert door.bodies == []
    assert len(lines(log, event="web.rejected", reason="unfinished")) == len(log) == 1


async def test_an_answer_and_then_time() -> None:
    """Who was answered is not counted a second time when patience ends."""
    async with server(patience=SHORT) as door:
        assert status(await send(door.port, b"hello\r\n\r\n")) == 400
        assert status(await send(door.port, request(HOST, line=b"GET / HTTP/1.1"))) == 404
        assert await send(door.port, b"POST /sl") == b""
        assert door.rejected() == {"malformed": 1, "path": 1, "unfinished": 1}


async def test_a_crowd() -> None:
    """Three hundred who send at the same moment are all answered: nobody honest makes room."""
    one = request(HOST, length(3), body=b"a=b")
    async with server() as door:
        answers = await asyncio.gather(*(send(door.port, one) for _ in range(300)))
        assert {status(answer) for answer in answers} == {200}
        assert door.rejected() == {}


async def test_a_client_that_drips() -> None:
    """A byte now and then buys no time."""
    async with server(patience=SHORT) as door, connected(door.port) as (reader, writer):
        closed = asyncio.create_task(rest(reader))
        for byte in request(HOST, length(10_000), body=b"a" * 9_000):
            if (await asyncio.wait({closed}, timeout=0.01))[0]:
                break
            writer.write(bytes([byte]))
        assert closed.done()
        assert door.rejected() == {"unfinished": 1}


async def test_a_client_that_leaves(log: Log) -> None:
    """Who closes in the middle of a body is counted, without a traceback."""
    begun, seen = asyncio.Event(), asyncio.Event()

    async def handle(asked: aiohttp_web.Request) -> aiohttp_web.Response:
        begun.set()
        try:
            await web.read_body(asked)
        finally:
            seen.set()
        raise AssertionError

    async with server(handle) as door:
        async with connected(door.port) as (_, writer):
            writer.write(request(HOST, length(3), body=b"a="))
            await begun.wait()
        await seen.wait()
    assert door.rejected() == {"unfinished": 1}
    assert [line["reason"] for line in log] == ["unfinished"]


async def test_many_half_sent_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """They do not exhaust the server: the oldest makes room, and an honest request among them is answered at once."""
    monkeypatch.setattr(web, "MAX_UNFINISHED", 20)
    async with server() as door, AsyncExitStack() as stack:
        crowd = [await stack.enter_async_context(connected(door.port)) for _ in range(60)]
        for _, writer in crowd:
            writer.write(b"POST /sl")
        assert status(await send(door.port, request(HOST, length(3), body=b"a=b"))) == 200
        assert [await rest(reader) for reader, _ in crowd[:41]] == [b""] * 41
        assert door.rejected() == {"unfinished": 41}
        assert not any(reader.at_eof() for reader, _ in crowd[41:])


async def test_many_half_sent_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    """What they hold together is bounded, too."""
    monkeypatch.setattr(web, "MAX_HELD", 1_000_000)
    async with server() as door, AsyncExitStack() as stack:
        crowd = [await stack.enter_async_context(connected(door.port)) for _ in range(3)]
        for _, writer in crowd:
            writer.write(request(HOST, length(MAX_BODY), body=b"x" * 400_000))
            await writer.drain()
        assert await rest(crowd[0][0]) == b""
        assert status(await send(door.port, request(HOST, length(3), body=b"a=b"))) == 200
        assert door.rejected() == {"unfinished": 1}
        assert not any(reader.at_eof() for reader, _ in crowd[1:])


STRANGER = "127.0.0.2"


async def _flood(door: Server, *sent: bytes, times: int = 60) -> list[bytes]:
    """What comes back for as many connections, each with one of these."""
    parts = itertools.islice(itertools.cycle(sent), times)
    return await asyncio.gather(*(send(door.port, part, source=STRANGER) for part in parts))


async def test_a_flood_from_one_address(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a stranger sends, their first twenty connections are read and the rest are dropped as they open; whoever sends
    something right from elsewhere is answered, and the log has one line for each reason."""
    monkeypatch.setattr(web, "Peers", partial(Peers, burst=20, every=3600.0))

    async def handle(asked: aiohttp_web.Request) -> aiohttp_web.Response:
        if asked.remote == STRANGER:
            raise Rejected(Rejection.UNSIGNED)
        return aiohttp_web.Response()

    async with server(handle, patience=SHORT) as door:
        wrong = (
            request(HOST, length(3), body=b"a=b"),
            b"hello\r\n\r\n",
            request(HOST, line=b"GET / HTTP/1.1"),
            b"POST /sl",
        )
        answers = await _flood(door, *wrong)
        assert status(await send(door.port, request(HOST, length(3), body=b"a=b"))) == 200
        assert Counts(map(status, answers))[0] >= 40
        rejected = door.rejected()
        assert rejected["flood"] == 40
        assert sum(rejected.values()) == 60
    assert len(log) == len(rejected)
    (flood,) = lines(log, reason="flood")
    assert (flood["log_level"], "bar it in front of the bot" in flood["what"]) == ("warning", True)


async def test_what_was_refused_makes_no_address_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger whose requests are read and refused, one after the other, is dropped as soon as their share is used up."""
    monkeypatch.setattr(web, "Peers", partial(Peers, burst=3, every=3600.0))

    async def handle(_: aiohttp_web.Request) -> aiohttp_web.Response:
        raise Rejected(Rejection.UNSIGNED)

    async with server(handle) as door:
        sent = request(HOST, length(3), body=b"a=b")
        assert [status(await send(door.port, sent)) for _ in range(3)] == [401] * 3
        assert status(await send(door.port, sent)) == 0
        assert door.rejected() == {"unsigned": 3, "flood": 1}


async def test_an_address_from_which_something_right_came(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be a proxy's, and everybody's: nobody behind it is dropped for what others send."""
    monkeypatch.setattr(web, "Peers", partial(Peers, burst=20, every=3600.0))
    async with server() as door:
        assert status(await send(door.port, request(HOST, length(3), body=b"a=b"), source=STRANGER)) == 200
        await _flood(door, b"hello\r\n\r\n")
        assert status(await send(door.port, request(HOST, length(3), body=b"a=b"), source=STRANGER)) == 200
        assert door.rejected() == {"malformed": 60}


async def test_what_follows_an_answer_is_not_kept() -> None:
    """A client pipelines a thousand requests behind one that is slow to be answered: one is handled, and the rest is dropped."""
    one, go = request(HOST, length(3), body=b"a=b"), asyncio.Event()
    seen: list[bytes] = []

    async def handle(asked: aiohttp_web.Request) -> aiohttp_web.Response:
        seen.append(await web.read_body(asked))
        await go.wait()
        return aiohttp_web.Response()

    async with server(handle) as door, connected(door.port) as (reader, writer):
        writer.write(one * 1000)
        await writer.drain()
        asyncio.get_running_loop().call_later(SHORT, go.set)
        received = await rest(reader)
    assert received.count(b"HTTP/1.1 ") <= 1
    assert seen == [b"a=b"]


async def test_a_request_line_that_never_ends() -> None:
    """What is kept of it is bounded, whatever is sent without a line break."""
    async with server(patience=SHORT) as door:
        assert status(await send(door.port, b"POST /" + b"a" * 5_000_000)) in (0, 400)
        assert sum(door.rejected().values()) == 1


@pytest.mark.parametrize("sent", [request(HOST), request(HOST, length(3), body=b"a=b")])
async def test_a_slow_answer(sent: bytes) -> None:
    """Patience is for who sends, not for who answers."""
    go = asyncio.Event()

    async def handle(asked: aiohttp_web.Request) -> aiohttp_web.Response:
        if asked.can_read_body:
            await web.read_body(asked)
        asyncio.get_running_loop().call_later(3 * SHORT, go.set)
        await go.wait()
        return aiohttp_web.Response()

    async with server(handle, patience=SHORT) as door:
        assert status(await send(door.port, sent)) == 200
        assert door.rejected() == {}


async def test_a_bug_of_ours(log: Log) -> None:
    """It is an error in the log, with its traceback, and a bare 500 outside."""

    async def handle(_asked: aiohttp_web.Request) -> aiohttp_web.Response:
        raise LookupError("not for strangers")

    async with server(handle) as door:
        received = await send(door.port, request(HOST, length(0)))
    assert status(received) == 500
    assert b"strangers" not in received
    (line,) = lines(log, event="web.failed", error="LookupError")
    assert isinstance(line["exc_info"], LookupError)


def test_a_flood_in_the_log(log: Log) -> None:
    """Each reason has its line a minute, which says how many went without one; the metric counts all."""
    now, registry = [0.0], CollectorRegistry()
    rejections = Rejections(Counter("rejected", "-", ["reason"], registry=registry), clock=lambda: now[0])
    for second in range(0, 180, 2):
        now[0] = second
        rejections.add(Rejection.STALE)
        rejections.add(Rejection.PATH)
    for reason in ("stale", "path"):
        assert [line["unlogged"] for line in lines(log, reason=reason)] == [0, 29, 29]
        assert registry.get_sample_value("rejected_total", {"reason": reason}) == 90
    assert {line["log_level"] for line in lines(log, reason="path")} == {"info"}
    assert all("clock" in line["what"] and line["log_level"] == "warning" for line in lines(log, reason="stale"))


STATUSES = {
    Rejection.UNFINISHED: 408,
    Rejection.PATH: 404,
    Rejection.METHOD: 405,
    Rejection.CONTENT_TYPE: 415,
    Rejection.TOO_LARGE: 413,
    Rejection.UNSIGNED: 401,
    Rejection.STALE: 401,
    Rejection.SIGNATURE: 401,
    Rejection.FLOOD: 429,
}


@pytest.mark.parametrize("reason", Rejection)
async def test_each_reason_has_a_status(reason: Rejection) -> None:
    """Whatever the reason, the answer is its status and an empty body."""

    async def handle(_asked: aiohttp_web.Request) -> aiohttp_web.Response:
        raise Rejected(reason)

    async with server(handle) as door:
        received = await send(door.port, request(HOST, length(0)))
    assert status(received) == STATUSES.get(reason, 400)
    assert received.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(("host", "why"), [("no.such.host.invalid", "no such address"), ("127.0.0.1", "in use")])
async def test_an_address_that_cannot_be_listened_at(host: str, why: str) -> None:
    """The sentence names the variables, the address and the reason."""
    async with server() as door:
        other = web.serving([], host, door.port, Rejections(door.counter), variable="METRICS_PORT")
        with pytest.raises(PortError, match=f"HTTP_HOST and METRICS_PORT: .*{host}:{door.port}: .*{why}"):
            await other.__aenter__()
