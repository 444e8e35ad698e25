"""The Dockerfile, as far as it can be judged without building it; `python -m tests.image` builds it."""

from __future__ import annotations

import re

from bot.version import VERSION
from tests.deploy import ROOT, installed, run

TEXT = (ROOT / "Dockerfile").read_text()


def test_hadolint_has_no_complaint() -> None:
    """Nor is it told to overlook anything."""
    done = run(installed("hadolint"), ROOT / "Dockerfile")
    assert (done.returncode, done.stdout) == (0, "")
    assert "hadolint ignore" not in TEXT


def test_what_it_says_of_itself() -> None:
    """The base is pinned by its digest, and the version is the product's."""
    assert re.search(r"^ARG BASE=\S+@sha256:[0-9a-f]{64}$", TEXT, re.MULTILINE)
    assert f"\nARG VERSION={VERSION}\n" in TEXT
