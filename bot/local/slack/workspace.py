"""The workspace as Slack's servers hold it: what changes in it, and what its people see. No sockets here."""

import random
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from bot.local.slack.block_kit import element_slots, initial_state
from bot.local.slack.journal import Changes, Clock, Json, copied
from bot.local.slack.objects import KINDS, OTHER_TEAM, SLACKBOT, Channel, Message, Ring, User, UserGroup, View, texts_in


class NotPossible(Exception):
    """An act that Slack's own windows do not let a person do, so nothing is sent to the app."""


def _nobody_listens(event: Json) -> None:
    """The listener for events, until a server takes them."""


class Workspace:
    """State and its rules. Whatever an app may subscribe to goes to `on_event`."""

    def __init__(
        self,
        clock: Clock,
        changes: Changes,
        rng: random.Random,
    ) -> None:
        self.team_id = "T0SANDBOX"
        self.domain = "sandbox"
        self.enterprise_id: str | None = None
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
        self.users[SLACKBOT] = User(SLACKBOT, "slackbot", "Slackbot", "", self.team_id)
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
    ) -> User:
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is no kind of user; there are {', '.join(KINDS)}")
        outside = kind in ("stranger", "external")
        user = User(
            id=id or self.new_id("U", name),
            name=name,
            real_name=real_name or name.capitalize(),
            email=email or f"{name}@{'elsewhere.example' if outside else 'example.com'}",
            team_id=OTHER_TEAM if outside else self.team_id,
            kind=kind,
            enterprise_id=None if outside else self.enterprise_id,
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
    ) -> UserGroup:
        group = UserGroup(
            id=id or self.new_id("S", handle),
            handle=handle,
            name=handle.replace("-", " ").title(),
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
