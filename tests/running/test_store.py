"""The bot on its databases: what is guarded, who may write, and what a lost seal key costs."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
import structlog
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from bot import app
from bot.core import facts, lifecycle
from bot.core.chain import prove
from bot.core.lifecycle import Asked
from bot.core.model import (
    Answers,
    Audience,
    AuditEvent,
    EffectKind,
    Identity,
    MessageKind,
    Person,
    Record,
    RequestId,
    Transition,
    Verdict,
)
from bot.local.world import World as Place
from bot.store import chain, rows, statements, tables
from bot.store import engine as engines
from bot.store.engine import DatabaseError, check_ready, migrate, open_engine
from bot.store.seal import Seal, new_key
from bot.store.store import Store
from bot.store.transaction import Transaction as Reading
from tests.core.life import ALICE, DAY, PAYMENTS, Ids, person
from tests.running import backed_up, bot_in, empty_place, failed, quiet, restore, restored_in, stored, verb
from tests.story import asked, becomes
from tests.world import WITHIN, World, living

T = TypeVar("T")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'bot.db'}"
    url: str = request.getfixturevalue("postgres")
    return url


async def test_a_database_of_the_first_version_goes_on(tmp_path: Path, database_url: str) -> None:
    """What it stored is read by this version, and the message of its token is known for what it is."""
    seal = new_key()
    async with living(tmp_path, database_url=database_url, SEAL_KEYS=seal) as world:
        await world.asks("alice", "test-api")
        await world.told("sent")
        await quiet(world)
    await _back_to_the_first(database_url)
    async with living(tmp_path, database_url=database_url, SEAL_KEYS=seal) as world:
        with world.running.store.reading() as tx:
            record = tx.numbered(1001)
        assert record is not None
        assert record.grant is not None
        assert record.grant.left_at is None
        (key,) = record.keys
        message = record.token_message(key.id)
        assert message is not None
        assert message.key_id is None
        await _is_chained_from_there_on(world, seal)


async def test_the_way_back_after_an_upgrade(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The backup of before is what the earlier version left, to the last byte of a row: that version takes it, and this one goes
    on with it. Dave's request waits again; the keys that were granted since are found by their mark and ended."""
    file = tmp_path / "bot.db"
    given = {"DATABASE_URL": f"sqlite:///{file}", "SEAL_KEYS": new_key()}
    async with empty_place() as place:
        place.tyk.switches.enable_hashed_keys_listing = True
        async with bot_in(place, **given) as world:
            await world.asks("alice", "test-api")
            await world.token_of("alice")
            shown = await asked(world, "dave")
            await quiet(world)
        await _back_to_the_first(given["DATABASE_URL"])
        left = _dumped(file)
        backup = await backed_up(tmp_path)
        async with bot_in(place, **given) as world:
            await world.asks("carol", "test-api")
            await world.token_of("carol")
            await world.person("bob").clicks("Approve", shown)
            await world.token_of("dave")
            await quiet(world)
        known, *since = place.tyk.usable_keys()
        assert len(since) == 2
        engine = open_engine(given["DATABASE_URL"])
        with monkeypatch.context() as earlier:
            earlier.setattr(engines, "_versions", lambda: ["0001"])
            with pytest.raises(DatabaseError, match="of a newer version"):
                check_ready(engine)
            engine.dispose()
            restore(backup)
            check_ready(engine)
        engine.dispose()
        assert _dumped(file) == left
        async with restored_in(place, **given) as world:
            assert await verb(tmp_path, "reconcile", "--end", "--yes", TYK_DASHBOARD_KEY=world.tyk.credential) == 0
            said = capsys.readouterr().out
            assert all(f"key {one.hash}: I don't know this key" in said for one in since)
            assert place.tyk.usable_keys() == [known]
            await world.person("bob").clicks("Approve", await becomes(world.person("bob"), shown, "needs to approve"))
            await stored(world, lambda tx: (one := tx.numbered(1002)) and one.grant)


def _dumped(path: Path) -> str:
    """All that stands in the file, as statements."""
    with closing(sqlite3.connect(path)) as connection:
        return "\n".join(connection.iterdump())


async def _is_chained_from_there_on(world: World, seal: str) -> None:
    """The rows that were there are as they were, the first one behind them says that the chain begins, and all of it fits."""
    trail = await world.trail()
    begins = next(entry for entry in trail if entry.event is AuditEvent.CHAINED)
    asked = next(entry for entry in trail if entry.event is AuditEvent.ASKED)
    assert asked.details["reason"] == "to build the checkout"
    with world.running.store.reading() as tx:
        assert tx.connection.execute(select(tables.audit_texts.c.texts)).first() is not None
        proof = prove(chain.lines(tx.connection), chain.keys(tx, Seal([seal])).keys)
    assert not proof.misfit, proof.misfit
    assert (proof.older, proof.begins) == (begins.number - 1, begins.number)


_SINCE_THE_FIRST = (
    "review_at",
    "asked_at",
    "reminded_at",
    "left_at",
    "kept_at",
    "kept_team",
    "kept_user",
    "holder_asked_at",
    "in_use_at",
)


async def _back_to_the_first(url: str) -> None:
    """As the first version left the tables."""
    added = [("grants", name) for name in _SINCE_THE_FIRST]
    added += [
        ("grants", "extended_at"),
        ("grants", "extended_by"),
        ("requests", "extends"),
        ("requests", "extends_number"),
    ]
    added += [("messages", "key_id"), ("requests", "revision"), ("requests", "opens")]
    added += [("effects", "urgency"), ("effects", "why")]
    added += [("reviews", "void"), ("requests", "undecidable"), ("requests", "undecidable_since")]
    added += [("requests", "asked_plan"), ("requests", "asked_lifetime"), ("requests", "questions")]
    added += [("messages", "question_id"), ("requests", "asker"), ("requests", "erased_at")]
    added += [("keys", "gone_at"), ("keys", "dead_at"), ("counters", "head")]
    added += [("audit", name) for name in ("texts", "prev", "chain_key", "link")]
    indexes = [index.name for table in tables.metadata.sorted_tables for index in table.indexes]
    later = [
        name
        for name in indexes
        if name
        and name.startswith(("effects_", "requests_by_state", "grants_", "reviews_", "keys_at_tyk", "requests_by_age"))
    ]
    engine = open_engine(url)
    with engine.begin() as connection:
        for name in later:
            connection.execute(text(f"DROP INDEX {name}"))
        connection.execute(text("DROP TABLE outages"))
        _put_texts_back(connection)
        for table in ("ids", "findings", "names", "audit_threads", "audit_texts"):
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text("CREATE INDEX effects_due ON effects (state, due_at)"))
        for table, column in added:
            connection.execute(text(f"ALTER TABLE {table} DROP COLUMN {column}"))
        connection.execute(text("ALTER TABLE messages RENAME COLUMN topic TO ring"))
        for kind, first in (("notice", "ring"), ("reminder", "note"), ("question", "case"), ("alert", "alarm")):
            connection.execute(text(f"UPDATE messages SET kind = '{first}' WHERE kind = '{kind}'"))  # noqa: S608 - words of our own
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    engine.dispose()


def _put_texts_back(connection: Connection) -> None:
    """What people typed stood in the rows of the audit, which were not chained."""
    connection.execute(text("DELETE FROM meta WHERE name = 'audit keys'"))
    if connection.dialect.name == "postgresql":
        connection.execute(text("ALTER TABLE audit DISABLE TRIGGER audit_append_only"))
    else:
        connection.execute(text("DROP TRIGGER audit_no_update"))
    for row in connection.execute(statements.audited()).all():
        details = json.dumps(rows.entry_of(row).details)
        connection.execute(
            text("UPDATE audit SET details = :details WHERE number = :number"),
            {"details": details, "number": row.number},
        )
    if connection.dialect.name == "sqlite":
        refuses = "BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END"
        connection.execute(text(f"CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit {refuses}"))


async def test_the_audit_is_for_ever(tmp_path: Path, database_url: str) -> None:
    """Neither engine lets a row of the audit be changed or deleted, and it is as it was."""
    async with living(tmp_path, database_url=database_url) as world:
        await world.asks("alice", "test-api")
        await world.told("sent")
        before = await world.trail()
        assert len(before) >= 4
        for statement in (
            "UPDATE audit SET details = '{}'",
            "DELETE FROM audit",
            "DELETE FROM audit WHERE number = 2",
            "INSERT OR REPLACE INTO audit (number, at, event, details) SELECT number, at, 'asked', '{}' FROM audit",
        ):
            with pytest.raises(DBAPIError), world.running.store.engine.begin() as connection:
                connection.execute(text(statement))
        assert await world.trail() == before


async def test_the_audit_cannot_be_emptied_on_postgresql(tmp_path: Path, postgres: str) -> None:
    """TRUNCATE is refused too."""
    async with living(tmp_path, database_url=postgres) as world:
        with pytest.raises(DBAPIError), world.running.store.engine.begin() as connection:
            connection.execute(text("TRUNCATE audit"))
        assert await world.events() == ["configured"]


# --- who waits and holds ----------------------------------------------------------------------------------------------


class Shelf:
    """Requests of several people in a database, as they come to stand there."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.ids = Ids()

    async def asks(self, who: Person, api: str = "payments", held: Record | None = None) -> Record:
        rule = replace(PAYMENTS, name=api, approvals=1, approvers=Audience(users=frozenset({"UBOB"})))
        with self.store.transaction() as tx:
            number = tx.next_number()
            form = Asked(RequestId(f"{api}-{number}"), rule.plans[0], 7 * DAY, Answers(reason="because"))
            return tx.apply(lifecycle.submit(form, who, rule, "digest", number, tx.now, self.ids, held=held))

    async def holds(self, who: Person, api: str = "payments") -> Record:
        record = await self.asks(who, api)
        with self.store.transaction() as tx:
            tx.record(record.request.id)
            step = lifecycle.review(record, record.request.rule, person("bob"), Verdict.YES, "", tx.now, self.ids)
            return tx.apply(step)

    async def loses(self, record: Record) -> Record:
        """The grant is revoked."""
        with self.store.transaction() as tx:
            tx.record(record.request.id)
            return tx.apply(lifecycle.revoke(record, None, "why", tx.now, self.ids))

    async def learns(self, record: Record, fact: facts.Fact) -> Record:
        with self.store.transaction() as tx:
            tx.record(record.request.id)
            return tx.apply(lifecycle.observe(record, fact, tx.now, self.ids))

    async def finds(self, look: Callable[[Reading], T]) -> T:
        return await self.store.read(look)


@pytest.fixture
async def shelf(database_url: str) -> AsyncIterator[Shelf]:
    engine = open_engine(database_url)
    migrate(engine)
    yield Shelf(Store(engine))
    engine.dispose()


def numbers(records: tuple[Record, ...]) -> list[int]:
    return [record.request.number for record in records]


ANNE = person("anne", "S0DEVS")


async def test_what_stands_and_what_is_past(shelf: Shelf) -> None:
    """Waiting and running is standing, the newest first; ended and decided otherwise is past, what ended last first; and each
    person's own."""
    waiting, running, over = await shelf.asks(ALICE), await shelf.holds(ALICE), await shelf.holds(ALICE)
    gone = await shelf.asks(ALICE, "ledger")
    await shelf.learns(gone, facts.Left("gone"))
    await shelf.holds(ANNE)
    shelf.store.skew += timedelta(seconds=1)
    await shelf.loses(over)
    who = ALICE.identity
    assert numbers(await shelf.finds(lambda tx: tx.standing(who))) == numbers((running, waiting))
    assert numbers(await shelf.finds(lambda tx: tx.standing(who, "ledger"))) == []
    assert numbers(await shelf.finds(lambda tx: tx.standing(who, limit=1))) == numbers((running,))
    assert numbers(await shelf.finds(lambda tx: tx.past(who, 5))) == numbers((over, gone))
    assert numbers(await shelf.finds(lambda tx: tx.past(who, 1))) == numbers((over,))
    assert await shelf.finds(lambda tx: tx.past(Identity("T0", "UMALLORY"), 5)) == ()


async def test_what_counts_towards_the_most_that_one_person_may_have(shelf: Shelf) -> None:
    """What waits and what runs, each of one API: not what is over, another API's or person's, or a request for more time."""
    waiting, running, over = await shelf.asks(ALICE), await shelf.holds(ALICE), await shelf.holds(ALICE)
    elsewhere = await shelf.asks(ALICE, "ledger")
    await shelf.loses(over)
    await shelf.asks(ANNE)
    await shelf.asks(ALICE, held=running)
    assert await shelf.finds(lambda tx: tx.held(ALICE.identity, "payments")) == tuple(numbers((waiting, running)))
    assert await shelf.finds(lambda tx: tx.held(ALICE.identity, "ledger")) == tuple(numbers((elsewhere,)))


async def test_more_than_fifty_stand(shelf: Shelf) -> None:
    """Whoever counts them, or ends them, has them all; a list looks at the newest."""
    for _ in range(51):
        await shelf.asks(ALICE)
    assert len(await shelf.finds(lambda tx: tx.standing(ALICE.identity))) == 51
    assert len(await shelf.finds(lambda tx: tx.standing(ALICE.identity, limit=50))) == 50


async def test_whose_holder_was_found_to_have_left(shelf: Shelf) -> None:
    """Who returns is looked for among these alone, and is none of them once they are back."""
    await shelf.asks(ALICE)
    kept, left = await shelf.holds(ALICE), await shelf.holds(ALICE)
    who = ALICE.identity
    assert await shelf.finds(lambda tx: tx.standing(who, left=True)) == ()
    left = await shelf.learns(left, facts.Left("gone"))
    assert numbers(await shelf.finds(lambda tx: tx.standing(who, left=True))) == numbers((left,))
    assert numbers(await shelf.finds(lambda tx: tx.standing(who)))[:2] == numbers((left, kept))
    await shelf.learns(left, facts.Returned())
    assert await shelf.finds(lambda tx: tx.standing(who, left=True)) == ()


async def test_people_are_found_some_at_a_time(shelf: Shelf) -> None:
    """Everybody who waits for something or holds something, once each and in order, however the pages fall."""
    holders = [person(f"h{number:02}") for number in range(7)]
    for holder in reversed(holders):
        await shelf.holds(holder)
        await shelf.asks(holder, "ledger")
    await shelf.loses(await shelf.holds(person("h99")))
    everybody = [holder.identity for holder in holders]
    for size in (1, 3, 7, 10):
        found: list[Identity] = []
        for _ in range(len(everybody) // size + 1):
            after = found[-1].user_id if found else ""
            with shelf.store.reading() as tx:
                page = tx.people(after, size)
            assert len(page) <= size
            found += page
        assert found == everybody


async def test_what_waits_for_a_decision(shelf: Shelf) -> None:
    """The oldest first, of some APIs or of all, and never what was decided."""
    first, _, second = await shelf.asks(ALICE), await shelf.holds(ALICE), await shelf.asks(ANNE, "ledger")
    third = await shelf.asks(ANNE)
    ids = [one.request.id for one in (first, second, third)]
    assert list(await shelf.finds(lambda tx: tx.waiting())) == ids
    assert list(await shelf.finds(lambda tx: tx.waiting(["payments"]))) == [ids[0], ids[2]]
    assert list(await shelf.finds(lambda tx: tx.waiting(["payments", "ledger"], 2))) == ids[:2]
    assert await shelf.finds(lambda tx: tx.waiting([])) == ()


async def test_a_bad_day_is_stored_as_it_was_decided(shelf: Shelf) -> None:
    """When approvers are asked, when they were, who left, and which key a token's message is for: read as they were written."""
    record = await shelf.learns(await shelf.holds(ALICE), facts.Left("gone"))
    assert record.grant is not None
    at = tables.from_ms(1_795_000_000_123)
    record = replace(record, grant=replace(record.grant, review_at=at, asked_at=at + DAY, reminded_at=at + 2 * DAY))
    with shelf.store.transaction() as tx:
        tx.record(record.request.id)
        tx.apply(Transition(record))
    stored = await shelf.finds(lambda tx: tx.record(record.request.id))
    assert stored == record
    assert record.grant is not None
    assert record.grant.left_at is not None
    assert [one.key_id for one in record.messages if one.kind is MessageKind.TOKEN] == [record.keys[0].id]


# --- who may write ----------------------------------------------------------------------------------------------------


@pytest.fixture
def warnings() -> Iterator[list[MutableMapping[str, Any]]]:
    """What is logged from WARNING on."""
    before = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with capture_logs() as logs:
        yield logs
    structlog.configure(wrapper_class=before)


async def test_a_second_worker_on_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warnings: list[MutableMapping[str, Any]]
) -> None:
    """It waits, saying so once, and then refuses with a sentence; the first goes on."""
    monkeypatch.setattr(app, "LOCK_PATIENCE", 0.3)
    database = f"sqlite:///{tmp_path / 'bot.db'}"
    async with empty_place() as place, bot_in(place, DATABASE_URL=database) as first:
        with pytest.raises(DatabaseError, match=r"Another worker holds .*bot\.db\.lock\. Only one may"):
            async with bot_in(place, DATABASE_URL=database):
                raise AssertionError("two workers on one file")
        assert [line["event"] for line in warnings].count("database.waiting") == 1
        await first.asks("alice", "test-api")
        await first.token_of("alice")


async def test_a_worker_that_waits_its_turn(tmp_path: Path) -> None:
    """When the first ends, the second takes over, and keeps what the first could not."""
    environ = {"DATABASE_URL": f"sqlite:///{tmp_path / 'bot.db'}", "SEAL_KEYS": new_key()}
    async with empty_place() as place:
        waiting = bot_in(place, **environ)
        async with bot_in(place, **environ) as first:
            place.tyk.faults.next("POST /api/keys", status=500, times=1000)
            await first.asks("alice", "test-api")
            await failed(first, EffectKind.ISSUE_KEY)
            second_starts = asyncio.create_task(waiting.__aenter__())
        place.tyk.faults.clear()
        second = await second_starts
        token = await second.token_of("alice")
        assert place.tyk.opens(token, "/test-api/")[0] == 200
        await waiting.__aexit__(None, None, None)


async def test_two_replicas_on_postgresql(postgres: str) -> None:
    """Two bots on one database: each request makes one key and shows one token, and the audit is whole and told in order."""
    environ = {"DATABASE_URL": postgres, "SEAL_KEYS": new_key()}
    async with empty_place() as place, bot_in(place, **environ) as one, bot_in(place, **environ):
        await place.slack.connected(4)
        for who in ("alice", "bob", "dave"):
            await one.asks(who, "test-api")
        tokens = [await one.token_of(who) for who in ("alice", "bob", "dave")]
        await one.told("sent", 3)
        assert len(place.tyk.calls("POST /api/keys")) == 3
        assert sorted(entry.token for entry in place.tyk.keys) == sorted(tokens)
        trail = await one.trail()
        assert [entry.number for entry in trail] == list(range(1, len(trail) + 1))
        assert [entry.event.value for entry in trail].count("sent") == 3
        told = [message.text for message in one.person("carol").messages("audit")]
        numbers = [int(number) for number in re.findall(r"^#([0-9]+) ", "\n".join(told), re.MULTILINE)]
        assert numbers == sorted(set(numbers))


async def test_verbs_beside_a_bot_on_postgresql(
    tmp_path: Path, postgres: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """They read and write while it works, and what they promise it keeps."""
    database = {"DATABASE_URL": postgres}
    async with living(tmp_path, database_url=postgres) as world:
        await world.asks("alice", "test-api")
        await world.told("sent")
        assert await verb(tmp_path, "keys", "--format", "jsonl", **database) == 0
        assert '"R-1001"' in capsys.readouterr().out
        assert await verb(tmp_path, "audit", **database) == 0
        assert "key created" in capsys.readouterr().out
        assert await verb(tmp_path, "revoke", "--api", "test-api", "--yes", **database) == 0
        await world.told("key deleted")
        assert not world.tyk.usable_keys()


# --- the seal ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def undelivered(environ: dict[str, str]) -> AsyncIterator[Place]:
    """A world whose bot stopped when the key was made, but Slack did not take the token."""
    async with empty_place() as place:
        async with bot_in(place, **environ) as first:
            place.slack.faults.next("chat.update", error="internal_error", times=None)
            await first.asks("alice", "test-api")
            await failed(first, EffectKind.DELIVER_TOKEN)
        place.slack.faults.clear()
        yield place


async def test_a_rotated_seal_key(tmp_path: Path) -> None:
    """A token that was sealed with the old key is shown where the new one stands before it."""
    old, new = new_key(), new_key()
    database = {"DATABASE_URL": f"sqlite:///{tmp_path / 'bot.db'}"}
    async with undelivered({**database, "SEAL_KEYS": old}) as place:
        async with bot_in(place, **database, SEAL_KEYS=f"{new} {old}") as second:
            token = await second.token_of("alice")
        assert [entry.token for entry in place.tyk.keys] == [token]


async def test_a_lost_seal_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is stuck and told, no second key is made, and with the old key back `retry` shows the token."""
    old, new = new_key(), new_key()
    database = {"DATABASE_URL": f"sqlite:///{tmp_path / 'bot.db'}"}
    async with undelivered({**database, "SEAL_KEYS": old}) as place:
        async with bot_in(place, **database, SEAL_KEYS=new) as second:
            await second.person("alice").rung("is stuck", timeout=WITHIN)
            await second.told("stuck")
            assert await verb(tmp_path, "requests") == 0
            assert "deliver_token(seal_key_lost)" in capsys.readouterr().out
        assert len(place.tyk.calls("POST /api/keys")) == 1
        async with bot_in(place, **database, SEAL_KEYS=f"{new},{old}") as third:
            assert await verb(tmp_path, "retry", "--all") == 0
            token = await third.token_of("alice")
        assert [entry.token for entry in place.tyk.keys] == [token]


async def test_a_grant_ends_without_its_seal_key(tmp_path: Path) -> None:
    """Where keys are named by hash, a key is deleted although nobody can open its token any more."""
    database = {"DATABASE_URL": f"sqlite:///{tmp_path / 'bot.db'}"}
    async with undelivered({**database, "SEAL_KEYS": new_key()}) as place:
        async with bot_in(place, **database, SEAL_KEYS=new_key()) as second:
            await second.told("stuck")
            assert await verb(tmp_path, "revoke", "R-1001", "--yes") == 0
            await second.told("key deleted")
        assert not place.tyk.usable_keys()
