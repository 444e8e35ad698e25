"""The promises of the design, asked of the pure core: whatever happens in whatever order, these hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import facts, lifecycle, rules
from bot.core.model import (
    Audience,
    AuditEvent,
    EffectKind,
    GrantState,
    KeyState,
    MessageKind,
    Record,
    Refusal,
    RequestState,
    Rule,
    Transition,
    Verdict,
)
from tests.core.life import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    DAY,
    LATER,
    MALLORY,
    NOW,
    PAYMENTS,
    Ids,
    approved,
    asked,
    kinds,
    person,
    say,
)


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
    with pytest.raises(Refusal, match="You asked for this yourself"):
        say(asked().record, ALICE)


def test_one_person_counts_once() -> None:
    """Bob's second yes is answered, and counts nothing."""
    with pytest.raises(Refusal, match="already said yes"):
        say(say(asked().record, BOB).record, BOB)


def test_a_stranger_to_the_rule_is_refused() -> None:
    """Mallory may ask for the API, which gives her no say in who gets it."""
    with pytest.raises(Refusal, match="not among those who may decide"):
        say(asked().record, MALLORY)


def test_one_no_denies() -> None:
    """One no denies, with its reason; a yes may turn into it until the decision."""
    denied = say(say(asked().record, BOB).record, BOB, Verdict.NO)
    assert denied.record.request.state is RequestState.DENIED
    assert denied.record.request.decision_reason == "no budget"
    assert denied.record.grant is None


def test_a_losing_click_learns_who_decided() -> None:
    """After the decision every click is answered with who decided and when."""
    with pytest.raises(Refusal, match=r"R-1001 was approved by <@UCAROL>, <!date\^"):
        say(approved(), DAVE)


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
    record = say(asked().record, DAVE).record
    assert say(record, BOB, rule=without_dave).record.request.state is RequestState.PENDING


def test_a_rule_that_is_gone_decides_nothing() -> None:
    """An API that was taken out of the file can no longer be approved."""
    with pytest.raises(Refusal, match="no longer offered"):
        say(asked().record, BOB, rule=None)


def test_a_rule_too_few_can_satisfy_is_refused_at_submission() -> None:
    """Two approvals among two leads, one of whom asks, cannot be reached."""
    with pytest.raises(Refusal, match="only 1 person other than you"):
        rules.check_reachable(PAYMENTS, ALICE.identity, frozenset({"UALICE", "UBOB"}))


def test_an_api_that_needs_nobody_is_granted_at_once() -> None:
    """With `approvals: 0` there is no card, and the key is promised in the same breath."""
    step = asked(replace(PAYMENTS, approvals=0))
    assert step.record.request.state is RequestState.APPROVED
    assert EffectKind.ISSUE_KEY in kinds(step)
    assert all(message.kind is not MessageKind.CARD for message in step.record.messages)


def test_never_promises_no_end() -> None:
    """A grant without an end promises none: a person ends it."""
    step = asked(replace(PAYMENTS, approvals=0), lifetime=None)
    assert step.record.grant is not None
    assert step.record.grant.until is None
    assert EffectKind.END_GRANT not in kinds(step)


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


def test_only_the_requester_withdraws() -> None:
    """Alice can take her request back while it waits; Mallory cannot, and nobody can afterwards."""
    record = asked().record
    with pytest.raises(Refusal):
        lifecycle.withdraw(record, MALLORY.identity, NOW, Ids())
    withdrawn = lifecycle.withdraw(record, ALICE.identity, NOW, Ids()).record
    assert withdrawn.request.state is RequestState.WITHDRAWN
    with pytest.raises(Refusal, match="was withdrawn"):
        lifecycle.withdraw(withdrawn, ALICE.identity, NOW, Ids())


def test_a_key_that_comes_too_late_is_revoked() -> None:
    """A key issued while its grant ended is promised to die, and nothing of it is confirmed or shown."""
    record = approved()
    ended = lifecycle.revoke(record, BOB.identity, "mistake", NOW, LATER).record
    late = lifecycle.observe(ended, issued(record), NOW, LATER)
    assert kinds(late) == {EffectKind.REVOKE_KEY}


def issued(record: Record) -> facts.KeyIssued:
    return facts.KeyIssued(record.keys[0].id, "hash", b"sealed", NOW + lifecycle.PROBATION)


def test_a_rule_that_changed_bars_the_key() -> None:
    """Before the key is made and before it is shown, the rule in force is asked; three yeses now needed are not two."""
    with pytest.raises(Refusal, match="now needs 3 approvals"):
        lifecycle.check_still_allowed(approved(), replace(PAYMENTS, approvals=3), ALICE)


def test_a_requester_who_left_the_group_is_barred() -> None:
    """Alice is no longer a developer of payments: she gets no key, approved or not."""
    with pytest.raises(Refusal, match="no longer among those who may ask"):
        lifecycle.check_still_allowed(approved(), PAYMENTS, person("alice"))


EVERY_FACT = st.sampled_from(
    [
        "posted",
        "shown",
        "gone",
        "issued",
        "confirmed",
        "missing",
        "verified",
        "wrong",
        "token",
        "hidden",
        "dead",
        "barred",
    ]
)
EVERY_ACT = st.sampled_from(["bob", "carol", "alice", "mallory", "no", "withdraw", "revoke", "save", "hour", "week"])


@given(st.lists(st.one_of(EVERY_FACT, EVERY_ACT), max_size=40), st.sampled_from([0, 1, 2]))
def test_whatever_happens_the_promises_hold(story: list[str], approvals: int) -> None:
    """Any acts and answers in any order: no grant without its yeses, no end that is not promised, no key that outlives it."""
    rule, ids, now = replace(PAYMENTS, approvals=approvals), Ids(), NOW
    steps = [asked(rule, ids=ids)]
    for word in story:
        now += timedelta(hours=1) if word == "hour" else 7 * DAY if word == "week" else timedelta(seconds=1)
        record = steps[-1].record
        settled = lifecycle.settle(record, now, ids)
        if settled is not None:
            steps.append(settled)
            record = settled.record
        try:
            steps.append(_next(record, rule, word, now, ids))
        except Refusal:
            continue
    _check(steps, rule)


def _next(record: Record, rule: Rule, word: str, now: datetime, ids: Ids) -> Transition:
    people = {"bob": BOB, "carol": CAROL, "alice": ALICE, "mallory": MALLORY}
    if word in people:
        return lifecycle.review(record, rule, people[word], Verdict.YES, "", now, ids)
    if word == "no":
        return lifecycle.review(record, rule, DAVE, Verdict.NO, "no", now, ids)
    if word == "withdraw":
        return lifecycle.withdraw(record, ALICE.identity, now, ids)
    if word == "revoke":
        return lifecycle.revoke(record, BOB.identity, "why", now, ids)
    key = record.keys[0].id if record.keys else None
    if word == "save":
        return lifecycle.hide(record, ALICE.identity, key or "", now, ids)
    return lifecycle.observe(record, _fact(record, word), now, ids)


def _fact(record: Record, word: str) -> facts.Fact:
    message = record.messages[-1].id
    simple: dict[str, facts.Fact] = {
        "posted": facts.MessagePosted(message, "D1", "1.1"),
        "shown": facts.MessageShown(message, record.request.version),
        "gone": facts.MessageGone(message),
        "barred": facts.Barred("step", "why"),
    }
    if word in simple or not record.keys:
        return simple.get(word, facts.Due())
    key = record.keys[0].id
    until = record.grant.until if record.grant else None
    about_key: dict[str, facts.Fact] = {
        "issued": facts.KeyIssued(key, "hash", b"sealed", NOW + lifecycle.PROBATION),
        "confirmed": facts.KeyConfirmed(key, until),
        "missing": facts.KeyMissing(key),
        "verified": facts.KeyVerified(key),
        "wrong": facts.KeyWrong(key, "why"),
        "token": facts.TokenShown(key),
        "hidden": facts.TokenHidden(key, keep_sealed=False),
        "dead": facts.KeyDead(key),
    }
    return about_key.get(word, facts.Due())


def _check(steps: list[Transition], rule: Rule) -> None:
    promised: set[EffectKind] = set()
    for step in steps:
        promised |= kinds(step)
        record = step.record
        if record.grant is not None:
            yeses = {review.reviewer for review in record.reviews if review.verdict is Verdict.YES}
            assert len(yeses - {ALICE.identity}) >= rule.approvals, "as many yeses as the rule asks for"
            assert EffectKind.END_GRANT in promised, "the end is written down with the beginning"
        ended = record.grant is not None and record.grant.state is GrantState.ENDED
        for key in record.keys:
            if ended and key.state not in (KeyState.DEAD, KeyState.MAKING):
                assert EffectKind.REVOKE_KEY in promised, "after the end every key is to die"
            if key.state is KeyState.DEAD:
                assert key.sealed is None, "nothing of a dead key is kept"
        assert len(record.keys) <= 1
    versions = [step.record.request.version for step in steps]
    assert versions == sorted(versions)
    asked_lines = [line for step in steps for line in step.audit if line.event is AuditEvent.ASKED]
    assert len(asked_lines) == 1
