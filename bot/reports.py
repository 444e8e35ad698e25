"""Who holds what, and what happened: the store's rows as a table for a person, as CSV or as JSON lines for a program."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain, islice
from typing import Any

from bot.core.model import Effect, Record
from bot.store.ledger import Holding
from bot.store.transaction import AuditEntry

KEYS = ("request", "api", "plan", "person", "name", "used_by", "state", "since", "until", "keys", "approved_by", "rule")
AUDIT = ("number", "at", "request", "event", "api", "person", "actor", "details")
MEASURED = 500
REQUESTS = ("request", "api", "person", "state", "asked", "stuck")

Row = Mapping[str, Any]


def key_row(held: Holding) -> Row:
    return {
        "request": f"R-{held.number}",
        "api": held.api,
        "plan": held.plan,
        "person": held.user_id,
        "name": held.name,
        "used_by": held.used_by,
        "state": held.state.value,
        "since": _moment(held.since),
        "until": _moment(held.until) or "never",
        "keys": " ".join(held.key_hashes),
        "approved_by": " ".join(f"{who}({by})" for who, by in held.approvals) or "rule",
        "rule": f"{held.api}@{held.digest}",
    }


def audit_row(entry: AuditEntry) -> Row:
    return {
        "number": entry.number,
        "at": _moment(entry.at),
        "request": f"R-{entry.request_number}" if entry.request_number else "",
        "event": entry.event.value,
        "api": entry.api or "",
        "person": entry.person.user_id if entry.person else "",
        "actor": entry.actor.user_id if entry.actor else "",
        "details": entry.details,
    }


def request_row(record: Record, parked: Sequence[Effect]) -> Row:
    return {
        "request": record.request.label,
        "api": record.request.rule.name,
        "person": record.request.requester.user_id,
        "state": record.grant.state.value if record.grant else record.request.state.value,
        "asked": _moment(record.request.created_at),
        "stuck": " ".join(f"{effect.id}:{effect.kind}({effect.last_error})" for effect in parked),
    }


def render(rows: Iterable[Row], columns: Sequence[str], how: str) -> Iterator[str]:
    """Lines of the report, one after the other as the rows come; `how` is `table`, `csv` or `jsonl`."""
    if how == "jsonl":
        return (json.dumps({name: row[name] for name in columns}, ensure_ascii=False) for row in rows)
    flat = ([_flat(row[name]) for name in columns] for row in rows)
    if how == "csv":
        return (_csv_line(cells) for cells in chain([columns], flat))
    return _table(chain([[name.replace("_", " ").upper() for name in columns]], flat))


def _table(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as the first rows need; a later cell that is longer takes the room it needs."""
    rows = iter(rows)
    first = list(islice(rows, MEASURED))
    widths = [max(len(row[column]) for row in first) for column in range(len(first[0]))]
    for row in chain(first, rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _csv_line(cells: Sequence[str]) -> str:
    """One line; a cell that a spreadsheet would take for a formula is made text."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(f"'{cell}" if cell[:1] in "=+-@" else cell for cell in cells)
    return out.getvalue()


def _flat(value: Any) -> str:
    """A cell on one line."""
    if isinstance(value, Mapping):
        value = ", ".join(f"{name}={item}" for name, item in value.items() if item not in (None, ""))
    return "".join(character if character.isprintable() else " " for character in str(value))


def _moment(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""
