"""Facts: news of the outside world, as `lifecycle.observe` is told of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from bot.core.model import EffectKind, KeyId, MessageId


@dataclass(frozen=True)
class Issued:
    """A key that Tyk has just made, alive until `expires_at`."""

    token: str = field(repr=False)
    key_hash: str
    expires_at: datetime


@dataclass(frozen=True)
class Account:
    """Somebody whom nobody waits for: why they may not use the bot any more, None where they may, and all their user ids."""

    why_left: str | None
    ids: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Unhurried:
    """The room that Slack's limits leave now for looking up people for whom nobody waits, and the seconds until there is more."""

    room: int
    wait: float


@dataclass(frozen=True)
class MessagePosted:
    """The message stands in Slack and says what the record was at `version`; 0 where that is not known.

    `undecidable` says why the request cannot be approved now, empty where it can, None where nobody looked.
    """

    message_id: MessageId
    channel: str
    ts: str
    version: int = 0
    undecidable: str | None = None


@dataclass(frozen=True)
class MessageShown:
    """The message shows the record at `version`; `undecidable` as in MessagePosted."""

    message_id: MessageId
    version: int
    undecidable: str | None = None


@dataclass(frozen=True)
class MessageGone:
    """Slack no longer has the message; somebody may have deleted it."""

    message_id: MessageId


@dataclass(frozen=True)
class KeyIssued:
    """A key exists at Tyk until `expires_at`; its token is sealed."""

    key_id: KeyId
    key_hash: str
    sealed: bytes = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True)
class KeyConfirmed:
    """The key has its final expiry, None for never."""

    key_id: KeyId
    expires_at: datetime | None


@dataclass(frozen=True)
class KeyMissing:
    """Tyk does not know the key any more: it is to be made anew."""

    key_id: KeyId


@dataclass(frozen=True)
class KeyVerified:
    key_id: KeyId


@dataclass(frozen=True)
class KeyWrong:
    """Tyk holds something else than was granted."""

    key_id: KeyId
    why: str


@dataclass(frozen=True)
class TokenShown:
    key_id: KeyId


@dataclass(frozen=True)
class TokenHidden:
    """The message with the token is gone. `keep_sealed` where the token is the key's only name at Tyk."""

    key_id: KeyId
    keep_sealed: bool


@dataclass(frozen=True)
class KeyDead:
    """Tyk was asked and has no such key."""

    key_id: KeyId


@dataclass(frozen=True)
class KeyGone:
    """Tyk no longer has a key whose grant lives: somebody deleted it there."""

    key_id: KeyId


@dataclass(frozen=True)
class KeyChanged:
    """Tyk holds something else than was granted by now: somebody changed it there."""

    key_id: KeyId
    why: str


@dataclass(frozen=True)
class KeyAsGranted:
    """Tyk holds the key as it was granted again."""

    key_id: KeyId


@dataclass(frozen=True)
class Barred:
    """A refusal before an act: the person or the rule no longer allowed it."""

    step: str
    why: str


@dataclass(frozen=True)
class MayExtend:
    """The extension would be granted today, and Tyk has what its plan needs."""


@dataclass(frozen=True)
class Unreachable:
    """The requester can never be sent anything."""

    why: str


@dataclass(frozen=True)
class Left:
    """The requester may not use the bot any more: deactivated, a guest now, or gone elsewhere."""

    why: str


@dataclass(frozen=True)
class Returned:
    """The requester, found to have left before, is a full member again."""


@dataclass(frozen=True)
class Due:
    """A time has come; the record is settled whenever it is looked at, so there is nothing to add."""


@dataclass(frozen=True)
class Stuck:
    """A promise was parked."""

    kind: EffectKind
    effect_id: int
    error: str
    why: str = ""


@dataclass(frozen=True)
class Delayed:
    """A promise has not been kept for a while; it is still being tried."""

    kind: EffectKind
    error: str
    subject_id: str = ""


@dataclass(frozen=True)
class Recovered:
    """A promise that had been told of as delayed or stuck was kept."""

    kind: EffectKind


OfMessage = MessagePosted | MessageShown | MessageGone
OfKey = KeyIssued | KeyConfirmed | KeyMissing | KeyVerified | KeyWrong | KeyDead | TokenShown | TokenHidden
OfLook = KeyGone | KeyChanged | KeyAsGranted
OfRequester = Barred | Unreachable | Left | Returned
OfPromise = Due | Stuck | Delayed | Recovered
Fact = OfMessage | OfKey | OfLook | OfRequester | OfPromise
