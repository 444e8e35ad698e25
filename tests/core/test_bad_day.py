"""What becomes of silence, loss and leave, asked of the pure core with its promises kept as the store keeps them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core import facts, lifecycle, timing
from bot.core.lifecycle import Loss
from bot.core.model import (
    AuditEvent,
    Effect,
    EffectKind,
    EffectState,
    GrantState,
    KeyState,
    Lifetime,
    MessageKind,
    Person,
    Refusal,
    RequestId,
    RequestState,
    Topic,
    Verdict,
)
from bot.core.timing import LEFT_BEHIND, UNREVIEWED
from tests.core.life import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    DAY,
    EVERY,
    HOUR,
    MALLORY,
    NOW,
    PAYMENTS,
    REVIEWED,
    SECOND,
    Ids,
    Life,
    ended,
    held,
    issuing,
    on_show,
    person,
    under_way,
)

# --- approvers who are silent -----------------------------------------------------------------------------------------


def test_silent_approvers_are_reminded_twice() -> None:
    """After a third of the time and a day before the end the card's channel is told, and each time the audit."""
    life = Life()
    life.passes(56 * HOUR - SECOND)
    assert life.topics(MessageKind.REMINDER) == []
    life.passes(SECOND)
    assert life.topics(MessageKind.REMINDER) == [Topic.STILL_WAITING]
    assert life.last_message().target == PAYMENTS.approvals_channel
    life.passes(6 * DAY - 56 * HOUR - SECOND)
    assert life.topics(MessageKind.REMINDER) == [Topic.STILL_WAITING]
    life.passes(SECOND)
    assert life.topics(MessageKind.REMINDER) == [Topic.STILL_WAITING, Topic.LAST_CHANCE]
    life.passes(DAY)
    assert life.record.request.state is RequestState.LAPSED
    assert life.reminded() == ["still waiting", "last chance"]


def test_after_a_long_absence_one_reminder_is_enough() -> None:
    """The bot was off until an hour before the end: the last chance is told, and what was missed is not."""
    life = Life()
    life.is_away(7 * DAY - HOUR)
    assert life.topics(MessageKind.REMINDER) == [Topic.LAST_CHANCE]
    life.passes(HOUR - SECOND)
    assert life.reminded() == ["last chance"]
    assert timing.reminders(life.record) == ()


@pytest.mark.parametrize(
    ("lapses_after", "topics"),
    [
        (36 * HOUR, [Topic.STILL_WAITING]),
        (36 * HOUR + SECOND, [Topic.STILL_WAITING, Topic.LAST_CHANCE]),
        (HOUR, [Topic.STILL_WAITING]),
    ],
)
def test_a_short_wait_has_no_last_chance(lapses_after: timedelta, topics: list[Topic]) -> None:
    """Where a day before the end comes no later than a third of the time, that day is not told of."""
    life = Life(replace(PAYMENTS, lapses_after=lapses_after))
    life.passes(lapses_after)
    assert life.topics(MessageKind.REMINDER) == topics
    assert life.record.request.state is RequestState.LAPSED


def test_a_decision_ends_the_reminding() -> None:
    """Bob says no: nobody is reminded any more, and a note that was not posted yet stays unposted."""
    life = Life()
    life.now += 56 * HOUR
    life.settle()
    note = life.last_message()
    assert note.topic is Topic.STILL_WAITING
    life.says(BOB, Verdict.NO)
    assert (EffectKind.REMIND, "r") not in life.open
    life.works()
    assert not next(one for one in life.record.messages if one.id == note.id).is_posted
    life.passes(7 * DAY)
    assert life.reminded() == ["still waiting"]


def test_what_woke_too_early_is_promised_again() -> None:
    """A promise that is kept before its time reminds nobody and stands again for the right time."""
    life = Life()
    life.works()
    place = (EffectKind.REMIND, "r")
    assert life.open[place] == NOW + 56 * HOUR
    life.now += HOUR
    life.act(place)
    assert life.reminded() == []
    assert life.open[place] == NOW + 56 * HOUR
    early = lifecycle.observe(held().record, facts.Due(), NOW + DAY, Ids())
    assert {(one.kind, one.due_at) for one in early.promises} == {
        (EffectKind.END_GRANT, NOW + 7 * DAY),
        (EffectKind.REMIND, NOW + 6 * DAY),
    }


# --- the end that is near ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lifetime", "topics"),
    [(2 * DAY - SECOND, []), (2 * DAY, [Topic.ENDING]), (7 * DAY, [Topic.ENDING]), (DAY, []), (None, [])],
)
def test_the_holder_hears_a_day_before_the_end(lifetime: Lifetime, topics: list[Topic]) -> None:
    """Of a grant of two days or more, once; who asked for less knows."""
    life = held(lifetime=lifetime)
    if lifetime is not None:
        life.passes(lifetime - DAY - SECOND)
        assert life.topics(MessageKind.NOTICE) == []
        life.passes(SECOND)
    assert life.topics(MessageKind.NOTICE) == topics
    life.passes(DAY)
    assert life.topics(MessageKind.NOTICE) == topics
    assert life.ended() == (lifetime is not None)


def test_a_bot_that_was_off_tells_of_no_end_that_is_past() -> None:
    """It comes back after the end: the grant has ended, and nobody hears that it will."""
    life = held()
    life.is_away(8 * DAY)
    assert life.ended()
    assert life.topics(MessageKind.NOTICE) == []


def test_an_end_that_was_told_too_late_is_not_told() -> None:
    """The ring was promised, Slack was away until the end: what would be false by then is not posted."""
    life = held()
    life.now += 6 * DAY
    life.settle()
    ring = life.last_message()
    assert ring.topic is Topic.ENDING
    life.is_away(DAY)
    assert not next(one for one in life.record.messages if one.id == ring.id).is_posted


# --- a token lost, a token leaked -------------------------------------------------------------------------------------


def test_a_lost_token_works_until_the_new_one_is_shown() -> None:
    """Alice lost it: the old key dies when she has the new token, which ends when the old one would have; nobody is asked."""
    life = held()
    old = life.record.keys[0]
    life.now += DAY
    life.replaces(Loss.LOST)
    new = life.record.keys[1]
    assert (EffectKind.REVOKE_KEY, old.id) not in life.open
    life.works(but=frozenset({EffectKind.DELIVER_TOKEN}))
    assert [key.state for key in life.record.keys] == [KeyState.LIVE, KeyState.LIVE]
    assert life.record.keys[1].expires_at == life.grant.until == NOW + 7 * DAY
    life.works()
    assert [key.state for key in life.record.keys] == [KeyState.DEAD, KeyState.LIVE]
    assert life.record.keys[1].shown_at is not None
    assert life.record.token_message(new.id) != life.record.token_message(old.id)
    assert [line.details for line in life.events(AuditEvent.REPLACED)] == [{"why": "lost"}]
    assert len(life.events(AuditEvent.REVIEWED)) == 2
    assert life.topics(MessageKind.REMINDER) == []


def test_a_leaked_token_stops_at_once() -> None:
    """The old key is to die before the new one is made, and the approvers are told."""
    life = on_show()
    old = life.record.keys[0]
    life.replaces(Loss.LEAKED)
    assert life.open[EffectKind.REVOKE_KEY, old.id] == life.now
    assert life.topics(MessageKind.REMINDER) == [Topic.LEAKED]
    note = next(one for one in life.record.messages if one.topic is Topic.LEAKED)
    assert note.target == PAYMENTS.approvals_channel
    life.works(but=frozenset({EffectKind.ISSUE_KEY}))
    assert [key.state for key in life.record.keys] == [KeyState.DEAD, KeyState.MAKING]
    life.works()
    assert [key.state for key in life.record.keys] == [KeyState.DEAD, KeyState.LIVE]
    assert not life.record.awaits_token


@pytest.mark.parametrize("loss", list(Loss))
def test_one_token_at_a_time_is_on_show(loss: Loss) -> None:
    """The new token waits for its message until the old one's is gone."""
    life = on_show()
    old = life.record.keys[0]
    life.replaces(loss)
    new = life.record.keys[1]
    assert life.open[EffectKind.HIDE_TOKEN, old.id] == life.now
    life.works(but=frozenset({EffectKind.HIDE_TOKEN}))
    assert life.record.keys[1].state is KeyState.LIVE
    assert (EffectKind.DELIVER_TOKEN, new.id) not in life.open
    life.act((EffectKind.HIDE_TOKEN, old.id))
    assert (EffectKind.DELIVER_TOKEN, new.id) in life.open
    life.works()
    assert [key.shown_at is not None and key.hidden_at is None for key in life.record.keys] == [False, True]


def test_a_lost_token_that_then_turns_out_to_have_leaked() -> None:
    """While the new one is on its way the old one is ended at once, and no third key is made."""
    life = held()
    life.replaces(Loss.LOST)
    life.replaces(Loss.LEAKED)
    assert len(life.record.keys) == 2
    assert (EffectKind.REVOKE_KEY, life.record.keys[0].id) in life.open
    life.works()
    assert [key.state for key in life.record.keys] == [KeyState.DEAD, KeyState.LIVE]
    assert [line.details["why"] for line in life.events(AuditEvent.REPLACED)] == ["lost", "leaked"]


def test_a_token_that_nobody_ever_saved_can_be_replaced() -> None:
    """Its message was deleted unread after a day; it counts as seen."""
    life = on_show()
    life.passes(DAY)
    assert life.record.keys[0].hidden_at is not None
    life.replaces(Loss.LOST)
    life.works()
    assert [key.state for key in life.record.keys] == [KeyState.DEAD, KeyState.LIVE]


def test_a_token_that_could_not_be_shown_in_time() -> None:
    """Slack was away for a day: Alice hears that it went unseen, it is not shown any more, and she can have another."""
    life = issuing()
    later = frozenset({EffectKind.DELIVER_TOKEN})
    life.works(but=later)
    first = life.record.keys[0]
    life.tries((EffectKind.DELIVER_TOKEN, first.id))
    life.now += DAY
    life.works(but=later)
    assert life.topics(MessageKind.NOTICE) == [Topic.UNSEEN]
    assert (EffectKind.DELIVER_TOKEN, first.id) not in life.open
    assert life.events(AuditEvent.HIDDEN) == []
    life.replaces(Loss.LOST)
    life.works()
    assert [key.state for key in life.record.keys] == [KeyState.DEAD, KeyState.LIVE]
    assert life.record.keys[1].shown_at is not None


@pytest.mark.parametrize(
    ("life", "who", "loss", "code"),
    [
        (held, BOB, Loss.LEAKED, "not_requester"),
        (ended, ALICE, Loss.LOST, "ended"),
        (Life, ALICE, Loss.LOST, "ended"),
        (issuing, ALICE, Loss.LOST, "under_way"),
        (issuing, ALICE, Loss.LEAKED, "under_way"),
        (under_way, ALICE, Loss.LOST, "under_way"),
        (held, person("alice"), Loss.LOST, "not_requester"),
    ],
)
def test_who_gets_no_new_token(life: Callable[[], Life], who: Person, loss: Loss, code: str) -> None:
    """Not somebody else, not after the end, not while one is coming, not who may not ask any more."""
    lived = life()
    before = lived.record
    with pytest.raises(Refusal) as caught:
        lived.replaces(loss, who)
    assert caught.value.code == code
    assert lived.record == before


def test_no_new_token_under_a_rule_that_would_not_grant_it() -> None:
    """Three yeses are needed by now: the old token goes on, and no new one comes of the two."""
    life = held()
    with pytest.raises(Refusal, match="now needs 3 approvals"):
        life.replaces(Loss.LOST, rule=replace(life.rule, approvals=3))
    assert len(life.record.keys) == 1


@pytest.mark.parametrize("loss", list(Loss))
def test_a_check_of_the_old_key_never_ends_the_grant(loss: Loss) -> None:
    """What is open about the old key is dropped with it, and would no longer matter."""
    life = Life()
    life.says(BOB)
    life.says(CAROL)
    life.works(but=frozenset({EffectKind.VERIFY_KEY}))
    old = life.record.keys[0]
    assert (EffectKind.VERIFY_KEY, old.id) in life.open
    life.replaces(loss)
    life.works(but=frozenset({EffectKind.VERIFY_KEY}))
    assert [key.state for key in life.record.keys] == [KeyState.DEAD, KeyState.LIVE]
    assert (EffectKind.VERIFY_KEY, old.id) not in life.open
    late = Effect(1, EffectKind.VERIFY_KEY, old.id, RequestId("r"), NOW, EffectState.OPEN, 1, 0)
    assert not lifecycle.matters(life.record, late)
    assert not life.ended()


def test_what_was_read_of_the_old_key_too_late_ends_nothing() -> None:
    """A check that slept while the old key was ended finds it gone: Alice keeps the new one."""
    life = held()
    life.replaces(Loss.LEAKED)
    life.works()
    life.sees(facts.KeyWrong(life.record.keys[0].id, "Tyk does not know the key it has just confirmed"))
    assert not life.ended()
    assert life.events(AuditEvent.REVOKED) == []


def test_the_new_key_is_checked_like_the_first() -> None:
    """What Tyk holds of it is not what was granted: the grant ends, and both keys with it."""
    life = held()
    life.replaces(Loss.LOST)
    life.works(but=frozenset({EffectKind.VERIFY_KEY}))
    life.sees(facts.KeyWrong(life.record.keys[1].id, "wrong expiry"))
    life.works()
    assert life.ended()
    assert {key.state for key in life.record.keys} == {KeyState.DEAD}


def test_a_token_message_that_is_gone_is_posted_anew_for_its_own_key() -> None:
    """Of two token messages the one that was deleted comes again, and names the same key."""
    life = held()
    life.replaces(Loss.LOST)
    life.works(but=frozenset({EffectKind.DELIVER_TOKEN}))
    new = life.record.keys[1]
    gone = life.record.token_message(new.id)
    assert gone is not None
    life.sees(facts.MessageGone(gone.id))
    again = life.record.token_message(new.id)
    assert again is not None
    assert (again.id != gone.id, again.key_id) == (True, new.id)


def test_a_message_from_before_it_named_its_key_is_the_first_keys() -> None:
    """A token that was shown by an older version can be replaced, and each key has its own message."""
    life = on_show()
    unnamed = tuple(replace(message, key_id=None) for message in life.record.messages)
    life.record = replace(life.record, messages=unnamed)
    life.replaces(Loss.LOST)
    life.works()
    old, new = (life.record.token_message(key.id) for key in life.record.keys)
    assert old is not None
    assert new is not None
    assert (old.key_id, new.key_id) == (None, life.record.keys[1].id)
    assert [key.state for key in life.record.keys] == [KeyState.DEAD, KeyState.LIVE]


# --- a holder who leaves ----------------------------------------------------------------------------------------------


GONE = facts.Left("Their Slack account is deactivated.")


def test_what_a_leaver_asked_for_ends_at_once() -> None:
    """Alice was deactivated before anybody decided: her request is over, and the audit says why."""
    life = Life()
    life.sees(GONE)
    assert life.record.request.state is RequestState.WITHDRAWN
    assert life.record.request.decided_by is None
    assert [line.event for line in life.audit[-2:]] == [AuditEvent.LEFT, AuditEvent.WITHDRAWN]
    assert life.events(AuditEvent.LEFT)[0].details == {"person": "UALICE", "why": GONE.why}
    assert life.open.keys().isdisjoint({(EffectKind.LAPSE_REQUEST, "r"), (EffectKind.REMIND, "r")})


def test_a_key_without_a_use_dies_a_day_after_its_holder_left() -> None:
    """The approvers get the case at once, and the key is dead a day later, not before."""
    life = held()
    life.passes(DAY)
    life.sees(GONE)
    assert life.topics(MessageKind.QUESTION) == [Topic.LEFT]
    assert life.last_message().target == PAYMENTS.approvals_channel
    life.passes(DAY - SECOND)
    assert not life.ended()
    life.passes(SECOND)
    assert (life.grant.state, life.grant.end_reason) == (GrantState.ENDED, LEFT_BEHIND)
    assert life.record.keys[0].state is KeyState.DEAD
    assert [line.details for line in life.events(AuditEvent.EXPIRED)] == [{"why": LEFT_BEHIND}]


@pytest.mark.parametrize("lifetime", [7 * DAY, None])
def test_a_key_that_says_what_uses_it_outlives_its_holder(lifetime: Lifetime) -> None:
    """Nothing ends by itself before its time; nobody is there to be told that the end is near."""
    life = held(lifetime=lifetime, used_by="checkout")
    life.sees(GONE)
    life.passes(7 * DAY - SECOND)
    assert not life.ended()
    assert life.topics(MessageKind.NOTICE) == []
    life.passes(SECOND)
    assert life.ended() == (lifetime is not None)
    assert life.grant.end_reason == ""


def test_spaces_are_no_use() -> None:
    """What uses it was left out with the space bar."""
    life = held(used_by="  ")
    life.sees(GONE)
    life.passes(DAY)
    assert life.grant.end_reason == LEFT_BEHIND


def test_a_leaver_is_told_of_once() -> None:
    """Every sweep finds them again, and says nothing new."""
    life = held()
    for _ in range(3):
        life.sees(GONE)
    assert life.topics(MessageKind.QUESTION) == [Topic.LEFT]
    assert len(life.events(AuditEvent.LEFT)) == 1
    over = ended()
    over.sees(GONE)
    assert over.events(AuditEvent.LEFT) == []


def test_who_comes_back_keeps_what_they_hold() -> None:
    """Alice was a guest for an hour: the key goes on to its own end, and she hears when that is near."""
    life = held()
    life.sees(GONE)
    life.passes(HOUR)
    life.sees(facts.Returned())
    assert life.grant.left_at is None
    assert [line.details for line in life.events(AuditEvent.RETURNED)] == [{"person": "UALICE"}]
    life.passes(5 * DAY)
    assert not life.ended()
    life.passes(2 * DAY)
    assert life.topics(MessageKind.NOTICE) == [Topic.ENDING]
    assert (life.grant.state, life.grant.end_reason) == (GrantState.ENDED, "")


def test_who_never_left_does_not_return() -> None:
    """A sweep that finds Alice where she was changes nothing."""
    life = held()
    before = life.record
    life.sees(facts.Returned())
    assert life.record == before
    assert life.events(AuditEvent.RETURNED) == []


def test_who_leaves_again_after_a_return_is_told_of_again() -> None:
    """The day begins anew with the second leave."""
    life = held()
    life.sees(GONE)
    life.passes(HOUR)
    life.sees(facts.Returned())
    life.passes(DAY)
    life.sees(GONE)
    assert life.topics(MessageKind.QUESTION) == [Topic.LEFT, Topic.LEFT]
    life.passes(DAY - SECOND)
    assert not life.ended()
    life.passes(SECOND)
    assert life.ended()


def test_who_cannot_be_written_to_keeps_the_token_they_have() -> None:
    """A message that does not get through ends nothing that is in use; a token that never arrived ends."""
    life = held()
    life.sees(facts.Unreachable("user_disabled"))
    assert not life.ended()
    waiting = issuing()
    waiting.sees(facts.Unreachable("user_disabled"))
    assert (waiting.grant.state, waiting.grant.end_reason) == (GrantState.ENDED, "user_disabled")


# --- no end, but a question now and then ------------------------------------------------------------------------------


def test_approvers_are_asked_whether_it_is_still_needed() -> None:
    """When it is due they get the question, the holder hears of it, and Bob's yes puts it off for as long again."""
    life = held(REVIEWED, None, "checkout")
    life.passes(EVERY - SECOND)
    assert life.topics(MessageKind.QUESTION) == []
    life.passes(SECOND)
    assert life.topics(MessageKind.QUESTION) == [Topic.RENEWAL]
    assert life.topics(MessageKind.NOTICE) == [Topic.REVIEWING]
    assert timing.end_of(life.record) == timing.End(NOW + EVERY + 14 * DAY, UNREVIEWED)
    life.passes(DAY)
    life.renews()
    assert (life.grant.review_at, life.grant.asked_at) == (life.now + EVERY, None)
    assert [line.details for line in life.events(AuditEvent.RENEWED)] == [{"reviewer": "UBOB", "counted_by": "S0LEADS"}]
    life.passes(EVERY - SECOND)
    assert life.topics(MessageKind.QUESTION) == [Topic.RENEWAL]
    life.passes(SECOND)
    assert life.topics(MessageKind.QUESTION) == [Topic.RENEWAL, Topic.RENEWAL]
    assert not life.ended()
    assert life.reminded() == ["renewal", "renewal"]


def test_without_a_yes_it_ends_and_the_holder_hears_on_the_way() -> None:
    """Alice is told when they are asked, a day before the end, and when it has ended."""
    life = held(REVIEWED, None, "checkout")
    life.passes(EVERY + 13 * DAY - SECOND)
    assert life.topics(MessageKind.NOTICE) == [Topic.REVIEWING]
    life.passes(SECOND)
    assert life.topics(MessageKind.NOTICE) == [Topic.REVIEWING, Topic.REVIEWING]
    life.passes(DAY - SECOND)
    assert not life.ended()
    life.passes(SECOND)
    assert (life.grant.state, life.grant.end_reason) == (GrantState.ENDED, UNREVIEWED)
    assert life.topics(MessageKind.NOTICE) == [Topic.REVIEWING, Topic.REVIEWING, Topic.ENDED]
    assert life.record.keys[0].state is KeyState.DEAD


def test_a_bot_that_was_off_asks_before_it_ends_anything() -> None:
    """It was off for half a year: the fourteen days begin when the approvers are asked."""
    life = held(REVIEWED, None, "checkout")
    life.is_away(EVERY + 100 * DAY)
    assert life.topics(MessageKind.QUESTION) == [Topic.RENEWAL]
    assert timing.end_of(life.record) == timing.End(life.now + 14 * DAY, UNREVIEWED)
    life.passes(14 * DAY - SECOND)
    assert not life.ended()
    life.renews()
    assert timing.end_of(life.record) == timing.End(life.now + EVERY + 14 * DAY, UNREVIEWED)


def test_a_yes_that_comes_too_late_finds_it_ended() -> None:
    """Past the fourteen days it has ended, whoever looks first."""
    life = held(REVIEWED, None)
    life.passes(EVERY)
    life.now += 14 * DAY
    with pytest.raises(Refusal, match="has ended already"):
        life.renews()
    assert life.ended()


def test_a_case_follows_the_keys_it_names() -> None:
    """Alice replaces her token while the approvers are asked: the question is shown again, with the key that lives."""
    life = held(REVIEWED, None)
    life.passes(EVERY)
    question = next(one for one in life.record.messages if one.kind is MessageKind.QUESTION)
    life.replaces(Loss.LOST)
    life.works(but=frozenset({EffectKind.SHOW_MESSAGE}))
    assert [key.state for key in life.record.keys] == [KeyState.DEAD, KeyState.LIVE]
    assert (EffectKind.SHOW_MESSAGE, question.id) in life.open


@pytest.mark.parametrize(
    ("who", "code"), [(ALICE, "own_request"), (MALLORY, "not_approver"), (person("frank"), "not_approver")]
)
def test_who_cannot_renew(who: Person, code: str) -> None:
    """Not the holder, although she is among the leads, and nobody whom the rule does not name."""
    life = held(REVIEWED, None)
    life.passes(EVERY)
    with pytest.raises(Refusal) as caught:
        life.renews(who)
    assert caught.value.code == code
    assert life.events(AuditEvent.RENEWED) == []


def test_nobody_renews_what_is_not_asked() -> None:
    """A second yes, or one on an old case, is told that nobody asks at the moment."""
    life = held(REVIEWED, None)
    with pytest.raises(Refusal, match="Nobody asks at the moment"):
        life.renews()
    life.passes(EVERY)
    life.renews()
    with pytest.raises(Refusal, match="Nobody asks at the moment"):
        life.renews(DAVE)


def test_a_rule_without_review_asks_nobody() -> None:
    """A grant from before the rule named a review has no end and no question."""
    life = held(replace(REVIEWED, review_every=None), None)
    life.passes(1000 * DAY)
    assert not life.ended()
    assert life.topics(MessageKind.QUESTION) == life.topics(MessageKind.NOTICE) == []
    assert timing.end_of(life.record) is None


def test_a_grant_with_an_end_of_its_own_is_not_asked_about() -> None:
    """The review is for those without."""
    life = held(REVIEWED, 100 * DAY)
    assert life.grant.review_at is None
    life.passes(100 * DAY)
    assert life.topics(MessageKind.QUESTION) == []


@pytest.mark.parametrize(("used_by", "why"), [("", LEFT_BEHIND), ("checkout", UNREVIEWED)])
def test_the_end_that_comes_first_counts(used_by: str, why: str) -> None:
    """Asked about and left behind: what uses nothing ends after a day, what does after the review."""
    life = held(REVIEWED, None, used_by)
    life.passes(EVERY)
    life.sees(GONE)
    life.passes(14 * DAY)
    assert life.grant.end_reason == why


# --- any order --------------------------------------------------------------------------------------------------------


TIMES = {"second": SECOND, "hour": HOUR, "day": DAY, "month": 30 * DAY}
PEOPLE = ["bob", "no", "save", "lost", "lost", "leaked", "leaked", "left", "back", "renew", "revoke"]
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
                _do(life, word, failing)
        _check(life)
    life.works()
    _check(life)
    if life.record.grant is not None and not life.ended():
        assert sum(key.state is not KeyState.DEAD for key in life.record.keys) == 1


def _do(life: Life, word: str, failing: EffectKind | None) -> None:
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
        "renew": life.renews,
        "revoke": lambda: life.keep(lifecycle.revoke(life.record, BOB.identity, "why", life.now, life.new_id)),
        "gone": lambda: life.sees(facts.MessageGone(life.last_message().id)),
        "due": lambda: life.sees(facts.Due()),
    }
    acts[word]()


def _check(life: Life) -> None:
    record, keys = life.record, life.record.keys
    end, remind = timing.end_of(record), timing.reminders(record)
    if end is not None:
        assert life.open[EffectKind.END_GRANT, "r"] <= end.at, "the end is written down"
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
