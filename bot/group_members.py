"""The members of the user groups that approve or audit, as they were seen last: a change of them is a line in the audit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.core.in_force import InForce
from bot.core.model import AuditEvent, AuditLine
from bot.store.store import Store, Transaction

_REMEMBERED = "groups"


@dataclass(frozen=True)
class GroupChange:
    """A user group by its id and handle, who came and who went, and when, as Slack says it."""

    group: str
    handle: str
    added: frozenset[str]
    removed: frozenset[str]
    at: int


@dataclass(frozen=True)
class Group:
    """A user group as Slack has it now; one that is switched off has no members."""

    id: str
    handle: str
    members: frozenset[str]


class GroupMembers:
    """`in_force` says which groups approve or audit."""

    def __init__(self, store: Store, in_force: InForce) -> None:
        self._store = store
        self._in_force = in_force

    @property
    def watched(self) -> tuple[str, ...]:
        """The ids of the groups that approve or audit."""
        return tuple(sorted(self._watched()))

    @property
    def named(self) -> frozenset[str]:
        """The ids of all groups by which somebody may ask, approve or audit."""
        rules = self._in_force.current.rules.values()
        return self._watched().union(*(rule.requesters.groups for rule in rules))

    async def changed(self, change: GroupChange) -> bool:
        """Take in an event. Slack may tell of one change several times, and of an old one late. Returns whether it was news."""

        def work(tx: Transaction) -> bool:
            known = _known(tx)
            before = known.get(change.group)
            if change.group not in self._watched() or (before is not None and change.at < before["at"]):
                return False
            members = ((set(before["members"]) if before else set()) | change.added) - change.removed
            if before is None:
                self._tell(tx, change)  # who is in it was never seen, so it is taken as it is told
                return True
            return self._take(tx, known, Group(change.group, change.handle, frozenset(members)), change.at)

        return await self._store.write(work)

    async def seen(self, group: Group, at: int) -> bool:
        """Take in one group that was seen before, as it was at that time. Returns whether that was news."""

        def work(tx: Transaction) -> bool:
            known = _known(tx)
            before = known.get(group.id)
            is_newer = before is not None and at >= before["at"] and group.id in self._watched()
            return is_newer and self._take(tx, known, group, at)

        return await self._store.write(work)

    async def all_seen(self, groups: Sequence[Group]) -> tuple[str, ...]:
        """Take in all groups that approve or audit, as Slack has them now: some may have changed while the bot was off. Returns
        those that have."""

        def work(tx: Transaction) -> tuple[str, ...]:
            named, watched = {group.id for group in groups}, self._watched()
            seen = _known(tx)
            known = {group_id: one for group_id, one in seen.items() if group_id in named}
            if known != seen:
                tx.remember(_REMEMBERED, known)
            return tuple(group.id for group in groups if group.id in watched and self._take(tx, known, group, None))

        return await self._store.write(work)

    def _take(self, tx: Transaction, known: dict[str, Any], group: Group, at: int | None) -> bool:
        """Remember the members of a watched group, and tell how they differ from what was `known`, if anything was."""
        before = known.get(group.id)
        had = frozenset(before["members"]) if before else group.members
        at = max(at or 0, before["at"] if before else 0)
        known[group.id] = {"members": sorted(group.members), "at": at}
        if known[group.id] != before:
            tx.remember(_REMEMBERED, known)
        if had == group.members:
            return False
        self._tell(tx, GroupChange(group.id, group.handle, group.members - had, had - group.members, at))
        return True

    def _tell(self, tx: Transaction, change: GroupChange) -> None:
        rulebook = self._in_force.current
        details = {
            "group": change.group,
            "handle": change.handle,
            "added": sorted(change.added),
            "removed": sorted(change.removed),
            "apis": sorted(name for name, rule in rulebook.rules.items() if change.group in rule.may_approve.groups),
        } | ({"audits": True} if change.group in rulebook.auditors.groups else {})
        tx.audit(AuditLine(AuditEvent.GROUP_CHANGED, None, details), None)

    def _watched(self) -> frozenset[str]:
        rules = self._in_force.current.rules.values()
        deciding = (people.groups for rule in rules for people in (rule.approvers, rule.also_may_approve))
        return self._in_force.current.auditors.groups.union(*deciding)


def members_seen(store: Store) -> dict[str, frozenset[str]]:
    """The members of each group when the bot looked last."""
    with store.reading() as tx:
        known = tx.remembered(_REMEMBERED) or {}
    return {group: frozenset(one["members"]) for group, one in known.items()}


def _known(tx: Transaction) -> dict[str, Any]:
    known: dict[str, Any] = tx.remembered(_REMEMBERED, lock=True) or {}
    return known
