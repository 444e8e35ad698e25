"""An API as its Tyk definition describes it, in the classic or the OAS form: pure reading, no call of Tyk.

How a definition becomes what the Gateway asks of callers is taken from the Gateway itself (TykTechnologies/tyk:
apidef/api_definitions.go, apidef/oas/security.go, gateway/api_loader.go, gateway/middleware.go `getAuthToken`):

- Classic: a flag for each scheme; with none set, or with `use_standard_auth`, the Gateway checks an auth token.
- OAS: authentication that is absent or off is keyless. A scheme counts where Tyk's part switches it on and
  `components.securitySchemes` says its type. `security` names the schemes in use: its first requirement alone, or all of
  them in the mode "compliant". Without a scheme of any kind, the Gateway checks an auth token.
- Several schemes are all asked for, one after the other; in the mode "compliant", one of the requirements is enough.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote

from bot.tyk.names import one_line

AUTHORIZATION: Final = "Authorization"
UNVERSIONED: Final = ("Default",)


class Scheme(StrEnum):
    """A way to authenticate, in the words of a sentence about what an API takes."""

    AUTH_TOKEN = "an auth token"  # noqa: S105 - a word, no secret
    KEYLESS = "nothing"
    JWT = "a JWT"
    OAUTH = "OAuth"
    OPENID = "OpenID Connect"
    BASIC = "basic auth"
    MTLS = "a client certificate"
    HMAC = "an HMAC signature"
    PLUGIN = "a plugin of its own"


class PathKind(StrEnum):
    PLAIN = "plain"
    PATTERN = "pattern"
    REFERENCE = "reference"


@dataclass(frozen=True)
class TokenPlaces:
    """The places where the Gateway looks for an auth token: names of header, query parameter and cookie, None where it does not.

    `by_certificate`: the caller's certificate stands for the key, and a token is not looked at (dynamic mTLS).
    """

    header: str | None = AUTHORIZATION
    query: str | None = None
    cookie: str | None = None
    by_certificate: bool = False


@dataclass(frozen=True)
class SessionLifetime:
    """The time for which Tyk keeps a key of this API after it was last written; where the key's own expiry is respected, at least
    until that."""

    span: timedelta
    respects_expiry: bool


@dataclass(frozen=True, slots=True)
class ApiDefinition:
    """`api_id` is the public id, which a key's access rights want; `internal_id` the database's, empty where not told.

    `one_is_enough`: of several requirements a caller meets any one, else all. `domain` is the custom domain in use.
    """

    api_id: str
    name: str
    listen_path: str = "/"
    versions: tuple[str, ...] = UNVERSIONED
    active: bool = True
    internal_id: str = ""
    schemes: frozenset[Scheme] = frozenset({Scheme.AUTH_TOKEN})
    token: TokenPlaces = TokenPlaces()
    one_is_enough: bool = False
    domain: str | None = None
    lifetime: SessionLifetime | None = None
    is_mcp: bool = False

    @property
    def auth_header(self) -> str:
        """The header that carries the token; empty where none does."""
        return (self.token.header or "") if takes_token(self) else ""

    @property
    def path_kind(self) -> PathKind:
        if "://" in self.listen_path or "$secret_" in self.listen_path:
            return PathKind.REFERENCE
        return PathKind.PATTERN if "{" in self.listen_path else PathKind.PLAIN

    @property
    def url_path(self) -> str:
        """The listen path as a caller writes it in an address; of a pattern, with its braces."""
        return quote(f"/{self.listen_path.removeprefix('/')}", safe="/{}|!$&'()*+,;=:@~^[]", errors="replace")

    @property
    def what(self) -> str:
        return "MCP proxy" if self.is_mcp else "API"

    @property
    def ends_keys_after(self) -> timedelta | None:
        """The life that no key of this API outlives, whatever expiry the key has."""
        return self.lifetime.span if self.lifetime and not self.lifetime.respects_expiry else None


# --- what takes a token -----------------------------------------------------------------------------------------------


def takes_token(definition: ApiDefinition) -> bool:
    """True where a key that we make can open it."""
    return why_not(definition) is None


def why_not(definition: ApiDefinition) -> str | None:
    """The reason that no key of ours can open it, as a sentence; None where one can."""
    schemes, token = definition.schemes, definition.token
    if Scheme.KEYLESS in schemes:
        others = schemes - {Scheme.KEYLESS}
        return f"It asks for {_listed(others)}, not for a token." if others else "It is keyless: it asks for no token."
    if not schemes:
        return "None of its authentication schemes is switched on."
    if Scheme.AUTH_TOKEN not in schemes:
        return f"It takes {_listed(schemes)}, not an auth token."
    if token.by_certificate:
        return "It knows callers by their client certificate (dynamic mTLS), not by a token."
    if (token.header, token.query, token.cookie) == (None, None, None):
        return "It looks for a token nowhere: header, query parameter and cookie are all switched off."
    return None


def why_not_in_header(definition: ApiDefinition) -> str | None:
    """The reason that no key of ours can be sent in a header, as a sentence; None where one can."""
    token = definition.token
    if (reason := why_not(definition)) is not None or token.header is not None:
        return reason
    where = f"the query parameter {token.query}" if token.query else f"the cookie {token.cookie}"
    return one_line(f"It takes its token in {where}, not in a header.")


def asked_besides(definition: ApiDefinition) -> tuple[str, ...]:
    """The further credentials that callers must show beside the token."""
    if definition.one_is_enough:
        return ()
    return tuple(sorted(definition.schemes - {Scheme.AUTH_TOKEN}))


def _listed(schemes: Iterable[Scheme]) -> str:
    return " and ".join(sorted(schemes))


# --- finding one ------------------------------------------------------------------------------------------------------


def by_either_id(definitions: Iterable[ApiDefinition]) -> dict[str, ApiDefinition]:
    """Each definition under its public and its internal id; where both claim an id, the public one has it."""
    listed = tuple(definitions)
    internal = {one.internal_id: one for one in listed if one.internal_id}
    return internal | {one.api_id: one for one in listed}


@dataclass(frozen=True)
class Unfit:
    """The reason that no key is made for an API: a short stable code, and a sentence for whoever can mend it."""

    code: str
    text: str


def unfit(asked: str, found: ApiDefinition | None) -> Unfit | None:
    """The reason that the id in the configuration is not one to make a key for; None where it is."""
    if found is None:
        return Unfit("tyk_api_unknown", f"Tyk has no API {asked}.")
    if found.api_id != asked:
        known = one_line(found.api_id)
        return Unfit("tyk_api_id", f"{asked} is not the id that keys go by. Tyk calls it {known}: write that.")
    if not found.active:
        return Unfit("tyk_api_inactive", f"Tyk's {found.what} {asked} is not active.")
    if (reason := why_not(found)) is not None:
        return Unfit("tyk_api_no_token", f"Tyk's {found.what} {asked} takes no token. {reason}")
    return None


# --- reading ----------------------------------------------------------------------------------------------------------

_CATEGORIES: Final = re.compile(r"(\s+#\S+)+\s*$")  # the Dashboard keeps an API's categories at the end of its name
_CLASSIC_FLAGS: Final = (
    ("enable_jwt", Scheme.JWT),
    ("use_oauth2", Scheme.OAUTH),
    ("use_openid", Scheme.OPENID),
    ("use_basic_auth", Scheme.BASIC),
    ("enable_signature_checking", Scheme.HMAC),
    ("enable_coprocess_auth", Scheme.PLUGIN),
    ("use_go_plugin_auth", Scheme.PLUGIN),
    ("custom_plugin_auth_enabled", Scheme.PLUGIN),
)
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?)(h|ms|m|s|us|µs|ns)")
_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_LONGEST: Final = 100 * 365 * 86400.0  # longer says as much, and a timedelta holds it

Json = Mapping[str, Any]


def read(document: Any, *, is_mcp: bool = False) -> ApiDefinition | None:
    """The API of a definition in either form, bare or as the Dashboard wraps it; None where this is no definition.

    Of an OAS API the Dashboard may send the classic form beside it, made from it: then the OAS form counts.
    """
    oas = part(document, "oas") or (document if part(document, "x-tyk-api-gateway") else {})
    classic = part(document, "api_definition") or (document if isinstance(document, dict) and not oas else {})
    tyk = part(oas, "x-tyk-api-gateway")
    api_id = text(classic, "api_id") or text(part(tyk, "info"), "id")
    if not api_id:
        return None
    name = text(part(tyk, "info"), "name") or text(classic, "name") or api_id
    internal_id = text(classic, "id") or text(classic, "_id") or text(part(tyk, "info"), "dbId")
    shared: dict[str, Any] = {
        "api_id": api_id,
        "name": _CATEGORIES.sub("", name),
        "internal_id": internal_id,
        "is_mcp": is_mcp or text(classic, "application_protocol") == "mcp",
    }
    return _from_oas(oas, shared) if tyk else _from_classic(classic, shared)


def part(value: Any, *path: str) -> Json:
    """The object at the end of a path; empty where there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def text(value: Json, name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) else ""


def _is_on(value: Json, name: str) -> bool:
    return value.get(name) is True


# --- the classic form ---


def _from_classic(classic: Json, shared: dict[str, Any]) -> ApiDefinition:
    seconds = classic.get("session_lifetime")
    return ApiDefinition(
        **shared,
        listen_path=text(part(classic, "proxy"), "listen_path") or "/",
        versions=_versions(part(classic, "version_data")),
        active=classic.get("active", True) is not False,
        schemes=_classic_schemes(classic),
        token=_classic_token(classic),
        domain=None if _is_on(classic, "domain_disabled") else text(classic, "domain") or None,
        lifetime=_lifetime(
            seconds if isinstance(seconds, int | float) else 0,
            respects_expiry=_is_on(classic, "session_lifetime_respects_key_expiration"),
        ),
    )


def _classic_schemes(classic: Json) -> frozenset[Scheme]:
    certificate = {Scheme.MTLS} if _is_on(classic, "use_mutual_tls_auth") else set()
    if _is_on(classic, "use_keyless"):
        return frozenset({Scheme.KEYLESS, *certificate})
    schemes = {scheme for flag, scheme in _CLASSIC_FLAGS if _is_on(classic, flag)}
    if _is_on(part(classic, "external_oauth"), "enabled"):
        schemes.add(Scheme.OAUTH)
    if _is_on(classic, "use_standard_auth") or not schemes:
        schemes.add(Scheme.AUTH_TOKEN)
    return frozenset(schemes | certificate)


def _classic_token(classic: Json) -> TokenPlaces:
    """`auth` counts where `auth_configs` has no `authToken`; a name that is left empty is the header's."""
    configs = part(classic, "auth_configs")
    places = part(configs, "authToken") if "authToken" in configs else part(classic, "auth")
    header = None if _is_on(places, "disable_header") else text(places, "auth_header_name") or AUTHORIZATION
    fallback = header or AUTHORIZATION
    return TokenPlaces(
        header,
        (text(places, "param_name") or fallback) if _is_on(places, "use_param") else None,
        (text(places, "cookie_name") or fallback) if _is_on(places, "use_cookie") else None,
        by_certificate=_is_on(places, "use_certificate"),
    )


def _versions(data: Json) -> tuple[str, ...]:
    if data.get("not_versioned", True):
        return UNVERSIONED
    return tuple(part(data, "versions")) or UNVERSIONED


# --- the OAS form ---


def _from_oas(oas: Json, shared: dict[str, Any]) -> ApiDefinition:
    info, server = part(oas, "x-tyk-api-gateway", "info"), part(oas, "x-tyk-api-gateway", "server")
    domain, kept = part(server, "customDomain"), part(server, "authentication", "customKeyLifetime")
    schemes, token, one_is_enough = _oas_authentication(oas, server)
    return ApiDefinition(
        **shared,
        listen_path=text(part(server, "listenPath"), "value") or "/",
        active=part(info, "state").get("active", True) is not False,
        schemes=schemes,
        token=token,
        one_is_enough=one_is_enough,
        domain=(text(domain, "name") or None) if _is_on(domain, "enabled") else None,
        lifetime=_lifetime(
            _seconds(text(kept, "value")) if _is_on(kept, "enabled") else 0,
            respects_expiry=_is_on(kept, "respectValidity"),
        ),
    )


def _oas_authentication(oas: Json, server: Json) -> tuple[frozenset[Scheme], TokenPlaces, bool]:
    """The schemes in use, where a token is looked for, and whether one of them is enough."""
    authentication = part(server, "authentication")
    certificate = {Scheme.MTLS} if _is_on(part(server, "clientCertificates"), "enabled") else set()
    if not _is_on(authentication, "enabled"):
        return frozenset({Scheme.KEYLESS, *certificate}), TokenPlaces(), False
    named = _schemes_named(oas, authentication)
    types = {name: _type(part(oas, "components", "securitySchemes", name)) for name in named}
    on = [name for name in named if _is_on(part(authentication, "securitySchemes", name), "enabled")]
    schemes = {kind for name in on if (kind := types[name]) is not None} | _tyks_own(authentication)
    if not schemes and not any(types.values()):
        schemes = {Scheme.AUTH_TOKEN}
    tokens = [name for name in on if types[name] is Scheme.AUTH_TOKEN]
    return (
        frozenset(schemes | certificate),
        _oas_token(oas, authentication, tokens[0] if tokens else None),
        len(_requirements(oas, authentication)) > 1,
    )


def _requirements(oas: Json, authentication: Json) -> list[list[str]]:
    """The names of the schemes of each requirement that the Gateway looks at."""
    security = oas.get("security")
    standard = [list(one) for one in security if isinstance(one, dict)] if isinstance(security, list) else []
    if authentication.get("securityProcessingMode") != "compliant":
        return standard[:1]
    own = authentication.get("security")
    return standard + ([list(one) for one in own if isinstance(one, list)] if isinstance(own, list) else [])


def _schemes_named(oas: Json, authentication: Json) -> list[str]:
    """Every scheme that may be in use, each once. A document cut short, without `security`, is taken to mean all."""
    requirements = _requirements(oas, authentication)
    names: Iterable[Any] = (name for one in requirements for name in one)
    if not requirements:
        names = [*part(authentication, "securitySchemes"), *part(oas, "components", "securitySchemes")]
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))


def _type(scheme: Json) -> Scheme | None:
    kinds = {"apiKey": Scheme.AUTH_TOKEN, "oauth2": Scheme.OAUTH, "openIdConnect": Scheme.OPENID}
    if scheme.get("type") == "http":
        return {"bearer": Scheme.JWT, "basic": Scheme.BASIC}.get(text(scheme, "scheme").lower())
    return kinds.get(text(scheme, "type"))


def _tyks_own(authentication: Json) -> set[Scheme]:
    """The schemes that OpenAPI has no word for."""
    own = (("hmac", Scheme.HMAC), ("oidc", Scheme.OPENID), ("custom", Scheme.PLUGIN))
    return {scheme for name, scheme in own if _is_on(part(authentication, name), "enabled")}


def _oas_token(oas: Json, authentication: Json, name: str | None) -> TokenPlaces:
    """OpenAPI says one place; Tyk's part may add others."""
    if name is None:
        return TokenPlaces()
    standard = part(oas, "components", "securitySchemes", name)
    own = part(authentication, "securitySchemes", name)

    def place(where: str) -> str | None:
        if standard.get("in") == where:
            return text(standard, "name") or AUTHORIZATION
        added = part(own, where)
        return (text(added, "name") or AUTHORIZATION) if _is_on(added, "enabled") else None

    by_certificate = _is_on(part(authentication, "certificateAuth"), "enabled") or _is_on(
        own, "enableClientCertificate"
    )
    return TokenPlaces(place("header"), place("query"), place("cookie"), by_certificate=by_certificate)


# --- both ---


def _lifetime(seconds: float, *, respects_expiry: bool) -> SessionLifetime | None:
    if not seconds >= 1:
        return None
    return SessionLifetime(timedelta(seconds=int(min(seconds, _LONGEST))), respects_expiry)


def _seconds(shorthand: str) -> float:
    """Go's shorthand, as in 1h30m; what is no such thing is 0, as it is for Tyk."""
    found = _DURATION.findall(shorthand)
    if "".join(number + unit for number, unit in found) != shorthand:
        return 0
    return sum(float(number) * _UNITS[unit] for number, unit in found)
