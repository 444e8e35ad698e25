"""The state of the local Tyk, and what it does with a session: no HTTP in here."""

from __future__ import annotations

import base64
import copy
import hashlib
import itertools
import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Session = dict[str, Any]
DISALLOWED = "Access to this API has been disallowed"


@dataclass
class Switches:
    """The settings of this Tyk. The defaults are Tyk's own."""

    hash_keys: bool = True
    enable_update_key_by_hash: bool = False
    enable_delete_key_by_hash: bool = False
    enable_hashed_keys_listing: bool = False
    base64_tokens: bool = True  # hash_key_function is set; else a token is the organisation's id and 32 hex digits
    gateway_answers: bool = (
        False  # {"action", "key", "status"}, as Tyk's first tutorial shows, instead of {"key_id", "data"}
    )
    local_session_cache: bool = True  # the Gateway lets a token through for ten seconds more
    omit_zero: bool = False  # a Gateway of 5.12 or later leaves out of a session what is zero or empty
    refuse_unknown_apis: bool = False
    refuse_all_pages: bool = False  # p=-1 is an error
    page_size: int = 10
    keys: Literal["write", "read", "deny"] = "write"  # what the Dashboard user may do with keys
    analytics: Literal["read", "deny"] = "read"  # what the Dashboard user may do with analytics
    users: Mapping[str, str] | None = (
        None  # what the Dashboard user may do, as the list of users tells it who may read that
    )
    enable_analytics: bool = True  # the Gateway records the calls that it answers
    mcps: Literal["listed", "unknown", "forbidden"] = "listed"  # unknown: a Dashboard before 5.13
    policies_by: Literal["either", "id", "_id"] = (
        "either"  # "id" with the Gateway's allow_explicit_policy_id, else "_id"
    )


@dataclass
class Api:
    """`schemes` are what callers must show, all of it: token, keyless, jwt, oauth, openid, basic, mtls, hmac, plugin. Further
    places of a token are `query` and `cookie`, where they have names."""

    api_id: str
    name: str
    listen_path: str
    auth_header: str = "Authorization"
    versions: tuple[str, ...] = ("Default",)
    active: bool = True
    oas: bool = False
    schemes: tuple[str, ...] = ("token",)
    in_header: bool = True
    query: str = ""
    cookie: str = ""
    internal_id: str = ""
    domain: str = ""
    session_lifetime: int = 0
    respects_expiry: bool = False
    mcp: bool = False
    do_not_track: bool = False

    def __post_init__(self) -> None:
        self.internal_id = self.internal_id or _object_id(self.api_id)


@dataclass
class Policy:
    """`partitions` empty: the policy sets all there is. Of the limits, None leaves the session's alone."""

    id: str
    name: str
    access_rights: dict[str, Any] = field(default_factory=dict)
    partitions: dict[str, bool] = field(default_factory=dict)
    key_expires_in: int = 0
    rate: float | None = None
    per: float | None = None
    quota_max: int | None = None
    quota_renewal_rate: int | None = None
    active: bool = True
    is_inactive: bool = False
    tags: tuple[str, ...] = ()
    meta_data: dict[str, Any] = field(default_factory=dict)
    internal_id: str = ""

    def __post_init__(self) -> None:
        self.internal_id = self.internal_id or _object_id(self.id)

    def sets(self, *parts: str) -> bool:
        return not any(self.partitions.values()) or any(self.partitions.get(part) for part in parts)


@dataclass
class KeyEntry:
    """A key, which stays in the table when it is deleted: `dead` is when that was."""

    token: str = field(repr=False)
    hash: str
    session: Session
    created: float
    dead: float | None = None


@dataclass(frozen=True)
class Hit:
    """A call, as analytics record it: under the hash of its key where Tyk hashes keys, else under the key itself."""

    key: str
    api: Api
    path: str
    status: int
    at: float


class RefusedError(Exception):
    """A call that the Gateway refuses, with the status and sentence of its answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class State:
    def __init__(self, clock: Callable[[], float], switches: Switches) -> None:
        self.org_id = "5e9d9544a1dcd60001d0ed20"
        self.clock = clock
        self.switches = switches
        self.apis: dict[str, Api] = {}
        self.policies: dict[str, Policy] = {}
        self.keys: list[KeyEntry] = []
        self.hits: list[Hit] = []

    # --- naming ---

    def hash_of(self, token: str) -> str:
        return hashlib.sha256(token.encode()).hexdigest()[:16]

    def token(self, custom_id: str | None = None) -> str:
        key_id = custom_id or uuid.uuid4().hex
        if not self.switches.base64_tokens:
            return self.org_id + key_id
        packed = json.dumps({"org": self.org_id, "id": key_id, "h": "murmur64"}, separators=(",", ":"))
        return base64.b64encode(packed.encode()).decode()

    def living(self) -> list[KeyEntry]:
        """The keys that are stored. One that is to be deleted after its end (`post_expiry_action`) is deleted by Tyk itself."""
        now = self.clock()
        for entry in self.keys:
            if entry.dead is None and 1 < entry.session["expires"] < now and _is_deleted_at_end(entry.session):
                entry.dead = entry.session["expires"]
        return [entry for entry in self.keys if entry.dead is None]

    def find(self, name: str, *, hashed: bool) -> KeyEntry | None:
        return next((entry for entry in self.living() if name == (entry.hash if hashed else entry.token)), None)

    def find_presented(self, token: str) -> KeyEntry | None:
        """The key that a caller of an API shows: the token, or a chosen id as it was chosen."""
        return self.find(token, hashed=False) or self.find(self.token(token), hashed=False)

    def api(self, api_id: str) -> Api | None:
        """The API of this public or internal id."""
        by_internal_id = (api for api in self.apis.values() if api.internal_id == api_id)
        return self.apis.get(api_id) or next(by_internal_id, None)

    def policy(self, name: str) -> Policy | None:
        """The policy of this name, if it is one that the Gateway goes by."""
        by = self.switches.policies_by
        named = (
            policy
            for policy in self.policies.values()
            if (by != "_id" and policy.id == name) or (by != "id" and policy.internal_id == name)
        )
        return next(named, None)

    # --- keys ---

    def create(self, session: Session) -> KeyEntry:
        """A new key. An expiry in the past is kept: the key is born expired."""
        return self._store(self.token(), self._accepted(session, is_new=True))

    def create_chosen(self, custom_id: str, session: Session) -> KeyEntry:
        """A key of the caller's own id: one of that id is overwritten, and an expiry in the past becomes never."""
        token = self.token(custom_id)
        accepted = self._accepted(session, is_new=self.find(token, hashed=False) is None)
        if self._is_past(accepted["expires"]):
            accepted["expires"] = 0
        return self._store(token, accepted)

    def replace(self, entry: KeyEntry, session: Session, *, suppress_reset: bool) -> None:
        """The whole session anew, but for what the Gateway keeps: an expiry in the past does not move the old one."""
        accepted = self._accepted(session, is_new=False)
        if self._is_past(accepted["expires"]):
            accepted["expires"] = entry.session["expires"]
        if suppress_reset:
            accepted |= {name: entry.session[name] for name in ("quota_renews", "last_updated")}
        accepted["date_created"] = entry.session["date_created"]
        entry.session = accepted

    def delete(self, entry: KeyEntry) -> None:
        entry.dead = self.clock()

    def shown(self, entry: KeyEntry) -> Session:
        """The session as it is told: policies applied."""
        try:
            session = self.applied(entry.session)
        except RefusedError:
            session = copy.deepcopy(entry.session)
        return {name: value for name, value in session.items() if value or not self.switches.omit_zero}

    def _accepted(self, session: Session, *, is_new: bool) -> Session:
        now = self.clock()
        is_old = self.switches.mcps == "unknown"
        known = {name: value for name, value in session.items() if not (is_old and name in _SINCE_5_13)}
        accepted = self.applied(_EMPTY_SESSION | known)
        if not accepted["access_rights"]:
            raise RefusedError(400, "Failed to create key, keys must have at least one Access Rights record set.")
        accepted["access_rights"] = {name: _EMPTY_RIGHT | right for name, right in accepted["access_rights"].items()}
        if is_new and any(api_id in self.apis for api_id in accepted["access_rights"]):
            for policy in self._policies_of(accepted):
                if policy.key_expires_in > 0:
                    accepted["expires"] = int(now) + policy.key_expires_in
        return accepted | {
            "org_id": self.org_id,
            "quota_renews": int(now) + int(accepted["quota_renewal_rate"]),
            "last_updated": str(int(now)),
            "date_created": datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z"),
        }

    def _store(self, token: str, session: Session) -> KeyEntry:
        entry = self.find(token, hashed=False)
        if entry is None:
            entry = KeyEntry(token, self.hash_of(token), session, self.clock())
            self.keys.append(entry)
        else:
            entry.session, entry.created = session, self.clock()
        return entry

    def _is_past(self, expires: float) -> bool:
        return 1 < expires < self.clock()

    # --- policies ---

    def applied(self, session: Session) -> Session:
        """The session under its policies. They replace its access rights where any of them sets any."""
        session = copy.deepcopy(session)
        policies = self._policies_of(session)
        rights = [policy.access_rights for policy in policies if policy.sets("acl", "per_api")]
        if rights:
            session["access_rights"] = {name: copy.deepcopy(right) for one in rights for name, right in one.items()}
        _most(session, "rate", (policy.rate for policy in policies if policy.sets("rate_limit")))
        _most(session, "per", (policy.per for policy in policies if policy.sets("rate_limit")))
        quotas = [policy for policy in policies if policy.sets("quota")]
        _most(session, "quota_max", (policy.quota_max for policy in quotas))
        _most(session, "quota_renewal_rate", (policy.quota_renewal_rate for policy in quotas))
        for policy in policies:
            session["meta_data"] = {**(session["meta_data"] or {}), **policy.meta_data}
            session["tags"] = sorted({*(session["tags"] or ()), *policy.tags})
        return session

    def _policies_of(self, session: Session) -> list[Policy]:
        single = session["apply_policy_id"]
        ids: list[str] = session["apply_policies"] or ([single] if single else [])
        known = [policy for name in ids if (policy := self.policy(name)) is not None and policy.active]
        if len(ids) == 1 and not known:
            raise RefusedError(500, f'Failed to create key - policy not found: "{ids[0]}"')
        if ids and not known:
            raise RefusedError(500, "Failed to create key - key has no valid policies to be applied")
        per_api = [bool(policy.partitions.get("per_api")) for policy in known]
        if any(per_api) and not all(per_api):
            raise RefusedError(
                500, "Failed to create key - cannot apply multiple policies when some have per_api set and some don't"
            )
        return known

    # --- use ---

    def admission(self, entry: KeyEntry, api: Api, now: float) -> tuple[int, str] | None:
        """The refusal of this key by this API's Gateway, None where it lets it through."""
        if entry.dead is not None and entry.dead <= now:
            return 403, DISALLOWED
        try:
            session = self.applied(entry.session)
            policies = self._policies_of(session)
        except RefusedError:
            return 403, DISALLOWED
        inactive = any(policy.is_inactive for policy in policies) if policies else session["is_inactive"]
        if inactive:
            return 403, "Key is inactive, please renew"
        if 1 <= session["expires"] < now:
            return 401, "Key has expired, please renew"
        if api.api_id not in session["access_rights"]:
            return 403, DISALLOWED
        return None

    def record(self, entry: KeyEntry, api: Api, path: str, status: int) -> None:
        """Write a call into the analytics, where there are any for this API."""
        if self.switches.enable_analytics and not api.do_not_track:
            key = entry.hash if self.switches.hash_keys else entry.token
            self.hits.append(Hit(key, api, path, status, self.clock()))

    def usable_keys(self, now: float) -> list[KeyEntry]:
        """The keys that would open something at that time."""
        active = [api for api in self.apis.values() if api.active and api.schemes == ("token",)]
        return [entry for entry in self.keys if any(self.admission(entry, api, now) is None for api in active)]


def _is_deleted_at_end(session: Session) -> bool:
    return bool(session.get("post_expiry_action") == "delete")


def _object_id(text: str) -> str:
    """An id as the database would give one."""
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _most(session: Session, name: str, values: Iterable[float | None]) -> None:
    """The most generous of the policies' values; unlimited is written as -1."""
    found = [value for value in values if value is not None]
    if found:
        session[name] = -1 if -1 in found else max(found)


_SINCE_5_13 = ("post_expiry_action", "post_expiry_grace_period")
_EMPTY_RIGHT: Mapping[str, Any] = {"allowed_urls": None, "restricted_types": None, "limit": None, "allowance_scope": ""}
_EMPTY_SESSION: Session = {
    "last_check": 0,
    "throttle_interval": 0,
    "throttle_retry_limit": 0,
    "max_query_depth": 0,
    "oauth_client_id": "",
    "oauth_keys": None,
    "certificate": "",
    "basic_auth_data": {"password": "", "hash_type": ""},
    "jwt_data": {"secret": ""},
    "hmac_enabled": False,
    "enable_http_signature_validation": False,
    "hmac_string": "",
    "rsa_certificate_id": "",
    "is_inactive": False,
    "apply_policy_id": "",
    "apply_policies": None,
    "data_expires": 0,
    "monitor": {"trigger_limits": None},
    "enable_detail_recording": False,
    "enable_detailed_recording": False,
    "meta_data": {},
    "tags": [],
    "alias": "",
    "id_extractor_deadline": 0,
    "session_lifetime": 0,
}


def page_of(items: list[Any], number: int, size: int) -> tuple[list[Any], int]:
    """One page and how many there are. Pages count from 1; 0 and below mean everything."""
    if number <= 0:
        return items, 1
    pages = -(-len(items) // size)
    return list(itertools.islice(items, (number - 1) * size, number * size)), pages
