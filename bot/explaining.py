"""`explain`: may this person ask for this API, for which plans and how long, who would decide, what do they hold; and why."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from bot.config import Config
from bot.config.positions import Trail
from bot.core import explanation
from bot.core.deciders import Named
from bot.core.explanation import Answer, Decider, Finding, Known, Look, Offer
from bot.core.model import Audience, Person, Record, Rule
from bot.errors import InputError
from bot.reports import moment
from bot.slack import deciders as at_slack
from bot.slack import wording
from bot.sources import Meant, Sources
from bot.spelling import did_you_mean

SHOWN = 20
_MARKS: Mapping[Answer, str] = {True: "yes", False: "no", None: "?"}
MAY: Mapping[Answer, str] = {True: "yes", False: "no", None: "unknown"}


@dataclass(frozen=True)
class Said:
    """One answer and the sentence to it; `where` is the place of the file that it comes from."""

    what: str
    holds: Answer
    text: str
    where: str = ""


@dataclass(frozen=True)
class PlanSaid(Said):
    """The same of one plan, with what it takes and gives."""

    approvals: int = 0
    limits: str = ""


@dataclass(frozen=True)
class DeciderSaid:
    """Somebody who would decide; a user group where nobody could say who is in it."""

    id: str
    name: str
    by: str
    where: str
    called: bool


@dataclass(frozen=True)
class Explained:
    """All that there is to say. `holds` is None where no database was asked."""

    person: str
    name: str
    api: str
    title: str
    may: Answer
    looks: tuple[Said, ...]
    plans: tuple[PlanSaid, ...] = ()
    terms: tuple[Said, ...] = ()
    deciders: tuple[DeciderSaid, ...] = ()
    holds: tuple[str, ...] | None = None
    not_looked_at: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"may": MAY[self.may]}


def entry_of(config: Config, words: str) -> str:
    """The entry that is meant by its name or title. Raises InputError."""
    wanted = " ".join(words.split()).casefold()
    options: dict[str, str] = {}
    for name, entry in config.apis.items():
        title = entry.title or name
        if wanted in (name.casefold(), " ".join(title.split()).casefold()):
            return name
        options |= {name: name, title: name}
    near = did_you_mean(words, options)
    raise InputError(f"There is no entry {words}{f'; did you mean {options[near]}?' if near else '.'}")


async def explain(who: Person, entry: str, meant: Meant, sources: Sources) -> Explained:
    """Raises a Fault of Slack's."""
    rule = meant.rulebook.rules[entry]
    known = Known(who, who) if sources.slack else Known(who, _in_all_of(who, rule))
    now, named = datetime.now(UTC), None
    if sources.slack is not None:
        asked = explanation.as_if_asked(rule, rule.plans[0], who, now)
        named = await at_slack.named_by(asked, rule, sources.slack.directory, sources.slack.workspace)
    able = explanation.able(rule, who, named, now) if named is not None else None
    held, standing = _held(sources, who, entry)
    workspace = sources.slack.workspace if sources.slack else None
    found = explanation.explain(rule, known, workspace, able, held)
    words = _Words(meant, rule, held or ())
    return Explained(
        person=who.identity.user_id,
        name=who.called,
        api=entry,
        title=rule.title,
        may=found.may,
        looks=tuple(filter(None, map(words.look, found.findings))),
        plans=tuple(map(words.plan, found.offers)),
        terms=tuple(words.terms()),
        deciders=await _deciders(words, rule, who, named, sources, now),
        holds=None if standing is None else tuple(map(_standing, standing)),
        not_looked_at=sources.unasked,
        doubts=sources.doubts(of=meant, about="This file"),
    )


def _in_all_of(who: Person, rule: Rule) -> Person:
    """Somebody as if they were in every group and channel that this rule names for requesters."""
    audience = rule.requesters
    for one in (audience for plan in rule.plans for audience in plan.requesters):
        audience |= one
    return replace(who, groups=audience.groups, channels=audience.channels)


def _held(sources: Sources, who: Person, entry: str) -> tuple[tuple[int, ...] | None, tuple[Record, ...] | None]:
    """The numbers that count against `max_active`, and all that stands; None where no database was asked."""
    if sources.store is None:
        return None, None
    with sources.store.reading() as tx:
        return tx.held(who.identity, entry), tx.standing(who.identity)


def _standing(record: Record) -> str:
    request, grant = record.request, record.grant
    what = f"{request.label}  {request.rule.name}  {request.plan.name}"
    if grant is None:
        more = f", to extend {request.extends.label}" if request.extends else ""
        return f"{what}  waits since {moment(request.created_at)}{more}"
    return f"{what}  {grant.state.value} until {moment(grant.until) or 'somebody ends it'}"


async def _deciders(
    words: _Words, rule: Rule, who: Person, named: Named | None, sources: Sources, now: datetime
) -> tuple[DeciderSaid, ...]:
    """People where Slack could say who is in groups, else what the file names."""
    most = max(
        (explanation.as_if_asked(rule, plan, who, now) for plan in rule.plans),
        key=lambda one: one.request.rule.approvals,
    )
    if not most.request.rule.approvals:
        return ()
    if named is None or sources.slack is None:
        listed = sorted(rule.may_approve.groups) + sorted(rule.may_approve.users - who.ids)
        return tuple(words.named(one) for one in listed)
    found = explanation.decided_by(most, rule, named)
    return tuple([words.decider(one, await sources.slack.directory.name(one.user_id)) for one in found])


class _Words:
    """The sentences of one entry's answers, each with its place in the file."""

    def __init__(self, meant: Meant, rule: Rule, held: Sequence[int]) -> None:
        self._meant = meant
        self._config = meant.config
        self._rule = rule
        self._held = len(held)

    def look(self, found: Finding) -> Said | None:
        match found.look:
            case Look.ENTRY:
                return None  # which entry is meant is asked before
            case Look.MEMBER:
                return None if found.holds is None else self._quoted(found, "a full member of the workspace", "")
            case Look.REQUESTERS:
                return self._requesters(found)
            case Look.IN_FORCE:
                where = self._place("approvers")
                return None if found.holds else self._quoted(found, "in force", where)
            case Look.ROOM:
                if found.holds is None:
                    return None
                what = f"has room: {self._held:,} of {self._rule.max_active:,} tokens and requests"
                return self._quoted(found, what, self._place("max_active"))

    def _quoted(self, found: Finding, text: str, where: str) -> Said:
        """A no comes with what the bot says to it."""
        return Said(found.look.value, found.holds, text if found.holds else _said(found.why), where)

    def _requesters(self, found: Finding) -> Said:
        audience = self._rule.requesters
        if found.by == "everyone":
            text, where = "among the requesters, as everyone is", self._named_at("requesters", "everyone")
        elif found.holds:
            text, where = f"among the requesters, {self._by(found.by)}", self._named_at("requesters", found.by)
        elif found.holds is None:
            text = f"among the requesters only as a member of {self._audience(audience, members=True)}"
            where = self._place("requesters")
        else:
            text, where = f"not among the requesters: {self._audience(audience)}", self._place("requesters")
        return Said(found.look.value, found.holds, text, where)

    def plan(self, offer: Offer) -> PlanSaid:
        plan, at = offer.plan, self._at_plan(offer.plan.name)
        opens = wording.people([api.called for api in plan.also_opens])
        text = f"opens {opens} as well" if plan.also_opens else ""
        if offer.outside:
            only = " and ".join(self._audience(one) for one in offer.outside)
            text += f", and only {only} may request that" if offer.holds is False else f", so it is for {only} alone"
            at = self._place_of((*self._plan_trail(plan.name), "also_opens"))
        elif offer.code not in ("", "not_allowed", "out_of_force"):  # those are said of the whole entry
            text = _said(offer.why)
            at = self._place("approvals") if offer.code == "unreachable" else at
        return PlanSaid(
            plan.name, offer.holds, text, at, offer.approvals, wording.without_markup(wording.plan_limits(plan))
        )

    def terms(self) -> Iterator[Said]:
        rule, terms = self._rule, self._config.terms(self._rule.name)
        first, *others = map(wording.duration, rule.lifetimes)
        text = " or ".join([f"{first} (preselected)" if others else first, *others])
        yield Said("for how long", True, text, self._place("lifetimes"))
        if rule.max_total is not None:
            text = f"{wording.duration(rule.max_total)} in all, however often it is extended"
            yield Said("at most", True, text, self._place("max_total"))
        if rule.review_every is not None and None in rule.lifetimes:
            text = f"what does not expire is asked about every {wording.duration(rule.review_every)}"
            yield Said("reviews", True, text, self._place("review_every"))
        yield Said("reason", True, terms.reason, self._place("reason"))
        if rule.reason_pattern is not None:
            text = f"must hold {rule.reason_pattern.pattern} ({rule.reason_pattern.says})"
            yield Said("pattern", True, text, self._place("reason_pattern"))
        if rule.approvals or any(plan.approvals for plan in rule.plans):
            own = self._config.place_of(rule.name, "approvals_channel")
            where = own or self._config.place(("slack", "approvals_channel"))
            yield Said("decided in", True, rule.approvals_channel, str(where))
        text = f"expires unanswered after {wording.duration(rule.lapses_after)}"
        yield Said("request", True, text, self._place("request_lapses_after"))

    def decider(self, one: Decider, name: str) -> DeciderSaid:
        return DeciderSaid(one.user_id, name or one.user_id, self._by(one.by), self._approver_at(one.by), one.called)

    def named(self, slack_id: str) -> DeciderSaid:
        """A name of the file, where nobody could say who that is."""
        name, called = (
            self._meant.name_of(slack_id),
            slack_id in self._rule.approvers.groups | self._rule.approvers.users,
        )
        by = "the members of this group" if slack_id in self._rule.may_approve.groups else "named directly"
        return DeciderSaid(slack_id, name, by, self._approver_at(slack_id), called)

    # --- names and places ---

    def _by(self, slack_id: str) -> str:
        name = self._meant.name_of(slack_id)
        if slack_id in self._who_named():
            return "named directly" if name == slack_id else f"named as {name}"
        return f"as a member of {name}"

    def _who_named(self) -> frozenset[str]:
        return self._rule.requesters.users | self._rule.may_approve.users

    def _audience(self, audience: Audience, *, members: bool = False) -> str:
        names = [] if members else ["everyone"] * audience.everyone + sorted(map(self._meant.name_of, audience.users))
        names += sorted(map(self._meant.name_of, audience.groups | audience.channels))
        return wording.as_many(names, last="or", limit=300)

    def _place(self, key: str) -> str:
        return str(self._config.place_of(self._rule.name, key) or "")

    def _place_of(self, trail: Trail) -> str:
        return str(self._config.place(trail))

    def _plan_trail(self, plan: str) -> Trail:
        return ("apis", self._rule.name, "plans", plan)

    def _at_plan(self, plan: str) -> str:
        return (
            self._place_of(self._plan_trail(plan))
            if self._config.apis[self._rule.name].plans
            else self._place("limits")
        )

    def _approver_at(self, slack_id: str) -> str:
        key = (
            "approvers" if slack_id in self._rule.approvers.groups | self._rule.approvers.users else "also_may_approve"
        )
        return self._named_at(key, slack_id)

    def _named_at(self, key: str, slack_id: str) -> str:
        """The place of this name in the list that holds for the entry."""
        entry, name = self._config.apis[self._rule.name], self._meant.name_of(slack_id)
        trail: Trail = ("apis", self._rule.name, key)
        if key == "requesters":
            listed = entry.requesters
        else:
            own = getattr(entry, key)
            listed = getattr(entry.terms, key)
            trail = trail if own is not None else ("defaults", key)
        index = next((place for place, one in enumerate(listed) if one.text in (name, slack_id)), None)
        return str(self._config.place(trail if index is None else (*trail, index)))


def _said(sentence: str) -> str:
    return f"the bot says: {wording.without_markup(sentence)}"


# --- as text ----------------------------------------------------------------------------------------------------------


def lines(told: Explained, width: int) -> Iterator[str]:
    who = told.name if told.name == told.person else f"{told.name} ({told.person})"
    verb = {True: "may request", False: "may not request", None: "may perhaps request"}[told.may]
    as_far = ", as far as could be looked up" if told.may and told.not_looked_at else ""
    yield from _wrapped(f"{who} {verb} {told.title} ({told.api}){as_far}.", "", "", width)
    yield ""
    for look in told.looks:
        yield from _marked(look.holds, look.text, look.where, width)
    yield from _part("Plans")
    for plan in told.plans:
        need = {0: "no approval", 1: "1 approval"}.get(plan.approvals, f"{plan.approvals} approvals")
        text = f"{plan.what}: {'; '.join(filter(None, [plan.text, need, plan.limits]))}"
        yield from _marked(plan.holds, text, plan.where, width)
    yield from _listed("Terms", [f"{term.what}: {term.text}{_at(term.where)}" for term in told.terms], width)
    yield from _listed("Who would decide", [*map(_decider, told.deciders[:SHOWN]), *_more(told.deciders)], width)
    if told.holds is not None:
        yield from _listed(f"What {told.name} has", told.holds or ("nothing",), width)
    yield from _listed("Worth a look", told.doubts, width)
    yield from _listed("Not looked at", told.not_looked_at, width)


def _more(told: Sequence[object]) -> list[str]:
    left = len(told) - SHOWN
    return [f"and {left:,} more, all of them with --format json"] if left > 0 else []


def _listed(title: str, texts: Sequence[str], width: int) -> Iterator[str]:
    if texts:
        yield from _part(title)
        for text in texts:
            yield from _wrapped(text, "  ", "    ", width)


def _decider(one: DeciderSaid) -> str:
    name = one.name if one.name == one.id or one.name.startswith("@") else f"{one.name} ({one.id})"
    return f"{name}, {one.by}{'' if one.called else ', is not called'}{_at(one.where)}"


def _part(title: str) -> Iterator[str]:
    yield ""
    yield title


def _marked(holds: Answer, text: str, where: str, width: int) -> Iterator[str]:
    yield from _wrapped(f"{text}{_at(where)}", f"  {_MARKS[holds]:<4}", "      ", width)


def _at(where: str) -> str:
    return f" ({where})" if where else ""


def _wrapped(text: str, first: str, other: str, width: int) -> Iterator[str]:
    clean = wording.one_line(text, 2000)
    yield from textwrap.wrap(
        clean, width, initial_indent=first, subsequent_indent=other, break_long_words=False, break_on_hyphens=False
    )
