"""The keys that we hold beside those that Tyk has: which of Tyk's are strangers, and every difference as a sentence.

gone       ours, and Tyk no longer has it
altered    ours, and Tyk holds something else than was granted
unseen     ours, and it could not be looked at
stranger   bears our mark, and we do not know it or hold it as ended
unlisted   Tyk's list could not be had, and so no stranger be found
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from bot.core import outages
from bot.core.keys import PROBATION, is_newest
from bot.core.model import EffectKind, Key, KeyState, Record, Request

GONE = "Tyk no longer has it: somebody deleted it there"
CLOCKS_DIFFER = timedelta(minutes=1)

NO_LIST = (
    "Tyk gives me no list of its keys: where it hashes them, that needs `enable_hashed_keys_listing` in the Gateway and in the "
    "Dashboard"
)


class FindingKind(StrEnum):
    GONE = "gone"
    ALTERED = "altered"
    UNSEEN = "unseen"
    STRANGER = "stranger"
    UNLISTED = "unlisted"


OF_OURS = frozenset({FindingKind.GONE, FindingKind.ALTERED, FindingKind.UNSEEN})


@dataclass(frozen=True)
class Finding:
    """A key that is other than it should be. `what` is true of it, `label` the request's number that the key bears."""

    kind: FindingKind
    what: str
    label: str = ""
    key_hash: str = ""

    @property
    def sentence(self) -> str:
        """The finding, and what to do about it."""
        return f"{self.what.rstrip('.')}. {self.to_do}".rstrip()

    @property
    def to_do(self) -> str:
        """The advice for whoever runs the bot."""
        match self.kind:
            case FindingKind.GONE:
                return f"Replace token gives its holder another, `tyk-key-bot revoke {self.label}` ends the grant."
            case FindingKind.ALTERED:
                return f"Put it right in the Dashboard, or end it: `tyk-key-bot revoke {self.label}`."
            case FindingKind.STRANGER:
                return "`tyk-key-bot reconcile --end` ends such keys."
            case FindingKind.UNLISTED:
                return "Without it, keys that nobody knows can't be found."
            case _:
                return ""


@dataclass(frozen=True)
class Told:
    """A finding to tell of, or that it is over; `request` is the one whose key it is about, None for a key that is not ours."""

    finding: Finding
    request: Request | None
    is_over: bool


def altered(record: Record, key: Key, why: str) -> Finding:
    return Finding(FindingKind.ALTERED, why, record.request.label, key.key_hash or "")


def gone(record: Record, key: Key) -> Finding:
    return Finding(FindingKind.GONE, GONE, record.request.label, key.key_hash or "")


def unseen(record: Record, key: Key, code: str) -> Finding:
    what = f"it could not be looked at. {_why(code)}"
    return Finding(FindingKind.UNSEEN, what, record.request.label, key.key_hash or "")


def unlisted(code: str = "") -> Finding:
    """Tyk gives none, or could not for the reason that has this code."""
    what = f"Tyk's list of keys could not be had. {_why(code)}" if code else NO_LIST
    return Finding(FindingKind.UNLISTED, what)


def _why(code: str) -> str:
    return outages.SEALED if code == outages.SEAL_LOST else outages.sentence(EffectKind.RECONCILE, code)


# --- Tyk's list -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Marked:
    """A key in Tyk's list that bears our mark: the request's number, our id of it, and its hash; `expires_at` is None for never.

    `token` is its only name where Tyk does not hash keys.
    """

    label: str
    key_id: str
    key_hash: str
    expires_at: datetime | None
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class MarkedPage:
    """The keys with our mark on one page of Tyk's list. `is_last`: there is no page behind it."""

    keys: tuple[Marked, ...]
    is_last: bool


def stranger(marked: Marked, record: Record | None, asked_at: datetime, now: datetime) -> Finding | None:
    """The finding about a key of Tyk's list that was asked for at `asked_at`; None where nothing is wrong.

    `record` is that of the key whose id or hash it bears, as it stands `now`: what was made or ended meanwhile is no stranger.
    """
    if marked.expires_at is not None and marked.expires_at < now:
        return None  # it opens nothing any more
    keys = record.keys if record else ()
    key = next((one for one in keys if one.key_hash == marked.key_hash), None)
    key = key or next((one for one in keys if one.id == marked.key_id), None)
    if key is not None and key.state is not KeyState.DEAD:
        if key.key_hash == marked.key_hash or _is_on_probation(marked, now):
            return None
    elif key is not None and key.dead_at is not None and key.dead_at >= asked_at:
        return None
    holds = "I hold this key as ended" if key is not None and key.state is KeyState.DEAD else "I don't know this key"
    until = f"until {marked.expires_at:%Y-%m-%d %H:%M} UTC" if marked.expires_at else "and doesn't expire"
    return Finding(FindingKind.STRANGER, f"{holds}, and at Tyk it works {until}", marked.label, marked.key_hash)


def _is_on_probation(marked: Marked, now: datetime) -> bool:
    """It is being made, or it is one whose making went unheard: nobody has seen its token, and it ends by itself."""
    return marked.expires_at is not None and marked.expires_at <= now + PROBATION + CLOCKS_DIFFER


# --- our own ----------------------------------------------------------------------------------------------------------


def stands(finding: Finding, record: Record, key_id: str) -> bool:
    """It is still true of this key. One in whose place another is made may be deleted at any moment, and not by a stranger."""
    key = record.key(key_id)
    if key is None or key.state is not KeyState.LIVE or record.grant is None or not record.lives:
        return False
    if key.is_behind(record.grant):
        return False  # it was extended, and Tyk is about to be told
    return finding.kind is not FindingKind.GONE or is_newest(record, key_id)
