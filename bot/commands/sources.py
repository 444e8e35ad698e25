"""The way of reviewing commands to Slack and the database: asked where the environment has what it takes, and only read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import wraps
from typing import Any

from bot import app, logs, meanings, opening, settings
from bot.commands import away
from bot.config import Config, Kind
from bot.core.faults import Fault
from bot.errors import WRONG_INPUT, CommandError
from bot.layout import complain
from bot.settings import Need
from bot.slack.client import pin_proxy
from bot.sources import Slack, Sources
from bot.store import ledger
from bot.store.engine import NoDatabaseError

Verb = Callable[[Any, Any], int]


def troubles_are_two(verb: Verb) -> Verb:
    """Whatever keeps the verb from an answer ends it with 2: what ends with 1 is an answer."""

    @wraps(verb)
    def run(arguments: Any, environ: Any) -> int:
        try:
            return verb(arguments, environ)
        except CommandError as error:
            complain(error.sentence)
        except Fault as fault:
            complain(away.sentence(fault, environ))
        return WRONG_INPUT

    return run


@asynccontextmanager
async def opened(configs: Sequence[Config], environ: Any) -> AsyncIterator[Sources]:
    """Raises a sentence where what is given is wrong: only what is not given is left out."""
    logs.configure("WARNING", "text")
    proxies = dict(environ)
    pin_proxy(environ)
    async with AsyncExitStack() as stack:
        store = None
        found = settings.load(environ, needs=frozenset({Need.DATABASE}))
        try:
            store = stack.enter_context(opening.command_store(found))
        except NoDatabaseError:
            if _has(environ, "DATABASE_URL"):
                raise
        before: dict[str, str] = {}
        in_force = ""
        if store is not None:
            with store.reading() as tx:
                before = meanings.remembered(tx)
                in_force = (tx.remembered(ledger.CONFIGURED) or {}).get("digest", "")
        slack = None
        if _has(environ, "SLACK_BOT_TOKEN"):
            found = settings.load(environ, needs=frozenset({Need.SLACK_LOOKS}))
            connected = app.connected_slack(configs[-1], found, proxies, needed=_scopes(configs))
            at = await stack.enter_async_context(connected)
            slack = Slack(at.directory, at.workspace)
        yield Sources(slack, store, before, in_force)


def _has(environ: Mapping[str, str], name: str) -> bool:
    return bool(environ.get(name) or environ.get(f"{name}_FILE"))


def _scopes(configs: Sequence[Config]) -> frozenset[str]:
    """The scopes that it takes to look up whom these files name: fewer than the bot needs."""
    kinds = {mention.kind for config in configs for mention in config.mentions()}
    needed = {"users:read"}
    needed |= {"usergroups:read"} if kinds & {Kind.GROUP, Kind.GROUP_HANDLE} else set()
    needed |= {"users:read.email"} if Kind.EMAIL in kinds else set()
    return frozenset(needed)
