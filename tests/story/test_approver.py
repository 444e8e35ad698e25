"""What those who decide see, and what their clicks are worth."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from bot.core.model import Audience, EffectKind, Rule
from bot.local.slack import LocalSlack, Message, Person
from bot.local.tyk import LocalTyk
from tests.running import failed, quiet
from tests.story import (
    DECIDE,
    REASON,
    another_token,
    becomes,
    card,
    denies,
    dies,
    everything,
    granted,
    heard,
    hears_only,
    of_event,
    opens,
    opens_form,
    options,
    picks_api,
    reads,
    replaces,
    status,
    tokens,
    with_bystander,
)
from tests.world import WITHIN, World, living

OWN = "You can't approve your own request."
NOT_AMONG = "You can't approve Payments."


async def _waiting_card(world: World, who: str = "alice", api: str = "payments", *, reason: str = REASON) -> Message:
    plan = {"plan": "standard"} if api == "payments" else {}
    outcome = await world.asks(who, api, reason=reason, **plan)
    assert outcome.response_action == "update", outcome
    return await card(world, "carol")


async def _refused_with(person: Person, sentence: str, title: str | None = None) -> None:
    """A small modal says no, in this sentence."""
    assert sentence in reads(await person.sees_view(title or sentence))
    await person.closes()


async def _half_approved(world: World, who: str) -> Message:
    """The card of a request for the Ledger, with this person's yes, the first of two."""
    shown = await _waiting_card(world, api="ledger")
    await world.person(who).clicks("Approve", shown)
    return await becomes(world.person(who), shown, f"1 of 2 approvals: <@{world.person(who).id}>.")


def _changes(world: World, api: str, **terms: Audience | bool) -> None:
    """Another rule is in force from now on."""
    in_force = world.running.worker.ports.in_force
    rules = in_force.current.rules
    changed: Rule = replace(rules[api], **terms)  # type: ignore[arg-type]  # the terms are fields of Rule
    in_force.current = replace(in_force.current, digest="another", rules={**rules, api: changed})


def _of_one_organisation(slack: LocalSlack, _tyk: LocalTyk) -> None:
    """The workspace is one of several of an organisation's."""
    slack.workspace.enterprise_id = "E0OURS"
    for user in slack.workspace.users.values():
        if user.kind == "member":
            user.enterprise_id = "E0OURS"


async def _moves(world: World, who: str) -> None:
    """Their home is another workspace of the same organisation."""
    world.slack.workspace.change_user(who, team_id="T0SISTER")
    await heard(world)


# --- the card ---------------------------------------------------------------------------------------------------------


async def test_the_card_says_who_wants_what_and_why(tmp_path: Path) -> None:
    """What the requester typed calls, links and formats nothing, neither in the card nor on a lock screen."""
    reason = "<!here> <@U0CAROL> *now* <https://evil.example|docs> :tada: @channel"
    async with living(tmp_path) as world:
        outcome = await world.asks("alice", "payments", plan="standard", reason=reason, used_by="<!channel>")
        assert outcome.response_action == "update"
        shown = await card(world)
        asked = "Alice Adams (Backend engineer, Amsterdam time) asked for Payments (standard), 7 days · R-1001"
        linked = asked.replace("Alice Adams", "<https://sandbox.slack.com/team/U0ALICE|Alice Adams>", 1)
        assert shown.shown.splitlines()[:2] == ["Requested · Payments for Alice Adams", linked]
        assert shown.text.startswith(asked)
        for fact in (
            "100 calls per second, 10,000 per day",
            "Member of @payments-devs",
            "Nothing, as of",
            "None so far",
        ):
            assert fact in shown.shown
        assert "<!subteam^S0LEADS> needs to approve this." in shown.shown
        assert shown.labels == DECIDE
        (quoted,) = [block for block in shown.blocks if block["type"] == "rich_text"]
        assert {"type": "text", "text": reason} in quoted["elements"][1]["elements"]
        assert "*Used by*\n&lt;!channel&gt;" in shown.shown
        assert set(re.findall(r"<(?!!date)[^>]*>", shown.text)) == {"<!subteam^S0LEADS>"}
        assert "*now*" not in shown.text
        assert ":tada:" not in shown.text
        assert "@channel" not in shown.text
        assert world.slack.app_errors == []


async def test_the_card_calls_exactly_those_who_may_decide(tmp_path: Path) -> None:
    """The approvers' group is called, not the channel: Gwen, who reads along, hears nothing."""

    def gwen_reads_along(slack: LocalSlack, _tyk: LocalTyk) -> None:
        slack.workspace.channel("approvals").members.append("U0GWEN")

    async with living(tmp_path, prepare=gwen_reads_along) as world:
        shown = await _waiting_card(world)
        assert shown.text.splitlines()[1] == "<!subteam^S0LEADS> needs to approve this."
        rung = {(ring.user, ring.why) for ring in world.slack.workspace.rings if ring.channel == shown.channel}
        assert rung == {(world.person(name).id, "group mention") for name in ("bob", "carol", "dave")}
        assert world.slack.app_errors == []


async def test_the_one_who_asked_is_not_among_those_who_are_called(tmp_path: Path) -> None:
    """Bob is an approver by name and asks himself: the card and his own status call for Carol alone."""

    def by_name(text: str) -> str:
        return text.replace('approvers: ["@payments-leads"]', "approvers: [U0BOB, U0CAROL]")

    async with living(tmp_path, change=by_name) as world:
        shown = await _waiting_card(world, "bob")
        assert shown.text.splitlines()[1] == "<@U0CAROL> needs to approve this."
        assert "<@U0CAROL> needs to approve this." in (await status(world, "bob", "Withdraw")).shown
        assert world.slack.app_errors == []


async def test_a_copy_of_a_card_says_what_came_of_it_once_it_is_clicked(tmp_path: Path) -> None:
    """An answer was lost, so the card stands there twice: both can be decided on, and then neither can."""

    def lose(slack: LocalSlack, _tyk: LocalTyk) -> None:
        slack.faults.next("chat.postMessage", lose_answer=True, when=lambda args: args["channel"] == "C0APPROVALS")

    async with living(tmp_path, prepare=lose) as world:
        carol = world.person("carol")
        await _waiting_card(world)
        await carol.sees(lambda _: len(carol.messages("approvals")) == 2, channel="approvals", timeout=WITHIN)
        copy, known = carol.messages("approvals")
        says = [one.shown.split("as of ")[0] for one in (copy, known)]  # each says when it was looked
        assert (says[0], copy.labels) == (says[1], known.labels)
        await carol.clicks("Approve", copy)
        for shown in (copy, known):
            assert (await becomes(carol, shown, "Approved by <@U0CAROL>")).labels == ["Details", "Revoke"]
        await world.token_of("alice")
        assert world.slack.app_errors == []


async def test_a_card_whose_answer_was_lost_is_known_by_the_first_click(tmp_path: Path) -> None:
    """The answer to the post was lost, and Bob said yes to what stands there: it is the card, and no second one comes."""

    def lose(slack: LocalSlack, _tyk: LocalTyk) -> None:
        slack.faults.next("chat.postMessage", lose_answer=True, when=lambda args: args["channel"] == "C0APPROVALS")
        slack.faults.next("chat.postMessage", error="fatal_error", when=lambda args: args["channel"] == "C0APPROVALS")

    async with living(tmp_path, prepare=lose) as world:
        bob = world.person("bob")
        card = await _waiting_card(world, api="ledger")
        await bob.clicks("Approve", card)
        await becomes(bob, card, "1 of 2 approvals: <@U0BOB>.")
        await quiet(world)
        assert [one.ts for one in bob.messages("approvals")] == [card.ts]
        assert world.slack.app_errors == []


async def test_a_copy_of_a_status_says_what_came_of_it_once_it_is_clicked(tmp_path: Path) -> None:
    """Alice withdraws on the copy: neither of the two offers it any more."""

    def lose(slack: LocalSlack, _tyk: LocalTyk) -> None:
        slack.faults.next("chat.postMessage", lose_answer=True, when=lambda args: "Withdraw" in json.dumps(args))

    async with living(tmp_path, prepare=lose) as world:
        alice = world.person("alice")
        await _waiting_card(world)
        await alice.sees(lambda _: len(alice.dm()) == 2, channel="dm", timeout=WITHIN)
        copy, known = alice.dm()
        await alice.clicks("Withdraw", copy)
        for shown in (copy, known):
            assert (await becomes(alice, shown, "Withdrawn by <@U0ALICE>")).labels == ["Ask again"]
        assert world.slack.app_errors == []


async def test_a_refused_click_on_a_copy_repaints_it_too(tmp_path: Path) -> None:
    """Erin, who decides nothing, presses Deny on the copy: she is told, and from then on it follows its request."""

    def lose(slack: LocalSlack, tyk: LocalTyk) -> None:
        with_bystander(slack, tyk)
        slack.faults.next("chat.postMessage", lose_answer=True, when=lambda args: args["channel"] == "C0APPROVALS")

    async with living(tmp_path, prepare=lose) as world:
        carol, erin = world.person("carol"), world.person("erin")
        await _waiting_card(world)
        await carol.sees(lambda _: len(carol.messages("approvals")) == 2, channel="approvals", timeout=WITHIN)
        copy, known = carol.messages("approvals")
        await erin.clicks("Deny", copy)
        await _refused_with(erin, NOT_AMONG)
        await carol.clicks("Approve", known)
        for shown in (copy, known):
            await becomes(carol, shown, "Approved by <@U0CAROL>")
        assert world.slack.app_errors == []


# --- what is out of force ---------------------------------------------------------------------------------------------


async def test_an_entry_that_is_out_of_force_is_not_said_to_be_gone(tmp_path: Path) -> None:
    """Its approvers' group was deleted: Bob reads that at his click, and Alice in the form that she had open."""
    said = "Payments can't be granted right now: too few of its approvers are left."
    async with living(tmp_path) as world:
        alice, bob, shown = world.person("alice"), world.person("bob"), await _waiting_card(world)
        await alice.closes()
        await opens_form(alice)
        await picks_api(alice, "payments")
        _changes(world, "payments", out_of_force=True, approvers=Audience())
        await bob.clicks("Approve", shown)
        await _refused_with(bob, said)
        await alice.picks("plan", "standard")
        await alice.types("reason", REASON)
        await alice.submits()
        assert alice.errors["api"].startswith(said)
        await alice.closes()
        assert "payments" not in options(await opens_form(alice), "api")
        assert [entry.event.value for entry in await world.trail() if entry.request_number == 1001] == ["asked"]
        assert world.slack.app_errors == []


# --- one yes, one no --------------------------------------------------------------------------------------------------


async def test_a_yes_is_shown_on_the_card_and_takes_its_buttons(tmp_path: Path) -> None:
    """The decided card says who approved and until when; all that is left to press is Revoke."""
    async with living(tmp_path) as world:
        bob, shown = world.person("bob"), await _waiting_card(world)
        outcome = await bob.clicks("Approve", shown)
        assert outcome.ack_ms is not None
        assert outcome.ack_ms < 3000
        decided = await becomes(bob, shown, "Access until")
        assert "Approved by <@U0BOB>" in decided.shown
        assert decided.labels == ["Details", "Revoke"]
        assert "<!subteam" not in everything(decided)
        assert bob.view is None
        assert world.slack.app_errors == []


async def test_a_no_asks_for_its_reason_and_tells_the_requester(tmp_path: Path) -> None:
    """Deny opens a form for the reason; the card and Alice's DM say who and why."""
    async with living(tmp_path) as world:
        bob, shown = world.person("bob"), await _waiting_card(world)
        await bob.clicks("Deny", shown)
        view = await bob.sees_view("Deny R-1001")
        assert "<@U0ALICE> requested Payments, 7 days." in reads(view)
        assert "Alice Adams will see this, with your name." in str(view["blocks"])
        assert (await bob.submits()).errors.keys() == {"reason"}
        await bob.types("reason", "use the test API first")
        assert (await bob.submits()).response_action == "close"
        decided = await becomes(bob, shown, "Denied by <@U0BOB>")
        assert "use the test API first" in decided.shown
        assert decided.labels == ["Details"]
        assert "use the test API first" in (await world.person("alice").rung("was denied by <@U0BOB>")).text
        assert world.tyk.keys == []
        assert world.slack.app_errors == []


async def test_a_reason_of_spaces_is_none(tmp_path: Path) -> None:
    """A no without a reason is said at the reason, and the form stays for it."""
    async with living(tmp_path) as world:
        bob, shown = world.person("bob"), await _waiting_card(world)
        await bob.clicks("Deny", shown)
        await bob.sees_view("Deny R-1001")
        await bob.types("reason", "   ")
        assert (await bob.submits()).errors == {"reason": "Say why: the requester will see it."}
        await bob.types("reason", "not now")
        await bob.submits()
        await becomes(bob, shown, "Denied by <@U0BOB>")
        assert world.slack.app_errors == []


# --- whose yes counts -------------------------------------------------------------------------------------------------


async def test_the_requesters_own_yes_never_counts(tmp_path: Path) -> None:
    """Bob is an approver and asks himself: his own click is refused, Carol's counts."""
    async with living(tmp_path) as world:
        bob, carol = world.person("bob"), world.person("carol")
        shown = await _waiting_card(world, "bob")
        await bob.closes()
        await bob.clicks("Approve", shown)
        await _refused_with(bob, OWN)
        await bob.clicks("Deny", shown)
        await _refused_with(bob, OWN)
        await world.told("refused")
        assert {(entry.details["person"], entry.details["why"]) for entry in await of_event(world, "refused")} == {
            (bob.id, OWN)
        }
        assert "reviewed" not in await world.events()
        assert world.tyk.keys == []
        await carol.clicks("Approve", shown)
        await world.token_of("bob")
        assert world.slack.app_errors == []


async def test_somebody_who_is_no_approver_is_refused(tmp_path: Path) -> None:
    """Alice can read the channel, and decides nothing in it."""

    def alice_reads_along(slack: LocalSlack, _tyk: LocalTyk) -> None:
        slack.workspace.channel("approvals").members.append("U0ALICE")

    async with living(tmp_path, prepare=alice_reads_along) as world:
        alice, shown = world.person("alice"), await _waiting_card(world, "dave")
        await alice.clicks("Approve", shown)
        await _refused_with(alice, NOT_AMONG)
        await alice.clicks("Deny", shown)
        await _refused_with(alice, NOT_AMONG)
        await world.told("refused")
        assert "reviewed" not in await world.events()
        assert shown.labels == DECIDE
        assert world.slack.app_errors == []


async def test_who_left_the_approvers_is_refused_at_the_click(tmp_path: Path) -> None:
    """Bob was among them when the card came; what counts is whether he is now."""
    async with living(tmp_path) as world:
        bob, shown = world.person("bob"), await _waiting_card(world)
        world.slack.workspace.set_group_members("payments-leads", ["carol", "dave"])
        await heard(world)
        await bob.clicks("Approve", shown)
        await _refused_with(bob, NOT_AMONG)
        await world.told("refused")
        (refused,) = await of_event(world, "refused")
        assert (refused.details["person"], refused.details["step"]) == (bob.id, "clicking")
        await world.person("carol").clicks("Approve", shown)
        await world.token_of("alice")
        assert world.slack.app_errors == []


async def test_who_left_the_approvers_while_writing_the_reason_denies_nothing(tmp_path: Path) -> None:
    """The right is looked up again when the reason is sent, and the audit hears of it."""
    async with living(tmp_path) as world:
        bob, shown = world.person("bob"), await _waiting_card(world)
        await bob.clicks("Deny", shown)
        await bob.sees_view("Deny R-1001")
        await bob.types("reason", "no")
        world.slack.workspace.set_group_members("payments-leads", ["carol", "dave"])
        await heard(world)
        await bob.submits()
        await _refused_with(bob, NOT_AMONG)
        await world.told("refused")
        (refused,) = await of_event(world, "refused")
        assert (refused.details["person"], refused.details["step"]) == (bob.id, "denying")
        assert "denied" not in await world.events()
        assert shown.labels == DECIDE
        assert world.slack.app_errors == []


# --- at the same moment, twice, too late ------------------------------------------------------------------------------


async def test_two_approvers_at_the_same_moment_make_one_key(tmp_path: Path) -> None:
    """One of them decides, the other sees who did."""
    async with living(tmp_path) as world:
        bob, carol, shown = world.person("bob"), world.person("carol"), await _waiting_card(world)
        await asyncio.gather(bob.clicks("Approve", shown), carol.clicks("Approve", shown))
        await world.token_of("alice")
        (approved,) = await of_event(world, "approved")
        assert approved.actor is not None
        winner, loser = (bob, carol) if approved.actor.user_id == bob.id else (carol, bob)
        await _refused_with(loser, f"R-1001 was approved by <@{winner.id}>", "Already approved")
        assert winner.view is None
        assert len(world.tyk.keys) == 1
        assert (await world.events()).count("reviewed") == 1
        assert world.slack.app_errors == []


async def test_a_yes_and_a_no_at_the_same_moment_are_one_decision(tmp_path: Path) -> None:
    """Whoever comes first decides; nothing is both approved and denied."""
    async with living(tmp_path) as world:
        bob, carol, shown = world.person("bob"), world.person("carol"), await _waiting_card(world)
        await bob.clicks("Deny", shown)
        await bob.sees_view("Deny R-1001")
        await bob.types("reason", "no")
        await asyncio.gather(carol.clicks("Approve", shown), bob.submits())
        events = await world.events()
        assert events.count("approved") + events.count("denied") == 1
        if "denied" in events:
            await _refused_with(carol, "R-1001 was denied by <@U0BOB>", "Already denied")
            assert world.tyk.keys == []
        else:
            await _refused_with(bob, "R-1001 was approved by <@U0CAROL>", "Already approved")
            await world.token_of("alice")
        assert world.slack.app_errors == []


async def test_a_double_click_is_one_yes(tmp_path: Path) -> None:
    """Bob presses twice: one review, one key, and a notice that he has decided already."""
    async with living(tmp_path) as world:
        bob, shown = world.person("bob"), await _waiting_card(world)
        await asyncio.gather(*(bob.clicks("Approve", shown) for _ in range(3)))
        await world.token_of("alice")
        await _refused_with(bob, "R-1001 was approved by <@U0BOB>", "Already approved")
        events = await world.events()
        assert (events.count("reviewed"), events.count("approved")) == (1, 1)
        assert len(world.tyk.keys) == 1
        assert world.slack.app_errors == []


async def test_a_click_on_an_outdated_card_is_told_who_decided(tmp_path: Path) -> None:
    """Bob's screen still shows the buttons; his click changes nothing and the card says what is."""
    async with living(tmp_path) as world:
        bob, carol, shown = world.person("bob"), world.person("carol"), await _waiting_card(world)
        screen = shown.snapshot()
        await denies(world, "carol", shown, "not this week")
        await becomes(carol, shown, "Denied by <@U0CAROL>")
        edits = len(world.slack.journal.calls("chat.update"))
        await bob.clicks("Approve", screen)
        await _refused_with(bob, "R-1001 was denied by <@U0CAROL>", "Already denied")
        await world.slack.changes.until(
            lambda: True if len(world.slack.journal.calls("chat.update")) > edits else None,
            WITHIN,
            "the card once more",
        )
        await bob.clicks("Deny", screen)
        await _refused_with(bob, "R-1001 was denied by <@U0CAROL>", "Already denied")
        assert "reviewed" in await world.events()
        assert world.tyk.keys == []
        assert world.slack.app_errors == []


async def test_a_slow_slack_and_a_slow_database_together_are_answered_in_time(tmp_path: Path) -> None:
    """Bob is told that his no is not confirmed; it was not lost, and sending it again would do no harm."""
    async with living(tmp_path) as world:
        bob, shown = world.person("bob"), await _waiting_card(world)
        await bob.clicks("Deny", shown)
        await bob.sees_view("Deny R-1001")
        await bob.types("reason", "not this week")
        world.slack.workspace.change_user("bob", status_text="back at my desk")
        await heard(world)
        world.slack.faults.next("users.info", latency=1.5, when=lambda args: bool(args["user"] == bob.id))
        with world.running.store.transaction():  # somebody else is writing
            outcome = await bob.submits()
        assert outcome.ack_ms is not None
        assert outcome.ack_ms < 3000
        await _refused_with(bob, "Try again: it won't be done twice.", "Not confirmed")
        await becomes(bob, shown, "Denied by <@U0BOB>")
        assert (await world.events()).count("denied") == 1
        assert world.slack.app_errors == []


# --- more than one yes ------------------------------------------------------------------------------------------------


async def test_two_yeses_are_needed_and_the_first_is_shown(tmp_path: Path) -> None:
    """Card and status name who said yes so far; the second yes approves, the first one's twice does not."""
    async with living(tmp_path) as world:
        bob, carol, shown = world.person("bob"), world.person("carol"), await _waiting_card(world, api="ledger")
        assert "2 approvals from <!subteam^S0LEADS> are needed." in shown.shown
        await bob.clicks("Approve", shown)
        half = await becomes(bob, shown, "1 of 2 approvals: <@U0BOB>.")
        assert half.labels == DECIDE
        await status(world, "alice", "1 of 2 approvals: <@U0BOB>.")
        await bob.clicks("Approve", shown)
        await _refused_with(bob, "You already approved R-1001. Somebody else has to approve it, too.")
        assert world.tyk.keys == []
        await carol.clicks("Approve", shown)
        decided = await becomes(bob, shown, "Approved by <@U0BOB> and <@U0CAROL>")
        assert decided.labels == ["Details", "Revoke"]
        await world.token_of("alice")
        assert [entry.details["have"] for entry in await of_event(world, "reviewed")] == [1, 2]
        assert len(world.tyk.keys) == 1
        assert world.slack.app_errors == []


async def test_two_yeses_at_the_same_moment_are_two(tmp_path: Path) -> None:
    """Neither is lost, and together they make one key."""
    async with living(tmp_path) as world:
        bob, carol, shown = world.person("bob"), world.person("carol"), await _waiting_card(world, api="ledger")
        await asyncio.gather(bob.clicks("Approve", shown), carol.clicks("Approve", shown))
        await world.token_of("alice")
        assert (await world.events()).count("reviewed") == 2
        assert len(world.tyk.keys) == 1
        assert (bob.view, carol.view) == (None, None)
        assert world.slack.app_errors == []


async def test_one_no_denies_whatever_yeses_there_are(tmp_path: Path) -> None:
    """Bob said yes, Carol says no: it is denied."""
    async with living(tmp_path) as world:
        bob, shown = world.person("bob"), await _waiting_card(world, api="ledger")
        await bob.clicks("Approve", shown)
        await becomes(bob, shown, "1 of 2 approvals")
        await denies(world, "carol", shown, "the ledger is frozen")
        assert (await becomes(bob, shown, "Denied by <@U0CAROL>")).labels == ["Details"]
        assert "the ledger is frozen" in (await world.person("alice").rung("was denied by <@U0CAROL>")).text
        assert world.tyk.keys == []
        assert world.slack.app_errors == []


async def test_a_yes_can_turn_into_a_no(tmp_path: Path) -> None:
    """Until it is decided, Bob may think again."""
    async with living(tmp_path) as world:
        bob, shown = world.person("bob"), await _waiting_card(world, api="ledger")
        await bob.clicks("Approve", shown)
        await becomes(bob, shown, "1 of 2 approvals")
        await denies(world, "bob", shown, "on second thoughts, no")
        await becomes(bob, shown, "Denied by <@U0BOB>")
        assert [entry.details["verdict"] for entry in await of_event(world, "reviewed")] == ["yes", "no"]
        assert world.slack.app_errors == []


async def test_a_yes_of_somebody_who_was_deactivated_does_not_count(tmp_path: Path) -> None:
    """Bob says yes and is deactivated: with Dave's yes it is one of two, and card and audit say whose no longer counts."""
    async with living(tmp_path) as world:
        dave, shown = world.person("dave"), await _half_approved(world, "bob")
        world.slack.workspace.deactivate("bob")
        await heard(world)
        await dave.clicks("Approve", shown)
        said = "1 of 2 approvals: <@U0DAVE>. <@U0BOB>'s no longer counts: their account is deactivated."
        assert (await becomes(dave, shown, said)).labels == DECIDE
        (recounted,) = await of_event(world, "recounted")
        assert recounted.details == {"reviewer": "U0BOB", "why": "their account is deactivated", "have": 0}
        await world.told("recounted")
        assert "approved" not in await world.events()
        assert world.tyk.keys == []
        await world.person("carol").clicks("Approve", shown)
        await becomes(dave, shown, "Approved by <@U0DAVE> and <@U0CAROL>")
        await world.token_of("alice")
        assert world.slack.app_errors == []


async def test_a_yes_of_somebody_who_was_put_out_of_the_group_has_to_be_said_again(
    tmp_path: Path,
) -> None:
    """Bob is no approver any more when Dave says yes in the form; later he is one again, and his second yes decides it."""
    async with living(tmp_path) as world:
        dave, shown = world.person("dave"), await _half_approved(world, "bob")
        world.slack.workspace.set_group_members("payments-leads", ["carol", "dave"])
        await heard(world)
        await dave.clicks("Approve with changes", shown)
        await dave.sees_view("Why you approve")
        assert (await dave.submits()).response_action == "close"
        await becomes(dave, shown, "1 of 2 approvals: <@U0DAVE>. <@U0BOB>'s no longer counts: no longer an approver.")
        world.slack.workspace.set_group_members("payments-leads", ["bob", "carol", "dave"])
        await heard(world)
        await world.person("bob").clicks("Approve", shown)
        await becomes(dave, shown, "Approved by <@U0DAVE> and <@U0BOB>")
        await world.token_of("alice")
        assert world.slack.app_errors == []


async def test_where_slack_cannot_say_who_said_yes_nothing_is_decided(tmp_path: Path) -> None:
    """Whether Bob's yes still counts cannot be known when Dave says his: he is asked to try again, and then it is granted."""
    async with living(tmp_path) as world:
        dave, shown = world.person("dave"), await _half_approved(world, "bob")
        world.slack.workspace.change_user("bob", status_text="back at my desk")
        await heard(world)
        world.slack.faults.next(
            "users.info", error="internal_error", times=None, when=lambda args: bool(args["user"] == "U0BOB")
        )
        await dave.clicks("Approve", shown)
        await _refused_with(dave, "I couldn't check with Slack whether the earlier approvals still count.")
        assert (await world.events()).count("reviewed") == 1
        world.slack.faults.clear()
        await dave.clicks("Approve", shown)
        await world.token_of("alice")
        assert world.slack.app_errors == []


async def test_a_yes_of_somebody_who_left_makes_no_key(tmp_path: Path) -> None:
    """Tyk is away when Bob approves, and Bob is deactivated before it is back: no key is made, and everybody reads why."""
    async with living(tmp_path) as world:
        bob, shown = world.person("bob"), await _waiting_card(world)
        world.tyk.faults.away = True
        await bob.clicks("Approve", shown)
        await failed(world, EffectKind.ISSUE_KEY)
        world.slack.workspace.deactivate("bob")
        await heard(world)
        world.tyk.faults.clear()
        await world.pass_time(timedelta(minutes=1))
        why = "Payments needs 1 approval, and R-1001 has 0 left: Bob Brown's no longer counts (their account is deactivated)."
        ended = await becomes(world.person("carol"), shown, why)
        assert "Revoked" in ended.shown
        assert why in (await world.person("alice").rung("was cancelled")).text
        (refused,) = await of_event(world, "refused")
        assert refused.details["step"] == "before the key is made"
        assert world.tyk.keys == []
        assert world.slack.app_errors == []


async def test_a_yes_of_somebody_who_left_shows_no_token(tmp_path: Path) -> None:
    """The key is there, Slack takes no edit, and Bob is put out of the group: nobody sees the token, and the key dies."""
    async with living(tmp_path) as world:
        bob, shown = world.person("bob"), await _waiting_card(world)
        world.slack.faults.next(
            "chat.update", error="fatal_error", times=None, when=lambda args: "Your token for" in str(args.get("text"))
        )
        await bob.clicks("Approve", shown)
        await failed(world, EffectKind.DELIVER_TOKEN)
        world.slack.workspace.set_group_members("payments-leads", ["carol", "dave"])
        await heard(world)
        world.slack.faults.clear()
        await world.pass_time(timedelta(minutes=1))
        await becomes(world.person("carol"), shown, "Bob Brown's no longer counts (no longer an approver).")
        await world.told("key deleted")
        (refused,) = await of_event(world, "refused")
        assert refused.details["step"] == "before the token is shown"
        assert tokens(world.person("alice")) == []
        assert world.tyk.usable_keys() == []
        assert world.slack.app_errors == []


async def test_a_token_that_was_shown_outlasts_its_approver(tmp_path: Path) -> None:
    """Bob has left long since when Alice's token leaks: she gets another, for the right is the same."""
    async with living(tmp_path) as world:
        leaked = await granted(world)
        world.slack.workspace.deactivate("bob")
        await heard(world)
        await replaces(world, "alice", "leaked")
        assert opens(world, await another_token(world, "alice", leaked))
        assert world.slack.app_errors == []


async def test_a_lead_whom_the_file_names_by_now_decides(tmp_path: Path) -> None:
    """The leads could decide when Alice asked, and Bob alone may now: he is a lead, so his yes counts, and Carol's does not."""
    async with living(tmp_path) as world:
        bob, carol, shown = world.person("bob"), world.person("carol"), await _waiting_card(world)
        _changes(world, "payments", approvers=Audience(users=frozenset({"U0BOB"})))
        await carol.clicks("Approve", shown)
        await _refused_with(carol, NOT_AMONG)
        await bob.clicks("Approve", shown)
        await world.token_of("alice")
        assert [entry.details["counted_by"] for entry in await of_event(world, "reviewed")] == ["U0BOB"]
        assert world.slack.app_errors == []


# --- who is who -------------------------------------------------------------------------------------------------------


async def test_who_moves_within_the_organisation_approves_no_request_of_their_own(tmp_path: Path) -> None:
    """Bob asks, moves to another workspace of the same organisation, and is still who asked."""
    async with living(tmp_path, prepare=_of_one_organisation) as world:
        bob, shown = world.person("bob"), await _waiting_card(world, "bob")
        await bob.closes()
        await _moves(world, "bob")
        await bob.clicks("Approve", shown)
        await _refused_with(bob, OWN)
        await world.person("carol").clicks("Approve", shown)
        token = await world.token_of("bob")
        await bob.clicks("Revoke", await status(world, "bob", "Active until"))
        await dies(world, token)
        assert world.slack.app_errors == []


async def test_who_moves_within_the_organisation_counts_once(tmp_path: Path) -> None:
    """Carol says yes, moves, and says yes again: one of two."""
    async with living(tmp_path, prepare=_of_one_organisation) as world:
        carol, shown = world.person("carol"), await _half_approved(world, "carol")
        await _moves(world, "carol")
        await carol.clicks("Approve", shown)
        await _refused_with(carol, "You already approved R-1001. Somebody else has to approve it, too.")
        await world.person("bob").clicks("Approve", shown)
        await becomes(carol, shown, "Approved by <@U0CAROL> and <@U0BOB>")
        assert world.slack.app_errors == []


async def test_who_moves_within_the_organisation_keeps_what_they_hold(tmp_path: Path) -> None:
    """Alice moves, and her token is hers to replace."""
    async with living(tmp_path, prepare=_of_one_organisation) as world:
        held = await granted(world)
        await _moves(world, "alice")
        await replaces(world, "alice", "lost")
        await another_token(world, "alice", held)
        assert world.slack.app_errors == []


# --- who approves is decided in Slack, too ----------------------------------------------------------------------------


async def test_a_change_of_a_group_that_approves_is_in_the_audit(tmp_path: Path) -> None:
    """Who may edit user groups decides who approves: added and removed are told by name, and nobody's phone rings for it."""
    async with living(tmp_path) as world:
        hears_only(world, "subteam_members_changed")
        world.slack.workspace.set_group_members("payments-leads", ["alice", "carol", "dave"])
        world.slack.workspace.set_group_members("payments-devs", ["alice"])
        await world.told("group changed")
        (changed,) = await of_event(world, "group changed")
        assert changed.details == {
            "group": "S0LEADS",
            "handle": "payments-leads",
            "added": ["U0ALICE"],
            "removed": ["U0BOB"],
            "apis": ["ledger", "payments"],
        }
        told = next(one.text for one in world.person("carol").messages("audit") if "group changed" in one.text)
        assert "@payments-leads, added Alice Adams, removed Bob Brown, approves for Ledger, Payments" in told
        assert "<!subteam" not in told
        assert world.slack.app_errors == []


async def test_an_event_that_comes_twice_is_one_change(tmp_path: Path) -> None:
    """Slack sends an event again where it doubts that it arrived."""
    async with living(tmp_path) as world:
        sent: list[dict[str, Any]] = []
        passed_on = world.slack.workspace.on_event

        def twice(event: dict[str, Any]) -> None:
            sent.append(event)
            passed_on(event)
            passed_on(event)

        world.slack.workspace.on_event = twice
        world.slack.workspace.set_group_members("payments-leads", ["carol", "dave"])
        await heard(world)
        await world.told("group changed")
        assert sent
        assert (await world.events()).count("group changed") == 1
        assert world.slack.app_errors == []


# --- as many as are needed --------------------------------------------------------------------------------------------


async def test_what_cannot_reach_its_number_is_refused_when_it_is_asked(tmp_path: Path) -> None:
    """Two yeses are needed, and without Bob himself there is one who could say it: the form says so."""

    def two_leads(slack: LocalSlack, _tyk: LocalTyk) -> None:
        slack.workspace.group("S0LEADS").members[:] = ["U0BOB", "U0CAROL"]

    async with living(tmp_path, prepare=two_leads) as world:
        outcome = await world.asks("bob", "ledger")
        assert outcome.errors == {
            "api": "Ledger needs 2 approvals, but only 1 person other than you can give one. Ask in the help channel."
        }
        await world.told("refused")
        assert "asked" not in await world.events()
        assert world.slack.app_errors == []


async def test_a_guest_among_the_approvers_does_not_count_towards_the_number(tmp_path: Path) -> None:
    """Two are named besides Bob, but Gwen could not say yes."""

    def a_guest_leads(slack: LocalSlack, _tyk: LocalTyk) -> None:
        slack.workspace.group("S0LEADS").members[:] = ["U0BOB", "U0CAROL", "U0GWEN"]

    async with living(tmp_path, prepare=a_guest_leads) as world:
        outcome = await world.asks("bob", "ledger")
        assert outcome.errors == {
            "api": "Ledger needs 2 approvals, but only 1 person other than you can give one. Ask in the help channel."
        }
        assert world.slack.app_errors == []


async def test_a_click_after_the_time_is_over_decides_nothing(tmp_path: Path) -> None:
    """Time decides: past its end a request has lapsed, whoever looks first."""

    def an_hour(text: str) -> str:
        return text.replace("hide_token_after: 1d\n", "hide_token_after: 1d\n  request_lapses_after: 1h\n")

    async with living(tmp_path, change=an_hour) as world:
        bob, shown = world.person("bob"), await _waiting_card(world)
        screen = shown.snapshot()
        await world.pass_time(timedelta(hours=1, seconds=1))
        await bob.clicks("Approve", screen)
        await _refused_with(bob, "R-1001 expired unanswered, because nobody decided in time", "Already expired")
        assert (await becomes(bob, shown, "Expired unanswered")).labels == ["Details"]
        await world.told("lapsed")
        events = await world.events()
        assert "reviewed" not in events
        assert events.count("lapsed") == 1
        assert world.tyk.keys == []
        assert world.slack.app_errors == []
