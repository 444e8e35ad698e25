"""A quarter of which there is evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from bot import evidence
from bot.core.in_force import InForce
from bot.core.model import Answers, AuditEvent, AuditLine, RequestId, Rulebook, Topic, Verdict
from bot.evidence import period
from bot.operations import Operations, Submission
from bot.store.engine import migrate, open_engine
from tests.crash.outside import Fates, person
from tests.crash.story import LIFETIME, PEOPLE, RULE, BadDay, wipe

FREE = replace(RULE, name="free", approvals=0, lifetimes=(None,), review_every=timedelta(days=30))
"""It gives access without an end, whose review comes due while nobody runs the bot."""
QUARTER = period.parse("2026-Q1")


class Quarter(BadDay):
    """Alice's bad day, which ends after she left; Bob denies what Erin asks for, and a rule gives her something else; what
    nobody does in that story is written into the audit as if somebody had."""

    async def passes(self) -> None:
        await self.tell()
        erin, approvers = person("ERIN"), frozenset({"BOB", "CAROL"})
        await self.operations.submit(asked(2, RULE.name), erin, approvers)
        await self.operations.review(RequestId("request-2"), PEOPLE["BOB"], Verdict.NO, "not this week", ())
        free = InForce(Rulebook("digest", {"free": FREE}))
        forever = replace(asked(3, "free"), lifetime=None)
        await Operations(self.store, free, self._new_id).submit(forever, erin, approvers)
        with self.store.transaction() as tx:
            tx.met({"ERIN", "W0ERIN"})
            first, second, _ = tx.records([f"request-{number}" for number in (1, 2, 3)])
            tx.audit(AuditLine(AuditEvent.CONFIGURED, None, {"digest": "0123", "added": ["ledger"]}), None)
            for event, record, details in (
                (AuditEvent.REMINDED, first, {"of": Topic.RENEWAL.value}),
                (AuditEvent.RENEWED, first, {}),
                (AuditEvent.REMINDED, first, {"of": Topic.RENEWAL.value}),
                (AuditEvent.LEFT, second, {}),
                (AuditEvent.RETURNED, second, {}),
            ):
                tx.audit(AuditLine(event, None, dict(details)), record)
        self.pass_time(timedelta(days=100))


def asked(number: int, api: str) -> Submission:
    return Submission(RequestId(f"request-{number}"), api, "standard", LIFETIME, Answers("ledger", "because"))


async def written(url: str, folder: Path) -> dict[str, int]:
    """The figures of the quarter, written into a new folder."""
    engine = open_engine(url)
    migrate(engine)
    wipe(engine)
    story = Quarter(engine, Fates(), names_by_token=False)
    await story.passes()
    folder.mkdir()
    with story.store.reading(snapshot=True) as tx:
        figures = evidence.write(tx, QUARTER, folder)
    engine.dispose()
    return dict(figures)
