"""Durations as people write and read them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.durations import in_seconds, spelled


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("15m", 900), ("12h", 43_200), ("7d", 604_800), ("2w", 1_209_600)]
)
def test_units(text: str, seconds: int) -> None:
    """A duration is a whole number and its unit."""
    assert in_seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "7", "d", "0d", "07d", "-1d", "1.5h", "7 d", "7D", "7d\n", "1y", "9999999999s", "٣d"]
)
def test_no_durations(text: str) -> None:
    """What is anything else is no duration."""
    assert in_seconds(text) is None


@given(st.integers(min_value=1, max_value=10**9 - 1))
def test_spelled(seconds: int) -> None:
    """A duration that was written is read as it was."""
    assert in_seconds(spelled(timedelta(seconds=seconds))) == seconds
