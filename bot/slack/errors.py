"""Slack's error codes as Faults, named by what they mean for a promise; they carry nothing of the request."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from bot.core.faults import Fault, Gone, OutcomeUnknown, Permanent, Transient, Undeliverable
from bot.core.limits import line
from bot.core.outages import REFUSES_TOKEN

# A code that is in none of these tables is Transient: an operator can mend it
# or it passes by itself, and what is tried again and told of loses nothing.
_GONE = frozenset(
    {
        "message_not_found",
        "edit_window_closed",
        "cant_update_message",
        "expired_trigger_id",
        "exchanged_trigger_id",
        "invalid_trigger_id",
        "not_found",  # views.update: the person closed it
    }
)
_UNDELIVERABLE = frozenset({"user_disabled", "user_not_found", "user_not_visible", "cannot_dm_bot"})
_UNKNOWN = frozenset({"internal_error", "fatal_error"})  # Slack: "some aspect of the operation" may have succeeded
_DEFINITE = frozenset(
    {
        "as_user_not_supported",
        "attachment_payload_limit_exceeded",
        "block_mismatch",
        "cannot_reply_to_message",
        "cant_delete_message",
        "deprecated_endpoint",
        "duplicate_external_id",
        "hash_conflict",
        "insecure_request",
        "invalid_arg_name",
        "invalid_arguments",
        "invalid_array_arg",
        "invalid_attachments",
        "invalid_blocks",
        "invalid_blocks_format",
        "invalid_charset",
        "invalid_cursor",
        "invalid_form_data",
        "invalid_json",
        "invalid_limit",
        "invalid_metadata_format",
        "invalid_metadata_schema",
        "invalid_post_type",
        "invalid_user_combination",
        "json_not_object",
        "markdown_text_conflict",
        "metadata_too_large",
        "method_deprecated",
        "method_not_supported_for_channel_type",
        "missing_argument",
        "missing_post_type",
        "msg_blocks_too_long",
        "msg_too_long",
        "no_text",
        "not_enough_users",
        "push_limit_reached",
        "too_many_attachments",
        "too_many_users",
        "unknown_method",
        "users_list_not_supplied",
        "view_too_large",
    }
)
_RATE_LIMITED = frozenset({"ratelimited", "rate_limited"})
NO_WAY = frozenset({"unreachable", "no_such_host", "proxy_failed", "tls_failed"})
"""No connection came about: nothing was sent."""
_NEARLY_FOR_EVER = 1e9
"""Seconds: longer than anybody waits, and still a time that can be reckoned with."""


class CannotSay(Transient):
    """Slack did not answer, or not in a way that can be relied on: a no where a person waits, a retry elsewhere."""

    @classmethod
    def of(cls, fault: Fault) -> CannotSay:
        return cls(fault.code, fault.text, retry_after=fault.retry_after, method=fault.method)


def outcome(fault: Fault) -> str:
    """The outcome of a call that met this fault, for a metric: one of few words."""
    code = fault.code
    if code in {"timeout", "connection_lost", "unreadable"}:
        return code
    if code in NO_WAY:
        return "unreachable"
    if code.startswith("http_"):
        return "unavailable" if isinstance(fault, OutcomeUnknown) else "unreadable"
    if code in _UNKNOWN or code == "service_unavailable":
        return "unavailable"
    if code in REFUSES_TOKEN:
        return "unauthorized"
    return "ratelimited" if code == "ratelimited" else "refused"


def refused(method: str, response: Any, sent: Mapping[str, Any]) -> Fault:
    """The Fault that an answer without `ok` means. `response` is slack_sdk's, or aiohttp's own where the body was no JSON."""
    status: Any = getattr(response, "status_code", None) or getattr(response, "status", 0)
    body = getattr(response, "data", None)
    data: dict[str, Any] = body if isinstance(body, dict) else {}
    code = data.get("error")
    if not isinstance(code, str) or not re.fullmatch(r"[a-z0-9_.\-]{1,64}", code):
        code = None
    if status == 429 or code in _RATE_LIMITED:
        wish = _seconds(response.headers.get("Retry-After"), datetime.now(UTC))
        return Transient("ratelimited", f"{method} is called too often", retry_after=wish, method=method)
    if status >= 500:
        return OutcomeUnknown(f"http_{status}", f"{method} met a failing Slack")
    if code is None:
        if status == 200:
            return OutcomeUnknown("unreadable", f"{method} got an answer that is not Slack's")
        return Transient(f"http_{status}", f"{method} got an answer that is not Slack's")
    complaints = _complaints(data, sent)
    text = f"{method}: {complaints}" if complaints else ""  # the sentence behind the code says more than the method
    if "trigger_id" in complaints and "expired" in complaints:  # how Slack says expired_trigger_id at times
        return Gone("expired_trigger_id", text)
    kinds: tuple[tuple[frozenset[str], type[Fault]], ...] = (
        (_GONE, Gone),
        (_UNDELIVERABLE, Undeliverable),
        (_UNKNOWN, OutcomeUnknown),
        (_DEFINITE, Permanent),
    )
    return next((kind for codes, kind in kinds if code in codes), Transient)(code, text)


def _seconds(header: str | None, now: datetime) -> float | None:
    """The wait that a Retry-After asks for, a number or a date. How much of it is granted, `backoff` says."""
    try:
        seconds = float(header or "")
    except ValueError:
        seconds = _until(header or "", now)
    return None if math.isnan(seconds) else min(max(seconds, 0.0), _NEARLY_FOR_EVER)


def _until(date: str, now: datetime) -> float:
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, IndexError, OverflowError):
        return math.nan
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now.timestamp()


def _complaints(data: Mapping[str, Any], sent: Mapping[str, Any]) -> str:
    """Slack's complaints, and where they are about. Words that it quotes from what we sent are struck out."""
    metadata = data.get("response_metadata")
    said = [
        line(one, 3000)
        for listed in (metadata.get("messages") if isinstance(metadata, dict) else None, data.get("errors"))
        if isinstance(listed, list)
        for one in listed
    ]
    said += [
        f"{name} {line(data[name], 300)}" for name in ("needed", "provided") if isinstance(data.get(name), str)
    ]  # missing_scope
    ours = list(_values(sent))

    def strike(found: re.Match[str]) -> str:
        word = found[0]
        is_plain = word.isalpha() and word.islower()
        quoted = word.strip(".:=-")
        return "…" if not is_plain and any(quoted in value for value in ours) else word

    return "; ".join(
        re.sub(r"[\w+/=.:\-]{6,}", strike, one)[:300] for one in list(dict.fromkeys(filter(None, said)))[:5]
    )


def _values(sent: Any, name: str = "") -> Iterator[str]:
    """Every text in a request, but for what names a part of it."""
    if isinstance(sent, str) and name not in {"type", "block_id", "action_id"}:
        yield sent
    elif isinstance(sent, dict):
        for key, value in sent.items():
            yield from _values(value, key)
    elif isinstance(sent, list):
        for value in sent:
            yield from _values(value)
