"""One whole story - ask, two approvals, create, confirm, announce, deliver, hide, remind, end - that can die anywhere and go
on; and another of a bad day: silent approvers, a token lost, a token leaked, a holder who leaves, a revocation.

A death takes the process: what it held in memory is gone, its leases run out, and people do again what was not confirmed to them.
"""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import ClassVar, TypeVar

from sqlalchemy import Connection, Engine, text

from bot.commands.operator import Operator
from bot.commands.reconciling import Look, end, look_at_list
from bot.core.chain import ChainKey
from bot.core.faults import OutcomeUnknown
from bot.core.in_force import InForce
from bot.core.lifecycle import Loss
from bot.core.model import (
    Answers,
    Audience,
    AuditEvent,
    EffectKind,
    EffectState,
    KeyState,
    MessageKind,
    Promise,
    Record,
    RequestId,
    Rulebook,
    Topic,
    Verdict,
)
from bot.core.reconciliation import FindingKind
from bot.effects import TYK_DEADLINE
from bot.effects.ports import Ports
from bot.effects.reconcile import EVERYTHING
from bot.operations import Operations, Submission
from bot.store import findings, outbox
from bot.store.seal import Seal, new_key
from bot.store.store import Store, Transaction, User
from bot.worker import Worker
from tests.core.life import PAYMENTS
from tests.crash.outside import Died, Fates, Slack, Tyk, TykKey, person
from tests.crash.turns import Turns
from tests.world import check_chain

T = TypeVar("T")

AUDIT = "C0AUDIT"
BEGINNING = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
LIFETIME = timedelta(days=7)
SEAL_KEY = new_key()
CHAIN_KEY = ChainKey.new(1)
REQUEST = RequestId("request-1")
RULE = replace(
    PAYMENTS,
    requesters=Audience(everyone=True),
    approvers=Audience(groups=frozenset({"S0LEADS"})),
    lifetimes=(LIFETIME,),
    max_active=1000,
)
RULEBOOK = Rulebook("digest", {RULE.name: RULE})
PEOPLE = {"ALICE": person("ALICE"), "BOB": person("BOB", "S0LEADS"), "CAROL": person("CAROL", "S0LEADS")}
TABLES = (
    "findings",
    "audit",
    "audit_texts",
    "reviews",
    "grants",
    "keys",
    "messages",
    "effects",
    "requests",
    "counters",
    "meta",
    "names",
    "audit_threads",
    "outages",
)
_OF_THE_DYING = {Topic.ARRIVED, Topic.DELAYED, Topic.DELAYED_BY_TYK, Topic.DELAYED_BY_SLACK, Topic.UNASKED}


class MortalStore(Store):
    """The store with a fault point before and after every commit, another before a person hears of it, and a clock that the story
    moves."""

    fates: Fates
    ticks: bool
    turns: Turns | None = None

    def _now(self, connection: Connection) -> datetime:
        """Time passes where the story says so, and nowhere else: a busy machine tells it no other way."""
        self.fates.check()
        return super()._now(connection) if self.ticks else BEGINNING + self.skew

    def _commit(self, connection: Connection) -> None:
        self._point("before commit")
        super()._commit(connection)
        self._point("after commit")

    def _point(self, name: str) -> None:
        if self.turns is not None:
            self.turns.let_the_loop_go_on()
        self.fates.point(name)

    async def write(self, work: Callable[[Transaction], T], user: User = User.PEOPLE) -> T:
        result = await super().write(work, user)
        if user is User.PEOPLE:
            self.fates.point("before it is told")
        return result


Chapter = Callable[[], Awaitable[object]]


class Story:
    """The world outlives its process: `slack`, `tyk` and the database stay, the rest is made anew after each death.

    `rings` are the topics that somebody must have been told of, `audit` what must have been written, creations apart.
    """

    ticks: ClassVar = False
    seal_keys: tuple[str, ...] = (SEAL_KEY,)
    rings: ClassVar = {Topic.ENDING}
    audit: ClassVar = [
        AuditEvent.ASKED,
        AuditEvent.REVIEWED,
        AuditEvent.REVIEWED,
        AuditEvent.APPROVED,
        AuditEvent.SENT,
        AuditEvent.HIDDEN,
        AuditEvent.REMINDED,
        AuditEvent.EXPIRED,
        AuditEvent.KEY_DELETED,
    ]

    @staticmethod
    def in_order(events: Sequence[AuditEvent]) -> Sequence[AuditEvent]:
        """The events, those that may come in either order put into one."""
        return events

    def __init__(self, engine: Engine, fates: Fates, *, names_by_token: bool) -> None:
        self.engine = engine
        self.fates = fates
        self.skew = timedelta()
        self.slack = Slack(fates, PEOPLE)
        self.tyk = Tyk(fates, self.now, names_by_token=names_by_token)
        self.deaths = 0
        self.chapter = 0
        self._ids = itertools.count()
        self.start()

    def start(self) -> None:
        self.fates.is_dead = False
        turns = Turns(one_writer=self.engine.dialect.name == "sqlite")
        self.store = MortalStore(self.engine, AUDIT, self.skew, threads=turns)
        self.store._kept = None  # nobody closes what a dead process kept open
        self.store.fates, self.store.ticks, self.store.turns = self.fates, self.ticks, turns
        self.store.chain.key = CHAIN_KEY
        in_force = InForce(RULEBOOK)
        self.operations = Operations(self.store, in_force, self._new_id)
        ports = Ports(self.slack, self.tyk, Seal(self.seal_keys), in_force)
        self.worker = Worker(self.store, ports, self._new_id, clock=self._seconds, spread=lambda: 0.0)

    def now(self) -> datetime:
        return (datetime.now(UTC) if self.ticks else BEGINNING) + self.skew

    def _seconds(self) -> float:
        return self.skew.total_seconds()

    def _new_id(self) -> str:
        return f"id-{next(self._ids)}"

    def pass_time(self, length: timedelta) -> None:
        self.skew += length
        self.store.skew = self.skew

    async def tell(self) -> None:
        """From the first word to the end, through whatever the fates have in store; goes on at `chapter`."""
        chapters = self.chapters()
        while self.chapter < len(chapters):
            await chapters[self.chapter]()
            self.chapter += 1

    def chapters(self) -> list[Chapter]:
        return [
            self._does(self._ask),
            self._settle,
            self._does(lambda: self._approve("BOB")),
            self._settle,
            self._does(lambda: self._approve("CAROL")),
            self._settle,
            self._check_held,
            self._does(self._save),
            self._settle,
            self._check_held,
            self._passes(LIFETIME - timedelta(hours=23)),
            self._settle,
            self._check_held,
            self._passes(timedelta(days=1)),
            self._settle,
        ]

    def _does(self, act: Chapter) -> Chapter:
        return partial(self._do, act)

    def _passes(self, length: timedelta) -> Chapter:
        async def passes() -> None:
            self.pass_time(length)

        return passes

    async def _check_held(self) -> None:
        self.check_while_held(await self.record())

    async def _do(self, act: Chapter) -> None:
        """A person does something, and does it again for as long as nobody has confirmed it."""
        while True:
            try:
                await act()
            except Died:
                self.restart()
            else:
                return

    async def _settle(self) -> None:
        """Until nothing is open that falls due within the hour, deaths and waits included."""
        for _ in range(60):
            try:
                acts = await self._drain()
            except Died:
                self.restart()
                continue
            self.pass_time(timedelta(seconds=2))
            if acts == 0 and not await self._soon():
                return
            if acts == 0:
                self.pass_time(timedelta(seconds=30))
        raise AssertionError("the story never settles")

    async def _drain(self) -> int:
        """All that is due, one after the other. Returns how much that was."""
        return await self.worker.drain()

    async def _soon(self) -> bool:
        with self.store.reading() as tx:
            due = [
                effect
                for effect in outbox.effects(tx, EffectState.OPEN)
                if effect.due_at < tx.now + timedelta(minutes=5)
            ]
        return bool(due)

    def restart(self) -> None:
        self.deaths += 1
        self.pass_time(2 * TYK_DEADLINE + timedelta(seconds=1))
        self.start()

    async def _ask(self) -> None:
        form = Submission(REQUEST, RULE.name, "standard", LIFETIME, Answers("checkout", "because"))
        await self.operations.submit(form, PEOPLE["ALICE"], frozenset({"BOB", "CAROL"}))

    async def _approve(self, user_id: str) -> None:
        approvers = await self.slack.approvers(await self.record())
        outcome = await self.operations.review(REQUEST, PEOPLE[user_id], Verdict.YES, "", approvers)
        assert outcome.refusal is None or outcome.refusal.code in (
            "approved",
            "denied",
            "withdrawn",
            "lapsed",
            "said_yes",
        ), outcome.refusal

    async def _save(self) -> None:
        key = next(key for key in (await self.record()).keys if key.state is KeyState.LIVE)
        await self.operations.hide(REQUEST, key.id, PEOPLE["ALICE"])

    async def record(self) -> Record:
        with self.store.reading() as tx:
            record = tx.record(REQUEST)
        assert record is not None
        return record

    # what must hold

    def check_while_held(self, record: Record) -> None:
        """One usable key, equal to the one shown last; no other that outlives its probation."""
        live = [key for key in record.keys if key.state is KeyState.LIVE]
        assert len(live) == 1, "one request, one key"
        assert self.slack.most_tokens_shown == 1, "one message at a time holds a token"
        shown = [shown.token for shown in self.slack.messages if shown.token]
        lasting = [
            key for key in self.tyk.open_keys() if key.expires_at is None or key.expires_at > self._past_probation()
        ]
        assert {key.token for key in lasting} == {shown[-1]}, "the key that lasts is the one that was shown"
        assert [key.key_hash for key in lasting] == [live[0].key_hash]

    def _past_probation(self) -> datetime:
        return self.tyk.now() + timedelta(minutes=16)

    async def check_after_the_end(self) -> None:
        record = await self.record()
        assert not self.tyk.open_keys(), "after the end no key opens anything"
        assert not self.slack.tokens(), "no token is on show"
        assert all(key.state is KeyState.DEAD and key.sealed is None for key in record.keys), "nothing stays sealed"
        self._check_messages(record)
        await self._check_audit()
        with self.store.reading() as tx:
            left = [one for one in outbox.effects(tx, EffectState.OPEN) if one.kind is not EffectKind.RECONCILE]
            assert not left, "nothing is left to do but tomorrow's look"
            assert not outbox.effects(tx, EffectState.PARKED), "nothing is stuck"

    def _check_messages(self, record: Record) -> None:
        """No message says what the database does not; one made twice by a lost answer says nothing that can be false."""
        state = (record.request.state, record.grant.state if record.grant else None)
        for kind in (MessageKind.CARD, MessageKind.STATUS):
            states = [shown.state for shown in self.slack.messages if shown.kind is kind]
            assert states.count(state) == 1, f"one {kind} follows its request"
            assert set(states) <= {state, None}
        reached = {self.slack.find(one.channel, one.ts) for one in record.messages if one.ts and one.topic}
        told = {shown.topic for shown in reached} - _OF_THE_DYING
        assert told == self.rings, "each was told what they had to be told"

    async def _check_audit(self) -> None:
        with self.store.reading() as tx:
            entries = list(tx.audit_trail())
        assert [entry.number for entry in entries] == list(range(1, len(entries) + 1)), "gapless and in order"
        check_chain(self.store)
        events = [entry.event for entry in entries]
        once = [event for event in events if event is not AuditEvent.KEY_CREATED]
        assert list(self.in_order(once)) == self.audit, once
        firsts = list(dict.fromkeys(self.slack.audit))
        assert firsts == [entry.number for entry in entries], "the channel has every line, in order"


class BadDay(Story):
    """Nobody decides for days, then somebody has a question; the token is lost, then it leaks; its holder leaves; an approver
    revokes it."""

    rings: ClassVar = {Topic.STILL_WAITING, Topic.ASKED, Topic.ANSWERED, Topic.LEAKED, Topic.LEFT, Topic.ENDED}
    audit: ClassVar = [
        AuditEvent.ASKED,
        AuditEvent.REMINDED,
        AuditEvent.QUESTION_ASKED,
        AuditEvent.QUESTION_ANSWERED,
        AuditEvent.REVIEWED,
        AuditEvent.REVIEWED,
        AuditEvent.APPROVED,
        AuditEvent.SENT,
        AuditEvent.REPLACED,
        AuditEvent.HIDDEN,
        AuditEvent.SENT,
        AuditEvent.KEY_DELETED,
        AuditEvent.REPLACED,
        AuditEvent.HIDDEN,
        AuditEvent.KEY_DELETED,
        AuditEvent.SENT,
        AuditEvent.LEFT,
        AuditEvent.REVOKED,
        AuditEvent.HIDDEN,
        AuditEvent.KEY_DELETED,
    ]

    def chapters(self) -> list[Chapter]:
        return [
            self._does(self._ask),
            self._settle,
            self._passes(timedelta(days=3)),
            self._settle,
            self._does(self._question),
            self._settle,
            self._does(self._reply),
            self._settle,
            self._does(lambda: self._approve("BOB")),
            self._does(lambda: self._approve("CAROL")),
            self._settle,
            self._check_held,
            self._does(lambda: self._replace(Loss.LOST)),
            self._settle,
            self._check_held,
            self._does(lambda: self._replace(Loss.LEAKED)),
            self._settle,
            self._check_held,
            self._does(self._leave),
            self._settle,
            self._check_held,
            self._does(self._revoke),
            self._settle,
            self._passes(timedelta(minutes=16)),  # a key that nobody has seen dies on probation
        ]

    @staticmethod
    def in_order(events: Sequence[AuditEvent]) -> Sequence[AuditEvent]:
        """A leaked key dies, and its token is hidden, side by side with the new one's making."""
        cuts = [place for place, event in enumerate(events) if event in (AuditEvent.REPLACED, AuditEvent.REVOKED)]
        if len(cuts) != 3:
            return events
        leaked, revoked = cuts[1] + 1, cuts[2] + 1
        last = [AuditEvent.HIDDEN, AuditEvent.KEY_DELETED, AuditEvent.SENT, AuditEvent.LEFT]
        between = sorted(events[leaked : revoked - 1], key=last.index)
        return [*events[:leaked], *between, events[revoked - 1], *sorted(events[revoked:], key=last.index)]

    async def _question(self) -> None:
        outcome = await self.operations.ask(REQUEST, PEOPLE["BOB"], "For what?", "question")
        assert outcome.refusal is None, outcome.refusal

    async def _reply(self) -> None:
        outcome = await self.operations.answer(REQUEST, PEOPLE["ALICE"], "For billing.", "question")
        assert outcome.refusal is None, outcome.refusal

    async def _replace(self, loss: Loss) -> None:
        """The form is sent again after each crash: it is one form, and one replacement."""
        outcome = await self.operations.replace_token(REQUEST, PEOPLE["ALICE"], loss, f"form-{loss.value}")
        assert outcome.refusal is None, outcome.refusal

    async def _leave(self) -> None:
        await self.operations.membership(PEOPLE["ALICE"].identity, "Their Slack account is deactivated.")

    async def _revoke(self) -> None:
        outcome = await self.operations.revoke(REQUEST, PEOPLE["BOB"], "they left")
        assert outcome.refusal is None or outcome.refusal.code == "ended", outcome.refusal


class ByHand(Story):
    """Somebody with the Dashboard deletes the key, changes the one in its place and makes one that nobody knows; the daily look
    finds each, and an operator ends what is not ours."""

    rings: ClassVar = {Topic.GONE, Topic.ENDING}
    audit: ClassVar = [
        AuditEvent.ASKED,
        AuditEvent.REVIEWED,
        AuditEvent.REVIEWED,
        AuditEvent.APPROVED,
        AuditEvent.SENT,
        AuditEvent.HIDDEN,
        AuditEvent.KEY_GONE,
        AuditEvent.REPLACED,
        AuditEvent.SENT,
        AuditEvent.KEY_DELETED,
        AuditEvent.HIDDEN,
        AuditEvent.KEY_UNKNOWN,
        AuditEvent.KEY_CHANGED,
        AuditEvent.REVOKED,
        AuditEvent.REMINDED,
        AuditEvent.EXPIRED,
        AuditEvent.KEY_DELETED,
    ]
    found: ClassVar = [
        (FindingKind.GONE, False),
        (FindingKind.GONE, True),
        (FindingKind.STRANGER, False),
        (FindingKind.ALTERED, False),
        (FindingKind.STRANGER, True),
        (FindingKind.ALTERED, True),
    ]

    def chapters(self) -> list[Chapter]:
        day = self._passes(timedelta(days=1))
        return [
            self._does(self._ask),
            self._settle,
            self._does(lambda: self._approve("BOB")),
            self._does(lambda: self._approve("CAROL")),
            self._settle,
            self._does(self._save),
            self._settle,
            self._deletes,
            self._does(self._promise_look),
            self._settle,
            day,
            self._settle,
            self._does(self._replace),
            self._settle,
            self._check_held,
            self._does(self._save),
            day,
            self._settle,
            self._changes,
            day,
            self._settle,
            day,
            self._settle,
            self._does(self._end_strangers),
            self._settle,
            self._passes(timedelta(days=2, hours=1)),
            self._settle,
            day,
            self._settle,
            day,
            self._settle,
        ]

    @staticmethod
    def in_order(events: Sequence[AuditEvent]) -> Sequence[AuditEvent]:
        """A decision at the command line is made again after a death, which may have come before the line that it is done."""
        first = events.index(AuditEvent.REVOKED) if AuditEvent.REVOKED in events else len(events)
        rest = list(itertools.dropwhile({AuditEvent.REVOKED, AuditEvent.KEY_DELETED}.__contains__, events[first:]))
        return [*events[:first], *events[first : first + 1], *rest]

    async def check_after_the_end(self) -> None:
        await super().check_after_the_end()
        told = [(one.finding.kind, one.is_over) for some in self.slack.found for one in some]
        assert list(dict.fromkeys(told)) == self.found, "each finding was told, and then that it is over"
        with self.store.reading() as tx:
            assert findings.unsaid(tx) == ()
            assert findings.unmet(tx, list(FindingKind), 1000) == (), "nothing stands any more"

    async def _deletes(self) -> None:
        for key in self.tyk.keys:
            key.deleted = True

    async def _changes(self) -> None:
        """The key that is held, and one of whoever's own making."""
        self.tyk.open_keys()[-1].altered = "Tyk holds another rate than was granted"
        expires_at = self.now() + timedelta(days=30)
        self.tyk.keys.append(TykKey("token-x", "hash-x", expires_at, bears=("R-77", "k77")))

    async def _promise_look(self) -> None:
        await self.store.write(lambda tx: tx.promise(Promise(EffectKind.RECONCILE, EVERYTHING, tx.now)))

    async def _replace(self) -> None:
        outcome = await self.operations.replace_token(REQUEST, PEOPLE["ALICE"], Loss.LOST, "form")
        assert outcome.refusal is None, outcome.refusal

    async def _end_strangers(self) -> None:
        """The operator runs the command until it finds none."""
        while True:
            seen = Look()
            with contextlib.suppress(OutcomeUnknown), contextlib.redirect_stdout(io.StringIO()):
                await look_at_list(self.store, self.tyk, seen)
                with contextlib.redirect_stderr(io.StringIO()):
                    await end(self.store, self.tyk, tuple(seen.strangers.values()), Operator("Olga"))
            if not seen.unlisted and not seen.strangers:
                return


def wipe(engine: Engine) -> None:
    """An empty database again. The audit's own guard is taken off for it: only a test may."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            guard = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
            triggers = connection.execute(text(guard)).all()
            for name, _ in triggers:
                connection.execute(text(f"DROP TRIGGER {name}"))
            for table in TABLES:
                connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - names of our own
            for _, sql in triggers:
                connection.execute(text(sql))
        else:
            connection.execute(text("ALTER TABLE audit DISABLE TRIGGER ALL"))
            for table in TABLES:
                connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - names of our own
            connection.execute(text("ALTER TABLE audit ENABLE TRIGGER ALL"))
