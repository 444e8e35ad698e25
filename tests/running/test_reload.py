"""A changed configuration is taken in while the bot runs: all of it or nothing, and whoever is concerned hears of it at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot import configuring, meanings, reloading, worker
from bot.app import connected_slack
from bot.complaining import Complaining
from bot.config import Config, parse
from bot.core import backoff
from bot.core.changes import read
from bot.core.in_force import InForce
from bot.core.model import EffectKind, Rulebook
from bot.core.snapshot import What
from bot.local.slack import LocalSlack
from bot.local.tyk import LocalTyk
from bot.opening import new_id, opened_store
from bot.operations import Operations
from bot.reloading import Reloading, WatchedFile
from bot.settings import Settings, load
from bot.slack.client import Chat
from bot.store.seal import new_key
from tests.log import Log, lines, logged
from tests.running import empty_place, failed, quiet
from tests.running.test_start import environ_of, process
from tests.story import asked, becomes, card, is_told, of_event, opens_form, options, status, tokens, with_bystander
from tests.story.test_deciders import CHANGED, IN_VAIN, by
from tests.test_metrics import value
from tests.world import WITHIN, World, living

NOTES = "  notes: {api_id: feed, title: Notes, requesters: [everyone], approvals: 0}\n"


def with_notes(text: str) -> str:
    return text.replace("apis:\n", f"apis:\n{NOTES}", 1)


async def helped(world: World, wanted: str) -> str:
    return (await world.person("carol").sees(wanted, channel="help", timeout=WITHIN)).text


async def test_a_new_api_needs_no_restart(tmp_path: Path, log: Log) -> None:
    """Carol asks for it at once, and at Home when she opens it next. The audit has it once, the channels of the file are the new
    ones, and what waits for a restart is named."""

    def change(text: str) -> str:
        return with_notes(text).replace("help_channel: C0HELP", "help_channel: C0NEWS")

    def prepared(slack: LocalSlack, tyk: LocalTyk) -> None:
        slack.workspace.add_channel("news", id="C0NEWS", members=["carol"])
        tyk.add_api("feed", "notes", "/notes/")

    async with living(tmp_path, prepare=prepared) as world:
        await world.told("configured")
        await world.person("carol").opens_home()
        await world.person("carol").sees_home(lambda home: "C0HELP" in str(home))
        taken = change((tmp_path / "config.yaml").read_text())
        world.configure(lambda _: taken.replace("command: /tyk-key", "command: /keys"))
        await world.told("configured", 2)
        assert world.running.worker.ports.in_force.current.digest == parse(taken).digest
        await world.person("carol").opens_home()
        await world.person("carol").sees_home(lambda home: "C0NEWS" in str(home) and "Notes" in str(home))
        assert "notes" in options(await opens_form(world.person("carol")), "api")
        await world.person("carol").closes()
        await world.asks("carol", "notes")
        await world.token_of("carol")
        told = "`slack.command` has changed, which takes effect when I am restarted"
        await world.person("carol").sees(told, channel="news", timeout=WITHIN)
        world.reload()
        await logged(log, "config.reloaded", 2)
        _, second = await of_event(world, "configured")
        assert [one.what for one in read(second.details)] == [What.ENTRY, What.HELP_CHANNEL]
        assert world.slack.app_errors == []


async def test_a_mounted_file_changes_by_a_symbolic_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Kubernetes swaps a ConfigMap: nobody sends a signal."""
    monkeypatch.setattr(reloading, "EVERY", 0.05)
    async with living(tmp_path) as world:
        path = tmp_path / "config.yaml"
        for version, text in (("v1", path.read_text()), ("v2", with_notes(path.read_text()))):
            (tmp_path / version).mkdir()
            (tmp_path / version / "config.yaml").write_text(text)
        (tmp_path / "..data").symlink_to("v1")
        (tmp_path / "link").symlink_to("..data/config.yaml")
        (tmp_path / "link").replace(path)
        (tmp_path / "..data_tmp").symlink_to("v2")
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")
        await world.told("configured", 2)
        assert "notes" in options(await opens_form(world.person("alice")), "api")


BAD: dict[str, tuple[Callable[[str], str | None], str]] = {
    "half written": (lambda text: text[: text.index("[everyone]") + 4], "opens a bracket that is not closed"),
    "deleted": (lambda _: None, "there is no such file"),
    "empty": (lambda _: "", "the file is empty"),
    "twice": (
        lambda text: text.replace("    approvals: 0\n", "    approvals: 0\n    approvals: 1\n", 1),
        "`approvals`",
    ),
    "scope": (lambda text: text.replace('"@api-owners"]', '"@api-owners", eve@example.com]'), "users:read.email"),
}


def _without_email(slack: LocalSlack, _tyk: LocalTyk) -> None:
    """The app was installed for a file that names nobody by their address."""
    slack._parts.scopes -= {"users:read.email"}


async def test_what_cannot_be_taken_changes_nothing(tmp_path: Path, log: Log) -> None:
    """Each complaint is in the log with its place, the help channel hears of it once, and once that all is well again."""
    async with living(tmp_path, prepare=_without_email) as world:
        await world.told("configured")
        path, good, in_force = (
            tmp_path / "config.yaml",
            (tmp_path / "config.yaml").read_text(),
            world.running.worker.ports.in_force,
        )
        before = in_force.current
        loaded_at = value("config_last_load_success_timestamp_seconds")
        loaded_at = value("config_last_load_success_timestamp_seconds")
        for change, said in BAD.values():
            text, known = change(good), len(lines(log, event="config.refused"))
            path.unlink() if text is None else path.write_text(text)
            world.reload()
            told = await logged(log, "config.refused", known + 1)
            await helped(world, said)
            assert said in str(told[-1]["where"])
            assert str(told[-1]["where"]).startswith(f"{path}:")
        assert in_force.current is before
        assert value("config_last_load_successful") == 0
        assert value("config_last_load_success_timestamp_seconds") == loaded_at
        ready = f"http://127.0.0.1:{world.running.port}/readyz"
        async with aiohttp.ClientSession() as session, session.get(ready) as answer:
            assert (answer.status, (await answer.json())["digest"]) == (200, before.digest)
        heard = len(world.person("carol").messages("help"))
        world.reload()
        await logged(log, "config.refused", len(lines(log, event="config.refused")) + 1)
        path.write_text(good)
        world.reload()
        await helped(world, "The changed configuration is good again, and in force.")
        assert value("config_last_load_successful") == 1
        assert value("config_last_load_success_timestamp_seconds") > loaded_at
        assert len(world.person("carol").messages("help")) == heard + 1 == len(BAD) + 1
        assert await world.events() == ["configured"]
        assert {line["log_level"] for line in lines(log, event="config.refused")} == {"warning"}


async def test_slack_cannot_say_what_a_new_name_means(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in force stays, and the file is taken as soon as Slack can."""
    monkeypatch.setattr(reloading, "AGAIN", 0.05)
    monkeypatch.setattr(reloading, "EVERY", 0.05)
    async with living(tmp_path) as world:
        await world.told("configured")
        before = world.running.worker.ports.in_force.current
        world.slack.faults.next("usergroups.list", status=503, times=None)
        world.configure(lambda text: text.replace('requesters: ["@payments-devs"]', 'requesters: ["@api-owners"]', 1))
        await logged(log, "config.waits", 2)
        assert world.running.worker.ports.in_force.current is before
        world.slack.faults.clear()
        await world.told("configured", 2)
        assert world.running.worker.ports.in_force.current.rules["payments"].requesters.groups == {"S0OWNERS"}


async def test_whoever_waits_hears_at_once_that_the_rules_have_changed(tmp_path: Path) -> None:
    """A plan that is called otherwise, an entry that goes, and requesters who were narrowed: nobody has to click to find out."""

    def change(text: str) -> str:
        text = text.replace("      gold:", "      silver:").replace(", also_opens: [ledger]", "")
        text = text.replace('requesters: ["@payments-devs"]', "requesters: [U0ALICE]", 1)
        return text[: text.index("  ledger:")]

    async with living(tmp_path) as world:
        await world.asks("alice", "payments", plan="gold")
        gold = await card(world)
        await world.asks("alice", "ledger")
        await world.asks("dave", "payments", plan="standard")
        his = await card(world, containing="R-1003")
        world.configure(change)
        alice, dave = world.person("alice"), world.person("dave")
        why = "The requester can no longer request Payments."
        for person, said in (
            (
                alice,
                "R-1001 (Payments) can't be approved now. The plan gold of Payments has changed. Withdraw it and ask again.",
            ),
            (
                alice,
                "R-1002 (Ledger) can't be approved now. Ledger is no longer offered here. If it is still needed, ask in ",
            ),
            (dave, f"R-1003 (Payments) can't be approved now. {why} If you still need it, ask in the help channel."),
        ):
            await person.sees(said, channel="dm", timeout=WITHIN)
        await becomes(world.person("bob"), gold, "Alice Adams can withdraw it and ask again.")
        his = await becomes(world.person("bob"), his, f"This can't be approved now. {why}")
        assert "ask again" not in his.shown
        await status(world, "dave", f"This can't be approved now. {why} If you still need it", "R-1003")
        await world.person("bob").clicks("Approve", his)
        await is_told(world.person("bob"), why)
        assert "approved" not in await world.events()
        assert world.slack.app_errors == []


async def test_approvers_who_change_while_a_request_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The card calls those of the new file at once; where nobody of before is left, it says that it is in vain, and so do the
    status and a message to Alice."""
    monkeypatch.setattr(worker, "SURVEY_EVERY", 3600)  # what is found by looking now and then is not told at once
    async with living(tmp_path, prepare=with_bystander) as world:
        alice, bob = world.person("alice"), world.person("bob")
        before = (tmp_path / "config.yaml").read_text()
        shown = await asked(world)
        world.configure(by("U0CAROL"))
        await becomes(bob, shown, "<@U0CAROL> needs to approve this.")
        world.configure(lambda _: by("U0ERIN")(before))
        await alice.sees(f"R-1001 (Payments) can't be approved now. {CHANGED}", channel="dm", timeout=WITHIN)
        await becomes(bob, shown, f"{IN_VAIN} {CHANGED}")
        await status(world, "alice", f"{IN_VAIN} {CHANGED}")
        assert world.slack.app_errors == []


async def test_a_database_that_is_away_in_the_midst_of_a_reload(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the new rules are noted, the old ones stay; afterwards the new ones do. What is left to do is done once."""
    monkeypatch.setattr(reloading, "AGAIN", 0.05)
    monkeypatch.setattr(reloading, "EVERY", 0.05)
    away = list[str]()

    def once_away(step: str) -> None:
        real = getattr(configuring, step)

        async def first_fails(*given: Any) -> None:
            if step not in away:
                away.append(step)
                raise ConnectionError(step)
            await real(*given)

        monkeypatch.setattr(configuring, step, first_fails)

    async with living(tmp_path) as world:
        await world.asks("alice", "payments", plan="gold")
        shown = await card(world)
        once_away("note")
        once_away("show_anew")
        world.configure(lambda text: text.replace("      gold:", "      silver:"))
        await becomes(world.person("bob"), shown, "Alice Adams can withdraw it and ask again.")
        await world.told("configured", 2)
        await quiet(world)
        assert away == ["note", "show_anew"]
        assert len(lines(log, event="config.reload_failed")) == 2
        assert len(lines(log, event="config.reloaded")) == 1
        assert value("config_last_load_successful") == 1
        said = "R-1001 (Payments) can't be approved now. The plan gold of Payments has changed."
        assert len([one for one in world.person("alice").messages("dm") if one.text.startswith(said)]) == 1


async def test_no_token_where_the_rules_change_between_approval_and_key(tmp_path: Path, log: Log) -> None:
    """Bob approves while Tyk is away. When it is back, Payments is for others: nothing is made, and Alice hears why."""
    async with living(tmp_path) as world:
        shown = await asked(world)
        world.tyk.faults.next("POST /api/keys", status=500, times=1000)
        await world.person("bob").clicks("Approve", shown)
        await world.told("approved")
        world.configure(lambda text: text.replace('requesters: ["@payments-devs"]', "requesters: [U0CAROL]", 1))
        await logged(log, "config.reloaded")
        world.tyk.faults.clear()
        world.running.worker.wake()
        await world.person("alice").sees(
            "was cancelled: you can no longer get it as requested.", channel="dm", timeout=WITHIN
        )
        assert tokens(world.person("alice")) == []
        assert "key created" not in await world.events()


async def test_the_audit_moves_to_another_channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own channel was archived, and a line waits for it: the channel of the new file gets that, what has changed, and what
    comes. Nothing is tried at the old one any more."""
    monkeypatch.setattr(worker, "SURVEY_EVERY", 0.1)

    def prepared(slack: LocalSlack, _tyk: LocalTyk) -> None:
        slack.workspace.add_channel("news", id="C0NEWS", members=["carol"])

    async with living(tmp_path, prepare=prepared) as world:
        await world.told("configured")
        world.slack.workspace.channel("audit").is_archived = True
        await world.asks("carol", "test-api")
        await failed(world, EffectKind.POST_AUDIT)
        world.configure(lambda text: text.replace("audit_channel: C0AUDIT", "audit_channel: C0NEWS"))
        for told in ("*asked*", "*configured*", "*sent*"):
            await world.person("carol").sees(told, channel="news", timeout=WITHIN)
        await helped(world, "Over since ")
        assert [one.text.count("*configured*") for one in world.person("carol").messages("audit")] == [1]


async def test_a_help_channel_that_takes_nothing_is_tried_less_and_less(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is archived: the log says so once, however often it is tried, and another one in the file hears of it at once."""

    def prepared(slack: LocalSlack, _tyk: LocalTyk) -> None:
        slack.workspace.add_channel("news", id="C0NEWS", members=["carol"])

    monkeypatch.setattr(backoff, "FIRST", 0.01)
    async with living(tmp_path, prepare=prepared) as world:
        world.slack.workspace.channel("help").is_archived = True
        odd = (tmp_path / "config.yaml").read_text().replace("command: /tyk-key", "command: /keys")
        world.configure(lambda _: odd)
        tried = partial(world.slack.journal.calls, "chat.postMessage")
        await world.slack.changes.until(
            lambda: len([one for one in tried() if not one.ok]) > 3 or None, WITHIN, "some tries"
        )
        (untold,) = lines(log, event="config.untold")
        assert (untold["about"], untold["error"]) == (["doubted"], "is_archived")
        monkeypatch.setattr(backoff, "FIRST", backoff.LONGEST)
        world.configure(lambda text: text.replace("help_channel: C0HELP", "help_channel: C0NEWS"))
        said = "`slack.command` has changed, which takes effect when I am restarted"
        await world.person("carol").sees(said, channel="news", timeout=WITHIN)


async def test_two_replicas_tell_the_audit_once(tmp_path: Path) -> None:
    """Whoever is first says what changed; a replica that starts with what an older version remembered says nothing."""
    text = (
        (Path(__file__).parents[2] / "bot" / "local" / "config.yaml")
        .read_text()
        .replace("GATEWAY", "https://gw.example.com")
    )
    ids = {"@payments-devs": "S0DEVS", "@payments-leads": "S0LEADS", "@api-owners": "S0OWNERS"}
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'bot.db'}", seal_keys=(new_key(),))
    async with opened_store(settings, "C0AUDIT") as store:
        for config in (parse(text), parse(with_notes(text)), parse(with_notes(text))):
            await configuring.note(store, config, config.rulebook(ids), settings)
        with store.reading() as tx:
            told = [entry.details["added"] for entry in tx.audit_trail()]
    assert told == [["ledger", "payments", "test-api"], ["notes"]]


async def test_each_replica_takes_its_own_file_within_a_minute(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two watch their files beside each other, on one database. Nobody signals: both have the new rules after two looks, and the
    audit has one line of it."""
    assert reloading.EVERY * 2 + reloading.AGAIN < 60
    monkeypatch.setattr(reloading, "EVERY", 0.02)
    async with empty_place() as place, AsyncExitStack() as stack:
        text, environ = place.config(), place.environ() | {"SEAL_KEYS": new_key()}
        settings = load(environ | {"DATABASE_URL": f"sqlite:///{tmp_path / 'bot.db'}"})
        slack = await stack.enter_async_context(connected_slack(parse(text), settings, environ))
        watched, held = list[asyncio.Task[None]](), list[InForce]()
        for name in ("one", "two"):
            (tmp_path / name).write_text(text)
            store = await stack.enter_async_context(opened_store(settings, "C0AUDIT"))
            meant = await meanings.of_names(parse(text).mentions(), slack.directory, store)
            rulebook, _ = meanings.rulebook_of(parse(text), meant)
            await configuring.note(store, parse(text), rulebook, settings)
            in_force = InForce(rulebook)
            replica = Reloading(
                WatchedFile(tmp_path / name),
                parse(text),
                meant,
                settings,
                slack,
                Operations(store, in_force, new_id),
                unchecked,
                Complaining(store, Chat(slack.client), in_force, ()),
            )
            watched.append(asyncio.create_task(replica.watch()))
            held.append(in_force)
        for name in ("one", "two"):
            (tmp_path / name).write_text(with_notes(text))
        await logged(log, "config.reloaded", 2)
        assert [one.current.digest for one in held] == [parse(with_notes(text)).digest] * 2
        with store.reading() as tx:
            told = [entry.details["added"] for entry in tx.audit_trail() if "changes" in entry.details]
        for one in watched:
            one.cancel()
        await asyncio.gather(*watched, return_exceptions=True)
    assert told == [["ledger", "payments", "test-api"], ["notes"]]


async def unchecked(_config: Config, _rulebook: Rulebook) -> None:
    """What was taken is compared with Slack and Tyk elsewhere."""


async def test_a_process_takes_its_file_again_on_sighup(tmp_path: Path) -> None:
    """The signal that services are reloaded with: the process lives on with the new digest. It ends at once in the midst of
    another reload, for which Slack takes its time."""
    async with empty_place() as place:
        text = place.config()
        async with process(tmp_path, text, "run", **environ_of(place, tmp_path)) as bot:
            (ready,) = [line for line in await bot.until("bot.ready") if line["event"] == "bot.ready"]
            (tmp_path / "config.yaml").write_text(with_notes(text))
            bot.process.send_signal(signal.SIGHUP)
            (taken,) = [line for line in await bot.until("config.reloaded") if line["event"] == "config.reloaded"]
            assert (taken["apis"], taken["changes"]) == (ready["apis"] + 1, 1)
            assert taken["digest"] == parse(with_notes(text)).digest != ready["digest"]
            place.slack.faults.next("usergroups.list", latency=60)
            bot.process.send_signal(signal.SIGHUP)
            bot.process.send_signal(signal.SIGHUP)
            assert (await bot.end(signal.SIGTERM)).code == 0
