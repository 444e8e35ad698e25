"""The wait before a promise is tried again."""

from __future__ import annotations

from datetime import timedelta

FIRST = 1.0
LONGEST = 60.0
LONGEST_WISH = 300.0
"""Seconds: the other side may ask for more time than we take, but not for a week or for ever."""


def delay(attempts: int, *, spread: float, retry_after: float | None = None) -> timedelta:
    """The wait after `attempts` (1 or more) failures: doubling up to a minute, and at least what the other side wishes.

    `spread` in 0..1 comes from the caller's randomness and takes up to a quarter off, so that replicas do not march in step.
    """
    seconds = min(LONGEST, FIRST * 2 ** min(attempts - 1, 10)) * (1 - spread / 4)
    return timedelta(seconds=max(seconds, wish(retry_after)))


def wish(retry_after: float | None) -> float:
    """The seconds that the other side asked for, as far as they are granted."""
    return min(max(retry_after or 0.0, 0.0), LONGEST_WISH)
