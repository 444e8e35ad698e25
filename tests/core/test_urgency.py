"""What goes first where not all can be done at once."""

from __future__ import annotations

import pytest

from bot.core.model import EffectKind, Message, MessageId, MessageKind
from bot.core.urgency import Urgency, urgency

POST, SHOW = EffectKind.POST_MESSAGE, EffectKind.SHOW_MESSAGE


@pytest.mark.parametrize(
    ("kind", "about", "expected"),
    [
        (EffectKind.ISSUE_KEY, None, Urgency.TOKEN),
        (EffectKind.CONFIRM_KEY, None, Urgency.TOKEN),
        (EffectKind.DELIVER_TOKEN, None, Urgency.TOKEN),
        (EffectKind.HIDE_TOKEN, None, Urgency.TOKEN),
        (EffectKind.REVOKE_KEY, None, Urgency.TOKEN),
        (POST, MessageKind.TOKEN, Urgency.TOKEN),
        (POST, MessageKind.CARD, Urgency.VISIBLE),
        (SHOW, MessageKind.CARD, Urgency.VISIBLE),
        (SHOW, MessageKind.STATUS, Urgency.LATER),
        (EffectKind.VERIFY_KEY, None, Urgency.LATER),
        (EffectKind.REMIND, None, Urgency.LATER),
        (EffectKind.TELL_OUTAGE, None, Urgency.LATER),
        (EffectKind.POST_AUDIT, None, Urgency.RECORD),
        (EffectKind.SWEEP_LEAVERS, None, Urgency.RECORD),
    ],
)
def test_what_a_person_waits_for_goes_first(kind: EffectKind, about: MessageKind | None, expected: Urgency) -> None:
    """A token before a card, a card before a repaint, a repaint before an audit line."""
    message = Message(MessageId("m"), about, "C1") if about is not None else None
    assert urgency(kind, message) is expected
