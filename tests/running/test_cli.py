"""The commands, as an operator uses them."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from cryptography.fernet import Fernet
from sqlalchemy import text

from bot import cli, config
from bot.commands.parsing import verbs
from bot.config.positions import ConfigError
from bot.core import lifecycle
from bot.core.model import AuditEvent
from bot.local.slack import LocalSlack
from bot.local.tyk import LocalTyk
from bot.local.world import BOT_TOKEN
from bot.reports import AUDIT, KEYS, REQUESTS
from bot.store import ledger
from bot.store.engine import migrate, open_engine
from bot.store.ledger import Filter
from bot.store.seal import new_key
from bot.store.store import Store
from bot.version import VERSION
from tests.core.life import Ids
from tests.running import verb
from tests.store.test_ledger import asks, holds
from tests.story import asked
from tests.world import World, living

SHIPPED = str(Path(__file__).parents[2] / "config.yaml")


@pytest.fixture
def database(tmp_path: Path) -> dict[str, str]:
    """An empty database of this version."""
    url = f"sqlite:///{tmp_path / 'bot.db'}"
    engine = open_engine(url)
    migrate(engine)
    engine.dispose()
    return {"DATABASE_URL": url}


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """One line, and 0, of each verb too, whatever else it wants."""
    for words in ([], *([name] for name in verbs(cli.parser([])))):
        with pytest.raises(SystemExit) as ended:
            cli.execute([*words, "--version"], {})
        assert (ended.value.code, capsys.readouterr().out) == (0, f"tyk-key-bot {VERSION}\n"), words


# --- setting it up ----------------------------------------------------------------------------------------------------


def test_where_the_configuration_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """--config says it, else the environment, as in the image, and else it is in this folder."""
    (tmp_path / "other.yaml").write_text(Path(SHIPPED).read_text())
    assert cli.execute(["check"], {"TYK_KEY_BOT_CONFIG": str(tmp_path / "other.yaml")}) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'other.yaml'}: 3 APIs")
    assert cli.execute(["check", "--config", SHIPPED], {"TYK_KEY_BOT_CONFIG": str(tmp_path / "none.yaml")}) == 0
    assert cli.execute(["check"], {"TYK_KEY_BOT_CONFIG": str(tmp_path / "none.yaml")}) == 2
    assert "none.yaml" in capsys.readouterr().err


def test_check(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The shipped file has no complaint; a broken one has all of them, each with its place, and 2."""
    assert cli.execute(["check", "--config", SHIPPED], {}) == 0
    assert "3 APIs" in capsys.readouterr().out
    broken = tmp_path / "config.yaml"
    broken.write_text(Path(SHIPPED).read_text().replace("[everyone]", "[]").replace("approvals: 2", "approvals: two"))
    assert cli.execute(["check", "--config", str(broken)], {}) == 2
    complaints = capsys.readouterr().err.splitlines()
    assert len(complaints) == 2
    assert all(one.startswith(f"{broken}:") for one in complaints)
    assert cli.execute(["check", "--config", str(tmp_path / "none.yaml")], {}) == 2
    assert "none.yaml:1:1: there is no such file; docs/install.md has one to begin with" in capsys.readouterr().err


def test_manifest(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON that Slack takes, for Socket Mode, or with the address for HTTP."""
    assert cli.execute(["manifest", "--config", SHIPPED], {}) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["settings"]["socket_mode_enabled"] is True
    assert [command["command"] for command in made["features"]["slash_commands"]] == ["/tyk-key"]
    url = "https://bot.example.com/slack/events"
    assert cli.execute(["manifest", "--config", SHIPPED, "--request-url", url], {}) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["settings"]["socket_mode_enabled"] is False
    assert made["settings"]["interactivity"]["request_url"] == url


def test_seal_key(capsys: pytest.CaptureFixture[str]) -> None:
    """A key that works, and another each time."""
    assert [cli.execute(["seal-key"], {}) for _ in range(2)] == [0, 0]
    first, second = capsys.readouterr().out.split()
    assert Fernet(first).decrypt(Fernet(first).encrypt(b"x")) == b"x"
    assert first != second


def test_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """A schema that the shipped file fits, and that a misspelt key does not."""
    assert cli.execute(["schema"], {}) == 0
    schema = json.loads(capsys.readouterr().out)
    loaded: dict[str, Any] = yaml.safe_load(Path(SHIPPED).read_text())
    jsonschema.validate(loaded, schema)
    loaded["apis"]["ledger"]["titel"] = "Ledger"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(loaded, schema)


@asynccontextmanager
async def tyk_with_apis() -> AsyncIterator[LocalTyk]:
    async with LocalTyk() as tyk:
        tyk.add_api("a1", "Payments #finance", "/payments/", auth_header="X-Token", versions=("v1", "v2"))
        tyk.add_api("a2", "payments", "/payments-old/")
        tyk.add_api("a3", "Ledger: books & more", "/ledger/", oas=True)
        for number in range(25):
            tyk.add_api(f"b{number}", f"Service {number}", f"/service-{number}/")
        yield tyk


async def test_apis(capsys: pytest.CaptureFixture[str]) -> None:
    """Every API as an entry that says all there is to say, but with nobody allowed."""
    async with tyk_with_apis() as tyk:
        tyk.switches.refuse_all_pages = True
        assert await _apis(tyk) == 0
    entries = yaml.safe_load(capsys.readouterr().out)["apis"]
    assert len(entries) == 28
    for entry in entries.values():
        assert set(entry) == {"api_id", "api_name", "listen_path", "versions", "auth_header"}
    assert entries["payments"] == {
        "api_id": "a1",
        "api_name": "Payments",
        "listen_path": "/payments/",
        "versions": ["v1", "v2"],
        "auth_header": "X-Token",
    }
    assert entries["payments-2"]["api_id"] == "a2"


async def test_apis_that_match(capsys: pytest.CaptureFixture[str]) -> None:
    """`--match` looks at names and paths; what matches nothing is said, and 1."""
    async with tyk_with_apis() as tyk:
        assert await _apis(tyk, "--match", "LEDGER") == 0
        assert list(yaml.safe_load(capsys.readouterr().out)["apis"]) == ["ledger-books-more"]
        assert await _apis(tyk, "--match", "payments-old") == 0
        assert yaml.safe_load(capsys.readouterr().out)["apis"]["payments"]["api_id"] == "a2"
        assert await _apis(tyk, "--match", "nothing") == 1
        assert capsys.readouterr().err == "Tyk has no API whose name or path contains 'nothing'.\n"


async def test_apis_become_a_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    """With requesters added, the entries are a configuration without a complaint; as they are printed they allow nobody."""
    async with tyk_with_apis() as tyk:
        assert await _apis(tyk) == 0
    printed = capsys.readouterr().out
    head = Path(SHIPPED).read_text().partition("apis:")[0]
    with pytest.raises(ConfigError, match="requesters"):
        config.parse(head + printed)
    filled = config.parse(head + printed.replace("    api_id:", "    requesters: [everyone]\n    api_id:"))
    assert len(filled.apis) == 28


async def test_apis_in_vain(capsys: pytest.CaptureFixture[str]) -> None:
    """A Tyk that refuses or is away: where it was asked, what happened and which variable to look at, and 1."""
    async with tyk_with_apis() as tyk:
        wrong = {"TYK_DASHBOARD_URL": tyk.dashboard_url, "TYK_DASHBOARD_KEY": "wrong-credential"}
        assert await asyncio.to_thread(cli.execute, ["apis"], wrong) == 1
        said = capsys.readouterr().err
    assert f"at {tyk.dashboard_url} (tyk_401). Tyk does not accept the credential" in said
    assert "Check TYK_DASHBOARD_KEY" in said
    assert "wrong-credential" not in said
    assert await asyncio.to_thread(cli.execute, ["apis"], wrong) == 1
    said = capsys.readouterr().err
    assert f"at {tyk.dashboard_url} (tyk_unreachable). No connection" in said
    assert "Check the address (TYK_DASHBOARD_URL" in said


async def _apis(tyk: LocalTyk, *argv: str) -> int:
    environ = {"TYK_DASHBOARD_URL": tyk.dashboard_url, "TYK_DASHBOARD_KEY": tyk.credential}
    return await asyncio.to_thread(cli.execute, ["apis", *argv], environ)


# --- looking and mending ----------------------------------------------------------------------------------------------

READING: tuple[list[str], ...] = (
    ["keys"],
    ["audit"],
    ["requests"],
    ["show", "R-1001"],
    ["retry", "--all"],
    ["deny", "R-1001", "--reason", "no"],
    ["reseal"],
    ["revoke", "--person", "U0ALICE", "--yes"],
)


@pytest.mark.parametrize(
    ("name", "columns", "nothing"),
    [
        ("keys", KEYS, "No token was ever given.\n"),
        ("audit", AUDIT, "Nothing matches.\n"),
        ("requests", REQUESTS, "No request waits, and nothing is stuck or late.\n"),
    ],
)
def test_formats_of_nothing(
    database: dict[str, str], capsys: pytest.CaptureFixture[str], name: str, columns: tuple[str, ...], nothing: str
) -> None:
    """On an empty database a table is a sentence, a CSV has its names, JSON lines have nothing."""
    said = {}
    for how in ("table", "csv", "jsonl"):
        assert cli.execute([name, "--format", how], database) == 0
        said[how] = capsys.readouterr().out
    assert said == {"table": nothing, "csv": ",".join(columns) + "\n", "jsonl": ""}


async def test_formats_of_something(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was granted and what happened, as a program reads it; a cell that a spreadsheet would compute is text."""
    async with living(tmp_path) as world:
        await world.asks("alice", "test-api", used_by="=SUM(A1)")
        await world.told("sent")
        assert await verb(tmp_path, "keys", "--format", "csv") == 0
        (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
        assert (row["request"], row["person"], row["state"], row["used_by"]) == (
            "R-1001",
            "U0ALICE",
            "active",
            "'=SUM(A1)",
        )
        assert row["keys"] == world.tyk.keys[0].hash
        assert row["approved_by"] == "rule"
        assert await verb(tmp_path, "audit", "--format", "jsonl", "--api", "test-api", "--person", "U0ALICE") == 0
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [line["event"] for line in lines] == ["asked", "approved", "key created", "sent"]
        assert await verb(tmp_path, "audit", "--format", "text", "--api", "test-api") == 0
        said = [line.partition("Z  ")[2] for line in capsys.readouterr().out.splitlines()]
        assert (
            said[0]
            == "#2 · R-1001 · Test API · Alice Adams · asked · standard, 7 days, used by =SUM(A1): to build the checkout"
        )
        assert said[1].startswith("#3 · R-1001 · Test API · Alice Adams · approved · no approval needed, until ")
        assert await verb(tmp_path, "audit", "--since", "2099-01-01", "--format", "jsonl") == 0
        assert await verb(tmp_path, "keys", "--api", "payments", "--format", "jsonl") == 0
        assert capsys.readouterr().out == ""
        for how in ("table", "csv", "jsonl"):
            for name in ("keys", "audit", "requests"):
                assert await verb(tmp_path, name, "--format", how) == 0
        assert world.tyk.keys[0].token not in capsys.readouterr().out


def test_keys_that_end_soon(database: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """Alice's token runs for a week; Dave's was revoked, so it is not active, and ends no more."""
    engine = open_engine(database["DATABASE_URL"])
    with Store(engine).transaction() as tx:
        holds(tx)
        tx.apply(lifecycle.revoke(holds(tx, "dave"), None, "it leaked", tx.now, Ids()))
    engine.dispose()
    for options, found in (
        ([], ["R-1002", "R-1001"]),
        (["--active"], ["R-1001"]),
        (["--expiring", "8d"], ["R-1001"]),
        (["--active", "--expiring", "8d"], ["R-1001"]),
        (["--active", "--expiring", "6d"], []),
    ):
        assert cli.execute(["keys", *options, "--format", "csv"], database) == 0
        rows = csv.DictReader(io.StringIO(capsys.readouterr().out))
        assert [row["request"] for row in rows] == found, options
    assert cli.execute(["keys", "--active", "--expiring", "6d"], database) == 0
    assert capsys.readouterr().out == "Nothing matches.\n"
    assert cli.execute(["keys", "--expiring", "soon"], database) == 2


def test_requests_that_wait(database: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever has waited longest comes first, with what a person decides by; what was granted is not there."""
    engine = open_engine(database["DATABASE_URL"])
    with Store(engine).transaction() as tx:
        tx.now -= timedelta(days=2, hours=3)
        asks(tx, "dave")
        holds(tx)
    with Store(engine).transaction() as tx:
        asks(tx)
    engine.dispose()
    assert cli.execute(["requests", "--format", "csv"], database) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["request"], row["person"]) for row in rows] == [("R-1001", "UDAVE"), ("R-1003", "UALICE")]
    assert (rows[0]["age"], rows[0]["plan"], rows[0]["reason"]) == ("2d 3h", "standard", "because")
    assert (rows[0]["approvals"], rows[0]["who_can_decide"]) == ("0 of 1", "UBOB")


async def test_a_name_that_is_nearly_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An entry, or a person's id or name: the right one is named, for every verb that takes one; an address needs Slack."""
    unknown = "The database knows nobody by the id or name"
    unasked = "Slack was not asked who has the address alice@example.com: set SLACK_BOT_TOKEN"
    instead = "give their user id, such as U012AB3CD, or their name as `tyk-key-bot keys` shows it.\n"
    async with living(tmp_path) as world:
        await world.asks("alice", "test-api")
        await world.told("sent")
        for words in (["keys", "--person"], ["audit", "--person"], ["audit", "export", "--person"], ["erase-person"]):
            slack = {"SLACK_API_URL": world.slack.url, "SLACK_BOT_TOKEN": BOT_TOKEN}
            for who in ("U0ALICE", "alice  adams", "@Alice Adams", "alice@example.com"):
                code = 1 if words == ["erase-person"] else 0
                assert await verb(tmp_path, *words, who, **slack) == code
                assert "U0ALICE" in "".join(capsys.readouterr())
            assert await verb(tmp_path, *words, "nobody@example.com", **slack) == 2
            assert capsys.readouterr().err == "Slack knows no member with the address nobody@example.com.\n"
    for name in ("keys", "audit", "revoke"):
        for options, said in (
            (["--api", "paymnts"], "There is no entry paymnts; did you mean payments?\n"),
            (["--person", "U0ALICF"], f"{unknown} U0ALICF; did you mean U0ALICE (Alice Adams)?\n"),
            (["--person", "Alice"], f"{unknown} Alice; did you mean U0ALICE (Alice Adams)?\n"),
            (["--person", "nobody"], f"{unknown} nobody.\n"),
            (["--person", " @"], f"No person is named: {instead}"),
            (["--person", "alice@example.com"], f"{unasked}, or {instead}"),
        ):
            assert await verb(tmp_path, name, *options) == 2
            assert capsys.readouterr().err == said
    assert await verb(tmp_path, "keys", "--person", "alice@example.com", **slack) == 1
    said = capsys.readouterr().err
    assert "Slack did not answer as it should at" in said
    assert said.endswith(f"Or {instead}"), "Slack is gone, and there is another way"
    assert await verb(tmp_path, "show", "R-1009") == 2
    assert capsys.readouterr().err == "There is no request R-1009; the newest is R-1001.\n"


async def test_revoke(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What will end is listed first, `--yes` ends it beside the running bot, and a second time there is nothing to end."""
    async with living(tmp_path) as world:
        await world.asks("alice", "test-api")
        token = await world.token_of("alice")
        await world.told("sent")
        assert await verb(tmp_path, "revoke", "--api", "payments", "--yes") == 1
        assert capsys.readouterr().err == "Nothing that lives matches.\n"
        assert await verb(tmp_path, "revoke", "r-1001", "--yes", "--reason", "a drill") == 0
        said = capsys.readouterr().out
        assert "R-1001" in said
        assert re.search(r"R-1001, key [0-9a-f]+: deleted at Tyk\.\nEnded: 1\. A Gateway may let a token through", said)
        await world.told("key deleted")
        assert world.tyk.opens(token, "/test-api/")[0] == 403
        await world.person("alice").rung("a drill")
        assert await verb(tmp_path, "revoke", "R-1001", "--yes") == 1
        assert capsys.readouterr().err == "R-1001 has already ended.\n"


async def test_whoever_undoes_what_cannot_be_done_again_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --yes a person is asked, and nothing is done for any answer but yes; where nobody can answer, that is said."""
    async with living(tmp_path) as world:
        await world.asks("alice", "test-api")
        await world.told("sent")
        for answer in ("n\n", "\n"):
            monkeypatch.setattr("sys.stdin", io.StringIO(answer))
            assert await verb(tmp_path, "revoke", "R-1001") == 1
            assert "Nothing was done." in capsys.readouterr().out
        monkeypatch.setattr("sys.stdin", io.StringIO(""))
        assert await verb(tmp_path, "revoke", "R-1001") == 2
        assert "--yes" in capsys.readouterr().err
        assert "revoked" not in await world.events()
        monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
        assert await verb(tmp_path, "revoke", "R-1001") == 0
        await world.told("key deleted")
        monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
        assert await verb(tmp_path, "erase-person", "U0ALICE") == 1
        assert "Nothing was erased." in capsys.readouterr().out


@asynccontextmanager
async def three_grants(folder: Path) -> AsyncIterator[World]:
    """R-1001 and R-1002 are for the test API, by Alice and by Dave; R-1003 is Alice's for Payments."""
    async with living(folder) as world:
        for who in ("alice", "dave"):
            await world.asks(who, "test-api")
            await world.person(who).closes()
        shown = await asked(world)
        await world.person("bob").clicks("Approve", shown)
        await world.told("sent", times=3)
        yield world


async def living_requests(world: World) -> list[str]:
    """The numbers of what has not ended, the first first."""
    with world.running.store.reading() as tx:
        return sorted(f"R-{held.number}" for held in ledger.holdings(tx, Filter(living=True)))


@pytest.mark.parametrize(
    ("chosen", "left"),
    [
        (["R-1002"], ["R-1001", "R-1003"]),
        (["1002"], ["R-1001", "R-1003"]),
        (["--id", "R-1002"], ["R-1001", "R-1003"]),
        (["--person", "U0ALICE"], ["R-1002"]),
        (["--api", "test-api"], ["R-1003"]),
        (["--api", "test-api", "--person", "U0ALICE"], ["R-1002", "R-1003"]),
        (["--api", "test-api", "--since", "1h"], ["R-1003"]),
        (["--person", "U0ALICE", "--since", "2099-01-01"], ["R-1001", "R-1002", "R-1003"]),
        (["R-1002", "--person", "U0ALICE"], ["R-1001", "R-1002", "R-1003"]),
    ],
    ids=" ".join,
)
async def test_revoke_in_bulk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], chosen: list[str], left: list[str]
) -> None:
    """Each way to choose lists what it will end and ends that alone; every holder is told by the reason given."""
    everything = ["R-1001", "R-1002", "R-1003"]
    async with three_grants(tmp_path) as world:
        assert await living_requests(world) == everything
        ends = sorted(set(everything) - set(left))
        capsys.readouterr()
        code = await verb(tmp_path, "revoke", *chosen, "--yes", "--reason", "a stolen laptop")
        said, complained = capsys.readouterr()
        assert [number for number in everything if number in said] == ends
        assert (code, complained) == ((0, "") if ends else (1, "Nothing that lives matches.\n"))
        assert f"Ended: {len(ends)}." in said or not ends
        assert await living_requests(world) == left
        if ends:
            await world.told("key deleted", times=len(ends))
        assert len(world.tyk.usable_keys()) == len(left)
        revoked = [entry for entry in await world.trail() if entry.event is AuditEvent.REVOKED]
        assert [(entry.actor, entry.details["why"]) for entry in revoked] == [(None, "a stolen laptop")] * len(ends)
        holders = {"R-1001": "alice", "R-1002": "dave", "R-1003": "alice"}
        for number in ends:
            person = world.person(holders[number])
            ring = await person.sees(f"({number}) was revoked", channel="dm")
            assert "a stolen laptop" in ring.shown
        assert world.slack.app_errors == []


async def test_revoke_lists_before_it_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would end is on the screen before the question, with its holders, and a no ends none of it."""
    async with three_grants(tmp_path) as world:
        monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
        assert await verb(tmp_path, "revoke", "--api", "test-api") == 1
        said = capsys.readouterr().out
        listed, question = said[: said.index("End these 2?")], said[said.index("End these 2?") :]
        assert all(one in listed for one in ("R-1001", "R-1002", "U0ALICE", "U0DAVE"))
        assert "R-1003" not in said
        assert "Nothing was done." in question
        assert len(await living_requests(world)) == 3


def refusing(times: int) -> Callable[[LocalSlack, LocalTyk], None]:
    """Tyk says no to so many new keys, for reasons of its own."""

    def prepare(_slack: LocalSlack, tyk: LocalTyk) -> None:
        tyk.faults.next("POST /api/keys", status=400, times=times)

    return prepare


async def parked_ids(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """By request, the id that `retry` takes, as `requests` prints it."""
    capsys.readouterr()
    assert await verb(folder, "requests", "--format", "jsonl") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = {row["request"]: re.search(r"\d+", str(row["stuck"])) for row in rows if row["stuck"]}
    return {number: match[0] for number, match in found.items() if match}


async def test_retry_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of two that are stuck the one that is named goes on; the help channel heard of each once, and of the end of one."""
    async with living(tmp_path, prepare=refusing(2)) as world:
        for who in ("alice", "dave"):
            await world.asks(who, "test-api")
        await world.told("stuck", times=2)
        parked = await parked_ids(tmp_path, capsys)
        assert parked.keys() == {"R-1001", "R-1002"}
        assert await verb(tmp_path, "retry", parked["R-1002"]) == 0
        assert capsys.readouterr().out == "Taken up again: 1.\n"
        await world.token_of("dave")
        bob = world.person("bob")
        await bob.sees("R-1002 (Test API, for Dave Diaz) goes on again.", channel="help")
        assert len([one for one in bob.messages("help") if "got stuck" in one.text]) == 2
        assert (await parked_ids(tmp_path, capsys)).keys() == {"R-1001"}
        assert await verb(tmp_path, "retry", parked["R-1002"]) == 2
        assert "Nothing parked has the id" in capsys.readouterr().err
        assert len(world.tyk.usable_keys()) == 1
        assert world.slack.app_errors == []


async def test_retry_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is stuck goes on; what is still impossible gets stuck again, and nothing is done twice."""
    async with living(tmp_path, prepare=refusing(3)) as world:
        for who in ("alice", "dave"):
            await world.asks(who, "test-api")
        await world.told("stuck", times=2)
        assert await verb(tmp_path, "retry", "--all") == 0
        assert "Taken up again: 2." in capsys.readouterr().out
        await world.told("sent")
        await world.told("stuck", times=3)
        assert await verb(tmp_path, "retry", "--all") == 0
        assert "Taken up again: 1." in capsys.readouterr().out
        await world.told("sent", times=2)
        assert len(world.tyk.usable_keys()) == 2
        assert await verb(tmp_path, "retry", "--all") == 0
        assert capsys.readouterr().out == "Nothing is parked.\n"
        assert world.slack.app_errors == []


# --- the command's own words ------------------------------------------------------------------------------------------

WRONG: tuple[tuple[list[str], str], ...] = (
    ([], "VERB"),
    (["dance"], "dance"),
    (["keys", "--format", "pdf"], "pdf"),
    (["deny", "R-1001"], "--reason"),
    (["run", "--config"], "--config"),
)


@pytest.mark.parametrize(("argv", "said"), WRONG)
def test_words_that_are_no_command(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is wrong with them is said, and 2."""
    with pytest.raises(SystemExit) as ended:
        cli.execute(argv, {})
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["revoke"], "Say what to end"),
        (["revoke", "R-x", "--yes"], "'R-x' is no request's number"),
        (["retry"], "Say which"),
        (["retry", "7"], "Nothing parked has the id 7"),
        (["retry", "x"], "'x' is no request's number"),
        (["retry", "R-1009"], "There is no request R-1009."),
        (["show", "R-1009"], "There is no request R-1009."),
        (["deny", "R-1009", "--reason", "no"], "There is no request R-1009."),
        (["deny", "R-1001", "--reason", "x" * 501], "--reason: Your reason has 501 characters; 500 fit."),
        (["revoke", "R-1001", "--reason", "x" * 501, "--yes"], "--reason: Your reason has 501 characters; 500 fit."),
        (["revoke", "R-1009", "--yes"], "There is no request R-1009."),
        (["keys", "--api", "paymnts"], "There is no entry paymnts."),
        (["audit", "--person", "nobody"], "The database knows nobody by the id or name nobody."),
        (["sandbox", "--play", "--config", "mine.yaml"], "leave out --config"),
        (["sandbox", "--play", "main", "--people", "people.yaml"], "leave out --config"),
        (["manifest", "--config", SHIPPED, "--request-url", "http://bot.example.com/slack/events"], "https://"),
        (["manifest", "--config", SHIPPED, "--request-url", "https://"], "https://"),
        (["keys", "--since", "yesterday"], "--since takes"),
        (["audit", "--since", "7"], "--since takes"),
        (["keys", "--since", "999999w"], "--since takes"),
        (["revoke", "--api", "x", "--since", "2026-13-01"], "--since takes"),
    ],
)
def test_arguments_that_are_off(
    database: dict[str, str], argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence, and 2."""
    assert cli.execute(argv, database) == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert len(complaint.splitlines()) == 1


@pytest.mark.parametrize("table", ["grants", "meta"])
def test_a_database_that_fails_meanwhile(
    database: dict[str, str], table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sentence, and 1, also where it is damaged behind its version."""
    engine = open_engine(database["DATABASE_URL"])
    with engine.begin() as connection:
        connection.execute(text(f"DROP TABLE {table}"))
    engine.dispose()
    assert cli.execute(["keys"], database) == 1
    assert (
        capsys.readouterr().err
        == f"The database does not answer: no such table: {table}. It lacks a table of this program's: restore a backup of it "
        "(docs/operate.md).\n"
    )


def test_a_database_where_nobody_may_look(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the system says of its path is a sentence, and 1."""
    assert cli.execute(["keys"], {"DATABASE_URL": f"sqlite:////{'x' * 300}"}) == 1
    assert capsys.readouterr().err.endswith("x cannot be looked at: File name too long.\n")


class CtrlC(dict[str, str]):
    """An environment at whose first variable somebody presses Ctrl-C."""

    def get(self, _name: str, _default: Any = None) -> Any:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("argv", "acts"), [(["keys"], False), (["reconcile"], False), (["reconcile", "--end"], True), (["reseal"], True)]
)
def test_interrupted(argv: list[str], acts: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C ends a command with 130; one that acts says that a part may be done, one that only looks says nothing."""
    assert cli.execute(argv, CtrlC()) == 130
    assert ("a part of it may be done" in capsys.readouterr().err) is acts


def test_people_without_their_configuration(tmp_path: Path) -> None:
    """The sandbox says that they belong to another configuration; what is wrong with their own file has its place."""
    people = tmp_path / "people.yaml"
    sentence = f"The people of {people} do not fit the sandbox's own configuration: give yours with --config FILE."
    for written, said in (("people:\n  ann: {name: Ann Archer}\n", sentence), ("peeple: {}\n", f"{people}:1:1: ")):
        people.write_text(written)
        ended = as_process(["sandbox", "--people", str(people), "--no-browser", "--port", "0"], {}, subprocess.PIPE)
        assert ended.returncode == 2
        assert ended.stderr.decode().startswith(said)


@pytest.mark.parametrize("since", ["30m", "12h", "7d", "2w", "2026-01-31", "2026-01-31T10:00:00+02:00"])
def test_since(database: dict[str, str], since: str) -> None:
    """An age, a date, a moment."""
    assert cli.execute(["audit", "--since", since], database) == 0


def test_a_server_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """A sentence without the password, and 1."""
    assert cli.execute(["keys"], {"DATABASE_URL": "postgresql://bot:hush@127.0.0.1:1/bot"}) == 1
    said = capsys.readouterr().err
    assert said.startswith("The database does not answer: "), said
    assert "hush" not in said


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """A sentence, and 1; the file is as it was."""
    other = tmp_path / "other.db"
    other.write_text("not a database, but long enough to be looked at " * 100)
    before = other.read_bytes()
    ended = as_process(["audit"], {"DATABASE_URL": f"sqlite:///{other}"}, subprocess.PIPE)
    assert ended.returncode == 1
    assert ended.stderr.startswith(
        b"The database does not answer: file is not a database. DATABASE_URL says where it is; "
    )
    assert ended.stderr.endswith(b"restore a backup of it (docs/operate.md).\n")
    assert other.read_bytes() == before


@pytest.mark.parametrize("argv", READING, ids=lambda argv: argv[0])
@pytest.mark.parametrize("folder", [".", "none"])
def test_a_database_that_is_not_there(
    tmp_path: Path, argv: list[str], folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistyped DATABASE_URL is a sentence with the path, and 1; no command makes a database."""
    path = tmp_path / folder / "bto.db"
    assert cli.execute(argv, {"DATABASE_URL": f"sqlite:///{path}", "SEAL_KEYS": new_key()}) == 1
    assert capsys.readouterr().err.startswith(f"There is no database at {tmp_path / folder / 'bto.db'}. ")
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_away(database: dict[str, str]) -> None:
    """`tyk-key-bot audit | head` ends without a traceback."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as gone:
        ended = as_process(["audit"], database, gone)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_a_disk_that_is_full(database: dict[str, str]) -> None:
    """An export that was not written whole is a sentence and 1, however late the disk says so."""
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        ended = as_process(["audit", "--format", "csv"], database, full)
    assert (ended.returncode, ended.stderr) == (
        1,
        b"What the command prints cannot be written: No space left on device.\n",
    )


def test_any_locale(database: dict[str, str]) -> None:
    """What goes to another program is UTF-8, and an argument that is none is a sentence."""
    environ = database | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    ended = as_process(["deny", "R-1001", "--reason", "naïve"], environ, subprocess.PIPE)
    assert (ended.returncode, ended.stderr) == (2, b"There is no request R-1001.\n")
    ended = as_process(["keys", "--person", "Zoë"], environ, subprocess.PIPE)
    assert ended.stderr.decode() == "The database knows nobody by the id or name Zoë.\n"
    ended = as_process(["keys", "--person", "\udcff"], environ, subprocess.PIPE)
    assert (ended.returncode, b"is not UTF-8" in ended.stderr) == (2, True)


def as_process(argv: Sequence[str], environ: dict[str, str], stdout: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "bot", *argv]
    given = {**os.environ, **environ}
    return subprocess.run(command, env=given, stdout=stdout, stderr=subprocess.PIPE, check=False)  # noqa: S603 - ours
