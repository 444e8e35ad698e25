"""Those who may decide about a request now: whom its messages name, and whether enough of them are left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from bot.core import rules
from bot.core.model import Audience, Person, Record, Refusal, Rule

_ASK_AGAIN = " It has to be requested again"
_IN_VAIN = ("is no longer offered here", "can no longer request", "can't be granted right now")
"""Signs of a reason for which the same would be refused if it were asked for anew."""


@dataclass(frozen=True)
class Deciders:
    """`able` are their user ids, one a person, and `called` those of them whom messages call: all, where it would be none.

    `groups` are user groups of whose members each may decide and is called, `people` the others who are. `need` is how many
    approvals it takes. `undecidable` says why it cannot be approved now; it is empty where it can.
    """

    need: int
    able: frozenset[str] = frozenset()
    groups: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    undecidable: str = ""
    called: frozenset[str] = frozenset()

    def undecided(self, record: Record) -> tuple[str, ...]:
        """Those of them who are called and have not said yes."""
        return tuple(sorted(self.called - _said_yes(record)))


def asking_again_helps(undecidable: str) -> bool:
    """The same may be asked for anew: nothing but what the request was made under stands in its way."""
    return not any(sign in undecidable for sign in _IN_VAIN)


def _said_yes(record: Record) -> frozenset[str]:
    return frozenset(one.reviewer.user_id for one in rules.approvals(record.reviews, record.request.requester))


@dataclass(frozen=True)
class Named:
    """The people whom rules name, as Slack knows them: the members of each group, all ids of a person who has several, and
    the ids of those who may not use the bot."""

    members: Mapping[str, frozenset[str]]
    ids: Mapping[str, frozenset[str]] = field(default_factory=dict)
    barred: frozenset[str] = frozenset()

    def same(self, user_id: str) -> frozenset[str]:
        return self.ids.get(user_id, frozenset()) | {user_id}

    def by(self, audience: Audience) -> frozenset[str]:
        """The ids of everybody whom it names."""
        return audience.users.union(*(self.members.get(group, frozenset()) for group in audience.groups))


def deciders(record: Record, in_force: Rule | None, named: Named, requester: Person | None = None) -> Deciders:
    """The people whom both rules count now, without the requester.

    `requester` is given where they may be no longer among those who may ask.
    """
    try:
        rule = rules.stricter(record, in_force)
        if requester is not None:
            rules.check_requester(record, rule, requester)
        need = rule.approvals
    except Refusal as refusal:
        return Deciders(record.request.rule.approvals, undecidable=refusal.text.partition(_ASK_AGAIN)[0])
    audiences = rules.deciding(record, in_force)
    each = [named.by(audience) for audience in audiences]
    barred = named.barred | named.same(record.request.requester.user_id)

    def may(user_id: str) -> bool:
        ids = named.same(user_id)
        return not ids & barred and all(ids & theirs for theirs in each)

    able = frozenset(min(named.same(one) & each[-1]) for one in each[-1] if may(one))
    calls = named.by(rules.called(record, in_force))
    if not any(named.same(one) & calls for one in able):  # else nobody would hear of it
        calls = able

    def is_called(user_id: str) -> bool:
        return may(user_id) and bool(named.same(user_id) & calls)

    called = frozenset(filter(is_called, able))
    groups = sorted(group for audience in audiences for group in audience.groups if _all_are(named, group, is_called))
    covered = frozenset[str]().union(*(named.members[group] for group in groups))
    people = tuple(sorted(one for one in called if not named.same(one) & covered))
    found = Deciders(need, able, tuple(dict.fromkeys(groups)), people, called=called)
    return _judged(found, record, is_changed=len({*audiences}) > 1)


def _all_are(named: Named, group: str, called: Callable[[str], bool]) -> bool:
    members = named.members.get(group, frozenset())
    return bool(members) and all(map(called, members))


def _judged(found: Deciders, record: Record, *, is_changed: bool) -> Deciders:
    """With the reason, where the approvals that are there and those that can still come are too few."""
    title = record.request.rule.title
    have = len(rules.approvals(record.reviews, record.request.requester))
    possible = have + len(found.able - _said_yes(record))
    if possible >= found.need:
        return found
    if found.able:
        why = f"{title} needs {found.need} approvals, but only {possible} can be given."
    elif is_changed:
        why = f"The approvers of {title} have changed: nobody named when this was requested can still approve it."
    else:
        why = f"Nobody is left who can approve {title}."
    return replace(found, undecidable=why)
