"""The outbox: the table of effects. Here they are found when they fall due, claimed, finished, put aside and taken up again.

`Transaction` writes what is promised, with the decision that promised it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update

from bot.core.model import Effect, EffectKind, EffectState, RequestId
from bot.core.outages import Side, cause_of
from bot.core.urgency import Urgency
from bot.store import rows, statements, tables
from bot.store.transaction import Transaction

_COUNTED = 1000


class LeaseLost(Exception):
    """Somebody else has claimed this effect since: nothing of what this claim brought back may be stored."""


@dataclass(frozen=True)
class Found:
    """The urgencies of what is due; `late`: something has been failing for long, and nobody was told."""

    due: tuple[Urgency, ...]
    late: bool


def due(
    tx: Transaction,
    urgencies: Collection[Urgency],
    kinds: Collection[EffectKind],
    busy_lanes: Collection[str],
    most: int,
) -> Iterator[Effect]:
    """Effects that could be claimed now, the most urgent first and of equal ones the longest due; `most` of each urgency.

    Nobody has them in hand, nor anything else of the same subject.
    """
    wanted = {"kinds": [kind.value for kind in kinds], "lanes": list(busy_lanes), "now": tx.now, "most": most}
    for one in urgencies:
        found = tx.connection.execute(statements.due(), wanted | {"urgency": one.value})
        yield from map(rows.effect_of, found.all())


def still_due(tx: Transaction, effect: Effect) -> Effect | None:
    """The effect as it stands now that its record is locked, if it can still be claimed. SQLite has but one writer."""
    if not tx.locks:
        return effect
    table = tables.effects
    query = select(table).where(table.c.id == effect.id, table.c.state == tables.OPEN, table.c.due_at <= tx.now)
    row = tx.connection.execute(query).one_or_none()
    return None if row is None else rows.effect_of(row)


def lease(tx: Transaction, effect: Effect, length: timedelta, *, again: bool) -> int | None:
    """Claim it: the new epoch, or None where somebody else was faster, or is at work on the same subject."""
    claimed = {
        "effect": effect.id,
        "old": effect.epoch,
        "subject": effect.subject_id,
        "now": tx.now,
        "until": tx.now + length,
        "once_more": again,
    }
    epoch: int | None = tx.connection.execute(statements.leasing(), claimed).scalar_one_or_none()
    tx.wrote = tx.wrote or epoch is not None
    return epoch


def finish(tx: Transaction, effect: Effect, state: EffectState, **values: Any) -> None:
    """End this claim. Raises LeaseLost where the effect was claimed again, or ended, since."""
    if values:
        table = tables.effects
        ending = (
            update(table)
            .where(table.c.id == effect.id, table.c.epoch == effect.epoch, table.c.state == tables.OPEN)
            .values(state=state.value, lease_until=None, **values)
        )
        ended = tx.connection.execute(ending)
    else:
        named = {"effect": effect.id, "claimed": effect.epoch, "becomes": state.value}
        ended = tx.connection.execute(statements.finishing(), named)
    if ended.rowcount != 1:
        raise LeaseLost(effect.kind.value)
    tx.wrote = True


def reopen(tx: Transaction, effect_ids: Collection[int]) -> int:
    """Take parked effects up again; whether they fail now is another matter."""
    table = tables.effects
    changed = tx.connection.execute(
        update(table)
        .where(table.c.id.in_(effect_ids), table.c.state == tables.PARKED)
        .values(
            state=EffectState.OPEN.value,
            due_at=tx.now,
            lease_until=None,
            attempts=0,
            bugs=0,
            first_failed_at=None,
        )
    )
    tx.wrote = True
    return int(changed.rowcount)


def park(tx: Transaction, kinds: Collection[EffectKind], why: str) -> tuple[Effect, ...]:
    """Put open effects of these kinds aside until a person decides. Returns them."""
    parked = tuple(effect for effect in effects(tx, EffectState.OPEN) if effect.kind in kinds)
    tx.connection.execute(
        update(tables.effects)
        .where(tables.effects.c.id.in_([effect.id for effect in parked]))
        .values(state=EffectState.PARKED.value, lease_until=None, told=True, last_error=why)
    )
    tx.wrote = True
    return parked


def void_leases(tx: Transaction) -> None:
    """Void all leases, for the one worker of a SQLite file that has just got the lock: nobody else can be at work."""
    table = tables.effects
    tx.connection.execute(
        update(table).where(table.c.state == tables.OPEN, table.c.lease_until > tx.now).values(lease_until=tx.now)
    )
    tx.wrote = True


def prune(tx: Transaction, before: datetime, limit: int) -> int:
    """Delete what was kept or dropped and fell due before that time; how many rows went.

    The newest row stays whatever it is: SQLite would give its number again, and a late claimer might take the one for the
    other.
    """
    table = tables.effects
    newest = select(func.max(table.c.id)).scalar_subquery()
    over = table.c.state.in_((tables.DONE, tables.DROPPED))
    old = select(table.c.id).where(over, table.c.due_at < before, table.c.id < newest).limit(limit)
    gone = tx.connection.execute(delete(table).where(table.c.id.in_(old))).rowcount
    tx.wrote = True
    return gone


def late(tx: Transaction, since: datetime, limit: int) -> tuple[Effect, ...]:
    """Open effects of requests that have been failing since then or longer, of which nobody was told."""
    table = tables.effects
    query = (
        select(table)
        .where(table.c.state == tables.OPEN, table.c.first_failed_at <= since, table.c.told.is_(False))
        .where(table.c.request_id.is_not(None), table.c.kind.in_([kind.value for kind in EffectKind]))
        .order_by(table.c.first_failed_at)
        .limit(limit)
    )
    return tuple(map(rows.effect_of, tx.connection.execute(query).all()))


def tell(tx: Transaction, effect: Effect) -> bool:
    """Note that people know of its lateness; False where it was noted, or the effect ended, since."""
    table = tables.effects
    told = (
        update(table)
        .where(table.c.id == effect.id, table.c.state == tables.OPEN, table.c.told.is_(False))
        .values(told=True)
    )
    return tx.connection.execute(told).rowcount == 1


def effects(tx: Transaction, state: EffectState) -> tuple[Effect, ...]:
    """Those of the kinds that this version knows: a newer one beside it may have promised others."""
    known = [kind.value for kind in EffectKind]
    query = select(tables.effects).where(tables.effects.c.state == state.value, tables.effects.c.kind.in_(known))
    return tuple(map(rows.effect_of, tx.connection.execute(query.order_by(tables.effects.c.id)).all()))


def trouble(tx: Transaction, request_id: RequestId) -> tuple[bool, Side | None]:
    """Tell whether some effect of this request is parked, and for which side one is late, once people were told."""
    found = tx.connection.execute(statements.trouble(), {"of": request_id}).all()
    late = [cause_of(EffectKind(row.kind), row.last_error).side for row in found if row.state != "parked"]
    return len(late) < len(found), late[0] if late else None


def anything(tx: Transaction, kinds: Collection[EffectKind], failing_since: datetime) -> Found:
    """Find whether there is something to claim or to tell, without reading any of it."""
    looked_for = {"kinds": [kind.value for kind in kinds], "now": tx.now, "since": failing_since}
    *is_due, is_late = tx.connection.execute(statements.anything(), looked_for).one()
    return Found(tuple(one for one, there in zip(Urgency, is_due, strict=True) if there), bool(is_late))


def backlog(tx: Transaction) -> dict[str, int]:
    """Count the effects that are due and those that are parked; each to a thousand at most, by an index alone."""
    table = tables.effects
    due = [
        select(table.c.id)
        .where(table.c.state == tables.OPEN, table.c.urgency == one.value, table.c.due_at <= tx.now)
        .limit(_COUNTED)
        .subquery()
        for one in Urgency
    ]
    parked = select(table.c.id).where(table.c.state == tables.PARKED).limit(_COUNTED).subquery()
    counts = [select(func.count()).select_from(one).scalar_subquery() for one in (*due, parked)]
    *ready, put_aside = tx.connection.execute(select(*counts)).one()
    return {"due": min(sum(ready), _COUNTED), "parked": put_aside}
