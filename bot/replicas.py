"""Replicas on one database say now and then which configuration they run with, so that a difference is told."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import structlog

from bot.core import snapshot
from bot.core.faults import UnconfirmedError
from bot.core.in_force import InForce
from bot.core.model import Rulebook
from bot.store import troubles
from bot.store.store import Store, User

log = structlog.get_logger(__name__)

EVERY = 30.0


def _say(store: Store, name: str, configuration: str) -> Coroutine[Any, Any, bool]:
    return store.write(lambda tx: troubles.runs(tx, name, configuration), User.WORKER)


def configuration(rulebook: Rulebook) -> str:
    """A few hex digits for the rules in force, with the ids that names stand for."""
    kept = snapshot.of(rulebook)
    told = hashlib.sha256(json.dumps([kept["digest"], kept["auditors"]]).encode())
    for name in sorted(kept["apis"]):
        told.update(json.dumps([name, snapshot.entry(kept, name)], sort_keys=True).encode())
    return told.hexdigest()[:12]


async def tell(store: Store, name: str, in_force: InForce, differs: Callable[[], None]) -> None:
    """Say what is in force, until cancelled; `differs` is called where another replica runs with something else. SQLite has one
    worker."""
    if store.is_sqlite:
        return
    saying: asyncio.Task[bool] | None = None
    known, runs = in_force.current, configuration(in_force.current)
    try:
        while True:
            if in_force.current is not known:
                known = in_force.current
                runs = await asyncio.to_thread(configuration, known)
            saying = asyncio.create_task(_say(store, name, runs))
            try:
                if await asyncio.shield(saying):
                    differs()
            except UnconfirmedError as error:  # there is another time, and nothing that anybody could mend
                log.warning("replica.untold", error=str(error))
            except Exception:  # a database that is away for a moment
                log.exception("replica.untold")
            await asyncio.sleep(EVERY)
    finally:
        with suppress(Exception):  # what is silent for long runs no more
            if saying is not None:
                await asyncio.wait({saying})
            await asyncio.shield(store.write(lambda tx: troubles.stopped(tx, name), User.WORKER))
