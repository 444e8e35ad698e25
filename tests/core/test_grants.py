"""A grant: its end, what is told before it, and what becomes of one whose holder leaves."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.core import facts, lifecycle, timing
from bot.core.lifecycle import Loss
from bot.core.model import (
    Audience,
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
    Topic,
)
from bot.core.timing import LEFT_BEHIND, UNREVIEWED
from tests.core.life import (
    ALICE,
    ASKED,
    BOB,
    DAVE,
    DAY,
    EVERY,
    GONE,
    HOUR,
    MALLORY,
    NOW,
    PAYMENTS,
    REVIEWED,
    SECOND,
    Ids,
    Life,
    asked,
    ended,
    held,
    issuing,
    kinds,
    on_show,
    person,
)

# --- its end -----------------------------------------------------------------------------------------------------------


def test_never_promises_no_end() -> None:
    """A grant without an end promises none: a person ends it."""
    step = asked(replace(PAYMENTS, approvals=0), lifetime=None)
    assert step.record.grant is not None
    assert step.record.grant.until is None
    assert EffectKind.END_GRANT not in kinds(step)


@pytest.mark.parametrize(
    ("lifetime", "before", "times"),
    [
        (2 * DAY - SECOND, DAY, 0),
        (2 * DAY, DAY, 1),
        (4 * DAY, DAY, 1),
        (32 * DAY, 3 * DAY, 2),
        (DAY, HOUR, 0),
        (None, DAY, 0),
    ],
)
def test_the_holder_hears_before_the_end(lifetime: Lifetime, before: timedelta, times: int) -> None:
    """Of a grant of two days or more once, of a long one twice; who asked for less knows."""
    life = held(lifetime=lifetime)
    if lifetime is not None:
        life.passes(lifetime - before - SECOND)
        assert life.topics(MessageKind.NOTICE) == []
        life.passes(SECOND)
    assert life.topics(MessageKind.NOTICE) == [Topic.ENDING] * min(times, 1)
    life.passes(before)
    assert life.topics(MessageKind.NOTICE) == [Topic.ENDING] * times
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


def test_the_end_stops_everything() -> None:
    """Bob revokes while the token is on show: key and message are to go at once, and nothing else of the grant is open."""
    life = on_show()
    key = life.record.keys[0]
    life.keep(lifecycle.revoke(life.record, BOB.identity, "mistake", life.now, life.new_id))
    assert life.open[EffectKind.REVOKE_KEY, key.id] == life.now
    assert life.open[EffectKind.HIDE_TOKEN, key.id] == life.now
    gone = {(EffectKind.VERIFY_KEY, key.id), (EffectKind.END_GRANT, "r"), (EffectKind.REMIND, "r")}
    assert life.open.keys().isdisjoint(gone)
    assert (life.grant.end_reason, life.grant.ended_by) == ("mistake", BOB.identity)
    assert life.topics(MessageKind.NOTICE) == [Topic.ENDED]


def test_a_holder_who_revokes_knows() -> None:
    """Nobody is told of what they did themselves."""
    life = held()
    life.keep(lifecycle.revoke(life.record, ALICE.identity, "", life.now, life.new_id))
    assert life.topics(MessageKind.NOTICE) == []


def test_nothing_is_revoked_twice() -> None:
    """Neither what was never granted nor what has ended."""
    with pytest.raises(Refusal, match="never granted"):
        lifecycle.revoke(Life().record, BOB.identity, "", NOW, Ids())
    with pytest.raises(Refusal, match="has already ended"):
        lifecycle.revoke(ended().record, BOB.identity, "", NOW, Ids())


@pytest.mark.parametrize(
    ("who", "may"),
    [(person("alice"), True), (BOB, True), (DAVE, True), (MALLORY, False), (person("frank", "S0NEW"), True)],
)
def test_who_may_revoke(who: Person, may: bool) -> None:
    """The holder, and whoever reviews under the request's own rule or under the one in force."""
    in_force = replace(PAYMENTS, approvers=Audience(groups=frozenset({"S0NEW"})))
    assert lifecycle.may_revoke(held().record, in_force, who) is may


def test_what_would_not_be_granted_any_more_ends() -> None:
    """Alice left the group before her token was made: it ends, and she hears once."""
    life = issuing()
    barred = facts.Barred("before the key is made", "no longer among those")
    life.sees(barred)
    assert (life.grant.state, life.grant.end_reason) == (GrantState.ENDED, barred.why)
    life.sees(barred)
    assert life.topics(MessageKind.NOTICE) == [Topic.BARRED]
    assert len(life.events(AuditEvent.REFUSED)) == 1


def test_a_wrong_key_of_an_ended_grant_tells_nobody() -> None:
    """It was read back while the grant ended: its key is to die anyhow, and Alice was told of the end."""
    life = ended()
    told = life.topics(MessageKind.NOTICE)
    life.sees(facts.KeyWrong(life.record.keys[0].id, "wrong expiry"))
    assert life.topics(MessageKind.NOTICE) == told
    assert life.events(AuditEvent.REVOKED) == []


def test_a_grant_is_active_once_its_key_is_confirmed() -> None:
    """Not before; a replacement that is confirmed later changes nothing of it."""
    life = issuing()
    states = [life.grant.state]
    for kind in (EffectKind.ISSUE_KEY, EffectKind.CONFIRM_KEY):
        life.act((kind, life.record.keys[0].id))
        states.append(life.grant.state)
    assert states == [GrantState.ISSUING, GrantState.ISSUING, GrantState.ACTIVE]
    assert life.open[EffectKind.REMIND, "r"] == NOW + 4.25 * DAY  # a Friday


def test_an_end_that_has_come_matters_no_more() -> None:
    """What is promised for the end and before it is dropped once the grant is over."""
    living, over = held().record, ended().record
    for kind in (EffectKind.END_GRANT, EffectKind.REMIND):
        effect = Effect(1, kind, "r", RequestId("r"), NOW, EffectState.OPEN, 1, 0)
        assert lifecycle.matters(living, effect)
        assert not lifecycle.matters(over, effect)


# --- a holder who leaves -----------------------------------------------------------------------------------------------


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


def test_who_comes_back_late_hears_of_the_end_all_the_same() -> None:
    """The reminder fell due while Alice was away, and was told to nobody: it is told when she is back."""
    life = held(used_by="checkout")
    life.sees(GONE)
    life.passes(6 * DAY + HOUR)
    assert (EffectKind.REMIND, "r") not in life.open
    life.sees(facts.Returned())
    assert (EffectKind.REMIND, "r") in life.open
    life.works()
    assert life.topics(MessageKind.NOTICE) == [Topic.ENDING]


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


# --- no end, but a question now and then -------------------------------------------------------------------------------


def test_the_holder_is_asked_first_and_then_the_approvers() -> None:
    """When it is due Alice gets the question; they get it two days later, and Bob's yes puts it off for as long again."""
    life = held(REVIEWED, None, "checkout")
    life.passes(EVERY - SECOND)
    assert life.topics(MessageKind.INQUIRY) == []
    life.passes(SECOND)
    assert (life.topics(MessageKind.INQUIRY), life.topics(MessageKind.QUESTION)) == ([Topic.STILL_USED], [])
    assert (life.grant.holder_asked_at, life.grant.asked_at) == (NOW + EVERY, None)
    life.passes(2 * DAY - SECOND)
    assert life.topics(MessageKind.QUESTION) == []
    life.passes(SECOND)
    assert life.topics(MessageKind.QUESTION) == [Topic.RENEWAL]
    assert life.topics(MessageKind.NOTICE) == [Topic.REVIEWING]
    assert timing.end_of(life.record) == timing.End(NOW + ASKED + 14 * DAY, UNREVIEWED)
    life.passes(DAY)
    life.renews()
    assert (life.grant.review_at, life.grant.asked_at) == (life.now + EVERY, None)
    assert [line.details for line in life.events(AuditEvent.RENEWED)] == [{"reviewer": "UBOB", "counted_by": "S0LEADS"}]
    assert (life.grant.kept_by, life.grant.kept_at) == (BOB.identity, life.now)
    assert life.topics(MessageKind.NOTICE) == [Topic.REVIEWING, Topic.KEPT]
    assert (life.grant.holder_asked_at, life.grant.in_use_at) == (None, None)
    life.passes(EVERY + 2 * DAY - SECOND)
    assert life.topics(MessageKind.QUESTION) == [Topic.RENEWAL]
    life.passes(SECOND)
    assert life.topics(MessageKind.QUESTION) == [Topic.RENEWAL, Topic.RENEWAL]
    assert not life.ended()
    assert life.reminded() == ["still used", "renewal"] * 2


def test_once_the_holder_says_yes_the_approvers_are_asked() -> None:
    """Nobody waits any longer, nobody tells Alice what she has just heard, and the fourteen days begin then."""
    life = held(REVIEWED, None, "checkout")
    life.passes(EVERY + HOUR)
    life.uses()
    assert (life.grant.in_use_at, life.grant.asked_at) == (life.now, life.now)
    assert life.topics(MessageKind.QUESTION) == [Topic.RENEWAL]
    assert life.topics(MessageKind.NOTICE) == []
    assert [line.actor for line in life.events(AuditEvent.IN_USE)] == [ALICE.identity]
    assert timing.end_of(life.record) == timing.End(life.now + 14 * DAY, UNREVIEWED)
    life.passes(2 * DAY)
    assert life.topics(MessageKind.QUESTION) == [Topic.RENEWAL]
    life.renews()
    assert (life.grant.in_use_at, life.grant.review_at) == (None, life.now + EVERY)


def test_the_rule_in_force_says_when_the_next_review_is() -> None:
    """By now it asks every week: the holder is asked in a week, sooner than the end of the last review would have come."""
    life = held(REVIEWED, None, "checkout")
    life.passes(EVERY)
    life.uses()
    life.works()
    life.rule = replace(life.rule, review_every=7 * DAY)
    life.renews()
    assert life.grant.review_at == life.now + 7 * DAY
    life.passes(7 * DAY)
    assert life.grant.holder_asked_at == life.now


def test_a_late_yes_of_the_holder_shows_in_what_the_approvers_were_asked() -> None:
    """They were asked without her answer: the question says it then, and keeps its end."""
    life = held(REVIEWED, None, "checkout")
    life.passes(ASKED + DAY)
    end = timing.end_of(life.record)
    life.uses()
    assert life.shows(MessageKind.QUESTION) == life.shows(MessageKind.INQUIRY) == life.now
    assert life.topics(MessageKind.QUESTION) == [Topic.RENEWAL]
    assert timing.end_of(life.record) == end


def test_the_holders_yes_alone_keeps_nothing() -> None:
    """Without one of the approvers it ends all the same."""
    life = held(REVIEWED, None, "checkout")
    life.passes(EVERY)
    life.uses()
    life.passes(14 * DAY)
    assert (life.grant.state, life.grant.end_reason) == (GrantState.ENDED, UNREVIEWED)


@pytest.mark.parametrize("who", [BOB, MALLORY])
def test_only_the_holder_says_that_it_is_in_use(who: Person) -> None:
    """An approver has a question of their own."""
    life = held(REVIEWED, None)
    life.passes(EVERY)
    with pytest.raises(Refusal) as caught:
        life.uses(who)
    assert caught.value.code == "not_requester"


def test_the_holder_answers_what_is_asked_and_once() -> None:
    """Not before, not twice, not after a yes of the approvers, and not when it has ended."""
    life = held(REVIEWED, None)
    with pytest.raises(Refusal, match="was already reviewed"):
        life.uses()
    life.passes(EVERY)
    life.uses()
    with pytest.raises(Refusal, match="already said that you use"):
        life.uses()
    life.renews()
    with pytest.raises(Refusal, match="was already reviewed"):
        life.uses()
    life.passes(ASKED + 14 * DAY)
    with pytest.raises(Refusal, match="has already ended"):
        life.uses()


def test_of_a_holder_who_has_left_the_approvers_are_asked_at_once() -> None:
    """There is nobody else to ask."""
    life = held(REVIEWED, None, "checkout")
    life.sees(GONE)
    life.passes(EVERY)
    assert life.topics(MessageKind.INQUIRY) == []
    assert life.topics(MessageKind.QUESTION) == [Topic.LEFT, Topic.RENEWAL]


def test_what_the_holder_was_asked_is_not_posted_once_it_is_over() -> None:
    """Slack was away, and Bob revoked meanwhile."""
    life = held(REVIEWED, None)
    life.now += EVERY
    life.settle()
    life.keep(lifecycle.revoke(life.record, BOB.identity, "not needed", life.now, life.new_id))
    life.works()
    assert not life.of(MessageKind.INQUIRY).is_posted


def test_a_review_that_was_answered_is_not_told_of() -> None:
    """Bob keeps it before Alice's notice is posted: that a yes is wanted would be false by then."""
    life = held(REVIEWED, None, "checkout")
    life.passes(EVERY)
    life.now += 2 * DAY
    life.settle()
    notice = life.of(MessageKind.NOTICE)
    assert notice.topic is Topic.REVIEWING
    life.renews()
    life.works()
    assert life.record.message(notice.id) == notice
    assert life.calls.count((EffectKind.POST_MESSAGE, MessageKind.NOTICE)) == 1, "that it was kept"


def test_that_it_was_kept_is_not_told_once_it_is_asked_again() -> None:
    """Slack was away until the next review: a yes of before says nothing any more."""
    life = held(REVIEWED, None, "checkout")
    life.passes(ASKED)
    life.renews()
    notice = life.of(MessageKind.NOTICE)
    life.now += ASKED
    life.settle()
    life.works()
    assert life.record.message(notice.id) == notice


def test_without_a_yes_it_ends_and_the_holder_hears_on_the_way() -> None:
    """Alice is told when they are asked, a day before the end, and when it has ended."""
    life = held(REVIEWED, None, "checkout")
    life.passes(ASKED + 13 * DAY - SECOND)
    assert life.topics(MessageKind.NOTICE) == [Topic.REVIEWING]
    life.passes(SECOND)
    assert life.topics(MessageKind.NOTICE) == [Topic.REVIEWING, Topic.REVIEWING]
    life.passes(DAY - SECOND)
    assert not life.ended()
    life.passes(SECOND)
    assert (life.grant.state, life.grant.end_reason) == (GrantState.ENDED, UNREVIEWED)
    assert life.topics(MessageKind.NOTICE) == [Topic.REVIEWING, Topic.REVIEWING, Topic.ENDED]
    assert life.record.keys[0].state is KeyState.DEAD


def test_each_review_tells_of_its_own_end() -> None:
    """Bob keeps it on the last day; at the next review Alice hears again a day before the end."""
    life = held(REVIEWED, None, "checkout")
    life.passes(ASKED + 13 * DAY)
    life.renews()
    life.passes(ASKED + 13 * DAY)
    assert life.topics(MessageKind.NOTICE) == [*[Topic.REVIEWING] * 2, Topic.KEPT, *[Topic.REVIEWING] * 2]
    assert not life.ended()


def test_a_rule_that_lost_its_review_keeps_the_grants_own() -> None:
    """The file names no `review_every` any more: what was granted with one is asked about as often as before."""
    life = held(REVIEWED, None, "checkout")
    life.passes(ASKED)
    life.rule = replace(life.rule, review_every=None)
    life.renews()
    assert life.grant.review_at == life.now + EVERY


def test_a_bot_that_was_off_asks_before_it_ends_anything() -> None:
    """It was off for half a year: it asks Alice and the approvers at once, and the fourteen days begin then."""
    life = held(REVIEWED, None, "checkout")
    life.is_away(EVERY + 100 * DAY)
    assert life.topics(MessageKind.QUESTION) == [Topic.RENEWAL]
    assert (life.topics(MessageKind.INQUIRY), life.topics(MessageKind.NOTICE)) == ([Topic.STILL_USED], [])
    assert timing.end_of(life.record) == timing.End(life.now + 14 * DAY, UNREVIEWED)
    life.passes(14 * DAY - SECOND)
    assert not life.ended()
    life.renews()
    assert timing.end_of(life.record) == timing.End(life.now + ASKED + 14 * DAY, UNREVIEWED)


def test_a_yes_that_comes_too_late_finds_it_ended() -> None:
    """Past the fourteen days it has ended, whoever looks first."""
    life = held(REVIEWED, None)
    life.passes(ASKED)
    life.now += 14 * DAY
    with pytest.raises(Refusal, match="has already ended"):
        life.renews()
    assert life.ended()


def test_a_case_follows_the_keys_it_names() -> None:
    """Alice replaces her token while the approvers are asked: the question is shown again, with the key that lives."""
    life = held(REVIEWED, None)
    life.passes(ASKED)
    question = next(one for one in life.record.messages if one.kind is MessageKind.QUESTION)
    life.replaces(Loss.LOST)
    life.works(but=frozenset({EffectKind.SHOW_MESSAGE}))
    assert [key.state for key in life.record.keys] == [KeyState.DEAD, KeyState.LIVE]
    assert (EffectKind.SHOW_MESSAGE, question.id) in life.open


def test_a_case_that_is_over_is_not_posted() -> None:
    """Slack was away while the approvers were to be asked, and Bob revoked meanwhile."""
    life = held(REVIEWED, None)
    life.now += ASKED
    life.settle()
    life.keep(lifecycle.revoke(life.record, BOB.identity, "not needed", life.now, life.new_id))
    life.works()
    assert not life.of(MessageKind.QUESTION).is_posted


@pytest.mark.parametrize(
    ("who", "code"), [(ALICE, "own_request"), (MALLORY, "not_approver"), (person("frank"), "not_approver")]
)
def test_who_cannot_renew(who: Person, code: str) -> None:
    """Not the holder, although she is among the leads, and nobody whom the rule does not name."""
    life = held(REVIEWED, None)
    life.passes(ASKED)
    with pytest.raises(Refusal) as caught:
        life.renews(who)
    assert caught.value.code == code
    assert life.events(AuditEvent.RENEWED) == []


def test_nobody_renews_what_is_not_asked() -> None:
    """A second yes, or one on an old case, is told that nobody asks at the moment."""
    life = held(REVIEWED, None)
    with pytest.raises(Refusal, match="was already reviewed"):
        life.renews()
    life.passes(ASKED)
    life.renews()
    with pytest.raises(Refusal, match="was already reviewed"):
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
    life.passes(ASKED)
    life.sees(GONE)
    life.passes(14 * DAY)
    assert life.grant.end_reason == why
