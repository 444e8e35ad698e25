"""The session object is the tutorial's, field by field."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.core import lifecycle
from bot.core.lifecycle import Asked
from bot.core.model import Answers, ApiRef, Limits, Plan, Record, RequestId, Rule
from bot.tyk import session
from bot.tyk.session import Alias
from tests.core.life import ALICE, PAYMENTS, Ids

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TUTORIAL_API = "ad5004d961a147d4649fd3216694ebe2"
TUTORIAL = {
    "allowance": 1000,
    "rate": 1000,
    "per": 1,
    "expires": -1,
    "quota_max": -1,
    "quota_renews": 1449051461,
    "quota_remaining": -1,
    "quota_renewal_rate": 60,
    "access_rights": {TUTORIAL_API: {"api_id": TUTORIAL_API, "api_name": "test-api", "versions": ["Default"]}},
    "meta_data": {},
}
"""The body of "Create an API token" in Tyk's documentation."""


def granted(plan: Plan | None = None, lifetime: timedelta | None = timedelta(days=7)) -> Record:
    api = ApiRef(TUTORIAL_API, "test-api", ("Default",))
    plan = plan or Plan("standard", Limits(1000, 1, -1, 60))
    rule: Rule = replace(PAYMENTS, api=api, approvals=0, plans=(plan,), lifetimes=(lifetime,))
    form = Asked(RequestId("r"), plan, lifetime, Answers("checkout"))
    return lifecycle.submit(form, ALICE, rule, "digest", 1042, NOW, Ids()).record


def test_the_body_is_the_tutorials() -> None:
    """But for expiry, quota_renews, meta_data, tags and alias, every field and value is the tutorial's."""
    record = granted()
    body = session.session(record, record.keys[0], NOW + timedelta(minutes=15), NOW)
    ours = {"expires", "quota_renews", "meta_data", "tags", "alias"}
    assert {name: value for name, value in body.items() if name not in ours} == {
        name: value for name, value in TUTORIAL.items() if name not in ours
    }
    assert body.keys() - TUTORIAL.keys() == {"tags", "alias"}
    assert body["expires"] == int(NOW.timestamp()) + 900


def test_tyk_deletes_the_key_at_its_end_where_it_can() -> None:
    """Since 5.13 a key may be told to be deleted once it has expired, also if nobody is left to do it."""
    record = granted()
    made = session.session(record, record.keys[0], NOW, NOW, deletes=True)
    final = session.confirmed_session(record, record.keys[0], NOW, deletes=True)
    assert [body["post_expiry_action"] for body in (made, final)] == ["delete", "delete"]
    assert session.difference(record, final) is None
    assert session.difference(record, {**final, "post_expiry_action": "retain"}) is None, "we delete it all the same"


@pytest.mark.parametrize(
    ("asked_for", "alias"),
    [
        (Alias.NUMBER, "R-1042"),
        (Alias.PERSON, "R-1042 · alice"),
        (Alias.SERVICE, "R-1042 · alice · checkout"),
    ],
)
def test_tyk_learns_no_more_of_a_person_than_the_setting_says(asked_for: Alias, alias: str) -> None:
    """The alias holds the number alone unless more is asked for; what else is written are ids, and one tag for all keys."""
    record = granted()
    for body in (
        session.session(record, record.keys[0], None, NOW, asked_for),
        session.confirmed_session(record, record.keys[0], NOW, asked_for),
    ):
        assert body["alias"] == alias
        assert body["tags"] == ["tyk-key-bot"]
        assert body["meta_data"] == {
            "issued_by": "tyk-key-bot",
            "request": "R-1042",
            "request_id": "r",
            "key_id": record.keys[0].id,
            "slack_user": ALICE.identity.user_id,
        }


def test_policies_come_with_the_confirmation_only() -> None:
    """A policy's own expiry would overrule the probation of a key that does not exist yet."""
    record = granted(Plan("gold", Limits(1000, 1, -1, 60), tyk_policies=("p1",)))
    assert "apply_policies" not in session.session(record, record.keys[0], None, NOW)
    final = session.confirmed_session(record, record.keys[0], NOW)
    assert final["apply_policies"] == ["p1"]
    assert final["expires"] == int((NOW + timedelta(days=7)).timestamp())


def test_a_grant_without_an_end() -> None:
    """`never` is -1 at Tyk."""
    record = granted(lifetime=None)
    final = session.confirmed_session(record, record.keys[0], NOW)
    assert final["expires"] == -1
    assert [session.difference(record, final | {"expires": other}) is None for other in (0, None, 5, "-1")] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({}, None),
        ({"expires": -1}, "another end"),
        ({"access_rights": {TUTORIAL_API: {}, "other": {}}}, "open more"),
        ({"access_rights": {}}, "open less"),
        ({"rate": 5000}, "another rate"),
        ({"rate": 0}, "another rate"),
        ({"per": 60}, "another rate"),
        ({"rate": 1000.0, "per": 1.0, "quota_max": 0, "quota_renewal_rate": 3600}, None),
        ({"quota_max": 7}, "another quota"),
        ({"access_rights": {TUTORIAL_API: {"limit": {"rate": 5000, "per": 1}}}}, "limits of one API alone"),
        ({"access_rights": {TUTORIAL_API: {"limit": {"rate": 0, "per": 0, "quota_max": -1}}}}, None),
        ({"access_rights": {TUTORIAL_API: {"limit": None}}}, None),
        ({"access_rights": {TUTORIAL_API: {"versions": ["Default", "v2"]}}}, "other versions"),
        ({"access_rights": {TUTORIAL_API: {"versions": []}}}, None),
        ({"access_rights": {TUTORIAL_API: None}}, None),
        ({"access_rights": {TUTORIAL_API: {"versions": {"v2": 1}}}}, "other versions"),
        ({"access_rights": [{"api_id": TUTORIAL_API}]}, "open more"),
        ({"access_rights": {TUTORIAL_API: {"limit": {"rate": "5000"}}}}, "limits of one API alone"),
        ({"is_inactive": True}, "inactive"),
        ({"apply_policies": ["p9"]}, "policies"),
        ({"apply_policy_id": "p9"}, "policies"),
        ({"expires": []}, "another end"),
        ({"rate": "1000"}, "another rate"),
        ({"quota_max": "7"}, "another quota"),
    ],
)
def test_what_tyk_holds_is_compared(change: dict[str, object], difference: str | None) -> None:
    """The end, the access rights and the limits must be the grant's."""
    record = granted()
    held = session.confirmed_session(record, record.keys[0], NOW) | change
    found = session.difference(record, held)
    assert found is None if difference is None else difference in (found or "")


@pytest.mark.parametrize(
    ("change", "difference"),
    [({}, None), ({"quota_max": 20}, "quota"), ({"quota_renewal_rate": 60}, "quota"), ({"quota_max": -1}, "quota")],
)
def test_a_quota_is_compared_with_its_period(change: dict[str, object], difference: str | None) -> None:
    """As many calls in a shorter time are more calls; no quota at all is more than any."""
    record = granted(Plan("standard", Limits(1, 1, 10, 86400)))
    held = session.confirmed_session(record, record.keys[0], NOW) | change
    found = session.difference(record, held)
    assert found is None if difference is None else difference in (found or "")


def test_a_session_of_another_key() -> None:
    """A mark that names another key of ours is another's; somebody may have deleted the mark."""
    record = granted()
    key = record.keys[0]
    held = session.confirmed_session(record, key, NOW)
    marks: tuple[object, ...] = (held["meta_data"], held["meta_data"] | {"key_id": "another"}, {}, None)
    assert [session.is_of_another({**held, "meta_data": mark}, key) for mark in marks] == [False, True, False, False]


def test_the_limits_of_a_policy_are_the_policys() -> None:
    """Tyk tells a key with its policies applied: what they set is no difference."""
    record = granted(Plan("gold", Limits(1000, 1, -1, 60), tyk_policies=("p1",)))
    held = session.confirmed_session(record, record.keys[0], NOW) | {"rate": 5, "quota_max": 9}
    assert session.difference(record, held) is None
