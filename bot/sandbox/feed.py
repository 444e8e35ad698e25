"""The bot's own side for the sandbox's page: its audit and its promises, read from its database and told as plain lines.

Nothing is written, and nothing of the bot is asked: it may be dead, and what it left behind is what one wants to see then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from bot.core.audit import AuditEntry, Reading, named_in
from bot.core.model import AuditEvent, Effect, EffectKind, EffectState
from bot.local.slack.journal import Changes
from bot.slack import audit_lines
from bot.store import outbox, trail
from bot.store.engine import open_engine
from bot.store.store import Store

Line = dict[str, Any]
EVERY = 0.3  # seconds between two looks; effects move without anything being seen outside
SOON = 5.0  # seconds within which what is promised counts as happening now
_KEPT_BY = {
    EffectKind.POST_MESSAGE: "chat.postMessage",
    EffectKind.SHOW_MESSAGE: "chat.update",
    EffectKind.ISSUE_KEY: "POST /api/keys",
    EffectKind.CONFIRM_KEY: "PUT /api/keys",
    EffectKind.VERIFY_KEY: "GET /api/keys",
    EffectKind.DELIVER_TOKEN: "chat.update",
    EffectKind.HIDE_TOKEN: "chat.delete",
    EffectKind.REVOKE_KEY: "DELETE /api/keys",
    EffectKind.POST_AUDIT: "chat.postMessage",
}
_RECORDS = {
    AuditEvent.KEY_CREATED: EffectKind.ISSUE_KEY,
    AuditEvent.SENT: EffectKind.DELIVER_TOKEN,
    AuditEvent.HIDDEN: EffectKind.HIDE_TOKEN,
    AuditEvent.KEY_DELETED: EffectKind.REVOKE_KEY,
    AuditEvent.LAPSED: EffectKind.LAPSE_REQUEST,
    AuditEvent.EXPIRED: EffectKind.END_GRANT,
    AuditEvent.REMINDED: EffectKind.REMIND,
}
"""The promise by whose keeping an event happens; what a person does happens at once."""
_TELLING = {EffectKind.POST_MESSAGE, EffectKind.SHOW_MESSAGE, EffectKind.POST_AUDIT}
_STATES = {EffectState.DONE: "ok", EffectState.DROPPED: "ok", EffectState.PARKED: "error"}


@dataclass
class _Seen:
    effect: Effect
    round: int = 1


class Feed:
    """`tell` is given each new or changed line; `name` says what a person or a user group is called; `clock` is the world's."""

    def __init__(
        self, store: Store, tell: Callable[[Line], None], name: Callable[[str], str], clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._tell = tell
        self._name = name
        self._clock = clock
        self._audited = 0
        self._seen: dict[int, _Seen] = {}
        self._labels: dict[str, str] = {}

    async def follow(self, changes: Changes) -> None:
        """Looks after every change, at least every EVERY seconds, until it is cancelled."""
        while True:
            version = changes.version
            with suppress(SQLAlchemyError):  # a bot that is just being killed may hold the file
                await self.look()
            with suppress(TimeoutError):
                await asyncio.wait_for(changes.moved(version), EVERY)
            await asyncio.sleep(EVERY / 3)

    async def look(self) -> None:
        reading, effects = await asyncio.to_thread(self._read)
        names = {one: self._name(one) for one in named_in(reading.entries)}
        rows = audit_lines.rows_of(replace(reading, names=names))
        for entry, row in zip(reading.entries, rows, strict=True):
            self._audited = entry.number
            self._tell(self._audit(entry, row))
        just_kept: dict[str | None, str] = {None: ""}
        for effect in sorted(effects, key=lambda one: (one.kind in _TELLING, one.id)):
            self._effect(effect, just_kept)

    def _read(self) -> tuple[Reading, list[Effect]]:
        with self._store.reading() as tx:
            effects = [one for state in EffectState for one in outbox.effects(tx, state)]
            unknown = {one.request_id for one in effects if one.request_id} - self._labels.keys()
            self._labels |= {record.request.id: record.request.label for record in tx.records(unknown)}
            return trail.reading(tx, tx.audit_after(self._audited, 200)), effects

    def _audit(self, row: AuditEntry, shown: audit_lines.AuditRow) -> Line:
        sentence = audit_lines.audit_sentence(shown).split(" · ")
        said = " · ".join(part for part in sentence[1:] if part not in (shown.request_label, shown.api, shown.holder))
        details = {"number": row.number, "event": row.event.value, "api": row.api, **row.details}
        return {
            "id": f"audit:{row.number}",
            "at": row.at.timestamp(),
            "source": f"audit #{row.number}",
            "what": said,
            "label": shown.request_label or "",
            "details": details,
            "of": _words(_RECORDS[row.event]) if row.event in _RECORDS else "" if row.actor else None,
        }

    def _effect(self, effect: Effect, just_kept: dict[str | None, str]) -> None:
        """One line for each time it is promised, which follows it until it is kept.

        `just_kept` has by request the line of what this look found kept: the transaction that kept it promised what is new.
        """
        seen = self._seen.get(effect.id)
        if seen is not None and seen.effect == effect:
            return
        if seen is None:
            seen = self._seen[effect.id] = _Seen(effect)
        elif seen.effect.state is not EffectState.OPEN and effect.epoch + effect.attempts > 0:
            seen.round += 1
        seen.effect = effect
        line_id, cause = f"effect:{effect.id}:{seen.round}", just_kept.get(effect.request_id, "")
        if effect.state is EffectState.DONE and effect.request_id and effect.kind not in _TELLING:
            just_kept[effect.request_id] = line_id
        self._tell(
            {
                "id": line_id,
                "cause": cause,
                "source": "promise",
                "what": _words(effect.kind),
                "calls": (_KEPT_BY[effect.kind],) if effect.kind in _KEPT_BY else (),
                "where": effect.subject_id if effect.kind is EffectKind.POST_AUDIT else "",
                "is_secret": effect.kind is EffectKind.DELIVER_TOKEN,
                "at": min(effect.due_at.timestamp(), self._clock()),
                "label": self._labels.get(effect.request_id or "", ""),
                **_standing(effect, self._clock()),
                "details": _details(effect),
            }
        )


def _words(kind: EffectKind) -> str:
    return kind.value.replace("_", " ")


def _standing(effect: Effect, now: float) -> Line:
    if effect.state is not EffectState.OPEN:
        note = {EffectState.DONE: "kept", EffectState.DROPPED: "not needed any more"}.get(effect.state)
        return {"state": _STATES[effect.state], "note": note or f"parked: {effect.last_error}"}
    if effect.last_error:
        return {"state": "warn", "note": f"{effect.last_error}, tried {effect.attempts} times, goes on"}
    if effect.due_at.timestamp() > now + SOON:
        return {"state": "wait", "note": "for", "due": effect.due_at.timestamp()}
    return {"state": "wait", "note": "at work" if effect.lease_until else "promised"}


def _details(effect: Effect) -> Line:
    return {
        "effect": effect.id,
        "subject": effect.subject_id,
        "due": effect.due_at.isoformat(),
        "state": effect.state.value,
        "attempts": effect.attempts,
        "claims": effect.epoch,
        "last_error": effect.last_error,
    }


@asynccontextmanager
async def following(
    database_url: str,
    tell: Callable[[Line], None],
    name: Callable[[str], str],
    changes: Changes,
    clock: Callable[[], float],
) -> AsyncIterator[Feed]:
    """A feed that runs until the end of the block. The database is there: the bot has been ready once."""
    store = Store(open_engine(database_url, owns=False))
    feed = Feed(store, tell, name, clock)
    task = asyncio.create_task(feed.follow(changes))
    try:
        yield feed
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        store.engine.dispose()
