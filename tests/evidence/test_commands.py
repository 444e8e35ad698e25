"""`audit export` and `evidence`, as an operator uses them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from bot import cli
from bot.evidence import check
from tests.core.test_ocsf import complaints


@pytest.fixture
def environ(quarter: Path) -> dict[str, str]:
    return {"DATABASE_URL": f"sqlite:///{quarter / 'bot.db'}"}


def export(capsys: pytest.CaptureFixture[str], environ: dict[str, str], *options: str) -> str:
    assert cli.execute(["audit", "export", *options], environ) == 0
    return capsys.readouterr().out


def test_the_export_has_the_rows_as_they_are_chained(
    capsys: pytest.CaptureFixture[str], environ: dict[str, str], quarter: Path
) -> None:
    """The same lines as in the evidence of all of it; each row follows the one before, and each text is the one written."""
    written = export(capsys, environ)
    assert written == (quarter / "evidence" / "audit.jsonl").read_text()
    audit = check.Evidence(quarter / "evidence", *["1970-01-01"] * 2)
    for line in written.splitlines():
        audit.take(json.loads(line))
    assert (audit.found, audit.rows) == ([], len(written.splitlines()))


def test_the_export_is_valid_ocsf(capsys: pytest.CaptureFixture[str], environ: dict[str, str]) -> None:
    """A real story's rows, a line each."""
    events = [json.loads(line) for line in export(capsys, environ, "--format", "ocsf").splitlines()]
    assert [event["metadata"]["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert [complaint for event in events for complaint in complaints(event)] == []


def test_the_export_as_csv_keeps_its_filters(capsys: pytest.CaptureFixture[str], environ: dict[str, str]) -> None:
    """From one day until before another, of one person."""
    options = ("--format", "csv", "--since", "2026-01-06", "--until", "2026-01-08T09:10", "--person", "BOB")
    rows = list(csv.DictReader(io.StringIO(export(capsys, environ, *options))))
    assert [row["event"] for row in rows] == ["question asked", "reviewed", "revoked"]
    assert all(len(row["link"]) == 64 for row in rows)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["audit", "export", "--format", "text"], "`audit export` writes jsonl, ocsf, csv, not text."),
        (["audit", "--format", "ocsf"], "`audit` writes table, csv, jsonl, text, not ocsf; `audit export` does."),
        (["audit", "--until", "7d"], "`audit` has no --until."),
        (["audit", "export", "--until", "soon"], "--until takes 12h, 7d or 2026-01-31, not 'soon'."),
        (["evidence", "--period", "Q1"], "--period takes 2026, 2026-Q4, 2026-10 or FROM..TO"),
        (["evidence", "--period", "9000"], "--period 9000 has not begun."),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    capsys: pytest.CaptureFixture[str], environ: dict[str, str], words: list[str], said: str
) -> None:
    """And nothing is written."""
    assert cli.execute(words, environ) == 2
    assert capsys.readouterr().err.startswith(said)


def test_evidence_is_written_into_a_new_folder(
    capsys: pytest.CaptureFixture[str], environ: dict[str, str], tmp_path: Path
) -> None:
    """It says how to check it; what is in a folder already is not touched."""
    folder = tmp_path / "for" / "the auditor"
    words = ["evidence", "--period", "2026-01..2026-03", "--to", str(folder)]
    assert cli.execute(words, environ) == 0
    assert f"python3 '{folder}/check.py'" in capsys.readouterr().out
    assert check.findings(folder)[0] == []
    assert cli.execute(words, environ) == 2
    assert "is not empty" in capsys.readouterr().err
