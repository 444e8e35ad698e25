"""What is told and asked once: in one sentence, to those whom it concerns, with what can be done."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.core import facts, lifecycle, timing
from bot.core.messages import UNASKED
from bot.core.model import (
    Audience,
    EffectKind,
    Message,
    MessageId,
    MessageKind,
    Record,
    Topic,
)
from bot.core.outages import Outage, cause_of
from bot.core.reconciliation import Finding, FindingKind, Told
from bot.slack import buttons, messages, notifications, wording
from tests.slack.test_messages import (
    ASKED,
    CASES,
    EVERY,
    NOTES,
    SAFE,
    Story,
    alarm,
    case,
    check,
    ends,
    held,
    labels,
    lines,
    note,
    post,
    ring,
    show,
)
from tests.slack.test_modals import (
    ANN,
    NOW,
    rule,
    walk,
)


def _barred(story: Story) -> Record:
    story.approve()
    return story.see(facts.Barred("before the key is made", "You are no longer among those who may ask."))


@pytest.mark.parametrize(
    ("why", "record", "said"),
    [
        (Topic.DENIED, lambda: ends("no")["denied"], "R-1042 (Payments) was denied by <@U0BOB>. Reason: no"),
        (
            Topic.LAPSED,
            lambda: ends()["lapsed"],
            "R-1042 (Payments) expired unanswered: nobody decided within 7 days. If you still need it, ask again.",
        ),
        (
            Topic.LAPSED,
            lambda: ends()["unasked"],
            f"R-1042 (Payments) expired unanswered. {UNASKED} If you still need it, ask again.",
        ),
        (
            Topic.DELAYED,
            lambda: ends()["issuing"],
            f"Your token for Payments (R-1042) is taking longer than usual. {SAFE}",
        ),
        (
            Topic.DELAYED_BY_TYK,
            lambda: ends()["issuing"],
            f"Your token for Payments (R-1042) is taking longer than usual because Tyk isn't answering. {SAFE}",
        ),
        (
            Topic.DELAYED_BY_SLACK,
            lambda: ends()["active"],
            f"Your token for Payments (R-1042) is taking longer than usual because Slack isn't taking my messages. {SAFE}",
        ),
        (
            Topic.UNASKED,
            lambda: Story().record,
            f"R-1042 (Payments): the approvers couldn't be asked so far, because I couldn't reach their channel. {SAFE}",
        ),
        (
            Topic.STUCK,
            lambda: ends()["issuing"],
            "Your token for Payments is stuck, and a person has to help. Ask in <#C0HELP> and mention R-1042.",
        ),
        (
            Topic.ARRIVED,
            lambda: ends()["active"],
            "Your token for Payments (R-1042) is ready, further up.",
        ),
        (
            Topic.ENDED,
            lambda: ends("left the team")["revoked"],
            f"Your access to Payments (R-1042) was revoked by <@U0BOB>, {wording.date(NOW)}. Reason: left the team",
        ),
        (
            Topic.ENDED,
            lambda: ends()["unreviewed"],
            (
                f"Your access to Payments (R-1042) expired, {wording.date(NOW + ASKED + timedelta(days=14))}. "
                f"Reason: {timing.UNREVIEWED}"
            ),
        ),
        (
            Topic.ENDING,
            lambda: ends()["delivered"],
            (
                f"Your access to Payments (R-1042) expires {wording.date(NOW + timedelta(days=7))}, unless you extend it. What "
                "uses it (nightly) stops working then. Extending keeps your token. For a new one ask again: the token you have "
                "keeps working until then."
            ),
        ),
        (
            Topic.ENDING,
            lambda: ends()["left"],
            (
                f"Your access to Payments (R-1042) expires {wording.date(NOW + timedelta(days=7))}, unless you extend it. "
                "Extending keeps your token. For a new one ask again: the token you have keeps working until then."
            ),
        ),
        (
            Topic.REVIEWING,
            lambda: ends()["asked about"],
            (
                "Your access to Payments (R-1042) doesn't expire, so its approvers are asked whether it is still needed. If "
                f"nobody confirms by {wording.date(NOW + ASKED + timedelta(days=14))}, it expires."
            ),
        ),
        (
            Topic.UNSEEN,
            lambda: ends()["unseen"],
            (
                "I couldn't show you your token for Payments (R-1042) in time, so nobody has seen it. Press *Replace token* on "
                "the message about your request for a new one."
            ),
        ),
        (Topic.RESUMED, lambda: ends()["issuing"], "R-1042 (Payments) goes on again."),
        (
            Topic.GONE,
            lambda: ends()["delivered"],
            (
                "Your token for Payments (R-1042) no longer works: somebody deleted it at Tyk. You still have access until "
                f"{wording.date(NOW + timedelta(days=7))}: press *Replace token* for a new one."
            ),
        ),
        (
            Topic.BACK,
            lambda: ends()["delivered"],
            "Your token for Payments (R-1042) works again: it is back at Tyk.",
        ),
        (
            Topic.BARRED,
            lambda: _barred(Story()),
            (
                "R-1042 (Payments) was cancelled: you can no longer get it as requested. "
                "Reason: You are no longer among those who may ask."
            ),
        ),
    ],
)
def test_a_ring_says_in_one_sentence_what_happened_and_why(why: Topic, record: Callable[[], Record], said: str) -> None:
    """New messages are few, so each is worth the noise."""
    assert post(record(), ring(why)).text == said


def test_a_token_that_came_late_is_told_with_the_way_to_it() -> None:
    """Where nobody knows where Slack is read, the sentence is true without."""
    token = Message(MessageId("t"), MessageKind.TOKEN, ANN.user_id, channel="D0ANN", ts="17.0001")
    for record, workspace, said in (
        (ends()["active"], "https://x.slack.com/", ", further up."),
        (replace(ends()["active"], messages=(token,)), "", ", further up."),
        (
            replace(ends()["active"], messages=(token,)),
            "https://x.slack.com/",
            ": <https://x.slack.com/archives/D0ANN/p170001|Show it>",
        ),
    ):
        body = messages.post(record, ring(Topic.ARRIVED), help_channel="C0HELP", workspace=workspace)
        assert body.text == f"Your token for Payments (R-1042) is ready{said}"


@pytest.mark.parametrize("why", [*NOTES, *CASES])
def test_what_is_told_to_approvers_rings_no_holder(why: Topic) -> None:
    """A topic of theirs has no words for the one who holds the token."""
    with pytest.raises(ValueError, match="no topic of a notice"):
        post(ends()["active"], ring(why))


@pytest.mark.parametrize(
    ("why", "state", "offered"),
    [
        (Topic.LAPSED, "lapsed", ["Ask again"]),
        (Topic.ENDING, "delivered", ["Extend", "Ask again"]),
        (Topic.ENDED, "revoked", ["Ask again"]),
    ],
)
def test_a_ring_offers_to_ask_again_where_that_helps(why: Topic, state: str, offered: list[str]) -> None:
    """The button opens a form, which is true at any time; it says which request it is filled in from."""
    body = post(ends()[state], ring(why))
    found = [one for one in walk(body.blocks) if one.get("type") == "button"]
    assert [one["text"]["text"] for one in found] == offered
    assert (found[-1]["action_id"], found[-1]["value"]) == (buttons.ASK_AGAIN, "req1")
    assert {one["value"] for one in found} == {"req1"}


# --- what approvers are told and asked --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("why", "more"), [(Topic.STILL_WAITING, ""), (Topic.LAST_CHANCE, " This is the last reminder.")]
)
def test_a_reminder_calls_those_who_have_not_decided(why: Topic, more: str) -> None:
    """By name, with what waits and until when; the requester is named without being called, and the last says that it is."""
    body = post(Story().record, note(why), undecided=("U0BOB", "U0ZOE"))
    assert body.text == (
        "<@U0BOB> and <@U0ZOE>: R-1042, Payments (standard) for Somebody, has been waiting since "
        f"{wording.date(NOW)}. It expires {wording.date(NOW + timedelta(days=7))} if nobody decides.{more}"
    )
    assert labels(body) == []


def test_a_reminder_counts_those_it_cannot_name() -> None:
    """Fifty are called; where there is nobody left to call, nobody is."""
    crowd = tuple(f"U{number:04}" for number in range(500))
    said = post(Story().record, note(Topic.STILL_WAITING), undecided=crowd).text
    assert said.count("<@") == notifications.MAX_NAMED
    assert "<@U0049> and 450 more: R-1042" in said
    assert post(Story().record, note(Topic.STILL_WAITING)).text.startswith(
        "R-1042, Payments (standard) for Somebody, has"
    )


def test_approvers_are_told_of_a_leak() -> None:
    """The group is called, never the holder, and the sentence is true whatever comes later."""
    said = post(ends()["replacing"], note(Topic.LEAKED)).text
    assert said == (
        "<!subteam^S0LEADS> and <@U0BOB>: the token of R-1042, Payments (standard) for Somebody, leaked, says its holder, "
        "who gets a new one. The old one is being revoked."
    )
    hers = rule(
        approvers=Audience(users=frozenset({ANN.user_id})), also_may_approve=Audience(groups=frozenset({"S0ONCALL"}))
    )
    assert post(Story(hers).record, note(Topic.LEAKED)).text.startswith("<!subteam^S0ONCALL>: the token of R-1042")
    nobody = Story(rule(approvers=Audience(users=frozenset({ANN.user_id})))).record
    assert post(nobody, note(Topic.LEAKED)).text.startswith("The token of R-1042")
    alone = Story(rule(approvals=0, approvers=Audience())).record
    assert post(alone, note(Topic.LEAKED)).text.startswith("The token of R-1042")


@pytest.mark.parametrize(
    ("topic", "state", "said", "offered"),
    [
        (
            Topic.LEFT,
            "left",
            f"Nothing says what uses it, so it expires {wording.date(NOW + timedelta(days=1))}.",
            ["Revoke", "See last use"],
        ),
        (
            Topic.LEFT,
            "left in use",
            (
                f"It says what uses it, so it stays valid until {wording.date(NOW + timedelta(days=7))}. "
                "Revoke it if nothing needs it any more."
            ),
            ["Revoke", "See last use"],
        ),
        (
            Topic.LEFT,
            "left without end",
            (
                f"It says what uses it, so it stays valid until {wording.date(NOW + EVERY + timedelta(days=14))}. "
                "Revoke it if nothing needs it any more."
            ),
            ["Revoke", "See last use"],
        ),
        (Topic.LEFT, "back", "They are back, so it stays valid.", ["Revoke", "See last use"]),
        (Topic.LEFT, "revoked", f"Revoked by <@U0BOB>, {wording.date(NOW)}.\nWhy: no need", []),
        (
            Topic.RENEWAL,
            "asked about",
            f"Somebody has not answered.\nIf nobody confirms, it expires {wording.date(NOW + ASKED + timedelta(days=14))}.",
            ["Still needed", "Revoke", "See last use"],
        ),
        (
            Topic.RENEWAL,
            "renewed",
            f"Kept by <@U0BOB>, {wording.date(NOW + ASKED)}. Next review {wording.date(NOW + ASKED + EVERY)}.",
            [],
        ),
        (
            Topic.RENEWAL,
            "unreviewed",
            f"Expired, {wording.date(NOW + ASKED + timedelta(days=14))}.\nWhy: {timing.UNREVIEWED}",
            [],
        ),
    ],
)
def test_a_case_says_what_is_true_of_it_now(topic: Topic, state: str, said: str, offered: list[str]) -> None:
    """The question stands, and below it what became of it and what can still be done."""
    record = ends()[state]
    posted, shown = post(record, case(topic)), show(record, case(topic))
    assert labels(posted) == []
    assert posted.text in shown.text
    assert lines(shown).endswith(said)
    assert shown.text.endswith(said)
    assert labels(shown) == offered


def test_a_case_that_nobody_can_decide_says_who_can() -> None:
    """Where the rule names no approvers there is no button that would refuse them all, but the operator's command."""
    record = ends()["left in use"]
    rule = replace(record.request.rule, approvals=0, approvers=Audience())
    record = replace(record, request=replace(record.request, rule=rule))
    shown = show(record, case(Topic.LEFT))
    assert labels(shown) == []
    assert shown.text.endswith("Its rule names no approvers: `tyk-key-bot revoke R-1042` revokes it.")


def test_a_case_names_the_keys_their_use_and_who_approved() -> None:
    """The approvers are called and the holder is named; what was typed stands apart as plain text."""
    body = post(ends()["left in use"], case(Topic.LEFT))
    assert body.text == (
        "<!subteam^S0LEADS> and <@U0BOB>: Somebody, who has had access to Payments (standard) since "
        f"{wording.date(NOW)} (R-1042), has left."
    )
    fields = [one["text"] for block in body.blocks for one in block.get("fields", [])]
    assert fields == ["*Key*\n`cafe`", "*Approved by*\n<@U0BOB> and <@U0ZOE>"]
    typed = [block["text"]["text"] for block in body.blocks if block.get("text", {}).get("type") == "plain_text"]
    assert typed == ["Used by: nightly", "Reason: no need"]
    asked = post(ends()["asked about"], case(Topic.RENEWAL))
    assert asked.text.endswith("(R-1042), and it doesn't expire. Does Somebody still need this?")


def test_a_case_names_no_key_that_is_dead() -> None:
    """After a replacement the old key's name leads nowhere."""
    story = held()
    old, new = story.record.keys[0].id, story.replace_token(lifecycle.Loss.LEAKED).keys[1].id
    story.see(facts.KeyIssued(new, "beef", b"sealed", NOW + lifecycle.PROBATION))
    both = post(story.record, case(Topic.LEFT))
    assert "`cafe`, `beef`" in json.dumps(both.blocks)
    story.see(facts.KeyDead(old))
    assert "*Key*\\n`beef`" in json.dumps(post(story.record, case(Topic.LEFT)).blocks)
    story.see(facts.KeyDead(new))
    assert "*Key*\\nnone" in json.dumps(post(story.record, case(Topic.LEFT)).blocks)


def test_keeping_it_is_the_answer_that_stands_out() -> None:
    """Revoke opens the form that asks why; both say which request they are for."""
    found = [
        one for one in walk(show(ends()["asked about"], case(Topic.RENEWAL)).blocks) if one.get("type") == "button"
    ]
    assert [(one["action_id"], one.get("style"), one["value"]) for one in found] == [
        (buttons.RENEW, "primary", "req1"),
        (buttons.REVOKE_ASK, "danger", "req1"),
        (buttons.WHO, None, ANN.user_id),
    ]


def test_the_help_channel_hears_what_to_do() -> None:
    """Once that it is stuck, once that it goes on."""
    subject = "R-1042 (Payments (standard), for Somebody)"
    stuck = "got stuck. `tyk-key-bot requests` says where, `tyk-key-bot retry` takes it up again."
    assert post(Story().record, alarm(Topic.STUCK)).text == f"{subject} {stuck}"
    assert post(Story().record, alarm(Topic.RESUMED)).text == f"{subject} goes on again."
    why = "Tyk has no policy 5f1c <!channel>."
    said = check(notifications.alert(Story().record.request, Topic.STUCK, why)).text
    assert said == f"{subject} {stuck.replace('stuck.', 'stuck: Tyk has no policy 5f1c &lt;!channel&gt;.', 1)}"
    works = post(Story().record, alarm(Topic.STILL_WORKS)).text
    assert works.startswith(f"{subject} was to lose its key, but the token still works: ")
    assert "`tyk-key-bot retry R-1042`" in works


TYK_401 = cause_of(EffectKind.ISSUE_KEY, "tyk_401")
REFUSED = cause_of(EffectKind.POST_MESSAGE, "restricted_action")


@pytest.mark.parametrize(
    ("outage", "said"),
    [
        (Outage(TYK_401, "", NOW, 1), f"{TYK_401.sentence} 1 request waits for it."),
        (Outage(TYK_401, "", NOW, 200), f"{TYK_401.sentence} 200 requests wait for it."),
        (Outage(TYK_401, "", NOW, 1000), f"{TYK_401.sentence} 1,000 or more requests wait for it."),
        (Outage(REFUSED, "C0AUDIT", NOW), f"I can't post in <#C0AUDIT>. {REFUSED.sentence} No request waits for it."),
        (
            Outage(REFUSED, "direct messages", NOW, 2),
            f"I can't post in direct messages. {REFUSED.sentence} 2 requests wait for it.",
        ),
    ],
)
def test_the_help_channel_hears_of_an_outage(outage: Outage, said: str) -> None:
    """Since when, what is wrong and what to do, how many wait; then that it is over, and what it was."""
    began, over = notifications.outage(outage, None), notifications.outage(outage, NOW + timedelta(hours=1))
    assert check(began).text == f"Since {wording.date(NOW)}: {said} I'm still trying, and will say when it is over."
    assert check(over).text.startswith(
        f"Over since {wording.date(NOW + timedelta(hours=1))}, nothing waits for it any more: "
    )
    assert outage.cause.what in over.text
    assert outage.cause.what == outage.cause.sentence or outage.cause.sentence not in over.text, (
        "there is nothing to do"
    )


# --- keys beside what Tyk has -----------------------------------------------------------------------------------------


def told(kind: FindingKind, what: str, *, record: Record | None = None, is_over: bool = False) -> Told:
    return Told(Finding(kind, what, "R-1042", "ab12"), record.request if record else None, is_over)


def test_the_help_channel_hears_what_was_found() -> None:
    """Whose key it is, what is true and what to do; apart from it what is so no more; and how many are not named."""
    record, whose = ends()["delivered"], "• R-1042 (Payments (standard), for Somebody), key `ab12`"
    body = check(
        notifications.found(
            [
                told(FindingKind.GONE, "Tyk no longer has it", record=record),
                told(FindingKind.STRANGER, "I don't know this key"),
                told(FindingKind.ALTERED, "Tyk holds another rate", record=record, is_over=True),
            ],
            1200,
        )
    )
    assert body.text.splitlines() == [
        "I compared my keys with those that Tyk has:",
        f"{whose}: Tyk no longer has it. Replace token gives its holder another, `tyk-key-bot revoke R-1042` ends the grant.",
        "• R-1042, key `ab12`: I don't know this key. `tyk-key-bot reconcile --end` ends such keys.",
        "No longer so:",
        f"{whose}: Tyk holds another rate",
        "And 1,200 more: `tyk-key-bot reconcile` names them all.",
    ]


def test_what_was_found_calls_nobody() -> None:
    """Neither a name nor what somebody wrote into a key at Tyk is more than words, and however long, Slack takes it."""
    record = ends()["delivered"]
    bold = "<!here> *bold* <@U0BOB> " * 50
    record = replace(record, request=replace(record.request, requester_name=bold))
    one = replace(told(FindingKind.STRANGER, bold), finding=Finding(FindingKind.STRANGER, bold, bold, bold))
    body = check(notifications.found([one, told(FindingKind.ALTERED, bold * 9, record=record)] * 4, 0))
    assert "<!here>" not in body.text
    assert "<@" not in body.text
