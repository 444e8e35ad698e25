"""Erasure: what people typed goes, and what they are called. What was decided, when, and by which user id stays. Pure.

A user id stays because it proves that nobody approved their own request; who it is, Slack's directory says, or no longer says.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from bot.core import timing
from bot.core.audit import ERASED
from bot.core.draft import Draft, NewId
from bot.core.model import Answers, Grant, Identity, MessageKind, Question, Record, RequestState, Review, Transition

_IN_CHANNELS = frozenset({MessageKind.CARD, MessageKind.QUESTION})
_OWN_WORDS = frozenset({"", timing.UNREVIEWED, timing.LEFT_BEHIND})


def is_over(record: Record) -> bool:
    """Nothing waits and nothing runs any more."""
    return record.request.state is not RequestState.PENDING and not record.lives


def whole(record: Record) -> Record:
    """All that was typed about the request, by anybody, and the requester's name."""
    request = record.request
    denied = request.state is RequestState.DENIED
    request = replace(
        request,
        requester_name=ERASED,
        answers=Answers(),
        asker=replace(request.asker, title="", time_zone=""),
        questions=tuple(replace(_asked(one), answer=_gone(one.answer)) for one in request.questions),
        decision_reason=_gone(request.decision_reason) if denied else request.decision_reason,
    )
    return replace(record, request=request, reviews=tuple(map(_review, record.reviews)), grant=_grant(record.grant))


def put_away(record: Record, now: datetime) -> Record:
    """The same, for its age: where its messages stand is forgotten, too."""
    record = whole(record)
    return replace(record, request=replace(record.request, erased_at=now), messages=())


def words_of(record: Record, ids: Collection[str]) -> Record:
    """Erase the name of the person with these user ids, and what they typed about somebody else's request."""

    def theirs(who: Identity | None) -> bool:
        return who is not None and who.user_id in ids

    request, grant = record.request, record.grant
    questions = tuple(_asked(one) if theirs(one.asker) else one for one in request.questions)
    request = replace(request, questions=questions)
    if request.state is RequestState.DENIED and theirs(request.decided_by):
        request = replace(request, decision_reason=_gone(request.decision_reason))
    reviews = tuple(_review(one) if theirs(one.reviewer) else one for one in record.reviews)
    grant = _grant(grant) if grant is not None and theirs(grant.ended_by) else grant
    return replace(record, request=request, reviews=reviews, grant=grant)


def shown_anew(before: Record, after: Record, now: datetime, new_id: NewId) -> Transition:
    """The transition: where cards and questions in a channel said it, they are shown without it."""
    draft = Draft(before, now, new_id)
    draft.record = after
    done = draft.done()
    shown = {message.id for message in after.messages if message.kind in _IN_CHANNELS}
    return replace(done, promises=tuple(one for one in done.promises if one.subject_id in shown))


def _asked(question: Question) -> Question:
    return replace(question, asker_name=_gone(question.asker_name), text=_gone(question.text))


def _review(review: Review) -> Review:
    return replace(review, reason=_gone(review.reason))


def _grant(grant: Grant | None) -> Grant | None:
    """The reason for which somebody ended it; one of the bot's own stays."""
    if grant is None or grant.end_reason in _OWN_WORDS:
        return grant
    return replace(grant, end_reason=ERASED)


def _gone(said: str) -> str:
    return ERASED if said else ""
