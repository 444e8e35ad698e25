"""Rules applied to people: who may ask, whose approval counts, and what a changed file does to a standing request."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from bot.core import lifecycle, rules
from bot.core.model import ApiRef, Approver, Audience, Person, Plan, Record, Refusal, Review, Rule, Verdict
from tests.core.life import ALICE, BOB, CAROL, DAVE, DAY, MALLORY, NOW, PAYMENTS, approved, asked, person, say

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


BY_NAME = Audience(users=frozenset({"UBOB"}))
OTHERS = Audience(groups=frozenset({"S0AUDIT"}))


@pytest.mark.parametrize(
    ("before", "now", "who", "by"),
    [
        (LEADS, BY_NAME, BOB, "UBOB"),
        (BY_NAME, LEADS, BOB, "S0LEADS"),
        (LEADS, BY_NAME, CAROL, None),
        (BY_NAME, LEADS, CAROL, None),
        (LEADS, OTHERS, person("eve", "S0LEADS", "S0AUDIT"), "S0AUDIT"),
        (LEADS, OTHERS, BOB, None),
    ],
)
def test_both_rules_have_to_name_an_approver_as_a_person(
    before: Audience, now: Audience, who: Person, by: str | None
) -> None:
    """Bob is one of the leads, whom one rule names, and is named himself by the other: he decides, by the rule in force."""
    record = asked(replace(PAYMENTS, approvers=before)).record
    assert _by(record, replace(PAYMENTS, approvers=now), who) == by


def _by(record: Record, in_force: Rule, who: Person) -> str | None:
    """What this person's review counts by; None where they may not decide."""
    with suppress(Refusal):
        return rules.reviewing_by(record, in_force, who)
    return None


@pytest.mark.parametrize(
    ("frozen", "in_force", "dave", "bob"),
    [
        ((0, DAVE_ALONE), (1, LEADS), None, "S0LEADS"),
        ((1, LEADS), (0, DAVE_ALONE), None, "S0LEADS"),
        ((0, LEADS), (0, DAVE_ALONE), "UDAVE", None),
    ],
)
def test_a_rule_that_needs_nobody_bars_nobody(
    frozen: tuple[int, Audience], in_force: tuple[int, Audience], dave: str | None, bob: str | None
) -> None:
    """Where one of the two rules needs no approval, the approvers of the other decide alone."""
    before, now = (replace(PAYMENTS, approvals=need, approvers=who) for need, who in (frozen, in_force))
    record = Record(asked(before).record.request)
    assert (_by(record, now, DAVE), _by(record, now, BOB)) == (dave, bob)


@pytest.mark.parametrize(
    ("in_force", "code"),
    [
        (None, "rule_gone"),
        (replace(PAYMENTS, out_of_force=True), "out_of_force"),
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


def test_what_is_out_of_force_is_not_gone() -> None:
    """Who would decide or get a new token reads what is wrong and who mends it; nobody can ask, and what was approved counts."""
    out = replace(PAYMENTS, out_of_force=True, approvers=Audience())
    for text in (
        _refused(lambda: rules.reviewing_by(asked().record, out, BOB)),
        _refused(lambda: rules.check_still_allowed(approved(), out, ALICE)),
    ):
        assert text.startswith("Payments can't be granted right now: too few of its approvers are left.")
        assert "Its owners have to name others first." in text
    assert (rules.may_ask(out, ALICE), rules.offered(out, ALICE)) == (False, None)
    record = say(asked().record, BOB).record
    assert rules.recounted(record, out, (Approver(BOB),)) == record.reviews


def _refused(ask: Callable[[], object]) -> str:
    with pytest.raises(Refusal) as caught:
        ask()
    return caught.value.text


# --- whose approval counts --------------------------------------------------------------------------------------------


def test_channels_and_everyone_approve_nothing() -> None:
    """Even where a rule was made with them, they make nobody an approver."""
    open_to_all = replace(PAYMENTS, approvers=Audience(everyone=True, channels=frozenset({"C1"})))
    somebody = replace(MALLORY, channels=frozenset({"C1"}))
    assert _by(asked(open_to_all).record, open_to_all, somebody) is None


def test_the_approvals_that_count() -> None:
    """A yes that was not found void; never the requester's own, or a no."""

    def review(who: Person, verdict: Verdict = Verdict.YES, void: str = "") -> Review:
        return Review(who.identity, verdict, "S0LEADS", NOW, void=void)

    mine, no, gone = review(ALICE), review(CAROL, Verdict.NO), review(MALLORY, void="no longer an approver")
    bob, dave = review(BOB), review(DAVE)
    assert rules.approvals((mine, no, gone, bob, dave), ALICE.identity) == (bob, dave)


DEACTIVATED = "their account is deactivated"


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (Approver(BOB), ""),
        (Approver(BOB, DEACTIVATED), DEACTIVATED),
        (Approver(person("bob")), "no longer an approver"),
        (Approver(replace(BOB, also=frozenset({"UALICE"}))), "it was their own request"),
    ],
)
def test_who_said_yes_is_asked_about_again(now: Approver, why: str) -> None:
    """Bob's yes counts for as long as he could say it today; after that he has to say it again."""
    record = say(asked().record, BOB).record
    (review,) = rules.recounted(record, PAYMENTS, (now,))
    assert review.void == why
    (again,) = rules.recounted(replace(record, reviews=(review,)), PAYMENTS, (Approver(BOB),))
    assert again.void == why


def test_of_whom_nothing_was_looked_up_what_was_found_last_stands() -> None:
    """Bob's yes and his standing are two answers: without the second nothing changes."""
    record = say(asked().record, BOB).record
    assert rules.recounted(record, PAYMENTS, (Approver(CAROL, DEACTIVATED),)) == record.reviews


def test_a_no_stands_whoever_said_it() -> None:
    """Bob denied it and left: only what was approved is looked at again."""
    denied = say(asked().record, BOB, Verdict.NO).record
    assert rules.recounted(denied, PAYMENTS, (Approver(BOB, DEACTIVATED),)) == denied.reviews


# --- who is who -------------------------------------------------------------------------------------------------------


def test_who_moves_to_another_team_stays_who_they_are() -> None:
    """A team id changes when somebody moves within the organisation; the user id is the identity."""
    moved = replace(ALICE, identity=replace(ALICE.identity, team_id="T9"))
    assert moved.identity == ALICE.identity
    assert len({moved.identity, ALICE.identity}) == 1
    with pytest.raises(Refusal, match="You can't approve your own request"):
        rules.reviewing_by(asked().record, PAYMENTS, moved)


def test_either_id_of_a_person_is_theirs() -> None:
    """On Enterprise Grid Alice clicks as W1: she is who asked, and who the rule names."""
    alice = replace(person("w1"), identity=replace(ALICE.identity, user_id="W1"), also=frozenset({"UALICE"}))
    assert rules.counted_by(Audience(users=frozenset({"UALICE"})), alice) == "UALICE"
    assert rules.counted_by(Audience(users=frozenset({"W1"})), alice) == "W1"
    with pytest.raises(Refusal, match="You can't approve your own request"):
        rules.reviewing_by(asked().record, PAYMENTS, alice)


@pytest.mark.parametrize(
    ("approvals", "able", "said"),
    [
        (1, {"UALICE"}, "Payments needs 1 approval, but nobody other than you can give one."),
        (2, {"UALICE", "UBOB"}, "Payments needs 2 approvals, but only 1 person other than you can give one."),
        (3, {"UBOB", "UDAVE"}, "Payments needs 3 approvals, but only 2 people other than you can give one."),
    ],
)
def test_a_rule_too_few_can_satisfy_is_refused_at_submission(approvals: int, able: set[str], said: str) -> None:
    """Whoever asks is none of those who can; one more makes it enough."""
    rule = replace(PAYMENTS, approvals=approvals)
    with pytest.raises(Refusal) as refused:
        rules.check_reachable(rule, ALICE.identity, frozenset(able))
    assert refused.value.text == f"{said} Ask in the help channel."
    rules.check_reachable(rule, ALICE.identity, frozenset(able | {"UCAROL"}))


def test_who_is_called_where_the_file_offers_it_no_more() -> None:
    """The entry or its plan is gone: those whom the request's own rule names, or the entry's."""
    record = asked().record
    assert rules.called(record, None) == rules.to_call(PAYMENTS, ALICE.identity)
    others = replace(PAYMENTS, approvers=BY_NAME, plans=(replace(PAYMENTS.plans[0], name="gold", approvals=3),))
    assert rules.called(record, others) == BY_NAME


# --- asked once more before the key is made and before it is shown ----------------------------------------------------


def test_what_was_granted_stays_allowed() -> None:
    """Nothing changed, and a rule that asks for less by now changes nothing either."""
    lifecycle.check_still_allowed(approved(), PAYMENTS, ALICE)
    lifecycle.check_still_allowed(approved(), replace(PAYMENTS, approvals=1), ALICE)


def test_a_rule_that_changed_bars_the_key() -> None:
    """Three approvals are needed by now, and two are not three."""
    with pytest.raises(Refusal, match="now needs 3 approvals"):
        lifecycle.check_still_allowed(approved(), replace(PAYMENTS, approvals=3), ALICE)


def test_a_requester_whom_the_rule_in_force_leaves_out_is_barred() -> None:
    """Alice has to belong under the rule in force, approved or not, whatever the one she asked under says."""
    others = replace(PAYMENTS, requesters=Audience(groups=frozenset({"S0OTHERS"})))
    for rule, who in ((PAYMENTS, person("alice")), (others, ALICE)):
        with pytest.raises(Refusal, match="can no longer request"):
            lifecycle.check_still_allowed(approved(), rule, who)


def test_wider_is_not_narrower() -> None:
    """Everybody may ask by now: that Alice has left the group that once let her changes nothing."""
    everybody = replace(PAYMENTS, requesters=Audience(everyone=True))
    lifecycle.check_still_allowed(approved(), everybody, person("alice"), (Approver(BOB), Approver(CAROL)))


@pytest.mark.parametrize(
    ("rule", "carol", "why"),
    [
        (PAYMENTS, Approver(CAROL, DEACTIVATED), f"has 1 left: carol's no longer counts ({DEACTIVATED})"),
        (PAYMENTS, Approver(person("carol")), "has 1 left: carol's no longer counts (no longer an approver)"),
        (replace(PAYMENTS, approvers=BY_NAME), Approver(CAROL), "carol's no longer counts (no longer an approver)"),
    ],
)
def test_an_approval_that_nobody_could_give_any_more_bars_the_key(rule: Rule, carol: Approver, why: str) -> None:
    """Two said yes, and one of them may not any more: the sentence says whose it was."""
    with pytest.raises(Refusal) as caught:
        lifecycle.check_still_allowed(approved(), rule, ALICE, (Approver(BOB), carol))
    assert caught.value.code == "approvals_fell"
    assert why in caught.value.text


def test_an_approval_that_fell_before_and_was_not_looked_up_is_nobodys_by_name() -> None:
    """A token is replaced, for which nobody is looked up: the sentence counts, and names no one."""
    record = approved()
    first, second = record.reviews
    fell = replace(record, reviews=(replace(first, void=DEACTIVATED), second))
    with pytest.raises(Refusal, match="now needs 2 approvals, and R-1001 has 1"):
        lifecycle.check_still_allowed(fell, PAYMENTS, ALICE)
    one = replace(PAYMENTS, approvals=1)
    with pytest.raises(Refusal, match="now needs 1 approval, and R-1001 has 0"):
        lifecycle.check_still_allowed(asked(one).record, one, ALICE)


def test_what_two_approved_may_be_approved_by_name_now() -> None:
    """The leads approved, and the file names Bob and Carol, who are leads: their approvals count."""
    named = replace(PAYMENTS, approvers=Audience(users=frozenset({"UBOB", "UCAROL"})))
    lifecycle.check_still_allowed(approved(), named, ALICE, (Approver(BOB), Approver(CAROL)))
