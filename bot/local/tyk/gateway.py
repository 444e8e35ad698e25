"""The Gateway's port: an API opens to a key, or says in Tyk's own words why not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from bot.local.tyk.state import DISALLOWED, Api, State


class Gateway:
    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/hello", self.hello), web.route("*", "/{path:.*}", self.serve)]

    async def hello(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "pass", "version": "v5.0.0", "description": "Tyk GW", "details": {}})

    async def serve(self, request: web.Request) -> web.Response:
        status, body = self.answer(request.method, request.path, request.headers.get)
        return web.json_response(body, status=status)

    def answer(self, method: str, path: str, header: Callable[[str], str | None]) -> tuple[int, dict[str, Any]]:
        """What a call of `path` with these headers gets."""
        api = self._api_at(path)
        if api is None:
            return 404, {"error": "Not Found"}
        token = (header(api.auth_header) or "").removeprefix("Bearer ").strip()
        if not token:
            return 401, {"error": "Authorization field missing"}
        entry = self._state.find_presented(token)
        if entry is None:
            return 403, {"error": DISALLOWED}
        refused = self._state.admission(entry, api, self._state.clock())
        if refused is not None:
            return refused[0], {"error": refused[1]}
        return 200, {"method": method, "path": path, "api": api.name}

    def _api_at(self, path: str) -> Api | None:
        """The API with the longest listen path that this path begins with."""
        active = [api for api in self._state.apis.values() if api.active]
        fitting = [api for api in active if f"{path}/".startswith(f"{api.listen_path.rstrip('/')}/")]
        return max(fitting, key=lambda api: len(api.listen_path), default=None)
