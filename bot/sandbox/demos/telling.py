"""Helpers of the stories that play themselves: a turn of the conversation, and a check of what was seen."""

from __future__ import annotations

from typing import Any

import aiohttp

SEEN_WITHIN = 30.0


class UnseenError(Exception):
    """Something that the story needs was not seen."""


def say(who: str, what: str) -> None:
    """One turn of the conversation."""
    first, *rest = what.splitlines() or [""]
    print(f"\n{who:>18}  {first}", *(f"{'':>18}  {line}" for line in rest), sep="\n" if rest else "", flush=True)


def expect(seen: object, otherwise: str) -> None:
    if not seen:
        raise UnseenError(otherwise)


async def call(url: str, token: str) -> tuple[int, dict[str, Any]]:
    """Call the gateway with this token. Returns its status and body."""
    async with aiohttp.ClientSession() as session, session.get(url, headers={"Authorization": token}) as response:
        return response.status, await response.json()
