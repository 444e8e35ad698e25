"""Rules applied to people: who may ask, whose approval counts, and what a changed file does to a standing request."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core import lifecycle, rules
from bot.core.model import (
    Refusal,
)
from tests.core.life import (
    ALICE,
    PAYMENTS,
    approved,
    person,
)


def test_a_rule_too_few_can_satisfy_is_refused_at_submission() -> None:
    """Two approvals among two leads, one of whom asks, cannot be reached."""
    with pytest.raises(Refusal, match="only 1 person other than you"):
        rules.check_reachable(PAYMENTS, ALICE.identity, frozenset({"UALICE", "UBOB"}))


def test_a_rule_that_changed_bars_the_key() -> None:
    """Before the key is made and before it is shown, the rule in force is asked; three yeses now needed are not two."""
    with pytest.raises(Refusal, match="now needs 3 approvals"):
        lifecycle.check_still_allowed(approved(), replace(PAYMENTS, approvals=3), ALICE)


def test_a_requester_who_left_the_group_is_barred() -> None:
    """Alice is no longer a developer of payments: she gets no key, approved or not."""
    with pytest.raises(Refusal, match="no longer among those who may ask"):
        lifecycle.check_still_allowed(approved(), PAYMENTS, person("alice"))
