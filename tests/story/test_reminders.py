"""What people are reminded of: holders of the end, approvers of what waits for them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bot.local.slack import Message
from bot.sandbox.demos.reading import has_block
from tests.story import another_token, asked, becomes, denies, granted, in_thread, of_event, opens, rung_by, status
from tests.world import World, living

DAY = timedelta(days=1)
MOMENT = timedelta(minutes=1)
SECONDS_1_DAY, SECONDS_7_DAYS, SECONDS_30_DAYS = "86400", "604800", "2592000"


async def _settled(world: World) -> None:
    """Everything that is due has been done."""
    await world.running.worker.drain()


async def _reminded(world: World) -> list[str]:
    return [entry.details["of"] for entry in await of_event(world, "reminded")]


def _replies(world: World, message: Message) -> list[Message]:
    return [one for one in world.person("carol").messages("approvals") if one.is_reply and one.thread_ts == message.ts]


# --- the end ----------------------------------------------------------------------------------------------------------


async def test_before_the_end_the_holder_is_told(tmp_path: Path) -> None:
    """Alice's phone rings once where the bot was off until the last of thirty days; her token works on until its own end."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        token = await granted(world, lifetime=SECONDS_30_DAYS, used_by="checkout <!here>")
        await world.pass_time(timedelta(days=24))  # three days before its end, or the Friday before those
        await _settled(world)
        assert await _reminded(world) == []
        await world.pass_time(timedelta(days=5))
        ring = await alice.rung("Your access to Payments (R-1001) expires")
        assert "What uses it (checkout" in ring.text
        assert "<!here>" not in ring.text
        message = await alice.sees("unless you extend it", channel="dm")
        assert message.labels == ["Extend", "Ask again"]
        assert opens(world, token)
        await world.pass_time(DAY - 5 * MOMENT)
        await _settled(world)
        assert opens(world, token)
        assert await _reminded(world) == ["ending"]
        assert len([one for one in alice.rings if "unless you extend it" in one.text]) == 1
        await world.pass_time(5 * MOMENT)
        await world.told("key deleted")
        assert not opens(world, token)
        assert world.slack.app_errors == []


async def test_asking_again_from_the_reminder_makes_a_new_request(tmp_path: Path) -> None:
    """The form opens filled in, Bob approves, and Alice has two tokens until the first one's own end."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        old = await granted(world, lifetime=SECONDS_30_DAYS, used_by="checkout", reason="for the shop")
        await world.pass_time(timedelta(days=29))
        message = await alice.sees("unless you extend it", channel="dm")
        await alice.clicks("Ask again", message)
        form = await alice.sees_view(lambda view: has_block(view, "about:payments"))
        initial = {block["block_id"]: block["element"] for block in form["blocks"] if block["type"] == "input"}
        assert initial["api"]["initial_option"]["value"] == "payments"
        assert initial["plan:payments"]["initial_option"]["value"] == "standard"
        assert initial["lifetime:payments"]["initial_option"]["value"] == SECONDS_30_DAYS
        assert initial["used_by"]["initial_value"] == "checkout"
        assert initial["reason"]["initial_value"] == "for the shop"
        assert (await alice.submits()).response_action == "update"
        await alice.sees_view("R-1002")
        waiting = await status(world, "alice", "needs to approve this.", "R-1002")
        assert "30 days" in waiting.shown
        await world.person("bob").clicks("Approve", await _card_of(world, "R-1002"))
        new = await another_token(world, "alice", old)
        assert opens(world, old)
        assert opens(world, new)
        await world.pass_time(DAY)
        await world.told("expired")
        await world.told("key deleted")
        assert not opens(world, old)
        assert opens(world, new)
        assert world.slack.app_errors == []


async def _card_of(world: World, number: str) -> Message:
    return await world.person("bob").sees(
        lambda one: number in one.shown and "Approve" in one.labels, channel="approvals"
    )


async def test_asking_again_offers_what_is_on_offer_now(tmp_path: Path) -> None:
    """Alice left the developers: the form offers her what she may ask for, and nothing of the old request."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await granted(world, lifetime=SECONDS_30_DAYS)
        await world.pass_time(timedelta(days=29))
        message = await alice.sees("unless you extend it", channel="dm")
        world.slack.workspace.set_group_members("payments-devs", ["bob", "dave"])
        world.running.directory.forget_groups()
        await alice.clicks("Ask again", message)
        form = await alice.sees_view(lambda view: has_block(view, "about:test-api"))
        assert not has_block(form, "about:payments")
        assert world.slack.app_errors == []


async def test_a_replaced_token_does_not_change_when_the_holder_is_told(tmp_path: Path) -> None:
    """The end is the grant's: Alice is reminded of it once, whichever token she has by then."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        old = await granted(world, lifetime=SECONDS_7_DAYS)
        await alice.clicks("Replace token", await status(world, "alice", "Replace token"))
        await alice.sees_view("What happened?")
        await alice.submits()
        await another_token(world, "alice", old)
        await world.told("sent", times=2)
        await world.pass_time(timedelta(days=6))
        await alice.rung("unless you extend it")
        await _settled(world)
        assert await _reminded(world) == ["ending"]
        assert world.slack.app_errors == []


@pytest.mark.parametrize("lifetime", [SECONDS_1_DAY, "20"])
async def test_short_grants_end_unannounced(tmp_path: Path, lifetime: str) -> None:
    """Who asked for a day or less knows when it ends."""
    async with living(tmp_path) as world:
        token = await granted(world, lifetime=lifetime)
        await world.pass_time(timedelta(seconds=int(lifetime) // 2))
        await _settled(world)
        await world.pass_time(timedelta(seconds=int(lifetime)))
        await world.told("key deleted")
        assert await _reminded(world) == []
        assert not [ring for ring in world.person("alice").rings if "unless you extend it" in ring.text]
        assert not opens(world, token)
        assert world.slack.app_errors == []


async def test_what_ended_before_is_not_announced(tmp_path: Path) -> None:
    """Alice revoked it in time: nothing reminds her of an end that has been."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await granted(world, lifetime=SECONDS_7_DAYS)
        await alice.clicks("Revoke", await status(world, "alice", "Active until"))
        await world.told("key deleted")
        await world.pass_time(timedelta(days=6, hours=1))
        await _settled(world)
        assert await _reminded(world) == []
        assert world.slack.app_errors == []


# --- approvers who are silent -----------------------------------------------------------------------------------------


async def test_the_requester_sees_for_whom_it_waits_and_until_when(tmp_path: Path) -> None:
    """The status names the group and the moment at which it lapses."""
    async with living(tmp_path) as world:
        await asked(world)
        waiting = await status(world, "alice", "needs to approve this.")
        assert "Expires <!date^" in waiting.shown
        assert "if nobody decides" in waiting.shown
        assert world.slack.app_errors == []


async def test_silent_approvers_are_reminded_twice_under_the_card(tmp_path: Path) -> None:
    """After a third of seven days, and a day before they are over, those three are mentioned and rung; then it lapses."""
    async with living(tmp_path) as world:
        shown = await asked(world)
        await world.pass_time(timedelta(days=7) / 3 - MOMENT)
        await _settled(world)
        assert _replies(world, shown) == []
        await world.pass_time(2 * MOMENT)
        first = await in_thread(world, shown, "R-1001")
        assert first.text.startswith("<@U0BOB>, <@U0CAROL> and <@U0DAVE>: ")
        assert "It expires <!date^" in first.text
        assert rung_by(world, first) == {"bob", "carol", "dave"}
        await world.pass_time(timedelta(days=6) - timedelta(days=7) / 3 - 3 * MOMENT)
        await _settled(world)
        assert len(_replies(world, shown)) == 1
        await world.pass_time(4 * MOMENT)
        await world.told("reminded", times=2)
        second = await world.person("carol").sees(
            lambda one: one.thread_ts == shown.ts and one.ts not in (shown.ts, first.ts), channel="approvals"
        )
        assert second.text == f"{first.text} This is the last reminder."
        assert rung_by(world, second) == {"bob", "carol", "dave"}
        await _settled(world)
        assert len(_replies(world, shown)) == 2
        assert await _reminded(world) == ["still waiting", "last chance"]
        await world.pass_time(DAY)
        await becomes(world.person("bob"), shown, "Expired unanswered")
        assert world.slack.app_errors == []


async def test_who_said_yes_is_not_reminded(tmp_path: Path) -> None:
    """Of two yeses Bob has given his: Carol and Dave are mentioned."""
    async with living(tmp_path) as world:
        shown = await asked(world, api="ledger")
        await world.person("bob").clicks("Approve", shown)
        await becomes(world.person("bob"), shown, "1 of 2 approvals")
        await world.pass_time(timedelta(days=3))
        note = await in_thread(world, shown, "R-1001")
        assert note.text.startswith("<@U0CAROL> and <@U0DAVE>: ")
        assert "<@U0BOB>" not in note.shown
        assert world.slack.app_errors == []


async def test_the_requester_and_the_deactivated_are_not_reminded(tmp_path: Path) -> None:
    """Bob asked himself and Dave has left, though the group still names both: Carol alone is mentioned."""
    async with living(tmp_path) as world:
        shown = await asked(world, "bob")
        world.slack.workspace.deactivate("dave", leaves_groups=False)
        await world.pass_time(timedelta(days=3))
        note = await in_thread(world, shown, "R-1001")
        assert note.text.startswith("<@U0CAROL>: ")
        assert "<@U0BOB>" not in note.shown
        assert "<@U0DAVE>" not in note.shown
        assert world.slack.app_errors == []


async def test_who_was_away_for_days_is_reminded_once(tmp_path: Path) -> None:
    """The bot slept through the first moment: what it says then is the last chance, not both."""
    async with living(tmp_path) as world:
        shown = await asked(world)
        await world.pass_time(timedelta(days=6, hours=1))
        await in_thread(world, shown, "R-1001")
        await _settled(world)
        assert len(_replies(world, shown)) == 1
        assert await _reminded(world) == ["last chance"]
        assert world.slack.app_errors == []


async def test_what_is_decided_reminds_nobody(tmp_path: Path) -> None:
    """Bob has said no: nobody is asked any more."""
    async with living(tmp_path) as world:
        shown = await asked(world)
        await denies(world, "bob", shown, "not this week")
        await world.told("denied")
        await world.pass_time(timedelta(days=6, hours=1))
        await _settled(world)
        assert _replies(world, shown) == []
        assert await _reminded(world) == []
        assert world.slack.app_errors == []


async def test_what_lapses_within_hours_reminds_once(tmp_path: Path) -> None:
    """There is no day before the end of an hour: a third of it has passed, and that is all."""

    def an_hour(text: str) -> str:
        return text.replace("hide_token_after: 1d\n", "hide_token_after: 1d\n  request_lapses_after: 1h\n")

    async with living(tmp_path, change=an_hour) as world:
        shown = await asked(world)
        await world.pass_time(timedelta(minutes=21))
        await in_thread(world, shown, "R-1001")
        await world.pass_time(timedelta(minutes=38))
        await _settled(world)
        assert await _reminded(world) == ["still waiting"]
        await world.pass_time(timedelta(minutes=2))
        await becomes(world.person("bob"), shown, "Expired unanswered")
        ring = await world.person("alice").sees("nobody decided within 1 hour", channel="dm")
        assert ring.labels == ["Ask again"]
        assert world.slack.app_errors == []
