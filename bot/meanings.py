"""The ids that handles and e-mail addresses of the file mean: looked up now and then, never followed in silence.

A handle is a word that anybody who edits user groups can give to another group. So the id that it meant first stays in force
until a person accepts the other: `accept`. A name that Slack no longer knows stops nobody from starting.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from bot.config import Complaint, Config, Kind, Mention
from bot.core.faults import Fault
from bot.core.model import Rulebook
from bot.slack.directory import Directory
from bot.store.store import Store
from bot.store.transaction import Transaction

_MEANINGS = "meanings"
NAMES = frozenset({Kind.GROUP_HANDLE, Kind.EMAIL})


@dataclass(frozen=True)
class Meanings:
    """`ids` are those in force, by name; `remembered` what the names of the file meant first; `doubts` a sentence for a name."""

    ids: Mapping[str, str]
    remembered: Mapping[str, str]
    doubts: Mapping[str, str]


async def of_names(
    mentions: Collection[Mention],
    directory: Directory,
    store: Store,
    *,
    by_heart: bool = True,
    forgets: bool = True,
) -> Meanings:
    """The meanings of the file's names, remembered from now on. Raises a Fault of Slack's; but where all names were looked
    up before, what they meant will do, if it may be told `by_heart`.

    A name that is not among them is forgotten, unless another replica may have another file: `forgets`.
    They are looked up once more where somebody accepted another meaning meanwhile: what was accepted stays accepted."""
    while True:
        before = await store.read(remembered)
        meant = await look_up(mentions, directory, before, by_heart=by_heart)
        after = meant.remembered if forgets else {**before, **meant.remembered}
        if await store.write(partial(_remember, before=before, after=after)):
            return meant


def rulebook_of(config: Config, meant: Meanings) -> tuple[Rulebook, tuple[Complaint, ...]]:
    """The rules in force where the names mean this, and all that is doubtful about them."""
    rulebook, unknown = config.in_force(meant.ids)
    first = {mention.text: mention for mention in reversed(config.mentions())}
    changed = [first[name].where.complaint(f"{name} {said}") for name, said in meant.doubts.items()]
    return rulebook, tuple(sorted({*unknown, *changed}))


async def look_up(
    mentions: Iterable[Mention], directory: Directory, before: Mapping[str, str], *, by_heart: bool = True
) -> Meanings:
    """Look up what the names of the file mean now, and compare it with what they meant `before`.

    Where Slack cannot say, what they meant before stays in force, if that will do and none of them is new; else raises its Fault.
    """
    names = {mention.text: mention.kind for mention in mentions if mention.kind in NAMES}
    handles = {name for name, kind in names.items() if kind is Kind.GROUP_HANDLE}
    try:
        now = await directory.resolve(handles, names.keys() - handles)
    except Fault as fault:
        if not (by_heart and names.keys() <= before.keys()):
            raise
        kept = {name: before[name] for name in names}
        return Meanings(kept, kept, {name: _unsaid(before[name], fault) for name in names})
    ids, doubts = dict(now), dict[str, str]()
    for name, old in before.items():
        new = now.get(name)
        if name not in names or new == old:
            continue
        if new is not None:
            ids[name] = old
            doubts[name] = _changed(name, old, new)
        elif await _is_there(old, names[name], directory):
            ids[name] = old
            doubts[name] = (
                f"is not known to Slack any more; it meant {old}, which stays in force. Write that id, or the new name."
            )
    kept = {name: before.get(name) or now[name] for name in names if name in before or name in now}
    return Meanings(ids, kept, doubts)


def _changed(name: str, old: str, new: str) -> str:
    return (
        f"meant {old} and now means {new}. {old} stays in force. If {new} is right, run `tyk-key-bot accept {name}`: the "
        "bot looks again within minutes, or at once on SIGHUP."
    )


def _unsaid(old: str, fault: Fault) -> str:
    return f"could not be looked up ({fault.code}). It meant {old}, which stays in force. I look again within minutes."


async def _is_there(old: str, kind: Kind, directory: Directory) -> bool:
    """A group with members, or somebody who is not deactivated, under another name than the file's."""
    if kind is Kind.GROUP_HANDLE:
        return bool(await directory.group_members(old))
    person = await directory.person(old)
    return not (person.deleted or person.is_stranger)


def remembered(tx: Transaction, *, lock: bool = False) -> dict[str, str]:
    return tx.remembered(_MEANINGS, lock=lock) or {}


def _remember(tx: Transaction, *, before: Mapping[str, str], after: Mapping[str, str]) -> bool:
    """Returns False, and leaves what is remembered as it is, where that is not what it was before."""
    now = remembered(tx, lock=True)
    if now != before:
        return False
    if now != after:
        tx.remember(_MEANINGS, dict(after))
    return True


def accept(tx: Transaction, name: str) -> str | None:
    """Forget what a name meant, so that the next look takes what Slack says then. Returns what it meant, if known."""
    kept = remembered(tx, lock=True)
    old = kept.pop(name.lower(), None)
    if old is not None:
        tx.remember(_MEANINGS, kept)
    return old
