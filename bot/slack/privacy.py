"""Privacy of channels: nothing about a request goes into one that another company can read, whenever it became so."""

from __future__ import annotations

import structlog

from bot.core.faults import Transient
from bot.slack.directory import Directory

log = structlog.get_logger(__name__)

SHARED = "shared_outside"
"""The code with which a post waits until its channel is private again; `core.outages` has the sentence for the operator."""


class Privacy:
    """A check before each post and each edit."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._shared: set[str] = set()

    async def check(self, target: str) -> None:
        """Raises Transient where others can read along, and CannotSay where Slack does not tell. A person's own is private."""
        if target.startswith(("U", "W", "D")):
            return
        is_shared = await self._directory.is_shared_outside(target)
        if is_shared is not (target in self._shared):
            (self._shared.add if is_shared else self._shared.discard)(target)
            log.warning("channel.shared" if is_shared else "channel.private", channel=target)
        if is_shared:
            raise Transient(SHARED, f"{target} can be read by another company")
