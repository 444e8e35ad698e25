"""The evidence of a quarter, on both engines: what stands in it, and that whatever is changed in it is named."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot import evidence
from bot.core.model import AuditEvent
from bot.evidence import check
from bot.evidence.period import Period
from bot.evidence.reading import Left, left_behind
from bot.evidence.summary import FIGURES
from bot.store.engine import migrate, open_engine
from tests.crash.more_time import MoreTime
from tests.crash.outside import Fates, person
from tests.crash.story import CHAIN_KEY, PEOPLE
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
        "leavers.hours_at_most": 1,
        "reviews.asked": 2,
        "reviews.kept": 1,
        "reviews.open": 1,
        "reviews.due": 1,
        "configuration.changes": 1,
    }
    assert check.findings(tmp_path / "evidence") == ([], [], len(FIGURES))


def test_the_folder_checks_itself_with_python_alone(quarter: Path, tmp_path: Path) -> None:
    """The program in it imports nothing of the bot, and knows its own folder."""
    program = [sys.executable, "-I", "-S", str(quarter / "evidence" / "check.py")]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603 - our own program
    assert (done.returncode, done.stdout) == (
        0,
        f"All {len(FIGURES)} figures agree with the rows, and so do the lists.\n",
    )


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


LISTED = (
    (
        "requests.csv",
        "R-1001,ALICE,ALICE",
        "R-1001,DAVE,DAVE",
        "requests.csv: requester of R-1001 is DAVE, and ALICE in",
    ),
    ("requests.csv", "ERIN W0ERIN", "W0ERIN", "requests.csv: requester_ids of R-1002 is W0ERIN, which does not fit"),
    (
        "requests.csv",
        "payments,standard",
        "ledger,standard",
        "requests.csv: api of R-1001 is ledger, and payments in row",
    ),
    (
        "requests.csv",
        "payments,standard",
        "payments,gold",
        "requests.csv: plan of R-1001 is gold, and standard in row 1.",
    ),
    (
        "requests.csv",
        "2026-01-05",
        "2026-01-04",
        "requests.csv: asked of R-1001 is 2026-01-04T09:00:00Z, and 2026-01-05T",
    ),
    (
        "requests.csv",
        "2026-01-05",
        "2025-01-05",
        "requests.csv: asked of R-1001 is 2025-01-05T09:00:00Z, and 2026-01-05T",
    ),
    (
        "requests.csv",
        "Z,,approved",
        "Z,R-1000,approved",
        "requests.csv: extends of R-1001 is R-1000, and empty in row 1.",
    ),
    ("requests.csv", ",CAROL,", ",BOB,", "requests.csv: decided_by of R-1001 is BOB, and CAROL in row 7."),
    (
        "requests.csv",
        "denied,[^,]*,BOB",
        "pending,,",
        "requests.csv: state of R-1002 is pending, and denied in row 26.",
    ),
    (
        "requests.csv",
        "payments@digest",
        "payments@other",
        "requests.csv: rule of R-1001 is payments@other, and payments@",
    ),
    ("requests.csv", ",R-1001,pay", ",R-1003,pay", "requests.csv: R-1001 was not approved in R-1003, which does not"),
    (
        "requests.csv",
        "2026-01-15T09:00:24Z",
        "never",
        "requests.csv: until of R-1001 is never, and 2026-01-15T09:00:24Z in",
    ),
    (
        "requests.csv",
        "2026-01-08T09:00:48Z,BOB",
        ",BOB",
        "requests.csv: ended of R-1001 is empty, and 2026-01-08T09:00:48Z",
    ),
    ("requests.csv", "09:00:48Z,BOB", "09:00:48Z,", "requests.csv: ended_by of R-1001 is empty, and BOB in row 21."),
    (
        "requests.csv",
        ",,\n$",
        ",2026-02-01T00:00:00Z,\n",
        "requests.csv: ended of R-1003 is 2026-02-01T00:00:00Z, and no row",
    ),
    (
        "requests.csv",
        ",,\n$",
        ",2025-12-01T00:00:00Z,\n",
        "requests.csv: ended of R-1003 is 2025-12-01T00:00:00Z, and no row",
    ),
    ("requests.csv", ",,\n$", ",,BOB\n", "requests.csv: ended of R-1003 is empty."),
    (
        "audit.jsonl",
        '"person":"ALICE","person_team"',
        '"person":"DAVE","person_team"',
        "audit.jsonl: R-1001 is of ALICE in row 2, and",
    ),
    ("reviews.csv", "R-1002,.*\n", "", "reviews.csv: R-1002 BOB is missing, and row 25 tells of it."),
    ("reviews.csv", "R-1002,BOB", "R-1002,DAVE", "reviews.csv: at of R-1002 DAVE is 2026-01-08T09:16:54Z, and no row"),
    ("reviews.csv", ",no,", ",yes,", "reviews.csv: verdict of R-1002 BOB is yes, and no in row 25."),
    ("reviews.csv", "S0LEADS", "S0OTHERS", "reviews.csv: counted_by of R-1001 BOB is S0OTHERS, and S0LEADS in row 5."),
    (
        "reviews.csv",
        ",\n$",
        ",no longer an approver\n",
        "reviews.csv: void of R-1002 BOB is no longer an approver, and empty",
    ),
    ("keys.csv", "R-1001,hash-1.*\n", "", "keys.csv: R-1001 hash-1 is missing, and row 12 tells of it."),
    ("keys.csv", "(R-1001,hash-1.*\n)", r"\1\1", "keys.csv: made of R-1001 hash-1 is 2026-01-08T09:00:30Z, and no row"),
    (
        "keys.csv",
        "hash-1",
        "hash-9",
        "keys.csv: made of R-1001 hash-9 is 2026-01-08T09:00:30Z, and no row of the audit",
    ),
    ("keys.csv", "hash-1", "", "keys.csv: made of R-1001 is 2026-01-08T09:00:30Z, and no row of the audit says so."),
    (
        "keys.csv",
        "2026-01-15",
        "2026-04-15",
        "keys.csv: expires of R-1001 hash-0 is 2026-04-15T09:00:24Z, and 2026-01-15",
    ),
    (
        "keys.csv",
        "2026-01-15T09:00:24Z",
        "2026-01-08T09:15:24Z",
        "keys.csv: expires of R-1001 hash-0 is 2026-01-08T09:15:24Z",
    ),
    (
        "keys.csv",
        "09:00:30Z\n",
        "09:00:29Z\n",
        "keys.csv: deleted of R-1001 hash-0 is 2026-01-08T09:00:29Z, and 2026-01",
    ),
    (
        "keys.csv",
        "[^,]*\n$",
        "unknown\n",
        "keys.csv: deleted of R-1001 hash-2 is unknown, and 2026-01-08T09:00:48Z in row 22.",
    ),
)
"""Lists that say otherwise than the audit's rows: in which file, what is replaced by what, and how it is named."""


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
            "requests.csv: approved_by of R-1001 is BOB DAVE, and BOB CAROL in row 7.",
        ),
        ("requests.csv", replaced("ALICE,ALICE", "ALICE,ALICE BOB"), "R-1001 was approved by its own requester."),
        (
            "requests.csv",
            replaced(",rule,R-1003", ",BOB,R-1003"),
            "requests.csv: approved_by of R-1003 is BOB, and rule in row 28.",
        ),
        ("audit.jsonl", replaced('"need":0', '"need":1'), "R-1003 needed 1 approval and had 0."),
        ("requests.csv", replaced("R-1001,.*\n", ""), "requests.csv: R-1001 is missing, and row 1 tells of it."),
        (
            "requests.csv",
            replaced(",denied,", ",approved,"),
            "requests.csv: state of R-1002 is approved, and denied in row 26.",
        ),
        *((name, replaced(old, new), said) for name, old, new, said in LISTED),
        ("keys.csv", replaced(r",20[^,\n]*\n", ",\n"), "summary.md: keys.past_their_end is 0, and the rows give 1."),
        ("leavers.csv", replaced(",revoked,", ",revoked,"), ""),
        (
            "leavers.csv",
            replaced(",revoked,", ",expired,"),
            "leavers.csv: how of R-1001 is expired, and revoked in row 21.",
        ),
        (
            "leavers.csv",
            replaced(r",revoked,.*\n", ",revoked,2026-10-01T00:00:00Z\n"),
            "leavers.csv: keys_deleted of R-1001 is 2026-10-01T00:00:00Z, and 2026-01-08T09:00:48Z in keys.csv.",
        ),
        ("leavers.csv", replaced("R-1001,.*\n", ""), "leavers.csv: R-1001 is missing, and row 20 tells of it."),
        ("requests.csv", replaced("2026-02-07", "2026-05-07"), "summary.md: reviews.due is 1, and the rows give 0."),
        (
            "summary.md",
            replaced("most \\| 1", "most | 0"),
            "summary.md: leavers.hours_at_most is 0, and the rows give 1.",
        ),
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
    found, *_ = check.findings(folder)
    assert (f"{name} is not the file that was written: its hash differs from SHA256SUMS." in found) is bool(said)
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    sums = (folder / "SHA256SUMS").read_text()
    (folder / "SHA256SUMS").write_text(re.sub(rf".*  {re.escape(name)}\n", f"{digest}  {name}\n", sums))
    found, *_ = check.findings(folder)
    assert any(one.startswith(said) for one in found) if said else not found, found


def test_no_cell_of_a_list_may_say_something_else(quarter: Path, tmp_path: Path) -> None:
    """Each, one after the other, in each line, whoever writes the hashes anew. Of what somebody was called no row tells."""
    folder, silent = tmp_path / "evidence", set[str]()
    shutil.copytree(quarter / "evidence", folder)
    (folder / "SHA256SUMS").write_text("".join(f"  {path.name}\n" for path in folder.iterdir()))
    for name in check.LISTS:
        before = (folder / name).read_text()
        head, *lines = csv.reader(before.splitlines())
        for number, line in enumerate(lines):
            for place, column in enumerate(head):
                changed = [*lines[:number], [*line[:place], "changed", *line[place + 1 :]], *lines[number + 1 :]]
                (folder / name).write_text("".join(f"{','.join(one)}\n" for one in [head, *changed]))
                if not [one for one in check.findings(folder)[0] if "SHA256SUMS" not in one]:
                    silent.add(column)
        (folder / name).write_text(before)
    assert silent == {"name"}


def test_an_edited_configuration_is_proved_by_the_key_alone(quarter: Path) -> None:
    """No list has what it says, so `check.py` finds nothing where the hashes were written anew, too; the key does."""
    lines = [json.loads(line) for line in (quarter / "evidence" / "audit.jsonl").read_text().splitlines()]
    (changed,) = (line["row"] for line in lines if line["row"]["event"] == AuditEvent.CONFIGURED)
    changed["details"] = {"digest": "0123"}
    verify = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "verify_audit.py"))
    with pytest.raises(verify["Misfit"], match=f"Row {changed['number']} "):
        list(verify["verify"](iter(lines), {CHAIN_KEY.id: CHAIN_KEY.secret}, 1, [], part=True))


@pytest.mark.parametrize(("days", "hours", "late"), [(0, 1, 0), (1, 25, 1), (-1, 0, 0)])
def test_how_long_the_keys_of_those_who_left_lived_is_told(days: int, hours: int, late: int) -> None:
    """In hours, each that was begun included; what was over before they left took none, and whoever came back is left out."""
    ended = Left(
        1, "ALICE", QUARTER.start, 5, QUARTER.start, 6, "revoked", QUARTER.start + timedelta(days=days, seconds=1)
    )
    figures = left_behind([ended, replace(ended, how="returned", keys_deleted=QUARTER.end)])
    assert (figures["leavers.hours_at_most"], figures["leavers.over_a_day"]) == (hours, late)


async def test_the_approvals_of_an_extended_grant_are_those_of_its_extension(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bob and Carol approved, Bob and Dave the extension: the lists say who carries it now, and in which request. What the
    rows of a shorter period can't prove is noted, and is no difference."""
    monkeypatch.setitem(PEOPLE, "DAVE", person("DAVE", "S0LEADS"))
    engine = open_engine(f"sqlite:///{tmp_path / 'bot.db'}")
    migrate(engine)
    story = DaveToo(engine, Fates(), names_by_token=False)
    await story.tell()
    folders = [tmp_path / name for name in ("whole", "before", "extended", "between", "after")]
    with story.store.reading(snapshot=True) as tx:
        at = {entry.event: entry.at for entry in tx.audit_trail()}
        asked, more = at[AuditEvent.ASKED], at[AuditEvent.EXTENDED] + timedelta(seconds=1)
        ends = (
            (QUARTER.start, QUARTER.end),
            (QUARTER.start, asked),
            (asked, more),
            (QUARTER.start, more),
            (more, QUARTER.end),
        )
        for folder, (start, end) in zip(folders, ends, strict=True):
            folder.mkdir()
            evidence.write(tx, Period(folder.name, start, end), folder)
    engine.dispose()
    held, extension, *_ = csv.DictReader((tmp_path / "whole" / "requests.csv").read_text().splitlines())
    told = [(one["approved_by"], one["approved_in"]) for one in (held, extension)]
    assert told == [("BOB DAVE", "R-1002"), ("BOB DAVE", "R-1002")]
    assert {folder.name: check.findings(folder)[0] for folder in folders} == {folder.name: [] for folder in folders}
    outside = "R-1001 was extended in R-1002, outside the period: no row here proves its plan, end and approvals."
    assert [folder.name for folder in folders if outside in check.findings(folder)[1]] == ["before", "after"]


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
        found, *_ = check.findings(folder)
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


def test_a_key_that_tyk_lost_while_its_holder_called_the_older_one_leaked(tmp_path: Path) -> None:
    """Its row has no line, as it was made again before anybody saw its token: that is noted, and is no difference."""
    lists = (
        (
            evidence.REQUESTS,
            "R-1,ALICE,ALICE,,free,,2026-01-05T09:00:00Z,,approved,2026-01-05T09:00:00Z,,rule,R-1,free@0,2026-01-05T09:00:00Z,never,,,",
        ),
        (evidence.REVIEWS, ""),
        (evidence.KEYS, "R-1,a,2026-01-05T09:00:00Z,,2026-01-05T09:00:00Z\nR-1,c,2026-01-05T09:00:00Z,,"),
        (evidence.LEAVERS, ""),
    )
    for name, (columns, lines) in zip(check.LISTS, lists, strict=True):
        (tmp_path / name).write_text(f"{','.join(columns)}\n{lines}\n")
    found = check.Evidence(tmp_path, "2026-01-05T00:00:00Z", "2026-02-01T00:00:00Z")
    free: dict[str, object] = {"approvers": [], "need": 0, "rule": "free", "rule_digest": "0", "until": None}
    rows: list[tuple[str, dict[str, object]]] = [("asked", {"plan": ""}), ("approved", free)]
    rows += [(event, {"key_hash": key, "expires": None, "why": "leaked"}) for event, key in LEAKED]
    for number, (event, details) in enumerate(rows, 1):
        row = {"number": number, "at": 1767603600000, "event": event, "request": 1, "api": "free", "details": details}
        found.tell(row | {"person": "ALICE", "actor": None}, "R-1", f"row {number}")
    assert list(found.differences()) == []
    assert found.notes == ["keys.csv: b of R-1 in row 6 was made again before anybody saw its token."]


LEAKED = (
    ("key created", "a"),
    ("sent", ""),
    ("replaced", ""),
    ("key created", "b"),
    ("replaced", ""),
    ("key deleted", "a"),
    ("key created", "c"),
)
"""Alice loses her token and gets another; before she sees it, she says that the first one leaked, and Tyk loses the second."""
