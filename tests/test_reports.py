"""Reports: what a person, a spreadsheet and a program read, and what none of them is made to do."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import reports
from bot.core.model import Audience
from tests.core.life import ALICE, BOB, PAYMENTS, Life, approved

COLUMNS = ("name", "used_by")
STEERING = "a\x1b[31m\x07\x7f\x9b\r\n\u202eb\u2066\u200b\u2028c\ud800"


def rendered(row: reports.Row, how: str) -> list[str]:
    return list(reports.render([row], COLUMNS, how))


def test_an_empty_cell_is_empty() -> None:
    """In CSV nothing stands where there is nothing, and what a spreadsheet would compute is text."""
    assert rendered({"name": "", "used_by": "=SUM(A1)"}, "csv")[1] == ",'=SUM(A1)"
    for formula in ("+1", "-1", "@x", "=1", " =1", "＝1"):  # noqa: RUF001 - a wide one
        assert rendered({"name": formula, "used_by": "x"}, "csv")[1] == f"'{formula},x"
    for hidden in ("\t=1", "\r=1", "\u200b=1"):
        assert rendered({"name": hidden, "used_by": "x"}, "csv")[1] == "' =1,x"


def test_details_are_words_or_json() -> None:
    """In a table each part stands behind its name, and what is nested is counted; a program reads JSON in its cell of CSV."""
    details = {"approvers": ["U0BOB", "U0CAROL"], "need": 2, "by": None, "void": True, "changes": [{"a": ["b"]}]}
    shown = " ".join(rendered({"name": details, "used_by": ""}, "table"))
    assert "approvers=U0BOB U0CAROL, need=2, void=true, changes=1" in shown
    (row,) = list(csv.reader(io.StringIO(rendered({"name": details, "used_by": ""}, "csv")[1])))
    assert json.loads(row[0]) == details


@pytest.mark.parametrize("how", ["table", "csv", "jsonl"])
@given(typed=st.text() | st.just(STEERING))
def test_nothing_steers_the_reader(how: str, typed: str) -> None:
    """No report has a control or direction character in it, whatever people typed, and a row is one line."""
    for value in (typed, {"why": typed}):
        for line in rendered({"name": value, "used_by": typed}, how):
            assert line.isprintable()


@given(typed=st.text(st.characters(exclude_categories=["Cs"])))
def test_json_lines_lose_nothing(typed: str) -> None:
    """A program reads what was typed, to the letter."""
    (line,) = rendered({"name": {"why": typed}, "used_by": typed}, "jsonl")
    assert json.loads(line) == {"name": {"why": typed}, "used_by": typed}


def test_what_is_visible_stays() -> None:
    """Letters of all scripts, quotation marks and commas go through CSV as they are."""
    (row,) = list(csv.reader(io.StringIO(rendered({"name": 'Zoë, "李"', "used_by": "naïve"}, "csv")[1])))
    assert row == ['Zoë, "李"', "naïve"]


def test_what_waits_says_for_how_long_and_who_can_decide() -> None:
    """Alice has waited for two days; Bob or the leads can decide, one yes of two is there, and her own id is no approver's."""
    who = Audience(users=frozenset({ALICE.identity.user_id, BOB.identity.user_id}), groups=frozenset({"S0LEADS"}))
    life = Life(replace(PAYMENTS, approvals=2, approvers=who))
    life.says(BOB)
    asked = life.record.request.created_at
    known = reports.Known(names={BOB.identity.user_id: "Bob", "S0LEADS": "payments-leads"})
    row = reports.request_row(life.record, (), asked + timedelta(days=2, hours=3), known)
    assert (row["age"], row["approvals"], row["reason"]) == ("2d 3h", "1 of 2", life.record.request.answers.reason)
    assert row["who_can_decide"] == f"@payments-leads (S0LEADS), Bob ({BOB.identity.user_id})"


def test_what_is_decided_names_nobody_who_could() -> None:
    """Who can decide is said while somebody has to."""
    row = reports.request_row(approved(), (), datetime(2030, 1, 1, tzinfo=UTC))
    assert (row["approvals"], row["who_can_decide"]) == ("", "")
