"""The history replayed: what a request would have come to under a rule, by what was asked and who said what when.

The rows of a request are its rule as it was, what was asked for, and the reviews; all else is decided again, by `asking` and
`lifecycle`. Under the rule that it was asked under, and as many approvals as were asked for when it was decided, that gives the
decision that is on record: where it does not, the rows are not those of that decision. What the reviews leave open, and who
reviewed, has to be as the audit tells it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from bot.core import asking, lifecycle, reasons, requests, rules
from bot.core.model import (
    Audience,
    AuditEvent,
    AuditLine,
    Identity,
    Person,
    Record,
    Refusal,
    Request,
    RequestState,
    Review,
    Rule,
    Scope,
    Verdict,
)

_CROWD = frozenset(f"one of many, {number}" for number in range(50))
"""More approvers than any rule asks for: how many there were then, nobody wrote down."""


class Ending(StrEnum):
    """The ways in which a request ends; `refused`: it could not have been asked."""

    REFUSED = "refused"
    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


@dataclass(frozen=True)
class Outcome:
    """An ending, why it is that one, and one person on whom that hangs."""

    ending: Ending
    why: str
    witness: Identity


@dataclass(frozen=True)
class Cast:
    """The people of a request as they are judged: the requester, the reviewers by their ids, and those who may decide, None where
    nobody knows."""

    requester: Person
    reviewers: Mapping[str, Person] = field(default_factory=dict)
    able: frozenset[str] | None = None


# --- as it is on record -----------------------------------------------------------------------------------------------


def is_told(record: Record) -> bool:
    """The rows still are those of its own decision. An extension puts its own rule and approvals in their place."""
    return record.grant is None or record.grant.extended_by is None


def requester_of(record: Record) -> Person:
    """The requester, in the group or channel by which they might ask, and in those of whatever else their plan opens."""
    request = record.request
    person = _by(request.requester, request.requester_name, request.asker.allowed_by)
    asked = (request.asked or Scope(request.plan, request.lifetime)).plan
    needed = [*asked.requesters, *([] if request.asker.allowed_by else [request.rule.requesters])]
    for audience in needed:
        if rules.counted_by(audience, person) is None:
            person = _among(audience, person)
    return person


def reviewer_of(review: Review, rule: Rule) -> Person:
    """The reviewer, in the group by which their review counted. What counts under a later rule counts under the request's own
    as well, so they are among its approvers by something that is not on record."""
    person = _by(review.reviewer, review.reviewer.user_id, review.counted_by)
    return person if rules.may_approve(rule, person) else _among(rule.may_approve, person)


def _among(audience: Audience, person: Person) -> Person:
    """The person in all groups and channels of the audience, and under the ids that it names where it names no group."""
    inside = replace(person, groups=person.groups | audience.groups, channels=person.channels | audience.channels)
    return inside if rules.counted_by(audience, inside) else replace(inside, also=inside.also | audience.users)


def _by(who: Identity, name: str, by: str) -> Person:
    """Somebody who is among an audience by this id: a group's, a channel's or one of their own."""
    if by.startswith("S"):
        return Person(who, name, groups=frozenset({by}))
    if by.startswith(("C", "G")):
        return Person(who, name, channels=frozenset({by}))
    return Person(who, name, also=frozenset({by}) if by.startswith(("U", "W")) else frozenset())


def cast_of(record: Record) -> Cast:
    """The people of a request as they were, as far as the rows say it."""
    return Cast(
        requester_of(record), {one.reviewer.user_id: reviewer_of(one, record.request.rule) for one in record.reviews}
    )


# --- as the audit tells it --------------------------------------------------------------------------------------------

DECIDES = frozenset(
    {AuditEvent.REVIEWED, AuditEvent.APPROVED, AuditEvent.DENIED, AuditEvent.WITHDRAWN, AuditEvent.LAPSED}
)
"""The events of a decision; all but the first end a request, and are called as the state that it is in then."""


@dataclass(frozen=True)
class Told:
    """The audit's word on a decision.

    `need` is the highest number of approvals that a review was told of; of an approved request it is the number that it was
    approved with. `ended_by` is a user id. `verdicts` have each verdict with the id that it counted by.
    """

    need: int = 0
    ending: RequestState = RequestState.PENDING
    ended_by: str | None = None
    reviewers: frozenset[str] = frozenset()
    verdicts: frozenset[tuple[str, str]] = frozenset()


def told(lines: Iterable[AuditLine]) -> Told:
    """`lines` are those of one request, the oldest first."""
    found = Told()
    for line in lines:
        if line.event not in DECIDES:
            continue
        need, details = line.details.get("need"), line.details
        if isinstance(need, int):
            found = replace(found, need=need if line.event is AuditEvent.APPROVED else max(need, found.need))
        if line.event is AuditEvent.REVIEWED:
            verdict = (str(details.get("verdict")), str(details.get("counted_by")))
            reviewers = found.reviewers | {str(details.get("reviewer"))}
            found = replace(found, reviewers=reviewers, verdicts=found.verdicts | {verdict})
        else:
            ending, by = RequestState(line.event.value), line.actor.user_id if line.actor else None
            found = replace(found, ending=ending, ended_by=by)
    return found


@dataclass(frozen=True)
class Misfit:
    """The reason for which a decision does not follow from what is on record, and one person on whom that hangs."""

    why: str
    witness: Identity


def misfit(record: Record, told: Told) -> Misfit | None:
    """The first thing that does not fit, None where all does."""
    stands, rule = f"it stands as {record.request.state.value}", record.request.rule
    if told.need > rule.approvals > 0:  # the rule in force may have asked for more than its own
        rule = replace(rule, approvals=told.need)
    found = replay(record, rule, cast_of(record))
    if found.ending != record.request.state.value:
        return Misfit(f"{stands}, and its rows come to {found.ending.value}: {found.why}", found.witness)
    for review in record.reviews:
        by = review.counted_by
        if review.reviewer.user_id not in told.reviewers or (review.verdict.value, by) not in told.verdicts:
            said = f"{'an approval' if review.verdict is Verdict.YES else 'a denial'} by {review.reviewer.user_id}"
            return Misfit(f"it has {said}, counted by {by}, that the audit does not tell of", review.reviewer)
    return _ends_otherwise(record.request, stands, told)


def _ends_otherwise(request: Request, stands: str, told: Told) -> Misfit | None:
    by = request.decided_by.user_id if request.decided_by else None
    if told.ending is not request.state:
        return Misfit(f"{stands}, and the audit has it as {told.ending.value}", request.requester)
    if told.ended_by != by:
        who = f"by {by or 'nobody'}, and the audit has it by {told.ended_by or 'nobody'}"
        return Misfit(f"{stands} {who}", request.decided_by or request.requester)
    return None


def counts_by_later_rule(record: Record) -> bool:
    """Some review counts by what the request's own rule does not name: a later one did."""
    named = record.request.rule.may_approve
    return not all(one.counted_by in named.users | named.groups for one in record.reviews)


# --- replayed ---------------------------------------------------------------------------------------------------------


def replay(record: Record, rule: Rule | None, cast: Cast) -> Outcome:
    """The outcome that it would have had under this rule, with these people. A reason that was erased is no reason against it."""
    request = record.request
    scope = request.asked or Scope(request.plan, request.lifetime)
    form = asking.Form(scope.plan.name, scope.lifetime, request.answers, scope.plan.terms)
    rule = (
        rule if rule is None or _has_its_reason(request) else replace(rule, reason_required=False, reason_pattern=None)
    )
    try:
        admitted = asking.admitted(rule, cast.requester, form, _CROWD if cast.able is None else cast.able)
    except Refusal as refusal:
        return Outcome(Ending.REFUSED, _why_refused(refusal, scope), request.requester)
    asked = requests.Asked(request.id, admitted.plan, scope.lifetime, admitted.answers, request.asker)
    now, new_id = request.created_at, lambda: "replayed"
    played = requests.submit(asked, cast.requester, admitted.rule, request.digest, request.number, now, new_id).record
    lapses_at = (
        played.request.lapses_at if request.extends is None else min(played.request.lapses_at, request.lapses_at)
    )
    played = replace(played, request=replace(played.request, requester=request.requester, lapses_at=lapses_at))
    uncounted: Outcome | None = None
    for review in sorted(_counting(record), key=lambda one: one.at):
        if played.request.state is not RequestState.PENDING:
            break
        if requests.has_lapsed(played, review.at):
            return Outcome(Ending.LAPSED, "it expires sooner", review.reviewer)
        reviewer = cast.reviewers.get(review.reviewer.user_id) or reviewer_of(review, request.rule)
        try:
            played = _reviewed(played, admitted.rule, reviewer, review, _choice(record, played, review))
        except Refusal as refusal:
            uncounted = uncounted or Outcome(Ending.PENDING, _why_not_counted(refusal), review.reviewer)
    return _ended(record, played, admitted.rule, uncounted)


def _reviewed(played: Record, rule: Rule, reviewer: Person, review: Review, choice: lifecycle.Choice | None) -> Record:
    verdict, at = review.verdict, review.at
    return lifecycle.review(played, rule, reviewer, verdict, "", at, lambda: "replayed", choice).record


def _why_refused(refusal: Refusal, scope: Scope) -> str:
    """The sentence for others, of somebody who is not there to be told."""
    return {
        "not_allowed": "the requester may not request it",
        "plan": f"the plan {scope.plan.name} is not offered to the requester",
        "lifetime": "it is not granted for that long",
        "reason": "a reason has to be given",
        "reason_pattern": "the reason does not hold what it has to",
        "unreachable": "too few people could approve it",
        "out_of_force": "too few of its approvers are left",
    }.get(refusal.code, refusal.text)


def _why_not_counted(refusal: Refusal) -> str:
    return "may not approve it" if refusal.code == "not_approver" else refusal.text


def _has_its_reason(request: Request) -> bool:
    """True where its reason holds what its own rule asked for; else it was erased since."""
    try:
        reasons.check(request.rule, request.answers.reason)
    except Refusal:
        return False
    return True


def _counting(record: Record) -> tuple[Review, ...]:
    """The reviews but for approvals that were found void before it was decided."""
    return tuple(one for one in record.reviews if one.verdict is Verdict.NO or not one.void)


def _choice(record: Record, played: Record, review: Review) -> lifecycle.Choice | None:
    """The last approval gave less, where less was given: which one did is not on record, and for the outcome it is the same."""
    if record.request.asked is None or review.verdict is Verdict.NO or played.request.asked is not None:
        return None
    last = max((one for one in _counting(record) if one.verdict is Verdict.YES), key=lambda one: one.at, default=None)
    return lifecycle.Choice(record.request.plan.name, record.request.lifetime) if last == review else None


def _ended(record: Record, played: Record, rule: Rule, uncounted: Outcome | None) -> Outcome:
    """The ending after all reviews; `uncounted` is the first that did not count."""
    request = record.request
    reviews = sorted(record.reviews, key=lambda one: one.at)
    who = reviews[-1].reviewer if reviews else request.requester
    if played.request.state is not RequestState.PENDING:
        need = "no approval" if rule.approvals == 0 else f"{rule.approvals} approval{'s' * (rule.approvals > 1)}"
        why = f"it takes {need}" if played.request.state is RequestState.APPROVED else "it was denied"
        return Outcome(Ending(played.request.state.value), why, who)
    have = len(rules.approvals(played.reviews, request.requester))
    why = f"it takes {rule.approvals} approval{'s' * (rule.approvals > 1)}, and {have} {'was' if have == 1 else 'were'} given"
    return _left(record, uncounted or Outcome(Ending.PENDING, why, request.requester))


def _left(record: Record, waits: Outcome) -> Outcome:
    """A request that the reviews leave undecided ends as it did, where that was nobody's review, nor before its time."""
    request = record.request
    by_a_review = request.state is RequestState.APPROVED or (
        request.state is RequestState.DENIED and request.decided_by is not None
    )
    too_soon = (
        request.state is RequestState.LAPSED
        and request.decided_at is not None
        and request.decided_at < request.lapses_at
    )
    if by_a_review or too_soon:
        return waits
    return Outcome(Ending(request.state.value), waits.why, waits.witness)
