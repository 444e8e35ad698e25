"""Text out of Tyk as one line of a configuration, a complaint or a log can hold it."""

from __future__ import annotations

TITLE = 75
SENTENCE = 500


def one_line(text: str, most: int = SENTENCE) -> str:
    """The text without line breaks and anything invisible, cut to `most` characters; a single dash where nothing is left."""
    visible = "".join(letter if letter.isprintable() else " " * letter.isspace() for letter in text)
    line = " ".join(visible.split())
    return (line if len(line) <= most else line[: most - 1].rstrip() + "…") or "-"


def as_title(name: str) -> str:
    """A name as the file can hold it.

    Tyk does not compare the name that a key's access rights have with the API's, so a shortened one does as well.
    """
    return one_line(name, TITLE)
