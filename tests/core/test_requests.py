"""A request: who decides, how it ends, and who is reminded on the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.core import facts, lifecycle, messages, timing
from bot.core.model import (
    Answers,
    Approver,
    Audience,
    AuditEvent,
    Effect,
    EffectKind,
    EffectState,
    Identity,
    Lifetime,
    MessageKind,
    Plan,
    Record,
    Refusal,
    RequestId,
    RequestState,
    Rule,
    Topic,
    Transition,
    Verdict,
)
from tests.core.life import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    DAY,
    GONE,
    HOUR,
    MALLORY,
    NOW,
    PAYMENTS,
    SECOND,
    Ids,
    Life,
    approved,
    asked,
    held,
    kinds,
    person,
    say,
)

# --- decided -----------------------------------------------------------------------------------------------------------


def test_two_people_approve() -> None:
    """With `approvals: 2` the first yes waits, and the second makes a grant whose end is promised with it."""
    first = say(asked().record, BOB)
    assert first.record.request.state is RequestState.PENDING
    second = say(first.record, CAROL)
    assert second.record.request.state is RequestState.APPROVED
    assert second.record.grant is not None
    assert second.record.grant.until == NOW + 7 * DAY
    assert {EffectKind.ISSUE_KEY, EffectKind.END_GRANT} <= kinds(second)


def test_nobody_approves_their_own() -> None:
    """Alice is among the leads, and still her own yes is refused."""
    with pytest.raises(Refusal, match="You can't approve your own request"):
        say(asked().record, ALICE)


def test_one_person_counts_once() -> None:
    """Bob's second yes is answered, and counts nothing."""
    with pytest.raises(Refusal, match="already approved R-1001"):
        say(say(asked().record, BOB).record, BOB)


def test_a_stranger_to_the_rule_is_refused() -> None:
    """Mallory may ask for the API, which gives her no say in who gets it."""
    with pytest.raises(Refusal, match="can't approve Payments"):
        say(asked().record, MALLORY)


def test_one_no_denies() -> None:
    """One no denies, with its reason; a yes may turn into it until the decision."""
    denied = say(say(asked().record, BOB).record, BOB, Verdict.NO)
    assert denied.record.request.state is RequestState.DENIED
    assert denied.record.request.decision_reason == "no budget"
    assert denied.record.grant is None


def test_an_operator_denies() -> None:
    """Nobody's name stands as the reviewer's, the requester hears the reason, and what was decided cannot be denied."""
    denied = lifecycle.deny(asked().record, "a stolen laptop", NOW, Ids("d"))
    request = denied.record.request
    assert (request.state, request.decided_by, request.decision_reason) == (
        RequestState.DENIED,
        None,
        "a stolen laptop",
    )
    assert [line.event for line in denied.audit] == [AuditEvent.DENIED]
    assert denied.record.told(Topic.DENIED)
    for decided in (denied.record, approved()):
        with pytest.raises(Refusal):
            lifecycle.deny(decided, "again", NOW, Ids("d"))


def test_a_losing_click_learns_who_decided() -> None:
    """After the decision every click is answered with who decided and when."""
    with pytest.raises(Refusal, match=r"R-1001 was approved by <@UCAROL>, <!date\^"):
        say(approved(), DAVE)


@pytest.mark.parametrize(
    ("why", "said"),
    [("", "decided in time"), (messages.UNASKED, "could be asked"), ("Too few are left.", "could decide any more")],
)
def test_a_click_after_the_time_learns_why_nobody_decided(why: str, said: str) -> None:
    """The sentence says when it expired, not when it was asked for."""
    waits = asked().record
    later = NOW + 7 * DAY
    lapsed = replace(waits.request, state=RequestState.LAPSED, decided_at=later, decision_reason=why)
    with pytest.raises(Refusal, match=f"because nobody {said}, <!date.{int(later.timestamp())}") as refused:
        say(replace(waits, request=lapsed), BOB)
    assert refused.value.code == "lapsed"


def test_the_stricter_rule_counts() -> None:
    """Where the rule in force asks for three, two yeses under the old rule are not enough."""
    three = replace(PAYMENTS, approvals=3)
    assert say(say(asked().record, BOB).record, CAROL, rule=three).record.request.state is RequestState.PENDING


def test_a_softer_rule_does_not_help() -> None:
    """Where the rule in force asks for one, the request still needs the two it was asked under."""
    one = replace(PAYMENTS, approvals=1)
    assert say(asked().record, BOB, rule=one).record.request.state is RequestState.PENDING


def test_an_approver_who_is_no_longer_named_no_longer_counts() -> None:
    """Dave's yes counted by his name; when the file no longer names him, one more yes is needed."""
    without_dave = replace(PAYMENTS, approvers=Audience(groups=frozenset({"S0LEADS"})))
    record = _recounted(say(asked().record, DAVE).record, Approver(DAVE), rule=without_dave).record
    assert say(record, BOB, rule=without_dave).record.request.state is RequestState.PENDING


def test_a_rule_that_is_gone_decides_nothing() -> None:
    """An API that was taken out of the file can no longer be approved."""
    with pytest.raises(Refusal, match="no longer offered"):
        say(asked().record, BOB, rule=None)


def test_an_api_that_needs_nobody_is_granted_at_once() -> None:
    """With `approvals: 0` there is no card, and the key is promised in the same breath."""
    step = asked(replace(PAYMENTS, approvals=0))
    assert step.record.request.state is RequestState.APPROVED
    assert EffectKind.ISSUE_KEY in kinds(step)
    assert all(message.kind is not MessageKind.CARD for message in step.record.messages)


def _recounted(record: Record, *approvers: Approver, rule: Rule = PAYMENTS) -> Transition:
    counted = lifecycle.recount(record, rule, approvers, NOW, Ids())
    assert counted is not None
    return counted


def test_a_yes_that_counts_another_way_now_counts() -> None:
    """Dave's yes counted by his name; the file names him through his group by now, and he need not say it again."""
    by_group = replace(PAYMENTS, approvers=Audience(groups=frozenset({"S0LEADS"})))
    first, dave = say(asked().record, DAVE).record, person("dave", "S0LEADS")
    assert lifecycle.recount(first, by_group, (Approver(dave),), NOW, Ids()) is None
    assert say(first, BOB, rule=by_group).record.request.state is RequestState.APPROVED


def test_a_yes_of_somebody_who_left_does_not_count() -> None:
    """Bob says yes and is deactivated; Dave's is the first of two, the audit says so, and the card is drawn anew."""
    life = Life()
    life.works()
    life.says(BOB)
    life.works()
    gone = Approver(BOB, "their account is deactivated")
    life.keep(lifecycle.recount(life.record, PAYMENTS, (gone,), NOW, Ids()))
    assert [line.details for line in life.events(AuditEvent.RECOUNTED)] == [
        {"reviewer": "UBOB", "why": gone.barred, "have": 0}
    ]
    assert life.shows(MessageKind.CARD) is not None
    life.says(DAVE)
    assert not life.record.lives
    life.says(CAROL)
    assert life.record.lives


def test_of_two_approvals_the_one_that_fell_is_told() -> None:
    """Bob and Carol approved what takes three; the audit names Bob alone."""
    three = replace(PAYMENTS, approvals=3)
    both = say(say(asked(three).record, BOB, rule=three).record, CAROL, rule=three).record
    counted = _recounted(both, Approver(BOB, "they are a guest"), Approver(CAROL), rule=three)
    assert [line.details for line in counted.audit] == [{"reviewer": "UBOB", "why": "they are a guest", "have": 1}]


def test_who_may_again_says_it_again() -> None:
    """Bob is out of the group and back: his yes counts when he says it once more, and not before."""
    first = say(asked().record, BOB).record
    void = _recounted(first, Approver(person("bob"))).record
    assert [review.void for review in void.reviews] == ["no longer an approver"]
    assert lifecycle.recount(void, PAYMENTS, (Approver(BOB),), NOW, Ids()) is None
    assert say(void, CAROL).record.request.state is RequestState.PENDING
    said_again = say(void, BOB).record
    assert [review.void for review in said_again.reviews] == [""]
    assert say(said_again, CAROL).record.request.state is RequestState.APPROVED


def test_what_is_decided_is_not_counted_again() -> None:
    """After the decision the reviews stand as they were given: whether the key may be made is asked on its own."""
    assert lifecycle.recount(approved(), PAYMENTS, (Approver(person("bob")),), NOW, Ids()) is None


def test_one_person_of_two_teams_counts_once() -> None:
    """Carol moves to another team between two clicks, or clicks under her other id: it is one yes."""
    first = say(asked().record, CAROL).record
    moved = replace(CAROL, identity=Identity("T9", "UCAROL"))
    other_id = replace(CAROL, identity=Identity("T0", "WCAROL"), also=frozenset({"UCAROL"}))
    for carol in (moved, other_id):
        with pytest.raises(Refusal, match="already approved R-1001"):
            say(first, carol)
        denied = say(first, carol, Verdict.NO)
        assert [(one.reviewer.user_id, one.reviewer.team_id) for one in denied.record.reviews] == [("UCAROL", "T0")]
        assert (denied.audit[0].actor, denied.audit[0].details["reviewer"]) == (carol.identity, "UCAROL")


def test_a_no_after_a_yes_needs_no_other_way() -> None:
    """Bob may change his mind until the decision, and his no takes the place of his yes."""
    denied = say(say(asked().record, BOB).record, BOB, Verdict.NO).record
    assert [review.verdict for review in denied.reviews] == [Verdict.NO]


@pytest.mark.parametrize(("lifetime", "seconds"), [(7 * DAY, 604800), (None, None)])
def test_what_was_asked_for_is_written_down(lifetime: Lifetime, seconds: int | None) -> None:
    """All that Alice sent is in the audit, as plain values."""
    life = Life(lifetime=lifetime, used_by="checkout")
    (line,) = life.audit
    assert (line.event, line.actor) == (AuditEvent.ASKED, ALICE.identity)
    assert line.details == {
        "person": "UALICE",
        "plan": "standard",
        "lifetime": seconds,
        "used_by": "checkout",
        "reason": "because",
    }


def test_a_decision_is_written_down() -> None:
    """Who decided, by which rule, and until when: the audit has it in the order in which it happened."""
    life = Life()
    life.says(BOB)
    life.says(CAROL)
    assert [line.event for line in life.audit] == [
        AuditEvent.ASKED,
        AuditEvent.REVIEWED,
        AuditEvent.REVIEWED,
        AuditEvent.APPROVED,
    ]
    assert life.audit[-2].details == {
        "verdict": "yes",
        "reviewer": "UCAROL",
        "counted_by": "S0LEADS",
        "have": 2,
        "need": 2,
        "reason": "no budget",
    }
    until = (NOW + 7 * DAY).isoformat()
    assert life.audit[-1].details == {
        "rule": "payments",
        "rule_digest": "digest",
        "need": 2,
        "approvers": ["UBOB", "UCAROL"],
        "until": until,
    }
    assert life.audit[-1].actor == CAROL.identity


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_decision_drops_what_waited_for_it(verdict: Verdict) -> None:
    """Nothing lapses and nobody is reminded after it."""
    life = Life(replace(PAYMENTS, approvals=1))
    assert {(EffectKind.LAPSE_REQUEST, "r"), (EffectKind.REMIND, "r")} <= life.open.keys()
    decided = lifecycle.review(life.record, life.rule, BOB, verdict, "", NOW, Ids())
    assert {(EffectKind.LAPSE_REQUEST, "r"), (EffectKind.REMIND, "r")} <= set(decided.drops)


@pytest.mark.parametrize(
    ("plan", "lifetime", "reason", "field"),
    [
        ("gold", DAY, "because", "plan"),
        (None, DAY, "because", "plan"),
        ("small", 9 * DAY, "because", "lifetime"),
        ("small", DAY, "  ", "reason"),
    ],
)
def test_a_form_that_the_rule_does_not_offer(plan: str | None, lifetime: Lifetime, reason: str, field: str) -> None:
    """The refusal names the field that it is about; of two plans one has to be picked."""
    limits = PAYMENTS.plans[0].limits
    rule = replace(PAYMENTS, plans=(Plan("small", limits), Plan("large", limits)), lifetimes=(DAY,))
    with pytest.raises(Refusal) as caught:
        lifecycle.check_form(rule, plan, lifetime, Answers(reason=reason))
    assert caught.value.field == field
    assert lifecycle.check_form(rule, "large", DAY, Answers(reason="because")).name == "large"


def test_a_single_plan_need_not_be_picked() -> None:
    """The form does not show it, so the submission does not name it."""
    assert lifecycle.check_form(PAYMENTS, None, 7 * DAY, Answers(reason="because")) is PAYMENTS.plans[0]


# --- withdrawn or lapsed -----------------------------------------------------------------------------------------------


def test_only_the_requester_withdraws() -> None:
    """Alice can take her request back while it waits; Mallory cannot, and nobody can afterwards."""
    record = asked().record
    with pytest.raises(Refusal):
        lifecycle.withdraw(record, MALLORY.identity, NOW, Ids())
    withdrawn = lifecycle.withdraw(record, ALICE.identity, NOW, Ids()).record
    assert withdrawn.request.state is RequestState.WITHDRAWN
    with pytest.raises(Refusal, match="was withdrawn"):
        lifecycle.withdraw(withdrawn, ALICE.identity, NOW, Ids())


def test_a_lapse_matters_while_the_request_waits() -> None:
    """What is promised for its end is dropped once it was decided."""
    lapse = Effect(1, EffectKind.LAPSE_REQUEST, "r", RequestId("r"), NOW, EffectState.OPEN, 1, 0)
    assert lifecycle.matters(asked().record, lapse)
    assert not lifecycle.matters(approved(), lapse)


def test_nobody_decides_and_it_lapses() -> None:
    """Past its time a request has lapsed, whoever looks first, and the requester hears of it."""
    assert lifecycle.settle(asked().record, NOW + 2 * DAY, Ids()) is None
    reminded = lifecycle.settle(asked().record, NOW + 7 * DAY - timedelta(seconds=1), Ids())
    assert reminded is not None
    assert reminded.record.request.state is RequestState.PENDING
    lapsed = lifecycle.settle(asked().record, NOW + 7 * DAY, Ids())
    assert lapsed is not None
    assert lapsed.record.request.state is RequestState.LAPSED
    assert EffectKind.POST_MESSAGE in kinds(lapsed)


def test_what_a_leaver_asked_for_ends_at_once() -> None:
    """Alice was deactivated before anybody decided: her request is over, and the audit says why."""
    life = Life()
    life.sees(GONE)
    assert life.record.request.state is RequestState.WITHDRAWN
    assert (life.record.request.decided_by, life.record.request.decision_reason) == (None, GONE.why)
    assert [line.event for line in life.audit[-2:]] == [AuditEvent.LEFT, AuditEvent.WITHDRAWN]
    assert life.events(AuditEvent.LEFT)[0].details == {"person": "UALICE", "why": GONE.why}
    assert life.open.keys().isdisjoint({(EffectKind.LAPSE_REQUEST, "r"), (EffectKind.REMIND, "r")})


# --- approvers who are silent ------------------------------------------------------------------------------------------


def test_silent_approvers_are_reminded_twice() -> None:
    """After a third of the time and a day before the end the card's channel is told, and each time the audit."""
    life = Life()
    life.passes(56 * HOUR - SECOND)
    assert life.topics(MessageKind.REMINDER) == []
    life.passes(SECOND)
    assert life.topics(MessageKind.REMINDER) == [Topic.STILL_WAITING]
    assert life.last_message().target == PAYMENTS.approvals_channel
    life.passes(6 * DAY - 56 * HOUR - SECOND)
    assert life.topics(MessageKind.REMINDER) == [Topic.STILL_WAITING]
    life.passes(SECOND)
    assert life.topics(MessageKind.REMINDER) == [Topic.STILL_WAITING, Topic.LAST_CHANCE]
    life.passes(DAY)
    assert life.record.request.state is RequestState.LAPSED
    assert life.reminded() == ["still waiting", "last chance"]


def test_after_a_long_absence_one_reminder_is_enough() -> None:
    """The bot was off until an hour before the end: the last chance is told, and what was missed is not."""
    life = Life()
    life.is_away(7 * DAY - HOUR)
    assert life.topics(MessageKind.REMINDER) == [Topic.LAST_CHANCE]
    life.passes(HOUR - SECOND)
    assert life.reminded() == ["last chance"]
    assert timing.reminders(life.record) == ()


@pytest.mark.parametrize(
    ("lapses_after", "topics"),
    [
        (36 * HOUR, [Topic.STILL_WAITING]),
        (36 * HOUR + SECOND, [Topic.STILL_WAITING, Topic.LAST_CHANCE]),
        (HOUR, [Topic.STILL_WAITING]),
    ],
)
def test_a_short_wait_has_no_last_chance(lapses_after: timedelta, topics: list[Topic]) -> None:
    """Where a day before the end comes no later than a third of the time, that day is not told of."""
    life = Life(replace(PAYMENTS, lapses_after=lapses_after))
    life.passes(lapses_after)
    assert life.topics(MessageKind.REMINDER) == topics
    assert life.record.request.state is RequestState.LAPSED


def test_a_decision_ends_the_reminding() -> None:
    """Bob says no: nobody is reminded any more, and a note that was not posted yet stays unposted."""
    life = Life()
    life.now += 56 * HOUR
    life.settle()
    note = life.last_message()
    assert note.topic is Topic.STILL_WAITING
    life.says(BOB, Verdict.NO)
    assert (EffectKind.REMIND, "r") not in life.open
    life.works()
    assert not next(one for one in life.record.messages if one.id == note.id).is_posted
    life.passes(7 * DAY)
    assert life.reminded() == ["still waiting"]


def test_what_woke_too_early_is_promised_again() -> None:
    """A promise that is kept before its time reminds nobody and stands again for the right time."""
    life = Life()
    life.works()
    place = (EffectKind.REMIND, "r")
    assert life.open[place] == NOW + 56 * HOUR
    life.now += HOUR
    life.act(place)
    assert life.reminded() == []
    assert life.open[place] == NOW + 56 * HOUR
    early = lifecycle.observe(held().record, facts.Due(), NOW + DAY, Ids())
    assert {(one.kind, one.due_at) for one in early.promises} == {
        (EffectKind.END_GRANT, NOW + 7 * DAY),
        (EffectKind.REMIND, NOW + 4.25 * DAY),
    }
