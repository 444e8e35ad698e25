"""What is posted, what is edited, and what is left alone because it would say nothing new."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.core import facts, lifecycle, messages
from bot.core.lifecycle import Loss
from bot.core.messages import STATUS_SETTLES_IN
from bot.core.model import AuditEvent, EffectKind, Message, MessageId, MessageKind, Record, Topic, Verdict
from tests.core.life import (
    ALICE,
    ASKED,
    BOB,
    CAROL,
    DAY,
    EVERY,
    NOW,
    PAYMENTS,
    REVIEWED,
    SECOND,
    Life,
    ended,
    held,
    issuing,
    on_show,
)

AT_ONCE = replace(PAYMENTS, approvals=0)
POST, SHOW = EffectKind.POST_MESSAGE, EffectKind.SHOW_MESSAGE
CARD, STATUS, TOKEN, QUESTION = MessageKind.CARD, MessageKind.STATUS, MessageKind.TOKEN, MessageKind.QUESTION


# --- posts ------------------------------------------------------------------------------------------------------------


def _lives_of_one_request() -> dict[str, Record]:
    """A request, what it becomes, and a grant without an end in its review."""
    unasked, waits, undecidable, denied, revoked, gone = Life(), Life(), Life(), Life(), issuing(), held()
    for life in (waits, undecidable, denied):
        life.works()
    for life in (undecidable, denied):
        life.sees(facts.MessageShown(life.of(CARD).id, 1, "Too few are left."))
    denied.says(BOB, Verdict.NO)
    revoked.keep(lifecycle.revoke(revoked.record, BOB.identity, "a mistake", revoked.now, revoked.new_id))
    gone.sees(facts.KeyGone(gone.record.keys[0].id))
    found = {"unasked": unasked, "waits": waits, "undecidable": undecidable, "denied": denied}
    found |= {"issuing": issuing(), "revoked": revoked, "held": held(), "gone": gone}
    for name, length in (("holder asked", EVERY), ("approvers asked", ASKED), ("unreviewed", ASKED + 14 * DAY)):
        found[name] = held(REVIEWED, None, "checkout")
        found[name].passes(length)
    found["in use"] = held(REVIEWED, None, "checkout")
    found["in use"].passes(EVERY)
    found["in use"].uses()
    found["kept"] = held(REVIEWED, None, "checkout")
    found["kept"].passes(ASKED)
    found["kept"].renews()
    return {name: life.record for name, life in (found | {"ended": ended()}).items()}


WAITING = {"unasked", "waits", "undecidable"}
IN_REVIEW = {"approvers asked", "in use"}
UNREVIEWED = {"issuing", "held", "gone", "holder asked", "kept"}
LIVES = IN_REVIEW | UNREVIEWED
ALWAYS = WAITING | LIVES | {"denied", "revoked", "ended", "unreviewed"}


@pytest.mark.parametrize(
    ("kind", "topic", "expected"),
    [
        (CARD, None, WAITING),
        (MessageKind.REMINDER, Topic.STILL_WAITING, WAITING),
        (MessageKind.REMINDER, Topic.LAST_CHANCE, WAITING),
        (MessageKind.NOTICE, Topic.UNASKED, {"unasked"}),
        (MessageKind.NOTICE, Topic.UNDECIDABLE, {"undecidable"}),
        (MessageKind.NOTICE, Topic.DELAYED, {"issuing"}),
        (MessageKind.NOTICE, Topic.GONE, {"gone"}),
        (MessageKind.INQUIRY, Topic.STILL_USED, {"holder asked", "approvers asked"}),
        (MessageKind.NOTICE, Topic.REVIEWING, IN_REVIEW),
        (MessageKind.NOTICE, Topic.KEPT, UNREVIEWED),
        (MessageKind.NOTICE, Topic.ENDING, LIVES),
        (QUESTION, Topic.RENEWAL, LIVES),
        (TOKEN, None, LIVES),
        (STATUS, None, ALWAYS),
        (MessageKind.NOTICE, Topic.DENIED, ALWAYS),
    ],
)
def test_what_would_be_false_is_not_posted(kind: MessageKind, topic: Topic | None, expected: set[str]) -> None:
    """A post that comes late says nothing that was true once: its moment is over, and it is dropped."""
    message = Message(MessageId("new"), kind, "C1", topic)
    assert {name for name, one in _lives_of_one_request().items() if messages.post_matters(one, message)} == expected


def test_a_post_that_says_all_is_not_edited() -> None:
    """Card and status are posted with their buttons, so that nothing follows."""
    life = Life()
    life.works()
    assert life.calls == [(POST, STATUS), (POST, CARD)]
    assert (life.shows(CARD), life.shows(STATUS)) == (None, None)


def test_a_post_that_says_all_promises_nothing() -> None:
    """Not even an edit that would be dropped when it is claimed."""
    life = Life()
    fact = facts.MessagePosted(life.of(CARD).id, "C1", "1.1", life.record.request.version)
    assert lifecycle.observe(life.record, fact, life.now, life.new_id).promises == ()


def test_what_moved_during_the_post_is_shown() -> None:
    """Bob says yes while the card is being posted: it shows his yes at once."""
    life = Life()
    version = life.record.request.version
    life.says(BOB)
    life.sees(facts.MessagePosted(life.of(CARD).id, "C1", "1.1", version))
    assert life.shows(CARD) == life.now
    life.works()
    assert life.of(CARD).shown_version == life.record.request.version


def test_a_card_that_is_posted_after_a_yes_shows_it() -> None:
    """The answer to the first post was lost, and Bob said yes on what stands there: the second has no count until its edit."""
    life = Life()
    life.keep(lifecycle.adopt(life.record, "C0APPROVE", "9.9", None, life.now, life.new_id))
    life.says(BOB)
    (card,) = [one for one in life.record.messages if one.kind is CARD]
    life.sees(facts.MessagePosted(card.id, "C0APPROVE", "9.10", life.record.request.version))
    life.works()
    cards = [one for one in life.record.messages if one.kind is CARD]
    assert [one.ts for one in cards] == ["9.9", "9.10"]
    assert {one.shown_version for one in cards} == {life.record.request.version}


def test_a_status_whose_post_is_stored_after_the_approval_waits_for_the_token() -> None:
    """Shown at once it would say that the token is being made, and be stale as soon as it is there."""
    life = Life()
    (status,) = [one for one in life.record.messages if one.kind is STATUS]
    life.says(BOB)
    life.says(CAROL)
    life.sees(facts.MessagePosted(status.id, "D0ALICE", "1.1", 1))
    assert life.open[SHOW, status.id] == life.now + STATUS_SETTLES_IN


def test_a_status_that_is_posted_while_something_is_under_way_shows_it() -> None:
    """A review, a new token, a fault that a person has to mend: a post says none of them."""
    asked_about, replaced = held(REVIEWED, None), on_show(AT_ONCE)
    asked_about.passes(EVERY)
    replaced.replaces(Loss.LOST)
    stuck = on_show(AT_ONCE)
    stuck.sees(facts.Stuck(EffectKind.VERIFY_KEY, 7, "bug"))
    for life in (asked_about, replaced, stuck):
        messages_before = tuple(one for one in life.record.messages if one.kind is not STATUS)
        life.record = replace(life.record, messages=(*messages_before, Message(MessageId("late"), STATUS, "UALICE")))
        life.sees(facts.MessagePosted(MessageId("late"), "D0ALICE", "9.9", life.record.request.version))
        assert life.open[SHOW, "late"] == life.now


def test_a_post_of_an_unknown_version_is_shown() -> None:
    """Who does not say what was posted has it shown."""
    life = Life()
    life.sees(facts.MessagePosted(life.of(CARD).id, "C1", "1.1"))
    assert life.shows(CARD) == life.now


def test_a_question_gets_its_buttons_by_an_edit() -> None:
    """Its post has none, whatever version it shows."""
    life = held(REVIEWED, None)
    life.passes(ASKED)
    assert life.edits(QUESTION) == 1
    assert life.of(QUESTION).shown_version == life.record.request.version


def test_a_message_is_posted_once() -> None:
    """The same answer again changes nothing; one of another message is of a copy, which follows the record as well."""
    life = Life()
    life.works()
    card = life.of(CARD)
    life.sees(facts.MessagePosted(card.id, card.channel or "", card.ts or ""))
    assert [one for one in life.record.messages if one.kind is CARD] == [card]
    life.sees(facts.MessagePosted(card.id, "C2", "2.2"))
    _, copy = [one for one in life.record.messages if one.kind is CARD]
    assert (copy.channel, copy.ts, life.open[SHOW, copy.id]) == ("C2", "2.2", life.now)


def test_what_stands_in_slack_is_not_posted_again() -> None:
    """A promise that was opened anew after its post finds the message there, and matters no more."""
    life = Life()
    status = life.of(STATUS)
    assert messages.post_matters(life.record, status)
    life.works()
    assert not messages.post_matters(life.record, life.of(STATUS))
    assert not messages.post_matters(life.record, None)


# --- the status -------------------------------------------------------------------------------------------------------


def test_a_token_without_approval_rings_once() -> None:
    """No status is posted at submission, as it would ring beside the announcement with nothing to say."""
    life = on_show(AT_ONCE)
    assert life.calls == [(POST, TOKEN)]


def test_the_status_comes_when_the_token_goes() -> None:
    """Alice has saved her token: now there is a message with the buttons about it, and never a second one."""
    life = held(AT_ONCE)
    assert life.calls == [(POST, TOKEN), (POST, STATUS)]
    assert life.of(STATUS).target == "UALICE"
    life.replaces(Loss.LOST)
    life.works()
    life.saves(life.record.keys[1])
    life.works()
    assert [message.kind for message in life.record.messages].count(STATUS) == 1


def test_a_token_that_went_with_its_grant_leaves_a_status() -> None:
    """The grant ended while the token was on show: what is left in the conversation says so, once."""
    life = on_show(AT_ONCE, lifetime=timedelta(hours=1))
    life.passes(timedelta(hours=1))
    assert life.record.keys[0].hidden_at is not None
    assert [message.kind for message in life.record.messages].count(STATUS) == 1


def test_an_approval_edits_each_message_once() -> None:
    """From Carol's yes to the saved token the card is edited once and the status once."""
    life = Life()
    life.works()
    life.says(BOB)
    life.works()
    before = life.edits(CARD), life.edits(STATUS)
    life.says(CAROL)
    life.passes(STATUS_SETTLES_IN + SECOND)
    life.saves(life.record.keys[0])
    life.passes(STATUS_SETTLES_IN + SECOND)
    assert (life.edits(CARD), life.edits(STATUS)) == (before[0] + 1, before[1] + 1)


def test_the_status_waits_for_the_token() -> None:
    """After an approval the card is shown at once and the status in a moment, or as soon as the token is there."""
    life = Life(replace(PAYMENTS, approvals=1))
    life.works()
    life.says(BOB)
    assert (life.shows(CARD), life.shows(STATUS)) == (life.now, life.now + STATUS_SETTLES_IN)
    approved_at, key = life.now, life.record.keys[0]
    life.now += SECOND
    for kind in (EffectKind.ISSUE_KEY, EffectKind.CONFIRM_KEY, POST):
        life.act((kind, life.of(TOKEN).id if kind is POST else key.id))
    assert life.shows(STATUS) == approved_at + STATUS_SETTLES_IN, "confirmed: not brought forward"
    life.act((EffectKind.DELIVER_TOKEN, key.id))
    assert life.shows(STATUS) == life.now


def test_the_card_says_the_same_until_the_grant_ends() -> None:
    """It was shown when Bob approved; that the token is made and delivered after that changes no word of it."""
    life = Life(replace(PAYMENTS, approvals=1))
    life.works()
    life.says(BOB)
    life.act((SHOW, life.of(CARD).id))
    life.works()
    life.passes(DAY)
    assert life.edits(CARD) == 1


def test_a_late_token_does_not_keep_the_status_waiting() -> None:
    """Tyk is slow: after three seconds the status says that the request was approved."""
    life = Life()
    life.works()
    life.says(BOB)
    life.says(CAROL)
    life.now += STATUS_SETTLES_IN
    life.works(but=frozenset({EffectKind.ISSUE_KEY}))
    assert life.of(STATUS).shown_version == life.record.request.version


# --- what is shown again ----------------------------------------------------------------------------------------------


def test_a_saved_token_changes_no_message() -> None:
    """Neither card nor status depends on whether the token is still on show."""
    life = on_show()
    life.passes(SECOND)
    version, calls = life.record.request.version, list(life.calls)
    life.saves(life.record.keys[0])
    life.works()
    assert (life.record.request.version, life.calls) == (version, calls)


def test_a_reminder_of_the_end_changes_no_message() -> None:
    """Alice hears that the end is near; card and status said when it is all along."""
    life = held()
    life.passes(DAY)
    version = life.record.request.version
    life.passes(5 * DAY)
    assert life.topics(MessageKind.NOTICE) == [Topic.ENDING]
    assert life.record.request.version == version


def test_a_replacement_shows_in_the_status_alone() -> None:
    """While the new token is on its way, and when it is there; the card says nothing of it."""
    life = held()
    life.passes(DAY)
    card, status = life.edits(CARD), life.edits(STATUS)
    life.replaces(Loss.LOST)
    life.works(but=frozenset({EffectKind.ISSUE_KEY}))
    life.works()
    assert (life.edits(CARD), life.edits(STATUS)) == (card, status + 2)


def test_the_card_says_that_it_is_asked_about_and_when_it_ends_without_a_yes() -> None:
    """It is edited when the review begins, and again when its end moves because the holder has left."""
    life = held(REVIEWED, None)
    life.passes(EVERY - SECOND)
    before = life.edits(CARD)
    life.passes(SECOND)
    assert life.edits(CARD) == before + 1
    life.sees(facts.Left("Their Slack account is deactivated."))
    life.works()
    assert life.edits(CARD) == before + 2


def test_the_end_shows_in_both() -> None:
    """Card and status say how it ended."""
    life = held()
    life.passes(7 * DAY - SECOND)
    card, status = life.edits(CARD), life.edits(STATUS)
    life.passes(SECOND)
    assert (life.edits(CARD), life.edits(STATUS)) == (card + 1, status + 1)


def test_an_edit_that_was_overtaken_is_promised_again() -> None:
    """Bob says yes while the card is being edited."""
    life = Life()
    life.works()
    version = life.record.request.version
    life.says(BOB)
    life.works()
    life.sees(facts.MessageShown(life.of(CARD).id, version))
    assert life.shows(CARD) == life.now
    assert life.of(CARD).shown_version == life.record.request.version, "a late answer takes nothing back"


@pytest.mark.parametrize("kind", [CARD, STATUS])
def test_a_deleted_message_is_not_edited_again(kind: MessageKind) -> None:
    """Somebody deleted it: the edit that is promised for it no longer matters."""
    life = Life()
    life.works()
    life.says(BOB)
    life.sees(facts.MessageGone(life.of(kind).id))
    before = life.edits(kind)
    life.works()
    assert life.edits(kind) == before


@pytest.mark.parametrize(
    "fact",
    [
        facts.Delayed(EffectKind.ISSUE_KEY, "down"),
        facts.Stuck(EffectKind.ISSUE_KEY, 7, "no_policy"),
        facts.Recovered(EffectKind.ISSUE_KEY),
    ],
)
def test_what_is_late_or_stuck_shows_at_once(fact: facts.Fact) -> None:
    """The record alone does not tell, so card and status are shown again."""
    life = Life()
    life.works()
    life.says(BOB)
    life.says(CAROL)
    life.works(but=frozenset({EffectKind.ISSUE_KEY}))
    life.sees(fact)
    assert (life.shows(CARD), life.shows(STATUS)) == (life.now, life.now)
    life.works(but=frozenset({EffectKind.ISSUE_KEY}))
    assert life.of(STATUS).shown_version == life.record.request.version


@pytest.mark.parametrize("fact", [facts.Delayed(SHOW, "ratelimited"), facts.Stuck(SHOW, 7, "cant_update_message")])
def test_an_edit_that_fails_is_not_promised_for_having_failed(fact: facts.Fact) -> None:
    """Parked, it would be opened by its own failure, and fail again without end."""
    life = Life()
    life.works()
    life.sees(fact)
    assert (life.shows(CARD), life.shows(STATUS)) == (None, None)


# --- copies -----------------------------------------------------------------------------------------------------------


NAMED = pytest.mark.parametrize("named", [True, False], ids=["named", "of an older version"])


@NAMED
@pytest.mark.parametrize(("channel", "kind"), [("D0ALICE", STATUS), ("C0APPROVE", CARD), ("G0OLD", CARD)])
def test_a_copy_that_was_clicked_follows_the_record(channel: str, kind: MessageKind, named: bool) -> None:
    """A post whose answer was lost was made twice; one without a name is a status in a direct message, else a card."""
    life = Life()
    life.works()
    for _ in range(2):
        life.keep(
            lifecycle.adopt(life.record, channel, "9.9", life.of(kind).id if named else None, life.now, life.new_id)
        )
    copies = [message for message in life.record.messages if message.ts == "9.9"]
    assert [copy.kind for copy in copies] == [kind], "adopted twice, it is one message"
    life.works()
    life.says(BOB, Verdict.NO)
    life.works()
    assert life.record.message(copies[0].id) == replace(copies[0], shown_version=life.record.request.version)


@NAMED
@pytest.mark.parametrize(("channel", "kind"), [("D0ALICE", STATUS), ("C0APPROVE", CARD)])
def test_a_click_can_be_faster_than_the_answer_to_the_post(channel: str, kind: MessageKind, named: bool) -> None:
    """Bob presses the button before Slack's answer is stored: the message is the one that was posted, and no copy of it."""
    life = Life()
    life.keep(lifecycle.adopt(life.record, channel, "1.1", life.of(kind).id if named else None, life.now, life.new_id))
    assert life.shows(kind) == life.now
    life.sees(facts.MessagePosted(life.of(kind).id, channel, "1.1", life.record.request.version))
    of_kind = [message for message in life.record.messages if message.kind is kind]
    assert [(message.channel, message.ts) for message in of_kind] == [(channel, "1.1")]


def test_a_click_that_finds_its_message_known_asks_for_no_edit() -> None:
    """Slack's answer to the post was stored between Bob's yes and the look for a copy: the card is edited once, for the yes."""
    life = Life()
    life.works()
    life.says(BOB)
    card = life.of(CARD)
    assert card.channel is not None
    assert card.ts is not None
    adopted = lifecycle.adopt(life.record, card.channel, card.ts, card.id, life.now, life.new_id)
    assert (adopted.record, adopted.promises) == (life.record, ())


def test_what_does_not_follow_the_record_is_not_taken_in() -> None:
    """Alice presses a button of a notice that was posted twice, or is just being posted: it becomes no status."""
    life = Life(lifetime=30 * DAY)
    life.works()
    life.says(BOB, Verdict.NO)
    notice = life.of(MessageKind.NOTICE)
    for _ in range(2):
        adopted = lifecycle.adopt(life.record, "D0ALICE", "9.9", notice.id, life.now, life.new_id)
        assert (adopted.record, adopted.promises) == (life.record, ())
        life.works()
        assert life.of(MessageKind.NOTICE).is_posted


def test_a_message_that_is_no_longer_known_is_not_taken_in() -> None:
    """It names itself, and no row of it is left."""
    life = Life()
    life.works()
    adopted = lifecycle.adopt(life.record, "D0ALICE", "9.9", "gone", life.now, life.new_id)
    assert (adopted.record, adopted.promises) == (life.record, ())


def test_a_click_never_repaints_the_token() -> None:
    """The message that holds the token is not shown as something else."""
    life = on_show()
    token = life.of(TOKEN)
    assert token.channel is not None
    assert token.ts is not None
    repainted = lifecycle.repaint(life.record, token.channel, token.ts, token.id, life.now, life.new_id)
    assert (repainted.record, repainted.promises) == (life.record, ())


# --- the help channel -------------------------------------------------------------------------------------------------


def test_the_help_channel_hears_once_that_it_is_stuck_and_once_that_it_goes_on() -> None:
    """Three promises get stuck and go on: one alert each way; the next time is told again."""
    life = Life()
    stuck, recovered = facts.Stuck(EffectKind.ISSUE_KEY, 7, "no_policy"), facts.Recovered(EffectKind.ISSUE_KEY)
    life.sees(recovered)
    assert life.topics(MessageKind.ALERT) == [], "it was only late"
    for fact in (stuck, stuck, stuck, recovered, recovered):
        life.sees(fact)
    assert life.topics(MessageKind.ALERT) == [Topic.STUCK, Topic.RESUMED]
    life.sees(stuck)
    assert life.topics(MessageKind.ALERT) == [Topic.STUCK, Topic.RESUMED, Topic.STUCK]
    assert {message.target for message in life.record.messages if message.kind is MessageKind.ALERT} == {""}


def test_the_help_channel_hears_that_a_revoked_token_still_works() -> None:
    """It is worse than stuck, so it is told after it; a key that has ended by its own time works no more."""
    life = held()
    life.keep(lifecycle.revoke(life.record, None, "it leaked", life.now, life.new_id))
    life.sees(facts.Stuck(EffectKind.HIDE_TOKEN, 7, "bug"))
    for _ in range(2):
        life.sees(facts.Stuck(EffectKind.REVOKE_KEY, 8, "seal_key_lost"))
    assert life.topics(MessageKind.ALERT) == [Topic.STUCK, Topic.STILL_WORKS]
    life.sees(facts.Recovered(EffectKind.REVOKE_KEY))
    life.now += 8 * DAY
    life.sees(facts.Stuck(EffectKind.REVOKE_KEY, 8, "seal_key_lost"))
    assert life.topics(MessageKind.ALERT)[2:] == [Topic.RESUMED, Topic.STUCK]


@pytest.mark.parametrize("kind", list(EffectKind))
def test_who_waits_for_it_hears_that_it_is_late_or_stuck(kind: EffectKind) -> None:
    """The requester hears of what the token depends on, and of nothing else."""
    awaited = kind in {EffectKind.ISSUE_KEY, EffectKind.CONFIRM_KEY, EffectKind.DELIVER_TOKEN}
    life = Life()
    life.sees(facts.Delayed(kind, "down"))
    life.sees(facts.Stuck(kind, 7, "bug"))
    assert life.topics(MessageKind.NOTICE) == ([Topic.DELAYED_BY_SLACK, Topic.STUCK] if awaited else [])
    assert [line.details for line in life.events(AuditEvent.DELAYED)] == [{"effect": kind.value, "error": "down"}]


def test_who_has_a_copy_of_the_card_can_be_asked() -> None:
    """The answer to the post was lost, and Bob clicked what stands there: Alice does not hear that nobody could be asked."""
    life = Life()
    card = life.of(CARD)
    life.keep(lifecycle.adopt(life.record, "C0APPROVE", "9.9", None, life.now, life.new_id))
    life.sees(facts.Delayed(POST, "connection_lost", card.id))
    assert life.topics(MessageKind.NOTICE) == []


def test_a_card_that_nobody_can_decide_on_is_not_posted() -> None:
    """Slack was away until Alice withdrew: neither the card nor its reminder comes, and the status says what happened."""
    life = Life()
    life.now += 3 * DAY
    life.settle()
    life.keep(lifecycle.withdraw(life.record, ALICE.identity, life.now, life.new_id))
    life.works()
    assert life.calls == [(POST, STATUS)]


@pytest.mark.parametrize(
    ("error", "topic"),
    [
        ("tyk_401", Topic.DELAYED_BY_TYK),
        ("tyk_unreachable", Topic.DELAYED_BY_TYK),
        ("deadline", Topic.DELAYED_BY_TYK),
        ("users_unavailable", Topic.DELAYED_BY_SLACK),
        ("bug_KeyError", Topic.DELAYED),
    ],
)
def test_who_waits_hears_which_side_fails(error: str, topic: Topic) -> None:
    """Making a key asks Slack too, who the requester is: the code says who does not answer, and no promise's name."""
    life = issuing()
    life.sees(facts.Delayed(EffectKind.ISSUE_KEY, error))
    assert life.topics(MessageKind.NOTICE) == [topic]


def test_what_needs_no_approval_has_a_notice_for_its_delay_and_no_status() -> None:
    """The notice rings once; the announced token is not edited, and a status would be a second ring for the same news."""
    life = Life(replace(PAYMENTS, approvals=0))
    life.works()
    announced = life.of(MessageKind.TOKEN)
    life.sees(facts.Delayed(EffectKind.ISSUE_KEY, "tyk_unreachable"))
    assert life.topics(MessageKind.NOTICE) == [Topic.DELAYED_BY_TYK]
    assert [one.kind for one in life.record.messages] == [MessageKind.TOKEN, MessageKind.NOTICE]
    assert (EffectKind.SHOW_MESSAGE, announced.id) not in life.open


def test_a_delay_that_is_over_is_not_told() -> None:
    """Slack was away: by the time the notice could be posted, Alice has her token."""
    life = issuing()
    life.sees(facts.Delayed(EffectKind.DELIVER_TOKEN, "http_503"))
    notice = life.last_message()
    assert messages.post_matters(life.record, notice)
    life.works()
    assert not messages.post_matters(life.record, replace(notice, ts=None))


def test_the_requester_hears_once_that_nobody_could_be_asked() -> None:
    """The card is refused; a notice says so for as long as that is true, and the lapse says why."""
    life = Life()
    card = life.of(CARD)
    late = facts.Delayed(POST, "restricted_action", card.id)
    for _ in range(2):
        life.sees(late)
    assert life.topics(MessageKind.NOTICE) == [Topic.UNASKED]
    notice = life.of(MessageKind.NOTICE)
    assert messages.post_matters(life.record, notice)
    unasked = life.record
    life.sees(facts.MessagePosted(card.id, "C0APPROVE", "1.1", 1))
    assert not messages.post_matters(life.record, notice)
    lapsed = lifecycle.settle(unasked, NOW + 8 * DAY, life.new_id)
    assert lapsed is not None
    assert lapsed.record.request.decision_reason == messages.UNASKED
    assert [line.details for line in lapsed.audit if line.event is AuditEvent.LAPSED] == [{"why": messages.UNASKED}]


def test_a_card_that_could_not_be_posted_goes_where_it_is_decided_now() -> None:
    """The channel was archived: the same card is posted where the rule in force says, and no second one."""
    life, rule = Life(), replace(PAYMENTS, approvals_channel="C0NEW")
    looked = lifecycle.look_again(life.record, rule, NOW, life.new_id)
    assert looked is not None
    (card,) = (one for one in looked.record.messages if one.kind is CARD)
    assert (card.id, card.target) == (life.of(CARD).id, "C0NEW")
    assert (POST, card.id) in [(one.kind, one.subject_id) for one in looked.promises]
    again = lifecycle.look_again(looked.record, rule, NOW, life.new_id)
    assert again is not None
    assert again.record.messages == looked.record.messages


def test_what_approvers_read_is_posted_where_they_decide_now() -> None:
    """A review of access that was given a year ago too; what the requester reads goes to them. Where the entry has gone, the
    channel is the one of then."""
    rule, frozen = replace(PAYMENTS, approvals_channel="C0NEW"), PAYMENTS.approvals_channel
    for kind in (CARD, QUESTION, MessageKind.REMINDER):
        message = Message(MessageId("m"), kind, frozen)
        assert (messages.target(message, rule), messages.target(message, None)) == ("C0NEW", frozen)
    for kind in (STATUS, TOKEN, MessageKind.NOTICE, MessageKind.INQUIRY):
        assert messages.target(Message(MessageId("m"), kind, "UALICE"), rule) == "UALICE"


def test_a_card_in_another_channel_says_where_it_is_decided_now() -> None:
    """Also one whose post is not stored yet; nothing else moves, nor what is there already, nor where the entry has gone."""
    rule, old = replace(PAYMENTS, approvals_channel="C0NEW"), PAYMENTS.approvals_channel
    card = Message(MessageId("m"), CARD, old)
    assert messages.moved_to(card, rule) == "C0NEW"
    assert messages.moved_to(replace(card, target="C0NEW"), rule) == ""
    assert messages.moved_to(replace(card, channel=old, ts="1"), rule) == "C0NEW"
    assert messages.moved_to(replace(card, channel="C0NEW", ts="1"), rule) == ""
    assert messages.moved_to(replace(card, channel=old, ts="1"), None) == ""
    assert messages.moved_to(Message(MessageId("m"), QUESTION, old), rule) == ""
