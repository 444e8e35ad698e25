"""Bytes on a connection to a server on this machine, as nobody's HTTP client would send them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

WITHIN = 20.0


@asynccontextmanager
async def connected(
    port: int, *, source: str = "127.0.0.1"
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection on which nothing has been sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def rest(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the server closes the connection."""
    received = bytearray()
    async with asyncio.timeout(WITHIN):
        with suppress(ConnectionError):
            while chunk := await reader.read(65536):
                received += chunk
    return bytes(received)


async def send(port: int, *parts: bytes, source: str = "127.0.0.1") -> bytes:
    """What comes back for these bytes, sent from that address, until the server closes the connection."""
    async with connected(port, source=source) as (reader, writer):
        with suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await writer.drain()
        return await rest(reader)


def status(received: bytes) -> int:
    """That of the first answer; 0 where there is none."""
    return int(received.split(b" ", 2)[1]) if received.startswith(b"HTTP/1.") else 0


def request(*headers: bytes, line: bytes = b"POST /slack/events HTTP/1.1", body: bytes = b"") -> bytes:
    """A request with these headers and no others."""
    return b"\r\n".join([line, *headers, b"", body])
