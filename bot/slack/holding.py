"""The clicks and forms of requesters and holders: withdraw, reply, save, replace, revoke their own. Nothing is decided here."""

from __future__ import annotations

import secrets

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.core.model import Person, Record
from bot.operations import Operations, Outcome
from bot.slack import buttons, deciding, modals
from bot.slack.answering import Answering, Body, Where
from bot.slack.snippets import SNIPPETS


class Holding:
    """Each from the click to the answer, with the form that it opens, if it does."""

    def __init__(self, answering: Answering, operations: Operations) -> None:
        self._answering = answering
        self._operations = operations

    def register(self, app: AsyncApp) -> None:
        app.action(buttons.WITHDRAW)(self.on_withdraw)
        app.action(buttons.REVOKE)(self.on_revoke)
        app.action(buttons.REPLACE)(self.on_replace_ask)
        app.view(deciding.CALLBACK_REPLACE)(self.on_replace)
        app.action(buttons.IN_USE)(self.on_in_use)
        app.action(buttons.TOKEN_SAVED)(self.on_token_saved)
        app.action(buttons.SNIPPET)(self.on_snippet)
        app.action(buttons.REPLY)(self.on_reply)
        app.view(deciding.CALLBACK_ANSWER)(self.on_answered)

    async def on_withdraw(self, ack: AsyncAck, body: Body, action: Body) -> None:
        await self._answering.click(
            ack, body, action["value"], lambda who: self._operations.withdraw(action["value"], who)
        )

    async def on_in_use(self, ack: AsyncAck, body: Body, action: Body) -> None:
        await self._answering.click(
            ack, body, action["value"], lambda who: self._operations.in_use(action["value"], who)
        )

    async def on_revoke(self, ack: AsyncAck, body: Body, action: Body) -> None:
        async def revoke(person: Person) -> Outcome:
            return await self._operations.revoke(action["value"], person, "")

        await self._answering.click(ack, body, action["value"], revoke)

    async def on_replace_ask(self, ack: AsyncAck, body: Body, action: Body) -> None:
        form_id = secrets.token_urlsafe(16)
        await self._answering.open_form(
            ack, body, action["value"], self._operations.may_replace, lambda one: deciding.replace_form(one, form_id)
        )

    async def on_replace(self, ack: AsyncAck, body: Body) -> None:
        async def replace_token(person: Person) -> Outcome:
            request_id, loss, form_id = deciding.read_replace(body["view"])
            return await self._operations.replace_token(request_id, person, loss, form_id)

        await self._answering.submitted(ack, body, "replace", "loss", replace_token)

    async def on_token_saved(self, ack: AsyncAck, body: Body, action: Body) -> None:
        request_id, _, key_id = action["value"].partition(":")
        await self._answering.click(ack, body, request_id, lambda who: self._operations.hide(request_id, key_id, who))

    async def on_snippet(self, ack: AsyncAck, body: Body, action: Body) -> None:
        name, _, request_id = action["selected_option"]["value"].partition(":")
        snippet = SNIPPETS.get(name)
        if snippet is None:
            await ack()
            await self._answering.notice(Where.of(body), "Out of date", self._answering.out_of_date("button"))
            return
        await self._answering.open_form(
            ack, body, request_id, self._operations.of_requester, lambda one: modals.snippet(one, snippet)
        )

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
