"""What people do, whichever of their ids Slack calls them by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from bot.core import lifecycle
from bot.core.in_force import InForce
from bot.core.model import Answers, AuditEvent, Identity, Refusal, RequestId, RequestState, Rulebook, Verdict
from bot.core.requests import Asked
from bot.group_members import Group, GroupChange
from bot.listing import Listing
from bot.operations import Operations, Submission
from bot.slack.listeners import _ids_of
from bot.store.engine import migrate, open_engine
from bot.store.store import Store
from tests.core.life import ALICE, BOB, CAROL, DAVE, DAY, MALLORY, PAYMENTS, Ids

ALICE_ELSEWHERE = replace(ALICE, identity=Identity("T0", "W0ALICE"), also=frozenset({ALICE.identity.user_id}))
"""Alice as Slack knows her in the whole organisation; her request was made under the workspace's own id."""

REQUEST = RequestId("request-1")


BECAUSE = Answers(reason="because")


def asks(store: Store) -> None:
    """Alice asks for Payments."""
    with store.transaction() as tx:
        asked = Asked(REQUEST, PAYMENTS.plans[0], 7 * DAY, BECAUSE)
        tx.apply(lifecycle.submit(asked, ALICE, PAYMENTS, "digest", tx.next_number(), tx.now, Ids("asked")))


def over(store: Store) -> Operations:
    return Operations(store, InForce(Rulebook("digest", {PAYMENTS.name: PAYMENTS})), Ids("later"))


@pytest.fixture
def operations(tmp_path: Path) -> Iterator[Operations]:
    """Alice asked for Payments, and nobody has decided."""
    store = Store(open_engine(f"sqlite:///{tmp_path / 'bot.db'}"))
    migrate(store.engine)
    asks(store)
    yield over(store)
    store.engine.dispose()


@pytest.fixture
def overtaken(postgres: str) -> Iterator[Store]:
    """Before whoever submits here takes a number, Alice's request-1 is stored."""
    store, faster = Store(open_engine(postgres)), list[str]()
    migrate(store.engine)

    def overtake(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith("UPDATE counters") and not faster:
            faster.append(statement)
            asks(store)

    event.listen(store.engine, "before_cursor_execute", overtake)
    yield store
    store.engine.dispose()
    assert faster


async def test_a_form_that_arrives_twice_at_once_takes_one_number(overtaken: Store) -> None:
    """On PostgreSQL both find that nobody asked. The slower one gets a number when the faster is stored, and gives it back."""
    approvers = frozenset({BOB.identity.user_id, CAROL.identity.user_id})
    numbers = [
        (await over(overtaken).submit(form, ALICE, approvers)).request.number
        for form in (
            Submission(RequestId(of), PAYMENTS.name, "standard", 7 * DAY, BECAUSE) for of in (REQUEST, "request-2")
        )
    ]
    assert numbers == [1001, 1002]


async def test_of_two_forms_that_arrive_at_once_one_has_room(overtaken: Store) -> None:
    """Alice may have one, and sends two at the same moment: the slower waits for the faster, and is refused because of it."""
    one = replace(PAYMENTS, max_active=1)
    slower = Operations(overtaken, InForce(Rulebook("digest", {one.name: one})), Ids("later"))
    form = Submission(RequestId("request-2"), one.name, "standard", 7 * DAY, BECAUSE)
    with pytest.raises(Refusal, match=r"You already have a token or request for Payments \(R-1001\)"):
        await slower.submit(form, ALICE, frozenset({BOB.identity.user_id, CAROL.identity.user_id}))


async def test_who_asked_withdraws_under_either_id(operations: Operations) -> None:
    """Slack knows two ids of hers, and she is one person."""
    outcome = await operations.withdraw(REQUEST, ALICE_ELSEWHERE)
    assert outcome.refusal is None
    assert outcome.record.request.state is RequestState.WITHDRAWN
    assert outcome.record.request.decided_by == ALICE.identity


async def test_who_holds_revokes_and_replaces_under_either_id(operations: Operations) -> None:
    """What she holds is hers."""
    await operations.review(REQUEST, BOB, Verdict.YES, "", ())
    await operations.review(REQUEST, CAROL, Verdict.YES, "", ())
    assert (await operations.may_replace(REQUEST, ALICE_ELSEWHERE)).request.id == REQUEST
    assert (await operations.may_revoke(REQUEST, replace(ALICE_ELSEWHERE, groups=frozenset()))).request.id == REQUEST


def test_an_event_about_somebody_is_about_both_ids() -> None:
    """What is remembered of them is asked again, under whichever id it was asked about."""
    assert _ids_of({"id": "U0ADA", "enterprise_user": {"id": "W0ADA"}}) == {"U0ADA", "W0ADA"}
    assert _ids_of({"id": "U0ADA", "enterprise_user": {}}) == _ids_of({"id": "U0ADA"}) == {"U0ADA"}


async def test_an_old_event_about_a_group_is_no_news(operations: Operations) -> None:
    """Erin was put among the leads and out again; the first event comes once more, and she is not added a second time."""
    erin, nobody = frozenset({"U0ERIN"}), frozenset[str]()
    await operations.groups.all_seen([Group("S0LEADS", "leads", frozenset({"U0BOB"}))])
    came = GroupChange("S0LEADS", "leads", erin, nobody, 10)
    went = GroupChange("S0LEADS", "leads", nobody, erin, 20)
    assert [await operations.groups.changed(change) for change in (came, went, came)] == [True, True, False]
    assert not await operations.groups.seen(Group("S0LEADS", "leads", erin | {"U0BOB"}), 10)
    assert told_of_groups(operations) == [("S0LEADS", ["U0ERIN"], []), ("S0LEADS", [], ["U0ERIN"])]


async def test_a_change_of_a_group_that_was_never_seen_is_told(operations: Operations) -> None:
    """Slack couldn't say at the start who is in it, so the event is believed; of a group that approves nothing, none is."""
    for group in ("S0LEADS", "S0OTHERS"):
        change = GroupChange(group, "some", frozenset({"U0ERIN"}), frozenset({"U0BOB"}), 10)
        assert await operations.groups.changed(change) is (group == "S0LEADS")
    assert told_of_groups(operations) == [("S0LEADS", ["U0ERIN"], ["U0BOB"])]


def told_of_groups(operations: Operations) -> list[tuple[str, list[str], list[str]]]:
    """What the audit says of groups: which, who came, who went."""
    with operations.store.reading() as tx:
        lines = [entry.details for entry in tx.audit_trail() if entry.event is AuditEvent.GROUP_CHANGED]
    return [(line["group"], line["added"], line["removed"]) for line in lines]


# --- what a person may write and do -----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["x" * 501, "\u200b" * 5001], ids=["one too many", "far too many"])
async def test_no_text_is_longer_than_its_form_takes(operations: Operations, text: str) -> None:
    """Whatever Slack's window would have kept back is refused here, too: each text that an approver or a requester can send."""
    approvers = frozenset({BOB.identity.user_id, CAROL.identity.user_id})

    async def asks_with(answers: Answers) -> None:
        form = Submission(RequestId("request-2"), PAYMENTS.name, "standard", 7 * DAY, answers)
        await operations.submit(form, ALICE, approvers)

    for answers in (Answers(reason=text), Answers(used_by=text[:81] if text[0] == "x" else text, reason="because")):
        with pytest.raises(Refusal) as no:
            await asks_with(answers)
        assert no.value.code == "too_long"
    outcomes = [
        await operations.review(REQUEST, BOB, Verdict.YES, text, ()),
        await operations.review(REQUEST, BOB, Verdict.NO, text, ()),
        await operations.ask(REQUEST, BOB, text, "question-1"),
    ]
    outcomes += [await operations.ask(REQUEST, BOB, "why?", "question-1")]
    outcomes += [await operations.answer(REQUEST, ALICE, text, "question-1")]
    for approver in (BOB, CAROL):
        await operations.review(REQUEST, approver, Verdict.YES, "", ())
    outcomes += [await operations.revoke(REQUEST, BOB, text)]
    codes = [one.refusal.code if one.refusal else "" for one in outcomes]
    assert codes == ["too_long", "too_long", "too_long", "", "too_long", "too_long"]
    assert (await operations.look(REQUEST)).lives


async def test_equal_refusals_of_one_person_are_gathered(operations: Operations) -> None:
    """Mallory clicks a dozen times: two rows, the second with how often. Another person, API or request is told by itself."""
    mallory, dave = MALLORY.identity, DAVE.identity
    for _ in range(12):
        await operations.refused(mallory, "payments", "no", "clicking")
    await operations.refused(dave, "payments", "no", "clicking")
    await operations.refused(mallory, "ledger", "no", "clicking")
    await operations.refused(mallory, None, "no", "clicking", REQUEST)
    with operations.store.reading() as tx:
        rows = [one for one in tx.audit_trail() if one.event is AuditEvent.REFUSED]
    assert [(one.details["person"], one.api, one.request_number, one.details.get("times")) for one in rows] == [
        ("UMALLORY", "payments", None, None),
        ("UMALLORY", "payments", None, 10),
        ("UDAVE", "payments", None, None),
        ("UMALLORY", "ledger", None, None),
        ("UMALLORY", "payments", 1001, None),
    ]


async def test_a_list_looks_at_the_apis_that_are_waited_for(operations: Operations) -> None:
    """Bob may approve for ten thousand APIs, and one request waits: it is in his list, and the database is asked for few."""
    many = {f"api-{number}": replace(PAYMENTS, name=f"api-{number}") for number in range(10_000)}
    book = Rulebook("digest", many | {PAYMENTS.name: PAYMENTS})
    values: list[int] = []

    def asked_for(_connection: object, _cursor: object, _statement: str, parameters: Any, *_rest: object) -> None:
        values.append(len(parameters))

    event.listen(operations.store.engine, "before_cursor_execute", asked_for)
    among_many = Listing(operations.store, InForce(book))
    assert [one.request.id for one in (await among_many.holdings(BOB)).awaiting] == [REQUEST]
    assert (await among_many.holdings(MALLORY)).awaiting == ()
    assert max(values) < 10
