"""Questions of approvers about a request that waits, and the requester's answers: asked -> answered. The request stays open."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bot.core import messages, rules
from bot.core.draft import Draft, NewId
from bot.core.model import (
    AuditEvent,
    MessageKind,
    Person,
    Question,
    QuestionId,
    Record,
    Refusal,
    RequestState,
    Rule,
    Topic,
    Transition,
)
from bot.core.requests import already_decided

MAX_QUESTIONS = 10


def ask(
    record: Record,
    in_force: Rule | None,
    asker: Person,
    text: str,
    question_id: QuestionId,
    now: datetime,
    new_id: NewId,
) -> Transition:
    """Somebody who may decide asks the requester: under the card, and in a direct message that can be answered.

    `question_id` is the form's own: what was asked with it before is not asked again.
    """
    draft, request = Draft(record, now, new_id), record.request
    if request.question(question_id) is not None:
        return draft.done()
    if request.state is not RequestState.PENDING:
        raise already_decided(request)
    rules.reviewing_by(record, in_force, asker)
    if not text:
        raise Refusal("Write your question.", code="question", field="question")
    if len(request.questions) >= MAX_QUESTIONS:
        said = f"{MAX_QUESTIONS} questions were asked about {request.label} already. Talk to them in person."
        raise Refusal(said, code="questions", field="question")
    question = Question(question_id, asker.identity, asker.called, text, now)
    draft.change_request(questions=(*request.questions, question))
    messages.post(draft, MessageKind.REMINDER, request.rule.approvals_channel, Topic.ASKED, question_id=question_id)
    messages.post(draft, MessageKind.INQUIRY, request.requester.user_id, Topic.ASKED, question_id=question_id)
    draft.say(AuditEvent.QUESTION_ASKED, asker.identity, question=text)
    return draft.done()


def check_answerable(record: Record, question_id: str, who: Person) -> Question:
    """The question, if this person may answer it now. Raises Refusal."""
    question = record.request.question(question_id)
    if question is None:
        raise Refusal("I don't know this question any more. There is nothing left to answer.", code="unknown")
    if not who.is_same(record.request.requester):
        raise Refusal("Only the one who was asked can answer.", code="not_requester")
    if record.request.state is not RequestState.PENDING:
        raise already_decided(record.request)
    if question.answered_at is not None:
        raise Refusal("You already answered this question.", code="answered")
    return question


def answer(record: Record, who: Person, text: str, question_id: str, now: datetime, new_id: NewId) -> Transition:
    """The requester's answer, once, under the card; the same answer sent again does nothing more."""
    draft, request = Draft(record, now, new_id), record.request
    earlier = request.question(question_id)
    if earlier is not None and earlier.answered_at is not None and earlier.answer == text:
        return draft.done()
    question = check_answerable(record, question_id, who)
    if not text:
        raise Refusal("Write your answer.", code="answer", field="answer")
    answered = replace(question, answer=text, answered_at=now)
    draft.change_request(questions=tuple(answered if one.id == question_id else one for one in request.questions))
    messages.post(draft, MessageKind.REMINDER, request.rule.approvals_channel, Topic.ANSWERED, question_id=question.id)
    draft.say(AuditEvent.QUESTION_ANSWERED, request.requester, question=question.text, answer=text)
    return draft.done()
