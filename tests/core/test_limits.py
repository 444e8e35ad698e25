"""How much one person may hold and write."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core import limits
from bot.core.model import Refusal
from tests.core.life import PAYMENTS


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("for the checkout", "for the checkout"),
        ("  one\r\ntwo\tthree\n", "one\ntwo\tthree"),
        ("a\x00b\x1b[31mc\x7f", "ab[31mc"),
        ("left \u202eto right\u2066", "left to right"),
        ("half \ud800 a letter", "half  a letter"),
        ("family 👩\u200d👩\u200d👧", "family 👩\u200d👩\u200d👧"),
        ("é, e\u0301, ß, 漢", "é, e\u0301, ß, 漢"),
    ],
)
def test_what_is_kept_of_a_text(typed: str, kept: str) -> None:
    """Controls and what turns the direction of writing around go; letters of every script stay."""
    assert limits.tidy(typed) == kept


@pytest.mark.parametrize(
    "typed", ["", "   ", "\u200b", "\u2060\ufeff", "\u3164\u2800\u115f", "\u200d\ufe0f", "\xa0\u2003"]
)
def test_a_text_of_which_nothing_can_be_seen_is_empty(typed: str) -> None:
    """Blank letters, joiners alone and spaces of every width say nothing."""
    assert limits.tidy(typed) == ""


def test_a_text_that_is_too_long() -> None:
    """The refusal names the field and says how long the text is; the last character that fits is no reason for one."""
    assert limits.written("x" * 500, "reason", limits.MAX_REASON) == "x" * 500
    for typed, said in (
        ("x" * 81, "81"),
        (" " * 40 + "x" * 81, "81"),
        ("x" * 900_000, "900,000"),
        ("\u200b" * 801, "801"),
    ):
        with pytest.raises(Refusal, match=f"Your text under Used by has {said} characters; 80 fit") as caught:
            limits.written(typed, "used_by", limits.MAX_USED_BY)
        assert (caught.value.field, caught.value.code) == ("used_by", "too_long")


@pytest.mark.parametrize(
    ("most", "held", "said"),
    [
        (1, [1001], "a token or request for Payments (R-1001)"),
        (2, [1001, 1007], "2 tokens or requests for Payments (R-1001 and R-1007)"),
        (3, [1, 2, 3, 4, 5], "5 tokens or requests for Payments (R-1, R-2, R-3 and 2 more)"),
    ],
)
def test_who_holds_as_much_as_one_person_may(most: int, held: list[int], said: str) -> None:
    """The refusal counts and names what there is, and says what to do; below the limit there is none."""
    rule = replace(PAYMENTS, max_active=most)
    with pytest.raises(Refusal) as caught:
        limits.check_room(rule, held)
    assert caught.value.text == f"You already have {said}. Revoke or withdraw one of them, then ask again."
    assert caught.value.field == "api"
    limits.check_room(rule, held[: most - 1])
