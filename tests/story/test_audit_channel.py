"""The audit channel as Carol reads it: names, a thread for each request, nobody called, and nothing missing."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from bot.local.slack import LocalSlack, Message
from bot.local.tyk import LocalTyk
from bot.store import trail, transaction
from tests.faults import numbers
from tests.running import quiet
from tests.story import asked, denies, rung_by, with_bystander
from tests.world import World, living


def audit(world: World) -> list[Message]:
    return world.person("carol").messages("audit")


def all_numbers(world: World) -> list[int]:
    """The numbers in the channel in the order of their posts, threads included."""
    return [number for message in sorted(audit(world), key=lambda one: one.ts) for number in numbers(message)]


async def test_each_request_has_a_thread_that_leads_to_its_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alice's story stands under the line in which she asks, Dave's under his, and the number is a link to the card."""
    monkeypatch.setattr(transaction, "AUDIT_GATHERS", timedelta(seconds=1))  # as ever: the card is there by then
    async with living(tmp_path) as world:
        await world.told("configured")
        shown = await asked(world)
        await world.person("bob").clicks("Approve", shown)
        await world.told("sent")
        his = await asked(world, "dave")
        await denies(world, "bob", his, "not now")
        await world.told("denied")
        lines = sorted(audit(world), key=lambda one: one.ts)
        first, alice, *others = lines
        assert "*configured*" in first.text
        assert "R-1001 · Payments · Alice Adams · *asked*" in alice.text
        dave = next(one for one in others if "R-1002 · Payments · Dave Diaz · *asked*" in one.text)
        for one in others:
            root = alice if "R-1001" in one.text else dave
            assert one is dave or (one.is_reply and one.thread_ts == root.ts), one.text
            assert not (one.is_reply and one.broadcast)
        assert all_numbers(world) == [entry.number for entry in await world.trail()]
        link = f"https://{world.slack.workspace.domain}.slack.com/archives/{shown.channel}/p{shown.ts.replace('.', '')}"
        assert f"<{link}|R-1001>" in alice.blocks[0]["text"]["text"]
        assert not any(rung_by(world, one) for one in lines)
        assert not any("<@" in f"{one.text}{one.blocks}" for one in lines)
        assert world.slack.app_errors == []


async def test_a_thread_that_takes_no_reply_begins_anew(tmp_path: Path) -> None:
    """Somebody locks it: what comes next stands in the channel, and what follows stands under that."""

    def locked(slack: LocalSlack, _tyk: LocalTyk) -> None:
        slack.faults.next(
            "chat.postMessage",
            error="thread_locked",
            when=lambda args: args["channel"] == "C0AUDIT" and bool(args.get("thread_ts")),
        )

    async with living(tmp_path, prepare=locked) as world:
        await world.told("configured")
        shown = await asked(world)
        await world.told("asked")
        await world.person("bob").clicks("Approve", shown)
        await world.told("sent")
        await world.pass_time(timedelta(days=7, seconds=1))
        await world.told("key deleted")
        lines = sorted(audit(world), key=lambda one: one.ts)
        roots = [one for one in lines if "R-1001" in one.text and not one.is_reply]
        assert len(roots) == 2
        assert lines[-1].thread_ts == roots[-1].ts
        assert all_numbers(world) == [entry.number for entry in await world.trail()]
        assert world.slack.app_errors == []


async def test_a_crowd_is_told_in_one_message_until_the_channel_has_caught_up(tmp_path: Path) -> None:
    """Slack takes nothing there while four people ask: all their lines come at once, by their numbers, and none is missing."""
    away = {"it": True}

    def silent(slack: LocalSlack, _tyk: LocalTyk) -> None:
        slack.faults.next(
            "chat.postMessage",
            error="internal_error",
            times=1000,
            when=lambda args: away["it"] and args["channel"] == "C0AUDIT",
        )

    async with living(tmp_path, prepare=silent) as world:
        for who in ("alice", "bob", "carol", "dave"):
            await world.asks(who, "test-api")
            await world.token_of(who)
            await world.person(who).closes()
        away["it"] = False
        await world.pass_time(timedelta(minutes=5))
        await world.told("sent", 4)
        first = min(audit(world), key=lambda one: one.ts)
        assert not first.is_reply
        assert {"R-1001", "R-1004"} <= set(re.findall(r"R-\d+", first.text))
        assert all_numbers(world) == [entry.number for entry in await world.trail()]
        assert world.slack.app_errors == []


async def test_whoever_comes_into_an_approving_group_is_named(tmp_path: Path) -> None:
    """Erin, whom the bot has never seen, is looked up once for the line, and remembered."""
    async with living(tmp_path, prepare=with_bystander) as world:
        world.slack.workspace.set_group_members("payments-leads", ["bob", "carol", "dave", "erin"])
        await world.told("group changed")
        await quiet(world)
        (line,) = [one.text for one in audit(world) if "*group changed*" in one.text]
        assert "@payments-leads, added Erin, approves for Ledger, Payments" in line
        with world.running.store.reading() as tx:
            assert trail.names(tx, ["U0ERIN", "U0NOBODY"]) == {"U0ERIN": "Erin"}
