"""Reports of who holds what and of what happened: as a table for a person, as CSV or as JSON lines for a program."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any

from bot import durations, layout
from bot.core import outages
from bot.core.audit import AuditEntry
from bot.core.model import Effect, EffectState, Identity, Key, Message, Record, Request, RequestState, Review, Verdict
from bot.core.reconciliation import Finding
from bot.store.findings import Standing
from bot.store.ledger import Holding
from bot.store.rows import AuditCells

KEYS = (
    "request",
    "api",
    "plan",
    "opens",
    "person",
    "name",
    "used_by",
    "state",
    "since",
    "until",
    "keys",
    "approved_by",
    "rule",
    "at_tyk",
)
AUDIT = ("number", "at", "request", "event", "api", "person", "actor", "details")
CHAINED_AUDIT = (*AUDIT, "link")
REQUESTS = (
    "request",
    "api",
    "plan",
    "person",
    "name",
    "state",
    "asked",
    "age",
    "approvals",
    "who_can_decide",
    "reason",
    "stuck",
    "late",
    "failing_since",
    "why",
)
FIRST: Mapping[Sequence[str], Sequence[str]] = {
    KEYS: ("request", "api", "name", "until", "state", "plan", "person"),
    AUDIT: ("number", "at", "event", "request", "api", "person"),
    REQUESTS: ("request", "api", "name", "state", "age", "approvals", "plan", "person"),
}
"""The columns of each report that a terminal has room for first."""
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # noqa: RUF001 - some take the wide ones, too

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Known:
    """The facts beside a request: what was found of its keys at Tyk, and the names of the people and groups of its rule."""

    found: Sequence[Standing] = ()
    names: Mapping[str, str] = field(default_factory=dict)


UNKNOWN = Known()


def key_row(held: Holding) -> Row:
    return {
        "request": f"R-{held.number}",
        "api": held.api,
        "plan": held.plan,
        "opens": " ".join(held.opens),
        "person": held.user_id,
        "name": held.name,
        "used_by": held.used_by,
        "state": held.state.value,
        "since": moment(held.since),
        "until": moment(held.until) or "never",
        "keys": " ".join(held.key_hashes),
        "approved_by": " ".join(f"{who}({by})" for who, by in held.approvals) or "rule",
        "rule": f"{held.api}@{held.digest}",
        "at_tyk": "; ".join(held.found),
    }


def audit_row(cells: AuditCells) -> Row:
    number, at, event, request, api, person, actor, details, link = cells
    return {
        "number": number,
        "at": moment(at),
        "request": f"R-{request}" if request else "",
        "event": event,
        "api": api or "",
        "person": person or "",
        "actor": actor or "",
        "details": details,
        "link": link,
    }


def request_row(record: Record | None, failing: Sequence[Effect], now: datetime, known: Known = UNKNOWN) -> Row:
    """A request, or None for what belongs to none, with its effects that are parked or have failed so far, what was found of its
    keys at Tyk, and while it waits who can decide."""
    request, grant = (record.request, record.grant) if record else (None, None)
    parked = [f"{one.id}:{one.kind}({one.last_error})" for one in failing if one.state is EffectState.PARKED]
    late = [f"{one.kind}({one.last_error})" for one in failing if one.state is EffectState.OPEN]
    since = min((one.first_failed_at for one in failing if one.first_failed_at), default=None)
    waits = record is not None and record.request.state is RequestState.PENDING
    return {
        "request": request.label if request else "",
        "api": request.rule.name if request else "",
        "plan": request.plan.name if request else "",
        "person": request.requester.user_id if request else "",
        "name": request.requester_name if request else "",
        "state": grant.state.value if grant else request.state.value if request else "",
        "asked": moment(request.created_at) if request else "",
        "age": durations.rough(now - request.created_at) if request else "",
        "approvals": _approvals(record) if record and waits else "",
        "who_can_decide": _deciders(record.request, known.names) if record and waits else "",
        "reason": request.answers.reason if request else "",
        "stuck": " ".join(parked),
        "late": " ".join(late),
        "failing_since": moment(since),
        "why": " ".join(
            dict.fromkeys([*_in_vain(record), *map(_why, failing), *(one.finding.sentence for one in known.found)])
        ),
    }


def _approvals(record: Record) -> str:
    given = sum(one.verdict is Verdict.YES and not one.void for one in record.reviews)
    return f"{given} of {record.request.rule.approvals}"


def _deciders(request: Request, names: Mapping[str, str]) -> str:
    """The groups and people of the request's own rule, without whoever asks."""
    who = request.rule.may_approve
    groups = [f"@{names[one].lstrip('@')} ({one})" if one in names else one for one in sorted(who.groups)]
    people = sorted(who.users - {request.requester.user_id})
    return ", ".join([*groups, *(f"{names[one]} ({one})" if one in names else one for one in people)])


def _in_vain(record: Record | None) -> list[str]:
    """The reason that it waits and cannot be approved, where that is so."""
    waits = record is not None and record.request.state is RequestState.PENDING
    return [record.request.undecidable] if record is not None and waits and record.request.undecidable else []


def _why(effect: Effect) -> str:
    return effect.why or outages.sentence(effect.kind, effect.last_error)


def story(
    record: Record, effects: Sequence[Effect], trail: Sequence[AuditEntry], found: Sequence[Standing] = ()
) -> Iterator[str]:
    """All of one request in lines for a person, without what is sealed."""
    request, grant = record.request, record.grant
    asked = _named(
        asked=moment(request.created_at),
        by=f"{request.requester.user_id} {request.requester_name}",
        api=request.rule.name,
        plan=request.plan.name,
        lifetime=durations.spelled(request.lifetime),
        extends=request.extends.label if request.extends else "",
        **vars(request.answers),
        rule=f"{request.rule.name}@{request.digest}",
        expires="" if request.decided_at else moment(request.lapses_at),
    )
    decided = _named(
        decided=moment(request.decided_at), by=_person(request.decided_by), because=request.decision_reason
    )
    yield f"{request.label}  {request.state.value}"
    yield from _indented([asked, decided])
    yield from _part("Reviews", map(_review_line, record.reviews))
    if grant is not None:
        until = moment(grant.until) or "never"
        held = _named(
            since=moment(grant.since),
            until=until,
            asked_about=moment(grant.review_at),
            left=moment(grant.left_at),
            extended_by=f"R-{grant.extended_by}" if grant.extended_by else "",
        )
        ended = _named(ended=moment(grant.ended_at), by=_person(grant.ended_by), because=grant.end_reason)
        yield from _part(f"Grant  {grant.state.value}", [held, ended])
    yield from _part("Keys", map(_key_line, record.keys))
    yield from _part("At Tyk", (f"{one.finding.key_hash}  {one.finding.sentence}" for one in found))
    yield from _part("Messages", map(_message_line, record.messages))
    yield from _part("Effects", map(_effect_line, effects))
    yield from _part("Audit", map(_audit_line, trail))


def finding_line(finding: Finding, request: Request | None) -> str:
    """The line about a finding: the key beside what Tyk has, whose it is where it is ours, and what to do."""
    whose = f"{request.requester_name} ({request.requester.user_id}), {request.rule.title}, " if request else ""
    return _flat(f"{finding.label}, {whose}key {finding.key_hash}: {finding.sentence}")


def _part(title: str, lines: Iterable[str]) -> Iterator[str]:
    told = [line for line in lines if line]
    if told:
        yield ""
        yield title
        yield from _indented(told)


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {_flat(line)}" for line in lines if line)


def _named(**values: object) -> str:
    """These values, each behind its name; those that are empty are left out."""
    told = {name.replace("_", " "): str(value) for name, value in values.items() if value not in (None, "")}
    return "  ".join(f"{name} {value}" for name, value in told.items())


def _review_line(review: Review) -> str:
    by = f"{review.verdict.value} by {review.reviewer.user_id} (counted by {review.counted_by})"
    return f"{by}  {_named(at=moment(review.at), because=review.reason)}"


def _key_line(key: Key) -> str:
    times = _named(
        made=moment(key.made_at),
        expires=moment(key.expires_at),
        shown=moment(key.shown_at),
        hidden=moment(key.hidden_at),
        gone=moment(key.gone_at),
        deleted=moment(key.dead_at),
    )
    return f"{key.key_hash or 'no hash yet'}  {key.state.value}  {times}".rstrip()


def _message_line(message: Message) -> str:
    kind = f"{message.kind.value} {message.topic or ''}".strip()
    return f"{kind}  {_named(to=message.target, channel=message.channel, ts=message.ts or 'not posted')}"


def _effect_line(effect: Effect) -> str:
    tried = _named(attempts=effect.attempts or "", last_error=effect.last_error)
    return (
        f"{effect.id} {effect.kind.value}  {effect.state.value}  {_named(due=moment(effect.due_at))}  {tried}".rstrip()
    )


def _audit_line(entry: AuditEntry) -> str:
    return f"#{entry.number}  {moment(entry.at)}  {entry.event.value}  {_person(entry.actor)}  {_flat(entry.details)}".rstrip()


def _person(who: Identity | None) -> str:
    return who.user_id if who else ""


def render(rows: Iterable[Row], columns: Sequence[str], how: str, width: int | None = None) -> Iterator[str]:
    """Lines of the report, one after the other as the rows come; `how` is `table`, `csv` or `jsonl`, and `width` the terminal's,
    which a table fits into."""
    if how == "jsonl":
        return (_json_line({name: row[name] for name in columns}) for row in rows)
    if how == "csv":
        return (_csv_line(values) for values in chain([columns], ([row[name] for name in columns] for row in rows)))
    flat = ({name: _flat(row[name]) for name in columns} for row in rows)
    return layout.table(flat, columns, width, FIRST.get(columns, ()))


class _Line:
    """The file that `csv` writes to; `writerow` returns what `write` does."""

    def write(self, line: str) -> str:
        return line


_CSV = csv.writer(_Line(), lineterminator="")
_JSON = json.JSONEncoder(ensure_ascii=False)


def _csv_line(values: Sequence[Any]) -> str:
    """One line, looked through as a whole: few hold anything that may not stand there."""
    cells = [one if isinstance(one, str) else _cell(one) for one in values]
    line = _csv_written(cells)
    return line if line.isprintable() else _csv_written([_flat(cell) for cell in cells])


def _csv_written(cells: Sequence[str]) -> str:
    """A cell that a spreadsheet would take for a formula is made text."""
    line: Any = _CSV.writerow([f"'{cell}" if cell.lstrip().startswith(_FORMULA) else cell for cell in cells])
    return str(line)


def _json_line(row: Mapping[str, Any]) -> str:
    """JSON on one line; what steers a terminal or turns the direction of writing is escaped, and so not lost."""
    line = _JSON.encode(row)
    if line.isprintable():
        return line
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in line)


def _cell(value: Any) -> str:
    """A cell on one line, for a program: what has parts is JSON."""
    return _json_line(value) if isinstance(value, dict) else _flat(value)


def _flat(value: Any) -> str:
    """A cell on one line, for a person: of what has parts each behind its name."""
    if isinstance(value, dict):
        value = ", ".join([f"{name}={_part_said(item)}" for name, item in value.items() if item not in (None, "", [])])
    cell = str(value)
    return cell if cell.isprintable() else "".join(one if one.isprintable() else " " for one in cell)


def _part_said(value: Any) -> str:
    """A word for itself, several behind each other; what is nested deeper is counted: `audit --format text` has it in words."""
    if isinstance(value, list) and not any(isinstance(one, list | dict) for one in value):
        return " ".join(map(_part_said, value))
    if isinstance(value, list | dict):
        return f"{len(value):,}"
    return json.dumps(value) if isinstance(value, bool) else str(value)


def moment(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z") if at else ""
