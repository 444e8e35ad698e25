"""What a company runs the bot with, each read by a tool of its field."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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


def of_the_system(name: str, package: str) -> Path:
    """A program of Debian's. Where it is missing the test is skipped, with a sentence that says how to get it; in CI it fails."""
    found = shutil.which(name)
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"No {name}: apt-get install {package}")
    return Path(found)
