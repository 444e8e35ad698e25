"""Who may use the bot at all: full members of the workspace, as Slack says at that moment, and nobody where it cannot say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bot.core.model import Audience, Rulebook
from bot.local.slack import LocalSlack
from bot.local.tyk import LocalTyk
from bot.slack.answering import CANNOT_SAY
from tests.story import (
    DECIDE,
    REASON,
    another_token,
    becomes,
    card,
    fills_in,
    granted,
    heard,
    of_event,
    opens_form,
    picks_api,
    reads,
    replaces,
    status,
)
from tests.world import World, living

NO_GUESTS = (
    "Only full members of this workspace can use this bot, and you're a guest here. If that's wrong, ask your Slack "
    "admins."
)


def _into_approvals(name: str, kind: str | None = None) -> Callable[[LocalSlack, LocalTyk], None]:
    def prepare(slack: LocalSlack, _tyk: LocalTyk) -> None:
        if kind is not None:
            slack.workspace.add_user(name, kind=kind)
        slack.workspace.channel("approvals").members.append(slack.workspace.user(name).id)

    return prepare


async def _slack_forgets(world: World, name: str) -> None:
    """Something about this person changed, so Slack is asked again the next time."""
    world.slack.workspace.change_user(name, status_text="back at my desk")
    await heard(world)


def _slack_cannot_say(world: World, name: str, times: int | None = None) -> None:
    wanted = world.person(name).id
    world.slack.faults.next(
        "users.info", error="internal_error", times=times, when=lambda args: bool(args["user"] == wanted)
    )


# --- kinds of people --------------------------------------------------------------------------------------------------


async def test_a_guest_is_told_that_only_full_members_may(tmp_path: Path) -> None:
    """Gwen gets a sentence, no form, and the audit a line."""
    async with living(tmp_path) as world:
        gwen = world.person("gwen")
        await gwen.runs("/tyk-key")
        view = await gwen.sees_view("Only for full members")
        assert NO_GUESTS in reads(view)
        await world.told("refused")
        (refused,) = await of_event(world, "refused")
        assert (refused.details["person"], refused.details["step"]) == (gwen.id, "opening")
        helped = await gwen.runs("/tyk-key", "help")
        assert helped.text == NO_GUESTS
        assert world.slack.app_errors == []


async def test_somebody_of_another_company_cannot_press_a_button(tmp_path: Path) -> None:
    """Oscar sees the card in a channel that is shared with his company; his click decides nothing."""
    async with living(tmp_path, prepare=_into_approvals("oscar")) as world:
        oscar = world.person("oscar")
        await world.asks("alice", "payments", plan="standard")
        shown = await card(world)
        for button in ("Approve", "Deny"):
            await oscar.clicks(button, shown)
            view = await oscar.sees_view("Only for members")
            assert "Only members of this workspace can use this bot, and you belong to another one." in reads(view)
            await oscar.closes()
        await world.told("refused")
        assert {entry.details["person"] for entry in await of_event(world, "refused")} == {oscar.id}
        assert shown.labels == DECIDE
        assert "reviewed" not in await world.events()
        assert world.tyk.keys == []
        assert world.slack.app_errors == []


async def test_another_app_cannot_approve(tmp_path: Path) -> None:
    """A bot in the channel presses the button, and is told that only people can."""
    async with living(tmp_path, prepare=_into_approvals("autobot", "bot")) as world:
        robot = world.person("autobot")
        await world.asks("alice", "payments", plan="standard")
        await robot.clicks("Approve", await card(world))
        assert "Only people can use this bot, not other apps." in reads(await robot.sees_view("Only for people"))
        await world.told("refused")
        assert "reviewed" not in await world.events()
        assert world.slack.app_errors == []


async def test_who_became_a_guest_while_the_form_was_open_is_refused(tmp_path: Path) -> None:
    """The gate is asked again when the form is sent, and the audit hears of it."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await opens_form(alice)
        await picks_api(alice, "test-api")
        await alice.types("reason", REASON)
        world.slack.workspace.change_user("alice", is_restricted=True)
        await heard(world)
        outcome = await alice.submits()
        assert outcome.errors == {"api": NO_GUESTS}
        await world.told("refused")
        (refused,) = await of_event(world, "refused")
        assert (refused.details["person"], refused.details["step"]) == (alice.id, "submitting")
        assert "asked" not in await world.events()
        assert world.slack.app_errors == []


async def test_who_was_deactivated_before_the_yes_gets_no_key(tmp_path: Path) -> None:
    """Alice leaves, and before Slack tells of it Bob says yes: no key is made, and the grant ends with the reason."""
    async with living(tmp_path) as world:
        await world.asks("alice", "payments", plan="standard")
        shown = await card(world)
        world.slack.workspace.user("alice").deleted = True
        world.running.directory.forget_person(world.person("alice").id)
        bob = world.person("bob")
        await bob.clicks("Approve", shown)
        ended = await becomes(bob, shown, "This Slack account is deactivated")
        assert "Revoked" in ended.shown
        assert ended.labels == ["Details"]
        await world.told("refused")
        (refused,) = await of_event(world, "refused")
        assert refused.details["step"] == "before the key is made"
        assert refused.details["person"] == world.person("alice").id
        assert world.tyk.keys == []
        assert world.slack.app_errors == []


async def test_who_left_the_group_before_the_yes_gets_no_key(tmp_path: Path) -> None:
    """Alice moves to another team; what she asked for before is not granted any more, and she is told."""
    async with living(tmp_path) as world:
        await world.asks("alice", "payments", plan="standard")
        shown = await card(world)
        world.slack.workspace.set_group_members("payments-devs", ["bob", "dave"])
        await heard(world)
        await world.person("bob").clicks("Approve", shown)
        ring = await world.person("alice").rung("was cancelled")
        assert "can no longer request Payments." in ring.text
        await world.told("refused")
        assert world.tyk.keys == []
        assert world.slack.app_errors == []


async def test_wider_is_not_narrower(tmp_path: Path) -> None:
    """Members of #devs could ask when Alice did, and everybody may by now: that she and the bot have left it changes nothing."""

    def a_channel(slack: LocalSlack, _tyk: LocalTyk) -> None:
        slack.workspace.add_channel("devs", id="C0DEVS", members=["alice"])

    def by_channel(text: str) -> str:
        return text.replace('requesters: ["@payments-devs"]', "requesters: [C0DEVS]", 1)

    async with living(tmp_path, change=by_channel, prepare=a_channel) as world:
        token = await granted(world)
        in_force = world.running.worker.ports.in_force
        wider = replace(in_force.current.rules["payments"], requesters=Audience(everyone=True))
        in_force.current = Rulebook("wider", {**in_force.current.rules, "payments": wider})
        world.slack.workspace.leave("alice", "devs")
        world.slack.workspace.leave("keybot", "devs")
        await heard(world)
        await replaces(world, "alice", "lost")
        await another_token(world, "alice", token)
        assert world.slack.app_errors == []


async def test_who_is_let_in_by_the_file_of_today_is_looked_up_by_it(tmp_path: Path) -> None:
    """Her group could ask when Alice did, and a channel may by now: its members are looked up before her key is made."""

    def a_channel(slack: LocalSlack, _tyk: LocalTyk) -> None:
        slack.workspace.add_channel("devs", id="C0DEVS", members=["alice"])

    async with living(tmp_path, prepare=a_channel) as world:
        await world.asks("alice", "payments", plan="standard")
        shown = await card(world)
        in_force = world.running.worker.ports.in_force
        moved = replace(in_force.current.rules["payments"], requesters=Audience(channels=frozenset({"C0DEVS"})))
        in_force.current = Rulebook("moved", {**in_force.current.rules, "payments": moved})
        await world.person("bob").clicks("Approve", shown)
        await world.token_of("alice")
        assert world.slack.app_errors == []


async def test_an_approver_who_became_a_guest_decides_nothing(tmp_path: Path) -> None:
    """Bob is still in the group, and no full member any more."""
    async with living(tmp_path) as world:
        bob = world.person("bob")
        await world.asks("alice", "payments", plan="standard")
        shown = await card(world)
        world.slack.workspace.change_user("bob", is_restricted=True)
        await heard(world)
        await bob.clicks("Approve", shown)
        assert "you're a guest here" in reads(await bob.sees_view("Only for full members"))
        assert "reviewed" not in await world.events()
        assert world.slack.app_errors == []


# --- Slack cannot say -------------------------------------------------------------------------------------------------


async def test_where_slack_cannot_say_who_she_is_no_form_opens(tmp_path: Path) -> None:
    """Alice is asked to try again in a moment; a moment later she gets the form."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        _slack_cannot_say(world, "alice")
        await alice.runs("/tyk-key")
        assert CANNOT_SAY in reads(await alice.sees_view("Try again"))
        helped = await alice.runs("/tyk-key", "help")
        assert helped.text == CANNOT_SAY
        world.slack.faults.clear()
        await alice.closes()
        await opens_form(alice)
        assert world.slack.app_errors == []


async def test_where_slack_cannot_say_who_she_is_nothing_is_asked(tmp_path: Path) -> None:
    """Her form stays as it is, says so, and can be sent again."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await fills_in(alice)
        await _slack_forgets(world, "alice")
        _slack_cannot_say(world, "alice")
        outcome = await alice.submits()
        assert outcome.errors == {"api": CANNOT_SAY}
        assert "asked" not in await world.events()
        world.slack.faults.clear()
        assert (await alice.submits()).response_action == "update"
        await alice.sees_view("R-1001")
        assert world.slack.app_errors == []


async def test_where_slack_cannot_say_who_he_is_nothing_is_decided(tmp_path: Path) -> None:
    """Bob's yes and Bob's no are both refused while Slack cannot say, and nothing is lost."""
    async with living(tmp_path) as world:
        bob = world.person("bob")
        await world.asks("alice", "payments", plan="standard")
        shown = await card(world)
        await _slack_forgets(world, "bob")
        _slack_cannot_say(world, "bob")
        for button in ("Approve", "Deny"):
            await bob.clicks(button, shown)
            assert CANNOT_SAY in reads(await bob.sees_view("Slack didn't answer"))
            await bob.closes()
        assert "reviewed" not in await world.events()
        world.slack.faults.clear()
        await bob.clicks("Approve", shown)
        await status(world, "alice", "Active until")
        assert world.slack.app_errors == []


async def test_where_slack_cannot_say_who_he_is_the_sent_reason_denies_nothing(tmp_path: Path) -> None:
    """The gate is asked once more when the form for a no is sent."""
    async with living(tmp_path) as world:
        bob = world.person("bob")
        await world.asks("alice", "payments", plan="standard")
        shown = await card(world)
        await bob.clicks("Deny", shown)
        await bob.sees_view("Deny R-1001")
        await bob.types("reason", "not this week")
        await _slack_forgets(world, "bob")
        _slack_cannot_say(world, "bob")
        await bob.submits()
        assert CANNOT_SAY in reads(await bob.sees_view("Slack didn't answer"))
        assert "denied" not in await world.events()
        assert world.slack.app_errors == []


async def test_where_slack_cannot_say_after_the_yes_the_key_comes_when_it_can(tmp_path: Path) -> None:
    """Nobody waits at a screen here, so the promise is simply tried again."""
    async with living(tmp_path) as world:
        await world.asks("alice", "payments", plan="standard")
        shown = await card(world)
        await _slack_forgets(world, "alice")
        _slack_cannot_say(world, "alice", times=1)
        await world.person("bob").clicks("Approve", shown)
        token = await world.token_of("alice")
        assert world.tyk.opens(token, "/payments/")[0] == 200
        assert world.slack.faults.planned == []
        assert world.slack.app_errors == []
