"""Requests that ask for more time or another plan for what is held, and what was extended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("requests", sa.Column("extends", sa.String(length=64)))
    op.add_column("requests", sa.Column("extends_number", sa.Integer()))
    op.add_column("grants", sa.Column("extended_at", sa.BigInteger()))
    op.add_column("grants", sa.Column("extended_by", sa.Integer()))
