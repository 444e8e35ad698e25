"""The tables where there are none yet, as all the migrations would leave them, in a fifth of their time."""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from bot.store import tables

_REFUSED = {
    "update": "UPDATE ON audit",
    "delete": "DELETE ON audit",
    # INSERT OR REPLACE deletes without asking the trigger above.
    "replace": "INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE number = NEW.number)",
}
_APPEND_ONLY = {
    "sqlite": [
        f"CREATE TRIGGER audit_no_{name} BEFORE {what} BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END"
        for name, what in _REFUSED.items()
    ],
    "postgresql": [
        (
            "CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the audit is append-only'; END $$"
        ),
        (
            "CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()"
        ),
    ],
}
"""The audit is written once: the database itself refuses to change or delete a row."""

_VERSION = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
    "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)


_IDLE_FOR = "30s"


def make(connection: Connection, version: str) -> None:
    """Make all of them, of this version."""
    dialect = connection.dialect.name
    for index in (index for table in tables.metadata.tables.values() for index in table.indexes):
        if (condition := index.info.get(tables.WHERE)) is not None:
            index.dialect_options[dialect]["where"] = condition
    tables.metadata.create_all(connection, checkfirst=False)
    for statement in (*_APPEND_ONLY[dialect], _VERSION):
        connection.execute(text(statement))
    connection.execute(text("INSERT INTO alembic_version VALUES (:version)"), {"version": version})
    if dialect == "postgresql":
        _end_idle_transactions(connection)


def _end_idle_transactions(connection: Connection) -> None:
    """Whoever stands still inside a transaction, be it a frozen replica or somebody's psql, is let go by the server."""
    database = connection.execute(text("SELECT quote_ident(current_database())")).scalar_one()
    setting = f"idle_in_transaction_session_timeout = '{_IDLE_FOR}'"
    with suppress(DBAPIError), connection.begin_nested():  # who may not set it for others sets it for its own sessions
        connection.execute(text(f"ALTER ROLE CURRENT_USER IN DATABASE {database} SET {setting}"))
