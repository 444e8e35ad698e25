"""The sandbox as a page: a person in a browser is anybody of the workspace, and sees what happens underneath."""

from bot.local.page.server import Page, PortTakenError
from bot.local.page.switches import Bot

__all__ = ["Bot", "Page", "PortTakenError"]
