"""A configuration comes into force, at a start or a reload: it is noted, told to the audit, shown on what waits, and checked."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from bot import collectors, online_check
from bot.config import Complaint, Config, Kind
from bot.core import changes, snapshot
from bot.core.model import AuditEvent, AuditLine, Rulebook, Workspace
from bot.core.snapshot import Snapshot
from bot.opening import new_id
from bot.operations import look_again, waiting
from bot.settings import Settings
from bot.slack.directory import Directory
from bot.slack.unhurried import UnhurriedDirectory
from bot.store import cursors, ledger
from bot.store.store import Store, Transaction
from bot.tyk.dashboard import Dashboard, DashboardError

log = structlog.get_logger(__name__)

_CHANGED_AT = "configured at"
_NEWS_FOR = 3600.0


@dataclass(frozen=True)
class Slack:
    """Slack, as far as it is known once its tokens have proved good."""

    client: AsyncWebClient
    workspace: Workspace
    directory: Directory


def uses_groups(config: Config) -> bool:
    return any(mention.kind in (Kind.GROUP, Kind.GROUP_HANDLE) for mention in config.mentions())


async def begin(store: Store, config: Config, rulebook: Rulebook, settings: Settings) -> None:
    """At a start, note it, and where it is another than the last one, show what waits anew, with those who may decide by now.

    For an hour every replica that starts does that: one that still has the old configuration may have been the first to show it.
    """
    now = await asyncio.to_thread(snapshot.of, rulebook, config.settings())

    def concerned(tx: Transaction) -> tuple[str, ...]:
        changed_at = tx.remembered(_CHANGED_AT) or 0.0
        is_news = tx.remembered(ledger.CONFIGURED) != now or tx.now.timestamp() - changed_at < _NEWS_FOR
        return tx.waiting() if is_news else ()

    for request_id in await store.read(concerned):
        await look_again(store, rulebook, request_id, new_id)
    await _note(store, config, now, settings)


async def show_anew(store: Store, rulebook: Rulebook, entries: Collection[str]) -> None:
    """Show what waits for a decision about these entries of the configuration."""

    def concerned(tx: Transaction) -> tuple[str, ...]:
        return tuple(one.request.id for one in waiting(tx) if one.request.rule.name in entries)

    for request_id in await store.read(concerned) if entries else ():
        await look_again(store, rulebook, request_id, new_id)


async def note(store: Store, config: Config, rulebook: Rulebook, settings: Settings) -> None:
    """Note what is in force from now on, where it is not a start's."""
    await _note(store, config, await asyncio.to_thread(snapshot.of, rulebook, config.settings()), settings)


async def _note(store: Store, config: Config, now: Snapshot, settings: Settings) -> None:
    """Note what is in force from now on. Commands act where the bot acts, whatever file is in the folder that they are started
    in, and the audit goes to these places.

    A configuration that differs from the last one is a line in the audit, or several: who gained what must be seen. Whichever
    replica is first says so. That a newer version keeps more of it is no difference.
    """
    forwards = [collectors.name(place) for place in config.audit.forward]
    place = {
        "audit_channel": config.slack.audit_channel,
        "dashboard_url": settings.tyk_dashboard_url or config.tyk.dashboard_url,
        "keys_by": config.tyk.keys_by,
        "forwards": forwards,
    }

    def work(tx: Transaction) -> bool:
        before = tx.remembered(ledger.CONFIGURED, lock=True)
        tx.remember(ledger.PLACE, place)
        cursors.begin_posting(tx, config.slack.audit_channel)
        cursors.begin_forwarding(tx, forwards)
        if before == now:
            return False
        tx.remember(ledger.CONFIGURED, now)
        if before is None:
            told = [changes.begun(now)]
        else:
            found = changes.between(before, now)
            told = [*changes.told(now["digest"], found)] if found or before["digest"] != now["digest"] else []
        for details in told:
            tx.audit(AuditLine(AuditEvent.CONFIGURED, None, details), None)
        if told:
            tx.remember(_CHANGED_AT, tx.now.timestamp())
        return bool(told)

    is_another = await store.write(work)
    store.audit_channel, store.forwards = config.slack.audit_channel, forwards
    if is_another:
        log.info("config.changed", digest=now["digest"])


def warn_of(doubts: Iterable[Complaint]) -> None:
    for complaint in doubts:
        log.warning("config.doubt", where=str(complaint))


@asynccontextmanager
async def unhurried(slack: Slack, config: Config) -> AsyncIterator[UnhurriedDirectory]:
    """Yields a directory for what nobody waits for, which remembers nothing yet."""
    directory = UnhurriedDirectory(
        slack.client,
        slack.workspace,
        clock=time.monotonic,
        uses_groups=uses_groups(config),
        leftover=slack.directory.leftover,
    )
    try:
        yield directory
    finally:
        await directory.close()


async def check(config: Config, rulebook: Rulebook, slack: Slack, dashboard: Dashboard) -> None:
    """Say, without keeping anybody waiting, what does not fit the real Slack and the real Tyk."""
    async with unhurried(slack, config) as directory:
        found = await online_check.slack_complaints(config, rulebook, directory, slack.workspace)
        found += await online_check.stale_ids(config, directory)
    warn_of(found)
    try:
        warn_of(await online_check.tyk_complaints(config, rulebook, dashboard))
    except DashboardError as error:
        warn_of([config.place(("tyk", "dashboard_url")).complaint(error.told(dashboard.url))])
    if config.tyk.keys_by == "id":
        log.warning(
            "tyk.keys_by_id",
            what="tokens stay sealed in the database until their keys end, and stand in the paths of Tyk's access logs; "
            "tyk.keys_by: hash avoids both (the Dashboard needs enable_update_key_by_hash and enable_delete_key_by_hash)",
        )
    gc.collect()  # Tyk's list of ten thousand APIs, in a ring with the response that brought it, would stay for hours: 10 MB
    log.info("config.checked")
