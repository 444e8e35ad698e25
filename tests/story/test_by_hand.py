"""Somebody with the Dashboard: keys that are deleted, changed or made at Tyk without the bot, and what people hear of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.core.model import EffectKind, Promise
from bot.effects import reconcile
from bot.effects.reconcile import AFTER_START, EVERYTHING, GIVES_UP
from bot.local.slack import LocalSlack
from bot.local.tyk import KeyEntry, LocalTyk
from tests.running import failed, quiet
from tests.story import another_token, everything, granted, of_event, opens, replaces, status
from tests.world import World, living

DAY = timedelta(days=1)
WHOSE = "(Payments (standard), for Alice Adams)"


async def looks(world: World) -> None:
    """The daily look comes now, and whatever it promises is kept."""
    await quiet(world)
    with world.running.store.transaction() as tx:
        tx.promise(Promise(EffectKind.RECONCILE, EVERYTHING, tx.now))
    world.running.worker.wake()
    await quiet(world)


async def holds(world: World) -> tuple[str, KeyEntry]:
    """Alice holds a token for Payments, and all that was promised about it is kept: the token and its key."""
    token = await granted(world)
    await quiet(world)
    return token, world.tyk.keys[-1]


def helped(world: World) -> list[str]:
    """What the help channel read, the oldest first."""
    return [one.shown for one in world.person("carol").messages("help")]


# --- deleted ----------------------------------------------------------------------------------------------------------


async def test_a_key_that_was_deleted_at_tyk(tmp_path: Path) -> None:
    """Alice hears that her token does not work and replaces it; the help channel hears what to do, once, and when it is over."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        token, key = await holds(world)
        world.tyk.delete_by_hand(key.hash)
        await looks(world)
        told = await alice.sees("somebody deleted it at Tyk", channel="dm")
        assert told.shown.startswith("Your token for Payments (R-1001) no longer works")
        assert told.labels == ["Replace token"]
        (gone,) = await of_event(world, "key gone")
        assert (gone.details["key_hash"], gone.request_number) == (key.hash, 1001)
        (said,) = helped(world)
        assert f"R-1001 {WHOSE}, key `{key.hash}`: Tyk no longer has it: somebody deleted it there." in said
        assert "`tyk-key-bot revoke R-1001` ends the grant." in said
        await looks(world)
        assert (helped(world), len(await of_event(world, "key gone"))) == ([said], 1), "once is enough"
        assert len([one for one in alice.dm() if "no longer works" in one.shown]) == 1
        await replaces(world, "alice", "lost", told)
        assert opens(world, await another_token(world, "alice", token))
        await looks(world)
        (over,) = helped(world)[1:]
        assert over.startswith("No longer so:")
        assert f"R-1001 {WHOSE}, key `{key.hash}`" in over
        assert world.slack.app_errors == []


async def test_the_status_of_who_holds_a_deleted_key(tmp_path: Path) -> None:
    """It says that the token does not work and offers another, and all is well again when the key is back."""
    async with living(tmp_path) as world:
        _, key = await holds(world)
        await world.person("alice").clicks("I've saved it", channel="dm")
        await status(world, "alice", "Active until")
        world.tyk.delete_by_hand(key.hash)
        await looks(world)
        shown = await status(world, "alice", "The token doesn't work")
        assert "Press *Replace token* for a new one." in shown.shown
        assert "Active" not in shown.shown
        key.dead = None
        await looks(world)
        await world.person("alice").sees("works again: it is back at Tyk", channel="dm")
        assert "doesn't work" not in (await status(world, "alice", "Active until")).shown
        assert await world.events() == [*(await world.events())[:-2], "key gone", "key as granted"]
        assert "No longer so" in helped(world)[-1]
        assert world.slack.app_errors == []


# --- changed ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param({"rate": 1_000_000}, "Tyk holds another rate than was granted", id="limits"),
        pytest.param({"expires": -1}, "Tyk holds another end than was granted", id="end"),
        pytest.param({"access_rights": {"x": {"limit": None}}}, "Tyk lets the key open more", id="rights"),
    ],
)
async def test_a_key_that_was_changed_at_tyk(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    """The help channel and the audit hear of each change once; its holder, whose token works, hears nothing."""
    async with living(tmp_path) as world:
        token, key = await holds(world)
        before, messages = dict(key.session), len(world.person("alice").dm())
        world.tyk.change_by_hand(key.hash, **change)
        await looks(world)
        await looks(world)
        (said,) = helped(world)
        assert f"R-1001 {WHOSE}, key `{key.hash}`: {why}" in said
        assert "Put it right in the Dashboard, or end it: `tyk-key-bot revoke R-1001`." in said
        (changed,) = await of_event(world, "key changed")
        assert changed.details["why"].startswith(why)
        world.tyk.change_by_hand(key.hash, **(before | {"quota_max": 5}))
        await looks(world)
        assert "Tyk holds another quota than was granted" in helped(world)[-1]
        assert len(await of_event(world, "key changed")) == 2, "another change is news"
        world.tyk.change_by_hand(key.hash, **before)
        await looks(world)
        assert "No longer so" in helped(world)[-1]
        assert (await world.events())[-1] == "key as granted"
        assert len(world.person("alice").dm()) == messages
        assert opens(world, token)


# --- made -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hashes", [True, False])
async def test_a_key_that_nobody_knows(tmp_path: Path, hashes: bool) -> None:
    """It bears our mark: the help channel hears its number, its hash and how it is ended, once; no token is in any word of it."""

    def prepare(_slack: LocalSlack, tyk: LocalTyk) -> None:
        tyk.switches.hash_keys = hashes

    async with living(tmp_path, prepare=prepare, change=lambda text: text if hashes else by_id(text)) as world:
        _, key = await holds(world)
        stranger = world.tyk.make_by_hand(copied(key, request="R-77", key_id="k77"))
        world.tyk.make_by_hand(key.session | {"meta_data": {"owner": "somebody else"}})
        await looks(world)
        await looks(world)
        (said,) = helped(world)
        assert "R-77, key `" in said
        assert (f"key `{stranger.hash}`" in said) is hashes
        assert "I don't know this key, and at Tyk it works until" in said
        assert "`tyk-key-bot reconcile --end` ends such keys." in said
        (unknown,) = await of_event(world, "key unknown")
        assert unknown.details["bears"] == "R-77"
        for message in world.person("carol").messages("help") + world.person("carol").messages("audit"):
            assert stranger.token not in everything(message)
        world.tyk.delete_by_hand(stranger.token)
        await looks(world)
        await looks(world)
        assert "No longer so" in helped(world)[-1]


async def test_a_list_that_skips_a_key(tmp_path: Path) -> None:
    """Pages move while they are read: one look that does not meet with a stranger does not say that it is gone."""
    async with living(tmp_path) as world:
        _, key = await holds(world)
        world.tyk.make_by_hand(copied(key, request="R-77", key_id="k77"))
        await looks(world)
        (said,) = helped(world)
        world.tyk.faults.next("GET /api/keys/detailed", body={"keys": None, "pages": 1})
        await looks(world)
        await looks(world)
        assert helped(world) == [said]
        assert len(await of_event(world, "key unknown")) == 1


async def test_a_key_that_was_ended_here_and_lives_there(tmp_path: Path) -> None:
    """A Tyk that was restored has a key again which the bot deleted: it is told as such."""
    async with living(tmp_path) as world:
        _, key = await holds(world)
        await world.person("alice").clicks("I've saved it", channel="dm")
        await world.person("alice").clicks("Revoke", await status(world, "alice", "Active until"))
        await world.told("key deleted")
        key.dead = None
        await looks(world)
        (said,) = helped(world)
        assert f"R-1001, key `{key.hash}`: I hold this key as ended, and at Tyk it works until" in said


# --- what cannot be looked at -----------------------------------------------------------------------------------------


async def test_a_tyk_that_gives_no_list(tmp_path: Path) -> None:
    """That no stranger can be found is said once, and once when the list is there."""

    def prepare(_slack: LocalSlack, tyk: LocalTyk) -> None:
        tyk.switches.enable_hashed_keys_listing = False

    async with living(tmp_path, prepare=prepare) as world:
        await looks(world)
        await looks(world)
        (said,) = helped(world)
        assert "Tyk gives me no list of its keys" in said
        assert "`enable_hashed_keys_listing`" in said
        world.tyk.switches.enable_hashed_keys_listing = True
        await looks(world)
        assert "No longer so" in helped(world)[-1]


def by_id(text: str) -> str:
    return text.replace("keys_by: hash", "keys_by: id")


def copied(key: KeyEntry, **mark: str) -> dict[str, Any]:
    """The session of a key, with other words of our mark."""
    return key.session | {"meta_data": key.session["meta_data"] | mark}


async def test_a_tyk_whose_user_may_not_list(tmp_path: Path) -> None:
    """The Dashboard's own word is taken: the permission is named, and our own keys are looked at all the same."""
    async with living(tmp_path) as world:
        _, key = await holds(world)
        world.tyk.faults.next("GET /api/keys/detailed", status=403, times=2)
        world.tyk.delete_by_hand(key.hash)
        await looks(world)
        (said,) = helped(world)
        assert (
            "Tyk's list of keys could not be had. Tyk's Dashboard user behind TYK_DASHBOARD_KEY lacks a permission."
            in said
        )
        assert "Tyk no longer has it" in said


async def test_a_tyk_that_is_away_has_lost_no_key(tmp_path: Path) -> None:
    """Nothing is called gone by who cannot be asked; the look goes on where it was when Tyk is back, and finds what is gone."""
    async with living(tmp_path) as world:
        _, key = await holds(world)
        world.tyk.faults.away = True
        with world.running.store.transaction() as tx:
            tx.promise(Promise(EffectKind.RECONCILE, EVERYTHING, tx.now))
        await failed(world, EffectKind.RECONCILE)
        assert await of_event(world, "key gone") == []
        world.tyk.faults.clear()
        world.tyk.delete_by_hand(key.hash)
        await world.pass_time(timedelta(minutes=2))
        await world.told("key gone")


async def test_a_list_that_cannot_be_had_keeps_nothing_else_from_being_looked_at(tmp_path: Path) -> None:
    """After some tries the look goes on without it, and says so."""
    async with living(tmp_path) as world:
        _, key = await holds(world)
        world.tyk.faults.next("GET /api/keys/detailed", status=503, times=GIVES_UP + 1)
        world.tyk.delete_by_hand(key.hash)
        with world.running.store.transaction() as tx:
            tx.promise(Promise(EffectKind.RECONCILE, EVERYTHING, tx.now))
        for attempts in range(1, GIVES_UP + 1):
            await failed(world, EffectKind.RECONCILE, attempts)
            await world.pass_time(timedelta(minutes=2))
        await world.told("key gone")
        await quiet(world)
        assert "Tyk's list of keys could not be had. Tyk isn't answering." in helped(world)[-1]


async def test_a_fault_of_one_key_alone(tmp_path: Path) -> None:
    """Tyk answers of every key but one: that one could not be looked at, which is said, and the others were."""
    async with living(tmp_path, change=many_at_once) as world:
        keys = [(await holds(world))[1] for _ in range(3)]
        for key in keys[:2]:
            world.tyk.delete_by_hand(key.hash)
        world.tyk.faults.next(f"GET /api/keys/{keys[2].hash}", status=500, times=100)
        await looks(world)
        (said,) = helped(world)
        assert said.count("Tyk no longer has it") == 2
        assert f"R-1003 {WHOSE}, key `{keys[2].hash}`: it could not be looked at." in said


async def test_many_keys_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slice of one page or one key after the other: each is met with once, and a token that somebody asks for does not wait."""
    monkeypatch.setattr(reconcile, "SLICE", 0.0)
    monkeypatch.setattr(reconcile, "REST", 0.0)
    async with living(tmp_path, change=lambda text: many_at_once(one_call_at_a_time(text))) as world:
        world.tyk.switches.page_size = 1
        for _ in range(6):
            await holds(world)
        lost = world.tyk.keys[3]
        world.tyk.delete_by_hand(lost.hash)
        stranger = world.tyk.make_by_hand(copied(world.tyk.keys[0], request="R-77", key_id="k77"))
        with world.running.store.transaction() as tx:
            tx.promise(Promise(EffectKind.RECONCILE, EVERYTHING, tx.now))
        world.running.worker.wake()
        await world.tyk.called("GET /api/keys/detailed", times=2)
        await world.asks("dave", "test-api")
        await world.token_of("dave")
        assert "key gone" not in await world.events(), "the token came while the look was under way"
        await world.told("key gone")
        await quiet(world)
        (said,) = helped(world)
        assert (lost.hash in said, stranger.hash in said) == (True, True)
        assert said.count("•") == 2


async def test_a_hundred_findings_are_one_message(tmp_path: Path) -> None:
    """The first are named, the others counted, and the command that names them all."""
    async with living(tmp_path) as world:
        _, key = await holds(world)
        for number in range(100):
            world.tyk.make_by_hand(copied(key, request=f"R-{number}", key_id=f"k{number}"))
        await looks(world)
        (said,) = helped(world)
        assert said.count("•") == 8
        assert said.endswith("And 92 more: `tyk-key-bot reconcile` names them all.")
        await looks(world)
        assert helped(world) == [said]
        assert world.slack.app_errors == []


async def test_it_looks_every_day_by_itself(tmp_path: Path) -> None:
    """An hour after the start, and from then on once a day."""
    async with living(tmp_path) as world:
        _, key = await holds(world)
        world.tyk.delete_by_hand(key.hash)
        await world.pass_time(AFTER_START)
        await world.told("key gone")
        await quiet(world)
        key.dead = None
        await world.pass_time(DAY)
        await world.told("key as granted")


def many_at_once(text: str) -> str:
    """Alice may hold more than one person may by default."""
    return text.replace("    api_id:", "    max_active: 50\n    api_id:")


def one_call_at_a_time(text: str) -> str:
    return text.replace("tyk:\n", "tyk:\n  at_once: 1\n", 1)
