"""The APIs on offer, in the order in which people read them: sorted once a rulebook, whoever asks."""

from __future__ import annotations

import difflib
from typing import NamedTuple

from bot.core import rules
from bot.core.model import Audience, Person, Rule, Rulebook

REMEMBERS = 64  # as many sets of APIs as there are kinds of people to offer them to


class Found(NamedTuple):
    """The first rules that a search found, and how many there are `in_all`."""

    rules: tuple[Rule, ...]
    in_all: int


class Catalogue:
    """The rules of one rulebook. Thousands of them name few audiences, so it is those that are asked about a person."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.rulebook = rulebook
        self.channels = rules.named_channels(rulebook.rules)
        in_force = (rule for rule in rulebook.rules.values() if not rule.out_of_force)
        self._sorted = sorted(in_force, key=lambda rule: (rule.title.casefold(), rule.name))
        self._audiences = frozenset(rule.requesters for rule in self._sorted)
        self._words = {rule.name: _words(rule) for rule in self._sorted}
        self._offered: dict[frozenset[Audience], tuple[Rule, ...]] = {}

    def offered(self, person: Person) -> tuple[Rule, ...]:
        """The rules of all that this person may ask for."""
        mine = self._of(person)
        if mine not in self._offered:
            if len(self._offered) >= REMEMBERS:
                self._offered.clear()
            offered = (_offered(rule, mine) for rule in self._sorted)
            self._offered[mine] = tuple(rule for rule in offered if rule is not None)
        return self._offered[mine]

    def picked(self, person: Person, name: str | None) -> Rule | None:
        """The one of this name, if this person may ask for it; where there is one alone, it is, whatever the name."""
        rule = self.rulebook.rules.get(name) if name else None
        if rule is not None and (found := _offered(rule, self._of(person))) is not None:
            return found
        offered = self.offered(person)
        return offered[0] if len(offered) == 1 else None

    def _of(self, person: Person) -> frozenset[Audience]:
        return frozenset(audience for audience in self._audiences if rules.counted_by(audience, person) is not None)

    def search(self, person: Person, typed: str, most: int) -> Found:
        """Those whose title or name begins with what was typed, then those that have each of its words there, then those that
        have them in the description, too; each part in the order of reading."""
        wanted = typed.casefold().split()
        beginning = f"\n{' '.join(wanted)}"
        parts: tuple[list[Rule], list[Rule], list[Rule]] = ([], [], [])
        for rule in self.offered(person):
            words = self._words[rule.name]
            if beginning in words:
                parts[0].append(rule)
            elif all(word in words for word in wanted):
                called = words.partition("\t")[0]
                parts[1 if all(word in called for word in wanted) else 2].append(rule)
        found = [rule for part in parts for rule in part]
        return Found(tuple(found[:most]), len(found))

    def called(self, person: Person, words: str, most: int) -> tuple[Rule, ...]:
        """The one of this title or name, whatever its case; without one, those of which either begins so, `most` at the most."""
        wanted = " ".join(words.split()).casefold()
        begun: list[Rule] = []
        for rule in self.offered(person):
            known = self._words[rule.name]
            if f"\n{wanted}\n" in known or f"\n{wanted}\t" in known:
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


def _offered(rule: Rule, mine: frozenset[Audience]) -> Rule | None:
    """The rule with what it offers to whoever is in these audiences."""
    if rule.out_of_force or rule.requesters not in mine:
        return None
    return rules.with_plans(rule, mine.__contains__)


def _words(rule: Rule) -> str:
    """All that a search looks at: the title and the name begin a line, the description comes behind a tab."""
    return f"\n{rule.title}\n{rule.name}\t{rule.description}".casefold()
