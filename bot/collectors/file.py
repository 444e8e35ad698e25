"""A file that rows are appended to. It is opened for each pass, so that it may be rotated away at any time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from bot.core.chain import Line
from bot.core.faults import Transient

_TAIL = 1024 * 1024
"""A row is shorter than this: so much is looked through for the end of the last whole line."""


class FileCollector:
    """`render` makes lines of rows. What was written is on the disk when `send` returns."""

    def __init__(self, path: str, render: Callable[[Sequence[Line]], list[str]]) -> None:
        self._path = Path(path)
        self._render = render
        self._writing: asyncio.Future[None] | None = None

    async def send(self, rows: Sequence[Line]) -> None:
        """Raises Transient where the disk does not take them; a disk that hangs is not asked a second time meanwhile."""
        if self._writing is not None and not self._writing.done():
            raise Transient("forward_file", f"{self._path}: the disk is still at the last rows.")
        text = "".join(f"{line}\n" for line in self._render(rows))
        self._writing = asyncio.ensure_future(asyncio.to_thread(self._append, text.encode()))
        try:
            await asyncio.shield(self._writing)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise Transient("forward_file", f"{self._path} cannot be written: {why}.") from None

    def _append(self, text: bytes) -> None:
        is_new = not self._path.exists()
        file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            _write(file, text)
        finally:
            os.close(file)
        if is_new:
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    async def close(self) -> None:
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=1)


def _write(file: int, text: bytes) -> None:
    length, rest = _whole(file), memoryview(text)
    try:
        while rest:
            rest = rest[os.write(file, rest) :]
        os.fsync(file)
    except OSError:
        os.ftruncate(file, length)  # a disk that is full took a part: all of it comes again
        raise


def _whole(file: int) -> int:
    """The file's length, after a last line that a death cut short has been cut off: its row comes again whole."""
    length = os.fstat(file).st_size
    tail = os.pread(file, _TAIL, max(0, length - _TAIL))
    if not tail or tail.endswith(b"\n"):
        return length
    whole = length - len(tail) + tail.rfind(b"\n") + 1
    os.ftruncate(file, whole)
    return whole
