"""Failing and parked promises, as the store has them, and the outages that people were told of or are to be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, delete, func, select, update

from bot.core.model import Effect, EffectKind, EffectState, Promise, RequestState
from bot.core.outages import MANY, REPLICAS_DIFFER, UNDECIDABLE, UNREADABLE, Failing
from bot.store import rows, statements, tables
from bot.store.transaction import Transaction

ALIVE_FOR = timedelta(minutes=2)
"""A replica that has said nothing for so long runs no more."""

_REPLICAS = "replicas"
_UNREADABLE = "unreadable"
_FAILS = and_(tables.effects.c.first_failed_at.is_not(None), tables.effects.c.last_error != "")


@dataclass(frozen=True)
class Standing:
    """An outage as it stands in the store: since when, over since when, and whether the help channel has heard of it."""

    cause: str
    since: datetime
    over_at: datetime | None
    said: bool


@dataclass(frozen=True)
class Trouble:
    """Effects of a kind that fail for one error, or are parked for it: how many, and since when the first of them."""

    state: EffectState
    kind: str
    error: str
    many: int
    since: datetime | None


def failing(tx: Transaction, limit: int = MANY) -> tuple[Failing, ...]:
    """Open effects that have failed, the longest failing first, without those that tell of outages; and what waits in vain."""
    table, messages = tables.effects, tables.messages
    forwarded = case((table.c.kind == EffectKind.FORWARD_AUDIT.value, table.c.subject_id))
    place = func.coalesce(messages.c.channel, messages.c.target, table.c.lane, forwarded).label("place")
    known = [kind.value for kind in EffectKind if kind is not EffectKind.TELL_OUTAGE]
    query = (
        select(table.c.kind, table.c.last_error, place, table.c.request_id, table.c.first_failed_at)
        .outerjoin(messages, messages.c.id == table.c.subject_id)
        .where(table.c.state == tables.OPEN, _FAILS, table.c.kind.in_(known))
        .order_by(table.c.first_failed_at)
        .limit(limit)
    )
    failed = (
        Failing(EffectKind(row.kind), row.last_error, row.place, row.request_id, row.first_failed_at)
        for row in tx.connection.execute(query).all()
    )
    return (*failed, *_undecidable(tx, limit), *_different_replicas(tx), *_unreadable(tx))


def _undecidable(tx: Transaction, limit: int) -> Iterator[Failing]:
    """Requests that cannot be approved; what comes of them is that they lapse."""
    requests = tables.requests
    query = (
        select(requests.c.id, requests.c.api, requests.c.undecidable_since)
        .where(requests.c.state == RequestState.PENDING.value, requests.c.undecidable != "")
        .order_by(requests.c.number)
        .limit(limit)
    )
    for row in tx.connection.execute(query).all():
        yield Failing(EffectKind.LAPSE_REQUEST, UNDECIDABLE.name, row.api, row.id, row.undecidable_since)


# --- what cannot be read -----------------------------------------------------------------------------------------------


def unreadable(tx: Transaction) -> dict[str, float]:
    """The requests that are over and could not be read when they were to be erased, by their numbers, and since when."""
    return tx.remembered(_UNREADABLE) or {}


def cannot_read(tx: Transaction, numbers: Sequence[int]) -> None:
    """Note these, and no others."""
    before, now = unreadable(tx), tx.now.timestamp()
    after = {str(number): before.get(str(number), now) for number in numbers}
    if after != before:
        tx.remember(_UNREADABLE, after)


def _unreadable(tx: Transaction) -> Iterator[Failing]:
    """Nothing fails for it: a promise of what is over needs nothing of it any more."""
    for since in unreadable(tx).values():
        yield Failing(EffectKind.SHOW_MESSAGE, UNREADABLE.name, None, None, datetime.fromtimestamp(since, UTC))


# --- replicas ---------------------------------------------------------------------------------------------------------


def runs(tx: Transaction, name: str, configuration: str) -> bool:
    """This replica runs with this configuration. Returns whether another one that lives runs with something else, or did when
    people were told so: whoever noted that may be gone."""
    known = tx.remembered(_REPLICAS, lock=True) or {}
    before = known.get(name)
    since = before["since"] if before and before["runs"] == configuration else tx.now.timestamp()
    known[name] = {"runs": configuration, "since": since, "at": tx.now.timestamp()}
    tx.remember(_REPLICAS, known)
    return any(one["runs"] != configuration for one in _living(tx)) or of_cause(tx, REPLICAS_DIFFER.name) is not None


def stopped(tx: Transaction, name: str) -> None:
    """This replica runs no more; neither do those that have said nothing for long."""
    known = tx.remembered(_REPLICAS, lock=True) or {}
    tx.remember(_REPLICAS, {one: said for one, said in known.items() if one != name and _lives(said, tx.now)})


def _replicas(tx: Transaction) -> list[dict[str, Any]]:
    return list((tx.remembered(_REPLICAS) or {}).values())


def _living(tx: Transaction) -> list[dict[str, Any]]:
    return [one for one in _replicas(tx) if _lives(one, tx.now)]


def _lives(replica: dict[str, Any], now: datetime) -> bool:
    return now.timestamp() - float(replica["at"]) < ALIVE_FOR.total_seconds()


def _different_replicas(tx: Transaction) -> Iterator[Failing]:
    """Replicas that live and run with different configurations, since the last of these began."""
    since: dict[str, float] = {}
    for one in _living(tx):
        since[one["runs"]] = min(since.get(one["runs"], one["since"]), one["since"])
    if len(since) > 1:
        began = datetime.fromtimestamp(max(since.values()), UTC)
        yield Failing(EffectKind.TELL_OUTAGE, REPLICAS_DIFFER.name, None, None, began)


def any_undecidable(tx: Transaction) -> bool:
    return next(_undecidable(tx, 1), None) is not None


def late_or_parked(tx: Transaction) -> tuple[Effect, ...]:
    """Effects that have failed and are tried again, or are parked: the longest failing first."""
    table = tables.effects
    known = table.c.kind.in_([kind.value for kind in EffectKind])
    conditions = (and_(table.c.state == tables.OPEN, _FAILS), table.c.state == tables.PARKED)
    some = [
        row
        for condition in conditions
        for row in tx.connection.execute(
            select(table).where(condition, known).order_by(table.c.first_failed_at, table.c.id).limit(MANY)
        )
    ]
    return tuple(sorted(map(rows.effect_of, some), key=lambda effect: effect.first_failed_at or effect.due_at))


def why_stuck(tx: Transaction, request_id: str) -> str:
    """The sentence behind the last promise of this request that was parked."""
    table = tables.effects
    query = select(table.c.why).where(table.c.request_id == request_id, table.c.state == tables.PARKED)
    return tx.connection.execute(query.order_by(table.c.id.desc()).limit(1)).scalar_one_or_none() or ""


def counted(tx: Transaction) -> tuple[Trouble, ...]:
    """The failing and the parked promises, each kind and error counted to a thousand, by an index alone."""
    table, found = tables.effects, list[Any]()
    columns = (table.c.state, table.c.kind, table.c.last_error, table.c.first_failed_at)
    for condition in (and_(table.c.state == tables.OPEN, _FAILS), table.c.state == tables.PARKED):
        some = select(*columns).where(condition).limit(MANY).subquery()
        named = (some.c.state, some.c.kind, some.c.last_error)
        query = select(*named, func.count(), func.min(some.c.first_failed_at)).group_by(*named)
        found += tx.connection.execute(query).all()
    return tuple(Trouble(EffectState(state), kind, error, many, since) for state, kind, error, many, since in found)


def standing(tx: Transaction) -> tuple[Standing, ...]:
    found = tx.connection.execute(select(tables.outages).order_by(tables.outages.c.since)).all()
    return tuple(Standing(row.cause, row.since, row.over_at, row.said) for row in found)


def of_cause(tx: Transaction, cause: str) -> Standing | None:
    return next((one for one in standing(tx) if one.cause == cause), None)


def begin(tx: Transaction, cause: str, since: datetime) -> bool:
    """Note it down; False where somebody has. One that was thought over and not told so yet goes on."""
    table = tables.outages
    again = update(table).where(table.c.cause == cause, table.c.over_at.is_not(None)).values(over_at=None)
    if tx.connection.execute(again).rowcount:
        tx.wrote = True
        return False
    begun = (
        statements.inserting(table, sqlite=tx.connection.dialect.name == "sqlite")
        .on_conflict_do_nothing()
        .returning(table.c.cause)
    )
    values = {"cause": cause, "since": since, "over_at": None, "said": False}
    return _tell(tx, cause, changed=len(tx.connection.execute(begun, values).all()))


def end(tx: Transaction, cause: str) -> bool:
    """Note that the outage is over. Returns False where somebody has noted that already."""
    table = tables.outages
    ended = update(table).where(table.c.cause == cause, table.c.over_at.is_(None)).values(over_at=tx.now)
    return _tell(tx, cause, changed=tx.connection.execute(ended).rowcount)


def _tell(tx: Transaction, cause: str, *, changed: int) -> bool:
    if changed == 1:
        promise(tx, cause)
    return changed == 1


def promise(tx: Transaction, cause: str) -> None:
    """Promise to tell the help channel of this outage."""
    tx.promise(Promise(EffectKind.TELL_OUTAGE, cause, tx.now))


def said(tx: Transaction, cause: str, *, said: bool = True) -> None:
    """Note that the help channel has heard of this outage, or with `said=False` that it has not."""
    tx.connection.execute(update(tables.outages).where(tables.outages.c.cause == cause).values(said=said))
    tx.wrote = True


def forget(tx: Transaction, cause: str) -> None:
    """All is said of it."""
    tx.connection.execute(delete(tables.outages).where(tables.outages.c.cause == cause))
    tx.wrote = True
