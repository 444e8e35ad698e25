"""What the audit says of a request: each step once, who took it, and on what grounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from bot.core import extensions, facts, lifecycle
from bot.core.lifecycle import Asked, Loss
from bot.core.model import Answers, AuditLine, EffectKind, KeyId, RequestId, Verdict
from tests.core.life import (
    ALICE,
    BOB,
    CAROL,
    DAY,
    EVERY,
    GONE,
    LATER,
    NOW,
    PAYMENTS,
    REVIEWED,
    Life,
    asked,
    ended,
    held,
    issuing,
    on_show,
    say,
)

UNTIL = (NOW + 7 * DAY).isoformat()
LEADS = "S0LEADS"


def told(lines: Sequence[AuditLine]) -> list[tuple[str, str, dict[str, Any]]]:
    """The events, who caused each (nobody where time or the bot did), and its details."""
    return [(line.event.value, line.actor.user_id if line.actor else "", line.details) for line in lines]


def test_a_token_from_the_form_to_its_end() -> None:
    """Alice asks, Bob and Carol approve, she saves the token, is reminded, and it expires."""
    asks = {"person": "UALICE", "plan": "standard", "lifetime": 7 * 86400, "used_by": "", "reason": "because"}
    yes = {"verdict": "yes", "counted_by": LEADS, "need": 2, "reason": "no budget"}
    assert told(ended().audit) == [
        ("asked", "UALICE", asks),
        ("reviewed", "UBOB", {**yes, "reviewer": "UBOB", "have": 1}),
        ("reviewed", "UCAROL", {**yes, "reviewer": "UCAROL", "have": 2}),
        (
            "approved",
            "UCAROL",
            {
                "rule": "payments",
                "rule_digest": "digest",
                "need": 2,
                "approvers": ["UBOB", "UCAROL"],
                "until": UNTIL,
            },
        ),
        ("key created", "", {"key_hash": "id-2", "expires": UNTIL, "rule_digest": "digest"}),
        ("sent", "", {}),
        ("hidden", "", {}),
        ("reminded", "", {"of": "ending"}),
        ("expired", "", {}),
        ("key deleted", "", {"key_hash": "id-2"}),
    ]


def test_a_token_without_an_end() -> None:
    """It is reviewed and kept, its holder leaves and comes back, it leaks and is replaced, and somebody changes it at Tyk."""
    life = held(REVIEWED, None)
    life.audit.clear()
    life.passes(EVERY)
    life.uses()
    life.works()
    life.renews()
    life.works()
    for fact in (GONE, facts.Returned()):
        life.sees(fact)
        life.works()
    life.replaces(Loss.LEAKED)
    life.works()
    new = life.record.keys[-1].id
    for looked in (facts.KeyGone(new), facts.KeyAsGranted(new), facts.KeyChanged(new, "another rate")):
        life.sees(looked)
    assert told(life.audit) == [
        ("reminded", "", {"of": "still used"}),
        ("in use", "UALICE", {}),
        ("reminded", "", {"of": "renewal"}),
        ("renewed", "UBOB", {"reviewer": "UBOB", "counted_by": LEADS}),
        ("left", "", {"person": "UALICE", "why": GONE.why}),
        ("returned", "", {"person": "UALICE"}),
        ("replaced", "UALICE", {"why": "leaked"}),
        ("key created", "", {"key_hash": new, "expires": None, "rule_digest": "digest"}),
        ("sent", "", {}),
        ("key deleted", "", {"key_hash": "id-2"}),
        ("key gone", "", {"key_hash": new}),
        ("key as granted", "", {"key_hash": new}),
        ("key changed", "", {"key_hash": new, "why": "another rate"}),
    ]


def test_what_ends_a_request_that_waits() -> None:
    """A no, its requester, an operator, their leaving, or time."""
    waits = asked().record
    no = say(waits, BOB, Verdict.NO)
    review = {"verdict": "no", "reviewer": "UBOB", "counted_by": LEADS, "have": 0, "need": 2}
    assert told(no.audit) == [
        ("reviewed", "UBOB", review),
        ("denied", "UBOB", {"reviewer": "UBOB", "reason": "no budget"}),
    ]
    by_hand = lifecycle.deny(waits, "a stolen laptop", NOW, LATER)
    assert told(by_hand.audit) == [("denied", "", {"reviewer": None, "reason": "a stolen laptop"})]
    withdrawn = lifecycle.withdraw(waits, ALICE.identity, NOW, LATER)
    assert told(withdrawn.audit) == [("withdrawn", "UALICE", {})]
    left = lifecycle.observe(waits, GONE, NOW, LATER)
    assert told(left.audit) == [("left", "", {"person": "UALICE", "why": GONE.why}), ("withdrawn", "", {})]
    life = Life()
    life.works()
    life.passes(7 * DAY)
    assert told(life.audit)[1:] == [
        ("reminded", "", {"of": "still waiting"}),
        ("reminded", "", {"of": "last chance"}),
        ("lapsed", "", {}),
    ]


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (
            facts.Barred("before the key is made", "No."),
            ("refused", "", {"person": "UALICE", "why": "No.", "step": "before the key is made"}),
        ),
        (facts.Unreachable("user_disabled"), ("revoked", "", {"why": "user_disabled"})),
        (facts.KeyWrong(KeyId("id-2"), "another rate"), ("revoked", "", {"why": "another rate"})),
        (
            facts.Delayed(EffectKind.ISSUE_KEY, "tyk_503"),
            ("delayed", "", {"effect": "issue_key", "error": "tyk_503"}),
        ),
        (facts.Recovered(EffectKind.ISSUE_KEY), ("recovered", "", {"effect": "issue_key"})),
        (
            facts.Stuck(EffectKind.ISSUE_KEY, 7, "tyk_400", "No such policy."),
            ("stuck", "", {"effect": "issue_key", "error": "tyk_400", "effect_id": 7, "why": "No such policy."}),
        ),
    ],
)
def test_what_comes_between(fact: facts.Fact, expected: tuple[str, str, dict[str, Any]]) -> None:
    """While Alice waits for her token."""
    life = issuing()
    life.audit.clear()
    life.sees(fact)
    assert told(life.audit) == [expected]


def test_more_time() -> None:
    """The request names what it extends, and what is extended names the request."""
    life, rule = held(), replace(PAYMENTS, lifetimes=(14 * DAY,))
    form = Asked(RequestId("x"), rule.plans[0], 14 * DAY, Answers(reason="still testing"))
    step = lifecycle.submit(form, ALICE, rule, "newer", 1002, NOW, LATER, held=life.record)
    assert told(step.audit)[0][2]["extends"] == "R-1001"
    by = say(say(step.record, BOB, rule=rule).record, CAROL, rule=rule).record
    assert told(extensions.extend(life.record, by, NOW, LATER).audit) == [
        ("extended", "UALICE", {"by": "R-1002", "until": (NOW + 14 * DAY).isoformat(), "rule_digest": "newer"})
    ]
    refused = extensions.refused(by, facts.Barred("before it is extended", "No."), NOW, LATER)
    assert told(refused.audit) == [("refused", "", {"person": "UALICE", "why": "No.", "step": "before it is extended"})]


def test_who_revokes() -> None:
    """An approver with a reason, or an operator."""
    life = on_show()
    for who, actor in ((CAROL.identity, "UCAROL"), (None, "")):
        step = lifecycle.revoke(life.record, who, "it leaked", NOW, LATER)
        assert told(step.audit) == [("revoked", actor, {"why": "it leaked"})]
