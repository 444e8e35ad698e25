"""The life of a request: pending -> approved | denied | withdrawn | lapsed.

pending     posted to its approvers, reminded of, open until `lapses_at`
approved    with as many approvals as the stricter rule asks for; a grant begins
denied      by one no
withdrawn   by its requester, or because they may not use the bot any more
lapsed      nobody decided in time
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.core import extensions, grants, messages, narrowing, reasons, rules
from bot.core.draft import Draft, NewId
from bot.core.model import (
    UNKNOWN_ASKER,
    Answers,
    Approver,
    Asker,
    AuditEvent,
    EffectKind,
    Extended,
    Identity,
    Lifetime,
    MessageKind,
    Person,
    Plan,
    Record,
    Refusal,
    Request,
    RequestId,
    RequestState,
    Review,
    Rule,
    Topic,
    Transition,
    Verdict,
)
from bot.core.narrowing import Choice

# --- pending ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A submitted form, as the rule understood it."""

    request_id: RequestId
    plan: Plan
    lifetime: Lifetime
    answers: Answers
    asker: Asker = UNKNOWN_ASKER


def check_form(rule: Rule, plan: str | None, lifetime: Lifetime, answers: Answers) -> Plan:
    """The plan that was picked. Raises every problem as a Refusal with its field, the first first."""
    chosen = rule.plan(plan) if plan else (rule.plans[0] if len(rule.plans) == 1 else None)
    if chosen is None:
        raise Refusal("Pick one of the plans.", code="plan", field="plan")
    if lifetime not in rule.lifetimes:
        raise Refusal("Pick one of the lifetimes.", code="lifetime", field="lifetime")
    reasons.check(rule, answers.reason)
    return chosen


def submit(
    asked: Asked,
    person: Person,
    rule: Rule,
    digest: str,
    number: int,
    now: datetime,
    new_id: NewId,
    *,
    held: Record | None = None,
) -> Transition:
    """A new request; `held` is what it asks to extend. With a rule that needs no approval it is approved in the same breath.

    Then it has no status yet: that would ring with nothing to say while the token is on its way.
    """
    lapses_at = now + rule.lapses_after
    if held is not None and held.grant is not None and held.grant.until is not None:
        lapses_at = min(lapses_at, held.grant.until)
    request = Request(
        id=asked.request_id,
        number=number,
        requester=person.identity,
        requester_name=person.called,
        rule=rule,
        digest=digest,
        plan=asked.plan,
        lifetime=asked.lifetime,
        answers=asked.answers,
        state=RequestState.PENDING,
        created_at=now,
        lapses_at=lapses_at,
        extends=None if held is None else Extended(held.request.id, held.request.number),
        asker=asked.asker,
    )
    draft = Draft(Record(request), now, new_id)
    draft.say(
        AuditEvent.ASKED,
        person.identity,
        person=person.identity.user_id,
        plan=asked.plan.name,
        lifetime=_seconds(asked.lifetime),
        **vars(asked.answers),
        **request.opening,
        **reasons.detail(request),
        **({"extends": request.extends.label} if request.extends else {}),
    )
    if rule.approvals == 0:
        _approve(draft, rule, None)
    else:
        messages.post_status(draft)
        messages.tell_approvers(draft, MessageKind.CARD)
        draft.promise_what_time_decides()
    return draft.done()


def remind(draft: Draft, topic: Topic) -> None:
    """The approvers who have not decided hear, once each, that somebody waits and that the time is nearly over."""
    draft.say(AuditEvent.REMINDED, None, of=topic.value)
    messages.tell_approvers(draft, MessageKind.REMINDER, topic)


# --- decided ----------------------------------------------------------------------------------------------------------


def recount(
    record: Record, in_force: Rule | None, approvers: Sequence[Approver], now: datetime, new_id: NewId
) -> Transition | None:
    """The approvals so far, after those who gave them were looked up: what no longer counts is said on the card and in the
    audit. None where nothing changed, or nobody is to decide any more."""
    if record.request.state is not RequestState.PENDING:
        return None
    reviews = rules.recounted(record, in_force, approvers)
    if reviews == record.reviews:
        return None
    draft = Draft(record, now, new_id)
    draft.record = replace(record, reviews=reviews)
    have = len(rules.approvals(reviews, record.request.requester))
    for before, after in zip(record.reviews, reviews, strict=True):
        if before != after:
            draft.say(AuditEvent.RECOUNTED, None, reviewer=after.reviewer.user_id, why=after.void, have=have)
    return draft.done()


def review(
    record: Record,
    in_force: Rule | None,
    reviewer: Person,
    verdict: Verdict,
    reason: str,
    now: datetime,
    new_id: NewId,
    choice: Choice | None = None,
) -> Transition:
    """An approver's yes or no. One no denies; as many approvals as the stricter rule asks for approve.

    A yes may give less than was asked for, by its `choice`; those of before count, because they were to more.
    """
    if record.request.state is not RequestState.PENDING:
        raise already_decided(record.request)
    by = rules.reviewing_by(record, in_force, reviewer)
    request = narrowing.narrowed(record.request, in_force, choice) if choice else record.request
    is_less = request != record.request
    rule = rules.stricter(replace(record, request=request), in_force)
    earlier = next((one for one in record.reviews if reviewer.is_same(one.reviewer)), None)
    if earlier is not None and verdict is Verdict.YES and not earlier.void and not is_less:
        raise Refusal(f"You already approved {request.label}. Somebody else has to approve it, too.", code="said_yes")
    who = earlier.reviewer if earlier is not None else reviewer.identity  # one row a person, under whichever id it has
    mine = Review(who, verdict, by, now, reason)
    others = tuple(one for one in record.reviews if one.reviewer != who)
    draft = Draft(record, now, new_id)
    draft.record = replace(record, request=request, reviews=(*others, mine))
    have = len(rules.approvals(draft.record.reviews, request.requester))
    draft.say(
        AuditEvent.REVIEWED,
        reviewer.identity,
        verdict=verdict.value,
        reviewer=who.user_id,
        counted_by=by,
        have=have,
        need=rule.approvals,
        **({"reason": reason} if reason and verdict is Verdict.YES else {}),
        **(_instead(request) if is_less else {}),
    )
    if verdict is Verdict.NO:
        _deny(draft, reviewer.identity, reason)
    elif have >= rule.approvals:
        _approve(draft, rule, reviewer.identity)
    return draft.done()


def _instead(request: Request) -> dict[str, object]:
    """Details for the audit: what is given, and what was asked for where that was more."""
    if request.asked is None:
        return {}
    return {
        "plan": request.plan.name,
        "lifetime": _seconds(request.lifetime),
        "asked_plan": request.asked.plan.name,
        "asked_lifetime": _seconds(request.asked.lifetime),
    }


def _seconds(lifetime: Lifetime) -> int | None:
    return None if lifetime is None else int(lifetime.total_seconds())


def deny(record: Record, reason: str, now: datetime, new_id: NewId) -> Transition:
    """An operator at the command line ends a waiting request, and its requester hears why."""
    if record.request.state is not RequestState.PENDING:
        raise already_decided(record.request)
    draft = Draft(record, now, new_id)
    _deny(draft, None, reason)
    return draft.done()


def withdraw(record: Record, who: Identity, now: datetime, new_id: NewId) -> Transition:
    """The requester takes a waiting request back."""
    if who != record.request.requester:
        raise rules.not_theirs(record.request, f"withdraw {record.request.label}")
    if record.request.state is not RequestState.PENDING:
        raise already_decided(record.request)
    draft = Draft(record, now, new_id)
    _decide(draft, RequestState.WITHDRAWN, who)
    draft.say(AuditEvent.WITHDRAWN, who)
    return draft.done()


def left(draft: Draft, why: str) -> None:
    """The requester may not use the bot any more: what they asked for ends at once."""
    request = draft.record.request
    if request.state is RequestState.PENDING:
        draft.say(AuditEvent.LEFT, None, person=request.requester.user_id, why=why)
        _decide(draft, RequestState.WITHDRAWN, None, why)
        draft.say(AuditEvent.WITHDRAWN, None)


def has_lapsed(record: Record, now: datetime) -> bool:
    return record.request.state is RequestState.PENDING and now >= record.request.lapses_at


def lapse(draft: Draft) -> None:
    """End a request that nobody decided in time, and tell the requester; that nobody could be asked or decide is the reason."""
    why = messages.UNASKED if messages.is_unasked(draft.record) else draft.record.request.undecidable
    _decide(draft, RequestState.LAPSED, None, why)
    draft.say(AuditEvent.LAPSED, None, **({"why": why} if why else {}))
    messages.notify(draft, Topic.LAPSED)


def _approve(draft: Draft, rule: Rule, who: Identity | None) -> None:
    """The request becomes a grant, or changes the one that it extends."""
    _decide(draft, RequestState.APPROVED, who)
    request = draft.record.request
    if request.extends is None:
        grants.begin(draft, rule)
    else:
        extensions.approved(draft)
    until = None if request.lifetime is None else draft.now + request.lifetime
    draft.say(
        AuditEvent.APPROVED,
        who,
        rule=rule.name,
        rule_digest=request.digest,
        need=rule.approvals,
        approvers=[one.reviewer.user_id for one in rules.approvals(draft.record.reviews, request.requester)],
        until=until.isoformat() if until else None,
        **_instead(request),
    )


def _deny(draft: Draft, who: Identity | None, reason: str) -> None:
    _decide(draft, RequestState.DENIED, who, reason)
    draft.say(AuditEvent.DENIED, who, reviewer=who.user_id if who else None, reason=reason)
    messages.notify(draft, Topic.DENIED)


def _decide(draft: Draft, state: RequestState, who: Identity | None, reason: str = "") -> None:
    """The request is over, and nobody is reminded of it any more."""
    draft.change_request(state=state, decided_at=draft.now, decided_by=who, decision_reason=reason)
    draft.drop(draft.record.request.id, EffectKind.LAPSE_REQUEST, EffectKind.REMIND)


def already_decided(request: Request) -> Refusal:
    """A no to a click that came too late; its code is the state of the request. Slack draws the date in the reader's own zone."""
    at = request.decided_at or request.created_at
    when = f"<!date^{int(at.timestamp())}^{{date_short_pretty}} at {{time}}|{at:%Y-%m-%d %H:%M} UTC>"
    by = f" by <@{request.decided_by.user_id}>" if request.decided_by else ""
    how = {
        RequestState.PENDING: "is still waiting",
        RequestState.APPROVED: "was approved",
        RequestState.DENIED: "was denied",
        RequestState.WITHDRAWN: "was withdrawn",
        RequestState.LAPSED: f"expired unanswered, because nobody {_why_lapsed(request)}",
    }[request.state]
    said = f"{request.label} {how}{by}, {when}. There is nothing left to decide."
    return Refusal(said, code=request.state.value)


def _why_lapsed(request: Request) -> str:
    if request.decision_reason == messages.UNASKED:
        return "could be asked"
    return "could decide any more" if request.decision_reason else "decided in time"
