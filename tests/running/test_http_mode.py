"""HTTP mode: Slack sends signed requests to the bot, and no socket is held open."""

from __future__ import annotations

import io
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import aiohttp

from bot import manifest
from bot.local.slack import LocalSlack
from bot.local.slack.delivery import sign
from bot.local.tyk import LocalTyk, Switches
from bot.local.world import CAST, CATALOGUE
from bot.local.world import World as Place
from bot.web import SLACK_PATH
from tests.running import bot_in
from tests.world import World

SECRET = "signing-secret-of-the-tests"


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[World, str]]:
    """The sandbox's people and APIs with a bot in HTTP mode among them, and the address it listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}{SLACK_PATH}"
    slack = LocalSlack(scopes=sorted(manifest.SCOPES), rate_limits=False, request_url=url, signing_secret=SECRET)
    tyk = LocalTyk(switches=Switches(enable_update_key_by_hash=True, enable_delete_key_by_hash=True))
    _settle(slack)
    _stock(tyk)
    environ = {
        "DATABASE_URL": f"sqlite:///{folder / 'bot.db'}",
        "SLACK_APP_TOKEN": "",
        "SLACK_SIGNING_SECRET": SECRET,
        "HTTP_PORT": str(port),
    }
    async with slack, tyk, bot_in(Place(slack, tyk), **environ) as world:
        yield world, url


def _settle(slack: LocalSlack) -> None:
    for one in CAST.people:
        slack.workspace.add_user(one.name, kind=one.kind, id=one.id)
    for group in CAST.groups:
        slack.workspace.add_group(group.handle, id=group.id, members=group.members)
    for room in CAST.channels:
        slack.workspace.add_channel(room.name, id=room.id, members=room.members, bot_is_member=not room.shared)


def _stock(tyk: LocalTyk) -> None:
    for api in CATALOGUE.apis:
        tyk.add_api(api.api_id, api.name, api.listen_path, auth_header=api.auth_header, versions=api.versions)
    for policy in CATALOGUE.policies:
        tyk.add_policy(policy.id, opens=policy.opens, key_expires_in=policy.key_expires_in)


async def post(url: str, body: str, *, secret: str = SECRET, at: int | None = None) -> int:
    """What the bot answers to a slash command that says so."""
    now = int(time.time()) if at is None else at
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": str(now),
        "X-Slack-Signature": sign(secret, now, body),
    }
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
        return answer.status


COMMAND = urlencode(
    {
        "command": "/tyk-key",
        "text": "help",
        "team_id": "T0SANDBOX",
        "user_id": "U0ALICE",
        "channel_id": "C0GENERAL",
        "trigger_id": "1.2.3",
        "response_url": "http://127.0.0.1:1/",
        "api_app_id": "A0SANDBOX",
    }
)


def asked_about_alice(world: World) -> bool:
    return any(entry.args.get("user") == "U0ALICE" for entry in world.slack.journal.entries)


async def test_the_story_over_http(tmp_path: Path) -> None:
    """Command, form, submission, approval, token: all by signed requests, and no socket is opened."""
    async with served(tmp_path) as (world, _):
        outcome = await world.asks("alice", "payments", plan="standard")
        assert outcome.response_action == "update"
        await world.person("bob").sees(lambda one: "Approve" in one.labels, channel="approvals")
        await world.person("bob").clicks("Approve")
        token = await world.token_of("alice")
        assert world.tyk.opens(token, "/payments/")[0] == 200
        assert world.slack.sockets.connections == []
        assert not [one for one in world.slack.journal.entries if one.name == "apps.connections.open"]
        assert world.slack.app_errors == []


async def test_signatures(tmp_path: Path) -> None:
    """A right signature is answered; a wrong, an old and a missing one are refused with 401, and nothing comes of them."""
    async with served(tmp_path) as (world, url):
        assert await post(url, COMMAND, secret="other") == 401
        assert await post(url, COMMAND, at=int(time.time()) - 600) == 401
        async with aiohttp.ClientSession() as session, session.post(url, data={"command": "/tyk-key"}) as answer:
            assert answer.status == 401
        assert not asked_about_alice(world), "Slack was not asked about her: nothing was begun"
        assert await post(url, COMMAND) == 200
        assert asked_about_alice(world)


async def test_only_slacks_address_takes_posts(tmp_path: Path) -> None:
    """The health pages are beside it, and a body too large is not read."""
    async with served(tmp_path) as (_, url):
        base = url.removesuffix(SLACK_PATH)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{base}/readyz") as answer:
                assert (answer.status, json.loads(await answer.text())["ready"]) == (200, True)
            async with session.get(url) as answer:
                assert answer.status == 405
            async with session.post(url, data=io.BytesIO(b"x" * (2 << 20))) as answer:
                assert answer.status == 413
