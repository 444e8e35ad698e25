"""What an engine makes, keeps to itself and does not tell."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, Inspector, event, insert, inspect, text
from sqlalchemy.exc import DBAPIError

from bot import cli
from bot.store import engine as engines
from bot.store import tables
from bot.store.engine import DatabaseError, check_ready, has_worker, migrate, open_engine, sole_worker, what_to_do
from bot.store.store import BusyError

SECRET = "a reason that nobody else may read"
TWICE = {"number": 1, "at": datetime(2026, 1, 1, tzinfo=UTC), "event": "asked", "details": SECRET}


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'bot.db'}"
    postgres: str = request.getfixturevalue("postgres")
    return postgres


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    opened = open_engine(url)
    yield opened
    opened.dispose()


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    """Neither a connection to PostgreSQL that is not made, nor one whose other side is gone, is waited for without end."""
    engine, given = open_engine("postgresql://bot@db.example.com/bot"), dict[str, object]()

    def connects(_dialect: object, _record: object, _arguments: object, named: dict[str, object]) -> None:
        given.update(named)
        raise LookupError

    event.listen(engine, "do_connect", connects)
    with pytest.raises(LookupError):
        engine.connect()
    assert (given["connect_timeout"], given["tcp_user_timeout"]) == (5, 15_000)


async def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    """The database, what SQLite makes beside it and the lock file are 0600, and so is one that was open to others before."""
    path = tmp_path / "bot.db"
    for _ in range(2):
        engine = open_engine(f"sqlite:///{path}")
        async with sole_worker(f"sqlite:///{path}", patience=0, on_wait=lambda: None):
            migrate(engine)
            with engine.begin() as connection:
                connection.execute(text("INSERT INTO meta VALUES ('a', 'b') ON CONFLICT DO NOTHING"))
                found = modes(tmp_path)
        assert found == dict.fromkeys(("bot.db", "bot.db-wal", "bot.db-shm", "bot.db.lock"), 0o600)
        engine.dispose()
        for each in tmp_path.iterdir():
            each.chmod(0o664)


def test_a_command_leaves_the_file_of_another_program_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither its mode nor a byte of it is changed, nothing is left beside it, and a sentence says that it is not ours."""
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        other.execute("INSERT INTO alembic_version VALUES ('a97c31f5bd1e')")
        other.commit()
    path.chmod(0o644)
    before = path.read_bytes()
    assert cli.execute(["keys"], {"DATABASE_URL": f"sqlite:///{path}"}) == 1
    assert capsys.readouterr().err.startswith("The database holds the tables of some other program")
    assert (path.read_bytes() == before, modes(tmp_path)) == (True, {"other.db": 0o644})


def test_an_error_does_not_tell_what_was_stored(engine: Engine) -> None:
    """A statement that fails has neither its parameters nor the row in its error: not in its text, not in its cause."""
    migrate(engine)
    with pytest.raises(DBAPIError) as raised, engine.begin() as connection:
        connection.execute(insert(tables.audit), [TWICE, TWICE])
    assert SECRET not in f"{raised.value} {raised.value.orig} {raised.value.__cause__}"
    with pytest.raises(DBAPIError) as raised, engine.begin() as connection:
        connection.execute(text("INSERT INTO meta (name, value) VALUES (:secret, NULL)"), {"secret": SECRET})
    assert SECRET not in f"{raised.value} {raised.value.orig} {raised.value.__cause__}"


ROOM, BROKEN = "Make room on its disk.", "It is damaged: restore a backup of it (docs/operate.md)."
OTHERS = "Somebody else writes to it: look for another program, such as a shell of sqlite3, that has it open."


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("database or disk is full", ROOM),
        ('could not extend file "base/16384/2619": No space left on device', ROOM),
        ("database is locked", OTHERS),
        ("database table is locked: meta", OTHERS),
        ("database disk image is malformed", BROKEN),
        ("malformed database schema (meta)", BROKEN),
        (
            "attempt to write a readonly database",
            "This user may not write to it, or its disk is read-only: give commands as the user that the bot runs as.",
        ),
        (
            "cannot execute INSERT in a read-only transaction",
            "It takes no writes: DATABASE_URL has to lead to the primary.",
        ),
        ("canceling statement due to statement timeout", engines._HELD),
        ('connection to server at "fulltext-locked-db", port 5432 failed: timeout expired', engines._ELSEWHERE),
        ('FATAL:  database "readonly_malformed" does not exist', engines._ELSEWHERE),
    ],
)
def test_what_to_do_about_what_a_database_says(said: str, advice: str) -> None:
    """Each is told by words that SQLite or PostgreSQL says of it; the name of a host, a user or a database is none of them."""
    assert what_to_do(DBAPIError("COMMIT", None, Exception(said))) == advice


@pytest.mark.parametrize("error", [BusyError("another transaction holds the database"), TimeoutError()])
def test_a_turn_that_does_not_come(error: Exception) -> None:
    """Nothing is wrong with DATABASE_URL then: something else holds the database."""
    assert what_to_do(error).startswith("Something else holds it, or it is too slow")


def test_each_migration_is_named_after_its_version() -> None:
    """The program tells from the names what versions it knows; alembic, which is loaded to migrate alone, reads the files."""
    config = Config()
    config.set_main_option("script_location", str(Path(engines.__file__).parent / "migrations"))
    newest_first = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert engines._versions() == newest_first[::-1]


def test_a_new_database_is_as_the_migrations_leave_it(engine: Engine) -> None:
    """Columns, keys, indexes and what keeps the audit append-only are the same, and so is the version."""
    with engine.connect() as connection, connection.begin() as transaction:
        engines._upgrade(connection)
        migrated = shape(connection)
        transaction.rollback()
    migrate(engine)
    with engine.connect() as connection:
        assert shape(connection) == migrated


_INDEXES_AND_TRIGGERS = {
    "sqlite": "SELECT sql FROM sqlite_master WHERE type IN ('index', 'trigger')",
    "postgresql": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' UNION ALL "
    "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
}


_SETTINGS = (
    "SELECT setconfig FROM pg_db_role_setting JOIN pg_database ON setdatabase = pg_database.oid "
    "WHERE datname = current_database()"
)


def shape(connection: Connection) -> tuple[object, ...]:
    """All that a database was told to keep, to refuse and to end, but for the order of the columns."""
    found = inspect(connection)
    told = connection.execute(text(_INDEXES_AND_TRIGGERS[connection.dialect.name])).scalars()
    version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    postgresql = connection.dialect.name == "postgresql"
    settings = connection.execute(text(_SETTINGS)).scalars().all() if postgresql else []
    return {name: _shape_of(found, name) for name in found.get_table_names()}, sorted(map(str, told)), version, settings


def _shape_of(found: Inspector, table: str) -> tuple[object, ...]:
    columns = {one["name"]: {**one, "type": str(one["type"])} for one in found.get_columns(table)}
    keys = found.get_pk_constraint(table), found.get_foreign_keys(table)
    return columns, keys, found.get_unique_constraints(table)


def test_a_database_that_is_ready(engine: Engine) -> None:
    """Migrated, it is ready for a command."""
    migrate(engine)
    check_ready(engine)


def test_a_database_without_tables(url: str, engine: Engine) -> None:
    """A command is told that nothing of ours is there, and makes nothing."""
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).touch()
    with pytest.raises(DatabaseError, match="has no tables of this program's"):
        check_ready(engine)
    with engine.connect() as connection:
        assert not engine.dialect.has_table(connection, "alembic_version")


def test_the_file_of_another_program_gets_no_tables(tmp_path: Path) -> None:
    """`run` on a mistyped DATABASE_URL says whose tables are there, and makes none beside them."""
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE moz_places (url TEXT)")
    engine = open_engine(f"sqlite:///{tmp_path / 'other.db'}")
    with pytest.raises(DatabaseError, match="of some other program, such as moz_places: is DATABASE_URL right"):
        migrate(engine)
    with engine.connect() as connection:
        assert not engine.dialect.has_table(connection, "requests")
    engine.dispose()


def test_a_database_of_an_older_version(engine: Engine) -> None:
    """A command says which version goes with it and that `run` brings it up to date, and migrates nothing."""
    migrate(engine)
    _becomes(engine, "0002")
    with pytest.raises(DatabaseError, match=r"of an older version of this program .* 0002.* `tyk-key-bot run` of this"):
        check_ready(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "0002"


def test_a_database_of_a_newer_version(engine: Engine) -> None:
    """Commands and `run` say the same one sentence, with the way back."""
    migrate(engine)
    _becomes(engine, "9999")
    for look in (check_ready, migrate):
        with pytest.raises(DatabaseError, match=r"of a newer version of .* 9999.* Use that version; the way back"):
            look(engine)


def _becomes(engine: Engine, version: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})


async def test_whether_a_bot_runs(tmp_path: Path) -> None:
    """Told from the lock beside the file, before, while and after one holds it; of a server it cannot be told."""
    url = f"sqlite:///{tmp_path / 'bot.db'}"
    assert has_worker(url) is False
    async with sole_worker(url, patience=0, on_wait=lambda: None):
        assert has_worker(url) is True
    assert has_worker(url) is False
    assert has_worker("postgresql://127.0.0.1/bot") is None
