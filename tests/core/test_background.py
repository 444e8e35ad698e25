"""What else somebody has and had, for those who decide about their next request."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.core.background import LOOKED_AT, MAX_HELD, Background, background
from bot.core.model import Grant, GrantState, Record, RequestId, RequestState, Rule
from tests.core.life import DAY, NOW, PAYMENTS, asked

LEDGER = replace(PAYMENTS, name="ledger", title="Ledger")
NEW = replace(asked().record.request, number=1050)


def other(number: int, state: RequestState, rule: Rule = PAYMENTS, grant: Grant | None = None) -> Record:
    request = replace(asked(rule).record.request, id=RequestId(f"r{number}"), number=number, state=state)
    return Record(request, grant=grant)


def held(number: int, rule: Rule = PAYMENTS, until: timedelta | None = DAY) -> Record:
    grant = Grant(GrantState.ACTIVE, NOW, None if until is None else NOW + until)
    return other(number, RequestState.APPROVED, rule, grant)


def over(number: int, rule: Rule = PAYMENTS) -> Record:
    return other(number, RequestState.APPROVED, rule, Grant(GrantState.ENDED, NOW, NOW + DAY, ended_at=NOW))


def numbers(records: tuple[Record, ...]) -> list[int]:
    return [one.request.number for one in records]


def test_what_they_hold_of_this_api_comes_first() -> None:
    """Tokens that work and requests that wait, the newest first, and what is over apart from them."""
    others = (held(1003, LEDGER), other(1002, RequestState.PENDING), held(1001, until=None), over(1000))
    found = background(NEW, others, NOW)
    assert numbers(found.held) == [1002, 1001, 1003]
    assert numbers(found.past) == [1000]
    assert found.at == NOW


def test_of_many_the_rest_is_counted() -> None:
    """A card stays a card."""
    found = background(NEW, tuple(held(1000 + number) for number in range(MAX_HELD + 3)), NOW)
    assert (len(found.held), found.more, found.uncounted) == (MAX_HELD, 3, False)


def test_what_was_not_looked_at_is_not_counted() -> None:
    """Whoever holds as many as are looked at may hold more; where the last that was looked at is over, all are counted."""
    many = tuple(held(1000 + number) for number in range(LOOKED_AT))
    assert background(NEW, many, NOW).uncounted
    assert not background(NEW, (*many[1:], over(999)), NOW).uncounted


def test_the_last_three_that_are_over() -> None:
    """Denied, withdrawn, unanswered or ended; the newest first, and none from after this request."""
    states = (RequestState.DENIED, RequestState.WITHDRAWN, RequestState.LAPSED)
    others = (*(other(1010 + place, state) for place, state in enumerate(states)), over(1013), over(1060))
    assert numbers(background(NEW, others, NOW).past) == [1013, 1012, 1011]


def test_whose_time_is_over_is_not_held_any_more() -> None:
    """Although nobody has looked since."""
    found = background(NEW, (held(1001, until=-DAY), other(1002, RequestState.PENDING)), NOW + 8 * DAY)
    assert (numbers(found.held), numbers(found.past)) == ([], [1002, 1001])


def test_who_asks_for_the_first_time_has_nothing() -> None:
    assert background(NEW, (), NOW) == Background(NOW)
