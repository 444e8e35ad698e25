"""Grants without an end: their approvers are asked again and again whether they are still needed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from bot.local.slack import Message
from tests.story import (
    asked,
    becomes,
    case,
    dies,
    granted,
    is_told,
    labels,
    lists,
    of_event,
    opens,
    opens_list,
    reads,
    revokes,
    rung_by,
    status,
)
from tests.story import with_bystander as bystander
from tests.world import WITHIN, World, living

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
NEEDED = "still need this?"
USING = "Are you still using your access to Payments (standard) (R-1001)?"
UNREVIEWED = "Nobody confirmed within 14 days that it is still needed."


def never(text: str) -> str:
    """Payments may be asked for without an end, and every 90 days its approvers are asked about it."""
    return text.replace("    plans:\n", "    lifetimes: [7d, never]\n    review_every: 90d\n    plans:\n", 1)


async def _question(world: World, who: str = "alice", **more: str) -> tuple[str, Message]:
    """A token without an end, and the question that its approvers are asked 92 days later, its holder being silent."""
    token = await granted(world, who, by="carol", lifetime="never", **more)
    await world.pass_time(90 * DAY)
    await world.person(who).sees(USING, channel="dm", timeout=WITHIN)
    await world.pass_time(2 * DAY)
    return token, await case(world, NEEDED)


async def test_the_form_and_the_status_say_that_it_has_no_end(tmp_path: Path) -> None:
    """Alice reads when it is asked whether she still needs it."""
    async with living(tmp_path, change=never) as world:
        shown = await asked(world, lifetime="never")
        assert "no expiry" in shown.shown
        await world.person("bob").clicks("Approve", shown)
        active = await status(world, "alice", "Active, doesn't expire.")
        assert "Next review <!date^" in active.shown
        await world.token_of("alice")
        (approved,) = await of_event(world, "approved")
        assert approved.details["until"] is None
        assert world.slack.app_errors == []


async def _asked_first(world: World, **more: str) -> tuple[str, Message]:
    """A token without an end, and what its holder is asked 90 days later."""
    token = await granted(world, by="carol", lifetime="never", **more)
    await world.pass_time(90 * DAY)
    return token, await world.person("alice").sees(
        lambda one: USING in one.shown and "Yes, I use it" in one.labels, channel="dm", timeout=WITHIN
    )


async def test_the_holder_is_asked_first_and_the_approvers_read_the_answer(tmp_path: Path) -> None:
    """After 90 days, not before, Alice's phone rings; once she says yes the approvers are called, and see it."""
    async with living(tmp_path, change=never) as world:
        alice = world.person("alice")
        token = await granted(world, by="carol", lifetime="never", used_by="checkout")
        await world.pass_time(90 * DAY - HOUR)
        await world.running.worker.drain()
        assert not [one for one in alice.dm() if USING in one.shown]
        await world.pass_time(HOUR)
        asked_her = await alice.sees(USING, channel="dm", timeout=WITHIN)
        assert asked_her.labels == ["Yes, I use it", "No, revoke it"]
        await alice.rung(USING)
        waits = await status(world, "alice", "Active, doesn't expire. Are you still using it?")
        assert waits.labels == ["Yes, I use it", "Replace token", "Change plan", "Revoke"]
        assert not [one for one in world.person("carol").messages("approvals") if NEEDED in one.shown]
        await alice.clicks("Yes, I use it", asked_her)
        said = await becomes(alice, asked_her, "You said that you use it, <!date^")
        assert said.labels == []
        assert "If nobody confirms, it expires <!date^" in said.shown
        shown = await case(world, NEEDED)
        assert shown.text.startswith(
            "<!subteam^S0LEADS>: Alice Adams has had access to Payments (standard) since <!date^"
        )
        answer = "Alice Adams says: still in use, <!date^"
        for fact in (
            "R-1001",
            "Used by: checkout",
            "Reason: to build the checkout",
            answer,
            "If nobody confirms, it expires <!date^",
        ):
            assert fact in shown.shown
        assert world.tyk.keys[0].hash in shown.shown
        assert shown.labels == ["Still needed", "Revoke", "See last use"]
        assert rung_by(world, shown) == {"bob", "carol", "dave"}
        await world.person("carol").clicks("See last use", shown)
        assert "No use recorded in the last 30 days" in reads(await world.person("carol").sees_view("holds now"))
        assert _times_told(world) == 0, "she knows"
        await world.person("bob").clicks("Still needed", shown)
        await alice.rung("was kept by <@U0BOB>.")
        await becomes(alice, asked_her, "Kept by <@U0BOB>, <!date^")
        await world.told("in use")
        assert [one.details["of"] for one in await of_event(world, "reminded")] == ["still used", "renewal"]
        assert opens(world, token)
        assert world.slack.app_errors == []


async def test_a_holder_who_does_not_answer_holds_nobody_up(tmp_path: Path) -> None:
    """After two days the approvers are asked, read that Alice is silent, and she hears of it; her late yes shows there, too."""
    async with living(tmp_path, change=never) as world:
        alice = world.person("alice")
        _, asked_her = await _asked_first(world)
        await world.pass_time(2 * DAY)
        shown = await case(world, NEEDED)
        assert "Alice Adams has not answered." in shown.shown
        ring = await alice.rung("doesn't expire, so its approvers are asked whether it is still needed.")
        assert "If nobody confirms by <!date^" in ring.text
        await alice.clicks("Yes, I use it", asked_her)
        assert (await becomes(alice, asked_her, "You said that you use it")).labels == []
        await becomes(world.person("bob"), shown, "Alice Adams says: still in use, <!date^")
        assert world.slack.app_errors == []


async def test_a_holder_who_needs_it_no_more_revokes_it(tmp_path: Path) -> None:
    """Alice says no: it ends at once, and nobody else is asked."""
    async with living(tmp_path, change=never) as world:
        alice = world.person("alice")
        token, asked_her = await _asked_first(world)
        await alice.clicks("No, revoke it", asked_her)
        await dies(world, token)
        assert (await becomes(alice, asked_her, "Revoked by <@U0ALICE>")).labels == []
        await world.pass_time(3 * DAY)
        await world.running.worker.drain()
        assert not [one for one in world.person("carol").messages("approvals") if NEEDED in one.shown]
        assert world.slack.app_errors == []


async def test_a_holder_answers_in_their_list(tmp_path: Path) -> None:
    """What Alice is asked stands beside what she holds."""
    async with living(tmp_path, change=never) as world:
        alice = world.person("alice")
        await _asked_first(world)
        assert labels(await opens_list(alice)) == ["Yes, I use it", "Replace token", "Change plan", "Revoke"]
        await alice.clicks("Yes, I use it")
        await case(world, "Alice Adams says: still in use")
        assert labels(await lists(alice, "Its approvers are asked")) == ["Replace token", "Change plan", "Revoke"]
        assert world.slack.app_errors == []


async def test_a_yes_keeps_it_until_it_is_asked_again(tmp_path: Path) -> None:
    """Bob presses Still needed: the card says until when, nothing ends after 14 days, and 90 days later there is a new card."""
    async with living(tmp_path, change=never) as world:
        bob = world.person("bob")
        token, shown = await _question(world)
        await bob.clicks("Still needed", shown)
        kept = await becomes(bob, shown, "Kept by <@U0BOB>, <!date^")
        assert kept.labels == []
        ring = await world.person("alice").rung("Your access to Payments (R-1001) was kept by <@U0BOB>.")
        assert "Next review <!date^" in ring.text
        await status(world, "alice", "Active, doesn't expire.")
        (renewed,) = await of_event(world, "renewed")
        assert renewed.details == {"reviewer": bob.id, "counted_by": "S0LEADS"}
        await world.told("renewed")
        await world.pass_time(20 * DAY)
        await world.running.worker.drain()
        assert opens(world, token)
        await world.pass_time(72 * DAY)
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
        assert shown.labels == ["Still needed", "Revoke", "See last use"]
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
        await becomes(bob, shown, "Kept by <@U0BOB>")
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
