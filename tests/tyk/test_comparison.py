"""A rule beside what Tyk has: each difference is one sentence, with the setting that should change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core.model import ApiRef, Audience, Limits, Plan, Rule
from bot.tyk.comparison import Difference, differences
from bot.tyk.definitions import ApiDefinition, Scheme, SessionLifetime, TokenPlaces, by_either_id
from bot.tyk.policies import TykPolicy
from tests.core.life import DAY, PAYMENTS

LIMITS = Limits(rate=100, per=60, quota_max=-1, quota_renewal_rate=60)
RULE = replace(
    PAYMENTS,
    api=ApiRef("a1", "Payments", ("Default",)),
    requesters=Audience(everyone=True),
    approvals=0,
    approvers=Audience(),
    plans=(Plan("standard", LIMITS),),
    lifetimes=(7 * DAY, DAY),
)
FOUND = ApiDefinition("a1", "Payments", "/payments/", internal_id="641c15dd0fffb800010197bf")


def told(rule: Rule, *found: ApiDefinition, policies: tuple[TykPolicy, ...] | None = None) -> tuple[Difference, ...]:
    by_name = None if policies is None else {policy.id: policy for policy in policies}
    return differences(rule, by_either_id(found), by_name)


def test_a_rule_that_fits() -> None:
    """Where file and Tyk say the same there is nothing to tell."""
    assert told(RULE, FOUND) == ()


def test_an_unknown_api() -> None:
    """An API that Tyk does not have is told as such, and nothing else of it."""
    text = "Tyk has no API a1. No key will be made for it."
    assert told(RULE) == (Difference(("api_id",), text),)


def test_an_api_by_its_other_id() -> None:
    """The database's id leads to the API, and the sentence to the id that keys go by; the rest is compared all the same."""
    rule = replace(RULE, api=replace(RULE.api, api_id="641c15dd0fffb800010197bf"), listen_path="/pay/")
    first, second = told(rule, FOUND)
    assert "Tyk calls it a1: write that. No key will be made for it." in first.text
    assert second == Difference(("listen_path",), "Tyk serves it at /payments/, the file says /pay/.")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (replace(FOUND, schemes=frozenset({Scheme.KEYLESS})), "Tyk's API a1 takes no token. It is keyless"),
        (replace(FOUND, active=False), "Tyk's API a1 is not active"),
        (replace(FOUND, schemes=frozenset({Scheme.BASIC}), is_mcp=True), "Tyk's MCP proxy a1 takes no token."),
    ],
)
def test_what_no_key_is_made_for(found: ApiDefinition, said: str) -> None:
    """An API that takes no token or is switched off is blamed on its id, and its header is not spoken of."""
    (only,) = told(RULE, found)
    assert only.trail == ("api_id",)
    assert said in only.text
    assert only.text.endswith(". No key will be made for it.")


@pytest.mark.parametrize(
    ("found", "setting", "text"),
    [
        (replace(FOUND, name="Pay #x\n1"), "api_name", "Tyk calls it Pay #x 1, the file Payments."),
        (
            replace(FOUND, versions=("v1", "v2")),
            "versions",
            "Tyk has the versions v1, v2 of it, the file says Default: a key for others opens nothing.",
        ),
        (
            replace(FOUND, versions=("v\n1",)),
            "versions",
            "Tyk has the versions v 1 of it, the file says Default: a key for others opens nothing.",
        ),
        (
            replace(FOUND, token=TokenPlaces("x-api-key")),
            "auth_header",
            "Tyk takes the token in x-api-key, the file says Authorization.",
        ),
        (
            replace(FOUND, token=TokenPlaces(None, "key")),
            "auth_header",
            "It takes its token in the query parameter key, not in a header.",
        ),
        (
            replace(FOUND, listen_path="/pay ments/"),
            "listen_path",
            "Tyk serves it at /pay%20ments/, the file says /payments/.",
        ),
        (
            replace(FOUND, listen_path="/x/{a|b}/"),
            "listen_path",
            "Tyk serves it at /x/{a|b}/, the file says /payments/.",
        ),
        (
            replace(FOUND, domain="pay.example.com"),
            "gateway_url",
            "Tyk serves it at the domain pay.example.com alone: write gateway_url: https://pay.example.com.",
        ),
        (
            replace(FOUND, lifetime=SessionLifetime(2 * DAY, respects_expiry=False)),
            "lifetimes",
            "Tyk drops a key of this API after 2d (its session lifetime), the file offers 7d.",
        ),
    ],
)
def test_each_difference_is_told(found: ApiDefinition, setting: str, text: str) -> None:
    """Name, versions, header, path, domain and lifetime: one sentence each, at the setting that should change."""
    assert told(RULE, found) == (Difference((setting,), text),)


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        (RULE, replace(FOUND, token=TokenPlaces("authorization"))),
        (replace(RULE, listen_path="/payments"), FOUND),
        (replace(RULE, listen_path="/my%20api/"), replace(FOUND, listen_path="/my api/")),
        (replace(RULE, listen_path="/x/a/"), replace(FOUND, listen_path="/x/{path:a|b}/")),
        (RULE, replace(FOUND, listen_path="secrets://path")),
        (RULE, replace(FOUND, domain="{sub}.example.com")),
        (RULE, replace(FOUND, domain="API.example.com")),
        (replace(RULE, api=replace(RULE.api, versions=("v2",))), replace(FOUND, versions=("v1", "v2"))),
        (RULE, replace(FOUND, lifetime=SessionLifetime(DAY, respects_expiry=True))),
        (replace(RULE, lifetimes=(DAY,)), replace(FOUND, lifetime=SessionLifetime(DAY, respects_expiry=False))),
    ],
)
def test_what_is_no_difference(rule: Rule, found: ApiDefinition) -> None:
    """Headers and domains are alike in any letters; some of the versions are enough; what nobody can look up is not told."""
    assert told(rule, found) == ()


def test_versions_of_an_api_without() -> None:
    """Of an API without versions, the file names none."""
    rule = replace(RULE, api=replace(RULE.api, versions=("v1",)))
    (only,) = told(rule, FOUND)
    assert only.text == "Tyk has no versions of it, the file says v1: leave `versions` out."


def test_a_life_without_an_end() -> None:
    """`never` is longer than any session lifetime."""
    rule = replace(RULE, lifetimes=(None, DAY))
    (only,) = told(rule, replace(FOUND, lifetime=SessionLifetime(30 * DAY, respects_expiry=False)))
    assert only.text.endswith("the file offers never.")


def test_policies_are_compared() -> None:
    """An unknown policy prevents keys; one that is for shorter-lived keys is told; both stand at the plan."""
    plans = (Plan("gold", LIMITS, tyk_policies=("g", "6333")), Plan("odd", LIMITS, tyk_policies=("nope",)))
    gold = TykPolicy("YXBp=", "Gold", True, frozenset({"a1"}), 2 * 86400, internal_id="6333")
    known = TykPolicy("g", "G", True, frozenset({"a1"}), 0)
    assert told(replace(RULE, plans=plans), FOUND, policies=(gold, known)) == (
        Difference(("plans", "gold"), "The Tyk policy 6333 is for keys of 2d, the file offers 7d."),
        Difference(("plans", "odd"), "Tyk has no policy nope. No key will be made for this plan."),
    )


def test_policies_that_were_not_looked_up() -> None:
    """Where the policies were not looked up, nothing is said of them."""
    plans = (Plan("gold", LIMITS, tyk_policies=("nope",)),)
    assert told(replace(RULE, plans=plans), FOUND) == ()
