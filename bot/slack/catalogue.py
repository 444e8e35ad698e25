"""The APIs on offer, in the order in which people read them: sorted once a rulebook, whoever asks."""

from __future__ import annotations

import difflib

from bot.core import rules
from bot.core.model import Audience, Person, Rule, Rulebook

REMEMBERS = 64  # as many sets of APIs as there are kinds of people to offer them to


class Catalogue:
    """The rules of one rulebook. Thousands of them name few audiences, so it is those that are asked about a person."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.rulebook = rulebook
        self.channels = rules.named_channels(rulebook.rules)
        in_force = (rule for rule in rulebook.rules.values() if not rule.out_of_force)
        self._sorted = sorted(in_force, key=lambda rule: (rule.title.casefold(), rule.name))
        self._audiences = frozenset(rule.requesters for rule in self._sorted)
        self._words = {rule.name: f"\n{rule.title.casefold()}\n{rule.name.casefold()}" for rule in self._sorted}
        self._offered: dict[frozenset[Audience], tuple[Rule, ...]] = {}

    def offered(self, person: Person) -> tuple[Rule, ...]:
        """The rules of all that this person may ask for."""
        mine = frozenset(audience for audience in self._audiences if rules.counted_by(audience, person) is not None)
        if mine not in self._offered:
            if len(self._offered) >= REMEMBERS:
                self._offered.clear()
            allowed = (rule for rule in self._sorted if rule.requesters in mine)
            offered = (rules.with_plans(rule, mine.__contains__) for rule in allowed)
            self._offered[mine] = tuple(rule for rule in offered if rule is not None)
        return self._offered[mine]

    def search(self, person: Person, typed: str, most: int) -> tuple[Rule, ...]:
        """Those whose title or name begins with what was typed, then those that contain it; each part in the order of reading."""
        wanted = " ".join(typed.split()).casefold()
        beginning = f"\n{wanted}"
        first: list[Rule] = []
        then: list[Rule] = []
        for rule in self.offered(person):
            words = self._words[rule.name]
            if beginning in words:
                first.append(rule)
                if len(first) == most:
                    break
            elif len(then) < most and wanted in words:
                then.append(rule)
        return tuple(first + then)[:most]

    def called(self, person: Person, words: str, most: int) -> tuple[Rule, ...]:
        """The one of this title or name, whatever its case; without one, those of which either begins so, `most` at the most."""
        wanted = " ".join(words.split()).casefold()
        begun: list[Rule] = []
        for rule in self.offered(person):
            known = self._words[rule.name]
            if f"{known}\n".find(f"\n{wanted}\n") >= 0:
                return (rule,)
            if len(begun) < most and f"\n{wanted}" in known:
                begun.append(rule)
        return tuple(begun)

    def nearest(self, person: Person, words: str) -> Rule | None:
        """The one whose title or name looks most like these words. It compares with each: not to be asked on the event loop."""
        wanted = " ".join(words.split()).casefold()[:100]
        known = {word: rule for rule in self.offered(person) for word in (rule.name.casefold(), rule.title.casefold())}
        close = difflib.get_close_matches(wanted, known, n=1)
        return known[close[0]] if close else None
