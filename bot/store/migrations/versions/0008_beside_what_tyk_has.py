"""What was found of keys beside what Tyk has: when one was gone, when one was deleted, and what people were told of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("keys", sa.Column("gone_at", sa.BigInteger()))
    op.add_column("keys", sa.Column("dead_at", sa.BigInteger()))
    op.create_table(
        "findings",
        sa.Column("subject", sa.String(140), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("request_id", sa.String(64), sa.ForeignKey("requests.id")),
        sa.Column("label", sa.String(32), nullable=False),
        sa.Column("key_hash", sa.String(128), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("look", sa.Integer(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
    )
    op.create_index("ix_findings_request_id", "findings", ["request_id"])
