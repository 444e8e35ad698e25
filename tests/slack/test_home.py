"""The Home tab: fresh when it is opened, followed while it may be open, and nothing asked while nobody has it open."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from bot.opening import new_id
from bot.operations import Operations
from bot.slack import holdings, home
from bot.store.engine import open_engine
from bot.store.store import Store
from tests.log import Log, logged
from tests.running import quiet
from tests.slack.test_holdings import home as drawn
from tests.slack.test_holdings import marked, numbered
from tests.slack.test_messages import Story, ends, held
from tests.slack.test_modals import rule
from tests.story import DECIDE, asked, denies, granted, is_told, labels, reads
from tests.world import WITHIN, World, living

Json = dict[str, Any]


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits two seconds for the next look."""
    monkeypatch.setattr(home, "EVERY", 0.05)
    monkeypatch.setattr(home, "PAUSE", 0.05)


# --- as it is drawn ---------------------------------------------------------------------------------------------------


def pressable(shown: Json) -> list[str]:
    """The buttons from top to bottom."""
    rows = [block["elements"] for block in shown["blocks"] if block["type"] == "actions"]
    return [one["text"]["text"] for row in rows for one in row]


def headings(shown: Json) -> list[str]:
    return [block["text"]["text"] for block in shown["blocks"] if block["type"] == "header"]


def test_it_is_the_list_with_a_door_above_and_help_below() -> None:
    """What can be requested and the button, what waits, one's own, the past, and whom to ask."""
    shown = drawn(
        [numbered(held().record, 1)], [numbered(ends()["denied"], 2)], [numbered(Story().record, 3)], offered=[rule()]
    )
    assert headings(shown) == ["Waiting for you", "Your tokens and requests", "Past", "Help"]
    owned = ["Extend", "Replace token", "Change plan", "Revoke"]
    assert pressable(shown) == ["Request a token", *DECIDE, *owned, "Ask again"]
    said = marked(shown)
    assert said[0] == "You can request tokens for Payments."
    assert "ask in <#C0HELP>" in said[-2]
    assert said[-1].startswith("As of <!date^")


def test_who_has_nothing_reads_where_to_begin() -> None:
    """One sentence, the button, and help; who may request nothing has no button."""
    assert holdings.NOTHING in marked(drawn(offered=[rule()]))
    assert pressable(drawn(offered=[rule()])) == ["Request a token"]
    assert pressable(drawn()) == []
    assert marked(drawn())[0] == "There is no API that you can request a token for."


def test_the_fullest_home_keeps_the_limits() -> None:
    """A hundred blocks at most, each entry with its buttons, however many APIs there are."""
    own, past, waiting = ([numbered(held().record, start + n) for n in range(60)] for start in (0, 60, 120))
    many = [rule(name=f"api-{n}", title=f"A title of some length {n}") for n in range(10_000)]
    shown = drawn(own, past, waiting, offered=many, more_own=True, more_awaiting=True)
    assert len(shown["blocks"]) <= 95


# --- as it is opened --------------------------------------------------------------------------------------------------


def published(world: World, since: int = 0) -> list[str]:
    """Who was shown their Home, one after the other."""
    users = world.slack.workspace.users
    calls = [one for one in world.slack.journal.calls() if one.name == "views.publish" and one.number > since]
    return [users[one.args["user_id"]].name for one in calls]


def now(world: World) -> int:
    """The number of the journal's newest entry."""
    return len(world.slack.journal.entries)


def followed() -> bool:
    """Whether anybody's Home is looked after."""
    return any(task.get_name() == home.FOLLOWING and not task.done() for task in asyncio.all_tasks())


async def test_opening_it_costs_one_call(tmp_path: Path, log: Log) -> None:
    """With warm caches nothing is asked of Slack but to show it."""
    async with living(tmp_path) as world:
        await logged(log, "config.checked")  # until then the bot looks people up by itself
        alice = world.person("alice")
        await alice.opens_home()
        await alice.sees_home(holdings.NOTHING)
        await quiet(world)
        before = now(world)
        await world.person("bob").opens_home()
        await world.person("bob").sees_home(holdings.NOTHING)
        cost = Counter(one.name for one in world.slack.journal.calls() if one.number > before)
        assert cost == {"views.publish": 1, "users.info": 1}, "and once a minute who he is"
        assert world.slack.app_errors == []


async def test_who_comes_back_at_once_waits_for_the_next_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who opens it ten times in a moment is shown it twice."""
    monkeypatch.setattr(home, "EVERY", 0.5)
    async with living(tmp_path) as world:
        alice = world.person("alice")
        for _ in range(10):
            await alice.opens_home()
        await alice.sees_home(holdings.NOTHING)
        await world.slack.changes.until(lambda: len(published(world)) >= 2 or None, WITHIN, "the second showing")
        await alice.runs("/tyk-key", "help")
        assert published(world) == ["alice", "alice"]


async def test_a_guest_reads_why_there_is_nothing_and_is_not_followed(tmp_path: Path) -> None:
    """No button, and nothing looks after it; whoever opens it without end leaves Slack's limit to others."""
    async with living(tmp_path) as world:
        alice, gwen = world.person("alice"), world.person("gwen")
        await gwen.opens_home()
        shown = await gwen.sees_home("Only full members of this workspace can use this bot, and you're a guest here.")
        assert labels(shown) == []
        assert not followed()
        for _ in range(60):
            await gwen.opens_home()
        await alice.opens_home()
        await alice.sees_home(holdings.NOTHING)
        assert len(published(world)) <= 25
        assert world.slack.app_errors == []


async def test_where_slack_cannot_say_who_she_is_she_is_asked_to_open_it_again(tmp_path: Path) -> None:
    """And when she does, it is there."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        world.slack.faults.next("users.info", error="internal_error", when=lambda args: bool(args["user"] == alice.id))
        await alice.opens_home()
        await alice.sees_home(home.CANNOT_SAY)
        assert not followed()
        await alice.opens_home()
        await alice.sees_home(holdings.NOTHING)


# --- as it is followed ------------------------------------------------------------------------------------------------


async def test_it_follows_what_happens(tmp_path: Path) -> None:
    """Alice looks on: her request waits, is approved, and her token is there, without her doing anything."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await alice.opens_home()
        shown = await asked(world)
        assert "Withdraw" in labels(await alice.sees_home("if nobody decides", timeout=WITHIN))
        await world.person("bob").clicks("Approve", shown)
        await alice.sees_home("Active until", timeout=WITHIN)
        await alice.sees_home(lambda view: "Replace token" in labels(view), timeout=WITHIN)
        assert world.slack.app_errors == []


async def test_it_is_drawn_for_those_whom_it_concerns_and_for_nobody_else(tmp_path: Path) -> None:
    """Alice and those who may decide, while theirs is open; not for Gwen, nor for who looked at the list alone."""
    async with living(tmp_path) as world:
        for name in ("alice", "bob", "gwen"):
            await world.person(name).opens_home()
            await world.person(name).sees_home()
        before = now(world)
        await asked(world, "dave")
        await world.person("bob").sees_home("R-1001", timeout=WITHIN)
        await asked(world)
        await world.person("alice").sees_home("R-1002", timeout=WITHIN)
        await world.person("bob").sees_home("R-1002", timeout=WITHIN)
        assert set(published(world, before)) == {"alice", "bob"}


async def test_what_another_process_did_shows_too(tmp_path: Path) -> None:
    """An operator ends Alice's access at the command line; her Home says so."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await granted(world)
        await alice.opens_home()
        await alice.sees_home("Active until")
        other = Store(open_engine(f"sqlite:///{tmp_path / 'bot.db'}"))
        operations = Operations(other, world.running.worker.ports.in_force, new_id)
        with other.reading() as tx:
            record = tx.numbered(1001)
        assert record is not None
        await operations.revoke(record.request.id, None, "an exercise")
        assert labels(await alice.sees_home("Past", timeout=WITHIN)) == ["Request a token", "Ask again"]
        other.engine.dispose()


async def test_the_requester_comes_first_and_few_are_drawn_at_a_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four have theirs open: two are drawn at once, Alice among them, the others at the next look."""
    monkeypatch.setattr(home, "EVERY", 1.0)
    async with living(tmp_path) as world:
        for name in ("bob", "carol", "dave", "alice"):
            await world.person(name).opens_home()
            await world.person(name).sees_home("Help")
        before = now(world)
        await asked(world)
        for name in ("bob", "carol", "dave"):
            await world.person(name).sees_home("R-1001", timeout=WITHIN)
        assert published(world, before)[0] == "alice"
        assert sorted(published(world, before)) == ["alice", "bob", "carol", "dave"]


async def test_a_look_at_which_nothing_is_new_draws_nothing(tmp_path: Path) -> None:
    """However many have theirs open: the audit is asked once a look, and nobody's list is read."""
    async with living(tmp_path) as world:
        for name in ("alice", "bob"):
            await world.person(name).opens_home()
            await world.person(name).sees_home(holdings.NOTHING)
        await quiet(world)
        before, drawings, looks, looked = now(world), list[str](), list[str](), asyncio.Event()

        def executed(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            if "audit.number >" in statement:
                looks.append(statement)
            if "max(audit.number)" in statement:
                drawings.append(statement)
            if len(looks) == 5:
                loop.call_soon_threadsafe(looked.set)

        loop, engine = asyncio.get_running_loop(), world.running.store.engine
        event.listen(engine, "before_cursor_execute", executed)
        async with asyncio.timeout(WITHIN):
            await looked.wait()
        event.remove(engine, "before_cursor_execute", executed)
        assert (drawings, published(world, before)) == ([], [])


async def test_when_nobody_looks_any_more_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half an hour after it was opened it counts as left; opened again, it is followed again."""
    monkeypatch.setattr(home, "OPEN_FOR", 0.2)
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await alice.opens_home()
        await alice.sees_home(holdings.NOTHING)
        (task,) = [one for one in asyncio.all_tasks() if one.get_name() == home.FOLLOWING]
        await asyncio.wait({task}, timeout=WITHIN)
        assert not followed()
        monkeypatch.setattr(home, "OPEN_FOR", 1800.0)
        await alice.opens_home()
        await asked(world)
        await alice.sees_home("R-1001", timeout=WITHIN)


async def test_of_very_many_the_last_to_open_theirs_are_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is room for one, Bob's is followed, who came after Alice; hers is fresh when she opens it again."""
    monkeypatch.setattr(home, "MOST", 1)
    async with living(tmp_path) as world:
        for name in ("alice", "bob"):
            await world.person(name).opens_home()
            await world.person(name).sees_home(holdings.NOTHING)
        before = now(world)
        await asked(world)
        await world.person("bob").sees_home("R-1001", timeout=WITHIN)
        assert published(world, before) == ["bob"]
        await world.person("alice").opens_home()
        await world.person("alice").sees_home("R-1001")


async def test_it_ends_with_the_bot(tmp_path: Path) -> None:
    """Nothing looks on when it has stopped."""
    async with living(tmp_path) as world:
        await world.person("alice").opens_home()
        await world.person("alice").sees_home(holdings.NOTHING)
        assert followed()
    assert not followed()


async def test_what_slack_refuses_is_tried_when_it_said_and_warned_of_once(tmp_path: Path, log: Log) -> None:
    """A limit is waited for; the log has one line however often it failed."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await alice.opens_home()
        await alice.sees_home(holdings.NOTHING)
        world.slack.faults.next("views.publish", status=429, retry_after=1)
        await asked(world)
        await alice.sees_home("R-1001", timeout=WITHIN)
        assert [line["error"] for line in log if line["event"] == "home.not_followed"] == ["ratelimited"]


# --- what is pressed there --------------------------------------------------------------------------------------------


async def test_who_is_not_in_the_channel_approves_at_home(tmp_path: Path) -> None:
    """Bob left the approvers' channel: he sees the request in his Home, approves it there, and reads what came of it."""
    async with living(tmp_path) as world:
        bob = world.person("bob")
        world.slack.workspace.leave("bob", "approvals")
        await bob.opens_home()
        await asked(world)
        shown = await bob.sees_home("<@U0ALICE> requests it for 7 days.", timeout=WITHIN)
        assert labels(shown)[1:] == DECIDE
        await bob.clicks_in_home("Approve")
        shown = await bob.sees_home("Approved by <@U0BOB>, <!date^", timeout=WITHIN)
        assert "Waiting for you" not in reads(shown)
        assert await world.token_of("alice")
        assert bob.view is None
        assert world.slack.app_errors == []


async def test_a_denial_at_home_opens_a_form_and_home_is_drawn_anew(tmp_path: Path) -> None:
    """The form stands alone, there is nothing below it; sent, it closes onto a Home that says what is true."""
    async with living(tmp_path) as world:
        bob = world.person("bob")
        await asked(world)
        await bob.opens_home()
        await bob.sees_home("R-1001")
        await bob.clicks_in_home("Deny")
        await bob.sees_view("Deny R-1001")
        assert len(bob.views) == 1
        await bob.types("reason", "not this week")
        assert (await bob.submits()).response_action == "close"
        await bob.sees_home("Denied by <@U0BOB>, <!date^", timeout=WITHIN)
        await world.person("alice").rung("was denied by <@U0BOB>")
        assert world.slack.app_errors == []


async def test_a_click_that_comes_too_late_is_told_so_and_home_is_drawn_anew(tmp_path: Path) -> None:
    """Bob's Home is of before, as after a restart: Carol has decided, and he is told."""
    async with living(tmp_path) as world:
        bob, shown = world.person("bob"), await asked(world)
        await bob.opens_home()
        await bob.sees_home("R-1001")
        old = world.slack.workspace.homes[bob.id]
        content = dict(old.content)
        await world.person("carol").clicks("Approve", shown)
        await bob.sees_home(holdings.NOTHING, timeout=WITHIN)
        world.slack.workspace.replace_view(old, content)
        await bob.clicks_in_home("Approve")
        await is_told(bob, "R-1001 was approved by <@U0CAROL>", "Already approved")
        await bob.sees_home(holdings.NOTHING)
        assert world.slack.app_errors == []


async def test_a_token_is_requested_and_requested_again_at_home(tmp_path: Path) -> None:
    """The button opens the form; Ask again opens it filled in; what was sent shows in Home."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await denies(world, "bob", await asked(world), "not this week")
        await world.told("denied")
        await alice.opens_home()
        await alice.sees_home("Denied by")
        await alice.clicks_in_home("Request a token")
        await alice.sees_view("API")
        await alice.closes()
        await alice.clicks_in_home("Ask again")
        await alice.sees_view(lambda view: any(one["block_id"] == "about:payments" for one in view["blocks"]))
        await alice.submits()
        await alice.sees_view("R-1002")
        await alice.closes()
        assert "Withdraw" in labels(await alice.sees_home("R-1002", timeout=WITHIN))
        await alice.clicks_in_home("Withdraw")
        await alice.sees_home("Withdrawn by <@U0ALICE>", timeout=WITHIN)
        assert world.slack.app_errors == []


async def test_time_decides_at_home_too(tmp_path: Path) -> None:
    """What expired while she looked on is past."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await asked(world)
        await alice.opens_home()
        await alice.sees_home("R-1001")
        await world.pass_time(timedelta(days=7, seconds=1))
        await alice.sees_home("Past", timeout=WITHIN)


# --- the messages beside it -------------------------------------------------------------------------------------------


async def test_who_comes_to_the_messages_first_is_told_once_where_to_go(tmp_path: Path) -> None:
    """Alice cannot write there: she reads what to do instead, once, and the button does it."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await alice.opens_home("messages")
        told = await alice.sees("You can't write to me here", channel="dm")
        assert told.labels == ["Request a token"]
        await alice.opens_home("messages")
        await alice.clicks("Request a token", told)
        await alice.sees_view("API")
        assert len(alice.dm()) == 1
        assert world.slack.app_errors == []


async def test_who_knows_the_way_is_told_nothing_and_so_is_who_may_not_go(tmp_path: Path) -> None:
    """Dave has asked before, Gwen is a guest: no phone rings."""
    async with living(tmp_path) as world:
        await asked(world, "dave")
        await world.told("asked")
        await quiet(world)
        before = len(world.slack.workspace.rings)
        await world.person("dave").opens_home("messages")
        await world.person("gwen").opens_home("messages")
        await world.person("dave").opens_home()
        await world.person("dave").sees_home("R-1001")
        assert len(world.slack.workspace.rings) == before
        assert world.person("gwen").dm() == []
