"""Approving less than was asked for: what counts as less, who consented to it, and that nobody ever gets more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import lifecycle, narrowing
from bot.core.lifecycle import Asked, Choice, choices
from bot.core.model import (
    Answers,
    ApiRef,
    Audience,
    AuditEvent,
    Lifetime,
    Limits,
    Person,
    Plan,
    PolicyTerms,
    Record,
    Refusal,
    RequestId,
    RequestState,
    Rule,
    Scope,
    Transition,
    Verdict,
)
from bot.core.narrowing import is_smaller
from tests.core.life import ALICE, BOB, CAROL, DAY, MALLORY, NOW, PAYMENTS, Ids

LEDGER, SEARCH = ApiRef("0f6d", "ledger", ("Default",)), ApiRef("77aa", "search", ("Default",))
SMALL = Plan("small", Limits(10, 1, 1000, 86400))
STANDARD = Plan("standard", Limits(100, 1, 10000, 86400))
WIDE = Plan("wide", Limits(100, 1, -1, 60), also_opens=(LEDGER, SEARCH))
GOLD = Plan("gold", Limits(1, 1, -1, 60), ("p",), (LEDGER,), terms=(PolicyTerms("p", "Gold", 500, 1, -1, 60),))
RULE = replace(PAYMENTS, plans=(SMALL, STANDARD, WIDE, GOLD), lifetimes=(7 * DAY, DAY, 30 * DAY, None))
WEEK = 7 * DAY


def asked(plan: Plan = STANDARD, lifetime: Lifetime = WEEK, rule: Rule = RULE) -> Record:
    form = Asked(RequestId("r"), plan, lifetime, Answers(reason="because"))
    return lifecycle.submit(form, ALICE, rule.with_plan(plan), "digest", 1001, NOW, Ids()).record


def says_yes(
    record: Record, who: Person, plan: str, lifetime: Lifetime, *, note: str = "", rule: Rule | None = RULE
) -> Transition:
    choice = Choice(plan, lifetime)
    return lifecycle.review(record, rule, who, Verdict.YES, note, NOW, Ids(who.name), choice)


# --- what is less -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "smaller"),
    [
        (Limits(100, 1, 10000, 86400), True),
        (Limits(10, 1, 10000, 86400), True),
        (Limits(100, 60, 10000, 86400), True),
        (Limits(101, 60, 10000, 86400), False),
        (Limits(50, 0, 10000, 86400), False),
        (Limits(10, 1, 5000, 0), True),
        (Limits(10, 1, 10001, 8640000), False),
        (Limits(10, 1, 10000, 86399), False),
        (Limits(10, 1, 1, 1), False),
        (Limits(10, 1, -1, 86400), False),
        (Limits(0, 1, 10000, 86400), False),
        (Limits(2, 1, 5000, 86400), True),
    ],
)
def test_a_smaller_plan_allows_no_more_calls_at_once_or_over_time(limits: Limits, smaller: bool) -> None:
    """Neither by the rate nor by the quota; what has no limit is more than what has one."""
    assert is_smaller(Plan("other", limits), STANDARD) is smaller
    assert is_smaller(Plan("other", limits), replace(STANDARD, limits=Limits(0, 1, -1, 60)))


def test_a_smaller_plan_opens_no_further_api() -> None:
    """What opens Ledger besides is not less than what opens Payments alone."""
    assert is_smaller(STANDARD, WIDE)
    assert is_smaller(replace(STANDARD, also_opens=(SEARCH,)), WIDE)
    assert not is_smaller(replace(SMALL, also_opens=(SEARCH,)), STANDARD)
    assert not is_smaller(replace(SMALL, also_opens=(replace(SEARCH, versions=("v2",)),)), WIDE)


def test_limits_that_nobody_knows_are_not_compared() -> None:
    """Of a plan with Tyk policies they are known where Tyk could say them; one that is not known is never called less."""
    assert not is_smaller(replace(SMALL, tyk_policies=("p",)), STANDARD)
    assert is_smaller(STANDARD, GOLD)
    assert not is_smaller(STANDARD, replace(GOLD, terms=()))
    assert not is_smaller(STANDARD, replace(GOLD, terms=(replace(GOLD.terms[0], each_api=True),)))
    half = PolicyTerms("p", "Gold", 0.5, 1, -1, 60)
    assert not is_smaller(replace(SMALL, limits=Limits(1, 1, -1, 60)), replace(GOLD, terms=(half,)))
    own = PolicyTerms("p", "Gold")
    assert is_smaller(replace(SMALL, limits=Limits(1, 1, -1, 60)), replace(GOLD, terms=(own,)))
    assert is_smaller(STANDARD, replace(GOLD, terms=(half, GOLD.terms[0]))), "the most generous counts"


def test_what_is_offered_is_what_is_asked_for_and_what_is_less() -> None:
    """In order, and what is asked for comes last; where nothing is less it stands alone."""
    offered = choices(asked().request, RULE)
    assert offered.lifetimes == (DAY, WEEK)
    assert offered.plans == (SMALL, STANDARD)
    endless = choices(asked(WIDE, None).request, RULE)
    assert endless.lifetimes == (DAY, WEEK, 30 * DAY, None)
    assert endless.plans == (SMALL, STANDARD, WIDE)
    least = choices(asked(SMALL, DAY).request, RULE)
    assert (least.plans, least.lifetimes) == ((SMALL,), (DAY,))


def test_what_the_rule_in_force_does_not_offer_alike_is_not_offered() -> None:
    """It was changed since Alice asked: gone, with other limits, with more approvals, or for people she is perhaps not among."""
    record = asked()
    for now in (
        replace(RULE, plans=RULE.plans[1:]),
        RULE.with_plan(replace(SMALL, limits=Limits(9, 1, 1000, 86400))),
        RULE.with_plan(replace(SMALL, approvals=3)),
        RULE.with_plan(replace(SMALL, requesters=(Audience(everyone=True),))),
    ):
        assert choices(record.request, now).plans == (STANDARD,)
    assert choices(record.request, replace(RULE, lifetimes=(WEEK,))).lifetimes == (WEEK,)


# --- a yes to less ----------------------------------------------------------------------------------------------------


def test_a_yes_to_less_is_what_is_granted() -> None:
    """The grant ends after a day, and the request keeps what was asked for; the audit says both."""
    record = says_yes(asked(), BOB, "standard", WEEK).record
    step = says_yes(record, CAROL, "small", DAY, note="for the test alone")
    request, grant = step.record.request, step.record.grant
    assert request.state is RequestState.APPROVED
    assert (request.plan, request.lifetime, request.asked) == (SMALL, DAY, Scope(STANDARD, WEEK))
    assert grant is not None
    assert grant.until == NOW + DAY
    reviewed, approved = step.audit
    less = {"plan": "small", "lifetime": 86400, "asked_plan": "standard", "asked_lifetime": 604800}
    assert reviewed.details.items() >= (less | {"reason": "for the test alone", "have": 2}).items()
    assert approved.event is AuditEvent.APPROVED
    assert approved.details.items() >= less.items()


def test_an_approval_of_before_was_to_more_and_counts() -> None:
    """Bob said yes to seven days, Carol to one: that is what both of them consent to, and nobody is asked anew."""
    record = says_yes(says_yes(asked(), BOB, "standard", WEEK).record, CAROL, "standard", DAY).record
    assert record.lives
    assert record.request.lifetime == DAY


def test_who_approves_afterwards_approves_what_is_left() -> None:
    """Bob made it a day, and Carol's plain yes is to that; the audit says at the approval what was asked for."""
    record = says_yes(asked(), BOB, "standard", DAY).record
    step = lifecycle.review(record, RULE, CAROL, Verdict.YES, "", NOW, Ids())
    assert step.record.grant is not None
    assert step.record.grant.until == NOW + DAY
    assert "asked_lifetime" not in step.audit[0].details
    assert step.audit[1].details["asked_lifetime"] == 604800


def test_a_form_of_before_gives_no_more_than_the_request_is_for_by_now() -> None:
    """Bob made it a day while Carol's form was open: her seven days are refused where she picked them, and nothing changes."""
    record = says_yes(asked(), BOB, "small", DAY).record
    for plan, lifetime, field in (("small", WEEK, "lifetime"), ("standard", DAY, "plan")):
        with pytest.raises(Refusal) as caught:
            says_yes(record, CAROL, plan, lifetime)
        assert (caught.value.field, caught.value.code) == (field, "not_less")
    assert says_yes(record, CAROL, "small", DAY).record.lives


@pytest.mark.parametrize(
    ("plan", "lifetime"), [("standard", 30 * DAY), ("standard", None), ("wide", WEEK), ("x", WEEK)]
)
def test_more_than_was_asked_for_is_never_given(plan: str, lifetime: Lifetime) -> None:
    """Whatever came back from a form."""
    with pytest.raises(Refusal, match="can't be given now"):
        says_yes(asked(), BOB, plan, lifetime)


def test_the_same_form_twice_is_one_yes() -> None:
    """What it made less is so already, and Bob has said yes."""
    record = says_yes(asked(), BOB, "standard", DAY).record
    with pytest.raises(Refusal) as caught:
        says_yes(record, BOB, "standard", DAY)
    assert caught.value.code == "said_yes"


def test_who_said_yes_may_still_make_it_less() -> None:
    """Bob thinks better of it while Carol has not decided: one approval, his later words, a shorter time."""
    record = says_yes(asked(), BOB, "standard", WEEK, note="fine").record
    record = says_yes(record, BOB, "standard", DAY, note="a day is enough").record
    assert [(one.reviewer, one.reason) for one in record.reviews] == [(BOB.identity, "a day is enough")]
    assert record.request.lifetime == DAY
    assert not record.lives


@pytest.mark.parametrize(("who", "code"), [(ALICE, "own_request"), (MALLORY, "not_approver")])
def test_who_may_not_approve_makes_nothing_less(who: Person, code: str) -> None:
    """Neither the requester, although she is among the leads, nor somebody whom the rule does not name."""
    with pytest.raises(Refusal) as caught:
        says_yes(asked(), who, "standard", DAY)
    assert caught.value.code == code


def test_less_still_needs_as_many_approvals_as_were_asked_for() -> None:
    """The plan that was asked for needs two: one that needs one is no way around the second."""
    gold, small = replace(GOLD, approvals=2), replace(SMALL, limits=Limits(1, 1, 10, 60))
    rule = replace(RULE, approvals=1, plans=(small, gold))
    form = Asked(RequestId("r"), gold, WEEK, Answers(reason="because"))
    frozen = replace(rule, approvals=2)
    record = lifecycle.submit(form, ALICE, frozen, "digest", 1001, NOW, Ids()).record
    record = says_yes(record, BOB, "small", WEEK, rule=rule).record
    assert record.request.plan == small
    assert not record.lives
    assert says_yes(record, CAROL, "small", WEEK, rule=rule).record.lives


LIFETIMES = st.sampled_from([DAY, WEEK, 30 * DAY, None, timedelta(hours=1)])
PLANS = st.sampled_from([plan.name for plan in RULE.plans])


@given(PLANS, LIFETIMES, st.lists(st.tuples(PLANS, LIFETIMES), max_size=5))
def test_whatever_is_picked_it_only_becomes_less(
    plan: str, lifetime: Lifetime, picked: list[tuple[str, Lifetime]]
) -> None:
    """Through any number of forms: no API, no call and no hour more than was asked for."""
    first = RULE.plan(plan)
    assert first is not None
    request = asked(first, lifetime).request
    for name, length in picked:
        before = request
        try:
            request = narrowing.narrowed(request, RULE, Choice(name, length))
        except Refusal:
            continue
        assert request.plan == before.plan or is_smaller(request.plan, before.plan)
        assert before.lifetime is None or (request.lifetime is not None and request.lifetime <= before.lifetime)
    assert request.plan == first or is_smaller(request.plan, first)
    assert request.asked in (None, Scope(first, lifetime))
    assert (request.asked is None) == ((request.plan, request.lifetime) == (first, lifetime))
