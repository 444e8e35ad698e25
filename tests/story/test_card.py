"""The card to decide by, as those who decide and the one who asked meet it."""

from __future__ import annotations

from pathlib import Path

from tests.running import quiet
from tests.story import asked, becomes, card, fills_in, opens_form, picks_api, reads
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
