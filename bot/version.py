"""The version of the product, kept here alone, and the revision that an image was built from."""

from __future__ import annotations

import os

VERSION = "0.1.0"
REVISION = os.environ.get("IMAGE_REVISION", "")
"""The commit, where this runs from an image that was told it; else empty."""


def said() -> str:
    return f"tyk-key-bot {VERSION}" + (f" (revision {REVISION})" if REVISION else "")
