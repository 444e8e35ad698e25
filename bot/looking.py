"""Looking up who holds what: for those who may approve it, and for auditors. Each look is a line in the audit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.core import rules
from bot.core.in_force import InForce
from bot.core.model import AuditEvent, AuditLine, Identity, Person, Refusal, Rule, Rulebook
from bot.core.usage import Use
from bot.spelling import did_you_mean
from bot.store import ledger, trail
from bot.store.ledger import Filter, Holding
from bot.store.store import Store
from bot.store.transaction import Transaction

PAGE = 10
NOT_ALLOWED = "not_auditor"
UNKNOWN = "unknown_api"

UsesOf = Callable[[Sequence[Sequence[str]], datetime], Awaitable[Sequence[Use | None]]]
"""What Tyk says of the use of tokens whose keys go by these hashes. It raises nothing."""


@dataclass(frozen=True)
class Wanted:
    """The entry of an API, or somebody's user id, whatever they hold. Of the pages the one that is turned to: the `page`th, with
    requests `before` or `after` this number."""

    api: str | None = None
    person: str | None = None
    before: int | None = None
    after: int | None = None
    page: int = 1


@dataclass(frozen=True)
class Found:
    """The tokens that are held, the newest first, and names of the people in them by their ids. `titles` are those of entries,
    `uses` are by the ids of requests, without those of tokens that have no key. `retired`: the entry is in the rules no more."""

    wanted: Wanted
    holdings: tuple[Holding, ...]
    names: Mapping[str, str]
    titles: Mapping[str, str]
    newer: bool
    older: bool
    as_auditor: bool
    uses: Mapping[str, Use] = field(default_factory=dict)
    retired: bool = False

    @property
    def people(self) -> frozenset[str]:
        """Everybody whom it names."""
        return _people(self.wanted, self.holdings)

    def title_of(self, entry: str) -> str:
        return self.titles.get(entry, entry)


def _people(wanted: Wanted, holdings: Sequence[Holding]) -> frozenset[str]:
    named = {wanted.person} if wanted.person else set[str]()
    return frozenset(named | {one for held in holdings for one in (held.user_id, *dict(held.approvals))})


class Looking:
    def __init__(self, store: Store, in_force: InForce, uses_of: UsesOf) -> None:
        self._store = store
        self._uses_of = uses_of
        self._in_force = in_force

    @property
    def _rulebook(self) -> Rulebook:
        return self._in_force.current

    async def entry(self, words: str, who: Person) -> str:
        """The entry that somebody means by its name or title, also one that left the rules while somebody holds something of it.
        Raises Refusal, with the nearest of those that they may look at."""
        wanted = " ".join(words.split()).casefold()
        for name, rule in self._rulebook.rules.items():
            if wanted in (name.casefold(), " ".join(rule.title.split()).casefold()):
                return name
        if (retired := await self._store.read(lambda tx: self._retired(tx, wanted))) is not None:
            return retired
        seen = self.seen_by(who)
        if not seen:
            raise Refusal("Only approvers and auditors can look up who holds what.", code=NOT_ALLOWED)
        options = {rule.title: rule.title for rule in seen} | {rule.name: rule.title for rule in seen}
        nearest = did_you_mean(wanted, options)
        hint = f" Did you mean {options[nearest]}?" if nearest else ""
        raise Refusal(f"I don't know an API called “{words[:100]}”.{hint}", code=UNKNOWN)

    def _retired(self, tx: Transaction, wanted: str) -> str | None:
        """The entry of this name or title that is in the rules no more, if something of it is held."""
        retired = sorted(ledger.held_entries(tx) - self._rulebook.rules.keys())
        by_name = next((name for name in retired if name.casefold() == wanted), None)
        titles = ((name, rule.title) for name in retired for rule in ledger.rules_held(tx, name).values())
        return by_name or next((name for name, title in titles if " ".join(title.split()).casefold() == wanted), None)

    def seen_by(self, who: Person) -> list[Rule]:
        """The rules of the APIs of which this person may look up who holds a token."""
        is_auditor = rules.is_auditor(self._rulebook, who)
        return [rule for rule in self._rulebook.rules.values() if is_auditor or rules.may_approve(rule, who)]

    async def look(self, who: Person, wanted: Wanted) -> Found:
        """A page of what is held, once the audit has the look. Raises Refusal where this person may not see it."""
        is_auditor = rules.is_auditor(self._rulebook, who)
        gone = wanted.api is not None and wanted.api not in self._rulebook.rules
        under = await self._under(who, wanted.api) if gone and wanted.api is not None else {}
        apis = None if is_auditor or under else self._seen_by(who, wanted)
        frozen = under.keys() if under and not is_auditor else None
        looked_for = Filter(api=wanted.api, person=wanted.person, held=True)

        def read(tx: Transaction) -> tuple[ledger.Page, dict[str, str], datetime]:
            found = ledger.page(tx, looked_for, PAGE, apis, under=frozen, before=wanted.before, after=wanted.after)
            return found, trail.names(tx, _people(wanted, found.holdings)), tx.now

        found, names, now = await self._store.read(read)
        await self._store.write(lambda tx: self._tell(tx, who, wanted))
        uses = await self._uses_of([held.key_hashes for held in found.holdings], now)
        used = {held.request_id: use for held, use in zip(found.holdings, uses, strict=True) if use is not None}
        names = {held.user_id: held.name for held in found.holdings} | names
        titles = {held.api: self._title(held.api) for held in found.holdings}
        if wanted.api is not None:
            titles[wanted.api] = next((rule.title for rule in under.values()), self._title(wanted.api))
        return Found(wanted, found.holdings, names, titles, found.newer, found.older, is_auditor, used, gone)

    async def _under(self, who: Person, entry: str) -> dict[str, Rule]:
        """The rules, by what they are stored as, under which this person may see who holds something of an entry that is in the
        rules no more: those that let them approve it."""
        held = await self._store.read(lambda tx: ledger.rules_held(tx, entry))
        sees_all = rules.is_auditor(self._rulebook, who)
        return {stored: rule for stored, rule in held.items() if sees_all or rules.may_approve(rule, who)}

    def _seen_by(self, who: Person, wanted: Wanted) -> frozenset[str] | None:
        """The entries to which the answer is limited, None where it is by itself: approvers see the tokens for what they approve.
        Raises Refusal where this person may not look."""
        mine = frozenset(name for name, rule in self._rulebook.rules.items() if rules.may_approve(rule, who))
        if wanted.api is not None and wanted.api in mine:
            return None
        if wanted.person is not None and mine:
            return mine
        what = f"who holds {self._title(wanted.api)}" if wanted.api else "what somebody holds"
        by = f"the people who approve {self._title(wanted.api)}" if wanted.api else "approvers"
        raise Refusal(f"You can't look up {what}: only {by} and auditors can.", code=NOT_ALLOWED)

    def _title(self, entry: str) -> str:
        rule = self._in_force.rule(entry)
        return entry if rule is None else rule.title

    @staticmethod
    def _tell(tx: Transaction, who: Person, wanted: Wanted) -> None:
        details = {
            "person": who.identity.user_id,
            "about": wanted.person,
            "page": wanted.page if wanted.page > 1 else None,
        }
        told = {name: value for name, value in details.items() if value is not None}
        about = Identity(who.identity.team_id, wanted.person) if wanted.person else None
        tx.audit(AuditLine(AuditEvent.LOOKED, who.identity, told), None, api=wanted.api, about=about)
