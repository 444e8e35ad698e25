"""The extension of a grant: another request, decided as any, for more time or another plan, with the key that is there.

asked      for a grant that is active; it expires unanswered with that grant at the latest
approved   as any request; then it is looked at once more, as before a key is made
extended   the grant has its new end, which counts from the approval, and takes over rule, plan and approvals of the request
refused    what was held has ended meanwhile, or it would not be granted any more: what is held stays as it was
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from bot.core import facts, messages, rules
from bot.core.draft import Draft, NewId
from bot.core.model import (
    AuditEvent,
    EffectKind,
    GrantState,
    KeyState,
    Lifetime,
    Person,
    Plan,
    Record,
    Refusal,
    RequestState,
    Review,
    Rule,
    Topic,
    Transition,
)

# --- asked ------------------------------------------------------------------------------------------------------------


def check_extendable(held: Record, person: Person) -> None:
    """Raises Refusal where this person holds nothing here that could be extended."""
    label, grant = held.request.label, held.grant
    if not person.is_same(held.request.requester):
        raise Refusal("Only its holder can extend a token.", code="not_requester")
    check_lives(held)
    if grant is not None and grant.state is GrantState.ISSUING:
        raise Refusal(f"The token of {label} is still on its way. Try again when you have it.", code="under_way")
    if held.gone_at is not None:
        raise Refusal(f"Somebody deleted the token of {label} at Tyk. Replace it first.", code="gone")


def check_lives(held: Record) -> None:
    """Raises Refusal where what was held is over."""
    if not held.lives:
        said = f"{held.request.label} has already ended. There is nothing left to extend. Request a new token."
        raise Refusal(said, code="over")


def check(held: Record, rule: Rule, plan: Plan, lifetime: Lifetime, now: datetime) -> None:
    """Raises Refusal where this plan and time, from `now` on, are no extension of what is held."""
    grant, request = held.grant, held.request
    assert grant is not None, "what was never granted is refused before"
    if rule.api.right != request.rule.api.right:
        said = f"{request.rule.title} now stands for another API, so {request.label} can't be extended. Request a new token."
        raise Refusal(said, code="rule_changed", field="plan")
    until = None if lifetime is None else now + lifetime
    if plan.rights == request.plan.rights and not _is_later(until, grant.until):
        said = f"{request.label} lasts longer than that already. Pick a longer time."
        raise Refusal(said, code="lifetime", field="lifetime")
    if rule.max_total is not None and (until is None or until - grant.since > rule.max_total):
        said = f"One token for {rule.title} may last {_days(rule.max_total)} in all, and {request.label} would last longer."
        raise Refusal(f"{said} Pick a shorter time, or request a new token.", code="max_total", field="lifetime")


def offer(held: Record, rule: Rule, now: datetime, *, other_plan: bool) -> Rule:
    """The rule with the lifetimes to which what is held can be extended under its plan, or under the other ones. Raises Refusal
    where there are none."""
    label, mine = held.request.label, held.request.plan.name
    plans = tuple(plan for plan in rule.plans if (plan.name != mine) is other_plan)
    if not plans:
        what = f"no other plan for {rule.title} that you can request" if other_plan else f"no plan {mine} any more"
        raise Refusal(f"There is {what}, so {label} stays as it is.", code="plan_gone")
    lifetimes = _lifetimes(held, rule, plans[0], now)  # of the other ones it is the same, since all give other rights
    if not lifetimes:
        check(held, rule, plans[0], _longest(rule), now)  # says why
    return replace(rule, plans=plans, lifetimes=lifetimes)


def _longest(rule: Rule) -> Lifetime:
    return None if None in rule.lifetimes else max(one for one in rule.lifetimes if one is not None)


def _lifetimes(held: Record, rule: Rule, plan: Plan, now: datetime) -> tuple[Lifetime, ...]:
    def fits(lifetime: Lifetime) -> bool:
        try:
            check(held, rule, plan, lifetime, now)
        except Refusal:
            return False
        return True

    return tuple(filter(fits, rule.lifetimes))


def check_alone(held: Record, waiting: tuple[int, ...]) -> None:
    """Raises Refusal where a request with one of these numbers asks already to extend what is held."""
    if waiting:
        raise Refusal(
            f"R-{waiting[0]} already asks to extend {held.request.label}. Withdraw it first.", code="under_way"
        )


def _is_later(until: datetime | None, than: datetime | None) -> bool:
    """True where the first end comes after the second; None is no end."""
    return than is not None and (until is None or until > than)


def _days(length: timedelta) -> str:
    hours = int(length.total_seconds()) // 3600
    many, unit = (hours // 24, "day") if hours % 24 == 0 else (hours, "hour")
    return f"{many:,} {unit}" if many == 1 else f"{many:,} {unit}s"


# --- approved ---------------------------------------------------------------------------------------------------------


def approved(draft: Draft) -> None:
    """The request is approved: it is to be looked at once more, and then what is held is extended."""
    draft.promise(EffectKind.EXTEND_GRANT, draft.record.request.id, draft.now)


def matters(record: Record) -> bool:
    """True where an approved extension is still to be carried out."""
    request = record.request
    return request.extends is not None and request.state is RequestState.APPROVED and not request.decision_reason


def extend(held: Record, by: Record, now: datetime, new_id: NewId) -> Transition:
    """Give what is held the end and the plan of the request that was approved. Raises Refusal where that came too late."""
    request, old = by.request, held.grant
    assert request.decided_at is not None, "only what was approved extends anything"
    if old is None or old.state is not GrantState.ACTIVE:
        raise Refusal(f"{held.request.label} was over before it could be extended.", code="ended")
    check(held, request.rule, request.plan, request.lifetime, request.decided_at)
    until = None if request.lifetime is None else request.decided_at + request.lifetime
    if until is not None and until <= now:
        raise Refusal("The time for which it was to be extended was over before it could be.", code="ended")
    draft = Draft(held, now, new_id)
    draft.record = replace(held, reviews=_reviews(held, by))
    other_plan = {"plan": request.plan.name} if request.plan.rights != held.request.plan.rights else {}
    draft.change_request(
        rule=request.rule, plan=request.plan, digest=request.digest, lifetime=request.lifetime, asked=None
    )
    every = request.rule.review_every if until is None else None
    draft.change_grant(
        until=until,
        review_at=now + every if every else None,
        holder_asked_at=None,
        in_use_at=None,
        asked_at=None,
        extended_at=now,
        extended_by=request.number,
    )
    draft.say(
        AuditEvent.EXTENDED,
        request.requester,
        by=request.label,
        until=until.isoformat() if until else None,
        rule_digest=request.digest,
        **other_plan,
        **request.opening,
    )
    for key in held.keys:
        if key.state is KeyState.LIVE:
            draft.promise(EffectKind.CONFIRM_KEY, key.id, now)
    messages.notify(draft, Topic.EXTENDED)
    return draft.done()


def _reviews(held: Record, by: Record) -> tuple[Review, ...]:
    """The approvals of the extension. Those for the time before it no longer count."""
    mine = {one.reviewer.user_id: one for one in rules.approvals(by.reviews, by.request.requester)}
    void = f"it was for the time before {by.request.label}"
    before = tuple(
        replace(mine.pop(one.reviewer.user_id), reviewer=one.reviewer)
        if one.reviewer.user_id in mine
        else replace(one, void=one.void or void)
        for one in held.reviews
    )
    return (*before, *mine.values())


# --- refused ----------------------------------------------------------------------------------------------------------


def refused(by: Record, fact: facts.Barred, now: datetime, new_id: NewId) -> Transition:
    """It is not extended after all: its holder and the audit hear why."""
    draft = Draft(by, now, new_id)
    draft.change_request(decision_reason=fact.why)
    draft.say(AuditEvent.REFUSED, None, person=by.request.requester.user_id, why=fact.why, step=fact.step)
    messages.notify(draft, Topic.NOT_EXTENDED)
    return draft.done()
