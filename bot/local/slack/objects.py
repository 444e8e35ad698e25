"""The objects of a workspace, as Slack's servers hold and tell them: people, user groups, channels, messages, views."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bot.local.slack.block_kit import element_slots
from bot.local.slack.journal import Json, copied

KINDS = ("member", "admin", "owner", "guest", "single_channel_guest", "deactivated", "stranger", "external", "bot")
SLACKBOT = "USLACKBOT"
OTHER_TEAM = "T0ELSEWHERE"


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
