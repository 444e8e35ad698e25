"""Modals in the local Slack: triggers, hashes, stacks, what stays typed, searches, response URLs."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.local.slack import LocalSlack, Person
from bot.local.slack.client import TROUBLE
from tests.local.test_slack_story import MODAL, running

Json = dict[str, Any]


class Now:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = 1_700_000_000.0

    def __call__(self) -> float:
        return self.time


class Desk:
    """An app that keeps what it gets and answers as the test says."""

    def __init__(self, slack: LocalSlack, session: aiohttp.ClientSession, now: Now) -> None:
        self.slack = slack
        self.now = now
        self.client = AsyncWebClient(token=slack.bot_token, base_url=slack.url, session=session)
        self.app = AsyncApp(client=self.client)
        self.answer: Json | None = {}
        self.options: list[Json] = []
        self.bodies: list[Json] = []
        self.app.command("/ask")(self._take)
        self.app.view("ask")(self._take)
        self.app.action("choice")(self._take)
        self.app.action("more")(self._take)
        self.app.options("found")(self._search)

    async def _take(self, ack: Any, body: Json) -> None:
        self.bodies.append(body)
        if self.answer is not None:
            await ack(**self.answer)

    async def _search(self, ack: Any, body: Json) -> None:
        self.bodies.append(body)
        await ack(options=[o for o in self.options if body["value"] in o["value"]])

    async def trigger(self) -> str:
        """A fresh trigger of alice's."""
        self.answer = {}
        await self.alice.runs("/ask")
        return str(self.bodies[-1]["trigger_id"])

    @property
    def alice(self) -> Person:
        return self.slack.person("alice")

    async def opens(self, view: Json | None = None) -> Json:
        """Opens a modal before alice."""
        answer = await self.client.views_open(trigger_id=await self.trigger(), view=view or MODAL)
        opened: Json = answer["view"]
        return opened


@pytest.fixture
async def desk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    """The app, connected, and alice before it."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    now = Now()
    async with LocalSlack(clock=now, ack_seconds=0.3) as slack, aiohttp.ClientSession() as session:
        slack.workspace.add_user("alice")
        made = Desk(slack, session, now)
        async with running(made.app, slack):
            yield made


async def error_of(call: Any) -> str:
    """The code of a refusal."""
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])


def block(block_id: str, action_id: str = "text", **more: Any) -> Json:
    """A text input."""
    return {
        "type": "input",
        "block_id": block_id,
        "optional": True,
        "label": {"type": "plain_text", "text": block_id},
        "element": {"type": "plain_text_input", "action_id": action_id, **more},
    }


def modal(*blocks: Json, **more: Any) -> Json:
    """A modal of these blocks."""
    return {**MODAL, "blocks": list(blocks), **more}


async def test_a_trigger_is_good_once_for_three_seconds(desk: Desk) -> None:
    """Used, expired and made-up triggers are three errors."""
    trigger = await desk.trigger()
    desk.now.time += 2.9
    await desk.client.views_open(trigger_id=trigger, view=MODAL)
    assert await error_of(desk.client.views_open(trigger_id=trigger, view=MODAL)) == "exchanged_trigger_id"
    trigger = await desk.trigger()
    desk.now.time += 3.1
    assert await error_of(desk.client.views_open(trigger_id=trigger, view=MODAL)) == "expired_trigger_id"
    assert await error_of(desk.client.views_open(trigger_id="1.2.x", view=MODAL)) == "invalid_trigger_id"


async def test_a_wrong_view_does_not_open(desk: Desk) -> None:
    """The complaint names the place, the trigger is not spent, and the app is to blame."""
    trigger = await desk.trigger()
    wrong = {key: value for key, value in MODAL.items() if key != "submit"}
    assert await error_of(desk.client.views_open(trigger_id=trigger, view=wrong)) == "invalid_arguments"
    assert [e.kind for e in desk.slack.app_errors] == ["invalid_arguments"]
    await desk.client.views_open(trigger_id=trigger, view=MODAL)


async def test_a_hash_protects_from_an_older_update(desk: Desk) -> None:
    """After an update the earlier hash is refused."""
    view = await desk.opens()
    await desk.client.views_update(view_id=view["id"], hash=view["hash"], view=MODAL)
    late = desk.client.views_update(view_id=view["id"], hash=view["hash"], view=MODAL)
    assert await error_of(late) == "hash_conflict"
    await desk.alice.closes(everything=True)
    assert await error_of(desk.client.views_update(view_id=view["id"], view=MODAL)) == "not_found"


async def test_what_is_typed_stays_while_the_names_stay(desk: Desk) -> None:
    """Only an input with the same block_id and action_id keeps its text; a new one begins with its own."""
    view = await desk.opens(modal(block("a"), block("b"), block("c")))
    for name in "abc":
        await desk.alice.types(name, f"typed {name}")
    changed = modal(block("a", initial_value="other"), block("b", "renamed", initial_value="fresh"), block("d"))
    await desk.client.views_update(view_id=view["id"], view=changed)
    await desk.alice.submits()
    values = desk.bodies[-1]["view"]["state"]["values"]
    assert values["a"]["text"]["value"] == "typed a"
    assert values["b"]["renamed"]["value"] == "fresh"
    assert values["d"]["text"]["value"] is None
    assert "c" not in values


async def test_an_external_id_is_unique(desk: Desk) -> None:
    """A second view of that name is refused; the first can be found by it."""
    await desk.opens(modal(block("a"), external_id="one"))
    again = desk.client.views_open(trigger_id=await desk.trigger(), view=modal(block("a"), external_id="one"))
    assert await error_of(again) == "duplicate_external_id"
    await desk.client.views_update(external_id="one", view=modal(block("b"), external_id="one"))


async def test_three_views_are_a_stack(desk: Desk) -> None:
    """A push lies over what is there, a fourth is refused, and closing uncovers."""
    button: Json = {
        "type": "actions",
        "elements": [{"type": "button", "action_id": "more", "text": {"type": "plain_text", "text": "More"}}],
    }
    first = await desk.opens(modal(button, block("a")))
    for expected in (None, None, "push_limit_reached"):
        await desk.alice.clicks("More")
        push = desk.client.views_push(trigger_id=desk.bodies[-1]["trigger_id"], view=modal(button, block("a")))
        if expected is None:
            assert (await push)["view"]["root_view_id"] == first["id"]
        else:
            assert await error_of(push) == expected
    assert len(desk.alice.views) == 3
    assert desk.alice.views[1]["previous_view_id"] == first["id"]
    await desk.alice.closes()
    assert len(desk.alice.views) == 2
    desk.answer = {"response_action": "clear"}
    assert (await desk.alice.submits()).response_action == "clear"
    assert desk.alice.view is None


async def test_answers_to_a_submission(desk: Desk) -> None:
    """An update replaces the view, push covers it, and an empty answer closes the top."""
    await desk.opens(modal(block("a")))
    desk.answer = {"response_action": "update", "view": modal(block("b"))}
    assert (await desk.alice.submits()).response_action == "update"
    assert desk.alice.view is not None
    assert desk.alice.view["blocks"][0]["block_id"] == "b"
    desk.answer = {"response_action": "push", "view": modal(block("c"))}
    assert (await desk.alice.submits()).response_action == "push"
    desk.answer = {}
    await desk.alice.submits()
    assert desk.alice.view["blocks"][0]["block_id"] == "b"
    assert desk.slack.app_errors == []


async def test_no_answer_keeps_the_modal_with_its_banner(desk: Desk) -> None:
    """The person is told of trouble, and may send the same view again."""
    view = await desk.opens(modal(block("a")))
    desk.answer = None
    outcome = await desk.alice.submits()
    assert outcome.banner == desk.alice.banner == TROUBLE
    desk.answer = {}
    assert (await desk.alice.submits()).response_action == "close"
    assert [b["view"]["id"] for b in desk.bodies[-2:]] == [view["id"]] * 2
    assert [e.kind for e in desk.slack.app_errors] == ["no_ack"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"response_action": "errors", "errors": {"nowhere": "x"}}, "unknown_block_id"),
        ({"response_action": "update", "view": {"type": "modal", "blocks": []}}, "invalid_view"),
    ],
)
async def test_a_wrong_answer_is_the_apps_error(desk: Desk, answer: Json, kind: str) -> None:
    """Errors for an unknown block and a wrong view look like trouble to the person."""
    await desk.opens(modal(block("a")))
    desk.answer = answer
    assert (await desk.alice.submits()).banner == TROUBLE
    assert [e.kind for e in desk.slack.app_errors] == [kind]


async def test_a_search_offers_what_the_app_finds(desk: Desk) -> None:
    """An external select asks from its least length on, and what was found can be picked."""
    element = {"type": "external_select", "action_id": "found", "min_query_length": 2}
    await desk.opens(modal({**block("api"), "element": element}))
    desk.options = [
        {"text": {"type": "plain_text", "text": n.title()}, "value": n} for n in ("payments", "paypal", "ledger")
    ]
    assert await desk.alice.searches("found", "p") == []
    assert [o["value"] for o in await desk.alice.searches("api", "pay")] == ["payments", "paypal"]
    assert desk.bodies[-1]["type"] == "block_suggestion"
    await desk.alice.picks("api", "Paypal")
    await desk.alice.submits()
    assert desk.bodies[-1]["view"]["state"]["values"]["api"]["found"]["selected_option"]["value"] == "paypal"
    assert desk.slack.app_errors == []


async def test_a_search_that_offers_too_much_offers_nothing(desk: Desk) -> None:
    """101 options are the app's error, and the person sees none."""
    element = {"type": "external_select", "action_id": "found", "min_query_length": 0}
    await desk.opens(modal({**block("api"), "element": element}))
    desk.options = [{"text": {"type": "plain_text", "text": "x"}, "value": "x"}] * 101
    assert await desk.alice.searches("api", "") == []
    assert [e.kind for e in desk.slack.app_errors] == ["invalid_options"]


async def test_a_dispatching_input_sends_what_is_picked(desk: Desk) -> None:
    """With dispatch_action on, picking tells the app at once; without it, nothing is sent."""
    view = copy.deepcopy(MODAL)
    await desk.opens(view)
    assert not (await desk.alice.picks("api", "Ledger")).sent
    view["blocks"][0]["dispatch_action"] = True
    await desk.opens(view)
    assert (await desk.alice.picks("api", "Ledger")).sent
    assert desk.bodies[-1]["actions"][0]["selected_option"]["value"] == "ledger"
    assert desk.bodies[-1]["view"]["state"]["values"]["api"]["choice"]["selected_option"]["value"] == "ledger"


async def test_a_response_url_is_good_for_five_uses(desk: Desk) -> None:
    """Five messages within half an hour; then it is used up."""
    await desk.trigger()
    hook = AsyncWebhookClient(desk.bodies[-1]["response_url"])
    assert [(await hook.send(text=f"{n}")).status_code for n in range(6)] == [200] * 5 + [404]
    assert [m.text for m in desk.alice.messages("general")] == ["0", "1", "2", "3", "4"]
    await desk.trigger()
    desk.now.time += 1801
    gone = await AsyncWebhookClient(desk.bodies[-1]["response_url"]).send(text="x")
    assert "expired_url" in gone.body


async def test_an_ephemeral_is_replaced_and_deleted_by_the_url_of_its_click(desk: Desk) -> None:
    """Only the response_url of a click in it reaches an ephemeral."""
    button = {"type": "button", "action_id": "more", "text": {"type": "plain_text", "text": "More"}}
    desk.answer = {"text": "first", "blocks": [{"type": "actions", "elements": [button]}]}
    shown = (await desk.alice.runs("/ask")).message
    assert shown is not None
    desk.answer = {}
    await desk.alice.clicks("More")
    body = desk.bodies[-1]
    assert body["container"]["is_ephemeral"] is True
    assert "message" not in body
    hook = AsyncWebhookClient(body["response_url"])
    await hook.send(text="second", replace_original=True)
    assert [m.text for m in desk.alice.messages("general")] == ["second"]
    await hook.send(delete_original=True)
    assert desk.alice.messages("general") == []


async def test_the_home_tab_is_published_per_person(desk: Desk) -> None:
    """Everybody has their own page; its buttons work."""
    button = {"type": "button", "action_id": "more", "text": {"type": "plain_text", "text": "More"}}
    home = {"type": "home", "blocks": [{"type": "actions", "elements": [button]}]}
    await desk.client.views_publish(user_id="U0ALICE", view=home)
    await desk.alice.sees_home()
    assert (await desk.alice.clicks_in_home("More")).error is None
    assert desk.bodies[-1]["view"]["type"] == "home"
