"""The entry points: the command and its words, the shortcuts, the app's own page, and the buttons that do the same."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck

from bot import metrics
from bot.core import members
from bot.core.faults import Fault
from bot.core.model import Person, RequestState, Rule, Workspace
from bot.operations import Operations
from bot.slack import buttons, guide, holdings, request_form
from bot.slack.answering import CANNOT_SAY, Answering, Body, TooLateError, Where, about, note
from bot.slack.block_kit import Body as Message
from bot.slack.client import Chat
from bot.slack.directory import Directory
from bot.slack.requesting import Requesting
from bot.slack.who import Who

log = structlog.get_logger(__name__)

LINK_WITHIN = 1.0


class EntryPoints:
    """Whoever comes in is shown the form, the list, their Home, or where to go."""

    def __init__(
        self,
        answering: Answering,
        requesting: Requesting,
        who: Who,
        operations: Operations,
        chat: Chat,
        directory: Directory,
        workspace: Workspace,
    ) -> None:
        self._answering = answering
        self._requesting = requesting
        self._who = who
        self._operations = operations
        self._chat = chat
        self._directory = directory
        self._workspace = workspace

    # the command

    async def on_command(self, ack: AsyncAck, body: Body) -> None:
        words, where = _typed(body.get("text") or ""), Where(body["trigger_id"], body["user_id"])
        api: str | None = None
        first, _, others = words.partition(" ")
        if first.casefold() == "who":
            await self._who.on_command(ack, body, others.strip())
            return
        with metrics.ANSWER_SECONDS.labels("command").time():
            if words.casefold() in ("", "list"):
                await ack()
            else:
                api = await self._understood(ack, where.user_id, words)
                if api is None:
                    return
        if words.casefold() == "list":
            await self._open_list(where)
        else:
            await self._open_form(where, api=api)

    async def _understood(self, ack: AsyncAck, user_id: str, words: str) -> str | None:
        """Answer the command. Returns the API that its words name, if they do: its form is still to be opened."""
        try:
            person = await self._answering.in_time(
                self._directory.person(user_id, channels=self._answering.catalogue.channels)
            )
        except (Fault, TooLateError):
            await ack(text=CANNOT_SAY)
            return None
        if (refusal := members.refuse(person, self._workspace)) is not None:
            await ack(text=refusal.text)
            return None
        called = self._answering.catalogue.called(person, words, guide.MAX_CALLED + 1)
        if words.casefold() != "help" and len(called) == 1:
            await ack()
            return called[0].name
        told = await self._told(person, words, called)
        await ack(text=told.text, blocks=told.blocks)
        return None

    async def _told(self, person: Person, words: str, called: Sequence[Rule]) -> Message:
        catalogue, command = self._answering.catalogue, self._answering.command
        if words.casefold() == "help":
            return await self._help(person)
        if called:
            return guide.ambiguous(words, called, command=command)
        nearest = await asyncio.to_thread(catalogue.nearest, person, words)
        return guide.unknown(words, nearest, command=command, help_channel=self._answering.help_channel)

    async def _help(self, person: Person) -> Message:
        standing = await self._operations.standing(person.identity)
        return guide.help_(
            self._answering.catalogue.offered(person),
            [record for record in standing if record.request.state is RequestState.PENDING],
            command=self._answering.command,
            help_channel=self._answering.help_channel,
            looks_up=self._who.example(person),
        )

    # shortcuts and buttons

    async def on_shortcut(self, ack: AsyncAck, body: Body) -> None:
        await ack()
        await self._open_form(_by_shortcut(body))

    async def on_shortcut_of_message(self, ack: AsyncAck, body: Body) -> None:
        """The form, with the address of the message as the reason."""
        await ack()
        await self._open_form(_by_shortcut(body), reason=lambda: self._link(body))

    async def _link(self, body: Body) -> str:
        """The message's address: Slack says it of a conversation that the bot is in, and of others it is put together."""
        channel, message = body["channel"]["id"], body["message"]
        try:
            async with asyncio.timeout(LINK_WITHIN):
                return await self._chat.permalink(channel, message["ts"])
        except (Fault, TimeoutError) as trouble:
            log.info("link.built", error=getattr(trouble, "code", "late"))
            return built_link((body.get("team") or {}).get("domain"), channel, message)

    async def on_request_pressed(self, ack: AsyncAck, body: Body, action: Body) -> None:
        await ack()
        await self._open_form(Where.of(body), api=buttons.requested_api(action["value"]))

    async def on_list_pressed(self, ack: AsyncAck, body: Body) -> None:
        await ack()
        await self._open_list(Where.of(body))

    async def on_ask_again(self, ack: AsyncAck, body: Body, action: Body) -> None:
        """The form, filled in as it was, as far as that is still on offer."""
        await ack()
        await self._open_form(Where.of(body), again=action["value"])

    async def _open_form(
        self,
        where: Where,
        *,
        api: str | None = None,
        again: str | None = None,
        reason: Callable[[], Awaitable[str]] | None = None,
    ) -> None:
        request_id = secrets.token_urlsafe(16)
        about(request_id)
        note("form", "opened")

        async def form(person: Person) -> Body:
            said = await reason() if reason is not None else ""
            return await self._requesting.view(person, request_id, again=again, api=api, reason=said)

        await self._answering.open_for(where, request_form.loading(request_id), form)

    async def _open_list(self, where: Where) -> None:
        note("list", "opened")

        async def listed(person: Person) -> Body:
            if (refusal := members.refuse(person, self._workspace)) is not None:
                await self._operations.refused(person.identity, None, refusal.text, "opening")
            return await self._answering.holdings(person)

        await self._answering.open_for(where, holdings.loading(), listed)

    # the app's own page

    async def on_home_opened(self, event: Body) -> None:
        """Draw Home for whoever opens it; who comes to the messages is told once where to go."""
        try:
            if event.get("tab") == "home":
                await self._answering.homes.opened(event["user"])
            else:
                await self._welcome(event["user"])
        except Fault as fault:  # they see what was there before, and what they press there is looked at afresh
            log.warning("home.not_shown", error=fault.code)

    async def _welcome(self, user_id: str) -> None:
        person = await self._directory.person(user_id, channels=self._answering.catalogue.channels)
        if members.refuse(person, self._workspace) is None and await self._operations.welcome(person.identity):
            told = guide.welcome(command=self._answering.command, help_channel=self._answering.help_channel)
            await self._chat.post(user_id, told.text, told.blocks)


def _typed(text: str) -> str:
    """The words as they were typed: Slack sends them with three characters escaped."""
    for escaped, character in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(escaped, character)
    return text.strip()


def _by_shortcut(body: Body) -> Where:
    return Where(body["trigger_id"], body["user"]["id"])


def built_link(domain: Any, channel: str, message: Body) -> str:
    """A message's address as Slack writes it; empty where it cannot be told."""
    ts, thread = message["ts"], message.get("thread_ts")
    if not (isinstance(domain, str) and re.fullmatch(r"[a-z0-9-]+(\.enterprise)?", domain)):
        return ""
    link = f"https://{domain}.slack.com/archives/{channel}/p{ts.replace('.', '')}"
    return f"{link}?thread_ts={thread}&cid={channel}" if thread and thread != ts else link
