"""Decisions of time: which end comes first, which reminders are still to come, and what wakes the bot for them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot.core import timing
from bot.core.model import (
    Answers,
    EffectKind,
    Grant,
    GrantState,
    Message,
    MessageId,
    MessageKind,
    Promise,
    Record,
    Topic,
)
from bot.core.timing import LEFT_BEHIND, UNREVIEWED, End, Reminder
from tests.core.life import DAY, NOW, SECOND, asked

ACTIVE = Grant(GrantState.ACTIVE, NOW, NOW + 7 * DAY)
ENDLESS = replace(ACTIVE, until=None, review_at=NOW + 90 * DAY)


def granted(grant: Grant, used_by: str = "") -> Record:
    request = asked().record.request
    return Record(replace(request, answers=Answers(used_by), state=request.state.APPROVED), grant=grant)


# --- ends -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grant", "used_by", "end"),
    [
        (ACTIVE, "", End(NOW + 7 * DAY)),
        (replace(ACTIVE, state=GrantState.ISSUING), "", End(NOW + 7 * DAY)),
        (replace(ACTIVE, state=GrantState.ENDED), "", None),
        (replace(ENDLESS, review_at=None), "", None),
        (ENDLESS, "", End(NOW + 106 * DAY, UNREVIEWED)),
        (replace(ENDLESS, holder_asked_at=NOW + 91 * DAY), "", End(NOW + 107 * DAY, UNREVIEWED)),
        (replace(ENDLESS, left_at=NOW), "checkout", End(NOW + 104 * DAY, UNREVIEWED)),
        (replace(ENDLESS, asked_at=NOW + 100 * DAY), "", End(NOW + 114 * DAY, UNREVIEWED)),
        (replace(ACTIVE, left_at=NOW), "", End(NOW + DAY, LEFT_BEHIND)),
        (replace(ACTIVE, left_at=NOW), "  ", End(NOW + DAY, LEFT_BEHIND)),
        (replace(ACTIVE, left_at=NOW), "checkout", End(NOW + 7 * DAY)),
        (replace(ACTIVE, left_at=NOW + 6 * DAY + SECOND), "", End(NOW + 7 * DAY)),
    ],
)
def test_the_end_that_comes_first(grant: Grant, used_by: str, end: End | None) -> None:
    """Of the grant's own, a review that nobody answers, and a holder who left a key without a use."""
    assert timing.end_of(granted(grant, used_by)) == end


# --- reminders --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grant", "reminder"),
    [
        (ACTIVE, Reminder(NOW + 4.25 * DAY, Topic.ENDING)),
        (replace(ACTIVE, state=GrantState.ISSUING), None),
        (replace(ACTIVE, state=GrantState.ENDED), None),
        (replace(ACTIVE, until=NOW + 2 * DAY - SECOND), None),
        (replace(ACTIVE, until=NOW + 2 * DAY), Reminder(NOW + DAY, Topic.ENDING)),
        (replace(ACTIVE, reminded_at=NOW + 4.25 * DAY), None),
        (replace(ACTIVE, left_at=NOW), None),
        (replace(ENDLESS, holder_asked_at=NOW + 91 * DAY), Reminder(NOW + 93 * DAY, Topic.RENEWAL)),
        (replace(ENDLESS, left_at=NOW), Reminder(NOW + 90 * DAY, Topic.RENEWAL)),
        (replace(ENDLESS, asked_at=NOW), Reminder(NOW + 13 * DAY, Topic.REVIEWING)),
        (replace(ENDLESS, asked_at=NOW, reminded_at=NOW), None),
        (replace(ENDLESS, review_at=None), None),
    ],
)
def test_what_a_holder_or_their_approvers_hear_next(grant: Grant, reminder: Reminder | None) -> None:
    """Nothing of a short grant, nothing twice, nothing to somebody who has left."""
    assert timing.reminders(granted(grant)) == ((reminder,) if reminder else ())


@pytest.mark.parametrize(
    ("days", "ahead"),
    [
        (1.99, []),
        (2, [1]),
        (3, [1]),
        (4, [1]),
        (8, [2, 1]),
        (10, [2.5, 1]),
        (30, [3, 1]),
        (90, [3, 1]),
    ],
)
def test_a_longer_grant_is_reminded_of_earlier(days: float, ahead: list[float]) -> None:
    """A quarter of its time ahead, one day at least and three at most, and once more a day ahead. Here it ends on a Friday."""
    friday = NOW + 4 * DAY
    reminders = timing.reminders(granted(replace(ACTIVE, since=friday - days * DAY, until=friday)))
    assert reminders == tuple(Reminder(friday - before * DAY, Topic.ENDING) for before in ahead)


def test_who_was_reminded_hears_what_is_left() -> None:
    """The reminder of the last day follows the first, and one that was told late takes the place of both."""
    month = replace(ACTIVE, since=NOW - 26 * DAY, until=NOW + 4 * DAY)
    last = Reminder(NOW + 3 * DAY, Topic.ENDING)
    assert timing.reminders(granted(replace(month, reminded_at=NOW + DAY))) == (last,)
    assert timing.reminders(granted(replace(month, reminded_at=NOW + 3 * DAY))) == ()


@pytest.mark.parametrize(
    ("until", "ahead"),
    [
        (NOW + 5 * DAY, [3, 1]),  # Saturday: Wednesday and Friday
        (NOW + 6 * DAY, [3, 2]),  # Sunday: Thursday, and Friday for Saturday
        (NOW + 7 * DAY, [3]),  # Monday: Friday, which stands for Sunday, too
        (NOW + 8 * DAY, [4, 1]),  # Tuesday: Friday for Saturday, and Monday
    ],
)
def test_nobody_is_reminded_on_a_weekend(until: datetime, ahead: list[float]) -> None:
    """What would fall on a Saturday or Sunday comes on the Friday before."""
    reminders = timing.reminders(granted(replace(ACTIVE, since=until - 30 * DAY, until=until)))
    assert reminders == tuple(Reminder(until - before * DAY, Topic.ENDING) for before in ahead)


@pytest.mark.parametrize(("days", "ahead"), [(2, 1), (3, 1), (4, 2)])
def test_a_short_grant_is_reminded_of_on_a_weekend(days: int, ahead: int) -> None:
    """On Saturday, where the Friday before would be in the first half of its time: then the reminder would say nothing new."""
    sunday = NOW + 6 * DAY
    grant = replace(ACTIVE, since=sunday - days * DAY, until=sunday)
    assert timing.reminders(granted(grant)) == (Reminder(sunday - ahead * DAY, Topic.ENDING),)


def test_the_holder_is_asked_first_and_the_approvers_two_days_later() -> None:
    """A bot that slept through both asks both at once: the later reminder is what is done."""
    first, then = Reminder(NOW + 90 * DAY, Topic.STILL_USED), Reminder(NOW + 92 * DAY, Topic.RENEWAL)
    assert timing.reminders(granted(ENDLESS)) == (first, then)


FIRST = Reminder(NOW + 7 * DAY / 3, Topic.STILL_WAITING)
LAST = Reminder(NOW + 6 * DAY, Topic.LAST_CHANCE)


@pytest.mark.parametrize(
    ("told", "left"),
    [
        ((), (FIRST, LAST)),
        ((Topic.STILL_WAITING,), (LAST,)),
        ((Topic.LAST_CHANCE,), ()),
        ((Topic.STILL_WAITING, Topic.LAST_CHANCE), ()),
    ],
)
def test_who_heard_the_last_reminder_need_not_hear_the_first(
    told: tuple[Topic, ...], left: tuple[Reminder, ...]
) -> None:
    """Each is told once, and one that was missed is not told after the one that follows it."""
    messages = tuple(Message(MessageId(topic), MessageKind.REMINDER, "C1", topic) for topic in told)
    record = replace(asked().record, messages=messages)
    assert timing.reminders(record) == left
    assert all(record.told(topic) for topic in told)
    assert not record.told(Topic.DENIED)


# --- wake-ups ---------------------------------------------------------------------------------------------------------


def test_a_waiting_request_wakes_the_bot_twice() -> None:
    """For its next reminder and for its end."""
    record = asked().record
    lapse = Promise(EffectKind.LAPSE_REQUEST, "r", NOW + 7 * DAY)
    assert list(timing.wake_ups(record)) == [lapse, Promise(EffectKind.REMIND, "r", FIRST.at)]


@pytest.mark.parametrize(
    ("grant", "end", "remind"),
    [(ACTIVE, 7 * DAY, 4.25 * DAY), (replace(ACTIVE, until=NOW + DAY), DAY, None), (ENDLESS, 106 * DAY, 90 * DAY)],
)
def test_a_grant_wakes_the_bot_for_its_end(grant: Grant, end: timedelta, remind: timedelta | None) -> None:
    """And for the reminder before it, where there is one."""
    due: dict[EffectKind, datetime] = {one.kind: one.due_at for one in timing.wake_ups(granted(grant))}
    assert due == {EffectKind.END_GRANT: NOW + end} | ({EffectKind.REMIND: NOW + remind} if remind else {})


def test_what_is_over_wakes_nobody() -> None:
    """An ended grant has nothing left that time decides."""
    assert list(timing.wake_ups(granted(replace(ACTIVE, state=GrantState.ENDED)))) == []
