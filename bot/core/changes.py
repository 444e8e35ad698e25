"""The differences of one configuration from another: each that changed, from what to what, and whether it widens access. Pure.

`compared` takes two rulebooks, `between` two snapshots of them (`bot.core.snapshot`), of which an older version may have kept
less: what only one of them has is not compared. `together` makes one of equal changes in several entries, as a change of
`defaults` brings them; `told` and `read` put these into an audit line and get them out again.

A rulebook holds ids. Whoever has names alone, and no Slack to ask, compares rulebooks of names:
`config.rulebook({one.text: one.text for one in config.mentions()})`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from bot.core import narrowing, snapshot
from bot.core.model import Limits, Rulebook
from bot.core.snapshot import EVERYONE, Snapshot, What

ROOM = 50_000
"""Characters of changes, as JSON, that one audit line holds."""


class Access(StrEnum):
    """The bearing of a change on who may have what: more, less, something else or both, or none."""

    WIDER = "wider"
    NARROWER = "narrower"
    OTHER = "other"
    SAME = "same"


@dataclass(frozen=True)
class Change:
    """One difference. `entry` is empty for what is of the whole file; `plan` names the plan that it is about, if it is.

    `before` and `after` are plain JSON values, None for what was not there: people, APIs and policies a sorted list of ids
    (`everyone` is one), times in seconds (among lifetimes None is `never`), limits by their names, an entry or a plan whole.
    """

    entry: str
    what: What
    before: Any
    after: Any
    access: Access
    plan: str = ""

    @property
    def is_of_members(self) -> bool:
        """It is a list of things, of which some came or went: not one thing for another, and not another order."""
        lists = isinstance(self.before, Sequence) and isinstance(self.after, Sequence)
        return lists and self.what in _LISTS and bool(self.gained or self.lost)

    @property
    def gained(self) -> tuple[Any, ...]:
        return tuple(one for one in self.after if one not in self.before)

    @property
    def lost(self) -> tuple[Any, ...]:
        return tuple(one for one in self.before if one not in self.after)


@dataclass(frozen=True)
class Together:
    """The same change of several entries; of the whole file, where it names none.

    Of what is a list of things, `lost` and `gained` are those that went and came, and `before` and `after` are None.
    """

    entries: tuple[str, ...]
    what: What
    access: Access
    before: Any = None
    after: Any = None
    lost: tuple[Any, ...] = ()
    gained: tuple[Any, ...] = ()
    plan: str = ""


# --- comparing --------------------------------------------------------------------------------------------------------


def compared(before: Rulebook, after: Rulebook) -> tuple[Change, ...]:
    """All that changed from one rulebook to the other, entry by entry, in the order of `What`."""
    return between(snapshot.of(before), snapshot.of(after))


def between(before: Snapshot | None, after: Snapshot) -> tuple[Change, ...]:
    """The same of two snapshots; without the first, all entries have come."""
    return tuple(_between(before or {"apis": {}}, after))


def _between(old: Snapshot, new: Snapshot) -> Iterator[Change]:
    yield from _of_keys("", {What.AUDITORS: old.get("auditors", [])}, {What.AUDITORS: new.get("auditors", [])})
    yield from _of_keys("", old.get("settings", {}), new.get("settings", {}))
    for name in sorted(old["apis"].keys() | new["apis"].keys()):
        was, now = snapshot.entry(old, name), snapshot.entry(new, name)
        if was is None or now is None:
            yield Change(name, What.ENTRY, was, now, Access.WIDER if was is None else Access.NARROWER)
        elif was != now:
            yield from _of_entry(name, was, now)


def _of_entry(name: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    if "plans" not in was:  # an older version kept approvals and people alone, and of these what was not empty
        return _of_keys(name, {What.ALSO_MAY_APPROVE: [], **was}, now)
    found = _of_keys(name, was, now)
    old, new = dict(was["plans"]), dict(now["plans"])
    for before, after in _renamed(old, new):
        found.append(Change(name, What.PLAN_NAME, before, after, Access.OTHER, after))
        del old[before], new[after]
    for plan in sorted(old.keys() | new.keys()):
        if plan in old and plan in new:
            found += _of_keys(name, old[plan], new[plan], plan)
        else:
            access = Access.WIDER if plan in new else Access.NARROWER
            found.append(Change(name, What.PLAN, old.get(plan), new.get(plan), access, plan))
    return sorted(found, key=lambda one: _ORDER[one.what])


def _renamed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The plans that have another name and are alike in all else, where it is plain which one became which."""
    went, came = old.keys() - new.keys(), new.keys() - old.keys()
    pairs = [(one, other) for one in sorted(went) for other in sorted(came) if old[one] == new[other]]
    return [pair for pair in pairs if all(pair == one or not {*pair} & {*one} for one in pairs)]


def _of_keys(entry: str, was: Mapping[str, Any], now: Mapping[str, Any], plan: str = "") -> list[Change]:
    return [
        Change(entry, what, was[what], now[what], _access(what, was[what], now[what]), plan)
        for what in What
        if what in was and what in now and was[what] != now[what]
    ]


# --- more or less -----------------------------------------------------------------------------------------------------


def _access(what: What, before: Any, after: Any) -> Access:
    judge = _JUDGES.get(what)
    return judge(before, after) if judge else Access.SAME


def _either(*, wider: bool, narrower: bool) -> Access:
    if wider and narrower:
        return Access.OTHER
    return Access.WIDER if wider else Access.NARROWER if narrower else Access.SAME


def _of_members(before: Collection[Any], after: Collection[Any]) -> Access:
    return _either(wider=any(one not in before for one in after), narrower=any(one not in after for one in before))


def _of_requesters(before: Collection[Any], after: Collection[Any]) -> Access:
    """Beside everyone nobody else counts. Of a plan that opens more, each audience is one more that one must be in."""
    if any(isinstance(one, list) for one in (*before, *after)):
        return _of_members(after, before)
    if EVERYONE in before or EVERYONE in after:
        return _either(wider=EVERYONE not in before, narrower=EVERYONE not in after)
    return _of_members(before, after)


def _of_limits(before: Mapping[str, int], after: Mapping[str, int]) -> Access:
    old, new = Limits(**before), Limits(**after)
    less, more = narrowing.fits(new, old), narrowing.fits(old, new)
    return Access.OTHER if less is more else _either(wider=more, narrower=less)


def _less(before: int, after: int) -> Access:
    """The fewer, the wider."""
    return _either(wider=after < before, narrower=after > before)


def _more(before: int | None, after: int | None) -> Access:
    """The more, the wider; None is no bound."""
    old, new = (float("inf") if one is None else one for one in (before, after))
    return _either(wider=new > old, narrower=new < old)


def _of_reason(_before: str, after: str) -> Access:
    return _either(wider=after == "optional", narrower=after == "required")


def _of_pattern(before: object, after: object) -> Access:
    return _either(wider=before is not None, narrower=after is not None)


def _of_force(before: object, _after: object) -> Access:
    return _either(wider=bool(before), narrower=not before)


def _of_another(_before: object, _after: object) -> Access:
    return Access.OTHER


_LISTS = frozenset(
    {
        What.VERSIONS,
        What.REQUESTERS,
        What.APPROVERS,
        What.ALSO_MAY_APPROVE,
        What.TYK_POLICIES,
        What.ALSO_OPENS,
        What.LIFETIMES,
        What.AUDITORS,
        What.FORWARD,
    }
)

_JUDGES: Mapping[What, Callable[[Any, Any], Access]] = {
    What.OUT_OF_FORCE: _of_force,
    What.API_ID: _of_another,
    What.API_NAME: _of_another,
    What.VERSIONS: _of_members,
    What.REQUESTERS: _of_requesters,
    What.APPROVALS: _less,
    What.APPROVERS: _of_members,
    What.ALSO_MAY_APPROVE: _of_members,
    What.LIMITS: _of_limits,
    What.TYK_POLICIES: _of_another,
    What.ALSO_OPENS: _of_members,
    What.LIFETIMES: _of_members,
    What.MAX_ACTIVE: _more,
    What.MAX_TOTAL: _more,
    What.REVIEW_EVERY: _more,
    What.REASON: _of_reason,
    What.REASON_PATTERN: _of_pattern,
    What.AUDITORS: _of_members,
    What.DASHBOARD_URL: _of_another,
}

PEOPLE = (What.REQUESTERS, What.APPROVERS, What.ALSO_MAY_APPROVE, What.AUDITORS)
"""What is a list of people, user groups and channels."""

_ORDER = {what: place for place, what in enumerate(What)}

# --- in an audit line -------------------------------------------------------------------------------------------------

_FIRST = (Access.WIDER, Access.OTHER, Access.NARROWER, Access.SAME)


def together(changes: Iterable[Change]) -> tuple[Together, ...]:
    """Equal changes of several entries as one: what widens access first, then what may, what narrows it, and the rest."""
    found: dict[str, Together] = {}
    for change in changes:
        one = _alone(change)
        key = json.dumps(_plain(replace(one, entries=())))
        before = found.get(key)
        found[key] = one if before is None else replace(one, entries=(*before.entries, *one.entries))
    return tuple(sorted(found.values(), key=lambda one: (_FIRST.index(one.access), _ORDER[one.what], one.entries)))


def _alone(change: Change) -> Together:
    entries = (change.entry,) if change.entry else ()
    if change.is_of_members:
        lost, gained = change.lost, change.gained
        return Together(entries, change.what, change.access, lost=lost, gained=gained, plan=change.plan)
    return Together(entries, change.what, change.access, change.before, change.after, plan=change.plan)


def told(digest: str, changes: Iterable[Change], room: int = ROOM) -> Iterator[dict[str, Any]]:
    """The details of an audit line, and of as many more as it takes to hold all of the `changes`: `digest`, and of what it holds
    the names of the entries that were `added` and `removed`. Where they are several, each says which `part` of `parts` it is."""
    pages = list(_pages(map(_plain, together(changes)), room)) or [[]]
    for part, page in enumerate(pages, 1):
        yield _details(digest, page) | ({"part": part, "parts": len(pages)} if len(pages) > 1 else {})


def begun(now: Snapshot, room: int = ROOM) -> dict[str, Any]:
    """The details of the first such line, before which nobody had anything: of very many entries, how many are `left_out`."""
    came = (_plain(_alone(change)) for change in _between({"apis": {}}, now))
    page = next(_pages(came, room), [])
    left_out = len(now["apis"]) + bool(now["auditors"]) - len(page)
    return _details(now["digest"], page) | ({"left_out": left_out} if left_out else {})


def _pages(found: Iterable[dict[str, Any]], room: int) -> Iterator[list[dict[str, Any]]]:
    page, left = list[dict[str, Any]](), room
    for plain in found:
        size = len(json.dumps(plain))
        if size > left and page:
            yield page
            page, left = [], room
        page.append(plain)
        left -= size
    if page:
        yield page


def _details(digest: str, page: list[dict[str, Any]]) -> dict[str, Any]:
    whole = [one for one in page if one["what"] == What.ENTRY]
    came = [name for one in whole if "before" not in one for name in one["entries"]]
    went = [name for one in whole if "after" not in one for name in one["entries"]]
    return {"digest": digest, "added": came, "removed": went, "changes": page}


def _plain(one: Together) -> dict[str, Any]:
    """As it is kept: without what it does not say."""
    said = {"entries": [*one.entries], "what": one.what.value, "access": one.access.value}
    more = {"plan": one.plan, "lost": [*one.lost], "gained": [*one.gained], "before": one.before, "after": one.after}
    return said | {name: value for name, value in more.items() if value not in ("", [], None)}


def read(details: Mapping[str, Any]) -> tuple[Together, ...]:
    """The changes of an audit line, as far as this version knows them."""
    found = details.get("changes")
    return tuple(map(_of_plain, filter(_is_known, found))) if isinstance(found, list) else ()


def ids_in(details: Mapping[str, Any]) -> Iterator[str]:
    """Slack's ids of the people and user groups that the changes of an audit line name."""
    for one in read(details):
        if one.what in PEOPLE:
            yield from (who for who in (*one.lost, *one.gained) if isinstance(who, str))
        elif one.what is What.ENTRY:
            sides = (side for side in (one.before, one.after) if isinstance(side, dict))
            yield from (who for side in sides for key in PEOPLE for who in _list(side.get(key)) if isinstance(who, str))


def _is_known(plain: object) -> bool:
    return isinstance(plain, dict) and str(plain.get("what")) in _WHATS and str(plain.get("access")) in _ACCESSES


_WHATS, _ACCESSES = frozenset(What), frozenset(Access)


def _of_plain(plain: Mapping[str, Any]) -> Together:
    entries, lost, gained = (tuple(_list(plain.get(name))) for name in ("entries", "lost", "gained"))
    what, access, plan = What(str(plain["what"])), Access(str(plain["access"])), str(plain.get("plan") or "")
    return Together(tuple(map(str, entries)), what, access, plain.get("before"), plain.get("after"), lost, gained, plan)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
