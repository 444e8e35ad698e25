"""Secrets that are easy to recognise: after a whole story at DEBUG none of them is anywhere but where it belongs."""

from __future__ import annotations

import base64
import json
import signal
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import aiohttp
import pytest

from bot.local import world as sandbox
from bot.local.world import World as Place
from bot.sandbox.demos.main_story import MainStory
from bot.store.seal import new_key
from tests.running import empty_place
from tests.running.test_start import Process, process
from tests.world import WITHIN

BOT_TOKEN = "xoxb-CANARY-7f3a91d2c4"
APP_TOKEN = "xapp-CANARY-5b8e60a1f7"
TYK_KEY = "tykCANARY+3d94/c2e8b6"


def forms(secret: str) -> set[str]:
    """The secret as text, as it stands in a URL or in JSON, and in base64 wherever it begins in what is encoded."""
    found = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]}
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + secret.encode()).decode()
        inner = encoded[4 if before else 0 : len(encoded) // 4 * 4 - 4]
        found |= {inner, inner.replace("+", "-").replace("/", "_")}
    return found


def inner_id(token: str) -> str:
    """What is secret in a token of today's Tyk, which is base64 itself."""
    found: str = json.loads(base64.b64decode(token))["id"]
    return found


def leaks(where: str, content: str | bytes, secrets: Iterable[str]) -> list[str]:
    """Each secret that is in this content, told by its beginning alone."""
    data = content.encode() if isinstance(content, str) else content
    return [f"{where}: {secret[:12]}" for secret in secrets if any(form.encode() in data for form in forms(secret))]


def database(folder: Path) -> bytes:
    """All bytes of the SQLite file, its log and its index."""
    paths = [folder / f"bot.db{ending}" for ending in ("", "-wal", "-shm")]
    assert all(path.exists() for path in paths)
    return b"".join(path.read_bytes() for path in paths)


def select(folder: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(folder / "bot.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


async def metrics(bot: Process) -> str:
    port = next(line["port"] for line in await bot.until("bot.ready") if line["event"] == "web.ready")
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        assert answer.status == 200
        return await answer.text()


async def told(place: Place, event: str) -> None:
    carol = place.slack.person("carol")
    await carol.sees(lambda one: f"*{event}*" in one.text, channel="audit", timeout=WITHIN)


def trouble(place: Place) -> None:
    """What fails in the middle, with answers that repeat the credential which they were asked with."""
    echo = {"Status": "Error", "Message": f"no such user: authorization {TYK_KEY}", "Meta": None}
    place.tyk.faults.next("POST /api/keys", status=500, body=echo)
    place.tyk.faults.next("POST /api/keys", do_then_drop=True)
    place.tyk.faults.next("PUT /api/keys/{name}", status=500, body=echo)
    place.tyk.faults.next("GET /api/keys/{name}", drop=True)
    place.slack.faults.next("chat.update", lose_answer=True, when=lambda args: "rich_text_pre" in json.dumps(args))


def test_forms_are_found() -> None:
    """What this page looks with finds a secret as text, in a URL, and in base64 at any place."""
    secret = "a canary/that+sings=="
    encoded = [base64.b64encode(f"{'x' * before}{secret}yy".encode()).decode() for before in range(4)]
    for hidden in (f"x{secret}x", quote(secret, safe=""), *encoded):
        assert leaks("here", hidden, [secret]) == ["here: a canary/tha"]
    assert leaks("here", "a canary that sings", [secret]) == []


async def test_no_secret_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked, approved, shown, hidden and ended amid troubles: the token was in one message and at Tyk, and nowhere else."""
    monkeypatch.setattr(sandbox, "BOT_TOKEN", BOT_TOKEN)
    monkeypatch.setattr(sandbox, "APP_TOKEN", APP_TOKEN)
    async with empty_place() as place:
        place.tyk.credential = TYK_KEY
        trouble(place)
        seal_key = new_key()
        environ = place.environ() | {
            "DATABASE_URL": f"sqlite:///{tmp_path / 'bot.db'}",
            "SEAL_KEYS": seal_key,
            "HTTP_PORT": "0",
            "LOG_LEVEL": "DEBUG",
        }
        secrets = [BOT_TOKEN, APP_TOKEN, TYK_KEY, seal_key]
        async with process(tmp_path, place.config(), "run", **environ) as bot:
            await bot.until("bot.ready")
            story, alice = MainStory(place), place.slack.person("alice")
            await story._ask()
            await story._approve()
            token = await story._receive()
            await told(place, "sent")
            secrets += [text for entry in place.tyk.keys for text in (entry.token, inner_id(entry.token))]
            assert token in secrets
            assert [row[0] is None for row in select(tmp_path, "SELECT sealed FROM keys")] == [False]
            found = leaks("the database while the token is on show", database(tmp_path), secrets)

            await story._hide(token)
            await told(place, "hidden")
            assert select(tmp_path, "SELECT sealed FROM keys") == [(None,)]
            await alice.clicks("Revoke")
            await told(place, "key deleted")
            found += leaks("the database", database(tmp_path), secrets)
            found += leaks("the metrics", await metrics(bot), secrets)
            found += leaks("the audit", repr(select(tmp_path, "SELECT * FROM audit")), secrets)
            ended = await bot.end(signal.SIGTERM)

        assert ended.said.count('"failed"') >= 5, "all of the troubles were met"
        found += leaks("the log", ended.said, secrets)
        everybody = [
            one for who in ("alice", "bob", "carol", "dave", "gwen") for one in place.slack.person(who).messages()
        ]
        found += leaks("messages in the end", json.dumps([one.as_json() for one in everybody]), secrets)
        assert found == []

        sent = [one for one in place.slack.journal.calls() if leaks(one.name, json.dumps(one.args), secrets)]
        assert {(one.name, one.args["channel"], one.args["ts"]) for one in sent} == {
            ("chat.update", sent[0].args["channel"], sent[0].args["ts"])
        }
        named = [call.path for call in place.tyk.calls() if call.path.startswith("/api/keys/")]
        assert named
        assert all("hashed=" in path for path in named), "a key is named by its hash in every URL"
        assert leaks("Tyk's access log", " ".join(named), secrets) == []
