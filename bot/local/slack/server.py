"""The local Slack as one object: state, server, people, troubles, journal."""

import asyncio
import json
import random
import time
from collections.abc import Collection, Coroutine, Iterable
from typing import Any, Self

from aiohttp import web

from bot.local.ending import ended
from bot.local.slack import payloads
from bot.local.slack.client import Person
from bot.local.slack.delivery import Ack, HttpDelivery, Transport
from bot.local.slack.faults import Faults
from bot.local.slack.installed import Installed, Shortcut
from bot.local.slack.journal import AppError, Changes, Clock, Journal, Json
from bot.local.slack.parts import Parts
from bot.local.slack.posting import ApiError, Posting
from bot.local.slack.rate_limits import RateLimits
from bot.local.slack.socket_mode import SocketHub
from bot.local.slack.triggers import ResponseUrls, Triggers
from bot.local.slack.web_api import WebApi, methods
from bot.local.slack.workspace import Workspace

BOT_TOKEN = "xoxb-sandbox"
APP_TOKEN = "xapp-sandbox"
SCOPES = (
    "commands",
    "chat:write",
    "im:write",
    "users:read",
    "users:read.email",
    "usergroups:read",
    "channels:read",
    "groups:read",
)
RETRY_DELAYS = (4.0, 60.0, 300.0)
_RESPONSE_ERRORS = {"invalid_url": 404, "used_url": 404, "expired_url": 404}


class LocalSlack:
    """A Slack on 127.0.0.1. With `request_url` it delivers by signed HTTP requests, else by Socket Mode."""

    def __init__(
        self,
        *,
        bot_token: str = BOT_TOKEN,
        app_token: str = APP_TOKEN,
        scopes: Iterable[str] = SCOPES,
        commands: Collection[str] | None = None,
        events: Collection[str] | None = None,
        rate_limits: bool | RateLimits = True,
        clock: Clock = time.time,
        ack_seconds: float = 3.0,
        event_retry_delays: tuple[float, ...] = RETRY_DELAYS,
        request_url: str | None = None,
        signing_secret: str = "",
    ) -> None:
        rng = random.Random(1)
        self._port = 0  # any free one, and the same when it starts again
        self.clock = clock
        self.changes = Changes()
        self.journal = Journal(clock, self.changes)
        self.faults = Faults()
        self.workspace = Workspace(clock, self.changes, rng)
        self.workspace.on_event = self._on_event
        self.sockets = SocketHub(self.journal, self.changes, rng, self.workspace.app_id, ack_seconds)
        self._http = HttpDelivery(request_url, signing_secret, self.journal, ack_seconds) if request_url else None
        transport: Transport = self._http or self.sockets
        posting = Posting(self.workspace, self.journal)
        self._parts = Parts(
            clock=clock,
            rng=rng,
            changes=self.changes,
            journal=self.journal,
            workspace=self.workspace,
            posting=posting,
            triggers=Triggers(clock, rng),
            response_urls=ResponseUrls(self.workspace, posting, self.journal, clock, rng),
            faults=self.faults,
            limits=rate_limits if isinstance(rate_limits, RateLimits) else RateLimits(enabled=rate_limits),
            scopes=frozenset(scopes),
            transport=transport,
            bot_token=bot_token,
            app_token=app_token,
            commands=commands,
            events=events,
        )
        self.web_api = WebApi(self._parts, self._new_link)
        self._retry_delays = event_retry_delays
        self._event_count = 0
        self._persons: dict[str, Person] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None

    @property
    def limits(self) -> RateLimits:
        """The rate limits of the app, which can be switched on and off."""
        return self._parts.limits

    @property
    def bot_token(self) -> str:
        return self._parts.bot_token

    @property
    def app_token(self) -> str:
        return self._parts.app_token

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return self._parts.origin

    @property
    def url(self) -> str:
        """The address for the app's `base_url`."""
        return f"{self._parts.origin}/api/"

    @property
    def commands(self) -> Collection[str] | None:
        """The slash commands that people are offered; None: whatever they type."""
        return self._parts.commands

    @commands.setter
    def commands(self, offered: Collection[str] | None) -> None:
        self._parts.commands = offered

    @property
    def dm_is_read_only(self) -> bool:
        """True where the app's direct messages have no composer."""
        return self._parts.dm_is_read_only

    @property
    def home_tab(self) -> bool:
        return self._parts.home_tab

    @property
    def shortcuts(self) -> tuple[Shortcut, ...]:
        return self._parts.shortcuts

    def install(self, manifest: Json) -> None:
        """Let people meet the app that this manifest makes, from now on. The scopes stay as they are: they are the token's."""
        app = Installed.of(manifest)
        self.workspace.rename_bot(app.name)
        parts = self._parts
        parts.home_tab, parts.dm_is_read_only, parts.shortcuts = app.home_tab, app.dm_is_read_only, app.shortcuts
        parts.commands, parts.escaping, parts.events = app.commands, app.escaping, app.events
        self.changes.notify()

    @property
    def app_errors(self) -> list[AppError]:
        return self.journal.app_errors

    @property
    def warnings(self) -> list[AppError]:
        return self.journal.warnings

    # -- running ------------------------------------------------------------------------------------------------

    async def start(self) -> Self:
        app = web.Application(client_max_size=4 << 20)
        app.router.add_route("*", "/api/{method}", self.web_api.handle)
        app.router.add_get("/link/", self.sockets.serve)
        for kind in ("commands", "actions", "app"):
            app.router.add_post(f"/{kind}/{{team}}/{{token}}", self._response_url)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self._parts.origin = f"http://127.0.0.1:{self._port}"
        return self

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.sockets.close()
        if self._http is not None:
            await self._http.close()
        if self._runner is not None:
            await ended(self._runner)
        await self.journal.close()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _new_link(self) -> str:
        ticket = self.sockets.new_ticket()
        return f"ws://127.0.0.1:{self._port}/link/?ticket={ticket}&app_id={self.workspace.app_id}"

    async def connected(self, count: int = 1) -> None:
        """Waits until the app holds this many Socket Mode connections."""
        await self.changes.until(
            lambda: True if len(self.sockets.connections) >= count else None,
            10,
            f"{count} connection(s) of the app",
        )

    async def _response_url(self, request: web.Request) -> web.StreamResponse:
        try:
            body = await request.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return web.json_response({"ok": False, "error": "invalid_payload"}, status=400)
        fault = self.faults.take("response_url", body)
        if fault is not None and fault.latency:
            await asyncio.sleep(fault.latency)
        if fault is not None and fault.refuses:
            return web.json_response({"ok": False, "error": fault.error}, status=fault.status or 500)
        error: str | None = None
        try:
            if fault is None or not fault.lose_request:
                self._parts.response_urls.use(request.match_info["token"], body)
        except ApiError as refusal:
            error = refusal.error
            self.journal.blame(error, f"response_url: {'; '.join(refusal.messages) or error}", body=body)
        self.journal.write("response_url", error or "ok", body=body)
        if fault is not None and (fault.lose_answer or fault.lose_request) and request.transport is not None:
            request.transport.abort()
        if error is not None:
            return web.json_response({"ok": False, "error": error}, status=_RESPONSE_ERRORS.get(error, 400))
        return web.Response(text="ok")

    # -- people and events --------------------------------------------------------------------------------------

    def person(self, name_or_id: str) -> Person:
        user = self.workspace.user(name_or_id)
        if user.id not in self._persons:
            self._persons[user.id] = Person(self._parts, user, self.publish_event)
        return self._persons[user.id]

    async def publish_event(self, event: Json) -> Ack | None:
        """Sends an event the app may see and waits for its first acknowledgement; None when it may not see it. What is
        not acknowledged is sent again later."""
        if not self._may_see(event):
            return None
        self._event_count += 1
        payload = payloads.event_callback(self._parts, json.loads(json.dumps(event)), f"Ev0{self._event_count:08d}")
        self.journal.write("event", event["type"], event=event, event_id=payload["event_id"])
        ack = await self._parts.transport.deliver("events_api", payload, answers=False)
        if not ack.ok:
            self._in_background(self._redeliver(payload, "timeout" if ack.status == "timeout" else "connection_failed"))
        return ack

    async def redeliver_event(self, payload: Json, attempt: int = 1, reason: str = "timeout") -> Ack:
        """Sends an event_callback payload once more."""
        return await self._parts.transport.deliver("events_api", payload, answers=False, attempt=attempt, reason=reason)

    async def _redeliver(self, payload: Json, reason: str) -> None:
        for attempt, delay in enumerate(self._retry_delays, 1):
            await asyncio.sleep(delay)
            if (await self.redeliver_event(payload, attempt, reason)).ok:
                return

    def _may_see(self, event: Json) -> bool:
        kind = str(event["type"])
        name = f"message.{event['channel_type']}" if kind == "message" and "channel_type" in event else kind
        wanted = self._parts.events
        if wanted is not None and name not in wanted and kind not in wanted:
            return False
        if name.startswith("message."):
            where = {"im": "im", "channel": "channels", "group": "groups"}[str(event["channel_type"])]
            return f"{where}:history" in self._parts.scopes
        scopes = methods()["events"].get(kind, [])
        return not scopes or bool(self._parts.scopes.intersection(scopes))

    def _on_event(self, event: Json) -> None:
        if self._runner is None:
            return

        async def publish() -> None:
            await self.publish_event(event)

        self._in_background(publish())

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def release_scheduled(self) -> None:
        """Posts scheduled messages that are due by the clock."""
        self.web_api.release_scheduled()

    def revoke_bot_token(self) -> None:
        """Revoke the bot token: from now on it is nobody's."""
        self.web_api.valid_bot_tokens.clear()
