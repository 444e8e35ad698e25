"""The state of a request as sentences: those that are true now, and those that stay true. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from bot.core import messages, rules, timing
from bot.core.deciders import Deciders, asking_again_helps
from bot.core.model import (
    Grant,
    GrantState,
    Record,
    Request,
    RequestState,
)
from bot.core.outages import Side
from bot.slack import wording

SAFE = "Your request is safe and I'm still trying. No need to ask again."


def headline(request: Request) -> str:
    return f"{request.label} · {wording.subject(request)}, {wording.duration(request.lifetime)}"


def title(record: Record, *, of: str = "") -> str:
    """`Approved · Payments for Alice Adams`: what happened last, to be told from other states at a glance and in words."""
    request = record.request
    whose = f" for {wording.one_line(of, 80)}" if of else ""
    return f"{_happened(record)} · {wording.one_line(request.rule.title, 75)}{whose}"


def _happened(record: Record) -> str:
    """The last thing that happened, in a word that stays true of it: also on a post that nobody edits."""
    request, grant = record.request, record.grant
    if request.state is not RequestState.APPROVED:
        return {
            RequestState.PENDING: "Requested",
            RequestState.DENIED: "Denied",
            RequestState.WITHDRAWN: "Withdrawn",
            RequestState.LAPSED: "Expired",
        }[request.state]
    if grant is None or grant.state is not GrantState.ENDED:
        return "Approved" if record.reviews else "Granted"
    return "Expired" if _ended_by_time(grant) else "Revoked"


def _ended_by_time(grant: Grant) -> bool:
    return grant.ended_by is None and grant.end_reason in ("", timing.UNREVIEWED, timing.LEFT_BEHIND)


def is_open(record: Record) -> bool:
    """It waits, or something was granted and has not ended."""
    return record.request.state is RequestState.PENDING or record.lives


def standing(record: Record) -> str:
    """A line on what waits or runs, for whoever decides about another."""
    request, grant = record.request, record.grant
    until = f"until {wording.date(grant.until)}" if grant is not None and grant.until else wording.duration(None)
    return f"{wording.subject(request)}, {until if grant is not None else 'waits for approval'} ({request.label})"


def outcome(record: Record) -> str:
    """A line on how a request ended, which mentions nobody."""
    request, grant = record.request, record.grant
    how, at = _happened(record).lower(), request.decided_at
    if grant is not None:
        lapsed = grant.state is not GrantState.ENDED  # its time is over, and nobody has looked since
        how, at = f"approved, {'expired' if lapsed else how}", grant.until if lapsed else grant.ended_at
    return f"{wording.subject(request)}: {how}{f' {wording.date(at)}' if at else ''} ({request.label})"


def typed(request: Request) -> list[tuple[str, str]]:
    """The requester's own words, by the name of their field."""
    named = (("Used by", request.answers.used_by), ("Reason", request.answers.reason))
    return [(name, text) for name, text in named if text.strip()]


def lines(
    record: Record, deciders: Deciders | None = None, *, card: bool, stuck: bool = False, yours: bool = False
) -> list[str]:
    """Sentences that are true of the request now; `card`: for those who decide, `yours`: for one person who can. Without
    `deciders`: as was looked last."""
    deciders = deciders or looked_last(record)
    request = record.request
    at = wording.date(request.decided_at or request.created_at)
    by = f" by {wording.person(request.decided_by)}" if request.decided_by else ""
    match request.state:
        case RequestState.PENDING:
            asked = [*_notes(record), *_unanswered(request, card=card)]
            return [
                *less(request, card=card),
                *_waiting(record, deciders, card=card, yours=yours),
                *asked,
                _expires(request),
            ]
        case RequestState.APPROVED:
            return _since_approved(record, at, card=card, stuck=stuck)
        case RequestState.DENIED:
            return [f"Denied{by}, {at}."]
        case RequestState.WITHDRAWN:
            return [f"Withdrawn{by}, {at}." if by else f"Withdrawn, {at}: who asked can no longer use this bot."]
        case RequestState.LAPSED:
            why = (
                f". {wording.inert(request.decision_reason, 600)}"
                if request.decision_reason
                else ": nobody decided in time."
            )
            return [f"Expired unanswered, {at}{why}"]
        case _:
            assert_never(request.state)


def _extends(request: Request) -> list[str]:
    """The outcome of a request for more time: the message of what it extends has the rest."""
    if request.extends is None:
        return []
    if request.decision_reason:
        return [f"{request.extends.label} was not extended: {wording.inert(request.decision_reason, 600)}"]
    return [f"It was for {request.extends.label}, whose message says what holds now."]


def _since_approved(record: Record, at: str, *, card: bool, stuck: bool) -> list[str]:
    """For the holder, what they have comes first; else it is told as it went."""
    approved, grant = [_approved(record, at, card=card), *_notes(record)], record.grant
    if grant is None or grant.state is GrantState.ENDED:
        return [*approved, *_extends(record.request), *granted(record, stuck=stuck)]
    return [*approved, _access(record, grant)] if card else [*granted(record, stuck=stuck), *approved]


def lasting_lines(record: Record, deciders: Deciders | None, *, card: bool) -> list[str]:
    """Sentences for a post: no state that can change, no count that can rise. It may come late, when all is decided."""
    request, grant = record.request, record.grant
    deciders = deciders or looked_last(record)
    if request.state is RequestState.PENDING:
        return [*_needed(request, replace(deciders, undecidable=""), card=card), _expires(request)]
    if grant is None or grant.state is GrantState.ENDED:
        return lines(record, deciders, card=card)
    approved = _approved(record, wording.date(request.decided_at or request.created_at), card=card)
    return [f"Granted until {wording.date(grant.until)}." if grant.until else "Granted, doesn't expire.", approved]


def _waiting(record: Record, deciders: Deciders, *, card: bool, yours: bool) -> list[str]:
    """The approvals that it takes and those that it has, or why it cannot have them."""
    yeses, void = approvers(record), _void(record)
    if deciders.undecidable or not (yeses or void):
        return [*_needed(record.request, deciders, card=card, yours=yours), *_so_far(record, deciders, yours=yours)]
    return _so_far(record, deciders, yours=yours)


def _needed(request: Request, deciders: Deciders, *, card: bool, yours: bool = False) -> list[str]:
    if deciders.undecidable:
        return [f"This can't be approved now. {cannot(request, deciders.undecidable, card=card)}"]
    who, need = called(deciders), deciders.need
    if yours:
        return ["You can decide this." if need == 1 else f"{need} approvals are needed. One can be yours."]
    return [f"{wording.begun(who)} needs to approve this." if need == 1 else f"{need} approvals from {who} are needed."]


def cannot(request: Request, why: str, *, card: bool) -> str:
    """The reason that it cannot be approved, and what to do about it."""
    who, said = wording.inert(request.requester_name, 80), wording.inert(why, 600)
    if asking_again_helps(why):
        return f"{said} {who} can withdraw it and ask again." if card else f"{said} Withdraw it and ask again."
    return said if card or "help channel" in why else f"{said} If you still need it, ask in the help channel."


def looked_last(record: Record) -> Deciders:
    """Those whom the request's own rule names, with what was found of them since."""
    request, rule = record.request, record.request.rule
    called = rules.to_call(rule, request.requester)
    people, groups = called.users - {request.requester.user_id}, tuple(sorted(called.groups))
    return Deciders(rule.approvals, people, groups, tuple(sorted(people)), request.undecidable, people)


def called(deciders: Deciders) -> str:
    """Those who are to decide, as mentions."""
    names = [*map(wording.group, deciders.groups), *map(wording.person, deciders.people)]
    return wording.as_many(names) if names else "an approver"


def _expires(request: Request) -> str:
    return f"Expires {wording.date(request.lapses_at)} if nobody decides."


def _so_far(record: Record, deciders: Deciders, *, yours: bool) -> list[str]:
    """The approvals that count, those that no longer do, and whose are still needed. As many as are needed and still waiting: the
    last one came under a rule that asked for more."""
    yeses, void, need = approvers(record), _void(record), deciders.need
    if not (yeses or void):
        return []
    if yeses and len(yeses) >= need:
        said = f"{len(yeses)} approvals: {wording.people(yeses)}. The rule has become stricter and needs more."
        return [f"{said} {void}".rstrip()]
    left = need - len(yeses)
    of = f". {'It' if left == 1 else 'One'} can be yours" if yours else f" from {called(deciders)}"
    more = "" if deciders.undecidable else f"{'One' if left == 1 else left} more needed{of}."
    by = f": {wording.people(yeses)}" if yeses else ""
    return [" ".join(one for one in (f"{len(yeses)} of {need} approvals{by}.", void, more) if one)]


def _void(record: Record) -> str:
    """A sentence for each approval that no longer counts, and why."""
    void = [(wording.person(one.reviewer), one.void) for one in record.reviews if one.void]
    return " ".join(f"{who}'s no longer counts: {why}." for who, why in void)


def approvers(record: Record) -> list[str]:
    request = record.request
    return [wording.person(one.reviewer) for one in rules.approvals(record.reviews, request.requester)]


def less(request: Request, *, card: bool) -> list[str]:
    """A sentence that says what is to be approved by now, where that is less than was asked for."""
    given, more = _instead(request, card=card)
    return [f"Now {given}{more}."] if given else []


def _notes(record: Record) -> list[str]:
    """The words of those who approved, where they said why."""
    said = rules.approvals(record.reviews, record.request.requester)
    return [f"{wording.person(one.reviewer)}: “{wording.inert(one.reason, 500)}”" for one in said if one.reason.strip()]


def _unanswered(request: Request, *, card: bool) -> list[str]:
    """The people whose questions wait for an answer."""
    who = wording.people(list(dict.fromkeys(wording.person(one.asker) for one in request.unanswered)))
    if not request.unanswered:
        return []
    if not card:
        return [f"{who} asked you a question. Reply so that they can decide."]
    return [f"{who} asked a question. {wording.inert(request.requester_name, 80)} has not answered yet."]


def _instead(request: Request, *, card: bool) -> tuple[str, str]:
    """The words `for 1 day` and `; you asked for 7 days`, where less is given than was asked for; else none."""
    asked = request.asked
    if asked is None:
        return "", ""
    given, more = [], []
    if asked.lifetime != request.lifetime:
        given.append(f"for {wording.duration(request.lifetime)}")
        more.append("access that doesn't expire" if asked.lifetime is None else wording.duration(asked.lifetime))
    if asked.plan.name != request.plan.name:
        given.append(f"with the plan {wording.inert(request.plan.name, 80)}")
        more.append(f"the plan {wording.inert(asked.plan.name, 80)}")
    who = wording.inert(request.requester_name, 80) if card else "you"
    return " ".join(given), f"; {who} asked for {' with '.join(more)}"


def _approved(record: Record, at: str, *, card: bool) -> str:
    decided_by = record.request.decided_by
    by = approvers(record) or ([wording.person(decided_by)] if decided_by else [])
    given, more = _instead(record.request, card=card)
    said = f"{wording.people(by)} {given}".rstrip()
    return f"Approved by {said}, {at}{more}." if by else f"Granted {at}. No approval was needed."


def granted(record: Record, *, stuck: bool) -> list[str]:
    grant = record.grant
    if grant is None:
        return []
    match grant.state:
        case GrantState.ISSUING:
            return [] if stuck else ["Your token is on its way."]
        case GrantState.ACTIVE:
            replaced = len(record.keys) > 1 and record.awaits_token
            anew = ["A new token is on its way."] if replaced and not stuck else []
            if record.gone_at is not None:
                lost = f"The token doesn't work: somebody deleted it at Tyk, as I saw {wording.date(record.gone_at)}."
                return [_access(record, grant), f"{lost} Press *Replace token* for a new one."]
            by = [f"Extended by R-{grant.extended_by}."] if grant.extended_by is not None else []
            return [_active(record, grant), *by, *anew]
        case GrantState.ENDED:
            return [wording.begun(ended(grant))]
        case _:
            assert_never(grant.state)


def _access(record: Record, grant: Grant) -> str:
    """The time for which it was granted: the same while the token is made and when it is there."""
    end = timing.end_of(record)
    if grant.until is not None:
        return f"Access until {wording.date(grant.until)}."
    if grant.asked_at is not None and end is not None:
        return f"Its approvers are asked whether it is still needed. If nobody confirms, it expires {wording.date(end.at)}."
    if grant.holder_asked_at is not None:
        who = wording.inert(record.request.requester_name, 80)
        return f"Access doesn't expire. {who} is asked whether it is still in use, then its approvers."
    if grant.review_at is not None:
        return f"Access doesn't expire. Next review {wording.date(grant.review_at)}."
    return "Access doesn't expire until somebody revokes it."


def kept(grant: Grant | None) -> str:
    """The approver who said last that it is still needed."""
    by = f" by {wording.person(grant.kept_by)}" if grant and grant.kept_by else ""
    at = f", {wording.date(grant.kept_at)}" if grant and grant.kept_at else ""
    return f"Kept{by}{at}.{next_review(grant)}"


def next_review(grant: Grant | None) -> str:
    """The end of a sentence that says that access was kept."""
    return f" Next review {wording.date(grant.review_at)}." if grant is not None and grant.review_at else ""


def _active(record: Record, grant: Grant) -> str:
    end = timing.end_of(record)
    if grant.until is not None:
        return f"Active until {wording.date(grant.until)}."
    if grant.asked_at is not None and end is not None:
        asked = "Its approvers are asked whether it is still needed"
        return f"Active. {asked}. If nobody confirms, it expires {wording.date(end.at)}."
    if grant.holder_asked_at is not None:
        return "Active, doesn't expire. Are you still using it? Your approvers are asked, too."
    if grant.review_at is not None:
        return f"Active, doesn't expire. Next review {wording.date(grant.review_at)}."
    return "Active, doesn't expire until somebody revokes it."


def ended(grant: Grant) -> str:
    at = f", {wording.date(grant.ended_at)}" if grant.ended_at else ""
    if grant.ended_by is not None:
        return f"revoked by {wording.person(grant.ended_by)}{at}."
    return f"expired{at}." if _ended_by_time(grant) else f"revoked{at}."


def trouble(record: Record, help_channel: str, *, card: bool, stuck: bool, late: Side | None) -> list[str]:
    if stuck:
        return [
            f"Stuck: a person has to help. Ask in {wording.channel(help_channel)} and mention {record.request.label}."
        ]
    if late is None:
        return []
    if not card and messages.is_unasked(record):
        return [f"The approvers couldn't be asked so far. {SAFE}"]
    return [f"This is taking longer than usual{because(late)}. {SAFE}"]


def because(late: Side) -> str:
    """The side that does not do its part, as the end of a sentence."""
    reasons = {
        Side.TYK: " because Tyk isn't answering",
        Side.SLACK: " because Slack isn't taking my messages",
        Side.OURS: "",
    }
    return reasons[late]


def why_ended(record: Record) -> str:
    """The reason that was given for the end."""
    if record.request.state is RequestState.DENIED:
        return record.request.decision_reason.strip()
    ended = record.grant is not None and record.grant.state is GrantState.ENDED
    return record.grant.end_reason.strip() if record.grant is not None and ended else ""
