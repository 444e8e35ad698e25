"""What `config.yaml` says to those who ask and to those who decide: warnings, what a reason must hold, who may decide besides."""

from __future__ import annotations

import pytest

from bot.config import parse
from bot.core.model import Rule
from tests.config.test_config import HEAD, of_api, only

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
