"""Slack's signature: what is accepted, and what is not even looked at."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from bot.local.slack.delivery import sign
from bot.slack.verification import TOLERANCE, Signature, claimed, content_type
from bot.web import Rejected, Rejection

# The example of docs.slack.dev/authentication/verifying-requests-from-slack
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
AT = 1531420618
BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
    b"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
    b"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121"
    b".803a0bc887a14d10d2c447fce8b6703c"
)
VALUE = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
TIMESTAMP, SIGNATURE = "X-Slack-Request-Timestamp", "X-Slack-Signature"


def reason(headers: list[tuple[str, str]], now: float = AT) -> Rejection:
    with pytest.raises(Rejected) as caught:
        claimed(CIMultiDict(headers), now)
    return caught.value.reason


def test_the_example_of_slacks_documentation() -> None:
    """The headers, the secret and the body of the documentation belong together."""
    headers = CIMultiDict([(TIMESTAMP.lower(), str(AT)), (SIGNATURE.lower(), VALUE)])
    assert claimed(headers, AT) == Signature(str(AT), VALUE)
    assert claimed(headers, AT).is_of(BODY, SECRET)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "v0=",
        VALUE[3:],
        VALUE[:-1],
        VALUE + "0",
        VALUE.upper(),
        VALUE.replace("v0", "v1"),
        f"{VALUE}, {VALUE}",
        VALUE[:-1] + "\u0663",  # a digit, and no ASCII
        "v0=\udcff",  # how a byte that is no UTF-8 arrives
    ],
)
def test_signatures_that_are_not_it(value: str) -> None:
    """What is not exactly the signature is none, and no value is an error."""
    assert not Signature(str(AT), value).is_of(BODY, SECRET)


def test_the_time_it_takes_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole signature is left to the compare that takes as long for a near miss, and what that says is the answer."""
    compare, seen = hmac.compare_digest, list[bytes]()

    def watched(right: bytes, claim: bytes) -> bool:
        seen.append(claim)
        return compare(right, claim)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    near = VALUE[:-1] + "4"
    assert [Signature(str(AT), value).is_of(BODY, SECRET) for value in (VALUE, near, "v0=")] == [True, False, False]
    assert seen == [VALUE.encode(), near.encode(), b"v0="]


@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_a_byte_that_was_changed(place: int, difference: int) -> None:
    """A body that differs in one byte was not signed."""
    changed = bytearray(BODY)
    changed[place] ^= difference
    assert not Signature(str(AT), VALUE).is_of(bytes(changed), SECRET)


def test_bytes_that_are_no_text() -> None:
    """The bytes are signed, whatever they stand for."""
    signed = sign(SECRET, AT, "\u00e4")
    assert Signature(str(AT), signed).is_of("\u00e4".encode(), SECRET)
    assert not Signature(str(AT), signed).is_of(b"\xe4", SECRET)


def test_another_secret_and_another_time() -> None:
    """The secret and the timestamp are part of what is signed."""
    assert not Signature(str(AT), VALUE).is_of(BODY, SECRET[::-1])
    assert not Signature(str(AT + 1), VALUE).is_of(BODY, SECRET)
    assert not Signature(f"0{AT}", VALUE).is_of(BODY, SECRET)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(TIMESTAMP, str(AT))],
        [(SIGNATURE, VALUE)],
        [(TIMESTAMP, str(AT)), (TIMESTAMP, str(AT)), (SIGNATURE, VALUE)],
        [(TIMESTAMP, str(AT)), (SIGNATURE, VALUE), (SIGNATURE, VALUE)],
        [(TIMESTAMP, str(AT)), (SIGNATURE.lower(), "v0=0"), (SIGNATURE, VALUE)],
    ],
)
def test_headers_that_are_not_there_once(headers: list[tuple[str, str]]) -> None:
    """Each of the two stands there exactly once, or nothing was signed."""
    assert reason(headers) is Rejection.UNSIGNED


@pytest.mark.parametrize(
    "timestamp",
    [
        "",
        "abc",
        "-1531420618",
        "+1531420618",
        "1531420618.0",
        "1_531_420_618",
        "0x5b479a0a",
        "1e9",
        "nan",
        "\u0661\u0665\u0663\u0661\u0664\u0662\u0660\u0666\u0661\u0668",  # digits, and no ASCII
        f"{AT}, {AT}",
        f"{AT}\n",
        "9" * 5000,
        "\udcff",
    ],
)
def test_timestamps_that_are_none(timestamp: str) -> None:
    """A timestamp is ASCII digits, and not too many."""
    assert reason([(TIMESTAMP, timestamp), (SIGNATURE, VALUE)]) is Rejection.UNSIGNED


@pytest.mark.parametrize("age", [TOLERANCE + 1, -TOLERANCE - 1, AT, AT - 10**11])
def test_timestamps_of_another_time(age: int) -> None:
    """What is older or newer than five minutes is not looked at."""
    assert reason([(TIMESTAMP, str(AT - age)), (SIGNATURE, VALUE)]) is Rejection.STALE


@pytest.mark.parametrize("age", [TOLERANCE, 0, -TOLERANCE])
def test_timestamps_of_these_five_minutes(age: int) -> None:
    """Five minutes are allowed, in either direction."""
    assert claimed(CIMultiDict({TIMESTAMP: str(AT - age), SIGNATURE: VALUE}), AT)


@given(st.text(), st.text(), st.binary())
@example("\u00b2", "v0=\ud800", b"")
def test_whatever_is_claimed(timestamp: str, value: str, body: bytes) -> None:
    """Whatever the headers hold, the answer is no and not an error."""
    try:
        signature = claimed(CIMultiDict({TIMESTAMP: timestamp, SIGNATURE: value}), AT)
    except Rejected:
        signature = Signature(str(AT), value)
    assert not signature.is_of(body, SECRET)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("application/json", "application/json"),
        ("Application/JSON; charset=UTF-8", "application/json"),
        ('application/x-www-form-urlencoded ;charset="utf-8"', "application/x-www-form-urlencoded"),
    ],
)
def test_content_types(text: str, kind: str) -> None:
    """Slack sends JSON and forms, in UTF-8."""
    assert content_type(CIMultiDict({"Content-Type": text})) == kind


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Content-Type", "")],
        [("Content-Type", "text/plain")],
        [("Content-Type", "multipart/form-data; boundary=x")],
        [("Content-Type", "application/json, text/plain")],
        [("Content-Type", "application/jsonp")],
        [("Content-Type", "application/json; charset=utf-16")],
        [("Content-Type", "application/json; charset=")],
        [("Content-Type", "application/json;;;")],
        [("Content-Type", "application/json"), ("Content-Type", "application/json")],
        [("Content-Type", "application/json"), ("Content-Encoding", "gzip")],
        [("Content-Type", "\udcff")],
    ],
)
def test_other_content_types(headers: list[tuple[str, str]]) -> None:
    """All others are refused, and so is a body that would have to be unpacked before it is read."""
    with pytest.raises(Rejected) as caught:
        content_type(CIMultiDict(headers))
    assert caught.value.reason is Rejection.CONTENT_TYPE
