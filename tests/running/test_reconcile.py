"""`reconcile`: what an operator reads of keys beside what Tyk has, and how they end what nobody knows."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.commands import reaching
from bot.commands.operator import Operator
from bot.commands.reaching import Reached
from bot.commands.reconciling import Look, look_at_list, look_at_ours
from bot.core.model import AuditEvent, Key, Record
from bot.core.reconciliation import Marked, MarkedPage
from bot.local.tyk import KeyEntry
from bot.store import findings
from bot.store.seal import new_key
from bot.tyk.keys import Keys
from tests.running import quiet, verb
from tests.running.test_emergency import Aftermath, by_id, gone
from tests.story import granted
from tests.story.test_by_hand import copied, helped, holds, looks
from tests.world import World, living

Said = pytest.CaptureFixture[str]


def stranger_of(after: Aftermath) -> KeyEntry:
    """A key with our mark that nobody here made."""
    return after.tyk.make_by_hand(copied(after.tyk.keys[0], request="R-77", key_id="k77"))


# --- looking ----------------------------------------------------------------------------------------------------------


async def test_all_is_as_it_should_be(tmp_path: Path, capsys: Said) -> None:
    """It says what was looked at, ends with 0, and writes nothing."""
    async with gone(tmp_path) as after:
        before = (tmp_path / "bot.db").read_bytes(), after.trail()
        assert await after.verb("reconcile") == 0
        said = "Looked at 1 key of the bot's and 1 key at Tyk with its mark. All is as it should be.\n"
        assert capsys.readouterr() == (said, "")
        assert ((tmp_path / "bot.db").read_bytes(), after.trail()) == before


async def test_a_line_for_each_finding(tmp_path: Path, capsys: Said) -> None:
    """Number, holder, API, what is true, what to do: of a key that is gone, one that was changed, one that nobody knows."""
    async with gone(tmp_path) as after, after.bot() as bot:
        await granted(bot, "dave")
        await quiet(bot)
        first, second = after.tyk.keys
        after.tyk.delete_by_hand(first.hash)
        after.tyk.change_by_hand(second.hash, rate=1_000_000)
        stranger = stranger_of(after)
        assert await after.verb("reconcile") == 1
        lines, complained = capsys.readouterr()
        deleted, changed, unknown, looked = lines.splitlines()
        assert deleted == (
            f"R-1001, Alice Adams (U0ALICE), Test API, key {first.hash}: Tyk no longer has it: somebody deleted it there. "
            "Replace token gives its holder another, `tyk-key-bot revoke R-1001` ends the grant."
        )
        assert changed == (
            f"R-1002, Dave Diaz (U0DAVE), Payments, key {second.hash}: Tyk holds another rate than was granted. Put it right in "
            "the Dashboard, or end it: `tyk-key-bot revoke R-1002`."
        )
        assert unknown.startswith(f"R-77, key {stranger.hash}: I don't know this key, and at Tyk it works until ")
        assert unknown.endswith(" UTC. `tyk-key-bot reconcile --end` ends such keys.")
        assert looked == "Looked at 2 keys of the bot's and 2 keys at Tyk with its mark. To put right: 3."
        assert complained == ""


async def test_many_pages_and_many_keys(tmp_path: Path, capsys: Said) -> None:
    """However short a page of Tyk's list is, every key is looked at."""
    async with gone(tmp_path) as after:
        after.tyk.switches.page_size = 2
        strangers = [stranger_of(after) for _ in range(7)]
        assert await after.verb("reconcile") == 1
        said = capsys.readouterr().out
        assert all(one.hash in said for one in strangers)
        assert "Looked at 1 key of the bot's and 8 keys at Tyk with its mark." in said


async def test_a_list_that_skips_a_key(tmp_path: Path, capsys: Said) -> None:
    """Its pages move while they are read, so several are read twice before anything is called good."""
    async with gone(tmp_path) as after:
        after.tyk.switches.page_size = 1
        stranger = stranger_of(after)
        after.tyk.faults.next(
            "GET /api/keys/detailed", body={"keys": [{"key_hash": "x", "data": {}}], "pages": 2}, times=2
        )
        assert await after.verb("reconcile") == 1
        assert stranger.hash in capsys.readouterr().out


async def test_a_tyk_that_gives_no_list(tmp_path: Path, capsys: Said) -> None:
    """Key by key it goes on, and what could not be looked for is said: that is not called good."""
    async with gone(tmp_path) as after:
        after.tyk.switches.enable_hashed_keys_listing = False
        assert await after.verb("reconcile") == 1
        said, complained = capsys.readouterr()
        assert said == "Looked at 1 key of the bot's.\n"
        assert complained.startswith("Tyk gives me no list of its keys:")
        assert "enable_hashed_keys_listing" in complained
        after.tyk.delete_by_hand(after.tyk.keys[0].hash)
        assert await after.verb("reconcile") == 1
        assert "Tyk no longer has it" in capsys.readouterr().out


async def test_a_tyk_that_does_not_answer(tmp_path: Path, capsys: Said) -> None:
    """Nothing is called gone that could not be looked at."""
    async with gone(tmp_path) as after:
        after.tyk.faults.away = True
        assert await after.verb("reconcile") == 1
        said, complained = capsys.readouterr()
        assert said == "", "nothing was"
        away = "Tyk isn't answering. Check that the Dashboard and its Gateway run, and that I can reach them."
        assert complained == (
            f"Tyk's list of keys could not be had. {away} Without it, keys that nobody knows can't be found.\n"
            f"Could not look at 1 key of the bot's, for the same reason.\nTyk was asked at {after.tyk.dashboard_url}.\n"
        )


async def test_a_token_that_no_seal_key_opens(tmp_path: Path, capsys: Said) -> None:
    """The key goes by it, so it cannot be looked at, and that is said of it."""
    async with gone(tmp_path, by_id) as after:
        assert await after.verb("reconcile", SEAL_KEYS=new_key()) == 1
        said = capsys.readouterr().out
        assert "R-1001, Alice Adams (U0ALICE), Test API, key " in said
        assert "it could not be looked at. None of SEAL_KEYS opens a token that is sealed in the database." in said
        assert await after.verb("reconcile", without="SEAL_KEYS") == 2
        assert "SEAL_KEYS" in capsys.readouterr().err


async def test_reading_makes_no_database(tmp_path: Path, capsys: Said) -> None:
    """A mistyped DATABASE_URL is complained of, and nothing is there afterwards."""
    assert await verb(tmp_path, "reconcile", TYK_DASHBOARD_KEY="x") == 1
    assert "There is no database at" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# --- ending -----------------------------------------------------------------------------------------------------------


async def test_what_nobody_knows_is_ended(tmp_path: Path, capsys: Said) -> None:
    """It is deleted at Tyk, the audit names who did it, and what is ours or somebody else's lives on."""
    async with gone(tmp_path) as after:
        stranger = stranger_of(after)
        others = after.tyk.make_by_hand(after.tyk.keys[0].session | {"meta_data": {"owner": "somebody else"}})
        assert await after.verb("reconcile", "--end", "--yes", "--as", "Olga") == 0
        said = capsys.readouterr().out
        assert f"R-77, key {stranger.hash}: deleted at Tyk.\nEnded: 1. A Gateway may let a token through" in said
        assert stranger.dead is not None
        assert {one.hash for one in after.tyk.usable_keys()} == {after.tyk.keys[0].hash, others.hash}
        decided, deleted = after.trail()[-2:]
        assert [(one.event, one.details["operator"], one.details["key_hash"]) for one in (decided, deleted)] == [
            (AuditEvent.REVOKED, "Olga", stranger.hash),
            (AuditEvent.KEY_DELETED, "Olga", stranger.hash),
        ]
        assert await after.verb("reconcile", "--end", "--yes") == 0, "run again it changes nothing"
        assert len(after.trail()) == deleted.number
        assert "All is as it should be." in capsys.readouterr().out


async def test_nothing_is_ended_without_a_yes(tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person is asked, outside an event loop, which would keep Ctrl-C from them; where nobody is there, nothing is done."""
    async with gone(tmp_path) as after:
        stranger = stranger_of(after)
        monkeypatch.setattr("builtins.input", _no)
        assert await after.verb("reconcile", "--end") == 1
        assert "Nothing was ended." in capsys.readouterr().out
        monkeypatch.setattr("builtins.input", _nobody)
        assert await after.verb("reconcile", "--end") == 2
        assert "--yes does not ask" in capsys.readouterr().err
        assert stranger.dead is None


async def test_a_tyk_that_deletes_none_by_its_hash(tmp_path: Path, capsys: Said) -> None:
    """Its own sentence is said, and what is left is not called ended."""
    async with gone(tmp_path) as after:
        stranger_of(after)
        after.tyk.switches.enable_delete_key_by_hash = False
        assert await after.verb("reconcile", "--end", "--yes") == 1
        said, complained = capsys.readouterr()
        assert (
            "not deleted: Tyk answers in a way that I didn't expect (tyk_400). Tyk says: Keys cannot be changed by their hash."
            in said
        )
        assert complained == "Not ended: 1.\n"
        assert [one.event for one in after.trail()][-1] is AuditEvent.REVOKED


def _no(_question: str) -> str:
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()
    return "no"


def _nobody(_question: str) -> str:
    raise EOFError


@pytest.mark.parametrize("keys_by", ["hash", "id"])
async def test_after_a_restore(tmp_path: Path, capsys: Said, keys_by: str) -> None:
    """What was granted since the backup is found by its mark and ended; what the backup knows lives on."""
    async with gone(tmp_path, by_id if keys_by == "id" else str) as after:
        if keys_by == "id":
            after.tyk.switches.enable_hashed_keys_listing = True
        shutil.copy(tmp_path / "bot.db", tmp_path / "backup.db")
        async with after.bot() as bot:
            await granted(bot, "dave")
            await quiet(bot)
        for name in ("bot.db-wal", "bot.db-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        shutil.copy(tmp_path / "backup.db", tmp_path / "bot.db")
        known, lost = after.tyk.keys
        assert await after.verb("reconcile", "--end", "--yes") == 0
        assert f"R-1002, key {lost.hash}: I don't know this key" in capsys.readouterr().out
        assert [one.hash for one in after.tyk.usable_keys()] == [known.hash]


# --- beside a running bot ---------------------------------------------------------------------------------------------


async def test_a_key_that_is_being_made(tmp_path: Path, capsys: Said) -> None:
    """Tyk has made it and the bot has not heard so yet: it is no stranger, and `--end` leaves it alone."""
    async with living(tmp_path) as world:
        world.tyk.faults.next("POST /api/keys", do_then_hang=True)
        await world.asks("alice", "test-api")
        await world.tyk.called("POST /api/keys")
        environ = {"TYK_DASHBOARD_KEY": world.tyk.credential}
        assert await verb(tmp_path, "reconcile", "--end", "--yes", **environ) == 0
        assert capsys.readouterr().out.startswith(
            "Looked at 0 keys of the bot's and 1 key at Tyk with its mark. All is"
        )
        world.tyk.faults.release()
        await world.told("sent")
        assert await verb(tmp_path, "reconcile", "--end", "--yes", **environ) == 0, "nor is the one that went unheard"
        assert len(world.tyk.usable_keys()) == 2


@dataclass
class Meanwhile:
    """Tyk, and what happens after it has answered and before its answer is read."""

    keys: Keys
    happens: Callable[[], Awaitable[object]]
    names_by_token: bool = False

    async def marked(self, page: int) -> MarkedPage | None:
        found = await self.keys.marked(page)
        await self.happens()
        return found

    async def differs(self, record: Record, key: Key, name: str, proving: Sequence[str]) -> str | None:
        await self.happens()
        return await self.keys.differs(record, key, name, proving)

    async def end(self, marked: Marked) -> None:
        await self.keys.end(marked)


async def test_a_key_that_ends_meanwhile(tmp_path: Path) -> None:
    """Its holder revokes it after Tyk has listed it, or just before Tyk is asked for it: it is neither a stranger nor gone."""
    async with living(tmp_path) as world, tyk_of(world) as reached:
        for look in ("list", "ours"):
            await holds(world)
            assert await findings_of(world, reached, _nothing) == (0, 0)
            found = await findings_of(world, reached, partial(_revokes, world), look)
            assert found == (0, 0), look
        assert world.tyk.usable_keys() == []


async def findings_of(
    world: World, reached: Reached, happens: Callable[[], Awaitable[object]], look: str = "list ours"
) -> tuple[int, int]:
    """How many strangers there are, and how many keys of ours are not as they should be, where this happens meanwhile."""
    seen, busy = Look(), Meanwhile(reached.keys, happens)
    if "list" in look:
        await look_at_list(world.running.store, busy, seen)
    if "ours" in look:
        tyk: Any = busy
        await look_at_ours(world.running.store, replace(reached.ports, tyk=tyk), seen)
    return len(seen.strangers), len(seen.found)


async def _nothing() -> None: ...


async def _revokes(world: World) -> None:
    """An operator, who does not wait: the bot deletes the key."""
    times = (await world.events()).count("key deleted") + 1
    with world.running.store.transaction() as tx:
        for held in findings.held(tx, "", 10):
            Operator("Olga").end(tx, held.record.request.id, "")
    world.running.worker.wake()
    await world.told("key deleted", times=times)


@asynccontextmanager
async def tyk_of(world: World) -> AsyncIterator[Reached]:
    async with reaching.tyk(world.running.store, {"TYK_DASHBOARD_KEY": world.tyk.credential}) as reached:
        yield reached


async def test_the_help_channel_hears_that_it_is_over(tmp_path: Path) -> None:
    """The bot had told of a key that nobody knows; when an operator has ended it, it says that it is over."""
    async with living(tmp_path) as world:
        _, key = await holds(world)
        world.tyk.make_by_hand(copied(key, request="R-77", key_id="k77"))
        await looks(world)
        assert len(helped(world)) == 1
        assert await verb(tmp_path, "reconcile", "--end", "--yes", TYK_DASHBOARD_KEY=world.tyk.credential) == 0
        world.running.worker.wake()
        await world.person("carol").sees("No longer so", channel="help")


async def test_the_api_is_retired(tmp_path: Path, capsys: Said) -> None:
    """Somebody deletes it at Tyk and its keys by hand: Tyk knows the bot's other APIs, so the key is gone."""
    async with living(tmp_path) as world:
        _, key = await holds(world)
        world.tyk.delete_by_hand(key.hash)
        (retired,) = (one for one in world.tyk.apis if one in key.session["access_rights"])
        del world.tyk.apis[retired]
        await looks(world)
        assert "Tyk no longer has it" in helped(world)[-1]
        assert await verb(tmp_path, "reconcile", TYK_DASHBOARD_KEY=world.tyk.credential) == 1
        said, complained = capsys.readouterr()
        assert ("Tyk no longer has it" in said, complained) == (True, "")


async def test_it_is_seen_where_an_operator_looks(tmp_path: Path, capsys: Said) -> None:
    """`keys`, `requests` and `show` say what the daily look found, for as long as it is so."""
    async with living(tmp_path) as world:
        _, key = await holds(world)
        world.tyk.delete_by_hand(key.hash)
        await looks(world)
        for words in (["keys"], ["requests"], ["show", "R-1001"]):
            assert await verb(tmp_path, *words) == 0
            assert "Tyk no longer has it: somebody deleted it there" in capsys.readouterr().out
        key.dead = None
        await looks(world)
        for words in (["keys"], ["requests"], ["show", "R-1001"]):
            assert await verb(tmp_path, *words) == 0
            assert "no longer has" not in capsys.readouterr().out
