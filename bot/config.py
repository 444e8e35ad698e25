"""What `config.yaml` means: the allowlist, checked whole, every complaint with its place; the rule book; its JSON Schema.

`config_file` knows where things stand in the file, this module what they mean. Nothing here asks Slack or Tyk: `mentions`
tells what must be looked up, `book` takes what was found.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
)

from bot import config_file
from bot.addresses import base_address, web_address
from bot.config_file import ConfigError, Document, Place, Trail, did_you_mean
from bot.core.model import ApiRef, Audience, Book, Lifetime, Limits, Plan, Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

SINGLE_PLAN = "standard"
RESERVED = frozenset(
    {
        "admins",
        "auditors",
        "delivery",
        "rotation_overlap",
        "max_active",
        "remind_approvers_after",
        "offboarding_grace",
    }
)
NAME = r"^[a-z0-9][a-z0-9-]{0,74}$"

# --- durations ------------------------------------------------------------------------------------------------------

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = r"^[1-9][0-9]{0,8}[smhdw]$"
_LONGEST = 3650 * 86400


def duration(value: object) -> timedelta:
    """`30s`, `15m`, `12h`, `7d` or `2w`, at most ten years. ValueError with a sentence otherwise."""
    if not isinstance(value, str) or not re.fullmatch(_DURATION, value):
        unit = ": add the unit" if isinstance(value, int) else ""
        raise ValueError(f"needs a duration such as 30s, 15m, 12h, 7d or 2w, got {_shown(value)}{unit}")
    seconds = int(value[:-1]) * _UNITS[value[-1]]
    if seconds > _LONGEST:
        raise ValueError(f"may be 3650d at most, got {_shown(value)}")
    return timedelta(seconds=seconds)


def lifetime(value: object) -> Lifetime:
    """A duration of at least ten seconds, or `never`: then the key has no end but the one a person gives it."""
    if value == "never":
        return None
    try:
        span = duration(value)
    except ValueError as error:
        raise ValueError(f"{error}; never is a lifetime too") from None
    return _between("10s", "3650d")(span)


def spelled(value: Lifetime) -> str:
    """The duration as one writes it, in the largest unit up to days that it fills; `never` for None."""
    if value is None:
        return "never"
    seconds = int(value.total_seconds())
    unit = next(unit for unit in "dhms" if seconds % _UNITS[unit] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def _between(low: str, high: str) -> Callable[[timedelta], timedelta]:
    least, most = duration(low), duration(high)

    def check(value: timedelta) -> timedelta:
        if not least <= value <= most:
            raise ValueError(f"must lie between {low} and {high}, got {spelled(value)}")
        return value

    return check


# --- names of people, groups and channels ---------------------------------------------------------------------------


class Kind(StrEnum):
    """How somebody is named in the file."""

    EVERYONE = "everyone"
    GROUP_HANDLE = "group-handle"
    GROUP = "group"
    USER = "user"
    EMAIL = "email"
    CHANNEL = "channel"


@dataclass(frozen=True, order=True)
class Name:
    """One item of `requesters` or `approvers`. Handles and e-mail addresses are in lower case, as Slack compares them."""

    kind: Kind
    text: str


_FORMS = (
    (Kind.GROUP_HANDLE, re.compile(r"@[^\s@<>:,#|]{1,80}")),
    (Kind.GROUP, re.compile(r"S[A-Z0-9]{2,30}")),
    (Kind.USER, re.compile(r"[UW][A-Z0-9]{2,30}")),
    (Kind.CHANNEL, re.compile(r"[CG][A-Z0-9]{2,30}")),
    (Kind.EMAIL, re.compile(r"[^\s@<>,;:|]{1,100}@[^\s@<>,;:|]{1,150}\.[^\s@<>,;:|.]{2,}")),
)
_CHANNEL = r"^[CG][A-Z0-9]{2,30}$"
_WHO = (
    "needs everyone, a user group (its handle in quotes, or its S... id), a person (U... or W... id, or e-mail) "
    "or a channel's C... id"
)


def who(value: object) -> Name:
    """The name in one of its forms. ValueError with a sentence otherwise."""
    if not isinstance(value, str):
        raise ValueError(f"{_WHO}, got {_shown(value)}")  # noqa: TRY004 - pydantic turns only ValueError into a complaint
    if value == "everyone":
        return Name(Kind.EVERYONE, value)
    if value.lower() in ("@here", "@channel", "@everyone"):
        raise ValueError(f"cannot name {value}: it is no user group; among requesters write everyone, without the @")
    for kind, form in _FORMS:
        if form.fullmatch(value):
            return Name(kind, value.lower() if kind in (Kind.GROUP_HANDLE, Kind.EMAIL) else value)
    raise ValueError(f"{_WHO}, got {_shown(value)}{_who_hint(value)}")


def _who_hint(value: str) -> str:
    if _may_be_secret(value):
        return ""
    if found := re.search(r"<(?:@|#|!subteam\^)([A-Z0-9]+)", value):
        return f": write {found[1]}"
    if value.startswith("#"):
        return ": Slack shows a channel's id at the end of its details"
    if any(form.fullmatch(value.upper()) for _, form in _FORMS[1:4]) and any(char.isdigit() for char in value):
        return f": an id is written in capitals, {value.upper()}"
    if value.lower() == "everyone":
        return ": it is written in small letters, everyone"
    return f': a user group called {value} is written "@{value}"' if re.fullmatch(r"[\w.-]{1,80}", value) else ""


# --- small types ----------------------------------------------------------------------------------------------------


def _may_be_secret(value: str) -> bool:
    """Whether the value looks like a Slack credential, or like an address, which might hold one."""
    return "://" in value or re.search(r"(?i)xox|xapp-", value) is not None


def _shown(value: object) -> str:
    """A value for a complaint: short, as YAML would write it, and never something that looks like a credential."""
    if isinstance(value, str):
        if _may_be_secret(value):
            return "something else"
        return repr(value if len(value) <= 40 else value[:37] + "...")
    if isinstance(value, int | float):
        return str(value).lower()
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "`key: value` lines"
    return "nothing"


def _as_tuple(value: object) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise ValueError(f"needs a list, as in [{_item(value)}], got {_shown(value)}")  # noqa: TRY004 - see `who`
    return tuple(value)


def _item(value: object) -> str:
    if not isinstance(value, str) or len(value) > 40 or _may_be_secret(value):
        return "..."
    return json.dumps(value, ensure_ascii=False)


def _line(most: int) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not value.strip():
            raise ValueError("must not be empty: give it a text, or leave the line out")
        if len(value) > most:
            raise ValueError(f"may have {most} characters at most, has {len(value)}")
        if not value.isprintable():
            raise ValueError("must be a single line without invisible characters")
        return value

    return check


def _matching(pattern: str, wanted: str) -> Callable[[str], str]:
    form = re.compile(pattern)

    def check(value: str) -> str:
        if not form.fullmatch(value):
            raise ValueError(f"needs {wanted}, got {_shown(value)}")
        return value

    return check


def _some(what: str, most: int) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    def check(value: tuple[Any, ...]) -> tuple[Any, ...]:
        if not 1 <= len(value) <= most:
            raise ValueError(f"needs between 1 and {most} {what}, has {len(value)}")
        return value

    return check


def _distinct(value: tuple[Lifetime, ...]) -> tuple[Lifetime, ...]:
    twice = next((item for place, item in enumerate(value) if item in value[:place]), ...)
    if twice is not ...:
        raise ValueError(f"names {spelled(twice)} twice: each lifetime may be offered once")
    return value


Duration = Annotated[
    timedelta,
    PlainValidator(duration),
    PlainSerializer(spelled),
    WithJsonSchema({"type": "string", "pattern": _DURATION}),
]
OneLifetime = Annotated[
    Lifetime,
    PlainValidator(lifetime),
    PlainSerializer(spelled),
    WithJsonSchema({"type": "string", "pattern": f"{_DURATION}|^never$"}),
]
Who = Annotated[
    Name,
    PlainValidator(who),
    PlainSerializer(lambda name: name.text),
    WithJsonSchema({"type": "string", "minLength": 3}),
]
ChannelId = Annotated[
    str,
    AfterValidator(_matching(_CHANNEL, "a channel's C... id (Slack shows it at the end of the channel's details)")),
    Field(json_schema_extra={"pattern": _CHANNEL}),
]
TykId = Annotated[
    str,
    AfterValidator(_matching(r"^[A-Za-z0-9._~-]{1,128}$", "an id as Tyk shows it (letters, digits, . _ ~ -)")),
    Field(json_schema_extra={"pattern": "^[A-Za-z0-9._~-]{1,128}$"}),
]
Title = Annotated[str, AfterValidator(_line(75)), Field(json_schema_extra={"minLength": 1, "maxLength": 75})]
Sentence = Annotated[str, AfterValidator(_line(300)), Field(json_schema_extra={"minLength": 1, "maxLength": 300})]
BaseAddress = Annotated[str, AfterValidator(base_address), Field(json_schema_extra={"pattern": "^https?://"})]
Link = Annotated[
    str, AfterValidator(web_address), AfterValidator(_line(2000)), Field(json_schema_extra={"format": "uri"})
]
UrlPath = Annotated[
    str,
    AfterValidator(_matching(r"^/[!-~]*$", "a path that begins with /")),
    Field(json_schema_extra={"pattern": "^/"}),
]
Whole = Annotated[int, Field(ge=1, le=1_000_000_000_000)]

# --- settings that `defaults` and each API share --------------------------------------------------------------------

Approvals = Annotated[
    int, Field(ge=0, le=20, description="how many approvers must say yes; 0 grants at once; 20 at most")
]
Approvers = Annotated[
    tuple[Who, ...],
    BeforeValidator(_as_tuple),
    Field(description="who may say yes: user groups and people; never everyone, never a channel"),
]
Lifetimes = Annotated[
    tuple[OneLifetime, ...],
    BeforeValidator(_as_tuple),
    AfterValidator(_some("lifetimes", 100)),
    AfterValidator(_distinct),
    Field(
        description="what a requester may choose, the first preselected; from 10s to 3650d, or never",
        json_schema_extra={"minItems": 1, "maxItems": 100, "uniqueItems": True},
    ),
]
Reason = Annotated[
    Literal["required", "optional"], Field(description="whether a requester must say what the token is for")
]
LapsesAfter = Annotated[
    Duration,
    AfterValidator(_between("1m", "90d")),
    Field(description="a request that nobody decides ends after this; from 1m to 90d"),
]
HideAfter = Annotated[
    Duration,
    AfterValidator(_between("10s", "30d")),
    Field(description="the message with the token is deleted after this; from 10s to 30d"),
]
ReviewEvery = Annotated[
    Duration,
    AfterValidator(_between("1d", "3650d")),
    Field(
        description="with the lifetime never: how often the approvers are asked whether the token is still needed; "
        "without a yes within 14 days it ends"
    ),
]


class _Section(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class LimitsSection(_Section):
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


class Terms(_Section):
    """The section `defaults`, and what holds for one API when its own settings are laid over it."""

    approvals: Approvals = 1
    approvers: Approvers = ()
    lifetimes: Lifetimes = Field(
        (timedelta(days=7), timedelta(days=1), timedelta(days=30)), json_schema_extra={"default": ["7d", "1d", "30d"]}
    )
    reason: Reason = "required"
    request_lapses_after: LapsesAfter = Field(timedelta(days=7), json_schema_extra={"default": "7d"})
    hide_token_after: HideAfter = Field(timedelta(days=1), json_schema_extra={"default": "1d"})
    review_every: ReviewEvery | None = None
    limits: LimitsGiven = LimitsSection(rate=1000, per=1, quota_max=-1, quota_renewal_rate=60)


class PlanSection(_Section):
    """One choice of what a key may do."""

    limits: LimitsGiven | None = None
    tyk_policies: Annotated[
        tuple[TykId, ...] | None,
        BeforeValidator(_as_tuple),
        AfterValidator(_some("Tyk policies", 20)),
        Field(description="ids of the Tyk policies that the key gets; they bring their own limits"),
    ] = None
    also_opens: Annotated[
        tuple[str, ...],
        BeforeValidator(_as_tuple),
        Field(description="names of further entries of this file that the Tyk policies open"),
    ] = ()


class ApiSection(_Section):
    """One API that tokens are given for. What is not said here, `defaults` says."""

    api_id: Annotated[TykId, Field(description="the API's id at Tyk (not the database's _id)")]
    api_name: Annotated[Title | None, Field(description="what Tyk calls the API; the entry's name unless given")] = None
    title: Annotated[Title | None, Field(description="what people see; the entry's name unless given")] = None
    description: Annotated[Sentence | None, Field(description="a sentence under the choice")] = None
    docs: Annotated[Link | None, Field(description="a link to the API's documentation")] = None
    listen_path: Annotated[
        UrlPath | None, Field(description="the path at the gateway; /<entry's name>/ unless given")
    ] = None
    auth_header: Annotated[
        str,
        AfterValidator(_matching(r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$", "the name of an HTTP header")),
        Field(description="the header that carries the token"),
    ] = "Authorization"
    versions: Annotated[
        tuple[Title, ...],
        BeforeValidator(_as_tuple),
        AfterValidator(_some("versions", 100)),
        Field(description="the API's versions that a key opens", json_schema_extra={"default": ["Default"]}),
    ] = ("Default",)
    gateway_url: Annotated[BaseAddress | None, Field(description="this API's gateway, where it is another")] = None
    requesters: Annotated[
        tuple[Who, ...],
        BeforeValidator(_as_tuple),
        AfterValidator(_some("names of who may ask", 1000)),
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
    lifetimes: Lifetimes | None = None
    reason: Reason | None = None
    request_lapses_after: LapsesAfter | None = None
    hide_token_after: HideAfter | None = None
    review_every: ReviewEvery | None = None
    limits: LimitsGiven | None = None


class TykSection(_Section):
    """Where Tyk is."""

    dashboard_url: Annotated[BaseAddress, Field(description="the address of the Tyk Dashboard")]
    gateway_url: Annotated[BaseAddress, Field(description="the address at which developers call the APIs")]
    keys_by: Annotated[
        Literal["id", "hash"],
        Field(
            description="how keys are named to Tyk; hash needs the Dashboard's enable_update_key_by_hash and "
            "enable_delete_key_by_hash"
        ),
    ] = "id"


class SlackSection(_Section):
    """The command and the channels, by id."""

    command: Annotated[
        str,
        AfterValidator(_matching(r"^/[a-z0-9_-]{1,31}$", "a slash and up to 31 small letters, digits, - or _")),
        Field(description="the slash command", json_schema_extra={"pattern": "^/[a-z0-9_-]{1,31}$"}),
    ] = "/tyk-key"
    approvals_channel: Annotated[ChannelId, Field(description="where requests are decided")]
    audit_channel: Annotated[ChannelId, Field(description="where every step is told")]
    help_channel: Annotated[ChannelId, Field(description="where error sentences send people")]


class File(_Section):
    """The allowlist of tyk-key-bot: which APIs there are tokens for, who may ask, who must approve."""

    tyk: Annotated[TykSection, Field(description="where Tyk is")]
    slack: Annotated[SlackSection, Field(description="the command and the channels, by id")]
    defaults: Annotated[Terms, Field(description="what holds for every API that does not say otherwise")] = Terms()
    apis: Annotated[
        dict[str, ApiSection],
        Field(
            description="the APIs that tokens are given for, each under a short name",
            json_schema_extra={"minProperties": 1, "propertyNames": {"pattern": NAME}},
        ),
    ]


# --- the configuration ----------------------------------------------------------------------------------------------

Role = Literal["requesters", "approvers", "approvals_channel", "audit_channel", "help_channel"]


@dataclass(frozen=True)
class Mention:
    """Something of Slack's that the file names, to be looked up there. `api` is None for `defaults` and `slack`."""

    kind: Kind
    text: str
    role: Role
    api: str | None
    where: Place


@dataclass(frozen=True)
class Config:
    """The file, checked. `apis` are the entries as written; `terms` lays one over the defaults."""

    tyk: TykSection
    slack: SlackSection
    defaults: Terms
    apis: dict[str, ApiSection]
    digest: str
    _document: Document = field(repr=False, compare=False)

    def where(self, trail: Trail) -> str:
        """`config.yaml:12:7`: where the value stands; of one that is not there, the nearest around it."""
        return str(self._document.place(trail))

    def place(self, trail: Trail) -> Place:
        return self._document.place(trail)

    def terms(self, name: str) -> Terms:
        return _laid_over(self.defaults, self.apis[name])

    def mentions(self) -> tuple[Mention, ...]:
        """Every user group, person and channel the file names, with its place."""
        return tuple(self._mentions())

    def _mentions(self) -> Iterator[Mention]:
        for role in ("approvals_channel", "audit_channel", "help_channel"):
            yield self._channel(getattr(self.slack, role), role, None, ("slack", role))
        yield from self._people(self.defaults.approvers, "approvers", None, ("defaults", "approvers"))
        for name, api in self.apis.items():
            at: Trail = ("apis", name)
            yield from self._people(api.requesters, "requesters", name, (*at, "requesters"))
            yield from self._people(api.approvers or (), "approvers", name, (*at, "approvers"))
            if api.approvals_channel:
                yield self._channel(api.approvals_channel, "approvals_channel", name, (*at, "approvals_channel"))

    def _channel(self, text: str, role: Role, api: str | None, trail: Trail) -> Mention:
        return Mention(Kind.CHANNEL, text, role, api, self._document.place(trail))

    def _people(self, names: Iterable[Name], role: Role, api: str | None, trail: Trail) -> Iterator[Mention]:
        for index, name in enumerate(names):
            if name.kind is not Kind.EVERYONE:
                yield Mention(name.kind, name.text, role, api, self._document.place((*trail, index)))

    def book(self, names: Mapping[str, str]) -> Book:
        """The rules in force. `names` maps each "@handle" to its S-id and each e-mail address to its U-id (both written
        in small letters, as `mentions` has them). ConfigError, with every place, for names that are not in it."""
        unknown = [
            mention.where.complaint(_unresolved(mention))
            for mention in self._mentions()
            if mention.kind in (Kind.GROUP_HANDLE, Kind.EMAIL) and mention.text not in names
        ]
        if unknown:
            raise ConfigError(unknown)
        return Book(self.digest, {name: self._rule(name, names) for name in self.apis})

    def _rule(self, name: str, names: Mapping[str, str]) -> Rule:
        api, terms = self.apis[name], self.terms(name)
        return Rule(
            name=name,
            api=self._ref(name),
            title=api.title or name,
            description=api.description or "",
            docs=api.docs,
            listen_path=api.listen_path or f"/{name}/",
            auth_header=api.auth_header,
            gateway_url=api.gateway_url or self.tyk.gateway_url,
            requesters=_audience(api.requesters, names),
            approvals=terms.approvals,
            approvers=_audience(terms.approvers, names),
            approvals_channel=api.approvals_channel or self.slack.approvals_channel,
            plans=self._plans(api, _limits(terms.limits)),
            lifetimes=terms.lifetimes,
            reason_required=terms.reason == "required",
            lapses_after=terms.request_lapses_after,
            hide_token_after=terms.hide_token_after,
            review_every=terms.review_every,
        )

    def _ref(self, name: str) -> ApiRef:
        api = self.apis[name]
        return ApiRef(api.api_id, api.api_name or name, api.versions)

    def _plans(self, api: ApiSection, usual: Limits) -> tuple[Plan, ...]:
        if api.plans is None:
            return (Plan(SINGLE_PLAN, usual),)
        return tuple(
            Plan(
                name,
                _limits(plan.limits) if plan.limits else usual,
                plan.tyk_policies or (),
                tuple(self._ref(other) for other in plan.also_opens),
            )
            for name, plan in api.plans.items()
        )


def _limits(section: LimitsSection) -> Limits:
    return Limits(section.rate, section.per, section.quota_max, section.quota_renewal_rate)


def _unresolved(mention: Mention) -> str:
    what = "a user group" if mention.kind is Kind.GROUP_HANDLE else "the e-mail address of a member"
    return f"`{mention.role}` names {mention.text}, which is not {what} in this workspace"


def _audience(names: Iterable[Name], ids: Mapping[str, str]) -> Audience:
    found: dict[Kind, set[str]] = {kind: set() for kind in Kind}
    for name in names:
        found[name.kind].add(ids.get(name.text, name.text))
    return Audience(
        everyone=bool(found[Kind.EVERYONE]),
        groups=frozenset(found[Kind.GROUP] | found[Kind.GROUP_HANDLE]),
        users=frozenset(found[Kind.USER] | found[Kind.EMAIL]),
        channels=frozenset(found[Kind.CHANNEL]),
    )


def _laid_over(defaults: Terms, api: ApiSection) -> Terms:
    own = {key: value for key in Terms.model_fields if (value := getattr(api, key)) is not None}
    return defaults.model_copy(update=own)


def _digest(tyk: TykSection, slack: SlackSection, defaults: Terms, apis: Mapping[str, ApiSection]) -> str:
    """Twelve hex digits that change when the meaning does: comments, order of names and what is left to a default do not."""
    meaning = {
        "tyk": tyk.model_dump(mode="json"),
        "slack": slack.model_dump(mode="json"),
        "apis": {name: _entry_meaning(name, api, defaults) for name, api in apis.items()},
    }
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:12]


def _entry_meaning(name: str, api: ApiSection, defaults: Terms) -> dict[str, Any]:
    meaning = api.model_dump(mode="json") | _laid_over(defaults, api).model_dump(mode="json")
    meaning["title"] = api.title or name
    meaning["api_name"] = api.api_name or name
    meaning["listen_path"] = api.listen_path or f"/{name}/"
    meaning["requesters"] = sorted(set(meaning["requesters"]))
    meaning["approvers"] = sorted(set(meaning["approvers"]))
    meaning["plans"] = list(meaning["plans"].items()) if meaning["plans"] else None  # their order is what people see
    return meaning


# --- loading --------------------------------------------------------------------------------------------------------


def load(path: Path) -> Config:
    """The configuration in a file. ConfigError with every complaint at once."""
    return _checked(config_file.read(path))


def parse(text: str, file: str = "config.yaml") -> Config:
    """The configuration in a text; `file` is what complaints call it."""
    return _checked(config_file.parse(text, file))


def _checked(document: Document) -> Config:
    check = _Check(document)
    config = check.config()
    if config is None:
        raise ConfigError(check.complaints)
    return config


_SectionT = TypeVar("_SectionT", bound=_Section)

_SECTIONS: dict[tuple[str, ...], type[_Section]] = {
    (): File,
    ("tyk",): TykSection,
    ("slack",): SlackSection,
    ("defaults",): Terms,
    ("defaults", "limits"): LimitsSection,
    ("apis", "*"): ApiSection,
    ("apis", "*", "limits"): LimitsSection,
    ("apis", "*", "plans", "*"): PlanSection,
    ("apis", "*", "plans", "*", "limits"): LimitsSection,
}

# What stands in for a faulty required value while the rest of its entry is judged.
_STAND_INS: dict[str, Any] = {"api_id": "-", "requesters": ["everyone"]}


class _Check:
    """One pass over a document. A faulty value is complained of and set aside, so that the others are judged all the same."""

    def __init__(self, document: Document) -> None:
        self.complaints = list(document.complaints)
        self._document = document
        self._defaults = Terms()
        self._faulty_defaults: set[str] = set()
        self._by_api_id: dict[str, str] = {}

    def config(self) -> Config | None:
        data = self._document.data
        for key in data.keys() - File.model_fields.keys():
            self._at_key((key,), self._unknown((key,)))
        tyk = self._required("tyk", TykSection)
        slack = self._required("slack", SlackSection)
        if data.get("defaults") is not None:
            self._defaults, self._faulty_defaults = self._lenient(("defaults",), Terms, {})
            self._approver_names(("defaults", "approvers"), self._defaults.approvers)
        apis = self._apis()
        if self.complaints or tyk is None or slack is None:
            return None
        digest = _digest(tyk, slack, self._defaults, apis)
        return Config(tyk, slack, self._defaults, apis, digest, self._document)

    def _required(self, key: str, section: type[_SectionT]) -> _SectionT | None:
        if key not in self._document.data:
            self._at_key((), self._missing((key,)))
        elif (value := self._document.data[key]) is not None:
            try:
                return section.model_validate(value)
            except ValidationError as error:
                self._translate((key,), error)
        return None

    def _lenient(self, trail: Trail, section: type[_SectionT], stand_ins: dict[str, Any]) -> tuple[_SectionT, set[str]]:
        """The section without its faulty keys, and which those were."""
        data = self._data(trail)
        try:
            return section.model_validate(data), set()
        except ValidationError as error:
            faulty = self._translate(trail, error)
        if not isinstance(data, dict):
            return section.model_validate(stand_ins), set(section.model_fields)
        kept = {key: value for key, value in data.items() if key not in faulty}
        return section.model_validate(stand_ins | kept), faulty | (stand_ins.keys() - kept.keys())

    def _apis(self) -> dict[str, ApiSection]:
        entries = self._document.data.get("apis")
        if "apis" not in self._document.data:
            self._at_key((), self._missing(("apis",)))
        elif isinstance(entries, dict) and entries:
            return {name: self._api(name) for name, value in entries.items() if value is not None}
        elif entries is not None:
            self._at_value(("apis",), f"`apis` needs entries, each `name: ...`, got {_shown(entries or None)}")
        return {}

    def _api(self, name: str) -> ApiSection:
        trail: Trail = ("apis", name)
        self._entry_name(trail)
        api, faulty = self._lenient(trail, ApiSection, _STAND_INS)
        if "api_id" not in faulty:
            self._unique(trail, api)
        self._approver_names((*trail, "approvers"), api.approvers or ())
        self._enough_approvers(name, api, faulty)
        self._reviewed(name, api, faulty)
        if isinstance(self._data((*trail, "plans")), dict):
            self._plans(trail)
        return api

    def _unique(self, trail: Trail, api: ApiSection) -> None:
        name = str(trail[-1])
        first = self._by_api_id.setdefault(api.api_id, name)
        if first != name:
            place = self._document.key(("apis", first))
            self._at_value((*trail, "api_id"), f"`api_id` is that of `{first}` (line {place.line}): one API, one entry")

    def _entry_name(self, trail: Trail) -> None:
        if not re.fullmatch(NAME, str(trail[-1])):
            what = "an API's entry" if len(trail) == 2 else "a plan"
            self._at_key(trail, f"{what} needs a name of up to 75 small letters, digits and -, got {_shown(trail[-1])}")

    def _approver_names(self, trail: Trail, names: Iterable[Name]) -> None:
        for index, name in enumerate(names):
            if name.kind in (Kind.EVERYONE, Kind.CHANNEL):
                what = "everyone" if name.kind is Kind.EVERYONE else f"the channel {name.text}"
                self._at_value((*trail, index), f"`approvers` cannot hold {what}: name user groups or people")

    # --- can the yeses be reached? ---

    def _enough_approvers(self, name: str, api: ApiSection, faulty: set[str]) -> None:
        inherited = {key for key in ("approvals", "approvers") if getattr(api, key) is None and key not in faulty}
        if faulty & {"approvals", "approvers"} or self._faulty_defaults & inherited:
            return
        terms = _laid_over(self._defaults, api)
        needed = _count(terms.approvals, "approval")
        if text := _too_few(terms.approvals, terms.approvers):
            self._blame(name, inherited, f"needs {needed}{text}")
        elif "requesters" not in faulty and _left_to_themselves(terms.approvals, terms.approvers, api.requesters):
            text = f"`{name}` needs {needed} by others than the requester, more than its approvers can give"
            self._at_key(("apis", name, "requesters"), text)

    def _reviewed(self, name: str, api: ApiSection, faulty: set[str]) -> None:
        """A token without an end needs people who are asked about it again and again."""
        keys = ("lifetimes", "review_every", "approvers")
        inherited = {key for key in keys if getattr(api, key) is None and key not in faulty}
        if faulty & set(keys) or self._faulty_defaults & inherited:
            return
        terms = _laid_over(self._defaults, api)
        if None not in terms.lifetimes:
            if api.review_every is not None:
                self._at_key(("apis", name, "review_every"), "`review_every` is for the lifetime never: leave it out")
        elif terms.review_every is None:
            text = "offers the lifetime never: add `review_every`, such as 90d, and its approvers are asked that often"
            self._blame(name, inherited, text, ("lifetimes",))
        elif not terms.approvers:
            text = "offers the lifetime never: name `approvers`, who are asked whether the token is still needed"
            self._blame(name, inherited, text, ("lifetimes",))

    def _blame(
        self, name: str, inherited: set[str], text: str, keys: tuple[str, ...] = ("approvers", "approvals")
    ) -> None:
        """Complains at the API's own key if it has one, else once at `defaults`, else at the API."""
        own: list[Trail] = [("apis", name, key) for key in keys if key not in inherited]
        given = self._document.data.get("defaults") or {}
        shared: list[Trail] = [("defaults", key) for key in keys if key in given]
        trail = [*own, *shared, ("apis", name)][0]
        self._at_key(trail, f"{'an API that says nothing else' if trail[0] == 'defaults' else f'`{name}`'} {text}")

    # --- plans ---

    def _plans(self, trail: Trail) -> None:
        plans = self._data((*trail, "plans"))
        if not 1 <= len(plans) <= 100:
            self._at_key((*trail, "plans"), f"`plans` needs between 1 and 100 plans, has {len(plans)}")
        if "limits" in self._data(trail):
            self._at_key(
                (*trail, "limits"), "`limits` is short for a single plan: beside `plans`, put it into each plan"
            )
        for name, plan in plans.items():
            at: Trail = (*trail, "plans", name)
            self._entry_name(at)
            if isinstance(plan, dict):
                self._plan(at, plan)

    def _plan(self, trail: Trail, plan: dict[str, Any]) -> None:
        if "limits" in plan and "tyk_policies" in plan:
            self._at_key(
                (*trail, "limits"), "`limits` beside `tyk_policies` has no effect, a policy brings its own: keep one"
            )
        if "also_opens" in plan and "tyk_policies" not in plan:
            self._at_key(
                (*trail, "also_opens"), "`also_opens` tells what `tyk_policies` open besides; this plan has none"
            )
        others = plan.get("also_opens")
        for index, other in enumerate(others if isinstance(others, list) else []):
            if isinstance(other, str):
                self._opened((*trail, "also_opens", index), other)

    def _opened(self, trail: Trail, other: str) -> None:
        entries = self._document.data["apis"]
        if other == trail[1]:
            self._at_value(trail, f"`also_opens` names its own entry {other}: leave it out")
        elif other not in entries:
            hint = _hint(did_you_mean(other, entries) if len(self.complaints) < 100 else None)
            self._at_value(trail, f"`also_opens` names {_shown(other)}, which is no entry of `apis`{hint}")

    # --- complaints ---

    def _translate(self, trail: Trail, errors: ValidationError) -> set[str]:
        """Complains of each error in plain words; returns the section's own keys that are at fault."""
        faulty: set[str] = set()
        for error in errors.errors(include_url=False):
            at: Trail = (*trail, *error["loc"])
            faulty.update(str(step) for step in error["loc"][:1])
            if error["type"] == "missing":
                self._at_key(at[:-1], self._missing(at))
            elif error["type"] == "extra_forbidden":
                self._at_key(at, self._unknown(at))
            elif error["input"] is not None:  # of a missing value the document has complained
                self._at_value(at, f"`{_label(at)}` {_sentence(dict(error))}")
        return faulty

    def _missing(self, trail: Trail) -> str:
        section = _section(trail[:-1])
        about = section.model_fields[str(trail[-1])].description if section else None
        return f"{_owner(trail)} lacks `{trail[-1]}`" + (f": {about}" if about else "")

    def _unknown(self, trail: Trail) -> str:
        key = str(trail[-1])
        if key in RESERVED:
            return f"`{key}` is reserved for a later version: leave it out"
        section = _section(trail[:-1])
        if section is ApiSection and key in ("tyk_policies", "also_opens"):
            return f"`{key}` belongs to a plan, as in `plans: {{{SINGLE_PLAN}: {{{key}: [...]}}}}`"
        known = list(section.model_fields) if section else []
        hint = _hint(did_you_mean(key, known)) or f": it may have {', '.join(known)}"
        return f"{_owner(trail)} has no setting `{key}`{hint}"

    def _at_key(self, trail: Trail, text: str) -> None:
        self.complaints.append(self._document.key(trail).complaint(text))

    def _at_value(self, trail: Trail, text: str) -> None:
        self.complaints.append(self._document.place(trail).complaint(text))

    def _data(self, trail: Trail) -> Any:
        data: Any = self._document.data
        for step in trail:
            data = data.get(step) if isinstance(data, dict) else None
        return data


def _too_few(approvals: int, approvers: tuple[Name, ...]) -> str:
    """Why so many yeses can never come together, as far as the file alone can tell: a group's members it cannot."""
    if approvals and not approvers:
        return (
            " and has no approvers: name some, or write `approvals: 0` to grant at once "
            "(an empty list never means anybody)"
        )
    people = len(set(approvers))
    if _only_people(approvers) and people < approvals:
        return f", but its approvers are {_count(people, 'person', 'people')}"
    return ""


def _left_to_themselves(approvals: int, approvers: tuple[Name, ...], requesters: tuple[Name, ...]) -> bool:
    """Whether nobody who may ask can get enough yeses, because nobody approves their own request."""
    if not (_only_people(approvers) and _only_people(requesters)):
        return False
    return all(len(set(approvers) - {name}) < approvals for name in requesters)


def _only_people(names: Iterable[Name]) -> bool:
    return all(name.kind in (Kind.USER, Kind.EMAIL) for name in names)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one}" if number == 1 else f"{number} {many or one + 's'}"


def _hint(option: str | None) -> str:
    return f"; did you mean `{option}`?" if option else ""


def _section(trail: Trail) -> type[_Section] | None:
    shape = tuple("*" if place in (1, 3) and trail[0] == "apis" else str(step) for place, step in enumerate(trail))
    return _SECTIONS.get(shape)


def _label(trail: Trail) -> str:
    return next((step for step in reversed(trail) if isinstance(step, str)), "the file")


def _owner(trail: Trail) -> str:
    return f"`{_label(trail[:-1])}`" if trail[:-1] else "the file"


_SENTENCES = {
    "int_type": "needs a whole number, got {got}",
    "int_from_float": "needs a whole number, got {got}",
    "greater_than_equal": "must be at least {ge}, got {got}",
    "less_than_equal": "must be at most {le}, got {got}",
    "literal_error": "needs {expected}, got {got}",
    "model_type": "needs `key: value` lines of its own, got {got}",
    "dict_type": "needs `key: value` lines of its own, got {got}",
}


def _sentence(error: Mapping[str, Any]) -> str:
    """What pydantic found, in words for a person."""
    found, context = error["input"], error.get("ctx", {})
    if error["type"] == "value_error":
        return str(context["error"])
    if error["type"] == "string_type":
        return f"needs text, got {_shown(found)}" + ("" if isinstance(found, list | dict) else ": put quotes around it")
    if "expected" in context:
        context = {"expected": context["expected"].replace("'", "")}
    return _SENTENCES.get(error["type"], "cannot be {got}").format(**context, got=_shown(found))


# --- what changed ---------------------------------------------------------------------------------------------------


def summary(source: Book | Config) -> dict[str, Any]:
    """The configuration in a few plain JSON values, to be kept and compared: `{digest, apis: {name: {approvals, requesters,
    approvers}}}`. A Book gives ids, a Config the names as written: compare like with like."""
    if isinstance(source, Book):
        return {"digest": source.digest, "apis": {name: _rule_summary(rule) for name, rule in source.rules.items()}}
    return {"digest": source.digest, "apis": {name: _entry_summary(source, name) for name in source.apis}}


def _rule_summary(rule: Rule) -> dict[str, Any]:
    return {
        "approvals": rule.approvals,
        "requesters": _ids(rule.requesters),
        "approvers": _ids(rule.approvers),
    }


def _entry_summary(config: Config, name: str) -> dict[str, Any]:
    terms = config.terms(name)
    return {
        "approvals": terms.approvals,
        "requesters": sorted({who.text for who in config.apis[name].requesters}),
        "approvers": sorted({who.text for who in terms.approvers}),
    }


def _ids(audience: Audience) -> list[str]:
    return ["everyone"] * audience.everyone + sorted(audience.groups | audience.users | audience.channels)


def changes(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> dict[str, Any]:
    """What a new summary says that the old one did not: `{digest, added, removed, approvals_fell, people_changed}`."""
    before: Mapping[str, Any] = old["apis"] if old else {}
    after: Mapping[str, Any] = new["apis"]
    both = sorted(before.keys() & after.keys())
    return {
        "digest": new["digest"],
        "added": sorted(after.keys() - before.keys()),
        "removed": sorted(before.keys() - after.keys()),
        "approvals_fell": [name for name in both if after[name]["approvals"] < before[name]["approvals"]],
        "people_changed": [name for name in both if _people_of(after[name]) != _people_of(before[name])],
    }


def _people_of(entry: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    return entry["requesters"], entry["approvers"]


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
    options = [option for option in told.get("anyOf", []) if option != {"type": "null"}]
    if "anyOf" in told and len(options) == 1:
        del told["anyOf"]
        return options[0] | told
    return told
