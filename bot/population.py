"""Everybody whom two rulebooks are compared for: people as Slack lists them, or the names of the files where it is not asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from bot.core import members, rules
from bot.core.deciders import Named
from bot.core.explanation import Known
from bot.core.model import Audience, Identity, Person, Rulebook
from bot.sources import Meant, Slack, Sources

ANYBODY = "anybody"
"""The id of whoever is named by neither file, where people are not known."""


@dataclass(frozen=True)
class Population:
    """`people` are those who may use the bot, or stand for the names of the files; `accounts` all of Slack's, by each of their
    ids. `names` says what ids of people and groups are called."""

    people: tuple[Person, ...]
    named: Named
    names: Mapping[str, str]
    accounts: Mapping[str, Person] = field(default_factory=dict)
    is_of_people: bool = True

    def called(self, slack_id: str) -> str:
        return self.names.get(slack_id, slack_id)

    def known(self, person: Person, *books: Rulebook) -> Known:
        """The person, with what Slack says of them where it was asked, and perhaps in all that nobody could look up."""
        now = self.accounts.get(person.identity.user_id)
        if now is not None:
            groups, channels = person.groups | now.groups, person.channels | now.channels
            person = replace(person, groups=groups, channels=channels, also=person.also | now.ids)
        if self.is_of_people:
            return Known(person, person)
        ids = person.ids
        seen = {group for group, listed in self.named.members.items() if listed & ids}
        unseen = frozenset[str]().union(*(_groups(book) for book in books)) - self.named.members.keys()
        channels = frozenset[str]().union(*(rules.named_channels(book.rules) for book in books))
        least = replace(person, groups=person.groups | seen)
        return Known(least, replace(least, groups=least.groups | unseen, channels=least.channels | channels))

    def knows(self, audiences: Iterable[Audience]) -> bool:
        """True where it is known who is in every group that they name."""
        return self.is_of_people or all(audience.groups <= self.named.members.keys() for audience in audiences)


def _audiences(book: Rulebook) -> Iterable[Audience]:
    yield book.auditors
    for rule in book.rules.values():
        yield from (rule.requesters, rule.may_approve)


def _groups(book: Rulebook) -> frozenset[str]:
    return frozenset[str]().union(*(audience.groups for audience in _audiences(book)))


async def population(old: Meant, new: Meant, sources: Sources, seen: Mapping[str, frozenset[str]]) -> Population:
    """`seen` are the members of groups as the bot saw them last. Raises a Fault of Slack's."""
    everything = Audience()
    for audience in (*_audiences(old.rulebook), *_audiences(new.rulebook)):
        everything |= audience
    names = {slack_id: name for meant in (old, new) for name, slack_id in meant.ids.items()}
    if sources.slack is not None:
        return await _of_people(everything, names, sources.slack)
    return Population(_of_names(everything, names), Named(seen), names, is_of_people=False)


async def _of_people(everything: Audience, names: Mapping[str, str], slack: Slack) -> Population:
    directory, workspace = slack.directory, slack.workspace
    listed = await directory.everybody(everything.channels)
    known = frozenset[str]().union(*(one.ids for one in listed))
    others = [await directory.person(one, channels=everything.channels) for one in sorted(everything.users - known)]
    accounts = [*listed, *others]
    members_of = {
        group: frozenset(one for who in accounts if group in who.groups for one in who.ids)
        for group in everything.groups
    }
    refused = [one for one in accounts if members.refuse(one, workspace) is not None]
    named = Named(
        members_of,
        {user_id: one.ids for one in accounts for user_id in one.ids},
        frozenset[str]().union(*(one.ids for one in refused)),
    )
    handles = {group: await directory.name(group) for group in sorted(everything.groups)} if everything.groups else {}
    called = {user_id: one.called for one in accounts for user_id in one.ids}
    return Population(
        tuple(one for one in accounts if not one.ids & named.barred),
        named,
        {**names, **{group: handle for group, handle in handles.items() if handle}, **called},
        {user_id: one for one in accounts for user_id in one.ids},
    )


def _of_names(everything: Audience, names: Mapping[str, str]) -> tuple[Person, ...]:
    """Somebody for each name of the files: one member of each group, one of each channel, each person, and anybody else."""

    def one(slack_id: str, groups: frozenset[str] = frozenset(), channels: frozenset[str] = frozenset()) -> Person:
        return Person(Identity("", slack_id), names.get(slack_id, slack_id), groups=groups, channels=channels)

    return (
        *(one(group, groups=frozenset({group})) for group in sorted(everything.groups)),
        *(one(channel, channels=frozenset({channel})) for channel in sorted(everything.channels)),
        *(one(user) for user in sorted(everything.users)),
        one(ANYBODY),
    )
