"""Approvals that no longer count, as the card and the audit say it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core.model import AuditEvent, AuditLine, Record
from bot.slack import state
from bot.slack.audit_lines import MAX_PEOPLE, AuditRow, audit, audit_sentence
from tests.slack.test_messages import EVE, LEADS, Story
from tests.slack.test_modals import BOB, NOW

LEFT = "their account is deactivated"
MORE = f"One more needed from {LEADS}."


def half(*void: str) -> Record:
    """A request that needs two approvals, with one for each of these; each is why it does not count, or empty."""
    record = Story().record
    yes = Story().review(BOB).reviews[0]
    people = (BOB, EVE)
    return replace(
        record, reviews=tuple(replace(yes, reviewer=who, void=why) for who, why in zip(people, void, strict=False))
    )


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (half(""), f"1 of 2 approvals: <@U0BOB>. {MORE}"),
        (half(LEFT), f"0 of 2 approvals. <@U0BOB>'s no longer counts: {LEFT}. 2 more needed from {LEADS}."),
        (half(LEFT, ""), f"1 of 2 approvals: <@U0ZOE>. <@U0BOB>'s no longer counts: {LEFT}. {MORE}"),
        (
            half(LEFT, "no longer an approver"),
            (
                f"0 of 2 approvals. <@U0BOB>'s no longer counts: {LEFT}. <@U0ZOE>'s no longer counts: no longer an approver. "
                f"2 more needed from {LEADS}."
            ),
        ),
    ],
)
def test_the_card_says_whose_approval_no_longer_counts_and_why(record: Record, said: str) -> None:
    """What counts first, then what does not: nobody who reads it thinks that more is there than is."""
    assert said in state.lines(record, card=True)
    assert said in state.lines(record, card=False)


NAMES = {"U0BOB": "Bob", "U0ZOE": "Zoe"}


def _row(event: AuditEvent, **details: object) -> AuditRow:
    return AuditRow(17, NOW, event, None, None, None, AuditLine(event, None, details).details, names=NAMES)


def test_the_audit_says_whose_approval_no_longer_counts_and_why() -> None:
    """By name, with the reason."""
    row = _row(AuditEvent.RECOUNTED, reviewer="U0BOB", why=LEFT, have=0)
    assert audit_sentence(row) == f"#17 · recounted · the approval of Bob no longer counts: {LEFT}"


def test_the_audit_says_who_came_into_a_group_that_approves_and_who_went() -> None:
    """All in words: a mention would ring them, and the group's all its members."""
    row = _row(
        AuditEvent.GROUP_CHANGED,
        group="S0LEADS",
        handle="leads",
        added=["U0BOB", "U0ZOE"],
        removed=[],
        apis=["payments"],
    )
    assert audit_sentence(row) == "#17 · group changed · @leads, added Bob and Zoe, approves for payments"
    body, _ = audit([row])
    assert "@leads, added Bob and Zoe, approves for payments" in body.text
    assert "<@" not in body.text
    assert "subteam" not in body.text


def test_of_very_many_in_a_group_the_first_are_named() -> None:
    """A line fits, whatever was done to the group."""
    row = _row(AuditEvent.GROUP_CHANGED, handle="all", added=[f"U{number}" for number in range(MAX_PEOPLE + 7)])
    assert audit_sentence(row).endswith(f", U{MAX_PEOPLE - 1} and 7 more")
