"""Holders who leave: what they asked for ends, and about what they hold their approvers are asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from bot.core.model import EffectKind, Promise
from bot.effects.sweep_leavers import EVERYBODY
from tests.running import failed
from tests.story import (
    asked,
    becomes,
    case,
    dies,
    granted,
    is_told,
    of_event,
    opens,
    revokes,
    rung_by,
    status,
    with_bystander,
)
from tests.world import World, living

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
DEACTIVATED = "Their Slack account is deactivated."
GUEST = "They are only a guest here now."
LEFT_BEHIND = "Its holder has left, and nothing says what uses it."


async def _sweeps(world: World) -> None:
    """The daily sweep comes now, after the one of the start, which may be asking of somebody as they were before."""
    if acts := world.running.worker._acts:
        await asyncio.wait(acts)
    for user_id in world.slack.workspace.users:
        world.running.directory.forget_person(user_id)
    with world.running.store.transaction() as tx:
        tx.promise(Promise(EffectKind.SWEEP_LEAVERS, EVERYBODY, tx.now))
    await world.running.worker.drain()


async def _deactivated_by_event(world: World) -> None:
    world.slack.workspace.deactivate("alice")


async def _guest_by_event(world: World) -> None:
    world.slack.workspace.change_user("alice", is_restricted=True)


async def _deactivated_by_sweep(world: World) -> None:
    """Slack tells nobody."""
    world.slack.workspace.user("alice").deleted = True
    await _sweeps(world)


async def _guest_by_sweep(world: World) -> None:
    world.slack.workspace.user("alice").is_ultra_restricted = True
    await _sweeps(world)


def _returns_unnoticed(world: World) -> None:
    user = world.slack.workspace.user("alice")
    user.deleted = user.is_restricted = user.is_ultra_restricted = False


WAYS = [
    pytest.param(_deactivated_by_event, DEACTIVATED, id="deactivated, told"),
    pytest.param(_guest_by_event, GUEST, id="guest, told"),
    pytest.param(_deactivated_by_sweep, DEACTIVATED, id="deactivated, found"),
    pytest.param(_guest_by_sweep, GUEST, id="guest, found"),
]
Leaves = Callable[[World], Awaitable[None]]


# --- what they asked for ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("leaves", "why"), WAYS)
async def test_what_a_leaver_waits_for_ends_at_once(tmp_path: Path, leaves: Leaves, why: str) -> None:
    """Alice's request is withdrawn for her: nobody can approve it any more, and the audit says why."""
    async with living(tmp_path) as world:
        bob, shown = world.person("bob"), await asked(world)
        screen = shown.snapshot()
        await leaves(world)
        ended = await becomes(bob, shown, "Withdrawn")
        assert "who asked can no longer use this bot" in ended.shown
        assert ended.labels == ["Details"]
        await bob.clicks("Approve", screen)
        await is_told(bob, "R-1001 was withdrawn", "Already withdrawn")
        assert [(one.details["person"], one.details["why"]) for one in await of_event(world, "left")] == [
            ("U0ALICE", why)
        ]
        assert len(await of_event(world, "withdrawn")) == 1
        assert world.tyk.keys == []
        assert world.slack.app_errors == []


# --- what they hold ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("leaves", "why"), WAYS)
async def test_about_what_a_leaver_holds_the_approvers_are_asked(tmp_path: Path, leaves: Leaves, why: str) -> None:
    """A card calls for them, names the key, what uses it and who approved it, and has Revoke; the key lives meanwhile."""
    async with living(tmp_path) as world:
        token = await granted(world, used_by="checkout <!here>")
        await leaves(world)
        shown = await case(world, "has left")
        assert shown.text.startswith(
            "<!subteam^S0LEADS>: Alice Adams, who has had access to Payments (standard) since <!date^"
        )
        assert "(R-1001)" in shown.shown
        assert world.tyk.keys[0].hash in shown.shown
        assert "Used by: checkout <!here>" in shown.shown
        assert "Approved by*\n<@U0BOB>" in shown.shown
        assert "It says what uses it, so it stays valid until" in shown.shown
        assert shown.labels == ["Revoke", "See last use"]
        assert rung_by(world, shown) == {"bob", "carol", "dave"}
        assert [one.details["why"] for one in await of_event(world, "left")] == [why]
        assert opens(world, token)
        assert world.slack.app_errors == []


async def test_a_key_that_says_what_uses_it_lives_until_its_own_end(tmp_path: Path) -> None:
    """Alice has left, checkout has not: days later it still works, and the sweeps ask nobody twice."""
    async with living(tmp_path) as world:
        token = await granted(world, used_by="checkout")
        await _deactivated_by_event(world)
        shown = await case(world, "has left")
        for _ in range(3):
            await world.pass_time(2 * DAY)
            await _sweeps(world)
        assert opens(world, token)
        assert len([one for one in world.person("carol").messages("approvals") if "has left" in one.shown]) == 1
        assert "reminded" not in await world.events(), "nobody is left to be told that it ends"
        await world.pass_time(DAY)
        await dies(world, token)
        assert (await becomes(world.person("bob"), shown, "Expired")).labels == []
        assert world.slack.app_errors == []


async def test_a_key_that_says_nothing_dies_after_a_day(tmp_path: Path) -> None:
    """The card says when, and then that it has ended and why; until then the key works."""
    async with living(tmp_path) as world:
        token = await granted(world)
        await _deactivated_by_event(world)
        shown = await case(world, "Nothing says what uses it, so it expires <!date^")
        await world.pass_time(DAY - HOUR)
        await world.running.worker.drain()
        assert opens(world, token)
        await world.pass_time(HOUR)
        await dies(world, token)
        ended = await becomes(world.person("bob"), shown, LEFT_BEHIND)
        assert ended.labels == []
        (expired,) = await of_event(world, "expired")
        assert expired.details["why"] == LEFT_BEHIND
        assert world.slack.app_errors == []


async def test_an_approver_revokes_what_a_leaver_held(tmp_path: Path) -> None:
    """Carol presses Revoke on the card and says why: the key is dead at once, and both cards say so."""
    async with living(tmp_path) as world:
        carol, token = world.person("carol"), await granted(world, used_by="checkout")
        decided = await carol.sees("Access until", channel="approvals")
        await _deactivated_by_event(world)
        shown = await case(world, "has left")
        await revokes(world, "carol", shown, "checkout has another by now")
        await dies(world, token)
        for one, left in ((shown, []), (decided, ["Details"])):
            assert (await becomes(carol, one, "Revoked by <@U0CAROL>")).labels == left
        (revoked,) = await of_event(world, "revoked")
        assert revoked.details["why"] == "checkout has another by now"
        assert world.slack.app_errors == []


async def test_who_reads_along_may_not_revoke_what_a_leaver_held(tmp_path: Path) -> None:
    """Erin sees the card, and is refused at its button."""
    async with living(tmp_path, prepare=with_bystander) as world:
        erin, token = world.person("erin"), await granted(world, used_by="checkout")
        await _deactivated_by_event(world)
        await erin.clicks("Revoke", await case(world, "has left", "erin"))
        await is_told(erin, "You can't revoke this.")
        await world.told("refused")
        assert opens(world, token)
        assert world.slack.app_errors == []


async def test_a_leaver_before_delivery_gets_nothing(tmp_path: Path) -> None:
    """Bob has approved, Tyk is away, Alice leaves: when Tyk is back there is no key for her."""
    async with living(tmp_path) as world:
        shown = await asked(world)
        world.tyk.faults.away = True
        await world.person("bob").clicks("Approve", shown)
        await failed(world, EffectKind.ISSUE_KEY)
        world.slack.workspace.deactivate("alice")
        await world.told("left")
        world.tyk.faults.clear()
        await world.pass_time(timedelta(minutes=5))
        await becomes(world.person("bob"), shown, "Revoked")
        assert "sent" not in await world.events()
        assert world.tyk.usable_keys() == []
        assert world.slack.app_errors == []


# --- coming back ------------------------------------------------------------------------------------------------------


async def test_who_comes_back_within_the_day_keeps_the_key(tmp_path: Path) -> None:
    """Alice was a guest by mistake for an hour: Slack says that she is back, the card too, and the key works on."""
    async with living(tmp_path) as world:
        token = await granted(world)
        await _guest_by_event(world)
        shown = await case(world, "Nothing says what uses it")
        await world.pass_time(HOUR)
        world.slack.workspace.change_user("alice", is_restricted=False)
        back = await becomes(world.person("bob"), shown, "They are back, so it stays valid.")
        assert "ends by itself" not in back.shown
        assert [one.details["person"] for one in await of_event(world, "returned")] == ["U0ALICE"]
        await world.pass_time(2 * DAY)
        await _sweeps(world)
        assert opens(world, token)
        await status(world, "alice", "Replace token")
        assert world.slack.app_errors == []


async def test_a_sweep_finds_who_came_back_before_the_key_ends(tmp_path: Path) -> None:
    """Slack told of neither: the sweep that comes before the day is over finds her, and the key lives on."""
    async with living(tmp_path) as world:
        token = await granted(world)
        await _deactivated_by_sweep(world)
        shown = await case(world, "Nothing says what uses it")
        _returns_unnoticed(world)
        await world.pass_time(DAY - timedelta(minutes=5))
        await becomes(world.person("bob"), shown, "They are back, so it stays valid.")
        await world.pass_time(HOUR)
        await world.running.worker.drain()
        assert opens(world, token)
        assert world.slack.app_errors == []


async def test_who_leaves_twice_is_asked_about_twice(tmp_path: Path) -> None:
    """After coming back it is a new leaving: a new card, and a new day."""
    async with living(tmp_path) as world:
        token = await granted(world)
        await _deactivated_by_sweep(world)
        first = await case(world, "Nothing says what uses it")
        _returns_unnoticed(world)
        await _sweeps(world)
        await becomes(world.person("bob"), first, "They are back")
        await world.pass_time(10 * HOUR)
        await _deactivated_by_event(world)
        await world.person("carol").sees(
            lambda one: one.ts != first.ts and "Nothing says what uses it" in one.shown, channel="approvals"
        )
        await world.pass_time(DAY - HOUR)
        await world.running.worker.drain()
        assert opens(world, token)
        await world.pass_time(HOUR)
        await dies(world, token)
        assert world.slack.app_errors == []


async def test_where_slack_cannot_say_nobody_has_left(tmp_path: Path) -> None:
    """The sweep meets an error of Slack's: what Alice holds and waits for stays as it is, until Slack can say."""
    async with living(tmp_path) as world:
        token = await granted(world, used_by="checkout")
        world.slack.workspace.user("alice").deleted = True
        world.slack.faults.next(
            "users.info", error="internal_error", times=None, when=lambda args: bool(args["user"] == "U0ALICE")
        )
        await _sweeps(world)
        assert "left" not in await world.events()
        world.slack.faults.clear()
        await world.pass_time(HOUR)
        await case(world, "has left")
        assert opens(world, token)
        assert world.slack.app_errors == []
