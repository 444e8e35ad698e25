"""`retry`, `accept`, `deny` and `reseal`: an operator's decisions about what is stuck, named, waiting and sealed."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

from bot import meanings, opening, settings
from bot.commands import words
from bot.commands.looking import writable
from bot.commands.operator import Operator
from bot.commands.progress import Progress
from bot.commands.words import UsageError
from bot.core.model import Effect, EffectState, Key, Refusal, Transition
from bot.errors import FAILED
from bot.layout import complain, many, print_wrapped
from bot.settings import Need
from bot.store import chain, ledger, outbox
from bot.store.seal import Seal, SealLost
from bot.store.store import Store
from bot.store.transaction import Transaction


def retry(arguments: argparse.Namespace, environ: Any) -> int:
    """Take up again what was parked: one promise by its id, those of a request by its number, or all."""
    if not arguments.all and not arguments.ids:
        raise UsageError("Say which: `tyk-key-bot retry R-1042`, `tyk-key-bot retry ID ...`, or --all.")
    with opening.command_store(writable(environ)) as store, store.transaction() as tx:
        parked = outbox.effects(tx, EffectState.PARKED)
        chosen = parked if arguments.all else [one for word in arguments.ids for one in _named(tx, word, parked)]
        number = Operator.named(arguments.by).retry(tx, {effect.id: effect for effect in chosen})
    print_wrapped(f"Taken up again: {number}." if number else "Nothing is parked.")
    return 0


def _named(tx: Transaction, word: str, parked: tuple[Effect, ...]) -> list[Effect]:
    """The parked effects of this id or of this request."""
    if word.isascii() and word.isdigit():
        found, none = [effect for effect in parked if effect.id == int(word)], f"Nothing parked has the id {word}"
    else:
        record = words.numbered(tx, word)
        found = [effect for effect in parked if effect.request_id == record.request.id]
        none = f"Nothing of {record.request.label} is parked"
    if not found:
        raise UsageError(f"{none}: `tyk-key-bot requests` shows what is.")
    return found


def accept(arguments: argparse.Namespace, environ: Any) -> int:
    """Forget what a name of the file meant first, so that the next start or reload takes it for what Slack says then."""
    name, operator = arguments.name, Operator.named(arguments.by)
    with opening.command_store(writable(environ)) as store, store.transaction() as tx:
        known = meanings.remembered(tx)
        old = meanings.accept(tx, name)
        if old is not None:
            operator.accepted(tx, name, old)
    if old is None:
        raise words.unknown_name(name, known)
    print_wrapped(f"{name} no longer means {old}. The bot takes what Slack says within minutes, or at once on SIGHUP.")
    return 0


def deny(arguments: argparse.Namespace, environ: Any) -> int:
    """End a request that waits."""
    operator, reason, denied = Operator.named(arguments.by), words.reason(arguments.reason), True
    with opening.command_store(writable(environ)) as store, store.transaction() as tx:
        record = words.numbered(tx, arguments.number)
        try:
            record = operator.deny(tx, record.request.id, reason)
        except Refusal:  # inside the transaction: what time has decided is stored all the same
            record, denied = tx.loaded[record.request.id], False
    label = record.request.label
    if not denied:
        hint = f": `tyk-key-bot revoke {label}` ends what was granted" if record.lives else ""
        complain(f"{label} does not wait for a decision, it is {record.request.state.value}{hint}.")
        return FAILED
    print_wrapped(f"{label} is denied. The bot tells {record.request.requester_name}, with the reason.")
    return 0


# --- the seal ---------------------------------------------------------------------------------------------------------


def reseal(arguments: argparse.Namespace, environ: Any) -> int:
    """Seal every token that is held with the newest key, and say when the older ones can go."""
    found = settings.load(environ, needs=frozenset({Need.DATABASE, Need.SEAL}))
    seal = Seal(found.seal_keys)
    with opening.command_store(found) as store:
        tokens = seal_anew(store, seal, Operator.named(arguments.by))
        with store.transaction() as tx:
            is_anew = chain.reseal(tx, seal)
            lost, audit_keys = ledger.lost_tokens(tx, seal), chain.keys(tx, seal)
    print_wrapped(
        f"Sealed anew with the first of SEAL_KEYS: {many(tokens, 'token')}{', and the key of the audit' if is_anew else ''}."
    )
    if lost:
        complain(f"{lost.sentence} Keep every key until then.")
        return FAILED
    if audit_keys.lost:
        complain(f"{audit_keys.sentence} Keep every key until then.")
        return FAILED
    if len(found.seal_keys) > 1:
        print_wrapped(_SEAL_AGAIN if tokens else _OLD_KEYS_CAN_GO)
    return 0


def seal_anew(store: Store, seal: Seal, operator: Operator) -> int:
    """Seal every token that can be opened with the newest key. Returns how many there were.

    The audit hears of it first: a command that dies half-way has said what it was about.
    """
    with store.reading() as tx:
        old = [
            (one.request_id, seal.opens(one.sealed))
            for one in ledger.sealed_tokens(tx)
            if not seal.is_newest(one.sealed)
        ]
    if tokens := sum(is_opened for _, is_opened in old):
        with store.transaction() as tx:
            operator.resealed(tx, tokens)
    done = 0
    with Progress() as progress:
        for request_id in dict.fromkeys(request_id for request_id, _ in old):
            progress.at(f"sealed tokens, {done} of {tokens} are sealed anew")
            done += _reseal(store, request_id, seal)
    return done


def _reseal(store: Store, request_id: str, seal: Seal) -> int:
    """One request in a transaction of its own, so that no bot waits for long. Returns how many tokens were sealed anew."""
    with store.transaction() as tx:
        record = tx.record(request_id)
        assert record is not None, "records are never deleted"
        keys = tuple(_sealed_anew(key, seal) for key in record.keys)
        if keys != record.keys:
            tx.apply(Transition(replace(record, keys=keys)))
        return sum(one is not other for one, other in zip(keys, record.keys, strict=True))


def _sealed_anew(key: Key, seal: Seal) -> Key:
    if key.sealed is None or seal.is_newest(key.sealed):
        return key
    try:
        return replace(key, sealed=seal.anew(key.sealed))
    except SealLost:
        return key


_SEAL_AGAIN = "Start every bot with these SEAL_KEYS, then run this again: it says when all but the first can go."
_OLD_KEYS_CAN_GO = (
    "If every bot runs with these SEAL_KEYS, all but the first can go; only backups made before still need them."
)
