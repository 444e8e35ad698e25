"""The pages of `docs/`: true of the program, as far as a program can tell. `python -m tests.docs` writes what is generated."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CONFIGURATION = DOCS / "configuration.md"


def blocks(page: Path, language: str) -> list[str]:
    """What stands between fences of this language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [text for named, text in found if named == language]
