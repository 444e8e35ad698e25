"""Who holds what, for those who may know: `/tyk-key who`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from bot.local.slack import Person
from tests.story import View, asked, denies, granted, labels, of_event, reads
from tests.world import living


def with_auditor(text: str) -> str:
    """Dave audits, and Carol has no say about the Test API."""
    text = text.replace("approvals: 0", "approvals: 0\n    approvers: [U0BOB]")
    return text.replace("\napis:", "\nauditors: [U0DAVE]\n\napis:", 1)


async def looks(person: Person, words: str) -> str:
    await person.runs("/tyk-key", f"who {words}".strip())
    return reads(await person.sees_view(_is_there))


def _is_there(view: View) -> bool:
    return "Who holds what" in reads(view) and "Looking it up" not in reads(view)


async def test_an_approver_sees_who_holds_what_she_approves(tmp_path: Path) -> None:
    """Carol asks who holds Payments: Alice, since when, until when, why, used by what, approved by whom. Nobody's phone rings."""
    async with living(tmp_path) as world:
        await granted(world, "alice", used_by="checkout")
        carol, rings = world.person("carol"), len(world.slack.workspace.rings)
        said = await looks(carol, "payments")
        assert "Who holds a token for *Payments* now" in said
        for part in (
            "*Alice Adams* <@U0ALICE> · standard · R-1001",
            "Since <!date^",
            ", until <!date^",
            "Approved by *Bob Brown* <@U0BOB>",
            "Used by: checkout",
            "Reason: to build the checkout",
            "The audit says that you looked this up.",
        ):
            assert part in said, part
        assert "tyk-key-bot keys" not in said, "a file is for auditors"
        await carol.closes()
        assert "Nobody holds a token for *Ledger* now." in await looks(carol, "Ledger")
        await carol.closes()
        assert "I don't know an API called “Paymnets”. Did you mean Payments?" in await looks(carol, "Paymnets")
        await world.told("looked", times=2)
        assert len(world.slack.workspace.rings) == rings
        first, second = await of_event(world, "looked")
        assert (first.api, first.details) == ("payments", {"person": "U0CAROL"})
        assert second.api == "ledger"
        told = [line for one in carol.messages("audit") for line in one.text.splitlines() if "*looked*" in line]
        assert "Payments · *looked* · Carol Clark looked up who holds it" in told[0]
        assert world.slack.app_errors == []


async def test_when_a_token_was_last_used_is_read_where_somebody_looks(tmp_path: Path) -> None:
    """Carol looks after Alice used hers, after five weeks without a call, and once Tyk keeps it from the bot."""

    def never(text: str) -> str:
        return text.replace("    plans:\n", "    lifetimes: [7d, never]\n    review_every: 90d\n    plans:\n", 1)

    async with living(tmp_path, change=never) as world:
        await granted(world, lifetime="never")
        carol, (key,) = world.person("carol"), world.tyk.keys
        assert world.tyk.opens(key.token, "/payments/")[0] == 200
        assert "Last used <!date^" in await looks(carol, "payments")
        await carol.closes()
        await world.pass_time(timedelta(days=35))
        said = await looks(carol, "payments")
        assert "No use recorded in the last 30 days" in said
        await carol.closes()
        world.tyk.switches.analytics = "deny"
        said = await looks(carol, "payments")
        assert "Last use unknown" in said
        assert "needs the permission `analytics` (read)" in said
        assert all(key.token not in call.path for call in world.tyk.calls("GET /api/activity"))
        assert world.slack.app_errors == []


async def test_nobody_else_may_look_and_the_audit_says_who_tried(tmp_path: Path) -> None:
    """Alice may ask for Payments and not look: she is told who can, and her try is a line."""
    async with living(tmp_path) as world:
        alice = world.person("alice")
        assert "You can't look up who holds Payments: only the people who approve Payments and auditors can." in (
            await looks(alice, "payments")
        )
        await alice.closes()
        assert "You can't look up what somebody holds: only approvers and auditors can." in await looks(alice, "@bob")
        await alice.closes()
        assert "Only approvers and auditors can look up who holds what." in await looks(alice, "nonsense")
        await world.told("refused", times=3)
        refused = await of_event(world, "refused")
        assert [(one.api, one.details["step"]) for one in refused] == [
            ("payments", "looking up"),
            (None, "looking up"),
            (None, "looking up"),
        ]
        assert await of_event(world, "looked") == []
        assert world.slack.app_errors == []


async def test_of_a_person_an_approver_sees_what_she_approves_and_an_auditor_all(tmp_path: Path) -> None:
    """Alice holds Payments and Test API: Carol sees the first, Dave both, and how to get a file. The audit names Alice."""
    async with living(tmp_path, change=with_auditor) as world:
        await granted(world, "alice")
        await world.asks("alice", "test-api")
        await world.told("sent", times=2)
        carol, dave = world.person("carol"), world.person("dave")
        said = await looks(carol, "@alice")
        assert "Tokens that *Alice Adams* <@U0ALICE> holds now" in said
        assert "*Payments* · standard · R-1001" in said
        assert "Test API" not in said
        said = await looks(dave, "U0ALICE")
        assert said.index("*Test API* · standard · R-1002") < said.index("*Payments* · standard · R-1001")
        assert "No approval needed" in said
        assert "`tyk-key-bot keys --person U0ALICE --format csv`" in said
        await dave.closes()
        await carol.closes()
        assert "*Bob Brown* <@U0BOB> holds no token now." in await looks(dave, "@bob")
        assert "<@U0BOB> holds no token now for an API that you approve." in await looks(carol, "@bob")
        await world.told("looked", times=4)
        first, *_ = await of_event(world, "looked")
        assert (first.person and first.person.user_id, first.details["about"]) == ("U0ALICE", "U0ALICE")
        lines = "\n".join(one.text for one in carol.messages("audit"))
        assert "*looked* · Carol Clark looked up what Alice Adams holds" in lines
        assert world.slack.app_errors == []


async def test_pages_of_ten_with_buttons_for_the_newer_and_the_older(tmp_path: Path) -> None:
    """Twelve tokens for the Test API: ten, then two, then ten again; each page that was looked at is a line."""
    async with living(
        tmp_path, change=lambda text: with_auditor(text).replace("defaults:", "defaults:\n  max_active: 20")
    ) as world:
        for number in range(12):
            who = ("alice", "bob", "carol")[number % 3]
            await world.asks(who, "test-api")
            await world.told("sent", times=number + 1)
            await world.person(who).closes()
        dave = world.person("dave")
        said = await looks(dave, "test-api")
        assert [number for number in range(1001, 1013) if f"R-{number}" in said] == list(range(1003, 1013))
        assert labels(dave.view) == ["Older"]
        await dave.clicks("Older")
        said = reads(await dave.sees_view("R-1002"))
        assert "R-1001" in said
        assert "R-1003" not in said
        assert labels(dave.view) == ["Newer"]
        await dave.clicks("Newer")
        assert "R-1003" in reads(await dave.sees_view("R-1012"))
        await world.told("looked", times=3)
        assert [one.details.get("page") for one in await of_event(world, "looked")] == [None, 2, None]
        assert world.slack.app_errors == []


async def test_what_was_denied_or_has_ended_is_held_by_nobody(tmp_path: Path) -> None:
    """A no and a time that is over: neither is shown."""
    async with living(tmp_path, change=with_auditor) as world:
        await denies(world, "bob", await asked(world), "no")
        await world.asks("carol", "test-api", lifetime="20")
        await world.told("sent")
        await world.pass_time(timedelta(seconds=21))
        await world.told("key deleted")
        dave = world.person("dave")
        for words, title in (("payments", "Payments"), ("Test  API", "Test API")):
            assert f"Nobody holds a token for *{title}* now." in await looks(dave, words)
            await dave.closes()
        assert world.slack.app_errors == []


async def test_a_word_that_is_missing_or_means_nobody_is_explained(tmp_path: Path) -> None:
    """Nothing behind `who`, a name that Slack did not resolve: what to type instead."""
    async with living(tmp_path) as world:
        carol = world.person("carol")
        assert "Name an API or a person: /tyk-key who payments, or /tyk-key who @somebody." in await looks(carol, "")
        await carol.closes()
        assert "I can't tell who @nobody is. Pick the person from the list" in await looks(carol, "@nobody")
        assert world.slack.app_errors == []


async def test_whoever_comes_into_a_group_that_audits_is_in_the_audit(tmp_path: Path) -> None:
    """Who may edit the group decides who may look."""

    def by_group(text: str) -> str:
        return text.replace("\napis:", '\nauditors: ["@payments-devs"]\n\napis:', 1)

    async with living(tmp_path, change=by_group) as world:
        world.slack.workspace.set_group_members("payments-devs", ["alice", "bob", "dave", "carol"])
        await world.told("group changed")
        told = "\n".join(one.text for one in world.person("carol").messages("audit"))
        assert "*group changed* · @payments-devs, added Carol Clark, audits" in told
        assert "auditors with @payments-devs" in told
        assert world.slack.app_errors == []
