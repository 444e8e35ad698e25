"""Reads for commands: the tokens that people hold, all of one request, and the names that the database has met.

The tokens are streamed: the filter is in SQL, and a few statements read many rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import CursorResult, Select, exists, func, or_, select

from bot.core import snapshot
from bot.core.audit import AuditEntry
from bot.core.model import Effect, EffectKind, GrantState, KeyState, RequestState, Rule, Verdict
from bot.core.snapshot import What
from bot.store import rows, statements, tables
from bot.store.seal import Seal
from bot.store.transaction import Transaction

CONFIGURED = "configured"
"""The name under which the configuration of the last start is remembered."""

NAMED = 10

PLACE = "place"
"""The name under which commands find what they share with the bot: its audit channel, and how it reaches Tyk."""


@dataclass(frozen=True)
class Filter:
    """The limits of a report; None is no limit. `living`: only what has not ended, here and at Tyk; `held`: only what can be used
    now, or soon; `ends_before`: only what has such an end and has not ended, the soonest first."""

    since: datetime | None = None
    api: str | None = None
    person: str | None = None
    number: int | None = None
    living: bool = False
    held: bool = False
    ends_before: datetime | None = None


@dataclass(frozen=True)
class Holding:
    """A grant: who holds what until when, by whose approval, under which rule of which configuration, and what else it opens.

    `approvals` are the approvers' user ids, each with the id by which it counted; `found` is what is other at Tyk than it was
    granted.
    """

    request_id: str
    number: int
    api: str
    plan: str
    user_id: str
    name: str
    used_by: str
    reason: str
    state: GrantState
    since: datetime
    until: datetime | None
    key_hashes: tuple[str, ...]
    approvals: tuple[tuple[str, str], ...]
    digest: str
    opens: tuple[str, ...]
    found: tuple[str, ...] = ()


def holdings(tx: Transaction, wanted: Filter) -> Iterator[Holding]:
    """Every grant that fits, the newest first, without holding them all in memory."""
    with _streamed(tx, _grants(wanted)) as found:
        while some := list(islice(found, statements.AT_ONCE)):
            yield from _with_parts(tx, some)


def _streamed(tx: Transaction, query: Select[Any]) -> CursorResult[Any]:
    """A few rows at a time. The option is the statement's: as the connection's it would hold for whatever is written after."""
    return tx.connection.execute(query, execution_options={"yield_per": statements.AT_ONCE})


def _grants(wanted: Filter) -> Select[Any]:
    requests, grants = tables.requests, tables.grants
    query = (
        select(
            requests.c.id,
            requests.c.number,
            requests.c.api,
            requests.c.plan,
            requests.c.user_id,
            requests.c.requester_name,
            requests.c.used_by,
            requests.c.reason,
            requests.c.digest,
            requests.c.opens,
            grants.c.state,
            grants.c.since,
            grants.c.until,
            grants.c.ended_at,
        )
        .join(grants, grants.c.request_id == requests.c.id)
        .order_by(requests.c.number.desc())
    )
    if wanted.api is not None:
        query = query.where(
            or_(requests.c.api == wanted.api, requests.c.opens.contains(f" {wanted.api} ", autoescape=True))
        )
    if wanted.held or wanted.ends_before is not None:
        query = query.where(grants.c.state.in_(statements.LIVES))
    if wanted.ends_before is not None:
        query = query.where(grants.c.until < wanted.ends_before).order_by(None).order_by(grants.c.until)
    if wanted.number is not None:
        query = query.where(requests.c.number == wanted.number)
    if wanted.person is not None:
        query = query.where(requests.c.user_id.in_(statements.ids_of(wanted.person)))
    if wanted.since is not None:
        query = query.where(grants.c.since >= wanted.since)
    if wanted.living:
        at_tyk = tables.keys.c.state.in_((KeyState.PROBATION.value, KeyState.LIVE.value))
        has_key = exists().where(tables.keys.c.request_id == requests.c.id, at_tyk)
        query = query.where(or_(grants.c.state != GrantState.ENDED.value, has_key))
    return query


@dataclass(frozen=True)
class Page:
    """Some grants, the newest first; whether there are newer ones, and older ones."""

    holdings: tuple[Holding, ...]
    newer: bool = False
    older: bool = False


def page(
    tx: Transaction,
    wanted: Filter,
    size: int,
    apis: frozenset[str] | None = None,
    *,
    under: Collection[str] | None = None,
    before: int | None = None,
    after: int | None = None,
) -> Page:
    """Those with the next lower numbers than `before`, or the next higher than `after`; else, or where none is left there, the
    newest. `apis`: of one person's, only what opens one of these entries; `under`: only what was granted under one of
    these rules, as they are stored."""
    number, query = tables.requests.c.number, _grants(wanted)
    if under is not None:
        query = query.where(tables.requests.c.rule.in_(under))
    if after is not None:
        query = query.where(number > after).order_by(None).order_by(number)
    elif before is not None:
        query = query.where(number < before)
    if apis is None:
        found = list(tx.connection.execute(query.limit(size + 1)).all())
    else:  # of one person, who holds no more than there are APIs, a few times: ten thousand names are no statement
        held = tx.connection.execute(query).all()
        found = [row for row in held if apis & {row.api, *row.opens.split()}][: size + 1]
    if not found and (before is not None or after is not None):
        return page(tx, wanted, size, apis, under=under)
    more, some = len(found) > size, found[:size]
    if after is not None:
        return Page(tuple(_with_parts(tx, some[::-1])), newer=more, older=True)
    return Page(tuple(_with_parts(tx, some)), newer=before is not None, older=more)


def _with_parts(tx: Transaction, some: Sequence[Any]) -> Iterator[Holding]:
    keys, reviews, findings = tables.keys, tables.reviews, tables.findings
    ids = [row.id for row in some]
    hashes = (
        select(keys.c.request_id, keys.c.key_hash, findings.c.what)
        .outerjoin(findings, findings.c.subject == keys.c.id)
        .where(keys.c.request_id.in_(ids), keys.c.key_hash.is_not(None), keys.c.state != KeyState.DEAD.value)
        .order_by(keys.c.position)
    )
    approvals = (
        select(reviews.c.request_id, reviews.c.user_id, reviews.c.counted_by)
        .where(reviews.c.request_id.in_(ids), reviews.c.verdict == Verdict.YES.value, reviews.c.void == "")
        .order_by(reviews.c.at)
    )
    hashes_of = rows.by_request(tx.connection.execute(hashes))
    approvals_of = rows.by_request(tx.connection.execute(approvals))
    for row in some:
        state = GrantState(row.state)
        yield Holding(
            request_id=row.id,
            number=row.number,
            api=row.api,
            plan=row.plan,
            user_id=row.user_id,
            name=row.requester_name,
            used_by=row.used_by,
            reason=row.reason,
            state=state,
            since=row.since,
            until=row.ended_at if state is GrantState.ENDED else row.until,
            key_hashes=tuple(one.key_hash for one in hashes_of.get(row.id, ())),
            approvals=tuple((one.user_id, one.counted_by) for one in approvals_of.get(row.id, ())),
            digest=row.digest,
            opens=tuple(row.opens.split()),
            found=tuple(one.what for one in hashes_of.get(row.id, ()) if one.what),
        )


def waiting(tx: Transaction, wanted: Filter) -> tuple[str, ...]:
    """The ids of the requests that wait for a decision and fit, the oldest first."""
    requests = tables.requests
    query = select(requests.c.id).where(requests.c.state == RequestState.PENDING.value).order_by(requests.c.number)
    for column, value in {requests.c.api: wanted.api, requests.c.number: wanted.number}.items():
        if value is not None:
            query = query.where(column == value)
    if wanted.person is not None:
        query = query.where(requests.c.user_id.in_(statements.ids_of(wanted.person)))
    if wanted.since is not None:
        query = query.where(requests.c.created_at >= wanted.since)
    return tuple(tx.connection.execute(query).scalars().all())


# --- all of one request -----------------------------------------------------------------------------------------------


def effects_of(tx: Transaction, request_id: str) -> tuple[Effect, ...]:
    """Every promise of a request that is still remembered, in the order in which it was first made."""
    known = [kind.value for kind in EffectKind]
    table = tables.effects
    query = select(table).where(table.c.request_id == request_id, table.c.kind.in_(known)).order_by(table.c.id)
    return tuple(map(rows.effect_of, tx.connection.execute(query).all()))


def trail_of(tx: Transaction, request_id: str) -> tuple[AuditEntry, ...]:
    """The audit of a request, in order."""
    query = statements.audited().where(tables.audit.c.request_id == request_id)
    return tuple(map(rows.entry_of, tx.connection.execute(query).all()))


# --- tokens that are held ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sealed:
    """A token that is held, and whose it is."""

    request_id: str
    number: int
    sealed: bytes = field(repr=False)


def sealed_tokens(tx: Transaction) -> Iterator[Sealed]:
    """Every token that is held, the oldest request's first, without holding them all in memory."""
    requests, keys = tables.requests, tables.keys
    query = (
        select(requests.c.id, requests.c.number, keys.c.sealed)
        .join(keys, keys.c.request_id == requests.c.id)
        .where(keys.c.sealed.is_not(None))
        .order_by(requests.c.number, keys.c.position)
    )
    with _streamed(tx, query) as found:
        for row in found:
            yield Sealed(row.id, row.number, row.sealed)


@dataclass(frozen=True)
class LostTokens:
    """Tokens that are held and cannot be opened: how many, and the numbers of the first of their requests."""

    tokens: int = 0
    numbers: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return self.tokens > 0

    @property
    def sentence(self) -> str:
        of = ", ".join(f"R-{number}" for number in self.numbers)
        return (
            f"No key in SEAL_KEYS opens {self.tokens} of the tokens in the database ({of}): put the key that sealed them back, "
            "behind the others."
        )


def lost_tokens(tx: Transaction, seal: Seal) -> LostTokens:
    """Those that none of the seal's keys opens."""
    lost = [one.number for one in sealed_tokens(tx) if not seal.opens(one.sealed)]
    return LostTokens(len(lost), tuple(dict.fromkeys(lost))[:NAMED])


# --- names ------------------------------------------------------------------------------------------------------------


def entries(tx: Transaction) -> frozenset[str]:
    """The entries of the configuration that the bot last started with, and those that requests were made for."""
    configured = tx.remembered(CONFIGURED) or {"apis": {}}
    asked_for = tx.connection.execute(select(tables.requests.c.api).distinct()).scalars().all()
    return frozenset(configured["apis"]) | frozenset(asked_for)


def api_ids(tx: Transaction, most: int) -> tuple[str, ...]:
    """The API ids of some entries of the configuration that the bot last started with."""
    configured = tx.remembered(CONFIGURED) or {"apis": {}}
    kept = (snapshot.entry(configured, name) or {} for name in islice(configured["apis"], most))
    return tuple(one[What.API_ID] for one in kept if What.API_ID in one)


def held_entries(tx: Transaction) -> frozenset[str]:
    """The entries of which somebody holds something."""
    requests, grants = tables.requests, tables.grants
    query = select(requests.c.api).join(grants).where(grants.c.state.in_(statements.LIVES)).distinct()
    return frozenset(tx.connection.execute(query).scalars().all())


def rules_held(tx: Transaction, entry: str) -> dict[str, Rule]:
    """The rules under which something of this entry is held, by what they are stored as."""
    requests, grants = tables.requests, tables.grants
    query = (
        select(requests.c.rule)
        .join(grants)
        .where(requests.c.api == entry, grants.c.state.in_(statements.LIVES))
        .distinct()
    )
    return {stored: rows.rule_of(stored) for stored in tx.connection.execute(query).scalars().all()}


def people(tx: Transaction) -> dict[str, str]:
    """Everybody who ever asked for something: their names by their ids."""
    requests = tables.requests
    query = select(requests.c.user_id, func.max(requests.c.requester_name).label("name")).group_by(requests.c.user_id)
    return {row.user_id: row.name for row in tx.connection.execute(query).all()}


def has_met(tx: Transaction, user_id: str) -> bool:
    """True where somebody of this id asked, decided or is named in the audit."""
    requests, reviews, audit = tables.requests, tables.reviews, tables.audit
    looks = (
        exists().where(tables.ids.c.user_id == user_id),
        exists().where(requests.c.user_id == user_id),
        exists().where(reviews.c.user_id == user_id),
        exists().where(or_(audit.c.person_user == user_id, audit.c.actor_user == user_id)),
    )
    return any(tx.connection.execute(select(one)).scalar_one() for one in looks)


def newest_number(tx: Transaction) -> int | None:
    newest: int | None = tx.connection.execute(select(func.max(tables.requests.c.number))).scalar_one()
    return newest
