"""Each switch of the page, and what Slack shows of it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from playwright.async_api import expect

from bot.local.slack import SCOPES
from bot.local.world import world
from tests.page import APP, Scene, Window, browsing, opened, staged


async def test_tyk_is_away_and_what_was_approved_waits_for_it(tmp_path: Path) -> None:
    """The card says approved, no key is made; when Tyk is back, the token comes."""
    async with staged(tmp_path) as scene:
        window = await scene.window("alice")
        await window.switch("Tyk is away")
        await expect(window.page.locator("#standing")).to_contain_text("Tyk away")
        await window.asks("Payments")
        await window.be("bob")
        await window.go("approvals")
        await window.button("Approve R-1001").click()
        await expect(window.message("R-1001")).to_contain_text("Approved by")
        timeline = await window.underneath("Timeline")
        await expect(timeline.locator(".line", has_text="bot → Tyk").last).to_contain_text("no answer")
        assert scene.tyk.keys == []
        await window.switch("Tyk is away")
        await window.be("alice")
        await window.go(APP)
        await expect(window.message("your token for Payments")).to_be_visible()


async def test_tyk_is_slow_and_the_timeline_says_what_is_waited_for(tmp_path: Path) -> None:
    """The call stands there, waiting, while it lasts."""
    async with staged(tmp_path) as scene:
        window = await scene.window("alice")
        await window.switch("Tyk is slow")
        await window.asks("Payments")
        await window.be("bob")
        await window.go("approvals")
        await window.button("Approve R-1001").click()
        timeline = await window.underneath("Timeline")
        await expect(timeline.locator(".line", has_text="POST /api/keys").last).to_contain_text("waiting for Tyk")
        await expect(timeline.locator(".line", has_text="POST /api/keys").last).to_contain_text("200")
        await window.switch("Tyk is slow")
        await expect(window.page.get_by_role("switch", name="Tyk is slow")).to_have_attribute("aria-checked", "false")


async def test_slack_limits_the_bot_which_waits_and_goes_on(tmp_path: Path) -> None:
    """429 with Retry-After for each post; when it is switched off, the card comes."""
    async with staged(tmp_path) as scene:
        window = await scene.window("alice")
        await window.switch("Slack limits the bot")
        await window.asks("Payments")
        timeline = await window.underneath("Timeline")
        await expect(timeline.locator(".line", has_text="429, wait 5 s").first).to_contain_text("chat.postMessage")
        await window.switch("Slack limits the bot")
        await window.be("bob")
        await window.go("approvals")
        await expect(window.button("Approve R-1001")).to_be_visible()


async def test_a_silent_line_shows_what_slack_shows_of_a_bot_that_does_not_answer(tmp_path: Path) -> None:
    """The form says "We had some trouble connecting", and the next command fails with operation_timeout."""
    async with staged(tmp_path) as scene:
        alice = await scene.window("alice")
        await alice.types("/tyk-key")
        await alice.picks("API", "Test API")
        await alice.modal.get_by_role("textbox", name="Reason").fill("to try it out")
        await scene.slack.sockets.disconnect("silent")
        await expect(alice.page.locator("#standing")).to_contain_text("line silent")
        await alice.button("Get token").click()
        await expect(alice.modal.locator(".banner")).to_have_text("We had some trouble connecting. Try again?")
        await expect(alice.modal.get_by_role("textbox", name="Reason")).to_have_value("to try it out")
        await alice.page.keyboard.press("Escape")
        await expect(alice.modal).to_have_count(0)
        await scene.slack.sockets.disconnect("silent")  # the bot may have found out meanwhile
        await alice.types("/tyk-key")
        said = alice.message("operation_timeout")
        await expect(said).to_contain_text('/tyk-key failed with the error "operation_timeout"')
        await expect(said).to_contain_text("Only visible to you")


@dataclass
class Deaf:
    """A program that runs, is connected to Slack and answers nothing."""

    is_running: bool = True

    async def start(self) -> None:
        raise NotImplementedError

    async def kill(self) -> None:
        raise NotImplementedError

    async def move(self, seconds: float) -> None:
        raise NotImplementedError


async def test_a_bot_that_runs_and_does_not_listen_is_not_called_well(tmp_path: Path) -> None:
    """Not connected; connected, with nothing to answer yet; not answering; and well again when it answers late."""
    async with (
        world(SCOPES) as place,
        opened(place.slack, place.tyk, Deaf(), f"sqlite:///{tmp_path / 'none.db'}") as scene,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {place.slack.app_token}"}) as session,
    ):
        window = await scene.window("alice")
        standing, panel = window.page.locator("#standing"), await window.underneath("Switches")
        await expect(standing).to_contain_text("Bot not connected")
        await expect(panel).to_contain_text("Running, but not connected to Slack.")
        async with session.post(f"{place.slack.url}apps.connections.open") as answer:
            address = (await answer.json())["url"]
        async with session.ws_connect(address) as socket:
            await expect(standing).to_contain_text("Bot running")
            await window.types("/tyk-key")
            await expect(window.message("operation_timeout")).to_be_visible()
            await expect(standing).to_contain_text("Bot not answering")
            await expect(panel).to_contain_text("the last thing that Slack sent was not acknowledged")
            await socket.receive_json()  # hello
            command = await socket.receive_json()
            await socket.send_json({"envelope_id": command["envelope_id"]})
            await expect(standing).to_contain_text("Bot running")
        await expect(standing).to_contain_text("Bot not connected")


async def test_a_month_passes_and_the_key_has_ended(tmp_path: Path) -> None:
    """For Slack, Tyk and the bot at once; the times on the page follow."""
    async with staged(tmp_path) as scene:
        window = await scene.window("alice")
        await window.asks("Payments")
        await window.be("bob")
        await window.go("approvals")
        await window.button("Approve R-1001").click()
        keys = await window.underneath("Keys")
        await expect(keys.locator(".state")).to_have_text("live")
        await window.passes("A month passes")
        await expect(window.page.locator("#standing")).to_contain_text("+30 d")
        await window.underneath("Keys")
        await expect(keys.locator(".state")).to_have_text("deleted")
        await expect(window.message("R-1001")).to_contain_text("Expired")
        await keys.get_by_role("button", name="Try it: GET /payments/").click()
        await expect(keys.locator(".answer")).to_contain_text(re.compile("^40[13]"))


# --- the bot as a process of its own, by the command ------------------------------------------------------------------


@asynccontextmanager
async def _command(*arguments: str) -> AsyncIterator[str]:
    """`tyk-key-bot sandbox`, running; the page's address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "sandbox", "--no-browser", "--port", "0", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=dict(os.environ),
    )  # fmt: skip
    assert process.stdout is not None, "it has a pipe"
    assert process.stderr is not None, "it has a pipe"
    try:
        line = (await process.stdout.readline()).decode()
        assert line.startswith("Page"), f"{line}{(await process.stderr.read()).decode()}"
        yield line.split()[1]
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()
    assert process.returncode == 0, "it ends well when it is told to"


async def test_the_bot_is_killed_between_command_and_submission_and_started_again() -> None:
    """The command opens the page; SIGKILL shows dispatch_failed and the banner; after a start all goes on."""
    async with _command() as url, browsing() as browser:
        scene = Scene(None, None, url, browser)  # type: ignore[arg-type]  # another process has them
        alice = await scene.window("alice")
        await alice.types("/tyk-key")
        await alice.picks("API", "Test API")
        await alice.modal.get_by_role("textbox", name="Reason").fill("before the accident")
        await _turns(alice, "kill")
        await expect(alice.page.locator("#standing")).to_contain_text("Bot dead")
        await alice.button("Get token").click()
        await expect(alice.modal.locator(".banner")).to_have_text("We had some trouble connecting. Try again?")
        other = await scene.window("bob", room="C0HELP")
        await other.types("/tyk-key")
        await expect(other.message("dispatch_failed")).to_contain_text(
            '/tyk-key failed with the error "dispatch_failed"'
        )
        await (await other.underneath("Switches")).get_by_role("button", name="Start the bot").click()
        await expect(other.page.locator("#standing")).to_contain_text("Bot running")
        await alice.button("Get token").click()
        await expect(alice.modal.get_by_role("heading", name="Token on its way")).to_be_visible()
        await alice.modal.get_by_role("button", name="Close").last.click()
        await alice.go(APP)
        await expect(alice.message("your token for Test API")).to_be_visible()
        assert scene.complaints() == []


async def _turns(window: Window, name: str) -> None:
    """Turns a switch behind an open form, as another window would."""
    done = await window.page.evaluate(
        "async (name) => (await fetch(`/switch/${name}`, {method: 'POST', body: '{}', "
        "headers: {'Content-Type': 'application/json'}})).ok",
        name,
    )
    assert done
