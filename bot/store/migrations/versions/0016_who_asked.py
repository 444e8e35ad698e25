"""Who asked, as they were when they asked: what their approvers read of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("requests", sa.Column("asker", sa.Text(), nullable=False, server_default=""))
