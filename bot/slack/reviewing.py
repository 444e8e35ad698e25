"""Deciding with a form: approving less than was asked for, saying why, asking before it. Nothing is decided here."""

from __future__ import annotations

import secrets

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.core.model import Person, Record, Verdict
from bot.operations import Operations, Outcome
from bot.slack import buttons, deciding
from bot.slack.answering import Answering, Body


class Reviewing:
    """Forms about a request that waits, each from the click that opens it to the answer to what was sent."""

    def __init__(self, answering: Answering, operations: Operations) -> None:
        self._answering = answering
        self._operations = operations

    def register(self, app: AsyncApp) -> None:
        app.action(buttons.APPROVE_LESS)(self.on_approve_less)
        app.view(deciding.CALLBACK_APPROVE)(self.on_approved)
        app.action(buttons.ASK)(self.on_ask)
        app.view(deciding.CALLBACK_ASK)(self.on_asked)
        app.action(buttons.REPLY)(self.on_reply)
        app.view(deciding.CALLBACK_ANSWER)(self.on_answered)

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

    async def on_reply(self, ack: AsyncAck, body: Body, action: Body) -> None:
        request_id, _, question_id = action["value"].partition(":")

        async def allowed(request_id: str, person: Person) -> Record:
            return await self._operations.may_answer(request_id, question_id, person)

        await self._answering.open_form(
            ack, body, request_id, allowed, lambda one: deciding.answer_form(one, question_id)
        )

    async def on_answered(self, ack: AsyncAck, body: Body) -> None:
        async def answer(person: Person) -> Outcome:
            request_id, text, question_id = deciding.read_answer(body["view"])
            return await self._operations.answer(request_id, person, text, question_id)

        await self._answering.submitted(ack, body, "answer", "answer", answer)
