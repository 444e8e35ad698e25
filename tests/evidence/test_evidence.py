"""The evidence of a quarter, on both engines: what stands in it, and that whatever is changed in it is named."""

from __future__ import annotations

import csv
import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bot import evidence
from bot.evidence import check
from bot.evidence.summary import FIGURES
from bot.store.engine import migrate, open_engine
from tests.crash.more_time import MoreTime
from tests.crash.outside import Fates, person
from tests.crash.story import PEOPLE
from tests.evidence import QUARTER, written


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_the_figures_of_the_database_are_those_of_the_rows(
    tmp_path: Path, request: pytest.FixtureRequest, engine: str
) -> None:
    """Counted in SQL and recomputed from the files."""
    url = f"sqlite:///{tmp_path / 'bot.db'}" if engine == "sqlite" else request.getfixturevalue("postgres_url")
    figures = await written(url, tmp_path / "evidence")
    assert set(figures) == set(FIGURES)
    assert {name: many for name, many in figures.items() if many and not name.startswith("audit.")} == {
        "requests.asked": 3,
        "requests.first": 1001,
        "requests.last": 1003,
        "decisions.approved": 2,
        "decisions.denied": 1,
        "approvals.by_people": 1,
        "approvals.by_rule": 1,
        "access.given": 2,
        "access.living": 1,
        "keys.made": 3,
        "keys.deleted": 3,
        "leavers.found": 2,
        "leavers.ended": 1,
        "leavers.returned": 1,
        "reviews.asked": 2,
        "reviews.kept": 1,
        "reviews.open": 1,
        "configuration.changes": 1,
    }
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


def test_whoever_asked_is_named_by_all_their_ids(quarter: Path) -> None:
    """On Enterprise Grid there may be two: an approval under the other one would be their own."""
    requests = (quarter / "evidence" / "requests.csv").read_text()
    assert "R-1001,ALICE,ALICE," in requests
    assert "R-1002,ERIN,ERIN W0ERIN," in requests


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
        ("requests.csv", replaced("ALICE,ALICE", "ALICE,ALICE BOB"), "R-1001 was approved by its own requester."),
        (
            "requests.csv",
            replaced(",rule,R-1003", ",BOB,R-1003"),
            "R-1003 was approved by BOB in requests.csv, and by nobody in row",
        ),
        ("audit.jsonl", replaced('"need":0', '"need":1'), "R-1003 needed 1 approval and had 0."),
        ("requests.csv", replaced("R-1001,.*\n", ""), "R-1001 is not in requests.csv."),
        ("requests.csv", replaced(",denied,", ",approved,"), "R-1002 is approved in requests.csv, and denied in row"),
        ("keys.csv", replaced(r",20[^,\n]*\n", ",\n"), "summary.md: keys.past_their_end is 0, and the rows give 1."),
        ("leavers.csv", replaced(",revoked,", ",revoked,"), ""),
        ("leavers.csv", replaced(",revoked,", ",expired,"), "leavers.csv: R-1001 is not what the audit's rows say."),
        (
            "leavers.csv",
            replaced(r",revoked,.*\n", ",revoked,2026-10-01T00:00:00Z\n"),
            "leavers.csv: the end of the keys of R-1001 is not the one in keys.csv.",
        ),
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


async def test_the_approvals_of_an_extended_grant_are_those_of_its_extension(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bob and Carol approved, Bob and Dave the extension: the lists say who carries it now, and in which request."""
    monkeypatch.setitem(PEOPLE, "DAVE", person("DAVE", "S0LEADS"))
    engine = open_engine(f"sqlite:///{tmp_path / 'bot.db'}")
    migrate(engine)
    story = DaveToo(engine, Fates(), names_by_token=False)
    await story.tell()
    with story.store.reading(snapshot=True) as tx:
        evidence.write(tx, QUARTER, tmp_path)
    engine.dispose()
    (tmp_path / "bot.db").unlink()
    held, extension, *_ = csv.DictReader((tmp_path / "requests.csv").read_text().splitlines())
    told = [(one["approved_by"], one["approved_in"]) for one in (held, extension)]
    assert told == [("BOB DAVE", "R-1002"), ("BOB DAVE", "R-1002")]
    assert [one for one in check.findings(tmp_path)[0] if "bot.db" not in one] == []


class DaveToo(MoreTime):
    async def _approve_more(self, user_id: str) -> None:
        await super()._approve_more("DAVE" if user_id == "CAROL" else user_id)


@pytest.mark.parametrize("content", ["", "nonsense", "[]", '{"row": 1}', "\udcff", None])
def test_what_cannot_be_read_is_said_in_a_sentence(quarter: Path, tmp_path: Path, content: str | None) -> None:
    """Whatever a file holds, or where it is missing: it is named, and nothing is called right."""
    for name in ("audit.jsonl", "requests.csv", "reviews.csv", "keys.csv", "leavers.csv", "summary.md"):
        folder = tmp_path / name / "evidence"
        shutil.copytree(quarter / "evidence", folder)
        (folder / name).unlink()
        if content is not None:
            (folder / name).write_bytes(content.encode(errors="surrogateescape"))
        found, _ = check.findings(folder)
        assert found[0].startswith(f"{name} is "), found


def test_a_folder_without_evidence_is_wrong_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends with 2, and a sentence."""
    for folder in (tmp_path, tmp_path / "nowhere"):
        monkeypatch.setattr("sys.argv", ["check.py", str(folder)])
        assert check.main() == 2
        assert capsys.readouterr().err == f"{folder} holds no evidence: there is no SHA256SUMS in it.\n"


def test_a_file_too_many_and_one_too_few_are_named(quarter: Path, tmp_path: Path) -> None:
    """Each by its name."""
    folder = tmp_path / "evidence"
    shutil.copytree(quarter / "evidence", folder)
    (folder / "keys.csv").rename(folder / "keys.old.csv")
    assert list(check.hashes(folder)) == [
        "keys.csv is missing.",
        "keys.old.csv is in the folder and not in SHA256SUMS.",
    ]
