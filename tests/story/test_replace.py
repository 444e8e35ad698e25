"""Replace token: a new key under the same grant, with the same end and without a new approval."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from bot.core.model import EffectKind
from bot.sandbox.demos.reading import token_in
from tests.running import failed
from tests.story import (
    another_token,
    asked,
    becomes,
    dies,
    everything,
    granted,
    heard,
    in_thread,
    is_told,
    lasting,
    of_event,
    opens,
    options,
    reads,
    replaces,
    rung_by,
    status,
    tokens,
)
from tests.world import World, living

NO_LONGER = "can no longer request Payments"
ON_ITS_WAY = "A new token for R-1001 is already on its way."


async def _found_to_have_leaked(world: World, old: str) -> str:
    """Alice says that she lost her token and, while another is on its way, that it leaked: the other, once it is there."""
    screen = (await status(world, "alice", "Replace token")).snapshot()
    world.tyk.faults.next("POST /api/keys", status=500, times=1000)
    await replaces(world, "alice", "lost")
    await replaces(world, "alice", "leaked", screen)
    await dies(world, old)
    world.tyk.faults.clear()
    await world.pass_time(timedelta(minutes=5))
    new = await another_token(world, "alice", old)
    await world.told("sent", times=2)
    return new


def _ends(world: World) -> list[float]:
    """When each key that opens anything ends at Tyk."""
    return [float(key.session["expires"]) for key in world.tyk.usable_keys()]


# --- lost -------------------------------------------------------------------------------------------------------------


async def test_a_lost_token_is_replaced_without_a_gap(tmp_path: Path) -> None:
    """The old token opens until the new one has arrived, and then only the new one does, until the same end."""
    async with living(tmp_path) as world:
        alice, bob = world.person("alice"), world.person("bob")
        old = await granted(world)
        before = _ends(world)
        active = await status(world, "alice", "Replace token")
        assert active.labels == ["Extend", "Replace token", "Change plan", "Revoke"]
        await alice.clicks("Replace token", active)
        view = await alice.sees_view("What happened?")
        assert options(view, "loss") == ["lost", "leaked"]
        assert "I'll send you a new token for Payments (R-1001). Its expiry stays the same." in reads(view)
        world.tyk.faults.away = True
        assert (await alice.submits()).response_action == "close"
        waiting = await becomes(alice, active, "A new token is on its way.")
        assert waiting.labels == ["Revoke"]
        assert opens(world, old)
        world.tyk.faults.clear()
        new = await another_token(world, "alice", old)
        await dies(world, old)
        assert opens(world, new)
        assert tokens(alice) == [new]
        assert _ends(world) == before
        assert (await becomes(alice, active, lambda one: "Replace token" in one.labels)).labels == active.labels
        assert [entry.details for entry in await of_event(world, "replaced")] == [{"why": "lost"}]
        assert len(await of_event(world, "approved")) == 1
        assert not [one for one in bob.messages("approvals") if "leaked" in one.shown]
        assert world.slack.app_errors == []


async def test_the_new_token_is_delivered_like_the_first(tmp_path: Path) -> None:
    """A new message rings without the token in it, holds it, and goes at the button."""
    async with living(tmp_path) as world:
        alice, old = world.person("alice"), await granted(world)
        rung = len(alice.rings)
        await replaces(world, "alice", "lost")
        new = await another_token(world, "alice", old)
        message = await alice.sees(lambda one: token_in(one) == new, channel="dm")
        assert message.ts in {ring.ts for ring in alice.rings[rung:]}
        assert not [ring for ring in alice.rings if new in ring.text]
        assert new not in message.text
        await world.told("sent", times=2)
        await alice.clicks("I've saved it", message)
        await alice.sees_gone(message)
        await world.told("hidden", times=2)
        assert opens(world, new)
        assert world.slack.app_errors == []


async def test_a_token_that_was_hidden_unread_is_replaced(tmp_path: Path) -> None:
    """A day has passed, and the message with the token is gone: Alice gets another, and the unread one dies."""
    async with living(tmp_path) as world:
        alice, old = world.person("alice"), await granted(world)
        message = await alice.sees(lambda one: token_in(one) == old, channel="dm")
        await world.pass_time(timedelta(days=1, seconds=1))
        await alice.sees_gone(message)
        await world.told("hidden")
        await replaces(world, "alice", "lost")
        new = await another_token(world, "alice", old)
        await dies(world, old)
        assert opens(world, new)
        assert world.slack.app_errors == []


async def test_a_token_that_could_not_be_shown_in_time_is_replaced(tmp_path: Path) -> None:
    """Slack takes no edit for a day, and the token is hidden unseen: Alice is told, and can have another."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        world.slack.faults.next(
            "chat.update", error="fatal_error", times=None, when=lambda args: "Your token for" in str(args.get("text"))
        )
        await world.person("bob").clicks("Approve", await asked(world))
        await failed(world, EffectKind.DELIVER_TOKEN)
        await world.pass_time(timedelta(minutes=11))
        await world.told("delayed")
        await world.pass_time(timedelta(days=1))
        await alice.rung("so nobody has seen it. Press *Replace token*")
        world.slack.faults.clear()
        assert tokens(alice) == []
        after = await status(world, "alice", "Active until")
        await becomes(alice, after, lambda one: "Replace token" in one.labels and "I keep trying" not in one.shown)
        unseen = world.tyk.usable_keys()[0].token
        await replaces(world, "alice", "lost")
        assert opens(world, await another_token(world, "alice"))
        await dies(world, unseen)
        assert world.slack.app_errors == []


async def test_replacing_twice_in_a_row(tmp_path: Path) -> None:
    """While the second is on its way there is no third; once it has arrived there may be, and one token opens at a time."""
    async with living(tmp_path) as world:
        alice, first = world.person("alice"), await granted(world)
        screen = (await status(world, "alice", "Replace token")).snapshot()
        world.tyk.faults.away = True
        await replaces(world, "alice", "lost")
        await alice.clicks("Replace token", screen)
        if "What happened?" in reads(await alice.sees_view("")):
            await alice.submits()
        await is_told(alice, ON_ITS_WAY)
        world.tyk.faults.clear()
        second = await another_token(world, "alice", first)
        await dies(world, first)
        await replaces(world, "alice", "lost")
        third = await another_token(world, "alice", first, second)
        await dies(world, second)
        assert opens(world, third)
        assert lasting(world) == [third]
        assert len(await of_event(world, "replaced")) == 2
        assert world.slack.app_errors == []


async def test_revoking_while_a_new_token_is_on_its_way_ends_both(tmp_path: Path) -> None:
    """Alice thinks again while Tyk is away: the old token dies, and the new one is never made."""
    async with living(tmp_path) as world:
        alice, old = world.person("alice"), await granted(world)
        world.tyk.faults.away = True
        await replaces(world, "alice", "lost")
        await alice.clicks("Revoke", await status(world, "alice", "A new token is on its way."))
        await status(world, "alice", "Revoked by <@U0ALICE>")
        world.tyk.faults.clear()
        await world.pass_time(timedelta(minutes=16))
        await dies(world, old)
        assert lasting(world) == []
        assert tokens(alice) == []
        assert world.slack.app_errors == []


@pytest.mark.parametrize("loss", ["lost", "leaked"])
async def test_a_form_delivered_six_times_and_again_tomorrow_replaces_once(tmp_path: Path, loss: str) -> None:
    """Each time it closes as if it were the first; one new token comes, and it is still the one in use a day later."""
    async with living(tmp_path) as world:
        alice, old = world.person("alice"), await granted(world)
        await replaces(world, "alice", loss)
        again = await asyncio.gather(*(alice.sends_again() for _ in range(5)))
        assert {one.response_action for one in again} == {"close"}
        new = await another_token(world, "alice", old)
        await dies(world, old)
        assert (await alice.sends_again()).response_action == "close"
        await world.pass_time(timedelta(days=1))
        assert (await alice.sends_again()).response_action == "close"
        await world.running.worker.drain()
        assert lasting(world) == [new]
        assert len(await of_event(world, "replaced")) == 1
        assert len(await of_event(world, "key created")) == 2
        assert world.slack.app_errors == []


async def test_a_form_about_a_leak_delivered_again_after_the_token_it_found_on_its_way(tmp_path: Path) -> None:
    """It made no key of its own, and is remembered all the same: the token that has come since goes on."""
    async with living(tmp_path) as world:
        alice, old = world.person("alice"), await granted(world)
        new = await _found_to_have_leaked(world, old)
        assert (await alice.sends_again()).response_action == "close"
        await world.running.worker.drain()
        assert lasting(world) == [new]
        assert len(await of_event(world, "replaced")) == 2
        assert world.slack.app_errors == []


# --- leaked -----------------------------------------------------------------------------------------------------------


async def test_a_leaked_token_dies_before_there_is_another(tmp_path: Path) -> None:
    """The old token opens nothing even while no new one can be made, and the approvers read it under the card."""
    async with living(tmp_path) as world:
        carol, old = world.person("carol"), await granted(world)
        shown = await carol.sees("Access until", channel="approvals")
        world.tyk.faults.next("POST /api/keys", status=500, times=1000)
        await replaces(world, "alice", "leaked")
        await dies(world, old)
        note = await in_thread(world, shown, "leaked, says its holder")
        assert note.text.startswith("<!subteam^S0LEADS>: the token of R-1001, Payments (standard) for Alice Adams,")
        assert rung_by(world, note) == {"bob", "carol", "dave"}
        assert lasting(world) == []
        world.tyk.faults.clear()
        await world.pass_time(timedelta(minutes=5))
        new = await another_token(world, "alice", old)
        assert opens(world, new)
        assert [entry.details for entry in await of_event(world, "replaced")] == [{"why": "leaked"}]
        assert old not in everything(note)
        assert world.slack.app_errors == []


async def test_what_is_found_to_have_leaked_while_a_new_token_is_on_its_way(tmp_path: Path) -> None:
    """Alice lost it, then learns that it leaked: the old one dies at once, and one new one comes, not two."""
    async with living(tmp_path) as world:
        alice, old = world.person("alice"), await granted(world)
        new = await _found_to_have_leaked(world, old)
        assert lasting(world) == [new]
        assert tokens(alice) == [new]
        assert world.slack.app_errors == []


async def test_where_nobody_approved_the_approvers_hear_of_a_leak_in_their_channel(tmp_path: Path) -> None:
    """The test API has no card: the note is a message of its own."""
    async with living(tmp_path) as world:
        alice, carol = world.person("alice"), world.person("carol")
        await world.asks("alice", "test-api")
        await alice.closes()
        old = await world.token_of("alice")
        await world.told("sent")
        await alice.clicks("I've saved it", await alice.sees(lambda one: token_in(one) == old, channel="dm"))
        await replaces(world, "alice", "leaked")
        note = await carol.sees("the token of R-1001, Test API for Alice Adams, leaked", channel="approvals")
        assert not note.is_reply
        await another_token(world, "alice", old)
        await dies(world, old)
        assert world.tyk.opens(old, "/test-api/")[0] == 403
        assert world.slack.app_errors == []


# --- who may not ------------------------------------------------------------------------------------------------------


async def test_who_was_removed_from_the_group_gets_no_other_token(tmp_path: Path) -> None:
    """Alice is asked about anew at the click: no form opens, the audit hears of it, and what she has she has."""
    async with living(tmp_path) as world:
        alice, old = world.person("alice"), await granted(world)
        await _leaves_the_developers(world)
        await alice.clicks("Replace token", await status(world, "alice", "Replace token"))
        await is_told(alice, NO_LONGER)
        await _nothing_was_replaced(world, old)


@pytest.mark.parametrize("loss", ["lost", "leaked"])
async def test_who_is_removed_while_the_form_is_open_gets_no_other_token(tmp_path: Path, loss: str) -> None:
    """The group is looked up again when the form is sent."""
    async with living(tmp_path) as world:
        alice, old = world.person("alice"), await granted(world)
        await alice.clicks("Replace token", await status(world, "alice", "Replace token"))
        await alice.sees_view("What happened?")
        await alice.picks("loss", loss)
        await _leaves_the_developers(world)
        assert (await alice.submits()).response_action == "update"
        await is_told(alice, NO_LONGER)
        await _nothing_was_replaced(world, old)


async def _leaves_the_developers(world: World) -> None:
    world.slack.workspace.set_group_members("payments-devs", ["bob", "dave"])
    await heard(world)


async def _nothing_was_replaced(world: World, old: str) -> None:
    await world.told("refused")
    (refused,) = await of_event(world, "refused")
    assert (refused.details["person"], refused.request_number) == ("U0ALICE", 1001)
    assert await of_event(world, "replaced") == []
    assert lasting(world) == [old]
    assert world.slack.app_errors == []


async def test_who_is_removed_while_the_new_token_is_made_gets_none(tmp_path: Path) -> None:
    """The gate is asked again before the key is made: the grant ends, and Alice is told why."""
    async with living(tmp_path) as world:
        old = await granted(world)
        world.tyk.faults.away = True
        await replaces(world, "alice", "lost")
        await failed(world, EffectKind.ISSUE_KEY)
        await _leaves_the_developers(world)
        world.tyk.faults.clear()
        await world.pass_time(timedelta(minutes=5))
        assert NO_LONGER in (await world.person("alice").rung("was cancelled")).text
        await dies(world, old)
        assert lasting(world) == []
        assert world.slack.app_errors == []


async def test_somebody_elses_click_replaces_nothing(tmp_path: Path) -> None:
    """Bob gets hold of Alice's button: he is refused at the click, the audit hears of it, and her token opens as before."""
    async with living(tmp_path) as world:
        alice, bob, token = world.person("alice"), world.person("bob"), await granted(world)
        world.slack.workspace.dm(alice.id).members.append(bob.id)
        await bob.clicks("Replace token", await status(world, "alice", "Replace token"))
        await is_told(bob, "You can't replace the token of R-1001. <@U0ALICE> can.")
        await world.told("refused")
        (refused,) = await of_event(world, "refused")
        assert refused.details["person"] == bob.id
        assert await of_event(world, "replaced") == []
        assert opens(world, token)


async def test_what_has_ended_is_not_replaced(tmp_path: Path) -> None:
    """Alice's screen still has the button after Bob ended it: she is told so, and no key is made."""
    async with living(tmp_path) as world:
        alice, token = world.person("alice"), await granted(world)
        screen = (await status(world, "alice", "Replace token")).snapshot()
        await alice.clicks("Revoke", screen)
        await dies(world, token)
        await alice.clicks("Replace token", screen)
        assert "R-1001 isn't active" in reads(await alice.sees_view("Already ended"))
        assert lasting(world) == []
        assert len(world.tyk.keys) == 1
        assert world.slack.app_errors == []
