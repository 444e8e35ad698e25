"""At a review, when the holder was asked whether it is still in use, and when they said yes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("grants", sa.Column("holder_asked_at", sa.BigInteger()))
    op.add_column("grants", sa.Column("in_use_at", sa.BigInteger()))
