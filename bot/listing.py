"""The requests and keys that a person sees listed: their own, those that wait for them, and those that they decided about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.core import rules
from bot.core.in_force import InForce
from bot.core.model import Identity, Person, Record, Refusal, Review
from bot.store.store import Store, Transaction, User

PAST_SHOWN = 5
OWN_SHOWN = 50
WAITING_SHOWN = 50
DECIDED_SHOWN = 4
DECIDED_WITHIN = timedelta(days=1)
NEWS_AT_ONCE = 500


@dataclass(frozen=True)
class Holdings:
    """One person's own requests and keys that stand, those that are over, the requests of others that wait for them, and those
    about which they said yes or no lately, each with what they said.

    `more_own` and `more_awaiting`: there are others beyond those that were looked at. `at` is when that was, `heard` the number
    of the newest audit line by then.
    """

    standing: tuple[Record, ...]
    past: tuple[Record, ...]
    awaiting: tuple[Record, ...]
    at: datetime
    heard: int = 0
    decided: tuple[tuple[Record, Review], ...] = ()
    more_own: bool = False
    more_awaiting: bool = False


@dataclass(frozen=True)
class News:
    """One line of the audit, by its number: whose request it concerns, if any, and of which API."""

    number: int
    person: Identity | None
    api: str | None


class Listing:
    """`in_force` says for whose decision a request waits."""

    def __init__(self, store: Store, in_force: InForce) -> None:
        self._store = store
        self._in_force = in_force

    async def holdings(self, who: Person) -> Holdings:
        """This person's own requests and keys, the requests that wait for their decision, and those that they decided about."""

        def work(tx: Transaction) -> Holdings:
            heard = tx.newest_audit()  # first: what comes after it may or may not be seen here, and is news
            # Of the APIs that are waited for, which are few, and not of all that there are.
            apis = [name for name in tx.awaited_apis() if self.may_wait_for(who, name)]
            waiting = tx.records(tx.waiting(apis, WAITING_SHOWN + 1))
            awaiting = tuple(record for record in waiting[:WAITING_SHOWN] if self._awaits(record, who))
            mine, past = tx.standing(who.identity, limit=OWN_SHOWN + 1), tx.past(who.identity, PAST_SHOWN)
            reviewed = tx.reviewed_by(who.identity, tx.now - DECIDED_WITHIN, DECIDED_SHOWN)
            decided = tuple((record, _said_by(record, who)) for record in reviewed if record not in awaiting)
            more_own, more_awaiting = len(mine) > OWN_SHOWN, len(waiting) > WAITING_SHOWN
            return Holdings(
                mine[:OWN_SHOWN], past, awaiting, tx.now, heard, decided, more_own=more_own, more_awaiting=more_awaiting
            )

        return await self._store.read(work)

    async def news(self, after: int) -> tuple[News, ...]:
        """The audit lines above this number, the oldest first, some hundreds at a time."""
        found = await self._store.read(lambda tx: tx.audit_after(after, NEWS_AT_ONCE), User.WORKER)
        return tuple(News(one.number, one.person, one.api) for one in found)

    def may_wait_for(self, who: Person, api: str) -> bool:
        """True where requests for this API may wait for this person's decision."""
        rule = self._in_force.rule(api)
        return rule is not None and rules.may_approve(rule, who)

    def _awaits(self, record: Record, who: Person) -> bool:
        """True where this person could approve and has not."""
        try:
            rules.reviewing_by(record, self._in_force.rule(record.request.rule.name), who)
        except Refusal:
            return False
        given = rules.approvals(record.reviews, record.request.requester)
        return not any(who.is_same(one.reviewer) for one in given)


def _said_by(record: Record, who: Person) -> Review:
    """The last review of a request by this person."""
    return max((one for one in record.reviews if who.is_same(one.reviewer)), key=lambda one: one.at)
