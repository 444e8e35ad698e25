"""The way in for somebody who has never heard of the command, and for an approver who is in no channel."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bot.local.slack import NotPossible
from bot.slack import holdings
from tests.story import becomes, labels, opens, picks_api, reads
from tests.world import WITHIN, living


async def test_alice_finds_the_app_and_bob_decides_from_his_home(tmp_path: Path) -> None:
    """She cannot say hello, reads what to do instead, asks by the button there, and watches her Home; he is in no channel and
    approves in his."""
    async with living(tmp_path) as world:
        alice, bob = world.person("alice"), world.person("bob")
        world.slack.workspace.leave("bob", "approvals")
        with pytest.raises(NotPossible, match="turned off"):
            await alice.says("hello?")
        await alice.opens_home("messages")
        hello = await alice.sees("to request a token, press the button", channel="dm")
        await alice.clicks("Request a token", hello)
        await alice.sees_view("API")
        await picks_api(alice, "payments")
        await alice.picks("plan", "standard")
        await alice.types("reason", "to build the checkout")
        await alice.submits()
        await alice.sees_view("R-1001")
        await alice.closes()
        await alice.opens_home()
        await alice.sees_home("<!subteam^S0LEADS> needs to approve this.")

        await bob.opens_home()
        assert "Reason: to build the checkout" in reads(await bob.sees_home("R-1001"))
        await bob.clicks_in_home("Approve")
        await bob.sees_home("Approved by <@U0BOB>, <!date^", timeout=WITHIN)

        assert opens(world, await world.token_of("alice"))
        shown = await alice.sees_home("Active until", timeout=WITHIN)
        assert labels(shown)[0] == "Request a token"
        assert "Revoke" in labels(shown)
        assert world.slack.app_errors == []


async def test_a_home_that_is_opened_costs_one_call_and_rings_nobody(tmp_path: Path) -> None:
    """Four people look at theirs while nothing happens: four calls to show it, no message."""
    async with living(tmp_path) as world:
        await world.told("configured")
        crowd = ["alice", "bob", "carol", "dave"]
        for name in crowd:
            await world.person(name).runs("/tyk-key", "help")
        before = len(world.slack.journal.entries)
        for name in crowd:
            await world.person(name).opens_home()
            await world.person(name).sees_home(holdings.NOTHING)
        calls = Counter(one.name for one in world.slack.journal.calls() if one.number > before)
        assert calls == {"views.publish": len(crowd)}
        assert world.slack.workspace.rings == []


async def test_the_message_that_asks_for_it_becomes_the_reason(tmp_path: Path) -> None:
    """Bob writes what he needs; Alice requests it for that, and the card says where he wrote it."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        wish = await world.person("bob").says("The checkout needs a token for Payments", "help")
        await alice.uses_shortcut("Request a token for this", wish)
        await alice.sees_view("API")
        await picks_api(alice, "payments")
        await alice.picks("plan", "standard")
        await alice.submits()
        await alice.sees_view("R-1001")
        carol = world.person("carol")
        card = await carol.sees(lambda one: "Approve" in one.labels, channel="approvals", timeout=WITHIN)
        await becomes(carol, card, f"https://sandbox.slack.com/archives/C0HELP/p{wish.ts.replace('.', '')}")
        assert world.slack.app_errors == []


async def test_a_typed_api_saves_a_choice(tmp_path: Path) -> None:
    """`/tyk-key payments` is the form for Payments; what is sent is a request like any other."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await alice.runs("/tyk-key", "Payments")
        await alice.sees_view(lambda view: any(one["block_id"] == "about:payments" for one in view["blocks"]))
        await alice.picks("plan", "standard")
        await alice.types("reason", "to build the checkout")
        assert (await alice.submits()).response_action == "update"
        await alice.sees_view("R-1001")
        assert world.slack.app_errors == []
