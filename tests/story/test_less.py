"""Approving less than was asked for, and saying why: the card's third button."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from bot.local.slack import Message, Person
from tests.story import (
    DECIDE,
    View,
    asked,
    becomes,
    card,
    is_told,
    of_event,
    opens,
    options,
    reads,
    sends_anything,
    status,
)
from tests.story import with_bystander as bystander
from tests.world import World, living

SECONDS_1_DAY, SECONDS_7_DAYS, NEVER = "86400", "604800", "never"
NOTE = "a day is enough for a test <!here>"
INERT = "a day is enough for a test &lt;!here&gt;"


async def _opens_form(person: Person, shown: Message) -> View:
    await person.clicks("Approve with changes", shown)
    return await person.sees_view("Why you approve")


def _expires(world: World) -> float:
    """How many seconds the last key has to live at Tyk."""
    return float(world.tyk.keys[-1].session["expires"]) - time.time()


def _rate(world: World) -> Any:
    return world.tyk.keys[-1].session["rate"]


async def test_a_day_instead_of_seven_with_the_smaller_plan(tmp_path: Path) -> None:
    """Bob gives a day of the standard plan and says why: card, status, key, token and audit say what was given and what was
    asked for."""
    async with living(tmp_path) as world:
        bob = world.person("bob")
        await world.asks("alice", "payments", plan="gold")
        shown = await card(world)
        assert shown.labels == DECIDE
        view = await _opens_form(bob, shown)
        assert options(view, "lifetime") == ["20", SECONDS_1_DAY, SECONDS_7_DAYS]
        assert options(view, "plan") == ["standard", "gold"]
        await bob.picks("lifetime", SECONDS_1_DAY)
        await bob.picks("plan", "standard")
        await bob.types("reason", NOTE)
        assert (await bob.submits()).response_action == "close"
        half = await becomes(
            bob, shown, "Now for 1 day with the plan standard; Alice Adams asked for 7 days with the plan gold."
        )
        assert "1 of 2 approvals: <@U0BOB>." in half.shown
        await world.person("carol").clicks("Approve", half)
        token = await world.token_of("alice")
        both = "Approved by <@U0BOB> and <@U0CAROL> for 1 day with the plan standard, <!date^"
        decided = await becomes(bob, shown, both)
        assert "<@U0ALICE> asked for Payments (gold, opens Ledger, too), 7 days. Approved by" in decided.shown
        assert f"<@U0BOB>: “{INERT}”" in decided.shown
        told = await status(world, "alice", both)
        assert "; you asked for 7 days with the plan gold." in told.shown
        assert f"<@U0BOB>: “{INERT}”" in told.shown
        assert 86000 < _expires(world) <= 86400
        assert _rate(world) == 100
        assert opens(world, token)
        assert world.tyk.opens(token, "/ledger/")[0] != 200
        reviewed, _ = await of_event(world, "reviewed")
        less = {"plan": "standard", "lifetime": 86400, "asked_plan": "gold", "asked_lifetime": 604800}
        assert reviewed.details.items() >= (less | {"reason": NOTE}).items()
        await world.told("sent")
        said = "\n".join(message.text for message in world.person("carol").messages("audit"))
        assert "standard instead of gold, 1 day instead of 7 days" in said
        assert INERT in said
        assert world.slack.app_errors == []


async def test_who_approves_afterwards_sees_the_smaller_one(tmp_path: Path) -> None:
    """Of two approvals Bob gives his to seven days instead of no end: Carol reads that, and her plain yes is to it."""
    async with living(tmp_path) as world:
        bob, carol = world.person("bob"), world.person("carol")
        shown = await asked(world, api="ledger", lifetime=NEVER)
        view = await _opens_form(bob, shown)
        assert options(view, "lifetime") == [SECONDS_7_DAYS, NEVER]
        await bob.picks("lifetime", SECONDS_7_DAYS)
        await bob.submits()
        half = await becomes(carol, shown, "Now for 7 days; Alice Adams asked for access that doesn't expire.")
        assert half.labels == DECIDE
        assert (
            "Now for 7 days; you asked for access that doesn't expire."
            in (await status(world, "alice", "1 of 2")).shown
        )
        await carol.clicks("Approve", half)
        await world.token_of("alice")
        assert "Approved by <@U0BOB> and <@U0CAROL> for 7 days" in (await becomes(carol, shown, "Access until")).shown
        assert 604000 < _expires(world) <= 604800
        assert world.slack.app_errors == []


async def test_a_form_that_was_overtaken_gives_no_more(tmp_path: Path) -> None:
    """Carol's form is of before Bob made it a week: no end is refused where she picked it, and a week is not."""
    async with living(tmp_path) as world:
        bob, carol = world.person("bob"), world.person("carol")
        shown = await asked(world, api="ledger", lifetime=NEVER)
        await _opens_form(carol, shown)
        await _opens_form(bob, shown)
        await bob.picks("lifetime", SECONDS_7_DAYS)
        await bob.submits()
        await becomes(carol, shown, "Now for 7 days")
        refused = await carol.submits()
        assert "Open this form again to see what can." in refused.errors["lifetime"]
        await carol.picks("lifetime", SECONDS_7_DAYS)
        assert (await carol.submits()).response_action == "close"
        await becomes(carol, shown, "Access until")
        assert len(await of_event(world, "reviewed")) == 2
        assert world.slack.app_errors == []


async def test_the_form_opens_for_those_who_may_approve(tmp_path: Path) -> None:
    """Erin reads along, and Bob asked himself: both are told no, and the audit hears of it."""
    async with living(tmp_path, prepare=bystander) as world:
        bob, erin, shown = world.person("bob"), world.person("erin"), await asked(world, "bob")
        await erin.clicks("Approve with changes", shown)
        await is_told(erin, "Payments")
        await bob.clicks("Approve with changes", shown)
        await is_told(bob, "own request" if "own request" in reads(bob.view) else "You asked for this yourself")
        await world.told("refused", times=2)
        assert await of_event(world, "reviewed") == []
        assert world.slack.app_errors == []


async def test_a_yes_with_a_reason_alone(tmp_path: Path) -> None:
    """Nothing is made less: it is granted as it was asked for, with Bob's words beside it."""
    async with living(tmp_path) as world:
        bob, shown = world.person("bob"), await asked(world)
        await _opens_form(bob, shown)
        await bob.types("reason", "as agreed")
        await bob.submits()
        decided = await becomes(bob, shown, "<@U0BOB>: “as agreed”")
        assert "asked for 7" not in decided.shown.partition("Approved by")[2]
        (reviewed,) = await of_event(world, "reviewed")
        assert (reviewed.details["reason"], "asked_plan" in reviewed.details) == ("as agreed", False)
        assert world.slack.app_errors == []


async def test_a_note_that_is_too_long_is_said_at_the_note(tmp_path: Path) -> None:
    """As long as a reason, and nothing is approved before it fits."""
    async with living(tmp_path) as world:
        bob, shown = world.person("bob"), await asked(world)
        await _opens_form(bob, shown)
        window = world.slack.workspace.stacks[bob.id][-1]
        sends_anything(window, "reason", "x" * 501)
        assert list((await bob.submits()).errors) == ["reason"]
        assert await of_event(world, "reviewed") == []
        assert world.slack.app_errors == []
