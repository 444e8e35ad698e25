"""A transition in the making: collects what one decision changes, promises and says, and decides nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.core import timing, views
from bot.core.model import (
    AuditEvent,
    AuditLine,
    EffectKind,
    Identity,
    Message,
    MessageKind,
    Promise,
    Record,
    Transition,
)

NewId = Callable[[], str]


@dataclass
class Draft:
    """The record as it will be, and what goes with it.

    `touched` are the kinds of messages to be shown again although the record says nothing new, `waits` how long the edit of a
    kind is put off.
    """

    record: Record
    now: datetime
    new_id: NewId
    promises: list[Promise] = field(default_factory=list)
    drops: list[tuple[EffectKind, str]] = field(default_factory=list)
    audit: list[AuditLine] = field(default_factory=list)
    touched: frozenset[MessageKind] = frozenset()
    waits: dict[MessageKind, timedelta] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.before = self.record

    def done(self) -> Transition:
        """The transition. Where a message would say something else the version rises, and the message is to be shown; where time
        decides something else than before, the bot is woken for it."""
        known = frozenset(timing.wake_ups(self.before))
        self.promises += [one for one in timing.wake_ups(self.record) if one not in known]
        kinds = views.changed(self.before, self.record) | self.touched
        stale = [message for message in self.record.messages if message.kind in kinds]
        if stale:
            self.change_request(version=self.record.request.version + 1)
        for message in stale:
            if message.is_posted:
                wait = self.waits.get(message.kind, timedelta())
                self.promise(EffectKind.SHOW_MESSAGE, message.id, self.now + wait)
        return Transition(self.record, tuple(self.promises), tuple(self.drops), tuple(self.audit))

    def say(self, event: AuditEvent, actor: Identity | None, **details: object) -> None:
        self.audit.append(AuditLine(event, actor, details))

    def promise(self, kind: EffectKind, subject_id: str, due_at: datetime) -> None:
        self.promises.append(Promise(kind, subject_id, due_at))

    def promise_what_time_decides(self) -> None:
        """Wake-ups for all that `settle` will find: of a new record, and of one for which the bot woke too early."""
        self.promises += timing.wake_ups(self.record)

    def drop(self, subject_id: str, *kinds: EffectKind) -> None:
        self.drops += [(kind, subject_id) for kind in kinds]

    def add_message(self, message: Message) -> None:
        self.record = replace(self.record, messages=(*self.record.messages, message))

    def remove_message(self, message_id: str) -> None:
        kept = tuple(message for message in self.record.messages if message.id != message_id)
        self.record = replace(self.record, messages=kept)

    def change_request(self, **changes: object) -> None:
        request = replace(self.record.request, **changes)  # type: ignore[arg-type]  # names are checked by replace
        self.record = replace(self.record, request=request)

    def change_grant(self, **changes: object) -> None:
        assert self.record.grant is not None, "only what was granted changes"
        grant = replace(self.record.grant, **changes)  # type: ignore[arg-type]  # names are checked by replace
        self.record = replace(self.record, grant=grant)

    def change_key(self, key_id: str, **changes: object) -> None:
        keys = tuple(replace(key, **changes) if key.id == key_id else key for key in self.record.keys)  # type: ignore[arg-type]  # names are checked by replace
        self.record = replace(self.record, keys=keys)

    def change_message(self, message_id: str, **changes: object) -> None:
        messages = tuple(
            replace(one, **changes) if one.id == message_id else one  # type: ignore[arg-type]  # names are checked by replace
            for one in self.record.messages
        )
        self.record = replace(self.record, messages=messages)
