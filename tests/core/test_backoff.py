"""The wait before something is tried again: it grows, it ends, and the other side's wish counts within reason."""

from __future__ import annotations

import pytest

from bot.core import backoff


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (8, 60), (10_000, 60)])
def test_the_wait_doubles_up_to_a_minute(attempts: int, seconds: float) -> None:
    """However often it failed, it is tried again within a minute."""
    assert backoff.delay(attempts, spread=0).total_seconds() == seconds


def test_replicas_do_not_march_in_step() -> None:
    """Their randomness takes up to a quarter off."""
    assert backoff.delay(3, spread=1).total_seconds() == 3


@pytest.mark.parametrize(
    ("asked_for", "seconds"), [(None, 4), (0.5, 4), (30, 30), (300, 300), (604800, 300), (-5, 4), (float("inf"), 300)]
)
def test_the_other_side_may_ask_for_more_time_within_reason(asked_for: float | None, seconds: float) -> None:
    """Of minutes as many as it likes up to five; not for a week, and not for less than is waited anyhow."""
    assert backoff.delay(3, spread=0, retry_after=asked_for).total_seconds() == seconds


@pytest.mark.parametrize(("asked_for", "granted"), [(None, 0), (-5, 0), (2.5, 2.5), (301, 300)])
def test_a_wish_is_bounded(asked_for: float | None, granted: float) -> None:
    """A wait before now is none."""
    assert backoff.wish(asked_for) == granted
