"""The audit's rows as the text that is sent: a JSON object on a line for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from bot.core import ocsf
from bot.core.chain import Line, canonical

Format = Literal["jsonl", "ocsf"]


def lines(rows: Sequence[Line], how: Format, product_version: str) -> list[str]:
    """Without the line breaks that part them; as `tyk-key-bot audit export` has them."""
    return [canonical(ocsf.event(row, product_version) if how == "ocsf" else row).decode() for row in rows]
