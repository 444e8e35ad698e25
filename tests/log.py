"""The bot's log, line by line, as the fixture `log` collects it."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

WITHIN = 60.0

Log = list[MutableMapping[str, Any]]


def lines(log: Log, **wanted: object) -> Log:
    """Those that hold all of these."""
    return [line for line in log if all(line.get(name) == value for name, value in wanted.items())]


def failures(log: Log, kind: str) -> list[str]:
    """Why acts of this kind failed, in order. None of them is at info."""
    return [line["error"] for line in lines(log, event="effect", log_level="warning", result="failed", kind=kind)]


async def logged(log: Log, event: str, times: int = 1) -> Log:
    """The lines of this event, once there are so many."""
    async with asyncio.timeout(WITHIN):
        while len(found := lines(log, event=event)) < times:  # noqa: ASYNC110 - the log tells nobody of it
            await asyncio.sleep(0.01)
    return found
