"""What Tyk lists of a policy, and whether a plan's policies would do."""

from __future__ import annotations

from typing import Any

import pytest

from bot.config.sections import PlanSection
from bot.core.model import Limits, Plan, PolicyTerms
from bot.tyk.policies import PolicyLimits, TykPolicy, by_either_name, changed_terms, policy_complaints, read, terms_of

LIMITS = Limits(rate=1, per=1, quota_max=-1, quota_renewal_rate=60)
LISTED: dict[str, Any] = {
    "_id": "6333f0348f47e40001da45dd",
    "id": "YXBpL3JlcG9ydHM=",
    "name": "Reports",
    "active": True,
    "rate": 100,
    "per": 60,
    "quota_max": 1000,
    "quota_renewal_rate": 3600,
    "access_rights": {"a1": {}},
    "partitions": {"quota": False, "rate_limit": False, "acl": False, "per_api": False},
}


def plan(*names: str) -> Plan:
    return Plan("gold", LIMITS, tyk_policies=names)


def test_both_names_are_read() -> None:
    """A policy has its own name and the database's; where it has none of its own, the one counts once."""
    assert read(LISTED).names == ("YXBpL3JlcG9ydHM=", "6333f0348f47e40001da45dd")
    assert read(LISTED | {"id": ""}).id == "6333f0348f47e40001da45dd"
    assert read(LISTED | {"id": ""}).names == ("6333f0348f47e40001da45dd",)
    assert read({}).names == ()


@pytest.mark.parametrize("name", ["YXBpL3JlcG9ydHM=", "6333f0348f47e40001da45dd"])
def test_either_name_will_do(name: str) -> None:
    """A plan may name a policy by either of its names, with whatever letters occur in it."""
    assert policy_complaints(plan(name), frozenset({"a1"}), {"YXBpL3JlcG9ydHM=": read(LISTED)}) == []


def test_a_name_that_two_claim() -> None:
    """Where the own name of one is the database's name of another, the first has it."""
    first = TykPolicy("p", "P", True, frozenset(), 0, internal_id="q")
    second = TykPolicy("q", "Q", True, frozenset(), 0)
    assert by_either_name([first, second]) == {"p": first, "q": second}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"id": "other"}, "Tyk has no policy YXBpL3JlcG9ydHM=."),
        ({"active": False}, "The Tyk policy YXBpL3JlcG9ydHM= is not active."),
        ({"is_inactive": True}, "The Tyk policy YXBpL3JlcG9ydHM= is not active."),
        (
            {"access_rights": {"a1": {}, "b\n2": {}}},
            "The Tyk policy YXBpL3JlcG9ydHM= also opens b 2: list it under also_opens.",
        ),
    ],
)
def test_why_a_policy_would_not_do(changed: dict[str, Any], said: str) -> None:
    """An unknown policy, one that is switched off, and one that opens more than the plan lists: a sentence each."""
    policy = read(LISTED | changed)
    assert policy_complaints(plan("YXBpL3JlcG9ydHM="), frozenset({"a1"}), {policy.id: policy}) == [said]


@pytest.mark.parametrize(
    ("partitions", "limits"),
    [
        ({}, PolicyLimits(100, 60, 1000, 3600)),
        ({"rate_limit": True}, PolicyLimits(rate=100, per=60)),
        ({"quota": True}, PolicyLimits(quota_max=1000, quota_renewal_rate=3600)),
        ({"acl": True}, PolicyLimits()),
    ],
)
def test_limits_are_those_it_sets(partitions: dict[str, bool], limits: PolicyLimits) -> None:
    """A partitioned policy sets its parts alone."""
    assert read(LISTED | {"partitions": partitions}).limits == limits


@pytest.mark.parametrize("odd", [True, "90", None, float("nan"), float("inf"), 10**400])
def test_odd_numbers_are_none(odd: Any) -> None:
    """What is no number that a limit could be is not believed."""
    policy = read(LISTED | {"rate": odd, "key_expires_in": odd})
    assert (policy.limits.rate, policy.key_expires_in) == (None, 0)


def test_the_file_takes_the_names_that_occur() -> None:
    """A policy's name may be base64, as the Operator writes it, with = and + in it."""
    for name in ("YXBpL3JlcG9ydHM=", "a+b/c==", "6333f0348f47e40001da45dd"):
        assert PlanSection.model_validate({"tyk_policies": [name]}).tyk_policies == (name,)
    with pytest.raises(ValueError, match="an id as Tyk shows it"):
        PlanSection.model_validate({"tyk_policies": ["a b"]})


def test_the_terms_of_a_plan_are_those_of_its_policies() -> None:
    """In the plan's order and by the name it uses; where one of them is unknown, nothing is said of the others."""
    first = read(
        {"_id": "6333", "id": "a=", "name": "A", "rate": 5, "per": 1, "quota_max": 10, "quota_renewal_rate": 60}
    )
    second = read({"id": "b", "name": "B\nB", "rate": 9, "per": 1, "partitions": {"quota": True}})
    listed = {one.id: one for one in (first, second)}
    assert terms_of(plan("b", "6333"), listed) == (PolicyTerms("b", "B B"), PolicyTerms("6333", "A", 5, 1, 10, 60))
    assert terms_of(plan("b", "nope"), listed) == ()


@pytest.mark.parametrize(
    ("now", "changed"),
    [
        (PolicyTerms("p", "Gold", 5, 1), None),
        (PolicyTerms("p", "Golden", 5, 1), None),
        (PolicyTerms("p", "Gold", 6, 1), "Gold"),
        (PolicyTerms("p", "Gold", 5, 60), "Gold"),
        (PolicyTerms("p", "Gold", 5, 1, 10), "Gold"),
        (PolicyTerms("p", "Gold", 5, 1, each_api=True), "Gold"),
        (PolicyTerms("q", "Gold", 5, 1), "Gold"),
    ],
)
def test_what_a_policy_sets_now_is_compared_with_what_was_shown(now: PolicyTerms, changed: str | None) -> None:
    """Another name is no other right; another number is."""
    assert changed_terms([PolicyTerms("p", "Gold", 5, 1)], [now]) == changed
