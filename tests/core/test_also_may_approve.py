"""People who may decide and are not called: they count wherever an approver counts, and no message mentions them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core import grants, rules
from bot.core.deciders import Deciders, Named, deciders
from bot.core.model import Approver, Audience, GrantState, Refusal, Rule, Verdict
from tests.core.life import ALICE, BOB, CAROL, DAVE, MALLORY, PAYMENTS, asked, held, person, say

MEMBERS = {"S0LEADS": frozenset({"UBOB", "UCAROL"}), "S0ONCALL": frozenset({"UEVE", "UBOB"})}
LEADS = Audience(groups=frozenset({"S0LEADS"}))
EVE = person("eve", "S0ONCALL")
ONE = replace(PAYMENTS, approvals=1, approvers=LEADS)


def also(rule: Rule = ONE, *users: str, groups: tuple[str, ...] = ()) -> Rule:
    return replace(rule, also_may_approve=Audience(users=frozenset(users), groups=frozenset(groups)))


def found(frozen: Rule, now: Rule | None = None) -> Deciders:
    return deciders(asked(frozen).record, now or frozen, Named(MEMBERS))


@pytest.mark.parametrize(
    ("rule", "able", "groups", "people"),
    [
        (also(ONE, "UDAVE"), {"UBOB", "UCAROL", "UDAVE"}, ("S0LEADS",), ()),
        (also(ONE, groups=("S0ONCALL",)), {"UBOB", "UCAROL", "UEVE"}, ("S0LEADS",), ()),
        (also(ONE, "UBOB"), {"UBOB", "UCAROL"}, ("S0LEADS",), ()),
        (also(replace(ONE, approvers=Audience(users=frozenset({"UDAVE"}))), groups=("S0LEADS",)),
         {"UBOB", "UCAROL", "UDAVE"}, (), ("UDAVE",)),
    ],
)  # fmt: skip
def test_who_may_decide_besides_is_able_and_is_not_called(
    rule: Rule, able: set[str], groups: tuple[str, ...], people: tuple[str, ...]
) -> None:
    """Their group is not mentioned either; whoever is an approver as well is called as ever."""
    who = found(rule)
    assert (set(who.able), who.groups, who.people) == (able, groups, people)
    called = frozenset(people).union(*(MEMBERS[group] for group in groups))
    assert who.undecided(asked(rule).record) == tuple(sorted(called)), "and reminders call nobody else"


def test_the_rule_in_force_says_who_is_called() -> None:
    """Dave was an approver when Alice asked, and only may decide by now; or the other way round."""
    approver = replace(ONE, approvers=Audience(groups=LEADS.groups, users=frozenset({"UDAVE"})))
    assert found(approver, also(ONE, "UDAVE")).people == ()
    assert found(also(ONE, "UDAVE"), approver).people == ("UDAVE",)
    assert "UDAVE" in found(approver, also(ONE, "UDAVE")).able


def test_where_nobody_else_could_be_called_they_are() -> None:
    """Alice is the only approver and asks herself, or the leads are nobody but her: else nobody would hear of it."""
    alone = also(replace(ONE, approvers=Audience(users=frozenset({"UALICE"}))), "UDAVE", groups=("S0ONCALL",))
    record = asked(alone).record
    who = deciders(record, alone, Named(MEMBERS))
    assert (who.groups, who.people, set(who.called)) == (("S0ONCALL",), ("UDAVE",), {"UDAVE", "UEVE", "UBOB"})
    assert rules.to_call(alone, record.request.requester) == alone.may_approve
    assert rules.to_call(alone, BOB.identity) == alone.approvers, "Alice is called where somebody else asks"
    of_her_own = Named(MEMBERS | {"S0LEADS": frozenset({"UALICE"})})
    who = deciders(asked(also(ONE, "UDAVE")).record, also(ONE, "UDAVE"), of_her_own)
    assert (who.groups, who.people) == ((), ("UDAVE",))


def test_a_no_names_them_among_those_who_can() -> None:
    """A refusal is read where nobody's phone rings: it names everybody who may decide."""
    rule = also(ONE, "UDAVE")
    for who in (MALLORY, ALICE):
        with pytest.raises(Refusal) as refused:
            rules.reviewing_by(asked(rule).record, rule, who)
        assert refused.value.able == rule.may_approve


def test_they_are_enough_where_the_approvers_are_not() -> None:
    """Two approvals of Bob, Carol and Dave: with Bob gone from the leads it can still be approved."""
    two = also(replace(ONE, approvals=2), "UDAVE")
    left = Named({"S0LEADS": frozenset({"UCAROL"})})
    assert deciders(asked(two).record, two, left).undecidable == ""
    without = replace(two, also_may_approve=Audience())
    assert "but only 1 can be given" in deciders(asked(without).record, without, left).undecidable


def test_their_yes_and_their_no_count() -> None:
    """By the name or the group that the file gives; a stranger's does not."""
    rule = also(ONE, "UDAVE", groups=("S0ONCALL",))
    record = asked(rule).record
    assert rules.reviewing_by(record, rule, DAVE) == "UDAVE"
    assert rules.reviewing_by(record, rule, EVE) == "S0ONCALL"
    assert say(record, DAVE, rule=rule).record.grant is not None
    assert say(record, EVE, Verdict.NO, rule).record.request.decision_reason == "no budget"
    with pytest.raises(Refusal):
        rules.reviewing_by(record, rule, MALLORY)


def test_their_yes_is_void_once_they_may_not_decide() -> None:
    """As an approver's is: the rule in force is asked of them, too."""
    rule = also(replace(ONE, approvals=2), "UDAVE")
    half = say(asked(rule).record, DAVE, rule=rule).record
    (review,) = rules.recounted(half, replace(rule, also_may_approve=Audience()), [Approver(DAVE)])
    assert review.void == "no longer an approver"
    (kept,) = rules.recounted(half, rule, [Approver(DAVE)])
    assert kept.void == ""


def test_they_may_revoke_and_keep_what_has_no_end() -> None:
    """Whatever an approver may do, they may."""
    record, rule = held().record, also(PAYMENTS, "UEVE")
    assert grants.may_revoke(record, rule, EVE)
    assert not grants.may_revoke(record, PAYMENTS, EVE)
    assert record.grant is not None
    assert record.grant.state is GrantState.ACTIVE
    assert [rules.counted_by(rule.may_approve, one) for one in (EVE, BOB, CAROL)] == ["UEVE", "S0LEADS", "S0LEADS"]
