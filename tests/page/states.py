"""Pictures of what people see of a request in each of its states, at two widths, light and dark."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from playwright.async_api import expect

from bot.local.slack import Message
from tests.page import Scene, Window, staged
from tests.story import asked, denies, fills_in, reads
from tests.world import WITHIN, World

SIZES = {1280: 800, 390: 844}
THEMES = ("light", "dark")
LONG = timedelta(days=30)
CARDS = ("pending", "approved", "revoked", "denied", "expired")
NAMES = ("form", *(f"card-{state}" for state in CARDS), "token", "home", "who", "audit")


@dataclass
class Album:
    """The same picture in each size and theme; `taken` are its files so far."""

    folder: Path
    scene: Scene
    windows: dict[str, Window]
    taken: list[Path]

    async def keep(self, name: str, who: str, room: str, shown: str, *, tab: str = "") -> None:
        """What this person sees in this conversation, once the part `shown` is there, which is scrolled into sight."""
        for look, window in self.windows.items():
            await window.page.locator(f'[data-person="{who}"]').dispatch_event("click")
            await expect(window.page.locator(f'[data-person="{who}"]')).to_have_attribute("aria-current", "true")
            await window.page.locator(f'[data-room="{room}"]').first.dispatch_event("click")
            if tab:
                await window.page.get_by_role("tab", name=tab).click()
            part = window.page.locator(shown).last
            await expect(part).to_be_visible()
            await part.evaluate("(part) => part.scrollIntoView({ block: 'nearest' })")
            await window.page.mouse.move(1, 1)
            path = self.folder / f"{name}-{look}.png"
            await window.page.screenshot(path=path, animations="disabled", caret="hide")
            self.taken.append(path)

    async def keep_card(self, state: str, card: Message, *labels: str) -> None:
        """The card in #approvals, once it has these buttons and no other decision."""
        bob = self.scene.world.person("bob")
        await bob.sees(
            lambda one: one.ts == card.ts and _decisions(one) == set(labels), channel="approvals", timeout=WITHIN
        )
        await self.keep(f"card-{state}", "bob", "C0APPROVALS", f'article[data-ts="{card.ts}"]')


def _decisions(message: Message) -> set[str]:
    return {label for label in message.labels if label in ("Approve", "Revoke")}


@asynccontextmanager
async def _album(folder: Path) -> AsyncIterator[Album]:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="states-") as place:
        async with staged(Path(place)) as scene:
            windows = {}
            for width, height in SIZES.items():
                for theme in THEMES:
                    windows[f"{width}-{theme}"] = await scene.window(
                        viewport={"width": width, "height": height},
                        color_scheme=theme,
                        reduced_motion="reduce",
                        has_touch=width < 500,
                    )
            yield Album(folder, scene, windows, [])


async def take(folder: Path) -> list[Path]:
    """The NAMES, each in each size and theme."""
    async with _album(folder) as album:
        world = album.scene.world
        alice, bob = world.person("alice"), world.person("bob")
        dm = album.scene.slack.workspace.dm(alice.id).id
        await fills_in(alice)
        await album.keep("form", "alice", "C0GENERAL", "dialog .body")
        await alice.closes(everything=True)
        first = await asked(world, used_by="checkout")
        await album.keep_card("pending", first, "Approve")
        await bob.clicks("Approve", first)
        await world.told("sent")
        await album.keep_card("approved", first, "Revoke")
        await album.keep("token", "alice", dm, "#log article:has(pre)")
        await album.keep("home", "alice", dm, "#home .block:first-child", tab="Home")
        await bob.runs("/tyk-key", "who payments")
        await bob.sees_view(lambda view: "R-1001" in reads(view))
        await album.keep("who", "bob", "C0GENERAL", "dialog .body")
        await bob.closes(everything=True)
        await _revoke(world, first)
        await album.keep_card("revoked", first)
        second = await asked(world, "dave")
        await denies(world, "bob", second, "The test API will do.")
        await album.keep_card("denied", second)
        third = await asked(world, "dave")
        await world.pass_time(LONG)
        await world.running.worker.drain()
        await album.keep_card("expired", third)
        await album.keep("audit", "carol", "C0AUDIT", "#log > article")
    return album.taken


async def _revoke(world: World, card: Message) -> None:
    bob = world.person("bob")
    await bob.clicks(
        "Revoke", await bob.sees(lambda one: one.ts == card.ts and "Revoke" in one.labels, channel="approvals")
    )
    await bob.sees_view(lambda view: "R-1001" in reads(view))
    await bob.types("reason", "The checkout is finished.")
    await bob.submits()
    await world.told("revoked")
