"""Seal keys: rotated, put away too soon, and lost for good."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bot.core.model import AuditEvent
from bot.local.world import World as Place
from bot.store import ledger
from bot.store.engine import open_engine
from bot.store.seal import Seal, new_key
from bot.store.store import Store
from tests.log import Log
from tests.running import bot_in, empty_place, quiet, verb

OLD, NEW, STRANGE = new_key(), new_key(), new_key()


def by_id(text: str) -> str:
    return text.replace("keys_by: hash", "keys_by: id")


def database(folder: Path) -> dict[str, str]:
    return {"DATABASE_URL": f"sqlite:///{folder / 'bot.db'}"}


async def two_hold_tokens(place: Place, folder: Path) -> None:
    """Alice and Dave have tokens, sealed with the old key, and the bot has stopped."""
    async with bot_in(place, by_id, SEAL_KEYS=OLD, **database(folder)) as world:
        for who in ("alice", "dave"):
            await world.asks(who, "test-api")
        await world.told("sent", times=2)
        await quiet(world)


def newest(folder: Path, key: str) -> list[bool]:
    """Of each token that is held, whether this key opens it."""
    store = Store(open_engine(database(folder)["DATABASE_URL"]))
    with store.reading() as tx:
        found = [Seal([key]).opens(one.sealed) for one in ledger.sealed_tokens(tx)]
    store.engine.dispose()
    return found


async def test_reseal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every token is sealed anew, once; the second time it is said that the older key can go, and without it the bot revokes."""
    async with empty_place() as place:
        await two_hold_tokens(place, tmp_path)
        keys = f"{NEW},{OLD}"
        assert newest(tmp_path, NEW) == [False, False]
        assert await verb(tmp_path, "reseal", "--as", "Carol", SEAL_KEYS=keys) == 0
        said = capsys.readouterr().out
        assert said.startswith(
            "Sealed anew with the first of SEAL_KEYS: 2 tokens, and the key of the audit.\n"
            "Start every bot with these SEAL_KEYS, then run this again"
        )
        assert newest(tmp_path, NEW) == [True, True]
        assert await verb(tmp_path, "reseal", SEAL_KEYS=keys) == 0
        assert capsys.readouterr().out.startswith(
            "Sealed anew with the first of SEAL_KEYS: 0 tokens.\nIf every bot runs"
        )
        async with bot_in(place, by_id, SEAL_KEYS=NEW, **database(tmp_path)) as world:
            (entry,) = [entry for entry in await world.trail() if entry.event is AuditEvent.RESEALED]
            assert entry.details == {"tokens": 2, "operator": "Carol"}
            assert await verb(tmp_path, "revoke", "--api", "test-api", "--yes") == 0
        assert not place.tyk.usable_keys()


async def test_reseal_beside_a_bot(tmp_path: Path) -> None:
    """What the running bot knows of a record is not written over what was sealed anew."""
    async with empty_place() as place, bot_in(place, by_id, SEAL_KEYS=OLD, **database(tmp_path)) as world:
        await world.asks("alice", "test-api")
        await world.told("sent")
        await quiet(world)
        assert await verb(tmp_path, "reseal", SEAL_KEYS=f"{NEW},{OLD}") == 0
        shown = await world.person("alice").sees("I've saved it", channel="dm")
        await world.person("alice").clicks("I've saved it", shown)
        await world.told("hidden")
        assert newest(tmp_path, NEW) == [True]


async def test_reseal_without_the_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be opened is named, stays as it is, and the exit code says so."""
    async with empty_place() as place:
        await two_hold_tokens(place, tmp_path)
        assert await verb(tmp_path, "reseal", SEAL_KEYS=STRANGE) == 1
        said, complained = capsys.readouterr()
        assert said == "Sealed anew with the first of SEAL_KEYS: 0 tokens.\n"
        assert complained.startswith("No key in SEAL_KEYS opens 2 of the tokens in the database (R-1001, R-1002): ")
        assert newest(tmp_path, OLD) == [True, True]


async def test_a_start_without_the_key_is_loud(tmp_path: Path, log: Log) -> None:
    """How many tokens do not open, of which requests, and what to do; with the right keys, nothing is said."""
    async with empty_place() as place:
        await two_hold_tokens(place, tmp_path)
        async with bot_in(place, by_id, SEAL_KEYS=STRANGE, **database(tmp_path)):
            (line,) = [line for line in log if line["event"] == "seal.lost"]
        assert (line["log_level"], line["tokens"]) == ("warning", 2)
        assert "(R-1001, R-1002): put the key that sealed them back" in line["what"]
        log.clear()
        async with bot_in(place, by_id, SEAL_KEYS=f"{STRANGE},{OLD}", **database(tmp_path)):
            assert not [line for line in log if line["event"] == "seal.lost"]


async def test_a_lost_token_goes_by_its_hash(tmp_path: Path) -> None:
    """Where the Dashboard takes hashes, a key dies although nobody can open its token."""
    async with empty_place() as place:
        place.tyk.switches.enable_delete_key_by_hash = True
        await two_hold_tokens(place, tmp_path)
        async with bot_in(place, by_id, SEAL_KEYS=STRANGE, **database(tmp_path)) as world:
            assert await verb(tmp_path, "revoke", "--api", "test-api", "--yes") == 0
            await world.told("key deleted", times=2)
        assert not place.tyk.usable_keys()


async def test_a_key_that_somebody_deleted_by_hand(tmp_path: Path) -> None:
    """Whoever follows the alert and deletes it in the Dashboard ends the trouble: its hash is unknown, so it is dead."""
    async with empty_place() as place:
        place.tyk.switches.enable_delete_key_by_hash = False
        await two_hold_tokens(place, tmp_path)
        async with bot_in(place, by_id, SEAL_KEYS=STRANGE, **database(tmp_path)) as world:
            assert await verb(tmp_path, "revoke", "--api", "test-api", "--yes") == 1
            await world.told("stuck", times=2)
            for key in place.tyk.keys:
                key.dead = key.created
            assert await verb(tmp_path, "retry", "--all") == 0
            await world.told("key deleted", times=2)


def no_deletion(place: Place) -> None:
    place.tyk.switches.enable_delete_key_by_hash = False


def no_hashes(place: Place) -> None:
    place.tyk.switches.hash_keys = False


@pytest.mark.parametrize("setting", [no_deletion, no_hashes])
async def test_a_token_that_goes_on_working(
    tmp_path: Path, setting: Callable[[Place], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the Dashboard takes no hash the command and the help channel say that it works still, and `retry` mends it later."""
    async with empty_place() as place:
        setting(place)
        await two_hold_tokens(place, tmp_path)
        async with bot_in(place, by_id, SEAL_KEYS=STRANGE, **database(tmp_path)) as world:
            assert await verb(tmp_path, "revoke", "R-1001", "--yes") == 1
            said, complained = capsys.readouterr()
            assert "not deleted: no key in SEAL_KEYS opens its token, and Tyk does not delete it by its hash." in said
            assert "its token still works" in complained
            await world.person("carol").sees("the token still works", channel="help")
            assert len(world.tyk.usable_keys()) == 2
        async with bot_in(place, by_id, SEAL_KEYS=f"{STRANGE},{OLD}", **database(tmp_path)) as world:
            assert await verb(tmp_path, "retry", "R-1001") == 0
            await world.told("key deleted")
            assert len(world.tyk.usable_keys()) == 1
            await world.person("carol").sees("R-1001 (Test API, for Alice Adams) goes on again.", channel="help")
