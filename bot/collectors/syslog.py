"""A syslog collector: RFC 5424 messages, over TLS (RFC 5425), TCP with counted octets (RFC 6587) or UDP (RFC 5426).

Syslog has no acknowledgements. Over TCP each pass closes the connection and waits until the collector has closed it too: a
collector that died with the rows is noticed. Over TLS only what TCP reports is noticed, over UDP only what this machine reports,
such as a row that is too long for a datagram.
"""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Literal

from bot.core.chain import Line
from bot.core.faults import Transient

Transport = Literal["tls", "tcp", "udp"]

_AUDIT = 13  # the facility "log audit"
_INFORMATIONAL = 6
PRIORITY = _AUDIT * 8 + _INFORMATIONAL
APP = "tyk-key-bot"
CONNECT_WITHIN = 4.0
CLOSED_WITHIN = 2.0


class _Datagrams(asyncio.DatagramProtocol):
    """The errors that this machine reported of a datagram."""

    error: Exception | None = None

    def error_received(self, exc: Exception) -> None:
        self.error = exc


class SyslogCollector:
    """`render` makes lines of rows: each is the text of one message."""

    def __init__(
        self, host: str, port: int, transport: Transport, render: Callable[[Sequence[Line]], list[str]]
    ) -> None:
        self._host, self._port, self._transport = host, port, transport
        self._render = render
        self._here = re.sub(r"[^!-~]", "", socket.gethostname())[:255] or "-"
        self._tls = ssl.create_default_context() if transport == "tls" else None

    async def send(self, rows: Sequence[Line]) -> int:
        """Raises Transient where no connection comes about, or where it breaks."""
        messages = [self._message(row, line) for row, line in zip(rows, self._render(rows), strict=True)]
        try:
            await (self._by_udp(messages) if self._transport == "udp" else self._by_stream(messages))
        except TimeoutError:
            raise Transient("forward_away", f"{self._host} took no connection in time.") from None
        except OSError as error:  # what TLS says of a certificate, too
            why = error.strerror or str(error) or type(error).__name__
            if error.errno == errno.EMSGSIZE:
                why = "A row is too long for UDP: take tls or tcp."
                raise Transient("forward_refused", why) from None
            raise Transient("forward_away", f"{self._host} cannot be reached: {why}.") from None
        return len(rows)

    def _message(self, row: Line, line: str) -> bytes:
        """No byte order mark stands before the text: it is JSON, whose readers take none."""
        told = row["row"]
        at = datetime.fromtimestamp(told["at"] / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        kind = told["event"].replace(" ", "_")
        return f"<{PRIORITY}>1 {at} {self._here} {APP} - {kind} - {line}".encode()

    async def _by_stream(self, messages: Sequence[bytes]) -> None:
        connecting = asyncio.open_connection(self._host, self._port, ssl=self._tls)
        reader, writer = await asyncio.wait_for(connecting, CONNECT_WITHIN)
        try:
            writer.writelines(b"%d %s" % (len(message), message) for message in messages)
            await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
                with suppress(TimeoutError):  # one that keeps its end open has not broken
                    await asyncio.wait_for(reader.read(1), CLOSED_WITHIN)
        finally:
            writer.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(writer.wait_closed(), CLOSED_WITHIN)

    async def _by_udp(self, messages: Sequence[bytes]) -> None:
        loop = asyncio.get_running_loop()
        connecting = loop.create_datagram_endpoint(_Datagrams, remote_addr=(self._host, self._port))
        transport, told = await asyncio.wait_for(connecting, CONNECT_WITHIN)
        try:
            for message in messages:
                transport.sendto(message)
                if told.error is not None:
                    raise told.error
        finally:
            transport.close()

    async def close(self) -> None:
        """Nothing is held open between two passes."""
