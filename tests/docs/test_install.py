"""`docs/install.md`, followed by the letter in a world of its own."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest

from bot import cli
from bot.local.world import APP_TOKEN, BOT_TOKEN
from tests.docs import DOCS, blocks
from tests.world import living


async def test_from_nothing_to_the_first_token(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its configuration, with the ids of this world, passes each command of the page, and a token of it opens the API."""
    (page,) = blocks(DOCS / "install.md", "yaml")
    path = tmp_path / "config.yaml"

    def as_the_page_says(sandbox: str) -> str:
        gateway = sandbox.partition("gateway_url: ")[2].split()[0]
        text = page.replace("https://api.example.com", gateway).replace("C0APPROVE", "C0APPROVALS")
        path.write_text(text)
        return text

    async with living(tmp_path, change=as_the_page_says) as world:
        environ = {
            "SLACK_API_URL": world.slack.url,
            "SLACK_BOT_TOKEN": BOT_TOKEN,
            "SLACK_APP_TOKEN": APP_TOKEN,
            "TYK_DASHBOARD_URL": world.tyk.dashboard_url,
            "TYK_DASHBOARD_KEY": world.tyk.credential,
            "TYK_KEY_BOT_CONFIG": str(path),
        }

        async def says(*words: str) -> str:
            assert await asyncio.to_thread(cli.execute, words, dict(environ)) == 0, capsys.readouterr().err
            return capsys.readouterr().out

        assert "api_id: ad5004d961a147d4649fd3216694ebe2" in await says("apis")
        assert "No complaint" in await says("check")
        assert json.loads(await says("manifest"))["settings"]["socket_mode_enabled"] is True
        assert "Slack and Tyk know all it names" in await says("check", "--online")
        await world.asks("alice", "test-api")
        token = await world.token_of("alice")
        url = f"{world.tyk.gateway_url}/test-api/"
        async with aiohttp.ClientSession(headers={"Authorization": token}) as session, session.get(url) as answer:
            assert answer.status == 200
