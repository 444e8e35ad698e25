"""The history replayed: under its own rules it comes to the decisions on record, and a row that was changed is named."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from bot.core import lifecycle, replay
from bot.core.lifecycle import Asked, Choice
from bot.core.model import (
    Answers,
    Approver,
    Asker,
    Audience,
    AuditLine,
    Identity,
    Limits,
    Person,
    Plan,
    ReasonPattern,
    Record,
    Refusal,
    RequestId,
    RequestState,
    Review,
    Rule,
    Transition,
    Verdict,
)
from bot.core.replay import Ending
from bot.core.rules import counted_by, for_plan, offered
from tests.core.life import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    DAY,
    HOUR,
    LATER,
    MALLORY,
    NOW,
    PAYMENTS,
    approved,
    asked,
    person,
    say,
)

HOW_MANY = 3000
CAST = (ALICE, BOB, CAROL, DAVE, person("eve", "S0DEVS"), person("frank"))
PLANS = (Plan("large", Limits(100, 1, -1, 60)), Plan("small", Limits(10, 1, -1, 60)))


@dataclass
class Past:
    """A request as it is stored, with the lines that the audit has of it."""

    record: Record
    audit: tuple[AuditLine, ...] = ()
    changed: bool = False

    def keep(self, step: Transition | None) -> None:
        if step is not None:
            self.record, self.audit = step.record, (*self.audit, *step.audit)

    @property
    def told(self) -> replay.Told:
        return replay.told(self.audit)


def generated(dice: random.Random) -> Past:
    """Somebody asks under some rule, and what happens then: reviews, other rules, people who leave, or nothing in time."""
    rule = some_rule(dice)
    who = dice.choice([one for one in CAST if offered(rule, one)] or [ALICE])
    rule = rule if offered(rule, who) else replace(rule, requesters=Audience(everyone=True))
    plan, lifetime = dice.choice(rule.plans), dice.choice(rule.lifetimes)
    frozen = for_plan(rule, plan).with_plan(plan)
    by = Asker(allowed_by=counted_by(rule.requesters, who) or "") if dice.random() < 0.8 else Asker()
    form = Asked(RequestId("r"), plan, lifetime, Answers(reason="because"), by)
    past, in_force, now = Past(asked().record), frozen, NOW
    past.keep(lifecycle.submit(form, who, frozen, "digest", 1001, NOW, LATER))
    for _ in range(dice.randint(0, 6)):
        now += dice.choice([HOUR, DAY, 3 * DAY])
        past.keep(lifecycle.settle(past.record, now, LATER))
        if past.record.request.state is not RequestState.PENDING:
            break
        if dice.random() < 0.2:
            in_force, past.changed = some_rule(dice, plans=rule.plans, lifetimes=rule.lifetimes), True
        happens(dice, past, in_force, now)
    return past


def happens(dice: random.Random, past: Past, in_force: Rule, now: datetime) -> None:
    record = past.record
    try:
        match dice.random():
            case one if one < 0.05:
                past.keep(lifecycle.withdraw(record, record.request.requester, now, LATER))
            case one if one < 0.08:
                past.keep(lifecycle.deny(record, "no budget", now, LATER))
            case one if one < 0.2 and record.reviews:
                gone = Approver(Person(record.reviews[0].reviewer, "gone"), "their account is deactivated")
                past.keep(lifecycle.recount(record, in_force, [gone], now, LATER))
            case _:
                verdict = Verdict.NO if dice.random() < 0.15 else Verdict.YES
                less = Choice("small", DAY) if verdict is Verdict.YES and dice.random() < 0.1 else None
                past.keep(lifecycle.review(record, in_force, dice.choice(CAST), verdict, "", now, LATER, less))
    except Refusal:
        pass


def some_rule(dice: random.Random, **terms: object) -> Rule:
    def audience(*users: str) -> Audience:
        groups = frozenset(one for one in ("S0LEADS", "S0DEVS") if dice.random() < 0.6)
        return Audience(groups=groups, users=frozenset(one for one in users if dice.random() < 0.5))

    given = {
        "requesters": dice.choice([Audience(everyone=True), audience("UALICE", "UFRANK")]),
        "approvers": audience("UDAVE", "UBOB", "UFRANK"),
        "also_may_approve": audience("UCAROL") if dice.random() < 0.3 else Audience(),
        "approvals": dice.choice([0, 1, 1, 2, 2, 3]),
        "plans": PLANS if dice.random() < 0.5 else PLANS[:1],
        "lifetimes": (7 * DAY, DAY),
        "lapses_after": dice.choice([DAY, 7 * DAY]),
    }
    return replace(PAYMENTS, **(given | terms))  # type: ignore[arg-type]  # names are checked by replace


@pytest.fixture(scope="module")
def history() -> tuple[Past, ...]:
    dice = random.Random(13)
    return tuple(generated(dice) for _ in range(HOW_MANY))


def test_every_decision_is_reproduced(history: tuple[Past, ...]) -> None:
    """Of thousands of requests of every ending, each comes to what is on record, also where the rules changed meanwhile; and
    only then may a review have counted by what the request's own rule does not name."""
    endings = {past.record.request.state for past in history}
    assert endings == set(RequestState)
    for past in history:
        assert replay.misfit(past.record, past.told) is None, past
        assert past.changed or not replay.counts_by_later_rule(past.record)


def test_a_changed_row_is_named(history: tuple[Past, ...]) -> None:
    """An approval that is taken out or put in, a denial that is turned round, a reviewer, what they count by, whoever ended it or
    the ending written over: each of them is found."""
    planted: Counter[str] = Counter()
    for past in history[::3]:
        for what, forged in falsified(past.record):
            planted[what] += 1
            assert replay.misfit(forged, past.told) is not None, (what, forged)
    assert len(planted) == 14
    assert min(planted.values()) > 10, planted


def falsified(record: Record) -> Iterator[tuple[str, Record]]:
    """The record with one thing changed that its other rows, or the audit's, do not bear out."""
    request, reviews = record.request, record.reviews
    yes = [one for one in reviews if one.verdict is Verdict.YES and not one.void]
    no = [one for one in reviews if one.verdict is Verdict.NO]

    def ends(state: RequestState, **more: object) -> Record:
        changed: dict[str, object] = {"decided_at": request.decided_at or NOW, "state": state, **more}
        return replace(record, request=replace(request, **changed))  # type: ignore[arg-type]  # names are checked by replace

    for state in set(RequestState) - {request.state, RequestState.PENDING}:
        yield f"to {state.value}", ends(state)
    if request.state is not RequestState.WITHDRAWN:
        yield "withdrawn by the requester", ends(RequestState.WITHDRAWN, decided_by=request.requester)
    if request.state is not RequestState.DENIED:
        yield "denied by nobody", ends(RequestState.DENIED, decided_by=None)
    if request.state is not RequestState.PENDING:
        yield "ended by another", ends(request.state, decided_by=MALLORY.identity)
    if reviews:
        yield "another reviewer", changed(record, reviews[0], reviewer=MALLORY.identity)
        yield "by another group", changed(record, reviews[0], counted_by="S0NOBODY")
    if request.state is RequestState.APPROVED and len(yes) == request.rule.approvals > 0:
        yield "without an approval", replace(record, reviews=without(reviews, yes[0]))
        yield "their own", changed(record, yes[0], reviewer=request.requester)
    if request.state is RequestState.DENIED and no:
        yield "without the denial", replace(record, reviews=without(reviews, no[0]))
        yield "a denial turned round", changed(record, no[0], verdict=Verdict.YES)
    if request.state is RequestState.LAPSED:
        yield "before its time", ends(request.state, decided_at=request.created_at)


def changed(record: Record, review: Review, **terms: object) -> Record:
    other = replace(review, **terms)  # type: ignore[arg-type]  # names are checked by replace
    return replace(record, reviews=(*without(record.reviews, review), other))


def without(reviews: tuple[Review, ...], gone: Review) -> tuple[Review, ...]:
    return tuple(one for one in reviews if one is not gone)


# --- under another rule -----------------------------------------------------------------------------------------------


def under(rule: Rule | None, record: Record | None = None, **cast: object) -> replay.Outcome:
    record = record or approved()
    return replay.replay(record, rule, replace(replay.cast_of(record), **cast))  # type: ignore[arg-type]  # checked by replace


@pytest.mark.parametrize(
    ("rule", "ending", "why", "witness"),
    [
        (PAYMENTS, Ending.APPROVED, "it takes 2 approvals", "UCAROL"),
        (None, Ending.REFUSED, "the requester may not request it", "UALICE"),
        (
            replace(PAYMENTS, requesters=Audience(users=frozenset({"UEVE"}))),
            Ending.REFUSED,
            "the requester may not request it",
            "UALICE",
        ),
        (replace(PAYMENTS, lifetimes=(DAY,)), Ending.REFUSED, "it is not granted for that long", "UALICE"),
        (
            replace(PAYMENTS, plans=(PLANS[0],)),
            Ending.REFUSED,
            "the plan standard is not offered to the requester",
            "UALICE",
        ),
        (replace(PAYMENTS, approvals=3), Ending.PENDING, "it takes 3 approvals, and 2 were given", "UALICE"),
        (
            replace(PAYMENTS, approvers=Audience(users=frozenset({"UCAROL"}))),
            Ending.PENDING,
            "may not approve it",
            "UBOB",
        ),
        (replace(PAYMENTS, lapses_after=timedelta(seconds=-1)), Ending.LAPSED, "it expires sooner", "UBOB"),
    ],
)
def test_another_rule(rule: Rule | None, ending: Ending, why: str, witness: str) -> None:
    """Alice asked, Bob and Carol approved: what that would have come to, why, and who it hangs on."""
    assert under(rule) == replay.Outcome(ending, why, Identity("T0", witness))


def test_fewer_approvals_would_have_been_enough() -> None:
    """Bob approved and nobody else did, so it expired; with one approval it would not have."""
    waiting = say(asked().record, BOB).record
    settled = lifecycle.settle(waiting, NOW + 7 * DAY, LATER)
    assert settled is not None
    assert under(PAYMENTS, settled.record).ending is Ending.LAPSED
    assert under(replace(PAYMENTS, approvals=1), settled.record).ending is Ending.APPROVED


def test_too_few_could_approve_it_today() -> None:
    """Where it is known who could, that it could not have been reached is a reason."""
    assert under(PAYMENTS, able=frozenset({"UBOB"})).why == "too few people could approve it"


def test_an_erased_reason_is_no_reason() -> None:
    """What Alice wrote was erased since: the decision stands all the same, also under a rule that asks for a ticket."""
    record = approved()
    erased = replace(record, request=replace(record.request, answers=Answers()))
    told = replay.Told(
        2, RequestState.APPROVED, "UCAROL", frozenset({"UBOB", "UCAROL"}), frozenset({("yes", "S0LEADS")})
    )
    assert replay.misfit(erased, told) is None
    ticket = replace(PAYMENTS, reason_pattern=ReasonPattern("OPS-[0-9]+", "Give the number of your ticket."))
    assert under(ticket, erased).ending is Ending.APPROVED
    assert under(ticket, record).why == "the reason does not hold what it has to"


@pytest.mark.parametrize(
    ("forged", "why", "witness"),
    [
        ({"state": RequestState.WITHDRAWN}, "it stands as withdrawn, and the audit has it as pending", ALICE),
        ({"state": RequestState.DENIED}, "it stands as denied, and the audit has it as pending", ALICE),
        (
            {"state": RequestState.DENIED, "decided_by": CAROL.identity},
            "it stands as denied, and its rows come to pending: it takes 2 approvals, and 1 was given",
            ALICE,
        ),
        ("UDAVE", "it has an approval by UDAVE, counted by S0LEADS, that the audit does not tell of", DAVE),
        ("S0OPS", "it has an approval by UBOB, counted by S0OPS, that the audit does not tell of", BOB),
    ],
)
def test_what_was_planted_is_named(forged: str | dict[str, object], why: str, witness: Person) -> None:
    """Alice's request waits with Bob's approval: an ending without a word of it, another approver, and another group are said
    with the person on whom it hangs."""
    past = Past(asked().record)
    past.keep(say(past.record, BOB))
    record = past.record
    assert replay.misfit(record, past.told) is None
    match forged:
        case dict():
            record = replace(record, request=replace(record.request, **forged))  # type: ignore[arg-type]  # as above
        case "S0OPS":
            record = changed(record, record.reviews[0], counted_by=forged)
        case _:
            record = changed(record, record.reviews[0], reviewer=witness.identity)
    assert replay.misfit(record, past.told) == replay.Misfit(why, witness.identity)


def test_an_extension_is_told_by_its_own_request() -> None:
    """What was extended since stands under another rule than it was decided by."""
    record = approved()
    assert replay.is_told(record)
    assert record.grant is not None
    assert not replay.is_told(replace(record, grant=replace(record.grant, extended_by=1007)))


def test_a_review_by_another_id_of_the_same_person() -> None:
    """Who approved under one of their ids is the person whom the rule names by the other."""
    rule = replace(PAYMENTS, approvals=1, approvers=Audience(users=frozenset({"W0BOB"})))
    past = Past(asked(rule).record)
    past.keep(lifecycle.review(past.record, rule, replace(BOB, also=frozenset({"W0BOB"})), Verdict.YES, "", NOW, LATER))
    record = past.record
    assert record.reviews == (Review(BOB.identity, Verdict.YES, "W0BOB", NOW),)
    assert replay.misfit(record, past.told) is None
