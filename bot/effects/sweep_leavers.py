"""Look whether those who wait for something or hold something may still use the bot, some people at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from bot.core import facts, lifecycle
from bot.core.draft import NewId
from bot.core.model import Effect, EffectState, Identity, Record
from bot.effects.claim import Claim
from bot.effects.ports import Ports
from bot.store.transaction import Transaction

BATCH = 10
EVERYBODY = "everybody"
SWEPT = "swept"
SWEEP_EVERY = timedelta(hours=12)
"""More often than a leaver's key lives on: who comes back is seen in time."""


@dataclass(frozen=True)
class Swept:
    """The reason that each of them has left, None for who has not. `upto` is the last user id looked at, empty once all were."""

    found: tuple[tuple[Identity, str | None], ...]
    upto: str


def find(tx: Transaction, _effect: Effect) -> Sequence[Identity]:
    """The next people to look at."""
    return tx.people(tx.remembered(SWEPT) or "", BATCH)


async def perform(claim: Claim, ports: Ports) -> Swept:
    people: Sequence[Identity] = claim.found
    found = [(who, await ports.slack.why_left(who)) for who in people]
    return Swept(tuple(found), people[-1].user_id if len(people) == BATCH else "")


def complete(tx: Transaction, claim: Claim, swept: Swept, new_id: NewId) -> None:
    """Store what was found, and promise the next people or the next sweep.

    Every record is locked before the audit's counter is, as everywhere: two who wait for each other would wait for ever.
    """
    again = tx.now if swept.upto else tx.now + SWEEP_EVERY
    tx.finish(claim.effect, EffectState.OPEN, due_at=again, attempts=0, first_failed_at=None, last_error="")
    tx.remember(SWEPT, swept.upto)
    news: list[tuple[Record, facts.Fact]] = []
    for who, why in swept.found:
        fact: facts.Fact = facts.Left(why) if why else facts.Returned()
        news += [(record, fact) for record in tx.standing(who, limit=None, left=why is None)]
    for record, fact in news:
        tx.apply(lifecycle.observe(record, fact, tx.now, new_id))
