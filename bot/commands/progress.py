"""A line on the terminal that says what a command is at, once that has taken a second; it is gone when the command is done."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Self, TextIO

PATIENCE = 1.0
_CLEAR = "\r\x1b[K"


class Progress:
    """Nothing is written where no person looks: into a file, or to another program."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        self._since = clock()
        self._is_seen = self._stream.isatty()
        self._said = False

    def at(self, what: str) -> None:
        if self._is_seen and self._clock() - self._since >= PATIENCE:
            self._stream.write(f"{_CLEAR}Looking at {what} ...")
            self._stream.flush()
            self._said = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        if self._said:
            self._stream.write(_CLEAR)
            self._stream.flush()
