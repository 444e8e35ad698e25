"""The page in a real Chromium, before the whole bot: what people see and do there, as they would."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, async_playwright, expect

from bot import config
from bot.local import page as sandbox_page
from bot.local.slack import LocalSlack
from bot.local.tyk import LocalTyk
from bot.local.world import CONFIG
from bot.local.world import World as SandboxWorld
from bot.sandbox.feed import following
from bot.sandbox.run import WORDS
from bot.sandbox.tour import tour as tour_of
from tests.world import World, living

APP = "Tyk Keys"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
WITHIN = 40_000  # milliseconds in which something must be seen, also by a machine that does much else
NO_BROWSER = (
    "There is no Chromium here, so nobody looked at the sandbox's page: install one (apt-get install chromium) "
    "and run the tests of tests/page again."
)

expect.set_options(timeout=WITHIN)


def chromium() -> str | None:
    """The system's browser; Playwright's own is not downloaded."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """A browser. As root there is no sandbox for it, and nothing but our own page is opened.

    Where there is none, the test is skipped with a sentence that says how to get one; in CI it fails with it.
    """
    if chromium() is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(NO_BROWSER)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-lcd-text"]
        )
        try:
            yield browser
        finally:
            await browser.close()


# --- a window ---------------------------------------------------------------------------------------------------------


@dataclass
class Window:
    """One window of somebody's. `said` is what was on its console."""

    page: Page
    said: list[str]

    async def be(self, name: str) -> None:
        """One click on the person."""
        await self.page.locator(f'[data-person="{name}"]').click()
        await expect(self.page.locator(f'[data-person="{name}"]')).to_have_attribute("aria-current", "true")

    async def go(self, room: str) -> None:
        await self.page.get_by_role("navigation", name="Conversations").get_by_role("button", name=room).click()
        await expect(self.page.locator("#where")).to_have_text(room if room == APP else f"# {room}")

    @property
    def composer(self) -> Locator:
        return self.page.locator("#composer textarea")

    @property
    def modal(self) -> Locator:
        return self.page.locator("dialog.modal")

    async def types(self, text: str) -> None:
        """Into the composer, and Enter."""
        await self.composer.fill(text)
        await self.composer.press("Enter")

    async def picks(self, label: str, option: str) -> None:
        await self.modal.get_by_role("combobox", name=label).click()
        await self.option(option).click()

    def option(self, text: str) -> Locator:
        """An option of an open select, by its text, whatever is said of it below."""
        return self.modal.get_by_role("option").filter(has=self.page.get_by_text(text, exact=True))

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def message(self, text: str) -> Locator:
        return self.page.locator("article", has_text=text).last

    async def asks(self, api: str, *, reason: str = "to test the new checkout", plan: str | None = "standard") -> None:
        """Command, form, submission, up to the answer, which is closed."""
        await self.sends(api, reason=reason, plan=plan)
        await self.modal.get_by_role("button", name="Close").last.click()
        await expect(self.modal).to_have_count(0)

    async def sends(self, api: str, *, reason: str = "to test the new checkout", plan: str | None = "standard") -> None:
        """Command, form, submission, up to the answer. `plan` is None where there is nothing to choose."""
        await self.go("general")
        await self.types("/tyk-key")
        await self.picks("API", api)
        if plan is not None:
            await self.modal.get_by_role("radio", name=plan).check()
        await self.modal.get_by_role("textbox", name="Reason").fill(reason)
        await self.button("Send request").click()
        await expect(self.modal.get_by_role("heading")).to_contain_text("Request sent")

    async def underneath(self, tab: str) -> Locator:
        """Opens the panel at this tab."""
        opener = self.page.locator("#under-toggle")
        if await opener.get_attribute("aria-expanded") == "false":
            await opener.click()
        await self.page.get_by_role("tab", name=tab).click()
        return self.page.get_by_role("tabpanel", name=tab)

    async def switch(self, name: str) -> None:
        panel = await self.underneath("Switches")
        await panel.get_by_role("switch", name=name).click()

    async def passes(self, what: str) -> None:
        panel = await self.underneath("Switches")
        await panel.get_by_role("button", name=what).click()


# --- the scene --------------------------------------------------------------------------------------------------------


@dataclass
class InProcessBot:
    """The bot that runs inside the test: its time can be moved, it cannot be killed."""

    world: World
    is_running: bool = True

    async def start(self) -> None:
        raise NotImplementedError

    async def kill(self) -> None:
        raise NotImplementedError

    async def move(self, seconds: float) -> None:
        await self.world.pass_time(timedelta(seconds=seconds))


@dataclass
class Scene:
    """The world, the page's address and the windows on it. `world` is there where the bot runs in the test's own process."""

    slack: LocalSlack
    tyk: LocalTyk
    url: str
    browser: Browser
    windows: list[Window] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)
    world: World = field(init=False)

    async def window(
        self, name: str = "alice", *, room: str | None = None, newcomer: bool = False, **context: Any
    ) -> Window:
        """A new window, of this person, who has seen the tour unless they are a newcomer."""
        made = await self.browser.new_context(**({"viewport": {"width": 1280, "height": 860}} | context))
        self.contexts.append(made)
        if not newcomer:
            await made.add_init_script("localStorage.setItem('tour', 'seen')")
        page = await made.new_page()
        page.set_default_timeout(WITHIN)
        said: list[str] = []

        def hear(message: ConsoleMessage) -> None:
            said.append(f"{message.type}: {message.text}")

        page.on("console", hear)
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        await page.goto(f"{self.url}?as={name}" + (f"&in={room}" if room else ""))
        await expect(page.locator(f'[data-person="{name}"]')).to_have_attribute("aria-current", "true")
        self.windows.append(Window(page, said))
        return self.windows[-1]

    def complaints(self) -> list[str]:
        return [line for window in self.windows for line in window.said]


@asynccontextmanager
async def opened(
    slack: LocalSlack, tyk: LocalTyk, bot: sandbox_page.Bot, database_url: str, *, tour: str | None = None
) -> AsyncIterator[Scene]:
    """The page over a running world, and a browser. Whatever was said on a console fails the test. `tour`: the configuration by
    whose rules people are shown round, None for no tour."""
    place = SandboxWorld(slack, tyk)
    guide = tour_of(place, config.parse(place.config(tour))) if tour is not None else None
    page = sandbox_page.Page(place, bot, {"/tyk-key": WORDS}, port=0, tour=guide)

    def name(user_id: str) -> str:
        user = slack.workspace.users.get(user_id)
        return user.real_name if user else user_id

    async with browsing() as browser, page, following(database_url, page.tell, name, slack.changes, slack.clock):
        scene = Scene(slack, tyk, page.url, browser)
        yield scene
        for context in scene.contexts:
            await context.close()
        assert scene.complaints() == [], "nothing may be on the console"


@asynccontextmanager
async def staged(
    folder: Path, change: Callable[[str], str] = lambda text: text, *, tour: bool = False
) -> AsyncIterator[Scene]:
    """The same, with the bot inside the test's own process. `change` edits the configuration."""
    async with (
        living(folder, change=change) as world,
        opened(
            world.slack,
            world.tyk,
            InProcessBot(world),
            f"sqlite:///{folder / 'bot.db'}",
            tour=change(CONFIG.read_text()) if tour else None,
        ) as scene,
    ):
        scene.world = world
        yield scene


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
