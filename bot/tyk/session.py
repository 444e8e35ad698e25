"""The session object: what Tyk is told of a key. Its source is Tyk's own tutorial, field by field; all times are Unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from bot.core.model import ApiRef, Key, Record

NEVER = -1
MARK = "tyk-key-bot"


def session(record: Record, key: Key, expires_at: datetime | None, now: datetime) -> dict[str, Any]:
    """The whole object, without Tyk policies: those would override the expiry of a key that does not exist yet."""
    request = record.request
    limits = request.plan.limits
    return {
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
        "tags": [MARK, request.label],
        "alias": _alias(record),
    }


def confirmed_session(record: Record, key: Key, now: datetime) -> dict[str, Any]:
    """The final object: the grant's own end, and the plan's Tyk policies where it names any."""
    assert record.grant is not None, "a key belongs to a grant"
    final = session(record, key, record.grant.until, now)
    if record.request.plan.tyk_policies:
        final["apply_policies"] = list(record.request.plan.tyk_policies)
    return final


def opened(record: Record) -> tuple[ApiRef, ...]:
    """Every API the key may open: the one that was asked for, and those its plan lists beside it."""
    return (record.request.rule.api, *record.request.plan.also_opens)


def difference(record: Record, held: Mapping[str, Any]) -> str | None:
    """The difference of the session that Tyk holds from what was granted, as half a sentence; None where it does not."""
    assert record.grant is not None, "a key belongs to a grant"
    until = record.grant.until
    expires = held.get("expires", 0) or 0
    if until is None and expires > 0:
        return "Tyk holds an end for a key that was granted without one"
    if until is not None and expires != int(until.timestamp()):
        return "Tyk holds another end than was granted"
    rights = held.get("access_rights") or {}
    granted = {api.api_id for api in opened(record)}
    if not set(rights) <= granted:
        return "Tyk lets the key open more than was granted"
    if not record.request.plan.tyk_policies and set(rights) != granted:
        return "Tyk lets the key open less than was granted"
    return None


def _right(api: ApiRef) -> dict[str, Any]:
    return {"api_id": api.api_id, "api_name": api.api_name, "versions": list(api.versions)}


def _alias(record: Record) -> str:
    request = record.request
    return " · ".join(part for part in (request.label, request.requester_name, request.used_by) if part)
