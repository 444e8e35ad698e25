"""Patterns that a reason must hold: what they find, what is not taken, and that none of them takes long."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.core.patterns import MAX_TEXT, MAX_WORK, PatternError, pattern


@pytest.mark.parametrize(
    ("text", "reason", "found"),
    [
        ("[A-Z]+-[0-9]+", "for OPS-123, as CHG-9 says", "OPS-123"),
        (r"\bOPS-\d{3,6}\b", "XOPS-123 OPS-12 OPS-1234", "OPS-1234"),
        ("(OPS|CHG)-[0-9]+", "see CHG-7", "CHG-7"),
        ("(?:ab){2}", "xababab", "abab"),
        ("^OPS", "no OPS first", ""),
        ("OPS$", "and at last OPS", "OPS"),
        (r"[^\]]x", "]x ax", "ax"),
        ("colou?r", "the color", "color"),
        ("a{,2}b", "aaab", "aab"),
        ("a{2,}b", "ab aaab", "aaab"),
        (r"v1\.2", "v1x2 v1.2", "v1.2"),
        ("x{y", "x{y", "x{y"),
    ],
)
def test_what_a_pattern_finds(text: str, reason: str, found: str) -> None:
    """The first match, as long as it can be."""
    assert pattern(text).find(reason) == found


_PIECE = st.sampled_from(["a", "b", "[ab]", "[^a]", ".", r"\w", r"\d", r"\b", "1", "-", "(a|b)", "(ab)", "(a|1-)"])
_OFTEN = st.sampled_from(["", "", "?", "{2}", "{1,3}"])
_PATTERN = st.lists(st.tuples(_PIECE, _OFTEN).map("".join), min_size=1, max_size=5).map("".join)


@given(_PATTERN, st.text(alphabet="ab1-\n", max_size=30))
def test_it_finds_where_re_finds(text: str, reason: str) -> None:
    """Whether something is found, and where it begins, is what everybody who knows regular expressions expects."""
    try:
        mine = pattern(text)
    except PatternError:
        assume(False)
    theirs = re.search(text, reason)
    found = mine.find(reason)
    assume(theirs is None or theirs[0])  # an empty match is none
    assert bool(found) == bool(theirs)
    if theirs:
        assert reason[theirs.start() :].startswith(found)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[A-Z", "is no regular expression: unterminated character set"),
        ("(OPS", "is no regular expression: missing )"),
        ("x*", "fits an empty text, so it asks for nothing"),
        ("OPS|", "fits an empty text, so it asks for nothing"),
        ("(a+)+b", "repeats a group without end: write how often at most, such as {1,9}"),
        ("(a|aa)*b", "repeats a group without end: write how often at most, such as {0,9}"),
        ("(a{1,20}){1,20}b", "with all repetitions it has 401 parts, and 200 are allowed"),
        ("a{1000}", "with all repetitions it has 1000 parts, and 200 are allowed"),
        (r"(a)\1", r"holds \1, which is not taken"),
        ("(?=a)b", "holds a group that begins with (?, which is not taken"),
        ("(?i)ops", "holds a group that begins with (?, which is not taken"),
        ("a+?b", "holds +?, which is not taken: write +"),
        ("x" * 201, "may have 200 characters at most, has 201"),
    ],
)
def test_what_is_not_taken_says_why(text: str, why: str) -> None:
    with pytest.raises(PatternError) as told:
        pattern(text)
    assert why in str(told.value)


@pytest.mark.parametrize(
    "text",
    [
        ".*.*.*.*.*.*.*.*=",
        "(a?){60}a{60}=",
        "(.{0,9}){0,20}=",
        "([ab]|[a-z]|.|a|b){1,39}=",
        "([a-z]{0,9}){0,19}=",
    ],
)
@pytest.mark.parametrize("reason", ["a" * MAX_TEXT, "ab" * MAX_TEXT, "a" * (MAX_TEXT - 1) + "="])
def test_no_text_takes_long(text: str, reason: str) -> None:
    """With these `re` would not come back, or not for hours. Each part of a pattern looks at each place a few times, whatever
    the text is; so the worst that there can be, `MAX_WORK` parts at `MAX_TEXT` places, is a fraction of a second."""
    wanted = pattern(text)
    began = time.perf_counter()
    wanted.find(reason)
    assert time.perf_counter() - began < 1


def test_the_most_that_a_pattern_may_be_takes_no_longer() -> None:
    """Every part of it fits everywhere."""
    wanted = pattern(f".{{0,{MAX_WORK - 1}}}=")
    began = time.perf_counter()
    assert wanted.find("a" * (MAX_TEXT - 1) + "=") == "a" * (MAX_WORK - 1) + "="
    assert time.perf_counter() - began < 1


def test_what_is_beyond_the_longest_reason_is_not_searched() -> None:
    assert pattern("OPS").find("x" * MAX_TEXT + "OPS") == ""
