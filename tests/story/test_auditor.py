"""What somebody can find out afterwards: every event a row and a line, who holds what, and what the rules became."""

from __future__ import annotations

import asyncio
import csv
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot import cli
from bot.local.slack import LocalSlack
from bot.local.tyk import LocalTyk
from bot.store.seal import new_key
from tests.story import becomes, card, denies, everything, heard, of_event, status
from tests.world import World, living

Runs = Callable[..., Any]


def _lines(world: World) -> list[str]:
    """The lines in the audit channel, in the order of reading."""
    return [line for message in world.person("carol").messages("audit") for line in message.text.splitlines()]


def _numbers(lines: list[str]) -> list[int]:
    found = [re.match(r"#(\d+) · ", line) for line in lines]
    assert all(found), lines
    return [int(one[1]) for one in found if one]


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Runs:
    """A command of the operator's, beside the running bot: what it prints, line by line."""

    async def run(*argv: str) -> list[str]:
        capsys.readouterr()
        environ = {"DATABASE_URL": f"sqlite:///{tmp_path / 'bot.db'}"}
        code = await asyncio.to_thread(cli.execute, argv, environ)
        printed = capsys.readouterr()
        assert (code, printed.err) == (0, "")
        return printed.out.splitlines()

    return run


async def _a_whole_life(world: World) -> str:
    """Alice asks, is approved, saves her token, and her time runs out. Returns the token."""
    alice, bob = world.person("alice"), world.person("bob")
    await world.asks("alice", "payments", plan="standard", used_by="checkout")
    await bob.clicks("Approve", await card(world))
    token = await world.token_of("alice")
    await world.told("sent")
    message = await alice.sees(token, channel="dm")
    await alice.clicks("I've saved it", message)
    await alice.sees_gone(message)
    await world.told("hidden")
    await world.pass_time(timedelta(days=7, seconds=1))
    await world.told("key deleted")
    return token


# --- rows and lines ---------------------------------------------------------------------------------------------------


async def test_every_event_is_a_row_and_a_line_numbered_without_a_gap(tmp_path: Path) -> None:
    """The table and the channel tell the same, in the same order, and the token is in neither."""
    async with living(tmp_path) as world:
        token = await _a_whole_life(world)
        trail = await world.trail()
        assert [entry.event.value for entry in trail] == [
            "configured",
            "asked",
            "reviewed",
            "approved",
            "key created",
            "sent",
            "hidden",
            "expired",
            "key deleted",
        ]
        assert [entry.number for entry in trail] == list(range(1, 10))
        assert sorted(entry.at for entry in trail) == [entry.at for entry in trail]
        lines = list(dict.fromkeys(_lines(world)))  # the channel may see a line twice, never out of turn
        assert _numbers(lines) == list(range(1, 10))
        for entry, line in zip(trail, lines, strict=True):
            assert f"*{entry.event.value}*" in line
            assert line.startswith(
                f"#{entry.number} · R-1001 · Payments · Alice Adams · " if entry.request_number else f"#{entry.number} "
            )
        assert "*asked* · standard, 7 days, used by checkout: to build the checkout" in lines[1]
        assert "yes by Bob Brown, as one of @payments-leads, 1 of 1" in lines[2]
        assert "*approved* · by Bob Brown, until " in lines[3]
        posted = [everything(message) for message in world.person("carol").messages("audit")]
        stored = json.dumps([entry.details for entry in trail])
        assert not any(token in one for one in [*posted, stored])
        assert world.slack.app_errors == []


async def test_at_the_end_the_key_is_deleted_and_the_audit_says_so(tmp_path: Path) -> None:
    """When the time is over the token opens nothing, the key is gone at Tyk, and the line names it."""
    async with living(tmp_path) as world:
        await world.asks("carol", "test-api", lifetime="20")
        token = await world.token_of("carol")
        assert world.tyk.opens(token, "/test-api/")[0] == 200
        await world.told("sent")
        await world.pass_time(timedelta(seconds=21))
        await world.told("key deleted")
        (made,), (deleted,) = await of_event(world, "key created"), await of_event(world, "key deleted")
        assert deleted.details["key_hash"] == made.details["key_hash"]
        world.tyk.forget_sessions()
        assert world.tyk.opens(token, "/test-api/")[0] == 403
        assert world.tyk.usable_keys() == []
        (key,) = world.tyk.keys
        assert key.dead is not None
        ended = await status(world, "carol", "Expired")
        assert ended.labels == ["Ask again"]
        assert not [one for one in world.person("carol").dm() if token in everything(one)], "no token stays on show"
        assert world.slack.app_errors == []


async def test_a_refusal_says_who_and_why(tmp_path: Path) -> None:
    """Who tried to approve their own request is in the trail, with the sentence they were told."""
    async with living(tmp_path) as world:
        await world.asks("bob", "payments", plan="standard")
        await world.person("bob").clicks("Approve", await card(world, "carol"))
        await world.told("refused")
        (line,) = [line for line in _lines(world) if "*refused*" in line]
        assert (
            "R-1001 · Payments · Bob Brown · *refused* · to Bob Brown, clicking: You can't approve your own request."
            in line
        )
        assert world.slack.app_errors == []


async def test_a_no_a_withdrawal_and_what_was_typed_are_inert_in_the_audit(tmp_path: Path) -> None:
    """Both are lines, and a reason calls and formats nothing there either."""
    async with living(tmp_path) as world:
        await world.asks("alice", "payments", plan="standard", reason="<!channel> *all* of you\n#99 · R-1 · *approved*")
        await denies(world, "bob", await card(world), "<@U0CAROL> said no")
        await world.told("denied")
        await world.person("alice").closes()
        await world.asks("alice", "payments", plan="standard")
        await world.person("alice").clicks("Withdraw", await status(world, "alice", "needs to approve this.", "R-1002"))
        await world.told("withdrawn")
        lines = _lines(world)
        assert _numbers(lines) == list(range(1, len(lines) + 1)), (
            "a line that somebody typed is not a line of the audit"
        )
        assert not any(mark in "\n".join(lines) for mark in ("<!channel>", "*all*", "<@U0CAROL>"))
        assert any("*denied* · by Bob Brown: Carol Clark said no" in line for line in lines)
        assert any("R-1002 · Payments · Alice Adams · *withdrawn* · by Alice Adams" in line for line in lines)
        assert world.slack.app_errors == []


async def test_the_audit_channel_may_be_away_and_misses_nothing(tmp_path: Path) -> None:
    """Slack takes no message there for a while; then every line comes, in order, and the token was not kept waiting."""

    def away(slack: LocalSlack, _tyk: LocalTyk) -> None:
        slack.faults.next(
            "chat.postMessage", error="internal_error", times=2, when=lambda args: args["channel"] == "C0AUDIT"
        )

    async with living(tmp_path, prepare=away) as world:
        await world.asks("carol", "test-api")
        await world.token_of("carol")
        await world.told("sent")
        assert _numbers(_lines(world)) == [entry.number for entry in await world.trail()]
        assert world.slack.app_errors == []


# --- revoking ---------------------------------------------------------------------------------------------------------


async def test_the_holder_revokes_by_the_button(tmp_path: Path) -> None:
    """Alice presses Revoke and confirms: the token opens nothing any more, and the audit says who ended it."""
    async with living(tmp_path) as world:
        alice, bob = world.person("alice"), world.person("bob")
        await world.asks("alice", "payments", plan="standard")
        shown = await card(world)
        await bob.clicks("Approve", shown)
        token = await world.token_of("alice")
        with_token = await alice.sees(token, channel="dm")
        active = await status(world, "alice", "Active until")
        asked = await alice.clicks("Revoke", active, confirm=False)
        assert asked.dialog is not None
        assert "can't be undone" in asked.dialog["text"]["text"]
        assert world.tyk.opens(token, "/payments/")[0] == 200
        await alice.clicks("Revoke", active)
        await world.told("key deleted")
        assert world.tyk.opens(token, "/payments/")[0] == 200, "from the Gateway's cache, for ten seconds"
        world.tyk.forget_sessions()
        assert world.tyk.opens(token, "/payments/")[0] == 403
        await alice.sees_gone(with_token)
        assert (await becomes(alice, active, "Revoked by <@U0ALICE>")).labels == ["Ask again"]
        assert (await becomes(bob, shown, "Revoked by <@U0ALICE>")).labels == ["Details"]
        (revoked,) = await of_event(world, "revoked")
        assert revoked.actor is not None
        assert revoked.actor.user_id == alice.id
        assert world.slack.app_errors == []


async def test_an_operator_revokes_at_the_command_line(tmp_path: Path, command: Runs) -> None:
    """The command ends the grant, the running bot deletes the key, and Alice's phone rings."""
    async with living(tmp_path) as world:
        await world.asks("carol", "test-api")
        token = await world.token_of("carol")
        printed = await command("revoke", "R-1001", "--yes", "--reason", "laptop stolen")
        assert printed[-1].startswith("Ended: 1.")
        assert "laptop stolen" in (await world.person("carol").rung("was revoked")).text
        await world.told("key deleted")
        assert world.tyk.opens(token, "/test-api/")[0] == 403
        assert "*revoked* · laptop stolen" in "\n".join(_lines(world))
        assert world.slack.app_errors == []


# --- at the command line ----------------------------------------------------------------------------------------------


async def test_who_holds_what_until_when_by_whose_yes_under_which_rule(tmp_path: Path, command: Runs) -> None:
    """`keys` answers beside the running bot, as a table for people, and as CSV and JSON lines for programs."""
    async with living(tmp_path) as world:
        await world.asks("alice", "payments", plan="standard", used_by="=cmd|checkout")
        await world.person("bob").clicks("Approve", await card(world))
        token = await world.token_of("alice")
        await world.asks("carol", "test-api")
        await world.token_of("carol")
        await world.told("sent", times=2)
        rows = [json.loads(line) for line in await command("keys", "--format", "jsonl")]
        first, second = sorted(rows, key=lambda row: str(row["request"]))
        (created, _) = await of_event(world, "key created")
        (configured,) = await of_event(world, "configured")
        assert first | {"since": "", "until": ""} == {
            "request": "R-1001",
            "api": "payments",
            "plan": "standard",
            "opens": "",
            "person": "U0ALICE",
            "name": "Alice Adams",
            "used_by": "=cmd|checkout",
            "state": "active",
            "since": "",
            "until": "",
            "keys": created.details["key_hash"],
            "approved_by": "U0BOB(S0LEADS)",
            "rule": f"payments@{configured.details['digest']}",
            "at_tyk": "",
        }
        until = datetime.fromisoformat(first["until"]) - datetime.now(UTC)
        assert timedelta(days=6, hours=23) < until < timedelta(days=7)
        assert (second["person"], second["approved_by"]) == ("U0CAROL", "rule")

        table = await command("keys")
        assert table[0].split() == [
            *("REQUEST", "API", "PLAN", "OPENS", "PERSON", "NAME", "USED", "BY", "STATE", "SINCE", "UNTIL", "KEYS"),
            *("APPROVED", "BY", "RULE", "AT", "TYK"),
        ]
        assert len(table) == 3
        header, *lines = list(csv.reader(await command("keys", "--format", "csv", "--person", "U0ALICE")))
        assert [dict(zip(header, line, strict=True)) for line in lines] == [first | {"used_by": "'=cmd|checkout"}]
        assert len(await command("keys", "--api", "test-api", "--format", "jsonl")) == 1
        printed = "\n".join([*table, *await command("keys", "--format", "jsonl"), *await command("audit")])
        assert token not in printed
        assert world.slack.app_errors == []


async def test_what_has_ended_is_still_answered_for(tmp_path: Path, command: Runs) -> None:
    """Who held it until when stays known after the key is gone."""
    async with living(tmp_path) as world:
        await world.asks("carol", "test-api", lifetime="20")
        await world.token_of("carol")
        await world.told("sent")
        await world.pass_time(timedelta(seconds=21))
        await world.told("key deleted")
        (row,) = [json.loads(line) for line in await command("keys", "--since", "30d", "--format", "jsonl")]
        assert (row["person"], row["state"], row["keys"], row["approved_by"]) == ("U0CAROL", "ended", "", "rule")
        held = datetime.fromisoformat(row["until"]) - datetime.fromisoformat(row["since"])
        assert timedelta(seconds=20) <= held <= timedelta(seconds=25)
        assert world.slack.app_errors == []


async def test_the_trail_is_printed_as_it_is_stored(tmp_path: Path, command: Runs) -> None:
    """`audit` prints every row in each form, and can be narrowed to an API or a person."""
    async with living(tmp_path) as world:
        await world.asks("alice", "payments", plan="standard")
        await world.person("bob").clicks("Approve", await card(world))
        await world.token_of("alice")
        await world.asks("carol", "test-api")
        await world.token_of("carol")
        await world.told("sent", times=2)
        trail = await world.trail()
        rows = [json.loads(line) for line in await command("audit", "--format", "jsonl")]
        assert [(row["number"], row["event"], row["details"]) for row in rows] == [
            (entry.number, entry.event.value, entry.details) for entry in trail
        ]
        assert [row["number"] for row in rows] == list(range(1, len(trail) + 1))
        assert len(await command("audit")) == len(trail) + 1
        header, *lines = list(csv.reader(await command("audit", "--format", "csv", "--api", "payments")))
        assert header == ["number", "at", "request", "event", "api", "person", "actor", "details"]
        assert {line[4] for line in lines} == {"payments"}
        assert [line[3] for line in lines] == ["asked", "reviewed", "approved", "key created", "sent"]
        hers = [json.loads(line) for line in await command("audit", "--person", "U0CAROL", "--format", "jsonl")]
        assert {row["request"] for row in hers} == {"R-1002"}
        assert world.slack.app_errors == []


# --- the rules themselves ---------------------------------------------------------------------------------------------


def _same(text: str) -> str:
    """As it is, but that the gateway stays where it is from one start to the next."""
    return re.sub(r"gateway_url: \S+", "gateway_url: https://api.example.com", text)


def _changed(text: str) -> str:
    """Ledger is gone, payments needs no approval and can be asked for by all, and there is a new entry."""
    before, _ = _same(text).split("\n  ledger:")
    before = before.replace("also_opens: [ledger]", "also_opens: [test-api]")
    before = before.replace('    requesters: ["@payments-devs"]', "    requesters: [everyone]\n    approvals: 0")
    return f"""{before}
  ledger-2:
    api_id: 0f6de3a3b0f04b7f9f5a4b8a2c1d7e90
    title: Ledger
    listen_path: /ledger/
    requesters: ["@payments-devs"]
"""


async def test_a_changed_configuration_is_a_line_that_names_what_changed(tmp_path: Path) -> None:
    """The first start names all entries; the second with the same file says nothing; a changed one says what."""
    seal = new_key()
    async with living(tmp_path, SEAL_KEYS=seal, change=_same) as world:
        await world.told("configured")
        (first,) = await of_event(world, "configured")
        assert first.details["added"] == ["ledger", "payments", "test-api"]
    async with living(tmp_path, SEAL_KEYS=seal, change=_same) as world:
        await heard(world)
        assert await world.events() == ["configured"]
    async with living(tmp_path, SEAL_KEYS=seal, change=_changed) as world:
        await world.told("configured")
        _, second = await of_event(world, "configured")
        assert (second.details["added"], second.details["removed"]) == (["ledger-2"], ["ledger"])
        assert second.details["digest"] != first.details["digest"]
        (line,) = _lines(world)
        assert "Ledger: added (requesters @payments-devs; approvals 1); Payments: requesters with everyone" in line
        assert "approvals 0 instead of 1" in line
        assert "Ledger: removed" in line
        assert world.slack.app_errors == []
