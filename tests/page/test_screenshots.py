"""The pictures, of the README and of each state: the command that makes them goes with the page."""

from __future__ import annotations

from pathlib import Path

from tests.page import screenshots, states


async def test_the_pictures_can_be_taken(tmp_path: Path) -> None:
    """All that they show is met on the way, and each is small enough for a README."""
    pictures = await screenshots.take(tmp_path)
    assert [picture.name for picture in pictures] == ["modal.png", "card.png", "dm.png", "timeline.png", "consent.png"]


async def test_the_states_can_be_taken(tmp_path: Path) -> None:
    """Each of them, at both widths and in both themes."""
    pictures = await states.take(tmp_path)
    looks = [f"{width}-{theme}" for width in states.SIZES for theme in states.THEMES]
    assert {picture.name for picture in pictures} == {f"{name}-{look}.png" for name in states.NAMES for look in looks}
