"""The workspace as Slack's servers hold it: people, user groups, channels, messages, views. No sockets here."""

import copy
import random
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bot.local.slack.block_kit import element_slots, initial_state
from bot.local.slack.journal import Changes, Clock, Json, copied

KINDS = ("member", "admin", "owner", "guest", "single_channel_guest", "deactivated", "stranger", "external", "bot")
SLACKBOT = "USLACKBOT"
OTHER_TEAM = "T0ELSEWHERE"


class NotPossible(Exception):
    """An act that Slack's own windows do not let a person do, so nothing is sent to the app."""


@dataclass
class User:
    id: str
    name: str
    real_name: str
    email: str
    team_id: str
    kind: str = "member"
    enterprise_id: str | None = None
    deleted: bool = False
    is_admin: bool = False
    is_owner: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_stranger: bool = False
    is_bot: bool = False
    bot_id: str | None = None
    updated: int = 0
    tz: str = "Europe/Amsterdam"
    status_text: str = ""
    title: str = ""
    everywhere: str | None = None  # the organisation's id for them, where it is another than the workspace's

    def stands_as(self, kind: str) -> None:
        """The account has the rights of this kind from now on."""
        self.is_admin = kind in ("admin", "owner")
        self.is_owner = kind == "owner"
        self.is_restricted = kind in ("guest", "single_channel_guest")
        self.is_ultra_restricted = kind == "single_channel_guest"

    def as_json(self, *, with_email: bool) -> Json:
        """The user object of users.info; a deactivated account's lacks what Slack leaves out of it."""
        profile: Json = {
            "real_name": self.real_name,
            "real_name_normalized": self.real_name,
            "display_name": self.name,
            "display_name_normalized": self.name,
            "title": self.title,
            "status_text": self.status_text,
            "status_emoji": "",
            "team": self.team_id,
            "image_48": "",
        }
        if with_email and not self.is_bot:
            profile["email"] = self.email
        user: Json = {
            "id": self.id,
            "team_id": self.team_id,
            "name": self.name,
            "deleted": self.deleted,
            "profile": profile,
            "is_bot": self.is_bot,
            "is_app_user": False,
            "updated": self.updated,
        }
        if self.is_bot:
            profile["bot_id"] = self.bot_id
        if self.is_stranger:
            user["is_stranger"] = True
        if not self.deleted:
            user |= self._living()
        if self.enterprise_id:
            user["enterprise_user"] = {
                "id": self.everywhere or self.id,
                "enterprise_id": self.enterprise_id,
                "enterprise_name": "Enterprise",
                "is_admin": False,
                "is_owner": False,
                "teams": [self.team_id],
            }
        return user

    def _living(self) -> Json:
        return {
            "real_name": self.real_name,
            "tz": self.tz,
            "tz_label": "Central European Time",
            "tz_offset": 3600,
            "is_admin": self.is_admin or self.is_owner,
            "is_owner": self.is_owner,
            "is_primary_owner": False,
            "is_restricted": self.is_restricted,
            "is_ultra_restricted": self.is_ultra_restricted,
            "is_email_confirmed": True,
        }


@dataclass
class UserGroup:
    id: str
    handle: str
    name: str
    members: list[str]
    team_id: str
    deleted_at: int = 0
    updated: int = 0

    def as_json(self, *, with_users: bool) -> Json:
        group: Json = {
            "id": self.id,
            "team_id": self.team_id,
            "is_usergroup": True,
            "is_subteam": True,
            "name": self.name,
            "description": "",
            "handle": self.handle,
            "is_external": False,
            "date_create": self.updated,
            "date_update": self.updated,
            "date_delete": self.deleted_at,
            "auto_type": None,
            "auto_provision": False,
            "created_by": SLACKBOT,
            "updated_by": SLACKBOT,
            "deleted_by": None,
            "prefs": {"channels": [], "groups": []},
            "user_count": len(self.members),
        }
        if with_users:
            group["users"] = list(self.members)
        return group


@dataclass
class Channel:
    id: str
    name: str
    members: list[str]
    is_private: bool = False
    is_archived: bool = False
    is_ext_shared: bool = False
    im_user: str | None = None
    created: int = 0

    @property
    def is_im(self) -> bool:
        return self.im_user is not None

    @property
    def type(self) -> str:
        if self.is_im:
            return "im"
        return "group" if self.is_private else "channel"

    def as_json(self, bot_user: str) -> Json:
        if self.is_im:
            return {
                "id": self.id,
                "created": self.created,
                "is_archived": self.is_archived,
                "is_im": True,
                "is_org_shared": False,
                "user": self.im_user,
                "is_open": True,
            }
        return {
            "id": self.id,
            "name": self.name,
            "name_normalized": self.name,
            "is_channel": not self.is_private,
            "is_group": self.is_private,
            "is_im": False,
            "is_mpim": False,
            "is_private": self.is_private,
            "created": self.created,
            "is_archived": self.is_archived,
            "is_general": self.name == "general",
            "is_shared": self.is_ext_shared,
            "is_ext_shared": self.is_ext_shared,
            "is_org_shared": False,
            "is_pending_ext_shared": False,
            "is_member": bot_user in self.members,
            "topic": {"value": "", "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
            "num_members": len(self.members),
        }


@dataclass
class Message:
    """A message as the server holds it now; `snapshot` keeps it as it is on somebody's screen."""

    channel: str
    ts: str
    user: str
    text: str
    blocks: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    metadata: Json | None = None
    bot_id: str | None = None
    app_id: str | None = None
    team_id: str = ""
    thread_ts: str | None = None
    broadcast: bool = False
    replies: list["Message"] = field(default_factory=list)
    edited: Json | None = None
    ephemeral_to: str | None = None
    deleted: bool = False
    state: Json = field(default_factory=dict)

    @property
    def is_ephemeral(self) -> bool:
        return self.ephemeral_to is not None

    @property
    def is_reply(self) -> bool:
        return self.thread_ts not in (None, self.ts)

    @property
    def buttons(self) -> list[Json]:
        """The buttons in it, as Block Kit elements."""
        return [slot.element for slot in element_slots(self.blocks) if slot.element.get("type") == "button"]

    @property
    def labels(self) -> list[str]:
        return [button["text"]["text"] for button in self.buttons]

    @property
    def shown(self) -> str:
        """All text a person reads in it: the blocks' where there are any, else the top-level text."""
        if not self.blocks and not self.attachments:
            return self.text
        return "\n".join([*texts_in(self.blocks), *texts_in(self.attachments)])

    def snapshot(self) -> "Message":
        return copy.deepcopy(self)

    def as_json(self) -> Json:
        message: Json = {"type": "message", "user": self.user, "ts": self.ts, "text": self.text, "team": self.team_id}
        if self.bot_id:
            message |= {"bot_id": self.bot_id, "app_id": self.app_id}
        if self.blocks:
            message["blocks"] = copied(self.blocks)
        if self.attachments:
            message["attachments"] = copied(self.attachments)
        if self.thread_ts:
            message["thread_ts"] = self.thread_ts
        if self.broadcast:
            message["subtype"] = "thread_broadcast"
        if self.replies:
            writers = list(dict.fromkeys(reply.user for reply in self.replies))
            message |= {
                "reply_count": len(self.replies),
                "reply_users": writers,
                "reply_users_count": len(writers),
                "latest_reply": self.replies[-1].ts,
                "is_locked": False,
            }
        if self.edited:
            message["edited"] = self.edited
        if self.metadata:
            message["metadata"] = self.metadata
        return message

    def __getitem__(self, key: str) -> Any:
        return self.as_json()[key]


@dataclass
class View:
    id: str
    type: str
    user: str
    team_id: str
    app_team_id: str
    app_id: str
    bot_id: str
    content: Json
    hash: str
    state: dict[str, dict[str, Json]] = field(default_factory=dict)
    root_id: str = ""
    previous_id: str | None = None
    errors: dict[str, str] = field(default_factory=dict)
    banner: str | None = None
    loaded: dict[str, list[Json]] = field(default_factory=dict)

    @property
    def blocks(self) -> list[Json]:
        blocks: list[Json] = self.content["blocks"]
        return blocks

    @property
    def external_id(self) -> str:
        return str(self.content.get("external_id") or "")

    def as_json(self) -> Json:
        content = copied(self.content)
        return {
            "id": self.id,
            "team_id": self.team_id,
            "type": self.type,
            "blocks": content["blocks"],
            "private_metadata": content.get("private_metadata") or "",
            "callback_id": content.get("callback_id") or "",
            "state": {"values": copied(self.state)},
            "hash": self.hash,
            "title": content.get("title"),
            "clear_on_close": bool(content.get("clear_on_close")),
            "notify_on_close": bool(content.get("notify_on_close")),
            "close": content.get("close"),
            "submit": content.get("submit"),
            "previous_view_id": self.previous_id,
            "root_view_id": self.root_id,
            "app_id": self.app_id,
            "external_id": self.external_id,
            "app_installed_team_id": self.app_team_id,
            "bot_id": self.bot_id,
        }


@dataclass(frozen=True)
class Ring:
    """A message that made somebody's phone ring, with the text its lock screen shows."""

    user: str
    channel: str
    ts: str
    text: str
    why: str


def texts_in(node: Any) -> Iterator[str]:
    """Every visible text below a piece of Block Kit, in reading order."""
    if isinstance(node, list):
        for item in node:
            yield from texts_in(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("text", "alt_text", "title", "fallback", "pretext") and isinstance(value, str):
                yield value
            elif key not in ("confirm", "placeholder", "state"):
                yield from texts_in(value)


def _nobody_listens(event: Json) -> None:
    """The listener for events, until a server takes them."""


class Workspace:
    """State and its rules. Whatever an app may subscribe to goes to `on_event`."""

    def __init__(
        self,
        clock: Clock,
        changes: Changes,
        rng: random.Random,
        *,
        team_id: str,
        domain: str,
        enterprise_id: str | None,
    ) -> None:
        self.team_id = team_id
        self.domain = domain
        self.enterprise_id = enterprise_id
        self.app_id = "A0SANDBOX"
        self.bot_id = "B0SANDBOX"
        self.bot_user = "U0BOT"
        self.users: dict[str, User] = {}
        self.groups: dict[str, UserGroup] = {}
        self.channels: dict[str, Channel] = {}
        self.dms: dict[str, Channel] = {}
        self.posts: dict[str, list[Message]] = {}
        self.ephemerals: list[Message] = []
        self.stacks: dict[str, list[View]] = {}
        self.homes: dict[str, View] = {}
        self.rings: list[Ring] = []
        self.on_event: Callable[[Json], None] = _nobody_listens
        self._clock = clock
        self._changes = changes
        self._rng = rng
        self._last_ts: dict[str, tuple[int, int]] = {}
        self.add_user("keybot", kind="bot", id=self.bot_user, real_name="The App")
        self.users[self.bot_user].bot_id = self.bot_id
        self.users[SLACKBOT] = User(SLACKBOT, "slackbot", "Slackbot", "", team_id)
        self.add_channel("general", id="C0GENERAL", bot_is_member=False)

    # -- people, groups, channels -------------------------------------------------------------------------------

    def new_id(self, prefix: str, wish: str = "") -> str:
        """An id that can be read: U0ALICE for alice, unless it is taken."""
        plain = re.sub(r"[^A-Z0-9]", "", wish.upper())
        taken = self.users.keys() | self.groups.keys() | self.channels.keys()
        wanted = f"{prefix}0{plain}"
        while not plain or wanted in taken:
            plain = plain or "X"
            wanted = f"{prefix}0{plain}{''.join(self._rng.choices('ABCDEFGHJKLMNPQRSTUVWXYZ23456789', k=6))}"
        return wanted

    def add_user(
        self,
        name: str,
        *,
        kind: str = "member",
        id: str | None = None,  # noqa: A002 - Slack's own word
        real_name: str | None = None,
        email: str | None = None,
        team_id: str | None = None,
        enterprise_id: str | None = None,
    ) -> User:
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is no kind of user; there are {', '.join(KINDS)}")
        outside = kind in ("stranger", "external")
        user = User(
            id=id or self.new_id("U", name),
            name=name,
            real_name=real_name or name.capitalize(),
            email=email or f"{name}@{'elsewhere.example' if outside else 'example.com'}",
            team_id=team_id or (OTHER_TEAM if outside else self.team_id),
            kind=kind,
            enterprise_id=enterprise_id or (None if outside else self.enterprise_id),
            deleted=kind == "deactivated",
            is_stranger=kind == "stranger",
            is_bot=kind == "bot",
            bot_id=f"B0{name.upper()}" if kind == "bot" else None,
            updated=int(self._clock()),
        )
        user.stands_as(kind)
        self.users[user.id] = user
        general = self.channels.get("C0GENERAL")
        if general is not None and kind in ("member", "admin", "owner"):
            general.members.append(user.id)
        self._changes.notify()
        return user

    def add_group(
        self,
        handle: str,
        *,
        id: str | None = None,  # noqa: A002 - Slack's own word
        members: Iterable[str] = (),
        name: str | None = None,
    ) -> UserGroup:
        group = UserGroup(
            id=id or self.new_id("S", handle),
            handle=handle,
            name=name or handle.replace("-", " ").title(),
            members=[self.user(member).id for member in members],
            team_id=self.team_id,
            updated=int(self._clock()),
        )
        self.groups[group.id] = group
        self._changes.notify()
        return group

    def add_channel(
        self,
        name: str,
        *,
        id: str | None = None,  # noqa: A002 - Slack's own word
        members: Iterable[str] = (),
        bot_is_member: bool = True,
        is_ext_shared: bool = False,
        is_private: bool = False,
        is_archived: bool = False,
    ) -> Channel:
        channel = Channel(
            id=id or self.new_id("C", name),
            name=name,
            members=[self.user(member).id for member in members],
            is_private=is_private,
            is_archived=is_archived,
            is_ext_shared=is_ext_shared,
            created=int(self._clock()),
        )
        if bot_is_member:
            channel.members.append(self.bot_user)
        self.channels[channel.id] = channel
        self.posts.setdefault(channel.id, [])
        self._changes.notify()
        return channel

    def user(self, name_or_id: str) -> User:
        found = self.users.get(name_or_id) or next((u for u in self.users.values() if u.name == name_or_id), None)
        if found is None:
            raise KeyError(f"nobody here is called {name_or_id!r}")
        return found

    def group(self, handle_or_id: str) -> UserGroup:
        wanted = handle_or_id.removeprefix("@")
        found = self.groups.get(wanted) or next((g for g in self.groups.values() if g.handle == wanted), None)
        if found is None:
            raise KeyError(f"there is no user group {handle_or_id!r}")
        return found

    def channel(self, name_or_id: str) -> Channel:
        wanted = name_or_id.removeprefix("#")
        found = self.channels.get(wanted) or next(
            (c for c in self.channels.values() if c.name == wanted and not c.is_im), None
        )
        if found is None:
            raise KeyError(f"there is no channel {name_or_id!r}")
        return found

    def dm(self, user_id: str) -> Channel:
        """The app's direct messages with one person, opened when there are none yet."""
        user_id = self.users[user_id].id if user_id in self.users else user_id
        if (found := self.dms.get(user_id)) is not None:
            return found
        channel = self.dms[user_id] = Channel(
            self.new_id("D", user_id.removeprefix("U0")),
            "directmessage",
            [user_id, self.bot_user],
            im_user=user_id,
            created=int(self._clock()),
        )
        self.channels[channel.id] = channel
        self.posts[channel.id] = []
        return channel

    def rename_bot(self, name: str) -> None:
        """The app has another name, which people see beside each of its messages."""
        self.users[self.bot_user].real_name = name
        self._changes.notify()

    def join_organisation(self, enterprise_id: str) -> None:
        """The workspace becomes one of an organisation's, which has an id of its own for each member: W0ALICE for U0ALICE."""
        self.enterprise_id = enterprise_id
        for user in list(self.users.values()):
            if user.team_id == self.team_id and not user.is_bot and user.id.startswith("U0"):
                user.enterprise_id, user.everywhere = enterprise_id, f"W{user.id[1:]}"
                self.users[user.everywhere] = user
        self._changes.notify()

    def deactivate(self, name_or_id: str, *, leaves_groups: bool = True) -> None:
        """An administrator deactivates the account: it leaves channels and user groups, and user_change goes out."""
        user = self.user(name_or_id)
        user.deleted = True
        user.updated = int(self._clock())
        for channel in self.channels.values():
            if not channel.is_im and user.id in channel.members:
                channel.members.remove(user.id)
        self.clear_views(user.id)
        self.on_event({"type": "user_change", "user": user.as_json(with_email=True), "cache_ts": user.updated})
        for group in list(self.groups.values()):
            if leaves_groups and user.id in group.members:
                self.set_group_members(group.id, [m for m in group.members if m != user.id])
        self._changes.notify()

    def reactivate(self, name_or_id: str) -> None:
        """The account can sign in again; nobody puts it back into channels and user groups."""
        self.change_user(name_or_id, deleted=False)

    def change_kind(self, name_or_id: str, kind: str) -> None:
        """An administrator makes a guest of a member, or a member of a guest."""
        self.user(name_or_id).stands_as(kind)
        self.change_user(name_or_id, kind=kind)

    def change_user(self, name_or_id: str, **fields: Any) -> None:
        """Changes attributes of a user and tells the app by user_change."""
        user = self.user(name_or_id)
        for key, value in fields.items():
            if not hasattr(user, key):
                raise AttributeError(f"a user has no {key!r}")
            setattr(user, key, value)
        user.updated = int(self._clock())
        self.on_event({"type": "user_change", "user": user.as_json(with_email=True), "cache_ts": user.updated})
        self._changes.notify()

    def set_group_members(self, handle_or_id: str, members: Iterable[str]) -> None:
        group = self.group(handle_or_id)
        before, after = list(group.members), [self.user(member).id for member in members]
        now = int(self._clock())
        previous, group.members, group.updated = group.updated, after, now
        added, removed = [m for m in after if m not in before], [m for m in before if m not in after]
        self.on_event(
            {
                "type": "subteam_members_changed",
                "subteam_id": group.id,
                "team_id": self.team_id,
                "date_previous_update": previous,
                "date_update": now,
                "added_users": added,
                "added_users_count": len(added),
                "removed_users": removed,
                "removed_users_count": len(removed),
            }
        )
        self.on_event({"type": "subteam_updated", "subteam": group.as_json(with_users=True)})
        self._changes.notify()

    def disable_group(self, handle_or_id: str) -> None:
        group = self.group(handle_or_id)
        group.deleted_at = group.updated = int(self._clock())
        self.on_event({"type": "subteam_updated", "subteam": group.as_json(with_users=True)})
        self._changes.notify()

    def share(self, channel: str, *, shared: bool = True) -> None:
        """Another company reads along from now on, or no longer does."""
        where = self.channel(channel)
        where.is_ext_shared = shared
        kind = "channel_shared" if shared else "channel_unshared"
        told = {
            "type": kind,
            "channel": where.id,
            "connected_team_id": "T0ELSEWHERE",
            "event_ts": f"{self._clock():.6f}",
        }
        previously = {} if shared else {"previously_connected_team_id": "T0ELSEWHERE", "is_ext_shared": False}
        self.on_event(told | previously)
        self._changes.notify()

    def join(self, name_or_id: str, channel: str) -> None:
        user, where = self.user(name_or_id), self.channel(channel)
        if user.id in where.members:
            return
        where.members.append(user.id)
        self._membership("member_joined_channel", user, where)

    def leave(self, name_or_id: str, channel: str) -> None:
        user, where = self.user(name_or_id), self.channel(channel)
        if user.id not in where.members:
            return
        where.members.remove(user.id)
        self._membership("member_left_channel", user, where)

    def _membership(self, kind: str, user: User, channel: Channel) -> None:
        self.on_event(
            {
                "type": kind,
                "user": user.id,
                "channel": channel.id,
                "channel_type": "G" if channel.is_private else "C",
                "team": self.team_id,
            }
        )
        self._changes.notify()

    # -- messages -----------------------------------------------------------------------------------------------

    def next_ts(self, channel: str) -> str:
        """Unique and rising in its channel."""
        seconds, count = int(self._clock()), 100
        last = self._last_ts.get(channel)
        if last is not None and last[0] >= seconds:
            seconds, count = last[0], last[1] + 100
        self._last_ts[channel] = (seconds, count)
        return f"{seconds}.{count:06d}"

    def post(self, message: Message) -> Message:
        """Adds a message that already has its ts, rings phones, and tells the app what people wrote."""
        parent = self.message(message.channel, message.thread_ts) if message.thread_ts else None
        if parent is not None:
            parent.thread_ts = parent.ts
            parent.replies.append(message)
        self.posts[message.channel].append(message)
        self.rings += self._who_is_rung(message, parent)
        self.changed(message)
        return message

    def changed(self, message: Message) -> None:
        """A message is new, another or gone."""
        reader = message.ephemeral_to or self.channels[message.channel].im_user
        self._changes.notify(*([reader] if reader else ()))

    def _who_is_rung(self, message: Message, parent: Message | None) -> Iterator[Ring]:
        in_thread = {one.user for one in (parent, *parent.replies)} if parent is not None else set()
        channel = self.channels[message.channel]
        said = "\n".join([message.text, *texts_in(message.blocks)])
        for user_id in channel.members:
            if user_id in (message.user, self.bot_user) or self.users[user_id].deleted:
                continue
            why = "direct message" if channel.is_im else self._mention(said, user_id)
            why = why or ("thread reply" if user_id in in_thread else None)
            if why:
                yield Ring(user_id, channel.id, message.ts, message.text, why)

    def _mention(self, said: str, user_id: str) -> str | None:
        if f"<@{user_id}" in said:
            return "mention"
        if any(f"<!{word}" in said for word in ("here", "channel", "everyone")):
            return "broadcast"
        if any(f"<!subteam^{g.id}" in said for g in self.groups.values() if user_id in g.members):
            return "group mention"
        return None

    def message(self, channel: str, ts: str) -> Message | None:
        newest_first = reversed(self.posts.get(channel, ()))
        return next((m for m in newest_first if m.ts == ts and not m.deleted), None)

    def remove(self, message: Message) -> None:
        message.deleted = True
        posts = self.posts.get(message.channel, [])
        posts[:] = [one for one in posts if one is not message]
        parent = self.message(message.channel, message.thread_ts) if message.is_reply and message.thread_ts else None
        if parent is not None:
            parent.replies.remove(message)
        self.ephemerals = [one for one in self.ephemerals if one is not message]
        self.changed(message)

    def show_ephemeral(self, message: Message) -> Message:
        self.ephemerals.append(message)
        self.changed(message)
        return message

    def visible_to(self, user_id: str, channel: str | None = None) -> list[Message]:
        """The messages that this person sees, oldest first."""
        seen = [
            message
            for where in self.channels.values()
            if user_id in where.members and channel in (None, where.id)
            for message in self.posts[where.id]
        ]
        seen += [m for m in self.ephemerals if m.ephemeral_to == user_id and channel in (None, m.channel)]
        return sorted(seen, key=lambda m: tuple(map(int, m.ts.split("."))))

    # -- views --------------------------------------------------------------------------------------------------

    def new_view(self, content: Json, user_id: str, *, over: View | None = None) -> View:
        """A view that is not shown yet. Slack names the blocks and elements that came without a name."""
        content = copied(content)
        self.name_blocks(content["blocks"])
        view_id = f"V0{self._rng.getrandbits(44):011X}"
        view = View(
            id=view_id,
            type=content["type"],
            user=user_id,
            team_id=self.users[user_id].team_id,
            app_team_id=self.team_id,
            app_id=self.app_id,
            bot_id=self.bot_id,
            content=content,
            hash=self._new_hash(),
            root_id=over.root_id if over else view_id,
            previous_id=over.id if over else None,
        )
        view.state = initial_state(content["blocks"])
        return view

    def name_blocks(self, blocks: list[Json]) -> None:
        taken = {block.get("block_id") for block in blocks}
        for block in blocks:
            if not block.get("block_id"):
                while (name := "".join(self._rng.choices("abcdefghijkmnpqrstuvwxyzABCDEFGHJK23456789+", k=5))) in taken:
                    pass
                block["block_id"] = name
                taken.add(name)
        for slot in element_slots(blocks):
            if slot.is_interactive and not slot.element.get("action_id"):
                slot.element["action_id"] = "".join(
                    self._rng.choices("abcdefghijkmnpqrstuvwxyzABCDEFGHJK23456789+", k=5)
                )

    def replace_view(self, view: View, content: Json) -> None:
        """Show other content in a view. A typed value stays where block_id, action_id and type stay."""
        content = copied(content)
        self.name_blocks(content["blocks"])
        before = view.state
        view.content = content
        view.state = initial_state(content["blocks"])
        for block_id, actions in view.state.items():
            for action_id, fresh in actions.items():
                kept = before.get(block_id, {}).get(action_id)
                if kept is not None and kept["type"] == fresh["type"]:
                    actions[action_id] = kept
        view.hash = self._new_hash()
        view.errors, view.banner = {}, None
        self._changes.notify(view.user)

    def _new_hash(self) -> str:
        return f"{int(self._clock())}.{self._rng.getrandbits(40):010x}"

    def show_view(self, view: View) -> None:
        self.stacks.setdefault(view.user, []).append(view)
        self._changes.notify(view.user)

    def close_view(self, view: View) -> None:
        stack = self.stacks.get(view.user, [])
        if view in stack:
            stack.remove(view)
        self._changes.notify(view.user)

    def clear_views(self, user_id: str) -> None:
        self.stacks[user_id] = []
        self._changes.notify(user_id)

    def find_view(self, *, view_id: str | None = None, external_id: str | None = None) -> View | None:
        every = [*self.homes.values(), *(view for stack in self.stacks.values() for view in stack)]
        for view in every:
            if (view_id and view.id == view_id) or (not view_id and external_id and view.external_id == external_id):
                return view
        return None
