"""`revoke`: ends grants, and their keys at Tyk itself, with or without a bot and with or without Slack.

The command claims the promises to delete the keys as a worker does, under a lease, so that nothing is done twice; what it cannot
delete stays promised, and is left to the bot.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any

import structlog

from bot import logs, opening, reports
from bot.commands import reaching, words
from bot.commands.looking import print_rows, searching, writable
from bot.commands.operator import Operator
from bot.commands.progress import Progress
from bot.commands.words import UsageError
from bot.core import outages
from bot.core.model import Effect, EffectKind, EffectState, Key, KeyState, Record, RequestState
from bot.effects import Place
from bot.effects.claim import Claim
from bot.errors import FAILED, INTERRUPTED, CommandError
from bot.layout import complain, print_wrapped
from bot.opening import new_id
from bot.pace import SLOTS
from bot.settings import SettingsError
from bot.store import ledger
from bot.store.engine import has_worker
from bot.store.ledger import Holding
from bot.store.store import Store
from bot.worker import Worker

BOT_HAS = 10.0
"""Seconds in which a bot that runs deletes what this command could not."""

LOOKS_EVERY = 0.25

NOTHING = "Nothing that lives matches."

CACHED = "A Gateway may let a token through for about ten seconds more, from its cache."


class StoppedError(CommandError):
    """A person stopped the command before it did anything."""

    exit_code = INTERRUPTED


def revoke(arguments: argparse.Namespace, environ: Any) -> int:
    """The list comes first; nothing happens without --yes or a person's yes."""
    reason, found = words.reason(arguments.reason), _found(arguments, environ)
    if not (found.held or found.waiting):
        complain(found.nothing)
        return FAILED
    found.print()
    if not arguments.yes and not says_yes(found.question):
        print_wrapped("Nothing was done.")
        return FAILED
    if not structlog.is_configured():
        logs.configure("ERROR", "text")
    return asyncio.run(_end_and_delete(Operator.named(arguments.by), reason, environ, found.ids))


# --- what is to end ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Found:
    """The grants or keys to end and, of a person, the requests that wait. `nothing` says why there are none."""

    held: tuple[Holding, ...]
    waiting: tuple[Record, ...]
    nothing: str

    def print(self) -> None:
        if self.held:
            print_rows(map(reports.key_row, self.held), reports.KEYS, "table")
        if self.waiting:
            now = datetime.now(UTC)
            print_rows([reports.request_row(record, (), now) for record in self.waiting], reports.REQUESTS, "table")

    @property
    def ids(self) -> list[str]:
        return [*(held.request_id for held in self.held), *(record.request.id for record in self.waiting)]

    @property
    def question(self) -> str:
        return f"End {these(len(self.held) + len(self.waiting))}? [y/N] "


def _found(arguments: argparse.Namespace, environ: Any) -> _Found:
    if arguments.number and arguments.id:
        raise UsageError("Say the number once: R-1042, or --id R-1042.")
    number = arguments.number or arguments.id
    if not (number or arguments.person or arguments.api):
        raise UsageError("Say what to end: a number such as R-1042, --person or --api.")
    words.since(arguments.since)
    if number:
        words.request_number(number)
    with searching(arguments, environ) as (tx, asked):
        wanted, nothing = asked, NOTHING
        if number:
            record = words.numbered(tx, number)
            wanted, nothing = replace(wanted, number=record.request.number), _why_not(record)
        held = tuple(ledger.holdings(tx, replace(wanted, living=True)))
        waiting = tx.records(ledger.waiting(tx, wanted)) if wanted.person and not number else ()
    return _Found(held, waiting, nothing)


def _why_not(record: Record) -> str:
    label, state = record.request.label, record.request.state
    if state is RequestState.PENDING:
        return f"{label} still waits for a decision: `tyk-key-bot deny {label} --reason ...` ends it."
    if record.grant is None:
        return f"{label} was never granted: it is {state.value}."
    return NOTHING if record.lives else f"{label} has already ended."


def these(many: int) -> str:
    return "this one" if many == 1 else f"these {many:,}"


def says_yes(question: str) -> bool:
    """A person's yes. Raises UsageError where nobody is there, and StoppedError for Ctrl-C."""
    try:
        if sys.stdin is not None:
            return input(question).strip().lower() == "y"
    except KeyboardInterrupt:
        raise StoppedError("\nInterrupted: nothing was done.") from None
    except (EOFError, UnicodeDecodeError, BrokenPipeError):
        pass
    raise UsageError("Nobody is there to say yes, so nothing was done: --yes does not ask.")


# --- ending it --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Ended:
    """A request that was ended, and its keys that were still to be deleted at Tyk."""

    record: Record
    keys: tuple[Key, ...]


async def _end(store: Store, ids: Sequence[str], operator: Operator, reason: str, progress: Progress) -> list[_Ended]:
    """Each in a transaction of its own."""
    ended: list[_Ended] = []
    for request_id in ids:
        progress.at(f"grants and requests, {len(ended):,} of {len(ids):,} so far")
        record = await store.write(partial(operator.end, request_id=request_id, reason=reason))
        keys = tuple(key for key in record.keys if key.state in (KeyState.PROBATION, KeyState.LIVE))
        ended.append(_Ended(record, keys))
    return ended


async def _end_and_delete(operator: Operator, reason: str, environ: Any, ids: Sequence[str]) -> int:
    found = writable(environ)
    with opening.command_store(found) as store:
        missing = address = ""
        with Progress("Ending") as progress:
            try:
                async with reaching.tyk(store, environ) as reached:
                    address = reached.address
                    worker = Worker(store, reached.ports, new_id, kinds=frozenset({EffectKind.REVOKE_KEY}))
                    ended = await _end(store, ids, operator, reason, progress)
                    await _delete(worker, progress)
            except SettingsError as error:
                missing = "; ".join(error.complaints)
                ended = await _end(store, ids, operator, reason, progress)
            has_bot = has_worker(found.database_url)
            if has_bot is not False:
                progress.at("what is left, by the bot that runs")
                await _left_to_the_bot(store, ended)
        return _report(store, ended, _Others(missing, has_bot, address))


async def _delete(worker: Worker, progress: Progress) -> None:
    """Delete every key that is due for it, so many at once that all are done before a lease runs out."""
    for deleted in count(0, SLOTS[Place.TYK]):
        progress.at(f"keys at Tyk, {deleted:,} so far")
        claims: list[Claim] = []
        while len(claims) < SLOTS[Place.TYK] and (claim := await worker.claim()) is not None:
            claims.append(claim)
        if not claims:
            return
        await asyncio.gather(*map(worker.keep, claims))


async def _left_to_the_bot(store: Store, ended: Sequence[_Ended]) -> None:
    """Give a bot that runs the time to delete what could not be deleted from here."""
    for _ in range(round(BOT_HAS / LOOKS_EVERY)):
        if not any(fate.is_open for one in ended for fate in _fates(store, one)):
            return
        await asyncio.sleep(LOOKS_EVERY)


# --- what is true of it -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Fate:
    """A key as it stands now, and the promise to delete it, None where nobody remembers it any more; and until when somebody else
    may be at work on that."""

    key: Key
    promise: Effect | None
    in_hand_until: datetime | None = None

    @property
    def is_deleted(self) -> bool:
        return self.key.state is KeyState.DEAD

    @property
    def is_open(self) -> bool:
        return not self.is_deleted and self.promise is not None and self.promise.state is EffectState.OPEN


@dataclass(frozen=True)
class _Others:
    """The settings missing for deleting keys from here, if any; whether a bot does it, None where that is not known; and where
    Tyk was asked."""

    missing: str
    has_bot: bool | None
    address: str

    @property
    def who(self) -> str:
        if self.has_bot is None:
            return "A bot that runs on this database goes on trying, and this command can be run again."
        if self.has_bot:
            return "The bot that runs on this database goes on trying."
        return "No bot runs on this database: start one, or run this command again."


def _fates(store: Store, ended: _Ended) -> list[_Fate]:
    request_id = ended.record.request.id
    with store.reading() as tx:
        record, now = tx.record(request_id), tx.now
        promises = {
            effect.subject_id: effect
            for effect in ledger.effects_of(tx, request_id)
            if effect.kind is EffectKind.REVOKE_KEY
        }
    assert record is not None, "records are never deleted"
    theirs = {key.id for key in ended.keys}
    return [_fate(key, promises.get(key.id), now) for key in record.keys if key.id in theirs]


def _fate(key: Key, promise: Effect | None, now: datetime) -> _Fate:
    lease = promise.lease_until if promise is not None else None
    return _Fate(key, promise, lease if lease is not None and lease > now else None)


def _report(store: Store, ended: Sequence[_Ended], others: _Others) -> int:
    """A line for each key, and what follows. Returns the exit code: 0 only where no key is left at Tyk."""
    fates = [(one, _fates(store, one)) for one in ended]
    for one, keys in fates:
        label = one.record.request.label
        if one.record.request.state is RequestState.DENIED:
            print_wrapped(f"{label}: the request is denied.")
        elif not keys:
            print_wrapped(f"{label}: there is no key to delete.")
        for fate in keys:
            print_wrapped(f"{label}, key {fate.key.key_hash}: {_sentence(fate, label, others)}")
    denied = sum(one.record.request.state is RequestState.DENIED for one in ended)
    left = [fate for _, keys in fates for fate in keys if not fate.is_deleted]
    said = [f"Ended: {len(ended) - denied}.", f"Denied: {denied}." if denied else ""]
    said.append(CACHED if any(fate.is_deleted for _, keys in fates for fate in keys) else "")
    print_wrapped(" ".join(filter(None, said)))
    if left:
        who = others.who if any(fate.is_open for fate in left) else "Nobody tries again by themselves."
        where = f" ({others.address})" if others.address else ""
        complain(f"Not every key is deleted at Tyk{where}: its token still works. {who}")
    return FAILED if left else 0


def _sentence(fate: _Fate, label: str, others: _Others) -> str:
    if fate.is_deleted:
        return "deleted at Tyk."
    if fate.promise is not None and fate.promise.state is EffectState.PARKED:
        return f"not deleted: {why_not(fate.promise.last_error)}. When that is mended: `tyk-key-bot retry {label}`."
    if fate.in_hand_until is not None and others.has_bot is False:
        until = fate.in_hand_until.strftime("%H:%M:%S")
        return f"not deleted yet: a command that runs or was cut off has it in hand, until {until} UTC at the latest."
    if others.missing:
        return f"not deleted yet: it cannot be done from here ({others.missing})."
    if fate.promise is not None and fate.promise.last_error:
        return f"not deleted yet: {why_not(fate.promise.last_error)}."
    return "not deleted yet: the bot is at it."


_WHY = {
    "deadline": "Tyk did not answer in time",
    "seal_key_lost": "no key in SEAL_KEYS opens its token, and Tyk does not delete it by its hash",
    "tyk_401": "Tyk does not accept TYK_DASHBOARD_KEY",
    "tyk_403": "Tyk does not let this Dashboard user delete keys",
    "tyk_elsewhere": "this Dashboard knows neither the key nor its API: it is not of the organisation that has them",
    "tyk_key_still_there": "Tyk has it still",
    "tyk_timeout": "Tyk did not answer in time",
    "tyk_unreachable": "Tyk cannot be reached",
}


def why_not(error: str) -> str:
    """The reason that a key was not deleted, by the code of what went wrong."""
    return _WHY.get(error) or f"{outages.cause_of(EffectKind.REVOKE_KEY, error).what.rstrip('.')} ({error})"
