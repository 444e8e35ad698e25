"""Parsing of what a person types, with complaints: numbers, times, ports, names of entries and people."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from bot import durations
from bot.core import limits
from bot.core.model import Record, Refusal
from bot.errors import InputError
from bot.store import ledger
from bot.store.ledger import Filter
from bot.store.transaction import Transaction

LONGEST = 100 * 365 * 86400
"""Seconds: more than any token lasts."""


class UsageError(InputError):
    """The command's own words are off."""


def request_number(text: str) -> int:
    found = re.fullmatch(r"(?:R-)?([0-9]{1,9})", text.strip(), re.IGNORECASE)
    if found is None:
        raise UsageError(f"{text!r} is no request's number; they look like R-1042.")
    return int(found[1])


def reason(text: str) -> str:
    """A reason as a form would take it. Raises UsageError for one that is too long."""
    try:
        return limits.written(text, "reason", limits.MAX_REASON)
    except Refusal as refusal:
        raise UsageError(f"--reason: {refusal.text}") from None


def since(text: str | None) -> datetime | None:
    return moment(text, "--since")


def moment(text: str | None, option: str) -> datetime | None:
    """`7d`, `12h` ago, or a date."""
    if text is None:
        return None
    if (ago := durations.in_seconds(text)) is not None:
        with suppress(OverflowError):
            return datetime.now(UTC) - timedelta(seconds=ago)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} takes 12h, 7d or 2026-01-31, not {text!r}.") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def within(text: str | None) -> timedelta | None:
    """`7d` or `12h`."""
    if text is None:
        return None
    seconds = durations.in_seconds(text)
    if seconds is None or seconds > LONGEST:
        raise UsageError(f"--expiring takes 12h, 7d or 4w, not {text!r}.")
    return timedelta(seconds=seconds)


def filtered(arguments: argparse.Namespace, tx: Transaction, person: str | None = None) -> Filter:
    """The filter of --since, --api and a person who is known. Raises UsageError for an entry that the database has never met."""
    if arguments.api is not None:
        _check_api(tx, arguments.api)
    return Filter(since=since(arguments.since), api=arguments.api, person=person)


def numbered(tx: Transaction, text: str) -> Record:
    """The request of this number. Raises UsageError where there is none."""
    number = request_number(text)
    record = tx.numbered(number)
    if record is None:
        newest = ledger.newest_number(tx)
        hint = f"; the newest is R-{newest}" if newest else ""
        raise UsageError(f"There is no request R-{number}{hint}.")
    return record


def _check_api(tx: Transaction, name: str) -> None:
    known = ledger.entries(tx)
    if name not in known:
        raise UsageError(f"There is no entry {name}{meant(name, {one: one for one in known})}")


def unknown_name(name: str, known: Iterable[str]) -> UsageError:
    """The error for a handle or an address that no bot has started with."""
    return UsageError(f"No bot has started with a name such as {name!r}{meant(name, {one: one for one in known})}")


def meant(word: str, known: Mapping[str, str]) -> str:
    """The rest of the sentence that says that there is no such word."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {known[close[0]]}?" if close else "."
