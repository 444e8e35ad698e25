"""Why a request that waits cannot be approved now, and since when."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("requests", sa.Column("undecidable", sa.Text(), nullable=False, server_default=""))
    op.add_column("requests", sa.Column("undecidable_since", sa.BigInteger()))
