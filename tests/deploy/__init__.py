"""What a company runs the bot with, each read by a tool of its field."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Both outputs as one text, and the exit code."""
    return subprocess.run(  # noqa: S603 - our own words
        [str(word) for word in words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )


def installed(name: str) -> Path:
    """A program that came with the tests."""
    return Path(sys.executable).parent / name
