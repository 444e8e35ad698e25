"""The outbox: promises to act on the outside world, one file each, and one registry of how each is kept.

Every act is safe to do twice; `worker` sees to it that it is done at least once. `lapse_request`, `end_grant` and `remind` have
no file: time itself decides them, in `core.lifecycle.settle`, when their hour has come.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any

from bot.core.draft import NewId
from bot.core.facts import Due, Fact
from bot.core.model import Effect, EffectKind
from bot.effects import (
    background,
    confirm_key,
    deliver_token,
    extend_grant,
    forward_audit,
    hide_token,
    issue_key,
    post_audit,
    post_message,
    reconcile,
    revoke_key,
    show_message,
    sweep_leavers,
    tell_findings,
    tell_outage,
    verify_key,
)
from bot.effects.claim import Claim
from bot.effects.completion import observe
from bot.effects.ports import Ports
from bot.store.transaction import Transaction

SLACK_DEADLINE = show_message.DEADLINE
TYK_DEADLINE = timedelta(seconds=60)


class Place(Enum):
    """The side on which an act acts; each takes only so many at a time."""

    TYK = "tyk"
    SLACK = "slack"
    COLLECTOR = "collector"
    HERE = "here"


@dataclass(frozen=True)
class Act:
    """The way in which one kind of promise is kept.

    `find` asks the database, when it is claimed, for what the act needs. `perform` acts, and may take `deadline` in all; its
    lease is twice that. `complete` stores what it brought back. `method` is Slack's name for what is called, where its limit is
    shared with other acts or other requests.
    """

    perform: Callable[[Claim, Ports], Awaitable[Any]]
    place: Place
    complete: Callable[[Transaction, Claim, Any, NewId], None] = observe
    find: Callable[[Transaction, Effect], Any] | None = None
    method: str = ""

    @property
    def deadline(self) -> timedelta:
        return TYK_DEADLINE if self.place is Place.TYK else SLACK_DEADLINE


async def _time_decides(_claim: Claim, _ports: Ports) -> Fact:
    return Due()


_TIME = Act(_time_decides, Place.HERE)

ACTS: Mapping[EffectKind, Act] = {
    EffectKind.POST_MESSAGE: Act(post_message.perform, Place.SLACK, find=post_message.find),
    EffectKind.SHOW_MESSAGE: Act(
        show_message.perform, Place.SLACK, show_message.complete, background.look, method="chat.update"
    ),
    EffectKind.ISSUE_KEY: Act(issue_key.perform, Place.TYK),
    EffectKind.CONFIRM_KEY: Act(confirm_key.perform, Place.TYK),
    EffectKind.VERIFY_KEY: Act(verify_key.perform, Place.TYK),
    EffectKind.DELIVER_TOKEN: Act(deliver_token.perform, Place.SLACK, method="chat.update"),
    EffectKind.HIDE_TOKEN: Act(hide_token.perform, Place.SLACK, method="chat.delete"),
    EffectKind.EXTEND_GRANT: Act(extend_grant.perform, Place.TYK, extend_grant.complete),
    EffectKind.REVOKE_KEY: Act(revoke_key.perform, Place.TYK),
    EffectKind.POST_AUDIT: Act(post_audit.perform, Place.SLACK, post_audit.complete, post_audit.find),
    EffectKind.SWEEP_LEAVERS: Act(sweep_leavers.perform, Place.SLACK, sweep_leavers.complete, sweep_leavers.find),
    EffectKind.TELL_OUTAGE: Act(tell_outage.perform, Place.SLACK, tell_outage.complete, tell_outage.find),
    EffectKind.RECONCILE: Act(reconcile.perform, Place.TYK, reconcile.complete, reconcile.find),
    EffectKind.TELL_FINDINGS: Act(tell_findings.perform, Place.SLACK, tell_findings.complete, tell_findings.find),
    EffectKind.FORWARD_AUDIT: Act(forward_audit.perform, Place.COLLECTOR, forward_audit.complete, forward_audit.find),
    EffectKind.LAPSE_REQUEST: _TIME,
    EffectKind.END_GRANT: _TIME,
    EffectKind.REMIND: _TIME,
}
