"""A difference in words: for a terminal, as Markdown for the comment on a pull request, and as JSON.

Names and what people wrote are inert in Markdown: they stand in code spans, where nothing is a mention, a link or a format.
"""

from __future__ import annotations

import re
import sys
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from bot import layout
from bot.core.changes import Access, Together
from bot.core.reach import Right, Shift
from bot.difference import Case, Difference, History, Looked
from bot.population import ANYBODY, Population
from bot.slack import rule_changes, wording

SHOWN = 10
NAMED = 5
MAX_CHANGE = 50_000
_HEADS = {
    Access.WIDER: "Widens access",
    Access.OTHER: "May widen access",
    Access.NARROWER: "Narrows access",
    Access.SAME: "Leaves access as it is",
}
_BECOMES = {"refused": "could not have been asked for", "pending": "would have been left waiting"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+!|~-])")
_LOOKALIKES = str.maketrans({"`": "ˋ"})  # noqa: RUF001 - what is drawn so ends no code span
_INERT = str.maketrans({"@": "＠", "`": "ˋ"})  # noqa: RUF001 - what is drawn so mentions nobody


class Style(ABC):
    """A way to write headings, points and names."""

    @abstractmethod
    def heading(self, text: str, level: int) -> Iterator[str]: ...

    @abstractmethod
    def point(self, text: str) -> Iterator[str]: ...

    @abstractmethod
    def name(self, text: str) -> str:
        """A name, an id, or what else a person wrote."""

    @abstractmethod
    def sentence(self, text: str) -> str:
        """A sentence that may hold such."""


class Plain(Style):
    def __init__(self, width: int) -> None:
        self._width = width

    def heading(self, text: str, level: int) -> Iterator[str]:
        yield from ([] if level == 1 else [""])
        yield from textwrap.wrap(text, self._width, break_long_words=False, break_on_hyphens=False)

    def point(self, text: str) -> Iterator[str]:
        yield from textwrap.wrap(
            text,
            self._width,
            initial_indent="  ",
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )

    def name(self, text: str) -> str:
        return wording.one_line(text, 200)

    def sentence(self, text: str) -> str:
        return wording.one_line(wording.without_markup(text), 500)


class Markdown(Style):
    def heading(self, text: str, level: int) -> Iterator[str]:
        yield from [f"## {text}"] if level == 1 else ["", f"### {text}", ""]

    def point(self, text: str) -> Iterator[str]:
        yield f"- {text}"

    def name(self, text: str) -> str:
        return f"`{wording.one_line(text, 200).translate(_LOOKALIKES)}`"

    def sentence(self, text: str) -> str:
        line = wording.one_line(wording.without_markup(text), 500).translate(_INERT)
        line = line.replace("://", "∶//").replace("www.", "www․")  # noqa: RUF001 - no address becomes a link
        return _SPECIAL.sub(r"\\\1", line)


def style(name: str) -> Style:
    """`text`, no wider than the terminal that it goes to, or `markdown`."""
    return Markdown() if name == "markdown" else Plain(layout.reading_width(sys.stdout))


def lines(found: Difference, style: Style) -> Iterator[str]:
    """The whole of it."""
    old, new = found.old.rulebook.digest, found.new.rulebook.digest
    if not found.is_any:
        yield from style.heading(f"No difference: both files mean the same (digest {new}).", 1)
    else:
        yield from style.heading(f"What changes in the rules (digest {old} to {new})", 1)
    said = _Said(found, style)
    people = "" if found.everybody.is_of_people else ", by the names in the files"
    yield from said.part(f"Who gains and who loses{people}", said.shifts())
    for access, head in _HEADS.items():
        yield from said.part(head, said.changes(access))
    yield from said.of_database()
    yield from said.part("Worth a look", [style.sentence(one) for one in found.doubts])
    if found.is_any:
        yield from said.part("Not looked at", [style.sentence(one) for one in found.not_looked_at])


class _Said:
    def __init__(self, found: Difference, style: Style) -> None:
        self._found = found
        self._style = style
        self._everybody = found.everybody

    def part(self, head: str, points: Iterable[str]) -> Iterator[str]:
        told = list(points)
        if told:
            yield from self._counted(head, told)

    def _counted(self, head: str, points: Iterable[str]) -> Iterator[str]:
        """The heading stands by itself where it counts none."""
        yield from self._style.heading(head, 2)
        for one in points:
            yield from self._style.point(one)

    def changes(self, access: Access) -> list[str]:
        speech = rule_changes.Speech(
            said=lambda text, most: self._style.name(text[:most]), person=self._person, title=lambda entry: entry
        )
        some = [one for one in self._found.changes if one.access is access]
        return [said for one in some for said in rule_changes.sentences([one], speech, room=MAX_CHANGE)[0]]

    def _person(self, slack_id: str) -> str:
        called = self._everybody.called(slack_id)
        is_person = slack_id.startswith(("U", "W")) and called != slack_id
        return self._style.name(f"{called} ({slack_id})" if is_person else called)

    # --- who gains and who loses ---

    def shifts(self) -> Iterator[str]:
        """The same of several entries is said once."""
        alike: dict[Shift, list[str]] = {}
        for shift in self._found.shifts:
            alike.setdefault(replace(shift, entry=""), []).append(shift.entry)
        for shift, entries in alike.items():
            verb = "may now" if shift.gained else "may no longer"
            yield f"{self._people(shift)} {verb} {self._what(shift, entries)}"

    def _people(self, shift: Shift) -> str:
        everybody = [one.identity.user_id for one in self._everybody.people]
        if ANYBODY in shift.people:
            return "everyone" if shift.gained else "whoever is not named any more"
        if self._everybody.is_of_people and len(shift.people) == len(everybody) > NAMED:
            return f"all {len(everybody):,} full members"
        return _several([self._named(one) for one in shift.people])

    def _named(self, slack_id: str) -> str:
        if (
            self._everybody.is_of_people
            or slack_id.startswith(("U", "W"))
            or "@" in self._everybody.called(slack_id).lstrip("@")
        ):
            return self._person(slack_id)
        return f"the members of {self._person(slack_id)}"

    def _what(self, shift: Shift, entries: Sequence[str]) -> str:
        if shift.right is Right.AUDIT:
            return "look up who holds what"
        some = _several([self._style.name(entry) for entry in entries])
        verb = {Right.REQUEST: "request", Right.APPROVE: "approve"}[shift.right]
        if not shift.plans:
            return f"{verb} {some}"
        plans = wording.people([self._style.name(plan) for plan in shift.plans])
        return f"{verb} the {'plan' if len(shift.plans) == 1 else 'plans'} {plans} of {some}"

    # --- what the database knows ---

    def of_database(self) -> Iterator[str]:
        found = self._found
        if found.waiting is not None:
            yield from self._looked("Waiting requests that could not be granted any more", found.waiting)
        if found.living is not None:
            yield from self._looked("Tokens in use that would not be given today", found.living)
            if found.living.cases:
                yield from self._style.point(
                    "They go on working until they end, and are not replaced where they get lost."
                )
        if found.history is not None:
            yield from self._history(found.history)

    def _looked(self, head: str, looked: Looked) -> Iterator[str]:
        if not looked.of:
            return
        notes = [f"of {looked.before:,} more it is so under the old file, too"] if looked.before else []
        points = [*self._cases(looked.cases), *notes, *_unknown(looked.unknown)]
        yield from self._counted(_of(head, len(looked.cases), looked.of), points)

    def _cases(self, cases: Sequence[Case]) -> Iterator[str]:
        """Each by itself, or, where they are many, alike ones together with the first of them."""
        if len(cases) <= SHOWN:
            yield from map(self._case, cases)
            return
        alike: dict[tuple[str, str], list[Case]] = {}
        for case in cases:
            alike.setdefault((case.api, case.why), []).append(case)
        groups = sorted(alike.items(), key=lambda one: (-len(one[1]), one[0]))
        for (api, why), some in groups[:SHOWN]:
            such = f"{some[0].request}, {self._witness(some[0].person, some[0].name)}"
            yield f"{self._style.name(api)}: {len(some):,}. {self._style.sentence(why)} Such as {such}."
        yield from _more(groups)

    def _case(self, case: Case) -> str:
        who = self._style.name(f"{case.name} ({case.person})")
        return f"{case.request}, {self._style.name(case.api)}, {who}: {self._style.sentence(case.why)}"

    def _history(self, past: History) -> Iterator[str]:
        since = f" since {past.since:%Y-%m-%d}" if past.since else ""
        if past.of:
            head = _of(f"Past requests{since} that would have gone otherwise", len(past.turns), past.of)
            yield from self._counted(head, [*self._turns(past), *_notes(past)])
        head = "Decisions that do not follow from what is on record of them"
        yield from self.part(head, self._cases(past.otherwise))

    def _turns(self, past: History) -> Iterator[str]:
        """Alike ones together, the most first, each with one of them and the person on whom that one hangs."""
        alike: dict[tuple[str, str, str, str], list[Any]] = {}
        for turn in past.turns:
            alike.setdefault((turn.api, turn.was.value, turn.becomes.value, turn.why), []).append(turn)
        groups = sorted(alike.items(), key=lambda one: (-len(one[1]), one[0]))
        for (api, was, becomes, why), turns in groups[:SHOWN]:
            first = turns[0]
            becoming = _BECOMES.get(becomes, f"would have been {becomes}")
            witness = self._witness(first.witness, first.name if first.witness == first.person else "")
            yield (
                f"{self._style.name(api)}: {len(turns):,} {_were(len(turns))} {was} and {becoming}: "
                f"{self._style.sentence(why)}. Such as {first.request}, {witness}."
            )
        yield from _more(groups)

    def _witness(self, user_id: str, name: str) -> str:
        called = name or self._everybody.called(user_id)
        return self._style.name(user_id if called == user_id else f"{called} ({user_id})")


def _several(names: Sequence[str]) -> str:
    left = len(names) - NAMED
    return wording.people([*names[:NAMED], f"{left:,} more"] if left > 0 else [*names])


def _more(told: Sequence[object]) -> list[str]:
    left = len(told) - SHOWN
    return [f"and {left:,} more, all of them with --format json"] if left > 0 else []


def _of(head: str, some: int, of: int) -> str:
    return f"{head}: {some:,} of {of:,}"


def _unknown(many: int) -> list[str]:
    return [f"of {many:,} more it cannot be told without Slack"] if many else []


def _were(many: int) -> str:
    return "was" if many == 1 else "were"


def _notes(past: History) -> list[str]:
    notes = _unknown(past.unknown)
    if past.extended:
        notes.append(f"{past.extended:,} {_were(past.extended)} extended since: the latest extension counts instead")
    if past.later:
        some = ", ".join(past.later[:NAMED])
        notes.append(
            f"{len(past.later):,} {_were(len(past.later))} decided by approvers whom a later rule names otherwise, such as {some}"
        )
    return notes


# --- as JSON ----------------------------------------------------------------------------------------------------------


def as_json(found: Difference) -> dict[str, Any]:
    everybody = found.everybody
    return {
        "old": {"digest": found.old.rulebook.digest},
        "new": {"digest": found.new.rulebook.digest},
        "different": found.is_any,
        "widens": found.widens,
        "changes": [_change(one) for one in found.changes],
        "people": everybody.is_of_people,
        "shifts": [_shift(one, everybody) for one in found.shifts],
        "waiting": None if found.waiting is None else _looked(found.waiting),
        "living": None if found.living is None else _looked(found.living),
        "history": None if found.history is None else _past(found.history),
        "not_looked_at": list(found.not_looked_at),
        "doubts": list(found.doubts),
    }


def _change(one: Together) -> dict[str, Any]:
    return vars(one) | {"what": one.what.value, "access": one.access.value}


def _shift(one: Shift, everybody: Population) -> dict[str, Any]:
    people = [{"id": who, "name": everybody.called(who)} for who in one.people]
    return vars(one) | {"right": one.right.value, "people": people}


def _looked(looked: Looked) -> dict[str, Any]:
    return vars(looked) | {"cases": [vars(one) for one in looked.cases]}


def _past(past: History) -> dict[str, Any]:
    return vars(past) | {
        "since": past.since.isoformat() if past.since else None,
        "turns": [vars(one) | {"was": one.was.value, "becomes": one.becomes.value} for one in past.turns],
        "otherwise": [vars(one) for one in past.otherwise],
    }
