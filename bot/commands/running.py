"""`run`, `check` and `sandbox`: the bot itself, its configuration against the world, and the world without either."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.exc import OperationalError

from bot import app, config, logs, online_check, opening, settings
from bot.commands import away
from bot.commands.progress import Progress
from bot.commands.words import UsageError
from bot.config import Config, ConfigError
from bot.core.faults import Fault, UnconfirmedError
from bot.errors import FAILED, WRONG_INPUT, CommandError
from bot.layout import complain, many, print_wrapped
from bot.reloading import WatchedFile
from bot.settings import Need, Settings, SettingsError
from bot.slack.client import pin_proxy
from bot.store.engine import what_is_wrong
from bot.tyk.dashboard import DashboardError, KeysBy

log = structlog.get_logger(__name__)

SWITCH_INTERVAL = 0.0005
"""Seconds after which the event loop, when it is busy, lets the store's threads go on. Each statement gives the interpreter up:
with Python's five milliseconds, a transaction of fourteen could wait for seventy."""


def run(arguments: argparse.Namespace, environ: Any) -> int:
    file = WatchedFile(arguments.config)  # before it is loaded: what is written in between is a change
    logs.configure(*settings.log_style(environ))
    try:
        loaded, found = _load(arguments, environ, Need.SLACK, Need.TYK, Need.DATABASE, Need.SEAL, Need.COLLECTORS)
        logs.configure(found.log_level, found.log_format)
        sys.setswitchinterval(SWITCH_INTERVAL)
        return asyncio.run(_until_signal(loaded, found, environ, file, restored=arguments.restored))
    except CommandError as error:
        for what in error.sentence.splitlines():
            log.error("bot.failed", what=what)  # noqa: TRY400 - it is no fault of ours, and the sentence says what to do
        return error.exit_code
    except Fault as fault:
        log.error("bot.failed", what=away.sentence(fault, environ), error=fault.code)  # noqa: TRY400 - as above
    except (OperationalError, UnconfirmedError) as error:  # of the database, at the start or where it cannot go on
        log.error("bot.failed", what=what_is_wrong(error), error=type(error).__name__)  # noqa: TRY400 - as above
    except Exception as error:  # a fault of ours ends the bot, and its log is where that is looked for
        log.exception("bot.failed", error=type(error).__name__)
    return FAILED


async def _until_signal(loaded: Config, found: Settings, environ: Any, file: WatchedFile, *, restored: bool) -> int:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, file.asked.set)
    started = asyncio.Event()

    def ready(_: app.Running) -> None:
        started.set()

    bot = asyncio.create_task(app.run(loaded, found, environ, stop, ready, restored=restored, file=file))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({bot, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if started.is_set() or not stop.is_set():
        await bot
        return 0
    bot.cancel()  # what a start waits for may take long: a lock, Slack, an upgrade by another replica
    with suppress(asyncio.CancelledError):
        await bot
    log.info("bot.stopped")
    return 0


def check(arguments: argparse.Namespace, environ: Any) -> int:
    """The file alone; with --online, also what Slack and Tyk know of what it names."""
    if not arguments.online:
        loaded = config.load(arguments.config)
        print_wrapped(f"{_what(arguments.config, loaded)} No complaint.")
        return 0
    loaded, found = _load(arguments, environ, Need.SLACK, Need.TYK)
    logs.configure("WARNING", "text")
    notes, complaints, unseen = asyncio.run(_check_online(loaded, found, environ))
    for note in notes:
        complain(f"note: {note}")
    for complaint in complaints:
        complain(str(complaint))
    if unseen:
        complain(unseen)
    if complaints or unseen:
        return WRONG_INPUT if complaints else FAILED
    print_wrapped(f"{_what(arguments.config, loaded)} Slack and Tyk know all it names.")
    return 0


def _what(path: Path, loaded: Config) -> str:
    return f"{path}: {many(len(loaded.apis), 'API')}, digest {loaded.digest}."


async def _check_online(
    loaded: Config, found: Settings, environ: Any
) -> tuple[Sequence[object], Sequence[object], str]:
    """Look up all that the file names: what is worth knowing, what is wrong, and why Tyk could not be asked."""
    proxies = dict(environ)
    pin_proxy(environ)
    async with AsyncExitStack() as stack:
        progress = stack.enter_context(Progress())
        slack = await stack.enter_async_context(app.connected_slack(loaded, found, proxies))
        keys_by = KeysBy(loaded.tyk.keys_by)
        dashboard = await stack.enter_async_context(
            opening.connected_tyk(loaded.tyk.dashboard_url, keys_by, found, proxies)
        )
        progress.at("the names of the file")
        rulebook = await online_check.rulebook_of(loaded, slack.directory)
        progress.at("channels, groups and people at Slack")
        at_slack = await online_check.slack_complaints(loaded, rulebook, slack.directory, slack.workspace)
        notes = await online_check.slack_notes(loaded, slack.directory)
        notes += await online_check.stale_ids(loaded, slack.directory)
        progress.at("APIs and policies at Tyk")
        try:
            at_tyk = await online_check.tyk_complaints(loaded, rulebook, dashboard)
        except DashboardError as error:
            return notes, at_slack, error.told(dashboard.url)
        notes += await online_check.tyk_notes(loaded, dashboard)
        return notes, [*at_slack, *at_tyk], ""


def sandbox(arguments: argparse.Namespace, _environ: Any) -> int:
    from bot.sandbox import run as here  # noqa: PLC0415 - `run` in production loads none of the fake servers
    from bot.sandbox.demos import main_story as stories  # noqa: PLC0415 - as above

    if arguments.play and (arguments.config or arguments.people or arguments.port is not None):
        raise UsageError(
            "A story is played with its own people and configuration: leave out --config, --people and --port."
        )
    logs.configure("WARNING", "text")
    if arguments.play:
        return asyncio.run(stories.play(arguments.play))
    browser = not arguments.no_browser
    try:
        return asyncio.run(here.serve(arguments.config, arguments.people, port=arguments.port, browser=browser))
    except ConfigError as error:
        if arguments.config or not arguments.people or str(error).startswith(str(arguments.people)):
            raise
        raise UsageError(
            f"The people of {arguments.people} do not fit the sandbox's own configuration: give yours with --config FILE."
        ) from None


def _load(arguments: argparse.Namespace, environ: Any, *needs: Need) -> tuple[Config, Settings]:
    """Both, or every complaint about either at once."""
    complaints, loaded, found = [], None, None
    try:
        loaded = config.load(arguments.config)
    except ConfigError as error:
        complaints.append(str(error))
    try:
        found = settings.load(environ, needs=frozenset(needs))
    except SettingsError as error:
        complaints.append(str(error))
    if loaded is None or found is None:
        raise UsageError("\n".join(complaints))
    return loaded, found
