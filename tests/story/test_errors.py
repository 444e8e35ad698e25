"""A fault of the bot's own: whoever met it reads a fixed sentence with what to say in the help channel."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, event

from bot.local.slack import Person
from bot.sandbox.demos.reading import has_block
from bot.slack.requesting import REDRAWN
from tests.running import quiet
from tests.story import (
    another_token,
    asked,
    dies,
    granted,
    opens,
    opens_form,
    opens_list,
    sends_anything,
    status,
)
from tests.test_metrics import counts, value
from tests.world import World, living

WRONG = re.compile(
    r"Something went wrong here \(id [0-9a-f]{8}, R-1001\)\. Try again, or ask in <#C0HELP>\.",
)
WRONG_IN_A_FORM = re.compile(
    r"Something went wrong here \(id [0-9a-f]{8}(, R-1001)?\)\. Try again, or ask in the help channel\."
)


@asynccontextmanager
async def _database_fails(world: World, kind: str, *, reads: bool = True) -> AsyncIterator[None]:
    """Nothing can be written, nor read where it is not `reads`. What fails meanwhile is counted once, as of this `kind`.

    It begins when the worker is done: what is pressed would be stored together with what the worker has begun to store.
    """
    await quiet(world)

    def full(connection: Connection) -> None:
        if not reads or connection.get_execution_options().get("writes", True):
            raise sqlite3.OperationalError("database or disk is full")

    engine = world.running.store.engine
    event.listen(engine, "begin", full)
    try:
        with counts("listener_failures_total", kind=kind):
            yield
    finally:
        event.remove(engine, "begin", full)


async def _apology(person: Person, *, channel: str) -> None:
    """The sentence is there for this person alone, with the request's number."""
    message = await person.sees("Something went wrong here", channel=channel)
    assert WRONG.fullmatch(message.text), message.text
    assert message.ephemeral_to == person.id


async def test_a_click_on_the_card_that_fails(tmp_path: Path) -> None:
    """Bob's yes is not stored: he alone reads the id and the number, and pressing again approves."""
    async with living(tmp_path) as world:
        bob, shown = world.person("bob"), await asked(world)
        async with _database_fails(world, "listener"):
            await bob.clicks("Approve", shown)
            await _apology(bob, channel="approvals")
        assert not [one for one in world.person("carol").messages("approvals") if "went wrong" in one.text]
        assert "reviewed" not in await world.events()
        await bob.clicks("Approve", shown)
        assert opens(world, await world.token_of("alice"))
        assert world.slack.app_errors == []


async def test_a_click_in_the_direct_message_that_fails(tmp_path: Path) -> None:
    """Alice's Revoke is not stored: she reads the id, the number and where to ask, and her token works on."""
    async with living(tmp_path) as world:
        alice, token = world.person("alice"), await granted(world)
        active = await status(world, "alice", "Active until")
        async with _database_fails(world, "listener"):
            answered = value("answer_seconds_count", kind="click")
            await alice.clicks("Revoke", active)
            await _apology(alice, channel="dm")
            assert value("answer_seconds_count", kind="click") > answered
        assert opens(world, token)
        await alice.clicks("Revoke", active)
        await dies(world, token)
        assert world.slack.app_errors == []


async def test_a_click_in_the_list_that_fails(tmp_path: Path) -> None:
    """There is no message to answer on: Alice finds the sentence in her direct message."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await asked(world)
        await opens_list(alice)
        async with _database_fails(world, "listener"):
            await alice.clicks("Withdraw")
            message = await alice.sees("Something went wrong here", channel="dm")
        assert WRONG.fullmatch(message.text), message.text
        await alice.clicks("Withdraw")
        await world.told("withdrawn")
        assert world.slack.app_errors == []


async def test_a_yes_that_is_stored_is_called_so(tmp_path: Path) -> None:
    """Bob approves in his list, and what would show him so fails: he reads that it is stored, and pressing again adds nothing."""
    async with living(tmp_path) as world:
        bob = world.person("bob")
        await asked(world)
        await opens_list(bob)
        await quiet(world)
        stored = list[bool]()

        def fails(_: Connection) -> None:
            if stored and threading.current_thread().name.startswith("store-people"):  # which show him his list
                raise sqlite3.OperationalError("disk I/O error")

        engine = world.running.store.engine
        event.listen(engine, "commit", lambda _: stored.append(True))
        event.listen(engine, "begin", fails)
        with counts("listener_failures_total", kind="background"):
            await bob.clicks("Approve")
            said = await bob.sees("What you did is stored", channel="dm")
        event.remove(engine, "begin", fails)
        assert said.text == "What you did is stored (R-1001). What you see here may be out of date."
        await world.told("approved")
        await bob.clicks("Approve")
        await bob.sees_view("R-1001 was approved by")
        assert (await world.events()).count("reviewed") == 1
        assert world.slack.app_errors == []


async def test_a_form_that_fails_says_so_on_the_spot(tmp_path: Path) -> None:
    """What Alice typed stays, with the id above it; sent again, it is one request."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await opens_form(alice)
        world.slack.faults.next("views.update", lose_request=True)
        await alice.picks("api", "payments")
        async with _database_fails(world, "form", reads=False):
            assert (await alice.submits()).errors == {"api": REDRAWN}, "the form for Payments cannot be drawn either"
        assert (await alice.submits()).response_action == "update"
        await alice.sees_view(lambda view: has_block(view, "about:payments"))
        await alice.picks("plan", "standard")
        await alice.types("reason", "to build the checkout")
        async with _database_fails(world, "submission"):
            outcome = await alice.submits()
        assert WRONG_IN_A_FORM.fullmatch(outcome.errors["api"]), outcome.errors
        assert (await alice.submits()).response_action == "update"
        await alice.sees_view("R-1001")
        assert (await world.events()).count("asked") == 1
        assert world.slack.app_errors == []


@pytest.mark.parametrize("form", ["deny", "revoke", "replace"])
async def test_the_other_forms_that_fail_say_so_on_the_spot(tmp_path: Path, form: str) -> None:
    """The form stays as it is, names the request in what it says, and can be sent again."""
    async with living(tmp_path) as world:
        field = "loss" if form == "replace" else "reason"
        if form == "deny":
            person, shown = world.person("bob"), await asked(world)
            await person.clicks("Deny", shown)
        elif form == "revoke":
            token = await granted(world)
            person = world.person("bob")
            await person.clicks("Revoke", await person.sees("Access until", channel="approvals"))
        else:
            token = await granted(world)
            person = world.person("alice")
            await person.clicks("Replace token", await status(world, "alice", "Replace token"))
        await person.sees_view(lambda view: view["submit"] is not None)
        if field == "reason":
            await person.types("reason", "not this week")
        async with _database_fails(world, "submission"):
            outcome = await person.submits()
        said = outcome.errors[field]
        assert WRONG_IN_A_FORM.fullmatch(said), outcome.errors
        assert "R-1001" in said
        assert (await person.submits()).response_action == "close"
        await world.told({"deny": "denied", "revoke": "revoked", "replace": "replaced"}[form])
        if form == "replace":
            await another_token(world, "alice", token)
        assert world.slack.app_errors == []


@pytest.mark.parametrize("form", ["deny", "revoke"])
async def test_a_reason_for_others_that_is_too_long_or_cannot_be_seen(tmp_path: Path, form: str) -> None:
    """Bob is told at the reason what is wrong with it, and nothing is decided until he gives one that can be read."""
    async with living(tmp_path) as world:
        bob = world.person("bob")
        if form == "deny":
            await bob.clicks("Deny", await asked(world))
        else:
            await granted(world)
            await bob.clicks("Revoke", await bob.sees("Access until", channel="approvals"))
        await bob.sees_view(lambda view: view["submit"] is not None)
        await bob.types("reason", "z")
        window = world.slack.workspace.stacks[bob.id][-1]
        sends_anything(window, "reason", "x" * 501)
        said = {"reason": "Your reason has 501 characters; 500 fit. Shorten it."}
        assert (await bob.submits()).errors == said
        await bob.types("reason", "\u200b\u3164")
        assert "Say why" in (await bob.submits()).errors["reason"]
        await bob.types("reason", "not\x00 this\u202e week")
        assert (await bob.submits()).response_action == "close"
        event = {"deny": "denied", "revoke": "revoked"}[form]
        await world.told(event)
        (entry,) = [one for one in await world.trail() if one.event.value == event]
        assert entry.details["reason" if form == "deny" else "why"] == "not this week"
