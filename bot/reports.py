"""Who holds what, and what happened: the store's rows as a table for a person, as CSV or as JSON lines for a program."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from bot.core.model import Effect, GrantState, KeyState, Record, Verdict
from bot.store.store import AuditEntry

KEYS = ("request", "api", "plan", "person", "name", "used_by", "state", "since", "until", "keys", "approved_by", "rule")
AUDIT = ("number", "at", "request", "event", "api", "person", "actor", "details")
REQUESTS = ("request", "api", "person", "state", "asked", "stuck")

Row = Mapping[str, Any]


def key_row(record: Record) -> Row:
    """A grant: who holds what until when, by whose yes, under which rule of which configuration."""
    request, grant = record.request, record.grant
    assert grant is not None, "only what was granted is held"
    yeses = [review for review in record.reviews if review.verdict is Verdict.YES]
    return {
        "request": request.label,
        "api": request.rule.name,
        "plan": request.plan.name,
        "person": request.requester.user_id,
        "name": request.requester_name,
        "used_by": request.used_by,
        "state": grant.state.value,
        "since": _moment(grant.since),
        "until": _moment(grant.ended_at if grant.state is GrantState.ENDED else grant.until) or "never",
        "keys": " ".join(key.key_hash for key in record.keys if key.key_hash and key.state is not KeyState.DEAD),
        "approved_by": " ".join(f"{yes.reviewer.user_id}({yes.counted_by})" for yes in yeses) or "rule",
        "rule": f"{request.rule.name}@{request.digest}",
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


def render(rows: Iterable[Row], columns: Sequence[str], how: str) -> Iterable[str]:
    """Lines of the report; `how` is `table`, `csv` or `jsonl`. A table measures its columns first, the others stream."""
    if how == "jsonl":
        return (json.dumps({name: row[name] for name in columns}, ensure_ascii=False) for row in rows)
    flat = ([_flat(row[name]) for name in columns] for row in rows)
    if how == "csv":
        return (_csv_line(cells) for cells in _headed(columns, flat))
    return _table(list(_headed([name.replace("_", " ").upper() for name in columns], flat)))


def _headed(head: Sequence[str], rows: Iterable[list[str]]) -> Iterable[Sequence[str]]:
    yield head
    yield from rows


def _table(rows: list[Sequence[str]]) -> Iterable[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
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
