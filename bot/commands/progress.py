"""A line on the terminal that says what a command is at, once that has taken a second; it is gone when the command is done."""

from __future__ import annotations

import sys
from threading import Lock, Timer
from typing import Self, TextIO

from bot import layout

PATIENCE = 1.0
_CLEAR = "\r\x1b[K"


class Progress:
    """`doing` begins the line. Nothing is written where no person looks: into a file, or to another program."""

    def __init__(self, doing: str = "Looking at", stream: TextIO | None = None, patience: float = PATIENCE) -> None:
        self._doing = doing
        self._stream = stream or sys.stderr
        self._is_seen = self._stream.isatty()
        self._what = ""
        self._is_late = False
        self._said = False
        self._lock = Lock()
        self._timer = Timer(patience, self._show)
        self._timer.daemon = True

    def at(self, what: str) -> None:
        with self._lock:
            self._what = what
            self._write()

    def __enter__(self) -> Self:
        if self._is_seen:
            self._timer.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._timer.cancel()
        with self._lock:
            self._is_late = False
            if self._said:
                self._stream.write(_CLEAR)
                self._stream.flush()

    def _show(self) -> None:
        """A second has passed: the one thing that it is at may take many more."""
        with self._lock:
            self._is_late = True
            self._write()

    def _write(self) -> None:
        if self._is_late and self._what:
            line = f"{self._doing} {self._what} ..."
            self._stream.write(f"{_CLEAR}{line[: layout.width_of(self._stream)]}")
            self._stream.flush()
            self._said = True
