"""What one token costs: transactions, statements and calls of Slack, counted. How long they take is the bench's business."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from tests.running import quiet
from tests.world import living


@contextmanager
def counted(engine: Engine) -> Iterator[Counter[str]]:
    """How many transactions that store begin in the block, and how many statements run in all."""
    found: Counter[str] = Counter()

    def begun(connection: Any) -> None:
        found["transactions"] += connection.get_execution_options().get("writes", True)

    def executed(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        found["statements"] += 1
        found[statement.split("\n", maxsplit=1)[0][:60]] += 1

    event.listen(engine, "begin", begun)
    event.listen(engine, "before_cursor_execute", executed)
    try:
        yield found
    finally:
        event.remove(engine, "begin", begun)
        event.remove(engine, "before_cursor_execute", executed)


async def test_what_a_token_costs_the_database(tmp_path: Path) -> None:
    """From the command to the verified key and the posted audit: few transactions, and few statements in each."""
    async with living(tmp_path) as world:
        await world.asks("alice", "test-api")  # what is made once, is made
        await world.told("sent")
        await quiet(world)
        with counted(world.running.store.engine) as found:
            await world.asks("bob", "test-api")
            await world.told("sent", 2)
            await quiet(world)
        assert found["transactions"] <= 10
        assert found["statements"] <= 80
