"""Errors that end a command, told in a sentence to whoever gave it."""

from __future__ import annotations

WRONG_INPUT = 2
FAILED = 1
INTERRUPTED = 130
EXIT_CODES = {
    0: "done",
    FAILED: "something failed, or only a part was done",
    WRONG_INPUT: "wrong arguments, configuration or environment",
    INTERRUPTED: "interrupted",
}
"""What each exit code of a command means, unless its help says otherwise."""


class CommandError(Exception):
    """The world is at fault: a database, a network, somebody else's answer."""

    exit_code = FAILED

    @property
    def sentence(self) -> str:
        return str(self)


class InputError(CommandError):
    """An error in what was typed, in a file or in the environment."""

    exit_code = WRONG_INPUT
