"""The store: runs one transaction at a time over records, promises and the audit, whole or not at all.

A transaction is a plain function of a `Transaction`, which may be called a second time. What it promised is handed to whoever
keeps promises inside the same transaction, so that a promise need not be looked for to be kept at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from bot.core.faults import UnconfirmedError
from bot.core.model import Record
from bot.store import tables
from bot.store.chain import Chain
from bot.store.engine import WAITS_FOR
from bot.store.threads import KeptConnections, Threads, User
from bot.store.transaction import LeaseLost, Transaction

T = TypeVar("T")
_CLOCK = text("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)")


class BusyError(Exception):
    """A transaction did not get its turn in time."""


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
        self._listeners: list[Callable[[Transaction], None]] = []

    def on_commit(self, listener: Callable[[Transaction], None]) -> None:
        """Called after each transaction that stored something, which tells what it promised and nobody took."""
        self._listeners.append(listener)

    # --- transactions ---

    async def write(self, work: Callable[[Transaction], T], user: User = User.PEOPLE) -> T:
        """All of what `work` stores, or nothing where it raises."""
        if self._threads is None:
            result, tx, taken = self._transact(work)
            self._committed(tx, taken)
            return result
        done = await self._threads.run(
            user, lambda: self._transact(work), lambda done: self._committed(*done[1:]), writes=True
        )
        return done[0]

    async def read(self, work: Callable[[Transaction], T], user: User = User.PEOPLE) -> T:
        """Return what `work` finds. Nothing that it reads is locked, and nothing is stored."""

        def attempt() -> T:
            with self._looking(self._kept) as tx:
                return work(tx)

        def run() -> T:
            return _again_where_cut_off(attempt)

        return run() if self._threads is None else await self._threads.run(user, run)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """The same as a block, for commands: runs at once, and whatever it promises is left to be found."""
        with self._opened(None) as tx:
            yield tx
            self._end(tx)
        self._committed(tx, ())

    def reading(self, *, snapshot: bool = False) -> AbstractContextManager[Transaction]:
        """To look at, as a block, for commands. `snapshot`: all that is read is of one moment, however long it takes."""
        return self._looking(None, snapshot=snapshot)

    @contextmanager
    def _looking(self, kept: KeptConnections | None, *, snapshot: bool = False) -> Iterator[Transaction]:
        with self._connected(kept, writes=False) as connection:
            if snapshot and not self.is_sqlite:  # where a transaction that reads sees one moment anyway
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                now = self._now(connection)
                yield Transaction(connection, now, sqlite=self.is_sqlite, locks=False, known=self.known)

    def _transact(self, work: Callable[[Transaction], T]) -> tuple[T, Transaction, Sequence[Any]]:
        def attempt() -> tuple[T, Transaction, Sequence[Any]]:
            with self._opened(self._kept) as tx:
                result = work(tx)
                taken = self.keeper.take(tx) if self.keeper is not None and tx.wrote else ()
                self._end(tx)
                return result, tx, taken

        return _again_where_cut_off(attempt)

    @contextmanager
    def _opened(self, kept: KeptConnections | None) -> Iterator[Transaction]:
        with self._only_writer(), self._connected(kept, writes=True) as connection:
            connection.begin()  # on SQLite the lock is waited for here, before it is asked what time it is
            tx = Transaction(
                connection,
                self._now(connection),
                sqlite=self.is_sqlite,
                audit_channel=self.audit_channel,
                forwards=self.forwards,
                known=self.known,
                chain=self.chain,
            )
            with tx.unless_stored:
                yield tx
                tx.unless_stored.pop_all()

    def _connected(self, kept: KeptConnections | None, *, writes: bool) -> AbstractContextManager[Connection]:
        """The thread's connection, or one for this once."""
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

    def _end(self, tx: Transaction) -> None:
        if tx.undone:
            return
        try:
            self._commit(tx.connection)
        except DBAPIError as error:
            if tx.wrote and error.connection_invalidated:
                raise UnconfirmedError("the database did not answer the commit") from error
            raise
        self.known.keep(tx.loaded)
        if tx.head is not None:
            self.chain.head = tx.head

    def _commit(self, connection: Connection) -> None:
        connection.commit()

    def _committed(self, tx: Transaction, taken: Sequence[Any]) -> None:
        if not tx.wrote:
            return
        if self.keeper is not None:
            self.keeper.begin(taken)
        for listener in self._listeners:
            listener(tx)

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


__all__ = ["Keeper", "LeaseLost", "Store", "Transaction", "User"]
