"""Extend a grant, as its approved request asks: looked at once more, as before a key is made; then it has its new end and plan.

The key is told of it by `confirm_key`. Nothing outside is changed here, so it can be done any number of times.
"""

from collections.abc import Iterator

from bot.core import extensions
from bot.core.draft import NewId
from bot.core.facts import Barred, MayExtend, Recovered
from bot.core.lifecycle import observe
from bot.core.model import EffectState, Record, Refusal, RequestId
from bot.effects.claim import Claim
from bot.effects.completion import settled
from bot.effects.ports import Ports
from bot.effects.recheck import barred
from bot.store import outbox
from bot.store.transaction import Transaction

STEP = "before it is extended"


async def perform(claim: Claim, ports: Ports) -> Barred | MayExtend:
    if (no := await barred(claim, ports, STEP)) is not None:
        return no
    try:
        await ports.tyk.check(claim.story)
    except Refusal as refusal:
        return Barred(STEP, refusal.text)
    return MayExtend()


def _both(tx: Transaction, *ids: str) -> Iterator[Record]:
    found = {record.request.id: record for record in tx.records(sorted(ids))}
    return (found[RequestId(one)] for one in ids)


def complete(tx: Transaction, claim: Claim, found: Barred | MayExtend, new_id: NewId) -> None:
    """Store it in both records, locked in the order of their ids as everywhere. Raises LeaseLost."""
    extends = claim.story.request.extends
    assert extends is not None, "nothing else is promised to be extended"
    by, held = (settled(tx, one, new_id) for one in _both(tx, claim.story.request.id, extends.request_id))
    outbox.finish(tx, claim.effect, EffectState.DONE)
    if claim.effect.told:
        by = tx.apply(observe(by, Recovered(claim.effect.kind), tx.now, new_id))
    if isinstance(found, MayExtend):
        try:
            tx.apply(extensions.extend(held, by, tx.now, new_id))
        except Refusal as refusal:
            found = Barred(STEP, refusal.text)
    if isinstance(found, Barred):
        tx.apply(extensions.refused(by, found, tx.now, new_id))
