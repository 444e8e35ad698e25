"""One transition in the making: what a decision changes, promises and says. `lifecycle` decides, this keeps the books."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.core import facts, timing, views
from bot.core.model import (
    AuditEvent,
    AuditLine,
    EffectKind,
    Grant,
    GrantState,
    Identity,
    Key,
    KeyId,
    KeyState,
    Message,
    MessageId,
    MessageKind,
    Promise,
    Record,
    RequestState,
    Rule,
    Topic,
    Transition,
)

NewId = Callable[[], str]
RING_AGAIN_AFTER = timedelta(seconds=10)
STATUS_SETTLES_IN = timedelta(seconds=3)
"""The status waits for the token that follows an approval: shown at once it would be stale as soon as Tyk has answered."""

VERIFY_AFTER = timedelta(seconds=1)
"""Reading a key back waits until its holder has the token."""


@dataclass
class Draft:
    """Collects what one decision changes, promises and says."""

    record: Record
    now: datetime
    new_id: NewId
    promises: list[Promise] = field(default_factory=list)
    drops: list[tuple[EffectKind, str]] = field(default_factory=list)
    audit: list[AuditLine] = field(default_factory=list)
    touched: bool = False
    status_wait: timedelta = timedelta()

    def __post_init__(self) -> None:
        self.before = self.record

    def done(self) -> Transition:
        """The version rises where a message would say something else, and only those that would are promised to be shown."""
        kinds = views.changed(self.before, self.record) | (views.TROUBLED if self.touched else frozenset())
        stale = [message for message in self.record.messages if message.kind in kinds]
        if stale:
            request = self.record.request
            self.record = replace(self.record, request=replace(request, version=request.version + 1))
        for message in stale:
            if message.is_posted:
                waits = message.kind is MessageKind.STATUS
                self.promise(
                    EffectKind.SHOW_MESSAGE, message.id, self.now + (self.status_wait if waits else timedelta())
                )
        return Transition(self.record, tuple(self.promises), tuple(self.drops), tuple(self.audit))

    def touch(self) -> None:
        """Show again what says that a request is late or stuck: the record alone does not tell."""
        self.touched = True

    def status_can_wait(self) -> None:
        """The status is shown a moment later: what follows at once makes it stale."""
        self.status_wait = STATUS_SETTLES_IN

    def say(self, event: AuditEvent, actor: Identity | None, **details: object) -> None:
        self.audit.append(AuditLine(event, actor, details))

    def promise(self, kind: EffectKind, subject_id: str, due_at: datetime) -> None:
        self.promises.append(Promise(kind, subject_id, due_at))

    def promise_what_time_decides(self) -> None:
        """Wake-ups for what `settle` will find; one that woke too early is promised again when it has been kept."""
        request, end, remind = self.record.request, timing.end_of(self.record), timing.reminders(self.record)
        if request.state is RequestState.PENDING:
            self.promise(EffectKind.LAPSE_REQUEST, request.id, request.lapses_at)
        if end is not None:
            self.promise(EffectKind.END_GRANT, request.id, end.at)
        if remind:
            self.promise(EffectKind.REMIND, request.id, remind[0].at)

    def post(self, kind: MessageKind, target: str, topic: Topic | None = None, key_id: KeyId | None = None) -> None:
        message = Message(MessageId(self.new_id()), kind, target, topic, key_id=key_id)
        self.record = replace(self.record, messages=(*self.record.messages, message))
        self.promise(EffectKind.POST_MESSAGE, message.id, self.now)

    def notify(self, why: Topic) -> None:
        self.post(MessageKind.NOTICE, self.record.request.requester.user_id, why)

    def post_status(self) -> None:
        """The one status message of a request, where it has none yet."""
        if not any(message.kind is MessageKind.STATUS for message in self.record.messages):
            self.post(MessageKind.STATUS, self.record.request.requester.user_id)

    def alert(self, why: Topic) -> None:
        """The help channel hears once that a request is stuck, and once that it goes on."""
        told = [message.topic for message in self.record.messages if message.kind is MessageKind.ALERT]
        if (told[-1:] == [Topic.STUCK]) != (why is Topic.STUCK):
            self.post(MessageKind.ALERT, "", why)

    def change_grant(self, **changes: object) -> None:
        assert self.record.grant is not None, "only what was granted changes"
        grant = replace(self.record.grant, **changes)  # type: ignore[arg-type]  # names are checked by replace
        self.record = replace(self.record, grant=grant)

    def change_key(self, key_id: str, **changes: object) -> None:
        keys = tuple(replace(key, **changes) if key.id == key_id else key for key in self.record.keys)  # type: ignore[arg-type]  # names are checked by replace
        self.record = replace(self.record, keys=keys)

    def change_message(self, message_id: str, **changes: object) -> None:
        messages = tuple(
            replace(one, **changes) if one.id == message_id else one  # type: ignore[arg-type]  # names are checked by replace
            for one in self.record.messages
        )
        self.record = replace(self.record, messages=messages)

    # decisions

    def decide(self, state: RequestState, event: AuditEvent, who: Identity | None, reason: str) -> None:
        request = replace(self.record.request, state=state, decided_at=self.now, decided_by=who, decision_reason=reason)
        self.record = replace(self.record, request=request)
        self.drops += [(EffectKind.LAPSE_REQUEST, request.id), (EffectKind.REMIND, request.id)]
        details = {"reviewer": who.user_id, "reason": reason} if event is AuditEvent.DENIED and who else {}
        self.say(event, who, **details)

    def approve(self, rule: Rule, who: Identity | None) -> None:
        """The right begins, and its end is promised with it."""
        request = replace(self.record.request, state=RequestState.APPROVED, decided_at=self.now, decided_by=who)
        until = None if request.lifetime is None else self.now + request.lifetime
        review_at = self.now + rule.review_every if until is None and rule.review_every is not None else None
        grant = Grant(GrantState.ISSUING, self.now, until, review_at=review_at)
        self.record = replace(self.record, request=request, grant=grant)
        self.drops += [(EffectKind.LAPSE_REQUEST, request.id), (EffectKind.REMIND, request.id)]
        self.say(
            AuditEvent.APPROVED,
            who,
            rule=rule.name,
            rule_digest=request.digest,
            need=rule.approvals,
            until=until.isoformat() if until else None,
        )
        self.make_key()
        self.status_can_wait()
        self.promise_what_time_decides()

    def make_key(self) -> None:
        """A key is to be made, and the message that will hold its token is announced."""
        key = Key(KeyId(self.new_id()), KeyState.MAKING)
        self.record = replace(self.record, keys=(*self.record.keys, key))
        self.promise(EffectKind.ISSUE_KEY, key.id, self.now)
        self.post(MessageKind.TOKEN, self.record.request.requester.user_id, key_id=key.id)

    def remind(self, topic: Topic) -> None:
        """Whom the topic concerns is told once."""
        request = self.record.request
        channel = request.rule.approvals_channel
        self.say(AuditEvent.REMINDED, None, of=topic.value)
        if topic in (Topic.STILL_WAITING, Topic.LAST_CHANCE):
            self.post(MessageKind.REMINDER, channel, topic)
        elif topic is Topic.RENEWAL:
            self.change_grant(asked_at=self.now, reminded_at=None)
            self.post(MessageKind.QUESTION, channel, topic)
            self.notify(Topic.REVIEWING)
        else:
            self.change_grant(reminded_at=self.now)
            self.notify(topic)
        self.promise_what_time_decides()

    def left(self, why: str) -> None:
        """What was asked for ends at once; about what is held the approvers are asked."""
        request, grant = self.record.request, self.record.grant
        if request.state is RequestState.PENDING:
            self.say(AuditEvent.LEFT, None, person=request.requester.user_id, why=why)
            self.decide(RequestState.WITHDRAWN, AuditEvent.WITHDRAWN, None, why)
        elif grant is not None and grant.state is not GrantState.ENDED and grant.left_at is None:
            self.say(AuditEvent.LEFT, None, person=request.requester.user_id, why=why)
            self.change_grant(left_at=self.now)
            self.post(MessageKind.QUESTION, request.rule.approvals_channel, Topic.LEFT)
            self.promise_what_time_decides()

    def end(self, why: str, who: Identity | None) -> None:
        """The right is over: what was still to be made or shown is dropped, every key is to die, no token stays on show."""
        grant = self.record.grant
        if grant is None or grant.state is GrantState.ENDED:
            return
        ended = replace(grant, state=GrantState.ENDED, ended_at=self.now, end_reason=why, ended_by=who)
        self.record = replace(self.record, grant=ended)
        self.drops += [(kind, self.record.request.id) for kind in (EffectKind.END_GRANT, EffectKind.REMIND)]
        for key in self.record.keys:
            self.finish(key)

    def finish(self, key: Key) -> None:
        """This key's end. One that was never recorded cannot be named: it was never seen and dies on probation.

        The message for its token goes even where no token is known to be shown: an edit may be on its way.
        """
        for kind in (EffectKind.ISSUE_KEY, EffectKind.CONFIRM_KEY, EffectKind.VERIFY_KEY, EffectKind.DELIVER_TOKEN):
            self.drops.append((kind, key.id))
        if key.state is KeyState.MAKING:
            self.change_key(key.id, state=KeyState.DEAD)
        elif key.state is not KeyState.DEAD:
            self.promise(EffectKind.REVOKE_KEY, key.id, self.now)
        if key.hidden_at is None:
            self.promise(EffectKind.HIDE_TOKEN, key.id, self.now)

    # what came back

    def posted(self, fact: facts.MessagePosted) -> None:
        message = self.record.message(fact.message_id)
        if message is None or message.is_posted:
            return
        says_all = message.kind in views.SAY_ALL_AT_ONCE
        shown_version = fact.version if says_all else message.shown_version
        self.change_message(
            message.id, channel=fact.channel, ts=fact.ts, posted_at=self.now, shown_version=shown_version
        )
        if message.kind in views.STANDING and shown_version < self.record.request.version:
            self.promise(EffectKind.SHOW_MESSAGE, message.id, self.now)
        if message.kind is MessageKind.TOKEN:
            self.deliver_when_ready()

    def shown(self, fact: facts.MessageShown) -> None:
        """Done when the version has not moved; else the same promise stays open."""
        message = self.record.message(fact.message_id)
        if message is None:
            return
        self.change_message(message.id, shown_version=max(fact.version, message.shown_version))
        if fact.version < self.record.request.version:
            self.promise(EffectKind.SHOW_MESSAGE, message.id, self.now)

    def message_gone(self, message_id: str) -> None:
        """A card or status that somebody deleted is not shown again; a token needs a message, so it gets a new one."""
        message = self.record.message(message_id)
        if message is None:
            return
        if message.kind is MessageKind.TOKEN:
            self.record = replace(
                self.record, messages=tuple(one for one in self.record.messages if one.id != message_id)
            )
            self.post(MessageKind.TOKEN, message.target, key_id=message.key_id)
        else:
            self.change_message(message_id, shown_version=self.record.request.version)

    def issued(self, fact: facts.KeyIssued) -> None:
        """A key exists. Where its grant has ended meanwhile, it is to die."""
        key, grant = self.record.key(fact.key_id), self.record.grant
        if key is None or grant is None:
            return
        self.change_key(
            key.id,
            state=KeyState.PROBATION,
            made_at=self.now,
            key_hash=fact.key_hash,
            sealed=fact.sealed,
            expires_at=fact.expires_at,
        )
        self.say(
            AuditEvent.KEY_CREATED,
            None,
            key_hash=fact.key_hash,
            expires=grant.until.isoformat() if grant.until else None,
            rule_digest=self.record.request.digest,
        )
        ended = grant.state is GrantState.ENDED
        self.promise(EffectKind.REVOKE_KEY if ended else EffectKind.CONFIRM_KEY, key.id, self.now)

    def confirmed(self, fact: facts.KeyConfirmed) -> None:
        key, grant = self.record.key(fact.key_id), self.record.grant
        if key is None or grant is None:
            return
        self.change_key(key.id, state=KeyState.LIVE, expires_at=fact.expires_at)
        if grant.state is GrantState.ENDED:
            self.promise(EffectKind.REVOKE_KEY, key.id, self.now)
            return
        self.change_grant(state=GrantState.ACTIVE)
        self.status_can_wait()
        self.deliver_when_ready()
        self.promise(EffectKind.VERIFY_KEY, key.id, self.now + VERIFY_AFTER)
        self.promise_what_time_decides()

    def deliver_when_ready(self) -> None:
        """A token is shown once its key is confirmed, the message that will hold it is posted, and no other is on show."""
        if any(key.shown_at is not None and key.hidden_at is None for key in self.record.keys):
            return
        for key in self.record.keys:
            message = self.record.token_message(key.id)
            if key.state is KeyState.LIVE and key.is_unseen and message is not None and message.is_posted:
                self.promise(EffectKind.DELIVER_TOKEN, key.id, self.now)

    def missing(self, key_id: str) -> None:
        """Tyk lost a key that nobody has seen: it is made anew."""
        key = self.record.key(key_id)
        if key is None or self.record.grant is None or self.record.grant.state is GrantState.ENDED:
            return
        self.change_key(key_id, state=KeyState.MAKING, key_hash=None, sealed=None, expires_at=None)
        self.promise(EffectKind.ISSUE_KEY, key_id, self.now)

    def token_shown(self, key_id: str) -> None:
        key = self.record.key(key_id)
        if key is None or key.shown_at is not None:
            return
        self.change_key(key_id, shown_at=self.now)
        self.say(AuditEvent.SENT, None)
        for other in self.record.keys:
            if other.id != key_id and other.state is not KeyState.DEAD and not other.is_unseen:
                self.finish(other)
        token = self.record.token_message(key_id)
        if token and token.posted_at and self.now - token.posted_at > RING_AGAIN_AFTER:
            self.notify(Topic.ARRIVED)
        if self.record.grant is not None and self.record.grant.state is GrantState.ENDED:
            self.promise(EffectKind.HIDE_TOKEN, key_id, self.now)

    def token_hidden(self, fact: facts.TokenHidden) -> None:
        key = self.record.key(fact.key_id)
        if key is None or key.hidden_at is not None:
            return
        sealed = key.sealed if fact.keep_sealed and key.state is not KeyState.DEAD else None
        self.change_key(fact.key_id, hidden_at=self.now, sealed=sealed)
        self.drops.append((EffectKind.DELIVER_TOKEN, key.id))
        lives = self.record.grant is not None and self.record.grant.state is not GrantState.ENDED
        if key.shown_at is not None:
            self.say(AuditEvent.HIDDEN, None)
        elif lives and key.state is not KeyState.DEAD:
            self.notify(Topic.UNSEEN)
        if lives:
            self.post_status()
            self.deliver_when_ready()

    def dead(self, key_id: str) -> None:
        key = self.record.key(key_id)
        if key is None or key.state is KeyState.DEAD:
            return
        self.change_key(key_id, state=KeyState.DEAD, sealed=None)
        self.say(AuditEvent.KEY_DELETED, None, key_hash=key.key_hash)
