"""Durations as people write and read them: `30s`, `15m`, `12h`, `7d`, `2w`."""

from __future__ import annotations

import re
from datetime import timedelta

PATTERN = r"^[1-9][0-9]{0,8}[smhdw]$"

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def in_seconds(text: str) -> int | None:
    """The seconds that a duration lasts, which may be more than a timedelta can hold; None where the text is none."""
    if not re.fullmatch(PATTERN, text):
        return None
    return int(text[:-1]) * _UNITS[text[-1]]


def spelled(value: timedelta | None) -> str:
    """The duration as one writes it, in the largest unit up to days that it fills; `never` for None."""
    if value is None:
        return "never"
    seconds = int(value.total_seconds())
    unit = next(unit for unit in "dhms" if seconds % _UNITS[unit] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def rough(value: timedelta) -> str:
    """The duration in its two largest units, as in `2d 3h`: for how long something has been so."""
    left, parts = max(0, int(value.total_seconds())), list[str]()
    for unit in "dhms":
        if left >= _UNITS[unit] or parts:
            parts.append(f"{left // _UNITS[unit]}{unit}")
            left %= _UNITS[unit]
    return " ".join(part for part in parts[:2] if part[0] != "0") or "0s"
