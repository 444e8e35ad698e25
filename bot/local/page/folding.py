"""Folding of the timeline: lines about one request, and lines of one act, which are one row that opens."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from bot.local.page.mask import Mask
from bot.local.tyk import LocalTyk

INTERACTION = "Slack → bot"
PROMISE = "promise"
_LABEL = re.compile(r"\bR-\d+\b")
_TS = re.compile(r'"(?:message_)?ts": "(\d+\.\d+)"')
_CHANNEL = re.compile(r'"([CDG][0-9A-Z]{2,})"')
_VIEW = re.compile(r'"(V0[0-9A-F]{11})"')
MOST = 300
WHILE = 10.0  # seconds after which what is done belongs to the time in which it is done
_SOON = 0.05  # seconds by which two clocks may see the same thing in another order


@dataclass
class Line:
    """One line. `state` is wait, ok, warn or error; `details` are shown when it is opened, and masked only then.

    `requests` are those it is about, and `head` is the line of whose row it is a part. Of the bot's own side a promise says
    by which `calls` it is kept and to which channel alone (`where`), an audit line which promise it is `of`: none of them
    where a person's own act is what it records.
    """

    id: str
    group: int
    at: float
    source: str
    what: str
    state: str = "ok"
    note: str = ""
    ms: float | None = None
    label: str = ""
    due: float | None = None
    details: Any = field(default=None, repr=False)
    revision: int = 0
    requests: tuple[str, ...] = ()
    head: str = ""
    calls: tuple[str, ...] = ()
    where: str = ""
    is_secret: bool = False
    of: str | None = None


class Concerns:
    """The requests that a line is about: those it names, or those of the message, the form or the key that it is about."""

    def __init__(self, tyk: LocalTyk, lines: dict[str, Line]) -> None:
        self._tyk = tyk
        self._lines = lines
        self._of: dict[str, str] = {}
        self._nameless: dict[str, list[str]] = defaultdict(list)

    def learn(self, line: Line) -> list[Line]:
        """Sets the line's requests. Returns the earlier lines of which it tells what they were about: how a request began."""
        said = json.dumps([line.what, line.details, *self._keys_in(line)], default=str)
        names = _names_in(said)
        labels = set(_LABEL.findall(said)) | ({line.label} if line.label else set())
        if not labels:
            labels = {self._of[name] for name in names if name in self._of}
        line.requests = tuple(sorted(labels))
        if len(labels) > 1:
            return []
        return [earlier for name in names for earlier in self._meet(name, line)]

    def _meet(self, name: str, line: Line) -> list[Line]:
        if not line.requests:
            self._nameless[name].append(line.id)
            return []
        self._of[name] = line.requests[0]
        earlier = [self._lines[one] for one in self._nameless.pop(name, ()) if one in self._lines]
        found = [one for one in earlier if not one.requests and one.id != line.id]
        for one in found:
            one.requests = line.requests
        return found

    def _keys_in(self, line: Line) -> list[Any]:
        """The key that a call is about, as Tyk holds it."""
        path = line.details.get("path", "") if isinstance(line.details, dict) else ""
        return [key.session.get("meta_data") for key in self._tyk.keys if path and key.hash in path]


def _names_in(said: str) -> set[str]:
    """The forms and the messages of which a line speaks: a ts is a message's name in its own channel only."""
    messages = {f"{channel} {ts}" for channel in _CHANNEL.findall(said) for ts in _TS.findall(said)}
    return messages | set(_VIEW.findall(said))


class Folding:
    """Puts a call and an audit line into the row of the promise, or of the person's act, that they are a part of."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._heads: dict[str, Line] = {}
        self._loose: dict[str, Line] = {}
        self._reserved: set[str] = set()
        self._parts: dict[str, set[str]] = defaultdict(set)

    def fold(self, line: Line) -> list[Line]:
        """Finds the row of this line, or what is a part of its own row: the lines that have moved by that."""
        if line.head:
            return []
        if line.source == INTERACTION or line.calls:
            _remember(self._heads, line)
            self._reserved |= {line.where} - {""}
            return [one for one in list(self._loose.values()) if self._adopt(line, one)]
        if line.of is not None or line.source.startswith("bot → "):
            _remember(self._loose, line)
            heads = sorted(self._heads.values(), key=lambda head: head.at, reverse=line.of == "")
            any(self._adopt(head, line) for head in heads)
        return []

    def _adopt(self, head: Line, line: Line) -> bool:
        fits = self._is_of if line.of is not None else self._is_call_of
        if not _may_share(head, line) or not _is_near(head, line) or not fits(head, line):
            return False
        line.head, line.group = head.id, head.group
        self._parts[head.id].add(line.id)
        self._loose.pop(line.id, None)
        return True

    @staticmethod
    def _is_of(head: Line, line: Line) -> bool:
        if head.source == INTERACTION:
            return line.of == ""
        return head.what == line.of

    def _is_call_of(self, head: Line, line: Line) -> bool:
        if head.source == INTERACTION:
            return line.what.startswith("views.")
        if not line.what.startswith(head.calls) or (line.where in self._reserved and line.where != head.where):
            return False
        if line.state == "ok" and any(part.startswith(("slack:", "tyk:")) for part in self._parts[head.id]):
            return False  # it is kept by one call that went well
        if head.where:
            return line.where == head.where
        return not line.what.startswith("chat.update") or head.is_secret == self._has_secret(line)

    def _has_secret(self, line: Line) -> bool:
        blocks = line.details["arguments"].get("blocks")
        return bool(self._mask.json(blocks) != blocks)


def _remember(lines: dict[str, Line], line: Line) -> None:
    """The newest MOST: what is older finds nobody any more."""
    lines[line.id] = line
    if len(lines) > MOST:
        del lines[next(iter(lines))]


def _is_near(head: Line, line: Line) -> bool:
    """True where the line may come of the head: in the same group, or soon after a promise while somebody else does something."""
    if head.at > line.at + _SOON:
        return False
    return head.group == line.group or (head.source == PROMISE and line.at - head.at < WHILE)


def _may_share(one: Line, other: Line) -> bool:
    return not one.requests or not other.requests or bool(set(one.requests) & set(other.requests))
