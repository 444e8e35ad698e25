"""What commands ask the database for, a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event

from bot.core import facts, lifecycle
from bot.core.lifecycle import Asked
from bot.core.model import Answers, Audience, AuditEvent, EffectKind, Record, RequestId, Transition, Verdict
from bot.store import ledger, statements
from bot.store.engine import migrate, open_engine
from bot.store.ledger import Filter
from bot.store.seal import Seal, new_key
from bot.store.store import Store
from bot.store.transaction import Transaction
from tests.core.life import ALICE, BOB, DAVE, DAY, PAYMENTS, Ids, person

RULE = replace(PAYMENTS, approvals=1, approvers=Audience(users=frozenset({BOB.identity.user_id})))
MANY = 35
NEW_ID = Ids()


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path / 'bot.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres")
    engine = open_engine(url)
    migrate(engine)
    yield Store(engine)
    engine.dispose()


def asks(tx: Transaction, who: str = "alice") -> Record:
    number = tx.next_number()
    form = Asked(RequestId(f"request-{number}"), RULE.plans[0], 7 * DAY, Answers(reason="because"))
    return tx.apply(lifecycle.submit(form, person(who), RULE, "digest", number, tx.now, NEW_ID))


def holds(tx: Transaction, who: str = "alice", sealed: bytes = b"sealed") -> Record:
    """Bob approves, and the key is made."""
    record = asks(tx, who)
    record = tx.apply(lifecycle.review(record, RULE, BOB, Verdict.YES, "", tx.now, NEW_ID))
    (key,) = record.keys
    made = facts.KeyIssued(key.id, f"hash-{record.request.number}", sealed, tx.now + DAY)
    return tx.apply(lifecycle.observe(record, made, tx.now, NEW_ID))


@contextmanager
def counted(store: Store) -> Iterator[list[str]]:
    """The statements that are executed meanwhile."""
    said: list[str] = []

    def executed(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        said.append(statement)

    event.listen(store.engine, "before_cursor_execute", executed)
    yield said
    event.remove(store.engine, "before_cursor_execute", executed)


def test_holdings_come_a_few_at_a_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is there before the others are read, and each page costs the same three statements at most."""
    monkeypatch.setattr(statements, "AT_ONCE", 10)
    with store.transaction() as tx:
        for _ in range(MANY):
            holds(tx)
    with store.reading() as tx, counted(store) as said:
        held = ledger.holdings(tx, Filter())
        first = next(held)
        assert len(said) <= 3
        rest = list(held)
        assert len(said) <= 1 + 2 * 4
    assert [one.number for one in (first, *rest)] == list(range(1000 + MANY, 1000, -1))


def test_one_request_costs_the_same_among_many(store: Store) -> None:
    """Its number is looked up, whatever else there is."""
    with store.transaction() as tx:
        for _ in range(MANY):
            holds(tx)
    with store.reading() as tx, counted(store) as said:
        (one,) = ledger.holdings(tx, Filter(number=1007, living=True))
    assert one.key_hashes == ("hash-1007",)
    assert len(said) <= 3


def test_what_lives_is_told_by_tyk_too(store: Store) -> None:
    """A key that outlived its grant is still there to be ended; when it is dead, nothing is."""
    with store.transaction() as tx:
        record = holds(tx)
        record = tx.apply(lifecycle.revoke(record, None, "it leaked", tx.now, NEW_ID))
        assert [one.number for one in ledger.holdings(tx, Filter(living=True))] == [1001]
        tx.apply(lifecycle.observe(record, facts.KeyDead(record.keys[0].id), tx.now, NEW_ID))
        assert list(ledger.holdings(tx, Filter(living=True))) == []
        assert [one.number for one in ledger.holdings(tx, Filter())] == [1001]


def test_what_ends_soon_comes_first(store: Store) -> None:
    """Of what has not ended, what ends within the time, the soonest first; and what is active, whenever it ends."""
    with store.transaction() as tx:
        sooner, later, ended = holds(tx), holds(tx), holds(tx)
        tx.apply(lifecycle.revoke(ended, None, "over", tx.now, NEW_ID))
        assert sooner.grant is not None
        tx.apply(Transition(replace(sooner, grant=replace(sooner.grant, until=tx.now + 3 * DAY))))
        within = {days: Filter(ends_before=tx.now + days * DAY) for days in (1, 7, 8)}
        found = {days: [one.number for one in ledger.holdings(tx, wanted)] for days, wanted in within.items()}
        both = [sooner.request.number, later.request.number]
        assert found == {1: [], 7: both[:1], 8: both}
        assert [one.number for one in ledger.holdings(tx, Filter(held=True))] == both[::-1], "the newest first"


def test_what_waits(store: Store) -> None:
    """Of a person, of an entry, since a time; the oldest first, and nothing that was decided."""
    with store.transaction() as tx:
        first, second, _ = asks(tx), asks(tx), holds(tx)
        other = asks(tx, "dave")
        who = ALICE.identity.user_id
        ids = [record.request.id for record in (first, second)]
        assert list(ledger.waiting(tx, Filter(person=who))) == ids
        assert list(ledger.waiting(tx, Filter(api=RULE.name))) == [*ids, other.request.id]
        assert ledger.waiting(tx, Filter(person=who, api="ledger")) == ()
        assert ledger.waiting(tx, Filter(person=who, since=tx.now + DAY)) == ()


def test_all_of_one_request(store: Store) -> None:
    """Its promises and its rows of the audit, in order, and nobody else's."""
    with store.transaction() as tx:
        record = holds(tx)
        holds(tx)
        kinds = [effect.kind for effect in ledger.effects_of(tx, record.request.id)]
        assert EffectKind.CONFIRM_KEY in kinds
        events = [entry.event for entry in ledger.trail_of(tx, record.request.id)]
        assert events == [AuditEvent.ASKED, AuditEvent.REVIEWED, AuditEvent.APPROVED, AuditEvent.KEY_CREATED]


def test_tokens_that_do_not_open(store: Store) -> None:
    """They are counted and named; those that a key opens, and what was forgotten, are none of them."""
    ours, theirs = Seal([new_key()]), Seal([new_key()])
    with store.transaction() as tx:
        holds(tx, sealed=ours.close("token"))
        assert not ledger.lost_tokens(tx, ours)
        for _ in range(12):
            holds(tx, sealed=theirs.close("token"))
        asks(tx)
        lost = ledger.lost_tokens(tx, ours)
    assert (lost.tokens, lost.numbers) == (12, tuple(range(1002, 1012)))
    assert "12 of the tokens in the database (R-1002, R-1003," in lost.sentence


def test_who_and_what_the_database_has_met(store: Store) -> None:
    """Entries of the last start and of requests; whoever asked or decided."""
    with store.transaction() as tx:
        tx.remember(ledger.CONFIGURED, {"digest": "d", "apis": {"ledger": {}}})
        holds(tx)
        assert ledger.entries(tx) == {"ledger", RULE.name}
        assert ledger.people(tx) == {ALICE.identity.user_id: ALICE.name}
        assert ledger.has_met(tx, ALICE.identity.user_id)
        assert ledger.has_met(tx, BOB.identity.user_id)
        assert not ledger.has_met(tx, DAVE.identity.user_id)
        assert ledger.newest_number(tx) == 1001


# --- a page at a time -------------------------------------------------------------------------------------------------

HELD = Filter(api=RULE.name, held=True)


def numbers_of(found: ledger.Page) -> list[int]:
    return [one.number for one in found.holdings]


def test_pages_go_from_the_newest_to_the_oldest_and_back(store: Store) -> None:
    """Seven grants, three a page; nothing is shown twice, and none is left out."""
    with store.transaction() as tx:
        held = [holds(tx).request.number for _ in range(7)][::-1]
        asks(tx)
    with store.reading() as tx:
        first = ledger.page(tx, HELD, 3)
        assert (numbers_of(first), first.newer, first.older) == (held[:3], False, True)
        second = ledger.page(tx, HELD, 3, before=held[2])
        assert (numbers_of(second), second.newer, second.older) == (held[3:6], True, True)
        last = ledger.page(tx, HELD, 3, before=held[5])
        assert (numbers_of(last), last.newer, last.older) == (held[6:], True, False)
        back = ledger.page(tx, HELD, 3, after=held[3])
        assert (numbers_of(back), back.newer, back.older) == (held[:3], False, True)
        assert numbers_of(ledger.page(tx, HELD, 3, before=held[6])) == held[:3], "what was there has ended: the newest"
        assert numbers_of(ledger.page(tx, HELD, 3, after=held[0])) == held[:3]


def test_a_page_is_of_what_runs_and_of_the_entries_that_may_be_seen(store: Store) -> None:
    """What has ended is not on it, nor anybody else's, nor what is for other eyes."""
    with store.transaction() as tx:
        ended, dave, alice = holds(tx), holds(tx, "dave"), holds(tx)
        tx.apply(lifecycle.revoke(ended, None, "over", tx.now, NEW_ID))
    with store.reading() as tx:
        assert numbers_of(ledger.page(tx, HELD, 10)) == [alice.request.number, dave.request.number]
        hers = replace(HELD, api=None, person=alice.request.requester.user_id)
        assert numbers_of(ledger.page(tx, hers, 10)) == [alice.request.number]
        assert numbers_of(ledger.page(tx, hers, 10, frozenset({RULE.name, "other"}))) == [alice.request.number]
        assert numbers_of(ledger.page(tx, hers, 10, frozenset({"other"}))) == []


def test_a_page_costs_three_statements_and_scans_no_table(store: Store) -> None:
    """Whatever the database holds: what runs is found by an index, and of it a page."""
    with store.transaction() as tx:
        for _ in range(3):
            holds(tx)
    with store.reading() as tx, counted(store) as said:
        assert len(ledger.page(tx, HELD, 10).holdings) == 3
        assert len(said) == 3
        if store.is_sqlite:
            plan = tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {said[0]}", _somehow(said[0])).all()
            steps = [row[-1] for row in plan]
            assert not [step for step in steps if step.startswith("SCAN")], steps


def _somehow(statement: str) -> tuple[int, ...]:
    return (0,) * statement.count("?")
