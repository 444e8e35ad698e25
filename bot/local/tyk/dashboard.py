"""The Dashboard's API: keys, APIs and policies, in Tyk's own words."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiohttp import web

from bot.local.tyk import analytics, definitions
from bot.local.tyk.state import KeyEntry, RefusedError, Session, State, page_of

_NUMBERS = ("allowance", "rate", "per", "expires", "quota_max", "quota_renews", "quota_remaining", "quota_renewal_rate")
_WANTED = {*_NUMBERS, "access_rights", "meta_data"}
_NO_KEY = "Could not retrieve key detail."
_DAYS: Final = ("startDay", "startMonth", "startYear", "EndDay", "EndMonth", "EndYear")
_IN_DAYS: Final = "/".join(f"{{{part}}}" for part in _DAYS)
_HEXADECIMAL: Final = re.compile("[0-9a-f]+")
_INVALID = "User/Key object validation failed, most likely malformed input."


class _AnsweredError(Exception):
    """The answer is clear before the end of a handler."""

    def __init__(self, response: web.Response) -> None:
        super().__init__()
        self.response = response


class Dashboard:
    def __init__(self, state: State, credential: str) -> None:
        self._state = state
        self.credential = credential

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/api/keys", self._guarded(self.create)),
            web.get("/api/keys/detailed", self._guarded(self.list_keys)),
            web.post("/api/keys/{name}", self._guarded(self.create_chosen)),
            web.get("/api/keys/{name}", self._guarded(self.read)),
            web.put("/api/keys/{name}", self._guarded(self.update)),
            web.delete("/api/keys/{name}", self._guarded(self.delete)),
            web.get("/api/apis", self._guarded(self.list_apis)),
            web.get("/api/apis/{api_id}", self._guarded(self.read_api)),
            web.get("/api/mcps", self._guarded(self.list_mcps)),
            web.get("/api/mcps/{api_id}", self._guarded(self.read_mcp)),
            web.get("/api/portal/policies", self._guarded(self.list_policies)),
            web.get("/api/users", self._guarded(self.list_users)),
            web.get(f"/api/activity/keys/{{name}}/{_IN_DAYS}", self._guarded(self.activity)),
            web.get(f"/api/activity/mcp/keys/{{name}}/{_IN_DAYS}", self._guarded(self.mcp_activity)),
        ]

    # --- keys ---

    async def create(self, request: web.Request) -> web.Response:
        return self._made(self._state.create(await self._session(request, _nothing())))

    async def create_chosen(self, request: web.Request) -> web.Response:
        session = await self._session(request, _nothing())
        return self._made(self._state.create_chosen(request.match_info["name"], session))

    async def read(self, request: web.Request) -> web.Response:
        self._check_naming(request, allowed=True)
        entry = self._named(request)
        return _error(404, _NO_KEY) if entry is None else web.json_response(self._key_data(entry, request))

    async def update(self, request: web.Request) -> web.Response:
        self._check_naming(request, allowed=self._state.switches.enable_update_key_by_hash)
        session = await self._session(request, _error(400, _INVALID))
        entry = self._named(request)
        if entry is None:
            return _error(404, _NO_KEY)
        self._state.replace(entry, session, suppress_reset=bool(request.query.get("suppress_reset")))
        if self._state.switches.gateway_answers:
            return web.json_response({"Status": "OK", "Message": "Key updated", "Meta": ""})
        return web.json_response(self._key_data(entry, request))

    async def delete(self, request: web.Request) -> web.Response:
        self._check_naming(request, allowed=self._state.switches.enable_delete_key_by_hash)
        entry = self._named(request)
        if entry is None:
            return _error(400, "Failed to remove the key")
        self._state.delete(entry)
        return web.json_response({"Status": "OK", "Message": "Key deleted successfully.", "Meta": None})

    async def list_keys(self, request: web.Request) -> web.Response:
        switches = self._state.switches
        if switches.hash_keys and not switches.enable_hashed_keys_listing:
            return _error(404, "Could not retrieve keys.")
        listed, pages = page_of(self._state.living(), _page(request), switches.page_size)
        return web.json_response({"keys": [self._listed_key(entry) for entry in listed], "pages": pages})

    # --- APIs and policies ---

    async def list_apis(self, request: web.Request) -> web.Response:
        number = _page(request)
        if number < 0 and self._state.switches.refuse_all_pages:
            return _error(400, "Could not retrieve APIs.")
        rest = [api for api in self._state.apis.values() if not api.mcp]
        listed, pages = page_of(rest, number, self._state.switches.page_size)
        return web.json_response(
            {"apis": [definitions.wrapped(api, self._state.org_id) for api in listed], "pages": pages}
        )

    async def read_api(self, request: web.Request) -> web.Response:
        api = self._state.api(request.match_info["api_id"])
        if api is None or api.mcp:
            return _error(400, "Could not retrieve API detail")
        return web.json_response(definitions.wrapped(api, self._state.org_id))

    async def list_mcps(self, request: web.Request) -> web.Response:
        self._check_mcps()
        proxies = [api for api in self._state.apis.values() if api.mcp]
        listed, pages = page_of(proxies, _page(request), self._state.switches.page_size)
        return web.json_response({"mcps": [definitions.oas(api, self._state.org_id) for api in listed], "pages": pages})

    async def read_mcp(self, request: web.Request) -> web.Response:
        self._check_mcps()
        api = self._state.api(request.match_info["api_id"])
        if api is None:
            return _error(404, "Could not retrieve API detail")
        if not api.mcp:
            return _error(400, "API is not an MCP proxy")
        return web.json_response(definitions.oas(api, self._state.org_id))

    async def list_policies(self, request: web.Request) -> web.Response:
        policies = list(self._state.policies.values())
        listed, pages = page_of(policies, _page(request), self._state.switches.page_size)
        return web.json_response(
            {"Data": [definitions.listed_policy(one, self._state.org_id) for one in listed], "Pages": pages}
        )

    async def list_users(self, request: web.Request) -> web.Response:
        users = [
            {"id": "u1", "email_address": "alice@example.com", "access_key": "x1y2", "user_permissions": {}},
            {"id": "u2", "access_key": self.credential, "user_permissions": dict(self._state.switches.users or {})},
        ]
        return web.json_response({"users": users, "pages": 1})

    # --- analytics ---

    async def activity(self, request: web.Request) -> web.Response:
        """The calls of APIs with a key: by its hash where Tyk hashes keys, which is in hexadecimal digits, else by itself."""
        name = request.match_info["name"]
        if self._state.switches.hash_keys and not _HEXADECIMAL.fullmatch(name):
            return _error(400, "Key could not be decoded.")
        return self._rows(request, mcp=False)

    async def mcp_activity(self, request: web.Request) -> web.Response:
        """The calls of MCP proxies, which a Dashboard before 5.13 does not know."""
        self._check_mcps()
        name = request.match_info["name"]
        if not any(name in (entry.hash, entry.token) for entry in self._state.keys):
            return _error(404, "Key not found")
        return self._rows(request, mcp=True)

    def _rows(self, request: web.Request, *, mcp: bool) -> web.Response:
        between = analytics.days(request.match_info[part] for part in _DAYS)
        if between is None:
            return _error(400, "Invalid date range.")
        name, (first, end) = request.match_info["name"], between
        hits = [hit for hit in self._state.hits if hit.key == name and hit.api.mcp is mcp and first <= hit.at < end]
        rows = analytics.endpoints(hits)
        if rows is None:
            return web.json_response({"data": None, "pages": 0})
        listed, pages = page_of(rows, _page(request), self._state.switches.page_size)
        return web.json_response({"data": listed, "pages": pages})

    # --- what all share ---

    def _guarded(
        self, handler: Callable[[web.Request], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def guarded(request: web.Request) -> web.Response:
            if request.headers.get("authorization") != self.credential:
                return _error(401, "Not authorised")
            if not self._permits(request):
                return _error(403, f"access denied: You do not have permission to access  {request.path}")
            try:
                return await handler(request)
            except _AnsweredError as answered:
                return answered.response
            except RefusedError as refused:
                return _error(refused.status, f"Failed to save new session object to Tyk: {refused.message}")

        return guarded

    def _permits(self, request: web.Request) -> bool:
        if request.path.startswith("/api/activity/"):
            return self._state.switches.analytics == "read"
        if request.path == "/api/users":
            return self._state.switches.users is not None
        may = self._state.switches.keys
        return not request.path.startswith("/api/keys") or may == "write" or (may == "read" and request.method == "GET")

    async def _session(self, request: web.Request, when_incomplete: web.Response) -> Session:
        """The session that was sent, as far as the Dashboard looks at it before it asks the Gateway."""
        session = await _json(request)
        if session is None:
            raise _AnsweredError(_error(403, "Request body malformed."))
        if not session.keys() >= _WANTED:
            raise _AnsweredError(when_incomplete)
        if not _is_well_formed(session):
            raise _AnsweredError(_error(400, _INVALID))
        if self._state.switches.refuse_unknown_apis and not session["access_rights"].keys() <= self._state.apis.keys():
            raise _AnsweredError(_error(403, "User does not have permission to add API to key Access Rights!"))
        return session

    def _check_naming(self, request: web.Request, *, allowed: bool) -> None:
        """A key may be changed by its hash where that is switched on."""
        if not _by_hash(request):
            return
        if not self._state.switches.hash_keys:
            raise _AnsweredError(_error(400, "Key requested by hash but key hashing is not enabled"))
        if not allowed:
            raise _AnsweredError(_error(400, "Keys cannot be changed by their hash."))

    def _check_mcps(self) -> None:
        """A Dashboard before 5.13 has no such path; a later one asks for a permission of its own."""
        match self._state.switches.mcps:
            case "unknown":
                raise web.HTTPNotFound
            case "forbidden":
                raise _AnsweredError(_error(403, "access denied: You do not have permission to access /api/mcps"))

    def _named(self, request: web.Request) -> KeyEntry | None:
        return self._state.find(request.match_info["name"], hashed=_by_hash(request))

    def _made(self, entry: KeyEntry) -> web.Response:
        answer: dict[str, Any]
        if self._state.switches.gateway_answers:
            answer = {"action": "create", "key": entry.token, "status": "ok"}
        else:
            answer = {"api_model": {}, "key_id": entry.token, "data": self._state.shown(entry)}
        if self._state.switches.hash_keys:
            answer["key_hash"] = entry.hash
        return web.json_response(answer)

    def _key_data(self, entry: KeyEntry, request: web.Request) -> dict[str, Any]:
        data = {"api_model": {}, "key_id": request.match_info["name"], "data": self._state.shown(entry)}
        return data | ({"key_hash": entry.hash} if self._state.switches.hash_keys else {})

    def _listed_key(self, entry: KeyEntry) -> dict[str, Any]:
        name = {"key_hash": entry.hash} if self._state.switches.hash_keys else {"key_id": entry.token}
        return {"api_model": {}, "data": self._state.shown(entry), **name}


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"Status": "Error", "Message": message, "Meta": None}, status=status)


def _nothing() -> web.Response:
    """The answer of a real one to an incomplete object: nothing."""
    return web.Response()


def _by_hash(request: web.Request) -> bool:
    return bool(request.query.get("hashed"))


def _page(request: web.Request) -> int:
    try:
        return int(request.query.get("p", "1"))
    except ValueError:
        return 1


async def _json(request: web.Request) -> Session | None:
    try:
        body = json.loads(await request.text())
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _is_well_formed(session: Mapping[str, Any]) -> bool:
    rights = session["access_rights"]
    numbers = all(isinstance(session[name], int | float) and not isinstance(session[name], bool) for name in _NUMBERS)
    return (
        numbers
        and isinstance(session["meta_data"], dict)
        and isinstance(rights, dict)
        and all(
            isinstance(right, dict) and {"api_id", "api_name", "versions"} <= right.keys() for right in rights.values()
        )
    )
