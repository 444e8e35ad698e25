"""APIs and policies as the Dashboard tells them: the classic form, the OAS form, and the wrappers around them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bot.local.tyk.state import Api, Policy

_FLAGS = {
    "use_keyless": "keyless",
    "use_standard_auth": "token",
    "enable_jwt": "jwt",
    "use_oauth2": "oauth",
    "use_openid": "openid",
    "use_basic_auth": "basic",
    "use_mutual_tls_auth": "mtls",
    "enable_signature_checking": "hmac",
    "custom_plugin_auth_enabled": "plugin",
}
_OPENAPI_TYPES: dict[str, dict[str, Any]] = {
    "jwt": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "oauth": {"type": "oauth2", "flows": {}},
    "basic": {"type": "http", "scheme": "basic"},
}
_TYKS_OWN = {"hmac": "hmac", "openid": "oidc", "plugin": "custom"}


def wrapped(api: Api, org_id: str) -> dict[str, Any]:
    """An item of the list of APIs: the classic form, and the OAS form beside it where the API has one."""
    wrapper: dict[str, Any] = {
        "api_model": {},
        "api_definition": classic(api, org_id),
        "hook_references": [],
        "user_owners": [],
        "user_group_owners": [],
        "is_site": False,
    }
    return wrapper | ({"oas": oas(api, org_id)} if api.oas else {})


def classic(api: Api, org_id: str) -> dict[str, Any]:
    places = {
        "auth_header_name": api.auth_header,
        "disable_header": not api.in_header,
        "use_param": bool(api.query),
        "param_name": api.query,
        "use_cookie": bool(api.cookie),
        "cookie_name": api.cookie,
    }
    return {
        "id": api.internal_id,
        "api_id": api.api_id,
        "name": api.name,
        "org_id": org_id,
        "active": api.active,
        "is_oas": api.oas,
        **{flag: scheme in api.schemes for flag, scheme in _FLAGS.items()},
        "auth": places,
        "auth_configs": {"authToken": places},
        "proxy": {"listen_path": api.listen_path, "strip_listen_path": True},
        "version_data": {
            "not_versioned": api.versions == ("Default",),
            "versions": {name: {"name": name} for name in api.versions},
        },
        "domain": api.domain,
        "do_not_track": api.do_not_track,
        "domain_disabled": not api.domain,
        "session_lifetime": api.session_lifetime,
        "session_lifetime_respects_key_expiration": api.respects_expiry,
    }


def oas(api: Api, org_id: str) -> dict[str, Any]:
    named = [scheme for scheme in api.schemes if scheme == "token" or scheme in _OPENAPI_TYPES]
    return {
        "openapi": "3.0.3",
        "info": {"title": api.name, "version": "1.0.0"},
        "paths": {},
        "components": {"securitySchemes": {_name(scheme): _openapi_scheme(scheme, api) for scheme in named}},
        "security": [{_name(scheme): [] for scheme in named}] if named else [],
        "x-tyk-api-gateway": {
            "info": {
                "id": api.api_id,
                "dbId": api.internal_id,
                "orgId": org_id,
                "name": api.name,
                "state": {"active": api.active},
            },
            "server": _server(api, named),
        },
    }


def _server(api: Api, named: list[str]) -> dict[str, Any]:
    return {
        "listenPath": {"value": api.listen_path, "strip": True},
        "customDomain": {"enabled": bool(api.domain), "name": api.domain},
        "clientCertificates": {"enabled": "mtls" in api.schemes},
        "authentication": {
            "enabled": "keyless" not in api.schemes,
            "securitySchemes": {_name(scheme): {"enabled": True, **_places(scheme, api)} for scheme in named},
            **{own: {"enabled": True} for scheme, own in _TYKS_OWN.items() if scheme in api.schemes},
            "customKeyLifetime": {
                "enabled": api.session_lifetime > 0,
                "value": f"{api.session_lifetime}s",
                "respectValidity": api.respects_expiry,
            },
        },
    }


def _name(scheme: str) -> str:
    return "authToken" if scheme == "token" else f"{scheme}Auth"


def _openapi_scheme(scheme: str, api: Api) -> dict[str, Any]:
    """OpenAPI has room for one place of a token: the first that the API has."""
    if scheme != "token":
        return _OPENAPI_TYPES[scheme]
    places = (("header", api.auth_header if api.in_header else ""), ("query", api.query), ("cookie", api.cookie))
    where, name = next((place for place in places if place[1]), ("header", api.auth_header))
    return {"type": "apiKey", "in": where, "name": name}


def _places(scheme: str, api: Api) -> dict[str, Any]:
    if scheme != "token":
        return {"header": {"enabled": True, "name": "Authorization"}}
    return {
        "header": {"enabled": api.in_header, "name": api.auth_header},
        **({"query": {"enabled": True, "name": api.query}} if api.query else {}),
        **({"cookie": {"enabled": True, "name": api.cookie}} if api.cookie else {}),
    }


def listed_policy(policy: Policy, org_id: str) -> dict[str, Any]:
    listed = asdict(policy) | {"_id": policy.internal_id, "org_id": org_id, "tags": list(policy.tags)}
    del listed["internal_id"]
    return {name: 0 if value is None else value for name, value in listed.items()}
