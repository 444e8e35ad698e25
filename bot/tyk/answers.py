"""Answers of the Dashboard: the meaning of each, and what a list in it holds. No call is made here.

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

All but Rejected and KeyMissing are worth another try. No error and no repr of this file holds a token or the credential.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any, Final

import httpx

from bot.errors import CommandError
from bot.tyk import definitions, policies
from bot.tyk.definitions import ApiDefinition
from bot.tyk.names import one_line
from bot.tyk.policies import TykPolicy

Hook = Callable[[dict[str, Any]], Any]
"""It is given each object of an answer as it is read, and what it returns stands in its place."""

LONGEST_WAIT = 3650 * 86400.0  # of a Retry-After: it still makes a date when it is added to one
_AS_SAID, _TEXT_LENGTH = 10_000, 200

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
        """A sentence on what happened at this address, and what to do."""
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


# --- what an answer means ---------------------------------------------------------------------------------------------

# Which of them are there differs: newer Gateways leave out what is zero or empty.
IN_A_SESSION: Final = frozenset({"access_rights", "org_id", "expires", "rate", "meta_data"})
UNKNOWN_KEY: Final = frozenset(
    {"could not retrieve key detail", "key not found", "key is not found", "there is no such key found"}
)
NOT_DELETED: Final = frozenset({"failed to remove the key", "could not delete key", *UNKNOWN_KEY})
UNKNOWN_API: Final = frozenset({"could not retrieve api detail"})

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
class Answer:
    """An answer to judge. `message` is in small letters and for comparing; only `text` may be shown."""

    status: int
    body: Any = field(repr=False)
    is_html: bool
    is_empty: bool
    retry_after: float | None
    secrets: tuple[str, ...] = field(repr=False)

    @classmethod
    def of(cls, response: httpx.Response, secrets: tuple[str, ...], hook: Hook | None) -> Answer:
        return cls(
            response.status_code,
            _json(response, hook),
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
        said = self._said or ""
        text = one_line(said, _AS_SAID) if said.strip() else ""
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


def _json(response: httpx.Response, hook: Hook | None) -> Any:
    try:
        return response.json(object_hook=hook)
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


def pages(body: Mapping[str, Any]) -> int:
    pages = body.get("pages", body.get("Pages"))
    return pages if isinstance(pages, int) else 0


def listed(body: Mapping[str, Any], *names: str) -> list[Any]:
    """The list under the first of these names; Tyk writes an empty list as null."""
    for name in names:
        if name in body:
            listed = body[name]
            if listed is None:
                return []
            if isinstance(listed, list):
                return listed
    raise NotTyk("tyk_odd_answer", "The answer holds no list.")


def shortened(found: dict[str, Any]) -> Any:
    """The short form of an API, in place of its whole definition: ten thousand of them would take half of the bot's memory."""
    return definitions.read(found) if "api_definition" in found else found


def apis_in(body: Mapping[str, Any]) -> list[ApiDefinition]:
    """Those of a list, `shortened` or as Tyk wrote them."""
    read = (one if isinstance(one, ApiDefinition) else definitions.read(one) for one in listed(body, "apis"))
    return [api for api in read if api is not None]


def mcps_in(body: Mapping[str, Any]) -> list[ApiDefinition]:
    return [api for wrapper in listed(body, "mcps") if (api := definitions.read(wrapper, is_mcp=True)) is not None]


def definition_in(body: Mapping[str, Any], *, is_mcp: bool = False) -> ApiDefinition:
    found = definitions.read(body, is_mcp=is_mcp)
    if found is None:
        raise NotTyk("tyk_odd_answer", "The answer holds no API definition.")
    return found


def each_once(apis: Iterable[ApiDefinition]) -> tuple[ApiDefinition, ...]:
    return tuple({api.api_id: api for api in apis}.values())


def keys_in(body: Mapping[str, Any]) -> list[ListedKey]:
    return [key for one in listed(body, "keys") if isinstance(one, dict) and (key := _listed_key(one)) is not None]


def _listed_key(one: Mapping[str, Any]) -> ListedKey | None:
    session, key_hash, token = one.get("data"), one.get("key_hash"), one.get("key_id")
    if not isinstance(session, dict):
        return None
    if isinstance(key_hash, str) and key_hash.isprintable() and key_hash:
        return ListedKey(session, key_hash=key_hash)
    return ListedKey(session, token=token) if isinstance(token, str) and token else None


def policies_in(body: Mapping[str, Any]) -> list[TykPolicy]:
    return [policies.read(one) for one in listed(body, "Data", "data") if isinstance(one, dict)]


def calls_in(body: Mapping[str, Any]) -> list[datetime]:
    """The last call of each row of an analytics answer that counts any."""
    rows = [one for one in listed(body, "data") if isinstance(one, dict)]
    return [_moment(one.get("last_hit")) for one in rows if one.get("hits")]


def _moment(text: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise NotTyk("tyk_odd_answer", "The answer holds calls without their time.")
    return moment
