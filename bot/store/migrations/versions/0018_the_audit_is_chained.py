"""The audit is chained from here on, and what people typed stands beside its rows, also of those that are there."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from bot.core import chain

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

AT_ONCE = 1000


def upgrade() -> None:
    op.add_column("audit", sa.Column("texts", sa.Text(), nullable=False, server_default="{}"))
    op.add_column("audit", sa.Column("prev", sa.String(length=64)))
    op.add_column("audit", sa.Column("chain_key", sa.String(length=16)))
    op.add_column("audit", sa.Column("link", sa.String(length=64)))
    op.add_column("counters", sa.Column("head", sa.String(length=64), nullable=False, server_default=""))
    op.create_table(
        "audit_texts",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("texts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index(op.f("ix_audit_texts_request_id"), "audit_texts", ["request_id"], unique=False)
    _let_change(changes=True)
    _put_beside(op.get_bind())
    _let_change(changes=False)


def _put_beside(connection: sa.Connection) -> None:
    """Move the texts of the rows that are there, some at a time."""
    names = "number", "event", "request_id", "details", "texts"
    audit = sa.table("audit", *map(sa.column, names))
    texts = sa.table("audit_texts", *map(sa.column, ("number", "request_id", "texts")))
    query = (
        sa.select(audit.c.number, audit.c.event, audit.c.request_id, audit.c.details)
        .order_by(audit.c.number)
        .limit(AT_ONCE)
    )
    moves = (
        sa.update(audit)
        .where(audit.c.number == sa.bindparam("of"))
        .values(details=sa.bindparam("rest"), texts=sa.bindparam("digests"))
    )
    last = 0
    while some := connection.execute(query.where(audit.c.number > last)).all():
        last = some[-1].number
        moved, beside = list[dict[str, Any]](), list[dict[str, Any]]()
        for row in some:
            rest, typed = chain.parted(row.event, json.loads(row.details))
            if typed:
                digests = {name: chain.commitment(*text) for name, text in typed.items()}
                moved.append(
                    {"of": row.number, "rest": json.dumps(rest, ensure_ascii=False), "digests": json.dumps(digests)}
                )
                told = json.dumps(typed, ensure_ascii=False)
                beside.append({"number": row.number, "request_id": row.request_id, "texts": told})
        if moved:
            connection.execute(moves, moved)
            connection.execute(sa.insert(texts), beside)


def _let_change(*, changes: bool) -> None:
    """The database refuses to change a row of the audit: while this migration runs, it does not."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE audit {'DISABLE' if changes else 'ENABLE'} TRIGGER audit_append_only")
    elif changes:
        op.execute("DROP TRIGGER audit_no_update")
    else:
        op.execute(
            "CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit "
            "BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END"
        )
