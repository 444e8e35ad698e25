"""Delivery of a payload to the app, over HTTP or Socket Mode, and its acknowledgement."""

import asyncio
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

import aiohttp

from bot.local.slack.journal import Journal, Json


@dataclass(frozen=True)
class Ack:
    """The app's answer to a delivery: `status` is acked, timeout, unreachable (nobody listens) or refused (HTTP error)."""

    status: str
    payload: Any = None
    ms: float | None = None

    @property
    def ok(self) -> bool:
        return self.status == "acked"

    @property
    def error(self) -> str | None:
        """The code a person is shown."""
        if self.ok:
            return None
        return "operation_timeout" if self.status == "timeout" else "dispatch_failed"


class Transport(Protocol):
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
        """`kind` is slash_commands, interactive or events_api."""


def sign(secret: str, timestamp: int, body: str) -> str:
    return "v0=" + hmac.new(secret.encode(), f"v0:{timestamp}:{body}".encode(), hashlib.sha256).hexdigest()


class HttpDelivery:
    """Signed requests to the app's request URL."""

    def __init__(self, request_url: str, signing_secret: str, journal: Journal, ack_seconds: float) -> None:
        self._url = request_url
        self._secret = signing_secret
        self._journal = journal
        self._ack_seconds = ack_seconds
        self._session: aiohttp.ClientSession | None = None

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
        body, content_type = self._encode(kind, payload)
        now = int(time.time())
        headers = {
            "content-type": content_type,
            "x-slack-request-timestamp": str(now),
            "x-slack-signature": sign(self._secret, now, body),
            "user-agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        }
        if attempt:
            headers |= {"x-slack-retry-num": str(attempt), "x-slack-retry-reason": reason or "http_timeout"}
        started = time.perf_counter()
        ack = await self._post(body, headers)
        ms = (time.perf_counter() - started) * 1000
        self._journal.write("ack", kind, status=ack.status, ms=ms)
        if ack.status in ("timeout", "refused"):
            self._journal.blame("no_ack", f"{kind} was not acknowledged ({ack.status})", payload=payload)
        return Ack(ack.status, ack.payload, ms)

    @staticmethod
    def _encode(kind: str, payload: Json) -> tuple[str, str]:
        form = "application/x-www-form-urlencoded"
        if kind == "events_api":
            return json.dumps(payload), "application/json"
        if kind == "slash_commands":
            return urlencode({key: value for key, value in payload.items() if value is not None}), form
        return urlencode({"payload": json.dumps(payload)}), form

    async def _post(self, body: str, headers: dict[str, str]) -> Ack:
        self._session = self._session or aiohttp.ClientSession()
        try:
            async with (
                asyncio.timeout(self._ack_seconds),
                self._session.post(self._url, data=body.encode(), headers=headers, allow_redirects=False) as answer,
            ):
                text = await answer.text()
                status = answer.status
        except TimeoutError:
            return Ack("timeout")
        except aiohttp.ClientError:
            return Ack("unreachable")
        if status != 200:
            return Ack("refused", text)
        if not text:
            return Ack("acked")
        try:
            return Ack("acked", json.loads(text))
        except ValueError:
            return Ack("acked", {"text": text})

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
