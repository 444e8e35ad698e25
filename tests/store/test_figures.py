"""The figures behind the metrics, on both databases: what they say, and that they read no table whole."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from bot.core import facts, lifecycle
from bot.effects.reconcile import RECONCILED_AT
from bot.effects.sweep_leavers import SWEPT_AT
from bot.health import Census, Seen, count_outcomes
from bot.store import cursors, figures
from bot.store.engine import migrate, open_engine
from bot.store.figures import Living, Unposted
from bot.store.seal import Seal, new_key
from bot.store.store import Store
from tests.core.life import DAY
from tests.store.test_ledger import NEW_ID, RULE, asks, counted, holds, store
from tests.test_metrics import value

__all__ = ["store"]


def test_what_waits_lives_and_is_not_posted(store: Store) -> None:
    """Alice waits twice and Dave once, one key lives, one outlived its grant, one its end, and one is dead."""
    with store.transaction() as tx:
        assert (figures.waiting(tx), figures.living(tx)) == ((), ())
        first, _, _ = asks(tx), asks(tx), asks(tx, "dave")
        holds(tx)
        for is_dead in (False, True):
            record = holds(tx)
            record = tx.apply(lifecycle.revoke(record, None, "it leaked", tx.now, NEW_ID))
            if is_dead:
                tx.apply(lifecycle.observe(record, facts.KeyDead(record.keys[0].id), tx.now, NEW_ID))
        (waiting,) = figures.waiting(tx)
        assert (waiting.api, waiting.many, waiting.since) == (RULE.name, 3, first.request.created_at)
        assert figures.living(tx) == (Living(RULE.name, 2, 1),)
        tx.now += 2 * DAY
        assert figures.living(tx) == (Living(RULE.name, 2, 2),)
        newest = tx.newest_audit()
        cursors.move(tx, "C0AUDIT", newest - 2)
        oldest = tx.audit_after(newest - 2, 1)[0].at
        assert figures.unposted(tx, "C0AUDIT") == Unposted(2, oldest)
        tx.remember(RECONCILED_AT, 1500.0)
        tx.remember(SWEPT_AT, 2500.0)
        Seen.of(tx, "C0AUDIT").count()
        assert (value("audit_unposted_rows"), value("audit_oldest_unposted_timestamp_seconds")) == (
            2,
            oldest.timestamp(),
        )
        assert value("last_reconcile_timestamp_seconds") == 1500
        assert value("last_sweep_timestamp_seconds") == 2500
        cursors.move(tx, "C0AUDIT", newest)
        assert figures.unposted(tx, "C0AUDIT") == Unposted()
        Seen.of(tx, "C0AUDIT").count()
        assert value("audit_unposted_rows") == 0
        assert math.isnan(value("audit_oldest_unposted_timestamp_seconds"))


def test_nothing_is_counted_by_reading_a_table(tmp_path: Path) -> None:
    """What `/metrics` asks, and what is counted each minute: what has ended is in no index that is read."""
    store = Store(open_engine(f"sqlite:///{tmp_path / 'bot.db'}"))
    migrate(store.engine)
    with store.transaction() as tx:
        holds(tx)
    with store.reading() as tx, counted(store) as said:
        Seen.of(tx, "C0AUDIT")
        figures.waiting(tx)
        figures.living(tx)
    with store.engine.connect().execution_options(writes=False) as connection:
        steps = [
            step[3]
            for statement in said
            for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", (0,) * statement.count("?")).all()
        ]
    store.engine.dispose()
    tables = ("requests", "grants", "keys", "effects", "audit")
    scans = [step for step in steps if step.startswith("SCAN") and step.split()[1] in tables]
    assert {step.split("USING")[-1].strip() for step in scans} <= {"INDEX keys_at_tyk", "INDEX effects_parked"}
    assert any("keys_at_tyk" in step for step in steps)


async def test_the_census_counts_what_is_and_forgets_what_was(store: Store) -> None:
    """A request waits, and the next minute it does not; one key is past its end; nobody can open the tokens of both."""
    store.on_commit(count_outcomes)
    census, seal = Census(store, Seal((new_key(),))), Seal((new_key(),))
    denied = value("requests_total", api=RULE.name, outcome="denied")
    with store.transaction() as tx:
        record = asks(tx)
        holds(tx, sealed=seal.close("a token"))
        tx.apply(lifecycle.revoke(holds(tx), None, "it leaked", tx.now, NEW_ID))  # and Tyk still has the key
    await census.take()
    await census.try_seal()
    oldest = value("oldest_waiting_request_timestamp_seconds", api=RULE.name)
    assert oldest == pytest.approx(record.request.created_at.timestamp())
    assert value("requests_waiting", api=RULE.name) == 1
    assert (value("keys_living", api=RULE.name), value("keys_past_end", api=RULE.name)) == (2, 1)
    assert value("sealed_tokens_lost") == 2
    with store.transaction() as tx:
        waits = tx.record(record.request.id)
        assert waits is not None
        tx.apply(lifecycle.deny(waits, "not needed", tx.now, NEW_ID))
    await census.take()
    assert value("requests_waiting", api=RULE.name) == 0
    name = "tyk_key_bot_oldest_waiting_request_timestamp_seconds"
    assert REGISTRY.get_sample_value(name, {"api": RULE.name}) is None
    assert value("requests_total", api=RULE.name, outcome="denied") == denied + 1
