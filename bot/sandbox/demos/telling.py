"""Helpers of the stories that play themselves: a turn of the conversation, and a check of what was seen."""

from __future__ import annotations

import sys
from typing import Any

import aiohttp

from bot import layout

SEEN_WITHIN = 30.0
INDENT = 20
LEAST = 20


class UnseenError(Exception):
    """Something that the story needs was not seen."""


def say(who: str, what: str) -> None:
    """One turn of the conversation, as wide as the terminal."""
    width = layout.width_of(sys.stdout)
    room = max(width - INDENT, LEAST) if width else None
    said = [part for line in what.splitlines() for part in (layout.wrapped(line, room, further="") if room else [line])]
    for place, line in enumerate(said or [""]):
        print(f"\n{who:>18}  {line}" if place == 0 else f"{'':{INDENT}}{line}", flush=True)


def expect(seen: object, otherwise: str) -> None:
    if not seen:
        raise UnseenError(otherwise)


async def call(url: str, token: str) -> tuple[int, dict[str, Any]]:
    """Call the gateway with this token. Returns its status and body."""
    async with aiohttp.ClientSession() as session, session.get(url, headers={"Authorization": token}) as response:
        return response.status, await response.json()
