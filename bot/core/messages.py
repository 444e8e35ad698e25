"""Messages: posted, shown again where they would say something else, forgotten where somebody deleted them.

posted once -> shown as often as its view of the record changes (`views`) -> left alone once Slack no longer has it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from bot.core import facts, views
from bot.core.draft import Draft, NewId
from bot.core.model import (
    AuditEvent,
    EffectKind,
    KeyId,
    KeyState,
    Message,
    MessageId,
    MessageKind,
    QuestionId,
    Record,
    RequestState,
    Rule,
    Topic,
    Transition,
)
from bot.core.outages import Side, cause_of

STATUS_SETTLES_IN = timedelta(seconds=3)
"""The status waits for the token that follows an approval: shown at once it would be stale as soon as Tyk has answered."""

DIRECT = "D"
"""The first letter of a direct message's channel id."""

AWAITED = frozenset({EffectKind.ISSUE_KEY, EffectKind.CONFIRM_KEY, EffectKind.DELIVER_TOKEN})
"""The promises a requester is waiting for: they are told when one is late or stuck."""

UNASKED = "Nobody could be asked: the approvals channel could not be reached."
"""The reason that a request lapsed whose card was never posted."""

_LATE: Mapping[Side, Topic] = {
    Side.TYK: Topic.DELAYED_BY_TYK,
    Side.SLACK: Topic.DELAYED_BY_SLACK,
    Side.OURS: Topic.DELAYED,
}
_WHILE_AWAITED = frozenset({*_LATE.values()})
_WHILE_PENDING = frozenset({Topic.STILL_WAITING, Topic.LAST_CHANCE})
_NAMES_DECIDERS = frozenset({MessageKind.CARD, MessageKind.STATUS})
_WHILE_GRANTED = frozenset({Topic.ENDING})
_ALARMS = frozenset({Topic.STUCK, Topic.STILL_WORKS})
_FOR_APPROVERS = frozenset({MessageKind.CARD, MessageKind.REMINDER, MessageKind.QUESTION})


# --- posting ----------------------------------------------------------------------------------------------------------


def post(
    draft: Draft,
    kind: MessageKind,
    target: str,
    topic: Topic | None = None,
    *,
    key_id: KeyId | None = None,
    question_id: QuestionId | None = None,
) -> None:
    message = Message(MessageId(draft.new_id()), kind, target, topic, key_id=key_id, question_id=question_id)
    draft.add_message(message)
    draft.promise(EffectKind.POST_MESSAGE, message.id, draft.now)


def notify(draft: Draft, topic: Topic) -> None:
    """Tell the requester."""
    post(draft, MessageKind.NOTICE, draft.record.request.requester.user_id, topic)


def tell_approvers(draft: Draft, kind: MessageKind, topic: Topic | None = None) -> None:
    """Post where those who decide will read it."""
    post(draft, kind, draft.record.request.rule.approvals_channel, topic)


def target(message: Message, in_force: Rule | None) -> str:
    """The channel or person that it is posted to: what approvers are to read goes to the channel of the rule in force."""
    return in_force.approvals_channel if in_force is not None and message.kind in _FOR_APPROVERS else message.target


def moved_to(message: Message, in_force: Rule | None) -> str:
    """The channel in which a request is decided by now, where its card is in another one."""
    place = target(message, in_force)
    is_moved = message.kind is MessageKind.CARD and place != (message.channel or message.target)
    return place if is_moved else ""


def post_status(draft: Draft) -> None:
    """Post the one status message of a request, where it has none yet."""
    if not any(message.kind is MessageKind.STATUS for message in draft.record.messages):
        post(draft, MessageKind.STATUS, draft.record.request.requester.user_id)


def alert(draft: Draft, topic: Topic) -> None:
    """Tell the help channel once that a request is stuck, once that a revoked token still works, and once that it goes on."""
    last = _last_alert(draft.record)
    worse = topic is Topic.STILL_WORKS and last is Topic.STUCK
    if worse or (last in _ALARMS) == (topic is Topic.RESUMED):
        post(draft, MessageKind.ALERT, "", topic)


def _last_alert(record: Record) -> Topic | None:
    """The topic of what the help channel heard last."""
    told = [message.topic for message in record.messages if message.kind is MessageKind.ALERT]
    return told[-1] if told else None


def post_matters(record: Record, message: Message | None) -> bool:  # noqa: C901, PLR0911 - one return a kind of message
    """The message would still be true and of use when it is posted."""
    if message is None or message.is_posted:
        return False
    if message.kind is MessageKind.CARD or message.topic in _WHILE_PENDING:
        return record.request.state is RequestState.PENDING
    if message.topic is Topic.STILL_USED:
        return is_asked_of_holder(record)
    if message.kind is MessageKind.INQUIRY:
        return record.request.question(message.question_id) in record.request.unanswered
    if message.topic is Topic.UNASKED:
        return is_unasked(record)
    if message.topic is Topic.UNDECIDABLE:
        return record.request.state is RequestState.PENDING and bool(record.request.undecidable)
    if message.topic in _WHILE_AWAITED:
        return record.lives and (record.awaits_token or record.is_behind)
    if message.topic is Topic.GONE:
        return record.gone_at is not None
    if message.topic is Topic.REVIEWING:
        return record.lives and record.grant is not None and record.grant.asked_at is not None
    if message.topic is Topic.KEPT:
        return record.lives and record.grant is not None and record.grant.asked_at is None
    if message.kind in (MessageKind.TOKEN, MessageKind.QUESTION) or message.topic in _WHILE_GRANTED:
        return record.lives
    return True


def is_asked_of_holder(record: Record) -> bool:
    """The holder was asked whether they still use it, and has not answered."""
    grant = record.grant
    return grant is not None and record.lives and grant.holder_asked_at is not None and grant.in_use_at is None


def is_unasked(record: Record) -> bool:
    """The request waits, and its approvers have no card to decide on."""
    cards = [message for message in record.messages if message.kind is MessageKind.CARD]
    return record.request.state is RequestState.PENDING and bool(cards) and not any(card.is_posted for card in cards)


def names_deciders(record: Record, message: Message) -> bool:
    """The message says who may decide, and somebody still has to."""
    names = message.kind in _NAMES_DECIDERS or message.topic in _WHILE_PENDING
    return names and record.request.state is RequestState.PENDING


def posted(draft: Draft, fact: facts.MessagePosted) -> None:
    """The message stands in Slack; what moved while it was being posted is shown, and so is what a post leaves out."""
    _decidable(draft, fact.undecidable)
    message = draft.record.message(fact.message_id)
    if message is None or message.is_posted:
        if message is not None and _message_at(draft.record, fact.channel, fact.ts) is None:
            _take_in(draft, message, fact.channel, fact.ts)  # somebody clicked on a first copy of it meanwhile
        return
    says_all = message.kind in views.SAY_ALL_AT_ONCE and not _leaves_out(draft.record, message.kind)
    shown = fact.version if says_all else message.shown_version
    draft.change_message(message.id, channel=fact.channel, ts=fact.ts, posted_at=draft.now, shown_version=shown)
    if message.kind in views.STANDING and shown < draft.record.request.version:
        _show_again(draft, message)


def _show_again(draft: Draft, message: Message) -> None:
    awaits_first = draft.record.lives and draft.record.awaits_token and len(draft.record.keys) == 1
    settles = message.kind is MessageKind.STATUS and awaits_first
    draft.promise(EffectKind.SHOW_MESSAGE, message.id, draft.now + (STATUS_SETTLES_IN if settles else timedelta()))


def _leaves_out(record: Record, kind: MessageKind) -> bool:
    """A card or status posted now lacks what its edit says: that somebody decided on a copy of it or asked something, that a
    review or a new token is under way, that something is stuck. A post made twice would say it for ever."""
    grant = record.grant
    if kind is MessageKind.INQUIRY:
        return False
    if _last_alert(record) in _ALARMS:
        return True
    if grant is None:
        return record.request.state is RequestState.PENDING and bool(record.reviews or record.request.questions)
    in_review = grant.holder_asked_at is not None or grant.asked_at is not None
    return record.lives and (in_review or (len(record.keys) > 1 and record.awaits_token))


# --- showing ----------------------------------------------------------------------------------------------------------


def show_matters(record: Record, message: Message | None) -> bool:
    return message is not None and message.is_posted and message.shown_version < record.request.version


def shown(draft: Draft, fact: facts.MessageShown) -> None:
    """The edit is done where the version has not moved; else the same promise stays open."""
    _decidable(draft, fact.undecidable)
    message = draft.record.message(fact.message_id)
    if message is None:
        return
    draft.change_message(message.id, shown_version=max(fact.version, message.shown_version))
    if fact.version < draft.record.request.version:
        _show_again(draft, message)


def look_again(record: Record, in_force: Rule | None, now: datetime, new_id: NewId) -> Transition | None:
    """Other people may decide, perhaps, or elsewhere: what waits is shown once more, with those who may, and has a card where it
    is decided. None where nothing waits."""
    if record.request.state is not RequestState.PENDING:
        return None
    draft = Draft(record, now, new_id)
    draft.touched = _NAMES_DECIDERS
    cards = [message for message in record.messages if message.kind is MessageKind.CARD]
    if in_force is not None and cards and all(moved_to(card, in_force) for card in cards):
        waiting = [card for card in cards if not card.is_posted]
        for card in waiting:
            draft.change_message(card.id, target=in_force.approvals_channel)
            draft.promise(EffectKind.POST_MESSAGE, card.id, now)
        if not waiting:
            post(draft, MessageKind.CARD, in_force.approvals_channel)
    return draft.done()


def _decidable(draft: Draft, why_not: str | None) -> None:
    """Tell the requester once where too few people are left who may approve: they can ask again."""
    request = draft.record.request
    if why_not is None or why_not == request.undecidable or request.state is not RequestState.PENDING:
        return
    since = (request.undecidable_since or draft.now) if why_not else None
    draft.change_request(undecidable=why_not, undecidable_since=since)
    if why_not and not request.undecidable:
        notify(draft, Topic.UNDECIDABLE)


def gone(draft: Draft, message_id: str) -> None:
    """A card or status that somebody deleted is not shown again; a token needs a message, so it gets a new one."""
    message = draft.record.message(message_id)
    if message is None:
        return
    if message.kind is MessageKind.TOKEN:
        draft.remove_message(message_id)
        post(draft, MessageKind.TOKEN, message.target, key_id=message.key_id)
    else:
        draft.change_message(message_id, shown_version=draft.record.request.version)


def adopt(record: Record, channel: str, ts: str, message_id: str | None, now: datetime, new_id: NewId) -> Transition:
    """A copy that a lost answer made, and that somebody clicked, is one more of its kind from now on; what is known stays.

    Where the post of the message is not stored yet, it is no copy: somebody was faster than Slack's answer. What does not follow
    the record is left as it is.
    """
    draft = Draft(record, now, new_id)
    if _message_at(record, channel, ts) is None:
        message = record.message(message_id) if message_id else _by_place(record, channel)
        if message is None or message.kind not in views.STANDING:
            return draft.done()
        if message.is_posted:
            _take_in(draft, message, channel, ts)
        else:
            draft.change_message(message.id, channel=channel, ts=ts, posted_at=now)
            draft.promise(EffectKind.SHOW_MESSAGE, message.id, now)
    return draft.done()


def _by_place(record: Record, channel: str) -> Message | None:
    """The message of the record at a place, where it does not name itself, as an older version posted it: a status in a
    direct message, else a card."""
    kind = MessageKind.STATUS if channel.startswith(DIRECT) else MessageKind.CARD
    of_kind = [one for one in record.messages if one.kind is kind]
    return min(of_kind, key=lambda one: one.is_posted, default=None)


def repaint(record: Record, channel: str, ts: str, message_id: str | None, now: datetime, new_id: NewId) -> Transition:
    """The message that was clicked is shown afresh, or taken in where it is not known.

    What does not follow the record stays as it is: the message that holds a token above all.
    """
    message = _message_at(record, channel, ts)
    if message is None:
        return adopt(record, channel, ts, message_id, now, new_id)
    draft = Draft(record, now, new_id)
    if message.kind in views.STANDING:
        # lower with each click: an edit that is under way is known by it not to be the one that was asked for
        draft.change_message(message.id, shown_version=min(message.shown_version, 0) - 1)
        draft.promise(EffectKind.SHOW_MESSAGE, message.id, now)
    return draft.done()


def _take_in(draft: Draft, original: Message, channel: str, ts: str) -> None:
    """A copy of a message follows the record from now on, where its kind does."""
    if original.kind in views.STANDING:
        copy = replace(
            original, id=MessageId(draft.new_id()), channel=channel, ts=ts, posted_at=draft.now, shown_version=0
        )
        draft.add_message(copy)
        draft.promise(EffectKind.SHOW_MESSAGE, copy.id, draft.now)


def _message_at(record: Record, channel: str, ts: str) -> Message | None:
    return next((one for one in record.messages if (one.channel, one.ts) == (channel, ts)), None)


# --- what goes wrong --------------------------------------------------------------------------------------------------


def stuck(draft: Draft, fact: facts.Stuck) -> None:
    """Tell the requester, if they are waiting for it, and the help channel."""
    why = {"why": fact.why} if fact.why else {}
    draft.say(AuditEvent.STUCK, None, effect=fact.kind.value, error=fact.error, effect_id=fact.effect_id, **why)
    if fact.kind in AWAITED:
        notify(draft, Topic.STUCK)
    still_works = fact.kind is EffectKind.REVOKE_KEY and _has_working_key(draft)
    alert(draft, Topic.STILL_WORKS if still_works else Topic.STUCK)
    _show_trouble(draft, fact.kind)


def _has_working_key(draft: Draft) -> bool:
    """A key that was to die is at Tyk, and has not ended there by its own time."""
    at_tyk = [key for key in draft.record.keys if key.state in (KeyState.PROBATION, KeyState.LIVE)]
    return any(key.expires_at is None or key.expires_at > draft.now for key in at_tyk)


def delayed(draft: Draft, fact: facts.Delayed) -> None:
    """Tell the requester, if they are waiting for it, which side does not answer; or that nobody could be asked so far.

    The notice rings, and the status, where there is one, says it for as long as it is so. What needs no approval has none before
    its token's message is gone: to post one for the delay would ring a second time for the same news. The announced token is not
    edited for it either, for such an edit could come after the token and take it off the screen.
    """
    draft.say(AuditEvent.DELAYED, None, effect=fact.kind.value, error=fact.error)
    if fact.kind in AWAITED:
        notify(draft, _LATE[cause_of(fact.kind, fact.error).side])
    elif _is_of_card(draft.record, fact) and is_unasked(draft.record) and not draft.record.told(Topic.UNASKED):
        notify(draft, Topic.UNASKED)
    _show_trouble(draft, fact.kind)


def _is_of_card(record: Record, fact: facts.Delayed) -> bool:
    message = record.message(fact.subject_id)
    return fact.kind is EffectKind.POST_MESSAGE and message is not None and message.kind is MessageKind.CARD


def recovered(draft: Draft, fact: facts.Recovered) -> None:
    """Tell the help channel that it goes on, where it heard that it was stuck."""
    draft.say(AuditEvent.RECOVERED, None, effect=fact.kind.value)
    alert(draft, Topic.RESUMED)
    draft.touched = views.TROUBLED


def _show_trouble(draft: Draft, failed: EffectKind) -> None:
    """Show at once what is late or stuck; an edit that fails is not promised anew for having failed."""
    if failed is not EffectKind.SHOW_MESSAGE:
        draft.touched = views.TROUBLED
