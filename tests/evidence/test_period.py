"""The time that evidence is asked for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.evidence import period


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026", "2026-01-01", "2027-01-01"),
        ("2026-Q4", "2026-10-01", "2027-01-01"),
        ("2026-q1", "2026-01-01", "2026-04-01"),
        ("2026-12", "2026-12-01", "2027-01-01"),
        ("2026-02-28", "2026-02-28", "2026-03-01"),
        ("2026-10-15..2026-11", "2026-10-15", "2026-12-01"),
        ("2025-Q4..2026-Q1", "2025-10-01", "2026-04-01"),
    ],
)
def test_a_period_is_a_year_a_quarter_a_month_or_from_one_to_another(text: str, start: str, end: str) -> None:
    """Both ends are included, in UTC."""
    found = period.parse(text)
    assert (found.start.isoformat(), found.end.isoformat()) == (f"{start}T00:00:00+00:00", f"{end}T00:00:00+00:00")


@pytest.mark.parametrize("text", ["", "2026-Q5", "2026-13", "26", "2026-11..2026-10", "..2026", "2026-02-30"])
def test_what_is_no_period_is_refused(text: str) -> None:
    """Neither a quarter nor a month that there is not, nor an end before the beginning."""
    with pytest.raises(ValueError):
        period.parse(text)


def test_a_period_that_is_not_over_ends_with_a_whole_second() -> None:
    """The files have no parts of one: what happens later in it belongs to what follows."""
    now = datetime(2026, 10, 15, 12, 0, 0, 999_000, tzinfo=UTC)
    assert period.parse("2026").until(now).end == datetime(2026, 10, 15, 12, tzinfo=UTC)
