"""The HTTP side: /healthz, /readyz, /metrics and, in HTTP mode, the address that Slack sends to."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Readiness = Callable[[], Awaitable[Mapping[str, object]]]
SLACK_PATH = "/slack/events"


class PortError(Exception):
    """Nobody can be listened to at this address. Its text is a sentence for the operator."""


def application(readiness: Readiness, slack: Handler | None) -> web.Application:
    """`readiness` returns what is ready and what not, under `ready` the verdict."""
    app = web.Application(client_max_size=1 << 20)

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def readyz(_request: web.Request) -> web.Response:
        found = await readiness()
        return web.Response(
            text=json.dumps(found), status=200 if found["ready"] else 503, content_type="application/json"
        )

    async def metrics(_request: web.Request) -> web.Response:
        await readiness()  # it counts what is open and what is parked
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    if slack is not None:
        app.router.add_post(SLACK_PATH, slack)
    return app


@asynccontextmanager
async def serving(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve until the block ends; yields the port in use, which port 0 leaves to the system. Raises PortError."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else "no such address"
            raise PortError(f"HTTP_HOST and HTTP_PORT: nothing can listen at {host}:{port}: {why}.") from None
        assert runner.addresses, "a started site has an address"
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
