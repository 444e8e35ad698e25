"""Listeners: from a Slack payload to the operation it asks for. Nothing is decided here."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.response import BoltResponse

from bot import metrics
from bot.core import members
from bot.core.faults import Fault
from bot.core.limits import line
from bot.core.model import Identity, Workspace
from bot.group_members import Group, GroupChange
from bot.looking import UsesOf
from bot.operations import Operations
from bot.slack import buttons, modals, request_form, who
from bot.slack.answering import Answering, Body, Where, errors, fault_id, note
from bot.slack.budget import Budget, Spent
from bot.slack.client import Chat
from bot.slack.directory import MAX_NAME, Directory
from bot.slack.entry_points import EntryPoints
from bot.slack.holding import Holding
from bot.slack.requesting import Requesting, TermsOf
from bot.slack.reviewing import Reviewing
from bot.slack.who import Who

log = structlog.get_logger(__name__)

ACK_LEAVES = (
    0.1  # Bolt looks every 10 ms whether there is an ack to send, and forgets it where the listener failed meanwhile
)
TOO_FAST = "That was too fast, so nothing was changed. Wait a few seconds, then try again."
SHORTCUTS = frozenset({"shortcut", "message_action"})
PAID_FOR = SHORTCUTS | {"block_actions", "view_submission"}
MEMBERSHIP_EVENTS = (
    "user_change",
    "subteam_members_changed",
    "subteam_updated",
    "member_joined_channel",
    "member_left_channel",
    "channel_shared",
    "channel_unshared",
)


class Listeners:
    """Registers itself on a Bolt app. `command` is the configuration's; `terms_of` asks Tyk what the policies of a plan set, and
    `uses_of` when tokens were used last."""

    def __init__(
        self,
        operations: Operations,
        chat: Chat,
        directory: Directory,
        workspace: Workspace,
        *,
        command: str,
        terms_of: TermsOf,
        uses_of: UsesOf,
    ) -> None:
        self._operations = operations
        self._directory = directory
        self._workspace = workspace
        self._answering = Answering(operations, chat, directory, workspace, command=command)
        self._budget = Budget(time.monotonic)
        self._who = Who(self._answering, operations, chat, directory, workspace, uses_of)
        self._requesting = Requesting(self._answering, operations, chat, directory, workspace, terms_of)
        self._reviewing = Reviewing(self._answering, operations)
        self._holding = Holding(self._answering, operations)
        self._entry_points = EntryPoints(
            self._answering, self._requesting, self._who, operations, chat, directory, workspace
        )

    @asynccontextmanager
    async def on(self, app: AsyncApp) -> AsyncIterator[None]:
        """Registered, and at work until the block ends."""
        self.register(app)
        try:
            yield
        finally:
            await self._answering.close()

    def register(self, app: AsyncApp) -> None:
        app.use(self.within_budget)
        # Bolt asks one after the other, each at a cost: those first that a crowd presses.
        app.command(self._answering.command)(self._entry_points.on_command)
        app.action(request_form.ACTION_API)(self._requesting.on_api_picked)
        app.view(request_form.CALLBACK_REQUEST)(self._requesting.on_request)
        self._reviewing.register(app)
        self._holding.register(app)
        app.global_shortcut(buttons.SHORTCUT)(self._entry_points.on_shortcut)
        app.message_shortcut(buttons.SHORTCUT_OF_MESSAGE)(self._entry_points.on_shortcut_of_message)
        app.event("app_home_opened")(self._entry_points.on_home_opened)
        app.action(buttons.REQUEST)(self._entry_points.on_request_pressed)
        app.action(buttons.LIST)(self._entry_points.on_list_pressed)
        app.options(request_form.ACTION_API)(self._requesting.on_api_search)
        app.action(buttons.EXTEND)(self._requesting.on_extend)
        app.action(buttons.CHANGE_PLAN)(self._requesting.on_extend)
        app.action(buttons.ASK_AGAIN)(self._entry_points.on_ask_again)
        app.action(buttons.WHO)(self._who.on_pressed)
        app.action(who.NEWER)(self._who.on_page)
        app.action(who.OLDER)(self._who.on_page)
        for event in MEMBERSHIP_EVENTS:
            app.event(event)(self.on_membership)
        # What an older version left behind, or what is picked but only read on submission.
        app.action(re.compile(".*"))(self.on_other_action)
        app.view(re.compile(".*"))(self.on_other_view)
        app.error(self.on_error)

    # how fast somebody may go

    async def within_budget(
        self,
        ack: AsyncAck,
        body: Body,
        next: Callable[[], Awaitable[None]],  # noqa: A002 - Bolt gives it by this name
    ) -> BoltResponse | None:
        """Check the person's budget before anything is asked of Slack for them: beyond it there is one answer, once.

        What is logged from here on says who they are."""
        is_command = "command" in body
        structlog.contextvars.clear_contextvars()
        if who := _user_of(body):
            structlog.contextvars.bind_contextvars(person=who)
        opener = _opens_the_app(body)
        if not (is_command or opener or body.get("type") in PAID_FOR):
            await next()
            return None
        pace = self._budget.spend(opener or who)
        if pace is Spent.WITHIN:
            await next()
            return None
        note("any", "too fast")
        if body.get("type") == "view_submission":  # without a word the form would close as if it had been taken
            return await ack(**errors(body["view"], "api", TOO_FAST))
        if pace is Spent.STILL_OVER or not (is_command or body["type"] in SHORTCUTS):
            return await ack()
        if not is_command:
            self._answering.in_background(self._answering.notice(Where.of(body), "Too fast", TOO_FAST))
            return await ack()
        return await ack(text=TOO_FAST)

    # everything else

    async def on_membership(self, event: Body) -> None:
        """Somebody came, went or changed: what was known of them is asked again."""
        match event.get("type"):
            case "user_change":
                for user_id in _ids_of(event["user"]):
                    self._directory.forget_person(user_id)
                await self._see_off(event["user"])
            case "member_joined_channel" | "member_left_channel" | "channel_shared" | "channel_unshared":
                self._directory.forget_channel(event["channel"])
            case "subteam_members_changed":
                self._directory.forget_groups()
                await self._tell_of_group(event)
                await self._operations.deciders_changed(event["subteam_id"])
            case _:
                self._directory.forget_groups()
                await self._look_at_group(event.get("subteam") or {})

    async def _tell_of_group(self, event: Body) -> None:
        """Tell the audit of a changed group that approves: whoever may edit user groups decides who approves."""
        group = event["subteam_id"]
        try:
            handle = await self._directory.group_handle(group)
        except Fault:
            handle = ""  # the line need not wait for its name
        added, removed = frozenset(event.get("added_users") or ()), frozenset(event.get("removed_users") or ())
        change = GroupChange(group, handle, added, removed, event.get("date_update") or 0)
        await self._operations.groups.changed(change)

    async def _look_at_group(self, group: Body) -> None:
        """A group was renamed, switched off or on again; who is in it was told apart from that, unless it got lost."""
        group_id, users = group.get("id"), group.get("users")
        if not isinstance(group_id, str) or not isinstance(users, list):
            return
        members = frozenset[str]() if group.get("date_delete") else frozenset(users)
        seen = Group(group_id, line(group.get("handle"), MAX_NAME), members)
        if await self._operations.groups.seen(seen, group.get("date_update") or 0):
            await self._operations.deciders_changed(group_id)

    async def _see_off(self, user: Body) -> None:
        """Somebody was deactivated, became a guest, or came back: what they hold is looked at now, not at the next sweep."""
        gone = any(user.get(sign) for sign in ("deleted", "is_restricted", "is_ultra_restricted"))
        who = Identity(user.get("team_id") or "", user["id"])
        if not (gone or await self._operations.has_left(who) or await self._operations.any_undecidable()):
            return
        try:
            person = await self._directory.person(user["id"])
        except Fault:
            return  # the sweep will find them
        await self._operations.membership(person.identity, members.why_left(person, self._workspace))
        await self._operations.deciders_changed(person=person)

    async def on_other_action(self, ack: AsyncAck, body: Body, action: Body) -> None:
        await ack()
        if action.get("type") in ("button", "overflow") and not action.get("url"):
            await self._answering.notice(Where.of(body), "Out of date", self._answering.out_of_date("button"))

    async def on_other_view(self, ack: AsyncAck) -> None:
        await ack(response_action="update", view=modals.notice("Out of date", self._answering.out_of_date("form")))

    async def on_error(self, error: Exception, body: Body) -> None:
        """A fault of our own or of Slack's: an id for the log and, where there is a way to say it, for the person."""
        await asyncio.sleep(ACK_LEAVES)
        fault = fault_id()
        metrics.LISTENER_FAILURES.labels("listener").inc()
        log.error("listener.failed", fault=fault, error=type(error).__name__, exc_info=error)
        where = Where(_text(body.get("trigger_id")), _user_of(body), _channel_of(body), None)
        try:
            await self._answering.say_privately(
                where, self._answering.went_wrong(fault, await self._answering.label(body))
            )
        except Fault as unsaid:
            log.warning("listener.unsaid", fault=fault, error=unsaid.code)


def _ids_of(user: Body) -> set[str]:
    """The ids that Slack has for one person; on Enterprise Grid there may be two."""
    return {user["id"], (user.get("enterprise_user") or {}).get("id") or user["id"]}


def _user_of(body: Body) -> str:
    return _text(body.get("user_id")) or _id(body.get("user"))


def _opens_the_app(body: Body) -> str:
    """The person who came to the app's own page, which is drawn for them then."""
    event = body.get("event")
    if not isinstance(event, dict) or event.get("type") != "app_home_opened":
        return ""
    return _text(event.get("user"))


def _channel_of(body: Body) -> str | None:
    return _text(body.get("channel_id")) or _id(body.get("channel")) or None


def _id(named: Any) -> str:
    return _text(named.get("id")) if isinstance(named, dict) else ""


def _text(said: Any) -> str:
    """The text, or none: what comes may be of any shape, and an error handler must take all of them."""
    return said if isinstance(said, str) else ""
