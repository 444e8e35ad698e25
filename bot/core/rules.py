"""Rules applied to people: who may ask, who may review, how many approvals are needed. Ids in, sentences out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from bot.core.model import (
    NOBODY,
    Approver,
    Audience,
    Identity,
    Person,
    Plan,
    Record,
    Refusal,
    Request,
    Review,
    Rule,
    Rulebook,
    Verdict,
)


def counted_by(audience: Audience, person: Person) -> str | None:
    """The id by which this person belongs to the audience: their own first, then a group, a channel, `everyone`."""
    if named := sorted(person.ids & audience.users):
        return named[0]
    for places, theirs in ((audience.groups, person.groups), (audience.channels, person.channels)):
        if common := sorted(places & theirs):
            return common[0]
    return "everyone" if audience.everyone else None


def may_ask(rule: Rule, person: Person) -> bool:
    return not rule.out_of_force and counted_by(rule.requesters, person) is not None


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


def asking_channels(rule: Rule) -> frozenset[str]:
    """The channels whose members it lets ask, for itself or for what its plans open besides."""
    audiences = (rule.requesters, *(audience for plan in rule.plans for audience in plan.requesters))
    return frozenset[str]().union(*(audience.channels for audience in audiences))


def for_plan(rule: Rule, plan: Plan) -> Rule:
    """The rule as it holds for this plan, whose further APIs may ask for more approvals.

    Whoever may approve for the rule may approve for those, too: a file that says otherwise is refused.
    """
    return replace(rule, approvals=plan.approvals) if plan.approvals > rule.approvals else rule


def may_approve(rule: Rule, person: Person) -> bool:
    """True where the rule in force lets this person approve what others ask for."""
    return counted_by(rule.may_approve, person) is not None


def to_call(rule: Rule, requester: Identity) -> Audience:
    """The approvers, whom messages name and call; where that is the requester alone, whoever else may approve."""
    others = rule.approvers.groups or rule.approvers.users - {requester.user_id}
    return rule.approvers if others else rule.may_approve


def is_auditor(rulebook: Rulebook, person: Person) -> bool:
    """True where this person may look up who holds what, whatever it is."""
    return counted_by(rulebook.auditors, person) is not None


def named_channels(rules: dict[str, Rule]) -> frozenset[str]:
    """The channels whose members some rule lets ask."""
    return frozenset[str]().union(*(rule.requesters.channels for rule in rules.values()))


def stricter(record: Record, in_force: Rule | None) -> Rule:
    """The rule in force with as many approvals as it or the request's own asks for; whose they are, `reviewing_by` says.

    Raises Refusal where no rule is in force any more, or where what was asked for is no longer on offer.
    """
    frozen, plan = record.request.rule, record.request.plan
    if in_force is None:
        raise Refusal(
            f"{frozen.title} is no longer offered here. If it is still needed, ask in the help channel.",
            code="rule_gone",
        )
    check_in_force(in_force)
    if in_force.api.right != frozen.api.right:
        raise Refusal(f"{frozen.title} now stands for another API. It has to be requested again.", code="rule_changed")
    offers = in_force.plan(plan.name)
    if offers is None or offers.rights != plan.rights:
        raise Refusal(
            f"The plan {plan.name} of {frozen.title} has changed. It has to be requested again.", code="plan_changed"
        )
    if record.request.lifetime not in in_force.lifetimes:
        raise Refusal(
            f"{frozen.title} is no longer granted for that long. It has to be requested again.",
            code="lifetime_changed",
        )
    asks = for_plan(in_force, offers)
    return replace(asks, approvals=max(frozen.approvals, asks.approvals))


def check_in_force(rule: Rule) -> None:
    """Raises Refusal where too few are left to decide under this rule."""
    if rule.out_of_force:
        raise Refusal(
            f"{rule.title} can't be granted right now: too few of its approvers are left. Its owners have to name others first. "
            "Ask them, or in the help channel.",
            code="out_of_force",
            field="api",
        )


# --- whose approval counts --------------------------------------------------------------------------------------------


def deciding(record: Record, in_force: Rule | None) -> tuple[Audience, ...]:
    """The audiences that must each name an approver: those of both rules, without that of a rule that needs no approval or is
    out of force.

    The person has to be in each, not an id in both: a lead whom the file names by now is still one of the leads.
    """
    return tuple(map(_only_named, (rule.may_approve for rule in _that_ask(record, in_force))))


def called(record: Record, in_force: Rule | None) -> Audience:
    """Those whom messages call to decide: the approvers of the rule in force, or of the request's own where that needs none."""
    asking, requester = reversed(_that_ask(record, in_force)), record.request.requester
    return next(map(_only_named, (to_call(rule, requester) for rule in asking)), NOBODY)


def _that_ask(record: Record, in_force: Rule | None) -> list[Rule]:
    """The request's own rule and the one in force, without one that needs no approval or is out of force."""
    plan = in_force.plan(record.request.plan.name) if in_force else None
    asks = for_plan(in_force, plan) if in_force and plan else in_force
    both = [rule for rule in (record.request.rule, asks) if rule is not None and not rule.out_of_force]
    return [rule for rule in both if rule.approvals] or both[-1:]


def _only_named(audience: Audience) -> Audience:
    return replace(audience, everyone=False, channels=frozenset())


def _decides_by(record: Record, in_force: Rule | None, person: Person) -> str | None:
    """The group or user id by which this person may decide, of the rule in force where that needs approvals."""
    ways = [counted_by(audience, person) for audience in deciding(record, in_force)]
    return ways[-1] if all(ways) else None


def reviewing_by(record: Record, in_force: Rule | None, reviewer: Person) -> str:
    """The group or user id by which this person's review counts. Raises Refusal, as `stricter` does: the requester's own never
    counts."""
    rule = stricter(record, in_force)
    if reviewer.is_same(record.request.requester):
        raise Refusal("You can't approve your own request.", code="own_request", able=rule.may_approve)
    by = _decides_by(record, in_force, reviewer)
    if by is None:
        raise Refusal(f"You can't approve {rule.title}.", code="not_approver", able=rule.may_approve)
    return by


def not_theirs(request: Request, what: str) -> Refusal:
    """A no to somebody who is not the requester; `what` is what they wanted to do."""
    requester = Audience(users=frozenset({request.requester.user_id}))
    return Refusal(f"You can't {what}.", code="not_requester", able=requester)


def approvals(reviews: tuple[Review, ...], requester: Identity) -> tuple[Review, ...]:
    """The approvals that count, as far as was looked last, and never the requester's."""
    return tuple(one for one in reviews if one.verdict is Verdict.YES and not one.void and one.reviewer != requester)


def recounted(record: Record, in_force: Rule | None, approvers: Sequence[Approver]) -> tuple[Review, ...]:
    """The reviews after those who said yes were looked up: whoever may not say it any more does not count.

    A yes that was found void once stays so: somebody who may say it again says it again. Of whom nothing was looked up, what was
    found last stands.
    """
    return tuple(_recounted(record, in_force, review, approvers) for review in record.reviews)


def _recounted(record: Record, in_force: Rule | None, review: Review, approvers: Sequence[Approver]) -> Review:
    now = next((one for one in approvers if one.person.is_same(review.reviewer)), None)
    if now is None or review.void or review.verdict is not Verdict.YES:
        return review
    return replace(review, void=_why_void(record, in_force, now))


def _why_void(record: Record, in_force: Rule | None, approver: Approver) -> str:
    if approver.person.is_same(record.request.requester):
        return "it was their own request"
    if approver.barred:
        return approver.barred
    return "" if _decides_by(record, in_force, approver.person) else "no longer an approver"


def check_reachable(rule: Rule, requester: Identity, approvers: frozenset[str]) -> None:
    """Raises Refusal where the approvers Slack knows of, the requester left out, are fewer than the rule needs."""
    left = len(approvers - {requester.user_id})
    if left < rule.approvals:
        others = {0: "nobody", 1: "only 1 person"}.get(left, f"only {left} people")
        raise Refusal(
            f"{rule.title} needs {_many_approvals(rule)}, but {others} other than you can give one. Ask in the help channel.",
            code="unreachable",
            field="api",
        )


def _many_approvals(rule: Rule) -> str:
    return "1 approval" if rule.approvals == 1 else f"{rule.approvals} approvals"


# --- asked once more before a key is made and before its token is shown -----------------------------------------------


def check_still_allowed(
    record: Record, in_force: Rule | None, person: Person, approvers: Sequence[Approver] | None = None
) -> None:
    """Raises Refusal where it would not be granted today. `approvers` are those who said yes; None where they need not be asked
    about again, because a token was shown on their word already."""
    rule = stricter(record, in_force)
    check_requester(record, rule, person)
    reviews = recounted(record, in_force, approvers or ())
    have = len(approvals(reviews, record.request.requester))
    if have >= rule.approvals:
        return
    label, need = record.request.label, _many_approvals(rule)
    if lost := _lost(reviews, approvers or ()):
        why = f"{rule.title} needs {need}, and {label} has {have} left: {lost}. It has to be requested again."
        raise Refusal(why, code="approvals_fell")
    raise Refusal(
        f"{rule.title} now needs {need}, and {label} has {have}. It has to be requested again.", code="approvals_rose"
    )


def check_requester(record: Record, in_force: Rule, person: Person) -> None:
    """Raises Refusal where the rule in force does not let the requester have what they asked for."""
    offers = offered(in_force, person)  # the request's own rule has no say in this: wider is not narrower
    if not offers or not offers.plan(record.request.plan.name):
        why = f"The requester can no longer request {in_force.title}."  # read by approvers, too
        raise Refusal(why, code="not_requester")


def asks_others(record: Record, in_force: Rule | None) -> bool:
    """The rule in force lets others ask than the one under which this was asked for: whether the requester still may is a
    question."""
    if in_force is None or (plan := in_force.plan(record.request.plan.name)) is None:
        return False
    was = record.request.rule.requesters, {*record.request.plan.requesters}
    return was != (in_force.requesters, {*plan.requesters})


def _lost(reviews: tuple[Review, ...], approvers: Sequence[Approver]) -> str:
    """The approvals that do not count any more, by name, and why."""
    names = {user_id: one.person.called for one in approvers for user_id in one.person.ids}
    void = [(names.get(one.reviewer.user_id), one.void) for one in reviews if one.void]
    return ", ".join(f"{name}'s no longer counts ({why})" for name, why in void if name)
