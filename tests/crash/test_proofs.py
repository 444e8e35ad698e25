"""The quick share of the proofs that need processes or a search, and the control that shows that they bite."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from bot.effects import issue_key
from tests.crash import interleavings, real
from tests.crash.outside import Fates
from tests.crash.proofs import answers, fresh, told
from tests.crash.story import LIFETIME

LIVES = 3


async def test_two_replicas_interleaved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every interleaving of two replicas and one revocation, leases running out once, without further mishaps."""
    monkeypatch.setattr(interleavings, "MISHAPS", 0)
    tally = await interleavings.every_interleaving()
    assert tally.tried > 500
    assert tally.failures == []


async def test_two_replicas_extend_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every interleaving of the two, one revocation and leases running out: no key ends later at Tyk than was granted."""
    monkeypatch.setattr(interleavings, "MISHAPS", 0)
    tally = await interleavings.every_interleaving(interleavings.Extending)
    assert tally.tried > 100
    assert tally.failures == []


async def test_a_replica_and_a_revocation_at_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every interleaving of a replica with an operator's own process that ends the grant and deletes its key."""
    monkeypatch.setattr(interleavings, "MISHAPS", 0)
    tally = await interleavings.every_interleaving(interleavings.AtTheCommandLine)
    assert tally.tried > 200
    assert tally.failures == []


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_real_deaths(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The process is killed with requests in flight, and started again: every request ends in one key."""
    tally = await real.deaths(LIVES, _database(kind, tmp_path, request), tmp_path)
    assert tally.failures == []
    assert tally.tried == tally.survived > 0


async def test_sigterm_under_load(tmp_path: Path) -> None:
    """It ends with 0 within its grace time, and leaves no lease behind."""
    tally = await real.gentle(f"sqlite:///{tmp_path / 'bot.db'}", tmp_path)
    assert tally.failures == []


async def test_a_replica_frozen_in_a_transaction(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """It stands still with its locks in hand, and within half a minute the other goes on."""
    tally = await real.frozen(_database("postgres", tmp_path, request), tmp_path)
    assert tally.failures == []
    assert tally.tried == tally.survived > 0


async def test_the_control_fails_at_a_lost_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one creates, then records: a key made with its final end at once is one too many when its answer is lost."""
    engine = fresh()
    story = await told(engine, Fates())
    issued = [number for number in answers(story.fates.passed) if story.fates.passed[number] == "after issue"]
    monkeypatch.setattr(issue_key, "PROBATION", 520 * LIFETIME)
    with pytest.raises(AssertionError, match="the key that lasts is the one that was shown"):
        await told(engine, Fates(deaths=frozenset(issued)))
    engine.dispose()


async def test_the_control_fails_at_real_deaths(tmp_path: Path) -> None:
    """The same variant as a process: killed while Tyk answers, it leaves keys that nobody was granted."""
    tally = await real.deaths(
        2 * LIVES, f"sqlite:///{tmp_path / 'bot.db'}", tmp_path, module="tests.crash.obvious", slow=0.4
    )
    assert "open something that nobody was granted" in str(tally.failures)


def _database(kind: str, folder: Path, request: pytest.FixtureRequest) -> str:
    if kind == "sqlite":
        return f"sqlite:///{folder / 'bot.db'}"
    server: str = request.getfixturevalue("postgres_url")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS deaths WITH (FORCE)")
        connection.execute("CREATE DATABASE deaths")
    return server.replace("/postgres?", "/deaths?")
