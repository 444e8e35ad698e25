"""The Dashboard API: the one file that speaks HTTP to Tyk. What comes instead of an answer is a DashboardError (`answers`).

No error, no repr and no log line of this file holds a token or the credential: an error is raised outside of the `except` that
met it, for httpx's own exceptions carry the URL, and the URL carries the token.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, TypeGuard, cast
from urllib.parse import quote, urlsplit

import httpx

from bot import metrics
from bot.tyk import answers
from bot.tyk.answers import (
    Answer,
    DashboardError,
    Forbidden,
    KeyMissing,
    KeyPage,
    ListedKey,
    NotTyk,
    OutcomeUnknown,
    Rejected,
    Unauthorised,
    Unavailable,
    Unreachable,
)
from bot.tyk.definitions import ApiDefinition
from bot.tyk.policies import TykPolicy
from bot.tyk.transport import AiohttpTransport

__all__ = [
    "ApiDefinition",
    "CreatedKey",
    "Dashboard",
    "DashboardError",
    "Forbidden",
    "KeyMissing",
    "KeyPage",
    "KeysBy",
    "ListedKey",
    "NotTyk",
    "OutcomeUnknown",
    "Rejected",
    "TykPolicy",
    "Unauthorised",
    "Unavailable",
    "Unreachable",
    "quiet_http_logs",
]
CONNECT_WITHIN = 10.0
MOST_PAGES = 1000
LONG = 100_000
"""Bytes of an answer that is read in a thread: the event loop would stand still meanwhile."""
_HASHED: Final[Mapping[str, str]] = {"hashed": "true"}


class KeysBy(StrEnum):
    """The name of a key to Tyk: by the hash it gave, or by the token itself."""

    HASH = "hash"
    ID = "id"


@dataclass(frozen=True)
class CreatedKey:
    token: str = field(repr=False)
    key_hash: str | None


class Dashboard:
    """`timeout` bounds each call as a whole, in seconds; `at_once` is how many calls have a connection at the same time.

    `proxy` is the proxy to use, None for none, whatever the environment says; SSL_CERT_FILE holds. A `client` that is given stays
    its owner's to close.
    """

    def __init__(
        self,
        url: str,
        credential: str,
        *,
        keys_by: KeysBy,
        timeout: float = 60,
        at_once: int = 20,
        client: httpx.AsyncClient | None = None,
        proxy: str | None = None,
    ) -> None:
        self.deletes_at_end = False
        """Known once the list of MCP proxies was given: no Dashboard before 5.13 has it, nor `post_expiry_action`."""
        self.date: str | None = None
        """What the last answer gives as its time."""
        self.url = _checked_url(url)
        self._credential = _checked_credential(credential)
        self._hashed = _HASHED if keys_by is KeysBy.HASH else {}
        self._timeout = timeout
        self._owns_client = client is None
        self._client = client or _new_client(proxy, at_once)

    def __repr__(self) -> str:
        return f"Dashboard({urlsplit(self.url).hostname})"

    async def create_key(self, session: Mapping[str, Any]) -> CreatedKey:
        """Make a key. Not repeatable: called twice, it makes two."""
        answer = await self._call("POST", "/api/keys", session=session)
        body = answer.success()
        token = body.get("key_id") or body.get("key")
        if not _is_name(token):
            raise OutcomeUnknown("tyk_no_token", "Tyk answered without the new token.")
        key_hash = body.get("key_hash")
        return CreatedKey(token, key_hash if _is_name(key_hash) else None)

    async def update_key(self, name: str, session: Mapping[str, Any]) -> None:
        """Replace the whole session of a key, its counters excepted. Raises KeyMissing."""
        params = {"suppress_reset": "1", **self._hashed}
        answer = await self._call("PUT", _key_path(name), name=name, params=params, session=session)
        if answer.says(404, answers.UNKNOWN_KEY):
            raise KeyMissing("tyk_key_unknown", "Tyk knows no such key.")
        answer.success()

    async def read_key(self, name: str, *, hashed: bool | None = None) -> dict[str, Any] | None:
        """The session that Tyk holds for a key; None only where Tyk itself says that it knows no such key.

        `hashed`: the name is a hash, or is none, whatever keys are named by otherwise.
        """
        answer = await self._call("GET", _key_path(name), name=name, params=self._named_by(hashed))
        if answer.says(404, answers.UNKNOWN_KEY):
            return None
        body = answer.success()
        for session in (body.get("data"), body):
            if isinstance(session, dict) and not answers.IN_A_SESSION.isdisjoint(session):
                return cast("dict[str, Any]", session)
        raise NotTyk("tyk_odd_answer", "The answer holds no session of a key.")

    async def delete_key(self, name: str, *, hashed: bool | None = None) -> bool:
        """Delete a key. Returns False where Tyk has no such key, or says so; whether it is gone, `read_key` says."""
        answer = await self._call("DELETE", _key_path(name), name=name, params=self._named_by(hashed))
        if (
            answer.says(404, answers.UNKNOWN_KEY)
            or answer.says(400, answers.NOT_DELETED)
            or answer.says(500, answers.NOT_DELETED)
        ):
            return False
        answer.success()
        return True

    def _named_by(self, hashed: bool | None) -> Mapping[str, str]:
        return self._hashed if hashed is None else _HASHED if hashed else {}

    async def keys_page(self, number: int) -> KeyPage | None:
        """A page of the organisation's keys, the first is 1; None where this Dashboard lists none, as with hashed keys and their
        listing off."""
        answer = await self._call("GET", "/api/keys/detailed", params={"p": str(number)})
        if number == 1 and answer.status in (400, 404) and not answer.is_html:
            return None
        body = answer.success()
        return KeyPage(
            tuple(answers.keys_in(body)), is_last=number >= answers.pages(body) or not answers.listed(body, "keys")
        )

    async def apis(self) -> tuple[ApiDefinition, ...]:
        """Every API that the Dashboard user may see; MCP proxies have a list of their own."""
        whole = await self._call("GET", "/api/apis", params={"p": "-1"}, hook=answers.shortened)
        if whole.succeeded or not isinstance(whole.failure(), Rejected):
            body = whole.success()
            if answers.pages(body) <= 1:
                return answers.each_once(answers.apis_in(body))
        return answers.each_once([api for body in await self._paged("/api/apis") for api in answers.apis_in(body)])

    async def mcps(self) -> tuple[ApiDefinition, ...]:
        """Every MCP proxy that the Dashboard user may see; none where the Dashboard knows of no such thing (before 5.13) or the
        user lacks the permission `mcp`."""
        first = await self._call("GET", "/api/mcps")
        if first.status in (403, 404) or first.is_html:
            return ()
        bodies = [first.success()]
        self.deletes_at_end = True
        if (pages := answers.pages(bodies[0])) > 1:
            # Tyk's specification counts these pages from 0, its other lists from 1: asked for both, none is left out
            for number in range(min(pages, MOST_PAGES) + 1):
                answer = await self._call("GET", "/api/mcps", params={"p": str(number)})
                bodies.append(answer.success())
        return answers.each_once([api for body in bodies for api in answers.mcps_in(body)])

    async def api(self, api_id: str) -> ApiDefinition | None:
        """One API or MCP proxy, or None where Tyk itself says that it knows no such thing.

        Tyk answers to the internal id as well: the `api_id` of what is returned is the one that keys go by.
        """
        answer = await self._call("GET", f"/api/apis/{_segment(api_id)}")
        if answer.says(400, answers.UNKNOWN_API) or answer.says(404, answers.UNKNOWN_API):
            return await self._mcp(api_id)
        return answers.definition_in(answer.success())

    async def _mcp(self, api_id: str) -> ApiDefinition | None:
        """One MCP proxy; its Dashboard says 400 of an API that is none, an older one 404 of the path."""
        answer = await self._call("GET", f"/api/mcps/{_segment(api_id)}")
        if answer.status in (400, 403, 404) or answer.is_html:
            return None
        return answers.definition_in(answer.success(), is_mcp=True)

    async def policies(self) -> tuple[TykPolicy, ...]:
        """Every policy that the Dashboard user may see."""
        bodies = await self._paged("/api/portal/policies")
        return tuple({policy.id: policy for body in bodies for policy in answers.policies_in(body)}.values())

    async def last_call(self, key_hash: str, first: date, last: date) -> datetime | None:
        """The last call with this key that analytics recorded in these days; None where they recorded none.

        Raises Forbidden where the Dashboard user may not read them. Whether calls are recorded at all, Tyk does not say.
        Calls of MCP proxies are recorded beside the others (since 5.13).
        """
        days = "/".join(f"{day.day}/{day.month}/{day.year}" for day in (first, last))
        path = f"{_segment(key_hash)}/{days}"
        first_page = await self._call("GET", f"/api/activity/keys/{path}", name=key_hash, params={"p": "-1"})
        bodies = await self._paged(f"/api/activity/keys/{path}", first_page.success())
        of_mcps = await self._call("GET", f"/api/activity/mcp/keys/{path}", name=key_hash)
        if of_mcps.status not in (403, 404) and not of_mcps.is_html:
            bodies.append(of_mcps.success())
        return max((at for body in bodies for at in answers.calls_in(body)), default=None)

    async def permissions(self) -> Mapping[str, Any] | None:
        """The permissions of the Dashboard user by section, as the list of users has it; None where that does not say which
        one it is.

        Raises Forbidden where it may not read that list: who may is an administrator, or sees the credentials of those who are.
        """
        users = [one for body in await self._paged("/api/users") for one in answers.listed(body, "users")]
        ours = [one for one in users if isinstance(one, dict) and one.get("access_key") == self._credential]
        told = ours[0].get("user_permissions") or {} if ours else None
        return told if isinstance(told, dict) else None

    async def aclose(self) -> None:
        if self._owns_client:
            await self._client.aclose()

    async def _paged(self, path: str, *known: dict[str, Any]) -> list[dict[str, Any]]:
        """The pages of a list; `known` are the first of them, where they are there already."""
        bodies = list(known)
        last = max([1, *map(answers.pages, bodies)])
        while len(bodies) < min(last, MOST_PAGES):
            answer = await self._call("GET", path, params={"p": str(len(bodies) + 1)})
            bodies.append(answer.success())
            last = max(last, answers.pages(bodies[-1]))
        return bodies

    async def _call(
        self,
        method: str,
        path: str,
        *,
        name: str = "",
        params: Mapping[str, str] | None = None,
        session: Mapping[str, Any] | None = None,
        hook: answers.Hook | None = None,
    ) -> Answer:
        secrets = tuple(secret for secret in (name, self._credential) if secret)
        with metrics.timed(metrics.TYK_CALLS, f"{method} {_route(path)}") as timed:
            try:
                response = await self._exchange(method, path, params, session)
            except DashboardError as failure:
                timed.outcome = _OUTCOMES.get(failure.code, "connection_lost")
                raise
            timed.outcome = _outcome(response.status_code)
        self.date = response.headers.get("date")
        if len(response.content) < LONG:
            return Answer.of(response, secrets, hook)
        return await asyncio.to_thread(Answer.of, response, secrets, hook)

    async def _exchange(
        self, method: str, path: str, params: Mapping[str, str] | None, session: Mapping[str, Any] | None
    ) -> httpx.Response:
        """One request and its answer, whatever that says. Raises OutcomeUnknown or Unreachable where there is none."""
        failure: DashboardError
        try:
            async with asyncio.timeout(self._timeout):
                return await self._client.request(
                    method,
                    self.url + path,
                    params=params or None,
                    json=session,
                    headers={"authorization": self._credential, "accept": "application/json"},
                    auth=httpx.Auth(),  # else what a client has of its own, such as a .netrc, would replace our header
                    follow_redirects=False,
                    timeout=httpx.Timeout(self._timeout, connect=min(self._timeout, CONNECT_WITHIN)),
                )
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
            failure = _lost(error)
        raise failure


def quiet_http_logs() -> None:
    """Hold httpx, which logs every URL at INFO, and httpcore, which logs every header at DEBUG, at WARNING."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


# --- what is sent -----------------------------------------------------------------------------------------------------


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError("The Dashboard's address must be http(s)://host, without a user name.")
    return url.rstrip("/")


def _checked_credential(credential: str) -> str:
    if not credential or not all("!" <= letter <= "~" for letter in credential):
        raise ValueError("The Dashboard credential must be printable ASCII without spaces.")
    return credential


def _new_client(proxy: str | None, at_once: int) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=AiohttpTransport(at_once=at_once, proxy=proxy))


def _key_path(name: str) -> str:
    return f"/api/keys/{_segment(name)}"


_ROUTES: Final = (
    "/api/keys/detailed",
    "/api/keys",
    "/api/apis",
    "/api/mcps",
    "/api/portal/policies",
    "/api/activity/keys",
    "/api/activity/mcp/keys",
    "/api/users",
)


def _route(path: str) -> str:
    """The path without the name in it, for a metric."""
    route = next((one for one in _ROUTES if path == one or path.startswith(f"{one}/")), "other")
    return route if path == route else f"{route}/{{name}}"


def _is_name(said: Any) -> TypeGuard[str]:
    """A key can go by this: nobody could copy, store or send anything else."""
    return isinstance(said, str) and bool(re.fullmatch(r"[!-~]{1,2000}", said)) and bool(said.strip("."))


def _segment(name: str) -> str:
    """One segment of a path, whatever the name holds; empty or only dots, it would lead to another path."""
    if not name.strip("."):
        raise ValueError("Neither a key nor an API has such a name.")
    return quote(name, safe="")


# --- what comes instead of an answer ----------------------------------------------------------------------------------

_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
    httpx.LocalProtocolError,
)


def _lost(error: Exception) -> DashboardError:
    if isinstance(error, _NEVER_SENT):
        if "SSL" in str(error) or "CERTIFICATE" in str(error):
            return Unreachable(
                "tyk_tls", "No secure connection to the Dashboard: TLS failed, or its certificate is not trusted."
            )
        return Unreachable("tyk_unreachable", "No connection to the Dashboard.")
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return OutcomeUnknown("tyk_timeout", "The Dashboard did not answer in time.")
    return OutcomeUnknown("tyk_broken", "The connection to the Dashboard broke before its answer was whole.")


_OUTCOMES: Final = {"tyk_timeout": "timeout", "tyk_unreachable": "unreachable", "tyk_tls": "unreachable"}
_BY_STATUS: Final = {401: "unauthorized", 403: "forbidden", 404: "not_found", 429: "ratelimited"}


def _outcome(status: int) -> str:
    """The outcome of a call that was answered so, for a metric: one of few words."""
    if status >= 500:
        return "unavailable"
    return "ok" if 200 <= status < 300 else _BY_STATUS.get(status, "refused")
