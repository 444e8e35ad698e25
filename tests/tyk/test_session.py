"""The session object is the tutorial's, field by field."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.core import lifecycle
from bot.core.lifecycle import Asked
from bot.core.model import ApiRef, Limits, Plan, Record, RequestId, Rule
from bot.tyk import session
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
    form = Asked(RequestId("r"), plan, lifetime, "checkout", "")
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


def test_the_key_says_whose_it_is() -> None:
    """Number, person and service are found at Tyk, too."""
    record = granted()
    body = session.session(record, record.keys[0], None, NOW)
    assert body["alias"] == "R-1042 · alice · checkout"
    assert "tyk-key-bot" in body["tags"]
    assert body["meta_data"]["key_id"] == record.keys[0].id


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
    assert session.confirmed_session(record, record.keys[0], NOW)["expires"] == -1


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({}, None),
        ({"expires": -1}, "another end"),
        ({"access_rights": {TUTORIAL_API: {}, "other": {}}}, "open more"),
        ({"access_rights": {}}, "open less"),
    ],
)
def test_what_tyk_holds_is_compared(change: dict[str, object], difference: str | None) -> None:
    """The expiry and the access rights must be the grant's."""
    record = granted()
    held = session.confirmed_session(record, record.keys[0], NOW) | change
    found = session.difference(record, held)
    assert found is None if difference is None else difference in (found or "")
