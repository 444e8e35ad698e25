"""Urgency of promises where not all can be kept at once: what a person waits for goes before what nobody looks at."""

from __future__ import annotations

from enum import IntEnum

from bot.core.model import EffectKind, Message, MessageKind


class Urgency(IntEnum):
    """The lower, the sooner."""

    TOKEN = 0
    VISIBLE = 1
    LATER = 2
    RECORD = 3


_BY_KIND = {
    EffectKind.ISSUE_KEY: Urgency.TOKEN,
    EffectKind.CONFIRM_KEY: Urgency.TOKEN,
    EffectKind.EXTEND_GRANT: Urgency.TOKEN,
    EffectKind.DELIVER_TOKEN: Urgency.TOKEN,
    EffectKind.HIDE_TOKEN: Urgency.TOKEN,
    EffectKind.REVOKE_KEY: Urgency.TOKEN,
    EffectKind.POST_MESSAGE: Urgency.VISIBLE,
    EffectKind.SHOW_MESSAGE: Urgency.LATER,
    EffectKind.POST_AUDIT: Urgency.RECORD,
    EffectKind.SWEEP_LEAVERS: Urgency.RECORD,
    EffectKind.TELL_OUTAGE: Urgency.LATER,
    EffectKind.RECONCILE: Urgency.RECORD,
    EffectKind.TELL_FINDINGS: Urgency.LATER,
    EffectKind.FORWARD_AUDIT: Urgency.RECORD,
}


def urgency(kind: EffectKind, message: Message | None) -> Urgency:
    """`message` is the one that a post or an edit is about."""
    if kind is EffectKind.POST_MESSAGE and message is not None and message.kind is MessageKind.TOKEN:
        return Urgency.TOKEN
    if kind is EffectKind.SHOW_MESSAGE and message is not None and message.kind is MessageKind.CARD:
        return Urgency.VISIBLE
    return _BY_KIND.get(kind, Urgency.LATER)
