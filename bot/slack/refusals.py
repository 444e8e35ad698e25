"""A refusal as a person reads it: its title and its sentence. And which refusals say more: of a message, or to the audit."""

from __future__ import annotations

from dataclasses import replace

from bot.core.model import Refusal
from bot.slack import wording

OVERTAKEN = frozenset({"approved", "denied", "withdrawn", "lapsed", "reviewed", "ended"})
"""Somebody else was faster: the message that was clicked is out of date."""
FOR_THE_AUDIT = frozenset(
    {
        "not_allowed",
        "unreachable",
        "own_request",
        "not_approver",
        "not_requester",
        "guest",
        "stranger",
        "other_team",
        "bot",
        "deactivated",
    }
)
_TITLES = {
    "approved": "Already approved",
    "denied": "Already denied",
    "withdrawn": "Already withdrawn",
    "lapsed": "Already expired",
    "reviewed": "Already reviewed",
    "answered": "Already answered",
    "ended": "Already ended",
    "said_yes": "Already approved",
    "under_way": "Already on its way",
    "no_token": "No longer shown",
    "no_grant": "Never granted",
    "own_request": "Your own request",
    "not_approver": "You're not an approver",
    "not_requester": "Not your request",
    "not_allowed": "Not for you to request",
    "nobody": "Nothing to request",
    "rule_gone": "No longer offered",
    "rule_changed": "The rules changed",
    "plan_changed": "The rules changed",
    "lifetime_changed": "The rules changed",
    "approvals_rose": "The rules changed",
    "approvals_fell": "Approvals are missing",
    "out_of_force": "Too few approvers",
    "unreachable": "Too few approvers",
    "unknown": "Unknown request",
    "cannot_say": "Slack didn't answer",
    "guest": "Only for full members",
    "stranger": "Only for members",
    "other_team": "Only for members",
    "bot": "Only for people",
    "deactivated": "Account deactivated",
}


def title(refusal: Refusal) -> str:
    """The reason itself."""
    return _TITLES.get(refusal.code, "Not possible")


def sentence(refusal: Refusal, user_id: str) -> str:
    """The sentence, and who can do what this person can't: the audit, where nobody is to be rung, gets the sentence alone."""
    able = refusal.able and replace(refusal.able, users=refusal.able.users - {user_id})
    if not able or not (able.groups or able.users):
        return refusal.text
    return f"{refusal.text} {wording.begun(wording.audience(able, last='and'))} can."
