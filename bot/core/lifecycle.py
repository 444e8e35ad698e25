"""The page an auditor reads: every change a request, its grant and its keys can go through.

Each public function takes a record, what happened and the time, and returns a `Transition`: the record afterwards, what is
promised to the outside world, and what the audit says. Nothing here acts; whoever stores the transition stores all of it or
nothing. A `Refusal` is raised where the answer is no.

    request   pending -> approved | denied | withdrawn | lapsed
    grant     issuing -> active -> ended            (until = approval + lifetime; its end is promised when it begins)
    key       making -> probation -> live -> dead   (on probation it dies by itself after PROBATION)

A grant has one key; while its token is being replaced, two. `timing` says when time decides, `step` collects what a decision
changes, promises and says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from bot.core import facts, rules, timing
from bot.core.draft import Draft, NewId
from bot.core.model import (
    AuditEvent,
    Effect,
    EffectKind,
    Grant,
    GrantState,
    Identity,
    Key,
    KeyState,
    Lifetime,
    Message,
    MessageId,
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

PROBATION = timedelta(minutes=15)


# --- what people do ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A submitted form, as the rule understood it."""

    request_id: RequestId
    plan: Plan
    lifetime: Lifetime
    used_by: str
    reason: str


def check_form(rule: Rule, plan: str | None, lifetime: Lifetime, reason: str) -> Plan:
    """The plan that was picked. Raises every problem as a Refusal with its field, the first first."""
    chosen = rule.plan(plan) if plan else (rule.plans[0] if len(rule.plans) == 1 else None)
    if chosen is None:
        raise Refusal("Please pick one of the plans on offer.", code="plan", field="plan")
    if lifetime not in rule.lifetimes:
        raise Refusal("Please pick one of the lifetimes on offer.", code="lifetime", field="lifetime")
    if rule.reason_required and not reason.strip():
        raise Refusal("Please say in a few words what you need it for.", code="reason", field="reason")
    return chosen


def submit(
    asked: Asked, person: Person, rule: Rule, digest: str, number: int, now: datetime, new_id: NewId
) -> Transition:
    """A new request. With a rule that needs no approval it is approved in the same breath."""
    request = Request(
        id=asked.request_id,
        number=number,
        requester=person.identity,
        requester_name=person.name,
        rule=rule,
        digest=digest,
        plan=asked.plan,
        lifetime=asked.lifetime,
        used_by=asked.used_by,
        reason=asked.reason,
        state=RequestState.PENDING,
        created_at=now,
        lapses_at=now + rule.lapses_after,
    )
    draft = Draft(Record(request), now, new_id)
    draft.say(
        AuditEvent.ASKED,
        person.identity,
        person=person.identity.user_id,
        plan=asked.plan.name,
        lifetime=_seconds(asked.lifetime),
        used_by=asked.used_by,
        reason=asked.reason,
    )
    draft.post(MessageKind.STATUS, person.identity.user_id)
    if rule.approvals == 0:
        draft.approve(rule, None)
    else:
        draft.post(MessageKind.CARD, rule.approvals_channel)
        draft.promise_what_time_decides()
    return draft.done()


def review(
    record: Record, in_force: Rule | None, reviewer: Person, verdict: Verdict, reason: str, now: datetime, new_id: NewId
) -> Transition:
    """An approver's yes or no. One no denies; as many yeses as the stricter rule asks for approve."""
    request = record.request
    if request.state is not RequestState.PENDING:
        raise Refusal(decided_sentence(request), code="decided")
    rule = rules.stricter(record, in_force)
    by = rules.reviewing_by(rule, request.requester, reviewer)
    earlier = next((one for one in record.reviews if one.reviewer == reviewer.identity), None)
    if earlier is not None and verdict is Verdict.YES and by == earlier.counted_by:
        raise Refusal(f"You already said yes to {request.label}.", code="said_yes")
    mine = Review(reviewer.identity, verdict, by, now, reason)
    draft = Draft(record, now, new_id)
    others = tuple(one for one in record.reviews if one.reviewer != reviewer.identity)
    draft.record = replace(record, reviews=(*others, mine))
    have = len(rules.yeses(draft.record.reviews, rule, request.requester))
    draft.say(
        AuditEvent.REVIEWED,
        reviewer.identity,
        verdict=verdict.value,
        reviewer=reviewer.identity.user_id,
        counted_by=by,
        have=have,
        need=rule.approvals,
    )
    if verdict is Verdict.NO:
        draft.decide(RequestState.DENIED, AuditEvent.DENIED, reviewer.identity, reason)
        draft.notify(Topic.DENIED)
    elif have >= rule.approvals:
        draft.approve(rule, reviewer.identity)
    return draft.done()


def withdraw(record: Record, who: Identity, now: datetime, new_id: NewId) -> Transition:
    """The requester takes a waiting request back."""
    if who != record.request.requester:
        raise Refusal("Only the one who asked can withdraw.", code="not_requester")
    if record.request.state is not RequestState.PENDING:
        raise Refusal(decided_sentence(record.request), code="decided")
    draft = Draft(record, now, new_id)
    draft.decide(RequestState.WITHDRAWN, AuditEvent.WITHDRAWN, who, "")
    return draft.done()


def hide(record: Record, who: Identity, key_id: str, now: datetime, new_id: NewId) -> Transition:
    """The requester has saved the token: its message goes at once. The click proves that it was shown, whatever we heard."""
    if who != record.request.requester:
        raise Refusal("Only the one it belongs to can hide a token.", code="not_requester")
    key = record.key(key_id)
    if key is None or (key.shown_at is None and key.state is not KeyState.LIVE):
        raise Refusal("There is no such token on show.", code="no_token")
    draft = Draft(record, now, new_id)
    if key.hidden_at is None:
        draft.token_shown(key.id)
        draft.promise(EffectKind.HIDE_TOKEN, key.id, now)
    return draft.done()


class Loss(StrEnum):
    """Why a token is replaced."""

    LOST = "lost"
    LEAKED = "leaked"


def replace_token(
    record: Record, in_force: Rule | None, person: Person, loss: Loss, now: datetime, new_id: NewId
) -> Transition:
    """A new key under the same grant, with the same end. The old one ends at once where its token leaked, else when the new
    token has been shown; its message goes at once, so that one token at a time is on show."""
    check_replaceable(record, in_force, person)
    request = record.request
    unseen = [key for key in record.keys if key.is_unseen]
    if unseen and (loss is Loss.LOST or len(unseen) == len(record.keys)):
        raise Refusal(f"A new token for {request.label} is on its way already.", code="under_way")
    draft = Draft(record, now, new_id)
    draft.say(AuditEvent.REPLACED, person.identity, why=loss.value)
    for key in record.keys:
        if key in unseen:
            continue
        if loss is Loss.LEAKED:
            draft.finish(key)
        elif key.hidden_at is None:
            draft.promise(EffectKind.HIDE_TOKEN, key.id, now)
    if loss is Loss.LEAKED:
        draft.post(MessageKind.REMINDER, request.rule.approvals_channel, Topic.LEAKED)
    if not unseen:
        draft.make_key()
    return draft.done()


def check_replaceable(record: Record, in_force: Rule | None, person: Person) -> None:
    """Whether this person may have a new token in place of the one they have. Raises Refusal."""
    request, grant = record.request, record.grant
    if person.identity != request.requester:
        raise Refusal("Only the one it belongs to can replace a token.", code="not_requester")
    if grant is None or grant.state is GrantState.ENDED:
        raise Refusal(f"{request.label} is not active, so there is no token to replace.", code="ended")
    try:
        check_still_allowed(record, in_force, person)
    except Refusal as refusal:
        why = refusal.text.replace("The requester is", "You are")
        said = f"{why} So there is no new token. If others may have seen the one you have, press Revoke."
        raise Refusal(said, code=refusal.code) from None


def renew(record: Record, in_force: Rule | None, reviewer: Person, now: datetime, new_id: NewId) -> Transition:
    """An approver says that a grant without an end is still needed; they are asked again after `review_every`."""
    request, grant = record.request, record.grant
    if grant is None or grant.state is GrantState.ENDED:
        raise Refusal(f"{request.label} has ended already.", code="ended")
    if grant.asked_at is None:
        raise Refusal(f"Nobody asks at the moment whether {request.label} is still needed.", code="decided")
    rule = rules.stricter(record, in_force)
    by = rules.reviewing_by(rule, request.requester, reviewer)
    draft = Draft(record, now, new_id)
    every = rule.review_every or request.rule.review_every
    draft.change_grant(review_at=now + every if every else None, asked_at=None, reminded_at=None)
    draft.say(AuditEvent.RENEWED, reviewer.identity, reviewer=reviewer.identity.user_id, counted_by=by)
    draft.promise_what_time_decides()
    return draft.done()


def revoke(record: Record, who: Identity | None, why: str, now: datetime, new_id: NewId) -> Transition:
    """The grant ends now. `who` is None for an operator at the command line."""
    if record.grant is None:
        raise Refusal(f"{record.request.label} was never granted.", code="no_grant")
    if record.grant.state is GrantState.ENDED:
        raise Refusal(f"{record.request.label} has ended already.", code="ended")
    draft = Draft(record, now, new_id)
    draft.say(AuditEvent.REVOKED, who, why=why)
    draft.end(why, who)
    if who != record.request.requester:
        draft.notify(Topic.ENDED)
    return draft.done()


def may_revoke(record: Record, in_force: Rule | None, person: Person) -> bool:
    """The holder may, and so may everyone whom the rule in force, or the request's own, lets review."""
    if person.identity == record.request.requester:
        return True
    named = [rule.approvers for rule in (record.request.rule, in_force) if rule is not None]
    return any(rules.counted_by(audience, person) for audience in named)


def repaint(record: Record, channel: str, ts: str, now: datetime, new_id: NewId) -> Transition:
    """Show the clicked message afresh. A copy, which a lost answer left behind, is taken in: a card among the approvers, a
    status anywhere else."""
    draft = Draft(record, now, new_id)
    known = next((one for one in record.messages if (one.channel, one.ts) == (channel, ts)), None)
    if known is None:
        kind = MessageKind.CARD if channel == record.request.rule.approvals_channel else MessageKind.STATUS
        known = Message(MessageId(new_id()), kind, channel, None, channel, ts, posted_at=now)
        draft.record = replace(record, messages=(*record.messages, known))
    draft.change_message(known.id, shown_version=0)
    draft.promise(EffectKind.SHOW_MESSAGE, known.id, now)
    return draft.done()


# --- time decides -----------------------------------------------------------------------------------------------------


def settle(record: Record, now: datetime, new_id: NewId) -> Transition | None:
    """What time alone has decided: past `lapses_at` a request has lapsed, past its end a grant has ended, and people are
    reminded of either before. None if nothing."""
    draft = Draft(record, now, new_id)
    end, due = timing.end_of(record), [reminder for reminder in timing.reminders(record) if reminder.at <= now]
    if record.request.state is RequestState.PENDING and now >= record.request.lapses_at:
        draft.decide(RequestState.LAPSED, AuditEvent.LAPSED, None, "")
        draft.notify(Topic.LAPSED)
    elif due and due[-1].topic is Topic.RENEWAL:
        draft.remind(Topic.RENEWAL)  # before its end is looked at: the 14 days begin when the question was asked
    elif end is not None and now >= end.at:
        draft.say(AuditEvent.EXPIRED, None, **({"why": end.why} if end.why else {}))
        draft.end(end.why, None)
        if end.why:
            draft.notify(Topic.ENDED)
    elif due:
        draft.remind(due[-1].topic)
    else:
        return None
    return draft.done()


# --- promises: which still matter, and what claiming one brings with it -----------------------------------------------


def matters(record: Record, effect: Effect) -> bool:  # noqa: PLR0911 - one return a kind
    """Whether the promise still has to be kept. What no longer matters is dropped when it is claimed."""
    request, grant = record.request, record.grant
    match effect.kind:
        case EffectKind.POST_MESSAGE:
            return _post_matters(record, record.message(effect.subject_id))
        case EffectKind.SHOW_MESSAGE:
            message = record.message(effect.subject_id)
            return message is not None and message.is_posted and message.shown_version < request.version
        case EffectKind.LAPSE_REQUEST:
            return request.state is RequestState.PENDING
        case EffectKind.END_GRANT:
            return grant is not None and grant.state is not GrantState.ENDED
        case EffectKind.REMIND:
            return bool(timing.reminders(record))
        case EffectKind.POST_AUDIT | EffectKind.SWEEP_LEAVERS:
            return True
        case (
            EffectKind.ISSUE_KEY
            | EffectKind.CONFIRM_KEY
            | EffectKind.VERIFY_KEY
            | EffectKind.DELIVER_TOKEN
            | EffectKind.HIDE_TOKEN
            | EffectKind.REVOKE_KEY
        ):
            key = record.key(effect.subject_id)
            return key is not None and grant is not None and _key_effect_matters(effect.kind, key, grant)
        case _:
            assert_never(effect.kind)


def _post_matters(record: Record, message: Message | None) -> bool:
    if message is None or message.is_posted:
        return False
    if message.kind is MessageKind.CARD or message.topic in (Topic.STILL_WAITING, Topic.LAST_CHANCE):
        return record.request.state is RequestState.PENDING
    if message.kind in (MessageKind.TOKEN, MessageKind.QUESTION) or message.topic in (Topic.ENDING, Topic.REVIEWING):
        grant = record.grant
        lives = grant is not None and grant.state is not GrantState.ENDED
        return lives and not (message.topic is Topic.REVIEWING and grant is not None and grant.asked_at is None)
    return True


def _key_effect_matters(kind: EffectKind, key: Key, grant: Grant) -> bool:
    ended = grant.state is GrantState.ENDED
    if kind is EffectKind.ISSUE_KEY:
        return not ended and key.state is KeyState.MAKING
    if kind is EffectKind.CONFIRM_KEY:
        return not ended and key.state is KeyState.PROBATION
    if kind is EffectKind.VERIFY_KEY:
        return not ended and key.state is KeyState.LIVE
    if kind is EffectKind.DELIVER_TOKEN:
        return not ended and key.state is KeyState.LIVE and key.hidden_at is None
    if kind is EffectKind.HIDE_TOKEN:
        return key.hidden_at is None
    return key.state is not KeyState.DEAD


def claim(record: Record, effect: Effect, now: datetime, new_id: NewId) -> Transition | None:
    """What claiming a promise promises in the same transaction: showing a token promises to hide it."""
    if effect.kind is not EffectKind.DELIVER_TOKEN:
        return None
    draft = Draft(record, now, new_id)
    hide_at = now + record.request.rule.hide_token_after
    draft.promise(EffectKind.HIDE_TOKEN, effect.subject_id, hide_at)
    return draft.done()


def check_still_allowed(record: Record, in_force: Rule | None, person: Person) -> None:
    """Asked before a key is made and before a token is shown. Raises Refusal where it would not be granted today."""
    rule = rules.stricter(record, in_force)
    if not rules.may_ask(rule, person) or not rules.may_ask(record.request.rule, person):
        why = f"The requester is no longer among those who may ask for {rule.title}."  # read by approvers, too
        raise Refusal(why, code="not_requester")
    have = len(rules.yeses(record.reviews, rule, record.request.requester))
    if have < rule.approvals:
        raise Refusal(
            f"{rule.title} now needs {rule.approvals} approvals, and {record.request.label} has {have}. Please ask again.",
            code="approvals_rose",
        )


# --- what came back ---------------------------------------------------------------------------------------------------


def observe(record: Record, fact: facts.Fact, now: datetime, new_id: NewId) -> Transition:  # noqa: C901, PLR0912, PLR0915 - one case a fact
    """The record after an act, and what follows from it: issue, confirm, deliver are each promised by the one before."""
    draft = Draft(record, now, new_id)
    match fact:
        case facts.MessagePosted():
            draft.posted(fact)
        case facts.MessageShown():
            draft.shown(fact)
        case facts.MessageGone():
            draft.message_gone(fact.message_id)
        case facts.KeyIssued():
            draft.issued(fact)
        case facts.KeyConfirmed():
            draft.confirmed(fact)
        case facts.KeyMissing():
            draft.missing(fact.key_id)
        case facts.KeyVerified():
            draft.change_key(fact.key_id, verified_at=now)
        case facts.KeyWrong() if (key := record.key(fact.key_id)) is None or key.id != record.keys[-1].id:
            if key is not None:  # it is being replaced: it goes, the grant goes on
                draft.finish(key)
        case facts.KeyWrong():
            draft.say(AuditEvent.REVOKED, None, why=fact.why)
            draft.end(fact.why, None)
            draft.notify(Topic.ENDED)
        case facts.TokenShown():
            draft.token_shown(fact.key_id)
        case facts.TokenHidden():
            draft.token_hidden(fact)
        case facts.KeyDead():
            draft.dead(fact.key_id)
        case facts.Barred():
            draft.say(AuditEvent.REFUSED, None, person=record.request.requester.user_id, why=fact.why, step=fact.step)
            draft.end(fact.why, None)
            draft.notify(Topic.BARRED)
        case facts.Unreachable() if not _awaits_delivery(record):
            pass  # what they hold they have: `Left` decides about that
        case facts.Unreachable():
            draft.say(AuditEvent.REVOKED, None, why=fact.why)
            draft.end(fact.why, None)
        case facts.Stuck():
            draft.say(AuditEvent.STUCK, None, effect=fact.kind.value, error=fact.error, effect_id=fact.effect_id)
            if fact.kind in AWAITED:
                draft.notify(Topic.STUCK)
            draft.alert(Topic.STUCK)
            draft.touch()
        case facts.Delayed():
            draft.say(AuditEvent.DELAYED, None, effect=fact.kind.value, error=fact.error)
            if fact.kind in AWAITED:
                draft.notify(Topic.DELAYED)
        case facts.Recovered():
            draft.say(AuditEvent.RECOVERED, None, effect=fact.kind.value)
            draft.alert(Topic.RESUMED)
            draft.touch()
        case facts.Left():
            draft.left(fact.why)
        case facts.Returned():
            if record.grant is not None and record.grant.left_at is not None:
                draft.change_grant(left_at=None)
                draft.say(AuditEvent.RETURNED, None, person=record.request.requester.user_id)
                draft.promise_what_time_decides()
        case facts.Due():
            draft.promise_what_time_decides()
        case _:
            assert_never(fact)
    return draft.done()


def _awaits_delivery(record: Record) -> bool:
    grant = record.grant
    return grant is not None and grant.state is not GrantState.ENDED and record.awaits_token


AWAITED = frozenset({EffectKind.ISSUE_KEY, EffectKind.CONFIRM_KEY, EffectKind.DELIVER_TOKEN})
"""The promises a requester is waiting for: they are told when one is late or stuck."""


def decided_sentence(request: Request) -> str:
    """For a click that came too late: who decided, and when (Slack draws the date in the reader's own zone)."""
    at = request.decided_at or request.created_at
    when = f"<!date^{int(at.timestamp())}^{{date_short_pretty}} at {{time}}|{at:%Y-%m-%d %H:%M} UTC>"
    by = f" by <@{request.decided_by.user_id}>" if request.decided_by else ""
    how = {
        RequestState.PENDING: "is still waiting",
        RequestState.APPROVED: "was approved",
        RequestState.DENIED: "was denied",
        RequestState.WITHDRAWN: "was withdrawn",
        RequestState.LAPSED: "lapsed, because nobody decided in time",
    }[request.state]
    return f"{request.label} {how}{by}, {when}."


def _seconds(lifetime: Lifetime) -> int | None:
    return None if lifetime is None else int(lifetime.total_seconds())
