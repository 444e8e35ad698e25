"""Those who may decide, as Slack knows them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from bot.core import deciders, members, rules
from bot.core.deciders import Deciders, Named
from bot.core.faults import Fault
from bot.core.model import Person, Record, Rule, Workspace
from bot.slack.directory import Directory

LOOKED_AT = 10
"""So many are asked about before they are called. Of more the names are taken as Slack's groups have them: a card waits for
nobody's look-up, and whoever may not use the bot is refused at its buttons."""


async def look_up(record: Record, in_force: Rule | None, directory: Directory, workspace: Workspace) -> Deciders:
    """The people whom both rules count now. Raises CannotSay where Slack cannot say who is in a group."""
    named = await named_by(record, in_force, directory, workspace)
    return deciders.deciders(record, in_force, named, await requester(record, in_force, directory))


async def requester(record: Record, in_force: Rule | None, directory: Directory) -> Person | None:
    """The requester, where the rule in force lets others ask than it did: whether they still may has to be looked at. None where
    it does not, or Slack cannot say: it is looked at again before a key is made."""
    if in_force is None or not rules.asks_others(record, in_force):
        return None
    return await _person(record.request.requester.user_id, directory, rules.asking_channels(in_force))


async def named_by(record: Record, in_force: Rule | None, directory: Directory, workspace: Workspace) -> Named:
    """Look up with Slack those whom both rules name. Raises CannotSay."""
    audiences = rules.deciding(record, in_force)
    groups = sorted(frozenset[str]().union(*(audience.groups for audience in audiences)))
    named = Named({group: await directory.group_members(group) for group in groups})
    people = frozenset[str]().union(*map(named.by, audiences))
    if workspace.enterprise_id:  # only there is one person known under several ids
        people |= {record.request.requester.user_id}
    known = await _known(people, directory)
    barred = (person.ids for person in known if members.refuse(person, workspace) is not None)
    ids = {user_id: person.ids for person in known for user_id in person.ids}
    return Named(named.members, ids, frozenset[str]().union(*barred))


async def _known(people: Collection[str], directory: Directory) -> list[Person]:
    """Those of them whom Slack can say something about."""
    if len(people) > LOOKED_AT:
        return [person for one in people if (person := directory.known(one)) is not None]
    found = await asyncio.gather(*(_person(one, directory) for one in people))
    return [person for person in found if person is not None]


async def _person(user_id: str, directory: Directory, channels: frozenset[str] = frozenset()) -> Person | None:
    try:
        return await directory.person(user_id, channels=channels)
    except Fault:
        return None
