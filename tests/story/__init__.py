"""The issue's sentences as conversations of named people with the bot, and what these conversations have in common."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from bot.playground.reading import has_block
from bot.sandbox.slack import Message, Person
from bot.sandbox.slack.workspace import texts_in
from bot.store.store import AuditEntry
from tests.world import WITHIN, World

View = dict[str, Any]

REASON = "to build the checkout"


def reads(view: View | None) -> str:
    """All that a person reads in a modal."""
    return "" if view is None else "\n".join(texts_in([view.get("title") or {}, view["blocks"]]))


def options(view: View, block_id: str) -> list[str]:
    """The values on offer in a select or a radio group."""
    block = next(one for one in view["blocks"] if one.get("block_id") == block_id)
    return [option["value"] for option in block["element"].get("options", [])]


def everything(message: Message) -> str:
    """The whole message as it goes over the wire."""
    return json.dumps(message.as_json(), ensure_ascii=False)


async def opens_form(person: Person) -> View:
    await person.runs("/tyk-key")
    return await person.sees_view(lambda view: has_block(view, "api"))


async def picks_api(person: Person, api: str) -> View:
    """The form, drawn for this API."""
    await person.picks("api", api)
    return await person.sees_view(lambda view: has_block(view, f"about:{api}"))


async def card(world: World, who: str = "bob", *, containing: str = "R-1001") -> Message:
    """The card in the approvers' channel, with its buttons."""
    return await world.person(who).sees(
        lambda one: "Approve" in one.labels and containing in one.shown, channel="approvals", timeout=WITHIN
    )


async def becomes(person: Person, message: Message, wanted: Callable[[Message], bool] | str) -> Message:
    """This very message, once it says so."""

    def fits(one: Message) -> bool:
        return one.ts == message.ts and (wanted in one.shown if isinstance(wanted, str) else wanted(one))

    return await person.sees(fits, channel=message.channel, timeout=WITHIN)


async def status(world: World, who: str, wanted: str, number: str = "R-1001") -> Message:
    """The requester's own message about the request, once it says so."""
    return await world.person(who).sees(
        lambda one: one.shown.startswith(f"{number} · ") and wanted in one.shown, channel="dm", timeout=WITHIN
    )


async def denies(world: World, who: str, message: Message, reason: str) -> None:
    person = world.person(who)
    await person.clicks("Deny", message)
    await person.sees_view("Deny R-")
    await person.types("reason", reason)
    await person.submits()


async def heard(world: World) -> None:
    """Wait until the bot has taken every event of the workspace's."""
    journal = world.slack.journal

    def all_taken() -> bool | None:
        taken = [one for one in journal.of("ack") if one.name == "events_api"]
        return True if len(taken) >= len(journal.of("event")) else None

    await world.slack.changes.until(all_taken, WITHIN, "the bot's answer to each event")


async def of_event(world: World, event: str) -> list[AuditEntry]:
    return [entry for entry in await world.trail() if entry.event.value == event]
