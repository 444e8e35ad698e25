"""What config.yaml may say, what it means, and what is said where it is wrong."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bot.addresses import base_address
from bot.config import (
    Complaint,
    Config,
    ConfigError,
    document,
    load,
    parse,
    schema,
    sentences,
    values,
)
from bot.config.document import (
    MAX_BYTES,
)
from bot.config.sections import AuditSection, SlackSection, TykSection
from bot.config.values import Kind, duration, lifetime
from bot.core.model import ApiRef, Audience, Limits, Plan
from bot.durations import spelled
from bot.spelling import did_you_mean

SHIPPED = Path(__file__).parent.parent.parent / "config.yaml"
HEAD = """\
tyk: {dashboard_url: "https://admin.example.com", gateway_url: "https://api.example.com"}
slack: {approvals_channel: C0APPROVE, audit_channel: C0AUDIT, help_channel: C0HELP}
"""
IDS = {"@api-owners": "S0OWN", "@payments-devs": "S0DEV", "@payments-leads": "S0LEAD"}


def complaints(text: str) -> list[str]:
    """What is said of a whole file, as `line:column: text`."""
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert str(caught.value) == "\n".join(map(str, caught.value.complaints))
    return [str(complaint).removeprefix("config.yaml:") for complaint in caught.value.complaints]


def of_api(line: str, rest: str = "requesters: [everyone]\n    approvals: 0") -> list[str]:
    """What is said of an API with this line in it, which stands at 6:5."""
    return complaints(f"{HEAD}apis:\n  one:\n    api_id: a1\n    {line}\n    {rest}\n")


def only(said: list[str]) -> str:
    (complaint,) = said
    return complaint


# --- the shipped file -----------------------------------------------------------------------------------------------


def test_shipped_file() -> None:
    """The example that ships loads without a complaint and gives the rules it tells of."""
    rulebook = load(SHIPPED).rulebook(IDS)
    payments = rulebook.rules["payments"]
    assert list(rulebook.rules) == ["test-api", "payments", "ledger"]
    assert payments.approvals == 2
    assert payments.requesters == Audience(groups=frozenset({"S0DEV"}), users=frozenset({"U02ALICE"}))
    assert payments.approvers == Audience(groups=frozenset({"S0LEAD"}), users=frozenset({"U03BOB"}))
    assert payments.approvals_channel == "C0PAYAPPR"
    assert payments.plans == (
        Plan("standard", Limits(100, 1, 10000, 86400)),
        Plan(
            "gold",
            Limits(1000, 1, -1, 60),
            ("5f1c0b5c6ad84c3c8d0b5f0e",),
            (ApiRef("0f6de3a3b0f04b7f9f5a4b8a2c1d7e90", "ledger", ("Default",), "Ledger", "ledger"),),
            approvals=1,
            requesters=(Audience(groups=frozenset({"S0DEV"})),),
        ),
    )
    assert rulebook.rules["test-api"].requesters == Audience(everyone=True)
    assert rulebook.rules["ledger"].lifetimes == (timedelta(days=1), timedelta(days=7))


def test_least_file() -> None:
    """All but `tyk`, the channels and the APIs has a default."""
    loaded = parse(f"{HEAD}apis: {{one: {{api_id: a1, requesters: [everyone], approvers: [S0LEADS]}}}}")
    rule = loaded.rulebook({}).rules["one"]
    assert loaded.slack.command == "/tyk-key"
    assert loaded.tyk.keys_by == "id"
    assert rule.api == ApiRef("a1", "one", ("Default",), "one", "one")
    assert (rule.title, rule.description, rule.docs) == ("one", "", None)
    assert (rule.listen_path, rule.auth_header, rule.gateway_url) == (
        "/one/",
        "Authorization",
        "https://api.example.com",
    )
    assert rule.approvals == 1
    assert rule.approvals_channel == "C0APPROVE"
    assert rule.plans == (Plan("standard", Limits(1000, 1, -1, 60)),)
    assert rule.lifetimes == (timedelta(days=7), timedelta(days=1), timedelta(days=30))
    assert rule.reason_required
    assert (rule.lapses_after, rule.hide_token_after) == (timedelta(days=7), timedelta(days=1))


def test_own_over_defaults() -> None:
    """What an API says of itself holds for it, whatever the defaults say."""
    rule = (
        parse(f"""{HEAD}
defaults:
  approvals: 2
  approvers: [S0LEADS]
  reason: required
  limits: {{rate: 1, per: 1, quota_max: 5, quota_renewal_rate: 9}}
apis:
  one:
    api_id: a1
    requesters: ["C0TEAM", "W0ALICE", "Bob@Example.com"]
    approvals: 0
    approvers: []
    reason: optional
    lifetimes: [12h]
    request_lapses_after: 1m
    hide_token_after: 10s
    gateway_url: https://other.example.com/
    limits: {{rate: 7, per: 2, quota_max: -1, quota_renewal_rate: 60}}
""")
        .rulebook({"bob@example.com": "U0BOB"})
        .rules["one"]
    )
    assert rule.requesters == Audience(channels=frozenset({"C0TEAM"}), users=frozenset({"W0ALICE", "U0BOB"}))
    assert (rule.approvals, rule.approvers, rule.reason_required) == (0, Audience(), False)
    assert rule.lifetimes == (timedelta(hours=12),)
    assert (rule.lapses_after, rule.hide_token_after) == (timedelta(minutes=1), timedelta(seconds=10))
    assert rule.gateway_url == "https://other.example.com"
    assert rule.plans[0].limits == Limits(7, 2, -1, 60)


# --- the file as YAML -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "1:1: the file is empty; it needs `tyk`, `slack` and `apis`"),
        ("# nothing\n", "1:1: the file is empty; it needs `tyk`, `slack` and `apis`"),
        ("- a\n", "1:1: the file must hold `key: value` lines at its top"),
        ("just words", "1:1: the file must hold `key: value` lines at its top"),
        ("tyk:\n\tkeys_by: id", "2:1: a tab stands here: YAML is indented with blanks"),
        ("a: [@devs]", '1:5: a value cannot begin with @ unless it is quoted, as in "@..."'),
        ("a: b: c", '1:5: the YAML has a second ": " here, or is indented wrongly; quote a value that holds ": "'),
        ("a: 'b", "1:4: the YAML opens a quote here that is never closed"),
        ("a: [b", "1:6: the YAML opens a bracket that is not closed, or lacks a comma, before this place"),
        ("a: 1\nb", "2:1: the YAML lacks a `:` here; a line reads `key: value`"),
        ("a: \x00", "1:4: an invisible character stands here (U+0000): remove it"),
        ("a: " + "[" * 100_000, "1:36: this is nested too deeply"),
    ],
)
def test_no_yaml(text: str, complaint: str) -> None:
    """A file that is no YAML, or no mapping, is told of in plain words, where it breaks."""
    assert complaint in complaints(text)[0]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("title: A\n    title: B", "7:5: `title` is given twice, first in line 6: keep one"),
        ("title:", "6:5: `title` has no value: give it one, or leave the line out"),
        ("approvals_channel: #help", "(a # begins a comment: quote a value that begins with one)"),
        ("versions: [~]", "6:16: this item has no value"),
        ("title: *nope", "6:12: `*nope` stands for nothing: `&nope` must come before it, complete"),
        ("versions: &v [*v]", "6:19: `*v` stands for nothing"),
        ("title: !!python/name:os.system x", "6:12: tags (`!...`) have no meaning here"),
        ("<<: 5", "6:5: `<<` takes an alias of a mapping"),
        ("[a]: b", "6:5: a key must be plain text"),
    ],
)
def test_yaml_traps(line: str, complaint: str) -> None:
    """Keys given twice, keys without a value, tags and aliases of nothing are complaints, not surprises."""
    assert complaint in only(of_api(line))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('also_may_approve: ["@devs\u200b"]', "6:30: an invisible character stands here (U+200B, zero width space)"),
        ("title:\xa0Ledger", "6:11: an invisible character stands here (U+00A0, no-break space): remove it"),
        ("\xa0title: Ledger", "6:5: an invisible character stands here (U+00A0, no-break space)"),
        ("title: Led\xadger", "6:15: an invisible character stands here (U+00AD, soft hyphen)"),
        ("title: A\u3164", "6:13: an invisible character stands here (U+3164, hangul filler)"),
        ('title: "Led\\u200bger"', "6:12: an invisible character stands here (U+200B, zero width space)"),
        ("title: “Ledger”", "6:12: “ stands here (U+201C, left double quotation mark), and YAML quotes with \" or '"),
        ("also_may_approve: [\u2018U0DAVE\u2019]", "6:24: \u2018 stands here (U+2018, left single quotation mark)"),
    ],
)
def test_what_nobody_sees(line: str, complaint: str) -> None:
    """A letter that is none to the eye, or a quotation mark that is none to YAML, is named where it stands, and that alone."""
    assert complaint in only(of_api(line))


def test_what_everybody_sees() -> None:
    """Letters of every script, marks of the trade and curly quotes within a text stay; a comment may hold anything."""
    told = "Größe ⚠️ “yes” 日本"
    loaded = parse(
        f"{HEAD}apis: {{one: {{api_id: a, requesters: [everyone], approvals: 0, title: {told}}}}} # a\xa0b\u200b"
    )
    assert loaded.apis["one"].title == told


def test_two_documents() -> None:
    """One file is one document."""
    assert "a second document begins here" in only(complaints(SHIPPED.read_text() + "---\na: 1\n"))


def test_words_are_words() -> None:
    """`yes`, `on` and a number with a leading zero are text; only true and false are booleans."""
    data = document.parse("a: [yes, on, 007, 1_000, 12:30, 1e5, true, False, 7, -1, 1.5, '7', !!str 8]\non: 1").data
    expected = ["yes", "on", "007", "1_000", "12:30", "1e5", True, False, 7, -1, 1.5, "7", "8"]
    assert data == {"a": expected, "on": 1}


def test_aliases_and_merges() -> None:
    """An alias repeats a value, `<<` lays a mapping under another; own keys win."""
    loaded = parse(f"""{HEAD}apis:
  one: &base {{api_id: a1, requesters: &who ["@devs"], approvals: 0, auth_header: X-Key}}
  two: {{<<: *base, api_id: a2, requesters: *who}}
""")
    assert loaded.apis["two"].auth_header == "X-Key"
    assert loaded.apis["two"].api_id == "a2"
    assert loaded.where(("apis", "two", "requesters")) == "config.yaml:5:44"


def test_alias_bomb() -> None:
    """A few lines of aliases that stand for billions of values are refused at once."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "stands for more than 2,000,000 values" in only(complaints("\n".join(lines)))


def test_where() -> None:
    """Every key and value knows its place; of what is not there, the nearest around it is told."""
    loaded = load(SHIPPED)
    lines = SHIPPED.read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "U02ALICE" in text)
    assert loaded.where(("apis", "payments", "requesters", 1)).endswith(f"config.yaml:{line}:36")
    assert loaded.where(("apis", "payments", "nothing")) == loaded.where(("apis", "payments"))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (
            None,
            "there is no such file; docs/install.md has one to begin with, and `tyk-key-bot apis` prints its entries",
        ),
        (b"\xff\xfe\x00", "the file is not UTF-8 text"),
        (b"x" * (MAX_BYTES + 1), "the file is larger than 16 MB"),
    ],
)
def test_unreadable(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    """A file that is missing, huge or no text is a complaint about its first place."""
    path = tmp_path / "config.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value) == f"{path}:1:1: {complaint}"


@pytest.mark.parametrize("path", [Path("/"), Path("a\0b")])
def test_no_file(path: Path) -> None:
    """A directory, or a name that no file can have, cannot be read."""
    with pytest.raises(ConfigError, match="the file cannot be read"):
        load(path)


# --- keys -----------------------------------------------------------------------------------------------------------


def test_everything_at_once() -> None:
    """All that is wrong is told in one go, in the order of the file, each at its own place."""
    said = complaints("""\
tyk: {dashboard_url: "http://tyk.example.com", keys_by: name}
slak: {}
defaults: {approvals: two, aprovers: []}
apis:
  one: {requesters: [everyone], title: 5}
  two: {api_id: a1, requesters: ["@devs"], approvals: 1, approvers: [], hide_token_after: soon}
  Three: {api_id: a1, requesters: [], approvals: 0}
""")
    assert [line.split(": ")[0] for line in said] == [
        "1:1", "1:1", "1:22", "1:57", "2:1", "3:23", "3:28", "5:3", "5:40", "6:58", "6:91", "7:3", "7:19", "7:35",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: 1", "1:1: the file lacks `tyk`: where Tyk is"),
        (HEAD, "1:1: the file lacks `apis`: the APIs that tokens are given for, each under a short name"),
        (HEAD + "apis: {}", "3:7: `apis` needs entries, each `name: ...`, got nothing"),
        (HEAD + "apis: [a]", "3:7: `apis` needs entries, each `name: ...`, got a list"),
        (HEAD + "apis: {one: 5}", "3:13: `one` needs `key: value` lines of its own, got 5"),
        (HEAD + "apis: {one: {api_id: a1}}", "3:8: `one` lacks `requesters`: who may ask"),
        ("tyk: {gateway_url: https://a.example}", "1:1: `tyk` lacks `dashboard_url`: the address of the Tyk Dashboard"),
        ("slack: [C0A]", "1:8: `slack` needs `key: value` lines of its own, got a list"),
        ("defaults: 1", "1:11: `defaults` needs `key: value` lines of its own, got 1"),
        ("Slack: {}", "1:1: the file has no setting `Slack`; did you mean `slack`?"),
        (
            "x-team: &team [U0ALICE]",
            "1:1: the file has no place for anchors alone, such as `x-team`: write the & where",
        ),
        ("zzz: {}", "1:1: the file has no setting `zzz`: it may have tyk, slack, defaults, auditors, audit, apis"),
    ],
)
def test_missing_and_unknown(text: str, complaint: str) -> None:
    """What is missing is told with what it is for; what is unknown with what was probably meant."""
    assert any(line.startswith(complaint) for line in complaints(text))


@pytest.mark.parametrize("name", sorted(sentences.RESERVED))
@pytest.mark.parametrize("place", ["{0}: 1", "defaults: {{{0}: 1}}", "slack: {{{0}: 1}}", "apis: {{a: {{{0}: 1}}}}"])
def test_reserved(name: str, place: str) -> None:
    """Names of later versions are refused as such, wherever they stand."""
    said = complaints(place.format(name))
    assert any(line.endswith(f"`{name}` is reserved for a later version: leave it out") for line in said)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("titel: A", "6:5: `one` has no setting `titel`; did you mean `title`?"),
        ("tyk_policies: [a]", "`tyk_policies` belongs to a plan, as in `plans: {standard: {tyk_policies: [...]}}`"),
        ("plans: {a: {limit: 1}}", "6:17: `a` has no setting `limit`; did you mean `limits`?"),
        (
            "limits: {rate: 1, per: 1}",
            "6:5: `limits` lacks `quota_max`: calls allowed per `quota_renewal_rate` seconds",
        ),
    ],
)
def test_keys_of_an_api(line: str, complaint: str) -> None:
    """An unknown or missing key of an entry is told at its own place."""
    assert complaint in of_api(line)[0]


# --- values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("title: 5", "6:12: `title` needs text, got 5: put quotes around it"),
        ("title: [a]", "`title` needs text, got a list"),
        ("title: ''", "`title` must not be empty"),
        (f"title: {'x' * 76}", "`title` may have 75 characters at most, has 76"),
        (f"description: {'x' * 301}", "`description` may have 300 characters at most, has 301"),
        ('title: "a\\nb"', "`title` must be a single line"),
        ("docs: javascript:alert(1)", "`docs` needs an address that begins with https://"),
        ("listen_path: test", "`listen_path` needs a path that begins with /, got 'test'"),
        ("auth_header: 'a b'", "`auth_header` needs the name of an HTTP header, got 'a b'"),
        ("versions: Default", "`versions` needs a list, as in [\"Default\"], got 'Default'"),
        ("versions: []", "`versions` needs between 1 and 100 versions, has 0"),
        ("approvals_channel: '#help'", "`approvals_channel` needs a channel's C... id"),
        ("approvals_channel: D0ALICE", "`approvals_channel` needs a channel's C... id"),
        ("gateway_url: http://api.example.com", "`gateway_url` must begin with https://"),
        ("gateway_url: https://api.example.com/?a", "`gateway_url` must not hold a ? or # part"),
        ("gateway_url: https://[", "`gateway_url` is no valid address"),
        ("reason: yes", "6:13: `reason` needs required or optional, got 'yes'"),
        ("hide_token_after: 5s", "`hide_token_after` must lie between 10s and 30d, got 5s"),
        (
            "hide_token_after: 7",
            "`hide_token_after` needs a duration such as 30s, 15m, 12h, 7d or 2w, got 7: add the unit",
        ),
        ("request_lapses_after: 91d", "`request_lapses_after` must lie between 1m and 90d, got 91d"),
        ("request_lapses_after: 99999999w", "`request_lapses_after` may be 3650d at most, got '99999999w'"),
        ("lifetimes: []", "`lifetimes` needs between 1 and 100 lifetimes, has 0"),
        ("lifetimes: [7d, 1w]", "`lifetimes` names 7d twice: each lifetime may be offered once"),
        ("lifetimes: [never, never]", "`lifetimes` names never twice"),
        ("lifetimes: [7d, 5s]", "6:21: `lifetimes` must lie between 10s and 3650d, got 5s"),
        ("lifetimes: [soon]", "got 'soon'; never is a lifetime too"),
        ("lifetimes: 7d", "`lifetimes` needs a list, as in [\"7d\"], got '7d'"),
        ("limits: {rate: 0, per: 1, quota_max: 1, quota_renewal_rate: 1}", "6:20: `rate` must be at least 1, got 0"),
        ("limits: {rate: 1.5, per: 1, quota_max: 1, quota_renewal_rate: 1}", "`rate` needs a whole number, got 1.5"),
        ("limits: {rate: 1, per: 1, quota_max: 0, quota_renewal_rate: 1}", "which Tyk takes for no quota: write -1"),
        ("limits: 5", "`limits` needs `key: value` lines of its own, got 5"),
        ("plans: []", "`plans` needs `key: value` lines of its own, got a list"),
        ("plans: {}", "6:5: `plans` needs between 1 and 100 plans, has 0"),
        ("plans: {Gold: {}}", "6:13: a plan needs a name of up to 75 small letters, digits and -, got 'Gold'"),
        ("plans: {a: {tyk_policies: []}}", "`tyk_policies` needs between 1 and 20 Tyk policies, has 0"),
        ("plans: {a: {tyk_policies: ['a b']}}", "`tyk_policies` needs an id as Tyk shows it"),
    ],
)
def test_wrong_values(line: str, complaint: str) -> None:
    """Each wrong value is told with what was meant and what stands there."""
    assert complaint in only(of_api(line))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("approvals: two", "8:16: `approvals` needs a whole number, got 'two'"),
        ("approvals: true", "`approvals` needs a whole number, got true"),
        ("approvals: -1", "`approvals` must be at least 0, got -1"),
        ("approvals: 21", "`approvals` must be at most 20, got 21"),
    ],
)
def test_wrong_approvals(line: str, complaint: str) -> None:
    """The number of yeses is a whole number from 0 to 20."""
    assert complaint in only(of_api("title: One", f"requesters: [everyone]\n    {line}"))


@pytest.mark.parametrize(
    "host",
    [
        "http://dashboard:3000",
        "http://10.0.0.7",
        "http://localhost:3000",
        "http://tyk.localhost",
        "http://127.0.0.1",
        "http://[::1]:8080/x",
    ],
)
def test_http_inside(host: str) -> None:
    """Plain http is for addresses inside; a slash at the end of an address is dropped."""
    assert base_address(f"{host}/") == host


def test_secrets_are_not_repeated() -> None:
    """A credential that was pasted into the file is in no complaint."""
    said = complaints("""
tyk: {dashboard_url: "https://admin:hunter2@example.com", gateway_url: "https://hunter2@[x"}
slack: {command: xoxb-hunter2, audit_channel: xapp-hunter2, approvals_channel: "https://u:hunter2@x"}
apis: {one: {requesters: xoxb-hunter2, approvers: [xoxb-hunter2], versions: "https://u:hunter2@x"}}
""")
    assert len(said) == 10
    assert "hunter2" not in "".join(said)


# --- people ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "taken"),
    [
        ("everyone", Kind.EVERYONE, "everyone"),
        ("@api-owners", Kind.GROUP_HANDLE, "@api-owners"),
        ("@API.Owners_2", Kind.GROUP_HANDLE, "@api.owners_2"),
        ("S0614TZR7", Kind.GROUP, "S0614TZR7"),
        ("U02ALICE", Kind.USER, "U02ALICE"),
        ("W02ALICE", Kind.USER, "W02ALICE"),
        ("C0TEAM", Kind.CHANNEL, "C0TEAM"),
        ("G0TEAM", Kind.CHANNEL, "G0TEAM"),
        ("Alice.Smith@Example.com", Kind.EMAIL, "alice.smith@example.com"),
    ],
)
def test_who(text: str, kind: Kind, taken: str) -> None:
    """The forms in which somebody may be named; handles and addresses are compared in small letters."""
    assert values.who(text) == values.Name(kind, taken)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("alice", 'a user group called alice is written "@alice"'),
        ("u02alice", "an id is written in capitals, U02ALICE"),
        ("<@U02ALICE>", "write U02ALICE"),
        ("<!subteam^S0DEVS|@devs>", "write S0DEVS"),
        ("#devs", "Slack shows a channel's id at the end of its details"),
        ("@here", "it is no user group; among requesters write everyone"),
        ("@everyone", "it is no user group; among requesters write everyone"),
        ("Everyone", "it is written in small letters, everyone"),
        ("a b", "needs everyone, a user group"),
        ("", "needs everyone, a user group"),
    ],
)
def test_wrong_who(text: str, hint: str) -> None:
    """A name in no known form is told with the form that was probably meant."""
    with pytest.raises(ValueError, match=re.escape(hint)):
        values.who(text)


def test_who_is_text() -> None:
    """A number or a list is nobody."""
    assert "`requesters` needs everyone, a user group" in only(of_api("approvals: 0", "requesters: [5]"))
    listed = "approvals: 0, requesters: &team [U0ALICE, U0BOB]", "approvals: 0, requesters: [*team, U0DAVE]"
    twice = "\n".join(f"  api-{number}: {{api_id: a{number}, {one}}}" for number, one in enumerate(listed))
    said = only(complaints(f"{HEAD}apis:\n{twice}\n"))
    assert said.startswith("5:50: `requesters` needs everyone, a user group")
    assert said.endswith("got a list: an alias in a list stands for one name, not for a list of them")
    assert "`requesters` needs between 1 and 1000 names of who may ask, has 0" in only(
        of_api("approvals: 0", "requesters: []")
    )


@pytest.mark.parametrize(("name", "what"), [("everyone", "everyone"), ("C0TEAM", "the channel C0TEAM")])
@pytest.mark.parametrize("section", ["defaults: {{approvers: [{0}]}}\n", ""])
def test_nobody_approves_as_everyone(name: str, what: str, section: str) -> None:
    """`everyone` and channels may ask, but never approve."""
    own = "" if section else f", approvers: [{name}]"
    said = complaints(f"{HEAD}{section.format(name)}apis: {{one: {{api_id: a, requesters: [{name}]{own}}}}}")
    assert only(said).endswith(f"`approvers` cannot hold {what}: name user groups or people")


@pytest.mark.parametrize(
    ("defaults", "own", "complaint"),
    [
        ("", "approvals: 1", "3:44: `one` needs 1 approval and has no approvers"),
        ("", "approvers: []", "3:44: `one` needs 1 approval and has no approvers"),
        ("", "title: One", "3:8: `one` needs 1 approval and has no approvers"),
        ("approvals: 2, ", "approvers: []", "4:44: `one` needs 2 approvals and has no approvers"),
        ("approvers: [], ", "title: One", "3:12: an API that says nothing else needs 1 approval and has no approvers"),
        ("approvers: [U0BOB], approvals: 2", "title: One", "its approvers are 1 person"),
        ("", "approvals: 3, approvers: [U0BOB, U0BOB, b@x.org]", "its approvers are 2 people"),
    ],
)
def test_yeses_within_reach(defaults: str, own: str, complaint: str) -> None:
    """An empty or missing list of approvers never means anybody, and people named one by one must suffice."""
    section = f"defaults: {{{defaults}}}\n" if defaults else ""
    said = complaints(f"{HEAD}{section}apis: {{one: {{api_id: a, requesters: [S0A], {own}}}}}")
    assert complaint in only(said)


@pytest.mark.parametrize("section", ["5", "[]", "text"])
def test_no_defaults_at_all(section: str) -> None:
    """Where `defaults` is no section, only that is told: what the APIs would inherit is not known."""
    text = f"{HEAD}defaults: {section}\napis: {{one: {{api_id: a, requesters: [everyone]}}}}"
    assert "`defaults` needs `key: value` lines of its own" in only(complaints(text))


def test_shared_fault_is_told_once() -> None:
    """A fault of the defaults is told at the defaults, once, however many APIs inherit it."""
    apis = "".join(f"  api-{n}: {{api_id: a{n}, requesters: [everyone]}}\n" for n in range(9))
    assert only(complaints(f"{HEAD}defaults: {{approvers: []}}\napis:\n{apis}")).startswith("3:12: ")


def test_defaults_may_be_short_where_unused() -> None:
    """Defaults that would not suffice harm nobody while every API says otherwise."""
    assert parse(
        f"{HEAD}defaults: {{approvals: 2}}\napis: {{one: {{api_id: a, requesters: [everyone], approvals: 0}}}}"
    )


@pytest.mark.parametrize(
    ("requesters", "approvers", "approvals", "fits"),
    [
        ("U0ALICE", "U0ALICE", 1, False),
        ("U0ALICE", "U0ALICE, U0BOB", 2, False),
        ("U0ALICE, U0BOB", "U0ALICE", 1, True),
        ("U0ALICE", "U0ALICE, S0LEADS", 2, True),
        ("everyone", "U0ALICE", 1, True),
    ],
)
def test_not_by_oneself(requesters: str, approvers: str, approvals: int, *, fits: bool) -> None:
    """Nobody approves their own request, so where no requester can get enough yeses the rule is refused."""
    own = f"requesters: [{requesters}], approvers: [{approvers}], approvals: {approvals}"
    text = f"{HEAD}apis: {{one: {{api_id: a, {own}}}}}"
    if fits:
        assert parse(text)
    else:
        assert "by others than the requester" in only(complaints(text))


# --- tokens without an end ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("defaults", "own", "every"),
    [
        ("", "approvers: [S0A], lifetimes: [7d, never], review_every: 90d", 90),
        ("lifetimes: [never], review_every: 30d, approvers: [S0A]", "title: One", 30),
        ("lifetimes: [never], review_every: 30d, approvers: [S0A]", "review_every: 1d", 1),
        ("review_every: 3650d", "approvers: [S0A], lifetimes: [never]", 3650),
        ("review_every: 30d", "approvers: [S0A]", 30),
        ("", "approvals: 0, approvers: [S0A], lifetimes: [never], review_every: 2w", 14),
        ("", "approvers: [S0A]", None),
    ],
)
def test_review_every(defaults: str, own: str, every: int | None) -> None:
    """How often approvers are asked about a token without an end: the API's own word, else the defaults'."""
    section = f"defaults: {{{defaults}}}\n" if defaults else ""
    rule = parse(f"{HEAD}{section}apis: {{one: {{api_id: a, requesters: [S0B], {own}}}}}").rulebook({}).rules["one"]
    assert rule.review_every == (None if every is None else timedelta(days=every))


ADD = "`one` offers the lifetime never: add `review_every`, such as 90d, and its approvers are asked that often"
NAME = "`one` offers the lifetime never: name `approvers`, who are asked whether the token is still needed"
SHARED = ADD.replace("`one`", "an API that says nothing else")


@pytest.mark.parametrize(
    ("defaults", "own", "complaint"),
    [
        ("", "approvers: [S0A], lifetimes: [7d, never]", f"3:62: {ADD}"),
        ("lifetimes: [7d, never], approvers: [S0A]", "title: One", f"3:12: {SHARED}"),
        ("lifetimes: [7d, never]", "approvers: [S0A], lifetimes: [never]", f"4:62: {ADD}"),
        ("review_every: 90d", "approvals: 0, lifetimes: [never]", f"4:58: {NAME}"),
        ("", "approvals: 0, approvers: [], lifetimes: [never], review_every: 90d", f"3:73: {NAME}"),
        (
            "",
            "approvers: [S0A], lifetimes: [7d], review_every: 90d",
            "3:79: `review_every` is for the lifetime never: leave it out",
        ),
        (
            "lifetimes: [never], approvers: [S0A], review_every: 90d",
            "lifetimes: [7d], review_every: 90d",
            "4:61: `review_every` is for the lifetime never: leave it out",
        ),
        (
            "",
            "approvers: [S0A], lifetimes: [never], review_every: 23h",
            "3:96: `review_every` must lie between 1d and 3650d, got 23h",
        ),
        (
            "",
            "approvers: [S0A], lifetimes: [never], review_every: 3651d",
            "3:96: `review_every` may be 3650d at most, got '3651d'",
        ),
        ("", "approvers: [S0A], lifetimes: [never], review_every: never", "3:96: `review_every` "),
    ],
)
def test_never_needs_a_review(defaults: str, own: str, complaint: str) -> None:
    """A token without an end is refused where nobody would be asked about it; the place is where the lifetime stands."""
    section = f"defaults: {{{defaults}}}\n" if defaults else ""
    said = complaints(f"{HEAD}{section}apis: {{one: {{api_id: a, requesters: [S0B], {own}}}}}")
    assert complaint in only(said)


# --- how long a token may last in all -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("defaults", "own", "days"),
    [
        ("", "title: One", None),
        ("max_total: 90d", "title: One", 90),
        ("max_total: 90d", "max_total: 30d", 30),
        ("lifetimes: [7d]", "max_total: 7d", 7),
    ],
)
def test_max_total(defaults: str, own: str, days: int | None) -> None:
    """How long one token may last, however often it is extended: the API's own word, else the defaults', else any time."""
    section = f"defaults: {{{defaults}}}\n" if defaults else ""
    config = parse(f"{HEAD}{section}apis: {{one: {{api_id: a, requesters: [everyone], approvals: 0, {own}}}}}")
    assert config.rulebook({}).rules["one"].max_total == (None if days is None else timedelta(days=days))


@pytest.mark.parametrize(
    ("defaults", "own", "complaint"),
    [
        ("", "max_total: 29d", "3:58: `one` offers 30d, longer than its `max_total`, 29d"),
        (
            "max_total: 29d",
            "title: One",
            "3:12: an API that says nothing else offers 30d, longer than its `max_total`, 29d",
        ),
        (
            "max_total: 90d, review_every: 30d",
            "approvers: [S0A], lifetimes: [never]",
            "4:76: `one` offers the lifetime never, which is longer than any `max_total`: leave out one of them",
        ),
        ("", "max_total: never", "3:69: `max_total` needs a duration"),
    ],
)
def test_the_total_is_no_less_than_a_lifetime(defaults: str, own: str, complaint: str) -> None:
    """Nothing could be granted for as long as the form offers: refused, with its place."""
    section = f"defaults: {{{defaults}}}\n" if defaults else ""
    said = complaints(f"{HEAD}{section}apis: {{one: {{api_id: a, requesters: [S0B], approvals: 0, {own}}}}}")
    assert complaint in only(said)


def test_a_file_that_says_nothing_of_a_total_keeps_its_digest() -> None:
    """An upgrade is no change of the rules; what is said of it is one."""
    file = "apis: {{one: {{api_id: a, requesters: [everyone], approvals: 0{}}}}}"
    assert parse(HEAD + file.format("")).digest == "ab5e40ecdac3"
    assert parse(HEAD + file.format(", max_total: 90d")).digest != "ab5e40ecdac3"


# --- entries and plans ----------------------------------------------------------------------------------------------


def test_entry_names() -> None:
    """An entry's name is short, of small letters, digits and hyphens; numbers and `on` are names too."""
    entry = "{api_id: a%s, requesters: [everyone], approvals: 0}"
    parse(f"{HEAD}apis: {{007: {entry % 1}, on: {entry % 2}, a-b: {entry % 3}}}")
    assert complaints(f"{HEAD}apis: {{a_b: {entry % 1}, -a: {entry % 2}}}") == [
        "3:8: an API's entry needs a name of up to 75 small letters, digits and -, got 'a_b'",
        "3:65: an API's entry needs a name of up to 75 small letters, digits and -, got '-a'",
    ]


def test_one_api_one_entry() -> None:
    """The same API under two names would have two rules: refused."""
    entry = "{api_id: a1, requesters: [everyone], approvals: 0}"
    assert only(complaints(f"{HEAD}apis:\n  one: {entry}\n  two: {entry}\n")) == (
        "5:17: `api_id` is that of `one` (line 4): one API, one entry"
    )


def test_one_title_one_entry() -> None:
    """People choose by the title: two that read the same are complained of, be it the name of an entry without one."""
    entry = "api_id: a%d, requesters: [everyone], approvals: 0"
    first, second, third = (entry % number for number in (1, 2, 3))
    said = (
        f"{HEAD}apis:\n  one: {{{first}, title: Ledger}}\n  two: {{{second}, title: LEDGER }}\n  ledger: {{{third}}}\n"
    )
    assert complaints(said) == [
        "5:3: `two` has the title of `one` (line 4): people could not tell them apart",
        "6:3: `ledger` has the title of `one` (line 4): people could not tell them apart",
    ]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (
            "plans: {a: {}}\n    limits: {rate: 1, per: 1, quota_max: -1, quota_renewal_rate: 1}",
            "short for a single plan",
        ),
        (
            "plans: {a: {tyk_policies: [p], limits: {rate: 1, per: 1, quota_max: -1, quota_renewal_rate: 1}}}",
            "6:36: `limits` beside `tyk_policies` has no effect",
        ),
        ("plans: {a: {also_opens: [one]}}", "`also_opens` names its own entry one"),
        ("plans: {a: {tyk_policies: [p], also_opens: [onn]}}", "6:49: `also_opens` names 'onn', which is no entry"),
        ("plans: {a: {also_opens: []}}", "tells what `tyk_policies` open besides; this plan has none"),
        (
            "plans: {a: {tyk_policies: [p], also_for_those_who_may_not_ask: true}}",
            "6:36: `also_for_those_who_may_not_ask` is about what the plan `also_opens`, and it opens nothing else",
        ),
    ],
)
def test_plans(line: str, complaint: str) -> None:
    """Settings of plans that contradict one another, or name what is not there, are refused."""
    assert any(complaint in said for said in of_api(line))


ESCAPE = "also_for_those_who_may_not_ask"
OPENING = """\
apis:
  one: {api_id: a1, requesters: [everyone], %s, plans: {gold: {tyk_policies: [p], also_opens: [two]%s}}}
  two: {api_id: a2, title: Second, requesters: ["@devs"], %s}
"""


@pytest.mark.parametrize(
    ("own", "its", "complaint"),
    [
        (
            'approvers: ["@leads"]',
            'approvers: ["@owners"]',
            "which needs 1 approval of its own approvers, and @leads may not give one: ",
        ),
        (
            'approvers: ["@leads", U0BOB, ann@example.com]',
            'approvers: ["@leads"]',
            "which needs 1 approval of its own approvers, and U0BOB, ann@example.com may not give one: ",
        ),
        (
            "approvers: [U0BOB]",
            "approvers: [U0BOB, U0ANN], approvals: 2",
            "which needs 2 approvals, more than the approvers of `one` can give",
        ),
        (
            "approvals: 0",
            'approvers: ["@leads"]',
            "which needs 1 approval, more than the approvers of `one` can give",
        ),
    ],
)
def test_a_plan_that_opens_what_its_approvers_may_not_approve(own: str, its: str, complaint: str) -> None:
    """One yes must not give what it does not count for: the file is refused, and both entries are named."""
    text = HEAD + OPENING % (own, "", its)
    said = only(complaints(text))
    assert complaint.strip() in said
    assert said.startswith(f"4:{text.splitlines()[3].index('two') + 1}: the plan also opens `two` (line 5), ")


def test_a_fault_among_the_approvers_is_told_once() -> None:
    """Where it is not known who approves, nothing is said of whom they may approve for."""
    text = HEAD + OPENING % ('approvers: ["@leads"]', "", "approvers: [everyone], approvals: two")
    assert not [said for said in complaints(text) if "also opens" in said]


def test_a_plan_takes_on_the_rules_of_what_it_opens() -> None:
    """It needs as many approvals as the strictest, and is for those who may ask for each, unless the file says otherwise."""
    ids = {"@devs": "S0DEVS", "@leads": "S0LEADS", "@owners": "S0OWNERS"}
    its = 'approvers: ["@owners", "@leads"], approvals: 2'
    for word, requesters in (("", (Audience(groups=frozenset({"S0DEVS"})),)), (f", {ESCAPE}: true", ())):
        loaded = parse(HEAD + OPENING % ('approvers: ["@leads"]', word, its))
        (gold,) = loaded.rulebook(ids).rules["one"].plans
        assert gold.also_opens == (ApiRef("a2", "two", ("Default",), "Second", "two"),)
        assert (gold.approvals, gold.requesters) == (2, requesters)


# --- what others get ------------------------------------------------------------------------------------------------


def test_mentions() -> None:
    """Everything of Slack's that the file names is listed for checking, with the place where it is named."""
    found = {(item.role, item.api, item.kind, item.text) for item in load(SHIPPED).mentions()}
    assert found == {
        ("approvals_channel", None, Kind.CHANNEL, "C0APPROVE"),
        ("audit_channel", None, Kind.CHANNEL, "C0AUDIT"),
        ("help_channel", None, Kind.CHANNEL, "C0HELP"),
        ("approvers", None, Kind.GROUP_HANDLE, "@api-owners"),
        ("requesters", "payments", Kind.GROUP_HANDLE, "@payments-devs"),
        ("requesters", "payments", Kind.USER, "U02ALICE"),
        ("approvers", "payments", Kind.GROUP_HANDLE, "@payments-leads"),
        ("approvers", "payments", Kind.USER, "U03BOB"),
        ("approvals_channel", "payments", Kind.CHANNEL, "C0PAYAPPR"),
        ("requesters", "ledger", Kind.GROUP_HANDLE, "@payments-devs"),
        ("approvers", "ledger", Kind.GROUP_HANDLE, "@payments-leads"),
        ("approvers", "ledger", Kind.USER, "U03BOB"),
    }
    assert all(re.search(r"config\.yaml:\d+:\d+$", str(item.where)) for item in load(SHIPPED).mentions())


def test_unresolved_names() -> None:
    """Handles and addresses that Slack does not know make no rulebook; each is told where it stands."""
    text = f"""{HEAD}apis:
  one: {{api_id: a, requesters: ["@devs", ann@example.com], approvers: [S0LEADS]}}
"""
    with pytest.raises(ConfigError) as caught:
        parse(text).rulebook({"@other": "S1"})
    assert [str(complaint) for complaint in caught.value.complaints] == [
        "config.yaml:4:33: `requesters` names @devs, which is not a user group in this workspace",
        "config.yaml:4:42: `requesters` names ann@example.com, which is not the e-mail address of a member in this workspace",
    ]


def test_names_that_are_not_known_are_left_out() -> None:
    """What is left of each entry is in force; one that nobody is left to decide is not, and all of it is told in place."""
    text = f"""{HEAD}apis:
  asks: {{api_id: a, requesters: ["@devs", U0ANN], approvals: 0}}
  both: {{api_id: b, requesters: [everyone], approvers: ["@leads", "@gone"]}}
  lost: {{api_id: c, requesters: [everyone], approvers: [bob@example.com, U0CAROL], approvals: 2}}
  kept: {{api_id: d, requesters: [everyone], approvers: [bob@example.com, U0CAROL]}}
  ever: {{api_id: e, requesters: [everyone], approvers: ["@gone"], approvals: 0, lifetimes: [never], review_every: 90d}}
"""
    rulebook, complaints = parse(text).in_force({"@leads": "S0LEADS"})
    assert [name for name, rule in rulebook.rules.items() if not rule.out_of_force] == ["asks", "both", "kept"]
    assert list(rulebook.rules) == ["asks", "both", "lost", "kept", "ever"]
    assert rulebook.rules["asks"].requesters == Audience(users=frozenset({"U0ANN"}))
    assert rulebook.rules["both"].approvers == Audience(groups=frozenset({"S0LEADS"}))
    assert rulebook.rules["kept"].approvers == Audience(users=frozenset({"U0CAROL"}))
    left_out = [
        (str(one).split(":")[1], str(one).split("names ")[1].split(",")[0]) for one in complaints if "names" in str(one)
    ]
    assert left_out == [("4", "@devs"), ("5", "@gone"), ("6", "bob@example.com")]
    out = [(str(one).split(":")[1], str(one).split("`")[1]) for one in complaints if "is out of force" in str(one)]
    assert out == [("6", "lost"), ("8", "ever")]
    assert len(complaints) == 5
    assert parse(text).in_force({"@leads": "S0L", "@gone": "S0G", "@devs": "S0D", "bob@example.com": "U0B"})[1] == ()


def changed(old: str, new: str) -> Config:
    text = SHIPPED.read_text()
    assert old in text
    return parse(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# The allowlist", "# Another comment"),
        ("lifetimes: [7d, 1d, 30d]", "lifetimes: [1w, 24h, 30d]"),
        ('["@payments-devs", U02ALICE]', 'ANCHOR ["U02ALICE", "@Payments-Devs"]'),
        ("    listen_path: /test-api/\n", ""),
        ("reason: required ", 'reason: "required" '),
        ("at_once: 20", "at_once: 5"),
        ("alias: number  ", "alias: number and person  "),
    ],
)
def test_digest_is_of_the_meaning(old: str, new: str) -> None:
    """Comments, quotes, the order of names, defaults spelled out and what gives nobody anything leave the digest as it is."""
    digest = changed(old, new.replace("ANCHOR", "&anchor")).digest
    assert digest == load(SHIPPED).digest
    assert re.fullmatch("[0-9a-f]{12}", digest)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("approvals: 2", "approvals: 1"),
        ("[7d, 1d, 30d]", "[1d, 7d, 30d]"),
        ("U02ALICE", "U02ANN"),
        ("C0AUDIT", "C0OTHER"),
        ("rate: 1000", "rate: 1001"),
        ("keys_by: id", "keys_by: hash"),
        ("lifetimes: [7d, 1d, 30d]", "lifetimes: [7d, 1d, 30d, never]\n  review_every: 90d"),
    ],
)
def test_digest_changes(old: str, new: str) -> None:
    """Whatever changes the meaning changes the digest."""
    assert changed(old, new).digest != load(SHIPPED).digest


EVERYTHING = (
    HEAD.replace("C0HELP}", "C0HELP, command: /key}")
    + """\
auditors: ["@auditors", U0AUDIT]
defaults: {approvals: 2, approvers: [U0BOB, "@leads", U0BOB], limits: {rate: 5, per: 1, quota_max: -1, quota_renewal_rate: 60}}
apis:
  ledger:
    {api_id: '0', api_name: 'Büch\\er "%d"', title: "100 % Ledger", requesters: [everyone, "@devs", everyone], warning: "50%"}
  books: &books
    api_id: b
    description: 5 %s of {all}
    docs: https://example.com/a%20b
    listen_path: /b%20/
    auth_header: X-Key
    versions: [v1, v2]
    gateway_url: https://gw.example.com
    approvals_channel: C0BOOKS
    also_may_approve: [U0CAROL]
    requesters: [ann@example.com]
    reason_pattern: {pattern: "[A-Z]+%d", says: "A ticket, 100% of one."}
    reason_link: https://example.com/{match}
    max_total: 90d
  plans:
    <<: *books
    api_id: p
    also_may_approve: []
    plans: {gold: {tyk_policies: [x], also_opens: [ledger], also_for_those_who_may_not_ask: true}, lead: {}}
"""
)


def test_an_upgrade_keeps_the_digest() -> None:
    """Replicas compare it, and so does the audit, also with those of other versions: this file's is pinned."""
    assert parse(EVERYTHING).digest == "8b6d642e25e1"


def conforms(data: Any) -> bool:
    return jsonschema.Draft202012Validator(schema()).is_valid(data)


def test_schema() -> None:
    """Editors get a schema that takes the shipped file and refuses typos, nulls and bad durations."""
    jsonschema.Draft202012Validator.check_schema(schema())
    data = yaml.safe_load(SHIPPED.read_text())
    assert conforms(data)
    assert conforms(data | {"defaults": {"lifetimes": ["never"], "review_every": "90d"}})
    assert not conforms(data | {"defaults": {"review_every": "now and then"}})
    assert not conforms(data | {"defaults": {"review_every": None}})
    assert not conforms(data | {"defaults": {"hide_token_after": "soon"}})
    assert not conforms(data | {"defaults": {"lifetimes": ["7 days"]}})
    assert not conforms(data | {"defaults": {"approvals": None}})
    assert not conforms(data | {"defaults": {"aprovers": []}})
    assert not conforms(data | {"apis": {"Upper": data["apis"]["ledger"]}})
    assert not conforms({key: value for key, value in data.items() if key != "tyk"})


# --- properties -----------------------------------------------------------------------------------------------------


@given(st.integers(min_value=10, max_value=3650 * 86400))
def test_durations_round_trip(seconds: int) -> None:
    """What is spelled is read back as it was."""
    value = timedelta(seconds=seconds)
    assert duration(spelled(value)) == value
    assert lifetime(spelled(value)) == value


def test_never_round_trips() -> None:
    """`never` is None, and None is spelled never."""
    assert lifetime("never") is None
    assert spelled(None) == "never"


@given(st.text(max_size=12))
def test_any_duration(text: str) -> None:
    """Whatever is given as a duration, the answer is a span within ten years or a sentence."""
    with suppress(ValueError):
        assert timedelta(0) < duration(text) <= timedelta(days=3650)


LINES = SHIPPED.read_text().splitlines()


def loads_or_complains(lines: list[str]) -> None:
    """The one promise for any file: a configuration or complaints with places, in words of ours."""
    try:
        parse("\n".join(lines))
    except ConfigError as error:
        said = error.complaints
        foreign = ("pydantic", "Traceback", "Input should", "type=", "NoneType")
        if not said or any(word in str(complaint) for complaint in said for word in foreign):
            raise AssertionError(said) from error
        if not all(1 <= complaint.line <= len(lines) + 1 and complaint.column >= 1 for complaint in said):
            raise AssertionError(said) from error


@pytest.mark.parametrize("number", range(len(LINES)))
def test_any_line_deleted(number: int) -> None:
    """The shipped file without any one of its lines loads, or is complained of."""
    loads_or_complains(LINES[:number] + LINES[number + 1 :])


@given(
    st.integers(0, len(LINES) - 1),
    st.text(alphabet=st.characters(exclude_characters="\n\r\x85\u2028\u2029"), max_size=40),
)
def test_any_line_garbled(number: int, garbage: str) -> None:
    """The shipped file with any line replaced loads, or is complained of."""
    loads_or_complains([*LINES[:number], garbage, *LINES[number + 1 :]])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(JSON, st.data())
def test_any_value_anywhere(value: Any, data: st.DataObject) -> None:
    """Any value at any place of the shipped file loads, or is complained of."""
    told = yaml.safe_load(SHIPPED.read_text())
    spot: Any = told
    while True:
        step = data.draw(st.sampled_from(list(spot) if isinstance(spot, dict) else range(len(spot))))
        inner = spot[step]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            spot[step] = value
            break
        spot = inner
    with suppress(ConfigError):
        parse(yaml.safe_dump(told, allow_unicode=True))


def test_ten_thousand_apis() -> None:
    """A file of ten thousand APIs loads in seconds, right or wrong throughout."""
    entry = '  api-%d: {api_id: a%d, requesters: ["@devs"], plans: {gold: {tyk_policies: [p], also_opens: [api-%d]}}}\n'
    apis = "".join(entry % (n, n, (n + 1) % 10_000) for n in range(10_000))
    text = f"{HEAD}defaults: {{approvers: [S0LEADS]}}\napis:\n{apis}"
    start = time.monotonic()
    assert len(parse(text).rulebook({"@devs": "S0DEVS"}).rules) == 10_000
    assert len(complaints(text.replace("opens: [api-", "opens: [apj-").replace("gold: {", "gold: {x: 1, "))) == 20_000
    assert time.monotonic() - start < 30


# --- small things ---------------------------------------------------------------------------------------------------


def test_complaints() -> None:
    """A complaint reads file, line, column, text; an error holds each once, in the order of the file."""
    late, early = Complaint("config.yaml", 12, 7, "late"), Complaint("config.yaml", 2, 40, "early")
    error = ConfigError([late, early, late])
    assert error.complaints == (early, late)
    assert str(error) == "config.yaml:2:40: early\nconfig.yaml:12:7: late"


@pytest.mark.parametrize(
    ("word", "meant"),
    [("aprovers", "approvers"), ("Approvals", "approvals"), ("zzz", None), ("", None), ("pprovers", "approvers")],
)
def test_did_you_mean(word: str, meant: str | None) -> None:
    """A near miss is recognised, whatever its capitals; a far one is not guessed at."""
    assert did_you_mean(word, ["approvers", "approvals", "reason", ""]) == meant


def test_every_key_of_the_whole_file_is_compared() -> None:
    """Those of `tyk`, `slack` and `audit`; two of them are in each rule."""
    sections = (("tyk", TykSection), ("slack", SlackSection), ("audit", AuditSection))
    keys = {f"{name}.{key}" for name, section in sections for key in section.model_fields}
    forward = "\naudit: {forward: [{to: file, path: /var/log/audit.jsonl}]}\napis:"
    told = parse(SHIPPED.read_text().replace("\napis:", forward)).settings()
    assert told.keys() == keys - {"tyk.gateway_url", "slack.approvals_channel"}
    assert told["audit.forward"] == ["file jsonl /var/log/audit.jsonl"]
    assert told["audit.keep_finished_for"] is None


def test_keep_finished_for() -> None:
    """It is in the rulebook, where the worker reads it; too short a time is complained of at its place."""
    kept = parse(SHIPPED.read_text().replace("\napis:", "\naudit: {keep_finished_for: 730d}\napis:"))
    names = {one.text: one.text for one in kept.mentions()}
    assert kept.rulebook(names).keep_finished_for == timedelta(days=730)
    assert kept.settings()["audit.keep_finished_for"] == 730 * 86400
    with pytest.raises(ConfigError, match="must lie between 30d and 3650d, got 1d"):
        parse(SHIPPED.read_text().replace("\napis:", "\naudit: {keep_finished_for: 1d}\napis:"))
