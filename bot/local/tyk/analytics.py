"""The Dashboard's analytics of one key: its calls within some days, an item for each endpoint, in Tyk's own words."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from bot.local.tyk.state import Hit

_DAY = timedelta(days=1)


def days(parts: Iterable[str]) -> tuple[float, float] | None:
    """From the start of the first day to the end of the last, each told as day, month and year; None for what are no days."""
    try:
        first_day, first_month, first_year, last_day, last_month, last_year = map(int, parts)
        first = datetime(first_year, first_month, first_day, tzinfo=UTC)
        last = datetime(last_year, last_month, last_day, tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return (first.timestamp(), (last + _DAY).timestamp()) if first <= last else None


def endpoints(hits: Iterable[Hit]) -> list[dict[str, Any]] | None:
    """The rows; Tyk writes an empty list as null."""
    of_endpoint = sorted(hits, key=_endpoint)
    return [_row(list(some)) for _, some in groupby(of_endpoint, key=_endpoint)] or None


def _endpoint(hit: Hit) -> tuple[str, str]:
    return hit.api.api_id, hit.path


def _row(hits: list[Hit]) -> dict[str, Any]:
    last, failed = max(hits, key=lambda hit: hit.at), sum(hit.status >= 400 for hit in hits)
    nothing = (
        "latency",
        "max_latency",
        "max_upstream_latency",
        "min_latency",
        "min_upstream_latency",
        "upstream_latency",
    )
    return {
        "id": {
            "alias": "",
            "api_id": last.api.api_id,
            "api_name": last.api.name,
            "code": last.status,
            "day": 0,
            "hour": 0,
            "iso_country": "",
            "key": "",
            "month": 0,
            "path": last.path,
            "url": "",
            "year": 0,
        },
        "hits": len(hits),
        "success": len(hits) - failed,
        "error": failed,
        "last_hit": datetime.fromtimestamp(last.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "request_time": 0,
        **dict.fromkeys(nothing, 0),
    }
