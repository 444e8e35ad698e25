"""When tokens were used last, as the local Tyk tells it, and what is said where it cannot be told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from bot.core.usage import Unseen, Use
from bot.local.tyk import LocalTyk
from bot.tyk.dashboard import KeysBy, NotTyk
from bot.tyk.keys import fingerprint
from bot.tyk.usage import Usage, may_be_read
from tests.tyk.test_dashboard import CREDENTIAL, HASH, answered, session, talking

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now.timestamp()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def tyk(clock: Clock) -> AsyncIterator[LocalTyk]:
    async with LocalTyk(credential=CREDENTIAL, clock=clock) as tyk:
        tyk.add_api("billing", "Billing", "/billing/")
        tyk.add_api("tools", "Tools", "/tools/", mcp=True)
        yield tyk


def key(tyk: LocalTyk, clock: Clock, *days_ago: int, path: str = "/billing/") -> str:
    """A key that was used so many days ago."""
    rights = {one: {"api_id": one, "api_name": one, "versions": ["Default"]} for one in ("billing", "tools")}
    made = tyk.make_by_hand(session(access_rights=rights))
    for ago in sorted(days_ago, reverse=True):
        clock.now = NOW - timedelta(days=ago)
        tyk.opens(made.token, path)
    clock.now = NOW
    return made.hash


async def test_what_nobody_thought_of_is_no_crash() -> None:
    """The way to Tyk is closed already, as while the bot stops: when the key was used last is unknown, and nothing else fails."""
    async with answered(200, {"data": []}) as dashboard:
        usage = Usage(dashboard, at_once=20)
    assert await usage.of([[HASH]], NOW) == (Use(unseen=Unseen.BROKEN),)


async def test_the_last_call_is_told_and_a_silence_of_thirty_days_is_none(tyk: LocalTyk, clock: Clock) -> None:
    """Of a token whose key is being replaced, that of either; nothing of one without a key. A day has a time, for the reader's
    zone."""
    recent, old, never = key(tyk, clock, 3, 2), key(tyk, clock, 40), key(tyk, clock)
    async with talking(tyk.dashboard_url, KeysBy.HASH) as dashboard:
        found = await Usage(dashboard, at_once=20).of([[recent], [old], [never], [never, recent], []], NOW)
    used = Use(NOW - timedelta(days=2))
    assert found == (used, Use(), Use(), used, None)


async def test_what_is_called_through_an_mcp_proxy_is_a_use(tyk: LocalTyk, clock: Clock) -> None:
    """A Dashboard since 5.13 records it apart, an older one knows nothing of such."""
    used = key(tyk, clock, 5, path="/tools/")
    async with talking(tyk.dashboard_url, KeysBy.HASH) as dashboard:
        assert await Usage(dashboard, at_once=1).of([[used]], NOW) == (Use(NOW - timedelta(days=5)),)
        tyk.switches.mcps = "unknown"
        assert await Usage(dashboard, at_once=1).of([[used]], NOW) == (Use(),)


async def test_what_cannot_be_looked_at_is_said(tyk: LocalTyk, clock: Clock) -> None:
    """No permission, no hash, no answer, an answer too late, others who come first: none of them is a token that nobody uses."""
    used = key(tyk, clock, 2)
    async with talking(tyk.dashboard_url, KeysBy.HASH) as dashboard:
        usage = Usage(dashboard, at_once=20, patience=0.2)

        async def why(key_hash: str) -> Unseen | None:
            (use,) = await usage.of([[key_hash]], NOW)
            assert use is not None
            return use.unseen

        assert await why(fingerprint("a token")) is Unseen.NO_HASH
        assert await may_be_read(dashboard, NOW)
        tyk.switches.analytics = "deny"
        assert await why(used) is Unseen.FORBIDDEN
        assert not await may_be_read(dashboard, NOW)
        tyk.switches.analytics = "read"
        tyk.faults.next("GET /api/activity", status=500, times=2)
        assert await why(used) is Unseen.BROKEN
        assert await may_be_read(dashboard, NOW), "nobody knows, so nobody is told to give it"
        tyk.faults.next("GET /api/activity", hang=True)
        begun = time.monotonic()
        assert await why(used) is Unseen.LATE
        assert time.monotonic() - begun < 5
        tyk.faults.clear()
        assert await why(used) is None
        busy = Usage(dashboard, at_once=20, has_room=lambda: False)
        calls = len(tyk.journal)
        assert await busy.of([[used], [used]], NOW) == (Use(unseen=Unseen.LATE),) * 2
        assert len(tyk.journal) == calls


async def test_a_page_takes_a_quarter_of_the_calls_that_may_go_at_once(tyk: LocalTyk, clock: Clock) -> None:
    """Ten keys, eight calls at once: two are asked about, the others wait for them."""
    hashes = [[key(tyk, clock, 1)] for _ in range(10)]
    tyk.faults.next("GET /api/activity", hang=True, times=10)
    async with talking(tyk.dashboard_url, KeysBy.HASH) as dashboard:
        looking = asyncio.create_task(Usage(dashboard, at_once=8, patience=0.3).of(hashes, NOW))
        await tyk.called("GET /api/activity", times=2)
        found = await looking
        assert {use.unseen for use in found if use} == {Unseen.LATE}
        assert len(tyk.calls("GET /api/activity")) == 2
        tyk.faults.clear()


@pytest.mark.parametrize(
    "row",
    [
        {"hits": 1},
        {"hits": 1, "last_hit": None},
        {"hits": 1, "last_hit": "yesterday"},
        {"hits": 1, "last_hit": "2026-11-24T10:00:00"},
    ],
)
async def test_calls_without_a_time_are_an_odd_answer(row: dict[str, Any]) -> None:
    """There is a use, and nobody can say when: that is no silence."""
    async with answered(200, {"data": [row], "pages": 1}) as dashboard:
        with pytest.raises(NotTyk):
            await dashboard.last_call(HASH, date(2026, 10, 27), date(2026, 11, 27))


async def test_a_time_has_a_zone_and_a_fraction_and_no_call_is_none() -> None:
    """As Tyk writes them, also where a Dashboard gives pages although all was asked for."""
    rows = {
        "data": [
            {"hits": 0, "last_hit": "0001-01-01T00:00:00Z"},
            {"hits": 2, "last_hit": "2026-11-24T10:00:00.123456789+05:30"},
        ]
    }
    async with answered(200, {**rows, "pages": 2}) as dashboard:
        at = await dashboard.last_call(HASH, date(2026, 10, 27), date(2026, 11, 27))
    assert at is not None
    assert at.astimezone(UTC) == datetime(2026, 11, 24, 4, 30, 0, 123456, tzinfo=UTC)
