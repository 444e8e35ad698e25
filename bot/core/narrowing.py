"""Approving less than was asked for: a shorter lifetime, a smaller plan of the rule's own, and never more.

Whoever approved before consented to more, so their approvals still count; whoever approves afterwards is shown the smaller one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.core.model import Lifetime, Limits, Plan, PolicyTerms, Refusal, Request, Rule, Scope

Bounds = tuple[float, float, float, float]
"""Limits in the order of `Limits`, but for parts of a call, which a Tyk policy may set."""


@dataclass(frozen=True)
class Choice:
    """The plan, by its name, and the lifetime that an approver picked: nothing in it has been checked."""

    plan: str
    lifetime: Lifetime


@dataclass(frozen=True)
class Choices:
    """All that may be given: what the request is for now comes last, and what is less before it."""

    plans: tuple[Plan, ...]
    lifetimes: tuple[Lifetime, ...]


def choices(request: Request, in_force: Rule | None) -> Choices:
    """Lifetimes of the rule in force, and plans that it and the request's own rule offer alike.

    More time for what is held is given or not: less of it might end before what is held already.
    """
    if request.extends is not None:
        return Choices((request.plan,), (request.lifetime,))
    rule = in_force or request.rule
    shorter = sorted(one for one in rule.lifetimes if one is not None and _is_shorter(one, request.lifetime))
    smaller = [
        plan
        for plan in request.rule.plans
        if plan.name != request.plan.name
        and (now := rule.plan(plan.name)) is not None
        and now.rights == plan.rights
        and _asks_no_more(now, request)
        and is_smaller(plan, request.plan)
    ]
    return Choices((*smaller, request.plan), (*shorter, request.lifetime))


def narrowed(request: Request, in_force: Rule | None, choice: Choice) -> Request:
    """The request as it is after this choice: it keeps what was asked for. Raises Refusal where that would not be less."""
    offered = choices(request, in_force)
    plan = next((one for one in offered.plans if one.name == choice.plan), None)
    if plan is None:
        raise _refusal(request, "plan")
    if choice.lifetime not in offered.lifetimes:
        raise _refusal(request, "lifetime")
    before = Scope(request.plan, request.lifetime)
    if Scope(plan, choice.lifetime) == before:
        return request
    return replace(request, plan=plan, lifetime=choice.lifetime, asked=request.asked or before)


def _refusal(request: Request, field: str) -> Refusal:
    said = f"{request.label} or its rule has changed, and this {field} can't be given now. Open this form again to see what can."
    return Refusal(said, code="not_less", field=field)


def _is_shorter(one: Lifetime, other: Lifetime) -> bool:
    return one is not None and (other is None or one < other)


def _asks_no_more(plan: Plan, request: Request) -> bool:
    """The plan needs no more approvals, and whoever was offered the request's own plan is offered it."""
    need = max(request.rule.approvals, request.plan.approvals)
    return plan.approvals <= need and set(plan.requesters) <= set(request.plan.requesters)


def is_smaller(plan: Plan, other: Plan) -> bool:
    """A key of this plan opens no API that one of the other does not, and each of its limits is known and at most the other's.

    Of a plan with Tyk policies the limits are known where Tyk could say them when it was asked for; of several policies the most
    generous counts, so it is enough to stay below one.
    """
    if plan.tyk_policies or not {api.right for api in plan.also_opens} <= {api.right for api in other.also_opens}:
        return False
    if not other.tyk_policies:
        return fits(plan.limits, other.limits)
    mine = _bounds(plan.limits)
    return any(_at_most(mine, under(terms, other.limits)) for terms in other.terms if not terms.each_api)


def fits(limits: Limits, other: Limits) -> bool:
    """A key with these limits can do no more than one with the others."""
    return _at_most(_bounds(limits), _bounds(other))


def under(terms: PolicyTerms, own: Limits) -> Bounds:
    """The limits of a key under this policy: its own where the policy sets none."""
    rate, per = (own.rate, own.per) if terms.rate is None else (terms.rate, terms.per or 1)
    if terms.quota_max is None:
        return rate, per, own.quota_max, own.quota_renewal_rate
    return rate, per, terms.quota_max if terms.quota_max > 0 else -1, terms.quota_renewal_rate or 0


def _bounds(limits: Limits) -> Bounds:
    return limits.rate, limits.per, limits.quota_max, limits.quota_renewal_rate


def _at_most(mine: Bounds, other: Bounds) -> bool:
    return _rate_within(mine[:2], other[:2]) and _quota_within(mine[2:], other[2:])


def _rate_within(mine: tuple[float, float], other: tuple[float, float]) -> bool:
    """Never more calls, neither at once nor over time; a rate of 0 is no limit."""
    (rate, per), (most, within) = mine, other
    return most <= 0 or (0 < rate <= most and per > 0 and within > 0 and rate * within <= most * per)


def _quota_within(mine: tuple[float, float], other: tuple[float, float]) -> bool:
    """Never more calls, neither at once nor over time; a quota below 0 is no limit, one renewed after 0 seconds is for ever."""
    (quota, renewed), (most, within) = mine, other
    never_more = renewed <= 0 or (within > 0 and quota * within <= most * renewed)
    return most < 0 or (0 <= quota <= most and never_more)
