"""The audit's rows as the text that is sent: a JSON object on a line for each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from bot.core import ocsf
from bot.core.audit import AuditEntry, plain

Format = Literal["jsonl", "ocsf"]


def lines(rows: Sequence[AuditEntry], how: Format, product_version: str) -> list[str]:
    """Without the line breaks that part them."""
    made: list[dict[str, Any]] = [plain(row) for row in rows]
    if how == "ocsf":
        made = [ocsf.event(row, one, product_version) for row, one in zip(rows, made, strict=True)]
    return [json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in made]
