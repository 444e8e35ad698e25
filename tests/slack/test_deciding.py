"""The forms with which people decide: what they offer, within Slack's limits, and what comes back from them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given

from bot.core import lifecycle
from bot.core.lifecycle import Choice, Choices, choices
from bot.core.model import Message, MessageId, MessageKind, Question, QuestionId, Record, RequestState, Scope, Topic
from bot.slack import deciding, modals, state, wording
from tests.slack.test_messages import EVE, EVERY, labels, person, post, show, without_end
from tests.slack.test_modals import ANN, BOB, DAY, GOLD, NASTY, NOW, STANDARD, asked, check_view, nasty, rule, walk

WEEK = timedelta(days=7)
SMALL = replace(STANDARD, name="small", limits=replace(STANDARD.limits, rate=10))
RULE = rule(plans=(STANDARD, SMALL, GOLD))


def form(record: Record, offered: Choices | None = None) -> dict[str, Any]:
    return check_view(deciding.approve_form(record, offered or choices(record.request, RULE)))


def pending(**changes: Any) -> Record:
    record = asked(rule=RULE, plan=STANDARD)
    return replace(record, request=replace(record.request, **changes))


def inputs(view: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {block["block_id"]: block for block in view["blocks"] if block["type"] == "input"}


def texts(options: list[dict[str, Any]]) -> list[str]:
    return [one["text"]["text"] for one in options]


def sent(view: dict[str, Any], **answers: Any) -> dict[str, Any]:
    """The view as Slack sends it: what was picked or typed, and else what was there."""
    values: dict[str, Any] = {}
    for name, block in inputs(view).items():
        element = block["element"]
        typed = element["type"] == "plain_text_input"
        given = {"value": answers.get(name)} if typed else {"selected_option": element.get("initial_option")}
        if not typed and name in answers:
            given = {"selected_option": next(one for one in element["options"] if one["value"] == answers[name])}
        values[name] = {element["action_id"]: {"type": element["type"]} | given}
    return view | {"state": {"values": values}}


def test_it_offers_what_was_asked_for_and_what_is_less() -> None:
    """What was asked for is picked already and says so, so that a note alone needs no further click."""
    view = form(pending())
    assert view["title"]["text"] == "Approve with changes"
    fields = inputs(view)
    assert list(fields) == ["lifetime", "plan", "reason"]
    assert texts(fields["lifetime"]["element"]["options"]) == ["1 day", "7 days (as asked)"]
    assert texts(fields["plan"]["element"]["options"]) == ["small", "standard (as asked)"]
    assert fields["plan"]["element"]["options"][0]["description"]["text"] == "10 calls per second, 10,000 per day"
    assert fields["reason"]["optional"] is True
    request_id, choice, note = deciding.read_approve(sent(view))
    assert (request_id, choice, note) == ("req1", Choice("standard", WEEK), "")


def test_nobody_approves_with_changes_without_having_seen_the_warning() -> None:
    """It stands in the form, as in the dialog that Approve opens."""
    assert "Warning" not in json.dumps(form(pending()))
    assert "*Warning:* This is production." in json.dumps(
        form(pending(rule=replace(RULE, warning="This is production.")))
    )


def test_what_was_picked_comes_back() -> None:
    """With why."""
    view = sent(form(pending()), lifetime="86400", plan="small", reason=" for the test ")
    assert deciding.read_approve(view) == ("req1", Choice("small", DAY), "for the test")


def test_where_nothing_is_less_it_asks_for_the_note_alone() -> None:
    """And what was shown is what is approved."""
    record = pending(plan=SMALL, lifetime=DAY)
    view = form(record)
    assert list(inputs(view)) == ["reason"]
    assert deciding.read_approve(sent(view, reason="fine"))[1] == Choice("small", DAY)


def test_what_never_ends_can_be_given_an_end() -> None:
    """All that the rule has besides is shorter."""
    view = form(pending(lifetime=None))
    options = inputs(view)["lifetime"]["element"]["options"]
    assert [one["value"] for one in options] == ["86400", "604800", "never"]
    assert deciding.read_approve(sent(view))[1].lifetime is None


def test_it_says_what_somebody_made_less_already() -> None:
    """What is approved now, and what was asked for."""
    view = form(pending(plan=SMALL, lifetime=DAY, asked=Scope(STANDARD, WEEK)))
    said = view["blocks"][0]["text"]["text"]
    assert said == (
        "R-1042 · Payments (small), 1 day, for <@U0ANN>\n"
        "Now for 1 day with the plan small; Ann asked for 7 days with the plan standard."
    )
    view = form(pending(asked=Scope(STANDARD, None)))
    assert texts(inputs(view)["lifetime"]["element"]["options"]) == ["1 day", "7 days (as it is now)"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lifetime": DAY}, "Approved by <@U0BOB> for 1 day, now; you asked for 7 days."),
        ({"plan": SMALL}, "Approved by <@U0BOB> with the plan small, now; you asked for the plan standard."),
    ],
)
def test_the_requester_reads_what_was_given_and_what_was_asked_for(changes: dict[str, Any], said: str) -> None:
    """Only what differs."""
    record = pending(asked=Scope(STANDARD, WEEK), decided_by=BOB, **changes)
    assert state._approved(record, "now", card=False) == said
    assert state._approved(record, "now", card=True) == said.replace("you asked", "Ann asked")


@pytest.mark.parametrize(
    "broken", ["{}", json.dumps({"request_id": "req1"}), json.dumps({"request_id": "r", "plan": "x"})]
)
def test_a_view_that_is_not_ours_is_stale(broken: str) -> None:
    """One of an older version, or somebody's own."""
    view = sent(form(pending(plan=SMALL, lifetime=DAY))) | {"private_metadata": broken}
    with pytest.raises(modals.StaleView):
        deciding.read_approve(view)


@given(nasty(), nasty())
@example(NASTY[0], NASTY[2])
@example(NASTY[5], NASTY[7])
def test_whatever_people_and_plans_are_called_is_inert(name: str, title: str) -> None:
    """The form keeps Slack's limits."""
    plans = tuple(replace(STANDARD, name=f"plan {n}") for n in range(150))
    record = pending(requester_name=name, rule=rule(title=title))
    lifetimes = tuple(timedelta(hours=n) for n in range(1, 150))
    form(record, Choices(plans, lifetimes))
    shown = form(replace(record, request=replace(record.request, asked=Scope(GOLD, None))))
    assert [one for one in walk(shown["blocks"]) if one.get("type") == "plain_text"]
    assert wording.duration(WEEK) in json.dumps(shown)


# --- questions --------------------------------------------------------------------------------------------------------


def questioned(text: str = "For what?", name: str = "Bob", **answered: Any) -> Record:
    return pending(questions=(Question(QuestionId("q1"), BOB, name, text, NOW, **answered),))


def message(kind: MessageKind, topic: Topic) -> Message:
    return Message(MessageId("m1"), kind, "U0ANN", topic, question_id=QuestionId("q1"))


INQUIRY = message(MessageKind.INQUIRY, Topic.ASKED)
ANSWERED: dict[str, Any] = {"answer": "For billing.", "answered_at": NOW + DAY}


def test_a_question_is_sent_with_the_button_for_its_answer() -> None:
    """And shows the answer in its place, or that none is needed any more."""
    asks = show(questioned(), INQUIRY)
    assert asks.text == "<@U0BOB> asks about R-1042 (Payments): For what?"
    assert labels(asks) == ["Reply"]
    assert labels(post(questioned(), INQUIRY)) == ["Reply"]
    answered = show(questioned(**ANSWERED), INQUIRY)
    assert labels(answered) == []
    assert f"You answered {wording.date(NOW + DAY)}:" in json.dumps(answered.blocks)
    assert "For billing." in json.dumps(answered.blocks)
    record = questioned()
    over = replace(record, request=replace(record.request, state=RequestState.WITHDRAWN))
    assert labels(show(over, INQUIRY)) == []
    assert "No answer is needed any more." in json.dumps(show(over, INQUIRY).blocks)


def test_under_the_card_stands_who_asked_and_who_answered() -> None:
    """The question calls nobody, the answer calls who asked."""
    asked_there = post(questioned(), message(MessageKind.REMINDER, Topic.ASKED))
    assert asked_there.text == "Bob asked Ann about R-1042: For what?"
    answered = post(questioned(**ANSWERED), message(MessageKind.REMINDER, Topic.ANSWERED))
    assert answered.text == "<@U0BOB>: Ann answered about R-1042: For billing."
    assert "You asked: For what?" in json.dumps(answered.blocks)


def test_the_forms_of_a_question_come_back() -> None:
    """With the request, the question and what was typed."""
    ask = check_view(deciding.ask_form(pending(), "q1"))
    assert deciding.read_question(sent(ask, question=" For what? ")) == ("req1", "For what?", "q1")
    answer = check_view(deciding.answer_form(questioned(), "q1"))
    assert "For what?" in json.dumps(answer)
    assert deciding.read_answer(sent(answer, answer="For billing.")) == ("req1", "For billing.", "q1")
    with pytest.raises(modals.StaleView):
        deciding.read_answer(sent(answer) | {"private_metadata": json.dumps({"request_id": "req1"})})


@given(nasty(), nasty(), nasty())
@example(NASTY[0], NASTY[1], NASTY[2])
@example(NASTY[3], NASTY[5], NASTY[8])
def test_whatever_is_asked_and_answered_is_inert(text: str, name: str, answer: str) -> None:
    """In every message and form, within Slack's limits."""
    text, answer = text[:500] or "?", answer[:500] or "!"
    record = questioned(text, name, answer=answer, answered_at=NOW)
    for one in (record, questioned(text, name)):
        show(one, INQUIRY)
        show(one, Message(MessageId("m2"), MessageKind.STATUS, "U0ANN"))
        show(one, Message(MessageId("m3"), MessageKind.CARD, "C0APPR"))
        post(one, message(MessageKind.REMINDER, Topic.ASKED))
        post(one, message(MessageKind.REMINDER, Topic.ANSWERED))
        check_view(deciding.answer_form(one, "q1"))
        check_view(deciding.ask_form(one, "q2"))


# --- the holder is asked first ----------------------------------------------------------------------------------------

STILL_USED = Message(MessageId("m1"), MessageKind.INQUIRY, "U0ANN", Topic.STILL_USED)


def test_what_the_holder_is_asked_says_what_became_of_it() -> None:
    """It is asked, answered, decided by the approvers, and over; and one of an earlier review sends to the later one."""
    story = without_end()
    story.settle(EVERY)
    asks = show(story.record, STILL_USED)
    assert asks.text == "Are you still using your access to Payments (standard) (R-1042)?"
    assert labels(asks) == labels(post(story.record, STILL_USED)) == ["Yes, I use it", "No, revoke it"]
    story.keep(lifecycle.in_use(story.record, person(ANN), story.now, story.new_id))
    said = show(story.record, STILL_USED)
    assert labels(said) == []
    assert f"You said that you use it, {wording.date(NOW + EVERY)}." in json.dumps(said.blocks)
    story.renew(EVE)
    assert f"Kept by <@U0ZOE>, {wording.date(NOW + EVERY)}." in json.dumps(show(story.record, STILL_USED).blocks)
    story.settle(EVERY)
    first, last = [one for one in story.record.messages if one.topic is Topic.STILL_USED]
    assert "This was asked again further down." in json.dumps(show(story.record, first).blocks)
    assert labels(show(story.record, last)) == ["Yes, I use it", "No, revoke it"]
    story.revoke(BOB, "no need")
    assert labels(show(story.record, last)) == []
    assert "Revoked by <@U0BOB>" in json.dumps(show(story.record, last).blocks)
