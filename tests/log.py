"""The bot's log, line by line, as the fixture `log` collects it."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

Log = list[MutableMapping[str, Any]]


def lines(log: Log, **wanted: object) -> Log:
    """Those that hold all of these."""
    return [line for line in log if all(line.get(name) == value for name, value in wanted.items())]


def failures(log: Log, kind: str) -> list[str]:
    """Why acts of this kind failed, in order."""
    return [line["error"] for line in lines(log, event="effect", result="failed", kind=kind)]
