"""`keys`, `requests` and `show`: what stands in the database. Nothing of it is changed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import Any

from bot import layout, opening, reports, settings
from bot.commands import words
from bot.commands.progress import Progress
from bot.core.model import Effect, Record, RequestState
from bot.reports import Known
from bot.settings import Need, Settings
from bot.store import findings, ledger, trail, troubles
from bot.store.ledger import Filter
from bot.store.transaction import Transaction

NOTHING = "Nothing matches."


def keys(arguments: argparse.Namespace, environ: Any) -> int:
    with searching(arguments, environ) as (tx, asked):
        within = words.within(arguments.expiring)
        wanted = replace(asked, held=arguments.active, ends_before=None if within is None else tx.now + within)
        held = ledger.holdings(tx, wanted)
        nothing = "No token was ever given." if wanted == Filter() else NOTHING
        print_rows(map(reports.key_row, held), reports.KEYS, arguments.format, nothing)
    return 0


def requests(arguments: argparse.Namespace, environ: Any) -> int:
    """Print what is stuck or late, the longest failing first, then what is other at Tyk than it was granted, and then what
    waits, the oldest first."""
    with reading(environ) as tx:
        failing: dict[str | None, list[Effect]] = {}
        for effect in troubles.late_or_parked(tx):
            failing.setdefault(effect.request_id, []).append(effect)
        ids = dict.fromkeys([*(one for one in failing if one), *findings.requests(tx), *tx.waiting()])
        found = findings.of_requests(tx, ids)
        records = tx.records(ids)
        names = trail.names(tx, _named(records))
        rows = [
            reports.request_row(
                record, failing.get(record.request.id, ()), tx.now, Known(found.get(record.request.id, ()), names)
            )
            for record in records
        ]
        rows += [reports.request_row(None, failing[None], tx.now)] if None in failing else []
    print_rows(rows, reports.REQUESTS, arguments.format, "No request waits, and nothing is stuck or late.")
    return 0


def _named(records: Iterable[Record]) -> frozenset[str]:
    """The people and groups of the rules of what waits."""
    deciding = [one.request.rule.may_approve for one in records if one.request.state is RequestState.PENDING]
    return frozenset(one for who in deciding for one in who.users | who.groups)


def show(arguments: argparse.Namespace, environ: Any) -> int:
    """Everything of one request but its token."""
    with reading(environ) as tx:
        record = words.numbered(tx, arguments.number)
        request_id = record.request.id
        effects, entries = ledger.effects_of(tx, request_id), ledger.trail_of(tx, request_id)
        found = findings.of_requests(tx, [request_id]).get(request_id, ())
    print_lines(layout.fitted(reports.story(record, effects, entries, found), sys.stdout))
    return 0


@contextmanager
def searching(arguments: argparse.Namespace, environ: Any) -> Iterator[tuple[Transaction, Filter]]:
    """The database, and what --since, --api and --person ask of it. Raises UsageError for what it has never met."""
    if arguments.person is None:
        with reading(environ) as tx:
            yield tx, words.filtered(arguments, tx)
        return
    from bot.commands import people  # noqa: PLC0415 - Slack's client, which only a person's address takes

    who = people.at_slack(arguments.person, environ)
    with reading(environ) as tx:
        yield tx, words.filtered(arguments, tx, people.known(tx, who))


@contextmanager
def reading(environ: Any) -> Iterator[Transaction]:
    with opening.command_store(database(environ)) as store, store.reading() as tx:
        yield tx


def database(environ: Mapping[str, str]) -> Settings:
    return settings.load(environ, needs=frozenset({Need.DATABASE}))


def writable(environ: Mapping[str, str]) -> Settings:
    """For a command that writes: with SEAL_KEYS, where they are set, what it writes is chained with the key of the audit."""
    is_sealed = environ.get("SEAL_KEYS") or environ.get("SEAL_KEYS_FILE")
    return settings.load(environ, needs=frozenset({Need.DATABASE, Need.SEAL} if is_sealed else {Need.DATABASE}))


def print_rows(rows: Iterable[reports.Row], columns: Sequence[str], how: str, nothing: str = NOTHING) -> None:
    """A table without a row is the sentence `nothing`; CSV keeps its line of names."""
    lines = reports.render(rows, columns, how, layout.width_of(sys.stdout))
    print_lines(lines, nothing if how == "table" else "")


def print_lines(lines: Iterator[str], nothing: str = "") -> None:
    """A thousand at a time: written one by one, a year's audit is half a million calls of the system."""
    written = 0
    with Progress() as progress:
        while some := list(islice(lines, 1000)):
            if not layout.put("\n".join(some)):
                break
            written += len(some)
            if not sys.stdout.isatty():
                progress.at(f"the database, {written:,} lines so far")
    if nothing and not written:
        layout.print_wrapped(nothing)
