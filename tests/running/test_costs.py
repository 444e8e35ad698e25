"""What one token costs: transactions, statements and calls of Slack, counted. How long they take is the bench's business."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from bot.core.audit import RUNS
from bot.core.model import EffectState
from bot.store import outbox, transaction
from bot.store.engine import open_engine
from bot.store.store import Store
from tests.running import quiet
from tests.story import card
from tests.world import World, living


@pytest.fixture
def as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Audit lines gather for a second, as they do outside of tests."""
    monkeypatch.setattr(transaction, "AUDIT_GATHERS", timedelta(seconds=1))


async def seen_quiet(world: World, folder: Path) -> None:
    """Wait until nothing is due, looking through other eyes than the bot's, whose statements are counted."""
    other, moved = Store(open_engine(f"sqlite:///{folder / 'bot.db'}")), asyncio.Event()
    world.running.store.on_commit(lambda _: moved.set())
    while True:
        moved.clear()
        with other.reading() as tx:
            soon = tx.now + timedelta(seconds=5)
            if all(effect.due_at > soon for effect in outbox.effects(tx, EffectState.OPEN)):
                break
        await moved.wait()
    other.engine.dispose()


@contextmanager
def counted(engine: Engine) -> Iterator[Counter[str]]:
    """How many transactions that store begin in the block, and how many statements run in all."""
    found: Counter[str] = Counter()

    def begun(connection: Any) -> None:
        found["transactions"] += connection.get_execution_options().get("writes", True)

    def executed(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        found["statements"] += not statement.startswith("BEGIN")

    event.listen(engine, "begin", begun)
    event.listen(engine, "before_cursor_execute", executed)
    try:
        yield found
    finally:
        event.remove(engine, "begin", begun)
        event.remove(engine, "before_cursor_execute", executed)


@pytest.mark.usefixtures("as_ever")
async def test_what_a_token_costs_the_database(tmp_path: Path) -> None:
    """From the command to the verified key and the posted audit: few transactions, and few statements in each."""
    async with living(tmp_path) as world:
        await world.asks("alice", "test-api")  # what is made once, is made
        await world.told("sent")
        await quiet(world)
        with counted(world.running.store.engine) as found:
            await world.asks("bob", "test-api")
            await world.told("sent", 2)
            await seen_quiet(world, tmp_path)
        assert found["transactions"] <= 10
        assert found["statements"] <= 80


def calls_of(world: World) -> Counter[str]:
    """How often the bot called each method of Slack's so far; posts to the audit, which nobody waits for, by themselves."""
    audit = world.slack.workspace.channel("audit").id
    return Counter(
        "audit" if (call.name, call.args.get("channel")) == ("chat.postMessage", audit) else call.name
        for call in world.slack.journal.calls()
    )


@pytest.mark.usefixtures("as_ever")
async def test_what_a_token_costs_slack(tmp_path: Path) -> None:
    """Three people ask at once for what needs no approval: six calls each, from the command to the last line of the audit."""
    async with living(tmp_path) as world:
        await world.told("configured")
        await quiet(world)
        before = calls_of(world)
        await asyncio.gather(*(world.asks(who, "test-api") for who in ("alice", "bob", "dave")))
        await world.told("sent", 3)
        await quiet(world)
        cost = calls_of(world) - before
        assert cost.pop("audit") <= 2 * RUNS, cost
        assert cost.total() <= 3 * 6, cost  # and once for all: who is in which group
        assert cost["chat.update"] == 3, "an edit for each token, and no other"


@pytest.mark.usefixtures("as_ever")
async def test_what_an_approval_costs_slack(tmp_path: Path) -> None:
    """The same with one approval: ten calls each, the card and the status edited once."""
    async with living(tmp_path) as world:
        await world.told("configured")
        await quiet(world)
        before = calls_of(world)
        await asyncio.gather(*(world.asks(who, "payments", plan="standard") for who in ("alice", "dave")))
        carol = world.person("carol")
        for number in ("R-1001", "R-1002"):
            await carol.clicks("Approve", await card(world, "carol", containing=number))
        await world.told("sent", 2)
        await quiet(world)
        cost = calls_of(world) - before
        assert cost.pop("audit") <= 2 * RUNS, cost
        assert cost.total() <= 2 * 10 + 1, cost  # and once for all: the groups, and who the approvers are
        assert cost["chat.update"] == 2 * 3
