"""The configuration as rules: what must be looked up in Slack, the rulebook once it was, its digest, what a change comes to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bot.config.document import ConfigError, Document, Position, Trail
from bot.config.sections import SINGLE_PLAN, ApiSection, LimitsSection, SlackSection, Terms, TykSection, laid_over
from bot.config.values import Kind, Name
from bot.core.model import ApiRef, Audience, Limits, Plan, Rule, Rulebook

Role = Literal["requesters", "approvers", "approvals_channel", "audit_channel", "help_channel"]


@dataclass(frozen=True)
class Mention:
    """Something of Slack's that the file names, to be looked up there. `api` is None for `defaults` and `slack`."""

    kind: Kind
    text: str
    role: Role
    api: str | None
    where: Position


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

    def place(self, trail: Trail) -> Position:
        return self._document.place(trail)

    def terms(self, name: str) -> Terms:
        return laid_over(self.defaults, self.apis[name])

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
        return Rulebook(self.digest, {name: self._rule(name, names) for name in self.apis})

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


def digest_of(tyk: TykSection, slack: SlackSection, defaults: Terms, apis: Mapping[str, ApiSection]) -> str:
    """Twelve hex digits that change when the meaning does: comments, order of names and what is left to a default do not."""
    meaning = {
        "tyk": tyk.model_dump(mode="json"),
        "slack": slack.model_dump(mode="json"),
        "apis": {name: _entry_meaning(name, api, defaults) for name, api in apis.items()},
    }
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:12]


def _entry_meaning(name: str, api: ApiSection, defaults: Terms) -> dict[str, Any]:
    meaning = api.model_dump(mode="json") | laid_over(defaults, api).model_dump(mode="json")
    meaning["title"] = api.title or name
    meaning["api_name"] = api.api_name or name
    meaning["listen_path"] = api.listen_path or f"/{name}/"
    meaning["requesters"] = sorted(set(meaning["requesters"]))
    meaning["approvers"] = sorted(set(meaning["approvers"]))
    meaning["plans"] = list(meaning["plans"].items()) if meaning["plans"] else None  # their order is what people see
    return meaning


# --- what changed ---------------------------------------------------------------------------------------------------


def summary(source: Rulebook | Config) -> dict[str, Any]:
    """The configuration in a few plain JSON values, to be kept and compared: `{digest, apis: {name: {approvals, requesters,
    approvers}}}`. A Rulebook gives ids, a Config the names as written: compare like with like."""
    if isinstance(source, Rulebook):
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
