"""The Dashboard's endpoints that a key desk uses, with its envelopes and its oddities."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from bot.sandbox.tyk.faults import Call, Fault, Faults, Journal
from bot.sandbox.tyk.state import FULL_SESSION, KeyEntry, State, TykError

PAGE = 10


class Dashboard:
    """`by_hash` stands for enable_update_key_by_hash and enable_delete_key_by_hash."""

    def __init__(self, state: State, faults: Faults, journal: Journal, credential: str, *, by_hash: bool) -> None:
        self._state = state
        self._faults = faults
        self._journal = journal
        self.credential = credential
        self._by_hash = by_hash

    def application(self) -> web.Application:
        app = web.Application(middlewares=[web.middleware(self._door)])
        app.router.add_post("/api/keys", self._create)
        app.router.add_get("/api/keys/detailed", self._detailed)
        app.router.add_get("/api/keys/{name}", self._read)
        app.router.add_put("/api/keys/{name}", self._update)
        app.router.add_delete("/api/keys/{name}", self._delete)
        app.router.add_get("/api/apis", self._apis)
        app.router.add_get("/api/apis/{api_id}", self._api)
        app.router.add_get("/api/portal/policies", self._policies)
        return app

    async def _door(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Faults first, then the credential, then the record of what was asked."""
        path = "/api/keys/*" if "name" in request.match_info else request.path
        if self._faults.away:
            return _cut(request)
        fault = self._faults.take(f"{request.method} {path}")
        if fault is not None and not fault.act:
            return await self._fail(request, path, fault)
        body = await _body(request)
        if request.headers.get("authorization") != self.credential:
            answer: web.StreamResponse = _error(401, "Not authorised")
        else:
            try:
                answer = await handler(request)
            except TykError as error:
                answer = _error(error.status, error.message)
            except web.HTTPNotFound:
                answer = web.Response(status=404, text="404 page not found")
        self._write(request, path, body, answer.status)
        if fault is not None:
            return await self._fail(request, path, fault)
        return answer

    async def _fail(self, request: web.Request, path: str, fault: Fault) -> web.StreamResponse:
        if fault.hang:
            await self._faults.hold()
        if fault.hang or fault.drop:
            return _cut(request)
        if fault.empty:
            return web.Response(status=fault.status or 200)
        status = fault.status or 500
        if not fault.act:
            self._write(request, path, None, status)
        return web.json_response(fault.body, status=status) if fault.body is not None else _error(status, "Failed.")

    def _write(self, request: web.Request, path: str, body: Any, status: int) -> None:
        self._journal.write(Call(self._state.clock(), request.method, path, body, status))

    # keys

    async def _create(self, request: web.Request) -> web.Response:
        session = await _session(request)
        if not session.keys() >= FULL_SESSION:
            return web.Response(status=200)
        try:
            entry = self._state.create(session)
        except TykError as error:
            if error.status != 500:
                raise
            wrapped = f"Failed to save new session object to Tyk: Failed to create key - {error.message}"
            raise TykError(500, wrapped) from None
        return web.json_response(self._key_data(entry))

    async def _read(self, request: web.Request) -> web.Response:
        return web.json_response(self._key_data(self._find(request)))

    async def _update(self, request: web.Request) -> web.Response:
        self._may_use_hash(request)
        entry = self._find(request)
        self._state.replace(entry, await _session(request), suppress_reset="suppress_reset" in request.query)
        return web.json_response({"Status": "OK", "Message": "Key updated", "Meta": ""})

    async def _delete(self, request: web.Request) -> web.Response:
        self._may_use_hash(request)
        entry = self._state.find(request.match_info["name"], hashed=_is_hashed(request))
        if entry is None:
            raise TykError(400, "Failed to remove the key")
        entry.deleted = True
        return web.json_response({"Status": "OK", "Message": "Key deleted successfully.", "Meta": None})

    async def _detailed(self, request: web.Request) -> web.Response:
        alive = [entry for entry in self._state.keys if not entry.deleted]
        page, pages = _page(request, alive)
        return web.json_response({"keys": [self._key_data(entry, token=False) for entry in page], "pages": pages})

    def _find(self, request: web.Request) -> KeyEntry:
        entry = self._state.find(request.match_info["name"], hashed=_is_hashed(request))
        if entry is None:
            raise TykError(404, "Could not retrieve key detail.")
        return entry

    def _may_use_hash(self, request: web.Request) -> None:
        if _is_hashed(request) and not self._by_hash:
            raise TykError(404, "Could not retrieve key detail.")

    def _key_data(self, entry: KeyEntry, *, token: bool = True) -> dict[str, Any]:
        data: dict[str, Any] = {"api_model": {}, "data": entry.session}
        if token:
            data["key_id"] = entry.token
        if self._state.hash_keys:
            data["key_hash"] = entry.key_hash
        return data

    # what there is

    async def _apis(self, request: web.Request) -> web.Response:
        page, pages = _page(request, list(self._state.apis.values()))
        return web.json_response({"apis": [self._definition(api.api_id) for api in page], "pages": pages})

    async def _api(self, request: web.Request) -> web.Response:
        if request.match_info["api_id"] not in self._state.apis:
            raise TykError(400, "Could not retrieve API detail")
        return web.json_response(self._definition(request.match_info["api_id"]))

    def _definition(self, api_id: str) -> dict[str, Any]:
        api = self._state.apis[api_id]
        definition = {
            "api_id": api.api_id,
            "name": api.name,
            "org_id": self._state.org_id,
            "active": api.active,
            "use_standard_auth": True,
            "auth": {"auth_header_name": api.auth_header},
            "proxy": {"listen_path": api.listen_path, "strip_listen_path": True},
            "version_data": {"not_versioned": True, "versions": {name: {"name": name} for name in api.versions}},
        }
        return {"api_definition": definition, "api_model": {}, "hook_references": [], "is_site": False}

    async def _policies(self, request: web.Request) -> web.Response:
        page, pages = _page(request, list(self._state.policies.values()))
        policies = [
            {
                "_id": policy.id,
                "id": "",
                "name": policy.id,
                "org_id": self._state.org_id,
                "active": policy.active,
                "is_inactive": not policy.active,
                "rate": policy.rate,
                "per": policy.per,
                "quota_max": policy.quota_max,
                "quota_renewal_rate": policy.quota_renewal_rate,
                "key_expires_in": policy.key_expires_in,
                "access_rights": dict(policy.access_rights),
                "partitions": {"quota": not policy.sets_rights, "rate_limit": not policy.sets_rights, "acl": False},
            }
            for policy in page
        ]
        return web.json_response({"Data": policies, "Pages": pages})


def _is_hashed(request: web.Request) -> bool:
    return bool(request.query.get("hashed"))


async def _body(request: web.Request) -> Any:
    try:
        return await request.json() if request.can_read_body else None
    except json.JSONDecodeError:
        return None


async def _session(request: web.Request) -> dict[str, Any]:
    session = await _body(request)
    if not isinstance(session, dict):
        raise TykError(403, "Request body malformed.")
    return dict(session)


def _page(request: web.Request, items: list[Any]) -> tuple[list[Any], int]:
    """Pages of ten, counted from 1; nought or less is everything."""
    number = int(request.query.get("p", "1"))
    if number <= 0:
        return items, 1
    return items[(number - 1) * PAGE : number * PAGE], max(1, -(-len(items) // PAGE))


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"Status": "Error", "Message": message, "Meta": None}, status=status)


def _cut(request: web.Request) -> web.Response:
    """The connection is closed without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=499)
