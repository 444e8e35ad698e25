"""The sandbox's verbs: the production bot, as a process of its own, between a local Slack and a local Tyk."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from bot import config, manifest
from bot.sandbox.slack import Message, NotPossible
from bot.sandbox.world import World, world
from bot.store.seal import new_key

START_WITHIN = 30.0
SEEN_WITHIN = 30.0


class UnseenError(Exception):
    """Something that the story needs was not seen."""


@asynccontextmanager
async def bot_process(place: World, text: str, folder: Path) -> AsyncIterator[Path]:
    """`python -m bot run` against this world, ready; yields the path of its log. Raises UnseenError if it does not start."""
    path, log = folder / "config.yaml", folder / "bot.log"
    path.write_text(text)
    environ = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "PYTHONPATH")}
    environ |= place.environ() | {
        "DATABASE_URL": f"sqlite:///{folder / 'sandbox.db'}",
        "SEAL_KEYS": new_key(),
        "HTTP_PORT": "0",
    }
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "run", "--config", str(path), env=environ, stdout=output, stderr=output
        )
        try:
            await _until_ready(process, log)
            yield log
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            await process.wait()


async def _until_ready(process: asyncio.subprocess.Process, log: Path) -> None:
    deadline = time.monotonic() + START_WITHIN
    while '"bot.ready"' not in log.read_text():
        if process.returncode is not None or time.monotonic() > deadline:
            raise UnseenError(f"The bot did not start:\n{log.read_text()[-2000:]}")
        await asyncio.sleep(0.1)


@asynccontextmanager
async def sandbox(own_config: Path | None) -> AsyncIterator[tuple[World, Path]]:
    """The world and the bot in it, in a temporary folder that goes with them."""
    with tempfile.TemporaryDirectory(prefix="tyk-key-bot-") as folder:
        text = own_config.read_text() if own_config else None
        async with world(sorted(manifest.SCOPES)) as place:
            made = place.config(text)
            config.parse(made, str(own_config or "sandbox/config.yaml"))
            async with bot_process(place, made, Path(folder)) as log:
                yield place, log


async def play() -> int:
    """The main story, told as a conversation. Returns 0 only if every step of it was seen."""
    try:
        async with sandbox(None) as (place, _):
            await MainStory(place).tell()
    except (UnseenError, TimeoutError, NotPossible) as unseen:
        print(f"\nNot seen: {unseen}", file=sys.stderr)
        return 1
    print("\nEvery step was seen.")
    return 0


class MainStory:
    """Alice asks, Bob approves, the token arrives, opens the API, is hidden; the grant ends, and the door is shut."""

    def __init__(self, place: World) -> None:
        self._place = place
        self._alice, self._bob, self._carol = (place.slack.person(name) for name in ("alice", "bob", "carol"))

    async def tell(self) -> None:
        await self._ask()
        await self._approve()
        token = await self._receive()
        await self._hide(token)
        await self._end(token)
        await self._audit()

    async def _ask(self) -> None:
        say("Alice", "types /tyk-key")
        await self._alice.runs("/tyk-key")
        await self._alice.sees_view(lambda view: has_block(view, "api"))
        await self._alice.picks("api", "payments")
        view = await self._alice.sees_view(lambda view: has_block(view, "about:payments"))
        say("Slack", f"shows her “{view['title']['text']}”: Payments, its plans and lifetimes, and who decides")
        await self._alice.picks("plan", "standard")
        await self._alice.picks("lifetime", "20")
        await self._alice.types("used_by", "checkout")
        await self._alice.types("reason", "to test the new checkout")
        say("Alice", "picks the plan standard for 20 seconds, “to test the new checkout”, and presses Ask for Token")
        outcome = await self._alice.submits()
        expect(outcome.response_action == "update", f"the form was not accepted: {outcome}")
        say("Slack", shown(await self._alice.sees_view("R-1001")))

    async def _approve(self) -> None:
        card = await self._bob.sees(lambda one: "Approve" in one.labels, channel="approvals", timeout=SEEN_WITHIN)
        say("#approvals", reading(card.shown))
        say("Bob", "presses Approve")
        await self._bob.clicks("Approve")
        decided = await self._bob.sees(
            lambda one: one.ts == card.ts and "Approve" not in one.labels, channel="approvals", timeout=SEEN_WITHIN
        )
        expect("Approved by" in decided.shown, "the card does not say who approved")

    async def _receive(self) -> str:
        message = await self._alice.sees(lambda one: token_in(one) is not None, channel="dm", timeout=SEEN_WITHIN)
        token = token_in(message) or ""
        expect(token not in message.text, "the token stands in the notification's text")
        say("The bot, to Alice", reading(message.shown.replace(token, f"{token[:6]}…{token[-4:]}")))
        status, answer = await self._call(token)
        expect(status == 200, f"the gateway said {status} {answer}")
        say("Alice", f"calls {self._url()} with it: {status}")
        return token

    async def _hide(self, token: str) -> None:
        message = await self._alice.sees(lambda one: token_in(one) == token, channel="dm")
        say("Alice", "presses I Have Saved It")
        await self._alice.clicks("I Have Saved It")
        await self._alice.sees_gone(message, timeout=SEEN_WITHIN)
        expect(not any(token in one.shown for one in self._alice.dm()), "the token is still on show")
        say("Slack", "the message with the token is gone")

    async def _end(self, token: str) -> None:
        await self._carol.sees(lambda one: "*key deleted*" in one.text, channel="audit", timeout=2 * SEEN_WITHIN)
        expect(not self._place.tyk.usable_keys(), "a key is left that opens something")
        status, answer = await self._call(token)
        expect(status in (401, 403), f"the gateway still says {status}")
        say("The gateway", f"20 seconds are over: {status} {answer.get('error')}")

    async def _audit(self) -> None:
        lines = "\n".join(message.text for message in self._carol.messages("audit"))
        for event in ("asked", "reviewed", "approved", "key created", "sent", "hidden", "expired", "key deleted"):
            expect(f"*{event}*" in lines, f"the audit channel does not say “{event}”")
        say("#audit", reading(lines))
        expect(not self._place.slack.app_errors, f"Slack refused something: {self._place.slack.app_errors}")

    async def _call(self, token: str) -> tuple[int, dict[str, Any]]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(self._url(), headers={"Authorization": token}) as response,
        ):
            return response.status, await response.json()

    def _url(self) -> str:
        return f"{self._place.tyk.gateway_url}/payments/"


def say(who: str, what: str) -> None:
    """One turn of the conversation."""
    first, *rest = what.splitlines() or [""]
    print(f"\n{who:>18}  {first}", *(f"{'':>18}  {line}" for line in rest), sep="\n" if rest else "", flush=True)


def expect(seen: bool, otherwise: str) -> None:
    if not seen:
        raise UnseenError(otherwise)


def reading(text: str) -> str:
    """As a person reads it: dates, mentions and emphasis without their markup."""
    text = re.sub(r"<!date\^[^|>]*\|([^>]*)>", r"\1", text)
    text = re.sub(r"<!subteam\^S0([A-Z]+)>", lambda found: f"@{found[1].lower()}", text)
    text = re.sub(r"<[@#][UC]0([A-Z]+)>", lambda found: f"@{found[1].capitalize()}", text)
    return text.replace("*", "").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def shown(view: dict[str, Any]) -> str:
    return reading("\n".join(block["text"]["text"] for block in view["blocks"] if "text" in block))


def has_block(view: dict[str, Any], block_id: str) -> bool:
    return any(block.get("block_id") == block_id for block in view["blocks"])


def token_in(message: Message) -> str | None:
    """What stands alone in a preformatted block, unless it is the `curl` line."""
    for block in message.blocks:
        for part in block.get("elements", ()):
            if part["type"] == "rich_text_preformatted":
                text = "".join(one.get("text", "") for one in part["elements"])
                if not text.startswith("curl"):
                    return text
    return None


async def stay(own_config: Path | None) -> int:
    """Until Ctrl-C."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with sandbox(own_config) as (place, log):
        print(f"Slack      {place.slack.url}")
        print(f"Dashboard  {place.tyk.dashboard_url}")
        print(f"Gateway    {place.tyk.gateway_url}")
        print(f"The bot is ready; its log is {log}. Ctrl-C ends it all.")
        await stop.wait()
    return 0
