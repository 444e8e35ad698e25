"""Entries for `config.yaml`: what is printed passes `check`, whatever Tyk holds."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import config
from bot.tyk import definitions, policies
from bot.tyk.comparison import differences
from bot.tyk.definitions import ApiDefinition, Scheme, SessionLifetime, TokenPlaces
from bot.tyk.entries import entries, limits_in_words
from bot.tyk.policies import PolicyLimits, TykPolicy

HEAD = Path("config.yaml").read_text().partition("apis:")[0]


def checked(printed: str) -> config.Config:
    """The configuration that the printed text is, once a person has said who may ask. Raises ConfigError."""
    return config.parse(HEAD + re.sub(r"(?m)^    api_id:", "    requesters: [everyone]\n    api_id:", printed))


def commented(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if line.startswith("# - ")]


def test_what_takes_a_token_is_an_entry() -> None:
    """Every API that takes its token in a header is an entry that says all there is to say, but with nobody allowed."""
    printed = entries([ApiDefinition("a1", "Payments", "/payments/", ("v1", "v2"), token=TokenPlaces("X-Token"))])
    assert yaml.safe_load(printed) == {
        "apis": {
            "payments": {
                "api_id": "a1",
                "api_name": "Payments",
                "listen_path": "/payments/",
                "versions": ["v1", "v2"],
                "auth_header": "X-Token",
            }
        }
    }


@pytest.mark.parametrize(
    ("api", "reason"),
    [
        (ApiDefinition("k1", "Open", schemes=frozenset({Scheme.KEYLESS})), "It is keyless: it asks for no token."),
        (ApiDefinition("k1", "Jot", schemes=frozenset({Scheme.JWT})), "It takes a JWT, not an auth token."),
        (ApiDefinition("k1", "Off", active=False), "It is not active."),
        (ApiDefinition("k1", "Key", token=TokenPlaces(None, "key")), "It takes its token in the query parameter key"),
        (ApiDefinition("k1", "Ref", "secrets://path"), "a reference that only the Gateway can look up"),
        (ApiDefinition("k1", "Wild", domain="{sub}.example.com"), "Its domain {sub}.example.com is no address"),
        (ApiDefinition("k1", "Wild", domain="{sub}\n.example.com"), "Its domain {sub} .example.com is no address"),
        (ApiDefinition("k 1", "Id"), "The file cannot hold its api_id as Tyk has it."),
        (ApiDefinition("k1", "Long", versions=("v" * 76,)), "The file cannot hold its versions as Tyk has it."),
        (
            ApiDefinition("k1", "Head", token=TokenPlaces("X Key")),
            "The file cannot hold its auth_header as Tyk has it.",
        ),
    ],
)
def test_what_makes_no_entry_is_a_comment(api: ApiDefinition, reason: str) -> None:
    """What no token opens, and what the file cannot hold, is named in a comment with the reason."""
    printed = entries([api])
    assert yaml.safe_load(printed) is None
    (line,) = commented(printed)
    assert line.startswith(f"# - {api.name} (api_id {api.api_id}): ")
    assert reason in line


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/my api/", "/my%20api/"),
        ("/größe/", "/gr%C3%B6%C3%9Fe/"),
        ("/50%/", "/50%25/"),
        ("bare/", "/bare/"),
        ("/\ud800/", "/%3F/"),
    ],
)
def test_a_path_is_written_as_callers_write_it(path: str, expected: str) -> None:
    """Blanks and letters beyond ASCII are printed as an address holds them; Tyk's own leading slash is added."""
    (api,) = checked(entries([ApiDefinition("a", "A", path)])).apis.values()
    assert api.listen_path == expected


def test_a_name_becomes_one_short_line() -> None:
    """Line breaks, invisible letters and what is over 75 characters go; two APIs of one name are two entries."""
    names = ["Rep\u200borts\nEU", "x" * 90, "Größe", "Größe", "日本"]
    loaded = checked(entries([ApiDefinition(f"a{number}", name) for number, name in enumerate(names)]))
    told = {name: api.api_name for name, api in loaded.apis.items()}
    assert told == {
        "reports-eu": "Reports EU",
        "x" * 60: "x" * 74 + "…",
        "grosse": "Größe",
        "grosse-2": "Größe",
        "api": "日本",
    }


def test_a_custom_domain_becomes_the_gateway() -> None:
    """An API with a domain of its own is called there and not at the general gateway."""
    (api,) = checked(entries([ApiDefinition("a", "A", domain="pay.example.com")])).apis.values()
    assert api.gateway_url == "https://pay.example.com"


def test_what_is_particular_is_said_above_an_entry() -> None:
    """An MCP proxy, a further scheme and a pattern are named in comments."""
    both = frozenset({Scheme.AUTH_TOKEN, Scheme.JWT})
    printed = entries([ApiDefinition("a", "A", "/x/{path:a|b}/", schemes=both, is_mcp=True)])
    assert "  # an MCP proxy\n" in printed
    assert "  # beside the token, callers show a JWT\n" in printed
    assert "  # its listen path is a pattern" in printed
    assert checked(printed).apis["a"].listen_path == "/x/{path:a|b}/"


def test_policies_are_told_with_both_names() -> None:
    """A policy is a comment with both names, its limits in numbers, what it opens and how long its keys are meant to live."""
    gold = policies.read(
        {
            "_id": "6333f0348f47e40001da45dd",
            "id": "YXBpL3JlcG9ydHM=",
            "name": "Gold",
            "active": True,
            "rate": 100.0,
            "per": 60.0,
            "quota_max": 10000,
            "quota_renewal_rate": 86400,
            "key_expires_in": 7776000,
            "access_rights": {"a1": {}, "gone": {}},
        }
    )
    off = TykPolicy("p", "Off", active=False, opens=frozenset(), key_expires_in=0, limits_each_api=True)
    printed = entries([ApiDefinition("a1", "Payments")], [gold, off])
    assert commented(printed) == [
        (
            "# - YXBpL3JlcG9ydHM= or 6333f0348f47e40001da45dd (Gold): 100 calls per 60 s, 10000 calls per 86400 s; "
            "opens Payments (api_id a1), gone; for keys of 90d"
        ),
        "# - p (Off): each API's own limits; opens what the key itself names; not active",
    ]
    assert checked(printed).apis


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (PolicyLimits(), "the key's own rate, the key's own quota"),
        (PolicyLimits(0, 0, -1, 60), "no rate limit, no quota"),
        (PolicyLimits(0.5, 1, 100, 0), "0.5 calls per 1 s, 100 calls in all"),
    ],
)
def test_limits_in_words(limits: PolicyLimits, words: str) -> None:
    """What a policy leaves to the key, what is unlimited, and a quota that never begins anew are told apart."""
    assert limits_in_words(limits) == words


# --- whatever Tyk holds -----------------------------------------------------------------------------------------------

TEXTS = st.one_of(
    st.text(max_size=90),
    st.sampled_from(
        ["", "null", "yes", "007", "1e3", "a: b", "# x", "'", '"', "- a", "Größe", "x" * 100, "a\r\nb", "@y", "\u2028"]
    ),
)
PATHS = st.one_of(TEXTS, st.sampled_from(["/a/", "/a b/", "secrets://x", "/x/{p:a|b}/", "/ü?q#f%/", "a"]))
FLAGS = st.sampled_from(
    [
        "use_keyless",
        "enable_jwt",
        "use_oauth2",
        "use_basic_auth",
        "use_mutual_tls_auth",
        "use_standard_auth",
        "use_openid",
    ]
)
IDS = st.one_of(st.from_regex(r"[A-Za-z0-9._~-]{1,32}", fullmatch=True), TEXTS)
PLACES = st.fixed_dictionaries(
    {},
    optional={
        "auth_header_name": st.one_of(TEXTS, st.sampled_from(["X-Key", "Authorization"])),
        "disable_header": st.booleans(),
        "use_param": st.booleans(),
        "param_name": TEXTS,
        "use_cookie": st.booleans(),
    },
)
LISTS = st.lists(TEXTS, max_size=3)


@st.composite
def classic(draw: st.DrawFn) -> dict[str, Any]:
    """A classic definition, mostly of something that takes a token."""
    return {
        "api_id": draw(IDS),
        "id": draw(IDS),
        "name": draw(TEXTS),
        "active": draw(st.sampled_from([True, True, False])),
        "proxy": {"listen_path": draw(PATHS)},
        "auth_configs": {"authToken": draw(PLACES)},
        "domain": draw(st.one_of(st.just(""), st.just("pay.example.com"), TEXTS)),
        "version_data": {
            "not_versioned": draw(st.booleans()),
            "versions": {name: {} for name in draw(LISTS)},
        },
        "session_lifetime": draw(st.integers(-1, 10**12)),
        **dict.fromkeys(draw(st.lists(FLAGS, max_size=1)), True),
    }


@st.composite
def oas(draw: st.DrawFn) -> dict[str, Any]:
    """An OAS document of an API with a scheme or two."""
    names = draw(st.lists(TEXTS, min_size=1, max_size=2, unique=True))
    kinds = [draw(st.sampled_from(["apiKey", "apiKey", "oauth2", "http"])) for _ in names]
    where = st.sampled_from(["header", "query", "cookie"])
    own = {
        name: {"enabled": draw(st.booleans()), draw(where): {"enabled": True, "name": draw(TEXTS)}} for name in names
    }
    return {
        "openapi": "3.0.3",
        "components": {
            "securitySchemes": {
                name: {"type": kind, "in": draw(where), "name": draw(TEXTS)}
                for name, kind in zip(names, kinds, strict=True)
            }
        },
        "security": [{name: [] for name in names}],
        "x-tyk-api-gateway": {
            "info": {"id": draw(IDS), "name": draw(TEXTS), "state": {"active": True}},
            "server": {
                "listenPath": {"value": draw(PATHS)},
                "customDomain": {"enabled": draw(st.booleans()), "name": draw(TEXTS)},
                "authentication": {"enabled": True, "securitySchemes": own},
            },
        },
    }


POLICIES = st.builds(
    policies.read,
    st.fixed_dictionaries(
        {"id": TEXTS, "_id": TEXTS, "name": TEXTS},
        optional={
            "rate": st.floats(),
            "per": st.floats(),
            "quota_max": st.integers(),
            "key_expires_in": st.one_of(st.integers(), st.floats()),
            "access_rights": st.dictionaries(TEXTS, st.just({}), max_size=2),
            "partitions": st.dictionaries(st.sampled_from(["acl", "quota", "rate_limit", "per_api"]), st.booleans()),
        },
    ),
)


@settings(max_examples=150)
@given(st.lists(st.one_of(classic(), oas()), min_size=1, max_size=6), st.lists(POLICIES, max_size=2), st.booleans())
def test_what_is_printed_passes_check(documents: list[dict[str, Any]], listed: list[TykPolicy], is_mcp: bool) -> None:
    """Whatever Tyk holds, what is printed is a configuration without a complaint, and says of each API what Tyk has."""
    found = [api for one in documents if (api := definitions.read(one, is_mcp=is_mcp)) is not None]
    printed = entries(found, listed)
    ready = yaml.safe_load(printed)
    if ready is None:
        return
    loaded = checked(printed)
    known = definitions.by_either_id(found)
    for rule in loaded.rulebook({"@api-owners": "S0OWNERS"}).rules.values():
        blamed = {one.trail[0] for one in differences(replace(rule, lifetimes=()), known, {})}
        assert blamed <= {"gateway_url"}
        assert definitions.unfit(rule.api.api_id, known[rule.api.api_id]) is None


def test_every_definition_of_the_examples() -> None:
    """The definitions of real shapes become a configuration without a complaint, or comments."""
    cases = [json.loads(path.read_text()) for path in sorted(Path("tests/data/definitions").glob("*.json"))]
    found = [api for one in cases if (api := definitions.read(one["definition"])) is not None]
    printed = entries(found)
    loaded = checked(printed)
    assert len(loaded.apis) + len(commented(printed)) == len(found) == len(cases)
    assert all(
        "why" not in one["expected"]
        for one in cases
        if one["expected"]["api_id"] in {api.api_id for api in loaded.apis.values()}
    )


def test_a_shorter_life_at_tyk_is_no_matter_of_the_entry() -> None:
    """A session lifetime is told by the comparison, not by an entry."""
    life = SessionLifetime(timedelta(hours=1), respects_expiry=False)
    assert "lifetime" not in entries([ApiDefinition("a", "A", lifetime=life)])
