"""The card to decide by, as those who decide and the one who asked meet it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from bot.local.slack import LocalSlack
from bot.local.tyk import LocalTyk
from tests.running import quiet
from tests.story import (
    asked,
    becomes,
    card,
    fills_in,
    in_thread,
    of_event,
    opens_form,
    opens_list,
    picks_api,
    reads,
    rung_by,
    status,
    with_bystander,
)
from tests.world import living

PRODUCTION = "This is production."


def _warned(text: str) -> str:
    return text.replace("    title: Payments\n", f"    title: Payments\n    warning: {PRODUCTION}\n")


async def test_an_api_with_a_warning_asks_before_it_is_approved(tmp_path: Path) -> None:
    """Alice reads it on the form, Bob on the card, and once more in the dialog: without his yes there, nothing is decided."""
    async with living(tmp_path, change=_warned) as world:
        alice, bob = world.person("alice"), world.person("bob")
        await opens_form(alice)
        assert PRODUCTION in reads(await picks_api(alice, "payments"))
        await alice.closes()
        shown = await asked(world)
        assert PRODUCTION in shown.shown
        outcome = await bob.clicks("Approve", shown, confirm=False)
        assert outcome.dialog is not None
        assert outcome.dialog["text"]["text"] == PRODUCTION
        await quiet(world)
        assert "reviewed" not in await world.events()
        await bob.clicks("Approve", shown)
        await becomes(bob, shown, "Approved by <@U0BOB>")
        assert world.slack.app_errors == []


def _ticketed(text: str) -> str:
    wanted = "{pattern: '[A-Z]+-[0-9]+', says: 'Give the number of your change ticket, such as OPS-123.'}"
    lines = f"reason_pattern: {wanted}\n    reason_link: https://tickets.example.com/browse/{{match}}"
    return text.replace("    title: Payments\n", f"    title: Payments\n    {lines}\n")


async def test_a_reason_gives_the_number_that_the_api_asks_for(tmp_path: Path) -> None:
    """Alice reads it under the field, and again where she forgot it; Bob follows the link from the card."""
    says = "Give the number of your change ticket, such as OPS-123."
    async with living(tmp_path, change=_ticketed) as world:
        alice = world.person("alice")
        await fills_in(alice)
        assert says in reads(alice.view)
        assert (await alice.submits()).errors == {"reason": says}
        await alice.types("reason", "the new checkout, OPS-7")
        assert (await alice.submits()).response_action == "update"
        shown = await card(world)
        assert "https://tickets.example.com/browse/OPS-7" in str(shown.blocks)
        await world.told("asked")
        (line,) = [one.text for one in world.person("carol").messages("audit") if "*asked*" in one.text]
        assert "the new checkout, <https://tickets.example.com/browse/OPS-7|OPS-7>" in line
        assert world.slack.app_errors == []


# --- who may decide and is not called ---------------------------------------------------------------------------------


def _on_call(text: str) -> str:
    """Bob is called, and whoever is on call may decide."""
    return text.replace('approvers: ["@payments-leads"]', 'approvers: [U0BOB]\n    also_may_approve: ["@on-call"]')


def _with_erin_on_call(slack: LocalSlack, tyk: LocalTyk) -> None:
    with_bystander(slack, tyk)
    slack.workspace.add_group("on-call", id="S0ONCALL", members=["erin"])


async def test_who_also_may_approve_is_not_called_and_approves(tmp_path: Path) -> None:
    """The card and the reminder ring Bob alone; Erin finds the request in her list, and her yes counts by her group."""
    async with living(tmp_path, change=_on_call, prepare=_with_erin_on_call) as world:
        erin, shown = world.person("erin"), await asked(world)
        assert rung_by(world, shown) == {"bob"}
        assert "<@U0BOB> needs to approve this." in (await status(world, "alice", "needs to approve this.")).shown
        await world.pass_time(timedelta(days=3))
        reminder = await in_thread(world, shown, "has been waiting since")
        assert rung_by(world, reminder) == {"bob"}
        assert "You can decide this." in reads(await opens_list(erin))
        await erin.clicks("Approve")
        await becomes(world.person("bob"), shown, "Approved by <@U0ERIN>")
        (review,) = await of_event(world, "reviewed")
        assert review.details["counted_by"] == "S0ONCALL"
        await world.token_of("alice")
        assert world.slack.app_errors == []


async def test_a_change_of_a_group_that_also_may_approve_is_in_the_audit(tmp_path: Path) -> None:
    """Whoever comes into it may approve from then on, so it is told of as of any group that approves."""
    async with living(tmp_path, change=_on_call, prepare=_with_erin_on_call) as world:
        await quiet(world)
        world.slack.workspace.set_group_members("on-call", ["dave"])
        await world.told("group changed")
        (changed,) = await of_event(world, "group changed")
        assert (changed.details["added"], changed.details["removed"]) == (["U0DAVE"], ["U0ERIN"])
        assert changed.details["apis"] == ["ledger", "payments"]
