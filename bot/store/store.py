"""The store: runs one transaction at a time over records, promises and the audit, whole or not at all.

A transaction is a plain function of a `Transaction`, which may be called a second time. What it promised is handed to whoever
keeps promises inside the same transaction, so that a promise need not be looked for to be kept at once.

SQLite commits one transaction at a time, and waits for the disk each time. Those that wait for their turn there are stored by one
commit, before anybody is told. Where one of them fails, nothing is stored, and each is run again by itself: that is rare, and
savepoints, with which it could fail alone, cost as much as all else.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain as following
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy import Transaction as Scope
from sqlalchemy.exc import DBAPIError

from bot.core.faults import UnconfirmedError
from bot.core.model import Record
from bot.store import tables
from bot.store.chain import Chain
from bot.store.engine import WAITS_FOR, DatabaseError, file_of, stood_still
from bot.store.in_place import InPlace
from bot.store.threads import Job, KeptConnections, Threads, User
from bot.store.transaction import Transaction

T = TypeVar("T")
_CLOCK = text("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)")


class BusyError(Exception):
    """A transaction did not get its turn in time."""


class _TakenBackError(Exception):
    """One of those that were to be stored together stores nothing after all."""


class Known(Mapping[str, Record]):
    """The records that were read or written under lock last: what is unchanged since is not read again.

    Each is told from its other states by its revision alone, so it may be as old as it likes.
    """

    def __init__(self, size: int = 2000) -> None:
        self._size = size
        self._records: dict[str, Record] = {}
        self._guard = threading.Lock()

    def keep(self, records: Mapping[str, Record]) -> None:
        with self._guard:
            for request_id, record in records.items():
                self._records.pop(request_id, None)
                self._records[request_id] = record
            while len(self._records) > self._size:
                del self._records[next(iter(self._records))]

    def __getitem__(self, request_id: str) -> Record:
        return self._records[request_id]

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._records))

    def __len__(self) -> int:
        return len(self._records)


class Keeper(Protocol):
    """The worker, as the store knows it: it keeps what transactions promise."""

    def take(self, tx: Transaction) -> Sequence[Any]:
        """Claim what this transaction promised, as far as there is room to keep it now. Runs in the store's thread.

        What it holds for that is given back by `Transaction.unless_stored`."""
        ...

    def begin(self, taken: Sequence[Any]) -> None:
        """Begin what was taken: it is stored."""
        ...


@dataclass(frozen=True)
class _Done(Generic[T]):
    """The result of a transaction, which its commit will store, and what of it the keeper took in hand."""

    result: T
    tx: Transaction
    taken: Sequence[Any]


_Job = Job[Callable[[Transaction], Any], _Done[Any]]


class Store:
    """`audit_channel` is where every audit line is promised to be posted, None for a command that posts nothing; `forwards` are
    the places that it is promised to be forwarded to.

    `skew` moves the store's clock; the time itself is always the database's. Without `threads`, transactions run where they are
    asked for: for commands and proofs.
    """

    def __init__(
        self,
        engine: Engine,
        audit_channel: str | None = None,
        skew: timedelta = timedelta(),
        *,
        threads: Threads | None = None,
    ) -> None:
        self.engine = engine
        self.audit_channel = audit_channel
        self.forwards: Sequence[str] = ()
        self.skew = skew
        self.is_sqlite = engine.dialect.name == "sqlite"
        self.keeper: Keeper | None = None
        self._threads = threads
        self._kept = KeptConnections(engine) if threads is not None else None
        # In one process writers wait for each other here, not for SQLite's lock, which wakes nobody.
        self._writer = threading.Lock()
        self.known = Known()
        self.chain = Chain()
        self.doubted = asyncio.Event()
        """Set where a transaction failed for the database's sake."""
        self._in_place = InPlace(file_of(engine.url))
        self._listeners: list[Callable[[Transaction], None]] = []

    def on_commit(self, listener: Callable[[Transaction], None]) -> None:
        """Called after each transaction that stored something, which tells what it promised and nobody took."""
        self._listeners.append(listener)

    # --- transactions ---

    async def write(self, work: Callable[[Transaction], T], user: User = User.PEOPLE) -> T:
        """All of what `work` stores, or nothing where it raises."""
        with self._doubting():
            if self._threads is None:
                done = self._transact(work)
                self._committed(done)
            else:
                done = await self._threads.write(user, work, self._committed, self._write_together)
        return done.result

    async def read(self, work: Callable[[Transaction], T], user: User = User.PEOPLE) -> T:
        """Return what `work` finds. Nothing that it reads is locked, and nothing is stored."""

        def attempt() -> T:
            with self._looking(self._kept) as tx:
                return work(tx)

        def run() -> T:
            return _again_where_cut_off(attempt)

        with self._doubting():
            return run() if self._threads is None else await self._threads.read(user, run)

    @contextmanager
    def _doubting(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, BusyError, DatabaseError, UnconfirmedError):
            self.doubted.set()
            raise

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """The same as a block, for commands: runs at once, and whatever it promises is left to be found."""
        with self._alone() as tx:
            yield tx
        self._committed(_Done(None, tx, ()))

    def reading(self, *, snapshot: bool = False) -> AbstractContextManager[Transaction]:
        """To look at, as a block, for commands. `snapshot`: all that is read is of one moment, however long it takes."""
        return self._looking(None, snapshot=snapshot)

    @contextmanager
    def _looking(self, kept: KeptConnections | None, *, snapshot: bool = False) -> Iterator[Transaction]:
        with self._connected(kept, writes=False) as connection:
            if snapshot and not self.is_sqlite:  # where a transaction that reads sees one moment anyway
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin() as scope:
                now = self._now(connection)
                yield Transaction(scope, now, sqlite=self.is_sqlite, locks=False, known=self.known)

    def _transact(self, work: Callable[[Transaction], T]) -> _Done[T]:
        def attempt() -> _Done[T]:
            with self._alone() as tx:
                return self._done(tx, work)

        return _again_where_cut_off(attempt)

    @contextmanager
    def _alone(self) -> Iterator[Transaction]:
        with self._opened(None) as scope:
            tx = self._begun(scope)
            with tx.unless_stored:
                yield tx
                self._commit_all(scope, (tx,))
                tx.unless_stored.pop_all()

    def _write_together(self, first: _Job, more: Iterator[_Job]) -> None:
        """Store what these jobs come to with one commit, and tell each of them; where one of them fails, each by itself."""
        begun = [first]
        try:
            done = _again_where_cut_off(lambda: self._together(begun, more))
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is waited for
            if len(begun) == 1 or isinstance(error, UnconfirmedError):
                for job in begun:
                    job.fail(error)
            else:
                for job in begun:
                    self._write_together(job, iter(()))
        else:
            Job.succeed(done)

    def _together(self, begun: list[_Job], more: Iterator[_Job]) -> list[tuple[_Job, _Done[Any]]]:
        """The results of `begun` and of those that join them, stored."""
        done: list[tuple[_Job, _Done[Any]]] = []
        with ExitStack() as unless_stored, self._opened(self._kept) as scope:
            for job in following(tuple(begun), more):
                if job not in begun:
                    begun.append(job)
                done.append((job, self._part(scope, job.work, unless_stored)))
                if not scope.is_active:
                    break
            if not scope.is_active and len(done) > 1:
                raise _TakenBackError
            self._commit_all(scope, [one.tx for _, one in done])
            unless_stored.pop_all()
        return done

    def _part(self, scope: Scope, work: Callable[[Transaction], T], unless_stored: ExitStack) -> _Done[T]:
        tx = self._begun(scope)
        with tx.unless_stored:
            done = self._done(tx, work)
            unless_stored.push(tx.unless_stored.pop_all())
        return done

    def _done(self, tx: Transaction, work: Callable[[Transaction], T]) -> _Done[T]:
        """The result of `work`. Its records and the audit's head may be known before they are stored: each use compares them."""
        result = work(tx)
        taken = self.keeper.take(tx) if self.keeper is not None and tx.wrote else ()
        if not tx.undone:
            self.known.keep(tx.loaded)
            self.chain.head = tx.head or self.chain.head
        return _Done(result, tx, taken)

    @contextmanager
    def _opened(self, kept: KeptConnections | None) -> Iterator[Scope]:
        with self._only_writer(), self._connected(kept, writes=True) as connection:
            yield connection.begin()  # on SQLite the lock is waited for here, before it is asked what time it is

    def _begun(self, scope: Scope) -> Transaction:
        return Transaction(
            scope,
            self._now(scope.connection),
            sqlite=self.is_sqlite,
            audit_channel=self.audit_channel,
            forwards=self.forwards,
            known=self.known,
            chain=self.chain,
        )

    def _connected(self, kept: KeptConnections | None, *, writes: bool) -> AbstractContextManager[Connection]:
        """The thread's connection, or one for this once. Raises ReplacedError: to connect anew would make an empty file."""
        self._in_place.check()
        return self.engine.connect().execution_options(writes=writes) if kept is None else kept.one(writes=writes)

    @contextmanager
    def _only_writer(self) -> Iterator[None]:
        """Be the only writer, on SQLite; on PostgreSQL the rows that are written to are locked. Raises BusyError."""
        if not self.is_sqlite:
            yield
            return
        if not self._writer.acquire(timeout=WAITS_FOR):
            raise BusyError("another transaction holds the database")
        try:
            yield
        finally:
            self._writer.release()

    def _commit_all(self, scope: Scope, parts: Sequence[Transaction]) -> None:
        if not scope.is_active:
            return
        try:
            self._commit(scope.connection)
        except DBAPIError as error:
            is_open = error.connection_invalidated and not stood_still(error)
            if is_open and any(tx.wrote for tx in parts):
                raise UnconfirmedError("the database did not answer the commit") from error
            # SQLite is still inside the transaction then, which SQLAlchemy takes for ended: only closing the connection ends it.
            scope.connection.invalidate()
            raise

    def _commit(self, connection: Connection) -> None:
        connection.commit()

    def _committed(self, done: _Done[Any]) -> None:
        if not done.tx.wrote:
            return
        if self.keeper is not None:
            self.keeper.begin(done.taken)
        for listener in self._listeners:
            listener(done.tx)

    def _now(self, connection: Connection) -> datetime:
        """SQLite has no other clock than this machine's."""
        if self.is_sqlite:
            moment = datetime.now(UTC)
            return moment.replace(microsecond=moment.microsecond // 1000 * 1000) + self.skew
        return tables.from_ms(connection.execute(_CLOCK).scalar_one()) + self.skew

    async def close(self) -> None:
        if self._threads is not None:
            await self._threads.close()
        if self._kept is not None:
            self._kept.close()
        self.engine.dispose()


def _again_where_cut_off(attempt: Callable[[], T]) -> T:
    """Try once more where the connection turned out to be cut, on a new one: whether it still holds is only told by its use.

    Nothing was stored then: a commit that is not answered raises UnconfirmedError.
    """
    try:
        return attempt()
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
    return attempt()


__all__ = ["Keeper", "Store", "Transaction", "User"]
