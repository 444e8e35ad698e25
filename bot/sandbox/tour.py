"""The page's tour through one request: Alice asks, Bob approves, Alice sees the token, Carol reads the audit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from bot.local.page.tour import Step, Tour
from bot.local.slack import Message, NotPossible, Person
from bot.local.slack.block_kit import element_slots
from bot.local.world import World
from bot.slack import buttons, modals

PACE = 0.7  # seconds between two acts: whoever watches is to see each of them
TITLE = "Payments"
REASON = "to test the new checkout"
FAREWELL = (
    "That was one request from end to end. Underneath shows what happened at Slack and Tyk. "
    "Its switches let time pass, take Tyk away and let people leave."
)


class Story:
    """The steps as the people of the sandbox do them. `pace` is the pause between two acts."""

    def __init__(self, world: World, command: str, pace: float = PACE) -> None:
        self._slack, self._tyk = world.slack, world.tyk
        self._command = command
        self._pace = pace

    def tour(self) -> Tour:
        return Tour(self._slack, self._steps(), FAREWELL)

    def _steps(self) -> Sequence[Step]:
        return (
            Step(
                "Ask as Alice",
                f"Alice needs a token for {TITLE}. As Alice, type {self._command}, pick {TITLE}, say why, and send the request.",
                "alice",
                "general",
                self._ask,
                self._is_asked,
            ),
            Step(
                "Approve as Bob",
                f"Bob leads {TITLE}. As Bob, read the card in #approvals and press Approve.",
                "bob",
                "approvals",
                self._approve,
                self._is_granted,
            ),
            Step(
                "See the token as Alice",
                "The bot makes a key at Tyk and sends the token to Alice alone, in her conversation with it.",
                "alice",
                "dm",
            ),
            Step(
                "Read the audit as Carol",
                "Carol audits. Each step is a line in #audit, and the token is in none of them.",
                "carol",
                "audit",
            ),
        )

    # --- Alice asks ---

    def _is_asked(self) -> bool:
        return any(one.bot_id for one in self._slack.workspace.posts["C0APPROVALS"])

    async def _ask(self) -> None:
        """Ends with the form closed, also where it was not taken."""
        alice = self._slack.person("alice")
        alice.reloads()
        outcome = await alice.runs(self._command)
        if outcome.error:
            raise NotPossible(f"the bot did not answer ({outcome.error}). Its standing is under Underneath, Switches")
        try:
            await self._fill(alice)
            sent = await alice.submits()
            await self._pause()
            await self._pause()
        finally:
            if alice.view is not None:
                await alice.closes(everything=True)
        if sent.errors or sent.banner:
            raise NotPossible(sent.banner or "; ".join(sent.errors.values()))

    async def _fill(self, alice: Person) -> None:
        await alice.sees_view(lambda view: modals.ACTION_API in _asked(view))
        await self._pause()
        await alice.picks(modals.ACTION_API, TITLE)
        view = await alice.sees_view(lambda view: modals.ACTION_REASON in _asked(view))
        for slot in element_slots(view["blocks"]):
            held = view["state"]["values"].get(slot.block_id, {}).get(slot.action_id, {}).get(slot.value_key or "value")
            if slot.is_input and not held and slot.options:
                await self._pause()
                await alice.picks((slot.block_id, slot.action_id), slot.options[0]["value"])
        await self._pause()
        await alice.types(modals.ACTION_REASON, REASON)
        await self._pause()

    # --- Bob approves ---

    def _is_granted(self) -> bool:
        payments = next(api.api_id for api in self._tyk.apis.values() if api.name == TITLE.lower())
        return any(payments in key.session["access_rights"] for key in self._tyk.keys)

    async def _approve(self) -> None:
        bob = self._slack.person("bob")
        card = await bob.sees(_can_be_approved, channel="approvals")
        await self._pause()
        await bob.clicks(buttons.APPROVE, card)
        await self._slack.changes.until(lambda: self._is_granted() or None, 10, "the key")

    async def _pause(self) -> None:
        await asyncio.sleep(self._pace)


def _asked(view: dict[str, Any]) -> set[str]:
    return {slot.action_id for slot in element_slots(view["blocks"])}


def _can_be_approved(message: Message) -> bool:
    return any(slot.action_id == buttons.APPROVE for slot in element_slots(message.blocks))
