"""Who said last that a grant without an end is still needed; and what somebody reviewed last is found by who they are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("grants", sa.Column("kept_at", sa.BigInteger()))
    op.add_column("grants", sa.Column("kept_team", sa.String(length=32)))
    op.add_column("grants", sa.Column("kept_user", sa.String(length=32)))
    op.create_index("reviews_by_person", "reviews", ["user_id", "at"])
