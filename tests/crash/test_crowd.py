"""A hundred people at once: one outcome, one key, one row each; and what is put aside waits for a person."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, literal, select, update

from bot.core.model import (
    Answers,
    AuditEvent,
    EffectKind,
    EffectState,
    KeyState,
    MessageKind,
    RequestId,
    RequestState,
    Topic,
    Verdict,
)
from bot.effects.acting import Failure, act
from bot.operations import Submission
from bot.store import outbox, tables
from bot.store.engine import migrate, open_engine
from bot.store.outbox import LeaseLost
from tests.crash.outside import Fates, person
from tests.crash.story import LIFETIME, PEOPLE, REQUEST, RULE, Story, wipe

CROWD = 100


@pytest.fixture(params=["sqlite", "postgres"])
async def story(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Story]:
    """A story on a real file or a real server, where connections are many."""
    sqlite = f"sqlite:///{tmp_path / 'bot.db'}"
    engine: Engine = open_engine(sqlite if request.param == "sqlite" else request.getfixturevalue("postgres_url"))
    migrate(engine)
    wipe(engine)
    yield Story(engine, Fates(), names_by_token=False)
    engine.dispose()


async def test_a_hundred_approvers_at_once(story: Story) -> None:
    """Yes and no cross on one card: one decision, and every other click is told of it."""
    await story._ask()
    chance = random.Random(7)
    verdicts = [Verdict.NO if chance.random() < 0.05 else Verdict.YES for _ in range(CROWD)]
    outcomes = await asyncio.gather(
        *(
            story.operations.review(REQUEST, person(f"LEAD{number}", "S0LEADS"), verdict, "no", ())
            for number, verdict in enumerate(verdicts)
        )
    )
    record = await story.record()
    assert record.request.state in (RequestState.APPROVED, RequestState.DENIED)
    counted = [outcome for outcome in outcomes if outcome.refusal is None]
    assert len(counted) == len(record.reviews) <= RULE.approvals
    assert {outcome.refusal.code for outcome in outcomes if outcome.refusal} == {record.request.state.value}
    with story.store.reading() as tx:
        events = [entry.event for entry in tx.audit_trail()]
    assert events.count(AuditEvent.APPROVED) + events.count(AuditEvent.DENIED) == 1


async def test_a_hundred_double_clicks(story: Story) -> None:
    """Bob presses a hundred times: it is one yes, and one is not two."""
    await story._ask()
    await asyncio.gather(*(story._approve("BOB") for _ in range(CROWD)))
    record = await story.record()
    assert len(record.reviews) == 1
    assert record.request.state is RequestState.PENDING


async def test_a_modal_sent_a_hundred_times(story: Story) -> None:
    """The request's id was minted when the form opened: every sending is answered with the same number."""
    form = Submission(REQUEST, RULE.name, "standard", LIFETIME, Answers("checkout", "because"))
    records = await asyncio.gather(
        *(story.operations.submit(form, PEOPLE["ALICE"], frozenset({"BOB", "CAROL"})) for _ in range(CROWD))
    )
    assert {record.request.number for record in records} == {1001}
    with story.store.reading() as tx:
        assert [entry.event for entry in tx.audit_trail()] == [AuditEvent.ASKED]
    another = replace(form, request_id=RequestId("request-2"))
    record = await story.operations.submit(another, PEOPLE["ALICE"], frozenset({"BOB", "CAROL"}))
    assert record.request.number == 1002, "what was sent again took no number"


async def test_only_the_last_claim_completes(story: Story) -> None:
    """Who wakes up after the lease has run out stores nothing."""
    await story._ask()
    first = await story.worker.claim()
    assert first is not None
    fact = await act(first, story.worker.ports)
    story.restart()
    second = await story.worker.claim()
    assert second is not None
    assert second.effect.id == first.effect.id
    with pytest.raises(LeaseLost):
        await story.worker.complete(first, fact)


async def test_a_bug_is_parked_after_five_tries(story: Story) -> None:
    """What fails by a fault of our own is put aside, the help channel hears of it, and the rest flows on."""
    await story._ask()
    tries = 0
    while not await parked_in(story):
        claim = await story.worker.claim()
        if claim is None:
            story.pass_time(timedelta(seconds=30))
        elif claim.effect.kind is EffectKind.POST_MESSAGE and claim.message.kind is MessageKind.CARD:
            tries += 1
            await story.worker.complete(claim, Failure("bug_KeyError", bug=True))
        else:
            await story.worker.keep(claim)
    assert tries == 5
    await story._settle()
    assert await alarms_in(story) == [Topic.STUCK]
    with story.store.transaction() as tx:
        outbox.reopen(tx, [effect.id for effect in outbox.effects(tx, EffectState.PARKED)])
    await story._settle()
    assert await alarms_in(story) == [Topic.STUCK, Topic.RESUMED]
    assert not await parked_in(story)


async def parked_in(story: Story) -> bool:
    with story.store.reading() as tx:
        return bool(outbox.effects(tx, EffectState.PARKED))


async def alarms_in(story: Story) -> list[Topic | None]:
    return [message.topic for message in (await story.record()).messages if message.kind is MessageKind.ALERT]


async def test_kinds_of_another_version_are_left_alone(story: Story) -> None:
    """A promise that only a newer replica knows is neither claimed nor touched, and trips nobody up."""
    await story._ask()
    story.restart()
    with story.engine.begin() as connection:
        connection.execute(update(tables.effects).values(kind=literal("dance ").concat(tables.effects.c.kind)))
    assert await story.worker.claim() is None
    with story.store.reading() as tx:
        assert outbox.effects(tx, EffectState.OPEN) == ()
        dancing = select(func.count()).where(tables.effects.c.kind.startswith("dance "))
        assert tx.connection.execute(dancing).scalar_one() == 5


async def test_a_restored_database_waits_for_a_person(story: Story) -> None:
    """Open promises about keys are put aside; taking them up again ends the story as ever."""
    await story._ask()
    await story._settle()
    await story._approve("BOB")
    await story._approve("CAROL")
    story.restart()
    with story.store.transaction() as tx:
        parked = outbox.park(tx, (EffectKind.ISSUE_KEY, EffectKind.CONFIRM_KEY, EffectKind.DELIVER_TOKEN), "restored")
    assert [effect.kind for effect in parked] == [EffectKind.ISSUE_KEY]
    await story._settle()
    assert story.tyk.keys == []
    with story.store.transaction() as tx:
        outbox.reopen(tx, [effect.id for effect in parked])
    await story._settle()
    assert [key.state for key in (await story.record()).keys] == [KeyState.LIVE]
