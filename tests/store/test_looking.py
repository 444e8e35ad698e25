"""Who may look up what is held of an entry that left the rules: auditors, and whoever approves under the rule it was granted
by."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from bot.core import lifecycle
from bot.core.in_force import InForce
from bot.core.lifecycle import Asked
from bot.core.model import Answers, Audience, Person, Refusal, RequestId, Rule, Rulebook, Verdict
from bot.core.usage import Use
from bot.looking import Looking, Wanted
from bot.store.engine import migrate, open_engine
from bot.store.store import Store
from bot.store.threads import Threads
from bot.store.transaction import Transaction
from tests.core.life import ALICE, BOB, CAROL, DAVE, DAY, MALLORY, PAYMENTS, Ids, person

EVE = person("eve", "S0AUDIT")
NEW_ID = Ids()


def ones(*people: Person) -> Audience:
    return Audience(users=frozenset(one.identity.user_id for one in people))


OLD = replace(PAYMENTS, approvals=1, approvers=ones(BOB))
LATER = replace(OLD, approvers=ones(BOB, DAVE))
NO_MORE = InForce(Rulebook("digest", {"ledger": replace(OLD, name="ledger", title="Ledger")}, ones(EVE)))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    engine = open_engine(f"sqlite:///{tmp_path / 'bot.db'}")
    migrate(engine)
    store = Store(engine, threads=Threads(one_writer=True))
    yield store
    await store.close()


def holds(tx: Transaction, rule: Rule, who: Person = ALICE) -> int:
    number = tx.next_number()
    form = Asked(RequestId(f"request-{number}"), rule.plans[0], 7 * DAY, Answers(reason="because"))
    record = tx.apply(lifecycle.submit(form, who, rule, "digest", number, tx.now, NEW_ID))
    return tx.apply(lifecycle.review(record, rule, BOB, Verdict.YES, "", tx.now, NEW_ID)).request.number


async def nothing_of_use(tokens: Sequence[Sequence[str]], _now: datetime) -> Sequence[Use | None]:
    return [None] * len(tokens)


async def looked(store: Store, who: Person, words: str) -> list[int]:
    looking = Looking(store, NO_MORE, nothing_of_use)
    found = await looking.look(who, Wanted(api=await looking.entry(words, who)))
    assert (found.retired, found.title_of(PAYMENTS.name)) == (True, PAYMENTS.title)
    return [one.number for one in found.holdings]


async def test_what_was_granted_under_a_rule_is_seen_by_whoever_approves_under_it(store: Store) -> None:
    """Payments is gone: Bob approved under both its rules, Dave under the later one alone; Eve audits, and sees all."""
    with store.transaction() as tx:
        first, second = holds(tx, OLD), holds(tx, LATER, CAROL)
    assert await looked(store, BOB, PAYMENTS.name) == [second, first]
    assert await looked(store, DAVE, f" {PAYMENTS.title.upper()} ") == [second]
    assert await looked(store, EVE, PAYMENTS.title) == [second, first]
    for stranger in (MALLORY, ALICE):
        with pytest.raises(Refusal, match=r"You can't look up who holds .*: only the people who approve"):
            await looked(store, stranger, PAYMENTS.name)


async def test_what_nobody_holds_any_more_is_an_api_that_nobody_knows(store: Store) -> None:
    """Once the last token has ended, the name means nothing."""
    with store.transaction() as tx:
        holds(tx, OLD)
        tx.apply(lifecycle.revoke(tx.records({RequestId("request-1001")})[0], None, "over", tx.now, NEW_ID))
    with pytest.raises(Refusal, match="I don't know an API called"):
        await looked(store, EVE, PAYMENTS.name)
