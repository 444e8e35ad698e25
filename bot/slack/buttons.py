"""The buttons of messages and lists, and the ids by which their clicks, and the use of shortcuts, are known."""

from __future__ import annotations

from functools import partial

from bot.core.messages import is_asked_of_holder
from bot.core.model import (
    GrantState,
    Key,
    Question,
    Record,
    Request,
    RequestState,
)
from bot.slack import wording
from bot.slack.block_kit import Block, button, confirm_dialog, option, plain
from bot.slack.snippets import SNIPPETS

SHORTCUT = "request"
SHORTCUT_OF_MESSAGE = "request:message"
REQUEST = "request:new"
LIST = "list"
WHO = "who"
APPROVE = "review:approve"
APPROVE_LESS = "review:less"
DENY = "review:deny"
ASK = "question:ask"
REPLY = "question:reply"
WITHDRAW = "withdraw"
REVOKE = "revoke"
REVOKE_ASK = "revoke:ask"
REPLACE = "replace"
EXTEND = "extend"
CHANGE_PLAN = "extend:plan"
ASK_AGAIN = "ask:again"
IN_USE = "use:yes"
RENEW = "renew"
DETAILS = "details"
TOKEN_SAVED = "token:saved"  # noqa: S105 - an id
SNIPPET = "snippet"


_FOR = "api:"  # before the name of an API in the value of a button: Slack takes no empty value


def request(api: str = "", title: str = "") -> Block:
    """The button that opens the form, with this API chosen where one is given."""
    spoken = f"Request a token for {title}" if title else "Request a token"
    return button("Request a token", REQUEST, f"{_FOR}{api}", spoken, style=None if api else "primary")


def requested_api(value: str) -> str | None:
    """The API that such a button's value names."""
    return value.removeprefix(_FOR) or None


def who(api: str) -> Block:
    return button("Look it up", WHO, api, f"Look it up: who holds a token for {api}")


def listed() -> Block:
    return button("Open list", LIST, LIST, "Open list of your tokens and requests")


def for_approvers(record: Record) -> list[Block]:
    request, grant = record.request, record.grant
    if request.state is not RequestState.PENDING:
        lives = grant is not None and grant.state is not GrantState.ENDED
        return [revoke_for_others(request)] if lives else []
    return [
        _approve(request),
        button("Deny", DENY, request.id, f"Deny {request.label}"),
        button("Approve with changes", APPROVE_LESS, request.id, f"Approve with changes {request.label}"),
        button("Ask a question", ASK, request.id, f"Ask a question about {request.label}"),
    ]


def _approve(request: Request) -> Block:
    """Asks in a dialog where the API has a warning: nobody approves without having seen it."""
    title = f"Approve {request.label} for {wording.one_line(request.requester_name, 60)}?"
    asks = confirm_dialog(title, request.rule.warning, "Approve", "Cancel") if request.rule.warning else None
    return button("Approve", APPROVE, request.id, f"Approve {request.label}", style="primary", confirm=asks)


def details(request: Request) -> Block:
    """Opens all that was decided on."""
    return button("Details", DETAILS, request.id, f"Details of {request.label}")


def for_holder(record: Record) -> list[Block]:
    request, grant = record.request, record.grant
    if request.state is RequestState.PENDING:
        return [*map(partial(reply, request), request.unanswered[:1]), _withdraw(request)]
    if request.extends is not None and request.state is RequestState.APPROVED:
        return []  # what can be done is done with what it extends
    if grant is None or grant.state is GrantState.ENDED:
        return [ask_again(request)]
    asked = [in_use(request)] if is_asked_of_holder(record) else []
    if not _can_be_replaced(record):
        return [*asked, _revoke(request)]
    works = record.gone_at is None
    more = [extend(request)] if works and grant.until is not None else []
    other = [_change_plan(request)] if works and len(request.rule.plans) > 1 else []
    return [*asked, *more, replace(request), *other, _revoke(request)]


def reply(request: Request, question: Question) -> Block:
    """Opens the form for the answer."""
    spoken = f"Reply to {wording.one_line(question.asker_name, 40)} about {request.label}"
    return button("Reply", REPLY, f"{request.id}:{question.id}", spoken, style="primary")


def _can_be_replaced(record: Record) -> bool:
    """True where there is a token, and none is on its way."""
    return record.grant is not None and record.grant.state is GrantState.ACTIVE and not record.awaits_token


def ask_again(request: Request) -> Block:
    """The button that opens the form, filled in as it was."""
    return button("Ask again", ASK_AGAIN, request.id, f"Ask again for {request.rule.title}")


def extend(request: Request) -> Block:
    """Opens the form for more time with the same token."""
    return button("Extend", EXTEND, request.id, f"Extend {request.label}")


def _change_plan(request: Request) -> Block:
    return button("Change plan", CHANGE_PLAN, request.id, f"Change plan of {request.label}")


def revoke_for_others(request: Request) -> Block:
    """Opens the form that asks why: the holder is told."""
    return button("Revoke", REVOKE_ASK, request.id, f"Revoke {request.label}", style="danger")


def replace(request: Request) -> Block:
    return button("Replace token", REPLACE, request.id, f"Replace token of {request.label}")


def _withdraw(request: Request) -> Block:
    confirm = confirm_dialog(
        f"Withdraw {request.label}?", "Nobody will decide it then. You can ask again later.", "Withdraw", "Keep it"
    )
    return button("Withdraw", WITHDRAW, request.id, f"Withdraw {request.label}", confirm=confirm)


def _revoke(request: Request) -> Block:
    """The holder's button, which asks in a dialog."""
    said = "The token stops working within about ten seconds. This can't be undone."
    confirm = confirm_dialog(f"Revoke {request.label}?", said, "Revoke", "Keep it") | {"style": "danger"}
    return button("Revoke", REVOKE, request.id, f"Revoke {request.label}", style="danger", confirm=confirm)


def in_use(request: Request) -> Block:
    """The holder's yes, when they are asked whether they still use it."""
    return button("Yes, I use it", IN_USE, request.id, f"Yes, I use it: {request.label}", style="primary")


def not_in_use(request: Request) -> Block:
    return _revoke(request) | {
        "text": plain("No, revoke it", 75),
        "accessibility_label": f"No, revoke it: {request.label}",
    }


def keep(request: Request) -> Block:
    return button("Still needed", RENEW, request.id, f"Still needed: {request.label}", style="primary")


def last_use(request: Request) -> Block:
    """A button to see when the holder's token was last used: looked up when it is pressed, so that it is true."""
    return button("See last use", WHO, request.requester.user_id, f"See last use of {request.label}")


def snippets(request: Request) -> Block:
    """The menu of other ways to use a token; which one, and of which request, stands in the option."""
    options = [option(one.name, f"{value}:{request.id}") for value, one in SNIPPETS.items()]
    return {"type": "overflow", "action_id": SNIPPET, "options": options}


def saved(request: Request, key: Key) -> Block:
    spoken = f"I've saved it: the token of {request.label}"
    return button("I've saved it", TOKEN_SAVED, f"{request.id}:{key.id}", spoken)
