"""Slack in trouble: what it refuses, loses, delivers twice or cuts off changes nothing of how a story ends."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.demos.reading import token_in
from tests.faults import ends_as_ever, saves_token
from tests.log import Log, failures, lines
from tests.story import becomes, card, denies, everything, heard, of_event, status
from tests.world import WITHIN, living


def first_time() -> Callable[[dict[str, Any]], bool]:
    """Fits each post, each message's first edit and deletion, and a token's first showing, once each."""
    met: set[tuple[object, ...]] = set()

    def fits(args: dict[str, Any]) -> bool:
        call = (args["channel"], args.get("ts") or args["text"].split("\n")[0], "blocks" in args, holds_token(args))
        if call in met:
            return False
        met.add(call)
        return True

    return fits


def holds_token(args: dict[str, Any]) -> bool:
    return "rich_text_preformatted" in json.dumps(args)


# --- calls that Slack refuses or loses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        pytest.param({"status": 429, "retry_after": 1}, "ratelimited", id="429"),
        pytest.param({"status": 500}, "http_500", id="500"),
        pytest.param({"lose_request": True}, "connection_lost", id="request lost"),
        pytest.param({"lose_answer": True}, "connection_lost", id="answer lost"),
    ],
)
async def test_every_message_fails_once(tmp_path: Path, log: Log, trouble: dict[str, Any], code: str) -> None:
    """Each post, each edit and each deletion fails the first time, and the story ends as ever with one token shown."""
    async with living(tmp_path) as world:
        for method in ("chat.postMessage", "chat.update", "chat.delete"):
            world.slack.faults.next(method, **trouble, times=None, when=first_time())
        await world.asks("alice", "payments", plan="standard")
        shown = await card(world)
        await world.person("bob").clicks("Approve", shown)
        token = await world.token_of("alice")
        assert len([one for one in world.person("alice").dm() if token in everything(one)]) == 1
        await saves_token(world)
        await ends_as_ever(world, token)
        calls = {method: world.slack.journal.calls(method) for method in ("chat.update", "chat.delete")}
        assert all(len(made) >= 2 for made in calls.values()), "each of them was in trouble"
        for kind in ("post_audit", "post_message", "show_message", "deliver_token", "hide_token"):
            assert set(failures(log, kind)) == {code}
        assert token not in str(log)
        assert not lines(log, log_level="error"), "what Slack does wrong is no error of ours"


async def test_retry_after_is_obeyed(tmp_path: Path, log: Log) -> None:
    """Where Slack asks for two seconds, no message is posted to that person before they are over."""
    async with living(tmp_path) as world:
        alice = world.person("alice").id
        world.slack.faults.next(
            "chat.postMessage", status=429, retry_after=2, when=lambda args: args["channel"] == alice
        )
        await world.asks("alice", "payments", plan="standard")
        await status(world, "alice", "")
        refused, taken = [one for one in world.slack.journal.calls("chat.postMessage") if one.args["channel"] == alice][
            :2
        ]
        assert (refused.data["status"], taken.data["status"]) == (429, 200)
        assert taken.at - refused.at >= 2
        assert failures(log, "post_message") == ["ratelimited"]


async def test_the_bot_is_not_in_the_approvers_channel(tmp_path: Path, log: Log) -> None:
    """The card cannot be posted for a while; once the bot is let in again it comes, and the request goes on."""
    async with living(tmp_path) as world:
        members = world.slack.workspace.channel("approvals").members
        members.remove(world.slack.workspace.bot_user)
        await world.asks("alice", "payments", plan="standard")
        await world.slack.changes.until(
            lambda: next((True for one in world.slack.journal.calls() if one.error == "not_in_channel"), None),
            WITHIN,
            "the refused card",
        )
        members.append(world.slack.workspace.bot_user)
        await world.person("bob").clicks("Approve", await card(world))
        token = await world.token_of("alice")
        await saves_token(world)
        await ends_as_ever(world, token)
        assert set(failures(log, "post_message")) == {"not_in_channel"}
        assert lines(log, error="not_in_channel")[0]["request"] == "R-1001"


async def test_a_card_that_somebody_deleted(tmp_path: Path, log: Log) -> None:
    """Nothing that it should have said is tried a second time, and the token comes all the same."""
    async with living(tmp_path) as world:
        await world.asks("alice", "payments", plan="standard")
        shown = await card(world)
        world.slack.faults.next(
            "chat.update",
            error="message_not_found",
            times=None,
            when=lambda args: (args["channel"], args["ts"]) == (shown.channel, shown.ts),
        )
        await world.person("bob").clicks("Approve", shown)
        token = await world.token_of("alice")
        await saves_token(world)
        await ends_as_ever(world, token)
        gone = [json.dumps(one.args) for one in world.slack.journal.calls("chat.update") if not one.ok]
        assert len(gone) == len(set(gone)) >= 1
        assert lines(log, event="effect", kind="show_message", fact="MessageGone", request="R-1001")


async def test_a_token_message_that_somebody_deleted(tmp_path: Path, log: Log) -> None:
    """A new one is posted, the token is in it alone, and it goes like any other."""
    async with living(tmp_path) as world:
        world.slack.faults.next("chat.update", error="message_not_found", when=holds_token)
        await world.asks("alice", "payments", plan="standard")
        await world.person("bob").clicks("Approve", await card(world))
        token = await world.token_of("alice")
        edits = [one for one in world.slack.journal.calls("chat.update") if holds_token(one.args)]
        assert [one.ok for one in edits] == [False, True]
        assert edits[0].args["ts"] != edits[1].args["ts"]
        assert len(lines(log, event="effect", kind="deliver_token", fact="MessageGone")) == 1
        await saves_token(world)
        await ends_as_ever(world, token)


# --- people who are not there any more --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["chat.postMessage", "chat.update"])
async def test_nobody_at_the_direct_message(tmp_path: Path, log: Log, method: str) -> None:
    """Slack says user_disabled at the announcement or at the token: the grant ends, the audit says why, no key is left."""
    async with living(tmp_path) as world:
        await world.asks("alice", "payments", plan="standard")
        shown = await card(world)
        await status(world, "alice", "")
        dm = world.slack.workspace.dm(world.person("alice").id).id
        world.slack.faults.next(
            method,
            error="user_disabled",
            latency=0.5,
            times=None,
            when=lambda args: args["channel"] == dm and (method == "chat.postMessage" or holds_token(args)),
        )
        await world.person("bob").clicks("Approve", shown)
        await world.told("key deleted")
        assert [entry.details["why"] for entry in await of_event(world, "revoked")] == ["user_disabled"]
        assert world.tyk.usable_keys() == []
        assert not any(holds_token(one.as_json()) for one in world.person("alice").dm())
        await becomes(world.person("bob"), shown, lambda one: "Approve" not in one.labels)
        assert lines(log, event="effect", fact="Unreachable", why="user_disabled", request="R-1001")


async def test_nobody_at_the_status_message(tmp_path: Path, log: Log) -> None:
    """Slack says user_disabled before anybody has decided: nothing was granted, so the audit says nothing of a revocation."""
    async with living(tmp_path) as world:
        alice = world.person("alice").id
        world.slack.faults.next(
            "chat.postMessage", error="user_disabled", times=None, when=lambda args: args["channel"] == alice
        )
        await world.asks("alice", "payments", plan="standard")
        shown = await card(world)
        await denies(world, "bob", shown, "she has left")
        await world.told("denied")
        assert await of_event(world, "revoked") == []
        assert lines(log, event="effect", kind="post_message", fact="Unreachable", why="user_disabled")


# --- the connection ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
async def test_the_connection_ends_at_every_step(tmp_path: Path, log: Log, reason: str) -> None:
    """Slack renews it before each thing that people do: who was not heard does it again, and it is done once."""
    async with living(tmp_path) as world:
        alice, bob = world.person("alice"), world.person("bob")

        async def cut() -> None:
            before = {one.number for one in world.slack.sockets.connections}
            await world.slack.sockets.disconnect(reason)
            await world.slack.changes.until(
                lambda: next((True for one in world.slack.sockets.connections if one.number not in before), None),
                WITHIN,
                "a new connection",
            )

        await cut()
        await world.asks("alice", "payments", plan="standard")
        shown = await card(world)
        await cut()
        await bob.clicks("Approve", shown)
        token = await world.token_of("alice")
        await cut()
        message = await alice.sees(lambda one: token_in(one) is not None, channel="dm")
        while (await alice.clicks("I've saved it", message)).error is not None:
            await world.slack.connected()
        await alice.sees_gone(message, timeout=WITHIN)
        await ends_as_ever(world, token)
        assert not lines(log, log_level="error"), "Slack renews its connections all the time"


async def test_the_connection_ends_under_a_click(tmp_path: Path, log: Log) -> None:
    """Bob's click arrived, Slack never heard so; he presses again, is told that it is decided, and it counted once."""
    async with living(tmp_path) as world:
        await world.asks("alice", "payments", plan="standard")
        bob, shown = world.person("bob"), (await card(world)).snapshot()
        seen = len(world.slack.journal.entries)
        click = asyncio.create_task(bob.clicks("Approve", shown))

        def sent() -> bool | None:
            new = world.slack.journal.entries[seen:]
            return next((True for one in new if one.kind == "frame" and one.name == "interactive"), None)

        await world.slack.changes.until(sent, WITHIN, "the click on its way")
        await world.slack.sockets.disconnect("drop")
        await click
        await world.slack.connected()
        await world.told("approved")
        again = await bob.clicks("Approve", shown)
        assert again.error is None
        await bob.sees_view("was approved")
        token = await world.token_of("alice")
        await saves_token(world)
        await ends_as_ever(world, token)
        assert not lines(log, log_level="error")


# --- twice ------------------------------------------------------------------------------------------------------------


async def test_every_envelope_twice(tmp_path: Path, log: Log) -> None:
    """Command, form, clicks: whatever Slack delivers twice makes one request, one key and one row each."""
    async with living(tmp_path) as world:
        for kind in ("slash_commands", *["interactive"] * 20):
            world.slack.sockets.duplicate_next(kind)
        await world.asks("alice", "payments", plan="standard")
        shown = await card(world)
        await world.person("bob").clicks("Approve", shown)
        token = await world.token_of("alice")
        await saves_token(world)
        await ends_as_ever(world, token)
        frames = [one for one in world.slack.journal.of("frame") if one.data["direction"] == "out"]
        kinds = Counter(one.data["frame"].get("envelope_id") for one in frames if one.name != "hello")
        assert set(kinds.values()) == {2}
        assert [entry.request_number for entry in await of_event(world, "asked")] == [1001]
        assert lines(log, event="view.not_opened", error="exchanged_trigger_id")
        assert lines(log, event="view.not_updated", error="hash_conflict")
        assert not lines(log, log_level="error")


async def test_an_event_again_and_again(tmp_path: Path) -> None:
    """Alice leaves the group, and Slack says so three times, once long after she is back: what counts is what is now."""
    async with living(tmp_path) as world:
        workspace, journal = world.slack.workspace, world.slack.journal

        async def consists_of(*names: str) -> dict[str, Any]:
            """Slack's event about it, once the bot has taken it."""
            seen = len(journal.entries)
            workspace.set_group_members("payments-devs", names)

            def sent() -> dict[str, Any] | None:
                return next((one.data["frame"] for one in journal.entries[seen:] if one.name == "events_api"), None)

            frame = await world.slack.changes.until(sent, WITHIN, "the event")
            await heard(world)
            payload: dict[str, Any] = frame["payload"]
            return payload

        world.slack.sockets.duplicate_next("events_api")
        late = await consists_of("bob", "dave")
        await consists_of("alice", "bob", "dave")
        assert (await world.slack.redeliver_event(late, attempt=3)).ok
        await world.asks("alice", "payments", plan="standard")
        await world.person("bob").clicks("Approve", await card(world))
        token = await world.token_of("alice")
        await saves_token(world)
        await ends_as_ever(world, token)


# --- for a long time --------------------------------------------------------------------------------------------------


async def test_no_message_for_eleven_minutes(tmp_path: Path, log: Log) -> None:
    """Nothing is parked while Slack fails; people act on the next day's terms, and all of it comes out in the end."""
    async with living(tmp_path) as world:
        world.slack.faults.next("chat.*", status=503, times=None)
        await world.asks("alice", "payments", plan="standard")
        await world.slack.changes.until(
            lambda: True if len([c for c in world.slack.journal.calls() if c.data["status"] == 503]) >= 3 else None,
            WITHIN,
            "what fails",
        )
        world.slack.faults.clear()
        await world.pass_time(timedelta(minutes=11))
        await world.person("bob").clicks("Approve", await card(world))
        token = await world.token_of("alice")
        await saves_token(world)
        await ends_as_ever(world, token, *2 * ["delayed", "recovered"])  # the card and the status
        assert set(failures(log, "post_message")) == {"http_503"}
