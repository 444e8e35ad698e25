"""Rules applied to people: who may ask, who may review, how many approvals are needed. Ids in, sentences out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bot.core.model import Audience, Identity, Person, Plan, Record, Refusal, Review, Rule, Verdict


def counted_by(audience: Audience, person: Person) -> str | None:
    """The id by which this person belongs to the audience: their own first, then a group, a channel, `everyone`."""
    if person.identity.user_id in audience.users:
        return person.identity.user_id
    for named, theirs in ((audience.groups, person.groups), (audience.channels, person.channels)):
        if common := sorted(named & theirs):
            return common[0]
    return "everyone" if audience.everyone else None


def may_ask(rule: Rule, person: Person) -> bool:
    return counted_by(rule.requesters, person) is not None


def askable(rules: dict[str, Rule], person: Person) -> tuple[Rule, ...]:
    """The rules under which this person may ask, in the order people read them."""
    allowed = (rule for rule in rules.values() if may_ask(rule, person))
    return tuple(sorted(allowed, key=lambda rule: (rule.title.casefold(), rule.name)))


def offered(rule: Rule, person: Person) -> Rule | None:
    """The rule with the plans that this person may ask for; None where there are none."""
    if not may_ask(rule, person):
        return None
    return with_plans(rule, lambda audience: counted_by(audience, person) is not None)


def with_plans(rule: Rule, includes: Callable[[Audience], bool]) -> Rule | None:
    """The rule without the plans that open what somebody may not ask for: `includes` says of each audience if they are in it."""
    if not any(plan.requesters for plan in rule.plans):
        return rule
    plans = tuple(plan for plan in rule.plans if all(map(includes, plan.requesters)))
    return replace(rule, plans=plans) if plans else None


def for_plan(rule: Rule, plan: Plan) -> Rule:
    """The rule as it holds for this plan, whose further APIs may ask for more approvals.

    Whoever may approve for the rule may approve for those, too: a file that says otherwise is refused.
    """
    return replace(rule, approvals=plan.approvals) if plan.approvals > rule.approvals else rule


def named_channels(rules: dict[str, Rule]) -> frozenset[str]:
    """The channels whose members some rule lets ask."""
    return frozenset[str]().union(*(rule.requesters.channels for rule in rules.values()))


def stricter(record: Record, in_force: Rule | None) -> Rule:
    """The rule a decision must satisfy: the request's own, and the one in force where that asks for more.

    Raises Refusal where no rule is in force any more, or where what was asked for is no longer on offer.
    """
    frozen, plan = record.request.rule, record.request.plan
    if in_force is None:
        raise Refusal(
            f"{frozen.title} is no longer offered here. Please ask again for something else.", code="rule_gone"
        )
    if in_force.api.right != frozen.api.right:
        raise Refusal(f"{frozen.title} now stands for another API. Please ask again.", code="rule_changed")
    offers = in_force.plan(plan.name)
    if offers is None or offers.rights != plan.rights:
        raise Refusal(f"The plan {plan.name} of {frozen.title} has changed. Please ask again.", code="plan_changed")
    if record.request.lifetime not in in_force.lifetimes:
        raise Refusal(f"{frozen.title} is no longer granted for that long. Please ask again.", code="lifetime_changed")
    asks = for_plan(in_force, offers)
    return replace(asks, approvals=max(frozen.approvals, asks.approvals), approvers=_both(frozen, asks))


def _both(frozen: Rule, in_force: Rule) -> Audience:
    """Approvers whom both rules name; where the request needed none, those in force decide alone."""
    if frozen.approvals == 0:
        return in_force.approvers
    if in_force.approvals == 0:
        return frozen.approvers
    return Audience(
        groups=frozen.approvers.groups & in_force.approvers.groups,
        users=frozen.approvers.users & in_force.approvers.users,
    )


def reviewing_by(rule: Rule, requester: Identity, reviewer: Person) -> str:
    """The group or user id by which this person's review counts. Raises Refusal: the requester's own never counts."""
    if reviewer.identity == requester:
        raise Refusal("You asked for this yourself, so somebody else has to decide it.", code="own_request")
    by = counted_by(replace(rule.approvers, everyone=False, channels=frozenset()), reviewer)
    if by is None:
        raise Refusal(f"You are not among those who may decide about {rule.title}.", code="not_approver")
    return by


def approvals(reviews: tuple[Review, ...], rule: Rule, requester: Identity) -> tuple[Review, ...]:
    """The approvals that count under this rule: by people whom it still names, and never the requester's."""
    named = rule.approvers.groups | rule.approvers.users
    return tuple(
        review
        for review in reviews
        if review.verdict is Verdict.YES and review.counted_by in named and review.reviewer != requester
    )


def check_reachable(rule: Rule, requester: Identity, approvers: frozenset[str]) -> None:
    """Raises Refusal where the approvers Slack knows of, the requester left out, are fewer than the rule needs."""
    left = len(approvers - {requester.user_id})
    if left < rule.approvals:
        people = "person" if left == 1 else "people"
        raise Refusal(
            f"{rule.title} needs {rule.approvals} approvals, but only {left} {people} other than you can give one.",
            code="unreachable",
            field="api",
        )


def check_still_allowed(record: Record, in_force: Rule | None, person: Person) -> None:
    """Asked before a key is made and before a token is shown. Raises Refusal where it would not be granted today."""
    rule = stricter(record, in_force)
    offers = offered(rule, person)
    if not offers or not offers.plan(record.request.plan.name) or not may_ask(record.request.rule, person):
        why = f"The requester is no longer among those who may ask for {rule.title}."  # read by approvers, too
        raise Refusal(why, code="not_requester")
    have = len(approvals(record.reviews, rule, record.request.requester))
    if have < rule.approvals:
        raise Refusal(
            f"{rule.title} now needs {rule.approvals} approvals, and {record.request.label} has {have}. Please ask again.",
            code="approvals_rose",
        )


yeses = approvals  # the name that messages still call it by
