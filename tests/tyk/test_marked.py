"""Tyk's list of keys, as far as they bear our mark, and how one of them ends, over the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.core.faults import Fault, Gone, Permanent, Transient
from bot.core.model import ApiRef, Grant, GrantState, Key, KeyId, KeyState, Record
from bot.core.reconciliation import Marked
from bot.local.tyk import LocalTyk
from bot.tyk.dashboard import Dashboard, KeysBy
from bot.tyk.keys import Keys
from tests.tyk.test_session import granted

NOW = datetime.now(UTC).replace(microsecond=0)
WEEK = timedelta(days=7)


@dataclass
class World:
    tyk: LocalTyk
    keys: Keys

    async def makes(self, key_id: str, keys: Keys | None = None) -> str:
        """A key that was made at Tyk and confirmed; its hash."""
        keys = keys or self.keys
        record = billing(key_id)
        issued = await keys.issue(record, record.keys[0], NOW + timedelta(minutes=15))
        await keys.confirm(record, record.keys[0], issued.token if keys.names_by_token else issued.key_hash)
        return issued.key_hash

    async def pages(self, keys: Keys | None = None) -> list[Marked]:
        """Every page, one after the other."""
        found, number = list[Marked](), 1
        while (page := await (keys or self.keys).marked(number)) is not None:
            found += page.keys
            if page.is_last:
                return found
            number += 1
        raise LookupError("Tyk gives no list")


def billing(key_id: str) -> Record:
    record = granted(lifetime=WEEK)
    rule = replace(record.request.rule, api=ApiRef("billing", "Billing", ("Default",)))
    request = replace(record.request, rule=rule)
    grant = Grant(GrantState.ACTIVE, NOW, NOW + WEEK)
    return replace(record, request=request, grant=grant, keys=(Key(KeyId(key_id), KeyState.MAKING),))


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with LocalTyk() as tyk:
        switches = tyk.switches
        switches.enable_hashed_keys_listing = switches.enable_update_key_by_hash = True
        switches.enable_delete_key_by_hash = True
        tyk.add_api("billing", "Billing", "/billing/")
        dashboard = Dashboard(tyk.dashboard_url, tyk.credential, keys_by=KeysBy.HASH, timeout=5, proxy=None)
        yield World(tyk, Keys(dashboard, KeysBy.HASH))
        await dashboard.aclose()


@pytest.fixture
async def by_id(world: World) -> AsyncIterator[Keys]:
    """The same Dashboard, of which keys go by their tokens."""
    dashboard = Dashboard(world.tyk.dashboard_url, world.tyk.credential, keys_by=KeysBy.ID, timeout=5, proxy=None)
    yield Keys(dashboard, KeysBy.ID)
    await dashboard.aclose()


@pytest.mark.parametrize("size", [1, 3, 10])
async def test_every_page_and_nobody_elses(world: World, size: int) -> None:
    """Each key that bears our mark, however long a page is; those of other people are on the pages and not among ours."""
    world.tyk.switches.page_size = size
    ours = {await world.makes(f"k{number}") for number in range(7)}
    for _ in range(4):
        world.tyk.make_by_hand(world.tyk.keys[0].session | {"meta_data": {"owner": "somebody else"}})
    found = await world.pages()
    assert {one.key_hash for one in found} == ours
    assert {one.key_id for one in found} == {f"k{number}" for number in range(7)}
    assert {(one.label, one.expires_at, one.token) for one in found} == {("R-1042", NOW + WEEK, None)}


async def test_an_empty_list_is_a_list(world: World) -> None:
    """Tyk has no key at all: there is one page with nothing on it."""
    assert await world.pages() == []


@pytest.mark.parametrize("status", [400, 404])
async def test_a_tyk_that_lists_no_keys(world: World, status: int) -> None:
    """Hashed keys whose listing is off, or a Dashboard without such a list: there is none, which is no empty one."""
    if status == 404:
        world.tyk.switches.enable_hashed_keys_listing = False
    else:
        world.tyk.faults.next("GET /api/keys/detailed", status=400)
    assert await world.keys.marked(1) is None


@pytest.mark.parametrize("status", [400, 404])
async def test_a_list_that_breaks_off(world: World, status: int) -> None:
    """A page behind the first that Tyk does not give is no Tyk without a list."""
    world.tyk.faults.next("GET /api/keys/detailed", status=status)
    with pytest.raises(Fault):
        await world.keys.marked(2)


@pytest.mark.parametrize(("status", "code"), [(503, "tyk_503"), (403, "tyk_403"), (401, "tyk_401")])
async def test_a_list_that_is_not_to_be_had_now(world: World, status: int, code: str) -> None:
    """A Tyk that cannot, or a Dashboard user who may not: somebody can mend that."""
    world.tyk.faults.next("GET /api/keys/detailed", status=status)
    with pytest.raises(Transient, match=code):
        await world.keys.marked(1)


async def test_a_list_of_tokens(world: World, by_id: Keys) -> None:
    """Where Tyk does not hash keys its list holds tokens: they are told by our own name for them, and in no repr."""
    world.tyk.switches.hash_keys = False
    name = await world.makes("k1", by_id)
    (one,) = await world.pages(by_id)
    assert (one.key_hash, one.token) == (name, world.tyk.keys[0].token)
    assert world.tyk.keys[0].token not in repr(one)


@pytest.mark.parametrize(
    "mark",
    [
        {"request": "R-7\x1b[31m" + "7" * 100, "key_id": ["k7"]},
        {"request": None, "key_id": "k7'; DROP TABLE keys"},
        {},
    ],
)
async def test_a_mark_that_somebody_wrote_over(world: World, mark: dict[str, object]) -> None:
    """Whatever stands there: one short line, and an id that can be one or none."""
    await world.makes("k1")
    world.tyk.keys[0].session["meta_data"] = {"issued_by": "tyk-key-bot", **mark}
    (one,) = await world.pages()
    assert one.label.isprintable()
    assert len(one.label) <= 20
    assert one.key_id == ""


@pytest.mark.parametrize(("expires", "at"), [(0, None), (-1, None), (10**18, None), (1_900_000_000, "2030-03-17")])
async def test_its_end(world: World, expires: float, at: str | None) -> None:
    """Never is written in more than one way."""
    await world.makes("k1")
    world.tyk.keys[0].session["expires"] = expires
    (one,) = await world.pages()
    assert (one.expires_at.date().isoformat() if one.expires_at else None) == at


# --- ended ------------------------------------------------------------------------------------------------------------


async def test_one_ends_by_its_hash(world: World) -> None:
    """It is gone when Tyk, asked for it, does not know it; ended once more it is as gone."""
    await world.makes("k1")
    (one,) = await world.pages()
    await world.keys.end(one)
    assert world.tyk.usable_keys() == []
    assert await world.pages() == []
    await world.keys.end(one)


async def test_one_ends_by_its_token(world: World, by_id: Keys) -> None:
    """Where Tyk does not hash keys, and whatever this bot's own go by."""
    world.tyk.switches.hash_keys = False
    await world.makes("k1", by_id)
    (one,) = await world.pages()
    await world.keys.end(one)
    assert world.tyk.usable_keys() == []


async def test_a_tyk_that_deletes_none_by_its_hash(world: World) -> None:
    """It says no, and the key is not called gone."""
    await world.makes("k1")
    (one,) = await world.pages()
    world.tyk.switches.enable_delete_key_by_hash = False
    with pytest.raises(Permanent, match="tyk_400"):
        await world.keys.end(one)
    world.tyk.switches.enable_delete_key_by_hash = True
    world.tyk.faults.next("DELETE /api/keys/{name}", body={"Status": "OK", "Message": "Key deleted successfully."})
    with pytest.raises(Transient, match="tyk_key_still_there"):
        await world.keys.end(one)
    assert len(world.tyk.usable_keys()) == 1


async def test_another_organisation_knows_nothing(world: World) -> None:
    """A Dashboard that knows neither the key nor its API says nothing of either: the key is not called deleted, or gone."""
    key_hash, record = await world.makes("K1"), billing("K1")
    del world.tyk.apis["billing"]
    world.tyk.delete_by_hand(key_hash)
    for ask in (
        world.keys.revoke(key_hash, ["billing"]),
        world.keys.revoke_by_hash(key_hash, ["billing"]),
        world.keys.differs(record, record.keys[0], key_hash, ["billing"]),
    ):
        with pytest.raises(Transient, match="tyk_elsewhere"):
            await ask
    world.tyk.add_api("billing", "Billing", "/billing/")
    await world.keys.revoke(key_hash, ["billing"])
    with pytest.raises(Gone):
        await world.keys.differs(record, record.keys[0], key_hash, ["billing"])


@pytest.mark.parametrize(("status", "said"), [(400, "API not found"), (401, "Not authorised"), (404, "Not found")])
async def test_an_api_that_the_dashboard_user_may_not_see(world: World, status: int, said: str) -> None:
    """A retired one is refused where APIs have owners: another one proves the place, and without it nothing is called deleted."""
    key_hash, record = await world.makes("K1"), billing("K1")
    world.tyk.delete_by_hand(key_hash)
    world.tyk.faults.next(
        "GET /api/apis/retired", status=status, body={"Status": "Error", "Message": said, "Meta": None}, times=9
    )
    for proving in (["retired", "billing"], ["billing", "retired"]):
        await world.keys.revoke(key_hash, proving)
        await world.keys.revoke_by_hash(key_hash, proving)
        with pytest.raises(Gone):
            await world.keys.differs(record, record.keys[0], key_hash, proving)
    for unproved in (["retired"], ["retired", "unknown"]):
        with pytest.raises(Transient, match=f"tyk_{status}"):
            await world.keys.revoke(key_hash, unproved)
        with pytest.raises(Transient, match=f"tyk_{status}"):
            await world.keys.revoke_by_hash(key_hash, unproved)
