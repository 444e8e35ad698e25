"""What a reason must hold, and the link that it makes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core import reasons
from bot.core.model import Answers, AuditEvent, ReasonPattern, Refusal, Rule
from tests.core.life import PAYMENTS, asked

SAYS = "Give the number of your change ticket, such as OPS-123."
TICKET = ReasonPattern("[A-Z]+-[0-9]+", SAYS, "https://tickets.example.com/browse/{match}")


def ticketed(wanted: ReasonPattern = TICKET, *, required: bool = True) -> Rule:
    return replace(PAYMENTS, reason_pattern=wanted, reason_required=required)


def link(reason: str, wanted: ReasonPattern = TICKET) -> reasons.Link | None:
    request = replace(asked(ticketed(wanted)).record.request, answers=Answers(reason=reason))
    return reasons.link_in(request)


@pytest.mark.parametrize("reason", ["because I need it", "ops-123", "OPS-"])
def test_a_reason_without_what_it_must_hold_is_refused_in_its_field(reason: str) -> None:
    """In the sentence of the configuration."""
    with pytest.raises(Refusal) as refused:
        reasons.check(ticketed(), reason)
    assert (refused.value.text, refused.value.field) == (SAYS, "reason")


def test_a_reason_that_may_be_left_out_may_be_left_out() -> None:
    """But whoever writes one writes it as the others do."""
    reasons.check(ticketed(required=False), " ")
    reasons.check(ticketed(required=False), "OPS-1")
    reasons.check(PAYMENTS, "because")
    with pytest.raises(Refusal, match="Give the number"):
        reasons.check(ticketed(required=False), "because")
    with pytest.raises(Refusal, match="what you need it for"):
        reasons.check(ticketed(), " ")


def test_the_match_is_a_link_to_what_it_names() -> None:
    """Whatever was typed stays within its place in the address."""
    assert link("for OPS-123 and CHG-9") == reasons.Link("OPS-123", "https://tickets.example.com/browse/OPS-123")
    anything = replace(TICKET, pattern="!.+")
    assert link("!/../<b>?a=b#c|d é", anything) == reasons.Link(
        "!/../<b>?a=b#c|d é", "https://tickets.example.com/browse/%21%2F..%2F%3Cb%3E%3Fa%3Db%23c%7Cd%20%C3%A9"
    )
    assert link("no ticket") is None
    assert link("OPS-123", replace(TICKET, link="")) is None
    assert link("!" + "é" * 499, anything) is None, "no address is that long"


def test_the_audit_has_the_link() -> None:
    """As it was when somebody asked, whatever the configuration says later."""
    step = asked(replace(ticketed(replace(TICKET, pattern="because"))))
    (line,) = [line for line in step.audit if line.event is AuditEvent.ASKED]
    assert line.details["reason_link"] == {"text": "because", "url": "https://tickets.example.com/browse/because"}
    assert "reason_link" not in asked().audit[0].details
