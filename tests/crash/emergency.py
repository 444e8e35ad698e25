"""The story of an emergency: a laptop is stolen, and an operator ends what its holder has at the command line, beside a bot that
may be down, or die, or be at work on the same keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar

from bot.commands import revoking
from bot.commands.operator import Operator
from bot.core.model import AuditEvent, EffectKind, KeyState, Topic
from bot.worker import Worker
from tests.crash.story import AUDIT, REQUEST, Chapter, MortalStore, Story

OPERATOR = Operator("Olga")


class Emergency(Story):
    """Asked for, approved and shown; then revoked by the command, which deletes the key at Tyk itself."""

    rings: ClassVar = {Topic.ENDED}
    audit: ClassVar = [
        AuditEvent.ASKED,
        AuditEvent.REVIEWED,
        AuditEvent.REVIEWED,
        AuditEvent.APPROVED,
        AuditEvent.SENT,
        AuditEvent.REVOKED,
        AuditEvent.HIDDEN,
        AuditEvent.KEY_DELETED,
    ]

    def chapters(self) -> list[Chapter]:
        return [
            self._does(self._ask),
            self._settle,
            self._does(lambda: self._approve("BOB")),
            self._does(lambda: self._approve("CAROL")),
            self._settle,
            self._check_held,
            self._does(self._revoke_at_the_command_line),
            self._settle,
            self._passes(timedelta(minutes=16)),  # a key that nobody has seen dies on probation
        ]

    @staticmethod
    def in_order(events: Sequence[AuditEvent]) -> Sequence[AuditEvent]:
        """The command deletes the key while the bot hides the token."""
        cut = events.index(AuditEvent.REVOKED) + 1 if AuditEvent.REVOKED in events else len(events)
        return [*events[:cut], *sorted(events[cut:], key=[AuditEvent.HIDDEN, AuditEvent.KEY_DELETED].index)]

    async def _revoke_at_the_command_line(self) -> None:
        """The operator runs it until it says that no key is left: another process, with a store and a worker of its own."""
        store = MortalStore(self.engine, AUDIT, self.skew)
        store.fates, store.ticks = self.fates, self.ticks
        kinds = frozenset({EffectKind.REVOKE_KEY})
        worker = Worker(store, self.worker.ports, self._new_id, kinds=kinds, clock=self._seconds, spread=lambda: 0.0)
        for _ in range(20):
            await revoking._end(store, [REQUEST], OPERATOR, "a stolen laptop")
            await revoking._delete(worker)
            if all(key.state is KeyState.DEAD for key in (await self.record()).keys):
                return
            self.pass_time(timedelta(minutes=1))
            store.skew = self.skew
        raise AssertionError("a key is left")
