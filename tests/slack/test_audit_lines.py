"""The audit as it is read: what the lifecycle says, a line each, inert and within the limits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.core import facts, lifecycle, timing
from bot.core.model import (
    AuditEvent,
    AuditLine,
    EffectKind,
    Verdict,
)
from bot.slack import audit_lines
from bot.slack.block_kit import Body
from tests.slack.test_messages import EVE, EVERY, Story, check, without_end
from tests.slack.test_modals import (
    ANN,
    BOB,
    NASTY,
    NOW,
    nasty,
    rule,
)


def audit_row(
    number: int, line: AuditLine, *, label: str | None = "R-1042", api: str | None = "payments"
) -> audit_lines.AuditRow:
    return audit_lines.AuditRow(number, NOW, line.event, label, line.actor, api, line.details)


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
        f"#17 · R-1042 · payments · {line}"
        for line in (
            "asked · by @U0ANN, standard, 7 days, used by nightly: the nightly run",
            "reviewed · yes by @U0BOB, 1 of 2",
            "reviewed · yes by @U0ZOE, counted by S0LEADS, 2 of 2",
            "approved · by @U0ZOE, until 2026-03-08 12:00 UTC, rules 0123456789abcde…",
            "key created · cafe, ends 2026-03-08 12:00 UTC, rules 0123456789abcde…",
            "stuck · deliver_token, effect 9: invalid_blocks",
            "delayed · deliver_token: timeout",
            "recovered · deliver_token",
            "sent · the requester has the token",
            "hidden · the message with the token is gone",
            "revoked · left",
            "key deleted · cafe",
        )
    ]


def test_the_audit_tells_a_bad_day_in_order() -> None:
    """Lost, left, back, asked about, kept: as the lifecycle says it."""
    story = without_end()
    before = len(story.audit)
    story.replace_token(lifecycle.Loss.LOST)
    story.leave()
    story.see(facts.Returned())
    story.settle(EVERY)
    story.renew(EVE)
    assert [told(line) for line in story.audit[before:]] == [
        f"#17 · R-1042 · payments · {line}"
        for line in (
            "replaced · by @U0ANN: lost",
            "left · @U0ANN: Their Slack account is deactivated.",
            "returned · @U0ANN",
            "reminded · renewal",
            "renewed · by @U0ZOE, counted by S0LEADS",
        )
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            AuditLine(AuditEvent.REFUSED, ANN, {"person": "U0ANN", "why": "Not you, <@U0BOB>.", "step": "clicking"}),
            "refused · to @U0ANN, clicking: Not you, @U0BOB.",
        ),
        (AuditLine(AuditEvent.DENIED, BOB, {"reviewer": "U0BOB", "reason": "no"}), "denied · by @U0BOB: no"),
        (
            AuditLine(AuditEvent.DENIED, None, {"reviewer": None, "reason": "no", "operator": "carol@ops-1"}),
            "denied · no · at the command line by carol@ops-1",
        ),
        (AuditLine(AuditEvent.RETRIED, None, {"effect": "issue_key", "effect_id": 7}), "retried · issue_key, effect 7"),
        (
            AuditLine(AuditEvent.RESTORED, None, {"effect": "issue_key", "effect_id": 7}),
            "restored · put aside after a restore: issue_key",
        ),
        (AuditLine(AuditEvent.RESEALED, None, {"tokens": 3}), "resealed · tokens: 3"),
        (AuditLine(AuditEvent.KEY_GONE, None, {"key_hash": "ab12"}), "key gone · ab12"),
        (
            AuditLine(AuditEvent.KEY_CHANGED, None, {"key_hash": "ab12", "why": "Tyk holds another rate"}),
            "key changed · ab12: Tyk holds another rate",
        ),
        (AuditLine(AuditEvent.KEY_AS_GRANTED, None, {"key_hash": "ab12"}), "key as granted · ab12"),
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
        (AuditLine(AuditEvent.WITHDRAWN, ANN), "withdrawn · by @U0ANN"),
        (AuditLine(AuditEvent.LAPSED), "lapsed · nobody decided in time"),
        (AuditLine(AuditEvent.LAPSED, None, {"why": "Nobody could be asked."}), "lapsed · Nobody could be asked."),
        (AuditLine(AuditEvent.EXPIRED), "expired · its time was over"),
        (AuditLine(AuditEvent.APPROVED, None, {"need": 0, "until": None}), "approved · without review, no end"),
        (
            AuditLine(AuditEvent.EXPIRED, None, {"why": timing.LEFT_BEHIND}),
            "expired · Its holder has left, and nothing says what uses it.",
        ),
        (AuditLine(AuditEvent.REMINDED, None, {"of": "last chance"}), "reminded · last chance"),
        (AuditLine(AuditEvent.REPLACED, ANN, {"why": "leaked"}), "replaced · by @U0ANN: leaked"),
        (
            AuditLine(AuditEvent.LEFT, None, {"person": "U0ANN", "why": "They are only a guest here now."}),
            "left · @U0ANN: They are only a guest here now.",
        ),
        (AuditLine(AuditEvent.RETURNED, None, {"person": "U0ANN"}), "returned · @U0ANN"),
        (
            AuditLine(AuditEvent.RENEWED, BOB, {"reviewer": "U0BOB", "counted_by": "S0LEADS"}),
            "renewed · by @U0BOB, counted by S0LEADS",
        ),
        (
            AuditLine(AuditEvent.CONFIGURED, None, {"digest": "abc", "added": ["a", "b"], "approvals_fell": ["c"]}),
            "configured · rules abc, added a, b, fewer approvals for c",
        ),
    ],
)
def test_each_event_has_its_words(line: AuditLine, said: str) -> None:
    """Few, and with the event's own word to search for."""
    assert told(line) == f"#17 · R-1042 · payments · {said}"


def test_a_line_without_a_request_says_what_it_can() -> None:
    """A refusal belongs to no request."""
    line = AuditLine(AuditEvent.REFUSED, ANN, {"api": "ledger"})
    assert audit_lines.audit_sentence(audit_row(3, line, label=None, api=None)) == "#3 · ledger · refused · to @U0ANN"


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
