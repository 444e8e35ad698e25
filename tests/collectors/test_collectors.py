"""What arrives where the audit is forwarded to: at a file, over HTTP, and over syslog, on this machine."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bot import collectors
from bot.collectors.file import FileCollector
from bot.collectors.https import HttpsCollector
from bot.collectors.rendering import lines
from bot.collectors.syslog import SyslogCollector
from bot.config.sections import ForwardSection
from bot.core.chain import Line
from bot.core.faults import Transient
from bot.core.outages import LONGEST_PLACE

HERE = "127.0.0.1"
TOKEN = "a-token-of-the-collector"


def rows(*numbers: int) -> list[Line]:
    told = {"at": 1790847000250, "event": "key created", "request": 1042}
    return [
        {"row": {"number": one, **told}, "link": "0a1b", "texts": {"reason": ["salt", "für Zoë"]}} for one in numbers
    ]


def render(some: object) -> list[str]:
    return lines(some, "jsonl", "")  # type: ignore[arg-type]  # what a collector hands over


def numbers_in(text: str) -> list[int]:
    return [json.loads(line)["row"]["number"] for line in text.splitlines()]


# --- a file -----------------------------------------------------------------------------------------------------------


async def test_a_file_is_appended_to_and_may_be_rotated_away(tmp_path: Path) -> None:
    """Rows stand in it in order; after somebody moved it, the next ones begin a new one, which only its owner may read."""
    path = tmp_path / "audit.jsonl"
    collector = FileCollector(str(path), render)
    await collector.send(rows(1, 2))
    await collector.send(rows(3))
    path.rename(tmp_path / "audit.1.jsonl")
    await collector.send(rows(4))
    assert numbers_in((tmp_path / "audit.1.jsonl").read_text()) == [1, 2, 3]
    assert numbers_in(path.read_text()) == [4]
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("cut", [1, 40, -1])
async def test_a_line_that_a_death_cut_short_comes_again_whole(tmp_path: Path, cut: int) -> None:
    """Its beginning is cut off: each line of the file is a row, be it the second of those that were being written."""
    path = tmp_path / "audit.jsonl"
    one, two, three = (f"{line}\n" for line in render(rows(1, 2, 3)))
    path.write_text(f"{one}{two}{three[:cut]}")
    await FileCollector(str(path), render).send(rows(2, 3))
    assert numbers_in(path.read_text()) == [1, 2, 2, 3]


async def test_what_others_wrote_is_left_as_it_is(tmp_path: Path) -> None:
    """A file that ends without a line break, and not in a row: rows begin on a line of their own."""
    path = tmp_path / "audit.jsonl"
    path.write_text("notes of somebody")
    await FileCollector(str(path), render).send(rows(1))
    first, *others = path.read_text().splitlines()
    assert first == "notes of somebody"
    assert numbers_in("\n".join(others)) == [1]


@pytest.mark.parametrize("place", ["/dev/full", "/dev/null", "/dev/stdout", "pipe", ".", "no/such/folder"])
async def test_what_is_no_file_is_refused(tmp_path: Path, place: str) -> None:
    """A device or a pipe would swallow the rows, whoever reads; nobody waits for one to read."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Transient, match="cannot be written: ") as caught:
        await asyncio.wait_for(FileCollector(str(tmp_path / place), render).send(rows(1)), 5)
    assert caught.value.code == "forward_file"


@pytest.mark.parametrize("how", ["deleted", "emptied"])
async def test_a_file_that_goes_while_rows_are_written_gets_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Somebody deletes it, or copies and empties it, before the rows are on the disk: they are written once more."""
    path, sync, gone = tmp_path / "audit.jsonl", os.fsync, list[int]()
    collector = FileCollector(str(path), render)
    await collector.send(rows(1))

    def goes(file: int) -> None:
        if not gone:
            gone.append(file)
            path.unlink() if how == "deleted" else path.write_text("")
        sync(file)

    monkeypatch.setattr(os, "fsync", goes)
    await collector.send(rows(2))
    assert numbers_in(path.read_text()) == [2]


async def test_a_disk_that_takes_a_part_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is full after a few bytes: none of the rows stands there, and all come again."""
    path = tmp_path / "audit.jsonl"
    collector, write = FileCollector(str(path), render), os.write
    await collector.send(rows(1))

    def full(file: int, data: memoryview) -> int:
        if len(data) < len(render(rows(2))[0]):
            raise OSError(28, "No space left on device")
        return write(file, data[:20])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(Transient, match="No space left") as caught:
        await collector.send(rows(2))
    monkeypatch.undo()
    assert caught.value.code == "forward_file"
    await collector.send(rows(2))
    assert numbers_in(path.read_text()) == [1, 2]


# --- HTTPS ------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def answering(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """A server on this machine; yields its address."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HERE, 0)
        await site.start()
        yield f"http://{HERE}:{runner.addresses[0][1]}/ingest"
    finally:
        await runner.cleanup()


async def test_rows_are_posted_as_lines_with_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """One request a pass, the token in its header; the proxy is the one that it was given, and no other of the environment's."""
    monkeypatch.setenv("HTTP_PROXY", f"http://{HERE}:9")
    got: list[tuple[str, str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        got.append((request.path, request.headers["Authorization"], await request.text()))
        return web.Response(status=202)

    async with answering(answer) as url:
        collector = HttpsCollector(url, render, token=TOKEN)
        await collector.send(rows(1, 2))
        await collector.close()
    ((path, token, body),) = got
    assert (path, token, numbers_in(body)) == ("/ingest", f"Bearer {TOKEN}", [1, 2])


@pytest.mark.parametrize(
    ("status", "code", "wait"),
    [
        (500, "forward_away", None),
        (429, "forward_away", 7.0),
        (401, "forward_refused", None),
        (404, "forward_refused", None),
        (302, "forward_refused", None),
    ],
)
async def test_no_other_answer_than_a_good_one_counts(status: int, code: str, wait: float | None) -> None:
    """A redirect is not followed: the token would go elsewhere. No error holds the token."""
    asked = 0

    async def answer(_request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(
            status=status, headers={"Retry-After": "7", "Location": "/elsewhere"} if status < 500 else {}
        )

    async with answering(answer) as url:
        collector = HttpsCollector(url, render, token=TOKEN)
        with pytest.raises(Transient) as caught:
            await collector.send(rows(1))
        await collector.close()
    assert (caught.value.code, asked) == (code, 1)
    assert wait is None or caught.value.retry_after == wait
    assert TOKEN not in repr(caught.value) + str(caught.value)


async def test_an_address_that_takes_little_at_once_gets_all_of_it() -> None:
    """It refuses more than three rows: fewer are sent, and so many from then on. One alone that it refuses is no success."""
    asked: list[list[int]] = []
    most = 3

    async def answer(request: web.Request) -> web.Response:
        asked.append(numbers_in(await request.text()))
        return web.Response(status=413 if len(asked[-1]) > most else 200)

    async with answering(answer) as url:
        collector = HttpsCollector(url, render)
        assert await collector.send(rows(*range(1, 9))) == 2
        assert await collector.send(rows(*range(3, 9))) == 2
        assert [len(one) for one in asked] == [8, 4, 2, 2]
        most = 0
        with pytest.raises(Transient, match="HTTP 413") as caught:
            await collector.send(rows(5, 6))
        await collector.close()
    assert caught.value.code == "forward_refused"


async def test_a_host_that_is_away_is_said_to_be_away() -> None:
    """Nothing listens there, for HTTP or for syslog."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response()

    async with answering(answer) as url:
        pass
    port = int(url.rsplit(":", 1)[1].removesuffix("/ingest"))
    for collector in (HttpsCollector(url, render), SyslogCollector(HERE, port, "tcp", render)):
        with pytest.raises(Transient) as caught:
            await collector.send(rows(1))
        assert caught.value.code == "forward_away"
        assert caught.value.__context__ is None or TOKEN not in repr(caught.value.__context__)
        await collector.close()


# --- syslog -----------------------------------------------------------------------------------------------------------


async def test_syslog_over_tcp_counts_its_octets() -> None:
    """Each message is told by its length in bytes, whatever letters it holds, and has RFC 5424's header."""
    got: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.put_nowait(await reader.read())
        writer.close()

    async with await asyncio.start_server(serve, HERE, 0) as server:
        await SyslogCollector(HERE, server.sockets[0].getsockname()[1], "tcp", render).send(rows(1, 2))
        data = await asyncio.wait_for(got.get(), 5)
    told = []
    while data:
        length, _, rest = data.partition(b" ")
        told.append(rest[: int(length)].decode())
        data = rest[int(length) :]
    header, _, line = told[0].partition(" - {")
    numbers = [json.loads(one[one.index("{") :])["row"]["number"] for one in told]
    assert header.startswith("<110>1 2026-10-01T09:30:00.250Z ")
    assert header.endswith(" tyk-key-bot - key_created")
    assert numbers == [1, 2]
    assert json.loads("{" + line)["texts"]["reason"][1] == "für Zoë"


async def test_syslog_notices_a_collector_that_dies_with_the_rows() -> None:
    """It takes the connection and resets it: the rows come again."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with await asyncio.start_server(serve, HERE, 0) as server:
        with pytest.raises(Transient) as caught:
            await SyslogCollector(HERE, server.sockets[0].getsockname()[1], "tcp", render).send(rows(*range(1, 50)))
    assert caught.value.code == "forward_away"


def own_certificate(folder: Path) -> Path:
    """The name of this machine, signed by itself, with its key."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]),
    )
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "certificate.pem"
    path.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    return path


async def test_syslog_over_tls_looks_at_the_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that nobody vouches for gets no row; one that SSL_CERT_FILE names does."""
    got: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.put_nowait(await reader.read())
        writer.close()

    certificate = own_certificate(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    async with await asyncio.start_server(serve, "localhost", 0, family=socket.AF_INET, ssl=tls) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Transient, match=r"(?i)certificate.verify.failed"):
            await SyslogCollector("localhost", port, "tls", render).send(rows(1))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        await SyslogCollector("localhost", port, "tls", render).send(rows(1, 2))
        data = await asyncio.wait_for(got.get(), 5)
    assert data.count(b"<110>1 ") == 2


async def test_https_looks_at_the_certificate(tmp_path: Path) -> None:
    """One that nobody vouches for gets no row and no token, and what is wrong with it is said."""
    got = list[bytes]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.read())
        writer.close()

    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(own_certificate(tmp_path))
    async with await asyncio.start_server(serve, "localhost", 0, family=socket.AF_INET, ssl=tls) as server:
        collector = HttpsCollector(f"https://localhost:{server.sockets[0].getsockname()[1]}/", render, token=TOKEN)
        with pytest.raises(Transient, match=r"(?i)certificate.verify.failed") as caught:
            await collector.send(rows(1))
        await collector.close()
    assert got == []
    assert TOKEN not in repr(caught.value) + str(caught.value)


async def test_syslog_over_udp_sends_a_datagram_a_row() -> None:
    """Nothing counts octets there."""
    got: asyncio.Queue[bytes] = asyncio.Queue()

    class Server(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            got.put_nowait(data)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Server, (HERE, 0))
    await SyslogCollector(HERE, transport.get_extra_info("sockname")[1], "udp", render).send(rows(1, 2))
    told = [await asyncio.wait_for(got.get(), 5) for _ in range(2)]
    transport.close()
    assert [one.startswith(b"<110>1 ") for one in told] == [True, True]


async def test_a_row_that_no_datagram_holds_is_not_lost_unseen() -> None:
    """Nothing after it is sent either: the rows stay in order."""
    got: asyncio.Queue[bytes] = asyncio.Queue()

    class Server(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            got.put_nowait(data)

    def long(some: Sequence[Line]) -> list[str]:
        return [line.ljust(70_000 if '"number":2' in line else 1) for line in render(some)]

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Server, (HERE, 0))
    port = transport.get_extra_info("sockname")[1]
    with pytest.raises(Transient, match="too long for UDP") as caught:
        await SyslogCollector(HERE, port, "udp", long).send(rows(1, 2, 3))
    assert caught.value.code == "forward_refused"
    assert b'"number":1' in await asyncio.wait_for(got.get(), 5)
    transport.close()
    assert got.empty()


# --- names ------------------------------------------------------------------------------------------------------------


def test_each_place_has_a_name_of_its_own_that_an_outage_can_bear() -> None:
    """Two files of one name are two places; the format is no part of it."""
    places = [
        ForwardSection(to="file", path="/var/log/a/audit.jsonl"),
        ForwardSection(to="file", path="/var/log/b/audit.jsonl"),
        ForwardSection(to="https", url=f"https://{'collector' * 20}.example.com/"),
        ForwardSection(to="syslog", host="siem.example.com", port=6514),
        ForwardSection(to="syslog", host="siem.example.com", port=6514, transport="udp"),
    ]
    names = [collectors.name(place) for place in places]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= LONGEST_PLACE
    same = ForwardSection(to="file", path="/var/log/a/audit.jsonl", format="ocsf")
    assert collectors.name(same) == names[0]
    assert names[0].startswith("file:audit.jsonl:")
