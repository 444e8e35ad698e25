"""Which key of Tyk's list is a stranger, and what is true of a key of ours."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot.core import reconciliation
from bot.core.keys import PROBATION
from bot.core.model import Grant, GrantState, Key, KeyId, KeyState, Record
from bot.core.reconciliation import Finding, FindingKind, Marked, stands, stranger
from tests.core.life import DAY, Life

ASKED = timedelta(seconds=2)
"""So long ago Tyk was asked for its list."""


def held(*keys: Key, state: GrantState = GrantState.ACTIVE) -> tuple[Record, datetime]:
    """A record with these keys, and the time."""
    life = Life()
    grant = Grant(state, life.now, life.now + 7 * DAY)
    confirmed = tuple(replace(key, expires_at=grant.until) for key in keys)
    return replace(life.record, grant=grant, keys=confirmed), life.now


def key(state: KeyState, key_hash: str | None = "h1", key_id: str = "k1", dead_at: datetime | None = None) -> Key:
    return Key(KeyId(key_id), state, key_hash=key_hash, dead_at=dead_at, shown_at=None)


def found(
    record: Record | None, now: datetime, *, lives: timedelta | None = 7 * DAY, key_hash: str = "h1", key_id: str = "k1"
) -> str:
    """What is said of a key in Tyk's list that lives so long; empty where it is no stranger."""
    marked = Marked("R-1", key_id, key_hash, None if lives is None else now + lives)
    said = stranger(marked, record, now - ASKED, now)
    return said.what if said else ""


# --- Tyk's list -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [KeyState.PROBATION, KeyState.LIVE])
def test_a_key_that_we_hold(state: KeyState) -> None:
    """It goes by the hash that we recorded, and need not bear our id."""
    record, now = held(key(state))
    assert found(record, now) == ""
    assert found(record, now, key_id="") == ""
    assert found(record, now, lives=None) == ""


@pytest.mark.parametrize("lives", [timedelta(minutes=3), None])
def test_a_key_of_which_nothing_is_known(lives: timedelta | None) -> None:
    """It is a stranger for as long as it opens anything."""
    _, now = held()
    assert found(None, now, lives=lives).startswith("I don't know this key")
    assert found(None, now, lives=-timedelta(seconds=1)) == ""
    assert "and doesn't expire" in found(None, now, lives=None)


@pytest.mark.parametrize("known", [key(KeyState.MAKING, None), key(KeyState.LIVE, "h2")])
def test_a_key_whose_making_went_unheard(known: Key) -> None:
    """It bears the id of one that is made, or was made again: nobody has seen it, and it ends on its probation.

    One that lives for longer was confirmed: that happened after the backup which this database was restored from.
    """
    record, now = held(known)
    assert found(record, now, lives=PROBATION) == ""
    assert found(record, now, lives=7 * DAY).startswith("I don't know this key")
    assert found(record, now, lives=None) != ""


def test_a_key_that_was_ended() -> None:
    """We hold it as ended and Tyk has it; one that ended after Tyk was asked is gone by now."""
    record, now = held(key(KeyState.DEAD, dead_at=None), state=GrantState.ENDED)
    assert found(record, now).startswith("I hold this key as ended")
    record, now = held(key(KeyState.DEAD, dead_at=now - ASKED - DAY))
    assert found(record, now).startswith("I hold this key as ended")
    record, now = held(key(KeyState.DEAD, dead_at=now - ASKED / 2))
    assert found(record, now) == ""


# --- our own ----------------------------------------------------------------------------------------------------------


def of(kind: FindingKind) -> Finding:
    return Finding(kind, "so it is")


@pytest.mark.parametrize("kind", sorted(reconciliation.OF_OURS))
def test_it_stands_while_the_key_ought_to_be_there(kind: FindingKind) -> None:
    """Under a grant that lives, and no longer: Tyk was asked before."""
    record, _ = held(key(KeyState.LIVE))
    assert stands(of(kind), record, "k1")
    assert not stands(of(kind), record, "k2")
    for state in (KeyState.MAKING, KeyState.PROBATION, KeyState.DEAD):
        assert not stands(of(kind), held(key(state))[0], "k1")
    assert not stands(of(kind), held(key(KeyState.LIVE), state=GrantState.ENDED)[0], "k1")


@pytest.mark.parametrize("kind", sorted(reconciliation.OF_OURS))
def test_nothing_stands_of_a_key_whose_grant_was_extended(kind: FindingKind) -> None:
    """Tyk has the old end until it is told of the new one."""
    record, _ = held(key(KeyState.LIVE))
    assert record.grant is not None
    record = replace(record, grant=replace(record.grant, until=None))
    assert not stands(of(kind), record, "k1")


def test_a_key_that_is_being_replaced_may_go_at_any_moment() -> None:
    """That it is gone is not somebody else's doing; that it was changed is."""
    record, _ = held(key(KeyState.LIVE), key(KeyState.LIVE, "h2", "k2"))
    assert not stands(of(FindingKind.GONE), record, "k1")
    assert stands(of(FindingKind.ALTERED), record, "k1")
    assert stands(of(FindingKind.GONE), record, "k2")


@pytest.mark.parametrize("kind", list(FindingKind))
def test_every_finding_is_a_sentence(kind: FindingKind) -> None:
    """It says what is true, and where there is something to do, what."""
    said = Finding(kind, "so it is", "R-7").sentence
    assert said.startswith("so it is.")
    assert said.endswith(".")
    assert ".." not in said
