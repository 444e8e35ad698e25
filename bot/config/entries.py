"""The entries under `apis` as they are kept once each is checked: small frozen values, equal parts of them held once.

Pydantic's own objects carry a dictionary and a set each, and a file may have ten thousand entries.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TypeVar

from bot.config.sections import ApiSection, LimitsSection, PlanSection, Terms
from bot.config.values import Name
from bot.core.model import Limits

T = TypeVar("T")
_TERMS = tuple(Terms.model_fields)
_own_terms = attrgetter(*_TERMS)


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """One choice of what a key may do. No `limits`: those of the entry's terms hold."""

    limits: Limits | None
    tyk_policies: tuple[str, ...] | None
    also_opens: tuple[str, ...]
    also_for_those_who_may_not_ask: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One API as written, None where the file says nothing; `terms` are its own laid over the defaults.

    `approvers` and `also_may_approve` are those it names itself.
    """

    api_id: str
    api_name: str | None
    title: str | None
    description: str | None
    docs: str | None
    warning: str | None
    listen_path: str | None
    auth_header: str
    versions: tuple[str, ...]
    gateway_url: str | None
    requesters: tuple[Name, ...]
    plans: dict[str, PlanEntry] | None
    approvals_channel: str | None
    approvers: tuple[Name, ...] | None
    also_may_approve: tuple[Name, ...] | None
    terms: Terms


class Entries:
    """Makes entries, each equal part once."""

    def __init__(self, defaults: Terms) -> None:
        self._defaults = defaults
        self._terms: dict[tuple[object, ...], Terms] = {}
        self._parts: dict[object, object] = {}

    def terms(self, api: ApiSection) -> Terms:
        """The entry's own settings laid over the defaults."""
        own: tuple[object, ...] = _own_terms(api)
        found = self._terms.get(own)
        if found is None:
            given = {key: value for key, value in zip(_TERMS, own, strict=True) if value is not None}
            found = self._terms[own] = self._defaults.model_copy(update=given)
        return found

    def entry(self, api: ApiSection, terms: Terms) -> Entry:
        return Entry(
            api_id=api.api_id,
            api_name=api.api_name,
            title=api.title,
            description=api.description,
            docs=api.docs,
            warning=self._once(api.warning),
            listen_path=api.listen_path,
            auth_header=self._once(api.auth_header),
            versions=self._once(api.versions),
            gateway_url=self._once(api.gateway_url),
            requesters=self._once(api.requesters),
            plans=None if api.plans is None else {name: self._plan(plan) for name, plan in api.plans.items()},
            approvals_channel=self._once(api.approvals_channel),
            approvers=self._once(api.approvers),
            also_may_approve=self._once(api.also_may_approve),
            terms=terms,
        )

    def _plan(self, plan: PlanSection) -> PlanEntry:
        limits = limits_of(plan.limits) if plan.limits else None
        policies, further = self._once(plan.tyk_policies), self._once(plan.also_opens)
        return self._once(PlanEntry(self._once(limits), policies, further, plan.also_for_those_who_may_not_ask))

    def _once(self, part: T) -> T:
        return self._parts.setdefault(part, part)  # type: ignore[return-value]  # what is equal here is of one type


def limits_of(section: LimitsSection) -> Limits:
    return Limits(section.rate, section.per, section.quota_max, section.quota_renewal_rate)
