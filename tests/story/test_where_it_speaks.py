"""Where it speaks: nothing about a request goes where another company reads along, whenever that began."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from bot.core.faults import Transient
from bot.local.slack import LocalSlack
from bot.local.tyk import LocalTyk
from bot.store import troubles
from tests.log import Log, lines
from tests.story import REASON, asked, becomes, card, everything, heard, status
from tests.world import World, living


def _shared(slack: LocalSlack, _tyk: LocalTyk) -> None:
    slack.workspace.channel("approvals").is_ext_shared = True


def _posts(world: World, channel: str) -> list[str]:
    return [everything(one) for one in world.person("carol").messages(channel)]


async def test_no_card_goes_where_another_company_reads_along(tmp_path: Path, log: Log) -> None:
    """Shared from the start: the card waits, the operator is told once, and it goes out when the channel is private."""
    async with living(tmp_path, prepare=_shared) as world:
        await world.asks("alice", "payments", plan="standard")
        told = await world.person("carol").sees("Another company can read it.", channel="help")
        assert "<#C0APPROVALS>" in told.shown
        await world.running.worker.drain()
        assert _posts(world, "approvals") == []
        assert [one["channel"] for one in lines(log, event="channel.shared", log_level="warning")] == ["C0APPROVALS"]
        await status(world, "alice", "needs to approve this.")
        world.slack.workspace.share("approvals", shared=False)
        await heard(world)
        await world.pass_time(timedelta(minutes=10))
        await world.person("bob").clicks("Approve", await card(world))
        await world.token_of("alice")
        began = [one for one in _posts(world, "help") if "Another company" in one and "Over since" not in one]
        assert len(began) == 1, "it may be told as over by now, which says the same sentence"
        assert not told.deleted
        assert world.slack.app_errors == []


async def test_a_channel_that_is_shared_later_hears_nothing_more(tmp_path: Path) -> None:
    """The card that stands is not edited, no reason of an audit line is posted, nor who holds what, until it is private again."""
    async with living(tmp_path) as world:
        shown = await asked(world)
        await world.told("asked")
        for channel in ("approvals", "audit"):
            world.slack.workspace.share(channel)
        await heard(world)
        before = _posts(world, "approvals"), _posts(world, "audit")
        await world.person("bob").clicks("Approve", shown)
        await world.token_of("alice")
        for channel in ("C0APPROVALS", "C0AUDIT"):  # each was tried
            await world.person("carol").sees(f"I can't post in <#{channel}>. Another company", channel="help")
        await world.running.worker.drain()
        assert (_posts(world, "approvals"), _posts(world, "audit")) == before
        world.slack.workspace.share("help")
        await heard(world)
        with pytest.raises(Transient, match="can be read by another company"):
            await world.running.worker.ports.slack.tell_findings((), 1)
        world.slack.workspace.share("help", shared=False)
        for channel in ("approvals", "audit"):
            world.slack.workspace.share(channel, shared=False)
        await heard(world)
        await world.pass_time(timedelta(minutes=10))
        await becomes(world.person("bob"), shown, "Approved by <@U0BOB>")
        await world.told("approved")
        assert world.slack.app_errors == []


async def test_where_slack_cannot_say_who_reads_nothing_is_posted(tmp_path: Path) -> None:
    """What cannot be looked at is not called private: the card comes when Slack has answered."""
    async with living(tmp_path) as world:
        await world.told("configured")
        await world.pass_time(timedelta(minutes=2))
        fault = world.slack.faults.next("conversations.info", error="internal_error", times=None)
        await world.asks("alice", "payments", plan="standard", reason=REASON)
        await status(world, "alice", "needs to approve this.")
        await world.running.worker.drain()
        assert [one for one in _posts(world, "approvals") if REASON in one] == []
        assert fault.times is None
        world.slack.faults.clear()
        await world.pass_time(timedelta(minutes=10))
        await card(world)


async def test_a_card_follows_the_channel_where_it_is_decided(tmp_path: Path) -> None:
    """Alice's card moves to the channel that is named now, and the old one says where; of one that was archived no edit is owed.
    What comes later about the request stands under the new card, and the audit links to it."""
    async with living(tmp_path) as world:
        bob, place = world.person("bob"), world.slack.workspace
        old = await asked(world)
        for name in ("decisions", "rulings"):
            place.add_channel(name, id=f"C0{name.upper()}", members=["bob", "carol"])

        def named(channel: str) -> None:
            world.configure(lambda text: re.sub("approvals_channel: .*", f"approvals_channel: {channel}", text))

        named("C0DECISIONS")
        new = await bob.sees(lambda one: "· R-1001" in one.shown and "Approve" in one.labels, channel="decisions")
        left = await becomes(world.person("carol"), old, "It is decided in <#C0DECISIONS> now.")
        assert left.labels == []
        place.channel("decisions").is_archived = True
        named("C0RULINGS")
        newest = await bob.sees(lambda one: "· R-1001" in one.shown and "Approve" in one.labels, channel="rulings")
        await world.pass_time(timedelta(days=6, hours=12))
        await bob.sees(lambda one: one.thread_ts == newest.ts, channel="rulings")
        await bob.clicks("Approve", newest)
        await world.token_of("alice")
        await world.told("approved")
        link = newest.ts.replace(".", "")
        assert [one for one in _posts(world, "audit") if f"C0RULINGS/p{link}" in one] != []
        assert new.channel == "C0DECISIONS"
        await world.running.worker.drain()
        with world.running.store.reading() as tx:
            assert troubles.failing(tx) == ()
        assert world.slack.app_errors == []
