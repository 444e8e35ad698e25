"""Equal refusals of one person, gathered: the first within an hour is told, then the 10th, the 100th, the 1,000th.

So each row of the audit is true when it is written, none waits for an hour to be over, and nobody can fill the audit alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

WITHIN = timedelta(hours=1)
KINDS = 50
"""The most different refusals of one person that are remembered."""


def tally_of(user_id: str) -> str:
    """The name under which a person's refusals are remembered."""
    return f"refused:{user_id}"


@dataclass(frozen=True)
class Tally:
    """The count of one refusal that one person was told since `since`. `what` is the same for equal refusals."""

    what: str
    since: datetime
    times: int = 1

    @property
    def is_told(self) -> bool:
        return str(self.times).strip("0") == "1"


def count(tallies: tuple[Tally, ...], what: str, now: datetime) -> tuple[Tally, ...]:
    """The person's tallies with one more refusal, which comes last; what is older than an hour begins anew."""
    fresh = [one for one in tallies if now - one.since < WITHIN]
    before = next((one for one in fresh if one.what == what), None)
    others = [one for one in fresh if one is not before]
    counted = Tally(what, now) if before is None else replace(before, times=before.times + 1)
    return (*others[1 - KINDS :], counted)
