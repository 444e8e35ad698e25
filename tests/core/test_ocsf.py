"""Each row of the audit as an OCSF event: valid, and in the class that whoever watches looks in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from bot.core import ocsf
from bot.core.chain import Line, parted
from bot.core.model import AuditEvent, Identity

PUBLISHED = OcsfJsonSchemaEmbedded(get_ocsf_schema("1.8.0"))
"""What schema.ocsf.io has, whole. Like that it allows no attribute of our own, and unlike it asks for one of several."""
CLASSES = {
    uid: Draft202012Validator(PUBLISHED.get_class_schema(PUBLISHED.lookup_class_name_from_uid(uid)))
    for uid in (3004, 3005, 6008)
}
ALICE, BOB = Identity("T0OURS", "U02ALICE"), Identity("T0OURS", "U03BOB")
FULL: dict[str, Any] = {
    "reason": "to build the checkout",
    "why": "its holder has left",
    "error": "tyk_401",
    "effect": "issue_key",
    "effect_id": 7,
    "key_hash": "a1b2",
    "bears": "R-9",
    "group": "S0LEADS",
    "handle": "payments-leads",
    "digest": "0123",
    "person": "U02ALICE",
    "about": "U02ALICE",
}


def row(event: AuditEvent, *, request: bool = True, actor: Identity | None = BOB, **details: Any) -> Line:
    """A row of Alice's request for Payments, or of what belongs to no request."""
    chained, texts = parted(event.value, details)
    row = {
        "number": 12,
        "at": 1790847000250,
        "event": event.value,
        "request_id": "req" if request else None,
        "request": 1042 if request else None,
        "api": "payments" if request else None,
        "person": ALICE.user_id if request else None,
        "person_team": ALICE.team_id if request else None,
        "actor": actor.user_id if actor else None,
        "actor_team": actor.team_id if actor else None,
        "details": chained,
        "texts": {},
    }
    return {"row": row, "link": "0a1b", "texts": texts}


def told(line: Line) -> dict[str, Any]:
    return ocsf.event(line, "1.2.3")


def complaints(event: dict[str, Any]) -> list[str]:
    """What does not fit the event's class; a JSON Schema cannot say that the type is made of class and activity."""
    found = [error.message for error in CLASSES[event["class_uid"]].iter_errors(event)]
    fits = event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
    return found if fits else [*found, f"{event['type_uid']} is not the type of this activity"]


@pytest.mark.parametrize("event", AuditEvent)
def test_every_event_of_the_audit_is_valid(event: AuditEvent) -> None:
    """Whatever the row holds: all that a row can say, nothing of it, and what belongs to no request."""
    for entry in (
        row(event, **FULL),
        row(event),
        row(event, request=False, actor=None, **FULL),
        row(event, request=False),
    ):
        made = json.loads(json.dumps(told(entry)))
        assert complaints(made) == []
        assert made["time"] == 1790847000250
        assert made["metadata"]["uid"] == "12"
        assert made["metadata"]["event_code"] == event.value


def test_the_schema_refuses_what_ocsf_does_not_have() -> None:
    """A missing attribute, a wrong number and a name of our own are each found."""
    good = told(row(AuditEvent.ASKED))
    for bad in (
        {key: value for key, value in good.items() if key != "entity"},
        good | {"severity_id": 7},
        good | {"time": "2026-10-01"},
        good | {"type_uid": 300402},
        good | {"holder": "Alice"},
        good | {"metadata": {"version": "1.8.0"}},
    ):
        assert len(complaints(bad)) > 0, bad


def test_who_is_given_access_and_who_loses_it_is_user_access_management() -> None:
    """Alice gets Payments, approved by Bob, and loses it; SIEM rules look for both by their type."""
    given, taken = told(row(AuditEvent.APPROVED)), told(row(AuditEvent.REVOKED))
    assert (given["type_uid"], taken["type_uid"]) == (300501, 300502)
    assert given["user"]["uid"] == "U02ALICE"
    assert given["privileges"] == ["payments"]
    assert given["actor"]["user"]["uid"] == "U03BOB"


def test_who_acted_is_a_person_an_operator_or_the_bot() -> None:
    """In this order."""
    actors = [
        told(entry)["actor"]
        for entry in (
            row(AuditEvent.DENIED, operator="carol@ops"),
            row(AuditEvent.DENIED, actor=None, operator="carol@ops"),
            row(AuditEvent.LAPSED, actor=None),
        )
    ]
    assert actors[0]["user"]["uid"] == "U03BOB"
    assert actors[1]["user"] == {"name": "carol@ops", "type_id": 2, "type": "Admin"}
    assert actors[2] == {"app_name": "tyk-key-bot"}


def test_what_fails_says_why() -> None:
    """An error in OCSF's words, with our code beside it; a refusal is a failure of whoever tried."""
    stuck, refused = told(row(AuditEvent.STUCK, **FULL)), told(row(AuditEvent.REFUSED, why="No guests."))
    assert (stuck["class_uid"], stuck["status_id"], stuck["status_code"]) == (6008, 2, "tyk_401")
    assert (refused["status_id"], refused["status_detail"], refused["activity_name"]) == (2, "No guests.", "refused")
