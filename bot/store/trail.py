"""The audit's rows with the words for what they name, and what is remembered for them: names, and where threads begin."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import and_, select

from bot.core.audit import AuditEntry, Called, Post, Reading, named_in, together
from bot.core.model import MessageKind
from bot.store import cursors, rows, statements, tables
from bot.store.cursors import LEFT
from bot.store.transaction import Transaction


def next_post(tx: Transaction, channel: str, most: int) -> Post:
    """Those of the rows that are not in the channel yet which go out now; none where the audit has left it."""
    upto = cursors.of(tx, channel)
    waiting = tx.audit_after(upto, most) if upto != LEFT else ()
    count, request_id = together(waiting)
    post = Post(reading(tx, waiting[:count]), request_id)
    return post if request_id is None else Post(post.reading, request_id, thread_of(tx, request_id, channel))


def reading(tx: Transaction, entries: Sequence[AuditEntry]) -> Reading:
    requests = called(tx, {one.request_id for one in entries if one.request_id is not None})
    return Reading(entries, requests, names(tx, named_in(entries)))


def readings(tx: Transaction, entries: Iterator[AuditEntry]) -> Iterator[Reading]:
    """All of them, some at a time, and as few statements for many as for one."""
    while some := list(islice(entries, statements.AT_ONCE)):
        yield reading(tx, some)


def called(tx: Transaction, request_ids: Collection[str]) -> dict[str, Called]:
    """The words for these requests."""
    if not request_ids:
        return {}
    requests, messages = tables.requests, tables.messages
    is_card = and_(
        messages.c.request_id == requests.c.id, messages.c.kind == MessageKind.CARD.value, messages.c.ts.is_not(None)
    )
    query = (
        select(requests.c.id, requests.c.requester_name, requests.c.rule, messages.c.channel, messages.c.ts)
        .outerjoin(messages, is_card)
        .where(requests.c.id.in_(request_ids))
        .order_by(messages.c.position)  # of several cards the newest: it is where the request is decided
    )
    return {row.id: _called(row) for row in tx.connection.execute(query)}


def _called(row: Any) -> Called:
    card = (row.channel, row.ts) if row.channel and row.ts else None
    return Called(rows.title_of(row.rule), row.requester_name, card)


# --- names ------------------------------------------------------------------------------------------------------------


def names(tx: Transaction, ids: Collection[str]) -> dict[str, str]:
    """The names that people and user groups had when they were read of last."""
    if not ids:
        return {}
    table = tables.names
    found = tx.connection.execute(select(table).where(table.c.id.in_(ids)))
    return {row.id: row.name for row in found}


def learn(tx: Transaction, learnt: Mapping[str, str]) -> None:
    tx.upsert(tables.names, [{"id": one, "name": name} for one, name in sorted(learnt.items())])


# --- threads ----------------------------------------------------------------------------------------------------------


def thread_of(tx: Transaction, request_id: str, channel: str) -> str | None:
    """The ts of the first message about this request in an audit channel."""
    table = tables.audit_threads
    query = select(table.c.ts).where(table.c.request_id == request_id, table.c.channel == channel)
    ts: str | None = tx.connection.execute(query).scalar_one_or_none()
    return ts


def begin_thread(tx: Transaction, request_id: str, channel: str, ts: str) -> None:
    tx.upsert(tables.audit_threads, [{"request_id": request_id, "channel": channel, "ts": ts}])
