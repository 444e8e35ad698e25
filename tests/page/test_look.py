"""How things look: every block that the bot may use, what is unknown, threads, updates in place, both themes, any width."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
from playwright.async_api import expect

from bot.local.slack.client import TURNED_OFF
from tests.page import APP, Scene, Window, staged

Json = dict[str, Any]


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def _option(text: str) -> Json:
    return {"text": plain(text), "value": text.lower()}


CONFIRM = {"title": plain("Sure?"), "text": plain("It ends."), "confirm": plain("End It"), "deny": plain("Keep It")}
MESSAGE: list[Json] = [
    {"type": "header", "text": plain("A header :rocket:")},
    {
        "type": "section",
        "text": {
            "type": "mrkdwn",
            "text": "*bold* _italic_ ~struck~ `code` <https://example.com|a link> <@U0ALICE> <!subteam^S0DEVS> <#C0HELP> :key: "
            "1 &lt; 2 <!date^0^{date_num}|then>\n> quoted\n```one\ntwo```",
        },
        "accessory": {"type": "overflow", "action_id": "more", "options": [_option("Later")]},
    },
    {"type": "section", "fields": [plain("one field"), plain("another field")]},
    {"type": "divider"},
    {"type": "context", "elements": [{"type": "mrkdwn", "text": "in *context*"}]},
    {
        "type": "actions",
        "elements": [
            {"type": "button", "action_id": "yes", "style": "primary", "text": plain("Yes")},
            {"type": "button", "action_id": "no", "style": "danger", "text": plain("No"), "confirm": CONFIRM},
            {
                "type": "static_select",
                "action_id": "which",
                "placeholder": plain("Which"),
                "options": [_option("First")],
            },
        ],
    },
    {
        "type": "rich_text",
        "elements": [
            {"type": "rich_text_section", "elements": [{"type": "text", "text": "rich", "style": {"bold": True}}]},
            {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "as it is"}]},
            {
                "type": "rich_text_list",
                "style": "bullet",
                "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "an item"}]}],
            },
        ],
    },
    {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}]]},
]
FORM: list[Json] = [
    {
        "type": "input",
        "block_id": kind,
        "label": plain(f"Label of {kind}"),
        "hint": plain(f"Hint of {kind}"),
        "optional": True,
        "element": {"type": kind, "action_id": kind, **more},
    }
    for kind, more in (
        ("plain_text_input", {"multiline": True, "max_length": 50}),
        ("static_select", {"options": [_option("Red"), _option("Green")]}),
        ("multi_static_select", {"options": [_option("Red"), _option("Green")]}),
        ("users_select", {}),
        ("radio_buttons", {"options": [_option("Tea"), _option("Milk")]}),
        ("checkboxes", {"options": [_option("Salt"), _option("Pepper")]}),
        ("datepicker", {}),
        ("number_input", {"is_decimal_allowed": False}),
        ("file_input", {}),
    )
]


async def _call(scene: Scene, method: str, **arguments: Any) -> Json:
    headers = {"Authorization": f"Bearer {scene.slack.bot_token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{scene.slack.url}{method}", json=arguments) as answer,
    ):
        told: Json = await answer.json()
    assert told["ok"], told
    return told


@asynccontextmanager
async def gallery(tmp_path: Path, **context: Any) -> AsyncIterator[tuple[Scene, Window]]:
    """#help with one message of everything in it, as Alice sees it."""
    async with staged(tmp_path) as scene:
        await _call(scene, "chat.postMessage", channel="C0HELP", text="everything", blocks=MESSAGE)
        window = await scene.window("alice", room="C0HELP", **context)
        await expect(window.message("A header")).to_be_visible()
        yield scene, window


async def test_every_block_is_drawn_and_the_unknown_one_says_so(tmp_path: Path) -> None:
    """Formatting, mentions and dates by their names; nothing is left out in silence."""
    async with gallery(tmp_path) as (_, window):
        message = window.message("A header")
        await expect(message.get_by_role("heading")).to_have_text("A header 🚀")
        for tag, text in (
            ("strong", "bold"),
            ("em", "italic"),
            ("s", "struck"),
            ("blockquote", "quoted"),
            ("li", "an item"),
        ):
            await expect(message.locator(tag).first).to_have_text(text)
        await expect(message.locator("code")).to_have_text("code")
        assert await message.locator("pre").all_text_contents() == ["one\ntwo", "as it is"]
        await expect(message.get_by_role("link", name="a link")).to_have_attribute("href", "https://example.com")
        assert await message.locator(".mention").all_text_contents() == ["@Alice Adams", "@payments-devs", "#help"]
        await expect(message).to_contain_text("🔑 1 < 2 1970-01-01")
        await expect(message.locator(".unknown")).to_have_text("This page does not know the block “table”. Slack may.")


async def test_a_button_with_a_question_asks_it_first(tmp_path: Path) -> None:
    """Keep It sends nothing, End It does; Escape is a no."""
    async with gallery(tmp_path) as (scene, window):
        await window.button("No").click()
        question = window.page.get_by_role("alertdialog", name="Sure?")
        await expect(question.get_by_role("button", name="Keep It")).to_be_focused()
        await window.page.keyboard.press("Escape")
        await expect(question).to_have_count(0)
        assert not [entry for entry in scene.slack.journal.of("human") if entry.name == "acts"]
        await window.button("No").click()
        await question.get_by_role("button", name="End It").click()
        await expect(window.modal).to_contain_text("Out of date")
        assert [entry.data["action_id"] for entry in scene.slack.journal.of("human") if entry.name == "acts"] == ["no"]


async def test_a_thread_stands_under_its_first_message(tmp_path: Path) -> None:
    """Replies are where they belong, and no message of their own in the channel."""
    async with gallery(tmp_path) as (scene, window):
        first = await _call(scene, "chat.postMessage", channel="C0HELP", text="the question")
        reply = await _call(scene, "chat.postMessage", channel="C0HELP", text="the answer", thread_ts=first["ts"])
        question = window.page.locator("#log > article", has_text="the question")
        await expect(question.locator(".thread")).to_contain_text("1 reply")
        await expect(question.locator(".thread article")).to_contain_text("the answer")
        await _call(scene, "chat.postMessage", channel="C0HELP", text="thanks", thread_ts=reply["ts"])
        await expect(question.locator(".thread")).to_contain_text("2 replies")
        parent = scene.slack.workspace.message("C0HELP", first["ts"])
        assert parent is not None
        assert parent["reply_count"] == 2
        await _call(scene, "chat.delete", channel="C0HELP", ts=reply["ts"])
        await expect(question.locator(".thread")).to_contain_text("1 reply")
        await expect(window.page.locator("#log > article")).to_have_count(2)


async def test_times_are_the_reader_s(tmp_path: Path) -> None:
    """Alice reads them in Amsterdam, Carol in New York, wherever the browser is."""
    async with gallery(tmp_path) as (scene, alice):
        carol = await scene.window("carol", room="C0HELP", timezone_id="Asia/Tokyo")
        at = datetime.fromtimestamp(float(scene.slack.workspace.posts["C0HELP"][0].ts), UTC)
        for window, zone in ((alice, "Europe/Amsterdam"), (carol, "America/New_York")):
            shown = window.message("A header").locator("header time")
            await expect(shown).to_have_text(at.astimezone(ZoneInfo(zone)).strftime("%H:%M"))


def _app(*, home: bool) -> Json:
    """A manifest of an app with shortcuts, whose direct messages nobody can write to."""
    tabs = {"home_tab_enabled": home, "messages_tab_enabled": True, "messages_tab_read_only_enabled": True}
    entries = [("Begin", "global"), ("Begin with this", "message")]
    shortcuts = [{"name": name, "type": kind, "callback_id": kind, "description": name} for name, kind in entries]
    commands = [{"command": "/tyk-key", "description": "Request a token"}]
    features = {"app_home": tabs, "shortcuts": shortcuts, "slash_commands": commands}
    return {"display_information": {"name": APP}, "features": features}


async def test_a_home_tab_is_there_where_the_app_has_one(tmp_path: Path) -> None:
    """Beside the messages of the app, which have no composer; without a Home tab there are no tabs at all."""
    async with staged(tmp_path) as scene:
        scene.slack.install(_app(home=False))
        alice = await scene.window("alice")
        await expect(alice.composer).to_be_visible()
        await expect(alice.page.get_by_text(TURNED_OFF)).to_be_hidden()
        await alice.go(APP)
        await expect(alice.composer).to_be_hidden()
        await expect(alice.page.get_by_text(TURNED_OFF)).to_be_visible()
        await expect(alice.page.get_by_role("tab", name="Home")).to_have_count(0)
        scene.slack.install(_app(home=True))
        home = {"type": "home", "blocks": [{"type": "header", "text": plain("At home")}]}
        await _call(scene, "views.publish", user_id="U0ALICE", view=home)
        await alice.page.get_by_role("tab", name="Home").click()
        await expect(alice.page.get_by_role("heading", name="At home")).to_be_visible()
        await alice.page.keyboard.press("ArrowRight")
        await expect(alice.page.get_by_role("log")).to_be_visible()
        await expect(alice.composer).to_be_hidden()


async def test_shortcuts_are_in_the_menu_of_the_composer_and_of_a_message(tmp_path: Path) -> None:
    """One is picked from anywhere, the other on what somebody wrote: each goes to the app with what Slack sends."""
    async with staged(tmp_path) as scene:
        scene.slack.install(_app(home=False))
        alice = await scene.window("alice")
        await alice.button("Shortcuts").click()
        await alice.page.get_by_role("menuitem", name="Begin", exact=True).click()
        await alice.types("Could somebody look at this?")
        await alice.message("Could somebody").get_by_role("button", name="More actions").click()
        await alice.page.get_by_role("menuitem", name="Begin with this").click()

        def sent() -> list[Json] | None:
            payloads = [one.data["frame"].get("payload", {}) for one in scene.slack.journal.of("frame")]
            used = [one for one in payloads if one.get("type") in ("shortcut", "message_action")]
            return used if len(used) == 2 else None

        first, second = await scene.slack.changes.until(sent, 20, "both shortcuts")
        assert ("channel" in first, first["callback_id"]) == (False, "global")
        assert (second["channel"]["name"], second["message"]["text"]) == ("general", "Could somebody look at this?")


def form(scene: Scene, blocks: list[Json]) -> Any:
    """A form on Alice's screen, as a bot would have opened it."""
    place = scene.slack.workspace
    content = {"type": "modal", "title": plain("A form"), "submit": plain("Send"), "blocks": blocks}
    view = place.new_view(content, "U0ALICE")
    place.show_view(view)
    return view


async def test_a_form_that_changes_under_her_hands_keeps_what_she_typed(tmp_path: Path) -> None:
    """An update in place: the new block is there, her words and the cursor are where they were."""
    async with staged(tmp_path) as scene:
        alice = await scene.window("alice")
        view = form(scene, FORM)
        text = alice.modal.get_by_role("textbox", name="Label of plain_text_input")
        await text.fill("half a sen")
        await alice.picks("Label of multi_static_select", "Green")
        news = {"type": "section", "block_id": "news", "text": plain("Something new")}
        changed = [
            block | ({"hint": plain("Another hint")} if block["block_id"] == "plain_text_input" else {})
            for block in FORM
        ]
        await text.focus()
        await text.press("End")
        scene.slack.workspace.replace_view(view, {**view.content, "blocks": [news, *changed]})
        await expect(alice.modal).to_contain_text("Another hint")
        await expect(text).to_be_focused()
        await alice.page.keyboard.type("tence")
        await expect(text).to_have_value("half a sentence")
        await expect(alice.modal.locator(".chip")).to_have_text("Green")
        await expect(alice.modal.locator(".counter")).to_have_text("15/50")
        await expect(alice.modal.locator(".unknown")).to_have_text(
            "This page does not know the element “file_input”. Slack may."
        )


async def test_a_form_on_a_form_goes_back_to_what_was_typed_and_the_cross_closes_both(tmp_path: Path) -> None:
    """Cancel closes the one on top; the one below is as she left it."""
    async with staged(tmp_path) as scene:
        alice = await scene.window("alice")
        below = form(scene, FORM[:1])
        text = alice.modal.get_by_role("textbox", name="Label of plain_text_input")
        await text.fill("kept")
        place = scene.slack.workspace
        above = {"type": "modal", "title": plain("On top"), "blocks": [{"type": "section", "text": plain("Look")}]}
        place.show_view(place.new_view(above, "U0ALICE", over=below))
        await expect(alice.modal.get_by_role("heading", name="On top")).to_be_visible()
        await alice.modal.get_by_role("button", name="Cancel").click()
        await expect(text).to_have_value("kept")
        place.show_view(place.new_view(above, "U0ALICE", over=below))
        await expect(alice.modal.get_by_role("heading", name="On top")).to_be_visible()
        await alice.modal.get_by_role("button", name="Close").click()
        await expect(alice.modal).to_have_count(0)


async def test_a_choice_in_a_message_is_told_at_once_and_stays(tmp_path: Path) -> None:
    """A select beside buttons: no form, no submission."""
    async with gallery(tmp_path) as (scene, alice):
        await alice.page.get_by_role("combobox", name="Which").click()
        await alice.page.get_by_role("option", name="First").click()
        await expect(alice.page.get_by_role("combobox", name="Which")).to_have_value("First")
        payload = await scene.slack.changes.until(lambda: _acted(scene), 20, "the action")
        assert payload["actions"][0]["selected_option"]["value"] == "first"
        assert payload["container"]["channel_id"] == "C0HELP"


def _acted(scene: Scene) -> Json | None:
    frames = [entry.data["frame"].get("payload", {}) for entry in scene.slack.journal.of("frame")]
    return next((payload for payload in frames if payload and payload.get("type") == "block_actions"), None)


async def test_what_is_typed_and_chosen_reaches_the_app(tmp_path: Path) -> None:
    """All kinds of input, sent as Slack sends them."""
    async with staged(tmp_path) as scene:
        alice = await scene.window("alice")
        form(scene, FORM)
        await alice.modal.get_by_role("textbox", name="Label of plain_text_input").fill("two\nlines")
        await alice.picks("Label of static_select", "Red")
        await alice.picks("Label of users_select", "Bob Brown")
        await alice.modal.get_by_role("radio", name="Milk").check()
        await alice.modal.get_by_role("checkbox", name="Pepper").check()
        await alice.modal.get_by_label("Label of datepicker").fill("2027-01-31")
        await alice.modal.get_by_label("Label of number_input").fill("42")
        await alice.modal.get_by_role("button", name="Send").click()
        await expect(alice.modal).to_contain_text("Out of date")
        frames = [entry.data["frame"] for entry in scene.slack.journal.of("frame")]
        sent = [frame["payload"] for frame in frames if frame.get("payload", {}).get("type") == "view_submission"]
        values = {name: next(iter(actions.values())) for name, actions in sent[0]["view"]["state"]["values"].items()}
        assert values["plain_text_input"]["value"] == "two\nlines"
        assert values["static_select"]["selected_option"]["value"] == "red"
        assert values["users_select"]["selected_user"] == "U0BOB"
        assert values["radio_buttons"]["selected_option"]["value"] == "milk"
        assert [one["value"] for one in values["checkboxes"]["selected_options"]] == ["pepper"]
        assert values["datepicker"]["selected_date"] == "2027-01-31"
        assert values["number_input"]["value"] == "42"
