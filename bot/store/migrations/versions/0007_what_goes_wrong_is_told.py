"""Outages, so that each is said once, whoever runs and however often; and the sentence behind an error's code."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("effects", sa.Column("why", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "outages",
        sa.Column("cause", sa.String(64), primary_key=True),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("over_at", sa.BigInteger()),
        sa.Column("said", sa.Boolean(), nullable=False),
    )
