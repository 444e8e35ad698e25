"""Whoever presses something is answered, and what Slack says of people is believed no longer than it is true."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bot.core import members
from bot.core.model import Identity, Person, Refusal, Rulebook
from bot.slack import answering, buttons, refusals
from bot.slack.catalogue import Catalogue
from bot.slack.listeners import _channel_of, _user_of
from tests.core.test_members import MEMBER, OURS
from tests.log import Log, lines
from tests.story import asked, heard, opens_form, options, with_bystander
from tests.test_metrics import counts
from tests.world import World, living

NOT_AMONG = "You can't approve Payments."


async def test_a_no_that_no_modal_can_show_is_a_line_for_that_person_alone(tmp_path: Path, log: Log) -> None:
    """Erin's trigger is too old for a modal: she reads why in the channel, and nobody else does; where the bot can't speak there,
    by direct message. A button about what nobody knows any more says so."""
    async with living(tmp_path, prepare=with_bystander) as world:
        shown, erin = await asked(world), world.person("erin")
        world.slack.faults.next("views.open", error="expired_trigger_id")
        assert (await erin.clicks("Approve", shown)).error is None
        said = await erin.sees(NOT_AMONG, channel="approvals")
        assert said.ephemeral_to == erin.id
        assert erin.view is None
        world.slack.faults.next("views.open", error="expired_trigger_id")
        world.slack.faults.next("chat.postEphemeral", error="not_in_channel")
        await erin.clicks("Approve", shown)
        await erin.sees(NOT_AMONG, channel="dm")
        pressed = next(one for block in shown.blocks for one in block.get("elements", []) if one["type"] == "button")
        pressed |= {"action_id": buttons.ASK_AGAIN, "value": "long-erased"}
        await erin.clicks(buttons.ASK_AGAIN, shown)
        await erin.sees_view(lambda view: view["title"]["text"] == "Unknown request")
        assert not lines(log, event="listener.failed")
        assert world.slack.app_errors == []


def _by_channel(text: str) -> str:
    """Ledger is for whoever is in the help channel."""
    before, after = text.split("  ledger:\n")
    after = after.replace('requesters: ["@payments-devs"]', "requesters: [C0HELP]", 1)
    return f"{before}  ledger:\n{after}"


async def _offered(world: World) -> list[str]:
    alice = world.person("alice")
    found = options(await opens_form(alice), "api")
    await alice.closes()
    return found


async def test_who_leaves_or_joins_a_channel_is_looked_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alice may ask for Ledger as long as she is in the channel: each event is believed at once, not a minute later. What is on
    offer was sorted once."""
    made: list[Rulebook] = []

    class Counted(Catalogue):
        def __init__(self, rulebook: Rulebook) -> None:
            made.append(rulebook)
            super().__init__(rulebook)

    monkeypatch.setattr(answering, "Catalogue", Counted)
    async with living(tmp_path, change=_by_channel) as world:
        place = world.slack.workspace
        place.join("alice", "help")
        assert "ledger" in await _offered(world)
        place.leave("alice", "help")
        await heard(world)
        assert "ledger" not in await _offered(world)
        place.join("alice", "help")
        await heard(world)
        assert "ledger" in await _offered(world)
        assert len(made) == 1
        assert world.slack.app_errors == []


@pytest.mark.parametrize("odd", [None, 5, [], {}, "U0ALICE", {"id": ["U0ALICE"]}, {"id": None}])
def test_a_payload_that_names_nobody(odd: object) -> None:
    """Whatever stands where a person and a channel are named, whoever tells of a fault goes on."""
    assert (_user_of({"user": odd}), _channel_of({"channel": odd})) == ("", None)
    assert _user_of({"user_id": odd, "user": {"id": "U0BOB"}}) in ("U0BOB", odd)


async def test_what_fails_after_its_answer_was_due_is_warned_of(log: Log) -> None:
    """Nobody waits for it any more, so the log says what went wrong; a refusal went to nobody and is no fault."""

    async def fails(error: Exception) -> None:
        raise error

    with counts("listener_failures_total", kind="background"):
        for error in (Refusal("No.", code="approved"), RuntimeError("the disk is full")):
            task = asyncio.create_task(fails(error))
            await asyncio.wait({task})
            answering._tell_of_failure(task)
    assert [(line["event"], line["log_level"], line["error"]) for line in log] == [
        ("listener.background", "warning", "RuntimeError")
    ]


def test_what_was_late_is_warned_of(log: Log) -> None:
    """Who was told to try again may not do so; what was done, and what was refused for a reason, is as it should be."""
    for result in ("done", "late", "too fast"):
        answering.note("request", result)
    answering.note("request", "done", refusal=Refusal("No.", code="approved"))
    assert {line["result"]: line["log_level"] for line in log} == {
        "done": "info",
        "late": "warning",
        "too fast": "warning",
        "refused": "info",
    }


@pytest.mark.parametrize(
    "person",
    [
        replace(MEMBER, deleted=True),
        replace(MEMBER, is_bot=True),
        replace(MEMBER, is_guest=True),
        replace(MEMBER, is_stranger=True),
        replace(MEMBER, identity=Identity("T0OTHER", "U01")),
    ],
)
def test_whoever_may_not_use_the_bot_is_in_the_audit(person: Person) -> None:
    """Each who is refused for who they are, under a heading that says so."""
    refusal = members.refuse(person, OURS)
    assert refusal is not None
    assert refusal.code in refusals.FOR_THE_AUDIT
    assert refusals.title(refusal) != refusals.title(Refusal("", code="none of them"))
