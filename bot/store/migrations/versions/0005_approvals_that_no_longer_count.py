"""Why an approval does not count any more, beside the approval."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("reviews", sa.Column("void", sa.Text(), nullable=False, server_default=""))
