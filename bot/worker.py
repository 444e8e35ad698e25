"""Keeps promises: claim, act, complete. The claim and the completion are transactions; the act is outside of both.

Who dies in between loses nothing: the lease runs out and another claim acts again. Who wakes up late stores nothing: only the
last claim's epoch may complete.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import structlog

from bot import effects, metrics
from bot.core import backoff, facts, lifecycle
from bot.core.faults import Fault, Gone, Permanent, Transient, Undeliverable
from bot.core.model import Effect, EffectKind, EffectState, Record, Transition
from bot.effects import post_audit, sweep_leavers
from bot.effects.ports import Claim, Ports
from bot.store.seal import SealLost
from bot.store.store import LeaseLost, Store, Transaction

log = structlog.get_logger(__name__)

CONCURRENT = 8
CANDIDATES = 16
POLL = 1.0
TELL_AFTER = timedelta(minutes=10)
SWEEP_EVERY = timedelta(hours=12)  # more often than a leaver's key lives on: who comes back is seen in time
BUGS_ALLOWED = 5
LANE_PACE = 1.0


@dataclass(frozen=True)
class Failure:
    """Why an act brought nothing back."""

    error: str
    definite: bool = False
    bug: bool = False
    retry_after: float | None = None


class Worker:
    """Runs `concurrent` acts at a time. `clock` paces lanes (monotonic seconds); leases and due times are the database's."""

    def __init__(
        self,
        ports: Ports,
        new_id: Callable[[], str],
        *,
        concurrent: int = CONCURRENT,
        kinds: frozenset[EffectKind] = frozenset(EffectKind),
        clock: Callable[[], float] = time.monotonic,
        spread: Callable[[], float] = random.random,
    ) -> None:
        self.ports = ports
        self.store: Store = ports.store
        self._new_id = new_id
        self._kinds = kinds
        self._clock = clock
        self._spread = spread
        self._wake = asyncio.Event()
        self._stopping = False
        self._ended = asyncio.Event()
        self._ended.set()
        self._slots = asyncio.Semaphore(concurrent)
        self._acts: set[asyncio.Task[None]] = set()
        self._lane_free: dict[str, float] = {}
        self._kind_free: dict[EffectKind, float] = {}
        self.acted = 0
        self.store.on_commit(self.wake)

    async def run(self) -> None:
        """Until `stop`: claim what is due, act on up to `concurrent` at once, sleep until something falls due."""
        self._ended.clear()
        try:
            while not self._stopping:
                self._wake.clear()
                await self._slots.acquire()
                claim = None if self._stopping else await self._claim_safely()
                if claim is not None:
                    self._start(claim)
                    continue
                self._slots.release()
                await self._sleep()
        finally:
            self._ended.set()

    def wake(self) -> None:
        """Look at once whether something has fallen due."""
        self._wake.set()

    async def stop(self, grace: float) -> None:
        """Claim nothing more; acts under way have `grace` seconds, then they are cut off and their leases given back."""
        self._stopping = True
        self._wake.set()
        deadline = self._clock() + grace
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._ended.wait()
        if self._acts:
            await asyncio.wait(self._acts, timeout=max(0.0, deadline - self._clock()))
        for act in self._acts:
            act.cancel()
        await asyncio.gather(*self._acts, return_exceptions=True)

    async def drain(self) -> int:
        """Keep, one after the other, all that is due now; for tests and commands. Returns how many acts there were."""
        before = self.acted
        while (claim := await self.claim()) is not None:
            await self.keep(claim)
        return self.acted - before

    def _start(self, claim: Claim) -> None:
        act = asyncio.create_task(self._keep_and_release(claim))
        self._acts.add(act)
        act.add_done_callback(self._acts.discard)

    async def _keep_and_release(self, claim: Claim) -> None:
        try:
            await self.keep(claim)
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(claim))
            raise
        except Exception:  # the store itself failed: the lease runs out, and the promise is claimed again
            log.exception("effect.not_stored", kind=claim.effect.kind.value, effect=claim.effect.id)
        finally:
            self._slots.release()
            self._wake.set()

    async def _sleep(self) -> None:
        wait = POLL
        now = self._clock()
        busy = [free - now for free in (*self._lane_free.values(), *self._kind_free.values()) if free > now]
        if busy:
            wait = max(0.01, min(wait, *busy))
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._wake.wait()

    async def _claim_safely(self) -> Claim | None:
        try:
            return await self.claim()
        except Exception:  # a database that is away for a moment must not end the worker
            log.exception("worker.claim_failed")
            await asyncio.sleep(POLL)
            return None

    # claim

    async def claim(self) -> Claim | None:
        """Take one promise that is due, dropping on the way what no longer matters; None when nothing can be taken."""
        async with self.store.transaction() as tx:
            for candidate, lane in await tx.due(self._free_kinds(), self._busy_lanes(), CANDIDATES):
                claim = await self._take(tx, candidate)
                if claim is not None:
                    if lane is not None:
                        self._lane_free[lane] = self._clock() + LANE_PACE
                    return claim
        return None

    async def _take(self, tx: Transaction, candidate: Effect) -> Claim | None:
        """Claim this one, unless its record is in other ports, it no longer matters, or somebody was faster."""
        record = None
        if candidate.request_id is not None:
            record = await tx.record(candidate.request_id, skip_locked=True)
            if record is None:
                return None
        effect = await tx.still_due(candidate)
        if effect is None:
            return None
        if record is not None:
            record = await self._settle(tx, record)
            if not lifecycle.matters(record, effect) and not effect.again:
                await self._drop(tx, effect)
                return None
            record = await self._promise_with(tx, record, effect)
        shows = effect.kind is EffectKind.SHOW_MESSAGE
        abandoned = shows and effect.lease_until is not None
        epoch = await tx.lease(effect, 2 * effects.deadline(effect.kind), again=abandoned)
        if epoch is None:
            return None
        stuck, late = await tx.trouble(record.request.id) if shows and record is not None else (False, False)
        return Claim(replace(effect, epoch=epoch, again=abandoned), record, tx.now, stuck=stuck, late=late)

    async def _settle(self, tx: Transaction, record: Record) -> Record:
        settled = lifecycle.settle(record, tx.now, self._new_id)
        return record if settled is None else await tx.apply(settled)

    async def _drop(self, tx: Transaction, effect: Effect) -> None:
        """It may have been dropped by what was just settled; then there is nothing left to end."""
        with suppress(LeaseLost):
            await tx.finish(effect, EffectState.DROPPED)

    async def _promise_with(self, tx: Transaction, record: Record, effect: Effect) -> Record:
        transition = lifecycle.claim(record, effect, tx.now, self._new_id)
        return record if transition is None else await tx.apply(transition)

    def _free_kinds(self) -> frozenset[EffectKind]:
        now = self._clock()
        return self._kinds - {kind for kind, free in self._kind_free.items() if free > now}

    def _busy_lanes(self) -> tuple[str, ...]:
        now = self._clock()
        self._lane_free = {lane: free for lane, free in self._lane_free.items() if free > now}
        return tuple(self._lane_free)

    # act and complete

    async def keep(self, claim: Claim) -> None:
        """Act under the deadline, then store what came of it."""
        self.acted += 1
        kind, started = claim.effect.kind, self._clock()
        outcome = await self.act(claim)
        try:
            await self.complete(claim, outcome)
        except LeaseLost:
            log.warning("effect.lease_lost", kind=kind.value, effect=claim.effect.id)
            metrics.EFFECTS.labels(kind.value, "lease_lost").inc()
            return
        result = "failed" if isinstance(outcome, Failure) else "done"
        seconds = self._clock() - started
        metrics.EFFECTS.labels(kind.value, result).inc()
        metrics.EFFECT_SECONDS.labels(kind.value).observe(seconds)
        log.info("effect", result=result, kind=kind.value, ms=round(seconds * 1000), **_about(claim, outcome))

    async def act(self, claim: Claim) -> Any:  # noqa: PLR0911 - one return a way of failing
        """What the act brought back, or the Failure it ran into. No exception of an act leaves here."""
        kind = claim.effect.kind
        perform = _WITHOUT_RECORD.get(kind) or effects.PERFORM[kind]
        try:
            async with asyncio.timeout(effects.deadline(kind).total_seconds()):
                return await perform(claim, self.ports)
        except Transient as fault:
            return Failure(fault.code, retry_after=fault.retry_after)
        except (Permanent, Gone, Undeliverable) as fault:
            return Failure(fault.code, definite=True)
        except Fault as fault:
            return Failure(fault.code)
        except SealLost:
            return Failure("seal_key_lost", definite=True)
        except TimeoutError:
            return Failure("deadline")
        except Exception as error:  # a fault of our own: it must neither stop the others nor be tried for ever
            log.exception("effect.bug", kind=kind.value, effect=claim.effect.id)
            return Failure(f"bug_{type(error).__name__}", bug=True)

    async def complete(self, claim: Claim, outcome: Any) -> None:
        """Store what came of it. Raises LeaseLost where the promise is in other hands by now, and then nothing is stored."""
        if isinstance(outcome, Failure):
            await self._put_back(claim, outcome)
        elif claim.effect.kind is EffectKind.POST_AUDIT:
            await self._complete_audit(claim, outcome)
        elif claim.effect.kind is EffectKind.SWEEP_LEAVERS:
            await self._complete_sweep(claim, outcome)
        else:
            await self._complete(claim, outcome)

    async def _complete(self, claim: Claim, fact: facts.Fact) -> None:
        """Effect, observation and audit in one transaction."""
        async with self.store.transaction() as tx:
            record = await self._locked(tx, claim)
            record = await self._settle(tx, record)
            await self._end_claim(tx, claim)
            if claim.effect.told:
                record = await tx.apply(self._observe(record, facts.Recovered(claim.effect.kind), tx))
            await tx.apply(self._observe(record, fact, tx))

    async def _end_claim(self, tx: Transaction, claim: Claim) -> None:
        """Done; but an edit whose earlier claimer vanished is promised once more, when that one's lease is over too."""
        if claim.effect.again:
            later = tx.now + 2 * effects.deadline(claim.effect.kind)
            await tx.finish(claim.effect, EffectState.OPEN, due_at=later)
        else:
            await tx.finish(claim.effect, EffectState.DONE, last_error="")

    async def _complete_audit(self, claim: Claim, upto: int | None) -> None:
        async with self.store.transaction() as tx:
            await tx.finish(claim.effect, EffectState.DONE, attempts=0, first_failed_at=None, last_error="")
            channel = claim.effect.subject_id
            await tx.move_cursor(channel, await tx.cursor(channel) if upto is None else upto)

    async def _complete_sweep(self, claim: Claim, swept: sweep_leavers.Swept) -> None:
        """What the sweep found is stored, and the next people, or the next sweep, are promised.

        Every record is locked before the audit's counter is, as everywhere: two who wait for each other would wait for ever.
        """
        async with self.store.transaction() as tx:
            again = tx.now if swept.upto else tx.now + SWEEP_EVERY
            await tx.finish(
                claim.effect, EffectState.OPEN, due_at=again, attempts=0, first_failed_at=None, last_error=""
            )
            await tx.remember(sweep_leavers.SWEPT, swept.upto)
            news: list[tuple[Record, facts.Fact]] = []
            for who, why in swept.found:
                fact: facts.Fact = facts.Left(why) if why else facts.Returned()
                news += [(record, fact) for record in await tx.standing(who, limit=None, left=why is None)]
            for record, fact in news:
                await tx.apply(self._observe(record, fact, tx))

    async def _put_back(self, claim: Claim, failure: Failure) -> None:
        """Try again later, or park: what can never work, at once; what fails by our own fault, after a few tries."""
        effect = claim.effect
        self._pause(effect.kind, failure.retry_after)
        async with self.store.transaction() as tx:
            record = await self._locked(tx, claim) if claim.record is not None else None
            bugs = effect.bugs + failure.bug
            parks = record is not None and (failure.definite or bugs >= BUGS_ALLOWED)
            failed_at = effect.first_failed_at or tx.now
            late = record is not None and not effect.told and tx.now - failed_at >= TELL_AFTER
            wait = backoff.delay(effect.attempts + 1, spread=self._spread(), retry_after=failure.retry_after)
            await tx.finish(
                effect,
                EffectState.PARKED if parks else EffectState.OPEN,
                due_at=tx.now + wait,
                attempts=effect.attempts + 1,
                bugs=bugs,
                first_failed_at=failed_at,
                told=effect.told or late or parks,
                last_error=failure.error,
            )
            if record is not None and parks:
                await tx.apply(self._observe(record, facts.Stuck(effect.kind, effect.id, failure.error), tx))
            elif record is not None and late:
                await tx.apply(self._observe(record, facts.Delayed(effect.kind, failure.error), tx))

    def _observe(self, record: Record, fact: facts.Fact, tx: Transaction) -> Transition:
        return lifecycle.observe(record, fact, tx.now, self._new_id)

    async def _locked(self, tx: Transaction, claim: Claim) -> Record:
        record = await tx.record(claim.story.request.id)
        assert record is not None, "records are never deleted"
        return record

    def _pause(self, kind: EffectKind, retry_after: float | None) -> None:
        """The other side asked for a pause: nothing of this kind is claimed before it is over."""
        if retry_after:
            self._kind_free[kind] = self._clock() + retry_after

    async def _give_back(self, claim: Claim) -> None:
        """Free the lease at once: another worker need not wait for it to run out."""
        async with self.store.transaction() as tx:
            with suppress(LeaseLost):
                await tx.finish(claim.effect, EffectState.OPEN, due_at=tx.now)


_WITHOUT_RECORD: dict[EffectKind, Callable[[Claim, Ports], Awaitable[Any]]] = {
    EffectKind.POST_AUDIT: post_audit.perform,
    EffectKind.SWEEP_LEAVERS: sweep_leavers.perform,
}
"""What belongs to no request brings back something of its own, and is completed in its own way."""


def _about(claim: Claim, outcome: object) -> dict[str, object]:
    about: dict[str, object] = {"effect": claim.effect.id}
    if claim.record is not None:
        about["request"] = claim.record.request.label
    if isinstance(outcome, Failure):
        about["error"] = outcome.error
    elif isinstance(outcome, facts.Fact):
        about["fact"] = type(outcome).__name__
    if why := getattr(outcome, "why", None):
        about["why"] = why
    return about
