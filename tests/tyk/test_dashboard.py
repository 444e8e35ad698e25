"""The Dashboard client against the local Tyk, and against servers that answer as no Tyk does."""

from __future__ import annotations

import asyncio
import inspect
import logging
import socket
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from bot.local.tyk import LocalTyk
from bot.tyk import answers
from bot.tyk import dashboard as dashboards
from bot.tyk.answers import LONGEST_WAIT
from bot.tyk.dashboard import (
    ApiDefinition,
    CreatedKey,
    Dashboard,
    DashboardError,
    Forbidden,
    KeyMissing,
    KeysBy,
    NotTyk,
    OutcomeUnknown,
    Rejected,
    TykPolicy,
    Unauthorised,
    Unavailable,
    Unreachable,
    quiet_http_logs,
)

CREDENTIAL = "local-tyk-dashboard-key"
TOKEN = "eyJvcmciOiI1ZTlk/OTU0NGExZGNkNjAwMDFkMGVkMjAi+LCJpZCI6ImEifQ=="
HASH = "567b9a5419c3a9ef"


def session(**changed: Any) -> dict[str, Any]:
    """The complete object, opening `billing`."""
    return {
        "allowance": 1000,
        "rate": 1000,
        "per": 1,
        "expires": -1,
        "quota_max": -1,
        "quota_renews": 1449051461,
        "quota_remaining": -1,
        "quota_renewal_rate": 60,
        "access_rights": {"billing": {"api_id": "billing", "api_name": "Billing", "versions": ["Default"]}},
        "meta_data": {"key_id": "k-1"},
        **changed,
    }


@pytest.fixture
async def tyk() -> AsyncIterator[LocalTyk]:
    async with LocalTyk(credential=CREDENTIAL) as tyk:
        tyk.add_api("billing", "Billing", "/billing/")
        tyk.switches.enable_update_key_by_hash = tyk.switches.enable_delete_key_by_hash = True
        yield tyk


@asynccontextmanager
async def talking(url: str, keys_by: KeysBy = KeysBy.ID, *, within: float = 10) -> AsyncIterator[Dashboard]:
    """A client that goes through no proxy."""
    dashboard = Dashboard(url, CREDENTIAL, keys_by=keys_by, timeout=within)
    try:
        yield dashboard
    finally:
        await dashboard.aclose()


@asynccontextmanager
async def serving(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """The address of a server that answers everything so."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def answered(
    status: int, body: Any = None, *, text: str | None = None, headers: dict[str, str] | None = None
) -> AsyncIterator[Dashboard]:
    """A client of a server that says one thing only."""

    async def answer(_: web.Request) -> web.Response:
        if text is not None:
            return web.Response(status=status, text=text, headers=headers)
        return web.json_response(body, status=status, headers=headers)

    async with serving(answer) as url, talking(url) as dashboard:
        yield dashboard


def error(message: str) -> dict[str, Any]:
    return {"Status": "Error", "Message": message, "Meta": None}


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keys_by", KeysBy)
@pytest.mark.parametrize("base64_tokens", [True, False])
async def test_a_keys_whole_life(tyk: LocalTyk, keys_by: KeysBy, base64_tokens: bool) -> None:
    """A key is made, changed, read and deleted, by its token or by its hash."""
    tyk.switches.base64_tokens = base64_tokens
    async with talking(tyk.dashboard_url, keys_by) as dashboard:
        created = await dashboard.create_key(session())
        assert tyk.opens(created.token, "/billing/")[0] == 200
        name = created.key_hash if keys_by is KeysBy.HASH else created.token
        assert name is not None
        await dashboard.update_key(name, session(expires=4_000_000_000))
        held = await dashboard.read_key(name)
        assert held is not None
        assert (held["expires"], held["meta_data"]) == (4_000_000_000, {"key_id": "k-1"})
        await dashboard.delete_key(name)
        assert await dashboard.read_key(name) is None
        tyk.forget_sessions()
        assert tyk.opens(created.token, "/billing/")[0] == 403


async def test_a_change_keeps_the_counters(tyk: LocalTyk) -> None:
    """A change asks Tyk not to reset quota and rate, and says that it names the key by its hash."""
    async with talking(tyk.dashboard_url, KeysBy.HASH) as dashboard:
        created = await dashboard.create_key(session())
        assert created.key_hash
        await dashboard.update_key(created.key_hash, session())
    assert tyk.journal[-1].path == f"/api/keys/{created.key_hash}?suppress_reset=1&hashed=true"


async def test_the_first_tutorials_answers_are_understood(tyk: LocalTyk) -> None:
    """The Gateway's form of a creation and the older text of a change mean the same as today's."""
    tyk.switches.gateway_answers = True
    async with talking(tyk.dashboard_url) as dashboard:
        created = await dashboard.create_key(session())
        await dashboard.update_key(created.token, session())
    assert tyk.opens(created.token, "/billing/")[0] == 200


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"api_model": {}, "key_id": TOKEN, "data": {"rate": 1}, "key_hash": HASH},
            CreatedKey(TOKEN, HASH),
        ),
        (
            {"api_model": {}, "key_id": "54b53d3aeba6db5c35000002", "data": {}},
            CreatedKey("54b53d3aeba6db5c35000002", None),
        ),
        ({"action": "create", "key": "54b53d3a", "status": "ok"}, CreatedKey("54b53d3a", None)),
        (
            {"key": "default379453dd", "status": "ok", "action": "added", "key_hash": ""},
            CreatedKey("default379453dd", None),
        ),
    ],
)
async def test_every_known_answer_to_a_creation(body: dict[str, Any], expected: CreatedKey) -> None:
    """The forms of all of Tyk's years give the token, and the hash where there is one."""
    async with answered(200, body) as dashboard:
        assert await dashboard.create_key(session()) == expected


@pytest.mark.parametrize("name", ["", ".", "a b", "a\nb", "a\u200bb", "\ud800", "x" * 9000, 5, ["a"]])
async def test_a_name_that_nobody_could_use(name: object) -> None:
    """Such a token is none, and such a hash is not remembered."""
    async with answered(200, {"key_id": name}) as dashboard:
        with pytest.raises(OutcomeUnknown):
            await dashboard.create_key(session())
    async with answered(200, {"key_id": "54b53d3a", "key_hash": name}) as dashboard:
        assert await dashboard.create_key(session()) == CreatedKey("54b53d3a", None)


async def test_a_token_is_one_segment_of_the_path() -> None:
    """Whatever a token holds, it is quoted whole."""
    seen: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.raw_path, request.headers["authorization"]))
        return web.json_response({"data": session(), "key_id": TOKEN})

    async with serving(answer) as url, talking(f"{url}/dash/") as dashboard:
        await dashboard.read_key(TOKEN)
        await dashboard.update_key(TOKEN, session())
    quoted = TOKEN.replace("/", "%2F").replace("+", "%2B").replace("=", "%3D")
    assert seen == [(f"/dash/api/keys/{quoted}", CREDENTIAL), (f"/dash/api/keys/{quoted}?suppress_reset=1", CREDENTIAL)]


@pytest.mark.parametrize("name", ["", ".", ".."])
async def test_a_name_that_would_lead_elsewhere_is_refused(tyk: LocalTyk, name: str) -> None:
    """An empty name, or one of dots, never becomes a path."""
    async with talking(tyk.dashboard_url) as dashboard:
        with pytest.raises(ValueError, match="such a name"):
            await dashboard.delete_key(name)
    assert tyk.journal == []


@pytest.mark.parametrize("text", ["Could not retrieve key detail.", "Key not found"])
async def test_a_key_is_gone_when_tyk_says_so(text: str) -> None:
    """Tyk's own 404 means that there is no such key, to a reader and to a change."""
    for body in (error(text), {"status": "error", "message": text}):
        async with answered(404, body) as dashboard:
            assert await dashboard.read_key(TOKEN) is None
            with pytest.raises(KeyMissing) as missing:
                await dashboard.update_key(TOKEN, session())
            assert missing.value.code == "tyk_key_unknown"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (None, "404 page not found"),
        (None, "<html><h1>404 Not Found</h1></html>"),
        (None, ""),
        ({"message": "no Route matched with those values"}, None),
        ({"error": "Not Found", "status": 404}, None),
        ({"message": "Key not found"}, None),
    ],
)
async def test_another_404_says_nothing_of_the_key(body: Any, text: str | None) -> None:
    """An ingress without a backend must never look like a key that is gone."""
    async with answered(404, body, text=text) as dashboard:
        for call in (dashboard.read_key(TOKEN), dashboard.update_key(TOKEN, session()), dashboard.delete_key(TOKEN)):
            with pytest.raises(NotTyk):
                await call


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"Status": "OK", "Message": "Key deleted succesfully", "Meta": ""}),
        (200, {"key": HASH, "status": "ok", "action": "deleted"}),
        (400, {"status": "error", "message": "Failed to remove the key"}),
        (404, {"status": "error", "message": "There is no such key found"}),
        (404, error("Could not retrieve key detail.")),
        (500, error("Could not delete key.")),
    ],
)
async def test_deleting_what_is_gone_is_no_error(status: int, body: dict[str, Any]) -> None:
    """However Tyk says that there was nothing to delete, the caller goes on to look."""
    async with answered(status, body) as dashboard:
        await dashboard.delete_key(TOKEN)


async def test_a_foreign_key_is_not_deleted() -> None:
    """Another organisation's key is a definite no, not a success."""
    async with answered(400, {"Message": "Attempted access to non-owned key."}) as dashboard:
        with pytest.raises(Rejected) as refused:
            await dashboard.delete_key(TOKEN)
    assert refused.value.code == "tyk_400"


async def test_a_session_without_zeros_is_read(tyk: LocalTyk) -> None:
    """A Gateway that leaves out what is zero still tells the rest."""
    tyk.switches.omit_zero = True
    async with talking(tyk.dashboard_url) as dashboard:
        created = await dashboard.create_key(session(expires=0))
        held = await dashboard.read_key(created.token)
    assert held is not None
    assert "expires" not in held
    assert list(held["access_rights"]) == ["billing"]


@pytest.mark.parametrize("body", [{}, {"data": {}}, {"data": None}, {"status": "ok"}])
async def test_json_that_is_no_session_is_no_answer(body: dict[str, Any]) -> None:
    """A reader never takes an odd object for a key's session."""
    async with answered(200, body) as dashboard:
        with pytest.raises(NotTyk):
            await dashboard.read_key(TOKEN)


# --- what goes wrong --------------------------------------------------------------------------------------------------

SAVING = "Failed to save new session object to Tyk: "


@pytest.mark.parametrize(
    ("status", "message", "kind", "code"),
    [
        (400, "User/Key object validation failed, most likely malformed input.", Rejected, "tyk_invalid"),
        (400, "Something else.", Rejected, "tyk_400"),
        (401, "Not authorised", Unauthorised, "tyk_401"),
        (403, "access denied: You do not have permission to access  /api/keys", Forbidden, "tyk_403"),
        (403, "Request body malformed.", Rejected, "tyk_malformed"),
        (403, "User does not have permission to add API to key Access Rights!", Rejected, "tyk_api_refused"),
        (
            403,
            SAVING + "Failed to create key: Post http://gw:8080/tyk/keys/create: EOF",
            OutcomeUnknown,
            "tyk_gateway_lost",
        ),
        (
            500,
            SAVING + "Failed to create key: Post http://gw:8080/tyk/keys/create: EOF",
            OutcomeUnknown,
            "tyk_gateway_lost",
        ),
        (500, SAVING + "Failed to create key: dial tcp: connection refused", Unavailable, "tyk_gateway"),
        (403, SAVING + "Failed to create key: dial tcp: connection refused", Unavailable, "tyk_gateway"),
        (500, SAVING + 'Failed to create key - policy not found: "none"', Rejected, "tyk_policy_unknown"),
        (
            500,
            SAVING + "Failed to create key - key has no valid policies to be applied",
            Rejected,
            "tyk_policy_unknown",
        ),
        (500, SAVING + "cannot apply multiple policies if any are non-partitioned", Rejected, "tyk_policy_mix"),
        (500, "attempting to apply policy from different organisation to key", Rejected, "tyk_policy_foreign"),
        (400, SAVING + "keys must have at least one Access Rights record set.", Rejected, "tyk_no_access_rights"),
        (500, "Failed to create key, ensure security settings are correct.", Rejected, "tyk_refused"),
        (500, "Failed to unmarshal key data.", Unavailable, "tyk_500"),
        (503, "Away.", Unavailable, "tyk_503"),
        (429, "Slow down.", Unavailable, "tyk_429"),
        (403, "Organisation quota exceeded", Unavailable, "tyk_quota"),
        (404, "Could not retrieve something else.", Unavailable, "tyk_404"),
        (408, "Request timed out.", Unavailable, "tyk_408"),
        (200, SAVING + 'Failed to create key - policy not found: "none"', Rejected, "tyk_policy_unknown"),
        (200, "Something else.", OutcomeUnknown, "tyk_error_in_success"),
    ],
)
async def test_what_tyk_says_decides(status: int, message: str, kind: type[DashboardError], code: str) -> None:
    """Tyk's own refusals are told by what they mean, which its status alone does not say."""
    async with answered(status, error(message)) as dashboard:
        with pytest.raises(DashboardError) as raised:
            await dashboard.create_key(session())
    assert (type(raised.value), raised.value.code) == (kind, code)


@pytest.mark.parametrize(
    ("status", "text", "kind", "code"),
    [
        (200, "", OutcomeUnknown, "tyk_empty"),
        (200, "made it", OutcomeUnknown, "tyk_not_json"),
        (200, "[]", OutcomeUnknown, "tyk_not_json"),
        (200, "{}", OutcomeUnknown, "tyk_no_token"),
        (200, '{"key_id": ""}', OutcomeUnknown, "tyk_no_token"),
        (200, "<!doctype html><title>Sign in</title>", NotTyk, "tyk_not_tyk"),
        (302, "", NotTyk, "tyk_not_tyk"),
        (400, "Bad Request", NotTyk, "tyk_not_tyk"),
        (403, "<html>blocked</html>", NotTyk, "tyk_not_tyk"),
        (429, "<html>too many</html>", Unavailable, "tyk_429"),
        (502, "<html>Bad Gateway</html>", Unavailable, "tyk_502"),
        (504, "", Unavailable, "tyk_504"),
    ],
)
async def test_what_is_not_tyks_is_told_apart(status: int, text: str, kind: type[DashboardError], code: str) -> None:
    """Empty answers, pages and proxies are never taken for Tyk's word."""
    async with answered(status, text=text) as dashboard:
        with pytest.raises(DashboardError) as raised:
            await dashboard.create_key(session())
    assert (type(raised.value), raised.value.code) == (kind, code)


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("7", 7, 7),
        (" 7 ", 7, 7),
        ("604800", 604_800, 604_800),
        ("9" * 400, LONGEST_WAIT, LONGEST_WAIT),
        ("Fri, 31 Dec 2032 23:59:59 GMT", 1, LONGEST_WAIT),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT, LONGEST_WAIT),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0, 0),
        ("soon", None, None),
        ("-5", None, None),
        ("1e9", None, None),
        ("nan", None, None),
        (" ", None, None),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None, None),
        ("Fri, 31 Dec 2032 23:59:59 +9999999999", None, None),
        (f"Fri, 31 Dec 2032 23:59:59 +{'9' * 30}", None, None),
    ],
)
async def test_a_wait_that_is_asked_for_is_passed_on(header: str, least: float | None, most: float | None) -> None:
    """Retry-After is understood as seconds and as a date, within bounds, and passed over where it is neither."""
    async with answered(429, text="", headers={"Retry-After": header}) as dashboard:
        with pytest.raises(Unavailable) as raised:
            await dashboard.create_key(session())
    wait = raised.value.retry_after
    assert (wait is None) if least is None or most is None else (wait is not None and least <= wait <= most)


@given(
    st.text()
    | st.from_regex(r"[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,6} [0-9:]{1,9} ([A-Z]{3}|[-+][0-9]{1,9})")
)
def test_any_wait(header: str) -> None:
    """Whatever stands in a Retry-After, it makes a date that can be stored, or nothing."""
    wait = answers._seconds(header)
    assert wait is None or 0 <= wait <= LONGEST_WAIT


async def test_redirects_are_not_followed() -> None:
    """The credential never goes where a redirect points."""
    async with answered(307, text="", headers={"Location": "/elsewhere"}) as dashboard:
        with pytest.raises(NotTyk):
            await dashboard.create_key(session())


async def test_an_incomplete_object_is_an_unknown_outcome(tyk: LocalTyk) -> None:
    """The empty answer that Tyk gives to an incomplete object is no success."""
    async with talking(tyk.dashboard_url) as dashboard:
        with pytest.raises(OutcomeUnknown):
            await dashboard.create_key({"expires": -1})


async def test_a_lost_answer_is_an_unknown_outcome(tyk: LocalTyk) -> None:
    """The key was made and nobody heard of it."""
    tyk.faults.next("POST /api/keys", do_then_drop=True)
    async with talking(tyk.dashboard_url) as dashboard:
        with pytest.raises(OutcomeUnknown) as raised:
            await dashboard.create_key(session())
    assert raised.value.code == "tyk_broken"
    assert len(tyk.usable_keys()) == 1


async def test_a_call_has_a_deadline(tyk: LocalTyk) -> None:
    """A Dashboard that does not answer is given up, and the outcome is unknown."""
    tyk.faults.next("POST /api/keys", hang=True)
    async with talking(tyk.dashboard_url, within=0.2) as dashboard:
        with pytest.raises(OutcomeUnknown) as raised:
            await dashboard.create_key(session())
    assert raised.value.code == "tyk_timeout"


async def test_the_deadline_is_for_the_call_as_a_whole() -> None:
    """An answer that trickles in forever is given up too."""

    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while request.transport is not None and not request.transport.is_closing():
            await response.write(b" ")
            await asyncio.sleep(0.02)
        return response

    async with serving(trickle) as url, talking(url, within=0.3) as dashboard:
        with pytest.raises(OutcomeUnknown) as raised:
            await dashboard.create_key(session())
    assert raised.value.code == "tyk_timeout"


async def test_no_connection_is_no_outcome() -> None:
    """Where nobody listens, nothing was done."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        async with talking(f"http://127.0.0.1:{taken.getsockname()[1]}") as dashboard:
            with pytest.raises(Unreachable) as raised:
                await dashboard.create_key(session())
    assert raised.value.code == "tyk_unreachable"


async def test_no_secure_connection_is_said(tyk: LocalTyk) -> None:
    """A TLS that fails is told apart from a Dashboard that is away: somebody must set up certificates."""
    async with talking(tyk.dashboard_url.replace("http:", "https:")) as dashboard:
        with pytest.raises(Unreachable) as raised:
            await dashboard.apis()
    assert raised.value.code == "tyk_tls"


async def test_a_rotated_credential_is_said(tyk: LocalTyk) -> None:
    """After the credential was changed at Tyk, every call is Unauthorised."""
    tyk.credential = "rotated"
    async with talking(tyk.dashboard_url) as dashboard:
        for call in (dashboard.create_key(session()), dashboard.apis(), dashboard.policies(), dashboard.api("billing")):
            with pytest.raises(Unauthorised):
                await call


async def test_an_unknown_policy_is_rejected(tyk: LocalTyk) -> None:
    """What the local Tyk says of an unknown policy is a definite no."""
    async with talking(tyk.dashboard_url) as dashboard:
        with pytest.raises(Rejected) as raised:
            await dashboard.create_key(session(apply_policies=["none"]))
    assert raised.value.code == "tyk_policy_unknown"


# --- secrets ----------------------------------------------------------------------------------------------------------


def everything_told(raised: BaseException) -> str:
    """All that a log could make of an exception, its causes and contexts included."""
    told = ""
    at: BaseException | None = raised
    while at is not None:
        told += f"{at!r} {at!s} {at.args} {vars(at)}"
        at = at.__cause__ or at.__context__
    return told + "".join(traceback.format_exception(raised))


async def test_what_tyk_says_steers_nothing() -> None:
    """It is one line without what cannot be seen, in which no secret hides either."""
    said = f"\x1b]0;no\x07 \u202ewhy\r\nnot {TOKEN[:20]}\u200b{TOKEN[20:]}"
    async with answered(400, {"Status": "Error", "Message": said}) as dashboard:
        with pytest.raises(Rejected) as raised:
            await dashboard.create_key(session())
    assert str(raised.value) == "Tyk says: ]0;no why not …"


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (500, f'{{"Status": "Error", "Message": "Put http://gw/tyk/keys/{TOKEN}: {CREDENTIAL} {TOKEN[:40]}"}}'),
        (400, f'{{"Status": "Error", "Message": "{"x " * 95}{TOKEN}"}}'),
        (200, f'{{"key_id": "{TOKEN}"'),
        (200, f"<html>{TOKEN}</html>"),
        (302, TOKEN),
    ],
)
async def test_no_error_tells_a_secret(status: int, text: str) -> None:
    """Neither token nor credential is in any error, whatever Tyk put into its answer."""
    async with answered(status, text=text) as dashboard:
        with pytest.raises(DashboardError) as raised:
            await dashboard.update_key(TOKEN, session())
    told = everything_told(raised.value)
    assert TOKEN[:20] not in told
    assert CREDENTIAL not in told
    assert len(str(raised.value)) <= 220


async def test_no_lost_answer_tells_a_secret(tyk: LocalTyk) -> None:
    """The exceptions of httpx, which carry the URL, are not behind ours."""
    async with talking(tyk.dashboard_url, within=0.2) as dashboard:
        for hang in (False, True):
            tyk.faults.next("GET /api/keys/{name}", hang=hang, drop=not hang)
            with pytest.raises(OutcomeUnknown) as raised:
                await dashboard.read_key(HASH)
            assert raised.value.__context__ is None
            assert HASH not in everything_told(raised.value)


def test_no_repr_tells_a_secret() -> None:
    """Neither the client nor a new key shows its secret."""
    dashboard = Dashboard("https://admin.example.com/", CREDENTIAL, keys_by=KeysBy.ID)
    assert repr(dashboard) == "Dashboard(admin.example.com)"
    assert TOKEN not in repr(CreatedKey(TOKEN, HASH))


@pytest.mark.parametrize("credential", ["", "two\nlines", "with space", "ümlaut"])
def test_a_credential_that_no_header_can_hold_is_refused_unsaid(credential: str) -> None:
    """A credential with a line break fails at once, and the complaint does not repeat it."""
    with pytest.raises(ValueError, match="printable ASCII") as raised:
        Dashboard("https://admin.example.com", credential, keys_by=KeysBy.ID)
    assert not credential or credential not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["admin.example.com", "ftp://admin.example.com", "https://user:secret@admin.example.com"]
)
def test_an_address_must_be_plain(url: str) -> None:
    """An address without scheme fails at once, and so does one with a user, which would replace our credential."""
    with pytest.raises(ValueError, match="without a user name") as raised:
        Dashboard(url, CREDENTIAL, keys_by=KeysBy.ID)
    assert "secret" not in str(raised.value)


async def test_the_http_libraries_log_no_url(tyk: LocalTyk, caplog: pytest.LogCaptureFixture) -> None:
    """With the library's loggers held at WARNING, a call leaves no line, though the root logs everything."""
    caplog.set_level(logging.DEBUG)
    before = {name: logging.getLogger(name).level for name in ("httpx", "httpcore")}
    try:
        async with talking(tyk.dashboard_url) as dashboard:
            quiet_http_logs()
            created = await dashboard.create_key(session())
            await dashboard.delete_key(created.token)
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
    assert [record for record in caplog.records if record.name.startswith(("httpx", "httpcore"))] == []
    assert created.token not in caplog.text


@pytest.mark.parametrize("module", [answers, dashboards])
def test_these_files_log_nothing_themselves(module: ModuleType) -> None:
    """There is no logger that a token could slip into."""
    source = inspect.getsource(module)
    assert "getLogger(__name__)" not in source
    assert "print(" not in source


# --- lists ------------------------------------------------------------------------------------------------------------


def told(api: ApiDefinition | None) -> tuple[str, str, str, tuple[str, ...], str, bool]:
    assert api is not None
    return api.api_id, api.name, api.listen_path, api.versions, api.auth_header, api.active


@pytest.mark.parametrize("refuse_all_pages", [False, True])
async def test_all_apis_are_listed(tyk: LocalTyk, refuse_all_pages: bool) -> None:
    """Classic and OAS APIs come alike, in one call or, where that is refused, page by page."""
    tyk.switches.refuse_all_pages = refuse_all_pages
    for number in range(24):
        tyk.add_api(f"api-{number}", f"API {number}", f"/{number}/", oas=number % 2 == 1, active=number != 3)
    tyk.add_api("old", "Old", "/old/", auth_header="X-Key", versions=["v1", "v2"])
    async with talking(tyk.dashboard_url) as dashboard:
        apis = await dashboard.apis()
    assert len(apis) == 26
    assert told(apis[0]) == ("billing", "Billing", "/billing/", ("Default",), "Authorization", True)
    assert told(apis[-1]) == ("old", "Old", "/old/", ("v1", "v2"), "X-Key", True)
    assert [api.api_id for api in apis if not api.active] == ["api-3"]
    assert len(tyk.calls("GET /api/apis")) == (4 if refuse_all_pages else 1)


async def test_a_dashboard_that_pages_all_the_same() -> None:
    """Where p=-1 gets the first page only, the others are fetched."""

    async def answer(request: web.Request) -> web.Response:
        number = max(1, int(request.query["p"]))
        return web.json_response({"apis": [{"api_definition": {"api_id": f"a{number}", "name": "A"}}], "pages": 3})

    async with serving(answer) as url, talking(url) as dashboard:
        assert [api.api_id for api in await dashboard.apis()] == ["a1", "a2", "a3"]


@pytest.mark.parametrize("status", [400, 404])
async def test_a_dashboard_that_lists_no_keys_says_so(status: int) -> None:
    """None is no empty list: with hashed keys the listing may be off. A login page in its place is no answer of Tyk's."""
    async with answered(status, error("Disabled hashed keys listing")) as dashboard:
        assert await dashboard.keys_page(1) is None
    async with answered(status, text="<html>", headers={"content-type": "text/html"}) as dashboard:
        with pytest.raises(DashboardError):
            await dashboard.keys_page(1)


@pytest.mark.parametrize("body", [{"apis": None, "pages": 0}, {"apis": [], "pages": 1}])
async def test_no_apis_are_no_error(body: dict[str, Any]) -> None:
    """Tyk writes an empty list as null."""
    async with answered(200, body) as dashboard:
        assert await dashboard.apis() == ()


async def test_a_list_that_is_none_is_not_tyks() -> None:
    """An object without a list is no empty list."""
    async with answered(200, {"items": []}) as dashboard:
        for call in (dashboard.apis(), dashboard.policies()):
            with pytest.raises(NotTyk):
                await call


async def test_one_api(tyk: LocalTyk) -> None:
    """A known API is described, an unknown one is None though Tyk says 400."""
    tyk.add_api("modern", "Modern", "/modern/", auth_header="X-Token", oas=True)
    async with talking(tyk.dashboard_url) as dashboard:
        found = await dashboard.api("modern")
        assert told(found) == ("modern", "Modern", "/modern/", ("Default",), "X-Token", True)
        assert await dashboard.api("nope") is None


async def test_a_bare_definition_is_understood() -> None:
    """An API definition may come without its wrapper; what it does not say has Tyk's defaults."""
    async with answered(200, {"api_id": "a", "name": "A", "proxy": {"listen_path": "/a/"}}) as dashboard:
        assert told(await dashboard.api("a")) == ("a", "A", "/a/", ("Default",), "Authorization", True)


@pytest.mark.parametrize(
    ("named", "expected"), [("A #one #two", "A"), ("C# service", "C# service"), ("#all", "#all"), ("A  #x ", "A")]
)
async def test_categories_are_no_part_of_a_name(named: str, expected: str) -> None:
    """Tyk keeps an API's categories at the end of its name, each after a #."""
    async with answered(200, {"api_definition": {"api_id": "a", "name": named}}) as dashboard:
        found = await dashboard.api("a")
    assert found is not None
    assert found.name == expected


async def test_all_policies_are_listed(tyk: LocalTyk) -> None:
    """Every page is fetched, and a policy says which APIs it would open."""
    for number in range(11):
        tyk.add_policy(f"p{number}", opens=["billing"])
    tyk.add_policy("gold", name="Gold", opens=["billing", "search"], key_expires_in=60, partitions={"acl": True})
    tyk.add_policy("slow", opens=["billing"], partitions={"rate_limit": True, "acl": False})
    tyk.add_policy("each", opens=["billing"], partitions={"per_api": True})
    tyk.add_policy("off", is_inactive=True)
    tyk.add_policy("draft", active=False)
    async with talking(tyk.dashboard_url) as dashboard:
        policies = {policy.id: policy for policy in await dashboard.policies()}
    assert len(policies) == 16
    both = frozenset({"billing", "search"})
    assert policies["gold"] == TykPolicy(
        "gold", "Gold", active=True, opens=both, key_expires_in=60, internal_id=tyk.policies["gold"].internal_id
    )
    assert policies["p0"].opens == policies["each"].opens == frozenset({"billing"})
    assert policies["slow"].opens == frozenset()
    assert [name for name, policy in policies.items() if not policy.active] == ["off", "draft"]


async def test_a_policy_without_an_id_of_its_own() -> None:
    """Where `id` is empty, the database's id is the policy's name; numbers may be written with a point."""
    listed = {"_id": "6636353730", "id": "", "name": "S", "active": True, "access_rights": None, "key_expires_in": 60.0}
    async with answered(200, {"Data": [listed], "Pages": 0}) as dashboard:
        assert await dashboard.policies() == (
            TykPolicy("6636353730", "S", active=True, opens=frozenset(), key_expires_in=60, internal_id="6636353730"),
        )


# --- the way there ----------------------------------------------------------------------------------------------------


async def test_the_proxy_is_used_that_was_named(tyk: LocalTyk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call goes through it, with its name and password; without one it goes directly, whatever the environment says."""
    asked: list[tuple[str, str | None]] = []

    async def proxy(request: web.Request) -> web.Response:
        asked.append((request.raw_path, request.headers.get("proxy-authorization")))
        return web.json_response({"apis": []})

    async with serving(proxy) as proxy_url:
        monkeypatch.setenv("HTTP_PROXY", proxy_url)
        named = proxy_url.replace("://", "://alice:secret@")
        through = Dashboard("http://tyk.invalid", CREDENTIAL, keys_by=KeysBy.ID, proxy=named)
        assert await through.apis() == ()
        await through.aclose()
        assert asked == [("http://tyk.invalid/api/apis?p=-1", "Basic YWxpY2U6c2VjcmV0")]
        async with talking(tyk.dashboard_url) as direct:
            assert len(await direct.apis()) == 1
        assert len(asked) == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_is_away_sends_nothing_on(scheme: str) -> None:
    """Nobody listens there, or it opens no way to a Dashboard of TLS: nothing was done."""

    async def refuses(_: web.Request) -> web.Response:
        return web.Response(status=407)

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        away = f"http://127.0.0.1:{taken.getsockname()[1]}"
    async with serving(refuses) as proxy_url:
        proxy = proxy_url if scheme == "https" else away
        dashboard = Dashboard(f"{scheme}://tyk.invalid", CREDENTIAL, keys_by=KeysBy.ID, proxy=proxy)
        with pytest.raises(Unreachable):
            await dashboard.create_key(session())
        await dashboard.aclose()


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
async def test_a_connection_that_ends_under_a_request_is_an_unknown_outcome(method: str) -> None:
    """The server takes the second request of a connection that stood open, and closes it: it may have been done."""
    taken: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while b"/api/apis" in (head := await reader.readuntil(b"\r\n\r\n")):
            writer.write(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{"apis":[]}')
        taken.append(head.split()[0])
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, talking(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as dashboard:
        assert await dashboard.apis() == ()
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "GET": lambda: dashboard.read_key(HASH),
            "PUT": lambda: dashboard.update_key(HASH, session()),
            "POST": lambda: dashboard.create_key(session()),
            "DELETE": lambda: dashboard.delete_key(HASH),
        }
        with pytest.raises(OutcomeUnknown):
            await calls[method]()
    assert taken == [method.encode()], "nothing is asked again unasked"


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{", b"no HTTP at all\r\n\r\n"])
async def test_half_an_answer_is_an_unknown_outcome(answer: bytes) -> None:
    """It ends before it is whole, or is none that HTTP knows."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, talking(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as dashboard:
        with pytest.raises(OutcomeUnknown):
            await dashboard.create_key(session())


async def test_a_compressed_answer_is_read() -> None:
    """As proxies before a Dashboard send it."""

    async def answer(_: web.Request) -> web.Response:
        response = web.json_response({"key_id": TOKEN, "key_hash": HASH, "status": "ok"})
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async with serving(answer) as url, talking(url) as dashboard:
        assert (await dashboard.create_key(session())).token == TOKEN


@pytest.mark.parametrize("packed", [False, True])
async def test_an_answer_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    """What it unpacks to counts, not what came."""
    monkeypatch.setattr("bot.tyk.transport.MOST", 1 << 20)

    async def answer(_: web.Request) -> web.Response:
        response = web.json_response({"key_id": TOKEN, "data": "0" * (2 << 20)})
        if packed:
            response.enable_compression(web.ContentCoding.gzip)
        return response

    async with serving(answer) as url, talking(url) as dashboard:
        with pytest.raises(OutcomeUnknown):
            await dashboard.create_key(session())


async def test_a_client_that_is_given_stays_open(tyk: LocalTyk) -> None:
    """Who gave the client closes it."""
    async with httpx.AsyncClient(trust_env=False) as client:
        dashboard = Dashboard(tyk.dashboard_url, CREDENTIAL, keys_by=KeysBy.ID, client=client)
        assert len(await dashboard.apis()) == 1
        await dashboard.aclose()
        assert not client.is_closed


async def test_the_clients_own_credentials_stay_at_home(tyk: LocalTyk, tmp_path: Path) -> None:
    """A client that has credentials of its own, as from a .netrc, still sends the Dashboard ours."""
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {urlsplit(tyk.dashboard_url).hostname} login alice password secret\n")
    async with httpx.AsyncClient(trust_env=False, auth=httpx.NetRCAuth(str(netrc))) as client:
        dashboard = Dashboard(tyk.dashboard_url, CREDENTIAL, keys_by=KeysBy.ID, client=client)
        assert len(await dashboard.apis()) == 1


async def test_calls_at_once() -> None:
    """As many calls as were asked for are under way together, and not one more."""
    waiting, most = 0, 0
    full, released = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        nonlocal waiting, most
        if request.path != "/hello":
            waiting, most = waiting + 1, max(most, waiting + 1)
            if waiting == 3:
                full.set()
            await released.wait()
            waiting -= 1
        return web.json_response({"apis": []})

    async with serving(answer) as url, httpx.AsyncClient(trust_env=False) as other:
        dashboard = Dashboard(url, CREDENTIAL, keys_by=KeysBy.ID, at_once=3)
        calls = [asyncio.create_task(dashboard.apis()) for _ in range(9)]
        await full.wait()
        for _ in range(3):  # who came in meanwhile would have been heard
            await other.get(f"{url}/hello")
        released.set()
        await asyncio.gather(*calls)
        await dashboard.aclose()
    assert most == 3
