"""The bot on its databases: what is guarded, who may write, and what a lost seal key costs."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from bot import app
from bot.core.model import EffectKind
from bot.sandbox.world import World as Place
from bot.store.engine import DatabaseError
from bot.store.seal import new_key
from tests.running import bot_in, empty_place, failed, verb
from tests.world import WITHIN, living


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[str]:
    """A database of this test's own."""
    name = f"bot_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'bot.db'}"
    url: str = request.getfixturevalue("postgres")
    return url


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
            with pytest.raises(DBAPIError):
                async with world.running.store.engine.begin() as connection:
                    await connection.execute(text(statement))
        assert await world.trail() == before


async def test_the_audit_cannot_be_emptied_on_postgresql(tmp_path: Path, postgres: str) -> None:
    """TRUNCATE is refused too."""
    async with living(tmp_path, database_url=postgres) as world:
        with pytest.raises(DBAPIError):
            async with world.running.store.engine.begin() as connection:
                await connection.execute(text("TRUNCATE audit"))
        assert await world.events() == ["configured"]


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
            await second.person("alice").rung("got stuck", timeout=WITHIN)
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
