"""The store: one transaction at a time over records, promises and the audit.

A `Transaction` locks the record it reads, so what was decided on is what is written. Nothing in here decides.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Select, and_, bindparam, case, delete, exists, func, insert, or_, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bot.core.model import (
    AuditEvent,
    AuditLine,
    Effect,
    EffectKind,
    EffectState,
    GrantState,
    Identity,
    Message,
    Promise,
    Record,
    RequestId,
    RequestState,
    Transition,
)
from bot.store import rows, tables

FIRST_NUMBER = 1001
_OPEN, _DONE, _DROPPED, _PARKED = (
    state.value for state in (EffectState.OPEN, EffectState.DONE, EffectState.DROPPED, EffectState.PARKED)
)


class LeaseLost(Exception):
    """Somebody else has claimed this effect since: nothing of what this claim brought back may be stored."""


@dataclass(frozen=True)
class AuditEntry:
    """A row of the audit, as it stands for ever."""

    number: int
    at: datetime
    event: AuditEvent
    request_number: int | None
    api: str | None
    person: Identity | None
    actor: Identity | None
    details: dict[str, Any]


class Store:
    """`audit_channel` is where every audit line is promised to be posted, None for a command that posts nothing.

    `skew` moves the store's clock; the time itself is always the database's.
    """

    def __init__(self, engine: AsyncEngine, audit_channel: str | None = None, skew: timedelta = timedelta()) -> None:
        self.engine = engine
        self.audit_channel = audit_channel
        self.skew = skew
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._writers = asyncio.Lock()
        self._listeners: list[Callable[[], None]] = []

    def on_commit(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """All of it is stored or nothing. In one process writers queue here, not on SQLite's lock."""
        async with AsyncExitStack() as stack:
            if self.is_sqlite:
                await stack.enter_async_context(self._writers)
            connection = await stack.enter_async_context(self.engine.connect())
            transaction = Transaction(connection, self, await self._now(connection))
            yield transaction
            await self._commit(connection)
        if transaction.wrote:
            for listener in self._listeners:
                listener()

    async def _commit(self, connection: AsyncConnection) -> None:
        await connection.commit()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Transaction]:
        """For looking only: nothing read here is locked, and nothing is stored."""
        async with self.engine.connect() as connection:
            await connection.execution_options(writes=False)
            yield Transaction(connection, self, await self._now(connection), locks=False)
            await connection.rollback()

    async def _now(self, connection: AsyncConnection) -> datetime:
        clock = (
            "SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
            if self.is_sqlite
            else "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"
        )
        return tables.from_ms((await connection.execute(text(clock))).scalar_one()) + self.skew

    async def close(self) -> None:
        await self.engine.dispose()


class Transaction:
    """What can be asked and stored inside one transaction. `now` was read from the database when it began."""

    def __init__(self, connection: AsyncConnection, store: Store, now: datetime, *, locks: bool = True) -> None:
        self._db = connection
        self._store = store
        self._locks = locks and not store.is_sqlite
        self._loaded: dict[str, Record] = {}
        self.now = now
        self.wrote = False

    async def rollback(self) -> None:
        """Store nothing of it after all."""
        await self._db.rollback()
        self.wrote = False

    # records

    async def record(self, request_id: str, *, skip_locked: bool = False) -> Record | None:
        """The whole record, locked until the transaction ends; None if there is none (or, skipping, it is locked)."""
        query = select(tables.requests).where(tables.requests.c.id == request_id)
        if self._locks:
            query = query.with_for_update(skip_locked=skip_locked)
        row = (await self._db.execute(query)).one_or_none()
        if row is None:
            return None
        record = Record(
            request=rows.request_of(row),
            reviews=tuple(map(rows.review_of, await self._of(tables.reviews, request_id, "at"))),
            grant=next(map(rows.grant_of, await self._of(tables.grants, request_id)), None),
            keys=tuple(map(rows.key_of, await self._of(tables.keys, request_id, "position"))),
            messages=tuple(map(rows.message_of, await self._of(tables.messages, request_id, "position"))),
        )
        self._loaded[request_id] = record
        return record

    async def _of(self, table: Any, request_id: str, order: str | None = None) -> Sequence[Any]:
        return (await self._db.execute(_belonging(table, order), {"of": request_id})).all()

    async def find(self, number: int) -> Record | None:
        """The record people call by this number."""
        query = select(tables.requests.c.id).where(tables.requests.c.number == number)
        request_id = (await self._db.execute(query)).scalar_one_or_none()
        return await self.record(request_id) if request_id else None

    async def standing(
        self, who: Identity, api: str | None = None, *, limit: int | None = 50, left: bool = False
    ) -> tuple[Record, ...]:
        """This person's requests that wait and grants that run, of one API or of all, the newest first.

        `left`: only grants whose holder was found to have left.
        """
        requests, grants = tables.requests, tables.grants
        query = (
            select(requests.c.id)
            .outerjoin(grants, grants.c.request_id == requests.c.id)
            .where(requests.c.team_id == who.team_id, requests.c.user_id == who.user_id)
            .where(or_(requests.c.state == RequestState.PENDING.value, grants.c.state.in_(("issuing", "active"))))
            .order_by(requests.c.number.desc())
            .limit(limit)
        )
        if api is not None:
            query = query.where(requests.c.api == api)
        if left:
            query = query.where(grants.c.left_at.is_not(None))
        ids = (await self._db.execute(query)).scalars().all()
        return tuple((await self.records(ids)).values())

    async def past(self, who: Identity, limit: int) -> tuple[Record, ...]:
        """This person's last requests that came to nothing and grants that ended, the newest first."""
        requests, grants = tables.requests, tables.grants
        query = (
            select(requests.c.id)
            .outerjoin(grants, grants.c.request_id == requests.c.id)
            .where(requests.c.team_id == who.team_id, requests.c.user_id == who.user_id)
            .where(requests.c.state != RequestState.PENDING.value)
            .where(or_(grants.c.state.is_(None), grants.c.state == GrantState.ENDED.value))
            .order_by(requests.c.number.desc())
            .limit(limit)
        )
        return tuple((await self.records((await self._db.execute(query)).scalars().all())).values())

    async def people(self, after: str, limit: int) -> tuple[Identity, ...]:
        """Those with requests that wait or grants that run, in the order of their user ids, from behind `after`."""
        requests, grants = tables.requests, tables.grants
        query = (
            select(requests.c.user_id, requests.c.team_id)
            .distinct()
            .outerjoin(grants, grants.c.request_id == requests.c.id)
            .where(or_(requests.c.state == RequestState.PENDING.value, grants.c.state.in_(("issuing", "active"))))
            .where(requests.c.user_id > after)
            .order_by(requests.c.user_id, requests.c.team_id)
            .limit(limit)
        )
        return tuple(Identity(row.team_id, row.user_id) for row in (await self._db.execute(query)).all())

    async def waiting(self, apis: Collection[str] | None = None, limit: int | None = None) -> tuple[str, ...]:
        """The ids of the requests that wait for a decision, the oldest first."""
        query = select(tables.requests.c.id).where(tables.requests.c.state == RequestState.PENDING.value)
        if apis is not None:
            query = query.where(tables.requests.c.api.in_(apis))
        return tuple((await self._db.execute(query.order_by(tables.requests.c.number).limit(limit))).scalars().all())

    async def records(self, ids: Collection[str]) -> dict[str, Record]:
        found = {request_id: await self.record(request_id) for request_id in ids}
        return {request_id: record for request_id, record in found.items() if record is not None}

    async def next_number(self) -> int:
        """The next request's number. Holding it, no other request can be submitted until this transaction ends."""
        return await self._count("requests", FIRST_NUMBER)

    async def _count(self, name: str, first: int) -> int:
        table = tables.counters
        raised = update(table).where(table.c.name == name).values(value=table.c.value + 1).returning(table.c.value)
        value = (await self._db.execute(raised)).scalar_one_or_none()
        if value is None:
            await self._db.execute(self._insert(table).values(name=name, value=first - 1).on_conflict_do_nothing())
            value = (await self._db.execute(raised)).scalar_one()
        return int(value)

    def _insert(self, table: Any) -> Any:
        return _insert(table, sqlite=self._store.is_sqlite)

    # what was decided

    async def apply(self, transition: Transition) -> Record:
        """Store the record, its promises and what the audit says of it."""
        record = transition.record
        await self._write(record)
        for kind, subject_id in transition.drops:
            await self._drop(kind, subject_id)
        for promise in transition.promises:
            await self._promise(promise, record.request.id, _lane(promise, record))
        for line in transition.audit:
            await self.audit(line, record)
        self._loaded[record.request.id] = record
        self.wrote = True
        return record

    async def _write(self, record: Record) -> None:
        request_id, before = record.request.id, self._loaded.get(record.request.id)
        if before is None:
            await self._db.execute(insert(tables.requests).values(rows.request_row(record.request)))
        elif before.request != record.request:
            row = {
                name: value for name, value in rows.request_row(record.request).items() if name not in ("id", "rule")
            }
            await self._db.execute(update(tables.requests).where(tables.requests.c.id == request_id).values(row))
        for review in set(record.reviews) - set(before.reviews if before else ()):
            await self._upsert(tables.reviews, rows.review_row(request_id, review))
        if record.grant is not None and (before is None or before.grant != record.grant):
            await self._upsert(tables.grants, rows.grant_row(request_id, record.grant))
        old_keys = before.keys if before else ()
        for position, key in enumerate(record.keys):
            if key not in old_keys:
                await self._upsert(tables.keys, rows.key_row(request_id, position, key))
        await self._write_messages(request_id, before.messages if before else (), record.messages)

    async def _write_messages(self, request_id: str, old: tuple[Message, ...], new: tuple[Message, ...]) -> None:
        for position, message in enumerate(new):
            if message not in old:
                await self._upsert(tables.messages, rows.message_row(request_id, position, message))
        gone = {message.id for message in old} - {message.id for message in new}
        if gone:
            await self._db.execute(delete(tables.messages).where(tables.messages.c.id.in_(gone)))

    async def _upsert(self, table: Any, row: Mapping[str, Any]) -> None:
        await self._db.execute(_upserting(table, sqlite=self._store.is_sqlite), dict(row))

    # promises

    async def promise(self, promise: Promise) -> None:
        """A promise that belongs to no request."""
        await self._promise(promise, None, None)
        self.wrote = True

    async def _promise(self, promise: Promise, request_id: str | None, lane: str | None) -> None:
        """Open the effect, or bring an open one forward; one that was done, dropped or parked opens anew."""
        row = {
            "subject_id": promise.subject_id,
            "kind": promise.kind.value,
            "request_id": request_id,
            "lane": lane,
            "due_at": promise.due_at,
            "state": _OPEN,
            "epoch": 0,
            "attempts": 0,
            "bugs": 0,
            "told": False,
            "again": False,
            "last_error": "",
        }
        await self._db.execute(_promising(sqlite=self._store.is_sqlite), row)

    async def _drop(self, kind: EffectKind, subject_id: str) -> None:
        """What nobody is at work on need not be done any more."""
        table = tables.effects
        free = or_(table.c.lease_until.is_(None), table.c.lease_until <= self.now)
        await self._db.execute(
            update(table)
            .where(table.c.subject_id == subject_id, table.c.kind == kind.value)
            .where(or_(table.c.state == _PARKED, and_(table.c.state == _OPEN, free)))
            .values(state=_DROPPED, lease_until=None)
        )

    def _due(self, kinds: Collection[EffectKind], busy_lanes: Collection[str]) -> Select[Any]:
        """Open, due, in nobody's ports, and nothing else of the same subject in anybody's hands."""
        table, other = tables.effects, _OTHER
        return (
            select(table)
            .where(table.c.state == _OPEN, table.c.due_at <= self.now)
            .where(table.c.kind.in_([kind.value for kind in kinds]))
            .where(or_(table.c.lease_until.is_(None), table.c.lease_until <= self.now))
            .where(or_(table.c.lane.is_(None), table.c.lane.not_in(busy_lanes)))
            .where(
                ~exists().where(
                    other.c.subject_id == table.c.subject_id,
                    other.c.id != table.c.id,
                    other.c.state == _OPEN,
                    other.c.lease_until > self.now,
                )
            )
        )

    async def due(
        self, kinds: Collection[EffectKind], busy_lanes: Collection[str], limit: int
    ) -> tuple[tuple[Effect, str | None], ...]:
        """Effects that could be claimed now, each with its lane, the longest due first."""
        table = tables.effects
        query = self._due(kinds, busy_lanes).order_by(table.c.due_at, table.c.id).limit(limit)
        return tuple((rows.effect_of(row), row.lane) for row in (await self._db.execute(query)).all())

    async def still_due(self, effect: Effect) -> Effect | None:
        """The effect as it stands now that its record is locked, if it can still be claimed. SQLite has but one writer."""
        if not self._locks:
            return effect
        query = self._due((effect.kind,), ()).where(tables.effects.c.id == effect.id)
        row = (await self._db.execute(query)).one_or_none()
        return None if row is None else rows.effect_of(row)

    async def lease(self, effect: Effect, length: timedelta, *, again: bool) -> int | None:
        """Claim it: the new epoch, or None where somebody else was faster."""
        table = tables.effects
        epoch: int | None = (
            await self._db.execute(
                update(table)
                .where(table.c.id == effect.id, table.c.epoch == effect.epoch, table.c.state == _OPEN)
                .values(epoch=table.c.epoch + 1, lease_until=self.now + length, again=again)
                .returning(table.c.epoch)
            )
        ).scalar_one_or_none()
        self.wrote = self.wrote or epoch is not None
        return epoch

    async def finish(self, effect: Effect, state: EffectState, **values: Any) -> None:
        """End this claim. Raises LeaseLost where the effect was claimed again, or ended, since."""
        table = tables.effects
        changed = await self._db.execute(
            update(table)
            .where(table.c.id == effect.id, table.c.epoch == effect.epoch, table.c.state == _OPEN)
            .values(state=state.value, lease_until=None, **values)
        )
        if changed.rowcount != 1:
            raise LeaseLost(effect.kind.value)
        self.wrote = True

    async def reopen(self, effect_ids: Collection[int]) -> int:
        """Take parked effects up again."""
        table = tables.effects
        changed = await self._db.execute(
            update(table)
            .where(table.c.id.in_(effect_ids), table.c.state == _PARKED)
            .values(state=_OPEN, due_at=self.now, lease_until=None, attempts=0, bugs=0)
        )
        self.wrote = True
        return int(changed.rowcount)

    async def park(self, kinds: Collection[EffectKind], why: str) -> tuple[Effect, ...]:
        """Put open effects of these kinds aside until a person decides. Returns them."""
        parked = tuple(effect for effect in await self.effects(EffectState.OPEN) if effect.kind in kinds)
        await self._db.execute(
            update(tables.effects)
            .where(tables.effects.c.id.in_([effect.id for effect in parked]))
            .values(state=_PARKED, lease_until=None, told=True, last_error=why)
        )
        self.wrote = True
        return parked

    async def void_leases(self) -> None:
        """For the one worker of a SQLite file that has just got the lock: nobody else can be at work."""
        table = tables.effects
        await self._db.execute(
            update(table).where(table.c.state == _OPEN, table.c.lease_until > self.now).values(lease_until=self.now)
        )

    async def effects(self, state: EffectState, request_id: str | None = None) -> tuple[Effect, ...]:
        """Those of the kinds that this version knows: a newer one beside it may have promised others."""
        known = [kind.value for kind in EffectKind]
        query = select(tables.effects).where(tables.effects.c.state == state.value, tables.effects.c.kind.in_(known))
        query = query.order_by(tables.effects.c.id)
        if request_id is not None:
            query = query.where(tables.effects.c.request_id == request_id)
        return tuple(map(rows.effect_of, (await self._db.execute(query)).all()))

    async def trouble(self, request_id: RequestId) -> tuple[bool, bool]:
        """Whether some promise of this request is parked, and whether people were told that one is late."""
        table = tables.effects
        query = select(
            func.coalesce(func.sum(case((table.c.state == _PARKED, 1), else_=0)), 0),
            func.coalesce(func.sum(case((and_(table.c.state == _OPEN, table.c.told), 1), else_=0)), 0),
        ).where(table.c.request_id == request_id)
        parked, late = (await self._db.execute(query)).one()
        return parked > 0, late > 0

    async def next_due(self, kinds: Collection[EffectKind]) -> datetime | None:
        """When the next open effect falls due or comes free."""
        table = tables.effects
        when = case((table.c.lease_until > table.c.due_at, table.c.lease_until), else_=table.c.due_at)
        query = select(func.min(when)).where(table.c.state == _OPEN, table.c.kind.in_([kind.value for kind in kinds]))
        value = (await self._db.execute(query)).scalar_one_or_none()
        return value if value is None or isinstance(value, datetime) else tables.from_ms(value)

    async def counts(self) -> dict[tuple[str, str], int]:
        """How many effects there are, by kind and state."""
        table = tables.effects
        query = select(table.c.kind, table.c.state, func.count()).group_by(table.c.kind, table.c.state)
        return {(kind, state): number for kind, state, number in (await self._db.execute(query)).all()}

    # the audit

    async def audit(self, line: AuditLine, record: Record | None, *, api: str | None = None) -> None:
        """Append one row, numbered without a gap, and promise that the channel hears of it."""
        request = record.request if record else None
        number = await self._count("audit", 1)
        await self._db.execute(
            insert(tables.audit).values(
                number=number,
                at=self.now,
                event=line.event.value,
                request_id=request.id if request else None,
                request_number=request.number if request else None,
                api=request.rule.name if request else api,
                person_team=request.requester.team_id if request else None,
                person_user=request.requester.user_id if request else None,
                actor_team=line.actor.team_id if line.actor else None,
                actor_user=line.actor.user_id if line.actor else None,
                details=json.dumps(line.details, ensure_ascii=False),
            )
        )
        channel = self._store.audit_channel
        if channel:
            await self._promise(Promise(EffectKind.POST_AUDIT, channel, self.now), None, channel)
        self.wrote = True

    async def audit_after(self, number: int, limit: int) -> tuple[AuditEntry, ...]:
        table = tables.audit
        query = select(table).where(table.c.number > number).order_by(table.c.number).limit(limit)
        return tuple(map(_entry, (await self._db.execute(query)).all()))

    async def audit_trail(
        self, *, since: datetime | None = None, api: str | None = None, person: str | None = None
    ) -> AsyncIterator[AuditEntry]:
        """Rows in order, as many as there are, without holding them all in memory."""
        table = tables.audit
        query = select(table).order_by(table.c.number)
        if since is not None:
            query = query.where(table.c.at >= since)
        if api is not None:
            query = query.where(table.c.api == api)
        if person is not None:
            query = query.where(or_(table.c.person_user == person, table.c.actor_user == person))
        async with self._db.stream(query) as result:
            async for row in result:
                yield _entry(row)

    async def holdings(
        self, *, since: datetime | None = None, api: str | None = None, person: str | None = None
    ) -> tuple[Record, ...]:
        """Every grant, the newest first, with all that belongs to it."""
        requests, grants = tables.requests, tables.grants
        query = (
            select(requests.c.id).join(grants, grants.c.request_id == requests.c.id).order_by(requests.c.number.desc())
        )
        if since is not None:
            query = query.where(grants.c.since >= since)
        if api is not None:
            query = query.where(requests.c.api == api)
        if person is not None:
            query = query.where(requests.c.user_id == person)
        ids = (await self._db.execute(query)).scalars().all()
        return tuple((await self.records(ids)).values())

    async def cursor(self, channel: str) -> int:
        query = select(tables.counters.c.value).where(tables.counters.c.name == f"posted:{channel}")
        return (await self._db.execute(query)).scalar_one_or_none() or 0

    async def move_cursor(self, channel: str, upto: int) -> None:
        """Rows up to this number are in the channel. Where more are waiting, they are promised."""
        await self._upsert(tables.counters, {"name": f"posted:{channel}", "value": upto})
        waiting = select(func.max(tables.audit.c.number))
        if ((await self._db.execute(waiting)).scalar_one_or_none() or 0) > upto:
            await self._promise(Promise(EffectKind.POST_AUDIT, channel, self.now), None, channel)
        self.wrote = True

    # what is remembered between runs

    async def remembered(self, name: str) -> Any:
        query = select(tables.meta.c.value).where(tables.meta.c.name == name)
        value = (await self._db.execute(query)).scalar_one_or_none()
        return None if value is None else json.loads(value)

    async def remember(self, name: str, value: Any) -> None:
        await self._upsert(tables.meta, {"name": name, "value": json.dumps(value)})
        self.wrote = True


# Statements that are the same each time are made once: making one takes longer than running it.

_OTHER = tables.effects.alias()


def _insert(table: Any, *, sqlite: bool) -> Any:
    return sqlite_dialect.insert(table) if sqlite else postgresql.insert(table)


@cache
def _belonging(table: Any, order: str | None) -> Any:
    """The rows of a table that belong to the request `of`."""
    query = select(table).where(table.c.request_id == bindparam("of"))
    return query.order_by(table.c[order]) if order else query


@cache
def _upserting(table: Any, *, sqlite: bool) -> Any:
    statement = _insert(table, sqlite=sqlite)
    keys = [column.name for column in table.primary_key]
    changes = {column.name: statement.excluded[column.name] for column in table.c if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=changes)


@cache
def _promising(*, sqlite: bool) -> Any:
    table = tables.effects
    statement = _insert(table, sqlite=sqlite)
    is_open = table.c.state == _OPEN
    sooner = and_(is_open, table.c.due_at < statement.excluded.due_at)
    return statement.on_conflict_do_update(
        index_elements=["subject_id", "kind"],
        set_={
            "state": _OPEN,
            "due_at": case((sooner, table.c.due_at), else_=statement.excluded.due_at),
            "lease_until": case((is_open, table.c.lease_until), else_=None),
            "attempts": case((is_open, table.c.attempts), else_=0),
            "bugs": case((is_open, table.c.bugs), else_=0),
            "told": case((is_open, table.c.told), else_=False),
            "first_failed_at": case((is_open, table.c.first_failed_at), else_=None),
        },
    )


def _lane(promise: Promise, record: Record) -> str | None:
    """The channel a post goes to: one message a second is what Slack takes there."""
    message = record.message(promise.subject_id) if promise.kind is EffectKind.POST_MESSAGE else None
    return message.target if message else None


def _entry(row: Any) -> AuditEntry:
    person = Identity(row.person_team, row.person_user) if row.person_user else None
    actor = Identity(row.actor_team, row.actor_user) if row.actor_user else None
    details = json.loads(row.details)
    return AuditEntry(row.number, row.at, AuditEvent(row.event), row.request_number, row.api, person, actor, details)


__all__ = ["AuditEntry", "LeaseLost", "Store", "Transaction"]
