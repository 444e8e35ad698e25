"""What a requester hears and holds: how often a phone rings, the way to what came late, and how a token is used."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import timedelta
from pathlib import Path

import playwright
import pytest

from bot.core.keys import RING_AGAIN_AFTER
from bot.core.model import EffectKind
from bot.local.slack import Message
from bot.sandbox.demos.reading import token_in
from bot.slack.snippets import SNIPPETS
from tests.running import failed, quiet
from tests.story import asked, denies, reads, status
from tests.world import WITHIN, World, living

NODE = Path(playwright.__file__).parent / "driver" / "node"
"""A Node.js that the tests bring anyway."""


async def _has_token(world: World, who: str) -> tuple[str, Message]:
    """The token, and the message that holds it."""
    token = await world.token_of(who)
    message = await world.person(who).sees(lambda one: token_in(one) == token, channel="dm")
    return token, message


# --- how often it rings -----------------------------------------------------------------------------------------------


async def test_what_needs_no_approval_rings_once(tmp_path: Path) -> None:
    """One message says that the token is on its way, and then holds it."""
    async with living(tmp_path) as world:
        await world.asks("alice", "test-api")
        _, message = await _has_token(world, "alice")
        await quiet(world)
        (ring,) = world.person("alice").rings
        assert ring.ts == message.ts
        assert ring.text == "Your token for Test API (R-1001) is on its way. It will appear in this message."
        assert [one.ts for one in world.person("alice").dm()] == [message.ts]


async def test_what_somebody_approves_rings_twice(tmp_path: Path) -> None:
    """Once for who has to approve it, once for the token; the approval itself is an edit."""
    async with living(tmp_path) as world:
        await world.person("bob").clicks("Approve", await asked(world))
        _, message = await _has_token(world, "alice")
        await quiet(world)
        waits, comes = world.person("alice").rings
        assert waits.text.startswith("R-1001 · Payments (standard), 7 days\n<!subteam^S0LEADS> needs to approve this.")
        assert comes.ts == message.ts
        assert len(world.person("alice").dm()) == 2


async def test_what_somebody_denies_rings_twice(tmp_path: Path) -> None:
    """Once for who has to approve it, once for the no."""
    async with living(tmp_path) as world:
        await denies(world, "bob", await asked(world), "ask for test-api")
        await world.person("alice").rung("was denied")
        await quiet(world)
        assert len(world.person("alice").rings) == 2


async def test_what_needs_no_approval_says_once_that_it_takes_longer_and_then_where_it_is(tmp_path: Path) -> None:
    """Tyk is away for a quarter of an hour: three messages, each with something new to say, and each rings once."""
    async with living(tmp_path) as world:
        world.tyk.faults.away = True
        await world.asks("alice", "test-api")
        await failed(world, EffectKind.ISSUE_KEY)
        await world.pass_time(timedelta(minutes=15))
        await world.person("alice").rung("is taking longer than usual because Tyk isn't answering", timeout=WITHIN)
        world.tyk.faults.clear()
        await world.pass_time(timedelta(minutes=6))
        await _has_token(world, "alice")
        await world.person("alice").rung("is ready", timeout=WITHIN)
        await quiet(world)
        rings = [ring.text for ring in world.person("alice").rings]
        assert [any(said in ring for ring in rings) for said in ("is on its way", "is taking longer", "is ready")] == [
            True
        ] * 3
        assert len(rings) == len(world.person("alice").dm()) == 3


async def test_what_comes_late_rings_with_the_way_to_it(tmp_path: Path) -> None:
    """Tyk is away for a minute: when the token is there, a message leads to the one that holds it."""
    async with living(tmp_path) as world:
        world.tyk.faults.away = True
        await world.asks("alice", "test-api")
        await failed(world, EffectKind.ISSUE_KEY)
        world.tyk.faults.clear()
        await world.pass_time(RING_AGAIN_AFTER + timedelta(seconds=50))
        ring = await world.person("alice").rung("is ready", timeout=WITHIN)
        _, message = await _has_token(world, "alice")
        link = f"https://{world.slack.workspace.domain}.slack.com/archives/{message.channel}/p{message.ts.replace('.', '')}"
        assert ring.text == f"Your token for Test API (R-1001) is ready: <{link}|Show it>"


# --- the form's answer ------------------------------------------------------------------------------------------------


async def test_the_answer_leads_to_the_conversation(tmp_path: Path) -> None:
    """That it is sent, who decides, and a link to where it will be told."""
    async with living(tmp_path) as world:
        await world.asks("alice", "ledger")
        place = world.slack.workspace
        assert reads(world.person("alice").view) == (
            "Request sent\n*R-1001* · Ledger, 7 days. Waiting for 2 approvals from <!subteam^S0LEADS>. I'll message you when "
            f"they decide.\n<https://slack.com/app_redirect?app={place.app_id}&amp;team={place.team_id}|Open our conversation>"
        )


# --- using the token --------------------------------------------------------------------------------------------------


async def _runs(*argv: str, typed: str = "", **environ: str) -> str:
    """What a program says that a person starts, and in which they type this."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        env={**{name: text for name, text in os.environ.items() if "proxy" not in name.lower()}, **environ},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate(typed.encode())
    return said.decode()


def _lines(holder: list[dict[str, object]]) -> list[str]:
    """The preformatted lines among these blocks."""
    rich = [block["elements"] for block in holder if block["type"] == "rich_text"]
    return [one["elements"][0]["text"] for elements in rich for one in elements]  # type: ignore[attr-defined]  # JSON


async def test_the_lines_beside_the_token_open_the_api(tmp_path: Path) -> None:
    """Alice pastes them into a shell, then the token where it is asked for: it is nowhere in what she ran."""
    async with living(tmp_path) as world:
        await world.asks("alice", "test-api")
        token, message = await _has_token(world, "alice")
        shown, lines = _lines(message.blocks)
        assert (shown, token in lines) == (token, False)
        said = await _runs("bash", "-c", lines.replace("curl ", "curl --silent --show-error "), typed=f"{token}\n")
        assert json.loads(said)["path"] == "/test-api/", said


@pytest.mark.parametrize(
    ("name", "program"), [("python", (sys.executable, "-c")), ("node", (str(NODE), "--input-type=module", "-e"))]
)
async def test_a_menu_has_the_same_for_other_languages(tmp_path: Path, name: str, program: tuple[str, ...]) -> None:
    """Alice picks one: the lines come in a window, without the token, and open the API with it."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await world.asks("alice", "test-api")
        await alice.closes()
        token, message = await _has_token(world, "alice")
        await alice.picks("snippet", SNIPPETS[name].name, message=message)
        view = await alice.sees_view(SNIPPETS[name].about)
        assert token not in json.dumps(view)
        (lines,) = _lines(view["blocks"])
        assert '"/test-api/"' in (said := await _runs(*program, lines, TOKEN=token)), said
        assert token_in(message) == token, "the message stays as it is"
        assert world.slack.app_errors == []


async def test_a_line_for_a_file_names_the_api(tmp_path: Path) -> None:
    """She pastes the token behind it herself."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await world.asks("alice", "test-api")
        await alice.closes()
        _, message = await _has_token(world, "alice")
        await alice.picks("snippet", ".env line", message=message)
        assert _lines((await alice.sees_view(".env line"))["blocks"]) == ["TEST_API_TOKEN="]


async def test_a_menu_of_an_older_version_says_so(tmp_path: Path) -> None:
    """A language that is no longer offered is out of date, and no fault."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await world.asks("alice", "test-api")
        await alice.closes()
        _, message = await _has_token(world, "alice")
        (menu,) = (block["accessory"] for block in message.blocks if "accessory" in block)
        menu["options"][0]["value"] = "cobol:R"
        await alice.picks("snippet", "Python", message=message)
        await alice.sees_view("This button is out of date.")
        assert world.slack.app_errors == []


async def test_the_status_says_that_it_takes_longer_and_no_more_when_it_is_over(tmp_path: Path) -> None:
    """Tyk is away for a quarter of an hour after the approval."""
    async with living(tmp_path) as world:
        shown = await asked(world)
        world.tyk.faults.away = True
        await world.person("bob").clicks("Approve", shown)
        await failed(world, EffectKind.ISSUE_KEY)
        await world.pass_time(timedelta(minutes=15))
        late = await status(world, "alice", "This is taking longer than usual because Tyk isn't answering.")
        world.tyk.faults.clear()
        await world.pass_time(timedelta(minutes=6))
        await world.token_of("alice")
        over = await status(world, "alice", "Active until")
        assert (over.ts, "longer than usual" in over.shown) == (late.ts, False)
