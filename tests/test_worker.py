"""The worker by itself, on both engines, between a Slack and a Tyk in memory: when it acts, when it waits, what it tells."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot import effects
from bot import worker as workers
from bot.core.audit import Post, Posted
from bot.core.background import Background
from bot.core.deciders import Deciders
from bot.core.facts import Issued
from bot.core.faults import Gone, OutcomeUnknown, Permanent, Transient, Undeliverable
from bot.core.keys import VERIFY_AFTER
from bot.core.model import (
    Answers,
    AuditEvent,
    Effect,
    EffectKind,
    EffectState,
    Key,
    Message,
    MessageKind,
    Record,
    RequestId,
    Topic,
    Verdict,
)
from bot.core.outages import TELL_AFTER
from bot.effects import SLACK_DEADLINE, TYK_DEADLINE, Place
from bot.effects.acting import Failure, act
from bot.effects.claim import Claim
from bot.operations import Submission
from bot.pace import Pace
from bot.sandbox.child import move
from bot.store import outbox, troubles
from bot.store.engine import migrate, open_engine
from bot.store.seal import SealLost
from bot.store.troubles import Standing
from bot.worker import BUGS_ALLOWED, EVERYTHING, Worker
from tests.crash.outside import Fates, Slack, Tyk
from tests.crash.story import LIFETIME, PEOPLE, RULE, Story, wipe
from tests.log import Log, lines

WITHIN = 10.0
MOMENT = timedelta(seconds=1)
NEVER = 3600.0
"""Seconds between two polls, where a test must not be helped by one."""


class SlowSlack(Slack):
    """Posts wait until they may go on; `refuses` says with which code a post is refused."""

    def __init__(self, story: Story) -> None:
        super().__init__(story.fates, PEOPLE)
        self.go_on = asyncio.Event()
        self.begun: asyncio.Queue[MessageKind] = asyncio.Queue()
        self.audited = asyncio.Event()
        self.alerts: list[str] = []
        self.refuses: Callable[[Message], str | None] = lambda _message: None

    async def post(
        self,
        record: Record,
        message: Message,
        *,
        deciders: Deciders | None = None,
        background: Background | None = None,
        why: str = "",
    ) -> tuple[str, str]:
        self.begun.put_nowait(message.kind)
        await self.go_on.wait()
        if (code := self.refuses(message)) is not None:
            raise Transient(code, "chat.postMessage")
        self.alerts += [why] if message.kind is MessageKind.ALERT else []
        return await super().post(record, message)

    async def post_audit(self, channel: str, post: Post) -> Posted:
        self.audited.set()
        return await super().post_audit(channel, post)


class DeadTyk(Tyk):
    """Makes no key for as long as it has a `fault`."""

    fault: Transient | None = None

    async def issue(self, record: Record, key: Key, expires_at: datetime) -> Issued:
        if self.fault is not None:
            raise self.fault
        return await super().issue(record, key, expires_at)


class Outside(Story):
    """A story whose Slack and Tyk do as the test says, and people who ask again and again."""

    ticks = True
    slack: SlowSlack
    tyk: DeadTyk

    def start(self) -> None:
        if not isinstance(self.slack, SlowSlack):
            self.slack, self.tyk = SlowSlack(self), DeadTyk(self.fates, self.tyk.now)
        super().start()

    async def asks(self, number: int, *, approved: bool = False) -> RequestId:
        request_id = RequestId(f"request-{number}")
        form = Submission(request_id, RULE.name, "standard", LIFETIME, Answers("checkout", "because"))
        await self.operations.submit(form, PEOPLE["ALICE"], frozenset({"BOB", "CAROL"}))
        for approver in ("BOB", "CAROL") if approved else ():
            await self.operations.review(request_id, PEOPLE[approver], Verdict.YES, "", ())
        return request_id

    def effects(self, kind: EffectKind, state: EffectState = EffectState.OPEN) -> list[Effect]:
        with self.store.reading() as tx:
            return [effect for effect in outbox.effects(tx, state) if effect.kind is kind]

    def events(self) -> list[AuditEvent]:
        with self.store.reading() as tx:
            return [entry.event for entry in tx.audit_trail()]

    def standing(self) -> tuple[Standing, ...]:
        with self.store.reading() as tx:
            return troubles.standing(tx)

    def told(self) -> list[tuple[str, bool, int]]:
        """What the help channel has heard: of which outage, whether that it is over, and how many wait."""
        return [(outage.key, over_at is not None, outage.waiting) for outage, over_at in self.slack.outages]

    async def surveys(self, length: timedelta = MOMENT) -> None:
        """Time passes, everything due is tried, and what stands is noted and told."""
        self.pass_time(length)
        await self.worker.drain()
        await self.worker.survey()
        await self.worker.drain()


@pytest.fixture(params=["sqlite", "postgres"])
async def outside(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Outside]:
    sqlite = f"sqlite:///{tmp_path / 'bot.db'}"
    engine = open_engine(sqlite if request.param == "sqlite" else request.getfixturevalue("postgres_url"))
    migrate(engine)
    wipe(engine)
    story = Outside(engine, Fates(), names_by_token=False)
    story.slack.go_on.set()
    yield story
    engine.dispose()


@asynccontextmanager
async def running(story: Outside, *, slots: int = 20) -> AsyncIterator[Worker]:
    """Another worker of the same store, on its own clock, that never polls while the test lasts."""
    pace = Pace(time.monotonic, dict.fromkeys(Place, slots))
    worker = Worker(story.store, story.worker.ports, story._new_id, pace=pace)
    task = asyncio.create_task(worker.run())
    while worker._survey_at == 0:  # noqa: ASYNC110 - its first look is no help, and nothing tells that it is over
        await asyncio.sleep(0.001)
    try:
        yield worker
    finally:
        story.slack.go_on.set()
        await worker.stop(WITHIN)
        await task


@pytest.fixture
def no_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "POLL", NEVER)


async def claimed(story: Outside, kind: EffectKind) -> Claim:
    """The claim of this kind; what comes before it is kept."""
    while (claim := await story.worker.claim()) is not None:
        if claim.effect.kind is kind:
            return claim
        await story.worker.keep(claim)
    raise AssertionError(f"{kind} was not promised")


async def claims_of(story: Outside) -> AsyncIterator[Claim]:
    """Everything that can be claimed now."""
    while (claim := await story.worker.claim()) is not None:
        yield claim


# --- claims -----------------------------------------------------------------------------------------------------------


async def test_what_a_transaction_promised_is_claimed_inside_it(outside: Outside) -> None:
    """Nobody has looked, and status and card are in this worker's hands when the request is stored; no other can take them."""
    await outside.asks(1)
    posts = outside.effects(EffectKind.POST_MESSAGE)
    assert [effect.epoch for effect in posts] == [1, 1]
    assert all(effect.lease_until is not None for effect in posts)
    kinds = frozenset({EffectKind.POST_MESSAGE})
    other = Worker(outside.store, outside.worker.ports, outside._new_id, kinds=kinds)
    assert await other.claim() is None


async def test_an_edit_whose_claimer_vanished_is_made_once_more(outside: Outside) -> None:
    """Its late edit may land on top of ours: so ours is made again when that one's lease is over too, and then no more."""
    await outside.asks(1)
    await outside._settle()
    await outside.operations.review(RequestId("request-1"), PEOPLE["BOB"], Verdict.YES, "", ())
    vanished = await claimed(outside, EffectKind.SHOW_MESSAGE)

    def edits() -> int:
        return outside.fates.passed.count(f"after show {vanished.message.kind}")

    before = edits()
    outside.pass_time(2 * SLACK_DEADLINE + MOMENT)
    await outside.worker.drain()
    assert edits() == before + 1
    (again,) = [one for one in outside.effects(EffectKind.SHOW_MESSAGE) if one.subject_id == vanished.effect.subject_id]
    assert again.lease_until is None
    outside.pass_time(2 * SLACK_DEADLINE - MOMENT)
    await outside.worker.drain()
    assert edits() == before + 1, "that one's lease is not over yet"
    outside.pass_time(2 * MOMENT)
    await outside.worker.drain()
    assert edits() == before + 2
    outside.pass_time(timedelta(hours=1))
    await outside.worker.drain()
    assert edits() == before + 2


async def test_an_hour_that_the_sandbox_skips_ends_no_lease(outside: Outside) -> None:
    """It goes by during a post: nobody makes the post a second time, and what came of it is stored."""
    await outside.asks(1)
    post = await claimed(outside, EffectKind.POST_MESSAGE)
    await move(outside.store, timedelta(hours=1))
    assert post.effect.id not in {claim.effect.id async for claim in claims_of(outside)}
    await outside.worker.keep(post)
    assert post.effect.id in {effect.id for effect in outside.effects(EffectKind.POST_MESSAGE, EffectState.DONE)}


async def test_a_click_during_an_edit_gets_an_edit_of_its_own(outside: Outside) -> None:
    """Bob's screen shows the card as it was: his click comes while Slack is told, and the card is edited once more for him."""
    request_id = await outside.asks(1)
    await outside._settle()
    await outside.operations.review(request_id, PEOPLE["CAROL"], Verdict.NO, "not this week", ())
    edits = [one async for one in claims_of(outside) if one.effect.kind is EffectKind.SHOW_MESSAGE]
    (edit,) = [one for one in edits if one.message.kind is MessageKind.CARD]
    outcome = await act(edit, outside.worker.ports)
    await outside.operations.clicked(
        request_id, edit.message.channel or "", edit.message.ts or "", edit.message.id, outdated=True
    )
    await outside.worker.complete(edit, outcome)
    for _ in range(2):
        (again,) = [one async for one in claims_of(outside) if one.effect.kind is EffectKind.SHOW_MESSAGE]
        assert again.message.id == edit.message.id
        outcome = await act(again, outside.worker.ports)
        await outside.operations.clicked(
            request_id, edit.message.channel or "", edit.message.ts or "", edit.message.id, outdated=True
        )
        await outside.worker.complete(again, outcome)
    (last,) = [one async for one in claims_of(outside) if one.effect.kind is EffectKind.SHOW_MESSAGE]
    await outside.worker.keep(last)
    assert [one async for one in claims_of(outside) if one.effect.kind is EffectKind.SHOW_MESSAGE] == []


async def test_an_edit_is_made_again_only_where_it_would_say_something_else(outside: Outside) -> None:
    """While the card is being edited its request gets a key, of which the card says nothing; then it ends, of which it does."""
    request_id = await outside.asks(1)
    await outside._settle()
    await outside.operations.review(request_id, PEOPLE["BOB"], Verdict.YES, "", ())
    await outside._settle()
    await outside.operations.review(request_id, PEOPLE["CAROL"], Verdict.YES, "", ())

    def is_card(claim: Claim) -> bool:
        return claim.effect.kind is EffectKind.SHOW_MESSAGE and claim.message.kind is MessageKind.CARD

    claims = [claim async for claim in claims_of(outside)]
    (edit,) = filter(is_card, claims)
    outcome = await act(edit, outside.worker.ports)
    for claim in claims:
        if claim is not edit:
            await outside.worker.keep(claim)
    outside.pass_time(timedelta(seconds=10))
    await outside.worker.drain()
    moved = (await outside.operations.look(request_id)).request.version
    assert moved > edit.story.request.version
    await outside.worker.complete(edit, outcome)
    assert [claim async for claim in claims_of(outside) if is_card(claim)] == []

    await outside.operations.clicked(
        request_id, edit.message.channel or "", edit.message.ts or "", edit.message.id, outdated=True
    )
    (edit,) = [claim async for claim in claims_of(outside) if is_card(claim)]
    outcome = await act(edit, outside.worker.ports)
    await outside.operations.revoke(request_id, None, "")
    await outside.worker.complete(edit, outcome)
    assert any([is_card(claim) async for claim in claims_of(outside)])


async def test_what_no_longer_matters_is_dropped_when_it_is_claimed(outside: Outside) -> None:
    """Alice withdrew before anybody posted the card: it is not posted, and her status is."""
    Worker(outside.store, outside.worker.ports, outside._new_id, kinds=frozenset())  # keeps nothing at once
    await outside.asks(1)
    await outside.operations.withdraw("request-1", PEOPLE["ALICE"])
    await outside.worker.drain()
    assert len(outside.effects(EffectKind.POST_MESSAGE, EffectState.DROPPED)) == 1
    assert [message.kind for message in outside.slack.messages] == [MessageKind.STATUS]


async def test_what_time_has_decided_meanwhile_counts_before_what_an_act_brought_back(outside: Outside) -> None:
    """Tyk was away for nearly all the time that was granted, and the end came while it made the key: that is to die."""
    Worker(outside.store, outside.worker.ports, outside._new_id, kinds=frozenset())  # keeps nothing at once
    await outside.asks(1, approved=True)
    outside.pass_time(LIFETIME - TYK_DEADLINE / 2)
    issue = await claimed(outside, EffectKind.ISSUE_KEY)
    made = await act(issue, outside.worker.ports)
    outside.pass_time(TYK_DEADLINE)
    await outside.worker.complete(issue, made)
    assert outside.effects(EffectKind.CONFIRM_KEY) == []
    assert len(outside.effects(EffectKind.REVOKE_KEY)) == 1


async def test_who_was_slower_keeps_no_room(outside: Outside) -> None:
    """Another took the promise between the look and the claim: the slot that it would have had is free again."""
    await outside.asks(1)
    (status, _card) = outside.effects(EffectKind.POST_MESSAGE)
    pace = Pace(time.monotonic, dict.fromkeys(Place, 1))
    slower = Worker(outside.store, outside.worker.ports, outside._new_id, pace=pace)
    with outside.store.transaction() as tx:
        assert slower._claim(tx, replace(status, epoch=0), tx.record("request-1")) is None
    assert pace.kinds({EffectKind.POST_MESSAGE}) == {EffectKind.POST_MESSAGE}


class Freeing(Pace):
    """An act is over, and its slot free, as soon as somebody was told that there is none."""

    def has_room(self, place: Place, besides: int = 0) -> bool:
        has_room = super().has_room(place, besides)
        self._free[place] += 0 if has_room else 1
        return has_room


async def test_a_slot_that_is_free_during_a_look_is_for_the_most_urgent(outside: Outside) -> None:
    """Two tokens are to be made and one key to be looked after, with one slot: the second token has the slot after the first."""
    outside.slack.go_on.set()
    await outside.asks(1, approved=True)
    await outside.worker.drain()
    Worker(outside.store, outside.worker.ports, outside._new_id, kinds=frozenset())  # keeps nothing at once
    await outside.asks(2, approved=True)
    await outside.asks(3, approved=True)
    outside.pass_time(VERIFY_AFTER + MOMENT)
    at_tyk = frozenset(kind for kind, act in effects.ACTS.items() if act.place is Place.TYK)
    pace = Freeing(time.monotonic, dict.fromkeys(Place, 1))
    worker = Worker(outside.store, outside.worker.ports, outside._new_id, kinds=at_tyk, pace=pace)
    for expected in ("request-2", "request-3", "request-1"):
        look = await outside.store.write(partial(worker._claim_due, found=EVERYTHING, most=9))
        assert [claim.effect.request_id for claim in look.claims] == [expected]


async def test_what_could_not_be_stored_keeps_no_room(outside: Outside) -> None:
    """The disk is full when a claim is stored, of what is due or of what was promised just now: the slot is free again."""
    Worker(outside.store, outside.worker.ports, outside._new_id, kinds=frozenset())  # keeps nothing at once
    await outside.asks(1)
    pace = Pace(time.monotonic, dict.fromkeys(Place, 1))
    worker = Worker(outside.store, outside.worker.ports, outside._new_id, pace=pace)

    def is_full(point: str) -> None:
        if point == "before commit":
            raise OSError("the disk is full")

    outside.fates.watch = is_full
    for attempt in (worker.claim(), outside.asks(2)):
        with pytest.raises(OSError, match="disk is full"):
            await attempt
        assert pace.kinds({EffectKind.POST_MESSAGE}) == {EffectKind.POST_MESSAGE}
    outside.fates.watch = None
    assert await worker.claim() is not None
    assert pace.kinds({EffectKind.POST_MESSAGE}) == set()


@pytest.mark.usefixtures("no_polls")
async def test_a_worker_that_stops_gives_its_leases_back(outside: Outside) -> None:
    """The act that takes too long is cut off, and another worker takes it at once, without waiting for the lease to end."""
    outside.slack.go_on.clear()
    async with running(outside) as stopped:
        await outside.asks(1)
        await asyncio.wait_for(outside.slack.begun.get(), WITHIN)
        await stopped.stop(0)
        posts = outside.effects(EffectKind.POST_MESSAGE)
        assert len(posts) == 2
        assert [effect.lease_until for effect in posts] == [None, None]
        assert not stopped._acts
        await outside.asks(2)
        assert {effect.lease_until for effect in outside.effects(EffectKind.POST_MESSAGE)} == {None}, "it takes no more"
    other = Worker(outside.store, outside.worker.ports, outside._new_id)
    assert await other.drain() >= 2
    assert outside.effects(EffectKind.POST_MESSAGE) == []


async def test_a_worker_that_never_ran_gives_back_what_it_took(outside: Outside) -> None:
    """The start failed after something was promised: another worker need not wait for the leases to run out, nor for those of
    what was still being stored."""
    await outside.asks(1)
    being_stored = outside.worker._take_in_hand()
    await outside.asks(2)
    await outside.worker.stop(0)
    outside.worker.begin(being_stored)
    await asyncio.gather(*outside.worker._acts)
    assert {effect.lease_until for effect in outside.effects(EffectKind.POST_MESSAGE)} == {None}


@pytest.mark.usefixtures("no_polls")
async def test_a_slot_that_is_free_again_is_used_at_once(outside: Outside) -> None:
    """There is room for one act: the second message is begun when the first is posted, without a poll."""
    outside.slack.go_on.clear()
    outside.store.audit_channel = None  # the look for its lines would help
    async with running(outside, slots=1):
        await outside.asks(1)
        await asyncio.wait_for(outside.slack.begun.get(), WITHIN)
        assert outside.slack.begun.empty()
        outside.slack.go_on.set()
        await asyncio.wait_for(outside.slack.begun.get(), WITHIN)


@pytest.mark.usefixtures("no_polls")
async def test_a_post_that_waits_for_its_channel_goes_when_that_opens(outside: Outside) -> None:
    """The channel takes two cards at once: the third goes a second later, without a poll."""
    outside.store.audit_channel = None  # the look for its lines would help
    posted: list[MessageKind] = []
    async with running(outside):
        for number in (1, 2, 3):
            await outside.asks(number)
        while posted.count(MessageKind.CARD) < 3:
            posted.append(await asyncio.wait_for(outside.slack.begun.get(), WITHIN))


@pytest.mark.usefixtures("no_polls")
async def test_a_look_is_made_when_the_first_promise_falls_due(outside: Outside) -> None:
    """Audit lines wait a moment for others: the worker wakes when that is over, without a poll."""
    async with running(outside):
        await outside.asks(1)
        (audit,) = outside.effects(EffectKind.POST_AUDIT)
        assert audit.lease_until is None
        await asyncio.wait_for(outside.slack.audited.wait(), WITHIN)


async def test_a_wait_that_slack_asks_for_is_kept_by_all_that_it_is_about(
    outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Edits are limited for half a minute: those of the next request are not even tried before that is over."""
    tried: list[str] = []

    async def limited(_record: Record, message: Message, **_more: object) -> None:
        tried.append(message.id)
        raise Transient("ratelimited", retry_after=30, method="chat.update")

    for number in (1, 2):
        await outside.asks(number)
    await outside.worker.drain()
    now = [0.0]
    worker = Worker(outside.store, outside.worker.ports, outside._new_id, pace=Pace(lambda: now[0]))
    with monkeypatch.context() as patch:
        patch.setattr(outside.slack, "show", limited)
        await outside.operations.review(RequestId("request-1"), PEOPLE["BOB"], Verdict.YES, "", ())
        await worker.drain()
        assert len(tried) == 2
        await outside.operations.review(RequestId("request-2"), PEOPLE["BOB"], Verdict.YES, "", ())
        now[0] = 29.0
        await worker.drain()
        assert len(tried) == 2
        assert len(outside.effects(EffectKind.SHOW_MESSAGE)) == 4
    now[0] = 30.0
    outside.pass_time(timedelta(seconds=30))
    await worker.drain()
    assert outside.effects(EffectKind.SHOW_MESSAGE) == []


@pytest.mark.parametrize(
    ("fault", "code", "state"),
    [
        (Transient("http_503"), "http_503", EffectState.OPEN),
        (OutcomeUnknown("connection_lost"), "connection_lost", EffectState.OPEN),
        (TimeoutError(), "deadline", EffectState.OPEN),
        (Permanent("invalid_blocks"), "invalid_blocks", EffectState.PARKED),
        (Gone("message_not_found"), "message_not_found", EffectState.PARKED),
        (Undeliverable("user_disabled"), "user_disabled", EffectState.PARKED),
        (SealLost("no key in SEAL_KEYS opens this token"), "seal_key_lost", EffectState.PARKED),
    ],
)
async def test_what_can_never_work_is_parked_at_once(
    outside: Outside, monkeypatch: pytest.MonkeyPatch, fault: Exception, code: str, state: EffectState
) -> None:
    """Of what may work later there is another try; what says no for good waits for a person."""
    await outside.asks(1)
    card = await claimed(outside, EffectKind.POST_MESSAGE)
    if card.message.kind is not MessageKind.CARD:
        card = await claimed(outside, EffectKind.POST_MESSAGE)

    async def fails(*_args: object, **_more: object) -> tuple[str, str]:
        raise fault

    monkeypatch.setattr(outside.slack, "post", fails)
    await outside.worker.keep(card)
    assert [one.last_error for one in outside.effects(EffectKind.POST_MESSAGE, state) if one.last_error] == [code]


async def test_a_fault_of_our_own_is_tried_five_times(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    """It might have been the moment's; then a person has to look."""
    post, tried = outside.slack.post, 0

    async def fails_on_the_card(record: Record, message: Message, **more: Any) -> tuple[str, str]:
        nonlocal tried
        if message.kind is not MessageKind.CARD:
            return await post(record, message, **more)
        tried += 1
        raise KeyError

    monkeypatch.setattr(outside.slack, "post", fails_on_the_card)
    await outside.asks(1)
    for _ in range(BUGS_ALLOWED + 2):
        await outside.worker.drain()
        outside.pass_time(timedelta(minutes=2))
    (parked,) = outside.effects(EffectKind.POST_MESSAGE, EffectState.PARKED)
    assert (tried, parked.attempts, parked.bugs, parked.last_error) == (5, 5, 5, "bug_KeyError")


# --- what is late -----------------------------------------------------------------------------------------------------


async def test_lateness_is_told_by_time(outside: Outside) -> None:
    """Tyk asked for five minutes, and they are not over: the requester hears all the same once ten have passed, and once."""
    outside.tyk.fault = Transient("tyk_503", "Tyk cannot now.", retry_after=300)
    await outside.asks(1, approved=True)
    await outside.worker.drain()
    outside.pass_time(timedelta(minutes=6))
    await outside.worker.drain()
    (late,) = outside.effects(EffectKind.ISSUE_KEY)
    outside.pass_time(TELL_AFTER - timedelta(minutes=6) - MOMENT)
    await outside.worker.drain()
    assert AuditEvent.DELAYED not in outside.events()
    outside.pass_time(2 * MOMENT)
    async with running(outside):
        assert outside.effects(EffectKind.ISSUE_KEY) == [replace(late, told=True)], "it was not tried again"
    for _ in range(2):
        await outside.worker.drain()
        outside.pass_time(timedelta(minutes=6))
    (tried_again,) = outside.effects(EffectKind.ISSUE_KEY)
    assert tried_again.attempts > late.attempts
    assert outside.events().count(AuditEvent.DELAYED) == 1
    assert [one.topic for one in outside.slack.messages if one.kind is MessageKind.NOTICE] == [Topic.DELAYED_BY_TYK]


async def test_what_failed_is_in_the_log_with_its_sentence(outside: Outside, log: Log) -> None:
    """At warning, with what the other side said, or else what the code means; what was done is at info."""
    await outside.asks(1, approved=True)
    issue = await claimed(outside, EffectKind.ISSUE_KEY)
    outside.tyk.fault = Transient("tyk_403", "access denied")
    await outside.worker.keep(issue)
    outside.tyk.fault = Transient("tyk_403")
    outside.pass_time(timedelta(minutes=1))
    await outside.worker.drain()
    said, meant = lines(log, event="effect", result="failed")
    assert (said["log_level"], said["error"], said["why"]) == ("warning", "tyk_403", "access denied")
    assert "lacks a permission" in meant["why"]
    assert {line["log_level"] for line in lines(log, event="effect", result="done")} == {"info"}
    (effect,) = outside.effects(EffectKind.ISSUE_KEY)
    assert (effect.last_error, effect.why) == ("tyk_403", "")


# --- outages ----------------------------------------------------------------------------------------------------------


async def test_a_dead_tyk_is_one_message_however_many_wait(outside: Outside, log: Log) -> None:
    """Told after ten minutes with the count, not again by a restart or by another replica; and once when it is over."""
    outside.tyk.fault = Transient("tyk_unreachable", "No connection to the Dashboard.")
    for number in range(1, 21):
        await outside.asks(number, approved=True)
    await outside.surveys()
    await outside.surveys(TELL_AFTER - timedelta(minutes=1))
    assert outside.told() == []
    outside.tyk.fault = Transient("tyk_502", "Another way to be away.")
    await outside.surveys(timedelta(minutes=2))
    assert outside.told() == [("tyk_away", False, 20)]
    outside.start()
    other = Worker(outside.store, outside.worker.ports, outside._new_id)
    for _ in range(3):
        await outside.surveys(timedelta(minutes=5))
        await other.survey()
    assert outside.told() == [("tyk_away", False, 20)]
    outside.tyk.fault = None
    for _ in range(3):
        await outside.surveys(timedelta(minutes=2))
    assert outside.told() == [("tyk_away", False, 20), ("tyk_away", True, 0)]
    assert outside.standing() == ()
    (began,) = lines(log, event="outage.began")
    assert (began["log_level"], began["cause"], began["requests"]) == ("warning", "tyk_away", 20)
    assert "Dashboard" in began["what"]
    assert [line["cause"] for line in lines(log, event="outage.over")] == ["tyk_away"]


async def test_what_cannot_pass_by_itself_is_told_at_once(outside: Outside) -> None:
    """The approvals channel refuses posts: said without a wait, for that channel alone, and again when it happens again."""
    refused = {"code": "restricted_action"}
    outside.slack.refuses = lambda message: refused["code"] if message.kind is MessageKind.CARD else None
    for number in (1, 2):
        await outside.asks(number)
    await outside.surveys()
    first = [("restricted_action C0APPROVE", False, 2), ("restricted_action C0APPROVE", True, 0)]
    assert outside.told() == first[:1]
    outside.slack.refuses = lambda _message: None
    await outside.surveys(timedelta(minutes=2))
    await outside.surveys(timedelta(minutes=2))
    assert outside.told() == first
    outside.slack.refuses = lambda message: "restricted_action" if message.kind is MessageKind.CARD else None
    await outside.asks(3)
    await outside.surveys()
    assert outside.told() == [*first, ("restricted_action C0APPROVE", False, 1)]


async def test_a_channel_that_refuses_audit_lines_is_told(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    """No request waits for it, and the trail has a hole to look at: that is said as well."""

    async def archived(*_args: object) -> int:
        raise Transient("is_archived", "chat.postMessage")

    monkeypatch.setattr(outside.slack, "post_audit", archived)
    await outside.asks(1)
    await outside.surveys(timedelta(minutes=1))
    await outside.surveys()
    assert outside.told() == [("is_archived C0AUDIT", False, 0)]


async def test_an_outage_that_nobody_heard_of_is_not_told_as_over(
    outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The help channel took nothing until the approvals channel was open again: there is nothing to say any more."""

    async def fails(*_args: object, **_more: object) -> None:
        raise Transient("restricted_action")

    with monkeypatch.context() as patch:
        patch.setattr(outside.slack, "tell_outage", fails)
        outside.slack.refuses = lambda message: "is_archived" if message.kind is MessageKind.CARD else None
        await outside.asks(1)
        await outside.surveys()
        (standing,) = outside.standing()
        assert (standing.cause, standing.over_at, standing.said) == ("is_archived C0APPROVE", None, False)
        outside.slack.refuses = lambda _message: None
        await outside.surveys(timedelta(minutes=2))
        assert outside.standing() == ()
    await outside.surveys(timedelta(minutes=2))
    assert outside.told() == []


async def test_an_outage_that_begins_anew_while_it_is_told_as_over(outside: Outside) -> None:
    """What the help channel heard last is what is true."""
    outside.tyk.fault = Transient("tyk_401")
    await outside.asks(1, approved=True)
    await outside.surveys()
    outside.tyk.fault = None
    outside.pass_time(timedelta(minutes=2))
    await outside.worker.drain()
    await outside.worker.survey()
    telling = await claimed(outside, EffectKind.TELL_OUTAGE)
    outcome = await act(telling, outside.worker.ports)
    outside.tyk.fault = Transient("tyk_401")
    await outside.asks(2, approved=True)
    await outside.worker.drain()
    await outside.worker.survey()
    await outside.worker.complete(telling, outcome)
    await outside.surveys()
    assert [over for _, over, _ in outside.told()] == [False, True, False]
    (standing,) = outside.standing()
    assert (standing.cause, standing.over_at, standing.said) == ("tyk_401", None, True)


async def test_what_is_late_or_stuck_is_listed_the_oldest_first(outside: Outside) -> None:
    """With since when and the sentence, for the operator's list; and counted by kind and error."""
    outside.tyk.fault = Transient("tyk_503", "Tyk cannot now.")
    await outside.asks(1, approved=True)
    await outside.worker.drain()
    outside.pass_time(timedelta(minutes=5))
    await outside.asks(2, approved=True)
    parked = await claimed(outside, EffectKind.ISSUE_KEY)
    while parked.story.request.id != "request-2":
        await outside.worker.keep(parked)
        parked = await claimed(outside, EffectKind.ISSUE_KEY)
    await outside.worker.complete(parked, Failure("tyk_policy", "The policy is gone.", permanent=True))
    with outside.store.reading() as tx:
        listed, counted = troubles.late_or_parked(tx), troubles.counted(tx)
    assert [(one.request_id, one.state, one.why) for one in listed] == [
        ("request-1", EffectState.OPEN, "Tyk cannot now."),
        ("request-2", EffectState.PARKED, "The policy is gone."),
    ]
    assert [(one.state, one.kind, one.error, one.many) for one in counted] == [
        (EffectState.OPEN, "issue_key", "tyk_503", 1),
        (EffectState.PARKED, "issue_key", "tyk_policy", 1),
    ]
    assert counted[0].since == listed[0].first_failed_at
    await outside.worker.drain()
    assert outside.slack.alerts == ["The policy is gone."], "the help channel reads what is wrong"
    with outside.store.transaction() as tx:
        outbox.reopen(tx, [listed[1].id])
    with outside.store.reading() as tx:
        assert [one.code for one in troubles.failing(tx)] == ["tyk_503"], "what is retried has not failed so far"


async def test_promises_that_were_kept_long_ago_go(outside: Outside) -> None:
    """A worker that starts deletes those of two days ago, and none that is open."""
    await outside.asks(1)
    await outside.worker.drain()
    outside.pass_time(timedelta(days=2))
    assert outside.effects(EffectKind.POST_MESSAGE, EffectState.DONE)
    async with running(outside):
        pass  # the look with which it starts is not cut short
    assert outside.effects(EffectKind.POST_MESSAGE, EffectState.DONE) == []
    assert outside.effects(EffectKind.LAPSE_REQUEST)


async def test_what_has_long_been_over_is_erased_where_the_rules_say_so(outside: Outside) -> None:
    """Not while nothing is set; a rulebook that sets it counts from the next look on, and the audit says so, once."""
    request_id = await outside.asks(1)
    await outside.operations.withdraw(request_id, PEOPLE["ALICE"])
    outside.pass_time(timedelta(days=401))
    await outside.worker._prune_safely()
    assert AuditEvent.ERASED not in outside.events()
    in_force = outside.worker.ports.in_force
    in_force.current = replace(in_force.current, keep_finished_for=timedelta(days=400))
    for _ in range(2):
        await outside.worker._prune_safely()
    assert outside.events().count(AuditEvent.ERASED) == 1
    with outside.store.reading() as tx:
        record = tx.record(request_id)
    assert record is not None
    assert record.request.answers == Answers()
