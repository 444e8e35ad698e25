"""A rulebook in plain JSON values, to be kept and compared with a later one. Pure.

An entry has what differs from `usual`: of ten thousand entries most say little of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from enum import StrEnum
from operator import attrgetter
from typing import Any

from bot.core.model import Audience, Plan, ReasonPattern, Rule, Rulebook

Snapshot = Mapping[str, Any]
"""`digest`, `usual`, `apis` by name, `auditors`, and the `settings` of the whole file. An older version kept less."""

EVERYONE = "everyone"


class What(StrEnum):
    """The thing that changed: a key of the file, wherever there is one.

    `entry` and `plan` came or went, a plan of another `plan_name` has all else alike. What has a dot is of the whole file.
    """

    ENTRY = "entry"
    OUT_OF_FORCE = "out_of_force"
    API_ID = "api_id"
    API_NAME = "api_name"
    VERSIONS = "versions"
    REQUESTERS = "requesters"
    APPROVALS = "approvals"
    APPROVERS = "approvers"
    ALSO_MAY_APPROVE = "also_may_approve"
    PLAN = "plan"
    PLAN_NAME = "plan_name"
    LIMITS = "limits"
    TYK_POLICIES = "tyk_policies"
    ALSO_OPENS = "also_opens"
    LIFETIMES = "lifetimes"
    MAX_ACTIVE = "max_active"
    MAX_TOTAL = "max_total"
    REVIEW_EVERY = "review_every"
    REASON = "reason"
    REASON_PATTERN = "reason_pattern"
    REASON_LINK = "reason_link"
    LAPSES_AFTER = "request_lapses_after"
    HIDE_AFTER = "hide_token_after"
    APPROVALS_CHANNEL = "approvals_channel"
    TITLE = "title"
    DESCRIPTION = "description"
    DOCS = "docs"
    WARNING = "warning"
    LISTEN_PATH = "listen_path"
    AUTH_HEADER = "auth_header"
    GATEWAY_URL = "gateway_url"
    AUDITORS = "auditors"
    COMMAND = "slack.command"
    AUDIT_CHANNEL = "slack.audit_channel"
    HELP_CHANNEL = "slack.help_channel"
    DASHBOARD_URL = "tyk.dashboard_url"
    KEYS_BY = "tyk.keys_by"
    ALIAS = "tyk.alias"
    AT_ONCE = "tyk.at_once"
    FORWARD = "audit.forward"
    KEPT_FOR = "audit.keep_finished_for"


def of(rulebook: Rulebook, settings: Mapping[str, Any] | None = None) -> Snapshot:
    """The rulebook as it is kept. `settings` are those of the whole file, by `What`."""
    rules = list(rulebook.rules.values())
    usual, apis = dict[str, Any](), {rule.name: dict[str, Any]() for rule in rules}
    for key, (get, plain) in _PARTS.items() if rules else ():
        values = [get(rule) for rule in rules]
        common = _commonest(values)
        usual[key] = plain(common)
        for entry, value in zip(apis.values(), values, strict=True):
            if value is not common and value != common:
                entry[key] = plain(value)
    return {
        "digest": rulebook.digest,
        "usual": usual,
        "apis": apis,
        "auditors": _ids(rulebook.auditors),
        "settings": dict(settings or {}),
    }


def entry(kept: Snapshot, name: str) -> dict[str, Any] | None:
    """All that was kept of an entry, None where there was none. Every key is there, also where it says nothing: one that is not
    there was not kept."""
    own = kept["apis"].get(name)
    return None if own is None else {**kept.get("usual", {}), **own}


def _commonest(values: Sequence[Any]) -> Any:
    """Equal values of a file are mostly one object, so that these are counted."""
    ((found, _times),) = Counter(map(id, values)).most_common(1)
    return next(value for value in values if id(value) == found)


def _as_it_is(value: Any) -> Any:
    return value


def _or_none(text: str) -> str | None:
    return text or None


def _reason(required: bool) -> str:
    return "required" if required else "optional"


def _pattern(pattern: ReasonPattern | None) -> list[str] | None:
    return [pattern.pattern, pattern.says] if pattern else None


def _link(pattern: ReasonPattern | None) -> str | None:
    return (pattern.link if pattern else "") or None


def _ids(audience: Audience) -> list[str]:
    return [EVERYONE] * audience.everyone + sorted(audience.groups | audience.users | audience.channels)


def _seconds(span: timedelta | None) -> int | None:
    return None if span is None else int(span.total_seconds())


def _plans(plans: Sequence[Plan]) -> dict[str, Any]:
    return {plan.name: _plan(plan) for plan in plans}


def _plan(plan: Plan) -> dict[str, Any]:
    """`requesters` are those of each API that it opens besides: who asks must be in all. `approvals` is the most one asks for."""
    return {
        What.LIMITS: asdict(plan.limits),
        What.TYK_POLICIES: sorted(plan.tyk_policies),
        What.ALSO_OPENS: sorted(api.entry for api in plan.also_opens),
        What.REQUESTERS: sorted(map(_ids, plan.requesters)),
        What.APPROVALS: plan.approvals,
    }


_PARTS: Mapping[str, tuple[Callable[[Rule], Any], Callable[[Any], Any]]] = {
    What.OUT_OF_FORCE: (attrgetter("out_of_force"), _as_it_is),
    What.API_ID: (attrgetter("api.api_id"), _as_it_is),
    What.API_NAME: (attrgetter("api.api_name"), _as_it_is),
    What.VERSIONS: (attrgetter("api.versions"), sorted),
    What.REQUESTERS: (attrgetter("requesters"), _ids),
    What.APPROVALS: (attrgetter("approvals"), _as_it_is),
    What.APPROVERS: (attrgetter("approvers"), _ids),
    What.ALSO_MAY_APPROVE: (attrgetter("also_may_approve"), _ids),
    What.LIFETIMES: (attrgetter("lifetimes"), lambda spans: [*map(_seconds, spans)]),
    What.MAX_ACTIVE: (attrgetter("max_active"), _as_it_is),
    What.MAX_TOTAL: (attrgetter("max_total"), _seconds),
    What.REVIEW_EVERY: (attrgetter("review_every"), _seconds),
    What.REASON: (attrgetter("reason_required"), _reason),
    What.REASON_PATTERN: (attrgetter("reason_pattern"), _pattern),
    What.REASON_LINK: (attrgetter("reason_pattern"), _link),
    What.LAPSES_AFTER: (attrgetter("lapses_after"), _seconds),
    What.HIDE_AFTER: (attrgetter("hide_token_after"), _seconds),
    What.APPROVALS_CHANNEL: (attrgetter("approvals_channel"), _as_it_is),
    What.TITLE: (attrgetter("title"), _as_it_is),
    What.DESCRIPTION: (attrgetter("description"), _or_none),
    What.DOCS: (attrgetter("docs"), _as_it_is),
    What.WARNING: (attrgetter("warning"), _or_none),
    What.LISTEN_PATH: (attrgetter("listen_path"), _as_it_is),
    What.AUTH_HEADER: (attrgetter("auth_header"), _as_it_is),
    What.GATEWAY_URL: (attrgetter("gateway_url"), _as_it_is),
    "plans": (attrgetter("plans"), _plans),
}
"""What is kept of each rule, and as what."""
