"""A YAML file as plain data that remembers where every key and value stands, and complaints that say so.

What the values mean is `config`'s business. YAML is read from its events: they give the place of every key, value and
alias, and a file nested a hundred thousand times deep cannot exhaust the stack. Of YAML's traps two are closed: `yes`,
`no`, `on` and `off` are words here (only `true` and `false` are booleans), and a number with a leading zero is text.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Trail = tuple[str | int, ...]
"""The way to a value: keys of mappings and indexes of lists, from the top."""

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 32
MAX_VALUES = 2_000_000  # with every alias followed: a few lines of aliases can stand for billions of values

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT = "tag:yaml.org,2002:str"
_PLAIN_TAGS = (None, "!", _TEXT, "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FRACTION = re.compile(r"[-+]?[0-9]{0,17}\.[0-9]{1,17}")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_SYNTAX = (
    ("mapping values are not allowed", 'has a second ": " here, or is indented wrongly; quote a value that holds ": "'),
    ("end of stream", "opens a quote here that is never closed"),
    ("expected ',' or", "opens a bracket that is not closed, or lacks a comma, before this place"),
    ("expected ':'", "lacks a `:` here; a line reads `key: value`"),
    ("unknown escape", "has an unknown escape here; in double quotes a backslash is written twice"),
    ("expected key", "does not fit here: indented differently from its neighbours, or text follows a closing quote"),
    ("block end", "does not fit here: indented differently from its neighbours, or text follows a closing quote"),
    ("'-' indicator", "does not fit here: a list goes on with `- ` at the same indentation"),
)


@dataclass(frozen=True, order=True)
class Complaint:
    """What is wrong, and where. As text: `config.yaml:12:7: ...`."""

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


class ConfigError(Exception):
    """The file cannot be used; `complaints` holds everything that is wrong with it, in the order of the file."""

    def __init__(self, complaints: Iterable[Complaint]) -> None:
        self.complaints = tuple(sorted(set(complaints)))
        super().__init__("\n".join(str(complaint) for complaint in self.complaints))


def did_you_mean(word: str, options: Iterable[str]) -> str | None:
    """The option most like the word, if one is like it. Only options alike at one end are weighed: thousands are cheap."""
    low = word.lower()
    alike = {
        option.lower(): option
        for option in options
        if abs(len(option) - len(low)) <= 3
        and option
        and (option[0].lower() == low[:1] or option[-1].lower() == low[-1:])
    }
    found = difflib.get_close_matches(low, alike, n=1, cutoff=0.7)
    return alike[found[0]] if found else None


@dataclass(slots=True)
class _Node:
    """A value with its place, and those within it. `weight` counts the values it stands for, aliases followed."""

    line: int
    column: int
    data: Any
    weight: int = 1
    within: dict[str | int, _Node] = field(default_factory=dict)
    keys: dict[str | int, tuple[int, int]] = field(default_factory=dict)


class Document:
    """The file's data, where each piece of it stands, and what the file itself got wrong (keys given twice, no value)."""

    def __init__(self, file: str, root: _Node, complaints: tuple[Complaint, ...]) -> None:
        self.file = file
        self.data: dict[str, Any] = root.data
        self.complaints = complaints
        self._root = root

    def place(self, trail: Trail) -> Position:
        """Where the value stands; of one that is not there, the nearest around it."""
        node = self._root
        for step in trail:
            if step not in node.within:
                break
            node = node.within[step]
        return Position(self.file, node.line, node.column)

    def key(self, trail: Trail) -> Position:
        """Where the key of the value stands; of an item of a list, the item."""
        node = self._root
        place = (1, 1) if not trail else (node.line, node.column)
        for step in trail:
            if step not in node.within:
                break
            within = node.within[step]
            place = node.keys.get(step, (within.line, within.column))
            node = within
        return Position(self.file, *place)


def read(path: Path) -> Document:
    """The document in a file. ConfigError if the file cannot be read or is no YAML mapping."""
    top = Position(str(path), 1, 1)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError([top.complaint("there is no such file")]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name is not one that a file can have"
        raise ConfigError([top.complaint(f"the file cannot be read: {reason}")]) from None
    if len(raw) > MAX_BYTES:
        raise ConfigError([top.complaint(f"the file is larger than {MAX_BYTES // 1024 // 1024} MB")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8-sig", "replace")
        raise ConfigError([_at(str(path), before, len(before)).complaint("the file is not UTF-8 text")]) from None
    return parse(text, str(path))


def parse(text: str, file: str = "config.yaml") -> Document:
    """The document in a text. ConfigError if it is no YAML mapping."""
    if bad := _UNPRINTABLE.search(text):
        place = _at(file, text, bad.start())
        raise ConfigError([place.complaint(f"an invisible character stands here (U+{ord(bad[0]):04X}): remove it")])
    reader = _Reader(text, file)
    try:
        root = reader.document()
    except yaml.MarkedYAMLError as error:
        raise ConfigError([*reader.complaints, _syntax(error, text, file)]) from None
    top = Position(file, 1, 1)
    if root is None or root.data is None:
        raise ConfigError([*reader.complaints, top.complaint("the file is empty; it needs `tyk`, `slack` and `apis`")])
    if not isinstance(root.data, dict):
        place = Position(file, root.line, root.column)
        raise ConfigError([*reader.complaints, place.complaint("the file must hold `key: value` lines at its top")])
    if root.weight > MAX_VALUES:
        raise ConfigError([top.complaint(f"the file stands for more than {MAX_VALUES:,} values, its aliases followed")])
    return Document(file, root, tuple(reader.complaints))


class _Reader:
    """Builds nodes from YAML's events, one document, gathering complaints on the way."""

    def __init__(self, text: str, file: str) -> None:
        self.complaints: list[Complaint] = []
        self._lines = text.splitlines()
        self._file = file
        self._anchors: dict[str, _Node] = {}
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)

    def document(self) -> _Node | None:
        root = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    self._complain(event, "a second document begins here; the file may hold only one")
                    return root
                root = self._node(next(self._events), 0)
        return root

    def _node(self, event: Any, depth: int) -> _Node:
        if depth > MAX_DEPTH:
            raise ConfigError([*self.complaints, self._place(event).complaint("this is nested too deeply")])
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if event.tag not in _PLAIN_TAGS:
            self._complain(event, "tags (`!...`) have no meaning here: leave it out")
        node = _Node(event.start_mark.line + 1, event.start_mark.column + 1, None)
        if isinstance(event, yaml.ScalarEvent):
            node.data = _scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._list(node, depth)
        else:
            self._mapping(node, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: Any) -> _Node:
        node = self._anchors.get(event.anchor)
        if node is None:
            self._complain(
                event, f"`*{event.anchor}` stands for nothing: `&{event.anchor}` must come before it, complete"
            )
            return _Node(event.start_mark.line + 1, event.start_mark.column + 1, None)
        return replace(node, line=event.start_mark.line + 1, column=event.start_mark.column + 1)

    def _list(self, node: _Node, depth: int) -> None:
        node.data = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            item = self._node(event, depth + 1)
            if item.data is None and not isinstance(event, yaml.AliasEvent):
                self._complain(event, "this item has no value" + self._comment_hint(event))
            node.within[len(node.data)] = item
            node.data.append(item.data)
            node.weight += item.weight

    def _mapping(self, node: _Node, depth: int) -> None:
        node.data = {}
        merges: list[_Node] = []
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                self._node(event, depth + 1)
                self._complain(event, "a key must be plain text")
                self._node(next(self._events), depth + 1)
                continue
            following = next(self._events)
            value = self._node(following, depth + 1)
            if event.value == "<<" and event.implicit[0]:
                merges += self._merged(event, value)
            else:
                self._put(node, event, value, aliased=isinstance(following, yaml.AliasEvent))
        for merged in merges:
            _merge(node, merged)

    def _put(self, node: _Node, key: Any, value: _Node, *, aliased: bool) -> None:
        name = key.value
        if name in node.data:
            self._complain(key, f"`{name}` is given twice, first in line {node.keys[name][0]}: keep one")
            return
        if value.data is None and not aliased:
            self._complain(key, f"`{name}` has no value: give it one, or leave the line out" + self._comment_hint(key))
        node.data[name] = value.data
        node.within[name] = value
        node.keys[name] = (key.start_mark.line + 1, key.start_mark.column + 1)
        node.weight += value.weight

    def _merged(self, key: Any, value: _Node) -> list[_Node]:
        parts = list(value.within.values()) if isinstance(value.data, list) else [value]
        if all(isinstance(part.data, dict) for part in parts):
            return parts
        self._complain(key, "`<<` takes an alias of a mapping, as in `<<: *base`")
        return []

    def _comment_hint(self, event: Any) -> str:
        line = event.start_mark.line
        has_comment = line < len(self._lines) and "#" in self._lines[line][event.start_mark.column :]
        return " (a # begins a comment: quote a value that begins with one)" if has_comment else ""

    def _place(self, event: Any) -> Position:
        return Position(self._file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _complain(self, event: Any, text: str) -> None:
        self.complaints.append(self._place(event).complaint(text))


def _merge(node: _Node, merged: _Node) -> None:
    for name, value in merged.within.items():
        if name not in node.data:
            node.data[name] = value.data
            node.within[name] = value
            node.keys[name] = merged.keys[name]
            node.weight += value.weight


def _scalar(event: Any) -> str | int | float | bool | None:
    text: str = event.value
    if event.tag is not None or not event.implicit[0]:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _FRACTION.fullmatch(text) else text


def _syntax(error: yaml.MarkedYAMLError, text: str, file: str) -> Complaint:
    """YAML's own complaint in plain words, where it stands."""
    problem = error.problem or ""
    mark = error.problem_mark or error.context_mark
    if error.context_mark and ("end of stream" in problem or "expected ':'" in problem):
        mark = error.context_mark  # where it began is the place to mend, not where the parser gave up
    line, column = (mark.line, mark.column) if mark else (0, 0)
    lines = text.splitlines()
    if line >= len(lines):
        line, column = len(lines) - 1, len(lines[-1])
    return Complaint(file, line + 1, column + 1, _syntax_sentence(problem, lines[line][column : column + 1]))


def _syntax_sentence(problem: str, char: str) -> str:
    if "start any token" in problem and char == "\t":
        return "a tab stands here: YAML is indented with blanks"
    if "start any token" in problem and char:
        return f'a value cannot begin with {char} unless it is quoted, as in "{char}..."'
    return "the YAML " + next((say for sign, say in _SYNTAX if sign in problem), "cannot be understood from here on")


def _at(file: str, text: str, index: int) -> Position:
    return Position(file, text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index))
