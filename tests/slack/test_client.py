from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.web.async_client import AsyncWebClient

from bot.commands import away
from bot.core.faults import Fault, Gone, OutcomeUnknown, Permanent, Transient, Undeliverable
from bot.core.model import Workspace
from bot.errors import FAILED
from bot.slack.client import (
    Chat,
    NotSlackError,
    PreflightError,
    call,
    new_session,
    pin_proxy,
    preflight,
    quiet_slack_logs,
    web_client,
)
from bot.slack.errors import _complaints, _seconds, outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

SECRET = "eyJvcmciOiI1ZTlkOTU0NGExZGNkNjAwMDFkMGVkMjAiLCJpZCI6IjQyIn0="
PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


class LocalSlack:
    """A server that answers each method as the test says and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[dict[str, Any]], Awaitable[web.StreamResponse]]] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.ports: set[int] = set()
        self.tokens: list[str] = []
        self.url = ""
        self.lost: set[str] = set()

    def says(self, method: str, answer: Mapping[str, Any], *, status: int = 200, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}

        async def respond(_: dict[str, Any]) -> web.StreamResponse:
            return web.json_response(dict(answer), status=status, headers=named)

        self.answers[method] = respond

    def fails(self, method: str, code: str, **more: Any) -> None:
        self.says(method, {"ok": False, "error": code, **more})

    def asked(self, method: str) -> list[dict[str, Any]]:
        return [arguments for name, arguments in self.calls if name == method]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        arguments: dict[str, Any] = dict(request.query)
        if request.content_type == "application/json":
            arguments |= await request.json()
        self.calls.append((method, arguments))
        self.tokens.append(request.headers.get("Authorization", ""))
        assert request.transport is not None
        self.ports.add(request.transport.get_extra_info("peername")[1])
        if method in self.lost:
            request.transport.abort()
            return web.Response()
        if method not in self.answers:
            return web.json_response({"ok": False, "error": "unknown_method"})
        return await self.answers[method](arguments)


@contextlib.asynccontextmanager
async def local_slack(slack: LocalSlack) -> AsyncIterator[None]:
    """Lets it answer on a port of its own."""
    app = web.Application()
    app.router.add_route("*", "/api/{method}", slack.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    slack.url = f"http://{host}:{port}/api/"
    try:
        yield
    finally:
        await runner.cleanup()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def slack() -> AsyncIterator[LocalSlack]:
    server = LocalSlack()
    async with local_slack(server):
        server.says("chat.postMessage", {"ok": True, "channel": "C0CARDS", "ts": "1700000000.000100"})
        server.says("chat.update", {"ok": True})
        server.says("chat.delete", {"ok": True})
        yield server


@pytest.fixture
async def client(slack: LocalSlack) -> AsyncIterator[AsyncWebClient]:
    async with new_session() as session:
        yield web_client("xoxb-test", slack.url, session, None)


@pytest.fixture
def chat(client: AsyncWebClient) -> Chat:
    return Chat(client)


def blocks(text: str = "hello") -> list[dict[str, Any]]:
    return [{"type": "section", "text": {"type": "mrkdwn", "text": text}}]


def hanging() -> tuple[Callable[[dict[str, Any]], Awaitable[web.StreamResponse]], asyncio.Event, asyncio.Event]:
    """An answer that does not come before `go`; `reached` says that the question arrived."""
    reached, go = asyncio.Event(), asyncio.Event()

    async def respond(_: dict[str, Any]) -> web.StreamResponse:
        reached.set()
        await go.wait()
        return web.json_response({"ok": True, "channel": "C0CARDS", "ts": "1.1"})

    return respond, reached, go


def carried_by(error: BaseException) -> str:
    """All that can be read off an exception without its frames."""
    said = [str(error), repr(error), repr(error.args), repr(vars(error))]
    said += [carried_by(other) for other in (error.__cause__, error.__context__) if other is not None]
    return " ".join(said)


# --- posting --------------------------------------------------------------------------------------------------------


async def test_a_post_says_where_it_is_and_unfurls_nothing(slack: LocalSlack, chat: Chat) -> None:
    """A post goes to the channel as it was given and comes back with the place Slack gave it."""
    assert await chat.post("C0CARDS", "hello", blocks()) == ("C0CARDS", "1700000000.000100")
    assert slack.calls == [
        (
            "chat.postMessage",
            {"channel": "C0CARDS", "text": "hello", "blocks": blocks(), "unfurl_links": False, "unfurl_media": False},
        )
    ]
    assert slack.tokens == ["Bearer xoxb-test"]


@pytest.mark.parametrize("target", ["U0ADA", "W0ADA"])
async def test_a_person_is_posted_to_by_their_id(slack: LocalSlack, chat: Chat, target: str) -> None:
    """Slack opens the direct message and says which it is; nothing else is called, and later posts go there."""
    slack.says("chat.postMessage", {"ok": True, "channel": "D0ADA", "ts": "1.1"})
    assert await chat.post(target, "one", blocks()) == ("D0ADA", "1.1")
    await chat.post(target, "two", blocks())
    assert [(method, sent["channel"]) for method, sent in slack.calls] == [
        ("chat.postMessage", target),
        ("chat.postMessage", "D0ADA"),
    ]


@pytest.mark.parametrize("place", ["C0GENERAL", "G0GROUP", "U0EVE"])
async def test_a_direct_message_that_went_elsewhere_is_none(slack: LocalSlack, chat: Chat, place: str) -> None:
    """Its place is remembered by nobody: a token would be edited into it."""
    slack.says("chat.postMessage", {"ok": True, "channel": place, "ts": "1.1"})
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await chat.post("U0ADA", "one", blocks())
    assert {sent["channel"] for _, sent in slack.calls} == {"U0ADA"}


@pytest.mark.parametrize(
    "code", ["user_disabled", "user_not_found", "user_not_visible", "cannot_dm_bot", "channel_not_found"]
)
async def test_a_person_who_can_never_be_reached_is_undeliverable(slack: LocalSlack, chat: Chat, code: str) -> None:
    """A direct message that Slack will never open is Undeliverable."""
    slack.fails("chat.postMessage", code)
    with pytest.raises(Undeliverable) as raised:
        await chat.post("U0GONE", "hello", blocks())
    assert raised.value.code == code


@pytest.mark.parametrize("code", ["messages_tab_disabled", "restricted_action", "is_archived"])
async def test_what_an_operator_can_mend_is_tried_again_for_a_person_too(
    slack: LocalSlack, chat: Chat, code: str
) -> None:
    """An app whose messages tab is off, or that may not post, says nothing about the person."""
    slack.fails("chat.postMessage", code)
    with pytest.raises(Transient):
        await chat.post("U0ADA", "hello", blocks())


@pytest.mark.parametrize("code", ["channel_not_found", "is_archived"])
async def test_a_closed_direct_message_is_opened_anew(slack: LocalSlack, chat: Chat, code: str) -> None:
    """Where a remembered direct message no longer takes posts, the next try asks for the person again."""
    slack.says("chat.postMessage", {"ok": True, "channel": "D0ADA", "ts": "1.1"})
    await chat.post("U0ADA", "one", blocks())
    slack.fails("chat.postMessage", code)
    with pytest.raises(Transient):
        await chat.post("U0ADA", "two", blocks())
    slack.fails("chat.postMessage", "user_disabled")
    with pytest.raises(Undeliverable):
        await chat.post("U0ADA", "two", blocks())
    assert [sent["channel"] for sent in slack.asked("chat.postMessage")] == ["U0ADA", "D0ADA", "U0ADA"]


async def test_remembered_direct_messages_are_bounded(slack: LocalSlack, client: AsyncWebClient) -> None:
    """No more direct messages are remembered than was said; the one used longest ago goes first."""
    chat = Chat(client, remembers=2)
    slack.says("chat.postMessage", {"ok": True, "channel": "D0ADA", "ts": "1.1"})
    for target in ("U1", "U2", "U1", "U3", "U1", "U2"):
        await chat.post(target, "hello", blocks())
    sent = [one["channel"] for one in slack.asked("chat.postMessage")]
    assert sent == ["U1", "U2", "D0ADA", "U3", "D0ADA", "U2"]


async def test_a_lost_answer_posts_once(slack: LocalSlack, chat: Chat) -> None:
    """Where the answer is lost the post is not made a second time; it may have happened, so it is OutcomeUnknown."""
    slack.lost.add("chat.postMessage")
    with pytest.raises(OutcomeUnknown) as raised:
        await chat.post("C0CARDS", "hello", blocks())
    assert raised.value.code == "connection_lost"
    assert len(slack.calls) == 1


async def test_a_lost_answer_on_a_used_connection_posts_once(slack: LocalSlack, chat: Chat) -> None:
    """A connection kept from an earlier call is no reason to post twice either."""
    await chat.update("C0CARDS", "1.1", "hello", blocks())
    slack.lost.add("chat.postMessage")
    with pytest.raises(OutcomeUnknown):
        await chat.post("C0CARDS", "hello", blocks())
    assert len(slack.asked("chat.postMessage")) == 1


async def test_an_unreachable_slack_is_passing(unused_tcp_port: int) -> None:
    """Where no connection comes about nothing was sent, so it may be done again without a doubt."""
    async with new_session() as session:
        chat = Chat(web_client("xoxb-test", f"http://127.0.0.1:{unused_tcp_port}/api/", session, None))
        with pytest.raises(Transient) as raised:
            await chat.post("C0CARDS", "hello", blocks())
    assert (type(raised.value), raised.value.code) == (Transient, "unreachable")


@pytest.mark.parametrize(
    ("url", "proxy", "code", "told"),
    [
        ("http://slack.invalid/api/", None, "no_such_host", "its host is not known here (no_such_host). Check this"),
        ("https://127.0.0.1:{}/api/", None, "tls_failed", "name its certificate in SSL_CERT_FILE"),
        ("https://slack.invalid/api/", "http://127.0.0.1:1", "proxy_failed", "Check HTTPS_PROXY"),
    ],
)
async def test_what_is_in_the_way_is_said(
    slack: LocalSlack, monkeypatch: pytest.MonkeyPatch, url: str, proxy: str | None, code: str, told: str
) -> None:
    """DNS, TLS and a proxy are set right at different places, so each is told by itself; nothing was sent."""
    found = socket.getaddrinfo

    def look_up(host: str, *arguments: Any, **more: Any) -> Any:
        if host == "slack.invalid":  # without asking whatever name server there is
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return found(host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    url = url.format(urlsplit(slack.url).port)
    async with new_session() as session:
        with pytest.raises(Transient) as raised:
            await Chat(web_client("xoxb-test", url, session, proxy)).post("C0CARDS", "hello", blocks())
    assert (type(raised.value), raised.value.code, outcome(raised.value)) == (Transient, code, "unreachable")
    said = away.sentence(
        raised.value, {"SLACK_BOT_TOKEN": "xoxb-test", "SLACK_API_URL": url.replace("http://slack", "https://slack")}
    )
    assert "slack.invalid" in said or "127.0.0.1" in said
    assert told in said
    assert slack.calls == []


async def test_no_answer_in_time_is_unknown(slack: LocalSlack, client: AsyncWebClient) -> None:
    """A post without an answer before the deadline is OutcomeUnknown and is not made again."""
    slack.answers["chat.postMessage"], _, go = hanging()
    with pytest.raises(OutcomeUnknown) as raised:
        await Chat(client, within=0.1).post("C0CARDS", "hello", blocks())
    go.set()
    assert raised.value.code == "timeout"
    assert len(slack.calls) == 1


async def test_who_is_cancelled_is_cancelled(slack: LocalSlack, chat: Chat) -> None:
    """Cancelling a call from outside stays a cancellation and becomes no Fault."""
    slack.answers["chat.postMessage"], reached, go = hanging()
    task = asyncio.create_task(chat.post("C0CARDS", "hello", blocks()))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go.set()


async def test_calls_share_their_connection(slack: LocalSlack, chat: Chat) -> None:
    """Calls one after another use one connection, not a new one each."""
    for _ in range(5):
        await chat.update("C0CARDS", "1.1", "hello", blocks())
    assert len(slack.ports) == 1


# --- what a refusal means -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("7", 7.0),
        ("2.5", 2.5),
        ("0", 0.0),
        ("soon", None),
        ("nan", None),
        ("-3", 0.0),
        ("604800", 604800.0),
        ("1" * 400, 1e9),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 1e9),
        (f"Fri, 31 Dec {'9' * 20} 23:59:59 GMT", None),
    ],
)
async def test_a_limit_says_how_long_to_wait(
    slack: LocalSlack, chat: Chat, header: str, expected: float | None
) -> None:
    """A 429 is Transient, at once, with the seconds of its Retry-After and the method whose limit it is."""
    slack.says("chat.postMessage", {"ok": False, "error": "ratelimited"}, status=429, Retry_After=header)
    with pytest.raises(Transient) as raised:
        await chat.post("C0CARDS", "hello", blocks())
    assert (type(raised.value), raised.value.code) == (Transient, "ratelimited")
    assert (raised.value.retry_after, raised.value.method) == (expected, "chat.postMessage")
    assert len(slack.calls) == 1


def test_a_wait_until_a_date_counts_from_now() -> None:
    """The header may hold a date as well as a number."""
    now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    assert _seconds("Sun, 01 Mar 2026 12:01:30 GMT", now) == 90.0
    assert _seconds("Sun, 01 Mar 2026 12:01:30 -0000", now) == 90.0, "without a zone it is meant to be GMT"


@given(header=st.none() | st.text() | st.floats().map(str) | st.datetimes().map(format_datetime))
def test_a_wait_is_a_number_of_seconds_or_none(header: str | None) -> None:
    """Whatever stands in Retry-After, the wait is none or one that can be reckoned with."""
    now = datetime.now(UTC)
    seconds = _seconds(header, now)
    assert seconds is None or (seconds >= 0 and now + timedelta(seconds=seconds) > datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 599])
async def test_a_failing_slack_is_unknown(slack: LocalSlack, chat: Chat, status: int) -> None:
    """A 5xx says nothing about whether the post was made."""
    slack.says("chat.postMessage", {"ok": False, "error": "internal_error"}, status=status)
    with pytest.raises(OutcomeUnknown) as raised:
        await chat.post("C0CARDS", "hello", blocks())
    assert raised.value.code == f"http_{status}"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("<html>login</html>", "text/html"),
        ("fine", "text/plain"),
        ('{"hello', "application/json"),
        ("[1]", "application/json"),
        ("null", "application/json"),
        ("{}", "application/json"),
        ('{"ok": false, "error": "Not A Code"}', "application/json"),
        ('{"ok": true}', "application/json"),
        ('{"ok": true}', "application/gzip"),
    ],
)
async def test_an_answer_that_is_not_slacks_is_unknown(
    slack: LocalSlack, chat: Chat, body: str, content_type: str
) -> None:
    """A 200 that is no answer of Slack's, or lacks the place of the message, leaves open what happened."""

    async def respond(_: dict[str, Any]) -> web.StreamResponse:
        return web.Response(body=body.encode(), content_type=content_type)

    slack.answers["chat.postMessage"] = respond
    with pytest.raises(OutcomeUnknown) as raised:
        await chat.post("C0CARDS", "hello", blocks())
    assert raised.value.code == "unreadable"
    assert body not in carried_by(raised.value)


@pytest.mark.parametrize("status", [403, 404, 407, 408, 413])
async def test_a_gate_in_between_is_passing(slack: LocalSlack, chat: Chat, status: int) -> None:
    """A refusal by something that is not Slack is for an operator to mend; nothing was posted."""

    async def respond(_: dict[str, Any]) -> web.StreamResponse:
        return web.Response(text="<html>no</html>", content_type="text/html", status=status)

    slack.answers["chat.postMessage"] = respond
    with pytest.raises(Transient) as raised:
        await chat.post("C0CARDS", "hello", blocks())
    assert (type(raised.value), raised.value.code) == (Transient, f"http_{status}")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(slack: LocalSlack, chat: Chat, client: AsyncWebClient, status: int) -> None:
    """What is posted goes nowhere else, and whom a redirect points to is not believed about people."""
    for method in ("chat.postMessage", "users.info"):
        slack.says(method, {"ok": True}, status=status, Location=f"{slack.url}elsewhere")
    slack.says("elsewhere", {"ok": True, "channel": "C0CARDS", "ts": "1.2", "user": {"id": "U0ALICE"}})
    asking = (lambda: chat.post("C0CARDS", "hello", blocks()), lambda: call(client, "users.info", {}, get=True))
    for ask in asking:
        with pytest.raises(Transient) as raised:
            await ask()
        assert (type(raised.value), raised.value.code) == (Transient, f"http_{status}")
    assert slack.asked("elsewhere") == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("not_in_channel", Transient),
        ("channel_not_found", Transient),
        ("is_archived", Transient),
        ("ratelimited", Transient),
        ("rate_limited", Transient),
        ("service_unavailable", Transient),
        ("request_timeout", Transient),
        ("invalid_auth", Transient),
        ("not_authed", Transient),
        ("token_revoked", Transient),
        ("account_inactive", Transient),
        ("missing_scope", Transient),
        ("restricted_action", Transient),
        ("messages_tab_disabled", Transient),
        ("message_limit_exceeded", Transient),
        ("an_error_of_tomorrow", Transient),
        ("internal_error", OutcomeUnknown),
        ("fatal_error", OutcomeUnknown),
        ("invalid_blocks", Permanent),
        ("invalid_blocks_format", Permanent),
        ("msg_too_long", Permanent),
        ("msg_blocks_too_long", Permanent),
        ("invalid_arguments", Permanent),
        ("no_text", Permanent),
        ("user_disabled", Undeliverable),
        ("cannot_dm_bot", Undeliverable),
    ],
)
async def test_each_error_means_something_for_the_promise(
    slack: LocalSlack, chat: Chat, code: str, kind: type[Fault]
) -> None:
    """Each of Slack's errors is exactly one kind of Fault; one that nobody knows is tried again."""
    slack.fails("chat.postMessage", code)
    with pytest.raises(Fault) as raised:
        await chat.post("C0CARDS", "hello", blocks())
    assert type(raised.value) is kind
    assert raised.value.code == code.replace("rate_limited", "ratelimited")


@pytest.mark.parametrize("code", ["message_not_found", "edit_window_closed", "cant_update_message"])
async def test_an_edit_of_what_is_no_more_is_gone(slack: LocalSlack, chat: Chat, code: str) -> None:
    """A message that is no more, or not to be edited any more, is Gone."""
    slack.fails("chat.update", code)
    with pytest.raises(Gone):
        await chat.update("C0CARDS", "1.1", "hello", blocks())


async def test_an_edit_says_which_message(slack: LocalSlack, chat: Chat) -> None:
    """An edit sends the message's place, its text and its blocks."""
    await chat.update("C0CARDS", "1.1", "hello", blocks())
    assert slack.calls == [("chat.update", {"channel": "C0CARDS", "ts": "1.1", "text": "hello", "blocks": blocks()})]


async def test_deleting_what_is_no_more_is_done(slack: LocalSlack, chat: Chat) -> None:
    """A message that is no more needs no deleting; one that Slack will not delete is told of."""
    await chat.delete("D0ADA", "1.1")
    slack.fails("chat.delete", "message_not_found")
    await chat.delete("D0ADA", "1.1")
    assert slack.asked("chat.delete") == [{"channel": "D0ADA", "ts": "1.1"}] * 2
    slack.fails("chat.delete", "cant_delete_message")
    with pytest.raises(Permanent):
        await chat.delete("D0ADA", "1.1")


async def test_a_line_for_one_person(slack: LocalSlack, chat: Chat) -> None:
    """An ephemeral line goes to one person in one channel."""
    slack.says("chat.postEphemeral", {"ok": True, "message_ts": "1.1"})
    await chat.ephemeral("C0CARDS", "U0ADA", "not yours")
    assert slack.calls == [("chat.postEphemeral", {"channel": "C0CARDS", "user": "U0ADA", "text": "not yours"})]


# --- modals ---------------------------------------------------------------------------------------------------------

VIEW = {"type": "modal", "title": {"type": "plain_text", "text": "New token"}, "blocks": []}


async def test_a_modal_is_opened_and_repainted(slack: LocalSlack, chat: Chat) -> None:
    """Opening returns the view with its id and hash, and repainting sends them."""
    slack.says("views.open", {"ok": True, "view": {"id": "V1", "hash": "h1"}})
    slack.says("views.update", {"ok": True, "view": {"id": "V1", "hash": "h2"}})
    view = await chat.open_view("12.34.ab", VIEW)
    assert await chat.update_view(view["id"], VIEW, view["hash"]) == {"id": "V1", "hash": "h2"}
    await chat.update_view("V1", VIEW)
    assert slack.asked("views.open") == [{"trigger_id": "12.34.ab", "view": VIEW}]
    assert slack.asked("views.update") == [
        {"view_id": "V1", "view": VIEW, "hash": "h1"},
        {"view_id": "V1", "view": VIEW},
    ]


@pytest.mark.parametrize(
    "answer",
    [
        {"error": "expired_trigger_id"},
        {"error": "exchanged_trigger_id"},
        {
            "error": "invalid_arguments",
            "response_metadata": {"messages": ["[ERROR] `trigger_id` expired [json-pointer:/trigger_id]"]},
        },
    ],
)
async def test_a_trigger_that_is_used_up_is_gone(slack: LocalSlack, chat: Chat, answer: dict[str, Any]) -> None:
    """A trigger too old or used already is Gone, in either of the ways Slack says so."""
    slack.says("views.open", {"ok": False, **answer})
    with pytest.raises(Gone):
        await chat.open_view("12.34.ab", VIEW)


@pytest.mark.parametrize(("code", "kind"), [("not_found", Gone), ("hash_conflict", Permanent)])
async def test_a_modal_that_moved_on(slack: LocalSlack, chat: Chat, code: str, kind: type[Fault]) -> None:
    """A modal that was closed is Gone; one that changed meanwhile will not take this repaint."""
    slack.fails("views.update", code)
    with pytest.raises(kind):
        await chat.update_view("V1", VIEW, "h1")


async def test_a_modal_that_slack_does_not_show_is_unknown(slack: LocalSlack, chat: Chat) -> None:
    """An answer without the view leaves open what the person sees."""
    slack.says("views.open", {"ok": True})
    with pytest.raises(OutcomeUnknown):
        await chat.open_view("12.34.ab", VIEW)


# --- nothing of the request gets out --------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["lost", "error", "quoted", "status", "garbage", "limit", "timeout"])
async def test_a_fault_carries_nothing_of_the_request(slack: LocalSlack, client: AsyncWebClient, way: str) -> None:
    """However an edit with a token fails, neither the Fault nor anything it leads to holds the token or ours."""
    go = asyncio.Event()
    match way:
        case "lost":
            slack.lost.add("chat.update")
        case "error":
            slack.fails("chat.update", "invalid_blocks", blocks=SECRET)
        case "quoted":
            complaint = f"[ERROR] unsupported value: `{SECRET}` [json-pointer:/blocks/0/text/text]"
            slack.fails("chat.update", "invalid_blocks", response_metadata={"messages": [complaint]}, errors=[SECRET])
        case "status":
            slack.says("chat.update", {"echo": SECRET}, status=500)
        case "garbage":
            slack.says("chat.update", {"echo": SECRET})
        case "limit":
            slack.says("chat.update", {"echo": SECRET}, status=429)
        case _:
            slack.answers["chat.update"], _, go = hanging()
    with pytest.raises(Fault) as raised:
        await Chat(client, within=0.2).update("D0ADA", "1.1", "your token", blocks(f"`{SECRET}`"))
    go.set()
    said = carried_by(raised.value)
    assert SECRET not in said
    assert "xoxb-test" not in said
    assert raised.value.__context__ is None
    assert raised.value.__cause__ is None


async def test_a_complaint_says_where(slack: LocalSlack, chat: Chat) -> None:
    """What Slack says is wrong with blocks, and where, is in the Fault's text."""
    complaint = "[ERROR] must be less than 3001 characters [json-pointer:/blocks/0/text/text]"
    slack.fails("chat.postMessage", "invalid_blocks", errors=[complaint], response_metadata={"messages": [complaint]})
    with pytest.raises(Permanent) as raised:
        await chat.post("C0CARDS", "hello", blocks("characters must be less"))
    assert raised.value.text == f"chat.postMessage: {complaint}"


def test_a_complaint_can_be_stored_and_shown() -> None:
    """Half a letter, where Slack cuts what it quotes, and what steers a terminal are left out; what is no text is none."""
    said = {"errors": ["odd \ud83d\x1b[2J\u202e\nthing", 5, None], "needed": "chat\x00:write"}
    assert _complaints(said, {}) == "odd [2J thing; needed chat:write"


async def test_a_missing_scope_is_named(slack: LocalSlack, chat: Chat) -> None:
    """Where a scope is missing the Fault's text says which."""
    slack.fails("chat.postMessage", "missing_scope", needed="chat:write", provided="commands")
    with pytest.raises(Transient, match="needed chat:write"):
        await chat.post("C0CARDS", "hello", blocks())


tokens = st.text("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789+/=_-", min_size=12, max_size=80)


@given(
    token=tokens.filter(lambda text: text.strip("=-") == text and not text.islower()),
    length=st.integers(min_value=8, max_value=80),
    frame=st.sampled_from(["{}", "`{}`", "bad value: {}...", '"{}" is no URL', "[{}]"]),
)
def test_a_quoted_token_is_struck_out(token: str, length: int, frame: str) -> None:
    """A token that Slack quotes back, whole or cut short, does not stand in what is said of it."""
    quoted = token[:length]
    said = _complaints({"errors": [frame.format(quoted)]}, {"blocks": blocks(f"Your token: `{token}`")})
    if not (quoted.isalpha() and quoted.islower()):
        assert quoted not in said


# --- logs -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def loggers() -> Iterator[None]:
    """Leaves the loggers as they were."""
    families = ("slack_sdk", "slack_bolt", "aiohttp")
    named = {name for name in logging.Logger.manager.loggerDict if name.startswith(families)} | {*families}
    before = {name: (logging.getLogger(name).level, list(logging.getLogger(name).filters)) for name in named}
    handlers = {handler: list(handler.filters) for handler in logging.getLogger().handlers}
    yield
    for name in {name for name in logging.Logger.manager.loggerDict if name.startswith(families)}:
        level, filters = before.get(name, (logging.NOTSET, []))
        logging.getLogger(name).setLevel(level)
        logging.getLogger(name).filters = filters
    for handler, filters in handlers.items():
        handler.filters = filters


async def edit_with_a_token(chat: Chat) -> None:
    await chat.update("D0ADA", "1.1", "your token", blocks(f"`{SECRET}`"))


@pytest.mark.usefixtures("loggers")
async def test_no_token_reaches_the_logs_at_debug(chat: Chat, caplog: pytest.LogCaptureFixture) -> None:
    """With the app at DEBUG the Slack libraries would print the token; once quieted they do not."""
    caplog.set_level(logging.DEBUG)
    await edit_with_a_token(chat)
    assert SECRET in caplog.text, "slack_sdk no longer logs bodies; this test has lost its point"
    caplog.clear()
    quiet_slack_logs()
    await edit_with_a_token(chat)
    assert SECRET not in caplog.text
    assert "Sending a request" not in caplog.text
    logging.getLogger("bot").debug("the app itself still speaks")
    assert "the app itself still speaks" in caplog.text


@pytest.mark.usefixtures("loggers")
def test_loggers_that_come_later_are_quiet_too(caplog: pytest.LogCaptureFixture) -> None:
    """A logger that Bolt makes later, at the root's level, still says nothing below INFO."""
    caplog.set_level(logging.DEBUG)
    quiet_slack_logs()
    late = logging.getLogger("slack_bolt.MadeLater")
    late.level = logging.root.level
    late.debug("said %s", SECRET)
    late.info("connected")
    assert SECRET not in caplog.text
    assert "connected" in caplog.text


@pytest.mark.usefixtures("loggers")
def test_a_quieter_app_stays_quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Where the app logs warnings alone, quieting makes nobody louder; and it may be done twice."""
    caplog.set_level(logging.WARNING)
    assert quiet_slack_logs() is quiet_slack_logs() is logging.getLogger("slack_bolt")
    assert logging.getLogger("slack_sdk").level == logging.WARNING


# --- proxies --------------------------------------------------------------------------------------------------------


async def test_no_proxy_of_the_environment_is_used(slack: LocalSlack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once pinned, neither the client nor a clone such as Bolt makes of it finds a proxy in the environment."""
    for name in PROXIES:
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    pin_proxy(os.environ)
    async with new_session() as session:
        client = web_client("xoxb-test", slack.url, session, None)
        clone = AsyncWebClient(token="xoxb-test", base_url=slack.url, session=session, proxy=client.proxy)
        await Chat(client).post("C0CARDS", "hello", blocks())
        await Chat(clone).post("C0CARDS", "hello", blocks())
    assert os.environ["NO_PROXY"] == "127.0.0.1"


async def test_the_proxy_that_was_chosen_is_used(slack: LocalSlack) -> None:
    """A proxy that is handed over gets the call."""
    seen: list[str] = []

    async def forward(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(str(request.rel_url))
        return web.json_response({"ok": True, "channel": "C0CARDS", "ts": "1.1"})

    runner = web.ServerRunner(web.Server(forward))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with new_session() as session:
            proxy = f"http://127.0.0.1:{runner.addresses[0][1]}"
            await Chat(web_client("xoxb-test", slack.url, session, proxy)).post("C0CARDS", "hello", blocks())
    finally:
        await runner.cleanup()
    assert len(seen) == 1
    assert not slack.calls


# --- preflight ------------------------------------------------------------------------------------------------------

WHO = {"ok": True, "team_id": "T0OURS", "user_id": "UBOT", "bot_id": "B1"}
NEEDED = frozenset({"commands", "chat:write"})


async def test_preflight_says_where_the_bot_is(slack: LocalSlack, client: AsyncWebClient) -> None:
    """With both tokens good, preflight returns the workspace and the scopes; the app token goes with its own call."""
    slack.says("auth.test", {**WHO, "enterprise_id": "E0OURS"}, x_oauth_scopes="commands,chat:write,im:write")
    slack.says("apps.connections.open", {"ok": True, "url": "wss://example.invalid/"})
    found = await preflight(client, "xapp-1", NEEDED)
    assert found.workspace == Workspace("T0OURS", "E0OURS", "UBOT")
    assert found.scopes == {"commands", "chat:write", "im:write"}
    assert slack.tokens == ["Bearer xoxb-test", "Bearer xapp-1"]
    assert slack.calls == [("auth.test", {}), ("apps.connections.open", {})]


async def test_preflight_without_socket_mode(slack: LocalSlack, client: AsyncWebClient) -> None:
    """Without an app token no connection is asked for; a server that tells no scopes is taken at its word, its clock too."""
    slack.says("auth.test", WHO, date="Thu, 26 Nov 2026 20:00:00 GMT")
    assert await preflight(client, None, NEEDED) == (
        Workspace("T0OURS", None, "UBOT"),
        frozenset(),
        datetime(2026, 11, 26, 20, tzinfo=UTC),
    )
    assert [name for name, _ in slack.calls] == ["auth.test"]


@pytest.mark.parametrize(
    ("bot", "app", "sentence"),
    [
        ({"ok": False, "error": "invalid_auth"}, {"ok": True}, r"Slack does not accept SLACK_BOT_TOKEN \(invalid_auth"),
        ({**WHO, "bot_id": ""}, {"ok": True}, "SLACK_BOT_TOKEN stands for a person"),
        (
            {**WHO, "team_id": "E0OURS", "enterprise_id": "E0OURS", "is_enterprise_install": True},
            {"ok": True},
            "SLACK_BOT_TOKEN is of an installation for the whole organisation.* Install the app in the workspace itself",
        ),
        (
            {**WHO, "team_id": "E0OURS"},
            {"ok": True},
            "SLACK_BOT_TOKEN is of an installation for the whole organisation",
        ),
        (WHO, {"ok": False, "error": "invalid_auth"}, r"Slack does not accept SLACK_APP_TOKEN \(invalid_auth"),
        (
            {"ok": False, "error": "invalid_auth"},
            {"ok": True},
            "the addresses that may use it, and this machine's is not",
        ),
        (WHO, {"ok": False, "error": "missing_scope"}, "SLACK_APP_TOKEN lacks the scope connections:write"),
        ({"ok": False, "error": "unknown_method"}, {"ok": True}, "SLACK_API_URL"),
        ({"hello": "world"}, {"ok": True}, "SLACK_API_URL"),
    ],
)
async def test_preflight_names_the_variable(
    slack: LocalSlack, client: AsyncWebClient, bot: dict[str, Any], app: dict[str, Any], sentence: str
) -> None:
    """What is wrong with a token is a sentence that names its variable and never the token."""
    slack.says("auth.test", bot)
    slack.says("apps.connections.open", app)
    with pytest.raises(PreflightError, match=sentence) as raised:
        await preflight(client, "xapp-1", NEEDED)
    said = carried_by(raised.value)
    assert "xapp-1" not in said
    assert "xoxb-test" not in said


async def test_preflight_sees_tokens_of_two_apps(slack: LocalSlack, client: AsyncWebClient) -> None:
    """Each is good, and the bot would hear one app's people and answer as another: both apps are named. What Slack does not tell
    stops nobody."""
    slack.says("auth.test", WHO)
    slack.says("apps.connections.open", {"ok": True})
    slack.says("bots.info", {"ok": True, "bot": {"id": "B1", "app_id": "A0PROD"}})
    await preflight(client, "xapp-1-A0PROD-1-f00", NEEDED)
    with pytest.raises(PreflightError, match=r"of the app A0TEST, and SLACK_BOT_TOKEN of the app A0PROD: take both"):
        await preflight(client, "xapp-1-A0TEST-1-f00", NEEDED)
    slack.says("bots.info", {"ok": False, "error": "missing_scope"})
    await preflight(client, "xapp-1-A0TEST-1-f00", NEEDED)


async def test_preflight_names_missing_scopes(slack: LocalSlack, client: AsyncWebClient) -> None:
    """Scopes that the bot needs and was not granted are named."""
    slack.says("auth.test", WHO, x_oauth_scopes="commands")
    with pytest.raises(PreflightError, match="SLACK_BOT_TOKEN lacks the scope chat:write:"):
        await preflight(client, None, NEEDED)


@pytest.mark.parametrize(
    ("bot", "app", "sentence"),
    [
        ("xapp-1", "xapp-1", "SLACK_BOT_TOKEN holds a token of the other kind"),
        ("xoxb-1", "xoxb-1", "SLACK_APP_TOKEN holds a token of the other kind"),
        ("", "xapp-1", "SLACK_BOT_TOKEN is empty"),
        ("xoxb-1", " ", "SLACK_APP_TOKEN is empty"),
    ],
)
async def test_preflight_sees_swapped_tokens(slack: LocalSlack, bot: str, app: str, sentence: str) -> None:
    """Tokens that are swapped or empty are told apart without asking Slack."""
    async with new_session() as session:
        with pytest.raises(PreflightError, match=sentence):
            await preflight(web_client(bot, slack.url, session, None), app, NEEDED)
    assert not slack.calls


@pytest.mark.parametrize(
    ("method", "status", "code"),
    [
        ("auth.test", 429, "ratelimited"),
        ("auth.test", 503, "ratelimited"),
        ("auth.test", 200, "team_added_to_org"),
        ("auth.test", 200, "accesslimited"),
        ("apps.connections.open", 200, "too_many_websockets"),
        ("apps.connections.open", 200, "team_access_not_granted"),
    ],
)
async def test_preflight_leaves_a_passing_trouble_to_its_caller(
    slack: LocalSlack, client: AsyncWebClient, method: str, status: int, code: str
) -> None:
    """A Slack that is down or busy, or that says no for another reason, says nothing about the tokens."""
    slack.says("auth.test", WHO)
    slack.says(method, {"ok": False, "error": code}, status=status)
    with pytest.raises(Transient):
        await preflight(client, "xapp-1", NEEDED)


async def test_another_one_in_slacks_place_may_pass(slack: LocalSlack, client: AsyncWebClient) -> None:
    """A proxy's page is said to be one, and the supervisor is to start the bot again."""
    slack.says("auth.test", {"hello": "world"})
    with pytest.raises(NotSlackError) as raised:
        await preflight(client, None, NEEDED)
    assert raised.value.exit_code == FAILED


# --- the call itself ------------------------------------------------------------------------------------------------


async def test_a_read_goes_as_a_query(slack: LocalSlack, client: AsyncWebClient) -> None:
    """A GET has its arguments in the query, those that are None left out."""
    slack.says("users.info", {"ok": True, "user": {"id": "U1"}})
    answer = await call(client, "users.info", {"user": "U1", "include_locale": None}, get=True)
    assert answer.data["user"] == {"id": "U1"}
    assert slack.calls == [("users.info", {"user": "U1"})]


def test_a_session_limits_every_exchange() -> None:
    """The shared session has its own limit, for slack_sdk's does not count where a session is given."""

    async def limit() -> float | None:
        async with new_session() as session:
            return session.timeout.total

    assert asyncio.run(limit()) == 8.0


def test_the_secret_of_these_tests_is_shaped_like_one() -> None:
    """The secret these tests look for survives JSON unchanged, so a search for it finds it."""
    assert json.dumps(SECRET) == f'"{SECRET}"'
    assert issubclass(aiohttp.ConnectionTimeoutError, TimeoutError)
