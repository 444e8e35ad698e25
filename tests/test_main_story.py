"""The main story, as the people in it see it."""

from __future__ import annotations

from pathlib import Path

from bot.sandbox.demos.reading import reading, token_in
from tests.world import living


def test_links_are_read_without_their_markup() -> None:
    """The words and the address; a link alone on its line, which a terminal cannot follow into the local Slack, is left out."""
    assert reading("Read <https://docs.example.com/a?b=1&amp;c=2|the docs>, <@U0BOB>.") == (
        "Read the docs (https://docs.example.com/a?b=1&c=2), @Bob."
    )
    assert reading("It waits.\n<https://slack.com/app_redirect?app=A0|Open our conversation>") == "It waits."


async def test_alice_asks_and_bob_approves(tmp_path: Path) -> None:
    """Alice asks, Bob approves, the token arrives, opens the API, and is hidden when she has saved it."""
    async with living(tmp_path) as world:
        alice, bob = world.person("alice"), world.person("bob")
        outcome = await world.asks("alice", "payments", plan="standard", used_by="checkout")
        assert outcome.response_action == "update", (outcome, world.slack.app_errors)
        await alice.sees_view("R-1001")
        card = await bob.sees(lambda one: "Approve" in one.labels, channel="approvals")
        assert "to build the checkout" in card.shown
        await bob.clicks("Approve")
        token = await world.token_of("alice")
        assert world.tyk.opens(token, "/payments/")[0] == 200
        await bob.sees(lambda one: one.ts == card.ts and "Approve" not in one.labels, channel="approvals")
        message = await alice.sees(lambda one: token_in(one) is not None, channel="dm")
        await alice.clicks("I've saved it")
        await alice.sees_gone(message)
        await world.told("hidden")
        assert (await world.events())[:4] == ["configured", "asked", "reviewed", "approved"]
        assert world.slack.app_errors == []
