"""The word that somebody meant, where they wrote one that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, options: Iterable[str]) -> str | None:
    """The option most like the word, if one is like it. Only options alike at one end are weighed: thousands are cheap."""
    low = word.lower()
    alike = {
        option.lower(): option
        for option in options
        if abs(len(option) - len(low)) <= 3
        and option
        and (option[0].lower() == low[:1] or option[-1].lower() == low[-1:])
    }
    found = difflib.get_close_matches(low, alike, n=1, cutoff=0.7)
    return alike[found[0]] if found else None
