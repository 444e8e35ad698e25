"""The Slack that effects act on: `messages` through `client`, to people that `directory` knows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from bot.core import members
from bot.core.deciders import Deciders
from bot.core.facts import Account, Unhurried
from bot.core.faults import Fault
from bot.core.in_force import InForce
from bot.core.model import (
    Approver,
    AuditEvent,
    Identity,
    Key,
    Message,
    MessageKind,
    Person,
    Record,
    Workspace,
)
from bot.core.outages import Outage, Side
from bot.core.reconciliation import Told
from bot.slack import audit_lines, deciders, messages, notifications
from bot.slack.client import Chat
from bot.slack.directory import Directory
from bot.slack.privacy import Privacy

_NO_THREAD = frozenset({"cannot_reply_to_message", "thread_locked", "thread_not_found"})
"""Codes with which a reply is refused: what was to stand under the card is said in the channel then."""


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


class Delivery:
    def __init__(
        self, chat: Chat, directory: Directory, workspace: Workspace, in_force: InForce, help_channel: str
    ) -> None:
        self._chat = chat
        self._directory = directory
        self._workspace = workspace
        self._in_force = in_force
        self._help_channel = help_channel
        self._privacy = Privacy(directory)

    async def deciders(self, record: Record) -> Deciders:
        """Raises CannotSay where Slack cannot say who they are."""
        in_force = self._in_force.rule(record.request.rule.name)
        return await deciders.look_up(record, in_force, self._directory, self._workspace)

    async def post(
        self, record: Record, message: Message, *, deciders: Deciders | None = None, why: str = ""
    ) -> tuple[str, str]:
        await self._privacy.check(message.target or self._help_channel)
        body = messages.post(record, message, help_channel=self._help_channel, deciders=deciders, why=why)
        target, thread = message.target or self._help_channel, _thread(record, message)
        try:
            return await self._chat.post(target, body.text, body.blocks, thread_ts=thread)
        except Fault as fault:
            if thread is None or fault.code not in _NO_THREAD:
                raise
        return await self._chat.post(target, body.text, body.blocks)

    async def show(
        self, record: Record, message: Message, *, stuck: bool, late: Side | None, deciders: Deciders | None = None
    ) -> None:
        assert message.channel is not None and message.ts is not None, "what is shown was posted"  # noqa: PT018 - one fact
        await self._privacy.check(message.channel)
        body = messages.show(
            record, message, help_channel=self._help_channel, stuck=stuck, late=late, deciders=deciders
        )
        await self._chat.update(message.channel, message.ts, body.text, body.blocks)

    async def show_token(self, record: Record, key: Key, token: str, message: Message, until: datetime) -> None:
        assert message.channel is not None and message.ts is not None, "it was announced"  # noqa: PT018 - one fact
        body = messages.token(record, key, token, until)
        await self._chat.update(message.channel, message.ts, body.text, body.blocks)

    async def delete(self, channel: str, ts: str) -> None:
        await self._chat.delete(channel, ts)

    async def post_audit(self, channel: str, entries: Sequence[Entry]) -> int:
        await self._privacy.check(channel)
        body, count = audit_lines.audit([audit_row(entry) for entry in entries])
        await self._chat.post(channel, body.text, body.blocks)
        return count

    async def tell_outage(self, outage: Outage, *, over_at: datetime | None) -> None:
        body = notifications.outage(outage, over_at)
        await self._chat.post(self._help_channel, body.text, body.blocks)

    async def tell_findings(self, told: Sequence[Told], more: int) -> None:
        await self._privacy.check(self._help_channel)
        body = notifications.found(told, more)
        await self._chat.post(self._help_channel, body.text, body.blocks)

    async def account(self, who: Identity) -> Account:
        person = await self._directory.account(who.user_id)
        return Account(members.why_left(person, self._workspace), person.ids)

    def unhurried(self) -> Unhurried:
        leftover = self._directory.leftover
        return Unhurried(leftover.room(), leftover.wait())

    async def person(self, record: Record) -> Person:
        """Raises Refusal where they may not use the bot at all, CannotSay where Slack cannot say."""
        rule = self._in_force.rule(record.request.rule.name)
        channels = rule.requesters.channels if rule is not None else frozenset[str]()
        person = await self._directory.person(record.request.requester.user_id, channels=channels)
        if (refusal := members.refuse(person, self._workspace)) is not None:
            raise refusal
        return person

    async def approvers(self, record: Record) -> tuple[Approver, ...]:
        """Raises CannotSay where Slack cannot say of one of them."""
        return await self._directory.approvers(record.reviews)


def _thread(record: Record, message: Message) -> str | None:
    """A note stands under the card, if there is one."""
    if message.kind is not MessageKind.REMINDER:
        return None
    cards = (one for one in record.messages if one.kind is MessageKind.CARD and one.target == message.target)
    return next((card.ts for card in cards if card.ts), None)


def audit_row(entry: Entry) -> audit_lines.AuditRow:
    label = None if entry.request_number is None else f"R-{entry.request_number}"
    return audit_lines.AuditRow(entry.number, entry.at, entry.event, label, entry.actor, entry.api, dict(entry.details))
