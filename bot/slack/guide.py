"""The guide: the help, the answer to words that mean nothing, the first message to somebody. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bot.core.model import Record, Rule
from bot.slack import buttons, wording
from bot.slack.block_kit import MAX_TEXT, Block, Body, actions, context, section
from bot.slack.wording import inert

MAX_NAMED = 20
MAX_CALLED = 5


def help_(
    offered: Sequence[Rule], waiting: Sequence[Record], *, command: str, help_channel: str, looks_up: str | None = None
) -> Body:
    """Every command with a button that does the same, and what this person waits for. `looks_up` is an API of which they may look
    up who holds a token."""
    typed = inert(command, 40)
    rows = [
        (f"*Request a token:* {_ways(typed, offered)}\n{_offer(offered)}", buttons.request()),
        (f"*See your tokens, and what waits for you:* `{typed} list`{_waiting(waiting)}", buttons.listed()),
    ]
    if looks_up is not None:
        about = f"`{typed} who {inert(looks_up, 75)}`, or `{typed} who @somebody`"
        rows.append((f"*See who holds a token:* {about}", buttons.who(looks_up)))
    return _told([], rows, f"Questions: {wording.channel(help_channel)}.")


def unknown(words: str, nearest: Rule | None, *, command: str, help_channel: str) -> Body:
    """Nothing is called so: what there is instead, and the API that was probably meant."""
    typed = inert(command, 40)
    said = (
        f"I don't know “{inert(words, 100)}”. Try `{typed}` to request a token, `{typed} list` for your tokens and approvals, "
        f"`{typed} help`."
    )
    meant = [(f"Did you mean *{inert(nearest.title, 75)}*?", _request(nearest))] if nearest is not None else []
    return _told([said], meant, f"Questions: {wording.channel(help_channel)}.")


def ambiguous(words: str, called: Sequence[Rule], *, command: str) -> Body:
    """Several APIs begin so: which one?"""
    shown = called[:MAX_CALLED]
    typed = inert(command, 40)
    more = f"And more: `{typed}` finds them all." if len(called) > len(shown) else f"`{typed}` alone lets you search."
    rows = [(_described(rule), _request(rule)) for rule in shown]
    return _told([f"Several APIs begin with “{inert(words, 100)}”. Which one?"], rows, more)


def welcome(*, command: str, help_channel: str) -> Body:
    """The first message to somebody, in a conversation that they cannot write in."""
    typed = inert(command, 40)
    said = (
        "Your API tokens will arrive here. You can't write to me here: to request a token, press the button, or type "
        f"`{typed}` in any channel. *Home*, above, shows what you have. Questions: {wording.channel(help_channel)}."
    )
    return Body(said, [section(said), *actions("door", [buttons.request()])])


def _ways(typed: str, offered: Sequence[Rule]) -> str:
    return f"`{typed}`" + (f", or `{typed} {inert(offered[0].name, 75)}` for one API" if offered else "")


def _offer(offered: Sequence[Rule]) -> str:
    if not offered:
        return wording.NOTHING_OFFERED
    names = [inert(rule.title, 75) for rule in offered[:MAX_NAMED]]
    names += [f"{len(offered) - MAX_NAMED:,} more"] if len(offered) > MAX_NAMED else []
    return f"You can request tokens for {wording.people(names)}."


def _waiting(waiting: Sequence[Record]) -> str:
    if not waiting:
        return ""
    numbers = [f"{one.request.label} ({inert(one.request.rule.title, 75)})" for one in waiting[:10]]
    numbers += [f"{len(waiting) - 10:,} more"] if len(waiting) > 10 else []
    return f"\nWaiting for a decision: {wording.people(numbers)}."


def _described(rule: Rule) -> str:
    about = f"\n{inert(rule.description, 150)}" if rule.description else ""
    return f"*{inert(rule.title, 75)}* (`{inert(rule.name, 75)}`){about}"


def _request(rule: Rule) -> Block:
    return buttons.request(rule.name, rule.title)


def _told(first: list[str], rows: list[tuple[str, Block]], last: str) -> Body:
    """Sentences, rows with a button each, and a line below; `text` says all of it in words."""
    blocks = [
        *map(section, first),
        *(section(said) | {"accessory": offered} for said, offered in rows),
        context([last]),
    ]
    text = "\n".join([*first, *(said for said, _ in rows), last])
    return Body(wording.cut(text, MAX_TEXT), blocks)
