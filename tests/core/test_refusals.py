"""Equal refusals of one person, gathered."""

from __future__ import annotations

from datetime import timedelta

from bot.core.refusals import KINDS, Tally, count
from tests.core.life import NOW


def _told(moments: list[timedelta], what: str = "ledger: no") -> list[int]:
    """How often it had been by each refusal that is told."""
    tallies: tuple[Tally, ...] = ()
    told = []
    for moment in moments:
        tallies = count(tallies, what, NOW + moment)
        told += [tallies[-1].times] if tallies[-1].is_told else []
    return told


def test_the_first_is_told_and_then_each_tenfold() -> None:
    """A thousand equal refusals within an hour are four rows."""
    assert _told([timedelta(seconds=n) for n in range(1200)]) == [1, 10, 100, 1000]


def test_an_hour_later_it_is_news_again() -> None:
    """The hour begins with the first, so who is refused every half an hour is a row each hour."""
    assert _told([timedelta(minutes=30 * n) for n in range(6)]) == [1, 1, 1]


def test_another_refusal_is_told_by_itself() -> None:
    """Two that take turns are counted each for itself."""
    tallies: tuple[Tally, ...] = ()
    for _ in range(3):
        for what in ("ledger: no", "payments: no"):
            tallies = count(tallies, what, NOW)
    assert [(one.what, one.times) for one in tallies] == [("ledger: no", 3), ("payments: no", 3)]


def test_no_more_kinds_are_remembered_than_fit() -> None:
    """Of very many different ones the oldest are forgotten, never the newest."""
    tallies: tuple[Tally, ...] = ()
    for n in range(KINDS + 30):
        tallies = count(tallies, str(n), NOW)
    assert len(tallies) == KINDS
    assert (tallies[0].what, tallies[-1].what) == ("30", str(KINDS + 29))
