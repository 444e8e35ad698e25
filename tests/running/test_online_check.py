"""`check --online` beside its complaints: what is right, and yet worth knowing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot import app, config, online_check, opening, settings
from bot.settings import Need
from bot.tyk.dashboard import KeysBy
from tests.running import empty_place
from tests.running.test_start import environ_of, process


async def test_which_channels_anybody_can_join(tmp_path: Path) -> None:
    """Who may join may ask: an open channel is told of, a private one is not, and neither makes the check fail."""
    async with empty_place() as place:
        place.slack.workspace.add_channel("devs", id="C0DEVS", members=["alice"])
        place.slack.workspace.add_channel("inner", id="C0INNER", members=["alice"], is_private=True)
        text = place.config().replace('["@payments-devs"]', "[C0DEVS, C0INNER]", 1)
        given = environ_of(place, tmp_path)
        loaded = config.parse(text)
        async with app.connected_slack(loaded, settings.load(given), {**os.environ, **given}) as slack:
            notes = await online_check.slack_notes(loaded, slack.directory)
        async with process(tmp_path, text, "check", "--online", **given) as bot:
            ended = await bot.end()
    (note,) = map(str, notes)
    assert (ended.code, ended.said) == (0, f"note: {note.replace('config.yaml', str(tmp_path / 'config.yaml'))}\n")
    assert note.endswith("C0DEVS: anybody in the workspace can join #devs, and may then ask for payments.")


async def test_who_also_may_approve_is_counted(tmp_path: Path) -> None:
    """Bob is called and Erin may decide, too: two approvals can be reached and three cannot, and it is told once she is gone."""

    def changed(text: str, approvals: int) -> str:
        leads = 'approvers: ["@payments-leads"]\n'
        also = 'approvers: [U0BOB]\n    also_may_approve: ["@on-call"]\n'
        return text.replace(leads, f"{also}    approvals: {approvals}\n", 1).replace(leads, also)

    async with empty_place() as place:
        place.slack.workspace.add_user("erin")
        place.slack.workspace.add_group("on-call", id="S0ONCALL", members=["erin"])
        given = environ_of(place, tmp_path)

        async def said(approvals: int) -> list[str]:
            loaded = config.parse(changed(place.config(), approvals))
            async with app.connected_slack(loaded, settings.load(given), {**os.environ, **given}) as slack:
                rulebook = await online_check.rulebook_of(loaded, slack.directory)
                found = await online_check.slack_complaints(loaded, rulebook, slack.directory, slack.workspace)
            return [str(one).partition(": ")[2] for one in found]

        assert await said(2) == [], "whoever is not called need not be where it is asked"
        assert await said(3) == ["payments needs 3 approvals, but only 2 of its approvers can give one."]
        place.slack.workspace.change_user("erin", deleted=True)
        gone = "U0ERIN may approve for payments, but cannot: Their Slack account is deactivated."
        assert gone in await said(2)


@pytest.mark.parametrize(("asks_to_wait", "times", "is_told"), [(600, None, True), (0, 1, False)])
async def test_whom_slack_does_not_tell_of(
    tmp_path: Path, asks_to_wait: int, times: int | None, *, is_told: bool
) -> None:
    """Slack's limit is used up at one of three approvers, who has gone: Slack is asked again where it says when, and else it is
    told of how many nothing is known."""
    async with empty_place() as place:
        place.slack.workspace.change_user("bob", deleted=True)
        place.slack.faults.next(
            "users.info", status=429, retry_after=asks_to_wait, times=times, when=lambda args: args["user"] == "U0BOB"
        )
        given = environ_of(place, tmp_path)
        loaded = config.parse(place.config())
        async with app.connected_slack(loaded, settings.load(given), {**os.environ, **given}) as slack:
            rulebook = await online_check.rulebook_of(loaded, slack.directory)
            found = await online_check.slack_complaints(loaded, rulebook, slack.directory, slack.workspace)
        async with process(tmp_path, place.config(), "check", "--online", **given) as bot:
            ended = await bot.end()
    said = [str(one).partition(": ")[2] for one in found]
    unseen = "1 of 3 who may approve for payments could not be looked at (ratelimited). Try again later."
    assert (unseen in said) is is_told, said
    assert any(one.startswith("U0BOB may approve for payments, but cannot") for one in said) is not is_told
    assert ended.code == 2, "what was not looked at is not well"


async def test_analytics_that_may_not_be_read_are_a_note() -> None:
    """Nothing fails without them: `who` cannot say when a token was last used, and what to give is told."""
    async with empty_place() as place:
        loaded, given = config.parse(place.config()), {**os.environ, **place.environ()}
        url, keys_by = loaded.tyk.dashboard_url, KeysBy(loaded.tyk.keys_by)
        async with opening.connected_tyk(
            url, keys_by, settings.load(given, needs=frozenset({Need.TYK})), given
        ) as dashboard:
            assert await online_check.tyk_notes(loaded, dashboard) == ()
            place.tyk.switches.analytics = "deny"
            (note,) = map(str, await online_check.tyk_notes(loaded, dashboard))
    assert note.endswith(
        ": the Dashboard user may not read analytics, so /tyk-key who can't say when a token was last used. Give it the "
        "permission analytics (read)."
    )
