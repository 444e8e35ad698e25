"""A strict local Slack: Web API and Socket Mode over real sockets, and the people in front of it."""

from bot.sandbox.slack.client import ClickOutcome, CommandOutcome, Person, SubmitOutcome
from bot.sandbox.slack.delivery import Ack
from bot.sandbox.slack.faults import Fault, Faults
from bot.sandbox.slack.journal import AppError, Entry, Journal
from bot.sandbox.slack.rate_limits import RateLimits
from bot.sandbox.slack.server import APP_TOKEN, BOT_TOKEN, SCOPES, LocalSlack
from bot.sandbox.slack.workspace import Channel, Message, NotPossible, Ring, User, UserGroup, Workspace

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
