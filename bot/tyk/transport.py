"""httpx's requests over aiohttp's connections: the bot has them anyway, and their parser is not written in Python.

An exception says what may be concluded from it: `httpx.ConnectError`, `ConnectTimeout`, `ProxyError` and `UnsupportedProtocol`
mean that nothing was sent, all others that it may have been.
"""

from __future__ import annotations

import aiohttp
import httpx
from yarl import URL

KEPT_OPEN = 15.0
"""Seconds for which a connection that nobody uses is kept."""

MOST = 256 << 20
"""Bytes of an answer, unpacked: ten thousand definitions are half of that."""


class AiohttpTransport(httpx.AsyncBaseTransport):
    """At most `at_once` connections, through `proxy` where one is named. Answers are read whole. SSL_CERT_FILE holds."""

    def __init__(self, *, at_once: int, proxy: str | None = None) -> None:
        self._at_once = at_once
        self._proxy = proxy  # with the name and password that it may hold
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        within = request.extensions.get("timeout", {})
        try:
            async with self._opened().request(
                request.method,
                URL(str(request.url), encoded=True),
                data=await request.aread() or None,
                headers=request.headers.multi_items(),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    connect=within.get("pool"), sock_connect=within.get("connect"), sock_read=within.get("read")
                ),
                proxy=self._proxy,
            ) as response:
                headers = [one for one in response.raw_headers if one[0].lower() not in _OF_THE_WAY]
                return httpx.Response(response.status, headers=headers, content=await _whole(response), request=request)
        except aiohttp.ConnectionTimeoutError as error:
            raise httpx.ConnectTimeout(str(error)) from None
        except aiohttp.ServerTimeoutError as error:
            raise httpx.ReadTimeout(str(error)) from None
        except (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError) as error:
            raise httpx.ProxyError(str(error)) from None
        except aiohttp.ClientConnectorError as error:
            raise httpx.ConnectError(str(error)) from None
        except aiohttp.InvalidURL as error:
            raise httpx.UnsupportedProtocol(str(error)) from None
        except (aiohttp.ClientError, OSError) as error:
            raise httpx.ReadError(str(error)) from None

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        """One for all requests, made where the event loop runs."""
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=self._at_once, keepalive_timeout=KEPT_OPEN, ssl=httpx.create_ssl_context()
            )
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
            # aiohttp asks again by itself where a kept connection ends under a GET, PUT or DELETE
            self._session._retry_connection = False  # noqa: SLF001 - no public switch ends that
        return self._session


_OF_THE_WAY = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})
"""Headers of what came, which the body that is read is no more."""


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    parts, room = [], MOST
    async for part in response.content.iter_any():
        room -= len(part)
        if room < 0:
            raise aiohttp.ClientPayloadError("the answer is too long")
        parts.append(part)
    return b"".join(parts)
