"""The requests on record, read a page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.core import lifecycle, replay
from bot.core.model import RequestState, Verdict
from bot.store import history, statements
from bot.store.engine import migrate, open_engine
from bot.store.store import Store
from tests.core.life import BOB, DAY
from tests.store.test_ledger import NEW_ID, RULE, asks, holds


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path / 'bot.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres")
    engine = open_engine(url)
    migrate(engine)
    yield Store(engine)
    engine.dispose()


def test_all_that_is_on_record(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits, what is held, and what was decided with as many approvals as its reviews were told of, page after page; what
    somebody else stores between two pages harms nothing."""
    monkeypatch.setattr(statements, "AT_ONCE", 2)
    with store.transaction() as tx:
        waiting = [asks(tx).request.label for _ in range(3)]
        held = [holds(tx).request.label for _ in range(5)]
        denied = asks(tx)
        tx.apply(lifecycle.review(denied, RULE, BOB, Verdict.NO, "", tx.now, NEW_ID))
        since = tx.now
    assert [one.request.label for one in history.waiting(store)] == waiting
    living = history.living(store)
    first = next(living)
    with store.transaction() as tx:
        holds(tx)
    assert [first.request.label, *(one.request.label for one in living)][:5] == held
    decided = list(history.decided(store, None))
    assert [past.record.request.label for past in decided][:6] == [*held, denied.request.label]
    assert {past.told.need for past in decided} == {1}
    assert [past.told.ending for past in decided][:6] == [*[RequestState.APPROVED] * 5, RequestState.DENIED]
    assert (decided[5].told.ended_by, *decided[5].told.reviewers) == ("UBOB", "UBOB")
    assert not any(replay.misfit(past.record, past.told) for past in decided)
    assert not list(history.decided(store, since + DAY))
