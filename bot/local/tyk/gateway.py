"""The Gateway's port: an API opens to a key, or says in Tyk's own words why not.

It is a node that the Dashboard did not ask: what it has let through is remembered for ten seconds (`local_session_cache`), and so
is let through for as long after it was deleted. A changed session it knows at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from bot.local.tyk.state import DISALLOWED, Api, KeyEntry, State

CACHED_FOR = 10.0
_MISSING = "Authorization field missing"
_NO_BASIC = "Attempted access with malformed header, header not in basic auth format"

Answer = tuple[int, dict[str, Any]]
Look = Callable[[str], str | None]


@dataclass(frozen=True)
class Shown:
    """The headers, query parameters and cookies that a caller shows, by name."""

    header: Look
    query: Look = lambda _: None
    cookie: Look = lambda _: None


class Gateway:
    def __init__(self, state: State) -> None:
        self._state = state
        # By the token that was shown: the key, and until when it is taken for alive.
        self._cached: dict[str, tuple[KeyEntry, float]] = {}

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/hello", self.hello), web.route("*", "/{path:.*}", self.serve)]

    async def hello(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "pass", "version": "v5.0.0", "description": "Tyk GW", "details": {}})

    async def serve(self, request: web.Request) -> web.Response:
        shown = Shown(request.headers.get, request.query.get, request.cookies.get)
        status, body = self.answer(request.method, request.path, shown)
        return web.json_response(body, status=status)

    def answer(self, method: str, path: str, shown: Shown) -> Answer:
        """The answer to a call of `path`: the first refusal of what the API asks for, in the order in which a Gateway looks."""
        api = self._api_at(path)
        if api is None:
            return 404, {"error": "Not Found"}
        for scheme in _ORDER:
            if scheme in api.schemes and (refused := self._refused(scheme, api, shown)) is not None:
                self._record(api, path, shown, refused[0])
                return refused[0], {"error": refused[1]}
        self._record(api, path, shown, 200)
        return 200, {"method": method, "path": path, "api": api.name}

    def _record(self, api: Api, path: str, shown: Shown, status: int) -> None:
        """Analytics have a call under the key that it showed, be it refused or not."""
        entry = self._state.find_presented(_presented(api, shown)) if "token" in api.schemes else None
        if entry is not None:
            self._state.record(entry, api, path, status)

    def _refused(self, scheme: str, api: Api, shown: Shown) -> tuple[int, str] | None:
        if scheme == "token":
            return self._token_refused(api, _presented(api, shown))
        return _REFUSALS[scheme](shown.header("Authorization") or "")

    def _token_refused(self, api: Api, token: str) -> tuple[int, str] | None:
        if not token:
            return 401, _MISSING
        entry, now = self._cached_or_found(token), self._state.clock()
        return (403, DISALLOWED) if entry is None else self._state.admission(entry, api, now)

    def _cached_or_found(self, token: str) -> KeyEntry | None:
        cached, until = self._cached.get(token, (None, 0.0))
        if cached is not None and self._state.clock() < until:
            return replace(cached, dead=None)
        found = self._state.find_presented(token)
        if found is not None and self._state.switches.local_session_cache:
            self._cached[token] = (found, self._state.clock() + CACHED_FOR)
        return found

    def forget(self) -> None:
        """Ten seconds are over."""
        self._cached.clear()

    def _api_at(self, path: str) -> Api | None:
        """The API with the longest listen path that this path begins with."""
        active = [api for api in self._state.apis.values() if api.active]
        fitting = [api for api in active if f"{path}/".startswith(f"{api.listen_path.rstrip('/')}/")]
        return max(fitting, key=lambda api: len(api.listen_path), default=None)


def _presented(api: Api, shown: Shown) -> str:
    return _token(api, shown).removeprefix("Bearer ").strip()


def _token(api: Api, shown: Shown) -> str:
    """The token that counts: of several, the cookie's before the query parameter's, and that before the header's."""
    looks = ((api.cookie, shown.cookie), (api.query, shown.query), (api.in_header and api.auth_header, shown.header))
    return next((found for name, look in looks if name and (found := look(name))), "")


def _no_jwt(shown: str) -> tuple[int, str]:
    return (403, "Key not authorized") if shown else (400, _MISSING)


def _no_oauth(shown: str) -> tuple[int, str]:
    """A token of ours, shown as an OAuth client's, belongs to no client."""
    kind, _, rest = shown.partition(" ")
    if not rest:
        return 400, _MISSING
    if kind.lower() != "bearer":
        return 400, "Bearer token malformed"
    return 403, "Key not authorised"


# What the Gateway says to somebody who has nothing but a token of ours.
_REFUSALS: dict[str, Callable[[str], tuple[int, str]]] = {
    "mtls": lambda _: (403, "Client TLS certificate is required"),
    "oauth": _no_oauth,
    "basic": lambda shown: (400, _NO_BASIC) if shown else (401, _MISSING),
    "hmac": lambda _: (400, "Authorization field missing, malformed or invalid"),
    "jwt": _no_jwt,
    "openid": lambda _: (401, "Key not authorised"),
    "plugin": lambda _: (403, "Key not authorised"),
}
_ORDER = (*_REFUSALS, "token")
