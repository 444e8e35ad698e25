"""A policy as Tyk lists it, and whether the policies of a plan would do: pure reading, no call of Tyk.

A policy has two names, the database's `_id` and an `id` of its own, which differ where it was imported or made by the Operator.
Which of them a Gateway takes depends on its `allow_explicit_policy_id`; so what the configuration says is what is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.core.model import Plan, PolicyTerms
from bot.tyk.definitions import Json, part, text
from bot.tyk.names import one_line

_MOST = 1e15  # what is beyond, or no number, is not believed
_LONGEST = 1e10  # seconds: three hundred years


@dataclass(frozen=True)
class PolicyLimits:
    """The limits that a policy sets for its keys: None leaves one to the key. Below 1, a rate or a quota is none."""

    rate: float | None = None
    per: float | None = None
    quota_max: float | None = None
    quota_renewal_rate: float | None = None


@dataclass(frozen=True)
class TykPolicy:
    """`opens` are the APIs whose access rights the policy replaces with its own; none where it leaves them alone.

    `id` is its own name, or the database's where it has none; `internal_id` the database's. `limits_each_api`: it has limits
    of its own for each API, beside which `limits` say nothing. `key_expires_in` is in seconds, 0 for never.
    """

    id: str
    name: str
    active: bool
    opens: frozenset[str]
    key_expires_in: int
    internal_id: str = ""
    limits: PolicyLimits = PolicyLimits()
    limits_each_api: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names that it goes by, each once."""
        return tuple(dict.fromkeys(name for name in (self.id, self.internal_id) if name))


def read(listed: Json) -> TykPolicy:
    """The policy of one item of Tyk's list."""
    internal_id, partitions = text(listed, "_id"), part(listed, "partitions")
    policy_id = text(listed, "id") or internal_id
    return TykPolicy(
        policy_id,
        text(listed, "name") or policy_id,
        active=listed.get("active", True) is not False and listed.get("is_inactive") is not True,
        opens=frozenset(part(listed, "access_rights")) if _sets(partitions, "acl", "per_api") else frozenset(),
        key_expires_in=int(min(_number(listed, "key_expires_in") or 0, _LONGEST)),
        internal_id=internal_id,
        limits=_limits(listed, partitions),
        limits_each_api=partitions.get("per_api") is True,
    )


def by_either_name(policies: Iterable[TykPolicy]) -> dict[str, TykPolicy]:
    """Each policy under both of its names; where two claim a name, the one whose own it is has it."""
    listed = tuple(policies)
    internal = {policy.internal_id: policy for policy in listed if policy.internal_id}
    return internal | {policy.id: policy for policy in listed}


def policy_complaints(plan: Plan, listed: frozenset[str], policies: Mapping[str, TykPolicy]) -> list[str]:
    """The reasons that a plan's Tyk policies would not do, a sentence each: Tyk itself skips an unknown one in silence."""
    known = by_either_name(policies.values())
    complaints = []
    for name in plan.tyk_policies:
        policy = known.get(name)
        if policy is None:
            complaints.append(f"Tyk has no policy {name}.")
        elif not policy.active:
            complaints.append(f"The Tyk policy {name} is not active.")
        elif extra := sorted(policy.opens - listed):
            said = one_line(", ".join(extra))
            complaints.append(f"The Tyk policy {name} also opens {said}: list it under also_opens.")
    return complaints


def terms_of(plan: Plan, policies: Mapping[str, TykPolicy]) -> tuple[PolicyTerms, ...]:
    """The terms of the plan's policies, in the plan's order; none where Tyk does not know them all."""
    known = by_either_name(policies.values())
    if not known.keys() >= set(plan.tyk_policies):
        return ()
    found = ((name, known[name]) for name in plan.tyk_policies)
    return tuple(
        PolicyTerms(
            name,
            one_line(policy.name),
            policy.limits.rate,
            policy.limits.per,
            policy.limits.quota_max,
            policy.limits.quota_renewal_rate,
            each_api=policy.limits_each_api,
        )
        for name, policy in found
    )


def changed_terms(shown: Iterable[PolicyTerms], now: Iterable[PolicyTerms]) -> str | None:
    """The name of the first policy that sets something else now than was shown; None where none does."""
    current = {terms.policy: terms.limits for terms in now}
    return next((terms.name for terms in shown if current.get(terms.policy) != terms.limits), None)


def _limits(listed: Json, partitions: Json) -> PolicyLimits:
    limits_rate, limits_quota = _sets(partitions, "rate_limit"), _sets(partitions, "quota")
    return PolicyLimits(
        rate=_number(listed, "rate") if limits_rate else None,
        per=_number(listed, "per") if limits_rate else None,
        quota_max=_number(listed, "quota_max") if limits_quota else None,
        quota_renewal_rate=_number(listed, "quota_renewal_rate") if limits_quota else None,
    )


def _sets(partitions: Json, *parts: str) -> bool:
    """A policy sets all there is, or, where it is partitioned, only its parts."""
    return not any(partitions.values()) or any(partitions.get(name) for name in parts)


def _number(listed: Json, name: str) -> float | None:
    found: Any = listed.get(name)
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    return found if is_number and -_MOST <= found <= _MOST else None
