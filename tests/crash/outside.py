"""The outside world of the proofs: a Slack and a Tyk in memory, behind the effects' own two protocols.

They remember everything that was ever done to them, so that a proof can say afterwards what people saw and which keys opened.
Every act passes two fault points, before and after, through `Fates`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.core.audit import Post, Posted
from bot.core.background import Background
from bot.core.deciders import Deciders
from bot.core.facts import Account, Issued, Unhurried
from bot.core.faults import Gone, OutcomeUnknown
from bot.core.model import (
    Approver,
    Effect,
    EffectKind,
    GrantState,
    Identity,
    Key,
    Message,
    MessageKind,
    Person,
    Record,
    RequestState,
    Topic,
)
from bot.core.outages import Outage, Side
from bot.core.reconciliation import Marked, MarkedPage, Told
from bot.pace import Pace

TEAM = "T0"


class Died(BaseException):
    """The process is gone: not an Exception, so that no handler of ours can survive it."""


@dataclass
class Fates:
    """Numbers the fault points as they are passed and strikes at the chosen ones.

    `deaths` are the numbers at which the process dies; `lost` those after-act points at which the answer is lost instead.
    Once it `is_dead` it does nothing more, whatever of it is still there to be awaited.
    """

    deaths: frozenset[int] = frozenset()
    lost: frozenset[int] = frozenset()
    passed: list[str] = field(default_factory=list)
    watch: Callable[[str], None] | None = None
    is_dead: bool = False

    def check(self) -> None:
        if self.is_dead:
            raise Died

    def point(self, name: str, *, answer: bool = False) -> None:
        self.check()
        number = len(self.passed)
        self.passed.append(name)
        if self.watch is not None:
            self.watch(name)
        if number in self.deaths:
            self.is_dead = True
            raise Died(name)
        if answer and number in self.lost:
            raise OutcomeUnknown("answer_lost", name)


class Unpaced(Pace):
    """Nothing has to wait for room: a proof tries everything that can be claimed."""

    def take(self, effect: Effect) -> bool:
        return True

    def kinds(self, wanted: Collection[EffectKind]) -> frozenset[EffectKind]:
        return frozenset(wanted)

    def busy_lanes(self) -> tuple[str, ...]:
        return ()


@dataclass
class Shown:
    """A message as it stands in Slack."""

    channel: str
    ts: str
    kind: MessageKind | None
    text: str
    token: str | None = None
    state: tuple[RequestState, GrantState | None] | None = None
    deleted: bool = False
    topic: Topic | None = None

    def __hash__(self) -> int:
        return hash((self.channel, self.ts))


class Slack:
    def __init__(self, fates: Fates, people: dict[str, Person]) -> None:
        self.fates = fates
        self.people = people
        self.messages: list[Shown] = []
        self.audit: list[int] = []
        self.outages: list[tuple[Outage, datetime | None]] = []
        self.found: list[tuple[Told, ...]] = []
        self.most_tokens_shown = 0
        self._ts = itertools.count(1)

    async def deciders(self, record: Record) -> Deciders:
        return Deciders(record.request.rule.approvals)

    async def post(
        self,
        record: Record,
        message: Message,
        *,
        deciders: Deciders | None = None,
        background: Background | None = None,
        why: str = "",
    ) -> tuple[str, str]:
        self.fates.point(f"before post {message.kind}")
        shown = Shown(
            f"D-{message.target}", str(next(self._ts)), message.kind, record.request.label, topic=message.topic
        )
        self.messages.append(shown)
        self.fates.point(f"after post {message.kind}", answer=True)
        return shown.channel, shown.ts

    async def show(
        self,
        record: Record,
        message: Message,
        *,
        stuck: bool,
        late: Side | None,
        deciders: Deciders | None = None,
        background: Background | None = None,
    ) -> None:
        self.fates.point(f"before show {message.kind}")
        shown = self.find(message.channel, message.ts)
        shown.state = (record.request.state, record.grant.state if record.grant else None)
        self.fates.point(f"after show {message.kind}", answer=True)

    async def show_token(self, record: Record, key: Key, token: str, message: Message, until: datetime) -> None:
        self.fates.point("before show_token")
        self.find(message.channel, message.ts).token = token
        self.most_tokens_shown = max(self.most_tokens_shown, len(self.tokens()))
        self.fates.point("after show_token", answer=True)

    async def delete(self, channel: str, ts: str) -> None:
        self.fates.point("before delete")
        for shown in self.messages:
            if (shown.channel, shown.ts) == (channel, ts):
                shown.deleted = True
        self.fates.point("after delete", answer=True)

    async def post_audit(self, channel: str, post: Post) -> Posted:
        self.fates.point("before post_audit")
        self.audit.extend(entry.number for entry in post.reading.entries)
        self.fates.point("after post_audit", answer=True)
        ts = None if post.thread else f"audit-{len(self.audit)}"
        return Posted(len(post.reading.entries), ts)

    async def tell_outage(self, outage: Outage, *, over_at: datetime | None) -> None:
        self.fates.point("before tell_outage")
        self.outages.append((outage, over_at))
        self.fates.point("after tell_outage", answer=True)

    async def tell_findings(self, told: Sequence[Told], more: int) -> None:
        self.fates.point("before tell_findings")
        self.found.append(tuple(told))
        self.fates.point("after tell_findings", answer=True)

    def unhurried(self) -> Unhurried:
        return Unhurried(10, 0.0)

    async def account(self, who: Identity) -> Account:
        return Account("Their Slack account is deactivated." if self.people[who.user_id].deleted else None)

    async def person(self, record: Record) -> Person:
        return self.people[record.request.requester.user_id]

    async def approvers(self, record: Record) -> tuple[Approver, ...]:
        return tuple(Approver(self.people[one.reviewer.user_id]) for one in record.reviews)

    def tokens(self) -> list[str]:
        return [shown.token for shown in self.messages if shown.token and not shown.deleted]

    def find(self, channel: str | None, ts: str | None) -> Shown:
        for shown in self.messages:
            if (shown.channel, shown.ts) == (channel, ts) and not shown.deleted:
                return shown
        raise Gone("message_not_found")


@dataclass
class TykKey:
    token: str = field(repr=False)
    key_hash: str
    expires_at: datetime | None
    deleted: bool = False
    bears: tuple[str, str] = ("", "")
    altered: str = ""


class Tyk:
    """`now` is the same clock as the store's."""

    def __init__(self, fates: Fates, now: Callable[[], datetime], *, names_by_token: bool = False) -> None:
        self.fates = fates
        self.now = now
        self.names_by_token = names_by_token
        self.keys: list[TykKey] = []

    async def check(self, record: Record) -> None:
        self.fates.point("before check")

    async def issue(self, record: Record, key: Key, expires_at: datetime) -> Issued:
        self.fates.point("before issue")
        number = len(self.keys)
        made = TykKey(f"token-{number}", f"hash-{number}", expires_at, bears=(record.request.label, key.id))
        self.keys.append(made)
        self.fates.point("after issue", answer=True)
        return Issued(made.token, made.key_hash, expires_at)

    async def confirm(self, record: Record, key: Key, name: str) -> None:
        self.fates.point("before confirm")
        assert record.grant is not None
        self._find(name).expires_at = record.grant.until
        self.fates.point("after confirm", answer=True)

    async def differs(self, record: Record, key: Key, name: str, proving: Sequence[str]) -> str | None:
        self.fates.point("before verify")
        assert record.grant is not None
        held = self._find(name)
        self.fates.point("after verify", answer=True)
        return held.altered or (None if held.expires_at == record.grant.until else "another end")

    async def marked(self, page: int) -> MarkedPage:
        """One key a page, so that the list takes as many calls as it has keys."""
        self.fates.point("before list")
        listed = [key for key in self.keys if not key.deleted]
        some = [Marked(*key.bears, key.key_hash, key.expires_at) for key in listed[page - 1 : page]]
        self.fates.point("after list", answer=True)
        return MarkedPage(tuple(some), is_last=page >= len(listed))

    async def end(self, marked: Marked) -> None:
        await self.revoke(marked.key_hash, ())

    async def revoke(self, name: str, proving: Sequence[str]) -> None:
        self.fates.point("before revoke")
        for key in self.keys:
            if name in (key.key_hash, key.token):
                key.deleted = True
        self.fates.point("after revoke", answer=True)

    async def revoke_by_hash(self, key_hash: str, proving: Sequence[str]) -> None:
        await self.revoke(key_hash, proving)

    def open_keys(self) -> list[TykKey]:
        """The keys that open something at this moment."""
        return [key for key in self.keys if not key.deleted and (key.expires_at is None or key.expires_at > self.now())]

    def _find(self, name: str) -> TykKey:
        for key in self.keys:
            if name in (key.key_hash, key.token) and not key.deleted:
                return key
        raise Gone("key_unknown")


def person(user_id: str, *groups: str) -> Person:
    return Person(Identity(TEAM, user_id), user_id.title(), groups=frozenset(groups))
