"""Forward the audit's rows that wait to a place outside, in order. The table is exact; the place may get a row twice.

Each pass sends some rows, and the cursor of the place moves when they are there: who dies in between sends the same rows, with
the same numbers, once more. A place that this process does not know is left to another one; one that the configuration no longer
names is left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from bot.core.chain import Line
from bot.core.draft import NewId
from bot.core.model import Effect, EffectKind, EffectState, Promise
from bot.effects.claim import Claim
from bot.effects.ports import Ports
from bot.store import chain, cursors, ledger, outbox, tables
from bot.store.transaction import Transaction

BATCH = 100
ANOTHERS = timedelta(seconds=10)
"""Until another replica, which knows the place, may take it."""


def find(tx: Transaction, effect: Effect) -> Sequence[Line]:
    """The rows that are not there yet and go out now."""
    place = effect.subject_id
    return list(chain.lines(tx.connection, tables.audit.c.number > cursors.of(tx, place), most=BATCH))


async def perform(claim: Claim, ports: Ports) -> int | None:
    """The number of the last row that was sent, 0 where none was waiting; None where the place is none of ours."""
    rows: Sequence[Line] = claim.found
    collector = ports.collectors.get(claim.effect.subject_id)
    if collector is None:
        return None
    if not rows:
        return 0
    sent = await collector.send(rows)
    return int(rows[sent - 1]["row"]["number"])


def complete(tx: Transaction, claim: Claim, upto: int | None, _new_id: NewId) -> None:
    """Note how far the place has come; what was written meanwhile is promised to it."""
    outbox.finish(tx, claim.effect, EffectState.DONE, attempts=0, first_failed_at=None, last_error="")
    place = claim.effect.subject_id
    if upto is not None:
        cursors.move(tx, place, max(upto, cursors.of(tx, place)), EffectKind.FORWARD_AUDIT)
    elif place in (tx.remembered(ledger.PLACE) or {}).get("forwards", ()):
        tx.promise(Promise(EffectKind.FORWARD_AUDIT, place, tx.now + ANOTHERS))
