"""`apis`, `manifest`, `seal-key` and `schema`: what one needs before the first start."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot import config, manifest, opening, settings
from bot.addresses import web_address
from bot.commands.progress import Progress
from bot.commands.words import UsageError
from bot.errors import FAILED
from bot.layout import complain, put
from bot.settings import Need, Settings
from bot.store.seal import new_key
from bot.tyk.dashboard import ApiDefinition, Forbidden, KeysBy, TykPolicy
from bot.tyk.entries import entries


def apis(arguments: argparse.Namespace, environ: Any) -> int:
    """Ready entries for config.yaml, from the Dashboard, with nobody allowed yet: a person adds the people."""
    needed = settings.load(environ, needs=frozenset({Need.TYK}))
    url = needed.tyk_dashboard_url or _dashboard_url(arguments.config)
    found, policies, why_none = asyncio.run(_catalogue(url, needed, environ))
    if why_none:
        complain(why_none)
    wanted = [api for api in found if (arguments.match or "").casefold() in f"{api.name} {api.listen_path}".casefold()]
    if not wanted:
        complain(
            f"Tyk has no API whose name or path contains {arguments.match!r}."
            if arguments.match
            else "Tyk has no API that the user behind TYK_DASHBOARD_KEY may see."
        )
        return FAILED
    put(entries(wanted, policies), end="")
    return 0


def _dashboard_url(path: Path) -> str:
    if not path.exists():
        raise UsageError(f"Where is the Dashboard? Set TYK_DASHBOARD_URL, or write tyk.dashboard_url into {path}.")
    return config.load(path).tyk.dashboard_url


async def _catalogue(
    url: str, found: Settings, environ: Mapping[str, str]
) -> tuple[list[ApiDefinition], tuple[TykPolicy, ...], str]:
    """APIs and policies; of policies that this user may not list, none, and a sentence about it."""
    async with opening.connected_tyk(url, KeysBy.ID, found, environ) as dashboard:
        with Progress() as progress:
            progress.at("APIs at Tyk")
            apis = [*await dashboard.apis(), *await dashboard.mcps()]
            progress.at("policies at Tyk")
            try:
                return apis, await dashboard.policies(), ""
            except Forbidden as error:
                advice = "Give the user `policies: read` for them."
                return (
                    apis,
                    (),
                    f"The policies are left out: this Dashboard user may not list them ({error.code}). {advice}",
                )


def print_manifest(arguments: argparse.Namespace, _environ: Any) -> int:
    url = arguments.request_url
    loaded = config.load(arguments.config)
    try:
        made = manifest.manifest(loaded, socket_mode=url is None, request_url=None if url is None else web_address(url))
    except ValueError as error:
        raise UsageError(f"--request-url: {error}.") from None
    put(json.dumps(made, indent=2))
    return 0


def seal_key(_arguments: argparse.Namespace, _environ: Any) -> int:
    put(new_key())
    return 0


def schema(_arguments: argparse.Namespace, _environ: Any) -> int:
    put(json.dumps(config.schema(), indent=2))
    return 0
