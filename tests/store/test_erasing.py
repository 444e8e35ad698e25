"""What people typed can be erased, of one of them or of what has long been over, and the audit's chain still fits."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from bot import cli
from bot.core import facts, lifecycle, questions
from bot.core.chain import prove
from bot.core.lifecycle import Asked
from bot.core.model import (
    Answers,
    AuditEvent,
    AuditLine,
    EffectKind,
    EffectState,
    MessageKind,
    Person,
    QuestionId,
    Record,
    RequestId,
    Verdict,
)
from bot.core.outages import outages
from bot.store import chain, erasing, outbox, tables, troubles
from bot.store.engine import migrate, open_engine
from bot.store.seal import Seal, new_key
from bot.store.store import Store
from bot.store.transaction import Transaction
from tests.core.life import ALICE, BOB, DAVE, DAY, Ids
from tests.store.test_chain import RULE, misfit

NEW_ID = Ids()
EVERY_TABLE = tuple(table.name for table in tables.metadata.sorted_tables)


@pytest.fixture(params=["sqlite", "postgresql"])
def environ(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    url = f"sqlite:///{tmp_path / 'bot.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres")
    return {"DATABASE_URL": url, "SEAL_KEYS": new_key()}


@pytest.fixture
def store(environ: dict[str, str]) -> Iterator[Store]:
    engine = open_engine(environ["DATABASE_URL"])
    migrate(engine)
    store = Store(engine)
    with store.transaction() as tx:
        store.chain.key = chain.begin(tx, Seal([environ["SEAL_KEYS"]]))
    yield store
    engine.dispose()


def is_over(tx: Transaction, who: Person, word: str) -> Record:
    """Somebody asks, Bob has a question, is answered, and says no; the card stands in the channel. Each says the word."""
    number = tx.next_number()
    form = Asked(RequestId(f"request-{number}"), RULE.plans[0], 7 * DAY, Answers(f"{word} job", f"{word} why"))
    record = tx.apply(lifecycle.submit(form, who, RULE, "digest", number, tx.now, NEW_ID))
    question = QuestionId(f"question-{number}")
    record = tx.apply(questions.ask(record, RULE, BOB, f"{word} asks", question, tx.now, NEW_ID))
    record = tx.apply(questions.answer(record, who, f"{word} answers", question, tx.now, NEW_ID))
    record = tx.apply(lifecycle.review(record, RULE, BOB, Verdict.NO, f"{word} no", tx.now, NEW_ID))
    tx.audit(AuditLine(AuditEvent.RETRIED, None, {"operator": "Frank"}), record)
    return _stands(tx, record)


def _stands(tx: Transaction, record: Record) -> Record:
    """The card and the status are in Slack."""
    for message in record.messages:
        if message.kind in (MessageKind.CARD, MessageKind.STATUS):
            ts = f"{record.request.number}.{message.id}"
            posted = facts.MessagePosted(message.id, message.target, ts, record.request.version)
            record = tx.apply(lifecycle.observe(record, posted, tx.now, NEW_ID))
    return record


def everything(store: Store) -> str:
    """All that the database holds, as text."""
    with store.reading() as tx:
        found = [tx.connection.execute(text(f"SELECT * FROM {name}")).all() for name in EVERY_TABLE]  # noqa: S608 - our own
    return str(found)


def exported(store: Store) -> list[Any]:
    with store.reading() as tx:
        return list(chain.lines(tx.connection))


def proof_of(store: Store) -> Any:
    """The chain fits, as both proofs see it."""
    assert store.chain.key is not None
    lines = exported(store)
    assert misfit(json.loads(json.dumps(lines)), keys=(store.chain.key,)) == ""
    return prove(lines, [store.chain.key])


def erases(store: Store, who: Person) -> erasing.Erased:
    with store.transaction() as tx:
        return erasing.person(tx, erasing.traces(tx, who.identity.user_id), "Erin", NEW_ID)


def test_nothing_of_a_person_is_left_but_their_id(store: Store) -> None:
    """Alice's name, her reasons and answers, and what Bob typed to her are gone everywhere; of Dave all is there, and the chain
    fits and counts what is gone."""
    with store.transaction() as tx:
        is_over(tx, ALICE, "apple")
        is_over(tx, DAVE, "durian")
        tx.upsert(tables.names, [{"id": ALICE.identity.user_id, "name": ALICE.called}])
    before = everything(store)
    assert "apple" in before
    assert ALICE.called in before
    erased = erases(store, ALICE)
    left = everything(store)
    assert "apple" not in left
    assert f"'{ALICE.called}'" not in left
    assert ALICE.identity.user_id in left
    assert left.count("durian") == before.count("durian")
    assert left.count("Frank") == before.count("Frank") == 2, "who acted at the command line is somebody else"
    assert erased == erasing.Erased(requests=1, texts=6)
    assert (proof := proof_of(store)).erased == 6
    assert proof.accounted == 6


def test_the_card_is_shown_without_it(store: Store) -> None:
    """Where the card stands in the approvals channel, the bot edits it; it does not write to who has left."""
    with store.transaction() as tx:
        record = is_over(tx, ALICE, "apple")
        tx.connection.execute(text("UPDATE effects SET state = 'done'"))
    erases(store, ALICE)
    with store.reading() as tx:
        promised = [one for one in outbox.effects(tx, EffectState.OPEN) if one.kind is EffectKind.SHOW_MESSAGE]
        shown = tx.numbered(record.request.number)
    assert shown is not None
    assert [shown.message(one.subject_id) for one in promised] == [
        message for message in shown.messages if message.kind is MessageKind.CARD
    ]


def test_an_approvers_words_go_from_the_requests_of_others(store: Store) -> None:
    """Bob's question and his reason are gone, also where the answer stands beside the question; Alice's answer stays."""
    with store.transaction() as tx:
        is_over(tx, ALICE, "apple")
    erases(store, BOB)
    left = everything(store)
    assert "apple asks" not in left
    assert "apple no" not in left
    assert BOB.called not in left
    assert left.count("apple answers") == 2
    assert proof_of(store).erased == 3


def test_who_still_has_something_is_not_erased(
    store: Store, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """What waits or runs ends first; then the command says what there is, and what stays."""
    with store.transaction() as tx:
        form = Asked(RequestId("request-1"), RULE.plans[0], 7 * DAY, Answers("", "apple"))
        record = tx.apply(lifecycle.submit(form, ALICE, RULE, "digest", tx.next_number(), tx.now, NEW_ID))
    words = ["erase-person", ALICE.identity.user_id, "--yes", "--as", "Erin"]
    assert cli.execute(words, environ) == 1
    assert capsys.readouterr().err.startswith(f"{ALICE.identity.user_id} still has R-1001. End that first")
    with store.transaction() as tx:
        record = tx.records([record.request.id])[0]
        tx.apply(lifecycle.deny(record, "no", tx.now, NEW_ID))
    assert cli.execute(words, environ) == 0
    said = capsys.readouterr().out
    assert "Erased: requests 1, texts in the audit 2." in said
    assert "Slack" in said
    last = exported(store)[-1]
    assert last["row"]["event"] == "erased"
    assert last["row"]["person"] == ALICE.identity.user_id
    assert last["texts"]["operator"][1] == "Erin"
    assert cli.execute(["erase-person", "U0NOBODY", "--yes"], environ) == 2
    assert cli.execute(["audit", "verify"], environ) == 0
    assert "Texts that were erased: 2." in capsys.readouterr().out


def test_what_has_long_been_over_is_put_away(store: Store) -> None:
    """A few at a time, the oldest first: what was typed, the names, and where the messages stand; what waits stays as it is."""
    with store.transaction() as tx:
        for word in ("apple", "apricot", "avocado"):
            is_over(tx, ALICE, word)
        form = Asked(RequestId("waits"), RULE.plans[0], 7 * DAY, Answers("", "banana"))
        tx.apply(lifecycle.submit(form, ALICE, RULE, "digest", tx.next_number(), tx.now, NEW_ID))
    store.skew = timedelta(days=400)
    counts = []
    for before in (500, 365, 365, 365):
        with store.transaction() as tx:
            counts.append(erasing.finished(tx, tx.now - timedelta(days=before), limit=2).requests)
    assert counts == [0, 2, 1, 0]
    left = everything(store)
    assert not [word for word in ("apple", "apricot", "avocado") if word in left]
    assert left.count("banana") == 2
    with store.reading() as tx:
        assert tx.connection.execute(text("SELECT DISTINCT request_id FROM messages")).scalars().all() == ["waits"]
        told = [entry.details for entry in tx.audit_trail() if entry.event is AuditEvent.ERASED]
    assert [(one["first"], one["last"], one["texts"]) for one in told] == [
        ("R-1001", "R-1002", 12),
        ("R-1003", "R-1003", 6),
    ]
    assert proof_of(store).erased == 18


def test_what_cannot_be_read_keeps_nothing_else(store: Store) -> None:
    """Somebody broke Alice's first two requests by hand: the third is put away, and the operator hears of it until they are
    mended."""
    with store.transaction() as tx:
        for word in ("apple", "apricot", "avocado"):
            is_over(tx, ALICE, word)
        rules = tx.connection.execute(text("SELECT rule FROM requests WHERE number = 1001")).scalar_one()
        tx.connection.execute(text("UPDATE requests SET rule = '{}' WHERE number < 1003"))
    store.skew = timedelta(days=400)
    for _ in range(3):
        with store.transaction() as tx:
            erased = erasing.finished(tx, tx.now - timedelta(days=365), limit=1)
    assert [one.number for one in erased.unreadable] == [1001, 1002]
    left = everything(store)
    assert ("apple" in left, "avocado" in left) == (True, False)
    with store.reading() as tx:
        assert [outage.key for outage in outages(troubles.failing(tx)).values()] == ["record_unreadable"]
    with store.transaction() as tx:
        tx.connection.execute(text("UPDATE requests SET rule = :of"), {"of": rules})
        assert erasing.finished(tx, tx.now - timedelta(days=365), limit=9) == erasing.Erased(2, 12)
        assert troubles.failing(tx) == ()
    assert proof_of(store).erased == 18


def test_two_erasures_at_once_count_nothing_twice(postgres: str) -> None:
    """Alice is erased while Bob is, who said something that stands beside a row of hers; and two replicas put the same away."""
    engine = open_engine(postgres)
    migrate(engine)
    store = Store(engine)
    with store.transaction() as tx:
        store.chain.key = chain.begin(tx, Seal([new_key()]))
        record = is_over(tx, ALICE, "apple")
        tx.audit(AuditLine(AuditEvent.REVOKED, DAVE.identity, {"reason": "apple"}), record)
        is_over(tx, DAVE, "durian")
    store.skew = timedelta(days=400)

    def put_away(tx: Transaction) -> erasing.Erased:
        return erasing.finished(tx, tx.now - timedelta(days=365), limit=9)

    def erased(who: Person, tx: Transaction) -> erasing.Erased:
        return erasing.person(tx, erasing.traces(tx, who.identity.user_id), "Erin", NEW_ID)

    for first, second, meets in (
        (partial(erased, ALICE), partial(erased, DAVE), ("counters", "audit_texts")),
        (put_away, put_away, ("requests",)),
    ):
        _at_once(store, first, second, meets)
        assert (proof := proof_of(store)).erased == proof.accounted
    with store.reading() as tx:
        told = [one.details["requests"] for one in tx.audit_trail() if one.event is AuditEvent.ERASED]
    assert told == [1, 1, 2], "the last one found nothing more"
    engine.dispose()


def _at_once(
    store: Store,
    first: Callable[[Transaction], object],
    second: Callable[[Transaction], object],
    meets: tuple[str, ...],
) -> None:
    """The second begins when the first has done its work, which is stored as soon as they meet in one of these tables."""
    waits = threading.Event()

    def executed(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        locks = statement.endswith("FOR UPDATE") or statement.startswith("DELETE")
        if locks and any(f"FROM {table}" in statement for table in meets):
            waits.set()

    def run() -> None:
        other = Store(store.engine, skew=store.skew)
        other.chain.key = store.chain.key
        with other.transaction() as tx:
            second(tx)

    with ThreadPoolExecutor(1) as pool:
        with store.transaction() as tx:
            first(tx)
            event.listen(store.engine, "before_cursor_execute", executed)
            running = pool.submit(run)
            assert waits.wait(10)
        event.remove(store.engine, "before_cursor_execute", executed)
        running.result(10)


def test_what_extended_a_token_stays_while_that_is_held(store: Store) -> None:
    """It tells why somebody has the token for so long."""
    with store.transaction() as tx:
        form = Asked(RequestId("held"), RULE.plans[0], None, Answers("", "banana"))
        record = tx.apply(lifecycle.submit(form, ALICE, RULE, "digest", tx.next_number(), tx.now, NEW_ID))
        tx.apply(lifecycle.review(record, RULE, BOB, Verdict.YES, "", tx.now, NEW_ID))
        extends = is_over(tx, ALICE, "apple").request.id
        tx.connection.execute(
            text("UPDATE requests SET extends = 'held', extends_number = 1001 WHERE id = :of"), {"of": extends}
        )
    store.skew = timedelta(days=400)
    for ends, erased in ((False, 0), (True, 1)):
        with store.transaction() as tx:
            if ends:
                tx.connection.execute(text("UPDATE grants SET state = 'ended', ended_at = 9999999999999"))
            assert erasing.finished(tx, tx.now - timedelta(days=365), limit=9).requests == erased


def test_a_text_that_somebody_deleted_by_hand_is_missed(store: Store) -> None:
    """More are gone than erasures account for."""
    with store.transaction() as tx:
        is_over(tx, ALICE, "apple")
        tx.connection.execute(text("DELETE FROM audit_texts WHERE number = 1"))
    assert store.chain.key is not None
    told = misfit(json.loads(json.dumps(exported(store))), keys=(store.chain.key,))
    assert told.startswith("2 texts are gone, and erasures account for 0 of them")
