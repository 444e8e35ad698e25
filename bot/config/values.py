"""The values that `config.yaml` is made of: durations, names of people, groups and channels, ids, addresses, settings."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from bot.addresses import base_address, web_address
from bot.core.model import Lifetime
from bot.core.patterns import pattern
from bot.core.reasons import MATCH
from bot.durations import PATTERN, in_seconds, spelled

# --- durations ------------------------------------------------------------------------------------------------------

_LONGEST = 3650 * 86400


def duration(value: object) -> timedelta:
    """`30s`, `15m`, `12h`, `7d` or `2w`, at most ten years. ValueError with a sentence otherwise."""
    seconds = in_seconds(value) if isinstance(value, str) else None
    if seconds is None:
        unit = ": add the unit" if isinstance(value, int) else ""
        raise ValueError(f"needs a duration such as 30s, 15m, 12h, 7d or 2w, got {shown(value)}{unit}")
    if seconds > _LONGEST:
        raise ValueError(f"may be 3650d at most, got {shown(value)}")
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


def _between(low: str, high: str) -> Callable[[timedelta], timedelta]:
    least, most = duration(low), duration(high)

    def check(value: timedelta) -> timedelta:
        if not least <= value <= most:
            raise ValueError(f"must lie between {low} and {high}, got {spelled(value)}")
        return value

    return check


# --- names of people, groups and channels ---------------------------------------------------------------------------


class Kind(StrEnum):
    """The ways to name somebody in the file."""

    EVERYONE = "everyone"
    GROUP_HANDLE = "group-handle"
    GROUP = "group"
    USER = "user"
    EMAIL = "email"
    CHANNEL = "channel"


@dataclass(frozen=True, order=True, slots=True)
class Name:
    """One item of `requesters` or `approvers`. Handles and e-mail addresses are in lower case, as Slack compares them."""

    kind: Kind
    text: str

    def __hash__(self) -> int:
        return hash(self.text)  # which nearly always settles the kind


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
        hint = ": an alias in a list stands for one name, not for a list of them" if isinstance(value, list) else ""
        raise ValueError(f"{_WHO}, got {shown(value)}{hint}")  # noqa: TRY004 - pydantic turns only ValueError into a complaint
    return _named(value)


@lru_cache(maxsize=4096)  # most entries of a file name the same few
def _named(value: str) -> Name:
    if value == "everyone":
        return Name(Kind.EVERYONE, value)
    if value.lower() in ("@here", "@channel", "@everyone"):
        raise ValueError(f"cannot name {value}: it is no user group; among requesters write everyone, without the @")
    for kind, form in _FORMS:
        if form.fullmatch(value):
            return Name(kind, value.lower() if kind in (Kind.GROUP_HANDLE, Kind.EMAIL) else value)
    raise ValueError(f"{_WHO}, got {shown(value)}{_who_hint(value)}")


def _who_hint(value: str) -> str:
    if may_be_secret(value):
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


def may_be_secret(value: str) -> bool:
    """True of a value that looks like a Slack credential, or like an address, which might hold one."""
    return "://" in value or re.search(r"(?i)xox|xapp-", value) is not None


def shown(value: object) -> str:
    """A value for a complaint: short, as YAML would write it, and never something that looks like a credential."""
    if isinstance(value, str):
        if may_be_secret(value):
            return "something else"
        return repr(value if len(value) <= 40 else value[:37] + "...")
    if isinstance(value, int | float):
        return str(value).lower()
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "`key: value` lines"
    return "nothing"


def as_tuple(value: object) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise ValueError(f"needs a list, as in [{_item(value)}], got {shown(value)}")  # noqa: TRY004 - see `who`
    return tuple(value)


def _item(value: object) -> str:
    if not isinstance(value, str) or len(value) > 40 or may_be_secret(value):
        return "..."
    return json.dumps(value, ensure_ascii=False)


def line(most: int) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not value.strip():
            raise ValueError("must not be empty: give it a text, or leave the line out")
        if len(value) > most:
            raise ValueError(f"may have {most} characters at most, has {len(value)}")
        if not value.isprintable():
            raise ValueError("must be a single line without invisible characters")
        return value

    return check


def matching(pattern: str, wanted: str) -> Callable[[str], str]:
    form = re.compile(pattern)

    def check(value: str) -> str:
        if not form.fullmatch(value):
            raise ValueError(f"needs {wanted}, got {shown(value)}")
        return value

    return check


def some(what: str, most: int) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    def check(value: tuple[Any, ...]) -> tuple[Any, ...]:
        if not 1 <= len(value) <= most:
            raise ValueError(f"needs between 1 and {most} {what}, has {len(value)}")
        return value

    return check


def at_most(what: str, most: int) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    def check(value: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(value) > most:
            raise ValueError(f"takes up to {most} {what}, has {len(value)}")
        return value

    return check


def optional(check: Callable[[str], str]) -> Callable[[str | None], str | None]:
    """The same check of what may be left out."""
    return lambda value: None if value is None else check(value)


def reason_pattern(value: str) -> str:
    """A regular expression that is taken. ValueError with a sentence otherwise."""
    pattern(value)
    return value


def reason_link(value: str) -> str:
    """An https address with one {match}, which can change neither its host nor its scheme. ValueError otherwise."""
    if not web_address(value).startswith("https://"):
        raise ValueError("must begin with https://")
    if value.count(MATCH) != 1:
        raise ValueError(f"needs {MATCH} once, in place of what `reason_pattern` finds in the reason")
    if MATCH not in value.removeprefix("https://").partition("/")[2]:
        raise ValueError(f"must hold {MATCH} behind the host and a /, as in https://tickets.example.com/browse/{MATCH}")
    return value


def _distinct(value: tuple[Lifetime, ...]) -> tuple[Lifetime, ...]:
    twice = next((item for place, item in enumerate(value) if item in value[:place]), ...)
    if twice is not ...:
        raise ValueError(f"names {spelled(twice)} twice: each lifetime may be offered once")
    return value


Duration = Annotated[
    timedelta,
    PlainValidator(duration),
    PlainSerializer(spelled),
    WithJsonSchema({"type": "string", "pattern": PATTERN}),
]
OneLifetime = Annotated[
    Lifetime,
    PlainValidator(lifetime),
    PlainSerializer(spelled),
    WithJsonSchema({"type": "string", "pattern": f"{PATTERN}|^never$"}),
]
Who = Annotated[
    Name,
    PlainValidator(who),
    PlainSerializer(lambda name: name.text),
    WithJsonSchema({"type": "string", "minLength": 3}),
]
ChannelId = Annotated[
    str,
    AfterValidator(matching(_CHANNEL, "a channel's C... id (Slack shows it at the end of the channel's details)")),
    Field(json_schema_extra={"pattern": _CHANNEL}),
]
TykId = Annotated[
    str,
    AfterValidator(matching(r"^[A-Za-z0-9._~+/=-]{1,128}$", "an id as Tyk shows it (letters, digits, . _ ~ - + / =)")),
    Field(json_schema_extra={"pattern": "^[A-Za-z0-9._~+/=-]{1,128}$"}),
]
Title = Annotated[str, AfterValidator(line(75)), Field(json_schema_extra={"minLength": 1, "maxLength": 75})]
Sentence = Annotated[str, AfterValidator(line(300)), Field(json_schema_extra={"minLength": 1, "maxLength": 300})]
BaseAddress = Annotated[str, AfterValidator(base_address), Field(json_schema_extra={"pattern": "^https?://"})]
Link = Annotated[
    str, AfterValidator(web_address), AfterValidator(line(2000)), Field(json_schema_extra={"format": "uri"})
]
RegularExpression = Annotated[
    str, AfterValidator(reason_pattern), Field(json_schema_extra={"minLength": 1, "maxLength": 200})
]
UrlPath = Annotated[
    str,
    AfterValidator(matching(r"^/[!-~]*$", "a path that begins with /")),
    Field(json_schema_extra={"pattern": "^/"}),
]
Whole = Annotated[int, Field(ge=1, le=1_000_000_000_000)]


def _lasting(description: str) -> WithJsonSchema:
    """The schema of a duration with this description: one of Field's is lost where the setting may be left out."""
    return WithJsonSchema({"type": "string", "pattern": PATTERN, "description": description})


# --- settings that `defaults` and each API share --------------------------------------------------------------------

Approvals = Annotated[
    int, Field(ge=0, le=20, description="how many approvers must say yes; 0 grants at once; 20 at most")
]
Approvers = Annotated[
    tuple[Who, ...],
    BeforeValidator(as_tuple),
    Field(description="who may say yes: user groups and people; never everyone, never a channel"),
]
AlsoMayApprove = Annotated[
    tuple[Who, ...],
    BeforeValidator(as_tuple),
    Field(description="who may say yes as well, and is not called by the card or reminders: user groups and people"),
]
Auditors = Annotated[
    tuple[Who, ...],
    BeforeValidator(as_tuple),
    Field(description="who may look up who holds what, beside those who approve it: user groups and people"),
]
Lifetimes = Annotated[
    tuple[OneLifetime, ...],
    BeforeValidator(as_tuple),
    AfterValidator(some("lifetimes", 100)),
    AfterValidator(_distinct),
    Field(
        description="what a requester may choose, the first preselected; from 10s to 3650d, or never",
        json_schema_extra={"minItems": 1, "maxItems": 100, "uniqueItems": True},
    ),
]
Reason = Annotated[
    Literal["required", "optional"], Field(description="whether a requester must say what the token is for")
]
ReasonLink = Annotated[
    str,
    AfterValidator(reason_link),
    AfterValidator(line(1000)),
    Field(
        description="the address of what `reason_pattern` finds, with {match} in place of it: the match becomes a link",
        json_schema_extra={"pattern": r"^https://[^/]+/.*\{match\}"},
    ),
]
MaxActive = Annotated[
    int,
    Field(
        ge=1,
        le=1000,
        description="how many requests that wait and tokens that work one person may have for one API; from 1 to 1000",
    ),
]
LapsesAfter = Annotated[
    Duration,
    AfterValidator(_between("1m", "90d")),
    _lasting("a request that nobody decides ends after this; from 1m to 90d"),
]
HideAfter = Annotated[
    Duration,
    AfterValidator(_between("10s", "30d")),
    _lasting("the message with the token is deleted after this; from 10s to 30d"),
]
MaxTotal = Annotated[
    Duration,
    AfterValidator(_between("10s", "3650d")),
    _lasting("the longest that one token may be extended to, from when it was granted; without it, any time"),
]
KeepFinishedFor = Annotated[
    Duration,
    AfterValidator(_between("30d", "3650d")),
    _lasting(
        "what was typed about a request, its requester's name and where its messages stand are erased so long after it is over, "
        "from 30d to 3650d; without it, they are kept"
    ),
]
ReviewEvery = Annotated[
    Duration,
    AfterValidator(_between("1d", "3650d")),
    _lasting(
        "with the lifetime never: how often the holder is asked whether the token is still in use, and then "
        "the approvers whether it is needed; without a yes of theirs within 14 days it ends"
    ),
]
