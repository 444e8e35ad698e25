"""The opening of what the bot and its commands share: the database, and the way to Tyk. Nothing of Slack's is loaded for it."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import structlog

from bot.effects import Place
from bot.pace import SLOTS
from bot.proxies import proxy_for
from bot.settings import Settings
from bot.store import chain, ledger
from bot.store.engine import check_ready, migrate, open_engine, told_in_a_sentence
from bot.store.seal import Seal
from bot.store.store import Store
from bot.store.threads import CONNECTIONS, Threads

if TYPE_CHECKING:
    from bot.tyk.dashboard import Dashboard, KeysBy

log = structlog.get_logger(__name__)

COMMAND_IDLES_FOR = 3600


def new_id() -> str:
    """An id that nobody can guess."""
    return secrets.token_urlsafe(16)


@asynccontextmanager
async def connected_tyk(
    url: str, keys_by: KeysBy, settings: Settings, environ: Mapping[str, str], *, at_once: int = SLOTS[Place.TYK]
) -> AsyncIterator[Dashboard]:
    """The Dashboard at `url`, or where the environment says it is; errors that nobody caught know where that was."""
    from bot.tyk.dashboard import Dashboard, DashboardError  # noqa: PLC0415 - what a command that asks Tyk nothing need not load

    url = settings.tyk_dashboard_url or url
    proxy = proxy_for(url, environ)
    dashboard = Dashboard(url, settings.tyk_dashboard_key, keys_by=keys_by, proxy=proxy, at_once=at_once)
    try:
        yield dashboard
    except DashboardError as error:
        error.address = dashboard.url
        raise
    finally:
        await dashboard.aclose()


@asynccontextmanager
async def opened_store(settings: Settings, audit_channel: str) -> AsyncIterator[Store]:
    """The database, brought to this version; transactions run in threads. Raises DatabaseError."""
    engine = open_engine(settings.database_url, connections=CONNECTIONS)
    store = Store(engine, audit_channel, threads=Threads(one_writer=engine.dialect.name == "sqlite"))
    stopped = threading.Event()
    try:
        await asyncio.to_thread(migrate, engine, stopped)
        await _chained(store, Seal(settings.seal_keys))
        yield store
    finally:
        stopped.set()  # a thread that still waits for another replica's upgrade would keep the process
        await store.close()


async def _chained(store: Store, seal: Seal) -> None:
    """Chain what this store appends to the audit, from the first row on."""
    store.chain.key = await store.write(lambda tx: chain.begin(tx, seal))
    opened = await store.read(lambda tx: chain.keys(tx, seal))
    if opened.lost:
        log.error(
            "audit.key_lost",
            keys=opened.lost,
            what="no key in SEAL_KEYS opens the key of the audit's chain: rows of before are proved with the key that was kept "
            "elsewhere, or once the key that sealed it is back behind the others",
        )


@contextmanager
def command_store(settings: Settings) -> Iterator[Store]:
    """The database for one command, which neither makes nor migrates it, and may stand still while a person reads its output.
    Raises DatabaseError."""
    store = Store(open_engine(settings.database_url, idles_for=COMMAND_IDLES_FOR, owns=False))
    try:
        check_ready(store.engine)
        with told_in_a_sentence():
            with store.reading() as tx:
                place = tx.remembered(ledger.PLACE)
                keys = chain.keys(tx, Seal(settings.seal_keys)).keys if settings.seal_keys else ()
            store.chain.key = keys[-1] if keys else None
            store.audit_channel = place["audit_channel"] if place else None
            store.forwards = place.get("forwards", ()) if place else ()
            yield store
    finally:
        store.engine.dispose()
