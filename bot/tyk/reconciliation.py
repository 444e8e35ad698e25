"""The keys that we hold beside those that Tyk has: what is gone, what was changed by hand, what bears our mark and is not ours.

Nothing is ended or told here. What cannot be looked at is not called good: it is among the findings as such.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.core.faults import Fault, Gone
from bot.core.model import Key, KeyState, Record
from bot.tyk.dashboard import ListedKey
from bot.tyk.keys import Keys, fingerprint
from bot.tyk.names import one_line
from bot.tyk.session import MARK


@dataclass(frozen=True)
class Held:
    """A key of ours that is not dead. `name` is what Tyk knows it by, None where it was never recorded or cannot be opened."""

    record: Record
    key: Key
    name: str | None = field(repr=False)

    @property
    def should_live(self) -> bool:
        """True where its grant stands and its final end was set."""
        return self.record.lives and self.key.state is KeyState.LIVE


@dataclass(frozen=True)
class Stranger:
    """A living key at Tyk with our mark that we do not know, or hold as dead. `request` is the number that it bears."""

    request: str
    key_hash: str
    listed: ListedKey = field(repr=False)


@dataclass(frozen=True)
class Findings:
    """`altered` says of each what is other than was granted, `unseen` why it could not be looked at. `is_listed`: Tyk gave its
    list of keys; without it no stranger can be found."""

    gone: tuple[Held, ...]
    altered: tuple[tuple[Held, str], ...]
    unseen: tuple[tuple[Held, str], ...]
    strangers: tuple[Stranger, ...]
    is_listed: bool

    @property
    def is_good(self) -> bool:
        return self.is_listed and not (self.gone or self.altered or self.unseen or self.strangers)


async def reconcile(keys: Keys, held: Callable[[], Awaitable[Sequence[Held]]], now: datetime) -> Findings:
    """Ask for Tyk's list first and for `held`, all keys that are not dead, afterwards: what was made in between is no stranger.

    A key that ought to live is then asked for by itself, whatever the list says. Raises a Fault where the list cannot be had now.
    """
    listed = await keys.listed()
    ours = await held()
    gone: list[Held] = []
    altered: list[tuple[Held, str]] = []
    unseen: list[tuple[Held, str]] = []
    for one in ours:
        if not one.should_live:
            continue
        try:
            if (why := await _difference(keys, one)) is not None:
                altered.append((one, why))
        except Gone:
            gone.append(one)
        except Fault as fault:
            unseen.append((one, fault.code))
    return Findings(tuple(gone), tuple(altered), tuple(unseen), _strangers(listed or (), ours, now), listed is not None)


async def _difference(keys: Keys, one: Held) -> str | None:
    if one.name is None:
        raise Fault("seal_key_lost", "no seal key opens the token that Tyk knows the key by")
    return await keys.differs(one.record, one.key, one.name)


def _strangers(listed: Sequence[ListedKey], ours: Sequence[Held], now: datetime) -> tuple[Stranger, ...]:
    """A key that is being made has no hash here yet: what bears its id is its own. What has expired opens nothing any more."""
    known = {one.key.key_hash for one in ours if one.key.key_hash}
    in_the_making = {one.key.id for one in ours if not one.key.key_hash}
    found = []
    for one in listed:
        mark = _mark(one.session)
        key_hash = one.key_hash or fingerprint(one.token or "")
        if mark is None or key_hash in known or mark.get("key_id") in in_the_making or _is_over(one.session, now):
            continue
        found.append(Stranger(one_line(str(mark.get("request", "-")), 20), key_hash, one))
    return tuple(found)


def _mark(session: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The mark that we wrote into the key; None where it is somebody else's."""
    told = session.get("meta_data")
    return told if isinstance(told, Mapping) and told.get("issued_by") == MARK else None


def _is_over(session: Mapping[str, Any], now: datetime) -> bool:
    expires = session.get("expires") or 0
    return isinstance(expires, int | float) and 1 <= expires < now.timestamp()
