"""Ending what somebody holds before its time: by its holder, and by those who may decide, who say why."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bot.local.slack import Message, Person
from tests.story import (
    asked,
    becomes,
    dies,
    granted,
    heard,
    is_told,
    labels,
    lists,
    of_event,
    opens,
    opens_list,
    reads,
    revokes,
    status,
    with_bystander,
)
from tests.world import WITHIN, World, living

NOT_AMONG = "You can't revoke this."
NO_MEMBER = "Only full members of this workspace can use this bot"


async def _who_revoked(world: World) -> list[tuple[str | None, str]]:
    return [
        (entry.actor.user_id if entry.actor else None, entry.details["why"])
        for entry in await of_event(world, "revoked")
    ]


def _edits(world: World, message: Message) -> int:
    return len([one for one in world.slack.journal.calls("chat.update") if one.args["ts"] == message.ts])


async def _shown_afresh(world: World, person: Person, message: Message, edits: int) -> None:
    """Wait until there have been more edits of the message than these."""

    def probe() -> bool | None:
        return _edits(world, message) > edits or None

    await world.slack.changes.until(probe, WITHIN, f"{person.name}'s message once more")


# --- by the holder ----------------------------------------------------------------------------------------------------


async def test_the_holder_revokes_from_the_list(tmp_path: Path) -> None:
    """Alice is asked, thinks again, then confirms: the token is dead, and the list says that she ended it."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        token = await granted(world)
        await opens_list(alice)
        thinking = await alice.clicks("Revoke", confirm=False)
        assert thinking.dialog is not None
        assert thinking.dialog["title"]["text"] == "Revoke R-1001?"
        assert opens(world, token)
        await alice.clicks("Revoke")
        view = await lists(alice, "Revoked by <@U0ALICE>")
        assert labels(view) == ["Ask again"]
        await dies(world, token)
        assert await _who_revoked(world) == [(alice.id, "")]
        assert not [ring for ring in alice.rings if "was revoked" in ring.text], "she need not be told what she did"
        assert world.slack.app_errors == []


async def test_the_holder_revokes_while_the_token_is_being_made(tmp_path: Path) -> None:
    """Bob's yes is a moment old and Tyk is away when Alice ends it: nothing is made when Tyk is back."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        shown = await asked(world)
        world.tyk.faults.away = True
        await world.person("bob").clicks("Approve", shown)
        making = await status(world, "alice", "Your token is on its way.")
        assert making.labels == ["Revoke"]
        await alice.clicks("Revoke", making)
        await becomes(alice, making, "Revoked by <@U0ALICE>")
        world.tyk.faults.clear()
        await world.running.worker.drain()
        assert world.tyk.usable_keys() == []
        assert "sent" not in await world.events()
        assert world.slack.app_errors == []


# --- by those who may decide ------------------------------------------------------------------------------------------


async def test_an_approver_revokes_from_the_decided_card(tmp_path: Path) -> None:
    """Carol gives the reason in a form; the token is dead, and Alice hears by whom and why, as a new message."""
    async with living(tmp_path) as world:
        alice, carol = world.person("alice"), world.person("carol")
        token = await granted(world, used_by="checkout")
        shown = await carol.sees("Access until", channel="approvals")
        assert shown.labels == ["Details", "Revoke"]
        await carol.clicks("Revoke", shown)
        view = await carol.sees_view("Revoke R-1001?")
        assert (
            "The token of <@U0ALICE> for Payments stops working within about ten seconds. This can't be undone."
            in reads(view)
        )
        assert "Used by: checkout" in reads(view).replace("*", "")
        assert "Alice Adams will see this, with your name." in str(view["blocks"])
        assert (await carol.submits()).errors.keys() == {"reason"}
        await carol.types("reason", "  ")
        assert (await carol.submits()).errors == {"reason": "Say why: the holder will see it."}
        assert opens(world, token)
        await carol.types("reason", "the <!channel> *checkout* is closed")
        assert (await carol.submits()).response_action == "close"
        ring = await alice.rung("was revoked by <@U0CAROL>")
        assert "checkout" in ring.text
        assert "<!channel>" not in ring.text
        assert "*checkout*" not in ring.text
        await dies(world, token)
        for decided in (
            await becomes(carol, shown, "Revoked by <@U0CAROL>"),
            await status(world, "alice", "Revoked by"),
        ):
            assert "the <!channel> *checkout* is closed" in decided.shown
            assert "Revoke" not in decided.labels
        assert await _who_revoked(world) == [(carol.id, "the <!channel> *checkout* is closed")]
        assert world.slack.app_errors == []


async def test_an_approver_who_did_not_decide_may_revoke(tmp_path: Path) -> None:
    """Bob said yes; Dave is an approver too, and ends it in the same way."""
    async with living(tmp_path) as world:
        token = await granted(world, by="bob")
        shown = await world.person("dave").sees("Access until", channel="approvals")
        await revokes(world, "dave", shown, "Bob is wrong")
        await dies(world, token)
        await world.person("alice").rung("was revoked by <@U0DAVE>")
        assert world.slack.app_errors == []


async def test_who_reads_along_may_not_revoke(tmp_path: Path) -> None:
    """Erin presses Revoke on the card: a sentence, a line in the audit, and the token opens as before."""
    async with living(tmp_path, prepare=with_bystander) as world:
        erin = world.person("erin")
        token = await granted(world)
        shown = await erin.sees("Access until", channel="approvals")
        await erin.clicks("Revoke", shown)
        await is_told(erin, NOT_AMONG)
        await world.told("refused")
        (refused,) = await of_event(world, "refused")
        assert (refused.details["person"], refused.details["why"]) == (erin.id, NOT_AMONG)
        assert refused.request_number == 1001
        assert "revoked" not in await world.events()
        assert opens(world, token)
        assert world.slack.app_errors == []


async def test_who_became_a_guest_while_writing_the_reason_revokes_nothing(tmp_path: Path) -> None:
    """The right is looked up again when the reason is sent."""
    async with living(tmp_path) as world:
        carol = world.person("carol")
        token = await granted(world)
        await carol.clicks("Revoke", await carol.sees("Access until", channel="approvals"))
        await carol.sees_view("Revoke R-1001?")
        await carol.types("reason", "because I can")
        world.slack.workspace.user("carol").is_restricted = True
        world.running.directory.forget_person(carol.id)
        await carol.submits()
        await is_told(carol, NO_MEMBER)
        await world.told("refused")
        assert "revoked" not in await world.events()
        assert opens(world, token)
        assert world.slack.app_errors == []


async def test_who_left_the_approvers_while_writing_the_reason_revokes_nothing(tmp_path: Path) -> None:
    """Bob was among them when the form opened; what counts is whether he is when he sends it."""
    async with living(tmp_path) as world:
        bob, token = world.person("bob"), await granted(world)
        await bob.clicks("Revoke", await bob.sees("Access until", channel="approvals"))
        await bob.sees_view("Revoke R-1001?")
        await bob.types("reason", "because I could")
        world.slack.workspace.set_group_members("payments-leads", ["carol", "dave"])
        await heard(world)
        await bob.submits()
        await is_told(bob, NOT_AMONG)
        await world.told("refused")
        (refused,) = await of_event(world, "refused")
        assert (refused.details["person"], refused.request_number) == (bob.id, 1001)
        assert "revoked" not in await world.events()
        assert opens(world, token)
        assert world.slack.app_errors == []


# --- too late ---------------------------------------------------------------------------------------------------------


async def test_two_who_revoke_at_the_same_moment_end_it_once(tmp_path: Path) -> None:
    """Bob and Carol both send their reasons: one of them ended it, the other is told that it had ended."""
    async with living(tmp_path) as world:
        bob, carol = world.person("bob"), world.person("carol")
        token = await granted(world)
        shown = await carol.sees("Access until", channel="approvals")
        for person in (bob, carol):
            await person.clicks("Revoke", shown)
            await person.sees_view("Revoke R-1001?")
            await person.types("reason", f"{person.name} says so")
        outcomes = await asyncio.gather(bob.submits(), carol.submits())
        assert sorted(str(one.response_action) for one in outcomes) == ["close", "update"]
        loser = bob if outcomes[0].response_action == "update" else carol
        await is_told(loser, "R-1001 has already ended. There is nothing left to revoke.")
        await dies(world, token)
        assert len(await of_event(world, "revoked")) == 1
        await world.person("alice").rung("was revoked")
        assert len([ring for ring in world.person("alice").rings if "was revoked" in ring.text]) == 1
        assert world.slack.app_errors == []


async def test_a_click_on_an_outdated_message_is_told_that_it_has_ended(tmp_path: Path) -> None:
    """Both still have Revoke on their screens: each is told, their message is shown afresh, and nothing is done twice."""
    async with living(tmp_path) as world:
        alice, carol = world.person("alice"), world.person("carol")
        token = await granted(world)
        on_card = (await carol.sees("Access until", channel="approvals")).snapshot()
        on_status = (await status(world, "alice", "Active until")).snapshot()
        await revokes(world, "bob", on_card, "the checkout is closed")
        await dies(world, token)
        await becomes(carol, on_card, "Revoked by <@U0BOB>")
        await becomes(alice, on_status, "Revoked by <@U0BOB>")
        for person, screen in ((carol, on_card), (alice, on_status)):
            edits = _edits(world, screen)
            await person.clicks("Revoke", screen)
            await is_told(person, "R-1001 has already ended. There is nothing left to revoke.")
            await _shown_afresh(world, person, screen, edits)
        assert len(await of_event(world, "revoked")) == 1
        assert world.slack.app_errors == []
