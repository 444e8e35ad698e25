"""The bot as a process whose time can be moved: `python -m bot.sandbox.child CONFIG`, told on standard input.

Each line there is the number of seconds by which its time is ahead of the clock; the first comes before it is ready. Where it
cannot start or go on, its log says why in a sentence.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import structlog
from sqlalchemy import BigInteger, literal, update

from bot import app, config, logs, settings
from bot.app import Running
from bot.config import Config
from bot.core.faults import Fault
from bot.errors import FAILED, CommandError
from bot.store import tables
from bot.store.store import Store, Transaction

log = structlog.get_logger(__name__)

MILLISECOND = timedelta(milliseconds=1)


async def _run(path: Path) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    told = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(told), sys.stdin)
    running: asyncio.Future[Running] = loop.create_future()
    following = asyncio.create_task(_follow(told, running))
    found = settings.load(os.environ)
    logs.configure(found.log_level, found.log_format)
    try:
        await app.run(without_outside(config.load(path)), found, os.environ, stop, running.set_result)
    finally:
        following.cancel()


def without_outside(loaded: Config) -> Config:
    """The configuration without the places that the audit is forwarded to: what happens here is play, and goes nowhere."""
    return replace(loaded, audit=loaded.audit.model_copy(update={"forward": ()}))


async def _follow(told: asyncio.StreamReader, running: asyncio.Future[Running]) -> None:
    bot = await running
    async for line in told:
        await move(bot.store, timedelta(seconds=float(line)))
        bot.worker.pace.ahead = float(line)
        bot.directory.forget_groups()
        bot.worker.wake()
        print("moved", flush=True)


async def move(store: Store, ahead: timedelta) -> None:
    """Set by how much the store's clock is ahead. The leases move with it, in one transaction: a jump takes no time of those who
    hold one, and what they have in hand is not done a second time."""
    leases, by = tables.effects.c.lease_until, ahead - store.skew

    def work(tx: Transaction) -> None:
        held = update(tables.effects).where(leases > tx.now)
        tx.connection.execute(held.values(lease_until=leases + literal(by // MILLISECOND, BigInteger)))
        store.skew = ahead

    await store.write(work)


def _main() -> int:
    try:
        asyncio.run(_run(Path(sys.argv[1])))
    except CommandError as error:
        log.error("bot.failed", what=error.sentence)  # noqa: TRY400 - it is no fault of ours, and the sentence says what to do
        return error.exit_code
    except Fault as fault:
        log.error("bot.failed", what=f"Slack did not answer as it should: {fault}.")  # noqa: TRY400 - as above
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(_main())
