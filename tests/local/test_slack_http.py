"""The local Slack delivers by signed HTTP requests when it is given a request URL."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from aiohttp import web
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.local.slack import LocalSlack
from bot.local.slack.delivery import sign
from tests.local.test_slack_story import MODAL

Json = dict[str, Any]
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"


async def test_a_real_app_takes_signed_requests(monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int) -> None:
    """Command, modal, submission and event pass Bolt's own verification of signatures."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    request_url = f"http://127.0.0.1:{unused_tcp_port}/slack/events"
    changes: list[Json] = []
    async with LocalSlack(request_url=request_url, signing_secret=SECRET) as slack, aiohttp.ClientSession() as session:
        slack.workspace.add_user("alice")
        client = AsyncWebClient(token=slack.bot_token, base_url=slack.url, session=session)
        app = AsyncApp(client=client, signing_secret=SECRET)

        @app.command("/ask")
        async def ask(ack: Any, body: Json) -> None:
            await client.views_open(trigger_id=body["trigger_id"], view=MODAL)
            await ack("Here it is.")

        @app.view("ask")
        async def submitted(ack: Any) -> None:
            await ack(response_action="errors", errors={"reason": "Say more."})

        @app.event("user_change")
        async def changed(event: Json) -> None:
            changes.append(event)

        runner = web.AppRunner(app.web_app(path="/slack/events"))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
        alice = slack.person("alice")
        outcome = await alice.runs("/ask")
        assert (outcome.error, outcome.text) == (None, "Here it is.")
        await alice.picks("api", "Ledger")
        await alice.types("reason", "x")
        assert (await alice.submits()).errors == {"reason": "Say more."}
        ack = await slack.publish_event({"type": "user_change", "user": {"id": "U0ALICE"}})
        assert ack is not None
        assert ack.ok
        await runner.cleanup()
        assert (await alice.runs("/ask")).error == "dispatch_failed"
    assert len(changes) == 1


def test_signatures_follow_the_published_recipe() -> None:
    """The signature is an HMAC over version, time and raw body."""
    assert sign("secret", 1, "body").startswith("v0=")
    assert len(sign("secret", 1, "body")) == 67
    assert sign("secret", 1, "body") != sign("secret", 2, "body")
