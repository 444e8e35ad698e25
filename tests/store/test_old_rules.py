"""A rule that an older version stored, which knew less, still loads."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bot.core.model import NOBODY, Audience, ReasonPattern
from bot.store import rows
from tests.core.life import PAYMENTS, Life


def test_what_a_rule_says_is_stored_whole() -> None:
    """As it was when somebody asked."""
    rule = replace(
        PAYMENTS,
        warning="This is production.",
        reason_pattern=ReasonPattern("OPS", "Say OPS.", "https://t/{match}"),
        also_may_approve=Audience(users=frozenset({"UDAVE"})),
    )
    stored = rows.request_row(replace(Life().record.request, rule=rule))["rule"]
    assert rows.rule_of(stored) == rule


@pytest.mark.parametrize(("key", "meaning"), [("warning", ""), ("reason_pattern", None), ("also_may_approve", NOBODY)])
def test_a_rule_without_what_came_later_means_what_it_meant(key: str, meaning: Any) -> None:
    """No warning, no pattern, and nobody who may decide besides."""
    stored = json.loads(rows.request_row(Life().record.request)["rule"])
    del stored[key]
    assert getattr(rows.rule_of(json.dumps(stored)), key) == meaning
