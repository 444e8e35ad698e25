"""A quarter of which there is evidence: Alice's bad day, a request that is denied, a change of the configuration."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from bot import evidence
from bot.core.model import Answers, AuditEvent, AuditLine, RequestId, Verdict
from bot.evidence import period
from bot.operations import Submission
from bot.store.engine import migrate, open_engine
from tests.crash.outside import Fates, person
from tests.crash.story import LIFETIME, PEOPLE, RULE, BadDay, wipe

QUARTER = period.parse("2026-Q1")


class Quarter(BadDay):
    """Alice's bad day, which ends after she left; Bob denies what Erin asks for; the configuration changes."""

    async def passes(self) -> None:
        await self.tell()
        second = RequestId("request-2")
        form = Submission(second, RULE.name, "standard", LIFETIME, Answers("ledger", "because"))
        await self.operations.submit(form, person("ERIN"), frozenset({"BOB", "CAROL"}))
        await self.operations.review(second, PEOPLE["BOB"], Verdict.NO, "not this week", ())
        with self.store.transaction() as tx:
            tx.audit(AuditLine(AuditEvent.CONFIGURED, None, {"digest": "0123", "added": ["ledger"]}), None)
        self.pass_time(timedelta(days=100))


async def written(url: str, folder: Path) -> dict[str, int]:
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
