"""Two replicas, every interleaving of claim, act and complete, by exhaustive search over the real store and the real worker.

From an approved request on, whose messages are posted, each replica may take its next step, lose an answer, or vanish with
what it had in hand; leases may run out at any moment, so that whoever had the claim wakes up late; and the grant may be
revoked in between. Every state that can be reached is visited once.
"""

from __future__ import annotations

import contextlib
import copy
import sqlite3
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.core.model import EffectKind, KeyState
from bot.effects import TYK_DEADLINE
from bot.effects.ports import Claim, Ports
from bot.store.seal import Seal
from bot.store.store import LeaseLost
from bot.worker import Failure, Worker
from tests.crash.outside import Fates
from tests.crash.proofs import Tally, fresh
from tests.crash.story import PEOPLE, REQUEST, RULEBOOK, SEAL_KEY, Story

KINDS = frozenset(
    {
        EffectKind.ISSUE_KEY,
        EffectKind.CONFIRM_KEY,
        EffectKind.DELIVER_TOKEN,
        EffectKind.HIDE_TOKEN,
        EffectKind.REVOKE_KEY,
    }
)
MISHAPS = 1
LEASES_RUN_OUT = 1
PAST_PROBATION = timedelta(minutes=16)


@dataclass(frozen=True)
class Replica:
    """What one process has in hand: nothing, a claim, or a claim and what its act brought back."""

    claim: Claim | None = None
    outcome: Any = None


@dataclass(frozen=True)
class State:
    """Everything that is: the database, the world outside, the two replicas, and how many mishaps are left."""

    database: bytes = field(repr=False)
    slack: Any
    keys: Any
    skew: timedelta
    replicas: tuple[Replica, Replica]
    mishaps: int
    run_outs: int
    revoked: bool = False


class Search:
    def __init__(self, engine: AsyncEngine, raw: sqlite3.Connection) -> None:
        self.engine = engine
        self.raw = raw
        self.story = Story(engine, Fates(), names_by_token=False)
        ports = Ports(self.story.slack, self.story.tyk, Seal([SEAL_KEY]), RULEBOOK, self.story.store)
        self.worker = Worker(ports, self.story._new_id, kinds=KINDS, clock=lambda: 0.0, spread=lambda: 0.0)
        self.worker._busy_lanes = lambda: ()  # type: ignore[method-assign]  # lanes only pace, and time is a move here
        self._poster = Worker(ports, self.story._new_id, kinds=frozenset({EffectKind.POST_MESSAGE}), clock=lambda: 0.0)
        self._poster._busy_lanes = lambda: ()  # type: ignore[method-assign]  # as above
        self.tally = Tally()

    async def run(self) -> int:
        """Visit every state. Returns how many there are."""
        first = await self._first()
        seen, waiting = {await self._key(first)}, deque([first])
        while waiting:
            state = waiting.popleft()
            self.tally.tried += 1
            following = await self._following(state)
            problem = self._problem(state) or (None if following else await self._last_problem(state))
            if problem:
                self.tally.failures.append(f"{problem}: {state.replicas}")
            else:
                self.tally.survived += 1
            for one in following:
                key = await self._key(one)
                if key not in seen:
                    seen.add(key)
                    waiting.append(one)
        return len(seen)

    async def _first(self) -> State:
        story = self.story
        await story._ask()
        await story._approve("BOB")
        await story.worker.drain()
        story.pass_time(timedelta(seconds=5))
        await story.worker.drain()
        await story._approve("CAROL")
        await self._poster.drain()
        return self._taken(replicas=(Replica(), Replica()), mishaps=MISHAPS, run_outs=LEASES_RUN_OUT, revoked=False)

    def _taken(self, **rest: Any) -> State:
        slack, tyk = self.story.slack, self.story.tyk
        kept = copy.deepcopy((slack.messages, slack._ts, self.story._ids))
        return State(self.raw.serialize(), kept, copy.deepcopy(tyk.keys), self.story.skew, **rest)

    def _restore(self, state: State) -> None:
        self.raw.deserialize(state.database)
        story = self.story
        story.slack.messages, story.slack._ts, story._ids = copy.deepcopy(state.slack)
        story.tyk.keys = copy.deepcopy(state.keys)
        story.skew = story.store.skew = state.skew

    # moves

    async def _following(self, state: State) -> list[State]:
        found = []
        for number in (0, 1):
            found += await self._replica_moves(state, number)
        if not state.revoked:
            self._restore(state)
            outcome = await self.story.operations.revoke(REQUEST, PEOPLE["BOB"], "mistake")
            assert outcome.refusal is None
            found.append(self._next(state, revoked=True))
        if state.run_outs and any(replica.claim for replica in state.replicas):
            self._restore(state)
            self.story.pass_time(2 * TYK_DEADLINE + timedelta(seconds=1))
            found.append(self._next(state, run_outs=state.run_outs - 1))
        return found

    async def _replica_moves(self, state: State, number: int) -> list[State]:
        replica, found = state.replicas[number], []
        if replica.claim is None:
            self._restore(state)
            claim = await self.worker.claim()
            if claim is not None:
                found.append(self._with(state, number, Replica(claim)))
            return found
        self._restore(state)
        if replica.outcome is None:
            outcome = await self.worker.act(replica.claim)
            found.append(self._with(state, number, Replica(replica.claim, outcome)))
            if state.mishaps:
                lost = Replica(replica.claim, Failure("answer_lost"))
                found.append(replace(self._with(state, number, lost), mishaps=state.mishaps - 1))
        else:
            with contextlib.suppress(LeaseLost):
                await self.worker.complete(replica.claim, replica.outcome)
            found.append(self._with(state, number, Replica()))
        if state.mishaps:
            found.append(self._vanished(state, number))
        return found

    def _vanished(self, state: State, number: int) -> State:
        self._restore(state)
        return replace(self._with(state, number, Replica()), mishaps=state.mishaps - 1)

    def _with(self, state: State, number: int, replica: Replica) -> State:
        replicas = (replica, state.replicas[1]) if number == 0 else (state.replicas[0], replica)
        return self._next(state, replicas=replicas)

    def _next(self, state: State, **changes: Any) -> State:
        kept = {
            "replicas": state.replicas,
            "mishaps": state.mishaps,
            "run_outs": state.run_outs,
            "revoked": state.revoked,
        }
        return self._taken(**(kept | changes))

    # what makes two states the same

    async def _key(self, state: State) -> Any:
        """Ids, epochs and clocks leave no trace but in how they compare."""
        self._restore(state)
        async with self.story.store.reading() as tx:
            now, db = tx.now, tx._db
            rows = (await db.execute(text("SELECT id, kind, state, lease_until, due_at, epoch FROM effects"))).all()
            ms = now.timestamp() * 1000
            effects = [
                (row.id, row.kind, row.state, bool(row.lease_until and row.lease_until > ms), row.due_at > ms + 30_000)
                for row in rows
            ]
            epochs = {row.id: row.epoch for row in rows}
            record = await tx.record(REQUEST)
        assert record is not None
        grant = record.grant.state if record.grant else None
        keys = [
            (key.state, key.key_hash, bool(key.shown_at), bool(key.hidden_at), bool(key.sealed)) for key in record.keys
        ]
        messages = [(one.kind, one.ts) for one in record.messages]
        at_tyk = [(one.key_hash, one.deleted, self._lasts(one)) for one in self.story.tyk.keys]
        at_slack = [(one.ts, one.kind, one.token, one.deleted) for one in self.story.slack.messages]
        ports = [
            (
                one.claim and (one.claim.effect.id, epochs[one.claim.effect.id] - one.claim.effect.epoch),
                _told(one.outcome),
            )
            for one in state.replicas
        ]
        rest = (state.mishaps, state.run_outs, state.revoked, sorted(map(str, ports)))
        return str((effects, grant, keys, messages, at_tyk, at_slack, rest))

    def _lasts(self, key: Any) -> bool:
        return key.expires_at is None or key.expires_at > self.story.tyk.now() + PAST_PROBATION

    # what must hold

    def _problem(self, state: State) -> str | None:
        """At every moment: one token on show, one key that outlives its probation."""
        self._restore(state)
        if len(self.story.slack.tokens()) > 1:
            return "two tokens on show"
        lasting = [key for key in self.story.tyk.keys if not key.deleted and self._lasts(key)]
        return "two keys that last" if len(lasting) > 1 else None

    async def _last_problem(self, state: State) -> str | None:
        """Where nobody can move any more: the grant was revoked, and nothing of it is left."""
        self._restore(state)
        self.story.pass_time(PAST_PROBATION)
        await self._finish()
        record = await self.story.record()
        if self.story.tyk.open_keys():
            return "a key opens something after the end"
        if self.story.slack.tokens():
            return "a token is on show after the end"
        if any(key.state is not KeyState.DEAD or key.sealed for key in record.keys):
            return "a key is not dead"
        return None

    async def _finish(self) -> None:
        for _ in range(5):
            while (claim := await self.worker.claim()) is not None:
                await self.worker.keep(claim)
            self.story.pass_time(2 * TYK_DEADLINE + timedelta(seconds=1))


def _told(outcome: Any) -> str:
    return f"{type(outcome).__name__}:{getattr(outcome, 'key_hash', '')}{getattr(outcome, 'ts', '')}"


async def every_interleaving() -> Tally:
    """The number tried is the number of distinct states."""
    engine = await fresh()
    async with engine.connect() as held:
        raw: sqlite3.Connection = (await held.get_raw_connection()).driver_connection._conn  # type: ignore[union-attr]  # aiosqlite's
    search = Search(engine, raw)
    await search.run()
    await engine.dispose()
    return search.tally
