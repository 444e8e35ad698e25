"""`reconcile`: our keys beside those that Tyk has, and an end to those that bear our mark and that nobody here knows.

Looking changes nothing. Tyk's list is asked for before the database is read, page by page, so that what a running bot makes or
ends meanwhile is not taken for something else.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

import structlog

from bot import logs, opening, reports
from bot.commands import reaching
from bot.commands.looking import writable
from bot.commands.operator import Operator
from bot.commands.progress import Progress
from bot.commands.revoking import CACHED, says_yes, these, why_not
from bot.core import lifecycle, outages, reconciliation
from bot.core.faults import Fault, Transient
from bot.core.model import EffectKind, Record, Request
from bot.core.reconciliation import Finding, Marked, MarkedPage
from bot.effects.ports import Ports
from bot.effects.reconcile import look
from bot.errors import FAILED
from bot.layout import complain, many, print_wrapped
from bot.opening import new_id
from bot.store import findings
from bot.store.findings import Held
from bot.store.store import Store
from bot.store.transaction import Transaction

AT_ONCE = 5
"""So many keys are asked for at the same time; where Tyk cannot say of any of them, no other is asked for."""

READ_AT_ONCE = 100


class ListsAndEnds(Protocol):
    """Tyk, as far as strangers are concerned."""

    async def marked(self, page: int) -> MarkedPage | None: ...

    async def end(self, marked: Marked) -> None: ...


@dataclass(frozen=True)
class Stranger:
    """A key of Tyk's that is not ours, as it stood in a list that was asked for at `asked_at`."""

    marked: Marked
    asked_at: datetime
    finding: Finding


@dataclass
class Look:
    """One look beside Tyk, and its findings. `unlisted` says that Tyk's list was not to be had, `unseen` counts the keys of ours
    that Tyk could not be asked about, for the reason that has the code `away`."""

    ours: int = 0
    listed: set[str] = field(default_factory=set)
    found: list[tuple[Finding, Request]] = field(default_factory=list)
    strangers: dict[str, Stranger] = field(default_factory=dict)
    unlisted: Finding | None = None
    unseen: int = 0
    away: str = ""
    progress: Progress = field(default_factory=Progress)

    @property
    def is_good(self) -> bool:
        return not (self.found or self.strangers or self.unlisted or self.unseen)


def reconcile(arguments: argparse.Namespace, environ: Any) -> int:
    """A line for each finding. 0 only where all was looked at and is as it should be, or with --end is by now."""
    if not structlog.is_configured():
        logs.configure("ERROR", "text")
    with opening.command_store(writable(environ)) as store:
        seen = asyncio.run(_look(store, environ))
        if not (arguments.end and seen.strangers):
            return 0 if seen.is_good else FAILED
        # Asked outside the event loop, which would keep Ctrl-C from the question.
        if not arguments.yes and not says_yes(f"End {these(len(seen.strangers))} at Tyk? [y/N] "):
            print_wrapped("Nothing was ended.")
            return FAILED
        left = asyncio.run(_end(store, environ, seen, Operator.named(arguments.by)))
    is_well = replace(seen, strangers={}).is_good and not left
    return 0 if is_well else FAILED


async def _look(store: Store, environ: Any) -> Look:
    async with reaching.tyk(store, environ) as reached:
        seen = Look()
        with seen.progress:
            await look_at_list(store, reached.keys, seen)
            await look_at_ours(store, reached.ports, seen)
        _print(seen, reached.address)
        return seen


async def _end(store: Store, environ: Any, seen: Look, operator: Operator) -> int:
    async with reaching.tyk(store, environ) as reached:
        return await end(store, reached.keys, tuple(seen.strangers.values()), operator)


# --- looking ----------------------------------------------------------------------------------------------------------


async def look_at_list(store: Store, tyk: ListsAndEnds, seen: Look) -> None:
    """Every page of Tyk's list, each beside the database as it stands afterwards.

    Several are read twice: a key that is deleted meanwhile moves those behind it forward, and one of them may be missed.
    """
    if await _read_list(store, tyk, seen) > 1:
        await _read_list(store, tyk, seen)


async def _read_list(store: Store, tyk: ListsAndEnds, seen: Look) -> int:
    """Returns how many pages there are, 0 where they are not to be had."""
    number, is_last = 1, False
    while not is_last:
        seen.progress.at(f"Tyk's list of keys, page {number}")
        with store.reading() as tx:
            asked_at = tx.now
        try:
            page = await tyk.marked(number)
        except Fault as fault:
            seen.unlisted = reconciliation.unlisted(fault.code)
            return 0
        if page is None:
            seen.unlisted = reconciliation.unlisted()
            return 0
        with store.reading() as tx:
            found = _strangers(tx, page.keys, asked_at)
        seen.listed |= {one.key_hash for one in page.keys}
        seen.strangers |= {one.marked.key_hash: one for one in found}
        number, is_last = number + 1, page.is_last
    return number - 1


def _strangers(tx: Transaction, marked: Sequence[Marked], asked_at: datetime) -> list[Stranger]:
    records = findings.records_of(tx, marked)
    told = [(one, reconciliation.stranger(one, records.get(one), asked_at, tx.now)) for one in marked]
    return [Stranger(one, asked_at, finding) for one, finding in told if finding is not None]


async def look_at_ours(store: Store, ports: Ports, seen: Look) -> None:
    """Every key that ought to live, by itself, whatever the list says."""
    after = ""
    while True:
        with store.reading() as tx:
            held = findings.held(tx, after, READ_AT_ONCE)
        if not held:
            return
        after = held[-1].key.id
        for start in range(0, len(held), AT_ONCE):
            seen.progress.at(f"the bot's keys at Tyk, {seen.ours:,} so far")
            await _look_at_some(store, ports, held[start : start + AT_ONCE], seen)


async def _look_at_some(store: Store, ports: Ports, some: Sequence[Held], seen: Look) -> None:
    if seen.away:
        seen.unseen += len(some)
        return
    answers = await asyncio.gather(*(_asked(one, ports) for one in some))
    if all(isinstance(one, Transient) for one in answers):
        seen.away, seen.unseen = str(getattr(answers[0], "code", "")), seen.unseen + len(some)
        return
    with store.reading() as tx:
        records = tx.glance({one.record.request.id: None for one in some})
        now = tx.now
    for one, answer in zip(some, answers, strict=True):
        record = _settled(records[one.record.request.id], now)
        seen.ours += 1
        found = reconciliation.unseen(record, one.key, answer.code) if isinstance(answer, Transient) else answer
        if found is not None and reconciliation.stands(found, record, one.key.id):
            seen.found.append((found, record.request))


async def _asked(one: Held, ports: Ports) -> Finding | Transient | None:
    try:
        return await look(one, ports)
    except Transient as fault:
        return fault


def _settled(record: Record, now: datetime) -> Record:
    """The record after what time alone has decided, which a bot that runs will store."""
    settled = lifecycle.settle(record, now, new_id)
    return record if settled is None else settled.record


# --- what is said -----------------------------------------------------------------------------------------------------


def _print(seen: Look, address: str) -> None:
    for finding, request in sorted(seen.found, key=lambda one: one[1].number):
        print_wrapped(reports.finding_line(finding, request))
    for one in seen.strangers.values():
        print_wrapped(reports.finding_line(one.finding, None))
    if seen.ours or seen.unlisted is None:
        marked = "" if seen.unlisted else f" and {many(len(seen.listed), 'key')} at Tyk with its mark"
        wrong = len(seen.found) + len(seen.strangers)
        result = " All is as it should be." if seen.is_good else f" To put right: {wrong}." if wrong else ""
        print_wrapped(f"Looked at {many(seen.ours, 'key')} of the bot's{marked}.{result}")
    if seen.unlisted is not None:
        complain(seen.unlisted.sentence)
    if seen.unseen:
        why, listed = outages.sentence(EffectKind.RECONCILE, seen.away), seen.unlisted
        because = ", for the same reason." if listed is not None and why in listed.sentence else f". {why}"
        complain(f"Could not look at {many(seen.unseen, 'key')} of the bot's{because}")
    if seen.unlisted is not None or seen.unseen:
        complain(f"Tyk was asked at {address}.")


# --- ending -----------------------------------------------------------------------------------------------------------


async def end(store: Store, tyk: ListsAndEnds, strangers: Sequence[Stranger], operator: Operator) -> int:
    """Delete them at Tyk, one after the other; the audit has who wanted it before that, and afterwards that it is done.

    Returns how many are left.
    """
    ended = 0
    for one in strangers:
        label = f"{one.marked.label}, key {one.marked.key_hash}"
        if not _is_decided(store, one, operator):
            print_wrapped(f"{label}: it is ours by now, or gone.")
            continue
        try:
            await tyk.end(one.marked)
        except Fault as fault:
            print_wrapped(f"{label}: not deleted: {why_not(fault.code)}. {fault.text}".rstrip())
            continue
        with store.transaction() as tx:
            operator.deleted(tx, one.marked)
            findings.over(tx, [findings.of_stranger(one.marked.key_hash)])
            findings.tell(tx, tx.now)
        ended += 1
        print_wrapped(f"{label}: deleted at Tyk.")
    left = len(strangers) - ended
    print_wrapped(f"Ended: {ended}. {CACHED}" if ended else "Ended: 0.")
    if left:
        complain(f"Not ended: {left}.")
    return left


def _is_decided(store: Store, one: Stranger, operator: Operator) -> bool:
    """It is a stranger still, and the operator's decision is written down."""
    with store.transaction() as tx:
        still = _strangers(tx, [one.marked], one.asked_at)
        if still:
            operator.ends(tx, one.marked, one.finding)
    return bool(still)
