"""A rule of the configuration beside what Tyk has: each difference as a sentence, with the setting to blame for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import unquote, urlsplit

from bot.core.model import Lifetime, Plan, Rule
from bot.durations import spelled
from bot.tyk import definitions
from bot.tyk.definitions import UNVERSIONED, ApiDefinition, PathKind
from bot.tyk.names import as_title, one_line
from bot.tyk.policies import TykPolicy, by_either_name, policy_complaints


@dataclass(frozen=True)
class Difference:
    """A difference in words. `trail` leads from the API's entry to the setting that should change."""

    trail: tuple[str, ...]
    text: str


def differences(
    rule: Rule, apis: Mapping[str, ApiDefinition], policies: Mapping[str, TykPolicy] | None = None
) -> tuple[Difference, ...]:
    """Everything in which the rule and Tyk differ. `apis` are by either id (`definitions.by_either_id`), MCP proxies among
    them, and `policies` by any name; None where they were not looked up, and nothing is said of them."""
    found = _differences(rule, apis.get(rule.api.api_id), policies)
    return tuple(replace(one, text=one_line(one.text)) for one in found)


def _differences(
    rule: Rule, found: ApiDefinition | None, policies: Mapping[str, TykPolicy] | None
) -> Iterator[Difference]:
    if (reason := definitions.unfit(rule.api.api_id, found)) is not None:
        yield Difference(("api_id",), f"{reason.text} No key will be made for it.")
    if found is not None:
        yield from _of_the_definition(rule, found)
    if policies is not None:
        for plan in rule.plans:
            yield from _of_the_policies(rule, plan, by_either_name(policies.values()))


# --- the definition ---------------------------------------------------------------------------------------------------


def _of_the_definition(rule: Rule, found: ApiDefinition) -> Iterator[Difference]:
    if rule.api.api_name not in (found.name, as_title(found.name)):
        yield Difference(("api_name",), f"Tyk calls it {as_title(found.name)}, the file {rule.api.api_name}.")
    yield from _versions(rule.api.versions, found.versions)
    if definitions.takes_token(found):
        yield from _header(rule.auth_header, found)
    yield from _path(rule.listen_path, found)
    yield from _domain(rule.gateway_url, found)
    longest = found.ends_keys_after
    if longest is not None and (over := _longer(rule.lifetimes, longest)):
        yield Difference(
            ("lifetimes",),
            f"Tyk drops a key of this API after {spelled(longest)} (its session lifetime), the file offers {over}.",
        )


def _versions(named: Iterable[str], known: tuple[str, ...]) -> Iterator[Difference]:
    """A key may open some of the versions only; so one that is left out is no difference."""
    unknown = [version for version in named if version not in known]
    if not unknown:
        return
    has = "no versions" if known == UNVERSIONED else f"the versions {', '.join(known)}"
    mend = "leave `versions` out" if known == UNVERSIONED else "a key for others opens nothing"
    yield Difference(("versions",), f"Tyk has {has} of it, the file says {', '.join(unknown)}: {mend}.")


def _header(named: str, found: ApiDefinition) -> Iterator[Difference]:
    if (reason := definitions.why_not_in_header(found)) is not None:
        yield Difference(("auth_header",), reason)
    elif named.lower() != found.auth_header.lower():
        yield Difference(("auth_header",), f"Tyk takes the token in {found.auth_header}, the file says {named}.")


def _path(named: str, found: ApiDefinition) -> Iterator[Difference]:
    """A reference nobody but the Gateway can look up. Of a pattern, the beginning is compared."""
    if found.path_kind is PathKind.REFERENCE:
        return
    if found.path_kind is PathKind.PATTERN:
        fits = unquote(named).startswith(unquote(found.url_path).partition("{")[0])
    else:
        fits = _bare(unquote(named)) == _bare(found.listen_path)
    if not fits:
        yield Difference(("listen_path",), f"Tyk serves it at {found.url_path}, the file says {named}.")


def _domain(named: str, found: ApiDefinition) -> Iterator[Difference]:
    domain = found.domain
    if domain is None or "{" in domain or "://" in domain:
        return
    if domain.lower() not in (urlsplit(named).netloc.lower(), urlsplit(named).hostname):
        yield Difference(
            ("gateway_url",), f"Tyk serves it at the domain {domain} alone: write gateway_url: https://{domain}."
        )


def _bare(path: str) -> str:
    return path.strip("/")


# --- policies ---------------------------------------------------------------------------------------------------------


def _of_the_policies(rule: Rule, plan: Plan, policies: Mapping[str, TykPolicy]) -> Iterator[Difference]:
    listed = frozenset({rule.api.api_id, *(other.api_id for other in plan.also_opens)})
    for said in policy_complaints(plan, listed, policies):
        yield Difference(("plans", plan.name), f"{said} No key will be made for this plan.")
    for name in plan.tyk_policies:
        policy = policies.get(name)
        if policy is None or policy.key_expires_in <= 0:
            continue
        meant = timedelta(seconds=policy.key_expires_in)
        if over := _longer(rule.lifetimes, meant):
            yield Difference(
                ("plans", plan.name),
                f"The Tyk policy {name} is for keys of {spelled(meant)}, the file offers {over}.",
            )


# --- lifetimes --------------------------------------------------------------------------------------------------------


def _longer(offered: Iterable[Lifetime], longest: timedelta) -> str:
    """The lifetimes on offer that are longer, in words; empty where none is."""
    return ", ".join(spelled(span) for span in offered if span is None or span > longest)
