"""The acts of the workspace's administrator on its people: deactivates somebody, makes a guest of them, brings them back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.local.slack import LocalSlack
from bot.local.slack.objects import User

GUESTS = ("guest", "single_channel_guest")
MEMBERS = ("member", "admin", "owner")


@dataclass(frozen=True)
class _Left:
    """The groups and channels that somebody was in when they left."""

    groups: tuple[str, ...]
    channels: tuple[str, ...]


class Roster:
    """Each act sends the events that Slack sends of it. `note` is told a sentence of whatever was done here."""

    def __init__(self, slack: LocalSlack, note: Callable[[str], None]) -> None:
        self._place = slack.workspace
        self._note = note
        self._left: dict[str, _Left] = {}
        self._was: dict[str, str] = {}

    def become(self, name: str, what: str) -> None:
        """`what` is deactivated, active (again), guest or member. ValueError where that cannot be, KeyError for nobody."""
        user = self._place.user(name)
        if user.team_id != self._place.team_id:
            raise ValueError(f"{user.real_name} is not in this workspace")
        match what:
            case "deactivated" if not user.deleted:
                self._deactivate(user)
            case "active" if user.deleted:
                self._bring_back(user)
            case "guest" if not user.deleted and user.kind in MEMBERS:
                self._was[user.id] = user.kind
                self._change(user, "guest")
            case "member" if not user.deleted and user.kind in GUESTS:
                self._change(user, self._was.get(user.id, "member"))
            case _:
                raise ValueError(f"{user.real_name} cannot become {what!r} now")

    def _change(self, user: User, kind: str) -> None:
        self._note(f"{user.real_name} becomes {'an' if kind[0] in 'ao' else 'a'} {kind}")
        self._place.change_kind(user.id, kind)

    def _deactivate(self, user: User) -> None:
        place = self._place
        self._left[user.id] = _Left(
            tuple(group.id for group in place.groups.values() if user.id in group.members),
            tuple(one.id for one in place.channels.values() if user.id in one.members and not one.is_im),
        )
        self._note(f"{user.real_name} is deactivated")
        place.deactivate(user.id)

    def _bring_back(self, user: User) -> None:
        self._note(f"{user.real_name} is brought back")
        self._place.reactivate(user.id)
        if user.kind == "deactivated":
            self._place.change_kind(user.id, "member")
        self._put_back(user)

    def _put_back(self, user: User) -> None:
        """Slack puts nobody back where they were, so the administrator does: into each group and channel."""
        left = self._left.pop(user.id, _Left((), ()))
        for group in left.groups:
            self._place.set_group_members(group, [*self._place.group(group).members, user.id])
        for channel in left.channels:
            self._place.join(user.id, channel)
