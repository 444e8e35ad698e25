"""Decisions of time: the end of a grant, whatever brings it, and what people are reminded of before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.core.model import EffectKind, Grant, GrantState, Promise, Record, RequestState, Topic

DAY = timedelta(days=1)
REMIND_BEFORE = DAY
REMIND_FROM = 2 * DAY  # shorter grants end unannounced: their holder knows
REMIND_FIRST = 3 * DAY
SATURDAY = 5
HOLDER_FIRST = 2 * DAY  # so long a holder may take to answer before the approvers are asked
REVIEW_WITHIN = 14 * DAY
LEAVER_GRACE = DAY
UNREVIEWED = "Nobody confirmed within 14 days that it is still needed."
LEFT_BEHIND = "Its holder has left, and nothing says what uses it."


@dataclass(frozen=True)
class End:
    """The moment when time ends a grant, and why, where that is not simply its own end."""

    at: datetime
    why: str = ""


def end_of(record: Record) -> End | None:
    """The end that comes first: the grant's own, a review that nobody answers, a holder who left a key without a use."""
    grant = record.grant
    if grant is None or grant.state is GrantState.ENDED:
        return None
    ends = [End(grant.until)] if grant.until is not None else []
    if grant.review_at is not None:
        ends.append(End(_approvers_asked(grant, grant.review_at) + REVIEW_WITHIN, UNREVIEWED))
    if grant.left_at is not None and not record.request.answers.used_by.strip():
        ends.append(End(grant.left_at + LEAVER_GRACE, LEFT_BEHIND))
    return min(ends, key=lambda end: end.at, default=None)


def _approvers_asked(grant: Grant, review_at: datetime) -> datetime:
    """The time when the approvers were, or will be at the latest, asked whether it is still needed."""
    if grant.asked_at is not None:
        return grant.asked_at
    if grant.left_at is not None:
        return review_at
    return (grant.holder_asked_at or review_at) + HOLDER_FIRST


@dataclass(frozen=True)
class Reminder:
    at: datetime
    topic: Topic


def reminders(record: Record) -> tuple[Reminder, ...]:
    """The reminders still to come, the next first; who hears the last one need not hear those before."""
    request, grant = record.request, record.grant
    if request.state is RequestState.PENDING:
        return _for_silent_approvers(record)
    return tuple(_of_grant(grant)) if grant is not None and grant.state is GrantState.ACTIVE else ()


def _of_grant(grant: Grant) -> Iterator[Reminder]:
    if grant.review_at is not None and grant.asked_at is None:
        if grant.left_at is None and grant.holder_asked_at is None:
            yield Reminder(grant.review_at, Topic.STILL_USED)
        yield Reminder(_approvers_asked(grant, grant.review_at), Topic.RENEWAL)
    elif grant.left_at is not None:
        return
    elif grant.asked_at is not None:
        if grant.reminded_at is None:
            yield Reminder(grant.asked_at + REVIEW_WITHIN - REMIND_BEFORE, Topic.REVIEWING)
    elif grant.until is not None:
        told = grant.reminded_at or grant.since
        since = grant.extended_at or grant.since
        yield from (Reminder(at, Topic.ENDING) for at in _before_end(since, grant.until) if at > told)


def _before_end(since: datetime, until: datetime) -> list[datetime]:
    """The holder's reminders: a quarter of the time before its end, one day at least and three at most; and once more a day
    before it, where the first came two days before or earlier."""
    length = until - since
    if length < REMIND_FROM:
        return []
    first = min(max(length / 4, REMIND_BEFORE), REMIND_FIRST)
    ahead = {first, REMIND_BEFORE} if first >= 2 * REMIND_BEFORE else {first}
    return sorted({_on_a_workday(until - before, not_before=since + length / 2) for before in ahead})


def _on_a_workday(at: datetime, not_before: datetime) -> datetime:
    """The Friday before, where the time lies on a weekend, by UTC, and that is not too early."""
    earlier = at - max(at.weekday() - SATURDAY + 1, 0) * DAY
    return earlier if earlier >= not_before else at


def _for_silent_approvers(record: Record) -> tuple[Reminder, ...]:
    """The reminders after a third of the time that a request stays open, and a day before it lapses."""
    request = record.request
    first = Reminder(request.created_at + (request.lapses_at - request.created_at) / 3, Topic.STILL_WAITING)
    last = Reminder(request.lapses_at - REMIND_BEFORE, Topic.LAST_CHANCE)
    wanted = [first, last] if last.at > first.at else [first]
    told = [place for place, one in enumerate(wanted) if record.told(one.topic)]
    return tuple(wanted[max(told) + 1 :] if told else wanted)


def wake_ups(record: Record) -> Iterator[Promise]:
    """One promise for each thing that time will decide."""
    request, end, remind = record.request, end_of(record), reminders(record)
    if request.state is RequestState.PENDING:
        yield Promise(EffectKind.LAPSE_REQUEST, request.id, request.lapses_at)
    if end is not None:
        yield Promise(EffectKind.END_GRANT, request.id, end.at)
    if remind:
        yield Promise(EffectKind.REMIND, request.id, remind[0].at)
