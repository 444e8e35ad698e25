"""What the rest of the product may take from `bot.config`."""

from __future__ import annotations

from inspect import ismodule

from bot import config


def test_front_door() -> None:
    """What the package exports is what it means to export."""
    found = {name for name, value in vars(config).items() if not name.startswith("_") and not ismodule(value)}
    assert found == set(config.__all__)
    assert config.__all__ == sorted(config.__all__)
