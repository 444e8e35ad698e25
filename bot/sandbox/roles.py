"""The roles of the tour: the first in the workspace who may ask, who may approve, and who may read the audit. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bot.config import Config
from bot.config.values import Kind
from bot.core import rules
from bot.core.model import Identity, Person, Rule
from bot.local.slack import Channel, User, Workspace

NOBODY = (
    "There is no tour here: it needs somebody who may request an API whose reason follows no pattern, and others in its "
    "approvals channel who may approve that."
)


@dataclass(frozen=True)
class Roles:
    """People and rooms by their names. `approvers` are as many as the rule takes, `rooms` where the asker types and where they
    decide; `auditor` is somebody in the room of the audit, None where nobody is."""

    rule: Rule
    asker: User
    approvers: tuple[User, ...]
    rooms: tuple[str, str]
    auditor: tuple[User, str] | None


def roles(config: Config, place: Workspace) -> Roles | None:
    """Of the APIs with approvers the one that takes the fewest approvals, else one that takes none."""
    people = [user for user in place.users.values() if _may_act(user, place)]
    by_approvals = sorted(_rules(config, place), key=lambda rule: (rule.approvals == 0, rule.approvals))
    return next((found for rule in by_approvals for found in _for(rule, people, config, place)), None)


def _rules(config: Config, place: Workspace) -> list[Rule]:
    handles = {f"@{group.handle}": group.id for group in place.groups.values()}
    addresses = {user.email.lower(): user.id for user in place.users.values() if user.email}
    kinds = (Kind.GROUP_HANDLE, Kind.EMAIL)
    known = handles | addresses
    named = {one.text: known[one.text] for one in config.mentions() if one.kind in kinds and one.text in known}
    rulebook, _unknown = config.in_force(named)
    return [rule for rule in rulebook.rules.values() if rule.reason_pattern is None]


def _for(rule: Rule, people: Sequence[User], config: Config, place: Workspace) -> Iterator[Roles]:
    deciding, audit = place.channels.get(rule.approvals_channel), place.channels.get(config.slack.audit_channel)
    for asker in people:
        typing = next(_typing(asker, place), None)
        if typing is None or rules.offered(rule, _person(asker, place)) is None:
            continue
        others = [one for one in people if one is not asker and deciding is not None and one.id in deciding.members]
        approvers = tuple(one for one in others if rules.may_approve(rule, _person(one, place)))[: rule.approvals]
        if len(approvers) < rule.approvals:
            continue
        said = {asker.id, *(one.id for one in approvers)}
        reading = [one for one in people if audit is not None and one.id in audit.members]
        auditor = min(reading, key=lambda one: one.id in said, default=None)
        yield Roles(
            rule,
            asker,
            approvers,
            (typing.name, deciding.name if deciding is not None else ""),
            (auditor, audit.name) if auditor is not None and audit is not None else None,
        )


def _may_act(user: User, place: Workspace) -> bool:
    """A full member of this workspace."""
    return not (user.is_bot or user.deleted or user.is_restricted or user.is_stranger) and user.team_id == place.team_id


def _typing(user: User, place: Workspace) -> Iterator[Channel]:
    """The rooms in which they can type a command, #general first."""
    rooms = [one for one in place.channels.values() if not (one.is_im or one.is_archived) and user.id in one.members]
    yield from sorted(rooms, key=lambda one: one.name != "general")


def _person(user: User, place: Workspace) -> Person:
    return Person(
        Identity(place.team_id, user.id),
        user.name,
        groups=frozenset(group.id for group in place.groups.values() if user.id in group.members),
        channels=frozenset(one.id for one in place.channels.values() if user.id in one.members),
    )
