"""Everything that can be asked and stored inside one transaction. Nothing in here decides.

Reading a record locks it until the transaction ends, so what was decided on is what is written. `outbox` has
the effects.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, Table, delete, func, or_, select
from sqlalchemy import Transaction as Scope

from bot.core.audit import AuditEntry
from bot.core.chain import ChainKey, Head
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
    Request,
    RequestState,
    Transition,
)
from bot.core.urgency import urgency
from bot.store import chain, rows, statements, tables
from bot.store.chain import Chain

FIRST_NUMBER = 1001
AUDIT_GATHERS = timedelta(seconds=1)
"""An audit line waits so long for others, to stand in the channel in one message with them."""


class Transaction:
    """`now` is the database's time when the transaction began. `promised` are the effects that it opened, by id; `told` are the
    events that it wrote into the audit, each with its API, and `head` the newest line of it.

    `unless_stored` is called where it is not stored after all: to give back what is held for it outside the database.
    """

    def __init__(
        self,
        scope: Scope,
        now: datetime,
        *,
        sqlite: bool,
        locks: bool = True,
        audit_channel: str | None = None,
        forwards: Sequence[str] = (),
        known: Mapping[str, Record] | None = None,
        chain: Chain | None = None,
    ) -> None:
        self.connection: Connection = scope.connection
        self._scope = scope
        self.now = now
        self.promised: dict[int, Effect] = {}
        self.head: Head | None = None
        self.unless_stored = ExitStack()
        self.told: list[tuple[AuditEvent, str | None]] = []
        self.wrote = False
        self.undone = False
        self._sqlite = sqlite
        self.locks = locks and not sqlite
        self.audit_channel = audit_channel
        self.forwards = forwards
        self._known = known or {}
        self._chain = chain or Chain()
        self._loaded: dict[str, Record] = {}

    def rollback(self) -> None:
        """Store nothing of it after all."""
        self._scope.rollback()
        self.promised.clear()
        self.head = None
        self.wrote, self.undone = False, True

    def left(self) -> tuple[Effect, ...]:
        """The effects that were promised here and that nobody took in hand."""
        return tuple(self.promised.values())

    # --- records ---

    def record(self, request_id: str, *, skip_locked: bool = False) -> Record | None:
        """The whole record, locked until the transaction ends; None if there is none (or, skipping, it is locked).

        Where it is known, and nothing was stored of it since, no more than its revision is looked at.
        """
        row = self.connection.execute(
            statements.request(locks=self.locks, skip_locked=skip_locked), {"of": request_id}
        ).one_or_none()
        if row is None:
            return None
        known = self._known.get(request_id)
        if known is not None and known.request.revision == row.revision:
            record = known
        else:
            record = rows.record_of(row, *(self._of(table, request_id) for table in statements.PARTS))
        self._loaded[request_id] = record
        return record

    def _of(self, table: Table, request_id: str) -> Sequence[Any]:
        return self.connection.execute(statements.belonging(table), {"of": [request_id]}).all()

    def records(self, ids: Collection[str]) -> tuple[Record, ...]:
        """The records with these ids, in the order of the ids, and as few statements for many as for one."""
        found = self._some(list(ids), locks=self.locks)
        self._loaded |= found
        return tuple(found[one] for one in ids if one in found)

    def glance(self, ids: Collection[str]) -> dict[str, Record]:
        """The records with these ids as they stand, not locked: to look at, not to decide on."""
        return self._some(list(ids), locks=False)

    def _some(self, wanted: Sequence[str], *, locks: bool) -> dict[str, Record]:
        found: dict[str, Record] = {}
        for start in range(0, len(wanted), statements.AT_ONCE):
            some = wanted[start : start + statements.AT_ONCE]
            requests = self.connection.execute(statements.some_requests(locks=locks), {"of": some}).all()
            parts = [
                rows.by_request(self.connection.execute(statements.belonging(table), {"of": some}).all())
                for table in statements.PARTS
            ]
            for row in requests:
                found[row.id] = rows.record_of(row, *(part.get(row.id, ()) for part in parts))
        return found

    @property
    def loaded(self) -> Mapping[str, Record]:
        """The records as this transaction read or wrote them last."""
        return self._loaded

    def numbered(self, number: int) -> Record | None:
        """The record people call by this number."""
        query = select(tables.requests.c.id).where(tables.requests.c.number == number)
        request_id = self.connection.execute(query).scalar_one_or_none()
        return self.record(request_id) if request_id else None

    def standing(
        self, who: Identity, api: str | None = None, *, limit: int | None = None, left: bool = False
    ) -> tuple[Record, ...]:
        """This person's requests that wait and grants that run, of one API or of all, the newest first.

        `left`: only grants whose holder was found to have left.
        """
        query = statements.standing(of_one=api is not None, left=left, limited=limit is not None)
        asked = (
            {"user": who.user_id} | ({} if api is None else {"api": api}) | ({} if limit is None else {"most": limit})
        )
        return self.records(self.connection.execute(query, asked).scalars().all())

    def held(self, who: Identity, api: str) -> tuple[int, ...]:
        """The numbers of this person's requests of one API that wait and whose grants run, the oldest first."""
        found = self.connection.execute(statements.held(), {"user": who.user_id, "api": api})
        return tuple(found.scalars().all())

    def extending(self, held: Request) -> tuple[int, ...]:
        """The numbers of the requests that wait and ask to extend this one."""
        asked = {"user": held.requester.user_id, "of": held.id}
        return tuple(self.connection.execute(statements.extending(), asked).scalars().all())

    def past(self, who: Identity, limit: int) -> tuple[Record, ...]:
        """This person's requests that came to nothing and grants that ended, what ended last first."""
        requests, grants = tables.requests, tables.grants
        over_at = func.coalesce(grants.c.ended_at, requests.c.decided_at)
        query = (
            self._of_person(who)
            .where(requests.c.state != RequestState.PENDING.value)
            .where(or_(grants.c.state.is_(None), grants.c.state == GrantState.ENDED.value))
            .where(or_(requests.c.extends.is_(None), requests.c.state != RequestState.APPROVED.value))
            .order_by(None)
            .order_by(over_at.desc(), requests.c.number.desc())
        )
        return self.records(self.connection.execute(query.limit(limit)).scalars().all())

    def reviewed_by(self, who: Identity, since: datetime, limit: int) -> tuple[Record, ...]:
        """The requests about which this person said yes or no since then, the last first."""
        table = tables.reviews
        query = (
            select(table.c.request_id)
            .where(table.c.user_id.in_(statements.ids_of(who.user_id)), table.c.at >= since)
            .order_by(table.c.at.desc())
        )
        return self.records(self.connection.execute(query.limit(limit)).scalars().all())

    def beside(self, request: Request, limit: int) -> tuple[Record, ...]:
        """The other requests of whoever made this one, what waits or runs first, then the newest; each with its grant alone."""
        asked = {"user": request.requester.user_id, "of": request.id, "most": limit}
        found = self.connection.execute(statements.beside(), asked).all()
        if not found:
            return ()
        ids = {"of": [row.id for row in found]}
        granted = rows.by_request(self.connection.execute(statements.belonging(tables.grants), ids).all())
        return tuple(rows.record_of(row, (), granted.get(row.id, ()), (), ()) for row in found)

    @staticmethod
    def _of_person(who: Identity) -> Select[Any]:
        requests, grants = tables.requests, tables.grants
        return (
            select(requests.c.id)
            .outerjoin(grants, grants.c.request_id == requests.c.id)
            .where(requests.c.user_id.in_(statements.ids_of(who.user_id)))
            .order_by(requests.c.number.desc())
        )

    def met(self, ids: Collection[str]) -> None:
        """These are ids of one person."""
        pairs = [{"user_id": one, "also": other} for one in sorted(ids) for other in sorted(ids) if one != other]
        if pairs:
            known = statements.inserting(tables.ids, sqlite=self._sqlite).on_conflict_do_nothing()
            self.connection.execute(known, pairs)
            self.wrote = True

    def people(self, after: str, limit: int) -> tuple[Identity, ...]:
        """Those with requests that wait or grants that run, in the order of their user ids, from behind `after`."""
        requests, grants = tables.requests, tables.grants
        query = (
            select(requests.c.user_id, func.max(requests.c.team_id).label("team_id"))
            .group_by(requests.c.user_id)
            .outerjoin(grants, grants.c.request_id == requests.c.id)
            .where(or_(requests.c.state == RequestState.PENDING.value, grants.c.state.in_(statements.LIVES)))
            .where(requests.c.user_id > after)
            .order_by(requests.c.user_id)
            .limit(limit)
        )
        return tuple(Identity(row.team_id, row.user_id) for row in self.connection.execute(query).all())

    def waiting(self, apis: Collection[str] | None = None, limit: int | None = None) -> tuple[str, ...]:
        """The ids of the requests that wait for a decision, the oldest first."""
        query = select(tables.requests.c.id).where(tables.requests.c.state == RequestState.PENDING.value)
        if apis is not None:
            query = query.where(tables.requests.c.api.in_(apis))
        return tuple(self.connection.execute(query.order_by(tables.requests.c.number).limit(limit)).scalars().all())

    def awaited_apis(self) -> tuple[str, ...]:
        """The names of the entries for which requests wait for a decision."""
        pending = tables.requests.c.state == RequestState.PENDING.value
        return tuple(self.connection.execute(select(tables.requests.c.api).where(pending).distinct()).scalars().all())

    def next_number(self) -> int:
        """The next request's number. Holding it, no other request can be submitted until this transaction ends."""
        raised = {"of": "requests", "many": 1}
        value = self.connection.execute(statements.raising(), raised).scalar_one_or_none()
        if value is None:
            begun = statements.inserting(tables.counters, sqlite=self._sqlite).on_conflict_do_nothing()
            self.connection.execute(begun, {"name": "requests", "value": FIRST_NUMBER - 1})
            value = self.connection.execute(statements.raising(), raised).scalar_one()
        return int(value)

    # --- what was decided ---

    def apply(self, transition: Transition) -> Record:
        """Store the record, its promises and what the audit says of it."""
        is_new = transition.record.request.id not in self._loaded
        record = self._write(transition.record)
        request_id = record.request.id
        if not is_new:  # of what nobody knew, nothing was promised yet
            self._drop(transition.drops)
        promises = {(one.subject_id, one.kind): one for one in sorted(transition.promises, key=_latest_first)}
        effects = [_effect_row(one, request_id, record.message(one.subject_id)) for one in promises.values()]
        self._append(transition.audit, record, None)
        if transition.audit:
            effects += self._audit_promise()
        self._promise(effects)
        self._loaded[request_id] = record
        self.wrote = True
        return record

    def _write(self, record: Record) -> Record:
        """Write what differs from what was read, and nothing else."""
        request_id, before = record.request.id, self._loaded.get(record.request.id)
        if before is not None and before == record:
            return record
        record = replace(record, request=replace(record.request, revision=_revision()))
        if before is None:
            self.connection.execute(statements.adding(tables.requests), rows.request_row(record.request))
        else:
            self.connection.execute(statements.updating_request(), rows.request_row(record.request, again=True))
            if (record.request.rule, record.request.plan) != (before.request.rule, before.request.plan):
                self.connection.execute(statements.changing_rule(), rows.rule_row(record.request))
        reviews = set(record.reviews) - set(before.reviews if before else ())
        self._upsert(tables.reviews, [rows.review_row(request_id, one) for one in reviews])
        if record.grant is not None and (before is None or before.grant != record.grant):
            self._upsert(tables.grants, [rows.grant_row(request_id, record.grant)])
        old_keys = before.keys if before else ()
        keys = [rows.key_row(request_id, place, key) for place, key in enumerate(record.keys) if key not in old_keys]
        self._upsert(tables.keys, keys)
        self._write_messages(request_id, before.messages if before else (), record.messages)
        return record

    def _write_messages(self, request_id: str, old: tuple[Message, ...], new: tuple[Message, ...]) -> None:
        changed = [rows.message_row(request_id, place, one) for place, one in enumerate(new) if one not in old]
        self._upsert(tables.messages, changed)
        if gone := {message.id for message in old} - {message.id for message in new}:
            self.connection.execute(delete(tables.messages).where(tables.messages.c.id.in_(gone)))

    def upsert(self, table: Table, changed: Sequence[Mapping[str, Any]]) -> None:
        """Rows that belong to no request."""
        self._upsert(table, changed)
        self.wrote = True

    def _upsert(self, table: Table, changed: Sequence[Mapping[str, Any]]) -> None:
        if changed:
            self.connection.execute(statements.upserting(table, sqlite=self._sqlite), changed)

    # --- promises ---

    def promise(self, promise: Promise) -> None:
        """A promise that belongs to no request."""
        self._promise([_effect_row(promise, None, None)])
        self.wrote = True

    def _promise(self, effects: Sequence[Mapping[str, Any]]) -> None:
        """Open the effects, or bring open ones forward; one that was done, dropped or parked opens anew."""
        if effects:
            opened = self.connection.execute(statements.promising(sqlite=self._sqlite), effects)
            self.promised |= {row.id: rows.effect_of(row) for row in opened}

    def promise_audit(self, kind: EffectKind, place: str) -> None:
        """Promise that a place hears of the rows that wait for it."""
        self._promise([_reading_on(kind, place, self.now)])
        self.wrote = True

    def _audit_promise(self) -> list[dict[str, Any]]:
        """The channel hears of the new rows, and so does every place that rows are forwarded to."""
        due_at = self.now + AUDIT_GATHERS
        told = [_reading_on(EffectKind.FORWARD_AUDIT, one, due_at) for one in self.forwards]
        return [_reading_on(EffectKind.POST_AUDIT, self.audit_channel, due_at), *told] if self.audit_channel else told

    def _drop(self, drops: Iterable[tuple[EffectKind, str]]) -> None:
        """Drop these effects, but for those that somebody is at work on."""
        by_subject: dict[str, list[str]] = {}
        for kind, subject_id in drops:
            by_subject.setdefault(subject_id, []).append(kind.value)
        for subject_id, kinds in by_subject.items():
            self.connection.execute(statements.dropping(), {"subject": subject_id, "kinds": kinds, "now": self.now})

    # --- the audit ---

    def audit(
        self, line: AuditLine, record: Record | None, *, api: str | None = None, about: Identity | None = None
    ) -> None:
        """Append one row, numbered without a gap, and promise that the channel hears of it. `api` and `about` say what and whom
        it concerns where that is no request."""
        self._append((line,), record, api, about)
        self._promise(self._audit_promise())
        self.wrote = True

    def _append(
        self, lines: Sequence[AuditLine], record: Record | None, api: str | None, about: Identity | None = None
    ) -> None:
        if not lines:
            return
        request = record.request if record else None
        person = request.requester if request else about
        of = request.rule.name if request else api
        self.told += [(line.event, of) for line in lines]
        appended = [chain.Row(line, self.now, request, of, person) for line in lines]
        known = self.head or self._chain.head
        sqlite, locks = self._sqlite, self.locks
        self.head = chain.append(self.connection, appended, self._chain.key, known, sqlite=sqlite, locks=locks)

    def audit_head(self) -> Head:
        """The newest line. Holding it, nobody else can append one until this transaction ends."""
        self.head = chain.newest(self.connection, sqlite=self._sqlite, locks=self.locks)
        return self.head

    def chain_with(self, key: ChainKey) -> None:
        """Chain what is appended from here on with this key."""
        self._chain = Chain(key, self._chain.head)

    def audit_after(self, number: int, limit: int) -> tuple[AuditEntry, ...]:
        query = statements.audited().where(tables.audit.c.number > number).limit(limit)
        return tuple(map(rows.entry_of, self.connection.execute(query).all()))

    def audit_trail(self, **fits: Any) -> Iterator[AuditEntry]:
        """Rows in order, as many as there are, without holding them all in memory. What `fits` is `statements.of_audit`'s."""
        return map(rows.entry_of, self._audited(**fits))

    def audit_cells(self, **fits: Any) -> Iterator[rows.AuditCells]:
        """The same for a report."""
        return map(rows.cells_of, self._audited(**fits))

    def _audited(self, **fits: Any) -> Iterator[Any]:
        query = statements.audited().where(*statements.of_audit(**fits))
        with self.connection.execute(query, execution_options={"yield_per": 1000}) as found:
            yield from found

    def newest_audit(self) -> int:
        """The number of the newest line, 0 where there is none."""
        return self.connection.execute(select(func.max(tables.audit.c.number))).scalar_one_or_none() or 0

    # --- what is remembered between runs ---

    def remembered(self, name: str, *, lock: bool = False) -> Any:
        """The value that was remembered under this name, None if nothing was. `lock`: nobody else changes it meanwhile."""
        query = select(tables.meta.c.value).where(tables.meta.c.name == name)
        if lock and self.locks:
            query = query.with_for_update()
        value = self.connection.execute(query).scalar_one_or_none()
        return None if value is None else json.loads(value)

    def remember(self, name: str, value: Any) -> None:
        self._upsert(tables.meta, [{"name": name, "value": json.dumps(value)}])
        self.wrote = True

    def forget(self, names: Collection[str]) -> None:
        self.connection.execute(delete(tables.meta).where(tables.meta.c.name.in_(names)))
        self.wrote = True


def _revision() -> int:
    """A number that the record has not had: not even in a database that was restored to an earlier time."""
    return secrets.randbits(31)


def _latest_first(promise: Promise) -> float:
    """A key to sort by, with which the sooner due of two promises of the same comes last, and so counts."""
    return -promise.due_at.timestamp()


def _effect_row(promise: Promise, request_id: str | None, message: Message | None) -> dict[str, Any]:
    """A post keeps the pace of the channel it goes to."""
    return {
        "subject_id": promise.subject_id,
        "kind": promise.kind.value,
        "request_id": request_id,
        "lane": message.target if message and promise.kind is EffectKind.POST_MESSAGE else None,
        "urgency": urgency(promise.kind, message).value,
        "due_at": promise.due_at,
        "state": EffectState.OPEN.value,
        "epoch": 0,
        "attempts": 0,
        "bugs": 0,
        "told": False,
        "again": False,
        "last_error": "",
        "why": "",
    }


def _reading_on(kind: EffectKind, place: str, due_at: datetime) -> dict[str, Any]:
    """The standing effect that brings the audit's rows to a place; a post keeps the pace of its channel."""
    lane = place if kind is EffectKind.POST_AUDIT else None
    return _effect_row(Promise(kind, place, due_at), None, None) | {"lane": lane}
