"""The whole proofs, each a function that returns what was tried and what survived."""

from __future__ import annotations

import copy
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy import Engine

from bot.effects import issue_key
from bot.store.engine import migrate, open_engine
from tests.crash.outside import Fates
from tests.crash.story import Story, wipe

IN_MEMORY = "sqlite://"


@dataclass
class Tally:
    """`failures` holds what went wrong, the first few in words."""

    tried: int = 0
    survived: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.tried += other.tried
        self.survived += other.survived
        self.failures += other.failures

    async def run(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        self.tried += 1
        try:
            await work()
        except (AssertionError, RuntimeError, LookupError, ValueError, TypeError) as error:
            self.failures.append(f"{name}: {type(error).__name__} {error}")
        else:
            self.survived += 1


def fresh(url: str = IN_MEMORY) -> Engine:
    """An empty database of this version."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    engine = open_engine(url)
    migrate(engine)
    wipe(engine)
    return engine


def connection_of(engine: Engine) -> sqlite3.Connection:
    """The one connection to a database in memory."""
    with engine.connect() as held:
        raw = held.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection), "a database in memory is SQLite's"
    return raw


async def told(engine: Engine, fates: Fates, *, names_by_token: bool = False, kind: type[Story] = Story) -> Story:
    wipe(engine)
    story = kind(engine, fates, names_by_token=names_by_token)
    await story.tell()
    await story.check_after_the_end()
    return story


def distinct(points: Sequence[str]) -> list[int]:
    """The points that leave a state of their own: dying before an act or a commit leaves what the one before it left."""
    return [0, *(number for number, name in enumerate(points) if name.startswith("after"))]


def answers(points: Sequence[str]) -> list[int]:
    """The points at which an answer can be lost: after an act on the outside world."""
    return [number for number, name in enumerate(points) if name.startswith("after") and "commit" not in name]


async def every_death(url: str, kind: type[Story] = Story, step: int = 1) -> Tally:
    """The process dies at each `step`-th point once."""
    engine, tally = fresh(url), Tally()
    points = (await told(engine, Fates(), kind=kind)).fates.passed
    for number, name in list(enumerate(points))[::step]:
        fates = Fates(deaths=frozenset({number}))
        await tally.run(f"death {number} {name}", lambda fates=fates: told(engine, fates, kind=kind))  # type: ignore[misc]  # bound now
    engine.dispose()
    return tally


async def every_lost_answer(url: str, *, pairs: bool, kind: type[Story] = Story) -> Tally:
    """The answer is lost at each point once, and at each pair of points."""
    engine, tally = fresh(url), Tally()
    numbers = answers((await told(engine, Fates(), kind=kind)).fates.passed)
    sets = [frozenset({number}) for number in numbers]
    if pairs:
        sets += [frozenset({one, two}) for one in numbers for two in range(one + 1, numbers[-1] + 20)]
        sets = _that_strike(sets, numbers)
    for lost in sets:
        await tally.run(f"lost {sorted(lost)}", lambda lost=lost: told(engine, Fates(lost=lost), kind=kind))  # type: ignore[misc]  # bound now
    engine.dispose()
    return tally


def _that_strike(sets: list[frozenset[int]], numbers: list[int]) -> list[frozenset[int]]:
    """After a first loss the points shift by the repetition: a second loss is tried at every act's place near its own."""
    acts = set(numbers)
    return [one for one in sets if len(one) == 1 or (max(one) in acts)]


@dataclass
class Moment:
    """The whole world at one point: what a death there leaves to the next process."""

    database: bytes
    slack: Any
    tyk: Any
    skew: timedelta
    chapter: int
    deaths: int
    ids: Any


async def every_pair(share: int, shares: int) -> Tally:
    """The process dies at each point, and the one after it at each point that is left; on SQLite in memory.

    What a death leaves is kept as a moment and taken up from there, so that no beginning is told twice.
    """
    engine, tally = fresh(), Tally()
    raw = connection_of(engine)
    firsts = await _moments(engine, raw, None)
    for number, moment in enumerate(firsts):
        if number % shares != share:
            continue
        try:
            seconds = await _moments(engine, raw, moment)
        except AssertionError as error:
            tally.tried += 1
            tally.failures.append(f"pair {number}: {error}")
            continue
        for later, second in enumerate(seconds):
            await tally.run(f"pair {number}+{later}", lambda second=second: _taken_up(engine, raw, second))  # type: ignore[misc]  # bound now
    engine.dispose()
    return tally


async def _moments(engine: Engine, raw: sqlite3.Connection, start: Moment | None) -> list[Moment]:
    """Tell the story, from `start` where there is one, and keep what a death at each point would leave."""
    moments: list[Moment] = []
    if start is None:
        wipe(engine)
    story = Story(engine, Fates(), names_by_token=False)
    if start is not None:
        _restore(story, raw, start)

    def watch(name: str) -> None:
        if name.startswith("after"):
            moments.append(_moment(story, raw))

    story.fates.watch = watch
    await story.tell()
    await story.check_after_the_end()
    return moments


async def _taken_up(engine: Engine, raw: sqlite3.Connection, moment: Moment) -> None:
    story = Story(engine, Fates(), names_by_token=False)
    _restore(story, raw, moment)
    await story.tell()
    await story.check_after_the_end()


def _moment(story: Story, raw: sqlite3.Connection) -> Moment:
    slack, tyk = story.slack, story.tyk
    return Moment(
        database=raw.serialize(),
        slack=copy.deepcopy((slack.messages, slack.audit, slack.most_tokens_shown, slack._ts)),
        tyk=copy.deepcopy(tyk.keys),
        skew=story.skew,
        chapter=story.chapter,
        deaths=story.deaths,
        ids=copy.deepcopy(story._ids),
    )


def _restore(story: Story, raw: sqlite3.Connection, moment: Moment) -> None:
    """The next process, after a death at this moment."""
    raw.deserialize(moment.database)
    slack = story.slack
    slack.messages, slack.audit, slack.most_tokens_shown, slack._ts = copy.deepcopy(moment.slack)
    story.tyk.keys = copy.deepcopy(moment.tyk)
    story.skew, story.chapter, story.deaths = moment.skew, moment.chapter, moment.deaths
    story._ids = copy.deepcopy(moment.ids)
    story.restart()


async def obvious() -> Tally:
    """The control: "create, then record". Keys are made with their final end at once; dying in between must be seen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(issue_key, "PROBATION", timedelta(days=3650))
        return await every_death(IN_MEMORY)
