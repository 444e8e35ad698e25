"""A YAML file as plain data that remembers where every key and value stands.

What the values mean is `config`'s business. YAML is read from its events: they give the place of every key, value and
alias, and a file nested a hundred thousand times deep cannot exhaust the stack. Of YAML's traps two are closed: `yes`,
`no`, `on` and `off` are words here (only `true` and `false` are booleans), and a number with a leading zero is text.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import yaml

from bot.config.positions import Complaint, ConfigError, Position, Positions, Trail

if TYPE_CHECKING:
    from pathlib import Path

    from yaml.error import Mark


MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 32
MAX_VALUES = 2_000_000  # with every alias followed: a few lines of aliases can stand for billions of values

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT = "tag:yaml.org,2002:str"
_PLAIN_TAGS = (None, "!", _TEXT, "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UNSEEN = re.compile(
    "[\x85\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""What YAML takes for a letter and nobody sees, or sees as a blank."""
_CURLY = "\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b"
_IN_CURLY = re.compile(f"[{_CURLY[:4]}]|[{_CURLY}].*[{_CURLY}]$")
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


class Document:
    """The file's data, where each piece of it stands, and what the file itself got wrong (keys given twice, no value)."""

    def __init__(self, data: dict[str, Any], positions: Positions, complaints: tuple[Complaint, ...]) -> None:
        self.data = data
        self.positions = positions
        self.complaints = complaints

    def place(self, trail: Trail) -> Position:
        """The position of the value; of one that is not there, of the nearest around it."""
        return self.positions.value(trail)

    def key(self, trail: Trail) -> Position:
        """The position of the value's key; of an item of a list, of the item."""
        return self.positions.key(trail)


MISSING = "there is no such file"


def read(path: Path, missing: str = MISSING) -> Document:
    """The document in a file. ConfigError if the file cannot be read or is no YAML mapping."""
    return of_bytes(read_bytes(path, missing), str(path))


def read_bytes(path: Path, missing: str = MISSING) -> bytes:
    """All of a file. ConfigError if it cannot be read; `missing` is said of one that is not there."""
    top = Position(str(path), 1, 1)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError([top.complaint(missing)]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name is not one that a file can have"
        raise ConfigError([top.complaint(f"the file cannot be read: {reason}")]) from None
    if len(raw) > MAX_BYTES:
        raise ConfigError([top.complaint(f"the file is larger than {MAX_BYTES // 1024 // 1024} MB")])
    return raw


def of_bytes(raw: bytes, file: str) -> Document:
    """The document in all of a file, which complaints call `file`. ConfigError if it is no YAML mapping."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8-sig", "replace")
        raise ConfigError([_at(file, before, len(before)).complaint("the file is not UTF-8 text")]) from None
    return parse(text, file)


def parse(text: str, file: str = "config.yaml") -> Document:
    """The document in a text. ConfigError if it is no YAML mapping."""
    if bad := _UNPRINTABLE.search(text):
        place = _at(file, text, bad.start())
        raise ConfigError([place.complaint(f"an invisible character stands here (U+{ord(bad[0]):04X}): remove it")])
    reader = _Reader(text, file)
    try:
        data = reader.document()
    except yaml.MarkedYAMLError as error:
        raise ConfigError([*reader.complaints, _syntax(error, text, file)]) from None
    top = Position(file, 1, 1)
    if data is None:
        raise ConfigError([*reader.complaints, top.complaint("the file is empty; it needs `tyk`, `slack` and `apis`")])
    if not isinstance(data, dict):
        place = reader.positions.value(())
        raise ConfigError([*reader.complaints, place.complaint("the file must hold `key: value` lines at its top")])
    if reader.weight > MAX_VALUES:
        raise ConfigError([top.complaint(f"the file stands for more than {MAX_VALUES:,} values, its aliases followed")])
    return Document(data, reader.positions, tuple(reader.complaints))


@dataclass(frozen=True, slots=True)
class _Anchor:
    """A value that aliases may stand for. `weight` counts the values it stands for itself, aliases followed."""

    node: int
    data: Any
    weight: int


class _Plain(dict[str, str | int | float | bool | None]):
    """The meaning of each plain scalar: most of a file says what it said before, and is looked at and kept once."""

    def __missing__(self, text: str) -> str | int | float | bool | None:
        self[text] = meaning = _meaning(text)
        return meaning


class _Reader:
    """Builds data and positions from YAML's events, one document, gathering complaints on the way."""

    def __init__(self, text: str, file: str) -> None:
        self.complaints: list[Complaint] = []
        self.positions = Positions(file)
        self.weight = 0
        self._text = text
        self._file = file
        self._is_ascii = text.isascii() and "\\" not in text  # an escape may stand for any letter
        self._anchors: dict[str, _Anchor] = {}
        self._plain = _Plain()
        self._next = _LOADER(text).get_event

    def document(self) -> Any:
        """The data; None of a file without any."""
        data, found = None, False
        while not isinstance(event := self._next(), yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentStartEvent):
                if found:
                    self._complain(event, "a second document begins here; the file may hold only one")
                    return data
                data, found = self._node(self._next(), 0, None, None), True
        return data

    def _node(self, event: Any, depth: int, name: str | int | None, key: Mark | None) -> Any:
        """The data of the value that begins here, which goes by this name."""
        if depth > MAX_DEPTH:
            raise ConfigError([*self.complaints, self._place(event).complaint("this is nested too deeply")])
        node = self.positions.add(name, key, event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, node)
        if event.tag not in _PLAIN_TAGS:
            self._complain(event, "tags (`!...`) have no meaning here: leave it out")
        before = self.weight
        self.weight += 1
        data: Any
        if isinstance(event, yaml.ScalarEvent):
            is_plain = event.tag is None and event.implicit[0]
            said = event.value if self._is_ascii else self._seen(event)
            data = self._plain[said] if is_plain else sys.intern(said)
        elif isinstance(event, yaml.SequenceStartEvent):
            data = self._list(depth)
        else:
            data = self._mapping(node, depth)
        self.positions.close(node)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchor(node, data, self.weight - before)
        return data

    def _seen(self, event: Any) -> str:
        """The text that somebody sees of a key or a value. The rest is complained of, and so are curly quotation marks."""
        said: str = event.value
        if bad := _UNSEEN.search(said):
            at = self._text.find(bad[0], event.start_mark.index, event.end_mark.index)
            place = self._place(event) if at < 0 else _at(self._file, self._text, at)
            self.complaints.append(place.complaint(_unseen(bad[0])))
            said = _UNSEEN.sub("", said)
        if not event.style and _IN_CURLY.match(said):
            self._complain(
                event, f"{said[0]} stands here ({_called(said[0])}), and YAML quotes with \" or ': write that"
            )
            said = said.strip(_CURLY)
        return said

    def _alias(self, event: Any, node: int) -> Any:
        anchor = self._anchors.get(event.anchor)
        if anchor is None:
            self._complain(
                event, f"`*{event.anchor}` stands for nothing: `&{event.anchor}` must come before it, complete"
            )
            self.weight += 1
            return None
        self.positions.stand_for(node, anchor.node)
        self.weight += anchor.weight
        return anchor.data

    def _list(self, depth: int) -> list[Any]:
        data: list[Any] = []
        while type(event := self._next()) is not yaml.SequenceEndEvent:
            item = self._node(event, depth + 1, len(data), None)
            if item is None and not isinstance(event, yaml.AliasEvent):
                self._complain(event, "this item has no value" + self._comment_hint(event))
            data.append(item)
        return data

    def _mapping(self, node: int, depth: int) -> dict[str, Any]:
        data: dict[str, Any] = {}
        lines: dict[str, int] = {}
        nodes: list[int] = []
        below: list[dict[str, Any]] = []
        while type(event := self._next()) is not yaml.MappingEndEvent:
            if not isinstance(event, yaml.ScalarEvent):
                self._node(event, depth + 1, None, None)
                self._complain(event, "a key must be plain text")
                self._node(self._next(), depth + 1, None, None)
            elif event.value == "<<" and event.implicit[0]:
                found = self._merged(event, depth)
                nodes += found[0]
                below += found[1]
            else:
                self._put(data, lines, event, depth)
        if nodes:
            self.positions.lay_under(node, nodes)
        for part in below:
            data |= {name: value for name, value in part.items() if name not in data}
        return data

    def _put(self, data: dict[str, Any], lines: dict[str, int], key: Any, depth: int) -> None:
        name = sys.intern(key.value if self._is_ascii else self._seen(key))
        event = self._next()
        value = self._node(event, depth + 1, name, key.start_mark)
        if name in data:
            self._complain(key, f"`{name}` is given twice, first in line {lines[name]}: keep one")
            return
        if value is None and not isinstance(event, yaml.AliasEvent):
            self._complain(key, f"`{name}` has no value: give it one, or leave the line out" + self._comment_hint(key))
        data[name] = value
        lines[name] = key.start_mark.line + 1

    def _merged(self, key: Any, depth: int) -> tuple[list[int], list[dict[str, Any]]]:
        """The mappings that `<<` names: their nodes, and their data."""
        node = self.positions.size
        value = self._node(self._next(), depth + 1, None, key.start_mark)
        nodes, parts = ([*self.positions.within(node)], value) if isinstance(value, list) else ([node], [value])
        if all(isinstance(part, dict) for part in parts):
            return nodes, parts
        self._complain(key, "`<<` takes an alias of a mapping, as in `<<: *base`")
        return [], []

    def _comment_hint(self, event: Any) -> str:
        line = event.start_mark.line
        has_comment = line < len(self._lines) and "#" in self._lines[line][event.start_mark.column :]
        return " (a # begins a comment: quote a value that begins with one)" if has_comment else ""

    @cached_property
    def _lines(self) -> list[str]:
        return self._text.splitlines()

    def _place(self, event: Any) -> Position:
        return Position(self._file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _complain(self, event: Any, text: str) -> None:
        self.complaints.append(self._place(event).complaint(text))


def _meaning(text: str) -> str | int | float | bool | None:
    """The meaning of one plain scalar."""
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
    if bad := _UNSEEN.search(lines[line]):
        return Complaint(file, line + 1, bad.start() + 1, _unseen(bad[0]))
    return Complaint(file, line + 1, column + 1, _syntax_sentence(problem, lines[line][column : column + 1]))


def _syntax_sentence(problem: str, char: str) -> str:
    if "start any token" in problem and char == "\t":
        return "a tab stands here: YAML is indented with blanks"
    if "start any token" in problem and char:
        return f'a value cannot begin with {char} unless it is quoted, as in "{char}..."'
    return "the YAML " + next((say for sign, say in _SYNTAX if sign in problem), "cannot be understood from here on")


def _called(char: str) -> str:
    return f"U+{ord(char):04X}, {unicodedata.name(char, 'a control character').lower()}"


def _unseen(char: str) -> str:
    return f"an invisible character stands here ({_called(char)}): remove it"


def _at(file: str, text: str, index: int) -> Position:
    return Position(file, text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index))
