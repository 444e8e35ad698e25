"""`/tyk-key list`: what somebody asked for and holds, what waits for them, and what can be done about each."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from bot.sandbox.demos.reading import has_block
from tests.story import (
    DECIDE,
    another_token,
    asked,
    becomes,
    denies,
    dies,
    granted,
    is_told,
    labels,
    lists,
    of_event,
    opens,
    opens_list,
    reads,
    status,
)
from tests.world import living

SECONDS_7_DAYS, SECONDS_30_DAYS = "604800", "2592000"
NOTHING = "You have no tokens or requests yet, and nothing waits for you."
LOOKING = "Looking up your requests and tokens…"


def _in_order(said: str, *parts: str) -> None:
    """Each of these stands in it, in this order."""
    at = -1
    for part in parts:
        assert part in said[at + 1 :], f"{part!r} is not there, or out of its turn:\n{said}"
        at = said.index(part, at + 1)


# --- one's own --------------------------------------------------------------------------------------------------------


async def test_with_cold_caches_the_list_opens_before_slack_has_said_who_she_is(tmp_path: Path) -> None:
    """Alice sees at once that her command was taken, and that there is nothing when Slack has said who she is."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        world.slack.faults.next("users.info", latency=2, when=lambda args: bool(args["user"] == alice.id))
        outcome = await alice.runs("/tyk-key", "list")
        assert outcome.ack_ms is not None
        assert outcome.ack_ms < 700
        assert LOOKING in reads(await alice.sees_view(LOOKING))
        view = await lists(alice, NOTHING)
        assert labels(view) == []
        assert "`/tyk-key` requests a token. Questions: <#C0HELP>." in str(view["blocks"])
        assert view["submit"] is None
        assert world.slack.app_errors == []


async def test_with_warm_caches_the_list_is_there_at_once(tmp_path: Path) -> None:
    """The second time nothing is looked up and one view is opened; it may be written in capitals."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await opens_list(alice)
        await alice.closes()
        before = len(world.slack.journal.entries)
        await alice.runs("/tyk-key", "LIST")
        await lists(alice, NOTHING)
        calls = [one for one in world.slack.journal.calls() if one.number > before]
        assert [one.name for one in calls if one.name.startswith("views.")] == ["views.open"]
        assert not [one for one in calls if one.name == "users.info" and one.args["user"] == alice.id]
        assert world.slack.app_errors == []


async def test_what_waits_comes_first_then_what_ends_soon_then_what_is_over(tmp_path: Path) -> None:
    """Alice holds two for different times, waits for one and was denied one; each has the buttons for what can be done."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await denies(world, "bob", await asked(world), "not this week")
        await granted(world, lifetime=SECONDS_30_DAYS, used_by="checkout, <!channel>")
        await granted(world, lifetime=SECONDS_7_DAYS)
        await asked(world, api="ledger")
        view = await opens_list(alice)
        _in_order(
            reads(view),
            "Your tokens and requests",
            "*R-1004* · Ledger",
            "2 approvals from <!subteam^S0LEADS> are needed.",
            "if nobody decides",
            "*R-1003* · Payments (standard)",
            "Active until <!date^",
            "*R-1002* · Payments (standard)",
            "Used by: checkout, &lt;!channel&gt;",
            "Active until <!date^",
            "Past",
            "*R-1001* · Payments (standard)",
            "Denied by <@U0BOB>",
        )
        assert labels(view) == [
            "Withdraw",
            "Extend",
            "Replace token",
            "Change plan",
            "Revoke",
            "Extend",
            "Replace token",
            "Change plan",
            "Revoke",
            "Ask again",
        ]
        assert "Waiting for you" not in reads(view)
        assert world.slack.app_errors == []


async def test_the_list_holds_nothing_of_anybody_else(tmp_path: Path) -> None:
    """Bob, who may ask for the same things, sees what he asked for and nothing that Alice holds."""
    async with living(tmp_path) as world:
        await granted(world, by="carol")
        await asked(world, "bob", "ledger")
        view = await opens_list(world.person("bob"))
        assert "R-1002" in reads(view)
        assert "R-1001" not in reads(view)
        assert labels(view) == ["Withdraw"]
        assert world.slack.app_errors == []


async def test_withdrawing_from_the_list_shows_in_it(tmp_path: Path) -> None:
    """Alice takes her request back: the same list says so, and so does the card."""
    async with living(tmp_path) as world:
        alice, shown = world.person("alice"), await asked(world)
        await opens_list(alice)
        await alice.clicks("Withdraw")
        view = await lists(alice, "Withdrawn by <@U0ALICE>")
        assert labels(view) == ["Ask again"]
        assert len(alice.views) == 1
        await becomes(world.person("bob"), shown, "Withdrawn by <@U0ALICE>")
        assert world.slack.app_errors == []


async def test_replacing_from_the_list_shows_in_it(tmp_path: Path) -> None:
    """The form opens over the list, and closes into a list that says what is true by then."""
    async with living(tmp_path) as world:
        alice, token = world.person("alice"), await granted(world)
        await opens_list(alice)
        await alice.clicks("Replace token")
        await alice.sees_view("What happened?")
        assert len(alice.views) == 2
        world.tyk.faults.away = True
        await alice.submits()
        view = await lists(alice, "A new token is on its way.")
        assert labels(view) == ["Revoke"]
        world.tyk.faults.clear()
        await another_token(world, "alice", token)
        await dies(world, token)
        assert world.slack.app_errors == []


async def test_asking_again_for_what_is_over(tmp_path: Path) -> None:
    """The form opens over the list, filled in as it was; what it makes is a new request with a number of its own."""
    async with living(tmp_path) as world:
        alice, shown = world.person("alice"), await asked(world, used_by="checkout", lifetime=SECONDS_30_DAYS)
        await denies(world, "bob", shown, "not this week")
        await becomes(world.person("bob"), shown, "Denied by <@U0BOB>")
        await opens_list(alice)
        await alice.clicks("Ask again")
        form = await alice.sees_view(lambda view: has_block(view, "about:payments"))
        initial = {block["block_id"]: block["element"] for block in form["blocks"] if block["type"] == "input"}
        assert initial["used_by"]["initial_value"] == "checkout"
        assert initial["reason"]["initial_value"] == "to build the checkout"
        assert initial["plan:payments"]["initial_option"]["value"] == "standard"
        assert initial["lifetime:payments"]["initial_option"]["value"] == SECONDS_30_DAYS
        assert (await alice.submits()).response_action == "update"
        await alice.sees_view("R-1002")
        assert len(await of_event(world, "asked")) == 2
        assert world.slack.app_errors == []


async def test_a_click_in_an_outdated_list_is_told_so_and_the_list_is_drawn_anew(tmp_path: Path) -> None:
    """Bob decided while Alice looked at her list: her Withdraw comes too late, and what she sees then is true."""
    async with living(tmp_path) as world:
        alice, shown = world.person("alice"), await asked(world)
        await opens_list(alice)
        await denies(world, "bob", shown, "not this week")
        await world.told("denied")
        await alice.clicks("Withdraw")
        await is_told(alice, "R-1001 was denied by <@U0BOB>", "Already denied")
        assert labels(await lists(alice, "Denied by <@U0BOB>")) == ["Ask again"]
        assert "withdrawn" not in await world.events()
        assert world.slack.app_errors == []


async def test_time_decides_in_the_list_too(tmp_path: Path) -> None:
    """A request whose time is over is not on offer, even where nobody had woken to end it."""
    async with living(tmp_path) as world:
        alice, bob = world.person("alice"), world.person("bob")
        await asked(world)
        await world.pass_time(timedelta(days=7, seconds=1))
        await status(world, "alice", "Expired unanswered")
        assert "R-1001" not in reads(await opens_list(bob))
        assert labels(await opens_list(alice)) == ["Ask again"]
        assert world.slack.app_errors == []


# --- what waits for this person ---------------------------------------------------------------------------------------


async def test_an_approver_sees_what_waits_for_them_and_decides_there(tmp_path: Path) -> None:
    """Dave approves one and denies one from the list: after each act it says what is true, and so do the cards."""
    async with living(tmp_path) as world:
        dave = world.person("dave")
        first, second = (
            await asked(world, used_by="checkout"),
            await asked(world, "bob", reason="for the <!here> ledger"),
        )
        await asked(world, "dave")
        view = await opens_list(dave)
        _in_order(
            reads(view),
            "Waiting for you",
            "*R-1001* · Payments (standard)",
            "<@U0ALICE> requests it for 7 days.",
            "Used by: checkout",
            "Reason: to build the checkout",
            "*R-1002* · Payments (standard)",
            "<@U0BOB> requests it for 7 days.",
            "&lt;!here&gt;",
            "Your tokens and requests",
            "*R-1003* · Payments (standard)",
        )
        assert labels(view) == [*DECIDE, *DECIDE, "Withdraw"]
        await dave.clicks("Approve")
        view = await lists(dave, "Decided by you")
        _in_order(
            reads(view),
            "*R-1002*",
            "Decided by you",
            "*R-1001*",
            "Approved by <@U0DAVE>, <!date^",
            "Your tokens",
            "*R-1003*",
        )
        assert labels(view) == [*DECIDE, "Revoke", "Withdraw"]
        await becomes(dave, first, "Approved by <@U0DAVE>")
        assert opens(world, await another_token(world, "alice"))
        await dave.clicks("Deny")
        await dave.sees_view("Deny R-1002")
        await dave.types("reason", "not this week")
        assert (await dave.submits()).response_action == "close"
        view = await lists(dave, "Denied by <@U0DAVE>, <!date^")
        _in_order(reads(view), "Decided by you", "*R-1002*", "Denied by", "*R-1001*", "Approved by", "Your tokens")
        assert labels(view) == ["Revoke", "Withdraw"]
        await becomes(dave, second, "Denied by <@U0DAVE>")
        await world.person("bob").rung("was denied by <@U0DAVE>")
        assert world.slack.app_errors == []


async def test_who_has_said_yes_is_not_asked_again(tmp_path: Path) -> None:
    """Of two yeses Bob has given one: it waits for Carol, and for him no more."""
    async with living(tmp_path) as world:
        bob, carol = world.person("bob"), world.person("carol")
        await asked(world, api="ledger")
        await opens_list(bob)
        await bob.clicks("Approve")
        mine = await lists(bob, "You approved this, <!date^")
        _in_order(
            reads(mine), "Decided by you", "*R-1001*", "<@U0ALICE> requested it for", "1 of 2 approvals: <@U0BOB>."
        )
        assert labels(mine) == []
        view = await opens_list(carol)
        assert "1 of 2 approvals: <@U0BOB>." in reads(view)
        assert labels(view) == DECIDE
        await world.pass_time(timedelta(days=1, minutes=1))
        await opens_list(bob)
        await lists(bob, NOTHING)
        assert world.slack.app_errors == []


async def test_a_list_that_was_overtaken_says_who_decided(tmp_path: Path) -> None:
    """Carol decided while Bob looked at his list: he is told, and it waits for him no more."""
    async with living(tmp_path) as world:
        bob, shown = world.person("bob"), await asked(world)
        await opens_list(bob)
        await world.person("carol").clicks("Approve", shown)
        await world.told("sent")
        await bob.clicks("Approve")
        await is_told(bob, "R-1001 was approved by <@U0CAROL>", "Already approved")
        await lists(bob, NOTHING)
        assert len(await of_event(world, "reviewed")) == 1
        assert world.slack.app_errors == []


async def test_who_left_the_approvers_decides_nothing_from_an_outdated_list(tmp_path: Path) -> None:
    """Bob's list is of before: his yes is refused, the audit hears of it, and his list is empty then."""
    async with living(tmp_path) as world:
        bob = world.person("bob")
        await asked(world)
        await opens_list(bob)
        world.slack.workspace.set_group_members("payments-leads", ["carol", "dave"])
        world.running.directory.forget_groups()
        await bob.clicks("Approve")
        await is_told(bob, "You can't approve Payments.")
        await lists(bob, NOTHING)
        await world.told("refused")
        assert "reviewed" not in await world.events()
        assert world.slack.app_errors == []


# --- who may not ------------------------------------------------------------------------------------------------------


async def test_a_guest_is_told_that_only_full_members_may(tmp_path: Path) -> None:
    """Gwen gets a sentence and no list, and the audit a line."""
    async with living(tmp_path) as world:
        gwen = world.person("gwen")
        await gwen.runs("/tyk-key", "list")
        view = await gwen.sees_view("Only for full members")
        assert "Only full members of this workspace can use this bot, and you're a guest here." in reads(view)
        await world.told("refused")
        (refused,) = await of_event(world, "refused")
        assert (refused.details["person"], refused.details["step"]) == (gwen.id, "opening")
        assert world.slack.app_errors == []


async def test_where_slack_cannot_say_who_she_is_there_is_no_list(tmp_path: Path) -> None:
    """Alice is asked to try again in a moment; a moment later she gets it."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        world.slack.faults.next(
            "users.info", error="internal_error", times=None, when=lambda args: bool(args["user"] == alice.id)
        )
        await alice.runs("/tyk-key", "list")
        await alice.sees_view("I couldn't check who you are with Slack")
        world.slack.faults.clear()
        await opens_list(alice)
        await lists(alice, NOTHING)
        assert world.slack.app_errors == []
