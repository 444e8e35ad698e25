"""The promises, one file each. Every one is safe to keep twice; `worker` sees to it that it is kept at least once.

`lapse_request`, `end_grant` and `remind` have no file: time itself decides them, in `core.lifecycle.settle`, when their hour
has come.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from bot.core.facts import Due, Fact
from bot.core.model import EffectKind
from bot.effects import (
    confirm_key,
    deliver_token,
    hide_token,
    issue_key,
    post_message,
    revoke_key,
    show_message,
    verify_key,
)
from bot.effects.ports import Claim, Ports

SLACK_DEADLINE = timedelta(seconds=10)
TYK_DEADLINE = timedelta(seconds=60)


async def _time_decides(_claim: Claim, _hands: Ports) -> Fact:
    return Due()


PERFORM: Mapping[EffectKind, Callable[[Claim, Ports], Awaitable[Fact]]] = {
    EffectKind.POST_MESSAGE: post_message.perform,
    EffectKind.SHOW_MESSAGE: show_message.perform,
    EffectKind.ISSUE_KEY: issue_key.perform,
    EffectKind.CONFIRM_KEY: confirm_key.perform,
    EffectKind.VERIFY_KEY: verify_key.perform,
    EffectKind.DELIVER_TOKEN: deliver_token.perform,
    EffectKind.HIDE_TOKEN: hide_token.perform,
    EffectKind.REVOKE_KEY: revoke_key.perform,
    EffectKind.LAPSE_REQUEST: _time_decides,
    EffectKind.END_GRANT: _time_decides,
    EffectKind.REMIND: _time_decides,
}

AT_TYK = frozenset({EffectKind.ISSUE_KEY, EffectKind.CONFIRM_KEY, EffectKind.VERIFY_KEY, EffectKind.REVOKE_KEY})


def deadline(kind: EffectKind) -> timedelta:
    """How long an act may take in all; its lease is twice that."""
    return TYK_DEADLINE if kind in AT_TYK else SLACK_DEADLINE
