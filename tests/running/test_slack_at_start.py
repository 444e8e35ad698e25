"""What the bot can look up in Slack, by its configuration and by what it was granted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot import app, config, manifest, settings
from bot.local.world import world
from tests.running.test_start import environ_of


@pytest.mark.parametrize(("granted", "groups"), [(True, {"S0DEVS", "S0LEADS"}), (False, set[str]())])
async def test_groups_that_the_file_no_longer_names_are_looked_up(
    tmp_path: Path, granted: bool, groups: set[str]
) -> None:
    """What was asked under an older file may be decided by a group that only that one named: Bob is seen to be in it."""
    scopes = manifest.SCOPES.keys() - (set() if granted else {"usergroups:read"})
    async with world(sorted(scopes)) as place:
        text = place.config()
        for group in ("@payments-devs", "@payments-leads", "@api-owners"):
            text = text.replace(f'"{group}"', "U0BOB, U0CAROL, U0DAVE")
        given = environ_of(place, tmp_path)
        async with app.connected_slack(config.parse(text), settings.load(given), {**os.environ, **given}) as slack:
            assert (await slack.directory.person("U0BOB")).groups == groups
