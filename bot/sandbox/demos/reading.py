"""Messages and views of the local Slack, as a person reads them."""

from __future__ import annotations

import re
from typing import Any

from bot.local.slack import Message

_LINK = re.compile(r"<(https?://[^|>]*)\|([^>]*)>")


def reading(text: str) -> str:
    """Dates, mentions, links and emphasis without their markup; a line that is a link alone would lead nowhere from here."""
    text = "\n".join(line for line in text.split("\n") if not _LINK.fullmatch(line))
    text = _LINK.sub(r"\2 (\1)", text)
    text = re.sub(r"<!date\^[^|>]*\|([^>]*)>", r"\1", text)
    text = re.sub(r"<!subteam\^S0([A-Z]+)>", lambda found: f"@{found[1].lower()}", text)
    text = re.sub(r"<@U0([A-Z]+)>", lambda found: f"@{found[1].capitalize()}", text)
    text = re.sub(r"<#C0([A-Z]+)>", lambda found: f"#{found[1].lower()}", text)
    return text.replace("*", "").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def shown(view: dict[str, Any]) -> str:
    return reading("\n".join(block["text"]["text"] for block in view["blocks"] if "text" in block))


def has_block(view: dict[str, Any], block_id: str) -> bool:
    return any(block.get("block_id") == block_id for block in view["blocks"])


def token_in(message: Message) -> str | None:
    """The text that stands alone in a preformatted block, unless it is for a shell."""
    for block in message.blocks:
        for part in block.get("elements", ()):
            if part["type"] == "rich_text_preformatted":
                text = "".join(one.get("text", "") for one in part["elements"])
                if not text.startswith("read -rs"):
                    return text
    return None
