"""The audit as people read it: a line each, in the channel and in a terminal. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, assert_never

from bot.core.model import (
    AuditEvent,
    Identity,
)
from bot.slack import wording
from bot.slack.block_kit import MAX_SECTION, MAX_TEXT, Body, section
from bot.slack.wording import inert


@dataclass(frozen=True)
class AuditRow:
    """A line of the audit. `details` may hold what stands here; whatever is missing is left out.

    asked         person, api, plan, opens (titles), lifetime (seconds, None for no end), used_by, reason, reason_link (text, url)
    refused       person, why, step
    reviewed      verdict, reviewer, counted_by, have, need
    recounted     reviewer, why, have
    approved      rule, rule_digest, need, until (ISO 8601, None for no end)
    denied        reviewer, reason
    key created   key_hash, opens (titles), expires (as until), rule_digest
    stuck         effect, error, effect_id
    delayed       effect, error
    recovered     effect
    revoked       why; key_hash and bears where it is a key at Tyk that was not known
    key deleted   key_hash, bears (the request's number, of a key that was not known)
    key gone      key_hash
    key changed   key_hash, why
    key as granted  key_hash
    key unknown   key_hash, bears, why
    expired       why, where it was not simply its time
    reminded      of (what)
    replaced      why (lost, leaked)
    left          person, why
    returned      person
    renewed       reviewer, counted_by
    retried       effect, effect_id
    restored      effect, effect_id
    resealed      tokens (how many)
    configured    digest, added, removed, approvals_fell, people_changed (names)
    group changed group, handle, added, removed (people), apis (names of entries that it approves for)
    name moved    name, meant, means (ids; means is empty where Slack does not know it any more)

    withdrawn, lapsed, sent and hidden need none. People are user ids. Whatever was done at the command line has `operator` too.
    """

    number: int
    at: datetime
    event: AuditEvent
    request_label: str | None
    actor: Identity | None
    api: str | None
    details: dict[str, Any] = field(default_factory=dict)


def audit(lines: Sequence[AuditRow]) -> tuple[Body, int]:
    """A message with as many leading rows as fit, a line each and in order, and how many they are: at least one of any."""
    said: list[str] = []
    blocks: list[str] = []
    room = MAX_TEXT
    for row in lines:
        line = wording.cut(f"{_line(row, _SLACK)} · {wording.date(row.at)}", MAX_SECTION)
        room -= len(line) + 1
        if said and room < 0:
            break
        said.append(line)
        if blocks and len(blocks[-1]) + 1 + len(line) <= MAX_SECTION:
            blocks[-1] += f"\n{line}"
        else:
            blocks.append(line)
    return Body("\n".join(said), [section(block) for block in blocks]), len(said)


def audit_sentence(row: AuditRow) -> str:
    """The same line in plain words, without its time: for a terminal."""
    return _line(row, _PLAIN)


MAX_PEOPLE = 50


@dataclass(frozen=True)
class _Tongue:
    """A way to write people, times and typed words."""

    person: Callable[[str], str]
    date: Callable[[datetime], str]
    said: Callable[[str, int], str]
    event: Callable[[str], str]
    linked: Callable[[str, str, str], str]


_SLACK = _Tongue(wording.person, wording.date, inert, lambda event: f"*{event}*", wording.linked)
_PLAIN = _Tongue(
    lambda user: f"@{wording.one_line(user, 50)}", wording.utc, wording.one_line, str, lambda said, _text, _url: said
)


def _line(row: AuditRow, tongue: _Tongue) -> str:
    api = row.api or row.details.get("api")
    teller = _Teller(row, tongue)
    parts = [
        f"#{row.number}",
        row.request_label or "",
        tongue.said(str(api), 150) if api else "",
        tongue.event(row.event.value),
        teller.tell(),
        teller.word("operator", "at the command line by "),
    ]
    return " · ".join(part for part in parts if part)


class _Teller:
    """Tells of one row, after its event's word, whatever its details hold."""

    def __init__(self, row: AuditRow, tongue: _Tongue) -> None:
        self.row, self.details, self.tongue = row, row.details, tongue

    def tell(self) -> str:  # noqa: C901, PLR0911, PLR0912 - one case an event
        event = self.row.event
        match event:
            case AuditEvent.ASKED:
                used_by = self.word("used_by", "used by ")
                return self.because(
                    self.all(
                        self.by("person"), self.word("plan"), self.names("opens", "opens"), self.lifetime(), used_by
                    ),
                    "reason",
                    self.details.get("reason_link"),
                )
            case AuditEvent.REFUSED:
                return self.because(
                    self.all(self.by("person", "to"), self.word("step"), self.word("times", "times within the hour: ")),
                    "why",
                )
            case AuditEvent.REVIEWED:
                verdict, own = self.word("verdict"), self.details.get("counted_by") == self.details.get("reviewer")
                counted = "" if own else self.word("counted_by", "counted by ")
                by = " ".join(filter(None, (verdict, self.by("reviewer"))))
                return self.all(by, counted, self.have())
            case AuditEvent.RECOUNTED:
                return self.recounted()
            case AuditEvent.APPROVED:
                by = self.by() or ("without review" if self.details.get("need") == 0 else "")
                return self.all(by, self.end("until", "until"), self.word("rule_digest", "rules ", 16))
            case AuditEvent.DENIED:
                return self.because(self.by("reviewer"), "reason")
            case AuditEvent.WITHDRAWN:
                return self.by()
            case AuditEvent.LAPSED:
                return self.word("why", limit=600) or "nobody decided in time"
            case AuditEvent.KEY_CREATED:
                return self.all(
                    self.word("key_hash"),
                    self.names("opens", "opens"),
                    self.end("expires", "ends"),
                    self.word("rule_digest", "rules ", 16),
                )
            case AuditEvent.SENT:
                return "the requester has the token"
            case AuditEvent.HIDDEN:
                return "the message with the token is gone"
            case AuditEvent.RESTORED:
                return self.because("put aside after a restore", "effect")
            case AuditEvent.RESEALED:
                return self.word("tokens", "tokens: ")
            case AuditEvent.STUCK | AuditEvent.DELAYED | AuditEvent.RECOVERED | AuditEvent.RETRIED:
                effect_id = self.word("effect_id", "effect ")
                told = self.because(self.all(self.word("effect"), effect_id), "error")
                return self.because(told, "why")
            case AuditEvent.REVOKED:
                key = self.all(self.word("key_hash"), self.word("bears", "which bears "))
                return self.because(self.all(self.by(), key), "why")
            case AuditEvent.EXPIRED:
                return self.word("why", limit=600) or "its time was over"
            case AuditEvent.REMINDED:
                return self.word("of")
            case AuditEvent.REPLACED:
                return self.because(self.by(), "why")
            case AuditEvent.LEFT:
                return self.because(self.by("person", ""), "why")
            case AuditEvent.RETURNED:
                return self.by("person", "")
            case AuditEvent.RENEWED:
                return self.all(self.by("reviewer"), self.word("counted_by", "counted by "))
            case AuditEvent.KEY_DELETED | AuditEvent.KEY_GONE | AuditEvent.KEY_AS_GRANTED:
                return self.all(self.word("key_hash"), self.word("bears", "which bears "))
            case AuditEvent.KEY_CHANGED | AuditEvent.KEY_UNKNOWN:
                return self.because(self.all(self.word("key_hash"), self.word("bears", "which bears ")), "why")
            case AuditEvent.CONFIGURED:
                return self.configured()
            case AuditEvent.GROUP_CHANGED:
                return self.group_changed()
            case AuditEvent.NAME_ACCEPTED:
                return self.all(self.word("name"), self.word("meant", "no longer "))
            case _:
                assert_never(event)

    def recounted(self) -> str:
        return self.because(f"{self.by('reviewer', 'the approval of')} no longer counts", "why")

    def group_changed(self) -> str:
        group = self.word("handle", "@") or self.word("group")  # in words: a mention would ring the whole group
        return self.all(group, self.people("added"), self.people("removed"), self.names("apis", "approves for"))

    def people(self, key: str) -> str:
        value = self.details.get(key)
        users = [self.tongue.person(str(user)) for user in value] if isinstance(value, list | tuple) else []
        shown = users[:MAX_PEOPLE] + [f"{len(users) - MAX_PEOPLE} more"] * (len(users) > MAX_PEOPLE)
        return f"{key} {wording.people(shown)}" if shown else ""

    def configured(self) -> str:
        names = {
            "added": "added",
            "removed": "removed",
            "approvals_fell": "fewer approvals for",
            "people_changed": "other people for",
        }
        told = [self.names(key, before) for key, before in names.items()]
        return self.all(self.word("digest", "rules ", 16), *told)

    @staticmethod
    def all(*parts: str) -> str:
        return ", ".join(part for part in parts if part)

    def because(self, told: str, key: str, link: Mapping[str, str] | None = None) -> str:
        why = self.word(key, limit=600)
        why = self.tongue.linked(why, link["text"], link["url"]) if why and link else why
        return ": ".join(part for part in (told, why) if part)

    def word(self, key: str, before: str = "", limit: int = 150) -> str:
        value = self.details.get(key)
        if value is None or value == "":
            return ""
        return f"{before}{self.tongue.said(wording.without_markup(str(value)), limit)}"

    def names(self, key: str, before: str) -> str:
        value = self.details.get(key)
        values = [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)] if value else []
        return f"{before} {self.tongue.said(', '.join(values), 400)}" if values else ""

    def by(self, key: str = "", before: str = "by") -> str:
        user = self.details.get(key) or (self.row.actor.user_id if self.row.actor else None)
        return f"{before} {self.tongue.person(str(user))}".strip() if user else ""

    def have(self) -> str:
        have, need = self.word("have"), self.word("need")
        return f"{have} of {need}" if have and need else have

    def end(self, key: str, before: str) -> str:
        if key not in self.details:
            return ""
        value = self.details[key]
        if value is None:
            return "no end"
        try:
            return f"{before} {self.tongue.date(datetime.fromisoformat(str(value)))}"
        except (ValueError, OverflowError):
            return self.word(key, f"{before} ")

    def lifetime(self) -> str:
        if "lifetime" not in self.details:
            return ""
        value = self.details["lifetime"]
        if value is None:
            return "no end"
        try:
            return wording.duration(timedelta(seconds=value))
        except (TypeError, ValueError, OverflowError):
            return self.word("lifetime")
