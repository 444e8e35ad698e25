"""The threads of the audit channel, and the names in its lines, outlive the process that began them."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest

from bot.store.seal import new_key
from tests.running import bot_in, empty_place, quiet
from tests.story import asked


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
async def test_a_thread_goes_on_after_a_restart(tmp_path: Path, request: pytest.FixtureRequest, engine: str) -> None:
    """Alice asks, the bot is started anew, Bob approves: what follows stands under the line in which she asked, by name."""
    url = f"sqlite:///{tmp_path / 'bot.db'}" if engine == "sqlite" else request.getfixturevalue("postgres")
    environ = {"DATABASE_URL": url, "SEAL_KEYS": new_key()}
    async with empty_place() as place:
        async with bot_in(place, **environ) as world:
            shown = await asked(world)
            await world.told("asked")
            await quiet(world)
        async with bot_in(place, **environ) as world:
            await world.person("bob").clicks("Approve", shown)
            await world.told("sent")
        told = [one for one in place.slack.person("carol").messages("audit") if "R-1001" in one.text]
        root, *others = sorted(told, key=lambda one: one.ts)
        assert "Alice Adams · *asked*" in root.text
        assert others
        assert all(one.is_reply and one.thread_ts == root.ts for one in others)
        assert place.slack.app_errors == []


async def test_another_audit_channel_begins_with_what_is_new(tmp_path: Path) -> None:
    """The file names another channel: what happened so far stays where it was told, and what happens now is told there."""
    environ = {"DATABASE_URL": f"sqlite:///{tmp_path / 'bot.db'}", "SEAL_KEYS": new_key()}
    async with empty_place() as place:
        async with bot_in(place, **environ) as world:
            shown = await asked(world)
            await world.told("asked")
            await quiet(world)
        to_help = partial(re.sub, "audit_channel: .C0AUDIT.|audit_channel: C0AUDIT", "audit_channel: C0HELP")
        async with bot_in(place, to_help, **environ) as world:
            await world.person("bob").clicks("Approve", shown)
            await world.person("carol").sees(lambda one: "*approved*" in one.text, channel="help")
        told = "".join(one.text for one in place.slack.person("carol").messages("help"))
    assert "*asked*" not in told
