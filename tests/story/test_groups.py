"""Who is in a group that approves is remembered: whoever changes it while the bot is off is seen at the next start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot import groups
from tests.running import quiet
from tests.story import asked, becomes, heard, of_event, with_bystander
from tests.story.test_deciders import called, starts
from tests.world import World, living

CHANGED = {
    "group": "S0LEADS",
    "handle": "payments-leads",
    "added": ["U0ERIN"],
    "removed": ["U0BOB"],
    "apis": ["ledger", "payments"],
}


def silently(world: World, *members: str) -> None:
    """Somebody edits the leads, and the bot is told nothing of it."""
    ids = [world.slack.workspace.user(name).id for name in members]
    world.slack.workspace.group("payments-leads").members[:] = ids


async def changes(world: World, times: int = 1) -> list[dict[str, Any]]:
    """What the audit says of groups, once it has said so much."""
    await world.told("group changed", times)
    return [entry.details for entry in await of_event(world, "group changed")]


async def test_a_group_that_changed_while_the_bot_was_off(tmp_path: Path) -> None:
    """Erin came into the leads and Bob went: one line at the next start, none at the one after; what waits names the others."""
    async with starts(tmp_path) as start:
        async with start.bot() as world:
            shown = await asked(world, "dave")
            assert called(shown) == "<@U0BOB> or <@U0CAROL>"
            await quiet(world)
        silently(world, "carol", "dave", "erin")
        async with start.bot() as world:
            assert await changes(world) == [CHANGED]
            await becomes(world.person("carol"), shown, "<@U0CAROL> or <@U0ERIN> needs")
            await quiet(world)
        async with start.bot() as world:
            await world.asks("alice", "test-api")
            await world.told("sent")
            assert await changes(world) == [CHANGED]


async def test_a_group_that_was_switched_off_meanwhile(tmp_path: Path) -> None:
    """Nobody is in it any more, as far as approving goes."""
    async with starts(tmp_path) as start:
        async with start.bot(by_id) as world:
            await quiet(world)
        world.slack.workspace.disable_group("payments-leads")
        async with start.bot(by_id) as world:
            (changed,) = await changes(world)
            assert (changed["added"], changed["removed"]) == ([], ["U0BOB", "U0CAROL", "U0DAVE"])


def by_id(text: str) -> str:
    """The file names each group by its id, so that nothing has to be looked up before the start."""
    for handle, group_id in (("payments-leads", "S0LEADS"), ("payments-devs", "S0DEVS"), ("api-owners", "S0OWNERS")):
        text = text.replace(f'"@{handle}"', group_id)
    return text


async def test_a_group_that_is_switched_off_while_the_bot_is_on(tmp_path: Path) -> None:
    """Slack tells of it in an event of another kind, and the card says that nobody may decide; on again, its members are back."""
    async with living(tmp_path) as world:
        shown = await asked(world)
        await quiet(world)
        world.slack.workspace.disable_group("payments-leads")
        (changed,) = await changes(world)
        assert changed["removed"] == ["U0BOB", "U0CAROL", "U0DAVE"]
        await becomes(world.person("carol"), shown, "Nobody is left who can approve Payments.")
        group = world.slack.workspace.group("payments-leads")
        group.deleted_at = 0
        group.updated += 1
        world.slack.workspace.on_event({"type": "subteam_updated", "subteam": group.as_json(with_users=True)})
        assert (await changes(world, 2))[1]["added"] == ["U0BOB", "U0CAROL", "U0DAVE"]


async def test_a_change_that_slack_told_while_nobody_listened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event was lost with a connection: the next look finds the change, and tells of it once."""
    monkeypatch.setattr(groups, "EVERY", 0.1)
    async with living(tmp_path, prepare=with_bystander) as world:
        await quiet(world)
        silently(world, "carol", "dave", "erin")
        world.running.directory.forget_groups()
        assert await changes(world) == [CHANGED]


async def test_an_old_event_that_comes_late_is_not_believed(tmp_path: Path) -> None:
    """Erin was put in and out again; Slack repeats the first event: she is not added once more."""
    async with living(tmp_path, prepare=with_bystander) as world:
        await quiet(world)
        sent: list[dict[str, Any]] = []
        passed_on = world.slack.workspace.on_event

        def noted(event: dict[str, Any]) -> None:
            sent.append(event)
            passed_on(event)

        world.slack.workspace.on_event = noted
        world.slack.workspace.set_group_members("payments-leads", ["bob", "carol", "dave", "erin"])
        sent[-1]["subteam"]["date_update"] -= 10
        sent[0]["date_update"] -= 10
        await changes(world)
        world.slack.workspace.set_group_members("payments-leads", ["bob", "carol", "dave"])
        await changes(world, 2)
        for event in sent[:2]:
            passed_on(event)
        await heard(world)
        assert [one["added"] for one in await changes(world, 2)] == [["U0ERIN"], []]


async def test_slack_cannot_say_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The groups cannot be looked up for a while: the bot starts, and the line comes as soon as they can."""
    monkeypatch.setattr(groups, "AGAIN", 0.1)
    async with starts(tmp_path) as start:
        async with start.bot(by_id) as world:
            await quiet(world)
        silently(world, "carol", "dave", "erin")
        world.slack.faults.next("usergroups.list", status=503, times=3)
        async with start.bot(by_id) as world:
            assert await changes(world) == [CHANGED]
