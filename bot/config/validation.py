"""The sections of `config.yaml` judged together, every complaint in plain words and with its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from bot.config import sentences
from bot.config.document import (
    Document,
)
from bot.config.entries import Entries, Entry
from bot.config.positions import Trail
from bot.config.sections import (
    NAME,
    ApiSection,
    AuditSection,
    File,
    ForwardSection,
    Section,
    SlackSection,
    Terms,
    TykSection,
)
from bot.config.values import Auditors, Kind, Name, shown
from bot.durations import spelled
from bot.spelling import did_you_mean

SectionT = TypeVar("SectionT", bound=Section)


# What each kind of place that rows of the audit go to needs, and what it may have besides.
_PLACES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "file": (("path",), ()),
    "https": (("url",), ()),
    "syslog": (("host", "port"), ("transport",)),
}

# What stands in for a faulty required value while the rest of its entry is judged.
_STAND_INS: dict[str, Any] = {"api_id": "-", "requesters": ["everyone"]}


@dataclass(frozen=True)
class Checked:
    """A file without a complaint."""

    tyk: TykSection
    slack: SlackSection
    defaults: Terms
    apis: dict[str, Entry]
    auditors: tuple[Name, ...] = ()
    audit: AuditSection = field(default_factory=AuditSection)


_AUDITORS = TypeAdapter(Auditors, config=Section.model_config)


class Check:
    """One pass over a document. A faulty value is complained of and set aside, so that the others are judged all the same."""

    def __init__(self, document: Document) -> None:
        self.complaints = list(document.complaints)
        self._document = document
        self._entries = Entries(Terms())
        self._faulty_defaults: set[str] = set()
        self._by_api_id: dict[str, str] = {}
        self._by_title: dict[str, str] = {}
        self._good: set[tuple[int, tuple[Name, ...]]] = set()
        self._unsure: set[str] = set()  # entries of whose approvers the file says something faulty

    def file(self) -> Checked | None:
        """All that the file says, or None where there is a complaint."""
        data = self._document.data
        for key in data.keys() - File.model_fields.keys():
            self._at_key((key,), sentences.unknown((key,)))
        tyk = self._required("tyk", TykSection)
        slack = self._required("slack", SlackSection)
        defaults = Terms()
        if data.get("defaults") is not None:
            defaults, self._faulty_defaults = self._lenient(("defaults",), Terms, {})
            self._approver_names(("defaults",), defaults)
        self._entries = Entries(defaults)
        apis, auditors, audit = self._apis(), self._auditors(), self._audit()
        if self.complaints or tyk is None or slack is None:
            return None
        return Checked(tyk, slack, defaults, apis, auditors, audit)

    def _audit(self) -> AuditSection:
        if self._document.data.get("audit") is None:
            return AuditSection()
        audit, _ = self._lenient(("audit",), AuditSection, {})
        seen: dict[object, int] = {}
        for index, place in enumerate(audit.forward):
            trail: Trail = ("audit", "forward", index)
            self._forwarded(trail, place)
            same = "https" if place.to == "https" else place
            if (first := seen.setdefault(same, index)) != index:
                line = self._document.place(("audit", "forward", first)).line
                why = "there is one AUDIT_FORWARD_TOKEN" if place.to == "https" else "one is enough"
                self._at_value(trail, f"`forward` names a place like that of line {line}: {why}")
        return audit

    def _forwarded(self, trail: Trail, place: ForwardSection) -> None:
        """A place has what its kind needs, and nothing of another kind."""
        needs, may = _PLACES[place.to]
        given = place.model_fields_set - {"to", "format"}
        for key in needs:
            if getattr(place, key) is None:
                self._at_value(trail, f"a place with `to: {place.to}` lacks `{key}`")
        for key in sorted(given - {*needs, *may}):
            self._at_key((*trail, key), f"`{key}` is not for `to: {place.to}`: leave it out")

    def _auditors(self) -> tuple[Name, ...]:
        given = self._document.data.get("auditors")
        if given is None:
            return ()
        try:
            auditors = _AUDITORS.validate_python(given)
        except ValidationError as error:
            self._translate(("auditors",), error)
            return ()
        self._only_some(("auditors",), auditors)
        return auditors

    def _required(self, key: str, section: type[SectionT]) -> SectionT | None:
        if key not in self._document.data:
            self._at_key((), sentences.missing((key,)))
        elif (value := self._document.data[key]) is not None:
            try:
                return section.model_validate(value)
            except ValidationError as error:
                self._translate((key,), error)
        return None

    def _lenient(self, trail: Trail, section: type[SectionT], stand_ins: dict[str, Any]) -> tuple[SectionT, set[str]]:
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

    def _apis(self) -> dict[str, Entry]:
        entries = self._document.data.get("apis")
        if "apis" not in self._document.data:
            self._at_key((), sentences.missing(("apis",)))
        elif isinstance(entries, dict) and entries:
            apis = {name: self._api(name) for name, value in entries.items() if value is not None}
            for name, entry in apis.items():
                self._consent(name, entry, apis)
            return apis
        elif entries is not None:
            self._at_value(("apis",), f"`apis` needs entries, each `name: ...`, got {shown(entries or None)}")
        return {}

    def _api(self, name: str) -> Entry:
        trail: Trail = ("apis", name)
        self._entry_name(trail)
        api, faulty = self._lenient(trail, ApiSection, _STAND_INS)
        if "api_id" not in faulty:
            self._unique(trail, api)
        if "title" not in faulty:
            self._told_apart(trail, api)
        terms = self._entries.terms(api)
        alike = id(terms), api.requesters  # entries that say the same of all their terms have one object for them
        if faulty or alike not in self._good:
            before = len(self.complaints)
            self._terms_of(name, api, terms, faulty)
            if not (faulty or self._faulty_defaults) and len(self.complaints) == before:
                self._good.add(alike)
        if isinstance(self._data((*trail, "plans")), dict):
            self._plans(trail)
        return self._entries.entry(api, terms)

    def _terms_of(self, name: str, api: ApiSection, terms: Terms, faulty: set[str]) -> None:
        """Check that an entry's terms go together."""
        self._approver_names(("apis", name), api)
        self._enough_approvers(name, api, terms, faulty)
        self._reviewed(name, api, terms, faulty)
        self._linked(name, api, terms, faulty)
        self._within_total(name, api, terms, faulty)

    def _unique(self, trail: Trail, api: ApiSection) -> None:
        name = str(trail[-1])
        first = self._by_api_id.setdefault(api.api_id, name)
        if first != name:
            place = self._document.key(("apis", first))
            self._at_value((*trail, "api_id"), f"`api_id` is that of `{first}` (line {place.line}): one API, one entry")

    def _told_apart(self, trail: Trail, api: ApiSection) -> None:
        """People choose by the title, whatever its capitals."""
        name = str(trail[-1])
        first = self._by_title.setdefault(" ".join((api.title or name).split()).casefold(), name)
        if first != name:
            line = self._document.key(("apis", first)).line
            self._at_key(trail, f"`{name}` has the title of `{first}` (line {line}): people could not tell them apart")

    def _entry_name(self, trail: Trail) -> None:
        if not re.fullmatch(NAME, str(trail[-1])):
            what = "an API's entry" if len(trail) == 2 else "a plan"
            self._at_key(trail, f"{what} needs a name of up to 75 small letters, digits and -, got {shown(trail[-1])}")

    def _approver_names(self, trail: Trail, given: Terms | ApiSection) -> None:
        for key in ("approvers", "also_may_approve"):
            self._only_some((*trail, key), getattr(given, key) or ())

    def _only_some(self, trail: Trail, names: Iterable[Name]) -> None:
        """Names of user groups and people alone."""
        for index, name in enumerate(names):
            if name.kind in (Kind.EVERYONE, Kind.CHANNEL):
                what = "everyone" if name.kind is Kind.EVERYONE else f"the channel {name.text}"
                self._at_value((*trail, index), f"`{trail[-1]}` cannot hold {what}: name user groups or people")

    # --- can the approvals be reached? ---

    def _enough_approvers(self, name: str, api: ApiSection, terms: Terms, faulty: set[str]) -> None:
        keys = ("approvals", "approvers", "also_may_approve")
        inherited = {key for key in keys if getattr(api, key) is None and key not in faulty}
        if faulty & set(keys) or self._faulty_defaults & inherited:
            self._unsure.add(name)
            return
        needed = sentences.count(terms.approvals, "approval")
        if text := _nobody(terms) or _too_few(terms.approvals, _may_approve(terms)):
            self._blame(name, inherited, f"needs {needed}{text}")
        elif "requesters" not in faulty and _left_to_themselves(terms.approvals, _may_approve(terms), api.requesters):
            text = f"`{name}` needs {needed} by others than the requester, more than its approvers can give"
            self._at_key(("apis", name, "requesters"), text)

    def _reviewed(self, name: str, api: ApiSection, terms: Terms, faulty: set[str]) -> None:
        """A token without an end needs people who are asked about it again and again."""
        keys = ("lifetimes", "review_every", "approvers")
        inherited = {key for key in keys if getattr(api, key) is None and key not in faulty}
        if faulty & set(keys) or self._faulty_defaults & inherited:
            return
        if None not in terms.lifetimes:
            if api.review_every is not None:
                self._at_key(("apis", name, "review_every"), "`review_every` is for the lifetime never: leave it out")
        elif terms.review_every is None:
            text = "offers the lifetime never: add `review_every`, such as 90d, and its approvers are asked that often"
            self._blame(name, inherited, text, ("lifetimes",))
        elif not terms.approvers:
            text = "offers the lifetime never: name `approvers`, who are asked whether the token is still needed"
            self._blame(name, inherited, text, ("lifetimes",))

    def _linked(self, name: str, api: ApiSection, terms: Terms, faulty: set[str]) -> None:
        """A link needs something that it is of."""
        inherited = {
            key for key in ("reason_pattern", "reason_link") if getattr(api, key) is None and key not in faulty
        }
        if faulty & {"reason_pattern", "reason_link"} or self._faulty_defaults & inherited:
            return
        if terms.reason_link and not terms.reason_pattern:
            text = "has a `reason_link` and no `reason_pattern`, which finds what the link is of"
            self._blame(name, inherited, text, ("reason_link",))

    def _within_total(self, name: str, api: ApiSection, terms: Terms, faulty: set[str]) -> None:
        """One token may last at least as long in all as may be asked for at first."""
        keys = ("max_total", "lifetimes")
        inherited = {key for key in keys if getattr(api, key) is None and key not in faulty}
        if terms.max_total is None or faulty & set(keys) or self._faulty_defaults & inherited:
            return
        if None in terms.lifetimes:
            text = "offers the lifetime never, which is longer than any `max_total`: leave out one of them"
            self._blame(name, inherited, text, keys)
        elif (longest := max(filter(None, terms.lifetimes))) > terms.max_total:
            text = f"offers {spelled(longest)}, longer than its `max_total`, {spelled(terms.max_total)}"
            self._blame(name, inherited, text, keys)

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
        elif "also_for_those_who_may_not_ask" in plan and "also_opens" not in plan:
            at = (*trail, "also_for_those_who_may_not_ask")
            self._at_key(at, f"`{at[-1]}` is about what the plan `also_opens`, and it opens nothing else: leave it out")
        others = plan.get("also_opens")
        for index, other in enumerate(others if isinstance(others, list) else []):
            if isinstance(other, str):
                self._opened((*trail, "also_opens", index), other)

    def _opened(self, trail: Trail, other: str) -> None:
        entries = self._document.data["apis"]
        if other == trail[1]:
            self._at_value(trail, f"`also_opens` names its own entry {other}: leave it out")
        elif other not in entries:
            hint = sentences.hint(did_you_mean(other, entries) if len(self.complaints) < 100 else None)
            self._at_value(trail, f"`also_opens` names {shown(other)}, which is no entry of `apis`{hint}")

    def _consent(self, name: str, entry: Entry, apis: Mapping[str, Entry]) -> None:
        """Whoever approves a plan approves each API that it opens, so they must be people who may."""
        for plan, told in (entry.plans or {}).items():
            for index, other in enumerate(told.also_opens):
                if other in apis and other != name and not self._unsure & {name, other}:
                    trail: Trail = ("apis", name, "plans", plan, "also_opens", index)
                    self._approved_too(trail, entry.terms, other, apis[other].terms)

    def _approved_too(self, trail: Trail, own: Terms, other: str, its: Terms) -> None:
        if not its.approvals:
            return
        line = self._document.key(("apis", other)).line
        text = f"the plan also opens `{other}` (line {line}), which needs {sentences.count(its.approvals, 'approval')}"
        may, its_may = _may_approve(own), _may_approve(its)
        if outsiders := sorted({who.text for who in may} - {who.text for who in its_may}):
            text += (
                f" of its own approvers, and {', '.join(outsiders)} may not give one: "
                f"let the approvers of `{other}` be at least those of `{trail[1]}`"
            )
        elif _too_few(its.approvals, may):
            text += f", more than the approvers of `{trail[1]}` can give"
        else:
            return
        self._at_value(trail, text)

    # --- complaints ---

    def _translate(self, trail: Trail, errors: ValidationError) -> set[str]:
        """Complains of each error in plain words; returns the section's own keys that are at fault."""
        faulty: set[str] = set()
        for error in errors.errors(include_url=False):
            at: Trail = (*trail, *error["loc"])
            faulty.update(str(step) for step in error["loc"][:1])
            if error["type"] == "missing":
                self._at_key(at[:-1], sentences.missing(at))
            elif error["type"] == "extra_forbidden":
                self._at_key(at, sentences.unknown(at))
            elif error["input"] is not None:  # of a missing value the document has complained
                self._at_value(at, f"`{sentences.label(at)}` {sentences.of_error(dict(error))}")
        return faulty

    def _at_key(self, trail: Trail, text: str) -> None:
        self.complaints.append(self._document.key(trail).complaint(text))

    def _at_value(self, trail: Trail, text: str) -> None:
        self.complaints.append(self._document.place(trail).complaint(text))

    def _data(self, trail: Trail) -> Any:
        data: Any = self._document.data
        for step in trail:
            data = data.get(step) if isinstance(data, dict) else None
        return data


def _may_approve(terms: Terms) -> tuple[Name, ...]:
    return terms.approvers + terms.also_may_approve


def _nobody(terms: Terms) -> str:
    """The reason that nobody would be called to decide."""
    if not terms.approvals or terms.approvers:
        return ""
    return (
        " and has no approvers: name some, or write `approvals: 0` to grant at once (an empty list never means anybody)"
    )


def _too_few(approvals: int, approvers: tuple[Name, ...]) -> str:
    """The reason that so many approvals can never come together, as far as the file tells: it does not know a group's members."""
    people = len(set(approvers))
    if _only_people(approvers) and people < approvals:
        return f", but its approvers are {sentences.count(people, 'person', 'people')}"
    return ""


def _left_to_themselves(approvals: int, approvers: tuple[Name, ...], requesters: tuple[Name, ...]) -> bool:
    """True where nobody who may ask can get enough approvals, because nobody approves their own request."""
    if not (_only_people(approvers) and _only_people(requesters)):
        return False
    return all(len(set(approvers) - {name}) < approvals for name in requesters)


def _only_people(names: Iterable[Name]) -> bool:
    return all(name.kind in (Kind.USER, Kind.EMAIL) for name in names)
