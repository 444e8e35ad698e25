"""The pace of one person: a burst of commands, clicks and forms, then so many a minute.

Slack's limits are the bot's, not each person's: who sends two hundred commands would use up `views.open` for everybody.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

BURST = 20
EVERY = 1.0
"""Seconds after which one more is allowed."""

PEOPLE = 10_000


class Spent(Enum):
    """The budget's answer to one more."""

    WITHIN = "within"
    OVER = "over"
    STILL_OVER = "still over"


@dataclass
class _Account:
    """`paid_at` is when all that was spent will have come back; `told` once this person knows that it is too much."""

    paid_at: float
    told: bool = False


class Budget:
    """One account a person, in memory; the longest unused are forgotten beyond `people`."""

    def __init__(self, clock: Callable[[], float], *, burst: int = BURST, people: int = PEOPLE) -> None:
        self._clock = clock
        self._ahead = (burst - 1) * EVERY
        self._people = people
        self._accounts: OrderedDict[str, _Account] = OrderedDict()

    def __len__(self) -> int:
        return len(self._accounts)

    def spend(self, user_id: str) -> Spent:
        """One more of this person's; what is over costs nothing, so that waiting a second always helps."""
        now = self._clock()
        account = self._accounts.setdefault(user_id, _Account(now))
        self._accounts.move_to_end(user_id)
        if len(self._accounts) > self._people:
            self._accounts.popitem(last=False)
        if account.paid_at - now > self._ahead:
            told, account.told = account.told, True
            return Spent.STILL_OVER if told else Spent.OVER
        account.paid_at = max(account.paid_at, now) + EVERY
        account.told = account.told and account.paid_at - now > self._ahead / 2
        return Spent.WITHIN
