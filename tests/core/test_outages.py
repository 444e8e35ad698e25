"""What each code means to whoever runs the bot, and what fails for one cause."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.core import outages
from bot.core.model import EffectKind
from bot.core.outages import DIRECT, TELL_AFTER, Failing, Side
from tests.core.life import HOUR, NOW, SECOND

ISSUE, POST, AUDIT = EffectKind.ISSUE_KEY, EffectKind.POST_MESSAGE, EffectKind.POST_AUDIT


@pytest.mark.parametrize(
    ("kind", "code", "name", "side", "passes"),
    [
        (ISSUE, "tyk_unreachable", "tyk_away", Side.TYK, True),
        (ISSUE, "tyk_timeout", "tyk_away", Side.TYK, True),
        (ISSUE, "tyk_503", "tyk_away", Side.TYK, True),
        (ISSUE, "deadline", "tyk_away", Side.TYK, True),
        (ISSUE, "tyk_401", "tyk_401", Side.TYK, False),
        (ISSUE, "tyk_403", "tyk_403", Side.TYK, False),
        (ISSUE, "tyk_not_tyk", "tyk_not_tyk", Side.TYK, True),
        (ISSUE, "tyk_404", "tyk_odd_answer", Side.TYK, True),
        (ISSUE, "tyk_odd_answer", "tyk_odd_answer", Side.TYK, True),
        (ISSUE, "tyk_tls", "tyk_tls", Side.TYK, True),
        (ISSUE, "tyk_new_in_6", "tyk_new_in_6", Side.TYK, True),
        (ISSUE, "http_503", "slack_away", Side.SLACK, True),
        (POST, "deadline", "slack_away", Side.SLACK, True),
        (POST, "connection_lost", "slack_away", Side.SLACK, True),
        (POST, "no_such_host", "slack_away", Side.SLACK, True),
        (POST, "proxy_failed", "slack_away", Side.SLACK, True),
        (POST, "tls_failed", "slack_away", Side.SLACK, True),
        (POST, "token_revoked", "slack_token", Side.SLACK, False),
        (POST, "not_allowed_token_type", "slack_token", Side.SLACK, False),
        (POST, "account_inactive", "slack_token", Side.SLACK, False),
        (POST, "invalid_auth", "slack_token", Side.SLACK, False),
        (POST, "restricted_action", "restricted_action", Side.SLACK, False),
        (POST, "is_archived", "is_archived", Side.SLACK, False),
        (POST, "not_in_channel", "not_in_channel", Side.SLACK, False),
        (POST, "channel_not_found", "channel_not_found", Side.SLACK, False),
        (POST, "messages_tab_disabled", "messages_tab_disabled", Side.SLACK, False),
        (POST, "no_permission", "no_permission", Side.SLACK, False),
        (POST, "team_access_not_granted", "team_access_not_granted", Side.SLACK, False),
        (POST, "ratelimited", "ratelimited", Side.SLACK, True),
        (POST, "new_at_slack", "new_at_slack", Side.SLACK, True),
        (POST, "bug_KeyError", "bug_KeyError", Side.OURS, True),
    ],
)
def test_a_code_has_a_cause(kind: EffectKind, code: str, name: str, side: Side, passes: bool) -> None:
    """Whose it is, whether it may pass by itself, and a sentence that says what to do."""
    cause = outages.cause_of(kind, code)
    assert (cause.name, cause.side, cause.passes) == (name, side, passes)
    assert cause.sentence.endswith(".")
    assert len(cause.sentence) > 30
    assert len(outages.sentence(kind, code)) < 200


def failing(kind: EffectKind = ISSUE, code: str = "tyk_401", place: str | None = None, request: str = "r") -> Failing:
    return Failing(kind, code, place, request, NOW)


def test_what_fails_for_one_cause_is_one_outage() -> None:
    """Whatever the code of the day, since the first failure; a request that waits twice is counted once."""
    earlier = Failing(EffectKind.REVOKE_KEY, "tyk_timeout", None, "s", NOW - HOUR)
    found = outages.outages([failing(code="tyk_502"), failing(code="tyk_broken"), earlier, failing(code="tyk_401")])
    assert {key: (one.since, one.waiting) for key, one in found.items()} == {
        "tyk_away": (NOW - HOUR, 2),
        "tyk_401": (NOW, 1),
    }
    assert found["tyk_away"].kinds == {ISSUE, EffectKind.REVOKE_KEY}


def test_each_channel_has_its_own() -> None:
    """People are one place together; and what concerns the whole app is in none."""
    found = outages.outages(
        [
            failing(POST, "restricted_action", "C0APPROVE"),
            failing(AUDIT, "restricted_action", "C0AUDIT"),
            failing(POST, "restricted_action", "U0ALICE"),
            failing(POST, "restricted_action", "D0BOB", "s"),
            failing(POST, "messages_tab_disabled", "U0ALICE"),
        ]
    )
    assert {key: one.waiting for key, one in found.items()} == {
        "restricted_action C0APPROVE": 1,
        "restricted_action C0AUDIT": 1,
        f"restricted_action {DIRECT}": 2,
        "messages_tab_disabled": 1,
    }
    assert all(len(key) <= 64 for key in found), "they fit their column"
    for key, one in found.items():
        named = outages.named(key, NOW)
        assert (named.cause, named.place) == (one.cause, one.place)


@pytest.mark.parametrize(
    ("code", "told"), [("tyk_401", timedelta()), ("restricted_action", timedelta()), ("tyk_503", TELL_AFTER)]
)
def test_what_may_pass_by_itself_is_told_later(code: str, told: timedelta) -> None:
    """At once where only a person can mend it, else when it has lasted."""
    (outage,) = outages.outages([failing(code=code)]).values()
    assert outage.is_told(NOW + told)
    assert not told or not outage.is_told(NOW + told - SECOND)
