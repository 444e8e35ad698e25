"""The changes of a configuration in words, for the audit and for whoever compares two files. Pure.

What is read may be a row of another version: whatever its values are, there is a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bot.core.changes import PEOPLE, Together
from bot.core.model import Limits
from bot.core.snapshot import EVERYONE, What
from bot.slack import wording

MAX_SAID = 1800
"""Characters of changes in one audit line."""

MAX_VALUE = 200
MAX_MEMBERS = 20
MAX_ENTRIES = 10

_CALLED: Mapping[What, str] = {
    What.API_ID: "Tyk's id",
    What.API_NAME: "Tyk's name",
    What.VERSIONS: "versions",
    What.REQUESTERS: "requesters",
    What.APPROVALS: "approvals",
    What.APPROVERS: "approvers",
    What.ALSO_MAY_APPROVE: "who may approve as well",
    What.LIMITS: "limits",
    What.TYK_POLICIES: "Tyk policies",
    What.ALSO_OPENS: "also opens",
    What.LIFETIMES: "lifetimes",
    What.MAX_ACTIVE: "most per person",
    What.MAX_TOTAL: "longest in all",
    What.REVIEW_EVERY: "time between reviews",
    What.REASON: "a reason is",
    What.REASON_PATTERN: "a reason has to match",
    What.REASON_LINK: "link of a reason",
    What.LAPSES_AFTER: "requests expire after",
    What.HIDE_AFTER: "tokens are shown for",
    What.APPROVALS_CHANNEL: "approvals channel",
    What.TITLE: "title",
    What.DESCRIPTION: "description",
    What.DOCS: "documentation",
    What.WARNING: "warning",
    What.LISTEN_PATH: "path",
    What.AUTH_HEADER: "header",
    What.GATEWAY_URL: "gateway",
    What.AUDITORS: "auditors",
    What.COMMAND: "command",
    What.AUDIT_CHANNEL: "audit channel",
    What.HELP_CHANNEL: "help channel",
    What.DASHBOARD_URL: "Dashboard",
    What.KEYS_BY: "keys go by",
    What.ALIAS: "alias at Tyk",
    What.AT_ONCE: "calls to Tyk at once",
    What.FORWARD: "audit forwarded",
    What.KEPT_FOR: "finished requests are kept for",
}
_LASTING = frozenset({What.MAX_TOTAL, What.REVIEW_EVERY, What.LAPSES_AFTER, What.HIDE_AFTER, What.KEPT_FOR})


@dataclass(frozen=True)
class Speech:
    """`said` writes what a person typed, `person` somebody or a group by their id, `title` an entry by its name."""

    said: Callable[[str, int], str]
    person: Callable[[str], str]
    title: Callable[[str], str]


def sentences(changes: Iterable[Together], speech: Speech, room: int = MAX_SAID) -> tuple[list[str], int]:
    """A sentence for each entry, or several that changed alike, in the order given; and how many changes had no room."""
    found: dict[tuple[str, ...], list[str]] = {}
    left = 0
    for one in changes:
        whose, words = _whose(one, speech), change(one, speech)
        place = (whose, *one.entries)
        room -= len(words) + (0 if place in found else len(whose)) + 2
        if room < 0:
            left += 1
        else:
            found.setdefault(place, []).append(words)
    return [f"{place[0]}{', '.join(told)}" for place, told in found.items()], left


def _whose(one: Together, speech: Speech) -> str:
    """The entries by their titles; one that went is in force no more, and still says what it was called."""
    called = one.before.get(What.TITLE) if one.what is What.ENTRY and isinstance(one.before, dict) else None
    names = [str(called)] if called else [speech.title(entry) for entry in one.entries]
    return f"{wording.people(_some([speech.said(name, 80) for name in names], MAX_ENTRIES))}: " if names else ""


def change(one: Together, speech: Speech) -> str:
    """One change, without whose it is: `approvals 1 instead of 2`, `approvers with Bob, without Carol`."""
    came = one.before is None
    match one.what:
        case What.ENTRY:
            return f"added{_terms(one.after, speech)}" if came else "removed"
        case What.OUT_OF_FORCE:
            return "out of force, because too few approvers are left" if one.after else "in force again"
        case What.PLAN:
            return f"plan {speech.said(one.plan, 80)} {'added' if came else 'removed'}"
        case What.PLAN_NAME:
            return f"plan {_value(one.what, one.before, speech)} is now called {_value(one.what, one.after, speech)}"
        case _:
            about = f"plan {speech.said(one.plan, 80)}: " if one.plan else ""
            return f"{about}{_CALLED[one.what]}{_instead(one, speech)}"


def _instead(one: Together, speech: Speech) -> str:
    if one.lost or one.gained:
        parts = [(" with ", one.gained), (" without ", one.lost)]
        return ",".join(f"{how}{_members(one.what, members, speech)}" for how, members in parts if members)
    if isinstance(one.before, list) and isinstance(one.after, list):
        return " in another order"
    return f" {_value(one.what, one.after, speech)} instead of {_value(one.what, one.before, speech)}"


def _terms(entry: Any, speech: Speech) -> str:
    """The requesters of an entry that is new, and how many approvals it takes."""
    if not isinstance(entry, dict) or not isinstance(asking := entry.get(What.REQUESTERS), list):
        return ""
    who, approvals = _members(What.REQUESTERS, asking, speech), entry.get(What.APPROVALS)
    return f" (requesters {who}; approvals {speech.said(str(approvals), 20)})"


def _members(what: What, members: Iterable[Any], speech: Speech) -> str:
    return wording.people(_some([_value(what, one, speech) for one in members], MAX_MEMBERS))


def _some(names: list[str], most: int) -> list[str]:
    return [*names[:most], f"{len(names) - most:,} more"] if len(names) > most else names


def _value(what: What, value: Any, speech: Speech) -> str:
    if isinstance(value, list):  # an audience of a plan, or a pattern with its sentence
        return " or ".join(_value(what, one, speech) for one in (value if what in PEOPLE else value[:1]))
    if what in PEOPLE and isinstance(value, str):
        return EVERYONE if value == EVERYONE else speech.person(value)
    if what is What.LIFETIMES or (what in _LASTING and value is not None):
        return _lasting(value, speech)
    if what is What.LIMITS and (limits := _limits(value)) is not None:
        return wording.limits(limits)
    return "none" if value is None else speech.said(str(value), MAX_VALUE)


def _lasting(value: Any, speech: Speech) -> str:
    if value is None:
        return "never"
    try:
        return wording.duration(timedelta(seconds=value))
    except (TypeError, OverflowError):
        return speech.said(str(value), MAX_VALUE)


def _limits(value: Any) -> Limits | None:
    names = ("rate", "per", "quota_max", "quota_renewal_rate")
    if not isinstance(value, dict) or not all(isinstance(value.get(name), int) for name in names):
        return None
    return Limits(*(value[name] for name in names))
