"""Names in the file are looked up once: what one of them means later is told, and not followed."""

from __future__ import annotations

from pathlib import Path

from bot import config, online_check
from bot.local.slack import LocalSlack
from bot.local.tyk import LocalTyk
from bot.local.world import CONFIG
from tests.story import of_event
from tests.world import World, living

LEADS, DEVS, OWNERS = "@payments-leads", "@payments-devs", "@api-owners"
BEFORE = {LEADS: "S0LEADS", DEVS: "S0DEVS", OWNERS: "S0OWNERS"}
FILE = config.parse(CONFIG.read_text().replace("GATEWAY", "http://127.0.0.1"))


def test_a_name_that_is_new_is_what_slack_says_it_is() -> None:
    """The first time there is nothing to hold to."""
    assert online_check.moved(FILE, {}, BEFORE) == (BEFORE, ())


def test_a_name_that_means_another_group_now_is_not_followed() -> None:
    """Somebody gave the leads' handle to a group of their own: the leads stay who they were, and it is said what to do."""
    names, (strayed,) = online_check.moved(FILE, BEFORE, {**BEFORE, LEADS: "S0MALLORY"})
    assert names == BEFORE
    assert str(strayed) == (
        "@payments-leads meant S0LEADS and means S0MALLORY in Slack now: it still stands for S0LEADS here. "
        "If the new one is meant, write S0MALLORY into the file."
    )


def test_a_name_that_slack_does_not_know_any_more_stands_for_what_it_meant() -> None:
    """A group that was renamed is still that group."""
    names, (strayed,) = online_check.moved(FILE, BEFORE, {DEVS: "S0DEVS", OWNERS: "S0OWNERS"})
    assert names == BEFORE
    assert str(strayed).endswith("Slack does not know it any more: it still stands for S0LEADS here. Correct the file.")


def test_a_name_that_the_file_no_longer_has_is_forgotten() -> None:
    """Who takes a name out of the file, and later puts it in again, means what it means then."""
    assert online_check.moved(FILE, {**BEFORE, "@old": "S0OLD"}, BEFORE) == (BEFORE, ())


async def test_a_handle_that_was_taken_over_makes_nobody_an_approver(tmp_path: Path) -> None:
    """While the bot is off, the leads are renamed and Mallory's group takes their handle: the audit says so once, at each start
    the same people decide."""
    async with living(tmp_path) as world:
        assert _approvers(world) == {"S0LEADS"}
    for _ in range(2):
        async with living(tmp_path, prepare=_taken_over) as world:
            assert _approvers(world) == {"S0LEADS"}
            assert [entry.details for entry in await of_event(world, "name moved")] == [
                {"name": LEADS, "meant": "S0LEADS", "means": "S0MALLORY"}
            ]
    async with living(tmp_path, prepare=_taken_over, change=_confirmed) as world:
        assert _approvers(world) == {"S0MALLORY"}


def _taken_over(slack: LocalSlack, _tyk: LocalTyk) -> None:
    slack.workspace.group("payments-leads").handle = "old-leads"
    slack.workspace.add_user("mallory")
    slack.workspace.add_group("payments-leads", id="S0MALLORY", members=["mallory", "dave"])


def _confirmed(text: str) -> str:
    """A person wrote the new group's id into the file."""
    return text.replace(f'"{LEADS}"', "S0MALLORY")


def _approvers(world: World) -> frozenset[str]:
    return world.running.worker.ports.in_force.current.rules["payments"].approvers.groups
