"""An HTTPS address that rows are posted to, as lines of JSON. The one file besides Tyk's that speaks HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import httpx

from bot.core.chain import Line
from bot.core.faults import Transient

CONNECT_WITHIN = 4.0
ANSWER_WITHIN = 8.0
TOO_LARGE = 413


class HttpsCollector:
    """`render` makes lines of rows. The token and the rows are in no error: what is raised says a status or a kind of fault."""

    def __init__(
        self,
        url: str,
        render: Callable[[Sequence[Line]], list[str]],
        *,
        token: str = "",
        proxy: str | None = None,
    ) -> None:
        self._url, self._host = url, urlsplit(url).hostname
        self._render = render
        self._most: int | None = None
        self._headers = {"content-type": "application/x-ndjson"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"
        self._client = httpx.AsyncClient(
            verify=httpx.create_ssl_context(),
            trust_env=False,
            follow_redirects=False,
            proxy=proxy,
            timeout=httpx.Timeout(ANSWER_WITHIN, connect=CONNECT_WITHIN),
            limits=httpx.Limits(max_connections=1),
        )

    async def send(self, rows: Sequence[Line]) -> int:
        """All of them in one request, or as many as it takes in one. Raises Transient unless the answer is a 2xx; nothing of its
        body is read."""
        rows = rows[: self._most]
        body = "".join(f"{line}\n" for line in self._render(rows)).encode()
        fault = None
        try:
            async with self._client.stream("POST", self._url, content=body, headers=self._headers) as response:
                status, retry_after = response.status_code, response.headers.get("retry-after", "")
        except httpx.TimeoutException:
            fault = Transient("forward_away", f"{self._host} gave no answer in time.")
        except httpx.ConnectError as error:  # with what TLS says of a certificate
            fault = Transient("forward_away", f"{self._host} cannot be reached: {error}.")
        except httpx.HTTPError as error:
            fault = Transient("forward_away", f"{self._host} cannot be reached ({type(error).__name__}).")
        if fault is not None:  # raised here: httpx's own error holds the request, and that the token
            raise fault
        if status == 429 or status >= 500:
            wait = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None
            raise Transient("forward_away", f"{self._host} answered HTTP {status}.", retry_after=wait)
        if status == TOO_LARGE and len(rows) > 1:
            self._most = len(rows) // 2
            return await self.send(rows)
        if not 200 <= status < 300:
            raise Transient("forward_refused", f"{self._host} answered HTTP {status}.")
        return len(rows)

    async def close(self) -> None:
        await self._client.aclose()
