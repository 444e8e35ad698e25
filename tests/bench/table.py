"""The rows of the table, what each is to reach, and how it is printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum


class Against(StrEnum):
    """What a row's limit is a multiple of."""

    NUMBER = "its unit"
    SCRIPT = "the script"
    BOUND = "what is possible"


@dataclass(frozen=True)
class Row:
    """One line. Ours may be `limit` units at most, or so many times the script or the bound."""

    name: str
    what: str
    unit: str
    limit: float
    against: Against = Against.NUMBER


@dataclass(frozen=True)
class Figure:
    """What was measured for one row. `ours` is None where it never came about; `note` says how it came to be."""

    ours: float | None
    script: float | None = None
    bound: float | None = None
    note: str = ""


N, S, B = Against.NUMBER, Against.SCRIPT, Against.BOUND
ROWS = (
    Row("cpu", "processor of the process, one granted token", "ms", 9.1, S),  # 20 ms where the script takes 2.2
    Row("single", "one person, from submission to token", "ms", 1.5, S),
    Row("approve", "one person, from the click on Approve to token", "ms", 1.5, S),
    Row("crowd", "200 people in one second, Tyk at 300 ms: last token", "s", 1, S),
    Row("thousand-late", "1,000 people in 10 s: commands, submissions not acked in 3 s", "", 0),
    Row("thousand-unconfirmed", "1,000 people in 10 s: told that it was not confirmed", "", 0),
    Row("thousand-ack", "1,000 people in 10 s: ack, p99", "ms", 1500),
    Row("thousand-last", "1,000 people in 10 s, Tyk at 300 ms: last token", "s", 1.2, B),
    Row("calls", "Slack calls for one granted token", "calls", 6),
    Row("calls-approved", "Slack calls for one with one approval", "calls", 10),
    Row("limits", "30 approved one after the other, Slack's limits on: last token", "s", 1.2, B),
    Row("big-20000", "submission to token, 20,000 finished requests", "ms", 1.15, B),
    Row("big-200000", "submission to token, 200,000 finished requests", "ms", 1.15, B),
    Row("form", "form, what 10,000 APIs add to 10", "ms", 2),
    Row("start", "start with 10,000 APIs", "s", 1.5),
    Row("start-memory", "memory with 10,000 APIs", "MB", 130),
    Row("readyz", "/readyz with 800,000 effects", "ms", 10),
    Row("metrics", "/metrics with 800,000 effects", "ms", 10),
    Row("keys", "keys, a year of 200 requests a day", "s", 10),
    Row("keys-memory", "keys, its memory", "MB", 150),
    Row("revoke", "revoke R-1001", "s", 1),
    Row("audit", "audit, the same year", "s", 10),
    Row("audit-memory", "audit, its memory", "MB", 150),
    Row("auth", "auth.test in a crowd of 100", "calls", 2),
    Row("postgres", "one person on PostgreSQL, from submission to token", "ms", 1.5, S),
    Row("postgres-crowd", "200 people on PostgreSQL, one replica: last token", "s", 1, S),
    Row("postgres-two", "the same with two replicas, against one", "s", 0.95, B),
)


def is_met(row: Row, figure: Figure) -> bool | None:
    """Whether the target is reached; None where there was nothing to compare with."""
    if figure.ours is None:
        return False
    scale = {N: 1.0, S: figure.script, B: figure.bound}[row.against]
    return None if scale is None else figure.ours <= row.limit * scale


def ratio(figure: Figure) -> float | None:
    """Ours to the script, else to the bound."""
    other = figure.script if figure.script is not None else figure.bound
    return None if figure.ours is None or not other else figure.ours / other


def line(row: Row, figure: Figure) -> str:
    verdict = {True: "met", False: "MISSED", None: "-"}[is_met(row, figure)]
    target = f"{row.limit:g} {row.unit}" if row.against is N else f"{row.limit:g} x {row.against}"
    times = ratio(figure)
    cells = [
        f"{row.what:64}",
        f"{_number(figure.ours, row.unit):>12}",
        f"{_number(figure.script, row.unit) if figure.script is not None else '':>12}",
        f"{f'{times:.2f} x' if times is not None else '':>9}",
        f"{target:22}",
        f"{verdict:7}",
        figure.note,
    ]
    return " ".join(cells).rstrip()


def head() -> str:
    return f"{'what':64} {'ours':>12} {'script':>12} {'ratio':>9} {'target':22} {'':7} note"


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "never"
    shown = f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"
    return f"{shown} {unit}".rstrip()


def as_json(figures: Mapping[str, Figure], rows: Sequence[Row] = ROWS) -> list[dict[str, object]]:
    """What a program reads: a row, its figure, the ratio and the verdict."""
    return [
        {
            **asdict(row),
            **asdict(figures[row.name]),
            "ratio": ratio(figures[row.name]),
            "met": is_met(row, figures[row.name]),
        }
        for row in rows
        if row.name in figures
    ]
