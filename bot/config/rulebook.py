"""The configuration as rules: what must be looked up in Slack, the rulebook once it was, its digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from bot.config.entries import Entry, PlanEntry, limits_of
from bot.config.positions import (
    Complaint,
    ConfigError,
    Position,
    Positions,
    Trail,
)
from bot.config.sections import SINGLE_PLAN, AuditSection, LimitsSection, SlackSection, Terms, TykSection
from bot.config.validation import Checked
from bot.config.values import Kind, Name
from bot.core.model import ApiRef, Audience, Limits, Plan, ReasonPattern, Rule, Rulebook
from bot.core.snapshot import What

Role = Literal[
    "requesters",
    "approvers",
    "also_may_approve",
    "auditors",
    "approvals_channel",
    "audit_channel",
    "help_channel",
]


@dataclass(frozen=True, slots=True)
class Mention:
    """Something of Slack's that the file names, to be looked up there. `api` is None for `defaults` and `slack`."""

    kind: Kind
    text: str
    role: Role
    api: str | None
    trail: Trail
    _positions: Positions = field(repr=False, compare=False)

    @property
    def where(self) -> Position:
        return self._positions.value(self.trail)


@dataclass(frozen=True)
class Config:
    """The file, checked. `apis` are the entries as written, each with the terms that hold for it."""

    tyk: TykSection
    slack: SlackSection
    defaults: Terms
    apis: dict[str, Entry]
    auditors: tuple[Name, ...]
    audit: AuditSection
    digest: str
    _positions: Positions = field(repr=False, compare=False)

    @classmethod
    def of(cls, file: Checked, positions: Positions) -> Config:
        return cls(file.tyk, file.slack, file.defaults, file.apis, file.auditors, file.audit, _digest(file), positions)

    def where(self, trail: Trail) -> str:
        """`config.yaml:12:7`: where the value stands; of one that is not there, the nearest around it."""
        return str(self.place(trail))

    def place(self, trail: Trail) -> Position:
        return self._positions.value(trail)

    def place_of(self, name: str, key: str) -> Position | None:
        """The position of what holds for an entry: said by itself, or in `defaults`; None where the file does not say it."""
        trails: list[Trail] = [("apis", name, key), ("defaults", key)]
        said = next(filter(self._positions.has, trails), None)
        return None if said is None else self.place(said)

    def terms(self, name: str) -> Terms:
        return self.apis[name].terms

    def settings(self) -> dict[str, Any]:
        """The settings of the file as a whole, which are in no rule: plain values by their keys, as `core.changes` has them."""
        places = [" ".join(map(str, one.model_dump(exclude_none=True).values())) for one in self.audit.forward]
        whole = {f"tyk.{key}": value for key, value in self.tyk} | {f"slack.{key}": value for key, value in self.slack}
        kept = self.audit.keep_finished_for
        whole |= {What.FORWARD: sorted(places), What.KEPT_FOR: kept and int(kept.total_seconds())}
        return {what: whole[what] for what in What if "." in what}

    def with_settings_of(self, other: Config, keys: Collection[What]) -> Config:
        """This configuration, but for these keys of the whole file, which are as the other one has them."""
        sections: dict[str, Any] = {}
        for section, _, key in (what.partition(".") for what in keys):
            kept = {key: getattr(getattr(other, section), key)}
            sections[section] = (sections.get(section) or getattr(self, section)).model_copy(update=kept)
        changed = replace(self, **sections)
        return replace(changed, digest=_digest(changed))

    def mentions(self) -> tuple[Mention, ...]:
        """Every user group, person and channel the file names, with its place."""
        return tuple(self._mentions())

    def _mentions(self) -> Iterator[Mention]:
        for role in ("approvals_channel", "audit_channel", "help_channel"):
            yield self._channel(getattr(self.slack, role), role, None, ("slack", role))
        yield from self._people(self.auditors, "auditors", None, ("auditors",))
        yield from self._people(self.defaults.approvers, "approvers", None, ("defaults", "approvers"))
        also = self.defaults.also_may_approve
        yield from self._people(also, "also_may_approve", None, ("defaults", "also_may_approve"))
        for name, api in self.apis.items():
            at: Trail = ("apis", name)
            yield from self._people(api.requesters, "requesters", name, (*at, "requesters"))
            if api.approvers:
                yield from self._people(api.approvers, "approvers", name, (*at, "approvers"))
            if api.also_may_approve:
                yield from self._people(api.also_may_approve, "also_may_approve", name, (*at, "also_may_approve"))
            if api.approvals_channel:
                yield self._channel(api.approvals_channel, "approvals_channel", name, (*at, "approvals_channel"))

    def _channel(self, text: str, role: Role, api: str | None, trail: Trail) -> Mention:
        return Mention(Kind.CHANNEL, text, role, api, trail, self._positions)

    def _people(self, names: Iterable[Name], role: Role, api: str | None, trail: Trail) -> Iterator[Mention]:
        for index, name in enumerate(names):
            if name.kind is not Kind.EVERYONE:
                yield Mention(name.kind, name.text, role, api, (*trail, index), self._positions)

    def rulebook(self, names: Mapping[str, str]) -> Rulebook:
        """The rules in force. `names` maps each "@handle" to its S-id and each e-mail address to its U-id (both written
        in small letters, as `mentions` has them). ConfigError, with every place, for names that are not in it."""
        unknown = [
            mention.where.complaint(_unresolved(mention))
            for mention in self._mentions()
            if mention.kind in (Kind.GROUP_HANDLE, Kind.EMAIL) and mention.text not in names
        ]
        if unknown:
            raise ConfigError(unknown)
        rules = _Rules(self, names)
        return self._book({name: rules.rule(name) for name in self.apis}, rules)

    def in_force(self, names: Mapping[str, str]) -> tuple[Rulebook, tuple[Complaint, ...]]:
        """The rules as far as they hold without the names that are not among `names`, and what is left out.

        An entry that too few are left to decide is out of force: its requests wait, its grants end in time.
        """
        unknown = {
            mention.text: mention
            for mention in reversed(self.mentions())
            if mention.kind in (Kind.GROUP_HANDLE, Kind.EMAIL) and mention.text not in names
        }
        rules = _Rules(self, names)
        made = {name: rules.rule(name) for name in self.apis}
        out = {name for name, rule in made.items() if unknown and _is_left_alone(rule)}
        complaints = [one.where.complaint(f"{_unresolved(one)}: left out") for one in unknown.values()]
        complaints += [self._at_approvers(name).complaint(_left_alone(name)) for name in sorted(out)]
        rulebook = {name: replace(rule, out_of_force=True) if name in out else rule for name, rule in made.items()}
        return self._book(rulebook, rules), tuple(sorted(complaints))

    def _book(self, made: dict[str, Rule], rules: _Rules) -> Rulebook:
        return Rulebook(self.digest, made, rules.auditors(), self.audit.keep_finished_for)

    def _at_approvers(self, name: str) -> Position:
        return self.place(("apis", name, "approvers") if self.apis[name].approvers else ("defaults", "approvers"))


def _is_left_alone(rule: Rule) -> bool:
    """True where fewer are left, as far as the file tells, than it needs to approve, or nobody to ask about what has no end."""
    if rule.may_approve.groups:
        return False
    return len(rule.may_approve.users) < max(rule.approvals, int(None in rule.lifetimes))


def _left_alone(name: str) -> str:
    return f"`{name}` is out of force: nobody is left who could decide. Its requests wait until `approvers` is mended"


def _unresolved(mention: Mention) -> str:
    what = "a user group" if mention.kind is Kind.GROUP_HANDLE else "the e-mail address of a member"
    return f"`{mention.role}` names {mention.text}, which is not {what} in this workspace"


# --- the rules ------------------------------------------------------------------------------------------------------


class _Rules:
    """Makes rules of entries; audiences, limits and APIs that are equal are made once."""

    def __init__(self, config: Config, names: Mapping[str, str]) -> None:
        self._config = config
        self._names = names
        self._audiences: dict[tuple[Name, ...], Audience] = {}
        self._plans: dict[LimitsSection, tuple[Limits, tuple[Plan, ...]]] = {}
        self._refs: dict[str, ApiRef] = {}

    def rule(self, name: str) -> Rule:
        config, api = self._config, self._config.apis[name]
        terms = api.terms
        return Rule(
            name=name,
            api=self._ref(name),
            title=api.title or name,
            description=api.description or "",
            docs=api.docs,
            listen_path=api.listen_path or f"/{name}/",
            auth_header=api.auth_header,
            gateway_url=api.gateway_url or config.tyk.gateway_url,
            requesters=self._audience(api.requesters),
            approvals=terms.approvals,
            approvers=self._audience(terms.approvers),
            approvals_channel=api.approvals_channel or config.slack.approvals_channel,
            plans=self._plans_of(api),
            lifetimes=terms.lifetimes,
            reason_required=terms.reason == "required",
            lapses_after=terms.request_lapses_after,
            hide_token_after=terms.hide_token_after,
            review_every=terms.review_every,
            max_active=terms.max_active,
            warning=api.warning or "",
            reason_pattern=_reason_pattern(terms),
            also_may_approve=self._audience(terms.also_may_approve),
            max_total=terms.max_total,
        )

    def auditors(self) -> Audience:
        return self._audience(self._config.auditors)

    def _ref(self, name: str) -> ApiRef:
        if name not in self._refs:
            api = self._config.apis[name]
            self._refs[name] = ApiRef(api.api_id, api.api_name or name, api.versions, api.title or name, name)
        return self._refs[name]

    def _plans_of(self, api: Entry) -> tuple[Plan, ...]:
        usual = api.terms.limits
        if usual not in self._plans:
            limits = limits_of(usual)
            self._plans[usual] = (limits, (Plan(SINGLE_PLAN, limits),))
        limits, single = self._plans[usual]
        if api.plans is None:
            return single
        return tuple(self._plan(name, plan, limits) for name, plan in api.plans.items())

    def _plan(self, name: str, plan: PlanEntry, usual: Limits) -> Plan:
        further = [self._config.apis[other] for other in plan.also_opens]
        open_to = [] if plan.also_for_those_who_may_not_ask else [other.requesters for other in further]
        return Plan(
            name,
            plan.limits or usual,
            plan.tyk_policies or (),
            tuple(map(self._ref, plan.also_opens)),
            approvals=max((other.terms.approvals for other in further), default=0),
            requesters=tuple(dict.fromkeys(map(self._audience, open_to))),
        )

    def _audience(self, names: tuple[Name, ...]) -> Audience:
        if names not in self._audiences:
            self._audiences[names] = self._looked_up(names)
        return self._audiences[names]

    def _looked_up(self, names: tuple[Name, ...]) -> Audience:
        def ids(*kinds: Kind) -> frozenset[str]:
            return frozenset(id_ for name in names if name.kind in kinds and (id_ := self._id_of(name)) is not None)

        return Audience(
            everyone=bool(ids(Kind.EVERYONE)),
            groups=ids(Kind.GROUP, Kind.GROUP_HANDLE),
            users=ids(Kind.USER, Kind.EMAIL),
            channels=ids(Kind.CHANNEL),
        )

    def _id_of(self, name: Name) -> str | None:
        return self._names.get(name.text) if name.kind in (Kind.GROUP_HANDLE, Kind.EMAIL) else name.text


def _reason_pattern(terms: Terms) -> ReasonPattern | None:
    given = terms.reason_pattern
    return None if given is None else ReasonPattern(given.pattern, given.says, terms.reason_link or "")


# --- the digest -----------------------------------------------------------------------------------------------------


def _digest(file: Checked | Config) -> str:
    """Twelve hex digits that change when the meaning does: comments, order of names and what is left to a default do not.

    They are those of one JSON text with sorted keys, which is told to the hash entry by entry: it may be longer than the file.
    """
    meaning = _Meaning()
    told = hashlib.sha256(b'{"apis": {')
    for place, name in enumerate(sorted(file.apis)):
        told.update(f"{', ' if place else ''}{_json(name)}: {meaning.of(name, file.apis[name])}".encode())
    tyk = file.tyk.model_dump(mode="json", exclude={"at_once", "alias"})  # not of who may have what
    rest: dict[str, Any] = {"slack": file.slack.model_dump(mode="json"), "tyk": tyk}
    if file.auditors:
        rest["auditors"] = sorted({who.text for who in file.auditors})
    told.update(f"}}, {_json(rest)[1:]}".encode())
    return told.hexdigest()[:12]


_json = json.JSONEncoder(sort_keys=True).encode
_SAID_ONLY_WHERE_GIVEN = ("reason_pattern", "reason_link", "also_may_approve", "max_total")
"""Terms that came later: a file that does not name them means what it meant before."""


class _Meaning:
    """Entries as JSON texts with sorted keys. What many entries say is turned into text once."""

    def __init__(self) -> None:
        self._templates: dict[tuple[int, bool], str] = {}
        self._shared = _Shared()
        self._people: dict[tuple[Name, ...], str] = {}

    def of(self, name: str, api: Entry) -> str:
        shared = self._shared
        own = {
            "api_id": _json(api.api_id),
            "api_name": _json(api.api_name or name),
            "approvals_channel": shared[api.approvals_channel],
            "auth_header": shared[api.auth_header],
            "description": shared[api.description],
            "docs": shared[api.docs],
            "gateway_url": shared[api.gateway_url],
            "listen_path": _json(api.listen_path or f"/{name}/"),
            "plans": _plans_meaning(api.plans) if api.plans else "null",
            "requesters": self._requesters(api.requesters),
            "title": _json(api.title or name),
            "versions": shared[api.versions],
        }
        if api.warning:
            own["warning"] = shared[api.warning]
        return self._template(api.terms, own) % tuple(own.values())

    def _template(self, terms: Terms, own: Mapping[str, str]) -> str:
        """An entry's text with a gap for each of its own, which come in the order of their names."""
        found = self._templates.get((id(terms), "warning" in own))  # equal terms are one object
        if found is None:
            texts = {key: _json(value).replace("%", "%%") for key, value in _of_terms(terms).items()}
            texts |= dict.fromkeys(own, "%s")
            told = ", ".join(f'"{key}": {texts[key]}' for key in sorted(texts))
            found = self._templates[id(terms), "warning" in own] = f"{{{told}}}"
        return found

    def _requesters(self, names: tuple[Name, ...]) -> str:
        if names not in self._people:
            self._people[names] = _json(sorted({who.text for who in names}))
        return self._people[names]


class _Shared(dict[Any, str]):
    """The text of each value that many entries have."""

    def __missing__(self, value: Any) -> str:
        self[value] = text = _json(value)
        return text


def _of_terms(terms: Terms) -> dict[str, Any]:
    told = terms.model_dump(mode="json")
    for name in ("approvers", "also_may_approve"):
        told[name] = sorted(set(told[name]))
    return {name: value for name, value in told.items() if value or name not in _SAID_ONLY_WHERE_GIVEN}


def _plans_meaning(plans: Mapping[str, PlanEntry]) -> str:
    return _json([(key, _plan_meaning(plan)) for key, plan in plans.items()])


def _plan_meaning(plan: PlanEntry) -> dict[str, Any]:
    return {
        "limits": asdict(plan.limits) if plan.limits else None,
        "tyk_policies": plan.tyk_policies,
        "also_opens": plan.also_opens,
    } | ({"also_for_those_who_may_not_ask": True} if plan.also_for_those_who_may_not_ask else {})
