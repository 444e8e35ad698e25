"""The pages of `docs/`: true of the program, as far as a program can tell. `python -m tests.docs` writes what is generated."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CONFIGURATION = DOCS / "configuration.md"
