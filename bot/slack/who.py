"""`/tyk-key who`: who holds a token for an API, or what somebody holds, a page at a time, as a modal."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

from slack_bolt.async_app import AsyncAck

from bot.core import members
from bot.core.faults import Gone
from bot.core.model import GrantState, Person, Refusal, Workspace
from bot.core.usage import LOOKED_BACK, Unseen, Use
from bot.looking import NOT_ALLOWED, Found, Looking, UsesOf, Wanted
from bot.operations import Operations
from bot.slack import modals, wording
from bot.slack.answering import Answering, Body, Where, note
from bot.slack.block_kit import Block, actions, button, context, modal, section
from bot.slack.client import Chat
from bot.slack.directory import Directory
from bot.slack.wording import inert
from bot.store.ledger import Holding

CALLBACK_WHO = "who"
NEWER, OLDER = "who_newer", "who_older"
TITLE = "Who holds what"

_MENTION = re.compile(r"<@([UW][A-Z0-9]{2,30})(?:\|[^>]*)?>")
_ID = re.compile(r"[UW][A-Z0-9]{2,30}")


class Who:
    """Answers the command, and the buttons that turn its pages."""

    def __init__(
        self,
        answering: Answering,
        operations: Operations,
        chat: Chat,
        directory: Directory,
        workspace: Workspace,
        uses_of: UsesOf,
    ) -> None:
        self._answering = answering
        self._operations = operations
        self._looking = Looking(operations.store, operations.in_force, uses_of)
        self._chat = chat
        self._directory = directory
        self._workspace = workspace

    async def on_command(self, ack: AsyncAck, body: Body, words: str) -> None:
        """`words` are those behind `who`."""
        await ack()
        await self._open(Where(body["trigger_id"], body["user_id"]), words)

    async def on_pressed(self, ack: AsyncAck, body: Body, action: Body) -> None:
        """The same by a button, which has the words."""
        await ack()
        await self._open(Where.of(body), action["value"])

    def example(self, person: Person) -> str | None:
        """The name of an API that this person may look up, if there is any."""
        return next((rule.name for rule in self._looking.seen_by(person)), None)

    async def _open(self, where: Where, words: str) -> None:
        note("who", "opened")

        async def drawn(person: Person) -> Body:
            return await self._shown(person, lambda: self._wanted(person, words))

        await self._answering.open_for(where, modals.notice(TITLE, "Looking it up…"), drawn)

    async def on_page(self, ack: AsyncAck, body: Body, action: Body) -> None:
        """Another page, for whoever may still see it."""
        await ack()
        try:
            wanted = read_wanted(action["value"])
            view = await self._shown(await self._answering.member(body["user"]["id"]), lambda: _as_it_is(wanted))
        except modals.StaleView:
            view = modals.notice("Out of date", self._answering.out_of_date("button"))
        except Refusal as refusal:
            view = modals.notice(TITLE, refusal.text)
        with suppress(Gone):  # they have closed it
            await self._chat.update_view(body["view"]["id"], view)

    async def _shown(self, person: Person, wish: Callable[[], Awaitable[Wanted]]) -> Body:
        """The page, or the sentence that says why it is not to be had. Who may not see it is in the audit."""
        wanted = Wanted()
        try:
            if (refusal := members.refuse(person, self._workspace)) is not None:
                raise Refusal(refusal.text, code=NOT_ALLOWED)
            wanted = await wish()
            found = await self._looking.look(person, wanted)
        except Refusal as refusal:
            if refusal.code == NOT_ALLOWED:
                await self._operations.refused(person.identity, wanted.api, refusal.text, "looking up")
            return modals.notice(TITLE, inert(refusal.text, 1000))
        known = {one: self._directory.known_name(one) for one in found.people}
        return view(replace(found, names={**found.names, **{one: name for one, name in known.items() if name}}))

    async def _wanted(self, person: Person, words: str) -> Wanted:
        if found := _MENTION.fullmatch(words) or _ID.fullmatch(words):
            return Wanted(person=found[found.lastindex or 0])
        command = self._answering.command
        if not words:
            said = f"Name an API or a person: {command} who payments, or {command} who @somebody."
            raise Refusal(said, code="nobody")
        if words.startswith("@"):
            said = (
                f"I can't tell who {words[:100]} is. Pick the person from the list that Slack offers while you type, or give "
                f"their member ID, which is in their Slack profile: {command} who U012ABCDEF."
            )
            raise Refusal(said, code="nobody")
        return Wanted(api=await self._looking.entry(words, person))


async def _as_it_is(wanted: Wanted) -> Wanted:
    return wanted


# --- the modal --------------------------------------------------------------------------------------------------------


def view(found: Found) -> Block:
    """A page. People are mentioned beside their names: in a modal nobody's phone rings for it."""
    wanted, entries = found.wanted, [_entry(held, found) for held in found.holdings]
    whose = _named(wanted.person, found.names) if wanted.person else inert(found.title_of(wanted.api or ""), 150)
    if wanted.person:
        heading = f"Tokens that {whose} holds now" if entries else f"{whose} holds no token now{_seen_by(found)}."
    else:
        heading = f"Who holds a token for *{whose}* now" if entries else f"Nobody holds a token for *{whose}* now."
    blocks = [section(heading), *entries, *actions("pages", _pages(found)), context(_notes(found))]
    return modal(TITLE, blocks, close="Close", callback=CALLBACK_WHO)


def _seen_by(found: Found) -> str:
    return "" if found.as_auditor else " for an API that you approve"


def _entry(held: Holding, found: Found) -> Block:
    title = inert(found.title_of(held.api), 150)
    if found.wanted.person:
        first = [f"*{title}*"]
    else:
        elsewhere = "" if held.api == found.wanted.api else f"by a token for {title}"
        first = [_named(held.user_id, found.names), elsewhere]
    making = "being made" if held.state is GrantState.ISSUING else ""
    until = "doesn't expire" if held.until is None else f"until {wording.date(held.until)}"
    by = [_named(one, found.names) for one, _ in held.approvals]
    lines = [
        " · ".join(part for part in (*first, inert(held.plan, 80), f"R-{held.number}", making) if part),
        f"Since {wording.date(held.since)}, {until}",
        _used(found.uses.get(held.request_id)),
        f"Approved by {wording.as_many(by, last='and', limit=600)}" if by else "No approval needed",
        f"Used by: {inert(held.used_by, 80)}" if held.used_by.strip() else "",
        f"Reason: {inert(held.reason, 300)}" if held.reason.strip() else "",
        *(f"At Tyk: {inert(what, 200)}" for what in held.found),
    ]
    return section("\n".join(line for line in lines if line))


def _used(use: Use | None) -> str:
    if use is None:
        return ""
    if use.unseen is not None:
        return "Last use unknown"
    if use.last is None:
        return f"No use recorded in the last {LOOKED_BACK.days} days"
    return f"Last used {wording.day(use.last)}"


def _named(user_id: str, names: Mapping[str, str]) -> str:
    name = inert(names.get(user_id, ""), 80)
    return f"*{name}* {wording.person(user_id)}" if name else wording.person(user_id)


def _pages(found: Found) -> list[Block]:
    """Buttons for the pages before and after this one."""
    wanted, numbers = found.wanted, [held.number for held in found.holdings]
    turned: list[Block] = []
    if found.newer:
        newer = replace(wanted, before=None, after=numbers[0], page=max(1, wanted.page - 1))
        turned.append(button("Newer", NEWER, _value(newer), "Newer tokens"))
    if found.older:
        older = replace(wanted, before=numbers[-1], after=None, page=wanted.page + 1)
        turned.append(button("Older", OLDER, _value(older), "Older tokens"))
    return turned


def _value(wanted: Wanted) -> str:
    return json.dumps({name: value for name, value in asdict(wanted).items() if value is not None})


def read_wanted(value: str) -> Wanted:
    """The page behind a button. Raises StaleView for what no button of this version holds."""
    try:
        given: Any = json.loads(value)
        wanted = Wanted(**given)
    except (TypeError, ValueError) as error:
        raise modals.StaleView("no page") from error
    names, numbers = (wanted.api, wanted.person), (wanted.before, wanted.after, wanted.page)
    is_right = all(one is None or isinstance(one, str) for one in names) and len([one for one in names if one]) == 1
    if not is_right or not all(one is None or isinstance(one, int) for one in numbers):
        raise modals.StaleView("no page")
    return wanted


def _notes(found: Found) -> list[str]:
    notes = ["The audit says that you looked this up.", *_of_uses(found.uses.values())]
    if found.retired:
        notes.append(
            "This API is no longer offered. What was granted before stays valid until it expires or is revoked."
        )
    if found.as_auditor:
        which = f"--person {found.wanted.person}" if found.wanted.person else f"--api {found.wanted.api}"
        notes.append(
            f"As a file, with what is over: `tyk-key-bot keys {inert(which, 120)} --format csv` at the command line."
        )
    return notes


_UNSEEN = {
    Unseen.FORBIDDEN: (
        "I can't see when tokens were last used: the bot's Tyk Dashboard user needs the permission `analytics` (read)."
    ),
    Unseen.LATE: "Tyk didn't say in time when these tokens were last used. Try again in a moment.",
    Unseen.NO_HASH: "Tyk doesn't hash keys here, so I can't look up when tokens were last used.",
    Unseen.BROKEN: "Tyk couldn't say when these tokens were last used. Try again in a moment.",
}


def _of_uses(uses: Collection[Use]) -> list[str]:
    """Notes on last uses: why one is unknown, once, and what a silence means."""
    told = [said for why, said in _UNSEEN.items() if any(one.unseen is why for one in uses)]
    if any(one.unseen is None and one.last is None for one in uses):
        told.append(
            "Tyk records calls only where analytics are on for the API, so no recorded use doesn't mean no use."
        )
    return told
