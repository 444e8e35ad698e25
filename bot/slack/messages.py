"""A record as Slack messages. Pure; nothing is looked up, decided or sent here.

`post` holds only what cannot become false, and buttons, which claim nothing; `show` is the edit that follows the state. A
post whose answer was lost may stand there twice, and nobody edits the other one. The token is in one block of `token`'s and
nowhere else, least of all in a `text`, which phones show on a lock screen.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from bot.core import reasons
from bot.core.background import Background
from bot.core.deciders import Deciders
from bot.core.model import (
    Key,
    Message,
    MessageKind,
    Record,
    Request,
    RequestState,
)
from bot.core.outages import Side
from bot.slack import buttons, card, notifications, snippets, state, wording
from bot.slack.block_kit import (
    MAX_TEXT,
    Block,
    Body,
    context,
    heading,
    preformatted,
    quotation,
    said_with,
    section,
    with_buttons,
)


def post(  # noqa: PLR0911 - one return a kind
    record: Record,
    message: Message,
    *,
    help_channel: str,
    workspace: str = "",
    deciders: Deciders | None = None,
    background: Background | None = None,
    why: str = "",
) -> Body:
    """The message as it is posted first.

    `deciders` are those who may decide what waits, and `background` what else the requester has and had, where somebody looked;
    `why` is the sentence behind what an alert is about, `workspace` where Slack is read.
    """
    match message.kind:
        case MessageKind.CARD:
            lines = state.lasting_lines(record, deciders, card=True)
            return card.body(record, lines, deciders=deciders, background=background, workspace=workspace)
        case MessageKind.STATUS:
            return _status(record, state.lasting_lines(record, deciders, card=False), [])
        case MessageKind.TOKEN:
            return said_with(f"{_your_token(record.request)} is on its way. It will appear in this message.")
        case MessageKind.NOTICE:
            assert message.topic is not None, "a ring has its topic"
            return notifications.notice(record, message.topic, help_channel, workspace)
        case MessageKind.REMINDER:
            return notifications.reminder(record, message, deciders.undecided(record) if deciders else ())
        case MessageKind.QUESTION:
            return notifications.question(record, message.topic)
        case MessageKind.INQUIRY:
            return notifications.inquiry(record, message)
        case MessageKind.ALERT:
            return notifications.alert(record.request, message.topic, why)
        case _:
            assert_never(message.kind)


def show(
    record: Record,
    message: Message,
    *,
    help_channel: str,
    stuck: bool,
    late: Side | None,
    workspace: str = "",
    deciders: Deciders | None = None,
    background: Background | None = None,
    moved_to: str = "",
) -> Body:
    """The message edited so that it says what the record says. What has no state of its own stays as it was posted. `moved_to` is
    the channel where a request is decided by now, where that is another one than this card's."""
    if message.kind is MessageKind.QUESTION:
        return notifications.shown_question(record, message)
    if message.kind not in (MessageKind.CARD, MessageKind.STATUS):
        return post(record, message, help_channel=help_channel)
    is_card = message.kind is MessageKind.CARD
    if is_card and moved_to and record.request.state is RequestState.PENDING:
        return card.moved(record, moved_to)
    lines = state.lines(record, deciders, card=is_card, stuck=stuck)
    trouble = state.trouble(record, help_channel, card=is_card, stuck=stuck, late=late)
    if is_card:
        return card.body(record, lines, trouble, deciders=deciders, background=background, workspace=workspace)
    return _status(record, lines, trouble)


def _status(record: Record, lines: list[str], trouble: list[str]) -> Body:
    """The requester's own message: what happened last, what was asked for and why, these lines, and the buttons for what can be
    done."""
    request = record.request
    reason = request.answers.reason if state.is_open(record) else ""
    said = card.because(record, [state.headline(request), *lines])
    blocks = [heading(state.title(record)), *said.blocks]
    if reason.strip():
        blocks.append(quotation(reason, "You asked because:", reasons.link_in(request)))
    blocks += [section("\n".join(trouble))] if trouble else []
    body = Body(wording.cut("\n".join([said.text, *trouble]), MAX_TEXT), blocks)
    return with_buttons(body, buttons.for_holder(record))


def token(record: Record, key: Key, token: str, until: datetime | None = None) -> Body:
    """The token, alone in its block. `until` is when the message goes."""
    request, rule = record.request, record.request.rule
    after = wording.date(until) if until else f"after {wording.duration(rule.hide_token_after)}"
    goes = f"Save it somewhere safe. I'll delete this message {after}, or when you press *I've saved it*. I can't show it again."
    try_it = "*Try it:* run this line in a shell, paste the token where it waits, and press Enter."
    blocks: list[Block] = [
        section(f"*Your token for {wording.subject(request)}* · {request.label}"),
        preformatted(token),
        section("\n".join(_terms(record, key))),
        section(try_it) | {"accessory": buttons.snippets(request)},
        preformatted(snippets.curl(rule)),
        context([goes]),
    ]
    return with_buttons(Body(f"{_your_token(request)} is here. {goes}", blocks), [buttons.saved(request, key)])


def _your_token(request: Request) -> str:
    return f"Your token for {wording.asked_for(request)} ({request.label})"


def _terms(record: Record, key: Key) -> list[str]:
    """Until when the token works, what it opens, how much, and where to read on."""
    request, rule = record.request, record.request.rule
    end = record.grant.until if record.grant is not None else key.expires_at
    review = record.grant.review_at if record.grant is not None else None
    reviewed = f" (next review {wording.date(review)})" if review else ""
    lines = [f"*Valid until:* {wording.date(end)}" if end else f"*Valid until:* doesn't expire{reviewed}"]
    if opened := wording.opens(rule, request.plan, limit=1500):
        lines.append(f"*Opens:* {opened}")
    lines.append(f"*Limits:* {wording.plan_limits(request.plan)}")
    if rule.docs and (link := wording.link(rule.docs, "Documentation")):
        lines.append(link)
    return lines
