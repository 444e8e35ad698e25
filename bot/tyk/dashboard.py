"""The Dashboard API: the one file that speaks HTTP to Tyk.

What can come instead of an answer, told by what the caller may conclude:

    DashboardError
    ├── OutcomeUnknown  it may have been done: the answer was lost, late, empty or unreadable
    ├── Unreachable     it was not done: no connection was made
    ├── Unavailable     Tyk, or what stands before it, cannot now: 5xx, 429 (`retry_after`)
    ├── Unauthorised    401: the credential is wrong or was rotated, or Tyk's licence has expired
    ├── Forbidden       403: the Dashboard user lacks a permission
    ├── Rejected        a definite no, which the same call will get again
    ├── KeyMissing      Tyk knows no such key
    └── NotTyk          somebody else answered: a login page, an ingress, a redirect

All but Rejected and KeyMissing are worth another try. No error, no repr and no log line of this file holds a token or the
credential: an error is raised outside of the `except` that met it, for httpx's own exceptions carry the URL, and the URL
carries the token.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, StrEnum
from typing import Any, Final, cast
from urllib.parse import quote, urlsplit

import httpx

from bot import metrics
from bot.errors import CommandError
from bot.tyk import definitions, policies
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
LONGEST_WAIT = 3650 * 86400.0  # of a Retry-After: it still makes a date when it is added to one
_TEXT_LENGTH = 200
_HASHED: Final[Mapping[str, str]] = {"hashed": "true"}


_ADDRESS: Final = "TYK_DASHBOARD_URL, or tyk.dashboard_url of the configuration"


class DashboardError(CommandError):
    """`code` is short and stable; `str()` is a sentence that is safe to log and to show. `advice` is for whoever sits there."""

    advice = ""

    def __init__(self, code: str, text: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.address = ""
        """Where Tyk was asked, once that is known to whoever catches it."""

    @property
    def sentence(self) -> str:
        return self.told(self.address)

    def told(self, address: str) -> str:
        """What happened at this address, and what to do."""
        return f"Tyk did not answer as it should at {address} ({self.code}). {self} {self.advice}".rstrip()


class OutcomeUnknown(DashboardError):
    """A call that may have been done: its answer was lost, late, empty or unreadable."""

    advice = "Check that the Dashboard and its Gateway run, and what stands before them."


class Unreachable(DashboardError):
    """A call that was not done: no connection was made."""

    advice = f"Check the address ({_ADDRESS}), HTTPS_PROXY and, where a company's own authority signs, SSL_CERT_FILE."


class Unavailable(DashboardError):
    """Tyk cannot now. `retry_after`, in seconds, is what it asked for."""

    advice = "Check that the Dashboard and its Gateway run, and try again."

    def __init__(self, code: str, text: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(code, text)
        self.retry_after = retry_after


class Unauthorised(DashboardError):
    """The credential is wrong or was rotated, or Tyk's licence has expired: Tyk says the same of each."""

    advice = "Check TYK_DASHBOARD_KEY, or renew the licence."


class Forbidden(DashboardError):
    """The Dashboard user lacks a permission."""

    advice = "The user behind TYK_DASHBOARD_KEY needs keys (write), APIs and policies (read)."


class Rejected(DashboardError):
    """A definite no: the same call will get it again."""


class KeyMissing(DashboardError):
    """Tyk knows no such key."""


class NotTyk(DashboardError):
    """Somebody else answered: a login page, an ingress, a redirect."""

    advice = f"Check the address ({_ADDRESS}) and HTTPS_PROXY."


class KeysBy(StrEnum):
    """The name of a key to Tyk: by the hash it gave, or by the token itself."""

    HASH = "hash"
    ID = "id"


@dataclass(frozen=True)
class CreatedKey:
    token: str = field(repr=False)
    key_hash: str | None


@dataclass(frozen=True)
class ListedKey:
    """A key in Tyk's list: by its hash where Tyk hashes keys, else by the token itself."""

    session: Mapping[str, Any] = field(repr=False)
    key_hash: str | None = None
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class KeyPage:
    """A page of Tyk's list of keys. `is_last`: there is no page behind it."""

    keys: tuple[ListedKey, ...]
    is_last: bool


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
        if not isinstance(token, str):
            raise OutcomeUnknown("tyk_no_token", "Tyk answered without the new token.")
        key_hash = body.get("key_hash")
        return CreatedKey(token, key_hash if isinstance(key_hash, str) and key_hash else None)

    async def update_key(self, name: str, session: Mapping[str, Any]) -> None:
        """Replace the whole session of a key, its counters excepted. Raises KeyMissing."""
        params = {"suppress_reset": "1", **self._hashed}
        answer = await self._call("PUT", _key_path(name), name=name, params=params, session=session)
        if answer.says(404, _UNKNOWN_KEY):
            raise KeyMissing("tyk_key_unknown", "Tyk knows no such key.")
        answer.success()

    async def read_key(self, name: str, *, hashed: bool | None = None) -> dict[str, Any] | None:
        """The session that Tyk holds for a key; None only where Tyk itself says that it knows no such key.

        `hashed`: the name is a hash, or is none, whatever keys are named by otherwise.
        """
        answer = await self._call("GET", _key_path(name), name=name, params=self._named_by(hashed))
        if answer.says(404, _UNKNOWN_KEY):
            return None
        body = answer.success()
        for session in (body.get("data"), body):
            if isinstance(session, dict) and not _IN_A_SESSION.isdisjoint(session):
                return cast("dict[str, Any]", session)
        raise NotTyk("tyk_odd_answer", "The answer holds no session of a key.")

    async def delete_key(self, name: str, *, hashed: bool | None = None) -> None:
        """Delete a key. Returns where it is gone already, too; whether it is gone, `read_key` says."""
        answer = await self._call("DELETE", _key_path(name), name=name, params=self._named_by(hashed))
        if answer.says(404, _UNKNOWN_KEY) or answer.says(400, _NOT_DELETED) or answer.says(500, _NOT_DELETED):
            return
        answer.success()

    def _named_by(self, hashed: bool | None) -> Mapping[str, str]:
        return self._hashed if hashed is None else _HASHED if hashed else {}

    async def keys_page(self, number: int) -> KeyPage | None:
        """A page of the organisation's keys, the first is 1; None where this Dashboard lists none, as with hashed keys and their
        listing off."""
        answer = await self._call("GET", "/api/keys/detailed", params={"p": str(number)})
        if number == 1 and answer.status in (400, 404) and not answer.is_html:
            return None
        body = answer.success()
        return KeyPage(tuple(_keys_in(body)), is_last=number >= _pages(body) or not _listed(body, "keys"))

    async def apis(self) -> tuple[ApiDefinition, ...]:
        """Every API that the Dashboard user may see; MCP proxies have a list of their own."""
        whole = await self._call("GET", "/api/apis", params={"p": "-1"})
        if whole.succeeded or not isinstance(whole.failure(), Rejected):
            body = whole.success()
            if _pages(body) <= 1:
                return _each_once(_apis_in(body))
        return _each_once([api for body in await self._paged("/api/apis") for api in _apis_in(body)])

    async def mcps(self) -> tuple[ApiDefinition, ...]:
        """Every MCP proxy that the Dashboard user may see; none where the Dashboard knows of no such thing (before 5.13) or the
        user lacks the permission `mcp`."""
        first = await self._call("GET", "/api/mcps")
        if first.status in (403, 404) or first.is_html:
            return ()
        bodies = [first.success()]
        self.deletes_at_end = True
        if (pages := _pages(bodies[0])) > 1:
            # Tyk's specification counts these pages from 0, its other lists from 1: asked for both, none is left out
            for number in range(min(pages, MOST_PAGES) + 1):
                answer = await self._call("GET", "/api/mcps", params={"p": str(number)})
                bodies.append(answer.success())
        return _each_once([api for body in bodies for api in _mcps_in(body)])

    async def api(self, api_id: str) -> ApiDefinition | None:
        """One API or MCP proxy, or None where Tyk itself says that it knows no such thing.

        Tyk answers to the internal id as well: the `api_id` of what is returned is the one that keys go by.
        """
        answer = await self._call("GET", f"/api/apis/{_segment(api_id)}")
        if answer.says(400, _UNKNOWN_API) or answer.says(404, _UNKNOWN_API):
            return await self._mcp(api_id)
        return _definition(answer.success())

    async def _mcp(self, api_id: str) -> ApiDefinition | None:
        """One MCP proxy; its Dashboard says 400 of an API that is none, an older one 404 of the path."""
        answer = await self._call("GET", f"/api/mcps/{_segment(api_id)}")
        if answer.status in (400, 403, 404) or answer.is_html:
            return None
        return _definition(answer.success(), is_mcp=True)

    async def policies(self) -> tuple[TykPolicy, ...]:
        """Every policy that the Dashboard user may see."""
        bodies = await self._paged("/api/portal/policies")
        return tuple({policy.id: policy for body in bodies for policy in _policies_in(body)}.values())

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
        return max((at for body in bodies for at in _calls_in(body)), default=None)

    async def permissions(self) -> Mapping[str, Any] | None:
        """What the Dashboard user may do, by section, as the list of users has it; None where that does not say which one it is.

        Raises Forbidden where it may not read that list: who may is an administrator, or sees the credentials of those who are.
        """
        users = [one for body in await self._paged("/api/users") for one in _listed(body, "users")]
        ours = [one for one in users if isinstance(one, dict) and one.get("access_key") == self._credential]
        told = ours[0].get("user_permissions") or {} if ours else None
        return told if isinstance(told, dict) else None

    async def aclose(self) -> None:
        if self._owns_client:
            await self._client.aclose()

    async def _paged(self, path: str, *known: dict[str, Any]) -> list[dict[str, Any]]:
        """The pages of a list; `known` are the first of them, where they are there already."""
        bodies = list(known)
        last = max([1, *map(_pages, bodies)])
        while len(bodies) < min(last, MOST_PAGES):
            answer = await self._call("GET", path, params={"p": str(len(bodies) + 1)})
            bodies.append(answer.success())
            last = max(last, _pages(bodies[-1]))
        return bodies

    async def _call(
        self,
        method: str,
        path: str,
        *,
        name: str = "",
        params: Mapping[str, str] | None = None,
        session: Mapping[str, Any] | None = None,
    ) -> _Answer:
        secrets = tuple(secret for secret in (name, self._credential) if secret)
        with metrics.timed(metrics.TYK_CALLS, f"{method} {_route(path)}") as timed:
            try:
                response = await self._exchange(method, path, params, session)
            except DashboardError as failure:
                timed.outcome = _OUTCOMES.get(failure.code, "connection_lost")
                raise
            timed.outcome = _outcome(response.status_code)
        self.date = response.headers.get("date")
        return _Answer.of(response, secrets)

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


# --- what an answer means ---------------------------------------------------------------------------------------------

# Which of them are there differs: newer Gateways leave out what is zero or empty.
_IN_A_SESSION: Final = frozenset({"access_rights", "org_id", "expires", "rate", "meta_data"})
_UNKNOWN_KEY: Final = frozenset(
    {"could not retrieve key detail", "key not found", "key is not found", "there is no such key found"}
)
_NOT_DELETED: Final = frozenset({"failed to remove the key", "could not delete key", *_UNKNOWN_KEY})
_UNKNOWN_API: Final = frozenset({"could not retrieve api detail"})

# What Tyk says where its status code alone would mislead, in small letters. The first that fits holds.
_DEFINITE: Final = (
    (r"request body malformed", "tyk_malformed"),
    (r"policy not found|no valid policies", "tyk_policy_unknown"),
    (r"different organi[sz]ation", "tyk_policy_foreign"),
    (r"multiple policies|partitioned|per_api", "tyk_policy_mix"),
    (r"at least one access rights record", "tyk_no_access_rights"),
    (r"permission to add api to key", "tyk_api_refused"),
    (r"object validation failed", "tyk_invalid"),
    (
        r"ensure security settings",
        "tyk_refused",
    ),  # Gateways before 5.3 say no more than this of an unknown API in a PUT
)
_GATEWAY: Final = "failed to save new session object"
_GATEWAY_LOST: Final = re.compile(r"\beof\b|reset by peer|broken pipe|timeout|deadline exceeded|context canceled")
_SECRET_LIKE: Final = re.compile(r"[A-Za-z0-9+/=_-]{20,}")


class _Missing(Enum):
    BODY = "no JSON"


@dataclass(frozen=True)
class _Answer:
    """An answer to judge. `message` is in small letters and for comparing; only `text` may be shown."""

    status: int
    body: Any = field(repr=False)
    is_html: bool
    is_empty: bool
    retry_after: float | None
    secrets: tuple[str, ...] = field(repr=False)

    @classmethod
    def of(cls, response: httpx.Response, secrets: tuple[str, ...]) -> _Answer:
        return cls(
            response.status_code,
            _json(response),
            is_html="html" in response.headers.get("content-type", "") or response.content.lstrip()[:1] == b"<",
            is_empty=not response.content.strip(),
            retry_after=_seconds(response.headers.get("retry-after")),
            secrets=secrets,
        )

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status < 300

    @property
    def _said(self) -> str | None:
        """Tyk's words in its own envelope of errors (the Dashboard's has capitals); None where this is no such thing."""
        if not isinstance(self.body, dict):
            return None
        said = self.body.get("Message", self.body.get("message", self.body.get("error")))
        status = self.body.get("Status", self.body.get("status", "Error" if "Message" in self.body else None))
        return said if isinstance(said, str) and str(status).lower() == "error" else None

    @property
    def message(self) -> str:
        return (self._said or "").strip().rstrip(".").lower()

    @property
    def text(self) -> str:
        """Tyk's own words, without anything that may be a secret."""
        text = self._said or ""
        for secret in self.secrets:
            text = text.replace(secret, "…")
        text = _SECRET_LIKE.sub("…", text)[:_TEXT_LENGTH]
        return f"Tyk says: {text}" if text else f"Tyk answered {self.status}."

    def says(self, status: int, messages: frozenset[str]) -> bool:
        return self.status == status and self.message in messages

    def success(self) -> dict[str, Any]:
        """The JSON object of a success. Raises for everything else."""
        if self.succeeded and isinstance(self.body, dict) and self._said is None:
            return self.body
        raise self.failure()

    def failure(self) -> DashboardError:
        """The meaning of this not being a success."""
        if self.status == 429:
            return Unavailable("tyk_429", "Tyk asks to be called less often.", retry_after=self.retry_after)
        if self.is_html and self.status < 500:
            return NotTyk("tyk_not_tyk", f"Something other than Tyk answered {self.status}.")
        if self.succeeded:
            return self._broken_success()
        if self.status == 401:
            return Unauthorised("tyk_401", "Tyk does not accept the credential, or its licence has expired.")
        return self._by_message() or self._by_status()

    def _broken_success(self) -> DashboardError:
        if self._said is not None:
            return self._by_message() or OutcomeUnknown("tyk_error_in_success", self.text)
        if self.is_empty:
            return OutcomeUnknown("tyk_empty", "Tyk answered with nothing.")
        return OutcomeUnknown("tyk_not_json", "Tyk's answer cannot be read.")

    def _by_message(self) -> DashboardError | None:
        for pattern, code in _DEFINITE:
            if re.search(pattern, self.message):
                return Rejected(code, self.text)
        if "quota exceeded" in self.message:
            return Unavailable("tyk_quota", self.text, retry_after=self.retry_after)
        if _GATEWAY in self.message:
            if _GATEWAY_LOST.search(self.message):
                return OutcomeUnknown("tyk_gateway_lost", "The Dashboard lost its Gateway's answer.")
            return Unavailable("tyk_gateway", "The Dashboard cannot use its Gateway.", retry_after=self.retry_after)
        return None

    def _by_status(self) -> DashboardError:
        if self.status >= 500:
            return Unavailable(f"tyk_{self.status}", self.text, retry_after=self.retry_after)
        if self._said is None or self.status < 400:
            return NotTyk("tyk_not_tyk", f"Something other than Tyk answered {self.status}.")
        if self.status == 403:
            return Forbidden("tyk_403", self.text)
        if self.status in (404, 408):
            return Unavailable(f"tyk_{self.status}", self.text, retry_after=self.retry_after)
        return Rejected(f"tyk_{self.status}", self.text)


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return _Missing.BODY


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After is a number of seconds or a date: never negative, and never further than dates go. None where it is neither."""
    text = (retry_after or "").strip()
    if re.fullmatch("[0-9]+", text):
        return min(float(text), LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(text)
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        wait = (until - datetime.now(UTC)).total_seconds()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, wait), LONGEST_WAIT)


# --- what is listed ---------------------------------------------------------------------------------------------------


def _pages(body: Mapping[str, Any]) -> int:
    pages = body.get("pages", body.get("Pages"))
    return pages if isinstance(pages, int) else 0


def _listed(body: Mapping[str, Any], *names: str) -> list[Any]:
    """The list under the first of these names; Tyk writes an empty list as null."""
    for name in names:
        if name in body:
            listed = body[name]
            if listed is None:
                return []
            if isinstance(listed, list):
                return listed
    raise NotTyk("tyk_odd_answer", "The answer holds no list.")


def _apis_in(body: Mapping[str, Any]) -> list[ApiDefinition]:
    return [api for wrapper in _listed(body, "apis") if (api := definitions.read(wrapper)) is not None]


def _mcps_in(body: Mapping[str, Any]) -> list[ApiDefinition]:
    return [api for wrapper in _listed(body, "mcps") if (api := definitions.read(wrapper, is_mcp=True)) is not None]


def _definition(body: Mapping[str, Any], *, is_mcp: bool = False) -> ApiDefinition:
    found = definitions.read(body, is_mcp=is_mcp)
    if found is None:
        raise NotTyk("tyk_odd_answer", "The answer holds no API definition.")
    return found


def _each_once(apis: Iterable[ApiDefinition]) -> tuple[ApiDefinition, ...]:
    return tuple({api.api_id: api for api in apis}.values())


def _keys_in(body: Mapping[str, Any]) -> list[ListedKey]:
    return [key for one in _listed(body, "keys") if isinstance(one, dict) and (key := _listed_key(one)) is not None]


def _listed_key(one: Mapping[str, Any]) -> ListedKey | None:
    session, key_hash, token = one.get("data"), one.get("key_hash"), one.get("key_id")
    if not isinstance(session, dict):
        return None
    if isinstance(key_hash, str) and key_hash.isprintable() and key_hash:
        return ListedKey(session, key_hash=key_hash)
    return ListedKey(session, token=token) if isinstance(token, str) and token else None


def _policies_in(body: Mapping[str, Any]) -> list[TykPolicy]:
    return [policies.read(one) for one in _listed(body, "Data", "data") if isinstance(one, dict)]


def _calls_in(body: Mapping[str, Any]) -> list[datetime]:
    """The last call of each row of an analytics answer that counts any."""
    rows = [one for one in _listed(body, "data") if isinstance(one, dict)]
    return [_moment(one.get("last_hit")) for one in rows if one.get("hits")]


def _moment(text: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise NotTyk("tyk_odd_answer", "The answer holds calls without their time.")
    return moment
