"""The issue's sentences as conversations of named people with the bot, and what these conversations have in common."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from bot.core.audit import AuditEntry
from bot.core.lifecycle import PROBATION
from bot.local.slack import LocalSlack, Message, Person
from bot.local.slack.objects import View as Window
from bot.local.slack.objects import texts_in
from bot.local.tyk import LocalTyk
from bot.sandbox.demos.reading import has_block, token_in
from tests.world import WITHIN, World

View = dict[str, Any]

REASON = "to build the checkout"
LIST = "Requests and tokens"
DECIDE = ["Approve", "Deny", "Approve with changes", "Ask a question"]
"""The buttons with which a request is decided."""


def reads(view: View | None) -> str:
    """All that a person reads in a modal."""
    return "" if view is None else "\n".join(texts_in([view.get("title") or {}, view["blocks"]]))


def sends_anything(window: Window, block_id: str, typed: str) -> None:
    """A window that no Slack of today draws: what is in it is sent, however long."""
    element = next(one["element"] for one in window.blocks if one.get("block_id") == block_id)
    element["max_length"] = max(len(typed), 1)
    window.state[block_id][element["action_id"]]["value"] = typed


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


async def fills_in(person: Person) -> None:
    """The form for Payments, filled in and not sent yet."""
    await opens_form(person)
    await picks_api(person, "payments")
    await person.picks("plan", "standard")
    await person.types("reason", REASON)


async def card(world: World, who: str = "bob", *, containing: str = "R-1001") -> Message:
    """The card in the approvers' channel, with its buttons. Another one may name the number among what somebody has."""
    if containing.startswith("R-"):
        containing = f"· {containing}"
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
        lambda one: f"\n{number} · " in one.shown and wanted in one.shown, channel="dm", timeout=WITHIN
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


def hears_only(world: World, kind: str) -> None:
    """Slack tells of a change in several events; the bot gets those of this kind alone."""
    passed_on = world.slack.workspace.on_event
    world.slack.workspace.on_event = lambda event: passed_on(event) if event["type"] == kind else None


# --- the bad day ------------------------------------------------------------------------------------------------------


async def asked(world: World, who: str = "alice", api: str = "payments", **more: str) -> Message:
    """A request that waits for its approvers: its card. The modal that said its number is closed."""
    plan = {"plan": "standard"} if api == "payments" else {}
    outcome = await world.asks(who, api, **plan, **more)
    assert outcome.response_action == "update", outcome
    number = re.search(r"R-\d+", reads(world.person(who).view))
    assert number is not None
    await world.person(who).closes()
    return await card(world, "carol", containing=number[0])


async def granted(world: World, who: str = "alice", *, by: str = "bob", **more: str) -> str:
    """A token for Payments, approved and delivered, and its message not yet gone."""
    had = tokens(world.person(who))
    times = (await world.events()).count("sent") + 1
    await world.person(by).clicks("Approve", await asked(world, who, **more))
    token = await another_token(world, who, *had)
    await world.told("sent", times=times)
    return token


def tokens(person: Person) -> list[str]:
    """Those on show in this person's direct message."""
    return [token for message in person.dm() if (token := token_in(message)) is not None]


async def another_token(world: World, who: str, *known: str) -> str:
    """The token on show that is none of these, once it is there."""
    message = await world.person(who).sees(
        lambda one: token_in(one) not in (None, *known), channel="dm", timeout=WITHIN
    )
    token = token_in(message)
    assert token is not None
    return token


def opens(world: World, token: str) -> bool:
    """Whether Tyk's gateway lets this token through to Payments."""
    return bool(world.tyk.opens(token, "/payments/")[0] == 200)


def lasting(world: World) -> list[str]:
    """The tokens that open something a quarter of an hour from now, when whatever nobody was shown is dead."""
    now = time.time() + sum(length.total_seconds() for length in world.later)
    return [key.token for key in world.tyk.usable_keys(now + (PROBATION + timedelta(minutes=1)).total_seconds())]


def rung_by(world: World, message: Message) -> set[str]:
    """Whose phones this message made ring."""
    place = world.slack.workspace
    rings = [ring for ring in place.rings if (ring.channel, ring.ts) == (message.channel, message.ts)]
    return {place.users[ring.user].name for ring in rings}


async def dies(world: World, token: str) -> None:
    """Wait until the token opens nothing, ten seconds after its key was deleted, and is on nobody's screen any more."""
    times = (await world.events()).count("key deleted")
    world.tyk.forget_sessions()
    while opens(world, token):
        times += 1
        await world.told("key deleted", times=times)
        world.tyk.forget_sessions()
    for name in ("alice", "bob", "carol", "dave"):
        person = world.person(name)
        for message in person.messages():
            if token in everything(message):
                await person.sees_gone(message, timeout=WITHIN)


async def revokes(world: World, who: str, message: Message, reason: str) -> None:
    """Somebody other than the holder presses Revoke, and says why."""
    person = world.person(who)
    await person.clicks("Revoke", message)
    await person.sees_view("Revoke R-")
    await person.types("reason", reason)
    assert (await person.submits()).response_action == "close"


async def replaces(world: World, who: str, loss: str, message: Message | None = None) -> None:
    """The holder presses Replace token, in their status message, and says what happened."""
    person = world.person(who)
    await person.clicks("Replace token", message or await status(world, who, "Replace token"))
    await person.sees_view("What happened?")
    await person.picks("loss", loss)
    assert (await person.submits()).response_action == "close"


async def opens_list(person: Person) -> View:
    """The list of what this person asked for and holds."""
    await person.runs("/tyk-key", "list")
    return await person.sees_view(lambda view: LIST in reads(view) and "Looking up" not in reads(view))


async def lists(person: Person, wanted: str) -> View:
    """The list that is open, once it says so."""
    return await person.sees_view(lambda view: LIST in reads(view) and wanted in reads(view))


def labels(view: View | None) -> list[str]:
    """The buttons of a modal, in the order of reading."""
    blocks = view["blocks"] if view else []
    elements = [one for block in blocks if block["type"] == "actions" for one in block["elements"]]
    return [element["text"]["text"] for element in elements]


async def is_told(person: Person, sentence: str, title: str | None = None) -> None:
    """A small modal says so, and is closed."""
    assert sentence in reads(await person.sees_view(title or sentence))
    await person.closes()


async def in_thread(world: World, message: Message, wanted: str, who: str = "carol") -> Message:
    """A reply under this message that says so."""
    return await world.person(who).sees(
        lambda one: one.is_reply and one.thread_ts == message.ts and wanted in one.shown,
        channel=message.channel,
        timeout=WITHIN,
    )


async def case(world: World, wanted: str, who: str = "carol") -> Message:
    """The question to the approvers about what somebody holds, once it says so and has its buttons."""
    return await world.person(who).sees(
        lambda one: wanted in one.shown and "Revoke" in one.labels and "Approved by" in one.shown,
        channel="approvals",
        timeout=WITHIN,
    )


def with_bystander(slack: LocalSlack, _tyk: LocalTyk) -> None:
    """Erin reads the approvers' channel and may decide nothing."""
    slack.workspace.add_user("erin")
    slack.workspace.channel("approvals").members.append("U0ERIN")
