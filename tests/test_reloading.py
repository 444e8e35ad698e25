"""Every key of the configuration is read when it is used, or named as one that waits for a restart; and when a file is taken."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from bot.config import Config, ConfigError, parse
from bot.config.sections import (
    ApiSection,
    AuditSection,
    File,
    ForwardSection,
    LimitsSection,
    PlanSection,
    ReasonPatternSection,
    SlackSection,
    Terms,
    TykSection,
)
from bot.core.changes import compared
from bot.core.snapshot import What
from bot.reloading import AGAIN, AT_RESTART, Turn, WatchedFile, at_restart

TEXT = """\
tyk: {dashboard_url: "https://admin.example.com", gateway_url: "https://api.example.com", keys_by: id, alias: number, at_once: 20}
slack: {command: /tyk-key, approvals_channel: C0APPROVE, audit_channel: C0AUDIT, help_channel: C0HELP}
auditors: [U0AUDIT]
defaults:
  approvers: [U0BOB, U0CAROL]
audit: {keep_finished_for: 400d, forward: [{to: file, path: /var/log/audit.jsonl}]}
apis:
  ledger: {api_id: "1", requesters: [everyone], approvals: 0}
  reports: {api_id: "5", requesters: [everyone], approvals: 0}
  payments:
    api_id: "2"
    api_name: pay
    title: Payments
    description: Moves money
    docs: https://docs.example.com/a
    warning: This is production.
    listen_path: /payments/
    auth_header: Authorization
    versions: [Default]
    gateway_url: https://gw.example.com
    requesters: [U0ALICE]
    approvals_channel: C0PAY
    approvals: 1
    approvers: [U0BOB, U0CAROL]
    also_may_approve: [U0DAVE]
    lifetimes: [7d]
    reason: required
    reason_pattern: {pattern: "T-[0-9]+", says: Name the ticket.}
    reason_link: https://tickets.example.com/{match}
    request_lapses_after: 7d
    hide_token_after: 1d
    max_active: 5
    max_total: 30d
    plans:
      gold: {limits: {rate: 100, per: 1, quota_max: 1000, quota_renewal_rate: 60}}
      all: {tyk_policies: [P1], also_opens: [ledger]}
  search:
    api_id: "3"
    requesters: [everyone]
    lifetimes: [never]
    review_every: 90d
    limits: {rate: 10, per: 1, quota_max: -1, quota_renewal_rate: 60}
"""

IN_FORCE = {"slack.help_channel", "slack.audit_channel", "tyk.alias", "audit.keep_finished_for"}
"""What is in no rule, and is read where it is used: what a living bot makes of a change of them is in `tests/running`."""

OTHER = {
    "tyk.dashboard_url": ("admin.example.com", "admin2.example.com"),
    "tyk.gateway_url": ("//api.example.com", "//api2.example.com"),
    "tyk.keys_by": ("keys_by: id", "keys_by: hash"),
    "tyk.alias": ("alias: number", "alias: number and person"),
    "tyk.at_once": ("at_once: 20", "at_once: 21"),
    "slack.command": ("/tyk-key", "/keys"),
    "slack.approvals_channel": ("approvals_channel: C0APPROVE", "approvals_channel: C0OTHER"),
    "slack.audit_channel": ("C0AUDIT", "C0OTHER"),
    "slack.help_channel": ("C0HELP", "C0OTHER"),
    "auditors": ("[U0AUDIT]", "[U0EVE]"),
    "defaults": ("  approvers: [U0BOB, U0CAROL]\naudit", "  approvers: [U0BOB]\naudit"),
    "audit.forward": ("audit.jsonl", "other.jsonl"),
    "audit.keep_finished_for": ("400d", "500d"),
    "apis.api_id": ('"2"', '"4"'),
    "apis.api_name": ("api_name: pay", "api_name: money"),
    "apis.title": ("title: Payments", "title: Money"),
    "apis.description": ("Moves money", "Takes money"),
    "apis.docs": ("example.com/a", "example.com/b"),
    "apis.warning": ("This is production.", "Real money."),
    "apis.listen_path": ("listen_path: /payments/", "listen_path: /pay/"),
    "apis.auth_header": ("auth_header: Authorization", "auth_header: X-Key"),
    "apis.versions": ("[Default]", "[v2]"),
    "apis.gateway_url": ("gw.example.com", "gw2.example.com"),
    "apis.requesters": ("[U0ALICE]", "[U0EVE]"),
    "apis.plans": ("      gold:", "      silver:"),
    "apis.approvals_channel": ("C0PAY", "C0OTHER"),
    "apis.approvals": ("approvals: 1\n", "approvals: 2\n"),
    "apis.approvers": ("    approvers: [U0BOB, U0CAROL]", "    approvers: [U0CAROL]"),
    "apis.also_may_approve": ("[U0DAVE]", "[U0EVE]"),
    "apis.lifetimes": ("lifetimes: [7d]", "lifetimes: [8d]"),
    "apis.reason": ("reason: required", "reason: optional"),
    "apis.reason_pattern": ("Name the ticket.", "Name a ticket."),
    "apis.reason_link": ("https://tickets", "https://tasks"),
    "apis.request_lapses_after": ("request_lapses_after: 7d", "request_lapses_after: 8d"),
    "apis.hide_token_after": ("hide_token_after: 1d", "hide_token_after: 2d"),
    "apis.review_every": ("90d", "80d"),
    "apis.max_active": ("max_active: 5", "max_active: 6"),
    "apis.max_total": ("max_total: 30d", "max_total: 40d"),
    "apis.limits": ("rate: 10,", "rate: 11,"),
    "plans.limits": ("rate: 100", "rate: 101"),
    "plans.tyk_policies": ("[P1]", "[P2]"),
    "plans.also_opens": ("also_opens: [ledger]", "also_opens: [reports]"),
    "plans.also_for_those_who_may_not_ask": ("[ledger]}", "[ledger], also_for_those_who_may_not_ask: true}"),
}
"""Another value for each key."""


def _keys() -> Iterator[str]:
    """Every key of the file; those of a section that is one value are its own."""
    sections: dict[str, type[BaseModel]] = {"tyk": TykSection, "slack": SlackSection, "audit": AuditSection, "": File}
    for name, section in (sections | {"apis": ApiSection, "plans": PlanSection}).items():
        yield from (f"{name}.{key}" if name else key for key in section.model_fields if key not in sections)


def test_no_key_is_forgotten() -> None:
    """A new key of the file is given another value here."""
    assert {*_keys()} - {"apis"} == OTHER.keys()
    assert Terms.model_fields.keys() <= ApiSection.model_fields.keys()
    assert {*What} >= {what.value for what in AT_RESTART} | IN_FORCE
    assert not AT_RESTART & IN_FORCE
    whole = (LimitsSection, ReasonPatternSection, ForwardSection)  # each is one value, and compared as one
    assert all(issubclass(section, BaseModel) for section in whole)


def changed(old: str, new: str) -> Config:
    assert old in TEXT
    return parse(TEXT.replace(old, new, 1))


@pytest.mark.parametrize("key", OTHER)
def test_each_key_is_in_a_rule_or_in_force_or_waits_for_a_restart(key: str) -> None:
    """A change of it changes what is read when it is used, or is told, with its place, as what a restart takes."""
    running, new = parse(TEXT), changed(*OTHER[key])
    kept = new.with_settings_of(running, AT_RESTART)
    told = at_restart(running, new)
    if key in AT_RESTART:
        section, _, name = key.partition(".")
        assert [one.text for one in told] == [f"`{key}` has changed, which takes effect when I am restarted"]
        assert told[0].line == new.place((section, name)).line > 0
        assert (kept.settings(), kept.digest) == (running.settings(), running.digest)
        return
    assert told == ()
    if key in IN_FORCE:
        assert kept.settings()[key] != running.settings()[key]
    else:
        assert compared(running.rulebook({}), kept.rulebook({}))


# --- when a file is taken ---------------------------------------------------------------------------------------------


def test_a_file_is_taken_once_and_not_while_it_is_written() -> None:
    """It has to hold the same in two looks; whoever asks for it at once says that it is whole."""
    turn = Turn("old")
    looks = ["old", "old", "half", "new", "new"]
    assert [turn.has_come(held, at_once=False) for held in looks] == [False, False, False, False, True]
    turn.done_with = "new"
    assert not turn.has_come("new", at_once=False)
    assert turn.has_come("new", at_once=True)
    assert turn.has_come("half", at_once=True)


def test_what_slack_cannot_say_now_is_tried_again_later() -> None:
    """After a while, or as soon as somebody asks; also where the file was put back meanwhile."""
    now = [0.0]
    turn = Turn("old", lambda: now[0])
    turn.has_come("new", at_once=True)
    turn.comes_again()
    assert not turn.has_come("new", at_once=False)
    now[0] = AGAIN
    assert turn.has_come("new", at_once=False)
    assert not turn.has_come("old", at_once=False)
    assert not turn.has_come("old", at_once=False)
    turn.comes_again()
    assert turn.has_come("new", at_once=True)


def test_a_pipe_in_the_files_place(tmp_path: Path) -> None:
    """It is complained of and not waited for: the look at the file would never end, and neither would the bot."""
    os.mkfifo(tmp_path / "config.yaml")
    said, found = WatchedFile(tmp_path / "config.yaml").read()
    assert isinstance(found, ConfigError)
    assert said.endswith("config.yaml:1:1: a pipe cannot be read again")
