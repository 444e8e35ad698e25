"""Sentences, lines and tables as wide as a terminal: what does not fit stands below, and nothing is lost."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TextIO

MEASURED = 500
"""The first rows, which say how wide the columns are."""

WIDEST = 80
GAP = "  "
INDENT = "    "


_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""Why a file does not take what is written."""
_unwritten: list[str] = []


def prepare_streams() -> None:
    """Whatever the locale, nothing that is printed is an error: files and programs get UTF-8, and a terminal that cannot show a
    letter its code. A stream that is closed takes everything."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - it lasts as the process does
        stream = getattr(sys, name)
        stream.reconfigure(errors="backslashreplace", encoding=stream.encoding if stream.isatty() else "utf-8")


def put(text: str, stream: TextIO | None = None, end: str = "\n") -> bool:
    """Print it on standard output, unless told otherwise. Returns False where nobody takes it any more or its disk is full: that
    stops no command in the middle of what it does, and `finish` tells of it."""
    stream = stream or sys.stdout
    try:
        print(text, file=stream, end=end)
    except OSError as error:
        _let_go(stream, error)
        return False
    return True


def finish() -> str:
    """Write what is left. Returns why a file did not take all of it; a reader who left had what they wanted."""
    try:
        sys.stdout.flush()
    except OSError as error:
        _let_go(sys.stdout, error)
    why = "; ".join(dict.fromkeys(_unwritten))
    _unwritten.clear()
    return why


def _let_go(stream: TextIO, error: OSError) -> None:
    """Nothing takes this stream any more: what is left of it is not tried again, not even at the end of the process."""
    if error.errno not in {errno.EPIPE, *_NO_ROOM}:
        raise error
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    if error.errno in _NO_ROOM and stream is sys.stdout:
        _unwritten.append(str(error.strerror))


def width_of(stream: TextIO) -> int | None:
    """The columns of the terminal that is written to; None where it is a file or another program."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def reading_width(stream: TextIO) -> int:
    """For whole pages of sentences: no wider than reads well, and no wider than the terminal."""
    return min(width_of(stream) or WIDEST, WIDEST)


def print_wrapped(text: str) -> None:
    """An answer, on standard output."""
    _put(text, sys.stdout)


def complain(text: str) -> None:
    """A complaint or a note, on standard error: never among the data that another program reads."""
    _put(text, sys.stderr)


def _put(text: str, stream: TextIO) -> None:
    for line in fitted(text.splitlines(), stream):
        put(line, stream)


def fitted(lines: Iterable[str], stream: TextIO) -> Iterator[str]:
    """Lines for people, as wide as the terminal that they are written to; whole in a file and for another program."""
    width = width_of(stream)
    for line in lines:
        yield from wrapped(line, width) if width else [line]


def many(count: int, noun: str) -> str:
    """`1 row`, `1,200 rows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def table(
    rows: Iterable[Mapping[str, str]], columns: Sequence[str], width: int | None = None, first: Sequence[str] = ()
) -> Iterator[str]:
    """A line of names, and one for each row; nothing where there is no row. Within a `width`, a column that is empty or has no
    room is none: what it holds stands below, behind its name. `first` are the columns that get their room first."""
    rows = iter(rows)
    some = list(islice(rows, MEASURED))
    if not some:
        return
    sizes = {name: max([len(name), *(_size(row[name]) for row in some)]) for name in columns}
    if width is None:
        shape = _Shape(sizes, ())
    else:
        filled = [name for name in columns if any(row[name] for row in some)] or list(columns)
        chosen = _that_fit({name: sizes[name] for name in filled}, width, first)
        shape = _Shape({name: min(sizes[name], width) for name in columns if name in chosen}, columns, width)
    yield shape.head()
    for row in chain(some, rows):
        yield from shape.lines(row)


def _that_fit(sizes: Mapping[str, int], width: int, first: Sequence[str]) -> frozenset[str]:
    """The columns that stand side by side. One that takes more than half the width stands alone, below, unless all fit."""
    if sum(sizes.values()) + len(GAP) * (len(sizes) - 1) <= width:
        return frozenset(sizes)
    chosen, left = set[str](), width + len(GAP)
    for name in dict.fromkeys([*(one for one in first if one in sizes), *sizes]):
        room = sizes[name] + len(GAP)
        if not chosen or (room <= left and sizes[name] <= width // 2):
            chosen.add(name)
            left -= room
    return frozenset(chosen)


@dataclass(frozen=True)
class _Shape:
    """The columns that stand side by side, with their sizes; those of `below` that are none of them stand below."""

    sizes: Mapping[str, int]
    below: Sequence[str]
    width: int = 0

    def head(self) -> str:
        return self._side_by_side([_called(name).upper() for name in self.sizes])

    def lines(self, row: Mapping[str, str]) -> Iterator[str]:
        if not self.width:
            yield self._side_by_side([row[name] for name in self.sizes])
            return
        yield self._side_by_side([_cut(row[name], size) for name, size in self.sizes.items()])
        rest = [f"{_called(name)}: {row[name]}" for name in self.below if row[name] and not self._shows(name, row)]
        for line in _together(rest, self.width - len(INDENT)):
            yield from wrapped(line, self.width, INDENT, INDENT)

    def _shows(self, name: str, row: Mapping[str, str]) -> bool:
        """The whole of it stands in its column; one further down than was measured may be wider."""
        return name in self.sizes and _size(row[name]) <= self.sizes[name]

    def _side_by_side(self, cells: Iterable[str]) -> str:
        padded = (cell + " " * (size - _size(cell)) for cell, size in zip(cells, self.sizes.values(), strict=True))
        return GAP.join(padded).rstrip()


def _called(name: str) -> str:
    return name.replace("_", " ")


def _together(parts: Iterable[str], width: int) -> Iterator[str]:
    """As many of them on a line as fit on it whole."""
    line = ""
    for part in parts:
        if line and _size(line) + len(GAP) + _size(part) > width:
            yield line
            line = ""
        line += f"{GAP}{part}" if line else part
    if line:
        yield line


def wrapped(line: str, width: int, indent: str = "", further: str = INDENT) -> Iterator[str]:
    """The words of a line on as many lines as they need, each but the first behind `further`."""
    words = line.lstrip(" ")
    indent += " " * (len(line) - len(words))
    begun, used = indent, 0
    for word in words.split(" "):
        room = width - len(indent) - used - bool(used)
        if used and _size(word) > room:
            yield begun.rstrip()
            begun, used, indent = further, 0, further
        begun += f" {word}" if used else word
        used += _size(word) + bool(used)
        while used > width - len(indent):
            keeps = max(1, width - len(indent))
            text = begun[len(indent) :]
            head = _cut(text, keeps, mark="")
            yield indent + head
            begun, indent = further + text[len(head) :], further
            used = _size(begun) - len(further)
    yield begun.rstrip()


def _size(text: str) -> int:
    """The columns that a text takes: Chinese and its like take two a letter, accents none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(one) else 1 + (unicodedata.east_asian_width(one) in "WF") for one in text)


def _cut(text: str, size: int, mark: str = "…") -> str:
    if _size(text) <= size:
        return text
    kept = text[: size - len(mark)]
    while _size(kept) > size - len(mark):
        kept = kept[:-1]
    return kept + mark
