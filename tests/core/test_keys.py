"""A key and its token: made, confirmed, shown once, hidden, replaced, dead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest

from bot.core import facts, lifecycle
from bot.core.keys import RING_AGAIN_AFTER, VERIFY_AFTER
from bot.core.lifecycle import Loss
from bot.core.model import (
    AuditEvent,
    Effect,
    EffectKind,
    EffectState,
    GrantState,
    KeyId,
    KeyState,
    MessageKind,
    Person,
    Record,
    Refusal,
    RequestId,
    Topic,
)
from tests.core.life import (
    ALICE,
    BOB,
    CAROL,
    DAY,
    LATER,
    NOW,
    PAYMENTS,
    SECOND,
    Life,
    approved,
    ended,
    held,
    issuing,
    kinds,
    on_show,
    person,
    under_way,
)

# --- made and shown ----------------------------------------------------------------------------------------------------


def test_a_key_that_comes_too_late_is_revoked() -> None:
    """A key issued while its grant ended is promised to die, and nothing of it is confirmed or shown."""
    record = approved()
    ended = lifecycle.revoke(record, BOB.identity, "mistake", NOW, LATER).record
    late = lifecycle.observe(ended, issued(record), NOW, LATER)
    assert kinds(late) == {EffectKind.REVOKE_KEY}


def issued(record: Record) -> facts.KeyIssued:
    return facts.KeyIssued(record.keys[0].id, "hash", b"sealed", NOW + lifecycle.PROBATION)


def test_issue_confirm_deliver_are_each_promised_by_the_one_before() -> None:
    """Nothing is shown of a key that was not confirmed, and the token needs its message."""
    life = issuing()
    key, message = life.record.keys[0], life.of(MessageKind.TOKEN)
    life.act((EffectKind.POST_MESSAGE, message.id))
    for kind, following in (
        (EffectKind.ISSUE_KEY, EffectKind.CONFIRM_KEY),
        (EffectKind.CONFIRM_KEY, EffectKind.DELIVER_TOKEN),
        (EffectKind.DELIVER_TOKEN, EffectKind.HIDE_TOKEN),
    ):
        assert (following, key.id) not in life.open
        life.act((kind, key.id))
        assert (following, key.id) in life.open
        assert (kind, key.id) not in life.open
    assert life.open[EffectKind.HIDE_TOKEN, key.id] == life.now + DAY


def test_a_token_waits_for_its_message() -> None:
    """The key is confirmed before the announcement is posted: the post brings the token."""
    life = issuing()
    key = life.record.keys[0]
    life.works(but=frozenset({EffectKind.POST_MESSAGE}))
    assert (EffectKind.DELIVER_TOKEN, key.id) not in life.open
    life.act((EffectKind.POST_MESSAGE, life.of(MessageKind.TOKEN).id))
    assert life.open[EffectKind.DELIVER_TOKEN, key.id] == life.now


def test_a_key_is_read_back_when_its_holder_has_the_token() -> None:
    """The look at Tyk waits a second, off the way of what people wait for."""
    life = issuing()
    key = life.record.keys[0]
    life.works()
    assert life.record.keys[0].shown_at == life.now
    assert life.open[EffectKind.VERIFY_KEY, key.id] == life.now + VERIFY_AFTER
    life.passes(VERIFY_AFTER)
    assert life.record.keys[0].verified_at == life.now


def test_a_key_that_tyk_lost_is_made_anew() -> None:
    """Nobody has seen it yet: its row begins again, and nothing of the lost one is kept."""
    life = issuing()
    life.act((EffectKind.ISSUE_KEY, life.record.keys[0].id))
    key = life.record.keys[0]
    life.sees(facts.KeyMissing(key.id))
    assert (life.record.keys[0].state, life.record.keys[0].sealed) == (KeyState.MAKING, None)
    assert life.open[EffectKind.ISSUE_KEY, key.id] == life.now


def test_a_lost_key_of_an_ended_grant_is_not_made_anew() -> None:
    """The grant ended while Tyk was asked: the key goes on to its death."""
    life = issuing()
    life.act((EffectKind.ISSUE_KEY, life.record.keys[0].id))
    life.keep(lifecycle.revoke(life.record, BOB.identity, "mistake", life.now, life.new_id))
    key = life.record.keys[0]
    life.sees(facts.KeyMissing(key.id))
    assert life.record.keys[0] == key
    assert (EffectKind.ISSUE_KEY, key.id) not in life.open
    assert (EffectKind.REVOKE_KEY, key.id) in life.open


def test_a_key_confirmed_too_late_is_revoked() -> None:
    """The grant ended while Tyk confirmed: nothing is shown or read back, and the key is to die."""
    record = approved()
    issued_key = lifecycle.observe(record, issued(record), NOW, LATER).record
    over = lifecycle.revoke(issued_key, BOB.identity, "mistake", NOW, LATER).record
    late = lifecycle.observe(over, facts.KeyConfirmed(record.keys[0].id, None), NOW, LATER)
    assert kinds(late) == {EffectKind.REVOKE_KEY}


def test_an_answer_about_a_key_that_the_record_does_not_have_changes_nothing() -> None:
    """Whatever comes back, it is about no key of this grant, which neither begins nor ends with it."""
    life, other = issuing(), KeyId("other")
    before = life.record
    for fact in (
        facts.KeyIssued(other, "hash", b"sealed", NOW),
        facts.KeyConfirmed(other, None),
        facts.KeyMissing(other),
        facts.KeyVerified(other),
        facts.KeyWrong(other, "wrong expiry"),
        facts.TokenShown(other),
        facts.TokenHidden(other, keep_sealed=True),
        facts.KeyDead(other),
    ):
        life.sees(fact)
    assert life.record == before


def test_a_revoked_request_announces_no_token() -> None:
    """Bob revokes before the announcement is posted: there is nothing to announce."""
    life = issuing()
    life.keep(lifecycle.revoke(life.record, BOB.identity, "mistake", life.now, life.new_id))
    life.works()
    assert not life.of(MessageKind.TOKEN).is_posted


# --- on show, saved, hidden -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("late", "topics"), [(RING_AGAIN_AFTER, []), (RING_AGAIN_AFTER + SECOND, [Topic.ARRIVED])])
def test_a_token_that_comes_late_rings_again(late: timedelta, topics: list[Topic]) -> None:
    """The edit that brings it is silent; within ten seconds of the announcement the phone is still in the hand."""
    life = issuing()
    life.act((EffectKind.POST_MESSAGE, life.of(MessageKind.TOKEN).id))
    life.now += late
    life.works()
    assert life.record.keys[0].shown_at is not None
    assert life.topics(MessageKind.NOTICE) == topics


def test_the_click_proves_that_the_token_was_shown() -> None:
    """Slack's answer to the edit was lost, and Alice saves what she sees: it was sent, and did not go unseen."""
    life = _delivering()
    life.saves(life.record.keys[0])
    assert life.record.keys[0].shown_at == life.now
    life.works(but=frozenset({EffectKind.DELIVER_TOKEN}))
    assert len(life.events(AuditEvent.SENT)) == len(life.events(AuditEvent.HIDDEN)) == 1
    assert life.topics(MessageKind.NOTICE) == []


def test_a_token_shown_after_the_end_is_hidden_at_once() -> None:
    """The edit was on its way when the grant ended, so the message goes now and not a day later."""
    life = _delivering()
    life.keep(lifecycle.revoke(life.record, BOB.identity, "mistake", life.now, life.new_id))
    key = life.record.keys[0]
    shown = lifecycle.observe(life.record, facts.TokenShown(key.id), life.now, life.new_id)
    assert (EffectKind.HIDE_TOKEN, key.id, life.now) in [
        (one.kind, one.subject_id, one.due_at) for one in shown.promises
    ]


def test_a_token_is_sent_once() -> None:
    """A second answer about the same edit writes nothing more."""
    life = on_show()
    life.sees(facts.TokenShown(life.record.keys[0].id))
    assert len(life.events(AuditEvent.SENT)) == 1


@pytest.mark.parametrize("keep_sealed", [True, False])
def test_a_hidden_token_is_forgotten_unless_it_names_the_key(keep_sealed: bool) -> None:
    """Tyk may know the key by its token alone; a dead key needs no name."""
    life = on_show()
    key = life.record.keys[0]
    life.sees(facts.TokenHidden(key.id, keep_sealed=keep_sealed))
    assert (life.record.keys[0].sealed is not None) is keep_sealed
    for _ in range(2):
        life.sees(facts.KeyDead(key.id))
    assert life.record.keys[0].sealed is None
    assert [line.details for line in life.events(AuditEvent.KEY_DELETED)] == [{"key_hash": key.key_hash}]


def test_only_what_is_on_show_can_be_saved() -> None:
    """Nothing before the key is confirmed, nothing of somebody else's, nothing that is no key."""
    life = issuing()
    key = life.record.keys[0]
    for who, key_id, code in (
        (ALICE, key.id, "no_token"),
        (ALICE, "other", "no_token"),
        (BOB, key.id, "not_requester"),
    ):
        with pytest.raises(Refusal) as caught:
            lifecycle.hide(life.record, who.identity, key_id, life.now, life.new_id)
        assert caught.value.code == code


def _delivering() -> Life:
    """The edit that brings the token was sent, and its answer is not there yet."""
    life = issuing()
    life.works(but=frozenset({EffectKind.DELIVER_TOKEN}))
    life.tries((EffectKind.DELIVER_TOKEN, life.record.keys[0].id))
    return life


# --- a token lost, a token leaked --------------------------------------------------------------------------------------


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


def test_a_late_answer_about_the_old_token_spares_the_new_one() -> None:
    """It went unseen as far as anybody knew, and was shown after all: the one that is on its way goes on."""
    life = issuing()
    first = life.record.keys[0]
    life.works(but=frozenset({EffectKind.DELIVER_TOKEN}))
    life.tries((EffectKind.DELIVER_TOKEN, first.id))
    life.now += DAY
    life.works(but=frozenset({EffectKind.DELIVER_TOKEN}))
    life.replaces(Loss.LOST)
    life.sees(facts.TokenShown(first.id))
    life.works()
    assert [key.state for key in life.record.keys] == [KeyState.DEAD, KeyState.LIVE]
    assert life.record.keys[1].shown_at is not None


def test_a_dead_key_is_not_missed() -> None:
    """Its token was never shown and opens nothing: that its message went tells nobody to replace it."""
    life = issuing()
    life.works(but=frozenset({EffectKind.DELIVER_TOKEN}))
    key = life.record.keys[0]
    life.sees(facts.KeyDead(key.id))
    life.sees(facts.TokenHidden(key.id, keep_sealed=False))
    assert life.topics(MessageKind.NOTICE) == []


def test_who_may_not_ask_any_more_reads_that_it_is_about_them() -> None:
    """The same sentence stands in the audit about the requester; here it is Alice who reads it."""
    life = held()
    with pytest.raises(Refusal) as caught:
        life.replaces(Loss.LOST, person("alice"))
    assert caught.value.text.startswith("You can no longer request Payments. So you can't get a new token.")


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
    assert life.topics(MessageKind.NOTICE) == [Topic.ENDED]


def test_a_wrong_key_that_is_being_replaced_goes_alone() -> None:
    """The old key turns out to be not what was granted while the new one is made: it dies at once, and the grant goes on."""
    life = held()
    life.replaces(Loss.LOST)
    life.sees(facts.KeyWrong(life.record.keys[0].id, "wrong expiry"))
    life.works(but=frozenset({EffectKind.DELIVER_TOKEN}))
    assert [key.state for key in life.record.keys] == [KeyState.DEAD, KeyState.LIVE]
    assert not life.ended()
    assert life.topics(MessageKind.NOTICE) == []


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


# --- which acts still matter ------------------------------------------------------------------------------------------

LIVING = {
    KeyState.MAKING: {EffectKind.ISSUE_KEY, EffectKind.HIDE_TOKEN, EffectKind.REVOKE_KEY},
    KeyState.PROBATION: {EffectKind.CONFIRM_KEY, EffectKind.HIDE_TOKEN, EffectKind.REVOKE_KEY},
    KeyState.LIVE: {EffectKind.VERIFY_KEY, EffectKind.DELIVER_TOKEN, EffectKind.HIDE_TOKEN, EffectKind.REVOKE_KEY},
    KeyState.DEAD: {EffectKind.HIDE_TOKEN},
}
ABOUT_KEYS = frozenset[EffectKind]().union(*LIVING.values())


@pytest.mark.parametrize("state", list(KeyState))
@pytest.mark.parametrize("grant_state", list(GrantState))
@pytest.mark.parametrize("hidden_at", [None, NOW])
def test_which_acts_on_a_key_matter(state: KeyState, grant_state: GrantState, hidden_at: datetime | None) -> None:
    """After the end only hiding and revoking do, and nothing that is hidden is shown or hidden again."""
    record = approved()
    assert record.grant is not None
    key = replace(record.keys[0], state=state, hidden_at=hidden_at, expires_at=record.grant.until)
    record = replace(record, grant=replace(record.grant, state=grant_state), keys=(key,))
    expected = set(LIVING[state])
    if grant_state is GrantState.ENDED:
        expected &= {EffectKind.HIDE_TOKEN, EffectKind.REVOKE_KEY}
    if hidden_at is not None:
        expected -= {EffectKind.HIDE_TOKEN, EffectKind.DELIVER_TOKEN}
    effects = [Effect(1, kind, key.id, RequestId("r"), NOW, EffectState.OPEN, 1, 0) for kind in sorted(ABOUT_KEYS)]
    assert {effect.kind for effect in effects if lifecycle.matters(record, effect)} == expected


# --- beside what Tyk has ----------------------------------------------------------------------------------------------


def test_a_key_that_is_gone_is_told_once() -> None:
    """However often it is looked at: one notice, one line, and the status says so."""
    life = held()
    life.works()
    edits = life.edits(MessageKind.STATUS)
    key = life.record.keys[0]
    for _ in range(3):
        life.sees(facts.KeyGone(key.id))
        life.works()
    assert life.topics(MessageKind.NOTICE) == [Topic.GONE]
    assert [line.details for line in life.events(AuditEvent.KEY_GONE)] == [{"key_hash": key.key_hash}]
    assert life.record.gone_at == life.now
    assert life.edits(MessageKind.STATUS) == edits + 1


def test_a_key_that_is_back_is_told_once() -> None:
    """Whoever heard that it was gone hears that it works again."""
    life = held()
    key = life.record.keys[0]
    life.sees(facts.KeyGone(key.id))
    life.works()
    life.sees(facts.KeyAsGranted(key.id))
    life.works()
    assert life.topics(MessageKind.NOTICE) == [Topic.GONE, Topic.BACK]
    assert life.record.gone_at is None
    assert len(life.events(AuditEvent.KEY_AS_GRANTED)) == 1


def test_a_notice_that_became_false_is_not_posted() -> None:
    """Slack was away when the key was found gone; by the time it is back, so is the key."""
    life = held()
    key = life.record.keys[0]
    life.sees(facts.KeyGone(key.id))
    life.sees(facts.KeyAsGranted(key.id))
    message = next(one for one in life.record.messages if one.topic is Topic.GONE)
    life.works()
    assert not life.record.message(message.id).is_posted  # type: ignore[union-attr]  # it is there


def test_a_gone_key_can_be_replaced() -> None:
    """The grant stands: the new token has its end, and the status no longer speaks of the old one."""
    life = held()
    life.sees(facts.KeyGone(life.record.keys[0].id))
    life.replaces(Loss.LOST)
    assert life.record.gone_at is None
    life.works()
    assert [key.state for key in life.record.keys] == [KeyState.DEAD, KeyState.LIVE]
    assert life.grant.state is GrantState.ACTIVE


@pytest.mark.parametrize("fact", [facts.KeyGone, facts.KeyAsGranted, partial(facts.KeyChanged, why="another rate")])
@pytest.mark.parametrize("life_of", [ended, issuing])
def test_what_ought_not_to_be_there_is_nothing_to_tell_of(
    life_of: Callable[[], Life], fact: Callable[[KeyId], facts.Fact]
) -> None:
    """The grant ended, or the key was being made, while Tyk was asked."""
    life = life_of()
    record, audit = life.record, list(life.audit)
    life.sees(fact(life.record.keys[0].id))
    assert (life.record, life.audit) == (record, audit)


def test_a_key_whose_token_nobody_has_seen_is_not_told_of() -> None:
    """And one that is being replaced may be deleted by the bot itself at any moment."""
    life = Life()
    for approver in (BOB, CAROL):
        life.says(approver)
    life.works(but=frozenset({EffectKind.DELIVER_TOKEN}))
    life.sees(facts.KeyGone(life.record.keys[0].id))
    assert life.topics(MessageKind.NOTICE) == []
    life = under_way()
    life.sees(facts.KeyGone(life.record.keys[0].id))
    assert Topic.GONE not in life.topics(MessageKind.NOTICE)


def test_a_changed_key_is_for_the_audit() -> None:
    """Its holder, whose token works, hears nothing."""
    life = held()
    key = life.record.keys[0]
    life.sees(facts.KeyChanged(key.id, "Tyk holds another rate"))
    assert life.topics(MessageKind.NOTICE) == []
    assert [line.details for line in life.events(AuditEvent.KEY_CHANGED)] == [
        {"key_hash": key.key_hash, "why": "Tyk holds another rate"}
    ]
