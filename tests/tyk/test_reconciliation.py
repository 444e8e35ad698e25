"""The keys that the bot holds beside those that Tyk has, over the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.core.faults import Fault
from bot.core.model import ApiRef, Grant, GrantState, Key, KeyId, KeyState, Record
from bot.local.tyk import LocalTyk
from bot.tyk.dashboard import Dashboard, KeysBy, ListedKey
from bot.tyk.keys import Keys
from bot.tyk.reconciliation import Findings, Held, reconcile
from tests.tyk.test_session import granted

NOW = datetime.now(UTC).replace(microsecond=0)


@dataclass
class World:
    tyk: LocalTyk
    keys: Keys
    held: list[Held] = field(default_factory=list)

    async def holds(
        self, key_id: str, *, state: KeyState = KeyState.LIVE, lifetime: timedelta = timedelta(days=7)
    ) -> Held:
        """A key that was made at Tyk and confirmed, as the database has it."""
        record = billing(key_id, lifetime)
        key = record.keys[0]
        issued = await self.keys.issue(record, key, NOW + timedelta(minutes=15))
        await self.keys.confirm(record, key, issued.key_hash)
        key = replace(key, state=state, key_hash=issued.key_hash)
        one = Held(replace(record, keys=(key,)), key, issued.key_hash)
        self.held.append(one)
        return one

    async def looks(self) -> Findings:
        async def held() -> Sequence[Held]:
            return self.held

        return await reconcile(self.keys, held, datetime.now(UTC))


def billing(key_id: str, lifetime: timedelta = timedelta(days=7)) -> Record:
    record = granted(lifetime=lifetime)
    rule = replace(record.request.rule, api=ApiRef("billing", "Billing", ("Default",)))
    request = replace(record.request, rule=rule)
    grant = Grant(GrantState.ACTIVE, NOW, NOW + lifetime)
    return replace(record, request=request, grant=grant, keys=(Key(KeyId(key_id), KeyState.MAKING),))


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with LocalTyk() as tyk:
        switches = tyk.switches
        switches.enable_hashed_keys_listing = switches.enable_update_key_by_hash = (
            switches.enable_delete_key_by_hash
        ) = True
        tyk.add_api("billing", "Billing", "/billing/")
        dashboard = Dashboard(tyk.dashboard_url, tyk.credential, keys_by=KeysBy.HASH, timeout=5)
        yield World(tyk, Keys(dashboard, KeysBy.HASH))
        await dashboard.aclose()


async def test_all_is_as_it_should_be(world: World) -> None:
    """Many keys, more than one page of Tyk's list, and nothing to say of any."""
    for number in range(12):
        await world.holds(f"k{number}")
    found = await world.looks()
    assert found == Findings((), (), (), (), is_listed=True)
    assert found.is_good
    assert await world.looks() == found, "looking changes nothing"


async def test_a_key_that_tyk_no_longer_has(world: World) -> None:
    """It is found although its grant runs on; one that is to end anyhow is nothing to tell of."""
    lost, ending = await world.holds("lost"), await world.holds("ending")
    world.held[1] = replace(ending, record=replace(ending.record, grant=Grant(GrantState.ENDED, NOW, NOW)))
    for entry in world.tyk.keys:
        entry.dead = 0.0
    found = await world.looks()
    assert found.gone == (lost,)
    assert not found.is_good


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"rate": 1_000_000}, "another rate"),
        ({"expires": -1}, "another end"),
        ({"access_rights": {"x": {}}}, "open more"),
    ],
)
async def test_a_key_that_was_changed_by_hand(world: World, change: dict[str, object], why: str) -> None:
    """Its limits, its end and its rights are those of the grant, or it is named with what differs."""
    one = await world.holds("k1")
    await world.holds("k2")
    world.tyk.keys[0].session |= change
    ((altered, said),) = (await world.looks()).altered
    assert altered == one
    assert why in said


async def test_a_key_with_our_mark_that_nobody_knows(world: World) -> None:
    """After a restore: one that the database never heard of, and one that it holds as ended. Other people's keys are theirs."""
    known, unknown = await world.holds("known"), await world.holds("unknown")
    world.held.remove(unknown)
    session = dict(world.tyk.keys[0].session) | {"meta_data": {"owner": "somebody else"}}
    world.tyk._state.create(session)
    found = await world.looks()
    assert [(one.request, one.key_hash) for one in found.strangers] == [("R-1042", unknown.key.key_hash)]
    assert found.altered == ()
    assert known.key.key_hash not in {one.key_hash for one in found.strangers}


async def test_what_opens_nothing_any_more_is_no_stranger(world: World) -> None:
    """A key whose answer was lost ends on its probation; what has expired stays in Tyk's list and harms nobody."""
    world.held.remove(await world.holds("orphan"))
    world.tyk.keys[0].session["expires"] = int(NOW.timestamp()) - 60
    assert (await world.looks()).strangers == ()


async def test_a_key_in_the_making_is_no_stranger(world: World) -> None:
    """Its row stands before Tyk is called, so it is known by its id before it has a hash."""
    one = await world.holds("k1")
    world.held[0] = Held(one.record, replace(one.key, state=KeyState.MAKING, key_hash=None), None)
    assert (await world.looks()).strangers == ()


async def test_a_key_that_was_made_while_the_list_was_fetched(world: World) -> None:
    """The database is read after Tyk's list, so what is new in the list is known by then."""

    class Busy(Keys):
        async def listed(self) -> tuple[ListedKey, ...] | None:
            await world.holds("new")
            return await super().listed()

    async def held() -> Sequence[Held]:
        return tuple(world.held)

    busy = Busy(world.keys._dashboard, KeysBy.HASH)
    assert (await reconcile(busy, held, datetime.now(UTC))).is_good
    assert len(world.held) == 1


async def test_a_tyk_that_lists_no_keys(world: World) -> None:
    """Key by key it goes on, and says that strangers could not be looked for: that is not called good."""
    world.tyk.switches.enable_hashed_keys_listing = False
    one = await world.holds("k1")
    assert await world.looks() == Findings((), (), (), (), is_listed=False)
    assert not (await world.looks()).is_good
    world.tyk.keys[0].dead = 0.0
    assert (await world.looks()).gone == (one,)


async def test_what_cannot_be_looked_at_is_not_called_good(world: World) -> None:
    """A token that no seal key opens, and a Tyk that answers 503 of one key: both are named, and nothing is called gone."""
    first, second = await world.holds("k1"), await world.holds("k2")
    world.held[0] = replace(first, name=None)
    world.tyk.faults.next(f"GET /api/keys/{second.name}", status=503)
    found = await world.looks()
    assert [(one.key.id, code) for one, code in found.unseen] == [("k1", "seal_key_lost"), (second.key.id, "tyk_503")]
    assert found.gone == ()
    assert not found.is_good


async def test_a_list_that_cannot_be_had_for_the_moment_is_no_list_without_strangers(world: World) -> None:
    """A 503 ends the look: it is made again another time."""
    world.tyk.faults.next("GET /api/keys/detailed", status=503)
    with pytest.raises(Fault, match="tyk_503"):
        await world.looks()


async def test_no_token_is_in_what_was_found(world: World) -> None:
    """Where Tyk does not hash keys its list holds tokens; nothing that is printed does."""
    world.tyk.switches.hash_keys = False
    session = (await world.keys._dashboard.create_key(dict(SESSION))).token
    found = await world.looks()
    assert len(found.strangers) == 1
    assert session not in repr(found)


SESSION = {
    "allowance": 1,
    "rate": 1,
    "per": 1,
    "expires": -1,
    "quota_max": -1,
    "quota_renews": 0,
    "quota_remaining": -1,
    "quota_renewal_rate": 60,
    "access_rights": {"billing": {"api_id": "billing", "api_name": "Billing", "versions": ["Default"]}},
    "meta_data": {"issued_by": "tyk-key-bot", "request": "R-7", "key_id": "k7"},
}
