"""`audit`: what happened, the proof that nobody changed it, and the keys of that proof. Nothing of it is changed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bot import layout, opening, reports, settings, version
from bot.commands import words
from bot.commands.looking import NOTHING, print_lines, print_rows, reading, searching
from bot.commands.progress import Progress
from bot.commands.words import UsageError
from bot.core import chain as core_chain
from bot.core import ocsf
from bot.core.chain import ChainKey, Head, Proof
from bot.errors import FAILED
from bot.layout import complain, put
from bot.settings import Need
from bot.slack import audit_lines
from bot.store import chain, statements, trail
from bot.store.seal import Seal

NAMED = 10
TOLD_EVERY = 1000
SHOWN = ("table", "csv", "jsonl", "text")
EXPORTED = ("jsonl", "ocsf", "csv")


def audit(arguments: argparse.Namespace, environ: Any) -> int:
    """Print the rows, or do the action that is asked for."""
    return _ACTIONS[arguments.action](arguments, environ)


def show(arguments: argparse.Namespace, environ: Any) -> int:
    """The rows, in order."""
    _allow(arguments, "since", "api", "person", "format")
    how = arguments.format or "table"
    if how not in SHOWN:
        raise UsageError(f"`audit` writes {', '.join(SHOWN)}, not {how}; `audit export` does.")
    with searching(arguments, environ) as (tx, wanted):
        fits: dict[str, Any] = {"since": wanted.since, "api": wanted.api, "person": wanted.person}
        if how == "text":
            entries = tx.audit_trail(**fits)
            rows = (_said(row) for some in trail.readings(tx, entries) for row in audit_lines.rows_of(some))
            print_lines(layout.fitted(rows, sys.stdout), NOTHING)
        else:
            print_rows(map(reports.audit_row, tx.audit_cells(**fits)), reports.AUDIT, how)
    return 0


def _said(row: audit_lines.AuditRow) -> str:
    return f"{reports.moment(row.at)}  {audit_lines.audit_sentence(row)}"


def export(arguments: argparse.Namespace, environ: Any) -> int:
    """The rows for other programs, one after the other: as they are chained, as OCSF events, or as CSV."""
    _allow(arguments, "since", "until", "api", "person", "format")
    how = arguments.format or "jsonl"
    if how not in EXPORTED:
        raise UsageError(f"`audit export` writes {', '.join(EXPORTED)}, not {how}.")
    with searching(arguments, environ) as (tx, wanted):
        until = words.moment(arguments.until, "--until")
        fits: dict[str, Any] = {"since": wanted.since, "until": until, "api": wanted.api, "person": wanted.person}
        if how == "csv":
            print_rows(map(reports.audit_row, tx.audit_cells(**fits)), reports.CHAINED_AUDIT, how)
        else:
            lines = chain.lines(tx.connection, *statements.of_audit(**fits))
            made = (ocsf.event(line, version.VERSION) for line in lines) if how == "ocsf" else lines
            print_lines(core_chain.canonical(one).decode() for one in made)
    return 0


def verify(arguments: argparse.Namespace, environ: Any) -> int:
    """Prove every row. 0 only where all of them fit."""
    _allow(arguments, "head", "key_file")
    heads = [_head(one) for one in arguments.head or ()]
    keys = _keys(arguments.key_file, environ)
    with reading(environ) as tx, Progress() as progress:
        heads += chain.noted(tx.connection)  # before the rows: others may write meanwhile
        proof = core_chain.prove(_seen(chain.lines(tx.connection), progress), keys, heads)
    print_lines(iter(_told(proof)))
    if proof.misfit:
        complain(proof.misfit)
        return FAILED
    return 0


def _seen(lines: Iterable[core_chain.Line], progress: Progress) -> Iterator[core_chain.Line]:
    for line in lines:
        if line["row"]["number"] % TOLD_EVERY == 0:
            progress.at(f"row {line['row']['number']:,} of the audit")
        yield line


def key(arguments: argparse.Namespace, environ: Any) -> int:
    """The keys that prove the chain, a line each, for an auditor's file."""
    _allow(arguments)
    for one in _stored_keys(environ):
        put(one.line)
    return 0


_ACTIONS = {None: show, "export": export, "verify": verify, "key": key}
_OPTIONS = ("since", "until", "api", "person", "format", "head", "key_file")


def _allow(arguments: argparse.Namespace, *names: str) -> None:
    """Raises UsageError for an option that this action does not have."""
    for name in _OPTIONS:
        if name not in names and getattr(arguments, name):
            action = f"audit {arguments.action}" if arguments.action else "audit"
            raise UsageError(f"`{action}` has no --{name.replace('_', '-')}.")


# --- the proof --------------------------------------------------------------------------------------------------------


def _head(text: str) -> Head:
    try:
        return Head.parse(text)
    except ValueError:
        raise UsageError(
            f"--head takes a head as the audit channel shows it, such as 1042:{'0123456789' * 2}, not {text!r}."
        ) from None


def _keys(path: Path | None, environ: Any) -> tuple[ChainKey, ...]:
    return _stored_keys(environ) if path is None else _keys_in(path)


def _keys_in(path: Path) -> tuple[ChainKey, ...]:
    try:
        written = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it holds no text'}.") from None
    try:
        keys = tuple(ChainKey.parse(line) for line in written if line.strip())
    except ValueError:
        keys = ()
    if not keys:
        raise UsageError(f"{path} holds no key of the audit: `tyk-key-bot audit key` prints them.")
    return keys


def _stored_keys(environ: Any) -> tuple[ChainKey, ...]:
    """Those in the database, which SEAL_KEYS opens."""
    found = settings.load(environ, needs=frozenset({Need.DATABASE, Need.SEAL}))
    with opening.command_store(found) as store, store.reading() as tx:
        opened = chain.keys(tx, Seal(found.seal_keys))
    if opened.lost:
        told = f"{opened.sentence} Or give --key-file a file with what `tyk-key-bot audit key` printed."
        if not opened.keys:
            raise UsageError(told)
        complain(told)
    if not opened.keys:
        raise UsageError("The database holds no key of the audit's chain: `tyk-key-bot run` makes one at its start.")
    return opened.keys


def _told(proof: Proof) -> list[str]:
    """The proof in sentences."""
    said = []
    if proof.older:
        said.append(f"Rows before {proof.begins} are older than the chain ({proof.older}): nothing proves them.")
    if proof.rows:
        first = proof.head.number - proof.rows + 1
        said.append(f"Rows {first} to {proof.head.number} fit ({proof.rows}). The head is {proof.head.short}.")
    if proof.without_key:
        some = ", ".join(map(str, proof.without_key[:NAMED]))
        more = f" and {len(proof.without_key) - NAMED} more" if len(proof.without_key) > NAMED else ""
        said.append(
            f"Commands without SEAL_KEYS wrote {len(proof.without_key)}: {some}{more}. Only the rows behind them vouch for them."
        )
    if proof.erased:
        said.append(f"Texts that were erased: {proof.erased}.")
    return said or ["No row was proved." if proof.misfit else "There is no row yet."]
