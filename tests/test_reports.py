"""Reports: what a person, a spreadsheet and a program read, and what none of them is made to do."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import reports

COLUMNS = ("name", "used_by")
STEERING = "a\x1b[31m\x07\x7f\x9b\r\n\u202eb\u2066\u200b\u2028c\ud800"


def rendered(row: reports.Row, how: str) -> list[str]:
    return list(reports.render([row], COLUMNS, how))


def test_an_empty_cell_is_empty() -> None:
    """In CSV nothing stands where there is nothing, and what a spreadsheet would compute is text."""
    assert rendered({"name": "", "used_by": "=SUM(A1)"}, "csv")[1] == ",'=SUM(A1)"
    for formula in ("+1", "-1", "@x", "=1"):
        assert rendered({"name": formula, "used_by": "x"}, "csv")[1] == f"'{formula},x"


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
