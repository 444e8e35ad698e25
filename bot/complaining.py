"""The help channel hears once of what is wrong with the configuration, and once when it is right again.

What was told is remembered in the database, for all replicas and for the next start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from bot.core.faults import Fault
from bot.slack.block_kit import section
from bot.slack.client import Chat
from bot.slack.wording import escape, one_line
from bot.store.store import Store
from bot.store.transaction import Transaction

log = structlog.get_logger(__name__)

SAID = 8


@dataclass(frozen=True)
class About:
    """What is told, by the name under which it is remembered: how it begins, and what is said when it is over."""

    name: str
    begins: str
    over: str


DOUBTS = About(
    "doubted",
    "The configuration needs a look. I am running, with these exceptions:",
    "The configuration holds without an exception again.",
)
REFUSED = About(
    "refused",
    "The configuration was changed, and I can't take it as it is now. The one before stays in force, all of it:",
    "The changed configuration is good again, and in force.",
)


async def tell(store: Store, chat: Chat, help_channel: str, about: About, complaints: Sequence[str]) -> bool:
    """Tell it unless it was told. Returns False where Slack did not take it: then it is to be told again later."""

    def claim(tx: Transaction) -> list[str]:
        told = tx.remembered(about.name, lock=True) or []
        if told != list(complaints):
            tx.remember(about.name, list(complaints))
        return list(told)

    told = await store.write(claim)
    if told == list(complaints):
        return True
    lines = [f"• {escape(one_line(one, 300))}" for one in complaints[:SAID]]  # ours, with keys and commands in it
    lines += [f"and {len(complaints) - SAID:,} more, in the log."] if len(complaints) > SAID else []
    said = "\n".join([about.begins, *lines] if complaints else [about.over])
    try:
        await chat.post(help_channel, said, [section(said)])
    except Fault as fault:
        log.warning("config.untold", about=about.name, error=fault.code)
        await store.write(lambda tx: tx.remember(about.name, told))
        return False
    return True
