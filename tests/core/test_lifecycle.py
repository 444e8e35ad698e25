"""The promises of the design, asked of the whole core: whatever happens in whatever order, these hold."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core import facts, lifecycle, timing
from bot.core.lifecycle import Loss
from bot.core.model import (
    AuditEvent,
    EffectKind,
    GrantState,
    KeyState,
    Lifetime,
    Record,
    Refusal,
    RequestState,
    Rule,
    Transition,
    Verdict,
)
from tests.core.life import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    DAY,
    GONE,
    HOUR,
    MALLORY,
    NOW,
    PAYMENTS,
    SECOND,
    Ids,
    Life,
    asked,
    held,
    kinds,
    on_show,
)

EVERY_FACT = st.sampled_from(
    [
        "posted",
        "shown",
        "gone",
        "issued",
        "confirmed",
        "missing",
        "verified",
        "wrong",
        "token",
        "hidden",
        "dead",
        "barred",
    ]
)
EVERY_ACT = st.sampled_from(["bob", "carol", "alice", "mallory", "no", "withdraw", "revoke", "save", "hour", "week"])


@given(st.lists(st.one_of(EVERY_FACT, EVERY_ACT), max_size=40), st.sampled_from([0, 1, 2]))
def test_whatever_happens_the_promises_hold(story: list[str], approvals: int) -> None:
    """Any acts and answers in any order: no grant without its yeses, no end that is not promised, no key that outlives it."""
    rule, ids, now = replace(PAYMENTS, approvals=approvals), Ids(), NOW
    steps = [asked(rule, ids=ids)]
    for word in story:
        now += timedelta(hours=1) if word == "hour" else 7 * DAY if word == "week" else timedelta(seconds=1)
        record = steps[-1].record
        settled = lifecycle.settle(record, now, ids)
        if settled is not None:
            steps.append(settled)
            record = settled.record
        try:
            steps.append(_next(record, rule, word, now, ids))
        except Refusal:
            continue
    _check(steps, rule)


def _next(record: Record, rule: Rule, word: str, now: datetime, ids: Ids) -> Transition:
    people = {"bob": BOB, "carol": CAROL, "alice": ALICE, "mallory": MALLORY}
    if word in people:
        return lifecycle.review(record, rule, people[word], Verdict.YES, "", now, ids)
    if word == "no":
        return lifecycle.review(record, rule, DAVE, Verdict.NO, "no", now, ids)
    if word == "withdraw":
        return lifecycle.withdraw(record, ALICE.identity, now, ids)
    if word == "revoke":
        return lifecycle.revoke(record, BOB.identity, "why", now, ids)
    key = record.keys[0].id if record.keys else None
    if word == "save":
        return lifecycle.hide(record, ALICE.identity, key or "", now, ids)
    return lifecycle.observe(record, _fact(record, word), now, ids)


def _fact(record: Record, word: str) -> facts.Fact:
    message = record.messages[-1].id
    simple: dict[str, facts.Fact] = {
        "posted": facts.MessagePosted(message, "D1", "1.1"),
        "shown": facts.MessageShown(message, record.request.version),
        "gone": facts.MessageGone(message),
        "barred": facts.Barred("step", "why"),
    }
    if word in simple or not record.keys:
        return simple.get(word, facts.Due())
    key = record.keys[0].id
    until = record.grant.until if record.grant else None
    about_key: dict[str, facts.Fact] = {
        "issued": facts.KeyIssued(key, "hash", b"sealed", NOW + lifecycle.PROBATION),
        "confirmed": facts.KeyConfirmed(key, until),
        "missing": facts.KeyMissing(key),
        "verified": facts.KeyVerified(key),
        "wrong": facts.KeyWrong(key, "why"),
        "token": facts.TokenShown(key),
        "hidden": facts.TokenHidden(key, keep_sealed=False),
        "dead": facts.KeyDead(key),
    }
    return about_key.get(word, facts.Due())


def _check(steps: list[Transition], rule: Rule) -> None:
    promised: set[EffectKind] = set()
    for step in steps:
        promised |= kinds(step)
        record = step.record
        if record.grant is not None:
            yeses = {review.reviewer for review in record.reviews if review.verdict is Verdict.YES}
            assert len(yeses - {ALICE.identity}) >= rule.approvals, "as many yeses as the rule asks for"
            assert EffectKind.END_GRANT in promised, "the end is written down with the beginning"
        ended = record.grant is not None and record.grant.state is GrantState.ENDED
        for key in record.keys:
            if ended and key.state not in (KeyState.DEAD, KeyState.MAKING):
                assert EffectKind.REVOKE_KEY in promised, "after the end every key is to die"
            if key.state is KeyState.DEAD:
                assert key.sealed is None, "nothing of a dead key is kept"
        assert len(record.keys) <= 1
    versions = [step.record.request.version for step in steps]
    assert versions == sorted(versions)
    asked_lines = [line for step in steps for line in step.audit if line.event is AuditEvent.ASKED]
    assert len(asked_lines) == 1


# --- one request lived through -----------------------------------------------------------------------------------------

TIMES = {"second": SECOND, "hour": HOUR, "day": DAY, "month": 30 * DAY}
PEOPLE = ["bob", "no", "save", "lost", "lost", "leaked", "leaked", "left", "back", "uses", "renew", "revoke"]
WORDS = st.sampled_from([*PEOPLE, "work", "work", "all", "all", "gone", "due", *TIMES])
FAILING = st.sampled_from([None, EffectKind.REVOKE_KEY, EffectKind.HIDE_TOKEN, EffectKind.ISSUE_KEY])


@settings(max_examples=500)
@given(
    st.lists(WORDS, max_size=30),
    st.sampled_from([DAY, 2 * DAY, 7 * DAY, None]),
    st.sampled_from(["", "checkout"]),
    FAILING,
    st.sampled_from([Life, on_show, held]),
)
def test_whatever_goes_wrong_the_promises_hold(
    story: list[str], lifetime: Lifetime, used_by: str, failing: EffectKind | None, begin: Callable[..., Life]
) -> None:
    """Any acts, answers and times in any order: one key lasts, one token is on show, and each end is written down."""
    life = begin(replace(PAYMENTS, approvals=1, review_every=10 * DAY), lifetime, used_by)
    for word in story:
        life.now += TIMES.get(word, timedelta())
        if word not in TIMES:
            life.settle()
            with suppress(Refusal):
                _live(life, word, failing)
        _check_life(life)
    life.works()
    _check_life(life)
    if life.record.grant is not None and not life.ended():
        assert sum(key.state is not KeyState.DEAD for key in life.record.keys) == 1


def _live(life: Life, word: str, failing: EffectKind | None) -> None:
    but = frozenset({failing}) if failing else frozenset[EffectKind]()
    due = [place for place in life.due() if place[0] is not failing]
    key = life.record.keys[-1] if life.record.keys else None
    acts: dict[str, Callable[[], object]] = {
        "work": lambda: life.act(due[0]) if due else None,
        "all": lambda: life.works(but=but),
        "bob": lambda: life.says(BOB),
        "no": lambda: life.says(DAVE, Verdict.NO),
        "save": lambda: life.saves(key) if key is not None and key.shown_at is not None else None,
        "lost": lambda: life.replaces(Loss.LOST),
        "leaked": lambda: life.replaces(Loss.LEAKED),
        "left": lambda: life.sees(GONE),
        "back": lambda: life.sees(facts.Returned()),
        "uses": life.uses,
        "renew": life.renews,
        "revoke": lambda: life.keep(lifecycle.revoke(life.record, BOB.identity, "why", life.now, life.new_id)),
        "gone": lambda: life.sees(facts.MessageGone(life.last_message().id)),
        "due": lambda: life.sees(facts.Due()),
    }
    acts[word]()


def _check_life(life: Life) -> None:
    record, keys = life.record, life.record.keys
    end, remind = timing.end_of(record), timing.reminders(record)
    if record.request.state is RequestState.PENDING:
        assert life.open[EffectKind.LAPSE_REQUEST, "r"] <= record.request.lapses_at, "the end is written down"
    if end is not None:
        assert life.open[EffectKind.END_GRANT, "r"] <= end.at, "that of a grant, too"
    if remind:
        assert life.open[EffectKind.REMIND, "r"] <= max(remind[0].at, life.now), "and so is whom to remind"
    if record.grant is not None and life.ended():
        assert (end, remind) == (None, ())
        assert life.open.keys().isdisjoint({(EffectKind.END_GRANT, "r"), (EffectKind.REMIND, "r")})
    lasting = [
        key for key in keys if key.state is not KeyState.DEAD and (EffectKind.REVOKE_KEY, key.id) not in life.open
    ]
    shown = max((place for place, key in enumerate(keys) if key.shown_at is not None), default=0)
    assert all(key in keys[shown:] for key in lasting if key.state is not KeyState.MAKING), "the one before is to die"
    assert len(lasting) <= 2
    assert sum(key.shown_at is not None and key.hidden_at is None for key in keys) <= 1, "one token is on show"
    assert sum(key.shown_at is None and key.state is not KeyState.DEAD for key in keys) <= 1, "one is on its way"
