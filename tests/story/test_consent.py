"""Nobody consents to more than they were shown: a plan that opens further APIs says so wherever somebody decides or looks."""

from __future__ import annotations

from pathlib import Path

from bot.local.slack import LocalSlack
from bot.local.tyk import LocalTyk
from bot.sandbox.demos.reading import token_in
from bot.tyk.keys import Keys
from tests.story import (
    another_token,
    asked,
    becomes,
    card,
    lists,
    of_event,
    opens_form,
    opens_list,
    options,
    picks_api,
    reads,
    replaces,
)
from tests.story import status as status_of
from tests.world import World, living

BOTH = "Payments, Ledger"
GOLD = "5f1c0b5c6ad84c3c8d0b5f0e"
LIMITS = "500 calls per second, 1,000,000 per day (Tyk policy Gold)"


def forget_policies(world: World) -> None:
    """The minute for which the bot remembers what Tyk has is over."""
    keys = world.running.worker.ports.tyk
    assert isinstance(keys, Keys)
    keys._catalogue._policies = None


async def _asks_for_gold(world: World) -> None:
    outcome = await world.asks("alice", "payments", plan="gold")
    assert outcome.response_action == "update", outcome


async def test_the_form_says_what_each_plan_opens(tmp_path: Path) -> None:
    """The option says it where it is picked, and a line below in full, with the approvals that it takes."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await opens_form(alice)
        view = await picks_api(alice, "payments")
        plans = next(block for block in view["blocks"] if block.get("block_id") == "plan:payments")
        said = {option["value"]: option["description"]["text"] for option in plans["element"]["options"]}
        assert said["gold"].startswith("Opens Ledger, too · ")
        assert "Opens" not in said["standard"]
        assert f"*gold* opens {BOTH} and needs 2 approvals." in reads(view)
        assert world.slack.app_errors == []


async def test_whoever_decides_or_looks_sees_all_that_is_opened(tmp_path: Path) -> None:
    """The card, the status, the list of an approver and of the requester, the token and the audit name both APIs."""
    async with living(tmp_path) as world:
        alice, bob = world.person("alice"), world.person("bob")
        await _asks_for_gold(world)
        assert "opens Ledger, too" in reads(alice.view)
        await alice.closes()
        shown = await card(world)
        assert f"Opens: {BOTH}" in shown.shown.replace("*", "")
        assert f"Opens: {BOTH}" in shown.text
        assert "2 approvals from <!subteam^S0LEADS> are needed." in shown.shown
        waiting = await status_of(world, "alice", "Withdraw")
        assert "\nR-1001 · Payments (gold, opens Ledger, too), 7 days" in waiting.shown
        await opens_list(bob)
        assert "Payments (gold, opens Ledger, too)" in reads(await lists(bob, "Waiting for you"))
        await bob.closes()
        await bob.clicks("Approve", shown)
        await becomes(bob, shown, "1 of 2")
        assert world.tyk.keys == []
        await world.person("carol").clicks("Approve", shown)
        await world.token_of("alice")
        (token,) = [one for one in alice.dm() if token_in(one) is not None]
        assert f"Opens: {BOTH}" in token.shown.replace("*", "")
        assert "Payments (gold, opens Ledger, too)" in token.text
        await opens_list(alice)
        assert "Payments (gold, opens Ledger, too)" in reads(await lists(alice, "Your tokens and requests"))
        await world.told("sent")
        for event in ("asked", "key created"):
            (entry,) = await of_event(world, event)
            assert entry.details["opens"] == ["Payments", "Ledger"]
            assert any(
                f"*{event}*" in line and f"opens {BOTH}" in line
                for message in world.person("carol").messages("audit")
                for line in message.text.splitlines()
            )
        assert world.slack.app_errors == []


async def test_a_plan_that_opens_one_api_says_nothing_of_it(tmp_path: Path) -> None:
    """Where the key opens what was asked for and nothing else, its name is enough."""
    async with living(tmp_path) as world:
        assert "Opens" not in (await asked(world)).shown
        (entry,) = await of_event(world, "asked")
        assert "opens" not in entry.details


def _ledger_is_the_owners(text: str) -> str:
    """Ledger is for the owners of the APIs, and Alice is none."""
    before, ledger = text.split("\n  ledger:")
    return f"{before}\n  ledger:{ledger.replace('@payments-devs', '@api-owners')}"


async def test_who_may_not_ask_for_the_further_api_is_not_offered_the_plan(tmp_path: Path) -> None:
    """Dave may ask for Ledger by itself and sees both plans; Alice may not and sees the one, and a form that was sent all the
    same is refused."""
    async with living(tmp_path, change=_ledger_is_the_owners) as world:
        dave, alice = world.person("dave"), world.person("alice")
        await opens_form(dave)
        assert options(await picks_api(dave, "payments"), "plan:payments") == ["standard", "gold"]
        await opens_form(alice)
        view = await picks_api(alice, "payments")
        assert "gold" not in reads(view)
        assert "Ledger" not in reads(view)


async def test_the_file_may_offer_it_to_them_all_the_same(tmp_path: Path) -> None:
    """`also_for_those_who_may_not_ask` is a decision that the file shows."""

    def for_all(text: str) -> str:
        return _ledger_is_the_owners(text).replace(
            "also_opens: [ledger]", "also_opens: [ledger], also_for_those_who_may_not_ask: true"
        )

    async with living(tmp_path, change=for_all) as world:
        alice = world.person("alice")
        await opens_form(alice)
        assert options(await picks_api(alice, "payments"), "plan:payments") == ["standard", "gold"]


async def test_who_lost_the_further_api_meanwhile_gets_no_key(tmp_path: Path) -> None:
    """Alice leaves those who may ask for Ledger after both approvals came, before the key is made: none is made."""

    def among_the_owners(slack: LocalSlack, _tyk: LocalTyk) -> None:
        slack.workspace.set_group_members("api-owners", ["alice", "carol", "dave"])

    async with living(tmp_path, change=_ledger_is_the_owners, prepare=among_the_owners) as world:
        await _asks_for_gold(world)
        shown = await card(world)
        await world.person("bob").clicks("Approve", shown)
        await becomes(world.person("bob"), shown, "1 of 2")
        world.slack.workspace.set_group_members("api-owners", ["carol", "dave"])
        world.running.directory.forget_groups()
        await world.person("carol").clicks("Approve", shown)
        ring = await world.person("alice").rung("can no longer request")
        assert "R-1001" in ring.text
        assert world.tyk.keys == []


# --- the limits of a Tyk policy ---------------------------------------------------------------------------------------


def _limited(_slack: LocalSlack, tyk: LocalTyk) -> None:
    """The gold policy sets a rate and a quota."""
    policy = tyk.policies[GOLD]
    policy.name, policy.rate, policy.per, policy.quota_max, policy.quota_renewal_rate = "Gold", 500, 1, 1_000_000, 86400


async def _both_approve(world: World) -> None:
    shown = await card(world)
    await world.person("bob").clicks("Approve", shown)
    await becomes(world.person("bob"), shown, "1 of 2")
    await world.person("carol").clicks("Approve", shown)


async def test_the_limits_of_a_policy_are_shown_in_numbers(tmp_path: Path) -> None:
    """The form, the card and the token message say what Tyk has, and who decided goes on reading what they were shown."""
    async with living(tmp_path, prepare=_limited) as world:
        alice = world.person("alice")
        await opens_form(alice)
        assert "500 calls per second" in reads(await picks_api(alice, "payments"))
        await alice.closes()
        await _asks_for_gold(world)
        shown = await card(world)
        assert LIMITS in shown.shown
        await _both_approve(world)
        await world.token_of("alice")
        (token,) = [one for one in alice.dm() if token_in(one) is not None]
        assert LIMITS in token.shown
        assert world.slack.app_errors == []


async def test_a_policy_that_changed_between_the_yes_and_the_key(tmp_path: Path) -> None:
    """Nobody approved the new limits: no key is made, and Alice reads that she has to ask again."""
    async with living(tmp_path, prepare=_limited) as world:
        await _asks_for_gold(world)
        await card(world)
        world.tyk.policies[GOLD].rate = 5000
        forget_policies(world)
        await _both_approve(world)
        ring = await world.person("alice").rung("was cancelled")
        assert "The Tyk policy Gold now has other limits" in ring.text
        assert "It has to be requested again." in ring.text
        assert world.tyk.keys == []
        assert "refused" in await world.events()


async def test_another_token_is_no_other_right(tmp_path: Path) -> None:
    """The key that Alice holds follows its policy, so the one in its place may, too."""
    async with living(tmp_path, prepare=_limited) as world:
        await _asks_for_gold(world)
        await _both_approve(world)
        first = await world.token_of("alice")
        await world.told("sent")
        world.tyk.policies[GOLD].rate = 5000
        forget_policies(world)
        await replaces(world, "alice", "leaked")
        assert await another_token(world, "alice", first) != first


async def test_a_tyk_that_cannot_say_the_limits_keeps_nobody_waiting(tmp_path: Path) -> None:
    """The form opens and the request is taken; what is not known is not made up."""
    async with living(tmp_path, prepare=_limited) as world:
        world.tyk.faults.next("GET /api/portal/policies", status=503, times=100)
        await _asks_for_gold(world)
        assert "Limits set by its Tyk policy" in (await card(world)).shown
