"""Databases with a past: finished requests that the bot itself brought to their end, copied in the file as often as wanted.

What a row of a table means is not known here. Whatever names the request, its keys or its messages gets a name of its own, what
is a number goes on counting, what is a time moves into the past, and everything else stays as the bot wrote it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from bot.store import tables

FIRST_OWNER, OWNERS = 100, 900  # who has asked, in turn: people of the scene, by number
_PREPARE = ("journal_mode=OFF", "synchronous=OFF", "cache_size=-400000", "temp_store=MEMORY")


def copied(source: Path, target: Path) -> Path:
    """A database file that nobody has open, copied."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
    return target


def fill(path: Path, number: int, times: int, over: timedelta = timedelta(days=365)) -> None:
    """Copy request `number` so many times, evenly over the time that ends now. Nobody has the file open."""
    with closing(_opened(path)) as connection:
        cloning = _Cloning(connection, number, times, over)
        connection.execute("BEGIN")
        cloning.run()
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode=WAL")


def fill_effects(path: Path, upto: int) -> None:
    """Kept promises until there are so many, copies of one that was kept."""
    with closing(_opened(path)) as connection:
        (there,) = connection.execute("SELECT count(*) FROM effects").fetchone()
        missing = max(0, upto - there)
        row = _rows(connection, "SELECT * FROM effects ORDER BY state = 'done' DESC LIMIT 1", ())[0]
        _numbers(connection, missing)
        values = {name: value for name, value in row.items() if name not in ("id", "subject_id")}
        values |= {"state": "done", "request_id": None, "lease_until": None}
        connection.execute("BEGIN")
        _insert(connection, "effects", {name: ("?", (value,)) for name, value in values.items()} | _subject())
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode=WAL")


Expression = tuple[str, tuple[Any, ...]]


def _subject() -> dict[str, Expression]:
    return {"subject_id": ("printf('kept-%09d', n)", ())}


class _Cloning:
    def __init__(self, connection: sqlite3.Connection, number: int, times: int, over: timedelta) -> None:
        self._connection = connection
        self._times = times
        self._apart = over // times // timedelta(milliseconds=1)
        self._request = _rows(connection, "SELECT * FROM requests WHERE number = ?", (number,))[0]
        self._highest = {name: _highest(connection, name) for name in ("requests", "audit")}
        self._names = {self._request["id"]}
        for table in ("keys", "messages"):
            self._names |= {row["id"] for row in self._of(table)}
        self._places = {row["number"]: place for place, row in enumerate(self._of("audit"), start=1)}
        _numbers(connection, times)

    def run(self) -> None:
        for table in tables.metadata.sorted_tables:
            if table.name == "requests":
                self._clone(table.name, [self._request])
            elif "request_id" in table.c:
                self._clone(table.name, self._of(table.name))
        self._count_on()

    def _of(self, table: str) -> list[dict[str, Any]]:
        """The request's rows, oldest first."""
        query = f"SELECT * FROM {table} WHERE request_id = ? ORDER BY rowid"  # noqa: S608 - a name of our own table
        return _rows(self._connection, query, (self._request["id"],))

    def _clone(self, table: str, rows: Iterable[dict[str, Any]]) -> None:
        for row in rows:
            rank = self._places.get(row.get("number"), 0)
            numbered = {"id"} if isinstance(row.get("id"), int) else set()  # such a table numbers its rows itself
            given = {name: value for name, value in row.items() if name not in numbered}
            expressions = {name: self._expression(table, name, value, rank) for name, value in given.items()}
            _insert(self._connection, table, expressions)

    def _expression(self, table: str, name: str, value: Any, rank: int) -> Expression:
        """What stands in the n-th copy, where `n` counts from 1."""
        column = tables.metadata.tables[table].c[name]
        if value is None:
            return "NULL", ()
        if isinstance(value, str) and value.startswith(tuple(self._names)):
            return "? || printf('-%07d', n)", (value,)
        if (counted := self._counted(rank).get((table, name))) is not None:
            return counted
        if isinstance(column.type, tables.Moment):
            return "? - (? - n) * ?", (value, self._times, self._apart)
        return "?", (value,)

    def _counted(self, rank: int) -> dict[tuple[str, str], Expression]:
        """Whose and the how manieth a copy is; `rank` is that of the row in the request's audit."""
        number = "? + n", (self._highest["requests"],)
        audited = "? + (n - 1) * ? + ?", (self._highest["audit"], len(self._places), rank)
        return {
            ("requests", "number"): number,
            ("requests", "user_id"): ("printf('U0P%04d', ? + n % ?)", (FIRST_OWNER, OWNERS)),
            ("audit", "request_number"): number,
            ("audit", "number"): audited,
            ("audit_texts", "number"): audited,
        }

    def _count_on(self) -> None:
        """What counted the requests or the audit's lines goes on behind the copies; so does what was read of them."""
        added = {"requests": self._times, "audit": self._times * len(self._places)}
        for name, value in self._connection.execute("SELECT name, value FROM counters").fetchall():
            for table, highest in self._highest.items():
                if value == highest:
                    update = "UPDATE counters SET value = ? WHERE name = ?"
                    self._connection.execute(update, (value + added[table], name))


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in _PREPARE:
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _numbers(connection: sqlite3.Connection, upto: int) -> None:
    connection.execute("CREATE TEMP TABLE numbers (n INTEGER PRIMARY KEY)")
    count = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ?) SELECT n FROM c WHERE ? > 0"
    connection.execute(f"INSERT INTO numbers {count}", (upto, upto))


def _rows(connection: sqlite3.Connection, query: str, values: tuple[Any, ...]) -> list[dict[str, Any]]:
    cursor = connection.execute(query, values)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _highest(connection: sqlite3.Connection, table: str) -> int:
    query = f"SELECT max(number) FROM {table}"  # noqa: S608 - a name of our own table
    return int(connection.execute(query).fetchone()[0])


def _insert(connection: sqlite3.Connection, table: str, expressions: dict[str, Expression]) -> None:
    columns, written = ", ".join(expressions), ", ".join(text for text, _ in expressions.values())
    values = [value for _, given in expressions.values() for value in given]
    query = f"INSERT INTO {table} ({columns}) SELECT {written} FROM numbers ORDER BY n"  # noqa: S608 - names of our tables
    connection.execute(query, values)
