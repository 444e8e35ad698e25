"""Rows of the tables to values of the core, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row

from bot.core.audit import ERASED, AuditEntry
from bot.core.model import (
    UNKNOWN_ASKER,
    Answers,
    Asker,
    AuditEvent,
    Effect,
    EffectKind,
    EffectState,
    Extended,
    Grant,
    GrantState,
    Identity,
    Key,
    KeyId,
    KeyState,
    Lifetime,
    Message,
    MessageId,
    MessageKind,
    Plan,
    Question,
    QuestionId,
    Record,
    Request,
    RequestId,
    RequestState,
    Review,
    Rule,
    Scope,
    Topic,
    Verdict,
)
from bot.errors import CommandError

_RULE = TypeAdapter(Rule)
_QUESTIONS = TypeAdapter(tuple[Question, ...])
_DETAILS = TypeAdapter(dict[str, Any])
_NONE = "[]"
NO_TEXTS = "{}"


def _identity(team: str | None, user: str | None) -> Identity | None:
    return Identity(team, user) if team and user else None


def _lifetime(seconds: int | None) -> Lifetime:
    return None if seconds is None else timedelta(seconds=seconds)


def _seconds(lifetime: Lifetime) -> int | None:
    return None if lifetime is None else int(lifetime.total_seconds())


class UnreadableError(CommandError):
    """A record, or a row of the audit, that is not as this version wrote it."""

    def __init__(self, number: int, kind: str, what: str = "R-") -> None:
        super().__init__(
            f"{what}{number} can't be read from the database ({kind}): somebody changed it by hand, or its file is damaged. "
            "Restore it from a backup: docs/operate.md says how."
        )
        self.number = number


def record_of(
    row: Any, reviews: Iterable[Any], grants: Iterable[Any], keys: Iterable[Any], messages: Iterable[Any]
) -> Record:
    """A record from its request's row and the rows that belong to it, each in order. Raises UnreadableError."""
    try:
        return Record(
            request=request_of(row),
            reviews=tuple(map(review_of, reviews)),
            grant=next(map(grant_of, grants), None),
            keys=tuple(map(key_of, keys)),
            messages=tuple(map(message_of, messages)),
        )
    except (ArithmeticError, AssertionError, LookupError, TypeError, ValueError) as error:
        fault = UnreadableError(row.number, type(error).__name__)
    raise fault  # here: what was read may be anybody's words, and the error holds it


def by_request(found: Iterable[Any]) -> dict[str, list[Any]]:
    """Rows under the id of the request that they belong to, their order kept."""
    groups: dict[str, list[Any]] = {}
    for row in found:
        groups.setdefault(row.request_id, []).append(row)
    return groups


@lru_cache(maxsize=1000)
def rule_of(stored: str) -> Rule:
    return _RULE.validate_json(stored)


def title_of(rule: str) -> str:
    """The title of the API of a stored rule."""
    return rule_of(rule).title


@lru_cache(maxsize=1000)
def _stored(rule: Rule) -> str:
    return _RULE.dump_json(rule, exclude={"out_of_force"}).decode()  # nothing is asked for under such a one


_ANSWERS = tuple(one.name for one in fields(Answers))
_FIXED = ("id", "number", "rule", "created_at", "extends", "extends_number")


def request_row(request: Request, *, again: bool = False) -> dict[str, Any]:
    """`again`: what can change of one that is stored already, as `statements.updating_request` takes it."""
    row = _request_row(request)
    if not again:
        return row | {"rule": _stored(request.rule)}
    return {"of": request.id} | {f"new_{name}": value for name, value in row.items() if name not in _FIXED}


def _request_row(request: Request) -> dict[str, Any]:
    return {
        "id": request.id,
        "number": request.number,
        "team_id": request.requester.team_id,
        "user_id": request.requester.user_id,
        "requester_name": request.requester_name,
        "api": request.rule.name,
        "digest": request.digest,
        "plan": request.plan.name,
        "opens": _opens(request.plan),
        "lifetime": _seconds(request.lifetime),
        **vars(request.answers),
        "state": request.state.value,
        "created_at": request.created_at,
        "lapses_at": request.lapses_at,
        "decided_at": request.decided_at,
        "decided_team": request.decided_by.team_id if request.decided_by else None,
        "decided_user": request.decided_by.user_id if request.decided_by else None,
        "decision_reason": request.decision_reason,
        "version": request.version,
        "revision": request.revision,
        "undecidable": request.undecidable,
        "undecidable_since": request.undecidable_since,
        "extends": request.extends.request_id if request.extends else None,
        "extends_number": request.extends.number if request.extends else None,
        "asked_plan": request.asked.plan.name if request.asked else None,
        "asked_lifetime": _seconds(request.asked.lifetime) if request.asked else None,
        "questions": _QUESTIONS.dump_json(request.questions).decode() if request.questions else _NONE,
        "asker": json.dumps(asdict(request.asker)),
        "erased_at": request.erased_at,
    }


def rule_row(request: Request) -> dict[str, Any]:
    """The rule of a request that is stored already, as `statements.changing_rule` takes it."""
    return {"of": request.id, "new_rule": _stored(request.rule), "new_opens": _opens(request.plan)}


def _opens(plan: Plan) -> str:
    """` ledger search `: an entry is found between blanks, which no name of an entry holds; empty where there is none."""
    entries = [api.entry or api.api_name for api in plan.also_opens]
    return f" {' '.join(entries)} " if entries else ""


def request_of(row: Row[Any]) -> Request:
    rule = rule_of(row.rule)
    return Request(
        id=RequestId(row.id),
        number=row.number,
        requester=Identity(row.team_id, row.user_id),
        requester_name=row.requester_name,
        rule=rule,
        digest=row.digest,
        plan=_plan(rule, row.plan),
        lifetime=_lifetime(row.lifetime),
        answers=Answers(**{name: getattr(row, name) for name in _ANSWERS}),
        state=RequestState(row.state),
        created_at=row.created_at,
        lapses_at=row.lapses_at,
        decided_at=row.decided_at,
        decided_by=_identity(row.decided_team, row.decided_user),
        decision_reason=row.decision_reason,
        version=row.version,
        revision=row.revision,
        undecidable=row.undecidable,
        undecidable_since=row.undecidable_since,
        extends=None if row.extends is None else Extended(RequestId(row.extends), row.extends_number),
        asked=Scope(_plan(rule, row.asked_plan), _lifetime(row.asked_lifetime)) if row.asked_plan else None,
        questions=() if row.questions == _NONE else _QUESTIONS.validate_json(row.questions),
        asker=Asker(**json.loads(row.asker)) if row.asker else UNKNOWN_ASKER,
        erased_at=row.erased_at,
    )


def _plan(rule: Rule, name: str) -> Plan:
    plan = rule.plan(name)
    assert plan is not None, "a request's plan is one of its own rule's"
    return plan


def review_row(request_id: str, review: Review) -> dict[str, Any]:
    return {
        "request_id": request_id,
        "team_id": review.reviewer.team_id,
        "user_id": review.reviewer.user_id,
        "verdict": review.verdict.value,
        "counted_by": review.counted_by,
        "at": review.at,
        "reason": review.reason,
        "void": review.void,
    }


def review_of(row: Row[Any]) -> Review:
    who, verdict = Identity(row.team_id, row.user_id), Verdict(row.verdict)
    return Review(who, verdict, row.counted_by, row.at, row.reason, row.void)


def grant_row(request_id: str, grant: Grant) -> dict[str, Any]:
    return {
        "request_id": request_id,
        "state": grant.state.value,
        "since": grant.since,
        "until": grant.until,
        "ended_at": grant.ended_at,
        "end_reason": grant.end_reason,
        "ended_team": grant.ended_by.team_id if grant.ended_by else None,
        "ended_user": grant.ended_by.user_id if grant.ended_by else None,
        "review_at": grant.review_at,
        "asked_at": grant.asked_at,
        "reminded_at": grant.reminded_at,
        "left_at": grant.left_at,
        "extended_at": grant.extended_at,
        "extended_by": grant.extended_by,
        "kept_at": grant.kept_at,
        "kept_team": grant.kept_by.team_id if grant.kept_by else None,
        "kept_user": grant.kept_by.user_id if grant.kept_by else None,
        "holder_asked_at": grant.holder_asked_at,
        "in_use_at": grant.in_use_at,
    }


def grant_of(row: Row[Any]) -> Grant:
    ended_by = _identity(row.ended_team, row.ended_user)
    return Grant(
        state=GrantState(row.state),
        since=row.since,
        until=row.until,
        ended_at=row.ended_at,
        end_reason=row.end_reason,
        ended_by=ended_by,
        review_at=row.review_at,
        asked_at=row.asked_at,
        reminded_at=row.reminded_at,
        left_at=row.left_at,
        extended_at=row.extended_at,
        extended_by=row.extended_by,
        kept_at=row.kept_at,
        kept_by=_identity(row.kept_team, row.kept_user),
        holder_asked_at=row.holder_asked_at,
        in_use_at=row.in_use_at,
    )


def key_row(request_id: str, position: int, key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "request_id": request_id,
        "position": position,
        "state": key.state.value,
        "made_at": key.made_at,
        "key_hash": key.key_hash,
        "expires_at": key.expires_at,
        "sealed": key.sealed,
        "shown_at": key.shown_at,
        "hidden_at": key.hidden_at,
        "verified_at": key.verified_at,
        "gone_at": key.gone_at,
        "dead_at": key.dead_at,
    }


def key_of(row: Row[Any]) -> Key:
    return Key(
        id=KeyId(row.id),
        state=KeyState(row.state),
        made_at=row.made_at,
        key_hash=row.key_hash,
        expires_at=row.expires_at,
        sealed=None if row.sealed is None else bytes(row.sealed),
        shown_at=row.shown_at,
        hidden_at=row.hidden_at,
        verified_at=row.verified_at,
        gone_at=row.gone_at,
        dead_at=row.dead_at,
    )


def message_row(request_id: str, position: int, message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "request_id": request_id,
        "position": position,
        "kind": message.kind.value,
        "target": message.target,
        "topic": message.topic.value if message.topic else None,
        "channel": message.channel,
        "ts": message.ts,
        "shown_version": message.shown_version,
        "posted_at": message.posted_at,
        "key_id": message.key_id,
        "question_id": message.question_id,
    }


def message_of(row: Row[Any]) -> Message:
    return Message(
        id=MessageId(row.id),
        kind=MessageKind(row.kind),
        target=row.target,
        topic=Topic(row.topic) if row.topic else None,
        channel=row.channel,
        ts=row.ts,
        shown_version=row.shown_version,
        posted_at=row.posted_at,
        key_id=None if row.key_id is None else KeyId(row.key_id),
        question_id=None if row.question_id is None else QuestionId(row.question_id),
    )


def effect_of(row: Row[Any]) -> Effect:
    return Effect(
        id=row.id,
        kind=EffectKind(row.kind),
        subject_id=row.subject_id,
        request_id=None if row.request_id is None else RequestId(row.request_id),
        due_at=row.due_at,
        state=EffectState(row.state),
        epoch=row.epoch,
        attempts=row.attempts,
        lease_until=row.lease_until,
        bugs=row.bugs,
        again=row.again,
        told=row.told,
        first_failed_at=row.first_failed_at,
        last_error=row.last_error,
        why=row.why,
        lane=row.lane,
    )


def entry_of(row: Any) -> AuditEntry:
    """An entry of a whole row, with its texts. Raises UnreadableError."""
    number, at, event, request_id, request_number, api, *people, details, digests, _prev, _key, link, beside = row
    person_team, person_user, actor_team, actor_user = people
    person = Identity(person_team, person_user) if person_user else None
    actor = Identity(actor_team, actor_user) if actor_user else None
    known, told = _read(number, event, details, digests, beside)
    return AuditEntry(number, at, known, request_id, request_number, api, person, actor, told, link or "")


AuditCells = tuple[int, datetime, AuditEvent, int | None, str | None, str | None, str | None, dict[str, Any], str]
"""Number, time, event, number of the request, API, ids of the person and of the actor, details, link."""


def cells_of(row: Any) -> AuditCells:
    """The cells of a whole row that a report shows: a year has half a million, and nothing else is made of them. Raises
    UnreadableError."""
    number, at, event, _, request_number, api, _, person, _, actor, details, digests, _, _, link, beside = row
    known, told = _read(number, event, details, digests, beside)
    return number, at, known, request_number, api, person, actor, told, link or ""


def _read(number: int, event: str, details: str, digests: str, beside: str | None) -> tuple[AuditEvent, dict[str, Any]]:
    try:
        told = _DETAILS.validate_json(details)
        if digests != NO_TEXTS:
            told |= {
                name: ERASED for name in json.loads(digests) if name != "reason_link"
            }  # a link goes with its reason
            told |= {name: value for name, (_salt, value) in json.loads(beside or NO_TEXTS).items()}
        return AuditEvent(event), told
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        fault = UnreadableError(number, type(error).__name__, "Row ")
    raise fault  # as above
