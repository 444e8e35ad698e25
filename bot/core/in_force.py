"""The rulebook in force: one place, read whenever a rule is asked for."""

from __future__ import annotations

from bot.core.model import Rule, Rulebook


class InForce:
    """`current` is never copied: who replaces it changes the rules for everybody at once."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.current = rulebook

    def rule(self, name: str) -> Rule | None:
        return self.current.rules.get(name)
