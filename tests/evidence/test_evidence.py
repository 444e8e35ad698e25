"""The evidence of a quarter, on both engines: what stands in it, and that whatever is changed in it is named."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.evidence import check
from bot.evidence.summary import FIGURES
from tests.evidence import written


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_the_figures_of_the_database_are_those_of_the_rows(
    tmp_path: Path, request: pytest.FixtureRequest, engine: str
) -> None:
    """Counted in SQL and recomputed from the files: one request approved by two, one denied, one leaver whose keys are gone."""
    url = f"sqlite:///{tmp_path / 'bot.db'}" if engine == "sqlite" else request.getfixturevalue("postgres_url")
    figures = await written(url, tmp_path / "evidence")
    assert set(figures) == set(FIGURES)
    some = ("requests.asked", "decisions.approved", "decisions.denied", "approvals.by_people", "access.given")
    assert [figures[name] for name in some] == [2, 1, 1, 1, 1]
    assert (figures["leavers.found"], figures["leavers.ended"], figures["keys.past_their_end"]) == (1, 1, 0)
    assert (figures["configuration.changes"], figures["access.living"]) == (1, 0)
    assert check.findings(tmp_path / "evidence") == ([], len(FIGURES))


def test_the_folder_checks_itself_with_python_alone(quarter: Path, tmp_path: Path) -> None:
    """The program in it imports nothing of the bot, and knows its own folder."""
    program = [sys.executable, "-I", "-S", str(quarter / "evidence" / "check.py")]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603 - our own program
    assert (done.returncode, done.stdout) == (0, f"All {len(FIGURES)} figures agree with the rows.\n")


def test_no_token_and_no_reason_stand_in_the_lists(quarter: Path) -> None:
    """What Alice typed stands in the audit's rows alone, from where it can be erased."""
    lists = "".join(
        (quarter / "evidence" / f"{name}.csv").read_text() for name in ("requests", "reviews", "keys", "leavers")
    )
    assert "because" not in lists
    assert "because" in (quarter / "evidence" / "audit.jsonl").read_text()


def without_row(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(lines[:5] + lines[6:])


def swapped(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join([*lines[:3], lines[4], lines[3], *lines[5:]])


def replaced(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert re.search(old, text)
        return re.sub(old, new, text, count=1)

    return change


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("audit.jsonl", without_row, "audit.jsonl: row 6 is missing, or out of order: row 7 comes behind row 5."),
        ("audit.jsonl", swapped, "audit.jsonl: row 4 is missing, or out of order: row 5 comes behind row 3."),
        ("audit.jsonl", replaced('"because"', '"for fun"'), "audit.jsonl: in row 1, reason is not what was written."),
        (
            "audit.jsonl",
            replaced(r'"approvers":\["BOB"', '"approvers":["DAVE"'),
            "R-1001 was approved by BOB, CAROL in reviews.csv, and by CAROL, DAVE in row",
        ),
        (
            "reviews.csv",
            replaced("R-1001,CAROL", "R-1001,DAVE"),
            "R-1001 was approved by BOB, DAVE in reviews.csv, and by BOB, CAROL in row",
        ),
        (
            "requests.csv",
            replaced("BOB CAROL", "BOB DAVE"),
            "R-1001 was approved by BOB, DAVE in requests.csv, and by BOB, CAROL in row",
        ),
        ("requests.csv", replaced("R-1001,.*\n", ""), "R-1001 is not in requests.csv."),
        ("requests.csv", replaced(",denied,", ",approved,"), "R-1002 is approved in requests.csv, and denied in row"),
        ("keys.csv", replaced(r",20[^,\n]*\n", ",\n"), "summary.md: keys.past_their_end is 0, and the rows give 1."),
        ("leavers.csv", replaced(",revoked,", ",revoked,"), ""),
        ("leavers.csv", replaced("R-1001,.*\n", ""), "leavers.csv: R-1001 is missing."),
        (
            "summary.md",
            replaced(r"\| decisions.denied \| 1", "| decisions.denied | 0"),
            "summary.md: decisions.denied is 0, and the rows give 1.",
        ),
    ],
)
def test_whatever_is_changed_is_named(
    quarter: Path, tmp_path: Path, name: str, change: Callable[[str], str], said: str
) -> None:
    """Also by one who writes the hashes anew; who does not is found by them."""
    folder = tmp_path / "evidence"
    shutil.copytree(quarter / "evidence", folder)
    before = (folder / name).read_text()
    (folder / name).write_text(change(before))
    found, _ = check.findings(folder)
    assert (f"{name} is not the file that was written: its hash differs from SHA256SUMS." in found) is bool(said)
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    sums = (folder / "SHA256SUMS").read_text()
    (folder / "SHA256SUMS").write_text(re.sub(rf".*  {re.escape(name)}\n", f"{digest}  {name}\n", sums))
    found, _ = check.findings(folder)
    assert any(one.startswith(said) for one in found) if said else not found, found


def test_a_file_too_many_and_one_too_few_are_named(quarter: Path, tmp_path: Path) -> None:
    """Each by its name."""
    folder = tmp_path / "evidence"
    shutil.copytree(quarter / "evidence", folder)
    (folder / "keys.csv").rename(folder / "keys.old.csv")
    assert list(check.hashes(folder)) == [
        "keys.csv is missing.",
        "keys.old.csv is in the folder and not in SHA256SUMS.",
    ]
