"""What the effects say in Slack: the messages of `messages`, through the client of `client`, to people that `directory` knows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from bot.core import members, rules
from bot.core.model import AuditEvent, Book, Identity, Key, Message, Person, Record, Workspace
from bot.slack import messages
from bot.slack.client import Chat
from bot.slack.directory import Directory


class Entry(Protocol):
    """A row of the audit, as it stands in the store."""

    @property
    def number(self) -> int: ...
    @property
    def at(self) -> datetime: ...
    @property
    def event(self) -> AuditEvent: ...
    @property
    def request_number(self) -> int | None: ...
    @property
    def api(self) -> str | None: ...
    @property
    def actor(self) -> Identity | None: ...
    @property
    def details(self) -> dict[str, object]: ...


class Voice:
    def __init__(self, chat: Chat, directory: Directory, workspace: Workspace, book: Book, help_channel: str) -> None:
        self._chat = chat
        self._directory = directory
        self._workspace = workspace
        self._channels = rules.named_channels(book.rules)
        self._help_channel = help_channel

    async def post(self, record: Record, message: Message) -> tuple[str, str]:
        body = messages.post(record, message, help_channel=self._help_channel)
        return await self._chat.post(message.target or self._help_channel, body.text, body.blocks)

    async def show(self, record: Record, message: Message, *, stuck: bool, late: bool) -> None:
        assert message.channel is not None and message.ts is not None, "what is shown was posted"  # noqa: PT018 - one fact
        body = messages.show(record, message, help_channel=self._help_channel, stuck=stuck, delayed=late)
        await self._chat.update(message.channel, message.ts, body.text, body.blocks)

    async def show_token(self, record: Record, key: Key, token: str, message: Message, until: datetime) -> None:
        assert message.channel is not None and message.ts is not None, "it was announced"  # noqa: PT018 - one fact
        body = messages.token(record, key, token, until)
        await self._chat.update(message.channel, message.ts, body.text, body.blocks)

    async def delete(self, channel: str, ts: str) -> None:
        await self._chat.delete(channel, ts)

    async def post_audit(self, channel: str, entries: Sequence[Entry]) -> int:
        body, count = messages.audit([audit_row(entry) for entry in entries])
        await self._chat.post(channel, body.text, body.blocks)
        return count

    async def person(self, record: Record) -> Person:
        """Raises Refusal where they may not use the bot at all, CannotSay where Slack cannot say."""
        channels = self._channels & record.request.rule.requesters.channels
        person = await self._directory.person(record.request.requester.user_id, channels=channels)
        if (refusal := members.refuse(person, self._workspace)) is not None:
            raise refusal
        return person


def audit_row(entry: Entry) -> messages.AuditRow:
    label = None if entry.request_number is None else f"R-{entry.request_number}"
    return messages.AuditRow(entry.number, entry.at, entry.event, label, entry.actor, entry.api, dict(entry.details))
