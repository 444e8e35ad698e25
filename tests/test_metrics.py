"""The metrics as a page and as Prometheus wants them, and the counting that feeds them."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, Counter, Histogram, Info
from prometheus_client.metrics import MetricWrapperBase
from slack_bolt.async_app import AsyncApp

from bot import app, metrics, settings
from bot.core.faults import OutcomeUnknown, Permanent, Transient
from bot.settings import Need
from bot.slack.errors import outcome
from bot.tyk.dashboard import _route

PAGE = Path(__file__).parent.parent / "docs" / "metrics.md"
LABELS = {"api", "cause", "error", "kind", "method", "outcome", "reason", "result", "state"}
"""Each has few values: entries of config.yaml, words and codes of ours, Slack's methods, Tyk's routes."""


def ours() -> Iterator[MetricWrapperBase]:
    return (one for one in vars(metrics).values() if isinstance(one, MetricWrapperBase))


def value(name: str, **labels: str) -> float:
    """What Prometheus would read of a metric of ours, 0 where it has no such line."""
    return REGISTRY.get_sample_value(f"tyk_key_bot_{name}", labels) or 0.0


@contextmanager
def counts(name: str, **labels: str) -> Iterator[None]:
    """This counter goes up by one meanwhile."""
    before = value(name, **labels)
    yield
    assert value(name, **labels) == before + 1, f"{name} {labels}"


def exposed(one: MetricWrapperBase) -> str:
    """The name under which Prometheus finds it."""
    suffix = {Counter: "_total", Info: "_info"}.get(type(one), "")
    return f"{one._name}{suffix}"


def row(one: MetricWrapperBase) -> str:
    labels = ", ".join(f"`{label}`" for label in one._labelnames)
    return f"| `{exposed(one)}` | {one._type} | {labels} | {one._documentation} |"


def test_the_page_has_every_metric_and_no_other() -> None:
    """Each is a row with its type, its labels and its own words; what is missing is printed, ready to be pasted."""
    rows = [row(one) for one in ours()]
    found = [line for line in PAGE.read_text().splitlines() if line.startswith("| `tyk_key_bot_")]
    assert sorted(found) == sorted(rows), "\n".join(["docs/metrics.md wants these rows:", *rows])


@pytest.mark.parametrize("one", [pytest.param(one, id=exposed(one)) for one in ours()])
def test_names_and_labels_are_as_prometheus_wants_them(one: MetricWrapperBase) -> None:
    """Base units, `_total` of counters alone, a sentence each, and no label that could have a value for each person."""
    name = exposed(one)
    assert re.fullmatch(r"tyk_key_bot_[a-z]+(_[a-z]+)*", name)
    assert not re.search(r"_(ms|milliseconds|minutes|hours|days|count|sum|bucket)$", name)
    assert name.endswith("_total") is isinstance(one, Counter)
    assert not isinstance(one, Histogram) or name.endswith("_seconds")
    assert one._documentation.endswith(".")
    assert set(one._labelnames) <= LABELS


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/api/keys", "/api/keys"),
        ("/api/keys/detailed", "/api/keys/detailed"),
        ("/api/keys/eyJvcmciOiI1%3D", "/api/keys/{name}"),
        ("/api/apis/ad5004d9", "/api/apis/{name}"),
        ("/api/activity/keys/5f1c0b5c/1/2/2026", "/api/activity/keys/{name}"),
        ("/elsewhere/secret", "other/{name}"),
    ],
)
def test_a_route_names_no_key(path: str, wanted: str) -> None:
    """A call of Tyk is counted by its route: a path with a token in it is none."""
    assert _route(path) == wanted


def test_what_slack_answered_is_one_of_few_words() -> None:
    """However many codes Slack has, the metric has one word for each thing that can be done about it."""
    told = {
        "ratelimited": Transient("ratelimited"),
        "unavailable": OutcomeUnknown("http_503"),
        "unreadable": Transient("http_302"),
        "timeout": OutcomeUnknown("timeout"),
        "unauthorized": Transient("token_revoked"),
        "refused": Permanent("whatever_slack_thinks_of_next"),
    }
    assert {word: outcome(fault) for word, fault in told.items()} == {word: word for word in told}


async def test_a_call_that_is_cut_off_is_counted() -> None:
    """Whoever waited no longer still made the call: it is counted with the time it took."""

    async def call() -> None:
        with metrics.timed(metrics.TYK_CALLS, "GET /api/apis"):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(call(), 0.001)
    counted = metrics.TYK_CALLS.labels("GET /api/apis", metrics.CANCELLED)
    assert counted._sum.get() >= 0
    assert sum(bucket.get() for bucket in counted._buckets) >= 1


async def test_what_blocks_the_loop_shows_as_its_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seconds by which the bot came too late to its own timer; it is over with the next one that is on time."""
    monkeypatch.setattr(app, "TICK", 0.02)
    found = settings.load({"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": "s1"}, needs=frozenset({Need.SLACK}))
    connection, stop = app.SlackConnection(AsyncApp(token="xoxb-1", signing_secret="s1"), found, None), asyncio.Event()
    await connection.open()
    watching = asyncio.create_task(app._until_stopped(stop, connection, set()))
    await asyncio.sleep(0.01)  # into its first tick
    time.sleep(0.15)  # noqa: ASYNC251 - what nothing of the bot may do
    async with asyncio.timeout(10):
        for least, most in ((0.1, 9.0), (0.0, 0.05)):
            while not least <= value("loop_lag_seconds") <= most:  # noqa: ASYNC110 - no event says that a gauge was set
                await asyncio.sleep(0)
    stop.set()
    await watching
