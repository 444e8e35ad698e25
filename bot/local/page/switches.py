"""Switches for what can go wrong: Tyk away or slow, Slack limiting, the bot dead, the line silent, time passing."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from bot.local.slack import Fault, LocalSlack
from bot.local.tyk import LocalTyk

Json = dict[str, Any]
SLOW_SECONDS = 4.0
LIMITED_SECONDS = 60.0
RETRY_AFTER = 5
LONGEST = 366 * 86400


class Bot(Protocol):
    """The bot, as far as a person may play with it. `start` returns when it is ready, or raises."""

    @property
    def is_running(self) -> bool: ...
    async def start(self) -> None: ...
    async def kill(self) -> None: ...
    async def move(self, seconds: float) -> None: ...


class Switches:
    """`note` is told a sentence of whatever was done here."""

    def __init__(self, slack: LocalSlack, tyk: LocalTyk, bot: Bot, note: Callable[[str], None]) -> None:
        self._slack = slack
        self._tyk = tyk
        self._bot = bot
        self._note = note
        self._limit: Fault | None = None
        self._limited_until = 0.0
        self._is_starting = False
        self._complaint = ""
        self._known: dict[str, Callable[[Json], Awaitable[None]]] = {
            "tyk_away": self._tyk_away,
            "tyk_slow": self._tyk_slow,
            "limited": self._limited,
            "silent": self._silent,
            "kill": self._kill,
            "start": self._start,
            "pass": self._pass,
        }

    def names(self) -> frozenset[str]:
        return frozenset(self._known)

    def state(self) -> Json:
        bot, sockets = "running" if self._bot.is_running else "dead", self._slack.sockets
        return {
            "bot": "starting" if self._is_starting else bot,
            "complaint": self._complaint,
            "tyk_away": self._tyk.faults.away,
            "tyk_slow": bool(self._tyk.faults.slow),
            "limited": self._limited_for() > 0,
            "line": sockets.line,
            "connections": sum(not one.silent for one in sockets.connections),
            "ahead": round(self._slack.clock() - time.time()),
        }

    async def turn(self, name: str, told: Json) -> None:
        """`told` holds `on` for what can be on, `seconds` for time."""
        await self._known[name](told)
        self._slack.changes.notify()

    async def _tyk_away(self, told: Json) -> None:
        self._tyk.faults.away = bool(told["on"])
        self._note("Tyk closes every connection" if told["on"] else "Tyk answers again")

    async def _tyk_slow(self, told: Json) -> None:
        self._tyk.faults.slow = SLOW_SECONDS if told["on"] else 0
        self._note(f"Tyk takes {SLOW_SECONDS:g} s longer for each answer" if told["on"] else "Tyk is quick again")
        if not told["on"]:
            self._tyk.faults.release()

    async def _limited(self, told: Json) -> None:
        """Posts, edits and deletions get 429 for a while of the world's time."""
        faults = self._slack.faults
        if self._limit is not None and self._limit in faults.planned:
            faults.planned.remove(self._limit)
        self._limit = None
        if told["on"]:
            self._limited_until = self._slack.clock() + LIMITED_SECONDS
            self._limit = faults.next(
                "chat.*", status=429, retry_after=RETRY_AFTER, times=None, when=lambda _: self._limited_for() > 0
            )
        self._note(
            f"Slack answers each chat.* call with 429 for {LIMITED_SECONDS:g} s"
            if told["on"]
            else "Slack takes every call again"
        )

    def _limited_for(self) -> float:
        return self._limited_until - self._slack.clock() if self._limit is not None else 0.0

    async def _silent(self, _told: Json) -> None:
        """Half-open: Slack believes in the connections, nothing goes through until the bot finds out and opens new ones."""
        self._note("the line to the bot falls silent, and neither side knows")
        await self._slack.sockets.disconnect("silent")

    async def _kill(self, _told: Json) -> None:
        self._note("the bot is killed (SIGKILL)")
        await self._bot.kill()

    async def _start(self, _told: Json) -> None:
        if self._bot.is_running or self._is_starting:
            return
        self._is_starting, self._complaint = True, ""
        self._note("the bot is started")
        self._slack.changes.notify()
        try:
            await self._bot.start()
        except Exception as error:  # noqa: BLE001 - whatever kept it from starting is shown to the person
            self._complaint = str(error)
        finally:
            self._is_starting = False

    async def _pass(self, told: Json) -> None:
        seconds = float(told["seconds"])
        if not 0 < seconds <= LONGEST:
            raise ValueError("so much time cannot pass at once")
        self._note(f"{_spelled(seconds)} pass at once")
        await self._bot.move(seconds)
        self._slack.release_scheduled()


def _spelled(seconds: float) -> str:
    unit, length = next(
        ((u, n) for u, n in (("days", 86400), ("hours", 3600), ("minutes", 60)) if seconds >= n), ("seconds", 1)
    )
    return f"{seconds / length:g} {unit}"
