"""Evidence of a period for an auditor: a folder with every request, decision and key of it, the audit's rows, the figures that
come of them, and a program that recomputes each figure.

The figures are counted in the database, and `check.py` counts them from the rows in the folder: that they agree says that the
folder is whole. All is read in one snapshot, as it stood at the end of the period, and nothing is changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from bot import reports
from bot.core import rules
from bot.core.model import Grant, KeyState, Record, RequestState
from bot.evidence import reading
from bot.evidence.period import Period
from bot.evidence.reading import Left
from bot.evidence.summary import summary
from bot.store.transaction import Transaction

SUMS = "SHA256SUMS"
CHECK = "check.py"
REQUESTS = (
    "request",
    "requester",
    "requester_ids",
    "name",
    "api",
    "plan",
    "asked",
    "extends",
    "state",
    "decided",
    "decided_by",
    "approved_by",
    "approved_in",
    "rule",
    "granted",
    "until",
    "review_due",
    "ended",
    "ended_by",
)
REVIEWS = ("request", "reviewer", "verdict", "counted_by", "at", "void")
KEYS = ("request", "key_hash", "made", "expires", "deleted")
LEAVERS = ("request", "person", "left", "left_row", "ended", "end_row", "how", "keys_deleted")

Row = dict[str, Any]


def write(
    tx: Transaction, asked_for: Period, folder: Path, at: Callable[[str], None] = lambda _what: None
) -> Mapping[str, int]:
    """Write the folder, which is there and empty. Returns the figures. `at` hears what is being read."""
    period = asked_for.until(tx.now)
    tally = _Tally(period)
    written = [_lines(folder / "audit.jsonl", reading.audit_lines(tx, period, at))]
    names = ("requests", "reviews", "keys")
    files = [(folder / f"{name}.csv").open("w", encoding="utf-8", newline="") for name in names]
    try:
        columns = (REQUESTS, REVIEWS, KEYS)
        for file, named in zip(files, columns, strict=True):
            file.writelines(_csv([], named))
        for record, ids in reading.population(tx, period):
            at(record.request.label)
            tally.count(record)
            for file, named, rows in zip(files, columns, _rows(record, ids, period), strict=True):
                file.writelines(_csv(rows, named, head=False))
    finally:
        for file in files:
            file.close()
    written += [folder / f"{name}.csv" for name in names]
    left = reading.leavers(tx, period)
    written.append(_lines(folder / "leavers.csv", reports.render(map(_leaver_row, left), LEAVERS, "csv")))
    figures = reading.counted(tx, period) | tally.figures | reading.left_behind(left)
    written.append(_lines(folder / "summary.md", summary(period, asked_for, figures)))
    program = Path(__file__).with_name(CHECK).read_text(encoding="utf-8")
    written.append(_lines(folder / CHECK, program.splitlines()))
    _lines(folder / SUMS, (f"{_digest(path)}  {path.name}" for path in written))
    return figures


def _lines(path: Path, lines: Iterable[str]) -> Path:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
    return path


def _csv(rows: Iterable[Row], columns: tuple[str, ...], *, head: bool = True) -> Iterator[str]:
    lines = reports.render(rows, columns, "csv")
    if not head:
        next(lines)
    return (f"{line}\n" for line in lines)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- records as they stood at the end of the period -------------------------------------------------------------------


def _rows(record: Record, ids: frozenset[str], period: Period) -> tuple[list[Row], list[Row], list[Row]]:
    request, grant = record.request, record.grant

    def at(moment: datetime | None) -> str:
        return reports.moment(moment) if period.over(moment) else ""

    is_decided, is_granted = period.over(request.decided_at), grant is not None and period.over(grant.since)
    is_approved = is_decided and request.state is RequestState.APPROVED
    extended = (
        grant.extended_by if grant else None
    )  # its approvals count by now, also where it was extended after the period
    of_request = {
        "request": request.label,
        "requester": request.requester.user_id,
        "requester_ids": " ".join(sorted(ids)),
        "name": request.requester_name,
        "api": request.rule.name,
        "plan": (request.plan if is_approved or not request.asked else request.asked.plan).name,
        "asked": at(request.created_at),
        "extends": request.extends.label if request.extends else "",
        "state": request.state.value if is_decided else RequestState.PENDING.value,
        "decided": at(request.decided_at),
        "decided_by": request.decided_by.user_id if is_decided and request.decided_by else "",
        "approved_by": " ".join(_approvers(record)) or "rule" if is_approved else "",
        "approved_in": f"R-{extended or request.number}" if is_approved or extended else "",
        "rule": f"{request.rule.name}@{request.digest}",
        "granted": at(grant.since) if grant else "",
        "until": (reports.moment(grant.until) or "never") if grant and is_granted else "",
        "review_due": _review_due(grant, period) if grant and is_granted else "",
        "ended": at(grant.ended_at) if grant else "",
        "ended_by": grant.ended_by.user_id if grant and grant.ended_by and period.over(grant.ended_at) else "",
    }
    reviews = [
        {
            "request": request.label,
            "reviewer": one.reviewer.user_id,
            "verdict": one.verdict.value,
            "counted_by": one.counted_by,
            "at": at(one.at),
            "void": one.void,
        }
        for one in record.reviews
        if period.over(one.at)
    ]
    keys = [
        {
            "request": request.label,
            "key_hash": one.key_hash or "",
            "made": at(one.made_at),
            "expires": reports.moment(one.expires_at),
            "deleted": at(one.dead_at) or ("unknown" if one.state is KeyState.DEAD and one.dead_at is None else ""),
        }
        for one in record.keys
        if period.over(one.made_at)
    ]
    return [of_request], reviews, keys


def _review_due(grant: Grant, period: Period) -> str:
    """The next one at the end of the period. Where one was done since, nobody knows any more when it was due."""
    done = [at for at in (grant.kept_at, grant.extended_at) if at is not None]
    return reports.moment(grant.review_at) if all(map(period.over, done)) else "unknown" if grant.review_at else ""


def _approvers(record: Record) -> list[str]:
    return sorted(one.reviewer.user_id for one in rules.approvals(record.reviews, record.request.requester))


def _leaver_row(one: Left) -> Row:
    return {
        "request": f"R-{one.number}",
        "person": one.person,
        "left": reports.moment(one.at),
        "left_row": one.row,
        "ended": reports.moment(one.end_at),
        "end_row": one.end_row or "",
        "how": one.how,
        "keys_deleted": reports.moment(one.keys_deleted),
    }


class _Tally:
    """Figures that come of the records themselves."""

    def __init__(self, period: Period) -> None:
        self._period = period
        self._asked: list[int] = []
        self._figures = dict.fromkeys(
            (
                "access.given",
                "access.living",
                "keys.past_their_end",
                "reviews.due",
            ),
            0,
        )

    def count(self, record: Record) -> None:
        request, grant, period, figures = record.request, record.grant, self._period, self._figures
        if period.holds(request.created_at):
            self._asked.append(request.number)
        if grant is None or not period.over(grant.since):
            return
        has_ended = period.over(grant.ended_at)
        figures["access.given"] += period.holds(grant.since)
        figures["access.living"] += not has_ended
        figures["reviews.due"] += not has_ended and period.over(grant.review_at)
        if has_ended:
            there = (one for one in record.keys if period.over(one.made_at) and not period.over(one.dead_at))
            figures["keys.past_their_end"] += sum(
                one.state is not KeyState.DEAD or one.dead_at is not None for one in there
            )

    @property
    def figures(self) -> dict[str, int]:
        numbers = self._asked
        return {
            "requests.asked": len(numbers),
            "requests.first": min(numbers, default=0),
            "requests.last": max(numbers, default=0),
            **self._figures,
        }
