"""Time with days: the page says which day it is, and of which day a message or an act was."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from playwright.async_api import expect

from tests.page import Scene, staged

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def _today(scene: Scene) -> datetime:
    return datetime.fromtimestamp(scene.slack.clock(), UTC).astimezone(AMSTERDAM)


def _day(at: datetime) -> str:
    return f"{at:%A}, {at.day} {at:%B %Y}"


async def test_the_clock_says_date_and_time_as_the_reader_has_them(tmp_path: Path) -> None:
    """Beside the bot's standing, in Alice's own zone."""
    async with staged(tmp_path) as scene:
        window = await scene.window("alice", timezone_id="Asia/Tokyo")
        now = _today(scene)
        await expect(window.page.locator("#now")).to_contain_text(f"{now:%a}, {now.day} {now:%b %Y}, ")


async def test_a_month_goes_by_and_it_shows(tmp_path: Path) -> None:
    """The page says which day it is now; what was of today stands under its own day, here and in the timeline."""
    async with staged(tmp_path) as scene:
        window = await scene.window("alice", room="C0HELP")
        then = _today(scene)
        await window.types("see you in a month")
        days = window.page.locator("#log .day")
        await expect(days).to_have_text(["Today"])
        await window.passes("A month passes")
        now = _today(scene)
        await expect(window.page.locator("#told")).to_contain_text(f"It is now {_day(now)}")
        await expect(window.page.locator("#now")).to_contain_text(f"{now.day} {now:%b %Y}, ")
        await expect(window.page.locator("#standing")).to_contain_text("+30 d")
        await window.types("and here I am")
        await expect(days).to_have_text([_day(then), "Today"])
        timeline = await window.underneath("Timeline")
        await expect(timeline.locator(".day")).to_have_text([_day(then), _day(now)])
