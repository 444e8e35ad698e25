"""Operations of people and operators: each function is exactly one transaction, and decides nothing that `core` does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bot.core import asking, extensions, lifecycle, limits, refusals, rules
from bot.core.facts import Left, Returned
from bot.core.in_force import InForce
from bot.core.lifecycle import Asked, Choice, Choices, Loss
from bot.core.model import (
    UNKNOWN_ASKER,
    Answers,
    Approver,
    Asker,
    AuditEvent,
    AuditLine,
    GrantState,
    Identity,
    Lifetime,
    Person,
    PolicyTerms,
    QuestionId,
    Record,
    Refusal,
    RequestId,
    RequestState,
    Rule,
    Rulebook,
    Transition,
    Verdict,
)
from bot.group_members import GroupMembers
from bot.listing import Listing
from bot.store import troubles
from bot.store.rows import UnreadableError
from bot.store.store import Store
from bot.store.transaction import Transaction

NOTED = 3
_REPLACED = "replaced:"
_WELCOMED = "welcomed:"
UNKNOWN = "I don't know this request any more. If you still need it, request it anew."


@dataclass(frozen=True)
class Submission:
    """A form as it was sent: nothing in it has been checked. `terms` are those of the plan's Tyk policies, as Tyk has them.

    `extends` is the id of the request whose grant it asks to extend."""

    request_id: RequestId
    api: str
    plan: str | None
    lifetime: Lifetime
    answers: Answers
    terms: tuple[PolicyTerms, ...] = ()
    extends: str | None = None
    asker: Asker = UNKNOWN_ASKER


@dataclass(frozen=True)
class Extendable:
    """A token that somebody holds, and the rule in force with the plans and lifetimes to which it can be extended now."""

    record: Record
    rule: Rule


@dataclass(frozen=True)
class Outcome:
    """The record after an operation; `refusal` where the answer was no although something was learnt, such as a lapse."""

    record: Record
    refusal: Refusal | None = None


class Operations:
    """`in_force` holds the rules; `new_id` makes ids nobody can guess."""

    def __init__(self, store: Store, in_force: InForce, new_id: Callable[[], str]) -> None:
        self.store = store
        self.in_force = in_force
        self.groups = GroupMembers(store, in_force)
        self.listing = Listing(store, in_force)
        self._new_id = new_id

    @property
    def rulebook(self) -> Rulebook:
        return self.in_force.current

    def rule(self, name: str) -> Rule | None:
        return self.in_force.rule(name)

    async def submit(self, form: Submission, person: Person, approvers: frozenset[str]) -> Record:
        """A new request, or, where this form was accepted before, the record as it was stored then.

        `approvers` are those who may decide under the rule, as Slack knows them. Raises Refusal with its field.
        """

        def work(tx: Transaction) -> Record:
            # Looked at before anything is written: a rollback also takes back those who are stored together with it.
            if (already := tx.record(form.request_id)) is not None:
                return already
            number = tx.next_number()  # whoever holds it submits alone, and sees what was submitted before
            if (already := tx.record(form.request_id)) is not None:
                tx.rollback()
                return already
            tx.met(person.ids)
            rulebook = self.rulebook  # once: another may be in force a moment later
            filled = asking.Form(form.plan, form.lifetime, form.answers, form.terms)
            admitted = asking.admitted(rulebook.rules.get(form.api), person, filled, approvers)
            rule, plan = admitted.rule, admitted.plan
            held = self._to_extend(tx, form.extends, person) if form.extends else None
            if held is None:
                limits.check_room(rule, tx.held(person.identity, rule.name))
            else:
                extensions.check(held, rule, plan, form.lifetime, tx.now)
            asked = Asked(form.request_id, plan, form.lifetime, admitted.answers, form.asker)
            digest = rulebook.digest
            submitted = lifecycle.submit(asked, person, rule, digest, number, tx.now, self._new_id, held=held)
            return tx.apply(submitted)

        return await self.store.write(work)

    def _to_extend(self, tx: Transaction, request_id: str, person: Person) -> Record:
        """The record that is to be extended, settled. Raises Refusal where it cannot be."""
        held = _known(tx, request_id)
        settled = lifecycle.settle(held, tx.now, self._new_id)
        held = held if settled is None else settled.record
        extensions.check_extendable(held, person)
        extensions.check_alone(held, tx.extending(held.request))
        return held

    async def review(
        self,
        request_id: str,
        reviewer: Person,
        verdict: Verdict,
        reason: str,
        approvers: Sequence[Approver],
        choice: Choice | None = None,
    ) -> Outcome:
        """A yes or no; a yes may give less, by its `choice`. `approvers` are those who said yes before, as Slack says they are
        now."""

        def decide(record: Record, now: datetime) -> Transition:
            in_force = self.rule(record.request.rule.name)
            said = limits.written(reason, "reason", limits.MAX_REASON)
            return lifecycle.review(record, in_force, reviewer, verdict, said, now, self._new_id, choice)

        def work(tx: Transaction) -> Outcome:
            record = _known(tx, request_id)
            if verdict is Verdict.YES and record.request.extends is not None:
                held = tx.glance(
                    [record.request.extends.request_id]
                ).values()  # not locked: it is looked at again before
                extensions.check_lives(*held)
            outcome = self._decide(tx, record, decide, approvers)
            tx.met(reviewer.ids)
            return outcome

        return await self.store.write(work)

    async def may_review(self, request_id: str, reviewer: Person) -> Record:
        """The record, before a form for a review is shown to this person. Raises Refusal where they may not review it."""
        record = await self.look(request_id)
        if record.request.state is not RequestState.PENDING:
            raise lifecycle.already_decided(record.request)
        rules.reviewing_by(record, self.rule(record.request.rule.name), reviewer)
        return record

    def choices(self, record: Record) -> Choices:
        """The plans and lifetimes that an approver may give of what is asked for."""
        return lifecycle.choices(record.request, self.rule(record.request.rule.name))

    async def ask(self, request_id: str, asker: Person, text: str, question_id: str) -> Outcome:
        """A question to the requester. `question_id` is the form's own: what was asked with it before is not asked again."""

        def decide(record: Record, now: datetime) -> Transition:
            in_force = self.rule(record.request.rule.name)
            said = limits.written(text, "question", limits.MAX_REASON)
            return lifecycle.ask(record, in_force, asker, said, QuestionId(question_id), now, self._new_id)

        return await self._change(request_id, decide)

    async def answer(self, request_id: str, who: Person, text: str, question_id: str) -> Outcome:
        """The requester's answer to a question."""

        def decide(record: Record, now: datetime) -> Transition:
            said = limits.written(text, "answer", limits.MAX_REASON)
            return lifecycle.answer(record, who, said, question_id, now, self._new_id)

        return await self._change(request_id, decide)

    async def may_answer(self, request_id: str, question_id: str, who: Person) -> Record:
        """The record, before the form for an answer is shown. Raises Refusal where this person may not answer it."""
        record = await self.look(request_id)
        lifecycle.check_answerable(record, question_id, who)
        return record

    async def withdraw(self, request_id: str, who: Person) -> Outcome:
        return await self._change(
            request_id, lambda record, now: lifecycle.withdraw(record, _known_as(record, who), now, self._new_id)
        )

    async def hide(self, request_id: str, key_id: str, who: Person) -> Outcome:
        return await self._change(
            request_id, lambda record, now: lifecycle.hide(record, _known_as(record, who), key_id, now, self._new_id)
        )

    async def revoke(self, request_id: str, who: Person | None, why: str) -> Outcome:
        """End a grant. `who` is None for an operator at the command line; anybody else needs the right to."""

        def decide(record: Record, now: datetime) -> Transition:
            if who is not None and not lifecycle.may_revoke(record, self.rule(record.request.rule.name), who):
                raise _not_revoker(record)
            said = limits.written(why, "reason", limits.MAX_REASON)
            return lifecycle.revoke(record, _known_as(record, who) if who else None, said, now, self._new_id)

        return await self._change(request_id, decide)

    async def replace_token(self, request_id: str, who: Person, loss: Loss, form_id: str) -> Outcome:
        """A new token in place of the one they have. A form that was accepted before, however long ago, does nothing more."""
        name = f"{_REPLACED}{form_id}"

        def decide(record: Record, now: datetime) -> Transition:
            in_force = self.rule(record.request.rule.name)
            return lifecycle.replace_token(record, in_force, who, loss, now, self._new_id)

        def work(tx: Transaction) -> Outcome:
            record = _known(tx, request_id)  # first: whoever holds it sees which forms were accepted before
            if tx.remembered(name):
                return Outcome(record)
            outcome = self._decide(tx, record, decide)
            if outcome.refusal is None:
                tx.remember(name, True)
            return outcome

        return await self.store.write(work)

    async def may_extend(self, request_id: str, who: Person, *, other_plan: bool) -> Extendable:
        """The plans and lifetimes that can be asked for, before the form for more time or another plan is shown. Raises
        Refusal where nothing can."""

        def work(tx: Transaction) -> Extendable:
            held = self._to_extend(tx, request_id, who)
            offered = asking.open_to(self.rule(held.request.rule.name), who)
            rule = extensions.offer(held, offered, tx.now, other_plan=other_plan)
            return Extendable(held, rule)

        return await self.store.read(work)

    async def of_requester(self, request_id: str, who: Person) -> Record:
        """The record, for its requester. Raises Refusal for anybody else."""
        record = await self.look(request_id)
        if not who.is_same(record.request.requester):
            raise rules.not_theirs(record.request, f"use the token of {record.request.label}")
        return record

    async def may_replace(self, request_id: str, who: Person) -> Record:
        """The record, before the form for a new token is shown. Raises Refusal where this person may not have one."""
        record = await self.look(request_id)
        lifecycle.check_replaceable(record, self.rule(record.request.rule.name), who)
        return record

    async def in_use(self, request_id: str, holder: Person) -> Outcome:
        """The holder says, when they are asked, that they still use it."""
        return await self._change(request_id, lambda record, now: lifecycle.in_use(record, holder, now, self._new_id))

    async def renew(self, request_id: str, reviewer: Person) -> Outcome:
        def decide(record: Record, now: datetime) -> Transition:
            in_force = self.rule(record.request.rule.name)
            return lifecycle.renew(record, in_force, reviewer, now, self._new_id)

        return await self._change(request_id, decide)

    async def may_revoke(self, request_id: str, who: Person) -> Record:
        """The record, before the form for the reason is shown. Raises Refusal where this person may not revoke it."""
        record = await self.look(request_id)
        if record.grant is None or record.grant.state is GrantState.ENDED:
            raise lifecycle.already_ended(record.request)
        if not lifecycle.may_revoke(record, self.rule(record.request.rule.name), who):
            raise _not_revoker(record)
        return record

    async def membership(self, who: Identity, why_left: str | None) -> None:
        """Note in somebody's requests and keys that they left, or are back.

        `why_left` is why they may not use the bot any more, None where they may."""
        affected = await self.store.read(lambda tx: tx.standing(who, left=why_left is None))
        fact = Left(why_left) if why_left else Returned()

        def decide(record: Record, now: datetime) -> Transition:
            return lifecycle.observe(record, fact, now, self._new_id)

        for standing in affected:
            await self._change(standing.request.id, decide)

    async def deciders_changed(self, group: str | None = None, person: Person | None = None) -> None:
        """Somebody came into a group or left it, or may not use the bot any more: what waits for them is shown anew."""

        def concerns(record: Record) -> bool:
            audiences = rules.deciding(record, self.rule(record.request.rule.name))
            if person is not None:
                return any(rules.counted_by(audience, person) for audience in audiences)
            return any(group in audience.groups for audience in audiences)

        for record in filter(concerns, await self.store.read(waiting)):
            await look_again(self.store, self.in_force.current, record.request.id, self._new_id)

    async def any_undecidable(self) -> bool:
        """True where something waits that too few people may approve."""
        return await self.store.read(troubles.any_undecidable)

    async def has_left(self, who: Identity) -> bool:
        """True where this person holds something and was found to have left."""
        return bool(await self.store.read(lambda tx: tx.standing(who, limit=1, left=True)))

    async def clicked(self, request_id: str, channel: str, ts: str, message_id: str | None, *, outdated: bool) -> None:
        """Take in the message that was clicked where nobody remembers it, and show the record once more on an `outdated` one.

        `message_id` is the message's own name for itself, which one of an older version does not bear.
        """
        follow = lifecycle.repaint if outdated else lifecycle.adopt

        def work(tx: Transaction) -> None:
            record = tx.record(request_id)
            if record is not None:
                tx.apply(follow(record, channel, ts, message_id, tx.now, self._new_id))

        await self.store.write(work)

    async def refused(self, who: Identity, api: str | None, why: str, step: str, request_id: str | None = None) -> None:
        """Somebody was told no: the audit hears of it, with the request where there is one, and with how often where often."""

        def work(tx: Transaction) -> None:
            name = refusals.tally_of(who.user_id)
            tallies = _tallies(tx.remembered(name))
            tallies = refusals.count(tallies, f"{request_id or api or ''}: {why}", tx.now)
            tx.remember(name, [(one.what, one.since.timestamp(), one.times) for one in tallies])
            counted = tallies[-1]
            if not counted.is_told:
                return
            record = tx.record(request_id) if request_id else None
            times = {"times": counted.times} if counted.times > 1 else {}
            details = {"person": who.user_id, "why": why, "step": step, **times}
            tx.audit(AuditLine(AuditEvent.REFUSED, who, details), record, api=api)

        await self.store.write(work)

    async def look(self, request_id: str) -> Record:
        """The record as it stands. Raises Refusal where there is none: an old or foreign message."""
        record = await self.store.read(lambda tx: tx.record(request_id))
        if record is None:
            raise Refusal(UNKNOWN, code="unknown")
        return record

    async def standing(self, who: Identity) -> tuple[Record, ...]:
        return await self.store.read(lambda tx: tx.standing(who))

    async def room(self, who: Identity, rule: Rule) -> tuple[tuple[Record, ...], Refusal | None]:
        """Somebody's newest requests and keys of this API, and the reason that they may not ask for more of it, or None."""

        def work(tx: Transaction) -> tuple[tuple[Record, ...], tuple[int, ...]]:
            return tx.standing(who, rule.name, limit=NOTED), tx.held(who, rule.name)

        standing, held = await self.store.read(work)
        try:
            limits.check_room(rule, held)
        except Refusal as refusal:
            return standing, refusal
        return standing, None

    async def welcome(self, who: Identity) -> bool:
        """True once for somebody who has never asked for anything: they are to be told where to go."""
        name = f"{_WELCOMED}{who.user_id}"

        def work(tx: Transaction) -> bool:
            if tx.remembered(name) is not None:
                return False
            tx.remember(name, True)
            return not (tx.standing(who, limit=1) or tx.past(who, 1))

        return await self.store.write(work)

    async def _change(
        self, request_id: str, decide: Callable[[Record, datetime], Transition], approvers: Sequence[Approver] = ()
    ) -> Outcome:
        return await self.store.write(lambda tx: self._decide(tx, _known(tx, request_id), decide, approvers))

    def _decide(
        self,
        tx: Transaction,
        record: Record,
        decide: Callable[[Record, datetime], Transition],
        approvers: Sequence[Approver] = (),
    ) -> Outcome:
        """Settle what time has decided and count again the approvals of `approvers`, then decide. The first two are stored even
        where the decision is a no."""
        settled = lifecycle.settle(record, tx.now, self._new_id)
        if settled is not None:
            record = tx.apply(settled)
        in_force = self.rule(record.request.rule.name)
        recounted = lifecycle.recount(record, in_force, approvers, tx.now, self._new_id)
        if recounted is not None:
            record = tx.apply(recounted)
        try:
            transition = decide(record, tx.now)
        except Refusal as refusal:
            return Outcome(record, refusal)
        return Outcome(tx.apply(transition))


async def look_again(store: Store, rulebook: Rulebook, request_id: str, new_id: Callable[[], str]) -> None:
    """Show what waits to those who may decide now, where they decide. What cannot be read holds up nothing else: the worker tells
    of it."""

    def work(tx: Transaction) -> None:
        record = _known(tx, request_id)
        transition = lifecycle.look_again(record, rulebook.rules.get(record.request.rule.name), tx.now, new_id)
        if transition is not None:
            tx.apply(transition)

    with suppress(UnreadableError):
        await store.write(work)


def waiting(tx: Transaction) -> list[Record]:
    """The requests that wait for a decision, as far as they can be read."""
    ids = tx.waiting()
    with suppress(UnreadableError):
        return list(tx.glance(ids).values())
    found: list[Record] = []
    for one in ids:
        with suppress(UnreadableError):
            found += tx.glance([one]).values()
    return found


def _known(tx: Transaction, request_id: str) -> Record:
    record = tx.record(request_id)
    if record is None:
        raise Refusal(UNKNOWN, code="unknown")
    return record


def _not_revoker(record: Record) -> Refusal:
    able = record.request.rule.may_approve
    able = replace(able, users=able.users | {record.request.requester.user_id})
    return Refusal("You can't revoke this.", code="not_approver", able=able)


def _known_as(record: Record, who: Person) -> Identity:
    """This person under the id that the record has for its requester, where they are the requester."""
    requester = record.request.requester
    return requester if who.is_same(requester) else who.identity


def _tallies(kept: list[tuple[str, float, int]] | None) -> tuple[refusals.Tally, ...]:
    return tuple(refusals.Tally(what, datetime.fromtimestamp(since, UTC), times) for what, since, times in kept or ())
