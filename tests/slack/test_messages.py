"""What is shown: inside Slack's limits, inert, true for as long as it stands, and the token in one place."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import example, given

from bot.core import facts, lifecycle, timing
from bot.core.deciders import Deciders
from bot.core.messages import UNASKED
from bot.core.model import (
    Answers,
    Audience,
    AuditLine,
    GrantState,
    Identity,
    Key,
    KeyId,
    KeyState,
    Message,
    MessageId,
    MessageKind,
    Person,
    Record,
    RequestState,
    Rule,
    Topic,
    Transition,
    Verdict,
)
from bot.core.outages import Side
from bot.slack import buttons, messages, snippets, wording
from bot.slack.block_kit import Body
from tests.slack.test_modals import (
    ANN,
    BOB,
    DAY,
    NASTY,
    NOW,
    STANDARD,
    asked,
    check_blocks,
    check_inert,
    check_mrkdwn,
    nasty,
    rule,
    walk,
)
from tests.story import DECIDE

CARD = Message(MessageId("m1"), MessageKind.CARD, "C0APPR")
STATUS = Message(MessageId("m2"), MessageKind.STATUS, ANN.user_id)
TOKEN = Message(MessageId("m3"), MessageKind.TOKEN, ANN.user_id)
EVE = Identity("T1", "U0ZOE")
KEY = Key(KeyId("key1"), KeyState.LIVE)
SAFE = "Your request is safe and I'm still trying. No need to ask again."
SECRET = "eyJvcmciOiI1ZjFjIiwiaWQiOiJzZWNyZXQifQ=="


NOTES = (Topic.STILL_WAITING, Topic.LAST_CHANCE, Topic.LEAKED)
CASES = (Topic.LEFT, Topic.RENEWAL)
ABOUT_QUESTIONS = (Topic.ASKED, Topic.ANSWERED, Topic.STILL_USED)
RINGS = tuple(topic for topic in Topic if topic not in (*NOTES, *CASES, *ABOUT_QUESTIONS, Topic.STILL_WORKS))
EVERY = 90 * DAY
ASKED = EVERY + timing.HOLDER_FIRST
"""After so long the approvers are asked whether it is still needed, where the holder has not answered."""
REASON = "the nightly run"


APPROVED = f"Approved by <@U0BOB> and <@U0ZOE>, {wording.date(NOW)}."
LEADS = "<!subteam^S0LEADS> or <@U0BOB>"
GRANTED = f"{APPROVED} Access until {wording.date(NOW + timedelta(days=7))}."


def ring(why: Topic) -> Message:
    return Message(MessageId("m4"), MessageKind.NOTICE, ANN.user_id, why)


def note(why: Topic) -> Message:
    return Message(MessageId("m5"), MessageKind.REMINDER, "C0APPR", why)


def case(why: Topic) -> Message:
    return Message(MessageId("m6"), MessageKind.QUESTION, "C0APPR", why)


def alarm(why: Topic) -> Message:
    return Message(MessageId("m7"), MessageKind.ALERT, "", why)


def possible(record: Record) -> list[Message]:
    """Every message that there can be; a case is about what was granted."""
    cases = map(case, CASES if record.grant else ())
    return [
        CARD,
        STATUS,
        TOKEN,
        *map(ring, RINGS),
        *map(note, NOTES),
        *cases,
        *map(alarm, (Topic.STUCK, Topic.STILL_WORKS, Topic.RESUMED)),
    ]


def check(body: Body) -> Body:
    check_blocks(body.blocks, 50)
    check_inert(body.blocks)
    check_mrkdwn(body.text)
    assert 1 <= len(body.text) <= 4000
    return body


def post(record: Record, message: Message, *, undecided: tuple[str, ...] = ()) -> Body:
    deciders = Deciders(2, called=frozenset(undecided)) if message.kind is MessageKind.REMINDER else None
    return check(messages.post(record, message, help_channel="C0HELP", deciders=deciders))


def show(record: Record, message: Message, *, stuck: bool = False, late: Side | None = None) -> Body:
    return check(messages.show(record, message, help_channel="C0HELP", stuck=stuck, late=late))


def labels(body: Body) -> list[str]:
    return [one["text"]["text"] for one in walk(body.blocks) if one.get("type") == "button"]


def person(identity: Identity) -> Person:
    return Person(identity, "Somebody", groups=frozenset({"S0LEADS"}))


class Story:
    """A request lived through by the real lifecycle."""

    def __init__(self, the_rule: Rule | None = None, reason: str = "the nightly run", used_by: str = "nightly") -> None:
        self.rule = the_rule or rule()
        self.now = NOW
        self.audit: list[AuditLine] = []
        self._ids = (f"id{n}" for n in itertools.count())
        form = lifecycle.Asked(asked().request.id, STANDARD, self.rule.lifetimes[0], Answers(used_by, reason))
        submitted = lifecycle.submit(form, person(ANN), self.rule, "0123456789abcdef0123", 1042, NOW, self.new_id)
        self.record = self.keep(submitted)

    def new_id(self) -> str:
        return next(self._ids)

    def keep(self, transition: Transition) -> Record:
        self.audit += transition.audit
        self.record = transition.record
        return self.record

    def review(self, who: Identity, verdict: Verdict = Verdict.YES, reason: str = "") -> Record:
        done = lifecycle.review(self.record, self.rule, person(who), verdict, reason, self.now, self.new_id)
        return self.keep(done)

    def see(self, fact: facts.Fact) -> Record:
        return self.keep(lifecycle.observe(self.record, fact, self.now, self.new_id))

    def settle(self, after: timedelta) -> Record:
        self.now += after
        done = lifecycle.settle(self.record, self.now, self.new_id)
        assert done is not None
        return self.keep(done)

    def revoke(self, who: Identity | None, why: str) -> Record:
        return self.keep(lifecycle.revoke(self.record, who, why, self.now, self.new_id))

    def approve(self) -> Record:
        self.review(BOB)
        return self.review(EVE)

    def activate(self) -> Record:
        key_id = self.approve().keys[0].id
        self.see(facts.KeyIssued(key_id, "cafe", b"sealed", NOW + lifecycle.PROBATION))
        return self.see(facts.KeyConfirmed(key_id, NOW + timedelta(days=7)))

    def deliver(self) -> Record:
        return self.see(facts.TokenShown(self.activate().keys[0].id))

    def replace_token(self, loss: lifecycle.Loss) -> Record:
        done = lifecycle.replace_token(self.record, self.rule, person(ANN), loss, self.now, self.new_id)
        return self.keep(done)

    def leave(self) -> Record:
        return self.see(facts.Left("Their Slack account is deactivated."))

    def renew(self, who: Identity) -> Record:
        return self.keep(lifecycle.renew(self.record, self.rule, person(who), self.now, self.new_id))


def without_end(used_by: str = "nightly", reason: str = "the nightly run") -> Story:
    """A token that Ann holds for as long as its approvers say yes to it."""
    story = Story(rule(lifetimes=(None,), review_every=EVERY), reason, used_by)
    story.deliver()
    return story


def held(used_by: str = "nightly", reason: str = "the nightly run") -> Story:
    story = Story(reason=reason, used_by=used_by)
    story.deliver()
    return story


def carded(reason: str = "the nightly run") -> Story:
    """A request whose approvers have its card."""
    story = Story(reason=reason)
    card = next(message for message in story.record.messages if message.kind is MessageKind.CARD)
    story.see(facts.MessagePosted(card.id, "C0APPR", "1.1", 1))
    return story


def ends(reason: str = "no need") -> dict[str, Record]:
    """One record in every state."""
    pending, half, approved, active = (
        Story(reason=reason),
        Story(reason=reason),
        Story(reason=reason),
        Story(reason=reason),
    )
    withdrawn, ended, revoked = Story(reason=reason), Story(reason=reason), Story(reason=reason)
    ended.activate()
    revoked.activate()
    asked_about, renewed, unreviewed = (without_end(reason=reason) for _ in range(3))
    for one in (asked_about, renewed, unreviewed):
        one.settle(ASKED)
    back, gone, unseen = held("", reason), Story(reason=reason), Story(reason=reason)
    back.leave()
    return {
        "pending": pending.record,
        "half": half.review(BOB),
        "issuing": approved.approve(),
        "active": active.activate(),
        "denied": Story(reason=reason).review(BOB, Verdict.NO, reason),
        "withdrawn": withdrawn.keep(lifecycle.withdraw(withdrawn.record, ANN, NOW, withdrawn.new_id)),
        "lapsed": carded(reason).settle(timedelta(days=8)),
        "unasked": Story(reason=reason).settle(timedelta(days=8)),
        "ended": ended.settle(timedelta(days=8)),
        "revoked": revoked.revoke(BOB, reason),
        "at once": Story(rule(approvals=0), reason=reason).record,
        "delivered": held(reason=reason).record,
        "replacing": held(reason=reason).replace_token(lifecycle.Loss.LEAKED),
        "without end": without_end(reason=reason).record,
        "asked about": asked_about.record,
        "renewed": renewed.renew(BOB),
        "unreviewed": unreviewed.settle(timedelta(days=14)),
        "left": held("", reason).leave(),
        "left in use": held("nightly", reason).leave(),
        "left without end": without_end(reason=reason).leave(),
        "back": back.see(facts.Returned()),
        "gone": gone.leave(),
        "unseen": unseen.see(facts.TokenHidden(unseen.activate().keys[0].id, keep_sealed=True)),
    }


def lines(body: Body) -> str:
    """What stands below the facts: the state."""
    return "\n".join(str(one["text"]["text"]) for one in body.blocks if one["type"] == "section" and "text" in one)


def test_every_message_of_every_state_keeps_the_limits() -> None:
    """Posted and shown, in trouble or not."""
    for record in ends().values():
        for message in possible(record):
            post(record, message)
            for stuck, late in itertools.product((False, True), (None, *Side)):
                show(record, message, stuck=stuck, late=late)


@given(nasty(), nasty(), nasty())
@example(NASTY[0], NASTY[1], NASTY[2])
@example(NASTY[3], NASTY[4], NASTY[5])
def test_whatever_a_person_typed_is_inert_in_every_message(reason: str, used_by: str, title: str) -> None:
    """No text of theirs mentions, links or breaks anything."""
    story = Story(rule(title=title, description=reason), reason=reason, used_by=used_by)
    post(story.record, CARD)
    show(story.record, CARD)
    check(messages.token(story.record, KEY, SECRET, NOW))
    holding = held(used_by, reason)
    holding.leave()
    denied, revoked = story.review(BOB, Verdict.NO, reason), holding.revoke(BOB, reason)
    for record in (denied, holding.record, revoked):
        for message in possible(record):
            post(record, message, undecided=(BOB.user_id,))
            show(record, message, stuck=True)


def test_a_post_says_what_stays_true_whatever_becomes_of_the_request() -> None:
    """While nobody has decided it says the same, whoever has said yes so far: no state, no count."""
    pending, half = ends(REASON)["pending"], ends(REASON)["half"]
    for message in (CARD, STATUS, TOKEN):
        assert post(pending, message).blocks == post(half, message).blocks
    for message in (CARD, STATUS):
        said = post(half, message).text
        assert f"Expires {wording.date(NOW + timedelta(days=7))} if nobody decides." in said
        assert "approvals:" not in said
        assert "aiting" not in said


@pytest.mark.parametrize(("message", "offered"), [(CARD, DECIDE), (STATUS, ["Withdraw"])])
def test_a_post_needs_no_edit_until_somebody_acts(message: Message, offered: list[str]) -> None:
    """It has its buttons at once, and what is shown of a request without a review is what was posted."""
    record = Story().record
    posted, shown = post(record, message), show(record, message)
    assert labels(posted) == offered
    assert (posted.text, posted.blocks) == (shown.text, shown.blocks)


@pytest.mark.parametrize(
    ("state", "said", "offered"),
    [
        (
            "at once",
            (
                f"Granted until {wording.date(NOW + timedelta(days=7))}.\n"
                f"Granted {wording.date(NOW)}. No approval was needed."
            ),
            ["Revoke"],
        ),
        (
            "delivered",
            f"Granted until {wording.date(NOW + timedelta(days=7))}.\nApproved by <@U0BOB> and <@U0ZOE>, {wording.date(NOW)}.",
            ["Extend", "Replace token", "Change plan", "Revoke"],
        ),
        (
            "asked about",
            f"Granted, doesn't expire.\nApproved by <@U0BOB> and <@U0ZOE>, {wording.date(NOW)}.",
            ["Yes, I use it", "Replace token", "Change plan", "Revoke"],
        ),
        ("revoked", f"Revoked by <@U0BOB>, {wording.date(NOW)}, because:", ["Ask again"]),
        ("denied", f"Denied by <@U0BOB>, {wording.date(NOW)}, because:", ["Ask again"]),
        (
            "lapsed",
            f"Expired unanswered, {wording.date(NOW + timedelta(days=8))}: nobody decided in time.",
            ["Ask again"],
        ),
        (
            "unasked",
            f"Expired unanswered, {wording.date(NOW + timedelta(days=8))}. {UNASKED}",
            ["Ask again"],
        ),
    ],
)
def test_a_status_that_is_posted_late_says_what_was_decided(state: str, said: str, offered: list[str]) -> None:
    """When it was granted and until when does not change any more; the buttons are for what can be done."""
    body = post(ends()[state], STATUS)
    assert said in lines(body)
    assert body.text.startswith("R-1042 · Payments (standard), ")
    assert labels(body) == offered


def test_the_card_calls_those_who_may_decide_and_never_the_requester() -> None:
    """The post rings the approvers and nobody else; once it is decided it calls nobody and mentions who asked, once."""
    record = Story().record
    posted, decided = post(record, CARD), show(ends()["issuing"], CARD)
    called = f"2 approvals from {LEADS} are needed."
    assert called in lines(posted)
    assert posted.text.splitlines()[1] == called, "whatever is cut off, this is not"
    assert "<@U0ANN>" not in posted.text + json.dumps(posted.blocks)
    assert "R-1042 · <@U0ANN> asked for Payments (standard), 7 days." in lines(decided)
    assert json.dumps(decided.blocks).count("<@U0ANN>") == decided.text.count("<@U0ANN>") == 1
    assert "subteam" not in decided.text + json.dumps(decided.blocks)
    assert not any("<!here>" in body.text for body in (posted, decided))


def test_the_requester_is_not_among_the_approvers_of_the_status() -> None:
    """Their own yes would not count."""
    assert "2 approvals from <!subteam^S0LEADS> or <@U0BOB> are needed." in lines(show(Story().record, STATUS))
    assert "<!subteam^S0LEADS> or <@U0BOB> needs to approve this." in lines(
        show(Story(rule(approvals=1)).record, STATUS)
    )


def test_the_reason_stands_before_the_buttons_as_it_was_typed() -> None:
    """An approver reads why before deciding, quoted: Slack reads nothing into it."""
    body = show(Story(reason="*why* <!here>\nand more").record, CARD)
    kinds = [block["type"] for block in body.blocks]
    (quote,) = (one for one in walk(body.blocks) if one.get("type") == "rich_text_quote")
    assert quote["elements"] == [{"type": "text", "text": "*why* <!here>\nand more"}]
    assert kinds[-3:] == ["rich_text", "section", "actions"]


def test_approve_is_the_only_primary_button() -> None:
    """And each button says which request it is for."""
    body = show(Story().record, CARD)
    found = [one for one in walk(body.blocks) if one.get("type") == "button"]
    assert [(one["text"]["text"], one.get("style"), one["value"]) for one in found] == [
        ("Approve", "primary", "req1"),
        ("Deny", None, "req1"),
        ("Approve with changes", None, "req1"),
        ("Ask a question", None, "req1"),
    ]
    expected = [buttons.APPROVE, buttons.DENY, buttons.APPROVE_LESS, buttons.ASK]
    assert [one["action_id"] for one in found] == expected


@pytest.mark.parametrize(
    ("state", "card", "status"),
    [
        ("pending", DECIDE, ["Withdraw"]),
        ("half", DECIDE, ["Withdraw"]),
        ("issuing", ["Details", "Revoke"], ["Revoke"]),
        ("active", ["Details", "Revoke"], ["Revoke"]),
        ("delivered", ["Details", "Revoke"], ["Extend", "Replace token", "Change plan", "Revoke"]),
        ("replacing", ["Details", "Revoke"], ["Revoke"]),
        ("unseen", ["Details", "Revoke"], ["Extend", "Replace token", "Change plan", "Revoke"]),
        ("without end", ["Details", "Revoke"], ["Replace token", "Change plan", "Revoke"]),
        ("asked about", ["Details", "Revoke"], ["Yes, I use it", "Replace token", "Change plan", "Revoke"]),
        ("left", ["Details", "Revoke"], ["Extend", "Replace token", "Change plan", "Revoke"]),
        ("denied", ["Details"], ["Ask again"]),
        ("withdrawn", ["Details"], ["Ask again"]),
        ("gone", ["Details"], ["Ask again"]),
        ("lapsed", ["Details"], ["Ask again"]),
        ("ended", ["Details"], ["Ask again"]),
        ("unreviewed", ["Details"], ["Ask again"]),
        ("revoked", ["Details"], ["Ask again"]),
    ],
)
def test_only_what_can_still_be_done_has_a_button(state: str, card: list[str], status: list[str]) -> None:
    """A decided card decides no more; what is over can be asked for again."""
    record = ends()[state]
    assert labels(show(record, CARD)) == card
    assert labels(show(record, STATUS)) == status


def test_what_cannot_be_undone_is_confirmed() -> None:
    """Withdraw asks, Revoke warns."""
    (withdraw,) = (one for one in walk(show(Story().record, STATUS).blocks) if one.get("type") == "button")
    (revoke,) = (one for one in walk(show(ends()["active"], STATUS).blocks) if one.get("type") == "button")
    (_, ask) = (one for one in walk(show(ends()["active"], CARD).blocks) if one.get("type") == "button")
    assert (ask["action_id"], "confirm" in ask) == (buttons.REVOKE_ASK, False), "a form asks them why"
    assert withdraw["confirm"]["confirm"]["text"] == "Withdraw"
    assert (revoke["style"], revoke["confirm"]["style"]) == ("danger", "danger")


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (
            "pending",
            f"2 approvals from {LEADS} are needed.\nExpires {wording.date(NOW + timedelta(days=7))} if nobody decides.",
        ),
        ("half", f"1 of 2 approvals: <@U0BOB>. One more needed from {LEADS}.\nExpires"),
        ("issuing", GRANTED),
        ("active", GRANTED),
        ("delivered", GRANTED),
        ("replacing", GRANTED),
        ("denied", f"Denied by <@U0BOB>, {wording.date(NOW)}, because:"),
        ("withdrawn", f"Withdrawn by <@U0ANN>, {wording.date(NOW)}."),
        ("lapsed", f"Expired unanswered, {wording.date(NOW + timedelta(days=8))}: nobody decided in time."),
        ("ended", f"{APPROVED} Expired, {wording.date(NOW + timedelta(days=8))}."),
        ("revoked", f"{APPROVED} Revoked by <@U0BOB>, {wording.date(NOW)}, because:"),
        (
            "without end",
            f"{APPROVED} Access doesn't expire. Next review {wording.date(NOW + EVERY)}.",
        ),
        (
            "asked about",
            (
                f"{APPROVED} Its approvers are asked whether it is still needed. If nobody confirms, it expires "
                f"{wording.date(NOW + ASKED + timedelta(days=14))}."
            ),
        ),
        (
            "renewed",
            f"{APPROVED} Access doesn't expire. Next review {wording.date(NOW + ASKED + EVERY)}.",
        ),
        (
            "unreviewed",
            f"{APPROVED} Expired, {wording.date(NOW + ASKED + timedelta(days=14))}, because:",
        ),
        ("gone", f"Withdrawn, {wording.date(NOW)}: who asked can no longer use this bot."),
    ],
)
def test_the_card_says_what_the_record_says(state: str, said: str) -> None:
    """In the blocks as in the text."""
    body = show(ends()[state], CARD)
    assert said in lines(body)
    assert said in body.text


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("issuing", f"Your token is on its way.\n{APPROVED}"),
        ("active", f"Active until {wording.date(NOW + timedelta(days=7))}.\n{APPROVED}"),
        (
            "replacing",
            f"Active until {wording.date(NOW + timedelta(days=7))}.\nA new token is on its way.\n{APPROVED}",
        ),
        (
            "without end",
            f"Active, doesn't expire. Next review {wording.date(NOW + EVERY)}.\n{APPROVED}",
        ),
        (
            "asked about",
            (
                "Active. Its approvers are asked whether it is still needed. If nobody confirms, it expires "
                f"{wording.date(NOW + ASKED + timedelta(days=14))}.\n{APPROVED}"
            ),
        ),
        ("at once", f"Granted {wording.date(NOW)}. No approval was needed."),
        ("ended", f"{APPROVED}\nExpired, {wording.date(NOW + timedelta(days=8))}."),
    ],
)
def test_the_status_says_what_the_record_says(state: str, said: str) -> None:
    """In the blocks as in the text, with what the holder waits for."""
    body = show(ends()[state], STATUS)
    assert said in lines(body)
    assert said in body.text


def test_a_card_says_the_same_until_the_grant_ends() -> None:
    """From the approval on, whatever happens to the token, nothing on it needs an edit."""
    said = {json.dumps(show(ends()[state], CARD).blocks) for state in ("issuing", "active", "delivered", "replacing")}
    assert len(said) == 1


def test_a_pending_request_with_yeses_enough_needs_more_than_it_did() -> None:
    """The rule in force may have become stricter; the card does not claim otherwise."""
    record = ends()["issuing"]
    record = replace(record, grant=None, request=replace(record.request, state=RequestState.PENDING))
    assert "2 approvals: <@U0BOB> and <@U0ZOE>. The rule has become stricter and needs more." in lines(
        show(record, CARD)
    )


def test_a_no_end_says_that_a_person_ends_it() -> None:
    """`never` never says a date."""
    story = Story(rule(lifetimes=(None,)))
    assert "Active, doesn't expire until somebody revokes it." in lines(show(story.activate(), STATUS))
    assert "Access doesn't expire until somebody revokes it." in lines(show(story.record, CARD))


def test_trouble_is_told_with_the_way_to_help() -> None:
    """And what is stuck does not claim to be under way."""
    record = ends()["issuing"]
    stuck, late = show(record, STATUS, stuck=True), show(record, STATUS, late=Side.TYK)
    assert "Stuck: a person has to help. Ask in <#C0HELP> and mention R-1042." in stuck.text
    assert "being made" not in stuck.text
    assert late.text.endswith(f"This is taking longer than usual because Tyk isn't answering. {SAFE}")


@pytest.mark.parametrize(
    ("late", "because"),
    [
        (Side.TYK, " because Tyk isn't answering"),
        (Side.SLACK, " because Slack isn't taking my messages"),
        (Side.OURS, ""),
    ],
)
def test_the_side_that_fails_is_named(late: Side, because: str) -> None:
    """The requester reads for whom they wait, and that asking again changes nothing."""
    said = lines(show(ends()["issuing"], STATUS, late=late))
    assert said.endswith(f"This is taking longer than usual{because}. {SAFE}")


def test_the_requester_reads_that_nobody_could_be_asked() -> None:
    """As long as there is no card, the status says so; once there is, what is late is something else."""
    unasked, asked_late = show(Story().record, STATUS, late=Side.SLACK), show(carded().record, STATUS, late=Side.SLACK)
    said = f"The approvers couldn't be asked so far. {SAFE}"
    assert lines(unasked).endswith(said)
    assert said not in lines(asked_late)
    assert said not in lines(show(Story().record, CARD, late=Side.SLACK))
    assert said not in lines(show(Story().record, STATUS))


def test_the_posts_of_status_and_token_say_what_comes() -> None:
    """A phone rings for each of them."""
    assert post(Story().record, STATUS).text.startswith("R-1042 · Payments (standard), 7 days\n")
    assert post(Story().record, TOKEN).text == (
        "Your token for Payments (R-1042) is on its way. It will appear in this message."
    )
    assert post(Story(rule(plans=(STANDARD,))).record, STATUS).text.startswith("R-1042 · Payments, 7 days\n")


# --- the token --------------------------------------------------------------------------------------------------------


def test_the_token_is_in_one_block_and_nowhere_else() -> None:
    """Not in the text that phones show, not in a repr, not in a button."""
    body = check(messages.token(ends()["active"], KEY, SECRET, NOW))
    holding = [block for block in body.blocks if SECRET in json.dumps(block)]
    inner = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": SECRET}]}
    assert holding == [{"type": "rich_text", "elements": [inner]}]
    assert SECRET not in body.text
    assert SECRET not in f"{body!r} {body}"


def test_the_token_message_says_how_to_use_it_and_when_it_goes() -> None:
    """Lines to copy and more of them in a menu, until when it works, and that nobody shows it again."""
    body = messages.token(ends()["active"], KEY, SECRET, NOW + timedelta(days=1))
    assert snippets.curl(rule()) in [one.get("text") for one in walk(body.blocks)]
    assert body.text == (
        "Your token for Payments (R-1042) is here. Save it somewhere safe. I'll delete this message "
        f"{wording.date(NOW + timedelta(days=1))}, or when you press *I've saved it*. I can't show it again."
    )
    said = lines(body).splitlines()
    assert f"*Valid until:* {wording.date(NOW + timedelta(days=7))}" in said
    assert "<https://docs.example.com/payments|Documentation>" in said
    (menu,) = (one for one in walk(body.blocks) if one.get("type") == "overflow")
    assert [one["text"]["text"] for one in menu["options"]] == ["Python", "Node.js", ".env line"]
    assert [one["value"] for one in menu["options"]] == ["python:req1", "node:req1", "env:req1"]
    (button,) = (one for one in walk(body.blocks) if one.get("type") == "button")
    assert (button["action_id"], button["value"]) == (buttons.TOKEN_SAVED, "req1:key1")
    assert "delete this message after 1 day, or" in messages.token(ends()["active"], KEY, SECRET).text


def test_an_audience_of_thousands_still_fits() -> None:
    """The card counts those it cannot name."""
    crowd = Audience(users=frozenset(f"U{n:06}" for n in range(3000)))
    record = Story(rule(approvers=crowd)).record
    post(record, CARD)
    show(record, CARD)
    show(record, STATUS)


def test_an_ended_grant_is_ended_in_the_fixtures() -> None:
    """The states above are what their names say."""
    states = {name: record.grant.state if record.grant else record.request.state for name, record in ends().items()}
    assert states["revoked"] is states["ended"] is GrantState.ENDED
    assert states["active"] is GrantState.ACTIVE
