"""What was asked for, where an approver gave less."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("requests", sa.Column("asked_plan", sa.String(length=100)))
    op.add_column("requests", sa.Column("asked_lifetime", sa.BigInteger()))
