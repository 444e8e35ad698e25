"""The page that a person reads first: what the folder holds, and each figure with what it counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bot import reports, version
from bot.evidence.period import Period

FIGURES: Mapping[str, str] = {
    "audit.rows": "rows of the audit, numbered without a gap",
    "audit.first": "number of the first of them",
    "audit.last": "number of the last of them",
    "requests.asked": "requests that were made, numbered without a gap",
    "requests.first": "number of the first of them",
    "requests.last": "number of the last of them",
    "decisions.approved": "requests that were approved, by people or by a rule that needs no approval",
    "decisions.denied": "requests that were denied",
    "decisions.withdrawn": "requests that their requester withdrew",
    "decisions.lapsed": "requests that nobody decided in time",
    "approvals.by_people": "of those approved: by one person or more",
    "approvals.by_rule": "of those approved: by a rule without approval (`approvals: 0`)",
    "approvals.by_the_requester": "of those approved: with a yes of the requester's own; must be 0",
    "access.given": "grants that began",
    "access.living": "grants that ran at the end of the period",
    "keys.made": "keys made at Tyk",
    "keys.deleted": "keys deleted at Tyk",
    "keys.past_their_end": "keys that were still at Tyk at the end of the period, and whose grant had ended; should be 0",
    "leavers.found": "requests and grants whose holder was found to have left",
    "leavers.ended": "of these: ended since",
    "leavers.returned": "of these: the holder came back",
    "leavers.open": "of these: neither, at the end of the period",
    "reviews.asked": "times that approvers were asked whether access is still needed",
    "reviews.kept": "of these: they said yes",
    "reviews.ended": "of these: the access ended",
    "reviews.open": "of these: unanswered at the end of the period",
    "configuration.changes": "changes of the configuration, each a `configured` row that says what changed",
    "configuration.groups_changed": "changes of a user group that approves or audits",
}
"""Every figure, in the order in which it is told, and what it counts."""


def summary(period: Period, asked_for: Period, figures: Mapping[str, int]) -> Iterator[str]:
    """Markdown, a line at a time. `check.py` reads the table of figures."""
    yield f"# Evidence of tyk-key-bot for {period.name}"
    yield ""
    if period.end < asked_for.end:
        yield f"The period is not over: this is as far as {reports.moment(period.end)}."
        yield ""
    yield f"Written by {version.said()}. Times are UTC. `python3 check.py` recomputes each figure from the rows"
    yield "beside it, and says what does not agree; `sha256sum -c SHA256SUMS` compares the files with the ones that were written."
    yield ""
    yield "| figure | value | what it counts |"
    yield "|---|---|---|"
    yield f"| period.from | {reports.moment(period.start)} | the first moment of the period |"
    yield f"| period.to | {reports.moment(period.end)} | the moment after its last |"
    for name, about in FIGURES.items():
        yield f"| {name} | {figures[name]} | {about} |"
    yield ""
    yield "| file | what is in it |"
    yield "|---|---|"
    yield "| `audit.jsonl` | the rows of the audit from the period's first to its last, as `tyk-key-bot audit export` has them |"
    yield "| `requests.csv` | requests that were made, waited or were decided in the period, or whose access or key lived in it |"
    yield "| `reviews.csv` | what approvers said to each of these |"
    yield "| `keys.csv` | the keys of each of these at Tyk, by their hashes |"
    yield "| `leavers.csv` | what holders who left had, with the rows that say so and the end of its keys |"
