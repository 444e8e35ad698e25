"""The gate before any rule: full members of our own workspace may use the bot, and nobody else."""

from __future__ import annotations

from bot.core.model import Person, Refusal, Workspace

SLACKBOT = "USLACKBOT"  # Slack says of it that it is no bot
_WRONG = " If that's wrong, ask your Slack admins."


def refuse(person: Person, workspace: Workspace) -> Refusal | None:
    """None for a full member, else why not. What Slack did not say (an empty team) counts against a person."""
    user_id = person.identity.user_id
    if person.is_stranger:
        return Refusal(
            f"Only members of this workspace can use this bot, and Slack doesn't know you.{_WRONG}", code="stranger"
        )
    if person.is_bot or user_id in {SLACKBOT, workspace.bot_user_id}:
        return Refusal("Only people can use this bot, not other apps.", code="bot")
    if person.deleted:
        return Refusal(f"This Slack account is deactivated, so it can't use this bot.{_WRONG}", code="deactivated")
    if not _is_ours(person, workspace):
        return Refusal(
            f"Only members of this workspace can use this bot, and you belong to another one.{_WRONG}",
            code="other_team",
        )
    if person.is_guest:
        return Refusal(
            f"Only full members of this workspace can use this bot, and you're a guest here.{_WRONG}", code="guest"
        )
    return None


def why_left(person: Person, workspace: Workspace) -> str | None:
    """The same about somebody who is not there to be told: a sentence for others, None for a full member."""
    refusal = refuse(person, workspace)
    if refusal is None:
        return None
    return {
        "deactivated": "Their Slack account is deactivated.",
        "guest": "They are only a guest here now.",
    }.get(refusal.code, "They are no longer a member of this workspace.")


def no_longer(person: Person, workspace: Workspace) -> str:
    """The same in a few words, to stand behind a name; empty for a full member."""
    refusal = refuse(person, workspace)
    if refusal is None:
        return ""
    return {
        "deactivated": "their account is deactivated",
        "guest": "only a guest now",
    }.get(refusal.code, "no longer a member of this workspace")


def _is_ours(person: Person, workspace: Workspace) -> bool:
    same_team = person.identity.team_id == workspace.team_id != ""
    return same_team or bool(workspace.enterprise_id and person.enterprise_id == workspace.enterprise_id)
