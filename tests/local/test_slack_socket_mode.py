"""The local Socket Mode: tickets, envelopes, acknowledgements, and connections that end in every way."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.local.slack import LocalSlack
from tests.local.test_slack_story import running

Json = dict[str, Any]
ACK_SECONDS = 0.3


@pytest.fixture
async def slack(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalSlack]:
    """A workspace that is impatient, with alice in it."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with LocalSlack(ack_seconds=ACK_SECONDS, event_retry_delays=(0.01, 0.02)) as server:
        server.workspace.add_user("alice")
        server.workspace.add_group("leads", members=["alice"])
        yield server


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """One HTTP session."""
    async with aiohttp.ClientSession() as opened:
        yield opened


def an_app(slack: LocalSlack, session: aiohttp.ClientSession) -> AsyncApp:
    """An app whose commands say how they misbehave."""
    app = AsyncApp(client=AsyncWebClient(token=slack.bot_token, base_url=slack.url, session=session))

    @app.command("/good")
    async def good(ack: Any) -> None:
        await ack()

    @app.command("/never")
    async def never() -> None:
        """Does not answer."""

    return app


async def link(slack: LocalSlack, session: aiohttp.ClientSession) -> str:
    """A fresh address for one connection."""
    client = AsyncWebClient(base_url=slack.url, session=session)
    return str((await client.apps_connections_open(app_token=slack.app_token))["url"])


async def test_a_ticket_opens_one_connection(slack: LocalSlack, session: aiohttp.ClientSession) -> None:
    """The first frame is hello; a ticket used twice, or made up, opens nothing."""
    url = await link(slack, session)
    async with session.ws_connect(url) as socket:
        hello = await socket.receive_json()
        assert (hello["type"], hello["num_connections"]) == ("hello", 1)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(url)


async def test_pings_are_echoed(slack: LocalSlack, session: aiohttp.ClientSession) -> None:
    """The pong carries the payload of the ping, which the SDK relies on."""
    async with session.ws_connect(await link(slack, session), autoping=False) as socket:
        await socket.receive_json()
        await socket.ping(b"sdk-ping-pong:1")
        pong = await socket.receive()
        assert (pong.type, bytes(pong.data)) == (aiohttp.WSMsgType.PONG, b"sdk-ping-pong:1")


async def test_the_eleventh_connection_pushes_one_out(slack: LocalSlack, session: aiohttp.ClientSession) -> None:
    """There are never more than ten."""
    sockets = [await session.ws_connect(await link(slack, session)) for _ in range(11)]
    first = sockets[0]
    assert (await first.receive_json())["type"] == "hello"
    assert (await first.receive_json())["reason"] == "too_many_websockets"
    assert (await first.receive()).type == aiohttp.WSMsgType.CLOSE
    assert len(slack.sockets.connections) == 10
    for socket in sockets:
        await socket.close()


async def test_each_envelope_goes_to_one_connection(slack: LocalSlack, session: aiohttp.ClientSession) -> None:
    """Two connections of one app share the commands between them."""
    app = an_app(slack, session)
    async with running(app, slack), running(app, slack):
        await slack.connected(2)
        for _ in range(12):
            assert (await slack.person("alice").runs("/good")).error is None
    went = Counter(e.data["connection"] for e in slack.journal.of("frame") if e.name == "slash_commands")
    assert sum(went.values()) == 12
    assert set(went) == {1, 2}


async def test_nobody_listens(slack: LocalSlack) -> None:
    """Without a connection the person is told dispatch_failed."""
    outcome = await slack.person("alice").runs("/good")
    assert outcome.error == "dispatch_failed"
    assert 'failed with the error "dispatch_failed"' in slack.person("alice").messages("general")[-1].text


async def test_an_app_that_does_not_answer(slack: LocalSlack, session: aiohttp.ClientSession) -> None:
    """After the time for it, the person is told operation_timeout, and the app is to blame."""
    async with running(an_app(slack, session), slack):
        outcome = await slack.person("alice").runs("/never")
    assert outcome.error == "operation_timeout"
    assert [e.kind for e in slack.app_errors] == ["no_ack"]


async def test_late_double_and_strange_acknowledgements(slack: LocalSlack, session: aiohttp.ClientSession) -> None:
    """What comes too late, twice, for nothing or without sense is written down."""
    async with session.ws_connect(await link(slack, session)) as socket:
        await socket.receive_json()
        run = asyncio.create_task(slack.person("alice").runs("/good"))
        envelope = (await socket.receive_json())["envelope_id"]
        assert (await run).error == "operation_timeout"
        await socket.send_json({"envelope_id": envelope})
        run = asyncio.create_task(slack.person("alice").runs("/good"))
        envelope = (await socket.receive_json())["envelope_id"]
        for frame in ({"envelope_id": envelope}, {"envelope_id": envelope}, {"envelope_id": "x"}, {"type": "x"}):
            await socket.send_json(frame)
        assert (await run).error is None
        await slack.changes.until(lambda: len(slack.app_errors) == 5 or None, 5)
    kinds = [e.kind for e in slack.app_errors]
    assert kinds == ["no_ack", "late_ack", "duplicate_ack", "unknown_envelope", "bad_frame"]


@pytest.mark.parametrize("reason", ["warning", "refresh_requested", "link_disabled", "drop"])
async def test_a_connection_comes_back(slack: LocalSlack, session: aiohttp.ClientSession, reason: str) -> None:
    """However a connection ends, the real client opens another one, and commands pass again."""
    async with running(an_app(slack, session), slack):
        await slack.sockets.disconnect(reason)
        await slack.changes.until(lambda: any(c.number == 2 for c in slack.sockets.connections) or None, 15)
        await slack.changes.until(lambda: len(slack.sockets.connections) == 1 or None, 15)
        assert (await slack.person("alice").runs("/good")).error is None


async def test_a_silent_connection_is_found_out(slack: LocalSlack, session: aiohttp.ClientSession) -> None:
    """Half open, nothing goes through until the client misses its pongs and opens another connection."""
    async with running(an_app(slack, session), slack):
        await slack.sockets.disconnect("silent")
        assert (await slack.person("alice").runs("/good")).error == "operation_timeout"
        assert slack.app_errors == []
        await slack.changes.until(lambda: any(c.number == 2 for c in slack.sockets.connections) or None, 15)
        await slack.changes.until(lambda: len(slack.sockets.connections) == 1 or None, 15)
        assert (await slack.person("alice").runs("/good")).error is None


async def test_an_event_is_sent_until_it_is_acknowledged(slack: LocalSlack, session: aiohttp.ClientSession) -> None:
    """A group change reaches the app with its ids; unacknowledged, it comes again and says why."""
    async with session.ws_connect(await link(slack, session)) as socket:
        await socket.receive_json()
        slack.workspace.set_group_members("leads", [])
        first = await socket.receive_json()
        other = await socket.receive_json()
        assert [f["payload"]["event"]["type"] for f in (first, other)] == ["subteam_members_changed", "subteam_updated"]
        assert first["payload"]["event"]["removed_users"] == ["U0ALICE"]
        assert (first["type"], first["retry_attempt"], first["retry_reason"]) == ("events_api", 0, "")
        await socket.send_json({"envelope_id": other["envelope_id"]})
        again = await socket.receive_json()
        assert (again["retry_attempt"], again["retry_reason"]) == (1, "timeout")
        assert again["payload"]["event_id"] == first["payload"]["event_id"]
        assert again["envelope_id"] != first["envelope_id"]
        await socket.send_json({"envelope_id": again["envelope_id"]})
        await slack.changes.until(
            lambda: len([e for e in slack.journal.of("ack") if e.data["status"] == "acked"]) == 2 or None, 5
        )


async def test_deactivation_is_told(slack: LocalSlack, session: aiohttp.ClientSession) -> None:
    """user_change says deleted, and the person has left the user groups."""
    app, told = an_app(slack, session), asyncio.Queue[Json]()

    @app.event("user_change")
    async def changed(event: Json) -> None:
        await told.put(event)

    @app.event({"type": "subteam_members_changed"})
    async def left(event: Json) -> None:
        await told.put(event)

    @app.event("subteam_updated")
    async def updated() -> None:
        """Of no interest."""

    async with running(app, slack):
        slack.workspace.deactivate("alice")
        async with asyncio.timeout(5):
            events = {event["type"]: event for event in (await told.get(), await told.get())}
    assert events["user_change"]["user"]["deleted"] is True
    assert events["subteam_members_changed"]["removed_users"] == ["U0ALICE"]
    assert slack.workspace.group("leads").members == []


async def test_an_envelope_can_come_twice(slack: LocalSlack, session: aiohttp.ClientSession) -> None:
    """A planned duplicate is answered twice without blame."""
    async with running(an_app(slack, session), slack):
        slack.sockets.duplicate_next("slash_commands")
        assert (await slack.person("alice").runs("/good")).error is None
        await slack.changes.until(
            lambda: len([e for e in slack.journal.of("frame") if e.data["direction"] == "in"]) == 2 or None, 5
        )
    assert slack.app_errors == []


async def test_events_need_their_scope(slack: LocalSlack) -> None:
    """What the app may not see is not sent; with events given, nothing else is."""
    assert await slack.publish_event({"type": "message", "channel_type": "im", "text": "x"}) is None
    async with LocalSlack(events=("user_change",)) as picky:
        assert await picky.publish_event({"type": "subteam_updated"}) is None


async def test_the_journal_can_be_followed(slack: LocalSlack, session: aiohttp.ClientSession) -> None:
    """A listener hears each entry in order, until it has heard enough."""
    heard: list[str] = []
    complete = asyncio.Event()

    async def listen(entry: Any) -> None:
        heard.append(entry.kind)
        if entry.kind == "ack":
            complete.set()

    end = slack.journal.listen(listen)
    async with running(an_app(slack, session), slack):
        await slack.person("alice").runs("/good")
        async with asyncio.timeout(5):
            await complete.wait()
    end()
    assert heard.index("human") < heard.index("ack")
    assert "call" in heard
