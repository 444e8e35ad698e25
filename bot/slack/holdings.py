"""The list of one person's requests and keys, and of what waits for their decision, as a modal. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from bot.core import timing
from bot.core.model import Record, RequestState
from bot.slack import buttons, modals, state, wording
from bot.slack.block_kit import Block, actions, context, plain, section
from bot.slack.wording import inert

MAX_AWAITING = 15
MAX_OWN = 25
MAX_PAST = 5
_LAST = datetime.max.replace(tzinfo=UTC)


def loading() -> Block:
    return _view([section("Looking up your requests and keys…")])


def view(
    own: Sequence[Record],
    past: Sequence[Record],
    awaiting: Sequence[Record],
    *,
    command: str,
    help_channel: str,
    more_own: bool = False,
    more_awaiting: bool = False,
) -> Block:
    """Others' requests that wait for this person, then their own: those that wait, those that end soon, those that are over.

    `more_own` and `more_awaiting`: there are, or may be, others that were not looked at, so nobody can count them.
    """
    ordered = sorted(own, key=_urgency)
    blocks = [
        *_part("Waiting for you", list(map(_asked_by, awaiting[:MAX_AWAITING])), len(awaiting), unknown=more_awaiting),
        *_part("Yours", list(map(_own, ordered[:MAX_OWN])), len(own), unknown=more_own),
        *_part("Over", list(map(_own, past[:MAX_PAST])), min(len(past), MAX_PAST)),
    ]
    if not blocks:
        blocks = [section("You have asked for nothing yet, and nothing waits for you.")]
    said = f"{inert(command, 40)} asks for a token. Questions: {wording.channel(help_channel)}."
    return _view([*blocks, context([said])])


def _urgency(record: Record) -> tuple[bool, datetime, int]:
    end = timing.end_of(record)
    waits = record.request.state is RequestState.PENDING
    return (not waits, end.at if end else _LAST, record.request.number)


def _part(title: str, entries: list[list[Block]], count: int, *, unknown: bool = False) -> list[Block]:
    """The entries under their heading, and how many of `count` are left out; `unknown`: that is the least."""
    if not (entries or unknown):
        return []
    blocks: list[Block] = [{"type": "header", "text": plain(title, 150)}, *(one for entry in entries for one in entry)]
    if left := count - len(entries):
        blocks.append(context([f"And at least {left:,} more." if unknown else f"And {left:,} more."]))
    elif unknown:
        blocks.append(context(["There may be more."]))
    return blocks


def _own(record: Record) -> list[Block]:
    return _entry(record, [], buttons.for_holder(record))


def _asked_by(record: Record) -> list[Block]:
    who = [f"{wording.person(record.request.requester)} asks for {wording.duration(record.request.lifetime)}"]
    return _entry(record, who, buttons.for_approvers(record), reason=True)


def _entry(record: Record, first: list[str], offered: list[Block], *, reason: bool = False) -> list[Block]:
    request = record.request
    lines = [f"*{request.label}* · {state.what(request)}", *first]
    if request.answers.used_by.strip():
        lines.append(f"Used by: {inert(request.answers.used_by, 80)}")
    if reason and request.answers.reason.strip():
        lines.append(f"Reason: {inert(request.answers.reason, 500)}")
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
