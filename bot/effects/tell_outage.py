"""Tell the help channel once that something fails, with what to do, and once that it is over."""

from __future__ import annotations

from dataclasses import dataclass

from bot.core import outages
from bot.core.draft import NewId
from bot.core.model import Effect, EffectState
from bot.core.outages import Outage
from bot.effects.claim import Claim
from bot.effects.ports import Ports
from bot.store import outbox, troubles
from bot.store.transaction import Transaction
from bot.store.troubles import Standing


@dataclass(frozen=True)
class Told:
    """The outage as it stood when it was told of."""

    outage: Outage
    standing: Standing


def find(tx: Transaction, effect: Effect) -> Told | None:
    """The outage, and how many wait for its end now."""
    standing = troubles.of_cause(tx, effect.subject_id)
    if standing is None:
        return None
    failing = outages.outages(troubles.failing(tx)).get(standing.cause)
    return Told(failing or outages.named(standing.cause, standing.since), standing)


async def perform(claim: Claim, ports: Ports) -> Told | None:
    """Say what has not been said. That something is over which nobody had heard of is nothing to say."""
    told: Told | None = claim.found
    if told is not None and told.standing.said is (told.standing.over_at is not None):
        await ports.slack.tell_outage(told.outage, over_at=told.standing.over_at)
    return told


def complete(tx: Transaction, claim: Claim, told: Told | None, _new_id: NewId) -> None:
    """Note what was said, and promise to say what has become of it meanwhile."""
    outbox.finish(tx, claim.effect, EffectState.DONE, attempts=0, first_failed_at=None, last_error="")
    if told is None:
        return
    cause, now = told.standing.cause, troubles.of_cause(tx, told.standing.cause)
    if told.standing.over_at is None:
        troubles.said(tx, cause)
        if now is not None and now.over_at is not None:
            troubles.promise(tx, cause)
    elif now is not None and now.over_at is not None:
        troubles.forget(tx, cause)
    elif now is not None:  # it has begun again since it was told as over
        troubles.said(tx, cause, said=False)
        troubles.promise(tx, cause)
