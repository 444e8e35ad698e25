"""The card calls those who may decide now, whatever has changed since it was posted; that nobody may is told."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot import worker
from bot.local.slack import LocalSlack, Message
from bot.local.tyk import LocalTyk
from bot.local.world import World as Place
from bot.slack.answering import CANNOT_SAY_OF_OTHERS
from bot.store.seal import new_key
from tests.log import Log, lines
from tests.running import bot_in, empty_place, quiet, verb
from tests.story import asked, becomes, hears_only, is_told, rung_by, status, with_bystander
from tests.world import WITHIN, World, living

LEADS = 'approvers: ["@payments-leads"]'
IN_VAIN = "This can't be approved now."
CHANGED = "The approvers of Payments have changed: nobody named when this was requested can still approve it."


@pytest.fixture(autouse=True)
def _surveys_are_frequent(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has changed is seen in a moment, not in five seconds."""
    monkeypatch.setattr(worker, "SURVEY_EVERY", 0.2)


def by(*approvers: str, approvals: int = 1) -> Callable[[str], str]:
    """The configuration with these approvers for Payments, which opens nothing else."""

    def change(text: str) -> str:
        alone = re.sub(r"gold: .*", "gold: {limits: {rate: 500, per: 1, quota_max: -1, quota_renewal_rate: 60}}", text)
        return alone.replace(LEADS, f"approvers: [{', '.join(approvers)}]\n    approvals: {approvals}", 1)

    return change


class Starts:
    """One bot after the other on one database, in a world that outlives them."""

    def __init__(self, place: Place, folder: Path) -> None:
        self._place = place
        self._environ = {"DATABASE_URL": f"sqlite:///{folder / 'bot.db'}", "SEAL_KEYS": new_key()}

    @asynccontextmanager
    async def bot(self, change: Callable[[str], str] = lambda text: text) -> AsyncIterator[World]:
        async with bot_in(self._place, change, **self._environ) as world:
            yield world


@asynccontextmanager
async def starts(folder: Path) -> AsyncIterator[Starts]:
    async with empty_place() as place:
        with_bystander(place.slack, place.tyk)
        yield Starts(place, folder)


def called(message: Message) -> str:
    """Whom the card calls, on the screen and on the lock screen alike."""
    wanted = re.search(
        r"^(.*) needs to approve this\.|[0-9] approvals from (.*) are needed\.", message.text, re.MULTILINE
    )
    assert wanted is not None
    assert wanted[0] in message.shown
    return wanted[1] or wanted[2]


async def hears(world: World, wanted: str) -> Message:
    return await world.person("carol").sees(lambda one: wanted in one.text, channel="help", timeout=WITHIN)


# --- the rule has changed ---------------------------------------------------------------------------------------------


async def test_the_card_calls_whom_both_rules_name(tmp_path: Path) -> None:
    """Alice's request waits for the leads; the file names Bob alone by now: the card and her status say Bob, and he decides."""
    async with starts(tmp_path) as start:
        async with start.bot() as world:
            shown = await asked(world)
            assert called(shown) == "<!subteam^S0LEADS>"
            await quiet(world)
        async with start.bot(by("U0BOB", "U0ERIN")) as world:
            shown = await becomes(world.person("bob"), shown, "<@U0BOB> needs to approve this.")
            assert called(shown) == "<@U0BOB>"
            assert "subteam" not in shown.text
            await status(world, "alice", "<@U0BOB> needs to approve this.")
            await world.person("carol").clicks("Approve", shown)
            await is_told(world.person("carol"), "You can't approve Payments.")
            await world.person("bob").clicks("Approve", shown)
            await world.token_of("alice")
            assert world.slack.app_errors == []


async def test_the_card_says_how_many_approvals_it_takes_now(tmp_path: Path) -> None:
    """The file asks for two by now: the card does not say one."""
    async with starts(tmp_path) as start:
        async with start.bot() as world:
            shown = await asked(world)
            assert "needs to approve this." in shown.shown
            await quiet(world)
        async with start.bot(by('"@payments-leads"', approvals=2)) as world:
            await becomes(world.person("bob"), shown, "2 approvals from")
            await world.person("bob").clicks("Approve", shown)
            await becomes(world.person("bob"), shown, "1 of 2 approvals: <@U0BOB>.")


async def test_nobody_whom_both_rules_name(tmp_path: Path, log: Log) -> None:
    """The file names Erin alone, who was no approver then: the card, Alice and the help channel read it, and what to do; named
    again, the leads are called again, and the help channel hears that it is over."""
    async with starts(tmp_path) as start:
        async with start.bot() as world:
            shown = await asked(world)
            await quiet(world)
        async with start.bot(by("U0ERIN")) as world:
            shown = await becomes(
                world.person("bob"), shown, f"{IN_VAIN} {CHANGED} Alice Adams can withdraw it and ask again."
            )
            assert shown.text.startswith("Alice Adams (Backend engineer, Amsterdam time) asked for Payments")
            assert "<@" not in shown.text
            await world.person("erin").clicks("Approve", shown)
            await is_told(world.person("erin"), "You can't approve Payments.")
            ring = await world.person("alice").rung("can't be approved now")
            assert ring.text == f"R-1001 (Payments) can't be approved now. {CHANGED} Withdraw it and ask again."
            waiting = await status(world, "alice", f"{IN_VAIN} {CHANGED} Withdraw it and ask again.")
            assert "Withdraw" in waiting.labels
            told = await hears(world, "payments: What waits can't be approved now")
            for what_to_do in (
                "withdraw it and ask again",
                "`tyk-key-bot deny`",
                "`approvers`",
                "1 request waits for it.",
            ):
                assert what_to_do in told.text
            await quiet(world)
            (began,) = lines(log, event="outage.began")
            assert (began["cause"], began["place"], began["log_level"]) == ("undecidable", "payments", "warning")
        async with start.bot() as world:
            shown = await becomes(world.person("bob"), shown, "needs to approve this.")
            assert called(shown) == "<!subteam^S0LEADS>"
            await hears(world, "Over since ")
            await status(world, "alice", "<!subteam^S0LEADS> needs to approve this.")
            assert len(world.person("carol").messages("help")) == 2
            assert world.slack.app_errors == []


async def test_an_entry_that_is_gone_from_the_file(tmp_path: Path) -> None:
    """Payments is not offered any more: nobody can decide, and the card says so before somebody presses in vain."""

    def without(text: str) -> str:
        before, rest = text.split("\n  payments:")
        return before + "\n  ledger:" + rest.split("\n  ledger:")[1]

    async with starts(tmp_path) as start:
        async with start.bot() as world:
            shown = await asked(world)
            await quiet(world)
        async with start.bot(without) as world:
            await becomes(world.person("bob"), shown, f"{IN_VAIN} Payments is no longer offered here.")
            await hears(world, "payments: What waits can't be approved now")


async def test_what_nobody_could_decide_lapses_with_that_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`requests` says why it waits in vain; a week later Alice reads the same reason, not that nobody decided."""
    async with starts(tmp_path) as start:
        async with start.bot() as world:
            await asked(world)
            await quiet(world)
        async with start.bot(by("U0ERIN")) as world:
            await world.person("alice").rung("can't be approved now")
            assert await verb(tmp_path, "requests") == 0
            assert CHANGED in capsys.readouterr().out
            await world.pass_time(timedelta(days=7, minutes=1))
            ring = await world.person("alice").rung("expired unanswered")
            assert ring.text.startswith(f"R-1001 (Payments) expired unanswered. {CHANGED}")
            await hears(world, "Over since ")


# --- people come and go -----------------------------------------------------------------------------------------------


async def test_who_asks_is_not_called_with_their_group(tmp_path: Path) -> None:
    """Dave is one of the leads and asks: the others are called by name, and his phone is silent."""
    async with living(tmp_path) as world:
        shown = await asked(world, "dave")
        assert called(shown) == "<@U0BOB> or <@U0CAROL>"
        assert rung_by(world, shown) == {"bob", "carol"}
        await status(world, "dave", "<@U0BOB> or <@U0CAROL> needs to approve this.")


async def test_a_guest_in_the_group_is_not_called(tmp_path: Path) -> None:
    """Gwen, a guest, was put among the leads; she may not decide, so the members are called by name."""

    def with_guest(slack: LocalSlack, _tyk: LocalTyk) -> None:
        slack.workspace.set_group_members("payments-leads", ["bob", "carol", "gwen"])
        slack.workspace.channel("approvals").members.append("U0GWEN")

    async with living(tmp_path, prepare=with_guest) as world:
        shown = await asked(world)
        assert called(shown) == "<@U0BOB> or <@U0CAROL>"
        assert rung_by(world, shown) == {"bob", "carol"}


async def test_who_came_into_the_group_since_is_named(tmp_path: Path) -> None:
    """Erin becomes a lead while Dave waits: the card names her, too."""
    async with living(tmp_path, prepare=with_bystander) as world:
        hears_only(world, "subteam_members_changed")
        shown = await asked(world, "dave")
        world.slack.workspace.set_group_members("payments-leads", ["carol", "dave", "erin"])
        shown = await becomes(world.person("carol"), shown, "<@U0CAROL> or <@U0ERIN> needs")
        assert "U0BOB" not in shown.text


async def test_the_last_approver_leaves_and_comes_back(tmp_path: Path) -> None:
    """Bob decides alone and is deactivated: it is told at once, and again when he is back."""
    async with living(tmp_path, change=by("U0BOB")) as world:
        shown = await asked(world)
        world.slack.workspace.deactivate("bob")
        shown = await becomes(world.person("carol"), shown, "Nobody is left who can approve Payments.")
        await hears(world, "What waits can't be approved now")
        world.slack.workspace.reactivate("bob")
        shown = await becomes(world.person("carol"), shown, "needs to approve this.")
        assert called(shown) == "<@U0BOB>"
        await hears(world, "Over since ")


async def test_too_few_for_the_approvals_that_it_takes(tmp_path: Path) -> None:
    """Two approvals are needed; Bob has said yes and Carol leaves: nobody is there for the second."""
    async with living(tmp_path, change=by("U0BOB", "U0CAROL", approvals=2)) as world:
        shown = await asked(world)
        await world.person("bob").clicks("Approve", shown)
        await becomes(world.person("bob"), shown, "1 of 2 approvals")
        world.slack.workspace.deactivate("carol")
        few = "Payments needs 2 approvals, but only 1 can be given."
        shown = await becomes(world.person("bob"), shown, f"{IN_VAIN} {few}")
        assert "needs to approve" not in shown.text


def _bob_is_not_known(slack: LocalSlack, _tyk: LocalTyk) -> None:
    """Slack has a fault of its own whenever it is asked about Bob."""

    def about_bob(args: dict[str, Any]) -> bool:
        return bool(args["user"] == "U0BOB")

    slack.faults.next("users.info", error="internal_error", times=None, when=about_bob)


async def test_no_card_waits_for_what_slack_cannot_say_of_an_approver(tmp_path: Path) -> None:
    """Bob cannot be looked up and Carol can: both are called, since of nobody is it claimed that they may not."""
    async with living(tmp_path, change=by("U0BOB", "U0CAROL"), prepare=_bob_is_not_known) as world:
        assert called(await asked(world)) == "<@U0BOB> or <@U0CAROL>"


async def test_where_slack_cannot_say_whether_anybody_may_approve(tmp_path: Path) -> None:
    """Bob alone approves and cannot be looked up: Alice reads that, not that something went wrong, and presses again."""
    async with living(tmp_path, change=by("U0BOB"), prepare=_bob_is_not_known) as world:
        refused = await world.asks("alice", "payments", plan="standard")
        assert refused.errors == {"api": CANNOT_SAY_OF_OTHERS}
        world.slack.faults.clear()
        assert (await world.person("alice").submits()).response_action == "update"
