"""`explain`: what the rules come to for one person."""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any

from bot import config, explaining, sight
from bot.commands.sight import opened, troubles_are_two
from bot.config import Config
from bot.core.explanation import Answer
from bot.errors import FAILED, WRONG_INPUT
from bot.explaining import Explained

_CODES: dict[Answer, int] = {True: 0, False: FAILED, None: WRONG_INPUT}


@troubles_are_two
def explain(arguments: argparse.Namespace, environ: Any) -> int:
    """0 may, 1 may not, 2 where that could not be found out."""
    loaded = config.load(arguments.config)
    entry = explaining.entry_of(loaded, arguments.api)
    told = asyncio.run(_explained(loaded, entry, arguments.person, environ))
    if arguments.format == "json":
        print(json.dumps(told.as_json(), indent=2, ensure_ascii=False))
    else:
        print("\n".join(explaining.lines(told)))
    return _CODES[told.may]


async def _explained(loaded: Config, entry: str, person: str, environ: Any) -> Explained:
    async with opened([loaded], environ) as seen:
        meant = await sight.rules_of(loaded, seen)
        rule = meant.rulebook.rules[entry]
        channels = rule.requesters.channels.union(*(one.channels for plan in rule.plans for one in plan.requesters))
        who = await sight.person(person, seen, channels)
        return await explaining.explain(who, entry, meant, seen)
