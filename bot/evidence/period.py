"""The time that evidence is asked for, as a person types it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True)
class Period:
    """From `start` until before `end`, UTC. `name` is what it was asked for by."""

    name: str
    start: datetime
    end: datetime

    def until(self, now: datetime) -> Period:
        """As far as it has passed by now, in whole seconds, as the files have them."""
        now = now.replace(microsecond=0)
        return Period(self.name, min(self.start, now), min(self.end, now))

    def holds(self, at: datetime | None) -> bool:
        return at is not None and self.start <= at < self.end

    def over(self, at: datetime | None) -> bool:
        """It had happened by the end of the period."""
        return at is not None and at < self.end


def parse(text: str) -> Period:
    """`2026`, `2026-Q4`, `2026-10`, `2026-10-15`, or `FROM..TO` of such, both included. Raises ValueError."""
    first, dots, last = text.strip().partition("..")
    start, end = _span(first)
    if dots:
        end = _span(last)[1]
    if end <= start:
        raise ValueError(text)
    return Period(text.strip(), start, end)


def _span(text: str) -> tuple[datetime, datetime]:
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        day = datetime.fromisoformat(text).replace(tzinfo=UTC)
        return day, day + timedelta(days=1)
    found = re.fullmatch(r"(\d{4})(?:-(?:Q([1-4])|(\d{2})))?", text, re.IGNORECASE)
    if found is None:
        raise ValueError(text)
    year, quarter, month = int(found[1]), found[2], found[3]
    first, months = (1, 12) if not (quarter or month) else (3 * int(quarter) - 2, 3) if quarter else (int(month), 1)
    after = first - 1 + months
    return datetime(year, first, 1, tzinfo=UTC), datetime(year + after // 12, after % 12 + 1, 1, tzinfo=UTC)
