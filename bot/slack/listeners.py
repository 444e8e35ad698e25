"""From a Slack payload to an operation to the answer. Nothing is decided here.

Slack waits three seconds. Look-up and commit have BUDGET of them; past that the answer is "not confirmed, try again", and
trying again is harmless: what runs on in the background either commits once or not at all.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp

from bot import metrics
from bot.core import members
from bot.core.faults import Fault, Gone
from bot.core.model import (
    Identity,
    Person,
    Record,
    Refusal,
    RequestId,
    RequestState,
    Rule,
    Verdict,
    Workspace,
)
from bot.operations import Operations, Outcome, Submission
from bot.slack import block_kit, buttons, holdings, modals, wording
from bot.slack.catalogue import Catalogue
from bot.slack.client import Chat
from bot.slack.directory import Directory

log = structlog.get_logger(__name__)

BUDGET = 2.0
PATIENCE = 0.4  # a trigger lives three seconds; so long nobody minds, and mostly one view is enough
ACK_LEAVES = (
    0.1  # Bolt looks every 10 ms whether there is an ack to send, and forgets it where the listener failed meanwhile
)
UNCONFIRMED = "I could not confirm this in time. Please try again: nothing is done twice."
CANNOT_SAY = "Slack cannot tell me right now who you are, so I did nothing. Please try again in a moment."
MEMBERSHIP_EVENTS = (
    "user_change",
    "subteam_members_changed",
    "subteam_updated",
    "member_joined_channel",
    "member_left_channel",
)
REDRAWN = "The form was still being drawn for this API. Please look at it once more, and send it again."
OUT_OF_DATE = "This control is out of date. Please start again with {command}."

Body = dict[str, Any]
T = TypeVar("T")


class _TooLateError(Exception):
    """The answer was not there within the budget."""


@dataclass(frozen=True)
class Where:
    """Where a click happened: what is needed to answer it."""

    trigger_id: str
    user_id: str
    channel: str | None
    ts: str | None
    view_id: str | None = None

    @classmethod
    def of(cls, body: Body) -> Where:
        container = body.get("container") or {}
        return cls(
            trigger_id=body.get("trigger_id", ""),
            user_id=body["user"]["id"],
            channel=container.get("channel_id"),
            ts=container.get("message_ts"),
            view_id=(body.get("view") or {}).get("id"),
        )


class Listeners:
    """Registers itself on a Bolt app. `command` and `help_channel` are the configuration's."""

    def __init__(
        self,
        operations: Operations,
        chat: Chat,
        directory: Directory,
        workspace: Workspace,
        *,
        command: str,
        help_channel: str,
    ) -> None:
        self._operations = operations
        self._chat = chat
        self._directory = directory
        self._workspace = workspace
        self._command = command
        self._help_channel = help_channel
        self._latest = Catalogue(operations.rulebook)
        self._background: set[asyncio.Task[Any]] = set()

    @property
    def _catalogue(self) -> Catalogue:
        """That of the rulebook in force."""
        if self._latest.rulebook is not self._operations.rulebook:
            self._latest = Catalogue(self._operations.rulebook)
        return self._latest

    def register(self, app: AsyncApp) -> None:
        app.command(self._command)(self.on_command)
        app.action(modals.ACTION_API)(self.on_api_picked)
        app.options(modals.ACTION_API)(self.on_api_search)
        app.view(modals.CALLBACK_REQUEST)(self.on_request)
        app.action(buttons.APPROVE)(self.on_approve)
        app.action(buttons.DENY)(self.on_deny)
        app.view(modals.CALLBACK_DENY)(self.on_deny_reason)
        app.action(buttons.WITHDRAW)(self.on_withdraw)
        app.action(buttons.REVOKE)(self.on_revoke)
        app.action(buttons.REVOKE_ASK)(self.on_revoke_ask)
        app.view(modals.CALLBACK_REVOKE)(self.on_revoke_reason)
        app.action(buttons.REPLACE)(self.on_replace_ask)
        app.view(modals.CALLBACK_REPLACE)(self.on_replace)
        app.action(buttons.ASK_AGAIN)(self.on_ask_again)
        app.action(buttons.RENEW)(self.on_renew)
        app.action(buttons.TOKEN_SAVED)(self.on_token_saved)
        for event in MEMBERSHIP_EVENTS:
            app.event(event)(self.on_membership)
        # What an older version left behind, or what is picked but only read on submission.
        app.action(re.compile(".*"))(self.on_other_action)
        app.view(re.compile(".*"))(self.on_other_view)
        app.error(self.on_error)

    # the command

    async def on_command(self, ack: AsyncAck, body: Body) -> None:
        words = (body.get("text") or "").strip()
        with metrics.ANSWER_SECONDS.labels("command").time():
            if words and words.lower() != "list":
                await self._help(ack, body, None if words.lower() == "help" else words)
                return
            await ack()
        if words:
            await self._open_for(
                Where(body["trigger_id"], body["user_id"], None, None), holdings.loading(), self._first_holdings
            )
            return
        request_id = secrets.token_urlsafe(16)

        async def form(person: Person) -> Body:
            return await self._first_view(person, request_id)

        await self._open_for(Where(body["trigger_id"], body["user_id"], None, None), modals.loading(request_id), form)

    async def _open_for(self, where: Where, loading: Body, draw: Callable[[Person], Awaitable[Body]]) -> None:
        """Open what is drawn for this person, or first something to look at where that takes a moment."""
        drawing = self._in_background(self._drawn_for(where.user_id, draw))
        ready, _ = await asyncio.wait({drawing}, timeout=PATIENCE)
        try:
            opened = await self._open(where, drawing.result() if ready else loading)
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
            person = await self._directory.person(user_id, channels=self._catalogue.channels)
        except Fault:
            return modals.notice("Try again", CANNOT_SAY)
        return await draw(person)

    async def _open(self, where: Where, view: Body) -> Body:
        """Over the modal where the click was, if it was in one."""
        if where.view_id:
            return await self._chat.push_view(where.trigger_id, view)
        return await self._chat.open_view(where.trigger_id, view)

    async def _first_holdings(self, person: Person) -> Body:
        if (refusal := members.refuse(person, self._workspace)) is not None:
            await self._operations.refused(person.identity, None, refusal.text, "opening")
        return await self._holdings(person)

    async def _holdings(self, person: Person) -> Body:
        if (refusal := members.refuse(person, self._workspace)) is not None:
            return modals.notice("Not available", refusal.text)
        found = await self._operations.holdings(person)
        return holdings.view(
            found.standing, found.past, found.awaiting, command=self._command, help_channel=self._help_channel
        )

    async def _first_view(self, person: Person, request_id: str, *, again: str | None = None) -> Body:
        """The form, or the sentence that says why there is none. `again` is the request that it is filled in from."""
        refusal = members.refuse(person, self._workspace)
        offered = () if refusal else self._catalogue.offered(person)
        if refusal or not offered:
            why = refusal or self._nothing_for_you()
            await self._operations.refused(person.identity, None, why.text, "opening")
            return modals.notice("Not available", why.text)
        record = await self._operations.look(again) if again else None
        if record is not None and record.request.requester == person.identity:
            request = record.request
            chosen = next((rule for rule in offered if rule.name == request.rule.name), None)
            draft = modals.Draft.of(request)
            return await self._form(person, request_id, offered, chosen, plan=request.plan.name, draft=draft)
        return await self._form(person, request_id, offered, offered[0] if len(offered) == 1 else None)

    def _nothing_for_you(self) -> Refusal:
        return Refusal(
            f"There is no API that you may ask for here. If there should be, ask in <#{self._help_channel}>.",
            code="nobody",
        )

    async def _form(
        self,
        person: Person,
        request_id: str,
        offered: tuple[Rule, ...],
        chosen: Rule | None,
        *,
        plan: str | None = None,
        draft: modals.Draft | None = None,
        notes: tuple[str, ...] = (),
    ) -> Body:
        """`plan` and `draft` fill it in beforehand; `notes` are said beside what they hold already."""
        if chosen is not None:
            notes += tuple(map(_standing_note, await self._operations.standing(person.identity, chosen.name)))[:3]
        return modals.request_form(
            modals.Form(
                request_id=request_id,
                rules=offered,
                chosen=chosen,
                plan=plan,
                notes=notes,
                decision=decision_line(chosen, person.identity) if chosen else "",
                help_channel=self._help_channel,
                draft=draft or modals.Draft(),
            )
        )

    async def _help(self, ack: AsyncAck, body: Body, not_understood: str | None) -> None:
        try:
            person = await self._in_time(self._directory.person(body["user_id"], channels=self._catalogue.channels))
        except (Fault, _TooLateError):
            await ack(text=CANNOT_SAY)
            return
        if (refusal := members.refuse(person, self._workspace)) is not None:
            await ack(text=refusal.text)
            return
        offered = self._catalogue.offered(person)
        standing = await self._operations.standing(person.identity)
        waiting = [record for record in standing if record.request.state is RequestState.PENDING]
        said, blocks = modals.help_text(
            offered, waiting, command=self._command, help_channel=self._help_channel, not_understood=not_understood
        )
        await ack(text=said, blocks=blocks)

    # the form

    async def on_api_picked(self, ack: AsyncAck, body: Body, action: Body) -> None:
        """Another API: the plan, the lifetime and who decides are drawn anew, and what was typed stays."""
        await ack()
        view, name = body["view"], (action.get("selected_option") or {}).get("value")
        request_id = modals.request_id(view)
        try:
            person = await self._member(body["user"]["id"])
        except Refusal as refusal:
            await self._chat.update_view(view["id"], modals.notice("Not available", refusal.text))
            return
        offered = self._catalogue.offered(person)
        chosen = next((rule for rule in offered if rule.name == name), None)
        form = await self._form(person, request_id, offered, chosen)
        try:
            await self._chat.update_view(view["id"], form, view.get("hash"))
        except Fault as fault:  # closed, or drawn anew already: the same choice delivered twice
            if fault.code not in ("not_found", "hash_conflict"):
                raise
            log.info("view.not_updated", error=fault.code)

    async def on_api_search(self, ack: AsyncAck, body: Body) -> None:
        person = self._directory.known(body["user"]["id"], self._catalogue.channels)
        if person is None:
            try:
                person = await self._in_time(self._member(body["user"]["id"]))
            except (Refusal, _TooLateError):
                await ack(options=[])
                return
        found = self._catalogue.search(person, body.get("value") or "", modals.MAX_OPTIONS)
        await ack(options=modals.api_options(found))

    async def on_request(self, ack: AsyncAck, body: Body) -> None:
        view = body["view"]
        with metrics.ANSWER_SECONDS.labels("submission").time():
            answer = await self._answer_request(body["user"]["id"], view)
            await ack(**answer)

    async def _answer_request(self, user_id: str, view: Body) -> Body:
        try:
            record = await self._in_time(self._submit(user_id, view))
        except Refusal as refusal:
            return _errors(view, refusal.field or "api", refusal.text)
        except _TooLateError:
            return _errors(view, "api", UNCONFIRMED)
        except modals.NotDrawnYet as undrawn:
            return await self._redrawn(user_id, view, undrawn.filled)
        except modals.StaleView:
            return _errors(view, "api", self._out_of_date())
        except Exception:  # the person must not be left with Slack's "trouble connecting"
            fault = _fault_id()
            log.exception("submission.failed", fault=fault)
            return _errors(view, "api", self._went_wrong(fault, marked=False))
        return {"response_action": "update", "view": modals.accepted(record, decision=_what_now(record))}

    async def _redrawn(self, user_id: str, view: Body, filled: modals.Filled) -> Body:
        """The form for the API that was picked, with what was typed: sent once more, it asks for what it shows."""

        async def form() -> Body:
            person = await self._member(user_id)
            offered = self._catalogue.offered(person)
            chosen = next((rule for rule in offered if rule.name == filled.api), None)
            draft = modals.Draft(filled.used_by, filled.reason)
            return await self._form(person, filled.request_id, offered, chosen, draft=draft, notes=(REDRAWN,))

        try:
            return {"response_action": "update", "view": await self._in_time(form())}
        except Refusal as refusal:
            return _errors(view, "api", refusal.text)
        except Exception:  # what is shown stays, and can be sent again
            log.exception("form.not_redrawn")
            return _errors(view, "api", REDRAWN)

    async def _submit(self, user_id: str, view: Body) -> Record:
        filled = modals.read_form(view)
        if filled.api is None:
            raise Refusal("Please pick an API.", code="api", field="api")
        try:
            return await self._ask(user_id, filled, filled.api)
        except Refusal as refusal:
            await self._tell_audit(user_id, filled.api, refusal, "submitting")
            raise

    async def _ask(self, user_id: str, filled: modals.Filled, api: str) -> Record:
        person = await self._member(user_id)
        rule = self._operations.rule(api)
        form = Submission(
            request_id=RequestId(filled.request_id),
            api=api,
            plan=filled.plan,
            lifetime=_lifetime(filled, rule),
            used_by=filled.used_by,
            reason=filled.reason,
        )
        approvers = await self._able_approvers(rule, person.identity) if rule else frozenset[str]()
        return await self._operations.submit(form, person, approvers)

    async def _able_approvers(self, rule: Rule, requester: Identity) -> frozenset[str]:
        """People who could say yes: as many as the rule needs are enough to know."""
        able: set[str] = set()
        if rule.approvals == 0:
            return frozenset()
        for user_id in sorted(await self._directory.members_of(rule.approvers)):
            if user_id == requester.user_id:
                continue
            approver = await self._directory.person(user_id)
            if members.refuse(approver, self._workspace) is None:
                able.add(user_id)
            if len(able) >= rule.approvals:
                break
        return frozenset(able)

    # the approvers

    async def on_approve(self, ack: AsyncAck, body: Body, action: Body) -> None:
        async def approve(person: Person) -> Outcome:
            return await self._operations.review(action["value"], person, Verdict.YES, "")

        await self._click(ack, body, action["value"], approve)

    async def on_deny(self, ack: AsyncAck, body: Body, action: Body) -> None:
        """A no needs a reason: the form for it opens only for those who may say no."""
        await self._open_form(ack, body, action["value"], self._operations.may_review, modals.deny_form)

    async def on_deny_reason(self, ack: AsyncAck, body: Body) -> None:
        async def deny(person: Person) -> Outcome:
            request_id, reason = modals.read_reason(body["view"])
            return await self._operations.review(request_id, person, Verdict.NO, reason)

        await self._submitted(ack, body, "deny", "reason", deny)

    async def on_renew(self, ack: AsyncAck, body: Body, action: Body) -> None:
        await self._click(ack, body, action["value"], lambda who: self._operations.renew(action["value"], who))

    async def on_revoke_ask(self, ack: AsyncAck, body: Body, action: Body) -> None:
        """Whoever ends what another holds says why: the form for it opens only for those who may."""
        await self._open_form(ack, body, action["value"], self._operations.may_revoke, modals.revoke_form)

    async def on_revoke_reason(self, ack: AsyncAck, body: Body) -> None:
        async def revoke(person: Person) -> Outcome:
            request_id, reason = modals.read_reason(body["view"])
            return await self._operations.revoke(request_id, person, reason)

        await self._submitted(ack, body, "revoke", "reason", revoke)

    # the requester

    async def on_withdraw(self, ack: AsyncAck, body: Body, action: Body) -> None:
        await self._click(ack, body, action["value"], lambda who: self._operations.withdraw(action["value"], who))

    async def on_revoke(self, ack: AsyncAck, body: Body, action: Body) -> None:
        async def revoke(person: Person) -> Outcome:
            return await self._operations.revoke(action["value"], person, "")

        await self._click(ack, body, action["value"], revoke)

    async def on_replace_ask(self, ack: AsyncAck, body: Body, action: Body) -> None:
        await self._open_form(ack, body, action["value"], self._operations.may_replace, modals.replace_form)

    async def on_replace(self, ack: AsyncAck, body: Body) -> None:
        async def replace_token(person: Person) -> Outcome:
            request_id, loss = modals.read_replace(body["view"])
            return await self._operations.replace_token(request_id, person, loss)

        await self._submitted(ack, body, "replace", "loss", replace_token)

    async def on_ask_again(self, ack: AsyncAck, body: Body, action: Body) -> None:
        """The form, filled in as it was, as far as that is still on offer."""
        await ack()
        request_id = secrets.token_urlsafe(16)

        async def form(person: Person) -> Body:
            return await self._first_view(person, request_id, again=action["value"])

        await self._open_for(Where.of(body), modals.loading(request_id), form)

    async def on_token_saved(self, ack: AsyncAck, body: Body, action: Body) -> None:
        request_id, _, key_id = action["value"].partition(":")
        await self._click(ack, body, request_id, lambda who: self._operations.hide(request_id, key_id, who))

    # what clicks and forms have in common

    async def _open_form(
        self,
        ack: AsyncAck,
        body: Body,
        request_id: str,
        allowed: Callable[[str, Person], Awaitable[Record]],
        draw: Callable[[Record], Body],
    ) -> None:
        """A click that opens a form where `allowed` gives the record, or says why not."""
        where = Where.of(body)

        async def check() -> Record:
            return await allowed(request_id, await self._member(where.user_id))

        record: Record | None = None
        try:
            record = await self._in_time(check())
        except Refusal as refusal:
            await ack()
            await self._say_no(where, request_id, refusal)
            await self._show_afresh(where, request_id, outdated=refusal.code in _OVERTAKEN)
        except _TooLateError:
            await ack()
            await self._notice(where, "Not confirmed", UNCONFIRMED)
        except Exception:
            await ack()  # as in `_click`
            raise
        else:
            await ack()
            await self._open(where, draw(record))
            await self._show_afresh(where, request_id, record)

    async def _submitted(
        self, ack: AsyncAck, body: Body, kind: str, field: str, operation: Callable[[Person], Awaitable[Outcome]]
    ) -> None:
        """A form about one request: it closes, or says on the spot why nothing was done. `field` is where a fault is told."""
        user_id, view = body["user"]["id"], body["view"]

        async def act() -> Outcome:
            outcome = await operation(await self._member(user_id))
            if outcome.refusal:
                raise outcome.refusal
            return outcome

        try:
            if field == "reason" and not modals.read_reason(view)[1]:
                await ack(**_errors(view, "reason", f"Please say why: {_TOLD[kind]} is told."))
                return
            await self._in_time(act())
        except modals.StaleView:
            await ack(response_action="update", view=modals.notice("Out of date", self._out_of_date()))
        except Refusal as refusal:
            await ack(response_action="update", view=modals.notice(_refusal_title(refusal), refusal.text))
            await self._tell_audit(user_id, None, refusal, _DOING[kind], modals.request_id(view))
        except _TooLateError:
            await ack(response_action="update", view=modals.notice("Not confirmed", UNCONFIRMED))
        except Exception:  # the person must not be left with Slack's "trouble connecting"
            fault = _fault_id()
            log.exception("submission.failed", fault=fault)
            await ack(**_errors(view, field, self._went_wrong(fault, await self._label(body), marked=False)))
        else:
            metrics.INTERACTIONS.labels(kind, "done").inc()
            await ack()
            await self._refresh(user_id, view.get("previous_view_id"))

    async def _refresh(self, user_id: str, view_id: str | None) -> None:
        """The list in which something was done says what is true now."""
        if view_id:
            with suppress(Fault):  # they may have closed it, and what was done is done
                person = await self._directory.person(user_id, channels=self._catalogue.channels)
                await self._chat.update_view(view_id, await self._holdings(person))

    async def _click(
        self, ack: AsyncAck, body: Body, request_id: str, operation: Callable[[Person], Awaitable[Outcome]]
    ) -> None:
        """Look up, decide, commit, then ack; a no is answered on the click's own trigger, never with silence."""
        where, kind = Where.of(body), body["actions"][0]["action_id"]
        record: Record | None = None

        async def act() -> Outcome:
            return await operation(await self._member(where.user_id))

        with metrics.ANSWER_SECONDS.labels("click").time():
            try:
                outcome = await self._in_time(act())
                record, refusal = outcome.record, outcome.refusal
            except Refusal as no:
                refusal = no
            except _TooLateError:
                await ack()
                await self._notice(where, "Not confirmed", UNCONFIRMED)
                metrics.INTERACTIONS.labels(kind, "late").inc()
                return
            except Exception:
                await ack()  # else Slack marks the button as failed, beside our own sentence
                raise
            await ack()
        metrics.INTERACTIONS.labels(kind, "refused" if refusal else "done").inc()
        if refusal:
            await self._say_no(where, request_id, refusal)
        outdated = refusal is not None and refusal.code in _OVERTAKEN
        await self._show_afresh(where, request_id, record, outdated=outdated)
        await self._refresh(where.user_id, where.view_id)

    async def _say_no(self, where: Where, request_id: str, refusal: Refusal) -> None:
        await self._notice(where, _refusal_title(refusal), refusal.text)
        await self._tell_audit(where.user_id, None, refusal, "clicking", request_id)

    async def _show_afresh(
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
            await self._operations.repaint(request_id, where.channel, where.ts)

    async def _tell_audit(
        self, user_id: str, api: str | None, refusal: Refusal, step: str, request_id: str | None = None
    ) -> None:
        """Of somebody who was told no because of who they are, not because of what they typed."""
        if refusal.code in _FOR_THE_AUDIT:
            who = Identity(self._workspace.team_id, user_id)
            await self._operations.refused(who, api, refusal.text, step, request_id)

    async def _notice(self, where: Where, title: str, said: str) -> None:
        try:
            await self._open(where, modals.notice(title, said))
        except Fault:
            if where.channel:
                await self._chat.ephemeral(where.channel, where.user_id, said)

    async def _member(self, user_id: str) -> Person:
        """Who this is, if they may use the bot at all. Raises Refusal, also where Slack cannot say."""
        try:
            person = await self._directory.person(user_id, channels=self._catalogue.channels)
        except Fault:
            raise Refusal(CANNOT_SAY, code="cannot_say") from None
        if (refusal := members.refuse(person, self._workspace)) is not None:
            raise refusal
        return person

    async def _in_time(self, work: Coroutine[Any, Any, T]) -> T:
        """The result, if it is there within the budget. Late work is not cut off: it commits whole or not at all."""
        task = self._in_background(work)
        done, _ = await asyncio.wait({task}, timeout=BUDGET)
        if not done:
            log.warning("listener.late", seconds=BUDGET)
            task.add_done_callback(_tell_of_failure)
            raise _TooLateError
        return task.result()

    def _in_background(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Kept until it is done: asyncio itself forgets a task that nobody holds."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    def _out_of_date(self) -> str:
        return OUT_OF_DATE.format(command=self._command)

    # everything else

    async def on_membership(self, event: Body) -> None:
        """Somebody came, went or changed: what was known of them is asked again."""
        match event.get("type"):
            case "user_change":
                self._directory.forget_person(event["user"]["id"])
                await self._see_off(event["user"])
            case "member_joined_channel" | "member_left_channel":
                self._directory.forget_channel(event["channel"])
            case _:
                self._directory.forget_groups()

    async def _see_off(self, user: Body) -> None:
        """Somebody was deactivated, became a guest, or came back: what they hold is looked at now, not at the next sweep."""
        gone = any(user.get(sign) for sign in ("deleted", "is_restricted", "is_ultra_restricted"))
        if not gone and not await self._operations.has_left(Identity(user.get("team_id") or "", user["id"])):
            return
        try:
            person = await self._directory.person(user["id"])
        except Fault:
            return  # the sweep will find them
        await self._operations.membership(person.identity, members.why_left(person, self._workspace))

    async def on_other_action(self, ack: AsyncAck, body: Body, action: Body) -> None:
        await ack()
        if action.get("type") == "button" and not action.get("url"):
            await self._notice(Where.of(body), "Out of date", self._out_of_date())

    async def on_other_view(self, ack: AsyncAck) -> None:
        await ack(response_action="update", view=modals.notice("Out of date", self._out_of_date()))

    async def on_error(self, error: Exception, body: Body) -> None:
        """A fault of our own or of Slack's: an id for the log and, where there is a way to say it, for the person."""
        await asyncio.sleep(ACK_LEAVES)
        fault = _fault_id()
        log.error("listener.failed", fault=fault, error=type(error).__name__, exc_info=error)
        where = Where(body.get("trigger_id", ""), _user_of(body), _channel_of(body), None)
        try:
            await self._say_privately(where, self._went_wrong(fault, await self._label(body)))
        except Fault as unsaid:
            log.warning("listener.unsaid", fault=fault, error=unsaid.code)

    def _went_wrong(self, fault: str, label: str = "", *, marked: bool = True) -> str:
        """The one sentence for a fault of ours; without `marked`, for where Slack draws no links."""
        help_ = wording.channel(self._help_channel) if marked else "the help channel"
        about = f", {label}" if label else ""
        return f"Something went wrong here (id {fault}{about}). Please try again, or ask in {help_}."

    async def _label(self, body: Body) -> str:
        """The number of the request that the click or form was about, where it can still be told."""
        with suppress(Exception):
            actions = body.get("actions")
            request_id = actions[0]["value"].partition(":")[0] if actions else modals.request_id(body["view"])
            return (await self._operations.look(request_id)).request.label
        return ""

    async def _say_privately(self, where: Where, said: str) -> None:
        """On the spot where that is possible, else by direct message."""
        if where.channel:
            with suppress(Fault):
                await self._chat.ephemeral(where.channel, where.user_id, said)
                return
        if where.user_id:
            await self._chat.post(where.user_id, said, [{"type": "section", "text": block_kit.mrkdwn(said)}])


_DOING = {"deny": "denying", "revoke": "revoking", "replace": "replacing"}
_TOLD = {"deny": "the requester", "revoke": "the holder"}
_OVERTAKEN = frozenset({"decided", "ended"})
_FOR_THE_AUDIT = frozenset(
    {
        "not_allowed",
        "unreachable",
        "own_request",
        "not_approver",
        "not_requester",
        "guest",
        "stranger",
        "other_team",
        "bot",
        "deactivated",
    }
)


def decision_line(rule: Rule, requester: Identity) -> str:
    """Who will decide, as the form says it."""
    if rule.approvals == 0:
        return "Granted at once."
    noun = "approval" if rule.approvals == 1 else "approvals"
    return f"Needs {rule.approvals} {noun} from {wording.audience(rule.approvers, except_=requester)}."


def _what_now(record: Record) -> str:
    if record.request.state is RequestState.PENDING:
        return decision_line(record.request.rule, record.request.requester)
    return ""


def _standing_note(record: Record) -> str:
    label, grant = record.request.label, record.grant
    if grant is None:
        return f"You already asked, {label}: it is waiting."
    if grant.until is None:
        return f"You already hold one without an end ({label})."
    return f"You already hold one until {wording.date(grant.until)} ({label})."


def _lifetime(filled: modals.Filled, rule: Rule | None) -> Any:
    if filled.lifetime_value is None and rule is not None:
        return rule.lifetimes[0]
    return modals.read_lifetime(filled.lifetime_value or "")


def _refusal_title(refusal: Refusal) -> str:
    return "Already decided" if refusal.code == "decided" else "Not done"


def _errors(view: Body, field: str, said: str) -> Body:
    return {"response_action": "errors", "errors": {modals.error_block(view, field): said}}


def _tell_of_failure(task: asyncio.Task[Any]) -> None:
    """What was too late for its answer still failed: nobody else sees that any more."""
    if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, Refusal):
        log.warning("listener.background", error=type(error).__name__, exc_info=error)


def _fault_id() -> str:
    return secrets.token_hex(4)


def _user_of(body: Body) -> str:
    return body.get("user_id") or (body.get("user") or {}).get("id") or ""


def _channel_of(body: Body) -> str | None:
    return body.get("channel_id") or (body.get("channel") or {}).get("id")
