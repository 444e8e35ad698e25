"""Answering a person in time: what clicks, forms and commands have in common.

Slack waits three seconds. Look-up and commit have BUDGET of them; past that the answer is "not confirmed, try again", and
trying again is harmless: what runs on in the background either commits once or not at all.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from slack_bolt.async_app import AsyncAck

from bot import metrics
from bot.core import members, rules
from bot.core.faults import Fault, Gone, UnconfirmedError
from bot.core.model import Approver, Identity, Person, Record, Refusal, RequestState, Workspace
from bot.operations import Operations, Outcome
from bot.slack import block_kit, deciders, deciding, holdings, modals, refusals, wording
from bot.slack.block_kit import marked_message
from bot.slack.catalogue import Catalogue
from bot.slack.client import Chat
from bot.slack.directory import Directory
from bot.slack.home import Homes

log = structlog.get_logger(__name__)

BUDGET = 2.0
PATIENCE = 0.4  # a trigger lives three seconds; so long nobody minds, and mostly one view is enough
UNCONFIRMED = "That took too long to confirm. Try again: it won't be done twice."
DONE = "What you did is stored ({label}). What you see here may be out of date."
CANNOT_SAY = "I couldn't check who you are with Slack. Nothing was changed. Try again in a moment."
CANNOT_SAY_OF_OTHERS = (
    "I couldn't check with Slack whether the earlier approvals still count. Nothing was changed. Try again in a moment."
)
TROUBLED = frozenset({"late", "too fast"})
OUT_OF_DATE = "This {what} is out of date. Start again with {command}."

Body = dict[str, Any]
T = TypeVar("T")


class TooLateError(Exception):
    """The answer was not there within the budget, or the database did not say whether it is stored."""


@dataclass(frozen=True)
class Where:
    """The place of a click, and what is needed to answer it. `view_id` is the modal's it was in, if any.

    `message_id` is our own name for the message that was clicked, where it bears one.
    """

    trigger_id: str
    user_id: str
    channel: str | None = None
    ts: str | None = None
    view_id: str | None = None
    at_home: bool = False
    message_id: str | None = None

    @classmethod
    def of(cls, body: Body) -> Where:
        container, view = body.get("container") or {}, body.get("view") or {}
        pressed = (body.get("actions") or [{}])[0]
        at_home = view.get("type") == "home"
        return cls(
            trigger_id=body.get("trigger_id", ""),
            user_id=body["user"]["id"],
            channel=container.get("channel_id"),
            ts=container.get("message_ts"),
            view_id=None if at_home else view.get("id"),
            at_home=at_home,
            message_id=marked_message(pressed.get("block_id", "")),
        )


class Answering:
    """Answers for whoever pressed or sent something. `command` is the configuration's."""

    def __init__(
        self,
        operations: Operations,
        chat: Chat,
        directory: Directory,
        workspace: Workspace,
        *,
        command: str,
    ) -> None:
        self._operations = operations
        self._chat = chat
        self._directory = directory
        self._workspace = workspace
        self.command = command
        self.homes = Homes(
            operations,
            chat,
            directory,
            workspace,
            lambda: self.catalogue,
            command=command,
            clock=time.monotonic,
        )
        self._latest = Catalogue(operations.rulebook)
        self._background: set[asyncio.Task[Any]] = set()

    async def close(self) -> None:
        """Wait for what is late, as long as anybody would have: what has begun is stored before the database is closed."""
        if self._background:
            await asyncio.wait(self._background, timeout=BUDGET)
        await self.homes.close()

    @property
    def help_channel(self) -> str:
        return self._operations.in_force.help_channel

    @property
    def catalogue(self) -> Catalogue:
        """The catalogue of the rulebook in force, made anew where that has changed."""
        if self._latest.rulebook is not self._operations.rulebook:
            self._latest = Catalogue(self._operations.rulebook)
        return self._latest

    # who it is, and by when

    async def member(self, user_id: str) -> Person:
        """The person, if they may use the bot at all. Raises Refusal, also where Slack cannot say."""
        try:
            person = await self._directory.person(user_id, channels=self.catalogue.channels)
        except Fault:
            raise Refusal(CANNOT_SAY, code="cannot_say") from None
        if (refusal := members.refuse(person, self._workspace)) is not None:
            raise refusal
        return person

    async def approvers(self, request_id: str) -> tuple[Approver, ...]:
        """Those who said yes to this request while nobody has decided it, as Slack says they are now. Raises Refusal, also where
        Slack cannot say, and where its requester may not have it any more."""
        record = await self._operations.look(request_id)
        if record.request.state is not RequestState.PENDING:
            return ()
        in_force = self._operations.rule(record.request.rule.name)
        requester = await deciders.requester(record, in_force, self._directory)
        if in_force is not None and requester is not None:
            rules.check_requester(record, in_force, requester)
        try:
            return await self._directory.approvers(record.reviews)
        except Fault:
            raise Refusal(CANNOT_SAY_OF_OTHERS, code="cannot_say") from None

    async def in_time(self, work: Coroutine[Any, Any, T]) -> T:
        """The result, if it is there within the budget. Late work is not cut off: it commits whole or not at all."""
        task = self.in_background(work)
        done, _ = await asyncio.wait({task}, timeout=BUDGET)
        if not done:
            log.warning("listener.late", seconds=BUDGET)
            task.add_done_callback(_tell_of_failure)
            raise TooLateError
        try:
            return task.result()
        except UnconfirmedError as error:
            log.warning("listener.unconfirmed", error=str(error))
            raise TooLateError from error

    def in_background(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Kept until it is done: asyncio itself forgets a task that nobody holds."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    # views

    async def open(self, where: Where, view: Body) -> Body:
        """Over the modal where the click was, if it was in one."""
        if where.view_id:
            return await self._chat.push_view(where.trigger_id, view)
        return await self._chat.open_view(where.trigger_id, view)

    async def open_for(self, where: Where, loading: Body, draw: Callable[[Person], Awaitable[Body]]) -> None:
        """Open what is drawn for this person, or first something to look at where that takes a moment."""
        drawing = self.in_background(self._drawn_for(where.user_id, draw))
        ready, _ = await asyncio.wait({drawing}, timeout=PATIENCE)
        try:
            opened = await self.open(where, drawing.result() if ready else loading)
        except Fault as fault:
            drawing.add_done_callback(_tell_of_failure)
            if not isinstance(fault, Gone):
                raise
            log.info("view.not_opened", error=fault.code)  # the same command delivered twice: its trigger is used up
            return
        if not ready:
            await self._chat.update_view(opened["id"], await drawing)

    async def _drawn_for(self, user_id: str, draw: Callable[[Person], Awaitable[Body]]) -> Body:
        try:
            person = await self._directory.person(user_id, channels=self.catalogue.channels)
        except Fault:
            return modals.notice("Try again", CANNOT_SAY)
        try:
            return await draw(person)
        except Refusal as refusal:
            return modals.notice(refusals.title(refusal), refusal.text)

    async def holdings(self, person: Person) -> Body:
        if (refusal := members.refuse(person, self._workspace)) is not None:
            return modals.notice(refusals.title(refusal), refusal.text)
        found = await self._operations.listing.holdings(person)
        return holdings.view(found, command=self.command, help_channel=self.help_channel)

    async def refresh(self, user_id: str, view_id: str | None, *, at_home: bool = False) -> None:
        """The list in which something was done says what is true now, be it a modal or their Home."""
        with suppress(Fault):  # they may have closed it, and what was done is done
            if at_home:
                await self.homes.show(user_id)
            elif view_id:
                person = await self._directory.person(user_id, channels=self.catalogue.channels)
                await self._chat.update_view(view_id, await self.holdings(person))

    async def notice(self, where: Where, title: str, said: str) -> None:
        try:
            await self.open(where, modals.notice(title, said))
        except Fault:
            await self.say_privately(where, said)

    # clicks and forms

    async def click(
        self, ack: AsyncAck, body: Body, request_id: str, operation: Callable[[Person], Awaitable[Outcome]]
    ) -> None:
        """Look up, decide, commit, then ack; a no is answered on the click's own trigger, never with silence."""
        where, kind = Where.of(body), body["actions"][0]["action_id"]
        about(request_id)
        record: Record | None = None

        async def act() -> Outcome:
            return await operation(await self.member(where.user_id))

        with metrics.ANSWER_SECONDS.labels("click").time():
            try:
                outcome = await self.in_time(act())
                record, refusal = outcome.record, outcome.refusal
            except Refusal as no:
                refusal = no
            except TooLateError:
                await ack()
                await self.notice(where, "Not confirmed", UNCONFIRMED)
                note(kind, "late")
                return
            except Exception:  # told elsewhere; unacked, Slack would mark the button as failed beside our own sentence
                await ack()
                raise
            await ack()
        note(kind, "done", record=record, refusal=refusal)
        if refusal:
            await self.say_no(where, request_id, refusal)
        outdated = refusal is not None and refusal.code in refusals.OVERTAKEN
        async with self.answered(where, None if refusal else record):
            await self.show_afresh(where, request_id, record, outdated=outdated)
            await self.refresh(where.user_id, where.view_id, at_home=where.at_home)

    async def open_form(
        self,
        ack: AsyncAck,
        body: Body,
        request_id: str,
        allowed: Callable[[str, Person], Awaitable[Record]],
        draw: Callable[[Record], Body],
    ) -> None:
        """A click that opens a form where `allowed` gives the record, or says why not."""
        where, kind = Where.of(body), body["actions"][0]["action_id"]
        about(request_id)

        async def check() -> Record:
            return await allowed(request_id, await self.member(where.user_id))

        record: Record | None = None
        try:
            record = await self.in_time(check())
        except Refusal as refusal:
            await ack()
            note(kind, "opened", refusal=refusal)
            await self.say_no(where, request_id, refusal)
            async with self.answered(where):
                await self.show_afresh(where, request_id, outdated=refusal.code in refusals.OVERTAKEN)
        except TooLateError:
            await ack()
            note(kind, "late")
            await self.notice(where, "Not confirmed", UNCONFIRMED)
        except Exception:  # as in `click`
            await ack()
            raise
        else:
            await ack()
            note(kind, "opened", record=record)
            await self.open(where, draw(record))
            async with self.answered(where):
                await self.show_afresh(where, request_id, record)

    async def submitted(
        self, ack: AsyncAck, body: Body, kind: str, field: str, operation: Callable[[Person], Awaitable[Outcome]]
    ) -> None:
        """A form about one request: it closes, or says on the spot why nothing was done. `field` is where a fault is told."""
        user_id, view = body["user"]["id"], body["view"]

        async def act() -> Outcome:
            outcome = await operation(await self.member(user_id))
            if outcome.refusal:
                raise outcome.refusal
            return outcome

        try:
            about(modals.request_id(view))
            if field == "reason" and not deciding.read_reason(view)[1]:
                await ack(**errors(view, "reason", f"Say why: {_TOLD[kind]} will see it."))
                return
            outcome = await self.in_time(act())
        except modals.StaleView:
            note(kind, "out of date")
            await ack(response_action="update", view=modals.notice("Out of date", self.out_of_date("form")))
        except Refusal as refusal:
            note(kind, "done", refusal=refusal)
            if refusal.field is not None:
                await ack(**errors(view, refusal.field, refusal.text))
                return
            await ack(
                response_action="update",
                view=modals.notice(refusals.title(refusal), refusals.sentence(refusal, user_id)),
            )
            async with self.answered(Where.of(body)):
                await self.tell_audit(user_id, None, refusal, _DOING[kind], modals.request_id(view))
        except TooLateError:
            note(kind, "late")
            await ack(response_action="update", view=modals.notice("Not confirmed", UNCONFIRMED))
        except Exception:  # the person must not be left with Slack's "trouble connecting"
            fault = fault_id()
            metrics.LISTENER_FAILURES.labels("submission").inc()
            log.exception("submission.failed", fault=fault)
            await ack(**errors(view, field, self.went_wrong(fault, await self.label(body), marked=False)))
        else:
            note(kind, "done", record=outcome.record)
            await ack()
            below = view.get("previous_view_id")
            async with self.answered(Where.of(body), outcome.record):
                await self.refresh(user_id, below, at_home=below is None and self.homes.is_open(user_id))

    # a no

    async def say_no(self, where: Where, request_id: str, refusal: Refusal) -> None:
        await self.notice(where, refusals.title(refusal), refusals.sentence(refusal, where.user_id))
        async with self.answered(where):
            await self.tell_audit(where.user_id, None, refusal, "clicking", request_id)

    async def show_afresh(
        self, where: Where, request_id: str, record: Record | None = None, *, outdated: bool = False
    ) -> None:
        """The clicked message says what is true now, where nothing else would edit it.

        That is a copy, which a post made whose answer was lost, and one that is `outdated`: its edit may be lost.
        """
        if not (where.channel and where.ts):
            return
        if record is None and not outdated:
            with suppress(Refusal):
                record = await self._operations.look(request_id)
        is_copy = record is not None and not any(
            (one.channel, one.ts) == (where.channel, where.ts) for one in record.messages
        )
        if is_copy or outdated:
            await self._operations.clicked(request_id, where.channel, where.ts, where.message_id, outdated=outdated)

    async def tell_audit(
        self, user_id: str, api: str | None, refusal: Refusal, step: str, request_id: str | None = None
    ) -> None:
        """Tell the audit of somebody who was told no because of who they are, not because of what they typed."""
        if refusal.code in refusals.FOR_THE_AUDIT:
            who = Identity(self._workspace.team_id, user_id)
            await self._operations.refused(who, api, refusal.text, step, request_id)

    def out_of_date(self, what: str) -> str:
        return OUT_OF_DATE.format(what=what, command=self.command)

    # a fault

    @asynccontextmanager
    async def answered(self, where: Where, done: Record | None = None) -> AsyncIterator[None]:
        """The work that follows an answer. Where it fails the answer stands, so nobody is told to try again: who had
        something `done` reads that it is, since what they see may not show it."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it was: it is logged, and undoes nothing
            _log_unanswered(error)
            if done is not None:
                with suppress(Fault):
                    await self.say_privately(where, DONE.format(label=done.request.label))

    def went_wrong(self, fault: str, label: str = "", *, marked: bool = True) -> str:
        """The one sentence for a fault of ours; without `marked`, for where Slack draws no links."""
        help_ = wording.channel(self.help_channel) if marked else "the help channel"
        about = f", {label}" if label else ""
        return f"Something went wrong here (id {fault}{about}). Try again, or ask in {help_}."

    async def label(self, body: Body) -> str:
        """The number of the request that the click or form was about, where it can still be told."""
        with suppress(Exception):
            actions = body.get("actions")
            request_id = actions[0]["value"].partition(":")[0] if actions else modals.request_id(body["view"])
            return (await self._operations.look(request_id)).request.label
        return ""

    async def say_privately(self, where: Where, said: str) -> None:
        """Say it on the spot where that is possible, else by direct message."""
        if where.channel:
            with suppress(Fault):
                await self._chat.ephemeral(where.channel, where.user_id, said)
                return
        if where.user_id:
            await self._chat.post(where.user_id, said, [{"type": "section", "text": block_kit.mrkdwn(said)}])


_DOING = {
    "approve": "approving",
    "ask": "asking",
    "answer": "answering",
    "deny": "denying",
    "revoke": "revoking",
    "replace": "replacing",
}
_TOLD = {"deny": "the requester", "revoke": "the holder"}


def errors(view: Body, field: str, said: str) -> Body:
    return {"response_action": "errors", "errors": {modals.error_block(view, field): said}}


def about(request_id: str) -> None:
    """Log from here on as about this request, by the id that its form had before it was one."""
    structlog.contextvars.bind_contextvars(request_id=request_id)


def note(kind: str, result: str, *, record: Record | None = None, refusal: Refusal | None = None) -> None:
    """Log and count what somebody did: `late` where they were told to try again, and with its code where they were told no."""
    result = "refused" if refusal else result
    said = {"request": record.request.label if record else None, "code": refusal.code if refusal else None}
    metrics.INTERACTIONS.labels(kind, result).inc()
    tell = log.warning if result in TROUBLED else log.info
    tell("interaction", kind=kind, result=result, **{name: value for name, value in said.items() if value})


def fault_id() -> str:
    return secrets.token_hex(4)


def _tell_of_failure(task: asyncio.Task[Any]) -> None:
    """Log a failure that came after its answer was due: nobody else sees it any more."""
    if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, Refusal):
        _log_unanswered(error)


def _log_unanswered(error: BaseException) -> None:
    metrics.LISTENER_FAILURES.labels("background").inc()
    log.warning("listener.background", error=type(error).__name__, exc_info=error)
