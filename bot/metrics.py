"""The metrics. Labels are kinds, results and codes of errors only: never a person, an API or a token."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram, Info

BUILD = Info("tyk_key_bot_build", "The version and revision that run, and the digest of the configuration in force.")
EFFECTS = Counter("tyk_key_bot_effects_total", "Acts on the outside world, by kind and result.", ["kind", "result"])
EFFECT_SECONDS = Histogram(
    "tyk_key_bot_effect_seconds",
    "How long an act took.",
    ["kind"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
INTERACTIONS = Counter("tyk_key_bot_interactions_total", "What people did, by kind and result.", ["kind", "result"])
ANSWER_SECONDS = Histogram(
    "tyk_key_bot_answer_seconds",
    "How long Slack waited for our answer; its patience ends at 3.",
    ["kind"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3),
)
EFFECTS_WAITING = Gauge(
    "tyk_key_bot_effects_waiting", "Promises that are due or parked, counted to a thousand, by state.", ["state"]
)
EFFECTS_FAILING = Gauge(
    "tyk_key_bot_effects_failing",
    "Promises that failed and are tried again, counted to a thousand, by kind and error.",
    ["kind", "error"],
)
EFFECTS_PARKED = Gauge(
    "tyk_key_bot_effects_parked",
    "Promises that a person has to look at, counted to a thousand, by kind and error.",
    ["kind", "error"],
)
FAILING_SECONDS = Gauge("tyk_key_bot_failing_seconds", "How long the oldest of the failing promises has been failing.")
OUTAGES = Gauge("tyk_key_bot_outages", "What fails and was told of, by cause.", ["cause"])
REJECTED_REQUESTS = Counter("tyk_key_bot_rejected_requests_total", "HTTP requests that got no further.", ["reason"])
LOOP_LAG = Gauge("tyk_key_bot_loop_lag_seconds", "How late the event loop came back to a timer.")
