"""The two ports of the local Tyk, and its handles for tests and pages."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

from aiohttp import web

from bot.local.ending import ended
from bot.local.tyk.dashboard import Dashboard
from bot.local.tyk.faults import Call, Faults, Handler
from bot.local.tyk.gateway import Gateway, Shown
from bot.local.tyk.state import Api, KeyEntry, Policy, State, Switches

HOST = "127.0.0.1"
_KEY_PATH = "/api/keys/"


class LocalTyk:
    """A Tyk of one organisation and one Dashboard user. `clock` gives Unix seconds."""

    def __init__(
        self,
        credential: str = "local-tyk-dashboard-key",
        clock: Callable[[], float] = time.time,
        *,
        switches: Switches | None = None,
    ) -> None:
        self.switches = switches or Switches()
        self.faults = Faults()
        self.journal: list[Call] = []
        self.on_call: Callable[[Call], None] = _nobody_listens
        self._state = State(clock, self.switches)
        self._dashboard = Dashboard(self._state, credential)
        self._gateway = Gateway(self._state)
        self._ports = (0, 0)
        self._runners: list[web.AppRunner] = []
        self._arrival = asyncio.Condition()

    # --- running ---

    async def start(self) -> None:
        dashboard = web.Application(middlewares=[self._journaled])
        dashboard.add_routes(self._dashboard.routes())
        gateway = web.Application()
        gateway.add_routes(self._gateway.routes())
        self._ports = (await self._serve(dashboard), await self._serve(gateway))

    async def stop(self) -> None:
        self.faults.clear()
        for runner in self._runners:
            await ended(runner)
        self._runners.clear()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def dashboard_url(self) -> str:
        return f"http://{HOST}:{self._ports[0]}"

    @property
    def gateway_url(self) -> str:
        return f"http://{HOST}:{self._ports[1]}"

    @property
    def credential(self) -> str:
        return self._dashboard.credential

    @credential.setter
    def credential(self, rotated: str) -> None:
        self._dashboard.credential = rotated

    async def _serve(self, application: web.Application) -> int:
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)  # an access log would hold tokens
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, HOST, 0).start()
        return int(runner.addresses[0][1])

    # --- what there is ---

    @property
    def org_id(self) -> str:
        return self._state.org_id

    @property
    def apis(self) -> dict[str, Api]:
        return self._state.apis

    @property
    def policies(self) -> dict[str, Policy]:
        return self._state.policies

    @property
    def keys(self) -> list[KeyEntry]:
        """Every key that was ever made, in the order of making."""
        return self._state.keys

    def add_api(
        self,
        api_id: str,
        name: str,
        listen_path: str,
        *,
        auth_header: str = "Authorization",
        versions: Iterable[str] = ("Default",),
        active: bool = True,
        oas: bool = False,
        schemes: Iterable[str] = ("token",),
        **fields: Any,
    ) -> Api:
        """`fields` are the others of Api."""
        api = Api(
            api_id, name, listen_path, auth_header, tuple(versions), active, oas, schemes=tuple(schemes), **fields
        )
        self._state.apis[api_id] = api
        return api

    def add_policy(self, policy_id: str, *, opens: Iterable[str] = (), name: str = "", **fields: Any) -> Policy:
        """`opens` are ids of APIs, for which access rights are written; `fields` are those of Policy."""
        policy = Policy(policy_id, name or policy_id, **fields)
        policy.access_rights |= {api_id: self._right(api_id) for api_id in opens}
        self._state.policies[policy_id] = policy
        return policy

    def find(self, name: str) -> KeyEntry | None:
        """The living key of this token or hash."""
        return self._state.find(name, hashed=False) or self._state.find(name, hashed=True)

    def delete_by_hand(self, name: str) -> None:
        """Somebody with the Dashboard deletes the key of this token or hash. KeyError for one that does not live."""
        self._state.delete(self._living(name))

    def change_by_hand(self, name: str, **fields: Any) -> None:
        """Somebody with the Dashboard gives these fields of its session other values."""
        self._living(name).session |= fields

    def make_by_hand(self, session: Mapping[str, Any]) -> KeyEntry:
        """Somebody with the Dashboard makes a key."""
        return self._state.create(dict(session))

    def _living(self, name: str) -> KeyEntry:
        found = self.find(name)
        if found is None:
            raise KeyError(name)
        return found

    def usable_keys(self, now: float | None = None) -> list[KeyEntry]:
        """The keys that would open something now, or at `now`."""
        return self._state.usable_keys(self._state.clock() if now is None else now)

    def opens(self, token: str, listen_path: str) -> tuple[int, dict[str, Any]]:
        """The Gateway's answer to a caller with this token, wherever the API looks for one: status and body."""
        return self._gateway.answer("GET", listen_path, Shown(lambda _: token, lambda _: token, lambda _: token))

    def forget_sessions(self) -> None:
        """The ten seconds are over for which the Gateway lets through what was deleted."""
        self._gateway.forget()

    def _right(self, api_id: str) -> Mapping[str, Any]:
        api = self._state.apis.get(api_id)
        return {
            "api_id": api_id,
            "api_name": api.name if api else api_id,
            "versions": list(api.versions if api else ()),
        }

    # --- what was called ---

    def calls(self, prefix: str = "") -> list[Call]:
        """The Dashboard's calls so far whose "METHOD /path" begins so."""
        return [call for call in self.journal if f"{call.method} {call.path}".startswith(prefix)]

    async def called(self, prefix: str, times: int = 1) -> list[Call]:
        """Wait until such calls have come in, answered or not."""
        async with self._arrival:
            await self._arrival.wait_for(lambda: len(self.calls(prefix)) >= times)
        return self.calls(prefix)

    @web.middleware
    async def _journaled(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        call = Call(request.method, self._masked(request), await _body(request), at=self._state.clock())
        async with self._arrival:
            self.journal.append(call)
            self._arrival.notify_all()
        self.on_call(call)
        started = time.perf_counter()
        try:
            response = await self.faults.around(request, handler)
            call.status = response.status if response is not None else None
        except web.HTTPException as error:
            call.status = error.status
            raise
        finally:
            call.ms = (time.perf_counter() - started) * 1000
            self.on_call(call)
        if response is None:
            if request.transport is not None:
                request.transport.close()
            return web.Response()
        return response

    def _masked(self, request: web.Request) -> str:
        """The path and the query; the name of a key becomes its hash."""
        path = request.path
        name = path.removeprefix(_KEY_PATH)
        if path.startswith(_KEY_PATH) and name != "detailed" and not request.query.get("hashed"):
            path = _KEY_PATH + self._state.hash_of(name)
        return path + (f"?{request.query_string}" if request.query_string else "")


def _nobody_listens(_call: Call) -> None:
    """The listener for calls, until somebody wants to hear of them."""


async def _body(request: web.Request) -> Any:
    text = await request.text()
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text
