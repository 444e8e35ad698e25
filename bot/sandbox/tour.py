"""The page's tour through one request: Alice asks, Bob approves, Alice sees the token, Carol reads the audit; or whoever may."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from bot.config import Config
from bot.local.page.tour import Step, Tour
from bot.local.slack import Message, NotPossible, Person, User
from bot.local.slack.block_kit import element_slots
from bot.local.world import World
from bot.sandbox.roles import NOBODY, Roles, roles
from bot.slack import buttons, modals, request_form

PACE = 0.7  # seconds between two acts: whoever watches is to see each of them
REASON = "to test the new checkout"
FAREWELL = (
    "That was one request from end to end. Underneath shows what happened at Slack and Tyk. "
    "Its switches let time pass, take Tyk away and let people leave."
)


def tour(world: World, config: Config) -> Tour:
    """The steps for the people who are there, or the sentence that says why there are none."""
    found = roles(config, world.slack.workspace)
    if found is None:
        return Tour(world.slack, (), NOBODY)
    return Tour(world.slack, tuple(Story(world, config.slack.command, found).steps()), FAREWELL)


class Story:
    """The steps as the people of the sandbox do them. `pace` is the pause between two acts."""

    def __init__(self, world: World, command: str, cast: Roles, pace: float = PACE) -> None:
        self._slack, self._tyk = world.slack, world.tyk
        self._command = command
        self._cast = cast
        self._pace = pace

    def steps(self) -> Iterator[Step]:
        cast, asker, title = self._cast, _first_name(self._cast.asker), self._cast.rule.title
        typing, deciding = cast.rooms
        yield Step(
            f"Ask as {asker}",
            f"{asker} needs a token for {title}. As {asker}, type {self._command}, pick {title}, say why, and send the request.",
            cast.asker.name,
            typing,
            self._ask,
            self._is_asked,
        )
        for number, user in enumerate(cast.approvers, start=1):
            yield self._approval(number, user, deciding)
        yield Step(
            f"See the token as {asker}",
            f"The bot makes a key at Tyk and sends the token to {asker} alone, in a direct message.",
            cast.asker.name,
            "dm",
        )
        if cast.auditor is not None:
            auditor, room = cast.auditor
            yield Step(
                f"Read the audit as {_first_name(auditor)}",
                f"{_first_name(auditor)} reads #{room}. Each step is a line there, and the token is in none of them.",
                auditor.name,
                room,
            )

    def _approval(self, number: int, user: User, room: str) -> Step:
        async def does() -> None:
            await self._approve(user, number)

        name = _first_name(user)
        return Step(
            f"Approve as {name}",
            f"{name} may approve {self._cast.rule.title}. As {name}, read the card in #{room} and press Approve.",
            user.name,
            room,
            does,
            lambda: self._is_approved(number),
        )

    # --- the request ---

    def _is_asked(self) -> bool:
        if not self._cast.approvers:
            return self._is_granted()
        return any(one.bot_id for one in self._slack.workspace.posts[self._cast.rule.approvals_channel])

    async def _ask(self) -> None:
        """Ends with the form closed, also where it was not taken."""
        asker = self._slack.person(self._cast.asker.name)
        asker.reloads()
        outcome = await asker.runs(self._command, channel=self._cast.rooms[0])
        if outcome.error:
            raise NotPossible(f"the bot did not answer ({outcome.error}). Its standing is under Underneath, Switches")
        try:
            await self._fill(asker)
            sent = await asker.submits()
            await self._pause()
            await self._pause()
        finally:
            if asker.view is not None:
                await asker.closes(everything=True)
        if sent.errors or sent.banner:
            raise NotPossible(sent.banner or "; ".join(sent.errors.values()))
        await self._slack.changes.until(lambda: self._is_asked() or None, 10, "the request")

    async def _fill(self, asker: Person) -> None:
        if request_form.ACTION_API in _asked(await asker.sees_view(lambda view: bool(_asked(view)))):
            await self._pause()
            await asker.picks(request_form.ACTION_API, self._cast.rule.name)
        view = await asker.sees_view(lambda view: modals.ACTION_REASON in _asked(view))
        for slot in element_slots(view["blocks"]):
            held = view["state"]["values"].get(slot.block_id, {}).get(slot.action_id, {}).get(slot.value_key or "value")
            if slot.is_input and not held and slot.options:
                await self._pause()
                await asker.picks((slot.block_id, slot.action_id), slot.options[0]["value"])
        await self._pause()
        await asker.types(modals.ACTION_REASON, REASON)
        await self._pause()

    # --- the approvals ---

    def _is_granted(self) -> bool:
        api_id = self._cast.rule.api.api_id
        return any(api_id in key.session["access_rights"] for key in self._tyk.keys)

    def _is_approved(self, number: int) -> bool:
        """So many have approved."""
        if number >= len(self._cast.approvers):
            return self._is_granted()
        said = tuple(
            f"{have} of {len(self._cast.approvers)} approvals" for have in range(number, len(self._cast.approvers))
        )
        cards = self._slack.workspace.posts[self._cast.rule.approvals_channel]
        return self._is_granted() or any(one in card.text for card in cards for one in said)

    async def _approve(self, user: User, number: int) -> None:
        approver = self._slack.person(user.name)
        card = await approver.sees(_can_be_approved, channel=self._cast.rooms[1])
        await self._pause()
        await approver.clicks(buttons.APPROVE, card)
        await self._slack.changes.until(lambda: self._is_approved(number) or None, 10, "the approval")

    async def _pause(self) -> None:
        await asyncio.sleep(self._pace)


def _first_name(user: User) -> str:
    return user.real_name.partition(" ")[0] or user.name


def _asked(view: dict[str, Any]) -> set[str]:
    return {slot.action_id for slot in element_slots(view["blocks"])}


def _can_be_approved(message: Message) -> bool:
    return any(slot.action_id == buttons.APPROVE for slot in element_slots(message.blocks))
