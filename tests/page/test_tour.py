"""The tour: four steps through one request, done by the reader or for them, closed and opened again."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.async_api import Locator, expect

from tests.page import Scene, Window, staged

STEPS = ("Ask as Alice", "Approve as Bob", "See the token as Alice", "Read the audit as Carol")


def _tour(window: Window) -> Locator:
    return window.page.get_by_role("region", name="Tour")


async def _stands_at(window: Window, number: int, *, done: int) -> None:
    await expect(_tour(window).locator("[aria-current=step]")).to_contain_text(STEPS[number - 1])
    await expect(_tour(window).locator(".done")).to_have_count(done)


async def _first(scene: Scene, name: str = "alice") -> Window:
    """A window of somebody who was never here before."""
    return await scene.window(name, newcomer=True)


async def test_each_step_is_done_by_a_button(tmp_path: Path) -> None:
    """She asks, he approves, she sees the token, Carol reads the audit; each time as the person whose step it is."""
    async with staged(tmp_path, tour=True) as scene:
        window = await _first(scene)
        tour = _tour(window)
        await _stands_at(window, 1, done=0)
        await tour.get_by_role("button", name="Do it for me").click()
        await expect(window.page.locator("#where")).to_have_text("# general")
        await expect(window.modal.get_by_role("combobox", name="API")).to_have_value("Payments")
        await expect(window.modal.locator("textarea").last).to_have_value("to test the new checkout")
        await expect(window.modal).to_have_count(0)
        await _stands_at(window, 2, done=1)
        await tour.get_by_role("button", name="Do it for me").click()
        await expect(window.page.locator("#where")).to_have_text("# approvals")
        await _stands_at(window, 3, done=2)
        await expect(window.page.locator('[data-person="bob"]')).to_have_attribute("aria-current", "true")
        await tour.get_by_role("button", name="Show me").click()
        await expect(window.page.locator('[data-person="alice"]')).to_have_attribute("aria-current", "true")
        await expect(window.page.locator("#log pre").first).to_have_text(scene.tyk.keys[0].token)
        await _stands_at(window, 3, done=3)
        await tour.get_by_role("button", name="Next").click()
        await tour.get_by_role("button", name="Show me").click()
        await expect(window.page.locator("#where")).to_have_text("# audit")
        await _stands_at(window, 4, done=4)
        await expect(tour).to_contain_text("That was one request from end to end.")
        assert scene.slack.app_errors == []


async def test_what_one_does_oneself_is_ticked_too(tmp_path: Path) -> None:
    """Without the button: the tour sees that it is done, and goes on."""
    async with staged(tmp_path, tour=True) as scene:
        window = await _first(scene)
        await window.asks("Payments")
        await _stands_at(window, 2, done=1)
        await window.be("bob")
        await window.go("approvals")
        await window.button("Approve R-1001").click()
        await _stands_at(window, 3, done=2)


async def test_it_is_closed_opened_again_and_remembers_that_it_was_seen(tmp_path: Path) -> None:
    """It comes by itself once; afterwards it is there for who asks for it."""
    async with staged(tmp_path, tour=True) as scene:
        window = await _first(scene)
        await window.button("Close the tour").click()
        opener = window.button("Tour")
        await expect(_tour(window)).to_be_hidden()
        await expect(opener).to_be_focused()
        await window.page.reload()
        await expect(opener).to_have_attribute("aria-expanded", "false")
        await expect(_tour(window)).to_be_hidden()
        await opener.click()
        await _stands_at(window, 1, done=0)
        await expect(_tour(window).get_by_role("button", name="Do it for me")).to_be_focused()
        await opener.click()
        await expect(_tour(window)).to_be_hidden()


async def test_a_step_that_cannot_be_done_says_why(tmp_path: Path) -> None:
    """The bot does not answer: a sentence, no open form, and the step is still to do."""
    async with staged(tmp_path, tour=True) as scene:
        window = await _first(scene)
        await scene.slack.sockets.disconnect("silent")
        await _tour(window).get_by_role("button", name="Do it for me").click()
        await expect(_tour(window).get_by_role("alert")).to_contain_text("The bot did not answer (operation_timeout)")
        await _stands_at(window, 1, done=0)


async def test_where_nobody_can_do_the_steps_it_says_so(tmp_path: Path) -> None:
    """Whoever asks for the tour reads what it would take; nobody else is bothered with it."""

    def for_an_outsider(text: str) -> str:
        return re.sub(r"requesters: .*", "requesters: [U0OSCAR]", text)

    async with staged(tmp_path, for_an_outsider, tour=True) as scene:
        window = await _first(scene)
        await expect(_tour(window)).to_be_hidden()
        await window.button("Tour").click()
        await expect(_tour(window)).to_contain_text("There is no tour here: it needs somebody who may request an API")
        await expect(_tour(window).get_by_role("button")).to_have_count(1)
        await window.button("Close the tour").click()
        await expect(_tour(window)).to_be_hidden()
