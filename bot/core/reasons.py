"""The check of a reason against its rule's pattern, and the link that it makes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from urllib.parse import quote

from bot.core.model import Refusal, Request, Rule
from bot.core.patterns import pattern

MATCH = "{match}"
MAX_URL = 2000


@dataclass(frozen=True)
class Link:
    """A part of a text, and the address of what it names."""

    text: str
    url: str


def check(rule: Rule, reason: str) -> None:
    """Raises Refusal, at its field, where the reason is empty although one is needed, or lacks what it must hold."""
    if not reason.strip():
        if rule.reason_required:
            raise Refusal("Say in a few words what you need it for.", code="reason", field="reason")
        return
    wanted = rule.reason_pattern
    if wanted is not None and not pattern(wanted.pattern).find(reason):
        raise Refusal(wanted.says, code="reason_pattern", field="reason")


def detail(request: Request) -> dict[str, dict[str, str]]:
    """A detail for the audit: the link that the reason holds, if it holds one."""
    link = link_in(request)
    return {"reason_link": asdict(link)} if link else {}


def link_in(request: Request) -> Link | None:
    """The part of the reason that names something, and where that is; None where the rule knows no such thing."""
    wanted = request.rule.reason_pattern
    if wanted is None or not wanted.link:
        return None
    found = pattern(wanted.pattern).find(request.answers.reason)
    url = wanted.link.replace(MATCH, quote(found, safe=""))
    return Link(found, url) if found and len(url) <= MAX_URL else None
