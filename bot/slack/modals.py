"""The common part of all modals: the reading of a view that came back, and the modals that ask nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bot.core.limits import tidy
from bot.core.model import Record
from bot.slack.block_kit import Block, modal, preformatted, section
from bot.slack.snippets import Snippet

CALLBACK_NOTICE = "notice"
ACTION_REASON = "reason"

MAX_TIDIED = 10_000  # a text far beyond what any field takes will be refused as it is


class StaleView(Exception):
    """The view that came back is not one that this version draws, or not all of it had been drawn yet."""


def notice(title: str, said: str) -> Block:
    """A small modal that asks nothing: for a click that lost or was refused. `said` is mrkdwn of our own."""
    return modal(title, [section(said)], close="Close", callback=CALLBACK_NOTICE)


def snippet(record: Record, snippet: Snippet) -> Block:
    """Lines that use a token of this request, without the token."""
    blocks = [section(snippet.about), preformatted(snippet.lines(record.request.rule))]
    return modal(snippet.name, blocks, close="Close", callback=CALLBACK_NOTICE)


# --- what comes back --------------------------------------------------------------------------------------------------


def request_id(view: Mapping[str, Any]) -> str:
    """The id that was minted when the view was opened. Raises StaleView."""
    return kept_name(view, "request_id")


def kept_name(view: Mapping[str, Any], name: str) -> str:
    """The text that the view carries along under this name. Raises StaleView where there is none."""
    if (said := kept(view, name)) is None:
        raise StaleView(f"no {name}")
    return said


def kept(view: Mapping[str, Any], name: str) -> str | None:
    """The same, or None: it stands beside what people see."""
    try:
        carried = json.loads(view["private_metadata"])
    except (KeyError, TypeError, ValueError):
        return None
    said = carried.get(name) if isinstance(carried, dict) else None
    return said if isinstance(said, str) and said else None


def block_ids(view: Mapping[str, Any]) -> list[str]:
    """The ids of the blocks that were shown. Raises StaleView."""
    blocks = view.get("blocks")
    if not isinstance(blocks, list):
        raise StaleView("no blocks")
    return [str(block.get("block_id", "")) for block in blocks if isinstance(block, dict)]


def error_block(view: Mapping[str, Any], field: str) -> str:
    """The id of the input that a Refusal's field belongs to; the API's, or whatever input there is, where it is not asked."""
    blocks = view.get("blocks")
    inputs = [
        str(block.get("block_id"))
        for block in (blocks if isinstance(blocks, list) else [])
        if isinstance(block, dict) and block.get("type") == "input"
    ]
    mine = (one for one in inputs if one == field or one.startswith(f"{field}:"))
    return next(mine, "api" if "api" in inputs or not inputs else inputs[0])


def values(view: Mapping[str, Any]) -> dict[str, Any]:
    """The answers by block. Raises StaleView."""
    state = view.get("state")
    answers = state.get("values") if isinstance(state, dict) else None
    if not isinstance(answers, dict):
        raise StaleView("no values")
    return answers


def _answer(view: Mapping[str, Any], block_id: str, action_id: str) -> Mapping[str, Any] | None:
    block = values(view).get(block_id)
    if block is None:
        return None
    answer = block.get(action_id) if isinstance(block, dict) else None
    if not isinstance(answer, dict):
        raise StaleView(f"no answer in {action_id}")
    return answer


def picked(view: Mapping[str, Any], block_id: str, action_id: str) -> str | None:
    """The value that was picked in this block; None where there is no such block. Raises StaleView."""
    answer = _answer(view, block_id, action_id)
    option = None if answer is None else answer.get("selected_option")
    if option is None:
        return None
    value = option.get("value") if isinstance(option, dict) else None
    if not isinstance(value, str):
        raise StaleView(f"no value in {action_id}")
    return value


def written(view: Mapping[str, Any], block_id: str, action_id: str) -> str:
    """The text that was typed into this block. Raises StaleView."""
    answer = _answer(view, block_id, action_id)
    if answer is None:
        raise StaleView(f"no {block_id}")
    value = answer.get("value")
    if value is not None and not isinstance(value, str):
        raise StaleView(f"no text in {action_id}")
    return value if value is not None and len(value) > MAX_TIDIED else tidy(value or "")
