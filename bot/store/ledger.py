"""What reports ask for: who holds what, streamed, with the filter in SQL and a few statements for many rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Select, select

from bot.core.model import GrantState, KeyState, Verdict
from bot.store import rows, statements, tables
from bot.store.transaction import Transaction


@dataclass(frozen=True)
class Filter:
    """What a report is about; None is no limit. `living`: only grants that have not ended."""

    since: datetime | None = None
    api: str | None = None
    person: str | None = None
    number: int | None = None
    living: bool = False


@dataclass(frozen=True)
class Holding:
    """A grant: who holds what until when, by whose approval, under which rule of which configuration.

    `approvals` are the approvers' user ids, each with the id by which it counted.
    """

    request_id: str
    number: int
    api: str
    plan: str
    user_id: str
    name: str
    used_by: str
    state: GrantState
    since: datetime
    until: datetime | None
    key_hashes: tuple[str, ...]
    approvals: tuple[tuple[str, str], ...]
    digest: str


def holdings(tx: Transaction, wanted: Filter) -> Iterator[Holding]:
    """Every grant that fits, the newest first, without holding them all in memory."""
    with tx.connection.execution_options(yield_per=statements.AT_ONCE).execute(_grants(wanted)) as found:
        while some := list(islice(found, statements.AT_ONCE)):
            yield from _with_parts(tx, some)


def _grants(wanted: Filter) -> Select[Any]:
    requests, grants = tables.requests, tables.grants
    query = (
        select(
            requests.c.id,
            requests.c.number,
            requests.c.api,
            requests.c.plan,
            requests.c.user_id,
            requests.c.requester_name,
            requests.c.used_by,
            requests.c.digest,
            grants.c.state,
            grants.c.since,
            grants.c.until,
            grants.c.ended_at,
        )
        .join(grants, grants.c.request_id == requests.c.id)
        .order_by(requests.c.number.desc())
    )
    conditions = {
        requests.c.api: wanted.api,
        requests.c.user_id: wanted.person,
        requests.c.number: wanted.number,
    }
    for column, value in conditions.items():
        if value is not None:
            query = query.where(column == value)
    if wanted.since is not None:
        query = query.where(grants.c.since >= wanted.since)
    return query.where(grants.c.state != GrantState.ENDED.value) if wanted.living else query


def _with_parts(tx: Transaction, some: Sequence[Any]) -> Iterator[Holding]:
    keys, reviews = tables.keys, tables.reviews
    ids = [row.id for row in some]
    hashes = (
        select(keys.c.request_id, keys.c.key_hash)
        .where(keys.c.request_id.in_(ids), keys.c.key_hash.is_not(None), keys.c.state != KeyState.DEAD.value)
        .order_by(keys.c.position)
    )
    approvals = (
        select(reviews.c.request_id, reviews.c.user_id, reviews.c.counted_by)
        .where(reviews.c.request_id.in_(ids), reviews.c.verdict == Verdict.YES.value)
        .order_by(reviews.c.at)
    )
    hashes_of = rows.by_request(tx.connection.execute(hashes))
    approvals_of = rows.by_request(tx.connection.execute(approvals))
    for row in some:
        state = GrantState(row.state)
        yield Holding(
            request_id=row.id,
            number=row.number,
            api=row.api,
            plan=row.plan,
            user_id=row.user_id,
            name=row.requester_name,
            used_by=row.used_by,
            state=state,
            since=row.since,
            until=row.ended_at if state is GrantState.ENDED else row.until,
            key_hashes=tuple(one.key_hash for one in hashes_of.get(row.id, ())),
            approvals=tuple((one.user_id, one.counted_by) for one in approvals_of.get(row.id, ())),
            digest=row.digest,
        )
