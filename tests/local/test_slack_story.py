"""One request through a local Slack: command, modal, submission, message, click; driven by a real Bolt app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.local.slack import LocalSlack, NotPossible

Json = dict[str, Any]

MODAL: Json = {
    "type": "modal",
    "callback_id": "ask",
    "title": {"type": "plain_text", "text": "Ask for a key"},
    "submit": {"type": "plain_text", "text": "Ask"},
    "notify_on_close": True,
    "blocks": [
        {
            "type": "input",
            "block_id": "api",
            "label": {"type": "plain_text", "text": "API"},
            "element": {
                "type": "static_select",
                "action_id": "choice",
                "options": [
                    {"text": {"type": "plain_text", "text": "Payments"}, "value": "payments"},
                    {"text": {"type": "plain_text", "text": "Ledger"}, "value": "ledger"},
                ],
            },
        },
        {
            "type": "input",
            "block_id": "reason",
            "label": {"type": "plain_text", "text": "Reason"},
            "element": {"type": "plain_text_input", "action_id": "text", "max_length": 20},
        },
    ],
}
CARD: list[Json] = [
    {"type": "section", "text": {"type": "mrkdwn", "text": "*R-1* asks for Payments"}},
    {
        "type": "actions",
        "elements": [
            {
                "type": "button",
                "action_id": "approve",
                "text": {"type": "plain_text", "text": "Approve"},
                "value": "R-1",
            },
            {
                "type": "button",
                "action_id": "deny",
                "text": {"type": "plain_text", "text": "Deny"},
                "confirm": {
                    "title": {"type": "plain_text", "text": "Deny?"},
                    "text": {"type": "plain_text", "text": "It is final."},
                    "confirm": {"type": "plain_text", "text": "Deny"},
                    "deny": {"type": "plain_text", "text": "Keep"},
                },
            },
        ],
    },
]


def an_app(slack: LocalSlack, session: aiohttp.ClientSession) -> AsyncApp:
    """An app as small as an app can be that asks, posts, and takes a decision."""
    app = AsyncApp(client=AsyncWebClient(token=slack.bot_token, base_url=slack.url, session=session))

    @app.command("/ask")
    async def ask(ack: Any, body: Json, client: AsyncWebClient) -> None:
        if body["text"] == "help":
            await ack("This helps.")
            return
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=MODAL)

    @app.view("ask")
    async def submitted(ack: Any, body: Json, client: AsyncWebClient) -> None:
        values = body["view"]["state"]["values"]
        if values["reason"]["text"]["value"] == "no":
            await ack(response_action="errors", errors={"reason": "Say more."})
            return
        await ack()
        await client.chat_postMessage(channel=slack.workspace.channel("approvals").id, text="R-1 waits", blocks=CARD)
        await client.chat_postMessage(channel=body["user"]["id"], text="You asked for R-1")

    @app.view_closed("ask")
    async def closed(ack: Any) -> None:
        await ack()

    @app.action("approve")
    async def approve(ack: Any, body: Json, client: AsyncWebClient, respond: Any) -> None:
        await ack()
        place = {"channel": body["channel"]["id"], "ts": body["message"]["ts"]}
        await client.chat_update(**place, text="approved", blocks=[CARD[0]])
        await respond("You approved R-1", replace_original=False)

    @app.action("deny")
    async def deny(ack: Any) -> None:
        await ack()

    return app


@asynccontextmanager
async def running(app: AsyncApp, slack: LocalSlack) -> AsyncIterator[AsyncSocketModeHandler]:
    """The app with its socket up."""
    handler = AsyncSocketModeHandler(app, slack.app_token, ping_interval=0.1)
    try:
        await handler.connect_async()  # type: ignore[no-untyped-call]  # Bolt gives it no type
        await slack.connected()
        yield handler
    finally:
        await handler.close_async()  # type: ignore[no-untyped-call]  # Bolt gives it no type


@pytest.fixture
async def slack(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalSlack]:
    """A workspace with alice, bob and an external eve, and an app in it."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with LocalSlack(commands=("/ask",)) as server:
        server.workspace.add_user("alice")
        server.workspace.add_user("bob")
        server.workspace.add_user("eve", kind="external")
        server.workspace.add_channel("approvals", members=["bob", "eve"], is_ext_shared=True)
        async with aiohttp.ClientSession() as session, running(an_app(server, session), server):
            yield server


async def test_command_modal_submission_message_click(slack: LocalSlack) -> None:
    """A request goes from a command to a decision, and everybody sees what they should."""
    alice, bob = slack.person("alice"), slack.person("bob")
    outcome = await alice.runs("/ask")
    assert outcome.error is None
    assert outcome.ack_ms is not None
    assert outcome.ack_ms < 3000
    view = await alice.sees_view("Ask for a key")
    assert view["state"]["values"]["api"]["choice"] == {"type": "static_select", "selected_option": None}
    await alice.picks("api", "Payments")
    await alice.types("Reason", "tests")
    submitted = await alice.submits()
    assert submitted.response_action == "close"
    assert alice.view is None
    card = await bob.sees("asks for Payments", channel="approvals")
    assert card.labels == ["Approve", "Deny"]
    assert (await bob.clicks("Approve", card)).error is None
    await bob.sees(lambda m: m.text == "approved" and not m.buttons, channel="approvals")
    note = await bob.sees("You approved R-1")
    assert note.is_ephemeral
    await alice.sees("You asked", channel="dm")
    assert [ring.text for ring in alice.rings] == ["You asked for R-1"]
    assert not any(m.is_ephemeral for m in slack.person("eve").messages())
    assert slack.app_errors == []


async def test_a_text_acknowledgement_is_an_ephemeral(slack: LocalSlack) -> None:
    """What the ack of a command says is shown to its sender alone."""
    outcome = await slack.person("alice").runs("/ask", "help")
    assert outcome.text == "This helps."
    assert [m.text for m in slack.person("alice").messages("general")] == ["This helps."]
    assert slack.person("bob").messages("general") == []
    slack.person("alice").reloads()
    assert slack.person("alice").messages("general") == []


async def test_required_inputs_are_the_windows_own_business(slack: LocalSlack) -> None:
    """An incomplete or too long form is not sent at all."""
    alice = slack.person("alice")
    await alice.runs("/ask")
    await alice.sees_view()
    outcome = await alice.submits()
    assert not outcome.sent
    assert set(outcome.errors) == {"api", "reason"}
    await alice.picks("choice", "ledger")
    await alice.types("text", "x" * 21)
    assert set((await alice.submits()).errors) == {"reason"}


async def test_errors_stand_under_their_inputs(slack: LocalSlack) -> None:
    """Errors in the ack keep the modal open with what was typed, and it can be sent again."""
    alice = slack.person("alice")
    await alice.runs("/ask")
    await alice.sees_view()
    await alice.picks("api", "ledger")
    await alice.types("reason", "no")
    outcome = await alice.submits()
    assert outcome.response_action == "errors"
    assert alice.errors == {"reason": "Say more."}
    assert alice.view is not None
    assert alice.view["state"]["values"]["reason"]["text"]["value"] == "no"
    await alice.types("reason", "yes")
    assert (await alice.submits()).response_action == "close"


async def test_a_confirm_dialog_can_be_declined(slack: LocalSlack) -> None:
    """Keep in the dialog sends nothing; Deny sends the click."""
    bob = slack.person("bob")
    await AsyncWebClient(token=slack.bot_token, base_url=slack.url).chat_postMessage(
        channel=slack.workspace.channel("approvals").id, text="R-1", blocks=CARD
    )
    declined = await bob.clicks("Deny", confirm=False)
    assert not declined.sent
    assert declined.dialog is not None
    assert (await bob.clicks("deny")).sent


async def test_external_people_click_but_have_no_commands(slack: LocalSlack) -> None:
    """A Slack Connect guest presses a button under the other team's id, and cannot run the command."""
    eve = slack.person("eve")
    with pytest.raises(NotPossible):
        await eve.runs("/ask")
    await AsyncWebClient(token=slack.bot_token, base_url=slack.url).chat_postMessage(
        channel=slack.workspace.channel("approvals").id, text="R-1", blocks=CARD
    )
    assert (await eve.clicks("Deny")).error is None
    sent = [e.data["frame"]["payload"] for e in slack.journal.of("frame") if e.name == "interactive"][-1]
    assert sent["user"]["team_id"] == sent["team"]["id"] == "T0ELSEWHERE"


async def test_closing_is_told_on_wish(slack: LocalSlack) -> None:
    """view_closed goes out for a view that asked for it."""
    alice = slack.person("alice")
    await alice.runs("/ask")
    await alice.sees_view()
    await alice.closes(everything=True)
    assert alice.view is None
    sent = [e.data["frame"]["payload"] for e in slack.journal.of("frame") if e.name == "interactive"][-1]
    assert sent["type"] == "view_closed"
    assert sent["is_cleared"] is True
    assert slack.app_errors == []


async def test_an_outdated_screen_can_be_clicked(slack: LocalSlack) -> None:
    """A button that is gone on the server is pressed on a screen that still shows it."""
    client = AsyncWebClient(token=slack.bot_token, base_url=slack.url)
    channel = slack.workspace.channel("approvals").id
    posted = await client.chat_postMessage(channel=channel, text="R-1", blocks=CARD)
    screen = slack.person("bob").messages("approvals")[-1].snapshot()
    await client.chat_update(channel=channel, ts=str(posted["ts"]), text="decided", blocks=[CARD[0]])
    with pytest.raises(NotPossible):
        await slack.person("bob").clicks("Approve")
    assert (await slack.person("bob").clicks("Approve", screen)).sent


async def test_only_what_is_seen_can_be_clicked(slack: LocalSlack) -> None:
    """A person outside the channel neither sees nor presses its buttons; a deactivated person does nothing."""
    await AsyncWebClient(token=slack.bot_token, base_url=slack.url).chat_postMessage(
        channel=slack.workspace.channel("approvals").id, text="R-1", blocks=CARD
    )
    with pytest.raises(NotPossible):
        await slack.person("alice").clicks("Approve")
    slack.workspace.deactivate("bob")
    with pytest.raises(NotPossible):
        await slack.person("bob").clicks("Approve")
