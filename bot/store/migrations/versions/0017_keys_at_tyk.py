"""The keys at Tyk are counted without those that have ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    at_tyk = sa.text("state IN ('probation', 'live')")
    op.create_index("keys_at_tyk", "keys", ["request_id"], sqlite_where=at_tyk, postgresql_where=at_tyk)
