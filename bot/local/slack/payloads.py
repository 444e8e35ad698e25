"""The payloads Slack sends to an app."""

import re

from bot.local.slack.block_kit import Slot
from bot.local.slack.journal import Json
from bot.local.slack.objects import Channel, Message, User, View
from bot.local.slack.parts import Parts
from bot.local.slack.workspace import Workspace

VERIFICATION_TOKEN = "sandbox-verification-token"


def _team(parts: Parts, user: User) -> Json:
    place = parts.workspace
    domain = place.domain if user.team_id == place.team_id else "elsewhere"
    team: Json = {"id": user.team_id, "domain": domain}
    if user.enterprise_id:
        team |= {"enterprise_id": user.enterprise_id, "enterprise_name": "Enterprise"}
    return team


def _base(parts: Parts, kind: str, user: User, view_id: str | None = None) -> Json:
    return {
        "type": kind,
        "user": {"id": user.id, "username": user.name, "name": user.name, "team_id": user.team_id},
        "api_app_id": parts.workspace.app_id,
        "token": VERIFICATION_TOKEN,
        "trigger_id": parts.triggers.issue(user.id, view_id),
        "team": _team(parts, user),
        "enterprise": {"id": user.enterprise_id, "name": "Enterprise"} if user.enterprise_id else None,
        "is_enterprise_install": False,
    }


def channel_name(channel: Channel) -> str:
    if channel.is_im:
        return "directmessage"
    return "privategroup" if channel.is_private else channel.name


def _escaped(place: Workspace, text: str) -> str:
    """The text of a command whose manifest says `should_escape`: people and channels by their ids, as they were picked."""

    def person(found: re.Match[str]) -> str:
        user = next((one for one in place.users.values() if one.name == found[1]), None)
        return f"<@{user.id}|{user.name}>" if user else found[0]

    def channel(found: re.Match[str]) -> str:
        known = next((one for one in place.channels.values() if one.name == found[1] and not one.is_im), None)
        return f"<#{known.id}|{known.name}>" if known else found[0]

    return re.sub(r"(?<!\S)#([\w.-]+)", channel, re.sub(r"(?<!\S)@([\w.-]+)", person, text))


def slash_command(parts: Parts, user: User, channel: Channel, command: str, text: str) -> Json:
    place = parts.workspace
    payload: Json = {
        "token": VERIFICATION_TOKEN,
        "team_id": place.team_id,
        "team_domain": place.domain,
        "channel_id": channel.id,
        "channel_name": channel_name(channel),
        "user_id": user.id,
        "user_name": user.name,
        "command": command,
        "text": _escaped(place, text) if command in parts.escaping else text,
        "api_app_id": place.app_id,
        "is_enterprise_install": "false",
        "response_url": parts.origin + parts.response_urls.issue("commands", user.id, channel.id),
        "trigger_id": parts.triggers.issue(user.id),
    }
    if place.enterprise_id:
        payload |= {"enterprise_id": place.enterprise_id, "enterprise_name": "Enterprise"}
    return payload


def action(slot: Slot, value: Json, now: float) -> Json:
    done: Json = {"action_id": slot.action_id, "block_id": slot.block_id, "type": slot.type, **value}
    if slot.type == "button":
        done["text"] = slot.element["text"]
        if "value" in slot.element:
            done["value"] = slot.element["value"]
    done["action_ts"] = f"{now:.6f}"
    return done


def actions_in_message(parts: Parts, user: User, message: Message, done: Json) -> Json:
    channel = parts.workspace.channels[message.channel]
    container: Json = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": channel.id,
        "is_ephemeral": message.is_ephemeral,
    }
    live = message if message.is_ephemeral else parts.workspace.message(message.channel, message.ts)
    payload = _base(parts, "block_actions", user) | {
        "container": container,
        "channel": {"id": channel.id, "name": channel_name(channel)},
        "state": {"values": message.state},
        "response_url": parts.origin + parts.response_urls.issue("actions", user.id, channel.id, live or message),
        "actions": [done],
    }
    if not message.is_ephemeral:
        payload["message"] = message.as_json()
    return payload


def actions_in_view(parts: Parts, user: User, view: View, done: Json) -> Json:
    return _base(parts, "block_actions", user, view.id) | {
        "container": {"type": "view", "view_id": view.id},
        "view": view.as_json(),
        "actions": [done],
    }


def shortcut(parts: Parts, user: User, callback_id: str) -> Json:
    """A global shortcut: it comes from nowhere in particular, so there is no channel and no response_url."""
    return _base(parts, "shortcut", user) | {"callback_id": callback_id, "action_ts": f"{parts.clock():.6f}"}


def message_action(parts: Parts, user: User, message: Message, callback_id: str) -> Json:
    """A message shortcut: the whole message goes with it."""
    channel = parts.workspace.channels[message.channel]
    return _base(parts, "message_action", user) | {
        "callback_id": callback_id,
        "action_ts": f"{parts.clock():.6f}",
        "channel": {"id": channel.id, "name": channel_name(channel)},
        "message_ts": message.ts,
        "message": message.as_json(),
        "response_url": parts.origin + parts.response_urls.issue("app", user.id, channel.id),
    }


def suggestion(parts: Parts, user: User, slot: Slot, query: str, view: View | None, message: Message | None) -> Json:
    payload = _base(parts, "block_suggestion", user) | {
        "action_id": slot.action_id,
        "block_id": slot.block_id,
        "value": query,
    }
    del payload["trigger_id"]
    if view is not None:
        return payload | {"container": {"type": "view", "view_id": view.id}, "view": view.as_json()}
    if message is None:
        raise ValueError("a search happens in a view or in a message")
    channel = parts.workspace.channels[message.channel]
    return payload | {
        "container": {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": channel.id,
            "is_ephemeral": message.is_ephemeral,
        },
        "channel": {"id": channel.id, "name": channel_name(channel)},
        "message": message.as_json(),
    }


def view_submission(parts: Parts, user: User, view: View) -> Json:
    return _base(parts, "view_submission", user, view.id) | {"view": view.as_json(), "response_urls": []}


def view_closed(parts: Parts, user: User, view: View, *, cleared: bool) -> Json:
    payload = _base(parts, "view_closed", user) | {"view": view.as_json(), "is_cleared": cleared}
    del payload["trigger_id"]
    return payload


def event_callback(parts: Parts, event: Json, event_id: str) -> Json:
    place = parts.workspace
    now = parts.clock()
    authorization = {
        "enterprise_id": place.enterprise_id,
        "team_id": place.team_id,
        "user_id": place.bot_user,
        "is_bot": True,
        "is_enterprise_install": False,
    }
    channel = event.get("channel")
    shared = isinstance(channel, str) and channel in place.channels and place.channels[channel].is_ext_shared
    payload: Json = {
        "token": VERIFICATION_TOKEN,
        "team_id": place.team_id,
        "api_app_id": place.app_id,
        "event": {"event_ts": f"{now:.6f}", **event},
        "type": "event_callback",
        "event_id": event_id,
        "event_time": int(now),
        "authorizations": [authorization],
        "is_ext_shared_channel": shared,
        "event_context": f"4-{event_id}",
    }
    return payload | ({"enterprise_id": place.enterprise_id} if place.enterprise_id else {})
