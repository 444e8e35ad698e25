"""Entries for `config.yaml` out of what Tyk has: ready but for the people, who are a person's to add.

An entry stands for what takes a token in a header; the rest is a comment with the reason. Whatever a name, a path or a domain
at Tyk holds, `check` has no complaint about what is printed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

import yaml
from pydantic import ValidationError

from bot.config.sections import ApiSection
from bot.durations import spelled
from bot.tyk.definitions import ApiDefinition, PathKind, asked_besides, by_either_id, why_not_in_header
from bot.tyk.names import as_title, one_line
from bot.tyk.policies import PolicyLimits, TykPolicy

_HEAD: Final = "# Add to each entry: requesters, and approvers where approvals are needed."
_LONGEST_SLUG: Final = 60


def entries(apis: Iterable[ApiDefinition], policies: Iterable[TykPolicy] = ()) -> str:
    """The section `apis` as text, in the order of the names; what makes no entry, and the policies, are comments below it."""
    listed = sorted({api.api_id: api for api in apis}.values(), key=lambda one: (one.name.casefold(), one.api_id))
    ready = [api for api in listed if _reason(api) is None]
    slugs: dict[str, None] = {}
    lines = [_HEAD, *(["apis:"] if ready else [])]
    for api in ready:
        slug = _slug(api.name, slugs)
        slugs[slug] = None
        lines += _commented_entry(slug, api)
    rest = [one_line(f"# - {_called(api)}: {reason}") for api in listed if (reason := _reason(api)) is not None]
    lines += ["# No entry stands for:", *rest] if rest else []
    told = [_policy(policy, by_either_id(listed)) for policy in policies]
    lines += ["# Policies, for a plan's tyk_policies, each by either of its names:", *told] if told else []
    return "\n".join(lines) + "\n"


# --- what makes an entry ----------------------------------------------------------------------------------------------


def _reason(api: ApiDefinition) -> str | None:
    """The reason that no entry is printed for the API, as a sentence; None where one is."""
    if not api.active:
        return "It is not active."
    if (reason := why_not_in_header(api)) is not None:
        return reason
    if api.path_kind is PathKind.REFERENCE:
        return "Its listen path is a reference that only the Gateway can look up: write the entry, with the path, yourself."
    if api.domain is not None and re.search(r"[{*]|://", api.domain):
        return f"Its domain {api.domain} is no address: write the entry, with a gateway_url, yourself."
    return _refused(api)


def _refused(api: ApiDefinition) -> str | None:
    """The reason for which `check` would not take the entry, or None."""
    try:
        ApiSection.model_validate(_entry(api) | {"requesters": ["everyone"]})
    except ValidationError as error:
        settings = sorted({str(one["loc"][0]) for one in error.errors(include_url=False)})
        return f"The file cannot hold its {' and '.join(settings)} as Tyk has it."
    return None


def _entry(api: ApiDefinition) -> dict[str, Any]:
    entry = {
        "api_id": api.api_id,
        "api_name": as_title(api.name),
        "listen_path": api.url_path,
        "versions": list(api.versions),
        "auth_header": api.auth_header,
    }
    return entry | ({"gateway_url": f"https://{api.domain}"} if api.domain else {})


def _commented_entry(slug: str, api: ApiDefinition) -> Iterator[str]:
    if api.is_mcp:
        yield "  # an MCP proxy"
    if asked := asked_besides(api):
        yield f"  # beside the token, callers show {' and '.join(asked)}"
    if api.path_kind is PathKind.PATTERN:
        yield "  # its listen path is a pattern: say in `description` what callers write there"
    text = yaml.safe_dump({slug: _entry(api)}, sort_keys=False, allow_unicode=True, width=10_000)
    yield from (f"  {line}" for line in text.rstrip("\n").split("\n"))


def _slug(name: str, taken: Mapping[str, None]) -> str:
    """A name for the entry, made of the API's: small letters, digits and dashes, and not taken yet."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode()
    slug = base = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:_LONGEST_SLUG] or "api"
    number = 2
    while slug in taken:
        slug, number = f"{base}-{number}", number + 1
    return slug


def _called(api: ApiDefinition) -> str:
    what = "MCP proxy, " if api.is_mcp else ""
    return f"{as_title(api.name)} ({what}api_id {one_line(api.api_id)})"


# --- policies ---------------------------------------------------------------------------------------------------------


def _policy(policy: TykPolicy, apis: Mapping[str, ApiDefinition]) -> str:
    names = " or ".join(one_line(name) for name in policy.names) or "-"
    opens = [_called(apis[api_id]) if api_id in apis else one_line(api_id) for api_id in sorted(policy.opens)]
    parts = [
        "each API's own limits" if policy.limits_each_api else limits_in_words(policy.limits),
        f"opens {', '.join(opens)}" if opens else "opens what the key itself names",
        *([f"for keys of {spelled(timedelta(seconds=policy.key_expires_in))}"] if policy.key_expires_in > 0 else []),
        *([] if policy.active else ["not active"]),
    ]
    return f"# - {names} ({as_title(policy.name)}): {'; '.join(parts)}"


def limits_in_words(limits: PolicyLimits) -> str:
    """The limits that a policy sets, in numbers: "100 calls per 60 s, 10000 calls per 86400 s"."""
    if limits.rate is None:
        rate = "the key's own rate"
    elif limits.rate > 0:
        rate = f"{_plain(limits.rate)} calls per {_plain(limits.per or 1)} s"
    else:
        rate = "no rate limit"
    if limits.quota_max is None:
        quota = "the key's own quota"
    elif limits.quota_max > 0:
        every = f" per {_plain(limits.quota_renewal_rate)} s" if (limits.quota_renewal_rate or 0) > 0 else " in all"
        quota = f"{_plain(limits.quota_max)} calls{every}"
    else:
        quota = "no quota"
    return f"{rate}, {quota}"


def _plain(number: float | None) -> str:
    return str(int(number)) if number is not None and number == int(number) else str(number)
