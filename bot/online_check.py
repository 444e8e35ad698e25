"""The configuration compared with the real Slack and the real Tyk. A complaint says where in the file, what, and what to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from bot.config import Complaint, Config, Kind, Mention
from bot.core import members, rules
from bot.core.faults import Fault
from bot.core.model import Audience, Person, Rule, Rulebook, Workspace
from bot.slack.directory import ChannelFacts, Directory
from bot.tyk import usage
from bot.tyk.comparison import differences
from bot.tyk.dashboard import Dashboard
from bot.tyk.definitions import by_either_id
from bot.tyk.policies import by_either_name

T = TypeVar("T")
AT_ONCE = 8
WAITS = 60.0
"""Seconds that are waited for where Slack says that it was asked too often."""


async def rulebook_of(config: Config, directory: Directory) -> Rulebook:
    """The rules in force, with every handle and e-mail address looked up. Raises ConfigError, or a Fault of Slack's."""
    return config.rulebook(await meanings(config, directory))


async def meanings(config: Config, directory: Directory) -> dict[str, str]:
    """The ids of the handles and e-mail addresses that the file names, as far as Slack knows them."""
    mentions = config.mentions()
    handles = {mention.text for mention in mentions if mention.kind is Kind.GROUP_HANDLE}
    emails = {mention.text for mention in mentions if mention.kind is Kind.EMAIL}
    return await directory.resolve(handles, emails)


async def slack_complaints(
    config: Config, rulebook: Rulebook, directory: Directory, workspace: Workspace
) -> tuple[Complaint, ...]:
    """Each channel (exists, the bot is in it, not shared with another company), group and person, and each rule's yeses."""
    mentions = [one for one in config.mentions() if one.kind not in (Kind.GROUP_HANDLE, Kind.EMAIL)]
    said = (await ids_looked_at(mentions, directory, workspace)).said
    found = [one.where.complaint(f"{one.text}: {said[one.text]}") for one in mentions if one.text in said]
    unreachable = [one async for one in _unreachable(config, rulebook, directory, workspace)]
    silent = [one async for one in _silent_approvers(config, rulebook, directory, workspace)]
    return tuple(sorted({*found, *unreachable, *silent}))


@dataclass(frozen=True)
class Looked:
    """`said` of each id that does not fit Slack; `is_whole` where Slack could say of all that were looked at."""

    said: Mapping[str, str]
    is_whole: bool


async def ids_looked_at(mentions: Iterable[Mention], directory: Directory, workspace: Workspace) -> Looked:
    """Look at the channels, groups and people that are named by id: once at each, wherever the file has it."""
    unsaid = list[str]()

    async def look(mention: Mention) -> tuple[str, str] | None:
        try:
            why = await _mention_trouble(mention, directory, workspace)
        except Fault as fault:
            why = f"Slack cannot say whether this is right ({fault.code})."
            unsaid.append(mention.text)
        return (mention.text, why) if why else None

    said = await _each(look, list({mention.text: mention for mention in mentions}.values()))
    return Looked(dict(said), not unsaid)


async def slack_notes(config: Config, directory: Directory) -> tuple[Complaint, ...]:
    """Notes on what is right and yet worth knowing: channels among `requesters` that anybody can join, who may ask then."""

    async def look(mention: Mention) -> Complaint | None:
        try:
            channel = await directory.channel(mention.text)
        except Fault:
            return None  # the mention itself is complained of
        if channel is None or not channel.is_open:
            return None
        return mention.where.complaint(
            f"{mention.text}: anybody in the workspace can join #{channel.name}, and may then ask for {mention.api}."
        )

    asking = [one for one in config.mentions() if one.kind is Kind.CHANNEL and one.role == "requesters"]
    return tuple(sorted(await _each(look, asking)))


async def stale_ids(config: Config, directory: Directory) -> tuple[Complaint, ...]:
    """The people whom the file names by an id that Slack has replaced: they are found by either."""

    async def look(mention: Mention) -> Complaint | None:
        try:
            person = await directory.person(mention.text)
        except Fault:
            return None  # the mention itself is complained of
        now = person.identity.user_id
        if person.is_stranger or now == mention.text:
            return None
        return mention.where.complaint(
            f"{mention.text}: a stale id. Slack calls {person.name} {now} by now; I take both for the same. Write {now}."
        )

    return tuple(sorted(await _each(look, [one for one in config.mentions() if one.kind is Kind.USER])))


async def _silent_approvers(
    config: Config, rulebook: Rulebook, directory: Directory, workspace: Workspace
) -> AsyncIterator[Complaint]:
    """Approvers who would never press a button: gone, or called in a channel that they are not in. Each is named once."""
    told: set[tuple[str, str]] = set()
    seen: set[tuple[Audience, Audience, str]] = set()
    for rule in rulebook.rules.values():
        audience = (rule.approvers, rule.also_may_approve, rule.approvals_channel)
        if rule.out_of_force or not (rule.approvals or None in rule.lifetimes) or audience in seen:
            continue
        seen.add(audience)
        try:
            there = await directory.members_of(Audience(channels=frozenset({rule.approvals_channel})))
            called = await directory.members_of(rule.approvers)
            named = sorted(await directory.members_of(rule.may_approve))
        except Fault as fault:
            said = f"who may approve for {rule.name} could not be looked at ({fault.code}). Try again later."
            yield _at(config, _approvers_of(config, rule), said)
            continue
        people, why_not = await _people(named, directory)
        if why_not is not None:
            said = (
                f"{len(named) - len(people)} of {len(named)} who may approve for {rule.name} could not be looked at "
                f"({why_not.code}). Try again later."
            )
            yield _at(config, _approvers_of(config, rule), said)
        for person in people:
            user_id = person.identity.user_id
            if (user_id, rule.approvals_channel) in told:
                continue
            told.add((user_id, rule.approvals_channel))
            if (why := members.why_left(person, workspace)) is not None:
                yield _at(
                    config, _approvers_of(config, rule), f"{user_id} may approve for {rule.name}, but cannot: {why}"
                )
            elif person.ids & called and not person.ids & there:
                said = (
                    f"{user_id} may approve for {rule.name}, but is not in {rule.approvals_channel}, where it is asked."
                )
                yield _at(config, _approvers_of(config, rule), said)


async def _people(named: Sequence[str], directory: Directory) -> tuple[list[Person], Fault | None]:
    """Those whom Slack tells of, and why it does not tell of the others. Where it was asked too often, it is asked once more."""
    people, why_not = list[Person](), None
    for user_id in named:
        try:
            people.append(await _patient(partial(directory.person, user_id)))
        except Fault as fault:
            why_not = fault
    return people, why_not


async def _patient(ask: Callable[[], Awaitable[T]]) -> T:
    try:
        return await ask()
    except Fault as fault:
        if fault.retry_after is None or fault.retry_after > WAITS:
            raise
        await asyncio.sleep(fault.retry_after)
    return await ask()


def _approvers_of(config: Config, rule: Rule) -> tuple[str, ...]:
    """The trail to the rule's approvers in the file."""
    return ("apis", rule.name, "approvers") if config.apis[rule.name].approvers else ("defaults", "approvers")


async def _mention_trouble(mention: Mention, directory: Directory, workspace: Workspace) -> str | None:
    match mention.kind:
        case Kind.CHANNEL:
            return _channel_trouble(await directory.channel(mention.text))
        case Kind.USER:
            refusal = members.refuse(await directory.person(mention.text), workspace)
            return f"this person may not use the bot. {refusal.text}" if refusal else None
        case Kind.GROUP:
            known = await directory.group_members(mention.text)
            return (
                None
                if known
                else "Slack knows no such user group with members in it. Mend it in Slack, or take it out."
            )
        case _:
            return None


def _channel_trouble(channel: ChannelFacts | None) -> str | None:
    if channel is None:
        return "Slack knows no such channel, or the bot cannot see it. Invite the bot to it."
    if channel.is_archived:
        return "this channel is archived."
    if channel.is_shared_outside:
        return "this channel is shared with another company, whose people would see it. Choose another."
    if not channel.is_member:
        return f"the bot is not in #{channel.name}. Invite it there."
    return None


def _hardest(rule: Rule) -> Rule:
    """The rule as it holds for that of its plans which needs the most approvals."""
    return max((rules.for_plan(rule, plan) for plan in rule.plans), key=lambda one: one.approvals, default=rule)


async def _unreachable(
    config: Config, rulebook: Rulebook, directory: Directory, workspace: Workspace
) -> AsyncIterator[Complaint]:
    """Rules whose approvers are fewer than the yeses they need; equal audiences are counted once."""
    counted: dict[Audience, int] = {}
    hardest = map(_hardest, rulebook.rules.values())
    reviewed = [rule for rule in hardest if rule.approvals and not rule.out_of_force]
    for rule in sorted(
        reviewed, key=lambda rule: -rule.approvals
    ):  # the first of an audience counts for those after it
        if rule.may_approve not in counted:
            try:
                counted[rule.may_approve] = await _able(rule, directory, workspace)
            except Fault:
                continue  # `_silent_approvers` complains of it
        if counted.get(rule.may_approve, rule.approvals) < rule.approvals:
            yield _at(config, ("apis", rule.name, "approvals"), f"{rule.name} needs {rule.approvals} approvals, but only "
                      f"{counted[rule.may_approve]} of its approvers can give one.")  # fmt: skip


async def _able(rule: Rule, directory: Directory, workspace: Workspace) -> int:
    able = 0
    for user_id in await directory.members_of(rule.may_approve):
        able += members.refuse(await _patient(partial(directory.person, user_id)), workspace) is None
        if able >= rule.approvals:
            break
    return able


async def tyk_complaints(config: Config, rulebook: Rulebook, dashboard: Dashboard) -> tuple[Complaint, ...]:
    """Each difference between the file and what Tyk has, at its place in the file. Raises DashboardError."""
    known = by_either_id([*await dashboard.apis(), *await dashboard.mcps()])
    needs_policies = any(plan.tyk_policies for rule in rulebook.rules.values() for plan in rule.plans)
    policies = by_either_name(await dashboard.policies()) if needs_policies else None
    return tuple(
        _at(config, ("apis", rule.name, *one.trail), one.text)
        for rule in rulebook.rules.values()
        for one in differences(rule, known, policies)
    )


async def tyk_notes(config: Config, dashboard: Dashboard) -> tuple[Complaint, ...]:
    """The complaints about what the Dashboard user may not do and need not: they say what is missing then."""
    if await usage.may_be_read(dashboard, datetime.now(UTC)):
        return ()
    said = (
        f"the Dashboard user may not read analytics, so {config.slack.command} who can't say when a token was last used. Give it "
        "the permission analytics (read)."
    )
    return (_at(config, ("tyk", "dashboard_url"), said),)


def _at(config: Config, trail: tuple[str, ...], text: str) -> Complaint:
    return config.place(trail).complaint(text)


async def _each(look: Callable[[Mention], Awaitable[T | None]], mentions: list[Mention]) -> list[T]:
    """Every mention looked up, a few at a time: Slack's limits are for all of us."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(mention: Mention) -> T | None:
        async with slots:
            return await look(mention)

    return [found for found in await asyncio.gather(*map(one, mentions)) if found is not None]
