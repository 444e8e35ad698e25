"""Outages: the causes for which promises fail, who can mend them, and when that is said.

An outage is one cause, not one request: two hundred requests that wait for a dead Tyk are one outage. It begins with the first
promise that fails for its cause, and is over when none does any more. Here is what each code means; nothing here looks or tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bot.core.model import EffectKind

TELL_AFTER = timedelta(minutes=10)
"""The time for which something that may pass by itself can fail before people are told."""

MANY = 1000
"""The number up to which failing promises are counted."""

LONGEST_PLACE = 48
"""An entry of the configuration is named so far: an outage's name has room for no more."""

DIRECT = "direct messages"
"""The place of what is sent to people: one outage, whoever they are."""


class Side(StrEnum):
    """The side that does not do its part."""

    TYK = "Tyk"
    SLACK = "Slack"
    OURS = "ours"


@dataclass(frozen=True)
class Cause:
    """A reason for which promises fail.

    `sentence` says to whoever runs the bot what is wrong and what to do. `passes`: it may pass by itself, so it is said after
    TELL_AFTER, else at once. `by_place`: each channel, or entry of the configuration, has it by itself.
    """

    name: str
    side: Side
    sentence: str
    passes: bool = True
    by_place: bool = False

    @property
    def what(self) -> str:
        """The sentence without what to do."""
        return f"{self.sentence.partition('. ')[0].rstrip('.')}."


def _tyk(name: str, sentence: str, *, passes: bool = True) -> Cause:
    return Cause(name, Side.TYK, sentence, passes)


def _slack(name: str, sentence: str, *, passes: bool = False) -> Cause:
    return Cause(name, Side.SLACK, sentence, passes)


def _channel(name: str, sentence: str) -> Cause:
    return Cause(name, Side.SLACK, sentence, passes=False, by_place=True)


TYK_AWAY = _tyk(
    "tyk_away", "Tyk isn't answering. Check that the Dashboard and its Gateway run, and that I can reach them."
)
NOT_TYK = _tyk(
    "tyk_not_tyk", "Something other than Tyk answers at the Dashboard's address. Check that address and the proxy."
)
ODD_TYK = _tyk(
    "tyk_odd_answer",
    "What answers at the Dashboard's address doesn't know what I ask for. Check that the address is the Dashboard's, not the "
    "Gateway's, and the Dashboard's version.",
)
SLACK_AWAY = _slack(
    "slack_away",
    "Slack isn't answering as it should. See status.slack.com, and check that I can reach slack.com.",
    passes=True,
)
SLACK_TOKEN = _slack(
    "slack_token",
    "Slack doesn't accept SLACK_BOT_TOKEN any more. Install the app again, set the token that it shows, and restart me.",
)
UNDECIDABLE = Cause(
    "undecidable",
    Side.OURS,
    "What waits can't be approved now: too few people are left who may, or its rules have changed (`tyk-key-bot requests` says "
    "which). Its requesters can withdraw it and ask again, and `tyk-key-bot deny` ends it; or change `approvers` or the other "
    "rules back, or who is in the user group.",
    passes=False,
    by_place=True,
)
REPLICAS_DIFFER = Cause(
    "replicas_differ",
    Side.OURS,
    "My replicas run with different configurations: what one of them allows another one refuses. Start each with the same "
    "configuration.",
)
UNREADABLE = Cause(
    "record_unreadable",
    Side.OURS,
    "A request can't be read from the database: somebody changed it by hand, or its file is damaged. The log says which: "
    "`record.unreadable`. Restore it from a backup.",
    passes=False,
)
COLLECTOR_AWAY = Cause(
    "forward_away",
    Side.OURS,
    "It doesn't answer. Check that it runs, and that I can reach it; what waits goes there when it does.",
    by_place=True,
)
COLLECTOR_REFUSES = Cause(
    "forward_refused",
    Side.OURS,
    "It refuses what I send. Check its address and format under `audit` in the configuration, and AUDIT_FORWARD_TOKEN.",
    passes=False,
    by_place=True,
)
FILE_FAILS = Cause(
    "forward_file",
    Side.OURS,
    "I can't write to that file. Check the space on its disk, its folder, and who may write there.",
    passes=False,
    by_place=True,
)
FORWARDING = frozenset({COLLECTOR_AWAY, COLLECTOR_REFUSES, FILE_FAILS})
"""Causes for which rows of the audit don't arrive where they are forwarded to."""

OUT_OF_TIME = "deadline"

_ALONE = (
    _tyk(
        "tyk_401",
        "Tyk doesn't accept TYK_DASHBOARD_KEY, or its licence has expired. Renew whichever it is; I read the key at start.",
        passes=False,
    ),
    _tyk(
        "tyk_403",
        "Tyk's Dashboard user behind TYK_DASHBOARD_KEY lacks a permission. It needs keys (write), APIs and policies (read).",
        passes=False,
    ),
    NOT_TYK,
    ODD_TYK,
    _tyk(
        "tyk_tls",
        "No secure connection to Tyk's Dashboard comes about. Look whether its certificate has expired; where a company's own "
        "authority signs it, SSL_CERT_FILE has to name that.",
    ),
    _tyk("tyk_429", "Tyk asks to be called less often. Raise its limit, or lower `tyk.at_once`."),
    _tyk("tyk_quota", "Tyk says that its own quota is used up. Check the Dashboard's licence and limits."),
    _tyk(
        "tyk_elsewhere",
        "Tyk knows neither a key that I made nor any API that it opens. Check that TYK_DASHBOARD_KEY and the Dashboard's address "
        "are of the organisation that has them.",
        passes=False,
    ),
    _tyk("tyk_key_still_there", "Tyk says that it deleted a key and still has it. Delete it in the Dashboard."),
    _slack("ratelimited", "Slack asks me to call less often. It goes on by itself, more slowly.", passes=True),
    _slack(
        "missing_scope",
        "My Slack app lacks a scope. Install it again with the manifest that `tyk-key-bot manifest` prints.",
    ),
    _slack(
        "messages_tab_disabled",
        "My Slack app may not send direct messages. Switch on its Messages Tab, under App Home in the app's settings.",
    ),
    _slack("ekm_access_denied", "Your Slack administrators have suspended writing (EKM). Ask them to allow it again."),
    _slack(
        "org_login_required", "Your Slack workspace is being moved. It goes on when Slack has finished.", passes=True
    ),
    _slack(
        "team_access_not_granted",
        "My Slack app isn't approved for this workspace. A Slack administrator can approve it.",
    ),
    _channel("restricted_action", "Only some people may post there. Let my app post, in the channel's settings."),
    _channel("restricted_action_read_only_channel", "It is read-only. Let my app post, in the channel's settings."),
    _channel("restricted_action_non_threadable_channel", "It takes no replies. Allow them, in the channel's settings."),
    _channel("is_archived", "It is archived. Unarchive it, or name another channel in the configuration."),
    _channel(
        "shared_outside", "Another company can read it. Keep it to yours, or name another channel in the configuration."
    ),
    _channel("not_in_channel", "I'm not in it. Invite me there."),
    _channel("channel_not_found", "I can't see it. If it is private, invite me; if it is gone, name another."),
    _channel("no_permission", "My app may not post there. Let it post, in the channel's settings."),
)

REFUSES_TOKEN = (
    "token_revoked",
    "account_inactive",
    "invalid_auth",
    "not_authed",
    "not_allowed_token_type",
    "token_expired",
)
"""Slack does not accept the token itself. `invalid_auth` can also mean that it does not accept this machine's address."""

_SAME = {
    **dict.fromkeys(
        (
            "tyk_unreachable",
            "tyk_timeout",
            "tyk_broken",
            "tyk_gateway",
            "tyk_gateway_lost",
            "tyk_empty",
            "tyk_not_json",
            "tyk_408",
        ),
        TYK_AWAY,
    ),
    "tyk_404": ODD_TYK,
    **dict.fromkeys(
        (
            "unreachable",
            "no_such_host",
            "proxy_failed",
            "tls_failed",
            "timeout",
            "connection_lost",
            "unreadable",
            "service_unavailable",
            "internal_error",
            "fatal_error",
        ),
        SLACK_AWAY,
    ),
    **dict.fromkeys(REFUSES_TOKEN, SLACK_TOKEN),
}
_CAUSES = {
    cause.name: cause
    for cause in (*_ALONE, TYK_AWAY, SLACK_AWAY, SLACK_TOKEN, UNDECIDABLE, REPLICAS_DIFFER, UNREADABLE, *FORWARDING)
} | _SAME

SEAL_LOST = "seal_key_lost"
SEALED = (
    "None of SEAL_KEYS opens a token that is sealed in the database. Add the key it was sealed with, restart me, and run "
    "`tyk-key-bot retry`."
)

_BY_BEGINNING: tuple[tuple[str, Callable[[str], Cause]], ...] = (
    ("tyk_5", lambda _code: TYK_AWAY),
    ("http_5", lambda _code: SLACK_AWAY),
    ("bug_", lambda code: Cause(code, Side.OURS, "I ran into a fault of my own. The log says where: `effect.bug`.")),
    ("tyk_", lambda code: _tyk(code, "Tyk answers in a way that I didn't expect.")),
    ("", lambda code: _slack(code, "Slack answers in a way that I didn't expect.", passes=True)),
)
"""The causes of codes that are no words of their own, by how they begin."""

_AT_TYK = frozenset(
    {
        EffectKind.ISSUE_KEY,
        EffectKind.CONFIRM_KEY,
        EffectKind.VERIFY_KEY,
        EffectKind.EXTEND_GRANT,
        EffectKind.REVOKE_KEY,
        EffectKind.RECONCILE,
    }
)


def cause_of(kind: EffectKind, code: str) -> Cause:
    """The cause behind a code; one that nobody has written down is its own, and may pass by itself."""
    if code == OUT_OF_TIME and kind is EffectKind.FORWARD_AUDIT:
        return COLLECTOR_AWAY
    if code == OUT_OF_TIME:
        return TYK_AWAY if kind in _AT_TYK else SLACK_AWAY
    return _CAUSES.get(code) or next(cause(code) for begins, cause in _BY_BEGINNING if code.startswith(begins))


def sentence(kind: EffectKind, code: str) -> str:
    """The sentence behind a code, for whoever runs the bot."""
    cause = cause_of(kind, code)
    is_of_channel = cause.by_place and cause.side is Side.SLACK
    return f"I can't post where this belongs. {cause.sentence}" if is_of_channel else cause.sentence


@dataclass(frozen=True)
class Failing:
    """A promise that is open and has failed, or a request that waits in vain. `place` is the channel or person that it is for,
    where it is for one, or the entry of the configuration."""

    kind: EffectKind
    code: str
    place: str | None
    request_id: str | None
    since: datetime


@dataclass(frozen=True)
class Outage:
    """A cause for which promises fail, in one place where each has it by itself; `waiting` counts the requests that wait."""

    cause: Cause
    place: str
    since: datetime
    waiting: int = 0
    kinds: frozenset[EffectKind] = frozenset()

    @property
    def key(self) -> str:
        """Its name in the store."""
        return f"{self.cause.name} {self.place}".strip()

    @property
    def said(self) -> str:
        """The sentence with the place, and with what to do."""
        return f"{self.where()}{self.cause.sentence}"

    def where(self, text: Callable[[str], str] = str, channel: Callable[[str], str] = str) -> str:
        """A beginning for what is said of it. `text` and `channel` write a name as its reader is to see it."""
        if not self.place:
            return ""
        if self.cause is UNDECIDABLE:
            return f"{text(self.place)}: "
        if self.cause in FORWARDING:
            to, _, named = self.place.rpartition(":")[0].partition(":")
            return f"I can't forward the audit to {text(named)} ({to}). "
        return f"I can't post in {channel(self.place) if self.place[0] in 'CG' else self.place}. "

    def is_told(self, now: datetime) -> bool:
        """True where it is time to say so."""
        return not self.cause.passes or now - self.since >= TELL_AFTER


def outages(failing: Iterable[Failing]) -> dict[str, Outage]:
    """The outages behind these failures, by their names in the store."""
    grouped: dict[tuple[str, str], list[Failing]] = {}
    causes: dict[str, Cause] = {}
    for one in failing:
        cause = cause_of(one.kind, one.code)
        causes[cause.name] = cause
        grouped.setdefault((cause.name, _place(cause, one.place) if cause.by_place else ""), []).append(one)
    found = [
        Outage(
            causes[name],
            place,
            min(one.since for one in members),
            len({one.request_id for one in members if one.request_id is not None}),
            frozenset(one.kind for one in members),
        )
        for (name, place), members in grouped.items()
    ]
    return {outage.key: outage for outage in found}


def named(key: str, since: datetime) -> Outage:
    """An outage that nothing fails for any more, by its name in the store."""
    name, _, place = key.partition(" ")
    cause = _CAUSES.get(name) or cause_of(
        EffectKind.ISSUE_KEY if name.startswith("tyk_") else EffectKind.POST_AUDIT, name
    )
    return Outage(cause, place, since)


def _place(cause: Cause, place: str | None) -> str:
    if not place:
        return ""
    if cause is UNDECIDABLE:
        return place[:LONGEST_PLACE]
    return DIRECT if place[0] in "DUW" else place
