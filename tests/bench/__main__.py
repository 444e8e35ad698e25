"""`python -m tests.bench` measures every row of the table, and prints it with what was to be reached."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.bench import costs, databases, waiting
from tests.bench.table import ROWS, Figure, as_json, head, line

Measure = Callable[..., Awaitable[dict[str, Figure]]]
MEASURES: dict[Measure, tuple[str, ...]] = {
    costs.processor: ("cpu",),
    waiting.single: ("single",),
    waiting.approve: ("approve",),
    waiting.many: ("crowd",),
    waiting.thousand: ("thousand-late", "thousand-unconfirmed", "thousand-ack", "thousand-last"),
    costs.calls: ("calls", "calls-approved"),
    waiting.limits: ("limits",),
    databases.big: ("big-20000", "big-200000", "readyz", "metrics"),
    databases.year: ("keys", "keys-memory", "revoke", "audit", "audit-memory"),
    costs.form: ("form",),
    costs.start: ("start", "start-memory"),
    costs.auth: ("auth",),
    waiting.on_postgres: ("postgres", "postgres-crowd", "postgres-two"),
}
PATIENCE = 600.0


def main() -> int:
    arguments = _parser().parse_args()
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):  # they would break a Slack on loopback
        os.environ.pop(name, None)
        os.environ.pop(name.lower(), None)
    logging.disable(logging.CRITICAL)
    only = set(arguments.only.split(",")) if arguments.only else {row.name for row in ROWS}
    if unknown := only - {row.name for row in ROWS}:
        print(f"There is no row {', '.join(sorted(unknown))}; there are {', '.join(row.name for row in ROWS)}.")
        return 2
    _measured(only, arguments.json, quick=arguments.quick)
    return 0


def _measured(only: set[str], file: Path | None, *, quick: bool) -> None:
    """Each line is printed, and written, as soon as there is one."""
    began = time.monotonic()
    figures: dict[str, Figure] = {}
    before = os.getloadavg()
    print(f"{os.cpu_count()} cores, load {before[0]:.1f}: figures count where nothing else runs.")
    if quick:
        print("A quick look: the notes say how many people and requests there really were.")
    print(head(), flush=True)
    for measure, names in MEASURES.items():
        if only.isdisjoint(names):
            continue
        found = asyncio.run(_bounded(measure, names, quick=quick))
        figures |= found
        for row in ROWS:
            if row.name in found:
                print(line(row, found[row.name]), flush=True)
        if file:
            told = {"cores": os.cpu_count(), "load": before[0], "quick": quick, "rows": as_json(figures)}
            file.write_text(json.dumps(told, indent=2))
    print(f"{time.monotonic() - began:.0f} s", flush=True)


async def _bounded(measure: Measure, names: tuple[str, ...], *, quick: bool) -> dict[str, Figure]:
    """What was measured; that it could not be is a figure too, and the next row comes."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await measure(quick=quick)
    except Exception as error:  # noqa: BLE001 - whatever happened to this row, the others are measured
        return dict.fromkeys(names, Figure(None, note=f"{type(error).__name__}: {str(error).strip()[-200:]}"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="How fast the bot is.")
    parser.add_argument("--only", metavar="ROW,...", help=f"of {', '.join(row.name for row in ROWS)}")
    parser.add_argument("--quick", action="store_true", help="fewer people and smaller databases: a look, no proof")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
