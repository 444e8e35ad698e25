"""The page for everybody: axe finds nothing, and what is said of a control contains the words that are seen on it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]  # ships no types
from playwright.async_api import Page, expect

from tests.page import APP, Window, staged
from tests.page.test_look import FORM, form, gallery
from tests.story import asked

SEEN = [(theme, width) for theme in ("light", "dark") for width in (1280, 1024, 390)]


async def _check(page: Page, where: str) -> None:
    found = await Axe().run(page)
    told = [
        f"{one['id']} ({one['impact']}): {one['help']}: {[node['html'] for node in one['nodes']]}"
        for one in found.response["violations"]
    ]
    assert not told, f"{where}: {told}"
    mismatches = await page.evaluate(_MISMATCHES)
    assert not mismatches, f"{where}: {mismatches}"
    wide = await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    assert not wide, f"{where}: nothing is wider than the window"


_MISMATCHES = """() => {
  const plain = (text) => text.toLowerCase().replace(/[^\\p{L}\\p{N}]+/gu, " ").trim();
  const seen = (node) => [...node.childNodes].map((child) => {
    if (child.nodeType === Node.TEXT_NODE) return child.data;
    if (child.nodeType !== Node.ELEMENT_NODE || child.getAttribute("aria-hidden") === "true") return "";
    return child.matches(".unseen") || !child.checkVisibility() ? "" : ` ${seen(child)} `;
  }).join("");
  const referred = (ids) => ids.split(/\\s+/).map((id) => document.getElementById(id)?.textContent ?? "").join(" ");
  return [...document.querySelectorAll("button, a, summary, select, input, textarea, [role=tab], [role=option], [tabindex]")]
    .filter((node) => node.checkVisibility())
    .map((node) => {
      const ids = node.getAttribute("aria-labelledby");
      const label = ids ? referred(ids) : node.getAttribute("aria-label");
      const isField = node.matches("select, input, textarea, [role=log], [role=tabpanel], article, pre, .body");
      return { said: label === null ? null : plain(label), seen: isField ? "" : plain(seen(node)) };
    })
    .filter(({ said, seen }) => said !== null && !` ${said} `.includes(` ${seen} `.replace("  ", " ")))
    .map(({ said, seen }) => `“${seen}” is called “${said}”`);
}"""


def _context(theme: str, width: int) -> dict[str, Any]:
    return {"color_scheme": theme, "viewport": {"width": width, "height": 860}, "reduced_motion": "reduce"}


@pytest.mark.parametrize(("theme", "width"), SEEN)
async def test_axe_finds_nothing_on_the_page(tmp_path: Path, theme: str, width: int) -> None:
    """Messages, the menu, forms, errors, an open list, the three panels: in either theme and at any width."""
    context = _context(theme, width)
    async with gallery(tmp_path, **context) as (scene, window):
        await _check(window.page, "a channel")
        if width == 390:
            await window.page.get_by_role("button", name="Channels").click()
            await _check(window.page, "the menu")
            await window.page.keyboard.press("Escape")
        for tab in ("Timeline", "Keys", "Switches"):
            await window.underneath(tab)
            await _check(window.page, tab)
        await window.button("Close underneath").click()
        form(scene, [{**block, "optional": False} for block in FORM if block["block_id"] != "file_input"])
        await expect(window.modal).to_be_visible()
        await window.modal.get_by_role("button", name="Send").click()
        await expect(window.modal.get_by_role("alert").first).to_be_visible()
        await _check(window.page, "a form with errors")
        await window.modal.get_by_role("combobox", name="Label of static_select").click()
        await expect(window.modal.get_by_role("option", name="Red")).to_be_visible()
        await _check(window.page, "an open list")


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
async def test_axe_finds_nothing_in_what_the_bot_draws(tmp_path: Path, theme: str, width: int) -> None:
    """The tour, the form, the card, its details, a denial, the token, Home and the audit, as everybody sees them."""
    context = _context(theme, width)
    async with staged(tmp_path, tour=True) as scene:
        window = await scene.window("alice", newcomer=True, **context)
        await _check(window.page, "the tour")
        await window.button("Close the tour").click()
        await window.page.goto(f"{scene.url}?as=alice&in=C0GENERAL")
        await window.types("/tyk-key")
        await window.picks("API", "Payments")
        await expect(window.modal.get_by_role("radio", name="standard")).to_be_visible()
        await _check(window.page, "the form")
        await window.page.keyboard.press("Escape")
        await expect(window.modal).to_have_count(0)
        await asked(scene.world)
        bob = await scene.window("bob", room="C0APPROVALS", **context)
        await expect(bob.button("Approve R-1001")).to_be_visible()
        await _check(bob.page, "a card")
        await bob.button("Deny R-1001").click()
        await expect(bob.modal).to_be_visible()
        await _check(bob.page, "a denial")
        await bob.page.keyboard.press("Escape")
        await bob.button("Approve R-1001").click()
        await expect(bob.button("Revoke R-1001")).to_be_visible()
        await _check(bob.page, "a decided card")
        await bob.button("Details of R-1001").click()
        await expect(bob.modal.get_by_role("heading", name="Details of R-1001")).to_be_visible()
        await _check(bob.page, "the details of a decided card")
        await bob.page.keyboard.press("Escape")
        alice = await scene.window("alice", room=scene.slack.workspace.dm("U0ALICE").id, **context)
        await expect(alice.page.locator("#log pre").first).to_have_text(re.compile("."))
        await _check(alice.page, "a token")
        await _look_at_lists(alice)
        carol = await scene.window("carol", room="C0AUDIT", **context)
        await expect(carol.page.locator("#log")).to_contain_text("R-1001")
        await _check(carol.page, "the audit")


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
async def test_axe_finds_nothing_when_things_go_wrong(tmp_path: Path, theme: str, width: int) -> None:
    """Calls that fail and wait have colours of their own in the timeline, and so have the switches that are on."""
    async with staged(tmp_path) as scene:
        window = await scene.window("bob", room="C0APPROVALS", **_context(theme, width))
        await window.switch("Tyk is away")
        await asked(scene.world)
        await window.button("Close underneath").click()
        await window.button("Approve R-1001").click()
        timeline = await window.underneath("Timeline")
        failed = timeline.locator(".line", has_text="no answer").first
        await expect(failed).to_be_attached()
        await timeline.evaluate("(panel) => panel.querySelectorAll('details').forEach((one) => (one.open = true))")
        await expect(failed).to_be_visible()
        await expect(failed.locator("pre").last).to_have_text(re.compile("."))
        await _check(window.page, "the timeline of a failure")
        await window.switch("Slack limits the bot")
        await expect(window.page.locator("#standing")).to_contain_text("Slack limits")
        await _check(window.page, "switches that are on")


async def _look_at_lists(alice: Window) -> None:
    await expect(alice.page.locator("#where")).to_have_text(APP)
    await alice.page.get_by_role("tab", name="Home").click()
    await expect(alice.page.locator("#home")).to_contain_text("R-1001")
    await _check(alice.page, "Home")


async def test_a_label_that_hides_what_is_seen_is_found(tmp_path: Path) -> None:
    """Whoever speaks to a computer says what they see: “press I have saved it”."""
    async with staged(tmp_path) as scene:
        window = await scene.window("alice")
        assert await window.page.evaluate(_MISMATCHES) == []
        await window.page.evaluate(
            """() => {
              const button = document.createElement("button");
              button.textContent = "I have saved it";
              button.setAttribute("aria-label", "Saved the token of R-1001");
              document.querySelector("#tools").append(button);
            }"""
        )
        assert await window.page.evaluate(_MISMATCHES) == ["“i have saved it” is called “saved the token of r 1001”"]
