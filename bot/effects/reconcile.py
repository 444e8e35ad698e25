"""Look once a day, a few keys at a time, whether Tyk has our keys as they were granted, and no others with our mark.

First Tyk's list page by page, then our own keys one by one. A slice takes one slot towards Tyk for about a second, and then
rests for as long as it took: whoever waits for a token does not wait for this.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta

import structlog

from bot.core import facts, lifecycle, reconciliation
from bot.core.draft import NewId
from bot.core.faults import Fault, Gone, Transient
from bot.core.model import AuditEvent, AuditLine, Effect, EffectState, Record
from bot.core.outages import OUT_OF_TIME, SEAL_LOST
from bot.core.reconciliation import OF_OURS, Finding, FindingKind, Marked
from bot.effects.claim import Claim
from bot.effects.completion import settled
from bot.effects.ports import Ports
from bot.store import findings, outbox
from bot.store.findings import LIST, Held
from bot.store.seal import SealLost
from bot.store.transaction import Transaction

log = structlog.get_logger(__name__)

EVERYTHING = "everything"
PROGRESS = "reconciling"
RECONCILED_AT = "reconciled at"
EVERY = timedelta(days=1)
AFTER_START = timedelta(hours=1)
"""A start has enough to do, and so has whoever restarts again and again."""

GATHERS = timedelta(minutes=10)
"""What is found waits so long for more, to be told in one message."""

KEYS = 50
SLICE = 1.0
REST = 1.0
PATIENCE = 10.0
"""Seconds: of a slice, after it at least, and for one key."""

LIST_PATIENCE = 45.0
GIVES_UP = 5
"""Tries, after which a list that cannot be had is not waited for: our own keys are looked at without it."""

_TYK_REFUSES_LIST = "tyk_403"


@dataclass(frozen=True)
class Progress:
    """The place that the look of this number has come to: the next page of Tyk's list, None behind its last, and the last key."""

    look: int = 1
    page: int | None = 1
    after: str = ""


@dataclass(frozen=True)
class Slice:
    """The keys to look at next. Where all of `keys` fail, `others` show whether these keys or Tyk are at fault."""

    progress: Progress
    keys: Sequence[Held] = ()
    others: Sequence[Held] = ()


@dataclass(frozen=True)
class Looked:
    """The result of a slice, `seconds` long: keys of Tyk's list with our mark, or what was found of each of ours, None for
    nothing. `unlisted` says that Tyk's list is not to be had. `progress` is None where all was looked at."""

    progress: Progress | None
    seconds: float
    marked: Sequence[Marked] = ()
    unlisted: Finding | None = None
    ours: Sequence[tuple[Held, Finding | None]] = ()


def find(tx: Transaction, _effect: Effect) -> Slice:
    progress = Progress(**(tx.remembered(PROGRESS) or {}))
    if progress.page is not None:
        return Slice(progress)
    keys = findings.held(tx, progress.after, KEYS)
    others = findings.held(tx, "", 1) if progress.after and len(keys) < KEYS else ()
    return Slice(progress, keys, others)


async def perform(claim: Claim, ports: Ports) -> Looked:
    todo: Slice = claim.found
    started = time.monotonic()
    if todo.progress.page is None:
        looked = await _ours(todo, ports, started)
    else:
        looked = await _listed(todo.progress, todo.progress.page, claim.effect.attempts, ports, started)
    return replace(looked, seconds=time.monotonic() - started)


# --- Tyk's list -------------------------------------------------------------------------------------------------------


async def _listed(progress: Progress, page: int, attempts: int, ports: Ports, started: float) -> Looked:
    """Some pages. A fault after the first of them is the next slice's to meet."""
    marked: list[Marked] = []
    at, then = page, replace(progress, page=None)
    while at == page or time.monotonic() - started < SLICE:
        try:
            async with asyncio.timeout(LIST_PATIENCE):
                found = await ports.tyk.marked(at)
        except (Fault, TimeoutError) as fault:
            code = _code(fault)
            if at > page:
                break
            if isinstance(fault, Transient | TimeoutError) and attempts < GIVES_UP and code != _TYK_REFUSES_LIST:
                raise
            return Looked(then, 0, unlisted=reconciliation.unlisted(code))
        if found is None:
            return Looked(then, 0, unlisted=reconciliation.unlisted())
        marked += found.keys
        if found.is_last:
            return Looked(then, 0, marked)
        at += 1
    return Looked(replace(progress, page=at), 0, marked)


# --- our own ----------------------------------------------------------------------------------------------------------


async def _ours(todo: Slice, ports: Ports, started: float) -> Looked:
    """Some keys. A fault ends the slice; one that its first keys meet and another does not is theirs alone."""
    looked: list[tuple[Held, Finding | None]] = []
    failed: list[tuple[Held, str]] = []
    met = 0
    for place, one in enumerate((*todo.keys, *todo.others)):
        is_needless = place >= len(todo.keys) and bool(looked or not failed)
        if is_needless or (looked and time.monotonic() - started >= SLICE):
            break
        try:
            async with asyncio.timeout(PATIENCE):
                looked.append((one, await look(one, ports)))
        except (Transient, TimeoutError) as fault:
            if looked:
                break
            failed.append((one, _code(fault)))
        met = min(place + 1, len(todo.keys))
    if failed and not looked:
        raise Transient(failed[0][1])
    looked += [(one, reconciliation.unseen(one.record, one.key, code)) for one, code in failed]
    is_last = met == len(todo.keys) < KEYS
    return Looked(None if is_last else replace(todo.progress, after=todo.keys[met - 1].key.id), 0, ours=looked)


async def look(one: Held, ports: Ports) -> Finding | None:
    """Ask Tyk for a key of ours. Raises Transient where it cannot say now."""
    record, key = one.record, one.key
    try:
        why = await ports.tyk.differs(record, key, ports.name_of(key), ports.proving(record))
    except SealLost:
        return reconciliation.unseen(record, key, SEAL_LOST)
    except Gone:
        return reconciliation.gone(record, key)
    except Transient:
        raise
    except Fault as fault:
        return reconciliation.unseen(record, key, fault.code)
    return reconciliation.altered(record, key, why) if why else None


def _code(fault: BaseException) -> str:
    return fault.code if isinstance(fault, Fault) else OUT_OF_TIME


# --- what is stored ---------------------------------------------------------------------------------------------------


def complete(tx: Transaction, claim: Claim, looked: Looked, new_id: NewId) -> None:
    """Store what was found, and promise the next slice or the next look. What stands already is not news."""
    progress: Progress = claim.found.progress
    rest = timedelta(seconds=max(REST, looked.seconds))
    again = tx.now + (rest if looked.progress else EVERY)
    outbox.finish(tx, claim.effect, EffectState.OPEN, due_at=again, attempts=0, first_failed_at=None, last_error="")
    tx.remember(PROGRESS, asdict(looked.progress or Progress(progress.look + 1)))
    if looked.progress is None:
        tx.remember(RECONCILED_AT, tx.now.timestamp())
    if progress.page is None:
        _store_ours(tx, looked, progress.look, new_id)
    else:
        _store_strangers(tx, claim, looked, progress.look)
    findings.tell(tx, tx.now + GATHERS if looked.progress else tx.now)


def _store_strangers(tx: Transaction, claim: Claim, looked: Looked, number: int) -> None:
    records = findings.records_of(tx, looked.marked)
    for marked in looked.marked:
        found = reconciliation.stranger(marked, records.get(marked), claim.now, tx.now)
        if found and _note(tx, findings.of_stranger(marked.key_hash), found, number):
            details = {"key_hash": found.key_hash, "bears": found.label, "why": found.what}
            tx.audit(AuditLine(AuditEvent.KEY_UNKNOWN, None, details), None)
    if looked.unlisted is not None:
        _note(tx, LIST, looked.unlisted, number)
    elif looked.progress is None or looked.progress.page is None:
        # while a list is paged through, a key that is deleted moves those behind it forward: one look may miss one
        findings.over(tx, findings.unmet(tx, {FindingKind.STRANGER}, number - 1))
        findings.over(tx, [LIST])


def _store_ours(tx: Transaction, looked: Looked, number: int, new_id: NewId) -> None:
    """Every record is locked before the audit's counter is, as everywhere: another order could deadlock."""
    news = [(held, found) for held, found in looked.ours if found or held.standing or held.key.gone_at]
    records = {record.request.id: record for record in tx.records({held.record.request.id: None for held, _ in news})}
    records = {of: settled(tx, record, new_id) for of, record in records.items()}
    for held, found in news:
        record = records[held.record.request.id]
        records[record.request.id] = _store_one(tx, record, held, found, number, new_id)
    if looked.progress is None:
        findings.over(tx, findings.unmet(tx, OF_OURS, number))


def _store_one(
    tx: Transaction, record: Record, held: Held, found: Finding | None, number: int, new_id: NewId
) -> Record:
    key_id = held.key.id
    if _granted(record) != _granted(held.record):
        return record  # extended while it was looked at: the next look compares with what holds now
    if found is not None and not reconciliation.stands(found, record, key_id):
        return record
    fact: facts.Fact | None = None
    if found is None:
        findings.over(tx, [key_id])
        was = held.standing.finding.kind if held.standing and not held.standing.is_over else None
        is_again = held.key.gone_at is not None or was in (FindingKind.GONE, FindingKind.ALTERED)
        fact = facts.KeyAsGranted(key_id) if is_again else None
    else:
        is_news = _note(tx, key_id, found, number, record.request.id)
        if found.kind is FindingKind.GONE:
            fact = facts.KeyGone(key_id)
        elif found.kind is FindingKind.ALTERED and is_news:
            fact = facts.KeyChanged(key_id, found.what)
    return record if fact is None else tx.apply(lifecycle.observe(record, fact, tx.now, new_id))


def _granted(record: Record) -> object:
    """The part of a record that Tyk is compared with."""
    return record.request.plan, record.grant and record.grant.until


def _note(tx: Transaction, subject: str, found: Finding, number: int, request_id: str | None = None) -> bool:
    """Note it down, and log it where it is news."""
    is_news = findings.note(tx, subject, found, number, request_id)
    if is_news:
        log.warning("key.found", kind=found.kind.value, request=found.label, key=found.key_hash, what=found.sentence)
    return is_news
