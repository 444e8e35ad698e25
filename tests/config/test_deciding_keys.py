"""What `config.yaml` says to those who ask and to those who decide: warnings, what a reason must hold, who may decide besides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from bot.config import parse
from bot.core.model import Audience, ReasonPattern, Rule
from tests.config.test_config import HEAD, complaints, conforms, of_api, only

WARNING = "This is production: a token opens real accounts."


def rule_of(*lines: str, defaults: str = "{}") -> Rule:
    """The rule of an API with these lines in it."""
    return parse(_file("approvers: [S0LEADS]", *lines, defaults=defaults)).rulebook({}).rules["one"]


def digest_of(*lines: str) -> str:
    return parse(_file("approvals: 0", *lines)).digest


def _file(*lines: str, defaults: str = "{}") -> str:
    entry = "\n".join(f"    {line}" for line in ("api_id: a1", "requesters: [everyone]", *lines))
    return f"{HEAD}defaults: {defaults}\napis:\n  one:\n{entry}\n"


# --- warning ----------------------------------------------------------------------------------------------------------


def test_a_warning_is_a_sentence_of_one_api() -> None:
    """Nobody is warned where the file says nothing."""
    assert rule_of(f"warning: '{WARNING}'").warning == WARNING
    assert rule_of().warning == ""
    assert digest_of(f"warning: '{WARNING}'") != digest_of()


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("warning: ''", "6:14: `warning` must not be empty"),
        (f"warning: {'x' * 301}", "`warning` may have 300 characters at most, has 301"),
        ("warning: [production]", "`warning` needs text, got a list"),
    ],
)
def test_a_warning_that_cannot_be_shown_is_told_in_its_place(line: str, complaint: str) -> None:
    assert complaint in only(of_api(line))


# --- what a reason must hold ------------------------------------------------------------------------------------------

TICKET = "{pattern: '[A-Z]+-[0-9]+', says: 'Give the number of your change ticket, such as OPS-123.'}"
BROWSE = "https://tickets.example.com/browse/{match}"


def test_a_reason_pattern_has_its_sentence_and_may_have_a_link() -> None:
    """For all APIs that say nothing else, or for one."""
    wanted = ReasonPattern("[A-Z]+-[0-9]+", "Give the number of your change ticket, such as OPS-123.")
    assert rule_of(f"reason_pattern: {TICKET}").reason_pattern == wanted
    linked = rule_of(f"reason_link: {BROWSE}", defaults=f"{{reason_pattern: {TICKET}}}")
    assert linked.reason_pattern == replace(wanted, link=BROWSE)
    assert rule_of().reason_pattern is None
    digests = {digest_of(), digest_of(f"reason_pattern: {TICKET}")}
    digests.add(digest_of(f"reason_pattern: {TICKET}", f"reason_link: {BROWSE}"))
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("reason_pattern: '[A-Z]+'", "6:21: `reason_pattern` needs `key: value` lines of its own, got '[A-Z]+'"),
        ("reason_pattern: {pattern: x}", "6:5: `reason_pattern` lacks `says`: the sentence that asks for it"),
        (
            "reason_pattern: {pattern: '[A-Z', says: x}",
            "6:31: `pattern` is no regular expression: unterminated character set",
        ),
        (
            "reason_pattern: {pattern: '(a+)+', says: x}",
            "6:31: `pattern` repeats a group without end: write how often at most, such as {1,9}",
        ),
        ("reason_pattern: {pattern: 'x*', says: x}", "6:31: `pattern` fits an empty text, so it asks for nothing"),
        ("reason_pattern: {patern: x, says: x}", "`reason_pattern` has no setting `patern`; did you mean `pattern`?"),
        (
            f"reason_link: {BROWSE}",
            "6:5: `one` has a `reason_link` and no `reason_pattern`, which finds what the link is of",
        ),
        ("reason_link: http://tickets.example.com/{match}", "6:18: `reason_link` must begin with https://"),
        ("reason_link: https://tickets.example.com/", "6:18: `reason_link` needs {match} once"),
        ("reason_link: https://t.example.com/{match}/{match}", "6:18: `reason_link` needs {match} once"),
        ("reason_link: https://{match}.example.com/", "6:18: `reason_link` must hold {match} behind the host and a /"),
        ("reason_link: javascript:alert({match})", "6:18: `reason_link` needs an address that begins with https://"),
    ],
)
def test_a_pattern_or_link_that_is_wrong_is_told_in_its_place(line: str, complaint: str) -> None:
    assert any(one.startswith(complaint) or complaint in one for one in of_api(line))


def test_a_link_in_the_defaults_without_a_pattern_is_told_there() -> None:
    said = complaints(
        f"{HEAD}defaults: {{reason_link: '{BROWSE}'}}\napis: {{one: {{api_id: a, requesters: [everyone], approvals: 0}}}}\n"
    )
    assert only(said).startswith("3:12: an API that says nothing else has a `reason_link` and no `reason_pattern`")


def test_editors_know_the_keys() -> None:
    """The schema takes what the loader takes, and nothing beside it."""
    entry: dict[str, Any] = {"api_id": "a", "requesters": ["everyone"], "warning": "This is production."}
    entry |= {"reason_pattern": {"pattern": "x", "says": "Say x."}, "reason_link": BROWSE}
    whole = yaml.safe_load(HEAD) | {"apis": {"one": entry}}
    assert conforms(whole)
    assert not conforms(whole | {"apis": {"one": entry | {"reason_pattern": {"pattern": "x"}}}})
    assert not conforms(whole | {"apis": {"one": entry | {"reason_link": "http://x/{match}"}}})


# --- who may decide and is not called ---------------------------------------------------------------------------------


def test_who_also_may_approve_stands_beside_the_approvers() -> None:
    """In the defaults or of one API, as the approvers do."""
    rule = rule_of("also_may_approve: [S0ONCALL, U0DAVE]")
    assert rule.also_may_approve == Audience(groups=frozenset({"S0ONCALL"}), users=frozenset({"U0DAVE"}))
    assert rule.approvers == Audience(groups=frozenset({"S0LEADS"}))
    assert rule.may_approve == Audience(groups=frozenset({"S0LEADS", "S0ONCALL"}), users=frozenset({"U0DAVE"}))
    assert rule_of(defaults="{also_may_approve: [U0DAVE]}").also_may_approve == Audience(users=frozenset({"U0DAVE"}))
    assert rule_of("also_may_approve: []", defaults="{also_may_approve: [U0DAVE]}").may_approve == rule.approvers
    assert digest_of("also_may_approve: [U0DAVE]") != digest_of() == digest_of("also_may_approve: []")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("also_may_approve: [everyone]", "6:24: `also_may_approve` cannot hold everyone: name user groups or people"),
        (
            "also_may_approve: [C0TEAM]",
            "6:24: `also_may_approve` cannot hold the channel C0TEAM: name user groups or people",
        ),
        ("also_may_approve: U0DAVE", "6:23: `also_may_approve` needs a list, as in [\"U0DAVE\"], got 'U0DAVE'"),
    ],
)
def test_nobody_may_decide_who_may_not_approve(line: str, complaint: str) -> None:
    assert complaint in only(of_api(line))


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (("approvals: 2", "approvers: [U0BOB]", "also_may_approve: [U0DAVE]"), None),
        (("approvals: 3", "approvers: [U0BOB]", "also_may_approve: [U0DAVE]"), "but its approvers are 2 people"),
        (("approvals: 2", "approvers: [U0BOB]", "also_may_approve: [U0BOB]"), "but its approvers are 1 person"),
        (("approvers: [U0BOB]", "also_may_approve: [S0ONCALL]", "approvals: 9"), None),
        (("approvers: []", "also_may_approve: [U0DAVE]"), "needs 1 approval and has no approvers: name some"),
    ],
)
def test_they_count_where_approvals_are_counted(lines: tuple[str, ...], complaint: str | None) -> None:
    """But somebody has to be called: a request that only they could decide would wait unheard."""
    text = _file(*lines)
    if complaint is None:
        parse(text)
    else:
        assert complaint in only(complaints(text))


def test_a_further_api_lets_them_decide_too() -> None:
    """Whoever may decide about a plan may decide about all that it opens."""
    plan = "plans: {gold: {tyk_policies: [p], also_opens: [two]}}"
    two = "  two: {api_id: b, requesters: [everyone], approvers: [S0LEADS]%s}\n"
    first = _file("approvers: [S0LEADS]", "also_may_approve: [U0DAVE]", plan)
    assert "and U0DAVE may not give one" in only(complaints(first + two % ""))
    parse(first + two % ", also_may_approve: [U0DAVE]")


def test_their_names_are_looked_up_and_may_be_all_that_is_left() -> None:
    """A handle that means nobody is told of in its place; whoever is left can decide, so the entry stays in force."""
    text = _file('approvers: ["@gone"]', "also_may_approve: [U0DAVE, eve@example.com]")
    found = {(one.role, one.text) for one in parse(text).mentions() if one.api == "one"}
    assert {("also_may_approve", "U0DAVE"), ("also_may_approve", "eve@example.com")} <= found
    rulebook, said = parse(text).in_force({})
    assert not rulebook.rules["one"].out_of_force
    assert [str(one).partition(": ")[2] for one in said] == [
        "`approvers` names @gone, which is not a user group in this workspace: left out",
        "`also_may_approve` names eve@example.com, which is not the e-mail address of a member in this workspace: left out",
    ]
    assert parse(text.replace("U0DAVE, ", "")).in_force({})[0].rules["one"].out_of_force
