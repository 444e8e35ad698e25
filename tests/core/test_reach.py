"""Who gains and who loses what by another rulebook: people, as the bot would offer and ask them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.core.model import ApiRef, Audience, Limits, Person, Plan, Rule, Rulebook
from bot.core.reach import Right, Shift, shifts
from tests.core.life import ALICE, BOB, CAROL, DAVE, MALLORY, PAYMENTS

EVERYBODY = (ALICE, BOB, CAROL, DAVE, MALLORY)
LEDGER = ApiRef("0f6d", "ledger", ("Default",), "Ledger", "ledger")
GOLD = Plan("gold", Limits(1, 1, -1, 60), ("p",), (LEDGER,), requesters=(Audience(users=frozenset({"UALICE"})),))


def book(*rules: Rule, auditors: Audience = Audience()) -> Rulebook:  # noqa: B008 - frozen
    return Rulebook("digest", {rule.name: rule for rule in rules}, auditors)


def test_requesters_who_come_and_go() -> None:
    """From the developers to Bob and Dave: they gain it, and Alice and Mallory lose it."""
    now = replace(PAYMENTS, requesters=Audience(users=frozenset({"UBOB", "UDAVE"})))
    assert shifts(book(PAYMENTS), book(now), EVERYBODY) == (
        Shift("payments", Right.REQUEST, False, (), ("UALICE", "UMALLORY")),
        Shift("payments", Right.REQUEST, True, (), ("UBOB", "UDAVE")),
    )


def test_an_entry_that_goes() -> None:
    """Whoever could request it or approve it loses that, and nobody else anything."""
    assert {(shift.right, shift.gained, shift.people) for shift in shifts(book(PAYMENTS), book(), EVERYBODY)} == {
        (Right.REQUEST, False, ("UALICE", "UMALLORY")),
        (Right.APPROVE, False, ("UALICE", "UBOB", "UCAROL", "UDAVE")),
    }


def test_where_nobody_is_asked_nobody_may_approve() -> None:
    """A new entry without approvals makes no approver, and neither does one that asks from now on: that is no gain. One that asks
    no more takes it from them; one whose access has no end asks them whether it is still needed."""
    asks = replace(PAYMENTS, lifetimes=(timedelta(days=7),))
    free = replace(asks, approvals=0)

    def approving(old: Rulebook, new: Rulebook) -> set[tuple[bool, tuple[str, ...]]]:
        return {(one.gained, one.people) for one in shifts(old, new, EVERYBODY) if one.right is Right.APPROVE}

    all_of_them = ("UALICE", "UBOB", "UCAROL", "UDAVE")
    assert approving(book(), book(free)) == set()
    assert approving(book(free), book(asks)) == set()
    assert approving(book(asks), book(free)) == {(False, all_of_them)}
    assert approving(book(), book(replace(free, lifetimes=(None,)))) == {(True, all_of_them)}


def test_a_plan_for_some() -> None:
    """A plan that opens the ledger as well is gained by those alone who may ask for the ledger; whoever comes new to the entry
    gains what they are offered of it."""
    with_gold = replace(PAYMENTS, plans=(*PAYMENTS.plans, GOLD))
    assert shifts(book(PAYMENTS), book(with_gold), EVERYBODY) == (
        Shift("payments", Right.REQUEST, True, ("gold",), ("UALICE",)),
    )
    for_all = replace(with_gold, requesters=Audience(everyone=True))
    assert Shift("payments", Right.REQUEST, True, ("standard",), ("UBOB", "UCAROL", "UDAVE")) in shifts(
        book(PAYMENTS), book(for_all), EVERYBODY
    )


def test_auditors() -> None:
    """Who may look up who holds what is a gain of its own."""
    now = book(PAYMENTS, auditors=Audience(users=frozenset({"UCAROL"})))
    assert shifts(book(PAYMENTS), now, EVERYBODY) == (Shift("", Right.AUDIT, True, (), ("UCAROL",)),)


def test_the_same_rules() -> None:
    """No difference is nobody's."""
    assert shifts(book(PAYMENTS), book(PAYMENTS), EVERYBODY) == ()


def test_many_entries_for_the_same_people() -> None:
    """A change of the defaults is a change of each entry, and each is told, although one of them is asked."""
    names = [f"api-{number}" for number in range(300)]
    old = [replace(PAYMENTS, name=name) for name in names]
    new = [replace(rule, also_may_approve=Audience(users=frozenset({"UMALLORY"}))) for rule in old]
    asked: list[str] = []

    class Counting(Person):
        @property
        def ids(self) -> frozenset[str]:
            asked.append(self.name)
            return super().ids

    mallory = Counting(MALLORY.identity, "mallory")
    assert shifts(book(*old), book(*new), [mallory]) == tuple(
        Shift(name, Right.APPROVE, True, (), ("UMALLORY",)) for name in sorted(names)
    )
    assert len(asked) < 20
