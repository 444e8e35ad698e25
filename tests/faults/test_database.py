"""The database in trouble: locked by somebody else, cut off, full, and clocks that do not agree."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest
from psycopg import sql
from slack_sdk.web.async_client import AsyncWebClient
from sqlalchemy import Connection, event, func, select, text, update

from bot import database_watch
from bot.cli import execute
from bot.core.in_force import InForce
from bot.core.model import EffectKind, Promise, Rulebook
from bot.database_watch import DatabaseWatch
from bot.effects.sweep_leavers import EVERYBODY
from bot.slack.client import Chat
from bot.store import tables
from bot.store.engine import OtherVersionError, migrate, open_engine
from bot.store.store import Store
from bot.store.threads import Threads
from bot.store.transaction import Transaction
from bot.worker import UNREADABLE_AGAIN
from tests.faults import ends_as_ever, saves_token
from tests.log import Log, lines
from tests.running import quiet
from tests.running.test_start import get
from tests.story import asked, becomes, card, opens_form, picks_api
from tests.world import WITHIN, World, living


def cut_off(url: str) -> int:
    """End every connection to this database but the one that says so; how many there were."""
    with psycopg.connect(url, autocommit=True) as server:
        query = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        row = server.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def breaks(tx: Transaction) -> str:
    """Somebody edits the one request by hand. Returns what stood there."""
    requests = tables.requests
    (kept,) = tx.connection.execute(select(requests.c.rule)).scalars()
    tx.connection.execute(update(requests).values(rule="{", revision=requests.c.revision + 1))
    tx.wrote = True
    return str(kept)


def mends(tx: Transaction, kept: str) -> None:
    tx.connection.execute(update(tables.requests).where(tables.requests.c.rule == "{").values(rule=kept))
    tx.wrote = True


async def test_a_request_that_cannot_be_read_holds_up_nobody_else(
    tmp_path: Path, log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    """R-1001 is broken: others get their tokens, the help channel hears of it and when it is over, the log and the commands say
    which it is, without what stands in it; and once it is mended, it goes on."""
    async with living(tmp_path) as world:
        bob, carol = world.person("bob"), world.person("carol")
        await world.asks("alice", "payments", plan="standard", reason="a-secret-reason")
        shown = await card(world)
        await quiet(world)
        with world.running.store.transaction() as tx:
            kept = breaks(tx)
            tx.connection.execute(update(tables.effects).where(tables.effects.c.kind == "remind").values(due_at=tx.now))
        world.running.worker.wake()
        await carol.sees("can't be read from the database", channel="help", timeout=WITHIN)
        await world.asks("dave", "test-api")
        await world.token_of("dave")
        said = str(lines(log, event="record.unreadable"))
        assert "R-1001 can't be read" in said
        assert execute(["requests"], {"DATABASE_URL": f"sqlite:///{tmp_path / 'bot.db'}"}) == 1
        assert "R-1001 can't be read from the database (ValidationError)" in capsys.readouterr().err
        assert "a-secret-reason" not in said
        with world.running.store.transaction() as tx:
            mends(tx, kept)
        await world.pass_time(UNREADABLE_AGAIN)
        await carol.sees("over", channel="help", timeout=WITHIN)
        await bob.clicks("Approve", shown)
        await world.token_of("alice")
        assert world.slack.app_errors == []


async def test_a_sweep_that_meets_what_cannot_be_read_goes_on_later(tmp_path: Path) -> None:
    """Alice has left, and what she waits for is broken: the help channel hears of it; once mended, the sweep finds her."""
    async with living(tmp_path) as world:
        bob, carol, shown = world.person("bob"), world.person("carol"), await asked(world)
        await quiet(world)
        with world.running.store.transaction() as tx:
            kept = breaks(tx)
            world.slack.workspace.user("alice").deleted = True
            tx.promise(Promise(EffectKind.SWEEP_LEAVERS, EVERYBODY, tx.now))
        world.running.worker.wake()
        await carol.sees("can't be read from the database", channel="help", timeout=WITHIN)
        with world.running.store.transaction() as tx:
            mends(tx, kept)
        await world.pass_time(UNREADABLE_AGAIN)
        await becomes(bob, shown, "Withdrawn")
        assert world.slack.app_errors == []


async def test_another_writer_holds_the_file(tmp_path: Path, log: Log) -> None:
    """While somebody else writes, Alice and Bob are told that nothing is confirmed; both did it once all the same."""
    async with living(tmp_path) as world:
        alice, bob = world.person("alice"), world.person("bob")
        other = sqlite3.connect(tmp_path / "bot.db", timeout=30, isolation_level=None, check_same_thread=False)
        await opens_form(alice)
        await picks_api(alice, "payments")
        await alice.picks("plan", "standard")
        await alice.types("reason", "to build the checkout")
        await asyncio.to_thread(other.execute, "BEGIN IMMEDIATE")
        outcome = await alice.submits()
        other.execute("COMMIT")
        assert outcome.errors == {"api": "That took too long to confirm. Try again: it won't be done twice."}
        assert (await alice.submits()).response_action == "update"
        await alice.sees_view("R-1001")
        shown = await card(world)
        await asyncio.to_thread(other.execute, "BEGIN IMMEDIATE")
        click = await bob.clicks("Approve", shown)
        await bob.sees_view("That took too long to confirm.")
        other.execute("COMMIT")
        other.close()
        assert click.error is None
        token = await world.token_of("alice")
        await saves_token(world)
        await ends_as_ever(world, token)
        assert len(lines(log, event="listener.late")) == 2


async def test_every_connection_is_cut(tmp_path: Path, log: Log, postgres: str) -> None:
    """PostgreSQL ends the bot's connections before each step; the next transaction has a new one, and nothing is lost."""
    async with living(tmp_path, database_url=postgres) as world:
        await quiet(world)
        cut = [cut_off(postgres)]
        await world.asks("alice", "payments", plan="standard")
        shown = await card(world)
        await quiet(world)
        cut.append(cut_off(postgres))
        assert (await world.person("bob").clicks("Approve", shown)).error is None
        token = await world.token_of("alice")
        await quiet(world)
        cut.append(cut_off(postgres))
        await saves_token(world)
        await ends_as_ever(world, token)
        assert all(cut)
        assert lines(log, log_level="error") == []


async def test_connections_are_cut_while_tyk_works(tmp_path: Path, postgres: str) -> None:
    """What Tyk answered is stored through a new connection: one key was made, and Alice has its token."""
    async with living(tmp_path, database_url=postgres) as world:
        await world.asks("alice", "payments", plan="standard")
        shown = await card(world)
        await quiet(world)
        world.tyk.faults.slow = 3.0
        await world.person("bob").clicks("Approve", shown)
        await world.tyk.called("POST /api/keys")
        await world.told("approved")
        assert cut_off(postgres) > 0
        world.tyk.faults.slow = 0
        world.tyk.faults.release()
        token = await world.token_of("alice")
        assert [entry.token for entry in world.tyk.keys] == [token]


async def test_a_yes_whose_commit_is_not_answered(tmp_path: Path, log: Log, postgres: str) -> None:
    """The server goes away at that moment: Bob reads that his yes is not confirmed, says it again, and Alice has one token."""
    async with living(tmp_path, database_url=postgres) as world:
        bob = world.person("bob")
        await world.asks("alice", "payments", plan="standard")
        shown, cut = await card(world), list[int]()
        await quiet(world)

        def goes_away(connection: Connection) -> None:
            is_people = threading.current_thread().name.startswith("store-people")
            if is_people and connection.get_execution_options()["writes"] and not cut:
                cut.append(cut_off(postgres))

        event.listen(world.running.store.engine, "commit", goes_away)
        assert (await bob.clicks("Approve", shown)).error is None
        await bob.sees_view("That took too long to confirm.")
        assert len(lines(log, event="listener.unconfirmed")) == 1
        await bob.clicks("Approve", shown)
        token = await world.token_of("alice")
        assert [entry.token for entry in world.tyk.keys] == [token]
        await saves_token(world)
        await ends_as_ever(world, token)


async def test_now_is_the_databases(postgres: str) -> None:
    """Where PostgreSQL's clock is an hour ahead of ours, so is every replica that decides by it."""
    with psycopg.connect(postgres, autocommit=True) as server:
        name = sql.Identifier(server.info.dbname)
        server.execute("CREATE SCHEMA ahead")
        server.execute(
            "CREATE FUNCTION ahead.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE "
            "AS $$ SELECT pg_catalog.clock_timestamp() + interval '1 hour' $$"
        )
        server.execute(sql.SQL("ALTER DATABASE {} SET search_path = ahead, pg_catalog, public").format(name))
    stores = [Store(open_engine(postgres)) for _ in range(2)]
    try:
        for store in stores:
            with store.transaction() as tx:
                ahead = tx.now - datetime.now(UTC)
            assert timedelta(minutes=59) < ahead < timedelta(minutes=61)
    finally:
        for store in stores:
            await store.close()


@pytest.mark.usefixtures("at_once")
async def test_the_disk_is_full(tmp_path: Path, log: Log) -> None:
    """Alice gets a sentence with an id and nothing is half stored; the operator hears of it although what is stored can be read.
    When there is space again, that is said, and the same form is taken."""
    async with living(tmp_path) as world:
        alice, engine = world.person("alice"), world.running.store.engine
        await world.asks("alice", "payments", plan="standard", reason="🐳" * 500)  # the pages at hand are nearly full
        await card(world)
        await quiet(world)
        await opens_form(alice)
        await picks_api(alice, "payments")
        await alice.picks("plan", "standard")
        await alice.types("reason", "🐳" * 500)
        before = await counted(world)
        full = [True]

        def limit(connection: object) -> None:
            most = "1" if full[0] else "1073741823"
            connection.exec_driver_sql(f"PRAGMA max_page_count = {most}")  # type: ignore[attr-defined]  # the event's type

        event.listen(engine, "begin", limit)
        outcome = await alice.submits()
        assert outcome.response_action == "errors"
        told = re.fullmatch(
            r"Something went wrong here \(id ([0-9a-f]{8})\)\. Try again, or ask in the help channel\.",
            outcome.errors["api"],
        )
        assert told
        assert lines(log, event="submission.failed", fault=told[1]), "the id leads to the line that says why"
        assert await counted(world) == before
        await hears_of_it(world, "Make room on its disk.")
        full[0] = False
        await hears_that_it_is_over(world)
        assert (await alice.submits()).response_action == "update"
        await world.person("bob").clicks("Approve", await card(world, containing="R-1002"))
        token = await world.token_of("alice")
        assert [entry.token for entry in world.tyk.usable_keys()] == [token]
        assert (await world.events()).count("asked") == 2


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that takes nothing is told of in a moment."""
    for name in ("AGAIN", "TELL_AFTER"):
        monkeypatch.setattr(database_watch, name, 0.1)


async def hears_of_it(world: World, advice: str) -> None:
    """The help channel and `/readyz` say it, with what to do, and there is a metric."""
    told = await world.person("carol").sees(database_watch.WRONG, channel="help", timeout=WITHIN)
    since, _, wrong = told.text.removesuffix(f" {database_watch.UNTIL}").partition(": ")
    assert re.fullmatch(r"Since <!date\^\d+\^.+ UTC>", since), "it stays true where a restart ends it"
    assert advice in wrong
    ready, text = await get(world, "/readyz")
    assert (ready, json.loads(text)["cannot"]) == (503, [wrong])
    assert "tyk_key_bot_database_up 0.0" in (await get(world, "/metrics"))[1]


async def hears_that_it_is_over(world: World) -> None:
    told = await world.person("carol").sees(database_watch.OVER, channel="help", timeout=WITHIN)
    assert told.text.startswith("Over since <!date^")
    assert (await get(world, "/readyz"))[0] == 200
    assert "tyk_key_bot_database_up 1.0" in (await get(world, "/metrics"))[1]


@pytest.mark.usefixtures("at_once")
async def test_the_file_is_deleted_or_replaced(tmp_path: Path, log: Log) -> None:
    """What would be gone when the bot stops is not stored, and the operator hears why; it goes on where the file is back. Its
    path stands in the log alone."""
    async with living(tmp_path) as world:
        await quiet(world)
        file, kept = tmp_path / "bot.db", tmp_path / "kept.db"
        file.rename(kept)
        await hears_of_it(world, "Its file was deleted or replaced while it was in use.")
        (failed,) = lines(log, event="database.fails")
        assert failed["what"].startswith(f"{file} was deleted or replaced")
        assert not file.exists(), "an empty one would look like a new start"
        file.write_bytes(kept.read_bytes())
        assert (await get(world, "/readyz"))[0] == 503
        kept.replace(file)
        await hears_that_it_is_over(world)
        await world.asks("alice", "test-api")
        await world.token_of("alice")


async def test_a_write_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk hangs in the middle of a commit: the look ends, and says what to look at; when the disk goes on, it stores again."""
    monkeypatch.setattr(database_watch, "ENDS_WITHIN", 0.1)
    store = Store(open_engine(f"sqlite:///{tmp_path / 'bot.db'}"), threads=Threads(one_writer=True))
    migrate(store.engine)
    watch = DatabaseWatch(store, Chat(AsyncWebClient()), InForce(Rulebook("", {})))
    goes_on = threading.Event()
    event.listen(store.engine, "commit", lambda _: goes_on.wait(WITHIN))
    try:
        async with asyncio.timeout(WITHIN / 2):
            await watch.look()
        assert "A write has not ended for 15 seconds: look at its disk" in watch.wrong
        goes_on.set()
        while watch.wrong:
            await watch.look()
        with store.reading() as tx:
            rooms = select(func.count()).select_from(tables.meta).where(tables.meta.c.name.startswith("room"))
            assert tx.connection.execute(rooms).scalar_one() == 0
    finally:
        goes_on.set()
        await store.close()


class Broken(AsyncWebClient):
    """A client with a fault of ours in it."""

    async def api_call(self, *_: object, **__: object) -> NoReturn:
        raise LookupError


async def test_a_fault_in_telling_does_not_end_the_watch(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong with the message is in the log; the next look comes all the same."""
    monkeypatch.setattr(database_watch, "TELL_AFTER", 0)
    store = Store(open_engine(f"sqlite:///{tmp_path / 'bot.db'}"))
    migrate(store.engine)
    watch = DatabaseWatch(store, Chat(Broken()), InForce(Rulebook("", {})))
    with store.engine.begin() as connection:
        connection.execute(text("DROP TABLE meta"))
    await watch.look()
    assert "It lacks a table" in watch.wrong
    assert len(lines(log, event="database.untold", log_level="error")) == 1
    await store.close()


async def test_a_replica_that_stands_still_in_its_look(postgres: str) -> None:
    """The other ones' looks do not wait for it; and what a look writes takes the room that it is to test."""
    stores = [Store(open_engine(postgres)) for _ in range(2)]
    migrate(stores[0].engine)
    still, other = (DatabaseWatch(store, Chat(AsyncWebClient()), InForce(Rulebook("", {}))) for store in stores)
    with stores[0].transaction() as tx:
        still._fill(tx)
        size = tx.connection.execute(text("SELECT max(pg_column_size(value)) FROM meta")).scalar_one()
        await other.look()
    assert (other.wrong, size >= database_watch.ROOM) == ("", True)
    for store in stores:
        await store.close()


async def test_tables_of_a_newer_version(tmp_path: Path) -> None:
    """Another replica brought them to its version: the one that runs ends with the sentence that the next start would say."""
    store = Store(open_engine(f"sqlite:///{tmp_path / 'bot.db'}"))
    migrate(store.engine)
    watch = DatabaseWatch(store, Chat(AsyncWebClient()), InForce(Rulebook("", {})))
    await watch.look()
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(OtherVersionError, match="of a newer version of this program"):
        await watch.look()
    await store.close()


async def counted(world: World) -> dict[str, int]:
    """How many rows each table has."""
    with world.running.store.engine.connect().execution_options(writes=False) as connection:
        return {
            table.name: int((connection.execute(select(func.count()).select_from(table))).scalar_one())
            for table in tables.metadata.sorted_tables
            if table is not tables.counters
        }
