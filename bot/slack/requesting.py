"""Asking for a token: the form is opened, drawn anew for another API, sent, and answered. Nothing is decided here."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck

from bot import metrics
from bot.core import members, rules
from bot.core.faults import Fault
from bot.core.model import (
    Answers,
    Asker,
    Identity,
    Person,
    Plan,
    PolicyTerms,
    Record,
    Refusal,
    RequestId,
    Rule,
    Workspace,
)
from bot.operations import Extendable, Operations, Submission
from bot.slack import buttons, modals, refusals, request_form, wording
from bot.slack.answering import (
    CANNOT_SAY_OF_OTHERS,
    UNCONFIRMED,
    Answering,
    Body,
    TooLateError,
    Where,
    about,
    errors,
    fault_id,
    note,
)
from bot.slack.client import Chat
from bot.slack.directory import Directory
from bot.slack.errors import CannotSay
from bot.slack.wording import inert

log = structlog.get_logger(__name__)

TERMS_WITHIN = 0.5  # of the two seconds in which a form must be answered
TermsOf = Callable[[Plan], Awaitable[tuple[PolicyTerms, ...]]]

REDRAWN = "The form was still loading for this API. Check it once more, then send it again."


class Requesting:
    """The request form, from the empty one to the answer to what was sent."""

    def __init__(
        self,
        answering: Answering,
        operations: Operations,
        chat: Chat,
        directory: Directory,
        workspace: Workspace,
        terms_of: TermsOf,
    ) -> None:
        self._answering = answering
        self._operations = operations
        self._chat = chat
        self._directory = directory
        self._workspace = workspace
        self._terms_of = terms_of

    async def view(
        self, person: Person, request_id: str, *, again: str | None = None, api: str | None = None, reason: str = ""
    ) -> Body:
        """The form, or the sentence that says why there is none. `again` is the request that it is filled in from; without one,
        `api` is chosen in it and `reason` written."""
        refusal = members.refuse(person, self._workspace)
        offered = () if refusal else self._answering.catalogue.offered(person)
        if refusal or not offered:
            why = refusal or self._nothing_for_you()
            await self._operations.refused(person.identity, None, why.text, "opening")
            return modals.notice(refusals.title(why), why.text)
        record = await self._operations.look(again) if again else None
        if record is not None and person.is_same(record.request.requester):
            return await self._form(person, request_form.Filled.like(record.request, request_id))
        return await self._form(person, request_form.Filled(request_id, api, answers=Answers(reason=reason)))

    def _nothing_for_you(self) -> Refusal:
        return Refusal(request_form.nothing_to_request(self._answering.help_channel), code="nobody")

    async def _form(self, person: Person, filled: request_form.Filled, *notes: str) -> Body:
        """`notes` are said beside what this person holds already."""
        catalogue = self._answering.catalogue
        chosen = catalogue.picked(person, filled.api)
        form = request_form.Form(
            filled=filled,
            rules=catalogue.offered(person),
            chosen=chosen,
            notes=notes,
            decision="",
            help_channel=self._answering.help_channel,
        )
        if chosen is not None:
            standing, enough = await self._operations.room(person.identity, chosen)
            held = tuple(map(_standing_note, standing))
            if enough is not None:
                held = (f"{inert(enough.text, 500)} `{inert(self._answering.command, 40)} list` shows them.",)
            form = replace(form, notes=(*notes, *held), decision=decision_line(chosen, person.identity))
            if any(plan.tyk_policies for plan in chosen.plans):
                form = replace(form, chosen=await self._with_terms(chosen))
        return request_form.request_form(form)

    async def on_extend(self, ack: AsyncAck, body: Body, action: Body) -> None:
        """The form for more time, or for another plan, with the token that is held."""
        request_id, other_plan = secrets.token_urlsafe(16), action["action_id"] == buttons.CHANGE_PLAN
        drawn: list[Body] = []

        async def allowed(of: str, person: Person) -> Record:
            found = await self._operations.may_extend(of, person, other_plan=other_plan)
            drawn.append(await self._extension(person, found, request_id))
            return found.record

        await self._answering.open_form(ack, body, action["value"], allowed, lambda _record: drawn[-1])

    async def _extension(self, person: Person, found: Extendable, request_id: str) -> Body:
        held, rule = found.record, await self._with_terms(found.rule)
        form = request_form.Form(
            filled=request_form.Filled(request_id, answers=replace(held.request.answers, reason="")),
            rules=(rule,),
            chosen=rule,
            notes=_extension_notes(held, rule),
            decision=decision_line(rule, person.identity, "it is extended right away"),
            help_channel=self._answering.help_channel,
            held=held,
        )
        return request_form.request_form(form)

    async def _with_terms(self, rule: Rule) -> Rule:
        """The rule, and in its plans the limits that their Tyk policies set."""
        terms = await asyncio.gather(*map(self._terms, rule.plans))
        plans = (replace(plan, terms=its) for plan, its in zip(rule.plans, terms, strict=True))
        return replace(rule, plans=tuple(plans))

    async def _terms(self, plan: Plan) -> tuple[PolicyTerms, ...]:
        """The limits of the plan's Tyk policies, if Tyk can say them at once: nobody waits for it, and nothing is made up."""
        try:
            async with asyncio.timeout(TERMS_WITHIN):
                return await self._terms_of(plan)
        except (Fault, TimeoutError) as trouble:
            log.warning("terms.unknown", plan=plan.name, error=getattr(trouble, "code", "late"))
            return ()

    async def on_api_picked(self, ack: AsyncAck, body: Body, action: Body) -> None:
        """Another API: the plan, the lifetime and who decides are drawn anew, and what was typed stays."""
        await ack()
        view, name = body["view"], (action.get("selected_option") or {}).get("value")
        request_id = modals.request_id(view)
        try:
            person = await self._answering.member(body["user"]["id"])
        except Refusal as refusal:
            await self._chat.update_view(view["id"], modals.notice(refusals.title(refusal), refusal.text))
            return
        form = await self._form(person, request_form.Filled(request_id, name, answers=request_form.kept_answers(view)))
        try:
            await self._chat.update_view(view["id"], form, view.get("hash"))
        except Fault as fault:  # closed, or drawn anew already: the same choice delivered twice
            if fault.code not in ("not_found", "hash_conflict"):
                raise
            log.info("view.not_updated", error=fault.code)

    async def on_api_search(self, ack: AsyncAck, body: Body) -> None:
        person = self._directory.known(body["user"]["id"], self._answering.catalogue.channels)
        if person is None or members.refuse(person, self._workspace) is not None:
            try:
                person = await self._answering.in_time(self._answering.member(body["user"]["id"]))
            except (Refusal, TooLateError):
                await ack(options=[])
                return
        found = self._answering.catalogue.search(person, body.get("value") or "", request_form.MAX_OPTIONS)
        options = request_form.api_options(found.rules)
        if found.in_all > len(options):
            await ack(option_groups=[request_form.first_of(options, found.in_all)])
        else:
            await ack(options=options)

    async def on_request(self, ack: AsyncAck, body: Body) -> None:
        view = body["view"]
        with metrics.ANSWER_SECONDS.labels("submission").time():
            answer = await self._answer_request(body["user"]["id"], view, body.get("api_app_id"))
            await ack(**answer)

    async def _answer_request(self, user_id: str, view: Body, app_id: str | None) -> Body:
        try:
            about(modals.request_id(view))
            record = await self._answering.in_time(self._submit(user_id, view))
        except Refusal as refusal:
            note("request", "done", refusal=refusal)
            return errors(view, refusal.field or "api", refusal.text)
        except TooLateError:
            note("request", "late")
            return errors(view, "api", UNCONFIRMED)
        except request_form.NotDrawnYet as undrawn:
            return await self._redrawn(user_id, view, undrawn.filled)
        except modals.StaleView:
            return errors(view, "api", self._answering.out_of_date("form"))
        except Exception:  # the person must not be left with Slack's "trouble connecting"
            fault = fault_id()
            metrics.LISTENER_FAILURES.labels("submission").inc()
            log.exception("submission.failed", fault=fault)
            return errors(view, "api", self._answering.went_wrong(fault, marked=False))
        note("request", "done", record=record)
        conversation = wording.conversation(app_id, self._workspace.team_id) if app_id else None
        return {"response_action": "update", "view": request_form.accepted(record, conversation=conversation)}

    async def _redrawn(self, user_id: str, view: Body, filled: request_form.Filled) -> Body:
        """The form for the API that was picked, with what was typed: sent once more, it asks for what it shows."""

        async def form() -> Body:
            return await self._form(await self._answering.member(user_id), filled, REDRAWN)

        try:
            return {"response_action": "update", "view": await self._answering.in_time(form())}
        except Refusal as refusal:
            return errors(view, "api", refusal.text)
        except Exception:  # what is shown stays, and can be sent again
            metrics.LISTENER_FAILURES.labels("form").inc()
            log.exception("form.not_redrawn")
            return errors(view, "api", REDRAWN)

    async def _submit(self, user_id: str, view: Body) -> Record:
        filled = request_form.read_form(view)
        if filled.api is None:
            raise Refusal("Pick an API.", code="api", field="api")
        try:
            return await self._ask(user_id, filled, filled.api)
        except Refusal as refusal:
            async with self._answering.answered(Where("", user_id)):
                await self._answering.tell_audit(user_id, filled.api, refusal, "submitting")
            raise

    async def _ask(self, user_id: str, filled: request_form.Filled, api: str) -> Record:
        person = await self._answering.member(user_id)
        rule = self._operations.rule(api)
        form = Submission(
            request_id=RequestId(filled.request_id),
            api=api,
            plan=filled.plan,
            lifetime=_lifetime(filled, rule),
            answers=filled.answers,
            extends=filled.extends,
            asker=await self._asker(person, rule),
        )
        plan = rule.plan(filled.plan) if rule is not None and filled.plan else None
        if rule is not None and plan is not None:
            rule = rules.for_plan(rule, plan)
        terms = await self._terms(plan) if plan is not None else ()
        approvers = await self._able_approvers(rule, person.identity) if rule else frozenset[str]()
        return await self._operations.submit(replace(form, terms=terms), person, approvers)

    async def _asker(self, person: Person, rule: Rule | None) -> Asker:
        """The person who asks, as approvers read of them; where Slack cannot say what a group is called, that is left out."""
        allowed_by = (rules.counted_by(rule.requesters, person) if rule is not None else None) or ""
        group = ""
        if rule is not None and allowed_by in rule.requesters.groups:
            with suppress(Fault):
                group = await self._directory.group_handle(allowed_by)
        return Asker(person.title, person.time_zone, allowed_by, group)

    async def _able_approvers(self, rule: Rule, requester: Identity) -> frozenset[str]:
        """People who could say yes: as many as the rule needs are enough to know. Raises Refusal where Slack cannot say."""
        try:
            return await self._able(rule, requester)
        except Fault:
            raise Refusal(CANNOT_SAY_OF_OTHERS, code="cannot_say", field="api") from None

    async def _able(self, rule: Rule, requester: Identity) -> frozenset[str]:
        able: set[str] = set()
        unknown: CannotSay | None = None
        if rule.approvals == 0:
            return frozenset()
        for user_id in sorted(await self._directory.members_of(rule.may_approve)):
            if user_id == requester.user_id:
                continue
            try:
                approver = await self._directory.person(user_id)
            except CannotSay as fault:
                if fault.retry_after is not None:  # of the others it would not say more
                    raise
                unknown = fault
                continue
            if members.refuse(approver, self._workspace) is None and not approver.is_same(requester):
                able.add(approver.identity.user_id)
            if len(able) >= rule.approvals:
                return frozenset(able)
        if unknown is not None:
            raise unknown
        return frozenset(able)


def decision_line(rule: Rule, requester: Identity, at_once: str = "you get the token right away") -> str:
    """A line of the form about who will decide."""
    if rule.approvals == 0:
        return f"No approval needed: {at_once}."
    who = wording.audience(rules.to_call(rule, requester), except_=requester)
    if rule.approvals == 1:
        return f"{who} needs to approve this."
    return f"{rule.approvals} approvals from {who} are needed."


def _extension_notes(held: Record, rule: Rule) -> tuple[str, ...]:
    """Notes on the token that is held, and on what becomes of it."""
    label, until = held.request.label, held.grant.until if held.grant else None
    plan = f", plan {inert(held.request.plan.name, 80)}" if len(held.request.rule.plans) > 1 else ""
    valid = f"is valid until {wording.date(until)}" if until else "doesn't expire"
    now = f"{inert(rule.title, 150)}{plan}: {label} {valid}."
    if rule.plan(held.request.plan.name) is not None:
        return now, "The token stays the same. Its new expiry counts from the approval."
    to = f" to {inert(rule.plans[0].name, 80)}" if len(rule.plans) == 1 else ""
    return now, f"The token stays the same. Its plan changes{to}, and its new expiry counts from the approval."


def _standing_note(record: Record) -> str:
    label, grant = record.request.label, record.grant
    if grant is None:
        return f"You already requested this, and it is waiting for a decision ({label})."
    if grant.until is None:
        return f"You already have a token for this that doesn't expire ({label})."
    return f"You already have a token for this, valid until {wording.date(grant.until)} ({label})."


def _lifetime(filled: request_form.Filled, rule: Rule | None) -> Any:
    if filled.lifetime_value is None and rule is not None:
        return rule.lifetimes[0]
    return request_form.read_lifetime(filled.lifetime_value or "")
