"""A strict local Slack: Web API and Socket Mode over real sockets, and the people in front of it."""

from bot.local.slack.client import ClickOutcome, CommandOutcome, Person, SubmitOutcome
from bot.local.slack.delivery import Ack
from bot.local.slack.faults import Fault, Faults
from bot.local.slack.journal import AppError, Entry, Journal
from bot.local.slack.objects import Channel, Message, Ring, User, UserGroup
from bot.local.slack.rate_limits import RateLimits
from bot.local.slack.server import APP_TOKEN, BOT_TOKEN, SCOPES, LocalSlack
from bot.local.slack.workspace import NotPossible, Workspace

__all__ = [
    "APP_TOKEN",
    "BOT_TOKEN",
    "SCOPES",
    "Ack",
    "AppError",
    "Channel",
    "ClickOutcome",
    "CommandOutcome",
    "Entry",
    "Fault",
    "Faults",
    "Journal",
    "LocalSlack",
    "Message",
    "NotPossible",
    "Person",
    "RateLimits",
    "Ring",
    "SubmitOutcome",
    "User",
    "UserGroup",
    "Workspace",
]
