"""Grants without an end: their approvers are asked again and again whether they are still needed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from bot.local.slack import Message
from tests.story import asked, becomes, case, dies, granted, is_told, of_event, opens, revokes, rung_by, status
from tests.story import with_bystander as bystander
from tests.world import World, living

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
NEEDED = "still need this?"
UNREVIEWED = "Nobody confirmed within 14 days that it is still needed."


def never(text: str) -> str:
    """Payments may be asked for without an end, and every 90 days its approvers are asked about it."""
    return text.replace("    plans:\n", "    lifetimes: [7d, never]\n    review_every: 90d\n    plans:\n", 1)


async def _question(world: World, who: str = "alice", **more: str) -> tuple[str, Message]:
    """A token without an end, and the question that its approvers are asked 90 days later."""
    token = await granted(world, who, by="carol", lifetime="never", **more)
    await world.pass_time(90 * DAY)
    return token, await case(world, NEEDED)


async def test_the_form_and_the_status_say_that_it_has_no_end(tmp_path: Path) -> None:
    """Alice reads when it is asked whether she still needs it."""
    async with living(tmp_path, change=never) as world:
        shown = await asked(world, lifetime="never")
        assert "No expiry" in shown.shown
        await world.person("bob").clicks("Approve", shown)
        active = await status(world, "alice", "Active, doesn't expire.")
        assert "Next review <!date^" in active.shown
        await world.token_of("alice")
        (approved,) = await of_event(world, "approved")
        assert approved.details["until"] is None
        assert world.slack.app_errors == []


async def test_when_it_is_due_the_approvers_are_asked_and_the_holder_is_told(tmp_path: Path) -> None:
    """After 90 days, not before: a card calls for the approvers, and Alice's phone rings."""
    async with living(tmp_path, change=never) as world:
        alice = world.person("alice")
        token = await granted(world, lifetime="never", used_by="checkout")
        await world.pass_time(90 * DAY - HOUR)
        await world.running.worker.drain()
        assert not [one for one in world.person("carol").messages("approvals") if NEEDED in one.shown]
        await world.pass_time(HOUR)
        shown = await case(world, NEEDED)
        assert shown.text.startswith("<!subteam^S0LEADS>: alice has had access to Payments (standard) since <!date^")
        for fact in (
            "R-1001",
            "Used by: checkout",
            "Reason: to build the checkout",
            "If nobody confirms, it expires <!date^",
        ):
            assert fact in shown.shown
        assert world.tyk.keys[0].hash in shown.shown
        assert shown.labels == ["Still needed", "Revoke"]
        assert rung_by(world, shown) == {"bob", "carol", "dave"}
        ring = await alice.rung("doesn't expire, so its approvers are asked whether it is still needed.")
        assert "If nobody confirms by <!date^" in ring.text
        await status(
            world, "alice", "Active. Its approvers are asked whether it is still needed. If nobody confirms, it expires"
        )
        assert [one.details["of"] for one in await of_event(world, "reminded")] == ["renewal"]
        assert opens(world, token)
        assert world.slack.app_errors == []


async def test_a_yes_keeps_it_until_it_is_asked_again(tmp_path: Path) -> None:
    """Bob presses Still needed: the card says until when, nothing ends after 14 days, and 90 days later there is a new card."""
    async with living(tmp_path, change=never) as world:
        bob = world.person("bob")
        token, shown = await _question(world)
        await bob.clicks("Still needed", shown)
        kept = await becomes(bob, shown, "Still needed. Next review <!date^")
        assert kept.labels == []
        await status(world, "alice", "Active, doesn't expire.")
        (renewed,) = await of_event(world, "renewed")
        assert renewed.details == {"reviewer": bob.id, "counted_by": "S0LEADS"}
        await world.told("renewed")
        await world.pass_time(20 * DAY)
        await world.running.worker.drain()
        assert opens(world, token)
        await world.pass_time(70 * DAY)
        again = await world.person("carol").sees(
            lambda one: one.ts != shown.ts and "Still needed" in one.labels, channel="approvals"
        )
        assert NEEDED in again.shown
        assert world.slack.app_errors == []


async def test_without_a_yes_it_ends_after_fourteen_days(tmp_path: Path) -> None:
    """Nobody answers: Alice is told once more a day before, then the key is dead and she hears why."""
    async with living(tmp_path, change=never) as world:
        alice = world.person("alice")
        token, shown = await _question(world)
        await world.pass_time(13 * DAY - HOUR)
        await world.running.worker.drain()
        assert _times_told(world) == 1
        await world.pass_time(2 * HOUR)
        await alice.sees(lambda _: _times_told(world) == 2, channel="dm")
        await world.told("reminded", times=2)
        assert opens(world, token)
        await world.pass_time(DAY)
        await dies(world, token)
        assert UNREVIEWED in (await alice.rung("expired")).text
        ended = await becomes(world.person("bob"), shown, UNREVIEWED)
        assert ended.labels == []
        await status(world, "alice", UNREVIEWED)
        (expired,) = await of_event(world, "expired")
        assert expired.details["why"] == UNREVIEWED
        assert world.slack.app_errors == []


def _times_told(world: World) -> int:
    return len([ring for ring in world.person("alice").rings if "its approvers are asked" in ring.text])


async def test_a_bot_that_slept_through_it_asks_first(tmp_path: Path) -> None:
    """It is started again long after the question was due: the 14 days begin when the approvers are asked."""
    async with living(tmp_path, change=never) as world:
        token = await granted(world, lifetime="never")
        await world.pass_time(200 * DAY)
        await case(world, NEEDED)
        await world.pass_time(13 * DAY)
        await world.running.worker.drain()
        assert opens(world, token)
        await world.pass_time(DAY + HOUR)
        await dies(world, token)
        assert world.slack.app_errors == []


async def test_the_holders_own_yes_is_refused(tmp_path: Path) -> None:
    """Bob holds it and is an approver: somebody else has to say that he needs it."""
    async with living(tmp_path, change=never) as world:
        bob = world.person("bob")
        token, shown = await _question(world, "bob")
        await bob.clicks("Still needed", shown)
        await is_told(bob, "You can't approve your own request.")
        await world.told("refused")
        assert await of_event(world, "renewed") == []
        await world.pass_time(14 * DAY + HOUR)
        await dies(world, token)
        assert world.slack.app_errors == []


async def test_who_reads_along_keeps_nothing(tmp_path: Path) -> None:
    """Erin is no approver: her yes and her Revoke are refused."""
    async with living(tmp_path, change=never, prepare=bystander) as world:
        erin = world.person("erin")
        token, shown = await _question(world)
        await erin.clicks("Still needed", shown)
        await is_told(erin, "You can't approve Payments.")
        await erin.clicks("Revoke", shown)
        await is_told(erin, "You can't revoke this.")
        await world.told("refused", times=2)
        assert await of_event(world, "renewed") == []
        assert shown.labels == ["Still needed", "Revoke"]
        assert opens(world, token)
        assert world.slack.app_errors == []


async def test_a_no_is_a_revocation(tmp_path: Path) -> None:
    """Carol presses Revoke on the question, and says why."""
    async with living(tmp_path, change=never) as world:
        carol = world.person("carol")
        token, shown = await _question(world)
        await revokes(world, "carol", shown, "checkout is closed")
        await dies(world, token)
        assert (await becomes(carol, shown, "Revoked by <@U0CAROL>")).labels == []
        assert "checkout is closed" in (await world.person("alice").rung("was revoked by <@U0CAROL>")).text
        assert world.slack.app_errors == []


async def test_a_second_yes_comes_too_late_and_does_no_harm(tmp_path: Path) -> None:
    """Bob and Carol both press Still needed: it is asked again once, and the later of them is told."""
    async with living(tmp_path, change=never) as world:
        bob, carol = world.person("bob"), world.person("carol")
        _, shown = await _question(world)
        screen = shown.snapshot()
        await bob.clicks("Still needed", shown)
        await becomes(bob, shown, "Still needed. Next review")
        await carol.clicks("Still needed", screen)
        await carol.sees_view("R-1001 was already reviewed. There is nothing left to decide.")
        assert len(await of_event(world, "renewed")) == 1
        assert world.slack.app_errors == []


async def test_a_yes_after_it_has_ended_revives_nothing(tmp_path: Path) -> None:
    """Bob is a day late: he is told so, and the key stays dead."""
    async with living(tmp_path, change=never) as world:
        bob = world.person("bob")
        token, shown = await _question(world)
        screen = shown.snapshot()
        await world.pass_time(15 * DAY)
        await bob.clicks("Still needed", screen)
        await bob.sees_view("R-1001 has already ended. There is nothing left to revoke.")
        await dies(world, token)
        assert world.tyk.usable_keys() == []
        assert world.slack.app_errors == []
