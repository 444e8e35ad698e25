"""What `/readyz` says where Slack no longer accepts the bot token although the connection stands."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.health import Health, TokenWatch
from bot.store.engine import migrate, open_engine
from bot.store.store import Store


@pytest.mark.parametrize("refused", ["", "Slack does not accept SLACK_BOT_TOKEN (token_revoked)."])
async def test_a_token_that_is_refused_is_not_ready(tmp_path: Path, refused: str) -> None:
    """The socket is up, the database answers, and still nobody can be answered: not ready, with the sentence."""
    store = Store(open_engine(f"sqlite:///{tmp_path / 'bot.db'}"))
    migrate(store.engine)
    token = TokenWatch(AsyncWebClient(), asyncio.Event())
    token.refused = refused

    async def is_connected() -> bool:
        return True

    found = await Health(store, is_connected, token).readiness()
    assert (found["ready"], found["slack"], found["database"]) == (not refused, not refused, True)
    assert found["cannot"] == ([refused] if refused else [])
    await store.close()
