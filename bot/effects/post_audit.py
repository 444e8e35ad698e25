"""Post the audit lines that wait, in order. The table is exact; the channel may see a line twice.

Each pass is one message: as many leading rows as `core.audit.together` puts together, under the cursor's rule that no row is
posted before those with lower numbers are. A message about one request goes into that request's thread; the first one about it
begins the thread, and is remembered when the pass completes. A thread whose beginning was lost or deleted begins anew.

A channel that the audit has left for another one gets nothing more: what is promised to it, by a replica that has not taken the
new configuration yet, goes to the one in force.
"""

from __future__ import annotations

from bot.core.audit import Post, Posted
from bot.core.draft import NewId
from bot.core.model import Effect, EffectKind, EffectState
from bot.effects.claim import Claim
from bot.effects.ports import Ports
from bot.store import cursors, ledger, outbox, trail
from bot.store.transaction import Transaction

BATCH = 40


def find(tx: Transaction, effect: Effect) -> Post:
    """The lines that are not in the channel yet and go out now."""
    return trail.next_post(tx, effect.subject_id, BATCH)


async def perform(claim: Claim, ports: Ports) -> Posted | None:
    """The rows that are in the channel now; None where none was waiting."""
    post: Post = claim.found
    return await ports.slack.post_audit(claim.effect.subject_id, post) if post.reading.entries else None


def complete(tx: Transaction, claim: Claim, posted: Posted | None, _new_id: NewId) -> None:
    outbox.finish(tx, claim.effect, EffectState.DONE, attempts=0, first_failed_at=None, last_error="")
    channel, post = claim.effect.subject_id, claim.found
    upto = cursors.of(tx, channel) if posted is None else post.reading.entries[posted.rows - 1].number
    if posted is not None:
        trail.learn(tx, posted.names)
        if post.request_id is not None and posted.ts is not None:
            trail.begin_thread(tx, post.request_id, channel, posted.ts)
    if not cursors.move(tx, channel, upto):
        tx.promise_audit(EffectKind.POST_AUDIT, tx.remembered(ledger.PLACE)["audit_channel"])
