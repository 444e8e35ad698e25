"""What Tyk holds: APIs, policies and keys, with the rules a real gateway was measured to follow. Times are Unix seconds."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

FULL_SESSION = frozenset(
    {
        "allowance",
        "rate",
        "per",
        "expires",
        "quota_max",
        "quota_renews",
        "quota_remaining",
        "quota_renewal_rate",
        "access_rights",
        "meta_data",
    }
)


class TykError(Exception):
    """An answer of Tyk's that is no success: its status and its words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True)
class Api:
    api_id: str
    name: str
    listen_path: str
    auth_header: str = "Authorization"
    versions: tuple[str, ...] = ("Default",)
    active: bool = True


@dataclass(frozen=True)
class Policy:
    """`sets_rights` is false for one that is partitioned and leaves access rights out."""

    id: str
    access_rights: Mapping[str, Any] = field(default_factory=dict)
    rate: int = 1000
    per: int = 1
    quota_max: int = -1
    quota_renewal_rate: int = 60
    key_expires_in: int = 0
    sets_rights: bool = True
    active: bool = True


@dataclass
class KeyEntry:
    token: str = field(repr=False)
    key_hash: str
    session: dict[str, Any]
    created: float
    deleted: bool = False

    @property
    def masked(self) -> str:
        return f"{self.token[:4]}…{self.token[-4:]}"


@dataclass
class State:
    """`hex_tokens` chooses the older of Tyk's two forms; `clock` returns Unix seconds."""

    org_id: str
    clock: Callable[[], float]
    hex_tokens: bool = False
    hash_keys: bool = True
    apis: dict[str, Api] = field(default_factory=dict)
    policies: dict[str, Policy] = field(default_factory=dict)
    keys: list[KeyEntry] = field(default_factory=list)

    def create(self, session: dict[str, Any]) -> KeyEntry:
        """A random key. A policy's own expiry wins over the one asked for, and only here."""
        self._check(session)
        expires_in = [self.policies[one].key_expires_in for one in _policy_ids(session)]
        for seconds in filter(None, expires_in):
            session["expires"] = int(self.clock()) + seconds
        token = self._token()
        key_hash = hashlib.sha256(token.encode()).hexdigest()[:16]
        entry = KeyEntry(token, key_hash, self._stored(session), self.clock())
        self.keys.append(entry)
        return entry

    def replace(self, entry: KeyEntry, session: dict[str, Any], *, suppress_reset: bool) -> None:
        """A whole new session. An expiry in the past keeps the old one."""
        self._check(session)
        if 0 < session.get("expires", 0) < self.clock():
            session["expires"] = entry.session["expires"]
        stored = self._stored(session)
        if suppress_reset:
            stored["quota_renews"] = entry.session["quota_renews"]
        entry.session = stored

    def find(self, name: str, *, hashed: bool) -> KeyEntry | None:
        alive = (entry for entry in reversed(self.keys) if not entry.deleted)
        return next((entry for entry in alive if (entry.key_hash if hashed else entry.token) == name), None)

    def rights(self, entry: KeyEntry) -> dict[str, Any]:
        """What the key opens: the policies' rights where any sets them, else its own."""
        policies = [self.policies[one] for one in _policy_ids(entry.session) if one in self.policies]
        setting = [policy for policy in policies if policy.sets_rights]
        if not setting:
            return dict(entry.session["access_rights"])
        return {api_id: right for policy in setting for api_id, right in policy.access_rights.items()}

    def is_expired(self, entry: KeyEntry) -> bool:
        return 1 <= entry.session["expires"] <= self.clock()

    def usable(self) -> list[KeyEntry]:
        """The keys that open something now."""
        return [
            entry
            for entry in self.keys
            if not entry.deleted and not self.is_expired(entry) and not entry.session.get("is_inactive")
        ]

    def api_at(self, path: str) -> Api | None:
        """The API whose listen path is the longest that fits."""
        fitting = [api for api in self.apis.values() if path.startswith(api.listen_path) and api.active]
        return max(fitting, key=lambda api: len(api.listen_path), default=None)

    def _token(self) -> str:
        unique = secrets.token_hex(16)
        if self.hex_tokens:
            return self.org_id + unique
        body = json.dumps({"org": self.org_id, "id": unique, "h": "murmur64"}, separators=(",", ":"))
        return base64.b64encode(body.encode()).decode()

    def _check(self, session: Mapping[str, Any]) -> None:
        ids = _policy_ids(session)
        for one in ids:
            if one not in self.policies:
                raise TykError(500, f'policy not found: "{one}"')
        if not session.get("access_rights") and not ids:
            raise TykError(400, "Failed to create key, keys must have at least one Access Rights record set.")

    def _stored(self, session: dict[str, Any]) -> dict[str, Any]:
        """As the gateway keeps it: the organisation filled in, the quota's renewal counted anew."""
        renews = int(self.clock()) + int(session["quota_renewal_rate"])
        return session | {"org_id": self.org_id, "quota_renews": renews}


def _policy_ids(session: Mapping[str, Any]) -> list[str]:
    many = session.get("apply_policies")
    one = session.get("apply_policy_id")
    return list(many) if many else [one] if one else []
