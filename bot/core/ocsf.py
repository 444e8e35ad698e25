"""The audit in the words of the Open Cybersecurity Schema Framework, version 1.8.0: one event for each row.

Three of its classes are used. A person who is given access or loses it is *User Access Management* (3005), which is what
detection rules look for. What fails by itself is *Application Error* (6008). All else happens to something that is managed, a
request, a key at Tyk, the configuration, a group or a person, and is *Entity Management* (3004). *API Activity* would need a
network address of whoever acted, and Slack tells none; *Group Management* tells of one member at a time, and a row tells of all.

What OCSF has no name for stands under `unmapped`, so that nothing of a row is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from bot.core.audit import AuditEntry
from bot.core.chain import Line
from bot.core.model import AuditEvent, Identity

VERSION = "1.8.0"
PRODUCT = "tyk-key-bot"

_IAM, _APPLICATION = 3, 6
_ENTITY, _ACCESS, _ERROR = 3004, 3005, 6008
_OTHER = 99
_ASSIGN, _REVOKE = 1, 2
_GENERAL_ERROR = 1

Event = dict[str, Any]


class Activity(IntEnum):
    """Those of Entity Management that occur here."""

    CREATE = 1
    READ = 2
    UPDATE = 3
    DELETE = 4
    OTHER = _OTHER


class Severity(IntEnum):
    INFORMATIONAL = 1
    LOW = 2
    MEDIUM = 3
    HIGH = 4


@dataclass(frozen=True)
class _Kind:
    """The form in which one event of the audit is told. `of` makes the entity that it happened to."""

    activity: Activity
    of: Callable[[AuditEntry], Event]
    severity: Severity = Severity.INFORMATIONAL
    fails: bool = False


def _other(label: str, **more: Any) -> Event:
    """An entity of a type that OCSF has no number for."""
    return {"type_id": _OTHER, "type": label, **more}


def _request(entry: AuditEntry) -> Event:
    """The request; of what belongs to none, whatever the row names."""
    if entry.request_number is not None:
        about = {"data": {"api": entry.api}} if entry.api else {}
        return _other("Token request", name=f"R-{entry.request_number}", uid=str(entry.request_id), **about)
    if "effect_id" in entry.details:
        return _other("Effect", uid=str(entry.details["effect_id"]), name=str(entry.details.get("effect", "")))
    return _api(entry)


def _key(entry: AuditEntry) -> Event:
    """The key at Tyk, by its hash where that is known; the request tells whose it is."""
    key_hash, bears = entry.details.get("key_hash"), entry.details.get("bears")
    label = f"R-{entry.request_number}" if entry.request_number is not None else str(bears or "")
    named = {"name": f"key of {label}"} if label else {}
    found = {"uid": str(key_hash)} if key_hash else {}
    return _other("API key", **(named | found or {"name": "key"}))


def _api(entry: AuditEntry) -> Event:
    return _other("API", name=entry.api) if entry.api else _other("Configuration", name=PRODUCT)


def _configuration(entry: AuditEntry) -> Event:
    policy = {"name": "config.yaml", "type": "Allowlist"}
    if digest := entry.details.get("digest"):
        policy["version"] = str(digest)
    return {"type_id": 5, "type": "Policy", "name": "config.yaml", "policy": policy}


def _group(entry: AuditEntry) -> Event:
    named = {"uid": str(entry.details.get("group") or "unknown")}
    if handle := entry.details.get("handle"):
        named["name"] = str(handle)
    return {"type_id": 3, "type": "Group", "group": named, **named}


def _holder(entry: AuditEntry) -> Event:
    """The person whom it happened to."""
    user = _user(entry.person.user_id if entry.person else str(entry.details.get("person") or "unknown"))
    return {"type_id": 2, "type": "User", "user": user, "uid": user["uid"]}


def _looked_at(entry: AuditEntry) -> Event:
    about = entry.details.get("about")
    return _api(entry) if not about else {"type_id": 2, "type": "User", "user": _user(str(about)), "uid": str(about)}


def _audit(_entry: AuditEntry) -> Event:
    return _other("Audit", name="audit")


def _tokens(_entry: AuditEntry) -> Event:
    return _other("Sealed tokens", name="sealed tokens")


_CREATE, _UPDATE, _SAID = Activity.CREATE, Activity.UPDATE, Activity.OTHER
_LOW, _MEDIUM, _HIGH = Severity.LOW, Severity.MEDIUM, Severity.HIGH

KINDS: Mapping[AuditEvent, _Kind] = {
    AuditEvent.ASKED: _Kind(_CREATE, _request),
    AuditEvent.REFUSED: _Kind(_SAID, _request, _LOW, fails=True),
    AuditEvent.QUESTION_ASKED: _Kind(_UPDATE, _request),
    AuditEvent.QUESTION_ANSWERED: _Kind(_UPDATE, _request),
    AuditEvent.REVIEWED: _Kind(_UPDATE, _request),
    AuditEvent.RECOUNTED: _Kind(_UPDATE, _request, _LOW),
    AuditEvent.APPROVED: _Kind(_UPDATE, _request),
    AuditEvent.DENIED: _Kind(_UPDATE, _request),
    AuditEvent.WITHDRAWN: _Kind(_UPDATE, _request),
    AuditEvent.LAPSED: _Kind(_UPDATE, _request),
    AuditEvent.KEY_CREATED: _Kind(_CREATE, _key),
    AuditEvent.SENT: _Kind(_SAID, _key),
    AuditEvent.HIDDEN: _Kind(_SAID, _key),
    AuditEvent.STUCK: _Kind(_SAID, _request, _MEDIUM, fails=True),
    AuditEvent.DELAYED: _Kind(_SAID, _request, _LOW, fails=True),
    AuditEvent.RECOVERED: _Kind(_UPDATE, _request),
    AuditEvent.REVOKED: _Kind(Activity.DELETE, _key, _LOW),
    AuditEvent.EXPIRED: _Kind(_UPDATE, _request),
    AuditEvent.KEY_DELETED: _Kind(Activity.DELETE, _key),
    AuditEvent.REMINDED: _Kind(_SAID, _request),
    AuditEvent.REPLACED: _Kind(_UPDATE, _key, _LOW),
    AuditEvent.LEFT: _Kind(_SAID, _holder, _LOW),
    AuditEvent.RETURNED: _Kind(_SAID, _holder),
    AuditEvent.IN_USE: _Kind(_UPDATE, _request),
    AuditEvent.RENEWED: _Kind(_UPDATE, _request),
    AuditEvent.CONFIGURED: _Kind(_UPDATE, _configuration, _LOW),
    AuditEvent.RETRIED: _Kind(_UPDATE, _request),
    AuditEvent.RESTORED: _Kind(_SAID, _request, _MEDIUM),
    AuditEvent.RESEALED: _Kind(_UPDATE, _tokens),
    AuditEvent.GROUP_CHANGED: _Kind(_UPDATE, _group, _LOW),
    AuditEvent.NAME_ACCEPTED: _Kind(_UPDATE, _configuration, _LOW),
    AuditEvent.KEY_GONE: _Kind(_SAID, _key, _MEDIUM),
    AuditEvent.KEY_CHANGED: _Kind(_UPDATE, _key, _HIGH),
    AuditEvent.KEY_AS_GRANTED: _Kind(_UPDATE, _key),
    AuditEvent.KEY_UNKNOWN: _Kind(_SAID, _key, _HIGH),
    AuditEvent.LOOKED: _Kind(Activity.READ, _looked_at),
    AuditEvent.EXTENDED: _Kind(_UPDATE, _request),
    AuditEvent.CHAINED: _Kind(_UPDATE, _audit, _LOW),
    AuditEvent.ERASED: _Kind(_UPDATE, _audit, _LOW),
}
"""Every event of the audit, as what happened to which entity."""

ACCESS: Mapping[AuditEvent, int] = {
    AuditEvent.APPROVED: _ASSIGN,
    AuditEvent.EXTENDED: _ASSIGN,
    AuditEvent.REVOKED: _REVOKE,
    AuditEvent.EXPIRED: _REVOKE,
}
"""Events by which a person is given access to an API or loses it; one that names nobody is told of its key alone."""

ERRORS = frozenset({AuditEvent.STUCK, AuditEvent.DELAYED})


def event(line: Line, product_version: str = "") -> Event:
    """The row as an OCSF event. The line itself stands in it, unmapped: what was chained can be read from it."""
    return _told(_entry(line), product_version) | {"unmapped": dict(line)}


def _entry(line: Line) -> AuditEntry:
    row = line["row"]
    person, actor = (Identity(row[f"{who}_team"], row[who]) if row[who] else None for who in ("person", "actor"))
    return AuditEntry(
        row["number"],
        datetime.fromtimestamp(row["at"] / 1000, UTC),
        AuditEvent(row["event"]),
        row["request_id"],
        row["request"],
        row["api"],
        person,
        actor,
        row["details"] | {name: value for name, (_salt, value) in line["texts"].items()},
    )


def _told(entry: AuditEntry, product_version: str) -> Event:
    kind = KINDS[entry.event]
    label = f"R-{entry.request_number}" if entry.request_number is not None else ""
    told: Event = {
        "time": _ms(entry.at),
        "severity_id": int(kind.severity),
        "status_id": 2 if kind.fails else 1,
        "message": " ".join(filter(None, (label, entry.event.value, entry.api))),
        "metadata": _metadata(entry, label, product_version),
    }
    if code := entry.details.get("error"):
        told["status_code"] = str(code)
    if why := entry.details.get("why"):
        told["status_detail"] = str(why)
    if entry.event in ERRORS:
        return told | _classified(_APPLICATION, _ERROR, _GENERAL_ERROR)
    told["actor"] = _actor(entry)
    if entry.event in ACCESS and entry.person is not None and entry.api is not None:
        told |= {
            "user": _user(entry.person.user_id),
            "privileges": [entry.api],
            "resources": [{"name": entry.api, "type": "API"}],
        }
        return told | _classified(_IAM, _ACCESS, ACCESS[entry.event])
    told["entity"] = kind.of(entry)
    if kind.activity is Activity.OTHER:
        told["activity_name"] = entry.event.value
    if comment := entry.details.get("reason"):
        told["comment"] = str(comment)
    return told | _classified(_IAM, _ENTITY, kind.activity)


def _classified(category: int, of_class: int, activity: int) -> Event:
    return {
        "category_uid": category,
        "class_uid": of_class,
        "activity_id": int(activity),
        "type_uid": of_class * 100 + int(activity),
    }


def _metadata(entry: AuditEntry, label: str, product_version: str) -> Event:
    """The row's number orders the events; all of one request bear its number."""
    product = {"name": PRODUCT} | ({"version": product_version} if product_version else {})
    told = {
        "version": VERSION,
        "product": product,
        "uid": str(entry.number),
        "sequence": entry.number,
        "event_code": entry.event.value,
        "log_name": "audit",
    }
    return told | ({"correlation_uid": label} if label else {})


def _actor(entry: AuditEntry) -> Event:
    """Whoever did it: a person in Slack, an operator at the command line, else the bot itself."""
    if entry.actor is not None:
        return {"user": _user(entry.actor.user_id, entry.actor)}
    if operator := entry.details.get("operator"):
        return {"user": {"name": str(operator), "type_id": 2, "type": "Admin"}, "app_name": PRODUCT}
    return {"app_name": PRODUCT}


def _user(user_id: str, who: Identity | None = None) -> Event:
    return {"uid": user_id, "type_id": 1, "type": "User"} | ({"domain": who.team_id} if who and who.team_id else {})


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
