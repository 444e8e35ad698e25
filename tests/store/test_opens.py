"""What a plan opens besides can be searched for, also of requests that are older than the column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, insert, select

from bot.core.model import ApiRef, Plan, RequestId, Rule
from bot.store import engine as engines
from bot.store import rows, tables
from tests.core.life import PAYMENTS, Life

LEDGER = ApiRef("0f6d", "Tyk's ledger", ("Default",), "Ledger", "ledger")
SEARCH = ApiRef("7777", "search", ("Default",))
STANDARD = PAYMENTS.plans[0]
GOLD = replace(STANDARD, name="gold", tyk_policies=("p",), also_opens=(LEDGER, SEARCH))
RULE = replace(PAYMENTS, plans=(STANDARD, GOLD))


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    sqlite = request.param == "sqlite"
    opened = engines.open_engine(f"sqlite:///{tmp_path / 'bot.db'}" if sqlite else request.getfixturevalue("postgres"))
    yield opened
    opened.dispose()


def row(number: int, rule: Rule, plan: Plan) -> dict[str, Any]:
    request = replace(Life().record.request, id=RequestId(f"r{number}"), number=number, rule=rule, plan=plan)
    return rows.request_row(request)


LATER = (
    *("opens", "undecidable", "undecidable_since", "extends", "extends_number"),
    *("asked_plan", "asked_lifetime", "questions", "asker", "erased_at"),
)
"""Columns that the version of before does not have."""


def opened(engine: Engine) -> dict[int, str]:
    columns = tables.requests.c
    with engine.connect() as connection:
        found = connection.execute(select(columns.number, columns.opens)).all()
    return {number: entries for number, entries in found}  # noqa: C416 - a row is no pair to the type checker


def test_further_entries_stand_beside_the_request(engine: Engine) -> None:
    """Each between blanks, so that `ledger` is not found in `ledger-2`; a plan that opens one API alone has none."""
    engines.migrate(engine)
    with engine.begin() as connection:
        connection.execute(insert(tables.requests), [row(1, RULE, STANDARD), row(2, RULE, GOLD)])
    assert opened(engine) == {1: "", 2: " ledger search "}


def test_requests_of_before_are_searchable_too(engine: Engine) -> None:
    """The entry is that of the requests for the API itself; of one that nobody asked for, what Tyk calls it."""
    before = Config()
    before.set_main_option("script_location", str(Path(engines.__file__).parent / "migrations"))
    ledger = replace(PAYMENTS, name="books", api=LEDGER)
    with engine.begin() as connection:
        before.attributes["connection"] = connection
        command.upgrade(before, "0004")
        for one in (row(1, RULE, STANDARD), row(2, RULE, GOLD), row(3, ledger, STANDARD)):
            values = {name: value for name, value in one.items() if name not in LATER}
            connection.execute(insert(tables.requests).values(values))
    engines.migrate(engine)
    assert opened(engine) == {1: "", 2: " books search ", 3: ""}
