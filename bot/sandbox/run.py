"""`tyk-key-bot sandbox`: the world stays, with a page to be people on, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import webbrowser
from pathlib import Path

from bot import config
from bot.config import Config
from bot.layout import complain
from bot.local.page import Page, PortTakenError
from bot.local.world import CAST, CATALOGUE, CONFIG, Cast, Catalogue
from bot.sandbox.feed import following
from bot.sandbox.people import cast_for, catalogue_of
from bot.sandbox.process import NotStarted, sandbox
from bot.sandbox.tour import tour

WORDS = {
    "": "request a token",
    "list": "your tokens, and what waits for you",
    "who": "who holds a token for an API",
    "help": "what you can do here",
}


async def serve(
    own_config: Path | None, people: Path | None = None, *, port: int | None = None, browser: bool = True
) -> int:
    """Run until Ctrl-C. Returns 0, or 1 where it could not begin. Raises ConfigError."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    scene = _scene(own_config, people)
    try:
        await _open(scene, own_config, stop, port=port, browser=browser)
    except (NotStarted, PortTakenError) as error:
        complain(str(error))
        return 1
    return 0


async def _open(
    scene: tuple[Config, Cast, Catalogue],
    own_config: Path | None,
    stop: asyncio.Event,
    *,
    port: int | None,
    browser: bool,
) -> None:
    loaded, cast, catalogue = scene
    async with sandbox(own_config, cast=cast, catalogue=catalogue) as place:
        slack, workspace = place.world.slack, place.world.slack.workspace

        def name(slack_id: str) -> str:
            if slack_id in workspace.groups:
                return f"@{workspace.groups[slack_id].handle}"
            return workspace.users[slack_id].real_name if slack_id in workspace.users else slack_id

        guide = tour(place.world, loaded)
        page = Page(place.world, place.bot, {loaded.slack.command: WORDS}, port=port, tour=guide)
        async with page, following(place.bot.database_url, page.tell, name, slack.changes, slack.clock):
            print(f"Page       {page.url}")
            print(f"Slack      {slack.url}")
            print(f"Dashboard  {place.world.tyk.dashboard_url}")
            print(f"Gateway    {place.world.tyk.gateway_url}")
            print(f"The bot is ready; its log is {place.bot.log}. Ctrl-C ends it all.", flush=True)
            if browser and _has_screen():
                await asyncio.to_thread(webbrowser.open, page.url)
            await stop.wait()


def _scene(own_config: Path | None, people: Path | None) -> tuple[Config, Cast, Catalogue]:
    """The rules, who is there and what Tyk has."""
    if own_config is not None:
        loaded = config.load(own_config)
        return loaded, cast_for(loaded, people), catalogue_of(loaded)
    loaded = config.parse(CONFIG.read_text().replace("GATEWAY", "http://127.0.0.1"))
    return loaded, cast_for(loaded, people) if people else CAST, CATALOGUE


def _has_screen() -> bool:
    """True where a browser has a screen; without one, `webbrowser` would start a browser in the terminal."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
