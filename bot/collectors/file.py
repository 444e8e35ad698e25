"""A file that rows are appended to. It is opened for each pass, so that it may be rotated away at any time."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from bot.core.chain import Line
from bot.core.faults import Transient

_TAIL = 1024 * 1024
"""A row is shorter than this: so much is looked through for the end of the last whole line."""

_TRIES = 3


class FileCollector:
    """`render` makes lines of rows. What was written is on the disk when `send` returns."""

    def __init__(self, path: str, render: Callable[[Sequence[Line]], list[str]]) -> None:
        self._path = Path(path)
        self._render = render
        self._writing: asyncio.Future[None] | None = None

    async def send(self, rows: Sequence[Line]) -> int:
        """Raises Transient where the disk does not take them; a disk that hangs is not asked a second time meanwhile."""
        if self._writing is not None and not self._writing.done():
            raise Transient("forward_file", f"{self._path}: the disk is still at the last rows.")
        lines = [f"{line}\n".encode() for line in self._render(rows)]
        self._writing = asyncio.ensure_future(asyncio.to_thread(self._append, lines))
        self._writing.add_done_callback(
            lambda done: done.cancelled() or done.exception()
        )  # known, also where nobody waits for it any more
        try:
            await asyncio.shield(self._writing)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise Transient("forward_file", f"{self._path} cannot be written: {why}.") from None
        return len(rows)

    def _append(self, lines: Sequence[bytes]) -> None:
        """Append them, and once more where somebody deleted or emptied the file meanwhile."""
        for _ in range(_TRIES):
            is_new = not self._path.exists()
            file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOCTTY | os.O_NONBLOCK, 0o600)
            try:
                if not stat.S_ISREG(os.fstat(file).st_mode):
                    raise OSError(errno.EINVAL, "it is no regular file, so nothing that is written there is kept")
                are_there = _write(file, lines)
            finally:
                os.close(file)
            if is_new:
                self._keep_name()
            if are_there:
                return
        raise OSError(errno.ESTALE, "it is deleted or emptied whenever rows are written")

    def _keep_name(self) -> None:
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    async def close(self) -> None:
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=1)


def _write(file: int, lines: Sequence[bytes]) -> bool:
    """Returns False where the file was deleted or emptied before they were on the disk."""
    _cut_off(file, lines)
    begins = end = os.fstat(file).st_size
    rest = memoryview(_on_a_line_of_its_own(file, begins) + b"".join(lines))
    try:
        while rest:
            written = os.write(file, rest)
            rest, end = rest[written:], end + written
        os.fsync(file)
    except OSError:
        with suppress(OSError):
            if os.fstat(file).st_size == end:
                os.ftruncate(file, begins)  # a disk that is full took a part: all of it comes again
        raise
    now = os.fstat(file)
    return now.st_nlink > 0 and now.st_size >= end


def _cut_off(file: int, lines: Sequence[bytes]) -> None:
    """Cut off the beginning of one of these lines from the end of the file: a death cut it short, and it comes again whole."""
    length = os.fstat(file).st_size
    tail = os.pread(file, _TAIL, max(0, length - _TAIL)).rpartition(b"\n")[2]
    if tail and any(line.startswith(tail) for line in lines):
        os.ftruncate(file, length - len(tail))


def _on_a_line_of_its_own(file: int, length: int) -> bytes:
    """The bytes to write before the first line: a line that is not whole, and not ours, is left as it is."""
    return b"" if length == 0 or os.pread(file, 1, length - 1) == b"\n" else b"\n"
