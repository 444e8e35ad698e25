"""The story of an emergency: a laptop is stolen, and an operator seals the tokens anew and ends what its holder has.

Both at the command line, beside a bot that may be down, or die, or be at work on the same keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar

from bot.commands import mending, revoking
from bot.commands.operator import Operator
from bot.commands.progress import Progress
from bot.core.model import AuditEvent, EffectKind, KeyState, Topic
from bot.store import ledger
from bot.store.seal import Seal, new_key
from bot.worker import Worker
from tests.crash.story import AUDIT, CHAIN_KEY, REQUEST, Chapter, MortalStore, Story

OPERATOR = Operator("Olga")
_AGAIN = AuditEvent.RESEALED


class Emergency(Story):
    """Asked for, approved and shown; then sealed with a new key, and revoked by the command, which deletes at Tyk itself."""

    rings: ClassVar = {Topic.ENDED}
    audit: ClassVar = [
        AuditEvent.ASKED,
        AuditEvent.REVIEWED,
        AuditEvent.REVIEWED,
        AuditEvent.APPROVED,
        AuditEvent.SENT,
        AuditEvent.RESEALED,
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
            self._does(self._reseal),
            self._settle,
            self._check_held,
            self._does(self._revoke_at_the_command_line),
            self._settle,
            self._passes(timedelta(minutes=16)),  # a key that nobody has seen dies on probation
        ]

    @staticmethod
    def in_order(events: Sequence[AuditEvent]) -> Sequence[AuditEvent]:
        """A command that died after its first word says it again. The other deletes the key while the bot hides the token."""
        events = [
            one for one, before in zip(events, (None, *events), strict=False) if (one, before) != (_AGAIN, _AGAIN)
        ]
        cut = events.index(AuditEvent.REVOKED) + 1 if AuditEvent.REVOKED in events else len(events)
        return [*events[:cut], *sorted(events[cut:], key=[AuditEvent.HIDDEN, AuditEvent.KEY_DELETED].index)]

    async def _reseal(self) -> None:
        """The new key is put before the old one, every process is started with both, and the command runs beside the bot."""
        if len(self.seal_keys) == 1:
            self.seal_keys = (new_key(), *self.seal_keys)
            self.start()
        store, seal = self._beside(), Seal(self.seal_keys)
        store.chain.key = CHAIN_KEY  # what opens the tokens opens it, too; a command that revokes need not have it
        mending.seal_anew(store, seal, OPERATOR)
        with store.reading() as tx:
            assert all(seal.is_newest(one.sealed) for one in ledger.sealed_tokens(tx)), "the old key can go"

    def _beside(self) -> MortalStore:
        """The store of a command, which is another process."""
        store = MortalStore(self.engine, AUDIT, self.skew)
        store.fates, store.ticks = self.fates, self.ticks
        return store

    async def _revoke_at_the_command_line(self) -> None:
        """The operator runs it until it says that no key is left."""
        store, kinds = self._beside(), frozenset({EffectKind.REVOKE_KEY})
        worker = Worker(store, self.worker.ports, self._new_id, kinds=kinds, clock=self._seconds, spread=lambda: 0.0)
        for _ in range(20):
            await revoking._end(store, [REQUEST], OPERATOR, "a stolen laptop", Progress())
            await revoking._delete(worker, Progress())
            if all(key.state is KeyState.DEAD for key in (await self.record()).keys):
                return
            self.pass_time(timedelta(minutes=1))
            store.skew = self.skew
        raise AssertionError("a key is left")
