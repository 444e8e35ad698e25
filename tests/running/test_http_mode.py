"""HTTP mode: Slack sends signed requests to the bot, and no socket is held open."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import pytest

from bot import config, manifest
from bot.complaining import OF_SLACK
from bot.local.slack import LocalSlack
from bot.local.slack.delivery import sign
from bot.local.tyk import LocalTyk, Switches
from bot.local.world import CAST, CATALOGUE
from bot.local.world import World as Place
from bot.web import SLACK_PATH, Rejection
from tests.log import Log, lines
from tests.running import bot_in, quiet
from tests.running.test_start import get
from tests.world import World

SECRET = "signing-secret-of-the-tests"


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[World, str]]:
    """The sandbox's people and APIs with a bot in HTTP mode among them, and the address it gives Slack."""
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
        "METRICS_PORT": "0",
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


FORM, JSON = "application/x-www-form-urlencoded", "application/json"


async def post(url: str, body: str, *, kind: str = FORM, secret: str = SECRET, at: int | None = None) -> int:
    """What the bot answers to a signed request that says so."""
    now = int(time.time()) if at is None else at
    headers = {
        "Content-Type": kind,
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


def acts(world: World) -> list[str]:
    """What the bot did in Slack; meanwhile it may still be asking whether its configuration fits."""
    return [entry.name for entry in world.slack.journal.entries if entry.name.startswith(("chat.", "views."))]


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


async def test_home_and_shortcuts_over_http(tmp_path: Path) -> None:
    """The app as its manifest of HTTP mode makes it: one address for all of it, acknowledged in time."""
    async with served(tmp_path) as (world, url):
        loaded = config.parse(Place(world.slack, world.tyk).config())
        world.slack.install(manifest.manifest(loaded, socket_mode=False, request_url=url.replace("http:", "https:")))
        alice = world.person("alice")
        await alice.opens_home()
        await alice.sees_home("You can request tokens for")
        await alice.clicks_in_home("Request a token")
        await alice.sees_view("API")
        await alice.closes()
        used = await alice.uses_shortcut("Request a token")
        assert used.error is None
        await alice.sees_view("API")
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


async def test_health_has_its_own_port(tmp_path: Path) -> None:
    """Of the public port everything but Slack's address is 404, and the other port knows nothing of Slack's address."""
    async with served(tmp_path) as (world, url), aiohttp.ClientSession() as session:
        public, inside = url.removesuffix(SLACK_PATH), f"http://127.0.0.1:{world.running.port}"
        for path in ("/healthz", "/readyz", "/metrics", "/"):
            async with session.get(f"{public}{path}") as answer:
                assert answer.status == 404, path
        async with session.get(f"{inside}/readyz") as answer:
            assert (answer.status, json.loads(await answer.text())["ready"]) == (200, True)
        async with session.get(f"{inside}/metrics") as answer:
            assert 'tyk_key_bot_rejected_requests_total{reason="path"}' in await answer.text()
        async with session.post(f"{inside}{SLACK_PATH}", data=COMMAND) as answer:
            assert answer.status == 404
        async with session.get(url) as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "POST")


NAMING = json.dumps(
    {"type": "block_actions", "user": {"id": "U0ALICE"}, "channel": {"id": "C0GENERAL"}, "trigger_id": "1"}
)
BODIES = [
    (FORM, COMMAND),
    (FORM, urlencode({"payload": NAMING})),
    (FORM, "payload=%7B"),
    (FORM, "payload=5&payload=%5B%5D"),
    (FORM, "ssl_check=1"),
    (FORM, "%zz=%ff&&&==="),
    (FORM, ""),
    (JSON, NAMING),
    (JSON, json.dumps({"type": "url_verification", "challenge": "not yours"})),
    (JSON, json.dumps({"user": 5, "channel": [], "enterprise": 7, "authorizations": {"0": 1}})),
    (JSON, "[]"),
    (JSON, "null"),
    (JSON, "{"),
    (JSON, "[" * 200_000),
    (JSON, "9" * 10_000),
]


MISSHAPEN = [
    json.dumps({"type": kind, name: value})
    for kind in ("block_actions", "view_submission", "event_callback")
    for name, values in {
        "user": [5, "U0ALICE", []],
        "channel": [5, "C0GENERAL", []],
        "event": [5, "message", [], None],
        "view": [5, "V1", [], None],
        "actions": [5, "approve", [], {}, [5], None],
        "authorizations": [5, [5]],
    }.items()
    for value in values
]


def claims(timestamp: str, signature: str) -> dict[str, str]:
    return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": signature}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        claims("abc", "v0=0"),
        claims("9" * 5000, "v0=0"),
        claims("{now}", "v0=0"),
        claims("{now}", "v0=\u00e4"),
        claims("{now}", ""),
        claims("{now}", sign("another", 0, "")),
        {"X-Slack-Request-Timestamp": "{now}"},
        {"X-Slack-Signature": "v0=0"},
        claims("{now}", "v0=0") | {"X-Slack-Bolt-Lazy-Only": "1", "X-Slack-Retry-Num": "1"},
    ],
)
async def test_what_nobody_signed(tmp_path: Path, log: Log, headers: dict[str, str]) -> None:
    """Whatever the body says, the answer is an empty 401, the log has one line, and Slack hears nothing."""
    given = {name: value.replace("{now}", str(int(time.time()))) for name, value in headers.items()}
    async with served(tmp_path) as (world, url), aiohttp.ClientSession() as session:
        await quiet(world)
        before, said = len(acts(world)), len(log)
        for kind, body in BODIES:
            async with session.post(url, data=body.encode(), headers=given | {"Content-Type": kind}) as answer:
                assert (answer.status, await answer.read()) == (401, b""), body[:80]
        assert acts(world)[before:] == []
        assert not asked_about_alice(world)
        assert [line["event"] for line in log[said:] if not line["event"].startswith(("config.", "effect"))] == [
            "web.rejected"
        ]


async def test_bodies_that_are_none(tmp_path: Path, log: Log, caplog: pytest.LogCaptureFixture) -> None:
    """Signed or not, a body that cannot be understood is 400, one that means nothing here is 404, and neither is a traceback."""
    async with served(tmp_path) as (_, url):
        for kind, body in BODIES[2:]:
            assert await post(url, body, kind=kind) in (200, 400, 404), body[:80]
        for body in ("{", "[]", "null", "[" * 200_000, "9" * 10_000, *MISSHAPEN):
            assert await post(url, body, kind=JSON) == 400
    assert not [line for line in log if "exc_info" in line]
    assert not [record for record in caplog.records if record.exc_info]


async def test_other_kinds_of_content(tmp_path: Path) -> None:
    """What is neither a form nor JSON is 415, signed as it may be."""
    async with served(tmp_path) as (_, url):
        for kind in ("text/plain", "multipart/form-data; boundary=x", "application/json; charset=utf-16"):
            assert await post(url, "{}", kind=kind) == 415
        assert await post(url, COMMAND, kind=f"{FORM}; charset=utf-8") == 200


async def test_the_challenge_of_slacks_settings_page(tmp_path: Path) -> None:
    """Signed, it is answered with what it asks for; unsigned, it is not."""
    challenge = json.dumps({"token": "t", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd", "type": "url_verification"})
    now = int(time.time())
    headers = {"Content-Type": JSON} | claims(str(now), sign(SECRET, now, challenge))
    async with served(tmp_path) as (_, url), aiohttp.ClientSession() as session:
        async with session.post(url, data=challenge, headers=headers) as answer:
            assert (answer.status, await answer.json()) == (200, {"challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd"})
        assert await post(url, challenge, kind=JSON, secret="other") == 401


async def test_a_wrong_signing_secret(tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator reads which setting it is, in the log once a minute at most, in the help channel once, when it has lasted, and
    when it is over; and in `/readyz`, which stays ready: a stranger may have sent it."""
    monkeypatch.setattr("bot.core.signing.DOUBTED_AFTER", 0.0)
    async with served(tmp_path) as (world, url):
        for _ in range(3):
            assert await post(url, COMMAND, secret="other") == 401
        bob = world.person("bob")
        await bob.sees("SLACK_SIGNING_SECRET is not", channel="help")
        ready, found = await get(world, "/readyz")
        assert (ready, json.loads(found)["cannot"]) == (200, [OF_SLACK[Rejection.SIGNATURE]])
        assert await post(url, COMMAND) == 200
        assert json.loads((await get(world, "/readyz"))[1])["cannot"] == []
        await bob.sees("are signed as they should be.", channel="help")
        assert await post(url, COMMAND, secret="other") == 401
        said = world.slack.workspace.posts[world.slack.workspace.channel("help").id]
    assert len(said) == 2, "what is not signed rightly beside what is, is somebody else's"
    (line,) = lines(log, event="web.rejected", reason="signature")
    assert line["log_level"] == "warning"
    assert "SLACK_SIGNING_SECRET" in line["what"]
