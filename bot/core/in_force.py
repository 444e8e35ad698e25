"""The configuration in force: one place, read whenever something of it is asked for."""

from __future__ import annotations

from bot.core.model import Rule, Rulebook


class InForce:
    """Nothing of it is copied: `take` changes it for everybody at once. `help_channel` is where error sentences send people,
    `alias` what Tyk shows of a key's holder, as the file says it."""

    def __init__(self, rulebook: Rulebook, *, help_channel: str = "", alias: str = "number") -> None:
        self.take(rulebook, help_channel=help_channel, alias=alias)

    def take(self, rulebook: Rulebook, *, help_channel: str, alias: str) -> None:
        self.current = rulebook
        self.help_channel = help_channel
        self.alias = alias

    def rule(self, name: str) -> Rule | None:
        return self.current.rules.get(name)
