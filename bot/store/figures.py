"""Figures for the metrics: each read by an index, so that they cost the same whatever has ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, or_, select

from bot.core.model import GrantState, RequestState
from bot.store import cursors, tables
from bot.store.cursors import LEFT
from bot.store.transaction import Transaction


@dataclass(frozen=True)
class Waiting:
    """The requests for an API that wait for a decision: how many, and since when the first of them."""

    api: str
    many: int
    since: datetime


@dataclass(frozen=True)
class Living:
    """The keys for an API that Tyk has of us: how many, and of how many the end has passed or the grant has ended."""

    api: str
    many: int
    past_end: int


@dataclass(frozen=True)
class Unposted:
    """Rows of the audit that are not in its channel yet: how many, and since when the first of them."""

    many: int = 0
    since: datetime | None = None


def waiting(tx: Transaction) -> tuple[Waiting, ...]:
    table = tables.requests
    query = (
        select(table.c.api, func.count(), func.min(table.c.created_at))
        .where(table.c.state == RequestState.PENDING.value)
        .group_by(table.c.api)
    )
    return tuple(Waiting(*row) for row in tx.connection.execute(query))


def living(tx: Transaction) -> tuple[Living, ...]:
    keys, grants, requests = tables.keys, tables.grants, tables.requests
    is_over = or_(keys.c.expires_at <= tx.now, grants.c.state == GrantState.ENDED.value)
    query = (
        select(requests.c.api, func.count(), func.sum(case((is_over, 1), else_=0)))
        .select_from(keys)
        .join(requests, requests.c.id == keys.c.request_id)
        .join(grants, grants.c.request_id == keys.c.request_id)
        .where(tables.AT_TYK)
        .group_by(requests.c.api)
    )
    return tuple(Living(*row) for row in tx.connection.execute(query))


def unposted(tx: Transaction, channel: str) -> Unposted:
    cursor = cursors.of(tx, channel)
    many = tx.newest_audit() - cursor if cursor != LEFT else 0
    return Unposted(many, next(iter(tx.audit_after(cursor, 1))).at) if many > 0 else Unposted()
