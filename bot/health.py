"""The health of the bot: whether Slack still takes its token, and what `/readyz` and the metrics say."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from bot import metrics, version
from bot.core import outages
from bot.core.faults import Fault
from bot.core.in_force import InForce
from bot.core.model import AuditEvent, EffectKind, EffectState
from bot.core.outages import Outage
from bot.database_watch import WRONG
from bot.effects.reconcile import RECONCILED_AT
from bot.effects.sweep_leavers import SWEPT_AT
from bot.slack.client import PreflightError, TokenRefusedError, preflight
from bot.store import figures, ledger, outbox, troubles
from bot.store.engine import what_to_do
from bot.store.figures import Living, Unposted, Waiting
from bot.store.seal import Seal
from bot.store.store import Store, Transaction, User
from bot.store.troubles import Standing, Trouble

log = structlog.get_logger(__name__)

ASK_FOR_TOKEN_EVERY = 30.0
COUNT_EVERY = 60.0
TRY_SEAL_EVERY = 3600.0
MOST_ERRORS = 50
"""So many codes of errors have a metric of their own; what the others are is in the log."""

OTHER = "other"
OUTCOMES = {
    event: event.value
    for event in (
        AuditEvent.ASKED,
        AuditEvent.APPROVED,
        AuditEvent.DENIED,
        AuditEvent.WITHDRAWN,
        AuditEvent.LAPSED,
    )
}
"""What becomes of a request, by the audit's event."""


class TokenWatch:
    """Asks Slack now and then whether it still accepts the bot token, and at once where that is `doubted`.

    A socket that stands proves nothing: it goes on delivering clicks that nobody can answer.
    """

    def __init__(
        self,
        client: AsyncWebClient,
        doubted: asyncio.Event,
        on_time: Callable[[datetime], Awaitable[None]] | None = None,
    ) -> None:
        self.refused = ""
        self._on_time = on_time
        self._client = client
        self._doubted = doubted

    async def watch(self) -> None:
        """Raises TokenRefusedError as soon as Slack says no. That Slack cannot be asked, that it says something else or that
        another one answers says nothing of the token."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(ASK_FOR_TOKEN_EVERY):
                    await self._doubted.wait()
            self._doubted.clear()
            try:
                await self._ask()
            except TokenRefusedError:
                raise
            except PreflightError as error:
                log.warning("slack.token_unseen", what=str(error))
            except Fault:
                pass

    async def _ask(self) -> None:
        try:
            at = (await preflight(self._client, None, frozenset())).at
        except TokenRefusedError as error:
            self.refused = str(error)
            log.error("slack.token_refused", what=self.refused)  # noqa: TRY400 - what to do is in the sentence
            raise
        if at is not None and self._on_time is not None:
            await self._on_time(at)


class Health:
    """The answer of /readyz: the database, the connection to Slack, counts of due and parked, and what cannot be done."""

    def __init__(
        self,
        store: Store,
        is_connected: Callable[[], Awaitable[bool]],
        token: TokenWatch,
        in_force: InForce,
        complaints: Callable[[], Sequence[str]] = tuple,
        unstored: Callable[[], str] = str,
    ) -> None:
        self._store = store
        self._complaints = complaints
        self._unstored = unstored
        self._is_connected = is_connected
        self._token = token
        self._in_force = in_force

    async def readiness(self) -> Mapping[str, object]:
        """The readiness: a bot that can answer nobody is not ready; one without Tyk takes requests and says what fails.

        A signing secret that seems wrong is said and changes nothing else: whoever is not ready is sent nothing any more, neither
        the request that would show that the secret fits, so that a stranger's wrong ones could shut the bot off."""
        build = {"version": version.VERSION, "revision": version.REVISION, "digest": self._in_force.current.digest}
        metrics.BUILD.info(build)
        slack = await self._is_connected() and not self._token.refused
        metrics.SLACK_UP.set(slack)
        try:
            seen = await self._store.read(partial(Seen.of, channel=self._store.audit_channel or ""), User.READINESS)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the database, the answer is "not ready"
            said = self._unstored() or f"{WRONG} {what_to_do(error)}"
            return self._without_database(said, slack=slack) | {"why": type(error).__name__, **build}
        seen.count()
        if said := self._unstored():
            return self._without_database(said, slack=slack, more=seen.cannot()) | build
        cannot = [*self._of_slack(slack=slack), *seen.cannot(), *self._complaints()]
        verdict = {"ready": slack, "slack": slack, "database": True}
        return {**verdict, **seen.backlog, "late": seen.late(), "cannot": cannot, **build}

    def _without_database(self, said: str, *, slack: bool, more: Sequence[str] = ()) -> dict[str, object]:
        cannot = [*self._of_slack(slack=slack), said, *more, *self._complaints()]
        return {"ready": False, "slack": slack, "database": False, "cannot": cannot}

    def _of_slack(self, *, slack: bool) -> list[str]:
        if self._token.refused:
            return [self._token.refused]
        return [] if slack else ["There is no connection to Slack: nobody can be heard or answered."]


@dataclass(frozen=True)
class Seen:
    """The backlog and its troubles, as they are read in one transaction, each counted by an index; what is not in the audit
    `channel` yet; and when a sweep and a comparison with Tyk were last done with."""

    backlog: Mapping[str, int]
    troubles: Sequence[Trouble]
    outages: Sequence[Standing]
    now: datetime
    unposted: Unposted
    swept_at: float
    reconciled_at: float

    @classmethod
    def of(cls, tx: Transaction, channel: str) -> Seen:
        standing = tuple(one for one in troubles.standing(tx) if one.over_at is None)
        swept_at, reconciled_at = (tx.remembered(name) or 0.0 for name in (SWEPT_AT, RECONCILED_AT))
        unposted = figures.unposted(tx, channel)
        return cls(outbox.backlog(tx), troubles.counted(tx), standing, tx.now, unposted, swept_at, reconciled_at)

    def late(self) -> int:
        """Promises that failed and are tried again."""
        return sum(one.many for one in self.troubles if one.state is EffectState.OPEN)

    def cannot(self) -> list[str]:
        """A sentence for each thing that is not done, with what to do: what the help channel was told of and is not over."""
        named = [outages.named(one.cause, one.since) for one in self.outages]
        said = [one.said for one in named if one.cause is not outages.SLACK_TOKEN]  # which has its own watch and words
        sealed = any(one.error == outages.SEAL_LOST for one in self.troubles)
        return [*said, *([outages.SEALED] if sealed else []), *dict.fromkeys(self._unheard())]

    def _unheard(self) -> Iterator[str]:
        """The reasons for which the help channel hears of nothing: it is where everything else is told."""
        for one in self.troubles:
            if one.kind == EffectKind.TELL_OUTAGE and one.since is not None and one.state is EffectState.OPEN:
                cause = outages.cause_of(EffectKind.TELL_OUTAGE, one.error)
                if Outage(cause, "", one.since).is_told(self.now):
                    yield f"I can't post in the help channel. {cause.sentence}"

    def count(self) -> None:
        """Set the metrics to the troubles of now, and forget those that are over."""
        for state, number in self.backlog.items():
            metrics.EFFECTS_WAITING.labels(state).set(number)
        for gauge in (metrics.EFFECTS_FAILING, metrics.EFFECTS_PARKED, metrics.OUTAGES):
            gauge.clear()
        for number, one in enumerate(sorted(self.troubles, key=lambda one: -one.many)):
            gauge = metrics.EFFECTS_PARKED if one.state is EffectState.PARKED else metrics.EFFECTS_FAILING
            gauge.labels(one.kind, one.error if number < MOST_ERRORS else OTHER).inc(one.many)
        for outage in self.outages:
            metrics.OUTAGES.labels(outage.cause.partition(" ")[0]).inc()
        failing = [one.since for one in self.troubles if one.since and one.state is EffectState.OPEN]
        metrics.FAILING_SECONDS.set((self.now - min(failing)).total_seconds() if failing else 0)
        metrics.AUDIT_UNPOSTED.set(self.unposted.many)
        since = self.unposted.since
        metrics.AUDIT_OLDEST_UNPOSTED.set(math.nan if since is None else since.timestamp())
        metrics.LAST_SWEEP.set(self.swept_at)
        metrics.LAST_RECONCILE.set(self.reconciled_at)


def count_outcomes(tx: Transaction) -> None:
    """Count what became of requests in a transaction that is stored."""
    for event, api in tx.told:
        if event in OUTCOMES and api is not None:
            metrics.REQUESTS.labels(api, OUTCOMES[event]).inc()


class Census:
    """Counts now and then what is too much to count whenever somebody asks for the metrics: what waits, keys, sealed tokens."""

    def __init__(self, store: Store, seal: Seal) -> None:
        self._store = store
        self._seal = seal
        self._try_seal_at = time.monotonic() + TRY_SEAL_EVERY
        self.lost: tuple[str, ...] = ()
        """What cannot be opened, a sentence each; whoever tells people of it is told by `on_lost` when it is looked at again."""
        self.on_lost: Callable[[tuple[str, ...]], None] = lambda _: None

    async def watch(self) -> None:
        """Count until cancelled."""
        while True:
            try:
                await self.take()
                if time.monotonic() >= self._try_seal_at:
                    await self.try_seal()
            except Exception as error:  # noqa: BLE001 - a database that is away is told of by /readyz; there is another time
                log.warning("census.failed", error=type(error).__name__)
            await asyncio.sleep(COUNT_EVERY)

    async def take(self) -> None:
        waiting, living = await self._store.read(_counted, User.WORKER)
        for gauge in (metrics.REQUESTS_WAITING, metrics.OLDEST_WAITING, metrics.KEYS_LIVING, metrics.KEYS_PAST_END):
            gauge.clear()
        for queue in waiting:
            metrics.REQUESTS_WAITING.labels(queue.api).set(queue.many)
            metrics.OLDEST_WAITING.labels(queue.api).set(queue.since.timestamp())
        for keys in living:
            metrics.KEYS_LIVING.labels(keys.api).set(keys.many)
            metrics.KEYS_PAST_END.labels(keys.api).set(keys.past_end)

    async def try_seal(self) -> None:
        """A seal key that was put away too soon is noticed when its tokens are needed, unless it is noticed before."""
        self._try_seal_at = time.monotonic() + TRY_SEAL_EVERY
        lost = await self._store.read(lambda tx: ledger.lost_tokens(tx, self._seal), User.WORKER)
        metrics.SEALED_TOKENS_LOST.set(lost.tokens)
        self.lost = (lost.sentence,) if lost else ()
        self.on_lost(self.lost)
        if lost:
            log.warning("seal.lost", tokens=lost.tokens, what=lost.sentence)


def _counted(tx: Transaction) -> tuple[tuple[Waiting, ...], tuple[Living, ...]]:
    return figures.waiting(tx), figures.living(tx)
