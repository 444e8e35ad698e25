from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.evidence import written


@pytest.fixture(scope="package")
def quarter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the database of a quarter, and its evidence; a test that changes it works on a copy."""
    root = tmp_path_factory.mktemp("quarter")
    asyncio.run(written(f"sqlite:///{root / 'bot.db'}", root / "evidence"))
    return root
