"""Opening the database: SQLite beside the bot, or PostgreSQL for several replicas. `run` migrates it, a command only looks."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from sqlalchemy import URL, Connection, Engine, StaticPool, create_engine, event, inspect, text
from sqlalchemy.engine import ExceptionContext, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from bot.core.faults import UnconfirmedError
from bot.errors import CommandError
from bot.store.making import make

WAITS_FOR = 5
"""Seconds that a transaction waits for a lock or a connection that others hold."""
ANSWERS_WITHIN = 15
"""Seconds for one statement, and for the other side of a TCP connection."""
IDLES_FOR = 5
"""Seconds that a transaction of ours may stand still: it never does but where its process does."""
MIGRATION_IDLES_FOR = 25
"""The same while the tables are brought up to date."""
CONNECTS_WITHIN = 5
OWNER_ONLY = 0o600
_MIGRATIONS = Path(__file__).parent / "migrations"
_STOOD_STILL = "25P03"
_SESSION_ENDED = frozenset({"57P01", "57P02", "57P05", _STOOD_STILL})
"""SQLSTATEs: ended by an administrator or a restart, by a crash of the server, as idle, as idle in a transaction."""
_MIGRATION_LOCK = 0x74796B6B  # "tykk": any fixed number will do
_LOOKS_EVERY = 0.25


class DatabaseError(CommandError):
    """The database cannot be opened. Its text is a sentence for the operator, without the URL's password."""

    @property
    def without_path(self) -> str:
        """The sentence for everybody, who need not know where the file is."""
        return str(self)


class NoDatabaseError(DatabaseError):
    """There is none yet, or none of this program's."""


class OtherVersionError(DatabaseError):
    """The tables are of another version of this program."""


def open_engine(url: str, *, connections: int = 4, idles_for: int = IDLES_FOR, owns: bool = True) -> Engine:
    """An engine for `sqlite:///path` or `postgresql://...` with at most so many connections; nothing is connected yet.

    Only who `owns` a file of SQLite's makes it, keeps it private and sets it to WAL: others may have been given the file of some
    other program. No error and no log of it holds what was stored: neither a statement's parameters nor the row that a server
    complains of.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed, connections, owns=owns)
    engine = create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        pool_size=connections,
        max_overflow=0,
        pool_timeout=WAITS_FOR,
        hide_parameters=True,
        connect_args={"connect_timeout": CONNECTS_WITHIN, "tcp_user_timeout": ANSWERS_WITHIN * 1000},
    )
    event.listen(engine, "connect", partial(_bound_postgresql, idles_for))
    event.listen(engine, "handle_error", _keep_the_first_line)
    event.listen(engine, "handle_error", _tell_a_session_that_ended)
    return engine


def _sqlite(url: URL, connections: int, *, owns: bool) -> Engine:
    """An engine on SQLite. In memory it has one connection, which any thread may use, one at a time."""
    in_memory = file_of(url) is None
    pool: dict[str, Any] = {"poolclass": StaticPool} if in_memory else {"pool_size": connections, "max_overflow": 0}
    arguments = {"timeout": WAITS_FOR, "check_same_thread": False}
    parsed = url.set(drivername="sqlite+pysqlite")
    engine = create_engine(parsed, connect_args=arguments, hide_parameters=True, **pool)
    if owns:
        event.listen(engine, "do_connect", partial(_keep_private, file_of(url)))
    event.listen(engine, "connect", partial(_prepare_sqlite, owns))
    event.listen(engine, "begin", _begin_immediate)
    return engine


def file_of(url: URL) -> Path | None:
    """The file of a SQLite database; None for PostgreSQL and for a database in memory."""
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(url.database or "")


def _keep_private(path: Path | None, *_connecting: object) -> None:
    """The file is its owner's alone before anything stands in it; SQLite gives those that it makes beside it the same mode.

    What cannot be made is SQLite's to complain of, and what belongs to somebody else is theirs to change. A file that is there is
    not opened: closing it again would let go of all locks that this process holds on it (sqlite.org/howtocorrupt.html, 2.2).
    """
    if path is None:
        return
    with suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, OWNER_ONLY))
    for one in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        with suppress(OSError):
            if one.stat().st_mode & 0o077:
                one.chmod(OWNER_ONLY)


def _keep_the_first_line(context: ExceptionContext) -> None:
    """PostgreSQL explains itself in further lines, with the values of the row that it would not take."""
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error is not None and error.args:
            error.args = (str(error.args[0]).partition("\n")[0], *error.args[1:])


def _tell_a_session_that_ended(context: ExceptionContext) -> None:
    """The server's last words come before the end of the connection, so that the connection may still look whole."""
    if getattr(context.original_exception, "sqlstate", None) in _SESSION_ENDED:
        context.is_disconnect = True


def stood_still(error: DBAPIError) -> bool:
    """True where the server ended the session because its transaction stood still: nothing of it is stored."""
    return getattr(error.orig, "sqlstate", None) == _STOOD_STILL


def _bound_postgresql(idles_for: int, connection: Any, _record: object) -> None:
    """A transaction that waits, runs or stands still for too long is ended by the server: nobody waits for it without end."""
    with connection.cursor() as cursor:
        for name, seconds in (
            ("lock_timeout", WAITS_FOR),
            ("statement_timeout", ANSWERS_WITHIN),
            ("idle_in_transaction_session_timeout", idles_for),
        ):
            cursor.execute(f"SET {name} = '{seconds}s'")
    connection.commit()


def _prepare_sqlite(owns: bool, connection: Any, _record: object) -> None:
    """Durable at every commit; the driver must not open transactions of its own. WAL stands in the file, the rest does not."""
    connection.isolation_level = None
    cursor = connection.cursor()
    waits = f"busy_timeout={WAITS_FOR * 1000}"
    for pragma in (
        waits,
        *(["journal_mode=WAL"] if owns else []),
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    """Take the write lock first: a transaction that reads and then writes can then never be refused half-way."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes", True) else "BEGIN")


def migrate(engine: Engine, stopped: threading.Event | None = None) -> None:
    """Bring the tables to this version, one process at a time: whoever waits for another gives up once `stopped` is set.

    Raises DatabaseError.
    """
    stopped = stopped or threading.Event()
    with told_in_a_sentence():
        while not _migrated(engine) and not stopped.wait(_LOOKS_EVERY):
            pass


def _migrated(engine: Engine) -> bool:
    """False where another process is at it: that is not waited for in here, where only the server could end the wait."""
    with engine.begin() as connection:
        if engine.dialect.name != "sqlite":
            if not connection.scalar(text(f"SELECT pg_try_advisory_xact_lock({_MIGRATION_LOCK})")):
                return False
            for setting in ("lock_timeout", "statement_timeout"):  # an upgrade may take long
                connection.execute(text(f"SET LOCAL {setting} = 0"))
            # What an upgrade needs is loaded in between, which takes seconds where the disk or the processor is busy.
            connection.execute(text(f"SET LOCAL idle_in_transaction_session_timeout = '{MIGRATION_IDLES_FOR}s'"))
        version, newest = _version(connection), _versions()[-1]
        if version is None:
            _check_empty(connection)
            make(connection, newest)
        elif version != newest:
            _upgrade(connection)
    return True


def _check_empty(connection: Connection) -> None:
    """Raises DatabaseError where another program's tables are there. On PostgreSQL extensions may have some of their own."""
    if connection.dialect.name == "sqlite" and (others := inspect(connection).get_table_names()):
        raise DatabaseError(f"The file holds tables of some other program, such as {others[0]}: is DATABASE_URL right?")


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - a tenth of a second for every command, and needed once a version
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def check_ready(engine: Engine) -> None:
    """Look whether there is a database of this version. Makes and changes nothing. Raises DatabaseError."""
    path = file_of(engine.url)
    if path is not None and not _is_file(path):
        where = path.absolute()
        raise NoDatabaseError(
            f"There is no database at {where}. DATABASE_URL says where it is; `tyk-key-bot run` makes it."
        )
    with told_in_a_sentence(), engine.connect().execution_options(writes=False) as connection, connection.begin():
        version = _version(connection)
    if version is None:
        raise NoDatabaseError(
            "The database has no tables of this program's: is DATABASE_URL right? `tyk-key-bot run` makes them."
        )
    if version != _versions()[-1]:
        raise OtherVersionError(
            f"The database is of an older version of this program (tables {version}, and here {_versions()[-1]}). Give the "
            "command with the version that the bot runs, or upgrade the bot: `tyk-key-bot run` of this version brings the tables "
            "up to date."
        )


_HELD = "Something else holds it, or it is too slow: look at its disk, and at what else writes to it."
_ELSEWHERE = "DATABASE_URL says where it is."
_ADVICE = (
    ("disk image is malformed", "It is damaged: restore a backup of it (docs/operate.md)."),
    ("malformed database schema", "It is damaged: restore a backup of it (docs/operate.md)."),
    ("no such table", "It lacks a table of this program's: restore a backup of it (docs/operate.md)."),
    (
        "file is not a database",
        "DATABASE_URL says where it is; where that is right, restore a backup of it (docs/operate.md).",
    ),
    (
        "readonly database",
        "This user may not write to it, or its disk is read-only: give commands as the user that the bot runs as.",
    ),
    ("unable to open database", "Look whether its folder is there, and whether this user may write in it."),
    ("in a read-only transaction", "It takes no writes: DATABASE_URL has to lead to the primary."),
    ("database or disk is full", "Make room on its disk."),
    ("No space left on device", "Make room on its disk."),
    (
        "due to lock timeout",
        "Somebody else's transaction holds it: look for a session, such as one of psql, that is not ended.",
    ),
    (
        " is locked",
        "Somebody else writes to it: look for another program, such as a shell of sqlite3, that has it open.",
    ),
    ("due to statement timeout", _HELD),
    ("disk I/O error", "Look at its disk."),
    ("too many clients already", "Raise its `max_connections`, or stop what else connects to it."),
    ("too many connections for", "Raise its `max_connections`, or stop what else connects to it."),
    ("remaining connection slots", "Raise its `max_connections`, or stop what else connects to it."),
    ("authentication failed", "DATABASE_URL has the password."),
)
"""A part of what SQLite or PostgreSQL says, which no host, user or database is called, and what to do about it."""


def what_is_wrong(error: DBAPIError | UnconfirmedError | DatabaseError) -> str:
    """A sentence on what is wrong with the database, and what to do."""
    if isinstance(error, DatabaseError):
        return str(error)
    if isinstance(error, UnconfirmedError):
        return "The database went away before it said whether this is stored: look, and do it again; nothing is done twice."
    return f"The database does not answer: {_first_line(error)}. {what_to_do(error)}"


def what_to_do(error: Exception) -> str:
    """A sentence on what to do about it, without what the server says: that names hosts and users."""
    if isinstance(error, DatabaseError):
        return error.without_path
    if not isinstance(error, DBAPIError):  # nobody refused anything: a turn, or a connection, was waited for in vain
        return _HELD
    said = _first_line(error)
    return next((advice for word, advice in _ADVICE if word in said), _ELSEWHERE)


def check_version(connection: Connection) -> None:
    """Raises OtherVersionError where the tables of a database in use are not of this version any more."""
    if _version(connection) != _versions()[-1]:
        raise OtherVersionError(
            "The database is not of this version of the program any more: an older backup was restored under it, or its tables "
            "are gone. Restore the right one (docs/operate.md), or start me again, which brings older tables up to date."
        )


@contextmanager
def told_in_a_sentence() -> Iterator[None]:
    """Turn whatever goes wrong with the database meanwhile into a DatabaseError."""
    try:
        yield
    except (DBAPIError, UnconfirmedError) as error:
        raise DatabaseError(what_is_wrong(error)) from None
    except SQLAlchemyError as error:
        raise DatabaseError(f"The database cannot be used: {type(error).__name__}") from None


def _is_file(path: Path) -> bool:
    """Raises DatabaseError where this user may not look."""
    try:
        return path.is_file()
    except OSError as error:
        raise DatabaseError(f"The database at {path.absolute()} cannot be looked at: {error.strerror}.") from None


def _versions() -> list[str]:
    """The versions of the tables that this program knows, the oldest first: each migration's file begins with its own."""
    return sorted(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def _version(connection: Connection) -> str | None:
    """The version of the tables, None where there are none. Raises DatabaseError for one that this program does not know."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    if not found:
        return None
    version = str(found[0])
    if len(found) > 1 or not re.fullmatch(r"[0-9]{4}", version):
        raise DatabaseError("The database holds the tables of some other program: is DATABASE_URL right?")
    if version not in _versions():
        raise OtherVersionError(
            f"The database is of a newer version of this program (tables {version}, and here {_versions()[-1]}). Use that "
            "version; the way back to this one is the backup of before the upgrade."
        )
    return version


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0].rstrip(".") if str(error.orig or "").strip() else "no reason given"


def lock_path(url: str) -> Path | None:
    """The lock file beside a SQLite database; None for PostgreSQL and for a database in memory."""
    path = file_of(make_url(url))
    return None if path is None else Path(f"{path}.lock")


def has_worker(url: str) -> bool | None:
    """True where a bot runs on this SQLite file; None where that cannot be told from here."""
    path = lock_path(url)
    try:
        handle = None if path is None else path.open("rb")
    except FileNotFoundError:
        return False
    except OSError:
        return None
    if handle is None:
        return None
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


@asynccontextmanager
async def sole_worker(url: str, *, patience: float, on_wait: Callable[[], None]) -> AsyncIterator[None]:
    """Hold the SQLite file's worker lock. Waits `patience` seconds, having said so once, then raises DatabaseError."""
    path = lock_path(url)
    if path is None:
        yield
        return
    try:
        handle = _open_lock(path)
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


def _open_lock(path: Path) -> TextIO:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, OWNER_ONLY)
    with suppress(OSError):
        os.fchmod(descriptor, OWNER_ONLY)
    return os.fdopen(descriptor, "w")


def _try_lock(handle: Any) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


__all__ = [
    "DatabaseError",
    "NoDatabaseError",
    "OtherVersionError",
    "check_ready",
    "check_version",
    "file_of",
    "has_worker",
    "lock_path",
    "migrate",
    "open_engine",
    "sole_worker",
    "told_in_a_sentence",
    "what_is_wrong",
    "what_to_do",
]
