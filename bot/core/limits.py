"""Limits on what one person may hold and write. Slack's forms ask for no more, and what comes back from them is checked again."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from bot.core.model import Answers, Refusal, Rule

MAX_REASON = 500
MAX_USED_BY = 80
NAMED = 3

_MOST = {"used_by": MAX_USED_BY, "reason": MAX_REASON}
_CALLED = {"reason": "reason", "used_by": "text under Used by"}
_JOINERS = frozenset("\u200c\u200d")  # letters of some scripts, and emoji, are written with them
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and symbols by category, and nothing to the eye
_DROPPED = frozenset({"Cc", "Cf", "Cn", "Co", "Cs"})
_UNSEEN = frozenset({"Cf", "Mn", "Me", "Zs", "Zl", "Zp"})


def tidy(text: str) -> str:
    """The text without control and direction characters, and empty where nothing in it can be seen."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    kept = "".join(char for char in lines if _is_kept(char)).strip()
    return kept if any(_is_seen(char) for char in kept) else ""


def line(said: object, most: int) -> str:
    """A name or the like from outside as one line that can be stored and shown; empty where it is no text."""
    return " ".join(tidy(said[: 10 * most]).split())[:most] if isinstance(said, str) else ""


def _is_kept(char: str) -> bool:
    return char in "\n\t" or char in _JOINERS or unicodedata.category(char) not in _DROPPED


def _is_seen(char: str) -> bool:
    return char not in "\n\t" and char not in _BLANK and unicodedata.category(char) not in _UNSEEN


def written(text: str, field: str, most: int) -> str:
    """A text as typed into a field, tidied. Raises Refusal, at that field, where it has more than `most` characters."""
    if len(text) > 10 * most:  # nobody typed that: it is not even tidied
        raise _too_long(len(text), field, most)
    kept = tidy(text)
    if len(kept) > most:
        raise _too_long(len(kept), field, most)
    return kept


def tidied(answers: Answers) -> Answers:
    """The answers, each tidied. Raises Refusal as `written` does."""
    return Answers(**{name: written(said, name, _MOST[name]) for name, said in vars(answers).items()})


def _too_long(length: int, field: str, most: int) -> Refusal:
    said = f"Your {_CALLED.get(field, field)} has {length:,} characters; {most} fit. Shorten it."
    return Refusal(said, code="too_long", field=field)


def check_room(rule: Rule, held: Sequence[int]) -> None:
    """Raises Refusal where somebody waits for and holds as much of this API as one person may. `held` are the numbers."""
    if len(held) < rule.max_active:
        return
    named = [f"R-{number}" for number in held[:NAMED]]
    named += [f"{len(held) - NAMED:,} more"] if len(held) > NAMED else []
    listed = named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
    many = "a token or request" if len(held) == 1 else f"{len(held):,} tokens or requests"
    raise Refusal(
        f"You already have {many} for {rule.title} ({listed}). Revoke or withdraw one of them, then ask again.",
        code="enough",
        field="api",
    )
