"""The sections of `config.yaml`, as pydantic checks each by itself; `validation` judges them together."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from bot.config.values import (
    AlsoMayApprove,
    Approvals,
    Approvers,
    Auditors,
    BaseAddress,
    ChannelId,
    HideAfter,
    KeepFinishedFor,
    LapsesAfter,
    Lifetimes,
    Link,
    MaxActive,
    MaxTotal,
    Reason,
    ReasonLink,
    RegularExpression,
    ReviewEvery,
    Sentence,
    Title,
    TykId,
    UrlPath,
    Who,
    Whole,
    as_tuple,
    at_most,
    matching,
    optional,
    some,
)

SINGLE_PLAN = "standard"
NAME = r"^[a-z0-9][a-z0-9-]{0,74}$"


class Section(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class LimitsSection(Section):
    """A key's limits at Tyk. All four are said together, so that none is inherited by surprise."""

    rate: Annotated[Whole, Field(description="calls allowed per `per` seconds")]
    per: Annotated[Whole, Field(description="the seconds that `rate` counts over")]
    quota_max: Annotated[
        int,
        Field(ge=-1, le=1_000_000_000_000, description="calls allowed per `quota_renewal_rate` seconds; -1: no quota"),
    ]
    quota_renewal_rate: Annotated[Whole, Field(description="the seconds after which the quota begins anew")]


def _no_zero_quota(limits: LimitsSection) -> LimitsSection:
    if limits.quota_max == 0:
        raise ValueError("must not have `quota_max: 0`, which Tyk takes for no quota: write -1 if that is meant")
    return limits


LimitsGiven = Annotated[
    LimitsSection,
    AfterValidator(_no_zero_quota),
    Field(description="calls per time and quota of a key: rate, per, quota_max, quota_renewal_rate"),
]


class ReasonPatternSection(Section):
    """A pattern that a reason must hold, such as the number of a change ticket."""

    pattern: Annotated[RegularExpression, Field(description="a regular expression that is found in each reason")]
    says: Annotated[
        Sentence, Field(description="the sentence that asks for it, under the field and where it is missing")
    ]


ReasonPatternGiven = Annotated[
    ReasonPatternSection, Field(description="what a reason must hold, as a pattern and the sentence that asks for it")
]


class Terms(Section):
    """The section `defaults`, and what holds for one API when its own settings are laid over it."""

    approvals: Approvals = 1
    approvers: Approvers = ()
    also_may_approve: AlsoMayApprove = ()
    lifetimes: Lifetimes = Field(
        (timedelta(days=7), timedelta(days=1), timedelta(days=30)), json_schema_extra={"default": ["7d", "1d", "30d"]}
    )
    reason: Reason = "required"
    reason_pattern: ReasonPatternGiven | None = None
    reason_link: ReasonLink | None = None
    request_lapses_after: LapsesAfter = Field(timedelta(days=7), json_schema_extra={"default": "7d"})
    hide_token_after: HideAfter = Field(timedelta(days=1), json_schema_extra={"default": "1d"})
    review_every: ReviewEvery | None = None
    max_active: MaxActive = 5
    max_total: MaxTotal | None = None
    limits: LimitsGiven = LimitsSection(rate=1000, per=1, quota_max=-1, quota_renewal_rate=60)


class PlanSection(Section):
    """One choice of what a key may do."""

    limits: LimitsGiven | None = None
    tyk_policies: Annotated[
        tuple[TykId, ...] | None,
        BeforeValidator(as_tuple),
        AfterValidator(some("Tyk policies", 20)),
        Field(description="ids of the Tyk policies that the key gets; they bring their own limits"),
    ] = None
    also_opens: Annotated[
        tuple[str, ...],
        BeforeValidator(as_tuple),
        Field(description="names of further entries of this file that the Tyk policies open"),
    ] = ()
    also_for_those_who_may_not_ask: Annotated[
        bool,
        Field(description="offer the plan also to requesters who may not ask for each entry of `also_opens` by itself"),
    ] = False


class ApiSection(Section):
    """One API that tokens are given for. What is not said here, `defaults` says."""

    api_id: Annotated[TykId, Field(description="the API's id at Tyk (not the database's _id)")]
    api_name: Annotated[Title | None, Field(description="what Tyk calls the API; the entry's name unless given")] = None
    title: Annotated[Title | None, Field(description="what people see; the entry's name unless given")] = None
    description: Annotated[Sentence | None, Field(description="a sentence under the choice")] = None
    docs: Annotated[Link | None, Field(description="a link to the API's documentation")] = None
    warning: Annotated[
        Sentence | None,
        Field(
            description="what to know first, such as This is production; on the form, the card and before an approval"
        ),
    ] = None
    listen_path: Annotated[
        UrlPath | None, Field(description="the path at the gateway; /<entry's name>/ unless given")
    ] = None
    auth_header: Annotated[
        str,
        AfterValidator(matching(r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$", "the name of an HTTP header")),
        Field(description="the header that carries the token"),
    ] = "Authorization"
    versions: Annotated[
        tuple[Title, ...],
        BeforeValidator(as_tuple),
        AfterValidator(some("versions", 100)),
        Field(description="the API's versions that a key opens", json_schema_extra={"default": ["Default"]}),
    ] = ("Default",)
    gateway_url: Annotated[BaseAddress | None, Field(description="this API's gateway, where it is another")] = None
    requesters: Annotated[
        tuple[Who, ...],
        BeforeValidator(as_tuple),
        AfterValidator(some("names of who may ask", 1000)),
        Field(description="who may ask: everyone, user groups, people, channels"),
    ]
    plans: Annotated[
        dict[str, PlanSection] | None,
        Field(
            description="what a requester may choose between; without it there is one plan with `limits`",
            json_schema_extra={"minProperties": 1, "maxProperties": 100, "propertyNames": {"pattern": NAME}},
        ),
    ] = None
    approvals_channel: Annotated[ChannelId | None, Field(description="where this API's requests are decided")] = None
    approvals: Approvals | None = None
    approvers: Approvers | None = None
    also_may_approve: AlsoMayApprove | None = None
    lifetimes: Lifetimes | None = None
    reason: Reason | None = None
    reason_pattern: ReasonPatternGiven | None = None
    reason_link: ReasonLink | None = None
    request_lapses_after: LapsesAfter | None = None
    hide_token_after: HideAfter | None = None
    review_every: ReviewEvery | None = None
    max_active: MaxActive | None = None
    max_total: MaxTotal | None = None
    limits: LimitsGiven | None = None


class TykSection(Section):
    """The section `tyk`: where its Dashboard and Gateway are, and how keys are named there."""

    dashboard_url: Annotated[BaseAddress, Field(description="the address of the Tyk Dashboard")]
    gateway_url: Annotated[BaseAddress, Field(description="the address at which developers call the APIs")]
    keys_by: Annotated[
        Literal["id", "hash"],
        Field(
            description="how keys are named to Tyk; hash needs the Dashboard's enable_update_key_by_hash and "
            "enable_delete_key_by_hash"
        ),
    ] = "id"
    alias: Annotated[
        Literal["number", "number and person", "number, person and service"],
        Field(
            description="what a key's alias at Tyk says; it stands in each analytics record, where no name can be erased"
        ),
    ] = "number"
    at_once: Annotated[
        int, Field(ge=1, le=200, description="how many calls Tyk gets at the same time; 200 at most")
    ] = 20


class SlackSection(Section):
    """The command and the channels, by id."""

    command: Annotated[
        str,
        AfterValidator(matching(r"^/[a-z0-9_-]{1,31}$", "a slash and up to 31 small letters, digits, - or _")),
        Field(description="the slash command", json_schema_extra={"pattern": "^/[a-z0-9_-]{1,31}$"}),
    ] = "/tyk-key"
    approvals_channel: Annotated[ChannelId, Field(description="where requests are decided")]
    audit_channel: Annotated[ChannelId, Field(description="where every step is told")]
    help_channel: Annotated[ChannelId, Field(description="where error sentences send people")]


class ForwardSection(Section):
    """A place outside where each row of the audit goes."""

    to: Annotated[Literal["file", "https", "syslog"], Field(description="what the place is")]
    format: Annotated[
        Literal["jsonl", "ocsf"],
        Field(
            description="jsonl: the rows as `tyk-key-bot audit export` has them; ocsf: events of the Open Cybersecurity "
            "Schema Framework"
        ),
    ] = "jsonl"
    path: Annotated[
        str | None,
        AfterValidator(
            optional(matching(r"^/[^\x00-\x1f]{1,1000}$", "an absolute path, such as /var/log/tyk-key-bot/audit.jsonl"))
        ),
        Field(
            description="of a file: its absolute path; it may be rotated away at any time",
            json_schema_extra={"pattern": "^/"},
        ),
    ] = None
    url: Annotated[
        BaseAddress | None,
        Field(
            description="of https: the address that rows are posted to, with AUDIT_FORWARD_TOKEN as the bearer token if it is set"
        ),
    ] = None
    host: Annotated[
        str | None,
        AfterValidator(optional(matching(r"^[A-Za-z0-9.:_-]{1,253}$", "the name or address of a host"))),
        Field(description="of syslog: the collector's host"),
    ] = None
    port: Annotated[
        int | None, Field(ge=1, le=65535, description="of syslog: the collector's port, such as 6514 for TLS")
    ] = None
    transport: Annotated[
        Literal["tls", "tcp", "udp"] | None, Field(description="of syslog: how it is reached, tls unless given")
    ] = None


class AuditSection(Section):
    """The section `audit`: where its rows go besides the audit channel, and for how long it keeps what people typed."""

    forward: Annotated[
        tuple[ForwardSection, ...],
        BeforeValidator(as_tuple),
        AfterValidator(at_most("places", 5)),
        Field(
            description="places that each row goes to, in order and at least once; a new one begins with what is new"
        ),
    ] = ()
    keep_finished_for: KeepFinishedFor | None = None


class File(Section):
    """The allowlist of tyk-key-bot: which APIs there are tokens for, who may ask, who must approve."""

    tyk: Annotated[TykSection, Field(description="where Tyk is")]
    slack: Annotated[SlackSection, Field(description="the command and the channels, by id")]
    defaults: Annotated[Terms, Field(description="what holds for every API that does not say otherwise")] = Terms()
    auditors: Auditors = ()
    audit: Annotated[
        AuditSection,
        Field(description="where the audit's rows go besides the audit channel, and what is kept for how long"),
    ] = AuditSection()
    apis: Annotated[
        dict[str, ApiSection],
        Field(
            description="the APIs that tokens are given for, each under a short name",
            json_schema_extra={"minProperties": 1, "propertyNames": {"pattern": NAME}},
        ),
    ]


# --- for editors ----------------------------------------------------------------------------------------------------


def schema() -> dict[str, Any]:
    """The file's form as JSON Schema, for editors that complete and check while one types."""
    told: dict[str, Any] = _without_null(File.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | told | {"title": "tyk-key-bot config.yaml"}


def _without_null(part: Any) -> Any:
    """A setting may be left out, but never be null: the schema of "this or null" becomes the schema of this."""
    if isinstance(part, list):
        return [_without_null(item) for item in part]
    if not isinstance(part, dict):
        return part
    told = {key: _without_null(value) for key, value in part.items() if not (key == "default" and value is None)}
    if isinstance(told.get("default"), dict):
        told["default"] = {key: value for key, value in told["default"].items() if value is not None}
    options = [option for option in told.get("anyOf", []) if option != {"type": "null"}]
    if "anyOf" in told and len(options) == 1:
        del told["anyOf"]
        return options[0] | told
    return told
