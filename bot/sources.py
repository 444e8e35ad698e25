"""The sources that a command which reviews the rules may look into: Slack where it has a token for it, the database where it
has its address.

What could not be asked is told, and never taken for a no.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bot import meanings
from bot.config import Config, Kind
from bot.core.model import Identity, Person, Rulebook, Workspace
from bot.errors import InputError
from bot.slack.directory import Directory
from bot.spelling import did_you_mean
from bot.store import ledger
from bot.store.store import Store

SOME = 5
_ID = re.compile(r"[UW][A-Z0-9]{2,30}")


class UnknownPersonError(InputError):
    """Nobody, or more than one, is called so."""


@dataclass(frozen=True)
class Slack:
    """Slack, as somebody who only looks sees it."""

    directory: Directory
    workspace: Workspace


@dataclass(frozen=True)
class Sources:
    """`slack` and `store` are None where they are not to be asked; `before` is what names of the file meant to the bot first, and
    `in_force` the digest of the file that it took last."""

    slack: Slack | None = None
    store: Store | None = None
    before: Mapping[str, str] = field(default_factory=dict)
    in_force: str = ""

    @property
    def unasked(self) -> tuple[str, ...]:
        """The sources that were not asked, and how they would be."""
        told = []
        if self.slack is None:
            told.append("Slack: set SLACK_BOT_TOKEN, and people and their groups are looked up.")
        if self.store is None:
            told.append("The database: set DATABASE_URL, and what is held and waits is looked up.")
        return tuple(told)

    def doubts(self, *, of: Meant, about: str) -> tuple[str, ...]:
        """The doubts to look into before anything is believed: names of the file, and that it is not the one in force."""
        digest = of.rulebook.digest
        if not self.in_force or self.in_force == digest:
            return of.doubts
        return (
            *of.doubts,
            f"{about} (digest {digest}) is not the file that the bot took last (digest {self.in_force}).",
        )


@dataclass(frozen=True)
class Meant:
    """The rules of a file, and the ids that its names stand for; a name that nobody could look up stands for itself."""

    config: Config
    rulebook: Rulebook
    ids: Mapping[str, str]
    doubts: tuple[str, ...] = ()

    def name_of(self, slack_id: str) -> str:
        """The handle or address under which the file names it; the id itself where it names that."""
        return next((name for name, found in self.ids.items() if found == slack_id), slack_id)


async def rules_of(config: Config, sources: Sources) -> Meant:
    """The rules that would be in force, as the bot would find them. Raises a Fault of Slack's."""
    mentions = config.mentions()
    names = {one.text for one in mentions if one.kind in (Kind.GROUP_HANDLE, Kind.EMAIL)}
    if sources.slack is None:
        ids = {name: sources.before.get(name, name) for name in sorted(names)}
        return Meant(config, config.rulebook(ids), ids)
    known = {name: found for name, found in sources.before.items() if name in names}
    found = await meanings.look_up(mentions, sources.slack.directory, known)
    rulebook, doubts = meanings.rulebook_of(config, found)
    return Meant(config, rulebook, dict(found.ids), tuple(map(str, doubts)))


# --- one person -------------------------------------------------------------------------------------------------------


async def person(text: str, sources: Sources, channels: frozenset[str] = frozenset()) -> Person:
    """Somebody by id, e-mail address or name, with what Slack says of them where it is asked. Raises UnknownPersonError."""
    user_id = text if _ID.fullmatch(text) else await _id_of(text, sources)
    if sources.slack is None:
        return Person(Identity("", user_id), _names(sources).get(user_id, user_id))
    return await sources.slack.directory.person(user_id, channels=channels)


async def _id_of(text: str, sources: Sources) -> str:
    if "@" in text.lstrip("@"):
        return await _by_address(text.lower(), sources)
    if sources.slack is not None:
        listed = await sources.slack.directory.everybody()
        called = {one.identity.user_id: {one.name, one.called} for one in listed if not one.deleted}
    else:
        called = {user_id: {name} for user_id, name in _names(sources).items()}
    wanted = " ".join(text.removeprefix("@").split()).casefold()
    found = sorted(
        user_id for user_id, names in called.items() if wanted in {" ".join(one.split()).casefold() for one in names}
    )
    if len(found) == 1:
        return found[0]
    if found:
        some = ", ".join(f"{one} ({min(called[one])})" for one in found[:SOME])
        raise UnknownPersonError(
            f"{len(found)} people are called {text}: {some}. Give the id of the one that you mean."
        )
    raise UnknownPersonError(f"Nobody is known who is called {text}{_meant(text, called)}{_elsewhere(sources)}")


async def _by_address(address: str, sources: Sources) -> str:
    if sources.slack is None:
        return sources.before.get(address, address)
    found = await sources.slack.directory.resolve(set(), {address})
    if address not in found:
        raise UnknownPersonError(f"Slack knows no member with the address {address}.")
    return found[address]


def _names(sources: Sources) -> dict[str, str]:
    """Everybody who ever asked for something, as the database has them."""
    if sources.store is None:
        return {}
    with sources.store.reading() as tx:
        return ledger.people(tx)


def _meant(text: str, called: Mapping[str, Iterable[str]]) -> str:
    options = {
        name: user_id for user_id, names in called.items() for one in sorted(names) for name in (one, *one.split())
    }
    close = did_you_mean(text.removeprefix("@"), options)
    return f"; did you mean {close} ({options[close]})?" if close else "."


def _elsewhere(sources: Sources) -> str:
    return "" if sources.slack else " Slack was not asked: set SLACK_BOT_TOKEN, or give an id such as U02ALICE."
