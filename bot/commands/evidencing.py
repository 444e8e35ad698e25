"""`evidence`: a folder for an auditor. The database is only read."""

from __future__ import annotations

import argparse
import hashlib
import shlex
from pathlib import Path
from typing import Any

from bot import evidence, opening, reports
from bot.commands.looking import database
from bot.commands.progress import Progress
from bot.commands.words import UsageError
from bot.errors import CommandError
from bot.evidence import period as periods
from bot.layout import complain, many, print_wrapped


class UnwritableError(CommandError):
    """The disk does not take the evidence."""


def write(arguments: argparse.Namespace, environ: Any) -> int:
    period = _period(arguments.period)
    folder = arguments.to or Path(f"evidence-{period.name.replace('..', '-to-')}")
    with opening.command_store(database(environ)) as store, store.reading(snapshot=True) as tx:
        if period.start >= tx.now:
            raise UsageError(f"--period {period.name} has not begun.")
        _made(folder)
        try:
            with Progress() as progress:
                figures = evidence.write(tx, period, folder, progress.at)
        except OSError as error:
            raise UnwritableError(
                f"{folder} cannot be written whole: {error.strerror}. Delete it and try again."
            ) from None
        if (until := tx.now) < period.end:
            complain(f"The period {period.name} is not over: the evidence covers it up to {reports.moment(until)}.")
    digest = hashlib.sha256((folder / evidence.SUMS).read_bytes()).hexdigest()
    counts = [many(figures["requests.asked"], "request"), f"{many(figures['audit.rows'], 'row')} of the audit"]
    print_wrapped(f"{folder}: {', '.join(counts)}, {many(len(figures), 'figure')}.")
    print_wrapped(f"Check it with: python3 {shlex.quote(str(folder / evidence.CHECK))}")
    print_wrapped(
        f"Keep this where nobody who has the folder can change it: the SHA-256 of {evidence.SUMS} is {digest}"
    )
    return 0


def _period(text: str) -> periods.Period:
    try:
        return periods.parse(text)
    except ValueError:
        raise UsageError(
            f"--period takes 2026, 2026-Q4, 2026-10 or FROM..TO such as 2026-10-01..2026-11-15, not {text!r}."
        ) from None


def _made(folder: Path) -> None:
    """Make the folder. Raises UsageError where it holds something, or cannot be made."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_empty = not any(folder.iterdir())
    except OSError as error:
        raise UsageError(f"{folder} cannot be made: {error.strerror}.") from None
    if not is_empty:
        raise UsageError(f"{folder} is not empty: name another folder with --to.")
