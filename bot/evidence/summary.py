"""The page that a person reads first: what the folder holds, and each figure with what it counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bot import reports, version
from bot.evidence.period import Period

FIGURES: Mapping[str, str] = {
    "audit.rows": "rows of the audit, numbered without a gap",
    "audit.first": "the number of the first row",
    "audit.last": "the number of the last row",
    "requests.asked": "requests made in the period, numbered without a gap",
    "requests.first": "the number of the first request",
    "requests.last": "the number of the last request",
    "decisions.approved": "requests approved, by people or by a rule that asks for no approval",
    "decisions.denied": "requests denied",
    "decisions.withdrawn": "requests withdrawn by their requester",
    "decisions.lapsed": "requests that expired because nobody decided",
    "approvals.by_people": "approved requests that at least one person approved",
    "approvals.by_rule": "approved requests whose rule asks for no approval (`approvals: 0`)",
    "approvals.by_the_requester": "approved requests with an approval of the requester's own; must be 0",
    "access.given": "grants of access that began in the period",
    "access.living": "grants of access in force at the end of the period",
    "keys.made": "keys made at Tyk",
    "keys.deleted": "keys deleted at Tyk",
    "keys.past_their_end": "keys still at Tyk at the end of the period although their grant had ended; should be 0",
    "leavers.found": "requests and grants of people who were found to have left",
    "leavers.ended": "of these, ended",
    "leavers.returned": "of these, the person came back",
    "leavers.open": "of these, neither by the end of the period",
    "leavers.hours_at_most": "the longest time, in hours, from when somebody was found to have left to the end of their last key",
    "leavers.over_a_day": "of those ended, how many had a key for more than 24 hours after that",
    "reviews.asked": "access reviews: times that approvers were asked whether access is still needed",
    "reviews.kept": "of these, an approver said that it is",
    "reviews.ended": "of these, the access ended",
    "reviews.open": "of these, unanswered at the end of the period",
    "reviews.due": "grants of access in force at the end of the period whose review was due before and is not done, asked or not",
    "configuration.changes": "changes of the configuration; the `configured` row of each says what changed",
    "configuration.groups_changed": "changes in who is in a user group that approves or audits",
}
"""Every figure, in the order in which it is told, and what it counts."""


def summary(period: Period, asked_for: Period, figures: Mapping[str, int]) -> Iterator[str]:
    """Markdown, a line at a time. `check.py` reads the table of figures."""
    yield f"# Evidence of tyk-key-bot for {period.name}"
    yield ""
    if period.end < asked_for.end:
        yield f"The period is not over: this covers it up to {reports.moment(period.end)}."
        yield ""
    yield f"Written by {version.said()}. Times are UTC. `python3 check.py` recomputes each figure from the files beside it"
    yield "and names what does not agree; `sha256sum -c SHA256SUMS` compares the files with the ones that were written."
    yield ""
    yield "| figure | value | what it counts |"
    yield "|---|---|---|"
    yield f"| period.from | {reports.moment(period.start)} | the start of the period, included |"
    yield f"| period.to | {reports.moment(period.end)} | its end, not included |"
    for name, about in FIGURES.items():
        yield f"| {name} | {figures[name]} | {about} |"
    yield ""
    yield "| file | what is in it |"
    yield "|---|---|"
    yield "| `audit.jsonl` | the rows of the audit from the period's first to its last, as `tyk-key-bot audit export` has them |"
    yield "| `requests.csv` | requests that were made, waited or were decided in the period, or whose access or key lived in it |"
    yield "| `reviews.csv` | what each approver answered to these requests |"
    yield "| `keys.csv` | the keys of these requests at Tyk, by hash |"
    yield "| `leavers.csv` | what people who left held, the audit's rows that say so, and when its keys were deleted |"
    yield "| `check.py`, `SHA256SUMS` | the program that recomputes the figures; the hash of each file |"
