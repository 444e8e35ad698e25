"""The Dashboard of the bot that works on a database, for commands that act at Tyk without it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot import opening, settings
from bot.core.in_force import InForce
from bot.core.model import Rulebook
from bot.effects.ports import SOME_APIS, Ports
from bot.settings import Need, SettingsError
from bot.store import ledger
from bot.store.seal import Seal
from bot.store.store import Store

if TYPE_CHECKING:
    from bot.tyk.keys import Keys

_ABSENT: Any = None  # what is done here does not speak to Slack and, where keys go by their hash, opens no token


@dataclass(frozen=True)
class Reached:
    """Tyk, by itself and as effects know it, and where it is."""

    address: str
    keys: Keys
    ports: Ports


@asynccontextmanager
async def tyk(store: Store, environ: Any) -> AsyncIterator[Reached]:
    """The Dashboard that the bot last used. Raises SettingsError where something is missing."""
    with store.reading() as tx:
        place, api_ids = tx.remembered(ledger.PLACE), ledger.api_ids(tx, SOME_APIS)
    if place is None:
        raise SettingsError(
            ["the bot has not started on this database since it was upgraded, so its Dashboard is not known"]
        )
    needs = {Need.TYK, Need.SEAL} if place["keys_by"] == "id" else {Need.TYK}
    found = settings.load(environ, needs=frozenset(needs))
    from bot.tyk.dashboard import KeysBy  # noqa: PLC0415 - Tyk's client, which only a command with its credential has use for
    from bot.tyk.keys import Keys  # noqa: PLC0415 - as above

    keys_by = KeysBy(place["keys_by"])
    async with opening.connected_tyk(place["dashboard_url"], keys_by, found, dict(environ)) as dashboard:
        seal = Seal(found.seal_keys) if found.seal_keys else _ABSENT
        keys = Keys(dashboard, keys_by)
        ports = Ports(_ABSENT, keys, seal, InForce(Rulebook("", {})), api_ids=api_ids)
        yield Reached(dashboard.url, keys, ports)
