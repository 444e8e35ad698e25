"""The door in HTTP mode: Slack's signature over the raw bytes is verified before anything reads them.

Source: docs.slack.dev/authentication/verifying-requests-from-slack.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web as aiohttp_web
from multidict import MultiMapping
from slack_bolt.adapter.aiohttp import to_aiohttp_response
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from bot import web
from bot.web import Rejected, Rejection

TOLERANCE = 300  # seconds, as Slack recommends
_CONTENT_TYPE = re.compile(
    r'(application/(?:json|x-www-form-urlencoded))\s*(?:;\s*charset="?utf-8"?\s*)?', re.IGNORECASE
)
_OBJECTS = ("event", "view")
_OBJECTS_OR_NULL = ("channel", "container", "message", "user")


@dataclass(frozen=True)
class Signature:
    """The signature that a request claims in its headers: when it was signed, and with what result."""

    timestamp: str
    value: str

    def is_of(self, body: bytes, secret: str) -> bool:
        """True where the sender of these bytes knows the secret; takes as long for a near miss as for any other."""
        signed = b"v0:%b:%b" % (self.timestamp.encode(), body)
        right = "v0=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        return self.value.isascii() and hmac.compare_digest(right.encode(), self.value.encode())


def claimed(headers: MultiMapping[str], now: float) -> Signature:
    """The signature in the headers. Rejected where one is missing, there twice, no number or not of these five minutes."""
    timestamp, value = _sole(headers, "X-Slack-Request-Timestamp"), _sole(headers, "X-Slack-Signature")
    if timestamp is None or value is None or not re.fullmatch(r"[0-9]{1,12}", timestamp):
        raise Rejected(Rejection.UNSIGNED)
    if abs(now - int(timestamp)) > TOLERANCE:
        raise Rejected(Rejection.STALE)
    return Signature(timestamp, value)


def content_type(headers: MultiMapping[str]) -> str:
    """One of the two that Slack sends, without its charset. Rejected for all others, and for a body in any encoding."""
    match = _CONTENT_TYPE.fullmatch(_sole(headers, "Content-Type") or "")
    if match is None or "Content-Encoding" in headers:
        raise Rejected(Rejection.CONTENT_TYPE)
    return match[1].lower()


def _sole(headers: MultiMapping[str], name: str) -> str | None:
    values = headers.getall(name, [])
    return values[0] if len(values) == 1 else None


Dispatch = Callable[[AsyncBoltRequest], Awaitable[BoltResponse]]


def verified(dispatch: Dispatch, secret: str) -> web.Handler:
    """Hands what Slack signed to Bolt, and nothing else: no query and no header but the type, since nobody signs those."""

    async def handle(request: aiohttp_web.Request) -> aiohttp_web.Response:
        signature = claimed(request.headers, time.time())
        kind = content_type(request.headers)
        body = await web.read_body(request)
        if not signature.is_of(body, secret):
            raise Rejected(Rejection.SIGNATURE)
        return await to_aiohttp_response(await dispatch(_understood(body, kind)))

    return handle


def _understood(body: bytes, kind: str) -> AsyncBoltRequest:
    try:
        request = AsyncBoltRequest(body=body.decode(), headers={"content-type": kind})
    except Exception:  # noqa: BLE001 - Bolt looks into the body while it reads it, so it can fail in any way
        raise Rejected(Rejection.MALFORMED) from None
    if not _has_the_shape(request.body):
        raise Rejected(Rejection.MALFORMED)
    return request


def _has_the_shape(body: Mapping[str, Any]) -> bool:
    """True where everything that Bolt and the listeners use unchecked has the type it must have."""
    actions = body.get("actions", [{}])
    objects = [body[name] for name in _OBJECTS if name in body]
    objects += [body[name] for name in _OBJECTS_OR_NULL if body.get(name) is not None]
    return isinstance(actions, list) and actions != [] and all(isinstance(one, dict) for one in [*objects, *actions])
