"""Questions about a request that waits: who may ask and answer, how often, and that nothing is asked or answered twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core import lifecycle
from bot.core.model import (
    AuditEvent,
    EffectKind,
    Identity,
    MessageKind,
    Person,
    QuestionId,
    Refusal,
    RequestState,
    Topic,
    Verdict,
)
from bot.core.questions import MAX_QUESTIONS
from tests.core.life import ALICE, BOB, CAROL, DAY, MALLORY, Life

TEXT = "Which service is it for?"


def asks(life: Life, who: Person = BOB, text: str = TEXT, form: str = "q1") -> None:
    life.settle()
    life.keep(lifecycle.ask(life.record, life.rule, who, text, QuestionId(form), life.now, life.new_id))


def answers(life: Life, who: Person = ALICE, text: str = "Billing.", form: str = "q1") -> None:
    life.settle()
    life.keep(lifecycle.answer(life.record, who, text, form, life.now, life.new_id))


def posts(life: Life, topic: Topic) -> list[tuple[MessageKind, str, str | None]]:
    return [(one.kind, one.target, one.question_id) for one in life.record.messages if one.topic is topic]


def waiting() -> Life:
    life = Life()
    life.works()
    return life


def test_a_question_goes_under_the_card_and_to_the_requester() -> None:
    """It is in the audit, the request stays open, and both of its messages show that it was asked."""
    life = waiting()
    life.now += DAY
    asks(life)
    (question,) = life.record.request.questions
    assert (question.asker, question.text, question.at, question.answered_at) == (BOB.identity, TEXT, life.now, None)
    assert posts(life, Topic.ASKED) == [
        (MessageKind.REMINDER, "C0APPROVE", "q1"),
        (MessageKind.INQUIRY, "UALICE", "q1"),
    ]
    assert life.shows(MessageKind.CARD) == life.shows(MessageKind.STATUS) == life.now
    assert life.record.request.state is RequestState.PENDING
    assert [line.details for line in life.events(AuditEvent.QUESTION_ASKED)] == [{"question": TEXT}]
    assert life.record.request.unanswered == (question,)


def test_an_answer_goes_under_the_card() -> None:
    """What Alice was sent says so then, and the request still stays open."""
    life = waiting()
    asks(life)
    life.works()
    answers(life)
    (question,) = life.record.request.questions
    assert (question.answer, question.answered_at) == ("Billing.", life.now)
    assert posts(life, Topic.ANSWERED) == [(MessageKind.REMINDER, "C0APPROVE", "q1")]
    assert life.shows(MessageKind.INQUIRY) == life.now
    assert life.record.request.unanswered == ()
    (line,) = life.events(AuditEvent.QUESTION_ANSWERED)
    assert (line.actor, line.details) == (ALICE.identity, {"question": TEXT, "answer": "Billing."})
    assert life.record.request.state is RequestState.PENDING


def test_the_same_form_twice_asks_and_answers_once() -> None:
    """Whoever was not told that it is stored sends it again."""
    life = waiting()
    asks(life)
    before = life.record
    asks(life)
    assert life.record == before
    answers(life)
    before = life.record
    answers(life)
    assert life.record == before
    assert len(life.events(AuditEvent.QUESTION_ASKED)) == len(life.events(AuditEvent.QUESTION_ANSWERED)) == 1


def test_an_answer_stands() -> None:
    """Another one to the same question is refused."""
    life = waiting()
    asks(life)
    answers(life)
    with pytest.raises(Refusal, match="You already answered this question"):
        answers(life, text="Something else.")


@pytest.mark.parametrize(("who", "code"), [(ALICE, "own_request"), (MALLORY, "not_approver")])
def test_only_who_may_decide_asks(who: Person, code: str) -> None:
    """Not the requester, although she is among the leads, and nobody whom the rule does not name."""
    with pytest.raises(Refusal) as caught:
        asks(waiting(), who)
    assert caught.value.code == code


@pytest.mark.parametrize("who", [BOB, CAROL])
def test_only_who_was_asked_answers(who: Person) -> None:
    """Not who asked, nor another approver; under another of her ids Alice is still Alice."""
    life = waiting()
    asks(life)
    with pytest.raises(Refusal) as caught:
        answers(life, who)
    assert caught.value.code == "not_requester"
    answers(life, replace(ALICE, identity=Identity("T0", "W0ALICE"), also=frozenset({"UALICE"})))
    assert life.record.request.unanswered == ()


def test_so_many_questions_and_no_more() -> None:
    """The eleventh is refused at its field."""
    life = waiting()
    for number in range(MAX_QUESTIONS):
        asks(life, form=f"q{number}")
    with pytest.raises(Refusal) as caught:
        asks(life, CAROL, form="one too many")
    assert (caught.value.field, caught.value.code) == ("question", "questions")
    asks(life, form="q0")


def test_nothing_is_asked_or_answered_in_no_words() -> None:
    """What is empty is told at its field."""
    life = waiting()
    with pytest.raises(Refusal) as caught:
        asks(life, text="")
    assert caught.value.field == "question"
    asks(life)
    with pytest.raises(Refusal) as caught:
        answers(life, text="")
    assert caught.value.field == "answer"
    with pytest.raises(Refusal, match="I don't know this question any more"):
        answers(life, form="another")


@pytest.mark.parametrize("verdict", list(Verdict))
def test_what_was_decided_needs_no_answer(verdict: Verdict) -> None:
    """Carol decides while the question is on its way: it is not sent any more, and an answer is told so."""
    life = Life(replace(Life().rule, approvals=1))
    life.works()
    asks(life)
    life.says(CAROL, verdict)
    assert life.record.request.unanswered == ()
    life.works()
    assert not life.of(MessageKind.INQUIRY).is_posted
    with pytest.raises(Refusal, match="There is nothing left to decide"):
        answers(life)
    with pytest.raises(Refusal, match="There is nothing left to decide"):
        asks(life, form="q2")


def test_a_decision_shows_in_what_was_asked() -> None:
    """Its button goes."""
    life = Life(replace(Life().rule, approvals=1))
    life.works()
    asks(life)
    life.works()
    life.says(CAROL)
    assert life.shows(MessageKind.INQUIRY) == life.now


def test_a_question_that_is_answered_faster_than_slack_says_where_it_is() -> None:
    """Alice presses Reply before the answer to its post is stored, or on a copy: each follows the question, and is no status."""
    life = Life(replace(Life().rule, approvals=1))
    life.works()
    asks(life)
    inquiry = life.of(MessageKind.INQUIRY)
    assert not inquiry.is_posted
    for ts in ("9.9", "9.8"):
        life.keep(lifecycle.adopt(life.record, "D0ALICE", ts, inquiry.id, life.now, life.new_id))
    life.works()
    both = [one for one in life.record.messages if one.kind is MessageKind.INQUIRY]
    assert [(one.ts, one.question_id) for one in both] == [("9.9", "q1"), ("9.8", "q1")]
    life.says(CAROL)
    life.works()
    both = [one for one in life.record.messages if one.kind is MessageKind.INQUIRY]
    assert {one.shown_version for one in both} == {life.record.request.version}
    assert len([one for one in life.record.messages if one.kind is MessageKind.STATUS]) == 1


def test_an_inquiry_is_posted_with_its_button() -> None:
    """It needs no edit until something happens."""
    life = waiting()
    asks(life)
    life.works()
    assert (EffectKind.SHOW_MESSAGE, MessageKind.INQUIRY) not in life.calls
