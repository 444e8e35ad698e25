"""The people and the rule of the core's tests, and one request lived through with its promises kept as the store keeps them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.core import facts, lifecycle
from bot.core.lifecycle import Asked, Loss
from bot.core.model import (
    Answers,
    ApiRef,
    Audience,
    AuditEvent,
    AuditLine,
    Effect,
    EffectKind,
    EffectState,
    Grant,
    GrantState,
    Identity,
    Key,
    Lifetime,
    Limits,
    Message,
    MessageKind,
    Person,
    Plan,
    Record,
    RequestId,
    Rule,
    Topic,
    Transition,
    Verdict,
)
from bot.core.timing import HOLDER_FIRST

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PAYMENTS = Rule(
    name="payments",
    api=ApiRef("5f1c", "payments", ("Default",)),
    title="Payments",
    description="",
    docs=None,
    listen_path="/payments/",
    auth_header="Authorization",
    gateway_url="https://api.example.com",
    requesters=Audience(groups=frozenset({"S0DEVS"})),
    approvals=2,
    approvers=Audience(groups=frozenset({"S0LEADS"}), users=frozenset({"UDAVE"})),
    approvals_channel="C0APPROVE",
    plans=(Plan("standard", Limits(100, 1, -1, 60)),),
    lifetimes=(7 * DAY, None),
    reason_required=True,
    lapses_after=7 * DAY,
    hide_token_after=DAY,
)


def person(name: str, *groups: str) -> Person:
    return Person(Identity("T0", f"U{name.upper()}"), name, groups=frozenset(groups))


ALICE = person("alice", "S0DEVS", "S0LEADS")
BOB, CAROL, DAVE = person("bob", "S0LEADS"), person("carol", "S0LEADS"), person("dave")
MALLORY = person("mallory", "S0DEVS")


class Ids:
    """New ids, one after the other."""

    def __init__(self, name: str = "id") -> None:
        self._name = name
        self._numbers = itertools.count()

    def __call__(self) -> str:
        return f"{self._name}-{next(self._numbers)}"


LATER = Ids("later")


def asked(rule: Rule = PAYMENTS, lifetime: timedelta | None = 7 * DAY, ids: Ids | None = None) -> Transition:
    form = Asked(RequestId("r"), rule.plans[0], lifetime, Answers(reason="because"))
    return lifecycle.submit(form, ALICE, rule, "digest", 1001, NOW, ids or Ids())


def say(record: Record, who: Person, verdict: Verdict = Verdict.YES, rule: Rule | None = PAYMENTS) -> Transition:
    return lifecycle.review(record, rule, who, verdict, "no budget", NOW, LATER)


def approved() -> Record:
    return say(say(asked().record, BOB).record, CAROL).record


def kinds(step: Transition) -> set[EffectKind]:
    return {promise.kind for promise in step.promises}


HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
EVERY = 90 * DAY
ENOUGH = 200
GONE = facts.Left("Their Slack account is deactivated.")
ASKED = EVERY + HOLDER_FIRST
"""After so long the approvers are asked whether it is still needed, where the holder has not answered."""
REVIEWED = replace(PAYMENTS, approvals=1, lifetimes=(None,), review_every=EVERY)


class Life:
    """One request lived through.

    `open` is the store's table: each promise that stands, and when it falls due. `calls` are the posts and edits that Slack saw.
    """

    def __init__(self, rule: Rule = PAYMENTS, lifetime: Lifetime = 7 * DAY, used_by: str = "") -> None:
        self.rule = replace(rule, lifetimes=(*rule.lifetimes, lifetime))
        self.now = NOW
        self.open: dict[tuple[EffectKind, str], datetime] = {}
        self.audit: list[AuditLine] = []
        self.calls: list[tuple[EffectKind, MessageKind]] = []
        self.new_id = Ids()
        form = Asked(RequestId("r"), rule.plans[0], lifetime, Answers(used_by, "because"))
        submitted = lifecycle.submit(form, ALICE, self.rule, "digest", 1001, NOW, self.new_id)
        self.record = submitted.record
        self.keep(submitted)

    @property
    def grant(self) -> Grant:
        assert self.record.grant is not None
        return self.record.grant

    def ended(self) -> bool:
        return self.grant.state is GrantState.ENDED

    def keep(self, step: Transition | None) -> None:
        """A promise that stands already is only ever brought forward."""
        if step is None:
            return
        self.record = step.record
        self.audit += step.audit
        for drop in step.drops:
            self.open.pop(drop, None)
        for promise in step.promises:
            place = (promise.kind, promise.subject_id)
            self.open[place] = min(self.open.get(place, promise.due_at), promise.due_at)

    def settle(self) -> None:
        self.keep(lifecycle.settle(self.record, self.now, self.new_id))

    def sees(self, fact: facts.Fact) -> None:
        self.settle()
        self.keep(lifecycle.observe(self.record, fact, self.now, self.new_id))

    def says(self, who: Person, verdict: Verdict = Verdict.YES) -> None:
        self.settle()
        self.keep(lifecycle.review(self.record, self.rule, who, verdict, "no budget", self.now, self.new_id))

    def replaces(self, loss: Loss, who: Person = ALICE, rule: Rule | None = None) -> None:
        self.settle()
        step = lifecycle.replace_token(self.record, rule or self.rule, who, loss, self.now, self.new_id)
        self.keep(step)

    def renews(self, who: Person = BOB) -> None:
        self.settle()
        self.keep(lifecycle.renew(self.record, self.rule, who, self.now, self.new_id))

    def uses(self, who: Person = ALICE) -> None:
        self.settle()
        self.keep(lifecycle.in_use(self.record, who, self.now, self.new_id))

    def saves(self, key: Key) -> None:
        self.keep(lifecycle.hide(self.record, ALICE.identity, key.id, self.now, self.new_id))

    def due(self) -> list[tuple[EffectKind, str]]:
        """What could be claimed now, the longest due first."""
        ready = [place for place, at in self.open.items() if at <= self.now]
        return sorted(ready, key=lambda place: (self.open[place], place))

    def works(self, *, but: frozenset[EffectKind] = frozenset()) -> None:
        """All that is due is done, as the worker does it, but for the kinds that fail today."""
        for _ in range(ENOUGH):
            todo = [place for place in self.due() if place[0] not in but]
            if not todo:
                return
            self.act(todo[0])
        raise AssertionError(f"promised without end: {self.due()}")

    def act(self, place: tuple[EffectKind, str]) -> None:
        kind, subject = place
        self.settle()
        if place not in self.open:
            return
        effect = Effect(1, kind, subject, RequestId("r"), self.open[place], EffectState.OPEN, 1, 0)
        if not lifecycle.matters(self.record, effect):
            del self.open[place]
            return
        self.keep(lifecycle.claim(self.record, effect, self.now, self.new_id))
        fact = self.came_back(kind, subject)
        del self.open[place]
        self.keep(lifecycle.observe(self.record, fact, self.now, self.new_id))

    def tries(self, place: tuple[EffectKind, str]) -> None:
        """An act that does not succeed today: what claiming it promises stands."""
        effect = Effect(1, *place, RequestId("r"), self.open[place], EffectState.OPEN, 1, 0)
        self.keep(lifecycle.claim(self.record, effect, self.now, self.new_id))

    def came_back(self, kind: EffectKind, subject: str) -> facts.Fact:
        message, key = self.record.message(subject), self.record.key(subject)
        version = self.record.request.version
        if message is not None:
            self.calls.append((kind, message.kind))
            if kind is EffectKind.POST_MESSAGE:
                return facts.MessagePosted(message.id, "C1", f"1.{message.id}", version)
            return facts.MessageShown(message.id, version)
        if key is None:
            return facts.Due()
        until = self.grant.until
        about: dict[EffectKind, facts.Fact] = {
            EffectKind.ISSUE_KEY: facts.KeyIssued(key.id, key.id, b"sealed", self.now + lifecycle.PROBATION),
            EffectKind.CONFIRM_KEY: facts.KeyConfirmed(key.id, until),
            EffectKind.VERIFY_KEY: facts.KeyVerified(key.id),
            EffectKind.DELIVER_TOKEN: facts.TokenShown(key.id),
            EffectKind.HIDE_TOKEN: facts.TokenHidden(key.id, keep_sealed=True),
            EffectKind.REVOKE_KEY: facts.KeyDead(key.id),
        }
        return about[kind]

    def passes(self, length: timedelta) -> None:
        """The bot is there all the time: it wakes for each promise when that falls due."""
        until = self.now + length
        while self.open and (soonest := min(self.open.values())) <= until:
            self.now = max(self.now, soonest)
            self.works()
        self.now = until

    def is_away(self, length: timedelta) -> None:
        """The bot is off, and then keeps what is due."""
        self.now += length
        self.works()

    def of(self, kind: MessageKind) -> Message:
        """The last message of this kind."""
        return [message for message in self.record.messages if message.kind is kind][-1]

    def edits(self, kind: MessageKind) -> int:
        return self.calls.count((EffectKind.SHOW_MESSAGE, kind))

    def shows(self, kind: MessageKind) -> datetime | None:
        """When the message of this kind is to be edited next."""
        return self.open.get((EffectKind.SHOW_MESSAGE, self.of(kind).id))

    def topics(self, kind: MessageKind) -> list[Topic | None]:
        return [message.topic for message in self.record.messages if message.kind is kind]

    def events(self, event: AuditEvent) -> list[AuditLine]:
        return [line for line in self.audit if line.event is event]

    def reminded(self) -> list[str]:
        return [line.details["of"] for line in self.events(AuditEvent.REMINDED)]

    def last_message(self) -> Message:
        return self.record.messages[-1]


def held(rule: Rule = PAYMENTS, lifetime: Lifetime = 7 * DAY, used_by: str = "") -> Life:
    """Alice has her token and has saved it."""
    life = on_show(rule, lifetime, used_by)
    life.saves(life.record.keys[0])
    life.works()
    return life


def on_show(rule: Rule = PAYMENTS, lifetime: Lifetime = 7 * DAY, used_by: str = "") -> Life:
    """Alice's token is in its message."""
    life = Life(rule, lifetime, used_by)
    life.works()
    for approver in (BOB, CAROL)[: rule.approvals]:
        life.says(approver)
    life.works()
    assert life.record.keys[0].shown_at is not None
    return life


def ended() -> Life:
    life = held()
    life.passes(7 * DAY)
    return life


def issuing() -> Life:
    life = Life()
    life.says(BOB)
    life.says(CAROL)
    return life


def under_way() -> Life:
    life = held()
    life.replaces(Loss.LOST)
    return life
