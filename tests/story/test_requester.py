"""What somebody who wants a token sees, from the command to the end of the token."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.local.slack import LocalSlack
from bot.local.slack.client import INCOMPLETE
from bot.local.slack.journal import Entry
from bot.local.tyk import LocalTyk
from bot.sandbox.demos.reading import has_block, token_in
from bot.slack import answering
from bot.slack.listeners import TOO_FAST
from tests.story import (
    DECIDE,
    REASON,
    becomes,
    card,
    denies,
    everything,
    fills_in,
    heard,
    of_event,
    opens_form,
    options,
    picks_api,
    reads,
    sends_anything,
    status,
)
from tests.world import WITHIN, World, living

SOON = timedelta(seconds=1)


def _calls_since(world: World, number: int) -> list[Entry]:
    return [one for one in world.slack.journal.calls() if one.number > number]


def _views_since(world: World, number: int) -> list[str]:
    return [one.name for one in _calls_since(world, number) if one.name.startswith("views.")]


# --- the form ---------------------------------------------------------------------------------------------------------


async def test_with_cold_caches_one_view_is_opened_where_slack_answers_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who Alice is has to be looked up, and what she gets first is the form all the same."""
    monkeypatch.setattr(answering, "PATIENCE", WITHIN)  # whatever else this machine does
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await alice.runs("/tyk-key")
        assert has_block(await alice.sees_view(""), "api")
        assert [one.args["user"] for one in _calls_since(world, 0) if one.name == "users.info"].count(alice.id) == 1
        assert _views_since(world, 0) == ["views.open"]
        assert world.slack.app_errors == []


async def test_with_cold_caches_the_modal_opens_before_slack_has_said_who_she_is(tmp_path: Path) -> None:
    """Alice sees at once that her command was taken, and the form when Slack has said who she is."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        world.slack.faults.next("users.info", latency=2, times=None, when=lambda args: args["user"] == alice.id)
        outcome = await alice.runs("/tyk-key")
        assert outcome.ack_ms is not None
        assert outcome.ack_ms < 700
        assert not has_block(await alice.sees_view("Looking up what you can request"), "api")
        await alice.sees_view(lambda view: has_block(view, "api"))
        assert _views_since(world, 0) == ["views.open", "views.update"]
        assert len(alice.views) == 1
        assert world.slack.app_errors == []


async def test_with_warm_caches_the_form_is_there_at_once(tmp_path: Path) -> None:
    """The second time nothing is looked up: one view is opened, and it is the form."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await opens_form(alice)
        await alice.closes()
        before = len(world.slack.journal.entries)
        outcome = await alice.runs("/tyk-key")
        assert outcome.ack_ms is not None
        assert outcome.ack_ms < 3000
        await alice.sees_view(lambda view: has_block(view, "api"))
        await picks_api(alice, "test-api")
        asked = [
            one for one in _calls_since(world, before) if one.name == "users.info" and one.args["user"] == alice.id
        ]
        assert asked == []
        assert _views_since(world, before) == ["views.open", "views.update"], "one to open, one for the API she picked"
        assert world.slack.app_errors == []


@pytest.mark.parametrize(
    ("who", "offered"), [("alice", ["ledger", "payments", "test-api"]), ("carol", ["test-api"])], ids=["dev", "other"]
)
async def test_only_what_this_person_may_ask_for_is_offered(tmp_path: Path, who: str, offered: list[str]) -> None:
    """Each sees their own APIs in a select, in the order in which people read."""
    async with living(tmp_path) as world:
        view = await opens_form(world.person(who))
        assert options(view, "api") == offered
        element = next(block for block in view["blocks"] if block["block_id"] == "api")["element"]
        assert element["type"] == "static_select"
        assert has_block(view, "about:test-api") == (len(offered) == 1), (
            "where there is one API, nothing is to be picked"
        )
        assert world.slack.app_errors == []


def _with_apis(text: str, count: int) -> str:
    more = (
        f"  svc-{n}: {{api_id: {n:032x}, title: Service {n:05}, listen_path: /svc-{n}/, requesters: [everyone], "
        "approvals: 0}"
        for n in range(count)
    )
    return text + "\n" + "\n".join(more) + "\n"


async def test_among_10_000_apis_one_searches_and_is_answered_from_memory(tmp_path: Path) -> None:
    """Alice types a few letters; at most a hundred options come back, and Slack is asked nothing for it."""
    async with living(tmp_path, change=lambda text: _with_apis(text, 10_000)) as world:
        alice = world.person("alice")
        view = await opens_form(alice)
        assert (
            next(block for block in view["blocks"] if block["block_id"] == "api")["element"]["type"]
            == "external_select"
        )
        await world.tyk.called("GET /api/apis")  # what is asked at start, of Slack before Tyk, is over
        await world.told("configured")
        before = len(world.slack.journal.entries)
        offered = await alice.is_offered("api", "service")
        assert [len(group["options"]) for group in offered["option_groups"]] == [100]
        assert offered["option_groups"][0]["label"]["text"] == "First 100 of 10,000. Type more to find the others."
        found = await alice.searches("api", "service 0432")
        assert [option["value"] for option in found] == [*(f"svc-{n}" for n in range(4320, 4330)), "svc-432"]
        assert [option["value"] for option in await alice.searches("api", "paym")] == ["payments"]
        assert [option["value"] for option in await alice.searches("api", "money returns")] == ["payments"]
        assert await alice.searches("api", "nothing is called this") == []
        assert not [
            one for one in _calls_since(world, before) if one.name != "users.info" or one.args["user"] == alice.id
        ]
        await picks_api(alice, "svc-4321")
        outcome = await alice.submits()
        assert outcome.errors == {"reason": INCOMPLETE}
        await alice.types("reason", REASON)
        assert (await alice.submits()).response_action == "update"
        assert "Service 04321" in reads(await alice.sees_view("R-1001"))
        assert world.slack.app_errors == []


async def test_a_hundred_apis_are_still_a_plain_select(tmp_path: Path) -> None:
    """Up to a hundred can be looked through; the hundred and first makes it a search."""
    async with living(tmp_path, change=lambda text: _with_apis(text, 97)) as world:
        assert len(options(await opens_form(world.person("alice")), "api")) == 100
        assert world.slack.app_errors == []


async def test_another_api_redraws_what_depends_on_it_and_keeps_what_was_typed(tmp_path: Path) -> None:
    """Plan, lifetime, description and who decides change with the API; reason and used by stay."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await opens_form(alice)
        view = await picks_api(alice, "payments")
        assert "Takes and returns money" in reads(view)
        assert "<!subteam^S0LEADS> needs to approve this." in reads(view)
        assert options(view, "plan:payments") == ["standard", "gold"]
        assert options(view, "lifetime:payments") == ["20", "86400", "604800", "2592000"]
        await alice.types("reason", "to build & <b>ship</b> it")
        await alice.types("used_by", "checkout")
        view = await picks_api(alice, "ledger")
        assert "What was booked, and when" in reads(view)
        assert not has_block(view, "about:payments")
        assert "2 approvals from <!subteam^S0LEADS> are needed." in reads(view)
        assert not has_block(view, "plan:payments")
        view = await picks_api(alice, "test-api")
        assert "No approval needed: you get the token right away." in reads(view)
        assert view["submit"]["text"] == "Get token"
        values = view["state"]["values"]
        assert values["reason"]["reason"]["value"] == "to build & <b>ship</b> it"
        assert values["used_by"]["used_by"]["value"] == "checkout"
        assert world.slack.app_errors == []


async def test_a_form_whose_redrawing_was_lost_is_redrawn_when_it_is_sent(tmp_path: Path) -> None:
    """Alice picks an API and nothing moves: sent all the same, the form follows, keeps her words, and is sent again."""
    async with living(tmp_path) as world:
        alice = world.person("alice")

        async def sends_what_is_not_drawn(api: str) -> dict[str, Any]:
            world.slack.faults.next("views.update", lose_request=True)
            await alice.picks("api", api)
            outcome = await alice.submits()
            assert (outcome.errors, outcome.response_action) == ({}, "update")
            view = await alice.sees_view(lambda view: has_block(view, f"about:{api}"))
            assert "Check it once more, then send it again." in reads(view)
            return view

        await opens_form(alice)
        await sends_what_is_not_drawn("ledger")
        await alice.types("reason", REASON)
        view = await sends_what_is_not_drawn("test-api")
        assert view["state"]["values"]["reason"]["reason"]["value"] == REASON
        reason = next(block["element"] for block in view["blocks"] if block.get("block_id") == "reason")
        assert reason["initial_value"] == REASON, "also where Slack would not keep it by itself"
        assert (await alice.submits()).response_action == "update"
        await alice.sees_view("R-1001")
        (asked,) = await of_event(world, "asked")
        assert (asked.api, asked.details["reason"]) == ("test-api", REASON)
        assert world.slack.app_errors == []


async def test_the_form_says_what_she_waits_for_and_what_she_holds(tmp_path: Path) -> None:
    """Who asks again for the same is told of it before she does."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await world.asks("alice", "payments", plan="standard")
        await alice.closes()
        await opens_form(alice)
        assert "You already requested this, and it is waiting for a decision (R-1001)." in reads(
            await picks_api(alice, "payments")
        )
        assert "You already" not in reads(await picks_api(alice, "ledger"))
        await alice.closes()
        await world.person("bob").clicks("Approve", await card(world))
        await status(world, "alice", "Active until")
        await opens_form(alice)
        assert "You already have a token for this, valid until <!date^" in (
            said := reads(await picks_api(alice, "payments"))
        )
        assert "(R-1001)" in said
        assert "You already requested" not in said
        assert world.slack.app_errors == []


async def test_a_fault_after_the_answer_takes_nothing_back(tmp_path: Path) -> None:
    """Slack opens no modal: the command itself was taken all the same, and she gets an id to ask with."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await opens_form(alice)
        await alice.closes()
        world.slack.faults.next("views.open", error="internal_error")
        outcome = await alice.runs("/tyk-key", channel="help")
        assert outcome.error is None
        assert outcome.ack_ms is not None
        assert outcome.ack_ms < 3000
        said = await alice.sees("Something went wrong here (id ", channel="help")
        assert said.ephemeral_to == alice.id
        assert "<#C0HELP>" in said.text
        world.slack.faults.next("views.update", error="internal_error")
        await opens_form(alice)
        assert (await alice.picks("api", "payments")).error is None
        await alice.picks("api", "ledger")
        await alice.sees_view(lambda view: has_block(view, "about:ledger"))
        assert world.slack.app_errors == []


async def test_two_hundred_commands_of_one_person_leave_slack_to_everybody_else(tmp_path: Path) -> None:
    """A guest hammers: twenty of her commands are looked at, she hears once that it is too fast, and Alice's form opens."""
    async with living(tmp_path) as world:
        alice, gwen = world.person("alice"), world.person("gwen")
        await opens_form(alice)
        await alice.closes()
        before = len(world.slack.journal.entries)
        outcomes = [await gwen.runs("/tyk-key") for _ in range(200)]
        assert [one.text for one in outcomes if one.text] == [TOO_FAST]
        assert 20 <= _views_since(world, before).count("views.open") <= 30, "one more a second"
        await opens_form(alice)
        await picks_api(alice, "ledger")
        await alice.types("reason", REASON)
        assert (await alice.submits()).response_action == "update"
        await world.told("refused", times=2)
        assert [one.details.get("times") for one in await of_event(world, "refused")] == [None, 10]


async def test_a_form_that_is_sent_too_fast_stays_and_says_so(tmp_path: Path) -> None:
    """Alice clicks and clicks, and nothing answers; her form does not close as if something had been done."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await opens_form(alice)
        await picks_api(alice, "ledger")
        await alice.types("reason", REASON)
        for _ in range(40):
            await alice.picks("api", "ledger")
        assert (await alice.submits()).errors == {"api": TOO_FAST}
        assert "asked" not in await world.events()


async def test_people_come_before_the_bots_own_checks(tmp_path: Path) -> None:
    """250 approvers are to be looked at, under Slack's published limits: Alice, who asks just now, is served."""

    def crowd(slack: LocalSlack, _tyk: LocalTyk) -> None:
        for number in range(250):
            slack.workspace.add_user(f"lead{number}")
        leads = [user.id for user in slack.workspace.users.values() if user.name.startswith("lead")]
        slack.workspace.set_group_members("payments-leads", [*leads, "bob"])

    async with living(tmp_path, prepare=crowd, rate_limits=True) as world:
        alice = world.person("alice")
        await world.slack.changes.until(lambda: len(world.slack.journal.calls("users.info")) > 10 or None, WITHIN)
        await opens_form(alice)
        await picks_api(alice, "ledger")
        await alice.types("reason", REASON)
        assert (await alice.submits()).response_action == "update"
        assert len(world.slack.journal.calls("users.info")) < 60
        assert world.slack.app_errors == []


async def test_the_members_of_a_large_channel_may_ask_and_are_confirmed_at_once(tmp_path: Path) -> None:
    """12,000 members take Slack twelve pages of a third of a second: known when Alice needs it, they keep her waiting never."""

    def crowd(slack: LocalSlack, _tyk: LocalTyk) -> None:
        slack.workspace.channel("help").members += [f"U0CROWD{number:05}" for number in range(12_000)]
        slack.faults.next("conversations.members", latency=0.3, times=None)

    def of_channel(text: str) -> str:
        return text.replace('requesters: ["@payments-devs"]', "requesters: [C0HELP]")

    async with living(tmp_path, prepare=crowd, change=of_channel) as world:
        alice, journal = world.person("alice"), world.slack.journal

        def pages() -> int:
            return sum(one.args["channel"] == "C0HELP" for one in journal.calls("conversations.members"))

        await world.slack.changes.until(lambda: pages() > 12 or None, WITHIN, "the whole list, before anybody needs it")
        await opens_form(alice)
        await picks_api(alice, "ledger")
        await alice.types("reason", REASON)
        assert (await alice.submits()).response_action == "update"
        assert world.slack.app_errors == []


# --- submitting -------------------------------------------------------------------------------------------------------


async def test_a_missing_reason_is_said_at_the_reason(tmp_path: Path) -> None:
    """Slack's own window wants a reason, and one of spaces alone is none to us."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        outcome = await world.asks("alice", "payments", plan="standard", reason="")
        assert (outcome.sent, outcome.errors) == (False, {"reason": INCOMPLETE})
        await alice.types("reason", "   ")
        outcome = await alice.submits()
        assert outcome.errors == {"reason": "Say in a few words what you need it for."}
        await alice.types("reason", REASON)
        assert (await alice.submits()).response_action == "update"
        assert world.slack.app_errors == []


async def test_a_plan_that_was_not_picked_is_said_at_the_plan(tmp_path: Path) -> None:
    """Where there is a choice, somebody has to make it."""
    async with living(tmp_path) as world:
        outcome = await world.asks("alice", "payments")
        assert (outcome.sent, outcome.errors) == (False, {"plan:payments": INCOMPLETE})
        assert world.slack.app_errors == []


async def test_a_reason_can_be_optional(tmp_path: Path) -> None:
    """Where the rule wants no reason, none is asked for."""

    def optional(text: str) -> str:
        return text.replace("approvals: 0\n", "approvals: 0\n    reason: optional\n")

    async with living(tmp_path, change=optional) as world:
        outcome = await world.asks("carol", "test-api", reason="")
        assert outcome.response_action == "update"
        await world.token_of("carol")
        assert world.slack.app_errors == []


async def test_who_left_the_group_while_she_filled_the_form_is_refused_at_the_api(tmp_path: Path) -> None:
    """The right to ask is looked up when the form is sent, and the audit hears of the refusal."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await opens_form(alice)
        await picks_api(alice, "ledger")
        await alice.types("reason", REASON)
        world.slack.workspace.set_group_members("payments-devs", ["bob", "dave"])
        await heard(world)
        outcome = await alice.submits()
        assert outcome.errors == {"api": "You can't request this API. Pick another one."}
        await world.told("refused")
        (refused,) = await of_event(world, "refused")
        assert (refused.api, refused.details["step"], refused.details["person"]) == ("ledger", "submitting", alice.id)
        assert "asked" not in await world.events()
        assert world.slack.app_errors == []


async def test_a_form_sent_twice_is_one_request(tmp_path: Path) -> None:
    """Slack's retry or a second press is answered with what was stored the first time."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await fills_in(alice)
        first = asyncio.create_task(alice.submits())
        await asyncio.sleep(0)  # the first is on its way
        await alice.picks("lifetime", "86400")
        second = await alice.submits()
        assert (await first).response_action == second.response_action == "update"
        (stored,) = await of_event(world, "asked")  # whichever reached the bot first
        lifetime = {604800: "7 days", 86400: "1 day"}[stored.details["lifetime"]]
        assert f"R-1001* · Payments, {lifetime}" in reads(await alice.sees_view("R-1001"))
        await card(world)
        assert (await world.events()).count("asked") == 1
        assert sum("Approve" in one.labels for one in world.person("bob").messages("approvals")) == 1
        assert world.slack.app_errors == []


async def test_a_form_whose_answer_was_lost_can_be_sent_again(tmp_path: Path) -> None:
    """The database was slow: she is told that it is not confirmed, sends it again, and has asked once."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await fills_in(alice)
        with world.running.store.transaction():  # somebody else is writing, for longer than Slack waits
            outcome = await alice.submits()
            assert outcome.ack_ms is not None
            assert outcome.ack_ms < 3000
            assert outcome.errors == {"api": "That took too long to confirm. Try again: it won't be done twice."}
        assert (await alice.submits()).response_action == "update"
        await alice.sees_view("R-1001")
        assert (await world.events()).count("asked") == 1
        assert world.slack.app_errors == []


async def test_more_than_one_person_may_hold_is_refused_in_plain_words(tmp_path: Path) -> None:
    """The form says it before Alice asks, and says it again when she does; another API is not concerned."""

    def two(text: str) -> str:
        return text.replace("defaults:\n", "defaults:\n  max_active: 2\n")

    async with living(tmp_path, change=two) as world:
        alice = world.person("alice")
        await world.asks("alice", "payments", plan="standard")
        await alice.closes()
        await world.person("bob").clicks("Approve", await card(world))
        await status(world, "alice", "Active until")
        await world.asks("alice", "payments", plan="standard")
        await alice.closes()
        full = "You already have 2 tokens or requests for Payments (R-1001 and R-1002)."
        outcome = await world.asks("alice", "payments", plan="standard")
        assert outcome.errors == {"api": f"{full} Revoke or withdraw one of them, then ask again."}
        assert f"{full} Revoke or withdraw one of them, then ask again. `/tyk-key list` shows them." in reads(
            alice.view
        )
        await alice.closes()
        assert (await world.asks("alice", "ledger")).response_action == "update"
        await alice.closes()
        await alice.clicks("Withdraw", await status(world, "alice", "needs to approve this.", "R-1002"))
        await world.told("withdrawn")
        assert (await world.asks("alice", "payments", plan="standard")).response_action == "update"
        assert world.slack.app_errors == []


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("x" * 900_000, "Your reason has 900,000 characters; 500 fit. Shorten it."),
        ("y" * 501, "Your reason has 501 characters; 500 fit. Shorten it."),
        ("\u200b\u3164 \u2800", "Say in a few words what you need it for."),
    ],
    ids=["900 kB", "one too many", "invisible"],
)
async def test_a_reason_that_no_window_of_slacks_would_send(tmp_path: Path, typed: str, said: str) -> None:
    """What Slack's own window would have kept back is refused at the reason, and nothing is asked for."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await opens_form(alice)
        await picks_api(alice, "ledger")
        await alice.types("reason", "z")
        sends_anything(world.slack.workspace.stacks[alice.id][-1], "reason", typed)
        assert (await alice.submits()).errors == {"reason": said}
        assert "asked" not in await world.events()


# --- what follows -----------------------------------------------------------------------------------------------------


async def test_the_status_follows_the_request(tmp_path: Path) -> None:
    """One message in her DM waits with a Withdraw button, then says until when her access is active."""
    async with living(tmp_path) as world:
        await world.asks("alice", "payments", plan="standard")
        assert "Waiting for approval from <!subteam^S0LEADS>. I'll message you when they decide." in reads(
            world.person("alice").view
        )
        waiting = await status(world, "alice", "<!subteam^S0LEADS> needs to approve this.")
        assert waiting.labels == ["Withdraw"]
        await world.person("bob").clicks("Approve", await card(world))
        await world.token_of("alice")
        active = await status(world, "alice", "Active until <!date^")
        assert active.ts == waiting.ts
        await becomes(
            world.person("alice"),
            active,
            lambda one: one.labels == ["Extend", "Replace token", "Change plan", "Revoke"],
        )
        assert "Approved by <@U0BOB>" in active.shown
        assert world.slack.app_errors == []


async def test_withdrawing_takes_the_buttons_off_the_card(tmp_path: Path) -> None:
    """Alice takes her request back; nobody can decide it any more, and no key is made."""
    async with living(tmp_path) as world:
        alice, bob = world.person("alice"), world.person("bob")
        await world.asks("alice", "payments", plan="standard")
        shown = await card(world)
        message = await status(world, "alice", "needs to approve this.")
        kept = await alice.clicks("Withdraw", message, confirm=False)
        assert not kept.sent
        assert kept.dialog is not None
        assert kept.dialog["title"]["text"] == "Withdraw R-1001?"
        await alice.clicks("Withdraw", message)
        assert (await becomes(bob, shown, "Withdrawn by <@U0ALICE>")).labels == ["Details"]
        assert (await becomes(alice, message, "Withdrawn by <@U0ALICE>")).labels == ["Ask again"]
        await world.told("withdrawn")
        assert world.tyk.keys == []
        assert world.slack.app_errors == []


async def test_a_no_rings_with_who_and_why(tmp_path: Path) -> None:
    """Alice's phone says who denied it and the reason, and the reason does nothing but stand there."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        await world.asks("alice", "payments", plan="standard")
        await denies(world, "bob", await card(world), "ask <!here> for *test-api*")
        ring = await alice.rung("denied")
        assert ring.text.startswith("R-1001 (Payments) was denied by <@U0BOB>.")
        assert "<!here>" not in ring.text
        message = await alice.sees("was denied by <@U0BOB>", channel="dm")
        assert "Reason: ask <!here> for *test-api*" in message.shown, (
            "as it was typed, in a block that reads nothing into it"
        )
        assert "mrkdwn" not in [
            one["text"]["type"] for one in message.blocks if "<!here>" in one.get("text", {}).get("text", "")
        ]
        assert (await status(world, "alice", "Denied by <@U0BOB>")).labels == ["Ask again"]
        assert world.tyk.keys == []
        assert world.slack.app_errors == []


async def test_what_nobody_decided_lapses_and_rings(tmp_path: Path) -> None:
    """After the time of the rule the request is over, the card has no buttons, and Alice is told."""
    async with living(tmp_path) as world:
        alice, bob = world.person("alice"), world.person("bob")
        await world.asks("alice", "payments", plan="standard")
        shown = await card(world)
        await world.pass_time(timedelta(days=7) - timedelta(minutes=1))
        await world.running.worker.drain()
        note = await bob.sees(
            "R-1001, Payments (standard) for Alice Adams, has been waiting since", channel="approvals"
        )
        assert (note.labels, shown.labels) == ([], DECIDE)
        await world.pass_time(timedelta(minutes=1) + SOON)
        ring = await alice.rung("expired unanswered")
        assert ring.text == (
            "R-1001 (Payments) expired unanswered: nobody decided within 7 days. If you still need it, ask again."
        )
        assert (await becomes(bob, shown, "Expired unanswered")).labels == ["Details"]
        assert (await status(world, "alice", "Expired unanswered")).labels == ["Ask again"]
        assert (await alice.sees("nobody decided within 7 days", channel="dm")).labels == ["Ask again"]
        await world.told("lapsed")
        assert world.slack.app_errors == []


async def test_a_rule_without_approvals_grants_at_once(tmp_path: Path) -> None:
    """Carol sends the form and has a token that works; nobody is asked."""
    async with living(tmp_path) as world:
        outcome = await world.asks("carol", "test-api")
        assert outcome.response_action == "update"
        assert "It will appear in our conversation in a moment." in reads(
            await world.person("carol").sees_view("R-1001")
        )
        token = await world.token_of("carol")
        assert world.tyk.opens(token, "/test-api/")[0] == 200
        assert world.tyk.opens(token, "/payments/")[0] == 403
        carol = world.person("carol")
        await carol.clicks("I've saved it", await carol.sees(lambda one: token_in(one) == token, channel="dm"))
        assert "No approval was needed" in (await status(world, "carol", "until <!date^")).shown
        assert world.person("bob").messages("approvals") == []
        assert world.slack.app_errors == []


# --- the token --------------------------------------------------------------------------------------------------------


def _own_header(text: str) -> str:
    return text.replace("listen_path: /test-api/\n", "listen_path: /test-api/\n    auth_header: X-Api-Key\n")


async def test_the_token_stands_alone_and_in_no_notification(tmp_path: Path) -> None:
    """It is in one block of one message of one person; what a phone shows and what one types holds none of it."""
    async with living(tmp_path, change=_own_header) as world:
        carol = world.person("carol")
        await world.asks("carol", "test-api")
        token = await world.token_of("carol")
        await world.told("sent")
        message = await carol.sees(lambda one: token_in(one) == token, channel="dm")
        assert everything(message).count(token) == 1
        assert token not in message.text
        assert f'curl -H "X-Api-Key: $TOKEN" {world.tyk.gateway_url}/test-api/' in message.shown
        assert [ring for ring in world.slack.workspace.rings if token in ring.text] == []
        others = [one for posts in world.slack.workspace.posts.values() for one in posts if one is not message]
        assert [one for one in others if token in everything(one)] == []
        posted = [call for call in world.slack.journal.calls("chat.postMessage") if token in str(call.args)]
        assert posted == [], "it comes by an edit, which does not ring"
        assert world.slack.app_errors == []


async def test_the_token_goes_when_she_has_saved_it(tmp_path: Path) -> None:
    """The button deletes the message; the token itself goes on working."""
    async with living(tmp_path) as world:
        carol = world.person("carol")
        await world.asks("carol", "test-api")
        token = await world.token_of("carol")
        message = await carol.sees(lambda one: token_in(one) == token, channel="dm")
        await world.told("sent")
        screen = message.snapshot()
        await carol.clicks("I've saved it", message)
        await carol.sees_gone(message)
        await world.told("hidden")
        assert [one for one in carol.dm() if token in everything(one)] == []
        assert world.tyk.opens(token, "/test-api/")[0] == 200
        await carol.clicks("I've saved it", screen)
        assert reads(carol.view).startswith("Token on its way"), (
            "pressing it again is no mistake that she has to hear of"
        )
        assert (await world.events()).count("hidden") == 1
        assert world.slack.app_errors == []


async def test_the_token_is_hidden_by_time(tmp_path: Path) -> None:
    """Who forgets the button finds the message gone after a day, and not before."""
    async with living(tmp_path) as world:
        carol = world.person("carol")
        await world.asks("carol", "test-api")
        token = await world.token_of("carol")
        message = await carol.sees(lambda one: token_in(one) == token, channel="dm")
        await world.told("sent")
        await world.pass_time(timedelta(hours=23))
        await world.running.worker.drain()
        assert not message.deleted
        await world.pass_time(timedelta(hours=1) + SOON)
        await carol.sees_gone(message)
        await world.told("hidden")
        assert world.tyk.opens(token, "/test-api/")[0] == 200
        assert world.slack.app_errors == []


# --- words ------------------------------------------------------------------------------------------------------------


async def test_help_says_what_she_can_do_here(tmp_path: Path) -> None:
    """Help is answered to her alone, with her own APIs."""
    async with living(tmp_path) as world:
        outcome = await world.person("alice").runs("/tyk-key", "help")
        assert outcome.text is not None
        assert "You can request tokens for Ledger, Payments and Test API." in outcome.text
        assert "<#C0HELP>" in outcome.text
        assert "I don't know" not in outcome.text
        assert outcome.message is not None
        assert outcome.message.ephemeral_to == "U0ALICE"
        assert world.person("alice").view is None
        carols = await world.person("carol").runs("/tyk-key", "HELP")
        assert carols.text is not None
        assert "You can request tokens for Test API." in carols.text
        assert "Payments" not in carols.text
        assert world.slack.app_errors == []


async def test_words_that_are_not_understood_are_said_back_and_do_nothing(tmp_path: Path) -> None:
    """What she typed is quoted, with nothing in it that mentions, links or formats."""
    async with living(tmp_path) as world:
        outcome = await world.person("alice").runs("/tyk-key", "revoke <!channel> *now* <https://evil.example|here>")
        assert outcome.text is not None
        assert outcome.text.startswith("I don't know “revoke")
        assert not any(mark in outcome.text for mark in ("<!channel>", "<https", "*now*"))
        assert "Try `/tyk-key` to request a token" in outcome.text
        assert world.slack.workspace.rings == []
        assert world.slack.app_errors == []


async def test_whom_no_rule_allows_is_told_so_and_whom_to_ask(tmp_path: Path) -> None:
    """Carol may ask for nothing: she gets a sentence with the channel for help, no empty form."""

    def closed(text: str) -> str:
        return text.replace("requesters: [everyone]", 'requesters: ["@payments-devs"]')

    async with living(tmp_path, change=closed) as world:
        carol = world.person("carol")
        await carol.runs("/tyk-key")
        view = await carol.sees_view("Nothing to request")
        assert "There is no API that you can request a token for. If there should be one, ask in <#C0HELP>." in reads(
            view
        )
        assert view["submit"] is None
        await world.told("refused")
        (refused,) = await of_event(world, "refused")
        assert (refused.details["person"], refused.details["step"]) == (carol.id, "opening")
        said: Any = (await carol.runs("/tyk-key", "help")).text
        assert "There is no API that you can request a token for." in said
        assert world.slack.app_errors == []
