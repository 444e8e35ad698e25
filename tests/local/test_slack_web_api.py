"""The local Web API: who may call, what is refused, and what people then see."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from bot.local.slack import LocalSlack, RateLimits

Json = dict[str, Any]


class Now:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = 1_700_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def now() -> Now:
    """The time in the workspace."""
    return Now()


@pytest.fixture
async def slack(monkeypatch: pytest.MonkeyPatch, now: Now) -> AsyncIterator[LocalSlack]:
    """A workspace with people of all kinds and nobody listening."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with LocalSlack(clock=now) as server:
        place = server.workspace
        for kind in ("member", "admin", "guest", "single_channel_guest", "deactivated", "stranger", "external", "bot"):
            place.add_user(kind.replace("_", ""), kind=kind)
        place.add_group("leads", members=["member", "admin"])
        place.add_channel("audit", members=["member"])
        place.add_channel("shared", members=["member", "external"], is_ext_shared=True)
        place.add_channel("closed", members=["member"], bot_is_member=False, is_private=True)
        place.add_channel("old", is_archived=True)
        yield server


@pytest.fixture
async def client(slack: LocalSlack) -> AsyncIterator[AsyncWebClient]:
    """The real client, over one session."""
    async with aiohttp.ClientSession() as session:
        yield AsyncWebClient(token=slack.bot_token, base_url=slack.url, session=session)


async def refused(call: Any) -> Json:
    """The body of a refusal."""
    with pytest.raises(SlackApiError) as caught:
        await call
    body: Json = caught.value.response.data
    return body


async def test_it_says_who_we_are(client: AsyncWebClient) -> None:
    """auth.test names team, user and bot; the header names the scopes."""
    answer = await client.auth_test()
    assert (answer["team_id"], answer["user_id"], answer["bot_id"]) == ("T0SANDBOX", "U0BOT", "B0SANDBOX")
    assert "chat:write" in answer.headers["x-oauth-scopes"]


async def test_tokens_are_asked_for(slack: LocalSlack) -> None:
    """No token, a wrong one, and one of the wrong type are three different errors."""
    base = slack.url
    assert (await refused(AsyncWebClient(token="xoxb-no", base_url=base).auth_test()))["error"] == "invalid_auth"
    assert (await refused(AsyncWebClient(base_url=base).auth_test()))["error"] == "not_authed"
    wrong = AsyncWebClient(token=slack.app_token, base_url=base)
    assert (await refused(wrong.auth_test()))["error"] == "not_allowed_token_type"
    bot = AsyncWebClient(base_url=base)
    answer = await refused(bot.apps_connections_open(app_token=slack.bot_token))
    assert answer["error"] == "not_allowed_token_type"
    slack.revoke_bot_token()
    assert (await refused(AsyncWebClient(token=slack.bot_token, base_url=base).auth_test()))["error"] == "invalid_auth"


async def test_unknown_methods_and_arguments_are_refused(slack: LocalSlack, client: AsyncWebClient) -> None:
    """A typo in a method or an argument does not pass, and is the app's error."""
    assert (await refused(client.api_call("chat.shout")))["error"] == "unknown_method"
    answer = await refused(
        client.api_call("chat.postMessage", json={"channel": "C0AUDIT", "text": "x", "colour": "red"})
    )
    assert answer["error"] == "invalid_arguments"
    assert "/colour" in answer["response_metadata"]["messages"][0]
    assert (await refused(client.api_call("users.info")))["error"] == "invalid_arguments"
    assert [e.kind for e in slack.app_errors] == ["unknown_method", "invalid_arguments", "invalid_arguments"]


@pytest.mark.usefixtures("slack")
async def test_scopes_are_asked_for() -> None:
    """A call without its scope says which is needed and which are there."""
    async with LocalSlack(scopes=("chat:write",)) as poor:
        answer = await refused(AsyncWebClient(token=poor.bot_token, base_url=poor.url).usergroups_list())
    assert (answer["error"], answer["needed"], answer["provided"]) == ("missing_scope", "usergroups:read", "chat:write")


async def test_forms_queries_and_json_are_alike(slack: LocalSlack) -> None:
    """Arguments come as JSON, as a form with JSON in strings, or in the query; the token may be among them."""
    async with aiohttp.ClientSession() as session:
        form = {"token": slack.bot_token, "channel": "C0AUDIT", "text": "a", "blocks": '[{"type":"divider"}]'}
        async with session.post(f"{slack.url}chat.postMessage", data=form) as answer:
            assert (await answer.json())["message"]["blocks"][0]["type"] == "divider"
        params = {"token": slack.bot_token, "user": "U0MEMBER"}
        async with session.get(f"{slack.url}users.info", params=params) as answer:
            assert (await answer.json())["user"]["name"] == "member"
    assert all("token" not in call.args for call in slack.journal.calls())


async def test_people_are_of_all_kinds(client: AsyncWebClient) -> None:
    """users.info tells members, guests, strangers, external people, bots and the deactivated apart."""

    async def user(name: str) -> Json:
        answer: Json = (await client.users_info(user=name))["user"]
        return answer

    assert (await user("U0GUEST"))["is_restricted"] is True
    assert (await user("U0SINGLECHANNELGUEST"))["is_ultra_restricted"] is True
    assert (await user("U0ADMIN"))["is_admin"] is True
    assert (await user("U0STRANGER"))["is_stranger"] is True
    external = await user("U0EXTERNAL")
    assert external["team_id"] == "T0ELSEWHERE"
    assert "is_stranger" not in external
    gone = await user("U0DEACTIVATED")
    assert gone["deleted"] is True
    assert "is_restricted" not in gone
    assert (await user("USLACKBOT"))["is_bot"] is False
    assert (await refused(client.users_info(user="U0NOBODY")))["error"] == "user_not_found"
    assert (await client.users_lookupByEmail(email="Member@example.com"))["user"]["id"] == "U0MEMBER"
    assert (await refused(client.users_lookupByEmail(email="deactivated@example.com")))["error"] == "users_not_found"


async def test_groups_have_members(client: AsyncWebClient) -> None:
    """User groups are listed with their members on wish."""
    groups = (await client.usergroups_list(include_users=True))["usergroups"]
    assert [(g["id"], g["handle"], g["users"]) for g in groups] == [("S0LEADS", "leads", ["U0MEMBER", "U0ADMIN"])]
    assert "users" not in (await client.usergroups_list())["usergroups"][0]
    assert (await client.usergroups_users_list(usergroup="S0LEADS"))["users"] == ["U0MEMBER", "U0ADMIN"]
    assert (await refused(client.usergroups_users_list(usergroup="S0NO")))["error"] == "no_such_subteam"


async def test_channels_say_what_they_are(client: AsyncWebClient) -> None:
    """A shared channel, an archived one, and one that is not ours to see."""
    assert (await client.conversations_info(channel="C0SHARED"))["channel"]["is_ext_shared"] is True
    assert (await client.conversations_info(channel="C0OLD"))["channel"]["is_archived"] is True
    assert (await client.conversations_info(channel="C0GENERAL"))["channel"]["is_member"] is False
    assert (await refused(client.conversations_info(channel="C0CLOSED")))["error"] == "channel_not_found"


async def test_lists_come_in_pages(client: AsyncWebClient) -> None:
    """A cursor leads through all members and all channels; a made-up one leads nowhere."""
    found: list[str] = []
    cursor = None
    while cursor != "":
        page = await client.conversations_members(channel="C0SHARED", limit=1, cursor=cursor)
        found += page["members"]
        cursor = page["response_metadata"]["next_cursor"]
    assert found == ["U0MEMBER", "U0EXTERNAL", "U0BOT"]
    assert (await refused(client.users_list(cursor="nonsense")))["error"] == "invalid_cursor"
    assert {c["name"] for c in (await client.conversations_list())["channels"]} == {"general", "audit", "shared", "old"}


async def test_messages_go_where_they_may(slack: LocalSlack, client: AsyncWebClient) -> None:
    """A U id is taken for posting and answered with the D id; other places are refused by name."""
    posted = await client.chat_postMessage(channel="U0MEMBER", text="hello")
    assert posted["channel"].startswith("D")
    assert (await refused(client.chat_update(channel="U0MEMBER", ts=posted["ts"], text="x")))[
        "error"
    ] == "channel_not_found"
    await client.chat_update(channel=posted["channel"], ts=posted["ts"], text="hello again")
    assert [m.text for m in slack.person("member").dm()] == ["hello again"]
    expected = {
        "C0OLD": "is_archived",
        "C0GENERAL": "not_in_channel",
        "C0CLOSED": "channel_not_found",
        "#audit": "channel_not_found",
    }
    for channel, error in expected.items():
        assert (await refused(client.chat_postMessage(channel=channel, text="x")))["error"] == error
    await client.chat_delete(channel=posted["channel"], ts=posted["ts"])
    assert (await refused(client.chat_delete(channel=posted["channel"], ts=posted["ts"])))[
        "error"
    ] == "message_not_found"


async def test_direct_messages_are_opened_with_the_living(client: AsyncWebClient) -> None:
    """conversations.open gives one D id per person, and none for the deactivated."""
    first = (await client.conversations_open(users="U0MEMBER"))["channel"]["id"]
    assert (await client.conversations_open(users=["U0MEMBER"]))["channel"]["id"] == first
    assert (await refused(client.conversations_open(users="U0DEACTIVATED")))["error"] == "user_disabled"
    assert (await refused(client.conversations_open(users="U0NOBODY")))["error"] == "user_not_found"


async def test_only_our_own_messages_are_ours(slack: LocalSlack, client: AsyncWebClient) -> None:
    """What a person wrote is neither edited nor deleted by the app."""
    said = await slack.person("member").says("mine", channel="audit")
    assert (await refused(client.chat_update(channel="C0AUDIT", ts=said.ts, text="x")))[
        "error"
    ] == "cant_update_message"
    assert (await refused(client.chat_delete(channel="C0AUDIT", ts=said.ts)))["error"] == "cant_delete_message"


async def test_ephemerals_are_for_one_and_cannot_be_edited(slack: LocalSlack, client: AsyncWebClient) -> None:
    """An ephemeral needs a member of the channel, and its ts is good for nothing."""
    shown = await client.chat_postEphemeral(channel="C0SHARED", user="U0MEMBER", text="psst")
    assert [m.text for m in slack.person("member").messages("shared")] == ["psst"]
    assert slack.person("external").messages("shared") == []
    edit = client.chat_update(channel="C0SHARED", ts=shown["message_ts"], text="x")
    assert (await refused(edit))["error"] == "message_not_found"
    whisper = client.chat_postEphemeral(channel="C0AUDIT", user="U0ADMIN", text="x")
    assert (await refused(whisper))["error"] == "user_not_in_channel"


async def test_every_ts_is_its_own(client: AsyncWebClient) -> None:
    """Messages in one second of one channel have rising ts."""
    stamps = [(await client.chat_postMessage(channel="C0AUDIT", text="x"))["ts"] for _ in range(3)]
    assert stamps == ["1700000000.000100", "1700000000.000200", "1700000000.000300"]


async def test_what_cannot_be_shown_is_not_posted(slack: LocalSlack, client: AsyncWebClient) -> None:
    """Wrong blocks, no text at all, and an edit of more than 4000 characters are refused; missing text is warned of."""
    answer = await refused(client.chat_postMessage(channel="C0AUDIT", text="x", blocks=[{"type": "banner"}]))
    assert answer["error"] == "invalid_blocks"
    assert "[json-pointer:/blocks/0/type]" in answer["response_metadata"]["messages"][0]
    assert (await refused(client.api_call("chat.postMessage", json={"channel": "C0AUDIT"})))["error"] == "no_text"
    with pytest.warns(UserWarning, match="text"):
        posted = await client.chat_postMessage(channel="C0AUDIT", blocks=[{"type": "divider"}])
    assert [w.kind for w in slack.warnings] == ["missing_text"]
    edit = client.chat_update(channel="C0AUDIT", ts=posted["ts"], text="x" * 4001)
    assert (await refused(edit))["error"] == "msg_too_long"


async def test_a_channel_takes_one_message_a_second(client: AsyncWebClient, now: Now) -> None:
    """After a small burst a channel is closed for a second; another one is not."""
    for _ in range(3):
        await client.chat_postMessage(channel="C0AUDIT", text="x")
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel="C0AUDIT", text="x")
    assert caught.value.response.status_code == 429
    assert caught.value.response.headers["Retry-After"] == "1"
    await client.chat_postMessage(channel="C0SHARED", text="x")
    now.time += 1
    await client.chat_postMessage(channel="C0AUDIT", text="x")


async def test_methods_have_their_tier(client: AsyncWebClient, now: Now) -> None:
    """User groups may be read 20 times a minute; the wait is told."""
    for _ in range(20):
        await client.usergroups_list()
    now.time += 10
    with pytest.raises(SlackApiError) as caught:
        await client.usergroups_list()
    assert caught.value.response.headers["Retry-After"] == "50"
    now.time += 50
    await client.usergroups_list()


@pytest.mark.usefixtures("slack")
async def test_limits_can_be_off_or_wider() -> None:
    """A test that is not about limits need not care for them."""
    async with LocalSlack(rate_limits=RateLimits(enabled=False)) as free:
        free.workspace.add_channel("audit")
        client = AsyncWebClient(token=free.bot_token, base_url=free.url)
        for _ in range(8):
            await client.chat_postMessage(channel="C0AUDIT", text="x")


async def test_planned_troubles_happen(slack: LocalSlack, client: AsyncWebClient) -> None:
    """An error, a 500, a 429 that is retried, an answer that gets lost after the deed, one lost before it."""
    slack.faults.next("chat.postMessage", error="fatal_error", when=lambda args: args["text"] == "a")
    await client.chat_postMessage(channel="C0AUDIT", text="b")
    assert (await refused(client.chat_postMessage(channel="C0AUDIT", text="a")))["error"] == "fatal_error"
    slack.faults.next("users.*", status=500)
    with pytest.raises(SlackApiError) as caught:
        await client.users_info(user="U0MEMBER")
    assert caught.value.response.status_code == 500
    slack.faults.next("users.info", status=429, retry_after=0)
    patient = AsyncWebClient(
        token=slack.bot_token, base_url=slack.url, retry_handlers=[AsyncRateLimitErrorRetryHandler(max_retry_count=1)]
    )
    assert (await patient.users_info(user="U0MEMBER"))["ok"]
    hasty = AsyncWebClient(token=slack.bot_token, base_url=slack.url, retry_handlers=[])
    slack.faults.next("chat.postMessage", lose_answer=True)
    with pytest.raises(aiohttp.ClientError):
        await hasty.chat_postMessage(channel="C0SHARED", text="done")
    slack.faults.next("chat.postMessage", lose_request=True)
    with pytest.raises(aiohttp.ClientError):
        await hasty.chat_postMessage(channel="C0SHARED", text="not done")
    assert [m.text for m in slack.person("member").messages("shared")] == ["done"]
    assert slack.app_errors == []


async def test_phones_ring_for_new_messages_alone(slack: LocalSlack, client: AsyncWebClient) -> None:
    """A direct message and a mention ring with the top-level text; an edit does not."""
    posted = await client.chat_postMessage(channel="U0MEMBER", text="Your key is ready")
    await client.chat_update(channel=posted["channel"], ts=posted["ts"], text="secret")
    await client.chat_postMessage(channel="C0AUDIT", text="nobody in particular")
    block = {"type": "section", "text": {"type": "mrkdwn", "text": "<!subteam^S0LEADS> decide"}}
    await client.chat_postMessage(channel="C0AUDIT", text="R-1 waits", blocks=[block])
    assert [(r.text, r.why) for r in slack.person("member").rings] == [
        ("Your key is ready", "direct message"),
        ("R-1 waits", "group mention"),
    ]


async def test_what_is_scheduled_comes_when_it_is_due(slack: LocalSlack, client: AsyncWebClient, now: Now) -> None:
    """A scheduled message waits for its time, and can be taken back until then."""
    late = await client.chat_scheduleMessage(channel="C0AUDIT", text="later", post_at=int(now() + 60))
    other = await client.chat_scheduleMessage(channel="C0AUDIT", text="never", post_at=int(now() + 60))
    await client.chat_deleteScheduledMessage(channel="C0AUDIT", scheduled_message_id=other["scheduled_message_id"])
    listed = (await client.chat_scheduledMessages_list())["scheduled_messages"]
    assert [m["id"] for m in listed] == [late["scheduled_message_id"]]
    now.time += 61
    slack.release_scheduled()
    assert [m.text for m in slack.person("member").messages("audit")] == ["later"]
    past = client.chat_scheduleMessage(channel="C0AUDIT", text="x", post_at=int(now() - 1))
    assert (await refused(past))["error"] == "time_in_past"


# --- a crowd ----------------------------------------------------------------------------------------------------------


async def test_only_whom_it_concerns_is_woken(slack: LocalSlack, client: AsyncWebClient) -> None:
    """A post, an edit and a deletion in a direct message each wake its person; what others get and channels do not."""
    woken: list[str] = []
    for name in ("member", "admin"):
        slack.changes.watch(slack.workspace.user(name).id, partial(woken.append, name))
    posted = await client.chat_postMessage(channel=slack.workspace.user("member").id, text="R-1")
    channel, ts = str(posted["channel"]), str(posted["ts"])
    await client.chat_update(channel=channel, ts=ts, text="R-1, decided")
    await client.chat_delete(channel=channel, ts=ts)
    await client.chat_postMessage(channel=slack.workspace.channel("audit").id, text="R-1")
    assert woken == ["member", "member", "member"]


async def test_one_of_two_equal_posts_is_deleted(slack: LocalSlack, client: AsyncWebClient) -> None:
    """The one with this ts goes, its twin stays, and it can still be edited."""
    where = slack.workspace.user("member").id
    first = await client.chat_postMessage(channel=where, text="R-1")
    second = await client.chat_postMessage(channel=where, text="R-1")
    await client.chat_delete(channel=str(first["channel"]), ts=str(first["ts"]))
    await client.chat_update(channel=str(second["channel"]), ts=str(second["ts"]), text="R-1, decided")
    assert [message.text for message in slack.person("member").dm()] == ["R-1, decided"]


async def test_what_was_sent_is_kept_as_it_was_sent(slack: LocalSlack, client: AsyncWebClient) -> None:
    """What an answer shows can be changed by who got it, and the message stays as it is."""
    blocks = [{"type": "section", "block_id": "said", "text": {"type": "mrkdwn", "text": "R-1"}}]
    await client.chat_postMessage(channel=slack.workspace.user("member").id, text="R-1", blocks=blocks)
    (message,) = slack.person("member").dm()
    message.as_json()["blocks"][0]["text"]["text"] = "R-2"
    assert message.blocks == blocks
    assert message.blocks[0] is not blocks[0]


async def test_limits_can_be_switched_on(slack: LocalSlack, client: AsyncWebClient) -> None:
    """What was posted while nobody counted does not count later."""
    where = slack.workspace.user("member").id
    slack.limits.enabled = False
    for _ in range(10):
        await client.chat_postMessage(channel=where, text="R-1")
    slack.limits.enabled = True
    for _ in range(slack.limits.channel_burst):
        await client.chat_postMessage(channel=where, text="R-1")
    with pytest.raises(SlackApiError):
        await client.chat_postMessage(channel=where, text="R-1")
