"""One line an event, as JSON or as text. Libraries that log bodies and URLs are held at WARNING, whatever our own level."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

_TALKATIVE = (
    "slack_sdk",
    "slack_bolt",
    "httpx",
    "httpcore",
    "aiohttp",
    "sqlalchemy",
    "alembic",
    "asyncio",
)


def configure(level: str, log_format: str) -> None:
    """Send everything to standard error. `log_format` is `json` or `text`."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: Any = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    )
    written = [render] if log_format == "json" else [render, _nothing_steers]
    # Tracebacks without local variables: those may hold a token.
    tracebacks = [] if log_format == "text" else [structlog.processors.format_exc_info]
    structlog.configure(
        processors=[*shared, *tracebacks, *written],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tracebacks, *written],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def _nothing_steers(_logger: Any, _method: str, line: str) -> str:
    """The line with what steers a terminal, or turns the direction of writing, as its escape: JSON has it so by itself."""
    return "".join(one if one.isprintable() or one in "\n\t" else repr(one)[1:-1] for one in line)
