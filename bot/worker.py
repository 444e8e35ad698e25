"""Keeps promises: claim, act, complete. The claim and the completion are transactions; the act is outside of both.

What a transaction of this process promises is claimed inside it, if there is room; everything else is found by looking. A worker
that dies in between loses nothing: its lease runs out, and another claim acts again. One that wakes up late stores nothing: only
the epoch of the last claim may complete.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError

from bot import effects, metrics
from bot.core import backoff, facts, lifecycle, outages
from bot.core.faults import UnconfirmedError
from bot.core.model import Effect, EffectKind, EffectState, Record
from bot.core.outages import TELL_AFTER, Outage
from bot.core.urgency import Urgency
from bot.effects import Place, acting
from bot.effects.acting import Failure
from bot.effects.claim import Claim
from bot.effects.completion import locked
from bot.effects.ports import Ports
from bot.pace import Pace
from bot.store import erasing, outbox, troubles
from bot.store.engine import DatabaseError
from bot.store.erasing import Erased
from bot.store.outbox import Found, LeaseLost
from bot.store.rows import UnreadableError
from bot.store.store import BusyError, Store, Transaction, User

log = structlog.get_logger(__name__)

CANDIDATES = 32
POLL = 1.0
TOLD_AT_ONCE = 10
BUGS_ALLOWED = 5
UNREADABLE_AGAIN = timedelta(minutes=10)
SURVEY_EVERY = 5.0
PRUNE_EVERY = 600.0
PRUNE_AFTER = timedelta(days=1)
PRUNED_AT_ONCE = 5000
ERASED_AT_ONCE = 100
EVERYTHING = Found(tuple(Urgency), late=True)
WHATEVER_IS_DUE = Found(tuple(Urgency), late=False)
"""What is looked for where it is known that something is due."""


@dataclass(frozen=True)
class Look:
    """The result of a look for due promises. `held_back`: more may be due than has room now; `cut_off`: than was asked for."""

    claims: tuple[Claim, ...]
    held_back: bool
    cut_off: bool


@contextmanager
def _another_time(event: str) -> Iterator[None]:
    """A database that is away for a moment must not end the worker: what failed is done again before long."""
    try:
        yield
    except UnconfirmedError as error:  # nothing that anybody could mend
        log.warning(event, error=str(error))
    except (
        DBAPIError,
        DatabaseError,
        BusyError,
    ) as error:  # each second for as long as it takes: `database.fails` says why
        log.warning(event, error=type(error).__name__)
    except Exception:  # whatever it was
        log.exception(event)


class Worker:
    """The store's keeper. `clock` is in monotonic seconds; leases and due times are the database's.

    `token_doubted` is set where Slack refused an act for the bot token itself.
    """

    def __init__(
        self,
        store: Store,
        ports: Ports,
        new_id: Callable[[], str],
        *,
        kinds: frozenset[EffectKind] = frozenset(EffectKind),
        clock: Callable[[], float] = time.monotonic,
        spread: Callable[[], float] = random.random,
        pace: Pace | None = None,
    ) -> None:
        self.store = store
        self.ports = ports
        self.pace = pace or Pace(clock)
        self.acted = 0
        self._new_id = new_id
        self._kinds = kinds
        self._clock = clock
        self._spread = spread
        self.token_doubted = asyncio.Event()
        self._wake = asyncio.Event()
        self._look_at = 0.0
        self._survey_at = 0.0
        self._troubled = True
        self._held_back = False
        self._is_due = False
        self._find_at = 0.0
        self._running = False
        self._stopping = False
        self._ended = asyncio.Event()
        self._ended.set()
        self._in_hand: deque[Claim] = deque()
        self._acts: set[asyncio.Task[None]] = set()
        store.keeper = self
        store.on_commit(self._promised)

    # --- running ---

    async def run(self) -> None:
        """Begin what is claimed, look for what is due, sleep until something falls due; until `stop`."""
        self._ended.clear()
        self._running = True
        self.begin(self._take_in_hand())
        prune_at = self._clock()
        try:
            while not self._stopping:
                self._wake.clear()
                if self._clock() >= self._look_at:
                    await self._look_safely()
                if self._clock() >= prune_at:
                    prune_at = self._clock() + PRUNE_EVERY
                    await self._prune_safely()
                if self._clock() >= self._survey_at:
                    await self._survey_safely()
                await self._sleep()
        finally:
            self._running = False
            self._ended.set()

    def wake(self) -> None:
        """Look at once whether something has fallen due."""
        self._look_at = self._survey_at = 0.0
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
        await asyncio.gather(*self._acts, *map(self._return, self._take_in_hand()), return_exceptions=True)

    async def drain(self) -> int:
        """Keep, one after the other, all that is due now; for tests and commands. Returns how many acts there were."""
        before = self.acted
        while (claim := await self.claim()) is not None:
            await self.keep(claim)
        return self.acted - before

    async def claim(self) -> Claim | None:
        """One claim, of what was taken in hand or else of what is due; None where nothing can be taken."""
        if not self._in_hand:
            claiming = partial(self._claim_due, found=EVERYTHING, most=1)
            self._in_hand.extend((await self.store.write(claiming, User.WORKER)).claims)
        return self._in_hand.popleft() if self._in_hand else None

    async def _look_safely(self) -> None:
        """Claim what is due, if anything is."""
        self._look_at = self._clock() + POLL
        with _another_time("worker.claim_failed"):
            found = await self._what_is_due()
            if found.due or found.late:
                claiming = partial(self._claim_due, found=found, most=CANDIDATES)
                look = await self.store.write(claiming, User.WORKER)
                self.begin(look.claims)
                self._held_back, self._is_due = look.held_back, look.cut_off
                if look.cut_off:
                    self._look_in(0)
            else:
                self._held_back = False
        self._look_when_open()

    async def _what_is_due(self) -> Found:
        """Ask first, which is cheap and holds nobody up, unless something is known to be due; once a second in any case."""
        is_due, self._is_due = self._is_due, False
        if is_due and self._clock() < self._find_at:
            return WHATEVER_IS_DUE
        self._find_at = self._clock() + POLL
        return await self.store.read(self._find, User.WORKER)

    def _find(self, tx: Transaction) -> Found:
        return outbox.anything(tx, self._kinds, tx.now - TELL_AFTER)

    async def _prune_safely(self) -> None:
        with _another_time("worker.prune_failed"):
            await self.store.write(lambda tx: outbox.prune(tx, tx.now - PRUNE_AFTER, PRUNED_AT_ONCE), User.WORKER)
        with _another_time("worker.erase_failed"):
            erased = await self.store.write(self._erase_finished, User.WORKER)
            if erased:
                log.info("worker.erased", requests=erased.requests, texts=erased.texts)
            for one in erased.unreadable:
                log.error("record.unreadable", effect=None, kind="keep_finished_for", why=one.sentence)
                self._troubled, self._survey_at = True, 0.0

    def _erase_finished(self, tx: Transaction) -> Erased:
        kept_for = self.ports.in_force.current.keep_finished_for
        if kept_for is not None:
            return erasing.finished(tx, tx.now - kept_for, ERASED_AT_ONCE)
        troubles.cannot_read(tx, ())  # nobody tries any more
        return Erased()

    async def survey(self) -> None:
        """Note which outages have begun and which are over; the help channel is promised to hear of each, and the log does."""
        began, over = await self.store.write(self._take_stock, User.WORKER)
        for one in began:
            log.warning("outage.began", **_of_outage(one))
        for one in over:
            log.warning("outage.over", **_of_outage(one))

    def _take_stock(self, tx: Transaction) -> tuple[list[Outage], list[Outage]]:
        now = outages.outages(troubles.failing(tx))
        known = {one.cause: one for one in troubles.standing(tx)}
        began = [one for one in now.values() if one.is_told(tx.now) and troubles.begin(tx, one.key, one.since)]
        gone = [one for one in known.values() if one.cause not in now and troubles.end(tx, one.cause)]
        self._troubled = bool(now or known)
        return began, [outages.named(one.cause, one.since) for one in gone]

    async def _survey_safely(self) -> None:
        """Survey, unless nothing has failed; whatever another process left behind is found at start."""
        self._survey_at = self._clock() + SURVEY_EVERY
        if not self._troubled:
            return
        with _another_time("worker.survey_failed"):
            await self.survey()

    async def _sleep(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self._look_at - self._clock())):
                await self._wake.wait()

    def _promised(self, tx: Transaction) -> None:
        """Look when the first of what was left falls due; what is due already waits for room."""
        for effect in tx.left():
            if effect.due_at > tx.now:
                self._look_in((effect.due_at - tx.now).total_seconds())
            else:
                self._held_back = True
        self._look_when_open()

    def _look_when_open(self) -> None:
        """Look when a channel or method opens that may hold something back."""
        if self._held_back and (seconds := self.pace.until_open()) is not None:
            self._look_in(seconds)

    def _look_in(self, seconds: float) -> None:
        at = self._clock() + seconds
        if at < self._look_at:
            self._look_at = at
            self._wake.set()

    # --- claiming ---

    def take(self, tx: Transaction) -> Sequence[Claim]:
        """Claim what this transaction promised, as far as it is due and there is room."""
        taken: list[Claim] = []
        for effect in tx.left():
            if effect.due_at > tx.now or effect.kind not in self._kinds or self._stopping:
                continue
            record = tx.loaded[effect.request_id] if effect.request_id is not None else None
            claim = self._claim(tx, effect, record)
            if claim is not None:
                del tx.promised[effect.id]
                taken.append(claim)
        return taken

    def begin(self, taken: Sequence[Claim]) -> None:
        """Act on them; while the worker is not running, keep them in hand; where it stops, give them back."""
        if self._stopping:
            self._start(*map(self._return, taken))
            return
        if not self._running:
            self._in_hand.extend(taken)
            return
        self._start(*map(self._keep_safely, taken))

    def _start(self, *work: Coroutine[Any, Any, None]) -> None:
        for act in map(asyncio.create_task, work):
            self._acts.add(act)
            act.add_done_callback(self._acts.discard)

    def _take_in_hand(self) -> tuple[Claim, ...]:
        claims = tuple(self._in_hand)
        self._in_hand.clear()
        return claims

    def _claim_due(self, tx: Transaction, *, found: Found, most: int) -> Look:
        """Claim what is due, dropping on the way what no longer matters; and tell of what has been late for long."""
        if found.late:
            self._tell_late(tx)
        claims: list[Claim] = []
        kinds, lanes = self.pace.kinds(self._kinds), self.pace.busy_lanes()
        held_back = kinds != self._kinds or bool(lanes)
        full = set[Place]()
        for candidate in outbox.due(tx, found.due, kinds, lanes, CANDIDATES):
            place = effects.ACTS[candidate.kind].place
            if place in full or not self.pace.has_room(place):
                full.add(
                    place
                )  # a slot that is free by now is for the next look, which begins with the most urgent again
                held_back = True
                continue
            try:
                claim = self._claim_found(tx, candidate)
            except UnreadableError as error:
                claim = None
                self._set_aside(tx, candidate, error)
            if claim is None:
                held_back = True
                continue
            claims.append(claim)
            if len(claims) == most:
                break
        return Look(tuple(claims), held_back, cut_off=len(claims) == most)

    def _claim_found(self, tx: Transaction, candidate: Effect) -> Claim | None:
        """Claim this one, unless its record is in other hands, it no longer matters, or somebody was faster."""
        record = None
        if candidate.request_id is not None:
            record = tx.record(candidate.request_id, skip_locked=True)
            if record is None:
                return None
            settled = lifecycle.settle(record, tx.now, self._new_id)
            record = record if settled is None else tx.apply(settled)
        effect = outbox.still_due(tx, candidate)
        return None if effect is None else self._claim(tx, effect, record)

    def _set_aside(self, tx: Transaction, effect: Effect, error: UnreadableError) -> None:
        """A record that cannot be read holds up nobody else's: it is tried again later, and people are told of the outage."""
        log.error("record.unreadable", effect=effect.id, kind=effect.kind.value, why=error.sentence)
        began = effect.first_failed_at or tx.now
        due, code = tx.now + UNREADABLE_AGAIN, outages.UNREADABLE.name
        with suppress(LeaseLost):
            outbox.finish(tx, effect, EffectState.OPEN, due_at=due, first_failed_at=began, told=True, last_error=code)
        self._troubled, self._survey_at = True, 0.0  # without waking anybody: this runs in the store's thread

    def _claim(self, tx: Transaction, effect: Effect, record: Record | None) -> Claim | None:
        act = effects.ACTS[effect.kind]
        if record is not None and not lifecycle.matters(record, effect) and not effect.again:
            with suppress(LeaseLost):  # what was just settled may have dropped it
                outbox.finish(tx, effect, EffectState.DROPPED)
            return None
        if not self.pace.take(effect):
            return None
        with ExitStack() as undo:
            undo.callback(self.pace.give_back, effect)
            shows = effect.kind is EffectKind.SHOW_MESSAGE
            abandoned = shows and effect.lease_until is not None
            epoch = outbox.lease(tx, effect, 2 * act.deadline, again=abandoned)
            if epoch is None:
                return None
            try:
                found = act.find(tx, effect) if act.find is not None else None
            except UnreadableError as error:
                self._set_aside(tx, replace(effect, epoch=epoch), error)
                return None
            if record is not None and (with_it := lifecycle.claim(record, effect, tx.now, self._new_id)) is not None:
                record = tx.apply(with_it)
            stuck, late = outbox.trouble(tx, record.request.id) if shows and record is not None else (False, None)
            claimed = replace(effect, epoch=epoch, again=abandoned)
            tx.unless_stored.push(undo.pop_all())
        return Claim(claimed, record, tx.now, stuck=stuck, late=late, found=found)

    def _tell_late(self, tx: Transaction) -> None:
        """Once a promise has been failing for TELL_AFTER, people are told, whenever its next try may be."""
        for effect in outbox.late(tx, tx.now - TELL_AFTER, TOLD_AT_ONCE):
            assert effect.request_id is not None, "only what belongs to a request is told of"
            try:
                record = tx.record(effect.request_id, skip_locked=True)
            except UnreadableError:
                outbox.tell(tx, effect)  # whoever claims it says why nothing else can be told
                continue
            if record is not None and outbox.tell(tx, effect):
                fact = facts.Delayed(effect.kind, effect.last_error, effect.subject_id)
                tx.apply(lifecycle.observe(record, fact, tx.now, self._new_id))

    # --- acting and completing ---

    async def keep(self, claim: Claim) -> None:
        """Act under the deadline, then store what came of it; whoever is cut off gives the lease back.

        What is logged meanwhile names the promise and its request."""
        with structlog.contextvars.bound_contextvars(**_of_promise(claim)):
            try:
                await self._keep(claim)
            except asyncio.CancelledError:
                await asyncio.shield(self._return(claim))
                raise

    async def _keep(self, claim: Claim) -> None:
        self.acted += 1
        kind, started = claim.effect.kind, self._clock()
        outcome = await self._act_and_release(claim)
        try:
            await self.complete(claim, outcome)
        except UnreadableError as error:
            await self.store.write(partial(self._set_aside, effect=claim.effect, error=error), User.WORKER)
            return
        except LeaseLost:
            log.warning("effect.lease_lost")
            metrics.EFFECTS.labels(kind.value, "lease_lost").inc()
            return
        result = "failed" if isinstance(outcome, Failure) else "done"
        seconds = self._clock() - started
        metrics.EFFECTS.labels(kind.value, result).inc()
        metrics.EFFECT_SECONDS.labels(kind.value).observe(seconds)
        say = log.warning if isinstance(outcome, Failure) else log.info
        say("effect", result=result, seconds=round(seconds, 3), **_about(claim, outcome))

    async def _keep_safely(self, claim: Claim) -> None:
        try:
            await self.keep(claim)
        except UnconfirmedError:  # stored, or else the lease runs out, and the promise is claimed again
            log.warning("effect.unconfirmed", **_of_promise(claim))
        except Exception:  # the store itself failed: the lease runs out, and the promise is claimed again
            log.exception("effect.not_stored", **_of_promise(claim))

    async def _act_and_release(self, claim: Claim) -> Any:
        """The slot is free before the outcome is stored, so that what follows from it can be taken in the same transaction."""
        try:
            return await acting.act(claim, self.ports)
        finally:
            was_full = self.pace.release(claim.effect.kind)
            if was_full and self._held_back:
                self._is_due = True
                self._look_in(0)

    async def complete(self, claim: Claim, outcome: Any) -> None:
        """Store what came of it. Raises LeaseLost where the promise is in other hands by now, and then nothing is stored."""
        if isinstance(outcome, Failure):
            self.pace.pause(claim.effect, outcome.method, outcome.retry_after)
            wait = await self.store.write(partial(self._put_back, claim=claim, failure=outcome), User.WORKER)
            self._look_in(wait.total_seconds())
            self._notice(claim.effect.kind, outcome)
        else:
            complete = effects.ACTS[claim.effect.kind].complete
            await self.store.write(lambda tx: complete(tx, claim, outcome, self._new_id), User.WORKER)
            if isinstance(outcome, facts.MessagePosted | facts.MessageShown) and outcome.undecidable:
                self.survey_now()

    def survey_now(self) -> None:
        """Something is wrong that no act of this worker met."""
        self._troubled = True
        self._survey_at = 0.0
        self._wake.set()

    def _notice(self, kind: EffectKind, failure: Failure) -> None:
        """Survey at once where the failure cannot pass by itself; all else is said when it has lasted."""
        self._troubled = True
        cause = outages.cause_of(kind, failure.error)
        if cause is outages.SLACK_TOKEN:
            self.token_doubted.set()
        if not cause.passes:
            self.survey_now()

    def _put_back(self, tx: Transaction, *, claim: Claim, failure: Failure) -> timedelta:
        """Try again later, or park: what can never work, at once; what fails by our own fault, after a few tries.

        Returns how long to wait before it is tried again.
        """
        effect = claim.effect
        record = locked(tx, claim, self._new_id) if claim.record is not None else None
        bugs = effect.bugs + failure.bug
        parks = record is not None and (failure.permanent or bugs >= BUGS_ALLOWED)
        wait = backoff.delay(effect.attempts + 1, spread=self._spread(), retry_after=failure.retry_after)
        outbox.finish(
            tx,
            effect,
            EffectState.PARKED if parks else EffectState.OPEN,
            due_at=tx.now + wait,
            attempts=effect.attempts + 1,
            bugs=bugs,
            first_failed_at=effect.first_failed_at or tx.now,
            told=effect.told or parks,
            last_error=failure.error,
            why=failure.text,
        )
        if record is not None and parks:
            stuck = facts.Stuck(effect.kind, effect.id, failure.error, failure.text)
            tx.apply(lifecycle.observe(record, stuck, tx.now, self._new_id))
        return wait

    async def _return(self, claim: Claim) -> None:
        """Free the lease at once: another worker need not wait for it to run out."""

        def free(tx: Transaction) -> None:
            with suppress(LeaseLost):
                outbox.finish(tx, claim.effect, EffectState.OPEN, due_at=tx.now)

        await self.store.write(free, User.WORKER)


def _of_promise(claim: Claim) -> dict[str, object]:
    """The promise, and its request by the id that the click had and by its number."""
    named: dict[str, object] = {"kind": claim.effect.kind.value, "effect": claim.effect.id}
    if claim.record is not None:
        named |= {"request_id": claim.record.request.id, "request": claim.record.request.label}
    return named


def _about(claim: Claim, outcome: object) -> dict[str, object]:
    about: dict[str, object] = {}
    if isinstance(outcome, Failure):
        about["error"] = outcome.error
        about["why"] = outcome.text or outages.sentence(claim.effect.kind, outcome.error)
    elif isinstance(outcome, facts.Fact):
        about["fact"] = type(outcome).__name__
    if why := getattr(outcome, "why", None):
        about["why"] = why
    return about


def _of_outage(outage: Outage) -> dict[str, object]:
    about: dict[str, object] = {"cause": outage.cause.name, "since": outage.since.isoformat(timespec="seconds")}
    if outage.place:
        about["place"] = outage.place
    return about | {"what": outage.cause.sentence, "requests": outage.waiting, "kinds": sorted(outage.kinds)}
