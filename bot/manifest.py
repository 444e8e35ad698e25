"""The Slack app manifest that fits a configuration: the scopes and events in use, and no more."""

from __future__ import annotations

from typing import Any

from bot.config import Config, Kind
from bot.slack.buttons import SHORTCUT, SHORTCUT_OF_MESSAGE

NAME = "Tyk Keys"
"""The one name of the app, wherever people meet it."""

SCOPES: dict[str, str] = {
    "commands": "People request tokens by the slash command and by the shortcuts.",
    "chat:write": "Cards, direct messages and audit lines are posted, edited and deleted; only its own.",
    "im:write": "The direct message in which a requester gets the token is opened.",
    "users:read": "Who asks or approves must be an active full member: no guest, no bot, nobody from elsewhere.",
    "users:read.email": "The configuration names people by e-mail address, which must be looked up.",
    "usergroups:read": "The configuration names user groups, whose members must be known.",
    "channels:read": "The configured channels are checked (not archived, not shared), as are their members where asked for.",
    "groups:read": "The same for private channels.",
}
"""Every scope that may be asked for, and why."""

EVENTS: dict[str, str | None] = {
    "app_home_opened": None,
    "user_change": "users:read",
    "subteam_members_changed": "usergroups:read",
    "subteam_updated": "usergroups:read",
    "member_joined_channel": "channels:read",
    "member_left_channel": "channels:read",
    "channel_shared": "channels:read",
    "channel_unshared": "channels:read",
}
"""Every event that may be subscribed to, and the scope it needs, if any."""


def manifest(config: Config, *, socket_mode: bool, request_url: str | None = None) -> dict[str, Any]:
    """The app manifest (Slack's schema, major version 2). `request_url` is the public https address that Slack calls in
    HTTP mode; in Socket Mode there is none. ValueError if it is missing, or is no https address, where it is needed."""
    if not socket_mode and not (request_url or "").startswith("https://"):
        raise ValueError("in HTTP mode Slack needs a public address to call: give one that begins with https://")
    url = None if socket_mode else request_url
    return {
        "_metadata": {"major_version": 2, "minor_version": 1},
        "display_information": {
            "name": NAME,
            "description": "Request your own Tyk API tokens. They arrive by direct message.",
            "background_color": "#1d1d3d",
        },
        "features": _features(config, url),
        "oauth_config": {"scopes": {"bot": scopes(config)}},
        "settings": _settings(config, url, socket_mode=socket_mode),
    }


def scopes(config: Config) -> list[str]:
    """The bot scopes that this configuration needs, in the order of `SCOPES`."""
    kinds = {mention.kind for mention in config.mentions()}
    idle = set()
    if Kind.EMAIL not in kinds:
        idle.add("users:read.email")
    if not kinds & {Kind.GROUP, Kind.GROUP_HANDLE}:
        idle.add("usergroups:read")
    return [scope for scope in SCOPES if scope not in idle]


def events(config: Config) -> list[str]:
    """The bot events that tell of what this configuration's rules depend on, in the order of `EVENTS`."""
    granted = set(scopes(config))
    asks_by_channel = any(
        mention.kind is Kind.CHANNEL and mention.role == "requesters" for mention in config.mentions()
    )
    return [
        event
        for event, scope in EVENTS.items()
        if (scope is None or scope in granted) and (asks_by_channel or not event.startswith("member_"))
    ]


def _features(config: Config, url: str | None) -> dict[str, Any]:
    command: dict[str, Any] = {
        "command": config.slack.command,
        "description": "Request a Tyk API token",
        "usage_hint": "[API | list | who API | help]",
        "should_escape": True,  # a mention behind the command comes as <@U...>: who is meant need not be guessed
    }
    return {
        "app_home": {
            "home_tab_enabled": True,
            "messages_tab_enabled": True,
            "messages_tab_read_only_enabled": True,
        },
        "bot_user": {"display_name": NAME, "always_online": True},
        "shortcuts": [
            {
                "name": "Request a token",
                "type": "global",
                "callback_id": SHORTCUT,
                "description": "Request a Tyk API token",
            },
            {
                "name": "Request a token for this",
                "type": "message",
                "callback_id": SHORTCUT_OF_MESSAGE,
                "description": "Request a Tyk API token, with this message as the reason",
            },
        ],
        "slash_commands": [command | ({"url": url} if url else {})],
    }


def _settings(config: Config, url: str | None, *, socket_mode: bool) -> dict[str, Any]:
    request_url: dict[str, Any] = {"request_url": url} if url else {}
    return {
        "event_subscriptions": request_url | {"bot_events": events(config)},
        "interactivity": {"is_enabled": True} | request_url,
        "org_deploy_enabled": False,
        "socket_mode_enabled": socket_mode,
        "token_rotation_enabled": False,
    }
