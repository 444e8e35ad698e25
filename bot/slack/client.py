"""Calls to Slack: one at a time, under a deadline, the outcome told as a Fault that carries nothing of the request.

Everything passes through `call`. It asks once and never again by itself: an answer that was lost may have been a post
that was made, and whether to repeat it is the worker's business. Limits (429) are told, not slept on, likewise.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import OrderedDict
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot import metrics
from bot.core.faults import Fault, Gone, OutcomeUnknown, Transient, Undeliverable
from bot.core.model import Workspace
from bot.core.outages import REFUSES_TOKEN
from bot.errors import FAILED, InputError
from bot.slack.errors import outcome, refused

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

TIMEOUT = 8.0  # seconds for one exchange
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def new_session() -> aiohttp.ClientSession:
    """The session all calls share. slack_sdk ignores its own timeout where it is given a session, so it stands here, and so does
    that nothing is sent on, or believed, where an answer points elsewhere."""
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT), middlewares=(_follow_nowhere,))


async def _follow_nowhere(request: aiohttp.ClientRequest, ask: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    answer = await ask(request)
    if answer.status in _REDIRECTS:
        answer.close()
        raise aiohttp.TooManyRedirects(answer.request_info, (), status=answer.status)
    return answer


def web_client(token: str, base_url: str, session: aiohttp.ClientSession, proxy: str | None) -> AsyncWebClient:
    """The one client, which Bolt clones for each request. It never asks twice by itself: no retry handler at all."""
    return AsyncWebClient(
        token=token,
        base_url=base_url,
        timeout=int(TIMEOUT),
        session=session,
        proxy=proxy,
        retry_handlers=[],
        logger=logging.getLogger("slack_sdk.web"),
    )


def pin_proxy(environ: MutableMapping[str, str]) -> None:
    """Takes the proxy variables out of the environment, once the settings have read them and before any client is made.

    slack_sdk reads them by itself in the web client, in each of Bolt's clones of it, in `respond` and in the socket
    client, and knows no NO_PROXY. So nobody may find them there, and the proxy that the settings chose is handed to each
    in so many words: `web_client(proxy=...)` (the clones and `respond` inherit it), `AsyncSocketModeHandler(proxy=...)`
    and `httpx.AsyncClient(proxy=...)`. httpx may keep `trust_env`, and with it SSL_CERT_FILE.
    """
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
        environ.pop(name, None)
        environ.pop(name.lower(), None)


# --- one call -------------------------------------------------------------------------------------------------------


class Answer(NamedTuple):
    """Slack's `ok` answer and its headers."""

    data: dict[str, Any]
    headers: Mapping[str, str]


_WHY: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((aiohttp.ClientConnectorDNSError,), "no_such_host"),
    ((aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError), "proxy_failed"),
    ((aiohttp.ClientSSLError,), "tls_failed"),
)
"""Why no connection came about, where that is known."""


async def call(
    client: AsyncWebClient, method: str, arguments: Mapping[str, Any], *, get: bool = False, within: float = TIMEOUT
) -> Answer:
    """Asks once, `within` so many seconds; raises a Fault for all but `ok`. To whom only reads, OutcomeUnknown is Transient."""
    with metrics.timed(metrics.SLACK_CALLS, method) as timed:
        try:
            answer = await _asked(client, method, arguments, get=get, within=within)
        except Fault as fault:
            timed.outcome = outcome(fault)
            raise
        timed.outcome = "ok"
        return answer


async def _asked(
    client: AsyncWebClient, method: str, arguments: Mapping[str, Any], *, get: bool, within: float
) -> Answer:
    given = {name: value for name, value in arguments.items() if value is not None}
    fault: Fault
    try:
        async with asyncio.timeout(within):
            if get:
                response = await client.api_call(method, http_verb="GET", params=given)
            else:
                response = await client.api_call(method, json=given)
        data: Any = response.data
        if isinstance(data, dict):
            return Answer(data, response.headers)
        fault = OutcomeUnknown("unreadable", f"{method} got an answer that is not Slack's")
    except SlackApiError as error:
        fault = refused(method, error.response, given)
    except TimeoutError as error:
        never_sent = isinstance(error, aiohttp.ConnectionTimeoutError)
        fault = (
            Transient("unreachable", f"{method} found no way to Slack in time")
            if never_sent
            else OutcomeUnknown("timeout", f"{method} had no answer in time")
        )
    except (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError) as error:
        code = next((code for kinds, code in _WHY if isinstance(error, kinds)), "unreachable")
        fault = Transient(code, f"{method} found no way to Slack: {type(error).__name__}")
    except aiohttp.TooManyRedirects as error:
        fault = Transient(f"http_{error.status}", f"{method} got an answer that is not Slack's")
    except (aiohttp.ClientError, OSError) as error:
        fault = OutcomeUnknown("connection_lost", f"{method} lost the connection: {type(error).__name__}")
    except (AttributeError, UnicodeDecodeError):  # slack_sdk's, where a body is no JSON object
        fault = OutcomeUnknown("unreadable", f"{method} got an answer that is not Slack's")
    raise fault  # outside of the handlers, so that no __context__ leads to slack_sdk's error, which holds the request


# --- what the effects and the listeners do --------------------------------------------------------------------------


class Chat:
    """Messages and modals, one call each, `within` so many seconds."""

    def __init__(self, client: AsyncWebClient, *, within: float = TIMEOUT, remembers: int = 10_000) -> None:
        self._client = client
        self._within = within
        self._remembers = remembers
        self._direct: OrderedDict[str, str] = OrderedDict()

    async def post(
        self, target: str, text: str, blocks: list[dict[str, Any]], *, thread_ts: str | None = None
    ) -> tuple[str, str]:
        """Posts to a channel id, or to a user id by direct message; returns the channel and ts Slack gave it.

        Slack opens the direct message by itself and says which channel it is; `thread_ts`: under that message of the channel.
        """
        is_person = target.startswith(("U", "W"))
        message = _message(self._direct.get(target, target), text, blocks)
        try:
            answer = await self._call("chat.postMessage", message | ({"thread_ts": thread_ts} if thread_ts else {}))
        except Fault as fault:
            if fault.code not in {"channel_not_found", "is_archived"}:
                raise
            remembered = self._direct.pop(target, None)  # next time the person is asked for, not the channel
            if is_person and remembered is None and fault.code == "channel_not_found":
                raise Undeliverable(fault.code, fault.text) from None
            raise
        place, ts = answer.get("channel"), answer.get("ts")
        if not (isinstance(place, str) and isinstance(ts, str) and place and ts):
            raise OutcomeUnknown("unreadable", "chat.postMessage did not say where the message is")
        if is_person and not place.startswith("D"):  # what is edited into it may be a token
            raise OutcomeUnknown("unreadable", "chat.postMessage put a direct message elsewhere")
        if is_person:
            self._remember(target, place)
        return place, ts

    def _remember(self, user_id: str, channel: str) -> None:
        self._direct[user_id] = channel
        self._direct.move_to_end(user_id)
        if len(self._direct) > self._remembers:
            self._direct.popitem(last=False)

    async def update(self, channel: str, ts: str, text: str, blocks: list[dict[str, Any]]) -> None:
        """Repaints a message; Gone where it is no more, or not to be changed any more."""
        await self._call("chat.update", {"channel": channel, "ts": ts, "text": text, "blocks": blocks})

    async def delete(self, channel: str, ts: str) -> None:
        """Deletes a message; one that is no more is deleted."""
        try:
            await self._call("chat.delete", {"channel": channel, "ts": ts})
        except Gone as gone:
            if gone.code != "message_not_found":
                raise

    async def ephemeral(self, channel: str, user: str, text: str) -> None:
        """A line that only this person sees, once, if they are there to see it."""
        await self._call("chat.postEphemeral", {"channel": channel, "user": user, "text": text})

    async def open_view(self, trigger_id: str, view: dict[str, Any]) -> dict[str, Any]:
        """Opens a modal and returns it with the id and hash Slack gave it; Gone where the trigger is used or too old."""
        return _view(await self._call("views.open", {"trigger_id": trigger_id, "view": view}))

    async def push_view(self, trigger_id: str, view: dict[str, Any]) -> dict[str, Any]:
        """Lays a modal over the one whose button gave the trigger."""
        return _view(await self._call("views.push", {"trigger_id": trigger_id, "view": view}))

    async def update_view(
        self,
        view_id: str,
        view: dict[str, Any],
        hash: str | None = None,  # noqa: A002 - Slack's name for it
    ) -> dict[str, Any]:
        """Repaints a modal; Gone where it was closed, Permanent `hash_conflict` where it is no more what `hash` says."""
        return _view(await self._call("views.update", {"view_id": view_id, "view": view, "hash": hash}))

    async def publish_home(self, user_id: str, view: dict[str, Any]) -> None:
        """Shows this as the person's Home tab."""
        await self._call("views.publish", {"user_id": user_id, "view": view})

    async def permalink(self, channel: str, ts: str) -> str:
        """The address of a message; Transient `channel_not_found` where the bot is not in the channel."""
        answer = await call(
            self._client, "chat.getPermalink", {"channel": channel, "message_ts": ts}, get=True, within=self._within
        )
        return str(answer.data.get("permalink") or "")

    async def _call(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        return (await call(self._client, method, arguments, within=self._within)).data


def _message(channel: str, text: str, blocks: list[dict[str, Any]]) -> dict[str, Any]:
    return {"channel": channel, "text": text, "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def _view(answer: dict[str, Any]) -> dict[str, Any]:
    view = answer.get("view")
    if not isinstance(view, dict):
        raise OutcomeUnknown("unreadable", "Slack did not say which view it shows")
    return view


# --- before anything else -------------------------------------------------------------------------------------------


class PreflightError(InputError):
    """The operator must mend something before the bot can start: a sentence that names the variable."""


class TokenRefusedError(PreflightError):
    """Slack does not accept a token: until somebody gives the bot another one, nobody can be answered."""


class NotSlackError(PreflightError):
    """Something else answers in Slack's place: a wrong address, or a proxy or a Slack in trouble, which may pass."""

    exit_code = FAILED


class Preflight(NamedTuple):
    """The workspace that the bot token is for, the scopes it was granted (none where the server does not say), and what time it
    is there."""

    workspace: Workspace
    scopes: frozenset[str]
    at: datetime | None = None


async def preflight(
    client: AsyncWebClient, app_token: str | None, needed: frozenset[str], *, within: float = TIMEOUT
) -> Preflight:
    """Tries both tokens: Socket Mode with a bad one waits for ever. Transient where Slack cannot be asked just now."""
    _looks_right("SLACK_BOT_TOKEN", client.token or "", other="xapp-", wanted="the bot token (xoxb-...)")
    if app_token is not None:
        _looks_right("SLACK_APP_TOKEN", app_token, other="xoxb-", wanted="the app-level token (xapp-...)")
    data, headers = await _try(client, "auth.test", {}, "SLACK_BOT_TOKEN", within)
    team_id, user_id = data.get("team_id"), data.get("user_id")
    if data.get("is_enterprise_install") or str(team_id).startswith("E"):
        raise PreflightError(
            "SLACK_BOT_TOKEN is of an installation for the whole organisation, and this bot serves one workspace. Install the "
            "app in the workspace itself, with org_deploy_enabled off in its manifest, and use the token that it gets there."
        )
    if not data.get("bot_id"):
        raise PreflightError("SLACK_BOT_TOKEN stands for a person; it needs the app's bot token (xoxb-...).")
    if not (isinstance(team_id, str) and isinstance(user_id, str) and team_id and user_id):
        raise Transient("unreadable", "auth.test did not say who the bot is")
    said = headers.get("x-oauth-scopes")
    scopes = frozenset(scope.strip() for scope in (said or "").split(",") if scope.strip())
    if said is not None and (missing := sorted(needed - scopes)):
        raise PreflightError(
            f"SLACK_BOT_TOKEN lacks the scope{'s' * (len(missing) > 1)} {', '.join(missing)}: "
            "add them under OAuth & Permissions and install the app again."
        )
    if app_token is not None:
        await _try(client, "apps.connections.open", {"token": app_token}, "SLACK_APP_TOKEN", within)
        await _check_same_app(client, app_token, str(data["bot_id"]), within)
    url = data.get("url")
    place = url if isinstance(url, str) and url.startswith("https://") else ""
    workspace = Workspace(team_id, data.get("enterprise_id") or None, user_id, place)
    return Preflight(workspace, scopes, date_of(headers.get("Date")))


def date_of(header: str | None) -> datetime | None:
    """The time that a header Date says, None where it says none."""
    try:
        at = parsedate_to_datetime(header or "")
    except (ValueError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


async def _check_same_app(client: AsyncWebClient, app_token: str, bot_id: str, within: float) -> None:
    """Raises PreflightError where Slack says that they are of two: each is good, and what people do at one app the other one's
    token answers in vain."""
    named = re.match(r"xapp-[0-9]+-(A[A-Z0-9]+)-", app_token)
    if named is None:
        return
    try:
        answer = await call(client, "bots.info", {"bot": bot_id}, get=True, within=within)
    except Fault:  # it was looked at in vain, and both are good
        return
    bot = answer.data.get("bot")
    app_id = bot.get("app_id") if isinstance(bot, dict) else None
    if app_id and app_id != named[1]:
        raise PreflightError(
            f"SLACK_APP_TOKEN is of the app {named[1]}, and SLACK_BOT_TOKEN of the app {app_id}: take both from one app."
        )


def _looks_right(variable: str, token: str, *, other: str, wanted: str) -> None:
    if not token.strip():
        raise PreflightError(f"{variable} is empty; it needs {wanted}.")
    if token.strip().startswith(other):
        raise PreflightError(f"{variable} holds a token of the other kind ({other}...); it needs {wanted}.")


async def _try(client: AsyncWebClient, method: str, arguments: dict[str, Any], variable: str, within: float) -> Answer:
    """Raises TokenRefusedError only where Slack says so of the token; what else it says is no reason to look for another one."""
    try:
        return await call(client, method, arguments, within=within)
    except Fault as fault:
        code = fault.code
        is_strange = code.startswith(("http_3", "http_4")) or code in {"unreadable", "unknown_method"}
        if not (is_strange or code in REFUSES_TOKEN or (code == "missing_scope" and variable == "SLACK_APP_TOKEN")):
            raise
    if code == "missing_scope":
        raise PreflightError("SLACK_APP_TOKEN lacks the scope connections:write.")
    if is_strange:
        raise NotSlackError(
            f"What answers at {client.base_url} is not Slack: {method} got {code}. Check SLACK_API_URL, where it is set, and "
            "HTTPS_PROXY."
        )
    raise TokenRefusedError(
        f"Slack does not accept {variable} ({code}): copy it again from {_SHOWN[variable]}.{_OR_ELSE.get(code, '')}"
    )


_OR_ELSE = {
    "invalid_auth": " Or the app's settings name the addresses that may use it, and this machine's is not among them."
}
"""What else the code can mean."""

_SHOWN = {
    "SLACK_BOT_TOKEN": "OAuth & Permissions of the app, at api.slack.com/apps; where it was revoked, install the app again there",
    "SLACK_APP_TOKEN": "Basic Information, App-Level Tokens, of the app at api.slack.com/apps",
}


# --- logs -----------------------------------------------------------------------------------------------------------

_TALKATIVE = ("slack_sdk", "slack_bolt", "aiohttp")


class _NothingSpoken(logging.Filter):
    """Lets nothing below INFO of the Slack libraries pass: at DEBUG they print what is said, tokens included."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.INFO or not _is_talkative(record.name)


_nothing_spoken = _NothingSpoken()


def quiet_slack_logs() -> logging.Logger:
    """Keeps the Slack libraries at INFO or above whatever the app's level is. Call it once logging is set up.

    Returns the logger for `AsyncApp(logger=...)`: without one, Bolt gives its loggers the root's level, DEBUG included,
    one of them under the name of the file that made the app.
    """
    names = {name for name in logging.Logger.manager.loggerDict if _is_talkative(name)} | set(_TALKATIVE)
    for name in sorted(names):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.getEffectiveLevel(), logging.INFO))
        logger.addFilter(_nothing_spoken)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_nothing_spoken)  # for the loggers that come later
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    return logging.getLogger("slack_bolt")


def _is_talkative(name: str) -> bool:
    return name.split(".", 1)[0] in _TALKATIVE
