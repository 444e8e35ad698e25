"""Who does the tour's steps: the sandbox's own people, or the first of somebody's own who may."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from bot import config
from bot.local.world import CAST, CONFIG, Cast, world
from bot.local.world import World as SandboxWorld
from bot.sandbox.people import EXAMPLE, cast_for
from bot.sandbox.roles import NOBODY, Roles, roles
from bot.sandbox.tour import Story, tour
from tests.world import living

LEDGER = 'approvers: ["@payments-leads"]\n    approvals: 2'


async def found(change: Callable[[str], str] = lambda text: text, cast: Cast = CAST) -> Roles | None:
    async with world([], cast=cast) as place:
        return roles(config.parse(change(place.config())), place.slack.workspace)


def names(who: Roles | None) -> tuple[str, str, list[str], tuple[str, str], str | None]:
    assert who is not None
    auditor = who.auditor[0].name if who.auditor else None
    return who.rule.name, who.asker.name, [one.name for one in who.approvers], who.rooms, auditor


def two_approvals_or_none(text: str) -> str:
    return text.replace('approvers: ["@payments-leads"]\n    plans', LEDGER + "\n    plans")


def without_approvals(text: str) -> str:
    return re.sub(r'requesters: \["@payments-devs"\]', "requesters: [U0OSCAR]", text)


def for_one_approver(text: str) -> str:
    """The leads alone decide, in the channel of the people's file."""
    text = text.replace("C0APPROVALS", "C0APPROVE").replace("approvals: 2", "approvals: 1")
    return text.replace("@api-owners", "@payments-leads")


async def test_alice_asks_bob_approves_and_carol_reads() -> None:
    """The sandbox's own people: the API that takes one approval, before the one that takes none and the one that takes two."""
    assert names(await found()) == ("payments", "alice", ["bob"], ("general", "approvals"), "carol")


async def test_of_somebodys_own_people_the_first_who_may(tmp_path: Path) -> None:
    """The people of a file, under the sandbox's rules."""
    people = tmp_path / "people.yaml"
    people.write_text(EXAMPLE + "  audit: {id: C0AUDIT, members: [ann]}\n  help: {id: C0HELP, members: [ann]}\n")
    cast = cast_for(config.parse(for_one_approver(CONFIG.read_text().replace("GATEWAY", "http://127.0.0.1"))), people)
    assert names(await found(for_one_approver, cast)) == ("payments", "ann", ["ben"], ("general", "approvals"), "ann")


async def test_as_many_approve_as_it_takes_and_nobody_where_it_takes_none() -> None:
    """Two for one that takes two; for the Test API there is no such step."""
    assert names(await found(two_approvals_or_none))[2] == ["bob", "carol"]
    assert names(await found(without_approvals)) == ("test-api", "alice", [], ("general", "approvals"), "carol")


async def test_where_nobody_may_there_is_a_sentence() -> None:
    """Nobody asks, or nobody can be seen to approve, or the reason would have to be made up."""
    changes: list[Callable[[str], str]] = [
        lambda text: re.sub(r"requesters: .*", "requesters: [U0OSCAR]", text),
        lambda text: without_approvals(text).replace("[everyone]", "[U0OSCAR]"),
    ]
    for change in changes:
        assert await found(change) is None
    async with world([]) as place:
        shown = tour(place, config.parse(changes[0](place.config())))
    assert shown.shown() == {"steps": [], "farewell": NOBODY}


async def test_two_approve_one_after_the_other(tmp_path: Path) -> None:
    """Each step is done when its person has approved, and the last one with the key."""
    async with living(tmp_path, change=two_approvals_or_none) as bot:
        place = SandboxWorld(bot.slack, bot.tyk)
        cast = roles(config.parse(two_approvals_or_none(place.config())), bot.slack.workspace)
        assert cast is not None
        steps = list(Story(place, "/tyk-key", cast, pace=0).steps())
        titles = [
            "Ask as Alice",
            "Approve as Bob",
            "Approve as Carol",
            "See the token as Alice",
            "Read the audit as Carol",
        ]
        assert [step.title for step in steps] == titles
        doing = [(step.does, step.is_done) for step in steps if step.does is not None and step.is_done is not None]
        for number, (does, is_done) in enumerate(doing):
            assert not is_done()
            await does()
            assert [one() for _, one in doing] == [True] * (number + 1) + [False] * (len(doing) - number - 1)
        assert await bot.token_of("alice")
        assert bot.slack.app_errors == []
