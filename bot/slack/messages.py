"""A record as Slack messages. Pure; nothing is looked up, decided or sent here.

`post` holds only what cannot become false, and buttons, which claim nothing; `show` is the edit that follows the state. A
post whose answer was lost may stand there twice, and nobody edits the other one. The token is in one block of `token`'s and
nowhere else, least of all in a `text`, which phones show on a lock screen.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from bot.core import reasons
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
from bot.slack import buttons, notifications, snippets, state, wording
from bot.slack.block_kit import (
    MAX_TEXT,
    Block,
    Body,
    context,
    mrkdwn,
    plain,
    preformatted,
    quoted,
    said_with,
    section,
    warned,
    with_buttons,
)
from bot.slack.wording import inert


def post(  # noqa: PLR0911 - one return a kind
    record: Record,
    message: Message,
    *,
    help_channel: str,
    workspace: str = "",
    deciders: Deciders | None = None,
    why: str = "",
) -> Body:
    """The message as it is posted first.

    `deciders` are those who may decide what waits, where somebody looked; `why` is the sentence behind what an alert is about,
    `workspace` where Slack is read.
    """
    match message.kind:
        case MessageKind.CARD:
            return _standing(record, state.lasting_lines(record, deciders, card=True), deciders, card=True)
        case MessageKind.STATUS:
            return _standing(record, state.lasting_lines(record, deciders, card=False), deciders, card=False)
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
    deciders: Deciders | None = None,
) -> Body:
    """The message edited so that it says what the record says. What has no state of its own stays as it was posted."""
    if message.kind is MessageKind.QUESTION:
        return notifications.shown_question(record, message)
    if message.kind not in (MessageKind.CARD, MessageKind.STATUS):
        return post(record, message, help_channel=help_channel)
    card = message.kind is MessageKind.CARD
    lines = state.lines(record, deciders, card=card, stuck=stuck)
    lines += state.trouble(record, help_channel, card=card, stuck=stuck, late=late)
    return _standing(record, lines, deciders, card=card)


def _standing(record: Record, lines: list[str], deciders: Deciders | None, *, card: bool) -> Body:
    """A card or a status: what was asked for, these lines below it, and the buttons for what can be done."""
    pending = record.request.state is RequestState.PENDING
    base = _card(record, deciders or state.looked_last(record)) if card else said_with(state.headline(record.request))
    blocks = [*base.blocks, *([section("\n".join(lines))] if lines else [])]
    if why := state.why_ended(record):
        blocks.append(quoted("Why", wording.without_markup(why)))
    said = [base.text, *lines, *([f"Why: {inert(why, 600)}"] if why else [])]
    if card and pending and (deciders is None or deciders.able):
        said.append("Approve or deny it in this message.")
    body = Body(wording.cut("\n".join(said), MAX_TEXT), blocks)
    return with_buttons(body, buttons.for_approvers(record) if card else buttons.for_holder(record))


def _card(record: Record, deciders: Deciders) -> Body:
    """The facts of a request for its approvers. While it is pending it calls those who may decide, and never the requester.

    The post rings whomever it mentions, and until somebody acts the edit says the same: so the requester is named without a
    mention as long as it is pending.
    """
    request = record.request
    pending = request.state is RequestState.PENDING
    asker = inert(request.requester_name, 80) if pending else wording.person(request.requester)
    what = f"to extend {request.extends.label} for" if request.extends else "for"
    asked = f"{asker} asked {what} {inert(request.rule.title, 150)}"
    if pending and (deciders.groups or deciders.people):
        asked = f"{state.called(deciders, last='and')}: {asked}"
    facts = {
        "Plan": inert(request.plan.name, 150),
        "Limits": wording.begun(wording.plan_limits(request.plan)),
        "Lifetime": wording.begun(wording.duration(request.lifetime)),
    }
    blocks: list[Block] = [
        {"type": "header", "text": plain(f"{request.label} · {request.rule.title}", 150)},
        section(asked),
        {"type": "section", "fields": [mrkdwn(f"*{name}*\n{value}", 2000) for name, value in facts.items()]},
    ]
    said = f"{asked} ({inert(request.plan.name, 150)}, {wording.duration(request.lifetime)}): {request.label}"
    if request.rule.warning:
        blocks += warned(request.rule.warning)
        said += f"\nWarning: {inert(request.rule.warning, 300)}"
    if opened := wording.opens(request.rule, request.plan):
        blocks.append(section(f"*Opens:* {opened}"))
        said += f"\nOpens: {opened}"
    for name, typed in state.typed(request):
        blocks.append(quoted(name, typed, reasons.link_in(request) if name == "Reason" else None))
        said += f"\n{name}: {inert(typed, 600)}"
    return Body(said, blocks)


def token(record: Record, key: Key, token: str, until: datetime | None = None) -> Body:
    """The token, alone in its block. `until` is when the message goes."""
    request, rule = record.request, record.request.rule
    after = wording.date(until) if until else f"after {wording.duration(rule.hide_token_after)}"
    goes = f"Save it somewhere safe. I'll delete this message {after}, or when you press *I've saved it*. I can't show it again."
    try_it = "*Try it:* run this line in a shell, paste the token where it waits, and press Enter."
    blocks: list[Block] = [
        section(f"*Your token for {state.what(request)}* · {request.label}"),
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
