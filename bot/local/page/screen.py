"""The screen of one person, as JSON in parts: a part that has not changed need not be sent again."""

from __future__ import annotations

from typing import Any

from bot.local.slack import Channel, LocalSlack, Message, Person
from bot.local.slack.installed import GLOBAL, MESSAGE
from bot.local.slack.objects import View
from bot.local.world import Cast

Json = dict[str, Any]
MOST_MESSAGES = 300
KINDS = {
    "member": "member",
    "admin": "admin",
    "owner": "owner",
    "guest": "guest",
    "single_channel_guest": "guest of one channel",
    "deactivated": "deactivated",
    "stranger": "stranger",
    "external": "another company",
}


class Screen:
    def __init__(self, slack: LocalSlack, cast: Cast) -> None:
        self._slack = slack
        self._place = slack.workspace
        self._cast = cast

    def names(self) -> list[str]:
        return [one.name for one in self._cast.people]

    def parts(self, name: str) -> dict[str, Any]:
        """`room:<channel id>` is one channel's messages, oldest first."""
        person = self._slack.person(name)
        rooms = self._rooms(person)
        return {
            "me": self._person(name),
            "people": [self._person(one) for one in self.names()],
            "directory": self._directory(),
            "rooms": [self._room(channel, person) for channel in rooms],
            "views": [self._view(view) for view in self._place.stacks.get(person.id, [])],
            "home": self._view(home) if (home := self._place.homes.get(person.id)) else None,
            "app": {"has_home": self._slack.home_tab, "shortcuts": self._shortcuts(person)},
            **{f"room:{channel.id}": self._messages(person, channel) for channel in rooms},
        }

    def _person(self, name: str) -> Json:
        user = self._place.user(name)
        about = next(one.about for one in self._cast.people if one.name == name)
        kind = "deactivated" if user.deleted else user.kind
        is_as_cast = kind == next(one.kind for one in self._cast.people if one.name == name)
        return {
            "id": user.id,
            "name": user.name,
            "real_name": user.real_name,
            "about": (about if is_as_cast else "") or KINDS.get(kind, kind),
            "kind": KINDS.get(kind, kind),
            "is_guest": user.is_restricted,
            "is_ours": user.team_id == self._place.team_id,
            "tz": user.tz,
            "groups": [group.handle for group in self._place.groups.values() if user.id in group.members],
            "rings": sum(ring.user == user.id for ring in self._place.rings),
            "latest": self._latest(user.id),
        }

    def _shortcuts(self, person: Person) -> Json:
        """The names of the entries in the menu beside a composer, and in that of a message."""
        offered = self._slack.shortcuts if person.user.team_id == self._place.team_id else ()
        return {kind: [one.name for one in offered if one.type == kind] for kind in (GLOBAL, MESSAGE)}

    def _latest(self, user_id: str) -> Json:
        """The newest message of somebody else in each conversation that this person is in."""
        found = {}
        for channel in self._place.channels.values():
            posts = self._place.posts[channel.id] if user_id in channel.members else ()
            newest = next((one.ts for one in reversed(posts) if one.user != user_id), None)
            if newest is not None:
                found[channel.id] = newest
        return found

    def _directory(self) -> Json:
        users = self._place.users.values()
        return {
            "users": {
                user.id: {"name": user.name, "real_name": user.real_name, "is_bot": user.is_bot} for user in users
            },
            "groups": {group.id: group.handle for group in self._place.groups.values()},
            "channels": {channel.id: channel.name for channel in self._place.channels.values() if not channel.is_im},
        }

    def _rooms(self, person: Person) -> list[Channel]:
        """Channels by name, then the direct messages with the app, which nobody from elsewhere has."""
        ours = person.user.team_id == self._place.team_id and not person.user.deleted
        dm = [self._place.dm(person.id)] if ours else []
        return [*sorted((one for one in person.channels() if not one.is_im), key=lambda one: one.name), *dm]

    def _room(self, channel: Channel, person: Person) -> Json:
        bot = self._place.users[self._place.bot_user]
        rings = [ring for ring in person.rings if ring.channel == channel.id]
        return {
            "id": channel.id,
            "name": bot.real_name if channel.is_im else channel.name,
            "is_im": channel.is_im,
            "is_read_only": channel.is_im and self._slack.dm_is_read_only,
            "is_shared": channel.is_ext_shared,
            "is_archived": channel.is_archived,
            "members": len(channel.members),
            "has_bot": bot.id in channel.members,
            "rung": [ring.ts for ring in rings[-50:]],
        }

    def _messages(self, person: Person, channel: Channel) -> list[Json]:
        return [self._message(message) for message in person.messages(channel.id)[-MOST_MESSAGES:]]

    def _message(self, message: Message) -> Json:
        return message.as_json() | {
            "is_app": message.bot_id is not None,
            "is_ephemeral": message.is_ephemeral,
            "is_reply": message.is_reply and not message.broadcast,
            "state": message.state,
        }

    @staticmethod
    def _view(view: View) -> Json:
        seen = view.as_json()
        del seen["private_metadata"]
        return seen | {"values": view.state, "errors": view.errors, "banner": view.banner}
