"""People, user groups and channels as Slack knows them, remembered for a minute, asked for once at a time.

Where Slack cannot say, nobody is anything: `CannotSay`. Nothing stale is ever answered, and no failure is remembered.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from bot.core.faults import Fault
from bot.core.limits import line
from bot.core.members import SLACKBOT, no_longer
from bot.core.model import Approver, Audience, Identity, Person, Review, Verdict, Workspace
from bot.slack.cache import ASKINGS, Cache
from bot.slack.client import TIMEOUT, call
from bot.slack.errors import CannotSay
from bot.slack.leftover import Leftover

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence

    from slack_sdk.web.async_client import AsyncWebClient

K = TypeVar("K")
V = TypeVar("V")

PAGE = 1000
PAGES = 200
MAX_NAME = 100
_SHARED_OUTSIDE = ("is_ext_shared", "is_pending_ext_shared", "pending_shared", "pending_connected_team_ids")
_SAID = ("deleted", "is_bot", "is_restricted", "is_ultra_restricted")
"""What Slack says of everybody who is not deactivated."""

PATIENCE = 60.0  # the longest Retry-After that `resolve` waits for
KEPT_FOR = 600.0
"""Seconds for which a channel's members are kept known although nobody asks for them."""


@dataclass(frozen=True)
class ChannelFacts:
    """A channel that the configuration names, as far as the start-up checks look at it. `is_open`: anybody here can join it."""

    name: str
    is_member: bool
    is_archived: bool
    is_shared_outside: bool
    is_im: bool
    is_open: bool


@dataclass(frozen=True)
class _Groups:
    """All user groups at one moment. Slack did not say who is in those that are `unsaid`."""

    members: Mapping[str, frozenset[str]]
    of: Mapping[str, frozenset[str]]
    handles: Mapping[str, str]
    unsaid: frozenset[str]


class Directory:
    """People, groups and channels as Slack says they are, none of it older than `fresh_for` seconds by `clock`.

    `named_groups` are those that count for somebody: where Slack does not say who is in one of them, it says of nobody."""

    def __init__(
        self,
        client: AsyncWebClient,
        workspace: Workspace,
        *,
        clock: Callable[[], float],
        fresh_for: float = 60,
        uses_groups: bool = True,
        within: float = TIMEOUT,
        people: int = 10_000,
        leftover: Leftover | None = None,
    ) -> None:
        self.leftover = leftover or Leftover(clock)
        self._client = client
        self._workspace = workspace
        self.uses_groups = uses_groups
        self.named_groups: Callable[[], Collection[str]] = tuple
        self._within = within
        self._clock = clock
        self._fresh_for = fresh_for
        self._wanted: dict[str, float] = {}
        self._people: Cache[str, Person] = Cache(self._look_up, clock, fresh_for=fresh_for, size=people)
        self._groups: Cache[None, _Groups] = Cache(self._load_groups, clock, fresh_for=fresh_for, size=1)
        self._channels: Cache[str, frozenset[str]] = Cache(self._list_members, clock, fresh_for=fresh_for, size=1000)
        self._shared: Cache[str, bool] = Cache(self._look_who_reads, clock, fresh_for=fresh_for, size=1000)

    # --- people

    async def person(
        self, user_id: str, *, channels: frozenset[str] = frozenset(), max_age: float | None = None
    ) -> Person:
        """Somebody, with all their groups and those of `channels` they are in. Nobody Slack knows is a stranger."""
        named = sorted(channels)
        self._wanted |= dict.fromkeys(named, self._clock())
        lookups: list[Awaitable[object]] = [self._people.get(user_id, max_age)]
        if self.uses_groups:
            lookups.append(self._groups.get(None, max_age))
        lookups.extend(self._channels.get(channel, max_age) for channel in named)
        found: list[Any] = await asyncio.gather(*lookups)
        person: Person = found[0]
        groups: _Groups | None = found[1] if self.uses_groups else None
        if groups is not None and not groups.unsaid.isdisjoint(self.named_groups() if groups.unsaid else ()):
            _unreadable("usergroups.list")
        members: list[frozenset[str]] = found[len(found) - len(named) :]
        return _joined(person, groups, dict(zip(named, members, strict=True)))

    async def everybody(self, channels: frozenset[str] = frozenset()) -> tuple[Person, ...]:
        """Every account that Slack lists, as `person` gives it: for a caller that needs all of them, and can wait."""
        named = sorted(channels)
        groups = await self._patiently(self._groups.get, None) if self.uses_groups else None
        members = {channel: await self._patiently(self._channels.get, channel) for channel in named}
        listed = [_person(user) async for user in self._accounts()]
        return tuple(_joined(person, groups, members) for person in listed)

    async def _accounts(self) -> AsyncIterator[Mapping[str, Any]]:
        cursor: str | None = None
        for _ in range(PAGES):
            data = await self._patiently(self._page_of_accounts, cursor)
            for user in data["members"]:
                yield user
            following = _part(data, "response_metadata").get("next_cursor")
            if not following:
                return
            if following == cursor:
                break
            cursor = following
        raise CannotSay("endless", "users.list does not come to an end")

    async def _page_of_accounts(self, cursor: str | None) -> Mapping[str, Any]:
        data = await self._ask("users.list", {"limit": PAGE, "cursor": cursor})
        listed = data.get("members")
        if not isinstance(listed, list) or not all(isinstance(one, dict) and "id" in one for one in listed):
            _unreadable("users.list")
        return data

    async def account(self, user_id: str) -> Person:
        """Somebody as Slack has them at this moment, without their groups and channels: one call."""
        return await self._people.get(user_id, 0.0)

    def known(self, user_id: str, channels: frozenset[str] = frozenset()) -> Person | None:
        """Somebody, as `person` gives them, where memory alone can say it."""
        person = self._people.known(user_id)
        groups = self._groups.known(None) if self.uses_groups else None
        members = {channel: self._channels.known(channel) for channel in channels}
        if person is None or (self.uses_groups and (groups is None or groups.unsaid)):
            return None
        there = {channel: listed for channel, listed in members.items() if listed is not None}
        return _joined(person, groups, there) if len(there) == len(members) else None

    async def approvers(self, reviews: Sequence[Review]) -> tuple[Approver, ...]:
        """Those whose yes counts so far, as Slack says they are now."""
        yes = [one.reviewer.user_id for one in reviews if one.verdict is Verdict.YES and not one.void]
        people = await asyncio.gather(*map(self.person, yes))
        return tuple(Approver(person, no_longer(person, self._workspace)) for person in people)

    async def group_handle(self, group_id: str) -> str:
        """The group's handle; empty where it is none of ours, or switched off."""
        return _handle(await self._groups.get(None), group_id).removeprefix("@")

    def known_name(self, slack_id: str) -> str:
        """A person's real name or a user group's handle, where memory alone can say it; else empty."""
        if slack_id.startswith("S"):
            groups = self._groups.known(None) if self.uses_groups else None
            return _handle(groups, slack_id) if groups is not None else ""
        return _name(self._people.known(slack_id))

    async def name(self, slack_id: str) -> str:
        """The same, after asking Slack; empty for whom it does not know."""
        if slack_id.startswith("S"):
            return _handle(await self._groups.get(None), slack_id) if self.uses_groups else ""
        return _name(await self._people.get(slack_id))

    async def group_members(self, group_id: str) -> frozenset[str]:
        """The members of a user group; nobody where it is none of ours, or switched off."""
        groups = await self._groups.get(None)
        if group_id in groups.unsaid:
            _unreadable("usergroups.list")
        return groups.members.get(group_id, frozenset())

    async def is_shared_outside(self, channel_id: str) -> bool:
        """True where another company can read the channel, or soon can; also for one that the bot cannot see."""
        return await self._shared.get(channel_id)

    async def members_of(self, audience: Audience) -> frozenset[str]:
        """Everybody whom a rule names one way or another; each is still to be gated. `everyone` cannot be listed."""
        if audience.everyone:
            raise ValueError("everyone cannot be listed")
        found = set(audience.users)
        for group_id in sorted(audience.groups):
            found |= await self.group_members(group_id)
        for channel_id in sorted(audience.channels):
            found |= await self._channels.get(channel_id)
        return frozenset(found)

    # --- known before they are needed

    async def load_channels(self, channels: frozenset[str]) -> None:
        """The members of these channels, one channel and one page after the other. What Slack cannot say is asked for later."""
        for channel in sorted(channels):
            self._wanted[channel] = self._clock()
            with suppress(CannotSay):
                await self._channels.get(channel)

    async def keep_channels(self) -> NoReturn:
        """Ask again, before the answer is too old, for the channels that somebody wanted of late: thousands of members take
        longer to list than a person may wait."""
        ahead = self._fresh_for / 2
        while True:
            pause = self._fresh_for / 12
            for channel, wanted_at in sorted(self._wanted.items()):
                if self._clock() - wanted_at > KEPT_FOR:
                    del self._wanted[channel]
                    continue
                try:
                    await self._channels.get(channel, ahead)
                except CannotSay as fault:
                    pause = max(pause, min(fault.retry_after or 0.0, PATIENCE))
            await asyncio.sleep(pause)

    # --- events

    def forget_person(self, user_id: str) -> None:
        self._people.forget(user_id)

    def forget_groups(self) -> None:
        self._groups.forget(None)

    def forget_channel(self, channel_id: str) -> None:
        self._channels.forget(channel_id)
        self._shared.forget(channel_id)

    # --- starting and stopping

    async def resolve(self, handles: set[str], emails: set[str]) -> dict[str, str]:
        """The ids of "@handles" and e-mail addresses, as they were written; who is not found is not in the answer."""
        found: dict[str, str] = {}
        if handles:
            ids = (await self._patiently(self._groups.get, None)).handles
            found |= {handle: ids[name] for handle in handles if (name := handle.removeprefix("@").casefold()) in ids}
        for email in sorted(emails):
            user_id = await self._patiently(self._by_email, email)
            if user_id is not None:
                found[email] = user_id
        return found

    async def channel(self, channel_id: str) -> ChannelFacts | None:
        """A channel as the bot sees it now; None where there is none, or none that it can see."""
        try:
            data = await self._ask("conversations.info", {"channel": channel_id})
        except CannotSay as fault:
            if fault.code == "channel_not_found":
                return None
            raise
        channel = data.get("channel")
        if not isinstance(channel, dict) or not isinstance(channel.get("id"), str):
            _unreadable("conversations.info")
        is_im = bool(channel.get("is_im"))
        return ChannelFacts(
            name=str(channel.get("name") or ""),
            is_member=is_im or bool(channel.get("is_member")),
            is_archived=bool(channel.get("is_archived")),
            is_shared_outside=any(map(channel.get, _SHARED_OUTSIDE))
            or bool(channel.get("is_shared") and not (channel.get("is_org_shared") or channel.get("is_global_shared"))),
            is_im=is_im,
            is_open=not (is_im or channel.get("is_private") or channel.get("is_mpim")),
        )

    async def close(self) -> None:
        """Ends the look-ups that nobody waits for any more."""
        for cache in (self._people, self._groups, self._channels, self._shared):
            await cache.close()

    # --- asking

    async def _look_up(self, user_id: str) -> Person:
        self.leftover.note()
        try:
            data = await self._ask("users.info", {"user": user_id})
        except CannotSay as fault:
            if fault.code not in {"user_not_found", "user_not_visible"}:
                raise
            return Person(Identity("", user_id), user_id, is_stranger=True)
        user = data.get("user")
        if not isinstance(user, dict) or not isinstance(user.get("id"), str):
            _unreadable("users.info")
        person = _person(user)
        if user_id not in person.ids or (_is_unsaid(user) and not user.get("is_stranger")):
            _unreadable("users.info")
        return person

    async def _load_groups(self, _: None) -> _Groups:
        # One call for all of them: at 20 calls a minute, one per group would be the bot's speed limit.
        data = await self._ask("usergroups.list", {"include_users": True})
        listed = data.get("usergroups")
        if not isinstance(listed, list):
            _unreadable("usergroups.list")
        members: dict[str, frozenset[str]] = {}
        handles: dict[str, str] = {}
        of: dict[str, set[str]] = {}
        unsaid = set[str]()
        for group in listed:
            if not isinstance(group, dict) or not isinstance(group.get("id"), str):
                _unreadable("usergroups.list")
            if group.get("date_delete"):  # switched off: Slack keeps its list of members
                continue
            is_unsaid = "users" not in group and group.get("user_count") not in (None, 0, "0")
            if is_unsaid or group["id"] in members:  # approvals would be lost for good over it
                unsaid.add(group["id"])
            members[group["id"]] = _ids("usergroups.list", group.get("users") or [])
            for user_id in members[group["id"]]:
                of.setdefault(user_id, set()).add(group["id"])
            if (handle := group.get("handle")) and line(handle, MAX_NAME) == handle:  # else it looks like another's
                handles[handle.casefold()] = group["id"]
        return _Groups(members, {user_id: frozenset(ids) for user_id, ids in of.items()}, handles, frozenset(unsaid))

    async def _list_members(self, channel_id: str) -> frozenset[str]:
        found: set[str] = set()
        cursor: str | None = None
        for _ in range(PAGES):
            page = {"channel": channel_id, "limit": PAGE, "cursor": cursor}
            data = await self._ask("conversations.members", page)
            found |= _ids("conversations.members", data.get("members"))
            following = _part(data, "response_metadata").get("next_cursor")
            if not following:
                return frozenset(found)
            if following == cursor:
                break
            cursor = following
        raise CannotSay("endless", f"conversations.members does not come to an end for {channel_id}")

    async def _look_who_reads(self, channel_id: str) -> bool:
        found = await self.channel(channel_id)
        return found is not None and found.is_shared_outside

    async def _by_email(self, email: str) -> str | None:
        try:
            data = await self._ask("users.lookupByEmail", {"email": email})
        except CannotSay as fault:
            if fault.code == "users_not_found":
                return None
            raise
        user = data.get("user")
        if not isinstance(user, dict) or not isinstance(user.get("id"), str):
            _unreadable("users.lookupByEmail")
        found: str = user["id"]
        return found

    async def _patiently(self, look_up: Callable[[K], Awaitable[V]], key: K) -> V:
        """Look up for the loader, which may have more to ask than Slack takes in a minute: wait as long as Slack says."""
        for _ in range(ASKINGS):
            try:
                return await look_up(key)
            except CannotSay as fault:
                if fault.retry_after is None or fault.retry_after > PATIENCE:
                    raise
                pause = fault.retry_after
            await asyncio.sleep(pause)
        return await look_up(key)

    async def _ask(self, method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        fault: Fault
        try:
            return (await call(self._client, method, arguments, get=True, within=self._within)).data
        except Fault as met:
            fault = met
        raise CannotSay.of(fault)


def _unreadable(method: str) -> NoReturn:
    raise CannotSay("unreadable", f"{method} did not answer what it was asked")


def _ids(method: str, listed: Any) -> frozenset[str]:
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        _unreadable(method)
    return frozenset(listed)


def _joined(person: Person, groups: _Groups | None, members: Mapping[str, frozenset[str]]) -> Person:
    of = groups.of if groups is not None else {}
    return replace(
        person,
        groups=frozenset[str]().union(*(of.get(user_id, frozenset()) for user_id in person.ids)),
        channels=frozenset(channel for channel, listed in members.items() if person.ids & listed),
    )


def _name(person: Person | None) -> str:
    return "" if person is None or person.is_stranger else person.called


def _handle(groups: _Groups, group_id: str) -> str:
    return next((f"@{handle}" for handle, known in groups.handles.items() if known == group_id), "")


def _part(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = whole.get(name)
    return part if isinstance(part, dict) else {}


def _is_unsaid(user: Mapping[str, Any]) -> bool:
    """Slack does not say whether they are a guest or a bot: somebody who was deactivated is neither any more."""
    return not user.get("deleted") and not all(isinstance(user.get(sign), bool) for sign in _SAID)


def _person(user: Mapping[str, Any]) -> Person:
    """The id that Slack has for somebody in the whole organisation is theirs, whichever of their ids was asked about."""
    profile, enterprise = _part(user, "profile"), _part(user, "enterprise_user")
    everywhere = enterprise.get("id")
    user_id = everywhere if isinstance(everywhere, str) and everywhere else user["id"]
    names = (profile.get("display_name"), user.get("real_name"), profile.get("real_name"), user.get("name"))
    called = [line(name, MAX_NAME) for name in names]
    return Person(
        identity=Identity(str(user.get("team_id") or ""), user_id),
        name=next(filter(None, called), user["id"]),
        deleted=bool(user.get("deleted")),
        is_bot=bool(user.get("is_bot")) or user["id"] == SLACKBOT,
        is_guest=bool(user.get("is_restricted")) or bool(user.get("is_ultra_restricted")),
        is_stranger=bool(user.get("is_stranger")) or _is_unsaid(user),
        enterprise_id=enterprise.get("enterprise_id") or None,
        time_zone=line(user.get("tz"), MAX_NAME) or "UTC",
        also=frozenset({user["id"]}) - {user_id},
        real_name=called[1] or called[2],
        title=line(profile.get("title"), MAX_NAME),
    )
