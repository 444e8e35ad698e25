"""Names in the file that Slack no longer knows, or that suddenly mean another: the bot starts, and says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.core.faults import Fault
from bot.local.slack import LocalSlack
from bot.local.tyk import LocalTyk
from tests.log import Log
from tests.running import quiet, verb
from tests.story import asked, card, denies, is_told, opens_form, options
from tests.story.test_deciders import starts
from tests.world import World, living

LEADS = '["@payments-leads"]'


def doubts(log: Log) -> list[str]:
    return [str(one["where"]) for one in log if one["event"] == "config.doubt" and one["log_level"] == "warning"]


def _with(approvers: str) -> Callable[[str], str]:
    """The file with other approvers for Payments, and no plan that opens Ledger, whose approvers they are not."""

    def change(text: str) -> str:
        text = text.replace(", also_opens: [ledger]", "")
        at = text.index("  payments:")
        return text[:at] + text[at:].replace(LEADS, approvers, 1)

    return change


def _moved(slack: LocalSlack, _tyk: LocalTyk) -> None:
    """Somebody renames the approvers' group, and gives its handle to one of their own."""
    slack.workspace.group("payments-leads").handle = "old-leads"
    slack.workspace.add_user("erin")
    slack.workspace.add_group("payments-leads", members=["erin"])
    slack.workspace.channel("approvals").members.append("U0ERIN")


def _renamed(slack: LocalSlack, _tyk: LocalTyk) -> None:
    slack.workspace.group("payments-leads").handle = "leads"


async def _said_in_help(world: World, wanted: str) -> None:
    await world.person("carol").sees(wanted, channel="help")


async def test_a_name_that_nobody_knows_is_left_out(tmp_path: Path, log: Log) -> None:
    """The entry goes on without it, and the place in the file is in the log."""
    async with living(tmp_path, change=_with('["@payments-leads", "@nobody", ghost@example.com]')) as world:
        await world.person("bob").clicks("Approve", await asked(world))
        await world.told("approved")
    assert [one.split(": ", 1) for one in doubts(log) if one.endswith("left out")] == [
        ["config.yaml:34:36", "`approvers` names @nobody, which is not a user group in this workspace: left out"],
        [
            "config.yaml:34:47",
            "`approvers` names ghost@example.com, which is not the e-mail address of a member in this workspace: left out",
        ],
    ]


async def test_the_help_channel_hears_of_a_doubt_once_and_of_its_end(tmp_path: Path) -> None:
    """A restart says nothing new, and a mended file is told as well."""
    odd = _with('["@payments-leads", "@nobody"]')
    async with living(tmp_path, change=odd) as world:
        await _said_in_help(world, "names @nobody, which is not a user group")
        await world.tyk.called("GET /api/apis")  # which comes after it is remembered that this was told
    async with living(tmp_path, change=odd) as world:
        await world.asks("carol", "test-api")
        await world.token_of("carol")
        assert world.person("carol").messages("help") == []
    async with living(tmp_path) as world:
        await _said_in_help(world, "The configuration holds without an exception again.")


async def test_an_entry_that_nobody_is_left_to_decide_is_out_of_force(tmp_path: Path, log: Log) -> None:
    """It is not offered, what waits for it waits on, and everything else runs; a mended file takes it up again."""
    async with living(tmp_path) as world:
        await asked(world)
    async with living(tmp_path, change=_with('["@nobody"]')) as world:
        alice = world.person("alice")
        assert "payments" not in options(await opens_form(alice), "api")
        await alice.closes()
        with world.running.store.reading() as tx:
            record = tx.numbered(1001)
        assert record is not None
        assert record.request.state == "pending"
        assert any("`payments` is out of force: nobody is left who could decide." in one for one in doubts(log))
        await _said_in_help(world, "is out of force: nobody is left who could decide")
        await world.asks("carol", "test-api")
        await world.token_of("carol")
    async with living(tmp_path) as world:
        assert "payments" in options(await opens_form(world.person("alice")), "api")


async def test_what_was_granted_under_an_entry_that_is_out_of_force_ends_on_time(tmp_path: Path, log: Log) -> None:
    """Alice holds a token for Payments when nobody is left to decide: it works on, and its key is deleted at its end."""
    async with starts(tmp_path) as start:
        async with start.bot() as world:
            await world.person("bob").clicks("Approve", await asked(world))
            token = await world.token_of("alice")
            await world.told("sent")
            await quiet(world)
        async with start.bot(_with('["@nobody"]')) as world:
            assert any("`payments` is out of force" in one for one in doubts(log))
            await world.pass_time(timedelta(days=6))
            await quiet(world)
            assert world.tyk.opens(token, "/payments/")[0] == 200
            await world.pass_time(timedelta(days=1, minutes=1))
            await world.told("key deleted")
            assert world.tyk.usable_keys() == []


def _without_groups(slack: LocalSlack, _tyk: LocalTyk) -> None:
    slack.faults.next("usergroups.list", status=503, times=None)


async def test_slack_cannot_say_what_the_names_mean(tmp_path: Path, log: Log) -> None:
    """The bot starts with what they meant before, and says so; it cannot, the first time that it meets one of them."""
    with pytest.raises(Fault):
        async with living(tmp_path, prepare=_without_groups):
            pass
    async with living(tmp_path) as world:
        await world.told("configured")
    async with living(tmp_path, prepare=_without_groups) as world:
        await _said_in_help(world, "@payments-leads could not be looked up at this start")
        assert any("It meant S0LEADS, which stays in force until I am restarted." in one for one in doubts(log))
        world.slack.faults.clear()
        await denies(world, "bob", await asked(world), "not this week")
        await world.told("denied")


async def test_a_handle_that_means_another_group_is_not_followed(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group that it meant first goes on deciding, the other does not, until a person accepts it: be it in the midst of a
    reload."""
    async with living(tmp_path) as world:
        await world.told("configured")
    async with living(tmp_path, prepare=_moved) as world:
        erin, shown = world.person("erin"), await asked(world)
        await erin.clicks("Approve", shown)
        await is_told(erin, "You can't approve Payments.")
        await denies(world, "bob", shown, "not this week")
        await world.told("denied")
        new = world.slack.workspace.group("payments-leads").id
        (said,) = doubts(log)
        assert f"@payments-leads meant S0LEADS and now means {new}. S0LEADS stays in force." in said
        assert "tyk-key-bot accept @payments-leads" in said
        resolve, accepted = world.running.directory.resolve, list[int]()

        async def interrupted(*names: Any) -> Mapping[str, str]:
            """Carol accepts it while Slack's answer is on its way."""
            found = await resolve(*names)
            if not accepted:
                accepted.append(await verb(tmp_path, "accept", "@payments-leads", "--as", "carol"))
            return found

        monkeypatch.setattr(world.running.directory, "resolve", interrupted)
        world.reload()
        await world.person("carol").sees("The configuration holds without an exception again.", channel="help")
        assert accepted == [0], "what she accepted stays accepted"
        await world.told("name accepted")
        await world.asks("alice", "payments", plan="standard")
        await erin.clicks("Approve", await card(world, "erin", containing="R-1002"))
        await world.told("approved")
        assert len([one for one in doubts(log) if "and now means" in one]) == 1
        assert await verb(tmp_path, "accept", "@payments-leads", "--as", "carol") == 0
        assert await verb(tmp_path, "accept", "@payments-leads") == 2, "there is nothing more to accept"


async def test_a_group_under_another_handle_goes_on(tmp_path: Path, log: Log) -> None:
    """Renamed, it is the same group: its members decide as before, and the file's name is told to be stale."""
    async with living(tmp_path) as world:
        await world.told("configured")
    async with living(tmp_path, prepare=_renamed) as world:
        await world.person("bob").clicks("Approve", await asked(world))
        await world.told("approved")
        (said,) = doubts(log)
        assert "@payments-leads is not known to Slack any more; it meant S0LEADS, which stays in force." in said


async def test_an_address_whose_owner_was_deactivated_stops_nobody(tmp_path: Path, log: Log) -> None:
    """Bob alone could decide about Payments: it is out of force, and Ledger runs on."""
    change = _with("[bob@example.com]")
    async with living(tmp_path, change=change) as world:
        assert "payments" in options(await opens_form(world.person("alice")), "api")

    def without_bob(slack: LocalSlack, _tyk: LocalTyk) -> None:
        slack.workspace.deactivate("bob")

    async with living(tmp_path, change=change, prepare=without_bob) as world:
        assert options(await opens_form(world.person("alice")), "api") == ["ledger", "test-api"]
        assert any("names bob@example.com" in one for one in doubts(log))
