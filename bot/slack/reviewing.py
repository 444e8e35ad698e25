"""The clicks and forms of approvers: approve, deny, ask, revoke, keep. Nothing is decided here."""

from __future__ import annotations

import secrets

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.core.model import Person, Record, Verdict
from bot.operations import Operations, Outcome
from bot.slack import buttons, card, deciding
from bot.slack.answering import Answering, Body


class Reviewing:
    """Each from the click to the answer, with the form that it opens, if it does."""

    def __init__(self, answering: Answering, operations: Operations) -> None:
        self._answering = answering
        self._operations = operations

    def register(self, app: AsyncApp) -> None:
        app.action(buttons.APPROVE)(self.on_approve)
        app.action(buttons.DENY)(self.on_deny)
        app.view(deciding.CALLBACK_DENY)(self.on_deny_reason)
        app.action(buttons.REVOKE_ASK)(self.on_revoke_ask)
        app.view(deciding.CALLBACK_REVOKE)(self.on_revoke_reason)
        app.action(buttons.RENEW)(self.on_renew)
        app.action(buttons.DETAILS)(self.on_details)
        app.action(buttons.APPROVE_LESS)(self.on_approve_less)
        app.view(deciding.CALLBACK_APPROVE)(self.on_approved)
        app.action(buttons.ASK)(self.on_ask)
        app.view(deciding.CALLBACK_ASK)(self.on_asked)

    async def on_approve(self, ack: AsyncAck, body: Body, action: Body) -> None:
        async def approve(person: Person) -> Outcome:
            approvers = await self._answering.approvers(action["value"])
            return await self._operations.review(action["value"], person, Verdict.YES, "", approvers)

        await self._answering.click(ack, body, action["value"], approve)

    async def on_deny(self, ack: AsyncAck, body: Body, action: Body) -> None:
        """A no needs a reason: the form for it opens only for those who may say no."""
        await self._answering.open_form(ack, body, action["value"], self._operations.may_review, deciding.deny_form)

    async def on_deny_reason(self, ack: AsyncAck, body: Body) -> None:
        async def deny(person: Person) -> Outcome:
            request_id, reason = deciding.read_reason(body["view"])
            return await self._operations.review(request_id, person, Verdict.NO, reason, ())

        await self._answering.submitted(ack, body, "deny", "reason", deny)

    async def on_details(self, ack: AsyncAck, body: Body, action: Body) -> None:
        """All that a decided card no longer says, for whoever sees the card."""

        async def seen(request_id: str, _who: Person) -> Record:
            return await self._operations.look(request_id)

        await self._answering.open_form(ack, body, action["value"], seen, card.details)

    async def on_renew(self, ack: AsyncAck, body: Body, action: Body) -> None:
        await self._answering.click(
            ack, body, action["value"], lambda who: self._operations.renew(action["value"], who)
        )

    async def on_revoke_ask(self, ack: AsyncAck, body: Body, action: Body) -> None:
        """Whoever ends what another holds says why: the form for it opens only for those who may."""
        await self._answering.open_form(ack, body, action["value"], self._operations.may_revoke, deciding.revoke_form)

    async def on_revoke_reason(self, ack: AsyncAck, body: Body) -> None:
        async def revoke(person: Person) -> Outcome:
            request_id, reason = deciding.read_reason(body["view"])
            return await self._operations.revoke(request_id, person, reason)

        await self._answering.submitted(ack, body, "revoke", "reason", revoke)

    async def on_approve_less(self, ack: AsyncAck, body: Body, action: Body) -> None:
        """The form for a yes to less opens only for those who may say yes."""
        await self._answering.open_form(
            ack,
            body,
            action["value"],
            self._operations.may_review,
            lambda record: deciding.approve_form(record, self._operations.choices(record)),
        )

    async def on_approved(self, ack: AsyncAck, body: Body) -> None:
        async def approve(person: Person) -> Outcome:
            request_id, choice, reason = deciding.read_approve(body["view"])
            approvers = await self._answering.approvers(request_id)
            return await self._operations.review(request_id, person, Verdict.YES, reason, approvers, choice)

        await self._answering.submitted(ack, body, "approve", "lifetime", approve)

    async def on_ask(self, ack: AsyncAck, body: Body, action: Body) -> None:
        """The form for a question opens only for those who may decide."""
        question_id = secrets.token_urlsafe(16)
        await self._answering.open_form(
            ack, body, action["value"], self._operations.may_review, lambda one: deciding.ask_form(one, question_id)
        )

    async def on_asked(self, ack: AsyncAck, body: Body) -> None:
        async def ask(person: Person) -> Outcome:
            request_id, text, question_id = deciding.read_question(body["view"])
            return await self._operations.ask(request_id, person, text, question_id)

        await self._answering.submitted(ack, body, "ask", "question", ask)
