"""The story of a crowd: what people do comes at the same moment, so that one commit stores it, or one of them spoils it for all.

The worker, too, keeps at once all that is due, and what comes of it is stored together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import ClassVar

from bot.core.model import AuditEvent, AuditLine, EffectKind, Promise
from bot.effects.claim import Claim
from bot.effects.reconcile import EVERYTHING
from bot.store.transaction import Transaction
from tests.crash.outside import Died
from tests.crash.story import LIFETIME, Chapter, Story


class AtOnce(Story):
    """Alice's form comes twice; Bob and Carol approve beside somebody whose write fails; Alice saves beside one who takes theirs
    back."""

    audit: ClassVar = Story.audit

    def chapters(self) -> list[Chapter]:
        return [
            self._at_once(self._ask, self._ask, self._looks_on),
            self._settle,
            self._at_once(lambda: self._approve("BOB"), self._fails, lambda: self._approve("CAROL")),
            self._settle,
            self._check_held,
            self._at_once(self._takes_back, self._save, self._save),
            self._settle,
            self._check_held,
            self._passes(LIFETIME - timedelta(hours=23)),
            self._settle,
            self._check_held,
            self._passes(timedelta(days=1)),
            self._settle,
        ]

    def _at_once(self, *acts: Chapter) -> Chapter:
        """Each of them does it again for as long as nobody has confirmed it to them, and only they."""

        async def all_do() -> None:
            left: Sequence[Chapter] = acts
            while left := await self._unconfirmed(left):
                self.restart()

        return all_do

    async def _unconfirmed(self, acts: Sequence[Chapter]) -> list[Chapter]:
        """Those to whom the process died, when the last of them knows."""
        came_to = await asyncio.gather(*(act() for act in acts), return_exceptions=True)
        for one in came_to:
            if isinstance(one, BaseException) and not isinstance(one, Died):
                raise one
        return [act for act, one in zip(acts, came_to, strict=True) if isinstance(one, Died)]

    async def _drain(self) -> int:
        """All that is due at once."""
        claims = list[Claim]()
        while (claim := await self.worker.claim()) is not None:
            claims.append(claim)
        keeping: list[Callable[[], Awaitable[object]]] = [partial(self.worker.keep, claim) for claim in claims]
        if await self._unconfirmed(keeping):
            raise Died
        return len(claims)

    async def _looks_on(self) -> None:
        await self.store.write(lambda tx: tx.record("request-1"))

    async def _fails(self) -> None:
        """A fault of ours: half-way through, with lines and promises written."""

        def work(tx: Transaction) -> None:
            self._scribble(tx)
            raise LookupError

        try:
            await self.store.write(work)
        except LookupError:
            return
        raise AssertionError("nobody told whose write failed")

    async def _takes_back(self) -> None:
        def work(tx: Transaction) -> None:
            self._scribble(tx)
            tx.rollback()

        await self.store.write(work)

    @staticmethod
    def _scribble(tx: Transaction) -> None:
        tx.audit(AuditLine(AuditEvent.RETRIED, None, {}), None)
        tx.promise(Promise(EffectKind.RECONCILE, EVERYTHING, tx.now))
