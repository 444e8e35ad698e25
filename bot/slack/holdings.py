"""One person's requests and tokens, and what waits for their decision: as a modal, and as the Home tab. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from bot.core import timing
from bot.core.model import Record, Request, RequestState, Review, Rule, Verdict
from bot.slack import buttons, state, wording
from bot.slack.block_kit import Block, actions, context, plain, section
from bot.slack.wording import inert

CALLBACK_HOLDINGS = "holdings"
MAX_AWAITING = 15
MAX_DECIDED = 4
MAX_OWN = 20
MAX_PAST = 5
_LAST = datetime.max.replace(tzinfo=UTC)
NOTHING = "You have no tokens or requests yet, and nothing waits for you."


class Listed(Protocol):
    """The requests to list: others' that wait for this person, those about which they said yes or no, and their own.

    `more_own` and `more_awaiting`: there are, or may be, others that were not looked at, so nobody can count them. `at` is the
    time of that look.
    """

    @property
    def standing(self) -> Sequence[Record]: ...
    @property
    def past(self) -> Sequence[Record]: ...
    @property
    def awaiting(self) -> Sequence[Record]: ...
    @property
    def decided(self) -> Sequence[tuple[Record, Review]]: ...
    @property
    def more_own(self) -> bool: ...
    @property
    def more_awaiting(self) -> bool: ...
    @property
    def at(self) -> datetime: ...


def loading() -> Block:
    return _modal([section("Looking up your requests and tokens…")])


def view(listed: Listed, *, command: str, help_channel: str) -> Block:
    """The list as a modal."""
    said = f"`{inert(command, 40)}` requests a token. Questions: {wording.channel(help_channel)}."
    return _modal([*_parts(listed), context([said])])


def home(listed: Listed, offered: Sequence[Rule], *, command: str, help_channel: str) -> Block:
    """The same as the Home tab, with the way to a token above and help below."""
    as_of = f"As of {wording.date(listed.at)}. This page stays up to date for half an hour after you open it."
    return _home(
        [
            *_door(offered),
            *_parts(listed),
            _header("Help"),
            section("\n".join(_help(offered, inert(command, 40), wording.channel(help_channel)))),
            context([as_of]),
        ]
    )


def no_home(said: str) -> Block:
    """The Home tab of whom nothing can be shown: `said` is why, in mrkdwn of our own."""
    return _home([section(said)])


def _door(offered: Sequence[Rule]) -> list[Block]:
    if not offered:
        return [section(wording.NOTHING_OFFERED)]
    return [
        section(f"You can request tokens for {wording.as_many(_titles(offered), last='and', limit=1000)}."),
        *actions("door", [buttons.request()]),
    ]


def _titles(offered: Sequence[Rule]) -> list[str]:
    return [inert(rule.title, 75) for rule in offered]


def _help(offered: Sequence[Rule], command: str, help_: str) -> list[str]:
    one = f", or `{command} {inert(offered[0].name, 75)}` for one API" if offered else ""
    return [
        f"• In any channel, type `{command}` to request a token{one}.",
        f"• `{command} list` shows the same there, `{command} help` lists all commands.",
        f"• Your tokens arrive under *Messages*, beside this page. You can't write there: for questions, ask in {help_}.",
    ]


# --- the parts --------------------------------------------------------------------------------------------------------


def _parts(listed: Listed) -> list[Block]:
    """The blocks of a list: what waits for this person, what they decided, and their own: those that wait, those that end
    soon, those that are over."""
    own, awaiting, past = sorted(listed.standing, key=_urgency), listed.awaiting, listed.past[:MAX_PAST]
    decided = listed.decided[:MAX_DECIDED]
    blocks = [
        *_part(
            "Waiting for you",
            list(map(_asked_by, awaiting[:MAX_AWAITING])),
            len(awaiting),
            unknown=listed.more_awaiting,
        ),
        *_part("Decided by you", list(map(_reviewed, decided)), len(decided)),
        *_part("Your tokens and requests", list(map(_own, own[:MAX_OWN])), len(own), unknown=listed.more_own),
        *_part("Past", list(map(_own, past)), len(past)),
    ]
    return blocks or [section(NOTHING)]


def _urgency(record: Record) -> tuple[bool, datetime, int]:
    end = timing.end_of(record)
    waits = record.request.state is RequestState.PENDING
    return (not waits, end.at if end else _LAST, record.request.number)


def _part(title: str, entries: list[list[Block]], count: int, *, unknown: bool = False) -> list[Block]:
    """The entries under their heading, and how many of `count` are left out; `unknown`: that is the least."""
    if not (entries or unknown):
        return []
    blocks: list[Block] = [_header(title), *(one for entry in entries for one in entry)]
    if left := count - len(entries):
        blocks.append(context([f"And at least {left:,} more." if unknown else f"And {left:,} more."]))
    elif unknown:
        blocks.append(context(["There may be more."]))
    return blocks


def _own(record: Record) -> list[Block]:
    return _entry(record, [], buttons.for_holder(record))


def _asked_by(record: Record) -> list[Block]:
    request = record.request
    return _entry(
        record,
        [f"{wording.person(request.requester)} requests {_for_how_long(request)}."],
        buttons.for_approvers(record),
        to_decide=True,
    )


def _reviewed(decided: tuple[Record, Review]) -> list[Block]:
    """The blocks with what this person said of somebody's request, if it was not the last word, and what came of it."""
    record, review = decided
    request = record.request
    lines = [f"{wording.person(request.requester)} requested {_for_how_long(request)}."]
    if request.decided_by != review.reviewer:
        said = "approved" if review.verdict is Verdict.YES else "denied"
        lines.append(f"You {said} this, {wording.date(review.at)}.")
    return _entry(record, lines, buttons.for_approvers(record) if request.state is not RequestState.PENDING else [])


def _for_how_long(request: Request) -> str:
    return "access that doesn't expire" if request.lifetime is None else f"it for {wording.duration(request.lifetime)}"


def _entry(record: Record, first: list[str], offered: list[Block], *, to_decide: bool = False) -> list[Block]:
    """`to_decide`: it waits for the reader."""
    request = record.request
    lines = [f"*{request.label}* · {wording.subject(request)}", *first]
    if request.answers.used_by.strip():
        lines.append(f"Used by: {inert(request.answers.used_by, 80)}")
    if to_decide and request.answers.reason.strip():
        lines.append(f"Reason: {inert(request.answers.reason, 500)}")
    lines += state.lines(record, card=bool(first), yours=to_decide)
    return [section("\n".join(lines)), *actions(f"buttons:{request.id}", offered)]


# --- the wholes -------------------------------------------------------------------------------------------------------


def _header(title: str) -> Block:
    return {"type": "header", "text": plain(title, 150)}


def _modal(blocks: list[Block]) -> Block:
    return {
        "type": "modal",
        "callback_id": CALLBACK_HOLDINGS,
        "title": plain("Requests and tokens", 24),
        "close": plain("Close", 24),
        "blocks": blocks,
    }


def _home(blocks: list[Block]) -> Block:
    return {"type": "home", "callback_id": CALLBACK_HOLDINGS, "blocks": blocks}
