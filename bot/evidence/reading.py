"""The reading of evidence from the database: the audit's rows of a period, the records that belong to it, and counts of both."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select

from bot.core.chain import canonical
from bot.core.model import AuditEvent, Record, Topic
from bot.evidence.period import Period
from bot.store import chain, statements, tables
from bot.store.transaction import Transaction

_TOLD_EVERY = 1000
_DECIDED = (AuditEvent.APPROVED, AuditEvent.DENIED, AuditEvent.WITHDRAWN, AuditEvent.LAPSED)
_ENDS = (AuditEvent.EXPIRED, AuditEvent.REVOKED, AuditEvent.WITHDRAWN, AuditEvent.REFUSED)
"""A refusal ends what was granted where it is the bot's own, before a key is made or its token shown."""


def _within(period: Period) -> ColumnElement[bool]:
    return and_(tables.audit.c.at >= period.start, tables.audit.c.at < period.end)


# --- the audit --------------------------------------------------------------------------------------------------------


def audit_lines(tx: Transaction, period: Period, at: Callable[[str], None]) -> Iterator[str]:
    """Every row from the first of the period to its last, without a gap, as `audit export` has them."""
    first, last = _ends_of_audit(tx, period)
    for line in chain.lines(tx.connection, tables.audit.c.number.between(first, last)):
        if line["row"]["number"] % _TOLD_EVERY == 0:
            at(f"row {line['row']['number']:,} of the audit")
        yield canonical(line).decode()


def _ends_of_audit(tx: Transaction, period: Period) -> tuple[int, int]:
    """The numbers of the first row and the last; 1 and 0 where there is none."""
    number = tables.audit.c.number
    found = tx.connection.execute(select(func.min(number), func.max(number)).where(_within(period))).one()
    return (1, 0) if found[0] is None else (found[0], found[1])


def counted(tx: Transaction, period: Period) -> dict[str, int]:
    """The figures that are counts of the audit's rows."""
    event, (first, last) = tables.audit.c.event, _ends_of_audit(tx, period)
    query = select(event, func.count().label("many")).where(_within(period)).group_by(event)
    many: dict[str, int] = {row.event: row.many for row in tx.connection.execute(query)}
    return {
        "audit.rows": last - first + 1,
        "audit.first": first if last else 0,
        "audit.last": last,
        **{f"decisions.{one.value}": many.get(one.value, 0) for one in _DECIDED},
        "keys.made": many.get(AuditEvent.KEY_CREATED.value, 0),
        "keys.deleted": many.get(AuditEvent.KEY_DELETED.value, 0),
        **_approved(tx, period),
        **_reviewed(tx, period),
        "configuration.changes": many.get(AuditEvent.CONFIGURED.value, 0),
        "configuration.groups_changed": many.get(AuditEvent.GROUP_CHANGED.value, 0),
    }


def _of_events(tx: Transaction, period: Period, events: Sequence[AuditEvent]) -> Iterator[Any]:
    """The rows of these events that belong to a request, in order, a few at a time."""
    table = tables.audit
    is_click = and_(table.c.event == AuditEvent.REFUSED.value, table.c.actor_user.is_not(None))
    query = (
        select(table)
        .where(_within(period), table.c.event.in_([one.value for one in events]), table.c.request_number.is_not(None))
        .where(~is_click)
        .order_by(table.c.number)
    )
    with tx.connection.execute(query, execution_options={"yield_per": statements.AT_ONCE}) as found:
        yield from found


def _approved(tx: Transaction, period: Period) -> dict[str, int]:
    """The numbers of requests approved by people, by a rule, and by whoever asked, under any of their ids."""
    by_people = by_rule = by_the_requester = 0
    also = _also(tx)
    for row in _of_events(tx, period, (AuditEvent.APPROVED,)):
        approvers = json.loads(row.details)["approvers"]
        by_people += bool(approvers)
        by_rule += not approvers
        by_the_requester += not also.get(row.person_user, frozenset()).union([row.person_user]).isdisjoint(approvers)
    return {
        "approvals.by_people": by_people,
        "approvals.by_rule": by_rule,
        "approvals.by_the_requester": by_the_requester,
    }


def _reviewed(tx: Transaction, period: Period) -> dict[str, int]:
    """The number of times that approvers were asked whether access is still needed, and what came of it."""
    waits = set[int]()
    asked = kept = ended = 0
    for row in _of_events(tx, period, (AuditEvent.REMINDED, AuditEvent.RENEWED, *_ENDS)):
        event, number = AuditEvent(row.event), row.request_number
        if event is AuditEvent.REMINDED:
            if json.loads(row.details).get("of") == Topic.RENEWAL.value:
                asked += 1
                waits.add(number)
        elif number in waits:
            waits.remove(number)
            kept += event is AuditEvent.RENEWED
            ended += event is not AuditEvent.RENEWED
    return {"reviews.asked": asked, "reviews.kept": kept, "reviews.ended": ended, "reviews.open": len(waits)}


@dataclass(frozen=True)
class Left:
    """A request whose holder left, with the row that says so, and the row of its end, if there is one.

    `keys_deleted` is when the last of its keys was deleted; None while one is there.
    """

    number: int
    person: str
    at: datetime
    row: int
    end_at: datetime | None = None
    end_row: int = 0
    how: str = ""
    keys_deleted: datetime | None = None

    @property
    def hours(self) -> int | None:
        """So long it took until the last key was deleted, in whole hours, the one begun included; None where the person came
        back, and where no key was deleted."""
        if self.keys_deleted is None or not self.end_row or self.how == AuditEvent.RETURNED.value:
            return None
        took = int(self.keys_deleted.timestamp()) - int(self.at.timestamp())
        return math.ceil(max(took, 0) / 3600)


def leavers(tx: Transaction, period: Period) -> list[Left]:
    """Those of the period, in the order in which they were found to have left."""
    left, over = dict[int, Any](), dict[int, Any]()
    for row in _of_events(tx, period, (AuditEvent.LEFT, AuditEvent.RETURNED, *_ENDS)):
        if row.event == AuditEvent.LEFT.value:
            left.pop(row.request_number, None)
            left[row.request_number] = row
            over.pop(row.request_number, None)
        elif row.request_number in left:
            over.setdefault(row.request_number, row)
    deleted = _keys_deleted(tx, period, list(left))
    return [_left(row, over.get(number), deleted.get(number)) for number, row in left.items()]


def _left(row: Any, end: Any | None, deleted: datetime | None) -> Left:
    end_at, end_row, how = (end.at, end.number, end.event) if end is not None else (None, 0, "")
    return Left(row.request_number, row.person_user or "", row.at, row.number, end_at, end_row, how, deleted)


def _keys_deleted(tx: Transaction, period: Period, numbers: Sequence[int]) -> dict[int, datetime]:
    """The time when the last key of each of these requests was deleted, of those that have none any more."""
    requests, keys = tables.requests, tables.keys
    found = dict[int, datetime]()
    for start in range(0, len(numbers), statements.AT_ONCE):
        query = (
            select(requests.c.number, func.max(keys.c.dead_at), func.count(), func.count(keys.c.dead_at))
            .join(keys, keys.c.request_id == requests.c.id)
            .where(requests.c.number.in_(numbers[start : start + statements.AT_ONCE]), keys.c.made_at < period.end)
            .group_by(requests.c.number)
        )
        for number, last, many, dead in tx.connection.execute(query):
            if many == dead and period.over(last):
                found[number] = last
    return found


def left_behind(left: Sequence[Left]) -> dict[str, int]:
    back = sum(one.how == AuditEvent.RETURNED.value for one in left)
    over = sum(bool(one.end_row) for one in left)
    took = [one.hours for one in left if one.hours is not None]
    return {
        "leavers.found": len(left),
        "leavers.ended": over - back,
        "leavers.returned": back,
        "leavers.open": len(left) - over,
        "leavers.hours_at_most": max(took, default=0),
        "leavers.over_a_day": sum(hours > 24 for hours in took),
    }


# --- the records ------------------------------------------------------------------------------------------------------


def population(tx: Transaction, period: Period) -> Iterator[tuple[Record, frozenset[str]]]:
    """Every request that was made, waited or was decided in the period, or whose access or key lived in it, by number; with the
    user ids of whoever asked. Without holding them all in memory."""
    requests, grants, keys = tables.requests, tables.grants, tables.keys
    lived = and_(grants.c.since < period.end, or_(grants.c.ended_at.is_(None), grants.c.ended_at >= period.start))
    has_key = exists().where(
        keys.c.request_id == requests.c.id,
        keys.c.made_at < period.end,
        or_(keys.c.dead_at >= period.start, and_(keys.c.dead_at.is_(None), keys.c.state != "dead")),
    )
    still_open = or_(requests.c.decided_at.is_(None), requests.c.decided_at >= period.start)
    query = (
        select(requests.c.id)
        .outerjoin(grants, grants.c.request_id == requests.c.id)
        .where(requests.c.created_at < period.end)
        .where(or_(requests.c.created_at >= period.start, still_open, lived, has_key))
        .order_by(requests.c.number)
    )
    ids = tx.connection.execute(query).scalars().all()
    also = _also(tx)
    for start in range(0, len(ids), statements.AT_ONCE):
        some = ids[start : start + statements.AT_ONCE]
        found = tx.glance(some)
        for one in some:
            who = found[one].request.requester.user_id
            yield found[one], also.get(who, frozenset()) | {who}


def _also(tx: Transaction) -> dict[str, frozenset[str]]:
    """The further user ids of everybody for whom Slack has some."""
    found = dict[str, frozenset[str]]()
    for row in tx.connection.execute(select(tables.ids)):
        found[row.user_id] = found.get(row.user_id, frozenset()) | {row.also}
    return found
