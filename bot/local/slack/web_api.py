"""The Web API at /api/<method>: who may call, whether the call is well formed, and what it does."""

import asyncio
import base64
import binascii
import json
import time
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

from aiohttp import web

from bot.local.slack.block_kit import check_view, view_is_too_large
from bot.local.slack.faults import Fault
from bot.local.slack.journal import Json
from bot.local.slack.objects import Channel, Message, User, View
from bot.local.slack.parts import Parts
from bot.local.slack.posting import LONGEST_EDIT, ApiError, decoded

_READ_SCOPE = {"channel": "channels:read", "group": "groups:read", "im": "im:read"}
_HISTORY_SCOPE = {"channel": "channels:history", "group": "groups:history", "im": "im:history"}
_APP_FAULTS = {
    "unknown_method",
    "invalid_arguments",
    "missing_scope",
    "invalid_blocks",
    "invalid_blocks_format",
    "no_text",
    "view_too_large",
    "not_allowed_token_type",
    "not_authed",
    "invalid_json",
    "msg_too_long",
    "metadata_too_large",
}
_MOST_VIEWS = 3
_FURTHEST = 120 * 86400


@cache
def methods() -> Json:
    """Arguments, tier and scopes of each method, and the scopes of each event."""
    loaded: Json = json.loads(files(__package__).joinpath("methods.json").read_text("utf-8"))
    return loaded


def is_true(value: Any) -> bool:
    return value is True or str(value).lower() in ("1", "true")


class WebApi:
    def __init__(self, parts: Parts, new_link: Callable[[], str]) -> None:
        self._parts = parts
        self._place = parts.workspace
        self._new_link = new_link
        self.scheduled: dict[str, tuple[int, Message]] = {}
        self.valid_bot_tokens = {parts.bot_token}
        self._handlers: dict[str, Callable[[Json], Json]] = {
            "api.test": lambda args: {"args": args},
            "apps.connections.open": self._connections_open,
            "auth.test": self._auth_test,
            "blocks.validate": self._blocks_validate,
            "bots.info": self._bots_info,
            "chat.delete": self._chat_delete,
            "chat.deleteScheduledMessage": self._chat_delete_scheduled,
            "chat.getPermalink": self._chat_permalink,
            "chat.postEphemeral": self._chat_ephemeral,
            "chat.postMessage": self._chat_post,
            "chat.scheduleMessage": self._chat_schedule,
            "chat.scheduledMessages.list": self._chat_scheduled,
            "chat.update": self._chat_update,
            "conversations.history": self._history,
            "conversations.info": self._conversation,
            "conversations.join": self._join,
            "conversations.list": self._conversations,
            "conversations.members": self._members,
            "conversations.open": self._open,
            "reactions.add": self._react,
            "team.info": self._team_info,
            "usergroups.list": self._groups,
            "usergroups.users.list": self._group_users,
            "users.info": self._user,
            "users.list": self._users,
            "users.lookupByEmail": self._by_email,
            "views.open": self._views_open,
            "views.publish": self._views_publish,
            "views.push": self._views_push,
            "views.update": self._views_update,
        }

    # -- the way of every call ----------------------------------------------------------------------------------

    async def handle(self, request: web.Request) -> web.StreamResponse:
        started = time.perf_counter()
        method = request.match_info["method"]
        try:
            args = await self._arguments(request)
        except ApiError as refusal:
            return self._answer(request, method, {}, refusal.as_json(), started)
        token = self._token(request, args)
        fault = self._parts.faults.take(method, args)
        if fault is not None and fault.latency:
            await asyncio.sleep(fault.latency)
        if fault is not None and fault.lose_request:
            return self._lose(request, method, args, {"lost": "request"})
        if fault is not None and fault.refuses:
            return self._suffer(request, method, args, fault, started)
        try:
            self._admit(request, method, args, token)
            wait = self._wait(method, args)
            if wait is not None:
                return self._limited(method, args, wait)
            result = {"ok": True, **self._handlers[method](args)}
        except ApiError as refusal:
            result = refusal.as_json()
            if refusal.error in _APP_FAULTS:
                self._parts.journal.blame(
                    refusal.error, f"{method}: {'; '.join(refusal.messages) or refusal.error}", args=args
                )
        if fault is not None and fault.lose_answer:
            return self._lose(request, method, args, {"lost": "answer", "answer": result})
        return self._answer(request, method, args, result, started)

    @staticmethod
    async def _arguments(request: web.Request) -> Json:
        args: Json = dict(request.query)
        if request.content_type == "application/json":
            raw = await request.text()
            try:
                body = json.loads(raw) if raw else {}
            except ValueError:
                raise ApiError("invalid_json") from None
            if not isinstance(body, dict):
                raise ApiError("json_not_object")
            args |= body
        elif request.can_read_body:
            args |= {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
        return {key: value for key, value in args.items() if value is not None}

    @staticmethod
    def _token(request: web.Request, args: Json) -> str:
        in_body = args.pop("token", "")
        header = request.headers.get("Authorization", "")
        return header.removeprefix("Bearer ").strip() if header.startswith("Bearer ") else str(in_body)

    def _admit(self, request: web.Request, method: str, args: Json, token: str) -> None:
        spec = methods()["methods"].get(method)
        if spec is None or method not in self._handlers:
            raise ApiError("unknown_method", req_method=method)
        if not token:
            raise ApiError("not_authed")
        wants_app = spec.get("token") == "app"
        if token.startswith("xapp-") != wants_app and token in {*self.valid_bot_tokens, self._parts.app_token}:
            raise ApiError("not_allowed_token_type")
        if token not in ({self._parts.app_token} if wants_app else self.valid_bot_tokens):
            raise ApiError("invalid_auth")
        if wants_app:
            if request.method != "POST":
                raise ApiError("insecure_request")
        else:
            self._need(*spec["scopes"])
        self._well_formed(spec, args)

    def _need(self, *scopes: str) -> None:
        """Any one of them."""
        if scopes and not self._parts.scopes.intersection(scopes):
            raise ApiError("missing_scope", needed=",".join(scopes), provided=",".join(sorted(self._parts.scopes)))

    @staticmethod
    def _well_formed(spec: Json, args: Json) -> None:
        complaints = [f"missing required field: {name}" for name in spec["required"] if args.get(name) in (None, "")]
        complaints += [
            f"unknown argument: {name} [json-pointer:/{name}]"
            for name in args
            if name not in spec["args"] and name != "team_id"
        ]
        if complaints:
            raise ApiError("invalid_arguments", *complaints)

    def _wait(self, method: str, args: Json) -> int | None:
        data = methods()
        channel = args.get("channel") if method == "chat.postMessage" else None
        if isinstance(channel, str) and channel in self._place.users:
            channel = self._place.dms[channel].id if channel in self._place.dms else None
        per_minute = data["per_minute"][data["methods"][method]["tier"]]
        return self._parts.limits.retry_after(method, per_minute, channel, self._parts.clock)

    def _limited(self, method: str, args: Json, seconds: int) -> web.Response:
        answer = {"ok": False, "error": "ratelimited"}
        self._parts.journal.write("call", method, args=args, status=429, answer=answer, retry_after=seconds)
        return web.json_response(answer, status=429, headers={"Retry-After": str(seconds)})

    def _suffer(
        self, request: web.Request, method: str, args: Json, fault: Fault, started: float
    ) -> web.StreamResponse:
        status = fault.status or 200
        if status == 429:
            return self._limited(method, args, fault.retry_after or 1)
        if fault.page is not None:
            self._parts.journal.write("call", method, args=args, status=status, answer={"ok": False}, planned=True)
            return web.Response(text=fault.page, status=status, content_type="text/html")
        answer = {"ok": False, "error": fault.error or "internal_error"}
        return self._answer(request, method, args, answer, started, status=status, planned=True)

    def _answer(
        self,
        request: web.Request,
        method: str,
        args: Json,
        answer: Json,
        started: float,
        *,
        status: int = 200,
        planned: bool = False,
    ) -> web.Response:
        ms = (time.perf_counter() - started) * 1000
        extra = {"planned": True} if planned else {}
        self._parts.journal.write(
            "call", method, args=args, status=status, answer=answer, ms=ms, http=request.method, **extra
        )
        headers = {"x-oauth-scopes": ",".join(sorted(self._parts.scopes))}
        return web.json_response(answer, status=status, headers=headers)

    def _lose(self, request: web.Request, method: str, args: Json, what: Json) -> web.Response:
        self._parts.journal.write("call", method, args=args, status=0, **what)
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)

    def _connections_open(self, args: Json) -> Json:
        return {"url": self._new_link()}

    # -- who and what -------------------------------------------------------------------------------------------

    def _auth_test(self, args: Json) -> Json:
        place = self._place
        answer = {
            "url": f"https://{place.domain}.slack.com/",
            "team": place.domain.capitalize(),
            "user": place.users[place.bot_user].name,
            "team_id": place.team_id,
            "user_id": place.bot_user,
            "bot_id": place.bot_id,
            "is_enterprise_install": False,
        }
        return answer | ({"enterprise_id": place.enterprise_id} if place.enterprise_id else {})

    def _team_info(self, args: Json) -> Json:
        place = self._place
        team: Json = {
            "id": place.team_id,
            "name": place.domain.capitalize(),
            "domain": place.domain,
            "email_domain": "",
        }
        if place.enterprise_id:
            team |= {"enterprise_id": place.enterprise_id, "enterprise_name": "Enterprise"}
        return {"team": team}

    def _bots_info(self, args: Json) -> Json:
        wanted = args.get("bot", self._place.bot_id)
        bot = next((u for u in self._place.users.values() if u.bot_id == wanted), None)
        if bot is None:
            raise ApiError("bot_not_found")
        described = {"id": bot.bot_id, "deleted": bot.deleted, "name": bot.real_name, "user_id": bot.id}
        return {"bot": described | {"app_id": self._place.app_id, "updated": bot.updated}}

    def _blocks_validate(self, args: Json) -> Json:
        if "view" in args:
            return self._validated(
                check_view(decoded(args, "view", "invalid_arguments"), ("modal", "home")), "invalid_view"
            )
        content = {"blocks": args["blocks"]} if "blocks" in args else decoded(args, "message", "invalid_arguments")
        if not isinstance(content, dict):
            raise ApiError("invalid_arguments", "exactly one of blocks, view and message is required")
        self._parts.posting.content({"text": "-", **content}, "blocks.validate")
        return {}

    @staticmethod
    def _validated(complaints: list[str], error: str) -> Json:
        if complaints:
            raise ApiError(error, *complaints)
        return {}

    def _user(self, args: Json) -> Json:
        return {"user": self._user_json(self._known(args["user"]))}

    def _user_json(self, user: User) -> Json:
        return user.as_json(with_email="users:read.email" in self._parts.scopes and not user.is_stranger)

    def _known(self, user_id: Any, error: str = "user_not_found") -> User:
        user = self._place.users.get(user_id) if isinstance(user_id, str) else None
        if user is None:
            raise ApiError(error)
        return user

    def _users(self, args: Json) -> Json:
        own = [u for u in self._place.users.values() if u.kind not in ("external", "stranger")]
        page, metadata = _page(own, args, default=1000)
        return {"members": [self._user_json(u) for u in page], "cache_ts": int(self._parts.clock()), **metadata}

    def _by_email(self, args: Json) -> Json:
        for user in self._place.users.values():
            if (
                user.email.lower() == str(args["email"]).lower()
                and not user.deleted
                and user.team_id == self._place.team_id
            ):
                return {"user": self._user_json(user)}
        raise ApiError("users_not_found")

    def _groups(self, args: Json) -> Json:
        groups = [g for g in self._place.groups.values() if not g.deleted_at or is_true(args.get("include_disabled"))]
        return {"usergroups": [g.as_json(with_users=is_true(args.get("include_users"))) for g in groups]}

    def _group_users(self, args: Json) -> Json:
        group = self._place.groups.get(str(args["usergroup"]))
        if group is None or (group.deleted_at and not is_true(args.get("include_disabled"))):
            raise ApiError("no_such_subteam")
        return {"users": list(group.members)}

    # -- conversations ------------------------------------------------------------------------------------------

    def _channel(self, args: Json, *, users_too: bool = False) -> Channel:
        """The channel of this id; a U id only where Slack opens the direct messages for it."""
        wanted = str(args.get("channel", ""))
        if users_too and wanted in self._place.users:
            user = self._place.users[wanted]
            if user.deleted:
                raise ApiError("user_disabled")
            if user.is_stranger or user.is_bot:
                raise ApiError("channel_not_found")
            return self._place.dm(wanted)
        channel = self._place.channels.get(wanted)
        if channel is None or (channel.is_private and self._place.bot_user not in channel.members):
            raise ApiError("channel_not_found")
        return channel

    def _channel_to_write(self, args: Json, *, users_too: bool = False) -> Channel:
        channel = self._channel(args, users_too=users_too)
        if channel.is_archived:
            raise ApiError("is_archived")
        if self._place.bot_user not in channel.members and "chat:write.public" not in self._parts.scopes:
            raise ApiError("not_in_channel")
        return channel

    def _channel_to_read(self, args: Json, scopes: dict[str, str]) -> Channel:
        channel = self._channel(args)
        self._need(scopes[channel.type])
        return channel

    def _conversation(self, args: Json) -> Json:
        channel = self._channel_to_read(args, _READ_SCOPE).as_json(self._place.bot_user)
        if not is_true(args.get("include_num_members")):
            channel.pop("num_members", None)
        return {"channel": channel}

    def _conversations(self, args: Json) -> Json:
        kinds = {"public_channel": "channel", "private_channel": "group", "im": "im", "mpim": "mpim"}
        asked = [kinds.get(kind.strip(), "") for kind in str(args.get("types") or "public_channel").split(",")]
        if "" in asked:
            raise ApiError("invalid_types")
        for kind in asked:
            self._need(_READ_SCOPE.get(kind, "mpim:read"))
        hidden = is_true(args.get("exclude_archived"))
        bot = self._place.bot_user
        found = [
            channel
            for channel in self._place.channels.values()
            if channel.type in asked
            and not (hidden and channel.is_archived)
            and (channel.type == "channel" or bot in channel.members)
        ]
        page, metadata = _page(found, args, default=100)
        return {"channels": [channel.as_json(bot) for channel in page], **metadata}

    def _members(self, args: Json) -> Json:
        channel = self._channel_to_read(args, _READ_SCOPE)
        page, metadata = _page(channel.members, args, default=100)
        return {"members": page, **metadata}

    def _history(self, args: Json) -> Json:
        channel = self._channel_to_read(args, _HISTORY_SCOPE)
        if self._place.bot_user not in channel.members:
            raise ApiError("not_in_channel")
        newest_first = [
            message
            for message in reversed(self._place.posts[channel.id])
            if _within(message.ts, args) and (message.broadcast or not message.is_reply)
        ]
        page, metadata = _page(newest_first, args, default=100)
        return {
            "messages": [m.as_json() for m in page],
            "has_more": bool(metadata["response_metadata"]["next_cursor"]),
            **metadata,
        }

    def _join(self, args: Json) -> Json:
        channel = self._channel(args)
        if channel.type != "channel":
            raise ApiError("method_not_supported_for_channel_type")
        if channel.is_archived:
            raise ApiError("is_archived")
        self._place.join(self._place.bot_user, channel.id)
        return {"channel": channel.as_json(self._place.bot_user)}

    def _open(self, args: Json) -> Json:
        if args.get("channel"):
            channel = self._channel(args)
            return {"channel": {"id": channel.id}, "no_op": True, "already_open": True}
        users = [u for u in str(args.get("users") or "").split(",") if u]
        if not users:
            raise ApiError("users_list_not_supplied")
        if len(users) > 1:
            raise ApiError("invalid_user_combination")
        user = self._known(users[0])
        if user.deleted:
            raise ApiError("user_disabled")
        if user.is_stranger:
            raise ApiError("user_not_visible")
        if user.is_bot:
            raise ApiError("cannot_dm_bot")
        self._need("im:write")
        channel = self._place.dm(user.id)
        whole = is_true(args.get("return_im"))
        return {"channel": channel.as_json(self._place.bot_user) if whole else {"id": channel.id}}

    # -- messages -----------------------------------------------------------------------------------------------

    def _chat_post(self, args: Json) -> Json:
        channel = self._channel_to_write(args, users_too=True)
        content = self._parts.posting.content(args, "chat.postMessage")
        message = self._parts.posting.compose(content, channel.id, thread_ts=self._thread(args, channel))
        message.broadcast = bool(message.thread_ts) and is_true(args.get("reply_broadcast"))
        self._place.post(message)
        return {"channel": channel.id, "ts": message.ts, "message": message.as_json()}

    def _thread(self, args: Json, channel: Channel) -> str | None:
        """The ts of the thread's first message, also where that of a reply was sent."""
        wanted = args.get("thread_ts")
        found = self._place.message(channel.id, str(wanted)) if wanted else None
        return found.thread_ts or found.ts if found is not None else wanted

    def _chat_ephemeral(self, args: Json) -> Json:
        channel = self._channel_to_write(args)
        user = self._place.users.get(str(args["user"]))
        if user is None or user.id not in channel.members:
            raise ApiError("user_not_in_channel")
        content = self._parts.posting.content(args, "chat.postEphemeral", longest=LONGEST_EDIT)
        thread_ts = self._thread(args, channel)
        message = self._parts.posting.compose(content, channel.id, ephemeral_to=user.id, thread_ts=thread_ts)
        self._place.show_ephemeral(message)
        return {"message_ts": message.ts}

    def _own(self, args: Json, error: str) -> Message:
        channel = self._channel(args)
        message = self._place.message(channel.id, str(args["ts"]))
        if message is None:
            raise ApiError("message_not_found")
        if message.bot_id != self._place.bot_id:
            raise ApiError(error)
        return message

    def _chat_update(self, args: Json) -> Json:
        if self._channel(args).is_archived:
            raise ApiError("is_inactive")
        message = self._own(args, "cant_update_message")
        content = self._parts.posting.content(args, "chat.update", longest=LONGEST_EDIT)
        self._parts.posting.edit(message, content)
        message.edited = {"user": self._place.bot_user, "ts": f"{int(self._parts.clock())}.000000"}
        self._place.changed(message)
        return {"channel": message.channel, "ts": message.ts, "text": message.text, "message": message.as_json()}

    def _chat_delete(self, args: Json) -> Json:
        message = self._own(args, "cant_delete_message")
        self._place.remove(message)
        return {"channel": message.channel, "ts": message.ts}

    def _chat_permalink(self, args: Json) -> Json:
        channel = self._channel(args)
        ts = str(args["message_ts"])
        message = self._place.message(channel.id, ts)
        if message is None:
            raise ApiError("message_not_found")
        link = f"https://{self._place.domain}.slack.com/archives/{channel.id}/p{ts.replace('.', '')}"
        if message.is_reply:
            link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
        return {"channel": channel.id, "permalink": link}

    def _chat_schedule(self, args: Json) -> Json:
        channel = self._channel_to_write(args, users_too=True)
        content = self._parts.posting.content(args, "chat.scheduleMessage")
        at, now = _integer(args["post_at"], "invalid_time"), self._parts.clock()
        if at <= now:
            raise ApiError("time_in_past")
        if at > now + _FURTHEST:
            raise ApiError("time_too_far")
        message = self._parts.posting.compose(content, channel.id)
        name = f"Q{len(self.scheduled) + 1:08d}"
        self.scheduled[name] = (at, message)
        return {"channel": channel.id, "scheduled_message_id": name, "post_at": at, "message": message.as_json()}

    def release_scheduled(self) -> None:
        """Posts what is due by the clock."""
        for name, (at, message) in list(self.scheduled.items()):
            if at <= self._parts.clock():
                del self.scheduled[name]
                message.ts = self._place.next_ts(message.channel)
                self._place.post(message)

    def _chat_delete_scheduled(self, args: Json) -> Json:
        name = str(args["scheduled_message_id"])
        if name not in self.scheduled or self.scheduled[name][1].channel != args["channel"]:
            raise ApiError("invalid_scheduled_message_id")
        del self.scheduled[name]
        return {}

    def _chat_scheduled(self, args: Json) -> Json:
        return {
            "scheduled_messages": [
                {"id": name, "channel_id": m.channel, "post_at": at, "text": m.text}
                for name, (at, m) in self.scheduled.items()
                if args.get("channel") in (None, m.channel)
            ]
        }

    def _react(self, args: Json) -> Json:
        channel = self._channel(args)
        if self._place.message(channel.id, str(args["timestamp"])) is None:
            raise ApiError("message_not_found")
        return {}

    # -- views --------------------------------------------------------------------------------------------------

    def _checked_view(self, args: Json, surface: str) -> Json:
        content = decoded(args, "view", "invalid_arguments")
        complaints = check_view(content, (surface,))
        if complaints:
            raise ApiError("invalid_arguments", *complaints)
        if view_is_too_large(content):
            raise ApiError("view_too_large")
        checked: Json = content
        return checked

    def _unique_external(self, content: Json, besides: View | None = None) -> None:
        external_id = content.get("external_id")
        other = self._place.find_view(external_id=external_id) if external_id else None
        if other is not None and other is not besides:
            raise ApiError("duplicate_external_id")

    def _trigger_id(self, args: Json) -> str:
        trigger_id = args.get("trigger_id") or args.get("interactivity_pointer")
        if not trigger_id:
            raise ApiError("invalid_arguments", "missing required field: trigger_id")
        return str(trigger_id)

    def _views_open(self, args: Json) -> Json:
        trigger_id = self._trigger_id(args)
        content = self._checked_view(args, "modal")
        self._unique_external(content)
        trigger = self._parts.triggers.redeem(trigger_id)
        self._place.clear_views(trigger.user)
        view = self._place.new_view(content, trigger.user)
        self._place.show_view(view)
        return {"view": view.as_json()}

    def _views_push(self, args: Json) -> Json:
        trigger_id = self._trigger_id(args)
        content = self._checked_view(args, "modal")
        self._unique_external(content)
        trigger = self._parts.triggers.redeem(trigger_id)
        stack = self._place.stacks.get(trigger.user, [])
        if not stack or trigger.view_id is None:
            raise ApiError("not_found")
        if len(stack) >= _MOST_VIEWS:
            raise ApiError("push_limit_reached")
        view = self._place.new_view(content, trigger.user, over=stack[-1])
        self._place.show_view(view)
        return {"view": view.as_json()}

    def _views_update(self, args: Json) -> Json:
        if not args.get("view_id") and not args.get("external_id"):
            raise ApiError("invalid_arguments", "missing required field: view_id")
        view = self._place.find_view(view_id=args.get("view_id"), external_id=args.get("external_id"))
        content = self._checked_view(args, view.type if view else "modal")
        if view is None:
            raise ApiError("not_found")
        if args.get("hash") and args["hash"] != view.hash:
            raise ApiError("hash_conflict")
        self._unique_external(content, view)
        self._place.replace_view(view, content)
        return {"view": view.as_json()}

    def _views_publish(self, args: Json) -> Json:
        if not self._parts.home_tab:
            raise ApiError("not_enabled")
        content = self._checked_view(args, "home")
        user = self._known(args["user_id"], "invalid_arguments")
        before = self._place.homes.get(user.id)
        if args.get("hash") and (before is None or args["hash"] != before.hash):
            raise ApiError("hash_conflict")
        self._unique_external(content, before)
        if before is None:
            before = self._place.homes[user.id] = self._place.new_view(content, user.id)
        else:
            self._place.replace_view(before, content)
        self._parts.changes.notify()
        return {"view": before.as_json()}


def _integer(value: Any, error: str) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ApiError(error) from None


def _within(ts: str, args: Json) -> bool:
    inclusive = is_true(args.get("inclusive"))
    for key, sign in (("oldest", 1), ("latest", -1)):
        bound = args.get(key)
        if bound in (None, "", "0", 0):
            continue
        distance = (float(ts) - float(str(bound))) * sign
        if distance < 0 or (distance == 0 and not inclusive):
            return False
    return True


def _page(items: list[Any], args: Json, *, default: int) -> tuple[list[Any], Json]:
    limit = _integer(args.get("limit") or default, "invalid_limit")
    if not 1 <= limit <= 1000:
        raise ApiError("invalid_limit")
    start = 0
    if args.get("cursor"):
        try:
            start = int(base64.b64decode(str(args["cursor"]), validate=True).decode().removeprefix("next:"))
        except (binascii.Error, ValueError):
            raise ApiError("invalid_cursor") from None
    further = start + limit < len(items)
    cursor = base64.b64encode(f"next:{start + limit}".encode()).decode() if further else ""
    return items[start : start + limit], {"response_metadata": {"next_cursor": cursor}}
