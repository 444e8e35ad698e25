"""The gateway's port: a live key opens its API, a dead one gets Tyk's own error."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from bot.sandbox.tyk.state import State


def application(state: State) -> web.Application:
    async def handle(request: web.Request) -> web.Response:
        status, body = answer(state, request.method, request.path, dict(request.headers))
        return web.json_response(body, status=status)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    return app


def answer(state: State, method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """Status and body, as a real gateway was measured to answer."""
    api = state.api_at(path)
    if api is None:
        return 404, {"error": "Not Found"}
    token = headers.get(api.auth_header) or headers.get(api.auth_header.lower())
    if not token:
        return 401, {"error": "Authorization field missing"}
    entry = state.find(token.removeprefix("Bearer "), hashed=False)
    if entry is None:
        return 403, {"error": "Access to this API has been disallowed"}
    if state.is_expired(entry):
        return 401, {"error": "Key has expired, please renew"}
    if entry.session.get("is_inactive"):
        return 403, {"error": "Key is inactive, please renew"}
    if api.api_id not in state.rights(entry):
        return 403, {"error": "Access to this API has been disallowed"}
    return 200, {"method": method, "path": path, "api": api.name}
