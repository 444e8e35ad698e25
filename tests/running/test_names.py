"""Names in the file that Slack no longer knows, or that suddenly mean another: the bot starts, and says so."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot import configuring, meanings, name_watch
from bot.app import connected_slack
from bot.complaining import Complaining
from bot.config import parse
from bot.core.faults import Fault
from bot.core.in_force import InForce
from bot.local.slack import LocalSlack
from bot.local.tyk import LocalTyk
from bot.local.world import World as Place
from bot.name_watch import NameWatch
from bot.opening import new_id, opened_store
from bot.operations import Operations
from bot.reloading import Reloading, WatchedFile
from bot.settings import load
from bot.slack.client import Chat
from bot.store.seal import new_key
from bot.store.store import Store
from tests.log import Log, lines
from tests.running import empty_place, quiet, verb
from tests.running.test_reload import unchecked
from tests.story import asked, card, denies, is_told, opens_form, options
from tests.story.test_deciders import starts
from tests.test_metrics import value
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
        await _said_in_help(world, "@payments-leads could not be looked up (")
        assert any("It meant S0LEADS, which stays in force. I look again within minutes." in one for one in doubts(log))
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


# --- while the bot runs -----------------------------------------------------------------------------------------------


@dataclass
class Watching:
    """One who looks at the names of a file, without the bot: each look is made by the test."""

    place: Place
    watch: NameWatch
    in_force: InForce
    complaining: Complaining
    store: Store
    reloading: Reloading

    def out_of_force(self) -> list[str]:
        return [rule.name for rule in self.in_force.current.rules.values() if rule.out_of_force]


@asynccontextmanager
async def watching(folder: Path, change: Callable[[str], str]) -> AsyncIterator[Watching]:
    async with empty_place() as place, AsyncExitStack() as stack:
        path, text = folder / "config.yaml", change(place.config())
        path.write_text(text)
        environ = place.environ() | {"SEAL_KEYS": new_key(), "DATABASE_URL": f"sqlite:///{folder / 'bot.db'}"}
        settings, config = load(environ), parse(text)
        slack = await stack.enter_async_context(connected_slack(config, settings, environ))
        store = await stack.enter_async_context(opened_store(settings, "C0AUDIT"))
        meant = await meanings.of_names(config.mentions(), slack.directory, store)
        rulebook, doubts = meanings.rulebook_of(config, meant)
        await configuring.note(store, config, rulebook, settings)
        in_force = InForce(rulebook, help_channel="C0HELP")
        complaining, operations = (
            Complaining(store, Chat(slack.client), in_force, doubts),
            Operations(store, in_force, new_id),
        )
        reloading = Reloading(WatchedFile(path), config, meant, settings, slack, operations, unchecked, complaining)
        watch = NameWatch(reloading, slack, store, complaining)
        yield Watching(place, watch, in_force, complaining, store, reloading)


def _leads_disabled(slack: LocalSlack) -> Callable[[], object]:
    slack.workspace.disable_group("payments-leads")
    return partial(setattr, slack.workspace.group("payments-leads"), "deleted_at", 0)


def _bob_deactivated(slack: LocalSlack) -> Callable[[], object]:
    slack.workspace.deactivate("bob", leaves_groups=False)
    return partial(slack.workspace.reactivate, "bob")


@dataclass(frozen=True)
class Goes:
    """Something that the file names goes and comes back: how the file names it, and what is said of it."""

    happens: Callable[[LocalSlack], Callable[[], object]]
    approvers: str
    said: str
    out_of_force: bool = False


GONE = {
    "a group by its handle": Goes(
        _leads_disabled, LEADS, "names @payments-leads, which is not a user group in this workspace: left out", True
    ),
    "a person by their address": Goes(
        _bob_deactivated, '[bob@example.com, "@payments-leads"]', "which is not the e-mail address of a member"
    ),
    "a group by its id": Goes(
        _leads_disabled, "[S0LEADS, U0CAROL]", "S0LEADS: Slack knows no such user group with members in it."
    ),
    "a person by their id": Goes(_bob_deactivated, "[U0BOB, U0CAROL]", "U0BOB: this person may not use the bot."),
}


@pytest.mark.parametrize("goes", GONE.values(), ids=GONE.keys())
async def test_a_name_that_goes_while_the_bot_runs(tmp_path: Path, log: Log, goes: Goes) -> None:
    """Slack tells nobody. Two looks in a row find it, and the operator hears where in the file it is; a third one finds nothing
    new, and two find that it is back."""
    async with watching(tmp_path, _with(goes.approvers)) as one:
        assert not await one.watch.look(), "nothing was told of ids before, so it is made sure of"
        assert await one.watch.look()
        back = goes.happens(one.place.slack)
        assert not await one.watch.look()
        assert one.complaining.cannot() == []
        assert await one.watch.look()
        told = one.complaining.cannot()
        assert any(goes.said in line and line.startswith("config.yaml:") for line in told), told
        assert value("complaints", reason="doubted") + value("complaints", reason="unknown") == len(told)
        assert ("payments" in one.out_of_force()) == goes.out_of_force
        assert await one.watch.look()
        assert len([line for line in doubts(log) if goes.said in line]) == 1
        back()
        while not await one.watch.look():
            pass
        assert one.complaining.cannot() == []
        assert one.out_of_force() == []


async def test_an_answer_that_is_wrong_once_takes_nothing_from_anybody(tmp_path: Path, log: Log) -> None:
    """Slack forgets a group for one answer: nothing changes, and nobody is told."""
    async with watching(tmp_path, _with(LEADS)) as one:
        await one.watch.look()
        back = _leads_disabled(one.place.slack)
        assert not await one.watch.look()
        back()
        assert not await one.watch.look()
        assert await one.watch.look()
        assert (one.complaining.cannot(), one.out_of_force(), doubts(log)) == ([], [], [])


@pytest.mark.parametrize("approvers", [LEADS, "[S0LEADS, U0CAROL]"])
async def test_what_slack_does_not_say_is_not_called_good(tmp_path: Path, approvers: str) -> None:
    """The group is gone, and then Slack says nothing about groups: what was told stays, with that beside it, until it does."""
    async with watching(tmp_path, _with(approvers)) as one:
        await one.watch.look()
        back = _leads_disabled(one.place.slack)
        await one.watch.look()
        await one.watch.look()
        told = set(one.complaining.cannot())
        assert told
        back()
        one.place.slack.faults.next("usergroups.list", error="missing_scope", times=None)
        await one.watch.look()
        assert told <= set(one.complaining.cannot())
        await one.watch.look()
        assert told <= set(one.complaining.cannot())
        assert any("Slack cannot say" in line and "(missing_scope)" in line for line in one.complaining.cannot())
        one.place.slack.faults.clear()
        while not await one.watch.look():
            pass
        assert one.complaining.cannot() == []


async def test_one_look_in_vain_ends_no_complaint(tmp_path: Path) -> None:
    """The group is gone all the time. Between two looks that see it Slack says nothing once: what was told stays told."""
    async with watching(tmp_path, _with("[S0LEADS, U0CAROL]")) as one:
        _leads_disabled(one.place.slack)
        for _ in range(2):
            await one.watch.look()
        told = set(one.complaining.cannot())
        assert any("S0LEADS: Slack knows no such user group" in line for line in told)
        one.place.slack.faults.next("usergroups.list", error="missing_scope", times=2)
        for _ in range(4):
            await one.watch.look()
            assert told <= set(one.complaining.cannot())


async def test_a_replica_with_another_file_forgets_nothing(tmp_path: Path) -> None:
    """It names no handle that another replica has looked up: what that meant first is remembered all the same."""
    async with watching(tmp_path, _with("[U0CAROL]")) as one:
        await one.store.write(lambda tx: tx.remember("meanings", meanings.remembered(tx) | {"@api-leads": "S0LEADS"}))
        for _ in range(3):
            await one.watch.look()
        assert (await one.store.read(meanings.remembered))["@api-leads"] == "S0LEADS"


async def test_an_accepted_meaning_needs_no_signal(tmp_path: Path) -> None:
    """The handle means another group by now; once Carol has accepted that, the next looks take it."""
    async with watching(tmp_path, _with(LEADS)) as one:
        await one.watch.look()
        _moved(one.place.slack, one.place.tyk)
        await one.watch.look()
        await one.watch.look()
        (told,) = one.complaining.cannot()
        assert "@payments-leads meant S0LEADS and now means" in told
        assert one.in_force.current.rules["payments"].approvers.groups == {"S0LEADS"}
        assert await verb(tmp_path, "accept", "@payments-leads", "--as", "carol") == 0
        while not await one.watch.look():
            pass
        assert one.in_force.current.rules["payments"].approvers.groups == {
            one.place.slack.workspace.group("payments-leads").id
        }
        assert one.complaining.cannot() == []


async def test_a_file_that_is_taken_meanwhile_has_been_looked_up_itself(tmp_path: Path) -> None:
    """What the looks found belongs to the file before: it is not brought into force over the new one."""
    async with watching(tmp_path, _with(LEADS)) as one:
        await one.watch.look()
        before, found = one.reloading.running, one.reloading.meant
        (tmp_path / "config.yaml").write_text(_with("[U0CAROL]")(one.place.config()))
        await one.reloading.look(at_once=True)
        assert one.in_force.current.rules["payments"].approvers.users == {"U0CAROL"}
        await one.reloading.take_names(before, replace(found, ids={}))
        assert one.in_force.current.rules["payments"].approvers.users == {"U0CAROL"}


async def test_an_entry_goes_out_of_force_while_the_bot_runs(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The approvers' group is disabled: Payments is not offered any more, the help channel says why, and both pass when it is
    enabled again. Nobody starts the bot, and nobody asks it to look."""
    monkeypatch.setattr(name_watch, "EVERY", 0.05)
    async with living(tmp_path, change=_with(LEADS)) as world:
        alice, shown = world.person("alice"), await asked(world)
        assert "payments" in options(await opens_form(alice), "api")
        await alice.closes()
        back = _leads_disabled(world.slack)
        await _said_in_help(world, "`payments` is out of force: nobody is left who could decide")
        assert "payments" not in options(await opens_form(alice), "api")
        await alice.closes()
        back()
        await _said_in_help(world, "The configuration holds without an exception again.")
        world.running.directory.forget_groups()
        await world.person("bob").clicks("Approve", shown)
        await world.told("approved")
    assert lines(log, event="config.names_changed")
