"""`python -m tests.page.screenshots DIR` plays the main story on the page and keeps five pictures of it there.

With `--states` it keeps pictures of what people see of a request in each state, at two widths, light and dark.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
from pathlib import Path

import structlog
from playwright.async_api import expect

from tests.page import APP, NO_BROWSER, Window, chromium, staged, states

SIZE = {"width": 1120, "height": 740}
MOST = 120_000  # bytes: they stand in a README


async def take(folder: Path) -> list[Path]:
    """modal.png, card.png, dm.png, timeline.png, and consent.png: the card of a plan that opens a further API."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="screenshots-") as place:
        async with staged(Path(place)) as scene:
            window = await scene.window("alice", viewport=SIZE, color_scheme="light", reduced_motion="reduce")
            await _ask(window)
            modal = await _keep(window, folder / "modal.png")
            await window.button("Send request").click()
            await expect(window.modal.get_by_role("heading", name="Request sent")).to_be_visible()
            await window.modal.get_by_role("button", name="Close").last.click()
            await window.be("bob")
            await window.go("approvals")
            await expect(window.button("Approve R-1001")).to_be_visible()
            card = await _keep(window, folder / "card.png")
            await window.button("Approve R-1001").click()
            await expect(window.message("R-1001")).to_contain_text("Access until")
            await window.be("alice")
            await window.go(APP)
            await expect(window.message("your token for Payments")).to_be_visible()
            dm = await _keep(window, folder / "dm.png")
            await window.be("carol")
            await window.go("audit")
            await expect(window.page.locator("#log strong", has_text="sent").first).to_be_visible()
            panel = await window.underneath("Timeline")
            approving = panel.locator(".group", has_text="Bob Brown presses")
            await expect(approving.locator(".line", has_text="deliver token")).to_contain_text("kept")
            await approving.locator("summary").first.click()
            await approving.evaluate("(group) => group.scrollIntoView()")
            timeline = await _keep(window, folder / "timeline.png", "#under")
            await window.button("Underneath").click()
            await window.be("dave")
            await _ask(window, plan="gold")
            await window.button("Send request").click()
            await expect(window.modal.get_by_role("heading", name="Request sent")).to_be_visible()
            await window.modal.get_by_role("button", name="Close").last.click()
            await window.be("bob")
            await window.go("approvals")
            await expect(window.button("Approve R-1002")).to_be_visible()
            consent = await _keep(window, folder / "consent.png")
    return [modal, card, dm, timeline, consent]


async def _ask(window: Window, plan: str = "standard") -> None:
    await window.types("/tyk-key")
    await window.picks("API", "Payments")
    await window.modal.get_by_role("radio", name=plan).check()
    await window.modal.get_by_role("textbox", name="Used by").fill("checkout")
    await window.modal.get_by_role("textbox", name="Reason").fill("to test the new checkout")
    await window.modal.locator(".body").evaluate("(body) => (body.scrollTop = 0)")


async def _keep(window: Window, path: Path, part: str | None = None) -> Path:
    """The whole page, or a part of it."""
    await window.page.mouse.move(1, 1)
    shown = window.page.locator(part) if part else window.page
    await shown.screenshot(path=path, animations="disabled", caret="hide")
    assert path.stat().st_size < MOST, f"{path} has {path.stat().st_size} bytes, more than {MOST}"
    return path


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.page.screenshots", description="Pictures of the sandbox's page."
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="where they are kept")
    parser.add_argument(
        "--states",
        action="store_true",
        help="form, card in its states, token, home, who, audit: wide and narrow, light and dark",
    )
    told = parser.parse_args()
    if chromium() is None:
        sys.stderr.write(f"{NO_BROWSER}\n")
        return 2
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    for path in asyncio.run((states.take if told.states else take)(told.folder)):
        sys.stdout.write(f"{path}  {path.stat().st_size:,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
