"""The background of a card's requester: asked of the database when a card that waits is posted or edited."""

from __future__ import annotations

from bot.core.background import LOOKED_AT, Background, background
from bot.core.model import Effect, MessageKind, RequestState
from bot.store.transaction import Transaction


def look(tx: Transaction, effect: Effect) -> Background | None:
    assert effect.request_id is not None, "a message belongs to a request"
    record = tx.loaded[effect.request_id]
    message = record.message(effect.subject_id)
    if message is None or message.kind is not MessageKind.CARD or record.request.state is not RequestState.PENDING:
        return None
    return background(record.request, tx.beside(record.request, LOOKED_AT), tx.now)
