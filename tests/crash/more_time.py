"""The story of a token that is extended: asked again for the same key, approved twice, carried out, and ended at its new end."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from bot.core.model import Answers, AuditEvent, KeyState, Record, RequestId, Topic, Verdict
from bot.operations import Submission
from tests.crash.story import LIFETIME, PEOPLE, REQUEST, RULE, Chapter, Story

EXTENSION = RequestId("request-2")
HELD_FOR = timedelta(days=3)


class MoreTime(Story):
    """Alice has her token for three days, asks for a week from then on, and gets it; the old end passes and nothing happens."""

    rings: ClassVar = {Topic.EXTENDED, Topic.ENDING}
    audit: ClassVar = [
        AuditEvent.ASKED,
        AuditEvent.REVIEWED,
        AuditEvent.REVIEWED,
        AuditEvent.APPROVED,
        AuditEvent.SENT,
        AuditEvent.HIDDEN,
        AuditEvent.ASKED,
        AuditEvent.REVIEWED,
        AuditEvent.REVIEWED,
        AuditEvent.APPROVED,
        AuditEvent.EXTENDED,
        AuditEvent.REMINDED,
        AuditEvent.EXPIRED,
        AuditEvent.KEY_DELETED,
    ]

    def chapters(self) -> list[Chapter]:
        return [
            self._does(self._ask),
            self._settle,
            self._does(lambda: self._approve("BOB")),
            self._does(lambda: self._approve("CAROL")),
            self._settle,
            self._check_held,
            self._does(self._save),
            self._settle,
            self._passes(HELD_FOR),
            self._does(self._ask_for_more),
            self._settle,
            self._does(lambda: self._approve_more("BOB")),
            self._settle,
            self._not_yet,
            self._does(lambda: self._approve_more("CAROL")),
            self._settle,
            self._extended,
            self._passes(LIFETIME - HELD_FOR + timedelta(hours=12)),  # the old end is past
            self._settle,
            self._check_held,
            self._passes(timedelta(days=2)),
            self._settle,
            self._passes(timedelta(days=1)),
            self._settle,
        ]

    async def _ask_for_more(self) -> None:
        form = Submission(
            EXTENSION, RULE.name, "standard", LIFETIME, Answers("checkout", "still testing"), extends=REQUEST
        )
        await self.operations.submit(form, PEOPLE["ALICE"], frozenset({"BOB", "CAROL"}))

    async def _approve_more(self, user_id: str) -> None:
        approvers = await self.slack.approvers(self._extension())
        outcome = await self.operations.review(EXTENSION, PEOPLE[user_id], Verdict.YES, "", approvers)
        assert outcome.refusal is None or outcome.refusal.code in ("approved", "said_yes"), outcome.refusal

    def _extension(self) -> Record:
        with self.store.reading() as tx:
            record = tx.record(EXTENSION)
        assert record is not None
        return record

    async def _not_yet(self) -> None:
        """One approval of two changes nothing at Tyk."""
        record = await self.record()
        assert record.grant is not None
        assert record.grant.extended_by is None
        assert [key.expires_at for key in self.tyk.open_keys()] == [record.grant.until]

    async def _extended(self) -> None:
        """The same key, the new end, counted from the approval; the extension has no key of its own."""
        record, by = await self.record(), self._extension()
        assert record.grant is not None
        assert by.request.decided_at is not None
        assert record.grant.until == by.request.decided_at + LIFETIME
        assert [key.expires_at for key in self.tyk.open_keys()] == [record.grant.until]
        assert [key.state for key in record.keys].count(KeyState.LIVE) == 1
        assert (by.grant, by.keys) == (None, ())

    def check_while_held(self, record: Record) -> None:
        assert [key.state for key in record.keys].count(KeyState.LIVE) == 1
        super().check_while_held(record)

    def _check_messages(self, record: Record) -> None:
        """Of each request by itself: they are two."""
        everything = self.slack.messages
        try:
            self.slack.messages = [one for one in everything if one.text == record.request.label]
            super()._check_messages(record)
        finally:
            self.slack.messages = everything
