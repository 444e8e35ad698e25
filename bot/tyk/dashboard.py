"""The Tyk Dashboard API: the one file that speaks HTTP to Tyk.

What it answers is read for its meaning, because its status codes are not reliable alone:

    DashboardError
    ├── Unreachable      no connection was made: nothing happened
    ├── OutcomeUnknown   it may have happened: a timeout, a broken connection, an empty body
    ├── Unavailable      5xx or 429: later
    ├── Unauthorised     401: a wrong or rotated credential, or an expired licence
    ├── Forbidden        403: the Dashboard user may not
    ├── NotTyk           an answer that is not Tyk's own: a proxy's page, a redirect
    ├── Rejected         it will never work as it is: malformed, an unknown policy
    └── KeyMissing       Tyk does not know the key

Neither a token nor the credential is in any error, log line or repr.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import quote

import httpx

PAGES = 1000
_SECRET = re.compile(r"[A-Za-z0-9+/=_-]{20,}")
_GONE = re.compile(r"could not retrieve key detail|key (is )?not found|no such key", re.IGNORECASE)
_NEVER = re.compile(
    r"policy not found|no valid policies|cannot apply|validation failed|at least one Access Rights|unmarshal|malformed"
    r"|does not have permission to add API|non-owned key|ensure security settings",
    re.IGNORECASE,
)


class KeysBy(StrEnum):
    """How a key is named to the Dashboard: by its hash, or by its id, which is the token itself."""

    HASH = "hash"
    ID = "id"


class DashboardError(Exception):
    """`code` is short and stable; the text is safe for a log."""

    def __init__(self, code: str, text: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.retry_after = retry_after


class Unreachable(DashboardError):
    """No connection was made: nothing happened."""


class OutcomeUnknown(DashboardError):
    """It may have happened."""


class Unavailable(DashboardError):
    """Not now. `retry_after` is what Tyk asked for, in seconds."""


class Unauthorised(DashboardError):
    """401: a wrong or rotated credential, or a licence that has expired."""


class Forbidden(DashboardError):
    """403: the Dashboard user lacks a permission."""


class NotTyk(DashboardError):
    """Something else answered in Tyk's place."""


class Rejected(DashboardError):
    """It will never work as it is."""


class KeyMissing(DashboardError):
    """Tyk does not know the key."""


@dataclass(frozen=True)
class CreatedKey:
    """A key as Tyk made it; `key_hash` is None where Tyk does not hash keys."""

    token: str = field(repr=False)
    key_hash: str | None


@dataclass(frozen=True)
class ApiDefinition:
    api_id: str
    name: str
    listen_path: str
    versions: tuple[str, ...]
    auth_header: str
    active: bool


@dataclass(frozen=True)
class TykPolicy:
    """`opens` are the APIs a key gets from it; none where the policy does not set access rights."""

    id: str
    name: str
    active: bool
    opens: frozenset[str]
    key_expires_in: int


class Dashboard:
    """`timeout` seconds is for a whole call. Redirects are not followed: the credential goes to `url` alone."""

    def __init__(
        self, url: str, credential: str, *, keys_by: KeysBy, timeout: float = 55, proxy: str | None = None
    ) -> None:
        self._timeout = timeout
        self._keys_by = keys_by
        self._client = httpx.AsyncClient(
            base_url=url.rstrip("/"),
            headers={"authorization": credential, "accept": "application/json"},
            timeout=timeout,
            proxy=proxy,
            limits=httpx.Limits(max_connections=10),
        )

    async def aclose(self) -> None:
        await self._client.aclose()

    # keys

    async def create_key(self, session: Mapping[str, Any]) -> CreatedKey:
        """POST /api/keys. Understands the Dashboard's answer (`key_id`) and the one that its tutorial shows (`key`)."""
        answer = await self._call("POST", "/api/keys", json=session)
        token = answer.get("key_id") or answer.get("key")
        if not isinstance(token, str) or not token:
            raise OutcomeUnknown("tyk_no_key", "the answer to a creation holds no key")
        key_hash = answer.get("key_hash")
        return CreatedKey(token, key_hash if isinstance(key_hash, str) and key_hash else None)

    async def update_key(self, name: str, session: Mapping[str, Any]) -> None:
        """PUT the whole session; the quota goes on where it was. Raises KeyMissing."""
        await self._call("PUT", self._path(name), json=session, params=self._named(suppress_reset="1"))

    async def read_key(self, name: str) -> dict[str, Any] | None:
        """The session, or None where Tyk itself says that it has no such key; an ingress' 404 is an error."""
        try:
            answer = await self._call("GET", self._path(name), params=self._named())
        except KeyMissing:
            return None
        data = answer.get("data", answer)
        if not isinstance(data, dict):
            raise NotTyk("tyk_unreadable", "a key's session is no object")
        return data

    async def delete_key(self, name: str) -> None:
        """DELETE. What it answers for a key that is gone proves nothing, so it counts as done: ask `read_key`."""
        try:
            await self._call("DELETE", self._path(name), params=self._named())
        except KeyMissing:
            return
        except (Rejected, Unavailable) as error:
            if error.code not in ("tyk_400", "tyk_500"):
                raise

    def _path(self, name: str) -> str:
        return f"/api/keys/{quote(name, safe='')}"

    def _named(self, **params: str) -> dict[str, str]:
        return params | ({"hashed": "true"} if self._keys_by is KeysBy.HASH else {})

    # what there is

    async def apis(self) -> tuple[ApiDefinition, ...]:
        """Every API this Dashboard user may see."""
        return tuple([_api(wrapper) async for wrapper in self._pages("/api/apis", "apis", "pages")])

    async def api(self, api_id: str) -> ApiDefinition | None:
        """One API by its public id. Tyk says 400 for one it does not know."""
        try:
            answer = await self._call("GET", f"/api/apis/{quote(api_id, safe='')}")
        except (Rejected, KeyMissing) as error:
            if "retrieve api" in str(error).lower():
                return None
            raise
        return _api(answer)

    async def policies(self) -> tuple[TykPolicy, ...]:
        return tuple([_policy(one) async for one in self._pages("/api/portal/policies", "Data", "Pages")])

    async def _pages(self, path: str, items: str, pages: str) -> AsyncIterator[dict[str, Any]]:
        """All pages; `p` counts from 1. The 2017 Dashboard says `pages: 0` for a single one."""
        for page in range(1, PAGES):
            answer = await self._call("GET", path, params={"p": str(page)})
            for item in answer.get(items) or ():
                yield item
            if page >= int(answer.get(pages) or 0):
                return

    # one call

    async def _call(
        self, method: str, path: str, *, json: Any = None, params: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        failure: DashboardError
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._client.request(method, path, json=json, params=params)
            return _meaning(response)
        except DashboardError:
            raise
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            failure = Unreachable("tyk_unreachable", type(error).__name__)
        except (TimeoutError, httpx.TimeoutException):
            failure = OutcomeUnknown("tyk_timeout", "no answer in time")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            failure = OutcomeUnknown("tyk_connection_lost", type(error).__name__)
        raise failure  # outside of the handlers: httpx's own error holds the request, and with it the token


def _meaning(response: httpx.Response) -> dict[str, Any]:
    """The answer's body, or what is wrong, told by its words first and by its status second."""
    status, answer = response.status_code, _json(response)
    if answer is None:
        if response.is_success and not response.content.strip():
            raise OutcomeUnknown("tyk_empty", "an empty answer")
        if status in (401, 429) or status >= 500:
            raise _by_status(status, "an answer that is not JSON", response)
        raise NotTyk(f"not_tyk_{status}", "what answered is not the Dashboard")
    if response.is_success:
        return answer
    said = _said(answer)
    if "Failed to save new session object to Tyk" in said and not _NEVER.search(said):
        raise OutcomeUnknown("tyk_gateway", said)  # an EOF on the way to the gateway can mean that the key was stored
    if status == 404 and not _GONE.search(said):
        raise NotTyk("not_tyk_404", "a 404 that is not the Dashboard's own")
    if _GONE.search(said):
        raise KeyMissing("tyk_key_unknown", said)
    if _NEVER.search(said):
        raise Rejected("tyk_policy_unknown" if "polic" in said.lower() else f"tyk_{status}", said)
    raise _by_status(status, said, response)


def _by_status(status: int, said: str, response: httpx.Response) -> DashboardError:
    if status == 401:
        return Unauthorised("tyk_401", said)
    if status == 403:
        return Forbidden("tyk_403", said)
    if status == 429 or status >= 500:
        return Unavailable(f"tyk_{status}", said, retry_after=_seconds(response.headers.get("retry-after")))
    if 300 <= status < 400:
        return NotTyk(f"not_tyk_{status}", "a redirect")
    return Rejected(f"tyk_{status}", said)


def _json(response: httpx.Response) -> dict[str, Any] | None:
    try:
        answer = response.json()
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _said(answer: Mapping[str, Any]) -> str:
    """Tyk's own words, with anything that could be a token or a hash struck out."""
    words = answer.get("Message") or answer.get("message") or answer.get("error") or ""
    return _SECRET.sub("[…]", str(words))[:200]


def _seconds(header: str | None) -> float | None:
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None


def _api(wrapper: Mapping[str, Any]) -> ApiDefinition:
    """Classic and OAS APIs come in the same wrapper; a bare definition is understood too."""
    definition = wrapper.get("api_definition") or wrapper
    versions = (definition.get("version_data") or {}).get("versions") or {}
    names = tuple(str(version.get("name") or name) for name, version in versions.items())
    auth = (definition.get("auth") or {}).get("auth_header_name")
    for config in (definition.get("auth_configs") or {}).values():
        auth = auth or (config or {}).get("auth_header_name")
    return ApiDefinition(
        api_id=str(definition.get("api_id") or ""),
        name=str(definition.get("name") or "").split("#")[0].strip(),
        listen_path=str((definition.get("proxy") or {}).get("listen_path") or "/"),
        versions=names or ("Default",),
        auth_header=str(auth or "Authorization"),
        active=bool(definition.get("active", True)),
    )


def _policy(policy: Mapping[str, Any]) -> TykPolicy:
    """Access rights count unless the policy is partitioned and leaves them out."""
    partitions = policy.get("partitions") or {}
    sets_rights = not any(partitions.values()) or bool(partitions.get("acl") or partitions.get("per_api"))
    return TykPolicy(
        id=str(policy.get("id") or policy.get("_id") or ""),
        name=str(policy.get("name") or ""),
        active=bool(policy.get("active", True)) and not policy.get("is_inactive"),
        opens=frozenset(policy.get("access_rights") or {}) if sets_rights else frozenset(),
        key_expires_in=int(policy.get("key_expires_in") or 0),
    )
