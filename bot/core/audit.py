"""The audit as it is read: its rows, what it takes to say them with names, and which of them go out as one message."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from bot.core import changes
from bot.core.model import AuditEvent, Identity

ERASED = "(erased)"
"""What stands where something was that somebody typed, or a name."""

RUNS = 3
"""So many runs of rows, each about one request, go out one by one, each into the thread of its request."""

_ONE = ("person", "reviewer", "counted_by", "group", "about")
_SEVERAL = ("approvers", "added", "removed", "auditors")
_SLACK_ID = re.compile(r"[USW][A-Z0-9]{2,30}")
_MENTION = re.compile(r"<(?:@|!subteam\^)([A-Z0-9]+)>")


class AuditEntry(NamedTuple):
    """A row of the audit, as it stands for ever. A tuple is made in a quarter of the time, and a year has half a million.

    `link` ties it to the row before (`core.chain`), empty where it is older than the chain. A detail that was erased is ERASED.
    """

    number: int
    at: datetime
    event: AuditEvent
    request_id: str | None
    request_number: int | None
    api: str | None
    person: Identity | None
    actor: Identity | None
    details: dict[str, Any]
    link: str = ""


@dataclass(frozen=True)
class Called:
    """The words for a request: its API's title, and its requester's name. `card` is where its card is, by channel and ts."""

    title: str
    holder: str
    card: tuple[str, str] | None = None


@dataclass(frozen=True)
class Reading:
    """Rows with the words for what they name: requests by their ids, people and user groups by Slack's."""

    entries: Sequence[AuditEntry]
    requests: Mapping[str, Called] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Post:
    """Rows that go out as one message. `request_id` is the one that all are about, if there is one, `thread` the ts of its first
    message in that channel, if it has one."""

    reading: Reading
    request_id: str | None = None
    thread: str | None = None


@dataclass(frozen=True)
class Posted:
    """The leading rows, so many, are in the channel. `ts` is the message's where it stands there by itself, not in a thread;
    `names` are those that were learnt on the way."""

    rows: int
    ts: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)


def together(entries: Sequence[AuditEntry]) -> tuple[int, str | None]:
    """The number of leading rows that go out as one message, and the request that it is about, if that is one.

    A message is about one request, and goes into its thread. Slack takes one message a second, so in a crowd that would fall
    behind: where more than RUNS of them wait, all rows go out as one message, by their numbers, until the channel has caught up.
    """
    runs = [(request_id, len(list(rows))) for request_id, rows in groupby(entries, key=lambda one: one.request_id)]
    if not runs or len(runs) > RUNS:
        return len(entries), None
    request_id, rows = runs[0]
    return rows, request_id


def named_in(entries: Iterable[AuditEntry]) -> frozenset[str]:
    """The ids of the people and user groups that somebody reads of in these rows."""
    return frozenset(one for entry in entries for one in _ids_in(entry) if _SLACK_ID.fullmatch(one))


def mentioned(text: str, names: Mapping[str, str]) -> str:
    """The text with names in place of mentions."""
    return _MENTION.sub(lambda found: names.get(found[1], found[1]), text)


def _ids_in(entry: AuditEntry) -> Iterator[str]:
    if entry.event is AuditEvent.ERASED:  # whose name was erased is not looked up again to say so
        return
    yield from (who.user_id for who in (entry.person, entry.actor) if who is not None)
    for key, value in entry.details.items():
        if isinstance(value, str):
            yield from [value] if key in _ONE else _MENTION.findall(value)
        elif isinstance(value, list | tuple) and key in _SEVERAL:
            yield from (one for one in value if isinstance(one, str))
    yield from changes.ids_in(entry.details)
