"""The background of a card's requester for those who decide: what else they have and had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.core.model import Record, Request, RequestState
from bot.core.timing import end_of

MAX_HELD = 5
MAX_PAST = 3
LOOKED_AT = 20
"""The most of somebody's requests that are looked at: those that wait or hold something first, then the newest."""


@dataclass(frozen=True)
class Background:
    """Their other requests as they stood `at` this time: those that wait or hold something, of the same API first, and the last
    that are over. `more` counts the former that are left out; `uncounted`: there may be others that were not looked at."""

    at: datetime
    held: tuple[Record, ...] = ()
    more: int = 0
    past: tuple[Record, ...] = ()
    uncounted: bool = False


def background(request: Request, others: Sequence[Record], at: datetime) -> Background:
    """`others` are the requests of whoever made this one, LOOKED_AT at the most, in that order."""
    standing = [one for one in others if _stands(one, at)]
    held = sorted(standing, key=lambda one: (one.request.rule.name != request.rule.name, -one.request.number))
    past = [one for one in others if not _stands(one, at) and one.request.number < request.number]
    past.sort(key=lambda one: -one.request.number)
    uncounted = len(others) >= LOOKED_AT and others[-1] in standing
    return Background(at, tuple(held[:MAX_HELD]), len(held[MAX_HELD:]), tuple(past[:MAX_PAST]), uncounted)


def _stands(record: Record, at: datetime) -> bool:
    """It waits or holds something, and its time is not over although nobody has looked so far."""
    if record.request.state is RequestState.PENDING:
        return record.request.lapses_at > at
    end = end_of(record)
    return record.lives and (end is None or end.at > at)
