"""`check --online` beside its complaints: what is right, and yet worth knowing."""

from __future__ import annotations

import os
from pathlib import Path

from bot import app, config, online_check, settings
from tests.running import empty_place
from tests.running.test_start import Ended, environ_of, process


async def test_which_channels_anybody_can_join(tmp_path: Path) -> None:
    """Who may join may ask: an open channel is told of, a private one is not, and neither makes the check fail."""
    async with empty_place() as place:
        place.slack.workspace.add_channel("devs", id="C0DEVS", members=["alice"])
        place.slack.workspace.add_channel("inner", id="C0INNER", members=["alice"], is_private=True)
        text = place.config().replace('["@payments-devs"]', "[C0DEVS, C0INNER]", 1)
        given = environ_of(place, tmp_path)
        loaded = config.parse(text)
        async with app.connected_slack(loaded, settings.load(given), {**os.environ, **given}) as slack:
            notes = await online_check.slack_notes(loaded, slack.directory)
        async with process(tmp_path, text, "check", "--online", **given) as bot:
            assert await bot.end() == Ended(0, "")
    (note,) = map(str, notes)
    assert note.endswith("C0DEVS: anybody in the workspace can join #devs, and may then ask for payments.")
