"""What goes wrong is told: a table of faults, and for each who hears of it, when, and in which words.

What has its story elsewhere: a wrong signing secret in `tests/running/test_http_mode.py`, an entry that a stale name puts out of
force in `tests/running/test_names.py`, an old id in `tests/story/test_two_ids.py`.

The operator hears in the help channel, in the log at warning and in a metric, and reads in `/readyz` what the bot cannot do; the
requester reads in the status what they wait for. Each is said once, and once when it is over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot import health, replicas, worker
from bot.core import outages
from bot.core.outages import TELL_AFTER
from bot.local.slack import LocalSlack, Message
from bot.local.tyk import LocalTyk
from bot.slack.client import TokenRefusedError
from bot.slack.wording import escape
from bot.store import troubles
from bot.store.seal import new_key
from tests.log import Log, lines
from tests.running import bot_in, empty_place, quiet, stored, verb
from tests.running.test_start import get
from tests.running.test_tyk import by_id
from tests.story import card, status
from tests.world import WITHIN, World, living

Begin = Callable[[World], Callable[[], object]]

APPROVALS, AUDIT, HELP, ALICE = "C0APPROVALS", "C0AUDIT", "C0HELP", "U0ALICE"
SAFE = "Your request is safe and I'm still trying. No need to ask again."
UNASKED = f"The approvers couldn't be asked so far. {SAFE}"
NO_TYK = f"This is taking longer than usual because Tyk isn't answering. {SAFE}"


@pytest.fixture(autouse=True)
def _surveys_are_frequent(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has changed is seen in a moment, not in five seconds."""
    monkeypatch.setattr(worker, "SURVEY_EVERY", 0.2)


# --- what breaks ------------------------------------------------------------------------------------------------------


def posts(code: str | None, *places: str, status: int | None = None) -> Begin:
    """Slack refuses every post there; without a place, every post but those of the help channel."""

    def begin(world: World) -> Callable[[], object]:
        def refuses(args: dict[str, Any]) -> bool:
            return args["channel"] in places or (not places and args["channel"] != HELP)

        world.slack.faults.next("chat.postMessage", error=code, status=status, times=None, when=refuses)
        return world.slack.faults.clear

    return begin


def tyk_away(world: World) -> Callable[[], object]:
    world.tyk.faults.away = True
    return world.tyk.faults.clear


def tyk_says(code: int, body: Any = None) -> Begin:
    kind = {"Content-Type": "text/html"} if isinstance(body, str) else None

    def begin(world: World) -> Callable[[], object]:
        for call in ("GET /api", "POST /api", "PUT /api", "DELETE /api"):
            world.tyk.faults.next(call, status=code, times=1000, body=body, headers=kind)
        return world.tyk.faults.clear

    return begin


def credential_rotated(world: World) -> Callable[[], object]:
    before, world.tyk.credential = world.tyk.credential, "another"

    def back() -> None:
        world.tyk.credential = before

    return back


def nobody_can_be_looked_up(world: World) -> Callable[[], object]:
    """Seen by the sweep, which looks for people who have left."""
    world.slack.faults.next("users.info", error="missing_scope", times=None)
    return world.slack.faults.clear


def shared(channel: str) -> Begin:
    def begin(world: World) -> Callable[[], object]:
        world.slack.workspace.share(channel)
        return partial(world.slack.workspace.share, channel, shared=False)

    return begin


def no_such_folder(world: World) -> Callable[[], object]:
    assert world.file is not None
    return (world.file.path.parent / "evidence").mkdir


def into_a_file(text: str, folder: Path) -> str:
    return f"audit: {{forward: [{{to: file, path: {folder}/evidence/audit.jsonl}}]}}\n{text}"


def no_such_collector(world: World) -> Callable[[], object]:
    return partial(world.tyk.add_api, "ingest", "Ingest", "/ingest/", schemes=())


def to_a_collector(text: str, _folder: Path) -> str:
    """The Gateway stands in for one: it takes what is sent to an API that takes anything."""
    address = re.findall(r"gateway_url: (\S+)", text)[0]
    return f"audit: {{forward: [{{to: https, url: {address}/ingest}}]}}\n{text}"


def tyk_deletes_nothing(world: World) -> Callable[[], object]:
    deleted = {"Status": "OK", "Message": "Key deleted successfully.", "Meta": None}
    world.tyk.faults.next("DELETE /api/keys/{name}", body=deleted, times=1000)
    return world.tyk.faults.clear


def approvers_leave(world: World) -> Callable[[], object]:
    world.slack.workspace.set_group_members("payments-leads", [])
    return partial(world.slack.workspace.set_group_members, "payments-leads", ["bob", "carol", "dave"])


# --- the table --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """A fault, its cause in log and metric, and who reads what. `at_once`: else after ten minutes. `later`: then something is due
    that meets with it. `revoked`: Alice ends what was approved. `change` is of the configuration."""

    begin: Begin
    cause: str
    operator: str
    requester: str = ""
    at_once: bool = True
    approved: bool = False
    later: timedelta | None = None
    waits: bool = False
    revoked: bool = False
    change: Callable[[str, Path], str] = lambda text, _folder: text


TABLE = {
    "Tyk is away": Told(tyk_away, "tyk_away", "Tyk isn't answering. Check that", NO_TYK, at_once=False, approved=True),
    "Tyk fails": Told(
        tyk_says(502), "tyk_away", "Tyk isn't answering. Check that", NO_TYK, at_once=False, approved=True
    ),
    "the Tyk credential was rotated": Told(
        credential_rotated,
        "tyk_401",
        "Tyk doesn't accept TYK_DASHBOARD_KEY, or its licence has expired. Renew whichever it is",
        NO_TYK,
        approved=True,
    ),
    "the Dashboard user may not": Told(
        tyk_says(403),
        "tyk_403",
        "Tyk's Dashboard user behind TYK_DASHBOARD_KEY lacks a permission.",
        NO_TYK,
        approved=True,
    ),
    "only some may post to the approvers": Told(
        posts("restricted_action", APPROVALS),
        "restricted_action",
        f"I can't post in <#{APPROVALS}>. Only some people may post there. Let my app post",
        UNASKED,
    ),
    "the approvals channel is archived": Told(
        posts("is_archived", APPROVALS),
        "is_archived",
        f"I can't post in <#{APPROVALS}>. It is archived. Unarchive it, or name another",
        UNASKED,
    ),
    "the bot is not in the approvals channel": Told(
        posts("not_in_channel", APPROVALS),
        "not_in_channel",
        f"I can't post in <#{APPROVALS}>. I'm not in it. Invite me there.",
        UNASKED,
    ),
    "the approvals channel is not to be seen": Told(
        posts("channel_not_found", APPROVALS),
        "channel_not_found",
        f"I can't post in <#{APPROVALS}>. I can't see it. If it is private, invite me",
        UNASKED,
    ),
    "the app may not post to the approvers": Told(
        posts("no_permission", APPROVALS),
        "no_permission",
        f"I can't post in <#{APPROVALS}>. My app may not post there.",
        UNASKED,
    ),
    "the approvals channel fails": Told(
        posts(None, APPROVALS, status=503), "slack_away", "Slack isn't answering as it should.", UNASKED, at_once=False
    ),
    "another company reads the approvals channel": Told(
        shared(APPROVALS),
        "shared_outside",
        f"I can't post in <#{APPROVALS}>. Another company can read it. Keep it to yours",
        UNASKED,
    ),
    "the approvals channel is read-only": Told(
        posts("restricted_action_read_only_channel", APPROVALS),
        "restricted_action_read_only_channel",
        f"I can't post in <#{APPROVALS}>. It is read-only. Let my app post",
        UNASKED,
    ),
    "writing is suspended": Told(
        posts("ekm_access_denied"),
        "ekm_access_denied",
        "Your Slack administrators have suspended writing (EKM). Ask them to allow it again.",
    ),
    "Tyk has too many calls": Told(
        tyk_says(429), "tyk_429", "Tyk asks to be called less often.", NO_TYK, at_once=False, approved=True
    ),
    "Tyk's own quota is used up": Told(
        tyk_says(403, {"Status": "Error", "Message": "Organisation quota exceeded", "Meta": None}),
        "tyk_quota",
        "Tyk says that its own quota is used up.",
        NO_TYK,
        at_once=False,
        approved=True,
    ),
    "Slack has too many posts": Told(
        posts("ratelimited", APPROVALS, status=429),
        "ratelimited",
        "Slack asks me to call less often.",
        UNASKED,
        at_once=False,
    ),
    "the workspace is being moved": Told(
        posts("org_login_required"), "org_login_required", "Your Slack workspace is being moved.", at_once=False
    ),
    "the approvals channel takes no replies": Told(
        posts("restricted_action_non_threadable_channel", APPROVALS),
        "restricted_action_non_threadable_channel",
        f"I can't post in <#{APPROVALS}>. It takes no replies. Allow them",
        later=timedelta(days=2, hours=12),
    ),
    "something else answers in Tyk's place": Told(
        tyk_says(404, "<!doctype html><html><body>No such host.</body></html>"),
        "tyk_not_tyk",
        "Something other than Tyk answers at the Dashboard's address.",
        NO_TYK,
        at_once=False,
        approved=True,
    ),
    "the Gateway answers in the Dashboard's place": Told(
        tyk_says(404, {"status": "error", "message": "Not found"}),
        "tyk_odd_answer",
        "What answers at the Dashboard's address doesn't know what I ask for.",
        NO_TYK,
        at_once=False,
        approved=True,
    ),
    "nobody is left who may approve": Told(
        approvers_leave,
        "undecidable",
        "payments: What waits can't be approved now",
        "This can't be approved now. Nobody is left who can approve Payments. Withdraw it and ask again.",
        waits=True,
    ),
    "the app is not approved": Told(
        posts("team_access_not_granted"),
        "team_access_not_granted",
        "My Slack app isn't approved for this workspace. A Slack administrator can approve it.",
    ),
    "the messages tab is off": Told(
        posts("messages_tab_disabled", ALICE),
        "messages_tab_disabled",
        "My Slack app may not send direct messages. Switch on its Messages Tab",
    ),
    "the audit channel is archived": Told(
        posts("is_archived", AUDIT), "is_archived", f"I can't post in <#{AUDIT}>. It is archived."
    ),
    "Tyk deletes a key and has it still": Told(
        tyk_deletes_nothing,
        "tyk_key_still_there",
        "Tyk says that it deleted a key and still has it. Delete it in the Dashboard.",
        at_once=False,
        approved=True,
        revoked=True,
    ),
    "the audit's file can't be written": Told(
        no_such_folder,
        "forward_file",
        "I can't forward the audit to audit.jsonl (file). I can't write to that file. Check the space on its disk",
        change=into_a_file,
    ),
    "the audit's collector refuses it": Told(
        no_such_collector,
        "forward_refused",
        "I can't forward the audit to 127.0.0.1 (https). It refuses what I send. Check its address and format",
        change=to_a_collector,
    ),
    "a scope is missing for the sweep": Told(
        nobody_can_be_looked_up,
        "missing_scope",
        "My Slack app lacks a scope. Install it again",
        later=timedelta(hours=12, minutes=1),
    ),
}


ELSEWHERE = {
    "tyk_elsewhere": "tests/tyk/test_marked.py",
    "tyk_tls": "tests/core/test_outages.py",
    "slack_token": "below",
    "replicas_differ": "below",
    "record_unreadable": "tests/faults/test_database.py",
    "forward_away": "tests/running/test_forwarding.py",
}
"""The causes that are tried elsewhere, and where."""


def test_the_table_has_every_cause() -> None:
    """Whoever gives the bot a sentence for another cause says here who hears it, or where that is tried."""
    assert sorted({one.name for one in outages._CAUSES.values()}) == sorted(
        {one.cause for one in TABLE.values()} | {*ELSEWHERE}
    )


@pytest.mark.parametrize("fault", TABLE.values(), ids=TABLE.keys())
async def test_who_hears_of_it(tmp_path: Path, log: Log, fault: Told) -> None:
    """Everybody whom the table names, once, in its words, and the operator again when it is over."""
    async with living(tmp_path, change=lambda text: fault.change(text, tmp_path)) as world:
        if fault.approved or fault.later or fault.waits:
            await world.asks("alice", "payments", plan="standard")
            shown = await card(world)
            await status(world, "alice", "")
        end = fault.begin(world)
        if fault.approved:
            await world.person("bob").clicks("Approve", shown)
            if fault.revoked:
                await world.person("alice").clicks("Revoke", await status(world, "alice", "Active until"))
        elif fault.later:
            await world.pass_time(fault.later)
        elif not fault.waits:
            await world.asks("alice", "payments", plan="standard")
        if not fault.at_once:
            await failed(world)
            assert help_channel(world) == []
            await world.pass_time(TELL_AFTER + timedelta(minutes=1))
        told = await hears(world, "Since ")
        assert fault.operator in told
        ready, text = await get(world, "/readyz")
        said = json.loads(text)
        assert (ready, said["late"] > 0) == (200, not fault.waits)
        assert [one for one in said["cannot"] if re.sub("[<#>]", "", fault.operator) in one]
        assert f'tyk_key_bot_outages{{cause="{fault.cause}"}} 1.0' in (await get(world, "/metrics"))[1]
        (began,) = lines(log, event="outage.began")
        assert (began["log_level"], began["cause"]) == ("warning", fault.cause)
        if fault.requester:
            if fault.at_once:
                await world.pass_time(TELL_AFTER + timedelta(minutes=1))
            await status(world, "alice", fault.requester)
        end()
        await world.pass_time(timedelta(minutes=6))
        over = await hears(world, "Over since ")
        assert fault.operator.partition(". ")[0].rstrip(".") in over, "and not what to do"
        assert len(help_channel(world)) == 2
        assert json.loads((await get(world, "/readyz"))[1])["cannot"] == []
        assert lines(log, event="outage.over", cause=fault.cause)
        if fault.requester:
            await no_longer(world, fault.requester)


def help_channel(world: World) -> list[str]:
    return [one.text for one in world.person("carol").messages("help")]


async def hears(world: World, beginning: str) -> str:
    """What the help channel is told, once it is."""
    message = await world.person("carol").sees(
        lambda one: one.text.startswith(beginning), channel="help", timeout=WITHIN
    )
    return message.text


async def no_longer(world: World, sentence: str) -> None:
    """The status says nothing of it any more."""

    def mended(one: Message) -> bool:
        return "\nR-1001 · Payments" in one.shown and sentence not in one.shown

    await world.person("alice").sees(mended, channel="dm", timeout=WITHIN)


async def failed(world: World) -> None:
    """Something has failed, and that is stored."""
    await stored(world, lambda tx: bool(troubles.failing(tx)))


async def test_the_operators_list_says_who_waits_and_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tyk is away: `requests` has whoever waits for it, the longest first, and then what waits for a person."""
    async with living(tmp_path) as world:
        for who in ("alice", "dave"):
            await world.asks(who, "payments", plan="standard")
            await world.person(who).closes()
        shown = await card(world, containing="R-1002")
        tyk_away(world)
        await world.asks("carol", "test-api")
        await failed(world)
        await world.person("bob").clicks("Approve", shown)
        await stored(world, lambda tx: len(troubles.failing(tx)) == 2)
        capsys.readouterr()
        assert await verb(tmp_path, "requests", "--format", "jsonl") == 0
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [(row["request"], row["state"], row["late"], row["stuck"]) for row in rows] == [
            ("R-1003", "issuing", "issue_key(tyk_broken)", ""),
            ("R-1002", "issuing", "issue_key(tyk_broken)", ""),
            ("R-1001", "pending", "", ""),
        ]
        since = [row["failing_since"] for row in rows]
        assert "" < since[0] <= since[1], since
        assert since[2] == ""
        assert [bool(row["why"]) for row in rows] == [True, True, False]


# --- a bot token that Slack accepts no more ---------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["token_revoked", "account_inactive", "invalid_auth"])
async def test_a_bot_token_that_was_revoked(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """The socket stands, but nobody can be answered: the first act that fails is enough for the bot to end with a sentence."""
    seen: list[tuple[int, str]] = []
    monkeypatch.setattr(health, "ASK_FOR_TOKEN_EVERY", 3600.0)

    async def loses_its_token() -> None:
        async with living(tmp_path) as world:
            await world.asks("alice", "payments", plan="standard")
            shown = await card(world)
            world.tyk.faults.next("POST /api/keys", hang=True)  # what is under way is waited for in the end
            await world.person("bob").clicks("Approve", shown)
            await world.tyk.called("POST /api/keys")
            world.slack.faults.next("*", error=code, times=None)
            while not seen or seen[-1][0] == 200:
                seen.append(await get(world, "/readyz"))
            world.tyk.faults.release()

    sentence = rf"Slack does not accept SLACK_BOT_TOKEN \({code}\): copy it .*install the app again"
    with pytest.raises(TokenRefusedError, match=sentence):
        await loses_its_token()
    (refused,) = lines(log, event="slack.token_refused")
    assert refused["log_level"] == "error"
    assert "install the app again there" in refused["what"]
    last, text = seen[-1]
    assert (last, json.loads(text)["cannot"]) == (503, [refused["what"]])


async def test_a_token_is_asked_about_although_nobody_acts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing has to be posted, a look now and then finds it; that Slack is away, is busy with something else or is not
    what answers proves nothing."""
    monkeypatch.setattr(health, "ASK_FOR_TOKEN_EVERY", 0.1)

    async def loses_its_token() -> None:
        async with living(tmp_path) as world:
            troubles = ({"status": 503}, {"page": "<html>Back soon.</html>"}, {"error": "team_added_to_org"})
            for trouble in troubles:
                world.slack.faults.next("auth.test", **trouble)
            asked = partial(world.slack.journal.calls, "auth.test")
            await world.slack.changes.until(
                lambda: True if len([one for one in asked() if not one.ok]) == 3 else None, WITHIN, "Slack being away"
            )
            assert (await get(world, "/readyz"))[0] == 200
            world.slack.faults.next("auth.test", error="token_revoked", times=None)
            await pages_until_the_end(world)

    with pytest.raises(TokenRefusedError, match="token_revoked"):
        await loses_its_token()


async def pages_until_the_end(world: World) -> list[tuple[int, str]]:
    """What `/readyz` said until it was gone."""
    seen = []
    with suppress(aiohttp.ClientError, TimeoutError):
        while True:
            seen.append(await get(world, "/readyz"))
    return seen


# --- what cannot be opened any more -----------------------------------------------------------------------------------


async def test_a_token_that_no_seal_key_opens(tmp_path: Path) -> None:
    """Started with other SEAL_KEYS, and Tyk deletes no key by its hash: it is stuck, and `/readyz` says what to add."""
    environ = {"DATABASE_URL": f"sqlite:///{tmp_path / 'bot.db'}"}
    async with empty_place() as place:
        place.tyk.switches.enable_delete_key_by_hash = False
        async with bot_in(place, by_id, **environ) as world:
            await world.asks("alice", "test-api")
            await world.told("sent")
            await quiet(world)
        async with bot_in(place, by_id, **environ) as world:
            (lost,) = json.loads((await get(world, "/readyz"))[1])["cannot"]
            assert "1 " in lost
            await world.pass_time(timedelta(days=7, minutes=1))
            await world.told("stuck")
            assert json.loads((await get(world, "/readyz"))[1])["cannot"] == [outages.SEALED, lost]
            parked = f'tyk_key_bot_effects_parked{{error="{outages.SEAL_LOST}",kind="revoke_key"}} 1.0'
            assert parked in (await get(world, "/metrics"))[1]


# --- what is found at the start ---------------------------------------------------------------------------------------


def _renamed(slack: LocalSlack, _tyk: LocalTyk) -> None:
    slack.workspace.group("payments-leads").handle = "leads"


def _moved(slack: LocalSlack, _tyk: LocalTyk) -> None:
    _renamed(slack, _tyk)
    slack.workspace.add_group("payments-leads", id="S0OTHERS", members=["dave"])


def _deactivated(slack: LocalSlack, _tyk: LocalTyk) -> None:
    slack.workspace.user("bob").deleted = True


def _by_address(text: str) -> str:
    return text.replace('["@payments-leads"]', '[bob@example.com, "@payments-leads"]')


def _as_it_is(text: str) -> str:
    return text


STALE = {
    "a group was renamed": (_renamed, _as_it_is, "@payments-leads is not known to Slack any more; it meant S0LEADS"),
    "a handle means another group": (_moved, _as_it_is, "@payments-leads meant S0LEADS and now means S0OTHERS."),
    "somebody named by their address left": (
        _deactivated,
        _by_address,
        "`approvers` names bob@example.com, which is not the e-mail address of a member in this workspace: left out",
    ),
}


@pytest.mark.parametrize(("happens", "change", "said"), STALE.values(), ids=STALE.keys())
async def test_a_name_in_the_file_that_fits_no_more(
    tmp_path: Path, log: Log, happens: Callable[..., None], change: Callable[[str], str], said: str
) -> None:
    """The bot starts all the same; the log has the place in the file at warning and the help channel the sentence, once."""
    environ = {"DATABASE_URL": f"sqlite:///{tmp_path / 'bot.db'}"}
    async with empty_place() as place:
        async with bot_in(place, change, **environ) as world:
            await quiet(world)
        happens(place.slack, place.tyk)
        async with bot_in(place, change, **environ) as world:
            told = await hears(world, "The configuration needs a look.")
            assert escape(said) in told
            (doubt, *_) = [one for one in lines(log, event="config.doubt") if said in str(one["where"])]
            assert doubt["log_level"] == "warning"
            assert str(doubt["where"]).startswith("config.yaml:")
            assert (await get(world, "/readyz"))[0] == 200
            assert 'tyk_key_bot_complaints{reason="doubted"} 1.0' in (await get(world, "/metrics"))[1]
            assert len(help_channel(world)) == 1


async def test_tokens_that_no_seal_key_opens_at_the_start(tmp_path: Path, log: Log) -> None:
    """The start says how many, whose, and what to put back, in the log and in the help channel."""
    environ = {"DATABASE_URL": f"sqlite:///{tmp_path / 'bot.db'}"}
    async with empty_place() as place:
        async with bot_in(place, by_id, **environ) as world:
            await world.asks("alice", "test-api")
            await world.told("sent")
            await quiet(world)
        async with bot_in(place, by_id, **environ) as world:
            (lost,) = lines(log, event="seal.lost")
            told = await world.person("bob").sees("Some of what I have to use can't be opened", channel="help")
            assert "put the key that sealed them back" in told.shown
            assert 'tyk_key_bot_complaints{reason="unsealed"} 1.0' in (await get(world, "/metrics"))[1]
    assert lost["log_level"] == "warning"
    assert "opens 1 of the tokens in the database (R-1001): put the key that sealed them back" in lost["what"]


async def test_replicas_with_different_configurations(log: Log, postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two bots on one database, and one has another file: after ten minutes, which no restart takes, the operator hears of it,
    and again when the one that was forgotten is gone."""
    monkeypatch.setattr(replicas, "EVERY", 0.2)
    environ = {"DATABASE_URL": postgres, "SEAL_KEYS": new_key()}
    sentence = "My replicas run with different configurations: what one of them allows another one refuses."

    def stricter(text: str) -> str:
        return text.replace("approvals: 2", "approvals: 3")

    async with empty_place() as place, bot_in(place, **environ) as old:
        async with bot_in(place, stricter, **environ) as new:
            await stored(new, lambda tx: len(troubles._replicas(tx)) == 2)
            for world in (old, new):  # both at once: there is one clock, the database's
                world.running.store.skew = TELL_AFTER + timedelta(minutes=1)
            assert sentence in await hears(old, "Since ")
            assert 'tyk_key_bot_outages{cause="replicas_differ"} 1.0' in (await get(new, "/metrics"))[1]
        assert sentence in await hears(old, "Over since ")
        assert len(help_channel(old)) == 2
    assert {one["cause"] for one in lines(log, event="outage.began")} == {"replicas_differ"}


async def test_a_metric_of_what_is_over_is_gone(tmp_path: Path) -> None:
    """What fails is counted by kind and error with the age of the oldest, and not any more once it is mended."""
    async with living(tmp_path) as world:
        tyk_away(world)
        await world.asks("alice", "test-api")
        await failed(world)
        await world.pass_time(timedelta(minutes=3))
        page = (await get(world, "/metrics"))[1]
        assert 'tyk_key_bot_effects_failing{error="tyk_broken",kind="issue_key"} 1.0' in page
        oldest = next(line for line in page.splitlines() if line.startswith("tyk_key_bot_failing_seconds "))
        assert 180 <= float(oldest.split()[1]) < 300
        world.tyk.faults.clear()
        await world.pass_time(timedelta(minutes=2))
        await world.token_of("alice")
        await world.told("sent")
        page = (await get(world, "/metrics"))[1]
        assert "issue_key" not in "".join(line for line in page.splitlines() if "effects_failing" in line)
        assert "tyk_key_bot_failing_seconds 0.0" in page
