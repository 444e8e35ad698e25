"""SQLite in memory without a thread in between: each proof tells thousands of stories, and waiting for the thread took most of
their time. What runs is the same; only who runs it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakSet

import aiosqlite
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.store.engine import open_engine

IN_MEMORY = "sqlite://?check_same_thread=false"
_direct: WeakSet[aiosqlite.Connection] = WeakSet()
_threaded: Any = aiosqlite.Connection._execute


async def _execute(connection: Any, act: Callable[..., Any], *args: Any, **named: Any) -> Any:
    if connection in _direct:
        return act(*args, **named)
    return await _threaded(connection, act, *args, **named)


setattr(aiosqlite.Connection, "_execute", _execute)  # noqa: B010 - for the connections below, and no others


def open_direct() -> AsyncEngine:
    engine = open_engine(IN_MEMORY)

    def made(connection: Any, _: object) -> None:
        _direct.add(connection.driver_connection)

    event.listen(engine.sync_engine, "connect", made)
    return engine
