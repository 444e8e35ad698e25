"""`diff`: what another file says, who gains and who loses by it, and what it does to what waits, is held and was decided.

The database is read a page at a time, and nothing is stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

from bot.core import changes, deciders, explanation, reach, replay, rules, snapshot
from bot.core.changes import Access, Together
from bot.core.explanation import Known
from bot.core.model import Approver, Person, Record, Refusal, Rule, Rulebook, Verdict
from bot.core.reach import Shift
from bot.core.replay import Cast, Ending, Outcome
from bot.group_members import members_seen
from bot.population import Population, population
from bot.sources import Meant, Sources
from bot.store import history
from bot.store.store import Store

T = TypeVar("T")
EACH = 500
_OPEN = frozenset({Access.WIDER, Access.OTHER})


@dataclass(frozen=True)
class Case:
    """One request, and why it is told of. `witness` is the id of the person on whom it hangs."""

    request: str
    api: str
    person: str
    name: str
    why: str
    witness: str


@dataclass(frozen=True)
class Turn(Case):
    """A past request that would have gone otherwise."""

    was: Ending = Ending.PENDING
    becomes: Ending = Ending.PENDING


@dataclass(frozen=True)
class Looked:
    """The result of a look through some requests: of how many, how many it would be said of under the old file as well, and
    of how many it could not be told."""

    cases: tuple[Case, ...]
    of: int
    before: int = 0
    unknown: int = 0


@dataclass(frozen=True)
class History:
    """`otherwise` are those whose decision does not follow from their rows, `later` those that approvers decided whom a later
    rule named by something else, `extended` those whose rows an extension replaced."""

    turns: tuple[Turn, ...]
    of: int
    unknown: int
    extended: int
    later: tuple[str, ...]
    otherwise: tuple[Case, ...]
    since: datetime | None


@dataclass(frozen=True)
class Difference:
    """All that there is to say. What the database alone knows is None where it was not asked."""

    old: Meant
    new: Meant
    changes: tuple[Together, ...]
    shifts: tuple[Shift, ...]
    everybody: Population
    waiting: Looked | None = None
    living: Looked | None = None
    history: History | None = None
    not_looked_at: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def is_any(self) -> bool:
        """Something that either file says is other than in the other one."""
        return bool(self.changes or self.shifts)

    @property
    def widens(self) -> bool:
        """Somebody may do more, or it cannot be ruled out."""
        return any(one.access in _OPEN for one in self.changes) or any(shift.gained for shift in self.shifts)


async def between(
    old: Meant, new: Meant, sources: Sources, since: datetime | None, at: Callable[[str], None] = lambda _: None
) -> Difference:
    """`at` hears what is looked at. Raises a Fault of Slack's, or a sentence of the database's."""
    at("people")
    seen = {} if sources.store is None else members_seen(sources.store)
    everybody = await population(old, new, sources, seen)
    before, after = (
        snapshot.of(old.rulebook, old.config.settings()),
        snapshot.of(new.rulebook, new.config.settings()),
    )
    found = Difference(
        old,
        new,
        changes.together(changes.between(before, after)),
        reach.shifts(old.rulebook, new.rulebook, everybody.people),
        everybody,
        not_looked_at=sources.unasked,
        doubts=tuple(dict.fromkeys((*sources.doubts(of=old, about="The old file"), *new.doubts))),
    )
    if sources.store is None:
        return found
    book = _Book(sources.store, old.rulebook, new.rulebook, everybody, at)
    return replace(found, waiting=book.waiting(), living=book.living(), history=book.history(since))


@dataclass
class _Tally:
    """Cases found one after the other."""

    cases: list[Case] = field(default_factory=list)
    of: int = 0
    before: int = 0
    unknown: int = 0

    def take(self, record: Record, then: str | None, now: str | None) -> None:
        """Count a case by what was wrong with it and what is: empty for nothing, None where it cannot be told."""
        self.of += 1
        if now is None:
            self.unknown += 1
        elif now and then:
            self.before += 1
        elif now:
            self.cases.append(_case(record, now))

    def done(self) -> Looked:
        return Looked(tuple(self.cases), self.of, self.before, self.unknown)


def _case(record: Record, why: str, witness: str | None = None) -> Case:
    request = record.request
    user_id = request.requester.user_id
    return Case(request.label, request.rule.name, user_id, request.requester_name, why, witness or user_id)


class _Book:
    """The database under both rulebooks."""

    def __init__(
        self, store: Store, old: Rulebook, new: Rulebook, everybody: Population, at: Callable[[str], None]
    ) -> None:
        self._at = at
        self._store = store
        self._old = old
        self._new = new
        self._everybody = everybody
        self._able: dict[tuple[str, str], frozenset[str] | None] = {}

    # --- what waits ---

    def waiting(self) -> Looked:
        tally = _Tally()
        for record in self._counted("waiting requests", history.waiting(self._store)):
            tally.take(record, self._undecidable(record, self._old), self._undecidable(record, self._new))
        return tally.done()

    def _undecidable(self, record: Record, book: Rulebook) -> str | None:
        """The reason that it could not be approved, or would not be granted to its requester then."""
        rule = book.rules.get(record.request.rule.name)
        found = deciders.deciders(record, rule, self._everybody.named)
        if not found.undecidable:
            return self._barred(record, rule, book)
        if self._everybody.knows(rules.deciding(record, rule)) or not _stricter(record, rule):
            return found.undecidable
        return None

    def _barred(self, record: Record, rule: Rule | None, book: Rulebook) -> str | None:
        def ask(person: Person) -> str:
            try:
                rules.check_still_allowed(record, rule, person)
            except Refusal as refusal:
                return refusal.text if refusal.code == "not_requester" else ""
            return ""

        return self._certain(ask, self._everybody.known(replay.requester_of(record), book, self._frozen(record)))

    # --- what is held ---

    def living(self) -> Looked:
        tally = _Tally()
        for record in self._counted("tokens in use", history.living(self._store)):
            tally.take(record, self._refused(record, self._old), self._refused(record, self._new))
        return tally.done()

    def _refused(self, record: Record, book: Rulebook) -> str | None:
        """The reason that it would not be granted today."""
        rule = book.rules.get(record.request.rule.name)
        frozen = self._frozen(record)
        holder = self._everybody.known(replay.requester_of(record), book, frozen)
        yes = [one for one in record.reviews if one.verdict is Verdict.YES]
        known = [self._everybody.known(replay.reviewer_of(one, record.request.rule), book, frozen) for one in yes]

        def ask(pick: Callable[[Known], Person]) -> str:
            try:
                rules.check_still_allowed(record, rule, pick(holder), [Approver(pick(one)) for one in known])
            except Refusal as refusal:
                return refusal.text
            return ""

        least, most = ask(lambda one: one.least), ask(lambda one: one.most)
        return least if bool(least) is bool(most) else None

    # --- what was decided ---

    def history(self, since: datetime | None) -> History:
        turns: list[Turn] = []
        count: Counter[str] = Counter()
        later: list[str] = []
        otherwise: list[Case] = []
        for past in self._counted("past requests", history.decided(self._store, since)):
            record = past.record
            if not replay.is_told(record):
                count["extended"] += 1
                continue
            count["of"] += 1
            misfit = replay.misfit(record, past.told)
            if misfit is not None:
                otherwise.append(_case(record, misfit.why, misfit.witness.user_id))
                continue
            if replay.counts_by_later_rule(record):
                later.append(record.request.label)
            outcome = self._under_new(record)
            if outcome is None:
                count["unknown"] += 1
            elif outcome.ending != record.request.state.value:
                turns.append(_turn(record, outcome))
        of, unknown, extended = count["of"], count["unknown"], count["extended"]
        return History(tuple(turns), of, unknown, extended, tuple(later), tuple(otherwise), since)

    def _under_new(self, record: Record) -> Outcome | None:
        """The outcome under the new rules, None where it hangs on who is in a group that nobody could look up."""
        request, frozen = record.request, self._frozen(record)
        rule = self._new.rules.get(request.rule.name)
        requester = self._everybody.known(replay.requester_of(record), self._new, frozen)
        reviewers = {
            one.reviewer.user_id: self._everybody.known(replay.reviewer_of(one, request.rule), self._new, frozen)
            for one in record.reviews
        }

        def ask(pick: Callable[[Known], Person]) -> Outcome:
            able = self._able_under(rule, pick(requester))
            return replay.replay(
                record, rule, Cast(pick(requester), {one: pick(who) for one, who in reviewers.items()}, able)
            )

        least, most = ask(lambda one: one.least), ask(lambda one: one.most)
        return least if least.ending is most.ending else None

    def _able_under(self, rule: Rule | None, requester: Person) -> frozenset[str] | None:
        """Those who could decide under the new rule, None where nobody knows."""
        if rule is None or not self._everybody.knows([rule.may_approve]):
            return None
        key = (rule.name, requester.identity.user_id)
        if key not in self._able:
            self._able[key] = explanation.able(rule, requester, self._everybody.named, datetime.now(UTC))
        return self._able[key]

    # --- both ---

    def _counted(self, what: str, found: Iterable[T]) -> Iterator[T]:
        for count, one in enumerate(found, 1):
            if count % EACH == 0:
                self._at(f"{what}, {count:,} so far")
            yield one

    @staticmethod
    def _frozen(record: Record) -> Rulebook:
        return Rulebook("", {record.request.rule.name: record.request.rule})

    @staticmethod
    def _certain(ask: Callable[[Person], str], who: Known) -> str | None:
        """The answer, where it does not hang on what could not be looked up."""
        least, most = ask(who.least), ask(who.most)
        return least if bool(least) is bool(most) else None


def _stricter(record: Record, rule: Rule | None) -> Rule | None:
    """The rule that would hold, None where it is not to be decided under any."""
    try:
        return rules.stricter(record, rule)
    except Refusal:
        return None


def _turn(record: Record, outcome: Outcome) -> Turn:
    case = _case(record, outcome.why, outcome.witness.user_id)
    was = Ending(record.request.state.value)
    return Turn(**vars(case), was=was, becomes=outcome.ending)
