"""Check that the file of a SQLite database is still the one that was opened.

Whoever has it open goes on writing to a file that was deleted, and what they write is gone when they close it.
"""

from __future__ import annotations

from pathlib import Path

from bot.store.engine import DatabaseError

_WHAT_TO_DO = (
    "Nothing more is stored: what would be is gone when I stop. Stop me, put the file or a backup of it in its place "
    "(docs/operate.md), and start me again."
)


class ReplacedError(DatabaseError):
    """The file was deleted or replaced while it was in use."""

    @property
    def without_path(self) -> str:
        return f"Its file was deleted or replaced while it was in use. {_WHAT_TO_DO}"


class InPlace:
    """The file at `path`, as it was when this was first asked; None where there is none."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._was: tuple[int, int] | None = None

    def check(self) -> None:
        """Raises ReplacedError where another file, or none, has its place."""
        if self._path is None:
            return
        now = _identity(self._path)
        if self._was is None:
            self._was = now
        elif now != self._was:
            raise ReplacedError(f"{self._path.absolute()} was deleted or replaced while it was in use. {_WHAT_TO_DO}")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
