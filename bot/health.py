"""The health of the bot: whether Slack still takes its token, and what `/readyz` and the metrics say."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from bot import metrics, version
from bot.core import outages
from bot.core.faults import Fault
from bot.core.in_force import InForce
from bot.core.model import EffectState
from bot.core.outages import SLACK_TOKEN
from bot.slack.client import PreflightError, preflight
from bot.store import troubles
from bot.store.store import Store, Transaction, User
from bot.store.troubles import Standing, Trouble

log = structlog.get_logger(__name__)

ASK_FOR_TOKEN_EVERY = 30.0


class TokenRefusedError(PreflightError):
    """Slack does not accept the bot token any more: nobody can be answered, so the supervisor and its people must know."""


class TokenWatch:
    """Asks Slack now and then whether it still accepts the bot token, and at once where that is `doubted`.

    A socket that stands proves nothing: it goes on delivering clicks that nobody can answer.
    """

    def __init__(self, client: AsyncWebClient, doubted: asyncio.Event) -> None:
        self.refused = ""
        self._client = client
        self._doubted = doubted

    async def watch(self) -> None:
        """Raises TokenRefusedError as soon as Slack says no. That Slack cannot be asked says nothing of the token."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(ASK_FOR_TOKEN_EVERY):
                    await self._doubted.wait()
            self._doubted.clear()
            with suppress(Fault):
                await self._ask()

    async def _ask(self) -> None:
        try:
            await preflight(self._client, None, frozenset())
        except PreflightError as error:
            self.refused = f"{error} {SLACK_TOKEN.sentence}"
            log.error("slack.token_refused", what=self.refused)  # noqa: TRY400 - what to do is in the sentence
            raise TokenRefusedError(self.refused) from None


class Health:
    """The answer of /readyz: the database, the connection to Slack, counts of due and parked, and what cannot be done."""

    def __init__(
        self, store: Store, is_connected: Callable[[], Awaitable[bool]], token: TokenWatch, in_force: InForce
    ) -> None:
        self._store = store
        self._is_connected = is_connected
        self._token = token
        self._in_force = in_force

    async def readiness(self) -> Mapping[str, object]:
        """The readiness: a bot that can answer nobody is not ready; one without Tyk takes requests and says what fails."""
        build = {"version": version.VERSION, "revision": version.REVISION, "digest": self._in_force.current.digest}
        metrics.BUILD.info(build)
        slack = await self._is_connected() and not self._token.refused
        try:
            seen = await self._store.read(Seen.of, User.READINESS)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the database, the answer is "not ready"
            cannot = [*self._of_slack(slack=slack), "The database doesn't answer: nothing can be taken or kept."]
            return {
                "ready": False,
                "slack": slack,
                "database": False,
                "why": type(error).__name__,
                "cannot": cannot,
                **build,
            }
        seen.count()
        cannot = [*self._of_slack(slack=slack), *seen.cannot()]
        verdict = {"ready": slack, "slack": slack, "database": True}
        return {**verdict, **seen.backlog, "late": seen.late(), "cannot": cannot, **build}

    def _of_slack(self, *, slack: bool) -> list[str]:
        if self._token.refused:
            return [self._token.refused]
        return [] if slack else ["There is no connection to Slack: nobody can be heard or answered."]


@dataclass(frozen=True)
class Seen:
    """The backlog and its troubles, as they are read in one transaction, each counted by an index."""

    backlog: Mapping[str, int]
    troubles: Sequence[Trouble]
    outages: Sequence[Standing]
    now: datetime

    @classmethod
    def of(cls, tx: Transaction) -> Seen:
        standing = tuple(one for one in troubles.standing(tx) if one.over_at is None)
        return cls(tx.backlog(), troubles.counted(tx), standing, tx.now)

    def late(self) -> int:
        """Promises that failed and are tried again."""
        return sum(one.many for one in self.troubles if one.state is EffectState.OPEN)

    def cannot(self) -> list[str]:
        """A sentence for each thing that is not done until somebody acts, with what to do."""
        named = [outages.named(one.cause, one.since) for one in self.outages]
        said = [outage.cause.sentence for outage in named if outage.cause.name in outages.TYK_REFUSES]
        sealed = any(one.error == outages.SEAL_LOST for one in self.troubles)
        return [*said, *([outages.SEALED] if sealed else [])]

    def count(self) -> None:
        """Set the metrics to the troubles of now, and forget those that are over."""
        for state, number in self.backlog.items():
            metrics.EFFECTS_WAITING.labels(state).set(number)
        for gauge in (metrics.EFFECTS_FAILING, metrics.EFFECTS_PARKED, metrics.OUTAGES):
            gauge.clear()
        for one in self.troubles:
            gauge = metrics.EFFECTS_PARKED if one.state is EffectState.PARKED else metrics.EFFECTS_FAILING
            gauge.labels(one.kind, one.error).set(one.many)
        for outage in self.outages:
            metrics.OUTAGES.labels(outage.cause.partition(" ")[0]).inc()
        since = [one.since for one in self.troubles if one.since and one.state is EffectState.OPEN]
        metrics.FAILING_SECONDS.set((self.now - min(since)).total_seconds() if since else 0)
