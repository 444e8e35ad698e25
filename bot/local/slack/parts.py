"""The parts that the Web API, the sockets and the people of one sandbox share."""

import random
from collections.abc import Collection
from dataclasses import dataclass

from bot.local.slack.delivery import Transport
from bot.local.slack.faults import Faults
from bot.local.slack.installed import Shortcut
from bot.local.slack.journal import Changes, Clock, Journal
from bot.local.slack.posting import Posting
from bot.local.slack.rate_limits import RateLimits
from bot.local.slack.triggers import ResponseUrls, Triggers
from bot.local.slack.workspace import Workspace


@dataclass
class Parts:
    clock: Clock
    rng: random.Random
    changes: Changes
    journal: Journal
    workspace: Workspace
    posting: Posting
    triggers: Triggers
    response_urls: ResponseUrls
    faults: Faults
    limits: RateLimits
    scopes: frozenset[str]
    transport: Transport
    bot_token: str
    app_token: str
    commands: Collection[str] | None = None
    escaping: Collection[str] = ()
    events: Collection[str] | None = None
    home_tab: bool = True
    dm_is_read_only: bool = False
    shortcuts: tuple[Shortcut, ...] = ()
    origin: str = ""
