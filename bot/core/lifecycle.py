"""The page an auditor reads: every change a request, its grant and its keys can go through.

Each public function takes a record, what happened and the time, and returns a `Transition`: the record afterwards, what is
promised to the outside world, and what the audit says. Nothing here acts; whoever stores the transition stores all of it or
nothing. A `Refusal` is raised where the answer is no.

    request   pending -> approved | denied | withdrawn | lapsed
    grant     issuing -> active -> ended            (until = approval + lifetime; its end is promised when it begins)
    key       making -> probation -> live -> dead   (on probation it dies by itself after PROBATION)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never

from bot.core import facts, rules
from bot.core.model import (
    AuditEvent,
    AuditLine,
    Effect,
    EffectKind,
    Grant,
    GrantState,
    Identity,
    Key,
    KeyId,
    KeyState,
    Lifetime,
    Message,
    MessageId,
    MessageKind,
    Person,
    Plan,
    Promise,
    Record,
    Refusal,
    Request,
    RequestId,
    RequestState,
    Review,
    Ring,
    Rule,
    Transition,
    Verdict,
)

PROBATION = timedelta(minutes=15)
RING_AGAIN_AFTER = timedelta(seconds=10)
REPOST_TOKEN_MESSAGE = "token message gone"  # noqa: S105 - a reason, not a secret

NewId = Callable[[], str]


# --- what people do ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A submitted form, as the rule understood it."""

    request_id: RequestId
    plan: Plan
    lifetime: Lifetime
    used_by: str
    reason: str


def check_form(rule: Rule, plan: str | None, lifetime: Lifetime, reason: str) -> Plan:
    """The plan that was picked. Raises every problem as a Refusal with its field, the first first."""
    chosen = rule.plan(plan) if plan else (rule.plans[0] if len(rule.plans) == 1 else None)
    if chosen is None:
        raise Refusal("Please pick one of the plans on offer.", code="plan", field="plan")
    if lifetime not in rule.lifetimes:
        raise Refusal("Please pick one of the lifetimes on offer.", code="lifetime", field="lifetime")
    if rule.reason_required and not reason.strip():
        raise Refusal("Please say in a few words what you need it for.", code="reason", field="reason")
    return chosen


def submit(
    asked: Asked, person: Person, rule: Rule, digest: str, number: int, now: datetime, new_id: NewId
) -> Transition:
    """A new request. With a rule that needs no approval it is approved in the same breath."""
    request = Request(
        id=asked.request_id,
        number=number,
        requester=person.identity,
        requester_name=person.name,
        rule=rule,
        digest=digest,
        plan=asked.plan,
        lifetime=asked.lifetime,
        used_by=asked.used_by,
        reason=asked.reason,
        state=RequestState.PENDING,
        created_at=now,
        lapses_at=now + rule.lapses_after,
    )
    step = _Step(Record(request), now, new_id)
    step.say(
        AuditEvent.ASKED,
        person.identity,
        person=person.identity.user_id,
        plan=asked.plan.name,
        lifetime=_seconds(asked.lifetime),
        used_by=asked.used_by,
        reason=asked.reason,
    )
    step.post(MessageKind.STATUS, person.identity.user_id)
    if rule.approvals == 0:
        step.approve(rule, None)
    else:
        step.post(MessageKind.CARD, rule.approvals_channel)
        step.promise(EffectKind.LAPSE_REQUEST, request.id, request.lapses_at)
    return step.done()


def review(
    record: Record, in_force: Rule | None, reviewer: Person, verdict: Verdict, reason: str, now: datetime, new_id: NewId
) -> Transition:
    """An approver's yes or no. One no denies; as many yeses as the stricter rule asks for approve."""
    request = record.request
    if request.state is not RequestState.PENDING:
        raise Refusal(decided_sentence(request), code="decided")
    rule = rules.stricter(record, in_force)
    by = rules.reviewing_by(rule, request.requester, reviewer)
    earlier = next((one for one in record.reviews if one.reviewer == reviewer.identity), None)
    if earlier is not None and verdict is Verdict.YES and by == earlier.counted_by:
        raise Refusal(f"You already said yes to {request.label}.", code="said_yes")
    mine = Review(reviewer.identity, verdict, by, now, reason)
    step = _Step(record, now, new_id)
    others = tuple(one for one in record.reviews if one.reviewer != reviewer.identity)
    step.record = replace(record, reviews=(*others, mine))
    have = len(rules.yeses(step.record.reviews, rule, request.requester))
    step.say(
        AuditEvent.REVIEWED,
        reviewer.identity,
        verdict=verdict.value,
        reviewer=reviewer.identity.user_id,
        counted_by=by,
        have=have,
        need=rule.approvals,
    )
    if verdict is Verdict.NO:
        step.decide(RequestState.DENIED, AuditEvent.DENIED, reviewer.identity, reason)
        step.ring(Ring.DENIED)
    elif have >= rule.approvals:
        step.approve(rule, reviewer.identity)
    return step.done()


def withdraw(record: Record, who: Identity, now: datetime, new_id: NewId) -> Transition:
    """The requester takes a waiting request back."""
    if who != record.request.requester:
        raise Refusal("Only the one who asked can withdraw.", code="not_requester")
    if record.request.state is not RequestState.PENDING:
        raise Refusal(decided_sentence(record.request), code="decided")
    step = _Step(record, now, new_id)
    step.decide(RequestState.WITHDRAWN, AuditEvent.WITHDRAWN, who, "")
    return step.done()


def hide(record: Record, who: Identity, key_id: str, now: datetime, new_id: NewId) -> Transition:
    """The requester has saved the token: its message goes at once. The click proves that it was shown, whatever we heard."""
    if who != record.request.requester:
        raise Refusal("Only the one it belongs to can hide a token.", code="not_requester")
    key = record.key(key_id)
    if key is None or (key.shown_at is None and key.state is not KeyState.LIVE):
        raise Refusal("There is no such token on show.", code="no_token")
    step = _Step(record, now, new_id)
    if key.hidden_at is None:
        step.token_shown(key.id)
        step.promise(EffectKind.HIDE_TOKEN, key.id, now)
    return step.done()


def revoke(record: Record, who: Identity | None, why: str, now: datetime, new_id: NewId) -> Transition:
    """The grant ends now. `who` is None for an operator at the command line."""
    if record.grant is None:
        raise Refusal(f"{record.request.label} was never granted.", code="no_grant")
    if record.grant.state is GrantState.ENDED:
        raise Refusal(f"{record.request.label} has ended already.", code="ended")
    step = _Step(record, now, new_id)
    step.say(AuditEvent.REVOKED, who, why=why)
    step.end(why, who)
    if who != record.request.requester:
        step.ring(Ring.ENDED)
    return step.done()


def may_revoke(record: Record, in_force: Rule | None, person: Person) -> bool:
    """The holder may, and so may everyone whom the rule in force, or the request's own, lets review."""
    if person.identity == record.request.requester:
        return True
    named = [rule.approvers for rule in (record.request.rule, in_force) if rule is not None]
    return any(rules.counted_by(audience, person) for audience in named)


def repaint(record: Record, channel: str, ts: str, now: datetime, new_id: NewId) -> Transition:
    """The message that was clicked is shown afresh; a copy that an answer lost made is taken in as one more card."""
    step = _Step(record, now, new_id)
    known = next((one for one in record.messages if (one.channel, one.ts) == (channel, ts)), None)
    if known is None:
        known = Message(MessageId(new_id()), MessageKind.CARD, channel, None, channel, ts, posted_at=now)
        step.record = replace(record, messages=(*record.messages, known))
    step.change_message(known.id, shown_version=0)
    step.promise(EffectKind.SHOW_MESSAGE, known.id, now)
    return step.done()


# --- time decides -----------------------------------------------------------------------------------------------------


def settle(record: Record, now: datetime, new_id: NewId) -> Transition | None:
    """What time alone has decided: past `lapses_at` a request has lapsed, past `until` a grant has ended. None if nothing."""
    step = _Step(record, now, new_id)
    request, grant = record.request, record.grant
    if request.state is RequestState.PENDING and now >= request.lapses_at:
        step.decide(RequestState.LAPSED, AuditEvent.LAPSED, None, "")
        step.ring(Ring.LAPSED)
    elif grant is not None and grant.state is not GrantState.ENDED and grant.until is not None and now >= grant.until:
        step.say(AuditEvent.EXPIRED, None)
        step.end("", None)
    else:
        return None
    return step.done()


# --- promises: which still matter, and what claiming one brings with it -----------------------------------------------


def matters(record: Record, effect: Effect) -> bool:
    """Whether the promise still has to be kept. What no longer matters is dropped when it is claimed."""
    request, grant = record.request, record.grant
    match effect.kind:
        case EffectKind.POST_MESSAGE:
            return _post_matters(record, record.message(effect.subject_id))
        case EffectKind.SHOW_MESSAGE:
            message = record.message(effect.subject_id)
            return message is not None and message.is_posted and message.shown_version < request.version
        case EffectKind.LAPSE_REQUEST:
            return request.state is RequestState.PENDING
        case EffectKind.END_GRANT:
            return grant is not None and grant.state is not GrantState.ENDED
        case EffectKind.POST_AUDIT:
            return True
        case (
            EffectKind.ISSUE_KEY
            | EffectKind.CONFIRM_KEY
            | EffectKind.VERIFY_KEY
            | EffectKind.DELIVER_TOKEN
            | EffectKind.HIDE_TOKEN
            | EffectKind.REVOKE_KEY
        ):
            key = record.key(effect.subject_id)
            return key is not None and grant is not None and _key_effect_matters(effect.kind, key, grant)
        case _:
            assert_never(effect.kind)


def _post_matters(record: Record, message: Message | None) -> bool:
    if message is None or message.is_posted:
        return False
    if message.kind is MessageKind.CARD:
        return record.request.state is RequestState.PENDING
    if message.kind is MessageKind.TOKEN:
        return record.grant is not None and record.grant.state is not GrantState.ENDED
    return True


def _key_effect_matters(kind: EffectKind, key: Key, grant: Grant) -> bool:
    ended = grant.state is GrantState.ENDED
    if kind is EffectKind.ISSUE_KEY:
        return not ended and key.state is KeyState.MAKING
    if kind is EffectKind.CONFIRM_KEY:
        return not ended and key.state is KeyState.PROBATION
    if kind is EffectKind.VERIFY_KEY:
        return not ended and key.state is KeyState.LIVE
    if kind is EffectKind.DELIVER_TOKEN:
        return not ended and key.state is KeyState.LIVE and key.hidden_at is None
    if kind is EffectKind.HIDE_TOKEN:
        return key.hidden_at is None
    return key.state is not KeyState.DEAD


def claim(record: Record, effect: Effect, now: datetime, new_id: NewId) -> Transition | None:
    """What claiming a promise promises in the same transaction: showing a token promises to hide it."""
    if effect.kind is not EffectKind.DELIVER_TOKEN:
        return None
    step = _Step(record, now, new_id)
    hide_at = now + record.request.rule.hide_token_after
    step.promise(EffectKind.HIDE_TOKEN, effect.subject_id, hide_at)
    return step.done()


def check_still_allowed(record: Record, in_force: Rule | None, person: Person) -> None:
    """Asked before a key is made and before a token is shown. Raises Refusal where it would not be granted today."""
    rule = rules.stricter(record, in_force)
    if not rules.may_ask(rule, person) or not rules.may_ask(record.request.rule, person):
        why = f"The requester is no longer among those who may ask for {rule.title}."  # read by approvers, too
        raise Refusal(why, code="not_requester")
    have = len(rules.yeses(record.reviews, rule, record.request.requester))
    if have < rule.approvals:
        raise Refusal(
            f"{rule.title} now needs {rule.approvals} approvals, and {record.request.label} has {have}. Please ask again.",
            code="approvals_rose",
        )


# --- what came back ---------------------------------------------------------------------------------------------------


def observe(record: Record, fact: facts.Fact, now: datetime, new_id: NewId) -> Transition:  # noqa: C901, PLR0912, PLR0915 - one case a fact
    """The record after an act, and what follows from it: issue, confirm, deliver are each promised by the one before."""
    step = _Step(record, now, new_id)
    match fact:
        case facts.MessagePosted():
            step.posted(fact)
        case facts.MessageShown():
            step.shown(fact)
        case facts.MessageGone():
            step.message_gone(fact.message_id)
        case facts.KeyIssued():
            step.issued(fact)
        case facts.KeyConfirmed():
            step.confirmed(fact)
        case facts.KeyMissing():
            step.missing(fact.key_id)
        case facts.KeyVerified():
            step.change_key(fact.key_id, verified_at=now)
        case facts.KeyWrong():
            step.say(AuditEvent.REVOKED, None, why=fact.why)
            step.end(fact.why, None)
            step.ring(Ring.ENDED)
        case facts.TokenShown():
            step.token_shown(fact.key_id)
        case facts.TokenHidden():
            step.token_hidden(fact)
        case facts.KeyDead():
            step.dead(fact.key_id)
        case facts.Barred():
            step.say(AuditEvent.REFUSED, None, person=record.request.requester.user_id, why=fact.why, step=fact.step)
            step.end(fact.why, None)
            step.ring(Ring.BARRED)
        case facts.Unreachable() if record.grant is None or record.grant.state is GrantState.ENDED:
            pass  # nothing is left to take from them
        case facts.Unreachable():
            step.say(AuditEvent.REVOKED, None, why=fact.why)
            step.end(fact.why, None)
        case facts.Stuck():
            step.say(AuditEvent.STUCK, None, effect=fact.kind.value, error=fact.error, effect_id=fact.effect_id)
            if fact.kind in AWAITED:
                step.ring(Ring.STUCK)
            step.alarm(Ring.STUCK)
            step.touch()
        case facts.Delayed():
            step.say(AuditEvent.DELAYED, None, effect=fact.kind.value, error=fact.error)
            if fact.kind in AWAITED:
                step.ring(Ring.DELAYED)
        case facts.Recovered():
            step.say(AuditEvent.RECOVERED, None, effect=fact.kind.value)
            step.alarm(Ring.RESUMED)
            step.touch()
        case facts.Due():
            pass
        case _:
            assert_never(fact)
    return step.done()


AWAITED = frozenset({EffectKind.ISSUE_KEY, EffectKind.CONFIRM_KEY, EffectKind.DELIVER_TOKEN})
"""The promises a requester is waiting for: they are told when one is late or stuck."""


def decided_sentence(request: Request) -> str:
    """For a click that came too late: who decided, and when (Slack draws the date in the reader's own zone)."""
    at = request.decided_at or request.created_at
    when = f"<!date^{int(at.timestamp())}^{{date_short_pretty}} at {{time}}|{at:%Y-%m-%d %H:%M} UTC>"
    by = f" by <@{request.decided_by.user_id}>" if request.decided_by else ""
    how = {
        RequestState.PENDING: "is still waiting",
        RequestState.APPROVED: "was approved",
        RequestState.DENIED: "was denied",
        RequestState.WITHDRAWN: "was withdrawn",
        RequestState.LAPSED: "lapsed, because nobody decided in time",
    }[request.state]
    return f"{request.label} {how}{by}, {when}."


def _seconds(lifetime: Lifetime) -> int | None:
    return None if lifetime is None else int(lifetime.total_seconds())


def _decision_seen(record: Record) -> object:
    return record.request, record.reviews, record.grant


def _token_seen(record: Record) -> object:
    return _decision_seen(record), [(key.shown_at, key.hidden_at) for key in record.keys]


_SEEN = {MessageKind.CARD: _decision_seen, MessageKind.STATUS: _token_seen}
"""What the standing messages depend on: they are edited when this changes, and not otherwise."""


# --- one transition in the making -------------------------------------------------------------------------------------


@dataclass
class _Step:
    """Collects what one decision changes, promises and says."""

    record: Record
    now: datetime
    new_id: NewId
    promises: list[Promise] = field(default_factory=list)
    drops: list[tuple[EffectKind, str]] = field(default_factory=list)
    audit: list[AuditLine] = field(default_factory=list)
    touched: bool = False

    def __post_init__(self) -> None:
        self.before = self.record

    def done(self) -> Transition:
        """The version rises where a message would say something else, and only those that would are promised to be shown."""
        kinds = {kind for kind, seen in _SEEN.items() if self.touched or seen(self.record) != seen(self.before)}
        if kinds:
            request = self.record.request
            self.record = replace(self.record, request=replace(request, version=request.version + 1))
            for message in self.record.messages:
                if message.kind in kinds and message.is_posted:
                    self.promise(EffectKind.SHOW_MESSAGE, message.id, self.now)
        return Transition(self.record, tuple(self.promises), tuple(self.drops), tuple(self.audit))

    def touch(self) -> None:
        """What messages say depends on more than the record: have them shown again."""
        self.touched = True

    def say(self, event: AuditEvent, actor: Identity | None, **details: object) -> None:
        self.audit.append(AuditLine(event, actor, details))

    def promise(self, kind: EffectKind, subject_id: str, due_at: datetime) -> None:
        self.promises.append(Promise(kind, subject_id, due_at))

    def post(self, kind: MessageKind, target: str, ring: Ring | None = None) -> None:
        message = Message(MessageId(self.new_id()), kind, target, ring)
        self.record = replace(self.record, messages=(*self.record.messages, message))
        self.promise(EffectKind.POST_MESSAGE, message.id, self.now)

    def ring(self, why: Ring) -> None:
        self.post(MessageKind.RING, self.record.request.requester.user_id, why)

    def alarm(self, why: Ring) -> None:
        """The help channel hears once that a request is stuck, and once that it goes on."""
        told = [message.ring for message in self.record.messages if message.kind is MessageKind.ALARM]
        if (told[-1:] == [Ring.STUCK]) != (why is Ring.STUCK):
            self.post(MessageKind.ALARM, "", why)

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
        self.drops.append((EffectKind.LAPSE_REQUEST, request.id))
        details = {"reviewer": who.user_id, "reason": reason} if event is AuditEvent.DENIED and who else {}
        self.say(event, who, **details)

    def approve(self, rule: Rule, who: Identity | None) -> None:
        """The right begins, and its end is promised with it."""
        request = replace(self.record.request, state=RequestState.APPROVED, decided_at=self.now, decided_by=who)
        until = None if request.lifetime is None else self.now + request.lifetime
        key = Key(KeyId(self.new_id()), KeyState.MAKING)
        self.record = replace(
            self.record, request=request, grant=Grant(GrantState.ISSUING, self.now, until), keys=(key,)
        )
        self.drops.append((EffectKind.LAPSE_REQUEST, request.id))
        self.say(
            AuditEvent.APPROVED,
            who,
            rule=rule.name,
            rule_digest=request.digest,
            need=rule.approvals,
            until=until.isoformat() if until else None,
        )
        self.promise(EffectKind.ISSUE_KEY, key.id, self.now)
        if until is not None:
            self.promise(EffectKind.END_GRANT, request.id, until)
        self.post(MessageKind.TOKEN, request.requester.user_id)

    def end(self, why: str, who: Identity | None) -> None:
        """The right is over: what was still to be made or shown is dropped, every key is to die, no token stays on show."""
        grant = self.record.grant
        if grant is None or grant.state is GrantState.ENDED:
            return
        ended = replace(grant, state=GrantState.ENDED, ended_at=self.now, end_reason=why, ended_by=who)
        self.record = replace(self.record, grant=ended)
        self.drops.append((EffectKind.END_GRANT, self.record.request.id))
        for key in self.record.keys:
            for kind in (EffectKind.ISSUE_KEY, EffectKind.CONFIRM_KEY, EffectKind.VERIFY_KEY, EffectKind.DELIVER_TOKEN):
                self.drops.append((kind, key.id))
            self.finish(key)

    def finish(self, key: Key) -> None:
        """This key's end. One that was never recorded cannot be named: it was never seen and dies on probation.

        The message for its token goes even where no token is known to be shown: an edit may be on its way.
        """
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
        self.change_message(message.id, channel=fact.channel, ts=fact.ts, posted_at=self.now)
        if message.kind in (MessageKind.CARD, MessageKind.STATUS):
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
            self.post(MessageKind.TOKEN, message.target)
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
        self.record = replace(self.record, grant=replace(grant, state=GrantState.ACTIVE))
        self.deliver_when_ready()
        self.promise(EffectKind.VERIFY_KEY, key.id, self.now)

    def deliver_when_ready(self) -> None:
        """A token is shown once its key is confirmed and the message that will hold it is posted."""
        token_posted = any(one.kind is MessageKind.TOKEN and one.is_posted for one in self.record.messages)
        for key in self.record.keys:
            if token_posted and key.state is KeyState.LIVE and key.shown_at is None and key.hidden_at is None:
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
        token = next((one for one in self.record.messages if one.kind is MessageKind.TOKEN and one.posted_at), None)
        if token and token.posted_at and self.now - token.posted_at > RING_AGAIN_AFTER:
            self.ring(Ring.ARRIVED)
        if self.record.grant is not None and self.record.grant.state is GrantState.ENDED:
            self.promise(EffectKind.HIDE_TOKEN, key_id, self.now)

    def token_hidden(self, fact: facts.TokenHidden) -> None:
        key = self.record.key(fact.key_id)
        if key is None or key.hidden_at is not None:
            return
        sealed = key.sealed if fact.keep_sealed and key.state is not KeyState.DEAD else None
        self.change_key(fact.key_id, hidden_at=self.now, sealed=sealed)
        if key.shown_at is not None:
            self.say(AuditEvent.HIDDEN, None)

    def dead(self, key_id: str) -> None:
        key = self.record.key(key_id)
        if key is None or key.state is KeyState.DEAD:
            return
        self.change_key(key_id, state=KeyState.DEAD, sealed=None)
        self.say(AuditEvent.KEY_DELETED, None, key_hash=key.key_hash)
