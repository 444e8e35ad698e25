"""The checks of a form: the rule is open to the person, the form fits it, approvers enough are left. The first no is raised."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.core import limits, requests, rules
from bot.core.model import Answers, Lifetime, Person, Plan, PolicyTerms, Refusal, Rule


@dataclass(frozen=True)
class Form:
    """A form as it was filled in: nothing in it has been checked. `terms` are those of the plan's Tyk policies."""

    plan: str | None
    lifetime: Lifetime
    answers: Answers
    terms: tuple[PolicyTerms, ...] = ()


@dataclass(frozen=True)
class Admitted:
    """A form that may be asked with: the rule as it holds for its plan, and the answers without what cannot be seen."""

    rule: Rule
    plan: Plan
    answers: Answers


def open_to(rule: Rule | None, person: Person) -> Rule:
    """The rule with what this person is offered of it. Raises Refusal where that is nothing."""
    if rule is not None and rules.counted_by(rule.requesters, person):
        rules.check_in_force(rule)
    offered = rules.offered(rule, person) if rule is not None else None
    if offered is None:
        raise Refusal("You can't request this API. Pick another one.", code="not_allowed", field="api")
    return offered


def admitted(rule: Rule | None, person: Person, form: Form, approvers: frozenset[str]) -> Admitted:
    """The form, where this person may ask with it. `approvers` are those who may decide under the rule. Raises Refusal."""
    offered = open_to(rule, person)
    assert rule is not None, "what is nobody's is refused before"
    answers = limits.tidied(form.answers)
    plan = replace(requests.check_form(offered, form.plan, form.lifetime, answers), terms=form.terms)
    asked = rules.for_plan(rule, plan).with_plan(plan)
    rules.check_reachable(asked, person.identity, approvers)
    return Admitted(asked, plan, answers)
