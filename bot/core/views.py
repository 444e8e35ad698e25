"""The view that each standing message has of its record: it is edited when that changes, and not otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from bot.core.model import GrantState, KeyState, MessageKind, Record, RequestState


def _of_card(record: Record) -> object:
    """The view of a card, the same while the token is made and while it is held: who approved, until when, and how it ended."""
    grant = record.grant
    if grant is None:
        return record.request, record.reviews
    end = (grant.ended_at, grant.end_reason, grant.ended_by) if grant.state is GrantState.ENDED else None
    asked = grant.review_at, grant.holder_asked_at, grant.asked_at
    return record.request, record.reviews, end, grant.until, asked, grant.left_at


def _of_status(record: Record) -> object:
    """The view of a status: also whether a token is on its way or takes the place of another, and whether its key is gone at Tyk;
    not whether it is on show."""
    grant = record.grant and replace(record.grant, reminded_at=None)
    return record.request, record.reviews, grant, record.awaits_token, len(record.keys), record.gone_at


def _of_question(record: Record) -> object:
    """The view of a question: also what the keys that live are called at Tyk."""
    grant = record.grant and replace(record.grant, reminded_at=None)
    return (
        record.request,
        record.reviews,
        grant,
        [key.key_hash for key in record.keys if key.state is not KeyState.DEAD],
    )


def _of_inquiry(record: Record) -> object:
    """The view of what the requester was asked: whether an answer is wanted, the answer, and what came of it."""
    grant = record.grant
    review = grant and (grant.holder_asked_at, grant.in_use_at, grant.asked_at, grant.kept_at, grant.ended_at)
    return record.request.state is RequestState.PENDING, record.request.questions, review


_VIEWS: Mapping[MessageKind, Callable[[Record], object]] = {
    MessageKind.CARD: _of_card,
    MessageKind.STATUS: _of_status,
    MessageKind.QUESTION: _of_question,
    MessageKind.INQUIRY: _of_inquiry,
}

STANDING = frozenset(_VIEWS)
"""The messages that follow their record."""

SAY_ALL_AT_ONCE = frozenset({MessageKind.CARD, MessageKind.STATUS, MessageKind.INQUIRY})
"""The kinds whose post has its buttons; a question gets them by the edit that follows."""

TROUBLED = frozenset({MessageKind.CARD, MessageKind.STATUS})
"""The kinds that say that a request is late or stuck."""


def same(kind: MessageKind, before: Record, after: Record) -> bool:
    """A message of this kind says the same of both, whatever their versions."""
    after = replace(after, request=replace(after.request, version=before.request.version))
    return _VIEWS[kind](before) == _VIEWS[kind](after)


def changed(before: Record, after: Record) -> frozenset[MessageKind]:
    """The kinds that say something else after a change."""
    return frozenset(kind for kind, view in _VIEWS.items() if view(before) != view(after))
