"""The sandbox as a page: a person in a browser is anybody of the workspace, and sees what happens underneath."""

from bot.sandbox.page.server import Page, PortTakenError
from bot.sandbox.page.switches import Bot

__all__ = ["Bot", "Page", "PortTakenError"]
