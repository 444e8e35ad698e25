"""The wait before a promise is tried again."""

from __future__ import annotations

from datetime import timedelta

FIRST = 1.0
LONGEST = 60.0


def delay(attempts: int, *, spread: float, retry_after: float | None = None) -> timedelta:
    """The wait after `attempts` (1 or more) failures: doubling up to a minute, the other side's wish at the least.

    `spread` in 0..1 comes from the caller's randomness and takes up to a quarter off, so that replicas do not march in step.
    """
    seconds = min(LONGEST, FIRST * 2 ** min(attempts - 1, 10)) * (1 - spread / 4)
    return timedelta(seconds=max(seconds, retry_after or 0.0))
