"""The audit's rows on their way out, on both engines: in order, at least once, and never in anybody's way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from bot.core.chain import Line
from bot.core.faults import Transient
from bot.core.model import AuditEvent, AuditLine, EffectKind, EffectState, KeyState, Promise
from bot.core.outages import TELL_AFTER
from bot.effects import forward_audit
from bot.effects.ports import CollectorPort, Ports
from bot.slack import notifications
from bot.store import cursors, ledger, outbox
from bot.store.engine import migrate, open_engine
from tests.crash.outside import Died, Fates
from tests.crash.story import Story, wipe
from tests.world import living

PLACE = "https:siem.example.com:0a1b2c3d"
MOMENT = timedelta(seconds=3)


class Collector:
    """A collector in memory. `away` is what it says instead of taking rows; `dies_after` kills the bot once it has them."""

    def __init__(self) -> None:
        self.got: list[int] = []
        self.tries = 0
        self.largest = 0
        self.away: Transient | None = None
        self.dies_after = False

    async def send(self, rows: Sequence[Line]) -> int:
        self.tries += 1
        if self.away is not None:
            raise self.away
        self.largest = max(self.largest, len(rows))
        self.got += [line["row"]["number"] for line in rows]
        if self.dies_after:
            self.dies_after = False
            raise Died
        return len(rows)


class Forwarded(Story):
    """A story whose audit is forwarded, as after the start of a bot that is configured so."""

    collector: Collector | None = None

    def start(self) -> None:
        super().start()
        self.collector = self.collector or Collector()
        known: dict[str, CollectorPort] = {PLACE: self.collector}
        ports = self.worker.ports
        self.worker.ports = Ports(ports.slack, ports.tyk, ports.seal, ports.in_force, known)
        self.store.forwards = list(known)
        with self.store.transaction() as tx:
            cursors.begin_forwarding(tx, self.store.forwards)

    @property
    def there(self) -> Collector:
        assert self.collector is not None
        return self.collector

    async def goes_on(self) -> None:
        """A few seconds pass, and whatever is due is tried and told."""
        for _ in range(5):
            self.pass_time(MOMENT)
            await self.worker.drain()
            await self.worker.survey()
            await self.worker.drain()

    def newest(self) -> int:
        with self.store.reading() as tx:
            return tx.newest_audit()


@pytest.fixture(params=["sqlite", "postgres"])
async def story(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Forwarded]:
    sqlite = f"sqlite:///{tmp_path / 'bot.db'}"
    engine = open_engine(sqlite if request.param == "sqlite" else request.getfixturevalue("postgres_url"))
    migrate(engine)
    wipe(engine)
    yield Forwarded(engine, Fates(), names_by_token=False)
    engine.dispose()


async def test_each_row_arrives_in_order(story: Forwarded) -> None:
    """Alice's whole story, once each; a place that is new begins with what is new."""
    await story.tell()
    assert story.there.got == list(range(1, story.newest() + 1))
    with story.store.transaction() as tx:
        cursors.begin_forwarding(tx, ["file:new.jsonl:0a1b2c3d"])
    with story.store.reading() as tx:
        assert cursors.of(tx, "file:new.jsonl:0a1b2c3d") == story.newest()


async def test_who_dies_after_sending_sends_the_same_rows_again(story: Forwarded) -> None:
    """Nothing says that they are there: they come a second time, with their numbers, before any later one."""
    story.there.dies_after = True
    await story.tell()
    assert story.deaths == 1
    sent = story.there.got
    assert sent.count(1) == 2
    assert list(dict.fromkeys(sent)) == list(range(1, story.newest() + 1))
    assert sent[sent.index(1, 1) :] == list(range(1, story.newest() + 1))


async def test_a_place_that_is_away_holds_nobody_up(story: Forwarded) -> None:
    """Alice gets her token meanwhile; the help channel is told once, with what to do, and again when it is over."""
    story.there.away = Transient("forward_away", "HTTP 503")
    await story._ask()
    for approver in ("BOB", "CAROL"):
        await story.goes_on()
        await story._approve(approver)
    await story.goes_on()
    assert [key.state for key in (await story.record()).keys] == [KeyState.LIVE]
    assert story.slack.most_tokens_shown == 1
    story.pass_time(TELL_AFTER)
    await story.goes_on()
    ((outage, over_at),) = story.slack.outages
    assert (outage.key, over_at) == (f"forward_away {PLACE}", None)
    said = notifications.outage(outage, None).text
    assert "I can't forward the audit to siem.example.com (https). It doesn't answer. Check that it runs" in said
    assert "The rows wait in the database. I'm still trying" in said
    assert story.there.tries < 40, "it is asked less and less often"
    with story.store.reading() as tx:
        (waiting,) = [one for one in outbox.effects(tx, EffectState.OPEN) if one.kind is EffectKind.FORWARD_AUDIT]
    assert waiting.attempts > 2
    story.there.away = None
    story.pass_time(timedelta(minutes=2))
    await story.goes_on()
    assert story.there.got == list(range(1, story.newest() + 1))
    assert [over is not None for _, over in story.slack.outages] == [False, True]


async def test_what_waited_for_long_goes_out_in_bounded_parts(
    story: Forwarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many rows there are, each pass takes a batch."""
    monkeypatch.setattr(forward_audit, "BATCH", 4)
    story.there.away = Transient("forward_away", "HTTP 503")
    await story._ask()
    for approver in ("BOB", "CAROL"):
        await story._approve(approver)
    await story.goes_on()
    story.there.away = None
    story.pass_time(timedelta(minutes=2))
    await story.goes_on()
    assert story.newest() > 4
    assert story.there.got == list(range(1, story.newest() + 1))
    assert story.there.largest == 4


async def test_a_place_that_is_no_longer_named_is_left_alone_and_goes_on_later(story: Forwarded) -> None:
    """Nothing is sent and nothing fails; named again, it gets what it lacks."""
    await story._ask()
    story.worker.ports = Ports(story.slack, story.tyk, story.worker.ports.seal, story.worker.ports.in_force)
    await story.goes_on()
    assert story.there.tries == 0
    story.start()
    await story.goes_on()
    assert story.there.got == list(range(1, story.newest() + 1))


async def test_a_place_that_one_replica_does_not_know_is_left_to_the_other(story: Forwarded) -> None:
    """It was started before the configuration named the place, and takes the promise first."""
    with story.store.transaction() as tx:
        tx.remember(ledger.PLACE, {"forwards": [PLACE]})
    await story._ask()
    known, ports = story.worker.ports, story.worker.ports
    story.worker.ports = Ports(ports.slack, ports.tyk, ports.seal, ports.in_force)
    story.pass_time(MOMENT)
    await story.worker.drain()
    assert story.there.tries == 0
    story.worker.ports = known
    await story.goes_on()
    assert story.there.got == list(range(1, story.newest() + 1))


async def test_a_row_that_is_written_while_others_are_sent_goes_out_next(story: Forwarded) -> None:
    """Also where none was waiting: the promise of the new row is that which is being kept."""
    await story._ask()
    await story.goes_on()
    with story.store.transaction() as tx:
        tx.promise(Promise(EffectKind.FORWARD_AUDIT, PLACE, tx.now))
    claim = await story.worker.claim()
    assert claim is not None
    assert (claim.effect.kind, claim.found) == (EffectKind.FORWARD_AUDIT, [])
    with story.store.transaction() as tx:
        tx.audit(AuditLine(AuditEvent.CONFIGURED, None, {"digest": "0123"}), None)
    await story.worker.keep(claim)
    await story.goes_on()
    assert story.there.got == list(range(1, story.newest() + 1))


async def test_the_bot_writes_each_row_into_the_file_that_its_configuration_names(tmp_path: Path) -> None:
    """Alice gets a token for an API that asks nobody, and each step of that stands in the file."""
    path = tmp_path / "audit.jsonl"
    async with living(
        tmp_path, change=lambda text: f"audit: {{forward: [{{to: file, path: {path}}}]}}\n{text}"
    ) as world:
        await world.asks("alice", "test-api")
        await world.told("sent")
        newest = (await world.trail())[-1].number
        while not path.exists() or f'"number":{newest}' not in path.read_text():  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.02)
        assert world.slack.app_errors == []
    numbers = [json.loads(line)["row"]["number"] for line in path.read_text().splitlines()]
    assert numbers[:newest] == list(range(1, newest + 1))
