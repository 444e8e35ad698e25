"""Tables as wide as a terminal: nothing sticks out, and nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import layout, reports
from bot.layout import table, wrapped

COLUMNS = ("request", "api", "reason", "stuck")
SOME = {"request": "R-1001", "api": "payments", "reason": "to build the checkout", "stuck": ""}
LONG = SOME | {"request": "R-1002", "reason": "the nightly settlement of the billing team fails at the ledger"}


def test_what_fits_stands_side_by_side() -> None:
    """A column that is empty throughout is left out on a terminal, and stays in a file."""
    assert list(table([SOME], COLUMNS, 80)) == [
        "REQUEST  API       REASON",
        "R-1001   payments  to build the checkout",
    ]
    assert next(table([SOME], COLUMNS)) == "REQUEST  API       REASON                 STUCK"


def test_what_does_not_fit_stands_below_its_row() -> None:
    """The long reason moves under each row, behind its name, and is whole."""
    assert list(table([SOME, LONG], COLUMNS, 60)) == [
        "REQUEST  API",
        "R-1001   payments",
        "    reason: to build the checkout",
        "R-1002   payments",
        "    reason: the nightly settlement of the billing team fails",
        "    at the ledger",
    ]


def test_columns_that_matter_have_their_room_first() -> None:
    """Where not all fit, `first` says which do; they keep their order."""
    row = {"request": "R-1001", "api": "payments-settlement", "until": "2026-12-03T10:24:28Z"}
    assert next(table([row], tuple(row), 42, ("request", "until"))) == "REQUEST  UNTIL"
    assert next(table([row], tuple(row), 42, ("request", "api"))) == "REQUEST  API"


def test_a_later_row_that_is_wider_is_cut_and_told_below(monkeypatch: pytest.MonkeyPatch) -> None:
    """The columns are measured by the first rows; what comes later loses nothing either."""
    monkeypatch.setattr(layout, "MEASURED", 1)
    rows = [SOME, SOME | {"api": "payments-settlement", "stuck": "47:issue_key"}]
    assert list(table(rows, COLUMNS, 80))[2:] == [
        "R-1001   payment…  to build the checkout",
        "    api: payments-settlement  stuck: 47:issue_key",
    ]


@given(
    rows=st.lists(st.fixed_dictionaries({name: st.text("abc 李é-", max_size=60) for name in COLUMNS}), max_size=4),
    width=st.integers(20, 120),
)
def test_nothing_sticks_out_and_nothing_is_lost(rows: list[dict[str, str]], width: int) -> None:
    """Whatever people typed, in letters of any width: no line is wider than the terminal, and every letter is there."""
    lines = list(table(rows, COLUMNS, width))
    assert all(layout._size(line) <= width for line in lines[1:])
    shown = "".join(lines).replace("…", "")
    for letter in "李é":
        assert shown.count(letter) >= sum(cell.count(letter) for row in rows for cell in row.values())


@pytest.mark.parametrize("word", ["x" * 50, "李" * 25])
def test_a_word_that_is_longer_than_the_line_is_broken(word: str) -> None:
    """A key's hash or an address goes on in the next line."""
    lines = list(wrapped(f"key {word}", 20))
    assert all(layout._size(line) <= 20 for line in lines)
    assert "".join(line.strip() for line in lines).replace("key", "", 1) == word


@pytest.mark.parametrize("how", ["csv", "jsonl"])
def test_a_file_has_everything_whatever_the_terminal(how: str) -> None:
    """CSV and JSON lines are for programs: no width changes them."""
    assert list(reports.render([LONG], COLUMNS, how, 20)) == list(reports.render([LONG], COLUMNS, how))
