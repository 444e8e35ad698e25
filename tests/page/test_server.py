"""The page's server: on loopback, for its own page alone, and with a clear sentence where it cannot begin."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from bot.local.page import Page, PortTakenError
from bot.local.slack import SCOPES
from bot.local.world import World, world


class NoBot:
    """Nobody listens; the page must work all the same."""

    is_running = False

    async def start(self) -> None:
        raise RuntimeError("there is no bot")

    async def kill(self) -> None:
        """There is nothing to kill."""

    async def move(self, seconds: float) -> None:
        """Nobody's time moves."""


@asynccontextmanager
async def _page() -> AsyncIterator[tuple[World, Page, aiohttp.ClientSession]]:
    async with (
        world(SCOPES) as place,
        Page(place, NoBot(), {"/tyk-key": {"": "asks"}}, port=0) as page,
        aiohttp.ClientSession(page.url) as session,
    ):
        yield place, page, session


async def test_only_by_its_own_address() -> None:
    """A name that somebody points at 127.0.0.1 gets nothing."""
    async with _page() as (_, _, session):
        async with session.get("/", headers={"Host": "evil.example:8888"}) as answer:
            assert answer.status == 403
        async with session.get("/") as answer:
            assert answer.status == 200
            assert "default-src 'none'; script-src 'self'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Content-Type": "text/plain"},
    ],
)
async def test_another_site_can_do_nothing_through_the_browser(headers: dict[str, str]) -> None:
    """Neither by its origin, nor by a form that needs no permission."""
    async with _page() as (place, _, session):
        given = {"Content-Type": "application/json"} | headers
        async with session.post("/switch/tyk_away", data='{"on": true}', headers=given) as answer:
            assert answer.status == 403
        assert not place.tyk.faults.away


async def test_another_site_reads_nothing() -> None:
    """What people see is for this page's own scripts."""
    async with _page() as (_, _, session):
        for path in ("/events?as=alice", "/details?id=x"):
            async with session.get(path, headers={"Sec-Fetch-Site": "cross-site"}) as answer:
                assert answer.status == 403


@pytest.mark.parametrize(
    "path", ["/static/..%2Fserver.py", "/static/%2Fetc%2Fpasswd", "/static/none.js", "/static/__init__.py"]
)
async def test_no_file_but_the_page_s_own(path: str) -> None:
    """Not found, whatever is tried."""
    async with _page() as (_, _, session), session.get(path) as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("path", "told", "status"),
    [
        ("/do/run", {"as": "nobody"}, 404),
        ("/do/fly", {"as": "alice"}, 400),
        ("/do/run", {"as": "alice"}, 400),
        ("/do/submit", {"as": "alice", "view": "V0"}, 200),
        ("/switch/weather", {"on": True}, 404),
        ("/switch/pass", {"seconds": -1}, 400),
        ("/try", {"hash": "none", "api_id": "none"}, 404),
        ("/try", [], 400),
        ("/hand/delete", {"hash": "none"}, 404),
        ("/hand/polish", {"hash": "none"}, 404),
    ],
)
async def test_nonsense_gets_a_sentence(path: str, told: object, status: int) -> None:
    """No traceback, no half-done act."""
    async with _page() as (_, _, session), session.post(path, json=told) as answer:
        assert answer.status == status
        said = await answer.json()
        assert said["ok"] is False
        assert said["why"]


async def test_a_port_that_is_taken_is_said_and_without_one_the_next_is_found() -> None:
    """--port names one port; otherwise 8888 or one after it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        async with world(SCOPES) as place:
            with pytest.raises(PortTakenError, match=r"cannot listen on port \d+: .* Give another with --port"):
                await Page(place, NoBot(), {}, port=taken.getsockname()[1]).start()
            async with Page(place, NoBot(), {}) as first, Page(place, NoBot(), {}) as second:
                assert first.url != second.url


async def test_a_bot_that_does_not_start_says_why_on_the_page() -> None:
    """The complaint is part of what the switches show."""
    async with _page() as (_, _, session):
        async with session.post("/switch/start", json={}) as answer:
            assert answer.status == 200
        async with session.get("/events?as=alice") as stream:
            assert '"complaint": "there is no bot"' in (await stream.content.readuntil(b"\n\n")).decode()
