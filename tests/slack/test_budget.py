"""How fast one person may go."""

from __future__ import annotations

from bot.slack.budget import Budget, Spent


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_and_then_one_a_second() -> None:
    """Twenty at once are taken, the next is over; a second later there is one more, and a minute later the whole burst."""
    clock = Clock()
    budget = Budget(clock)
    assert [budget.spend("UMALLORY") for _ in range(20)] == [Spent.WITHIN] * 20
    assert budget.spend("UMALLORY") is Spent.OVER
    clock.now = 1.0
    assert budget.spend("UMALLORY") is Spent.WITHIN
    assert budget.spend("UMALLORY") is not Spent.WITHIN
    clock.now = 61.0
    assert [budget.spend("UMALLORY") for _ in range(20)] == [Spent.WITHIN] * 20


def test_being_over_is_told_once_until_it_was_over() -> None:
    """Who goes on at full speed hears of it once; after a rest it is news again."""
    clock = Clock()
    budget = Budget(clock, burst=4)
    told = [budget.spend("UMALLORY") for _ in range(7)]
    assert told == [Spent.WITHIN] * 4 + [Spent.OVER] + [Spent.STILL_OVER] * 2
    clock.now = 1.0
    assert [budget.spend("UMALLORY") for _ in range(2)] == [Spent.WITHIN, Spent.STILL_OVER]
    clock.now = 60.0
    assert [budget.spend("UMALLORY") for _ in range(5)][-1] is Spent.OVER


def test_one_persons_haste_is_nobody_elses() -> None:
    """Alice is taken while Mallory is over; of very many people the longest unused are forgotten."""
    budget = Budget(Clock(), burst=2, people=2)
    for _ in range(3):
        budget.spend("UMALLORY")
    assert budget.spend("UALICE") is Spent.WITHIN
    assert budget.spend("UMALLORY") is Spent.STILL_OVER
    budget.spend("UBOB")
    assert len(budget) == 2
    assert budget.spend("UMALLORY") is Spent.STILL_OVER
