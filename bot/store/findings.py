"""The findings about keys beside what Tyk has, stored so that each finding is said once, and once when it is over.

`what` is true now, `said` is what the help channel heard last: empty is nothing. What is neither true nor said is forgotten.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, update

from bot.core.model import EffectKind, GrantState, Key, KeyState, Promise, Record
from bot.core.outages import MANY
from bot.core.reconciliation import Finding, FindingKind, Marked
from bot.store import rows, statements, tables
from bot.store.transaction import Transaction

EVERYBODY = "help channel"
"""The subject of the promise to tell of findings."""

LIST = "list"
"""The subject of what is to be said of Tyk's list as a whole."""

_LONGEST = 120


@dataclass(frozen=True)
class Standing:
    """A finding as it stands in the store. `subject` is the id of a key of ours, a stranger by its hash, or Tyk's list."""

    subject: str
    request_id: str | None
    finding: Finding
    since: datetime
    said: str

    @property
    def is_over(self) -> bool:
        return not self.finding.what


@dataclass(frozen=True)
class Held:
    """A key of ours that Tyk ought to have as it was granted, and what was found of it last."""

    record: Record
    key: Key
    standing: Standing | None = None


def of_stranger(key_hash: str) -> str:
    return f"stranger {key_hash[:_LONGEST]}"


# --- what is looked at ------------------------------------------------------------------------------------------------


def held(tx: Transaction, after: str, limit: int) -> tuple[Held, ...]:
    """The next keys that live under living grants, in the order of their ids, from behind `after`. None of it is locked."""
    keys, grants = tables.keys, tables.grants
    query = (
        select(keys.c.id, keys.c.request_id)
        .join(grants, grants.c.request_id == keys.c.request_id)
        .where(keys.c.state == KeyState.LIVE.value, grants.c.state != GrantState.ENDED.value, keys.c.id > after)
        .order_by(keys.c.id)
        .limit(limit)
    )
    found = tx.connection.execute(query).all()
    records = tx.glance({row.request_id: None for row in found})
    known = standing(tx, [row.id for row in found])
    looked = []
    for row in found:
        key = records[row.request_id].key(row.id)
        assert key is not None, "its row was just read"
        looked.append(Held(records[row.request_id], key, known.get(row.id)))
    return tuple(looked)


def records_of(tx: Transaction, marked: Sequence[Marked]) -> dict[Marked, Record]:
    """The records of those keys of Tyk's list whose id or hash we know. None of it is locked."""
    keys = tables.keys
    by_id = _request_ids(tx, keys.c.id, [one.key_id for one in marked if one.key_id])
    left = [one.key_hash for one in marked if one.key_id not in by_id]
    by_hash = _request_ids(tx, keys.c.key_hash, left)
    found = {one: by_id.get(one.key_id) or by_hash.get(one.key_hash) for one in marked}
    records = tx.glance({request_id: None for request_id in found.values() if request_id})
    return {one: records[request_id] for one, request_id in found.items() if request_id}


def _request_ids(tx: Transaction, column: Any, names: Sequence[str]) -> dict[str, str]:
    keys, found = tables.keys, dict[str, str]()
    for start in range(0, len(names), statements.AT_ONCE):
        some = names[start : start + statements.AT_ONCE]
        query = select(column.label("name"), keys.c.request_id).where(column.in_(some))
        found |= {row.name: row.request_id for row in tx.connection.execute(query)}
    return found


# --- what is found ----------------------------------------------------------------------------------------------------


def note(tx: Transaction, subject: str, finding: Finding, look: int, request_id: str | None = None) -> bool:
    """Note it down as seen in this look. True where it is new, or says something else than it did."""
    table, before = tables.findings, standing(tx, [subject]).get(subject)
    is_news = before is None or before.finding.what != finding.what
    values = {
        "subject": subject,
        "kind": finding.kind.value,
        "request_id": request_id,
        "label": finding.label,
        "key_hash": finding.key_hash[:_LONGEST],
        "what": finding.what,
        "since": tx.now if before is None or is_news else before.since,
        "look": look,
        "said": before.said if before else "",
    }
    tx.connection.execute(statements.upserting(table, sqlite=tx.connection.dialect.name == "sqlite"), [values])
    tx.wrote = True
    return is_news


def over(tx: Transaction, subjects: Iterable[str]) -> None:
    """It is so no more: that is said where it was said, and else forgotten."""
    table, some = tables.findings, list(subjects)
    for start in range(0, len(some), statements.AT_ONCE):
        mine = table.c.subject.in_(some[start : start + statements.AT_ONCE])
        tx.connection.execute(delete(table).where(mine, table.c.said == ""))
        tx.connection.execute(update(table).where(mine).values(what="", since=tx.now))
        tx.wrote = True


def unmet(tx: Transaction, kinds: Collection[FindingKind], since: int) -> tuple[str, ...]:
    """The subjects of what stands and was not met with since the look of this number."""
    table = tables.findings
    query = select(table.c.subject).where(table.c.kind.in_([one.value for one in kinds]), table.c.look < since)
    return tuple(tx.connection.execute(query.where(table.c.what != "")).scalars().all())


# --- what is told -----------------------------------------------------------------------------------------------------


def standing(tx: Transaction, subjects: Sequence[str]) -> dict[str, Standing]:
    found = dict[str, Standing]()
    for start in range(0, len(subjects), statements.AT_ONCE):
        some = subjects[start : start + statements.AT_ONCE]
        query = select(tables.findings).where(tables.findings.c.subject.in_(some))
        found |= {row.subject: _standing(row) for row in tx.connection.execute(query)}
    return found


def of_requests(tx: Transaction, request_ids: Collection[str]) -> dict[str, list[Standing]]:
    """The findings that stand about keys of these requests."""
    table, wanted, found = tables.findings, list(request_ids), dict[str, list[Standing]]()
    for start in range(0, len(wanted), statements.AT_ONCE):
        mine = table.c.request_id.in_(wanted[start : start + statements.AT_ONCE])
        query = select(table).where(mine, table.c.what != "").order_by(table.c.since)
        grouped = rows.by_request(tx.connection.execute(query))
        found |= {of: list(map(_standing, some)) for of, some in grouped.items()}
    return found


def requests(tx: Transaction) -> tuple[str, ...]:
    """The ids of requests about whose keys something stands, the longest first."""
    table = tables.findings
    query = select(table.c.request_id).where(table.c.request_id.is_not(None), table.c.what != "")
    query = query.group_by(table.c.request_id).order_by(func.min(table.c.since))
    return tuple(tx.connection.execute(query.limit(MANY)).scalars().all())


def unsaid(tx: Transaction) -> tuple[Standing, ...]:
    """The findings that are other than was said of them, the oldest first."""
    table = tables.findings
    query = select(table).where(table.c.what != table.c.said).order_by(table.c.since, table.c.subject).limit(MANY)
    return tuple(map(_standing, tx.connection.execute(query).all()))


def tell(tx: Transaction, at: datetime) -> None:
    """Promise that what is not said yet is said at that time, or sooner."""
    table = tables.findings
    if tx.connection.execute(select(table.c.subject).where(table.c.what != table.c.said).limit(1)).first():
        tx.promise(Promise(EffectKind.TELL_FINDINGS, EVERYBODY, at))


def said(tx: Transaction, told: Iterable[Standing]) -> None:
    """The help channel has heard of these as they stood."""
    table = tables.findings
    for one in told:
        mine = table.c.subject == one.subject
        tx.connection.execute(update(table).where(mine).values(said=one.finding.what))
    tx.connection.execute(delete(table).where(table.c.what == "", table.c.said == ""))
    tx.wrote = True


def _standing(row: Any) -> Standing:
    finding = Finding(FindingKind(row.kind), row.what, row.label, row.key_hash)
    return Standing(row.subject, row.request_id, finding, row.since, row.said)


__all__ = [
    "EVERYBODY",
    "LIST",
    "Held",
    "Standing",
    "held",
    "note",
    "of_requests",
    "of_stranger",
    "over",
    "records_of",
    "requests",
    "said",
    "standing",
    "tell",
    "unmet",
    "unsaid",
]
