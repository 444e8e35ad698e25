"""The Slack app manifest asks for what the configuration needs, and no more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bot import config
from bot.manifest import EVENTS, NAME, SCOPES, events, manifest, scopes
from bot.slack import buttons

SCHEMA = json.loads((Path(__file__).parent / "data" / "slack-manifest.schema.json").read_text())
HEAD = """\
tyk: {dashboard_url: "https://admin.example.com", gateway_url: "https://api.example.com"}
slack: {command: /staging-key, approvals_channel: C0A, audit_channel: C0B, help_channel: C0C}
"""


def naming(requester: str, approver: str = "U0BOB") -> config.Config:
    api = f'api_id: a1, requesters: ["{requester}"], approvers: ["{approver}"]'
    return config.parse(f"{HEAD}apis: {{one: {{{api}}}}}")


@pytest.mark.parametrize("requester", ["everyone", "@devs", "S0DEVS", "U0ALICE", "alice@example.com", "C0DEVS"])
@pytest.mark.parametrize("socket_mode", [True, False])
def test_schema(requester: str, *, socket_mode: bool) -> None:
    """Whatever the configuration names, in either mode, Slack's own schema accepts the manifest."""
    made = manifest(naming(requester), socket_mode=socket_mode, request_url="https://bot.example.com/slack/events")
    jsonschema.validate(made, SCHEMA)


def test_scopes_are_explained() -> None:
    """Each scope that may be asked for has one sentence of why, and each event's scope is among them."""
    assert all(why.endswith(".") and len(why) > 20 for why in SCOPES.values())
    assert {scope for scope in EVENTS.values() if scope} <= SCOPES.keys()
    assert not any(scope.endswith(":history") for scope in SCOPES), "no scope reads messages"


SHARING = ("channel_shared", "channel_unshared")
"""Heard whatever the configuration names: cards go into channels, and nobody else may read them."""


def test_least_scopes() -> None:
    """People named by id need neither the user groups' scope nor that of e-mail addresses."""
    assert scopes(naming("U0ALICE")) == [
        "commands",
        "chat:write",
        "im:write",
        "users:read",
        "channels:read",
        "groups:read",
    ]
    assert events(naming("everyone")) == ["app_home_opened", "user_change", *SHARING]


@pytest.mark.parametrize("approver", ["@leads", "S0LEADS"])
def test_groups(approver: str) -> None:
    """User groups, by handle or id, bring their scope and the events that tell of their members."""
    named = naming("everyone", approver)
    assert "usergroups:read" in scopes(named)
    assert events(named) == [
        "app_home_opened",
        "user_change",
        "subteam_members_changed",
        "subteam_updated",
        *SHARING,
    ]


def test_emails() -> None:
    """A person named by e-mail address brings the scope to look it up."""
    assert "users:read.email" in scopes(naming("everyone", "bob@example.com"))


def test_channels_among_requesters() -> None:
    """Joining and leaving a channel is listened to only where a channel's members may ask."""
    assert events(naming("C0DEVS")) == [
        "app_home_opened",
        "user_change",
        "member_joined_channel",
        "member_left_channel",
        *SHARING,
    ]


def test_socket_mode() -> None:
    """In Socket Mode there is no address that Slack calls, even if one is given."""
    made = manifest(naming("everyone"), socket_mode=True, request_url="https://bot.example.com/slack/events")
    assert made["settings"]["socket_mode_enabled"] is True
    assert "https://" not in json.dumps(made)


def test_http_mode() -> None:
    """In HTTP mode command, clicks and events all go to the one address."""
    url = "https://bot.example.com/slack/events"
    made = manifest(naming("everyone"), socket_mode=False, request_url=url)
    settings: dict[str, Any] = made["settings"]
    assert settings["socket_mode_enabled"] is False
    assert settings["interactivity"] == {"is_enabled": True, "request_url": url}
    assert settings["event_subscriptions"]["request_url"] == url
    assert made["features"]["slash_commands"][0]["url"] == url


@pytest.mark.parametrize("url", [None, "", "http://bot.example.com"])
def test_http_mode_needs_an_address(url: str | None) -> None:
    """HTTP mode without a public https address is an error that says so."""
    with pytest.raises(ValueError, match="begins with https://"):
        manifest(naming("everyone"), socket_mode=False, request_url=url)


def test_what_people_see() -> None:
    """The command is the configured one and says what can follow it; there is a Home tab, nobody can write to the app, clicks are
    heard."""
    made = manifest(naming("everyone"), socket_mode=True)
    (command,) = made["features"]["slash_commands"]
    assert (command["command"], command["usage_hint"]) == ("/staging-key", "[API | list | who API | help]")
    assert made["features"]["app_home"] == {
        "home_tab_enabled": True,
        "messages_tab_enabled": True,
        "messages_tab_read_only_enabled": True,
    }
    assert made["settings"]["interactivity"]["is_enabled"] is True


def test_it_has_one_name_and_two_shortcuts() -> None:
    """The name beside its messages is that of the app; the shortcuts are known by the ids that the bot listens to."""
    made = manifest(naming("everyone"), socket_mode=True)
    assert made["features"]["bot_user"]["display_name"] == made["display_information"]["name"] == NAME
    assert [(one["name"], one["type"], one["callback_id"]) for one in made["features"]["shortcuts"]] == [
        ("Request a token", "global", buttons.SHORTCUT),
        ("Request a token for this", "message", buttons.SHORTCUT_OF_MESSAGE),
    ]
