"""A key and its token: made, confirmed, shown once, hidden, replaced, dead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bot.core import facts, lifecycle
from bot.core.lifecycle import Loss
from bot.core.model import (
    AuditEvent,
    Effect,
    EffectKind,
    EffectState,
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
