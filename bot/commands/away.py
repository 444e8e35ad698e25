"""Slack did not answer as it should: where it was asked, what came instead, and what to do."""

from __future__ import annotations

from collections.abc import Mapping

from bot import settings
from bot.core.faults import Fault
from bot.core.outages import REFUSES_TOKEN
from bot.settings import Need

_NO_WAY = "Check that this machine reaches it, HTTPS_PROXY and, where it is set, SLACK_API_URL; see status.slack.com."
_LATER = "Try again later; see status.slack.com."
_RENEW = "Check SLACK_BOT_TOKEN: the app's page at api.slack.com shows it under OAuth & Permissions."
_BY_CODE: Mapping[str, tuple[str, str]] = {
    "unreachable": ("no connection could be made", _NO_WAY),
    "no_such_host": ("its host is not known here", "Check this machine's DNS and, where it is set, SLACK_API_URL."),
    "proxy_failed": (
        "the proxy opens no way to it",
        "Check HTTPS_PROXY, and that the proxy lets this machine through.",
    ),
    "tls_failed": (
        "TLS failed, or its certificate is not trusted",
        "Where a company's own authority signs, name its certificate in SSL_CERT_FILE; check HTTPS_PROXY.",
    ),
    "timeout": ("no answer came in time", _NO_WAY),
    "connection_lost": ("the connection broke off", _NO_WAY),
    "unreadable": ("what answered is not Slack", _NO_WAY),
    "ratelimited": ("it asks to be called less often", _LATER),
    "missing_scope": (
        "the app lacks a scope",
        "Install it again with the manifest that `tyk-key-bot manifest` prints; docs/changing.md lists what a look needs.",
    ),
    "too_many_websockets": (
        "the app has as many connections as it may have",
        "Stop what else runs with this app's SLACK_APP_TOKEN.",
    ),
    "team_access_not_granted": (
        "the app isn't approved for this workspace",
        "A Slack administrator can approve it.",
    ),
    **dict.fromkeys(
        ("accesslimited", "access_denied"),
        (
            "it lets this app or this network in no more",
            "Ask your Slack administrators, and look for allowed addresses in the app's settings.",
        ),
    ),
    **dict.fromkeys(
        ("team_added_to_org", "org_login_required"), ("the workspace is being moved", "Try again when that is done.")
    ),
    **dict.fromkeys(REFUSES_TOKEN, ("it does not accept the token", _RENEW)),
}


def sentence(fault: Fault, environ: Mapping[str, str]) -> str:
    """For whoever gave the command; the environment is the one that Slack was asked with."""
    address = settings.load(environ, needs=frozenset({Need.SLACK_LOOKS})).slack_api_url
    code = "unreadable" if fault.code.startswith(("http_3", "http_4")) else fault.code
    happened, advice = _BY_CODE.get(code) or ("it failed", _LATER)
    return f"Slack did not answer as it should at {address}: {happened} ({fault.code}). {advice}"
