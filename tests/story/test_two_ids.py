"""On Enterprise Grid Slack has two ids for one person: whatever they hold is found by either, and the file's old ids are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.core.model import EffectKind, Promise
from bot.effects.sweep_leavers import EVERYBODY
from bot.local.slack import LocalSlack
from bot.local.tyk import LocalTyk
from tests.log import Log, lines, logged
from tests.running import quiet, verb
from tests.story import another_token, asked, dies, granted, lists, opens_list, tokens
from tests.world import World, living

BY_ID = "approvers: [U0BOB, U0CAROL, W0DAVE]"


def of_an_organisation(slack: LocalSlack, _tyk: LocalTyk) -> None:
    slack.workspace.join_organisation("E0OURS")


def by_id(text: str) -> str:
    return text.replace('approvers: ["@payments-leads"]', BY_ID)


async def report(folder: Path, capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """What a command prints."""
    capsys.readouterr()
    assert await verb(folder, *argv) == 0
    return capsys.readouterr().out


async def sweeps(world: World) -> None:
    """Everybody who holds something is looked after."""
    with world.running.store.transaction() as tx:
        tx.promise(Promise(EffectKind.SWEEP_LEAVERS, EVERYBODY, tx.now))
    world.running.worker.wake()
    await quiet(world)


@pytest.mark.parametrize("wanted", ["U0ALICE", "W0ALICE"])
async def test_what_somebody_holds_is_found_by_either_id(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wanted: str
) -> None:
    """Alice holds a token; `keys` and `audit` find it by the workspace's id of hers and by the organisation's."""
    async with living(tmp_path, prepare=of_an_organisation) as world:
        await granted(world)
        await quiet(world)
        assert "R-1001" in await report(tmp_path, capsys, "keys", "--person", wanted)
        assert "key created" in await report(tmp_path, capsys, "audit", "--person", wanted)


async def test_who_approved_is_found_by_either_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bob said yes, and the audit finds that."""
    async with living(tmp_path, prepare=of_an_organisation) as world:
        await granted(world)
        for wanted in ("U0BOB", "W0BOB"):
            assert "reviewed" in await report(tmp_path, capsys, "audit", "--person", wanted)


@pytest.mark.parametrize("wanted", ["U0ALICE", "W0ALICE"])
async def test_all_that_somebody_holds_is_revoked_by_either_id(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wanted: str
) -> None:
    """Alice asked for one token before the workspace joined an organisation and for another one after: both end."""
    async with living(tmp_path) as world:
        before = await granted(world)
        world.slack.workspace.join_organisation("E0OURS")
        world.running.directory.forget_person("U0ALICE")
        await asked(world, "alice")
        await sweeps(world)
        environ = {"TYK_DASHBOARD_KEY": world.tyk.credential, "TYK_DASHBOARD_URL": world.tyk.dashboard_url}
        assert await verb(tmp_path, "revoke", "--person", wanted, "--yes", **environ) == 0
        said = capsys.readouterr().out
        assert "R-1002: the request is denied." in said
        assert "Ended: 1. Denied: 1." in said
        await dies(world, before)


async def test_what_was_asked_for_under_the_other_id_is_in_the_list(tmp_path: Path) -> None:
    """The sweep has seen that both are Alice, so her list has what she asked for under the id of then."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await asked(world)
        world.slack.workspace.join_organisation("E0OURS")
        world.running.directory.forget_person("U0ALICE")
        await sweeps(world)
        await opens_list(alice)
        await lists(alice, "R-1001")


async def test_an_old_id_in_the_file_decides_and_is_told(tmp_path: Path, log: Log) -> None:
    """Bob stands there under the workspace's id and Dave under the organisation's: both may approve, and Bob's line is named."""
    async with living(tmp_path, prepare=of_an_organisation, change=by_id) as world:
        for number, who in enumerate(("bob", "dave"), 1):
            had = tokens(world.person("alice"))
            await world.person(who).clicks("Approve", await asked(world))
            await another_token(world, "alice", *had)
            await world.told("sent", number)
        await logged(log, "config.checked")
        stale = [str(one["where"]) for one in lines(log, event="config.doubt") if "a stale id" in str(one["where"])]
        assert [one for one in stale if one.startswith("config.yaml:34:")] == [
            "config.yaml:34:17: U0BOB: a stale id. Slack calls bob W0BOB by now; I take both for the same. Write W0BOB.",
            "config.yaml:34:24: U0CAROL: a stale id. Slack calls carol W0CAROL by now; I take both for the same. Write W0CAROL.",
        ]
