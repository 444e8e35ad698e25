"""The ports through which effects reach Slack, Tyk, the collectors of the audit, and the seal of tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Protocol

from bot.core.audit import Post, Posted
from bot.core.background import Background
from bot.core.chain import Line
from bot.core.deciders import Deciders
from bot.core.facts import Account, Issued, Unhurried
from bot.core.in_force import InForce
from bot.core.model import Approver, Identity, Key, Message, Person, Record
from bot.core.outages import Outage, Side
from bot.core.reconciliation import MarkedPage, Told

SOME_APIS = 3


class SlackPort(Protocol):
    """Every method raises a `bot.core.faults.Fault`, told by what it means, and nothing else."""

    async def deciders(self, record: Record) -> Deciders:
        """Those who may decide what waits, as Slack knows them now."""
        ...

    async def post(
        self,
        record: Record,
        message: Message,
        *,
        deciders: Deciders | None = None,
        background: Background | None = None,
        why: str = "",
    ) -> tuple[str, str]:
        """Post what cannot become false; a card tells of the `background`, an alert says `why`. Returns the channel and ts."""
        ...

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
        """Edit the message so that it shows the record as it is; `late` is the side for which something is late."""
        ...

    async def show_token(self, record: Record, key: Key, token: str, message: Message, until: datetime) -> None:
        """Put the token into the message that announced it; it says that it goes at `until`."""
        ...

    async def delete(self, channel: str, ts: str) -> None:
        """Delete a message; one that is gone already counts as deleted."""
        ...

    async def post_audit(self, channel: str, post: Post) -> Posted:
        """Post as many of the leading rows as fit one message."""
        ...

    async def tell_outage(self, outage: Outage, *, over_at: datetime | None) -> None:
        """Tell the help channel what fails, or that it is over."""
        ...

    def unhurried(self) -> Unhurried:
        """The room that Slack's limits leave for looking people up."""
        ...

    async def tell_findings(self, told: Sequence[Told], more: int) -> None:
        """Tell the help channel what was found of keys beside what Tyk has; `more` findings are not named."""
        ...

    async def account(self, who: Identity) -> Account:
        """Somebody's account, and whether they may still use the bot, in words for others."""
        ...

    async def person(self, record: Record) -> Person:
        """The requester, as Slack has them now. Raises Refusal where they may not use the bot at all."""
        ...

    async def approvers(self, record: Record) -> tuple[Approver, ...]:
        """Everybody whose approval counts so far, as Slack has them now."""
        ...


class TykPort(Protocol):
    """A key is named to Tyk by its token or by its hash; `names_by_token` says which, and so what must be kept."""

    names_by_token: bool

    async def check(self, record: Record) -> None:
        """Compare what a key of this request needs with what Tyk has. Raises as `issue` does."""
        ...

    async def issue(self, record: Record, key: Key, expires_at: datetime) -> Issued:
        """Make a key on probation. Raises Permanent where Tyk's own data forbid it, Refusal where they are not what was shown."""
        ...

    async def confirm(self, record: Record, key: Key, name: str) -> None:
        """Give the key its final expiry and the plan's Tyk policies. Raises Gone where Tyk does not know it."""
        ...

    async def differs(self, record: Record, key: Key, name: str, proving: Sequence[str]) -> str | None:
        """The difference between what Tyk holds and what was granted, in words; None where they agree. Raises Gone, and Transient
        where Tyk knows neither the key nor any of the APIs that are `proving` it to be the Tyk that made the key."""
        ...

    async def marked(self, page: int) -> MarkedPage | None:
        """The keys that bear our mark on a page of Tyk's list, the first is 1; None where it gives no list."""
        ...

    async def revoke(self, name: str, proving: Sequence[str]) -> None:
        """Delete the key and see that it is gone. Raises Transient as `differs` does; nothing is to be proved by no APIs."""
        ...

    async def revoke_by_hash(self, key_hash: str, proving: Sequence[str]) -> None:
        """The same for a key that goes by a token which is lost. Raises Permanent where Tyk does not take its hash."""
        ...


class CollectorPort(Protocol):
    """A place outside where rows of the audit go."""

    async def send(self, rows: Sequence[Line]) -> int:
        """Send as many of the leading ones as it takes at once, in order. Returns how many. Raises a Fault; some of the rows may
        be there then."""
        ...


class Sealer(Protocol):
    def close(self, token: str) -> bytes: ...

    def open(self, sealed: bytes) -> str: ...


@dataclass(frozen=True)
class Ports:
    """Everything an effect may touch while it acts. `collectors` go by the subjects of the effects that send to them. A command
    has no rules in force: `api_ids` are some of those that the bot has."""

    slack: SlackPort
    tyk: TykPort
    seal: Sealer
    in_force: InForce
    collectors: Mapping[str, CollectorPort] = field(default_factory=dict)
    api_ids: Sequence[str] = ()

    def proving(self, record: Record) -> Sequence[str]:
        """The APIs by which Tyk is known to be the one that made the record's keys: those that the keys open, and some others,
        where those are gone there."""
        own = (record.request.rule.api, *record.request.plan.also_opens)
        in_force = (rule.api.api_id for rule in self.in_force.current.rules.values())
        return tuple(dict.fromkeys([*(api.api_id for api in own), *islice(in_force, SOME_APIS), *self.api_ids]))

    def name_of(self, key: Key) -> str:
        """The key's name at Tyk: its hash or its token. Raises SealLost where that is a token which no seal key opens."""
        if not self.tyk.names_by_token:
            assert key.key_hash is not None, "a key that was recorded has its hash"
            return key.key_hash
        return self.token_of(key)

    def token_of(self, key: Key) -> str:
        assert key.sealed is not None, "the token is kept for as long as it is needed"
        return self.seal.open(key.sealed)
