"""What somebody asked for and holds, and what waits for their decision, as a modal. Pure; nothing is looked up here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from bot.core import timing
from bot.core.model import Record, RequestState
from bot.slack import buttons, modals, state, wording
from bot.slack.block_kit import Block, actions, mrkdwn, plain, section
from bot.slack.wording import inert

MAX_AWAITING = 15
MAX_OWN = 25
MAX_PAST = 5
_LAST = datetime.max.replace(tzinfo=UTC)


def loading() -> Block:
    return _view([section("Looking up your requests and keys…")])


def view(
    own: Sequence[Record], past: Sequence[Record], awaiting: Sequence[Record], *, command: str, help_channel: str
) -> Block:
    """Others' requests that wait for this person, then their own: those that wait, those that end soon, those that are over."""
    blocks = _part("Waiting for you", [_asked_by(record) for record in awaiting[:MAX_AWAITING]], len(awaiting))
    ordered = sorted(own, key=_urgency)
    blocks += _part("Yours", [_own(record) for record in ordered[:MAX_OWN]], len(own))
    blocks += _part("Over", [_own(record) for record in past[:MAX_PAST]], min(len(past), MAX_PAST))
    if not blocks:
        blocks = [section("You have asked for nothing yet, and nothing waits for you.")]
    said = f"{inert(command, 40)} asks for a token. Questions: {wording.channel(help_channel)}."
    return _view([*blocks, {"type": "context", "elements": [mrkdwn(said)]}])


def _urgency(record: Record) -> tuple[bool, datetime, int]:
    end = timing.end_of(record)
    waits = record.request.state is RequestState.PENDING
    return (not waits, end.at if end else _LAST, record.request.number)


def _part(title: str, entries: list[list[Block]], count: int) -> list[Block]:
    if not entries:
        return []
    blocks: list[Block] = [{"type": "header", "text": plain(title, 150)}]
    for entry in entries:
        blocks += entry
    if count > len(entries):
        blocks.append({"type": "context", "elements": [mrkdwn(f"And {count - len(entries):,} more.")]})
    return blocks


def _own(record: Record) -> list[Block]:
    return _entry(record, [], buttons.for_holder(record))


def _asked_by(record: Record) -> list[Block]:
    who = [f"{wording.person(record.request.requester)} asks for {wording.duration(record.request.lifetime)}"]
    return _entry(record, who, buttons.for_approvers(record), reason=True)


def _entry(record: Record, first: list[str], offered: list[Block], *, reason: bool = False) -> list[Block]:
    request = record.request
    lines = [f"*{request.label}* · {state.what(request)}", *first]
    if request.used_by.strip():
        lines.append(f"Used by: {inert(request.used_by, 80)}")
    if reason and request.reason.strip():
        lines.append(f"Reason: {inert(request.reason, 500)}")
    lines += state.lines(record, card=bool(first))
    return [section("\n".join(lines)), *actions(f"buttons:{request.id}", offered)]


def _view(blocks: list[Block]) -> Block:
    return {
        "type": "modal",
        "callback_id": modals.CALLBACK_HOLDINGS,
        "title": plain("Requests and Keys", 24),
        "close": plain("Close", 24),
        "blocks": blocks,
    }
