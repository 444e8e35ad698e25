"""Messages that tell or ask somebody once: notices to the requester, reminders and questions to approvers, alerts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from bot.core import rules, timing
from bot.core.messages import is_asked_of_holder
from bot.core.model import (
    GrantState,
    KeyState,
    Message,
    Question,
    Record,
    Request,
    RequestState,
    Topic,
)
from bot.core.outages import FORWARDING, MANY, UNDECIDABLE, Outage, Side
from bot.core.reconciliation import Told
from bot.slack import buttons, state, wording
from bot.slack.block_kit import MAX_TEXT, Block, Body, context, mrkdwn, quoted, said_with, section, with_buttons, words
from bot.slack.wording import inert

MAX_NAMED = 50
_LATE = {
    Topic.DELAYED: Side.OURS,
    Topic.DELAYED_BY_TYK: Side.TYK,
    Topic.DELAYED_BY_SLACK: Side.SLACK,
}


def notice(  # noqa: C901, PLR0911, PLR0912, PLR0915 - one case a topic
    record: Record, topic: Topic, help_channel: str, workspace: str = ""
) -> Body:
    """One sentence, true for ever, and what a person gave as the reason. `workspace` is where Slack is read."""
    request, grant = record.request, record.grant
    api, label = inert(request.rule.title, 150), request.label
    help_ = wording.channel(help_channel)
    match topic:
        case Topic.DENIED:
            by = f" by {wording.person(request.decided_by)}" if request.decided_by else ""
            said = said_with(f"{label} ({api}) was denied{by}.", request.decision_reason)
            return with_buttons(said, [buttons.ask_again(request)])
        case Topic.LAPSED:
            open_for = wording.duration(request.lapses_at - request.created_at)
            why = (
                f". {inert(request.decision_reason, 600)}"
                if request.decision_reason
                else f": nobody decided within {open_for}."
            )
            said = said_with(f"{label} ({api}) expired unanswered{why} If you still need it, ask again.")
            return with_buttons(said, [buttons.ask_again(request)])
        case Topic.DELAYED | Topic.DELAYED_BY_TYK | Topic.DELAYED_BY_SLACK:
            why = state.because(_LATE[topic])
            return said_with(f"Your token for {api} ({label}) is taking longer than usual{why}. {state.SAFE}")
        case Topic.UNASKED:
            return said_with(
                f"{label} ({api}): the approvers couldn't be asked so far, because I couldn't reach their channel. {state.SAFE}"
            )
        case Topic.UNDECIDABLE:
            return said_with(
                f"{label} ({api}) can't be approved now. {state.cannot(request, request.undecidable, card=False)}"
            )
        case Topic.STUCK:
            return said_with(
                f"Your token for {api} is stuck, and a person has to help. Ask in {help_} and mention {label}."
            )
        case Topic.ARRIVED:
            return said_with(f"Your token for {api} ({label}) is ready{_shown_at(record, workspace)}")
        case Topic.ENDED:
            ended = state.ended(grant) if grant else "revoked."
            ended = ended if ended.startswith("expired") else f"was {ended}"
            said = said_with(f"Your access to {api} ({label}) {ended}", grant.end_reason if grant else "")
            return with_buttons(said, [buttons.ask_again(request)])
        case Topic.BARRED:
            return said_with(
                f"{label} ({api}) was cancelled: you can no longer get it as requested.",
                grant.end_reason if grant else "",
            )
        case Topic.RESUMED:
            return said_with(f"{label} ({api}) goes on again.")
        case Topic.UNSEEN:
            return said_with(
                f"I couldn't show you your token for {api} ({label}) in time, so nobody has seen it. Press *Replace token* on "
                "the message about your request for a new one."
            )
        case Topic.ENDING:
            until = wording.date(grant.until) if grant and grant.until else "tomorrow"
            used_by = inert(request.answers.used_by, 80)
            stops = f" What uses it ({used_by}) stops working then." if used_by else ""
            said = said_with(
                f"Your access to {api} ({label}) expires {until}, unless you extend it.{stops} Extending keeps your token. For a "
                "new one ask again: the token you have keeps working until then."
            )
            return with_buttons(said, [buttons.extend(request), buttons.ask_again(request)])
        case Topic.REVIEWING:
            end = timing.end_of(record)
            by = f" by {wording.date(end.at)}" if end else ""
            return said_with(
                f"Your access to {api} ({label}) doesn't expire, so its approvers are asked whether it is still needed. If "
                f"nobody confirms{by}, it expires."
            )
        case Topic.KEPT:
            by = f" by {wording.person(grant.kept_by)}" if grant and grant.kept_by else ""
            return said_with(f"Your access to {api} ({label}) was kept{by}.{state.next_review(grant)}")
        case Topic.GONE:
            until = f" until {wording.date(grant.until)}" if grant and grant.until else ""
            said = said_with(
                f"Your token for {api} ({label}) no longer works: somebody deleted it at Tyk. You still have access{until}: "
                "press *Replace token* for a new one."
            )
            return with_buttons(said, [buttons.replace(request)])
        case Topic.BACK:
            return said_with(f"Your token for {api} ({label}) works again: it is back at Tyk.")
        case Topic.EXTENDED:
            until = f"now lasts until {wording.date(grant.until)}" if grant and grant.until else "no longer expires"
            by = f", with R-{grant.extended_by}" if grant and grant.extended_by else ""
            return said_with(f"Your access to {api} ({label}) {until}{by}. Your token stays the same.")
        case Topic.NOT_EXTENDED:
            held = request.extends.label if request.extends else label
            why = inert(request.decision_reason, 600)
            return said_with(
                f"{held} ({api}) was not extended, although {label} was approved: {why} What you have stays as it was."
            )
        case Topic.ASKED | Topic.ANSWERED | Topic.STILL_USED:
            raise ValueError(f"{topic} is no topic of a notice")
        case Topic.STILL_WAITING | Topic.LAST_CHANCE | Topic.LEAKED | Topic.LEFT | Topic.RENEWAL | Topic.STILL_WORKS:
            raise ValueError(f"{topic} is no topic of a notice")
        case _:
            assert_never(topic)


def _shown_at(record: Record, workspace: str) -> str:
    """The way to the message with the newest token, as the end of a sentence."""
    message = record.token_message(record.keys[-1].id) if record.keys else None
    if not workspace or message is None or message.channel is None or message.ts is None:
        return ", further up."
    return f": {wording.message_link(workspace, (message.channel, message.ts), 'Show it')}"


def reminder(record: Record, message: Message, undecided: Sequence[str]) -> Body:
    """A message under the card, for those who have not decided or who should know."""
    request, topic = record.request, message.topic
    if (asked := request.question(message.question_id)) is not None:
        return _answered(request, asked) if topic is Topic.ANSWERED else _asked(request, asked)
    subject = f"{request.label}, {wording.subject(request)} for {inert(request.requester_name, 80)},"
    if topic is Topic.LEAKED:
        to = _addressed(request)
        said = f"{to}the token of {subject} leaked, says its holder, who gets a new one. The old one is being revoked."
        return said_with(wording.begun(said))
    names = [wording.person(user) for user in undecided[:MAX_NAMED]]
    names += [f"{len(undecided) - MAX_NAMED} more"] if len(undecided) > MAX_NAMED else []
    to = f"{wording.people(names)}: " if names else ""
    return said_with(
        f"{to}{subject} has been waiting since {wording.date(request.created_at)}. "
        f"It expires {wording.date(request.lapses_at)} if nobody decides."
        f"{' This is the last reminder.' if topic is Topic.LAST_CHANCE else ''}"
    )


def _asked(request: Request, question: Question) -> Body:
    """Everybody is named without being called: it is the requester who is to answer, and they are asked elsewhere."""
    asker, who = inert(question.asker_name, 80), inert(request.requester_name, 80)
    said = f"{asker} asked {who} about {request.label}:"
    return Body(f"{said} {inert(question.text, 600)}", [section(said), words(question.text)])


def _answered(request: Request, question: Question) -> Body:
    """Calls whoever asked."""
    said = f"{wording.person(question.asker)}: {inert(request.requester_name, 80)} answered about {request.label}:"
    blocks = [section(said), words(question.answer), context([f"You asked: {inert(question.text, 600)}"])]
    return Body(f"{said} {inert(question.answer, 600)}", blocks)


def inquiry(record: Record, message: Message) -> Body:
    """A question to the requester, with its answer, or with the buttons for one while it is wanted."""
    return _still_used(record, message) if message.topic is Topic.STILL_USED else _question(record, message)


def _still_used(record: Record, message: Message) -> Body:
    """The holder is asked first at a review."""
    request, grant = record.request, record.grant
    said = f"Are you still using your access to {wording.subject(request)} ({request.label})?"
    body = Body(
        said, [section(f"{said} It doesn't expire, so your approvers are asked about it, too, and see your answer.")]
    )
    if is_asked_of_holder(record) and _is_last(record, message):
        return with_buttons(body, [buttons.in_use(request), buttons.not_in_use(request)])
    if grant is not None and grant.in_use_at is not None and record.lives and _is_last(record, message):
        lines = [f"You said that you use it, {wording.date(grant.in_use_at)}.", *state.granted(record, stuck=False)]
    elif record.lives and not _is_last(record, message):
        lines = ["This was asked again further down."]
    elif record.lives and grant is not None and grant.kept_at is not None:
        lines = [state.kept(grant)]
    else:
        lines = state.granted(record, stuck=False)
    return Body(body.text, [*body.blocks, section("\n".join(lines))])


def _is_last(record: Record, message: Message) -> bool:
    """Nothing of the same kind and topic was asked after it."""
    same = [one.id for one in record.messages if (one.kind, one.topic) == (message.kind, message.topic)]
    return message.id not in same[:-1]


def _question(record: Record, message: Message) -> Body:
    request, question = record.request, record.request.question(message.question_id)
    assert question is not None, "a question that was asked stays"
    said = f"{wording.person(question.asker)} asks about {request.label} ({inert(request.rule.title, 150)}):"
    body = Body(f"{said} {inert(question.text, 600)}", [section(said), words(question.text)])
    if question.answered_at is not None:
        answered = f"You answered {wording.date(question.answered_at)}:"
        return Body(body.text, [*body.blocks, section(answered), words(question.answer)])
    if request.state is not RequestState.PENDING:
        return Body(body.text, [*body.blocks, context(["It was decided meanwhile. No answer is needed any more."])])
    return with_buttons(body, [buttons.reply(request, question)])


def alert(request: Request, topic: Topic | None, why: str = "") -> Body:
    """A message to those who run the bot; `why` is the sentence behind the error, which may be Tyk's or Slack's own."""
    subject = f"{request.label} ({wording.subject(request)}, for {inert(request.requester_name, 80)})"
    if topic is Topic.RESUMED:
        return said_with(f"{subject} goes on again.")
    if topic is Topic.STILL_WORKS:
        return said_with(
            f"{subject} was to lose its key, but the token still works: the key could not be deleted at Tyk. "
            f"`tyk-key-bot show {request.label}` says why. Delete the key in the Dashboard, or mend that and run "
            f"`tyk-key-bot retry {request.label}`."
        )
    stuck = f"got stuck: {inert(why, 600).rstrip('.')}." if why.strip() else "got stuck."
    return said_with(f"{subject} {stuck} `tyk-key-bot requests` says where, `tyk-key-bot retry` takes it up again.")


def outage(outage: Outage, over_at: datetime | None) -> Body:
    """A message to those who run the bot: what fails since when, what to do, and how much waits; or that it is over."""
    place, cause = outage.where(lambda name: inert(name, 100), wording.channel), outage.cause
    if over_at is not None:
        return said_with(f"Over since {wording.date(over_at)}, nothing waits for it any more: {place}{cause.what}")
    return said_with(f"Since {wording.date(outage.since)}: {place}{cause.sentence} {_waiting(outage)}")


def found(told: Sequence[Told], more: int) -> Body:
    """For those who run the bot: what is other at Tyk than it should be, what to do, and what is so no more."""
    new = [f"• {_about(one)}{_finding(one.finding.sentence)}" for one in told if not one.is_over]
    over = [f"• {_about(one)}{_finding(one.finding.what)}" for one in told if one.is_over]
    lines = [
        *(["I compared my keys with those that Tyk has:", *new] if new else []),
        *(["No longer so:", *over] if over else []),
        *([f"And {more:,} more: `tyk-key-bot reconcile` names them all."] if more else []),
    ]
    return Body(wording.cut("\n".join(lines), MAX_TEXT), [section(line) for line in lines])


def _finding(said: str) -> str:
    """A sentence of ours, with commands in it."""
    return wording.escape(wording.one_line(said, 400))


def _about(told: Told) -> str:
    """The request and the key, and whose it is where it is ours."""
    finding, request = told.finding, told.request
    whose = f" ({wording.subject(request)}, for {inert(request.requester_name, 80)})" if request else ""
    key = f", key `{inert(finding.key_hash, 64)}`" if finding.key_hash else ""
    label = inert(finding.label, 32)
    return f"{label}{whose}{key}: " if label else ""


def _waiting(outage: Outage) -> str:
    """The number of requests that wait now, in words."""
    if outage.cause in FORWARDING:
        return "The rows wait in the database. I'm still trying, and will say when it is over."
    many = {0: "No request waits for it", 1: "1 request waits for it"}
    more = "or more " if outage.waiting >= MANY else ""
    waits = many.get(outage.waiting, f"{outage.waiting:,} {more}requests wait for it")
    tries = "I" if outage.cause is UNDECIDABLE else "I'm still trying, and"
    return f"{waits}. {tries} will say when it is over."


def question(record: Record, topic: Topic | None) -> Body:
    """A question to the approvers about what somebody holds."""
    request, grant = record.request, record.grant
    to, holder = _addressed(request), inert(request.requester_name, 80)
    since = f" since {wording.date(grant.since)}" if grant else ""
    if topic is Topic.LEFT:
        said = f"{to}{holder}, who has had access to {wording.subject(request)}{since} ({request.label}), has left."
    else:
        has = f"{to}{holder} has had access to {wording.subject(request)}{since} ({request.label}), and it doesn't expire."
        said = f"{has} Does {holder} still need this?"
    blocks: list[Block] = [section(said)]
    facts = {
        "Key": ", ".join(_hashes(record)) or "none",
        "Approved by": wording.people(state.approvers(record))
        if state.approvers(record)
        else "Nobody: no approval was needed",
    }
    blocks.append({"type": "section", "fields": [mrkdwn(f"*{name}*\n{value}", 2000) for name, value in facts.items()]})
    blocks += [quoted(name, typed) for name, typed in state.typed(request)]
    return Body(said, blocks)


def shown_question(record: Record, message: Message) -> Body:
    """The question with what is true of it now, and what can be done while it is open."""
    base, grant, end = question(record, message.topic), record.grant, timing.end_of(record)
    lives = grant is not None and grant.state is not GrantState.ENDED
    offered: list[Block] = []
    if lives and not _is_last(record, message):
        lines = ["This was asked again further down."]
    elif not lives:
        lines = state.granted(record, stuck=False)
    elif message.topic is Topic.LEFT:
        lines = [_left_behind(record)]
        offered = [buttons.revoke_for_others(record.request), buttons.last_use(record.request)]
        if not _addressed(record.request):  # a button that refuses everybody helps nobody
            lines.append(f"Its rule names no approvers: `tyk-key-bot revoke {record.request.label}` revokes it.")
            offered = []
    elif grant is not None and grant.asked_at is None:
        lines = [state.kept(grant)]
    else:
        without = [f"If nobody confirms, it expires {wording.date(end.at)}."] if end else []
        lines = [*_holder_says(record), *without]
        request = record.request
        offered = [buttons.keep(request), buttons.revoke_for_others(request), buttons.last_use(request)]
    if why := state.why_ended(record):
        lines.append(f"Why: {inert(why, 600)}")
    body = Body(wording.cut("\n".join([base.text, *lines]), MAX_TEXT), [*base.blocks, section("\n".join(lines))])
    return with_buttons(body, offered)


def _holder_says(record: Record) -> list[str]:
    """The answer of the holder, who was asked first."""
    grant, who = record.grant, inert(record.request.requester_name, 80)
    if grant is None or grant.holder_asked_at is None:
        return []
    if grant.in_use_at is None:
        return [f"{who} has not answered."]
    return [f"{who} says: still in use, {wording.date(grant.in_use_at)}."]


def _left_behind(record: Record) -> str:
    grant, end = record.grant, timing.end_of(record)
    if grant is not None and grant.left_at is None:
        return "They are back, so it stays valid."
    if end is not None and end.why == timing.LEFT_BEHIND:
        return f"Nothing says what uses it, so it expires {wording.date(end.at)}."
    stays = f"it stays valid until {wording.date(end.at)}" if end else "it doesn't expire"
    return f"It says what uses it, so {stays}. Revoke it if nothing needs it any more."


def _addressed(request: Request) -> str:
    approvers = rules.to_call(request.rule, request.requester)
    if not (approvers.groups or approvers.users - {request.requester.user_id}):
        return ""
    return f"{wording.audience(approvers, except_=request.requester, last='and')}: "


def _hashes(record: Record) -> list[str]:
    """The names of the living keys in Tyk's own lists."""
    return [f"`{inert(key.key_hash, 64)}`" for key in record.keys if key.key_hash and key.state is not KeyState.DEAD]
