"""Message kinds and their topics under the names that the field uses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KINDS = {"ring": "notice", "note": "reminder", "case": "question", "alarm": "alert"}


def upgrade() -> None:
    op.execute("ALTER TABLE messages RENAME COLUMN ring TO topic")
    messages = sa.table("messages", sa.column("kind", sa.String))
    for old, new in KINDS.items():
        op.execute(messages.update().where(messages.c.kind == old).values(kind=new))
