"""The life of a grant: issuing -> active -> ended. Its end is promised when it begins.

issuing   approved; until = approval + lifetime, None where a person must end it
active    its first key is confirmed
ended     by its time, by a person, or because it would not be granted any more; every key is to die
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bot.core import facts, keys, messages, rules
from bot.core.draft import Draft, NewId
from bot.core.model import (
    AuditEvent,
    EffectKind,
    Grant,
    GrantState,
    Identity,
    KeyState,
    MessageKind,
    Person,
    Record,
    Refusal,
    Request,
    Rule,
    Topic,
    Transition,
)
from bot.core.timing import End

# --- issuing -> active ------------------------------------------------------------------------------------------------


def begin(draft: Draft, rule: Rule) -> None:
    """The right begins, its end is promised with it, and its first key is to be made."""
    lifetime = draft.record.request.lifetime
    until = None if lifetime is None else draft.now + lifetime
    review_at = draft.now + rule.review_every if until is None and rule.review_every is not None else None
    grant = Grant(GrantState.ISSUING, draft.now, until, review_at=review_at)
    draft.record = replace(draft.record, grant=grant)
    keys.make(draft)
    draft.waits[MessageKind.STATUS] = messages.STATUS_SETTLES_IN


def activate(draft: Draft) -> None:
    """A key is confirmed: the right can be used, and its holder will be reminded of its end."""
    grant = draft.record.grant
    confirmed = any(key.state is KeyState.LIVE for key in draft.record.keys)
    if grant is not None and grant.state is GrantState.ISSUING and confirmed:
        draft.change_grant(state=GrantState.ACTIVE)


# --- while it lives: reminded, asked about, left behind ---------------------------------------------------------------


def remind(draft: Draft, topic: Topic) -> None:
    """The holder hears, once, that the end is near."""
    draft.say(AuditEvent.REMINDED, None, of=topic.value)
    draft.change_grant(reminded_at=draft.now)
    messages.notify(draft, topic)


def ask_holder(draft: Draft) -> None:
    """The holder of a grant without an end is asked whether it is still in use: their answer is what the approvers see."""
    draft.say(AuditEvent.REMINDED, None, of=Topic.STILL_USED.value)
    draft.change_grant(holder_asked_at=draft.now)
    messages.post(draft, MessageKind.INQUIRY, draft.record.request.requester.user_id, Topic.STILL_USED)


def in_use(record: Record, who: Person, now: datetime, new_id: NewId) -> Transition:
    """The holder says that it is still in use: now the approvers are asked, if they were not."""
    request, grant = record.request, record.grant
    if not who.is_same(request.requester):
        raise Refusal(f"Only {request.requester_name}, who holds it, can answer this.", code="not_requester")
    if grant is None or grant.state is GrantState.ENDED:
        raise already_ended(request)
    if grant.holder_asked_at is None:
        raise Refusal(f"{request.label} was already reviewed. There is nothing left to answer.", code="reviewed")
    if grant.in_use_at is not None:
        raise Refusal(f"You already said that you use {request.label}.", code="reviewed")
    draft = Draft(record, now, new_id)
    draft.change_grant(in_use_at=now)
    draft.say(AuditEvent.IN_USE, request.requester)
    if grant.asked_at is None:
        ask(draft)
    return draft.done()


def ask(draft: Draft) -> None:
    """The approvers are asked whether a grant without an end is still needed. Its holder, who was asked first, hears of it where
    they have not answered; one who could not be asked before is asked now."""
    grant = draft.record.grant
    assert grant is not None, "only what was granted is asked about"
    draft.say(AuditEvent.REMINDED, None, of=Topic.RENEWAL.value)
    draft.change_grant(asked_at=draft.now)
    messages.tell_approvers(draft, MessageKind.QUESTION, Topic.RENEWAL)
    if grant.holder_asked_at is None and grant.left_at is None:
        ask_holder(draft)
    elif grant.in_use_at is None:
        messages.notify(draft, Topic.REVIEWING)


def renew(record: Record, in_force: Rule | None, reviewer: Person, now: datetime, new_id: NewId) -> Transition:
    """An approver says that a grant without an end is still needed, and its holder hears of it; they are asked again after
    `review_every`."""
    request, grant = record.request, record.grant
    if grant is None or grant.state is GrantState.ENDED:
        raise already_ended(request)
    if grant.asked_at is None:
        raise Refusal(f"{request.label} was already reviewed. There is nothing left to decide.", code="reviewed")
    rule = rules.stricter(record, in_force)
    by = rules.reviewing_by(record, in_force, reviewer)
    draft = Draft(record, now, new_id)
    every = rule.review_every or request.rule.review_every
    draft.change_grant(
        review_at=now + every if every else None,
        asked_at=None,
        reminded_at=None,
        kept_at=now,
        kept_by=reviewer.identity,
        holder_asked_at=None,
        in_use_at=None,
    )
    draft.say(AuditEvent.RENEWED, reviewer.identity, reviewer=reviewer.identity.user_id, counted_by=by)
    messages.notify(draft, Topic.KEPT)
    return draft.done()


def left(draft: Draft, why: str) -> None:
    """The holder has left: the approvers are asked, once, about what is still held."""
    request, grant = draft.record.request, draft.record.grant
    if grant is None or grant.state is GrantState.ENDED or grant.left_at is not None:
        return
    draft.say(AuditEvent.LEFT, None, person=request.requester.user_id, why=why)
    draft.change_grant(left_at=draft.now)
    messages.tell_approvers(draft, MessageKind.QUESTION, Topic.LEFT)


def returned(draft: Draft) -> None:
    """A holder who had left is back: the grant goes on to its own end."""
    grant = draft.record.grant
    if grant is None or grant.left_at is None:
        return
    draft.change_grant(left_at=None)
    draft.say(AuditEvent.RETURNED, None, person=draft.record.request.requester.user_id)


# --- ended ------------------------------------------------------------------------------------------------------------


def end(draft: Draft, why: str, who: Identity | None) -> None:
    """The right is over: what was still to be made or shown is dropped, every key is to die, no token stays on show."""
    if not draft.record.lives:
        return
    draft.change_grant(state=GrantState.ENDED, ended_at=draft.now, end_reason=why, ended_by=who)
    draft.drop(draft.record.request.id, EffectKind.END_GRANT, EffectKind.REMIND)
    for key in draft.record.keys:
        keys.finish(draft, key)


def expire(draft: Draft, due: End) -> None:
    """Time ends the grant; the holder hears why, where that is not simply its own end."""
    draft.say(AuditEvent.EXPIRED, None, **({"why": due.why} if due.why else {}))
    end(draft, due.why, None)
    if due.why:
        messages.notify(draft, Topic.ENDED)


def revoke(record: Record, who: Identity | None, why: str, now: datetime, new_id: NewId) -> Transition:
    """The grant ends now. `who` is None for an operator at the command line."""
    if record.grant is None:
        raise Refusal(f"{record.request.label} was never granted.", code="no_grant")
    if record.grant.state is GrantState.ENDED:
        raise already_ended(record.request)
    draft = Draft(record, now, new_id)
    draft.say(AuditEvent.REVOKED, who, why=why)
    end(draft, why, who)
    if who != record.request.requester:
        messages.notify(draft, Topic.ENDED)
    return draft.done()


def already_ended(request: Request) -> Refusal:
    return Refusal(f"{request.label} has already ended. There is nothing left to revoke.", code="ended")


def may_revoke(record: Record, in_force: Rule | None, person: Person) -> bool:
    """The holder may, and so may everyone whom the rule in force, or the request's own, lets review."""
    if person.is_same(record.request.requester):
        return True
    named = [rule.may_approve for rule in (record.request.rule, in_force) if rule is not None]
    return any(rules.counted_by(audience, person) for audience in named)


def barred(draft: Draft, fact: facts.Barred) -> None:
    """The grant would not be given any more, so it ends before its key is made or its token shown."""
    if not draft.record.lives:
        return  # it ended during the look-up, and its holder was told why
    draft.say(AuditEvent.REFUSED, None, person=draft.record.request.requester.user_id, why=fact.why, step=fact.step)
    end(draft, fact.why, None)
    messages.notify(draft, Topic.BARRED)


def unreachable(draft: Draft, why: str) -> None:
    """A token that can never arrive ends its grant. What the holder has they have: `left` decides about that."""
    if draft.record.lives and draft.record.awaits_token:
        draft.say(AuditEvent.REVOKED, None, why=why)
        end(draft, why, None)


def key_wrong(draft: Draft, fact: facts.KeyWrong) -> None:
    """A key is not what was granted, so the grant ends; one that is being replaced goes alone."""
    key = draft.record.key(fact.key_id)
    if not draft.record.lives:
        return  # its keys are to die anyhow
    if keys.is_newest(draft.record, fact.key_id):
        draft.say(AuditEvent.REVOKED, None, why=fact.why)
        end(draft, fact.why, None)
        messages.notify(draft, Topic.ENDED)
    elif key is not None:
        keys.finish(draft, key)
