"""The session object: what Tyk is told of a key. Its source is Tyk's own tutorial, field by field; all times are Unix seconds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from bot.core.model import ApiRef, Key, Record

NEVER = -1
MARK = "tyk-key-bot"
"""Our one tag: analytics keep a bucket of their own for each, so one that differs from key to key would flood them."""


class Alias(StrEnum):
    """The text that Tyk shows beside a key, and writes into each analytics record of it.

    A name in it is personal data which nothing of ours can take back.
    """

    NUMBER = "number"
    PERSON = "number and person"
    SERVICE = "number, person and service"


def session(
    record: Record,
    key: Key,
    expires_at: datetime | None,
    now: datetime,
    alias: Alias = Alias.NUMBER,
    *,
    deletes: bool = False,
) -> dict[str, Any]:
    """The whole object, without Tyk policies: those would override the expiry of a key that does not exist yet.

    `deletes`: Tyk can delete the key at its end by itself (`post_expiry_action`, since 5.13), and is told to. An older one is not
    sent what it does not know.
    """
    request = record.request
    limits = request.plan.limits
    at_its_end = {"post_expiry_action": "delete"} if deletes else {}
    return at_its_end | {
        "allowance": limits.rate,
        "rate": limits.rate,
        "per": limits.per,
        "expires": NEVER if expires_at is None else int(expires_at.timestamp()),
        "quota_max": limits.quota_max,
        "quota_renews": int((now + timedelta(seconds=limits.quota_renewal_rate)).timestamp()),
        "quota_remaining": limits.quota_max,
        "quota_renewal_rate": limits.quota_renewal_rate,
        "access_rights": {api.api_id: _right(api) for api in opened(record)},
        "meta_data": {
            "issued_by": MARK,
            "request": request.label,
            "request_id": request.id,
            "key_id": key.id,
            "slack_user": request.requester.user_id,
        },
        "tags": [MARK],
        "alias": _alias(record, alias),
    }


def confirmed_session(
    record: Record, key: Key, now: datetime, alias: Alias = Alias.NUMBER, *, deletes: bool = False
) -> dict[str, Any]:
    """The final object: the grant's own end, and the plan's Tyk policies where it names any."""
    assert record.grant is not None, "a key belongs to a grant"
    final = session(record, key, record.grant.until, now, alias, deletes=deletes)
    if record.request.plan.tyk_policies:
        final["apply_policies"] = list(record.request.plan.tyk_policies)
    return final


def mark(held: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The mark that the bot wrote into the key; None where it is somebody else's."""
    told = held.get("meta_data")
    return told if isinstance(told, Mapping) and told.get("issued_by") == MARK else None


def end_of(held: Mapping[str, Any]) -> datetime | None:
    """The time when Tyk's session ends by itself; None for never, or for further than dates go."""
    expires = held.get("expires") or 0
    if not isinstance(expires, int | float) or expires < 1:
        return None
    try:
        return datetime.fromtimestamp(expires, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def opened(record: Record) -> tuple[ApiRef, ...]:
    """Every API the key may open: the one that was asked for, and those its plan lists beside it."""
    return (record.request.rule.api, *record.request.plan.also_opens)


def is_of_another(held: Mapping[str, Any], key: Key) -> bool:
    """The session bears the mark of another key of ours."""
    marked = (mark(held) or {}).get("key_id", key.id)
    return bool(marked != key.id)


def difference(record: Record, held: Mapping[str, Any]) -> str | None:
    """The difference of the session that Tyk holds from what was granted, as half a sentence; None where it does not."""
    return _other_end(record, held) or _other_rights(record, held) or _other_limits(record, held)


def _other_end(record: Record, held: Mapping[str, Any]) -> str | None:
    assert record.grant is not None, "a key belongs to a grant"
    until, expires = record.grant.until, _number(held.get("expires"))
    if until is None and expires > 0:
        return "Tyk holds an end for a key that was granted without one"
    if until is not None and expires != int(until.timestamp()):
        return "Tyk holds another end than was granted"
    return None


def _other_rights(record: Record, held: Mapping[str, Any]) -> str | None:
    rights = held.get("access_rights") or {}
    granted = {api.api_id: api.versions for api in opened(record)}
    if not isinstance(rights, Mapping) or not rights.keys() <= granted.keys():
        return "Tyk lets the key open more than was granted"
    if held.get("is_inactive"):
        return "Tyk holds the key as inactive, so it opens nothing"
    if record.request.plan.tyk_policies:  # they bring rights of their own
        return None
    if held.get("apply_policies") or held.get("apply_policy_id"):
        return "Tyk applies policies to the key that nobody granted"
    if any(not _within(right, granted[api_id]) for api_id, right in rights.items()):
        return "Tyk lets the key open other versions than were granted"
    return None if rights.keys() == granted.keys() else "Tyk lets the key open less than was granted"


def _within(right: Any, versions: tuple[str, ...]) -> bool:
    """The right names no other versions."""
    named = (right.get("versions") if isinstance(right, Mapping) else None) or ()
    return isinstance(named, list | tuple) and all(one in versions for one in named)


def _other_limits(record: Record, held: Mapping[str, Any]) -> str | None:
    """The difference in limits, None where there is none. A plan's Tyk policies limit by themselves: they are compared elsewhere.

    A Gateway of 5.12 or later leaves out what is zero; an older Dashboard may write a whole number as a float.
    """
    plan = record.request.plan
    if plan.tyk_policies:
        return None
    if any(_limits(right) for right in (held.get("access_rights") or {}).values()):
        return "Tyk holds limits of one API alone, which nobody granted"
    granted = plan.limits
    if (_number(held.get("rate")), _number(held.get("per"))) != (granted.rate, granted.per):
        return "Tyk holds another rate than was granted"
    if _quota(held.get("quota_max"), held.get("quota_renewal_rate")) != _quota(
        granted.quota_max, granted.quota_renewal_rate
    ):
        return "Tyk holds another quota than was granted"
    return None


def _limits(right: Any) -> bool:
    """The right has a rate or a quota of its own, beside which the key's own say nothing."""
    limit = right.get("limit") if isinstance(right, Mapping) else None
    return isinstance(limit, Mapping) and any(_number(limit.get(name)) > 0 for name in ("rate", "quota_max"))


def _quota(most: Any, renewed: Any) -> tuple[float, float] | None:
    """None for no quota, which is written -1 or 0 and then is renewed in vain."""
    return (_number(most), _number(renewed)) if _number(most) > 0 else None


def _number(said: Any) -> float:
    """The number that Tyk says, 0 where it says none; what is no number is one that nobody grants."""
    return said if isinstance(said, int | float) and not isinstance(said, bool) else 0 if said is None else math.inf


def _right(api: ApiRef) -> dict[str, Any]:
    return {"api_id": api.api_id, "api_name": api.api_name, "versions": list(api.versions)}


def _alias(record: Record, alias: Alias) -> str:
    request = record.request
    parts = [request.label]
    if alias is not Alias.NUMBER:
        parts.append(request.requester_name)
    if alias is Alias.SERVICE:
        parts.append(request.answers.used_by)
    return " · ".join(part for part in parts if part)
