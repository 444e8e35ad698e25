"""The further APIs that a request's plan opens, beside the request, so that they can be searched for."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("requests", sa.Column("opens", sa.Text(), nullable=False, server_default=""))
    columns = [sa.column(name, sa.Text) for name in ("id", "api", "plan", "rule", "opens")]
    requests = sa.table("requests", *columns)
    connection = op.get_bind()
    opening = sa.select(requests).where(requests.c.rule.contains('"also_opens":[{'))
    found = connection.execute(opening).all()
    if not found:
        return
    rules = sa.select(requests.c.api, sa.func.max(requests.c.rule)).group_by(requests.c.api)
    entries = {json.loads(rule)["api"]["api_id"]: api for api, rule in connection.execute(rules)}
    for row in found:
        plan = next(one for one in json.loads(row.rule)["plans"] if one["name"] == row.plan)
        names = [entries.get(api["api_id"], api["api_name"]) for api in plan["also_opens"]]
        if names:
            said = f" {' '.join(names)} "
            connection.execute(requests.update().where(requests.c.id == row.id).values(opens=said))
