"""The card to decide by, as those who decide and the one who asked meet it."""

from __future__ import annotations

from pathlib import Path

from tests.running import quiet
from tests.story import asked, becomes, opens_form, picks_api, reads
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
