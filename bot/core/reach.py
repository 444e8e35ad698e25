"""The reach of a rulebook: what it lets each person do, and who gains and who loses what by another. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from bot.core import rules
from bot.core.model import Person, Rule, Rulebook


class Right(StrEnum):
    """What somebody may do."""

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


def shifts(before: Rulebook, after: Rulebook, people: Iterable[Person]) -> tuple[Shift, ...]:
    """Everything that somebody of these gains or loses, entry by entry."""
    names = before.rules.keys() | after.rules.keys()
    changed = sorted(name for name in names if before.rules.get(name) != after.rules.get(name))
    found: dict[tuple[str, Right, bool, tuple[str, ...]], list[str]] = {}

    def tell(entry: str, right: Right, person: Person, was: bool, now: bool, plans: tuple[str, ...] = ()) -> None:
        if was is not now:
            found.setdefault((entry, right, now, plans), []).append(person.identity.user_id)

    for person in people:
        tell("", Right.AUDIT, person, rules.is_auditor(before, person), rules.is_auditor(after, person))
        for name in changed:
            old, new = before.rules.get(name), after.rules.get(name)
            had, has = _plans(old, person), _plans(new, person)
            if had and has:
                tell(name, Right.REQUEST, person, False, bool(has - had), tuple(sorted(has - had)))
                tell(name, Right.REQUEST, person, bool(had - has), False, tuple(sorted(had - has)))
            else:
                tell(name, Right.REQUEST, person, bool(had), bool(has), _some(new if has else old, has or had))
            tell(name, Right.APPROVE, person, _approves(old, person), _approves(new, person))
    return tuple(sorted(Shift(*key, tuple(sorted(ids))) for key, ids in found.items()))


def _plans(rule: Rule | None, person: Person) -> frozenset[str]:
    offered = rules.offered(rule, person) if rule is not None else None
    return frozenset(plan.name for plan in offered.plans) if offered is not None else frozenset()


def _some(rule: Rule | None, plans: frozenset[str]) -> tuple[str, ...]:
    """These plans, where they are not all of the entry's."""
    return tuple(sorted(plans)) if rule is not None and len(plans) < len(rule.plans) else ()


def _approves(rule: Rule | None, person: Person) -> bool:
    return rule is not None and rules.may_approve(rule, person)
