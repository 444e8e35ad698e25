"""The bench measures what it says: the script does the job, copied requests are the bot's own, every row has its measure."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.bench.__main__ import MEASURES
from tests.bench.databases import ENDED_AFTER_APPROVAL, KEY_IS_LEFT, LIVING, beginnings, reported
from tests.bench.filler import fill, fill_effects
from tests.bench.people import approved_one_by_one, crowd, one_by_one
from tests.bench.scene import HERE, OPEN, REVIEWED, SCRIPT, USUAL, scene
from tests.bench.table import ROWS, Against, Figure, Row, as_json, is_met, line
from tests.bench.waiting import allowed_by_slack, allowed_by_tyk


def test_every_row_is_measured_once() -> None:
    """No row is forgotten, and none has two figures."""
    measured = [name for names in MEASURES.values() for name in names]
    assert sorted(measured) == sorted(row.name for row in ROWS)


@pytest.mark.parametrize(
    ("against", "figure", "met"),
    [
        (Against.NUMBER, Figure(2.0), True),
        (Against.NUMBER, Figure(2.1), False),
        (Against.NUMBER, Figure(None), False),
        (Against.SCRIPT, Figure(6.0, script=3.0), True),
        (Against.SCRIPT, Figure(6.1, script=3.0), False),
        (Against.SCRIPT, Figure(6.0), None),
        (Against.BOUND, Figure(6.1, script=9.0, bound=3.0), False),
    ],
)
def test_a_target_is_reached_or_not(against: Against, figure: Figure, met: bool | None) -> None:
    """What never came about has missed it; without anything to compare with, nobody can say."""
    assert is_met(Row("row", "what", "s", 2.0, against), figure) is met


def test_a_line_says_it_all() -> None:
    """What, ours, the script's, the ratio, the target and the verdict; a program reads the same."""
    row, figure = Row("row", "last token", "s", 1.5, Against.SCRIPT), Figure(4.0, script=2.0, note="200 people")
    assert line(row, figure).split("  ")[0] == "last token"
    assert line(row, figure).endswith("MISSED  200 people")
    assert "2.00 x 1.5 x the script" in line(row, figure)
    (told,) = as_json({"row": figure}, [row])
    assert (told["ours"], told["script"], told["ratio"], told["met"]) == (4.0, 2.0, 2.0, False)


def test_what_is_possible() -> None:
    """Thirty posts in one direct message, three of them at once; two thousand calls of 300 ms, twenty at a time."""
    assert allowed_by_slack(30, USUAL) == pytest.approx(27.26)
    assert allowed_by_tyk(1000) == pytest.approx(30.0)


async def test_the_script_does_the_job() -> None:
    """Alice gets her token, at once or after Carol's click, and Slack has nothing to say against its calls."""
    async with scene(12, HERE) as place, place.running(SCRIPT):
        (alone,) = await one_by_one(place.slack, [0], OPEN)
        (approved,) = await approved_one_by_one(place.slack, [1], REVIEWED)
        visits = await crowd(place.slack, 10, OPEN, over=0.0, within=30, first=2)
    assert all(visit.waited for visit in (alone, approved, *visits))
    assert len(place.tyk.keys) == 12
    assert place.slack.app_errors == []


async def test_copies_are_the_bots_own_requests() -> None:
    """Numbers go on without a gap, every copy has its own names, the reports read them, and the living one can be revoked."""
    async with beginnings() as folder:
        database = folder / "seed.db"
        before = _counted(database)
        fill(database, ENDED_AFTER_APPROVAL, 40)
        fill_effects(database, 2000)
        after = _counted(database)
        assert after["requests"] == before["requests"] + 40
        assert after["grants"] == before["grants"] + 40
        assert after["effects"] == 2000
        for table in ("requests", "audit"):
            assert _numbers(database, table) == list(
                range(_numbers(database, table)[0], _numbers(database, table)[-1] + 1)
            )
        assert (await reported(database, "keys")).code == 0
        assert (await reported(database, "audit")).code == 0
        revoke = await reported(database, "revoke", f"R-{LIVING}", "--yes")
        assert revoke.code == KEY_IS_LEFT


def _counted(database: Path) -> dict[str, int]:
    names = ("requests", "grants", "effects")
    return {name: _asked(database, f"SELECT count(*) FROM {name}")[0] for name in names}  # noqa: S608 - our own tables


def _numbers(database: Path, table: str) -> list[int]:
    return _asked(database, f"SELECT number FROM {table} ORDER BY number")  # noqa: S608 - our own tables


def _asked(database: Path, query: str) -> list[int]:
    with closing(sqlite3.connect(database)) as connection:
        return [number for (number,) in connection.execute(query)]
