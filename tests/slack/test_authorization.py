"""Who the bot is was asked once, before it started."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from slack_bolt.async_app import AsyncAck, AsyncBoltRequest
from slack_bolt.context.async_context import AsyncBoltContext

from bot.core.model import Workspace
from bot.slack.authorization import bolt_app
from bot.slack.client import new_session, web_client
from tests.slack.test_client import LocalSlack, local_slack

WORKSPACE = Workspace("T0OURS", "E0OURS", "U0BOT")


def command(user_id: str) -> AsyncBoltRequest:
    body = {"command": "/tyk-key", "text": "", "user_id": user_id, "team_id": "T0OURS", "trigger_id": "1.2.x"}
    return AsyncBoltRequest(mode="socket_mode", body=body)


async def test_a_crowd_costs_no_call(caplog: pytest.LogCaptureFixture) -> None:
    """A hundred commands in the same moment are answered without one `auth.test`, and nothing is warned of."""
    slack, seen = LocalSlack(), list[dict[str, Any]]()

    async def answer(ack: AsyncAck, context: AsyncBoltContext) -> None:
        assert context.authorize_result is not None
        assert context.client is not None
        seen.append({**context.authorize_result, "token": context.client.token})
        await ack("taken")

    async with local_slack(slack), new_session() as session:
        app = bolt_app(web_client("xoxb-test", slack.url, session, None), WORKSPACE)
        app.command("/tyk-key")(answer)
        answers = await asyncio.gather(*(app.async_dispatch(command(f"U{number}")) for number in range(100)))
    assert {one.status for one in answers} == {200}
    assert slack.calls == []
    assert len(seen) == 100
    assert seen[0].items() >= {"token": "xoxb-test", "team_id": "T0OURS", "bot_user_id": "U0BOT"}.items()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
