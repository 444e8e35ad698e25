"""The Slack that effects act on: `messages` through `client`, to people that `directory` knows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from bot.core import members, rules
from bot.core.audit import Post, Posted, Reading, named_in
from bot.core.background import Background
from bot.core.deciders import Deciders
from bot.core.facts import Account, Unhurried
from bot.core.faults import Fault
from bot.core.in_force import InForce
from bot.core.messages import moved_to, target
from bot.core.model import (
    Approver,
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
from bot.slack.block_kit import Body, marked
from bot.slack.client import Chat
from bot.slack.directory import Directory
from bot.slack.privacy import Privacy

_NO_THREAD = frozenset({"cannot_reply_to_message", "thread_locked", "thread_not_found"})
"""Codes with which a reply is refused: what was to stand under the card is said in the channel then."""
_NO_AUDIT_THREAD = _NO_THREAD | {"restricted_action_non_threadable_channel"}


NAMES_WITHIN = 2.0
NAMES_AT_ONCE = 10
"""Seconds in which, and how many of, the people of an audit line are looked up: the line is not to wait long for a name."""


class Delivery:
    def __init__(self, chat: Chat, directory: Directory, workspace: Workspace, in_force: InForce) -> None:
        self._chat = chat
        self._directory = directory
        self._workspace = workspace
        self._in_force = in_force
        self._privacy = Privacy(directory)

    async def deciders(self, record: Record) -> Deciders:
        """Raises CannotSay where Slack cannot say who they are."""
        in_force = self._in_force.rule(record.request.rule.name)
        return await deciders.look_up(record, in_force, self._directory, self._workspace)

    async def post(
        self,
        record: Record,
        message: Message,
        *,
        deciders: Deciders | None = None,
        background: Background | None = None,
        why: str = "",
    ) -> tuple[str, str]:
        place = target(message, self._in_force.rule(record.request.rule.name)) or self._in_force.help_channel
        await self._privacy.check(place)
        body = messages.post(
            record,
            message,
            help_channel=self._in_force.help_channel,
            workspace=self._workspace.url,
            deciders=deciders,
            background=background,
            why=why,
        )
        thread = _thread(record, message, place)
        channel, ts, _ = await self._post_under(place, marked(body, message.id), thread, _NO_THREAD)
        return channel, ts

    async def _post_under(
        self, place: str, body: Body, thread: str | None, no_thread: frozenset[str]
    ) -> tuple[str, str, bool]:
        """The channel, the ts, and whether it is a reply: with some codes for a no it is said in the channel."""
        try:
            channel, ts = await self._chat.post(place, body.text, body.blocks, thread_ts=thread)
        except Fault as fault:
            if thread is None or fault.code not in no_thread:
                raise
        else:
            return channel, ts, thread is not None
        channel, ts = await self._chat.post(place, body.text, body.blocks)
        return channel, ts, False

    async def show(
        self,
        record: Record,
        message: Message,
        *,
        stuck: bool,
        late: Side | None,
        deciders: Deciders | None = None,
        background: Background | None = None,
    ) -> None:
        assert message.channel is not None and message.ts is not None, "what is shown was posted"  # noqa: PT018 - one fact
        await self._privacy.check(message.channel)
        body = messages.show(
            record,
            message,
            help_channel=self._in_force.help_channel,
            stuck=stuck,
            late=late,
            workspace=self._workspace.url,
            deciders=deciders,
            background=background,
            moved_to=moved_to(message, self._in_force.rule(record.request.rule.name)),
        )
        await self._chat.update(message.channel, message.ts, body.text, marked(body, message.id).blocks)

    async def show_token(self, record: Record, key: Key, token: str, message: Message, until: datetime) -> None:
        assert message.channel is not None and message.ts is not None, "it was announced"  # noqa: PT018 - one fact
        body = marked(messages.token(record, key, token, until), message.id)
        await self._chat.update(message.channel, message.ts, body.text, body.blocks)

    async def delete(self, channel: str, ts: str) -> None:
        await self._chat.delete(channel, ts)

    async def post_audit(self, channel: str, post: Post) -> Posted:
        await self._privacy.check(channel)
        learnt = await self._names(post.reading)
        names = {**post.reading.names, **learnt}
        rows = audit_lines.rows_of(replace(post.reading, names=names), self._title_of)
        body, count = audit_lines.audit(rows, self._workspace.url)
        _, ts, is_reply = await self._post_under(channel, body, post.thread, _NO_AUDIT_THREAD)
        return Posted(count, None if is_reply else ts, learnt)

    async def _names(self, reading: Reading) -> dict[str, str]:
        """Names of those whom the rows name, where they are others than are remembered: whoever was looked up a moment ago, and a
        few whom nobody remembers. Who cannot be looked up goes by their id."""
        wanted = named_in(reading.entries)
        found = {one: name for one in wanted if (name := self._directory.known_name(one))}
        unknown = sorted(wanted - reading.names.keys() - found.keys())
        with suppress(TimeoutError):
            async with asyncio.timeout(NAMES_WITHIN):
                for one in unknown[: min(NAMES_AT_ONCE, self.unhurried().room)]:
                    with suppress(Fault):
                        found[one] = await self._directory.name(one) or ""
        return {one: name for one, name in found.items() if name and name != reading.names.get(one)}

    def _title_of(self, entry: str) -> str:
        rule = self._in_force.rule(entry)
        return entry if rule is None else rule.title

    async def tell_outage(self, outage: Outage, *, over_at: datetime | None) -> None:
        body = notifications.outage(outage, over_at)
        await self._chat.post(self._in_force.help_channel, body.text, body.blocks)

    async def tell_findings(self, told: Sequence[Told], more: int) -> None:
        await self._privacy.check(self._in_force.help_channel)
        body = notifications.found(told, more)
        await self._chat.post(self._in_force.help_channel, body.text, body.blocks)

    async def account(self, who: Identity) -> Account:
        person = await self._directory.account(who.user_id)
        return Account(members.why_left(person, self._workspace), person.ids)

    def unhurried(self) -> Unhurried:
        leftover = self._directory.leftover
        return Unhurried(leftover.room(), leftover.wait())

    async def person(self, record: Record) -> Person:
        """Raises Refusal where they may not use the bot at all, CannotSay where Slack cannot say."""
        rule = self._in_force.rule(record.request.rule.name)
        channels = rules.asking_channels(rule) if rule is not None else frozenset[str]()
        person = await self._directory.person(record.request.requester.user_id, channels=channels)
        if (refusal := members.refuse(person, self._workspace)) is not None:
            raise refusal
        return person

    async def approvers(self, record: Record) -> tuple[Approver, ...]:
        """Raises CannotSay where Slack cannot say of one of them."""
        return await self._directory.approvers(record.reviews)


def _thread(record: Record, message: Message, place: str) -> str | None:
    """A note stands under the card that is in this channel, if there is one."""
    if message.kind is not MessageKind.REMINDER:
        return None
    cards = (one for one in record.messages if one.kind is MessageKind.CARD and one.channel == place)
    return next((card.ts for card in cards if card.ts), None)
