"""Words for Slack: what a person typed made inert, and times, lifetimes, limits and people as they are read.

A mrkdwn string is escaped first and cut afterwards. Where a whole block is what a person typed, it is a plain_text object.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from bot.core import narrowing
from bot.core.model import Audience, Identity, Lifetime, Limits, Plan, PolicyTerms, Request, Rule

MOST_NAMED = 3
NOTHING_OFFERED = "There is no API that you can request a token for."

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
"""Control characters, and whatever else shows nothing or turns the direction of writing around: they can make one text look like
another. Joiners stay, with which some scripts and emoji are written."""

_MARK = re.compile(
    r"(?<![^\W_])[*_~]|[*_~](?![^\W_])|`|:(?=[\w+'-]*[a-zA-Z][\w+'-]*:)|@(?=here|channel|everyone|group)"
)
_LOOKALIKE = str.maketrans({"*": "∗", "_": "＿", "~": "∼", "`": "ˋ", ":": "∶", "@": "＠"})  # noqa: RUF001 - that is the point
"""Slack knows no escape for its formatting, so a mark that could format is drawn with a character that cannot."""

_TYK_ID = re.compile("[0-9a-f]{24}")
_OUR_DATE = re.compile(r"<!date\^[^>|]*\|([^>]*)>")
_OUR_LINK = re.compile(r"<([@#])([A-Za-z0-9]+)>")


def clean(text: str) -> str:
    """The text without what cannot be seen."""
    return _UNSEEN.sub("", text.replace("\r\n", "\n"))


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def cut(text: str, limit: int) -> str:
    """At most `limit` characters of a mrkdwn string, no entity and no mention in half."""
    if len(text) <= limit:
        return text
    kept = text[: limit - 1]
    for opening, closing in (("&", ";"), ("<", ">")):
        start = kept.rfind(opening)
        if start > kept.rfind(closing):
            kept = kept[:start]
    return kept.rstrip() + "…"


def one_line(text: str, limit: int) -> str:
    """Plain words on one line, for a terminal."""
    line = " ".join(clean(text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def inert(text: str, limit: int) -> str:
    """A person's own words, on one line of a mrkdwn string: they mention, link and format nothing."""
    line = " ".join(clean(text).split())[: limit + 1]
    said = cut(escape(_MARK.sub(lambda mark: mark[0].translate(_LOOKALIKE), line)), limit)
    return re.sub(r"[*_~]+…$", "…", said)


def begun(text: str) -> str:
    """The words with a capital in front, and all others as they are."""
    return text[:1].upper() + text[1:]


def without_markup(text: str) -> str:
    """A sentence of ours, which may hold dates and mentions, as words."""
    return _OUR_LINK.sub(r"\1\2", _OUR_DATE.sub(r"\1", text))


def linked(said: str, text: str, url: str) -> str:
    """The mrkdwn string of a person's words with a link, to an address of ours, on this part of them; behind them where it is
    not found in what they became."""
    shown = inert(text, 200)
    link, part = f"<{escape(url)}|{shown}>", re.search(rf"(?<![&\w]){re.escape(shown)}", said)
    return f"{said[: part.start()]}{link}{said[part.end() :]}" if part else f"{said} ({link})"


# --- people ---------------------------------------------------------------------------------------------------------


def _id(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", text)[:50]


def person(who: Identity | str) -> str:
    user = _id(who if isinstance(who, str) else who.user_id)
    return f"<@{user}>" if user else "somebody"


def group(group_id: str) -> str:
    return f"<!subteam^{_id(group_id)}>"


def channel(channel_id: str) -> str:
    return f"<#{_id(channel_id)}>"


def message_link(workspace: str, place: tuple[str, str], label: str) -> str:
    """A label of ours that leads to a message, by its channel and ts; the label alone where nobody knows where that is read."""
    channel_id, ts = _id(place[0]), re.sub(r"[^0-9]", "", place[1])
    return f"<{escape(workspace)}archives/{channel_id}/p{ts}|{label}>" if workspace else label


def profile_link(workspace: str, who: Identity, label: str) -> str:
    """A label of ours that leads to somebody's profile and rings nobody; the label alone where nobody knows where that is."""
    return f"<{escape(workspace)}team/{_id(who.user_id)}|{label}>" if workspace else label


def link(url: str, label: str) -> str | None:
    """A link, if the address can stand in one."""
    if not url.startswith(("https://", "http://")) or any(one in url for one in "<>| \n") or len(url) > 1500:
        return None
    return f"<{escape(url)}|{label}>"


def conversation(app_id: str, team_id: str) -> str | None:
    """A link to the direct messages with this app. Slack's own address for it works in every client."""
    return link(f"https://slack.com/app_redirect?app={_id(app_id)}&team={_id(team_id)}", "Open our conversation")


def people(who: list[str], *, last: str = "and") -> str:
    """`a, b and c`."""
    return who[0] if len(who) == 1 else f"{', '.join(who[:-1])} {last} {who[-1]}" if who else "nobody"


def audience(audience: Audience, except_: Identity | None = None, *, last: str = "or", limit: int = 1500) -> str:
    """Those whom a rule names, as mentions; `except_` is never among them. Past `limit` characters the rest is counted."""
    names = ["everyone here"] if audience.everyone else []
    names += [group(one) for one in sorted(audience.groups)]
    names += [person(user) for user in sorted(audience.users) if except_ is None or user != except_.user_id]
    names += [f"the members of {channel(one)}" for one in sorted(audience.channels)]
    return as_many(names, last=last, limit=limit)


def as_many(names: Sequence[str], *, last: str = "or", limit: int = 1500) -> str:
    """`a, b or c`. Past `limit` characters the rest is counted."""
    shown: list[str] = []
    room = limit - 20
    for name in names:
        room -= len(name) + 2
        if room < 0:
            break
        shown.append(name)
    left = len(names) - len(shown)
    return people([*shown, f"{left} more"] if left else shown, last=last)


# --- times and numbers ----------------------------------------------------------------------------------------------


def utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def date(moment: datetime) -> str:
    """A time that Slack draws in the reader's own zone."""
    return f"<!date^{int(moment.timestamp())}^{{date_short_pretty}} at {{time}}|{utc(moment)}>"


def day(moment: datetime) -> str:
    """The day of it, in the reader's own zone."""
    return f"<!date^{int(moment.timestamp())}^{{date_short_pretty}}|{moment.astimezone(UTC):%Y-%m-%d}>"


_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


def duration(lifetime: Lifetime) -> str:
    """`7 days`, `1 day 12 hours`, `no expiry`."""
    if lifetime is None:
        return "no expiry"
    left, parts = int(lifetime.total_seconds()), []
    for unit, seconds in _UNITS:
        count, left = divmod(left, seconds)
        if count:
            parts.append(f"{count} {unit}" if count == 1 else f"{count:,} {unit}s")
    return " ".join(parts) or "0 seconds"


def lasting(rule: Rule, lifetime: Lifetime) -> str:
    """`7 days`, `Doesn't expire (reviewed every 90 days)`."""
    if lifetime is not None:
        return begun(duration(lifetime))
    return f"Doesn't expire (reviewed every {duration(rule.review_every)})" if rule.review_every else "Doesn't expire"


def _per(seconds: int) -> str:
    unit = next((unit for unit, length in _UNITS if length == seconds), None)
    return f"per {unit}" if unit else f"per {duration(timedelta(seconds=seconds))}"


def _calls(count: int) -> str:
    return "1 call" if count == 1 else f"{count:,} calls"


def limits(limits: Limits) -> str:
    """`100 calls per second, 10,000 per day`."""
    rate = f"{_calls(limits.rate)} {_per(limits.per)}" if limits.rate > 0 and limits.per > 0 else "no rate limit"
    if limits.quota_max < 0:
        return rate
    renewed = _per(limits.quota_renewal_rate) if limits.quota_renewal_rate > 0 else "in all"
    return f"{rate}, {limits.quota_max:,} {renewed}"


def subject(request: Request) -> str:
    """The API, with the plan where there was a choice, and with what it opens besides."""
    plan = request.plan
    said = [inert(plan.name, 150)] if len(request.rule.plans) > 1 else []
    if further := [inert(api.called, 80) for api in plan.also_opens]:
        left = len(further) - MOST_NAMED
        named = [*further[:MOST_NAMED], f"{left} more"] if left > 0 else further
        said.append(f"opens {people(named)}, too")
    if request.extends is not None:
        said.append(f"extends {request.extends.label}")
    beside = f" ({', '.join(said)})" if said else ""
    return f"{inert(request.rule.title, 150)}{beside}"


def asked_for(request: Request) -> str:
    """The API alone, or, where the key opens more, all that `subject` says."""
    return subject(request) if request.plan.also_opens or request.extends else inert(request.rule.title, 150)


def opens(rule: Rule, plan: Plan, limit: int = 2900) -> str:
    """`Payments, Ledger`: all that a key of this plan opens; empty where it is the API alone that the rule is about."""
    further = [inert(api.called, 80) for api in plan.also_opens]
    return cut(", ".join([inert(rule.title, 80), *further]), limit) if further else ""


def plan_limits(plan: Plan) -> str:
    """A plan's limits. Where Tyk policies are named it is they that limit, and of several the most generous counts."""
    if not plan.tyk_policies:
        return limits(plan.limits)
    if not plan.terms:
        return "limits set by its Tyk policy"
    told = [f"{_set_by(terms, plan.limits)} ({_policy(terms)})" for terms in plan.terms]
    return told[0] if len(told) == 1 else f"the most generous of {people(told)}"


def _policy(terms: PolicyTerms) -> str:
    """The name that people gave it in Tyk; an id is no name."""
    return "its Tyk policy" if _TYK_ID.fullmatch(terms.name) else f"Tyk policy {inert(terms.name, 75)}"


def _set_by(terms: PolicyTerms, own: Limits) -> str:
    """The limits of a key under this policy: its own where the policy sets none."""
    if terms.each_api:
        return "limits of its own for each API"
    return limits(Limits(*map(int, narrowing.under(terms, own))))
