"""The cursors of the audit: up to which row each channel and each place that rows are forwarded to has heard of it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import or_, select, update

from bot.core.model import EffectKind
from bot.store import tables
from bot.store.transaction import Transaction

LEFT = -1
"""The cursor of a channel that the audit has left for another one."""


def of(tx: Transaction, place: str) -> int:
    """The number up to which rows are there; LEFT for a channel that the audit has left."""
    return _known(tx, place) or 0


def _known(tx: Transaction, place: str) -> int | None:
    query = select(tables.counters.c.value).where(tables.counters.c.name == f"posted:{place}")
    return tx.connection.execute(query).scalar_one_or_none()


def move(tx: Transaction, place: str, upto: int, kind: EffectKind = EffectKind.POST_AUDIT) -> bool:
    """Rows up to this number are in the channel, or where they are forwarded to. Where more wait, they are promised.

    Returns False for a channel that the audit has left.
    """
    table, name = tables.counters, f"posted:{place}"
    moved = update(table).where(table.c.name == name, table.c.value != LEFT).values(value=upto)
    if tx.connection.execute(moved).rowcount == 0:
        if _known(tx, place) is not None:
            return False
        tx.upsert(table, [{"name": name, "value": upto}])
    if tx.newest_audit() > upto:
        tx.promise_audit(kind, place)
    tx.wrote = True
    return True


def begin_posting(tx: Transaction, channel: str) -> None:
    """The audit goes to this channel from now on: what stands in the one before is not told again, and what waits for that
    goes here."""
    table, name = tables.counters, f"posted:{channel}"
    is_channel = or_(table.c.name.startswith("posted:C"), table.c.name.startswith("posted:G"))
    posted = tx.connection.execute(select(table.c.name, table.c.value).where(is_channel, table.c.value != LEFT))
    upto = {row.name: row.value for row in posted}
    if name not in upto:
        upto[name] = max(upto.values(), default=0)
        tx.upsert(table, [{"name": name, "value": upto[name]}])
    tx.upsert(table, [{"name": other, "value": LEFT} for other in upto if other != name])
    tx.audit_channel = channel
    if tx.newest_audit() > upto[name]:
        tx.promise_audit(EffectKind.POST_AUDIT, channel)


def begin_forwarding(tx: Transaction, places: Sequence[str]) -> None:
    """Rows go to each of these places from now on: to a new one what is new, to one that is known what it lacks."""
    newest = tx.newest_audit()
    tx.forwards = places
    for place in places:
        upto = _known(tx, place)
        if upto is None:
            tx.upsert(tables.counters, [{"name": f"posted:{place}", "value": newest}])
        elif upto < newest:
            tx.promise_audit(EffectKind.FORWARD_AUDIT, place)
    tx.wrote = True
