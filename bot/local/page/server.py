"""The page's server, on loopback alone: static files, a stream of events for each window, and what people do in it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files
from typing import Any, Self

import aiohttp
from aiohttp import web

from bot.local.ending import ended
from bot.local.page.acts import Acts, MalformedError
from bot.local.page.keys import Keys
from bot.local.page.mask import Mask
from bot.local.page.roster import Roster
from bot.local.page.screen import Screen
from bot.local.page.switches import Bot, Switches
from bot.local.page.timeline import Timeline
from bot.local.page.tour import Tour
from bot.local.slack import NotPossible
from bot.local.tyk import Call
from bot.local.world import World

Json = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
HOST = "127.0.0.1"
PORT = 8888
PORTS_TRIED = 20
COALESCE = 0.03  # seconds in which changes are gathered into one event
TICK = 1.0  # keys expire and switches fall back without anything happening
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class PortTakenError(Exception):
    """The page cannot listen where it was told to. The text is a sentence for the person."""


class Page:
    """A window on a world. `commands` are what the composer completes: command -> word -> what it does."""

    def __init__(
        self,
        world: World,
        bot: Bot,
        commands: Mapping[str, Mapping[str, str]],
        *,
        port: int | None = None,
        tour: Tour | None = None,
    ) -> None:
        self._slack, self._tyk = world.slack, world.tyk
        self._commands = commands
        self._mask = Mask(self._slack, self._tyk)
        self._screen = Screen(self._slack, world.cast)
        self._acts = Acts(self._slack)
        self._keys = Keys(self._tyk, self._mask)
        self._timeline = Timeline(self._slack, self._tyk, self._mask)
        self._switches = Switches(self._slack, self._tyk, bot, self._timeline.note)
        self._roster = Roster(self._slack, self._timeline.note)
        self._tour = tour
        self._wanted_port = port
        self._port = 0
        self._runner: web.AppRunner | None = None
        self._streams: set[asyncio.Task[Any]] = set()

    # --- running ---

    async def start(self) -> Self:
        """Raises PortTakenError: with a port given only that one is tried, else 8888 and those after it."""
        application = web.Application(middlewares=[self._guarded], client_max_size=1 << 20)
        application.add_routes(
            [
                web.get("/", self._index),
                web.get("/static/{name}", self._static),
                web.get("/events", self._events),
                web.get("/details", self._details),
                web.post("/do/{act}", self._do),
                web.post("/switch/{name}", self._switch),
                web.post("/roster", self._become),
                web.post("/tour", self._guide),
                web.post("/try", self._try),
                web.post("/hand/{act}", self._hand),
            ]
        )
        self._slack.commands = set(self._commands)
        self._tyk.on_call = self._heard
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._listen(self._runner)
        self._port = self._runner.addresses[0][1]
        return self

    async def _listen(self, runner: web.AppRunner) -> None:
        wanted = self._wanted_port
        for port in [wanted] if wanted is not None else [*range(PORT, PORT + PORTS_TRIED), 0]:
            try:
                await web.TCPSite(runner, HOST, port).start()
            except OSError as error:
                if wanted is None and error.errno == errno.EADDRINUSE:
                    continue
                await runner.cleanup()
                raise PortTakenError(
                    f"The page cannot listen on port {port}: {os.strerror(error.errno or 0)}. Give another with --port, or none."
                ) from None
            return

    async def stop(self) -> None:
        for stream in list(self._streams):
            stream.cancel()
        if self._runner is not None:
            await ended(self._runner)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._port}/"

    def tell(self, line: Json) -> None:
        """A line of the timeline from the bot's own side: id, source, what, and what else a Line has."""
        self._timeline.tell(line)
        self._slack.changes.notify()

    def _heard(self, _call: Call) -> None:
        self._slack.changes.notify()

    # --- who may ask ---

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Serve only this page, by its own address: no other site may read from here or act here through the browser."""
        hosts = {f"{HOST}:{self._port}", f"localhost:{self._port}"}
        if request.host not in hosts:
            response: web.StreamResponse = _refused(403, f"This page is at {self.url} only.")
        elif not self._is_own(request, hosts):
            response = _refused(403, "Another site may not do that.")
        else:
            try:
                response = await handler(request)
            except web.HTTPException as error:
                response = _refused(error.status, error.reason)
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    @staticmethod
    def _is_own(request: web.Request, hosts: set[str]) -> bool:
        origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
        if origin is not None and origin not in {f"http://{host}" for host in hosts}:
            return False
        if site not in (None, "same-origin", "none") and request.path != "/":
            return False
        return request.method in ("GET", "HEAD") or request.content_type == "application/json"

    # --- files ---

    async def _index(self, _request: web.Request) -> web.Response:
        return _file("index.html")

    async def _static(self, request: web.Request) -> web.Response:
        return _file(request.match_info["name"])

    # --- what is seen ---

    async def _events(self, request: web.Request) -> web.StreamResponse:
        names = self._screen.names()
        name = request.query.get("as", "")
        name = name if name in names else names[0]
        response = web.StreamResponse(headers=HEADERS | {"Content-Type": "text/event-stream"})
        await response.prepare(request)
        task = asyncio.current_task()
        assert task is not None, "a handler runs in a task"
        self._streams.add(task)
        try:
            with contextlib.suppress(ConnectionError):
                await self._stream(name, response)
        finally:
            self._streams.discard(task)
        return response

    async def _stream(self, name: str, response: web.StreamResponse) -> None:
        """First everything, then what has changed."""
        sent: dict[str, Any] = {}
        revision = 0
        while True:
            version = self._slack.changes.version
            parts = self._parts(name)
            changed = {part: value for part, value in parts.items() if part not in sent or sent[part] != value}
            timeline = self._timeline.since(revision)
            if timeline["lines"] or timeline["groups"]:
                changed["timeline"] = timeline
                revision = timeline["revision"]
            if changed:
                await response.write(f"data: {json.dumps(changed)}\n\n".encode())
            else:
                await response.write(b": still here\n\n")  # finds out that the window is gone
            sent = parts
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._slack.changes.moved(version), TICK)
                await asyncio.sleep(COALESCE)

    def _parts(self, name: str) -> dict[str, Any]:
        parts = self._screen.parts(name)
        parts["commands"] = self._commands
        parts["tour"] = self._tour.shown() if self._tour else None
        parts["keys"] = self._keys.rows(self._slack.clock())
        parts["switches"] = self._mask.json(self._switches.state())
        parts["objections"] = len(self._slack.app_errors)
        return json.loads(json.dumps(parts))  # type: ignore[no-any-return]  # a copy: what is shown changes in place

    async def _details(self, request: web.Request) -> web.Response:
        try:
            return web.json_response(self._timeline.details(request.query.get("id", "")))
        except KeyError:
            raise web.HTTPNotFound(reason="There is no such line.") from None

    # --- what is done ---

    async def _do(self, request: web.Request) -> web.Response:
        told = await _told(request)
        name = told.get("as")
        if name not in self._screen.names():
            return _refused(404, "Nobody here is called that.")
        try:
            return web.json_response({"ok": True} | await self._acts.do(request.match_info["act"], name, told))
        except NotPossible as no:
            return web.json_response({"ok": False, "why": _sentence(str(no))})
        except MalformedError as error:
            return _refused(400, str(error))

    async def _switch(self, request: web.Request) -> web.Response:
        name, told = request.match_info["name"], await _told(request)
        if name not in self._switches.names():
            return _refused(404, "There is no such switch.")
        try:
            await self._switches.turn(name, told)
        except (KeyError, TypeError, ValueError) as error:
            return _refused(400, str(error))
        return web.json_response({"ok": True})

    async def _become(self, request: web.Request) -> web.Response:
        """An administrator of the workspace changes what somebody is."""
        told = await _told(request)
        if told.get("who") not in self._screen.names():
            return _refused(404, "Nobody here is called that.")
        try:
            self._roster.become(told["who"], told["what"])
        except (KeyError, ValueError) as error:
            return _refused(400, _sentence(str(error)))
        return web.json_response({"ok": True})

    async def _guide(self, request: web.Request) -> web.Response:
        """Do a step of the tour for whoever asks for it."""
        number = (await _told(request)).get("step")
        if self._tour is None or not isinstance(number, int) or not 0 <= number < len(self._tour.steps):
            return _refused(404, "The tour has no such step.")
        try:
            await self._tour.do(number)
        except NotPossible as no:
            return web.json_response({"ok": False, "why": _sentence(str(no))})
        return web.json_response({"ok": True})

    async def _try(self, request: web.Request) -> web.Response:
        told = await _told(request)
        try:
            return web.json_response({"ok": True} | await self._keys.tries(told["hash"], told["api_id"]))
        except KeyError:
            return _refused(404, "Tyk has no such key, or no such API.")
        except aiohttp.ClientError as error:
            return _refused(502, f"The gateway did not answer: {type(error).__name__}.")

    async def _hand(self, request: web.Request) -> web.Response:
        """Somebody with the Dashboard is at a key, and the bot does not hear of it."""
        act, told = request.match_info["act"], await _told(request)
        try:
            self._timeline.note(self._keys.by_hand(act, told["hash"]))
        except KeyError:
            return _refused(404, "Tyk has no such key, or nobody does such a thing by hand.")
        self._slack.changes.notify()
        return web.json_response({"ok": True})


async def _told(request: web.Request) -> Json:
    try:
        told = await request.json()
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise web.HTTPBadRequest(reason="This needs a JSON object.")
    return told


def _refused(status: int, why: str) -> web.Response:
    return web.json_response({"ok": False, "why": why}, status=status)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def _file(name: str) -> web.Response:
    found = files(__package__).joinpath("static", name)
    suffix = f".{name.rpartition('.')[2]}"
    if "/" in name or suffix not in TYPES or not found.is_file():
        raise web.HTTPNotFound(reason="There is no such file.")
    return web.Response(body=found.read_bytes(), content_type=TYPES[suffix], charset="utf-8")
