"""The composition root: settings and configuration become a store, a Slack, a Tyk and a worker, run until told to stop."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, NoReturn

import structlog
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from bot import collectors, configuring, groups, meanings, metrics, replicas, web
from bot.complaining import OF_SLACK, UNSEALED, Complaining
from bot.config import Complaint, Config
from bot.configuring import Slack
from bot.core import rules
from bot.core.in_force import InForce
from bot.core.model import AuditEvent, AuditLine, Effect, EffectKind, Promise, Record, Rulebook
from bot.database_watch import DatabaseWatch
from bot.effects import Place, reconcile, sweep_leavers
from bot.effects.ports import CollectorPort, Ports
from bot.errors import CommandError
from bot.health import Census, Health, TokenWatch, count_outcomes
from bot.manifest import scopes
from bot.meanings import Meanings
from bot.name_watch import NameWatch
from bot.opening import connected_tyk, new_id, opened_store
from bot.operations import Operations
from bot.pace import AHEAD, SLOTS, Pace
from bot.proxies import proxy_for
from bot.reloading import Reloading, WatchedFile
from bot.settings import Settings
from bot.slack.authorization import bolt_app
from bot.slack.client import Chat, new_session, pin_proxy, preflight, web_client
from bot.slack.delivery import Delivery
from bot.slack.directory import Directory
from bot.slack.listeners import Listeners
from bot.slack.verification import verified
from bot.store import outbox
from bot.store.engine import sole_worker
from bot.store.seal import Seal
from bot.store.store import Store, Transaction
from bot.tyk.dashboard import Dashboard, KeysBy
from bot.tyk.keys import Keys
from bot.tyk.session import Alias
from bot.tyk.usage import Usage
from bot.worker import Worker

log = structlog.get_logger(__name__)

SOCKETS = 2  # while one is replaced, Slack sends to the other
GRACE = 10.0
LOCK_PATIENCE = 60.0
UNHEALTHY_FOR = 60.0
TICK = 1.0
COLLECTED_AFTER = (10_000, 10, 50)
"""Objects, and younger collections, after which garbage is looked for: the usual 700 cost a crowd a fifteenth of its time."""


class SocketLostError(CommandError):
    """A Slack connection that was not healthy for a minute: the supervisor is to start the bot afresh."""


@asynccontextmanager
async def connected_slack(
    config: Config, settings: Settings, environ: Mapping[str, str], *, needed: frozenset[str] | None = None
) -> AsyncIterator[Slack]:
    """The client and what it found out at once. Raises PreflightError with a sentence that names the variable.

    `needed` are the scopes without which it is of no use, where they are not all that the bot needs."""
    url = settings.slack_api_url
    async with new_session() as session:
        client = web_client(settings.slack_bot_token, url, session, proxy_for(url, environ))
        needed = frozenset(scopes(config)) if needed is None else needed
        workspace, granted, _ = await preflight(client, settings.slack_app_token or None, needed)
        # A request's own rule may name groups that the file no longer does.
        uses_groups = configuring.uses_groups(config) or "usergroups:read" in granted
        directory = Directory(client, workspace, clock=time.monotonic, uses_groups=uses_groups)
        try:
            yield Slack(client, workspace, directory)
        finally:
            await directory.close()


@dataclass(frozen=True)
class Running:
    """The bot when it is ready, for a program that runs it inside its own process."""

    store: Store
    worker: Worker
    directory: Directory
    port: int


async def run(
    config: Config,
    settings: Settings,
    environ: MutableMapping[str, str],
    stop: asyncio.Event,
    ready: Callable[[Running], None] = lambda _: None,
    *,
    restored: bool = False,
    file: WatchedFile | None = None,
) -> None:
    """The bot, until `stop` is set; what changes in the `file` is taken in meanwhile. Raises SocketLostError where it must not go
    on, and a sentence where it cannot start."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        proxies = dict(environ)
        pin_proxy(environ)
        slack = await enter(connected_slack(config, settings, proxies))
        await enter(
            sole_worker(
                settings.database_url,
                patience=LOCK_PATIENCE,
                on_wait=lambda: log.warning("database.waiting", why="another worker holds the SQLite file"),
            )
        )
        store = await enter(opened_store(settings, config.slack.audit_channel))
        await _made_ready(store, restored=restored)
        keys_by, at_once = KeysBy(config.tyk.keys_by), config.tyk.at_once
        dashboard = await enter(connected_tyk(config.tyk.dashboard_url, keys_by, settings, proxies, at_once=at_once))
        meant, rulebook, doubts = await _understood(config, slack.directory, store)
        in_force = InForce(rulebook, help_channel=config.slack.help_channel, alias=config.tyk.alias)
        census = await _counting(store, Seal(settings.seal_keys))
        await configuring.begin(store, config, rulebook, settings)
        await _promise_sweep(store)

        chat = Chat(slack.client)
        keys = Keys(dashboard, keys_by, alias=lambda: Alias(in_force.alias))
        ports = Ports(
            Delivery(chat, slack.directory, slack.workspace, in_force),
            keys,
            Seal(settings.seal_keys),
            in_force,
            await enter(_forwarding(config, settings, proxies)),
        )
        ahead = at_once // AHEAD
        worker = Worker(store, ports, new_id, pace=Pace(time.monotonic, {**SLOTS, Place.TYK: at_once + ahead}))
        bolt = bolt_app(slack.client, slack.workspace)
        operations = Operations(store, in_force, new_id)
        slack.directory.named_groups = lambda: operations.groups.named
        await enter(
            Listeners(
                operations,
                chat,
                slack.directory,
                slack.workspace,
                command=config.slack.command,
                terms_of=keys.terms,
                uses_of=Usage(dashboard, at_once=at_once, has_room=partial(worker.pace.has_room, Place.TYK, ahead)).of,
            ).on(bolt)
        )
        connection = SlackConnection(bolt, settings, proxy_for(settings.slack_api_url, proxies))
        complaining = _complaining(store, chat, in_force, doubts, census)
        token, database = (
            TokenWatch(slack.client, worker.token_doubted, complaining.compare_clocks),
            DatabaseWatch(store, chat, in_force),
        )
        health = Health(store, connection.is_up, token, in_force, complaining.cannot, lambda: database.wrong)
        port = await enter(_pages(health, bolt, settings, complaining))
        await groups.look(operations, slack.directory)  # before anybody is told of a change
        stack.push_async_callback(connection.close)
        await connection.open()
        check = partial(_check, slack, dashboard)
        watching = _watching(file, config, meant, settings, slack, operations, check, complaining)
        working = {
            asyncio.create_task(one)
            for one in (worker.run(), token.watch(), database.watch(), census.watch(), *watching)
        }
        beside = [
            asyncio.create_task(one)
            for one in (
                slack.directory.keep_channels(),
                complaining.keep_telling(),
                check(config, rulebook),
                groups.watch(operations, slack.directory),
                replicas.tell(store, new_id(), in_force, worker.survey_now),
            )
        ]
        _collect_rarely()
        log.info("bot.ready", apis=len(rulebook.rules), digest=rulebook.digest)
        ready(Running(store, worker, slack.directory, port))
        try:
            await _until_stopped(stop, connection, working)
        finally:
            for task in beside:
                task.cancel()
            await connection.close()
            await worker.stop(GRACE)
            for task in working:
                task.cancel()
            await asyncio.gather(*beside, *working, return_exceptions=True)
            log.info("bot.stopped")


async def _understood(
    config: Config, directory: Directory, store: Store
) -> tuple[Meanings, Rulebook, tuple[Complaint, ...]]:
    """The meanings of the file's names, the rules that are in force then, and what is doubtful. Raises a Fault of Slack's."""
    meant = await meanings.of_names(config.mentions(), directory, store)
    rulebook, doubts = meanings.rulebook_of(config, meant)
    configuring.warn_of(doubts)
    return meant, rulebook, doubts


def _watching(
    file: WatchedFile | None,
    config: Config,
    meant: Meanings,
    settings: Settings,
    slack: Slack,
    operations: Operations,
    check: Callable[[Config, Rulebook], Coroutine[Any, Any, None]],
    complaining: Complaining,
) -> Iterator[Coroutine[Any, Any, NoReturn]]:
    """The watches while the bot runs: they look again at the file, and at what it names."""
    if file is not None:
        reloading = Reloading(file, config, meant, settings, slack, operations, check, complaining)
        yield reloading.watch()
        yield NameWatch(reloading, slack, operations.store, complaining).watch()


async def _made_ready(store: Store, *, restored: bool) -> None:
    """The database as the one who works on it now wants to find it."""
    if store.is_sqlite:
        await store.write(outbox.void_leases)
    if restored:
        await _park_restored(store)
    await _promise_look(store, restored=restored)
    log.info("database.ready", engine=store.engine.dialect.name)


async def _park_restored(store: Store) -> None:
    """Park what is open after a restore: nobody can tell what Tyk and the requesters have already; a person decides on each."""
    kinds = (EffectKind.ISSUE_KEY, EffectKind.CONFIRM_KEY, EffectKind.DELIVER_TOKEN)

    def work(tx: Transaction) -> tuple[tuple[Effect, ...], dict[str | None, Record]]:
        parked = outbox.park(tx, kinds, "restored")
        found = tx.records({effect.request_id for effect in parked if effect.request_id})
        records: dict[str | None, Record] = {record.request.id: record for record in found}
        for effect in parked:
            line = AuditLine(AuditEvent.RESTORED, None, {"effect": effect.kind.value, "effect_id": effect.id})
            tx.audit(line, records.get(effect.request_id))
        return parked, records

    parked, records = await store.write(work)
    for effect in parked:
        label = records[effect.request_id].request.label if effect.request_id in records else None
        log.warning(
            "restored.parked",
            request=label,
            effect=effect.id,
            kind=effect.kind.value,
            how=f"tyk-key-bot retry {label or effect.id}, or tyk-key-bot revoke {label or ''}",
        )


@asynccontextmanager
async def _pages(health: Health, bolt: AsyncApp, settings: Settings, complaining: Complaining) -> AsyncIterator[int]:
    """Yields the port of health and metrics. Slack's address, in HTTP mode, has its own: that alone need be public."""

    def rejected(reason: web.Rejection) -> None:
        if reason in OF_SLACK:
            complaining.heard(reason)

    async def dispatch(request: AsyncBoltRequest) -> BoltResponse:
        complaining.heard(None)
        return await bolt.async_dispatch(request)

    for reason in web.Rejection:
        metrics.REJECTED_REQUESTS.labels(reason.value)  # at 0 from the start: a first one is a rise as well
    rejections = web.Rejections(metrics.REJECTED_REQUESTS, on_rejected=rejected)
    pages, host, secret = web.health_pages(health.readiness), settings.http_host, settings.slack_signing_secret
    if settings.socket_mode:
        async with web.serving(pages, host, settings.http_port, rejections) as port:
            log.info("web.ready", port=port)
            yield port
        return
    door = web.slack_address(verified(dispatch, secret))
    async with (
        web.serving(pages, host, settings.metrics_port, rejections, variable="METRICS_PORT") as port,
        web.serving(door, host, settings.http_port, rejections) as public,
    ):
        log.info("web.listening", port=public, path=web.SLACK_PATH)
        log.info("web.ready", port=port)
        yield port


class SlackConnection:
    """Our connections to Slack: sockets in Socket Mode, nothing to hold open in HTTP mode."""

    def __init__(self, bolt: AsyncApp, settings: Settings, proxy: str | None) -> None:
        token, number = settings.slack_app_token, SOCKETS if settings.socket_mode else 0
        self._sockets = [AsyncSocketModeHandler(bolt, token, proxy=proxy) for _ in range(number)]
        self._open = False

    async def open(self) -> None:
        """Raises SocketLostError where Slack gives none: the library would try for ever."""
        try:
            async with asyncio.timeout(UNHEALTHY_FOR):
                for socket in self._sockets:
                    await socket.connect_async()  # type: ignore[no-untyped-call]  # Bolt gives it no type
        except TimeoutError:
            raise SocketLostError(_lost()) from None
        self._open = True
        log.info("slack.connected", mode="socket" if self._sockets else "http")

    async def close(self) -> None:
        self._open, sockets, self._sockets = False, self._sockets, []
        closing = [socket.close_async() for socket in sockets]  # type: ignore[no-untyped-call]  # as above
        await asyncio.gather(*closing, return_exceptions=True)

    async def is_up(self) -> bool:
        if not self._sockets:
            return self._open
        connected = sum([await socket.client.is_connected() for socket in self._sockets])
        metrics.SOCKETS.set(connected)
        return connected > 0


def _collect_rarely() -> None:
    """Keep what is there now: no later collection need walk through a rulebook of thousands of entries."""
    gc.collect()  # what is garbage now would stay as well
    gc.freeze()
    gc.set_threshold(*COLLECTED_AFTER)


async def _until_stopped(stop: asyncio.Event, connection: SlackConnection, working: set[asyncio.Task[None]]) -> None:
    """Watches the line and the event loop. What is working never ends by itself: where any of it does, so do we."""
    last_up, was_up = time.monotonic(), True
    while not stop.is_set():
        before = time.monotonic()
        waiting = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait({waiting, *working}, timeout=TICK, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        for ended in done - {waiting}:
            ended.result()
        if not done:
            metrics.LOOP_LAG.set(max(0.0, time.monotonic() - before - TICK))
        is_up = await connection.is_up()
        if is_up is not was_up:
            log.warning(
                "slack.connected" if is_up else "slack.disconnected", after=round(time.monotonic() - last_up, 1)
            )
            was_up = is_up
        if is_up:
            last_up = time.monotonic()
        elif time.monotonic() - last_up > UNHEALTHY_FOR:
            raise SocketLostError(_lost())


def _lost() -> str:
    return (
        f"No healthy Slack connection for {UNHEALTHY_FOR:.0f} seconds. See status.slack.com, the proxy, and whether Socket Mode "
        "is on in the app's settings."
    )


def _forwarding(
    config: Config, settings: Settings, environ: Mapping[str, str]
) -> AbstractAsyncContextManager[Mapping[str, CollectorPort]]:
    return collectors.opened(config.audit.forward, settings.audit_forward_token, environ)


async def _counting(store: Store, seal: Seal) -> Census:
    """Whoever counts for the metrics; the sealed tokens are tried at once."""
    metrics.CONFIG_LOADED.set_to_current_time()
    metrics.CONFIG_LOAD_GOOD.set(1)
    store.on_commit(count_outcomes)
    census = Census(store, seal)
    await census.try_seal()
    return census


def _complaining(store: Store, chat: Chat, in_force: InForce, doubts: Iterable[object], census: Census) -> Complaining:
    """Make the complaints of the start for the help channel, and of the seal keys whenever they are tried."""
    complaining = Complaining(store, chat, in_force, doubts, unsealed=census.lost)
    census.on_lost = partial(complaining.owe, UNSEALED)
    return complaining


async def _promise_sweep(store: Store) -> None:
    """Promise a sweep now, for those who left while the bot was away; others are found within a day."""
    sweep, everybody = EffectKind.SWEEP_LEAVERS, sweep_leavers.EVERYBODY
    await store.write(lambda tx: tx.promise(Promise(sweep, everybody, tx.now)))


async def _promise_look(store: Store, *, restored: bool) -> None:
    """Promise a look for what was done at Tyk without the bot: soon after a start, and after a restore at once."""
    kind, wait = EffectKind.RECONCILE, timedelta() if restored else reconcile.AFTER_START
    await store.write(lambda tx: tx.promise(Promise(kind, reconcile.EVERYTHING, tx.now + wait)))


async def _check(slack: Slack, dashboard: Dashboard, config: Config, rulebook: Rulebook) -> None:
    """Look up what people will need before they need it, then check the configuration."""
    await slack.directory.load_channels(rules.named_channels(rulebook.rules))
    await configuring.check(config, rulebook, slack, dashboard)
