"""What people and operators can do: each function is exactly one transaction, and decides nothing that `core` does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from bot.core import lifecycle, rules
from bot.core.facts import Left, Returned
from bot.core.lifecycle import Asked, Loss
from bot.core.model import (
    AuditEvent,
    AuditLine,
    GrantState,
    Identity,
    Lifetime,
    Person,
    Record,
    Refusal,
    RequestId,
    RequestState,
    Rule,
    Rulebook,
    Transition,
    Verdict,
)
from bot.store.store import Store

PAST_SHOWN = 5
WAITING_SHOWN = 50
UNKNOWN = "This request is not known here any more."
NOT_REVOKER = "You are not among those who may revoke this."


@dataclass(frozen=True)
class Submission:
    """A form as it was sent: nothing in it has been checked."""

    request_id: RequestId
    api: str
    plan: str | None
    lifetime: Lifetime
    used_by: str
    reason: str


@dataclass(frozen=True)
class Outcome:
    """The record after an operation; `refusal` where the answer was no although something was learnt, such as a lapse."""

    record: Record
    refusal: Refusal | None = None


@dataclass(frozen=True)
class Holdings:
    """One person's own requests and keys that stand, those that are over, and the requests of others that wait for them."""

    standing: tuple[Record, ...]
    past: tuple[Record, ...]
    awaiting: tuple[Record, ...]


class Operations:
    """`rulebook` holds the rules in force; `new_id` makes ids nobody can guess."""

    def __init__(self, store: Store, rulebook: Rulebook, new_id: Callable[[], str]) -> None:
        self.store = store
        self.rulebook = rulebook
        self._new_id = new_id

    def rule(self, name: str) -> Rule | None:
        return self.rulebook.rules.get(name)

    async def submit(self, form: Submission, person: Person, approvers: frozenset[str]) -> Record:
        """A new request, or, where this form was accepted before, the record as it was stored then.

        `approvers` are those who may decide under the rule, as Slack knows them. Raises Refusal with its field.
        """
        async with self.store.transaction() as tx:
            number = await tx.next_number()
            already = await tx.record(form.request_id)
            if already is not None:
                await tx.rollback()
                return already
            rule = self._rule_for(form, person)
            plan = lifecycle.check_form(rule, form.plan, form.lifetime, form.reason)
            rules.check_reachable(rule, person.identity, approvers)
            asked = Asked(form.request_id, plan, form.lifetime, form.used_by.strip(), form.reason.strip())
            transition = lifecycle.submit(asked, person, rule, self.rulebook.digest, number, tx.now, self._new_id)
            return await tx.apply(transition)

    def _rule_for(self, form: Submission, person: Person) -> Rule:
        rule = self.rule(form.api)
        if rule is None or not rules.may_ask(rule, person):
            raise Refusal("You may not ask for this API.", code="not_allowed", field="api")
        return rule

    async def review(self, request_id: str, reviewer: Person, verdict: Verdict, reason: str) -> Outcome:
        def decide(record: Record, now: datetime) -> Transition:
            in_force = self.rule(record.request.rule.name)
            return lifecycle.review(record, in_force, reviewer, verdict, reason, now, self._new_id)

        return await self._change(request_id, decide)

    async def may_review(self, request_id: str, reviewer: Person) -> Record:
        """Asked before a form for a no is shown. Raises Refusal."""
        record = await self.look(request_id)
        if record.request.state is not RequestState.PENDING:
            raise Refusal(lifecycle.decided_sentence(record.request), code="decided")
        rule = rules.stricter(record, self.rule(record.request.rule.name))
        rules.reviewing_by(rule, record.request.requester, reviewer)
        return record

    async def withdraw(self, request_id: str, who: Person) -> Outcome:
        return await self._change(
            request_id, lambda record, now: lifecycle.withdraw(record, who.identity, now, self._new_id)
        )

    async def hide(self, request_id: str, key_id: str, who: Person) -> Outcome:
        return await self._change(
            request_id, lambda record, now: lifecycle.hide(record, who.identity, key_id, now, self._new_id)
        )

    async def revoke(self, request_id: str, who: Person | None, why: str) -> Outcome:
        """End a grant. `who` is None for an operator at the command line; anybody else needs the right to."""

        def decide(record: Record, now: datetime) -> Transition:
            if who is not None and not lifecycle.may_revoke(record, self.rule(record.request.rule.name), who):
                raise Refusal(NOT_REVOKER, code="not_approver")
            return lifecycle.revoke(record, who.identity if who else None, why, now, self._new_id)

        return await self._change(request_id, decide)

    async def replace_token(self, request_id: str, who: Person, loss: Loss) -> Outcome:
        def decide(record: Record, now: datetime) -> Transition:
            in_force = self.rule(record.request.rule.name)
            return lifecycle.replace_token(record, in_force, who, loss, now, self._new_id)

        return await self._change(request_id, decide)

    async def may_replace(self, request_id: str, who: Person) -> Record:
        """Asked before its form is shown. Raises Refusal."""
        record = await self.look(request_id)
        lifecycle.check_replaceable(record, self.rule(record.request.rule.name), who)
        return record

    async def renew(self, request_id: str, reviewer: Person) -> Outcome:
        def decide(record: Record, now: datetime) -> Transition:
            in_force = self.rule(record.request.rule.name)
            return lifecycle.renew(record, in_force, reviewer, now, self._new_id)

        return await self._change(request_id, decide)

    async def may_revoke(self, request_id: str, who: Person) -> Record:
        """Asked before the form for the reason is shown. Raises Refusal."""
        record = await self.look(request_id)
        if record.grant is None or record.grant.state is GrantState.ENDED:
            raise Refusal(f"{record.request.label} has ended already.", code="ended")
        if not lifecycle.may_revoke(record, self.rule(record.request.rule.name), who):
            raise Refusal(NOT_REVOKER, code="not_approver")
        return record

    async def membership(self, who: Identity, why_left: str | None) -> None:
        """What becomes of somebody's requests and keys: `why_left` is why they may not use the bot any more, None if they may."""
        async with self.store.reading() as tx:
            affected = await tx.standing(who, limit=None, left=why_left is None)
        for standing in affected:
            fact = Left(why_left) if why_left else Returned()

            def decide(record: Record, now: datetime, fact: Left | Returned = fact) -> Transition:
                return lifecycle.observe(record, fact, now, self._new_id)

            await self._change(standing.request.id, decide)

    async def has_left(self, who: Identity) -> bool:
        """Whether somebody who holds something was found to have left."""
        async with self.store.reading() as tx:
            return bool(await tx.standing(who, limit=1, left=True))

    async def repaint(self, request_id: str, channel: str, ts: str) -> None:
        """Show the record once more on the message that was clicked, even on a copy that nobody remembers."""
        async with self.store.transaction() as tx:
            record = await tx.record(request_id)
            if record is not None:
                await tx.apply(lifecycle.repaint(record, channel, ts, tx.now, self._new_id))

    async def refused(self, who: Identity, api: str | None, why: str, step: str, request_id: str | None = None) -> None:
        """Somebody was told no: the audit hears of it, with the request where there is one."""
        async with self.store.transaction() as tx:
            record = await tx.record(request_id) if request_id else None
            line = AuditLine(AuditEvent.REFUSED, who, {"person": who.user_id, "why": why, "step": step})
            await tx.audit(line, record, api=api)

    async def look(self, request_id: str) -> Record:
        """The record as it stands. Raises Refusal where there is none: an old or foreign message."""
        async with self.store.reading() as tx:
            record = await tx.record(request_id)
        if record is None:
            raise Refusal(UNKNOWN, code="unknown")
        return record

    async def standing(self, who: Identity, api: str | None = None) -> tuple[Record, ...]:
        async with self.store.reading() as tx:
            return await tx.standing(who, api)

    async def holdings(self, who: Person) -> Holdings:
        """What this person asked for and holds, and what waits for their decision."""
        async with self.store.reading() as tx:
            mine = await tx.standing(who.identity)
            past = await tx.past(who.identity, PAST_SHOWN)
            apis = [name for name, rule in self.rulebook.rules.items() if rules.counted_by(rule.approvers, who)]
            waiting = (await tx.records(await tx.waiting(apis, WAITING_SHOWN))).values()
        return Holdings(mine, past, tuple(record for record in waiting if self._awaits(record, who)))

    def _awaits(self, record: Record, who: Person) -> bool:
        """Whether this person could say yes and has not."""
        try:
            rule = rules.stricter(record, self.rule(record.request.rule.name))
            rules.reviewing_by(rule, record.request.requester, who)
        except Refusal:
            return False
        return not any(one.reviewer == who.identity and one.verdict is Verdict.YES for one in record.reviews)

    async def _change(self, request_id: str, decide: Callable[[Record, datetime], Transition]) -> Outcome:
        """Settle what time has decided, then decide. What was settled is stored even where the decision is a no."""
        async with self.store.transaction() as tx:
            record = await tx.record(request_id)
            if record is None:
                raise Refusal(UNKNOWN, code="unknown")
            settled = lifecycle.settle(record, tx.now, self._new_id)
            if settled is not None:
                record = await tx.apply(settled)
            try:
                transition = decide(record, tx.now)
            except Refusal as refusal:
                return Outcome(record, refusal)
            return Outcome(await tx.apply(transition))
