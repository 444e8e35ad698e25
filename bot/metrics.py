"""The metrics, which `docs/metrics.md` lists. Labels are kinds, outcomes, a bounded number of codes of errors, and entries of
the configuration: never a person or a token.

A time is a time of day in seconds since 1970, not an age: the age is `time() - metric`, and is right between two scrapes too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import Counter, Gauge, Histogram, Info

CANCELLED = "cancelled"

BUILD = Info(
    "tyk_key_bot_build", "Version and revision of the running bot, and the digest of the configuration in force."
)
EFFECTS = Counter("tyk_key_bot_effects_total", "Acts on the outside world, by kind and result.", ["kind", "result"])
EFFECT_SECONDS = Histogram(
    "tyk_key_bot_effect_seconds",
    "Duration of an act on the outside world, by kind.",
    ["kind"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
INTERACTIONS = Counter(
    "tyk_key_bot_interactions_total", "What people pressed or sent, by kind and result.", ["kind", "result"]
)
ANSWER_SECONDS = Histogram(
    "tyk_key_bot_answer_seconds",
    "Time until the bot answered Slack, which waits 3 seconds, by kind.",
    ["kind"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3),
)
EFFECTS_WAITING = Gauge(
    "tyk_key_bot_effects_waiting",
    "Promises that are due or parked, by state; at most a thousand are counted.",
    ["state"],
)
EFFECTS_FAILING = Gauge(
    "tyk_key_bot_effects_failing",
    "Promises that failed and are tried again, by kind and error; at most a thousand are counted.",
    ["kind", "error"],
)
EFFECTS_PARKED = Gauge(
    "tyk_key_bot_effects_parked",
    "Promises that wait for a person to act, by kind and error; at most a thousand are counted.",
    ["kind", "error"],
)
FAILING_SECONDS = Gauge("tyk_key_bot_failing_seconds", "Time for which the oldest failing promise has been failing.")
OUTAGES = Gauge(
    "tyk_key_bot_outages", "Outages that the help channel was told of and that are not over, by cause.", ["cause"]
)
REJECTED_REQUESTS = Counter(
    "tyk_key_bot_rejected_requests_total", "HTTP requests that the bot refused, by reason.", ["reason"]
)
LOOP_LAG = Gauge("tyk_key_bot_loop_lag_seconds", "Delay with which the event loop came back to a timer.")

# --- requests and keys ------------------------------------------------------------------------------------------------

REQUESTS = Counter(
    "tyk_key_bot_requests_total",
    "Requests by API and outcome: asked, approved, denied, withdrawn or lapsed.",
    ["api", "outcome"],
)
REQUESTS_WAITING = Gauge("tyk_key_bot_requests_waiting", "Requests that wait for a decision, by API.", ["api"])
OLDEST_WAITING = Gauge(
    "tyk_key_bot_oldest_waiting_request_timestamp_seconds",
    "Time at which the longest-waiting request was made, by API; absent where none waits.",
    ["api"],
)
KEYS_LIVING = Gauge("tyk_key_bot_keys_living", "The bot's keys that exist at Tyk, by API.", ["api"])
KEYS_PAST_END = Gauge(
    "tyk_key_bot_keys_past_end",
    "The bot's keys that still exist at Tyk although they have expired or their grants have ended, by API.",
    ["api"],
)
SEALED_TOKENS_LOST = Gauge(
    "tyk_key_bot_sealed_tokens_lost", "Sealed tokens that no key in SEAL_KEYS opens, checked each hour."
)

# --- the outside world ------------------------------------------------------------------------------------------------

SLACK_CALLS = Histogram(
    "tyk_key_bot_slack_call_seconds",
    "Duration of a call to Slack, by method and outcome.",
    ["method", "outcome"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
TYK_CALLS = Histogram(
    "tyk_key_bot_tyk_call_seconds",
    "Duration of a call to the Tyk Dashboard, by route and outcome.",
    ["method", "outcome"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
SLACK_UP = Gauge("tyk_key_bot_slack_up", "1 while Slack reaches the bot and accepts its token, else 0.")
DATABASE_UP = Gauge("tyk_key_bot_database_up", "1 while the database stores what the bot writes, else 0.")
SOCKETS = Gauge("tyk_key_bot_sockets_connected", "Open Socket Mode connections; 0 in HTTP mode.")
LISTENER_FAILURES = Counter(
    "tyk_key_bot_listener_failures_total",
    "What people pressed or sent and the bot failed to handle, by kind.",
    ["kind"],
)
for _kind in ("background", "form", "listener", "submission"):
    LISTENER_FAILURES.labels(_kind)

# --- what goes on by itself -------------------------------------------------------------------------------------------

AUDIT_UNPOSTED = Gauge("tyk_key_bot_audit_unposted_rows", "Rows of the audit that are not in the audit channel yet.")
AUDIT_OLDEST_UNPOSTED = Gauge(
    "tyk_key_bot_audit_oldest_unposted_timestamp_seconds",
    "Time at which the oldest row that is not in the audit channel yet was written; NaN where there is none.",
)
LAST_SWEEP = Gauge(
    "tyk_key_bot_last_sweep_timestamp_seconds",
    "Time at which the last sweep for people who left finished; 0 where there was none yet.",
)
LAST_RECONCILE = Gauge(
    "tyk_key_bot_last_reconcile_timestamp_seconds",
    "Time at which the bot's keys were last compared with Tyk's; 0 where they never were.",
)
CONFIG_LOADED = Gauge(
    "tyk_key_bot_config_last_load_success_timestamp_seconds", "Time at which the configuration in force was loaded."
)
CONFIG_LOAD_GOOD = Gauge(
    "tyk_key_bot_config_last_load_successful", "1 where the last attempt to load the configuration succeeded, else 0."
)
COMPLAINTS = Gauge(
    "tyk_key_bot_complaints",
    "Complaints of the configuration and the secrets, as the help channel has them: doubted (a name in the file does not fit), "
    "unknown (an id in it fits Slack no more, or Slack cannot say), "
    "refused (a changed file), unsealed (tokens that no seal key opens), unsigned (nothing at Slack's address is signed right), "
    "clock (the clock that decides and Slack's do not agree).",
    ["reason"],
)


@dataclass
class Timed:
    """A call under way: whoever makes it says how it went."""

    outcome: str = CANCELLED


@contextmanager
def timed(histogram: Histogram, method: str) -> Iterator[Timed]:
    """Measure a call, whose outcome is known when the block ends."""
    call, started = Timed(), time.monotonic()
    try:
        yield call
    finally:
        histogram.labels(method, call.outcome).observe(time.monotonic() - started)
