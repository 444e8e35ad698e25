"""When what was typed about a request was erased because it had long been over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("requests", sa.Column("erased_at", sa.BigInteger()))
    op.create_index("requests_by_age", "requests", ["erased_at", "created_at"])
