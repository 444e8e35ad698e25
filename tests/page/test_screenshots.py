"""The pictures of the README: the command that makes them goes with the page."""

from __future__ import annotations

from pathlib import Path

from tests.page import screenshots


async def test_the_pictures_can_be_taken(tmp_path: Path) -> None:
    """All that they show is met on the way, and each is small enough for a README."""
    pictures = await screenshots.take(tmp_path)
    assert [picture.name for picture in pictures] == ["modal.png", "card.png", "dm.png", "timeline.png", "consent.png"]
