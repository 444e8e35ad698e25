"""The forms about a request that was made: approve, ask, answer, deny, revoke, replace its token. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.core.lifecycle import Choice, Choices, Loss
from bot.core.limits import MAX_REASON
from bot.core.model import Record
from bot.slack import modals, request_form, state, wording
from bot.slack.block_kit import Block, choice, input_block, modal, option, plain, section, text_input, warned, words
from bot.slack.modals import ACTION_REASON
from bot.slack.request_form import ACTION_LIFETIME, ACTION_PLAN, MAX_OPTIONS
from bot.slack.wording import inert

CALLBACK_APPROVE = "approve"
CALLBACK_ASK = "ask"
CALLBACK_ANSWER = "answer"
CALLBACK_DENY = "deny"
CALLBACK_REVOKE = "revoke"
CALLBACK_REPLACE = "replace"

ACTION_QUESTION = "question"
ACTION_ANSWER = "answer"
ACTION_LOSS = "loss"


def approve_form(record: Record, offered: Choices) -> Block:
    """A yes to what is asked for or to less of it, and why. What there is no choice of comes back as it was shown."""
    request = record.request
    lines = [f"{state.headline(request)}, for {wording.person(request.requester)}", *state.less(request, card=True)]
    blocks = [section("\n".join(lines)), *warned(request.rule.warning)]
    now = "as asked" if request.asked is None else "as it is now"
    if len(offered.lifetimes) > 1:
        options = [
            option(wording.lasting(request.rule, one), request_form.lifetime_value(one))
            for one in offered.lifetimes[-MAX_OPTIONS:]
        ]
        blocks.append(input_block("lifetime", "For how long", _most(ACTION_LIFETIME, options, now)))
    if len(offered.plans) > 1:
        options = [request_form.plan_option(one) for one in offered.plans[-MAX_OPTIONS:]]
        blocks.append(input_block("plan", "Plan", _most(ACTION_PLAN, options, now)))
    note = text_input(ACTION_REASON, "", MAX_REASON, lines=True)
    hint = f"{request.requester_name} and the other approvers will see this, with your name."
    blocks.append(input_block("reason", "Why you approve", note, hint=hint, optional=True))
    return modal(
        "Approve with changes",
        blocks,
        submit="Approve",
        callback=CALLBACK_APPROVE,
        metadata={
            "request_id": request.id,
            "plan": request.plan.name,
            "lifetime": request_form.lifetime_value(request.lifetime),
        },
    )


def _most(action_id: str, options: list[Block], said: str) -> Block:
    """A choice whose last option changes nothing: it says so, and is picked already."""
    *less, most = options
    most = most | {"text": plain(f"{most['text']['text']} ({said})", 75)}
    return choice(action_id, [*less, most], most["value"])


def read_approve(view: Mapping[str, Any]) -> tuple[str, Choice, str]:
    """The request's id, what is given, and why. Raises StaleView."""
    request_id, reason = read_reason(view)
    plan, lifetime = modals.picked(view, "plan", ACTION_PLAN), modals.picked(view, "lifetime", ACTION_LIFETIME)
    given = request_form.read_lifetime(lifetime or modals.kept_name(view, "lifetime"))
    return request_id, Choice(plan or modals.kept_name(view, "plan"), given), reason


def ask_form(record: Record, question_id: str) -> Block:
    """A question to the requester. `question_id` is this form's own."""
    request = record.request
    who = wording.person(request.requester)
    said = f"{state.headline(request)}\n{who} gets your question as a direct message. The answer comes into the card's thread."
    element = text_input(ACTION_QUESTION, "", MAX_REASON, lines=True) | {"focus_on_load": True}
    return modal(
        "Ask a question",
        [section(said), input_block("question", "Your question", element, hint="The other approvers see it, too.")],
        submit="Ask",
        callback=CALLBACK_ASK,
        metadata={"request_id": request.id, "question_id": question_id},
    )


def answer_form(record: Record, question_id: str) -> Block:
    """The requester's answer."""
    request, question = record.request, record.request.question(question_id)
    assert question is not None, "it was found before the form is drawn"
    element = text_input(ACTION_ANSWER, "", MAX_REASON, lines=True) | {"focus_on_load": True}
    asked = section(f"{wording.person(question.asker)} asks about {request.label} ({wording.asked_for(request)}):")
    return modal(
        "Reply",
        [
            asked,
            words(question.text),
            input_block("answer", "Your answer", element, hint="Your approvers will see this."),
        ],
        submit="Send",
        callback=CALLBACK_ANSWER,
        metadata={"request_id": request.id, "question_id": question.id},
    )


def read_question(view: Mapping[str, Any]) -> tuple[str, str, str]:
    """The request's id, what was asked, and the form's own id. Raises StaleView."""
    return _written(view, "question", ACTION_QUESTION)


def read_answer(view: Mapping[str, Any]) -> tuple[str, str, str]:
    """The request's id, the answer, and the question's id. Raises StaleView."""
    return _written(view, "answer", ACTION_ANSWER)


def _written(view: Mapping[str, Any], block_id: str, action_id: str) -> tuple[str, str, str]:
    return modals.request_id(view), modals.written(view, block_id, action_id), modals.kept_name(view, "question_id")


def deny_form(record: Record) -> Block:
    """A no needs a reason."""
    request = record.request
    asked_for = f"{wording.asked_for(request)}, {wording.duration(request.lifetime)}"
    said = f"{wording.person(request.requester)} requested {asked_for}."
    return modal(
        f"Deny {request.label}",
        [
            section(said),
            _why_input(f"{request.requester_name} will see this, with your name."),
        ],
        submit="Deny",
        callback=CALLBACK_DENY,
        metadata={"request_id": request.id},
    )


def revoke_form(record: Record) -> Block:
    """A form for somebody other than the holder, who is told who ended it and why."""
    request = record.request
    whose = f"The token of {wording.person(request.requester)} for {wording.asked_for(request)}"
    said = f"{whose} stops working within about ten seconds."
    return modal(
        f"Revoke {request.label}?",
        [
            section(f"{said} This can't be undone."),
            *([section(f"*Used by:* {inert(request.answers.used_by, 80)}")] if request.answers.used_by.strip() else []),
            _why_input(f"{request.requester_name} will see this, with your name."),
        ],
        submit="Revoke",
        close="Keep it",
        callback=CALLBACK_REVOKE,
        metadata={"request_id": request.id},
    )


def _why_input(hint: str) -> Block:
    element = text_input(ACTION_REASON, "", MAX_REASON, lines=True) | {"focus_on_load": True}
    return input_block("reason", "Reason", element, hint=hint)


def read_reason(view: Mapping[str, Any]) -> tuple[str, str]:
    """The request's id and the reason, of a no or a revocation. Raises StaleView."""
    return modals.request_id(view), modals.written(view, "reason", ACTION_REASON)


def replace_form(record: Record, form_id: str) -> Block:
    """A form that asks what happened to the token: that decides when the old one ends. `form_id` is this form's own."""
    request = record.request
    options = [
        option("I lost it", Loss.LOST.value)
        | {"description": plain("The old token keeps working until you have the new one.", 75)},
        option("Others may have seen it", Loss.LEAKED.value)
        | {"description": plain("The old token stops within seconds, and the approvers are told.", 75)},
    ]
    said = f"I'll send you a new token for {wording.asked_for(request)} ({request.label}). Its expiry stays the same."
    return modal(
        "Replace token",
        [section(said), input_block("loss", "What happened?", choice(ACTION_LOSS, options, Loss.LOST.value))],
        submit="Replace",
        callback=CALLBACK_REPLACE,
        metadata={"request_id": request.id, "form_id": form_id},
    )


def read_replace(view: Mapping[str, Any]) -> tuple[str, Loss, str]:
    """The request's id, what happened, and the form's own id. Raises StaleView."""
    picked = modals.picked(view, "loss", ACTION_LOSS)
    try:
        return modals.request_id(view), Loss(picked or ""), modals.kept_name(view, "form_id")
    except ValueError as error:
        raise modals.StaleView("no such loss") from error
