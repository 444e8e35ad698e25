"""Urgency and indexes, so that nothing is looked for by reading whole tables; a revision, so that nothing is read twice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

URGENCIES = {
    0: ("issue_key", "confirm_key", "deliver_token", "hide_token", "revoke_key"),
    1: ("post_message",),
    3: ("post_audit", "sweep_leavers"),
}
"""What the kinds of the time were worth; 2 is every other."""

IDLE_FOR = "30s"


def upgrade() -> None:
    op.add_column("requests", sa.Column("revision", sa.Integer(), nullable=False, server_default="1"))
    op.create_index("requests_by_state", "requests", ["state", "number"])
    op.create_index("grants_by_state", "grants", ["state", "since"])
    op.add_column("effects", sa.Column("urgency", sa.Integer(), nullable=False, server_default="2"))
    effects = sa.table("effects", sa.column("kind", sa.String), sa.column("urgency", sa.Integer))
    for urgency, kinds in URGENCIES.items():
        op.execute(effects.update().where(effects.c.kind.in_(kinds)).values(urgency=urgency))
    op.drop_index("effects_due", "effects")
    for name, columns, condition in (
        ("effects_due", ["urgency", "due_at"], "state = 'open'"),
        ("effects_at_work", ["lease_until", "subject_id"], "lease_until IS NOT NULL"),
        ("effects_failing", ["first_failed_at"], "state = 'open' AND first_failed_at IS NOT NULL"),
        ("effects_parked", ["id"], "state = 'parked'"),
        ("effects_over", ["due_at"], "state IN ('done', 'dropped')"),
    ):
        where = sa.text(condition)
        op.create_index(name, "effects", columns, sqlite_where=where, postgresql_where=where)
    if op.get_bind().dialect.name == "postgresql":
        _end_idle_transactions()


def _end_idle_transactions() -> None:
    """Whoever stands still inside a transaction, be it a frozen replica or somebody's psql, is let go by the server."""
    connection = op.get_bind()
    database = connection.execute(sa.text("SELECT quote_ident(current_database())")).scalar_one()
    try:
        with connection.begin_nested():
            setting = f"idle_in_transaction_session_timeout = '{IDLE_FOR}'"
            connection.execute(sa.text(f"ALTER ROLE CURRENT_USER IN DATABASE {database} SET {setting}"))
    except sa.exc.DBAPIError:
        pass  # a role that may not set it for others still sets it for its own sessions
