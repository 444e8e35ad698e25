"""A crash at every step, and an answer lost at every step: the story comes out right all the same.

The quick share of the proofs. `python -m tests.crash` runs them whole.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Engine

from bot.core.model import AuditEvent, Topic
from tests.crash.at_once import AtOnce
from tests.crash.emergency import Emergency
from tests.crash.outside import Fates
from tests.crash.proofs import IN_MEMORY, fresh, told
from tests.crash.story import BadDay, ByHand

QUICK = 5


@pytest.fixture(params=["sqlite", "postgres"])
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[Engine]:
    engine = fresh(IN_MEMORY if request.param == "sqlite" else request.getfixturevalue("postgres_url"))
    yield engine
    engine.dispose()


async def test_the_story_without_a_fault(engine: Engine) -> None:
    """Undisturbed, one key is made, shown once, hidden, ended, and everything is said once."""
    story = await told(engine, Fates())
    assert len(story.tyk.keys) == 1
    assert len(story.slack.messages) == 4
    assert story.slack.audit == sorted(set(story.slack.audit))


async def test_a_death_at_every_fifth_point(engine: Engine) -> None:
    """The process dies before or after a commit or an act; the next one finishes the story."""
    points = len((await told(engine, Fates())).fates.passed)
    for number in range(0, points, QUICK):
        story = await told(engine, Fates(deaths=frozenset({number})), names_by_token=number % 2 == 0)
        assert story.deaths == 1, story.fates.passed[number]


async def test_every_answer_lost_once(engine: Engine) -> None:
    """The act was done and nobody heard of it: it is done again, and nothing is there twice that counts."""
    points = (await told(engine, Fates())).fates.passed
    acts = [number for number, name in enumerate(points) if name.startswith("after") and "commit" not in name]
    assert len(acts) > 20
    for number in acts:
        await told(engine, Fates(lost=frozenset({number})), names_by_token=number % 2 == 0)


async def test_the_bad_day_without_a_fault(engine: Engine) -> None:
    """Lost, then leaked: three keys in all, one at a time on show, and none is left when the holder's last is revoked."""
    story = await told(engine, Fates(), kind=BadDay)
    assert [key.deleted for key in story.tyk.keys] == [True, True, True]


async def test_the_bad_day_with_a_death_or_a_lost_answer_here_and_there(engine: Engine) -> None:
    """Whatever dies or goes unheard while a token is replaced, the day ends with the same keys and the same words."""
    points = (await told(engine, Fates(), kind=BadDay)).fates.passed
    for number in range(0, len(points), 6 * QUICK):
        await told(engine, Fates(deaths=frozenset({number})), kind=BadDay)
        await told(engine, Fates(lost=frozenset({number})), names_by_token=True, kind=BadDay)


async def test_many_at_once_with_a_death_around_their_commit() -> None:
    """Before the commit that stores them together, after it, and when one of them was told and the next is not yet; where one
    fails, around each one's own."""
    engine = fresh()
    points = (await told(engine, Fates(), kind=AtOnce)).fates.passed
    heard = [place for place, name in enumerate(points) if name == "before it is told"]
    assert points[:5] == ["before commit", "after commit", *["before it is told"] * 3], "one commit for three"
    for number in sorted({place - before for place in heard for before in range(3)}):
        story = await told(engine, Fates(deaths=frozenset({number})), kind=AtOnce)
        assert story.deaths == 1, points[number]
    engine.dispose()


async def test_by_hand_without_a_fault(engine: Engine) -> None:
    """Somebody deletes, changes and makes keys at Tyk: each is told once, and once when it is over, however often it is met."""
    story = await told(engine, Fates(), kind=ByHand)
    assert [(one.finding.kind, one.is_over) for some in story.slack.found for one in some] == ByHand.found
    gone = [shown for shown in story.slack.messages if shown.topic is Topic.GONE]
    assert len(gone) == 1


async def test_by_hand_with_a_death_or_a_lost_answer_here_and_there(engine: Engine) -> None:
    """Whatever dies or goes unheard while the bot looks, tells or ends, the same is found, told and ended."""
    points = (await told(engine, Fates(), kind=ByHand)).fates.passed
    for number in range(3, len(points), 14 * QUICK):
        await told(engine, Fates(deaths=frozenset({number})), kind=ByHand)
        await told(engine, Fates(lost=frozenset({number})), names_by_token=True, kind=ByHand)


async def test_revoked_at_the_command_line_with_a_death_or_a_lost_answer(engine: Engine) -> None:
    """The operator runs the command until no key is left: the grant has ended once, in Olga's name, whatever died meanwhile."""
    story = await told(engine, Fates(), kind=Emergency)
    with story.store.reading() as tx:
        (revoked,) = [one for one in tx.audit_trail() if one.event is AuditEvent.REVOKED]
    assert revoked.details["operator"] == "Olga"
    for number in range(3, len(story.fates.passed), 3 * QUICK):
        await told(engine, Fates(deaths=frozenset({number})), kind=Emergency)
        await told(engine, Fates(lost=frozenset({number})), names_by_token=True, kind=Emergency)
