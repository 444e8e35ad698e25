"""Look whether those who wait for something or hold something may still use the bot, some people at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from bot.core import facts, lifecycle, outages
from bot.core.draft import NewId
from bot.core.faults import Fault
from bot.core.model import Effect, EffectState, Identity, Record
from bot.effects.claim import Claim
from bot.effects.ports import Ports
from bot.store import outbox
from bot.store.transaction import Transaction

BATCH = 10
EVERYBODY = "everybody"
SWEPT = "swept"
SWEPT_AT = "swept at"
SWEEP_EVERY = timedelta(hours=12)
"""More often than a leaver's key lives on: who comes back is seen in time."""

TRIES = 3
"""After so many, people of whom Slack can say nothing are left for the next sweep."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Next:
    """People to look at, and the user id behind which they come."""

    people: Sequence[Identity]
    after: str


@dataclass(frozen=True)
class Swept:
    """The answer of Slack about each of them. `upto` is the last user id that is done with, empty once all are.

    In `wait` Slack's limits leave room for more. Of so many as are `unknown` Slack could say nothing.
    """

    found: tuple[tuple[Identity, facts.Account], ...]
    upto: str
    wait: timedelta = timedelta()
    unknown: int = 0


def find(tx: Transaction, _effect: Effect) -> Next:
    """The next people to look at."""
    after = tx.remembered(SWEPT) or ""
    return Next(tx.people(after, BATCH), after)


async def perform(claim: Claim, ports: Ports) -> Swept:
    """All at once, so that one look-up that hangs takes no more time than one. Raises what Slack says where it can say nothing of
    any of them; tried often enough, whoever comes behind them is looked at all the same."""
    these: Next = claim.found
    left_over = ports.slack.unhurried()
    people = these.people[: left_over.room]
    if these.people and not people:
        return Swept((), these.after, timedelta(seconds=left_over.wait))
    answers = await asyncio.gather(*map(ports.slack.account, people), return_exceptions=True)
    faults = [one for one in answers if isinstance(one, BaseException)]
    for fault in faults:
        is_theirs = isinstance(fault, Fault) and outages.cause_of(claim.effect.kind, fault.code).passes
        if not is_theirs or getattr(fault, "retry_after", None) is not None:
            raise fault
    if len(faults) == len(people) and faults and claim.effect.attempts < TRIES:
        raise faults[0]
    found = [
        (who, answer) for who, answer in zip(people, answers, strict=True) if not isinstance(answer, BaseException)
    ]
    is_last = len(these.people) < BATCH and len(people) == len(these.people)
    return Swept(tuple(found), "" if is_last else people[-1].user_id, unknown=len(faults))


def complete(tx: Transaction, claim: Claim, swept: Swept, new_id: NewId) -> None:
    """Store what was found, and promise the next people or the next sweep.

    Every record is locked before the audit's counter is, as everywhere: two who wait for each other would wait for ever.
    """
    again = tx.now + (swept.wait if swept.upto or swept.wait else SWEEP_EVERY)
    outbox.finish(tx, claim.effect, EffectState.OPEN, due_at=again, attempts=0, first_failed_at=None, last_error="")
    tx.remember(SWEPT, swept.upto)
    if not (swept.upto or swept.wait):
        tx.remember(SWEPT_AT, tx.now.timestamp())
    if swept.unknown:
        log.warning(
            "sweep.unknown", people=swept.unknown, what="Slack could not say whether they may still use the bot"
        )
    news: list[tuple[Record, facts.Fact]] = []
    for who, account in swept.found:
        tx.met(account.ids)
        why = account.why_left
        fact: facts.Fact = facts.Left(why) if why else facts.Returned()
        news += [(record, fact) for record in tx.standing(who, left=why is None)]
    for record, fact in news:
        tx.apply(lifecycle.observe(record, fact, tx.now, new_id))
