"""What a grant needs to be asked about again, and which key a token's message is for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("review_at", "asked_at", "reminded_at", "left_at"):
        op.add_column("grants", sa.Column(name, sa.BigInteger(), nullable=True))
    op.add_column("messages", sa.Column("key_id", sa.String(length=64), nullable=True))
