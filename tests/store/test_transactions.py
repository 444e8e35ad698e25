"""Transactions: whole or not at all, in threads of their own, bounded in time, and found by indexes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import QueuePool, event, text
from sqlalchemy.exc import OperationalError

from bot.core import lifecycle
from bot.core.faults import UnconfirmedError
from bot.core.model import Answers, Asker, EffectKind, EffectState, Promise, RequestId, RequestState, Transition
from bot.core.requests import Asked
from bot.core.urgency import Urgency
from bot.store import engine as engines
from bot.store import outbox, tables, troubles
from bot.store.engine import migrate, open_engine
from bot.store.store import BusyError, Store
from bot.store.threads import CONNECTIONS, Threads, User
from bot.store.transaction import Transaction
from tests.core.life import ALICE, BOB, DAY, PAYMENTS, Ids

LONG_AGO = timedelta(days=30)


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    url = f"sqlite:///{tmp_path / 'bot.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres")
    threads = Threads(one_writer=request.param == "sqlite")
    store = Store(open_engine(url, connections=CONNECTIONS), "C0AUDIT", threads=threads)
    migrate(store.engine)
    yield store
    await store.close()


def asks(tx: Transaction, request_id: str = "request-1") -> None:
    """Alice asks for Payments."""
    asked = Asked(RequestId(request_id), PAYMENTS.plans[0], 7 * DAY, Answers(reason="because"))
    tx.apply(lifecycle.submit(asked, ALICE, PAYMENTS, "digest", tx.next_number(), tx.now, Ids(request_id)))


async def test_it_runs_beside_the_event_loop(store: Store) -> None:
    """A transaction that takes its time holds up nobody: the loop goes round meanwhile."""
    goes_round = threading.Event()
    asyncio.get_running_loop().call_soon(goes_round.set)
    assert await store.write(lambda _: goes_round.wait(10))


async def test_what_raises_stores_nothing(store: Store) -> None:
    """Neither the request, nor its promises, nor the audit, nor the number that it had."""

    def fails(tx: Transaction) -> None:
        asks(tx)
        raise LookupError

    with pytest.raises(LookupError):
        await store.write(fails)
    await store.write(asks)
    record = await store.read(lambda tx: tx.numbered(1001))
    assert record is not None
    assert await store.read(lambda tx: [entry.number for entry in tx.audit_trail()]) == [1]


async def test_all_threads_at_once(store: Store) -> None:
    """Each thread of each user reads at the same time, then writes: there is a connection for every one, and no more are open."""

    def meets(barrier: threading.Barrier, _: Transaction) -> int:
        return barrier.wait(10)

    for do, at_once in ((store.read, True), (store.write, not store.is_sqlite), (store.read, True)):
        barriers = {user: threading.Barrier(user.value if at_once else 1) for user in User}
        jobs = [do(partial(meets, barriers[user]), user) for user in User for _ in range(user.value)]
        assert len(await asyncio.gather(*jobs)) == sum(user.value for user in User)
    assert isinstance(store.engine.pool, QueuePool)
    assert store.engine.pool.checkedout() <= CONNECTIONS


async def test_who_stops_waiting_does_not_undo_it(store: Store) -> None:
    """The listener's time is over and its task cancelled; the transaction commits, and is told of."""
    has_begun, may_go_on, told = threading.Event(), threading.Event(), asyncio.Event()
    store.on_commit(lambda _: told.set())

    def slow(tx: Transaction) -> None:
        has_begun.set()
        assert may_go_on.wait(10)
        asks(tx)

    waiting = asyncio.create_task(store.write(slow))
    await asyncio.to_thread(has_begun.wait, 10)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    may_go_on.set()
    await told.wait()
    assert await store.read(lambda tx: tx.numbered(1001)) is not None


async def test_what_nobody_waits_for_any_more_is_not_begun(tmp_path: Path) -> None:
    """Alice's time is over while others write, and she was told to send the form again: her first try is left out."""
    store = Store(open_engine(f"sqlite:///{tmp_path / 'bot.db'}"), threads=Threads(one_writer=True))
    migrate(store.engine)
    may_go_on = threading.Event()
    first = asyncio.create_task(store.write(lambda _: may_go_on.wait(10)))
    hers = asyncio.create_task(store.write(asks))
    await asyncio.sleep(0)
    hers.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hers
    may_go_on.set()
    await first
    assert await store.write(lambda tx: tx.numbered(1001)) is None
    await store.close()


@pytest.mark.parametrize(
    ("crowded_after", "people"), [(60.0, ["Alice", "Bob", "Carol"]), (0.0, ["Carol", "Bob", "Alice"])]
)
async def test_people_write_before_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crowded_after: float, people: list[str]
) -> None:
    """On SQLite one writes at a time: what people wait for comes first, as they came; in a crowd, where the first of them would
    wait in vain, the last one does not."""
    monkeypatch.setattr("bot.store.threads.CROWDED", crowded_after)
    store = Store(open_engine(f"sqlite:///{tmp_path / 'bot.db'}"), threads=Threads(one_writer=True))
    migrate(store.engine)
    may_go_on, order = threading.Event(), list[str]()
    tasks = [asyncio.create_task(store.write(lambda _: may_go_on.wait(10)))]
    await asyncio.sleep(0)

    def writes(who: str, _: Transaction) -> bool:
        order.append(who)
        return True

    for who in ("1", "Alice", "Bob", "2", "Carol"):
        user = User.WORKER if who.isdigit() else User.PEOPLE
        tasks.append(asyncio.create_task(store.write(partial(writes, who), user)))
    await asyncio.sleep(0)
    may_go_on.set()
    await asyncio.gather(*tasks)
    assert order == [*people, "1", "2"]
    await store.close()


@dataclass
class Queue:
    """A store on SQLite whose writer is held up, so that whatever comes meanwhile waits in one queue."""

    store: Store
    may_go_on: threading.Event = field(default_factory=threading.Event)
    tasks: list[asyncio.Task[object]] = field(default_factory=list)
    commits: list[str] = field(default_factory=list)

    def joins(self, work: Callable[[Transaction], object]) -> None:
        self.tasks.append(asyncio.create_task(self.store.write(work)))

    async def goes_on(self) -> list[object]:
        """What each came to, when all are through."""
        await asyncio.sleep(0)
        self.may_go_on.set()
        return await asyncio.gather(*self.tasks, return_exceptions=True)

    async def numbers(self) -> list[int]:
        """The lines of the audit that are stored: each request has one."""
        return await self.store.read(lambda tx: [entry.number for entry in tx.audit_trail()])


@pytest.fixture
async def queue(tmp_path: Path) -> AsyncIterator[Queue]:
    store = Store(open_engine(f"sqlite:///{tmp_path / 'bot.db'}"), "C0AUDIT", threads=Threads(one_writer=True))
    migrate(store.engine)
    queue = Queue(store)
    queue.joins(lambda _: queue.may_go_on.wait(10))
    event.listen(store.engine, "commit", lambda _: queue.commits.append("commit"))
    await asyncio.sleep(0)
    yield queue
    await store.close()


@pytest.mark.usefixtures("in_no_hurry")
async def test_those_who_wait_at_once_are_stored_by_one_commit(queue: Queue) -> None:
    """Five people send their forms at the same moment: each has a number and a line, and the disk is waited for once."""
    for n in range(5):
        queue.joins(partial(asks, request_id=f"request-{n}"))
    await queue.goes_on()
    assert len(queue.commits) == 1
    assert await queue.numbers() == [1, 2, 3, 4, 5]


@pytest.mark.usefixtures("in_no_hurry")
@pytest.mark.parametrize("place", [0, 1, 2])
async def test_who_fails_beside_others_fails_alone(queue: Queue, place: int) -> None:
    """Of three who write together one raises half-way: nothing of it is stored, and all of the others is."""

    def fails(tx: Transaction) -> None:
        asks(tx, "request-x")
        raise LookupError("of her own")

    for n in range(3):
        queue.joins(fails if n == place else partial(asks, request_id=f"request-{n}"))
    _, *came_to = await queue.goes_on()
    assert [type(one) for one in came_to] == [LookupError if n == place else type(None) for n in range(3)]
    assert await queue.numbers() == [1, 2]
    assert await queue.store.read(lambda tx: tx.numbered(1003)) is None, "nor is its number used up"


@pytest.mark.usefixtures("in_no_hurry")
@pytest.mark.parametrize("place", [0, 1])
async def test_who_takes_it_back_beside_others_takes_back_their_own(queue: Queue, place: int) -> None:
    """A transaction finds at its end that it must store nothing: what was written with it is stored all the same."""

    def thinks_better_of_it(tx: Transaction) -> str:
        asks(tx, "request-x")
        tx.rollback()
        return "not stored"

    for n in range(2):
        queue.joins(thinks_better_of_it if n == place else partial(asks, request_id=f"request-{n}"))
    _, *came_to = await queue.goes_on()
    assert came_to == ["not stored" if n == place else None for n in range(2)]
    assert await queue.numbers() == [1]


@pytest.mark.usefixtures("in_no_hurry")
async def test_whoever_is_told_wrongly_keeps_nobody_else_waiting(
    queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    """What follows the first of three transactions fails by a fault of ours: all three hear that they are stored."""
    told = list[int]()

    def listens(_: Transaction) -> None:
        told.append(len(told))
        if len(told) == 1:
            raise LookupError("a fault of ours")

    queue.store.on_commit(listens)
    for n in range(3):
        queue.joins(partial(asks, request_id=f"request-{n}"))
    assert await queue.goes_on() == [True, None, None, None]
    assert told == [0, 1, 2]
    assert "a fault of ours" in caplog.text


async def test_what_is_refused_at_the_end_is_not_stored(queue: Queue) -> None:
    """The bot ends while one is being stored: whoever comes then is refused, and does not slip in with the other."""
    closing = asyncio.create_task(queue.store.close())
    await asyncio.sleep(0.05)
    queue.joins(asks)
    _, refused = await queue.goes_on()
    await closing
    assert isinstance(refused, RuntimeError)
    other = Store(queue.store.engine)
    with other.reading() as tx:
        assert tx.numbered(1001) is None


@pytest.mark.usefixtures("in_no_hurry")
async def test_where_the_commit_fails_everybody_is_told(queue: Queue) -> None:
    """The disk is full when three requests are to be stored: none is, all hear it, what was held for them is given back; and
    once there is room, the next one is stored."""
    given_back = list[int]()

    def holds(tx: Transaction, n: int) -> None:
        asks(tx, f"request-{n}")
        tx.unless_stored.callback(given_back.append, n)

    def full(_: object) -> None:
        raise OperationalError("COMMIT", None, Exception("database or disk is full"))

    for n in range(3):
        queue.joins(partial(holds, n=n))
    event.listen(queue.store.engine, "commit", full)
    came_to = await queue.goes_on()
    event.remove(queue.store.engine, "commit", full)
    assert [type(one) for one in came_to] == [OperationalError] * 4
    assert sorted(given_back) == [0, 0, 1, 1, 2, 2], "they were tried together, then each by itself"
    await queue.store.write(asks)
    assert await queue.numbers() == [1]
    record = await queue.store.read(lambda tx: tx.numbered(1001))
    assert record is not None
    assert record.request.id == "request-1"


@pytest.fixture
def in_no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, what waits is written together."""
    monkeypatch.setattr("bot.store.threads.TOGETHER", 60.0)


async def test_a_record_is_read_again_only_where_it_changed(store: Store) -> None:
    """Of an unchanged record the revision is looked at and no more; a change by somebody else is seen."""
    await store.write(asks)
    with statements(store) as seen:
        record = await store.write(lambda tx: tx.record("request-1"))
    assert len(seen) == 1
    other = Store(store.engine)
    assert record is not None
    changed = replace(record, request=replace(record.request, answers=Answers(reason="another")))

    def change(tx: Transaction) -> None:
        tx.record("request-1")
        tx.apply(Transition(changed))

    await other.write(change)
    with statements(store) as seen:
        again = await store.write(lambda tx: tx.record("request-1"))
    assert len(seen) == 5
    assert again is not None
    assert again.request.answers.reason == "another"


@contextmanager
def statements(store: Store) -> Iterator[list[str]]:
    """What the store asks the database in the block, its clock and its transactions left out."""
    seen: list[str] = []

    def executed(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if not statement.startswith("BEGIN") and "clock_timestamp" not in statement:
            seen.append(statement)

    event.listen(store.engine, "before_cursor_execute", executed)
    try:
        yield seen
    finally:
        event.remove(store.engine, "before_cursor_execute", executed)


# --- nobody waits without end -----------------------------------------------------------------------------------------


async def test_the_worker_does_not_starve_people(store: Store) -> None:
    """All that the worker may run at a time stands still; readiness answers all the same, and on PostgreSQL clicks do."""
    may_go_on = threading.Event()
    held = threading.Semaphore(0)

    def stands_still(_tx: Transaction) -> bool:
        held.release()
        return may_go_on.wait(10)

    stuck = [asyncio.create_task(store.read(stands_still, User.WORKER)) for _ in range(2 * User.WORKER.value)]
    await asyncio.to_thread(held.acquire)
    try:
        assert await store.read(outbox.backlog, User.READINESS) == {"due": 0, "parked": 0}
        await store.write(asks)
    finally:
        may_go_on.set()
    assert await asyncio.gather(*stuck) == [True] * len(stuck)


async def test_a_writer_waits_for_another_so_long_and_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite one writes at a time; who does not get a turn is told so."""
    monkeypatch.setattr("bot.store.store.WAITS_FOR", 0.05)
    store = Store(open_engine(f"sqlite:///{tmp_path / 'bot.db'}"), threads=Threads(one_writer=True))
    migrate(store.engine)
    with store.transaction(), pytest.raises(BusyError):
        await store.write(asks)
    await store.write(asks)
    await store.close()


@pytest.fixture
async def shared(postgres: str) -> AsyncIterator[Store]:
    """A store on PostgreSQL."""
    store = Store(open_engine(postgres, connections=CONNECTIONS), threads=Threads(one_writer=False))
    migrate(store.engine)
    yield store
    await store.close()


def cut_off(store: Store) -> None:
    """The server ends all sessions but one of its own."""
    with psycopg.connect(store.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)) as psql:
        psql.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.mark.parametrize("times", [1, 2])
async def test_a_connection_that_is_cut_before_anything_was_stored(shared: Store, times: int) -> None:
    """The transaction is made again, once, on a new connection; a server that cuts that one, too, is an error."""
    cut = list[int]()

    def work(tx: Transaction) -> None:
        asks(tx)
        if len(cut) < times:
            cut.append(len(cut))
            cut_off(shared)
        asks(tx, "request-2")

    if times == 1:
        await shared.write(work)
    else:
        with pytest.raises(OperationalError):
            await shared.write(work)
    cut_off(shared)
    found = await shared.read(lambda tx: (tx.numbered(1001), tx.numbered(1002)))
    assert [record is not None for record in found] == [times == 1] * 2


async def test_a_commit_that_is_not_answered(shared: Store) -> None:
    """Whether it was stored is not known: it is not made again, and whoever waits is told that it is not confirmed."""

    def work(tx: Transaction) -> None:
        asks(tx)
        cut_off(shared)

    with pytest.raises(UnconfirmedError):
        await shared.write(work)
    assert await shared.read(lambda tx: tx.numbered(1001)) is None


async def test_a_transaction_that_stood_still_is_made_again(shared: Store, postgres: str) -> None:
    """The server ended it before its commit, as a machine that halted for seconds finds it: nothing was stored, and it is done
    once more."""
    tried = list[int]()

    def work(tx: Transaction) -> None:
        asks(tx)
        if not tried:
            tried.append(tx.connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
            tx.connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '1ms'"))
            with psycopg.connect(postgres, autocommit=True) as server:
                while server.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", tried).fetchone():
                    pass

    await shared.write(work)
    assert await shared.read(lambda tx: tx.numbered(1001)) is not None


async def test_a_session_that_holds_a_row_stops_nobody_else(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's psql stands in a transaction on Alice's request: what is about hers is refused in time, others go on."""
    monkeypatch.setattr(engines, "WAITS_FOR", 1)
    store = Store(open_engine(postgres, connections=CONNECTIONS), threads=Threads(one_writer=False))
    migrate(store.engine)
    await store.write(asks)
    await store.write(lambda tx: asks(tx, "request-2"))
    with psycopg.connect(postgres) as psql:
        psql.execute("SELECT * FROM requests WHERE id = 'request-1' FOR UPDATE")
        with pytest.raises(OperationalError, match="lock timeout"):
            await store.write(lambda tx: tx.record("request-1"))
        assert await store.write(lambda tx: tx.record("request-1", skip_locked=True)) is None
        assert await store.write(lambda tx: tx.record("request-2")) is not None
        assert await store.read(lambda tx: tx.record("request-1")) is not None
    assert await store.write(lambda tx: tx.record("request-1")) is not None
    await store.close()


def test_a_session_that_idles_in_a_transaction_is_ended(postgres: str) -> None:
    """The server lets go of our own sessions after seconds, and of others of our role after half a minute."""
    engine = open_engine(postgres)
    migrate(engine)
    asked = text("SELECT setting::int / 1000 FROM pg_settings WHERE name = :name")
    with engine.connect() as connection:
        for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
            assert 0 < connection.execute(asked, {"name": name}).scalar_one() <= 30, name
    with psycopg.connect(postgres) as psql:
        found = psql.execute("SHOW idle_in_transaction_session_timeout").fetchone()
    assert found == ("30s",)
    engine.dispose()


def test_an_upgrade_of_the_tables_may_stand_still_longer(postgres: str) -> None:
    """What it needs is loaded inside its transaction, by a machine that may be busy; half a minute is not reached either."""
    store = Store(open_engine(postgres))
    with statements(store) as seen:
        migrate(store.engine)
    first = next(at for at, statement in enumerate(seen) if "CREATE TABLE" in statement)
    assert "SET LOCAL idle_in_transaction_session_timeout = '25s'" in seen[:first]
    store.engine.dispose()


# --- nothing is looked for by reading whole tables --------------------------------------------------------------------


def test_what_is_due_is_found_by_an_index(tmp_path: Path) -> None:
    """Looks for what is due, late, parked or over, and for who waits, never read a whole table."""
    store = Store(open_engine(f"sqlite:///{tmp_path / 'bot.db'}"))
    migrate(store.engine)
    with statements(store) as seen, store.transaction() as tx:
        outbox.anything(tx, tuple(EffectKind), tx.now)
        list(outbox.due(tx, tuple(Urgency), tuple(EffectKind), ("C1",), 10))
        outbox.late(tx, tx.now, 10)
        outbox.backlog(tx)
        troubles.failing(tx)
        troubles.late_or_parked(tx)
        troubles.counted(tx)
        tx.waiting(["payments"], 10)
        outbox.prune(tx, tx.now, 10)
    with store.engine.connect().execution_options(writes=False) as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        for statement in seen:
            plan = raw.execute(f"EXPLAIN QUERY PLAN {statement}", (None,) * statement.count("?")).fetchall()
            scans = [
                step[3]
                for step in plan
                if (step[3].startswith("SCAN") and "USING" not in step[3]) or step[3].endswith("(rowid<?)")
            ]
            named = {table.name for table in tables.metadata.sorted_tables}
            assert [scan for scan in scans if scan.split()[1] in named] == [], statement
    store.engine.dispose()


async def test_old_promises_are_pruned_and_numbers_never_given_again(store: Store) -> None:
    """What was kept long ago goes, and what is open stays; so does the newest row, whatever it is, so that no late claimer takes
    another for it."""

    def keep(tx: Transaction, subject: str) -> int:
        tx.promise(Promise(EffectKind.SWEEP_LEAVERS, subject, tx.now - LONG_AGO))
        (effect,) = tx.left()
        outbox.finish(tx, effect, EffectState.DONE)
        return effect.id

    await store.write(lambda tx: tx.promise(Promise(EffectKind.SWEEP_LEAVERS, "open", tx.now - LONG_AGO)))
    numbers = [await store.write(lambda tx, subject=subject: keep(tx, subject)) for subject in ("a", "b", "c")]  # type: ignore[misc]  # bound now
    assert await store.write(lambda tx: outbox.prune(tx, tx.now, 10)) == 2
    assert await store.write(lambda tx: keep(tx, "d")) > max(numbers)
    assert await store.write(lambda tx: outbox.prune(tx, tx.now - 2 * LONG_AGO, 10)) == 0


async def test_somebody_who_moved_is_found_by_their_user_id(store: Store) -> None:
    """Alice asked twice and moved to another team in between: both requests are hers, and she is one person."""
    moved = replace(ALICE, identity=replace(ALICE.identity, team_id="T9"))

    def work(tx: Transaction) -> None:
        asks(tx)
        form = Asked(RequestId("request-2"), PAYMENTS.plans[0], 7 * DAY, Answers(reason="because"))
        tx.apply(lifecycle.submit(form, moved, PAYMENTS, "digest", tx.next_number(), tx.now, Ids("request-2")))

    def found(tx: Transaction) -> list[list[str]]:
        return [[record.request.id for record in tx.standing(who.identity)] for who in (ALICE, moved)]

    await store.write(work)
    assert await store.read(found) == [["request-2", "request-1"]] * 2
    assert await store.read(lambda tx: tx.people("", 10)) == (ALICE.identity,)


async def test_the_other_requests_of_whoever_asks(store: Store) -> None:
    """What waits or runs comes first, then the newest, each with its grant, in two statements; and nobody else's."""

    def lived(tx: Transaction) -> None:
        granted = replace(PAYMENTS, approvals=0)
        for number, rule in enumerate((granted, granted, PAYMENTS, granted, PAYMENTS)):
            form = Asked(RequestId(f"r{number}"), rule.plans[0], 7 * DAY, Answers(reason="because"))
            who = ALICE if number != 3 else BOB
            tx.apply(lifecycle.submit(form, who, rule, "digest", tx.next_number(), tx.now, Ids(f"r{number}")))
        first = tx.record("r1")
        assert first is not None
        tx.apply(lifecycle.revoke(first, None, "over", tx.now, Ids("end")))

    await store.write(lived)

    def beside(tx: Transaction) -> list[tuple[int, bool]]:
        (newest,) = tx.glance(["r4"]).values()
        return [(one.request.number, one.lives) for one in tx.beside(newest.request, 20)]

    assert await store.read(beside) == [(1003, False), (1001, True), (1002, False)]


async def test_who_asked_is_stored_as_they_were(store: Store) -> None:
    """Their title, their time zone, and why they may ask; nothing changes it later."""
    asker = Asker("Engineer “of” <things>", "Europe/Berlin", "S0DEVS", "payments-devs")

    def asks_so(tx: Transaction) -> None:
        form = Asked(RequestId("r"), PAYMENTS.plans[0], 7 * DAY, Answers(reason="because"), asker)
        record = tx.apply(lifecycle.submit(form, ALICE, PAYMENTS, "digest", tx.next_number(), tx.now, Ids("r")))
        tx.apply(lifecycle.withdraw(record, ALICE.identity, tx.now, Ids("w")))

    await store.write(asks_so)
    stored = await store.read(lambda tx: tx.glance(["r"])["r"].request)
    assert (stored.asker, stored.state) == (asker, RequestState.WITHDRAWN)
