"""Extend and Change plan: the same token for longer or under another plan, asked for and decided as a new request would be."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from bot.local.slack import Message
from bot.reports import story
from bot.sandbox.demos.reading import has_block
from tests.story import (
    View,
    card,
    denies,
    granted,
    is_told,
    labels,
    lists,
    of_event,
    opens,
    opens_list,
    options,
    reads,
    status,
)
from tests.world import World, living

DAY = timedelta(days=1)
WEEK, MONTH = "604800", "2592000"


async def _extends(world: World, lifetime: str = MONTH, *, button: str = "Extend") -> View:
    """Alice presses Extend on the status of what she holds, and fills in the form."""
    alice = world.person("alice")
    await alice.clicks(button, await status(world, "alice", button))
    view = await alice.sees_view(lambda one: has_block(one, "about:payments"))
    await alice.picks("lifetime", lifetime)
    await alice.types("reason", "the load test takes longer")
    return view


async def _sends(world: World, said: str = "Request sent") -> str:
    alice = world.person("alice")
    assert (await alice.submits()).response_action == "update"
    told = reads(await alice.sees_view(said))
    await alice.closes()
    return told


async def _waits(world: World) -> str:
    """Alice has had a token of a week for five days, and her request for more time waits. Returns the token."""
    token = await granted(world, lifetime=WEEK)
    await world.pass_time(5 * DAY)
    await _extends(world)
    await _sends(world)
    return token


async def _kept(world: World) -> None:
    await world.running.worker.drain()


async def _extension_card(world: World, who: str = "bob") -> Message:
    return await card(world, who, containing="extend R-1001")


# --- more time --------------------------------------------------------------------------------------------------------


async def test_a_token_is_extended_by_an_approval(tmp_path: Path) -> None:
    """Two days before the end Alice asks for a month more, Bob approves; her token opens after the old end, and until the new."""
    async with living(tmp_path) as world:
        alice, bob = world.person("alice"), world.person("bob")
        token = await granted(world, lifetime=WEEK)
        await world.pass_time(5 * DAY)
        form = await _extends(world)
        assert "Extend R-1001" in reads(form)
        assert "The token stays the same." in reads(form)
        assert "needs to approve this." in reads(form)
        assert not has_block(form, "api")
        assert options(form, "lifetime:payments") == [WEEK, MONTH]
        assert "R-1002" in await _sends(world)
        await bob.clicks("Approve", await _extension_card(world))
        ring = await alice.rung("Your access to Payments (R-1001) now lasts until")
        assert "Your token stays the same." in ring.text
        shown = await status(world, "alice", "Extended by R-1002.")
        assert "Extend" in shown.labels
        await _kept(world)
        assert len(world.tyk.usable_keys()) == 1
        await world.pass_time(3 * DAY)
        await _kept(world)
        assert opens(world, token)
        await world.pass_time(27 * DAY)
        await world.told("expired")
        await world.told("key deleted")
        world.tyk.forget_sessions()
        assert not opens(world, token)
        assert [entry.request_number for entry in await of_event(world, "extended")] == [1001]
        with world.running.store.reading() as tx:
            held, by = tx.numbered(1001), tx.numbered(1002)
        assert held is not None
        assert by is not None
        assert "extended by R-1002" in "\n".join(story(held, (), ()))
        assert "extends R-1001" in "\n".join(story(by, (), ()))
        assert world.slack.app_errors == []


async def test_an_extension_without_approval_is_there_at_once(tmp_path: Path) -> None:
    """An API that needs none extends as it grants: nobody is asked, Alice's phone rings once, and no second key is made."""

    def at_once(text: str) -> str:
        return text.replace('["@payments-leads"]\n    plans', '["@payments-leads"]\n    approvals: 0\n    plans')

    async with living(tmp_path, change=at_once) as world:
        alice = world.person("alice")
        await world.asks("alice", "payments", plan="standard", lifetime=WEEK)
        token = await world.token_of("alice")
        await alice.closes()
        await world.told("sent")
        await world.pass_time(5 * DAY)
        await world.told("hidden")
        rings = len(alice.rings)
        form = await _extends(world)
        assert "No approval needed: it is extended right away." in reads(form)
        assert "when R-1001 is extended" in await _sends(world, "Extending")
        await alice.rung("Your access to Payments (R-1001) now lasts until")
        await _kept(world)
        assert len([ring for ring in alice.rings[rings:] if "lasts until" in ring.text]) == 1
        await world.pass_time(3 * DAY)
        await _kept(world)
        assert opens(world, token)
        assert (await world.events()).count("key created") == 1
        assert world.slack.app_errors == []


async def test_a_denied_extension_changes_nothing(tmp_path: Path) -> None:
    """Bob says no and why: Alice reads it, and her token ends when it was to end."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        token = await _waits(world)
        await denies(world, "bob", await _extension_card(world), "use staging")
        await alice.rung("was denied by")
        assert opens(world, token)
        await world.pass_time(2 * DAY)
        await world.told("key deleted")
        world.tyk.forget_sessions()
        assert not opens(world, token)


async def test_an_extension_expires_with_what_it_would_extend(tmp_path: Path) -> None:
    """Nobody decides: both are over at the old end, and Alice hears of it."""
    async with living(tmp_path) as world:
        token = await _waits(world)
        await _extension_card(world)
        await world.pass_time(2 * DAY)
        await world.told("lapsed")
        await world.told("key deleted")
        world.tyk.forget_sessions()
        assert not opens(world, token)


# --- the list and the reminder ----------------------------------------------------------------------------------------


async def test_the_reminder_and_the_list_have_the_button(tmp_path: Path) -> None:
    """Alice presses Extend on the reminder of the end; the list shows what she asked for, beside what she holds."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await granted(world, lifetime=MONTH)
        await world.pass_time(29 * DAY)
        reminder = await alice.sees("unless you extend it", channel="dm")
        await alice.clicks("Extend", reminder)
        await alice.sees_view("Extend R-1001")
        await alice.types("reason", "still in use")
        await _sends(world)
        assert "Extend" in labels(await opens_list(alice))
        assert "extends R-1001" in reads(await lists(alice, "R-1002"))


async def test_one_extension_at_a_time(tmp_path: Path) -> None:
    """While one waits, pressing Extend again says which; withdrawn, another can be asked for."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await _waits(world)
        await alice.clicks("Extend", await status(world, "alice", "Extend"))
        await is_told(alice, "R-1002 already asks to extend R-1001.")
        await alice.clicks("Withdraw", await status(world, "alice", "needs to approve this.", "R-1002"))
        await world.told("withdrawn")
        await _extends(world)
        assert "R-1003" in await _sends(world)


# --- no ---------------------------------------------------------------------------------------------------------------


async def test_one_token_lasts_so_long_in_all(tmp_path: Path) -> None:
    """The file allows one token 780 hours: five days before the end of a month a week is offered, and a month is not."""

    def bounded(text: str) -> str:
        return text.replace("title: Payments\n", "title: Payments\n    max_total: 780h\n")

    async with living(tmp_path, change=bounded) as world:
        alice = world.person("alice")
        await granted(world, lifetime=MONTH)
        await world.pass_time(25 * DAY)
        await alice.clicks("Extend", await status(world, "alice", "Extend"))
        form = await alice.sees_view("Extend R-1001")
        assert "7 days" in reads(form)
        assert "30 days" not in reads(form)
        await alice.types("reason", "a little longer")
        await _sends(world)
        await world.person("bob").clicks("Approve", await _extension_card(world))
        await alice.rung("now lasts until")
        await world.pass_time(6.9 * DAY)
        await alice.clicks("Extend", await status(world, "alice", "Extended by R-1002."))
        await is_told(alice, "One token for Payments may last 780 hours in all")


async def test_who_lost_the_right_is_not_extended(tmp_path: Path) -> None:
    """Alice left the developers while Bob thought about it: his approval extends nothing, and she hears why."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        token = await _waits(world)
        request = await _extension_card(world)
        world.slack.workspace.set_group_members("payments-devs", ["dave"])
        world.running.directory.forget_groups()
        await world.person("bob").clicks("Approve", request)
        ring = await alice.rung("R-1001 (Payments) was not extended, although R-1002 was approved")
        assert "What you have stays as it was." in ring.text
        await status(world, "alice", "R-1001 was not extended", "R-1002")
        assert [entry.details["step"] for entry in await of_event(world, "refused")] == ["before it is extended"]
        await world.pass_time(2 * DAY)
        await world.told("key deleted")
        world.tyk.forget_sessions()
        assert not opens(world, token)


async def test_what_was_revoked_cannot_be_extended(tmp_path: Path) -> None:
    """Alice revoked her token while its extension waited: Bob's click is answered with that, and grants nothing."""
    async with living(tmp_path) as world:
        alice, bob = world.person("alice"), world.person("bob")
        await _waits(world)
        request = await _extension_card(world)
        await alice.clicks("Revoke", await status(world, "alice", "Revoke"))
        await world.told("key deleted")
        await bob.clicks("Approve", request)
        await is_told(bob, "R-1001 has already ended. There is nothing left to extend.")
        assert not await of_event(world, "extended")
        assert world.tyk.usable_keys() == []


async def test_tyk_is_told_when_it_is_back(tmp_path: Path) -> None:
    """Tyk is away when the extension is approved: the token has its old end there, and the new one once Tyk answers."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        token = await _waits(world)
        request = await _extension_card(world)
        world.tyk.faults.next("PUT /api/keys", status=503, times=1000)
        await world.person("bob").clicks("Approve", request)
        await alice.rung("now lasts until")
        world.tyk.faults.clear()
        await world.pass_time(timedelta(minutes=10))
        await _kept(world)
        await world.pass_time(3 * DAY)
        await _kept(world)
        assert opens(world, token)
        assert world.slack.app_errors == []


# --- another plan -----------------------------------------------------------------------------------------------------


async def test_a_token_gets_another_plan(tmp_path: Path) -> None:
    """Alice asks for gold, which opens the Ledger and needs two approvals: the token she has opens it then."""
    async with living(tmp_path) as world:
        alice, bob, carol = (world.person(name) for name in ("alice", "bob", "carol"))
        token = await granted(world, lifetime=WEEK)
        assert world.tyk.opens(token, "/ledger/")[0] != 200
        form = await _extends(world, WEEK, button="Change plan")
        assert "Change plan of R-1001" in reads(form)
        assert "Its plan changes to gold" in reads(form)
        await _sends(world)
        request = await _extension_card(world)
        await bob.clicks("Approve", request)
        await carol.clicks("Approve", await _extension_card(world, "carol"))
        await alice.rung("now lasts until")
        await _kept(world)
        assert world.tyk.opens(token, "/ledger/")[0] == 200
        assert opens(world, token)
        shown = await status(world, "alice", "Extended by R-1002.")
        assert "gold" in shown.shown
        assert [entry.details["plan"] for entry in await of_event(world, "extended")] == ["gold"]
        assert world.slack.app_errors == []
