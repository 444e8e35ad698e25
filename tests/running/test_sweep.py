"""Looking after thousands of people takes what Slack's limits leave over: nobody who waits for an answer waits for it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from bot import effects, worker
from bot.core.model import EffectKind, EffectState, Promise
from bot.effects import sweep_leavers
from bot.local.slack import LocalSlack
from bot.local.tyk import LocalTyk
from bot.slack import leftover
from bot.slack.leftover import UNHURRIED
from bot.store import outbox, tables
from bot.store.transaction import Transaction
from tests.log import Log, lines
from tests.running import quiet, stored
from tests.story import asked, of_event, opens_form
from tests.world import World, living

MINUTE = timedelta(minutes=1, seconds=1)
CROWD = 230


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to go on is found at once: a sweep's next people are looked at when the worker looks for what is due."""
    monkeypatch.setattr(worker, "POLL", 0.02)


def name(number: int) -> str:
    return f"n{number:03}"


def crowd(slack: LocalSlack, _tyk: LocalTyk) -> None:
    for number in range(CROWD):
        slack.workspace.add_user(name(number))


async def wait_too(world: World) -> None:
    """Everybody of the crowd waits for what Alice waits for."""
    await asked(world)
    await quiet(world)

    def work(tx: Transaction) -> None:
        row = dict(tx.connection.execute(select(tables.requests)).one()._mapping)
        rows = [
            row | {"id": f"r{number}", "number": 2000 + number, "user_id": world.person(name(number)).id}
            for number in range(CROWD)
        ]
        tx.connection.execute(insert(tables.requests), rows)
        tx.wrote = True

    await world.running.store.write(work)


async def sweeps(world: World) -> None:
    """The sweep is due now."""

    def work(tx: Transaction) -> None:
        tx.promise(Promise(EffectKind.SWEEP_LEAVERS, sweep_leavers.EVERYBODY, tx.now))

    await world.running.store.write(work)
    world.running.worker.wake()


async def rests(world: World) -> timedelta:
    """The time until the sweep goes on, once it has done what it may do now."""

    def look(tx: Transaction) -> timedelta | None:
        (sweep,) = [one for one in outbox.effects(tx, EffectState.OPEN) if one.kind is EffectKind.SWEEP_LEAVERS]
        return sweep.due_at - tx.now if sweep.lease_until is None and sweep.due_at > tx.now else None

    return await stored(world, look)


def looked_up(world: World) -> Counter[str]:
    """How often Slack was asked about each of the crowd."""
    users = world.slack.workspace.users
    asked_about = (users[call.args["user"]].name for call in world.slack.journal.calls("users.info"))
    return Counter(one for one in asked_about if one.startswith("n"))


async def test_nobody_waits_for_the_sweep(tmp_path: Path) -> None:
    """Slack takes a hundred look-ups a minute, and 230 people are to be looked after: in each of the minutes that it takes, all
    who come get their form at once; the sweep goes on where it stopped, asks about nobody twice, and finds the last one gone."""
    async with living(tmp_path, prepare=crowd, rate_limits=True) as world:
        await wait_too(world)
        last = world.slack.workspace.user(name(CROWD - 1))
        last.deleted = True
        await world.pass_time(MINUTE)
        await sweeps(world)
        minutes = 0
        while await rests(world) < timedelta(hours=1):
            for who in ("alice", "bob", "carol", "dave"):
                await opens_form(world.person(who))
                await world.person(who).closes()
            await world.pass_time(MINUTE)
            minutes += 1
        assert minutes >= CROWD // 100
        assert looked_up(world) == Counter(dict.fromkeys(map(name, range(CROWD)), 1))
        assert [
            one.data["status"] for one in world.slack.journal.calls("users.info") if one.data["status"] != 200
        ] == []
        await world.told("left")
        (left,) = await of_event(world, "left")
        assert left.details["person"] == last.id
        assert world.slack.app_errors == []


async def test_the_sweep_stands_back_while_many_people_come(tmp_path: Path) -> None:
    """Forty people were looked up in this minute because they came: the sweep waits, and looks at nobody until there is room."""
    async with living(tmp_path, prepare=crowd) as world:
        await wait_too(world)
        await world.pass_time(MINUTE)
        for number in range(UNHURRIED):
            await world.running.directory.person(world.person(name(number)).id)
        await sweeps(world)
        assert timedelta(seconds=30) < await rests(world) <= timedelta(minutes=1)
        assert looked_up(world).total() == UNHURRIED
        await world.pass_time(MINUTE)
        await rests(world)
        assert looked_up(world).total() > UNHURRIED


async def test_a_slow_slack_does_not_hold_the_sweep_up(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look-up takes a sixth of an act's time, and ten people are looked up in one act: it is over in time all the same."""
    monkeypatch.setattr(effects, "SLACK_DEADLINE", timedelta(seconds=3))
    async with living(tmp_path, prepare=crowd) as world:
        await wait_too(world)
        await world.pass_time(MINUTE)
        world.slack.faults.next("users.info", latency=0.5, times=None)
        await sweeps(world)
        await rests(world)
        assert looked_up(world).total() >= 3 * sweep_leavers.BATCH
        assert lines(log, event="effect", kind="sweep_leavers", result="failed") == []


@pytest.mark.parametrize("number", [3, CROWD - 1], ids=["among others", "alone at the end"])
async def test_somebody_whom_slack_cannot_look_up_stops_nobody_else(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Slack has a fault whenever it is asked about one person: all others are looked at, and the log says how many were not."""
    monkeypatch.setattr(leftover, "UNHURRIED", 10_000)

    def about_them(args: dict[str, Any]) -> bool:
        return bool(args["user"] == unknown)

    async with living(tmp_path, prepare=crowd) as world:
        await wait_too(world)
        unknown = world.person(name(number)).id
        world.slack.faults.next("users.info", error="internal_error", times=None, when=about_them)
        await sweeps(world)
        while (pause := await rests(world)) < timedelta(hours=1):
            await world.pass_time(pause)
        assert len(looked_up(world)) == CROWD
        assert [one["people"] for one in lines(log, event="sweep.unknown")] == [1]
