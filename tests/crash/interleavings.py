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
from typing import Any, ClassVar

from sqlalchemy import Engine, text

from bot.commands import revoking
from bot.commands.progress import Progress
from bot.core.in_force import InForce
from bot.core.model import EffectKind, KeyState
from bot.effects import TYK_DEADLINE
from bot.effects.acting import Failure, act
from bot.effects.claim import Claim
from bot.effects.ports import Ports
from bot.store.outbox import LeaseLost
from bot.store.seal import Seal
from bot.store.transaction import Transaction
from bot.worker import Worker
from tests.crash.emergency import OPERATOR
from tests.crash.more_time import EXTENSION, HELD_FOR, MoreTime
from tests.crash.outside import Fates, Unpaced
from tests.crash.proofs import Tally, connection_of, fresh
from tests.crash.story import PEOPLE, REQUEST, RULEBOOK, SEAL_KEY, Story
from tests.world import check_chain

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
    kinds: ClassVar = KINDS
    of: ClassVar[type[Story]] = Story

    def __init__(self, engine: Engine, raw: sqlite3.Connection) -> None:
        self.engine = engine
        self.raw = raw
        self.story = self.of(engine, Fates(), names_by_token=False)
        in_force = InForce(RULEBOOK)
        ports = Ports(self.story.slack, self.story.tyk, Seal([SEAL_KEY]), in_force)
        self.worker = self._worker(ports, self.kinds)
        self._poster = self._worker(ports, frozenset({EffectKind.POST_MESSAGE}))
        self.tally = Tally()

    def _worker(self, ports: Ports, kinds: frozenset[EffectKind]) -> Worker:
        store, new_id = self.story.store, self.story._new_id
        return Worker(store, ports, new_id, kinds=kinds, clock=_still, spread=_still, pace=Unpaced(_still))

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
        self.story.store.keeper = self.story.worker
        await self._begin()
        self.story.store.keeper = self._poster
        await self._decide()
        await self._poster.drain()
        self.story.store.keeper = self.worker
        return self._taken(replicas=(Replica(), Replica()), mishaps=MISHAPS, run_outs=LEASES_RUN_OUT, revoked=False)

    async def _begin(self) -> None:
        """All that was done, and is settled, before anything is interleaved."""
        await self.story._ask()
        await self.story._approve("BOB")
        await self._settled()

    async def _decide(self) -> None:
        """The decision whose effects are interleaved."""
        await self.story._approve("CAROL")

    async def _settled(self) -> None:
        for _ in range(2):
            await self.story.worker.drain()
            self.story.pass_time(timedelta(seconds=5))

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
            self.story.store.keeper = None  # by a command: neither replica has in hand what it promises
            await self._revoke()
            self.story.store.keeper = self.worker
            found.append(self._next(state, revoked=True))
        if state.run_outs and any(replica.claim for replica in state.replicas):
            self._restore(state)
            self.story.pass_time(2 * TYK_DEADLINE + timedelta(seconds=1))
            found.append(self._next(state, run_outs=state.run_outs - 1))
        return found

    async def _revoke(self) -> None:
        """The revocation that comes in between, once."""
        outcome = await self.story.operations.revoke(REQUEST, PEOPLE["BOB"], "mistake")
        assert outcome.refusal is None

    def _who_claims(self, number: int) -> Worker:
        """The worker that looks for what is due in this process."""
        return self.worker

    async def _replica_moves(self, state: State, number: int) -> list[State]:
        replica, found = state.replicas[number], []
        if replica.claim is None:
            self._restore(state)
            claim = await self._who_claims(number).claim()
            if claim is not None:
                found.append(self._with(state, number, Replica(claim)))
            return found
        self._restore(state)
        if replica.outcome is None:
            outcome = await act(replica.claim, self.worker.ports)
            found.append(self._with(state, number, Replica(replica.claim, outcome)))
            if state.mishaps:
                lost = Replica(replica.claim, Failure("answer_lost"))
                found.append(replace(self._with(state, number, lost), mishaps=state.mishaps - 1))
        else:
            self.story.store.keeper = self._who_claims(number)
            with contextlib.suppress(LeaseLost):
                await self._who_claims(number).complete(replica.claim, replica.outcome)
            self.story.store.keeper = self.worker
            found.append(self._with(state, number, self._next_in_hand(number)))
        if state.mishaps:
            found.append(self._vanished(state, number))
        return found

    def _next_in_hand(self, number: int) -> Replica:
        """What the replica claimed while it completed: of one key, one thing at a time."""
        claims = self._who_claims(number)._take_in_hand()
        assert len(claims) <= 1, claims
        return Replica(claims[0]) if claims else Replica()

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
        with self.story.store.reading() as tx:
            now, found = tx.now, text("SELECT id, kind, state, lease_until, due_at, epoch FROM effects")
            rows = tx.connection.execute(found).all()
            ms = now.timestamp() * 1000
            effects = [
                (row.id, row.kind, row.state, bool(row.lease_until and row.lease_until > ms), row.due_at > ms + 30_000)
                for row in rows
            ]
            epochs = {row.id: row.epoch for row in rows}
            record = tx.record(REQUEST)
            more = self._more(tx)
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
        rest: Any = (more, state.mishaps, state.run_outs, state.revoked, sorted(map(str, ports)))
        return str((effects, grant, keys, messages, at_tyk, at_slack, rest))

    def _more(self, tx: Transaction) -> Any:
        """The rest of what tells states apart."""
        return None

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
        check_chain(self.story.store)
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


class AtTheCommandLine(Search):
    """One replica, and an operator's `revoke` in a process of its own: it ends the grant, and claims only what deletes keys."""

    def __init__(self, engine: Engine, raw: sqlite3.Connection) -> None:
        super().__init__(engine, raw)
        self._command = self._worker(self.worker.ports, frozenset({EffectKind.REVOKE_KEY}))
        self.story.store.keeper = self.worker

    def _who_claims(self, number: int) -> Worker:
        return self._command if number == 1 else self.worker

    async def _revoke(self) -> None:
        await revoking._end(self.story.store, [REQUEST], OPERATOR, "a stolen laptop", Progress())


class Extending(Search):
    """From an extension on that was approved for a token which is held, with the same mishaps and the same revocation."""

    kinds: ClassVar = KINDS | {EffectKind.EXTEND_GRANT, EffectKind.VERIFY_KEY}
    of: ClassVar = MoreTime
    story: MoreTime

    async def _begin(self) -> None:
        await super()._begin()
        await self.story._approve("CAROL")
        await self._settled()
        await self.story._save()
        await self._settled()
        self.story.pass_time(HELD_FOR)
        await self._settled()
        await self.story._ask_for_more()
        await self.story._approve_more("BOB")
        await self._settled()

    async def _decide(self) -> None:
        await self.story._approve_more("CAROL")

    def _more(self, tx: Transaction) -> Any:
        held, by = tx.record(REQUEST), tx.record(EXTENSION)
        assert held is not None
        assert held.grant is not None
        assert by is not None
        at_tyk = [key.expires_at == held.grant.until for key in self.story.tyk.keys]
        return held.grant.extended_by, by.request.decision_reason, held.is_behind, at_tyk

    def _problem(self, state: State) -> str | None:
        """And no key ends at Tyk after the end that stands in the database."""
        if problem := super()._problem(state):
            return problem
        with self.story.store.reading() as tx:
            held = tx.record(REQUEST)
        assert held is not None
        assert held.grant is not None
        until = held.grant.until
        ends = [key.expires_at for key in self.story.tyk.keys if not key.deleted]
        assert until is not None
        return "a key ends later at Tyk than was granted" if any(end is None or end > until for end in ends) else None


def _told(outcome: Any) -> str:
    return f"{type(outcome).__name__}:{getattr(outcome, 'key_hash', '')}{getattr(outcome, 'ts', '')}"


async def every_interleaving(kind: type[Search] = Search) -> Tally:
    """The number tried is the number of distinct states."""
    engine = fresh()
    search = kind(engine, connection_of(engine))
    await search.run()
    engine.dispose()
    return search.tally


def _still() -> float:
    """Time is a move here, and nothing is left to chance."""
    return 0.0
