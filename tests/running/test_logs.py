"""The log: every line is on its page, and one id leads from the click to the key."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from bot import logs
from tests.log import Log, lines
from tests.story import card
from tests.world import living

ROOT = Path(__file__).parents[2]
LEVELS = ("info", "warning", "error", "exception")
CALLED = {"tell": ("info", "warning"), "say": ("info", "warning")}
"""What is called where the level is chosen before."""
NO_FAILURES = {
    "bot.ready", "bot.stopped", "config.changed", "config.checked", "config.names_changed",
    "config.reloaded", "database.ready", "group.changed",
    "link.built", "view.not_opened", "view.not_updated", "web.listening", "web.ready", "worker.erased",
}  # fmt: skip
"""Events at info. Every other one is a failure, always or in one of its cases."""


@dataclass(frozen=True)
class Written:
    """A line as the source writes it: its event, its levels, and the fields that are named there."""

    event: str
    levels: frozenset[str]
    fields: frozenset[str]


def events_of(node: ast.expr) -> list[str]:
    match node:
        case ast.Constant(value=str(event)) if event:
            return [event]
        case ast.IfExp(body=body, orelse=other):
            return events_of(body) + events_of(other)
    return []


def levels_of(call: ast.Call) -> frozenset[str]:
    match call.func:
        case ast.Attribute(value=ast.Name(id="log"), attr=level) if level in LEVELS:
            return frozenset({"error" if level == "exception" else level})
        case ast.Name(id="_another_time"):
            return frozenset({"warning", "error"})
        case ast.Name(id=name) if name in CALLED:
            return frozenset(CALLED[name])
    return frozenset()


def written() -> Iterator[Written]:
    for path in sorted((ROOT / "bot").rglob("*.py")):
        if {"local", "sandbox", "demos"} & set(path.parts):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args and (levels := levels_of(node)):
                named = frozenset(one.arg for one in node.keywords if one.arg and one.arg != "exc_info")
                for event in events_of(node.args[0]):
                    yield Written(event, levels, named)


def documented() -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """By event: the levels and the fields of its row."""
    rows: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
    for line in (ROOT / "docs" / "logs.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| `") and len(cells) == 4:
            levels, fields = (frozenset(cells[place].replace("`", "").replace(",", " ").split()) for place in (1, 2))
            rows[cells[0].strip("`")] = (levels, fields)
    return rows


def test_every_line_is_on_its_page() -> None:
    """Its event, how grave it is, and its fields; and the page has no line that nobody writes."""
    rows, found = documented(), dict[str, Written]()
    for one in written():
        known = found.get(one.event, one)
        found[one.event] = Written(one.event, known.levels | one.levels, known.fields | one.fields)
    assert sorted(found) == sorted(rows), "docs/logs.md has these events, no others and none less"
    for event, one in found.items():
        levels, fields = rows[event]
        assert levels == one.levels, event
        assert fields >= one.fields, event


def test_what_fails_is_at_warning() -> None:
    """Whoever reads from warning on misses no failure: an event that is at info alone is one of those that are none."""
    levels: dict[str, frozenset[str]] = {}
    for one in written():
        levels[one.event] = levels.get(one.event, frozenset()) | one.levels
    assert {event for event, of_it in levels.items() if of_it == {"info"}} == NO_FAILURES
    assert {event for event, of_it in levels.items() if "info" in of_it} - NO_FAILURES == {
        "effect",  # failed: `tests.log.failures` finds only what is at warning
        "interaction",  # late: tests/slack/test_answering.py
        "slack.connected",  # after it was gone
        "web.rejected",  # where an operator has to act
    }


async def test_one_id_leads_from_the_click_to_the_key(tmp_path: Path, log: Log) -> None:
    """Alice sends the form and Bob approves: every line about it, and every act until the token, has the id of her form."""
    async with living(tmp_path) as world:
        await world.asks("alice", "payments", plan="standard", used_by="checkout", reason="because of this and that")
        await card(world)
        await world.person("bob").clicks("Approve")
        token = await world.token_of("alice")
        await world.told("sent")
    (asked,) = lines(log, event="interaction", kind="request", result="done")
    (approved,) = lines(log, event="interaction", kind="review:approve", result="done")
    assert (asked["person"], approved["person"]) == ("U0ALICE", "U0BOB")
    assert lines(log, event="interaction", kind="form", result="opened", request_id=asked["request_id"])
    about = lines(log, request_id=asked["request_id"], request="R-1001")
    assert [one["kind"] for one in about if one["event"] == "interaction"] == ["request", "review:approve"]
    acts = {one["kind"] for one in about if one["event"] == "effect"}
    assert acts >= {"post_message", "show_message", "issue_key", "confirm_key", "deliver_token"}
    for secret in (token, "because of this"):
        assert secret not in str(log)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_line_steers_a_terminal(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What Slack and Tyk say stands in the log as its escape, in either form."""
    logs.configure("INFO", log_format)
    structlog.get_logger().warning("effect", text="a\x1b[31mb\x9b\u202ec\ud800", why="two\nlines")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable()
    assert "u202e" in line
