"""The audit's way into its channel: it moves on to another one without a gap, and tells nothing in both."""

from __future__ import annotations

from bot.core.model import AuditEvent, AuditLine, EffectKind, EffectState
from bot.store import cursors, figures, outbox, trail
from bot.store.store import Store, Transaction
from tests.store.test_ledger import store

__all__ = ["store"]


def says(tx: Transaction, many: int = 1) -> None:
    for _ in range(many):
        tx.audit(AuditLine(AuditEvent.CONFIGURED, None, {}), None)


def promised(tx: Transaction) -> list[str]:
    return [one.subject_id for one in outbox.effects(tx, EffectState.OPEN) if one.kind is EffectKind.POST_AUDIT]


def told(tx: Transaction, channel: str) -> list[int]:
    return [one.number for one in trail.next_post(tx, channel, 40).reading.entries]


def test_another_channel_hears_what_the_one_before_has_not(store: Store) -> None:
    """Two rows are told, one is not: the new channel gets that one and what follows. A post that was under way does not bring the
    old one back; and it begins with what is new when it is in force again."""
    with store.transaction() as tx:
        says(tx, 3)
        cursors.begin_posting(tx, "C0OLD")
        assert promised(tx) == ["C0OLD"]
        assert told(tx, "C0OLD") == [1, 2, 3]
        assert cursors.move(tx, "C0OLD", 2)
    with store.transaction() as tx:
        cursors.begin_posting(tx, "C0NEW")
        says(tx)
        assert promised(tx) == ["C0OLD", "C0NEW"]
        assert (told(tx, "C0OLD"), told(tx, "C0NEW")) == ([], [3, 4])
        assert not cursors.move(tx, "C0OLD", 3)
        assert told(tx, "C0OLD") == []
        assert figures.unposted(tx, "C0OLD").many == 0
        assert cursors.move(tx, "C0NEW", 4)
    with store.transaction() as tx:
        cursors.begin_posting(tx, "C0NEW")
        cursors.begin_posting(tx, "C0OLD")
        says(tx)
        assert (told(tx, "C0OLD"), told(tx, "C0NEW")) == ([5], [])
