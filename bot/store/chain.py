"""The chain of the audit as it is stored: rows appended to it, its keys, and its rows as they are proved and exported.

The counter of the audit holds the newest row's number and link, and is moved on by one statement, which finds nothing where
somebody else appended since: then the newest row is asked for under a lock. The keys are sealed with SEAL_KEYS.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection

from bot.core import chain
from bot.core.chain import ChainKey, Head, Line
from bot.core.model import AuditEvent, AuditLine, Identity, Request
from bot.store import statements, tables
from bot.store.rows import NO_TEXTS
from bot.store.seal import Seal, SealLost

if TYPE_CHECKING:
    from bot.store.transaction import Transaction

_KEYS = "audit keys"
_AT_ONCE = 1000


@dataclass
class Chain:
    """The means to append: the key, None for a command that was given none, and the newest row that the store knows of."""

    key: ChainKey | None = None
    head: Head = field(default_factory=Head)


@dataclass(frozen=True)
class Row:
    """A line of the audit with what it is about, to be appended."""

    line: AuditLine
    at: datetime
    request: Request | None
    api: str | None
    person: Identity | None


# --- appending --------------------------------------------------------------------------------------------------------


def append(
    connection: Connection, rows: Sequence[Row], key: ChainKey | None, known: Head, *, sqlite: bool, locks: bool
) -> Head:
    """Append the rows behind the newest one, which is `known` unless somebody else appended since. Returns the new head."""
    parted = [chain.parted(one.line.event.value, one.line.details) for one in rows]
    while True:
        linked = list(_linked(rows, parted, key, known))
        new = Head(linked[-1]["number"], linked[-1]["link"])
        moved = {"at": known.number, "old": known.link, "many": len(rows), "new": new.link}
        if connection.execute(statements.appending(), moved).scalar_one_or_none() is not None:
            break
        known = newest(connection, sqlite=sqlite, locks=locks)
    connection.execute(statements.adding(tables.audit), linked)
    beside = [
        {"number": one["number"], "request_id": one["request_id"], "texts": json.dumps(texts, ensure_ascii=False)}
        for one, (_, texts) in zip(linked, parted, strict=True)
        if texts
    ]
    if beside:
        connection.execute(statements.adding(tables.audit_texts), beside)
    return new


def newest(connection: Connection, *, sqlite: bool, locks: bool) -> Head:
    """The newest row. Holding it, nobody else can append until this transaction ends."""
    found = connection.execute(statements.head(locks=locks)).one_or_none()
    if found is None:
        begun = statements.inserting(tables.counters, sqlite=sqlite).on_conflict_do_nothing()
        connection.execute(begun, {"name": "audit", "value": 0, "head": ""})
        found = connection.execute(statements.head(locks=locks)).one()
    return Head(found.value, found.head)


def _linked(
    rows: Sequence[Row],
    parted: Sequence[tuple[Mapping[str, Any], Mapping[str, tuple[str, Any]]]],
    key: ChainKey | None,
    before: Head,
) -> Iterator[dict[str, Any]]:
    """The rows as they are stored, each with its link."""
    number, prev = before.number, before.link
    for one, (details, texts) in zip(rows, parted, strict=True):
        number += 1
        stored = {
            "number": number,
            "at": one.at,
            "event": one.line.event.value,
            "request_id": one.request.id if one.request else None,
            "request_number": one.request.number if one.request else None,
            "api": one.api,
            "person_team": one.person.team_id if one.person else None,
            "person_user": one.person.user_id if one.person else None,
            "actor_team": one.line.actor.team_id if one.line.actor else None,
            "actor_user": one.line.actor.user_id if one.line.actor else None,
            "prev": prev,
            "chain_key": key.id if key else None,
        }
        digests = {name: chain.commitment(*text) for name, text in texts.items()}
        chained = _chained(stored, details, digests)
        prev = chain.link(chained, key.secret if key else None)
        yield stored | {
            "details": json.dumps(details, ensure_ascii=False),
            "texts": json.dumps(digests),
            "link": prev,
        }


def _chained(stored: Mapping[str, Any], details: Any, digests: Any) -> dict[str, Any]:
    """The part of a row that is chained, in the form that `docs/audit.md` describes."""
    return {
        "v": chain.VERSION,
        "number": stored["number"],
        "at": tables.to_ms(stored["at"]),
        "event": stored["event"],
        "request_id": stored["request_id"],
        "request": stored["request_number"],
        "api": stored["api"],
        "person": stored["person_user"],
        "person_team": stored["person_team"],
        "actor": stored["actor_user"],
        "actor_team": stored["actor_team"],
        "details": details,
        "texts": digests,
        "key": stored["chain_key"],
        "prev": stored["prev"],
    }


# --- reading ----------------------------------------------------------------------------------------------------------


def lines(connection: Connection, *conditions: ColumnElement[bool], most: int | None = None) -> Iterator[Line]:
    """The rows that fit, as they are proved and exported, without holding them all in memory."""
    query = statements.audited().where(*conditions).limit(most)
    with connection.execute(query, execution_options={"yield_per": _AT_ONCE}) as found:
        names = tuple(found.keys())
        for some in found.partitions():
            yield from (_line(dict(zip(names, one, strict=True))) for one in some)


def _line(stored: Mapping[str, Any]) -> Line:
    digests, beside = stored["texts"], stored["beside"]
    row = _chained(stored, _object(stored["details"]), _object(digests) if digests != NO_TEXTS else {})
    return {"row": row, "link": stored["link"], "texts": _object(beside) if beside else {}}


def _object(stored: str) -> dict[str, Any]:
    """The stored JSON object. Anything else that somebody put there is kept as text, with which the proof fails."""
    try:
        found = json.loads(stored)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"unreadable": stored}


def noted(connection: Connection) -> tuple[Head, ...]:
    """The newest row as the database notes it beside the rows, where it is chained."""
    found = connection.execute(statements.head(locks=False)).one_or_none()
    return (Head(found.value, found.head),) if found is not None and found.head else ()


# --- keys -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Opened:
    """The keys of the chain that could be opened, the newest last; `lost` are those that no key of SEAL_KEYS opens."""

    keys: tuple[ChainKey, ...]
    lost: int = 0

    @property
    def sentence(self) -> str:
        """The advice about rows that are lost."""
        return (
            f"No key in SEAL_KEYS opens {self.lost} of the keys of the audit's chain: put the key that sealed them back, "
            "behind the others."
        )


def keys(tx: Transaction, seal: Seal) -> Opened:
    found, lost = list[ChainKey](), 0
    for sealed in tx.remembered(_KEYS) or ():
        try:
            found.append(ChainKey.parse(seal.open(sealed.encode())))
        except SealLost:
            lost += 1
    return Opened(tuple(found), lost)


def begin(tx: Transaction, seal: Seal) -> ChainKey:
    """The key to chain with: the newest that there is, or else a new one, which the audit says where it has rows already.

    Nobody else can append meanwhile, nor begin.
    """
    before = tx.audit_head()
    opened = keys(tx, seal)
    if opened.keys:
        return opened.keys[-1]
    key = ChainKey.new(before.number + 1)
    tx.remember(_KEYS, [*(tx.remembered(_KEYS) or ()), seal.close(key.line).decode()])
    tx.chain_with(key)
    if before.number:
        why = {"why": "no key in SEAL_KEYS opens the key of the chain so far"} if opened.lost else {}
        tx.audit(AuditLine(AuditEvent.CHAINED, None, {"key": key.id, **why}), None)
    return key


def reseal(tx: Transaction, seal: Seal) -> bool:
    """Seal the keys with the newest of SEAL_KEYS, as far as they can be opened. Returns whether any was not."""
    before = [sealed.encode() for sealed in tx.remembered(_KEYS) or ()]
    after = [seal.anew(one) if seal.opens(one) and not seal.is_newest(one) else one for one in before]
    if after != before:
        tx.remember(_KEYS, [one.decode() for one in after])
    return after != before
