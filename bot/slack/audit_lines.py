"""The audit as people read it: a line each, in the channel and in a terminal. Pure.

A line names people and APIs in words, and mentions nobody: the channel's readers look at it, none of them is called. The row in
the database keeps the ids.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, assert_never

from bot.core import changes, outages
from bot.core.audit import AuditEntry, Called, Reading, mentioned
from bot.core.chain import Head
from bot.core.model import AuditEvent, EffectKind, Identity, Topic
from bot.slack import rule_changes, wording
from bot.slack.block_kit import MAX_SECTION, MAX_TEXT, Block, Body, context, section
from bot.slack.wording import inert


@dataclass(frozen=True)
class AuditRow:
    """A line of the audit. `details` may hold what stands here; whatever is missing is left out.

    asked         person, api, plan, opens (titles), lifetime (seconds, None for no end), used_by, reason,
                  reason_link (text, url), extends (the number of a request)
    refused       person, why, step, times
    reviewed      verdict, reviewer, counted_by, have, need, reason (of a yes); and, where it is to less, plan, lifetime,
                  asked_plan, asked_lifetime (what was asked for)
    question asked     question
    question answered  question, answer
    recounted     reviewer, why, have
    approved      rule, rule_digest, need, approvers, until (ISO 8601, None for no end); where less is given: as reviewed
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
    extended      by (the number of the request), plan (where it is another), opens (titles), until (as approved), rule_digest
    left          person, why
    returned      person
    renewed       reviewer, counted_by
    retried       effect, effect_id
    restored      effect, effect_id
    resealed      tokens (how many)
    looked        person, about (whose tokens, where it was not an API's), page
    configured    digest, added, removed (names of entries), changes, left_out, part and parts (as `core.changes` says); an
                  older version wrote approvals_fell, people_changed (names), auditors
    group changed group, handle, added, removed (people), apis (names of entries that it approves for), audits
    name moved    name, meant, means (ids; means is empty where Slack does not know it any more)
    chained       key (its id), why (where it is not the first one)
    erased        requests and texts (how many), person, or first and last (numbers of requests) and why

    withdrawn, lapsed, sent, hidden and in use need none. People are user ids. Whatever was done at the command line has
    `operator` too.

    `link` ties the row to the one before. `api` is what people call it, `holder` the name of whoever asked, `card` where the
    request's card is; `names` are those of people and user groups, by their ids, and `title_of` says what an entry of the
    configuration is called.
    """

    number: int
    at: datetime
    event: AuditEvent
    request_label: str | None
    actor: Identity | None
    api: str | None
    details: dict[str, Any] = field(default_factory=dict)
    holder: str = ""
    card: tuple[str, str] | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    title_of: Callable[[str], str] = str
    link: str = ""


_UNKNOWN = Called("", "")


def rows_of(reading: Reading, title_of: Callable[[str], str] = str) -> list[AuditRow]:
    """The rows, each with the words for what it names."""
    return [_row_of(entry, reading, title_of) for entry in reading.entries]


def _row_of(entry: AuditEntry, reading: Reading, title_of: Callable[[str], str]) -> AuditRow:
    called = reading.requests.get(entry.request_id or "", _UNKNOWN)
    return AuditRow(
        entry.number,
        entry.at,
        entry.event,
        None if entry.request_number is None else f"R-{entry.request_number}",
        entry.actor,
        called.title or (title_of(entry.api) if entry.api else None),
        entry.details,
        _holder(entry, reading, called),
        called.card,
        reading.names,
        title_of,
        entry.link,
    )


def _holder(entry: AuditEntry, reading: Reading, called: Called) -> str:
    """By their real name, where that is known, as everybody else in the line is."""
    return reading.names.get(entry.person.user_id, called.holder) if entry.person and called.holder else called.holder


def audit(lines: Sequence[AuditRow], workspace: str = "") -> tuple[Body, int]:
    """A message with as many leading rows as fit, a line each and in order, and how many they are: at least one of any.

    `workspace` is where Slack is read: in a block, a request's number leads to its card there.
    """
    said: list[str] = []
    blocks: list[str] = []
    room = MAX_TEXT
    for row in lines:
        line = _dated(row, "")
        room -= len(line) + 1
        if said and room < 0:
            break
        said.append(line)
        linked = _dated(row, workspace)
        if blocks and len(blocks[-1]) + 1 + len(linked) <= MAX_SECTION:
            blocks[-1] += f"\n{linked}"
        else:
            blocks.append(linked)
    return Body("\n".join(said), [*map(section, blocks), *_head(lines[len(said) - 1 :][:1])]), len(said)


def _head(last: Sequence[AuditRow]) -> list[Block]:
    """The head of the audit as of the last row, under the others: whoever keeps it can tell later whether the end was cut off."""
    return [context([f"Head {Head(row.number, row.link).short}"]) for row in last if row.link]


def _dated(row: AuditRow, workspace: str) -> str:
    return wording.cut(f"{_line(row, _SLACK, workspace)} · {wording.date(row.at)}", MAX_SECTION)


def audit_sentence(row: AuditRow) -> str:
    """The same line in plain words, without its time: for a terminal."""
    return _line(row, _PLAIN)


MAX_PEOPLE = 50


@dataclass(frozen=True)
class _Tongue:
    """A way to write times, typed words and the event's own word."""

    date: Callable[[datetime], str]
    said: Callable[[str, int], str]
    event: Callable[[str], str]
    linked: Callable[[str, str, str], str]


_SLACK = _Tongue(wording.date, inert, lambda event: f"*{event}*", wording.linked)
_PLAIN = _Tongue(wording.utc, wording.one_line, str, lambda said, _text, _url: said)


def _line(row: AuditRow, tongue: _Tongue, workspace: str = "") -> str:
    api = row.api or row.details.get("api")
    teller = _Teller(row, tongue)
    label = row.request_label or ""
    parts = [
        f"#{row.number}",
        wording.message_link(workspace, row.card, label) if label and row.card else label,
        tongue.said(str(api), 150) if api else "",
        tongue.said(row.holder, 80),
        tongue.event(row.event.value),
        teller.tell(),
        teller.word("operator", "at the command line by "),
    ]
    return " · ".join(part for part in parts if part)


_DOING = {
    EffectKind.POST_MESSAGE: "posting a message",
    EffectKind.SHOW_MESSAGE: "updating a message",
    EffectKind.ISSUE_KEY: "making the key",
    EffectKind.CONFIRM_KEY: "confirming the key",
    EffectKind.VERIFY_KEY: "checking the key",
    EffectKind.DELIVER_TOKEN: "showing the token",
    EffectKind.HIDE_TOKEN: "deleting the message with the token",
    EffectKind.EXTEND_GRANT: "extending the access",
    EffectKind.REVOKE_KEY: "deleting the key",
}
_REMINDED = {
    Topic.ENDING: "the holder, that it expires soon",
    Topic.STILL_WAITING: "the approvers, that it waits",
    Topic.LAST_CHANCE: "the approvers, that it expires soon",
    Topic.STILL_USED: "the holder was asked whether it is still in use",
    Topic.RENEWAL: "the approvers were asked whether it is still needed",
}


class _Teller:
    """Tells of one row, after its event's word, whatever its details hold."""

    def __init__(self, row: AuditRow, tongue: _Tongue) -> None:
        self.row, self.details, self.tongue = row, row.details, tongue

    def tell(self) -> str:  # noqa: C901, PLR0911, PLR0912 - one case an event
        event = self.row.event
        match event:
            case AuditEvent.ASKED:
                by = "" if self.row.holder else self.by("person")
                used_by, extends = self.word("used_by", "used by "), self.word("extends", "to extend ")
                return self.because(
                    self.all(by, extends, self.word("plan"), self.names("opens", "opens"), self.lifetime(), used_by),
                    "reason",
                    self.details.get("reason_link"),
                )
            case AuditEvent.REFUSED:
                return self.because(
                    self.all(self.by("person", "to"), self.word("step"), self.word("times", "times within the hour: ")),
                    "why",
                )
            case AuditEvent.REVIEWED:
                by = " ".join(filter(None, (self.word("verdict"), self.by("reviewer"))))
                return self.because(self.all(by, self.counted(), self.have(), self.less()), "reason")
            case AuditEvent.QUESTION_ASKED:
                return self.because(self.by(), "question")
            case AuditEvent.QUESTION_ANSWERED:
                return self.because(self.by(), "answer")
            case AuditEvent.RECOUNTED:
                return self.recounted()
            case AuditEvent.APPROVED:
                by = self.people("approvers", "by") or self.by()
                by = "no approval needed" if self.details.get("need") == 0 else by
                return self.all(by, self.less(), self.end("until", "until"))
            case AuditEvent.DENIED:
                return self.because(self.by("reviewer"), "reason")
            case AuditEvent.WITHDRAWN:
                return self.by()
            case AuditEvent.LAPSED:
                return self.word("why", limit=600) or "nobody decided in time"
            case AuditEvent.KEY_CREATED:
                return self.all(self.names("opens", "opens"), self.end("expires", "until"))
            case AuditEvent.SENT:
                return "the holder has the token"
            case AuditEvent.HIDDEN:
                return "the message with the token is gone"
            case AuditEvent.RESTORED:
                return f"put aside after a restore: {self.doing()}"
            case AuditEvent.RESEALED:
                return self.word("tokens", "tokens: ")
            case AuditEvent.STUCK | AuditEvent.DELAYED | AuditEvent.RECOVERED | AuditEvent.RETRIED:
                return ": ".join(part for part in (self.doing(), self.trouble()) if part)
            case AuditEvent.REVOKED:
                return self.because(self.all(self.by(), self.key()), "why")
            case AuditEvent.EXPIRED:
                return self.word("why", limit=600) or "its time was over"
            case AuditEvent.REMINDED:
                return self.reminded()
            case AuditEvent.REPLACED:
                return self.because(self.by(), "why")
            case AuditEvent.LEFT:
                return self.because(self.by("person", ""), "why")
            case AuditEvent.RETURNED:
                return self.by("person", "")
            case AuditEvent.IN_USE:
                return self.by("person", "says")
            case AuditEvent.RENEWED:
                return self.all(self.by("reviewer", "kept by"), self.counted())
            case AuditEvent.KEY_DELETED | AuditEvent.KEY_GONE | AuditEvent.KEY_AS_GRANTED:
                return self.key()
            case AuditEvent.KEY_CHANGED | AuditEvent.KEY_UNKNOWN:
                return self.because(self.key(), "why")
            case AuditEvent.LOOKED:
                return f"{self.by('person', '')} looked up {self.looked()}"
            case AuditEvent.EXTENDED:
                by = self.word("by", "by ")
                return self.all(
                    by, self.word("plan", "plan "), self.names("opens", "opens"), self.end("until", "until")
                )
            case AuditEvent.CONFIGURED:
                return self.configured()
            case AuditEvent.GROUP_CHANGED:
                return self.group_changed()
            case AuditEvent.NAME_ACCEPTED:
                return self.all(self.word("name"), self.word("meant", "no longer "))
            case AuditEvent.CHAINED:
                return self.because(f"from here on, with the key {self.word('key')}", "why")
            case AuditEvent.ERASED:
                numbers = self.word("first") and f"{self.word('first')} to {self.word('last')}"
                whose = self.word("person", "what was typed about or by ")
                counts = self.word("requests", "requests: "), self.word("texts", "texts in the audit: ")
                return self.because(self.all(whose, numbers, *counts), "why")
            case _:
                assert_never(event)

    def looked(self) -> str:
        about = f"what {self.by('about', '')} holds" if self.details.get("about") else "who holds it"
        return f"{about}, page {self.word('page')}" if self.details.get("page", 1) != 1 else about

    def recounted(self) -> str:
        return self.because(f"{self.by('reviewer', 'the approval of')} no longer counts", "why")

    def group_changed(self) -> str:
        group = self.word("handle", "@") or self.person(str(self.details.get("group") or ""))
        added, removed = self.people("added", "added"), self.people("removed", "removed")
        audits = "audits" if self.details.get("audits") else ""
        return self.all(group, added, removed, self.entries("apis", "approves for"), audits)

    def people(self, key: str, before: str) -> str:
        value = self.details.get(key)
        users = [self.person(str(user)) for user in value] if isinstance(value, list | tuple) else []
        shown = users[:MAX_PEOPLE] + [f"{len(users) - MAX_PEOPLE} more"] * (len(users) > MAX_PEOPLE)
        return f"{before} {wording.people(shown)}" if shown else ""

    def person(self, slack_id: str) -> str:
        """Somebody, or a user group, by name."""
        return self.tongue.said(self.row.names.get(slack_id, slack_id), 80)

    def counted(self) -> str:
        """The group by which somebody's say counted; who is named as a person needs none."""
        group = self.details.get("counted_by")
        return f"as one of {self.person(group)}" if isinstance(group, str) and group.startswith("S") else ""

    def key(self) -> str:
        """The key at Tyk, where it is none of a request's: nothing else would say which it is."""
        return "" if self.row.request_label else self.all(self.word("key_hash"), self.word("bears", "which bears "))

    def doing(self) -> str:
        """The promise in words; by its id where no request's number names it."""
        kind = self._kind()
        doing = _DOING.get(kind, kind.value.replace("_", " ")) if kind else self.word("effect")
        return self.all(doing, "" if self.row.request_label else self.word("effect_id", "effect "))

    def trouble(self) -> str:
        """The sentence behind what went wrong."""
        kind, code = self._kind(), self.details.get("error")
        if kind is None or not isinstance(code, str) or not code or self.details.get("why"):
            return self.word("why", limit=600) or self.word("error")
        return self.tongue.said(outages.sentence(kind, code), 600)

    def _kind(self) -> EffectKind | None:
        name = self.details.get("effect")
        return EffectKind(name) if isinstance(name, str) and name in {kind.value for kind in EffectKind} else None

    def reminded(self) -> str:
        return next((said for topic, said in _REMINDED.items() if topic == self.details.get("of")), self.word("of"))

    def configured(self) -> str:
        """All that changed, as far as there is room for it; of what takes several lines, the others say how much they hold."""
        found = changes.read(self.details)
        part, parts = self.details.get("part"), self.details.get("parts")
        if isinstance(part, int) and isinstance(parts, int) and part > 1:
            return f"part {part:,} of {parts:,}: {len(found):,} more change{'' if len(found) == 1 else 's'}"
        if not found:
            return self.configured_before()
        speech = rule_changes.Speech(self.tongue.said, self.person, self.row.title_of)
        said, left = rule_changes.sentences(found, speech)
        more = self.details.get("left_out")
        left += more if isinstance(more, int) else 0
        left_out = [f"and {left:,} more changes, too many for this line"] if left else []
        return "; ".join([*said, *left_out])

    def configured_before(self) -> str:
        """The words for a row of a version that wrote names alone."""
        names = {
            "added": "added",
            "removed": "removed",
            "approvals_fell": "fewer approvals for",
            "people_changed": "other people for",
        }
        told = [self.entries(key, before) for key, before in names.items()]
        none = "no auditors" if self.details.get("auditors") == [] else ""
        told.append(self.people("auditors", "the auditors are now") or none)
        return self.all(*told) or "who may have what is as it was"

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
        words = wording.without_markup(mentioned(str(value), self.row.names))
        return f"{before}{self.tongue.said(words, limit)}"

    def names(self, key: str, before: str, called: Callable[[str], str] = str) -> str:
        value = self.details.get(key)
        values = [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)] if value else []
        return f"{before} {self.tongue.said(', '.join(map(called, values)), 400)}" if values else ""

    def entries(self, key: str, before: str) -> str:
        """Entries of the configuration, by their titles."""
        return self.names(key, before, self.row.title_of)

    def by(self, key: str = "", before: str = "by") -> str:
        user = self.details.get(key) or (self.row.actor.user_id if self.row.actor else None)
        return f"{before} {self.person(str(user))}".strip() if user else ""

    def have(self) -> str:
        have, need = self.word("have"), self.word("need")
        return f"{have} of {need}" if have and need else have

    def end(self, key: str, before: str) -> str:
        if key not in self.details:
            return ""
        value = self.details[key]
        if value is None:
            return wording.duration(None)
        try:
            return f"{before} {self.tongue.date(datetime.fromisoformat(str(value)))}"
        except (ValueError, OverflowError):
            return self.word(key, f"{before} ")

    def less(self) -> str:
        """The plan or lifetime that was given, where more was asked for."""
        if "asked_plan" not in self.details:
            return ""
        pairs = (self.word("plan"), self.word("asked_plan")), (self.lifetime(), self.lifetime("asked_lifetime"))
        return self.all(*(f"{given} instead of {asked}" for given, asked in pairs if given != asked))

    def lifetime(self, key: str = "lifetime") -> str:
        if key not in self.details:
            return ""
        value = self.details[key]
        if value is None:
            return wording.duration(None)
        try:
            return wording.duration(timedelta(seconds=value))
        except (TypeError, ValueError, OverflowError):
            return self.word(key)
