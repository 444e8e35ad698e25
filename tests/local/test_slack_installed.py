"""The app as its manifest makes it: tabs, a DM that nobody can write to, shortcuts and what comes with them."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.local.slack import LocalSlack, NotPossible
from tests.local.test_slack_story import MODAL, running

Json = dict[str, Any]
MANIFEST: Json = {
    "display_information": {"name": "Helper"},
    "features": {
        "app_home": {
            "home_tab_enabled": True,
            "messages_tab_enabled": True,
            "messages_tab_read_only_enabled": True,
        },
        "bot_user": {"display_name": "Helper"},
        "slash_commands": [{"command": "/ask", "description": "Ask"}],
        "shortcuts": [
            {"name": "Ask", "type": "global", "callback_id": "ask", "description": "Ask for something"},
            {"name": "Ask about this", "type": "message", "callback_id": "ask-this", "description": "Ask"},
        ],
    },
    "settings": {"event_subscriptions": {"bot_events": ["app_home_opened"]}},
}


class Desk:
    """An app that keeps what it gets."""

    def __init__(self, slack: LocalSlack, session: aiohttp.ClientSession) -> None:
        self.slack = slack
        self.client = AsyncWebClient(token=slack.bot_token, base_url=slack.url, session=session)
        self.app = AsyncApp(client=self.client)
        self.bodies: list[Json] = []
        self.app.shortcut("ask")(self._take)
        self.app.shortcut("ask-this")(self._take)
        self.app.event("app_home_opened")(self._hear)

    async def _take(self, ack: Any, body: Json) -> None:
        await ack()
        self.bodies.append(body)

    async def _hear(self, event: Json) -> None:
        self.bodies.append(event)


@pytest.fixture
async def desk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    """The app, installed by its manifest and connected, and alice before it."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with LocalSlack() as slack, aiohttp.ClientSession() as session:
        slack.workspace.add_user("alice")
        slack.workspace.add_user("oscar", kind="external")
        slack.install(MANIFEST)
        made = Desk(slack, session)
        async with running(made.app, slack):
            yield made


async def test_it_has_one_name_everywhere(desk: Desk) -> None:
    """That of the manifest: beside its messages, and where Slack says who it is."""
    answer = await desk.client.bots_info()
    assert answer["bot"]["name"] == "Helper"


async def test_nobody_can_write_to_it_where_its_messages_are_read_only(desk: Desk) -> None:
    """No words and no command in its DM; a command is typed elsewhere, and only one that the manifest has."""
    alice = desk.slack.person("alice")
    for act in (alice.says("hello?"), alice.runs("/ask", channel="dm")):
        with pytest.raises(NotPossible, match="turned off"):
            await act
    with pytest.raises(NotPossible, match="not a valid command"):
        await alice.runs("/other")


async def test_a_global_shortcut_comes_from_nowhere_in_particular(desk: Desk) -> None:
    """A trigger and who it was: no channel and no response_url; the trigger opens a modal once."""
    alice = desk.slack.person("alice")
    assert (await alice.uses_shortcut("Ask")).error is None
    (body,) = desk.bodies
    assert (body["type"], body["callback_id"], body["user"]["id"]) == ("shortcut", "ask", "U0ALICE")
    assert not {"channel", "message", "response_url", "container"} & body.keys()
    await desk.client.views_open(trigger_id=body["trigger_id"], view=MODAL)
    with pytest.raises(SlackApiError, match="exchanged_trigger_id"):
        await desk.client.views_open(trigger_id=body["trigger_id"], view=MODAL)


async def test_a_message_shortcut_brings_the_message(desk: Desk) -> None:
    """With its channel, and a response_url that answers there for alice alone."""
    alice = desk.slack.person("alice")
    message = await alice.says("Look at this", "general")
    await alice.uses_shortcut("Ask about this", message)
    body = desk.bodies[-1]
    assert (body["type"], body["callback_id"]) == ("message_action", "ask-this")
    assert (body["channel"], body["message_ts"]) == ({"id": "C0GENERAL", "name": "general"}, message.ts)
    assert body["message"]["text"] == "Look at this"
    async with aiohttp.ClientSession() as session, session.post(body["response_url"], json={"text": "Seen"}) as answer:
        assert answer.status == 200
    assert (await alice.sees("Seen", channel="general")).ephemeral_to == alice.id
    with pytest.raises(NotPossible, match="has no shortcuts"):
        await alice.uses_shortcut("Ask about this", await alice.sees("Seen", channel="general"))


async def test_a_shortcut_is_offered_where_the_manifest_has_it(desk: Desk) -> None:
    """Not the other's name, nobody else's, and nothing to people of another company."""
    alice, oscar = desk.slack.person("alice"), desk.slack.person("oscar")
    for act in (alice.uses_shortcut("Ask about this"), alice.uses_shortcut("Something")):
        with pytest.raises(NotPossible, match="there is no shortcut"):
            await act
    with pytest.raises(NotPossible, match="not offered"):
        await oscar.uses_shortcut("Ask")
    with pytest.raises(NotPossible, match="external"):
        await oscar.opens_home()


async def test_opening_a_tab_of_the_app_is_an_event(desk: Desk) -> None:
    """It names the tab and the DM, and holds the Home view once there is one; without a Home tab there is none to open."""
    alice, place = desk.slack.person("alice"), desk.slack.workspace
    await alice.opens_home("messages")
    await alice.opens_home()
    await desk.client.views_publish(user_id=alice.id, view={"type": "home", "blocks": []})
    await alice.opens_home()
    messages, first, then = desk.bodies
    assert (messages["tab"], messages["channel"]) == ("messages", place.dm(alice.id).id)
    assert (first["tab"], "view" in first) == ("home", False)
    assert then["view"]["type"] == "home"
    off = copy.deepcopy(MANIFEST)
    off["features"]["app_home"]["home_tab_enabled"] = False
    desk.slack.install(off)
    with pytest.raises(NotPossible, match="no Home tab"):
        await alice.opens_home()
    with pytest.raises(SlackApiError, match="not_enabled"):
        await desk.client.views_publish(user_id=alice.id, view={"type": "home", "blocks": []})


async def test_it_is_told_of_the_events_of_its_manifest(desk: Desk) -> None:
    """Whatever its scopes would let it hear."""
    desk.slack.workspace.change_user("alice", status_text="away")
    await desk.slack.person("alice").opens_home("messages")
    assert [one.name for one in desk.slack.journal.of("event")] == ["app_home_opened"]


async def test_a_permalink_of_a_reply_names_its_thread(desk: Desk) -> None:
    """As Slack's does."""
    place = desk.slack.workspace
    place.channel("general").members.append(place.bot_user)
    first = await desk.client.chat_postMessage(channel="C0GENERAL", text="first")
    reply = await desk.client.chat_postMessage(channel="C0GENERAL", text="reply", thread_ts=first["ts"])
    link = await desk.client.chat_getPermalink(channel="C0GENERAL", message_ts=reply["ts"])
    at = reply["ts"].replace(".", "")
    assert link["permalink"] == (
        f"https://sandbox.slack.com/archives/C0GENERAL/p{at}?thread_ts={first['ts']}&cid=C0GENERAL"
    )
