"""Those who may decide now: named by both rules as a person, never the requester, and whether they are enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from bot.core.deciders import Deciders, Named, deciders
from bot.core.model import Audience, Rule
from tests.core.life import BOB, PAYMENTS, asked, say

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
