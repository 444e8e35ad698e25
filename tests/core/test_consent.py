"""A plan that opens further APIs: who is offered it, and whose approvals it needs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core import rules
from bot.core.lifecycle import Asked, review, submit
from bot.core.model import (
    Answers,
    ApiRef,
    Audience,
    Limits,
    Plan,
    Record,
    Refusal,
    RequestId,
    RequestState,
    Rule,
    Verdict,
)
from tests.core.life import ALICE, BOB, CAROL, DAY, MALLORY, NOW, PAYMENTS, Ids, person

LEDGER = ApiRef("0f6d", "ledger", ("Default",), "Ledger")
OWNERS = Audience(groups=frozenset({"S0OWNERS"}))
GOLD = Plan("gold", Limits(1, 1, -1, 60), ("p",), (LEDGER,), approvals=2, requesters=(OWNERS,))
STANDARD = PAYMENTS.plans[0]
RULE = replace(PAYMENTS, approvals=1, plans=(STANDARD, GOLD))
ANN = person("ann", "S0DEVS", "S0OWNERS")


def asked_for(plan: Plan, rule: Rule = RULE) -> Record:
    form = Asked(RequestId("r"), plan, 7 * DAY, Answers(reason="because"))
    return submit(form, ANN, rules.for_plan(rule, plan), "digest", 1, NOW, Ids()).record


def approved_by_bob(record: Record, in_force: Rule = RULE) -> Record:
    return review(record, in_force, BOB, Verdict.YES, "", NOW, Ids("bob")).record


def test_who_may_not_ask_for_the_further_api_is_not_offered_the_plan() -> None:
    """Alice may ask for Payments and not for Ledger, so of its plans she sees the other one; Ann sees both."""
    mine, hers = rules.offered(RULE, ALICE), rules.offered(RULE, ANN)
    assert mine is not None
    assert mine.plans == (STANDARD,)
    assert hers == RULE
    assert rules.offered(replace(RULE, plans=(GOLD,)), ALICE) is None
    assert rules.offered(RULE, person("nobody")) is None


def test_each_further_api_has_its_say() -> None:
    """A plan opens two more APIs, and Ann may ask for one of them alone."""
    both = replace(GOLD, requesters=(OWNERS, Audience(users=frozenset({"UCAROL"}))))
    assert rules.offered(replace(RULE, plans=(both,)), ANN) is None


def test_who_may_approve_is_asked_of_the_plans_rule_too() -> None:
    """Payments is granted at once by now, and Ledger is not: whom the rule in force names decides about what opens both."""
    in_force = replace(RULE, approvals=0, approvers=Audience(users=frozenset({"UBOB"})))
    record = asked_for(GOLD)
    assert rules.reviewing_by(record, in_force, BOB) == "UBOB"
    with pytest.raises(Refusal, match="can't approve Payments"):
        rules.reviewing_by(record, in_force, CAROL)


def test_the_further_apis_number_of_approvals_counts() -> None:
    """Payments needs one approval and Ledger two: what opens both needs two, and the other plan one."""
    assert approved_by_bob(asked_for(STANDARD)).request.state is RequestState.APPROVED
    half = approved_by_bob(asked_for(GOLD))
    assert half.request.state is RequestState.PENDING
    whole = review(half, RULE, CAROL, Verdict.YES, "", NOW, Ids("carol")).record
    assert whole.request.state is RequestState.APPROVED


def test_more_approvals_for_the_further_api_count_from_then_on() -> None:
    """Ledger asks for two since the request was made: one approval is not enough any more, and the plan is still the same."""
    before = replace(GOLD, approvals=1)
    record, then = asked_for(before), replace(RULE, plans=(STANDARD, before))
    assert approved_by_bob(record, then).request.state is RequestState.APPROVED
    assert approved_by_bob(record).request.state is RequestState.PENDING


def test_another_title_is_no_other_plan() -> None:
    """What people call an API may change while somebody waits; what the key opens may not."""
    renamed = replace(RULE, plans=(replace(GOLD, also_opens=(replace(LEDGER, title="Books"),)),))
    assert len(approved_by_bob(asked_for(GOLD), renamed).reviews) == 1
    moved = replace(RULE, plans=(replace(GOLD, also_opens=(replace(LEDGER, api_id="other"),)),))
    with pytest.raises(Refusal, match="has changed"):
        approved_by_bob(asked_for(GOLD), moved)


def test_who_may_no_longer_ask_for_the_further_api_gets_no_key() -> None:
    """Before the key is made the further API's rule is asked about the requester, too."""
    plan = replace(GOLD, approvals=1)
    in_force = replace(RULE, plans=(STANDARD, plan))
    record = approved_by_bob(asked_for(plan, in_force), in_force)
    rules.check_still_allowed(record, in_force, ANN)
    with pytest.raises(Refusal, match="can no longer request"):
        rules.check_still_allowed(record, in_force, replace(MALLORY, identity=ANN.identity))


def test_the_audit_names_all_that_is_opened() -> None:
    """Whoever reads that something was asked for reads what it opens; of one API alone its own name says it."""
    assert asked_for(GOLD).request.opening == {"opens": ["Payments", "Ledger"]}
    assert asked_for(STANDARD).request.opening == {}
