"""The door of the core: every change a request, its grant and its keys can go through.

Each public function takes a record, what happened and the time, and returns a `Transition`: the record afterwards, what is
promised to the outside world, and what the audit says. Nothing here acts; whoever stores the transition stores all of it or
nothing. A `Refusal` is raised where the answer is no.

    request   pending -> approved | denied | withdrawn | lapsed    `requests`
    grant     issuing -> active -> ended                           `grants`
    key       making -> probation -> live -> dead                  `keys`
    message   posted, shown, forgotten                             `messages`

More time or another plan for what is held is a request of its own: `extensions`.

Here is what concerns them all: what time has decided, which promises still matter, and what follows from what came back.
`timing` says when time decides, `views` what a message says, `draft` keeps the books.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from bot.core import extensions, facts, grants, keys, messages, requests, timing
from bot.core.draft import Draft, NewId
from bot.core.grants import already_ended, in_use, may_revoke, renew, revoke
from bot.core.keys import PROBATION, Loss, check_replaceable, hide, replace_token
from bot.core.messages import adopt, look_again, repaint
from bot.core.model import Effect, EffectKind, Record, RequestState, Topic, Transition
from bot.core.narrowing import Choice, Choices, choices
from bot.core.questions import answer, ask, check_answerable
from bot.core.requests import (
    Asked,
    already_decided,
    check_form,
    deny,
    recount,
    review,
    submit,
    withdraw,
)
from bot.core.rules import check_still_allowed


def settle(record: Record, now: datetime, new_id: NewId) -> Transition | None:
    """Apply what time alone has decided, if anything: past `lapses_at` a request has lapsed, past its end a grant has ended,
    and people are reminded of either before."""
    draft = Draft(record, now, new_id)
    end = timing.end_of(record)
    due = [reminder.topic for reminder in timing.reminders(record) if reminder.at <= now]
    if requests.has_lapsed(record, now):
        requests.lapse(draft)
    elif due[-1:] == [Topic.RENEWAL]:
        grants.ask(draft)  # before its end is looked at: the 14 days begin when the question was asked
    elif end is not None and now >= end.at:
        grants.expire(draft, end)
    elif due[-1:] == [Topic.STILL_USED]:
        grants.ask_holder(draft)
    elif due and record.request.state is RequestState.PENDING:
        requests.remind(draft, due[-1])
    elif due:
        grants.remind(draft, due[-1])
    else:
        return None
    return draft.done()


def claim(record: Record, effect: Effect, now: datetime, new_id: NewId) -> Transition | None:
    """Add what goes with claiming a promise, in the same transaction: showing a token promises to hide it."""
    if effect.kind is not EffectKind.DELIVER_TOKEN:
        return None
    draft = Draft(record, now, new_id)
    keys.delivering(draft, effect.subject_id)
    return draft.done()


def matters(record: Record, effect: Effect) -> bool:  # noqa: PLR0911 - one return a kind
    """The promise still has to be kept. One that no longer matters is dropped when it is claimed."""
    match effect.kind:
        case EffectKind.POST_MESSAGE:
            return messages.post_matters(record, record.message(effect.subject_id))
        case EffectKind.SHOW_MESSAGE:
            return messages.show_matters(record, record.message(effect.subject_id))
        case EffectKind.LAPSE_REQUEST:
            return record.request.state is RequestState.PENDING
        case EffectKind.END_GRANT:
            return record.lives
        case EffectKind.REMIND:
            return bool(timing.reminders(record))
        case EffectKind.EXTEND_GRANT:
            return extensions.matters(record)
        case EffectKind.POST_AUDIT | EffectKind.SWEEP_LEAVERS | EffectKind.TELL_OUTAGE:
            return True
        case EffectKind.RECONCILE | EffectKind.TELL_FINDINGS | EffectKind.FORWARD_AUDIT:
            return True
        case (
            EffectKind.ISSUE_KEY
            | EffectKind.CONFIRM_KEY
            | EffectKind.VERIFY_KEY
            | EffectKind.DELIVER_TOKEN
            | EffectKind.HIDE_TOKEN
            | EffectKind.REVOKE_KEY
        ):
            key, grant = record.key(effect.subject_id), record.grant
            return key is not None and grant is not None and keys.act_matters(effect.kind, key, grant)
        case _:
            assert_never(effect.kind)


def observe(record: Record, fact: facts.Fact, now: datetime, new_id: NewId) -> Transition:
    """The record after an act, and what follows from it."""
    draft = Draft(record, now, new_id)
    match fact:
        case facts.MessagePosted() | facts.MessageShown() | facts.MessageGone():
            _of_message(draft, fact)
        case (
            facts.KeyIssued()
            | facts.KeyConfirmed()
            | facts.KeyMissing()
            | facts.KeyVerified()
            | facts.KeyWrong()
            | facts.KeyDead()
            | facts.TokenShown()
            | facts.TokenHidden()
        ):
            _of_key(draft, fact)
        case facts.KeyGone() | facts.KeyChanged() | facts.KeyAsGranted():
            _of_look(draft, fact)
        case facts.Barred() | facts.Unreachable() | facts.Left() | facts.Returned():
            _of_requester(draft, fact)
        case facts.Stuck():
            messages.stuck(draft, fact)
        case facts.Delayed():
            messages.delayed(draft, fact)
        case facts.Recovered():
            messages.recovered(draft, fact)
        case facts.Due():
            draft.promise_what_time_decides()
        case _:
            assert_never(fact)
    return draft.done()


def _of_message(draft: Draft, fact: facts.OfMessage) -> None:
    match fact:
        case facts.MessagePosted():
            messages.posted(draft, fact)
            keys.announced(draft, fact.message_id)
        case facts.MessageShown():
            messages.shown(draft, fact)
        case facts.MessageGone():
            messages.gone(draft, fact.message_id)
        case _:
            assert_never(fact)


def _of_key(draft: Draft, fact: facts.OfKey) -> None:
    """Issue, confirm, deliver are each promised by the one before."""
    match fact:
        case facts.KeyIssued():
            keys.issued(draft, fact)
        case facts.KeyConfirmed():
            keys.confirmed(draft, fact)
            grants.activate(draft)
        case facts.KeyMissing():
            keys.missing(draft, fact.key_id)
        case facts.KeyVerified():
            draft.change_key(fact.key_id, verified_at=draft.now)
        case facts.KeyWrong():
            grants.key_wrong(draft, fact)
        case facts.KeyDead():
            keys.dead(draft, fact.key_id)
        case facts.TokenShown():
            keys.token_shown(draft, fact.key_id)
        case facts.TokenHidden():
            keys.token_hidden(draft, fact)
        case _:
            assert_never(fact)


def _of_look(draft: Draft, fact: facts.OfLook) -> None:
    match fact:
        case facts.KeyGone():
            keys.gone(draft, fact.key_id)
        case facts.KeyChanged():
            keys.changed(draft, fact)
        case facts.KeyAsGranted():
            keys.as_granted(draft, fact.key_id)
        case _:
            assert_never(fact)


def _of_requester(draft: Draft, fact: facts.OfRequester) -> None:
    match fact:
        case facts.Barred():
            grants.barred(draft, fact)
        case facts.Unreachable():
            grants.unreachable(draft, fact.why)
        case facts.Left():
            requests.left(draft, fact.why)
            grants.left(draft, fact.why)
        case facts.Returned():
            grants.returned(draft)
        case _:
            assert_never(fact)


__all__ = [
    "PROBATION",
    "Asked",
    "Choice",
    "Choices",
    "Loss",
    "adopt",
    "already_decided",
    "already_ended",
    "answer",
    "ask",
    "check_answerable",
    "check_form",
    "check_replaceable",
    "check_still_allowed",
    "choices",
    "claim",
    "deny",
    "hide",
    "in_use",
    "look_again",
    "matters",
    "may_revoke",
    "observe",
    "recount",
    "renew",
    "repaint",
    "replace_token",
    "review",
    "revoke",
    "settle",
    "submit",
    "withdraw",
]
