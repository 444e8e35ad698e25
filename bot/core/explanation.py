"""The explanation why somebody may ask for a token, or may not: every look that the bot takes, each with the bot's own answer.

What could not be looked up is neither yes nor no. Nothing is decided here: the answers are those of `asking`, `members`, `limits`
and `deciders`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from bot.core import asking, deciders, limits, members, requests, rules
from bot.core.deciders import Named
from bot.core.model import (
    Answers,
    Audience,
    Identity,
    Person,
    Plan,
    Record,
    Refusal,
    RequestId,
    Rule,
    Workspace,
)

Answer = bool | None
"""None where it could not be looked up."""

_CROWD = frozenset(f"one of many, {number}" for number in range(50))
"""More approvers than any rule asks for: where nobody could count them, that is no reason."""


class Look(StrEnum):
    """The things that are looked at, in the bot's order."""

    MEMBER = "member"
    ENTRY = "entry"
    REQUESTERS = "requesters"
    IN_FORCE = "in force"
    ROOM = "room"


@dataclass(frozen=True)
class Known:
    """Somebody as far as they were looked up: `least` is in the groups and channels that they are known to be in, `most` also in
    those about which nobody could be asked."""

    least: Person
    most: Person

    def answer(self, ask: Callable[[Person], object]) -> Answer:
        """The answer of `ask`, where it does not hang on what could not be looked up."""
        return True if ask(self.least) else None if ask(self.most) else False


@dataclass(frozen=True)
class Finding:
    """One look: its answer, the sentence behind a no, and the id by which it holds, or may hold."""

    look: Look
    holds: Answer
    why: str = ""
    by: str = ""


@dataclass(frozen=True)
class Offer:
    """One plan: whether it may be asked for, the bot's sentence where not, the approvals that it takes, and the audiences of what
    it opens besides that they are not in."""

    plan: Plan
    holds: Answer
    approvals: int
    why: str = ""
    code: str = ""
    outside: tuple[Audience, ...] = ()


@dataclass(frozen=True)
class Decider:
    """Somebody who would decide: `by` is the group or id that makes them one, and `called` is whether messages call them."""

    user_id: str
    by: str
    called: bool


@dataclass(frozen=True)
class Explanation:
    findings: tuple[Finding, ...]
    offers: tuple[Offer, ...] = ()

    @property
    def may(self) -> Answer:
        """True where a form for one of the plans is taken, as far as was looked; None where that hangs on what was not."""
        if any(finding.holds is False for finding in self.findings):
            return False
        answers = {offer.holds for offer in self.offers}
        return True if True in answers else None if None in answers else False


def explain(
    rule: Rule | None,
    who: Known,
    workspace: Workspace | None,
    able: frozenset[str] | None,
    held: tuple[int, ...] | None,
) -> Explanation:
    """`able` are those who may decide under the rule and `held` the numbers of what they have of it; None where nobody looked."""
    findings = [_member(who.least, workspace)]
    findings.append(Finding(Look.ENTRY, rule is not None, "" if rule else "There is no such entry."))
    if rule is None:
        return Explanation(tuple(findings))
    counted = who.answer(lambda person: rules.counted_by(rule.requesters, person))
    by = rules.counted_by(rule.requesters, who.most) or ""
    findings.append(Finding(Look.REQUESTERS, counted, by=by))
    findings.append(_refused(Look.IN_FORCE, lambda: rules.check_in_force(rule)))
    if held is None:
        findings.append(Finding(Look.ROOM, None))
    else:
        findings.append(_refused(Look.ROOM, lambda: limits.check_room(rule, held)))
    return Explanation(tuple(findings), tuple(_offer(rule, plan, who, able) for plan in rule.plans))


def _member(person: Person, workspace: Workspace | None) -> Finding:
    if workspace is None:
        return Finding(Look.MEMBER, None)
    refusal = members.refuse(person, workspace)
    return Finding(Look.MEMBER, refusal is None, refusal.text if refusal else "")


def _refused(look: Look, check: Callable[[], object]) -> Finding:
    refusal = _refusal(check)
    return Finding(look, refusal is None, refusal.text if refusal else "")


def _refusal(check: Callable[[], object]) -> Refusal | None:
    try:
        check()
    except Refusal as refusal:
        return refusal
    return None


def _offer(rule: Rule, plan: Plan, who: Known, able: frozenset[str] | None) -> Offer:
    """The plan, as a form for it is answered. What people write as their reason is left out of it."""
    asked = replace(rule, reason_required=False, reason_pattern=None)
    form, enough = asking.Form(plan.name, rule.lifetimes[0], Answers()), _CROWD if able is None else able

    def refusal(person: Person) -> Refusal | None:
        return _refusal(lambda: asking.admitted(asked, person, form, enough))

    most, least = refusal(who.most), refusal(who.least)
    told = most or least
    return Offer(
        plan,
        False if most else None if least else True,
        rules.for_plan(rule, plan).approvals,
        told.text if told else "",
        told.code if told else "",
        tuple(audience for audience in plan.requesters if rules.counted_by(audience, who.least) is None),
    )


# --- who would decide -------------------------------------------------------------------------------------------------


def as_if_asked(rule: Rule, plan: Plan, person: Person, now: datetime) -> Record:
    """The record as it would be if this person asked now."""
    asked = requests.Asked(RequestId("not asked"), plan, rule.lifetimes[0], Answers())
    whole = rules.for_plan(rule, plan).with_plan(plan)
    return requests.submit(asked, person, whole, "", 0, now, lambda: "not promised").record


def able(rule: Rule, person: Person, named: Named, now: datetime) -> frozenset[str]:
    """The ids of those who could approve what this person asks for under the rule."""
    return deciders.deciders(as_if_asked(rule, rule.plans[0], person, now), rule, named).able


def decided_by(record: Record, rule: Rule, named: Named) -> tuple[Decider, ...]:
    """Everybody who could approve it, each with that by which it would count; those whom messages call come first."""
    found = deciders.deciders(record, rule, named)
    told = [
        Decider(one, rules.reviewing_by(record, rule, _in_groups(one, named)), one in found.called)
        for one in found.able
    ]
    return tuple(sorted(told, key=lambda one: (not one.called, one.user_id)))


def _in_groups(user_id: str, named: Named) -> Person:
    ids = named.same(user_id)
    groups = frozenset(group for group, listed in named.members.items() if listed & ids)
    return Person(Identity("", user_id), user_id, groups=groups, also=ids)
