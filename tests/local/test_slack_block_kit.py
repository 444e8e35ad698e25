"""The local Slack refuses the Block Kit that Slack refuses."""

from __future__ import annotations

from typing import Any

import pytest

from bot.local.slack.block_kit import check_blocks, check_options, check_view, figures, view_is_too_large

Json = dict[str, Any]


def plain(text: str = "x") -> Json:
    """A plain text object."""
    return {"type": "plain_text", "text": text}


def option(text: str = "x", value: str = "v") -> Json:
    """An option of a select."""
    return {"text": plain(text), "value": value}


def select(**more: Any) -> Json:
    """A static select."""
    return {"type": "static_select", "action_id": "a", "options": [option()], **more}


def an_input(element: Json, block_id: str = "b") -> Json:
    """An input block."""
    return {"type": "input", "block_id": block_id, "label": plain(), "element": element}


def modal(*blocks: Json, **more: Any) -> Json:
    """A modal with a submit button."""
    return {"type": "modal", "title": plain("T"), "submit": plain("S"), "blocks": list(blocks), **more}


def section(text: str = "x", **more: Any) -> Json:
    """A section with mrkdwn."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **more}


def button(**more: Any) -> Json:
    """A button."""
    return {"type": "button", "action_id": "a", "text": plain(), **more}


def actions(*elements: Json) -> Json:
    """An actions block."""
    return {"type": "actions", "elements": list(elements)}


def text_input(**more: Any) -> Json:
    """A text input."""
    return {"type": "plain_text_input", "action_id": "a", **more}


VIEWS: dict[str, tuple[Json, str]] = {
    "no submit": ({"type": "modal", "title": plain(), "blocks": [an_input(text_input())]}, "/view/submit"),
    "no title": ({"type": "modal", "blocks": [section()]}, "/view]"),
    "no options": (modal(an_input(select(options=[]))), "/view/blocks/0/element/options]"),
    "101 options": (modal(an_input(select(options=[option()] * 101))), "/view/blocks/0/element/options]"),
    "option text 76": (modal(an_input(select(options=[option("x" * 76)]))), "/options/0/text/text]"),
    "option value 151": (modal(an_input(select(options=[option(value="v" * 151)]))), "/options/0/value]"),
    "placeholder 151": (modal(an_input(select(placeholder=plain("x" * 151)))), "/element/placeholder/text]"),
    "foreign initial option": (modal(an_input(select(initial_option=option("y", "w")))), "/element/initial_option]"),
    "options and groups": (
        modal(an_input(select(option_groups=[{"label": plain(), "options": [option()]}]))),
        "/blocks/0/element]",
    ),
    "same block_id": (modal(an_input(text_input()), an_input(text_input())), "/view/blocks/1/block_id]"),
    "max_length 3001": (modal(an_input(text_input(max_length=3001))), "/element/max_length]"),
    "min above max": (modal(an_input(text_input(min_length=5, max_length=4))), "/element]"),
    "mrkdwn in title": (modal(section(), title={"type": "mrkdwn", "text": "x"}), "/view/title/type]"),
    "title 25": (modal(section(), title=plain("x" * 25)), "/view/title/text]"),
    "private_metadata 3001": (modal(section(), private_metadata="x" * 3001), "/view/private_metadata]"),
    "101 blocks": (modal(*[section()] * 101), "/view/blocks]"),
    "unknown key": (modal(section(), colour="red"), "/view/colour]"),
    "unknown element": (modal(an_input({"type": "slider", "action_id": "a"})), "/element/type]"),
    "button as input": (modal(an_input(button())), "/element/type]"),
    "hint mrkdwn": (modal({**an_input(text_input()), "hint": {"type": "mrkdwn", "text": "x"}}), "/hint/type]"),
    "two focuses": (
        modal(an_input(text_input(focus_on_load=True)), an_input(text_input(focus_on_load=True), "c")),
        "/view/blocks]",
    ),
    "11 radios": (
        modal(an_input({"type": "radio_buttons", "action_id": "a", "options": [option()] * 11})),
        "/element/options]",
    ),
    "markdown in a modal": (modal({"type": "markdown", "text": "x"}), "/view/blocks/0/type]"),
}
BLOCKS: dict[str, tuple[list[Json], str]] = {
    "51 blocks": ([{"type": "divider"}] * 51, "/blocks]"),
    "mrkdwn in header": ([{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}], "/blocks/0/text/type]"),
    "header 151": ([{"type": "header", "text": plain("x" * 151)}], "/blocks/0/text/text]"),
    "mrkdwn in button": ([actions(button(text={"type": "mrkdwn", "text": "x"}))], "/elements/0/text/type]"),
    "button 76": ([actions(button(text=plain("x" * 76)))], "/elements/0/text/text]"),
    "button value 2001": ([actions(button(value="x" * 2001))], "/elements/0/value]"),
    "button style": ([actions(button(style="green"))], "/elements/0/style]"),
    "same action_id": ([actions(button(), button())], "/elements/1/action_id]"),
    "26 elements": ([actions(*[button(action_id=f"a{i}") for i in range(26)])], "/blocks/0/elements]"),
    "text input in a message": ([an_input(text_input())], "/element/type]"),
    "section 3001": ([section("x" * 3001)], "/blocks/0/text/text]"),
    "empty text": ([section("")], "/blocks/0/text/text]"),
    "section of nothing": ([{"type": "section"}], "/blocks/0]"),
    "field 2001": ([{"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2001}]}], "/fields/0/text]"),
    "11 fields": ([{"type": "section", "fields": [plain()] * 11}], "/blocks/0/fields]"),
    "11 in context": ([{"type": "context", "elements": [plain()] * 11}], "/blocks/0/elements]"),
    "emoji in mrkdwn": ([{"type": "section", "text": {"type": "mrkdwn", "text": "x", "emoji": True}}], "/text/emoji]"),
    "unknown block": ([{"type": "banner"}], "/blocks/0/type]"),
    "no block": (["x"], "/blocks/0/type]"),  # type: ignore[list-item]  # wrong on purpose
    "unknown key": ([{"type": "divider", "width": 1}], "/blocks/0/width]"),
    "block_id 256": ([{"type": "divider", "block_id": "x" * 256}], "/blocks/0/block_id]"),
    "confirm without text": (
        [actions(button(confirm={"title": plain(), "confirm": plain(), "deny": plain()}))],
        "/confirm]",
    ),
    "image without url": ([{"type": "image", "alt_text": "x"}], "/blocks/0]"),
    "rich text of nothing": ([{"type": "rich_text", "elements": [{"type": "rich_text_table"}]}], "/elements/0/type]"),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_wrong_view_is_refused_at_its_place(name: str) -> None:
    """Each mistake is found, and found where it is."""
    view, place = VIEWS[name]
    complaints = check_view(view)
    assert any(place in complaint for complaint in complaints), complaints


@pytest.mark.parametrize("name", BLOCKS)
def test_wrong_blocks_are_refused_at_their_place(name: str) -> None:
    """Each mistake is found, and found where it is."""
    blocks, place = BLOCKS[name]
    complaints = check_blocks(blocks)
    assert any(place in complaint for complaint in complaints), complaints


def test_what_slack_takes_is_taken() -> None:
    """A message and a view that use every limit to its end are fine."""
    preformatted = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "token"}]}
    blocks = [
        {"type": "header", "text": plain("x" * 150)},
        section("x" * 3000, accessory={"type": "overflow", "action_id": "o", "options": [option()] * 5}),
        actions(button(value="x" * 2000, style="primary", url="https://example.com")),
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}]},
        {"type": "rich_text", "elements": [preformatted]},
        {"type": "divider"},
    ]
    assert check_blocks(blocks) == []
    first = option()
    view = modal(
        an_input(select(options=[first, option("y", "w")], initial_option=first)),
        an_input({"type": "external_select", "action_id": "a", "min_query_length": 0}, "c"),
        an_input(text_input(max_length=3000, multiline=True), "d"),
    )
    assert check_view(view) == []
    assert check_view({"type": "home", "blocks": [section()]}, ("home",)) == []


def test_a_view_has_a_weight() -> None:
    """Above 250 kB a view is too large."""
    assert not view_is_too_large(modal(section()))
    assert view_is_too_large(modal(*[section("x" * 3000)] * 100))


def test_answers_to_a_search_are_limited() -> None:
    """At most 100 options, and either options or groups."""
    assert check_options({"options": [option()] * 100}) == []
    assert check_options({"options": []}) == []
    assert check_options({"options": [option()] * 101})
    assert check_options({})


@pytest.mark.parametrize("kind", sorted(figures()["elements"]))
def test_every_element_knows_its_keys(kind: str) -> None:
    """A key that no element has is refused in each of them."""
    block = an_input({"type": kind, "action_id": "a", "nonsense": 1})
    assert any("/element/nonsense]" in complaint for complaint in check_view(modal(block)))
