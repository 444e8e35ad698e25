"""Where the file says that the audit is forwarded to, and what is said where it is wrong."""

from __future__ import annotations

import pytest

from bot.config import ConfigError, parse
from bot.sandbox.child import without_outside
from tests.config.test_config import HEAD

APIS = "apis: {one: {api_id: a1, requesters: [everyone], approvals: 0}}\n"


def complaints(forward: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(f"audit:\n  forward:\n{forward}{HEAD}{APIS}")
    return [str(complaint).removeprefix("config.yaml:") for complaint in caught.value.complaints]


def test_each_kind_of_place_is_taken() -> None:
    """A file, an address and a collector, each with what it needs; none of it changes who may have what."""
    loaded = parse(
        "audit:\n"
        "  forward:\n"
        "    - {to: file, path: /var/log/audit.jsonl}\n"
        "    - {to: https, url: https://siem.example.com/ingest, format: ocsf}\n"
        "    - {to: syslog, host: siem.example.com, port: 6514}\n" + HEAD + APIS
    )
    assert [(place.to, place.format) for place in loaded.audit.forward] == [
        ("file", "jsonl"),
        ("https", "ocsf"),
        ("syslog", "jsonl"),
    ]
    assert loaded.digest == parse(HEAD + APIS).digest


def test_what_a_place_lacks_or_does_not_have_is_said_at_its_own_place() -> None:
    """Line and column of each."""
    assert complaints(
        "    - {to: file}\n"
        "    - {to: https, url: https://siem.example.com/, port: 80}\n"
        "    - {to: syslog, host: siem.example.com}\n"
    ) == [
        "3:7: a place with `to: file` lacks `path`",
        "4:51: `port` is not for `to: https`: leave it out",
        "5:7: a place with `to: syslog` lacks `port`",
    ]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("{to: file, path: audit.jsonl}", "3:24: `path` needs an absolute path"),
        ("{to: kafka}", "3:12: `to` needs file, https or syslog"),
        ("{to: https, url: 'http://siem.example.com/'}", "3:24: `url` must begin with https://"),
        (
            "{to: https, url: 'https://me:secret@siem.example.com/'}",
            "3:24: `url` must not hold a user name or password",
        ),
        ("{to: syslog, host: 'a b', port: 1}", "3:26: `host` needs the name or address of a host"),
        ("{to: syslog, host: a, prot: 1}", "3:29: `forward` has no setting `prot`; did you mean `port`?"),
    ],
)
def test_a_wrong_value_is_said_in_a_sentence(place: str, said: str) -> None:
    """And no credential in it is repeated."""
    (first, *_) = complaints(f"    - {place}\n")
    assert first.startswith(said)
    assert "secret" not in first


def test_one_place_is_named_once_and_one_token_goes_to_one_address() -> None:
    """A second place of the same words, or a second HTTPS address, is complained of."""
    file, https = "    - {to: file, path: /a}\n", "    - {to: https, url: 'https://a.example.com/%s'}\n"
    assert complaints(file * 2) == ["4:7: `forward` names a place like that of line 3: one is enough"]
    assert complaints(https % 1 + https % 2) == [
        "4:7: `forward` names a place like that of line 3: there is one AUDIT_FORWARD_TOKEN"
    ]


def test_the_sandbox_forwards_nothing() -> None:
    """Whoever tries their own file there plays with it: no row of that goes to the company's collector."""
    loaded = parse("audit: {forward: [{to: file, path: /var/log/audit.jsonl}]}\n" + HEAD + APIS)
    assert len(loaded.audit.forward) == 1
    assert without_outside(loaded).audit.forward == ()
