"""A PostgreSQL server for one run of the bench."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.crash.__main__ import postgres


@asynccontextmanager
async def server() -> AsyncIterator[Callable[[], str]]:
    """Calling what it yields makes a new database and returns its address."""
    with tempfile.TemporaryDirectory(prefix="bench-postgres-") as folder, postgres(Path(folder)) as new_database:
        yield new_database
