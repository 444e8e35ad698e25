"""A local Tyk on two loopback ports."""

from __future__ import annotations

import time
from collections.abc import Callable

from aiohttp import web

from bot.sandbox.tyk import gateway
from bot.sandbox.tyk.dashboard import Dashboard
from bot.sandbox.tyk.faults import Faults, Journal
from bot.sandbox.tyk.state import Api, KeyEntry, Policy, State

ORG_ID = "53ac07777cbb8c2d53000002"
CREDENTIAL = "sandbox-dashboard-credential"


class LocalTyk:
    """`start` before use, `stop` after. `clock` returns Unix seconds."""

    def __init__(
        self,
        *,
        credential: str = CREDENTIAL,
        clock: Callable[[], float] = time.time,
        hex_tokens: bool = False,
        hash_keys: bool = True,
        by_hash: bool = True,
    ) -> None:
        self.state = State(ORG_ID, clock, hex_tokens=hex_tokens, hash_keys=hash_keys)
        self.faults = Faults()
        self.journal = Journal()
        self.dashboard = Dashboard(self.state, self.faults, self.journal, credential, by_hash=by_hash)
        self._runners: list[web.AppRunner] = []
        self.dashboard_url = ""
        self.gateway_url = ""

    async def start(self) -> None:
        self.dashboard_url = await self._serve(self.dashboard.application())
        self.gateway_url = await self._serve(gateway.application(self.state))

    async def stop(self) -> None:
        self.faults.release()
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()

    async def __aenter__(self) -> LocalTyk:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _serve(self, app: web.Application) -> str:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self._runners.append(runner)
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    def add_api(self, api: Api) -> None:
        self.state.apis[api.api_id] = api

    def add_policy(self, policy: Policy) -> None:
        self.state.policies[policy.id] = policy

    @property
    def keys(self) -> list[KeyEntry]:
        return self.state.keys

    def opens(self, token: str, path: str) -> tuple[int, str]:
        """What the gateway answers to this token: the status, and its words where it refuses."""
        api = self.state.api_at(path)
        header = api.auth_header if api else "Authorization"
        status, body = gateway.answer(self.state, "GET", path, {header: token})
        return status, str(body.get("error", ""))
