"""The life of a key: making -> probation -> live -> dead, and what becomes of its token on the way.

    making      its row stands, the call to Tyk is promised
    probation   Tyk has it; it dies by itself after PROBATION
    live        confirmed with the grant's own end; its token may be shown, once, and is hidden again
    dead        Tyk was asked and has no such key

Issue, confirm, deliver are each promised by the one before. A grant has one key; while its token is being replaced, two.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from bot.core import facts, messages, rules
from bot.core.draft import Draft, NewId
from bot.core.model import (
    AuditEvent,
    EffectKind,
    Grant,
    GrantState,
    Identity,
    Key,
    KeyId,
    KeyState,
    MessageKind,
    Person,
    Record,
    Refusal,
    Rule,
    Topic,
    Transition,
)

PROBATION = timedelta(minutes=15)

VERIFY_AFTER = timedelta(seconds=1)
"""Reading a key back waits until its holder has the token."""

RING_AGAIN_AFTER = timedelta(seconds=10)
"""A token that comes later than this after its announcement rings once more."""


# --- making -> probation -> live --------------------------------------------------------------------------------------


def make(draft: Draft) -> None:
    """A key is to be made, and the message that will hold its token is announced."""
    key = Key(KeyId(draft.new_id()), KeyState.MAKING)
    draft.record = replace(draft.record, keys=(*draft.record.keys, key))
    draft.promise(EffectKind.ISSUE_KEY, key.id, draft.now)
    messages.post(draft, MessageKind.TOKEN, draft.record.request.requester.user_id, key_id=key.id)


def issued(draft: Draft, fact: facts.KeyIssued) -> None:
    """A key exists. Where its grant has ended meanwhile, it is to die."""
    key, grant = draft.record.key(fact.key_id), draft.record.grant
    if key is None or grant is None:
        return
    draft.change_key(
        key.id,
        state=KeyState.PROBATION,
        made_at=draft.now,
        key_hash=fact.key_hash,
        sealed=fact.sealed,
        expires_at=fact.expires_at,
    )
    draft.say(
        AuditEvent.KEY_CREATED,
        None,
        key_hash=fact.key_hash,
        expires=grant.until.isoformat() if grant.until else None,
        rule_digest=draft.record.request.digest,
        **draft.record.request.opening,
    )
    next_act = EffectKind.CONFIRM_KEY if draft.record.lives else EffectKind.REVOKE_KEY
    draft.promise(next_act, key.id, draft.now)


def confirmed(draft: Draft, fact: facts.KeyConfirmed) -> None:
    """The key has the grant's own end, so its token may be shown. Where the grant has ended meanwhile, it is to die."""
    key, grant = draft.record.key(fact.key_id), draft.record.grant
    if key is None or grant is None:
        return
    draft.change_key(key.id, state=KeyState.LIVE, expires_at=fact.expires_at)
    if not draft.record.lives:
        draft.promise(EffectKind.REVOKE_KEY, key.id, draft.now)
        return
    if fact.expires_at != grant.until:  # extended while Tyk was being told of the end before
        draft.promise(EffectKind.CONFIRM_KEY, key.id, draft.now)
    draft.waits[MessageKind.STATUS] = messages.STATUS_SETTLES_IN
    draft.promise(EffectKind.VERIFY_KEY, key.id, draft.now + VERIFY_AFTER)
    _deliver_when_ready(draft)


def missing(draft: Draft, key_id: str) -> None:
    """Tyk lost a key that nobody has seen: it is made anew, unless its grant has ended. Of one that was confirmed before, its
    holder hears that it is gone."""
    key = draft.record.key(key_id)
    if key is None or not draft.record.lives:
        return
    if key.state is KeyState.LIVE:
        gone(draft, key_id)
        return
    draft.change_key(key_id, state=KeyState.MAKING, key_hash=None, sealed=None, expires_at=None)
    draft.promise(EffectKind.ISSUE_KEY, key_id, draft.now)


def is_newest(record: Record, key_id: str) -> bool:
    """The key is not being replaced: the grant stands and falls with it."""
    return bool(record.keys) and record.keys[-1].id == key_id


# --- its token --------------------------------------------------------------------------------------------------------


def announced(draft: Draft, message_id: str) -> None:
    """The message that will hold a token may have been posted last."""
    message = draft.record.message(message_id)
    if message is not None and message.kind is MessageKind.TOKEN:
        _deliver_when_ready(draft)


def _deliver_when_ready(draft: Draft) -> None:
    """A token is shown once its key is confirmed, the message that will hold it is posted, and no other is on show."""
    if any(key.shown_at is not None and key.hidden_at is None for key in draft.record.keys):
        return
    for key in draft.record.keys:
        message = draft.record.token_message(key.id)
        if key.state is KeyState.LIVE and key.is_unseen and message is not None and message.is_posted:
            draft.promise(EffectKind.DELIVER_TOKEN, key.id, draft.now)


def delivering(draft: Draft, key_id: str) -> None:
    """Promise to hide a token, in the same transaction that claims the act of showing it."""
    draft.promise(EffectKind.HIDE_TOKEN, key_id, draft.now + draft.record.request.rule.hide_token_after)


def token_shown(draft: Draft, key_id: str) -> None:
    """The holder has the token: the key that it replaces ends, and what came late rings again."""
    key = draft.record.key(key_id)
    if key is None or key.shown_at is not None:
        return
    draft.change_key(key_id, shown_at=draft.now)
    draft.say(AuditEvent.SENT, None)
    for other in draft.record.keys:
        if other.id != key_id and other.state is not KeyState.DEAD and not other.is_unseen:
            finish(draft, other)
    token = draft.record.token_message(key_id)
    if token and token.posted_at and draft.now - token.posted_at > RING_AGAIN_AFTER:
        messages.notify(draft, Topic.ARRIVED)
    if draft.record.grant is not None and not draft.record.lives:
        draft.promise(EffectKind.HIDE_TOKEN, key_id, draft.now)


def hide(record: Record, who: Identity, key_id: str, now: datetime, new_id: NewId) -> Transition:
    """The requester has saved the token: its message goes at once. The click proves that it was shown, whatever we heard."""
    if who != record.request.requester:
        raise rules.not_theirs(record.request, f"hide the token of {record.request.label}")
    key = record.key(key_id)
    if key is None or (key.shown_at is None and key.state is not KeyState.LIVE):
        raise Refusal("This token isn't shown any more. If you need it, replace it.", code="no_token")
    draft = Draft(record, now, new_id)
    if key.hidden_at is None:
        token_shown(draft, key.id)
        draft.promise(EffectKind.HIDE_TOKEN, key.id, now)
    return draft.done()


def token_hidden(draft: Draft, fact: facts.TokenHidden) -> None:
    """Note that no token is on show: forget its text unless Tyk knows the key by it, and leave a status for what can be done."""
    key, lives = draft.record.key(fact.key_id), draft.record.lives
    if key is None or key.hidden_at is not None:
        return
    sealed = key.sealed if fact.keep_sealed else None
    draft.change_key(fact.key_id, hidden_at=draft.now, sealed=sealed)
    draft.drop(key.id, EffectKind.DELIVER_TOKEN)
    if key.shown_at is not None:
        draft.say(AuditEvent.HIDDEN, None)
    elif lives and key.state is not KeyState.DEAD:
        messages.notify(draft, Topic.UNSEEN)
    messages.post_status(draft)  # the message that told of the request is gone
    if lives:
        _deliver_when_ready(draft)


# --- another in its place ---------------------------------------------------------------------------------------------


class Loss(StrEnum):
    """The reason for replacing a token."""

    LOST = "lost"
    LEAKED = "leaked"


def replace_token(
    record: Record, in_force: Rule | None, person: Person, loss: Loss, now: datetime, new_id: NewId
) -> Transition:
    """A new key under the same grant, with the same end. The old one ends at once where its token leaked, else when the new
    token has been shown; its message goes at once, so that one token at a time is on show."""
    check_replaceable(record, in_force, person)
    unseen = [key for key in record.keys if key.is_unseen]
    if unseen and (loss is Loss.LOST or len(unseen) == len(record.keys)):
        said = f"A new token for {record.request.label} is already on its way. It will appear in our conversation."
        raise Refusal(said, code="under_way")
    draft = Draft(record, now, new_id)
    draft.say(AuditEvent.REPLACED, person.identity, why=loss.value)
    for key in record.keys:
        if key in unseen:
            continue
        if loss is Loss.LEAKED:
            finish(draft, key)
        elif key.hidden_at is None:
            draft.promise(EffectKind.HIDE_TOKEN, key.id, now)
    if loss is Loss.LEAKED:
        messages.tell_approvers(draft, MessageKind.REMINDER, Topic.LEAKED)
    if not unseen:
        make(draft)
    return draft.done()


def check_replaceable(record: Record, in_force: Rule | None, person: Person) -> None:
    """Raises Refusal where this person may not have a new token in place of the one they have."""
    request = record.request
    if not person.is_same(request.requester):
        raise rules.not_theirs(request, f"replace the token of {request.label}")
    if not record.lives:
        raise Refusal(
            f"{request.label} isn't active, so there is no token to replace. If you need one, ask again.", code="ended"
        )
    try:
        rules.check_still_allowed(record, in_force, person)
    except Refusal as refusal:
        why = refusal.text.replace("The requester", "You")
        said = f"{why} So you can't get a new token. If others may have seen the one you have, press Revoke."
        raise Refusal(said, code=refusal.code) from None


# --- beside what Tyk has ----------------------------------------------------------------------------------------------


def gone(draft: Draft, key_id: str) -> None:
    """Somebody deleted the key at Tyk: its holder hears so and can have another. One that nobody has seen is looked at again."""
    key = _looked_at(draft, key_id)
    if key is None or key.is_unseen or key.gone_at is not None or not is_newest(draft.record, key_id):
        return
    draft.change_key(key.id, gone_at=draft.now)
    draft.say(AuditEvent.KEY_GONE, None, key_hash=key.key_hash)
    messages.notify(draft, Topic.GONE)


def changed(draft: Draft, fact: facts.KeyChanged) -> None:
    """Somebody changed the key at Tyk: that is for those who run it to put right."""
    if (key := _looked_at(draft, fact.key_id)) is not None:
        draft.change_key(key.id, gone_at=None)
        draft.say(AuditEvent.KEY_CHANGED, None, key_hash=key.key_hash, why=fact.why)


def as_granted(draft: Draft, key_id: str) -> None:
    """The key is at Tyk as it was granted again; who heard that it was gone hears of it."""
    if (key := _looked_at(draft, key_id)) is None:
        return
    draft.change_key(key.id, gone_at=None)
    draft.say(AuditEvent.KEY_AS_GRANTED, None, key_hash=key.key_hash)
    if key.gone_at is not None and is_newest(draft.record, key.id):
        messages.notify(draft, Topic.BACK)


def _looked_at(draft: Draft, key_id: str) -> Key | None:
    """The key, where it still ought to be at Tyk."""
    key = draft.record.key(key_id)
    return key if key is not None and key.state is KeyState.LIVE and draft.record.lives else None


# --- its end ----------------------------------------------------------------------------------------------------------


def finish(draft: Draft, key: Key) -> None:
    """This key's end. One that was never recorded cannot be named: it was never seen and dies on probation.

    The message for its token goes even where no token is known to be shown: an edit may be on its way.
    """
    draft.drop(key.id, EffectKind.ISSUE_KEY, EffectKind.CONFIRM_KEY, EffectKind.VERIFY_KEY, EffectKind.DELIVER_TOKEN)
    if key.state is KeyState.MAKING:
        draft.change_key(key.id, state=KeyState.DEAD)
    elif key.state is not KeyState.DEAD:
        draft.promise(EffectKind.REVOKE_KEY, key.id, draft.now)
    if key.hidden_at is None:
        draft.promise(EffectKind.HIDE_TOKEN, key.id, draft.now)


def dead(draft: Draft, key_id: str) -> None:
    """Tyk was asked and has no such key: nothing of it is kept."""
    key = draft.record.key(key_id)
    if key is None or key.state is KeyState.DEAD:
        return
    draft.change_key(key_id, state=KeyState.DEAD, sealed=None, dead_at=draft.now)
    draft.say(AuditEvent.KEY_DELETED, None, key_hash=key.key_hash)


def act_matters(kind: EffectKind, key: Key, grant: Grant) -> bool:
    """The act on the key still has to be done."""
    lives = grant.state is not GrantState.ENDED
    if kind is EffectKind.ISSUE_KEY:
        return lives and key.state is KeyState.MAKING
    if kind is EffectKind.CONFIRM_KEY:
        return lives and (key.state is KeyState.PROBATION or key.is_behind(grant))
    if kind is EffectKind.VERIFY_KEY:
        return lives and key.state is KeyState.LIVE and not key.is_behind(grant)
    if kind is EffectKind.DELIVER_TOKEN:
        return lives and key.state is KeyState.LIVE and key.hidden_at is None
    if kind is EffectKind.HIDE_TOKEN:
        return key.hidden_at is None
    return key.state is not KeyState.DEAD
