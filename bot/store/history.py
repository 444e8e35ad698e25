"""The requests on record, a page at a time: each page is a transaction of its own, so that a year's reading holds nobody up."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select

from bot.core import replay
from bot.core.model import AuditEvent, AuditLine, Identity, Record, RequestState
from bot.core.replay import Told
from bot.store import statements, tables
from bot.store.store import Store
from bot.store.transaction import Transaction

Pages = Callable[[Select[Any]], Select[Any]]


@dataclass(frozen=True)
class Past:
    """A record, and what the audit tells of its decision."""

    record: Record
    told: Told


def waiting(store: Store) -> Iterator[Record]:
    """The requests that wait for a decision, the oldest first."""
    return _pages(store, lambda query: query.where(tables.requests.c.state == RequestState.PENDING.value))


def living(store: Store) -> Iterator[Record]:
    """The requests that were granted and have not ended, the oldest first."""
    requests, grants = tables.requests, tables.grants
    return _pages(
        store,
        lambda query: query.join(grants, grants.c.request_id == requests.c.id).where(
            grants.c.state.in_(statements.LIVES)
        ),
    )


def decided(store: Store, since: datetime | None) -> Iterator[Past]:
    """The requests made since then that are decided, the oldest first."""
    table = tables.requests

    def limits(query: Select[Any]) -> Select[Any]:
        query = query.where(table.c.state != RequestState.PENDING.value)
        return query if since is None else query.where(table.c.created_at >= since)

    def read(tx: Transaction, ids: Collection[str]) -> list[Past]:
        lines = _lines(tx, ids)
        return [Past(record, replay.told(lines.get(record.request.id, ()))) for record in tx.records(ids)]

    for page in _read(store, limits, read):
        yield from page


def _pages(store: Store, limits: Pages) -> Iterator[Record]:
    for page in _read(store, limits, lambda tx, ids: list(tx.records(ids))):
        yield from page


def _read(
    store: Store, limits: Pages, read: Callable[[Transaction, Collection[str]], list[Any]]
) -> Iterator[list[Any]]:
    table, after = tables.requests, 0
    while True:
        query = limits(select(table.c.id, table.c.number)).where(table.c.number > after)
        with store.reading() as tx:
            found = tx.connection.execute(query.order_by(table.c.number).limit(statements.AT_ONCE)).all()
            page = read(tx, [row.id for row in found]) if found else []
        if not found:
            return
        yield page
        after = found[-1].number


def _lines(tx: Transaction, ids: Collection[str]) -> dict[str, list[AuditLine]]:
    """The audit's lines about these decisions, by request."""
    table = tables.audit
    query = (
        select(table.c.request_id, table.c.event, table.c.actor_team, table.c.actor_user, table.c.details)
        .where(table.c.request_id.in_(ids), table.c.event.in_([event.value for event in replay.DECIDES]))
        .order_by(table.c.number)
    )
    lines: defaultdict[str, list[AuditLine]] = defaultdict(list)
    for row in tx.connection.execute(query):
        actor = Identity(row.actor_team, row.actor_user) if row.actor_user else None
        lines[row.request_id].append(AuditLine(AuditEvent(row.event), actor, json.loads(row.details)))
    return lines
