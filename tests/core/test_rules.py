"""Rules applied to people: who may ask, whose approval counts, and what a changed file does to a standing request."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core import lifecycle, rules
from bot.core.model import ApiRef, Audience, Person, Plan, Record, Refusal, Review, Rule, Verdict
from tests.core.life import ALICE, BOB, CAROL, DAVE, DAY, MALLORY, NOW, PAYMENTS, approved, asked, person

LEADS, DAVE_ALONE = Audience(groups=frozenset({"S0LEADS"})), Audience(users=frozenset({"UDAVE"}))


# --- who belongs to an audience ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("audience", "by"),
    [
        (Audience(everyone=True, users=frozenset({"UEVE"}), groups=frozenset({"S1"})), "UEVE"),
        (Audience(everyone=True, groups=frozenset({"S2", "S1"}), channels=frozenset({"C1"})), "S1"),
        (Audience(everyone=True, channels=frozenset({"C1"})), "C1"),
        (Audience(everyone=True), "everyone"),
        (Audience(users=frozenset({"UBOB"}), groups=frozenset({"S9"}), channels=frozenset({"C9"})), None),
        (Audience(), None),
    ],
)
def test_the_nearest_way_of_belonging_counts(audience: Audience, by: str | None) -> None:
    """By name first, then by a group, a channel, and as one of everybody."""
    eve = replace(person("eve", "S1", "S2"), channels=frozenset({"C1"}))
    assert rules.counted_by(audience, eve) == by


def test_what_somebody_may_ask_for_is_in_the_order_of_its_titles() -> None:
    """Alice sees what her group may ask for, whatever the order and the case of the file."""
    ledger = replace(PAYMENTS, name="l", title="ledger")
    closed = replace(PAYMENTS, name="c", title="Closed", requesters=DAVE_ALONE)
    all_rules = {rule.name: rule for rule in (PAYMENTS, closed, ledger)}
    assert [rule.title for rule in rules.askable(all_rules, ALICE)] == ["ledger", "Payments"]
    assert rules.askable(all_rules, BOB) == ()


def test_the_channels_that_rules_name() -> None:
    """Of these the bot has to know the members."""
    asked_in = replace(PAYMENTS, requesters=Audience(channels=frozenset({"C1", "C2"})))
    assert rules.named_channels({"a": asked_in, "b": PAYMENTS}) == {"C1", "C2"}


# --- the stricter of two rules ----------------------------------------------------------------------------------------


def _stricter(frozen: Rule, in_force: Rule | None) -> Rule:
    return rules.stricter(Record(asked(frozen).record.request), in_force)


@pytest.mark.parametrize(("frozen", "in_force", "needed"), [(1, 3, 3), (3, 1, 3), (0, 2, 2), (2, 0, 2)])
def test_the_higher_number_of_approvals_counts(frozen: int, in_force: int, needed: int) -> None:
    """Whichever of the two rules asks for more."""
    assert _stricter(replace(PAYMENTS, approvals=frozen), replace(PAYMENTS, approvals=in_force)).approvals == needed


def test_both_rules_have_to_name_an_approver() -> None:
    """The leads are named by both; Dave and the auditors by one each."""
    in_force = replace(PAYMENTS, approvers=Audience(groups=frozenset({"S0LEADS", "S0AUDIT"})))
    assert _stricter(PAYMENTS, in_force).approvers == LEADS


@pytest.mark.parametrize(
    ("frozen", "in_force", "approvers"), [((0, DAVE_ALONE), (1, LEADS), LEADS), ((1, LEADS), (0, DAVE_ALONE), LEADS)]
)
def test_a_rule_that_needs_nobody_bars_nobody(
    frozen: tuple[int, Audience], in_force: tuple[int, Audience], approvers: Audience
) -> None:
    """Where one of the two rules needs no approval, the approvers of the other decide alone."""
    before, now = (replace(PAYMENTS, approvals=need, approvers=who) for need, who in (frozen, in_force))
    assert _stricter(before, now).approvers == approvers


@pytest.mark.parametrize(
    ("in_force", "code"),
    [
        (None, "rule_gone"),
        (replace(PAYMENTS, api=ApiRef("other", "payments", ("Default",))), "rule_changed"),
        (replace(PAYMENTS, plans=(Plan("standard", PAYMENTS.plans[0].limits, ("policy",)),)), "plan_changed"),
        (replace(PAYMENTS, plans=()), "plan_changed"),
        (replace(PAYMENTS, lifetimes=(DAY,)), "lifetime_changed"),
    ],
)
def test_what_is_no_longer_on_offer_is_not_granted(in_force: Rule | None, code: str) -> None:
    """Nobody gets something else than was asked for, and nobody consents to it."""
    with pytest.raises(Refusal) as caught:
        _stricter(PAYMENTS, in_force)
    assert caught.value.code == code


# --- whose approval counts --------------------------------------------------------------------------------------------


def test_channels_and_everyone_approve_nothing() -> None:
    """Even where a rule was made with them, they make nobody an approver."""
    open_to_all = replace(PAYMENTS, approvers=Audience(everyone=True, channels=frozenset({"C1"})))
    somebody = replace(MALLORY, channels=frozenset({"C1"}))
    with pytest.raises(Refusal) as caught:
        rules.reviewing_by(open_to_all, ALICE.identity, somebody)
    assert caught.value.code == "not_approver"


def test_the_approvals_that_count() -> None:
    """A yes of somebody whom the rule names; never the requester's own, a no, or one by a group that is gone."""

    def review(who: Person, by: str, verdict: Verdict = Verdict.YES) -> Review:
        return Review(who.identity, verdict, by, NOW)

    mine, no, gone = review(ALICE, "S0LEADS"), review(CAROL, "S0LEADS", Verdict.NO), review(MALLORY, "S0GONE")
    bob, dave = review(BOB, "S0LEADS"), review(DAVE, "UDAVE")
    assert rules.approvals((mine, no, gone, bob, dave), PAYMENTS, ALICE.identity) == (bob, dave)


def test_a_rule_too_few_can_satisfy_is_refused_at_submission() -> None:
    """Two approvals among two leads, one of whom asks, cannot be reached; with Dave they can."""
    with pytest.raises(Refusal, match="only 1 person other than you"):
        rules.check_reachable(PAYMENTS, ALICE.identity, frozenset({"UALICE", "UBOB"}))
    rules.check_reachable(PAYMENTS, ALICE.identity, frozenset({"UALICE", "UBOB", "UDAVE"}))


# --- asked once more before the key is made and before it is shown ----------------------------------------------------


def test_what_was_granted_stays_allowed() -> None:
    """Nothing changed, and a rule that asks for less by now changes nothing either."""
    lifecycle.check_still_allowed(approved(), PAYMENTS, ALICE)
    lifecycle.check_still_allowed(approved(), replace(PAYMENTS, approvals=1), ALICE)


def test_a_rule_that_changed_bars_the_key() -> None:
    """Three approvals are needed by now, and two are not three."""
    with pytest.raises(Refusal, match="now needs 3 approvals"):
        lifecycle.check_still_allowed(approved(), replace(PAYMENTS, approvals=3), ALICE)


@pytest.mark.parametrize(
    ("in_force", "groups"),
    [
        (PAYMENTS, ()),
        (replace(PAYMENTS, requesters=Audience(everyone=True)), ()),
        (replace(PAYMENTS, requesters=Audience(groups=frozenset({"S0OTHERS"}))), ("S0DEVS",)),
    ],
)
def test_a_requester_whom_either_rule_leaves_out_is_barred(in_force: Rule, groups: tuple[str, ...]) -> None:
    """Alice has to belong under the rule she asked under and under the one in force, approved or not."""
    with pytest.raises(Refusal, match="no longer among those who may ask"):
        lifecycle.check_still_allowed(approved(), in_force, person("alice", *groups))


def test_an_approver_who_is_no_longer_named_bars_the_key() -> None:
    """The leads approved, and the file names only Dave by now."""
    with pytest.raises(Refusal) as caught:
        lifecycle.check_still_allowed(approved(), replace(PAYMENTS, approvers=DAVE_ALONE), ALICE)
    assert caught.value.code == "approvals_rose"
