"""Pieces of Block Kit, each once. Words of ours are mrkdwn; what a person typed is plain text, in which Slack reads nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from bot.core.reasons import Link
from bot.slack import wording
from bot.slack.wording import clean, cut, inert

Block = dict[str, Any]
MAX_TEXT = 4000
MAX_SECTION = 3000
MAX_RADIOS = 5


# --- texts ------------------------------------------------------------------------------------------------------------


def plain(text: str, limit: int) -> Block:
    """A plain_text object: Slack reads nothing into it. It must not be empty, so nothing is drawn as a dash."""
    shown = clean(text).strip() or "–"  # noqa: RUF001 - a dash
    shown = shown if len(shown) <= limit else shown[: limit - 1].rstrip() + "…"
    return {"type": "plain_text", "text": shown, "emoji": False}


def mrkdwn(text: str, limit: int = MAX_SECTION) -> Block:
    """A mrkdwn object of our own words. Verbatim: Slack looks for no further links or names in it."""
    return {"type": "mrkdwn", "text": cut(text, limit), "verbatim": True}


# --- blocks -----------------------------------------------------------------------------------------------------------


def section(said: str) -> Block:
    return {"type": "section", "text": mrkdwn(said, MAX_SECTION)}


def heading(text: str) -> Block:
    return {"type": "header", "text": plain(text, 150)}


def quoted(name: str, typed: str) -> Block:
    """A person's own words: Slack reads nothing into them."""
    return {"type": "section", "text": plain(f"{name}: {typed.strip()}", 2000)}


def quotation(typed: str, begins: str = "", link: Link | None = None) -> Block:
    """A person's own words as they wrote them, behind `Alice asked because:` or the like: Slack reads nothing into them. What
    names something in them leads to it, where there is a `link`."""
    said = clean(typed).strip()[:2000] or "–"  # noqa: RUF001 - a dash
    before, found, after = said.partition(clean(link.text)) if link is not None else (said, "", "")
    words = [
        _text(before),
        *([{"type": "link", "url": link.url, "text": found}] if link and found else []),
        _text(after),
    ]
    quote = {"type": "rich_text_quote", "elements": [one for one in words if one["text"]]}
    first = [{"type": "rich_text_section", "elements": [_text(begins)]}] if begins else []
    return {"type": "rich_text", "elements": [*first, quote]}


def _text(said: str) -> Block:
    return {"type": "text", "text": said}


def warned(sentence: str) -> list[Block]:
    """The warning of an API as a block of its own, if it has one: a sign and a word, so that nobody needs to see a colour."""
    return [section(f":warning: *Warning:* {inert(sentence, 300)}")] if sentence else []


def words(typed: str) -> Block:
    """A person's own words and nothing else: Slack reads nothing into them."""
    return {"type": "section", "text": plain(typed.strip(), 2000)}


def preformatted(line: str) -> Block:
    inner = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": line}]}
    return {"type": "rich_text", "elements": [inner]}


def button(
    label: str, action_id: str, value: str, spoken: str, *, style: str | None = None, confirm: Block | None = None
) -> Block:
    button: Block = {
        "type": "button",
        "action_id": action_id,
        "text": plain(label, 75),
        "value": value,
        "accessibility_label": spoken[:75],
    }
    if style:
        button["style"] = style
    return button | {"confirm": confirm} if confirm else button


def confirm_dialog(title: str, said: str, yes: str, no: str) -> Block:
    return {"title": plain(title, 100), "text": plain(said, 300), "confirm": plain(yes, 30), "deny": plain(no, 30)}


def actions(block_id: str, buttons: list[Block]) -> list[Block]:
    """A row of buttons, if there are any: Slack takes no empty one."""
    return [{"type": "actions", "block_id": block_id, "elements": buttons}] if buttons else []


def context(lines: list[str]) -> Block:
    return {"type": "context", "elements": [mrkdwn(line, 2000) for line in lines[:10]]}


# --- inputs -----------------------------------------------------------------------------------------------------------


def input_block(block_id: str, label: str, element: Block, *, hint: str | None = None, optional: bool = False) -> Block:
    block = {
        "type": "input",
        "block_id": block_id,
        "label": plain(label, 2000),
        "element": element,
        "optional": optional,
    }
    return block | {"hint": plain(hint, 2000)} if hint else block


def text_input(action_id: str, typed: str, most: int, *, lines: bool = False) -> Block:
    element: Block = {"type": "plain_text_input", "action_id": action_id, "max_length": most}
    if lines:
        element["multiline"] = True
    if typed:
        element["initial_value"] = typed[:most]
    return element


def choice(action_id: str, options: list[Block], picked: str | None) -> Block:
    """Few are all in sight, many are behind a select."""
    kind = "radio_buttons" if len(options) <= MAX_RADIOS else "static_select"
    element: Block = {"type": kind, "action_id": action_id, "options": options}
    initial = next((option for option in options if option["value"] == picked), None)
    return element | {"initial_option": initial} if initial else element


def option(shown: str, value: str) -> Block:
    return {"text": plain(shown, 75), "value": value}


# --- wholes -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Body:
    """A message: `text` for notifications and screen readers, `blocks` for the eye. Its repr shows neither."""

    text: str
    blocks: list[Block]

    def __repr__(self) -> str:
        return f"Body({len(self.blocks)} blocks)"


def with_buttons(body: Body, buttons: list[Block]) -> Body:
    return Body(body.text, [*body.blocks, *actions("buttons", buttons)])


_MESSAGE = "message:"


def marked(body: Body, message_id: str) -> Body:
    """Whatever can be pressed says which message it is in, also before Slack's answer to the post is known."""
    blocks, count = [], 0
    for block in body.blocks:
        if block["type"] == "actions" or "accessory" in block:
            block = block | {"block_id": f"{_MESSAGE}{message_id}:{count}"}  # noqa: PLW2901 - the same block, marked
            count += 1
        blocks.append(block)
    return Body(body.text, blocks)


def marked_message(block_id: str) -> str | None:
    """The message that a block so marked is in."""
    return block_id.removeprefix(_MESSAGE).rpartition(":")[0] or None if block_id.startswith(_MESSAGE) else None


def said_with(sentence: str, reason: str = "") -> Body:
    """A sentence of ours and, apart from it, words that may be anybody's."""
    blocks = [section(sentence)]
    if not reason.strip():
        return Body(sentence, blocks)
    return Body(f"{sentence} Reason: {inert(reason, 600)}", [*blocks, quoted("Reason", wording.without_markup(reason))])


def modal(
    title: str,
    blocks: list[Block],
    *,
    submit: str | None = None,
    close: str = "Cancel",
    callback: str,
    metadata: dict[str, str] | None = None,
) -> Block:
    view: Block = {
        "type": "modal",
        "callback_id": callback,
        "title": plain(title, 24),
        "close": plain(close, 24),
        "blocks": blocks,
        "private_metadata": json.dumps(metadata or {}),
    }
    return view | {"submit": plain(submit, 24)} if submit else view
