"""Where the bot speaks: nothing about a request goes into a channel that another company can read, whenever it became so."""

from __future__ import annotations

from contextlib import suppress

import structlog

from bot.core.faults import Fault, Transient
from bot.slack import wording
from bot.slack.block_kit import section
from bot.slack.client import Chat
from bot.slack.directory import Directory

log = structlog.get_logger(__name__)

SHARED = "shared_outside"
"""The code with which a post waits until its channel is private again."""

_SHARED = (
    "{channel} can be read by another company, so I post nothing about requests there. What waits goes out when it is "
    "private again, or when the configuration names another channel."
)
_PRIVATE = "{channel} is private again. What waited there is being posted."


class Privacy:
    """Asked before each post. The help channel hears once where a channel is shared, and once when it no longer is."""

    def __init__(self, directory: Directory, chat: Chat, help_channel: str) -> None:
        self._directory = directory
        self._chat = chat
        self._help_channel = help_channel
        self._shared: set[str] = set()

    async def check(self, target: str) -> None:
        """Raises Transient where others can read along, and CannotSay where Slack does not tell. A person's own is private."""
        if target.startswith(("U", "W", "D")):
            return
        is_shared = await self._directory.is_shared_outside(target)
        if is_shared is not (target in self._shared):
            await self._tell(target, is_shared=is_shared)
        if is_shared:
            raise Transient(SHARED, f"{target} can be read by another company")

    async def _tell(self, channel: str, *, is_shared: bool) -> None:
        (self._shared.add if is_shared else self._shared.discard)(channel)
        log.warning("channel.shared" if is_shared else "channel.private", channel=channel)
        said = (_SHARED if is_shared else _PRIVATE).format(channel=wording.channel(channel))
        with suppress(Fault):  # the log has it
            if not await self._directory.is_shared_outside(self._help_channel):
                await self._chat.post(self._help_channel, said, [section(said)])
