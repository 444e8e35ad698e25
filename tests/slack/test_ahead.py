"""What is looked up before somebody needs it, and what is looked up only with what Slack's limits leave over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import web
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack import directory as directories
from bot.slack import unhurried
from bot.slack.client import new_session, web_client
from bot.slack.directory import Directory
from bot.slack.errors import CannotSay
from bot.slack.unhurried import UnhurriedDirectory
from tests.slack.test_client import local_slack
from tests.slack.test_directory import OURS, Clock, People

FRESH_FOR = 0.6


class Channels(People):
    """Says which channel each page was asked of, and turns away as many as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.members = {"C0BIG": [["U0ADA"], ["U0BOB"], ["U0EVE"]], "C0IDLE": [["U0BOB"]]}
        self.listed: asyncio.Queue[str] = asyncio.Queue()
        self.turned_away = 0
        self.answers |= {"conversations.members": self.page, "users.info": self.user}
        self.add("U0ADA")

    async def page(self, arguments: dict[str, Any]) -> web.StreamResponse:
        self.listed.put_nowait(arguments["channel"])
        return await self.conversations_members(arguments)

    async def user(self, arguments: dict[str, Any]) -> web.StreamResponse:
        if self.turned_away:
            self.turned_away -= 1
            body = {"ok": False, "error": "ratelimited"}
            return web.json_response(body, status=429, headers={"Retry-After": "0"})
        return await self.users_info(arguments)


@pytest.fixture
async def slack() -> AsyncIterator[Channels]:
    channels = Channels()
    async with local_slack(channels):
        yield channels


@pytest.fixture
async def client(slack: Channels) -> AsyncIterator[AsyncWebClient]:
    async with new_session() as session:
        yield web_client("xoxb-test", slack.url, session, None)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def directory(client: AsyncWebClient, clock: Clock) -> AsyncIterator[Directory]:
    directory = Directory(client, OURS, clock=clock, fresh_for=FRESH_FOR, uses_groups=False)
    yield directory
    await directory.close()


async def test_a_channel_is_known_before_somebody_needs_it(slack: Channels, directory: Directory) -> None:
    """Its pages are read at start, so that a person's first look-up asks for nobody else; what is unknown is no hindrance."""
    await directory.load_channels(frozenset({"C0BIG"}))
    await directory.person("U0ADA", channels=frozenset({"C0BIG"}))
    assert slack.listed.qsize() == 3
    slack.says("conversations.members", {"ok": False, "error": "channel_not_found"})
    await directory.load_channels(frozenset({"C0NOBODY"}))


async def test_a_channel_in_use_stays_known(slack: Channels, directory: Directory, clock: Clock) -> None:
    """It is listed anew while its last answer still counts; one that nobody asked for in a while is left alone."""
    await directory.load_channels(frozenset({"C0BIG", "C0IDLE"}))
    await directory.person("U0ADA", channels=frozenset({"C0BIG"}))
    clock.now += directories.KEPT_FOR
    await directory.person("U0ADA", channels=frozenset({"C0BIG"}))
    while not slack.listed.empty():
        slack.listed.get_nowait()
    clock.now += FRESH_FOR * 0.75
    keeping = asyncio.create_task(directory.keep_channels())
    try:
        async with asyncio.timeout(10):
            for _ in range(2):
                assert [await slack.listed.get() for _ in range(3)] == ["C0BIG"] * 3
                clock.now += FRESH_FOR * 0.75
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping


async def test_checks_go_slowly(client: AsyncWebClient, slack: Channels, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a short burst they ask at a steady pace."""
    monkeypatch.setattr(unhurried, "BURST", 2)
    monkeypatch.setattr(unhurried, "EVERY", 0.05)
    checks = UnhurriedDirectory(client, OURS, clock=time.monotonic, uses_groups=False)
    begun = time.monotonic()
    await asyncio.gather(*(checks.person(f"U{number}") for number in range(6)))
    assert time.monotonic() - begun >= 3 * 0.05
    assert len(slack.asked("users.info")) == 6
    await checks.close()


async def test_checks_stand_still_when_slack_says_so(
    client: AsyncWebClient, slack: Channels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They ask again after as long as Slack says, and give up after a few times."""
    monkeypatch.setattr(unhurried, "EVERY", 0.01)
    checks = UnhurriedDirectory(client, OURS, clock=time.monotonic, uses_groups=False)
    slack.turned_away = 2
    assert (await checks.person("U0ADA")).name == "Ada"
    slack.turned_away = 3
    with pytest.raises(CannotSay, match="ratelimited"):
        await checks.person("U0BOB")
    await checks.close()
