"""The reach of a rulebook: what it lets each person do, and who gains and who loses what by another. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from bot.core import rules
from bot.core.model import Person, Rule, Rulebook


class Right(StrEnum):
    """A right that somebody has."""

    REQUEST = "request"
    APPROVE = "approve"
    AUDIT = "audit"


@dataclass(frozen=True, order=True)
class Shift:
    """The people, by their user ids, who gain or lose a right: to an entry, or to some of its `plans` alone; an auditor's is to
    all entries."""

    entry: str
    right: Right
    gained: bool
    plans: tuple[str, ...]
    people: tuple[str, ...]


Change = tuple[Right, bool, tuple[str, ...]]
"""A right, whether it is gained, and the plans that it is to."""


def shifts(before: Rulebook, after: Rulebook, people: Iterable[Person]) -> tuple[Shift, ...]:
    """Everything that somebody of these gains or loses, entry by entry. Of entries that are for the same people one is asked."""
    everybody = tuple(people)
    found = [*_auditors(before, after, everybody)]
    known: dict[object, dict[Change, tuple[str, ...]]] = {}
    for name in sorted(before.rules.keys() | after.rules.keys()):
        old, new = before.rules.get(name), after.rules.get(name)
        alike = _audiences(old), _audiences(new)
        if alike[0] == alike[1]:
            continue
        if alike not in known:
            known[alike] = _of_entry(old, new, everybody)
        found += [Shift(name, *change, ids) for change, ids in known[alike].items()]
    return tuple(sorted(found))


def _audiences(rule: Rule | None) -> object:
    """All of the rule that says who may request and approve."""
    if rule is None:
        return None
    plans = tuple((plan.name, plan.requesters) for plan in rule.plans)
    return rule.out_of_force, rule.requesters, plans, rule.may_approve if _asks(rule) else None


def _auditors(before: Rulebook, after: Rulebook, people: Iterable[Person]) -> Iterator[Shift]:
    if before.auditors == after.auditors:
        return
    for gained, one, other in ((True, after, before), (False, before, after)):
        ids = [
            who.identity.user_id for who in people if rules.is_auditor(one, who) and not rules.is_auditor(other, who)
        ]
        if ids:
            yield Shift("", Right.AUDIT, gained, (), tuple(sorted(ids)))


def _of_entry(old: Rule | None, new: Rule | None, people: Iterable[Person]) -> dict[Change, tuple[str, ...]]:
    found: dict[Change, list[str]] = {}
    for person in people:
        for change in _of_person(old, new, person):
            found.setdefault(change, []).append(person.identity.user_id)
    return {change: tuple(sorted(ids)) for change, ids in found.items()}


def _of_person(old: Rule | None, new: Rule | None, person: Person) -> Iterator[Change]:
    had, has = _plans(old, person), _plans(new, person)
    if had and has:
        if has - had:
            yield Right.REQUEST, True, tuple(sorted(has - had))
        if had - has:
            yield Right.REQUEST, False, tuple(sorted(had - has))
    elif had or has:
        yield Right.REQUEST, bool(has), _some(new if has else old, has or had)
    approved, approves = _approves(old, person), _approves(new, person)
    if approved is not approves and (approved or old is None or _asks(old)):
        yield Right.APPROVE, approves, ()


def _plans(rule: Rule | None, person: Person) -> frozenset[str]:
    offered = rules.offered(rule, person) if rule is not None else None
    return frozenset(plan.name for plan in offered.plans) if offered is not None else frozenset()


def _some(rule: Rule | None, plans: frozenset[str]) -> tuple[str, ...]:
    """These plans, where they are not all of the entry's."""
    return tuple(sorted(plans)) if rule is not None and len(plans) < len(rule.plans) else ()


def _approves(rule: Rule | None, person: Person) -> bool:
    return rule is not None and _asks(rule) and rules.may_approve(rule, person)


def _asks(rule: Rule) -> bool:
    """Approvers are asked: before access is given, or whether it is still needed. That they are asked from now on gives nobody
    more, and is told with the number of approvals."""
    return bool(rule.approvals or any(plan.approvals for plan in rule.plans) or None in rule.lifetimes)
