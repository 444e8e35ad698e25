"""Those who may decide now: named by both rules as a person, never the requester, and whether they are enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from bot.core import rules
from bot.core.deciders import Deciders, Named, asking_again_helps, deciders
from bot.core.model import NOBODY, Audience, Rule
from tests.core.life import ALICE, BOB, PAYMENTS, asked, say

LEADS = frozenset({"UBOB", "UCAROL", "UALICE"})
MEMBERS: Mapping[str, frozenset[str]] = {"S0LEADS": LEADS, "S0AUDIT": frozenset({"UCAROL", "UEVE"})}
ONE = replace(PAYMENTS, approvals=1)


def by(rule: Rule = ONE, *users: str, groups: tuple[str, ...] = ()) -> Rule:
    return replace(rule, approvers=Audience(users=frozenset(users), groups=frozenset(groups)))


def found(frozen: Rule, now: Rule | None, **known: object) -> Deciders:
    """For Alice's request."""
    named = Named(**{"members": MEMBERS, **known})  # type: ignore[arg-type]  # names are checked by the dataclass
    return deciders(asked(frozen).record, now, named)


@pytest.mark.parametrize(
    ("frozen", "now", "groups", "people"),
    [
        (by(groups=("S0AUDIT",)), by(groups=("S0AUDIT",)), ("S0AUDIT",), ()),
        (by(groups=("S0LEADS",)), by(groups=("S0LEADS",)), (), ("UBOB", "UCAROL")),
        (by(groups=("S0LEADS",)), by(ONE, "UBOB", "UEVE"), (), ("UBOB",)),
        (by(ONE, "UBOB", "UEVE"), by(groups=("S0LEADS",)), (), ("UBOB",)),
        (by(groups=("S0LEADS",)), by(groups=("S0AUDIT",)), (), ("UCAROL",)),
        (by(ONE, "UCAROL", "UEVE", "UBOB"), by(groups=("S0AUDIT",)), ("S0AUDIT",), ()),
        (by(replace(ONE, approvals=0), "UZOE"), by(ONE, "UBOB"), (), ("UBOB",)),
    ],
)
def test_whom_both_rules_name(frozen: Rule, now: Rule, groups: tuple[str, ...], people: tuple[str, ...]) -> None:
    """A group is called where each of its members may decide, which Alice, who asks, may not; else they are called by name."""
    who = found(frozen, now)
    assert (who.groups, who.people, who.undecidable) == (groups, people, "")


def test_one_person_under_two_ids_is_one() -> None:
    """Bob is named by one rule under his own workspace's id and by the other under the organisation's; Alice has two as well."""
    ids = {name: frozenset({"UBOB", "WBOB"}) for name in ("UBOB", "WBOB")} | {"UALICE": frozenset({"UALICE", "WALICE"})}
    who = found(by(ONE, "UBOB"), by(ONE, "WBOB", "UBOB", "WALICE"), ids=ids)
    assert who.able == {"UBOB"}
    assert found(by(ONE, "WALICE", "UBOB"), by(ONE, "WALICE", "WBOB"), ids=ids).people == ("WBOB",)


def test_who_may_not_use_the_bot_is_not_called() -> None:
    """Nor is their group, for their sake."""
    who = found(by(groups=("S0AUDIT",)), by(groups=("S0AUDIT",)), barred=frozenset({"UEVE"}))
    assert (who.groups, who.people) == ((), ("UCAROL",))


NO_LONGER = "The requester can no longer request Payments."


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (None, "Payments is no longer offered here."),
        (replace(ONE, plans=()), "The plan standard of Payments has changed."),
        (by(ONE, "UEVE"), "The approvers of Payments have changed: nobody named when this was requested"),
        (replace(ONE, approvals=9), "Payments needs 9 approvals, but only 3 can be given."),
    ],
)
def test_why_nobody_can_decide(now: Rule | None, why: str) -> None:
    """The reason alone; what to do is said by whoever tells it."""
    said = found(ONE, now).undecidable
    assert said.startswith(why)
    assert "ask again" not in said


def test_that_everybody_has_left_is_said_of_the_rule_that_did_not_change() -> None:
    alone = by(ONE, "UBOB")
    assert found(alone, alone, barred=frozenset({"UBOB"})).undecidable == "Nobody is left who can approve Payments."


def test_who_has_said_yes_is_enough_for_one_and_not_for_two() -> None:
    """Bob's yes counts, and Dave is there for the second one; where he is not, it says how many are possible."""
    half = say(asked().record, BOB).record
    who = deciders(half, PAYMENTS, Named({"S0LEADS": frozenset({"UBOB"})}))
    assert (who.undecided(half), who.undecidable) == (("UDAVE",), "")
    alone = Named({"S0LEADS": frozenset({"UBOB"})}, barred=frozenset({"UDAVE"}))
    few = deciders(half, PAYMENTS, alone)
    assert few.undecidable == "Payments needs 2 approvals, but only 1 can be given."


# --- whether the requester may still have it --------------------------------------------------------------------------


def asking(rule: Rule, *, beside: Audience | None = None, groups: tuple[str, ...] = (), everyone: bool = False) -> Rule:
    """The rule with other requesters; `beside`: those of an API that its plan opens besides."""
    plan = replace(rule.plans[0], requesters=() if beside is None else (beside,))
    requesters = Audience(everyone=everyone, groups=frozenset(groups), channels=frozenset({"C0DEVS"}))
    return replace(rule, requesters=requesters, plans=(plan,))


NO_LONGER = "The requester can no longer request Payments."


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (asking(ONE, groups=("S0OPS",)), NO_LONGER),
        (asking(ONE, groups=("S0DEVS",), beside=Audience(groups=frozenset({"S0OPS"}))), NO_LONGER),
        (asking(ONE, groups=("S0OPS", "S0DEVS")), ""),
        (asking(ONE, everyone=True), ""),
    ],
)
def test_whether_the_requester_may_still_have_it(now: Rule, why: str) -> None:
    """Alice asked as one of the developers: where others may ask by now it is looked at, and wider is not narrower."""
    record = asked(ONE).record
    assert rules.asks_others(record, now)
    found = deciders(record, now, Named(MEMBERS), ALICE)
    assert found.undecidable == why
    assert asking_again_helps(why) is not bool(why)


def test_only_other_requesters_are_a_question() -> None:
    """An entry or a plan that went says so by itself."""
    record = asked(ONE).record
    assert not rules.asks_others(record, replace(ONE, approvers=NOBODY, title="Money"))
    assert not rules.asks_others(record, None)
    assert not rules.asks_others(record, replace(ONE, plans=()))


def test_the_channels_of_what_a_plan_opens_besides_are_looked_at_too() -> None:
    """Alice may have the plan by a channel that she is in: a token of it is not refused because nobody looked there."""
    rule = asking(ONE, beside=Audience(channels=frozenset({"C0LEDGER"})))
    assert rules.asking_channels(rule) == {"C0DEVS", "C0LEDGER"}
    member = replace(ALICE, channels=frozenset({"C0DEVS", "C0LEDGER"}))
    rules.check_requester(asked(ONE).record, rule, member)
