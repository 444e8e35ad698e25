"""A local Tyk: a Dashboard and a gateway over one table of keys."""

from bot.sandbox.tyk.server import LocalTyk
from bot.sandbox.tyk.state import Api, KeyEntry, Policy

__all__ = ["Api", "KeyEntry", "LocalTyk", "Policy"]
