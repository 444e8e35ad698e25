"""Erasure as it is stored: of a person, and of what has long been over; also of what the audit holds beside its rows.

SQLite writes over what is deleted (`secure_delete`). PostgreSQL keeps it until the next vacuum.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select, update

from bot.core import erasure, refusals
from bot.core.draft import NewId
from bot.core.model import AuditEvent, AuditLine, GrantState, Identity, Record, Transition
from bot.store import statements, tables, troubles
from bot.store.rows import UnreadableError
from bot.store.transaction import Transaction

_STAYS = frozenset({"operator"})
"""Beside a row, but not the requester's: who did it at the command line."""


@dataclass(frozen=True)
class Erased:
    """The numbers of requests that were erased and of texts beside rows of the audit, and why others could not be read."""

    requests: int = 0
    texts: int = 0
    unreadable: tuple[UnreadableError, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.requests or self.texts)


# --- a person ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Traces:
    """The traces of a person: the requests that they made, and those of others about which they said something."""

    user_id: str
    ids: frozenset[str]
    own: tuple[Record, ...]
    others: tuple[Record, ...]
    texts: int

    @property
    def living(self) -> tuple[Record, ...]:
        return tuple(record for record in self.own if not erasure.is_over(record))


def traces(tx: Transaction, user_id: str) -> Traces:
    """Everything of whoever has this user id, under each of their ids; locked, where the transaction writes."""
    ids = frozenset(tx.connection.execute(select(statements.ids_of(user_id).subquery())).scalars().all())
    requests, reviews, grants = tables.requests, tables.reviews, tables.grants
    own = tx.records(_ids(tx, requests.c.user_id.in_(ids)))
    said = or_(
        requests.c.decided_user.in_(ids),
        exists().where(reviews.c.request_id == requests.c.id, reviews.c.user_id.in_(ids)),
        exists().where(grants.c.request_id == requests.c.id, grants.c.ended_user.in_(ids)),
        *(requests.c.questions.contains(f'"{one}"', autoescape=True) for one in ids),
    )
    others = tx.records(_ids(tx, and_(said, requests.c.user_id.not_in(ids))))
    texts = sum(len(gone) for _, _, gone in _texts_of(tx, ids, others))
    return Traces(user_id, ids, own, others, texts)


def person(tx: Transaction, found: Traces, operator: str, new_id: NewId) -> Erased:
    """Erase all of it. What is said in channels is shown anew without it."""
    tx.audit_head()  # two erasures at once would each account for the same text
    texts = _take(tx, _texts_of(tx, found.ids, found.others))
    changed = 0
    for record in (*found.own, *found.others):
        is_own = record.request.requester.user_id in found.ids
        after = erasure.whole(record) if is_own else erasure.words_of(record, found.ids)
        if after != record:
            tx.apply(erasure.shown_anew(record, after, tx.now, new_id))
            changed += 1
    tx.connection.execute(delete(tables.names).where(tables.names.c.id.in_(found.ids)))
    tx.forget([refusals.tally_of(one) for one in found.ids])
    team = next((record.request.requester.team_id for record in found.own), "")
    details = {"person": found.user_id, "requests": changed, "texts": texts, "operator": operator}
    tx.audit(AuditLine(AuditEvent.ERASED, None, details), None, about=Identity(team, found.user_id))
    return Erased(changed, texts)


def _ids(tx: Transaction, condition: ColumnElement[bool]) -> tuple[str, ...]:
    query = select(tables.requests.c.id).where(condition).order_by(tables.requests.c.number)
    return tuple(tx.connection.execute(query).scalars().all())


# --- what has long been over ------------------------------------------------------------------------------------------


def finished(tx: Transaction, before: datetime, limit: int) -> Erased:
    """Erase some of what was over before that time, the oldest first, and forget where its messages stand.

    What extended a token is not over while that is held. What cannot be read is left as it is, and noted: people are told.
    """
    requests, grants, held = tables.requests, tables.grants, tables.grants.alias()
    extends = exists().where(held.c.request_id == requests.c.extends, held.c.state.in_(statements.LIVES))
    over = or_(grants.c.state.is_(None), and_(grants.c.state == GrantState.ENDED.value, grants.c.ended_at < before))
    query = (
        select(requests.c.id)
        .outerjoin(grants, grants.c.request_id == requests.c.id)
        .where(
            requests.c.erased_at.is_(None),
            requests.c.created_at < before,
            requests.c.decided_at < before,
            over,
            ~extends,
        )
        .order_by(requests.c.created_at, requests.c.number)
        .limit(limit + len(troubles.unreadable(tx)))
    )
    read, unreadable = _readable(tx, tx.connection.execute(query).scalars().all())
    troubles.cannot_read(tx, [one.number for one in unreadable])
    records = [one for one in read if one.request.erased_at is None]  # another replica may be at the same
    if not records:
        return Erased(unreadable=unreadable)
    tx.audit_head()  # as above
    for record in records:
        tx.apply(Transition(erasure.put_away(record, tx.now)))
    ids, threads = [one.request.id for one in records], tables.audit_threads
    texts = _take(tx, _texts(tx, tables.audit_texts.c.request_id.in_(ids)))
    tx.connection.execute(delete(threads).where(threads.c.request_id.in_(ids)))
    first, last = records[0].request.label, records[-1].request.label
    told = {"requests": len(records), "texts": texts, "first": first, "last": last, "why": "keep_finished_for"}
    tx.audit(AuditLine(AuditEvent.ERASED, None, told), None)
    return Erased(len(records), texts, unreadable)


def _readable(tx: Transaction, ids: Sequence[str]) -> tuple[Sequence[Record], tuple[UnreadableError, ...]]:
    """Those of the records that can be read, and why the others cannot."""
    with suppress(UnreadableError):
        return tx.records(ids), ()
    found, unreadable = list[Record](), list[UnreadableError]()
    for one in ids:
        try:
            found += tx.records([one])
        except UnreadableError as error:
            unreadable.append(error)
    return found, tuple(unreadable)


# --- beside the audit -------------------------------------------------------------------------------------------------

_Texts = tuple[int, dict[str, Any], dict[str, Any]]
"""The number of a row, and what stands beside it: what stays, and what goes."""


def _texts(tx: Transaction, condition: ColumnElement[bool]) -> list[_Texts]:
    """The texts to erase of the rows that fit: everything but what is somebody else's."""
    return [(row.number, *_parted(row.beside, lambda name, _: name not in _STAYS)) for row in _beside(tx, condition)]


def _texts_of(tx: Transaction, ids: Collection[str], others: Iterable[Record]) -> list[_Texts]:
    """The texts to erase of a person: whatever is about them, whatever they typed, and their questions where they were
    answered."""
    audit = tables.audit
    found = _texts(tx, or_(audit.c.person_user.in_(ids), audit.c.actor_user.in_(ids)))
    for record in others:
        asked = {one.text for one in record.request.questions if one.asker.user_id in ids}
        answered = and_(
            audit.c.request_id == record.request.id,
            audit.c.event == AuditEvent.QUESTION_ANSWERED.value,
            audit.c.actor_user.not_in(ids),
        )
        for row in _beside(tx, answered) if asked else ():
            found.append((row.number, *_parted(row.beside, partial(_is_question, asked))))
    return found


def _is_question(asked: Collection[str], name: str, value: Any) -> bool:
    return name == "question" and value in asked


def _beside(tx: Transaction, condition: ColumnElement[bool]) -> Sequence[Any]:
    query = statements.audited().where(tables.audit_texts.c.number.is_not(None), condition)
    return tx.connection.execute(query).all()


def _parted(beside: str, goes: Callable[[str, Any], bool]) -> tuple[dict[str, Any], dict[str, Any]]:
    texts = json.loads(beside)
    gone = {name: text for name, text in texts.items() if goes(name, text[1])}
    return {name: text for name, text in texts.items() if name not in gone}, gone


def _take(tx: Transaction, found: Iterable[_Texts]) -> int:
    """Erase what goes. Returns how many texts that were."""
    table, texts = tables.audit_texts, 0
    for number, stays, gone in found:
        if gone and stays:
            kept = json.dumps(stays, ensure_ascii=False)
            tx.connection.execute(update(table).where(table.c.number == number).values(texts=kept))
        elif gone:
            tx.connection.execute(delete(table).where(table.c.number == number))
        texts += len(gone)
    return texts
