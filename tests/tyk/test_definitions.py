"""What a definition says, over definitions of real shapes: `tests/data/definitions` holds each with what is expected of it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.tyk.definitions import (
    ApiDefinition,
    PathKind,
    Scheme,
    asked_besides,
    by_either_id,
    read,
    takes_token,
    unfit,
    why_not,
    why_not_in_header,
)

FOLDER = Path("tests/data/definitions")
CASES: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def defined(name: str) -> ApiDefinition:
    case = CASES[name]
    found = read(case["definition"], is_mcp=case["expected"].get("mcp", False))
    assert found is not None
    return found


def test_there_are_thirty_and_more() -> None:
    """Definitions of thirty real shapes and more are there, of either form."""
    assert len(CASES) >= 30
    assert {name.partition("-")[0] for name in CASES} == {"classic", "oas", "mcp"}


@pytest.mark.parametrize("name", CASES)
def test_what_it_is(name: str) -> None:
    """Ids, name, state, versions, path, domain and lifetime are read as they are meant."""
    found, expected = defined(name), CASES[name]["expected"]
    assert found.api_id == expected["api_id"]
    assert found.name == expected["name"]
    assert found.internal_id == expected.get("internal_id", found.internal_id)
    assert found.active is expected.get("active", True)
    assert list(found.versions) == expected.get("versions", ["Default"])
    assert found.listen_path == expected["path"]
    assert found.path_kind is PathKind(expected.get("path_kind", "plain"))
    assert found.url_path == expected.get("url_path", found.url_path)
    assert found.domain == expected.get("domain")
    assert found.is_mcp is expected.get("mcp", False)
    assert found.what == ("MCP proxy" if found.is_mcp else "API")
    assert (found.lifetime and found.lifetime.span) == _span(expected.get("lifetime"))
    assert found.ends_keys_after == _span(expected.get("ends_after"))


@pytest.mark.parametrize("name", CASES)
def test_how_it_authenticates(name: str) -> None:
    """The schemes that are on, the places of a token, and what is asked for beside it."""
    found, expected = defined(name), CASES[name]["expected"]
    assert found.schemes == {Scheme[scheme] for scheme in expected["schemes"]}
    assert found.one_is_enough is expected.get("one_is_enough", False)
    assert found.token.by_certificate is expected.get("by_certificate", False)
    if Scheme.AUTH_TOKEN in found.schemes:
        places = (found.token.header, found.token.query, found.token.cookie)
        assert places == (expected["header"], expected.get("query"), expected.get("cookie"))
    if takes_token(found):
        assert list(asked_besides(found)) == expected.get("besides", [])


@pytest.mark.parametrize("name", CASES)
def test_what_takes_a_token(name: str) -> None:
    """What a key of ours opens is told apart from what it does not, with the reason."""
    found, expected = defined(name), CASES[name]["expected"]
    reason = why_not(found)
    assert takes_token(found) is (reason is None) is ("why" not in expected)
    if reason is not None:
        assert expected["why"] in reason
        assert reason.endswith(".")
        assert found.auth_header == ""
    else:
        assert found.auth_header == (expected["header"] or "")
        assert (why_not_in_header(found) is None) is (expected["header"] is not None)


@pytest.mark.parametrize(
    ("name", "said"),
    [("classic-query-only", "the query parameter key"), ("classic-cookie-only", "the cookie session")],
)
def test_a_token_elsewhere_than_in_a_header(name: str, said: str) -> None:
    """Where a token goes into a query parameter or a cookie, its name is told."""
    assert why_not_in_header(defined(name)) == f"It takes its token in {said}, not in a header."


@pytest.mark.parametrize(
    "document",
    [None, [], "text", {}, {"api_definition": None}, {"api_definition": {"api_id": 5}}, {"oas": {"openapi": "3.0.3"}}],
)
def test_what_is_no_definition(document: Any) -> None:
    """What has no id is no API, whatever else it is."""
    assert read(document) is None


@pytest.mark.parametrize(
    "odd",
    [
        {"proxy": "text", "auth_configs": [], "auth": None, "version_data": [], "domain": 7, "session_lifetime": "x"},
        {"session_lifetime": float("nan"), "proxy": {"listen_path": None}, "use_keyless": "true"},
        {"session_lifetime": 10**400, "version_data": {"not_versioned": False, "versions": None}},
    ],
)
def test_odd_values_do_no_harm(odd: dict[str, Any]) -> None:
    """A value of another type than documented counts as left out."""
    found = read({"api_id": "a", "name": "A", **odd})
    assert found is not None
    assert (found.listen_path, found.versions, found.auth_header) == ("/", ("Default",), "Authorization")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", None),
        ("0s", None),
        ("90s", 90),
        ("1m29s", 89),
        ("1.5h", 5400),
        ("500ms", None),
        ("7d", None),
        ("1h oops", None),
    ],
)
def test_lifetimes_in_shorthand(value: str, seconds: int | None) -> None:
    """A lifetime is in Go's shorthand, and what is no such thing is none, as it is for Tyk."""
    authentication = {"enabled": True, "customKeyLifetime": {"enabled": True, "value": value}}
    gateway = {"info": {"id": "a", "name": "A"}, "server": {"authentication": authentication}}
    found = read({"x-tyk-api-gateway": gateway})
    assert found is not None
    assert found.ends_keys_after == _span(seconds)


def test_an_api_goes_by_two_ids() -> None:
    """Both ids lead to the API; where two claim one, it is the public id's."""
    first, second = ApiDefinition("a1", "A", internal_id="64"), ApiDefinition("64", "B", internal_id="65")
    known = by_either_id([first, second])
    assert (known["a1"], known["64"], known["65"]) == (first, second, second)


@pytest.mark.parametrize(
    ("asked", "found", "code", "said"),
    [
        ("nope", None, "tyk_api_unknown", "Tyk has no API nope."),
        ("641c15dd0fffb800010197bf", "classic-versions", "tyk_api_id", "Tyk calls it a1: write that."),
        ("off", "classic-switched-off", "tyk_api_inactive", "Tyk's API off is not active."),
        (
            "k1",
            "classic-keyless",
            "tyk_api_no_token",
            "Tyk's API k1 takes no token. It is keyless: it asks for no token.",
        ),
        ("files", "mcp-oauth", "tyk_api_no_token", "Tyk's MCP proxy files takes no token. It takes OAuth"),
    ],
)
def test_what_no_key_is_made_for(asked: str, found: str | None, code: str, said: str) -> None:
    """An API that is unknown, goes by another id, is inactive or takes no token has a code and a sentence of its own."""
    reason = unfit(asked, defined(found) if found else None)
    assert reason is not None
    assert reason.code == code
    assert said in reason.text


def test_what_a_key_is_made_for() -> None:
    """An active API that takes a token, by the id that keys go by, is fit; so is one that takes it in a query parameter."""
    assert unfit("a1", defined("classic-versions")) is None
    assert unfit("query", defined("classic-query-only")) is None
    assert unfit("weather", defined("mcp-minimal")) is None


def _span(seconds: int | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
