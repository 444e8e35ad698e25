"""Opening the database: SQLite beside the bot, or PostgreSQL for several replicas; migrated before use."""

from __future__ import annotations

import asyncio
import fcntl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, Engine, StaticPool, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

WAITS_FOR = 5
"""Seconds that a transaction waits for a lock or a connection that others hold."""
ANSWERS_WITHIN = 15
"""Seconds for one statement, and for the other side of a TCP connection."""
IDLES_FOR = 5
"""Seconds that a transaction of ours may stand still: it never does but where its process does."""
CONNECTS_WITHIN = 5
_MIGRATION_LOCK = 0x74796B6B  # "tykk": any fixed number will do


class DatabaseError(Exception):
    """The database cannot be opened. Its text is a sentence for the operator, without the URL's password."""


def open_engine(url: str, *, connections: int = 4) -> Engine:
    """An engine for `sqlite:///path` or `postgresql://...` with at most so many connections; nothing is connected yet."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed, connections)
    engine = create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        pool_size=connections,
        max_overflow=0,
        pool_timeout=WAITS_FOR,
        pool_pre_ping=True,
        connect_args={"connect_timeout": CONNECTS_WITHIN, "tcp_user_timeout": ANSWERS_WITHIN * 1000},
    )
    event.listen(engine, "connect", _bound_postgresql)
    return engine


def _sqlite(url: URL, connections: int) -> Engine:
    """In memory there is one connection, which whoever opens it may use from any thread, one at a time."""
    in_memory = url.database in (None, "", ":memory:")
    pool: dict[str, Any] = {"poolclass": StaticPool} if in_memory else {"pool_size": connections, "max_overflow": 0}
    arguments = {"timeout": WAITS_FOR, "check_same_thread": False}
    engine = create_engine(url.set(drivername="sqlite+pysqlite"), connect_args=arguments, **pool)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _bound_postgresql(connection: Any, _record: object) -> None:
    """A transaction that waits, runs or stands still for too long is ended by the server: nobody waits for it without end."""
    with connection.cursor() as cursor:
        for name, seconds in (
            ("lock_timeout", WAITS_FOR),
            ("statement_timeout", ANSWERS_WITHIN),
            ("idle_in_transaction_session_timeout", IDLES_FOR),
        ):
            cursor.execute(f"SET {name} = '{seconds}s'")
    connection.commit()


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Durable at every commit; the driver must not open transactions of its own."""
    connection.isolation_level = None
    cursor = connection.cursor()
    waits = f"busy_timeout={WAITS_FOR * 1000}"
    for pragma in (waits, "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    """Take the write lock first: a transaction that reads and then writes can then never be refused half-way."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes", True) else "BEGIN")


def migrate(engine: Engine) -> None:
    """Bring the tables to this version, one process at a time. Raises DatabaseError."""
    try:
        with engine.begin() as connection:
            if engine.dialect.name != "sqlite":
                for setting in ("lock_timeout", "statement_timeout"):  # another replica may be migrating for long
                    connection.execute(text(f"SET LOCAL {setting} = 0"))
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
            _upgrade(connection)
    except DBAPIError as error:
        raise DatabaseError(f"The database does not answer: {_first_line(error)}") from None
    except SQLAlchemyError as error:
        raise DatabaseError(f"The database cannot be used: {type(error).__name__}") from None


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0] if error.orig and str(error.orig).strip() else "no reason given"


def lock_path(url: str) -> Path | None:
    """The lock file beside a SQLite database; None for PostgreSQL and for a database in memory."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        return None
    return Path(f"{parsed.database}.lock")


@asynccontextmanager
async def sole_worker(url: str, *, patience: float, on_wait: Callable[[], None]) -> AsyncIterator[None]:
    """Hold the SQLite file's worker lock. Waits `patience` seconds, having said so once, then raises DatabaseError."""
    path = lock_path(url)
    if path is None:
        yield
        return
    try:
        handle = path.open("a")
    except OSError as error:
        raise DatabaseError(f"{path} cannot be written: {error.strerror}") from None
    with handle:
        deadline, waiting = time.monotonic() + patience, False
        while not _try_lock(handle):
            if not waiting:
                on_wait()
                waiting = True
            if time.monotonic() > deadline:
                raise DatabaseError(
                    f"Another worker holds {path}. Only one may use a SQLite file: stop the other, or use PostgreSQL."
                )
            await asyncio.sleep(0.25)
        try:
            yield
        finally:
            with suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_UN)


def _try_lock(handle: Any) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


__all__ = ["DatabaseError", "lock_path", "migrate", "open_engine", "sole_worker"]
