"""What a change of the configuration comes to: every key of every rule, which way it goes, and how it is kept in the audit."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest

from bot.core import changes, snapshot
from bot.core.changes import Access, Change, Together
from bot.core.model import NOBODY, ApiRef, Audience, Limits, Plan, ReasonPattern, Rule, Rulebook
from bot.core.snapshot import What
from tests.core.life import DAY, PAYMENTS

STANDARD = PAYMENTS.plans[0]
GOLD = Plan("gold", Limits(1000, 1, -1, 60), ("P0GOLD",), (ApiRef("9a", "ledger", ("Default",), "Ledger", "ledger"),))
WIDER, NARROWER, OTHER, SAME = Access


def book(*rules: Rule, auditors: Audience = NOBODY) -> Rulebook:
    return Rulebook("d", {rule.name: rule for rule in rules}, auditors)


def changed(before: Rule, after: Rule) -> tuple[Change, ...]:
    return changes.compared(book(before), book(after))


def groups(*names: str) -> Audience:
    return Audience(groups=frozenset(names))


EACH: list[tuple[dict[str, Any], What, Any, Any, Access]] = [
    ({"out_of_force": True}, What.OUT_OF_FORCE, False, True, NARROWER),
    ({"api": ApiRef("0000", "payments", ("Default",))}, What.API_ID, "5f1c", "0000", OTHER),
    ({"api": ApiRef("5f1c", "pay", ("Default",))}, What.API_NAME, "payments", "pay", OTHER),
    ({"api": ApiRef("5f1c", "payments", ("v2", "Default"))}, What.VERSIONS, ["Default"], ["Default", "v2"], WIDER),
    ({"requesters": Audience(everyone=True)}, What.REQUESTERS, ["S0DEVS"], ["everyone"], WIDER),
    ({"requesters": groups("S0OPS")}, What.REQUESTERS, ["S0DEVS"], ["S0OPS"], OTHER),
    ({"approvals": 1}, What.APPROVALS, 2, 1, WIDER),
    ({"approvals": 3}, What.APPROVALS, 2, 3, NARROWER),
    ({"approvers": groups("S0LEADS")}, What.APPROVERS, ["S0LEADS", "UDAVE"], ["S0LEADS"], NARROWER),
    ({"also_may_approve": groups("S0OPS")}, What.ALSO_MAY_APPROVE, [], ["S0OPS"], WIDER),
    ({"lifetimes": (7 * DAY,)}, What.LIFETIMES, [604800, None], [604800], NARROWER),
    ({"lifetimes": (None, 7 * DAY)}, What.LIFETIMES, [604800, None], [None, 604800], SAME),
    ({"max_active": 6}, What.MAX_ACTIVE, 5, 6, WIDER),
    ({"max_total": 30 * DAY}, What.MAX_TOTAL, None, 2592000, NARROWER),
    ({"review_every": 90 * DAY}, What.REVIEW_EVERY, None, 7776000, NARROWER),
    ({"reason_required": False}, What.REASON, "required", "optional", WIDER),
    ({"reason_pattern": ReasonPattern("T-[0-9]+", "Name it.")}, What.REASON_PATTERN, None, ["T-[0-9]+", "Name it."], NARROWER),
    ({"lapses_after": DAY}, What.LAPSES_AFTER, 604800, 86400, SAME),
    ({"hide_token_after": timedelta(hours=1)}, What.HIDE_AFTER, 86400, 3600, SAME),
    ({"approvals_channel": "C0OTHER"}, What.APPROVALS_CHANNEL, "C0APPROVE", "C0OTHER", SAME),
    ({"title": "Money"}, What.TITLE, "Payments", "Money", SAME),
    ({"description": "Pays"}, What.DESCRIPTION, None, "Pays", SAME),
    ({"docs": "https://docs.example.com"}, What.DOCS, None, "https://docs.example.com", SAME),
    ({"warning": "This is production."}, What.WARNING, None, "This is production.", SAME),
    ({"listen_path": "/pay/"}, What.LISTEN_PATH, "/payments/", "/pay/", SAME),
    ({"auth_header": "X-Key"}, What.AUTH_HEADER, "Authorization", "X-Key", SAME),
    ({"gateway_url": "https://g.example.com"}, What.GATEWAY_URL, "https://api.example.com", "https://g.example.com", SAME),
]  # fmt: skip


@pytest.mark.parametrize(("after", "what", "was", "now", "access"), EACH)
def test_each_key_of_a_rule(after: dict[str, Any], what: What, was: Any, now: Any, access: Access) -> None:
    """One key changed is one change, from what to what, and the way back goes the other way."""
    other = replace(PAYMENTS, **after)
    assert changed(PAYMENTS, other) == (Change("payments", what, was, now, access),)
    back = {WIDER: NARROWER, NARROWER: WIDER}.get(access, access)
    assert changed(other, PAYMENTS) == (Change("payments", what, now, was, back),)


def test_no_part_of_a_rule_is_forgotten() -> None:
    """Whoever gives a rule or a plan another part says here what a change of it comes to."""
    named = {name for after, *_ in EACH for name in after}
    assert named == {one.name for one in fields(Rule)} - {"name", "plans"}
    assert {one.name for one in fields(Plan)} == {
        *("name", "limits", "tyk_policies", "also_opens", "approvals", "requesters"),
        "terms",  # of Tyk's policies, at the time of a request: never in the file
    }


@pytest.mark.parametrize(
    ("plan", "what", "was", "now", "access"),
    [
        ({"limits": Limits(10, 1, -1, 60)}, What.LIMITS, 1000, 10, NARROWER),
        ({"limits": Limits(2000, 1, -1, 60)}, What.LIMITS, 1000, 2000, WIDER),
        ({"limits": Limits(2000, 1, 50, 60)}, What.LIMITS, 1000, 2000, OTHER),
        ({"tyk_policies": ()}, What.TYK_POLICIES, ["P0GOLD"], [], OTHER),
        ({"also_opens": ()}, What.ALSO_OPENS, ["ledger"], [], NARROWER),
        ({"approvals": 3}, What.APPROVALS, 0, 3, NARROWER),
        ({"requesters": (groups("S0OPS"),)}, What.REQUESTERS, [], [["S0OPS"]], NARROWER),
    ],
)
def test_each_part_of_a_plan(plan: dict[str, Any], what: What, was: Any, now: Any, access: Access) -> None:
    """A plan's own changes name the plan."""
    (found,) = changed(replace(PAYMENTS, plans=(GOLD,)), replace(PAYMENTS, plans=(replace(GOLD, **plan),)))
    before, after = found.before, found.after
    if what is What.LIMITS:
        before, after = before["rate"], after["rate"]
    assert (found.entry, found.what, before, after, found.access, found.plan) == (
        *("payments", what, was, now, access),
        "gold",
    )


def test_plans_come_go_and_are_renamed() -> None:
    """A plan that has another name and all else alike was renamed; two that are alike came and went."""
    one, both = replace(PAYMENTS, plans=(STANDARD,)), replace(PAYMENTS, plans=(STANDARD, GOLD))
    (came,), (went,) = changed(one, both), changed(both, one)
    assert (came.what, came.plan, came.before, came.access) == (What.PLAN, "gold", None, WIDER)
    assert (went.what, went.plan, went.after, went.access) == (What.PLAN, "gold", None, NARROWER)
    platinum = replace(GOLD, name="platinum")
    (renamed,) = changed(both, replace(PAYMENTS, plans=(STANDARD, platinum)))
    assert renamed == Change("payments", What.PLAN_NAME, "gold", "platinum", OTHER, "platinum")
    twins = replace(PAYMENTS, plans=(STANDARD, platinum, replace(GOLD, name="silver")))
    assert [(found.what, found.plan) for found in changed(both, twins)] == [
        (What.PLAN, "gold"),
        (What.PLAN, "platinum"),
        (What.PLAN, "silver"),
    ]


def test_entries_auditors_and_settings() -> None:
    """What is of the whole file names no entry; an entry that came or went is told whole."""
    ledger = replace(PAYMENTS, name="ledger")
    before = snapshot.of(book(PAYMENTS), {"slack.help_channel": "C0HELP", "tyk.at_once": 20})
    after = snapshot.of(book(ledger, auditors=groups("S0AUDIT")), {"slack.help_channel": "C0NEW", "tyk.at_once": 20})
    auditors, channel, came, went = changes.between(before, after)
    assert auditors == Change("", What.AUDITORS, [], ["S0AUDIT"], WIDER)
    assert channel == Change("", What.HELP_CHANNEL, "C0HELP", "C0NEW", SAME)
    assert (came.entry, came.before, came.after["approvals"], came.access) == ("ledger", None, 2, WIDER)
    assert (went.entry, went.before["approvals"], went.after, went.access) == ("payments", 2, None, NARROWER)
    assert [one.entry for one in changes.between(None, before)] == ["payments"]
    assert changes.between(before, json.loads(json.dumps(before))) == ()


def test_what_an_older_version_did_not_keep_is_not_called_changed() -> None:
    """It kept approvals and people alone."""
    kept = {
        "digest": "old",
        "apis": {"payments": {"approvals": 3, "requesters": ["S0DEVS"], "approvers": ["S0LEADS", "UDAVE"]}},
    }
    now = snapshot.of(book(replace(PAYMENTS, also_may_approve=groups("S0OPS"))))
    assert changes.between(kept, now) == (
        Change("payments", What.APPROVALS, 3, 2, WIDER),
        Change("payments", What.ALSO_MAY_APPROVE, [], ["S0OPS"], WIDER),
    )


def test_a_change_of_defaults_is_told_once() -> None:
    """Three entries changed alike are one change, what widens access comes first, and of people it says who came and who went."""
    names = ("ledger", "payments", "reports")
    before = [replace(PAYMENTS, name=name) for name in names]
    after = [replace(one, approvals=1, title="x", approvers=groups("S0LEADS", "S0OPS")) for one in before]
    found = changes.together(changes.compared(book(*before), book(*after)))
    assert found == (
        Together(names, What.APPROVALS, WIDER, 2, 1),
        Together(names, What.APPROVERS, OTHER, lost=("UDAVE",), gained=("S0OPS",)),
        Together(names, What.TITLE, SAME, "Payments", "x"),
    )


def test_audit_lines_hold_all_that_changed() -> None:
    """It comes back as it was, from one line or from several, and what a later version writes is passed over."""
    gone, new = replace(PAYMENTS, name="gone"), replace(PAYMENTS, name="new", approvals=1)
    before, after = book(PAYMENTS, gone), book(replace(PAYMENTS, approvals=1, title="x" * 75, max_active=1), new)
    found = changes.compared(before, after)
    (line,) = json.loads(json.dumps(list(changes.told("d2", found))))
    assert (line["digest"], line["added"], line["removed"]) == ("d2", ["new"], ["gone"])
    assert changes.read(line) == changes.together(found)
    assert "parts" not in line
    lines = json.loads(json.dumps(list(changes.told("d2", found, room=200))))
    assert len(lines) > 2
    assert [(one["digest"], one["part"], one["parts"]) for one in lines] == [
        ("d2", number, len(lines)) for number in range(1, len(lines) + 1)
    ]
    assert [one for each in lines for one in changes.read(each)] == [*changes.together(found)]
    assert [name for one in lines for name in one["added"]] == ["new"]
    assert [name for one in lines for name in one["removed"]] == ["gone"]
    (nothing,) = changes.told("d3", ())
    assert nothing == {"digest": "d3", "added": [], "removed": [], "changes": []}
    assert changes.read({"changes": [{"what": "colour", "access": "wider"}, "odd", *line["changes"]]}) == changes.read(
        line
    )
    assert changes.read({"approvals_fell": ["payments"]}) == ()


def test_the_first_line_says_how_much_it_leaves_out() -> None:
    """Nobody gained anything by it: who wants all of ten thousand entries has the file."""
    now = snapshot.of(book(PAYMENTS, replace(PAYMENTS, name="ledger"), auditors=groups("S0AUDIT")))
    whole = changes.begun(now)
    assert (whole["digest"], whole["added"], whole["removed"]) == ("d", ["ledger", "payments"], [])
    assert changes.read(json.loads(json.dumps(whole)))[0] == Together((), What.AUDITORS, WIDER, gained=("S0AUDIT",))
    assert "left_out" not in whole
    assert changes.begun(now, room=200) == {
        "digest": "d",
        "added": [],
        "removed": [],
        "changes": whole["changes"][:1],
    } | {"left_out": 2}


def test_what_entries_share_is_kept_once() -> None:
    """An entry has what is its own; with what is usual it is whole, and another usual changes no entry."""
    ledger, reports = replace(PAYMENTS, name="ledger", title="Ledger"), replace(PAYMENTS, name="reports")
    other = replace(PAYMENTS, name="other", approvals=7)
    kept = snapshot.of(book(ledger, PAYMENTS, reports, other))
    assert kept["apis"] == {"ledger": {"title": "Ledger"}, "payments": {}, "reports": {}, "other": {"approvals": 7}}
    whole = snapshot.entry(kept, "ledger")
    assert whole is not None
    assert {**whole, "title": "Payments", "approvals": 7} == snapshot.entry(kept, "other")
    assert snapshot.entry(kept, "gone") is None
    alone = snapshot.of(book(other))
    assert (alone["apis"]["other"], alone["usual"]["approvals"]) == ({}, 7)
    assert [one.entry for one in changes.between(kept, alone)] == ["ledger", "payments", "reports"]
    assert snapshot.of(book())["apis"] == {}
