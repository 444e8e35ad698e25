"""A record as Slack messages. Pure; nothing is looked up, decided or sent here.

`post` holds only what cannot become false, and buttons, which claim nothing; `show` is the edit that follows the state. A
post whose answer was lost may stand there twice, and nobody edits the other one. The token is in one block of `token`'s and
nowhere else, least of all in a `text`, which phones show on a lock screen.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, assert_never

from bot.core import rules, timing
from bot.core.model import (
    AuditEvent,
    Grant,
    GrantState,
    Identity,
    Key,
    KeyState,
    Message,
    MessageKind,
    Record,
    Request,
    RequestState,
    Topic,
)
from bot.slack import modals, wording
from bot.slack.wording import Block, inert, mrkdwn, plain

MAX_TEXT = 4000
MAX_SECTION = 3000
MAX_NAMED = 50


@dataclass(frozen=True, repr=False)
class Body:
    """A message: `text` for notifications and screen readers, `blocks` for the eye. Its repr shows neither."""

    text: str
    blocks: list[Block]

    def __repr__(self) -> str:
        return f"Body({len(self.blocks)} blocks)"


# --- posts: what cannot become false ----------------------------------------------------------------------------------


def post(  # noqa: PLR0911 - one return a kind
    record: Record, message: Message, *, help_channel: str, undecided: Sequence[str] = ()
) -> Body:
    """The message as it is posted first. `undecided` are the user ids of the approvers whom a note reminds."""
    match message.kind:
        case MessageKind.CARD:
            return _standing(record, _lasting_lines(record, card=True), card=True)
        case MessageKind.STATUS:
            return _standing(record, _lasting_lines(record, card=False), card=False)
        case MessageKind.TOKEN:
            return _said(f"{record.request.label} · token for {what(record.request)}")
        case MessageKind.NOTICE:
            assert message.topic is not None, "a ring has its topic"
            return _notice(record, message.topic, help_channel)
        case MessageKind.REMINDER:
            return _reminder(record, message.topic, undecided)
        case MessageKind.QUESTION:
            return _question(record, message.topic)
        case MessageKind.ALERT:
            return _alert(record.request, message.topic)
        case _:
            assert_never(message.kind)


def _alert(request: Request, topic: Topic | None) -> Body:
    """For those who run the bot."""
    subject = f"{request.label} ({what(request)}, for {inert(request.requester_name, 80)})"
    if topic is Topic.RESUMED:
        return _said(f"{subject} goes on again.")
    return _said(f"{subject} got stuck. `tyk-key-bot requests` says where, `tyk-key-bot retry` takes it up again.")


def _reminder(record: Record, topic: Topic | None, undecided: Sequence[str]) -> Body:
    """Under the card: for those who have not decided, or who should know."""
    request = record.request
    subject = f"{request.label}, {what(request)} for {inert(request.requester_name, 80)},"
    if topic is Topic.LEAKED:
        to = _addressed(request)
        said = f"{to}the token of {subject} leaked, says its holder, who asked for a new one. The old key is ended at once."
        return _said(wording.begun(said))
    names = [wording.person(user) for user in undecided[:MAX_NAMED]]
    names += [f"{len(undecided) - MAX_NAMED} more"] if len(undecided) > MAX_NAMED else []
    to = f"{wording.people(names)}: " if names else ""
    return _said(
        f"{to}{subject} has been waiting since {wording.date(request.created_at)}. "
        f"It lapses {wording.date(request.lapses_at)} if nobody decides."
    )


def _question(record: Record, topic: Topic | None) -> Body:
    """A question to the approvers about what somebody holds."""
    request, grant = record.request, record.grant
    to, holder = _addressed(request), inert(request.requester_name, 80)
    since = f" since {wording.date(grant.since)}" if grant else ""
    if topic is Topic.LEFT:
        said = f"{to}{holder}, who has had access to {what(request)}{since} ({request.label}), has left."
    else:
        said = f"{to}{holder} has had access to {what(request)}{since} ({request.label}), without an end. Is it still needed?"
    blocks: list[Block] = [_section(said)]
    facts = {
        "Key": ", ".join(_hashes(record)) or "none",
        "Approved by": wording.people(_yeses(record)) if _yeses(record) else "The rule, without review",
    }
    blocks.append({"type": "section", "fields": [mrkdwn(f"*{name}*\n{value}", 2000) for name, value in facts.items()]})
    for name, typed in (("Used by", request.used_by), ("Reason", request.reason)):
        if typed.strip():
            blocks.append(_typed(name, typed))
    return Body(said, blocks)


def _addressed(request: Request) -> str:
    approvers = request.rule.approvers
    if not (approvers.groups or approvers.users):
        return ""
    return f"{wording.audience(approvers, except_=request.requester, last='and')}: "


def _hashes(record: Record) -> list[str]:
    """What the keys are called in Tyk's own lists, as far as they live."""
    return [f"`{inert(key.key_hash, 64)}`" for key in record.keys if key.key_hash and key.state is not KeyState.DEAD]


def _notice(record: Record, topic: Topic, help_channel: str) -> Body:  # noqa: C901, PLR0911, PLR0912 - one case a topic
    """One sentence, true for ever, and what a person gave as the reason."""
    request, grant = record.request, record.grant
    api, label = inert(request.rule.title, 150), request.label
    help_ = wording.channel(help_channel)
    match topic:
        case Topic.DENIED:
            by = f" by {wording.person(request.decided_by)}" if request.decided_by else ""
            return _said(f"{label} ({api}) was denied{by}.", request.decision_reason)
        case Topic.LAPSED:
            open_for = wording.duration(request.lapses_at - request.created_at)
            said = _said(f"{label} ({api}) lapsed: nobody decided within {open_for}. If you still need it, ask again.")
            return _with_buttons(said, [_ask_again(request)])
        case Topic.DELAYED:
            made = any(key.state is KeyState.LIVE for key in record.keys)
            why = "it is made, but I could not show it to you so far" if made else "Tyk has not given it to me so far"
            return _said(
                f"Your token for {api} ({label}) is late: {why}. Nothing is lost. I keep trying, so do not ask again."
            )
        case Topic.STUCK:
            return _said(f"Your token for {api} got stuck. Please ask in {help_} and say {label}.")
        case Topic.ARRIVED:
            return _said(f"Your token for {api} has arrived in this conversation ({label}).")
        case Topic.ENDED:
            ended = _ended(grant) if grant else "ended."
            return _said(f"Your access to {api} ({label}) was {ended}", grant.end_reason if grant else "")
        case Topic.BARRED:
            return _said(
                f"{label} ({api}) was ended: it would not be granted any more.", grant.end_reason if grant else ""
            )
        case Topic.RESUMED:
            return _said(f"{label} ({api}) goes on again.")
        case Topic.UNSEEN:
            return _said(
                f"I could not show you your token for {api} ({label}) in time, so it went unseen. Press Replace Token on the "
                "message about your request, and a new one comes."
            )
        case Topic.ENDING:
            until = wording.date(grant.until) if grant and grant.until else "tomorrow"
            used_by = (
                f" What uses it ({inert(request.used_by, 80)}) stops working then." if request.used_by.strip() else ""
            )
            said = _said(
                f"Your access to {api} ({label}) was granted until {until}.{used_by} If you need it for longer, ask again now: "
                "the token you have works until its own end."
            )
            return _with_buttons(said, [_ask_again(request)])
        case Topic.REVIEWING:
            end = timing.end_of(record)
            by = f" by {wording.date(end.at)}" if end else ""
            return _said(
                f"Your access to {api} ({label}) has no end, so its approvers are asked whether it is still needed. Without a "
                f"yes{by} it ends."
            )
        case Topic.STILL_WAITING | Topic.LAST_CHANCE | Topic.LEAKED | Topic.LEFT | Topic.RENEWAL:
            raise ValueError(f"{topic} is no topic of a notice")
        case _:
            assert_never(topic)


def _with_buttons(body: Body, buttons: list[Block]) -> Body:
    return Body(body.text, [*body.blocks, {"type": "actions", "block_id": "buttons", "elements": buttons}])


def _ask_again(request: Request) -> Block:
    """The button that opens the form, filled in as it was."""
    return _button("Ask Again", modals.ACTION_ASK_AGAIN, request.id, f"Ask for {request.rule.title} again")


def _said(sentence: str, reason: str = "") -> Body:
    """A sentence of ours and, apart from it, words that may be anybody's."""
    blocks = [_section(sentence)]
    if not reason.strip():
        return Body(sentence, blocks)
    return Body(f"{sentence} Reason: {inert(reason, 600)}", [*blocks, _typed("Reason", wording.without_markup(reason))])


# --- the card and the status ------------------------------------------------------------------------------------------


def show(record: Record, message: Message, *, help_channel: str, stuck: bool, delayed: bool) -> Body:
    """The message edited so that it says what the record says. What has no state of its own stays as it was posted."""
    if message.kind is MessageKind.QUESTION:
        return _shown_question(record, message)
    if message.kind not in (MessageKind.CARD, MessageKind.STATUS):
        return post(record, message, help_channel=help_channel)
    card = message.kind is MessageKind.CARD
    lines = state_lines(record, card=card, stuck=stuck)
    return _standing(record, [*lines, *_trouble(record, help_channel, stuck=stuck, delayed=delayed)], card=card)


def _standing(record: Record, lines: list[str], *, card: bool) -> Body:
    """A card or a status: what was asked for, these lines below it, and the buttons for what can be done."""
    pending = record.request.state is RequestState.PENDING
    base = _card(record) if card else _said(_headline(record.request))
    blocks = [*base.blocks, *([_section("\n".join(lines))] if lines else [])]
    if why := _why(record):
        blocks.append(_typed("Why", wording.without_markup(why)))
    buttons = card_buttons(record) if card else own_buttons(record)
    if buttons:
        blocks.append({"type": "actions", "block_id": "buttons", "elements": buttons})
    said = [base.text, *lines, *([f"Why: {inert(why, 600)}"] if why else [])]
    if card and pending:
        said.append("Approve or deny it in this message.")
    return Body(wording.cut("\n".join(said), MAX_TEXT), blocks)


def _lasting_lines(record: Record, *, card: bool) -> list[str]:
    """What a post may say: no state that can change, no count that can rise. It may come late, when all is decided."""
    request, grant = record.request, record.grant
    if request.state is RequestState.PENDING:
        return [_needed(request, card=card), _expires(request)]
    if grant is None or grant.state is GrantState.ENDED:
        return state_lines(record, card=card)
    approved = _approved(record, wording.date(request.decided_at or request.created_at))
    return [f"Granted until {wording.date(grant.until)}." if grant.until else "Granted without an end.", approved]


def _shown_question(record: Record, message: Message) -> Body:
    """The question with what is true of it now, and what can be done while it is open."""
    base, grant, end = _question(record, message.topic), record.grant, timing.end_of(record)
    lives = grant is not None and grant.state is not GrantState.ENDED
    earlier = [one.id for one in record.messages if (one.kind, one.topic) == (message.kind, message.topic)][:-1]
    buttons: list[Block] = []
    if lives and message.id in earlier:
        lines = ["This was asked again further down."]
    elif not lives:
        lines = _granted(record, stuck=False)
    elif message.topic is Topic.LEFT:
        lines, buttons = [_left_behind(record)], [_revoke_for_others(record.request)]
        if not _addressed(record.request):  # a button that refuses everybody helps nobody
            lines.append(f"Its rule names no approvers: `tyk-key-bot revoke {record.request.label}` ends it.")
            buttons = []
    elif grant is not None and grant.asked_at is None:
        lines = [f"Yes. It is asked again {wording.date(grant.review_at)}." if grant.review_at else "Yes."]
    else:
        lines = [f"Without a yes it ends {wording.date(end.at)}."] if end else []
        keep = _button(
            "Keep It", modals.ACTION_RENEW, record.request.id, f"Keep {record.request.label}", style="primary"
        )
        buttons = [keep, _revoke_for_others(record.request)]
    if why := _why(record):
        lines.append(f"Why: {inert(why, 600)}")
    body = Body(wording.cut("\n".join([base.text, *lines]), MAX_TEXT), [*base.blocks, _section("\n".join(lines))])
    return _with_buttons(body, buttons) if buttons else body


def _left_behind(record: Record) -> str:
    grant, end = record.grant, timing.end_of(record)
    if grant is not None and grant.left_at is None:
        return "They are back, so it goes on."
    if end is not None and end.why == timing.LEFT_BEHIND:
        return f"Nothing says what uses it, so it ends by itself {wording.date(end.at)}."
    goes_on = f"until {wording.date(end.at)}" if end else "without an end"
    return f"It says what uses it, so it goes on {goes_on}. Revoke it if nothing needs it any more."


def _revoke_for_others(request: Request) -> Block:
    """Opens the form that asks why: the holder is told."""
    return _button("Revoke", modals.ACTION_REVOKE_ASK, request.id, f"Revoke {request.label}", style="danger")


def _card(record: Record) -> Body:
    """Who asks for what, and why. While it is pending it calls those who may decide, and never the requester.

    The post rings whomever it mentions, and until somebody acts the edit says the same: so the requester is named without a
    mention as long as it is pending.
    """
    request = record.request
    pending = request.state is RequestState.PENDING
    asker = inert(request.requester_name, 80) if pending else wording.person(request.requester)
    asked = f"{asker} asked for {inert(request.rule.title, 150)}"
    if pending:
        asked = f"{wording.audience(request.rule.approvers, except_=request.requester, last='and')}: {asked}"
    facts = {
        "Plan": inert(request.plan.name, 150),
        "Limits": wording.begun(wording.plan_limits(request.plan)),
        "Lifetime": wording.begun(wording.duration(request.lifetime)),
    }
    blocks: list[Block] = [
        {"type": "header", "text": plain(f"{request.label} · {request.rule.title}", 150)},
        _section(asked),
        {"type": "section", "fields": [mrkdwn(f"*{name}*\n{value}", 2000) for name, value in facts.items()]},
    ]
    said = f"{asked} ({inert(request.plan.name, 150)}, {wording.duration(request.lifetime)}): {request.label}"
    for name, typed in (("Used by", request.used_by), ("Reason", request.reason)):
        if typed.strip():
            blocks.append(_typed(name, typed))
            said += f"\n{name}: {inert(typed, 600)}"
    return Body(said, blocks)


def state_lines(record: Record, *, card: bool, stuck: bool = False) -> list[str]:
    """What is true of the request now; `card`: told to those who decide."""
    request = record.request
    at = wording.date(request.decided_at or request.created_at)
    by = f" by {wording.person(request.decided_by)}" if request.decided_by else ""
    match request.state:
        case RequestState.PENDING:
            return [_needed(request, card=card), *_so_far(record), _expires(request)]
        case RequestState.APPROVED if card and (grant := record.grant) and grant.state is not GrantState.ENDED:
            return [f"{_approved(record, at)} {_access(record, grant)}"]
        case RequestState.APPROVED:
            return [*_granted(record, stuck=stuck), _approved(record, at)]
        case RequestState.DENIED:
            return [f"Denied{by}, {at}."]
        case RequestState.WITHDRAWN:
            return [f"Withdrawn{by}, {at}." if by else f"Withdrawn, {at}: who asked may not use the bot any more."]
        case RequestState.LAPSED:
            return [f"Lapsed, {at}: nobody decided in time."]
        case _:
            assert_never(request.state)


def _needed(request: Request, *, card: bool) -> str:
    """How many approvals it takes, and for the requester whose: true for as long as anybody reads it."""
    rule = request.rule
    if card:
        return f"Needs {'1 approval' if rule.approvals == 1 else f'{rule.approvals} approvals'}."
    who = wording.audience(rule.approvers, except_=request.requester)
    return (
        f"{who} needs to approve this." if rule.approvals == 1 else f"{rule.approvals} approvals from {who} are needed."
    )


def _expires(request: Request) -> str:
    return f"Expires {wording.date(request.lapses_at)} if nobody decides."


def _so_far(record: Record) -> list[str]:
    """The yeses that count. As many as were needed and still waiting: the rule in force asks for more than it did."""
    yeses, need = _yeses(record), record.request.rule.approvals
    if not yeses:
        return []
    if len(yeses) < need:
        return [f"{len(yeses)} of {need} so far: {wording.people(yeses)}."]
    return [f"{len(yeses)} so far: {wording.people(yeses)}. The rule has become stricter and needs more."]


def _yeses(record: Record) -> list[str]:
    request = record.request
    return [wording.person(one.reviewer) for one in rules.yeses(record.reviews, request.rule, request.requester)]


def _approved(record: Record, at: str) -> str:
    decided_by = record.request.decided_by
    by = _yeses(record) or ([wording.person(decided_by)] if decided_by else [])
    return f"Approved by {wording.people(by)}, {at}." if by else f"Granted at once, {at}: no approval was needed."


def _granted(record: Record, *, stuck: bool) -> list[str]:
    grant = record.grant
    if grant is None:
        return []
    match grant.state:
        case GrantState.ISSUING:
            return [] if stuck else ["The token is being made."]
        case GrantState.ACTIVE:
            replaced = len(record.keys) > 1 and record.awaits_token
            anew = ["A new token is on its way."] if replaced and not stuck else []
            return [_active(record, grant), *anew]
        case GrantState.ENDED:
            ended = _ended(grant)
            return [wording.begun(ended)]
        case _:
            assert_never(grant.state)


def _access(record: Record, grant: Grant) -> str:
    """How long the holder may use what was granted: the same while the token is made and when it is there."""
    end = timing.end_of(record)
    if grant.until is not None:
        return f"Access until {wording.date(grant.until)}."
    if grant.asked_at is not None and end is not None:
        return f"Its approvers are asked whether it is still needed; without a yes it ends {wording.date(end.at)}."
    if grant.review_at is not None:
        return f"Access without an end. Whether it is still needed is asked {wording.date(grant.review_at)}."
    return "Access without an end: a person has to end it."


def _active(record: Record, grant: Grant) -> str:
    end = timing.end_of(record)
    if grant.until is not None:
        return f"Active until {wording.date(grant.until)}."
    if grant.asked_at is not None and end is not None:
        return (
            f"Active. Its approvers are asked whether it is still needed; without a yes it ends {wording.date(end.at)}."
        )
    if grant.review_at is not None:
        return f"Active, no end. Whether it is still needed is asked {wording.date(grant.review_at)}."
    return "Active, no end: a person has to end it."


def _ended(grant: Grant) -> str:
    at = f", {wording.date(grant.ended_at)}" if grant.ended_at else ""
    if grant.ended_by is not None:
        return f"ended by {wording.person(grant.ended_by)}{at}."
    return f"ended{at}." if grant.end_reason else f"ended on time{at}."


def _trouble(record: Record, help_channel: str, *, stuck: bool, delayed: bool) -> list[str]:
    if stuck:
        return [f"Stuck: a person has to look. Ask in {wording.channel(help_channel)} and say {record.request.label}."]
    return ["This takes longer than usual. Nothing is lost, I keep trying."] if delayed else []


def _why(record: Record) -> str:
    """What was given as the reason of the end."""
    if record.request.state is RequestState.DENIED:
        return record.request.decision_reason.strip()
    ended = record.grant is not None and record.grant.state is GrantState.ENDED
    return record.grant.end_reason.strip() if record.grant is not None and ended else ""


def card_buttons(record: Record) -> list[Block]:
    request, grant = record.request, record.grant
    if request.state is not RequestState.PENDING:
        lives = grant is not None and grant.state is not GrantState.ENDED
        return [_revoke_for_others(request)] if lives else []
    return [
        _button("Approve", modals.ACTION_APPROVE, request.id, f"Approve {request.label}", style="primary"),
        _button("Deny", modals.ACTION_DENY, request.id, f"Deny {request.label}"),
    ]


def own_buttons(record: Record) -> list[Block]:
    request, grant = record.request, record.grant
    if request.state is RequestState.PENDING:
        return [_withdraw(request)]
    if grant is None or grant.state is GrantState.ENDED:
        return [_ask_again(request)]
    return [*([_replace(request)] if can_be_replaced(record) else []), _revoke(request)]


def can_be_replaced(record: Record) -> bool:
    """Whether there is a token, and none on its way."""
    return record.grant is not None and record.grant.state is GrantState.ACTIVE and not record.awaits_token


def _replace(request: Request) -> Block:
    return _button("Replace Token", modals.ACTION_REPLACE, request.id, f"Replace the token of {request.label}")


def _withdraw(request: Request) -> Block:
    confirm = _confirm(f"Withdraw {request.label}?", "Nobody will decide about it then.", "Withdraw", "Keep It")
    return _button("Withdraw", modals.ACTION_WITHDRAW, request.id, f"Withdraw {request.label}", confirm=confirm)


def _revoke(request: Request) -> Block:
    """For the holder, who is asked in a dialog."""
    said = "The token stops working, and this cannot be undone."
    confirm = _confirm(f"Revoke {request.label}?", said, "Revoke", "Keep It") | {"style": "danger"}
    return _button(
        "Revoke", modals.ACTION_REVOKE, request.id, f"Revoke {request.label}", style="danger", confirm=confirm
    )


# --- the token --------------------------------------------------------------------------------------------------------


def token(record: Record, key: Key, token: str, until: datetime | None = None) -> Body:
    """The token, alone in its block. `until` is when the message goes."""
    request, rule = record.request, record.request.rule
    end = record.grant.until if record.grant is not None else key.expires_at
    facts = {
        "API": inert(rule.title, 150),
        "Plan": inert(request.plan.name, 150),
        "Limits": wording.begun(wording.plan_limits(request.plan)),
        "Works until": wording.date(end) if end else "A person ends it",
    }
    after = wording.date(until) if until else f"after {wording.duration(rule.hide_token_after)}"
    goes = f"This message is deleted {after}, or as soon as you press the button. The token cannot be shown again."
    name = modals.ACTION_TOKEN_SAVED
    saved = _button("I Have Saved It", name, f"{request.id}:{key.id}", f"I have saved the token of {request.label}")
    blocks: list[Block] = [
        _section(f"*{request.label}* · your token for {what(request)}"),
        _preformatted(token),
        {"type": "section", "fields": [mrkdwn(f"*{name}*\n{value}", 2000) for name, value in facts.items()]},
        _section("Try it, with the token in the variable TOKEN:"),
        _preformatted(curl(record)),
        {"type": "context", "elements": [mrkdwn(goes)]},
        {"type": "actions", "block_id": "buttons", "elements": [saved]},
    ]
    return Body(f"{request.label} · your token for {what(request)}. {goes}", blocks)


def curl(record: Record) -> str:
    """A line for a shell that reads the token from $TOKEN, so that it is in no history."""
    rule = record.request.rule
    url = f"{rule.gateway_url.rstrip('/')}/{rule.listen_path.lstrip('/')}"
    header = re.sub(r"[^A-Za-z0-9!#%&'*+.^_|~-]", "", rule.auth_header) or "Authorization"
    return f'curl -H "{header}: $TOKEN" {shlex.quote(url)}'


# --- the audit --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AuditRow:
    """A line of the audit. `details` may hold what stands here; whatever is missing is left out.

    asked         person, api, plan, lifetime (seconds, None for no end), used_by, reason
    refused       person, why, step
    reviewed      verdict, reviewer, counted_by, have, need
    approved      rule, rule_digest, need, until (ISO 8601, None for no end)
    denied        reviewer, reason
    key created   key_hash, expires (as until), rule_digest
    stuck         effect, error, effect_id
    delayed       effect, error
    recovered     effect
    revoked       why
    key deleted   key_hash
    expired       why, where it was not simply its time
    reminded      of (what)
    replaced      why (lost, leaked)
    left          person, why
    returned      person
    renewed       reviewer, counted_by
    configured    digest, added, removed, approvals_fell, people_changed (names)

    withdrawn, lapsed, sent and hidden need none. People are user ids.
    """

    number: int
    at: datetime
    event: AuditEvent
    request_label: str | None
    actor: Identity | None
    api: str | None
    details: dict[str, Any] = field(default_factory=dict)


def audit(lines: Sequence[AuditRow]) -> tuple[Body, int]:
    """As many leading rows as fit one message, a line each and in order, and how many they are: at least one of any."""
    said: list[str] = []
    blocks: list[str] = []
    room = MAX_TEXT
    for row in lines:
        line = wording.cut(f"{_line(row, _SLACK)} · {wording.date(row.at)}", MAX_SECTION)
        room -= len(line) + 1
        if said and room < 0:
            break
        said.append(line)
        if blocks and len(blocks[-1]) + 1 + len(line) <= MAX_SECTION:
            blocks[-1] += f"\n{line}"
        else:
            blocks.append(line)
    return Body("\n".join(said), [_section(block) for block in blocks]), len(said)


def audit_sentence(row: AuditRow) -> str:
    """The same line in plain words, without its time: for a terminal."""
    return _line(row, _PLAIN)


@dataclass(frozen=True)
class _Tongue:
    """How people, times and typed words are written."""

    person: Callable[[str], str]
    date: Callable[[datetime], str]
    said: Callable[[str, int], str]
    event: Callable[[str], str]


_SLACK = _Tongue(wording.person, wording.date, inert, lambda event: f"*{event}*")
_PLAIN = _Tongue(lambda user: f"@{wording.one_line(user, 50)}", wording.utc, wording.one_line, str)


def _line(row: AuditRow, tongue: _Tongue) -> str:
    api = row.api or row.details.get("api")
    parts = [
        f"#{row.number}",
        row.request_label or "",
        tongue.said(str(api), 150) if api else "",
        tongue.event(row.event.value),
        _Teller(row, tongue).tell(),
    ]
    return " · ".join(part for part in parts if part)


class _Teller:
    """What is told of one row after its event's word, from whatever its details hold."""

    def __init__(self, row: AuditRow, tongue: _Tongue) -> None:
        self.row, self.details, self.tongue = row, row.details, tongue

    def tell(self) -> str:  # noqa: C901, PLR0911, PLR0912 - one case an event
        event = self.row.event
        match event:
            case AuditEvent.ASKED:
                used_by = self.word("used_by", "used by ")
                return self.because(self.all(self.by("person"), self.word("plan"), self.lifetime(), used_by), "reason")
            case AuditEvent.REFUSED:
                return self.because(self.all(self.by("person", "to"), self.word("step")), "why")
            case AuditEvent.REVIEWED:
                verdict, own = self.word("verdict"), self.details.get("counted_by") == self.details.get("reviewer")
                counted = "" if own else self.word("counted_by", "counted by ")
                by = " ".join(filter(None, (verdict, self.by("reviewer"))))
                return self.all(by, counted, self.have())
            case AuditEvent.APPROVED:
                by = self.by() or ("without review" if self.details.get("need") == 0 else "")
                return self.all(by, self.end("until", "until"), self.word("rule_digest", "rules ", 16))
            case AuditEvent.DENIED:
                return self.because(self.by("reviewer"), "reason")
            case AuditEvent.WITHDRAWN:
                return self.by()
            case AuditEvent.LAPSED:
                return "nobody decided in time"
            case AuditEvent.KEY_CREATED:
                return self.all(
                    self.word("key_hash"), self.end("expires", "ends"), self.word("rule_digest", "rules ", 16)
                )
            case AuditEvent.SENT:
                return "the requester has the token"
            case AuditEvent.HIDDEN:
                return "the message with the token is gone"
            case AuditEvent.STUCK | AuditEvent.DELAYED | AuditEvent.RECOVERED:
                effect_id = self.word("effect_id", "effect ")
                return self.because(self.all(self.word("effect"), effect_id), "error")
            case AuditEvent.REVOKED:
                return self.because(self.by(), "why")
            case AuditEvent.EXPIRED:
                return self.word("why", limit=600) or "its time was over"
            case AuditEvent.REMINDED:
                return self.word("of")
            case AuditEvent.REPLACED:
                return self.because(self.by(), "why")
            case AuditEvent.LEFT:
                return self.because(self.by("person", ""), "why")
            case AuditEvent.RETURNED:
                return self.by("person", "")
            case AuditEvent.RENEWED:
                return self.all(self.by("reviewer"), self.word("counted_by", "counted by "))
            case AuditEvent.KEY_DELETED:
                return self.word("key_hash")
            case AuditEvent.CONFIGURED:
                return self.configured()
            case _:
                assert_never(event)

    def configured(self) -> str:
        names = {
            "added": "added",
            "removed": "removed",
            "approvals_fell": "fewer approvals for",
            "people_changed": "other people for",
        }
        told = [self.names(key, before) for key, before in names.items()]
        return self.all(self.word("digest", "rules ", 16), *told)

    @staticmethod
    def all(*parts: str) -> str:
        return ", ".join(part for part in parts if part)

    def because(self, told: str, key: str) -> str:
        why = self.word(key, limit=600)
        return ": ".join(part for part in (told, why) if part)

    def word(self, key: str, before: str = "", limit: int = 150) -> str:
        value = self.details.get(key)
        if value is None or value == "":
            return ""
        return f"{before}{self.tongue.said(wording.without_markup(str(value)), limit)}"

    def names(self, key: str, before: str) -> str:
        value = self.details.get(key)
        values = [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)] if value else []
        return f"{before} {self.tongue.said(', '.join(values), 400)}" if values else ""

    def by(self, key: str = "", before: str = "by") -> str:
        user = self.details.get(key) or (self.row.actor.user_id if self.row.actor else None)
        return f"{before} {self.tongue.person(str(user))}".strip() if user else ""

    def have(self) -> str:
        have, need = self.word("have"), self.word("need")
        return f"{have} of {need}" if have and need else have

    def end(self, key: str, before: str) -> str:
        if key not in self.details:
            return ""
        value = self.details[key]
        if value is None:
            return "no end"
        try:
            return f"{before} {self.tongue.date(datetime.fromisoformat(str(value)))}"
        except (ValueError, OverflowError):
            return self.word(key, f"{before} ")

    def lifetime(self) -> str:
        if "lifetime" not in self.details:
            return ""
        value = self.details["lifetime"]
        if value is None:
            return "no end"
        try:
            return wording.duration(timedelta(seconds=value))
        except (TypeError, ValueError, OverflowError):
            return self.word("lifetime")


# --- pieces -----------------------------------------------------------------------------------------------------------


def what(request: Request) -> str:
    """The API, with the plan where there was a choice."""
    plan = f" ({inert(request.plan.name, 150)})" if len(request.rule.plans) > 1 else ""
    return f"{inert(request.rule.title, 150)}{plan}"


def _headline(request: Request) -> str:
    return f"{request.label} · {what(request)}, {wording.duration(request.lifetime)}"


def _section(said: str) -> Block:
    return {"type": "section", "text": mrkdwn(said, MAX_SECTION)}


def _typed(name: str, typed: str) -> Block:
    """What a person typed: Slack reads nothing into it."""
    return {"type": "section", "text": plain(f"{name}: {typed.strip()}", 2000)}


def _preformatted(line: str) -> Block:
    inner = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": line}]}
    return {"type": "rich_text", "elements": [inner]}


def _button(
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


def _confirm(title: str, said: str, yes: str, no: str) -> Block:
    return {"title": plain(title, 100), "text": plain(said, 300), "confirm": plain(yes, 30), "deny": plain(no, 30)}
