"""A local Tyk: a Dashboard and a Gateway on this machine, for a laptop without either and for the tests.

It knows nothing of the bot. What it answers was taken from a real Gateway and from Tyk's own specification.
"""

from bot.local.tyk.faults import Call, Faults
from bot.local.tyk.server import LocalTyk
from bot.local.tyk.state import Api, KeyEntry, Policy, Switches

__all__ = ["Api", "Call", "Faults", "KeyEntry", "LocalTyk", "Policy", "Switches"]
