"""The audit as it is read: what the lifecycle says, a line each, inert and within the limits."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.core import changes, facts, lifecycle, outages, timing
from bot.core.audit import AuditEntry, Called, Reading, named_in, together
from bot.core.model import (
    Audience,
    AuditEvent,
    AuditLine,
    EffectKind,
    Plan,
    Rule,
    Rulebook,
    Verdict,
)
from bot.effects.post_audit import BATCH
from bot.slack import audit_lines
from bot.slack.block_kit import MAX_SECTION, Body
from tests.slack.test_messages import ASKED, EVE, Story, check, without_end
from tests.slack.test_modals import (
    ANN,
    BOB,
    LIMITS,
    NASTY,
    NOW,
    STANDARD,
    nasty,
    rule,
)

NAMES = {"U0ANN": "Ann", "U0BOB": "Bob", "U0ZOE": "Zoe", "S0LEADS": "@payments-leads"}
SHOP = "https://shop.slack.com/"


def audit_row(
    number: int, line: AuditLine, *, label: str | None = "R-1042", api: str | None = "Payments", holder: str = "Ann"
) -> audit_lines.AuditRow:
    return audit_lines.AuditRow(number, NOW, line.event, label, line.actor, api, line.details, holder, names=NAMES)


def told(line: AuditLine) -> str:
    return audit_lines.audit_sentence(audit_row(17, line))


def test_the_audit_tells_a_whole_story_in_order() -> None:
    """What the lifecycle says is what the channel reads."""
    story = Story()
    key_id = story.activate().keys[0].id
    story.see(facts.Stuck(EffectKind.DELIVER_TOKEN, 9, "invalid_blocks"))
    story.see(facts.Delayed(EffectKind.DELIVER_TOKEN, "timeout"))
    story.see(facts.Recovered(EffectKind.DELIVER_TOKEN))
    story.see(facts.TokenShown(key_id))
    story.see(facts.TokenHidden(key_id, keep_sealed=True))
    story.revoke(None, "left")
    story.see(facts.KeyDead(key_id))
    assert [told(line) for line in story.audit] == [
        f"#17 · R-1042 · Payments · Ann · {line}"
        for line in (
            "asked · standard, 7 days, used by nightly: the nightly run",
            "reviewed · yes by Bob, 1 of 2",
            "reviewed · yes by Zoe, as one of @payments-leads, 2 of 2",
            "approved · by Bob and Zoe, until 2026-03-08 12:00 UTC",
            "key created · until 2026-03-08 12:00 UTC",
            "stuck · showing the token: Slack answers in a way that I didn't expect.",
            f"delayed · showing the token: {outages.SLACK_AWAY.sentence}",
            "recovered · showing the token",
            "sent · the holder has the token",
            "hidden · the message with the token is gone",
            "revoked · left",
            "key deleted",
        )
    ]


def test_the_audit_tells_a_bad_day_in_order() -> None:
    """Lost, left, back, asked about, kept: as the lifecycle says it."""
    story = without_end()
    before = len(story.audit)
    story.replace_token(lifecycle.Loss.LOST)
    story.leave()
    story.see(facts.Returned())
    story.settle(ASKED)
    story.renew(EVE)
    assert [told(line) for line in story.audit[before:]] == [
        f"#17 · R-1042 · Payments · Ann · {line}"
        for line in (
            "replaced · by Ann: lost",
            "left · Ann: Their Slack account is deactivated.",
            "returned · Ann",
            "reminded · the approvers were asked whether it is still needed",
            "reminded · the holder was asked whether it is still in use",
            "renewed · kept by Zoe, as one of @payments-leads",
        )
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            AuditLine(AuditEvent.REFUSED, ANN, {"person": "U0ANN", "why": "Not you, <@U0BOB>.", "step": "clicking"}),
            "refused · to Ann, clicking: Not you, Bob.",
        ),
        (AuditLine(AuditEvent.DENIED, BOB, {"reviewer": "U0BOB", "reason": "no"}), "denied · by Bob: no"),
        (
            AuditLine(AuditEvent.DENIED, None, {"reviewer": None, "reason": "no", "operator": "carol@ops-1"}),
            "denied · no · at the command line by carol@ops-1",
        ),
        (AuditLine(AuditEvent.RETRIED, None, {"effect": "issue_key", "effect_id": 7}), "retried · making the key"),
        (
            AuditLine(AuditEvent.RESTORED, None, {"effect": "issue_key", "effect_id": 7}),
            "restored · put aside after a restore: making the key",
        ),
        (AuditLine(AuditEvent.RESEALED, None, {"tokens": 3}), "resealed · tokens: 3"),
        (AuditLine(AuditEvent.KEY_GONE, None, {"key_hash": "ab12"}), "key gone"),
        (
            AuditLine(AuditEvent.KEY_CHANGED, None, {"key_hash": "ab12", "why": "Tyk holds another rate"}),
            "key changed · Tyk holds another rate",
        ),
        (AuditLine(AuditEvent.KEY_AS_GRANTED, None, {"key_hash": "ab12"}), "key as granted"),
        (AuditLine(AuditEvent.WITHDRAWN, ANN), "withdrawn · by Ann"),
        (AuditLine(AuditEvent.LAPSED), "lapsed · nobody decided in time"),
        (AuditLine(AuditEvent.LAPSED, None, {"why": "Nobody could be asked."}), "lapsed · Nobody could be asked."),
        (AuditLine(AuditEvent.EXPIRED), "expired · its time was over"),
        (AuditLine(AuditEvent.APPROVED, None, {"need": 0, "until": None}), "approved · no approval needed, no expiry"),
        (
            AuditLine(AuditEvent.EXPIRED, None, {"why": timing.LEFT_BEHIND}),
            "expired · Its holder has left, and nothing says what uses it.",
        ),
        (AuditLine(AuditEvent.REMINDED, None, {"of": "last chance"}), "reminded · the approvers, that it expires soon"),
        (AuditLine(AuditEvent.REPLACED, ANN, {"why": "leaked"}), "replaced · by Ann: leaked"),
        (
            AuditLine(AuditEvent.LEFT, None, {"person": "U0ANN", "why": "They are only a guest here now."}),
            "left · Ann: They are only a guest here now.",
        ),
        (AuditLine(AuditEvent.RETURNED, None, {"person": "U0ANN"}), "returned · Ann"),
        (
            AuditLine(AuditEvent.RENEWED, BOB, {"reviewer": "U0BOB", "counted_by": "S0LEADS"}),
            "renewed · kept by Bob, as one of @payments-leads",
        ),
        (
            AuditLine(AuditEvent.CONFIGURED, None, {"digest": "abc", "added": ["a", "b"], "approvals_fell": ["c"]}),
            "configured · added a, b, fewer approvals for c",
        ),
        (AuditLine(AuditEvent.CONFIGURED, None, {"digest": "abc"}), "configured · who may have what is as it was"),
        (AuditLine(AuditEvent.CONFIGURED, None, {"auditors": ["U0ZOE"]}), "configured · the auditors are now Zoe"),
        (AuditLine(AuditEvent.CONFIGURED, None, {"auditors": []}), "configured · no auditors"),
        (AuditLine(AuditEvent.RENEWED, BOB, {"reviewer": "U0BOB", "counted_by": "U0BOB"}), "renewed · kept by Bob"),
        (AuditLine(AuditEvent.LOOKED, BOB, {"person": "U0BOB"}), "looked · Bob looked up who holds it"),
        (
            AuditLine(AuditEvent.LOOKED, BOB, {"person": "U0BOB", "about": "U0ZOE", "page": 2}),
            "looked · Bob looked up what Zoe holds, page 2",
        ),
    ],
)
def test_each_event_has_its_words(line: AuditLine, said: str) -> None:
    """Few, and with the event's own word to search for."""
    assert told(line) == f"#17 · R-1042 · Payments · Ann · {said}"


def configured(before: Rule, after: Rule) -> AuditLine:
    found = changes.compared(Rulebook("a", {"payments": before}), Rulebook("b", {"payments": after}))
    (details,) = changes.told("b", found)
    return AuditLine(AuditEvent.CONFIGURED, None, details)


BEFORE = rule(
    requesters=Audience(groups=frozenset({"S0DEVS"})),
    approvers=Audience(groups=frozenset({"S0LEADS"}), users=frozenset({"U0ANN"})),
    plans=(STANDARD,),
    lifetimes=(timedelta(days=7), timedelta(days=1)),
)


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ({"approvals": 1}, "approvals 1 instead of 2"),
        ({"approvers": Audience(users=frozenset({"U0ANN", "U0BOB"}))}, "approvers with Bob, without @payments-leads"),
        ({"requesters": Audience(everyone=True)}, "requesters with everyone, without S0DEVS"),
        ({"lifetimes": (timedelta(days=7), None)}, "lifetimes with never, without 1 day"),
        ({"lapses_after": timedelta(hours=36)}, "requests expire after 1 day 12 hours instead of 7 days"),
        ({"max_total": timedelta(days=30)}, "longest in all 30 days instead of none"),
        ({"plans": (Plan("gold", LIMITS),)}, "plan standard is now called gold"),
        ({"plans": (Plan("standard", replace(LIMITS, rate=10)),)},
         "plan standard: limits 10 calls per second, 10,000 per day instead of 100 calls per second, 10,000 per day"),
        ({"title": "*Pay* <!here>", "out_of_force": True},
         "out of force, because too few approvers are left, title *Pay* <!here> instead of Payments"),
        ({"title": "x", "approvals": 1, "requesters": Audience(everyone=True)},
         "requesters with everyone, without S0DEVS, approvals 1 instead of 2, title x instead of Payments"),
    ],
)  # fmt: skip
def test_a_changed_rule_is_told_from_what_to_what(after: dict[str, Any], said: str) -> None:
    """What widens access comes first, people are named, and durations are written out."""
    line = told(configured(BEFORE, replace(BEFORE, **after)))
    assert line == f"#17 · R-1042 · Payments · Ann · configured · payments: {said}"


def test_a_line_of_many_changes_says_how_many_it_leaves_out() -> None:
    """A change of each of a thousand entries fits one message, with a line for each row that it takes; one of all of them alike
    names ten."""
    entries = {f"api-{number}": replace(BEFORE, name=f"api-{number}") for number in range(1000)}
    each = {name: replace(one, max_active=number + 6) for number, (name, one) in enumerate(entries.items())}
    alike = {name: replace(one, approvals=1) for name, one in entries.items()}

    def line(after: dict[str, Rule]) -> str:
        found = changes.compared(Rulebook("a", entries), Rulebook("b", after))
        first, *others = (AuditLine(AuditEvent.CONFIGURED, None, one) for one in changes.told("b", found))
        for part, other in enumerate(others, 2):
            assert f"part {part} of {len(others) + 1}: " in told(other)
        return told(first)

    assert re.search(r"; and \d\d\d more changes, too many for this line$", line(each))
    assert len(line(each)) < MAX_SECTION
    assert line(alike).endswith("api-105, api-106 and 990 more: approvals 1 instead of 2")
    added = line(entries | {"new": replace(BEFORE, name="new")})
    assert added.endswith("configured · new: added (requesters S0DEVS; approvals 2)")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            AuditLine(
                AuditEvent.KEY_UNKNOWN, None, {"key_hash": "ab12", "bears": "R-7", "why": "I don't know this key"}
            ),
            "key unknown · ab12, which bears R-7: I don't know this key",
        ),
        (
            AuditLine(
                AuditEvent.REVOKED, None, {"key_hash": "ab12", "bears": "R-7", "why": "unknown", "operator": "olga"}
            ),
            "revoked · ab12, which bears R-7: unknown · at the command line by olga",
        ),
        (AuditLine(AuditEvent.KEY_DELETED, None, {"key_hash": "ab12"}), "key deleted · ab12"),
        (
            AuditLine(AuditEvent.RETRIED, None, {"effect": "sweep_leavers", "effect_id": 7}),
            "retried · sweep leavers, effect 7",
        ),
    ],
)
def test_what_belongs_to_no_request_is_named_by_its_own_id(line: AuditLine, said: str) -> None:
    """Nothing else would say which it is."""
    assert audit_lines.audit_sentence(audit_row(17, line, label=None, api=None, holder="")) == f"#17 · {said}"


def test_nobody_is_called_and_the_number_leads_to_the_card() -> None:
    """In words there is no link: a phone shows them on its lock screen."""
    line = AuditLine(AuditEvent.WITHDRAWN, ANN)
    row = replace(audit_row(17, line), card=("C0APPROVE", "1772366400.000100"))
    body, _ = audit_lines.audit([row], SHOP)
    (block,) = body.blocks
    link = f"<{SHOP}archives/C0APPROVE/p1772366400000100|R-1042>"
    assert block["text"]["text"].startswith(f"#17 · {link} · Payments · Ann · *withdrawn* · by Ann · ")
    assert body.text.startswith("#17 · R-1042 · Payments · Ann · *withdrawn* · by Ann · ")
    assert "<@" not in str(body.blocks)


def test_of_whom_no_name_is_known_the_id_is_told() -> None:
    """Without a mention, all the same."""
    line = AuditLine(AuditEvent.DENIED, None, {"reviewer": "U0NEW", "reason": "ask <@U0BOB> or <!subteam^S0LEADS>"})
    assert told(line) == "#17 · R-1042 · Payments · Ann · denied · by U0NEW: ask Bob or @payments-leads"


def test_a_line_without_a_request_says_what_it_can() -> None:
    """A refusal belongs to no request."""
    line = AuditLine(AuditEvent.REFUSED, ANN, {"api": "ledger"})
    assert (
        audit_lines.audit_sentence(audit_row(3, line, label=None, api=None, holder=""))
        == "#3 · ledger · refused · to Ann"
    )


KEYS = [
    "person",
    "api",
    "plan",
    "lifetime",
    "used_by",
    "reason",
    "why",
    "step",
    "verdict",
    "reviewer",
    "counted_by",
    "have",
    "need",
    "rule",
    "rule_digest",
    "until",
    "key_hash",
    "expires",
    "effect",
    "error",
    "effect_id",
    "digest",
    "added",
    "removed",
    "approvals_fell",
    "people_changed",
    "changes",
    "left_out",
    "part",
    "parts",
    "of",
]


def odd() -> st.SearchStrategy[Any]:
    return st.one_of(nasty(), st.none(), st.booleans(), st.integers(), st.floats(), st.lists(nasty(), max_size=3))


@given(event=st.sampled_from(AuditEvent), details=st.dictionaries(st.sampled_from(KEYS), odd()), acted=st.booleans())
@example(event=AuditEvent.REVIEWED, details={"reviewer": ":"}, acted=False)
def test_no_detail_breaks_a_line(event: AuditEvent, details: dict[str, Any], acted: bool) -> None:
    """Missing, of another type or hostile: a line is told, inert, on one line, and it fits."""
    row = audit_row(1, AuditLine(event, ANN if acted else None, details))
    body, count = audit_lines.audit([row])
    check(body)
    assert count == 1
    assert "\n" not in body.text
    said = audit_lines.audit_sentence(row)
    assert event.value in said
    assert not any(ord(one) < 32 or one == "\u202e" for one in said)


@given(nasty(), nasty(), nasty())
@example(NASTY[0], NASTY[1], NASTY[2])
def test_whatever_a_person_typed_is_inert_in_the_audit(reason: str, used_by: str, title: str) -> None:
    """No text of theirs mentions, links or breaks anything."""
    story = Story(rule(title=title), reason=reason, used_by=used_by)
    story.review(BOB, Verdict.NO, reason)
    check(audit_lines.audit([audit_row(n, line) for n, line in enumerate(story.audit, start=1)])[0])


@given(st.lists(nasty(), min_size=1, max_size=60))
@example(["&" * 3000] * 60)
@example([""] * 200)
def test_the_audit_takes_as_many_leading_rows_as_fit(reasons: list[str]) -> None:
    """In order, none skipped, at least one."""
    rows = [audit_row(n, AuditLine(AuditEvent.REVOKED, BOB, {"why": why})) for n, why in enumerate(reasons, start=1)]
    body, count = audit_lines.audit(rows)
    check(body)
    assert 1 <= count <= len(rows)
    assert [line.split(" ")[0] for line in body.text.split("\n")] == [f"#{n}" for n in range(1, count + 1)]
    assert "\n".join(block["text"]["text"] for block in body.blocks) == body.text


def test_no_rows_make_no_message() -> None:
    """Nothing fits when there is nothing."""
    assert audit_lines.audit([]) == (Body("", []), 0)


def test_a_crowd_of_two_hundred_is_told_within_a_minute() -> None:
    """Slack takes a message a second: a thousand lines that came all at once, each request's among the others', take fifty."""
    lines = [
        AuditLine(AuditEvent.ASKED, ANN, {"plan": "standard", "lifetime": 604800, "reason": "to build the checkout"}),
        AuditLine(
            AuditEvent.REVIEWED, BOB, {"verdict": "yes", "reviewer": "U0BOB", "counted_by": "S0LEADS", "have": 1}
        ),
        AuditLine(AuditEvent.APPROVED, BOB, {"approvers": ["U0BOB"], "need": 1, "until": "2026-03-08T12:00:00+00:00"}),
        AuditLine(AuditEvent.KEY_CREATED, None, {"expires": "2026-03-08T12:00:00+00:00"}),
        AuditLine(AuditEvent.SENT),
    ]
    waiting = [
        AuditEntry(number, NOW, line.event, f"request-{of}", 1000 + of, "payments", None, line.actor, line.details)
        for number, (line, of) in enumerate(((line, of) for line in lines for of in range(200)), start=1)
    ]
    called = {f"request-{of}": Called("Payments", "Ann Example", ("C0APPROVE", "1.2")) for of in range(200)}
    posts = 0
    while waiting:
        count, about = together(waiting[:BATCH])
        assert about is None
        rows = audit_lines.rows_of(Reading(waiting[:count], called, NAMES))
        waiting = waiting[audit_lines.audit(rows, SHOP)[1] :]
        posts += 1
    assert posts <= 60


def test_the_head_stands_under_the_lines() -> None:
    """Of the last row that the message has, as `--head` takes it; none where that row is older than the chain."""
    rows = [replace(audit_row(number, AuditLine(AuditEvent.SENT)), link=f"{number:064x}") for number in (7, 8)]
    body, _ = audit_lines.audit(rows, SHOP)
    (element,) = body.blocks[-1]["elements"]
    assert element["text"] == f"Head 8:{'0' * 20}"
    assert [block["type"] for block in audit_lines.audit([audit_row(7, AuditLine(AuditEvent.SENT))])[0].blocks] == [
        "section"
    ]
    many = [replace(audit_row(one, AuditLine(AuditEvent.SENT)), link=f"{one:064x}") for one in range(1, 200)]
    body, count = audit_lines.audit(many, SHOP)
    assert count < len(many)
    assert body.blocks[-1]["elements"][0]["text"].startswith(f"Head {count}:")


def test_an_erasure_names_nobody() -> None:
    """The line has the user id, also where the name is known."""
    asked = AuditLine(AuditEvent.ERASED, None, {"person": "U0ANN", "requests": 2, "texts": 7, "operator": "Erin"})
    assert told(asked).endswith(
        "erased · what was typed about or by U0ANN, requests: 2, texts in the audit: 7 · at the command line by Erin"
    )
    row = AuditEntry(7, NOW, asked.event, None, None, None, ANN, None, asked.details)
    assert named_in([row]) == frozenset()
