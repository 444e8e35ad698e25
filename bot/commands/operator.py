"""Whoever sits at the command line, and what they decide. Each decision is a part of one transaction."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.core import lifecycle
from bot.core.model import (
    AuditEvent,
    AuditLine,
    Effect,
    EffectKind,
    KeyState,
    Promise,
    Record,
    RequestState,
    Transition,
)
from bot.core.reconciliation import Finding, Marked
from bot.opening import new_id
from bot.store import outbox
from bot.store.transaction import Transaction

LONGEST_NAME = 100


@dataclass(frozen=True)
class Operator:
    """An operator, by name in every row of the audit about what they do: the command line knows no Slack id."""

    name: str

    @classmethod
    def named(cls, name: str | None) -> Operator:
        """The operator of the name they give, or else of the operating system's user and host."""
        visible = "".join(one for one in name or "" if one.isprintable()).strip()
        return cls(visible[:LONGEST_NAME] or f"{_user()}@{socket.gethostname()}"[:LONGEST_NAME])

    def deny(self, tx: Transaction, request_id: str, reason: str) -> Record:
        """End a request that waits. Raises Refusal where it does not; what time has decided is stored all the same."""
        record = _settled(tx, request_id)
        return tx.apply(self._signed(lifecycle.deny(record, reason, tx.now, new_id)))

    def end(self, tx: Transaction, request_id: str, reason: str) -> Record:
        """End whatever it has become by now: a request that waits, a grant that runs, a key that outlived its grant."""
        record = _settled(tx, request_id)
        if record.request.state is RequestState.PENDING:
            return tx.apply(self._signed(lifecycle.deny(record, reason, tx.now, new_id)))
        if record.lives:
            return tx.apply(self._signed(lifecycle.revoke(record, None, reason, tx.now, new_id)))
        living = [key.id for key in record.keys if key.state in (KeyState.PROBATION, KeyState.LIVE)]
        return tx.apply(Transition(record, tuple(Promise(EffectKind.REVOKE_KEY, one, tx.now) for one in living)))

    def retry(self, tx: Transaction, effects: Mapping[int, Effect]) -> int:
        """Take up again what was parked. Returns how many there were."""
        ids = {effect.request_id for effect in effects.values() if effect.request_id}
        records = {record.request.id: record for record in tx.records(ids)}
        for effect in effects.values():
            record = records.get(effect.request_id) if effect.request_id else None
            tx.audit(self._line(AuditEvent.RETRIED, effect=effect.kind.value, effect_id=effect.id), record)
        return outbox.reopen(tx, list(effects))

    def resealed(self, tx: Transaction, tokens: int) -> None:
        tx.audit(self._line(AuditEvent.RESEALED, tokens=tokens), None)

    def ends(self, tx: Transaction, marked: Marked, found: Finding) -> None:
        """A key at Tyk that is not ours is to be deleted there."""
        tx.audit(self._line(AuditEvent.REVOKED, key_hash=marked.key_hash, bears=marked.label, why=found.what), None)

    def deleted(self, tx: Transaction, marked: Marked) -> None:
        tx.audit(self._line(AuditEvent.KEY_DELETED, key_hash=marked.key_hash, bears=marked.label), None)

    def accepted(self, tx: Transaction, name: str, meant: str) -> None:
        tx.audit(self._line(AuditEvent.NAME_ACCEPTED, name=name, meant=meant), None)

    def _line(self, event: AuditEvent, **details: Any) -> AuditLine:
        return AuditLine(event, None, {**details, "operator": self.name})

    def _signed(self, transition: Transition) -> Transition:
        return replace(transition, audit=tuple(self._line(line.event, **line.details) for line in transition.audit))


def _settled(tx: Transaction, request_id: str) -> Record:
    """The record, after what time alone has decided."""
    record = tx.record(request_id)
    assert record is not None, "records are never deleted"
    settled = lifecycle.settle(record, tx.now, new_id)
    return record if settled is None else tx.apply(settled)


def _user() -> str:
    """A user of a container need not have a name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"
