"""The card of a request: what its approvers decide by, one line once it is decided, and all of it in a modal. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.core import reasons
from bot.core.background import Background
from bot.core.deciders import Deciders
from bot.core.model import Record, Request, RequestState, Review, Verdict
from bot.slack import buttons, modals, state, wording
from bot.slack.block_kit import (
    MAX_TEXT,
    Block,
    Body,
    heading,
    modal,
    mrkdwn,
    quotation,
    section,
    warned,
    with_buttons,
)
from bot.slack.wording import inert

MAX_NAME = 80


def body(
    record: Record,
    lines: Sequence[str],
    trouble: Sequence[str] = (),
    *,
    deciders: Deciders | None = None,
    background: Background | None = None,
    workspace: str = "",
) -> Body:
    """`lines` are the sentences of its state, and `trouble` those of what is late or stuck; `background` is what else the
    requester has and had, where somebody looked, `workspace` where Slack is read."""
    if record.request.state is not RequestState.PENDING:
        return _decided(record, lines, trouble)
    body = _to_decide(record, [*lines, *trouble], background, workspace)
    if deciders is None or deciders.able:
        body = Body(wording.cut(f"{body.text}\nApprove or deny it in this message.", MAX_TEXT), body.blocks)
    return with_buttons(body, buttons.for_approvers(record))


def _to_decide(record: Record, lines: Sequence[str], background: Background | None, workspace: str) -> Body:
    """All that there is to decide by. The requester is named without a mention: a post rings whom it mentions. Their name leads
    to their profile, for anybody can choose any name."""
    request = record.request
    who = inert(request.requester_name, MAX_NAME)
    what = f"{_beside_name(request)} asked {_what(request)} · {request.label}"
    known = wording.profile_link(workspace, request.requester, who)
    asked, blocks = f"{who}{what}", [heading(state.title(record, of=request.requester_name)), section(f"{known}{what}")]
    blocks += _about(request)
    blocks += _facts([*_terms(request), *_history(background), *_use(request)])
    blocks += [*_reason(request), section("\n".join(lines))]
    return Body("\n".join([asked, *lines, *_spoken(request)]), blocks)


def moved(record: Record, channel: str) -> Body:
    """The card that is left behind where a request was decided before: one line, without a button."""
    asked = f"{record.request.label} · {wording.person(record.request.requester)} asked {_what(record.request)}."
    said = f"{asked} It is decided in {wording.channel(channel)} now."
    return Body(said, [heading(state.title(record, of=record.request.requester_name)), section(said)])


def _decided(record: Record, lines: Sequence[str], trouble: Sequence[str]) -> Body:
    """One line, and the reason that somebody gave; the facts are behind a button."""
    request = record.request
    asked = f"{request.label} · {wording.person(request.requester)} asked {_what(request)}."
    ended = because(record, [asked, *lines], " ")
    stuck = [section("\n".join(trouble))] if trouble else []
    blocks = [heading(state.title(record, of=request.requester_name)), *ended.blocks, *stuck]
    body = Body(wording.cut("\n".join([ended.text, *trouble]), MAX_TEXT), blocks)
    return with_buttons(body, [buttons.details(request), *buttons.for_approvers(record)])


def because(record: Record, lines: Sequence[str], between: str = "\n") -> Body:
    """These sentences, and, where somebody gave a reason for the last one, their words below it."""
    why = state.why_ended(record)
    if not why:
        return Body(between.join(lines), [section(between.join(lines))])
    said = f"{between.join(lines).removesuffix('.')}, because:"
    return Body(f"{said} {inert(why, 600)}", [section(said), quotation(wording.without_markup(why))])


def details(record: Record) -> Block:
    """Everything that was decided on, and what came of it, for whoever sees the card."""
    request = record.request
    who = f"{wording.person(request.requester)}{_beside_name(request)}"
    blocks = [section(f"{who} asked {_what(request)}, {wording.date(request.created_at)}."), *_about(request)]
    blocks += [*_facts([*_terms(request), *_use(request)]), *_reason(request)]
    blocks += because(record, _course(record)).blocks
    return modal(f"Details of {request.label}", blocks, close="Close", callback=modals.CALLBACK_NOTICE)


def _course(record: Record) -> list[str]:
    """The reviews, and what came of them."""
    request, lines = record.request, state.lines(record, card=True)
    if request.state is RequestState.APPROVED and record.reviews:
        lines = lines[1:]  # who approved is said of each
    elif request.state is RequestState.DENIED and request.decided_by is not None:
        lines = []
    return [*map(_review, record.reviews), *lines]


# --- what there is to know -------------------------------------------------------------------------------------------


def _what(request: Request) -> str:
    """The plan and lifetime that were asked for, also where less is given."""
    asked = request.asked
    as_asked = request if asked is None else replace(request, plan=asked.plan, lifetime=asked.lifetime)
    what = f"to extend {request.extends.label} for" if request.extends else "for"
    return f"{what} {wording.subject(as_asked)}, {wording.duration(as_asked.lifetime)}"


def _beside_name(request: Request) -> str:
    """` (Backend engineer, Berlin time)`, as it was when they asked."""
    title, place = inert(request.asker.title, 100), request.asker.time_zone.rpartition("/")[2].replace("_", " ")
    known = [title, *([f"{inert(place, 40)} time"] if place else [])]
    said = ", ".join(one for one in known if one)
    return f" ({said})" if said else ""


def _about(request: Request) -> list[Block]:
    """The blocks about the API: its warning, its description, and all that a key of this plan opens."""
    rule = request.rule
    said = [inert(rule.description, 300)] if rule.description else []
    said += [link] if rule.docs and (link := wording.link(rule.docs, "Documentation")) else []
    opened = wording.opens(rule, request.plan)
    return [
        *warned(rule.warning),
        *([section(f"*Opens:* {opened}")] if opened else []),
        *([section(" · ".join(said))] if said else []),
    ]


def _terms(request: Request) -> list[tuple[str, str]]:
    limits = ("Limits", wording.begun(wording.plan_limits(request.plan)))
    by = _allowed_by(request)
    return [limits, *([("May ask as", by)] if by else [])]


def _allowed_by(request: Request) -> str:
    """The group or id by which they may ask. A group goes by its handle: a mention would ring all its members."""
    asker, requesters = request.asker, request.rule.requesters
    if asker.allowed_by in requesters.groups:
        return f"Member of {inert('@' + asker.group, 101)}" if asker.group else "Member of a user group that may ask"
    if asker.allowed_by in requesters.channels:
        return f"Member of {wording.channel(asker.allowed_by)}"
    if asker.allowed_by == "everyone":
        return "Everyone here may ask"
    return "Named in the configuration" if asker.allowed_by else ""


def _history(background: Background | None) -> list[tuple[str, str]]:
    """The rows on what else they have, as of a time, so that it stays true, and on how their last requests ended."""
    if background is None:
        return []
    held = [f"• {state.standing(one)}" for one in background.held]
    held += [f"• {'at least ' if background.uncounted else ''}{background.more:,} more"] if background.more else []
    past = [f"• {state.outcome(one)}" for one in background.past]
    has = "\n".join(
        [*held, f"As of {wording.date(background.at)}"] if held else [f"Nothing, as of {wording.date(background.at)}"]
    )
    return [("Already has", has), ("Last requests", "\n".join(past) or "None so far")]


def _use(request: Request) -> list[tuple[str, str]]:
    used_by = inert(request.answers.used_by, 100)
    return [("Used by", used_by)] if used_by else []


def _facts(facts: Sequence[tuple[str, str]]) -> list[Block]:
    return [{"type": "section", "fields": [mrkdwn(f"*{name}*\n{value}", 2000) for name, value in facts]}]


def _reason(request: Request) -> list[Block]:
    reason, who = request.answers.reason, wording.one_line(request.requester_name, MAX_NAME)
    return [quotation(reason, f"{who} asked because:", reasons.link_in(request))] if reason.strip() else []


def _spoken(request: Request) -> list[str]:
    """The same for whoever has the text alone: a screen reader, a notification."""
    warning, opened = request.rule.warning, wording.opens(request.rule, request.plan)
    said = [f"Warning: {inert(warning, 300)}"] if warning else []
    said += [f"Opens: {opened}"] if opened else []
    return [*said, *(f"{name}: {inert(typed, 600)}" for name, typed in state.typed(request))]


def _review(review: Review) -> str:
    verdict = "Approved" if review.verdict is Verdict.YES else "Denied"
    own = review.counted_by == review.reviewer.user_id
    counted = "" if own else f", as a member of {wording.group(review.counted_by)}"
    void = f" It no longer counts: {review.void}." if review.void else ""
    return f"{verdict} by {wording.person(review.reviewer)}, {wording.date(review.at)}{counted}.{void}"
