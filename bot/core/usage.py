"""The last use of a token, as far as Tyk's analytics tell. Nothing is decided by it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

LOOKED_BACK = timedelta(days=30)


class Unseen(StrEnum):
    """The reason that nobody can say whether a token is used."""

    FORBIDDEN = "forbidden"
    """The Dashboard user may not read analytics."""

    LATE = "late"
    """The answer was not there in time, or it was not asked for: what people wait for comes first."""

    NO_HASH = "no_hash"
    """Tyk gave no hash of the key, and its analytics go by that."""

    BROKEN = "broken"
    """Something else came instead of an answer."""


@dataclass(frozen=True)
class Use:
    """The last call with a token that Tyk recorded, as far as is looked back; None where it recorded none. `unseen` is why
    that is unknown."""

    last: datetime | None = None
    unseen: Unseen | None = None
