"""Positions in a file: where each key and value stands, and complaints that say so."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from yaml.error import Mark


Trail = tuple[str | int, ...]
"""The way to a value: keys of mappings and indexes of lists, from the top."""


@dataclass(frozen=True, order=True)
class Complaint:
    """One thing that is wrong, and where. As text: `config.yaml:12:7: ...`."""

    file: str
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.text}"


@dataclass(frozen=True, order=True)
class Position:
    """Line and column, counted from 1, of a key or value. As text: `config.yaml:12:7`."""

    file: str
    line: int
    column: int

    def complaint(self, text: str) -> Complaint:
        return Complaint(self.file, self.line, self.column, text)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class ConfigError(InputError):
    """The file cannot be used; `complaints` holds everything that is wrong with it, in the order of the file."""

    def __init__(self, complaints: Iterable[Complaint]) -> None:
        self.complaints = tuple(sorted(set(complaints)))
        super().__init__("\n".join(str(complaint) for complaint in self.complaints))


class Positions:
    """The positions of every value and its key.

    Ten thousand APIs are hundreds of thousands of values, of which one in a while is complained of: so the tree is four flat
    columns in the order of the file, and a way through it is looked for when somebody asks.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._names: list[str | int | None] = []  # the key or the index; None of what is not in the data
        self._values = array("Q")  # the line in the upper half, the column in the lower
        self._keys = array("Q")
        self._ends = array("L")  # the node after the last one within this one
        self._targets: dict[int, int] = {}  # of an alias, what it stands for
        self._merged: dict[int, list[int]] = {}  # of a mapping, what `<<` lays under it
        self._indexes: dict[int, dict[str | int | None, int]] = {}

    def add(self, name: str | int | None, key: Mark | None, mark: Mark) -> int:
        """A node, whose parts are added next; `close` ends it. An item of a list has no key."""
        node = len(self._names)
        at = (mark.line + 1) << 32 | mark.column + 1
        self._names.append(name)
        self._values.append(at)
        self._keys.append((key.line + 1) << 32 | key.column + 1 if key else at)
        self._ends.append(node + 1)
        return node

    def close(self, node: int) -> None:
        self._ends[node] = len(self._names)

    def stand_for(self, node: int, target: int) -> None:
        """An alias stands at its own place, and what is within it at its target's."""
        self._targets[node] = target

    def lay_under(self, node: int, merged: list[int]) -> None:
        self._merged[node] = merged

    def value(self, trail: Trail) -> Position:
        """The position of the value; of one that is not there, of the nearest around it."""
        return self._at(self._values, self._found(trail))

    def key(self, trail: Trail) -> Position:
        """The position of the value's key; of an item of a list, of the item; where it is not there, of the nearest around it."""
        node = self._found(trail)
        if node or not trail:
            return self._at(self._keys, node) if node else Position(self._file, 1, 1)
        return self._at(self._values, node)

    def has(self, trail: Trail) -> bool:
        """True where the file says something there."""
        node: int | None = 0
        for step in trail:
            node = None if node is None else self._part(node, step)
        return node is not None

    @property
    def size(self) -> int:
        return len(self._names)

    def within(self, node: int) -> Iterator[int]:
        """The nodes directly within this one, as they stand in the file."""
        node = self._targets.get(node, node)
        child, end = node + 1, self._ends[node]
        while child < end:
            yield child
            child = self._ends[child]

    def _found(self, trail: Trail) -> int:
        node = 0
        for step in trail:
            part = self._part(node, step)
            if part is None:
                break
            node = part
        return node

    def _part(self, node: int, name: str | int) -> int | None:
        node = self._targets.get(node, node)
        index = self._indexes.get(node)
        if index is None:
            index = self._indexes[node] = {}
            for child in self.within(node):
                index.setdefault(self._names[child], child)
        if name in index:
            return index[name]
        below = (self._part(merged, name) for merged in self._merged.get(node, ()))
        return next((part for part in below if part is not None), None)

    def _at(self, column: array[int], node: int) -> Position:
        return Position(self._file, column[node] >> 32, column[node] & 0xFFFF_FFFF)
