"""The people of the sandbox, from a small file or as a configuration needs them, and what its Tyk has."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from bot.config import Config, Mention
from bot.config import document as config_document
from bot.config.document import (
    Document,
)
from bot.config.positions import Complaint, ConfigError, Trail
from bot.config.values import Kind
from bot.local.world import PEOPLE, SHARED, Api, Cast, Catalogue, Group, Policy, Room, Someone
from bot.spelling import did_you_mean

EXAMPLE = """\
people:                      # the first is who the page opens as
  ann: {name: Ann Archer, about: asks, time_zone: Europe/Lisbon}
  ben: {id: U03BOB, email: ben@example.com}
  guy: {kind: guest}         # member (unless said), admin, owner, guest, deactivated, external (another company)
groups:
  payments-devs: [ann]
  payments-leads: {id: S0LEADS, members: [ben]}
channels:
  approvals: {id: C0APPROVE, members: [ben]}
"""
KINDS = ("member", "admin", "owner", "guest", "deactivated", "external")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,40}")
_PERSON = {"name", "kind", "about", "id", "email", "time_zone"}
_GROUP = {"id", "members"}
_IDS = {
    "people": (r"[UW][A-Z0-9]{2,30}", "U03BOB"),
    "groups": (r"S[A-Z0-9]{2,30}", "S0LEADS"),
    "channels": (r"[CG][A-Z0-9]{2,30}", "C0APPROVE"),
}
_APPROVING = frozenset({"approvers", "also_may_approve"})
_ASK = ("alice", "bob", "dave")
_APPROVE = ("bob", "carol", "dave")
_MORE = (
    "erin",
    "frank",
    "grace",
    "heidi",
    "ivan",
    "judy",
    "kim",
    "leo",
    "mia",
    "nils",
    "olga",
    "paul",
    "quinn",
    "rosa",
)


def cast_for(config: Config, people: Path | None) -> Cast:
    """Everybody that the configuration names and a few more; those of the file, where there is one. Raises ConfigError."""
    return _completed(load(people), config, str(people)) if people else _Casting(config).cast()


def catalogue_of(config: Config) -> Catalogue:
    """The APIs and policies that the configuration names. A policy opens the API of its plan and those it also opens."""
    apis = tuple(
        Api(api.api_id, api.api_name or name, api.listen_path or f"/{name}/", api.auth_header, api.versions)
        for name, api in config.apis.items()
    )
    opens: dict[str, dict[str, None]] = {}
    for api in config.apis.values():
        for plan in (api.plans or {}).values():
            opened = [api.api_id, *(config.apis[other].api_id for other in plan.also_opens)]
            for policy in plan.tyk_policies or ():
                opens.setdefault(policy, {}).update(dict.fromkeys(opened))
    return Catalogue(apis, tuple(Policy(policy, tuple(api_ids)) for policy, api_ids in opens.items()))


# --- such people as a configuration needs -----------------------------------------------------------------------------


class _Casting:
    """Alice and Dave ask, Bob, Carol and Dave approve, whatever the groups are called; ids and e-mail addresses that the
    configuration names become somebody."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._people = {one.name: one for one in PEOPLE}
        self._groups: dict[str, set[str]] = {}
        self._channels: dict[str, tuple[str, dict[str, None]]] = {}

    def cast(self) -> Cast:
        mentions = self._config.mentions()
        most = max(self._config.terms(name).approvals for name in self._config.apis)
        approvers = [*_APPROVE, *_MORE[: max(0, most + 1 - len(_APPROVE))]]
        for name in approvers:
            self._people.setdefault(name, Someone(name, about="approves"))
        for mention in mentions:
            if mention.kind in (Kind.USER, Kind.EMAIL):
                approvers += [self._somebody(mention)] if mention.role in _APPROVING else []
                self._somebody(mention)
        for mention in mentions:
            self._place(mention, approvers)
        groups = tuple(self._group(name, members) for name, members in self._groups.items())
        rooms = tuple(Room(name, tuple(members), id_) for id_, (name, members) in self._channels.items())
        return Cast(tuple(self._people.values()), groups, (*rooms, SHARED))

    def _somebody(self, mention: Mention) -> str:
        """The name of who has this id or address: one of ours, if it looks like them, else somebody new."""
        is_email = mention.kind is Kind.EMAIL
        known = (one for one in self._people.values() if mention.text in (one.id, one.email))
        if (same := next(known, None)) is not None:
            return same.name
        word = mention.text.partition("@")[0] if is_email else mention.text
        like = (one for one in PEOPLE if one.kind == "member" and re.search(one.name, word.lower()))
        base = next((one for one in like if self._people[one.name] == one), None)
        name = base.name if base else _plain(word)
        about = "audits" if mention.role == "auditors" else "approves" if mention.role in _APPROVING else "asks"
        given: Any = {"email": mention.text} if is_email else {"id": mention.text}
        self._people[name] = Someone(
            name,
            about=base.about if base else about,
            real_name=base.real_name if base else None,
            time_zone=base.time_zone if base else PEOPLE[0].time_zone,
            **given,
        )
        return name

    def _place(self, mention: Mention, approvers: list[str]) -> None:
        if mention.kind in (Kind.GROUP, Kind.GROUP_HANDLE):
            members = self._groups.setdefault(mention.text, set())
            approving = [one for one in approvers if one != "alice"]
            members.update({"requesters": _ASK, "auditors": ["carol"]}.get(mention.role, approving))
        elif mention.kind is Kind.CHANNEL:
            members_of = {
                "approvals_channel": approvers,
                "audit_channel": ["carol"],
                "help_channel": [one.name for one in self._people.values() if one.kind in ("member", "guest")],
                "requesters": ["alice", "dave"],
            }
            _name, members_now = self._channels.setdefault(mention.text, (self._room_name(mention), {}))
            members_now.update(dict.fromkeys(members_of[mention.role]))

    def _room_name(self, mention: Mention) -> str:
        role = mention.role.removesuffix("_channel")
        wished = f"{mention.api}-{role}" if mention.api and role != "requesters" else role
        wished = _plain(mention.text) if role == "requesters" else wished
        taken = {name for name, _ in self._channels.values()}
        return wished if wished not in taken else f"{wished}-{len(taken)}"

    @staticmethod
    def _group(name: str, members: Iterable[str]) -> Group:
        if name.startswith("@"):
            return Group(name.removeprefix("@"), tuple(sorted(members)))
        return Group(_plain(name), tuple(sorted(members)), name)


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._") or "somebody"


# --- from a file ------------------------------------------------------------------------------------------------------


def load(path: Path) -> Cast:
    """The people, groups and channels of a file such as EXAMPLE. ConfigError with every complaint, each with its place."""
    try:
        document = config_document.read(path)
    except ConfigError as error:
        raise ConfigError(map(_of_people, error.complaints)) from None
    return _Reader(document).cast()


def _of_people(complaint: Complaint) -> Complaint:
    """An empty file needs something else here than a configuration does."""
    is_empty = complaint.text.startswith("the file is empty")
    return replace(complaint, text="the file is empty; it needs `people`") if is_empty else complaint


class _Reader:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._complaints = list(document.complaints)
        self._names: dict[str, None] = {}
        self._ids: dict[str, Trail] = {}

    def cast(self) -> Cast:
        for key in self._document.data:
            if key not in _IDS:
                self._at_key((key,), f"the file has no section `{key}`{_hint(key, _IDS)}")
        people = tuple(self._someone(name, at) for name, at in self._entries("people"))
        if not people and not self._complaints:
            self._at_key((), "`people` is missing: name at least one, as in `people: {ann: {about: asks}}`")
        groups = tuple(
            Group(name, *self._members(at)) for name, at in self._entries("groups") if self._is_known(at, _GROUP)
        )
        rooms = tuple(
            Room(name, *self._members(at)) for name, at in self._entries("channels") if self._is_known(at, _GROUP)
        )
        if self._complaints:
            raise ConfigError(self._complaints)
        return Cast(people, groups, rooms)

    def _entries(self, section: str) -> list[tuple[str, Trail]]:
        found = self._document.data.get(section, {})
        if not isinstance(found, dict):
            self._at_value((section,), f"`{section}` needs lines such as `name: ...`")
            return []
        for name in found:
            if not _NAME.fullmatch(name):
                self._at_key((section, name), f"a name is small letters, digits, . _ and -, got {name!r}")
        if section == "people":
            self._names = dict.fromkeys(found)
        return [(name, (section, name)) for name in found]

    def _someone(self, name: str, at: Trail) -> Someone:
        said = self._data(at)
        if said is not None and not isinstance(said, dict):
            self._at_value(
                at, f"`{name}` needs settings, as in `{name}: {{about: asks}}`; they may be left empty: {{}}"
            )
        if not isinstance(said, dict) or not self._is_known(at, _PERSON):
            return Someone(name)
        kind = said.get("kind", "member")
        if kind not in KINDS:
            self._at_value((*at, "kind"), f"`kind` is one of {', '.join(KINDS)}, got {kind!r}")
            kind = "member"
        words = {key: self._text((*at, key)) for key in ("name", "about", "email")}
        zone = self._time_zone((*at, "time_zone"))
        return Someone(
            name, kind, words["about"] or "", words["name"], self._id(at), words["email"], zone or "Europe/Amsterdam"
        )

    def _members(self, at: Trail) -> tuple[tuple[str, ...], str | None]:
        """The members of a group or channel, and its id; the file has a list of names, or `id` and `members`."""
        said = self._data(at)
        where: Trail = (*at, "members") if isinstance(said, dict) else at
        members = self._data(where)
        if not isinstance(members, list):
            self._at_value(where, f"`{at[-1]}` needs its members, as in `{at[-1]}: [{next(iter(self._names), 'ann')}]`")
            return (), None
        for index, name in enumerate(members):
            if name not in self._names:
                self._at_value((*where, index), f"nobody in `people` is called {name!r}{_hint(str(name), self._names)}")
        return tuple(str(name) for name in members), self._id(at) if isinstance(said, dict) else None

    def _id(self, at: Trail) -> str | None:
        trail = (*at, "id")
        found = self._text(trail)
        if found is None:
            return None
        form, example = _IDS[str(at[0])]
        if not re.fullmatch(form, found):
            self._at_value(trail, f"`id` looks like {example}, got {found!r}")
        elif found in self._ids:
            first = self._document.place(self._ids[found]).line
            self._at_value(trail, f"`id` {found} is given twice, first in line {first}")
        self._ids.setdefault(found, trail)
        return found

    def _text(self, at: Trail) -> str | None:
        found = self._data(at)
        if found is not None and (not isinstance(found, str) or not found.strip()):
            self._at_value(at, f"`{at[-1]}` needs a text, got {found!r}")
            return None
        return found

    def _time_zone(self, at: Trail) -> str | None:
        found = self._text(at)
        if found is not None and not _is_time_zone(found):
            self._at_value(at, f"`time_zone` needs a name such as Europe/Lisbon, got {found!r}")
            return None
        return found

    def _is_known(self, at: Trail, settings: set[str]) -> bool:
        said = self._data(at)
        strange = sorted(said.keys() - settings) if isinstance(said, dict) else []
        for key in strange:
            text = f"`{at[-1]}` has no setting `{key}`{_hint(key, settings)}: it may have {', '.join(sorted(settings))}"
            self._at_key((*at, key), text)
        return not strange

    def _data(self, trail: Trail) -> Any:
        data: Any = self._document.data
        for step in trail:
            data = data.get(step) if isinstance(data, dict) else None
        return data

    def _at_key(self, trail: Trail, text: str) -> None:
        self._complaints.append(self._document.key(trail).complaint(text))

    def _at_value(self, trail: Trail, text: str) -> None:
        self._complaints.append(self._document.place(trail).complaint(text))


def _is_time_zone(name: str) -> bool:
    """True where this is a time zone; on a machine that knows none, whatever the browser makes of it."""
    known = available_timezones()
    return not known or name in known


def _hint(word: str, options: Iterable[str]) -> str:
    found = did_you_mean(word, options)
    return f", did you mean {found}?" if found else ""


def _completed(cast: Cast, config: Config, file: str) -> Cast:
    """The file's people in this configuration's world: a channel that only the configuration names is added with all
    members in it; a person or group that the file lacks is an error, since a wrong name is what one wants to find."""
    handles = {f"@{group.handle}" for group in cast.groups}
    ids = {group.id for group in cast.groups} | {one.id for one in cast.people}
    ids |= {f"{kind}0{re.sub('[^A-Z0-9]', '', name.upper())}" for kind, name in _named(cast)}
    emails = {(one.email or f"{one.name}@example.com").lower() for one in cast.people}
    complaints: list[Complaint] = []
    rooms = {room.id: room for room in cast.channels}
    members = tuple(one.name for one in cast.people if one.kind in ("member", "admin", "owner"))
    for mention in config.mentions():
        if mention.kind is Kind.CHANNEL:
            name = mention.role.removesuffix("_channel") if mention.role != "requesters" else _plain(mention.text)
            wished = f"{mention.api}-{name}" if mention.api else name
            if mention.text not in rooms and not _has_room(cast, mention.text):
                rooms[mention.text] = Room(wished, members, mention.text)
        elif mention.text not in handles | ids | emails:
            complaints.append(
                mention.where.complaint(f"`{mention.role}` names {mention.text}, whom {file} does not have")
            )
    if complaints:
        raise ConfigError(complaints)
    unnamed = tuple(room for room in cast.channels if room.id is None)
    return Cast(cast.people, cast.groups, (*unnamed, *(room for id_, room in rooms.items() if id_ is not None)))


def _named(cast: Cast) -> list[tuple[str, str]]:
    """Those without an id of their own: the workspace gives them one that can be read."""
    people = [("U", one.name) for one in cast.people if one.id is None]
    return [*people, *(("S", group.handle) for group in cast.groups if group.id is None)]


def _has_room(cast: Cast, channel_id: str) -> bool:
    made = {f"C0{re.sub('[^A-Z0-9]', '', room.name.upper())}" for room in cast.channels if room.id is None}
    return channel_id in made
