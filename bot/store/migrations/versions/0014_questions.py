"""What approvers asked the requester, and the answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("requests", sa.Column("questions", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("messages", sa.Column("question_id", sa.String(length=64)))
