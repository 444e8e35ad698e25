"""Statements that are the same each time, made once: making one takes longer than running it."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Insert,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    case,
    exists,
    insert,
    literal,
    or_,
    select,
    union_all,
    update,
)

from bot.core.model import EffectState, GrantState, RequestState
from bot.core.urgency import Urgency
from bot.store import tables

AT_ONCE = 500
LIVES = (GrantState.ISSUING.value, GrantState.ACTIVE.value)
PARTS = (tables.reviews, tables.grants, tables.keys, tables.messages)
"""The tables whose rows belong to a request, in the order that `rows.record_of` takes them."""

_ORDER = {tables.reviews: "at", tables.keys: "position", tables.messages: "position"}
_OTHER = tables.effects.alias()


def inserting(table: Table, *, sqlite: bool) -> Any:
    """An insert that may say what becomes of a row that is there already. It is each dialect's own."""
    if sqlite:
        from sqlalchemy.dialects.sqlite import insert as on_sqlite  # noqa: PLC0415 - a start on the other one need not load it

        return on_sqlite(table)
    from sqlalchemy.dialects.postgresql import insert as on_postgresql  # noqa: PLC0415 - as above

    return on_postgresql(table)


def ids_of(user_id: Any) -> Any:
    """All user ids of the person who has this one."""
    one = literal(user_id) if isinstance(user_id, str) else user_id
    return union_all(select(one), select(tables.ids.c.also).where(tables.ids.c.user_id == one))


@cache
def request(*, locks: bool, skip_locked: bool) -> Select[Any]:
    """The request `of`."""
    query = select(tables.requests).where(tables.requests.c.id == bindparam("of"))
    return query.with_for_update(skip_locked=skip_locked) if locks else query


@cache
def some_requests(*, locks: bool) -> Select[Any]:
    """The requests `of`, locked in one order by everybody."""
    table = tables.requests
    query = select(table).where(table.c.id.in_(bindparam("of", expanding=True))).order_by(table.c.id)
    return query.with_for_update() if locks else query


@cache
def belonging(table: Table) -> Select[Any]:
    """The rows of a table that belong to the requests `of`."""
    query = select(table).where(table.c.request_id.in_(bindparam("of", expanding=True)))
    return query.order_by(table.c[_ORDER[table]]) if table in _ORDER else query


@cache
def standing(*, of_one: bool, left: bool, limited: bool) -> Select[Any]:
    """The requests of the person with the id `user` that wait or whose grants run, the newest first.

    `of_one`: of the `api` alone. `left`: of a holder who was found to have left. `limited`: the first `most`.
    """
    requests, grants = tables.requests, tables.grants
    query = (
        select(requests.c.id)
        .outerjoin(grants, grants.c.request_id == requests.c.id)
        .where(requests.c.user_id.in_(ids_of(bindparam("user", type_=requests.c.user_id.type))))
        .where(or_(requests.c.state == RequestState.PENDING.value, grants.c.state.in_(LIVES)))
        .order_by(requests.c.number.desc())
    )
    if of_one:
        query = query.where(requests.c.api == bindparam("api"))
    if left:
        query = query.where(grants.c.left_at.is_not(None))
    return query.limit(bindparam("most")) if limited else query


@cache
def held() -> Select[Any]:
    """The numbers of the requests of an `api` that wait or whose grants run, of whoever has the id `user`; the oldest first."""
    requests, grants = tables.requests, tables.grants
    return (
        select(requests.c.number)
        .outerjoin(grants, grants.c.request_id == requests.c.id)
        .where(requests.c.user_id.in_(ids_of(bindparam("user", type_=requests.c.user_id.type))))
        .where(requests.c.api == bindparam("api"))
        .where(or_(requests.c.state == RequestState.PENDING.value, grants.c.state.in_(LIVES)))
        .where(requests.c.extends.is_(None))
        .order_by(requests.c.number)
    )


@cache
def extending() -> Select[Any]:
    """The numbers of the requests of whoever has the id `user` that wait and ask to extend the request `of`."""
    table = tables.requests
    return (
        select(table.c.number)
        .where(table.c.user_id.in_(ids_of(bindparam("user", type_=table.c.user_id.type))))
        .where(table.c.state == RequestState.PENDING.value, table.c.extends == bindparam("of"))
        .order_by(table.c.number)
    )


@cache
def beside() -> Select[Any]:
    """The other requests of whoever made the request `of` and has the id `user`: what waits or runs first, then the newest."""
    requests, grants = tables.requests, tables.grants
    stands = or_(requests.c.state == RequestState.PENDING.value, grants.c.state.in_(LIVES))
    return (
        select(requests)
        .outerjoin(grants, grants.c.request_id == requests.c.id)
        .where(requests.c.user_id.in_(ids_of(bindparam("user", type_=requests.c.user_id.type))))
        .where(requests.c.id != bindparam("of"))
        .order_by(case((stands, 0), else_=1), requests.c.number.desc())
        .limit(bindparam("most"))
    )


@cache
def trouble() -> Select[Any]:
    """The effects of the request `of` that are parked, or late and told of; what failed first comes first."""
    table = tables.effects
    return (
        select(table.c.state, table.c.kind, table.c.last_error)
        .where(table.c.request_id == bindparam("of"))
        .where(or_(table.c.state == tables.PARKED, and_(table.c.state == tables.OPEN, table.c.told)))
        .order_by(table.c.first_failed_at)
    )


@cache
def adding(table: Table) -> Insert:
    """New rows of a table."""
    return insert(table)


@cache
def updating_request() -> Update:
    """Everything of the request `of` that can change."""
    table = tables.requests
    fixed = ("id", "number", "rule", "created_at", "extends", "extends_number")
    values: dict[str, Any] = {
        column.name: bindparam(f"new_{column.name}") for column in table.c if column.name not in fixed
    }
    return update(table).where(table.c.id == bindparam("of")).values(values)


@cache
def changing_rule() -> Update:
    """The rule of the request `of`, and what its plan opens: they change where it was extended."""
    table = tables.requests
    return (
        update(table)
        .where(table.c.id == bindparam("of"))
        .values(rule=bindparam("new_rule"), opens=bindparam("new_opens"))
    )


@cache
def upserting(table: Table, *, sqlite: bool) -> Any:
    statement = inserting(table, sqlite=sqlite)
    keys = [column.name for column in table.primary_key]
    changes = {column.name: statement.excluded[column.name] for column in table.c if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=changes)


@cache
def raising() -> Any:
    """The counter `of`, `many` higher."""
    table = tables.counters
    raised = update(table).where(table.c.name == bindparam("of")).values(value=table.c.value + bindparam("many"))
    return raised.returning(table.c.value)


@cache
def appending() -> Any:
    """The audit, with its newest row at `value` and `head`, `many` rows longer; nothing where it is another by now."""
    table = tables.counters
    raised = update(table).where(
        table.c.name == "audit", table.c.value == bindparam("at"), table.c.head == bindparam("old")
    )
    return raised.values(value=table.c.value + bindparam("many"), head=bindparam("new")).returning(table.c.value)


@cache
def head(*, locks: bool) -> Select[Any]:
    """The newest row of the audit: its number, and its link."""
    table = tables.counters
    query = select(table.c.value, table.c.head).where(table.c.name == "audit")
    return query.with_for_update() if locks else query


def of_audit(
    *, since: Any = None, until: Any = None, api: str | None = None, person: str | None = None
) -> tuple[ColumnElement[bool], ...]:
    """The conditions under which a row of the audit fits; None is no limit."""
    table, found = tables.audit, list[ColumnElement[bool]]()
    if since is not None:
        found.append(table.c.at >= since)
    if until is not None:
        found.append(table.c.at < until)
    if api is not None:
        found.append(table.c.api == api)
    if person is not None:
        ids = ids_of(person)
        found.append(or_(table.c.person_user.in_(ids), table.c.actor_user.in_(ids)))
    return tuple(found)


@cache
def audited() -> Select[Any]:
    """The rows of the audit with their texts, in order, as `rows.entry_of` takes them."""
    table, texts = tables.audit, tables.audit_texts
    joined = table.outerjoin(texts, texts.c.number == table.c.number)
    return select(*table.c, texts.c.texts.label("beside")).select_from(joined).order_by(table.c.number)


@cache
def promising(*, sqlite: bool) -> Any:
    table = tables.effects
    statement = inserting(table, sqlite=sqlite)
    is_open = table.c.state == tables.OPEN
    sooner = and_(is_open, table.c.due_at < statement.excluded.due_at)
    return statement.on_conflict_do_update(
        index_elements=["subject_id", "kind"],
        set_={
            "state": EffectState.OPEN.value,
            "due_at": case((sooner, table.c.due_at), else_=statement.excluded.due_at),
            "urgency": statement.excluded.urgency,
            "lease_until": case((is_open, table.c.lease_until), else_=None),
            "attempts": case((is_open, table.c.attempts), else_=0),
            "bugs": case((is_open, table.c.bugs), else_=0),
            "told": case((is_open, table.c.told), else_=False),
            "first_failed_at": case((is_open, table.c.first_failed_at), else_=None),
        },
    ).returning(*table.c)


@cache
def dropping() -> Update:
    """Drop the effects of these `kinds` about this `subject` that are parked, or open and in nobody's hands."""
    table = tables.effects
    free = or_(table.c.lease_until.is_(None), table.c.lease_until <= bindparam("now", type_=table.c.lease_until.type))
    return (
        update(table)
        .where(table.c.subject_id == bindparam("subject"), table.c.kind.in_(bindparam("kinds", expanding=True)))
        .where(or_(table.c.state == tables.PARKED, and_(table.c.state == tables.OPEN, free)))
        .values(state=EffectState.DROPPED.value, lease_until=None)
    )


@cache
def leasing() -> Any:
    """Claims the `effect` whose epoch is still `old`, where nobody is at work on it or on its `subject`."""
    table, moment = tables.effects, tables.effects.c.lease_until.type
    now = bindparam("now", type_=moment)
    busy = exists().where(
        _OTHER.c.subject_id == bindparam("subject"), _OTHER.c.id != bindparam("effect"), _OTHER.c.lease_until > now
    )
    return (
        update(table)
        .where(table.c.id == bindparam("effect"), table.c.epoch == bindparam("old"), table.c.state == tables.OPEN)
        .where(or_(table.c.lease_until.is_(None), table.c.lease_until <= now), ~busy)
        .values(
            epoch=table.c.epoch + 1,
            lease_until=bindparam("until", type_=moment),
            again=bindparam("once_more", type_=table.c.again.type),
        )
        .returning(table.c.epoch)
    )


@cache
def finishing() -> Update:
    """Ends the claim of the `effect` under the epoch `claimed`."""
    table = tables.effects
    return (
        update(table)
        .where(table.c.id == bindparam("effect"), table.c.epoch == bindparam("claimed"), table.c.state == tables.OPEN)
        .values(state=bindparam("becomes"), lease_until=None, last_error="")
    )


@cache
def due() -> Select[Any]:
    """Effects of these `kinds` and this `urgency` that are due `now` and, as all of their subject, in nobody's hands."""
    table, now = tables.effects, bindparam("now", type_=tables.effects.c.due_at.type)
    at_work = select(_OTHER.c.subject_id).where(_OTHER.c.lease_until > now)
    return (
        select(table)
        .where(table.c.state == tables.OPEN, table.c.urgency == bindparam("urgency"), table.c.due_at <= now)
        .where(table.c.kind.in_(bindparam("kinds", expanding=True)), table.c.subject_id.not_in(at_work))
        .where(or_(table.c.lane.is_(None), table.c.lane.not_in(bindparam("lanes", expanding=True))))
        .order_by(table.c.due_at, table.c.id)
        .limit(bindparam("most"))
    )


@cache
def anything() -> Any:
    """A truth value for each urgency: effects of these `kinds` are due `now`; one more: something fails `since` then, untold."""
    table, moment = tables.effects, tables.effects.c.due_at.type
    now = bindparam("now", type_=moment)
    free = or_(table.c.lease_until.is_(None), table.c.lease_until <= now)
    known = table.c.kind.in_(bindparam("kinds", expanding=True))
    is_due = [
        exists().where(table.c.state == tables.OPEN, table.c.urgency == one.value, table.c.due_at <= now, known, free)
        for one in Urgency
    ]
    is_late = exists().where(
        table.c.state == tables.OPEN,
        table.c.first_failed_at <= bindparam("since", type_=moment),
        table.c.told.is_(False),
        table.c.request_id.is_not(None),
    )
    return select(*is_due, is_late)
