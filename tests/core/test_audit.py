"""The audit as it is read: what goes out as one message, and who is named in it."""

from __future__ import annotations

from typing import Any

import pytest

from bot.core.audit import RUNS, AuditEntry, mentioned, named_in, together
from bot.core.model import AuditEvent, Identity
from tests.core.life import NOW


def entry(number: int, request_id: str | None, actor: str | None = None, **details: Any) -> AuditEntry:
    who = Identity("T0OURS", actor) if actor else None
    return AuditEntry(number, NOW, AuditEvent.ASKED, request_id, None, None, None, who, details)


@pytest.mark.parametrize(
    ("requests", "rows", "about"),
    [
        ("", 0, None),
        ("a", 1, "a"),
        ("aaa", 3, "a"),
        ("aab", 2, "a"),
        ("-a", 1, None),
        ("aba", 1, "a"),
        ("abab", 4, None),
        ("abcd", 4, None),
        ("aabbccdd", 8, None),
    ],
)
def test_rows_of_one_request_go_out_together_and_in_a_crowd_all_do(requests: str, rows: int, about: str | None) -> None:
    """The leading rows, none skipped; `-` is a row that belongs to no request."""
    entries = [entry(number, None if one == "-" else one) for number, one in enumerate(requests, start=1)]
    assert together(entries) == (rows, about)
    assert RUNS == 3


def test_people_and_groups_are_named_wherever_a_line_tells_of_them() -> None:
    """By the keys that hold ids, and in sentences; a word that looks like an id is none."""
    told = [
        entry(1, "a", "U0ANN", reviewer="U0BOB", counted_by="S0LEADS", approvers=["U0ZOE"]),
        entry(
            2,
            None,
            reason="URGENT",
            why="ask <@U0EVE> or <!subteam^S0HELP>",
            added=["ledger-2", "U0NEW"],
            people=["U0NOT"],
        ),
        entry(3, None, reviewer=None, approvers="U0NOT", have=1),
    ]
    assert named_in(told) == {"U0ANN", "U0BOB", "S0LEADS", "U0ZOE", "U0EVE", "S0HELP", "U0NEW"}


def test_a_mention_becomes_a_name() -> None:
    """Of whom no name is known, the id is said."""
    assert mentioned("<@U0BOB> and <@U0EVE> of <!subteam^S0LEADS>", {"U0BOB": "Bob", "S0LEADS": "@leads"}) == (
        "Bob and U0EVE of @leads"
    )
