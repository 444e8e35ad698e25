"""The modal of `/tyk-key who`: inert, within Slack's limits, and its buttons come back as they were drawn."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given

from bot.core.model import GrantState
from bot.core.usage import Unseen, Use
from bot.looking import PAGE, Found, Wanted
from bot.slack import modals, who
from bot.store.ledger import Holding
from tests.slack.test_modals import NASTY, NOW, check_inert, check_view, nasty, walk

HELD = Holding(
    request_id="r",
    number=1042,
    api="payments",
    plan="standard",
    user_id="U0ANN",
    name="Ann",
    used_by="nightly",
    reason="the nightly run",
    state=GrantState.ACTIVE,
    since=NOW,
    until=None,
    key_hashes=("cafe",),
    approvals=(("U0BOB", "S0LEADS"), ("U0ZOE", "S0LEADS")),
    digest="d",
    opens=(),
)
FOUND = Found(
    wanted=Wanted(api="payments"),
    holdings=(HELD,),
    names={"U0ANN": "Ann", "U0BOB": "Bob"},
    titles={"payments": "Payments"},
    newer=False,
    older=False,
    as_auditor=True,
)


def said(found: Found) -> str:
    view = check_view(who.view(found))
    check_inert(view["blocks"])
    return "\n".join(one["text"] for one in walk(view["blocks"]) if one.get("type") == "mrkdwn")


def test_a_line_has_all_that_is_known() -> None:
    """Who, for what, since and until when, by whom, why; of whom no name is known, the mention alone."""
    lines = said(FOUND).split("\n")
    assert lines[0] == "Who holds a token for *Payments* now"
    assert lines[1] == "*Ann* <@U0ANN> · standard · R-1042"
    assert lines[2].startswith("Since <!date^")
    assert lines[2].endswith(", doesn't expire")
    assert lines[3:6] == ["Approved by *Bob* <@U0BOB> and <@U0ZOE>", "Used by: nightly", "Reason: the nightly run"]


def test_what_is_out_of_the_ordinary_is_said() -> None:
    """A key that is still being made, one that was changed at Tyk, one that was asked for under another API's plan."""
    odd = replace(HELD, api="gold", state=GrantState.ISSUING, found=("Tyk holds another rate",), approvals=())
    told = said(replace(FOUND, holdings=(odd,), titles={"payments": "Payments", "gold": "Gold"}))
    assert "*Ann* <@U0ANN> · by a token for Gold · standard · R-1042 · being made" in told
    assert "At Tyk: Tyk holds another rate" in told
    assert "No approval needed" in told


def test_a_token_is_used_or_not_or_nobody_knows() -> None:
    """Each line says its own, and the page says once why nobody knows, with the permission to give, and what a silence means."""
    held = [replace(HELD, request_id=name) for name in ("used", "silent", "unknown", "unknown too", "without a key")]
    forbidden = Use(unseen=Unseen.FORBIDDEN)
    uses = {"used": Use(NOW), "silent": Use(), "unknown": forbidden, "unknown too": forbidden}
    told = said(replace(FOUND, holdings=tuple(held), uses=uses)).split("\n")
    since = [number for number, line in enumerate(told) if line.startswith("Since ")]
    assert told[since[0] + 1].startswith("Last used <!date^")
    assert told[since[1] + 1] == "No use recorded in the last 30 days"
    assert told[since[2] + 1] == told[since[3] + 1] == "Last use unknown"
    assert told[since[4] + 1].startswith("Approved by")
    (why,) = [line for line in told if "permission" in line]
    assert "needs the permission `analytics` (read)" in why
    assert "no recorded use doesn't mean no use" in told[told.index(why) + 1]
    assert "no recorded use" not in said(replace(FOUND, holdings=(held[0],), uses={"used": Use(NOW)}))


@pytest.mark.parametrize("why", Unseen)
def test_every_reason_is_a_sentence(why: Unseen) -> None:
    """Whatever kept Tyk from telling."""
    told = said(replace(FOUND, uses={"r": Use(unseen=why)}))
    assert "Last use unknown" in told
    assert told.count("tokens were last used") == 1


@given(nasty(), nasty(), nasty())
@example(NASTY[0], NASTY[1], NASTY[2])
def test_whatever_people_typed_a_full_page_is_inert_and_fits(title: str, name: str, reason: str) -> None:
    """Ten at their longest, by a crowd of approvers."""
    crowd = tuple((f"U0{number}", "S0LEADS") for number in range(20))
    held = replace(HELD, used_by=reason, reason=reason * 20, plan="p" * 75, approvals=crowd, found=(reason,) * 3)
    names = {f"U0{number}": name for number in range(20)} | {"U0ANN": name}
    full = replace(FOUND, holdings=(held,) * PAGE, names=names, titles={"payments": title}, newer=True, older=True)
    said(full)
    said(replace(full, wanted=Wanted(person="U0ANN")))
    said(replace(full, holdings=(), newer=False, older=False, as_auditor=False))


def test_the_buttons_turn_to_the_pages_before_and_after() -> None:
    """Newer than the first line, older than the last, of the same API or person."""
    page = replace(FOUND, wanted=Wanted(person="U0ANN", before=2000, page=2), newer=True, older=True)
    page = replace(page, holdings=(HELD, replace(HELD, number=1001)))
    values = [one["value"] for one in walk(who.view(page)) if one.get("type") == "button"]
    assert [who.read_wanted(value) for value in values] == [
        Wanted(person="U0ANN", after=1042, page=1),
        Wanted(person="U0ANN", before=1001, page=3),
    ]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "[]",
        "R-1",
        *map(
            json.dumps,
            ({}, {"api": "a", "person": "U0B"}, {"api": 7}, {"api": "a", "before": "x"}, {"what": "a"}, None),
        ),
    ],
)
def test_what_no_button_holds_is_out_of_date(value: Any) -> None:
    """Whatever comes back, it is that or a page."""
    with pytest.raises(modals.StaleView):
        who.read_wanted(value)
