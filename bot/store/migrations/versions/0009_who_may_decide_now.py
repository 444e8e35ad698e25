"""Why a request that waits cannot be approved now, and since when; and the further ids of people who have several."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("requests", sa.Column("undecidable", sa.Text(), nullable=False, server_default=""))
    op.add_column("requests", sa.Column("undecidable_since", sa.BigInteger()))
    op.create_table(
        "ids",
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("also", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "also"),
    )
