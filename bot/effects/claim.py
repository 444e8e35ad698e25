"""A claimed effect, with all that its act needs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.core.model import Effect, Key, Message, Record
from bot.core.outages import Side


@dataclass(frozen=True)
class Claim:
    """The effect under its new epoch, and the record as it stood when it was claimed, at `now`.

    `found` is what the act asked the database for when it was claimed. `stuck`: some promise of the request is
    parked. `late`: the side for which one is late, once people know.
    """

    effect: Effect
    record: Record | None
    now: datetime
    stuck: bool = False
    late: Side | None = None
    found: Any = None

    @property
    def story(self) -> Record:
        assert self.record is not None, "this effect belongs to a request"
        return self.record

    @property
    def key(self) -> Key:
        key = self.story.key(self.effect.subject_id)
        assert key is not None, "this effect's subject is a key"
        return key

    @property
    def message(self) -> Message:
        message = self.story.message(self.effect.subject_id)
        assert message is not None, "this effect's subject is a message"
        return message
