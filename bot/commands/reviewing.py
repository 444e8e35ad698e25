"""`explain` and `diff`: what the rules come to for one person, and what other rules would."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from bot import config, difference, difference_report, explaining, layout, sources
from bot.commands import words
from bot.commands.progress import Progress
from bot.commands.sources import opened, troubles_are_two
from bot.config import Config, ConfigError
from bot.core.explanation import Answer
from bot.difference import Difference
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
        layout.put(json.dumps(told.as_json(), indent=2, ensure_ascii=False))
    else:
        layout.put("\n".join(explaining.lines(told, layout.reading_width(sys.stdout))))
    return _CODES[told.may]


async def _explained(loaded: Config, entry: str, person: str, environ: Any) -> Explained:
    async with opened([loaded], environ) as seen:
        meant = await sources.rules_of(loaded, seen)
        rule = meant.rulebook.rules[entry]
        channels = rule.requesters.channels.union(*(one.channels for plan in rule.plans for one in plan.requesters))
        who = await sources.person(person, seen, channels)
        return await explaining.explain(who, entry, meant, seen)


@troubles_are_two
def diff(arguments: argparse.Namespace, environ: Any) -> int:
    """0 without a difference, or with none that --fail-on names; 1 with one; 2 where that could not be found out."""
    old, new = _both(arguments.old, arguments.new)
    found = asyncio.run(_difference(old, new, words.since(arguments.since), environ))
    if arguments.format == "json":
        layout.put(json.dumps(difference_report.as_json(found), indent=2, ensure_ascii=False))
    else:
        layout.put("\n".join(difference_report.lines(found, difference_report.style(arguments.format))))
    fails = found.widens if arguments.fail_on == "widening" else found.is_any
    return FAILED if fails else 0


def _both(old: Path, new: Path) -> tuple[Config, Config]:
    """Both files, or every complaint about either at once."""
    loaded, complaints = [], []
    for path in (old, new):
        try:
            loaded.append(config.load(path))
        except ConfigError as error:
            complaints.append(str(error))
    if complaints:
        raise words.UsageError("\n".join(complaints))
    return loaded[0], loaded[1]


async def _difference(old: Config, new: Config, since: datetime | None, environ: Any) -> Difference:
    async with opened([old, new], environ) as seen:
        both = await sources.rules_of(old, seen), await sources.rules_of(new, seen)
        with Progress() as progress:
            return await difference.between(*both, seen, since, progress.at)
