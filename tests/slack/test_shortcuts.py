"""Shortcuts, and the words after the command: the form, with what is already known filled in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.core.model import Audience
from bot.local.slack import LocalSlack
from bot.local.tyk import LocalTyk
from bot.slack.catalogue import Catalogue
from bot.slack.entry_points import built_link
from bot.slack.listeners import TOO_FAST
from tests.slack.test_catalogue import book, many, person
from tests.slack.test_modals import rule
from tests.story import of_event, opens_list, picks_api, reads
from tests.world import World, living

Json = dict[str, Any]
GLOBAL, OF_MESSAGE = "Request a token", "Request a token for this"


def initial(view: Json, block_id: str) -> Any:
    """What a field of the form begins with."""
    element = next(one["element"] for one in view["blocks"] if one["block_id"] == block_id)
    option = element.get("initial_option")
    return option["value"] if option else element.get("initial_value")


# --- shortcuts --------------------------------------------------------------------------------------------------------


async def test_the_shortcut_opens_the_form(tmp_path: Path) -> None:
    """From anywhere, and what is sent there is a request like any other."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        assert (await alice.uses_shortcut(GLOBAL)).error is None
        await alice.sees_view("API")
        await picks_api(alice, "test-api")
        await alice.types("reason", "to build the checkout")
        assert (await alice.submits()).response_action == "update"
        assert await world.token_of("alice")
        assert world.slack.app_errors == []


async def test_the_shortcut_of_a_message_gives_its_address_as_the_reason(tmp_path: Path) -> None:
    """What somebody wrote in a channel that the bot is in: Slack says its address, and the form keeps it until it is sent."""
    async with living(tmp_path) as world:
        alice, bob = world.person("alice"), world.person("bob")
        message = await bob.says("The checkout needs a token", "help")
        await alice.uses_shortcut(OF_MESSAGE, message)
        await alice.sees_view("API")
        link = f"https://sandbox.slack.com/archives/C0HELP/p{message.ts.replace('.', '')}"
        assert initial(await picks_api(alice, "payments"), "reason") == link
        await alice.picks("plan", "standard")
        assert (await alice.submits()).response_action == "update"
        (asked,) = await of_event(world, "asked")
        assert asked.details["reason"] == link
        assert [one.name for one in world.slack.journal.calls() if one.name == "chat.getPermalink"] == [
            "chat.getPermalink"
        ]
        assert world.slack.app_errors == []


def _elsewhere(slack: LocalSlack, _tyk: LocalTyk) -> None:
    """A private channel that the bot is not in."""
    slack.workspace.add_channel("checkout", members=("alice", "bob"), is_private=True, bot_is_member=False)


async def test_where_the_bot_is_not_the_address_is_put_together(tmp_path: Path) -> None:
    """Slack does not tell the bot of a channel that it is not in, and it need not be: the address is known all the same."""
    async with living(tmp_path, prepare=_elsewhere) as world:
        alice = world.person("alice")
        message = await world.person("bob").says("The checkout needs a token", "checkout")
        await alice.uses_shortcut(OF_MESSAGE, message)
        await alice.sees_view("API")
        link = f"https://sandbox.slack.com/archives/C0CHECKOUT/p{message.ts.replace('.', '')}"
        assert initial(await picks_api(alice, "ledger"), "reason") == link
        assert world.slack.app_errors == []


@pytest.mark.parametrize(
    ("domain", "message", "link"),
    [
        ("acme", {"ts": "1.2"}, "https://acme.slack.com/archives/C1/p12"),
        ("acme.enterprise", {"ts": "1.2"}, "https://acme.enterprise.slack.com/archives/C1/p12"),
        ("acme", {"ts": "1.2", "thread_ts": "1.2"}, "https://acme.slack.com/archives/C1/p12"),
        ("acme", {"ts": "3.4", "thread_ts": "1.2"}, "https://acme.slack.com/archives/C1/p34?thread_ts=1.2&cid=C1"),
        (None, {"ts": "1.2"}, ""),
        ("evil.example/", {"ts": "1.2"}, ""),
    ],
)
def test_an_address_as_slack_writes_it(domain: Any, message: Json, link: str) -> None:
    """A reply names its thread; without a domain to rely on there is none."""
    assert built_link(domain, "C1", message) == link


async def test_who_may_not_use_the_bot_is_told_so(tmp_path: Path) -> None:
    """Gwen is a guest: a sentence, and no form."""
    async with living(tmp_path) as world:
        gwen = world.person("gwen")
        await gwen.uses_shortcut(GLOBAL)
        assert "you're a guest here" in reads(await gwen.sees_view("Only for full members"))
        assert world.slack.app_errors == []


async def test_shortcuts_are_paid_for_like_commands(tmp_path: Path) -> None:
    """Beyond the burst there is one answer, once, and no form."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        for _ in range(20):
            await alice.uses_shortcut(GLOBAL)
            await alice.sees_view("Request a token")
        await alice.closes()
        for _ in range(3):
            await alice.uses_shortcut(GLOBAL)
        assert TOO_FAST in reads(await alice.sees_view("Too fast"))
        opened = [one for one in world.slack.journal.calls() if one.name == "views.open"]
        assert len(opened) <= 22
        assert world.slack.app_errors == []


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["payments", "PAYMENTS", "  Payments ", "pay"])
async def test_the_name_of_an_api_opens_its_form(tmp_path: Path, words: str) -> None:
    """By name or title, whatever its case, or how it begins where that is clear."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await alice.runs("/tyk-key", words)
        view = await alice.sees_view(lambda view: any(one["block_id"] == "about:payments" for one in view["blocks"]))
        assert initial(view, "api") == "payments"
        assert world.slack.app_errors == []


async def _says(world: World, who: str, words: str) -> str:
    outcome = await world.person(who).runs("/tyk-key", words)
    assert outcome.message is not None
    assert outcome.message.ephemeral_to == world.person(who).id
    assert world.person(who).view is None
    return outcome.message.shown


async def test_words_that_several_begin_with_ask_which(tmp_path: Path) -> None:
    """Each with a button that opens its form."""

    def two(text: str) -> str:
        return text.replace("title: Ledger", "title: Payroll")

    async with living(tmp_path, change=two) as world:
        said = await _says(world, "alice", "pay")
        assert "Several APIs begin with “pay”. Which one?" in said
        assert ("*Payments*" in said, "*Payroll*" in said) == (True, True)
        alice = world.person("alice")
        (block,) = [one for one in alice.messages()[-1].blocks if "Payroll" in str(one)]
        await alice.clicks((block["block_id"], "request:new"), alice.messages()[-1])
        await alice.sees_view(lambda view: any(one["block_id"] == "about:ledger" for one in view["blocks"]))
        assert world.slack.app_errors == []


async def test_a_slip_of_the_pen_names_the_nearest(tmp_path: Path) -> None:
    """Only among what this person may request: of Payments Carol learns nothing."""
    async with living(tmp_path) as world:
        assert "Did you mean *Payments*?" in await _says(world, "alice", "paymnets")
        carols = await _says(world, "carol", "paymnets")
        assert carols.startswith("I don't know “paymnets”. Try `/tyk-key` to request a token")
        assert "Payments" not in carols
        assert "Payments" not in await _says(world, "carol", "payments")
        assert world.slack.app_errors == []


async def test_help_has_a_button_for_each_command(tmp_path: Path) -> None:
    """They do what the words do."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await _says(world, "alice", "help")
        told = alice.messages()[-1]
        assert told.labels == ["Request a token", "Open list"]
        await alice.clicks("Request a token", told)
        await alice.sees_view("API")
        await alice.closes()
        await alice.clicks("Open list", told)
        await alice.sees_view("Requests and tokens")
        await alice.closes()
        await opens_list(alice)
        assert world.slack.app_errors == []


async def test_help_shows_the_look_up_to_who_may_look(tmp_path: Path) -> None:
    """Bob approves: his button opens who holds what; Alice has none."""
    async with living(tmp_path) as world:
        assert "See who holds a token" not in await _says(world, "alice", "help")
        assert "See who holds a token" in await _says(world, "bob", "help")
        bob = world.person("bob")
        await bob.clicks("Look it up", bob.messages()[-1])
        await bob.sees_view("Nobody holds a token for")
        assert world.slack.app_errors == []


def test_a_name_is_found_whole_before_it_is_found_as_a_beginning() -> None:
    """`pay` is the API of that name although others begin so; what is not offered is not found."""
    devs = Audience(groups=frozenset({"S0DEVS"}))
    catalogue = Catalogue(
        book(
            rule(name="pay", title="Cash"),
            rule(name="payroll", title="Payroll"),
            rule(name="p", title="Pays", requesters=devs),
        )
    )
    assert [one.name for one in catalogue.called(person(), "Pay", 5)] == ["pay"]
    assert [one.name for one in catalogue.called(person(), "payr", 5)] == ["payroll"]
    assert [one.name for one in catalogue.called(person(), "ay", 5)] == []
    assert [one.name for one in catalogue.called(person(), "pays", 5)] == []
    assert [one.name for one in catalogue.called(person("S0DEVS"), "pays", 5)] == ["p"]
    assert len(Catalogue(book(*many(40))).called(person("S0DEVS"), "service", 6)) == 6


def test_the_nearest_is_one_that_looks_alike() -> None:
    """By title or name; where nothing does, there is none."""
    catalogue = Catalogue(book(rule(name="payments", title="Money"), rule(name="ledger", title="Ledger")))
    nearest = catalogue.nearest(person(), "Leger")
    assert nearest is not None
    assert nearest.name == "ledger"
    assert catalogue.nearest(person(), "zzzz") is None
