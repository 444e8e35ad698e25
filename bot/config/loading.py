"""A file or a text, read and checked, becomes a Config."""

from __future__ import annotations

from pathlib import Path

from bot.config import document
from bot.config.document import (
    Document,
)
from bot.config.positions import ConfigError
from bot.config.rulebook import Config
from bot.config.validation import Check

_MISSING = f"{document.MISSING}; docs/install.md has one to begin with, and `tyk-key-bot apis` prints its entries"


def load(path: Path) -> Config:
    """The configuration in a file. ConfigError with every complaint at once."""
    return _checked(document.read(path, _MISSING))


def of_bytes(raw: bytes, file: str) -> Config:
    """The same of all of a file, which complaints call `file`."""
    return _checked(document.of_bytes(raw, file))


def parse(text: str, file: str = "config.yaml") -> Config:
    """The configuration in a text; `file` is what complaints call it."""
    return _checked(document.parse(text, file))


def _checked(found: Document) -> Config:
    check = Check(found)
    checked = check.file()
    if checked is None:
        raise ConfigError(check.complaints)
    return Config.of(checked, found.positions)
