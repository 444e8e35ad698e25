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
from sqlalchemy import Connection, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

_MIGRATION_LOCK = 0x74796B6B  # "tykk": any fixed number will do


class DatabaseError(Exception):
    """The database cannot be opened. Its text is a sentence for the operator, without the URL's password."""


def open_engine(url: str) -> AsyncEngine:
    """An engine for `sqlite:///path` or `postgresql://...`; nothing is connected yet."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_async_engine(parsed.set(drivername="sqlite+aiosqlite"), connect_args={"timeout": 30})
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_immediate)
        return engine
    return create_async_engine(parsed.set(drivername="postgresql+psycopg"), pool_size=10, pool_pre_ping=True)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Durable at every commit; the driver must not open transactions of its own."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    """Take the write lock first: a transaction that reads and then writes can then never be refused half-way."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes", True) else "BEGIN")


async def migrate(engine: AsyncEngine) -> None:
    """Bring the tables to this version, one process at a time. Raises DatabaseError."""
    try:
        async with engine.begin() as connection:
            if engine.dialect.name != "sqlite":
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
            await connection.run_sync(_upgrade)
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
