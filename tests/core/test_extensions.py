"""The extension of a grant: asked as another request, decided as any, carried out on the key that is there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.core import extensions, facts, lifecycle, rules, timing
from bot.core.lifecycle import Asked, Loss
from bot.core.model import (
    Answers,
    ApiRef,
    AuditEvent,
    Effect,
    EffectKind,
    EffectState,
    GrantState,
    Identity,
    KeyState,
    Lifetime,
    Limits,
    MessageKind,
    Person,
    Plan,
    Record,
    Refusal,
    RequestId,
    RequestState,
    Rule,
    Topic,
    Verdict,
)
from bot.core.timing import HOLDER_FIRST
from tests.core.life import (
    ALICE,
    BOB,
    CAROL,
    DAY,
    LATER,
    MALLORY,
    NOW,
    PAYMENTS,
    SECOND,
    Ids,
    Life,
    held,
    issuing,
    on_show,
)

MONTH = 30 * DAY
GOLD = Plan("gold", Limits(1000, 1, -1, 60))
OFFERS = replace(
    PAYMENTS, lifetimes=(7 * DAY, MONTH, None), approvals=1, plans=(*PAYMENTS.plans, GOLD), review_every=90 * DAY
)
WEEK_OF_MONDAY = 5 * DAY


def later(life: Life, rule: Rule = OFFERS, lifetime: Lifetime = MONTH, plan: Plan | None = None) -> Record:
    """Alice asks for more time for what she holds."""
    form = Asked(RequestId("x"), plan or rule.plans[0], lifetime, Answers(reason="still testing"))
    return lifecycle.submit(form, ALICE, rule, "newer", 1002, life.now, Ids("x"), held=life.record).record


def yes(by: Record, life: Life, who: Person = BOB) -> Record:
    return lifecycle.review(by, by.request.rule, who, Verdict.YES, "", life.now, LATER).record


def extended(life: Life, by: Record) -> None:
    life.keep(extensions.extend(life.record, by, life.now, life.new_id))


def a_week() -> Life:
    """Alice has held a token of a week for five days."""
    life = held(OFFERS)
    life.passes(WEEK_OF_MONDAY)
    return life


# --- asked ------------------------------------------------------------------------------------------------------------


def test_an_extension_is_a_request_of_its_own() -> None:
    """It goes to the approvers, names what it extends, and has no key of its own; the audit says what it is for."""
    life = a_week()
    by = later(life)
    assert by.request.extends is not None
    assert by.request.extends.label == "R-1001"
    assert by.request.state is RequestState.PENDING
    assert MessageKind.CARD in [one.kind for one in by.messages]
    approved = lifecycle.review(by, OFFERS, BOB, Verdict.YES, "", life.now, LATER)
    assert approved.record.grant is None
    assert approved.record.keys == ()
    assert [one.kind for one in approved.promises if one.subject_id == "x"] == [EffectKind.EXTEND_GRANT]
    assert approved.audit[-1].details["until"] == (life.now + MONTH).isoformat()


def test_it_expires_with_what_it_would_extend() -> None:
    """Two days are left, so nobody is asked for longer than that; what never expires bounds nothing."""
    life = a_week()
    assert later(life).request.lapses_at == NOW + 7 * DAY
    endless = held(OFFERS, lifetime=None)
    assert later(endless, plan=GOLD).request.lapses_at == NOW + 7 * DAY


@pytest.mark.parametrize(
    ("life", "who", "code"),
    [
        (a_week, MALLORY, "not_requester"),
        (issuing, ALICE, "under_way"),
        (lambda: Life(OFFERS), ALICE, "over"),
    ],
)
def test_what_cannot_be_extended(life: object, who: Person, code: str) -> None:
    """Somebody else's token, one that is on its way, one that was never granted."""
    assert callable(life)
    with pytest.raises(Refusal) as no:
        extensions.check_extendable(life().record, who)
    assert no.value.code == code


def test_what_is_over_or_deleted_cannot_be_extended() -> None:
    """The refusal says what to do instead."""
    life = a_week()
    key = life.record.keys[0]
    life.sees(facts.KeyGone(key.id))
    with pytest.raises(Refusal, match="Replace it first"):
        extensions.check_extendable(life.record, ALICE)
    life.passes(2 * DAY)
    with pytest.raises(Refusal, match="Request a new token"):
        extensions.check_extendable(life.record, ALICE)


@pytest.mark.parametrize(
    ("days_held", "lifetime", "plan", "total", "code"),
    [
        (5, 7 * DAY, None, None, None),
        (0, 7 * DAY, None, None, "lifetime"),
        (0, 7 * DAY, GOLD, None, None),
        (5, None, None, None, None),
        (5, 7 * DAY, None, 12 * DAY, None),
        (5, 7 * DAY, None, 12 * DAY - SECOND, "max_total"),
        (5, None, None, 3650 * DAY, "max_total"),
    ],
)
def test_an_extension_is_longer_and_within_the_total(
    days_held: int, lifetime: Lifetime, plan: Plan | None, total: timedelta | None, code: str | None
) -> None:
    """It counts from the approval; another plan may end sooner; the sum of all is what the API allows one token."""
    life = held(OFFERS)
    life.passes(days_held * DAY)
    rule = replace(OFFERS, max_total=total)
    told: tuple[str | None, str | None] = (None, None)
    try:
        extensions.check(life.record, rule, plan or OFFERS.plans[0], lifetime, NOW + days_held * DAY)
    except Refusal as refusal:
        told = refusal.code, refusal.field
    assert told == (code, code and "lifetime")


def test_what_never_expires_cannot_be_extended() -> None:
    """Only its plan can change."""
    life = held(OFFERS, lifetime=None)
    with pytest.raises(Refusal, match="lasts longer than that already"):
        extensions.offer(life.record, OFFERS, life.now, other_plan=False)
    offer = extensions.offer(life.record, OFFERS, life.now, other_plan=True)
    assert (offer.plans, offer.lifetimes) == ((GOLD,), OFFERS.lifetimes)


def test_what_is_offered_is_what_would_be_taken() -> None:
    """The form has the plan that she holds, or the others, and the lifetimes that are longer and within the total."""
    life = held(OFFERS)
    offer = extensions.offer(life.record, OFFERS, life.now, other_plan=False)
    assert [plan.name for plan in offer.plans] == ["standard"]
    assert offer.lifetimes == (MONTH, None)
    assert extensions.offer(life.record, replace(OFFERS, max_total=MONTH), life.now, other_plan=False).lifetimes == (
        MONTH,
    )
    silver = replace(GOLD, name="silver")
    others = extensions.offer(life.record, replace(OFFERS, plans=(*OFFERS.plans, silver)), life.now, other_plan=True)
    assert (others.plans, others.lifetimes) == ((GOLD, silver), OFFERS.lifetimes)


@pytest.mark.parametrize(
    ("rule", "other_plan", "why"),
    [
        (replace(OFFERS, max_total=7 * DAY), False, "may last 7 days in all"),
        (replace(OFFERS, max_total=DAY), False, "may last 1 day in all"),
        (replace(OFFERS, max_total=7 * DAY, lifetimes=(7 * DAY, None)), False, "may last 7 days in all"),
        (replace(OFFERS, max_total=7 * DAY + timedelta(hours=5)), False, "may last 173 hours in all"),
        (replace(OFFERS, lifetimes=(7 * DAY,)), False, "lasts longer than that already"),
        (replace(OFFERS, plans=(GOLD,)), False, "no plan standard any more"),
        (replace(OFFERS, plans=OFFERS.plans[:1]), True, "no other plan for Payments"),
    ],
)
def test_where_nothing_can_be_offered_the_reason_is_said(rule: Rule, other_plan: bool, why: str) -> None:
    """Instead of a form with nothing to choose."""
    with pytest.raises(Refusal, match=why):
        extensions.offer(held(OFFERS).record, rule, NOW, other_plan=other_plan)


def test_an_entry_for_another_api_extends_nothing() -> None:
    """The file stands for another API by now: the key could not be given it in silence."""
    life = a_week()
    other = replace(OFFERS, api=ApiRef("other", "payments", ("Default",)))
    with pytest.raises(Refusal, match="another API") as no:
        extensions.check(life.record, other, other.plans[0], MONTH, life.now)
    assert no.value.field == "plan"


def test_one_extension_at_a_time() -> None:
    """A second one is refused while the first waits."""
    life = a_week()
    extensions.check_alone(life.record, ())
    with pytest.raises(Refusal, match="R-1002 already asks"):
        extensions.check_alone(life.record, (1002, 1003))


# --- carried out ------------------------------------------------------------------------------------------------------


def test_the_key_gets_the_new_end() -> None:
    """Same key, same token: Tyk is told of the end, which counts from the approval, and the key is read back afterwards."""
    life = a_week()
    by = yes(later(life), life)
    life.now += SECOND
    extended(life, by)
    assert life.grant.until == NOW + WEEK_OF_MONDAY + MONTH
    assert life.grant.since == NOW
    assert life.topics(MessageKind.NOTICE)[-1] is Topic.EXTENDED
    (key,) = life.record.keys
    assert life.record.is_behind
    life.works()
    assert life.record.keys[0].expires_at == life.grant.until
    assert not life.record.is_behind
    life.passes(2 * SECOND)
    assert life.record.keys[0].verified_at is not None
    assert life.record.keys[0].id == key.id
    assert life.events(AuditEvent.EXTENDED)[0].details["by"] == "R-1002"


def test_it_ends_at_the_new_end_and_not_before() -> None:
    """The old end passes without a word; before the new one the holder is reminded again; then the key dies."""
    life = a_week()
    extended(life, yes(later(life), life))
    life.works()
    before = life.topics(MessageKind.NOTICE).count(Topic.ENDING)
    life.passes(3 * DAY)
    assert not life.ended()
    life.passes(27 * DAY - SECOND)
    assert not life.ended()
    assert life.topics(MessageKind.NOTICE).count(Topic.ENDING) == before + 1  # a Monday, and so on the Friday alone
    life.passes(2 * SECOND)
    assert life.ended()
    assert life.record.keys[0].state is KeyState.DEAD


def test_reminders_count_from_the_extension() -> None:
    """A week that was extended by a week is reminded of as a week, not as a fortnight."""
    life = a_week()
    extended(life, yes(later(life, lifetime=7 * DAY), life))
    life.works()
    grant = replace(life.grant, since=life.now, extended_at=None)
    assert timing.reminders(life.record) == timing.reminders(replace(life.record, grant=grant))


def test_the_approvals_are_those_of_the_extension() -> None:
    """Carol approved a week; that says nothing of the month that Bob approved, and the card says who did."""
    life = held(OFFERS)
    assert [one.reviewer for one in life.record.reviews] == [BOB.identity]
    life.passes(WEEK_OF_MONDAY)
    extended(life, yes(later(life), life, CAROL))
    counted = rules.approvals(life.record.reviews, ALICE.identity)
    assert [one.reviewer for one in counted] == [CAROL.identity]
    assert life.record.reviews[0].void == "it was for the time before R-1002"


def test_the_same_approver_is_counted_once() -> None:
    """Bob approved both: his later word stands, and there is one row of him."""
    life = a_week()
    by = yes(later(life), life)
    other_team = tuple(replace(one, reviewer=Identity("T1", one.reviewer.user_id)) for one in by.reviews)
    extended(life, replace(by, reviews=other_team))
    (review,) = life.record.reviews
    assert review.reviewer.team_id == "T0"
    assert review.at == life.now


def test_the_rule_and_the_plan_are_those_of_the_extension() -> None:
    """What is asked of the file later, for a lost token say, is asked of what was approved last."""
    life = a_week()
    extended(life, yes(later(life, plan=GOLD), life))
    request = life.record.request
    assert (request.plan, request.rule, request.digest, request.lifetime) == (GOLD, OFFERS, "newer", MONTH)
    assert life.events(AuditEvent.EXTENDED)[0].details["plan"] == "gold"
    life.works()
    life.replaces(Loss.LOST, rule=OFFERS)
    life.works()
    assert life.record.keys[-1].expires_at == life.grant.until


def test_what_never_expires_can_be_given_an_end_with_another_plan() -> None:
    """And the other way round: its approvers are asked about it from then on."""
    life = held(OFFERS, lifetime=None)
    extended(life, yes(later(life, plan=GOLD), life))
    assert life.grant.until == NOW + MONTH
    assert life.grant.review_at is None
    life = a_week()
    extended(life, yes(later(life, lifetime=None), life))
    assert life.grant.until is None
    assert life.grant.review_at == life.now + 90 * DAY


def test_an_extension_answers_a_review() -> None:
    """Holder and approvers are asked whether a token without an end is needed; the approval of another plan says so."""
    life = held(OFFERS, lifetime=None)
    life.passes(90 * DAY + HOLDER_FIRST)
    life.uses()
    assert life.topics(MessageKind.QUESTION) == [Topic.RENEWAL]
    extended(life, yes(later(life, plan=GOLD), life))
    assert (life.grant.holder_asked_at, life.grant.in_use_at, life.grant.asked_at) == (None, None, None)
    life.works()
    life.passes(MONTH - SECOND)
    assert not life.ended()
    assert life.topics(MessageKind.NOTICE) == [Topic.REVIEWING, Topic.EXTENDED, Topic.ENDING, Topic.ENDING]
    life.passes(SECOND)
    assert (life.ended(), life.grant.end_reason) == (True, "")


def test_what_was_asked_for_at_first_is_said_no_more() -> None:
    """Bob gave a week of the month that Alice asked for. Of what was extended, the card says what it is now."""
    life = Life(OFFERS, MONTH)
    less = lifecycle.Choice("standard", 7 * DAY)
    life.keep(lifecycle.review(life.record, life.rule, BOB, Verdict.YES, "", life.now, life.new_id, less))
    life.works()
    life.saves(life.record.keys[0])
    life.works()
    assert life.record.request.asked is not None
    extended(life, yes(later(life), life))
    assert life.record.request.asked is None


def test_the_audit_says_what_was_extended() -> None:
    """By whom it was asked for, until when, under which rule; and another plan where that was changed."""
    life = a_week()
    extended(life, yes(later(life), life))
    extended(life, yes(later(life, lifetime=None), life))
    month, endless = life.events(AuditEvent.EXTENDED)
    assert month.actor == ALICE.identity
    until = (life.now + MONTH).isoformat()
    assert month.details == {"by": "R-1002", "until": until, "rule_digest": "newer", **life.record.request.opening}
    assert endless.details["until"] is None


def test_an_extension_that_was_refused_is_in_the_audit() -> None:
    """With who asked, why it was not carried out, and when that was found."""
    life = a_week()
    told = extensions.refused(yes(later(life), life), facts.Barred("extending", "why"), life.now, LATER)
    (line,) = told.audit
    assert line.details == {"person": "UALICE", "why": "why", "step": "extending"}
    assert told.record.request.decision_reason == "why"


def test_both_keys_of_a_replacement_get_the_end() -> None:
    """The one that is being made reads it when it is confirmed, the one that is held is told of it."""
    life = a_week()
    by = yes(later(life), life)
    life.replaces(Loss.LOST)
    extended(life, by)
    life.works()
    assert [key.expires_at for key in life.record.keys if key.state is KeyState.LIVE] == [life.grant.until]
    assert life.record.keys[0].state is KeyState.DEAD


def test_an_end_that_came_back_late_is_told_again() -> None:
    """Tyk was being told of the old end while the extension was approved: it is told of the new one, too."""
    life = a_week()
    by = yes(later(life), life)
    life.replaces(Loss.LOST)
    key = life.record.keys[-1]
    life.act((EffectKind.ISSUE_KEY, key.id))
    old = life.grant.until
    extended(life, by)
    del life.open[EffectKind.CONFIRM_KEY, key.id]
    life.keep(lifecycle.observe(life.record, facts.KeyConfirmed(key.id, old), life.now, life.new_id))
    assert (EffectKind.CONFIRM_KEY, key.id) in life.open
    life.works()
    assert life.record.keys[-1].expires_at == life.grant.until


def test_a_key_that_is_behind_is_not_read_back() -> None:
    """It has another end than the grant until Tyk was told: that is nobody's fault, and ends nothing."""
    life = a_week()
    key = life.record.keys[0]
    effect = Effect(1, EffectKind.VERIFY_KEY, key.id, RequestId("r"), NOW, EffectState.OPEN, 1, 0)
    assert lifecycle.matters(life.record, effect)
    extended(life, yes(later(life), life))
    assert not lifecycle.matters(life.record, effect)
    assert lifecycle.matters(life.record, replace(effect, kind=EffectKind.CONFIRM_KEY))
    life.works()
    assert not lifecycle.matters(life.record, replace(effect, kind=EffectKind.CONFIRM_KEY))


def test_a_key_that_tyk_lost_is_told_of() -> None:
    """Somebody deleted it: the holder hears so and can have another with the new end; it is not made anew in silence."""
    life = a_week()
    extended(life, yes(later(life), life))
    key = life.record.keys[0]
    life.keep(lifecycle.observe(life.record, facts.KeyMissing(key.id), life.now, life.new_id))
    assert life.record.gone_at == life.now
    assert life.record.keys[0].state is KeyState.LIVE
    assert Topic.GONE in life.topics(MessageKind.NOTICE)


# --- too late ---------------------------------------------------------------------------------------------------------


def test_what_ended_meanwhile_is_not_extended() -> None:
    """The approval came, and the grant was revoked before it was carried out: it stays ended, and the holder hears why."""
    life = a_week()
    by = yes(later(life), life)
    life.keep(lifecycle.revoke(life.record, ALICE.identity, "", life.now, life.new_id))
    with pytest.raises(Refusal, match="was over before it could be extended") as no:
        extensions.extend(life.record, by, life.now, life.new_id)
    told = extensions.refused(by, facts.Barred("before it is extended", no.value.text), life.now, LATER)
    assert told.record.messages[-1].topic is Topic.NOT_EXTENDED
    assert told.audit[0].event is AuditEvent.REFUSED
    assert life.grant.state is GrantState.ENDED
    assert not extensions.matters(told.record)


def test_an_extension_never_shortens_what_is_held() -> None:
    """A week was approved, and a month carried out before it: the week comes too late."""
    life = a_week()
    week, month = yes(later(life, lifetime=7 * DAY), life), yes(later(life), life)
    extended(life, month)
    with pytest.raises(Refusal, match="lasts longer than that already"):
        extensions.extend(life.record, week, life.now, life.new_id)


def test_an_extension_that_is_over_already_extends_nothing() -> None:
    """Slack could not say for a week who Alice is: the time that was approved has passed."""
    life = held(OFFERS, lifetime=None)
    by = yes(later(life, plan=GOLD, lifetime=7 * DAY), life)
    life.passes(7 * DAY)
    with pytest.raises(Refusal, match="was over before it could be"):
        extensions.extend(life.record, by, life.now, life.new_id)


def test_only_what_was_approved_and_not_refused_is_carried_out() -> None:
    """A waiting extension does nothing, an ordinary request is never one."""
    life = a_week()
    by = later(life)
    effect = Effect(1, EffectKind.EXTEND_GRANT, "x", RequestId("x"), NOW, EffectState.OPEN, 1, 0)
    assert not lifecycle.matters(by, effect)
    assert lifecycle.matters(yes(by, life), effect)
    assert not lifecycle.matters(on_show().record, effect)
