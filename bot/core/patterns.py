"""Patterns that a text must hold: the usual ones, searched for in a time that grows with the text and no faster.

`re` backtracks, which takes exponential time with some patterns and texts. Here all alternatives are followed at once: each part
of a pattern turns the positions where it may begin into those where it may end. Single characters are left to `re`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

MAX_PATTERN = 200
MAX_WORK = 200
"""The most parts that a pattern may have, each counted as often as it may be repeated."""

MAX_TEXT = 500
"""The rest of a longer text is not searched."""

_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?:|\{(?:[0-9]+|[0-9]*,[0-9]*)\}|.", re.DOTALL)
_KINDS = frozenset("dDwWsSbB")
_REPEATS = {"?": (0, 1), "*": (0, None), "+": (1, None)}

Step = Callable[[str, set[int]], set[int]]


class PatternError(ValueError):
    """A pattern that is wrong or that is not taken. Its text goes on where a sentence about the pattern begins."""


@dataclass(frozen=True)
class _Part:
    """A piece of a pattern: how it goes from where it begins to where it ends, and the looks that it takes at each place."""

    step: Step
    work: int
    is_group: bool = False


@dataclass(frozen=True)
class Pattern:
    _step: Step

    def find(self, text: str) -> str:
        """The first match, as long as it can be; empty where there is none."""
        text = text[:MAX_TEXT]
        begins, behind = 0, len(text) + 1  # a match begins from here on, and one before there
        if not self._step(text, set(range(behind))):
            return ""
        while behind - begins > 1:
            half = (begins + behind) // 2
            begins, behind = (begins, half) if self._step(text, set(range(begins, half))) else (half, behind)
        return text[begins : max(self._step(text, {begins}))]


@cache
def pattern(text: str) -> Pattern:
    """Raises PatternError."""
    if len(text) > MAX_PATTERN:
        raise PatternError(f"may have {MAX_PATTERN} characters at most, has {len(text)}")
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise PatternError(f"is no regular expression: {error}") from None
    whole = _Reader(text).whole()
    if whole.work > MAX_WORK:
        raise PatternError(
            f"repeats too much: with all repetitions it has {whole.work} parts, and {MAX_WORK} are allowed"
        )
    if whole.step("", {0}):
        raise PatternError("fits an empty text, so it asks for nothing")
    return Pattern(whole.step)


class _Reader:
    """Reads a pattern that `re` takes; what could only be found by going back and forth is not taken."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        self._at = 0

    def whole(self) -> _Part:
        return self._choice()

    @property
    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._next
        self._at += 1
        return token

    def _choice(self) -> _Part:
        ways = [self._sequence()]
        while self._next == "|":
            self._take()
            ways.append(self._sequence())
        if len(ways) == 1:
            return ways[0]
        steps = [way.step for way in ways]
        return _Part(lambda text, places: set().union(*(step(text, places) for step in steps)), _sum(ways))

    def _sequence(self) -> _Part:
        parts = []
        while self._next not in ("", "|", ")"):
            parts.append(self._repeated(self._piece()))
        return _after_each_other(parts)

    def _piece(self) -> _Part:
        token = self._take()
        if token in ("(", "(?:"):
            if self._next == "?":
                raise PatternError("holds a group that begins with (?, which is not taken: write ( or (?: instead")
            inner = self._choice()
            self._take()
            return _Part(inner.step, inner.work, is_group=True)
        if token[0] == "\\" and token[1].isalnum() and token[1] not in _KINDS:
            raise PatternError(f"holds {token}, which is not taken")
        return _single(token)

    def _repeated(self, part: _Part) -> _Part:
        token = self._next
        if token not in _REPEATS and not (token.startswith("{") and len(token) > 1):
            return part
        least, most = _REPEATS.get(self._take()) or _bounds(token)
        if self._next in ("?", "+"):
            raise PatternError(f"holds {token}{self._next}, which is not taken: write {token}")
        if most is None and part.is_group:
            raise PatternError(f"repeats a group without end: write how often at most, such as {{{least or 0},9}}")
        return _repeat(part, least, most)


def _bounds(token: str) -> tuple[int, int | None]:
    least, comma, most = token[1:-1].partition(",")
    return int(least or 0), (int(most) if most else None) if comma else int(least)


def _sum(parts: Iterable[_Part]) -> int:
    return sum(part.work for part in parts)


def _single(token: str) -> _Part:
    """A character, a class of them, or a place between two."""
    match = re.compile(token).match

    def step(text: str, places: set[int]) -> set[int]:
        return {found.end() for place in places if (found := match(text, place))}

    return _Part(step, 1)


def _after_each_other(parts: list[_Part]) -> _Part:
    steps = [part.step for part in parts]

    def step(text: str, places: set[int]) -> set[int]:
        for one in steps:
            places = one(text, places)
            if not places:
                break
        return places

    return _Part(step, _sum(parts))


def _repeat(part: _Part, least: int, most: int | None) -> _Part:
    """`most` is None for without end: then every place is stepped from once, as the part is a single character."""

    def step(text: str, places: set[int]) -> set[int]:
        for _ in range(least):
            places = part.step(text, places)
        found, new = set(places), places
        times = least
        while new and (most is None or times < most):
            new = part.step(text, new) - found
            found |= new
            times += 1
        return found

    return _Part(step, part.work * (least + 1 if most is None else most))
