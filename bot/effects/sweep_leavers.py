"""Look whether those who wait for something or hold something may still use the bot, some people at a time."""

from __future__ import annotations

from dataclasses import dataclass

from bot.core.model import Identity
from bot.effects.ports import Claim, Ports

BATCH = 10
EVERYBODY = "everybody"
SWEPT = "swept"


@dataclass(frozen=True)
class Swept:
    """Why each of them has left, None for who has not. `upto` is the last user id looked at, empty once all were."""

    found: tuple[tuple[Identity, str | None], ...]
    upto: str


async def perform(_claim: Claim, ports: Ports) -> Swept:
    async with ports.store.reading() as tx:
        people = await tx.people(await tx.remembered(SWEPT) or "", BATCH)
    found = [(who, await ports.slack.why_left(who)) for who in people]
    return Swept(tuple(found), people[-1].user_id if len(people) == BATCH else "")
