"""The words of the product as frozen values. Nothing here decides; `rules`, `members` and `lifecycle` do."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NewType

RequestId = NewType("RequestId", str)
KeyId = NewType("KeyId", str)
MessageId = NewType("MessageId", str)
QuestionId = NewType("QuestionId", str)


class Refusal(Exception):
    """An expected no. Its text is a whole sentence for the person; `field` names the form's field it belongs to, `able` those
    who can do what this person can't."""

    def __init__(self, text: str, *, code: str, field: str | None = None, able: Audience | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.code = code
        self.field = field
        self.able = able


# --- people ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Identity:
    """Somebody, by Slack's user id alone: it is unique in an organisation. A name or an e-mail address is never an identity.

    The team is for the gate and for display: it changes when somebody moves within the organisation, and they stay who they are.
    """

    team_id: str = field(compare=False)
    user_id: str


@dataclass(frozen=True)
class Person:
    """Somebody as Slack knows them, and the groups and channels of the configuration that they are in.

    `also` are further user ids that Slack has for the same person: on Enterprise Grid, a workspace's own. `title` is what
    they say of themselves.
    """

    identity: Identity
    name: str
    deleted: bool = False
    is_bot: bool = False
    is_guest: bool = False
    is_stranger: bool = False
    enterprise_id: str | None = None
    groups: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    time_zone: str = "UTC"
    also: frozenset[str] = frozenset()
    real_name: str = ""
    title: str = ""

    @property
    def called(self) -> str:
        """The name by which others know them."""
        return self.real_name or self.name

    @property
    def ids(self) -> frozenset[str]:
        return self.also | {self.identity.user_id}

    def is_same(self, who: Identity) -> bool:
        """True where they are one person, under whichever of their ids."""
        return who.user_id in self.ids


@dataclass(frozen=True)
class Approver:
    """Somebody who approved, as Slack says they are now. `barred` says why they may not use the bot any more, if they may not."""

    person: Person
    barred: str = ""


@dataclass(frozen=True)
class Workspace:
    """The bot's own place: who counts as one of us. `url` is where it is read, with a slash behind."""

    team_id: str
    enterprise_id: str | None
    bot_user_id: str
    url: str = field(default="", compare=False)


@dataclass(frozen=True)
class Audience:
    """The people that a rule names: Slack ids only. `everyone` and channels occur among requesters, never among approvers."""

    everyone: bool = False
    groups: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()

    def __or__(self, other: Audience) -> Audience:
        return Audience(
            self.everyone or other.everyone,
            self.groups | other.groups,
            self.users | other.users,
            self.channels | other.channels,
        )


NOBODY = Audience()


# --- rules ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Limits:
    """Tyk's session limits: `rate` calls per `per` seconds; `quota_max` calls per `quota_renewal_rate` seconds, -1 none."""

    rate: int
    per: int
    quota_max: int
    quota_renewal_rate: int


@dataclass(frozen=True, slots=True)
class ApiRef:
    """An API as Tyk knows it: what one entry of `access_rights` says. `title` is what people call it, `entry` the file."""

    api_id: str
    api_name: str
    versions: tuple[str, ...]
    title: str = ""
    entry: str = ""

    @property
    def called(self) -> str:
        return self.title or self.api_name

    @property
    def right(self) -> tuple[str, str, tuple[str, ...]]:
        """The access that a key is given to it, whatever people call it."""
        return self.api_id, self.api_name, self.versions


@dataclass(frozen=True)
class PolicyTerms:
    """The limits that a Tyk policy sets for its keys, as Tyk had them once: None leaves one to the key, below 1 is no limit.

    `policy` is what the configuration calls it, `name` what Tyk does. `each_api`: its limits are each API's own, and not told.
    """

    policy: str
    name: str
    rate: float | None = None
    per: float | None = None
    quota_max: float | None = None
    quota_renewal_rate: float | None = None
    each_api: bool = False

    @property
    def limits(self) -> tuple[object, ...]:
        return self.rate, self.per, self.quota_max, self.quota_renewal_rate, self.each_api


@dataclass(frozen=True)
class Plan:
    """The rights of a key. `also_opens` are the further APIs of its Tyk policies; a policy that opens more makes no key.

    `approvals` is the most that one of those asks for by itself, and `requesters` are the people who may ask for each of them:
    who is not among all of these is not offered the plan. `terms` are those of its Tyk policies, where Tyk could say them.
    """

    name: str
    limits: Limits
    tyk_policies: tuple[str, ...] = ()
    also_opens: tuple[ApiRef, ...] = ()
    approvals: int = 0
    requesters: tuple[Audience, ...] = ()
    terms: tuple[PolicyTerms, ...] = ()

    @property
    def rights(self) -> tuple[object, ...]:
        """The rights of a key of this plan, whoever may ask for it and approve it."""
        return self.name, self.limits, self.tyk_policies, tuple(api.right for api in self.also_opens)


NEVER = None  # a lifetime without an end: a person ends it
Lifetime = timedelta | None


@dataclass(frozen=True)
class ReasonPattern:
    """A pattern that a reason must hold, such as the number of a ticket, and the sentence that asks for it.

    `link` is the address of what the match names, with `{match}` in place of it; empty where it names nothing.
    """

    pattern: str
    says: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One API in `config.yaml`. `name` is the entry's name, `warning` what whoever asks or approves has to know first.

    `max_total` is the longest that one token may be extended to, from when it was granted; None for any time.
    `out_of_force`: names in the entry no longer mean anybody, and too few are left to decide. Nothing is granted under it until
    that is mended; what was asked for waits.
    """

    name: str
    api: ApiRef
    title: str
    description: str
    docs: str | None
    listen_path: str
    auth_header: str
    gateway_url: str
    requesters: Audience
    approvals: int
    approvers: Audience
    approvals_channel: str
    plans: tuple[Plan, ...]
    lifetimes: tuple[Lifetime, ...]
    reason_required: bool
    lapses_after: timedelta
    hide_token_after: timedelta
    review_every: timedelta | None = None
    max_active: int = 5
    out_of_force: bool = False
    warning: str = ""
    reason_pattern: ReasonPattern | None = None
    also_may_approve: Audience = NOBODY
    max_total: timedelta | None = None

    @property
    def may_approve(self) -> Audience:
        """Everybody who may decide: the approvers, whom messages call, and those who may as well and are not called."""
        return self.approvers if self.also_may_approve == NOBODY else self.approvers | self.also_may_approve

    def plan(self, name: str) -> Plan | None:
        return next((plan for plan in self.plans if plan.name == name), None)

    def with_plan(self, changed: Plan) -> Rule:
        """The rule with this plan in place of the one of its name."""
        return replace(self, plans=tuple(changed if plan.name == changed.name else plan for plan in self.plans))


@dataclass(frozen=True)
class Rulebook:
    """All rules of the configuration, by entry name, and its digest. `auditors` may look up who holds what.

    What was typed about a request is erased once it has been over for `keep_finished_for`; None keeps it.
    """

    digest: str
    rules: dict[str, Rule]
    auditors: Audience = Audience()
    keep_finished_for: timedelta | None = None


@dataclass(frozen=True)
class Scope:
    """The plan and the lifetime that a request is for."""

    plan: Plan
    lifetime: Lifetime


# --- records --------------------------------------------------------------------------------------------------------


class RequestState(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


class GrantState(StrEnum):
    ISSUING = "issuing"
    ACTIVE = "active"
    ENDED = "ended"


class KeyState(StrEnum):
    MAKING = "making"
    PROBATION = "probation"
    LIVE = "live"
    DEAD = "dead"


class Verdict(StrEnum):
    YES = "yes"
    NO = "no"


@dataclass(frozen=True)
class Review:
    """One approver's yes or no, and why. `counted_by` is the group or user id of the rule by which it counted.

    `void` says why a yes does not count any more; it is empty while it counts.
    """

    reviewer: Identity
    verdict: Verdict
    counted_by: str
    at: datetime
    reason: str = ""
    void: str = ""


@dataclass(frozen=True)
class Question:
    """A question of somebody who may decide, to the requester, and the answer. `id` is that of the form it was asked with."""

    id: QuestionId
    asker: Identity
    asker_name: str
    text: str
    at: datetime
    answer: str = ""
    answered_at: datetime | None = None


@dataclass(frozen=True)
class Answers:
    """The words of whoever asks, by the form's fields: carried as one from the form to the request and its audit line."""

    used_by: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Extended:
    """The request whose grant another one asks to extend, by its id and its number."""

    request_id: RequestId
    number: int

    @property
    def label(self) -> str:
        return f"R-{self.number}"


@dataclass(frozen=True)
class Asker:
    """The requester as they were when they asked: carried as one from the form to the card.

    `allowed_by` is the id by which they might ask: their own, a group's, a channel's, or `everyone`; `group` is that group's
    handle.
    """

    title: str = ""
    time_zone: str = ""
    allowed_by: str = ""
    group: str = ""


UNKNOWN_ASKER = Asker()


@dataclass(frozen=True)
class Request:
    """One person's wish for a token. `rule` is the rule of that moment: the least that is needed, whatever comes later.

    `version` rises where messages would say something else; `revision` is another with everything that is stored of the record.
    `extends` is set where it asks for more time or another plan for a token that is held: it has no grant of its own.
    `undecidable` says, while it waits, why it cannot be approved, as far as was looked, and since when; empty where it can.
    `asked` is what was asked for, where an approver made it less: then `plan` and `lifetime` are what is given.
    `erased_at` is when what was typed about it was erased because it had long been over.
    """

    id: RequestId
    number: int
    requester: Identity
    requester_name: str
    rule: Rule
    digest: str
    plan: Plan
    lifetime: Lifetime
    answers: Answers
    state: RequestState
    created_at: datetime
    lapses_at: datetime
    decided_at: datetime | None = None
    decided_by: Identity | None = None
    decision_reason: str = ""
    version: int = 1
    revision: int = field(default=0, compare=False)
    undecidable: str = ""
    undecidable_since: datetime | None = None
    extends: Extended | None = None
    asked: Scope | None = None
    questions: tuple[Question, ...] = ()
    asker: Asker = UNKNOWN_ASKER
    erased_at: datetime | None = None

    def question(self, question_id: str | None) -> Question | None:
        return next((one for one in self.questions if one.id == question_id), None)

    @property
    def unanswered(self) -> tuple[Question, ...]:
        """The questions that the requester has not answered, while it waits."""
        if self.state is not RequestState.PENDING:
            return ()
        return tuple(one for one in self.questions if one.answered_at is None)

    @property
    def label(self) -> str:
        return f"R-{self.number}"

    @property
    def opening(self) -> dict[str, list[str]]:
        """A detail for the audit: the titles of all that the key opens, where it is more than what was asked for."""
        further = [api.called for api in self.plan.also_opens]
        return {"opens": [self.rule.title, *further]} if further else {}


@dataclass(frozen=True)
class Grant:
    """The right an approved request became. `until` is None for one that a person must end.

    `extended_by` is the number of the request that gave it its present end, at `extended_at`.
    `review_at` is when the holder is asked whether such a one is still in use. This time round, `holder_asked_at` is when they
    were, `in_use_at` when they said yes, and `asked_at` when the approvers were asked whether it is still needed.
    `reminded_at` when the holder heard that the end is near; `left_at` when the holder was found to have left.
    `kept_by` said last, at `kept_at`, that it is still needed.
    """

    state: GrantState
    since: datetime
    until: datetime | None
    ended_at: datetime | None = None
    end_reason: str = ""
    ended_by: Identity | None = None
    review_at: datetime | None = None
    asked_at: datetime | None = None
    reminded_at: datetime | None = None
    left_at: datetime | None = None
    extended_at: datetime | None = None
    extended_by: int | None = None
    kept_at: datetime | None = None
    kept_by: Identity | None = None
    holder_asked_at: datetime | None = None
    in_use_at: datetime | None = None


@dataclass(frozen=True)
class Key:
    """The thing at Tyk. `sealed` is the encrypted token while we must hold it; it is in no repr.

    `gone_at` is when Tyk was found not to have it any more although its grant lives, `dead_at` when it was seen to be deleted.
    """

    id: KeyId
    state: KeyState
    made_at: datetime | None = None
    key_hash: str | None = None
    expires_at: datetime | None = None
    sealed: bytes | None = field(default=None, repr=False)
    shown_at: datetime | None = None
    hidden_at: datetime | None = None
    verified_at: datetime | None = None
    gone_at: datetime | None = None
    dead_at: datetime | None = None

    def is_behind(self, grant: Grant) -> bool:
        """Tyk has not been told yet that the grant was extended."""
        return self.state is KeyState.LIVE and self.expires_at != grant.until

    @property
    def is_unseen(self) -> bool:
        """The token is still to be shown."""
        return self.state is not KeyState.DEAD and self.shown_at is None and self.hidden_at is None


class MessageKind(StrEnum):
    """The part that a message plays.

    `card` and `status` follow their request, `token` holds the token for a while, `notice` tells the requester something once,
    `reminder` tells the approvers something once, under the card, `question` asks the approvers and follows the grant, `inquiry`
    asks the requester and follows the answer, `alert` tells the help channel.
    """

    CARD = "card"
    STATUS = "status"
    TOKEN = "token"  # noqa: S105 - the kind's name
    NOTICE = "notice"
    REMINDER = "reminder"
    QUESTION = "question"
    INQUIRY = "inquiry"
    ALERT = "alert"


class Topic(StrEnum):
    """The subject of a notice, a reminder, a question, an inquiry or an alert."""

    DENIED = "denied"
    LAPSED = "lapsed"
    DELAYED = "delayed"
    DELAYED_BY_TYK = "delayed by tyk"
    DELAYED_BY_SLACK = "delayed by slack"
    UNASKED = "unasked"
    UNDECIDABLE = "undecidable"
    STUCK = "stuck"
    STILL_WORKS = "still works"
    ARRIVED = "arrived"
    ENDED = "ended"
    BARRED = "barred"
    RESUMED = "resumed"
    ENDING = "ending"
    STILL_USED = "still used"
    REVIEWING = "reviewing"
    KEPT = "kept"
    STILL_WAITING = "still waiting"
    LAST_CHANCE = "last chance"
    LEAKED = "leaked"
    UNSEEN = "unseen"
    ASKED = "asked"
    ANSWERED = "answered"
    LEFT = "left"
    RENEWAL = "renewal"
    GONE = "gone"
    BACK = "back"
    EXTENDED = "extended"
    NOT_EXTENDED = "not extended"


@dataclass(frozen=True)
class Message:
    """A Slack message as a standing row.

    `target` is the channel or user id to post to, empty for the help channel; `channel` and `ts` come back from Slack.
    `key_id` is the key whose token the message is for, `question_id` the question that it asks or answers.
    """

    id: MessageId
    kind: MessageKind
    target: str
    topic: Topic | None = None
    channel: str | None = None
    ts: str | None = None
    shown_version: int = 0
    posted_at: datetime | None = None
    key_id: KeyId | None = None
    question_id: QuestionId | None = None

    @property
    def is_posted(self) -> bool:
        return self.ts is not None


@dataclass(frozen=True)
class Record:
    """A request with all that became of it: what is decided on, locked and stored together."""

    request: Request
    reviews: tuple[Review, ...] = ()
    grant: Grant | None = None
    keys: tuple[Key, ...] = ()
    messages: tuple[Message, ...] = ()

    def key(self, key_id: str) -> Key | None:
        return next((key for key in self.keys if key.id == key_id), None)

    def message(self, message_id: str) -> Message | None:
        return next((message for message in self.messages if message.id == message_id), None)

    def token_message(self, key_id: str) -> Message | None:
        """The message for this key's token; one of before messages named their key is for any."""
        tokens = [one for one in self.messages if one.kind is MessageKind.TOKEN and one.key_id in (None, key_id)]
        return next((one for one in tokens if one.key_id == key_id), tokens[0] if tokens else None)

    @property
    def lives(self) -> bool:
        """Something was granted and has not ended."""
        return self.grant is not None and self.grant.state is not GrantState.ENDED

    @property
    def awaits_token(self) -> bool:
        """A token is on its way to the holder."""
        return any(key.is_unseen for key in self.keys)

    @property
    def is_behind(self) -> bool:
        """Tyk has not been told yet that the grant was extended."""
        return self.grant is not None and any(key.is_behind(self.grant) for key in self.keys)

    @property
    def gone_at(self) -> datetime | None:
        """The time when the key whose token the holder has was found to be gone at Tyk; None while it is there."""
        return self.keys[-1].gone_at if self.keys and self.lives else None

    def told(self, topic: Topic) -> bool:
        """Somebody was, or is about to be, told of this."""
        return any(message.topic is topic for message in self.messages)


# --- effects --------------------------------------------------------------------------------------------------------


class EffectKind(StrEnum):
    """One promise each; the module of the same name in `bot.effects` keeps it."""

    POST_MESSAGE = "post_message"
    SHOW_MESSAGE = "show_message"
    ISSUE_KEY = "issue_key"
    CONFIRM_KEY = "confirm_key"
    VERIFY_KEY = "verify_key"
    DELIVER_TOKEN = "deliver_token"  # noqa: S105 - the kind's name
    HIDE_TOKEN = "hide_token"  # noqa: S105 - the kind's name
    REVOKE_KEY = "revoke_key"
    EXTEND_GRANT = "extend_grant"
    POST_AUDIT = "post_audit"
    LAPSE_REQUEST = "lapse_request"
    END_GRANT = "end_grant"
    REMIND = "remind"
    SWEEP_LEAVERS = "sweep_leavers"
    TELL_OUTAGE = "tell_outage"
    RECONCILE = "reconcile"
    TELL_FINDINGS = "tell_findings"
    FORWARD_AUDIT = "forward_audit"


class EffectState(StrEnum):
    OPEN = "open"
    DONE = "done"
    DROPPED = "dropped"
    PARKED = "parked"


@dataclass(frozen=True)
class Promise:
    """An effect to come. Promising again what is open changes nothing but an earlier due time; what was done opens again."""

    kind: EffectKind
    subject_id: str
    due_at: datetime


@dataclass(frozen=True)
class Effect:
    """A promise as it stands in the table.

    `epoch` rises with every claim, and only the last claim may complete. `bugs` counts the failures that were our own fault,
    `told` whether people know that it is late, `again` that it is to be kept once more (an edit whose claimer vanished). `why` is
    the sentence behind `last_error`. `lane` is the channel whose pace it keeps.
    """

    id: int
    kind: EffectKind
    subject_id: str
    request_id: RequestId | None
    due_at: datetime
    state: EffectState
    epoch: int
    attempts: int
    lease_until: datetime | None = None
    bugs: int = 0
    again: bool = False
    told: bool = False
    first_failed_at: datetime | None = None
    last_error: str = ""
    why: str = ""
    lane: str | None = None


class AuditEvent(StrEnum):
    """The events of the audit. The words are stable: people search for them."""

    ASKED = "asked"
    REFUSED = "refused"
    QUESTION_ASKED = "question asked"
    QUESTION_ANSWERED = "question answered"
    REVIEWED = "reviewed"
    RECOUNTED = "recounted"
    APPROVED = "approved"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"
    KEY_CREATED = "key created"
    SENT = "sent"
    HIDDEN = "hidden"
    STUCK = "stuck"
    DELAYED = "delayed"
    RECOVERED = "recovered"
    REVOKED = "revoked"
    EXPIRED = "expired"
    KEY_DELETED = "key deleted"
    REMINDED = "reminded"
    REPLACED = "replaced"
    LEFT = "left"
    RETURNED = "returned"
    IN_USE = "in use"
    RENEWED = "renewed"
    CONFIGURED = "configured"
    RETRIED = "retried"
    RESTORED = "restored"
    RESEALED = "resealed"
    GROUP_CHANGED = "group changed"
    NAME_ACCEPTED = "name accepted"
    KEY_GONE = "key gone"
    KEY_CHANGED = "key changed"
    KEY_AS_GRANTED = "key as granted"
    KEY_UNKNOWN = "key unknown"
    LOOKED = "looked"
    EXTENDED = "extended"
    CHAINED = "chained"
    ERASED = "erased"


@dataclass(frozen=True)
class AuditLine:
    """One event. `actor` is who did it, None for the bot itself; `details` are plain JSON values, never a token."""

    event: AuditEvent
    actor: Identity | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Transition:
    """A decision's outcome: the record after it, its promises, the promises it makes needless, its lines in the audit."""

    record: Record
    promises: tuple[Promise, ...] = ()
    drops: tuple[tuple[EffectKind, str], ...] = ()
    audit: tuple[AuditLine, ...] = ()
